"""Match a long path against a rule whose groups could share its text.

`/<a:path>/<b:path>/<c:path>` fits a path with n slashes in n * n / 2 ways. A
regular expression tries them one by one: minutes, for 8 KB that fit in none. Here
is first found, from the end to the start, where the rest of the rule may begin;
then each group takes the longest text that leaves a rest, which is what the
regular expression would have given it. Both take one pass for each group.

Short paths, and rules whose separators say where each group ends, never come here.
"""

from __future__ import annotations

import re
from operator import or_
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poorwsgi.routing import Part

    #: For each position of the path, and its end, 1 if the rest may begin there.
    Table = bytearray

#: A class of characters, repeated: what most groups are.
_RUN = re.compile(r"(\[\^?\]?(?:\\.|[^\]\\[])*\]|\\[wdsWDS]|\.)([+*])")
_INT = r"-?\d+"
_FLOAT = r"-?\d+(\.\d+)?"
_DIGITS = frozenset("0123456789")


class Found:
    """What `re.Match` would tell of the groups."""

    def __init__(self, pattern: re.Pattern[str], values: dict[str, str]):
        self._values = values
        self._numbers = {pattern.groupindex[name]: name for name in values}

    def __getitem__(self, group: int) -> str:
        return self._values[self._numbers[group]]

    def groups(self) -> tuple[str, ...]:
        """Return all values."""
        return tuple(self._values.values())

    def groupdict(self) -> dict[str, str]:
        """Return all values by name."""
        return dict(self._values)


def class_of(regex: str) -> str:
    """Return a class that has every character a group can take, "" if unknown."""
    if regex == _INT:
        return r"[-\d]"
    if regex == _FLOAT:
        return r"[-.\d]"
    match = _RUN.fullmatch(regex)
    return match[1] if match else ""


def may_take(regex: str, char: str) -> bool:
    """Return True unless it is sure that a group takes no such character."""
    letters = class_of(regex)
    return not letters or re.match(letters, char) is not None


def is_known(part: Part) -> bool:
    """Return True if `match` understands a group."""
    if part.regex in (_INT, _FLOAT):
        return part.converter in (int, float)
    return class_of(part.regex) != ""


def match(
    pattern: re.Pattern[str], parts: Iterable[Part], tail: str, path: str
) -> Found | None:
    """Return what the rule's own *pattern* would find in the whole path."""
    parts = list(parts)
    rest = bytearray(len(path)) + b"\1"
    rest = before_text(path, tail, rest)
    rests = []
    for part in reversed(parts):
        rests.append(rest)
        rest = before_text(path, part.text, before_group(path, part, rest))
    if not rest[0]:
        return None
    values = {}
    here = 0
    for part in parts:
        here += len(part.text)
        end = _end(path, here, part, rests.pop())
        values[part.name] = path[here:end]
        here = end
    return Found(pattern, values)


def before_text(path: str, text: str, rest: Table) -> Table:
    """Return where *text* begins with the rest behind it."""
    if not text:
        return rest
    table = bytearray(len(rest))
    at = path.find(text)
    while at >= 0:
        table[at] = rest[at + len(text)]
        at = path.find(text, at + 1)
    return table


def before_group(path: str, part: Part, rest: Table) -> Table:
    """Return where a text of the group begins with the rest behind it."""
    if part.regex == _INT:
        return _signed(path, _before_run(path, _DIGITS, rest))
    if part.regex == _FLOAT:
        point = before_text(path, ".", _before_run(path, _DIGITS, rest))
        rest = bytearray(map(or_, rest, point))
        return _signed(path, _before_run(path, _DIGITS, rest))
    one = re.compile(class_of(part.regex), _flags(part))
    table = _before_run(path, frozenset(filter(one.fullmatch, set(path))), rest)
    return bytearray(map(or_, table, rest)) if part.regex[-1] == "*" else table


def _before_run(path: str, chars: frozenset[str], rest: Table) -> Table:
    """Return where one or more of *chars* begin with the rest behind them."""
    table = bytearray(len(rest))
    fits = 0
    for at in range(len(path) - 1, -1, -1):
        if path[at] in chars:
            fits = fits or rest[at + 1]
            table[at] = fits
        else:
            fits = 0
    return table


def _signed(path: str, table: Table) -> Table:
    return bytearray(map(or_, table, before_text(path, "-", table)))


def _end(path: str, here: int, part: Part, rest: Table) -> int:
    """Return where the longest text of a group ends that leaves a rest."""
    fullmatch = re.compile(part.regex, _flags(part)).fullmatch
    end = rest.rfind(1, here, _longest(path, here, part) + 1)
    while not fullmatch(path, here, end):
        end = rest.rfind(1, here, end)
    return end


def _longest(path: str, here: int, part: Part) -> int:
    found = re.compile(part.regex, _flags(part)).match(path, here)
    return found.end() if found else here


def _flags(part: Part) -> int:
    return re.A if part.converter in (int, float) else 0
