"""First-party addresses: scripts and reports of the service under our host.

SECURITY: where the middleware connects to comes from the configuration alone;
what a client sends ends up in the path, percent-encoded, and nowhere else.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from poorwsgi.perimeterx.answer import (
    NO_STORE,
    Answer,
    is_header,
    status_line,
    whole,
)
from poorwsgi.perimeterx.context import (
    PATH_SAFE,
    as_bytes,
    environ_headers,
    header,
    is_address,
    is_digits,
    parse_cookies,
    quoted_query,
    visitor_id,
)
from poorwsgi.perimeterx.transport import (
    Call,
    Deadline,
    DeadlineError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIEnvironment

    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.quiet import QuietLog
    from poorwsgi.perimeterx.transport import Reply, Upstream

CLIENT, CAPTCHA, XHR = "client", "captcha", "xhr"

MAX_BODY = 1 << 20
MAX_REPLY = 4 << 20
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_HOP_BY_HOP = """
connection keep-alive proxy-authenticate proxy-authorization proxy-connection te
trailer trailers transfer-encoding upgrade
"""
_OWN_HEADERS = """
host content-length cookie expect x-px-first-party x-px-enforcer-true-ip
x-forwarded-for if-none-match if-modified-since
"""
#: RFC 9110, 7.6.1, and those that RFC 2616 had.
HOP_BY_HOP = frozenset(_HOP_BY_HOP.split())
#: Headers of the request that are ours to set, or nobody's. Those that ask for
#: a 304: it would become the default answer, an empty script, and replace the
#: one that the browser has.
OWN_HEADERS = frozenset(_OWN_HEADERS.split())

SCRIPT = ("Content-Type", "application/javascript")
JSON = ("Content-Type", "application/json")
GIF = ("Content-Type", "image/gif")
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


class Address(NamedTuple):
    """A first-party address: which one, and the path after it."""

    kind: str
    rest: str


class RefusedError(Exception):
    """A request that is not forwarded."""


class FirstParty:
    """Finds and answers the first-party addresses of one app id."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._prefix = f"/{config.short_id}/".lower()

    def find(self, environ: WSGIEnvironment) -> Address | None:
        """Return the address that the raw path is, if it is one."""
        path = str(environ.get("PATH_INFO") or "")
        start = len(self._prefix)
        if path[:start].lower() != self._prefix:
            return None
        tail = path[start:]
        if tail.lower() == "init.js":
            return Address(CLIENT, "")
        for kind in (CAPTCHA, XHR):
            # The slash is the boundary: /xhr@host and /xhr.host are nothing.
            if tail[: len(kind) + 1].lower() == f"{kind}/":
                return Address(kind, tail[len(kind) + 1 :])
        return None

    def answer(
        self,
        environ: WSGIEnvironment,
        address: Address,
        ip: str,
        upstream: Upstream,
        quiet: QuietLog,
    ) -> Answer:
        """Return the service's answer, or a harmless one."""
        try:
            call = self._call(environ, address, ip)
            deadline = Deadline(self._config.timeout)
            reply = upstream.exchange(call, deadline, MAX_REPLY)
            return forwarded(reply, default_type(address))
        except RefusedError:
            pass
        except (DeadlineError, TransportError) as err:
            text = f"first party {address.kind}: {err}"
            quiet.say(logging.WARNING, f"first party {address.kind}", text)
        except Exception as err:
            quiet.say(logging.ERROR, "first party", "first party failed", err)
        return default_answer(address)

    def _call(self, environ: WSGIEnvironment, address: Address, ip: str) -> Call:
        """Return what is asked upstream; RefusedError if nothing is."""
        config = self._config
        is_xhr = address.kind == XHR
        if not config.first_party_enabled:
            raise RefusedError("first party is off")
        if is_xhr and not config.first_party_xhr_enabled:
            raise RefusedError("XHR is off")
        method = str(environ.get("REQUEST_METHOD", "GET")) if is_xhr else "GET"
        if method not in METHODS:
            raise RefusedError("unknown method")
        target = self._target(environ, address)
        headers = list(self._headers(environ, is_xhr, ip))
        return Call(method, target, headers, read_body(environ) if is_xhr else b"")

    def _target(self, environ: WSGIEnvironment, address: Address) -> str:
        app_id = self._config.app_id
        if address.kind == CLIENT:
            return f"/{app_id}/main.min.js"
        if {".", ".."} & set(address.rest.split("/")):
            raise RefusedError("a dot segment")
        # A target that starts with two slashes could be read as a host.
        path = "/" + quote(as_bytes(address.rest.lstrip("/")), safe=PATH_SAFE)
        query = quoted_query(environ)
        return f"/{app_id}{path}{query}" if address.kind == CAPTCHA else path + query

    def _headers(
        self, environ: WSGIEnvironment, is_xhr: bool, ip: str
    ) -> Iterator[tuple[str, str]]:
        named = header(environ, "HTTP_CONNECTION").lower().split(",")
        dropped = HOP_BY_HOP | OWN_HEADERS | self._config.hidden_headers
        dropped |= {name.strip() for name in named}
        if not is_xhr:
            dropped |= {"content-type"}
        for name, value in environ_headers(environ):
            if name.lower() not in dropped and is_header(name, value):
                yield name, value
        yield "X-PX-First-Party", "1"
        if is_address(ip):
            yield "X-PX-Enforcer-True-IP", ip
            yield "X-Forwarded-For", ip
        vid = visitor_id(parse_cookies(header(environ, "HTTP_COOKIE")))
        if is_xhr and vid:
            yield "Cookie", f"pxvid={vid}"


def read_body(environ: WSGIEnvironment) -> bytes:
    """Read the body up to Content-Length; nothing past it, no huge one."""
    declared = header(environ, "CONTENT_LENGTH").strip() or "0"
    if not is_digits(declared) or len(declared) > 9 or int(declared) > MAX_BODY:
        raise RefusedError("the body is too large")
    left = int(declared)
    parts = []
    while left:
        try:
            part = environ["wsgi.input"].read(left)
        except OSError:  # the client has left
            part = b""
        if not part:
            raise RefusedError("the body is cut")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def forwarded(reply: Reply, kind: tuple[str, str]) -> Answer:
    """Return the answer of the service as ours, encoded as it came."""
    if not 200 <= reply.status < 300:
        raise TransportError(f"status {reply.status}")
    named = {
        item.strip()
        for name, value in reply.headers
        if name.lower() == "connection"
        for item in value.lower().split(",")
    }
    dropped = HOP_BY_HOP | named | {"content-length"}
    headers = [
        (name, value)
        for name, value in reply.headers
        if name.lower() not in dropped and is_header(name, value)
    ]
    if reply.status == 204:
        return Answer(status_line(204), headers, [])
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(kind)
    return whole(reply.status, reply.body, *headers)


def default_type(address: Address) -> tuple[str, str]:
    return JSON if address.kind == XHR else SCRIPT


def default_answer(address: Address) -> Answer:
    """Return what a page can do without the service with.

    SECURITY: kept in no cache. A client can make the service refuse a request,
    by a header of it, and all visitors would get that empty script.
    """
    if address.kind != XHR:
        return whole(200, b"", SCRIPT, NO_STORE)
    if "gif" in address.rest.lower():
        return whole(200, PIXEL, GIF, NO_STORE)
    return whole(200, b"{}", JSON, NO_STORE)
