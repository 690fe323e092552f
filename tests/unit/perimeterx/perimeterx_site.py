"""A site behind the middleware, for the tests of it."""

from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from poorwsgi.perimeterx import PerimeterX

AGENT = "Vector/1.0"


def make_environ(path: str = "/", **more: Any) -> dict[str, Any]:
    """Return the environ of a GET; keys are headers or environ names."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "HTTP_HOST": "shop.example",
        "HTTP_USER_AGENT": AGENT,
    }
    environ.update(more)
    setup_testing_defaults(environ)
    return environ


class Site:
    """An application behind the middleware, and what happened to it."""

    def __init__(self, config: dict[str, Any], application: Any = None) -> None:
        self.runs: list[dict[str, Any]] = []
        self.inner = application or self.application
        self.px = PerimeterX(self.inner, config)

    def application(self, environ: Any, start_response: Any) -> list[bytes]:
        self.runs.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"the site"]

    def get(self, path: str = "/", **more: Any) -> Reply:
        """Send a request through the PEP 3333 validator."""
        environ = make_environ(path, **more)
        return call(validator(self.px), environ)

    def raw(self, environ: dict[str, Any]) -> Reply:
        """Send a request that no validator would let through."""
        return call(self.px, environ)


class Reply:
    """An answer, whole."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes):
        self.status_line = status
        self.status = int(status[:3])
        self.pairs = headers
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body
        self.text = body.decode("utf-8", "replace")


def call(application: Any, environ: dict[str, Any]) -> Reply:
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started[:] = [status, list(headers)]
        return written.append

    result = application(environ, start_response)
    try:
        body = b"".join([*result, *written])
    finally:
        if hasattr(result, "close"):
            result.close()
    return Reply(started[0], started[1], body)
