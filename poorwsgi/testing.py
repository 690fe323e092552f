"""An application without a server, and a server for an application.

TestClient calls any WSGI application in this process: it builds the environ,
keeps cookies, logs in by Basic or Digest, follows redirects if asked, and runs
the PEP 3333 validator on every call. LiveServer starts a real server as a process
of its own on a free port and ends it. Both need the standard library only; what is
asserted about an answer is left to the test.

    >>> from poorwsgi.testing import TestClient
    >>> def hello(environ, start_response):
    ...     start_response("200 OK", [("Content-Type", "text/plain")])
    ...     return [b"Hello, World!"]
    >>> TestClient(hello).get("/").text
    'Hello, World!'
"""

from __future__ import annotations

import json as json_module
import logging
import mimetypes
import os
import re
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
import warnings
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from email.message import Message
from email.utils import parsedate_to_datetime
from hashlib import md5, new, sha256
from io import BufferedReader, BytesIO, RawIOBase, StringIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, Unpack, cast
from urllib.parse import (
    SplitResult,
    quote,
    unquote_to_bytes,
    urlencode,
    urljoin,
    urlsplit,
)
from wsgiref.headers import Headers
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIApplication, WSGIEnvironment

__all__ = [
    "ClientResponse",
    "CookieJar",
    "LiveServer",
    "Login",
    "RequestOptions",
    "TestClient",
    "free_port",
]

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
HeaderPairs = Mapping[str, str] | Iterable[tuple[str, str]]

#: Statuses after which a client goes to Location.
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 20
#: What wsgiref.validate knows; it warns about any other method.
_VALIDATOR_METHODS = frozenset(
    {"GET", "HEAD", "POST", "OPTIONS", "PATCH", "PUT", "DELETE", "TRACE"}
)
#: Type that the validator is shown for an empty answer, which has none.
_NO_TYPE = ("Content-Type", "application/x-empty")
#: Kept as they are in a path; "%" because a path may come quoted already.
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"


class RequestOptions(TypedDict, total=False):
    """What any request method of TestClient takes, all by name."""

    query: Pairs | str
    headers: HeaderPairs
    #: Anything that json.dumps takes, None included.
    json: Any
    #: Form fields; a list as value repeats the field.
    data: Pairs
    #: Field to bytes, an open file, or (filename, content[, content type]).
    files: Pairs
    #: The body as it is; a file is handed to the application as wsgi.input. With
    #: `chunked` the blocks of an iterator are made when the application reads.
    body: Any
    #: True: chunked framing in wsgi.input. "decoded": what a server gives that
    #: takes the framing off (`wsgi.input_terminated`).
    chunked: bool | str
    #: The last word on any key of the environ; None removes the key.
    environ: Mapping[str, Any]
    follow_redirects: bool
    #: Leave the body unread: iterate over the response, then close it.
    stream: bool


class CookieJar:
    """Cookies of one host, by name and path, as a browser keeps them."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str], tuple[str, Message]] = {}

    def __repr__(self) -> str:
        pairs = [f"{name}={value!r}" for name, value in self.items()]
        return f"<CookieJar {', '.join(pairs) or 'empty'}>"

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first cookie of that name."""
        return next((v for n, v in self.items() if n == name), default)

    def items(self) -> list[tuple[str, str]]:
        """Return (name, value) of all cookies."""
        return [(name, cookie[0]) for (name, _), cookie in self._cookies.items()]

    def attributes(self, name: str) -> Message:
        """Return the attributes of a cookie, read as headers are."""
        return next(c[1] for (n, _), c in self._cookies.items() if n == name)

    def set(self, name: str, value: str, path: str = "/") -> None:
        """Keep a cookie as if the server had sent it."""
        self._cookies[name, path] = (value, Message())

    def clear(self) -> None:
        """Forget all cookies."""
        self._cookies.clear()

    def store(self, line: str, request_path: str) -> None:
        """Take in one Set-Cookie value; one that has expired removes."""
        pair, *rest = line.split(";")
        name, _, value = pair.partition("=")
        attributes = Message()
        for item in rest:
            key, _, text = item.partition("=")
            attributes[key.strip()] = text.strip()
        path = attributes["Path"] or ""
        if not path.startswith("/"):
            # RFC 6265, 5.1.4: without Path it is the directory of the request.
            path = request_path.rpartition("/")[0] or "/"
        if _has_expired(attributes):
            self._cookies.pop((name.strip(), path), None)
        else:
            self._cookies[name.strip(), path] = (value.strip(), attributes)

    def header(self, path: str, secure: bool) -> str:
        """Return the Cookie header for a request, longest path first."""
        wanted = [
            (cookie_path, name, value)
            for (name, cookie_path), (value, attributes) in self._cookies.items()
            if _path_matches(path, cookie_path)
            and (secure or "Secure" not in attributes)
        ]
        wanted.sort(key=lambda item: -len(item[0]))
        return "; ".join(f"{name}={value}" for _, name, value in wanted)


def _has_expired(attributes: Message) -> bool:
    """Tell whether Max-Age, or without it Expires, has passed.

    RFC 6265, 5.2.1 and 5.2.2: what is no number or no date is ignored.
    """
    with suppress(ValueError):
        if attributes["Max-Age"]:
            return int(attributes["Max-Age"]) <= 0
    with suppress(ValueError):
        if attributes["Expires"]:
            expires = parsedate_to_datetime(attributes["Expires"])
            return expires.timestamp() <= time.time()
    return False


def _path_matches(path: str, cookie_path: str) -> bool:
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")


class ClientResponse:
    """An answer of the application: status, headers, body and what was logged.

    Iterating gives the blocks as the application gave them. After
    ``stream=True`` they are read while iterating, and `close` ends it (so
    does leaving a ``with`` block).
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        #: The environ of the call, as the application left it.
        self.environ = environ
        #: 0 if the application declined: start_response was never called.
        self.status_code = 0
        self.reason = ""
        #: Case-insensitive; `get`, `get_all`, `items`; [] gives None if absent.
        self.headers = Headers([])
        #: Answers that redirected to this one, oldest first.
        self.history: list[ClientResponse] = []
        #: The error that left the application, or the last one it logged.
        self.error: BaseException | None = None
        #: Records of logger `poorwsgi`, from WARNING up.
        self.log: list[logging.LogRecord] = []
        self._blocks: list[bytes] = []
        self._iterable: Iterable[bytes] = ()
        self._rest: Iterator[bytes] = iter(())
        self._closed = False

    def __repr__(self) -> str:
        method, path = self.environ["REQUEST_METHOD"], self.environ.get("PATH_INFO")
        lines = [f"<{method} {path} -> {self.status_code} {self.reason}"]
        lines += [f"  {name}: {value}" for name, value in self.headers.items()]
        lines += [f"  log: {rec.levelname} {rec.getMessage()}" for rec in self.log]
        if self.error is not None:
            lines.append(f"  error: {self.error!r}{_place_of(self.error)}")
        size = sum(map(len, self._blocks))
        start = b"".join(self._blocks)[:200]
        lines.append(f"  body: {size} bytes{' ' + repr(start) if start else ''}>")
        return "\n".join(lines)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._blocks
        for block in self._rest:
            self._blocks.append(block)
            yield block

    def __enter__(self) -> ClientResponse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def status(self) -> str:
        """Status line without the protocol: ``404 Not Found``."""
        return f"{self.status_code} {self.reason}"

    @property
    def data(self) -> bytes:
        """The whole body."""
        for _ in self:
            pass
        return b"".join(self._blocks)

    @property
    def text(self) -> str:
        """The whole body, decoded by the charset of Content-Type, or UTF-8."""
        message = Message()
        message["Content-Type"] = self.headers.get("Content-Type") or "text/plain"
        return self.data.decode(message.get_content_charset("utf-8"))

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        try:
            return json_module.loads(self.data)
        except ValueError as error:
            error.add_note(f"The answer is\n{self!r}")
            raise

    def expect(self, *statuses: int) -> ClientResponse:
        """Return this answer if it has one of these statuses.

        :raises AssertionError: it has another one; the message is the answer
        """
        if self.status_code not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise AssertionError(f"expected {wanted}, got\n{self!r}")
        return self

    @property
    def declined(self) -> bool:
        """True if the application answered nothing at all (`Declined`)."""
        return self.status_code == 0

    @property
    def location(self) -> str | None:
        """The Location header."""
        return self.headers.get("Location")

    def close(self) -> None:
        """Close the iterable of the application, once, as a server does."""
        if self._closed:
            return
        self._closed = True
        self._rest = iter(())
        close = getattr(self._iterable, "close", None)
        if close is not None:
            close()


def _place_of(error: BaseException) -> str:
    """Say where an error was raised: the last line of its traceback."""
    traceback = error.__traceback__
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f" in {code.co_name} ({code.co_filename}:{traceback.tb_lineno})"


class Login:
    """A user and a password, for Basic (RFC 7617) and Digest (RFC 7616).

    It waits to be asked: the first 401 tells the scheme, later requests are sent
    with the answer. Of several challenges the first one it knows is taken.
    """

    def __init__(self, user: str, password: str):
        self.user = user
        self.password = password
        self._challenge: dict[str, str] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<Login of {self.user}>"

    def learn(self, challenges: Iterable[str]) -> bool:
        """Take the first challenge that can be answered; False if there is none."""
        for challenge in challenges:
            scheme, _, text = challenge.partition(" ")
            fields = {name.lower(): a or b for name, a, b in _FIELD.findall(text)}
            fields["scheme"] = scheme.lower()
            if scheme.lower() == "basic" or (
                scheme.lower() == "digest"
                and fields.get("algorithm", "MD5").removesuffix("-sess") in _HASHES
            ):
                self._challenge, self._count = fields, 0
                return True
        return False

    def authorization(self, method: str, target: str) -> str:
        """Return the header for a request, "" as long as nobody has asked."""
        if not self._challenge:
            return ""
        if self._challenge["scheme"] == "basic":
            pair = f"{self.user}:{self.password}".encode()
            return f"Basic {b64encode(pair).decode()}"
        return f"Digest {self._digest(method, target)}"

    def _digest(self, method: str, target: str) -> str:
        """Return the fields of a Digest answer (RFC 7616, 3.4)."""
        asked = self._challenge
        algorithm = asked.get("algorithm", "MD5")
        self._count += 1
        count, cnonce = f"{self._count:08x}", secrets.token_hex(8)

        def hashed(*texts: str) -> str:
            constructor = _HASHES[algorithm.removesuffix("-sess")]
            digest: str = constructor(":".join(texts).encode()).hexdigest()
            return digest

        first = hashed(self.user, asked["realm"], self.password)
        if algorithm.endswith("-sess"):
            first = hashed(first, asked["nonce"], cnonce)
        second = hashed(method, target)
        middle = [count, cnonce, "auth"] if "qop" in asked else []
        fields = {
            "username": self.user,
            "realm": asked["realm"],
            "nonce": asked["nonce"],
            "uri": target,
            "response": hashed(first, asked["nonce"], *middle, second),
        }
        if "opaque" in asked:
            fields["opaque"] = asked["opaque"]
        pairs = [f'{name}="{_escaped(value)}"' for name, value in fields.items()]
        pairs.append(f"algorithm={algorithm}")
        if middle:
            pairs += ["qop=auth", f"nc={count}", f'cnonce="{cnonce}"']
        return ", ".join(pairs)


_FIELD = re.compile(r'([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_HASHES: dict[str, Callable[..., Any]] = {
    "MD5": md5,
    "SHA-256": sha256,
    "SHA-512-256": lambda data: new("sha512_256", data),
}


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


class _Blocks(RawIOBase):
    """A file of blocks that are made when they are read."""

    def __init__(self, blocks: Iterable[bytes]):
        self._blocks = iter(blocks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _LogOfCall(logging.Handler):
    """Collects what this thread logs to `poorwsgi` while a call runs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self._thread = threading.get_ident()

    def __enter__(self) -> _LogOfCall:
        logging.getLogger("poorwsgi").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("poorwsgi").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.records.append(record)

    def last_error(self) -> BaseException | None:
        """Return the exception of the newest record that has one."""
        for record in reversed(self.records):
            if record.exc_info and record.exc_info[1] is not None:
                return record.exc_info[1]
        return None


class TestClient:
    """Calls a WSGI application as a server would.

    :param app: any WSGI callable.
    :param base_url: scheme and host that the application believes to have.
    :param headers: sent with each request, unless the request has its own.
    :param environ: put into each environ; None as value removes the key.
    :param raise_errors: an error that leaves the application is raised here;
        otherwise it becomes a bare 500, as a server makes of it, with the
        error in ``response.error``.
    :param validate: run `wsgiref.validate` on each call. Switch it off for
        environs that no server would build.
    """

    __test__ = False  # a class named Test* that pytest shall not collect

    #: Functions that get each answer, of all clients; the pytest plugin has one.
    listeners: ClassVar[list[Callable[[ClientResponse], object]]] = []

    def __init__(
        self,
        app: WSGIApplication,
        base_url: str = "http://localhost",
        *,
        headers: HeaderPairs = (),
        environ: Mapping[str, Any] | None = None,
        raise_errors: bool = True,
        validate: bool = True,
    ) -> None:
        self.app = app
        self.base_url = base_url
        self.headers = headers
        self.base_environ = environ or {}
        self.raise_errors = raise_errors
        self.validate = validate
        self.cookies = CookieJar()
        self._login: Login | None = None

    def __repr__(self) -> str:
        return f"<TestClient of {self.app!r} at {self.base_url}>"

    def login(self, user: str, password: str) -> None:
        """Answer each 401 with a name and a password, by Digest or Basic."""
        self._login = Login(user, password)

    def logout(self) -> None:
        """Forget name, password and cookies."""
        self._login = None
        self.cookies.clear()

    def get(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a GET request."""
        return self.request("GET", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a HEAD request."""
        return self.request("HEAD", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a POST request."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a PUT request."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a PATCH request."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make a DELETE request."""
        return self.request("DELETE", path, **options)

    def options(self, path: str, **options: Unpack[RequestOptions]) -> ClientResponse:
        """Make an OPTIONS request."""
        return self.request("OPTIONS", path, **options)

    def request(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> ClientResponse:
        """Make a request and return the answer, whatever its status is.

        The path may be plain or percent-encoded, with or without a query, or a
        whole URL.

        :raises AssertionError: the application broke PEP 3333.
        :raises TypeError: an option is not known, see `RequestOptions`
        """
        _check_options(options)
        follow = options.pop("follow_redirects", False)
        response = self._send_logged_in(method, path, options)
        history: list[ClientResponse] = []
        while follow and (target := self._redirect_target(response)) is not None:
            response.close()
            history.append(response)
            if len(history) > _MAX_REDIRECTS:
                raise RuntimeError(f"more than {_MAX_REDIRECTS} redirects: {target}")
            method, options = _after_redirect(method, response.status_code, options)
            response = self._send_logged_in(method, target, options)
        response.history = history
        for listener in self.listeners:
            listener(response)
        return response

    def _send_logged_in(
        self, method: str, path: str, options: RequestOptions
    ) -> ClientResponse:
        """Send a request, and once more if the answer asks who that is."""
        response = self._send(method, path, options)
        if self._login is None or response.status_code != 401:
            return response
        if not self._login.learn(response.headers.get_all("WWW-Authenticate")):
            return response
        response.close()
        return self._send(method, path, options)

    def environ(
        self, method: str, path: str, **options: Unpack[RequestOptions]
    ) -> WSGIEnvironment:
        """Return the environ that such a request would have."""
        url = urlsplit(urljoin(self.base_url + "/", _quoted(path)))
        body, content_type = _encode_body(options)
        environ = _bare_environ(method, url.scheme, url.netloc)
        # The server hands the path over decoded, each byte as one character.
        environ["PATH_INFO"] = unquote_to_bytes(url.path or "/").decode("latin-1")
        query = _query_string(url.query, options.get("query", ""))
        environ["QUERY_STRING"] = query
        url = url._replace(query=query)
        _add_body(environ, body, options.get("chunked", False))
        cookies = self.cookies.header(url.path or "/", url.scheme == "https")
        if cookies:
            environ["HTTP_COOKIE"] = cookies
        for headers in (self.headers, content_type, options.get("headers", ())):
            environ.update(_environ_headers(headers))
        if self._login is not None and "HTTP_AUTHORIZATION" not in environ:
            authorization = self._login.authorization(method, _target_of(url))
            if authorization:
                environ["HTTP_AUTHORIZATION"] = authorization
        for key, value in {**self.base_environ, **options.get("environ", {})}.items():
            environ[key] = value
            if value is None:
                del environ[key]
        return environ

    def _send(self, method: str, path: str, options: RequestOptions) -> ClientResponse:
        environ = self.environ(method, path, **options)
        response = ClientResponse(environ)
        with _LogOfCall() as log:
            try:
                self._call(environ, response, options.get("stream", False))
            except Exception as error:
                if self.raise_errors or isinstance(error, AssertionError):
                    raise
                _answer_as_server(response, error)
            finally:
                response.log = log.records
                response.error = response.error or log.last_error()
        for line in response.headers.get_all("Set-Cookie"):
            self.cookies.store(line, environ.get("PATH_INFO", "/"))
        return response

    def _call(
        self, environ: WSGIEnvironment, response: ClientResponse, stream: bool
    ) -> None:
        """Run the application up to its first block, or to its end."""
        app = self._validated(environ["REQUEST_METHOD"]) if self.validate else self.app
        started: list[str] = []

        def start_response(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: tuple[Any, ...] | None = None,
            /,
        ) -> Callable[[bytes], object]:
            if exc_info is not None and response._blocks:
                raise exc_info[1].with_traceback(exc_info[2])
            started.append(status)
            code, _, response.reason = status.partition(" ")
            response.status_code = int(code)
            response.headers = Headers([pair for pair in headers if pair != _NO_TYPE])
            return response._blocks.append

        response._iterable = iterable = app(environ, start_response)
        try:
            response._rest = iter(iterable)
            # The status is due with the first block, not before.
            for block in response._rest:
                response._blocks.append(block)
                if stream:
                    return
            if self.validate:
                _check_end(response, bool(started))
        except BaseException:
            response.close()
            raise
        response.close()

    def _validated(self, method: str) -> WSGIApplication:
        """Wrap the application in the validator, without its warnings."""
        checked = validator(_typed(self.app))
        if method in _VALIDATOR_METHODS:
            return checked

        def quiet(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Unknown REQUEST_METHOD")
                return checked(environ, start_response)

        return quiet

    def _redirect_target(self, response: ClientResponse) -> str | None:
        """Return where an answer redirects to, if it is on this host."""
        if response.status_code not in _REDIRECTS or not response.location:
            return None
        path = response.environ.get("PATH_INFO", "/").encode("latin-1")
        # A fragment is for the browser alone.
        location = response.location.partition("#")[0]
        target = urljoin(self.base_url + quote(path), location)
        here, there = urlsplit(self.base_url), urlsplit(target)
        return target if here.netloc == there.netloc else None


def _typed(app: WSGIApplication) -> WSGIApplication:
    """Let an empty answer have no type, for which the validator asks.

    No standard does: RFC 9110, 8.3, wants the type of content only.
    """

    def call(environ: WSGIEnvironment, start_response: Any) -> Iterable[bytes]:
        def start(status: Any, headers: Any, *exc_info: Any) -> Any:
            if (
                type(headers) is list
                and ("Content-Length", "0") in headers
                and status[:3] not in ("204", "304")
                and not any(str(name).lower() == "content-type" for name, _ in headers)
            ):
                headers = [*headers, _NO_TYPE]
            return start_response(status, headers, *exc_info)

        return app(environ, start)

    return call


def _check_options(options: RequestOptions) -> None:
    """Refuse what would be ignored or misread without a word."""
    unknown = options.keys() - RequestOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(RequestOptions.__annotations__)
        raise TypeError(f"{', '.join(sorted(unknown))}: the options are {known}")
    if isinstance(options.get("data"), (str, bytes)):
        raise TypeError("data is the fields of a form; give text and bytes as body")


def _answer_as_server(response: ClientResponse, error: Exception) -> None:
    response.status_code, response.reason = 500, "Internal Server Error"
    response.headers = Headers([("Content-Type", "text/plain")])
    response._blocks = [b"Internal Server Error"]
    response.error = error


def _check_end(response: ClientResponse, started: bool) -> None:
    """Check what the validator of the standard library doesn't look at."""
    if not started:
        # Declined gives an empty tuple on purpose; a generator that ended
        # early forgot to call start_response.
        iterable = response._iterable
        iterable = getattr(iterable, "original_iterator", iterable)
        if not isinstance(iterable, Sequence) or iterable:
            raise AssertionError("The application never called start_response()")
        return
    size = sum(map(len, response._blocks))
    if response.status_code in (204, 304):
        if size:
            raise AssertionError(f"{response.status} has a body of {size} bytes")
    elif response.environ["REQUEST_METHOD"] != "HEAD":
        length = response.headers.get("Content-Length")
        if length is not None and int(length) != size:
            raise AssertionError(f"Content-Length {length}, but {size} bytes of body")


def _after_redirect(
    method: str, status: int, options: RequestOptions
) -> tuple[str, RequestOptions]:
    """Return method and options of the request after a redirect."""
    options = options.copy()
    options.pop("query", None)
    # RFC 9110, 15.4: 303 means GET; after 301 and 302 no client repeats a POST.
    if status == 303 or (status in (301, 302) and method == "POST"):
        method = "HEAD" if method == "HEAD" else "GET"
        options.pop("json", None)
        options.pop("data", None)
        options.pop("files", None)
        options.pop("body", None)
        options.pop("chunked", None)
    return method, options


def _pairs(items: Pairs) -> list[tuple[str, Any]]:
    """Return pairs of a mapping or of pairs; a list as value is repeated."""
    pairs = (
        cast("Mapping[str, Any]", items).items()
        if isinstance(items, Mapping)
        else items
    )
    flat: list[tuple[str, Any]] = []
    for name, value in pairs:
        values = value if isinstance(value, list) else [value]
        flat.extend((name, single) for single in values)
    return flat


def _quoted(path: str) -> str:
    """Return a path or URL in ASCII; what is percent-encoded stays."""
    path, mark, query = path.partition("?")
    # urljoin would take "//x" for a host.
    if path.startswith("//"):
        path = "/%2F" + path[2:]
    return quote(path, _PATH_SAFE) + mark + quote(query, _PATH_SAFE + "/?[]")


def _target_of(url: SplitResult) -> str:
    """Return path and query as they stand in the request line."""
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _query_string(in_path: str, query: Pairs | str) -> str:
    more = query if isinstance(query, str) else urlencode(_pairs(query))
    return "&".join(filter(None, (in_path, more)))


def _environ_headers(headers: HeaderPairs) -> dict[str, str]:
    """Return headers by their names in an environ, repeated ones joined."""
    environ: dict[str, str] = {}
    for name, value in _pairs(headers):
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        # On the wire text is UTF-8; PEP 3333 shows each byte as a character.
        text = value.encode("utf-8").decode("latin-1")
        glue = "; " if key == "HTTP_COOKIE" else ", "
        environ[key] = environ[key] + glue + text if key in environ else text
    return environ


def _bare_environ(method: str, scheme: str, netloc: str) -> WSGIEnvironment:
    """Return what every environ has."""
    address = urlsplit("//" + netloc)
    port = address.port or (443 if scheme == "https" else 80)
    return {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "SERVER_NAME": address.hostname or "localhost",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "poorwsgi.testing",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": BytesIO(),
        "wsgi.errors": StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }


def _encode_body(options: RequestOptions) -> tuple[Any, HeaderPairs]:
    """Return the body that the options ask for, and its Content-Type."""
    if "json" in options:
        text = json_module.dumps(options["json"])
        return text.encode(), [("Content-Type", "application/json")]
    if "files" in options:
        boundary = secrets.token_hex(16)
        parts = _multipart(options.get("data", ()), options["files"], boundary)
        content_type = f"multipart/form-data; boundary={boundary}"
        return b"".join(parts), [("Content-Type", content_type)]
    if "data" in options:
        text = urlencode(_pairs(options["data"]))
        content_type = "application/x-www-form-urlencoded"
        return text.encode(), [("Content-Type", content_type)]
    body = options.get("body")
    return body.encode() if isinstance(body, str) else body, ()


def _multipart(fields: Pairs, files: Pairs, boundary: str) -> Iterator[bytes]:
    """Yield the pieces of a multipart/form-data body (RFC 7578)."""
    parts: list[tuple[str, str | None, bytes, str]]
    parts = [(name, None, _as_bytes(value), "") for name, value in _pairs(fields)]
    parts += [(name, *_file_part(name, value)) for name, value in _pairs(files)]
    for name, filename, content, content_type in parts:
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{_in_quotes(name)}"'
        )
        if filename is not None:
            head += f'; filename="{_in_quotes(filename)}"'
        if content_type:
            head += f"\r\nContent-Type: {content_type}"
        yield head.encode() + b"\r\n\r\n" + content + b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _file_part(name: str, value: Any) -> tuple[str, bytes, str]:
    """Return file name, content and type of one item of ``files``."""
    content_type = ""
    if isinstance(value, tuple):
        filename, content, *more = value
        content_type = more[0] if more else ""
    else:
        filename, content = Path(getattr(value, "name", name)).name, value
    if hasattr(content, "read"):
        content = content.read()
    guess = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return filename, _as_bytes(content), content_type or guess


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _in_quotes(text: str) -> str:
    """Escape a name for a part header, as HTML tells browsers to."""
    escapes = {'"': "%22", "\r": "%0D", "\n": "%0A"}
    return "".join(escapes.get(char, char) for char in text)


def _add_body(environ: WSGIEnvironment, body: Any, chunked: bool | str) -> None:
    """Put the body into the environ, with its length or with framing."""
    if body is None and not chunked:
        if environ["REQUEST_METHOD"] in ("POST", "PUT", "PATCH"):
            environ["CONTENT_LENGTH"] = "0"
        return
    if hasattr(body, "read"):
        environ["wsgi.input"] = body
        return
    if chunked and isinstance(body, Iterator):
        _add_stream(environ, body, chunked)
        return
    blocks = [body or b""] if isinstance(body, (bytes, type(None))) else list(body)
    if chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    if chunked == "decoded":
        environ["wsgi.input_terminated"] = True
    elif chunked:
        framed = [b"%x\r\n%b\r\n" % (len(block), block) for block in blocks if block]
        blocks = [*framed, b"0\r\n\r\n"]
    else:
        environ["CONTENT_LENGTH"] = str(sum(map(len, blocks)))
    environ["wsgi.input"] = BytesIO(b"".join(blocks))


def _add_stream(
    environ: WSGIEnvironment, blocks: Iterator[bytes], chunked: bool | str
) -> None:
    """Let the application take the blocks one by one, as from a slow client."""
    environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    if chunked is True:
        blocks = _framed(blocks)
    else:
        environ["wsgi.input_terminated"] = True
    environ["wsgi.input"] = BufferedReader(_Blocks(blocks))


def _framed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        if block:
            yield b"%x\r\n%b\r\n" % (len(block), block)
    yield b"0\r\n\r\n"


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class LiveServer:
    """A server as a process of its own, for the length of a ``with`` block.

    :param command: program and arguments; ``{host}``, ``{port}`` and
        ``{address}`` (host:port) are filled in.
    :param env: added to the environment of the process.
    :param timeout: seconds to wait for the port to open, and for the process
        to end after SIGTERM before it is killed with its children.

    ::

        with LiveServer(["gunicorn", "-b", "{address}", "app"]) as server:
            urlopen(server.url + "/")
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 20.0,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = free_port(self.host)
        self.timeout = timeout
        self.command = [self._filled_in(argument) for argument in command]
        self._cwd = cwd
        self._env = {**os.environ, **(env or {})}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process: subprocess.Popen[bytes] | None = None
        self._last_log = ""

    def __repr__(self) -> str:
        return f"<LiveServer {self.command[0]} at {self.url}>"

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Address as a URL, without a slash at the end."""
        return f"http://{self.address}"

    @property
    def pid(self) -> int:
        """Process id, 0 if the server doesn't run."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> str:
        """What the server has written so far, to stdout and stderr."""
        if not self._log.closed:
            size = os.fstat(self._log.fileno()).st_size
            self._last_log = os.pread(self._log.fileno(), size, 0).decode(
                "utf-8", "replace"
            )
        return self._last_log

    def start(self) -> None:
        """Start the process and wait until its port is open.

        :raises RuntimeError: it ended, or didn't open the port in time; the
            message has its log.
        """
        self._process = subprocess.Popen(  # noqa: S603 - the caller's own command
            self.command,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = time.monotonic() + self.timeout
        while not self._is_open():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{self!r} didn't start:\n{self.log}")
            time.sleep(0.05)

    def stop(self) -> int | None:
        """End the process, the hard way after the time limit.

        Return its exit status, None if it wasn't started.
        """
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
        # Workers that outlived their parent; the group is ours alone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        self.log  # noqa: B018 - keeps the text
        self._log.close()
        return status

    def _filled_in(self, argument: str) -> str:
        """Replace the names; other braces may be part of a program."""
        argument = argument.replace("{address}", self.address)
        argument = argument.replace("{host}", self.host)
        return argument.replace("{port}", str(self.port))

    def _is_open(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.port)) == 0

    def __enter__(self) -> LiveServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        if error is not None:
            error.add_note(f"Log of {self!r}:\n{self.log[-8000:]}")
