"""What is done a fast way agrees with the plain way of the same thing."""

import itertools
import pickle
from http.cookies import Morsel, SimpleCookie
from io import FileIO

import pytest

from poorwsgi import Application
from poorwsgi.cookies import parse_cookies
from poorwsgi.headers import Headers
from poorwsgi.request import JsonDict
from poorwsgi.response import (
    BaseResponse,
    JSONResponse,
    Response,
    TextResponse,
    make_response,
)
from poorwsgi.static import StaticResponse


class Plain(Response):
    """A response that is sent by the methods of `BaseResponse`, one by one."""

    def __call__(self, start_response):
        return super().__call__(start_response)


@pytest.fixture
def app(request):
    return Application(request.node.nodeid)


def sent(app, response, method="GET"):
    """Return status, headers and body of a response, and what it shows then."""
    started = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": "/"}
    request = app.request_class(environ, app)
    body = app.send(request, response, lambda *args: started.append(args))
    shown = list(response.headers)
    return started, b"".join(body), shown


DATA = ("", "text", "žluť", b"bytes", bytearray(b"array"), "x" * 1023, "y" * 5000)
TYPES = ("text/html; charset=utf-8", "text/plain", "")
HEADERS = (
    None,
    (),
    {"X-One": "1"},
    [("content-type", "a/b"), ("Content-Length", "77"), ("content-length", "1")],
)
STATUS = (200, 201, 204, 304, 404, 500)


def changes():
    """Yield what handlers and hooks do to a response."""
    yield lambda response: None
    yield lambda response: response.add_header("X-Two", "2")
    yield lambda response: response.add_header("Content-Type", "c/d")
    yield lambda response: response.add_header("Content-length", "3")
    yield lambda response: response.set_cookie("name", "value")
    yield lambda response: response.headers
    yield lambda response: response.write("more")
    yield lambda response: response.make_partial([(0, 2)])


@pytest.mark.parametrize("status_code", STATUS)
@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("change", list(changes()))
def test_the_short_way_to_send_is_the_long_one(app, headers, status_code, change):
    """The same status, headers and body, and the same `headers` afterwards."""
    assert Response._is_plain
    assert not Plain._is_plain
    for data, content_type, method in itertools.product(DATA, TYPES, ("GET", "HEAD")):
        short, plain = (
            kind(data, content_type, headers, status_code) for kind in (Response, Plain)
        )
        change(short)
        change(plain)
        assert sent(app, short, method) == sent(app, plain, method)


def test_a_response_is_sent_once(app):
    """Also the short way; the second time is an error 500."""
    response = Response("text")
    assert sent(app, response)[0][0][0] == "200 OK"
    assert sent(app, response)[0][0][0] == "500 Internal Server Error"


def test_a_bad_content_type_is_found_by_the_short_way(app):
    """The attribute may have been set after it was checked."""
    response = Response("text")
    response.content_type = "text/plain\r\nX-Evil: 1"
    assert sent(app, response)[0][0][0] == "500 Internal Server Error"


@pytest.mark.parametrize(
    "seam", ["__call__", "__start_response__", "__end_of_response__", "_complete"]
)
def test_a_seam_that_a_subclass_overrides_is_used(seam):
    """Its instances go the long way."""
    kind = type("Own", (JSONResponse,), {seam: lambda self, *_: ()})
    assert not kind._is_plain
    assert JSONResponse._is_plain
    assert TextResponse._is_plain


@pytest.mark.parametrize("name", ["X-Name", "x-name", "Content-Language", "Set-Cookie"])
@pytest.mark.parametrize("value", ["value", "", "žluť", "a, b", 'q="1"'])
def test_a_header_is_added_as_its_table_would(name, value):
    """With and without a table, the list is the same."""
    fast, plain = BaseResponse(), BaseResponse()
    fast.add_header(name, value)
    plain.headers.add_header(name, value)
    assert list(fast.headers) == list(plain.headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X Y", "a"), ("X-Y", "a\r\nb"), ("", "a"), ("X", None), ("X", "a\0"), ("ž", "a")],
)
def test_a_bad_header_is_refused_as_its_table_would(name, value):
    """The same exception."""
    with pytest.raises((ValueError, TypeError)) as plain:
        Headers().add_header(name, value)
    with pytest.raises(plain.type):
        BaseResponse().add_header(name, value)


def test_json_that_was_received_is_sent_as_any_dict(app):
    """`req.json` as it is, and one made by hand."""
    value = {"a": [1, {"b": None}], "c": "ž"}
    status, headers, body = app._answers[JsonDict](JsonDict(value), None)
    started, plain, _ = sent(app, make_response(value))
    assert (status, headers, body) == (*started[0], plain)


def test_json_dumps_of_an_application_is_used_for_all(app):
    """No type goes a way around it."""
    app.json_dumps = lambda value: "mine"
    assert dict not in app._answers
    assert JsonDict not in app._answers
    app.json_dumps = None
    assert JsonDict in app._answers


def test_options_of_a_subclass_are_its_defaults(request):
    """In its body as a value or as a property; the hot path sees them as well."""

    class Mine(Application):
        max_args = 3
        auto_cookies = property(lambda self: False)

    app = Mine(request.node.nodeid)
    assert (app.max_args, app._max_args) == (3, 3)
    assert (app.auto_cookies, app._auto_cookies) == (False, False)
    app.max_args = "7"
    assert (app.max_args, app._max_args) == (7, 7)
    assert Application.max_args.default is None


def slow_morsel(name, coded):
    """Return the morsel as `http.cookies` makes it."""
    morsel = Morsel()
    value, coded = SimpleCookie().value_decode(coded)
    morsel.set(name, value, coded)
    return morsel


@pytest.mark.usefixtures("own_morsels")
@pytest.mark.parametrize("coded", ["", "a", "en-US", '"a b"', '"\\"x\\""', "a=b", "1"])
def test_a_morsel_is_the_one_of_the_standard_library(coded):
    """Equal, with the same text, and as pickled and copied as that one."""
    fast, plain = parse_cookies(f"name={coded}")["name"], slow_morsel("name", coded)
    assert type(fast) is Morsel
    assert fast == plain
    assert fast.OutputString() == plain.OutputString()
    assert vars(fast) == vars(plain)
    assert pickle.loads(pickle.dumps(fast)) == plain
    assert fast.copy() == plain


@pytest.mark.parametrize("span", [None, (2, 5)])
@pytest.mark.parametrize("hook", [False, True], ids=["untouched", "after a hook"])
def test_headers_of_a_file_are_those_of_any_response(tmp_path, span, hook):
    """Whether or not somebody has looked at them."""
    path = tmp_path / "file.txt"
    path.write_bytes(b"0123456789")

    def headers_by(complete):
        with FileIO(path) as file:
            response = StaticResponse(file, "text/plain", 10, [("ETag", '"1"')], span)
            if hook:
                response.add_header("X-Two", "2")
                assert "X-Two" in response.headers
            return complete(response), list(response.headers)

    assert headers_by(StaticResponse._complete) == headers_by(BaseResponse._complete)
