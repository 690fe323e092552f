"""One operation of an OpenAPI document, compiled to what checks a request.

All that a document says is read once, when an operation is met first: where
parameters stand and what their texts are cast to, which bodies are taken, which
answers are known. What is left for a request are look-ups, casts, and one call
of a validator that was compiled, too.
"""

from __future__ import annotations

import json
import re
from contextvars import ContextVar
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.convert import MAX_PROBLEMS
from poorwsgi.openapi_document import Schemas20, components_of, resolved
from poorwsgi.response import Response
from poorwsgi.typed import form_of, has_body, is_json, json_body, query_of

try:
    # Compiled, ten times as fast: pip install 'poorwsgi[openapi-fast]'
    from jsonschema_rs import Draft202012Validator as _Validator
    from jsonschema_rs import ValidationError

    compile_schema = partial(_Validator, validate_formats=True)

    def allows(validator: Any, value: Any) -> bool:
        """Return True if a schema allows a value."""
        return bool(validator.is_valid(value))

    def first_error(validator: Any, value: Any) -> Iterator[Any]:
        """Yield the first error; `iter_errors` would find all of them first."""
        try:
            validator.validate(value)
        except ValidationError as err:
            yield err

except ImportError:
    try:
        from jsonschema import Draft202012Validator
        from jsonschema import ValidationError as _Refused
        from jsonschema.validators import extend
    except ImportError as err:
        raise ImportError(
            "OpenAPIPlugin needs: pip install 'poorwsgi[openapi]'"
        ) from err
    #: What references have been found to allow, while one value is looked at.
    _memory: ContextVar[dict[Any, bool] | None] = ContextVar("_memory", default=None)
    _follow: Any = Draft202012Validator.VALIDATORS["$ref"]

    def _reference(validator: Any, ref: str, value: Any, schema: Any) -> Iterator[Any]:
        """Yield errors; with a memory only whether there is one.

        SECURITY: or unions that contain themselves take twice the time for each
        level of a value.
        """
        memory = _memory.get()
        if memory is None or not isinstance(value, (dict, list)):
            yield from _follow(validator, ref, value, schema)
            return
        key = (ref, id(value))
        if key not in memory:
            errors = _follow(validator, ref, value, schema) or ()
            memory[key] = next(iter(errors), None) is None
        if not memory[key]:
            yield _Refused("is not what the reference says")

    compile_schema = partial(
        extend(Draft202012Validator, {"$ref": _reference}),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )

    def allows(validator: Any, value: Any) -> bool:
        """Return True if a schema allows a value."""
        token = _memory.set({})
        try:
            return bool(validator.is_valid(value))
        finally:
            _memory.reset(token)

    def first_error(validator: Any, value: Any) -> Iterator[Any]:
        """Yield the first error."""
        return islice(validator.iter_errors(value), 1)


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from poorwsgi.request import Request
    from poorwsgi.response import BaseResponse

    Document = dict[str, Any]
    Problem = dict[str, str]

__all__ = ["ApiRequest", "Operation"]


class Parameters(NamedTuple):
    """Values of parameters by their places, checked and cast."""

    path: dict[str, Any]
    query: dict[str, Any]
    header: dict[str, Any]
    cookie: dict[str, Any]


class ApiRequest:
    """What a document made of a request; `req.api` behind the plugin.

    `parameters` has path, query, header and cookie; `body` the body where it was
    checked, `security` the credential of each scheme, or what a verifier made of
    it; `operation` the part of the document.
    """

    __slots__ = ("body", "compiled", "is_refused", "parameters", "security")

    def __init__(self, compiled: Operation):
        self.compiled = compiled
        self.parameters = Parameters({}, {}, {}, {})
        self.body: Any = None
        self.security: dict[str, Any] = {}
        self.is_refused = False

    @property
    def operation(self) -> Document:
        """The operation object of the document."""
        return self.compiled.node


def problem(place: str, name: str, message: str) -> Problem:
    """Return a problem as clients see it."""
    return {"in": place, "name": name, "message": message}


# -- values ------------------------------------------------------------------------


class Checker:
    """A schema, compiled."""

    def __init__(self, schemas: Schemas20, schema: Any):
        whole = schemas.whole(schema)
        self._validator = None if whole in ({}, True) else compile_schema(whole)
        text = json.dumps(whole)
        has_union = '"anyOf"' in text or '"oneOf"' in text
        self._may_branch = has_union and '"$ref"' in text

    def is_valid(self, value: Any) -> bool:
        """Tell whether a value is what the schema says."""
        if self._validator is None:
            return True
        try:
            return allows(self._validator, value)
        except ValueError:  # half a surrogate pair, which no JSON text has
            return False

    def problems(self, value: Any, place: str, name: str) -> list[Problem]:
        """Return what is wrong with a value, the first `MAX_PROBLEMS` of it."""
        if self.is_valid(value):
            return []
        is_large, is_deep = extent(value)
        if is_deep and self._may_branch:
            return [problem(place, name, "is too deep to say what is wrong with it")]
        find = first_error if is_large else all_errors
        try:
            return [
                problem(place, name + _pointer(error), str(error.message)[:300])
                for error in islice(find(self._validator, value), MAX_PROBLEMS)
            ]
        except ValueError as err:
            return [problem(place, name, str(err)[:300])]


def all_errors(validator: Any, value: Any) -> Iterator[Any]:
    """Return all errors."""
    errors: Iterator[Any] = validator.iter_errors(value)
    return errors


#: SECURITY: to list all that is wrong with a large value takes a multiple of its
#: memory. With unions whose members contain the union it takes, for each level,
#: a multiple of the time.
_MOST_PARTS, _DEEPEST = 10_000, 6


def extent(value: Any) -> tuple[bool, bool]:
    """Tell whether a value is large, and whether it is (or may be) deep.

    >>> extent([[1], {"a": 2}]), extent([[[[[[[]]]]]]]), extent([0] * 20_000)
    ((False, False), (False, True), (True, True))
    """
    parts, rest = 0, [(value, 1)]
    is_deep = False
    while rest:
        one, depth = rest.pop()
        if not isinstance(one, (dict, list)):
            continue
        is_deep = is_deep or depth > _DEEPEST
        parts += len(one)
        if parts > _MOST_PARTS:
            return True, True
        inner = one.values() if isinstance(one, dict) else one
        rest += [(item, depth + 1) for item in inner]
    return False, is_deep


def _pointer(error: Any) -> str:
    # One of the two packages calls it so, the other so.
    path = getattr(error, "absolute_path", None)
    steps = error.instance_path if path is None else path
    return "".join(
        "/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps
    )


_INTEGER = re.compile(r"-?[0-9]{1,300}").fullmatch
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,3})?").fullmatch
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def types_of(document: Document, schema: Any, depth: int = 0) -> set[str]:
    """Return the types that a schema allows, empty if it does not say."""
    schema = resolved(document, schema)
    if not isinstance(schema, dict) or depth > 10:
        return set()
    kinds = schema.get("type", [])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    values = [
        *schema.get("enum", ()),
        *([schema["const"]] if "const" in schema else ()),
    ]
    if not found:
        found = {_KINDS[type(one)] for one in values if type(one) in _KINDS}
    for name in ("allOf", "anyOf", "oneOf"):
        for one in schema.get(name, ()):
            found |= types_of(document, one, depth + 1)
    return found


def casts(kinds: set[str], text: str) -> Iterator[Any]:
    """Yield what a text may mean, the most special first."""
    if "integer" in kinds and _INTEGER(text):
        yield int(text)
    elif "number" in kinds and _NUMBER(text):
        yield float(text) if not _INTEGER(text) else int(text)
    if "boolean" in kinds and text in ("true", "false"):
        yield text == "true"
    if "string" in kinds or not kinds & {"integer", "number", "boolean"}:
        yield text


class Texts:
    """Casts the texts of a parameter or a field by its schema."""

    def __init__(self, document: Document, schema: Any):
        self.schema = resolved(document, schema)
        self.kinds = types_of(document, self.schema)
        schema = self.schema if isinstance(self.schema, dict) else {}
        self.is_array = "array" in self.kinds
        self.is_object = "object" in self.kinds
        self.items = types_of(document, schema.get("items", {}))
        self.members = {
            name: types_of(document, one)
            for name, one in schema.get("properties", {}).items()
        }

    def cast(self, text: str) -> Any:
        """Return a text as the type of the schema, as it is if it is none."""
        return next(casts(self.kinds, text), text)

    def cast_items(self, texts: list[str]) -> list[Any]:
        """Return the items of an array."""
        return [next(casts(self.items, text), text) for text in texts]

    def cast_members(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of an object."""
        return {
            name: next(casts(self.members.get(name, set()), text), text)
            for name, text in pairs.items()
        }


# -- parameters --------------------------------------------------------------------

_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_SEPARATORS = {"form": ",", "simple": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


class Parameter:
    """A parameter, compiled.

    :raises ValueError: its style is not known here (matrix, label)
    """

    def __init__(self, document: Document, schemas: Schemas20, node: Document):
        self.name: str = node["name"]
        self.place: str = node["in"]
        self.is_required = bool(node.get("required"))
        self.style = node.get("style", _STYLES[self.place])
        self.explode = node.get("explode", self.style == "form")
        if self.style not in _SEPARATORS and self.style != "deepObject":
            raise ValueError(f"style {self.style!r} of parameter {self.name!r}")
        content = node.get("content")
        self.is_json = content is not None
        schema = node.get("schema", {})
        if content:
            schema = next(iter(content.values())).get("schema", {})
        self.texts = Texts(document, schema)
        self.check = Checker(schemas, schema)
        self.default = node.get("schema", {}).get("default")

    def value(self, texts: Any) -> tuple[Any, list[Problem]]:
        """Return the value of the texts of the parameter, and what is wrong."""
        try:
            value = json.loads(_only(texts)) if self.is_json else self._cast(texts)
        except ValueError as err:
            return None, [problem(self.place, self.name, str(err))]
        if self.check.is_valid(value):
            return value, []
        for other in self._other_casts(texts):
            if self.check.is_valid(other):
                return other, []
        return value, self.check.problems(value, self.place, self.name)

    def _other_casts(self, texts: Any) -> Iterator[Any]:
        kinds = self.texts.kinds
        if isinstance(texts, str) and len(kinds) > 1:
            yield from casts(kinds, texts)

    def _cast(self, texts: Any) -> Any:
        if isinstance(texts, dict):  # deepObject, or an exploded form
            return self.texts.cast_members(texts)
        if self.texts.is_array:
            if isinstance(texts, str) and not (self.explode and self.style == "form"):
                texts = self._pieces(texts)
            items = texts if isinstance(texts, list) else [texts]
            return self.texts.cast_items(items)
        text = _only(texts)
        if self.texts.is_object:
            return self.texts.cast_members(self._pairs(text))
        return self.texts.cast(text)

    def _pieces(self, text: str) -> list[str]:
        pieces = text.split(_SEPARATORS[self.style])
        # RFC 9110, 5.6.1: blanks around the elements of a list mean nothing.
        return [one.strip() for one in pieces] if self.place == "header" else pieces

    def _pairs(self, text: str) -> dict[str, str]:
        pieces = self._pieces(text)
        if self.explode:
            triples = (piece.partition("=") for piece in pieces)
            return {name: value for name, _, value in triples}
        return dict(zip(pieces[::2], pieces[1::2], strict=False))

    def query_texts(self, query: Mapping[str, Any]) -> Any:
        """Return what a query string has for the parameter, None without."""
        if self.texts.is_object and not self.is_json:
            if self.style == "deepObject":
                start = self.name + "["
                found = {
                    name[len(start) : -1]: _only(texts)
                    for name, texts in query.items()
                    if name.startswith(start) and name.endswith("]")
                }
                return found or None
            if self.explode:
                members = self.texts.members
                found = {n: _only(query[n]) for n in members if n in query}
                return found or None
        return query.get(self.name)


def _only(texts: Any) -> str:
    """Return the only text there is."""
    if isinstance(texts, list):
        raise ValueError("is given more than once")
    return str(texts)


# -- bodies ------------------------------------------------------------------------


def media_kind(media_type: str) -> str:
    """Return how a body of a media type is read; empty if it is left alone."""
    if is_json(media_type, ["application/json"]):
        return "json"
    if media_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return "form"
    return "text" if media_type.startswith("text/") else ""


def pick(content: Mapping[str, Any], media_type: str) -> Any:
    """Return what a document has for a media type: itself, a range of it, None."""
    found = content.get(media_type)
    if found is None:
        found = content.get(media_type.partition("/")[0] + "/*")
    return content.get("*/*") if found is None else found


class Media:
    """A schema for the bodies of a media type, compiled."""

    def __init__(self, document: Document, schemas: Schemas20, node: Document):
        schema = node.get("schema", {})
        self.check = Checker(schemas, schema)
        bare = resolved(document, schema)
        properties = bare.get("properties", {}) if isinstance(bare, dict) else {}
        self.fields = {name: Texts(document, one) for name, one in properties.items()}

    def form_value(self, form: Any) -> dict[str, Any]:
        """Return the fields of a form, cast; of a file there is an empty text."""
        values: dict[str, Any] = {}
        for name in form:
            texts = [one if isinstance(one, str) else "" for one in form.getlist(name)]
            field = self.fields.get(name)
            if field is None:
                values[name] = texts if len(texts) > 1 else texts[0]
            elif field.is_array:
                values[name] = field.cast_items(texts)
            elif len(texts) > 1:
                values[name] = texts
            else:
                values[name] = _form_text(field, texts[0])
        return values


def _form_text(field: Texts, text: str) -> Any:
    if field.is_object:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return field.cast(text)


class RequestBody:
    """The bodies of an operation, compiled."""

    def __init__(self, document: Document, schemas: Schemas20, node: Document):
        self.is_required = bool(node.get("required"))
        self.content = {
            name.partition(";")[0].strip().lower(): Media(document, schemas, one)
            for name, one in node.get("content", {}).items()
        }

    def value(self, req: Request) -> tuple[Any, list[Problem]]:
        """Return the value of the body, and what is wrong.

        What is no JSON, form or text is left to the handler, as is a multipart
        body that is not in memory: it may be a stream of uploads.
        """
        if not has_body(req):
            is_missing = self.is_required
            return None, [problem("body", "", "is missing")] if is_missing else []
        media_type = req.mime_type or "application/octet-stream"
        media: Media | None = pick(self.content, media_type)
        if media is None:
            known = ", ".join(self.content)
            text = f"Content-Type {media_type[:80]!r} is none of {known}"
            return None, [problem("body", "", text)]
        kind = media_kind(media_type)
        if not kind or (media_type.startswith("multipart/") and req.data is None):
            return None, []
        if kind == "text" and req.data is None:
            return None, []
        try:
            value = self._read(req, kind, media)
        except UnicodeDecodeError as err:
            return None, [problem("body", "", str(err))]
        return value, media.check.problems(value, "body", "")

    def _read(self, req: Request, kind: str, media: Media) -> Any:
        if kind == "json":
            return json_body(req)[0]  # type: ignore[index]  # there is a body
        if kind == "form":
            return media.form_value(form_of(req))
        return (req.data or b"").decode("utf-8")


# -- security ----------------------------------------------------------------------


class Scheme:
    """A security scheme: finds the credential of a request."""

    def __init__(self, name: str, node: Document):
        self.name = name
        self.kind = node.get("type", "")
        self.place, self.parameter = node.get("in", ""), node.get("name", "")
        self.scheme = str(node.get("scheme", "bearer")).lower()

    def credential(self, req: Request, query: Mapping[str, Any]) -> str | None:
        """Return what the client sent for it, None if it sent nothing."""
        if self.kind == "apiKey":
            if self.place == "query":
                value = query.get(self.parameter)
                return value if isinstance(value, str) else None
            if self.place == "cookie":
                morsel = req.cookies.get(self.parameter) if req.cookies else None
                return None if morsel is None else str(morsel.value)
            header: str | None = req.headers.get(self.parameter)
            return header
        if self.kind == "mutualTLS":
            return str(req.environ.get("SSL_CLIENT_VERIFY", "")) or None
        scheme, _, rest = (req.headers.get("Authorization") or "").partition(" ")
        return rest.strip() or None if scheme.lower() == self.scheme else None

    @property
    def challenge(self) -> str:
        """Value of WWW-Authenticate (RFC 9110, 11.6.1)."""
        if self.kind == "apiKey":
            return f'ApiKey realm="{self.name}"'
        return f'{self.scheme.capitalize()} realm="{self.name}"'


# -- responses ---------------------------------------------------------------------


class Answer:
    """A response of the document, compiled."""

    def __init__(self, document: Document, schemas: Schemas20, node: Document):
        content = node.get("content")
        self.content = content and {
            name.partition(";")[0].strip().lower(): Media(document, schemas, one)
            for name, one in content.items()
        }
        self.headers = []
        for name, one in node.get("headers", {}).items():
            if name.lower() != "content-type":
                header = {**resolved(document, one), "name": name, "in": "header"}
                self.headers.append(Parameter(document, schemas, header))

    def problems(self, response: BaseResponse) -> Iterator[Problem]:
        """Yield what an answer has that the document does not know."""
        for header in self.headers:
            text = response.headers.get(header.name)
            if text is not None:
                yield from header.value(text)[1]
            elif header.is_required:
                yield problem("header", header.name, "is missing")
        if self.content:
            line = response.headers.get("Content-Type") or response.content_type
            media_type = line.partition(";")[0].strip().lower()
            media = pick(self.content, media_type)
            if media is None:
                text = (
                    f"Content-Type {media_type!r} is none of {', '.join(self.content)}"
                )
                yield problem("body", "", text)
            elif isinstance(response, Response):  # anything else is a stream
                yield from _answer_problems(media, media_type, response.data)


def _answer_problems(media: Media, media_type: str, data: bytes) -> list[Problem]:
    try:
        if media_kind(media_type) == "json":
            return media.check.problems(json.loads(data), "body", "")
        if media_kind(media_type) == "text":
            return media.check.problems(data.decode(), "body", "")
    except ValueError as err:
        return [problem("body", "", str(err))]
    return []


# -- the whole ---------------------------------------------------------------------


class Operation:
    """An operation of a document, compiled; *item* is the path item around it."""

    def __init__(self, compiler: Compiler, item: Document, node: Document):
        document = compiler.document
        self.node = node
        nodes: dict[tuple[str, str], Document] = {}
        for one in [*item.get("parameters", ()), *node.get("parameters", ())]:
            parameter = resolved(document, one)
            nodes[parameter["in"], parameter["name"].lower()] = parameter
        self.parameters = [
            Parameter(document, compiler.requests, one)
            for one in nodes.values()
            # OpenAPI, 4.8.12.1: these headers are described elsewhere.
            if one["in"] != "header"
            or one["name"].lower() not in ("accept", "content-type", "authorization")
        ]
        body = node.get("requestBody")
        self.body = body and RequestBody(
            document, compiler.requests, resolved(document, body)
        )
        self.security = [
            [(compiler.scheme(name), scopes) for name, scopes in one.items()]
            for one in node.get("security", document.get("security")) or ()
        ]
        self.answers = {
            str(code).upper(): Answer(
                document, compiler.responses, resolved(document, one)
            )
            for code, one in node.get("responses", {}).items()
        }
        places = {one.place for one in self.parameters}
        places |= {scheme.place for one in self.security for scheme, _ in one}
        self.wants_query = "query" in places

    def fill(
        self, api: ApiRequest, req: Request, path: Mapping[str, Any], query: Any
    ) -> list[Problem]:
        """Put the values of a request into *api*; return what is wrong."""
        problems: list[Problem] = []
        for parameter in self.parameters:
            try:
                texts = _texts_of(req, parameter, path, query)
            except ValueError as err:  # a member of an object is there twice
                problems.append(problem(parameter.place, parameter.name, str(err)))
                continue
            values = getattr(api.parameters, parameter.place)
            if texts is None:
                if parameter.is_required:
                    one = problem(parameter.place, parameter.name, "is missing")
                    problems.append(one)
                elif parameter.default is not None:
                    values[parameter.name] = parameter.default
                continue
            value, found = parameter.value(texts)
            values[parameter.name] = value
            problems += found
        if self.body:
            api.body, found = self.body.value(req)
            problems += found
        return problems

    def answer_problems(self, response: BaseResponse) -> list[Problem]:
        """Return what an answer has that the document does not know."""
        code = str(response.status_code)
        answers = self.answers
        answer = answers.get(code) or answers.get(code[0] + "XX")
        answer = answer or answers.get("DEFAULT")
        if answer is None:
            # The document can not know of each way to fail.
            if response.status_code >= 500 or response.status_code == 304:
                return []
            return [problem("status", code, "is not in the document")]
        return list(answer.problems(response))


def _texts_of(
    req: Request, parameter: Parameter, path: Mapping[str, Any], query: Any
) -> Any:
    if parameter.place == "query":
        return parameter.query_texts(query)
    if parameter.place == "path":
        value = path.get(parameter.name)
        return value if value is None else str(value)
    if parameter.place == "header":
        return req.headers.get(parameter.name)
    morsel = req.cookies.get(parameter.name) if req.cookies else None
    return None if morsel is None else morsel.value


class Compiler:
    """What operations of a document have in common."""

    def __init__(self, document: Document):
        self.document = document
        self.requests = Schemas20(document, is_request=True)
        self.responses = Schemas20(document, is_request=False)
        nodes = components_of(document, "securitySchemes")
        self.schemes = {
            name: Scheme(name, resolved(document, node)) for name, node in nodes.items()
        }

    def scheme(self, name: str) -> Scheme:
        """Return a security scheme.

        :raises ValueError: there is none of that name
        """
        if name not in self.schemes:
            raise ValueError(f"there is no security scheme {name!r}")
        return self.schemes[name]


def query_for(operation: Operation, req: Request) -> Mapping[str, Any]:
    """Return the query of a request, if anything of it is asked for."""
    return query_of(req) if operation.wants_query else {}
