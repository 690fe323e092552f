"""Who sent a request: user id, client address, transaction id.

Pure functions over a dictionary of headers. The names given to them are spelled
as the dictionary spells its keys, so each look-up is a plain ``get``.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address

TRANSACTION_HEADER = "X-Moesif-Transaction-Id"

#: Where proxies put the address of the client, best first.
ADDRESS_HEADERS = (
    "x-client-ip",
    "x-forwarded-for",
    "cf-connecting-ip",
    "true-client-ip",
    "x-real-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "forwarded-for",
    "forwarded",
)

MAX_TRANSACTION_ID = 200
#: SECURITY: what is longer is no address, and would fill the memory of them.
MAX_ENTRY = 100


def transaction_id(given: str | None) -> str:
    """Return the id that came with the request, or a new one.

    SECURITY: the id goes into a response header, so only printable ASCII of a
    sane length is taken over.
    """
    if given:
        given = given.strip()
        if 0 < len(given) <= MAX_TRANSACTION_ID and is_visible(given):
            return given
    return new_id()


def new_id() -> str:
    """Return a random UUID (RFC 9562, version 4). PERF: a third of uuid4()."""
    text = os.urandom(16).hex()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable()


def client_address(
    headers: Mapping[str, str], names: Iterable[str], peer: str | None
) -> str | None:
    """Return the first valid address in the headers named, else that of the peer."""
    for name in names:
        if name in headers:
            for entry in headers[name].split(","):
                address = valid_address(entry) if len(entry) < MAX_ENTRY else None
                if address is not None:
                    return address
    return valid_address(peer) if peer else None


@lru_cache(maxsize=4096)
def valid_address(text: str) -> str | None:
    """Return the IPv4 or IPv6 address in text without its port, None for none.

    >>> valid_address(" 192.0.2.1:80"), valid_address("[::1]:80"), valid_address("x")
    ('192.0.2.1', '::1', None)
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip_address(text)
    except ValueError:
        return None
    return text


def user_from_headers(
    headers: Mapping[str, str], names: Iterable[str], field: str
) -> str | None:
    """Return the user id in the first header present, None if it has none.

    No signature is checked: the id is good for statistics only.
    """
    for name in names:
        if name in headers:
            return user_from_authorization(headers[name], field)
    return None


def user_from_authorization(value: str, field: str) -> str | None:
    value = value.partition(",")[0].strip()
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return user_from_token(rest.strip(), field) if rest.count(".") == 2 else None
    if scheme.lower() == "basic":
        return user_from_basic(rest.strip())
    if "." in value:
        return user_from_token(value, field)
    return value or None


def user_from_token(token: str, field: str) -> str | None:
    """Return a field of the payload of a JSON web token (RFC 7519)."""
    part = token.split(".")[1]
    try:
        # COMPAT: standard base64 is met in the field; both alphabets are read.
        part = part.replace("+", "-").replace("/", "_")
        payload = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return find_field(payload, field.lower())


def find_field(payload: object, field: str) -> str | None:
    if not isinstance(payload, dict):
        return None
    for name, value in payload.items():
        if name.lower() == field:
            text = isinstance(value, str | int | float) and str(value)
            return text or None
    return None


def user_from_basic(credential: str) -> str | None:
    """Return the name in the credential of RFC 7617."""
    try:
        padded = credential + "=" * (-len(credential) % 4)
        data = a2b_base64(padded, strict_mode=True)
    except ValueError:
        return None
    name, colon, _ = decode(data).partition(":")
    return (name.strip() or None) if colon else None


def decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
