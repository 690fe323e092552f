# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What handlers read from a request."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any, assert_type

from poorwsgi import Application
from poorwsgi.fieldstorage import FieldStorage
from poorwsgi.headers import Headers
from poorwsgi.multipart import Part
from poorwsgi.request import Request

app = Application("uses_request")


@app.route("/facts")
def facts(req: Request) -> None:
    """Facts about a request are plain types."""
    assert_type(req.path, str)
    assert_type(req.uri, str)
    assert_type(req.query, str)
    assert_type(req.full_path, str)
    assert_type(req.method, str | None)
    assert_type(req.method_number, int)
    assert_type(req.scheme, str | None)
    assert_type(req.hostname, str)
    assert_type(req.host_port, int)
    assert_type(req.server_port, int)
    assert_type(req.remote_addr, str | None)
    assert_type(req.remote_host, str)
    assert_type(req.forwarded_for, str | None)
    assert_type(req.referer, str | None)
    assert_type(req.user_agent, str | None)
    assert_type(req.is_xhr, bool)
    assert_type(req.start_time, float)
    assert_type(req.debug, bool)
    assert_type(req.document_root, str)
    assert_type(req.construct_url("/a"), str)
    assert_type(req.environ, dict[str, Any])
    assert_type(req.uri_rule, str | None)
    assert_type(req.path_args, dict[str, Any])


@app.route("/headers")
def headers(req: Request) -> str:
    assert_type(req.headers, Headers)
    assert_type(req.mime_type, str)
    assert_type(req.charset, str)
    assert_type(req.content_length, int)
    assert_type(req.accept, tuple[tuple[str, float], ...])
    assert_type(req.accept_json, bool)
    assert_type(req.authorization, dict[str, str])
    assert_type(req.cookies, SimpleCookie | None)
    if req.cookies and "SESSID" in req.cookies:
        return req.cookies["SESSID"].value
    return req.headers.get("X-Id", "")


@app.route("/body")
def body(req: Request) -> None:
    """What the client sent in JSON is anything; bytes are bytes."""
    assert_type(req.json, Any)
    assert_type(req.data, bytes | None)
    assert_type(req.read(), bytes)
    assert_type(req.read_chunk(), bytes)
    assert_type(req.is_body_request, bool)
    assert_type(req.json_lines(), Iterator[Any])
    for part in req.parts():
        assert_type(part.name, str | None)
        assert_type(part.filename, str | None)
        assert_type(part.read(), bytes)
        assert_type(part.headers, dict[str, str])


@app.route("/form")
def form(req: Request) -> None:
    """Their values are what clients send, and users may put a form of their own."""
    assert_type(req.args.getfirst("page"), Any)
    assert_type(req.form.getfirst("page"), Any)
    for key in req.form:
        req.form.getvalue(key)


def fields(field: FieldStorage, part: Part) -> None:
    assert_type(field.name, str | None)
    assert_type(field.filename, str | None)
    assert_type(list(field), list[str])
    assert_type(part.filename, str | None)


@app.route("/shelves")
def shelves(req: Request) -> None:
    """Three attributes are the user's own."""
    req.user = "somebody"
    req.db = object()
    req.api = None
    assert_type(req.app, Application)
