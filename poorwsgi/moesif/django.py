"""Django: the exchange is a request object and a response object.

Serves synchronous and asynchronous projects. It belongs after the session and
authentication middleware, and before whatever shall not be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
    from django.conf import settings as django_settings
    from django.core.exceptions import ImproperlyConfigured, RequestDataTooBig
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import SimpleLazyObject
except ImportError as error:
    raise ImportError("poorwsgi.moesif.django needs: pip install django") from error

from poorwsgi.moesif.core import (
    Exchange,
    Seen,
    absolute_uri,
    block_body,
    host_and_port,
    run,
    run_async,
)
from poorwsgi.moesif.identity import TRANSACTION_HEADER
from poorwsgi.moesif.rules import Verdict
from poorwsgi.moesif.service import Service
from poorwsgi.moesif.settings import Settings, read_settings
from poorwsgi.moesif.wsgi import (
    CopiedInput,
    content_length,
    is_at_hand,
    request_headers,
)

#: Whatever a project's get_response is: sync or async, typed by Django's stubs.
GetResponse = Callable[[HttpRequest], Any]

_FAILED = "_poorwsgi_moesif_failed"


class MoesifMiddleware(Service):
    """Records every exchange of a Django project."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse | None = None) -> None:
        self.get_response = get_response
        # Of asgiref: up to Python 3.11 only asyncio knows what it marks.
        self._is_async = iscoroutinefunction(  # pyright: ignore[reportDeprecated]
            get_response
        )
        super().__init__(
            project_settings(),
            "django",
            native_user=user_of_async if self._is_async else user_of,
            native_session=session_of,
        )
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if self.get_response is None:
            raise ImproperlyConfigured("this middleware was made for updates only")
        if self._is_async:
            return self._serve_async(request, self.get_response)
        return self._serve(request, self.get_response)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Note that the view raised: what Django makes of it is not its body."""
        setattr(request, _FAILED, True)

    def _serve(self, request: HttpRequest, get_response: GetResponse) -> HttpResponse:
        exchange = self._begin(request)
        verdict = None
        if self.recorder.policy.rules:
            self._read_ahead(request, exchange)
            verdict = run(self.recorder.admit(exchange, (request, None)))
        try:
            response = blocked(request, verdict) or get_response(request)
        except BaseException:
            exchange.fail()
            run(self.recorder.conclude(exchange, (request, None)))
            raise
        self._answer(exchange, request, response, verdict)
        run(self.recorder.conclude(exchange, (request, response)))
        return response

    async def _serve_async(
        self, request: HttpRequest, get_response: Callable[[Any], Awaitable[Any]]
    ) -> HttpResponse:
        exchange = self._begin(request)
        verdict = None
        if self.recorder.policy.rules:
            self._read_ahead(request, exchange)
            verdict = await run_async(self.recorder.admit(exchange, (request, None)))
        try:
            response = blocked(request, verdict) or await get_response(request)
        except (Exception, asyncio.CancelledError):
            exchange.fail()
            await run_async(self.recorder.conclude(exchange, (request, None)))
            raise
        self._answer(exchange, request, response, verdict)
        await run_async(self.recorder.conclude(exchange, (request, response)))
        return response

    def _begin(self, request: HttpRequest) -> Exchange:
        self.sender.wake()
        meta = request.META.copy()
        exchange = self.recorder.begin(
            lambda: see(request, meta), meta.get("HTTP_X_MOESIF_TRANSACTION_ID")
        )
        if self.settings.log_body or self.recorder.policy.needs_body:
            copy_stream(request, exchange)
        return exchange

    def _read_ahead(self, request: HttpRequest, exchange: Exchange) -> None:
        """Let rules see the body; the view finds it in ``request.body``."""
        stream = getattr(request, "_stream", None)
        if self.recorder.policy.needs_body and isinstance(stream, CopiedInput):
            stream.read_ahead()

    def _answer(
        self,
        exchange: Exchange,
        request: HttpRequest,
        response: HttpResponse,
        verdict: Verdict | None,
    ) -> None:
        if verdict is not None and verdict.block is None:
            for name, value in verdict.headers:
                response[name] = value
        exchange.answer(response.status_code, pairs_of(response))
        if not self.settings.disable_transaction_id:
            response[TRANSACTION_HEADER] = exchange.transaction_id
        if not self.settings.log_body:
            return
        read_rest(request, patient=exchange.may_wait(request.method))
        if response.status_code == 500 and getattr(request, _FAILED, False):
            exchange.failed = True
        elif not response.streaming and request.method != "HEAD":
            exchange.response_body.keep(response.content)


moesif_middleware = MoesifMiddleware


def project_settings() -> Settings:
    """Read MOESIF_MIDDLEWARE of the project.

    :raises ImproperlyConfigured: it is missing or cannot be used
    """
    given = getattr(django_settings, "MOESIF_MIDDLEWARE", None)
    try:
        return read_settings(given, "django")
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"MOESIF_MIDDLEWARE: {error}") from error


# The request


def see(request: HttpRequest, meta: dict[str, Any]) -> Seen:
    """Describe a request; a forbidden host is described like any other."""
    scheme = request.scheme or "http"
    host = meta.get("HTTP_HOST") or host_and_port(
        scheme, meta.get("SERVER_NAME", "localhost"), meta.get("SERVER_PORT")
    )
    return Seen(
        verb=request.method or "",
        uri=absolute_uri(scheme, host, request.path, meta.get("QUERY_STRING", "")),
        headers=request_headers(meta),
        peer=meta.get("REMOTE_ADDR"),
    )


def copy_stream(request: HttpRequest, exchange: Exchange) -> None:
    """Copy the body while it is read.

    The stream of a request has no public name; where it is not found, or was
    read before, the event goes with what ``request.body`` has, or without body.
    """
    if hasattr(request, "_body"):
        exchange.request_body.keep(request.body)
        return
    stream = getattr(request, "_stream", None)
    if stream is not None:
        length = content_length(request.META)
        copied = CopiedInput(stream, exchange.request_body, length)
        copied.may_wait = "HTTP_EXPECT" not in request.META
        request._stream = copied


def read_rest(request: HttpRequest, *, patient: bool) -> None:
    """Copy what the view has left unread, if it was not read at all.

    It is read as ``request.body``, so that others find it afterwards as well.
    """
    stream = getattr(request, "_stream", None)
    if not isinstance(stream, CopiedInput) or not stream.has_rest():
        return
    if not (patient or is_here(request)):
        return
    if not getattr(request, "_read_started", True):
        # A client that went away, or a body beyond the project's limit.
        with suppress(OSError, RequestDataTooBig):
            _ = request.body


def is_here(request: HttpRequest) -> bool:
    """Tell whether the body has come; in ASGI it is here before the request is."""
    environ = getattr(request, "environ", None)
    return environ is None or is_at_hand(environ.get("wsgi.input"))


def pairs_of(response: HttpResponse) -> list[tuple[str, str]]:
    """Return all headers of a response; its cookies are kept elsewhere."""
    pairs = [(name, str(value)) for name, value in response.items()]
    cookies = [("Set-Cookie", m.OutputString()) for m in response.cookies.values()]
    return pairs + cookies


def blocked(request: HttpRequest, verdict: Verdict | None) -> HttpResponse | None:
    """Return the answer of a blocking rule, None if no rule blocks."""
    if verdict is None or verdict.block is None:
        return None
    status, headers, data = block_body(verdict)
    response = HttpResponse(data, status=status)
    del response["Content-Type"]  # Django's own: the rule's is in headers
    for name, value in headers:
        response[name] = value
    return response


# Who it was


def user_of(request: HttpRequest, response: object) -> str | None:
    """Return the name of the user who is logged in."""
    with untouched_session(request):
        return name_of(getattr(request, "user", None))


async def user_of_async(request: HttpRequest, response: object) -> str | None:
    """Return the name of the user who is logged in, without blocking the loop."""
    user = getattr(request, "user", None)
    if not isinstance(user, SimpleLazyObject):
        return name_of(user)
    with untouched_session(request):
        if hasattr(request, "auser"):
            return name_of(await request.auser())
        return await sync_to_async(name_of)(user)


def name_of(user: Any) -> str | None:
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    get_username = getattr(user, "get_username", None)
    name = get_username() if callable(get_username) else getattr(user, "username", None)
    return str(name) if name else None


@contextmanager
def untouched_session(request: HttpRequest) -> Generator[None]:
    """Let nobody see that the session was looked at.

    Else every response would vary on the cookie, and no cache would keep it.
    """
    session = getattr(request, "session", None)
    accessed = getattr(session, "accessed", None)
    try:
        yield
    finally:
        if accessed is not None and session is not None:
            session.accessed = accessed


def session_of(request: HttpRequest, response: object) -> str | None:
    """Return the key of the session, if there is one."""
    with untouched_session(request):
        key = getattr(getattr(request, "session", None), "session_key", None)
    return str(key) if key else None
