"""HTTP exchanges that end in time: pool, connection, deadline.

A read timeout starts anew with each byte, so a server that drips can hold its
client at will. Here every operation on a socket gets what is left until one
deadline, from connecting to the last byte. Redirects are never followed,
proxies and cookies unknown. (Name resolution is the one thing that cannot be
bounded: getaddrinfo takes no timeout.)
"""

from __future__ import annotations

import io
import re
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from select import POLLIN, poll
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from poorwsgi.background import can_begin_tls
from poorwsgi.perimeterx.answer import is_header

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_IDLE = 8
#: Gateways forget idle connections after a minute or so, without a word.
IDLE_SECONDS = 30.0

_METHOD = re.compile(r"[A-Z]{1,20}")
_TARGET = re.compile(r"/[\x21-\x7e]*")


class DeadlineError(TimeoutError):
    """The exchange did not end in time."""


class TransportError(Exception):
    """The exchange failed: refused, dropped, garbled, too large."""


class Deadline:
    """A moment after which waiting is over."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left; never 0, which would mean no blocking."""
        left = self._end - monotonic()
        if left <= 0:
            raise DeadlineError("out of time")
        return left


class Call(NamedTuple):
    """What is sent."""

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    body: bytes = b""


class Reply(NamedTuple):
    """What came back, whole."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class _Stream(io.RawIOBase):
    """The reading end of a line, for http.client to parse from."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive(buffer)


class Line:
    """A connection on which each operation takes what time is left."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadline = Deadline(0)
        #: Bytes of the current answer that have arrived.
        self.received = 0
        self.idle_since = 0.0

    def begin(self, deadline: Deadline) -> None:
        """Start an exchange that has to end in time."""
        self._deadline = deadline
        self.received = 0

    def send(self, data: bytes) -> None:
        # Not sendall(): on TLS its timeout starts anew with each piece.
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._deadline.left())
            view = view[self._sock.send(view) :]

    def receive(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(buffer)
        self.received += count
        return count

    def makefile(self, mode: str = "rb") -> io.BufferedReader:
        """Return a file of what comes in, as http.client asks a socket."""
        return io.BufferedReader(_Stream(self))

    def is_usable(self) -> bool:
        """Tell whether an idle line is still silent, and thus open."""
        if monotonic() - self.idle_since > IDLE_SECONDS:
            return False
        # Neither the end nor bytes that nobody asked for may wait there.
        probe = poll()
        probe.register(self._sock, POLLIN)
        return not probe.poll(0)

    def close(self) -> None:
        self._sock.close()


class Upstream:
    """One server of the service, with its idle connections."""

    def __init__(self, base: str, context: ssl.SSLContext | None) -> None:
        parts = urlsplit(base)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._netloc = parts.netloc
        self._prefix = parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        self._context = context
        self._lock = Lock()
        self._idle: list[Line] = []

    def exchange(self, call: Call, deadline: Deadline, limit: int) -> Reply:
        """Send a call, return the whole reply of at most `limit` bytes.

        :raises DeadlineError: when it takes too long
        :raises TransportError: for everything else that can go wrong
        """
        try:
            return self._exchange(call, deadline, limit)
        except DeadlineError:
            raise
        except TimeoutError as err:
            raise DeadlineError("out of time") from err
        except (OSError, HTTPException, ValueError) as err:
            # SECURITY: !r, since the text may quote what the server sent.
            text = f"{type(err).__name__}: {str(err)[:200]!r}"
            raise TransportError(text) from err

    def _exchange(self, call: Call, deadline: Deadline, limit: int) -> Reply:
        message = self._message(call)
        line = self._idle_line()
        if line is not None:
            try:
                return self._talk(line, call.method, message, deadline, limit)
            except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                # The server may close an idle connection at any time. If it
                # did so before it answered, a new one is tried, once.
                if line.received:
                    raise
        line = self._connect(deadline)
        return self._talk(line, call.method, message, deadline, limit)

    def _talk(
        self, line: Line, method: str, message: bytes, deadline: Deadline, limit: int
    ) -> Reply:
        keep = False
        try:
            line.begin(deadline)
            line.send(message)
            reply, keep = read_reply(line, method, limit)
        finally:
            if keep:
                self._keep(line)
            else:
                line.close()
        return reply

    def _message(self, call: Call) -> bytes:
        """Return the bytes of a request; SECURITY: nothing can break out."""
        target = self._prefix + call.target
        if not _METHOD.fullmatch(call.method) or not _TARGET.fullmatch(target):
            raise ValueError("no request line")
        lines = [f"{call.method} {target} HTTP/1.1", f"Host: {self._netloc}"]
        for name, value in call.headers:
            if not is_header(name, value):
                raise ValueError(f"no header: {name!r}")
            lines.append(f"{name}: {value}")
        if call.body or call.method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(call.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + call.body

    def _connect(self, deadline: Deadline) -> Line:
        """Connect to the first address that answers."""
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        problem: OSError = OSError("no address")
        for position, (family, kind, protocol, _, address) in enumerate(found):
            sock = None
            try:
                sock = socket.socket(family, kind, protocol)
                # A dead address leaves time for the ones after it.
                sock.settimeout(deadline.left() / (len(found) - position))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return Line(self._secured(sock, deadline))
            except OSError as err:
                if sock is not None:
                    sock.close()
                problem = err
        raise problem

    def _secured(self, sock: socket.socket, deadline: Deadline) -> socket.socket:
        if not self._secure:
            return sock
        if self._context is None:
            raise OSError("no TLS context")
        if not can_begin_tls():
            raise OSError("no connection was open when the worker ended")
        sock.settimeout(deadline.left())
        return self._context.wrap_socket(sock, server_hostname=self._host)

    def _idle_line(self) -> Line | None:
        """Return the line used last, if it is still open."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                line = self._idle.pop()
            if line.is_usable():
                return line
            line.close()

    def _keep(self, line: Line) -> None:
        line.idle_since = monotonic()
        with self._lock:
            if len(self._idle) < MAX_IDLE:
                self._idle.append(line)
                return
        line.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def drop_inherited(self) -> None:
        """Close a forked process's copies; the parent's stay open.

        No lock: nobody else uses this object here, and the lock may be a
        copy of one that was held.
        """
        for line in self._idle:
            line.close()


def read_reply(line: Line, method: str, limit: int) -> tuple[Reply, bool]:
    """Read one whole answer; tell whether the line can be used again."""
    response = HTTPResponse(line, method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read(limit + 1)
        if len(body) > limit:
            raise ValueError("the answer is too large")
        # read() does not tell a cut body from a whole one.
        if response.length:
            raise ValueError("the answer is cut")
        keep = response.isclosed() and not response.will_close
        headers = list(response.getheaders())
        return Reply(response.status, response.reason, headers, body), keep
    finally:
        response.close()


def make_context(bases: Iterable[str]) -> ssl.SSLContext | None:
    """Return one TLS context for all upstreams, None if none needs it."""
    if any(urlsplit(base).scheme == "https" for base in bases):
        return ssl.create_default_context()
    return None
