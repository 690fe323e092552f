"""An HTTP server for development: threads, connections that stay open, no more.

It frames requests and answers by RFC 9112, and leaves load, TLS and slow clients
to real servers. Requests with unclear framing are refused, and what an
application gets wrong about PEP 3333 shows here first: a traceback on stderr,
500 for the client, and a connection that closes rather than a body cut short.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import traceback
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.util import FileWrapper

from poorwsgi.blocks import block_of
from poorwsgi.state import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = ["DevelopmentServer", "listen"]

#: What is read of a body that the application left, to keep the connection.
_MAX_DRAIN = 1 << 18
#: Seconds in which a client has to go on.
_PATIENCE = 30
_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n\Z")
#: A line of the head behind the first one (RFC 9112, 5): token, colon, value.
_FIELD = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*)?\r?\n")
_MAX_LINE = 65536
_CONTROL = re.compile(rb"[\0-\x1f\x7f]")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_NO_BODY = (204, 304)
#: Around a value (RFC 9110, 5.6.3); strip() alone takes more for blanks.
_BLANKS = " \t"


class FramingError(ValueError):
    """The body of a request is not framed as it says."""


class Body(BufferedIOBase):
    """The body of a request, and not a byte of what follows."""

    def __init__(self, file: Any, length: int):
        self._file = file
        #: Bytes still to come.
        self.left = length

    @property
    def raw(self) -> Any:
        """The stream below, for handlers that take the socket over."""
        return self._file.raw

    def readable(self) -> bool:
        """Return True."""
        return True

    @property
    def is_done(self) -> bool:
        """Whether all of it was read."""
        return self.left <= 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes of the body, fewer only at its end."""
        size = self.left if size is None or size < 0 else min(size, self.left)
        data: bytes = self._file.read(size) if size > 0 else b""
        # A client that left early has sent all that will come.
        self.left = self.left - len(data) if len(data) == size else 0
        return data

    def read1(self, size: int = -1, /) -> bytes:
        """Return what is there, waiting for one byte at least."""
        size = self.left if size < 0 else min(size, self.left)
        data: bytes = self._file.read1(size) if size > 0 else b""
        self.left = self.left - len(data) if data else 0
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return one line."""
        size = self.left if size is None or size < 0 else min(size, self.left)
        line: bytes = self._file.readline(size) if size > 0 else b""
        self.left -= len(line)
        return line


class ChunkedBody(Body):
    """A body in the chunked coding (RFC 9112, 7.1), without the coding."""

    def __init__(self, file: Any):
        super().__init__(file, 0)
        self._ended = False
        self._is_broken = False
        self._rest = b""

    @property
    def is_done(self) -> bool:
        """Whether the last chunk was read; never, if one was broken."""
        return self._ended and not self._rest and not self._is_broken

    def read1(self, size: int = -1, /) -> bytes:
        """Return (a part of) one chunk."""
        if not self._rest and not self._ended:
            self._rest = self._chunk()
        if size < 0:
            size = len(self._rest)
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def read(self, size: int | None = -1, /) -> bytes:
        """Return bytes of the body, fewer only at its end."""
        blocks, wanted = [], size if size is not None and size >= 0 else sys.maxsize
        while wanted > 0 and (block := self.read1(wanted)):
            blocks.append(block)
            wanted -= len(block)
        return b"".join(blocks)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return one line."""
        line, wanted = b"", size if size is not None and size >= 0 else sys.maxsize
        while not line.endswith(b"\n") and len(line) < wanted:
            byte = self.read1(1)
            if not byte:
                break
            line += byte
        return line

    def _chunk(self) -> bytes:
        """Return the next piece of a chunk, b"" behind the last one."""
        if self.left == 0:
            match = _CHUNK_LINE.match(self._file.readline(4096))
            if match is None:
                raise self._broken("This is no size of a chunk")
            self.left = int(match[1], 16)
            if self.left == 0:
                self._end()
                return b""
        data: bytes = self._file.read(min(self.left, 65536))
        self.left -= len(data)
        if not data or (self.left == 0 and self._file.readline(2) != b"\r\n"):
            raise self._broken("A chunk has not the size it says")
        return data

    def _broken(self, message: str) -> FramingError:
        """Note that nobody knows what is behind, and return the error."""
        self._ended = self._is_broken = True
        return FramingError(message)

    def _end(self) -> None:
        """Skip the trailers."""
        self._ended = True
        for _ in range(100):
            line = self._file.readline(_MAX_LINE + 1)
            if line == b"\r\n":
                return
            if not _FIELD.fullmatch(line):
                raise self._broken("A trailer is no header field")
        raise self._broken("There are too many trailers")


class HeadLines:
    """The lines of a head, looked at while the library reads them."""

    def __init__(self, file: Any):
        self._file = file
        self.are_fields = True

    def readline(self, size: int) -> bytes:
        """Return the next line."""
        line: bytes = self._file.readline(size)
        self.are_fields = self.are_fields and bool(_FIELD.fullmatch(line))
        return line


class Handler(BaseHTTPRequestHandler):
    """One connection: requests and answers in turn."""

    protocol_version = "HTTP/1.1"
    server_version = f"poorwsgi/{__version__}"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = _PATIENCE
    wbufsize = 65536
    server: DevelopmentServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle_one_request(self) -> None:
        """Answer one request; `close_connection` tells whether more may come."""
        try:
            self.raw_requestline = self.rfile.readline(_MAX_LINE + 1)
            if len(self.raw_requestline) > _MAX_LINE:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
                return
            if not self.raw_requestline:
                self.close_connection = True
            elif self.parse_request():
                self._answer()
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def finish(self) -> None:
        """Close the files over the socket, also if the client has gone."""
        try:
            super().finish()
        except (ConnectionError, TimeoutError):
            pass  # what was left to be sent
        finally:
            self.rfile.close()

    def parse_request(self) -> bool:
        """Parse request line and headers; False if an error was sent instead.

        SECURITY: the library ends the head at a line that is no field, and a field
        at a bare CR. What another server in front takes for headers would be the
        body then, or the next request.
        """
        # Others pass bytes of UTF-8 on; the library would look for blanks in them.
        line = _NOT_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], self.raw_requestline)
        self.raw_requestline = line
        head = HeadLines(self.rfile)
        file, self.rfile = self.rfile, head  # type: ignore[assignment]
        try:
            if not super().parse_request():
                return False
        finally:
            self.rfile = file
        if head.are_fields and not _CONTROL.search(line.rstrip(b"\r\n")):
            return True
        self._refuse("There is a line that is no header field")
        return False

    def _refuse(self, explain: str) -> None:
        self.close_connection = True
        self.send_error(400, explain=explain)

    def _answer(self) -> None:
        try:
            body = self._body()
            environ = self.environ(body)
        except ValueError as err:  # of framing, or of a target that is no URL
            self._refuse(str(err))
            return
        Answer(self, body).send(self.server.application, environ)
        self._skip(body)

    def _body(self) -> Body:
        """Return the body of the request.

        SECURITY: two lengths, or a length beside chunks, is how requests are
        smuggled past a proxy (RFC 9112, 6.3).
        """
        lengths = self.headers.get_all("Content-Length", [])
        codings = self.headers.get_all("Transfer-Encoding", [])
        if codings:
            names = [one.strip(_BLANKS).lower() for one in codings]
            if lengths or names != ["chunked"] or self.request_version < "HTTP/1.1":
                raise FramingError("Transfer-Encoding has to be chunked, alone")
            return ChunkedBody(self.rfile)
        values = {one.strip(_BLANKS) for line in lengths for one in line.split(",")}
        values = values or {"0"}
        value = values.pop()
        if values or not _LENGTH.match(value):
            raise FramingError("Content-Length has to be one number")
        return Body(self.rfile, int(value))

    def _skip(self, body: Body) -> None:
        """Read what the application left of a body, or give the connection up."""
        skipped = 0
        try:
            while not body.is_done and not self.close_connection:
                block = body.read1(65536)
                skipped += len(block)
                if skipped > _MAX_DRAIN or not block:
                    self.close_connection = not body.is_done
        except (FramingError, OSError):
            self.close_connection = True

    def environ(self, body: Body) -> WSGIEnvironment:
        """Return the environ of the request."""
        target = urlsplit(self.path if self.path[:2] != "//" else "/." + self.path)
        path = target.path.removeprefix("/.") if self.path[:2] == "//" else target.path
        environ = {
            **self.server.base_environ,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": target.query,
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": str(self.client_address[1]),
            "wsgi.input": body,
            **self._header_variables(),
        }
        if isinstance(body, ChunkedBody):
            environ["wsgi.input_terminated"] = True
        return environ

    def _header_variables(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        for name, value in self.headers.items():
            # SECURITY: with an underscore it would pass for one with a dash.
            if "_" in name:
                continue
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            glue = "; " if key == "HTTP_COOKIE" else ","
            value = value.strip(_BLANKS)
            variables[key] = (
                f"{variables[key]}{glue}{value}" if key in variables else value
            )
        return variables


class Answer:
    """One answer on its way to the client."""

    def __init__(self, handler: Handler, body: Body):
        self.handler = handler
        self.body = body
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.is_told = False
        self.is_chunked = False
        #: Bytes that Content-Length has promised and that were not sent.
        self.left: int | None = None

    def send(self, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        """Call the application and send what it answers."""
        blocks: Iterable[bytes] = ()
        try:
            blocks = application(environ, self.start_response)
            self._send_all(blocks)
        except (ConnectionError, TimeoutError):
            self.handler.close_connection = True
        except Exception:
            self._fail()
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                self._close(close)

    def _close(self, close: Any) -> None:
        try:
            close()
        except Exception:
            traceback.print_exc()
            self.handler.close_connection = True

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: Any = None,
        /,
    ) -> Any:
        """Take status and headers (PEP 3333)."""
        if exc_info is not None and self.is_told:
            raise exc_info[1].with_traceback(exc_info[2])
        if self.status and exc_info is None:
            raise AssertionError("start_response() was called twice")
        self.status, self.headers = status, list(headers)
        return self._write

    def _send_all(self, blocks: Iterable[bytes]) -> None:
        if isinstance(blocks, (list, tuple)) and len(blocks) == 1:
            self._know_length(len(blocks[0]))
        for block in blocks:
            if block:
                self._write(block)
        if not self.status:
            # Declined: a handler has spoken over the socket itself, or wants to
            # say nothing at all.
            self.handler.close_connection = True
            return
        if not self.is_told:
            self._know_length(0)
            self._tell()
        self._end()

    def _know_length(self, size: int) -> None:
        """Add Content-Length, where the application left it out."""
        if not self.status or self._header("content-length") is not None:
            return
        if self._code not in _NO_BODY and self.handler.command != "HEAD":
            self.headers.append(("Content-Length", str(size)))

    @property
    def _code(self) -> int:
        return int(self.status[:3])

    def _header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name), None)

    def _tell(self) -> None:
        """Send the head, and decide how the end of the body is to be seen."""
        self.is_told = True
        handler, code = self.handler, self._code
        length = self._header("content-length")
        has_body = code >= 200 and code not in _NO_BODY and handler.command != "HEAD"
        if not has_body:
            self.left = 0
        elif length is not None:
            self.left = int(length)
        elif handler.request_version >= "HTTP/1.1":
            self.is_chunked = True
            self.headers.append(("Transfer-Encoding", "chunked"))
        else:
            handler.close_connection = True
        if (self._header("connection") or "").lower() == "close":
            handler.close_connection = True
        self._write_head()

    def _write_head(self) -> None:
        handler = self.handler
        names = {name.lower() for name, _ in self.headers}
        if "date" not in names:
            self.headers.append(("Date", formatdate(usegmt=True)))
        if "server" not in names:
            self.headers.append(("Server", handler.server_version))
        if "connection" not in names:
            keep = "close" if handler.close_connection else "keep-alive"
            self.headers.append(("Connection", keep))
        handler.log_request(self._code)
        lines = [f"HTTP/1.1 {self.status}", *(f"{n}: {v}" for n, v in self.headers)]
        handler.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def _write(self, data: bytes) -> None:
        """Send a block of the body."""
        if not self.status:
            raise AssertionError("start_response() has to be called before the body")
        data = block_of(data)
        if not self.is_told:
            self._tell()
        file = self.handler.wfile
        if self.is_chunked:
            file.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif self.left is None:
            file.write(data)
        else:
            file.write(data[: self.left])
            self.left -= min(len(data), self.left)
        file.flush()

    def _end(self) -> None:
        if self.is_chunked:
            self.handler.wfile.write(b"0\r\n\r\n")
        elif self.left:
            # Fewer bytes than promised: the client has to see that.
            self.handler.close_connection = True

    def _fail(self) -> None:
        """Show what left the application, and end the answer as it can be."""
        traceback.print_exc()
        self.handler.close_connection = True
        if not self.is_told:
            self.status = "500 Internal Server Error"
            self.headers = [("Content-Type", "text/plain"), ("Content-Length", "22")]
            self._write(b"Internal Server Error\n")


class DevelopmentServer(ThreadingMixIn, TCPServer):
    """Serves an application, a thread for each connection.

    :param listener: a socket that is bound already, see `listen`
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, listener: socket.socket, application: WSGIApplication):
        super().__init__(listener.getsockname()[:2], Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()
        self.application = application
        host, port = listener.getsockname()[:2]
        self.server_port: int = port
        self.base_environ = base_environ(host, port)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what failed, unless it is a client that has gone."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


def base_environ(host: str, port: int) -> WSGIEnvironment:
    """Return what the environ of each request has.

    Of the process's variables only those go in that are for applications.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.lower().startswith(("poor_", "app_")) or name == "SERVER_ADMIN"
    }
    return {
        **variables,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_SOFTWARE": Handler.server_version,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any free one.

    :raises OSError: the address can not be had
    """
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
