"""Flask."""

import json
import os
from functools import partial

from flask import (
    Flask,
    Response,
    g,
    jsonify,
    make_response,
    request,
    send_from_directory,
)
from flask import session as flask_session
from scenarios import CHUNK, CHUNKS, GREETING, rows

IMPORTS = "flask"

application = Flask("bench")
application.secret_key = "a secret key of some length"


@application.route("/")
def hello():
    return "Hello, World!"


@application.route("/user/<name>/<int:number>")
def user(name, number):
    return f"{name} {number}"


@application.get("/json")
def json_out():
    return GREETING


@application.post("/json")
def json_echo():
    return jsonify(request.get_json())


@application.get("/query")
def query():
    args = request.args
    return " ".join(
        (args["q"], args["page"], args["sort"], args["order"], args["limit"])
    )


@application.post("/form")
def form():
    fields = request.form
    return f"{fields['name']} {fields['email']} {fields['phone']}"


@application.post("/upload")
def upload():
    text = " ".join(request.form[name] for name in ("title", "year", "lang"))
    return f"{text} {len(request.files['file'].read())}"


@application.get("/cookies")
def cookies():
    response = make_response(request.cookies["lang"])
    visits = int(request.cookies["visit"]) + 1
    response.set_cookie("visit", str(visits), httponly=True, samesite="Lax")
    return response


@application.get("/stream")
def stream():
    blocks = (CHUNK for _ in range(CHUNKS))
    return Response(blocks, mimetype="application/octet-stream")


@application.get("/rows")
def json_rows():
    return Response(pieces(), mimetype="application/json")


def pieces():
    separator = b'{"rows": ['
    for row in rows():
        yield separator + json.dumps(row).encode()
        separator = b", "
    yield b"]}"


@application.get("/session")
@application.get("/session-plain")
def session():
    flask_session["user"] = "joe"
    flask_session["visits"] = flask_session.get("visits", 0) + 1
    return f"{flask_session['visits']} {flask_session['user']}"


@application.get("/file.bin")
def file():
    return send_from_directory(os.environ["BENCH_FILES"], "file.bin")


hooked = Flask("hooked")


@hooked.route("/")
def hello_user():
    return f"Hello, {g.user}!"


@hooked.before_request
def before_1():
    g.user = "joe"


@hooked.before_request
def before_2():
    g.language = "en"


@hooked.after_request
def after_1(response):
    response.headers["X-Frame-Options"] = "DENY"
    return response


@hooked.after_request
def after_2(response):
    return response


def routes(count):
    app = Flask(f"bench{count}")
    for number in range(count):
        app.add_url_rule(f"/r{number}/<name>/<int:number>", f"r{number}", user)
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
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000, 10_000)}
