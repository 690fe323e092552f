"""Handlers whose parameters come from the request by their annotations.

    @app.get("/notes/<id:int>")
    @typed
    def read(req, note_id: int, lang: str = "en") -> Note: ...

Parameters behind the values of the path are filled from the query, a form, the
JSON body, headers or cookies. All that is wrong is answered together, 422. What
the annotation of the result names is sent as JSON. `poorwsgi.openapi` describes
such handlers; handlers without the decorator pay nothing for it.
"""

from __future__ import annotations

import inspect
from functools import partial, update_wrapper
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin, overload

from poorwsgi.body import loads_json
from poorwsgi.convert import (
    ObjectParser,
    Problem,
    Problems,
    encoder,
    text_parser,
    value_parser,
)
from poorwsgi.fieldstorage import FieldStorage
from poorwsgi.response import (
    BaseResponse,
    HTTPException,
    JSONResponse,
    Response,
    encode_json,
)
from poorwsgi.schema import (
    MAPPINGS,
    SEQUENCES,
    hints_of,
    is_alias,
    is_object,
    members_of,
    unwrapped,
)
from poorwsgi.signature import name_of, where
from poorwsgi.state import (
    HTTP_BAD_REQUEST,
    HTTP_OK,
    HTTP_UNPROCESSABLE_ENTITY,
    HTTP_UNSUPPORTED_MEDIA_TYPE,
    REASONS,
    BodyError,
)
from poorwsgi.urlencoded import parse_query

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from poorwsgi.convert import Parser
    from poorwsgi.request import Request

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["Body", "Cookie", "Form", "Header", "Query", "typed"]


# -- where a parameter comes from ------------------------------------------------


class Source:
    """Says in Annotated where a parameter comes from, and what bounds it has.

    :param name: its name there, where it is not that of the parameter
    """

    place = ""

    def __init__(
        self,
        name: str = "",
        *,
        description: str = "",
        ge: float | None = None,
        gt: float | None = None,
        le: float | None = None,
        lt: float | None = None,
        multiple_of: float | None = None,
        min_length: int | None = None,
        max_length: int | None = None,
        pattern: str | None = None,
    ):
        self.name = name
        self.description = description
        self.ge, self.gt, self.le, self.lt = ge, gt, le, lt
        self.multiple_of = multiple_of
        self.min_length, self.max_length = min_length, max_length
        self.pattern = pattern


class Query(Source):
    """From the query string; the default for what a text can say."""

    place = "query"


class Form(Source):
    """From a form, urlencoded or multipart; a `FieldStorage` is a file."""

    place = "form"


class Header(Source):
    """From a header; ``x_count`` is X-Count."""

    place = "header"


class Cookie(Source):
    """From a cookie."""

    place = "cookie"


class Body(Source):
    """The JSON body; the default for objects (dataclasses, models, ...) and lists
    of them.
    """

    place = "body"


class Parameter(NamedTuple):
    """A parameter of a handler, and where its value comes from."""

    argument: str
    name: str
    place: str
    hint: Any
    default: Any
    parse: Parser

    @property
    def is_required(self) -> bool:
        """True if it has no default."""
        return self.default is inspect.Parameter.empty


def _source(hint: Any) -> Source:
    bare, notes = unwrapped(hint)
    for note in notes:
        if isinstance(note, Source):
            return note
        if isinstance(note, type) and issubclass(note, Source):
            return note()
    return Body() if any(map(_is_body, members_of(bare) or (bare,))) else Query()


def _is_body(hint: Any) -> bool:
    """Return True for objects, lists of them, and aliases that contain themselves."""
    bare = unwrapped(hint)[0]
    kind, args = get_origin(bare) or bare, get_args(bare)
    if kind in SEQUENCES and args:
        return _is_body(args[0])
    return kind in MAPPINGS or is_object(bare) or is_alias(bare)


def is_file(hint: Any) -> bool:
    """Return True for a field of a form that is taken as it is."""
    bare = unwrapped(hint)[0]
    return any(one is FieldStorage for one in (members_of(bare) or (bare,)))


def _parameter(fun: Any, parameter: inspect.Parameter, hint: Any) -> Parameter:
    source = _source(hint)
    name = source.name or parameter.name
    if source.place == "header" and not source.name:
        name = name.replace("_", "-").title()
    if source.place == "body":
        parse = value_parser(hint)
        if isinstance(parse, ObjectParser):
            parse.prepare()  # a mistake shows here, not with the first value
    elif is_file(hint):
        parse = _as_it_is
    else:
        parse = text_parser(hint)
    default = parameter.default
    return Parameter(parameter.name, name, source.place, hint, default, parse)


def _as_it_is(value: Any, place: str, problems: Any) -> Any:
    return value


# -- plans -----------------------------------------------------------------------


class Plan:
    """What a handler wants beyond so many values of the path.

    :raises TypeError: an annotation is missing, unknown, or can not be served
    """

    def __init__(self, fun: Callable[..., Any], path_values: int):
        hints = hints_of(fun)
        parameters = list(inspect.signature(fun).parameters.values())
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        self.parameters: list[Parameter] = []
        for parameter in parameters[1 + path_values :]:
            if parameter.kind in kinds:
                continue
            if parameter.name not in hints:
                raise _mistake(fun, parameter.name, _lack(parameter))
            try:
                made = _parameter(fun, parameter, hints[parameter.name])
            except TypeError as err:
                raise _mistake(fun, parameter.name, str(err)) from err
            self.parameters.append(made)
        self.body = self._only_body(fun)
        self.has_form = any(one.place == "form" for one in self.parameters)
        self.has_query = any(one.place == "query" for one in self.parameters)

    def _only_body(self, fun: Any) -> Parameter | None:
        bodies = [one for one in self.parameters if one.place in ("body", "form")]
        if len({one.place for one in bodies}) > 1:
            raise _mistake(fun, bodies[0].argument, "a request has a form or JSON")
        if bodies and bodies[0].place == "body":
            if len(bodies) > 1:
                raise _mistake(fun, bodies[1].argument, "a request has one body")
            return bodies[0]
        return None

    def arguments(self, req: Request) -> dict[str, Any]:
        """Return the values for a request.

        :raises HTTPException: 422 with all problems, 400 or 415 for the body
        """
        problems: list[dict[str, str]] = []
        values: dict[str, Any] = {}
        query = query_of(req) if self.has_query else {}
        form = form_of(req) if self.has_form else None
        for parameter in self.parameters:
            raw = _raw(req, parameter, query, form)
            if raw is None:
                if parameter.is_required:
                    _note(problems, parameter, [Problem("", "is missing")])
                continue
            found = Problems()
            value = parameter.parse(raw[0], "", found)
            values[parameter.argument] = value
            if found:
                _note(problems, parameter, found)
        if problems:
            raise problem_error(req, HTTP_UNPROCESSABLE_ENTITY, problems)
        return values


def _lack(parameter: inspect.Parameter) -> str:
    if parameter.annotation is inspect.Parameter.empty:
        return "it has no annotation"
    return f"its annotation {parameter.annotation!r} is not known"


def _mistake(fun: Any, name: str, text: str) -> TypeError:
    return TypeError(
        f"handler {name_of(fun)!r}{where(fun)}, parameter {name!r}: {text}"
    )


def _note(
    problems: list[dict[str, str]], parameter: Parameter, found: list[Problem]
) -> None:
    for place, message in found:
        name = place if parameter.place == "body" else parameter.name + place
        problems.append({"in": parameter.place, "name": name, "message": message})


# -- reading ---------------------------------------------------------------------


def _raw(
    req: Request, parameter: Parameter, query: dict[str, Any], form: Any
) -> tuple[Any] | None:
    """Return what the request has for a parameter, None if it has nothing."""
    name, place = parameter.name, parameter.place
    if place == "query":
        value = query.get(name)
        return None if value is None else (_as_list(value),)
    if place == "form":
        return _form_value(form, parameter)
    if place == "header":
        value = req.headers.get(name)
        return None if value is None else ([value],)
    if place == "cookie":
        morsel = req.cookies.get(name) if req.cookies else None
        return None if morsel is None else ([morsel.value],)
    return json_body(req)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _form_value(form: Any, parameter: Parameter) -> tuple[Any] | None:
    if form is None or parameter.name not in form:
        return None
    if is_file(parameter.hint):
        return (form[parameter.name],)
    values = [v if isinstance(v, str) else "" for v in form.getlist(parameter.name)]
    return None if values == [""] else (values,)


def query_of(req: Request) -> dict[str, Any]:
    """Return the arguments of the query string, those without a text as well."""
    args = req.args  # has refused what is malformed, or too much
    if req.app.keep_blank_values and req.app.auto_args:
        return dict(args)
    return parse_query(req.query, True, False)


def has_body(req: Request) -> bool:
    """Return True if the request has a body."""
    return req.content_length > 0 or req.is_chunked


def form_of(req: Request) -> Any:
    """Return the form of a request, None without a body.

    :raises HTTPException: 415 for another body, 400 for a malformed one
    """
    if not has_body(req):
        return None
    if req.mime_type not in req.app.form_mime_types:
        raise unsupported(req, " or ".join(req.app.form_mime_types))
    with _parsing(req):
        return req.form


def is_json(media_type: str, known: list[str]) -> bool:
    """Return True for a media type that is JSON."""
    return media_type in known or media_type.endswith("+json")


def json_body(req: Request) -> tuple[Any] | None:
    """Return the value of a JSON body in a tuple, None without a body.

    :raises HTTPException: 415 for another body, 400 for a malformed one
    """
    if not has_body(req):
        return None
    app = req.app
    if not is_json(req.mime_type, app.json_mime_types):
        raise unsupported(req, "application/json")
    with _parsing(req):
        if req.mime_type in app.json_mime_types and app.auto_json:
            return (req.json,)
        limit = app.max_json_size
        raw = (
            req.data
            if req.data is not None
            else req.read(-1 if limit is None else limit)
        )
        return (loads_json(raw, req.charset, app.json_max_depth),)


class _parsing:  # noqa: N801 - reads as a block
    """Answers a body that can not be parsed with 400 and the reason."""

    def __init__(self, req: Request):
        self.req = req

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: Any, trace: object) -> None:
        is_bad = isinstance(error, HTTPException) and error.response is None
        if is_bad and error.status_code == HTTP_BAD_REQUEST:
            error = error.kwargs.get("error") or "is malformed"
        elif not isinstance(error, BodyError):
            return
        problem = {"in": "body", "name": "", "message": str(error)}
        raise problem_error(self.req, HTTP_BAD_REQUEST, [problem])


def unsupported(req: Request, wanted: str) -> HTTPException:
    """Return the error for a body of a type that is not taken."""
    problem = {"in": "body", "name": "", "message": f"Content-Type has to be {wanted}"}
    return problem_error(req, HTTP_UNSUPPORTED_MEDIA_TYPE, [problem])


def problem_error(
    req: Request, status_code: int, problems: list[dict[str, str]]
) -> HTTPException:
    """Return the error that tells a client of all its mistakes.

    A handler of the application for that status gets them as ``problems``; else
    the answer is JSON, with the member names of RFC 9457.
    """
    if status_code in req.app.states:
        first = problems[0]
        error = f"{first['in']} {first['name']} {first['message']}"
        return HTTPException(status_code, error=error, problems=problems)
    body = {"title": REASONS[status_code], "status": status_code, "problems": problems}
    media_type = "application/json"
    if req.app.problem_json:
        media_type = "application/problem+json"
        body = {"type": "about:blank", **body}
    return HTTPException(Response(encode_json(body), media_type, None, status_code))


# -- results ---------------------------------------------------------------------


def result_hint(hint: Any) -> tuple[Any, bool]:
    """Return the annotation of the JSON of a result, and whether there is one.

    There is none for what a response is made of in another way: texts, bytes,
    responses, None. Of ``tuple[T, int]``, value and status, it is T.
    """
    hint = unwrapped(hint)[0]
    if get_origin(hint) is tuple and get_args(hint)[1:2] == (int,):
        return result_hint(get_args(hint)[0])
    members = [one for one in members_of(hint) or (hint,) if not _is_answer(one)]
    return hint, bool(members)


def _is_answer(hint: Any) -> bool:
    bare = unwrapped(hint)[0]
    kind = get_origin(bare) or bare
    if kind in (None, type(None), Any, str, bytes, inspect.Signature.empty):
        return True
    module = getattr(kind, "__module__", "")
    if module == "collections.abc":  # generators and iterators are streams
        return getattr(kind, "__name__", "") not in ("Mapping", "Sequence", "Set")
    return isinstance(kind, type) and issubclass(kind, BaseResponse)


class Results:
    """Makes a response of what a handler returns."""

    def __init__(self, hint: Any, status_code: int):
        shown, is_shown = result_hint(hint)
        self.encode = encoder(shown) if is_shown else None
        self.status_code = status_code
        self.is_pair = get_origin(unwrapped(hint)[0]) is tuple and shown is not hint

    def response(self, value: Any) -> Any:
        """Return the response, or what the application makes one of."""
        if value is None or isinstance(value, BaseResponse):
            return value
        rest: tuple[Any, ...] = ()
        if self.is_pair and isinstance(value, tuple):
            value, *others = value
            rest = tuple(others)
        if self.encode is not None and not isinstance(value, BaseResponse):
            value = self.encode(value)
            if not isinstance(value, (dict, list)):
                value = JSONResponse(value) if value is not None else Response("null")
        if self.status_code != HTTP_OK and not rest:
            rest = (self.status_code,)
        return _with(value, rest)


def _with(value: Any, rest: tuple[Any, ...]) -> Any:
    """Return a value with status and headers."""
    if not rest:
        return value
    if isinstance(value, BaseResponse):
        value.status_code = rest[0]
        for headers in rest[1:]:
            pairs = headers.items() if isinstance(headers, dict) else headers
            for name, text in pairs:
                value.add_header(name, text)
        return value
    return (value, *rest)


# -- the decorator ---------------------------------------------------------------


class Typed:
    """A handler with its plans, one for each number of path values."""

    def __init__(self, fun: Callable[..., Any], status_code: int = HTTP_OK):
        self.fun = fun
        self.status_code = status_code
        self._plans: dict[int, Plan] = {}
        self._results: Results | None = None

    def plan(self, path_values: int) -> Plan:
        """Return what is wanted beyond the values of the path."""
        plan = self._plans.get(path_values)
        if plan is None:
            plan = self._plans[path_values] = Plan(self.fun, path_values)
        return plan

    @property
    def results(self) -> Results:
        """What makes a response of a result."""
        if self._results is None:
            hint = hints_of(self.fun).get("return", Any)
            self._results = Results(hint, self.status_code)
        return self._results

    def call(self, req: Request, *path_values: Any) -> Any:
        """Call the handler with what the request has for it."""
        values = self.plan(len(path_values)).arguments(req)
        return self.results.response(self.fun(req, *path_values, **values))


def _handler(fun: Callable[..., Any], status_code: int) -> Callable[..., Any]:
    typed_handler = Typed(fun, status_code)

    def call(req: Any, *path_values: Any) -> Any:
        return typed_handler.call(req, *path_values)

    update_wrapper(call, fun)
    call.__typed__ = typed_handler  # type: ignore[attr-defined]
    return call


@overload
def typed(fun: F) -> F: ...


@overload
def typed(*, status: int = HTTP_OK) -> Callable[[F], F]: ...


def typed(fun: Any = None, *, status: int = HTTP_OK) -> Any:
    """Fill the parameters of a handler by their annotations.

    :param status: of the answer, if the result does not say another
    :raises TypeError: at the first request or description, if an annotation is
        missing or can not be served

    .. versionadded:: 3.0
    """
    if fun is None:
        return partial(_handler, status_code=status)
    return _handler(fun, status)
