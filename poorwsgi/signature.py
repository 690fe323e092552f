"""What a callable takes, and where it stands, read from its code object.

Enough to warn of a wrong handler when it is registered, without `inspect`,
which would cost each start 11 ms. What can not be told is taken as right.
"""

from __future__ import annotations

from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Pattern

_VARARGS, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x80, 0x200


class Arity(NamedTuple):
    """How many values a callable takes by position; *most* is None for any."""

    least: int
    most: int | None
    names: tuple[str, ...]
    #: Keyword-only parameters without a default: nobody passes them.
    keywords: tuple[str, ...] = ()
    is_async: bool = False


def arity(fun: Any) -> Arity | None:
    """Return what *fun* takes, None if it does not tell."""
    given, keywords = 0, set()
    while isinstance(fun, partial):
        given += len(fun.args)
        keywords |= set(fun.keywords)
        fun = fun.func
    function, given = _function_of(fun, given)
    code = code_of(function)
    if code is None:
        return None
    count = code.co_argcount
    defaults = len(getattr(function, "__defaults__", None) or ())
    names = code.co_varnames[given:count]
    only = code.co_varnames[count : count + code.co_kwonlyargcount]
    optional = set(getattr(function, "__kwdefaults__", None) or ()) | keywords
    return Arity(
        max(count - defaults - given - len(keywords & set(names)), 0),
        None if code.co_flags & _VARARGS else max(count - given, 0),
        names,
        tuple(name for name in only if name not in optional),
        bool(code.co_flags & (_COROUTINE | _ASYNC_GENERATOR)),
    )


def code_of(function: Any) -> CodeType | None:
    """Return the code of a function; objects may have anything under that name."""
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _function_of(fun: Any, given: int) -> tuple[Any, int]:
    """Return the function behind a method, an object or a class."""
    if isinstance(fun, type):
        return getattr(fun, "__init__", None), given + 1
    if not hasattr(fun, "__code__") and not hasattr(fun, "__func__"):
        fun = getattr(fun, "__call__", None)  # noqa: B004 - its code is wanted
    if hasattr(fun, "__func__"):
        return fun.__func__, given + 1
    return fun, given


def name_of(fun: Any) -> str:
    """Return the name of a callable."""
    while isinstance(fun, partial):
        fun = fun.func
    return str(getattr(fun, "__name__", None) or type(fun).__name__)


def place_of(fun: Any) -> tuple[str, int] | None:
    """Return file and line of a callable, of what it wraps rather than of itself."""
    for _ in range(20):
        if isinstance(fun, partial):
            fun = fun.func
        elif isinstance(getattr(fun, "__dict__", None), dict) and fun.__dict__.get(
            "__wrapped__"
        ):
            fun = fun.__wrapped__
        else:
            break
    code = code_of(_function_of(fun, 0)[0])
    if code is None:
        return None
    return code.co_filename, code.co_firstlineno


def where(fun: Any) -> str:
    """Return the place of a callable for a message: `` (app.py:42)``, or nothing."""
    place = place_of(fun)
    return f" ({place[0]}:{place[1]})" if place else ""


def group_names(pattern: Pattern[str], converters: Sequence[Any] = ()) -> list[str]:
    """Return names for the values that a regular expression gives a handler.

    Those of the converters, or without them all groups, also nameless ones.
    """
    if converters:
        return [name for name, _ in converters]
    names = {number: name for name, number in pattern.groupindex.items()}
    return [names.get(i, f"group{i}") for i in range(1, pattern.groups + 1)]


def route_fault(rule: str, groups: Sequence[str], fun: Any) -> str:
    """Say what is wrong with a handler for a rule; "" if nothing is."""
    start = f"route {rule!r}{where(fun)}"
    if not callable(fun):
        return f"{start} has {fun!r} as handler, which can not be called"
    takes = arity(fun)
    if takes is None:
        return ""
    common = _common_fault(takes, "handler", name_of(fun))
    if common:
        return f"{start}: {common}"
    passed, name = len(groups), name_of(fun)
    if takes.most is not None and takes.most == 0:
        return f"{start} passes the request but handler {name!r} takes nothing; " + (
            f"add {_parameters(['req', *groups])}"
        )
    if takes.most is not None and takes.most - 1 < passed:
        return (
            f"{start} passes {_values(passed)} but handler {name!r} takes "
            f"{_amount(takes.most - 1)}; add {_parameters(groups[takes.most - 1 :])}"
        )
    if takes.least - 1 > passed:
        extra = takes.names[1 + passed : takes.least]
        return (
            f"{start} passes {_values(passed)} but handler {name!r} wants "
            f"{takes.least - 1}; remove {_parameters(extra)}, or add "
            f"{_listed([f'<{name}>' for name in extra])} to the rule"
        )
    return ""


def call_fault(kind: str, fun: Any, given: Sequence[str]) -> str:
    """Say what is wrong with a hook, state or error handler; "" if nothing is."""
    start = f"{kind} {name_of(fun)!r}{where(fun)}"
    if not callable(fun):
        return f"{kind} {fun!r} can not be called"
    takes = arity(fun)
    if takes is None:
        return ""
    common = _common_fault(takes, kind, name_of(fun))
    if common:
        return f"{start}: {common}"
    wanted = f"write it as {name_of(fun)}({', '.join(given)})"
    if takes.most is not None and takes.most < len(given):
        return (
            f"{start} gets {_listed(given)} but takes {_amount(takes.most)}; {wanted}"
        )
    if takes.least > len(given):
        return f"{start} gets {_listed(given)} but wants {takes.least} values; {wanted}"
    return ""


def _common_fault(takes: Arity, kind: str, name: str) -> str:
    if takes.is_async:
        return (
            f"{kind} {name!r} is async, and nobody awaits it in WSGI; write def "
            "instead of async def"
        )
    if takes.keywords:
        return (
            f"{kind} {name!r} needs the keyword {takes.keywords[0]!r}, and values "
            f"are passed by position; give it a default or remove the *"
        )
    return ""


def _values(count: int) -> str:
    return f"{count or 'no'} path value{'' if count == 1 else 's'}"


def _amount(count: int) -> str:
    return str(count) if count else "none"


def _parameters(names: Sequence[str]) -> str:
    return f"{'a parameter' if len(names) == 1 else 'parameters'} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
