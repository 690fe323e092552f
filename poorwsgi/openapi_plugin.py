"""Requests and answers checked against an OpenAPI document, in one line.

    OpenAPIPlugin(app, "openapi.json")

A before-hook finds the operation of the route, checks what the client sent and
sets `req.api`; an after-hook looks at the answer. What an operation wants is
compiled when it is met first (`openapi_operation`), so a request pays little.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from poorwsgi.openapi_document import load_document, quoted, resolved
from poorwsgi.openapi_operation import ApiRequest, Compiler, Operation, query_for
from poorwsgi.response import HTTPException
from poorwsgi.routing import re_filter
from poorwsgi.state import (
    HTTP_BAD_REQUEST,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_NOT_FOUND,
    HTTP_UNAUTHORIZED,
    HTTP_UNSUPPORTED_MEDIA_TYPE,
)
from poorwsgi.typed import problem_error

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Mapping

    from poorwsgi.request import Request
    from poorwsgi.response import BaseResponse
    from poorwsgi.wsgi import Application

    Document = dict[str, Any]
    #: Gets the request and its credential; false refuses, anything else is kept.
    Verifier = Callable[[Request, str], Any]

__all__ = ["AnswerError", "ApiRequest", "OpenAPIPlugin"]

log = logging.getLogger("poorwsgi")

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class AnswerError(RuntimeError):
    """An answer is not what the document says, and the plugin is strict."""


@contextmanager
def understanding(place: str) -> Generator[None, None, None]:
    """Say where a document is not what OpenAPI says."""
    try:
        yield
    except ValueError as err:
        raise ValueError(f"{place}: {err}") from err
    except (AttributeError, LookupError, TypeError) as err:
        what = f"{type(err).__name__}: {err}"
        raise ValueError(f"{place} is no operation of OpenAPI: {what}") from err


class PathItem:
    """A path of a document: its template, and its operations by method."""

    def __init__(self, template: str, node: Document):
        self.node = node
        self.names = re.findall(r"\{([^{}]+)\}", template)
        self.compiled: dict[str, Operation] = {}
        pieces = re.split(r"\{[^{}]+\}", template)
        texts = [re.escape(unquote(piece)) for piece in pieces]
        self.regex = re.compile("([^/]+)".join(texts))


class OpenAPIPlugin:
    """Checks requests before the handlers run, and answers after them.

    A bad request is answered 400 with all its problems as JSON, one without the
    credentials that are asked for 401. `req.api` has the checked values.

    :param spec: a dictionary, or a file of JSON or YAML
    :param strict: a wrong answer becomes 500; else it is logged
    :param check_answers: look at answers at all
    :param only_known: refuse what the document does not name with 404 or 405;
        else it is left alone
    :param security: verifiers by the name of the security scheme; without one it
        is only checked that a credential is there
    :raises ValueError: the document is none, or has something unknown

    .. versionadded:: 3.0
    """

    def __init__(
        self,
        app: Application,
        spec: str | os.PathLike[str] | Mapping[str, Any],
        *,
        strict: bool = False,
        check_answers: bool = True,
        only_known: bool = False,
        security: Mapping[str, Verifier] | None = None,
    ):
        self.document = load_document(spec)
        self.strict = strict
        self.only_known = only_known
        self._compiler = Compiler(self.document)
        self._verifiers = dict(security or {})
        unknown = self._verifiers.keys() - self._compiler.schemes.keys()
        if unknown:
            raise ValueError(f"the document has no security scheme {unknown}")
        self._items: dict[str, PathItem] = {}
        for path, node in self.document.get("paths", {}).items():
            self._add(path, resolved(self.document, node))
        self._by_rule: dict[str | None, PathItem | None] = {}
        app.add_before_response(self.check_request)
        if check_answers:
            app.add_after_response(self.check_answer)

    def _add(self, path: str, node: Document) -> None:
        """Add a path, and also below the paths of its servers."""
        if not isinstance(node, dict):
            raise ValueError(f"{path} is no path item of OpenAPI")
        servers = node.get("servers", self.document.get("servers")) or ()
        bases = [urlsplit(one.get("url", "")).path.rstrip("/") for one in servers]
        for base in ["", *bases]:
            if "{" not in base:
                item = PathItem(base + path, node)
                self._items.setdefault(shape_of(base + path), item)
        for method in METHODS:  # a mistake shows here, not in a request
            if method in node:
                with understanding(f"{method.upper()} {path}"):
                    Operation(self._compiler, node, node[method])

    # -- before ------------------------------------------------------------

    def check_request(self, req: Request) -> None:
        """Refuse what the document does not allow; the before-hook."""
        found = self._find(req)
        if found is None:
            return
        operation, path = found
        req.api = api = ApiRequest(operation)
        query = query_for(operation, req)
        api.is_refused = True  # until all is well
        if operation.security:
            self._check_security(req, api, query)
        try:
            problems = operation.fill(api, req, path, query)
        except HTTPException as err:
            if err.status_code == HTTP_UNSUPPORTED_MEDIA_TYPE:
                problem = {"in": "body", "name": "", "message": "is of another type"}
                raise problem_error(req, HTTP_BAD_REQUEST, [problem]) from err
            raise
        if problems:
            raise problem_error(req, HTTP_BAD_REQUEST, problems)
        api.is_refused = False

    def _find(self, req: Request) -> tuple[Operation, Mapping[str, Any]] | None:
        """Return the operation of a request, and its values of the path."""
        rule = req.uri_rule
        item = self._by_rule.get(rule)
        if item is None and rule not in self._by_rule:
            item = self._items.get(shape_of_rule(rule or ""))
            self._by_rule[rule] = item
        values: Any = ()
        if item is not None:
            values = req.path_args.values() if item.names else ()
        else:
            item, values = self._find_by_path(req.path)
        if item is None:
            if self.only_known:
                raise HTTPException(HTTP_NOT_FOUND)
            return None
        operation = self._operation(item, (req.method or "").lower())
        if operation is None:
            return None
        return operation, dict(zip(item.names, values, strict=False))

    def _find_by_path(self, path: str) -> tuple[PathItem | None, Any]:
        """Return the item of a path that no rule of the document's shape serves."""
        item = self._items.get(quoted(path))
        if item is not None and not item.names:
            return item, ()
        for item in self._items.values():
            match = item.regex.fullmatch(path) if item.names else None
            if match is not None:
                return item, match.groups()
        return None, ()

    def _operation(self, item: PathItem, method: str) -> Operation | None:
        operation = item.compiled.get(method)
        if operation is not None:
            return operation
        node = item.node.get(method)
        if node is None and method == "head":
            node = item.node.get("get")
        if method not in METHODS or node is None:
            if self.only_known and method != "options":
                raise HTTPException(HTTP_METHOD_NOT_ALLOWED)
            return None
        operation = item.compiled[method] = Operation(self._compiler, item.node, node)
        return operation

    def _check_security(
        self, req: Request, api: ApiRequest, query: Mapping[str, Any]
    ) -> None:
        """Find the credentials of one alternative, or answer 401."""
        for alternative in api.compiled.security:
            found: dict[str, Any] = {}
            for scheme, _ in alternative:
                credential: Any = scheme.credential(req, query)
                verify = self._verifiers.get(scheme.name)
                if credential is not None and verify is not None:
                    credential = verify(req, credential) or None
                found[scheme.name] = credential
            if None not in found.values():
                api.security = found
                return
        schemes = {s.name: s for one in api.compiled.security for s, _ in one}
        problem = {
            "in": "security",
            "name": ", ".join(schemes),
            "message": "is missing",
        }
        error = problem_error(req, HTTP_UNAUTHORIZED, [problem])
        if error.response is not None:
            for scheme in schemes.values():
                error.response.add_header("WWW-Authenticate", scheme.challenge)
        raise error

    # -- after -------------------------------------------------------------

    def check_answer(self, req: Request, response: BaseResponse) -> BaseResponse:
        """Log what the document does not know, or fail; the after-hook.

        :raises AnswerError: if the plugin is strict
        """
        api = getattr(req, "api", None)
        if type(api) is not ApiRequest or api.is_refused:
            return response
        problems = api.compiled.answer_problems(response)
        if problems:
            texts = [f"{one['in']} {one['name']} {one['message']}" for one in problems]
            message = f"{req.method} {req.uri_rule}: {'; '.join(texts)}"
            if self.strict:
                api.is_refused = True
                raise AnswerError(message)
            log.error("The answer is not what the document says: %s", message)
        return response


def shape_of(template: str) -> str:
    """Return a path of a document without the names in it.

    >>> shape_of("/a b/{name}")
    '/a%20b/{}'
    """
    pieces = re.split(r"\{[^{}]*\}", template)
    return "{}".join(quoted(unquote(piece)) for piece in pieces)


def shape_of_rule(rule: str) -> str:
    """Return the same of a rule.

    >>> shape_of_rule("/a b/<id:int>")
    '/a%20b/{}'
    """
    return "{}".join(map(quoted, re_filter.sub("\0", rule).split("\0")))
