"""What /debug-info shows and does: a view of inspector, checks and tracing.

`page` is the HTML, `answer` what the address gives: the page, its JSON twin
(``?format=json``), the explanation of a URL (``?match=/path&method=GET``), and, by
POST with a JSON object, the tools: run a request, profile it, set a log level.

SECURITY: only pages of the same origin are answered. Nothing that a client
sends is run: the tools call the application with a request, as a client could.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sys
from base64 import b64encode
from dataclasses import asdict
from ipaddress import ip_address
from time import localtime, monotonic, strftime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlsplit

from poorwsgi.blocks import close_body
from poorwsgi.checks import check
from poorwsgi.inspector import (
    Mask,
    as_data,
    explain,
    inspect_application,
    loggers,
    mask_for,
    split_url,
)
from poorwsgi.profiling import Profile, profile
from poorwsgi.render import Html, render
from poorwsgi.response import Response
from poorwsgi.results import status_page
from poorwsgi.state import HTTP_BAD_REQUEST, HTTP_FORBIDDEN, __version__, methods
from poorwsgi.tracing import PHASES, Recorder, Trace, Watch, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from poorwsgi.inspector import ApplicationInfo, Explanation, Handler
    from poorwsgi.inspector import Status as StatusInfo

    Row = dict[str, Any]

log = logging.getLogger("poorwsgi")

#: What the tools take and show at most.
MAX_BODY, MAX_SECONDS = 1 << 20, 20.0
_NO_STORE = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LEVELS = ("", "DEBUG", "INFO", "WARNING", "ERROR")


class ToolError(ValueError):
    """A tool can not do what it was asked for; the text is for the user."""


# -- who may ask ---------------------------------------------------------------


def foreign(environ: dict[str, Any]) -> str:
    """Say why a request is not of the same origin; "" if it is.

    Browsers say it in Sec-Fetch-Site, older ones in Origin. What sends neither
    is no browser with somebody else's page in it.
    """
    site = environ.get("HTTP_SEC_FETCH_SITE", "")
    if site and site not in ("same-origin", "none"):
        return f"the request comes from another site ({site})"
    origin = environ.get("HTTP_ORIGIN", "")
    # An origin is scheme and host (RFC 6454, 7), and text of anybody: not a URL.
    if origin and origin.partition("://")[2].lower() != _host(environ):
        return "the request comes from a page of another origin"
    return ""


def _host(environ: dict[str, Any]) -> str:
    return str(environ.get("HTTP_HOST", "")).strip().lower()


#: Names that nobody can register to let a browser take them for another host.
_PRIVATE_NAMES = ("localhost", "local", "test", "internal", "example", "invalid", "lan")


def unsure_host(environ: dict[str, Any], allowed: tuple[str, ...] | None) -> str:
    """Say why a Host may be somebody else's name for this machine, or "".

    SECURITY: by DNS rebinding a page of any public name can be of the same
    origin as a server on the loopback interface.
    """
    name = urlsplit(f"//{_host(environ)}").hostname or ""
    try:
        ip_address(name)
    except ValueError:
        is_private = "." not in name or name.rpartition(".")[2] in _PRIVATE_NAMES
        if not allowed and not is_private:
            return f"the host {name} is not known; add app.allowed_hosts = ({name!r},)"
    return ""


# -- the address ---------------------------------------------------------------


def answer(req: Any, app: Any) -> Any:
    """Return what /debug-info answers to a request."""
    environ = req._environ
    reason = foreign(environ)
    if reason:
        log.warning("/debug-info refused: %s", reason)
        return status_page(req, HTTP_FORBIDDEN, reason)
    _watch_of(app)
    if req.method == "POST" and req.mime_type == "application/json":
        return _tool_answer(req, app)
    # Not by req.args, which an application may have switched off.
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    if query.get("format") == "json":
        return _json(_data(req, app, query))
    headers = {"Content-Type": "text/html; charset=utf-8", **_NO_STORE}
    return Response(page(req, app, query), headers=headers)


def _json(data: Any, status_code: int = 200) -> Response:
    headers = {"Content-Type": "application/json", **_NO_STORE}
    text = json.dumps(data, default=str)
    return Response(text, headers=headers, status_code=status_code)


def _data(req: Any, app: Any, query: dict[str, str]) -> dict[str, Any]:
    """Return the JSON twin of the page, or the part that is asked for."""
    if "match" in query:
        return dict(as_data(explain(app, query.get("method") or "GET", query["match"])))
    environ = req.environ
    return {
        "application": as_data(inspect_application(app, environ)),
        "findings": [asdict(finding) for finding in check(app)],
        "requests": requests_of(app),
        "loggers": [asdict(one) for one in loggers()],
        "headers": asdict_pairs(mask_for(app, environ), req.headers.items()),
        "phases": PHASES,
    }


def asdict_pairs(mask: Mask, pairs: Iterable[tuple[str, object]]) -> list[list[str]]:
    """Return masked pairs as lists."""
    return [[one.name, one.value] for one in mask.pairs(pairs)]


def requests_of(app: Any) -> list[dict[str, Any]]:
    """Return what was recorded of the last requests."""
    watch = app._watch
    recorder = watch.sinks.get("recorder") if isinstance(watch, Watch) else None
    if not isinstance(recorder, Recorder):
        return []
    mask = mask_for(app, os.environ)  # the recorder knows no secrets of its own
    return [
        {n: mask.text(v) if isinstance(v, str) else v for n, v in row.items()}
        for row in recorder.requests()
    ]


# -- tools ---------------------------------------------------------------------


def _tool_answer(req: Any, app: Any) -> Response:
    """Do what the page asks for."""
    reason = unsure_host(req._environ, app.allowed_hosts)
    if reason:
        return _json({"error": reason}, HTTP_FORBIDDEN)
    wanted = req.json if app.auto_json else _json_body(req)
    name = wanted.get("do") if isinstance(wanted, dict) else None
    tool = TOOLS.get(name) if isinstance(name, str) else None
    if tool is None:
        return _json({"error": f"do is one of {', '.join(TOOLS)}"}, HTTP_BAD_REQUEST)
    try:
        return _json(tool(req, app, wanted))
    except ValueError as err:  # a ToolError, or a URL that is none
        return _json({"error": str(err)}, HTTP_BAD_REQUEST)


def _json_body(req: Any) -> Any:
    """Return the body of an application that does not parse JSON by itself."""
    try:
        return json.loads(req.read(min(req.content_length, 2 * MAX_BODY)))
    except ValueError:
        return None


def run_request(req: Any, app: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Run a request of the builder, and show the answer with its phases."""
    return _run(req, app, wanted)[0]


def profile_request(req: Any, app: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Run a request under the profiler."""
    answer, result = _run(req, app, wanted, with_profile=True)
    assert result is not None  # noqa: S101 - for type checkers
    title = f"{answer['method']} {answer['path']}"
    answer["profile"] = {
        "milliseconds": round(result.total * 1000, 3),
        "calls": result.calls,
        "table": [asdict(row) for row in result.table(25)],
        "svg": str(result.flame_graph(title)),
        "speedscope": result.speedscope(title),
        "pstats": b64encode(result.dump()).decode(),
    }
    return answer


def set_level(req: Any, app: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set the level of a logger, in this process, until it ends."""
    name, level = str(wanted.get("logger")), str(wanted.get("level"))
    if level not in LEVELS or name not in {one.name for one in loggers()}:
        raise ToolError("there is no such logger or level")
    log.info("Level of logger %r set to %s by /debug-info", name, level or "NOTSET")
    logging.getLogger(name).setLevel(level or logging.NOTSET)
    return {"loggers": [asdict(one) for one in loggers()]}


TOOLS: dict[str, Callable[[Any, Any, dict[str, Any]], dict[str, Any]]] = {
    "run": run_request,
    "profile": profile_request,
    "level": set_level,
}


def _run(
    req: Any, app: Any, wanted: dict[str, Any], with_profile: bool = False
) -> tuple[dict[str, Any], Profile | None]:
    environ = inner_environ(req._environ, wanted)
    trace = Trace(environ)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        started[:] = [status, headers]
        return lambda data: None

    def call() -> tuple[bytes, bool]:
        return _collected(_watch_of(app).walk(trace, environ, start_response))

    result = None
    try:
        if with_profile:
            trace.is_held = True  # recording it is no part of the request
            result = profile(call)
            body, is_whole = result.value
            trace.is_held = False
            _watch_of(app).end(trace)
        else:
            body, is_whole = call()
    except RuntimeError as err:
        raise ToolError(str(err)) from err
    except Exception as err:
        raise ToolError(f"{type(err).__name__} left the application: {err}") from err
    status, headers = started or ("", [])
    shown = _shown(app, trace, status, headers, body, is_whole)
    return shown, result


def _watch_of(app: Any) -> Watch:
    """Return the watch of an application; debug by a variable has none at first."""
    if app._watch is None or "recorder" not in app._watch.sinks:
        observe(app, debug=True)
    return cast("Watch", app._watch)


def _collected(body: Iterable[bytes]) -> tuple[bytes, bool]:
    """Return a body, and whether it is whole: streams may have no end."""
    blocks, size, end = [], 0, monotonic() + MAX_SECONDS
    try:
        for block in body:
            blocks.append(block)
            size += len(block)
            if size > MAX_BODY or monotonic() > end:
                return b"".join(blocks)[:MAX_BODY], False
    finally:
        close_body(body)
    return b"".join(blocks), True


#: What an inner request takes over from the one that asks for it.
_KEPT = ("SERVER_", "REMOTE_", "SCRIPT_NAME", "wsgi.", "uwsgi.", "poor_", "app_")
_KEPT_HEADERS = ("HTTP_HOST", "HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_ACCEPT_LANGUAGE")


def inner_environ(outer: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the environ of a request that the builder describes.

    :raises ToolError: it does not describe one
    """
    from io import BytesIO
    from wsgiref.util import FileWrapper

    method, url = str(wanted.get("method", "GET")), str(wanted.get("url", "/"))
    target, query = split_url(url)
    is_plain = method.isascii() and method.isalpha() and url[:2] != "//"
    if not is_plain or not url.startswith("/"):
        raise ToolError("a request has a method and a path that starts with a slash")
    path = unquote_to_bytes(target).decode("latin-1")
    if path == "/debug-info":
        raise ToolError("/debug-info does not run itself")
    body = str(wanted.get("body") or "").encode()
    environ = {key: outer[key] for key in outer if key.startswith(_KEPT)}
    environ.update({key: outer[key] for key in _KEPT_HEADERS if key in outer})
    environ.update(_headers(str(wanted.get("headers") or "")))
    environ.update(
        {
            "REQUEST_METHOD": method.upper(),
            "PATH_INFO": path,
            "QUERY_STRING": quote(query, _QUERY_SAFE),
            "wsgi.input": BytesIO(body),
            "wsgi.file_wrapper": FileWrapper,
        }
    )
    if body or method.upper() in ("POST", "PUT", "PATCH"):
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


#: What stays as it is in a query; other characters can not stand in an environ.
_QUERY_SAFE = "%/:@!$&'()*+,;=?-._~[]"


def _headers(text: str) -> dict[str, str]:
    """Return the variables of headers, one in a line."""
    variables = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        key = name.strip().upper().replace("-", "_")
        if not colon or not key.replace("_", "").isalnum() or not key.isascii():
            raise ToolError(f"{line!r} is no header; write Name: value")
        is_plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        # PEP 3333 shows each byte of a header as a character.
        shown = value.strip().encode().decode("latin-1")
        variables[key if is_plain else f"HTTP_{key}"] = shown
    return variables


def _shown(
    app: Any,
    trace: Trace,
    status: str,
    headers: list[tuple[str, str]],
    body: bytes,
    is_whole: bool,
) -> dict[str, Any]:
    """Return an answer as values for JSON."""
    mask = mask_for(app, trace.environ)
    content_type = next((v for n, v in headers if n.lower() == "content-type"), "")
    text = _text_of(body, content_type)
    return {
        "method": trace.environ["REQUEST_METHOD"],
        "path": trace.environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"),
        "status": status or "no answer (declined)",
        "headers": asdict_pairs(mask, headers),
        "body": mask.text(text),
        "size": len(body),
        "whole": is_whole,
        "rule": trace.rule,
        "request_id": trace.request_id,
        "error": mask.text(repr(trace.error)) if trace.error else "",
        "error_id": trace.error_id,
        "milliseconds": round(trace.duration * 1000, 3),
        "phases": trace.phases,
    }


def _text_of(body: bytes, content_type: str) -> str:
    """Return the text of a body; what is none is named."""
    if not body:
        return ""
    kind = content_type.partition(";")[0].strip() or "no type"
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))
    if not is_text and b"\0" in body[:1000]:
        return f"({len(body)} bytes, {kind})"
    return body.decode("utf-8", "replace")


# -- the page ------------------------------------------------------------------


def page(req: Any, app: Any, query: dict[str, str] | None = None) -> str:
    """Return the page about the application and this request."""
    query = query or {}
    environ = req.environ if isinstance(req.environ, dict) else {}
    info = inspect_application(app, environ)
    mask = mask_for(app, environ)
    sections = [*_tables(info), *_request_tables(req, app, info, mask), *_more(info)]
    tools = [("Findings", "findings"), ("Request", "tool"), ("Last Requests", "last")]
    links = [{"title": title, "anchor": anchor} for title, anchor, _ in sections]
    nonce = secrets.token_urlsafe(12)
    return render(
        "debug_info.html",
        title=f"Debug info of {info.name}",
        software=f"Poor WSGI {__version__}, Python {info.python}",
        sections=[{"title": t, "anchor": a} for t, a in tools] + links,
        findings=_findings(app),
        methods=[{"name": name} for name in _methods_first(query.get("method", "GET"))],
        url=query.get("match", "/"),
        match=_match(app, query),
        requests=_request_rows(app),
        tables=Html("".join(table for _, _, table in sections)),
        loggers=[_logger_row(asdict(one)) for one in loggers()],
        server_admin=req.server_admin,
        nonce=nonce,
    )


def _methods_first(first: str) -> list[str]:
    """Return the methods, the chosen one first, since that is selected."""
    names = [name for name in methods if name != "CONNECT"]
    return sorted(
        sorted(names), key=lambda name: (name != first.upper(), name != "GET")
    )


def _section(title: str, rows: list[Row], head: str = "") -> tuple[str, str, str]:
    """Return title, anchor and HTML of a table."""
    anchor = title.lower().replace(" ", "-")
    rows = rows or [_row("none")]
    heads = [{"head": one} for one in head.split("|")] if head else []
    table = render(
        "debug_table.html", title=title, anchor=anchor, heads=heads, rows=rows
    )
    return title, anchor, table


def _row(
    name: object,
    value: object = "",
    note: object = "",
    more: object = "",
    doc: str = "",
) -> Row:
    return {"name": name, "value": value, "note": note, "more": more, "doc": doc}


_HANDLERS = "What|Handler|Methods|Source"


def _tables(info: ApplicationInfo) -> list[tuple[str, str, str]]:
    """Return the tables of what is registered."""
    return [
        _section("Route Table", _route_rows(info), "Rule|Handler|Methods|Source"),
        _section("Http State Handlers", _status_rows(info.states), _HANDLERS),
        _section("Exception Handlers", _status_rows(info.errors), _HANDLERS),
        _section(
            "Before and After Handlers",
            [
                _handler_row(f"{hook.kind.title()} response", hook.handler, hook.group)
                for hook in info.hooks
            ],
            _HANDLERS,
        ),
        _section(
            "Filters",
            [_row(one.name, one.regex, one.converter) for one in info.filters],
            "Name|Regular expression|Converter|",
        ),
    ]


def _route_rows(info: ApplicationInfo) -> list[Row]:
    rows = []
    for route in (*info.routes, *info.defaults):
        rule = f"{route.rule} (default)" if route.kind == "default" else route.rule
        row = _handler_row(rule, route.handler, " | ".join(route.methods))
        extra = [f"name {route.name}"] if route.name else []
        extra += [f"group {' / '.join(route.groups)}"] if route.groups else []
        extra += [f"{h.kind} {h.handler.name}" for h in route.hooks if h.group]
        extra += [f"mounted {route.mount}"] if route.mount else []
        extra += [route.regex] if route.kind in ("rule", "regex") else []
        row["doc"] = " · ".join([*extra, *row["doc"].splitlines()[:1]])
        rows.append(row)
    return rows


def _handler_row(name: str, handler: Handler, note: str) -> Row:
    return _row(
        name, handler.title, note, handler.place, handler.doc.partition("\n")[0]
    )


def _status_rows(statuses: Iterable[StatusInfo]) -> list[Row]:
    rows = [_handler_row(s.key, s.handler, " | ".join(s.methods)) for s in statuses]
    for row, status in zip(rows, statuses, strict=True):
        if status.is_default:
            # The pages of the framework are told apart by their names alone.
            row["more"] = row["doc"] = ""
    return rows


def _request_tables(
    req: Any, app: Any, info: ApplicationInfo, mask: Mask
) -> list[tuple[str, str, str]]:
    """Return the tables of this request."""
    headers = mask.pairs(req.headers.items())
    return [
        _section("Request Headers", [_row(one.name, one.value) for one in headers]),
        _section("Poor Request Variables", _poor_rows(req, app)),
        _section(
            "Application Variables",
            [_row(one.name, one.value) for one in info.app_variables],
        ),
        _section(
            "Request Environ", [_row(one.name, one.value) for one in info.environ]
        ),
    ]


def _more(info: ApplicationInfo) -> list[tuple[str, str, str]]:
    """Return the tables of what 2.8.1 did not show."""
    options = [_row(o.name, o.value, o.source, f"default {o.default}", o.doc)
               for o in info.options]  # fmt: skip
    return [
        _section("Options", options, "Name|Value|Set by|Default"),
        _section("Server", [_row(one.name, one.value) for one in info.server]),
    ]


def _poor_rows(req: Any, app: Any) -> list[Row]:
    """Return what the request reads of its settings."""
    variables = {
        "Debug": "On" if req.debug else "Off",
        "Version": f"{__version__}",
        "Python Version": sys.version,
        "Server Software": req.server_software,
        "Server Hostname": req.server_hostname,
        "Server Port": req.server_port,
        "Server Scheme": req.server_scheme,
        "HTTP Hostname": req.hostname,
        "Server Admin": req.server_admin,
        "Forward For": req.forwarded_for,
        "Forward Host": req.forwarded_host,
        "Forward Proto": req.forwarded_proto,
        "Document Root": req.document_root,
        "Document Index": "On" if req.document_index else "Off",
        "Secret Key": "*****" if req.secret_key else "not set",
        "Application": app.name,
    }
    return [_row(name, value) for name, value in variables.items()]


def _findings(app: Any) -> list[Row]:
    """Return the list of wrong uses."""
    found = check(app)
    if not found:
        return [{"level": "none", "message": "Nothing wrong was found.", "fix": ""}]
    return [{"level": f.level, "message": f.message, "fix": f.code} for f in found]


def _match(app: Any, query: dict[str, str]) -> Html:
    """Return which route a URL has, for browsers without script."""
    if "match" not in query:
        return Html("")
    found: Explanation = explain(app, query.get("method") or "GET", query["match"])
    rows = [
        {
            "rule": route.rule,
            "methods": " | ".join(route.methods),
            "reason": route.reason,
            "class": "hit" if route.matches else "",
        }
        for route in sorted(found.routes, key=lambda route: not route.matches)
    ]
    return render(
        "debug_match.html", method=found.method, path=found.path,
        outcome=found.outcome, rows=rows,
    )  # fmt: skip


def _request_rows(app: Any) -> list[Row]:
    """Return the last requests; the bar shows the share of each phase."""
    rows = []
    for one in requests_of(app):
        query = f"?{one['query']}" if one["query"] else ""
        slow = max(one["phases"], key=one["phases"].get)
        status = one["status"] or "none"
        rows.append(
            {
                **one,
                "when": strftime("%H:%M:%S", localtime(one["time"])),
                "url": one["path"] + query,
                "status": f"{status} {one['error']}".strip(),
                "bar": _bar(one["phases"]),
                "most": f"{slow} {one['phases'][slow]:.2f}",
                "took": f"{one['milliseconds']:.2f}",
            }
        )
    return rows


def _bar(phases: dict[str, float]) -> Html:
    total = sum(phases.values()) or 1
    pieces = [
        {
            "phase": name,
            "width": f"{100 * phases[name] / total:.1f}",
            "tip": f"{name} {phases[name]:.3f} ms",
        }
        for name in PHASES
        if phases.get(name)
    ]
    return render("debug_bar.html", pieces=pieces)


def _logger_row(one: dict[str, Any]) -> Row:
    """Return a logger with the choice of its level, the one it has first."""
    level = one["level"] if one["level"] in LEVELS else ""
    rest = [name for name in LEVELS if name != level]
    options = [{"value": name, "name": name or "inherit"} for name in (level, *rest)]
    return {
        "name": one["name"] or "root",
        "id": one["name"],
        "effective": one["effective"],
        "handlers": ", ".join(one["handlers"]),
        "choice": render("debug_options.html", options=options),
    }
