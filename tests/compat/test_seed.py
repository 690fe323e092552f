"""Where the older documentation and 2.8.1 differ, the reading that fits both."""

import pytest

from poorwsgi import redirect, state
from poorwsgi.headers import Headers
from poorwsgi.request import Args, EmptyForm
from poorwsgi.response import (
    HTTPException,
    NoContentResponse,
    PartialResponse,
    Response,
    make_response,
)


def answer_of(app, client, value, path="/"):
    """Let a handler return *value*; return what the client gets."""
    app.set_route(path, lambda req: value)
    return client.get(path)


# S1, S2: hooks and state handlers: tests/unit/test_wsgi.py


def test_405_for_static_and_for_regular_rules(app, client):
    """S3: and a default handler wins over that of a regular rule."""
    app.set_route("/static", lambda req: "x")
    app.set_route("/regular/<x>", lambda req, x: "x")
    for path in ("/static", "/regular/1"):
        answer = client.post(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    app.set_default(lambda req: "default", state.METHOD_POST)
    assert client.post("/static").status_code == 405
    assert client.post("/regular/1").text == "default"


def test_groups_is_path_args(app, client):
    """S4."""
    app.set_route("/<x:int>", lambda req, x: [req.groups, req.path_args])
    assert client.get("/5").json == [{"x": 5}, {"x": 5}]


def test_headers_in_is_headers(app, client):
    """S5."""
    app.set_route("/", lambda req: str(req.headers_in is req.headers))
    assert client.get("/").text == "True"


@pytest.mark.parametrize("name", ["error_log", "log_error"])
def test_a_request_logs(app, client, name):
    """S6."""
    app.set_route("/", lambda req: getattr(req, name)("wrong %s") or "ok")
    record = client.get("/").log[0]
    assert (record.levelname, record.getMessage()) == ("ERROR", "wrong %s")


@pytest.mark.parametrize("variable", ["poor_AutoArgs", "poor_AutoForm"])
def test_properties_are_authoritative(app, client, variable):
    """S7: those variables were never read."""
    app.set_route("/", lambda req: type(req.args).__name__)
    assert client.get("/?a=1", environ={variable: "Off"}).text == "Args"


def test_empty_args_are_args_and_disabled_ones_are_a_form(app, client):
    """S8: both are falsy and have the same methods."""
    app.set_route("/", lambda req: type(req.args).__name__)
    assert client.get("/").text == "Args"
    app.auto_args = False
    assert client.get("/?a=1").text == "EmptyForm"
    assert not EmptyForm()
    assert not Args(type("Query", (), {"query": ""}))
    assert EmptyForm().getlist("a") == Args(type("Query", (), {"query": ""})).getlist(
        "a"
    )


@pytest.mark.parametrize(
    ("method", "parsed"), [("GET", False), ("PUT", True), ("DELETE", True)]
)
def test_bodies_are_parsed_where_they_have_a_meaning(app, client, method, parsed):
    """S9."""
    app.set_route("/", lambda req: str(req.json == [1]), state.METHOD_ALL)
    assert client.request(method, "/", json=[1]).text == str(parsed)


def test_invalid_json_is_400(app, client):
    """S10."""
    app.set_route("/", lambda req: str(req.json), "POST")
    headers = {"Content-Type": "application/json"}
    assert client.post("/", body=b"{", headers=headers).status_code == 400


def test_no_cookies_are_none(app, client):
    """S11."""
    app.set_route("/", lambda req: str(req.cookies))
    assert client.get("/").text == "None"


def test_the_default_content_type_has_a_charset(app, client):
    """S12."""
    answer = answer_of(app, client, "x")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert make_response("x").content_type == "text/html; charset=utf-8"


def test_a_flat_pair_is_one_header(app, client):
    """S13."""
    answer = answer_of(app, client, ("x", "text/plain", ("X-Attribute", "hello world")))
    assert answer.headers["X-Attribute"] == "hello world"


def test_an_int_in_second_place_is_the_status(app, client):
    """S14: also from error handlers."""
    app.set_route("/", lambda req: 1 / 0)
    app.set_error_handler(
        ZeroDivisionError, lambda req, err: ("bad", state.HTTP_BAD_REQUEST)
    )
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (400, "bad")


def test_one_default_handler_serves_options_anywhere(app, client):
    """S15: before the automatic answer, on every path without its own."""

    @app.default(state.METHOD_OPTIONS)
    def options(req):
        return "", "text/plain", {"Allow": "OPTIONS, GET, HEAD"}

    app.set_route("/static", lambda req: "x")
    app.set_route("/regular/<x>", lambda req, x: "x")
    app.options("/own")(lambda req: "own")
    for path in ("/static", "/regular/1", "/none"):
        assert client.options(path).headers["Allow"] == "OPTIONS, GET, HEAD"
    assert client.options("/own").text == "own"


@pytest.mark.parametrize(
    ("given", "ranges"),
    [
        ({None, 100}, ((None, 100),)),
        ({200, 100}, ((100, 200),)),
        ((None, 100), ((None, 100),)),
        ((100, None), ((100, None),)),
        ([(0, 1), (5, 6)], ((0, 1), (5, 6))),
    ],
)
def test_one_bare_pair_is_a_range(given, ranges):
    """S16."""
    response = Response(b"x" * 300)
    response.make_partial(given)
    assert response.ranges == ranges


def test_a_set_of_two_is_a_range_in_units_of_its_own():
    """S16."""
    response = PartialResponse("x")
    response.make_range({100, 199}, "unicodes", 200)
    assert response.headers["Content-Range"] == "unicodes 100-199/200"


def test_methods_is_method(app, client):
    """S17."""
    app.route("/", methods=state.METHOD_PUT)(lambda req: "put")
    assert client.put("/").text == "put"


def test_text_is_message():
    """S18."""
    with pytest.raises(HTTPException) as caught:
        redirect("/login", text="log in")
    assert caught.value.response.data == b"log in"


# S19 to S24: sessions and Digest, which have tests of their own.


def test_a_status_only_is_a_no_content_response():
    """S25, S26."""
    response = HTTPException(state.HTTP_NO_CONTENT).make_response()
    assert type(response) is NoContentResponse


def test_a_header_of_an_int_is_a_type_error():
    """S27."""
    with pytest.raises(TypeError):
        Response().add_header("S-Param", 2)


def test_only_add_enforces_that_a_header_is_there_once():
    """S28."""
    headers = Headers([("A", "1"), ("A", "2")])
    headers.add_header("A", "3")
    assert headers.get_all("a") == ("1", "2", "3")
    with pytest.raises(KeyError):
        headers.add("a", "4")
    headers.add("Set-Cookie", "a=1")
    headers.add("set-cookie", "b=2")


@pytest.mark.parametrize("name", ["int", "float", "word", "hex", "uuid"])
def test_filters_have_these_names(app, name):
    """S29."""
    assert f":{name}" in app.filters
    app.set_route(f"/<x:{name}>", lambda req, x: "x")


def test_empty_headers_in_a_tuple_are_no_headers(app, client):
    """S30: not even X-Powered-By."""
    answer = answer_of(app, client, (iter([b"x"]), "text/plain", ()))
    assert dict(answer.headers.items()) == {"Content-Type": "text/plain"}


# S31 to S35: typing errors, OpenAPI, SessionError, qop, names of profiles
# (tests/unit/test_wsgi.py).


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_directories_are_listed_for_get_and_head_only(app, client, tmp_path, method):
    """S37: and without a document root there are no files at all."""
    (tmp_path / "file.txt").write_text("x")
    assert client.get("/").status_code == 404
    app.document_root = str(tmp_path)
    assert client.get("/").status_code == 403
    app.document_index = True
    answer = client.request(method, "/")
    assert answer.status_code == 200
    assert "text/html" in answer.headers["Content-Type"]
    assert ("file.txt" in answer.text) is (method == "GET")
    assert client.post("/").status_code == 404


def test_an_int_alone_is_no_answer(app, client):
    """S38."""
    assert answer_of(app, client, 204).status_code == 500
