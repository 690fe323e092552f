"""Falcon: resources with responders."""

import json
import os
from functools import partial

import falcon
from itsdangerous import URLSafeTimedSerializer
from scenarios import CHUNK, CHUNKS, GREETING, rows

IMPORTS = "falcon"
signer = URLSafeTimedSerializer("a secret key of some length")


class Hello:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = "Hello, World!"


class User:
    def on_get(self, req, resp, name, number):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"{name} {number}"


class Json:
    def on_get(self, req, resp):
        resp.media = GREETING

    def on_post(self, req, resp):
        resp.media = req.get_media()


class Query:
    def on_get(self, req, resp):
        args = req.params
        resp.content_type = falcon.MEDIA_HTML
        resp.text = " ".join(
            (args["q"], args["page"], args["sort"], args["order"], args["limit"])
        )


class Form:
    def on_post(self, req, resp):
        fields = req.get_media()
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"{fields['name']} {fields['email']} {fields['phone']}"


class Upload:
    def on_post(self, req, resp):
        fields = {}
        for part in req.get_media():
            fields[part.name] = part.get_data() if part.filename else part.get_text()
        text = " ".join(fields[name] for name in ("title", "year", "lang"))
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"{text} {len(fields['file'])}"


class Cookies:
    def on_get(self, req, resp):
        jar = req.cookies
        resp.set_cookie(
            "visit", str(int(jar["visit"]) + 1), path="/", secure=False, same_site="Lax"
        )
        resp.content_type = falcon.MEDIA_HTML
        resp.text = jar["lang"]


class Stream:
    def on_get(self, req, resp):
        resp.content_type = "application/octet-stream"
        resp.stream = (CHUNK for _ in range(CHUNKS))


class Rows:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_JSON
        resp.stream = pieces()


def pieces():
    separator = b'{"rows": ['
    for row in rows():
        yield separator + json.dumps(row).encode()
        separator = b", "
    yield b"]}"


class Session:
    def on_get(self, req, resp):
        cookie = req.cookies.get("SESSID")
        data = signer.loads(cookie) if cookie else {"user": "joe", "visits": 0}
        data["visits"] += 1
        resp.set_cookie("SESSID", signer.dumps(data), path="/", secure=False)
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"{data['visits']} {data['user']}"


class HelloUser:
    def on_get(self, req, resp):
        resp.content_type = falcon.MEDIA_HTML
        resp.text = f"Hello, {req.context.user}!"


class First:
    def process_request(self, req, resp):
        req.context.user = "joe"

    def process_response(self, req, resp, resource, req_succeeded):
        resp.set_header("X-Frame-Options", "DENY")


class Second:
    def process_request(self, req, resp):
        req.context.language = "en"

    def process_response(self, req, resp, resource, req_succeeded):
        pass


application = falcon.App()
application.add_route("/", Hello())
application.add_route("/user/{name}/{number:int}", User())
application.add_route("/json", Json())
application.add_route("/query", Query())
application.add_route("/form", Form())
application.add_route("/upload", Upload())
application.add_route("/cookies", Cookies())
application.add_route("/stream", Stream())
application.add_route("/rows", Rows())
application.add_route("/session", Session())
application.add_route("/session-plain", Session())

files = falcon.App()
if "BENCH_FILES" in os.environ:
    files.add_static_route("/", os.environ["BENCH_FILES"])

hooked = falcon.App(middleware=[First(), Second()])
hooked.add_route("/", HelloUser())


def routes(count):
    app = falcon.App()
    resource = User()
    for number in range(count):
        app.add_route(f"/r{number}/{{name}}/{{number:int}}", resource)
    return app


PLAIN = [
    "static",
    "params",
    "json",
    "json-echo",
    "query",
    "form",
    "multipart",
    "404",
    "cookies",
    "stream",
    "json-stream",
    "session",
    "session-plain",
]
APPLICATIONS = {
    **dict.fromkeys(PLAIN, application),
    **dict.fromkeys(("file", "file-304", "file-206"), files),
    "hooks": hooked,
}
# Its router is compiled to Python code, which has no end with 10,000 routes.
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000)}
