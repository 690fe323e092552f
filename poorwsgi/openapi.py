"""An OpenAPI 3.1 document of an application: made of its routes, and shown.

`document` walks the routes: rules and filters give paths and their parameters,
docstrings the texts, type hints the schemas (`schema`), `typed` handlers the
rest; what can not be read from the code is said by `operation`. `openapi_ui`
serves the page that shows a document. Checking requests by one is the job of
`openapi_plugin`, whose class is at hand here as well.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from datetime import date
from typing import TYPE_CHECKING, Any, get_args, get_origin
from uuid import UUID

from poorwsgi.commands import load
from poorwsgi.inspector import groups_of, mounted_application
from poorwsgi.openapi_document import load_document, quoted
from poorwsgi.render import FOLDER, render
from poorwsgi.response import BaseResponse, FileResponse, Response, TextResponse, abort
from poorwsgi.routing import Rule, re_filter
from poorwsgi.schema import Schemas, hints_of, is_plain, members_of, unwrapped
from poorwsgi.signature import name_of
from poorwsgi.state import HTTP_NOT_FOUND, METHOD_ALL, REASONS, sorted_methods
from poorwsgi.target import LoadError, UsageError, add_application
from poorwsgi.typed import Typed, is_file, result_hint

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TypeVar

    from poorwsgi.openapi_plugin import OpenAPIPlugin as OpenAPIPlugin
    from poorwsgi.routing import Endpoint
    from poorwsgi.wsgi import Application

    F = TypeVar("F", bound=Callable[..., Any])
    Document = dict[str, Any]

__all__ = ["OpenAPIPlugin", "document", "openapi_ui", "operation"]

VERSION = "3.1.0"
#: Methods that a path item can have; CONNECT is none of them.
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEMS = {
    "title": "Problems",
    "type": "object",
    "required": ["title", "status", "problems"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "name", "message"],
                "properties": {
                    "in": {"type": "string"},
                    "name": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def __getattr__(name: str) -> Any:
    """Load the plugin on first use: it needs the extra, the document does not."""
    if name != "OpenAPIPlugin":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poorwsgi.openapi_plugin import OpenAPIPlugin

    return OpenAPIPlugin


# -- what the code does not say ----------------------------------------------------


def operation(
    *,
    summary: str = "",
    description: str = "",
    tags: Iterable[str] = (),
    responses: Mapping[int | str, Any] | None = None,
    request_body: Any = None,
    parameters: Iterable[dict[str, Any]] = (),
    security: Iterable[dict[str, list[str]]] | None = None,
    deprecated: bool = False,
    operation_id: str = "",
    hidden: bool = False,
    status: int | None = None,
) -> Callable[[F], F]:
    """Return a decorator that says of a handler what its code does not.

    :param responses: status to a text, to a type whose JSON is sent, or to an
        OpenAPI response object
    :param request_body: the type of a JSON body, or an OpenAPI request body object
    :param parameters: OpenAPI parameter objects
    :param security: OpenAPI security requirements; [] for none
    :param hidden: leave the handler out of the document
    :param status: of the answer that the annotation of the result describes

    .. versionadded:: 3.0
    """
    facts: dict[str, Any] = {
        "summary": summary,
        "description": description,
        "tags": list(tags),
        "responses": dict(responses or {}),
        "request_body": request_body,
        "parameters": list(parameters),
        "security": None if security is None else list(security),
        "deprecated": deprecated,
        "operation_id": operation_id,
        "hidden": hidden,
        "status": status,
    }

    def decorate(fun: F) -> F:
        fun.__openapi__ = facts  # type: ignore[attr-defined]
        return fun

    return decorate


# -- the document ------------------------------------------------------------------


def document(
    app: Application,
    *,
    title: str = "",
    version: str = "",
    description: str = "",
    base: Mapping[str, Any] | None = None,
) -> Document:
    """Return the OpenAPI document of an application.

    :param base: a document to start from: servers, tags, security schemes, whole
        paths; what it has wins. Default: `Application.openapi_base`.

    .. versionadded:: 3.0
    """
    made: Document = json.loads(json.dumps(base or app.openapi_base or {}))
    info = made.setdefault("info", {})
    if title or "title" not in info:
        info["title"] = title or app.name.strip("_") or "application"
    if version or "version" not in info:
        info["version"] = version or "1.0.0"
    if description:
        info["description"] = description
    schemas = Schemas()
    paths = Paths(schemas)
    paths.add(app)
    components = made.pop("components", {})
    components["schemas"] = {**schemas.components, **components.get("schemas", {})}
    for path, item in made.pop("paths", {}).items():
        paths.items[path] = {**paths.items.get(path, {}), **item}
    head = {"openapi": VERSION, "info": info, **made}
    if not components["schemas"]:
        del components["schemas"]
    return {
        **head,
        "paths": paths.items,
        **({"components": components} if components else {}),
    }


class Paths:
    """Collects path items; `items` is the member ``paths`` of the document."""

    def __init__(self, schemas: Schemas):
        self.items: dict[str, Any] = {}
        self._schemas = schemas
        self._shapes: dict[str, str] = {}
        self._ids: set[str] = set()

    def add(self, app: Application, prefix: str = "") -> None:
        """Add all routes of an application; regular expressions are left out."""
        for path, table in sorted(app._router.static_tables().items()):
            self._add_route(prefix, Rule(path, app._filters), table)
        for route in app._router.regular_routes():
            if route.rule is not None and not route.rule.has_regex_text:
                self._add_route(prefix, route.rule, route.table)
            for endpoint in set(route.table.values()):
                mounted = mounted_application(endpoint)
                if hasattr(mounted, "openapi_base"):
                    self.add(mounted, prefix + endpoint.rule.removesuffix("/*"))

    def _add_route(
        self, prefix: str, rule: Rule, table: Mapping[int, Endpoint]
    ) -> None:
        path, names = self._template(prefix, rule)
        for endpoint, methods in by_endpoint(table):
            if facts_of(endpoint.handler).get("hidden"):
                continue
            for method in methods:
                made = Operation(self._schemas, rule, names, endpoint, method).made()
                self._add_operation(path, method, made)

    def _template(self, prefix: str, rule: Rule) -> tuple[str, list[str]]:
        """Return the path and its names; one that is there already keeps them.

        To OpenAPI ``/a/{x}`` and ``/a/{y}`` are the same path.
        """
        path = "".join(f"{quoted(part.text)}{{{part.name}}}" for part in rule.parts)
        path = quoted(prefix) + path + quoted(rule.tail)
        shape = re.sub(r"\{\w+\}", "{}", path)
        path = self._shapes.setdefault(shape, path)
        return path, re.findall(r"\{(\w+)\}", path)[-len(rule.parts) :]

    def _add_operation(self, path: str, method: str, made: dict[str, Any]) -> None:
        item = self.items.setdefault(path, {})
        if method in item:
            merge(item[method], made)
            return
        wanted, number = made["operationId"], 1
        while made["operationId"] in self._ids:
            number += 1
            suffix = f"_{method}" if number == 2 else f"_{number}"
            made["operationId"] = wanted + suffix
        self._ids.add(made["operationId"])
        item[method] = made


def by_endpoint(
    table: Mapping[int, Endpoint],
) -> Iterator[tuple[Endpoint, list[str]]]:
    """Yield the endpoints of a rule with the methods that a document names."""
    found: dict[int, tuple[Endpoint, int]] = {}
    for bit, endpoint in table.items():
        known = found.get(id(endpoint.handler), (endpoint, 0))
        found[id(endpoint.handler)] = (known[0], known[1] | bit)
    for endpoint, mask in found.values():
        names = [name.lower() for name, bit in sorted_methods if mask & bit]
        # HEAD beside GET says nothing; TRACE and the like come with METHOD_ALL.
        if "get" in names and "head" in names:
            names.remove("head")
        if mask == METHOD_ALL:
            names = [name for name in names if name not in ("trace", "options")]
        yield endpoint, [name for name in names if name in METHODS]


def merge(known: dict[str, Any], other: dict[str, Any]) -> None:
    """Let an operation describe a second rule for the same path as well."""
    values = {one["name"]: one for one in other.get("parameters", ())}
    for parameter in known.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in values:
            schemas = parameter["schema"].get("anyOf", [parameter["schema"]])
            schema = values[parameter["name"]]["schema"]
            if schema not in schemas:
                parameter["schema"] = {"anyOf": [*schemas, schema]}
    known["responses"] = {**other["responses"], **known["responses"]}


def facts_of(handler: Any) -> dict[str, Any]:
    """Return what `operation` has said of a handler."""
    facts = getattr(handler, "__openapi__", None)
    return facts if isinstance(facts, dict) else {}


class Operation:
    """Makes the operation object of one handler for one rule and method."""

    def __init__(
        self,
        schemas: Schemas,
        rule: Rule,
        names: list[str],
        endpoint: Endpoint,
        method: str,
    ):
        self._schemas = schemas
        self._rule = rule
        self._names = names
        self._handler = endpoint.handler
        self._groups = groups_of(endpoint)
        self._method = method
        self._facts = facts_of(endpoint.handler)
        typed = getattr(endpoint.handler, "__typed__", None)
        self._typed = typed if isinstance(typed, Typed) else None
        self._plan = self._typed.plan(len(rule.parts)) if self._typed else None

    def made(self) -> dict[str, Any]:
        """Return the operation object."""
        facts = self._facts
        name = facts.get("operation_id") or re.sub(r"\W", "_", name_of(self._handler))
        made: dict[str, Any] = {"operationId": name, **self._texts()}
        tags = facts.get("tags") or [one.name for one in self._groups if one.name][-1:]
        if tags:
            made["tags"] = tags
        if facts.get("deprecated"):
            made["deprecated"] = True
        if facts.get("security") is not None:
            made["security"] = facts["security"]
        parameters = [*self._path_parameters(), *self._other_parameters()]
        if parameters:
            made["parameters"] = parameters
        body = self._request_body()
        if body and self._method not in ("get", "head", "delete", "options", "trace"):
            made["requestBody"] = body
        made["responses"] = self._responses(bool(body))
        return made

    def _texts(self) -> dict[str, str]:
        doc = (
            inspect.getdoc(self._handler) if hasattr(self._handler, "__name__") else ""
        )
        summary, _, rest = (doc or "").partition("\n\n")
        texts = {
            "summary": self._facts.get("summary") or " ".join(summary.split()),
            "description": self._facts.get("description") or rest.strip(),
        }
        return {name: text for name, text in texts.items() if text}

    # -- parameters

    def _path_parameters(self) -> Iterator[dict[str, Any]]:
        filters = [match[2] for match in re_filter.finditer(self._rule.text)]
        given = {one["name"]: one for one in self._facts.get("parameters", ())}
        pairs = zip(self._names, self._rule.parts, filters, strict=True)
        for name, part, text in pairs:
            made: dict[str, Any] = {"name": name, "in": "path", "required": True}
            schema = filter_schema(text or "", part.regex, part.converter)
            yield {**made, "schema": schema, **given.get(name, {})}

    def _other_parameters(self) -> Iterator[dict[str, Any]]:
        for given in self._facts.get("parameters", ()):
            if given.get("in") != "path":
                yield given
        for one in self._plan.parameters if self._plan else ():
            if one.place in ("query", "header", "cookie"):
                schema = self._schemas.of(one.hint)
                made: dict[str, Any] = {"name": one.name, "in": one.place}
                if "description" in schema:
                    made["description"] = schema.pop("description")
                if one.is_required:
                    made["required"] = True
                elif is_plain(one.default):
                    schema["default"] = getattr(one.default, "value", one.default)
                yield {**made, "schema": without_null(schema)}

    # -- bodies

    def _request_body(self) -> dict[str, Any] | None:
        given = self._facts.get("request_body")
        if isinstance(given, dict):
            return given
        if given is not None:
            return json_body(self._schemas.of(given), True)
        if self._plan is None:
            return None
        if self._plan.body is not None:
            body = self._plan.body
            return json_body(self._schemas.of(body.hint), body.is_required)
        return self._form()

    def _form(self) -> dict[str, Any] | None:
        fields = [one for one in self._plan.parameters if one.place == "form"]  # type: ignore[union-attr]
        if not fields:
            return None
        properties, required = {}, []
        for one in fields:
            if is_file(one.hint):
                schema: dict[str, Any] = {"type": "string", "format": "binary"}
            else:
                schema = without_null(self._schemas.of(one.hint))
            if one.is_required:
                required.append(one.name)
                if schema.get("type") == "string" and "format" not in schema:
                    # A field without a text is one that is missing.
                    schema = {"minLength": 1, **schema}
                if schema.get("type") == "array":
                    schema = {"minItems": 1, **schema}
            properties[one.name] = schema
        schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        types = ["multipart/form-data"]
        if not any(is_file(one.hint) for one in fields):
            types.insert(0, "application/x-www-form-urlencoded")
        content = {media_type: {"schema": schema} for media_type in types}
        return {"required": bool(required), "content": content}

    # -- responses

    def _responses(self, has_body: bool) -> dict[str, Any]:
        made = dict(self._results())
        if self._rule.parts:
            made["404"] = {"description": REASONS[HTTP_NOT_FOUND]}
        if self._plan is not None and self._plan.parameters:
            made["422"] = self._problems(422)
            if has_body:
                made["400"], made["415"] = self._problems(400), self._problems(415)
        if self._facts.get("security"):
            made["401"] = {"description": REASONS[401]}
        for code, given in self._facts.get("responses", {}).items():
            made[str(code)] = self._given_response(code, given)
        made = {code: made[code] for code in sorted(made)}
        return {**made, "default": {"description": "Any other error."}}

    def _problems(self, code: int) -> dict[str, Any]:
        schema = {"schema": self._schemas.component("Problems", PROBLEMS)}
        content = dict.fromkeys(("application/json", PROBLEM_JSON), schema)
        return {"description": REASONS[code], "content": content}

    def _given_response(self, code: int | str, given: Any) -> dict[str, Any]:
        if isinstance(given, str):
            return {"description": given}
        reason = REASONS.get(code) if isinstance(code, int) else None
        made = {"description": reason or "An answer."}
        if isinstance(given, dict):
            return {**made, **given}
        schema = self._schemas.of(given)
        return {**made, "content": {"application/json": {"schema": schema}}}

    def _results(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the responses that the annotation of the result tells of."""
        fun = self._typed.fun if self._typed else self._handler
        hint = hints_of(fun).get("return", BaseResponse)
        status = self._facts.get("status") or (
            self._typed.status_code if self._typed else 200
        )
        shown = value_of_pair(hint)
        members = members_of(shown) or (shown,)
        nothing = [one for one in members if one in (None, type(None))]
        if nothing and shown is hint:
            code = status if status != 200 else 204
            yield str(code), {"description": REASONS[code]}
        others = [one for one in members if one not in nothing]
        if others:
            content = self._content(others)
            made = {"description": REASONS.get(status, "An answer.")}
            yield str(status), {**made, **({"content": content} if content else {})}

    def _content(self, hints: list[Any]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        found: list[Any] = []
        for hint in hints:
            bare = unwrapped(hint)[0]
            kind = get_origin(bare) or bare
            if kind in (str, bytes):
                content["text/html"] = {"schema": {"type": "string"}}
            elif isinstance(kind, type) and issubclass(kind, TextResponse):
                content["text/plain"] = {"schema": {"type": "string"}}
            elif result_hint(hint)[1] and kind is not tuple:
                found.append(hint)
            else:
                return {}  # whatever a response says of itself
        if found:
            schemas = [self._schemas.of(hint) for hint in found]
            schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            content["application/json"] = {"schema": schema}
        return content


PROBLEM_JSON = "application/problem+json"


def value_of_pair(hint: Any) -> Any:
    """Return T of ``tuple[T, int]`` and ``tuple[T, int, headers]``."""
    bare = unwrapped(hint)[0]
    if get_origin(bare) is tuple and get_args(bare)[1:2] == (int,):
        return get_args(bare)[0]
    return hint


def json_body(schema: dict[str, Any], is_required: bool) -> dict[str, Any]:
    """Return a request body object for JSON."""
    return {
        "required": is_required,
        "content": {"application/json": {"schema": schema}},
    }


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what a text can say, which is never null."""
    if isinstance(schema.get("type"), list):
        return {**schema, "type": schema["type"][0]}
    if "anyOf" in schema:
        others = [one for one in schema["anyOf"] if one != {"type": "null"}]
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        return {**others[0], **rest} if len(others) == 1 else {**rest, "anyOf": others}
    return schema


# -- filters -----------------------------------------------------------------------

#: What Python's regular expressions have and those of JSON Schema do not, or take
#: for something else: to them \w and the like are ASCII.
_PYTHON_ONLY = re.compile(r"\(\?[^:=!]|\\[AZwWdDsSbB]|[*+?}]\+")
_DIGITS = re.compile(r"(?:\[0-9\]|\\d)\{1,([0-9]{1,2})\}").fullmatch


def filter_schema(text: str, regex: str, converter: Any) -> dict[str, Any]:
    """Return the schema of a group of a rule, by its filter.

    >>> filter_schema("int", "-?[0-9]+", int)
    {'type': 'integer'}
    >>> filter_schema("any(red,green)", "red|green", str)
    {'enum': ['red', 'green']}
    """
    choice = re.fullmatch(r"any\((.*)\)", text, re.I)
    if choice:
        return {"enum": [word.strip() for word in choice[1].split(",")]}
    if converter is int:
        digits = _DIGITS(regex)
        limits = {"minimum": 0, "maximum": 10 ** int(digits[1]) - 1} if digits else {}
        return {"type": "integer", **limits}
    if converter is float:
        return {"type": "number"}
    if converter is UUID or name_of(converter) == "_uuid":
        return {"type": "string", "format": "uuid"}
    schema: dict[str, Any] = {"type": "string"}
    if converter == date.fromisoformat:
        return {**schema, "format": "date"}
    if regex in ("[^/]+", ".+", r"\w+"):
        return {**schema, "minLength": 1}
    if _PYTHON_ONLY.search(regex) is None:
        schema["pattern"] = f"^(?:{regex})$" if "|" in regex else f"^{regex}$"
    return schema


# -- the page ----------------------------------------------------------------------

#: Nothing from elsewhere, nothing inline, and answers are only asked of this site.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
FILES = {
    "openapi.css": "text/css; charset=utf-8",
    "openapi.js": "text/javascript; charset=utf-8",
}


def openapi_ui(
    app: Application,
    path: str = "/docs",
    *,
    spec: Mapping[str, Any] | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> None:
    """Serve a page that shows the document, and the document itself.

    The document is at *path*/openapi.json.

    :param spec: the document to show; default: that of the routes
    :param folder: a folder with another user interface, whose files are served
        instead of our page; its index.html is at *path*/

    .. versionadded:: 3.0
    """
    prefix = "/" + path.strip("/")
    prefix = "" if prefix == "/" else prefix
    shown = Shown(app, spec)
    hide = operation(hidden=True)
    app.set_route(f"{prefix}/openapi.json", hide(shown.json))
    if folder is not None:
        files = Folder(folder)
        app.set_route(f"{prefix}/", hide(files.index))
        app.set_route(f"{prefix}/<name:path>", hide(files.file))
        return
    base = prefix.rpartition("/")[2]
    page = Page(shown, f"{base}/" if base else "")
    app.set_route(prefix or "/", hide(page.html))
    for name, media_type in FILES.items():
        app.set_route(f"{prefix}/{name}", hide(asset(name, media_type)))


class Shown:
    """The document that a page shows, made when it is asked for."""

    def __init__(self, app: Application, spec: Mapping[str, Any] | None):
        self._app = app
        self._spec = spec
        self._made: tuple[Any, Document] | None = None

    def document(self) -> Mapping[str, Any]:
        """Return the document, a new one after the routes have changed."""
        if self._spec is not None:
            return self._spec
        app = self._app
        key = (len(app.routes), len(app.regular_routes), app.openapi_base)
        if self._made is None or self._made[0] != key:
            self._made = (key, document(app))
        return self._made[1]

    @property
    def json(self) -> Callable[[Any], Response]:
        """Handler of the document."""

        def openapi_json(req: Any) -> Response:
            shown = self.document()
            prefix = req.environ.get("SCRIPT_NAME", "")
            prefix = prefix.encode("latin-1").decode("utf-8", "replace")
            if prefix and "servers" not in shown:
                # Where the application is mounted; the page sends requests there.
                shown = {**shown, "servers": [{"url": quoted(prefix)}]}
            text = json.dumps(shown, ensure_ascii=False)
            return Response(text, "application/json")

        return openapi_json


class Page:
    """Our own page; links are relative, so that it works below any prefix."""

    def __init__(self, shown: Shown, base: str):
        self._shown = shown
        self._base = base

    @property
    def html(self) -> Callable[[Any], Response]:
        """Handler of the page."""

        def openapi_page(req: Any) -> Response:
            title = str(self._shown.document()["info"]["title"])
            page = render("openapi.html", title=title, base=self._base)
            return Response(page, headers=PAGE_HEADERS)

        return openapi_page


def asset(name: str, media_type: str) -> Callable[[Any], Response]:
    """Return the handler of a file of our page."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        text = file.read()

    def openapi_asset(req: Any) -> Response:
        return Response(text, media_type, {"X-Content-Type-Options": "nosniff"})

    return openapi_asset


class Folder:
    """Files of another user interface."""

    def __init__(self, folder: str | os.PathLike[str]):
        self._root = os.path.realpath(folder)
        if not os.path.isdir(self._root):
            raise ValueError(f"{os.fspath(folder)!r} is no folder")

    @property
    def index(self) -> Callable[[Any], FileResponse]:
        """Handler of the start page."""
        return lambda req: self._response("index.html")

    @property
    def file(self) -> Callable[[Any, str], FileResponse]:
        """Handler of all files."""
        return lambda req, name: self._response(name)

    def _response(self, name: str) -> FileResponse:
        path = os.path.realpath(os.path.join(self._root, name))
        # SECURITY: also where a link leads out of the folder.
        is_inside = path.startswith(self._root + os.sep)
        if not is_inside or not os.path.isfile(path):
            abort(HTTP_NOT_FOUND)
        return FileResponse(path)


# -- the command -------------------------------------------------------------------


def differences(stored: Any, made: Any, place: str = "") -> Iterator[str]:
    """Yield what is not the same in a stored document and in that of the code."""
    if isinstance(stored, dict) and isinstance(made, dict):
        for name in [*stored, *(name for name in made if name not in stored)]:
            inner = f"{place} > {name}" if place else str(name)
            if name not in made:
                yield f"- {inner}  (only in the file)"
            elif name not in stored:
                yield f"+ {inner}  (only in the code)"
            else:
                yield from differences(stored[name], made[name], inner)
    elif isinstance(stored, list) and isinstance(made, list):
        if _names(stored) and _names(made):  # parameters, tags
            yield from differences(_names(stored), _names(made), place)
            return
        if len(stored) != len(made):
            yield f"~ {place}: {_shortly(stored)} -> {_shortly(made)}"
            return
        for i, pair in enumerate(zip(stored, made, strict=True)):
            yield from differences(*pair, f"{place}[{i}]")
    elif stored != made or isinstance(stored, bool) is not isinstance(made, bool):
        yield f"~ {place}: {_shortly(stored)} -> {_shortly(made)}"


def _names(items: list[Any]) -> dict[str, Any]:
    """Return items by their names, {} if they have none, or one twice."""
    found = {
        f"{one.get('in', '')} {one['name']}".strip(): one
        for one in items
        if isinstance(one, dict) and "name" in one
    }
    return found if len(found) == len(items) else {}


def _shortly(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def run(args: argparse.Namespace) -> int:
    """Print the document of an application, or compare it with a file."""
    application = load(args)
    try:
        made = application.openapi()
    except (TypeError, ValueError) as err:  # an annotation that can not be served
        raise LoadError(str(err)) from err
    if args.check is None:
        json.dump(made, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return 0
    try:
        stored = load_document(args.check)
    except (OSError, ValueError, ImportError) as err:
        reason = getattr(err, "strerror", None) or err
        raise UsageError(f"{args.check}: {reason}") from err
    lines = list(differences(stored, made))
    for line in lines:
        sys.stdout.write(line + "\n")
    if lines:
        sys.stderr.write(f"{args.check} and the code have drifted apart\n")
    return 1 if lines else 0


def add_command(commands: Any) -> None:
    """Add ``openapi`` to the parser of the command line."""
    parser = commands.add_parser(
        "openapi",
        help="print the OpenAPI document of an application",
        description="Print the OpenAPI 3.1 document of an application as JSON, or "
        "compare it with a stored one (exit status 1: they differ).",
    )
    add_application(parser)
    parser.add_argument(
        "--check", metavar="FILE", help="compare with a stored document, JSON or YAML"
    )
    parser.set_defaults(call=run)
