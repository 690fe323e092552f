"""What the middleware knows about one request.

Everything is read from the environ; the body is never touched. Environ
strings are latin-1 bytes in disguise (PEP 3333), and whatever a client puts
there, nothing here raises.
"""

from __future__ import annotations

import logging
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from wsgiref.types import WSGIEnvironment

    from poorwsgi.perimeterx.config import Config

log = logging.getLogger("poorwsgi.perimeterx")

#: Longer risk cookies and tokens are not decoded.
MAX_VALUE = 4096

#: RFC 3986: what may stand in a path, resp. a query, without an escape. "%"
#: is data in a decoded path, and already an escape in a query.
PATH_SAFE = "/-._~!$&'()*+,;=:@"
QUERY_SAFE = PATH_SAFE + "?%"

#: Headers whose environ keys have no prefix.
_BARE = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
_COMMON = {
    f"HTTP_{name.upper().replace('-', '_')}": name
    for name in (
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Cache-Control",
        "Connection",
        "Cookie",
        "Host",
        "Referer",
        "Sec-Fetch-Dest",
        "Sec-Fetch-Mode",
        "Sec-Fetch-Site",
        "Upgrade-Insecure-Requests",
        "User-Agent",
    )
}

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"[0-9]+")
_SLASHES = re.compile(r"//+")


class Context:
    """One request and, step by step, what was found out about it.

    Handlers may read all of it. Changes that `additional_activity_handler`
    makes are reported; they never change the answer.
    """

    def __init__(self, environ: WSGIEnvironment, config: Config, path: str) -> None:
        self.http_method = as_text(str(environ.get("REQUEST_METHOD", "GET")))
        self.http_version = protocol_version(environ)
        self.hostname = host_of(environ)
        self.uri = quoted_path(environ)
        self.full_url = url_of(environ, self.hostname, self.uri)
        self.user_agent = as_text(header(environ, "HTTP_USER_AGENT"))
        self.headers = visible_headers(environ, config.hidden_keys)
        self.ip = ""
        self.sensitive_route = path.startswith(config.sensitive_routes)
        self.whitelist_route = path.startswith(config.whitelist_routes)
        #: The User-Agent as it is signed: bytes as they came.
        self.signed_agent = as_bytes(header(environ, "HTTP_USER_AGENT"))

        self._read_credentials(environ)

        self.score: float | None = None
        self.uuid = ""
        self.block_action = "c"
        self.decoded_cookie: dict[str, Any] | None = None
        self.cookie_hmac: str | None = None
        self.px_cookie_raw: str | None = None
        self.reported_token: str | None = None
        self.original_uuid: str | None = None
        self.original_token_error: str | None = None
        self.decoded_original_token: dict[str, Any] | None = None

        self.s2s_call_reason = "none"
        self.risk_rtt: float = 0
        self.pass_reason: str | None = None
        self.block_reason: str | None = None
        self.action_body: str | None = None
        self.new_pxhd: str | None = None
        self.custom_params: dict[str, Any] | None = None

    def _read_credentials(self, environ: WSGIEnvironment) -> None:
        """Take what identifies the visitor: a mobile token, else cookies."""
        self.token: str | None = environ.get("HTTP_X_PX_AUTHORIZATION")
        self.is_mobile = self.token is not None
        self.cookie_origin = "header" if self.is_mobile else "cookie"
        self.original_token: str | None = None
        if self.is_mobile:
            self.original_token = environ.get("HTTP_X_PX_ORIGINAL_TOKEN")
            cookies = {}
        else:
            cookies = parse_cookies(header(environ, "HTTP_COOKIE"))
        self.request_cookie_names = [as_text(name) for name in cookies]
        self.px_cookies: dict[str, str] = {
            name: cookies[name] for name in ("_px3", "_px") if name in cookies
        }
        self.vid = visitor_id(cookies)
        self.vid_source = "vid_cookie" if self.vid else ""
        self.pxhd = as_text(cookies.get("_pxhd", ""))
        self.raw_pxde = cookies.get("_pxde")
        self.pxde: Any = None
        self.pxde_verified = False

    def __repr__(self) -> str:
        return (
            f"<Context {self.http_method!r} {self.uri!r} score={self.score!r} "
            f"call={self.s2s_call_reason!r} pass={self.pass_reason!r} "
            f"block={self.block_reason!r}>"
        )


def header(environ: WSGIEnvironment, key: str) -> str:
    """Return a header value by its environ key, '' if it did not come."""
    return str(environ.get(key) or "")


def as_bytes(text: str) -> bytes:
    """Return the bytes that the client sent for an environ string."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # no environ string, but never a reason to fail
        return text.encode("utf-8", "surrogatepass")


def as_text(text: str) -> str:
    """Return the text that an environ string stands for."""
    if text.isascii():
        return text
    try:
        return as_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        return text


def parse_cookies(line: str) -> dict[str, str]:
    """Return names and values; a broken pair never hides the next one."""
    cookies: dict[str, str] = {}
    for pair in line.split(";"):
        name, equals, value = pair.partition("=")
        # Not strip(): half of an encoded letter can be a latin-1 blank.
        name = name.strip(" \t")
        if not equals or not name:
            continue
        value = value.strip(" \t")
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        # RFC 6265, 5.4: the most specific one is sent first.
        cookies.setdefault(name, value)
    return cookies


def visitor_id(cookies: dict[str, str]) -> str:
    """Return the visitor id of the cookie, '' if there is none.

    SECURITY: it is written into pages and headers, so only a UUID is one.
    """
    for name in ("_pxvid", "pxvid"):
        value = cookies.get(name, "")
        if _UUID.fullmatch(value):
            return value
    return ""


def path_text(environ: WSGIEnvironment) -> str:
    """Return the path of the request as text.

    SECURITY: some frameworks drop the bytes that are no UTF-8, and see
    `/lo%FFgin` as `/login`, so the rules have to see that too.
    """
    raw = str(environ.get("PATH_INFO") or "")
    return raw if raw.isascii() else as_bytes(raw).decode("utf-8", "ignore")


def literal_path(environ: WSGIEnvironment) -> str:
    """Return the path with its dot segments, and without repeated slashes.

    SECURITY: what applications see that resolve nothing. For a route without
    an end, such as `^login`, `/login/../free` is a log-in.
    """
    return _SLASHES.sub("/", f"/{path_text(environ)}")


def rule_path(environ: WSGIEnvironment) -> str:
    """Return the path that prefix rules are matched with.

    SECURITY: an application sees `/x/../login` and `//login` as `/login`, so
    the rules have to see that too.
    """
    raw = path_text(environ)
    if "//" not in raw and "/." not in raw and raw.startswith("/"):
        return raw
    kept: list[str] = []
    segments = raw.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    path = "/" + "/".join(kept)
    if kept and segments[-1] in ("", ".", ".."):
        path += "/"
    return path


def quoted_path(environ: WSGIEnvironment) -> str:
    """Return the path of the request, percent-encoded."""
    raw = f"{environ.get('SCRIPT_NAME') or ''}{environ.get('PATH_INFO') or ''}"
    return quote(as_bytes(raw), safe=PATH_SAFE) or "/"


def quoted_query(environ: WSGIEnvironment) -> str:
    """Return `?query` with everything escaped that has to be, or ''."""
    raw = str(environ.get("QUERY_STRING") or "")
    return "?" + quote(as_bytes(raw), safe=QUERY_SAFE) if raw else ""


def host_of(environ: WSGIEnvironment) -> str:
    """Return the Host header, else the server's own name and port."""
    if host := header(environ, "HTTP_HOST"):
        return as_text(host)
    name, port = header(environ, "SERVER_NAME"), header(environ, "SERVER_PORT")
    return name if port in ("", "80", "443") else f"{name}:{port}"


def url_of(environ: WSGIEnvironment, host: str, path: str) -> str:
    scheme = environ.get("wsgi.url_scheme", "http")
    return f"{scheme}://{host}{path}{quoted_query(environ)}"


def protocol_version(environ: WSGIEnvironment) -> str:
    return as_text(str(environ.get("SERVER_PROTOCOL", "")).partition("/")[2])


def environ_headers(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    """Yield all request headers as they came: `User-Agent`, raw value."""
    for key, value in environ.items():
        if key.startswith("HTTP_") or (key in _BARE and value):
            yield header_name(key), str(value)


def header_name(key: str) -> str:
    """Return the name of a header, `User-Agent`, by its environ key."""
    # PERF: most requests have the same ones.
    if name := _COMMON.get(key):
        return name
    return key.removeprefix("HTTP_").replace("_", "-").title()


def visible_headers(environ: WSGIEnvironment, hidden: frozenset[str]) -> dict[str, str]:
    """Return the headers that servers of the service may see, as text.

    :param hidden: environ keys
    """
    return {
        as_text(header_name(key)): as_text(str(value))
        for key, value in environ.items()
        if (key.startswith("HTTP_") or (key in _BARE and value)) and key not in hidden
    }


def is_address(value: object) -> bool:
    """Tell whether this is an IP address, and nothing but one."""
    # SECURITY: ipaddress takes any text after "%" as a zone.
    if not isinstance(value, str) or "%" in value:
        return False
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def trusted_address(environ: WSGIEnvironment, config: Config) -> str | None:
    """Return the address that the first usable of `ip_headers` tells."""
    for key in config.ip_keys:
        value = header(environ, key).partition(",")[0].strip()
        if is_address(value):
            return value
    return None


def lists_json(value: str) -> bool:
    """Tell whether a list of media types names application/json."""
    if "json" not in value.lower():
        return False
    return any(
        item.partition(";")[0].strip().lower() == "application/json"
        for item in value.split(",")
    )


def wants_json(environ: WSGIEnvironment) -> bool:
    """Tell whether the client reads JSON: by Accept or by what it sends."""
    return lists_json(header(environ, "HTTP_ACCEPT")) or lists_json(
        header(environ, "CONTENT_TYPE")
    )


def is_digits(text: str) -> bool:
    """Tell whether a text is one or more ASCII digits."""
    return _DIGITS.fullmatch(text) is not None
