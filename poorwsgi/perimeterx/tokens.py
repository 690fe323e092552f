"""Tokens of mobile SDKs: which value, of which version, or which error."""

from __future__ import annotations

from typing import NamedTuple

from poorwsgi.perimeterx.context import MAX_VALUE, is_digits


class Token(NamedTuple):
    """A mobile token: a cookie value of a version, or an error code."""

    version: int
    value: str
    #: Digits with which an SDK says that it has no token, '' for none.
    error: str
    #: Whether the version was said.
    prefixed: bool


def parse_token(text: str) -> Token:
    """Read the value of X-PX-AUTHORIZATION or X-PX-ORIGINAL-TOKEN.

    >>> parse_token("1:2").error
    '2'
    """
    prefixed = text.startswith(("3:", "1:"))
    version = int(text[0]) if prefixed else 3
    value = text[2:] if prefixed else text
    is_error = len(value) <= MAX_VALUE and is_digits(value)
    return Token(version, value, value if is_error else "", prefixed)
