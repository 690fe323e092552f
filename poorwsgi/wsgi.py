# pyright: reportPossiblyUnboundVariable=false
# What is bound depends on the answer that was found; pyright does not follow it.
"""The application: the walk of a request through it.

The tables are filled in registry; `__request__` and the methods it names, from
top to bottom, are the life of a request. What a route is, is known by routing; what a
response is, by response; here is only decided who is asked, and in which order.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from functools import partial
from threading import Lock
from time import time
from typing import TYPE_CHECKING, Any, Generic
from weakref import WeakValueDictionary

from poorwsgi.blocks import BLOCK_SIZE, close_body, closing_blocks, started
from poorwsgi.config import Option, digest_algorithms
from poorwsgi.headers import parse_host
from poorwsgi.registry import Registry
from poorwsgi.request import (
    NO_PATH,
    PROCESS_ENVIRON,
    PROCESS_VARIABLES,
    JsonDict,
    Request,
    SimpleRequest,
    options_of,
)
from poorwsgi.response import (
    ANSWERS,
    CONTENT_TYPE_HTML,
    HTML,
    JSON,
    LENGTHS,
    NOT_FOUND,
    POWERED_BY,
    BaseResponse,
    FileObjResponse,
    GeneratorResponse,
    HTTPException,
    IBytesIO,
    NoContentResponse,
    Response,
    ResponseError,
    is_json_value,
    json_answer,
    share_keys,
    text_response,
    to_response,
    unusable,
)
from poorwsgi.routing import (
    ANY_METHOD,
    Endpoint,
    RouteGroup,
    method_names,
    re_filter,
    re_invalid_filter,
    wire_path,
)
from poorwsgi.signature import name_of, where
from poorwsgi.state import (
    HTTP_BAD_REQUEST,
    HTTP_INTERNAL_SERVER_ERROR,
    HTTP_METHOD_NOT_ALLOWED,
    HTTP_NOT_FOUND,
    HTTP_NOT_IMPLEMENTED,
    METHOD_ALL,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    REASONS,
    BodyError,
    methods,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias
    from wsgiref.types import StartResponse, WSGIApplication

    from typing_extensions import TypeVar

    from poorwsgi.checks import Finding
    from poorwsgi.response import Answer
    from poorwsgi.routing import Handler

    Environ: TypeAlias = dict[str, Any]
    Hook: TypeAlias = Callable[..., Any]
    #: Class of the requests of an application; see `Application.request_class`.
    R = TypeVar("R", bound=Request, default=Request, covariant=True)
    AUTH_DIGEST_ALGORITHMS: dict[str, Any]  # made by __getattr__
else:
    from typing import TypeVar

    R = TypeVar("R")

__all__ = [
    "AUTH_DIGEST_ALGORITHMS",
    "Application",
    "RouteGroup",
    "re_filter",
    "re_invalid_filter",
    "to_response",
]

log = logging.getLogger("poorwsgi")
# Where records go is for the application to say; without this, logging would
# print warnings of ours to stderr.
log.addHandler(logging.NullHandler())

#: How servers say that there was no Host header.
NO_HOST = {None: None, "": None}
#: Good Host headers that an application remembers, at most.
MAX_HOSTS = 1000
#: What the walk and hooks set in a request.
REQUEST_KEYS = (
    *("_environ", "app", "_uri_rule", "_uri_handler", "user"),
    *("_match", "_values", "_endpoint", "_page"),
)
#: What has a word in a 404, of an application and of a request.
_REST = ("handler_from_default", "handler_from_files", "state_from_table")
_SHOWN = ("path", "uri", "method", "hostname", "server_admin")

_applications: WeakValueDictionary[str, Application] = WeakValueDictionary()
_applications_lock = Lock()


class Application(Registry, Generic[R]):
    """A WSGI application.

    It is set up by its decorators, or by the `set_*` and `add_*` methods, and
    called by a WSGI server. Options are attributes, see `config.Settings`.

    :param name: unique among the living applications of a process
    :raises RuntimeError: if another application has the name
    """

    if TYPE_CHECKING:
        request_class: type[R]
    else:
        request_class = Option(
            Request, None, "Class of the requests that handlers get."
        )

    def __init__(self, name: str = "__main__"):
        with _applications_lock:
            if name in _applications:
                raise RuntimeError(f"Application with name {name} exist yet.")
            _applications[name] = self
        super().__init__()
        self._name = name
        # A subclass may have put a plain attribute in place of the option.
        self._request_class = self.request_class
        self._new_request = self._request_maker()
        self._static = self._static_lookup()
        self._pages: Any = None
        #: End of the page of a plain 404, by the Host header.
        self._page_ends: dict[str, bytes] = {}
        self._changed()
        self._own_dumps = self.json_dumps
        self._answers = self._answers_by_type()
        #: Good Host headers, parsed; a bounded number of them.
        self._hosts: dict[str | None, tuple[str, int | None] | None] = {**NO_HOST}

    def __repr__(self) -> str:
        return f"{self._name} - callable Application class instance"

    @property
    def name(self) -> str:
        """Name of the application."""
        return self._name

    def release(self) -> None:
        """Give the name free for another application."""
        with _applications_lock:
            if _applications.get(self._name) is self:
                del _applications[self._name]

    #: What takes the time of each phase while debug or the access log is on.
    _watch: Any = None

    def _option_changed(self, name: str) -> None:
        if name == "allowed_hosts":
            self._hosts = {**NO_HOST}
        elif name == "request_class":
            self._new_request = self._request_maker()
            self._static = self._static_lookup()
            self._refresh()
        elif name == "document_root":
            self._refresh()
        elif name in ("debug", "access_log"):
            self._observe()
        elif name == "json_dumps":
            # Without its own entry, a dict goes the way of all other values.
            self._own_dumps = self.json_dumps
            self._answers = self._answers_by_type()

    def _refresh(self) -> None:
        """Find out what changes, while nobody changes more.

        A subclass may set options before there is anything to find out.
        """
        if hasattr(self, "_name"):
            with self._lock:
                self._changed()

    def _changed(self) -> None:
        """Find out what the walk need not ask in each request.

        PERF: it runs the hooks itself, unless the method that does so has been
        replaced, and is then the only hook there is; 800 of 25,000 instructions.
        """
        self._is_plain_404 = self._has_plain_404()
        self._run_before, self._run_after = self._before, self._after
        if self._before and is_replaced(self, "handler_from_before"):
            self._run_before = (self.handler_from_before,)
        if self._after and is_replaced(self, "apply_after"):
            self._run_after = (self.apply_after,)

    def _has_plain_404(self) -> bool:
        """Return True if nobody has a word in a 404.

        There is no hook, no handler and no document root, and nothing of what
        makes the page belongs to a subclass.
        """
        mine, kind = type(self), self._request_class
        return (
            self._pages is not None
            and not (self._before or self._after or self._defaults)
            and HTTP_NOT_FOUND not in self._states
            and mine._document_root == "" == self._document_root  # type: ignore[attr-defined]
            and not any(is_replaced(self, name) for name in _REST)
            and all(getattr(kind, n) is getattr(Request, n) for n in _SHOWN)
        )

    def _answers_by_type(self) -> dict[type, Callable[[Any, Any], Answer]]:
        """Return what answers a value of a type without a response object.

        PERF: `req.json` sent back is no rare answer; its entry saves 28,600
        instructions.
        """
        answers = {**ANSWERS, JsonDict: json_answer}
        if self._own_dumps is not None:
            del answers[dict], answers[JsonDict]
        return answers

    def _observe(self) -> None:
        """Let those watch the walk who want to, and nobody else."""
        if self._watch is not None or self.debug or self.access_log:
            # Without debug and access log it is never loaded.
            from poorwsgi.tracing import observe

            observe(self)

    def _request_maker(self) -> Callable[[], Any] | None:
        """Return what makes an empty request, None if the class has to be called.

        PERF: an `__init__` of Python costs 1,000 of the 2,300 instructions of a
        `Request`, so the walk sets its two attributes itself.
        """
        kind = self._request_class
        share_keys(kind, *REQUEST_KEYS)
        if (
            kind.__init__ is Request.__init__
            and kind.__new__ is object.__new__
            and type(kind) is type
        ):
            return partial(object.__new__, kind)
        return None

    def _static_lookup(self) -> Callable[[str], dict[str, Endpoint] | None]:
        """Return the look-up of PATH_INFO in the static routes.

        A class of requests with a path of its own has the last word on what the
        path is, so PATH_INFO can not be asked for.
        """
        self._has_own_path = self._request_class.path is not Request.path
        if self._has_own_path:
            return lambda path_info: None
        return self._router.static.get

    # -- the walk ----------------------------------------------------------

    def __call__(self, env: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        return self.__request__(env, start_response)

    def __request__(
        self, env: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Walk one request from its environment to the body of its answer."""
        env["REQUEST_STARTTIME"] = time()
        req: Any = None
        response: BaseResponse | None
        headers: list[tuple[str, str]] | None
        try:
            new = self._new_request
            if new is None:
                req = self._request_class(env, self)
            else:
                req = new()
                req._environ = env
                req.app = self
            # PERF: look-ups instead of a call for the plain request, 3,000
            # instructions; it is the call that judges.
            if (
                env.get("HTTP_HOST") not in self._hosts
                or env.get("CONTENT_LENGTH")
                or (
                    "HTTP_COOKIE" in env
                    and len(env["HTTP_COOKIE"] or "") > (self._max_cookie_size or 0)  # type: ignore[attr-defined]  # made by its Option
                )
            ):
                self.check_head(req)
            value = self.handler_from_table(req)
            response = headers = None
            if self._after:
                if type(value) is str:
                    response = text_response(value)
                elif value is NOT_FOUND:  # the first hook was added just now
                    response = Response(req._page, status_code=HTTP_NOT_FOUND)
                else:
                    response = self.to_response(value)
            elif value is NOT_FOUND:
                status = "404 Not Found"
                body = req._page
            elif env["REQUEST_METHOD"] == "HEAD":
                response = self.to_response(value)
            elif type(value) is str:
                # PERF: text_answer() written out, 700 of 14,000 instructions.
                status = "200 OK"
                try:
                    body = value.encode()
                except UnicodeError as err:
                    raise unusable(value) from err
            else:
                answer_of = self._answers.get(type(value))
                if answer_of is None:
                    response = self.to_response(value)
                else:
                    status, headers, body = answer_of(value, req)
        except Exception as err:
            # No other name for the error: it would stay, as a circle of frame,
            # traceback and error, and with it each file of an upload.
            req, err = self._what_failed(req, env, err)
            response = self.response_for_error(req, err)
        if response is not None:
            for hook in self._run_after:
                # PERF: apply_after() written out, 400 of 25,000 instructions.
                try:
                    value = hook(req, response)
                    if value is not response:
                        response = self._response_of_hook(hook, value)
                except Exception as err:
                    response = self._response_for_hook(req, hook, err)
            # PERF: nearly all that hooks see is HTML in memory, of which nothing
            # can fail any more; 1,400 of 26,000 instructions.
            answer = None
            if (
                type(response) is Response
                and response.content_type is HTML
                and env.get("REQUEST_METHOD") != "HEAD"
            ):
                answer = response._answer()
            if answer is None:
                return self.send_response(req, response, start_response)
            status, headers, body = answer
        if headers is None:
            size = len(body)
            length = LENGTHS[size] if size < 1024 else ("Content-Length", str(size))
            headers = [POWERED_BY, CONTENT_TYPE_HTML, length]
        start_response(status, headers)
        return (body,)

    def _what_failed(
        self, req: Any, env: Environ, error: Exception
    ) -> tuple[Any, Exception]:
        """Return the request and the error that are answered.

        Without a path there is no request, which `Request` would have said.
        """
        if self._new_request is not None and env.get("PATH_INFO") is None:
            return SimpleRequest(env, self), ConnectionError(NO_PATH)
        return SimpleRequest(env, self) if req is None else req, error

    def check_head(self, req: Request) -> None:
        """Refuse a request for what its request line and headers show.

        :raises HTTPException: 400, 413 or 431
        """
        host = req._environ.get("HTTP_HOST")
        if host not in self._hosts:
            self._check_host(host)
        req.check_head()

    def _check_host(self, value: str | None) -> None:
        """Remember a good Host, refuse a bad one (RFC 9112, 3.2)."""
        host = parse_host((value or "").strip(" \t"))
        allowed = self.allowed_hosts
        if host is None:
            raise HTTPException(HTTP_BAD_REQUEST, error="Invalid Host header")
        if allowed is not None and host[0].lower().rstrip(".") not in allowed:
            log.warning("Host %r is not in allowed_hosts", host[0])
            raise HTTPException(HTTP_BAD_REQUEST, error="Unknown host")
        if len(self._hosts) < MAX_HOSTS:
            self._hosts[value] = host

    def handler_from_table(self, req: Any) -> Any:
        """Find the handler of a request, call it, and return its value."""
        # PERF: call_handler() is written out twice, 900 of 13,000 instructions, and
        # what is called is no attribute then, which takes another 100.
        env = req._environ
        path: str = env["PATH_INFO"]
        static = self._static
        known = static(path)
        if known is not None:
            endpoint = known.get(env["REQUEST_METHOD"])
            if endpoint is not None:
                req._uri_rule = endpoint.rule
                req._uri_handler = endpoint.handler
                if self._before:
                    for hook in self._run_before:
                        hook(req)
                call = endpoint.call
                return call(req)
        if self._has_own_path or not path.isascii():
            path = req.path
            if self._has_own_path:
                known = self._router.static.get(wire_path(path))
                if known is not None and env["REQUEST_METHOD"] in known:
                    found = known[env["REQUEST_METHOD"]]
                    return self.call_handler(req, found.rule, found.handler, found.call)
        if "\0" in path:
            raise HTTPException(HTTP_BAD_REQUEST, error="NUL in path")
        endpoint, values, match = self._router.find(path, env["REQUEST_METHOD"])
        if endpoint is None:
            return self.handler_from_rest(req, path, known, values)
        req._match = match
        req._values = values
        req._endpoint = endpoint
        req._uri_rule = endpoint.rule
        req._uri_handler = endpoint.handler
        if self._before:
            for hook in self._run_before:
                hook(req)
        call = endpoint.call
        # PERF: a call that unpacks its arguments takes 900 instructions more.
        if len(values) == 1:
            return call(req, values[0])
        if len(values) == 2:
            return call(req, values[0], values[1])
        return call(req, *values)

    def handler_from_rest(
        self, req: Any, path: str, known: dict[str, Endpoint] | None, allowed: int
    ) -> Any:
        """Answer a request that no rule has, or none for its method.

        :param known: endpoints that a static rule has for other methods
        :param allowed: bits of the methods that have another rule for the path
        """
        env = req._environ
        method: str = env["REQUEST_METHOD"]
        # PERF: scanners make 404 the most frequent answer after 200. This is what
        # the rest of the walk finds out where nobody has a word in it; it takes
        # 1,000 instructions, not 4,000.
        pages = self._pages
        if (
            self._is_plain_404
            and method in pages.NOT_FOUND_HEADS
            and known is None
            and not allowed
            and path != "/debug-info"
            and "poor_DocumentRoot" not in env
            and os.environ is PROCESS_ENVIRON
            and b"poor_DocumentRoot" not in PROCESS_VARIABLES
            and "json" not in (accept := env.get("HTTP_ACCEPT", ""))
            and "J" not in accept  # "Application/Json": case has no meaning there
            and pages.default_states[HTTP_NOT_FOUND][METHOD_GET] is pages.not_found
        ):
            # What HTML gives a meaning; no letter is looked at by Python.
            if "<" in path or "&" in path or '"' in path or "'" in path or ">" in path:
                path = pages.html_escape(path)
            end = self._page_ends.get(env.get("HTTP_HOST"))
            if end is None or "SERVER_ADMIN" in env:
                end = self._page_end(req)
            req._uri_rule = "/*"
            req._page = b"".join((pages.NOT_FOUND_HEADS[method], path.encode(), end))
            return NOT_FOUND
        if method not in methods:
            return self.handler_from_mounts(req, path)
        if known is not None:
            return self.handler_from_methods(req, self.allowed_methods(path), True)
        is_file, value = self.handler_from_files(req, path, method)
        if is_file:
            return value
        if allowed:
            return self.handler_from_methods(req, allowed)
        return self.handler_from_default(req)

    def handler_from_mounts(self, req: Any, path: str) -> Any:
        """Let a mounted application answer a method that we do not know.

        WebDAV and others have methods of their own. No other handler gets one.
        """
        endpoint = None
        if "\0" not in path:
            endpoint, _, _ = self._router.find(path, ANY_METHOD)
        if endpoint is not None:
            return self.call_handler(
                req, endpoint.rule, endpoint.handler, endpoint.call
            )
        req._uri_rule = "/*"
        self.handler_from_before(req)
        return self.state_from_table(req, HTTP_NOT_IMPLEMENTED)

    def call_handler(
        self,
        req: Any,
        rule: str,
        handler: Handler | None,
        call: Handler,
        args: Iterable[Any] = (),
    ) -> Any:
        """Note what was found, run the before-hooks, then call the handler."""
        req._uri_rule = rule
        req._uri_handler = handler
        if self._before:
            self.handler_from_before(req)
        return call(req, *args)

    def handler_from_before(self, req: Any) -> None:
        """Run the before-hooks."""
        for hook in self._before:
            hook(req)

    def handler_from_files(
        self, req: Any, path: str, method: str | None
    ) -> tuple[bool, Any]:
        """Return whether a file or /debug-info is meant, and the value of it."""
        if req.document_root and method in ("GET", "HEAD"):
            # Applications without a document root never load it.
            from poorwsgi.static import find

            target = find(req)
            if target is not None:
                value = self.call_handler(
                    req, "/*", target.uri_handler, lambda req: target.respond()
                )
                return True, value
        if path == "/debug-info" and req.debug:
            from poorwsgi.results import debug_answer, debug_info

            value = self.call_handler(
                req, "/debug-info", debug_info, debug_answer, (self,)
            )
            return True, value
        return False, None

    def handler_from_methods(
        self, req: Any, allowed: int, is_static: bool = False
    ) -> Any:
        """Answer where rules have the path, but none of them has the method.

        A default handler steps in, unless a static rule knows the path; one for
        OPTIONS always does. Else OPTIONS is answered with the methods there are,
        and any other request with 405.

        :param allowed: bits of the methods that have a rule for the path
        """
        number = req.method_number
        if for_method(self._defaults, number) is not None and (
            number == METHOD_OPTIONS or not is_static
        ):
            return self.handler_from_default(req)
        req._uri_rule = "/*"
        if self._before:
            self.handler_from_before(req)
        if number == METHOD_OPTIONS:
            names = ", ".join(method_names(allowed | METHOD_OPTIONS))
            return NoContentResponse({"Allow": names})
        return self._answer_of_state(req, HTTP_METHOD_NOT_ALLOWED, {})

    def handler_from_default(self, req: Any) -> Any:
        """Answer where nothing else does: by the default handler, else 404."""
        default = for_method(self._defaults, req.method_number)
        if default is not None:
            return self.call_handler(req, "/*", default, default)
        req._uri_rule = "/*"
        if self._before:
            self.handler_from_before(req)
        return self.state_from_table(req, HTTP_NOT_FOUND)

    def _page_end(self, req: Request) -> bytes:
        """Return what stands behind the path; remembered for each good Host."""
        end: bytes = self._pages.not_found_end(req.server_admin)
        env = req._environ
        host = env.get("HTTP_HOST")
        if host and "SERVER_ADMIN" not in env and len(self._page_ends) < MAX_HOSTS:
            self._page_ends[host] = end
        return end

    def _load_pages(self) -> Any:
        """Return the module of our own answers, loaded by the first of them."""
        from poorwsgi import results

        self._pages = results
        self._refresh()
        return results

    def allowed_methods(self, path: str) -> int:
        """Return the bits of all methods that have a rule for this path."""
        return self._router.allowed(path)

    # -- errors

    def response_for_error(self, req: Any, error: Exception) -> BaseResponse:
        """Return the answer for what was raised, the first rung that holds."""
        if isinstance(error, HTTPException):
            response = error.make_response()
            if response is not None:
                return response
            return self._answer_of_state(req, error.status_code, error.kwargs)
        if isinstance(error, ResponseError):
            if req.uri_handler is not None:
                error.blame("handler", req.uri_handler, req.uri_rule)
            return self._answer_of_state(req, HTTP_INTERNAL_SERVER_ERROR, {})
        if isinstance(error, KeyError) and "REQUEST_METHOD" not in req._environ:
            error = BodyError("the server gave no REQUEST_METHOD")
            return self._answer_of_state(req, HTTP_BAD_REQUEST, {"error": error})
        if not isinstance(req, Request) and isinstance(error, ConnectionError):
            # The server gave no path, so there is no request.
            return self._answer_of_state(req, HTTP_BAD_REQUEST, {"error": error})
        from_handler = self._answer_of_error(req, error)
        if from_handler is not None:
            return from_handler
        if isinstance(error, BodyError):
            return self._answer_of_state(req, error.status_code, {"error": error})
        if isinstance(error, ConnectionError):
            log.warning("Connection failed: %r", error)
        return self._answer_of_state(req, HTTP_INTERNAL_SERVER_ERROR, {})

    def _answer_of_state(
        self, req: Any, status_code: int, kwargs: dict[str, Any]
    ) -> BaseResponse:
        """Return the answer of a status, by the method of a subclass if it has one."""
        if not is_replaced(self, "state_from_table"):
            return self._state_response(req, status_code, kwargs)
        try:
            value = self.state_from_table(req, status_code, **kwargs)
            return self._allow(req, self.to_response(value))
        except Exception:
            return self._internal_server_error(req)

    def _answer_of_error(self, req: Any, error: Exception) -> BaseResponse | None:
        """Return what is made of an exception, by the method of a subclass as well."""
        if not is_replaced(self, "error_from_table"):
            return self._error_response(req, error)
        try:
            value = self.error_from_table(req, error)
            return None if value is None else self.to_response(value)
        except Exception:
            return self._internal_server_error(req)

    def error_from_table(self, req: Any, error: Exception) -> Any:
        """Return what the handler of an exception made of it, None without one."""
        return self._error_response(req, error)

    def _error_response(self, req: Any, error: Exception) -> BaseResponse | None:
        handler = self._error_handler_for(req, error)
        if handler is None:
            return None
        req.error_handler = handler
        try:
            return self.to_response(handler(req, error))
        except HTTPException as err:
            response = err.make_response()
            if response is not None:
                return response
            return self._state_response(req, err.status_code, err.kwargs)
        except Exception as err:
            if isinstance(err, ResponseError):
                err.blame("error handler", handler)
            return self._internal_server_error(req)

    def _error_handler_for(self, req: Any, error: Exception) -> Handler | None:
        """Return the first handler for a type of *error* and the method."""
        for kind, table in self._errors.items():
            if isinstance(error, kind):
                handler = for_method(table, req.method_number)
                if handler is not None:
                    return handler
        return None

    def state_from_table(self, req: Any, status_code: int, **kwargs: Any) -> Any:
        """Return the answer of a status: the user's handler, else the page of it."""
        return self._state_response(req, status_code, kwargs)

    def _state_response(
        self,
        req: Any,
        status_code: int,
        kwargs: dict[str, Any],
        seen: frozenset[int] = frozenset(),
    ) -> BaseResponse:
        """Call the handler of a status.

        If it raises another status, that one is handled in turn, each once; if
        it crashes, 500 is. What was *seen* already is answered by our page.
        """
        handler = for_method(self._states.get(status_code), req.method_number)
        if handler is None or status_code in seen:
            return self._allow(req, self._default_state(req, status_code, kwargs))
        req.error_handler = handler
        seen |= {status_code}
        try:
            if status_code == HTTP_INTERNAL_SERVER_ERROR:
                log_error(req)
            return self._allow(req, self.to_response(accepting(handler, req, kwargs)))
        except HTTPException as err:
            response = err.make_response()
            if response is not None:
                return response
            return self._state_response(req, err.status_code, err.kwargs, seen)
        except Exception as err:
            if isinstance(err, ResponseError):
                err.blame(f"handler of status {status_code}", handler)
            if status_code == HTTP_INTERNAL_SERVER_ERROR:
                return self._internal_server_error(req)
            return self._state_response(req, HTTP_INTERNAL_SERVER_ERROR, {}, seen)

    def _default_state(
        self, req: Any, status_code: int, kwargs: dict[str, Any]
    ) -> BaseResponse:
        """Return our own answer of a status."""
        results = self._pages or self._load_pages()
        try:
            handler = for_method(
                results.default_states.get(status_code), req.method_number
            )
            if handler is not None:
                return to_response(accepting(handler, req, kwargs))
            if status_code in REASONS:
                error = kwargs.get("error")
                return to_response(results.status_page(req, status_code, error))
            return to_response(results.not_implemented(req, status_code))
        except Exception:
            if status_code == HTTP_INTERNAL_SERVER_ERROR:
                raise  # there is nothing left to try: the server has to answer
            return self._internal_server_error(req)

    def _internal_server_error(self, req: Any) -> BaseResponse:
        """Return the last page there is; if it fails, the error is the server's."""
        response: BaseResponse = self._load_pages().internal_server_error(req)
        return response

    def _allow(self, req: Any, response: BaseResponse) -> BaseResponse:
        """Add Allow to a 405 that has none (RFC 9110, 15.5.6)."""
        if response._status_code == HTTP_METHOD_NOT_ALLOWED:
            names = method_names(self.allowed_methods(req.path))
            if "Allow" not in response.headers:
                response.headers["Allow"] = ", ".join(names)
        return response

    # -- the end of the walk

    def to_response(self, value: Any) -> BaseResponse:
        """Return the response for what a handler returned."""
        if isinstance(value, BaseResponse):
            return value
        if self._own_dumps is not None:
            value = self._dumped(value)
        return to_response(value)

    def _dumped(self, value: Any) -> Any:
        """Return JSON values encoded by `json_dumps` of the application."""
        data, *rest = value if isinstance(value, tuple) and value else (value,)
        if not is_json_value(data) or self._own_dumps is None:
            return value
        response = Response(self._own_dumps(data), JSON)
        status_code = next((item for item in rest if isinstance(item, int)), 200)
        headers = [item for item in rest if not isinstance(item, (int, str))]
        if headers and headers[0] is not None:
            response = Response(response.data, JSON, headers[0])
        response.status_code = status_code
        return response

    def apply_after(self, req: Any, response: BaseResponse) -> BaseResponse:
        """Run the after-hooks; they see every answer, also that of an error.

        A hook that fails is answered like a handler that does, and the hooks
        behind it see that answer.
        """
        for hook in self._after:
            try:
                value = hook(req, response)
                if value is not response:
                    response = self._response_of_hook(hook, value)
            except Exception as err:
                response = self._response_for_hook(req, hook, err)
        return response

    def _response_of_hook(self, hook: Hook, value: Any) -> BaseResponse:
        """Return the response for what an after-hook returned instead of its own."""
        if value is None:
            # COMPAT: PoorWSGI 2.8 answers so; hardly anybody means it.
            log.warning(
                "after-hook %r%s returned None, so the answer became 204 No Content; "
                "end it with: return response",
                name_of(hook),
                where(hook),
            )
        return self.to_response(value)

    def _response_for_hook(self, req: Any, hook: Hook, err: Exception) -> BaseResponse:
        """Return the answer for what an after-hook raised."""
        if isinstance(err, ResponseError):
            err.blame("after-hook", hook)
        return self.response_for_error(req, err)

    def send_response(
        self, req: Any, response: BaseResponse, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Hand the response to the server: HEAD, file wrapper, and what can fail."""
        env = req._environ
        head = env.get("REQUEST_METHOD") == "HEAD"
        if response._used:
            response = self._answer_for_used(req, response)
        response._head = head
        try:
            if response._is_plain and not head:
                answer = response._answer()  # type: ignore[attr-defined]
                if answer is not None:
                    response._told = True
                    start_response(answer[0], answer[1])
                    return (answer[2],)
            if (
                isinstance(response, GeneratorResponse)
                and not head  # which nobody makes a body for
                and hides_errors(env)
            ):
                response.begin()
            body = response(start_response)
        except Exception as err:
            if response._told:
                raise  # the server has the headers, or refused them
            # Such as a range that can not be satisfied, 416.
            response = self.response_for_error(req, err)
            response._head = head
            body = response(start_response)
        if head:
            close_body(body)
            return ()
        if type(body) is IBytesIO:
            # PERF: servers would ask for 1 kB at a time.
            return (body.read(),)
        if isinstance(response, FileObjResponse) and "wsgi.file_wrapper" in env:
            # uWSGI would send the whole file.
            is_cut = response._slice is not None and "uwsgi.version" in env
            if hasattr(body, "read") and not is_cut:
                wrapped: Iterable[bytes] = env["wsgi.file_wrapper"](body, BLOCK_SIZE)
                return wrapped
        if (
            self._debug  # type: ignore[attr-defined]  # made by its Option
            and "uwsgi.version" in env
            and body is getattr(response, "_generator", None)
        ):
            # PERF: to look at each block costs as much as to send it, so that is
            # done only where somebody is looking for mistakes.
            return started(closing_blocks(body))
        return body

    def _answer_for_used(self, req: Any, response: BaseResponse) -> BaseResponse:
        """Return the answer of 500 for a response that has been sent before."""
        try:
            raise ResponseError(
                f"{response!r} was returned twice, a response can be used once; "
                "make a new one in each call"
            )
        except ResponseError as err:
            answer = self.response_for_error(req, err)
            # A state handler may have just one response as well.
            return self._internal_server_error(req) if answer._used else answer

    # -- groups and mounts -------------------------------------------------

    def _within(self, groups: tuple[RouteGroup, ...], fun: Handler) -> Handler:
        return partial(self._call_in_groups, groups, fun) if groups else fun

    def _call_in_groups(
        self, groups: tuple[RouteGroup, ...], handler: Handler, req: Any, *args: Any
    ) -> BaseResponse:
        """Call a handler within the hooks of its groups, from outside in."""
        try:
            for group in groups:
                for hook in group.before:
                    hook(req)
            response = self.to_response(handler(req, *args))
        except Exception as err:
            response = self._group_error(groups, req, err)
        for i in reversed(range(len(groups))):
            for hook in groups[i].after:
                try:
                    response = self._response_of_hook(hook, hook(req, response))
                except Exception as err:
                    if isinstance(err, ResponseError):
                        err.blame("after-hook", hook)
                    response = self._group_error(groups[: i + 1], req, err)
        return response

    def _group_error(
        self, groups: tuple[RouteGroup, ...], req: Any, error: Exception
    ) -> BaseResponse:
        if not isinstance(error, HTTPException):
            for group in reversed(groups):
                for kind, handler in group.errors.items():
                    if isinstance(error, kind):
                        req.error_handler = handler
                        try:
                            return self.to_response(handler(req, error))
                        except Exception as err:
                            return self.response_for_error(req, err)
        return self.response_for_error(req, error)

    def mount(self, prefix: str, wsgi_app: WSGIApplication) -> None:
        """Let another WSGI application answer below *prefix*.

        It sees SCRIPT_NAME and PATH_INFO as if it stood there alone. Hooks of
        this application run around it; headers that an after-hook adds are sent.
        """
        prefix = prefix.rstrip("/")
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"A prefix starts with a slash: {prefix!r}")
        if not callable(wsgi_app):
            raise TypeError(f"mount takes a WSGI application, not {wsgi_app!r}")

        def mounted(req: Any, *_: Any) -> MountedResponse:
            return MountedResponse(wsgi_app, below(req._environ, prefix))

        pattern = re.compile(rf"{re.escape(prefix)}(?:/.*)?\Z", re.S)
        endpoint = Endpoint(prefix + "/*", mounted)
        self._router.add_regular(pattern, METHOD_ALL, endpoint, any_method=True)

    # -- the rest ----------------------------------------------------------

    @staticmethod
    def get_options() -> dict[str, str]:
        """Return the ``app_*`` variables of the process, without the prefix."""
        return options_of(os.environ)

    def set_profile(self, runctx: Callable[..., Any], dump: str) -> None:
        """Profile each request from now on.

        :param runctx: `cProfile.runctx`, or what has its interface
        :param dump: start of the names of the files that are written
        """
        self._profile = (runctx, dump)
        # The seam: an attribute of the instance hides the method of the class.
        self.__dict__["__request__"] = self.__profile_request__

    def del_profile(self) -> None:
        """Profile no more requests."""
        self.__dict__.pop("__request__", None)
        if self._watch is not None:
            self.__dict__["__request__"] = self._watch.request

    def check(self) -> list[Finding]:
        """Return what is used wrongly: where it stands, and how to mend it.

        Routes that are never reached, handlers that do not take what their rule
        gives, and more; see `poorwsgi.checks`. Nothing is called.
        """
        from poorwsgi.checks import check

        return check(self)

    #: Where `openapi` starts from: servers, tags, security schemes, texts.
    openapi_base: dict[str, Any] | None = None

    def openapi(
        self, *, title: str = "", version: str = "", description: str = ""
    ) -> dict[str, Any]:
        """Return the OpenAPI 3.1 document of the routes; see `poorwsgi.openapi`.

        .. versionadded:: 3.0
        """
        from poorwsgi.openapi import document

        return document(self, title=title, version=version, description=description)

    def openapi_ui(
        self,
        path: str = "/docs",
        *,
        spec: dict[str, Any] | None = None,
        folder: str | None = None,
    ) -> None:
        """Serve a page that shows the OpenAPI document; see `poorwsgi.openapi`.

        .. versionadded:: 3.0
        """
        from poorwsgi.openapi import openapi_ui

        openapi_ui(self, path, spec=spec, folder=folder)

    def __original_request__(
        self, env: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Walk one request, whether or not profiling is on."""
        if self._watch is not None:
            body: Iterable[bytes] = self._watch.request(env, start_response)
            return body
        return type(self).__request__(self, env, start_response)

    def __profile_request__(
        self, env: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Walk one request under the profiler."""
        runctx, dump = self._profile
        answers: list[Iterable[bytes]] = []
        exits: list[SystemExit] = []

        def walk() -> None:
            try:
                answers.append(self.__original_request__(env, start_response))
            except SystemExit as err:  # cProfile would end it here
                exits.append(err)

        runctx("walk()", globals(), {"walk": walk}, filename=profile_name(dump, env))
        if exits:
            raise exits[0]
        return answers[0]


# -- helpers of the walk ---------------------------------------------------


def is_replaced(app: Application, name: str) -> bool:
    """Return True if a method is not that of `Application` any more."""
    method = getattr(getattr(app, name), "__func__", None)
    return method is not getattr(Application, name)


def for_method(table: dict[int, Handler] | None, number: int) -> Handler | None:
    """Return the handler of a method; that of GET answers HEAD as well."""
    if not table:
        return None
    handler = table.get(number)
    if handler is None and number == METHOD_HEAD:
        handler = table.get(METHOD_GET)
    return handler


def accepting(handler: Handler, req: Any, kwargs: dict[str, Any]) -> Any:
    """Call a state handler with those keywords that it takes.

    COMPAT: handlers written as ``fun(req, *_)`` take none of them.
    """
    if not kwargs:
        return handler(req)
    # Only errors with details come here: 11 ms once, for `inspect`.
    from inspect import Parameter, signature

    inner = handler
    while True:
        try:
            parameters = signature(inner, follow_wrapped=False).parameters.values()
        except (TypeError, ValueError):  # a builtin that does not tell
            return handler(req, **kwargs)
        if all(parameter.kind is not Parameter.VAR_KEYWORD for parameter in parameters):
            break
        wrapped = getattr(inner, "__wrapped__", None)
        if wrapped is None:
            return handler(req, **kwargs)
        inner = wrapped  # a decorator that hands on what it gets
    names = {
        parameter.name
        for parameter in parameters
        if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    }
    return handler(req, **{k: v for k, v in kwargs.items() if k in names})


def log_error(req: Any) -> None:
    """Log the error that a handler of 500 answers, if there is one."""
    if sys.exc_info()[0] is not None:
        # Called while the error is being handled.
        log.exception(  # noqa: LOG004
            "%r %r failed", req.method, req._environ.get("PATH_INFO")
        )


def hides_errors(env: Environ) -> bool:
    """Return True for servers that end a 200 where the first block is an error.

    uWSGI drops text in blocks as well; other servers answer 500 by themselves.
    """
    return "uwsgi.version" in env or env.get("SERVER_SOFTWARE") == "Granian"


def profile_name(dump: str, env: Environ) -> str:
    """Return the name of a profile file: what was asked for, and when.

    Only letters that are safe in a file name stay of what the client sent.
    """
    asked = f"{env.get('REQUEST_METHOD')}{env.get('PATH_INFO', '')}"
    asked = re.sub(r"[^A-Za-z0-9_.-]", "_", asked)[:100]
    return f"{dump}_{asked}.{time()}.profile"


def below(environ: Environ, prefix: str) -> Environ:
    """Return the environment of an application mounted at *prefix*."""
    prefix = prefix.encode().decode("latin-1")  # as the environment has it
    inner = dict(environ)
    inner["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    inner["PATH_INFO"] = environ["PATH_INFO"][len(prefix) :]
    return inner


class MountedResponse(BaseResponse):
    """What another WSGI application answers, with our headers added."""

    def __init__(self, wsgi_app: WSGIApplication, environ: Environ):
        super().__init__("", ())
        self._wsgi_app = wsgi_app
        self._environ = environ

    def __call__(self, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application; its body and close() are the server's."""
        self._used = True

        def start(status: str, headers: list[tuple[str, str]], *info: Any) -> Any:
            self._told = True
            return start_response(status, [*headers, *self.headers], *info)

        body = self._wsgi_app(self._environ, start)
        if self._head and not self._told:
            # A generator starts with its first block, which HEAD does not send.
            try:
                next(iter(body), None)
            except BaseException:
                close_body(body)
                raise
        return body


def __getattr__(name: str) -> Any:
    """Make AUTH_DIGEST_ALGORITHMS on first use: hashlib loads OpenSSL."""
    if name != "AUTH_DIGEST_ALGORITHMS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = digest_algorithms()
    return value
