"""Sessions in cookies, and the tokens that HTTP Digest uses as nonces.

Knows keys, tokens and the cookie a session lives in. It leaves reading the
Cookie header to `request`, attributes of cookies to `cookies`, and sessions
kept on the server to `store`.
"""

from __future__ import annotations

import bz2
import os
import struct
import time
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import blake2b, sha3_256, shake_256
from hmac import compare_digest
from json import JSONDecoder, JSONEncoder, encoder
from logging import getLogger
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from poorwsgi.cookies import (
    RequestCookies,
    cookie_date,
    quote_value,
    static_attributes,
)
from poorwsgi.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from http.cookies import SimpleCookie

    from poorwsgi.cookies import SameSite

log = getLogger("poorwsgi")

#: A secret, or several for rotation: the first signs, all of them verify.
SecretKey: TypeAlias = "str | bytes | Sequence[str | bytes]"

NONCE_VERSION = "01"
# Version, issued at, random part, mark of the opaque, MAC.
NONCE_LENGTH = 2 + 10 + 20 + 12 + 32


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
        raise SessionError(
            "poor_SecretKey is not set! Give the secret key, or set app.secret_key"
        )
    return keys


def as_bytes(text: str | bytes) -> bytes:
    """Return a text as UTF-8, and bytes as they are."""
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


def get_nonce(
    secret: SecretKey, client: str | None, timeout: int | None = None, opaque: str = ""
) -> str:
    """Return a fresh random token, which `check_token` takes like `get_token`'s.

    Nothing is stored: the nonce carries the time it was made and a MAC, so any
    process that has the key can check it. It holds for one to two timeouts.
    `nonce_goes_with` recognizes the *opaque* that is given out with it.

    .. versionadded:: 3.0
    """
    key, seed = key_list(secret)[0], os.urandom(10).hex()
    mark = _opaque_mark(key, seed, opaque)
    head = f"{NONCE_VERSION}{int(time.time()):010x}{seed}{mark}"
    return head + _nonce_mac(key, client, timeout, head)


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


def _is_nonce(token: str) -> bool:
    return len(token) == NONCE_LENGTH and token.isascii()


def nonce_issued(nonce: str) -> int:
    """Return the second at which `get_nonce` made a (checked) nonce."""
    return int(nonce[2:12], 16)


def nonce_goes_with(nonce: str, opaque: str, secret: SecretKey) -> bool:
    """Return whether `get_nonce` gave out a (checked) nonce with this *opaque*."""
    if not opaque or not _is_nonce(nonce):
        return False
    seed, mark = nonce[12:32], nonce[32:44]
    good = [
        compare_digest(mark, _opaque_mark(key, seed, opaque))
        for key in key_list(secret)
    ]
    return any(good)


def _opaque_mark(key: bytes, seed: str, opaque: str) -> str:
    return sha3_256(_fields(b"opaque", key, seed, opaque)).hexdigest()[:12]


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


# --- a session that is a plain value ------------------------------------------

#: Some browsers drop a cookie whose name, value and attributes are longer.
MAX_COOKIE_SIZE = 4093
_LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"


class SupportsAddHeader(Protocol):
    """What `Session.header` needs: `Headers` and responses have it."""

    def add_header(self, name: str, value: str) -> Any:
        """Add a header."""


class Session:
    """A value in a cookie, such as a JWT or the id of a session kept elsewhere.

    *expires* and *max_age* are in seconds, *path* may be None. The cookie is
    always HttpOnly.

    :raises ValueError: a browser would refuse such a cookie.
    """

    data: Any

    def __init__(
        self,
        expires: int = 0,
        max_age: int | None = None,
        domain: str = "",
        path: str | None = "/",
        secure: bool = False,
        same_site: SameSite = False,
        sid: str = "SESSID",
    ) -> None:
        if same_site is None:
            # COMPAT: `set_cookie` takes it for False, sessions never did.
            raise ValueError("same_site=None is not valid, use False")
        self._attributes = static_attributes(
            sid, max_age, domain, path, secure, True, same_site, False
        )
        self._sid = sid
        self._expires = expires
        self._max_age = max_age
        self._domain = domain
        self._path = path
        self._secure = secure
        self._same_site = same_site
        self._destroyed = False
        self._raw = ""
        self._cookie: SimpleCookie | None = None
        self.data = ""

    @property
    def cookie(self) -> SimpleCookie:
        """The cookie as `http.cookies` has it; change it after `write`."""
        if self._cookie is None:
            self._cookie = RequestCookies()
            self._store(self._raw)
        return self._cookie

    def load(self, cookies: Any = None) -> None:
        """Read `data` from the cookies of a request; None holds no session."""
        raw = self._find(cookies)
        if raw:
            self.data = raw

    def write(self) -> str:
        """Store `data` in the cookie and return its raw value."""
        return self._store("" if self._destroyed else str(self.data))

    def destroy(self) -> None:
        """Make the browser forget the session: an empty cookie, long expired."""
        self._destroyed = True
        self._attributes = static_attributes(
            self._sid,
            None if self._max_age is None else -1,
            self._domain,
            self._path,
            self._secure,
            True,
            self._same_site,
            False,
        )
        self._store("")

    def header(self, headers: SupportsAddHeader | None = None) -> list[tuple[str, str]]:
        """Write, and return the Set-Cookie header; add it to *headers* if given."""
        self.write()
        header = ("Set-Cookie", self._render())
        if headers is not None:
            headers.add_header(*header)
        return [header]

    def _find(self, cookies: Any) -> str:
        """Return the raw value of our cookie, or an empty string."""
        if isinstance(cookies, RequestCookies):
            return cookies.value_of(self._sid)
        if not isinstance(cookies, dict):
            return ""
        # SimpleCookie is a dictionary of morsels; any other one has no value.
        # It takes the bytes that `quote_value` escapes for characters.
        return Headers.utf8(getattr(cookies.get(self._sid), "value", "") or "")

    def _store(self, raw: str) -> str:
        self._raw = raw
        size = len(self._sid) + 1 + len(raw) + len(self._attributes)
        if size > MAX_COOKIE_SIZE:
            log.warning("Cookie %s has %d bytes, browsers may drop it", self._sid, size)
        if self._cookie is not None:
            self._cookie[self._sid] = raw
            self._apply_cookie_attrs()
        return raw

    def _render(self) -> str:
        """Return the value of the Set-Cookie header."""
        if self._is_customized():
            return self.cookie[self._sid].OutputString()
        text, attributes = f"{self._sid}={quote_value(self._raw)}", self._attributes
        if self._destroyed or self._expires:
            date = _LONG_AGO if self._destroyed else cookie_date(self._expires)
            # COMPAT: the order of http.cookies, in which Domain comes first.
            end = len(f"; Domain={self._domain}") if self._domain else 0
            attributes = f"{attributes[:end]}; expires={date}{attributes[end:]}"
        return text + attributes

    def _is_customized(self) -> bool:
        # PERF: rendering a morsel costs more than sealing what is in it, so it
        # is done only for those who touched the cookie or its attributes.
        apply = type(self)._apply_cookie_attrs
        return self._cookie is not None or apply is not Session._apply_cookie_attrs

    def _apply_cookie_attrs(self) -> None:
        """Set the attributes of the morsel; subclasses may add theirs."""
        morsel = self.cookie[self._sid]
        morsel["httponly"] = True
        morsel["domain"] = self._domain or ""
        morsel["path"] = self._path or ""
        morsel["secure"] = self._secure
        morsel["samesite"] = self._same_site or ""
        morsel["expires"] = self._expires or ""
        morsel["max-age"] = "" if self._max_age is None else self._max_age
        if self._destroyed:
            morsel["expires"] = _LONG_AGO
            morsel["max-age"] = "" if self._max_age is None else -1


# --- sealed: a cookie that nobody can read or change ---------------------------
#
# The text of a cookie is  BODY "." TAG,  both base64url without padding:
#
#     BODY = version (1 byte) | nonce (16 random bytes) | plain XOR stream
#     stream = SHAKE-256(encryption key, filled up to one block | nonce)
#     TAG  = BLAKE2b-192 keyed with the MAC key, over the *text* of BODY
#     plain = flags (1 byte) | issued at, milliseconds (8) | JSON or compressed
#
# Both keys are derived from the secret key and the name of the cookie by keyed
# BLAKE2b with a label each, so one cookie does not pass for another.
#
# Sources: encrypt-then-MAC is the order that is secure in general (Bellare and
# Namprempre 2000; Krawczyk 2001). A sponge that absorbs a key of full length
# before a nonce is a pseudo-random function, hence a stream cipher (Bertoni,
# Daemen, Peeters, Van Assche: Cryptographic sponge functions, 2011; the filled
# block is bytepad of NIST SP 800-185). Keyed BLAKE2b is RFC 7693.
#
# Promised: nobody without a key reads a cookie, makes one, or changes a single
# character of one; equal data gives different text. A nonce repeats with
# probability n^2 / 2^129 after n cookies. Not promised: the length of the data
# stays visible; who copies a cookie has the session until it expires (set
# `max_age`); and an older cookie of the same user can be sent again.

_COOKIE_VERSION = b"\x01"
_NONCE_SIZE = 16
_TAG_SIZE = 24
_PLAIN_HEAD = struct.Struct(">BQ")
_COMPRESSED = 1
_TEXT_LIMIT = 65_536
_BLOCK = 136  # rate of SHAKE-256 in bytes
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URLSAFE = bytes.maketrans(b"-_", b"+/")

#: Shorter data is not compressed, and none may be longer when decompressed.
COMPRESS_FROM = 512
MAX_DATA_SIZE = 1 << 20

BAD_DATA = "Bad session data."

_slow_encode = JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_decode_json = JSONDecoder().raw_decode


def _make_json_encoder() -> Callable[[Any], str]:
    """Return a function that writes JSON, with the C encoder set up once.

    PERF: `JSONEncoder.encode` sets it up in each call, half of the time for a
    small session. Without markers a circle is a RecursionError.
    """
    encode: Any = None
    try:
        encode = encoder.c_make_encoder(  # type: ignore[attr-defined]
            *(None, JSONEncoder().default, encoder.encode_basestring, None),
            *(":", ",", False, False, True),
        )
        works = "".join(encode([{"é": 1}], 0)) == '[{"é":1}]'
    except (AttributeError, TypeError):  # another Python, made in another way
        works = False
    return (lambda data: "".join(encode(data, 0))) if works else _slow_encode


_encode_json = _make_json_encoder()


class _CookieKeys:
    """The two keys of one secret key for one cookie name, as hash states."""

    __slots__ = ("_mac", "_stream")

    def __init__(self, secret: bytes, sid: str) -> None:
        # BLAKE2b takes keys of 64 bytes at most; longer ones are hashed first.
        root = blake2b(secret, person=b"poorwsgi-session").digest()
        name = sid.encode()
        stream = blake2b(b"stream\0" + name, key=root, digest_size=64).digest()
        mac = blake2b(b"mac\0" + name, key=root, digest_size=64).digest()
        # PERF: a copy of a state that has taken the key in saves a block each.
        self._stream = shake_256(stream.ljust(_BLOCK, b"\0"))
        self._mac = blake2b(key=mac, digest_size=_TAG_SIZE)

    def seal(self, plain: bytes) -> str:
        nonce = os.urandom(_NONCE_SIZE)
        sealed = _COOKIE_VERSION + nonce + self._cipher(nonce, plain)
        body = b2a_base64(sealed, newline=False).translate(_TO_URLSAFE, b"=")
        return (body + b"." + self._tag(body)).decode()

    def is_sealed(self, body: bytes, tag: bytes) -> bool:
        return compare_digest(self._tag(body), tag)

    def unseal(self, body: bytes) -> bytes:
        """Return the plain text of a body that was found to be ours."""
        padding = b"=" * (-len(body) % 4)
        sealed = a2b_base64(body.translate(_FROM_URLSAFE) + padding)
        if sealed[:1] != _COOKIE_VERSION:
            raise SessionError(BAD_DATA)
        return self._cipher(sealed[1 : 1 + _NONCE_SIZE], sealed[1 + _NONCE_SIZE :])

    def _cipher(self, nonce: bytes, data: bytes) -> bytes:
        size = len(data)
        state = self._stream.copy()
        state.update(nonce)
        stream = int.from_bytes(state.digest(size), "big")
        return (int.from_bytes(data, "big") ^ stream).to_bytes(size, "big")

    def _tag(self, body: bytes) -> bytes:
        # The tag is compared as text: no second spelling of it is accepted.
        state = self._mac.copy()
        state.update(body)
        return b2a_base64(state.digest(), newline=False).translate(_TO_URLSAFE)


@lru_cache(maxsize=32, typed=True)
def _cookie_keys(
    secret: str | bytes | tuple[str | bytes, ...], sid: str
) -> tuple[_CookieKeys, ...]:
    # PERF: derived once per key and name, not once per session.
    return tuple(_CookieKeys(key, sid) for key in key_list(secret))


class Compressor(Protocol):
    """What *compress* may be: `bz2`, `zlib`, `gzip`, or two such functions."""

    def compress(self, data: bytes, level: int, /) -> bytes:
        """Return *data* compressed."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """Return what was compressed."""
        ...


class NoCompress:
    """A compressor that leaves data as it is."""

    @staticmethod
    def compress(data: bytes, compresslevel: int = 0) -> bytes:
        """Return *data*."""
        return data

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """Return *data*."""
        return data


class DictSession(Session):
    """A dictionary in a cookie; a subclass says how it is sealed."""

    data: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.data = {}
        #: When the loaded cookie was written (Unix time), None if unknown.
        self.issued: float | None = None

    def load(self, cookies: Any = None) -> None:
        """Read `data` from the cookies of a request; None holds no session.

        :raises SessionError: the cookie is not ours, was changed or has expired;
            `data` is what it was.
        """
        raw = self._find(cookies)
        if not raw:
            return
        issued, content = self._unseal(raw)
        if issued is not None:
            self._check_age(issued)
        try:
            data, _ = _decode_json(content.decode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            raise SessionError(BAD_DATA) from None
        if not isinstance(data, dict):
            raise SessionError("Cookie data is not dictionary!")
        self.data = data
        self.issued = issued

    def write(self) -> str:
        """Seal `data` into the cookie and return its raw value."""
        if self._destroyed:
            return self._store("")
        content = _encode_json(self.data).encode("utf-8", "surrogatepass")
        return self._store(self._seal(time.time(), content))

    def _check_age(self, issued: float) -> None:
        # SECURITY: the browser forgets an expired cookie, a thief does not.
        limit = self._max_age if self._max_age is not None else self._expires or None
        if limit is not None and time.time() >= issued + limit:
            raise SessionError("Session has expired.")

    def _seal(self, issued: float, content: bytes) -> str:
        raise NotImplementedError

    def _unseal(self, raw: str) -> tuple[float | None, bytes]:
        """Return when the cookie was written, and its content.

        :raises SessionError: it was not written by us.
        """
        raise NotImplementedError


_KEY_TYPES = (str, bytes, list, tuple, type(None))


class PoorSession(DictSession):
    """A dictionary in a cookie that nobody but the application can read.

    *secret_key* may be a list of keys: the first seals, all of them open.
    *compress* is a module like `bz2` or `zlib`, None for none; data shorter than
    `COMPRESS_FROM` bytes is stored as it is.

    >>> session = PoorSession("a secret key", max_age=3600)
    >>> session.data["user"] = "joe"
    >>> name, value = session.header()[0]

    :raises SessionError: there is no key.
    """

    def __init__(
        self,
        secret_key: SecretKey | Any,
        expires: int = 0,
        max_age: int | None = None,
        domain: str = "",
        path: str | None = "/",
        secure: bool = False,
        same_site: SameSite = False,
        compress: Compressor | None = bz2,
        sid: str = "SESSID",
    ) -> None:
        request: Any = None
        if not isinstance(secret_key, _KEY_TYPES):
            request = secret_key
            secret_key = request.secret_key
        if isinstance(secret_key, list):
            secret_key = tuple(secret_key)
        self._keys = _cookie_keys(secret_key or "", sid)
        super().__init__(expires, max_age, domain, path, secure, same_site, sid)
        self._compress = compress
        if request is not None:
            # COMPAT: the oldest interface took the request and loaded at once.
            log.warning("PoorSession(req) is obsolete, use PoorSession(secret_key)")
            self.load(request.cookies)

    def _seal(self, issued: float, content: bytes) -> str:
        flags = 0
        if self._compress is not None and len(content) >= COMPRESS_FROM:
            packed = self._compress.compress(content, 9)
            if len(packed) < len(content):
                flags, content = _COMPRESSED, packed
        head = _PLAIN_HEAD.pack(flags, int(issued * 1000))
        return self._keys[0].seal(head + content)

    def _unseal(self, raw: str) -> tuple[float, bytes]:
        if len(raw) > _TEXT_LIMIT or not raw.isascii():
            raise SessionError(BAD_DATA)
        body, _, tag = raw.encode().rpartition(b".")
        for keys in self._keys:
            if keys.is_sealed(body, tag):
                return self._unpack(keys.unseal(body))
        raise SessionError(BAD_DATA)

    def _unpack(self, plain: bytes) -> tuple[float, bytes]:
        flags, issued = _PLAIN_HEAD.unpack_from(plain)
        content = plain[_PLAIN_HEAD.size :]
        if flags == _COMPRESSED:
            content = _decompress(self._compress or NoCompress, content)
        return issued / 1000, content


def _decompress(compress: Compressor, content: bytes) -> bytes:
    """Return *content* decompressed, at most `MAX_DATA_SIZE` bytes of it."""
    make: Any = getattr(compress, "BZ2Decompressor", None)
    make = make or getattr(compress, "decompressobj", None)
    try:
        if make is not None:  # bz2 and zlib stop when told to
            data = make().decompress(content, MAX_DATA_SIZE + 1)
        else:
            data = compress.decompress(content)
    except Exception as err:  # whatever the user's compressor raises
        raise SessionError(BAD_DATA) from err
    if len(data) > MAX_DATA_SIZE:
        raise SessionError(BAD_DATA)
    return bytes(data)


# --- COMPAT: building blocks of the 2.8.1 cookie, no longer used ---------------

KEYSTREAM_SIZE = 1024


def hidden(text: str | bytes, secret_hash: bytes) -> bytes:
    """Return *text* XORed with the repeated *secret_hash*; its own inverse.

    Kept for applications that call it. It is no encryption.
    """
    data = as_bytes(text)
    key = secret_hash * (len(data) // len(secret_hash) + 1)
    return bytes(one ^ other for one, other in zip(data, key, strict=False))


def encrypt(data: bytes, table: bytearray) -> bytes:
    """Return *data* with each byte replaced by the one in *table*."""
    return data.translate(table)


def decrypt(data: bytes, table: bytearray) -> bytes:
    """Return what `encrypt` made *data* from."""
    return data.translate(bytes.maketrans(table, bytes(range(256))))
