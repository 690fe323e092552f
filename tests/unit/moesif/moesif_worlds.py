"""The same small site in every framework, behind the middleware.

Each world serves these paths:

    /text          201, text/plain "created"
    /json          {"ok": true, "card": {"number": "4111"}}
    /echo          the request body, as it was read
    /unread        "done", without a look at the body
    /empty         204
    /cookies       two Set-Cookie headers
    /stream        "one", "two", "three" in three chunks
    /fail          raises Oops
    /zipped        gzip of {"zipped": true}
    /large         one byte more than LARGE
"""

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import fastapi

from poorwsgi.moesif import MoesifMiddleware
from poorwsgi.moesif.asgi import MoesifMiddleware as ASGIMiddleware

LARGE = 1000  # the limit of bodies that tests set
JSON = {"ok": True, "card": {"number": "4111"}}
JSON_TEXT = b'{"ok": true, "card": {"number": "4111"}}'
ZIPPED = gzip.compress(b'{"zipped": true}', mtime=0)
CHUNKS = [b"one", b"two", b"three"]


class OopsError(Exception):
    """What /fail raises."""


@dataclass
class Reply:
    """What the client gets."""

    status: int
    pairs: list[tuple[str, str]]
    body: bytes
    chunks: list[bytes] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return next(v for n, v in self.pairs if n.lower() == name.lower())

    def names(self) -> set[str]:
        return {name.lower() for name, _ in self.pairs}


# WSGI


def make_environ(
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    **more: Any,
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "192.0.2.1",
        "HTTP_HOST": "api.example.test",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in (headers or {}).items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    environ.update(more)
    environ = {key: value for key, value in environ.items() if value is not None}
    setup_testing_defaults(environ)
    return environ


def call_wsgi(app: Any, environ: dict[str, Any], *, valid: bool = True) -> Reply:
    """Call an application as a server does, under the PEP 3333 validator."""
    seen: list[Any] = []
    chunks: list[bytes] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen[:] = [status, list(headers)]
        return chunks.append

    iterable = (validator(app) if valid else app)(environ, start_response)
    try:
        chunks += list(iterable)
    finally:
        if hasattr(iterable, "close"):
            iterable.close()
    return Reply(int(seen[0][:3]), seen[1], b"".join(chunks), chunks)


class WSGIWorld:
    """A middleware around a WSGI application."""

    flavour = "wsgi"
    #: Whether an error of a handler comes out of the application.
    raises = False

    def __init__(self, settings: dict[str, Any]) -> None:
        self.application = self.make()
        self.middleware = MoesifMiddleware(self.application, settings)

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        peer: str | None = "192.0.2.1",
    ) -> Reply:
        environ = make_environ(method, target, headers, body, REMOTE_ADDR=peer)
        return call_wsgi(self.middleware, environ, valid=self.valid)

    #: Not every framework passes the validator by itself.
    valid = False

    def make(self) -> Any:
        raise NotImplementedError


def plain_wsgi(environ: dict[str, Any], start_response: Any) -> Any:
    path = environ["PATH_INFO"]
    text = [("Content-Type", "text/plain")]
    if path == "/json":
        start_response("200 OK", [("Content-Type", "application/json")])
        return [JSON_TEXT]
    if path == "/echo":
        length = environ.get("CONTENT_LENGTH") or -1
        data = environ["wsgi.input"].read(int(length))
        start_response("200 OK", text)
        return [data]
    if path == "/empty":
        start_response("204 No Content", [])
        return []
    if path == "/cookies":
        start_response("200 OK", [*text, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
        return [b"cookies"]
    if path == "/stream":
        start_response("200 OK", text)
        return iter(CHUNKS)
    if path == "/fail":
        raise OopsError("on purpose")
    if path == "/zipped":
        start_response("200 OK", [*text, ("Content-Encoding", "gzip")])
        return [ZIPPED]
    if path == "/large":
        start_response("200 OK", text)
        return [b"x" * (LARGE + 1)]
    if path == "/unread":
        start_response("200 OK", text)
        return [b"done"]
    start_response("201 Created", text)
    return [b"created"]


class Plain(WSGIWorld):
    valid = True
    raises = True

    def make(self) -> Any:
        return plain_wsgi


class PoorWSGI(WSGIWorld):
    valid = True
    made = 0

    def make(self) -> Any:
        from poorwsgi import Application
        from poorwsgi.response import (
            GeneratorResponse,
            NoContentResponse,
            Response,
        )

        PoorWSGI.made += 1
        app = Application(f"moesif_worlds_{PoorWSGI.made}")
        app.auto_form = app.auto_json = app.auto_data = False
        every = 1 | 2 | 4

        @app.route("/text", method=every)
        def text(req: Any) -> Any:
            return Response("created", "text/plain", status_code=201)

        @app.route("/json", method=every)
        def json_(req: Any) -> Any:
            return Response(JSON_TEXT, "application/json")

        @app.route("/echo", method=every)
        def echo(req: Any) -> Any:
            return Response(req.read(), "text/plain")

        @app.route("/unread", method=every)
        def unread(req: Any) -> Any:
            return Response("done", "text/plain")

        @app.route("/empty")
        def empty(req: Any) -> Any:
            return NoContentResponse()

        @app.route("/cookies")
        def cookies(req: Any) -> Any:
            response = Response("cookies", "text/plain")
            response.add_header("Set-Cookie", "a=1")
            response.add_header("Set-Cookie", "b=2")
            return response

        @app.route("/stream")
        def stream(req: Any) -> Any:
            return GeneratorResponse(iter(CHUNKS), "text/plain")

        @app.route("/fail")
        def fail(req: Any) -> Any:
            raise OopsError("on purpose")

        @app.route("/zipped")
        def zipped(req: Any) -> Any:
            return Response(ZIPPED, "text/plain", headers={"Content-Encoding": "gzip"})

        @app.route("/large")
        def large(req: Any) -> Any:
            return Response(b"x" * (LARGE + 1), "text/plain")

        return app


class Flask(WSGIWorld):
    def make(self) -> Any:
        import flask

        app = flask.Flask("moesif_worlds")

        @app.route("/<name>", methods=["GET", "POST"])
        def view(name: str) -> Any:
            response = flask.Response("created", 201, mimetype="text/plain")
            if name == "json":
                response = flask.Response(JSON_TEXT, mimetype="application/json")
            elif name == "echo":
                response = flask.Response(flask.request.get_data())
            elif name == "unread":
                response = flask.Response("done")
            elif name == "empty":
                response = flask.Response(status=204)
            elif name == "cookies":
                response = flask.Response("cookies")
                response.set_cookie("a", "1")
                response.set_cookie("b", "2")
            elif name == "stream":
                response = flask.Response(iter(CHUNKS))
            elif name == "zipped":
                response = flask.Response(ZIPPED, headers={"Content-Encoding": "gzip"})
            elif name == "large":
                response = flask.Response(b"x" * (LARGE + 1))
            elif name == "fail":
                raise OopsError("on purpose")
            return response

        return app


class Bottle(WSGIWorld):
    def make(self) -> Any:
        import bottle

        app = bottle.Bottle()

        @app.route("/<name>", method=["GET", "POST"])
        def view(name: str) -> Any:
            response = bottle.response
            response.content_type = "text/plain"
            if name == "json":
                response.content_type = "application/json"
                return JSON_TEXT
            if name == "echo":
                return bottle.request.body.read()
            if name == "unread":
                return b"done"
            if name == "empty":
                response.status = 204
                return b""
            if name == "cookies":
                response.set_cookie("a", "1")
                response.set_cookie("b", "2")
                return b"cookies"
            if name == "stream":
                return iter(CHUNKS)
            if name == "zipped":
                response.set_header("Content-Encoding", "gzip")
                return ZIPPED
            if name == "large":
                return b"x" * (LARGE + 1)
            if name == "fail":
                raise OopsError("on purpose")
            response.status = 201
            return b"created"

        return app


class Pyramid(WSGIWorld):
    raises = True

    def make(self) -> Any:
        from pyramid.config import Configurator
        from pyramid.response import Response

        def view(request: Any) -> Any:
            name = request.matchdict["name"]
            response = Response(b"created", 201, content_type="text/plain")
            if name == "json":
                response = Response(JSON_TEXT, content_type="application/json")
            elif name == "echo":
                response = Response(request.body)
            elif name == "unread":
                response = Response(b"done")
            elif name == "empty":
                response = Response(status=204)
            elif name == "cookies":
                response = Response(b"cookies")
                response.set_cookie("a", "1")
                response.set_cookie("b", "2")
            elif name == "stream":
                response = Response(app_iter=iter(CHUNKS))
            elif name == "zipped":
                response = Response(ZIPPED, content_encoding="gzip")
            elif name == "large":
                response = Response(b"x" * (LARGE + 1))
            elif name == "fail":
                raise OopsError("on purpose")
            return response

        config = Configurator()
        config.add_route("all", "/{name}")
        config.add_view(view, route_name="all")
        return config.make_wsgi_app()


# ASGI


def make_scope(
    method: str,
    target: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    **more: Any,
) -> dict[str, Any]:
    path, _, query = target.partition("?")
    pairs = [(b"host", b"api.example.test")]
    if body:
        pairs.append((b"content-length", str(len(body)).encode()))
    for name, value in (headers or {}).items():
        pairs.append((name.lower().encode(), value.encode("latin-1")))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": pairs,
        "client": ("192.0.2.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        **more,
    }


async def call_asgi(
    app: Any, scope: dict[str, Any], parts: list[bytes] | None = None
) -> Reply:
    """Call an application as a server does; the body comes in parts."""
    messages = [
        {"type": "http.request", "body": part, "more_body": True}
        for part in parts or [b""]
    ]
    messages[-1]["more_body"] = False
    sent: list[dict[str, Any]] = []
    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            done.set()

    await app(scope, receive, send)
    start = sent[0]
    chunks = [message.get("body", b"") for message in sent[1:]]
    pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in start["headers"]]
    return Reply(start["status"], pairs, b"".join(chunks), chunks)


class ASGIWorld:
    """A middleware around an ASGI application."""

    flavour = "asgi"
    raises = True

    def __init__(self, settings: dict[str, Any]) -> None:
        self.application = self.make()
        self.middleware = ASGIMiddleware(self.application, settings=settings)

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        peer: str | None = "192.0.2.1",
    ) -> Reply:
        client = (peer, 50000) if peer else None
        scope = make_scope(method, target, headers, body, client=client)
        half = len(body) // 2
        parts = [body[:half], body[half:]] if body else [b""]
        return asyncio.run(call_asgi(self.middleware, scope, parts))

    def make(self) -> Any:
        raise NotImplementedError


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def plain_asgi(scope: Any, receive: Any, send: Any) -> None:
    path, status, chunks = scope["path"], 200, [b"created"]
    headers = [(b"content-type", b"text/plain")]
    if path == "/json":
        headers, chunks = [(b"content-type", b"application/json")], [JSON_TEXT]
    elif path == "/echo":
        chunks = [await read_body(receive)]
    elif path == "/unread":
        chunks = [b"done"]
    elif path == "/empty":
        status, headers, chunks = 204, [], [b""]
    elif path == "/cookies":
        headers += [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        chunks = [b"cookies"]
    elif path == "/stream":
        chunks = CHUNKS
    elif path == "/zipped":
        headers, chunks = [*headers, (b"content-encoding", b"gzip")], [ZIPPED]
    elif path == "/large":
        chunks = [b"x" * (LARGE + 1)]
    elif path == "/fail":
        raise OopsError("on purpose")
    else:
        status = 201
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for number, chunk in enumerate(chunks, 1):
        more = number < len(chunks)
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


class PlainASGI(ASGIWorld):
    def make(self) -> Any:
        return plain_asgi


class Starlette(ASGIWorld):
    def make(self) -> Any:
        from starlette.applications import Starlette as Application
        from starlette.responses import Response, StreamingResponse
        from starlette.routing import Route

        async def view(request: Any) -> Any:
            name = request.path_params["name"]
            response = Response(b"created", 201, media_type="text/plain")
            if name == "json":
                response = Response(JSON_TEXT, media_type="application/json")
            elif name == "echo":
                response = Response(await request.body())
            elif name == "unread":
                response = Response(b"done")
            elif name == "empty":
                response = Response(status_code=204)
            elif name == "cookies":
                response = Response(b"cookies")
                response.set_cookie("a", "1")
                response.set_cookie("b", "2")
            elif name == "stream":
                response = StreamingResponse(iter(CHUNKS))
            elif name == "zipped":
                response = Response(ZIPPED, headers={"content-encoding": "gzip"})
            elif name == "large":
                response = Response(b"x" * (LARGE + 1))
            elif name == "fail":
                raise OopsError("on purpose")
            return response

        route = Route("/{name}", view, methods=["GET", "POST"])
        return Application(routes=[route])


class FastAPI(ASGIWorld):
    """The middleware sits inside, as add_middleware puts it."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from fastapi.responses import Response, StreamingResponse

        app = fastapi.FastAPI()

        @app.api_route("/{name}", methods=["GET", "HEAD", "POST"])
        async def view(name: str, request: fastapi.Request) -> Any:
            if name == "json":
                return Response(JSON_TEXT, media_type="application/json")
            if name == "echo":
                return Response(await request.body())
            if name == "unread":
                return Response(b"done")
            if name == "empty":
                return Response(status_code=204)
            if name == "cookies":
                response = Response(b"cookies")
                response.set_cookie("a", "1")
                response.set_cookie("b", "2")
                return response
            if name == "stream":
                return StreamingResponse(iter(CHUNKS))
            if name == "zipped":
                return Response(ZIPPED, headers={"content-encoding": "gzip"})
            if name == "large":
                return Response(b"x" * (LARGE + 1))
            if name == "fail":
                raise OopsError("on purpose")
            return Response(b"created", 201, media_type="text/plain")

        app.add_middleware(ASGIMiddleware, settings=settings)
        self.application = app
        app.middleware_stack = app.build_middleware_stack()
        self.middleware = find(app.middleware_stack, ASGIMiddleware)

    def request(self, *args: Any, **options: Any) -> Reply:
        outer, self.middleware = self.middleware, self.application
        try:
            return super().request(*args, **options)
        finally:
            self.middleware = outer


def find(app: Any, kind: type) -> Any:
    while not isinstance(app, kind):
        app = app.app
    return app


# Django


class Django:
    """A Django project under its WSGI handler."""

    flavour = "django"
    raises = False
    asynchronous = False

    def __init__(self, settings: dict[str, Any]) -> None:
        import moesif_django

        self._override = moesif_django.override(settings)
        self._override.enable()
        self.handler = self.make_handler()
        self.middleware = moesif_django.latest()

    def make_handler(self) -> Any:
        from django.core.handlers.wsgi import WSGIHandler

        return WSGIHandler()

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        peer: str | None = "192.0.2.1",
    ) -> Reply:
        environ = make_environ(method, target, headers, body)
        # Django needs the entry; servers on a Unix socket leave it empty.
        environ["REMOTE_ADDR"] = peer or ""
        return call_wsgi(self.handler, environ, valid=False)

    def close(self) -> None:
        self._override.disable()


class AsyncDjango(Django):
    """A Django project under its ASGI handler, with async views."""

    asynchronous = True

    def make_handler(self) -> Any:
        from django.core.handlers.asgi import ASGIHandler

        return ASGIHandler()

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        peer: str | None = "192.0.2.1",
    ) -> Reply:
        target = "/async" + target
        client = (peer, 50000) if peer else None
        scope = make_scope(method, target, headers, body, client=client)
        return asyncio.run(call_asgi(self.handler, scope, [body]))


WSGI_WORLDS = [Plain, PoorWSGI, Flask, Bottle, Pyramid]
ASGI_WORLDS = [PlainASGI, Starlette, FastAPI]
DJANGO_WORLDS = [Django, AsyncDjango]
WORLDS = [*WSGI_WORLDS, *ASGI_WORLDS, *DJANGO_WORLDS]


def iterate(chunks: list[bytes]) -> Iterator[bytes]:
    yield from chunks
