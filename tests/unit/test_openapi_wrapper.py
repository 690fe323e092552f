"""Our objects seen through openapi-core: protocols, and what it makes of them."""

import json
from datetime import date

import pytest
from openapi_core import OpenAPI, V31RequestValidator, V31ResponseValidator
from openapi_core.protocols import Request as RequestProtocol
from openapi_core.protocols import Response as ResponseProtocol
from openapi_core.templating.paths.exceptions import OperationNotFound, PathNotFound

from poorwsgi.openapi_wrapper import OpenAPIRequest, OpenAPIResponse
from poorwsgi.request import Request
from poorwsgi.response import GeneratorResponse, JSONResponse, Response, TextResponse
from poorwsgi.testing import TestClient

OBJECT = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def operation(**parts):
    return {"responses": {"200": {"description": "ok"}}, **parts}


def parameter(name, place, kind, **more):
    return {"name": name, "in": place, "schema": {"type": kind}, **more}


def body(media_type, schema):
    return {"required": True, "content": {media_type: {"schema": schema}}}


BINARY = {"type": "string", "format": "binary"}
OCTETS = "application/octet-stream"
TEXTS = {"type": "array", "items": {"type": "string"}}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/item/{id}": {
            "get": operation(
                parameters=[
                    parameter("id", "path", "integer", required=True),
                    parameter("limit", "query", "integer"),
                    {"name": "tag", "in": "query", "schema": TEXTS},
                    parameter("X-Count", "header", "integer"),
                    parameter("level", "cookie", "integer"),
                ]
            ),
        },
        "/day/{day}": {
            "get": operation(parameters=[parameter("day", "path", "string")])
        },
        "/json": {"post": operation(requestBody=body("application/json", OBJECT))},
        "/form": {
            "post": operation(
                requestBody=body("application/x-www-form-urlencoded", OBJECT)
            )
        },
        "/multipart": {
            "post": operation(
                requestBody=body(
                    "multipart/form-data",
                    {
                        "type": "object",
                        "required": ["note", "file"],
                        "properties": {
                            "note": {"type": "string"},
                            "file": BINARY,
                        },
                    },
                )
            )
        },
        "/binary": {"put": operation(requestBody=body(OCTETS, BINARY))},
        "/answer": {
            "get": {
                "responses": {
                    "200": {
                        "description": "ok",
                        "headers": {"X-N": {"schema": {"type": "integer"}}},
                        "content": {"application/json": {"schema": OBJECT}},
                    }
                }
            }
        },
    },
}
DOCUMENT["paths"]["/day/{day}"]["get"]["parameters"][0]["required"] = True


@pytest.fixture(scope="module")
def spec():
    return OpenAPI.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def spec_30():
    """The same by the older version, which knows what binary is."""
    return OpenAPI.from_dict({**DOCUMENT, "openapi": "3.0.3"})


@pytest.fixture
def results(app, spec):
    """What openapi-core made of each request, in the order they came."""
    found = []

    @app.before_response()
    def check(req):
        req.api = OpenAPIRequest(req)
        found.append(spec.unmarshal_request(req.api))

    @app.route("/item/<id:int>")
    def item(req, number):
        return str(number)

    app.set_filter("date", r"\d{4}-\d\d-\d\d", date.fromisoformat)

    @app.route("/day/<day:date>")
    def day(req, value):
        return str(value)

    for path in ("/json", "/form", "/multipart", "/binary", "/answer"):
        app.set_route(path, lambda req: "ok", ["GET", "POST", "PUT"])
    return found


def test_the_objects_are_what_the_protocols_want(app):
    """Also the oldest names, which validators of former releases read."""
    seen = []

    @app.route("/user/<id:int>/<name>")
    def user(req, number, name):
        seen.append(OpenAPIRequest(req))
        return ""

    TestClient(app).get("/user/7/joe", query={"a": "b"})
    wrapped = seen[0]
    assert isinstance(wrapped, RequestProtocol)
    assert isinstance(wrapped.request, Request)
    assert wrapped.host_url == "http://localhost"
    assert wrapped.path == "/user/7/joe"
    assert wrapped.method == "get"
    assert wrapped.full_url_pattern == "http://localhost/user/{id}/{name}"
    assert wrapped.parameters.path == {"id": 7, "name": "joe"}
    assert wrapped.parameters.query == {"a": "b"}
    assert wrapped.parameters.cookie == {}
    assert wrapped.mimetype == ""
    wrapped.parameters.path = {}
    assert wrapped.parameters.path == {}


def test_without_a_rule_the_pattern_is_the_url(app):
    seen = []
    app.add_before_response(lambda req: seen.append(OpenAPIRequest(req)))
    TestClient(app).get("/nowhere/1")
    assert seen[0].full_url_pattern == "http://localhost/nowhere/1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Application/JSON", "application/json"),
        ("Text/Plain; Charset=UTF-8", "text/plain; charset=utf-8"),
        ('multipart/form-data; boundary="AbC"', "multipart/form-data; boundary=AbC"),
        ('multipart/form-data; boundary="a=b;c"', "multipart/form-data"),
        ("application/json;", "application/json"),
    ],
)
def test_content_type_is_lower_case_but_for_the_boundary(app, line, expected):
    """A quoted separator would crash openapi-core, so it is left out."""
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "CONTENT_TYPE": line}
    assert OpenAPIRequest(Request(environ, app)).content_type == expected


def test_parameters_of_each_place_are_cast(results, app):
    client = TestClient(app)
    client.cookies.set("level", "3")
    client.get(
        "/item/5", query={"limit": "9", "tag": ["a", "b"]}, headers={"X-Count": "2"}
    )
    found = results[0]
    assert not found.errors
    assert found.parameters.path == {"id": 5}
    assert found.parameters.query == {"limit": 9, "tag": ["a", "b"]}
    assert found.parameters.header == {"X-Count": 2}
    assert found.parameters.cookie == {"level": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"query": {"limit": "many"}},
        {"headers": {"X-Count": "many"}},
        {"headers": {"Cookie": "level=high"}},
    ],
)
def test_a_bad_parameter_is_an_error(results, app, options):
    TestClient(app).get("/item/5", **options)
    assert len(results[0].errors) == 1


def test_a_value_of_another_type_is_text(results, app):
    TestClient(app).get("/day/2026-11-22")
    assert results[0].parameters.path == {"day": "2026-11-22"}


@pytest.mark.parametrize(
    ("method", "path", "options", "expected"),
    [
        ("POST", "/json", {"json": {"n": 1}}, {"n": 1}),
        ("POST", "/json", {"json": {"n": "x"}}, None),
        (
            "POST",
            "/json",
            {"body": b"{", "headers": {"Content-Type": "application/json"}},
            None,
        ),
        (
            "POST",
            "/json",
            {"body": b"{}", "headers": {"Content-Type": "text/plain"}},
            None,
        ),
        ("POST", "/json", {}, None),
        ("POST", "/form", {"data": {"n": "1"}}, {"n": 1}),
        ("POST", "/form", {"data": {"n": "x"}}, None),
    ],
)
def test_bodies(results, app, method, path, options, expected):
    """None: openapi-core refuses it."""
    TestClient(app).request(method, path, **options)
    assert bool(results[0].errors) == (expected is None)
    if expected is not None:
        assert results[0].body == expected


def test_binary_bodies_keep_their_bytes(app, spec_30):
    """Alone and as a part; the boundary is found in upper case as well."""
    found = []

    def check(req):
        found.append(spec_30.unmarshal_request(OpenAPIRequest(req)))
        return "ok"

    app.set_route("/binary", check, "PUT")
    app.set_route("/multipart", check, "POST")
    content = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"")
    parts = b"--AbC\r\n"
    parts += b'Content-Disposition: form-data; name="note"\r\n\r\nhi\r\n--AbC\r\n'
    parts += b'Content-Disposition: form-data; name="file"; filename="f"\r\n'
    parts += b"Content-Type: application/octet-stream\r\n\r\n" + content
    parts += b"\r\n--AbC--\r\n"
    client = TestClient(app)
    headers = {"Content-Type": "multipart/form-data; boundary=AbC"}
    client.post("/multipart", body=parts, headers=headers)
    client.put("/binary", body=content, headers={"Content-Type": OCTETS})
    assert [one.errors for one in found] == [[], []]
    assert found[0].body == {"note": "hi", "file": content}
    assert found[1].body == content


def test_what_the_document_does_not_name_is_told_apart(results, app):
    client = TestClient(app)
    client.get("/nothing")
    client.request("PUT", "/json")
    assert [type(one.errors[0]) for one in results] == [PathNotFound, OperationNotFound]


@pytest.mark.parametrize(
    ("response", "is_valid"),
    [
        (JSONResponse({"n": 1}, headers={"X-N": "1"}), True),
        (JSONResponse({"n": 1}, headers={"X-N": "one"}), False),
        (JSONResponse({"n": "1"}), False),
        (JSONResponse({"n": 1}, status_code=201), False),
        (Response(b'{"n": 1}', "application/JSON"), True),
        (Response(b'{"n": 1}', headers={"Content-Type": "Application/JSON"}), True),
        (TextResponse('{"n": 1}'), False),
        (GeneratorResponse(iter([b"{}"]), "application/json"), False),
    ],
)
def test_responses(app, spec, response, is_valid):
    environ = {"PATH_INFO": "/answer", "REQUEST_METHOD": "GET", "SERVER_NAME": "x"}
    request = OpenAPIRequest(Request({**environ, "SERVER_PORT": "80"}, app))
    wrapped = OpenAPIResponse(response)
    assert isinstance(wrapped, ResponseProtocol)
    errors = spec.unmarshal_response(request, wrapped).errors
    assert (not errors) == is_valid, errors


def test_a_response_tells_its_media_type():
    response = OpenAPIResponse(JSONResponse({"a": 1}))
    assert response.mimetype == "application/json"
    assert response.content_type == "application/json; charset=utf-8"
    assert response.status_code == 200
    assert json.loads(response.data) == {"a": 1}
    assert response.headers["X-Powered-By"]
    assert OpenAPIResponse(GeneratorResponse(iter(()))).data is None


def test_the_classes_of_validators_take_them_as_well(app, spec):
    """The older style: a validator of its own, asked for its errors."""
    good, bad = [], []

    @app.route("/item/<id:int>")
    def item(req, number):
        request = OpenAPIRequest(req)
        validator = V31RequestValidator(spec.spec)
        (bad if list(validator.iter_errors(request)) else good).append(number)
        response = OpenAPIResponse(TextResponse(""))
        assert not list(V31ResponseValidator(spec.spec).iter_errors(request, response))
        return ""

    client = TestClient(app)
    client.get("/item/1")
    client.get("/item/2", query={"limit": "x"})
    assert (good, bad) == ([1], [2])
