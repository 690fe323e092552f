"""The Cookie header parsed, Set-Cookie values rendered."""

from __future__ import annotations

import copy
import pickle
import time
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import CookieError, Morsel, SimpleCookie

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi.cookies import (
    RequestCookies,
    cookie_date,
    parse_cookies,
    quote_value,
    render_cookie,
)
from poorwsgi.response import NoContentResponse, Response


def values(header):
    return {name: morsel.value for name, morsel in parse_cookies(header).items()}


HEADERS = [
    ("", {}),
    ("a=1", {"a": "1"}),
    ("a=1; b=2", {"a": "1", "b": "2"}),
    ("a=1;b=2", {"a": "1", "b": "2"}),
    (" a = 1 ;\tb\t=\t2 ", {"a": "1", "b": "2"}),
    ("a=", {"a": ""}),
    ("a=1; a=2", {"a": "2"}),
    ("a=b=c==", {"a": "b=c=="}),
    ("a-b=1; __Host-x=2; 9=3", {"a-b": "1", "__Host-x": "2", "9": "3"}),
    ("a.b|c=1", {"a.b|c": "1"}),
    # Blanks inside a value, JSON, and everything else that is sent for real.
    ('a=x y; b={"k":1}', {"a": "x y", "b": '{"k":1}'}),
    # Names that are attributes in Set-Cookie are names like others here.
    ("path=/x; version=2; a=1", {"path": "/x", "version": "2", "a": "1"}),
    # What is no pair is skipped, and the rest stays.
    ("bad; a=1", {"a": "1"}),
    ("=x; a=1", {"a": "1"}),
    ("a=1; ; ; b=2;", {"a": "1", "b": "2"}),
    ("a b=1; c=2", {"c": "2"}),
    ("a(b=1; c=2", {"c": "2"}),
    ("é=1; c=2", {"c": "2"}),
    ("a=x\x01; b=2", {"b": "2"}),
    ("a=x\r\nSet-Cookie: y=1; b=2", {"b": "2"}),
    ("a=x\n", {}),
    ("a=x\ty; b=\t2\t ; c=3", {"b": "2", "c": "3"}),
    ("a=x\x00", {}),
    ("$Version=1; a=1; $Path=/", {"a": "1"}),
    # Quotes hide no semicolon.
    ('a="x; b=2"', {"a": '"x', "b": '2"'}),
    ('a="x y"; b=""; c="', {"a": "x y", "b": "", "c": '"'}),
    (r'a="q\"\\\073\054"; b="\8\40"', {"a": 'q"\\;,', "b": "840"}),
    (r'a="\351\305\231"', {"a": "\xe9\xc5\x99"}),
    (r'a="\305\231"', {"a": "ř"}),
    ("a=\xc5\x99; b=\xe9", {"a": "ř", "b": "\xe9"}),
    ("a=ř", {"a": "ř"}),
]


@pytest.mark.parametrize(("header", "expected"), HEADERS)
def test_cookie_header(header, expected):
    assert values(header) == expected
    cookies = parse_cookies(header)
    assert {name: cookies.value_of(name) for name in cookies} == expected


def test_escaped_control_characters_are_no_error(monkeypatch):
    """Python 3.11.7 lets them in, newer ones refuse to keep them in a morsel."""
    assert parse_cookies(r'a="x\012"')["a"].value in ("x\n", r'"x\012"')
    keep = Morsel.__setstate__

    def refuse(self, state):
        if not state["value"].isprintable():
            raise CookieError("control characters")
        keep(self, state)

    monkeypatch.setattr(Morsel, "__setstate__", refuse)
    assert parse_cookies(r'a="x\012"')["a"].value == r'"x\012"'


NAMES = st.text("abcXYZ019!#%&'*+-.^_`|~", min_size=1, max_size=6).filter(
    lambda name: name.lower() not in Morsel._reserved
)
TEXT = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\x7f").filter(
        lambda char: char >= " " and not "\x80" <= char <= "\x9f"
    ),
    max_size=20,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, TEXT, max_size=5))
def test_what_was_set_is_read_back(pairs):
    header = "; ".join(
        render_cookie(name, value).partition(";")[0] for name, value in pairs.items()
    )
    assert header.isascii()
    read = values(header)
    for name, value in pairs.items():
        # Latin-1 text that happens to be UTF-8 is read as UTF-8.
        assert read[name] in (value, _as_utf8(value))


def _as_utf8(value):
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, st.text("abc019!-/:?@[]{}()<>,. =", max_size=9)))
def test_plain_cookies_read_as_by_the_standard_library(pairs):
    cookie = SimpleCookie()
    for name, value in pairs.items():
        cookie[name] = value
    header = cookie.output(attrs=[], header="", sep=";").strip()
    oracle = SimpleCookie(header)
    assert values(header) == {name: oracle[name].value for name in oracle}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_parsed(header):
    for name, value in values(header).items():
        assert ";" not in name
        assert isinstance(value, str)


@pytest.mark.parametrize(
    "bomb",
    [
        *("a" * 60_000, " " * 60_000, ";" * 60_000, "a=" * 30_000),
        *('a="' + "\\" * 60_000, "a=" + " " * 60_000 + "\tx", " \t" * 30_000 + "="),
    ],
)
def test_hostile_headers_are_read_in_linear_time(bomb):
    """Calls of the pattern engine are not seen, so ask for the result only.

    A quadratic reader would need minutes here and meet the suite's time limit.
    """
    for header in (bomb, bomb + '"', ";" + bomb + "=;", "x=1; " + bomb):
        values(header)


class TestRequestCookies:
    HEADER = "a=1; b=2; c=3"

    def test_is_a_simple_cookie(self):
        cookies = parse_cookies(self.HEADER)
        assert isinstance(cookies, SimpleCookie)
        assert isinstance(cookies["a"], Morsel)
        assert cookies["a"] is cookies["a"]
        assert (cookies["a"].key, cookies["a"].coded_value) == ("a", "1")
        assert cookies["a"]["path"] == ""
        assert cookies["a"].OutputString() == "a=1"

    @pytest.mark.usefixtures("own_morsels")
    def test_equals_what_the_standard_library_reads(self):
        cookies = parse_cookies(self.HEADER)
        assert cookies == SimpleCookie(self.HEADER)
        assert SimpleCookie(self.HEADER) == cookies
        assert cookies == parse_cookies(self.HEADER)
        assert cookies != parse_cookies("a=1")
        assert str(parse_cookies(self.HEADER)) == str(SimpleCookie(self.HEADER))

    @pytest.mark.parametrize(
        "spread",
        [
            dict,
            lambda c: {**c},
            lambda c: dict(c.items()),
            lambda c: dict(zip(c, c.values(), strict=True)),
            lambda c: {key: c.get(key) for key in c},
            lambda c: {key: c.setdefault(key, "x") for key in list(c)},
            lambda c: {key: c.pop(key) for key in list(c)},
            lambda c: dict(c.popitem() for _ in range(3)),
            lambda c: c.copy(),
            copy.copy,
            copy.deepcopy,
            lambda c: pickle.loads(pickle.dumps(c)),
        ],
    )
    def test_no_way_in_shows_anything_but_morsels(self, spread):
        found = spread(parse_cookies(self.HEADER))
        assert {name: morsel.value for name, morsel in found.items()} == {
            "a": "1",
            "b": "2",
            "c": "3",
        }

    def test_misses(self):
        cookies = parse_cookies(self.HEADER)
        assert cookies.get("x") is None
        assert cookies.get("x", 5) == 5
        assert cookies.pop("x", 5) == 5
        assert cookies.value_of("x") == ""
        with pytest.raises(KeyError):
            cookies["x"]
        with pytest.raises(KeyError):
            cookies.pop("x")

    def test_can_be_changed_like_a_simple_cookie(self):
        cookies = parse_cookies(self.HEADER)
        cookies["d"] = "x y"
        cookies["a"]["path"] = "/"
        assert cookies.setdefault("e", "5").value == "5"
        assert cookies["d"].OutputString() == 'd="x y"'
        assert cookies["a"].OutputString() == "a=1; Path=/"
        assert isinstance(RequestCookies("a=1")["a"], Morsel)
        with pytest.raises(TypeError):
            hash(cookies)


class TestRender:
    @pytest.mark.parametrize(
        ("kwargs", "expected"),
        [
            ({}, "a=1; HttpOnly; Path=/; SameSite=Lax"),
            ({"http_only": False, "path": None, "same_site": False}, "a=1"),
            ({"path": "", "same_site": None}, "a=1; HttpOnly"),
            ({"max_age": 0}, "a=1; HttpOnly; Max-Age=0; Path=/; SameSite=Lax"),
            (
                {"domain": "example.org", "secure": True, "same_site": "None"},
                "a=1; Domain=example.org; HttpOnly; Path=/; SameSite=None; Secure",
            ),
            (
                {"partitioned": True, "secure": True, "same_site": "Strict"},
                "a=1; HttpOnly; Partitioned; Path=/; SameSite=Strict; Secure",
            ),
        ],
    )
    def test_attributes(self, kwargs, expected):
        assert render_cookie("a", "1", **kwargs) == expected

    @pytest.mark.parametrize("name", ["__Host-a", "__host-a", "__Secure-a"])
    def test_prefixed_name_needs_its_attributes(self, name):
        assert render_cookie(name, "1", secure=True).endswith("; Secure")
        with pytest.raises(ValueError, match="requires secure"):
            render_cookie(name, "1")

    @pytest.mark.parametrize("kwargs", [{"domain": "x.org"}, {"path": "/x"}])
    def test_host_prefix_binds_to_one_host(self, kwargs):
        assert render_cookie("__Secure-a", "1", secure=True, **kwargs)
        with pytest.raises(ValueError, match="requires path='/' and no domain"):
            render_cookie("__Host-a", "1", secure=True, **kwargs)

    @pytest.mark.parametrize(
        "name", ["", "a b", "a=b", "a;b", "a\n", "$a", "é", 5, None]
    )
    def test_name_must_be_a_token(self, name):
        with pytest.raises(ValueError, match="is not a token"):
            render_cookie(name, "1")

    @pytest.mark.parametrize("char", ["\r", "\n", "\0", "\x7f", "\x80", "\t"])
    def test_control_characters_are_refused(self, char):
        with pytest.raises(ValueError, match="control character"):
            render_cookie("a", f"x{char}y")
        with pytest.raises(ValueError, match="forbidden character"):
            render_cookie("a", "1", path=f"/{char}")
        with pytest.raises(ValueError, match="forbidden character"):
            render_cookie("a", "1", domain=f"x{char}")

    @pytest.mark.parametrize("text", ["/; Secure", "é"])
    def test_attribute_cannot_add_another(self, text):
        with pytest.raises(ValueError, match="forbidden character"):
            render_cookie("a", "1", path=text)

    def test_value_cannot_add_an_attribute(self):
        rendered = render_cookie("a", "1; Domain=evil", path=None, same_site=None)
        assert rendered == 'a="1\\073 Domain=evil"; HttpOnly'

    @pytest.mark.parametrize("same_site", [True, "lax", "", 5, ["Lax"]])
    def test_same_site_must_be_known(self, same_site):
        with pytest.raises((ValueError, TypeError)):
            render_cookie("a", "1", same_site=same_site)

    @pytest.mark.parametrize("kwargs", [{"same_site": "None"}, {"partitioned": True}])
    def test_third_party_cookies_must_be_secure(self, kwargs):
        with pytest.raises(ValueError, match="requires secure=True"):
            render_cookie("a", "1", **kwargs)

    def test_expires(self, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 784111777)
        rendered = render_cookie("a", "1", expires=0, same_site=None)
        expected = "a=1; expires=Sun, 06 Nov 1994 08:49:37 GMT; HttpOnly; Path=/"
        assert rendered == expected

    @pytest.mark.parametrize(
        "when",
        [
            datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC),
            datetime(1994, 11, 6, 8, 49, 37),
            datetime(1994, 11, 6, 10, 49, 37, tzinfo=timezone(timedelta(hours=2))),
        ],
    )
    def test_date_of_a_moment(self, when):
        assert cookie_date(when) == "Sun, 06 Nov 1994 08:49:37 GMT"

    def test_plain_value_is_not_quoted(self):
        plain = "".join(map(chr, range(33, 127))).translate(
            {34: "", 44: "", 59: "", 92: ""}
        )
        assert quote_value(plain) == plain
        assert quote_value(r"\ ") == r'"\134 "'


class TestResponse:
    def cookies_of(self, response):
        return response.headers.get_all("Set-Cookie")

    def test_set_cookie_adds_one_each(self):
        response = Response("x")
        response.set_cookie("a", "1", max_age=60, secure=True)
        response.set_cookie("b", "x y", http_only=False, path=None, same_site=None)
        assert self.cookies_of(response) == (
            "a=1; HttpOnly; Max-Age=60; Path=/; SameSite=Lax; Secure",
            'b="x y"',
        )

    def test_delete_cookie_needs_the_same_path(self, monkeypatch):
        monkeypatch.setattr(time, "time", lambda: 86400)
        response = NoContentResponse()
        response.delete_cookie("a", path="/x")
        assert self.cookies_of(response) == (
            "a=; expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; Path=/x;"
            " SameSite=Lax",
        )

    @pytest.mark.parametrize("value", ["\r\nX: y", "\0"])
    def test_value_cannot_add_a_header(self, value):
        response = Response("x")
        with pytest.raises(ValueError, match="control character"):
            response.set_cookie("a", value)
        assert self.cookies_of(response) == ()

    @pytest.mark.parametrize("value", [b"word", b"a b", 5, None])
    def test_value_is_text(self, value):
        """What is no text would be sent as Python shows it."""
        with pytest.raises(TypeError, match="a cookie value has to be str, not"):
            Response("x").set_cookie("a", value)
        with pytest.raises(TypeError, match="a cookie value has to be str, not"):
            render_cookie("a", value, expires=5)
