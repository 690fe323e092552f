"""An application as plain data: what is registered, where, and which route is whose.

Everything that shows an application is a view of what stands here: the page
/debug-info, `poorwsgi routes` and `match`, tests and scripts. Nothing is changed
and no handler is called. What is secret is masked on the way in, by `Mask`, so a
view can not forget it.

    >>> from poorwsgi import Application
    >>> app = Application("inspector-doc")
    >>> @app.route("/user/<id:int>")
    ... def user(req, id):
    ...     return str(id)
    >>> route = inspect_application(app).routes[0]
    >>> route.rule, route.methods, route.handler.name
    ('/user/<id:int>', ('HEAD', 'GET'), 'user')
    >>> explain(app, "GET", "/user/me").routes[0].reason
    "'me' does not fit <id:int>, which takes -?\\\\d+"
"""

from __future__ import annotations

import inspect
import logging
import os
import platform
import re
import sys
import threading
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

from poorwsgi.config import Option
from poorwsgi.routing import is_int, method_names, re_filter
from poorwsgi.signature import group_names, name_of, place_of
from poorwsgi.state import METHOD_ALL, __version__, methods, sorted_methods

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from poorwsgi.routing import Endpoint, Route
    from poorwsgi.wsgi import Application

__all__ = [
    "ApplicationInfo",
    "Explanation",
    "Handler",
    "Hook",
    "Mask",
    "OptionInfo",
    "RouteInfo",
    "RouteReason",
    "Status",
    "Variable",
    "as_data",
    "explain",
    "inspect_application",
    "masked",
    "server_facts",
]

# -- masking -------------------------------------------------------------------

MASK = "*****"
_LONGEST = 2000

# SECURITY: what is masked errs on the side of too much.
_SECRET_NAME = re.compile(
    "secret|passw|passphrase|pwd|token|key|auth|cookie|session|credential|signature"
    "|private|dsn|sid$|nonce",
    re.I,
)
#: Names that only look like one of those.
_OPEN_NAMES = frozenset(
    {
        *("auth_type", "auth_algorithm", "auth_qop", "auth_timeout", "auth_userhash"),
        *("auto_cookies", "max_cookie_size", "Sec-WebSocket-Key"),
    }
)
#: What is a secret wherever it stands: how it looks, and what stays of it.
_SECRET_VALUES = (
    (re.compile(r"(://[^/@:\s]*:)[^/@\s]+(?=@)"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?<![\w.-])([\w.-]{0,60}(?:secret|passw|pwd|token|api_?key|auth|session|sid"
            r"|signature)[\w.-]{0,40}=)[^&;\s,'\")]+",
            re.I,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(Basic|Bearer|Digest) +[^\s,]+.*", re.I), rf"\1 {MASK}"),
    # A JSON web token. From the start of a word only, or time would be quadratic.
    (re.compile(r"(?<![\w-])eyJ[\w-]++\.[\w-]++\.[\w-]*"), MASK),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.S), MASK),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    (re.compile(r"\b(?:gh[pousr]_|glpat-|xox[abp]-|sk_live_)[\w-]{10,}"), MASK),
)


class Mask:
    """Replaces secrets: by the name of a value, by its look, and those given.

    >>> mask = Mask(["hunter22"])
    >>> mask("app_password", "x"), mask("note", "it is hunter22")
    ('*****', 'it is *****')
    >>> mask("DATABASE", "pg://user:pw@host/db")
    'pg://user:*****@host/db'
    """

    def __init__(self, secrets: Iterable[object] = ()):
        texts = {text for secret in secrets for text in _texts(secret)}
        # A short one would tear words apart, and can be guessed from the gaps.
        known = sorted((text for text in texts if len(text) > 3), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, name: str, value: object) -> str:
        """Return the text of a value, as it may be shown."""
        if is_secret_name(name):
            return MASK
        try:
            text = value if isinstance(value, str) else str(value)
        except Exception as err:  # anybody's object may stand in an environ
            text = f"<{type(value).__name__}: {type(err).__name__}>"
        return self.text(text[: _LONGEST * 2])[:_LONGEST]

    def text(self, text: str) -> str:
        """Return a text without the secrets in it."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, rest in _SECRET_VALUES:
            text = pattern.sub(rest, text)
        return text

    def pairs(self, pairs: Iterable[tuple[str, object]]) -> tuple[Variable, ...]:
        """Return names with their masked values."""
        return tuple(
            Variable(str(name), self(str(name), value)) for name, value in pairs
        )


def _texts(secret: object) -> Iterator[str]:
    """Yield the texts of a secret, which may be a list of several."""
    if isinstance(secret, str):
        yield secret
    elif isinstance(secret, bytes):
        yield secret.decode("utf-8", "replace")
        yield repr(secret)[2:-1]
    elif isinstance(secret, (list, tuple)):
        for one in secret:
            yield from _texts(one)


def is_secret_name(name: str) -> bool:
    """Return True if what has this name is not to be shown."""
    return name not in _OPEN_NAMES and _SECRET_NAME.search(name) is not None


def masked(name: str, value: object) -> str:
    """Return a value for a page or a log, without its secrets."""
    return _mask(name, value)


_mask = Mask()


def mask_for(app: Any, environ: Mapping[str, Any] | None = None) -> Mask:
    """Return the mask that knows the secrets of an application."""
    variables: Mapping[str, Any] = environ or {}
    named = [v for n, v in variables.items() if str(n).lower() == "poor_secretkey"]
    return Mask([getattr(app, "secret_key", None), *named])


# -- the data ------------------------------------------------------------------


@dataclass(frozen=True)
class Variable:
    """A name and its value, masked."""

    name: str
    value: str


@dataclass(frozen=True)
class Handler:
    """A callable of the user: what it is called, and where it stands."""

    name: str
    module: str
    arguments: str
    file: str
    line: int
    doc: str

    @property
    def place(self) -> str:
        """``app.py:42``, or nothing where the source is not known."""
        return f"{self.file}:{self.line}" if self.file else ""

    @property
    def title(self) -> str:
        """``module.name(arguments)``."""
        return f"{self.module}.{self.name}({self.arguments})"


@dataclass(frozen=True)
class Hook:
    """A function that runs around handlers; *group* is the prefix of its group."""

    kind: str
    handler: Handler
    group: str = ""


@dataclass(frozen=True)
class RouteInfo:
    """A rule with the methods of one handler."""

    rule: str
    kind: str
    methods: tuple[str, ...]
    handler: Handler
    regex: str = ""
    name: str = ""
    groups: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    mount: str = ""
    #: Position among the rules that are tried one after the other.
    order: int = 0


@dataclass(frozen=True)
class Status:
    """A handler of an HTTP status, or of an exception."""

    key: str
    methods: tuple[str, ...]
    handler: Handler
    is_default: bool = False


@dataclass(frozen=True)
class FilterInfo:
    """A filter of rules."""

    name: str
    regex: str
    converter: str


@dataclass(frozen=True)
class OptionInfo:
    """An option, and who has set it: default, property, or a variable."""

    name: str
    value: str
    source: str
    default: str
    doc: str


@dataclass(frozen=True)
class ApplicationInfo:
    """All there is to know about an application."""

    name: str
    version: str
    python: str
    debug: bool
    routes: tuple[RouteInfo, ...]
    defaults: tuple[RouteInfo, ...]
    states: tuple[Status, ...]
    errors: tuple[Status, ...]
    hooks: tuple[Hook, ...]
    filters: tuple[FilterInfo, ...]
    options: tuple[OptionInfo, ...]
    app_variables: tuple[Variable, ...]
    environ: tuple[Variable, ...] = ()
    server: tuple[Variable, ...] = ()


def as_data(info: Any) -> Any:
    """Return dataclasses, and what holds them, as values for JSON."""
    if isinstance(info, (list, tuple)):
        return [as_data(one) for one in info]
    if not is_dataclass(info):
        return info
    data = {one.name: as_data(getattr(info, one.name)) for one in fields(info)}
    if isinstance(info, Handler):
        data["title"] = info.title
    return data


# -- an application ------------------------------------------------------------


def inspect_application(
    app: Application, environ: Mapping[str, Any] | None = None
) -> ApplicationInfo:
    """Return what an application is made of.

    :param environ: of a request; without it what only a request knows is empty
    """
    mask = mask_for(app, {**os.environ, **(environ or {})})
    return ApplicationInfo(
        name=app.name,
        version=__version__,
        python=platform.python_version(),
        debug=app.debug,
        routes=(*_static_routes(app), *_regular_routes(app)),
        defaults=tuple(
            RouteInfo("/*", "default", names, describe(handler))
            for handler, names in _by_handler(app.defaults)
        ),
        states=tuple(_states(app)),
        errors=tuple(_errors(app)),
        hooks=(*_hooks("before", app.before), *_hooks("after", app.after)),
        filters=tuple(
            FilterInfo(name, str(regex), name_of(converter))
            for name, (regex, converter) in app.filters.items()
        ),
        options=tuple(_options(app, environ or os.environ, mask)),
        app_variables=mask.pairs(sorted(_app_variables(environ).items())),
        environ=mask.pairs(sorted((environ or {}).items(), key=_by_text)),
        server=mask.pairs(server_facts(environ or {})),
    )


def _by_text(item: tuple[Any, Any]) -> str:
    return str(item[0])


def describe(fun: Any) -> Handler:
    """Return name, place and docstring of a callable.

    Objects of others may answer anything for an attribute, or raise.
    """
    inner = fun
    while isinstance(inner, partial):
        inner = inner.func
    place = place_of(inner) or ("", 0)
    doc = getattr(inner, "__doc__", None)
    return Handler(
        name=name_of(inner),
        module=str(getattr(inner, "__module__", None) or "?"),
        arguments=_arguments(inner),
        file=_short(place[0]),
        line=place[1],
        doc=inspect.cleandoc(doc) if isinstance(doc, str) and place[0] else "",
    )


def _arguments(fun: Any) -> str:
    """Return the parameters by name; that is what a handler shows of itself."""
    code = getattr(fun, "__code__", None)
    try:
        return ", ".join(code.co_varnames[: code.co_argcount])  # type: ignore[union-attr]
    except (AttributeError, TypeError):
        return "..."


def _short(file: str) -> str:
    """Return a file below the current directory relative to it."""
    here = os.getcwd() + os.sep
    return file.removeprefix(here)


def _by_handler(table: Mapping[int, Any]) -> list[tuple[Any, tuple[str, ...]]]:
    """Return each handler of a table with the names of its methods."""
    masks: dict[int, tuple[Any, int]] = {}
    for bit, handler in table.items():
        masks[id(handler)] = (handler, masks.get(id(handler), (None, 0))[1] | bit)
    return [(handler, names_of(mask)) for handler, mask in masks.values()]


def names_of(mask: int) -> tuple[str, ...]:
    """Return the names in a mask of methods."""
    if mask == METHOD_ALL:
        return ("ALL",)
    return tuple(name for name, bit in sorted_methods if mask & bit)


def _static_routes(app: Application) -> Iterator[RouteInfo]:
    names = _route_names(app)
    for path, table in sorted(app._router.static_tables().items()):
        yield from _route_infos(app, path, "static", "", table, names, 0)


def _regular_routes(app: Application) -> Iterator[RouteInfo]:
    """Yield the routes with groups in the order in which they are tried."""
    names = _route_names(app)
    for order, route in enumerate(app._router.regular_routes(), 1):
        kind = "rule" if route.rule is not None else "regex"
        pattern = route.pattern.pattern
        yield from _route_infos(app, "", kind, pattern, route.table, names, order)


def _route_names(app: Application) -> dict[str, str]:
    return {rule.text: name for name, rule in app._router._names.items()}


def _route_infos(
    app: Application,
    path: str,
    kind: str,
    regex: str,
    table: Mapping[int, Endpoint],
    names: Mapping[str, str],
    order: int,
) -> Iterator[RouteInfo]:
    for endpoint, bits in _by_handler(table):
        rule = path or endpoint.rule
        groups = groups_of(endpoint)
        mounted = mounted_application(endpoint)
        yield RouteInfo(
            rule=rule,
            kind="mount" if mounted is not None else kind,
            methods=bits,
            handler=describe(endpoint.handler if mounted is None else mounted),
            regex=regex,
            name=names.get(rule, ""),
            groups=tuple(group.name or group.prefix for group in groups),
            hooks=_applying(app, groups),
            mount=_mount_name(mounted),
            order=order,
        )


def groups_of(endpoint: Endpoint) -> tuple[Any, ...]:
    """Return the groups of a route, from outside in."""
    call = endpoint.call
    if isinstance(call, partial) and name_of(call) == "_call_in_groups":
        return tuple(call.args[0])
    return ()


def mounted_application(endpoint: Endpoint) -> Any:
    """Return the WSGI application that a route hands over to, or None."""
    fun = endpoint.handler
    qualname = getattr(fun, "__qualname__", "")
    if qualname != "Application.mount.<locals>.mounted":
        return None
    return inspect.getclosurevars(fun).nonlocals.get("wsgi_app")


def _mount_name(mounted: Any) -> str:
    if mounted is None:
        return ""
    name = getattr(mounted, "name", None)
    return name if isinstance(name, str) else name_of(mounted)


def _hooks(kind: str, hooks: Iterable[Any], group: str = "") -> Iterator[Hook]:
    for hook in hooks:
        yield Hook(kind, describe(hook), group)


def _applying(app: Application, groups: tuple[Any, ...]) -> tuple[Hook, ...]:
    """Return the hooks around a route, in the order in which they run."""
    hooks = list(_hooks("before", app.before))
    for group in groups:
        hooks += _hooks("before", group.before, group.prefix)
    for group in reversed(groups):
        hooks += _hooks("after", group.after, group.prefix)
    return (*hooks, *_hooks("after", app.after))


def _states(app: Application) -> Iterator[Status]:
    # Applications that nobody looks at do not need the pages.
    from poorwsgi.results import default_states

    states = {code: dict(table) for code, table in default_states.items()}
    own = app.states
    for code, table in own.items():
        states[code] = {**states.get(code, {}), **table}
    for code in sorted(states):
        for handler, names in _by_handler(states[code]):
            is_default = handler not in own.get(code, {}).values()
            yield Status(str(code), names, describe(handler), is_default)


def _errors(app: Application) -> Iterator[Status]:
    for error, table in app.errors.items():
        for handler, names in _by_handler(table):
            name = getattr(error, "__qualname__", str(error))
            yield Status(name, names, describe(handler))


# -- options and variables -----------------------------------------------------

#: Options that a variable of the server overrides, for each request.
OPTION_VARIABLES = {
    "debug": "poor_Debug",
    "document_index": "poor_DocumentIndex",
    "document_root": "poor_DocumentRoot",
    "secret_key": "poor_SecretKey",
}


def options_of(kind: type) -> dict[str, Option[Any]]:
    """Return the options of a class of applications, those of bases first."""
    return {
        name: value
        for base in reversed(kind.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, Option)
    }


def _options(
    app: Application, variables: Mapping[str, Any], mask: Mask
) -> Iterator[OptionInfo]:
    for name, option in options_of(type(app)).items():
        value, source = getattr(app, name), "default"
        if "_" + name in vars(app):
            source = "property"
        variable = OPTION_VARIABLES.get(name, "")
        if isinstance(variables.get(variable), str):
            value, source = variables[variable], variable
        shown = "None" if value is None else mask(name, value)
        default = "None" if option.default is None else mask(name, option.default)
        yield OptionInfo(name, shown, source, default, option.__doc__ or "")


def _app_variables(environ: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the ``app_*`` variables, from where the application reads them."""
    variables: Mapping[str, Any] = os.environ
    if environ is not None and "uwsgi.version" not in environ:
        variables = {**os.environ, **environ}
    return {
        str(name): str(value)
        for name, value in variables.items()
        if str(name).strip()[:4].lower() == "app_"
    }


# -- the server ----------------------------------------------------------------


def server_facts(environ: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Return what is known about the process and the server around it."""
    facts: list[tuple[str, object]] = [
        ("server software", environ.get("SERVER_SOFTWARE", _software(environ))),
        ("python", f"{platform.python_implementation()} {sys.version.split()[0]}"),
        ("process", os.getpid()),
        ("threads", threading.active_count()),
        ("working directory", os.getcwd()),
    ]
    names = ("multithread", "multiprocess", "run_once", "url_scheme")
    facts += [(n, environ[f"wsgi.{n}"]) for n in names if f"wsgi.{n}" in environ]
    return [*facts, *uwsgi_facts()]


def _software(environ: Mapping[str, Any]) -> str:
    return "uWSGI" if "uwsgi.version" in environ else "unknown"


def uwsgi_facts() -> list[tuple[str, object]]:
    """Return workers, caches and locks, if this process runs under uWSGI."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None or not hasattr(uwsgi, "workers"):
        return []
    facts: list[tuple[str, object]] = [
        ("uWSGI version", _text(getattr(uwsgi, "version", ""))),
        ("uWSGI master", uwsgi.masterpid()),
        ("uWSGI requests", uwsgi.total_requests()),
    ]
    workers = uwsgi.workers() or ()
    facts += [(f"uWSGI worker {one.get('id')}", _worker(one)) for one in workers]
    options = getattr(uwsgi, "opt", {})
    for option in (
        "cache2",
        "cache",
        "locks",
        "processes",
        "threads",
        "offload-threads",
    ):
        value = options.get(option, options.get(option.encode()))
        if value is not None:
            facts.append((f"uWSGI option {option}", _text(value)))
    return [*facts, *_caches(uwsgi, options), *_locks(uwsgi, options)]


def _worker(worker: Mapping[str, Any]) -> str:
    milliseconds = worker.get("avg_rt", 0) / 1000
    return (
        f"{_text(worker.get('status', ''))}, pid {worker.get('pid')}, "
        f"{worker.get('requests')} requests, {worker.get('exceptions')} exceptions, "
        f"{milliseconds:.1f} ms on average"
    )


def _caches(uwsgi: Any, options: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    """Yield how many keys each cache has."""
    values = options.get("cache2", options.get(b"cache2", ()))
    for value in values if isinstance(values, list) else [values] if values else []:
        name = re.search(r"name=([^,]+)", _text(value))
        if name is not None:
            keys = uwsgi.cache_keys(name[1])
            yield f"uWSGI cache {name[1]}", f"{len(keys or ())} keys"


def _locks(uwsgi: Any, options: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    """Yield the user locks, of which there is always number 0."""
    if not hasattr(uwsgi, "is_locked"):
        return
    count = _text(options.get("locks", options.get(b"locks", "0")))
    for number in range(min(int(count) if count.isdigit() else 0, 64) + 1):
        try:
            yield f"uWSGI lock {number}", "held" if uwsgi.is_locked(number) else "free"
        except ValueError:
            return


def _text(value: object) -> str:
    """Return a text of what uWSGI gives, bytes mostly."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


@dataclass(frozen=True)
class LoggerInfo:
    """A logger: its own level, the one in effect, and what it hands records to."""

    name: str
    level: str
    effective: str
    handlers: tuple[str, ...] = ()


def loggers() -> list[LoggerInfo]:
    """Return all loggers there are, the root first."""
    known = logging.root.manager.loggerDict
    found = [n for n in sorted(known) if isinstance(known[n], logging.Logger)]
    return [_logger(logging.getLogger(name)) for name in ("", *found)]


def _logger(logger: logging.Logger) -> LoggerInfo:
    return LoggerInfo(
        logger.name,
        logging.getLevelName(logger.level) if logger.level else "",
        logging.getLevelName(logger.getEffectiveLevel()),
        tuple(type(handler).__name__ for handler in logger.handlers),
    )


# -- which route is it? --------------------------------------------------------


@dataclass(frozen=True)
class RouteReason:
    """A route, whether it answers, and why it does not."""

    rule: str
    methods: tuple[str, ...]
    handler: Handler
    matches: bool
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What happens to a method and a URL, and the reason of each route."""

    method: str
    path: str
    outcome: str
    status: int
    rule: str
    handler: Handler | None
    arguments: tuple[Variable, ...]
    routes: tuple[RouteReason, ...]


@dataclass
class _Search:
    """What is being looked for, and what was found so far."""

    method: str
    path: str
    rule: str = ""
    endpoint: Endpoint | None = None
    arguments: tuple[Variable, ...] = ()
    allowed: int = 0

    def take(self, rule: str, endpoint: Endpoint) -> tuple[bool, str]:
        """Note a hit; only the first one counts."""
        if self.endpoint is not None:
            return False, f"would match, but {self.rule!r} comes first"
        self.rule, self.endpoint = rule, endpoint
        return True, "matches"


def explain(app: Application, method: str, url: str) -> Explanation:
    """Say which route answers a request, and why the others do not."""
    path = unquote_to_bytes(split_url(url)[0] or "/").decode("utf-8", "replace")
    search = _Search(method.upper(), path)
    reasons = [
        *_static_reasons(app, search),
        *_regular_reasons(app, search),
    ]
    outcome, status = _outcome(app, search)
    handler = search.endpoint.handler if search.endpoint is not None else None
    if handler is None and outcome.startswith("default handler"):
        handler = app.defaults.get(methods[search.method])
    return Explanation(
        method=search.method,
        path=path,
        outcome=outcome,
        status=status,
        rule=search.rule,
        handler=describe(handler) if handler is not None else None,
        arguments=search.arguments,
        routes=tuple(reasons),
    )


def split_url(url: str) -> tuple[str, str]:
    """Return path and query of a URL, or of a path alone, whatever stands in it."""
    if not url.startswith("/"):
        try:
            parts = urlsplit(url)
        except ValueError:  # such as an address without its other bracket
            return url, ""
        return parts.path, parts.query
    path, _, query = url.partition("#")[0].partition("?")
    return path, query


def _outcome(app: Application, search: _Search) -> tuple[str, int]:
    """Return what comes of a request, and a status where that is certain."""
    if search.method not in methods:
        return f"{search.method} is no method of HTTP that is known: 501", 501
    if search.endpoint is not None:
        return f"route {search.rule}", 0
    if app.debug and search.path == "/debug-info":
        return "the page /debug-info", 200
    default = app.defaults.get(methods[search.method])
    if default is not None:
        return f"default handler {name_of(default)}", 0
    if search.allowed:
        names = ", ".join(method_names(search.allowed))
        if search.method == "OPTIONS":
            return f"204 with Allow: {names}", 204
        return f"405, the path has {names}", 405
    if app.document_root and search.method in ("GET", "HEAD"):
        return f"a file below {app.document_root}, or 404", 0
    return "404, no route has this path", 404


def _methods_reason(table: Iterable[int], search: _Search) -> str:
    mask = sum(table)
    search.allowed |= mask
    return (
        f"the path fits, but {search.method} is not among {', '.join(names_of(mask))}"
    )


def _endpoint(table: Mapping[int, Endpoint], method: str) -> Endpoint | None:
    """Return the endpoint of a method; that of GET answers HEAD as well."""
    found = table.get(methods.get(method, 0))
    if found is None and method == "HEAD":
        found = table.get(methods["GET"])
    return found


def _static_reasons(app: Application, search: _Search) -> Iterator[RouteReason]:
    for path, table in sorted(app._router.static_tables().items()):
        endpoint = _endpoint(table, search.method)
        matches = False
        if path != search.path:
            reason = _difference(path, search.path)
        elif endpoint is None:
            reason = _methods_reason(table, search)
        else:
            matches, reason = search.take(path, endpoint)
        yield from _reasons(path, table, endpoint if matches else None, reason)


def _reasons(
    rule: str, table: Mapping[int, Endpoint], hit: Endpoint | None, reason: str
) -> Iterator[RouteReason]:
    """Yield a reason for each handler of a rule."""
    for endpoint, names in _by_handler(table):
        matches = endpoint is hit
        text = reason
        if hit is not None and not matches:
            text = "is for other methods"
        yield RouteReason(rule, names, describe(endpoint.handler), matches, text)


def _difference(rule: str, path: str) -> str:
    """Say where a path leaves a literal rule."""
    wanted, given = rule.split("/"), path.split("/")
    for number, (one, other) in enumerate(zip(wanted, given, strict=False)):
        if one != other:
            where = f"segment {number}" if number else "the start"
            return f"{where} is {other!r}, not {one!r}"
    if len(given) > len(wanted):
        return f"the path goes on with {'/' + '/'.join(given[len(wanted) :])!r}"
    return f"the path ends before {'/' + '/'.join(wanted[len(given) :])!r}"


def _regular_reasons(app: Application, search: _Search) -> Iterator[RouteReason]:
    for route in app._router.regular_routes():
        endpoint = _endpoint(route.table, search.method)
        rule = next(iter(route.table.values())).rule
        matches, reason = _regular_reason(route, endpoint, search)
        yield from _reasons(rule, route.table, endpoint if matches else None, reason)


def _regular_reason(
    route: Route, endpoint: Endpoint | None, search: _Search
) -> tuple[bool, str]:
    match = route.match(search.path)
    if match is None:
        return False, _mismatch(route, search.path)
    if endpoint is None:
        return False, _methods_reason(route.table, search)
    for name, converter in endpoint.converters:
        try:
            converter(match[name])
        except Exception as err:
            return False, f"{name_of(converter)}() refuses {match[name]!r}: {err}"
    matches, reason = search.take(endpoint.rule, endpoint)
    if matches:
        values = endpoint.arguments(endpoint.values(match), match)
        search.arguments = _mask.pairs((n, repr(v)) for n, v in values.items())
    return matches, reason


def _mismatch(route: Route, path: str) -> str:
    """Say which part of a rule a path does not fit."""
    rule = route.rule
    if rule is None or rule.has_regex_text:
        return f"the path does not fit {route.pattern.pattern}"
    pattern, labels = "", [match[0] for match in re_filter.finditer(rule.text)]
    done = 0
    for part, label in zip(rule.parts, labels, strict=True):
        if not path[done:].startswith(part.text):
            return _literal_mismatch(part.text, path[done:])
        done += len(part.text)
        regex = f"(?a:{part.regex})" if is_int(part) else part.regex
        pattern += re.escape(part.text) + f"({regex})"
        match = re.match(pattern, path)
        if match is None:
            value = path[done:].split("/")[0]
            return f"{value!r} does not fit {label}, which takes {part.regex}"
        done = match.end()
    return _last_mismatch(rule, labels, path, done)


def _literal_mismatch(wanted: str, given: str) -> str:
    if not given:
        return f"the path ends where the rule goes on with {wanted!r}"
    return f"{given!r} does not start with {wanted!r}"


def _last_mismatch(rule: Any, labels: list[str], path: str, done: int) -> str:
    """Say what is left over behind the groups of a rule."""
    rest = path[done:]
    if rest and not rest.startswith("/") and labels and not rule.tail:
        part = rule.parts[-1]
        value = path[path.rfind("/") + 1 :]
        return f"{value!r} does not fit {labels[-1]}, which takes {part.regex}"
    if rule.tail:
        return _literal_mismatch(rule.tail, rest)
    return f"the path goes on with {rest!r}"


def walk_routes(app: Application) -> Iterator[tuple[str, Endpoint, list[str]]]:
    """Yield rule, endpoint and names of the values of each route, static ones first."""
    for path, table in app._router.static_tables().items():
        for endpoint in {id(e): e for e in table.values()}.values():
            yield path, endpoint, []
    for route in app._router.regular_routes():
        for endpoint in {id(e): e for e in route.table.values()}.values():
            groups = group_names(route.pattern, endpoint.converters)
            yield endpoint.rule, endpoint, groups
