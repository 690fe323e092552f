"""Requests and answers checked against a document by OpenAPIPlugin."""

import json
import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from openapi_core import OpenAPI

from poorwsgi.openapi import OpenAPIPlugin
from poorwsgi.openapi_document import load_document
from poorwsgi.openapi_wrapper import OpenAPIRequest
from poorwsgi.response import GeneratorResponse, JSONResponse, TextResponse
from poorwsgi.testing import TestClient

ROOT = Path(__file__).parents[2]
TEXTS = {"type": "array", "items": {"type": "string"}}
NUMBERS = {"type": "array", "items": {"type": "integer"}}
POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
    "required": ["x"],
}


def document(operation, path="/x", method="post", version="3.1.0", **more):
    operation = {"responses": {"default": {"description": "any"}}, **operation}
    return {
        "openapi": version,
        "info": {"title": "t", "version": "1"},
        "paths": {path: {method: operation}},
        **more,
    }


def parameter(name, place, schema, **more):
    if place == "path":
        more["required"] = True
    return {"name": name, "in": place, "schema": schema, **more}


def body(schema, media_type="application/json", required=True):
    return {
        "requestBody": {
            "required": required,
            "content": {media_type: {"schema": schema}},
        }
    }


@pytest.fixture
def seen(app):
    """`req.api` of each request that reached the handler."""
    found = []

    def handler(req, *_):
        found.append(req.api)
        return "ok"

    app.set_route("/x", handler, ["GET", "POST", "PUT"])
    app.set_route("/x/<a>", handler, ["GET", "POST"])
    app.set_route("/i/<a:int>", handler, ["GET", "POST"])
    app.set_route("/other", handler)
    return found


def problems(answer):
    assert answer.status_code == 400, answer
    return [(one["in"], one["name"], one["message"]) for one in answer.json["problems"]]


# -- parameters ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        (parameter("a", "query", {"type": "integer"}), {"query": "a=5"}, 5),
        (parameter("a", "query", {"type": "number"}), {"query": "a=1.5"}, 1.5),
        (parameter("a", "query", {"type": "boolean"}), {"query": "a=true"}, True),
        (parameter("a", "query", {"type": "string"}), {"query": "a=5"}, "5"),
        (parameter("a", "query", {"type": "string"}), {"query": "a="}, ""),
        (parameter("a", "query", {"enum": [1, 2]}), {"query": "a=2"}, 2),
        (parameter("a", "query", {}), {"query": "a=2"}, "2"),
        (
            parameter("a", "query", {"type": ["integer", "string"]}),
            {"query": "a=b"},
            "b",
        ),
        (
            parameter(
                "a",
                "query",
                {"anyOf": [{"type": "integer", "maximum": 3}, {"type": "string"}]},
            ),
            {"query": "a=9"},
            "9",
        ),
        (parameter("a", "query", {"type": "integer", "default": 3}), {}, 3),
        (parameter("a", "query", NUMBERS), {"query": "a=1&a=2"}, [1, 2]),
        (parameter("a", "query", NUMBERS), {"query": "a=1"}, [1]),
        (parameter("a", "query", NUMBERS, explode=False), {"query": "a=1,2"}, [1, 2]),
        (
            parameter("a", "query", NUMBERS, style="pipeDelimited"),
            {"query": "a=1%7C2"},
            [1, 2],
        ),
        (parameter("a", "query", POINT), {"query": "x=1&y=2"}, {"x": 1, "y": 2}),
        (
            parameter("a", "query", POINT, explode=False),
            {"query": "a=x,1,y,2"},
            {"x": 1, "y": 2},
        ),
        (
            parameter("a", "query", POINT, style="deepObject"),
            {"query": "a[x]=1"},
            {"x": 1},
        ),
        (
            {
                "name": "a",
                "in": "query",
                "content": {"application/json": {"schema": POINT}},
            },
            {"query": 'a={"x":1}'},
            {"x": 1},
        ),
        (parameter("X-A", "header", {"type": "integer"}), {"headers": {"X-A": "7"}}, 7),
        (parameter("X-A", "header", NUMBERS), {"headers": {"X-A": "7,8"}}, [7, 8]),
        (parameter("X-A", "header", NUMBERS), {"headers": {"X-A": "7, 8"}}, [7, 8]),
        (
            parameter("X-A", "header", POINT, explode=True),
            {"headers": {"X-A": "x=1, y=2"}},
            {"x": 1, "y": 2},
        ),
        (
            parameter("a", "cookie", {"type": "integer"}),
            {"headers": {"Cookie": "a=7"}},
            7,
        ),
        (
            parameter("a", "query", {"$ref": "#/components/schemas/Int"}),
            {"query": "a=5"},
            5,
        ),
    ],
)
def test_a_parameter_is_cast(app, seen, given, options, expected):
    more = {"components": {"schemas": {"Int": {"type": "integer"}}}}
    OpenAPIPlugin(app, document({"parameters": [given]}, **more))
    assert TestClient(app).post("/x", **options).text == "ok"
    place = getattr(seen[0].parameters, given["in"])
    assert place == {given["name"]: expected}


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (parameter("a", "query", {"type": "integer"}, required=True), {}),
        (parameter("a", "query", {"type": "integer"}), {"query": "a=b"}),
        (parameter("a", "query", {"type": "integer"}), {"query": "a=1&a=2"}),
        (
            parameter("a", "query", {"type": "integer", "format": "int32"}),
            {"query": "a=2147483648"},
        ),
        (parameter("a", "query", {"type": "boolean"}), {"query": "a=1"}),
        (
            parameter("a", "query", {"type": "string", "format": "uuid"}),
            {"query": "a=1"},
        ),
        (
            parameter("a", "query", {"type": "string", "format": "date"}),
            {"query": "a=1"},
        ),
        (parameter("a", "query", NUMBERS), {"query": "a=1&a=b"}),
        (parameter("a", "query", POINT, style="deepObject"), {"query": "a[y]=1"}),
        (
            parameter("a", "query", POINT, style="deepObject"),
            {"query": "a[x]=1&a[x]=2"},
        ),
        (parameter("a", "query", POINT), {"query": "x=1&x=2"}),
        (
            {
                "name": "a",
                "in": "query",
                "content": {"application/json": {"schema": POINT}},
            },
            {"query": "a={"},
        ),
        (parameter("X-A", "header", {"type": "integer"}), {"headers": {"X-A": "b"}}),
        (parameter("a", "cookie", {"type": "integer"}), {"headers": {"Cookie": "a=b"}}),
    ],
)
def test_a_bad_parameter_is_400(app, seen, given, options):
    OpenAPIPlugin(app, document({"parameters": [given]}))
    ((place, name, _),) = problems(TestClient(app).post("/x", **options))
    assert (place, name.partition("/")[0]) == (given["in"], given["name"])
    assert seen == []


@pytest.mark.parametrize(
    ("path", "url", "schema", "expected"),
    [
        ("/x/{a}", "/x/b", {"type": "string"}, "b"),
        ("/x/{other}", "/x/5", {"type": "integer"}, 5),
        ("/i/{a}", "/i/5", {"type": "integer"}, 5),
        ("/i/{a}", "/i/5", {"type": "string"}, "5"),
        ("/x/{a}", "/x/1,2", NUMBERS, [1, 2]),
    ],
)
def test_values_of_the_path(app, seen, path, url, schema, expected):
    """By their position, so that rule and document may call them differently."""
    name = path.rpartition("{")[2][:-1]
    operation = {"parameters": [parameter(name, "path", schema)]}
    OpenAPIPlugin(app, document(operation, path, "get"))
    assert TestClient(app).get(url).text == "ok"
    assert seen[0].parameters.path == {name: expected}


def test_parameters_of_the_path_item_and_by_reference(app, seen):
    made = document({"parameters": [parameter("a", "query", {"type": "integer"})]})
    made["paths"]["/x"]["parameters"] = [
        parameter("a", "query", {"type": "string"}),
        {"$ref": "#/components/parameters/b"},
    ]
    made["components"] = {
        "parameters": {"b": parameter("b", "query", {"type": "integer"})}
    }
    OpenAPIPlugin(app, made)
    TestClient(app).post("/x", query="a=1&b=2")
    assert seen[0].parameters.query == {"a": 1, "b": 2}


# -- bodies ----------------------------------------------------------------------

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FIELDS = {
    "type": "object",
    "required": ["n"],
    "properties": {
        "n": {"type": "integer"},
        "tags": TEXTS,
        "file": {"type": "string", "format": "binary"},
        "point": POINT,
    },
}


@pytest.mark.parametrize(
    ("given", "options", "expected"),
    [
        (body(POINT), {"json": {"x": 1}}, {"x": 1}),
        (body(TEXTS), {"json": ["a"]}, ["a"]),
        (body({"type": "string"}), {"json": "a"}, "a"),
        (
            body(POINT, "application/x+json"),
            {"body": b'{"x": 1}', "headers": {"Content-Type": "application/x+json"}},
            {"x": 1},
        ),
        (body(POINT, "*/*"), {"json": {"x": 1}}, {"x": 1}),
        (body(POINT, required=False), {}, None),
        (
            body(FIELDS, FORM),
            {"data": {"n": "1", "tags": "a"}},
            {"n": 1, "tags": ["a"]},
        ),
        (
            body(FIELDS, MULTIPART),
            {"data": {"n": "1", "point": '{"x": 1}'}, "files": {"file": ("a", b"\0")}},
            {"n": 1, "point": {"x": 1}, "file": ""},
        ),
        (
            body({"type": "string", "minLength": 2}, "text/plain"),
            {"body": b"ab", "headers": {"Content-Type": "text/plain"}},
            "ab",
        ),
        (
            body({}, "application/octet-stream"),
            {"body": b"\0", "headers": {"Content-Type": "application/octet-stream"}},
            None,
        ),
    ],
)
def test_a_body_is_read_and_checked(app, seen, given, options, expected):
    OpenAPIPlugin(app, document(given))
    answer = TestClient(app).post("/x", **options)
    assert answer.text == "ok"
    got = seen[0].body
    if isinstance(got, dict):
        got = {k: got[k] for k in got}
    assert got == expected


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (body(POINT), {}),
        (body(POINT), {"json": {"x": "1"}}),
        (body(POINT), {"json": {}}),
        (body(POINT), {"body": b"{", "headers": {"Content-Type": "application/json"}}),
        (body(POINT), {"data": {"x": "1"}}),
        (body({"type": "string", "format": "date"}), {"json": "\ud800"}),
        (body(FIELDS, FORM), {"data": {"n": "a"}}),
        (body(FIELDS, MULTIPART), {"data": {"m": "1"}, "files": {}}),
        (
            body(FIELDS, MULTIPART),
            {"body": b"--x", "headers": {"Content-Type": MULTIPART + "; boundary=x"}},
        ),
        (
            body({"type": "string"}, "text/plain"),
            {"body": b"\xff", "headers": {"Content-Type": "text/plain"}},
        ),
    ],
)
def test_a_bad_body_is_400(app, seen, given, options):
    OpenAPIPlugin(app, document(given))
    (found,) = problems(TestClient(app).post("/x", **options))
    assert found[0] == "body"
    assert seen == []


def test_uploads_that_are_not_in_memory_are_left_to_the_handler(app):
    """The handler can still read them as a stream."""
    app.data_size = 100
    OpenAPIPlugin(app, document(body(FIELDS, MULTIPART)))

    @app.post("/x")
    def upload(req):
        return [sum(map(len, part)) for part in req.parts()]

    answer = TestClient(app).post("/x", files={"file": ("a", b"x" * 1000)})
    assert answer.json == [1000]


def test_what_is_read_only_is_not_wanted_in_a_request(app, seen):
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {}},
    }
    OpenAPIPlugin(app, document(body(schema)))
    client = TestClient(app)
    assert client.post("/x", json={"name": "a"}).text == "ok"
    assert len(problems(client.post("/x", json={"id": 1}))) == 1


@pytest.mark.parametrize(
    ("schema", "value", "is_valid"),
    [
        ({"type": "integer", "nullable": True}, None, True),
        ({"type": "string", "nullable": True, "enum": ["a"]}, None, True),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1, False),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": False}, 1, True),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": True}, 1, False),
        (
            {"properties": {"a": {"type": "integer", "nullable": True}}},
            {"a": None},
            True,
        ),
        ({"$ref": "#/components/schemas/A"}, {"child": {"child": {}}}, True),
        ({"$ref": "#/components/schemas/A"}, {"child": {"child": 1}}, False),
    ],
)
def test_schemas_of_3_0(app, seen, schema, value, is_valid):
    components = {
        "schemas": {
            "A": {
                "type": "object",
                "properties": {"child": {"$ref": "#/components/schemas/A"}},
            }
        }
    }
    made = document(body(schema), version="3.0.3", components=components)
    OpenAPIPlugin(app, made)
    answer = TestClient(app).post("/x", json=value)
    assert answer.status_code == (200 if is_valid else 400)


# -- which operation -----------------------------------------------------------------


def test_what_the_document_does_not_name_is_left_alone(app, seen):
    OpenAPIPlugin(
        app, document({"parameters": [parameter("a", "query", {}, required=True)]})
    )
    client = TestClient(app)
    assert client.get("/other").text == "ok"
    assert client.get("/x").text == "ok"
    assert client.get("/nothing").status_code == 404
    assert client.delete("/x").status_code == 405
    assert seen == [None, None]


def test_unless_it_is_told_otherwise(app, seen):
    OpenAPIPlugin(app, document({}), only_known=True)
    client = TestClient(app)
    assert client.get("/other").status_code == 404
    assert client.get("/x").status_code == 405
    assert client.post("/x").text == "ok"
    assert client.options("/x").status_code == 204


def test_head_is_checked_as_get(app, seen):
    OpenAPIPlugin(
        app,
        document(
            {"parameters": [parameter("a", "query", {}, required=True)]}, method="get"
        ),
    )
    client = TestClient(app)
    assert client.head("/x").status_code == 400
    assert client.head("/x", query="a=1").status_code == 200


def test_the_path_of_a_server_may_stand_before(app, seen):
    made = document(
        {"parameters": [parameter("a", "query", {}, required=True)]},
        servers=[{"url": "https://x.test/v1/"}],
    )
    OpenAPIPlugin(app, made)
    app.set_route("/v1/x", lambda req: "ok", "POST")
    client = TestClient(app)
    assert client.post("/v1/x").status_code == client.post("/x").status_code == 400


def test_a_regular_expression_is_found_by_its_path(app):
    @app.regular_route(r"/r/(?P<a>\w+)")
    def handler(req, a):
        return str(req.api.parameters.path)

    operation = {"parameters": [parameter("b", "path", {"type": "integer"})]}
    OpenAPIPlugin(app, document(operation, "/r/{b}", "get"))
    client = TestClient(app)
    assert client.get("/r/5").text == "{'b': 5}"
    assert client.get("/r/x").status_code == 400


# -- security ------------------------------------------------------------------------

SCHEMES = {
    "securitySchemes": {
        "key": {"type": "apiKey", "in": "query", "name": "key"},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "head": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "basic": {"type": "http", "scheme": "basic"},
        "bearer": {"type": "http", "scheme": "bearer"},
        "oauth": {"type": "oauth2", "flows": {}},
    }
}


@pytest.mark.parametrize(
    ("security", "options", "expected"),
    [
        ([{"key": []}], {"query": "key=a"}, {"key": "a"}),
        ([{"cookie": []}], {"headers": {"Cookie": "sid=a"}}, {"cookie": "a"}),
        ([{"head": []}], {"headers": {"X-Key": "a"}}, {"head": "a"}),
        (
            [{"basic": []}],
            {"headers": {"Authorization": "Basic YTpi"}},
            {"basic": "YTpi"},
        ),
        ([{"bearer": []}], {"headers": {"Authorization": "bearer t"}}, {"bearer": "t"}),
        (
            [{"oauth": ["read"]}],
            {"headers": {"Authorization": "Bearer t"}},
            {"oauth": "t"},
        ),
        ([{"key": []}, {"head": []}], {"headers": {"X-Key": "a"}}, {"head": "a"}),
        ([{"key": []}, {}], {}, {}),
        (
            [{"key": [], "head": []}],
            {"query": "key=a", "headers": {"X-Key": "b"}},
            {"key": "a", "head": "b"},
        ),
    ],
)
def test_credentials_are_found(app, seen, security, options, expected):
    OpenAPIPlugin(app, document({"security": security}, components=SCHEMES))
    assert TestClient(app).post("/x", **options).text == "ok"
    assert seen[0].security == expected


@pytest.mark.parametrize(
    ("security", "options", "challenge"),
    [
        ([{"key": []}], {}, 'ApiKey realm="key"'),
        (
            [{"basic": []}],
            {"headers": {"Authorization": "Bearer x"}},
            'Basic realm="basic"',
        ),
        (
            [{"bearer": []}],
            {"headers": {"Authorization": "Bearer "}},
            'Bearer realm="bearer"',
        ),
        ([{"key": [], "bearer": []}], {"query": "key=a"}, 'ApiKey realm="key"'),
    ],
)
def test_without_credentials_it_is_401(app, seen, security, options, challenge):
    OpenAPIPlugin(app, document({"security": security}, components=SCHEMES))
    answer = TestClient(app).post("/x", **options)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge
    assert answer.json["problems"][0]["in"] == "security"
    assert seen == []


def test_a_verifier_has_the_last_word(app, seen):
    made = document({"security": [{"bearer": []}]}, components=SCHEMES)
    OpenAPIPlugin(
        app, made, security={"bearer": lambda req, token: {"good": "joe"}.get(token)}
    )
    client = TestClient(app)
    assert client.post("/x", headers={"Authorization": "Bearer bad"}).status_code == 401
    assert client.post("/x", headers={"Authorization": "Bearer good"}).text == "ok"
    assert seen[0].security == {"bearer": "joe"}


# -- answers ---------------------------------------------------------------------------

ANSWERS = {
    "responses": {
        "200": {
            "description": "ok",
            "headers": {"X-N": {"schema": {"type": "integer"}, "required": True}},
            "content": {"application/json": {"schema": POINT}},
        },
        "4XX": {"description": "wrong"},
    }
}
GOOD = {"X-N": "1"}


@pytest.mark.parametrize(
    ("response", "wrong"),
    [
        (JSONResponse({"x": 1}, headers=GOOD), ""),
        (JSONResponse({"x": "1"}, headers=GOOD), "body /x"),
        (JSONResponse({"x": 1}), "header X-N is missing"),
        (JSONResponse({"x": 1}, headers={"X-N": "a"}), "header X-N"),
        (TextResponse("a", headers=GOOD), "Content-Type 'text/plain'"),
        (JSONResponse({"x": 1}, status_code=201), "status 201 is not in the document"),
        (JSONResponse({}, status_code=404), ""),
        (JSONResponse({}, status_code=503), ""),
        (GeneratorResponse(iter([b"no JSON"]), "application/json", GOOD), ""),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_answers(app, caplog, response, wrong, strict):
    import copy

    OpenAPIPlugin(app, document(ANSWERS, method="get"), strict=strict)
    app.set_route("/x", lambda req: copy.copy(response))
    with caplog.at_level(logging.ERROR, "poorwsgi"):
        answer = TestClient(app).get("/x")
    if wrong and strict:
        assert answer.status_code == 500
    else:
        assert answer.status_code == response.status_code
    assert bool(wrong) == bool(caplog.records)
    assert wrong in caplog.text


def test_answers_of_the_plugin_itself_are_not_looked_at(app, seen, caplog):
    operation = {**ANSWERS, "parameters": [parameter("a", "query", {}, required=True)]}
    operation["responses"] = {"200": {"description": "ok"}}
    OpenAPIPlugin(app, document(operation, method="get"), strict=True)
    assert TestClient(app).get("/x").status_code == 400
    assert caplog.records == []


# -- hostile values ------------------------------------------------------------------


def tagged(kind):
    return {
        "type": "object",
        "required": ["kind", "left"],
        "properties": {"kind": {"const": kind}, "left": EXPRESSION},
    }


EXPRESSION = {"$ref": "#/components/schemas/Expression"}
EXPRESSIONS = {
    "Expression": {
        "anyOf": [
            {"$ref": "#/components/schemas/Plus"},
            {"$ref": "#/components/schemas/Times"},
            {"type": "integer"},
        ]
    },
    "Plus": tagged("plus"),
    "Times": tagged("times"),
}


def test_what_is_wrong_deep_in_unions_is_not_searched_for(app, seen):
    """To list it takes twice the time for each level: 30 of them took for ever."""
    more = {"components": {"schemas": EXPRESSIONS}}
    OpenAPIPlugin(app, document(body(EXPRESSION), **more))
    value, good = "bad", 1
    for _ in range(30):
        value = {"kind": "times", "left": value}
        good = {"kind": "times", "left": good}
    client = TestClient(app)
    assert client.post("/x", json=good).status_code == 200
    ((_, _, message),) = problems(client.post("/x", json=value))
    assert message == "is too deep to say what is wrong with it"
    shallow = {"kind": "times", "left": "bad"}
    ((_, _, message),) = problems(client.post("/x", json=shallow))
    assert "not valid under any of the" in message


@pytest.mark.parametrize(("count", "told"), [(500, 100), (20_000, 1)])
def test_so_many_problems_are_told_and_no_more(app, seen, count, told):
    """A body must not be answered by one twenty times as large."""
    OpenAPIPlugin(app, document(body(NUMBERS)))
    found = problems(TestClient(app).post("/x", json=["x"] * count))
    assert len(found) == told
    assert found[0][:2] == ("body", "/0")


# -- documents -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openapi.json", "openapi.yaml"])
def test_a_document_may_be_a_file(app, seen, tmp_path, name):
    made = document({"parameters": [parameter("a", "query", {}, required=True)]})
    text = json.dumps(made)  # JSON is YAML as well
    (tmp_path / name).write_text(text)
    OpenAPIPlugin(app, tmp_path / name)
    assert TestClient(app).post("/x").status_code == 400


YAML = """
openapi: 3.1.0
info: {title: t, version: 1}
components:
paths:
  /x:
    post:
      parameters:
        - name: day
          in: query
          schema: {enum: [2024-02-29, no, 2024-02-29T12:30:00Z, 012]}
      responses:
        200: {description: ok}
"""


@pytest.mark.parametrize("day", ["2024-02-29", "no", "2024-02-29T12:30:00Z", "012"])
def test_yaml_has_the_values_of_json_alone(app, seen, tmp_path, day):
    (tmp_path / "a.yaml").write_text(YAML)
    plugin = OpenAPIPlugin(app, tmp_path / "a.yaml", strict=True)
    assert TestClient(app).post("/x", query={"day": day}).status_code == 200
    assert json.loads(json.dumps(plugin.document)) == plugin.document


def test_dates_of_a_dictionary_are_texts(app, seen):
    schema = {"enum": [date(2024, 2, 29)]}
    OpenAPIPlugin(app, document({"parameters": [parameter("a", "query", schema)]}))
    assert TestClient(app).post("/x", query="a=2024-02-29").status_code == 200


def test_a_reference_may_lead_to_where_it_stands(app, seen):
    here = "#/paths/~1x/post/requestBody/content/application~1json/schema"
    schema = {"type": "object", "properties": {"me": {"$ref": here}}}
    OpenAPIPlugin(app, document(body(schema)))
    client = TestClient(app)
    assert client.post("/x", json={"me": {"me": {}}}).status_code == 200
    ((_, name, _),) = problems(client.post("/x", json={"me": {"me": 1}}))
    assert name == "/me/me"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([], "this is no OpenAPI document"),
        (document({"security": [{"key": []}]}), "POST /x: there is no .* 'key'"),
        (document({"parameters": [{"name": "a"}]}), "POST /x is no operation .* 'in'"),
        ({**document({}), "paths": {"/x": None}}, "/x is no path item"),
        ({"swagger": "2.0", "paths": {}}, "only OpenAPI 3 is known"),
        (document(body({"$ref": "other.json#/A"})), "leads out of the document"),
        (document(body({"$ref": "#/nothing"})), "leads to nothing"),
        (
            document({"parameters": [parameter("a", "path", {}, style="matrix")]}),
            "style 'matrix' of parameter 'a'",
        ),
    ],
)
def test_a_document_that_is_not_understood_is_refused_at_start(
    app, tmp_path, made, message
):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(made))
    with pytest.raises(ValueError, match=message):
        OpenAPIPlugin(app, path)


def test_a_verifier_for_no_scheme_is_a_mistake(app):
    with pytest.raises(ValueError, match="no security scheme"):
        OpenAPIPlugin(app, document({}), security={"x": bool})


# -- the same as openapi-core --------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/json/5", {}),
        ("GET", "/json/x", {}),
        ("GET", "/json/-1", {}),
        ("POST", "/tickets", {"json": {"title": "a"}}),
        ("POST", "/tickets", {"json": {"title": ""}}),
        ("POST", "/tickets", {"json": {"title": "a", "priority": "low"}}),
        ("POST", "/tickets", {"json": {"title": "a", "priority": "none"}}),
        ("POST", "/tickets", {"json": {"title": "a", "more": 1}}),
        ("POST", "/tickets", {"json": []}),
        ("POST", "/tickets", {"data": {"title": "a"}}),
        ("POST", "/tickets", {}),
        (
            "POST",
            "/tickets",
            {"body": b"{", "headers": {"Content-Type": "application/json"}},
        ),
        ("GET", "/secrets", {}),
        ("GET", "/secrets", {"headers": {"API-Key": "x"}}),
    ],
)
def test_it_refuses_what_openapi_core_refuses(app, method, path, options):
    path_of_document = ROOT / "examples" / "openapi.json"
    spec = OpenAPI.from_dict(load_document(path_of_document))
    verdicts = []

    @app.before_response()
    def by_openapi_core(req):
        result = spec.unmarshal_request(OpenAPIRequest(req))
        verdicts.append(not result.errors)

    OpenAPIPlugin(app, path_of_document, check_answers=False)
    app.set_route("/json/<arg>", lambda req, arg: "ok")
    app.set_route("/tickets", lambda req: "ok", "POST")
    app.set_route("/secrets", lambda req: "ok")
    answer = TestClient(app).request(method, path, **options)
    assert verdicts == [answer.status_code == 200]


def test_it_works_with_the_slower_validator_as_well():
    """Without jsonschema-rs; the tests of this module, in a process of its own."""
    program = (
        "import sys; sys.modules['jsonschema_rs'] = None; import pytest; "
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-k', "
        f"'not slower', {__file__!r}]))"
    )
    # Plugins of others may want what is made to look absent.
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=110)
    assert done.returncode == 0, done.stdout.decode()[-3000:]
