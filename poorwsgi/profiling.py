"""Where the time goes: a call under cProfile, as a table and as a flame graph.

`profile` runs a function and gives a `Profile`; `Profile.load` reads a file that
`cProfile`, `Application.set_profile` or the example profile_start have written.
cProfile knows who called whom, not whole stacks: in the flame graph the time of
a function that several others call is shared among them as they called it.

    >>> result = profile(sorted, [3, 1, 2])
    >>> result.value, result.calls > 0
    ([1, 2, 3], True)
    >>> "<svg" in result.flame_graph("sorting")
    True
"""

from __future__ import annotations

import cProfile
import marshal
import os
import pstats
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from poorwsgi.render import Html, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    #: File, line and name of a function, as pstats has them.
    Function: TypeAlias = tuple[str, int, str]
    #: Calls, primitive calls, own time, time with callees, callers.
    Row: TypeAlias = tuple[int, int, float, float, dict[Function, Any]]
    Stats: TypeAlias = dict[Function, Row]

__all__ = ["Frame", "Profile", "profile"]

#: A frame with less of the whole time is not drawn.
_SMALLEST = 0.001
_DEEPEST = 60


@dataclass
class Frame:
    """A function at one place of the tree; times in seconds."""

    name: str
    place: str
    total: float
    own: float
    children: list[Frame] = field(default_factory=list)


@dataclass
class TableRow:
    """A function with all of its calls."""

    calls: int
    own: float
    total: float
    name: str
    place: str


class Profile:
    """What cProfile has found out."""

    def __init__(self, stats: Stats, value: Any = None):
        self.stats = stats
        #: What the profiled function returned.
        self.value = value

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Read a file of cProfile.

        :raises ValueError: it is none
        """
        try:
            stats: Stats = pstats.Stats(os.fspath(path)).stats  # type: ignore[attr-defined]
        except (EOFError, TypeError, ValueError, AttributeError) as err:
            raise ValueError(f"{os.fspath(path)} is no file of cProfile") from err
        return cls(stats)

    @property
    def total(self) -> float:
        """Seconds of it all."""
        return sum(row[2] for row in self.stats.values())

    @property
    def calls(self) -> int:
        """Number of function calls."""
        return sum(row[0] for row in self.stats.values())

    def dump(self) -> bytes:
        """Return the file that pstats, snakeviz and others read."""
        return marshal.dumps(self.stats)

    def table(self, limit: int = 40) -> list[TableRow]:
        """Return the functions that take the most time, with what they call."""
        rows = [
            TableRow(calls, own, total, name_of(function), place_of(function))
            for function, (_, calls, own, total, _) in self.stats.items()
        ]
        return sorted(rows, key=lambda row: (-row.total, row.name))[:limit]

    def frames(self) -> list[Frame]:
        """Return the trees of calls, those with the most time first."""
        return _Tree(self.stats, self.total).roots()

    def flame_graph(self, title: str) -> Html:
        """Return an SVG: wide is slow, callees hang below their callers."""
        boxes = list(_boxes(self.frames(), self.total))
        depth = 1 + max((box["depth"] for box in boxes), default=0)
        return render(
            "flame.svg",
            title=title,
            summary=f"{self.total * 1000:.2f} ms, {self.calls} calls",
            width=_WIDTH,
            height=_TOP + depth * _ROW + 8,
            boxes=boxes,
        )

    def speedscope(self, name: str) -> dict[str, Any]:
        """Return the values of a file for speedscope: stacks with their weights."""
        frames: dict[tuple[str, str], int] = {}
        samples: list[list[int]] = []
        weights: list[float] = []
        for stack in _stacks(self.frames(), []):
            keys = [(frame.name, frame.place) for frame in stack]
            samples.append([frames.setdefault(key, len(frames)) for key in keys])
            weights.append(stack[-1].own)
        return {
            "$schema": "https://www.speedscope.app/file-format-schema.json",
            "shared": {"frames": [_shared(*key) for key in frames]},
            "profiles": [
                {
                    "type": "sampled",
                    "name": name,
                    "unit": "seconds",
                    "startValue": 0,
                    "endValue": sum(weights),
                    "samples": samples,
                    "weights": weights,
                }
            ],
            "name": name,
            "exporter": "poorwsgi",
        }


def profile(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Profile:
    """Call a function under cProfile; what it raises is raised.

    :raises RuntimeError: another profiler runs already
    """
    profiler = cProfile.Profile()
    try:
        profiler.enable()
    except ValueError as err:  # since Python 3.12
        raise RuntimeError(f"Can not profile: {err}") from err
    try:
        value = fun(*args, **kwargs)
    finally:
        profiler.disable()
    profiler.create_stats()
    stats: Stats = {**profiler.stats}
    # Switching the profiler off is no part of what was asked for.
    return Profile({f: row for f, row in stats.items() if "_lsprof" not in f[2]}, value)


def name_of(function: Function) -> str:
    """Return the name of a function, with the end of its module's path."""
    file, _, name = function
    if file == "~":  # a builtin, which pstats calls <built-in method len>
        return name.strip("<>").removeprefix("built-in method ")
    parts = file.replace(os.sep, "/").rsplit("/", 2)
    module = parts[-1].removesuffix(".py")
    if module == "__init__" and len(parts) > 1:
        module = parts[-2]
    return f"{module}.{name}"


def place_of(function: Function) -> str:
    """Return ``file:line``, empty for builtins."""
    file, line, _ = function
    return "" if file == "~" else f"{file}:{line}"


def _shared(name: str, place: str) -> dict[str, Any]:
    """Return a frame as speedscope has it."""
    file, _, line = place.rpartition(":")
    return {"name": name, "file": file, "line": int(line)} if file else {"name": name}


# -- from callers to a tree ----------------------------------------------------


class _Tree:
    """Follows the calls down from the functions that nobody calls."""

    def __init__(self, stats: Stats, total: float):
        self.stats = stats
        self.total = total
        self.callees: dict[Function, dict[Function, float]] = {}
        for function, row in stats.items():
            for caller, entry in row[4].items():
                callees = self.callees.setdefault(caller, {})
                callees[function] = entry[3] if isinstance(entry, tuple) else row[3]

    def roots(self) -> list[Frame]:
        found = [f for f, row in self.stats.items() if not set(row[4]) - {f}]
        frames = [self._frame(f, self.stats[f][3], 1.0, (f,)) for f in found]
        return _sorted([frame for frame in frames if frame.total > 0])

    def _frame(
        self,
        function: Function,
        total: float,
        share: float,
        stack: tuple[Function, ...],
    ) -> Frame:
        """Return a function with a share of the time of all of its calls."""
        frame = Frame(name_of(function), place_of(function), total, total)
        if len(stack) > _DEEPEST:
            return frame
        for callee, seconds in self.callees.get(function, {}).items():
            spent = min(seconds * share, frame.own)
            # A function below itself is in its own time already.
            if callee in stack or spent < self.total * _SMALLEST:
                continue
            whole = self.stats[callee][3]
            part = spent / whole if whole else 0.0
            frame.own -= spent
            frame.children.append(self._frame(callee, spent, part, (*stack, callee)))
        frame.children = _sorted(frame.children)
        return frame


def _sorted(frames: list[Frame]) -> list[Frame]:
    return sorted(frames, key=lambda frame: (-frame.total, frame.name))


def _stacks(frames: list[Frame], above: list[Frame]) -> Iterator[list[Frame]]:
    """Yield the way from the root to each frame that has time of its own."""
    for frame in frames:
        stack = [*above, frame]
        if frame.own > 0:
            yield stack
        yield from _stacks(frame.children, stack)


# -- drawing -------------------------------------------------------------------

_WIDTH, _ROW, _TOP, _LETTER = 1200, 20, 34, 6.6
#: Light grounds, so that the dark text stands out in both themes.
_COLORS = ("#ffd9a8", "#ffe6a8", "#ffc9b3", "#f6d5c0", "#fbe3b8", "#ffd0c2")
_OURS, _BUILTIN = "#cfe3ff", "#e2e6ec"


def _boxes(frames: list[Frame], total: float) -> Iterator[dict[str, Any]]:
    scale = _WIDTH / total if total else 0.0
    yield from _row_of(frames, 0.0, 0, scale, total)


def _row_of(
    frames: list[Frame], left: float, depth: int, scale: float, total: float
) -> Iterator[dict[str, Any]]:
    """Yield the boxes of frames beside each other, and of all below them."""
    for frame in frames:
        width = frame.total * scale
        if width < 1:
            continue
        yield _box(frame, left, depth, width, total)
        yield from _row_of(frame.children, left, depth + 1, scale, total)
        left += width


def _box(
    frame: Frame, left: float, depth: int, width: float, total: float
) -> dict[str, Any]:
    letters = int((width - 8) / _LETTER)
    name = frame.name
    if len(name) > letters:
        name = name[: letters - 1] + "…" if letters > 3 else ""
    share = 100 * frame.total / total if total else 0
    y = _TOP + depth * _ROW
    return {
        "x": f"{left:.1f}",
        "y": y,
        "width": f"{max(width - 0.5, 0.5):.1f}",
        "height": _ROW - 1,
        "text_x": f"{left + 4:.1f}",
        "text_y": y + 14,
        "color": _color(frame),
        "label": name,
        "depth": depth,
        "tip": f"{frame.name}\n{frame.total * 1000:.2f} ms ({share:.1f} %), "
        f"own {frame.own * 1000:.2f} ms\n{frame.place}",
    }


def _color(frame: Frame) -> str:
    """Return the color of a box: blue is the framework, grey what is built in."""
    if not frame.place:
        return _BUILTIN
    if f"{os.sep}poorwsgi{os.sep}" in frame.place:
        return _OURS
    return _COLORS[crc32(frame.name.encode()) % len(_COLORS)]
