"""Header fields: the table, and values parsed and rendered."""

from __future__ import annotations

import doctest
import ipaddress
import sys
from calendar import timegm
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from email.utils import formatdate, parsedate
from time import gmtime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from poorwsgi import headers as module
from poorwsgi.headers import (
    MAX_RANGES,
    ContentRange,
    Headers,
    check_header,
    datetime_to_http,
    http_to_datetime,
    http_to_time,
    is_strong_match,
    is_weak_match,
    parse_authorization,
    parse_etags,
    parse_forwarded,
    parse_forwarded_host,
    parse_forwarded_proto,
    parse_header,
    parse_host,
    parse_negotiation,
    parse_range,
    quote,
    render_negotiation,
    time_to_http,
)


def test_doctests():
    """What the docstrings show is what happens."""
    assert doctest.testmod(module).failed == 0


# -- what may stand in a header ----------------------------------------------

BAD_FIELDS = [
    ("X-A", "a\r\nSet-Cookie: x=1", ValueError),
    ("X-A", "a\nb", ValueError),
    ("X-A", "a\rb", ValueError),
    ("X-A", "a\0b", ValueError),
    ("X-A", "a\x0bb", ValueError),
    ("X-A", "a\tb", ValueError),
    ("X-A", "a\x7f", ValueError),
    ("X-A\n", "a", ValueError),
    ("X A", "a", ValueError),
    ("X:A", "a", ValueError),
    ("", "a", ValueError),
    ("X-\xe1", "a", ValueError),
    ("X-A", 1, TypeError),
    (1, "a", TypeError),
    ("X-A", None, TypeError),
    (b"X-A", "a", TypeError),
]

WAYS_IN = {
    "check_header": check_header,
    "constructor": lambda name, value: Headers([(name, value)]),
    "dict": lambda name, value: Headers({name: value}),
    "item": lambda name, value: Headers().__setitem__(name, value),
    "setdefault": lambda name, value: Headers().setdefault(name, value),
    "add": lambda name, value: Headers().add(name, value),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(("name", "value", "error"), BAD_FIELDS)
def test_header_injection_is_refused_by_every_way_in(way, name, value, error):
    """A control character, a name that is no token, or a non-str never gets in."""
    with pytest.raises((error, AttributeError) if name in (1, b"X-A") else error):
        WAYS_IN[way](name, value)


def test_header_injection_by_add_header_is_refused():
    """Neither the value nor a parameter of add_header can start a new header."""
    bad = "a\r\nSet-Cookie: x=1"
    with pytest.raises(ValueError, match="Control character"):
        Headers().add_header("X-A", bad)
    with pytest.raises(ValueError, match="Control character"):
        Headers().add_header("Content-Disposition", "attachment", filename=bad)


def test_lines_are_refused_in_headers_that_are_not_strict():
    """Non-strict headers keep any text but the one that would split them."""
    assert Headers([("X", "\u20ac\t")], strict=False)["x"] == "\u20ac\t"
    with pytest.raises(ValueError, match="Control character"):
        Headers([("X", "a\nb")], strict=False)


@given(st.text(max_size=8), st.text(max_size=12))
def test_what_check_header_lets_through_is_one_line(name, value):
    """Whatever is accepted cannot hold a character below the blank."""
    try:
        check_header(name, value)
    except ValueError:
        return
    assert name
    assert not any(char <= " " or char in ':\x7f"' for char in name)
    assert not any(char < " " or char == "\x7f" for char in value)


# -- the table ---------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        [("X-One", "1"), ("x-two", "2")],
        (("X-One", "1"), ("x-two", "2")),
        {"X-One": "1", "x-two": "2"},
        Headers([("X-One", "1"), ("x-two", "2")]),
        [["X-One", "1"], ["x-two", "2"]],
    ],
)
def test_sources_of_headers(source):
    """Pairs, dictionaries and other headers are taken, in order."""
    headers = Headers(source)
    assert headers.items() == (("X-One", "1"), ("x-two", "2"))
    assert headers.names() == headers.keys() == ("X-One", "x-two")
    assert headers.values() == ("1", "2")
    assert list(headers) == [("X-One", "1"), ("x-two", "2")]
    assert dict(headers) == {"X-One": "1", "x-two": "2"}
    assert len(headers) == 2


@pytest.mark.parametrize("source", ["ab", 1, iter(())])
def test_other_sources_are_type_errors(source):
    """Text, numbers and iterators are no headers."""
    with pytest.raises(TypeError):
        Headers(source)


@pytest.mark.parametrize("source", [["ab"], [("a",)], [("a", "b", "c")], ("X", "y")])
def test_items_that_are_no_pairs_are_value_errors(source):
    """Text of two characters is no pair either."""
    with pytest.raises(ValueError, match="pairs"):
        Headers(source)


def test_names_ignore_case_and_duplicates_stay():
    """Reading finds the first, get_all all; writing replaces all."""
    headers = Headers([("X-A", "1"), ("Y", "2"), ("x-a", "3")])
    assert headers["x-A"] == headers.get("X-a") == "1"
    assert headers.get_all("x-a") == ("1", "3")
    assert headers.get_all("z") == ()
    assert "X-a" in headers
    assert "z" not in headers
    assert headers.get("z") is None
    assert headers.get("z", 5) == 5
    headers["X-A"] = "4"
    assert headers.items() == (("Y", "2"), ("X-A", "4"))
    del headers["y"]
    del headers["y"]
    assert headers.items() == (("X-A", "4"),)
    with pytest.raises(KeyError, match="'y' is not registered"):
        headers["y"]


def test_setdefault_and_add():
    """Only Set-Cookie, in any case, may be added twice."""
    headers = Headers()
    assert headers.setdefault("X", "1") == "1"
    assert headers.setdefault("x", "2") == "1"
    with pytest.raises(KeyError, match="Key x exist"):
        headers.add("x", "2")
    headers.add("set-cookie", "a=1")
    headers.add("Set-Cookie", "b=2")
    assert headers.get_all("SET-COOKIE") == ("a=1", "b=2")


@pytest.mark.parametrize(
    ("value", "params", "text"),
    [
        ("attachment", {"filename": "image.png"}, 'attachment; filename="image.png"'),
        (
            "attachment",
            {"filename": "žluť 🐎.txt"},
            'attachment; filename="zlut .txt"; '
            "filename*=UTF-8''%C5%BElu%C5%A5%20%F0%9F%90%8E.txt",
        ),
        (None, {"key": "value"}, 'key="value"'),
        ("no-cache", {"no_store": None}, "no-cache; no-store"),
        (None, {"no_store": None}, "no-store"),
        ("a", {"b": 'c"d\\'}, r'a; b="c\"d\\"'),
        ([("gzip", 1.0), ("*", 0)], {}, "gzip;q=1.0, *;q=0"),
        ((("gzip",), ("br",)), {}, "gzip, br"),
        ("", {}, ""),
    ],
)
def test_add_header_renders(value, params, text):
    """Parameters are quoted, None is a flag, lists are negotiations."""
    headers = Headers()
    headers.add_header("X", "first")
    headers.add_header("x", value, **params)
    assert headers.get_all("X") == ("first", text)


def test_add_header_needs_a_value_of_text():
    """Nothing at all is a ValueError, a number a TypeError."""
    with pytest.raises(ValueError, match="must be set"):
        Headers().add_header("X")
    with pytest.raises(TypeError):
        Headers().add_header("X", 12)
    with pytest.raises(TypeError):
        Headers().add_header("X", "a", b=12)


def test_text_becomes_a_native_string():
    """Strict headers hold the UTF-8 bytes of a text as latin-1 characters."""
    headers = Headers([("X", "\u017elu\u0165")])
    assert headers["X"].encode("latin-1").decode("utf-8") == "\u017elu\u0165"
    assert Headers.utf8(headers["X"]) == "\u017elu\u0165"
    assert Headers.utf8("\xe9") == "\xe9"
    assert Headers.utf8("\u20ac") == "\u20ac"
    with pytest.raises(ValueError, match="iso-8859-1"):
        Headers.iso88591("\ud800")
    with pytest.raises(TypeError, match="must be of type str"):
        Headers.iso88591(b"")


def test_wrap_shares_the_list_both_ways():
    """What is written through the table stands in the wrapped list."""
    pairs = [("A", "1")]
    headers = Headers.wrap(pairs)
    headers["B"] = "2"
    del headers["A"]
    pairs.append(("C", "3"))
    assert pairs == [("B", "2"), ("C", "3")]
    assert headers.items() == tuple(pairs)
    assert repr(headers) == "Headers([('B', '2'), ('C', '3')])"


def test_a_copy_of_headers_is_not_encoded_again():
    """Headers made of headers equal them and stand alone."""
    first = Headers([("X", "\u017e")])
    second = Headers(first)
    assert second == first
    second["X"] = "a"
    assert second != first


# -- parameters, negotiation, ranges -----------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ("", {})),
        ("text/html", ("text/html", {})),
        (" text/html ; Charset=UTF-8 ", ("text/html", {"charset": "UTF-8"})),
        ('a; b="c;d"; e=f', ("a", {"b": "c;d", "e": "f"})),
        (r'a; b="c\"d\\e"', ("a", {"b": r'c"d\e'})),
        (r'a; filename="C:\dir\f"', ("a", {"filename": r"C:\dir\f"})),
        ("a; flag; b=1", ("a", {"b": "1"})),
        ('a; b="unclosed; c=d', ("a", {"b": '"unclosed; c=d'})),
        ('a; b=""', ("a", {"b": ""})),
        ('a; b="', ("a", {"b": '"'})),
        ("a;;;b=c", ("a", {"b": "c"})),
        ('a; b="x\\', ("a", {"b": '"x\\'})),
    ],
)
def test_parse_header(line, expected):
    """Semicolons in quotes do not split; parameters without = are dropped."""
    assert parse_header(line) == expected


_names = st.sampled_from(["charset", "boundary", "name", "b"])
_values = st.text("abc;,= \"\\'*-", max_size=8)


@given(st.dictionaries(_names, _values, max_size=3))
def test_quoted_parameters_come_back(params):
    """parse_header undoes what quote does, as werkzeug finds."""
    line = "".join(
        [";".join(["a/b", *(f" {k}={quote(v)}" for k, v in params.items())])]
    )
    assert parse_header(line) == ("a/b", params)
    assert parse_options_header(line)[1] == params


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" , ,", []),
        ("gzip;q=1.0, *;q=0", [("gzip", 1.0), ("*", 0.0)]),
        ("text/html;level=2;q=0.5", [("text/html;level=2", 0.5)]),
        ("a; q=0.5,b ;Q=0.25", [("a", 0.5), ("b", 0.25)]),
        ("a;q=x,b;q=2,c;q=-1,d;q=nan,e;q=1e-1,f;q=", [(c, 1.0) for c in "abcdef"]),
        ("a;q=.5", [("a", 0.5)]),
        ('a;t="x,y;q=0.1";q=0.2', [('a;t="x,y;q=0.1"', 0.2)]),
        ("a;q=0.3;ext=1", [("a", 0.3)]),
        ("a;q=\u0661", [("a", 1.0)]),
        ("a;q=1_0", [("a", 1.0)]),
    ],
)
def test_parse_negotiation(value, expected):
    """Blanks and case around q do not matter; a bad quality is 1.0."""
    assert parse_negotiation(value) == expected


def test_render_negotiation():
    """Tuples of one have no quality."""
    assert render_negotiation([("gzip", 1.0), ("*", 0)]) == "gzip;q=1.0, *;q=0"
    assert render_negotiation([("a",), ("b", "0.5")]) == "a, b;q=0.5"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-1,1-,-5", {"bytes": [(0, 1), (1, None), (None, 5)]}),
        (" Bytes = 0-0 , 2-3 ", {"bytes": [(0, 0), (2, 3)]}),
        ("bytes", {}),
        ("", {}),
        ("invalid=a-b", {"invalid": []}),
        ("bytes=-", {"bytes": []}),
        ("bytes=-,0-1", {"bytes": [(0, 1)]}),
        ("bytes=", {"bytes": []}),
        ("bytes=,0-1, ,3-,", {"bytes": [(0, 1), (3, None)]}),
        ("bytes=a-1", {"bytes": []}),
        ("bytes=0-1,a-1", {"bytes": []}),
        ("bytes=0 - 1", {"bytes": []}),
        ("bytes=0-1-2", {"bytes": []}),
        ("bytes=+1-2", {"bytes": []}),
        ("bytes=\u0661-2", {"bytes": []}),
        ("bytes=0-" + "9" * 5000, {"bytes": [(0, 10**18)]}),
        ("bytes=" + "0" * 5000 + "7-", {"bytes": [(7, None)]}),
        ("bytes=" + ",".join(["0-1"] * MAX_RANGES), {"bytes": [(0, 1)] * MAX_RANGES}),
        ("bytes=" + ",".join(["0-1"] * (MAX_RANGES + 1)), {"bytes": []}),
    ],
)
def test_parse_range(value, expected):
    """What is malformed, or too much, is an empty list."""
    assert parse_range(value) == expected


def test_content_range():
    """The text and the attributes; without a start the range is unsatisfied."""
    content_range = ContentRange(1, 2, 10)
    assert str(content_range) == "bytes 1-2/10"
    assert (content_range.start, content_range.end) == (1, 2)
    assert (content_range.full, content_range.units) == (10, "bytes")
    assert str(ContentRange()) == "bytes 0-0/*"
    assert str(ContentRange(None, None, 10)) == "bytes */10"
    assert repr(ContentRange(1, 2, 3)) == "ContentRange(1, 2, 3, 'bytes')"


# -- entity tags -------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("*", ("*",)),
        (" * ", ("*",)),
        ('"a"', ('"a"',)),
        ('W/"a", "b,c" ,"d"', ('W/"a"', '"b,c"', '"d"')),
        ("", ()),
        ("bare", ()),
        ('"open', ()),
        ('""', ('""',)),
        ('"*"', ('"*"',)),
    ],
)
def test_parse_etags(value, expected):
    """Only quoted tags count; commas inside them do not split."""
    assert parse_etags(value) == expected


@pytest.mark.parametrize(
    # RFC 9110, 8.8.3.2, the table of comparisons
    ("one", "two", "strong", "weak"),
    [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', 'W/"1"', False, True),
        ('"1"', '"1"', True, True),
    ],
)
def test_comparison_of_entity_tags(one, two, strong, weak):
    """The table of the RFC."""
    assert is_strong_match(one, parse_etags(two)) is strong
    assert is_weak_match(one, parse_etags(two)) is weak


# -- hosts -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("example.net", ("example.net", None)),
        ("example.net:8080", ("example.net", 8080)),
        ("my_service.local.", ("my_service.local.", None)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]", ("[::1]", None)),
        ("[2001:DB8::7]:65535", ("[2001:DB8::7]", 65535)),
        ("[::ffff:192.0.2.1]", ("[::ffff:192.0.2.1]", None)),
        ("a" * 255, ("a" * 255, None)),
    ],
)
def test_good_hosts(value, expected):
    """Names, IPv4 and bracketed IPv6, with or without a port."""
    assert parse_host(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "", ":80", "a b", "a/b", "a@b", "a?b", "a#b", "a\\b", "a\r\nb", "a\0b",
        "a:", "a:0", "a:65536", "a:123456", "a:-1", "a:8x", "a:80:80", "a:\u0661",
        "[", "[]", "[]:80", "[::1", "::1", "[::1]80", "[:::1]", "[1::2::3]", "[g::]",
        "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[1:2:3:4:5:6:7::8]", "[12345::]",
        "[::1.2.3]", "[::1.2.3.256]", "[1.2.3.4]", "[1.2.3.4::]", "[::1%eth0]",
        "\u017elu\u0165.cz", ".", "..", ".a", "a..b", "a,b", "*", "a%20b", "<script>",
        "a" * 262,
    ],
)  # fmt: skip
def test_bad_hosts(value):
    """Whatever is not host and port of RFC 9112 is refused."""
    assert parse_host(value) is None


@settings(max_examples=300)
@given(
    st.one_of(
        st.ip_addresses(v=6).map(str),
        st.ip_addresses(v=6).map(lambda address: address.exploded),
        st.text("0123456789abcdef:.", max_size=20),
        st.lists(st.sampled_from(["", "1", "ff", "1.2.3.4", "::"]), max_size=9).map(
            ":".join
        ),
    )
)
def test_ipv6_as_the_standard_library_sees_it(text):
    """An address in brackets is taken exactly if ipaddress takes it."""
    try:
        ipaddress.IPv6Address(text)
        expected = True
    except ValueError:
        expected = False
    assert (parse_host(f"[{text}]") is not None) is expected


def test_forwarded_values():
    """The first element counts, and only if it is valid."""
    assert parse_forwarded_proto("HTTPS, http") == "https"
    assert parse_forwarded_proto("javascript") is None
    assert parse_forwarded_host("a.example:81, b") == ("a.example", 81)
    assert parse_forwarded_host("a b") is None
    assert parse_forwarded('For="[::1]:1"; proto=https;host=a:1;by=_x, for=b') == {
        "for": "[::1]:1",
        "proto": "https",
        "host": "a:1",
        "by": "_x",
    }
    assert parse_forwarded("proto=ftp;host=a/b;other=1") == {}
    assert parse_forwarded("") == {}


# -- authorization -----------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {"type": ""}),
        ("Negotiate", {"type": "Negotiate"}),
        ("BEARER abc.def==", {"type": "Bearer"}),
        ("Basic dXNlcjpwYXNz", {"type": "Basic"}),
        (
            'digest username="a", nc=00000001,\r\n\tqop="auth"  uri="/x,y"',
            {
                "type": "Digest",
                "username": "a",
                "nc": "00000001",
                "qop": "auth",
                "uri": "/x,y",
            },
        ),
        (r'Digest username="a\"b\\c"', {"type": "Digest", "username": r'a"b\c'}),
        ('Digest username="\xc5\xbe"', {"type": "Digest", "username": "\u017e"}),
        (
            "Digest username*=UTF-8''J%C3%A4s%C3%B8n, realm=x",
            {"type": "Digest", "username": "J\xe4s\xf8n", "realm": "x"},
        ),
        ("Digest username*=UTF-8''%FF", {"type": "Digest"}),
        ("Digest username*=latin1''a, b=c", {"type": "Digest", "b": "c"}),
        ('Digest a = "1", B=2', {"type": "Digest", "a": "1", "b": "2"}),
        ('Digest a="open, b=c', {"type": "Digest", "a": ""}),
        ("Digest flag, a=1", {"type": "Digest", "a": "1"}),
        ("Digest a=1, a=2", {"type": "Digest", "a": "1"}),
        ("Digest type=x, a=1", {"type": "Digest", "a": "1"}),
        ("Digest ,,,", {"type": "Digest"}),
    ],
)
def test_parse_authorization(value, expected):
    """Scheme, then pairs, quoted or not, in whatever layout."""
    assert parse_authorization(value) == expected


# -- dates -------------------------------------------------------------------

MOMENT = 784111777  # the example of RFC 9110, 5.6.7


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_three_formats_of_dates(text):
    """The preferred format and both obsolete ones are read."""
    assert http_to_time(text) == MOMENT
    assert http_to_datetime(text) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 00:00:00 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 00:60:00 GMT",
        "Sun, 06 Nov 1994 00:00:61 GMT", "Sun, 06 Nov 0000 00:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n", "Sun, \u0660\u0661 Nov 1994 08:49:37 GMT",
        "784111777",
    ],
)  # fmt: skip
def test_junk_is_no_date(text):
    """ValueError, and nothing else, for what is no date."""
    with pytest.raises(ValueError, match="HTTP date"):
        http_to_time(text)
    with pytest.raises(ValueError, match="HTTP date"):
        http_to_datetime(text)


@given(st.integers(0, 253402300799))
def test_dates_as_the_standard_library_sees_them(moment):
    """Written and read like email.utils does, over all years."""
    text = time_to_http(moment)
    assert text == formatdate(moment, usegmt=True)
    assert http_to_time(text) == moment == timegm(parsedate(text))
    assert http_to_datetime(text).timestamp() == moment


def test_a_leap_second_behind_the_last_year_is_no_date():
    """A client that sends it is answered like one that sends junk."""
    last = "Fri, 31 Dec 9999 23:59:%s GMT"
    assert http_to_datetime(last % 59).year == 9999
    with pytest.raises(ValueError, match="HTTP date"):
        http_to_datetime(last % 60)


def test_two_digit_years_lie_at_most_fifty_years_ahead():
    """A year that seems further in the future is in the past."""
    year = gmtime().tm_year
    for ahead, expected in ((50, year + 50), (51, year - 49)):
        text = f"Monday, 01-Jan-{(year + ahead) % 100:02} 00:00:00 GMT"
        assert http_to_datetime(text).year == expected


def test_datetimes_are_converted():
    """A naive datetime is UTC, an aware one is moved there."""
    text = "Sun, 06 Nov 1994 08:49:37 GMT"
    naive = datetime(1994, 11, 6, 8, 49, 37)
    assert datetime_to_http(naive) == text
    east = timezone(timedelta(hours=2))
    assert datetime_to_http(naive.replace(hour=10, tzinfo=east)) == text
    assert time_to_http(MOMENT + 0.9) == text
    assert http_to_time(time_to_http()) <= gmtime_now() + 1


def gmtime_now() -> int:
    return timegm(gmtime())


# -- cost --------------------------------------------------------------------

EVIL = [
    (parse_header, 'a;b="'),
    (parse_header, 'a;b="\\'),
    (parse_header, ';a="x'),
    (parse_header, '"\\"'),
    (parse_negotiation, 'a;q="'),
    (parse_negotiation, ";q=0.5"),
    (parse_range, "bytes=1-1"),
    (parse_etags, '"a'),
    (parse_etags, "W/"),
    (parse_forwarded, 'for="'),
    (parse_authorization, "Digest aaaa"),
    (parse_authorization, 'Digest a="\\"'),
    (parse_authorization, "Digest  ,"),
    (parse_host, "a."),
    (http_to_datetime, "Sun, 06 Nov 1994 "),
]


@pytest.mark.parametrize(("parse", "text"), EVIL)
def test_parsers_are_linear(parse, text):
    """ReDoS: sixteen times the text costs about sixteen times the steps."""

    def lines(size: int) -> int:
        count = 0

        def trace(frame, event, arg):
            nonlocal count
            count += 1
            return trace

        before = sys.gettrace()  # coverage counts as well
        sys.settrace(trace)
        try:
            parse(text * size)
        except ValueError:
            pass
        finally:
            sys.settrace(before)
        return count

    # Lines of ours; a quadratic regex would not end at 60,000 repetitions.
    assert lines(1600) <= 24 * lines(100) + 200
    with suppress(ValueError):
        parse(text * 60_000)
