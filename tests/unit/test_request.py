"""What a request tells: each attribute, its default, and bad input."""

import io
import json
import time
from collections import defaultdict
from http.cookies import SimpleCookie

import pytest

from poorwsgi import state
from poorwsgi.request import (
    Args,
    CachedInput,
    EmptyForm,
    FieldStorage,
    Headers,
    JsonDict,
    JsonList,
    Request,
    SimpleRequest,
    parse_json_request,
)
from poorwsgi.response import HTTPException


@pytest.fixture
def make(app):
    """Return a function that makes a request of environ keys."""

    def make_request(kind=Request, /, **environ):
        environ = {key.replace("wsgi_", "wsgi."): v for key, v in environ.items()}
        environ.setdefault("PATH_INFO", "/")
        return kind({key: v for key, v in environ.items() if v is not ...}, app)

    return make_request


def status_of(read):
    """Return the status that reading something raises, None if it does not."""
    try:
        read()
    except HTTPException as err:
        return err.status_code
    return None


# -- plain attributes ------------------------------------------------------

ATTRIBUTES = [
    # attribute, environ, value
    ("method", {"REQUEST_METHOD": "POST"}, "POST"),
    ("method", {}, None),
    *[
        ("method_number", {"REQUEST_METHOD": name}, bit)
        for name, bit in state.methods.items()
    ],
    ("method_number", {"REQUEST_METHOD": "FOO"}, state.METHOD_GET),
    ("method_number", {}, state.METHOD_GET),
    ("path", {"PATH_INFO": "/a b"}, "/a b"),
    ("path", {"PATH_INFO": "/\xc5\xbe"}, "/ž"),
    ("uri", {"PATH_INFO": "/\xc5\xbe"}, "/ž"),
    ("query", {"QUERY_STRING": " a=1 "}, "a=1"),
    ("query", {}, ""),
    ("full_path", {"PATH_INFO": "/x", "QUERY_STRING": "a=%20"}, "/x?a=%20"),
    ("full_path", {"PATH_INFO": "/x", "QUERY_STRING": ""}, "/x"),
    ("remote_host", {"REMOTE_HOST": "h"}, "h"),
    ("remote_host", {}, ""),
    ("remote_addr", {"REMOTE_ADDR": "1.2.3.4"}, "1.2.3.4"),
    ("remote_addr", {}, None),
    ("referer", {"HTTP_REFERER": "http://x/"}, "http://x/"),
    ("referer", {}, None),
    ("user_agent", {"HTTP_USER_AGENT": "curl"}, "curl"),
    ("user_agent", {}, None),
    ("server_scheme", {"wsgi_url_scheme": "https"}, "https"),
    ("scheme", {"wsgi_url_scheme": "https"}, "https"),
    ("scheme", {}, None),
    ("server_software", {"SERVER_SOFTWARE": "x/1"}, "x/1"),
    ("server_software", {}, "Unknown"),
    ("server_software", {"uwsgi.version": b"2"}, "uWsgi"),
    ("server_software", {"uwsgi.version": b"2", "SERVER_SOFTWARE": "x"}, "x"),
    ("server_admin", {"SERVER_ADMIN": "me@x"}, "me@x"),
    ("server_admin", {"HTTP_HOST": "example.net:80"}, "webmaster@example.net"),
    ("server_hostname", {"SERVER_NAME": "srv"}, "srv"),
    ("server_hostname", {}, None),
    ("server_port", {"SERVER_PORT": "8080"}, 8080),
    ("port", {"SERVER_PORT": "8080"}, 8080),
    ("server_port", {}, 80),
    ("server_port", {"wsgi_url_scheme": "https"}, 443),
    ("server_port", {"SERVER_PORT": ""}, 80),
    ("server_port", {"SERVER_PORT": "x"}, 80),
    ("server_protocol", {"SERVER_PROTOCOL": "HTTP/1.1"}, "HTTP/1.1"),
    ("protocol", {"SERVER_PROTOCOL": "HTTP/1.1"}, "HTTP/1.1"),
    ("protocol", {}, None),
    # Host
    ("hostname", {"HTTP_HOST": "example.net"}, "example.net"),
    ("hostname", {"HTTP_HOST": "example.net:8080"}, "example.net"),
    ("hostname", {"HTTP_HOST": "[::1]:8080"}, "[::1]"),
    ("hostname", {"HTTP_HOST": "[::1]"}, "[::1]"),
    ("hostname", {"SERVER_NAME": "srv"}, "srv"),
    ("hostname", {}, ""),
    ("hostname", {"HTTP_HOST": "a b", "SERVER_NAME": "srv"}, "srv"),
    ("host_port", {"HTTP_HOST": "example.net:8080", "SERVER_PORT": "1"}, 8080),
    ("host_port", {"HTTP_HOST": "example.net", "SERVER_PORT": "8080"}, 80),
    ("host_port", {"HTTP_HOST": "a", "wsgi_url_scheme": "https"}, 443),
    ("host_port", {"HTTP_HOST": "[::1]:8080"}, 8080),
    ("host_port", {"HTTP_HOST": "[::1]"}, 80),
    ("host_port", {"HTTP_HOST": "a:x", "SERVER_PORT": "81"}, 81),
    ("host_port", {"SERVER_PORT": "8080"}, 8080),
    # the application's, and what overrides it
    ("debug", {}, False),
    ("debug", {"poor_Debug": "On"}, True),
    ("debug", {"poor_Debug": "off"}, False),
    ("debug", {"poor_Debug": "yes"}, False),
    ("debug", {"poor_Debug": ""}, False),
    ("document_root", {}, ""),
    ("document_root", {"poor_DocumentRoot": "/srv"}, "/srv"),
    ("document_index", {}, False),
    ("document_index", {"poor_DocumentIndex": "ON"}, True),
    ("document_index", {"poor_DocumentIndex": "1"}, False),
    ("secret_key", {}, None),
    ("secret_key", {"poor_SecretKey": "k"}, "k"),
    # proxies
    ("forwarded_for", {"HTTP_X_FORWARDED_FOR": "1.1.1.1, 2.2.2.2"}, "1.1.1.1, 2.2.2.2"),
    ("forwarded_for", {}, None),
    ("forwarded_host", {"HTTP_X_FORWARDED_HOST": "a.cz:81"}, "a.cz"),
    ("forwarded_host", {"HTTP_X_FORWARDED_HOST": "a.cz, b.cz"}, "a.cz"),
    ("forwarded_host", {"HTTP_X_FORWARDED_HOST": "a b"}, None),
    ("forwarded_host", {"HTTP_X_FORWARDED_HOST": "a/@b"}, None),
    ("forwarded_host", {}, None),
    ("forwarded_port", {"HTTP_X_FORWARDED_HOST": "a.cz:81"}, 81),
    ("forwarded_port", {"HTTP_X_FORWARDED_PROTO": "https"}, 443),
    ("forwarded_port", {"HTTP_X_FORWARDED_PROTO": "https, http"}, 443),
    ("forwarded_port", {"HTTP_X_FORWARDED_PROTO": "http"}, 80),
    ("forwarded_port", {"HTTP_X_FORWARDED_PROTO": "gopher"}, None),
    ("forwarded_port", {"HTTP_X_FORWARDED_HOST": "a.cz"}, None),
    ("forwarded_port", {}, None),
    ("forwarded_proto", {"HTTP_X_FORWARDED_PROTO": "https"}, "https"),
    ("forwarded_proto", {}, None),
]


@pytest.mark.parametrize("kind", [SimpleRequest, Request])
@pytest.mark.parametrize(("name", "environ", "value"), ATTRIBUTES)
def test_attribute(make, kind, name, environ, value):
    req = make(kind, **environ)
    assert getattr(req, name) == value
    assert type(getattr(req, name)) is type(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("debug", True),
        ("document_root", "/srv"),
        ("document_index", True),
        ("secret_key", b"key"),
    ],
)
def test_options_of_the_application_hold_without_a_variable(app, make, name, value):
    setattr(app, name, value)
    assert getattr(make(), name) == value


def test_variables_override_the_application(app, make):
    app.debug = True
    app.document_root = "/srv"
    app.document_index = True
    app.secret_key = "app"
    req = make(poor_Debug="off", poor_DocumentRoot="", poor_DocumentIndex="off")
    assert (req.debug, req.document_root, req.document_index) == (False, "", False)
    assert make(poor_SecretKey="own").secret_key == "own"
    assert make(poor_SecretKey="").secret_key == "app"


@pytest.mark.parametrize("under", ["uwsgi.version", "poor.Version"])
def test_variables_of_the_process_count_under_uwsgi(make, monkeypatch, under):
    monkeypatch.setenv("poor_Debug", "on")
    assert make().debug is False
    if under == "poor.Version":
        monkeypatch.setenv("poor.Version", "2")
        req = make(poor_SecretKey="environ")
    else:
        req = make(poor_SecretKey="environ", **{"uwsgi.version": b"2"})
    assert req.debug is True
    assert req.secret_key is None
    assert req.poor_environ["poor_Debug"] == "on"
    assert "poor_SecretKey" not in req.poor_environ


def test_a_header_of_the_client_is_no_variable(make):
    req = make(HTTP_POOR_DEBUG="on", HTTP_POOR_SECRETKEY="x", HTTP_APP_X="1")
    assert (req.debug, req.secret_key) == (False, None)


def test_environ_is_a_copy_each_time(make):
    req = make(REQUEST_METHOD="GET")
    req.environ["REQUEST_METHOD"] = "PUT"
    req.poor_environ["poor_Debug"] = "on"
    assert req.environ["REQUEST_METHOD"] == req.method == "GET"
    assert req.environ is not req.environ
    assert "poor_Debug" not in req.poor_environ


def test_application_is_itself(app, make):
    assert make().app is make(SimpleRequest).app is app


def test_times(make, monkeypatch):
    req = make(REQUEST_STARTTIME=5.5)
    assert req.start_time == 5.5
    monkeypatch.setattr("poorwsgi.request.time", lambda: 7.0)
    assert req.end_time == 7.0
    monkeypatch.setattr("poorwsgi.request.time", lambda: 8.0)
    assert req.end_time == 7.0
    assert make().start_time == 8.0


def test_a_defaultdict_is_an_environ(app):
    environ = defaultdict(str, PATH_INFO="/")
    req = SimpleRequest(environ, app)
    req.server_port, req.hostname, req.start_time  # noqa: B018 - does not raise


@pytest.mark.parametrize("name", ["uri_rule", "uri_handler", "error_handler"])
def test_what_was_found_can_be_set_once(make, name):
    req = make(SimpleRequest)
    assert getattr(req, name) is None
    setattr(req, name, None)
    setattr(req, name, len)
    setattr(req, name, max)
    assert getattr(req, name) is len


@pytest.mark.parametrize("name", ["user", "api", "db"])
def test_shelves_are_free(make, name):
    req = make()
    assert getattr(req, name) is None
    setattr(req, name, 1)
    setattr(req, name, 2)
    assert getattr(req, name) == 2
    req.app_anything = 3
    assert req.app_anything == 3


@pytest.mark.parametrize("name", ["groups", "headers_in"])
def test_names_that_came_after_2_8_are_free_as_well(make, name):
    req = make()
    setattr(req, name, ["admins"])
    assert getattr(req, name) == ["admins"]


@pytest.mark.parametrize("name", ["method", "path", "uri", "json", "hostname"])
def test_what_the_client_said_can_not_be_written(make, name):
    req = make(REQUEST_METHOD="GET")
    before = getattr(req, name)
    if isinstance(getattr(Request, name), property):
        with pytest.raises(AttributeError):
            setattr(req, name, "x")
        assert getattr(req, name) == before


@pytest.mark.parametrize("path", ["/\xff", "/a\xc5", "/\xed\xa0\x80", "/ž"])
def test_a_path_that_is_not_utf8_is_refused(make, path, caplog):
    with pytest.raises(HTTPException) as caught:
        make(PATH_INFO=path).path  # noqa: B018
    assert caught.value.args == (400, {"error": "Invalid PATH_INFO encoding"})
    assert [r.levelname for r in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("path", [None, ...])
def test_a_request_needs_a_path(make, path):
    with pytest.raises(ConnectionError):
        make(PATH_INFO=path)
    assert make(SimpleRequest, PATH_INFO=...).path == ""


def test_get_options_is_deprecated(make):
    req = make(app_Name=" joe ", APP_X="1", other="2", **{" app_y ": "3"})
    with pytest.warns(DeprecationWarning, match="get_options") as warned:
        assert req.get_options() == {"name": "joe", "x": "1", "y": "3"}
    assert len(warned) == 1


@pytest.mark.parametrize("name", ["error_log", "log_error"])
def test_a_request_logs_errors(make, name, caplog):
    getattr(make(), name)("100 % wrong", 5)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("poorwsgi", "ERROR")
    assert record.getMessage() == "100 % wrong"


# -- URLs and proxies ------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "uri", "url"),
    [
        ({"HTTP_HOST": "example.net:8080"}, "/x", "http://example.net:8080/x"),
        ({"HTTP_HOST": "example.net:80"}, "/x", "http://example.net/x"),
        ({"HTTP_HOST": "example.net"}, "", "http://example.net"),
        (
            {"HTTP_HOST": "a:443", "wsgi_url_scheme": "https"},
            "/x",
            "https://a/x",
        ),
        ({"HTTP_HOST": "[::1]:81"}, "/", "http://[::1]:81/"),
        ({"SERVER_NAME": "srv", "SERVER_PORT": "81"}, "/", "http://srv:81/"),
        ({"SERVER_NAME": "::1", "SERVER_PORT": "81"}, "/", "http://[::1]:81/"),
        ({"HTTP_HOST": "a"}, "http://other/x", "http://other/x"),
        ({"HTTP_HOST": "a"}, "https://other/x", "https://other/x"),
        ({"HTTP_HOST": "a"}, "ftp://other/x", "ftp://other/x"),
        ({"HTTP_HOST": "a"}, "svn+ssh://other/x", "svn+ssh://other/x"),
        ({"HTTP_HOST": "a"}, "/go?to=http://x", "http://a/go?to=http://x"),
        (
            {
                "HTTP_HOST": "example.net:8080",
                "HTTP_X_FORWARDED_PROTO": "https",
                "HTTP_X_FORWARDED_HOST": "example.com",
            },
            "/x",
            "https://example.com/x",
        ),
        (
            {
                "HTTP_HOST": "in:8080",
                "HTTP_X_FORWARDED_PROTO": "https, http",
                "HTTP_X_FORWARDED_HOST": "a.cz:444, b.cz",
            },
            "/x",
            "https://a.cz:444/x",
        ),
        (
            {"HTTP_HOST": "a:81", "HTTP_X_FORWARDED_HOST": "evil\r\nX: y"},
            "/x",
            "http://a:81/x",
        ),
        (
            {"HTTP_HOST": "a", "HTTP_X_FORWARDED_PROTO": "javascript"},
            "/x",
            "http://a/x",
        ),
        (
            {"HTTP_HOST": "a", "HTTP_X_FORWARDED_HOST": "b.cz"},
            "/x",
            "http://b.cz/x",
        ),
    ],
)
def test_construct_url(make, environ, uri, url):
    environ = {"wsgi_url_scheme": "http", **environ}
    assert make(**environ).construct_url(uri) == url


FORWARDED = {
    "HTTP_HOST": "in:8080",
    "wsgi_url_scheme": "http",
    "HTTP_X_FORWARDED_FOR": "1.1.1.1",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "out.cz",
}


@pytest.mark.parametrize(
    ("trusted", "peer", "url"),
    [
        (None, "10.0.0.9", "https://out.cz/x"),
        (None, ..., "https://out.cz/x"),
        (["10.0.0.9"], "10.0.0.9", "https://out.cz/x"),
        (("10.0.0.1", "10.0.0.9"), "10.0.0.9", "https://out.cz/x"),
        (["10.0.0.9"], "10.0.0.8", "http://in:8080/x"),
        (["10.0.0.9"], ..., "http://in:8080/x"),
        ((), "10.0.0.9", "http://in:8080/x"),
    ],
)
def test_forwarded_headers_count_if_the_peer_is_trusted(app, make, trusted, peer, url):
    app.trusted_proxies = trusted
    req = make(REMOTE_ADDR=peer, **FORWARDED)
    assert req.construct_url("/x") == url
    believed = url.startswith("https")
    assert (req.forwarded_for == "1.1.1.1") is believed
    assert (req.forwarded_proto == "https") is believed
    assert (req.forwarded_host == "out.cz") is believed
    assert (req.forwarded_port == 443) is believed


@pytest.mark.parametrize(
    ("trusted", "header", "url"),
    [
        (["::1"], "for=1.1.1.1;proto=https;host=out.cz", "https://out.cz/x"),
        (["::1"], 'For="[2001:db8::1]";Host="out.cz:81"', "http://out.cz:81/x"),
        (["::1"], "proto=https, proto=http", "https://in:8080/x"),
        (["::1"], "host=evil host", "http://in:8080/x"),
        (["::1"], ";;=,", "http://in:8080/x"),
        # nobody who did not name proxies has heard of this header
        (None, "proto=https;host=out.cz", "http://in:8080/x"),
        ((), "proto=https;host=out.cz", "http://in:8080/x"),
    ],
)
def test_the_standard_forwarded_header_counts_from_named_proxies(
    app, make, trusted, header, url
):
    app.trusted_proxies = trusted
    req = make(
        HTTP_HOST="in:8080",
        wsgi_url_scheme="http",
        REMOTE_ADDR="::1",
        HTTP_FORWARDED=header,
    )
    # A port that no proxy named is the server's own, also with another scheme.
    assert req.construct_url("/x").replace("https://in/", "https://in:8080/") == url


# -- headers ---------------------------------------------------------------


def test_headers_are_those_of_the_environ(make):
    req = make(
        HTTP_X_ONE="1",
        HTTP_HOST="a",
        CONTENT_TYPE="text/plain",
        CONTENT_LENGTH="3",
        SERVER_NAME="srv",
    )
    assert isinstance(req.headers, Headers)
    assert req.headers is req.headers is req.headers_in
    assert sorted(req.headers) == [
        ("Content-Length", "3"),
        ("Content-Type", "text/plain"),
        ("Host", "a"),
        ("X-One", "1"),
    ]
    assert dict(req.headers)["X-One"] == req.headers["x-ONE"] == "1"


def test_empty_content_headers_are_absent(make):
    assert list(make(CONTENT_TYPE="", CONTENT_LENGTH="").headers) == []


@pytest.mark.parametrize(
    ("line", "mime_type", "charset"),
    [
        (..., "", "utf-8"),
        ("", "", "utf-8"),
        ("text/plain", "text/plain", "utf-8"),
        ("Text/PLAIN", "text/plain", "utf-8"),
        ("text/plain; charset=latin2", "text/plain", "latin2"),
        ('text/plain;Charset="utf-16"', "text/plain", "utf-16"),
        (" text/plain ; x=y", "text/plain", "utf-8"),
    ],
)
@pytest.mark.parametrize("key", ["CONTENT_TYPE", "HTTP_CONTENT_TYPE"])
def test_content_type_is_taken_apart(make, key, line, mime_type, charset):
    req = make(**{key: line})
    assert (req.mime_type, req.charset) == (mime_type, charset)


@pytest.mark.parametrize(
    ("text", "length"),
    [(..., -1), ("", -1), ("  ", -1), ("0", 0), ("12", 12), (" 12 ", 12), ("007", 7)],
)
def test_content_length(make, text, length):
    req = make(CONTENT_LENGTH=text)
    assert req.content_length == length
    assert req.is_body_request is (length > 0)


BAD_LENGTHS = ["-1", "+1", "1_0", "1,1", "0x1", "1.0", "٣", "²", "9" * 40, "1 2", "a"]


@pytest.mark.parametrize("text", BAD_LENGTHS)
def test_a_bad_content_length_is_400(make, text):
    req = make(CONTENT_LENGTH=text)
    assert status_of(lambda: req.content_length) == 400


NEGOTIATION = {
    "accept": "HTTP_ACCEPT",
    "accept_charset": "HTTP_ACCEPT_CHARSET",
    "accept_encoding": "HTTP_ACCEPT_ENCODING",
    "accept_language": "HTTP_ACCEPT_LANGUAGE",
}


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        (..., ()),
        ("", ()),
        ("a", (("a", 1.0),)),
        ("a;q=0.5,b", (("a", 0.5), ("b", 1.0))),
        ("a; q=0.5", (("a", 0.5),)),
        ("a ;Q=0.5 , b", (("a", 0.5), ("b", 1.0))),
        ("a;q=7", (("a", 1.0),)),
        ("a;q=x", (("a", 1.0),)),
        ("a;q=-1", (("a", 1.0),)),
        ("text/html;level=2;q=0.5", (("text/html;level=2", 0.5),)),
    ],
)
@pytest.mark.parametrize("name", NEGOTIATION)
def test_negotiation(make, name, value, pairs):
    assert getattr(make(**{NEGOTIATION[name]: value}), name) == pairs


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", (True, False, False)),
        ("text/xhtml", (False, True, False)),
        ("application/json;q=0.1", (False, False, True)),
        ("text/html, application/json", (True, False, True)),
        ("*/*", (False, False, False)),
        ("text/*", (False, False, False)),
        (..., (False, False, False)),
    ],
)
def test_accept_of_one_type_is_its_exact_name(make, accept, expected):
    req = make(HTTP_ACCEPT=accept)
    assert (req.accept_html, req.accept_xhtml, req.accept_json) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (..., {"type": ""}),
        ("Negotiate", {"type": "Negotiate"}),
        ("BASIC abc=", {"type": "Basic"}),
        ('Digest a="b",c=d', {"type": "Digest", "a": "b", "c": "d"}),
        ('digest a="b" ,\n c = "d,e"', {"type": "Digest", "a": "b", "c": "d,e"}),
        (r'Digest a="x\"y\\"', {"type": "Digest", "a": 'x"y\\'}),
        ('Digest username="\xc5\xbe"', {"type": "Digest", "username": "ž"}),
        ("Digest username*=UTF-8''%C5%BE", {"type": "Digest", "username": "ž"}),
        ('Digest a="open', {"type": "Digest"}),
    ],
)
def test_authorization(make, value, expected):
    parsed = make(HTTP_AUTHORIZATION=value).authorization
    assert parsed.items() >= expected.items()


def test_authorization_is_a_copy(make):
    req = make(HTTP_AUTHORIZATION="Digest a=b")
    req.authorization["type"] = "x"
    assert req.authorization == {"type": "Digest", "a": "b"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}, True),
        ({"HTTP_X_REQUESTED_WITH": "fetch"}, False),
    ],
)
def test_is_xhr(make, environ, expected):
    assert make(**environ).is_xhr is expected


@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        (..., False),
        ("chunked", True),
        ("Chunked", True),
        ("gzip, chunked", True),
        ("identity", False),
        ("chunked, gzip", False),
    ],
)
def test_is_chunked(make, coding, expected):
    req = make(HTTP_TRANSFER_ENCODING=coding)
    assert req.is_chunked is expected
    with pytest.warns(DeprecationWarning, match="is_chunked") as warned:
        assert req.is_chunked_request is expected
    assert warned[0].filename == __file__


# -- arguments -------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "keep", "args"),
    [
        ("", 0, {}),
        ("a=1&b=2", 0, {"a": "1", "b": "2"}),
        ("a=1&a=2", 0, {"a": ["1", "2"]}),
        ("a=%C5%BE+x", 0, {"a": "ž x"}),
        ("a=&b", 0, {}),
        ("a=&b", 1, {"a": "", "b": ""}),
        ("a=1;b=2", 0, {"a": "1;b=2"}),
        ("&&a=1&", 0, {"a": "1"}),
    ],
)
def test_args(app, make, query, keep, args):
    app.keep_blank_values = keep
    req = make(QUERY_STRING=query)
    assert req.args == args
    assert isinstance(req.args, Args)
    assert req.args is req.args


def test_args_have_the_methods_of_a_form(make):
    args = make(QUERY_STRING="a=1&b=2&b=3").args
    assert args.getvalue("a", func=int) == 1
    assert args.getvalue("b") == ["2", "3"]
    assert args.getvalue("c", 5) == 5
    assert args.getfirst("b", func=int) == 2
    assert args.getlist("a") == ["1"]
    assert args.getlist("b", func=int) == [2, 3]
    assert args.getlist("c") == []


def test_args_need_no_more_than_a_query():
    class Stub:
        query = "x=1"

    assert Args(Stub()) == {"x": "1"}
    Stub.query = "x"
    assert Args(Stub(), keep_blank_values=1) == {"x": ""}
    with pytest.raises(ValueError, match=r"."):
        Args(Stub(), strict_parsing=1)


def test_auto_args_off_leaves_a_place_for_own_ones(app, make):
    app.auto_args = False
    req = make(QUERY_STRING="a=1")
    assert req.args == {}
    assert isinstance(req.args, EmptyForm)
    req.args = {"own": 1}
    req.args = {"own": 2}
    assert req.args == {"own": 1}


def test_parsed_args_can_not_be_replaced(make):
    req = make(QUERY_STRING="a=1")
    req.args = {"own": 1}
    assert req.args == {"a": "1"}


def test_a_bad_query_is_400_only_if_it_is_strict(app, make):
    assert make(QUERY_STRING="a").args == {}
    app.strict_parsing = True
    assert status_of(lambda: make(QUERY_STRING="a").args) == 400


def test_too_many_args_are_400(app, make):
    app.max_args = 2
    assert len(make(QUERY_STRING="a=1&b=2").args) == 2
    assert status_of(lambda: make(QUERY_STRING="a=1&b=2&c=3").args) == 400


# -- path arguments --------------------------------------------------------


def test_path_args_can_be_set_once_and_are_copies(make):
    req = make()
    assert req.path_args == {}
    req = make()
    req.path_args = {"a": 1}
    req.path_args = {"b": 2}
    req.path_args["c"] = 3
    assert req.path_args == req.groups == {"a": 1}


# -- cookies ---------------------------------------------------------------


def test_cookies(make):
    cookies = make(HTTP_COOKIE="a=1; b=2").cookies
    assert isinstance(cookies, SimpleCookie)
    assert {name: cookies[name].value for name in cookies} == {"a": "1", "b": "2"}


def test_no_cookies_are_none(app, make):
    assert make().cookies is None
    app.auto_cookies = False
    assert make(HTTP_COOKIE="a=1").cookies is None


@pytest.mark.parametrize("header", ["a=1; b(=2; c=3", "a=1;;=;c=3", 'a=1;x"y=1;c=3'])
def test_a_bad_cookie_is_skipped(make, header):
    cookies = make(HTTP_COOKIE=header).cookies
    assert (cookies["a"].value, cookies["c"].value) == ("1", "3")


# -- bodies: which attribute takes them ------------------------------------


def body(data, content_type, **environ):
    """Return the environ keys of a POST."""
    return {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi_input": io.BytesIO(data),
        **environ,
    }


URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--B--\r\n'


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"a=1", URLENCODED),
        (b"a=1", URLENCODED.upper() + "; charset=utf-8"),
        (MULTIPART, "multipart/form-data; boundary=B"),
    ],
)
def test_a_form_is_parsed(make, data, content_type):
    req = make(**body(data, content_type))
    assert req.form.getvalue("a") == "1"
    assert req.form is req.form
    assert isinstance(req.json, EmptyForm)
    assert req.data == data


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({"a": 1}, JsonDict),
        ([1, 2], JsonList),
        ("x", str),
        (1, int),
        (1.5, float),
        (True, bool),
        (None, type(None)),
    ],
)
def test_json_of_every_type_is_parsed(make, value, kind):
    data = json.dumps(value).encode()
    req = make(**body(data, "application/json"))
    assert req.json == value
    assert type(req.json) is kind
    assert isinstance(req.form, EmptyForm)
    assert req.data == data


def test_a_media_type_of_the_application_is_json_too(app, make):
    data = body(b"[1]", "application/x-own")
    assert isinstance(make(**data).json, EmptyForm)
    app.json_mime_types.append("application/x-own")
    assert make(**data).json == [1]


@pytest.mark.parametrize("option", ["auto_json", "auto_form"])
def test_parsing_can_be_switched_off(app, make, option):
    setattr(app, option, False)
    content_type = "application/json" if option == "auto_json" else URLENCODED
    req = make(**body(b"[1]", content_type))
    assert isinstance(req.json, EmptyForm)
    assert isinstance(req.form, EmptyForm)
    assert req.data == b"[1]"


def test_an_empty_form_can_be_replaced_and_a_form_can_not(app, make):
    req = make(**body(b"a=1", URLENCODED))
    req.form = "own"
    req.form = "other"
    assert req.form == "own"
    req = make(**body(b"a=1", URLENCODED))
    parsed = req.form
    req.form = "own"
    assert req.form is parsed


@pytest.mark.parametrize(
    ("method", "parsed"),
    [
        ("GET", False),
        ("HEAD", False),
        ("OPTIONS", False),
        ("TRACE", False),
        ("CONNECT", False),
        ("POST", True),
        ("PUT", True),
        ("PATCH", True),
        ("DELETE", True),
        ("FOO", True),
    ],
)
def test_a_body_counts_where_the_method_gives_it_a_meaning(make, method, parsed):
    """A GET with broken JSON is not answered 400."""
    req = make(**body(b"{broken", "application/json", REQUEST_METHOD=method))
    assert status_of(lambda: req.json) == (400 if parsed else None)
    req = make(**body(b"a=1", URLENCODED, REQUEST_METHOD=method))
    assert bool(req.form) is parsed


@pytest.mark.parametrize(
    "data", [b"{", b"", b"\xff", b"NaN", b"[1,]", b"1" * 5000, b"[" * 300 + b"]" * 300]
)
def test_broken_json_is_400_when_it_is_read(make, data):
    req = make(**body(data or b" ", "application/json"))
    assert status_of(lambda: req.json) == 400


@pytest.mark.parametrize(
    ("option", "value", "data", "content_type", "name", "status"),
    [
        ("max_json_size", 3, b"[1, 2]", "application/json", "json", 413),
        ("json_max_depth", 2, b"[[[1]]]", "application/json", "json", 400),
        ("max_form_memory_size", 3, b"a=123", URLENCODED, "form", 413),
        ("max_form_fields", 1, b"a=1&b=2", URLENCODED, "form", 413),
        ("strict_parsing", 1, b"a", URLENCODED, "form", 400),
    ],
)
def test_a_body_over_a_limit_is_refused_when_it_is_read(
    app, make, option, value, data, content_type, name, status
):
    assert status_of(lambda: getattr(make(**body(data, content_type)), name)) is None
    setattr(app, option, value)
    req = make(**body(data, content_type))
    assert status_of(lambda: getattr(req, name)) == status


def test_a_multipart_post_without_a_body_is_an_empty_form(make):
    req = make(REQUEST_METHOD="POST", CONTENT_TYPE="multipart/form-data; boundary=x")
    assert isinstance(req.form, EmptyForm)


def test_a_body_that_ends_early_is_400(make):
    req = make(**body(b"a=1", URLENCODED, CONTENT_LENGTH="10"))
    assert status_of(lambda: req.form) == 400


def test_a_body_larger_than_data_size_is_no_data(app, make):
    app.data_size = 2
    assert make(**body(b"ab", "x/y", wsgi_input=Stream(b"ab"))).data == b"ab"
    assert make(**body(b"abc", "x/y", wsgi_input=Stream(b"abc"))).data is None


def test_read_never_passes_the_content_length(make):
    stream = io.BytesIO(b"0123456789NEXT")
    req = make(REQUEST_METHOD="PUT", CONTENT_LENGTH="10", wsgi_input=stream)
    assert [req.read(4), req.read(4), req.read(4), req.read(4)] == [
        b"0123",
        b"4567",
        b"89",
        b"",
    ]
    assert stream.read() == b"NEXT"


def test_read_without_a_body_is_empty_and_logged(make, caplog):
    assert make(wsgi_input=Stream(b"x")).read() == b""
    assert [r.levelname for r in caplog.records] == ["ERROR"]


def test_read_chunk(make):
    req = make(
        REQUEST_METHOD="POST",
        HTTP_TRANSFER_ENCODING="chunked",
        wsgi_input=io.BytesIO(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"),
    )
    assert [req.read_chunk(), req.read_chunk(), req.read_chunk()] == [
        b"abc",
        b"de",
        b"",
    ]


def test_a_bad_chunk_is_a_value_error(make):
    req = make(
        REQUEST_METHOD="POST",
        HTTP_TRANSFER_ENCODING="chunked",
        wsgi_input=io.BytesIO(b"-1\r\nabc"),
    )
    with pytest.raises(ValueError, match=r"."):
        req.read_chunk()


def test_input_is_a_cached_input_once(app, make):
    app.auto_data = False
    req = make(**body(b"abc", "x/y", wsgi_input=Stream(b"abc")))
    assert isinstance(req.input, CachedInput)
    assert req.input is req.input
    assert req.input.read() == b"abc"


def test_parts_come_one_by_one(make):
    req = make(**body(MULTIPART, "multipart/form-data; boundary=B"))
    assert [part.name for part in req.parts()] == ["a"]


def test_del_raises_nothing(make):
    req = make(**body(b"a=1", URLENCODED))
    assert req.form
    del req


# -- laziness --------------------------------------------------------------


class Stream:
    """An input that only has what PEP 3333 asks for, and counts its reads."""

    def __init__(self, data=b""):
        self._file = io.BytesIO(data)
        self.reads = 0

    def read(self, size=-1):
        self.reads += 1
        return self._file.read(size)

    def readline(self, size=-1):
        self.reads += 1
        return self._file.readline(size)


class Watched(dict):
    """An environ that notes what is asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.asked = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def items(self):
        raise AssertionError("All of the environ was looked at")


def test_making_a_request_looks_at_the_path_alone(app):
    environ = Watched(body(b"{", "application/json", PATH_INFO="/"))
    Request(environ, app)
    assert environ.asked <= {"PATH_INFO"}


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ({"CONTENT_LENGTH": "x"}, "args"),
        ({"QUERY_STRING": "a"}, "form"),
        ({"HTTP_COOKIE": "(=;"}, "args"),
        ({"HTTP_AUTHORIZATION": '"'}, "path"),
        ({"HTTP_HOST": "a b"}, "path"),
    ],
)
def test_what_is_wrong_disturbs_only_who_reads_it(app, make, bad, good):
    app.strict_parsing = True
    getattr(make(**bad), good)


def test_the_input_is_not_read_before_the_body_is(make):
    stream = Stream(b'{"a": 1}')
    req = make(**body(b'{"a": 1}', "application/json", wsgi_input=stream))
    req.args, req.cookies, req.headers, req.mime_type, req.content_length  # noqa: B018
    req.form  # noqa: B018 - it is JSON, so there is no form to read
    assert stream.reads == 0
    assert req.json == {"a": 1}
    assert stream.reads > 0


@pytest.mark.parametrize(
    "name", ["headers", "args", "cookies", "accept", "form", "json", "start_time"]
)
def test_what_was_parsed_is_kept(make, name):
    req = make(**body(b"a=1", URLENCODED, HTTP_COOKIE="a=1", HTTP_ACCEPT="x/y"))
    assert getattr(req, name) is getattr(req, name)


# -- through the application: refused before any hook -----------------------


@pytest.mark.parametrize(
    ("options", "status"),
    [
        *[({"environ": {"CONTENT_LENGTH": text}}, 400) for text in BAD_LENGTHS],
        (
            {"environ": {"CONTENT_LENGTH": "3", "HTTP_TRANSFER_ENCODING": "chunked"}},
            400,
        ),
        ({"headers": {"Host": "a b"}}, 400),
        ({"headers": {"Host": "a/b"}}, 400),
        ({"headers": {"Host": "a:0"}}, 400),
        ({"headers": {"Host": "a:99999"}}, 400),
        ({"headers": {"Host": "a:x"}}, 400),
        ({"headers": {"Host": "[::1"}}, 400),
        ({"headers": {"Host": "user@a"}}, 400),
        ({"environ": {"HTTP_HOST": "a\x0b"}}, 400),
        ({"environ": {"HTTP_HOST": "\xa0a"}}, 400),
        ({"environ": {"HTTP_HOST": "a:80\x85"}}, 400),
        ({"environ": {"HTTP_HOST": " a\t"}}, 200),
        ({"headers": {"Host": "<script>"}}, 400),
        ({"headers": {"Cookie": "a=" + "x" * 20000}}, 431),
        ({"environ": {"PATH_INFO": "/\xff"}}, 400),
        ({"environ": {"PATH_INFO": "/\0"}}, 400),
        ({"headers": {"Host": "a.cz"}}, 200),
        ({"headers": {"Host": "my_host.:8080"}}, 200),
        ({"headers": {"Host": "[::1]:80"}}, 200),
        ({"headers": {"Host": "127.0.0.1"}}, 200),
        ({"headers": {"Cookie": "(bad"}}, 200),
    ],
)
def test_what_the_head_shows_is_refused_before_the_hooks(app, client, options, status):
    seen = []
    app.set_route("/", lambda req: "ok")
    app.add_before_response(lambda req: seen.append(req.path))
    client.validate = False  # no server builds such environs
    assert client.get("/", **options).status_code == status
    assert seen == (["/"] if status == 200 else [])


def test_a_declared_length_over_the_limit_is_refused_unread(app, client):
    app.max_body_size = 10
    app.set_route("/", lambda req: req.read(), "POST")
    stream = Stream(b"x" * 11)
    environ = {"CONTENT_LENGTH": "11", "wsgi.input": stream}
    client.validate = False
    assert client.post("/", environ=environ).status_code == 413
    assert stream.reads == 0
    assert client.post("/", body=b"x" * 10).data == b"x" * 10


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("good.cz", 200),
        ("GOOD.cz:8080", 200),
        ("good.cz.", 200),
        ("other.cz", 200),
        ("bad.cz", 400),
    ],
)
def test_allowed_hosts(app, client, host, status):
    app.allowed_hosts = ["good.cz", "Other.CZ"]
    app.set_route("/", lambda req: "ok")
    for _ in range(2):  # good ones are remembered
        assert client.get("/", headers={"Host": host}).status_code == status


def test_hosts_allowed_later_count_at_once(app, client):
    app.set_route("/", lambda req: "ok")
    assert client.get("/", headers={"Host": "bad.cz"}).status_code == 200
    app.allowed_hosts = "good.cz"
    assert client.get("/", headers={"Host": "bad.cz"}).status_code == 400


def test_the_memory_of_good_hosts_is_bounded(app, client):
    app.set_route("/", lambda req: req.hostname)
    client.validate = False
    for i in range(1100):
        assert client.get("/", headers={"Host": f"h{i}.cz"}).text == f"h{i}.cz"
    assert len(app._hosts) <= 1001


# -- forms that are none ---------------------------------------------------


def test_empty_form_gives_defaults_untouched():
    form = EmptyForm()
    assert form == {}
    assert not form
    assert form.getvalue("a") is None
    assert form.getvalue("a", "1", int) == "1"
    assert form.getfirst("a", "1", int) == "1"
    assert form.getlist("a") == []
    assert form.getlist("a", ["1"], int) == ["1"]


def test_json_dict_has_the_methods_of_a_form():
    value = JsonDict(a=1, b=[2, 3])
    assert value.getvalue("a", func=str) == "1"
    assert value.getvalue("b", func=len) == 2
    assert value.getvalue("c", 5) == 5
    assert value.getfirst("b") == 2
    assert value.getfirst("c", 5) == 5
    assert value.getlist("a") == [1]
    assert value.getlist("b", func=str) == ["2", "3"]
    assert value.getlist("c") == []


def test_json_list_ignores_keys():
    value = JsonList([1, 2])
    assert value.getvalue() == value.getvalue("x") == value.getfirst("x") == 1
    assert value.getfirst(func=str) == "1"
    assert value.getlist("x", func=str) == ["1", "2"]
    assert value.getlist() == [1, 2]
    empty = JsonList()
    assert (empty.getvalue(), empty.getfirst("x", 5)) == (None, 5)
    assert (empty.getlist("x"), empty.getlist("x", [1])) == ([], [1])


@pytest.mark.parametrize("form", [EmptyForm(), JsonDict(a=1), JsonList([1])])
@pytest.mark.parametrize("method", ["getfirst", "getlist"])
def test_fce_is_the_deprecated_spelling_of_func(form, method):
    with pytest.warns(DeprecationWarning, match="fce"):
        value = getattr(form, method)("a", fce=str)
    expected = {"getfirst": "1", "getlist": ["1"]}[method]
    assert value == (expected if form else {"getfirst": None, "getlist": []}[method])


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff", "text is fine"[:0].encode(), None, 5, b"NaN"]
)
def test_parse_json_request_refuses_with_the_cause(raw, caplog):
    with pytest.raises(HTTPException) as caught:
        parse_json_request(raw)
    status, kwargs = caught.value.args
    assert status == 400
    assert isinstance(kwargs["error"], Exception)
    assert [r.levelname for r in caplog.records] == ["ERROR"]


def test_parse_json_request_takes_a_charset():
    assert parse_json_request('"ž"'.encode("utf-16"), "utf-16") == "ž"


def test_the_field_storage_function_is_deprecated(app, make):
    app.auto_form = False
    req = make(**body(b"a=1&b=", URLENCODED))
    with pytest.warns(DeprecationWarning, match="FieldStorage"):
        form = FieldStorage(req, keep_blank_values=1)
    assert form.getvalue("a") == "1"
    assert form.getvalue("b") == ""


def test_a_request_is_made_in_no_time_without_its_start(make):
    before = time.time()
    assert make().start_time >= before
