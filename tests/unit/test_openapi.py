"""OpenAPI documents made of routes, the command line, and what the page serves."""

import importlib.util
import json
import math
import os
import sys
from contextlib import suppress
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from random import Random
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID

import msgspec
import pydantic
import pytest
import yaml
from openapi_spec_validator import validate

from poorwsgi import Application
from poorwsgi.__main__ import main
from poorwsgi.fieldstorage import FieldStorage
from poorwsgi.openapi import OpenAPIPlugin, differences, operation
from poorwsgi.response import FileResponse, TextResponse
from poorwsgi.schema import Schemas
from poorwsgi.testing import TestClient
from poorwsgi.typed import Body, Cookie, Form, Header, Query, typed

ROOT = Path(__file__).parents[2]


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Item:
    """A thing that is sold."""

    name: str
    price: float = 1.5
    color: Color = Color.RED
    parent: "Item | None" = None


class Person(TypedDict):
    name: str
    born: NotRequired[date]


class Model(pydantic.BaseModel):
    name: str
    item: Item | None = None


class Struct(msgspec.Struct):
    name: str
    count: int = 1


UserId = NewType("UserId", int)


def described(app, **options):
    """Return the document, after the public validator has accepted it."""
    made = app.openapi(**options)
    validate(made)
    return made


# -- schemas -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Any, {}),
        (None, {"type": "null"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (datetime, {"type": "string", "format": "date-time"}),
        (date, {"type": "string", "format": "date"}),
        (UUID, {"type": "string", "format": "uuid"}),
        (UserId, {"type": "integer"}),
        (str | None, {"type": ["string", "null"]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (int | Any, {}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (
            set[int],
            {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
        ),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (dict[str, Any], {"type": "object"}),
        (
            dict[str, int],
            {"type": "object", "additionalProperties": {"type": "integer"}},
        ),
        (
            Annotated[int, Query(ge=1, description="How many")],
            {"type": "integer", "minimum": 1, "description": "How many"},
        ),
        (
            Annotated[list[int], Query(min_length=1)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        ),
        (
            Annotated[int | None, Query(le=3)],
            {"type": ["integer", "null"], "maximum": 3},
        ),
        (Annotated[int, {"examples": [5]}], {"type": "integer", "examples": [5]}),
        (
            Annotated[list[int] | None, Query(min_length=1)],
            {
                "anyOf": [
                    {"type": "array", "items": {"type": "integer"}, "minItems": 1},
                    {"type": "null"},
                ]
            },
        ),
        (
            dict[Literal["a", 2], Any],
            {"type": "object", "propertyNames": {"enum": ["a", "2"]}},
        ),
        (
            dict[int, Any],
            {"type": "object", "propertyNames": {"pattern": "^-?[0-9]+$"}},
        ),
        (complex, {}),
    ],
)
def test_the_schema_of_a_hint(hint, expected):
    assert Schemas().of(hint) == expected


def test_types_with_a_name_become_components():
    schemas = Schemas()
    assert schemas.of(Item) == {"$ref": "#/components/schemas/Item"}
    assert schemas.components["Item"] == {
        "title": "Item",
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "price": {"type": "number", "default": 1.5},
            "color": {"$ref": "#/components/schemas/Color"},
            "parent": {
                "anyOf": [{"$ref": "#/components/schemas/Item"}, {"type": "null"}]
            },
        },
        "required": ["name"],
        "description": "A thing that is sold.",
    }
    assert schemas.components["Color"] == {"type": "string", "enum": ["red", "blue"]}
    assert schemas.of(Person) == {"$ref": "#/components/schemas/Person"}
    assert schemas.components["Person"]["required"] == ["name"]


def test_two_types_of_one_name_stay_two():
    schemas = Schemas()
    one = Enum("Same", {"A": "a"})
    other = Enum("Same", {"B": "b"})
    assert schemas.of(one) != schemas.of(other)
    assert schemas.of(one) == schemas.of(one)


def test_pydantic_and_msgspec_describe_themselves():
    schemas = Schemas()
    assert schemas.of(Model) == {"$ref": "#/components/schemas/Model"}
    assert schemas.components["Model"]["properties"]["name"]["type"] == "string"
    assert "Item" in schemas.components
    assert schemas.of(list[Struct])["items"] == {"$ref": "#/components/schemas/Struct"}
    assert schemas.components["Struct"]["required"] == ["name"]


T = TypeVar("T")


@dataclass
class Page(Generic[T]):
    items: list[T]
    made: int = field(init=False, default=0)


@dataclass
class NumberPage(Page[int]):
    total: float = math.inf
    tag: InitVar[str] = ""


class Pair(TypedDict, Generic[T]):
    left: T


class NumberPair(Pair[int]):
    right: int


class Tree(pydantic.BaseModel):
    kids: list["Tree"] = []


class Box(pydantic.BaseModel, Generic[T]):
    value: T
    tree: Tree | None = None


class Later(TypedDict, total=False):
    """As one with `from __future__ import annotations` comes out."""

    a: "Required[int]"
    b: "NotRequired[int]"


def test_a_generic_type_is_filled_and_has_a_name_that_is_allowed():
    schemas = Schemas()
    assert schemas.of(Page[int]) == {"$ref": "#/components/schemas/Page_int"}
    assert schemas.components["Page_int"] == {
        "title": "Page[int]",
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"type": "integer"}},
            "made": {"type": "integer", "default": 0, "readOnly": True},
        },
        "required": ["items"],
    }
    assert schemas.of(Box[int]) == {"$ref": "#/components/schemas/Box_int"}


def test_a_subclass_of_a_filled_type_is_filled():
    schemas = Schemas()
    schemas.of(NumberPage)
    properties = schemas.components["NumberPage"]["properties"]
    assert properties["items"] == {"type": "array", "items": {"type": "integer"}}
    schemas.of(NumberPair)
    properties = schemas.components["NumberPair"]["properties"]
    assert properties == {"left": {"type": "integer"}, "right": {"type": "integer"}}


def test_what_a_dataclass_does_not_keep_is_only_written():
    schemas = Schemas()
    schemas.of(NumberPage)
    tag = schemas.components["NumberPage"]["properties"]["tag"]
    assert tag == {"type": "string", "default": "", "writeOnly": True}


def test_a_default_that_json_does_not_have_is_not_shown(app):
    @app.get("/x")
    @typed
    def handler(req, limit: float = math.inf) -> NumberPage: ...

    text = json.dumps(described(app), allow_nan=False)
    assert '"default": ""' in text


def test_a_class_may_have_a_name_in_any_script(app):
    @app.get("/x")
    @typed
    def handler(req) -> Enum("価格", {"A": "a"}): ...

    assert list(described(app)["components"]["schemas"]) == ["Type"]


def test_a_class_of_the_user_may_be_called_problems(app):
    @dataclass
    class Problems:
        count: int

    @app.get("/x")
    @typed
    def handler(req, number: int) -> Problems: ...

    responses = described(app)["paths"]["/x"]["get"]["responses"]
    content = responses["200"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problems"}
    content = responses["422"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/Problems2"}


ALIASES = """
type Json = dict[str, Json] | list[Json] | str | int | None
type Two[T] = tuple[T, T]

@dataclass
class Bag[T]:
    item: T
    more: "list[Bag[T]]"

@dataclass
class IntBag(Bag[int]):
    json: Json
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs PEP 695")
def test_aliases_and_classes_of_new_python(app):
    names = {"dataclass": dataclass, "__name__": __name__}
    exec(ALIASES, names)  # older Pythons can not read it
    schemas = Schemas()
    assert schemas.of(names["Two"][int]) == Schemas().of(tuple[int, int])
    schemas.of(names["IntBag"])
    properties = schemas.components["IntBag"]["properties"]
    assert properties["item"] == {"type": "integer"}
    assert properties["more"]["items"] == {"$ref": "#/components/schemas/Bag_int"}
    assert properties["json"] == {"$ref": "#/components/schemas/Json"}

    @app.post("/x")
    @typed
    def handler(req, value):
        return value

    annotations = {"value": names["Json"], "return": names["Json"]}
    handler.__typed__.fun.__annotations__ = annotations
    described(app)
    value = {"a": [1, None, {"b": "c"}]}
    assert TestClient(app).post("/x", json=value).json == value
    assert TestClient(app).post("/x", json={"a": [1.5]}).status_code == 422


def test_a_model_may_contain_itself():
    schemas = Schemas()
    schemas.of(Box[int])
    assert schemas.of(Tree) == {"$ref": "#/components/schemas/Tree"}
    tree = schemas.components["Tree"]["properties"]["kids"]["items"]
    assert tree == {"$ref": "#/components/schemas/Tree"}
    assert set(schemas.components) == {"Box_int", "Tree"}


def test_models_of_one_name_in_other_models_stay_two():
    schemas = Schemas()
    for kind in (int, str):
        inner = pydantic.create_model("Inner", value=(kind, ...))
        schemas.of(pydantic.create_model(f"Outer{kind.__name__}", inner=(inner, ...)))
    found = schemas.components["Outerstr"]["properties"]["inner"]
    assert found == {"$ref": "#/components/schemas/Inner2"}
    assert schemas.components["Inner2"]["properties"]["value"]["type"] == "string"


def test_a_typed_dict_with_annotations_in_texts_knows_what_is_required():
    schemas = Schemas()
    schemas.of(Later)
    assert schemas.components["Later"]["required"] == ["a"]


# -- documents ---------------------------------------------------------------------


KINDS = [
    *(None, Any, bytes, datetime, Color, Item, Person, Model, Struct, UserId, Later),
    *(
        NumberPage,
        NumberPair,
        Page[int],
        Page[Item],
        Box[Tree],
        Box[int],
        Tree,
        Item | Struct | None,
    ),
    *(Literal["a", 1, None], tuple[()], tuple[int, str], tuple[Item, int]),
    *(dict[str, list[set[int]]], Annotated[Item, {"description": "One"}], complex),
]
GROUPS = ["", ":int", ":float", ":word", ":hex", ":uuid", ":path", ":any(a,b)"]
GROUPS += [":re:[a-z]+", ":re:a|b", r":re:\d{2}", ":re:[^/]{1,3}", ":re:é"]


@pytest.mark.parametrize("seed", range(8))
def test_the_document_of_any_application_is_valid(app, seed):
    random = Random(seed)
    inner = Application(f"{app.name}-below")
    routes = [app, inner, app.group("/{group}", name="group")]
    app.mount("/below", inner)
    for number in range(12):
        rule = "".join(
            f"/<a{place}{random.choice(GROUPS)}>"
            if random.random() < 0.6
            else random.choice(["/x y", "/é", "/{c}", "/a.b", "/50%", "/"])
            for place in range(random.randint(1, 3))
        )

        def handler(req, *values):
            """Do it."""

        handler.__annotations__ = {"return": random.choice(KINDS)}
        said = operation(
            responses={404: "None", 201: random.choice(KINDS), "4XX": {}},
            request_body=random.choice(KINDS),
        )
        handler = said(handler) if random.random() < 0.5 else handler
        methods = random.choice(["GET", ["POST", "PUT"], 511, "HEAD", "CONNECT"])
        with suppress(ValueError):  # a path may not have an é in a pattern
            random.choice(routes).set_route(f"/{number}{rule}", handler, methods)
    described(app)
    inner.release()


@pytest.mark.parametrize("hint", KINDS)
def test_typed_handlers_of_any_type_are_valid(app, hint):
    @app.post("/x")
    @typed
    def handler(req, value):
        return value

    handler.__typed__.fun.__annotations__ = {
        "value": Annotated[hint, Body()],
        "return": hint,
    }
    with suppress(TypeError):  # what no JSON can be made to
        described(app)


def test_what_a_url_can_not_have_is_encoded_in_a_path(app):
    """The plugin finds the operation of such a rule nevertheless."""
    app.set_route("/{a}", lambda req: "")
    app.set_route("/50%/é/<b:int>", lambda req, b: "")
    assert list(described(app)["paths"]) == ["/%7Ba%7D", "/50%25/%C3%A9/{b}"]
    found = []
    OpenAPIPlugin(app, app.openapi())
    app.add_after_response(lambda req, res: found.append(req.api) or res)
    for path in ("/%7Ba%7D", "/50%25/%C3%A9/7"):
        assert TestClient(app).get(path).status_code == 200
    assert [api.parameters.path for api in found] == [{}, {"b": 7}]


def test_a_route_without_hints_is_described_by_its_rule_and_docstring(app):
    @app.route("/user/<id:int>")
    def user(req, number):
        """Return a user.

        Who is gone is not there.
        """

    made = described(app, title="Users", version="2.0", description="All of them")
    assert made["openapi"] == "3.1.0"
    assert made["info"] == {
        "title": "Users",
        "version": "2.0",
        "description": "All of them",
    }
    assert made["paths"] == {
        "/user/{id}": {
            "get": {
                "operationId": "user",
                "summary": "Return a user.",
                "description": "Who is gone is not there.",
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "integer"},
                    }
                ],
                "responses": {
                    "200": {"description": "OK"},
                    "404": {"description": "Not Found"},
                    "default": {"description": "Any other error."},
                },
            }
        }
    }


@pytest.mark.parametrize(
    ("group", "schema"),
    [
        ("<a>", {"type": "string", "minLength": 1}),
        ("<a:path>", {"type": "string", "minLength": 1}),
        ("<a:word>", {"type": "string", "minLength": 1}),
        ("<a:hex>", {"type": "string", "pattern": "^[0-9a-fA-F]+$"}),
        (r"<a:re:\d\w>", {"type": "string"}),
        ("<a:float>", {"type": "number"}),
        ("<a:uuid>", {"type": "string", "format": "uuid"}),
        ("<a:any(x,y)>", {"enum": ["x", "y"]}),
        ("<a:re:x|y>", {"type": "string", "pattern": "^(?:x|y)$"}),
        ("<a:re:(?P<n>x)>", None),
        ("<a:key>", {"type": "integer", "minimum": 0, "maximum": 999}),
        ("<a:day>", {"type": "string", "format": "date"}),
        ("<a:upper>", {"type": "string"}),
    ],
)
def test_a_filter_becomes_a_schema(app, group, schema):
    app.set_filter("key", "[0-9]{1,3}", int)
    app.set_filter("day", r"\d{4}-\d\d-\d\d", date.fromisoformat)
    app.set_filter("upper", r"(?i:[a-z]+)", str.upper)
    if schema is None:
        return
    app.set_route(f"/x/{group}", lambda req, a: "")
    (parameter,) = described(app)["paths"]["/x/{a}"]["get"]["parameters"]
    assert parameter["schema"] == schema


def test_rules_that_are_one_path_to_openapi_are_merged(app):
    def handler(req, value) -> str:
        return ""

    app.set_route("/x/<a:int>", handler)
    app.set_route("/x/<b:word>", handler)
    app.set_route("/x/<c>", handler, "PUT")
    (item,) = described(app)["paths"].values()
    (parameter,) = item["get"]["parameters"]
    assert parameter["schema"]["anyOf"][0] == {"type": "integer"}
    assert [one["name"] for one in item["put"]["parameters"]] == ["a"]


def test_methods_and_operation_ids(app):
    def handler(req):
        return ""

    app.set_route("/a", handler, ["GET", "POST"])
    app.set_route("/b", handler, "HEAD")
    app.set_route("/c", handler, 511)
    paths = described(app)["paths"]
    assert list(paths["/a"]) == ["get", "post"]
    assert list(paths["/b"]) == ["head"]
    assert {"get", "post", "put", "delete", "patch"} <= set(paths["/c"])
    ids = [one["operationId"] for item in paths.values() for one in item.values()]
    assert len(set(ids)) == len(ids)


def test_groups_tag_and_mounts_are_walked(app):
    inner = Application(app.name + "-inner")
    inner.set_route("/in/<a:int>", lambda req, a: "")
    app.mount("/below", inner)
    group = app.group("/api", name="api")
    group.set_route("/x", lambda req: "")
    app.set_regular_route("/regex/.*", lambda req: "")
    paths = described(app)["paths"]
    assert set(paths) == {"/below/in/{a}", "/api/x"}
    assert paths["/api/x"]["get"]["tags"] == ["api"]


@pytest.mark.parametrize(
    ("hint", "code", "content"),
    [
        (str, "200", {"text/html": {"schema": {"type": "string"}}}),
        (TextResponse, "200", {"text/plain": {"schema": {"type": "string"}}}),
        (
            dict[str, int],
            "200",
            {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "additionalProperties": {"type": "integer"},
                    }
                }
            },
        ),
        (
            tuple[Item, int],
            "200",
            {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}},
        ),
        (FileResponse, "200", None),
        (None, "204", None),
        (Any, "200", None),
        (tuple[str, str, tuple[()], int], "200", None),
    ],
)
def test_the_annotation_of_the_result(app, hint, code, content):
    def handler(req):
        return ""

    handler.__annotations__ = {"return": hint}
    app.set_route("/x", handler)
    responses = described(app)["paths"]["/x"]["get"]["responses"]
    assert list(responses) == [code, "default"]
    assert responses[code].get("content") == content


def test_typed_handlers_are_described_whole(app):
    @app.post("/x/<id:int>")
    @typed(status=201)
    def handler(
        req,
        number,
        item: Item,
        q: Annotated[int, Query(ge=1, description="How many")],
        x_n: Annotated[str | None, Header] = None,
        sid: Annotated[str, Cookie()] = "none",
    ) -> Item | None:
        """Do it."""

    made = described(app)["paths"]["/x/{id}"]["post"]
    assert made["parameters"][1:] == [
        {
            "name": "q",
            "in": "query",
            "description": "How many",
            "required": True,
            "schema": {"type": "integer", "minimum": 1},
        },
        {"name": "X-N", "in": "header", "schema": {"type": "string"}},
        {
            "name": "sid",
            "in": "cookie",
            "schema": {"type": "string", "default": "none"},
        },
    ]
    assert made["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Item"}}
        },
    }
    assert list(made["responses"]) == ["201", "400", "404", "415", "422", "default"]
    reference = made["responses"]["422"]["content"]["application/json"]["schema"]
    assert reference == {"$ref": "#/components/schemas/Problems"}


def test_forms_are_described(app):
    @app.post("/plain")
    @typed
    def plain(req, n: Annotated[int, Form()], s: Annotated[str, Form()]) -> str:
        return ""

    @app.post("/upload")
    @typed
    def upload(req, file: Annotated[FieldStorage, Form()]) -> str:
        return ""

    paths = described(app)["paths"]
    content = paths["/plain"]["post"]["requestBody"]["content"]
    assert list(content) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    assert content["multipart/form-data"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "s": {"type": "string", "minLength": 1},
        },
        "required": ["n", "s"],
    }
    content = paths["/upload"]["post"]["requestBody"]["content"]
    assert content["multipart/form-data"]["schema"]["properties"] == {
        "file": {"type": "string", "format": "binary"}
    }


def test_operation_says_what_the_code_does_not(app):
    app.openapi_base = {
        "servers": [{"url": "/v1"}],
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}
        },
    }

    @app.put("/x/<id>")
    @operation(
        summary="Short",
        description="Long",
        tags=["a"],
        responses={
            409: "There is one.",
            201: Item,
            "5XX": {"description": "Ours."},
        },
        request_body=list[Item],
        parameters=[
            {"name": "id", "in": "path", "required": True, "schema": {"enum": ["1"]}},
            {"name": "q", "in": "query", "schema": {"type": "string"}},
        ],
        security=[{"bearer": []}],
        deprecated=True,
        operation_id="put_x",
    )
    def handler(req, number):
        return ""

    @app.get("/hidden")
    @operation(hidden=True)
    def hidden(req):
        return ""

    made = described(app)
    assert list(made["paths"]) == ["/x/{id}"]
    assert made["servers"] == [{"url": "/v1"}]
    made = made["paths"]["/x/{id}"]["put"]
    assert (made["summary"], made["description"]) == ("Short", "Long")
    assert (made["tags"], made["operationId"]) == (["a"], "put_x")
    assert (made["deprecated"], made["security"]) == (True, [{"bearer": []}])
    assert [one["schema"] for one in made["parameters"]] == [
        {"enum": ["1"]},
        {"type": "string"},
    ]
    assert set(made["responses"]) == {
        "200",
        "201",
        "401",
        "404",
        "409",
        "5XX",
        "default",
    }
    items = made["requestBody"]["content"]["application/json"]["schema"]["items"]
    assert items == {"$ref": "#/components/schemas/Item"}


def test_what_the_base_has_wins(app):
    app.openapi_base = {
        "info": {"title": "Base", "version": "9"},
        "paths": {"/x": {"get": {"responses": {"200": {"description": "by hand"}}}}},
    }
    app.set_route("/x", lambda req: "")
    made = described(app)
    assert made["info"] == {"title": "Base", "version": "9"}
    assert made["paths"]["/x"]["get"]["responses"]["200"]["description"] == "by hand"


EXAMPLES = [
    path.name
    for path in sorted((ROOT / "examples").glob("*.py"))
    if "Application(" in path.read_text() and "redis" not in path.name
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_has_a_valid_document(name, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("app_data", str(tmp_path))
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    path = ROOT / "examples" / name
    spec = importlib.util.spec_from_file_location(f"openapi_of_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    apps = [one for one in vars(module).values() if isinstance(one, Application)]
    try:
        for app in apps:
            described(app)
    finally:
        for app in apps:
            app.release()
    assert apps


# -- the command -------------------------------------------------------------------


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A file with an application of one route."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "openapi_command_app.py"
    path.write_text(
        "from poorwsgi import Application\n"
        "app = Application('openapi-command')\n"
        "app.release()\n"
        "@app.get('/x')\n"
        "def x(req) -> dict[str, int]:\n"
        "    return {}\n"
    )
    return path


def test_the_command_prints_the_document(program, capsys):
    assert main(["openapi", str(program)]) == 0
    made = json.loads(capsys.readouterr().out)
    validate(made)
    assert list(made["paths"]) == ["/x"]


def test_a_document_that_can_not_be_made_is_a_message(program, capsys):
    text = "\n\n@app.post('/y')\n@typed\ndef y(req, v: 'No'): ..."
    program.write_text(
        "from poorwsgi.typed import typed\n" + program.read_text() + text
    )
    assert main(["openapi", str(program)]) == 1
    assert "its annotation 'No' is not known\n" in capsys.readouterr().err


def test_yaml_without_its_package_is_a_message(program, capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    (tmp_path / "a.yaml").write_text("{}")
    assert main(["openapi", str(program), "--check", str(tmp_path / "a.yaml")]) == 2
    assert "pip install 'poorwsgi[openapi]'" in capsys.readouterr().err


def test_a_stored_file_of_yaml_may_have_numbers_for_status(program, capsys, tmp_path):
    main(["openapi", str(program)])
    text = yaml.safe_dump(json.loads(capsys.readouterr().out))
    (tmp_path / "a.yaml").write_text(text.replace("'200'", "200"))
    assert main(["openapi", str(program), "--check", str(tmp_path / "a.yaml")]) == 0


def test_check_tells_what_has_drifted_apart(program, capsys, tmp_path):
    main(["openapi", str(program)])
    stored = json.loads(capsys.readouterr().out)
    path = tmp_path / "stored.json"
    path.write_text(json.dumps(stored))
    assert main(["openapi", str(program), "--check", str(path)]) == 0
    assert capsys.readouterr().out == ""
    stored["info"]["title"] = "other"
    stored["paths"]["/old"] = {}
    del stored["paths"]["/x"]["get"]["responses"]["default"]
    path.write_text(json.dumps(stored))
    assert main(["openapi", str(program), "--check", str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        '~ info > title: "other" -> "openapi-command"',
        "+ paths > /x > get > responses > default  (only in the code)",
        "- paths > /old  (only in the file)",
    ]


def test_check_of_no_document_is_wrong_usage(program, capsys, tmp_path):
    assert main(["openapi", str(program), "--check", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.endswith("none: No such file or directory\n")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "this is no JSON: Expecting property name"),
        ("a.yaml", "a: [", "this is no YAML: "),
        ("a.yaml", "swagger: '2.0'", "only OpenAPI 3 is known"),
    ],
)
def test_a_stored_file_that_is_no_document(
    program, capsys, tmp_path, name, text, message
):
    (tmp_path / name).write_text(text)
    assert main(["openapi", str(program), "--check", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stored", "made", "lines"),
    [
        ({"a": [1, 2]}, {"a": [1, 3]}, ["~ a[1]: 2 -> 3"]),
        ({"a": [1]}, {"a": [1, 2]}, ["~ a: [1] -> [1, 2]"]),
        ({"a": 1}, {"a": True}, ["~ a: 1 -> true"]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}, []),
        (
            {"a": [{"in": "query", "name": "x", "v": 1}, {"in": "path", "name": "y"}]},
            {"a": [{"in": "path", "name": "y"}, {"in": "query", "name": "x", "v": 2}]},
            ["~ a > query x > v: 1 -> 2"],
        ),
        (
            {"a": [{"name": "x"}]},
            {"a": [{"name": "x"}, {"name": "y"}]},
            ["+ a > y  (only in the code)"],
        ),
    ],
)
def test_differences(stored, made, lines):
    assert list(differences(stored, made)) == lines


# -- the page ----------------------------------------------------------------------


def test_the_page_and_its_files_are_served(app):
    app.set_route("/x", lambda req: "")
    app.openapi_ui("/api/docs")
    client = TestClient(app)
    page = client.get("/api/docs")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for name, media_type in [
        ("openapi.css", "text/css"),
        ("openapi.js", "text/javascript"),
        ("openapi.json", "application/json"),
    ]:
        assert f'"docs/{name}"' in page.text
        answer = client.get(f"/api/docs/{name}")
        assert answer.headers["Content-Type"].startswith(media_type)
    assert list(answer.json["paths"]) == ["/x"]


def test_the_page_shows_routes_that_came_later_and_escapes_the_title(app):
    app.openapi_base = {"info": {"title": "<script>", "version": "1"}}
    app.openapi_ui("/")
    client = TestClient(app)
    assert client.get("/openapi.json").json["paths"] == {}
    app.set_route("/x", lambda req: "")
    assert list(client.get("/openapi.json").json["paths"]) == ["/x"]
    assert "<title>&lt;script&gt;" in client.get("/").text


def test_the_document_says_where_the_application_is_mounted(app):
    app.openapi_ui()
    mounted = {"SCRIPT_NAME": "/my api"}
    client = TestClient(app, environ=mounted)
    assert client.get("/docs/openapi.json").json["servers"] == [{"url": "/my%20api"}]
    assert "servers" not in TestClient(app).get("/docs/openapi.json").json
    app.openapi_base = {"servers": [{"url": "/v1"}]}
    assert client.get("/docs/openapi.json").json["servers"] == [{"url": "/v1"}]


def test_another_document_may_be_shown(app):
    spec = {"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "paths": {}}
    app.openapi_ui(spec=spec)
    assert TestClient(app).get("/docs/openapi.json").json == spec


def test_another_user_interface_may_be_served(app, tmp_path):
    folder = tmp_path / "ui"
    folder.mkdir()
    (folder / "index.html").write_text("<title>Other</title>")
    (folder / "a.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    os.symlink(tmp_path / "secret", folder / "link")
    app.openapi_ui("/docs", folder=folder)
    client = TestClient(app)
    assert "Other" in client.get("/docs/").text
    assert client.get("/docs/a.js").data == b"1"
    assert client.get("/docs/openapi.json").json["paths"] == {}
    for name in ("none", "../secret", "%2e%2e/secret", "link", ""):
        assert client.get(f"/docs/{name}").data != b"secret"


def test_a_folder_that_is_none_is_a_mistake(app, tmp_path):
    with pytest.raises(ValueError, match="is no folder"):
        app.openapi_ui(folder=tmp_path / "none")
