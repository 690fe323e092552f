"""Urlencoded text: the fields of `urllib.parse`, faster."""

import codecs
import encodings
from urllib.parse import parse_qs, parse_qsl, quote_plus, unquote_to_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poorwsgi.state import BodyError
from poorwsgi.urlencoded import (
    parse_fields,
    parse_query,
    text_codec,
    unquote_bytes,
)

TEXTS = [
    # body                       fields (blank values dropped)
    (b"", {}),
    (b"a=1", {"a": "1"}),
    (b"a=1&b=2", {"a": "1", "b": "2"}),
    (b"a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
    (b"a=x+y%20z", {"a": "x y z"}),
    (b"a=%26%3D%25", {"a": "&=%"}),
    (b"a%3Db=c", {"a=b": "c"}),
    (b"a%3db%26=c", {"a=b&": "c"}),
    (b"a=b=c", {"a": "b=c"}),
    (b"a=&b=1", {"b": "1"}),
    (b"a&b=1&", {"b": "1"}),
    (b"=v", {"": "v"}),
    (b"a=%zz%4", {"a": "%zz%4"}),
    (b"a=% 1%+1%-1%1_", {"a": "% 1% 1%-1%1_"}),
    (b"a=\\x41%41\\", {"a": "\\x41A\\"}),
    (b"a=%C3%A9\xc3\xa9", {"a": "éé"}),
    (b"a=%FF&b=%C3&c=1", {"a": "\ufffd", "b": "\ufffd", "c": "1"}),
    (b"a=1;b=2", {"a": "1;b=2"}),
]


@pytest.mark.parametrize(("raw", "expected"), TEXTS)
def test_fields(raw, expected):
    assert parse_fields(raw)[0] == expected


KEPT = [
    (b"", {}),
    (b"a=&b", {"a": "", "b": ""}),
    (b"&&a=1&", {"a": "1"}),
    (b"a=&a=", {"a": ["", ""]}),
]


@pytest.mark.parametrize(("raw", "expected"), KEPT)
def test_blank_values_are_kept_on_demand(raw, expected):
    assert parse_fields(raw, keep_blank_values=1)[0] == expected


@pytest.mark.parametrize("raw", [b"a", b"a=1&", b"&a=1", b"a=1&b&c=2"])
def test_strict_parsing_refuses_what_is_no_field(raw):
    with pytest.raises(ValueError, match="bad field"):
        parse_fields(raw, strict_parsing=1)


@pytest.mark.parametrize("separator", ["&", ";", "&;", "|"])
def test_separator_is_any_text(separator):
    raw = separator.join(["a=1", "b=2", "a=3"]).encode()
    pairs = parse_fields(raw, separator=separator)[1]
    assert pairs == [("a", "1"), ("b", "2"), ("a", "3")]


@pytest.mark.parametrize("encoding", ["iso-8859-2", "cp1250", "mac-latin2"])
def test_fields_of_other_charsets(encoding):
    raw = b"a=" + quote_plus("žluť".encode(encoding)).encode()
    assert parse_fields(raw, encoding=encoding)[0] == {"a": "žluť"}


@given(st.binary(max_size=200))
def test_escapes_are_undone_as_the_standard_library_does(raw):
    assert unquote_bytes(raw) == unquote_to_bytes(raw)


ALPHABET = "ab1=&%+;\\éž 2C36xu\"'\u2028"


@given(st.text(ALPHABET, max_size=40), st.booleans())
def test_fields_are_those_of_the_standard_library(text, keep):
    raw = text.encode()
    fields, pairs = parse_fields(raw, keep)
    assert (list(fields.items()) if pairs is None else pairs) == parse_qsl(text, keep)
    expected = parse_qs(text, keep)
    assert fields == {k: v if len(v) > 1 else v[0] for k, v in expected.items()}


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=8))
def test_what_is_encoded_comes_back(pairs):
    fields, parsed = parse_fields(urlencode(pairs).encode(), keep_blank_values=1)
    assert (list(fields.items()) if parsed is None else parsed) == pairs


QUERIES = [
    ("a=1&b=%C3%A9", {"a": "1", "b": "é"}),
    ("a=é".encode().decode("latin-1"), {"a": "é"}),
    ("a=é", {"a": "é"}),  # text that never was bytes
    ("a=ž", {"a": "ž"}),
    ("", {}),
]


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_query_is_a_native_string_or_text(query, expected):
    assert parse_query(query) == expected


CODECS = ["utf-8", "UTF-8", "latin1", "iso-8859-2", "cp1250", "gbk", "utf-16-le"]


@pytest.mark.parametrize("name", CODECS)
def test_text_codecs_are_taken(name):
    assert text_codec(name) == codecs.lookup(name).name


NO_CODECS = ["", "x-unknown", "base64", "rot13", "zip", "hex", "idna", "punycode"]
NO_CODECS += ["unicode_escape", "raw-unicode-escape", "utf-7", "undefined", "a\0b", "é"]


@pytest.mark.parametrize("name", NO_CODECS)
def test_what_is_no_charset_is_refused(name):
    with pytest.raises(BodyError, match="charset"):
        text_codec(name)


def test_memory_names_of_charsets_are_not_kept():
    """Python remembers each unknown one for ever, and clients make them up."""
    kept = encodings._cache
    for number in range(3):
        with pytest.raises(BodyError, match="charset"):
            text_codec(f"x-made-up-{number}")
        assert not any("made_up" in name for name in kept)
