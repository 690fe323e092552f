"""poorwsgi of this checkout."""

import os
from functools import partial

from scenarios import CHUNK, CHUNKS, GREETING, rows

from poorwsgi import Application, state
from poorwsgi.response import JSONGeneratorResponse, Response
from poorwsgi.session import PoorSession

IMPORTS = "poorwsgi.wsgi"
KEY = "a secret key of some length"

application = Application("bench")
files = Application("bench files")
files.document_root = os.environ.get("BENCH_FILES", "")
hooked = Application("bench hooks")


@application.route("/")
def hello(req):
    return "Hello, World!"


@application.route("/user/<name>/<number:int>")
def user(req, name, number):
    return f"{name} {number}"


@application.route("/json")
def json_out(req):
    return GREETING


@application.route("/json", method=state.METHOD_POST)
def json_echo(req):
    return req.json


@application.route("/query")
def query(req):
    args = req.args
    return " ".join(
        (args["q"], args["page"], args["sort"], args["order"], args["limit"])
    )


@application.route("/form", method=state.METHOD_POST)
def form(req):
    fields = req.form
    name, email = fields.getvalue("name"), fields.getvalue("email")
    return f"{name} {email} {fields.getvalue('phone')}"


@application.route("/upload", method=state.METHOD_POST)
def upload(req):
    fields = req.form
    text = " ".join(fields.getvalue(name) for name in ("title", "year", "lang"))
    return f"{text} {len(fields['file'].file.read())}"


@application.route("/cookies")
def cookies(req):
    response = Response(req.cookies["lang"].value)
    response.set_cookie("visit", str(int(req.cookies["visit"].value) + 1))
    return response


@application.route("/stream")
def stream(req):
    return (CHUNK for _ in range(CHUNKS)), "application/octet-stream"


@application.route("/rows")
def json_rows(req):
    return JSONGeneratorResponse(rows=rows())


def visit(req, session):
    session.load(req.cookies)
    data = session.data
    data["user"] = "joe"
    data["visits"] = data.get("visits", 0) + 1
    response = Response(f"{data['visits']} {data['user']}")
    session.header(response)
    return response


@application.route("/session")
def session(req):
    return visit(req, PoorSession(KEY))


@application.route("/session-plain")
def session_plain(req):
    return visit(req, PoorSession(KEY, compress=None))


@hooked.route("/")
def hello_user(req):
    return f"Hello, {req.user}!"


@hooked.before_response()
def before_1(req):
    req.user = "joe"


@hooked.before_response()
def before_2(req):
    req.language = "en"


@hooked.after_response()
def after_1(req, res):
    res.add_header("X-Frame-Options", "DENY")
    return res


@hooked.after_response()
def after_2(req, res):
    return res


def routes(count):
    app = Application(f"bench {count}")
    for number in range(count):
        app.set_route(f"/r{number}/<name>/<number:int>", user)
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
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000, 10_000)}
