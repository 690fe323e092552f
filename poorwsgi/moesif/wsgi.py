"""WSGI: the exchange is what passes between server and application (PEP 3333).

Nothing is read ahead and nothing is held back: bodies are copied as they pass.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

from poorwsgi.moesif.body import BodyCopy
from poorwsgi.moesif.core import (
    Exchange,
    Pairs,
    Seen,
    absolute_uri,
    add_headers,
    block_body,
    fold,
    host_and_port,
    run,
)
from poorwsgi.moesif.identity import TRANSACTION_HEADER
from poorwsgi.moesif.service import Service
from poorwsgi.moesif.settings import read_settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

#: Most bytes read at once for the copy of a body that the application left.
CHUNK = 65536

#: Ways to read that PEP 3333 does not promise to anybody.
OTHER_READS = frozenset(
    (
        "buffer",
        "detach",
        "getbuffer",
        "getvalue",
        "peek",
        "raw",
        "read1",
        "readall",
        "readinto1",
        "seek",
        "tell",
    )
)


class MoesifMiddleware(Service):
    """Records every exchange of a WSGI application.

    >>> from poorwsgi.moesif import MoesifMiddleware
    >>> app = MoesifMiddleware(lambda environ, start: [], {"APPLICATION_ID": "id"})
    """

    def __init__(self, app: WSGIApplication, settings: Mapping[str, object]) -> None:
        super().__init__(read_settings(settings, "wsgi"), "wsgi")
        self._app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        recorder = self.recorder
        self.sender.wake()
        # The application may change its environ; what came in is kept apart.
        snapshot = environ.copy()
        exchange = recorder.begin(
            lambda: see(snapshot), environ.get("HTTP_X_MOESIF_TRANSACTION_ID")
        )
        recorded = _Response(self, exchange, environ, start_response)
        if "wsgi.file_wrapper" in environ:
            # The server knows its own wrapper only if it comes back untouched;
            # uWSGI's would be iterated line by line.
            environ["wsgi.file_wrapper"] = FileWrapper
        if self.settings.log_body or recorder.policy.needs_body:
            recorded.input = copy_input(environ, exchange.request_body)
        if recorder.policy.rules:
            blocked = self._apply_rules(exchange, recorded, environ)
            if blocked is not None:
                return blocked
        try:
            iterable = self._app(environ, recorded.start_response)
        except BaseException:
            recorded.fail()
            raise
        return recorded.take(iterable)

    def _apply_rules(
        self, exchange: Exchange, recorded: _Response, environ: WSGIEnvironment
    ) -> Iterable[bytes] | None:
        if self.recorder.policy.needs_body and recorded.input is not None:
            recorded.input.read_ahead()
        verdict = run(self.recorder.admit(exchange, (self._app, environ, {})))
        if verdict.block is None:
            recorded.added = verdict.headers
            return None
        status, headers, data = block_body(verdict)
        recorded.start_response(status_line(status), headers)
        return recorded.take([] if exchange.seen.verb == "HEAD" else [data])

    def _conclude(self, exchange: Exchange, environ: WSGIEnvironment) -> None:
        """Queue the event of an exchange that is over."""
        recorder = self.recorder
        if not recorder.asks:
            recorder.record(exchange)
            return
        headers = fold(exchange.response_headers, str)
        pair = (self._app, environ)
        run(recorder.conclude(exchange, pair, (*pair, headers)))


class _Response:
    """start_response and iterable of one exchange; copies what passes."""

    __slots__ = (
        "_adds_id",
        "_close",
        "_concluded",
        "_copy",
        "_environ",
        "_exchange",
        "_iterable",
        "_logs_body",
        "_middleware",
        "_start_response",
        "_write",
        "added",
        "input",
    )

    def __init__(
        self,
        middleware: MoesifMiddleware,
        exchange: Exchange,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> None:
        self._middleware = middleware
        self._exchange = exchange
        self._environ = environ
        self._start_response = start_response
        self._logs_body = middleware.settings.log_body
        self._adds_id = not middleware.settings.disable_transaction_id
        self._iterable: Iterable[bytes] = ()
        self._write: Callable[[bytes], object]
        self._copy: BodyCopy | None = None
        self._close: Callable[[], Any] | None = None
        self._concluded = False
        self.added: Pairs = ()
        self.input: CopiedInput | None = None

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        """Note status and headers and pass them on, in a list of our own."""
        exchange = self._exchange
        # A new list: the application may hand out the same one every time.
        sent = add_headers(headers, self.added) if self.added else list(headers)
        exchange.answer(read_status(status), tuple(sent))
        if self._adds_id and not has_id(sent):
            sent.append((TRANSACTION_HEADER, exchange.transaction_id))
        if exc_info is None:
            write = self._start_response(status, sent)
        else:
            write = self._start_response(status, sent, exc_info)
        if not self._logs_body or self._environ.get("REQUEST_METHOD") == "HEAD":
            return write
        self._copy = exchange.response_body
        self._write = write
        return self.write

    def write(self, data: bytes) -> None:
        """Pass on what the application writes by itself (PEP 3333)."""
        self._exchange.response_body.keep(data)
        self._write(data)

    def take(self, iterable: Iterable[bytes]) -> Iterable[bytes]:
        """Return what the server gets for the iterable of the application."""
        if (
            type(iterable) in (list, tuple)
            and self._exchange.response_time
            and not (self.input and self.input.has_rest() and self._may_read())
        ):
            # PERF: a finished list goes as it is, and keeps its length.
            if self._copy is not None:
                for chunk in iterable:
                    self._copy.keep(chunk)
            self._conclude()
            return iterable
        self._iterable = iterable
        self._close = getattr(iterable, "close", None)
        return self

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._iterable:
                if self._copy is not None:
                    self._copy.keep(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException:
            self.fail()
            raise
        self._end()

    def close(self) -> None:
        """Close the iterable of the application, once, and end the exchange."""
        close, self._close = self._close, None
        try:
            if close is not None:
                close()
        except BaseException:
            if not self._exchange.response_time:
                self._exchange.fail()
            raise
        finally:
            self._end()

    def fail(self) -> None:
        """End an exchange whose application raised."""
        self._exchange.fail()
        self._conclude()

    def _end(self) -> None:
        if self._concluded:
            return
        if self.input and self.input.has_rest() and self._may_read():
            self.input.read_rest()
        if not self._exchange.response_time:
            self._exchange.fail()  # the server has to make up an answer
        self._conclude()

    def _may_read(self) -> bool:
        """Tell whether what the application left unread may be read now."""
        method = self._environ.get("REQUEST_METHOD")
        return self._exchange.may_wait(method) or is_at_hand(self.input)

    def _conclude(self) -> None:
        if not self._concluded:
            self._concluded = True
            self._middleware._conclude(self._exchange, self._environ)


class CopiedInput:
    """A wsgi.input that keeps a copy of what the application reads from it."""

    __slots__ = ("_ahead", "_copy", "_error", "_length", "_stream", "may_wait")

    def __init__(self, stream: Any, copy: BodyCopy, length: int | None) -> None:
        self._stream = stream
        self._copy = copy
        self._length = length
        self._ahead = b""
        self._error: Exception | None = None
        self.may_wait = True

    def read(self, size: int | None = -1, /) -> bytes:
        if self._ahead:
            return self._from_ahead(size)
        self._raise_error()
        if size is None or size < 0:
            # COMPAT: uWSGI and others do not take None or -1 alike.
            return self._keep(self._stream.read())
        return self._keep(self._stream.read(size))

    def readline(self, size: int | None = -1, /) -> bytes:
        if self._ahead:
            end = self._ahead.find(b"\n") + 1 or len(self._ahead)
            return self._from_ahead(end if size is None or size < 0 else min(end, size))
        self._raise_error()
        if size is None or size < 0:
            return self._keep(self._stream.readline())
        return self._keep(self._stream.readline(size))

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        lines = []
        size = 0
        while line := self.readline():
            lines.append(line)
            size += len(line)
            if hint is not None and 0 < hint <= size:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seekable(self) -> bool:
        """Return False: Django 6.1 asks, and then reads on."""
        return False

    def __getattr__(self, name: str) -> Any:
        """Leave what only some servers have to them, but no way past the copy."""
        if name in OTHER_READS:
            raise AttributeError(f"wsgi.input has no {name!r} (PEP 3333)")
        return getattr(self._stream, name)

    def _keep(self, data: bytes) -> bytes:
        self._copy.keep(data)
        return data

    def read_ahead(self) -> None:
        """Read a body of known length now; the application gets it later."""
        length = self._length or 0
        if not 0 < length <= self._copy.room:
            return
        try:
            while self._copy.size < length:
                data = self._stream.read(min(CHUNK, length - self._copy.size))
                if not data:
                    break
                self._ahead += self._keep(data)
        except Exception as error:
            self._error = error  # the application shall meet it, not we

    def has_rest(self) -> bool:
        """Tell whether something is left that can be read and kept.

        A client that waits for "100 Continue" has sent nothing: leave it alone.
        """
        if not self.may_wait or self._error is not None or self._length is None:
            return False
        return 0 < self._length - self._copy.size <= self._copy.room

    def read_rest(self) -> None:
        """Copy what the application has left unread, after the response went."""
        while (left := (self._length or 0) - self._copy.size) > 0:
            try:
                data = self._stream.read(min(CHUNK, left))
            except Exception as error:
                self._error = error  # the client went away; what came is kept
                return
            if not self._keep(data):
                return

    def _from_ahead(self, size: int | None) -> bytes:
        if size is None or size < 0:
            size = len(self._ahead)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def is_at_hand(stream: Any) -> bool:
    """Tell whether reading waits for nobody: a file, or something in memory."""
    while isinstance(stream, CopiedInput):
        stream = stream._stream
    if type(stream).__module__ == "wsgiref.validate":
        stream = stream.input
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except AttributeError:
        return False
    except (OSError, ValueError):  # it has no descriptor
        return isinstance(stream, io.IOBase) and not isinstance(stream, io.RawIOBase)


def copy_input(environ: WSGIEnvironment, copy: BodyCopy) -> CopiedInput | None:
    """Put a copying input into environ, unless there is nothing to read."""
    stream = environ.get("wsgi.input")
    length = content_length(environ)
    if stream is None or length == 0:
        return None
    if (
        length is None
        and environ.get("REQUEST_METHOD") in ("GET", "HEAD")
        and "HTTP_TRANSFER_ENCODING" not in environ
    ):
        return None
    copied = CopiedInput(stream, copy, length)
    copied.may_wait = "HTTP_EXPECT" not in environ
    environ["wsgi.input"] = copied
    return copied


def content_length(environ: WSGIEnvironment) -> int | None:
    """Return CONTENT_LENGTH; None if it is absent or no number."""
    text = environ.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() else None


def see(environ: WSGIEnvironment) -> Seen:
    """Describe the request of an environ that nobody has changed yet."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    scheme = environ.get("wsgi.url_scheme", "http")
    return Seen(
        verb=environ.get("REQUEST_METHOD", ""),
        # WSGI hands out bytes in the clothes of ISO-8859-1.
        uri=absolute_uri(
            scheme,
            host_of(environ, scheme),
            path if path.isascii() else path.encode("latin-1", "replace"),
            environ.get("QUERY_STRING", ""),
        ),
        headers=request_headers(environ),
        peer=environ.get("REMOTE_ADDR"),
    )


def host_of(environ: WSGIEnvironment, scheme: str) -> str:
    host = environ.get("HTTP_HOST")
    if host:
        return str(host)
    return host_and_port(
        scheme, environ.get("SERVER_NAME", "localhost"), environ.get("SERVER_PORT")
    )


class Names(dict[str, str]):
    """Header names by environ key, empty for a key that is no header.

    PERF: one look-up for each key of the environ; clients cannot make it grow
    without end.
    """

    def __missing__(self, key: str) -> str:
        name = key[5:].replace("_", "-").title() if key.startswith("HTTP_") else ""
        if len(self) < 1000 and len(key) < 100:
            self[key] = name
        return name


_NAMES = Names()


def request_headers(environ: WSGIEnvironment) -> dict[str, str]:
    """Rebuild the header names that the environ has changed."""
    names = _NAMES
    headers = {name: value for key, value in environ.items() if (name := names[key])}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["Content-Length"] = environ["CONTENT_LENGTH"]
    return headers


def has_id(headers: list[tuple[str, str]]) -> bool:
    """Tell whether the application has set the transaction id itself."""
    # PERF: few names are as long; the rest need not be lowered.
    for name, _ in headers:
        if len(name) == 23 and name.lower() == "x-moesif-transaction-id":
            return True
    return False


def read_status(status: str) -> int:
    """Return the number of a status line; 0 if it has none."""
    code = status[:3]
    return int(code) if code.isascii() and code.isdigit() else 0


def status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"
