"""Answers of the framework itself: errors, the directory index, debug-info.

Pages are files in `templates/`; what fills them is escaped on the way. A page
tells a client nothing of the inside unless `debug` is on. Which answer is due
is decided in wsgi; requests are only read here, and any of their attributes
may be missing, since a page must also come out of a request that is broken.
"""

from __future__ import annotations

import json
import os
import re
from functools import partial
from logging import getLogger
from stat import S_ISDIR, S_ISREG
from time import localtime, strftime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from poorwsgi.headers import parse_negotiation, time_to_http
from poorwsgi.headers import quote as quoted_string
from poorwsgi.render import (
    HTML_ESCAPE_TABLE,
    Html,
    Template,
    html_escape,
    read_template,
    render,
)
from poorwsgi.response import (
    HTTPException,
    NotModifiedResponse,
    Response,
)
from poorwsgi.state import (
    HTTP_BAD_REQUEST,
    HTTP_FORBIDDEN,
    HTTP_INTERNAL_SERVER_ERROR,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_NOT_FOUND,
    HTTP_NOT_IMPLEMENTED,
    HTTP_NOT_MODIFIED,
    HTTP_OK,
    HTTP_UNAUTHORIZED,
    METHOD_ALL,
    REASONS,
    methods,
    sorted_methods,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "HTML_ESCAPE_TABLE",
    "bad_request",
    "debug_info",
    "default_states",
    "directory_index",
    "forbidden",
    "internal_server_error",
    "method_not_allowed",
    "not_found",
    "not_implemented",
    "not_modified",
    "status_page",
]

log = getLogger("poorwsgi")

HTML = "text/html; charset=utf-8"

#: Headlines that say more than the reason phrase of the status.
TITLES = {
    HTTP_FORBIDDEN: "Forbidden Access",
    HTTP_NOT_FOUND: "Page Not Found",
}

#: What happened, for somebody who has never heard of HTTP.
TEXTS = {
    HTTP_BAD_REQUEST: "The server could not understand this request.",
    HTTP_UNAUTHORIZED: "You have to log in to see this page.",
    HTTP_FORBIDDEN: "You may not see what is at this address.",
    HTTP_NOT_FOUND: "There is nothing at this address on this server.",
    HTTP_METHOD_NOT_ALLOWED: "This address cannot be used with this method.",
    408: "The request took too long to arrive.",
    410: "What was at this address is gone for good.",
    411: "The request has to say how long its body is.",
    412: "What you wanted to change or fetch is not what it was before.",
    413: "The request has a larger body than this server accepts.",
    414: "The address of the request is too long.",
    415: "The request has a body of a type that is not accepted here.",
    416: "The file does not have the part that was asked for.",
    421: "This server does not answer for that host.",
    429: "Too many requests in a short time. Try again later.",
    431: "The headers of the request are too large.",
    HTTP_INTERNAL_SERVER_ERROR: "The server failed at this request.",
    HTTP_NOT_IMPLEMENTED: "This request is not implemented on this server.",
    503: "The server is not available at the moment. Try again later.",
}

_KIND_TEXTS = {
    2: "The server has done what was asked.",
    3: "The server refers to another place.",
    4: "The server does not accept this request.",
    5: "The server could not answer this request.",
}


# -- small things that pages are made of -------------------------------------


def hbytes(nbytes: float) -> tuple[float, str]:
    """Return a number of bytes as a small number and its unit prefix.

    >>> hbytes(1000), hbytes(2048)
    ((1000, ''), (2.0, 'k'))
    """
    for unit in ("", "k", "M", "G", "T"):
        if nbytes <= 1000:
            return nbytes, unit
        nbytes /= 1024.0
    return nbytes, "P"


def human_methods_(method: int) -> str:
    """Return the names in a method mask.

    >>> human_methods_(6)
    'GET | POST'
    """
    if method == METHOD_ALL:
        return "ALL"
    return " | ".join(name for name, bit in sorted_methods if method & bit)


def handlers_view(
    handlers: Mapping[Any, Mapping[int, Any]], sort: bool = True
) -> list[tuple[Any, int, Any]]:
    """Return (key, method mask, handler) for each handler of each key."""
    rows = []
    for key in sorted(handlers) if sort else handlers:
        masks: dict[int, tuple[Any, int]] = {}
        for bit, handler in handlers[key].items():
            _, mask = masks.get(id(handler), (handler, 0))
            masks[id(handler)] = (handler, mask | bit)
        rows += [(key, mask, handler) for handler, mask in masks.values()]
    return rows


def handler_name(handler: Any) -> str:
    """Return `module.name(arguments)`, as far as a callable tells them."""
    if handler is None:
        return "-"
    described = handler
    while isinstance(described, partial):
        described = described.func
    name = getattr(described, "__name__", None) or type(described).__name__
    module = getattr(described, "__module__", None) or "?"
    code = getattr(described, "__code__", None)
    try:
        arguments = ", ".join(code.co_varnames[: code.co_argcount])  # type: ignore[union-attr]
    except (AttributeError, TypeError):
        arguments = "..."
    return f"{module}.{name}({arguments})"


def _uri(req: Any) -> str:
    """Return the path of the request; reading it may be what went wrong."""
    try:
        return str(req.uri)
    except HTTPException:
        return ""


# -- HTML or JSON ------------------------------------------------------------


def json_type(accept: str) -> str:
    """Return the JSON type that an Accept header prefers to HTML, or "".

    Only a type that is named counts: `*/*` is what clients send that do not
    care, and they get the page that a person can read.
    """
    accept = accept.lower()
    if "json" not in accept:
        return ""
    best = {"json": (0.0, 0, ""), "html": (0.0, 0, ""), "*": (0.0, 0, "")}
    for place, (member, quality) in enumerate(parse_negotiation(accept)):
        name = member.partition(";")[0].strip()
        kind = _KINDS.get(name)
        if kind and (quality, -place) > best[kind][:2]:
            best[kind] = (quality, -place, name)
    wanted = best["json"]
    if not wanted[0] or wanted[:2] < best["html"][:2] or wanted[0] < best["*"][0]:
        return ""
    return wanted[2]


_KINDS = {
    "application/json": "json",
    "application/problem+json": "json",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "*/*": "*",
    "text/*": "*",
}


def _json_type_for(req: Any) -> str:
    """Return the JSON type to answer with, or "" for HTML."""
    environ = getattr(req, "_environ", None)
    accept = environ.get("HTTP_ACCEPT") if environ is not None else None
    if not isinstance(accept, str):
        return ""
    media_type = json_type(accept)
    if media_type and req.app.problem_json is True:
        return "application/problem+json"
    return media_type


def _json_page(media_type: str, status_code: int, **details: str) -> Response:
    """Return an error as JSON, with the member names of RFC 9457."""
    problem: dict[str, Any] = {"title": REASONS[status_code], "status": status_code}
    if media_type == "application/problem+json":
        problem = {"type": "about:blank", **problem}
    problem.update(details)
    return Response(json.dumps(problem), media_type, None, status_code)


# -- pages of statuses -------------------------------------------------------


def status_page(
    req: Any, status_code: int, error: object = None, text: str = ""
) -> Response:
    """Return the page of any status; 501 for a number that is none.

    *error* is shown to the client.
    """
    if status_code not in REASONS or status_code < HTTP_OK:
        # An interim status as the answer would leave the client waiting.
        return not_implemented(req, status_code)
    media_type = _json_type_for(req)
    if media_type:
        detail = {"detail": str(error)} if error else {}
        return _json_page(media_type, status_code, **detail)
    page = render(
        "error.html",
        title=f"{status_code} - {TITLES.get(status_code) or REASONS[status_code]}",
        text=text or TEXTS.get(status_code) or _KIND_TEXTS[status_code // 100],
        method=_shown_method(req),
        uri=_uri(req),
        details=[{"detail": str(error)}] if error else (),
        server_admin=req.server_admin,
    )
    return Response(page, HTML, None, status_code)


def _shown_method(req: Any) -> Any:
    """Return the method as a page shows it.

    That of HEAD is never seen, but it has the length of the one of GET.
    """
    return "GET" if req.method == "HEAD" else req.method


def _not_found_pieces() -> tuple[dict[str, bytes], str, str]:
    """Return the 404 page cut at its holes: by method up to the path, and the rest."""
    hole = Html("\0")
    page = Template(read_template("error.html")).fill(
        {
            "title": f"404 - {TITLES[HTTP_NOT_FOUND]}",
            "text": TEXTS[HTTP_NOT_FOUND],
            "method": hole,
            "uri": hole,
            "details": (),
            "server_admin": hole,
        }
    )
    head, blank, foot, end = page.split(hole)
    names = methods.keys() - {"HEAD"}
    return {name: f"{head}{name}{blank}".encode() for name in names}, foot, end


#: The page of a plain 404 up to the path, by method.
NOT_FOUND_HEADS, _FOOT, _END = _not_found_pieces()


def not_found_end(server_admin: str) -> bytes:
    """Return the page of a plain 404 behind the path."""
    return f"{_FOOT}{html_escape(server_admin)}{_END}".encode()


def not_modified(req: Any) -> NotModifiedResponse:
    """Return 304 with the validators that the request names."""
    headers = getattr(req, "headers", None) or {}
    return NotModifiedResponse(
        etag=_sendable(headers.get("ETag")),
        content_location=_sendable(headers.get("Content-Location")),
        date=time_to_http(),
    )


def _sendable(value: Any) -> Any:
    """Return a value of the request's headers, None if an answer cannot have it."""
    return None if isinstance(value, str) and not value.isprintable() else value


def bad_request(req: Any, error: object = None) -> Response:
    """Return the page of 400; *error* says what was wrong."""
    return status_page(req, HTTP_BAD_REQUEST, error)


def unauthorized(
    req: Any, realm: str | None = None, stale: bool | str = "", error: object = None
) -> Response:
    """Return the page of 401, with the challenge if Digest is switched on.

    :raises RuntimeError: Digest needs a realm and there is none
    """
    response = status_page(req, HTTP_UNAUTHORIZED, error)
    if req.app.auth_type == "Digest":
        if not realm:
            raise RuntimeError("Digest: argument `realm` is required.")
        for algorithm in _digest_offer(req.app):
            challenge = _digest_challenge(req, algorithm, realm, stale)
            response.add_header("WWW-Authenticate", challenge)
    return response


def _digest_offer(app: Any) -> tuple[str, ...]:
    """Return the algorithms to offer, the preferred one first (RFC 7616, 3.7)."""
    maps = app.auth_maps
    return tuple(maps) if isinstance(maps, dict) and maps else (app.auth_algorithm,)


def _digest_challenge(req: Any, algorithm: str, realm: str, stale: bool | str) -> str:
    """Return the challenge of RFC 7616, section 3.3."""
    # Lazy: hashing loads OpenSSL, for applications with Digest only.
    from hashlib import sha256

    from poorwsgi.session import get_nonce

    app = req.app
    opaque = sha256(str(req.server_hostname).encode()).hexdigest()
    nonce = get_nonce(req.secret_key, req.user_agent, app.auth_timeout, opaque)
    fields = [f"realm={quoted_string(realm)}"]
    if app.auth_qop:
        fields.append(f'qop="{app.auth_qop}"')
    fields += [f'algorithm="{algorithm}"', f'nonce="{nonce}"']
    fields.append(f'opaque="{opaque}"')
    if app.auth_userhash is True:
        fields.append("charset=UTF-8,userhash=true")
    if stale:
        fields.append("stale=true")
    return f"Digest {','.join(fields)}"


def forbidden(req: Any, error: object = None) -> Response:
    """Return the page of 403."""
    return status_page(req, HTTP_FORBIDDEN, error)


def not_found(req: Any, error: object = None) -> Response:
    """Return the page of 404."""
    head = NOT_FOUND_HEADS.get(_shown_method(req))
    if error is None and head is not None and not _json_type_for(req):
        # PERF: joined of what does not change; a template takes 5 us.
        page = head + html_escape(_uri(req)).encode() + not_found_end(req.server_admin)
        return Response(page, HTML, None, HTTP_NOT_FOUND)
    return status_page(req, HTTP_NOT_FOUND, error)


def method_not_allowed(req: Any, error: object = None) -> Response:
    """Return the page of 405; wsgi adds Allow."""
    return status_page(req, HTTP_METHOD_NOT_ALLOWED, error)


def not_implemented(req: Any, code: object = None, error: object = None) -> Response:
    """Return the page of 501; *code* is the status that nobody handles."""
    text = f"Status {code} is not implemented on this server." if code else ""
    return status_page(req, HTTP_NOT_IMPLEMENTED, error, text)


def internal_server_error(req: Any, *_: object) -> Response:
    """Log the exception that is being handled and return the page of 500.

    The page and the log record carry the same error id. Only in debug mode
    the page shows more.
    """
    error_id = os.urandom(4).hex()
    uri = _uri(req)
    # wsgi calls this, by way of the table of states, while it handles the error.
    log.exception(  # noqa: LOG004
        "%.10s %.500r failed, error id %s",
        req.method,
        uri,
        error_id,
        extra={
            "method": req.method,
            "rule": req.uri_rule,
            "status": HTTP_INTERNAL_SERVER_ERROR,
            "error_id": error_id,
        },
    )
    if req.debug:
        return _traceback_page(req, uri, error_id)
    media_type = _json_type_for(req)
    if media_type:
        return _json_page(media_type, HTTP_INTERNAL_SERVER_ERROR, error_id=error_id)
    error = f"error id: {error_id}"
    return status_page(req, HTTP_INTERNAL_SERVER_ERROR, error)


def _traceback_page(req: Any, uri: str, error_id: str) -> Response:
    """Return the page of 500 for the developer."""
    from traceback import format_exc

    status, media_type = HTTP_INTERNAL_SERVER_ERROR, _json_type_for(req)
    if media_type:
        trace = format_exc()
        return _json_page(media_type, status, error_id=error_id, traceback=trace)
    rows = {
        "Error id": error_id,
        "Remote host": req.remote_host,
        "Remote addr": req.remote_addr,
        "Method": req.method,
        "URI": uri,
        "URI rule": req.uri_rule,
        "URI handler": handler_name(req.uri_handler),
    }
    page = render(
        "server_error.html",
        title=f"{status} - {REASONS[status]}",
        text=TEXTS[status],
        method=req.method,
        uri=uri,
        rows=[{"name": name, "value": value} for name, value in rows.items()],
        traceback=format_exc(),
        server_admin=req.server_admin,
    )
    return Response(page, HTML, None, status)


def _page_of(status_code: int) -> Callable[..., Response]:
    """Return a state handler for a status without a page of its own."""

    def page(req: Any, error: object = None) -> Response:
        return status_page(req, status_code, error)

    name = re.sub("[^a-z]+", "_", REASONS[status_code].lower()).strip("_")
    page.__name__ = page.__qualname__ = name
    page.__doc__ = f"Return the page of {status_code}."
    return page


def _all_methods(handler: Callable[..., Any]) -> dict[int, Callable[..., Any]]:
    return dict.fromkeys(methods.values(), handler)


#: Handlers of statuses for which the application has none of its own.
default_states: dict[int, dict[int, Callable[..., Any]]] = {
    HTTP_NOT_MODIFIED: _all_methods(not_modified),
    **{code: _all_methods(_page_of(code)) for code in REASONS if code >= 400},
    HTTP_BAD_REQUEST: _all_methods(bad_request),
    HTTP_UNAUTHORIZED: _all_methods(unauthorized),
    HTTP_FORBIDDEN: _all_methods(forbidden),
    HTTP_NOT_FOUND: _all_methods(not_found),
    HTTP_METHOD_NOT_ALLOWED: _all_methods(method_not_allowed),
    HTTP_INTERNAL_SERVER_ERROR: _all_methods(internal_server_error),
    HTTP_NOT_IMPLEMENTED: _all_methods(not_implemented),
}


# -- directory index ---------------------------------------------------------


def directory_index(req: Any, path: str) -> tuple[str, str, tuple[str, str]]:
    """Return the list of a directory: HTML, its type, and one header.

    Shown are readable files and directories whose name starts with no dot and
    ends with no tilde. :raises HTTPException: 500 if *path* is no directory.
    """
    if not os.path.isdir(path):
        log.error("Directory index of %r, which is no directory", path)
        raise HTTPException(HTTP_INTERNAL_SERVER_ERROR)
    from mimetypes import guess_type

    rows = [] if _is_root(req, path) else [_row("..", "../", os.stat(path), "", "")]
    for name in sorted(os.listdir(path)):
        entry = os.path.join(path, name)
        stat = None if _is_hidden(req, name) else _listable(req, entry)
        if stat is None:
            continue
        # A path relative to this one: "a:b" and "//x" must not be URLs.
        href = quote(name, safe="")
        if S_ISDIR(stat.st_mode):
            rows.append(_row(f"{name}/", f"{href}/", stat, "", "directory"))
        else:
            media_type = guess_type(name)[0] or "application/octet-stream"
            rows.append(_row(name, href, stat, _size(stat.st_size), media_type))
    page = render(
        "directory.html",
        title=f"Index of {_uri(req)}",
        rows=rows,
        server=f"{req.server_software} · " if req.debug else "",
        server_admin=req.server_admin,
    )
    changed = time_to_http(int(os.stat(path).st_mtime))
    return page, HTML, ("Last-Modified", changed)


_UNDECODABLE = re.compile("[\ud800-\udfff]")


def _is_hidden(req: Any, name: str) -> bool:
    """Return True for names that are not shown, or that no URL can have."""
    if name[0] == "." and req.app.serve_hidden is not True:
        return True
    return name[-1] == "~" or _UNDECODABLE.search(name) is not None


def _root_of(req: Any) -> str:
    """Return the document root, whatever directory the server is in now."""
    return os.path.join(getattr(req.app, "started_in", ""), str(req.document_root))


def _is_root(req: Any, path: str) -> bool:
    """Return True if there is no way up from *path*."""
    root = _root_of(req)
    # COMPAT: 2.8.1 compared with the path less its last character, and
    # callers pass the root in that form.
    return path[:-1] == root or os.path.realpath(path) == os.path.realpath(root)


def _listable(req: Any, entry: str) -> os.stat_result | None:
    """Return the stat of what may be shown and would be served, else None."""
    if not os.access(entry, os.R_OK):
        return None
    try:
        stat = os.stat(entry)
        if os.path.islink(entry) and not req.app.follow_symlinks:
            root = os.path.realpath(_root_of(req))
            if not os.path.realpath(entry).startswith(root.rstrip("/") + "/"):
                return None
    except OSError:  # it has just vanished
        return None
    return stat if S_ISREG(stat.st_mode) or S_ISDIR(stat.st_mode) else None


def _row(
    name: str, href: str, stat: os.stat_result, size: str, media_type: str
) -> dict[str, str]:
    date = strftime("%Y-%m-%d %H:%M", localtime(stat.st_mtime))
    return {"name": name, "href": href, "date": date, "size": size, "type": media_type}


def _size(nbytes: int) -> str:
    value, unit = hbytes(nbytes)
    return f"{value:.1f} {unit}B" if unit else f"{value} B"


# -- debug-info --------------------------------------------------------------


def debug_info(req: Any, app: Any) -> str:
    """Return the page about the application and this request."""
    # Only debugging loads it: it reads sources, signatures and profiles.
    from poorwsgi.debug_page import page

    return page(req, app)


def debug_answer(req: Any, app: Any) -> Any:
    """Return what /debug-info answers: the page, JSON, or what a tool did."""
    from poorwsgi.debug_page import answer

    return answer(req, app)
