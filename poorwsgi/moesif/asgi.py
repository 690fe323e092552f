"""ASGI: the exchange is the messages between server and application.

A pure wrapper around ``receive`` and ``send``: messages are passed on as they
come, nothing is read ahead, nothing waits for the collector.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
)
from typing import Any
from urllib.parse import parse_qsl, quote

from poorwsgi.moesif.core import (
    BODILESS,
    PATH_SAFE,
    Pairs,
    Seen,
    absolute_uri,
    add_headers,
    block_body,
    fold,
    host_and_port,
    run_async,
)
from poorwsgi.moesif.identity import TRANSACTION_HEADER
from poorwsgi.moesif.service import Service
from poorwsgi.moesif.settings import read_settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApplication = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Longest time that the end of the lifespan waits for the queue.
SHUTDOWN_TIMEOUT = 5.0

_TRANSACTION_NAME = TRANSACTION_HEADER.lower().encode("ascii")


class MoesifMiddleware(Service):
    """Records every HTTP exchange of an ASGI application."""

    def __init__(
        self, app: ASGIApplication, settings: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(read_settings(settings, "asgi"), "asgi")
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.app(scope, receive, self._flushing(send))
        else:
            await self.app(scope, receive, send)

    def _flushing(self, send: Send) -> Send:
        async def flushing_send(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                if is_asyncio():
                    # In a thread: the loop has other things to finish.
                    await asyncio.to_thread(self.flush, SHUTDOWN_TIMEOUT)
                else:
                    self.flush(SHUTDOWN_TIMEOUT)
            await send(message)

        return flushing_send

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.sender.wake()
        recorded = _Recorded(self, scope, receive, send)
        if self.recorder.policy.rules and await recorded.is_blocked():
            return
        try:
            await self.app(scope, recorded.receive, recorded.send)
        except (Exception, asyncio.CancelledError) as error:
            await recorded.fail(error)
            raise
        await recorded.end()


class _Recorded:
    """receive and send of one exchange; copies what passes."""

    def __init__(
        self, middleware: MoesifMiddleware, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._middleware = middleware
        self._receive = receive
        self._send = send
        self._scope = scope
        self._ahead: deque[Message] = deque()
        self._request_ended = False
        self._receiving = 0
        self._copies_response = False
        self._send_error: BaseException | None = None
        self._added: Pairs = ()
        # The application may change its scope; what came in is kept apart.
        snapshot = dict(scope)
        self.exchange = middleware.recorder.begin(
            lambda: see(snapshot), first_header(scope, _TRANSACTION_NAME)
        )

    # The request

    async def receive(self) -> Message:
        if self._ahead:
            return self._ahead.popleft()
        self._receiving += 1
        try:
            return self._note(await self._receive())
        finally:
            self._receiving -= 1

    def _note(self, message: Message) -> Message:
        if message["type"] == "http.request":
            if self._middleware.settings.log_body or self._needs_body():
                self.exchange.request_body.keep(message.get("body") or b"")
            self._request_ended = not message.get("more_body", False)
        else:
            self._request_ended = True  # the client has gone
        return message

    def _needs_body(self) -> bool:
        return self._middleware.recorder.policy.needs_body

    async def _read_ahead(self) -> None:
        """Receive a body that fits now; the application gets it later."""
        while not self._request_ended and self.exchange.request_body.room >= 0:
            self._ahead.append(self._note(await self._receive()))

    async def _read_rest(self) -> None:
        """Take what the application left unread, if it is here already.

        A receive that would wait is given up: by now nobody else needs it.
        """
        if not may_have_body(self._scope) or not is_asyncio():
            return
        while self._may_read_rest():
            message = await result_at_hand(self._receive())
            if message is None:
                return
            self._ahead.append(self._note(message))

    def _may_read_rest(self) -> bool:
        return not (
            self._request_ended
            or self._receiving  # the application is at it, in another task
            or self.exchange.request_body.room < 0
        )

    # The response

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            message = self._start(message)
        elif kind == "http.response.body":
            self._body(message)
        ends = kind in _LAST_MESSAGES and not message.get("more_body", False)
        if ends and self._middleware.settings.log_body:
            await self._read_rest()
        try:
            await self._send(message)
        except BaseException as error:
            self._send_error = error
            raise
        if ends:
            await self._conclude()

    def _start(self, message: Message) -> Message:
        settings = self._middleware.settings
        raw: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
        if self._added:
            pairs = [(text(name), text(value)) for name, value in raw]
            raw = [
                (name.encode("latin-1").lower(), value.encode("latin-1"))
                for name, value in add_headers(pairs, self._added)
            ]
        pairs = [(text(name), text(value)) for name, value in raw]
        self.exchange.answer(message["status"], pairs)
        self._copies_response = (
            settings.log_body
            and self._scope["method"] != "HEAD"
            and not is_multipart(pairs)
        )
        if not settings.disable_transaction_id and not any(
            name.lower() == _TRANSACTION_NAME for name, _ in raw
        ):
            value = self.exchange.transaction_id.encode("latin-1", "replace")
            raw.append((_TRANSACTION_NAME, value))
        return {**message, "headers": raw}

    def _body(self, message: Message) -> None:
        data = message.get("body")
        if data and self._copies_response:
            self.exchange.response_body.keep(data)

    async def is_blocked(self) -> bool:
        """Ask the governance rules; answer in place of the application."""
        recorder = self._middleware.recorder
        if recorder.policy.needs_body:
            await self._read_ahead()
        arguments = (self.request(), None) if recorder.asks else ()
        verdict = await run_async(recorder.admit(self.exchange, arguments))
        if verdict.block is None:
            self._added = verdict.headers
            return False
        status, headers, data = block_body(verdict)
        if self.exchange.seen.verb == "HEAD":
            data = b""
        encoded = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers]
        start = {"type": "http.response.start", "status": status, "headers": encoded}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": data})
        return True

    # The end

    async def end(self) -> None:
        """End an exchange whose application has returned."""
        if not self.exchange.response_time:
            self.exchange.fail()  # the server has to make up an answer
        await self._conclude()

    async def fail(self, error: BaseException) -> None:
        """End an exchange whose application raised.

        A client that went away is no failure of the application.
        """
        gone = error is self._send_error or isinstance(error, asyncio.CancelledError)
        if not (gone and self.exchange.response_time):
            self.exchange.fail()
        await self._conclude()

    async def _conclude(self) -> None:
        recorder = self._middleware.recorder
        if not recorder.asks:
            recorder.record(self.exchange)
        elif not self.exchange.concluded:
            answer = Answer(self.exchange.status, self.exchange.response_headers)
            steps = recorder.conclude(self.exchange, (self.request(), answer))
            await run_async(steps)

    def request(self) -> Any:
        """Return what callbacks get; its body is the copy that was kept."""

        async def replay() -> Message:
            return {"type": "http.request", "body": self.exchange.request_body.data()}

        return make_request(self._scope, replay)


_LAST_MESSAGES = frozenset(
    (
        "http.response.body",
        "http.response.pathsend",
        "http.response.zerocopysend",
    )
)


def may_have_body(scope: Scope) -> bool:
    """Tell whether a request may have a body that can be had without a word.

    A client that waits for "100 Continue" has sent nothing: leave it alone.
    """
    headers = {name.lower(): value for name, value in scope.get("headers") or ()}
    if b"expect" in headers:
        return False
    if b"content-length" in headers:
        return bool(headers[b"content-length"] != b"0")
    return b"transfer-encoding" in headers or scope["method"] not in BODILESS


#: Turns of the event loop within which a message counts as being there. A server
#: takes one, each middleware of Starlette in between some more.
TURNS = 20


async def result_at_hand(awaitable: Awaitable[Message]) -> Message | None:
    """Return what receive() gives within a few turns of the loop, else None.

    It runs in a task of its own: what others have around it (cancel scopes, task
    groups) breaks if a coroutine is given up without being cancelled.
    """
    task = asyncio.ensure_future(awaitable)
    try:
        if await is_soon_done(task):
            return None if task.cancelled() or task.exception() else task.result()
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(forget_result)
    await is_soon_done(task)
    return None


def is_asyncio() -> bool:
    """Tell whether asyncio runs this; trio may as well."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def is_soon_done(task: asyncio.Future[Any]) -> bool:
    for _ in range(TURNS):
        if task.done():
            return True
        await asyncio.sleep(0)
    return task.done()


def forget_result(task: asyncio.Future[Any]) -> None:
    """Look at the exception of a task, so that nobody complains about it."""
    if not task.cancelled():
        task.exception()


def see(scope: Scope) -> Seen:
    """Describe the request of a scope that nobody has changed yet."""
    headers = fold(header_pairs(scope), str.lower)
    scheme = scope.get("scheme") or "http"
    server = scope.get("server") or ("localhost", None)
    host = headers.get("host") or host_and_port(scheme, server[0], server[1])
    client = scope.get("client")
    return Seen(
        verb=scope.get("method", ""),
        uri=absolute_uri(scheme, host, full_path(scope), query_of(scope)),
        headers=headers,
        peer=str(client[0]) if client else None,
    )


def full_path(scope: Scope) -> str:
    """Return the path with its mount prefix.

    Servers of ASGI 2.4 and later put root_path into path, older ones do not.
    """
    root, path = scope.get("root_path") or "", scope.get("path") or ""
    root = root.rstrip("/")
    if root and path != root and not path.startswith(root + "/"):
        return root + path
    return str(path)


def query_of(scope: Scope) -> str:
    return text(scope.get("query_string") or b"")


def header_pairs(scope: Scope) -> list[tuple[str, str]]:
    return [(text(name), text(value)) for name, value in scope.get("headers") or ()]


def first_header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope.get("headers") or ():
        if name.lower() == wanted:
            return text(value)
    return None


def is_multipart(pairs: Pairs) -> bool:
    return any(
        name.lower() == "content-type" and value.lstrip()[:10].lower() == "multipart/"
        for name, value in pairs
    )


def text(value: bytes | str) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


# What callbacks get


class HeaderMap(Mapping[str, str]):
    """Headers looked up in any case; those that occur again are joined."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values = fold(list(pairs), str.lower)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<HeaderMap {list(self._values)}>"


class Answer:
    """The response as callbacks see it."""

    def __init__(self, status_code: int, headers: Pairs) -> None:
        self.status_code = status_code
        self.headers = HeaderMap(headers)


class URL:
    """The address of a request: ``str(url)``, ``url.path``, ``url.query``."""

    def __init__(self, scope: Scope) -> None:
        self._url = see(scope).uri
        self.path = quote(full_path(scope), safe=PATH_SAFE)
        self.query = query_of(scope)
        self.scheme = scope.get("scheme") or "http"

    def __str__(self) -> str:
        return self._url


class State:
    """The state that frameworks keep in the scope, as attributes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._state = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._state[name]
        except KeyError:
            raise AttributeError(f"the state has no {name!r}") from None


class PlainRequest:
    """The request as callbacks see it where Starlette is not installed."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method = scope.get("method", "")
        self.url = URL(scope)
        self.headers = HeaderMap(header_pairs(scope))
        self.client = scope.get("client")
        self.state = State(scope.get("state") or {})
        self.cookies = read_cookies(self.headers.get("cookie", ""))
        self.query_params = dict(parse_qsl(query_of(scope), keep_blank_values=True))
        self._receive = receive

    async def body(self) -> bytes:
        """Return the copy of the body that was kept."""
        return bytes((await self._receive())["body"])


def read_cookies(header: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in header.split(";")]
    return {name: value.strip('"') for name, equal, value in pairs if equal}


def make_request(scope: Scope, receive: Receive) -> Any:
    """Return Starlette's request, or our own if there is no Starlette."""
    try:
        from starlette.requests import Request
    except ImportError:
        return PlainRequest(scope, receive)
    return Request(scope, receive)
