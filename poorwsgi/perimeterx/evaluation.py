"""What the cookie or token of a request says: pass, block, or ask.

The second table of the decision, one row after the other; and the cache that
spares a returning visitor the key derivation. No I/O.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from time import time
from typing import TYPE_CHECKING, NamedTuple

from poorwsgi.perimeterx.context import MAX_VALUE, as_bytes, as_text
from poorwsgi.perimeterx.cookies import (
    Risk,
    copied,
    decode,
    decode_enrichment,
    is_signed,
)
from poorwsgi.perimeterx.tokens import Token, parse_token

if TYPE_CHECKING:
    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.context import Context

# What is found. The first two are verdicts, all others reasons for a call.
PASSES = "cookie"
HIGH_SCORE = "cookie_high_score"
NO_COOKIE = "no_cookie"
BROKEN = "cookie_decryption_failed"
EXPIRED = "cookie_expired"
UNSIGNED = "cookie_validation_failed"
SENSITIVE = "sensitive_route"
MOBILE_ERROR = "mobile_error_"

# What is reported of an original token.
NOT_DECRYPTED = "decryption_failed"
NOT_VALID = "validation_failed"

CACHE_SIZE = 1024


class Evidence(NamedTuple):
    """A value to decode, and the user agent that it is signed with."""

    label: str
    version: int
    value: str
    agent: bytes


class CookieCache:
    """Verified cookies, so that a visitor's second request is cheap.

    SECURITY: only what the service signed gets in, so nobody fills it with
    garbage; the key is a keyed hash over value, user agent and address, so
    nobody aims at a slot; the size is bounded, the oldest use goes first; an
    expired cookie leaves. Score and expiry are judged again at each use.
    """

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._secret = os.urandom(32)
        self._lock = Lock()
        self._risks: OrderedDict[bytes, Risk] = OrderedDict()

    def __len__(self) -> int:
        return len(self._risks)

    def key(self, evidence: Evidence, ip: str) -> bytes:
        """Return the slot of a cookie for one visitor."""
        value = as_bytes(evidence.value)
        # Only version 1 may be signed with the address.
        address = as_bytes(ip) if evidence.version == 1 else b""
        sizes = b"%d:%d:%d:" % (evidence.version, len(value), len(address))
        text = sizes + value + address + evidence.agent
        return blake2b(text, key=self._secret, digest_size=32).digest()

    def get(self, key: bytes, now: float) -> Risk | None:
        """Return a verified cookie; an expired one for the last time."""
        with self._lock:
            risk = self._risks.get(key)
            if risk is None:
                return None
            if now > risk.expires:
                del self._risks[key]
            else:
                self._risks.move_to_end(key)
            return risk

    def put(self, key: bytes, risk: Risk) -> None:
        """Keep a verified cookie, drop the one used longest ago."""
        with self._lock:
            self._risks[key] = risk
            while len(self._risks) > self._size:
                self._risks.popitem(last=False)


def evaluate(ctx: Context, config: Config, cache: CookieCache) -> str:
    """Return what the request's cookie or token says; the first row wins.

    From a decodable cookie on, the context knows what is in it, also when a
    call follows.
    """
    read_enrichment(ctx, config)
    evidence = find_evidence(ctx)
    if evidence is None:
        return NO_COOKIE
    if isinstance(evidence, Token):
        read_original_token(ctx, config)
        return MOBILE_ERROR + evidence.error

    now = time() * 1000
    key = cache.key(evidence, ctx.ip)
    cached = cache.get(key, now)
    try:
        risk = cached or decode_evidence(evidence, config)
    except ValueError:
        ctx.px_cookie_raw = f"{evidence.label}={as_text(evidence.value[:MAX_VALUE])}"
        return BROKEN
    remember(ctx, risk)

    # SECURITY: a high score blocks before expiry and signature are looked
    # at; to forge one only blocks the forger.
    if risk.score >= config.blocking_score:
        return HIGH_SCORE
    if now > risk.expires:
        return EXPIRED
    if cached is None:
        if not is_signed(risk, config.key, evidence.agent, ctx.ip):
            return UNSIGNED
        cache.put(key, risk)
    return SENSITIVE if ctx.sensitive_route else PASSES


def find_evidence(ctx: Context) -> Evidence | Token | None:
    """Return the value to look at, or the error that a mobile SDK reports."""
    if ctx.token is not None:
        token = parse_token(ctx.token)
        if token.error:
            return token
        ctx.px_cookies = {str(token.version): token.value}
        # Mobile tokens are signed without a user agent.
        return Evidence(str(token.version), token.version, token.value, b"")
    for label, version in (("_px3", 3), ("_px", 1)):
        if label in ctx.px_cookies:
            value = ctx.px_cookies[label]
            return Evidence(label, version, value, ctx.signed_agent)
    return None


def decode_evidence(evidence: Evidence, config: Config) -> Risk:
    if len(evidence.value) > MAX_VALUE:
        raise ValueError("longer than any real one")
    return decode(
        evidence.version, evidence.value, config.key, config.encryption_enabled
    )


def remember(ctx: Context, risk: Risk) -> None:
    """Tell the context what the cookie says."""
    ctx.score = risk.score
    ctx.uuid = risk.uuid
    ctx.block_action = risk.action
    ctx.cookie_hmac = as_text(risk.hmac)
    # A copy: handlers may change it, and the cache keeps the original.
    ctx.decoded_cookie = copied(risk.fields)
    if risk.vid:
        ctx.vid, ctx.vid_source = risk.vid, "risk_cookie"


def read_original_token(ctx: Context, config: Config) -> None:
    """Read the last good token of an SDK in trouble; it decides nothing."""
    if ctx.original_token is None:
        return
    ctx.reported_token = as_text(ctx.original_token[:MAX_VALUE])
    token = parse_token(ctx.original_token)
    evidence = Evidence("", token.version, token.value, b"")
    try:
        if not token.prefixed:
            raise ValueError("no version")
        risk = decode_evidence(evidence, config)
    except ValueError:
        ctx.original_token_error = NOT_DECRYPTED
        return
    ctx.original_uuid = risk.uuid
    ctx.decoded_original_token = risk.fields
    if risk.vid:
        ctx.vid, ctx.vid_source = risk.vid, "risk_cookie"
    if not is_signed(risk, config.key, b"", ctx.ip):
        ctx.original_token_error = NOT_VALID


def read_enrichment(ctx: Context, config: Config) -> None:
    """Read `_pxde`; a broken one changes nothing."""
    if ctx.raw_pxde is None or len(ctx.raw_pxde) > MAX_VALUE:
        return
    try:
        ctx.pxde, ctx.pxde_verified = decode_enrichment(ctx.raw_pxde, config.key)
    except ValueError:
        return
