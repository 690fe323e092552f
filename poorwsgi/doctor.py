"""Look at a running deployment from outside: what works, and what to change.

Each probe speaks HTTP over a socket of its own, asks for one URL, and gives a
`Result` that names the server setting where something is wrong. Nothing is
changed on the server: probes read, or send bodies that any application refuses.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Result", "Site", "examine"]

_LIMIT = 1 << 26
_OK, _WARN, _FAIL, _SKIP = "ok", "warn", "fail", "skip"


@dataclass(frozen=True)
class Result:
    """What a probe saw: ok, warn, fail, or skip where it can not be told."""

    probe: str
    verdict: str
    seen: str
    advice: str = ""


@dataclass
class Reply:
    """One answer as it came over the wire."""

    status: int
    reason: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    #: The body has the length that was announced.
    is_whole: bool = True
    #: The server has closed the connection.
    is_closed: bool = False

    def get(self, name: str) -> str:
        """Return a header, empty without it."""
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")


class NoReplyError(Exception):
    """The server closed the connection, or said nothing in time."""


class Site:
    """A URL, and how to speak to its server.

    :raises ValueError: it is no http or https URL
    """

    def __init__(self, url: str, timeout: float = 5.0):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL: http://host:port/path")
        self.url = url
        self.is_secure = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.is_secure else 80)
        self.netloc = parts.netloc.rpartition("@")[2]
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.timeout = timeout

    def connect(self) -> socket.socket:
        """Open a connection."""
        connection = socket.create_connection((self.host, self.port), self.timeout)
        if self.is_secure:
            context = ssl.create_default_context()
            return context.wrap_socket(connection, server_hostname=self.host)
        return connection

    def head(self, method: str = "GET", *lines: str, target: str = "") -> bytes:
        """Return the head of a request."""
        first = f"{method} {target or self.target} HTTP/1.1"
        return "\r\n".join([first, f"Host: {self.netloc}", *lines, "", ""]).encode()

    def ask(
        self, method: str = "GET", *lines: str, body: bytes = b"", target: str = ""
    ) -> Reply:
        """Make one request on a connection of its own.

        :raises NoReplyError: nothing came back
        """
        head = self.head(method, "Connection: close", *lines, target=target)
        try:
            with self.connect() as connection:
                connection.sendall(head + body)
                return read_reply(connection, method)
        except OSError as err:
            raise NoReplyError(str(err) or type(err).__name__) from err


def read_reply(connection: socket.socket, method: str = "GET") -> Reply:
    """Read one answer, up to its end as it was framed."""
    file = connection.makefile("rb")
    line = file.readline(65536).decode("latin-1").strip()
    while line.startswith("HTTP/") and line[9:12] == "100":
        while file.readline(65536).strip():
            pass
        line = file.readline(65536).decode("latin-1").strip()
    if not line.startswith("HTTP/"):
        raise NoReplyError("the connection was closed without an answer")
    version, status, reason = (*line.split(" ", 2), "", "")[:3]
    if not _is_number(status):
        raise NoReplyError(f"{line[:60]!r} is no status line of HTTP")
    reply = Reply(int(status), reason, version, [])
    while text := file.readline(65536).decode("latin-1").strip():
        name, _, value = text.partition(":")
        reply.headers.append((name, value.strip()))
    _read_body(file, reply, method)
    return reply


def _read_body(file: object, reply: Reply, method: str) -> None:
    read: Callable[[int], bytes] = file.read  # type: ignore[attr-defined]
    length = reply.get("Content-Length")
    if method == "HEAD" or reply.status in (204, 304):
        # Whatever comes now should not.
        reply.body = read(1 << 16) if reply.get("Connection") == "close" else b""
    elif "chunked" in reply.get("Transfer-Encoding").lower():
        reply.is_whole = _read_chunks(file, reply)
    elif _is_number(length):
        reply.body = read(min(int(length), _LIMIT))
        reply.is_whole = len(reply.body) == min(int(length), _LIMIT)
    else:
        reply.body = read(_LIMIT)
        reply.is_closed = True


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _read_chunks(file: object, reply: Reply) -> bool:
    blocks: list[bytes] = []
    while line := file.readline(100):  # type: ignore[attr-defined]
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return False
        if size == 0:
            reply.body = b"".join(blocks)
            return True
        blocks.append(file.read(size + 2)[:-2])  # type: ignore[attr-defined]
    reply.body = b"".join(blocks)
    return False


# -- probes --------------------------------------------------------------------


def examine(site: Site) -> Iterator[Result]:
    """Make all probes in turn; the first one that gets no answer ends it."""
    try:
        plain = site.ask()
    except NoReplyError as err:
        yield Result("answer", _FAIL, f"no answer from {site.url}: {err}", _UNREACHABLE)
        return
    yield from probe_answer(plain)
    for probe in PROBES:
        try:
            yield probe(site, plain)
        except NoReplyError as err:
            name = probe.__name__.removeprefix("probe_").replace("_", " ")
            yield Result(name, _FAIL, f"no answer: {err}", ADVICE.get(name, ""))


_UNREACHABLE = (
    "Is the server running, does it speak HTTP at this port (uWSGI: --http-socket or "
    "--http, not --socket), and does it listen at this address?"
)
#: What to change, by the probe.
ADVICE = {
    "large headers": "uWSGI takes 4 KiB of headers by default: buffer-size = 32768; "
    "nginx: large_client_header_buffers 4 32k; gunicorn: --limit-request-field_size",
    "keep alive": "uWSGI: http-keepalive = 1 with --http, or nginx in front; a new "
    "connection for each request costs a round trip, with TLS two",
    "chunked": "uWSGI: http-chunked-input = true (with --http) or --http-socket; "
    "nginx: proxy_request_buffering on, it then hands on a length",
    "head": "A server or proxy that sends a body with HEAD breaks the next answer; "
    "update it, or put nginx in front",
    "file wrapper": "uWSGI: offload-threads and a harakiri that large files do not "
    "reach; nginx: proxy_max_temp_file_size 0; check what cuts the connection",
    "framing": "A length beside Transfer-Encoding has to be refused with 400, or "
    "requests can be smuggled past a proxy; update the server, put nginx in front",
    "host": "HTTP/1.1 needs one Host (RFC 9112, 3.2); nginx refuses by itself",
    "close": "The server ignores Connection: close; behind a proxy check keep-alive: "
    "nginx proxy_http_version 1.1 and proxy_set_header Connection ''",
    "disconnect": "uWSGI: more processes or threads, socket-timeout = 10, "
    "ignore-sigpipe, ignore-write-errors, disable-write-exception",
    "ranges": "Something between the application and here drops Range or recompresses "
    "the answer; nginx: gzip off for files, or serve them by nginx itself",
}


def probe_answer(plain: Reply) -> Iterator[Result]:
    """Judge the plain answer, which all probes are compared with."""
    kind = plain.get("Content-Type") or "no type"
    seen = f"{plain.status} {plain.reason}, {len(plain.body)} bytes, {kind}"
    software = plain.get("Server")
    if not plain.is_whole:
        yield Result("answer", _FAIL, f"{seen}, cut short", ADVICE["file wrapper"])
    elif plain.status >= 500:
        yield Result("answer", _FAIL, seen, "Look for the error id in the server's log")
    else:
        yield Result("answer", _OK, f"{seen}{f', {software}' if software else ''}")


def probe_head(site: Site, plain: Reply) -> Result:
    """HEAD has the same head, and no body."""
    reply = site.ask("HEAD")
    if reply.body:
        seen = f"{len(reply.body)} bytes of body after HEAD"
        return Result("head", _FAIL, seen, ADVICE["head"])
    if reply.status != plain.status:
        seen = f"HEAD {reply.status}, GET {plain.status}"
        return Result("head", _WARN, seen, "Let GET handlers answer HEAD as well")
    length, body = reply.get("Content-Length"), str(len(plain.body))
    if length and length != body:
        seen = f"HEAD promises {length} bytes, GET has {body}"
        return Result("head", _WARN, seen, "Fine for a page that changes; else " + (
            "look for what changes the body on its way, such as compression"
        ))  # fmt: skip
    return Result("head", _OK, f"{reply.status}, no body")


def probe_keep_alive(site: Site, plain: Reply) -> Result:
    """A second request over the same connection is answered as well."""
    try:
        with site.connect() as connection:
            connection.sendall(site.head())
            first = read_reply(connection)
            connection.sendall(site.head())
            second = read_reply(connection)
    except (NoReplyError, OSError):
        return Result(
            "keep alive", _WARN, "closed after one answer", ADVICE["keep alive"]
        )
    return Result("keep alive", _OK, f"{first.status}, then {second.status}")


def probe_close(site: Site, plain: Reply) -> Result:
    """Connection: close is obeyed."""
    try:
        with site.connect() as connection:
            connection.sendall(site.head("GET", "Connection: close"))
            read_reply(connection)
            is_closed = connection.recv(1) == b""
    except TimeoutError:
        is_closed = False
    except OSError:
        is_closed = True
    if not is_closed:
        seen = f"still open after {site.timeout:.0f} s"
        return Result("close", _WARN, seen, ADVICE["close"])
    return Result("close", _OK, "the server closes when it is asked to")


def probe_ranges(site: Site, plain: Reply) -> Result:
    """A range is exactly the bytes that were asked for."""
    if plain.status != 200 or len(plain.body) < 2:
        return Result("ranges", _SKIP, "nothing to take a part of")
    reply = site.ask("GET", "Range: bytes=0-0")
    if reply.status == 200:
        return Result("ranges", _SKIP, "not offered for this URL; try that of a file")
    if reply.status != 206 or reply.body != plain.body[:1]:
        seen = f"{reply.status} with {len(reply.body)} bytes for bytes=0-0"
        return Result("ranges", _FAIL, seen, ADVICE["ranges"])
    last = site.ask("GET", "Range: bytes=-1")
    if last.body != plain.body[-1:]:
        return Result("ranges", _FAIL, "the last byte is another", ADVICE["ranges"])
    return Result("ranges", _OK, f"206, {reply.get('Content-Range')}")


def probe_chunked(site: Site, plain: Reply) -> Result:
    """A chunked body arrives, or is refused; it does not hang."""
    body = b"3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n"
    lines = (
        "Transfer-Encoding: chunked",
        "Content-Type: application/x-www-form-urlencoded",
    )
    reply = site.ask("POST", *lines, body=body)
    if reply.status >= 500 and reply.status != 501:
        return Result("chunked", _FAIL, f"{reply.status}", ADVICE["chunked"])
    if reply.status in (411, 501):
        return Result("chunked", _WARN, f"{reply.status}, refused", ADVICE["chunked"])
    return Result("chunked", _OK, f"{reply.status}")


def probe_file_wrapper(site: Site, plain: Reply) -> Result:
    """The same bytes come again, however the server sends them."""
    again = site.ask("GET")
    if not again.is_whole:
        return Result("file wrapper", _FAIL, "cut short", ADVICE["file wrapper"])
    if len(again.body) != len(plain.body):
        seen = f"{len(plain.body)} bytes, then {len(again.body)}"
        return Result("file wrapper", _SKIP, f"{seen}; the page changes")
    return Result("file wrapper", _OK, f"{len(again.body)} bytes, whole")


def probe_disconnect(site: Site, plain: Reply) -> Result:
    """Clients that go away do not take the server with them."""
    for data in (b"GET /", site.head()[:-2], site.head("POST", "Content-Length: 99")):
        for _ in range(4):
            try:
                with site.connect() as connection:
                    connection.sendall(data)
            except OSError as err:
                raise NoReplyError(str(err)) from err
    reply = site.ask()
    if reply.status != plain.status:
        seen = f"{reply.status} after clients that left"
        return Result("disconnect", _FAIL, seen, ADVICE["disconnect"])
    return Result("disconnect", _OK, "12 clients left in the middle, no harm")


def probe_large_headers(site: Site, plain: Reply) -> Result:
    """Cookies and tokens of 6 KiB are common."""
    for size in (6000, 14000):
        reply = site.ask("GET", f"X-Doctor: {'x' * size}")
        if reply.status != plain.status:
            seen = f"{reply.status} for a header of {size} bytes"
            verdict = _FAIL if size == 6000 else _WARN
            return Result("large headers", verdict, seen, ADVICE["large headers"])
    return Result("large headers", _OK, "14 kB in one header are taken")


def probe_framing(site: Site, plain: Reply) -> Result:
    """A body with two lengths is refused."""
    lines = ("Content-Length: 5", "Transfer-Encoding: chunked")
    reply = site.ask("POST", *lines, body=b"0\r\n\r\n")
    if reply.status == 400:
        return Result("framing", _OK, "400 for a length beside chunks")
    seen = f"{reply.status} for a length beside chunks"
    return Result("framing", _WARN, seen, ADVICE["framing"])


def probe_host(site: Site, plain: Reply) -> Result:
    """A Host that is none is refused."""
    try:
        with site.connect() as connection:
            head = f"GET {site.target} HTTP/1.1\r\nHost: a/b@c\r\n"
            connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
            reply = read_reply(connection)
    except OSError as err:
        raise NoReplyError(str(err)) from err
    if 400 <= reply.status < 500:
        return Result("host", _OK, f"{reply.status} for a Host that is none")
    seen = f"{reply.status} for a Host that is none"
    return Result("host", _WARN, seen, ADVICE["host"])


def probe_debug(site: Site, plain: Reply) -> Result:
    """The debug page is for developers alone."""
    reply = site.ask("GET", target="/debug-info?format=json")
    if reply.status != 200 or "json" not in reply.get("Content-Type"):
        return Result("debug", _OK, "/debug-info is not shown")
    advice = "set app.debug = False, or remove poor_Debug from the configuration"
    is_local = site.host in ("localhost", "127.0.0.1", "::1")
    verdict = _WARN if is_local else _FAIL
    return Result("debug", verdict, "/debug-info is open to everybody here", advice)


PROBES: tuple[Callable[[Site, Reply], Result], ...] = (
    probe_head,
    probe_keep_alive,
    probe_close,
    probe_ranges,
    probe_chunked,
    probe_file_wrapper,
    probe_large_headers,
    probe_framing,
    probe_host,
    probe_debug,
    probe_disconnect,
)
