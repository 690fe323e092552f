"""Text in the form ``a=1&b=2``: query strings and urlencoded bodies.

Knows the grammar only. How many fields are too many, and what a bad field is
worth to a client, is decided by the callers (request, fieldstorage).

PERF: to the codec *unicode_escape* a percent sign is a ``\\x``, so a text of
any length is decoded by a few calls into C, without a loop over its escapes.
"""

from __future__ import annotations

from codecs import lookup, unicode_escape_decode
from typing import TYPE_CHECKING

from poorwsgi.state import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Fields = dict[str, str | list[str]]
    Pairs = list[tuple[str, str]]

_NOT_MARKS = bytes(set(range(256)) - set(b"&="))

#: Text codecs that cost more than linear time, or that run escapes of their own.
_REFUSED_CODECS = frozenset(
    ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf_7")
)


def text_codec(charset: str) -> str:
    """Return the name of a codec that is safe to decode a client's text with.

    :raises BodyError: the charset is unknown, or no text codec of linear cost.
    """
    if charset == "utf-8":
        return charset
    try:
        codec = lookup(charset)
    except (LookupError, ValueError):
        raise BodyError(f"unknown charset {charset[:40]!r}") from None
    is_text = getattr(codec, "_is_text_encoding", True)
    if not is_text or codec.name.replace("-", "_") in _REFUSED_CODECS:
        raise BodyError(f"unsupported charset {charset[:40]!r}")
    return codec.name


def unquote_bytes(raw: bytes) -> bytes:
    """Replace each %XX by its byte; what is no escape stays as it is.

    >>> unquote_bytes(b"100%25 %zz")
    b'100% %zz'
    """
    if b"%" not in raw:
        return raw
    text = raw.replace(b"\\", b"\\\\") if b"\\" in raw else raw
    try:
        decoded = unicode_escape_decode(text.replace(b"%", b"\\x"))[0]
    except UnicodeDecodeError:
        return _unquote_loosely(raw)
    return decoded.encode("latin-1")


def _unquote_loosely(raw: bytes) -> bytes:
    """As `unquote_bytes`, for a text with a percent sign that is no escape."""
    head, *tails = raw.split(b"%")
    pieces = [head]
    for tail in tails:
        digits = tail[:2]
        # fromhex() alone would take blanks for nothing.
        if len(digits) == 2 and digits.isalnum():
            try:
                pieces += (bytes.fromhex(digits.decode("latin-1")), tail[2:])
                continue
            except ValueError:
                pass
        pieces += (b"%", tail)
    return b"".join(pieces)


def parse_fields(
    raw: bytes,
    keep_blank_values: int = 0,
    strict_parsing: int = 0,
    encoding: str = "utf-8",
    errors: str = "replace",
    separator: str = "&",
) -> tuple[Fields, Pairs | None]:
    """Return the fields by name, and as (name, value) pairs in their order.

    A name that repeats holds a list of its values; if none does, the first
    result is in order itself and the second one None. Blank values are dropped
    unless they are to be kept.

    :raises ValueError: with *strict_parsing*, a field without ``=``.

    >>> parse_fields(b"a=1&b=x+y%21&a=2")
    ({'a': ['1', '2'], 'b': 'x y!'}, [('a', '1'), ('b', 'x y!'), ('a', '2')])
    """
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    marks = raw.translate(None, _NOT_MARKS)
    count = (len(marks) + 1) // 2
    # PERF: if the marks alternate, as in nearly all forms, names and values are
    # decoded and split by one call each.
    if marks == b"=" + b"&=" * (count - 1) and separator + encoding == "&utf-8":
        text = _unquote_all(raw, marks, errors)
        if text is not None:
            texts = text.replace("&", "=").split("=")
            values = texts[1::2]
            if keep_blank_values or "" not in values:
                fields: Fields = dict(zip(texts[::2], values, strict=True))
                if len(fields) == count:
                    return fields, None
    pairs = [
        (
            unquote_bytes(name).decode(encoding, errors),
            unquote_bytes(value).decode(encoding, errors),
        )
        for name, value in _split(raw, keep_blank_values, strict_parsing, separator)
    ]
    return _group(pairs), pairs


def parse_query(
    query: str, keep_blank_values: int = 0, strict_parsing: int = 0
) -> Fields:
    """Return the arguments of a query string, as WSGI gives it (PEP 3333).

    >>> parse_query("a=1&b=%C3%A9&a=2")
    {'a': ['1', '2'], 'b': 'é'}
    """
    if not query:
        return {}
    raw = query.encode("ascii") if query.isascii() else _native_bytes(query)
    return parse_fields(raw, keep_blank_values, strict_parsing)[0]


def _native_bytes(text: str) -> bytes:
    """Return the bytes of a native string, or of text that never was one."""
    try:
        raw = text.encode("latin-1")
        raw.decode("utf-8")
    except UnicodeError:
        return text.encode("utf-8", "surrogateescape")
    return raw


def _unquote_all(raw: bytes, marks: bytes, errors: str) -> str | None:
    """Undo all escapes at once; None if one of them stands for a mark."""
    if b"%" in raw:
        raw = unquote_bytes(raw)
        if raw.translate(None, _NOT_MARKS) != marks:
            return None
    return raw.decode("utf-8", errors)


def _split(
    raw: bytes, keep_blank_values: int, strict_parsing: int, separator: str
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the fields as they were sent."""
    for piece in raw.split(separator.encode("latin-1")):
        name, equals, value = piece.partition(b"=")
        if not equals and strict_parsing:
            raise ValueError(f"bad field in urlencoded text: {piece[:40]!r}")
        if value or (keep_blank_values and piece):
            yield name, value


def _group(pairs: Pairs) -> Fields:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return {
        name: values if len(values) > 1 else values[0] for name, values in lists.items()
    }
