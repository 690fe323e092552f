"""Sessions in cookies sealed by AES-256-GCM, for those who must use AES.

Knows the format of the sealed text, new and old; what a session is stands in
`session`. Needs the package cryptography: ``pip install 'poorwsgi[crypto]'``.
"""

from __future__ import annotations

import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b, sha3_256
from hmac import compare_digest
from hmac import digest as hmac_digest
from logging import getLogger
from typing import TYPE_CHECKING

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR
except ImportError as err:
    raise ImportError("aes_session needs: pip install 'poorwsgi[crypto]'") from err

from poorwsgi.session import BAD_DATA, DictSession, SessionError, key_list

if TYPE_CHECKING:
    from poorwsgi.cookies import SameSite
    from poorwsgi.session import SecretKey

log = getLogger("poorwsgi")

# The text of a cookie is  "2." BASE64URL(salt | nonce | ciphertext | tag)  and
# the plain text  issued at (8 bytes, milliseconds) | JSON.
#
# The key of each cookie is keyed BLAKE2b of its salt (16 random bytes); with it
# AES-256-GCM (NIST SP 800-38D) takes another 12 random bytes as nonce. Such a
# pair repeats with probability n^2 / 2^225 after n cookies, where GCM under one
# key alone should end after 2^32. The name of the cookie is authenticated too.
_VERSION = "2."
_NONCE_SIZE = 16
_GCM_NONCE_SIZE = 12
_TEXT_LIMIT = 65_536
_ISSUED = struct.Struct(">Q")


class _Key:
    """One secret key, ready to seal and to open."""

    __slots__ = ("_old_key", "_old_mac_key", "_root")

    def __init__(self, secret: bytes) -> None:
        self._root = blake2b(
            secret, digest_size=32, person=b"poorwsgi-aes-gcm"
        ).digest()
        old_root = sha3_256(secret).digest()
        self._old_key = sha3_256(old_root + b"enc").digest()
        self._old_mac_key = sha3_256(old_root + b"mac").digest()

    def seal(self, plain: bytes, name: bytes) -> str:
        salt, nonce = os.urandom(_NONCE_SIZE), os.urandom(_GCM_NONCE_SIZE)
        sealed = self._aead(salt).encrypt(nonce, plain, name)
        text = urlsafe_b64encode(salt + nonce + sealed).rstrip(b"=")
        return _VERSION + text.decode()

    def unseal(self, sealed: bytes, name: bytes) -> bytes:
        salt, rest = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        nonce, rest = rest[:_GCM_NONCE_SIZE], rest[_GCM_NONCE_SIZE:]
        return self._aead(salt).decrypt(nonce, rest, name)

    def is_old(self, payload: bytes, tag: bytes) -> bool:
        return compare_digest(hmac_digest(self._old_mac_key, payload, "sha256"), tag)

    def unseal_old(self, payload: bytes) -> bytes:
        nonce, data = payload[:_NONCE_SIZE], payload[_NONCE_SIZE:]
        opener = Cipher(AES(self._old_key), CTR(nonce)).decryptor()
        return opener.update(data) + opener.finalize()

    def _aead(self, salt: bytes) -> AESGCM:
        return AESGCM(blake2b(salt, key=self._root, digest_size=32).digest())


@lru_cache(maxsize=32, typed=True)
def _keys(secret: str | bytes | tuple[str | bytes, ...]) -> tuple[_Key, ...]:
    return tuple(_Key(key) for key in key_list(secret))


class AESSession(DictSession):
    """A dictionary in a cookie that nobody but the application can read.

    *secret_key* may be a list of keys: the first seals, all of them open.
    Cookies written by PoorWSGI 2.8 are read too; set `read_old` to False on the
    class when the last of them is gone, since they carry no time.

    :raises SessionError: there is no key.
    """

    read_old = True

    def __init__(
        self,
        secret_key: SecretKey,
        expires: int = 0,
        max_age: int | None = None,
        domain: str = "",
        path: str | None = "/",
        secure: bool = False,
        same_site: SameSite = False,
        sid: str = "SESSID",
    ) -> None:
        if isinstance(secret_key, list):
            secret_key = tuple(secret_key)
        try:
            self._keys = _keys(secret_key)
        except SessionError:
            raise SessionError("Empty secret_key") from None
        super().__init__(expires, max_age, domain, path, secure, same_site, sid)

    def _seal(self, issued: float, content: bytes) -> str:
        plain = _ISSUED.pack(int(issued * 1000)) + content
        return self._keys[0].seal(plain, self._sid.encode())

    def _unseal(self, raw: str) -> tuple[float | None, bytes]:
        if len(raw) > _TEXT_LIMIT:
            raise SessionError(BAD_DATA)
        if not raw.startswith(_VERSION):
            return None, self._unseal_old(raw)
        sealed = _decode(raw[len(_VERSION) :], padded=False)
        if len(sealed) > _NONCE_SIZE + _GCM_NONCE_SIZE:
            for key in self._keys:
                try:
                    plain = key.unseal(sealed, self._sid.encode())
                except InvalidTag:
                    continue
                (issued,) = _ISSUED.unpack_from(plain)
                return issued / 1000, plain[_ISSUED.size :]
        raise SessionError(BAD_DATA)

    def _unseal_old(self, raw: str) -> bytes:
        body, dot, tag_text = raw.partition(".")
        if self.read_old and dot:
            payload, tag = _decode(body), _decode(tag_text)
            for key in self._keys:
                if key.is_old(payload, tag) and len(payload) >= _NONCE_SIZE:
                    return key.unseal_old(payload)
        raise SessionError(BAD_DATA)


def _decode(text: str, padded: bool = True) -> bytes:
    """Decode base64; refuse a second spelling of the same bytes (D78)."""
    padding = "" if padded else "=" * (-len(text) % 4)
    try:
        data = urlsafe_b64decode(text + padding)
    except ValueError:
        raise SessionError(BAD_DATA) from None
    spelled = urlsafe_b64encode(data).decode()
    if text != (spelled if padded else spelled.rstrip("=")):
        raise SessionError(BAD_DATA)
    return data
