"""The call to the risk API: what is asked, and what an answer is."""

from __future__ import annotations

import json
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.perimeterx.answer import is_header
from poorwsgi.perimeterx.cookies import is_number, known_action, load_json
from poorwsgi.perimeterx.evaluation import BROKEN, EXPIRED, UNSIGNED
from poorwsgi.perimeterx.transport import Call, Deadline

if TYPE_CHECKING:
    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.context import Context
    from poorwsgi.perimeterx.transport import Upstream

MODULE_VERSION = "PoorWSGI PerimeterX Module v1.0"
PATH = "/api/v3/risk"
MAX_ANSWER = 1 << 20
MAX_PXHD = 1024

#: RFC 6265, 4.1.1: no control characters, blanks, quotes, commas,
#: semicolons, backslashes.
_NOT_IN_COOKIES = frozenset('",;\\')


class RiskError(Exception):
    """The answer of the risk API is none."""


class RiskAnswer(NamedTuple):
    """An answer of the risk API, checked."""

    score: float
    uuid: str
    action: str
    body: str | None
    pxhd: str | None
    enrichment: Any


def service_headers(config: Config) -> list[tuple[str, str]]:
    """Return the headers of everything that is posted to the service."""
    return [
        ("Authorization", f"Bearer {config.auth_token}"),
        ("Content-Type", "application/json"),
    ]


def ask(ctx: Context, config: Config, api: Upstream) -> RiskAnswer:
    """Ask the service about a request and note how long it took."""
    body = json.dumps(risk_body(ctx, config), default=str).encode("ascii")
    call = Call("POST", PATH, service_headers(config), body)
    started = monotonic()
    try:
        reply = api.exchange(call, Deadline(config.timeout), MAX_ANSWER)
    finally:
        ctx.risk_rtt = round(monotonic() - started, 6)
    if reply.status != 200:
        raise RiskError(f"status {reply.status}")
    return parse_answer(reply.body)


def risk_body(ctx: Context, config: Config) -> dict[str, Any]:
    """Return what the service is told about a request."""
    headers = [{"name": name, "value": value} for name, value in ctx.headers.items()]
    body: dict[str, Any] = {
        "request": {"ip": ctx.ip, "url": ctx.full_url, "headers": headers},
        "additional": additional(ctx, config),
    }
    if ctx.vid:
        body["vid"] = ctx.vid
    if ctx.decoded_cookie is not None:
        body["uuid"] = ctx.uuid
    if ctx.pxhd:
        body["pxhd"] = ctx.pxhd
    return body


def additional(ctx: Context, config: Config) -> dict[str, Any]:
    """Return the details of a call; a field is there if it is known."""
    reason = ctx.s2s_call_reason
    fields: dict[str, Any] = {
        "s2s_call_reason": reason,
        "http_method": ctx.http_method,
        "http_version": ctx.http_version,
        "module_version": MODULE_VERSION,
        "risk_mode": config.module_mode,
        "cookie_origin": ctx.cookie_origin,
    }
    optional = {
        "enforcer_vid_source": ctx.vid_source or None,
        "px_cookie_hmac": ctx.cookie_hmac,
        "request_cookie_names": ctx.request_cookie_names or None,
        "px_cookie": ctx.decoded_cookie if reason in (EXPIRED, UNSIGNED) else None,
        "px_cookie_raw": ctx.px_cookie_raw if reason == BROKEN else None,
        "original_token": ctx.reported_token,
        "original_uuid": ctx.original_uuid,
        "original_token_error": ctx.original_token_error,
        "decoded_original_token": ctx.decoded_original_token,
    }
    fields.update((name, item) for name, item in optional.items() if item is not None)
    fields.update(ctx.custom_params or {})
    return fields


def parse_answer(data: bytes) -> RiskAnswer:
    """Check an answer; only a whole and sane one decides anything."""
    try:
        answer = load_json(data)
    except ValueError:
        raise RiskError("no JSON") from None
    if not isinstance(answer, dict):
        raise RiskError("no object")
    score, status = answer.get("score"), answer.get("status", 0)
    if not is_number(score):
        raise RiskError("no numeric score")
    if not is_number(status) or status != 0:
        raise RiskError(f"status {str(status)[:40]!r} inside")
    uuid = answer.get("uuid")
    return RiskAnswer(
        score=score,
        uuid=uuid if isinstance(uuid, str) else "",
        action=known_action(answer.get("action")),
        body=action_body(answer.get("action_data")),
        pxhd=legal_pxhd(answer.get("pxhd")),
        enrichment=answer.get("data_enrichment"),
    )


def action_body(action_data: object) -> str | None:
    """Return the page that the service wants shown, if it brought one."""
    body = action_data.get("body") if isinstance(action_data, dict) else None
    return body if isinstance(body, str) and body else None


def legal_pxhd(value: object) -> str | None:
    """Return the value if it can be a cookie, whoever sent it."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_PXHD:
        return None
    # SECURITY: it is written into a header of our answer.
    if not is_header("Set-Cookie", value):
        return None
    visible = all("!" <= character <= "~" for character in value)
    return value if visible and not _NOT_IN_COOKIES & set(value) else None


def remember(ctx: Context, answer: RiskAnswer) -> None:
    """Tell the context what the service said."""
    ctx.score = answer.score
    ctx.uuid = answer.uuid or ctx.uuid
    ctx.block_action = answer.action
    ctx.action_body = answer.body
    if answer.enrichment is not None:
        ctx.pxde, ctx.pxde_verified = answer.enrichment, True
    if answer.pxhd is not None and answer.pxhd != ctx.pxhd:
        ctx.pxhd = ctx.new_pxhd = answer.pxhd
