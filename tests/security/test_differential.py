"""Differential: what other libraries read of the same text, where all agree.

A reading of ours that nobody shares is how a filter in front is passed by. Each
place where we differ on purpose is named with the reason.
"""

from __future__ import annotations

import email.message
import email.utils
import urllib.parse

import falcon.testing
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Accept
from werkzeug.http import (
    parse_accept_header,
    parse_cookie,
    parse_options_header,
    parse_range_header,
    parse_set_header,
)

from poorwsgi import headers
from poorwsgi.cookies import parse_cookies
from poorwsgi.urlencoded import parse_query

QUICK = settings(max_examples=120, deadline=None)
TEXT = st.text("abz09=&%+;C5BE ž😀", max_size=40)


def as_lists(pairs):
    """Return all values of each name."""
    result = {}
    for name, value in pairs:
        result.setdefault(name, []).append(value)
    return result


def ours(query, keep=1):
    found = parse_query(query, keep, 0)
    return {k: v if isinstance(v, list) else [v] for k, v in found.items()}


@QUICK
@given(TEXT)
def test_queries_are_read_as_by_werkzeug_and_falcon(text):
    """Werkzeug reads by `parse_qsl`; names that are empty Falcon may drop."""
    query = urllib.parse.quote(text, safe="=&%+;")
    expected = as_lists(urllib.parse.parse_qsl(query, keep_blank_values=True))
    assert ours(query) == expected
    environ = falcon.testing.create_environ(query_string=query)
    options = falcon.RequestOptions()
    options.keep_blank_qs_values = True
    options.auto_parse_qs_csv = False
    req = falcon.Request(environ, options=options)
    theirs = {k: v if isinstance(v, list) else [v] for k, v in req.params.items()}
    if "%" not in text:  # bad escapes: Falcon keeps the bytes, we what is decodable
        theirs.pop("", None)
        assert theirs == {k: v for k, v in expected.items() if k}


RANGE = "[0-9]{0,3}-[0-9]{0,3}"
RANGES = st.from_regex(rf"bytes={RANGE}(,{RANGE}){{0,2}}", fullmatch=True)


@QUICK
@given(RANGES)
def test_ranges_are_read_as_by_werkzeug(value):
    """Where Werkzeug refuses a range, it is empty, overlapping or out of order.

    We keep those that can be satisfied: RFC 9110, 14.2, lets a server choose.
    """
    theirs = parse_range_header(value)
    found = headers.parse_range(value)["bytes"]
    if theirs is None:
        return
    # Theirs end behind the last byte; a suffix has a negative start.
    expected = [
        (None, -start) if start < 0 else (start, None if end is None else end - 1)
        for start, end in theirs.ranges
    ]
    assert found == expected


TOKEN = st.text("abcXYZ019-", min_size=1, max_size=6)
VALUE = st.text("abc019!#$.:/-", max_size=8)


@QUICK
@given(st.lists(st.tuples(TOKEN, VALUE), max_size=6))
def test_cookies_are_read_as_by_werkzeug(pairs):
    """Of equal names the last counts here, as in `http.cookies`."""
    header = "; ".join(f"{name}={value}" for name, value in pairs)
    theirs = parse_cookie(header)
    found = {name: morsel.value for name, morsel in parse_cookies(header).items()}
    assert found == {name: theirs.getlist(name)[-1] for name in theirs}


@QUICK
@given(TOKEN, st.lists(st.tuples(TOKEN, st.text('ab "\\;,=', max_size=6)), max_size=3))
def test_parameters_are_read_as_by_werkzeug_and_the_standard_library(value, params):
    """What `quote` wrote; other backslashes we keep, as browsers sent paths so."""
    line = "; ".join([f"a/{value}", *(f"{k}={headers.quote(v)}" for k, v in params)])
    main, found = headers.parse_header(line)
    names = [name.lower() for name, _ in params]
    if len(set(names)) < len(names):
        return  # of equal names some take the first
    assert found == {name.lower(): text for name, text in params}
    assert main == f"a/{value}"
    if all(text.strip() == text for _, text in params):
        theirs = parse_options_header(line)
        assert theirs[0].lower() == main.lower()
        if not any("\\" in text for _, text in params):
            assert theirs[1] == found
    message = email.message.Message()
    message["Content-Type"] = line
    if not any(set(text) & set('"\\;') for _, text in params):
        assert dict(message.get_params()[1:]) == found


QUALITY = st.integers(0, 1000).map(lambda n: f"{n / 1000:.3f}")


@QUICK
@given(st.lists(st.tuples(TOKEN, TOKEN, st.none() | QUALITY), max_size=5))
def test_accept_is_read_as_by_werkzeug(members):
    header = ", ".join(
        f"{kind}/{sub}" + (f";q={q}" if q else "") for kind, sub, q in members
    )
    theirs = parse_accept_header(header, Accept)
    assert sorted(headers.parse_negotiation(header)) == sorted(theirs)


@QUICK
@given(st.datetimes().map(lambda when: when.replace(microsecond=0, year=2024)))
def test_dates_are_read_as_by_the_standard_library(when):
    text = email.utils.format_datetime(when.replace(tzinfo=_utc()), usegmt=True)
    parsed = email.utils.parsedate_to_datetime(text)
    assert headers.http_to_datetime(text) == parsed
    assert headers.datetime_to_http(parsed) == text


def _utc():
    from datetime import UTC

    return UTC


@QUICK
@given(st.lists(st.from_regex(r"(W/)?\"[a-z0-9,]{1,5}\"", fullmatch=True), max_size=4))
def test_entity_tags_are_read_as_by_werkzeug(tags):
    from werkzeug.http import parse_etags

    value = ", ".join(tags)
    theirs = parse_etags(value)
    found = headers.parse_etags(value)
    weak = {tag[3:-1] for tag in found if tag[:2] == "W/"}
    strong = {tag[1:-1] for tag in found if tag[:2] != "W/"}
    assert strong == theirs.as_set()
    assert weak | strong == theirs.as_set(include_weak=True)


@pytest.mark.parametrize("value", ["*", "a, b", '"a b", c', "", ","])
def test_lists_have_the_members_of_werkzeug(value):
    members = [item for item, _ in headers.parse_negotiation(value)]
    theirs = list(parse_set_header(value))
    assert [item.strip('"') for item in members] == theirs
