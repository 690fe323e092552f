"""What is done a fast way agrees with the plain way of the same thing."""

import copy
import itertools
import pickle
from http.cookies import Morsel, SimpleCookie
from io import FileIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application
from poorwsgi.cookies import (
    RequestCookies,
    RequestMorsel,
    UnreadCookies,
    UnreadMorsel,
    parse_cookies,
    render_cookie,
)
from poorwsgi.fieldstorage import UrlencodedForm, parse_form, short_form
from poorwsgi.headers import Headers
from poorwsgi.request import JsonDict, content_length_of
from poorwsgi.response import (
    BaseResponse,
    GeneratorResponse,
    JSONResponse,
    Response,
    TextResponse,
    make_response,
)
from poorwsgi.state import METHOD_ALL
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
    body = app.send_response(request, response, lambda *args: started.append(args))
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
    assert isinstance(fast, Morsel)
    assert (fast.key, fast.value, fast.coded_value) == (
        *(plain.key, plain.value, plain.coded_value),
    )
    for look in (dict, len, list, str, copy.copy, lambda m: m.copy()):
        assert look(parse_cookies(f"name={coded}")["name"]) == look(plain)
    assert parse_cookies(f"name={coded}")["name"]["path"] == ""
    assert plain == parse_cookies(f"name={coded}")["name"]
    assert fast == plain
    assert plain == fast
    assert fast.OutputString() == plain.OutputString()
    assert fast.__getstate__() == plain.__getstate__()
    assert dict(fast) == dict(plain)
    for other in (fast.copy(), copy.copy(fast), pickle.loads(pickle.dumps(fast))):
        assert other == plain
        other["path"] = "/"
        assert fast != other
    with pytest.raises(AttributeError):
        fast.value = "changed"


def look_up_by_the_dictionary(header, name):
    """Return what is found after all cookies were read."""
    cookies = parse_cookies(header)
    len(cookies)
    assert type(cookies) is RequestCookies
    return cookies.get(name)


PIECES = [
    "a",
    "b",
    "=",
    "; ",
    ";",
    " ",
    "\t",
    '"',
    "$",
    "é",
    "\x01",
    "aa",
    "x=1",
    "; a=",
]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_cookie_is_found_as_in_the_dictionary_of_all(header):
    """By all ways to look up, in any order, whatever the header looks like."""
    for name in ("a", "b", "aa", "x", "$", "a b", "", "é", "; a", None, 5):
        slow = look_up_by_the_dictionary(header, name)
        for warm_up in ((), ("b",), ("x", "a", "nobody")):
            cookies = parse_cookies(header)
            found = [cookies.get(other) for other in warm_up]
            assert (name in cookies) == (slow is not None)
            assert cookies.value_of(name) == (slow.value if slow is not None else "")
            assert cookies.get(name) == slow
            assert [cookies.get(other) for other in warm_up] == found
            assert dict(cookies) == dict(parse_cookies(header).items())


def test_whoever_looks_into_all_cookies_sees_all(request):
    """Each method of a SimpleCookie is made for it, or reads all cookies first."""
    own = {"__getitem__", "__contains__", "get", "value_of"}
    plain = {"fromkeys", "__class_getitem__"} | set(dir(object))
    for base, kind in (RequestCookies, UnreadCookies), (RequestMorsel, UnreadMorsel):
        for name in set(dir(base)) - plain | {"__eq__", "__reduce_ex__", "__iter__"}:
            if callable(getattr(base, name)):
                assert name in vars(kind)
    for name in set(vars(UnreadCookies)) & own:
        assert getattr(UnreadCookies, name).__qualname__.startswith("UnreadCookies")
    cookies = parse_cookies("a=1; b=2")
    morsel = cookies["b"]
    assert list(cookies) == ["a", "b"]
    assert cookies["b"] is morsel
    assert type(cookies) is RequestCookies
    assert parse_cookies("a=1; b=2") == parse_cookies("b=2; a=1")


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"secure": True, "max_age": 5},
        {"max_age": None},
        {"path": None, "same_site": None, "http_only": False},
        {"expires": 0, "domain": "example.org"},
    ],
    ids=str,
)
@pytest.mark.parametrize("value", ["word", "", "a b", "é", "1", "x" * 100])
def test_a_cookie_is_set_as_it_is_rendered(monkeypatch, attributes, value):
    """Whether or not its attributes were rendered before."""
    monkeypatch.setattr("time.time", lambda: 1e9)
    for _ in range(2):
        response = Response()
        response.set_cookie("name", value, **attributes)
        text = render_cookie("name", value, **attributes)
        assert response.headers.get_all("Set-Cookie") == (text,)


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


def answered(app, kind, make):
    """Return what a server gets of a handler that returns such a response."""
    app.set_route("/", lambda req: make(kind), METHOD_ALL)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    started = []
    body = app(environ, lambda *args: started.append(args))
    return started, b"".join(body)


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("status_code", STATUS)
@pytest.mark.parametrize("change", list(changes()))
def test_a_response_of_a_handler_is_sent_as_any(app, headers, status_code, change):
    """Whether it is an answer of its own, or goes through `send_response`."""

    def make(kind):
        response = kind(b"bytes", "text/plain", headers, status_code)
        change(response)
        return response

    assert Response in app._answers
    assert answered(app, Response, make) == answered(app, Plain, make)


def test_a_response_that_a_handler_returns_twice_is_an_error(app):
    """Also where it is an answer of its own."""
    response = Response("text")
    assert answered(app, None, lambda _: response)[0][0][0] == "200 OK"
    started, _ = answered(app, None, lambda _: response)
    assert started[0][0] == "500 Internal Server Error"


class PlainStream(GeneratorResponse):
    """A stream that is sent by the methods of `BaseResponse`, one by one."""

    def __call__(self, start_response):
        return super().__call__(start_response)


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("status_code", STATUS)
@pytest.mark.parametrize("size", [0, 6])
def test_the_short_way_of_a_stream_is_the_long_one(app, headers, status_code, size):
    """The same status, headers and body, and a generator that ran is closed."""
    assert GeneratorResponse._is_short
    assert not PlainStream._is_short
    closed = []

    def blocks():
        try:
            yield b"abc"
            yield b"def"
        finally:
            closed.append(True)

    def stream(kind, content_type, source):
        return kind(source(), content_type, headers, status_code, size)

    for content_type, change, method, source in itertools.product(
        TYPES, [*changes()], ("GET", "HEAD"), (blocks, lambda: [b"abc", b"def"])
    ):
        short, plain = (
            stream(kind, content_type, source)
            for kind in (GeneratorResponse, PlainStream)
        )
        for response in (short, plain):
            if change.__code__.co_names != ("write",):
                change(response)
        assert sent(app, short, method) == sent(app, plain, method)
        assert short.status_code == plain.status_code
    assert closed or status_code in (204, 304)


def test_a_stream_that_the_server_refuses_is_closed():
    """Also the short way, and it can not be used again."""
    closed = []

    class Blocks(list):
        def close(self):
            closed.append(True)

    def refuse(*_):
        raise RuntimeError("no")

    response = GeneratorResponse(Blocks([b"a"]))
    with pytest.raises(RuntimeError, match="no"):
        response(refuse)
    assert closed == [True]
    with pytest.raises(RuntimeError, match="once"):
        response(refuse)


def test_a_content_type_that_was_checked_is_remembered_and_a_bad_one_is_not():
    """However often it comes."""
    for _ in range(2):
        with pytest.raises(ValueError, match="Control character"):
            GeneratorResponse(iter(()), "text/plain\r\nX: 1")
        assert BaseResponse("text/checked").content_type == "text/checked"


def test_a_short_content_length_is_the_number_it_says():
    for size in range(1100):
        assert content_length_of({"CONTENT_LENGTH": str(size)}) == size
        assert content_length_of({"HTTP_CONTENT_LENGTH": f"0{size}"}) == size


FIELDS = st.lists(st.sampled_from(["a=1", "b=x+y", "a=2", "c=%C5%BE", "d=", "e", "=f"]))


@given(FIELDS, st.sampled_from([None, 1, 3, 12, 1000]))
@settings(max_examples=200, deadline=None)
def test_a_short_form_is_the_one_of_the_parser(fields, max_fields):
    raw = "&".join(fields).encode()
    short = short_form(raw, max_fields)
    if short is not None:
        form = parse_form(raw, max_fields=max_fields)
        assert list(short.keys()) == list(form.keys())
        assert [short.getvalue(n) for n in short] == [form.getvalue(n) for n in form]
        assert short.bytes_read == form.bytes_read == len(raw)


def test_a_short_form_leaves_the_limit_to_the_parser():
    assert short_form(b"a=1&b=2", 8).getvalue("b") == "2"
    assert short_form(b"a=1&b=2", 7) is None
    assert short_form(b"a=1&b=2", 1) is None
    assert short_form(b"a=", None) is None


@given(FIELDS)
@settings(max_examples=100, deadline=None)
def test_values_of_a_form_are_those_of_its_fields(fields):
    raw = "&".join(fields).encode()
    lazy, read = parse_form(raw, 1), parse_form(raw, 1)
    assert read.list is not None
    for name in [*read, "unknown"]:
        assert lazy.getvalue(name, "-") == read.getvalue(name, "-")
        assert lazy.getvalue(name, "-", repr) == read.getvalue(name, "-", repr)


def test_values_of_a_form_are_those_of_the_fields_it_got():
    form = UrlencodedForm({"a": "1", "b": "2"})
    assert form.getvalue("a") == "1"
    del form.list[0]
    assert (form.getvalue("a"), form.getvalue("b")) == (None, "2")
    form.list = []
    assert form.getvalue("b") is None
