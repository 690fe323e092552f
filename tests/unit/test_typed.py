"""Handlers whose parameters are filled by their annotations."""

import gc
from collections.abc import Iterator
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, timezone
from enum import Enum
from typing import Annotated, Any, Generic, Literal, NotRequired, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pydantic
import pytest

from poorwsgi import state
from poorwsgi.convert import ObjectParser, Problems, value_parser
from poorwsgi.fieldstorage import FieldStorage
from poorwsgi.response import TextResponse
from poorwsgi.testing import TestClient
from poorwsgi.typed import Body, Cookie, Form, Header, Query, typed

JSON = {"Content-Type": "application/json"}


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    name: str
    price: float = 0.0
    tags: list[str] = field(default_factory=list)


@dataclass
class SecretItem(Item):
    cost: float = 1.0


@dataclass
class Tree:
    value: int
    children: list["Tree"] = field(default_factory=list)


@dataclass
class Positive:
    number: int

    def __post_init__(self):
        if self.number < 1:
            raise ValueError("has to be positive")


class Size(Enum):
    SMALL = (1, 2)


T = TypeVar("T")


@dataclass
class Rows(Generic[T]):
    items: list[T]


@dataclass
class NumberRows(Rows[int]):
    bonus: InitVar[int]

    def __post_init__(self, bonus):
        self.items.append(bonus)


Slashed = TypedDict("Slashed", {"a/b": str})


class Person(TypedDict):
    name: str
    born: NotRequired[date]


class Model(pydantic.BaseModel):
    name: str
    count: int = 1


class Struct(msgspec.Struct):
    name: str
    count: int = 1


def call(app, fun, method="GET", path="/x", **options):
    app.set_route("/x", typed(fun), ["GET", "POST"])
    return TestClient(app).request(method, path, **options)


def problems(answer, status=422):
    assert answer.status_code == status
    assert answer.json["status"] == status
    return [(p["in"], p["name"], p["message"]) for p in answer.json["problems"]]


# -- texts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "query", "expected"),
    [
        (int, "v=-42", -42),
        (float, "v=1.5e3", 1500.0),
        (bool, "v=true", True),
        (bool, "v=false", False),
        (str, "v=a%20b", "a b"),
        (str, "v=", ""),
        (date, "v=2024-02-29", date(2024, 2, 29)),
        (
            datetime,
            "v=2024-02-29T12:30:00z",
            datetime(2024, 2, 29, 12, 30, tzinfo=timezone.utc),  # noqa: UP017
        ),
        (
            UUID,
            "v=12345678-1234-1234-1234-123456789abc",
            UUID("12345678-1234-1234-1234-123456789abc"),
        ),
        (Color, "v=red", Color.RED),
        (Literal["a", 1], "v=1", 1),
        (int | None, "v=7", 7),
        (int | str, "v=7", 7),
        (int | str, "v=x", "x"),
        (list[int], "v=1&v=2", [1, 2]),
        (list[int], "v=1", [1]),
        (set[str], "v=a&v=b&v=a", {"a", "b"}),
        (tuple[int, ...], "v=1&v=2", (1, 2)),
        (Annotated[int, Query(ge=1, le=9)], "v=9", 9),
        (Annotated[int, Query("other")], "other=3", 3),
    ],
)
def test_a_text_becomes_what_the_annotation_says(app, hint, query, expected):
    seen = []

    def handler(req, v):
        seen.append(v)
        return "ok"

    handler.__annotations__ = {"v": hint}
    assert call(app, handler, query=query).text == "ok"
    assert seen == [expected]


@pytest.mark.parametrize(
    ("hint", "query", "message"),
    [
        (int, "", "is missing"),
        (int, "v=", "is no integer"),
        (int, "v=1.0", "is no integer"),
        (int, "v=%D9%A3", "is no integer"),
        (int, "v=" + "9" * 5000, "is no integer"),
        (int, "v=1&v=2", "is given more than once"),
        (float, "v=nan", "is no number"),
        (float, "v=inf", "is no number"),
        (float, "v=1e999", "is too large"),
        (bool, "v=1", "is neither true nor false"),
        (date, "v=20240229", "is no date such as 2024-02-29"),
        (date, "v=2023-02-29", "day is out of range for month"),
        (datetime, "v=2024-02-29T12:30", "is no time such as 2024-02-29T12:30:00Z"),
        (UUID, "v=123", "is no UUID"),
        (Color, "v=green", "is none of 'red', 'blue'"),
        (Annotated[int, Query(ge=1)], "v=0", "is less than 1"),
        (Annotated[int, Query(lt=1)], "v=1", "is not less than 1"),
        (Annotated[int, Query(multiple_of=5)], "v=7", "is no multiple of 5"),
        (Annotated[str, Query(min_length=2)], "v=a", "is shorter than 2"),
        (Annotated[str, Query(pattern="^a+$")], "v=b", "does not match ^a+$"),
        # To Python's $ a line feed may follow, to JSON Schema it may not.
        (Annotated[str, Query(pattern="^a+$")], "v=a%0A", "does not match ^a+$"),
        (Annotated[list[int], Query(max_length=1)], "v=1&v=2", "is longer than 1"),
        (list[Annotated[int, Query(ge=1)]], "v=0", "is less than 1"),
        (Annotated[str, {"minLength": 2}], "v=a", "is shorter than 2"),
    ],
)
def test_a_bad_text_is_422(app, hint, query, message):
    def handler(req, v):
        raise AssertionError("it is not called")

    handler.__annotations__ = {"v": hint}
    ((place, name, text),) = problems(call(app, handler, query=query))
    assert (place, text) == ("query", message)
    assert name.startswith("v")


def test_parameters_of_all_places(app):
    def handler(
        req,
        q: int,
        x_count: Annotated[int, Header],
        level: Annotated[str, Cookie()],
        item: Item,
        more: str = "none",
    ) -> dict[str, Any]:
        return {"sum": q + x_count, "level": level, "item": item, "more": more}

    headers = {"X-Count": "2", "Cookie": "level=high"}
    answer = call(
        app, handler, "POST", query="q=1", headers=headers, json={"name": "a"}
    )
    assert answer.json == {
        "sum": 3,
        "level": "high",
        "item": {"name": "a", "price": 0.0, "tags": []},
        "more": "none",
    }


def test_all_problems_come_together(app):
    def handler(req, q: int, item: Item, x_n: Annotated[int, Header]):
        raise AssertionError("it is not called")

    body = {"price": "x", "tags": ["a", 1]}
    answer = call(app, handler, "POST", query="q=a", json=body, headers={"X-N": "b"})
    assert problems(answer) == [
        ("query", "q", "is no integer"),
        ("body", "/name", "is missing"),
        ("body", "/price", "is no number"),
        ("body", "/tags/1", "is no text"),
        ("header", "X-N", "is no integer"),
    ]


def test_path_values_come_first_as_the_rule_made_them(app):
    @app.get("/a/<x:int>/<y>")
    @typed
    def handler(req, x, y, z: int = 3) -> list[Any]:
        return [x, y, z]

    client = TestClient(app)
    assert client.get("/a/1/two").json == [1, "two", 3]
    assert client.get("/a/1/two", query="z=4").json == [1, "two", 4]
    assert app.check() == []


# -- forms -----------------------------------------------------------------------


def test_form_fields_and_files(app):
    def handler(
        req,
        n: Annotated[int, Form()],
        upload: Annotated[FieldStorage, Form()],
        tags: Annotated[list[str] | None, Form()] = None,
    ) -> dict[str, Any]:
        return {"n": n, "name": upload.filename, "size": len(upload.value), "t": tags}

    answer = call(
        app,
        handler,
        "POST",
        data={"n": "5", "tags": ["a", "b"]},
        files={"upload": ("f.bin", b"\0\1")},
    )
    assert answer.json == {"n": 5, "name": "f.bin", "size": 2, "t": ["a", "b"]}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"data": {"n": "x"}}, 422, "is no integer"),
        ({"data": {"n": ""}}, 422, "is missing"),
        ({}, 422, "is missing"),
        ({"json": {"n": 1}}, 415, "Content-Type has to be application/x-www-form"),
        (
            {
                "body": b"--x",
                "headers": {"Content-Type": "multipart/form-data; boundary=x"},
            },
            400,
            "",
        ),
    ],
)
def test_a_bad_form(app, options, status, message):
    def handler(req, n: Annotated[int, Form()]):
        raise AssertionError("it is not called")

    ((_, _, text),) = problems(call(app, handler, "POST", **options), status)
    assert message in text


# -- JSON ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Item, {"name": "a", "price": 1, "else": 0}, Item("a", 1.0)),
        (Person, {"name": "a"}, {"name": "a"}),
        (Person, {"name": "a", "born": "2000-01-02"}, None),
        (Model, {"name": "a", "count": 2}, Model(name="a", count=2)),
        (Struct, {"name": "a", "count": 2}, Struct("a", 2)),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Annotated[list[Item], Body()], [{"name": "a"}], [Item("a")]),
        (Annotated[int, Body()], 1.0, 1),
        (Annotated[tuple[int, str], Body()], [1, "a"], (1, "a")),
        (Annotated[set[int], Body()], [1, 2], {1, 2}),
        (Item | None, None, None),
        (
            Tree,
            {"value": 1, "children": [{"value": 2}]},
            Tree(1, [Tree(2)]),
        ),
        (Positive, {"number": 1}, Positive(1)),
        (dict[int, str], {"1": "a"}, {1: "a"}),
        (dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (Annotated[Literal[1, True], Body()], True, True),
        (Annotated[Size, Body()], [1, 2], Size.SMALL),
        (NumberRows, {"items": [1], "bonus": 1}, NumberRows([1], 1)),
        (Annotated[float, Body(multiple_of=0.1)], 1, 1.0),
    ],
)
def test_a_json_body_becomes_what_the_annotation_says(app, hint, value, expected):
    seen = []

    def handler(req, v):
        seen.append(v)
        return "ok"

    handler.__annotations__ = {"v": hint}
    if expected is None and value:
        expected = {**value, "born": date(2000, 1, 2)}
    assert call(app, handler, "POST", json=value).text == "ok"
    assert seen == [expected]


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Item, [], ("", "is no object")),
        (Item, {"name": True}, ("/name", "is no text")),
        (Person, {"name": "a", "born": 1}, ("/born", "is no text")),
        (
            Person,
            {"name": "a", "born": "x"},
            ("/born", "is no date such as 2024-02-29"),
        ),
        (Model, {"count": 1}, ("/name", "Field required")),
        (Struct, {"name": 1}, ("", "Expected `str`, got `int` - at `$.name`")),
        (dict[str, int], {"a/b": "1"}, ("/a~1b", "is no integer")),
        (Annotated[int, Body()], True, ("", "is no integer")),
        (Annotated[float, Body()], 10**400, ("", "is too large")),
        (Annotated[bool, Body()], 0, ("", "is no boolean")),
        (Annotated[tuple[int, str], Body()], [1], ("", "has not 2 items")),
        (Annotated[set[int], Body()], [1, 1], ("", "has an item twice")),
        (Annotated[Literal[1], Body()], True, ("", "is none of 1")),
        (Annotated[int | str, Body()], [], ("", "is nothing that is allowed here")),
        (
            Tree,
            {"value": 1, "children": [{"value": "2"}]},
            ("/children/0/value", "is no integer"),
        ),
        (Positive, {"number": 0}, ("", "has to be positive")),
        (dict[int, str], {"a": "a"}, ("/a", "has a name that is no integer")),
        (NumberRows, {"items": ["1"], "bonus": 1}, ("/items/0", "is no integer")),
        (NumberRows, {"items": []}, ("/bonus", "is missing")),
        (Annotated[float, Body(multiple_of=0.1)], 0.25, ("", "is no multiple of 0.1")),
        (Slashed, {"a/b": 1}, ("/a~1b", "is no text")),
    ],
)
def test_a_bad_json_value_is_422(app, hint, value, expected):
    def handler(req, v):
        raise AssertionError("it is not called")

    handler.__annotations__ = {"v": hint}
    answer = call(app, handler, "POST", json=value)
    assert problems(answer) == [("body", *expected)]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", JSON, 400),
        (b'{"name": NaN}', JSON, 400),
        (b"[" * 10000, JSON, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Content-Type": "application/x+json"}, 422),
        (b"{", {"Content-Type": "application/x+json"}, 400),
        (b"", JSON, 422),
    ],
)
def test_a_body_that_is_no_json(app, body, headers, status):
    def handler(req, item: Item):
        raise AssertionError("it is not called")

    answer = call(app, handler, "POST", body=body, headers=headers)
    assert len(problems(answer, status)) == 1


def test_a_json_body_larger_than_data_size(app):
    app.data_size = 10

    def handler(req, item: Item) -> Item:
        return item

    headers = {"Content-Type": "application/x+json"}
    body = b'{"name": "' + b"x" * 100_000 + b'"}'
    assert len(call(app, handler, "POST", body=body, headers=headers).json["name"]) == (
        100_000
    )


def test_a_body_with_a_default_may_be_absent(app):
    def handler(req, item: Item | None = None) -> str:
        return str(item)

    assert call(app, handler, "POST").text == "None"


# -- answers to mistakes -----------------------------------------------------------


def test_problem_json_when_switched_on(app):
    app.problem_json = True

    def handler(req, n: int):
        raise AssertionError("it is not called")

    answer = call(app, handler)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == "about:blank"


def test_a_handler_of_the_status_gets_the_problems(app):
    @app.http_state(422)
    def unprocessable(req, problems, error):
        return f"{len(problems)} {error}", 422

    def handler(req, n: int):
        raise AssertionError("it is not called")

    assert call(app, handler).text == "1 query n is missing"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lambda req, x: 1, "parameter 'x': it has no annotation"),
        (lambda: _with_hint("Unknown"), "its annotation 'Unknown' is not known"),
        (lambda: _with_hint(complex), "no text can be made to <class 'complex'>"),
        (lambda: _two_bodies, "a request has one body"),
        (lambda: _form_and_body, "a request has a form or JSON"),
    ],
)
def test_a_handler_that_can_not_be_served_names_its_parameter(make, message):
    with pytest.raises(TypeError) as caught:
        typed(make()).__typed__.plan(0)
    assert message in str(caught.value)
    assert "test_typed.py:" in str(caught.value)


def _with_hint(hint):
    def handler(req, x):
        return ""

    handler.__annotations__["x"] = hint
    return handler


def _two_bodies(req, a: Item, b: Item):
    return ""


def _form_and_body(req, a: Item, b: Annotated[str, Form()]):
    return ""


@dataclass
class Plus:
    kind: Literal["plus"]
    left: "Plus | Times | int"
    right: "Plus | Times | int" = 0


@dataclass
class Times:
    kind: Literal["times"]
    left: "Plus | Times | int"
    right: "Plus | Times | int" = 0


class Counted(dict):
    """Counts how often it is asked for its members."""

    count = 0

    def __contains__(self, name):
        Counted.count += 1
        return super().__contains__(name)


def test_unions_that_contain_themselves_take_linear_time():
    """Else twice the time for each level: 26 levels took an hour."""
    parse = value_parser(Plus | Times)
    counts = []
    for depth in (5, 10):
        value = "bad"
        for _ in range(depth):
            value = Counted(kind="times", left=value)
        Counted.count, found = 0, Problems()
        assert parse(value, "", found) is None
        assert found == [("", "is nothing that is allowed here")]
        counts.append(Counted.count)
    assert counts[1] <= 2.5 * counts[0]


def test_types_that_contain_themselves_have_one_parser():
    """Else each new shape of a body would leave parsers behind."""

    def parsers():
        return sum(type(one) is ObjectParser for one in gc.get_objects())

    parse = value_parser(Plus)
    before = parsers()
    for shape in range(2**6):
        value = {"kind": "plus", "left": 1}
        for bit in f"{shape:06b}":
            sides = {"left": value, "right": 2} if bit == "1" else {"right": value}
            value = {"kind": "plus", "left": 1, **sides}
        assert isinstance(parse(value, "", Problems()), Plus)
    assert parsers() - before <= 1


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (list[int], ["x"] * 500),
        (dict[str, int], {str(number): "x" for number in range(500)}),
    ],
)
def test_so_many_problems_are_told_and_no_more(app, hint, value):
    """A body must not be answered by one twenty times as large."""

    def handler(req, v):
        raise AssertionError("it is not called")

    handler.__annotations__ = {"v": Annotated[hint, Body()]}
    assert len(problems(call(app, handler, "POST", json=value))) == 100


# -- results -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (Item, SecretItem("a", 1.0), {"name": "a", "price": 1.0, "tags": []}),
        (list[Item], [Item("a")], [{"name": "a", "price": 0.0, "tags": []}]),
        (
            dict[str, Item],
            {"x": Item("a")},
            {"x": {"name": "a", "price": 0.0, "tags": []}},
        ),
        (Item | None, Item("a"), {"name": "a", "price": 0.0, "tags": []}),
        (
            Person,
            {"name": "a", "born": date(2000, 1, 2), "x": 1},
            {"name": "a", "born": "2000-01-02"},
        ),
        (Model, Model(name="a"), {"name": "a", "count": 1}),
        (list[Model], [Model(name="a")], [{"name": "a", "count": 1}]),
        (Struct, Struct("a"), {"name": "a", "count": 1}),
        (Color, Color.RED, "red"),
        (int, 5, 5),
        (float, 0.5, 0.5),
        (set[int], {1}, [1]),
        (UUID, UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        (dict[str, Any], {"when": date(2000, 1, 2)}, {"when": "2000-01-02"}),
        (list[int], [], []),
    ],
)
def test_a_result_is_json_by_its_annotation(app, hint, value, expected):
    """Members that the annotation does not have are not sent."""

    def handler(req):
        return value

    handler.__annotations__ = {"return": hint}
    answer = call(app, handler)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == expected


def test_status_and_headers_of_a_result(app):
    @app.post("/pair")
    @typed
    def pair(req) -> tuple[Item, int, dict[str, str]]:
        return SecretItem("a"), 201, {"X-N": "1"}

    @app.post("/fixed")
    @typed(status=202)
    def fixed(req) -> int:
        return 5

    client = TestClient(app)
    answer = client.post("/pair")
    assert (answer.status_code, answer.headers["X-N"]) == (201, "1")
    assert answer.json == {"name": "a", "price": 0.0, "tags": []}
    answer = client.post("/fixed")
    assert (answer.status_code, answer.json) == (202, 5)


def test_texts_responses_and_none_are_left_alone(app):
    @app.get("/text")
    @typed
    def text(req) -> str:
        return "<b>"

    @app.get("/response")
    @typed
    def response(req) -> Item | TextResponse:
        return TextResponse("plain")

    @app.get("/none")
    @typed
    def none(req) -> None:
        return None

    @app.get("/stream")
    @typed
    def stream(req) -> Iterator[bytes]:
        yield b"a"
        yield b"b"

    client = TestClient(app)
    assert client.get("/text").headers["Content-Type"].startswith("text/html")
    assert client.get("/response").text == "plain"
    assert client.get("/none").status_code == 204
    assert client.get("/stream").data == b"ab"


@dataclass
class Page(Generic[T]):
    items: list[T]
    made: int = field(init=False, default=7)


class Named(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(populate_by_name=True)
    value: int = pydantic.Field(alias="theValue")


def test_a_generic_dataclass_is_filled_and_shown(app):
    """What it sets by itself is not taken from the client."""

    @app.post("/x")
    @typed
    def handler(req, page: Page[int]) -> Page[int]:
        assert page.made == 7
        return page

    client = TestClient(app)
    answer = client.post("/x", json={"items": [1], "made": 9})
    assert answer.json == {"items": [1], "made": 7}
    assert client.post("/x", json={"items": ["1"]}).status_code == 422


def test_a_list_of_objects_is_a_body(app):
    @app.post("/x")
    @typed
    def handler(req, items: list[Item]) -> int:
        return len(items)

    assert TestClient(app).post("/x", json=[{"name": "a"}]).json == 1


def test_a_model_is_shown_by_the_names_of_its_schema(app):
    @app.post("/x")
    @typed
    def handler(req, named: Named) -> Named:
        return named

    answer = TestClient(app).post("/x", json={"theValue": 1})
    assert answer.json == {"theValue": 1}


NOTED = Annotated[str, {"minLength": 2}]


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (list[NOTED], [["ab"], []], [["a"], "ab"]),
        (dict[str, NOTED], [{"x": "ab"}], [{"x": "a"}]),
    ],
    ids=["list", "dict"],
)
def test_hints_with_notes_that_have_no_hash(app, client, hint, good, bad):
    """A dictionary in Annotated makes all that contains it unhashable."""

    def take(req, value):
        return {"value": value}

    take.__annotations__["value"] = Annotated[hint, Body]
    app.set_route("/", typed(take), state.METHOD_POST)
    for value in good:
        assert client.post("/", json=value).json == {"value": value}
    for value in bad:
        assert client.post("/", json=value).status_code == 422
    assert "'minLength': 2" in str(app.openapi())
