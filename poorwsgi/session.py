"""Sessions in cookies, and the tokens that HTTP Digest uses as nonces.

Knows keys, tokens and the cookie a session lives in. It leaves reading the
Cookie header to `request`, attributes of cookies to `cookies`, and sessions
kept on the server to `store`.
"""

from __future__ import annotations

import os
import time
from hashlib import sha3_256
from hmac import compare_digest
from logging import getLogger
from typing import TypeAlias

log = getLogger("poorwsgi")

#: A secret, or several for rotation: the first signs, all of them verify.
SecretKey: TypeAlias = "str | bytes | list[str | bytes] | tuple[str | bytes, ...]"

NONCE_VERSION = "01"
NONCE_LENGTH = 2 + 10 + 32 + 32  # version, issued at, random part, MAC


class SessionError(RuntimeError):
    """A session cannot be read, or its key is missing."""


# --- keys ---------------------------------------------------------------------


def key_list(secret: SecretKey | None) -> tuple[bytes, ...]:
    """Return the keys in *secret* as bytes, the one that signs first.

    :raises SessionError: there is no key, or one of them is empty.
    """
    if secret is None or isinstance(secret, str | bytes):
        secret = [secret or b""]
    if not isinstance(secret, list | tuple):
        kind = type(secret).__name__
        raise TypeError(f"secret key must be str, bytes or a list of them, not {kind}")
    keys = tuple(as_bytes(key) for key in secret)
    if not keys or not all(keys):
        raise SessionError("poor_SecretKey is not set!")
    return keys


def as_bytes(text: str | bytes) -> bytes:
    # Header values may hold anything a client sent; encoding must not fail.
    if isinstance(text, bytes):
        return text
    return text.encode("utf-8", "surrogatepass")


# --- tokens -------------------------------------------------------------------


def get_token(
    secret: SecretKey, client: str | None, timeout: int | None = None, expired: int = 0
) -> str:
    """Return a token for *client*: 64 hexadecimal characters, always the same.

    With *timeout* in seconds it holds for one to two timeouts: the moment it
    ends is aligned, so that every process gives the same token. *expired* names
    that moment instead. Without a timeout (None or 0) the token holds for ever.
    """
    if timeout and not expired:
        expired = _aligned(timeout) + 2 * timeout
    return _token(key_list(secret)[0], client, expired if timeout else 0)


def get_nonce(secret: SecretKey, client: str | None, timeout: int | None = None) -> str:
    """Return a fresh random token, which `check_token` takes like `get_token`'s.

    Nothing is stored: the nonce carries the time it was made and a MAC, so any
    process that has the key can check it. It holds for one to two timeouts.

    .. versionadded:: 3.0
    """
    head = f"{NONCE_VERSION}{int(time.time()):010x}{os.urandom(16).hex()}"
    return head + _nonce_mac(key_list(secret)[0], client, timeout, head)


def check_token(
    token: str, secret: SecretKey, client: str | None, timeout: int | None = None
) -> bool:
    """Return whether *token* was made for *client* and has not expired."""
    if not isinstance(token, str) or not token.isascii():
        return False
    keys = key_list(secret)
    if len(token) == NONCE_LENGTH:
        return _check_nonce(token, keys, client, timeout)
    ends = [0]
    if timeout:
        aligned = _aligned(timeout)
        ends = [aligned + timeout, aligned + 2 * timeout]
    # SECURITY: constant-time, and every candidate is compared (D77).
    good = [
        compare_digest(token, _token(key, client, end)) for key in keys for end in ends
    ]
    return any(good)


def _aligned(timeout: int) -> int:
    return int(time.time() // timeout * timeout)


def _token(key: bytes, client: str | None, expired: int) -> str:
    return sha3_256(_fields(b"token", key, client, expired)).hexdigest()


def _check_nonce(
    nonce: str, keys: tuple[bytes, ...], client: str | None, timeout: int | None
) -> bool:
    head, mac = nonce[:-32], nonce[-32:]
    good = [compare_digest(mac, _nonce_mac(key, client, timeout, head)) for key in keys]
    if not any(good) or not nonce.startswith(NONCE_VERSION):
        return False
    return not timeout or time.time() < nonce_issued(nonce) + 2 * timeout


def nonce_issued(nonce: str) -> int:
    """Return the second at which `get_nonce` made a (checked) nonce."""
    return int(nonce[2:12], 16)


def _nonce_mac(key: bytes, client: str | None, timeout: int | None, head: str) -> str:
    fields = _fields(b"nonce", key, client, timeout or 0, head)
    return sha3_256(fields).hexdigest()[:32]


def _fields(*values: str | bytes | int | None) -> bytes:
    """Join *values* so that no two different lists give the same bytes (D79).

    SHA-3 over a key and such fields is a MAC: unlike SHA-2 it cannot be
    extended (FIPS 202, A.1), so the secret needs no second pass as in HMAC.
    """
    out = []
    for value in values:
        if value is None:
            out.append(b"-")
        else:
            data = as_bytes(value if isinstance(value, str | bytes) else str(value))
            out.append(b"%d:%b" % (len(data), data))
    return b"".join(out)
