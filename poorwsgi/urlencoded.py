"""Text in the form ``a=1&b=2``: query strings and urlencoded bodies.

Knows the grammar only. How many fields are too many, and what a bad field is
worth to a client, is decided by the callers (request, fieldstorage).

PERF: to the decoder of string literals a percent sign is a ``\\x``, so a text of
any length is decoded by a few calls into C, without a loop over its escapes. (That
decoder is in codecs for pickle; `unicode_escape` would do, by three steps more.)
"""

from __future__ import annotations

import encodings
from codecs import escape_decode, lookup
from typing import TYPE_CHECKING

from poorwsgi.state import BodyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    Fields = dict[str, str | list[str]]
    Pairs = list[tuple[str, str]]

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
        _forget_unknown_codecs()
        raise BodyError(f"unknown charset {charset[:40]!r}") from None
    is_text = getattr(codec, "_is_text_encoding", True)
    if not is_text or codec.name.replace("-", "_") in _REFUSED_CODECS:
        raise BodyError(f"unsupported charset {charset[:40]!r}")
    return codec.name


def _forget_unknown_codecs() -> None:
    """Empty what Python remembers of names that are no codec.

    SECURITY: it keeps each of them for ever, and clients can make up many.
    """
    known: dict[str, object] = getattr(encodings, "_cache", {})
    for name, codec in list(known.items()):
        if codec is None:
            known.pop(name, None)


def unquote_bytes(raw: bytes) -> bytes:
    """Replace each %XX by its byte; what is no escape stays as it is.

    >>> unquote_bytes(b"100%25 %zz")
    b'100% %zz'
    """
    if b"%" not in raw:
        return raw
    text = raw.replace(b"\\", b"\\\\") if b"\\" in raw else raw
    try:
        return escape_decode(text.replace(b"%", b"\\x"))[0]
    except ValueError:
        return _unquote_loosely(raw)


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
    if separator == "&" and encoding == "utf-8":
        fields = single_fields(raw, errors)
        if fields is not None:
            return fields, None
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
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
    fields = single_fields(query)
    if fields is not None:
        return fields
    return parse_fields(_native_bytes(query), keep_blank_values, strict_parsing)[0]


def _native_bytes(text: str) -> bytes:
    """Return the bytes of a native string, or of text that never was one."""
    try:
        raw = text.encode("latin-1")
        raw.decode("utf-8")
    except UnicodeError:
        return text.encode("utf-8", "surrogateescape")
    return raw


def single_fields(raw: bytes | str, errors: str = "replace") -> Fields | None:
    """Return the fields of a text in ASCII, as browsers send nearly all.

    None if it is not, a name repeats, a value is blank or an escape is odd: what that
    means depends on the options, and is found out field by field.

    PERF: all is decoded by a few calls, not two for each field; ten fields cost
    half of what they cost with `urllib.parse.unquote_plus`.
    """
    if not raw.isascii():
        return None
    text = raw if isinstance(raw, str) else raw.decode("ascii")
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        # Marks that were escaped would become marks, backslashes escapes.
        if "%26" in text or "\\" in text:
            return None
        if "%3" in text and ("%3D" in text or "%3d" in text):
            return None
        try:
            text = escape_decode(text.replace("%", "\\x"))[0].decode("utf-8", errors)
        except ValueError:
            return None
    fields: Fields = {}
    pieces = text.split("&")
    for piece in pieces:
        name, _, value = piece.partition("=")
        if not value:
            return None
        fields[name] = value
    return fields if len(fields) == len(pieces) else None


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
