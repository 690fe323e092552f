"""Request data: path, address, url, headers, cookies."""

import json

import pytest
from fake_perimeterx import APP_ID, KEY, TOKEN, VID

from poorwsgi.perimeterx.config import Config
from poorwsgi.perimeterx.context import (
    Context,
    parse_cookies,
    rule_path,
    wants_json,
)
from poorwsgi.perimeterx.handlers import Handlers
from poorwsgi.perimeterx.quiet import QuietLog

from .perimeterx_site import make_environ

REQUIRED = {"app_id": APP_ID, "cookie_key": KEY, "auth_token": TOKEN}


def context(environ, **options):
    return Context(environ, Config(REQUIRED | options), rule_path(environ))


PATHS = [
    # PATH_INFO, path of the rules
    ("/", "/"),
    ("", "/"),
    ("/a", "/a"),
    ("/a/", "/a/"),
    ("a", "/a"),
    ("//a", "/a"),
    ("/a//b///c", "/a/b/c"),
    ("/./a", "/a"),
    ("/a/.", "/a/"),
    ("/a/..", "/"),
    ("/a/../b", "/b"),
    ("/a/b/..", "/a/"),
    ("/../../a", "/a"),
    ("/a/./../../b/", "/b/"),
    ("/a//../b", "/b"),
    ("/.well-known/x", "/.well-known/x"),
    ("/a/...", "/a/..."),
    ("/a/..b", "/a/..b"),
    ("/..", "/"),
    ("*", "/*"),
    ("/ú\u010d".encode().decode("latin-1"), "/ú\u010d"),
    # Some frameworks drop what is no UTF-8, and route the rest.
    ("/\xff", "/"),
    ("/lo\xffgin", "/login"),
    ("/a/.\xff./b", "/b"),
    ("/a/\xff/b", "/a/b"),
    ("/\xc0\xaea", "/a"),
    ("/ú\u010d/".encode().decode("latin-1") + "\xff", "/ú\u010d/"),
    ("/\ud800\u0123", "/\u0123"),
]


@pytest.mark.parametrize(("raw", "path"), PATHS)
def test_rules_see_the_path_that_applications_see(raw, path):
    assert rule_path({"PATH_INFO": raw}) == path


ADDRESSES = [
    # ip_headers, headers, address
    ([], {}, "203.0.113.9"),
    ([], {"HTTP_X_FORWARDED_FOR": "198.51.100.1"}, "203.0.113.9"),
    (["X-Real-IP"], {"HTTP_X_REAL_IP": "198.51.100.1"}, "198.51.100.1"),
    (["x-real-ip"], {"HTTP_X_REAL_IP": " 198.51.100.1 "}, "198.51.100.1"),
    (["X-Forwarded-For"], {"HTTP_X_FORWARDED_FOR": "::1, 1.2.3.4"}, "::1"),
    (["X-Forwarded-For"], {"HTTP_X_FORWARDED_FOR": "x, 1.2.3.4"}, "203.0.113.9"),
    (["A", "B"], {"HTTP_A": "nobody", "HTTP_B": "1.2.3.4"}, "1.2.3.4"),
    (["A", "B"], {"HTTP_A": "5.6.7.8", "HTTP_B": "1.2.3.4"}, "5.6.7.8"),
    (["A"], {"HTTP_A": ""}, "203.0.113.9"),
    (["A"], {"HTTP_A": "1.2.3"}, "203.0.113.9"),
    (["A"], {"HTTP_A": "1.2.3.4\r\nX: y"}, "203.0.113.9"),
    (["A"], {"HTTP_A": "fe80::1%\r\nX: y"}, "203.0.113.9"),
    (["A"], {"HTTP_A": "\u0661.2.3.4"}, "203.0.113.9"),
]


@pytest.mark.parametrize(("headers", "sent", "address"), ADDRESSES)
def test_only_listed_headers_tell_the_address(headers, sent, address):
    handlers = Handlers(Config(REQUIRED | {"ip_headers": headers}), QuietLog)
    assert handlers.client_address(make_environ(**sent)) == address


def raising(environ):
    raise RuntimeError("no idea")


USER_IP = [
    (lambda environ: "198.51.100.7", "198.51.100.7"),
    (lambda environ: environ["HTTP_HOST"], "203.0.113.9"),
    (lambda environ: None, "203.0.113.9"),
    (lambda environ: "", "203.0.113.9"),
    (lambda environ: 17, "203.0.113.9"),
    (raising, "203.0.113.9"),
]


@pytest.mark.parametrize(("handler", "address"), USER_IP)
def test_a_handler_may_tell_the_address(handler, address):
    handlers = Handlers(Config(REQUIRED | {"get_user_ip": handler}), QuietLog)
    assert handlers.client_address(make_environ()) == address


def test_a_listed_header_wins_over_the_handler():
    options = {"get_user_ip": lambda e: "1.1.1.1", "ip_headers": ["A"]}
    handlers = Handlers(Config(REQUIRED | options), QuietLog)
    assert handlers.client_address(make_environ(HTTP_A="2.2.2.2")) == "2.2.2.2"


URLS = [
    ({}, "http://shop.example/"),
    ({"QUERY_STRING": "x=1"}, "http://shop.example/?x=1"),
    ({"wsgi.url_scheme": "https"}, "https://shop.example/"),
    ({"PATH_INFO": "/a b?c#d%"}, "http://shop.example/a%20b%3Fc%23d%25"),
    ({"PATH_INFO": "/\xc3\xba"}, "http://shop.example/%C3%BA"),
    ({"PATH_INFO": "/\xff"}, "http://shop.example/%FF"),
    ({"SCRIPT_NAME": "/app", "PATH_INFO": "/x"}, "http://shop.example/app/x"),
    ({"QUERY_STRING": "a=%20\xff\r\n"}, "http://shop.example/?a=%20%FF%0D%0A"),
    ({"HTTP_HOST": "", "SERVER_NAME": "s", "SERVER_PORT": "80"}, "http://s/"),
    ({"HTTP_HOST": "", "SERVER_NAME": "s", "SERVER_PORT": "8080"}, "http://s:8080/"),
]


@pytest.mark.parametrize(("environ", "url"), URLS)
def test_the_url_is_put_together(environ, url):
    environ.setdefault("PATH_INFO", "/")
    path = environ.pop("PATH_INFO")
    assert context(make_environ(path, **environ)).full_url == url


@pytest.mark.parametrize(
    ("protocol", "version"), [("HTTP/1.1", "1.1"), ("HTTP/2", "2"), ("", "")]
)
def test_the_http_version_is_what_follows_the_slash(protocol, version):
    environ = make_environ(SERVER_PROTOCOL=protocol)
    assert context(environ).http_version == version


def test_headers_are_all_but_the_sensitive_ones():
    environ = make_environ(
        HTTP_COOKIE="a=b",
        HTTP_COOKIES="a=b",
        HTTP_X_KEY="secret",
        CONTENT_TYPE="text/plain",
        CONTENT_LENGTH="5",
    )
    assert context(environ).headers == {
        "Host": "shop.example",
        "User-Agent": "Vector/1.0",
        "X-Key": "secret",
        "Content-Type": "text/plain",
        "Content-Length": "5",
    }


@pytest.mark.parametrize("name", ["X-Key", "x-key", "X_KEY", " x-key "])
def test_the_list_of_sensitive_headers_replaces_the_default(name):
    headers = context(
        make_environ(HTTP_COOKIE="a=b", HTTP_X_KEY="s"), sensitive_headers=[name]
    ).headers
    assert "X-Key" not in headers
    assert headers["Cookie"] == "a=b"


@pytest.mark.parametrize("name", ["content-type", "Content-Length"])
def test_any_header_can_be_sensitive(name):
    environ = make_environ(CONTENT_TYPE="text/plain", CONTENT_LENGTH="5")
    assert name.title() not in context(environ, sensitive_headers=[name]).headers


def test_hidden_headers_are_still_read():
    """What is not sent is not switched off."""
    environ = make_environ(HTTP_X_PX_AUTHORIZATION="1", HTTP_COOKIE="_pxhd=x")
    ctx = context(environ, sensitive_headers=["x-px-authorization", "cookie"])
    assert ctx.is_mobile
    assert "X-Px-Authorization" not in ctx.headers


def test_headers_are_the_text_that_was_sent():
    environ = make_environ(HTTP_A="\xc3\xba", HTTP_B="\xff", HTTP_C="\ud800\x00\u0123")
    headers = context(environ).headers
    assert (headers["A"], headers["B"]) == ("ú", "\xff")
    assert json.loads(json.dumps(headers)) == headers


COOKIES = [
    ("", {}),
    ("a=1", {"a": "1"}),
    ("a=1; b=2", {"a": "1", "b": "2"}),
    ("a=1;b=2;", {"a": "1", "b": "2"}),
    (" a = 1 ", {"a": "1"}),
    ("\xc3\xa0=\xc3\xa0;\ta=1", {"\xc3\xa0": "\xc3\xa0", "a": "1"}),
    ("a=1=2", {"a": "1=2"}),
    ('a="1"', {"a": "1"}),
    ('a="', {"a": '"'}),
    ('a=""', {"a": ""}),
    ('a=""1""', {"a": '"1"'}),
    ("a=", {"a": ""}),
    ("=1; a=1", {"a": "1"}),
    ("broken; a=1", {"a": "1"}),
    ("[]{}=x; @=y; a=1", {"[]{}": "x", "@": "y", "a": "1"}),
    ("a=1; a=2", {"a": "1"}),
    ('x="a;b"; a=1', {"x": '"a', "a": "1"}),
    (";;;=;;a=1", {"a": "1"}),
]


@pytest.mark.parametrize(("line", "cookies"), COOKIES)
def test_a_broken_pair_never_hides_the_next_one(line, cookies):
    assert parse_cookies(line) == cookies


VIDS = [
    (f"_pxvid={VID}", VID),
    (f"pxvid={VID}", VID),
    (f"_pxvid={VID.upper()}", VID.upper()),
    (f"_pxvid=junk; pxvid={VID}", VID),
    (f"pxvid={VID[::-1]}", ""),
    (f"_pxvid={VID}<script>", ""),
    (f"_pxvid={VID}\n", ""),
    (f"_pxvid= {VID}\t", VID),
    ("_pxvid=</script>", ""),
    ("_pxvid=", ""),
    ("", ""),
]


@pytest.mark.parametrize(("cookie", "vid"), VIDS)
def test_a_visitor_id_is_a_uuid(cookie, vid):
    ctx = context(make_environ(HTTP_COOKIE=cookie))
    assert ctx.vid == vid
    assert ctx.vid_source == ("vid_cookie" if vid else "")


JSON_TYPES = [
    ("application/json", True),
    ("text/html, application/json;q=0.5", True),
    ("APPLICATION/JSON; charset=utf-8", True),
    (" application/json ", True),
    ("*/*", False),
    ("application/*", False),
    ("text/html", False),
    ("application/jsonp", False),
    ("application/ld+json", False),
    ("text/application/json", False),
    ("", False),
]


@pytest.mark.parametrize("key", ["HTTP_ACCEPT", "CONTENT_TYPE"])
@pytest.mark.parametrize(("value", "wanted"), JSON_TYPES)
def test_json_is_wanted_by_name(key, value, wanted):
    assert wants_json({key: value}) is wanted


def test_a_repr_shows_no_cookie_and_no_token():
    environ = make_environ(HTTP_COOKIE="_px3=secret1; _pxhd=secret2")
    assert "secret" not in repr(context(environ))
    environ = make_environ(HTTP_X_PX_AUTHORIZATION="3:secret3")
    assert "secret" not in repr(context(environ))


def test_a_repr_has_no_control_characters():
    environ = make_environ("/\r\nevil", REQUEST_METHOD="GE\nT")
    assert "\n" not in repr(context(environ))


#: What handlers may read.
ATTRIBUTES = """
score uuid vid ip uri full_url hostname user_agent headers http_method http_version
is_mobile cookie_origin s2s_call_reason pass_reason block_reason block_action
risk_rtt decoded_cookie px_cookies cookie_hmac original_uuid original_token_error
sensitive_route whitelist_route pxde pxde_verified pxhd
"""


@pytest.mark.parametrize("name", ATTRIBUTES.split())
def test_the_context_has_what_handlers_may_read(name):
    assert hasattr(context(make_environ()), name)


def test_the_context_starts_empty():
    ctx = context(make_environ("/x", HTTP_COOKIE="_px3=a; lang=cs; _px=b"))
    assert ctx.s2s_call_reason == "none"
    assert ctx.px_cookies == {"_px3": "a", "_px": "b"}
    assert ctx.request_cookie_names == ["_px3", "lang", "_px"]
    assert (ctx.uri, ctx.hostname) == ("/x", "shop.example")
    assert ctx.user_agent == "Vector/1.0"
    assert (ctx.score, ctx.risk_rtt, ctx.pxhd) == (None, 0, "")
