"""JSON texts made piece by piece, for values that never are in memory whole.

Knows how values look as JSON and when to hand out a piece; who sends it is
decided elsewhere (response, streaming). The text is that of simplejson with
`iterable_as_array`, and simplejson makes it where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from json import JSONEncoder
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Default = Callable[[Any], Any]

#: Items encoded by one call, and the seconds that one call may wait for them.
MAX_BATCH = 128
MAX_WAIT = 0.02

_SCALARS = frozenset((str, int, float, bool, type(None)))
_STR = frozenset((str,))
_ROWS = _SCALARS | {dict}


class _Lazy(Exception):  # noqa: N818 - a signal, no error
    """There is an iterable inside, so the value is walked item by item."""


def not_serializable(value: object) -> Any:
    """Refuse a value that JSON cannot say."""
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


class JsonPieces:
    """The JSON text of a value, piece by piece; any iterable is an array.

    *default* returns what stands for a value that JSON cannot say. close()
    closes the values of a dict that can be closed, such as generators.

    >>> "".join(JsonPieces({"squares": (n * n for n in range(4))}))
    '{"squares": [0, 1, 4, 9]}'
    """

    def __init__(self, value: Any, default: Default = not_serializable):
        self._value = value
        self._default = default

    def __iter__(self) -> Iterator[str]:
        return _walk(self._value, make_encoder(self._default))

    def close(self) -> None:
        """Close what came with the value."""
        value, self._value = self._value, None
        for item in value.values() if isinstance(value, dict) else (value,):
            close = getattr(item, "close", None)
            if callable(close):
                close()


def make_encoder(default: Default = not_serializable) -> Callable[[Any], str]:
    """Return a function that encodes a value at once, or raises `_Lazy`."""

    def fall_back(value: Any) -> Any:
        # As simplejson does it: what can be iterated over is an array first.
        if hasattr(value, "__iter__"):
            raise _Lazy
        return default(value)

    try:
        import simplejson
    except ImportError:
        return _TableEncoder(_StandardEncoder(fall_back).encode).encode
    return _TableEncoder(simplejson.JSONEncoder(default=fall_back).encode).encode


def _walk(value: Any, encode: Callable[[Any], str]) -> Iterator[str]:
    if isinstance(value, dict):
        separator = "{"
        for key, item in value.items():
            # '{"key": null}' without its ends: keys have rules of their own.
            name = encode({key: None})[1:-5]
            pieces = _walk(item, encode)
            yield f"{separator}{name}{next(pieces)}"
            yield from pieces
            separator = ", "
        yield "{}" if separator == "{" else "}"
        return
    if not isinstance(value, list | Iterator):
        try:
            yield encode(value)
            return
        except _Lazy:
            value = getattr(value, "_asdict", lambda: value)()
            if isinstance(value, dict):
                yield from _walk(value, encode)
                return
    yield from _walk_items(iter(value), encode)


def _walk_items(items: Iterator[Any], encode: Callable[[Any], str]) -> Iterator[str]:
    """Yield an array, many items at a time as long as they come fast."""
    separator = "["
    size = 1
    while True:
        since = monotonic()
        batch = list(islice(items, size))
        if not batch:
            break
        try:
            yield separator + encode(batch)[1:-1]
        except _Lazy:
            for item in batch:
                pieces = _walk(item, encode)
                yield separator + next(pieces)
                yield from pieces
                separator = ", "
        separator = ", "
        # PERF: a call for 128 items is a third of the cost of one for each;
        # who waits for a slow source must not wait for 128 of them.
        fast = monotonic() - since < MAX_WAIT
        size = min(size * 2, MAX_BATCH) if fast else 1
    yield "[]" if separator == "[" else "]"


class _TableEncoder:
    """Encodes rows of a table by the standard library, all else by another encoder.

    PERF: 100,000 rows in 100 ms, not in 137 by simplejson or 161 by the encoder
    below, which look at each value. Here the text tells whether they have to: it
    has no bracket and no brace but those of the rows.
    """

    def __init__(self, encode: Callable[[Any], str]):
        self._encode_any = encode
        self._encode = JSONEncoder(
            default=_refuse_lazy, check_circular=False, allow_nan=False
        ).encode
        #: Lists that had to be encoded twice; a few, and it is not tried again.
        self._misses = 0

    def encode(self, value: Any) -> str:
        kinds = list(map(type, value)) if type(value) is list else ()
        if self._misses > 3 or not kinds or not _ROWS.issuperset(kinds):
            return self._encode_any(value)
        try:
            text = self._encode(value)
        except (_Lazy, TypeError, ValueError, RecursionError):
            text = "[["
        if (
            text.find("[", 1) < 0
            and text.count("{") == kinds.count(dict)
            and "\x7f" not in text  # simplejson escapes it
        ):
            return text
        self._misses += 1
        return self._encode_any(value)


def _refuse_lazy(value: object) -> Any:
    raise _Lazy


class _StandardEncoder:
    """The standard library's encoder, where it says the same as simplejson."""

    def __init__(self, default: Default):
        self._default = default
        # A NaN or Infinity is no JSON; simplejson refuses it as well.
        self._encode = JSONEncoder(allow_nan=False).encode

    def encode(self, value: Any) -> str:
        kind = type(value)
        if kind is list and value and self._is_table(value):
            return self._text(value)
        if kind is dict and self._is_plain(value):
            return self._text(value)
        if isinstance(value, dict) and not hasattr(value, "_asdict"):
            return self._encode_dict(value)
        if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
            return "[" + ", ".join([self.encode(item) for item in value]) + "]"
        return self._encode_scalar(value)

    def _text(self, value: Any) -> str:
        text = self._encode(value)
        # simplejson escapes DEL, the standard library does not.
        return text.replace("\x7f", "\\u007f") if "\x7f" in text else text

    def _is_plain(self, value: dict[Any, Any]) -> bool:
        return _STR.issuperset(map(type, value)) and _SCALARS.issuperset(
            map(type, value.values())
        )

    def _is_table(self, rows: list[Any]) -> bool:
        return all(
            type(row) in _SCALARS or (type(row) is dict and self._is_plain(row))
            for row in rows
        )

    def _encode_dict(self, value: dict[Any, Any]) -> str:
        items = [
            f"{self._encode_key(key)}: {self.encode(item)}"
            for key, item in value.items()
        ]
        return "{" + ", ".join(items) + "}"

    def _encode_key(self, key: Any) -> str:
        if isinstance(key, bytes):
            key = key.decode("utf-8")
        elif _is_decimal(key):
            key = str(key)
        return self._text({key: None})[1:-7]

    def _encode_scalar(self, value: Any) -> str:
        if isinstance(value, str | int | float) or value is None:
            return self._text(value)
        if isinstance(value, bytes):
            return self._text(value.decode("utf-8"))
        if _is_decimal(value):
            return self._encode_decimal(value)
        if callable(getattr(value, "_asdict", None)):
            return self.encode(value._asdict())
        return self.encode(self._default(value))

    def _encode_decimal(self, value: Any) -> str:
        if not value.is_finite():
            self._encode(float(value))  # raises what it raises for a float
        return str(value)


def _is_decimal(value: object) -> bool:
    # Not an import of decimal, which nobody may need.
    kind = type(value)
    return kind.__name__ == "Decimal" and kind.__module__ == "decimal"


def json_lines(
    values: Iterable[Any], default: Default = not_serializable
) -> Iterator[str]:
    """Yield each value as a line of JSON (NDJSON).

    >>> list(json_lines([{"a": 1}, [2, 3]]))
    ['{"a": 1}\\n', '[2, 3]\\n']
    """
    encode = make_encoder(default)
    for value in values:
        try:
            yield encode(value) + "\n"
        except _Lazy:
            yield "".join(_walk(value, encode)) + "\n"
