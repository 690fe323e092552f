"""An application that reads everything a client can send, and what may come of it.

Fuzzing, soak and the tests with threads send their requests to it. Each answer
is held against what is promised for all answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from poorwsgi import Application, state
from poorwsgi.aes_session import AESSession
from poorwsgi.auth import check_basic, check_bearer
from poorwsgi.digest import PasswordMap, check_digest, hexdigest
from poorwsgi.headers import parse_etags, parse_range
from poorwsgi.response import GeneratorResponse, Response
from poorwsgi.session import PoorSession, Session, SessionError

KEY = "a secret that is long enough"
REALM = "zone"
#: Slower than this for one request of a few kB is a defect.
SLOW = 1.5

#: What handlers may read of a request before its body.
ATTRIBUTES = [
    *("accept", "accept_charset", "accept_encoding", "accept_html", "accept_json"),
    *("accept_language", "accept_xhtml", "args", "authorization", "charset"),
    *("content_length", "cookies", "document_index", "document_root", "forwarded_for"),
    *("forwarded_host", "forwarded_port", "forwarded_proto", "full_path", "headers"),
    *("host_port", "hostname", "is_body_request", "is_chunked", "is_xhr", "method"),
    *("method_number", "mime_type", "path", "path_args", "query", "referer"),
    *("remote_addr", "remote_host", "scheme", "server_admin", "server_hostname"),
    *("server_port", "server_scheme", "server_software", "uri", "user_agent"),
]


class CheckError(AssertionError):
    """An answer that is not what is promised."""


def make_application(name: str, root: Path | None = None) -> Application:
    """Return an application with a reader for each input."""
    app = Application(name)
    app.secret_key = KEY
    app.auth_type = "Digest"
    app.auth_timeout = 86400
    app.auth_map = PasswordMap()
    app.auth_map.set(REALM, "joe", hexdigest("joe", REALM, "pass", hashlib.md5))
    if root is not None:
        app.document_root = str(root)
        app.document_index = True
    _add_readers(app)
    _add_routes(app)
    _add_logins(app)
    return app


def _add_readers(app: Application) -> None:
    @app.route("/read", method=state.METHOD_ALL)
    def read(req: Any) -> Any:
        values = {name: str(getattr(req, name)) for name in ATTRIBUTES}
        values["url"] = req.construct_url("/back")
        values["tags"] = str(parse_etags(req.headers.get("If-None-Match", "")))
        for name, value in (req.cookies or {}).items():
            values[f"cookie {name}"] = value.value
        for name in req.args:
            values[f"arg {name}"] = str(req.args.getlist(name))
        return values

    @app.route("/body", method=state.METHOD_ALL)
    def body(req: Any) -> Any:
        fields = {str(name): str(req.form.getlist(name)) for name in req.form}
        return {"form": fields, "json": str(req.json), "data": str(req.data)}

    @app.route("/range")
    def part(req: Any) -> Any:
        response = Response(bytes(range(200)), "application/x-test")
        response.make_partial(parse_range(req.headers.get("Range", "")).get("bytes"))
        return response

    @app.route("/stream")
    def stream(req: Any) -> Any:
        response = GeneratorResponse(
            (b"0123456789" for _ in range(20)), "text/plain", content_length=200
        )
        response.make_partial(parse_range(req.headers.get("Range", "")).get("bytes"))
        return response


def _add_routes(app: Application) -> None:
    for name in ("int", "float", "word", "hex", "uuid", "re:[a-z]+[0-9]*"):
        start = name.partition(":")[0]

        @app.route(f"/{start}/<value:{name}>")
        @app.route(f"/{start}/<value:{name}>/<rest>")
        def typed(req: Any, value: Any, rest: str = "") -> str:
            return f"{value!r} {rest!r} {req.path_args}"

    @app.route("/name/<value>")
    def named(req: Any, value: str) -> Any:
        return value, "text/plain"

    @app.default(state.METHOD_POST)
    def default(req: Any) -> str:
        return "default"


def _add_logins(app: Application) -> None:
    @app.route("/session")
    def session(req: Any) -> Any:
        response = Response("", "text/plain")
        for kind, sid in ((PoorSession, "SESSID"), (AESSession, "AES")):
            own = kind(KEY, sid=sid, secure=True)
            with contextlib.suppress(SessionError):
                own.load(req.cookies)
                if set(own.data) - {"user"}:
                    raise CheckError(f"a session of {own.data}")
            response.write(f"{own.data}\n")
            own.header(response)
        plain = Session(sid="PLAIN")
        plain.load(req.cookies)
        response.write(plain.data)
        return response

    @app.route("/digest")
    @check_digest(REALM)
    def digest(req: Any) -> str:
        return f"hello {req.user}"

    @app.route("/basic")
    @check_basic(REALM, lambda user, password: (user, password) == ("joe", "pass"))
    def basic(req: Any) -> str:
        return f"hello {req.user}"

    @app.route("/bearer")
    @check_bearer(lambda token: {"sub": "joe"} if token == "abc" else None)
    def bearer(req: Any) -> str:
        return "hello"


def environ_of(method: str = "GET", path: str = "/read", **more: Any) -> dict[str, Any]:
    """Return an environment as a server makes it."""
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **more,
    }


class Reply:
    """What one call of an application gave."""

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes):
        self.status = int(status[:3])
        self.headers = {name.lower(): value for name, value in headers}
        self.pairs = headers
        self.body = body


def call(app: Any, environ: dict[str, Any]) -> Reply:
    """Call an application as a server does and check what holds for all answers."""
    started: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.append((status, headers))

    since = time.thread_time()
    answer: Iterable[bytes] = app(environ, start_response)
    try:
        blocks = list(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    if time.thread_time() - since > SLOW:
        raise CheckError("slow")
    if len(started) != 1:
        raise CheckError(f"start_response was called {len(started)} times")
    if not all(type(block) is bytes for block in blocks):
        raise CheckError("a block that is not bytes")
    reply = Reply(*started[0], b"".join(blocks))
    check_reply(reply, environ["REQUEST_METHOD"])
    return reply


def check_reply(reply: Reply, method: str) -> None:
    """Refuse an answer that a server could not send, or that is an error of ours."""
    if reply.status >= 500 and reply.status != 501:
        raise CheckError(f"status {reply.status}")
    for name, value in reply.pairs:
        text = name + value
        text.encode("latin-1")
        if not name or any(char < " " or char == "\x7f" for char in text):
            raise CheckError(f"header {name!r}: {value!r}")
    length = reply.headers.get("content-length")
    has_body = method != "HEAD" and reply.status not in (204, 304)
    if has_body and length is not None and int(length) != len(reply.body):
        raise CheckError(f"{len(reply.body)} bytes, {length} announced")
    if not has_body and reply.body:
        raise CheckError(f"a body in answer to {method}, {reply.status}")
    location = reply.headers.get("location", "")
    if location.startswith(("//", "/\\")):
        raise CheckError(f"Location {location!r}")


def quiet() -> None:
    """Keep records of refused requests off the terminal."""
    logging.getLogger("poorwsgi").setLevel(logging.CRITICAL)


def unique(name: str) -> str:
    """Return a name for an application that no other has."""
    return f"{name} {os.urandom(6).hex()}"
