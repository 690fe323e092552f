"""Bottle."""

import json
import os
from functools import partial

from bottle import BaseRequest, Bottle, request, response, static_file
from scenarios import CHUNK, CHUNKS, GREETING, rows

IMPORTS = "bottle"
BaseRequest.MEMFILE_MAX = 1 << 20
KEY = "a secret key of some length"

application = Bottle()


@application.route("/")
def hello():
    return "Hello, World!"


@application.route("/user/<name>/<number:int>")
def user(name, number):
    return f"{name} {number}"


@application.get("/json")
def json_out():
    return GREETING


@application.post("/json")
def json_echo():
    return request.json


@application.get("/query")
def query():
    args = request.query
    return " ".join(
        (args["q"], args["page"], args["sort"], args["order"], args["limit"])
    )


@application.post("/form")
def form():
    fields = request.forms
    return f"{fields['name']} {fields['email']} {fields['phone']}"


@application.post("/upload")
def upload():
    fields = request.forms
    text = " ".join(fields[name] for name in ("title", "year", "lang"))
    return f"{text} {len(request.files['file'].file.read())}"


@application.get("/cookies")
def cookies():
    visits = int(request.get_cookie("visit")) + 1
    response.set_cookie("visit", str(visits), path="/", httponly=True, samesite="lax")
    return request.get_cookie("lang")


@application.get("/stream")
def stream():
    response.content_type = "application/octet-stream"
    return (CHUNK for _ in range(CHUNKS))


@application.get("/rows")
def json_rows():
    response.content_type = "application/json"
    separator = b'{"rows": ['
    for row in rows():
        yield separator + json.dumps(row).encode()
        separator = b", "
    yield b"]}"


@application.get("/session")
@application.get("/session-plain")
def session():
    data = request.get_cookie("SESSID", secret=KEY) or {"user": "joe", "visits": 0}
    data["visits"] += 1
    response.set_cookie("SESSID", data, secret=KEY, path="/", httponly=True)
    return f"{data['visits']} {data['user']}"


@application.get("/<path:re:file\\.bin>")
def file(path):
    return static_file(path, root=os.environ["BENCH_FILES"], etag=True)


hooked = Bottle()


@hooked.route("/")
def hello_user():
    return f"Hello, {request.user}!"


@hooked.hook("before_request")
def before_1():
    request.user = "joe"


@hooked.hook("before_request")
def before_2():
    request.language = "en"


@hooked.hook("after_request")
def after_1():
    response.set_header("X-Frame-Options", "DENY")


@hooked.hook("after_request")
def after_2():
    pass


def routes(count):
    app = Bottle()
    for number in range(count):
        app.route(f"/r{number}/<name>/<number:int>", callback=user)
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
    "file",
    "file-304",
    "file-206",
]
APPLICATIONS = {**dict.fromkeys(PLAIN, application), "hooks": hooked}
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000)}
