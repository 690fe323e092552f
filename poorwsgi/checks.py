"""Wrong use of an application, found before a request finds it.

`check` reads what `inspector` and the router know; it calls no handler and no
hook. Each `Finding` names the place in the user's code and what to do there.
What is doubtful is not reported: a check that cries wolf is switched off.

    >>> from poorwsgi import Application
    >>> app = Application("checks-doc")
    >>> app.document_root = "www"
    >>> [finding.code for finding in app.check()]
    ['relative-root']
"""

from __future__ import annotations

import difflib
import dis
import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from poorwsgi.inspector import groups_of, mounted_application, walk_routes
from poorwsgi.routing import (
    RouteIndex,
    longest_path,
    method_names,
    shared_groups,
)
from poorwsgi.signature import (
    arity,
    call_fault,
    code_of,
    name_of,
    place_of,
    route_fault,
    where,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from poorwsgi.routing import Route
    from poorwsgi.wsgi import Application

__all__ = ["Finding", "backtracks", "check", "is_public", "listening"]

# The parser of regular expressions has had this name since Python 3.11.
_parser: Any = import_module("re._parser")

#: Variables of the server that are read (contract of the framework).
POOR_NAMES = (
    *("poor_Debug", "poor_DocumentIndex", "poor_DocumentRoot", "poor_SecretKey"),
    "poor.Version",
)


@dataclass(frozen=True)
class Finding:
    """One wrong use: an error fails or is ignored, a warning may be meant so."""

    code: str
    level: str
    message: str
    file: str = ""
    line: int = 0
    fix: str = ""

    @property
    def place(self) -> str:
        """``app.py:42``, or nothing if it is no line of a program."""
        return f"{self.file}:{self.line}" if self.file else ""

    def __str__(self) -> str:
        place = f"{self.place}: " if self.file else ""
        return f"{place}{self.level}: {self.message} [{self.code}]"


def check(app: Application, environ: Mapping[str, Any] | None = None) -> list[Finding]:
    """Return all that is wrong, errors first, by place.

    :param environ: variables to look for ``poor_*`` in; default: the process's
    """
    variables = os.environ if environ is None else environ
    found = [finding for one in CHECKS for finding in one(app)]
    found += unknown_variables(variables)
    found = list(dict.fromkeys(found))
    return sorted(found, key=lambda f: (f.level != "error", f.file, f.line, f.message))


def finding(code: str, level: str, fun: Any, message: str) -> Finding:
    """Return a finding about a callable; what to do stands behind the last ``;``."""
    file, line = place_of(fun) or ("", 0)
    return Finding(code, level, message, file, line, message.rpartition("; ")[2])


# -- handlers and hooks --------------------------------------------------------


def handler_faults(app: Application) -> Iterator[Finding]:
    """Yield handlers that do not take what they are given."""
    for rule, endpoint, groups in walk_routes(app):
        if mounted_application(endpoint) is not None:
            continue
        fault = route_fault(rule, groups, endpoint.handler)
        if fault:
            yield finding("handler-signature", "error", endpoint.handler, fault)
    tables: list[tuple[str, tuple[str, ...], list[Any]]] = [
        ("default handler", ("req",), list(app.defaults.values())),
        ("state handler", ("req",), _inner(app.states)),
        ("error handler", ("req", "error"), _inner(app.errors)),
    ]
    for kind, given, handlers in tables:
        for handler in handlers:
            fault = call_fault(kind, handler, given)
            if fault:
                yield finding("handler-signature", "error", handler, fault)


def typed_faults(app: Application) -> Iterator[Finding]:
    """Yield `typed` handlers whose parameters can not be filled."""
    for rule, endpoint, groups in walk_routes(app):
        typed = getattr(endpoint.handler, "__typed__", None)
        if typed is None:
            continue
        fun = typed.fun
        takes = arity(fun)
        fault = ""
        if takes and takes.most is not None and takes.most <= len(groups):
            fault = route_fault(rule, groups, fun)
        else:
            try:
                typed.plan(len(groups))
            except TypeError as err:
                fault = f"route {rule!r}: {err}; correct its annotation"
        if fault:
            yield finding("handler-signature", "error", fun, fault)


def _inner(table: Mapping[Any, Mapping[int, Any]]) -> list[Any]:
    return [handler for inner in table.values() for handler in inner.values()]


def hook_faults(app: Application) -> Iterator[Finding]:
    """Yield hooks with the wrong parameters, and after-hooks that return nothing."""
    before, after = list(app.before), list(app.after)
    for _, endpoint, _ in walk_routes(app):
        for group in groups_of(endpoint):
            before += group.before
            after += group.after
    for hook in before:
        fault = call_fault("before-hook", hook, ("req",))
        if fault:
            yield finding("hook-signature", "error", hook, fault)
    for hook in after:
        fault = call_fault("after-hook", hook, ("req", "response"))
        if fault:
            yield finding("hook-signature", "error", hook, fault)
        elif returns_nothing(hook):
            yield finding(
                "after-hook-returns",
                "error",
                hook,
                f"after-hook {name_of(hook)!r}{where(hook)} returns nothing, so every "
                "answer becomes 204 No Content; end it with: return response",
            )


def returns_nothing(fun: Any) -> bool:
    """Return True for a function that has no return with a value, and ends.

    One that only raises does not end.
    """
    code = code_of(getattr(fun, "__func__", fun))
    if code is None or code.co_flags & 0x20:  # a generator
        return False
    ends = 0
    before: dis.Instruction | None = None
    for step in dis.get_instructions(code):
        if step.opname == "RETURN_CONST":
            ends += 1
            if step.argval is not None:
                return False
        elif step.opname == "RETURN_VALUE":
            ends += 1
            if before is None or before.opname != "LOAD_CONST":
                return False
            if before.argval is not None:
                return False
        before = step
    return ends > 0


# -- routes --------------------------------------------------------------------


def duplicates(app: Application) -> Iterator[Finding]:
    """Yield routes that took the place of another when they were registered."""
    for _, fun, fault in app._duplicates:
        yield finding("duplicate-route", "warning", fun, fault)


def shadowed(app: Application) -> Iterator[Finding]:
    """Yield rules that no request reaches, since an earlier one takes them all."""
    routes = app._router.regular_routes()
    index = RouteIndex(routes)  # or time would grow by the square
    for route in routes:
        examples = samples_of(route)
        if len(examples) < 2:
            continue
        for earlier in index.candidates(examples[0].split("/")):
            if earlier is route:
                break
            common = set(earlier.table) & set(route.table)
            if common and all(map(_taken_by(earlier), examples)):
                yield _shadow(earlier, route, sum(common))
                break


def _taken_by(route: Route) -> Callable[[str], bool]:
    """Return a function that tells whether a route answers a path."""

    def takes(path: str) -> bool:
        match = route.match(path)
        if match is None:
            return False
        return any(endpoint.fits(match) for endpoint in route.table.values())

    return takes


def _shadow(earlier: Route, route: Route, mask: int) -> Finding:
    hidden = next(iter(route.table.values()))
    first = next(iter(earlier.table.values()))
    names = ", ".join(method_names(mask))
    return finding(
        "shadowed-route",
        "error",
        hidden.handler,
        f"route {hidden.rule!r}{where(hidden.handler)} is never reached for {names}: "
        f"{first.rule!r}{where(first.handler)} comes first and matches the same "
        "paths; register the more special rule first",
    )


def samples_of(route: Route) -> list[str]:
    """Return paths that a route matches, as different as they can be made."""
    texts = _samples(route.pattern.pattern, route.pattern.flags)
    return sorted(text for text in texts if route.match(text))


@lru_cache(4096)
def _samples(pattern: str, flags: int) -> frozenset[str]:
    try:
        tree = _parser.parse(pattern, flags)
        return frozenset(_sample(tree, choice) for choice in range(6))
    except Exception:  # what can not be made up is not judged
        return frozenset()


#: What stands for a character, by the number of the sample.
_LETTERS = ("a", "7", "-", "Q", "é", ".")


def _sample(tree: Any, choice: int) -> str:
    """Return a text that a parsed expression matches."""
    return "".join(_piece(str(kind), value, choice) for kind, value in tree)


def _piece(kind: str, value: Any, choice: int) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind in ("ANY", "NOT_LITERAL", "IN"):
        return _character(kind, value, choice)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        count: int = min(least + choice % 3, int(most))
        return _sample(inner, choice) * count
    if kind == "BRANCH":
        value = value[1][choice % len(value[1])]
    elif kind == "SUBPATTERN":
        value = value[-1]
    if kind in ("BRANCH", "SUBPATTERN", "ATOMIC_GROUP"):
        return _sample(value, choice)
    if kind == "AT":
        return ""
    raise ValueError(kind)  # look-arounds, references


def _character(kind: str, value: Any, choice: int) -> str:
    """Return a character of a class, another one for each choice if there is."""
    chars = _set_of([(kind, value)])
    wanted = _LETTERS[choice:] + _LETTERS[:choice]
    return next((char for char in wanted if char in chars), min(chars))


def regexes(app: Application) -> Iterator[Finding]:
    """Yield rules whose regular expression a client can keep busy for ever."""
    for route in app._router.regular_routes():
        rule = route.rule
        if rule is not None and shared_groups(rule) and longest_path(rule) is None:
            continue  # long paths are not left to the regular expression
        culprit = backtracks(route.pattern.pattern)
        if culprit:
            endpoint = next(iter(route.table.values()))
            handler = endpoint.handler
            yield finding(
                "slow-regex",
                "error",
                handler,
                f"route {endpoint.rule!r}{where(handler)}: {culprit}, so a path of "
                "some hundred letters keeps the server busy; take one repetition of "
                "a class, such as [a-z]+",
            )


def long_paths(app: Application) -> Iterator[Finding]:
    """Yield rules that match no long path, since their groups can share its text."""
    for route in app._router.regular_routes():
        longest = None if route.rule is None else longest_path(route.rule)
        if longest:
            endpoint = next(iter(route.table.values()))
            yield finding(
                "long-path",
                "warning",
                endpoint.handler,
                f"route {endpoint.rule!r}{where(endpoint.handler)}: its groups can "
                "take text from each other, which takes ever longer, so a path "
                f"over {longest} characters is 404; put something between the groups "
                "that the first can not take",
            )


@lru_cache(4096)
def backtracks(regex: str) -> str:
    """Say why matching may take time that grows faster than the text, or "".

    Found are a repetition of what is repeated itself, (a+)+, of branches that
    match the same, (a|a)+, and neighbours that do, \\d+\\d+. Repetitions with an
    upper end, and possessive ones, are not looked at.
    """
    try:
        return _slow(_parser.parse(regex))
    except Exception:
        return ""


def _slow(tree: Any) -> str:
    before: frozenset[str] = frozenset()
    for kind, value in tree:
        name = str(kind)
        inner = value[2] if name in ("MAX_REPEAT", "MIN_REPEAT") else None
        if inner is not None and _is_endless(value[1]):
            fault = _slow_repeat(inner)
            if fault:
                return fault
            chars = _set_of(inner)
            if before & chars and _is_one_class(inner):
                return "two repetitions beside each other match the same letters"
            before = chars if _is_one_class(inner) else frozenset()
        elif name not in ("AT",):
            before = frozenset()
        for below in _children(name, value):
            fault = _slow(below)
            if fault:
                return fault
    return ""


def _slow_repeat(body: Any) -> str:
    """Say why a repetition of *body* is slow, or ""."""
    items = list(_flat(body))
    start = _set_of(items[:1])
    for kind, value in items:
        if str(kind) == "BRANCH" and _branches_overlap(value[1], start):
            return "a repetition has branches that match the same letters"
    for number, (kind, value) in enumerate(items):
        if str(kind) in ("MAX_REPEAT", "MIN_REPEAT") and _is_endless(value[1]):
            own = _set_of(value[2])
            others = items[:number] + items[number + 1 :]
            # What must stand between two rounds tells them apart.
            if all(_may_be_empty(one) or _set_of([one]) & own for one in others):
                return "a repetition is repeated"
    return ""


def _flat(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the items of an expression, those of plain groups in their place."""
    for kind, value in tree:
        if str(kind) == "SUBPATTERN":
            yield from _flat(value[-1])
        else:
            yield kind, value


def _branches_overlap(branches: Any, start: frozenset[str]) -> bool:
    """Return True if two branches go on alike; an empty one with the next round.

    The parser has taken out what branches have in common: (a|aa) is a(|a).
    """
    firsts = [_set_of(list(_flat(branch))[:1]) or start for branch in branches]
    return any(
        one & other
        for number, one in enumerate(firsts)
        for other in firsts[number + 1 :]
    )


def _is_endless(most: Any) -> bool:
    return str(most) == "MAXREPEAT" or int(most) > 1000


def _is_one_class(tree: Any) -> bool:
    return len(list(_flat(tree))) == 1


def _may_be_empty(item: tuple[Any, Any]) -> bool:
    kind, value = str(item[0]), item[1]
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return bool(value[0] == 0)
    return kind in ("AT", "ASSERT", "ASSERT_NOT")


def _children(name: str, value: Any) -> list[Any]:
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        return [value[2]]
    if name == "SUBPATTERN":
        return [value[-1]]
    return list(value[1]) if name == "BRANCH" else []


_ASCII = [chr(code) for code in range(32, 127)] + ["é"]
_CATEGORIES = {
    "CATEGORY_DIGIT": re.compile(r"\d"),
    "CATEGORY_NOT_DIGIT": re.compile(r"\D"),
    "CATEGORY_WORD": re.compile(r"\w"),
    "CATEGORY_NOT_WORD": re.compile(r"\W"),
    "CATEGORY_SPACE": re.compile(r"\s"),
    "CATEGORY_NOT_SPACE": re.compile(r"\S"),
}


def _set_of(tree: Any) -> frozenset[str]:
    """Return the printable letters that may stand anywhere in an expression."""
    letters: set[str] = set()
    for kind, value in tree:
        name = str(kind)
        if name == "LITERAL":
            letters.add(chr(value))
        elif name == "ANY":
            letters |= set(_ASCII)
        elif name == "NOT_LITERAL":
            letters |= set(_ASCII) - {chr(value)}
        elif name == "IN":
            letters |= _class_letters(tuple(value))
        else:
            for below in _children(name, value):
                letters |= _set_of(below)
    return frozenset(letters)


@lru_cache(256)
def _class_letters(items: Any) -> set[str]:
    letters: set[str] = set()
    is_negated = False
    for kind, value in items:
        name = str(kind)
        if name == "NEGATE":
            is_negated = True
        elif name == "LITERAL":
            letters.add(chr(value))
        elif name == "RANGE":
            letters |= {char for char in _ASCII if value[0] <= ord(char) <= value[1]}
        elif name == "CATEGORY":
            pattern = _CATEGORIES[str(value)]
            letters |= {char for char in _ASCII if pattern.match(char)}
    return set(_ASCII) - letters if is_negated else letters


# -- settings ------------------------------------------------------------------


def digest_faults(app: Application) -> Iterator[Finding]:
    """Yield handlers behind `check_digest` of an application not set up for it."""
    missing = []
    if not app.secret_key:
        missing.append("app.secret_key = ... (a long random text)")
    if not app.auth_type:
        missing.append('app.auth_type = "Digest"')
    if not missing:
        return
    for rule, endpoint, _ in walk_routes(app):
        handler = endpoint.handler
        if uses_digest(handler):
            yield finding(
                "digest-setup",
                "error",
                handler,
                f"route {rule!r}{where(handler)} asks for Digest, but nobody can log "
                f"in without a secret key and the type; set {' and '.join(missing)}",
            )


def uses_digest(handler: Any) -> bool:
    """Return True if `check_digest` stands among the decorators of a handler."""
    for _ in range(20):
        code = code_of(handler)
        if code is not None and code.co_qualname.startswith("check_digest."):
            return "digest" in code.co_filename
        handler = getattr(handler, "__wrapped__", None)
        if handler is None:
            return False
    return False


def root_faults(app: Application) -> Iterator[Finding]:
    """Yield a document root that depends on where the server was started."""
    root = str(app.document_root or "")
    if not root:
        return
    if not os.path.isabs(root):
        absolute = os.path.abspath(root)
        yield Finding(
            "relative-root",
            "warning",
            f"document_root {root!r} is relative, so it depends on the directory in "
            f"which the server starts, now {absolute!r}; set the absolute path, such "
            "as Path(__file__).parent / 'www'",
            fix="set the absolute path, such as Path(__file__).parent / 'www'",
        )
    elif not os.path.isdir(root):
        yield Finding(
            "missing-root",
            "error",
            f"document_root {root!r} is no directory; make it, or correct the path",
            fix="make it, or correct the path",
        )


def public_debug(app: Application) -> Iterator[Finding]:
    """Yield debug on a server that others can reach."""
    addresses = [address for address in listening() if is_public(address)]
    if app.debug and addresses:
        yield Finding(
            "public-debug",
            "error",
            f"debug is on and the server listens at {addresses[0]!r}, so anybody "
            "sees tracebacks and /debug-info; set debug to False, or listen at "
            "127.0.0.1",
            fix="set debug to False, or listen at 127.0.0.1",
        )


def unknown_variables(variables: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield variables that look like ours and that nobody reads."""
    for name in map(str, variables):
        if not name.lower().startswith("poor_") or name in POOR_NAMES:
            continue
        near = difflib.get_close_matches(name, POOR_NAMES, 1, 0.75)
        fix = (
            f"write {near[0]}" if near else f"remove it; known: {', '.join(POOR_NAMES)}"
        )
        yield Finding(
            "unknown-variable",
            "warning",
            f"variable {name} is read by nobody; {fix}",
            fix=fix,
        )


CHECKS: tuple[Callable[[Application], Iterator[Finding]], ...] = (
    handler_faults,
    typed_faults,
    hook_faults,
    duplicates,
    shadowed,
    regexes,
    long_paths,
    digest_faults,
    root_faults,
    public_debug,
)


# -- where the server listens --------------------------------------------------

#: Options of servers that name an address to listen at.
_ADDRESS_OPTIONS = re.compile(
    r"(?:-b|--bind|--listen|--host|--http|--http-socket|--https|--socket)(?:=(.*))?\Z"
)
_UWSGI_OPTIONS = ("http-socket", "http", "https", "https-socket")


def listening() -> list[str]:
    """Return the addresses that this process was told to listen at.

    Read from the options of uWSGI, else from the command line; a server that is
    configured by a file of its own is not found out.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and hasattr(uwsgi, "opt"):
        return _uwsgi_addresses(uwsgi.opt)
    found = []
    for number, argument in enumerate(sys.argv):
        match = _ADDRESS_OPTIONS.match(argument)
        if match:
            found.append(match[1] or "".join(sys.argv[number + 1 : number + 2]))
    if not found and os.path.basename(sys.argv[0]).startswith("waitress"):
        return ["0.0.0.0:8080"]
    return [address for address in found if address]


def _uwsgi_addresses(options: Mapping[Any, Any]) -> list[str]:
    found: list[str] = []
    for name in _UWSGI_OPTIONS:
        value = options.get(name, options.get(name.encode(), ()))
        values = value if isinstance(value, list) else [value] if value else []
        found += [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    return found


def is_public(address: str) -> bool:
    """Return True for an address that is not of this machine alone.

    >>> is_public("0.0.0.0:80"), is_public(":8080"), is_public("127.0.0.1:80")
    (True, True, False)
    """
    if "/" in address.removeprefix("http://"):  # a Unix socket
        return False
    host = address.removeprefix("http://")
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    if host in ("", "*"):
        return True
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host not in ("localhost",) and not host.isdigit()
