"""Werkzeug: map, request and response, put together as its tutorial does."""

import json
import os
from functools import partial

from itsdangerous import URLSafeTimedSerializer
from scenarios import CHUNK, CHUNKS, GREETING, rows
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.utils import send_from_directory
from werkzeug.wrappers import Request, Response

IMPORTS = "werkzeug.routing, werkzeug.wrappers, werkzeug.exceptions"
signer = URLSafeTimedSerializer("a secret key of some length")


def hello(request):
    return Response("Hello, World!", mimetype="text/html")


def user(request, name, number):
    return Response(f"{name} {number}", mimetype="text/html")


def json_out(request):
    return Response(json.dumps(GREETING), mimetype="application/json")


def json_echo(request):
    return Response(json.dumps(request.get_json()), mimetype="application/json")


def query(request):
    args = request.args
    text = " ".join(
        (args["q"], args["page"], args["sort"], args["order"], args["limit"])
    )
    return Response(text, mimetype="text/html")


def form(request):
    fields = request.form
    text = f"{fields['name']} {fields['email']} {fields['phone']}"
    return Response(text, mimetype="text/html")


def upload(request):
    text = " ".join(request.form[name] for name in ("title", "year", "lang"))
    size = len(request.files["file"].read())
    return Response(f"{text} {size}", mimetype="text/html")


def cookies(request):
    response = Response(request.cookies["lang"], mimetype="text/html")
    visits = int(request.cookies["visit"]) + 1
    response.set_cookie("visit", str(visits), httponly=True, samesite="Lax")
    return response


def stream(request):
    blocks = (CHUNK for _ in range(CHUNKS))
    return Response(blocks, mimetype="application/octet-stream")


def json_rows(request):
    return Response(pieces(), mimetype="application/json")


def pieces():
    separator = b'{"rows": ['
    for row in rows():
        yield separator + json.dumps(row).encode()
        separator = b", "
    yield b"]}"


def session(request):
    cookie = request.cookies.get("SESSID")
    data = signer.loads(cookie) if cookie else {"user": "joe", "visits": 0}
    data["visits"] += 1
    response = Response(f"{data['visits']} {data['user']}", mimetype="text/html")
    response.set_cookie("SESSID", signer.dumps(data), httponly=True)
    return response


def file(request):
    root = os.environ["BENCH_FILES"]
    return send_from_directory(root, "file.bin", request.environ)


def application_of(rules):
    """Return the dispatcher of the tutorial."""
    url_map = Map(rules)

    @Request.application
    def application(request):
        try:
            endpoint, args = url_map.bind_to_environ(request.environ).match()
            return endpoint(request, **args)
        except HTTPException as error:
            return error

    return application


application = application_of(
    [
        Rule("/", endpoint=hello),
        Rule("/user/<name>/<int:number>", endpoint=user),
        Rule("/json", endpoint=json_out, methods=["GET"]),
        Rule("/json", endpoint=json_echo, methods=["POST"]),
        Rule("/query", endpoint=query),
        Rule("/form", endpoint=form),
        Rule("/upload", endpoint=upload),
        Rule("/cookies", endpoint=cookies),
        Rule("/stream", endpoint=stream),
        Rule("/rows", endpoint=json_rows),
        Rule("/session", endpoint=session),
        Rule("/session-plain", endpoint=session),
        Rule("/file.bin", endpoint=file),
    ]
)


def routes(count):
    return application_of(
        Rule(f"/r{number}/<name>/<int:number>", endpoint=user)
        for number in range(count)
    )


# It has no hooks.
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
APPLICATIONS = dict.fromkeys(PLAIN, application)
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000, 10_000)}
