"""First-party addresses: what matches, what is forwarded, what comes back."""

import gzip
import io
import json

import pytest
from fake_perimeterx import APP_ID, VID

from poorwsgi.perimeterx.firstparty import PIXEL

from .perimeterx_site import AGENT, make_environ

PATHS = [
    # path, forwarded as; None for an ordinary path
    ("/abcd1234/init.js", f"/{APP_ID}/main.min.js"),
    ("/ABCD1234/INIT.JS", f"/{APP_ID}/main.min.js"),
    ("/abcd1234/captcha/captcha.js", f"/{APP_ID}/captcha.js"),
    ("/abcd1234/CAPTCHA/a/b", f"/{APP_ID}/a/b"),
    ("/abcd1234/captcha/", f"/{APP_ID}/"),
    ("/abcd1234/xhr/api/v2/collector", "/api/v2/collector"),
    ("/Abcd1234/Xhr/a", "/a"),
    ("/abcd1234/xhr/", "/"),
    ("/abcd1234/xhr//evil.example/x", "/evil.example/x"),
    ("/abcd1234/xhr/@evil.example/", "/@evil.example/"),
    ("/abcd1234/xhr/http://evil.example/", "/http://evil.example/"),
    ("/abcd1234/xhr/a b?c#d", "/a%20b%3Fc%23d"),
    ("/abcd1234/xhr/a\r\nX: y", "/a%0D%0AX:%20y"),
    ("/abcd1234/xhr/\\evil", "/%5Cevil"),
    ("/abcd1234/xhr/%2e%2e/x", "/%252e%252e/x"),
    ("/abcd1234/xhr/\xc3\xba\xff", "/%C3%BA%FF"),
    ("/abcd1234/xhr/...", "/..."),
    ("/abcd1234/xhr@evil.example/", None),
    ("/abcd1234/xhr.evil.example/", None),
    ("/abcd1234/xhr:80/", None),
    ("/abcd1234/xhr", None),
    ("/abcd1234/captcha", None),
    ("/abcd1234/captcha.js", None),
    ("/abcd1234/init.js.map", None),
    ("/abcd1234/init.js/", None),
    ("/abcd1234/init", None),
    ("/abcd1234/", None),
    ("/abcd1234", None),
    ("//abcd1234/init.js", None),
    ("/x/abcd1234/init.js", None),
    ("/abcd12345/init.js", None),
    (f"/{APP_ID}/init.js", None),
]


@pytest.mark.parametrize(("path", "forwarded"), PATHS)
def test_an_address_is_exact(site, fake, path, forwarded):
    one = site(module_mode="monitor")
    reply = one.get(path)
    if forwarded is None:
        assert reply.body == b"the site"
        assert fake.forwarded == []
    else:
        (call,) = fake.forwarded
        assert call.path == forwarded
        assert reply.status == 200
        assert one.runs == []


UPSTREAMS = [
    ("/abcd1234/init.js", "client_url"),
    ("/abcd1234/captcha/c.js", "captcha_url"),
    ("/abcd1234/xhr/a", "collector_url"),
]


@pytest.mark.parametrize(("path", "option"), UPSTREAMS)
def test_each_address_has_its_upstream(site, fake, path, option):
    others = {name: "http://127.0.0.1:1" for _, name in UPSTREAMS if name != option}
    site(**others).get(path)
    assert [call for call in fake.calls if call.path.endswith(("js", "/a"))]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "x@y", ""])
@pytest.mark.parametrize(("path", "option"), UPSTREAMS)
def test_the_client_chooses_no_host(site, fake, host, path, option):
    """Neither by Host nor by a forwarding header."""
    site().get(path, HTTP_HOST=host, HTTP_X_FORWARDED_HOST="evil.example")
    call = fake.forwarded[-1]
    assert call.headers["Host"] == f"127.0.0.1:{fake.port}"


QUERIES = [
    ("/abcd1234/init.js", "a=b", f"/{APP_ID}/main.min.js"),
    ("/abcd1234/captcha/c.js", "a=b", f"/{APP_ID}/c.js?a=b"),
    ("/abcd1234/xhr/a", "a=b&c=%20", "/a?a=b&c=%20"),
    ("/abcd1234/xhr/a", "a=\r\nX: y", "/a?a=%0D%0AX:%20y"),
    ("/abcd1234/xhr/a", "\xff#", "/a?%FF%23"),
]


@pytest.mark.parametrize(("path", "query", "forwarded"), QUERIES)
def test_the_query_goes_along(site, fake, path, query, forwarded):
    site().get(path, QUERY_STRING=query)
    assert fake.forwarded[-1].path == forwarded


METHODS = [
    ("/abcd1234/init.js", "POST", "GET"),
    ("/abcd1234/init.js", "HEAD", "GET"),
    ("/abcd1234/captcha/c.js", "POST", "GET"),
    ("/abcd1234/xhr/a", "GET", "GET"),
    ("/abcd1234/xhr/a", "POST", "POST"),
    ("/abcd1234/xhr/a", "OPTIONS", "OPTIONS"),
    ("/abcd1234/xhr/a", "HEAD", "HEAD"),
    ("/abcd1234/xhr/a", "CONNECT", None),
    ("/abcd1234/xhr/a", "TRACE", None),
    ("/abcd1234/xhr/a", "GET / HTTP/1.1\r\nX:", None),
]


@pytest.mark.parametrize(("path", "method", "forwarded"), METHODS)
def test_the_method_is_kept_for_xhr_only(site, fake, path, method, forwarded):
    one = site()
    reply = one.raw(make_environ(path, REQUEST_METHOD=method))
    assert reply.status == 200
    assert [call.method for call in fake.forwarded] == (
        [forwarded] if forwarded else []
    )


# -- headers of the request --------------------------------------------------


def headers_sent(site, fake, path="/abcd1234/xhr/a", options=None, **environ):
    site(**(options or {})).raw(make_environ(path, **environ))
    found = fake.forwarded[-1].headers
    return {name.lower(): value for name, value in found.items()}


def test_three_headers_are_set(site, fake):
    sent = headers_sent(site, fake)
    assert sent["x-px-first-party"] == "1"
    assert sent["x-px-enforcer-true-ip"] == "203.0.113.9"
    assert sent["x-forwarded-for"] == "203.0.113.9"


def test_the_address_is_the_trusted_one(site, fake):
    sent = headers_sent(
        site,
        fake,
        options={"ip_headers": ["X-Real-IP"]},
        HTTP_X_REAL_IP="198.51.100.1",
        HTTP_X_FORWARDED_FOR="6.6.6.6",
        HTTP_X_PX_ENFORCER_TRUE_IP="6.6.6.6",
        HTTP_X_PX_FIRST_PARTY="6",
    )
    assert sent["x-forwarded-for"] == "198.51.100.1"
    assert sent["x-px-enforcer-true-ip"] == "198.51.100.1"
    assert sent["x-px-first-party"] == "1"


def test_no_address_no_header(site, fake):
    sent = headers_sent(site, fake, REMOTE_ADDR="")
    assert "x-forwarded-for" not in sent
    assert "x-px-enforcer-true-ip" not in sent


NOT_SENT = {
    "HTTP_COOKIE": "session=secret",
    "HTTP_X_KEY": "secret",
    "HTTP_CONNECTION": "close, X-Named",
    "HTTP_X_NAMED": "x",
    "HTTP_KEEP_ALIVE": "x",
    "HTTP_PROXY_AUTHORIZATION": "x",
    "HTTP_TE": "trailers",
    "HTTP_TRAILER": "x",
    "HTTP_TRANSFER_ENCODING": "chunked",
    "HTTP_UPGRADE": "websocket",
    "HTTP_EXPECT": "100-continue",
    # A 304 is no answer that is handed on.
    "HTTP_IF_NONE_MATCH": '"tag"',
    "HTTP_IF_MODIFIED_SINCE": "Sun, 22 Nov 2026 09:00:00 GMT",
    "HTTP_X_EVIL": "a\r\nX-Injected: 1",
    "HTTP_BAD NAME": "x",
    "HTTP_X_WIDE": "\u0123",
}


@pytest.mark.parametrize("key", NOT_SENT)
def test_some_headers_are_not_sent(site, fake, key):
    options = {"sensitive_headers": ["x-key"]}
    environ = {"HTTP_CONNECTION": "X-Named", key: NOT_SENT[key]}
    sent = headers_sent(site, fake, options=options, **environ)
    assert key[5:].replace("_", "-").lower() not in sent
    assert "x-injected" not in sent


def test_other_headers_are_sent(site, fake):
    sent = headers_sent(site, fake, HTTP_ACCEPT_ENCODING="gzip", HTTP_X_OWN="\xfc")
    assert sent["user-agent"] == AGENT
    assert sent["accept-encoding"] == "gzip"
    assert sent["x-own"] == "\xfc"


@pytest.mark.parametrize(
    ("path", "kept"),
    [("xhr/a", True), ("captcha/c.js", False), ("init.js", False)],
)
def test_the_content_type_goes_with_the_body(site, fake, path, kept):
    sent = headers_sent(
        site, fake, f"/abcd1234/{path}", CONTENT_TYPE="text/plain", CONTENT_LENGTH="0"
    )
    assert ("content-type" in sent) is kept


@pytest.mark.parametrize(
    ("path", "cookie", "sent"),
    [
        ("xhr/a", f"_pxvid={VID}; s=1", f"pxvid={VID}"),
        ("xhr/a", f"pxvid={VID}", f"pxvid={VID}"),
        ("xhr/a", "_pxvid=junk", None),
        ("xhr/a", "s=1", None),
        ("captcha/c.js", f"_pxvid={VID}", None),
        ("init.js", f"_pxvid={VID}", None),
    ],
)
def test_the_only_cookie_sent_is_the_visitor_id(site, fake, path, cookie, sent):
    got = headers_sent(site, fake, f"/abcd1234/{path}", HTTP_COOKIE=cookie)
    assert got.get("cookie") == sent


def test_a_cookie_is_not_sent_even_if_nothing_is_sensitive(site, fake):
    got = headers_sent(site, fake, options={"sensitive_headers": []}, HTTP_COOKIE="s=1")
    assert "cookie" not in got


# -- the body ----------------------------------------------------------------


class Trickle(io.BytesIO):
    """An input that gives a byte at a time and hates being overread."""

    def read(self, size=-1):
        assert size > 0
        return super().read(1)


def test_a_body_is_forwarded_up_to_its_length(site, fake, body):
    environ = body(b"payload") | {"wsgi.input": Trickle(b"payload and more")}
    site().raw(make_environ("/abcd1234/xhr/a", **environ))
    assert fake.forwarded[-1].body == b"payload"


def test_a_body_of_a_mebibyte_is_forwarded(site, fake, body):
    site().get("/abcd1234/xhr/a", **body(b"x" * (1 << 20)))
    assert len(fake.forwarded[-1].body) == 1 << 20


class Unread(io.BytesIO):
    def read(self, *_):
        raise AssertionError("the body was read")


BAD_LENGTHS = [str((1 << 20) + 1), "-1", "x", "1_0", "\u0661", "9" * 5000, "1,1"]


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_a_bad_length_gets_the_default_answer(site, length):
    environ = make_environ(
        "/abcd1234/xhr/a", REQUEST_METHOD="POST", CONTENT_LENGTH=length
    )
    assert site().raw(environ | {"wsgi.input": Unread()}).body == b"{}"


def test_a_cut_body_gets_the_default_answer(site, body):
    environ = body(b"abc") | {"CONTENT_LENGTH": "10"}
    assert site().raw(make_environ("/abcd1234/xhr/a", **environ)).body == b"{}"


def test_a_client_that_leaves_is_no_error_of_ours(site, caplog):
    """uWSGI says so by an OSError."""

    class Left:
        def read(self, size):
            raise OSError("error during read(5) on wsgi.input")

    environ = make_environ("/abcd1234/xhr/a", CONTENT_LENGTH="5")
    assert site().raw(environ | {"wsgi.input": Left()}).body == b"{}"
    assert caplog.records == []


def test_a_broken_input_gets_the_default_answer(site):
    environ = make_environ("/abcd1234/xhr/a", CONTENT_LENGTH="5")
    assert site().raw(environ | {"wsgi.input": Unread()}).body == b"{}"


@pytest.mark.parametrize("path", ["/", "/abcd1234/init.js", "/abcd1234/captcha/c"])
def test_no_other_body_is_read(site, path):
    environ = make_environ(path, REQUEST_METHOD="POST", CONTENT_LENGTH="5")
    assert site().raw(environ | {"wsgi.input": Unread()}).status == 200


# -- the answer --------------------------------------------------------------


def test_the_answer_comes_back_whole(site, fake):
    fake.upstream_status = 201
    fake.upstream_headers = [
        ("X-Own", "kept"),
        ("Set-Cookie", "a=b; Path=/"),
        ("Keep-Alive", "timeout=5"),
        ("X-Named", "x"),
        ("Connection", "X-Named"),
    ]
    fake.upstream_body = b"body"
    reply = site().get("/abcd1234/xhr/a")
    assert reply.status == 201
    assert reply.body == b"body"
    assert reply.headers == {
        "content-type": "application/javascript",
        "x-own": "kept",
        "set-cookie": "a=b; Path=/",
        "content-length": "4",
    }


def test_encoding_and_body_agree(site, fake):
    fake.upstream_body = gzip.compress(b"hello")
    fake.upstream_headers = [("Content-Encoding", "gzip")]
    reply = site().get("/abcd1234/xhr/a", HTTP_ACCEPT_ENCODING="gzip")
    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body) == b"hello"
    assert reply.headers["content-length"] == str(len(reply.body))


def test_a_chunked_answer_comes_back_whole(site, fake):
    one = site()
    fake.wait_for(lambda: fake.telemetry)
    fake.mode = "raw"
    fake.raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: text/x\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    )
    reply = one.get("/abcd1234/xhr/a")
    assert reply.body == b"abcde"
    assert reply.headers == {"content-type": "text/x", "content-length": "5"}


def test_an_answer_without_content_has_no_length(site, fake):
    fake.upstream_status = 204
    one = site()
    reply = one.raw(make_environ("/abcd1234/xhr/a"))
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers


@pytest.mark.parametrize("path", ["init.js", "captcha/c.js", "xhr/a"])
def test_head_gets_no_body(site, path):
    reply = site().get(f"/abcd1234/{path}", REQUEST_METHOD="HEAD")
    assert (reply.status, reply.body) == (200, b"")


# -- the default answer ------------------------------------------------------

DEFAULTS = [
    ("init.js", "application/javascript", b""),
    ("captcha/c.js", "application/javascript", b""),
    ("captcha/x.gif", "application/javascript", b""),
    ("xhr/a", "application/json", b"{}"),
    ("xhr/a.gif", "image/gif", PIXEL),
    ("xhr/GIF/a", "image/gif", PIXEL),
]


def is_default(reply, kind, content):
    assert reply.status_line == "200 OK"
    assert reply.body == content
    assert reply.headers == {
        "content-type": kind,
        # Whoever makes the upstream refuse must not fill caches with this.
        "cache-control": "no-store",
        "content-length": str(len(content)),
    }


def raw_answer(status=b"200 OK", body=b"", headers=b""):
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n"
    return head % (status, len(body), headers) + body


FAILING = [
    ("drop", b""),
    ("cut", b""),
    ("redirect", b""),
    ("slow", b""),
    ("drip", b""),
    ("raw", b"garbage"),
    ("raw", raw_answer(b"404 Not Found", b"no")),
    ("raw", raw_answer(b"500 Oops", b"no")),
    ("raw", raw_answer(b"304 Not Modified")),
    ("raw", raw_answer(b"101 Switching Protocols")),
    ("raw", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort"),
    ("raw", raw_answer(body=b"x" * ((4 << 20) + 1))),
]


@pytest.mark.parametrize(("path", "kind", "content"), DEFAULTS)
@pytest.mark.parametrize(("mode", "sent"), FAILING)
def test_a_failure_gets_the_default_answer(site, fake, path, kind, content, mode, sent):
    one = site(api_timeout=100 if mode in ("slow", "drip") else 5000)
    fake.wait_for(lambda: fake.telemetry)
    fake.mode, fake.raw = mode, sent
    fake.delay = 0.03 if mode == "drip" else 5
    is_default(one.get(f"/abcd1234/{path}"), kind, content)
    assert one.runs == []
    assert fake.on("/stolen") == []


@pytest.mark.parametrize(("path", "kind", "content"), DEFAULTS)
def test_switched_off_addresses_get_the_default_answer(site, fake, path, kind, content):
    one = site(first_party_enabled=False)
    is_default(one.get(f"/abcd1234/{path}"), kind, content)
    one.px.close()
    assert [call.path for call in fake.calls] == ["/api/v2/risk/telemetry"]


def test_xhr_can_be_switched_off_alone(site):
    one = site(first_party_xhr_enabled=False)
    is_default(one.get("/abcd1234/xhr/a"), "application/json", b"{}")
    assert b"_pxLoaded" in one.get("/abcd1234/init.js").body


@pytest.mark.parametrize("kind", ["captcha", "xhr"])
@pytest.mark.parametrize("rest", ["..", "../x", "a/../b", "./a", "a/.", "a/..", "."])
def test_dot_segments_get_the_default_answer(site, fake, kind, rest):
    one = site()
    reply = one.get(f"/abcd1234/{kind}/{rest}")
    assert reply.body == (b"{}" if kind == "xhr" else b"")
    assert fake.forwarded == []
    assert one.runs == []


def test_a_short_id_that_says_gif_is_no_picture(site):
    one = site(app_id="PXgif", first_party_enabled=False)
    assert json.loads(one.get("/gif/xhr/a").body) == {}


def test_a_pixel_is_a_gif_of_one_by_one():
    assert PIXEL[:6] == b"GIF89a"
    assert PIXEL[6:10] == b"\x01\x00\x01\x00"
    assert len(PIXEL) == 43 or PIXEL.endswith(b";")


def test_four_mebibytes_come_back(site, fake):
    fake.upstream_body = b"x" * (4 << 20)
    assert len(site(api_timeout=20_000).get("/abcd1234/xhr/a").body) == 4 << 20
