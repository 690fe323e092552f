"""JSON made piece by piece is the text of simplejson, with or without it."""

import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from poorwsgi import jsonstream
from poorwsgi.jsonstream import JsonPieces, json_lines
from poorwsgi.response import JSONGeneratorResponse, json_default

Point = namedtuple("Point", "x y")


class Level(IntEnum):
    LOW = 1


@dataclass
class User:
    name: str


class AsDict:
    def _asdict(self):
        return {"rows": iter([1, 2])}


class WithAsDict(dict):
    def _asdict(self):
        return {"as": "dict"}


@pytest.fixture(params=["with simplejson", "without"])
def either(request, monkeypatch):
    if request.param == "without":
        monkeypatch.setitem(sys.modules, "simplejson", None)


def oracle(value):
    encoder = simplejson.JSONEncoder(iterable_as_array=True, default=json_default)
    return "".join(encoder.iterencode(value))


def ours(value):
    return "".join(JsonPieces(value, json_default))


# Functions, since an iterator can be read once.
VALUES = [
    lambda: None,
    lambda: 1.5,
    lambda: 10**30,
    lambda: Decimal("1.10"),
    lambda: b"abc\xc3\xa9",
    lambda: '\u2028\x7fé\ud800😀"\\/',
    lambda: Point(1, 2),
    lambda: [Point(1, 2), Point(3, 4)],
    lambda: Level.LOW,
    lambda: {Level.LOW: 1},
    lambda: User("joe"),
    lambda: AsDict(),
    lambda: {},
    lambda: [],
    lambda: (),
    lambda: iter([]),
    lambda: range(3),
    lambda: {7},
    lambda: bytearray(b"x"),
    lambda: {"b": 1, "a": 2}.items(),
    lambda: OrderedDict(a=iter([1])),
    lambda: {2: 2, 1.5: 1, True: 0, None: 1},
    lambda: {Decimal("1.1"): 1, b"k": 2},
    lambda: {"a": {"b": {"c": (n for n in range(3))}}},
    lambda: {"rows": ({"id": n, "tags": iter("ab")} for n in range(300))},
    lambda: [iter([1]), iter([]), [iter("x")]],
    lambda: [[], {}, "", 0, [[]]],
    lambda: {"del": "\x7f", "\x7f": 1},
    # Rows of a table, and what looks like them.
    lambda: ({"id": n, "name": "é", "price": 9.5, "none": None} for n in range(300)),
    lambda: ({"id": n, "at": Point(n, n)} for n in range(300)),
    lambda: ({"id": n, "of": WithAsDict(a=n)} for n in range(300)),
    lambda: ({"id": n, "in": {"a": [n], "b": b"x"}} for n in range(300)),
    lambda: ({"id": n, "text": "[{" if n % 9 else "\x7f"} for n in range(300)),
    lambda: ({"id": n, Decimal(n): 1} for n in range(9)),
    lambda: iter([*range(9), "x", None, True, 1.5, Level.LOW, User("joe"), {}, []]),
]


@pytest.mark.parametrize("make", VALUES)
def test_text_is_that_of_simplejson(either, make):
    assert ours(make()) == oracle(make())


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), Decimal("NaN"), {(1, 2): 3}, object(), b"\xff"],
)
def test_what_json_cannot_say_is_refused_as_by_simplejson(either, value):
    with pytest.raises((ValueError, TypeError)) as expected:
        oracle({"v": value})
    with pytest.raises(expected.type):
        ours({"v": value})
    with pytest.raises(expected.type):
        ours(iter([{"v": 1}, {"v": value}]))


def test_rows_are_encoded_by_the_quick_encoder(monkeypatch):
    """Tables are; what had to be encoded twice is not tried for ever."""
    encoded = []

    def any_value(value):
        encoded.append(value)
        return "[]"

    encoder = jsonstream._TableEncoder(any_value)
    for _ in range(9):
        assert encoder.encode([{"a": 1}, 2]) == '[{"a": 1}, 2]'
    assert not encoded
    for _ in range(9):
        assert encoder.encode([{"a": []}]) == "[]"
    assert len(encoded) == 9
    encoder.encode([{"a": 1}])
    assert encoded[-1] == [{"a": 1}]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_value_is_encoded_as_by_simplejson(value):
    assert ours(value) == oracle(value)


@given(JSON)
def test_the_encoder_of_our_own_agrees_too(value):
    encode = jsonstream._StandardEncoder(json_default).encode
    assert "".join(jsonstream._walk(value, encode)) == oracle(value)


def test_items_come_out_before_the_last_one_went_in(either):
    """A slow source is not waited for longer than for one batch."""
    asked = []

    def rows():
        for number in range(10_000):
            asked.append(number)
            yield {"id": number}

    pieces = iter(JsonPieces({"rows": rows()}))
    assert next(pieces) == '{"rows": [{"id": 0}'
    assert asked == [0]
    next(pieces)
    assert len(asked) <= 1 + 2


def test_a_slow_source_is_passed_on_item_by_item(either, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(jsonstream, "monotonic", lambda: next(clock))
    pieces = list(JsonPieces([iter(range(4))][0]))
    assert pieces == ["[0", ", 1", ", 2", ", 3", "]"]


def test_close_reaches_generators_that_never_ran():
    closed = []

    class Rows:
        def __iter__(self):
            return iter([1])

        def close(self):
            closed.append(True)

    response = JSONGeneratorResponse(a=Rows(), b=1)
    body = response(lambda *_: None)
    body.close()
    assert closed == [True]


def test_an_answer_of_iterators_is_json(either):
    response = JSONGeneratorResponse(rows=iter(range(3)), ok=True)
    body = response(lambda *_: None)
    assert b"".join(body) == b'{"rows": [0, 1, 2], "ok": true}'


def test_lines_end_each_value(either):
    values = [{"a": 1}, [2, iter([3])], "x\n"]
    assert list(json_lines(values)) == ['{"a": 1}\n', "[2, [3]]\n", '"x\\n"\n']
