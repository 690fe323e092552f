"""What a client asks for, as attributes.

A request is a view of the WSGI environment: nothing is computed before it is
read, and what was computed once is a plain attribute from then on. The body
belongs to `body.Body`; here its errors become the HTTP answers 400, 408, 413.
"""

from __future__ import annotations

import logging
import os
from operator import attrgetter
from time import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from warnings import warn

from poorwsgi.body import NOT_JSON, Body, CachedInput, loads_json
from poorwsgi.fieldstorage import (
    FieldStorage as _FieldStorage,
)
from poorwsgi.fieldstorage import (
    FieldStorageInterface,
    FieldStorageParser,
)
from poorwsgi.headers import (
    Headers,
    parse_authorization,
    parse_forwarded,
    parse_forwarded_host,
    parse_forwarded_proto,
    parse_header,
    parse_host,
    parse_negotiation,
)
from poorwsgi.response import LENGTHS, HTTPException
from poorwsgi.state import (
    HTTP_BAD_REQUEST,
    HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
    METHOD_GET,
    BodyError,
    deprecated,
    methods,
)
from poorwsgi.urlencoded import parse_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from http.cookies import SimpleCookie

    from poorwsgi.body import BodyPart
    from poorwsgi.routing import Endpoint
    from poorwsgi.wsgi import Application

__all__ = [
    "Args",
    "CachedInput",
    "EmptyForm",
    "FieldStorage",
    "FieldStorageParser",
    "Headers",
    "JsonDict",
    "JsonList",
    "Request",
    "SimpleRequest",
    "parse_json_request",
]

log = logging.getLogger("poorwsgi")

T = TypeVar("T")

#: Methods whose body has no meaning (RFC 9110, 9.3.1): it is not parsed.
_BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"))
_DEFAULT_PORTS = {"http": 80, "https": 443}
#: PERF: what most bodies are, just as it is sent; 1,200 of 4,700 instructions.
_PLAIN_TYPES = frozenset(
    ("", "application/json", "application/x-www-form-urlencoded", "text/plain")
)

#: Content-Length of short bodies to their size.
_SIZES = {text: size for size, (_, text) in enumerate(LENGTHS)}


# PERF: an option is a descriptor with a call of its own; this gets the values
# below four of them by one call of C, 2,000 instead of 6,200 instructions.
_args_options = attrgetter(
    "_auto_args", "_max_args", "_keep_blank_values", "_strict_parsing"
)


def _parse_cookies(header: str) -> SimpleCookie:
    # http.cookies is loaded by the first client that sends a cookie. PERF: the
    # real function takes this place then; an import statement takes 8,300
    # instructions, half of what parsing three cookies does.
    global _parse_cookies
    from poorwsgi.cookies import parse_cookies as _parse_cookies

    return _parse_cookies(header)


# -- descriptors -----------------------------------------------------------


class lazy(Generic[T]):  # noqa: N801 - reads as a decorator
    """An attribute computed at the first read, and a plain one from then on."""

    def __init__(self, compute: Callable[[Any], T]):
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, req: None, owner: type) -> lazy[T]: ...

    @overload
    def __get__(self, req: object, owner: type) -> T: ...

    def __get__(self, req: object | None, owner: type) -> lazy[T] | T:
        if req is None:
            return self
        value = req.__dict__[self.name] = self.compute(req)
        return value


class lazy_cookies:  # noqa: N801 - reads as a field of a table
    """Cookies of the client; None without any, or if auto_cookies is off.

    PERF: a lazy attribute without a function of its own; 900 of 46,000 instructions.
    """

    @overload
    def __get__(self, req: None, owner: type) -> lazy_cookies: ...

    @overload
    def __get__(self, req: object, owner: type) -> SimpleCookie | None: ...

    def __get__(self, req: Any, owner: type) -> lazy_cookies | SimpleCookie | None:
        if req is None:
            return self
        header = req._environ.get("HTTP_COOKIE")
        cookies = None
        if header and req.app._auto_cookies:  # the value below the option
            cookies = _parse_cookies(header)
        req.__dict__["cookies"] = cookies
        return cookies


class from_environ(Generic[T]):  # noqa: N801 - reads as a field of a table
    """An attribute that shows a variable of the environment."""

    def __init__(self, key: str, default: T, doc: str):
        self.key = key
        self.default = default
        self.__doc__ = doc

    @overload
    def __get__(self, req: None, owner: type) -> from_environ[T]: ...

    @overload
    def __get__(self, req: SimpleRequest, owner: type) -> T: ...

    def __get__(self, req: SimpleRequest | None, owner: type) -> from_environ[T] | T:
        if req is None:
            return self
        value: T = req._environ.get(self.key, self.default)
        return value


class once(Generic[T]):  # noqa: N801 - reads as a field of a table
    """An attribute that can be set once; later values are ignored.

    It stands under its name with an underscore, which the walk sets directly.
    """

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = "_" + name

    @overload
    def __get__(self, req: None, owner: type) -> once[T]: ...

    @overload
    def __get__(self, req: object, owner: type) -> T | None: ...

    def __get__(self, req: object | None, owner: type) -> once[T] | T | None:
        if req is None:
            return self
        value: T | None = getattr(req, self.attribute)
        return value

    def __set__(self, req: object, value: T | None) -> None:
        if getattr(req, self.attribute) is None:
            setattr(req, self.attribute, value)


# -- variables -------------------------------------------------------------


NO_PATH = "PATH_INFO is not set, probably no HTTP"
#: The dict of bytes below the process environment, empty where there is none.
PROCESS_VARIABLES: dict[bytes, bytes] = (
    getattr(os.environ, "_data", {}) if os.name == "posix" else {}
)
#: What `os.environ` is as long as that is the dict below it.
PROCESS_ENVIRON = os.environ if PROCESS_VARIABLES else None


def process_variable(name: str) -> str | None:
    """Return a variable of the process, None if it is not set.

    PERF: os.environ.get() costs 0.9 us for a name that is not there, and each
    404 asks for one; the dict below it costs 0.1 us.
    """
    if os.environ is not PROCESS_ENVIRON:
        return os.environ.get(name)
    value = PROCESS_VARIABLES.get(name.encode())
    return None if value is None else os.fsdecode(value)


def options_of(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return the ``app_*`` variables, without the prefix and in lower case."""
    options = {}
    for key, value in variables.items():
        name = key.strip()
        if name[:4].lower() == "app_" and isinstance(value, str):
            options[name[4:].lower()] = value.strip()
    return options


# -- requests --------------------------------------------------------------


class SimpleRequest:
    """The request line, the server and the client; no headers, no body.

    It stands in for a `Request` that could not be made.
    """

    _uri_rule: str | None = None
    _uri_handler: Any = None
    _error_handler: Any = None

    def __init__(self, environ: dict[str, Any], app: Application):
        self._environ = environ
        #: The application that serves this request.
        self.app = app

    # -- the walk so far

    uri_rule: once[str] = once("Rule that matched, as it was written, or None.")
    uri_handler: once[Callable[..., Any]] = once("Handler of the rule, or None.")
    error_handler: once[Callable[..., Any]] = once(
        "State or error handler that answers, set before it is called."
    )

    # -- the environment

    @property
    def environ(self) -> dict[str, Any]:
        """A copy of the WSGI environment."""
        return self._environ.copy()

    @property
    def poor_environ(self) -> dict[str, Any]:
        """A copy of where ``poor_*`` and ``app_*`` variables are looked for.

        That is the process environment under uWSGI, or where it has
        ``poor.Version``; else the WSGI environment.
        """
        if self._in_process_environ:
            return dict(os.environ)
        return self._environ.copy()

    @property
    def _in_process_environ(self) -> bool:
        return (
            "uwsgi.version" in self._environ
            or process_variable("poor.Version") is not None
        )

    def _variable(self, name: str) -> str | None:
        """Return one ``poor_*`` variable."""
        environ = self._environ
        if "uwsgi.version" in environ or process_variable("poor.Version") is not None:
            return process_variable(name)
        value: str | None = environ.get(name)
        return value

    @lazy
    def debug(self) -> bool:
        """Whether debugging is on: ``poor_Debug``, else the application's."""
        value = self._variable("poor_Debug")
        return value.strip().lower() == "on" if value else self.app.debug

    @lazy
    def document_root(self) -> str:
        """Directory of served files: ``poor_DocumentRoot``, else the application's."""
        value = self._variable("poor_DocumentRoot")
        return self.app.document_root if value is None else value

    @lazy
    def document_index(self) -> bool:
        """Whether directories are listed: ``poor_DocumentIndex``, else the app's."""
        value = self._variable("poor_DocumentIndex")
        return value.strip().lower() == "on" if value else self.app.document_index

    @lazy
    def secret_key(self) -> Any:
        """Secret of sessions and tokens: ``poor_SecretKey``, else the app's."""
        return self._variable("poor_SecretKey") or self.app.secret_key

    # -- the request line

    method: from_environ[str | None] = from_environ(
        "REQUEST_METHOD", None, "HTTP method, upper case."
    )

    @property
    def method_number(self) -> int:
        """Bit of the method; METHOD_GET for a method that is not known."""
        return methods.get(self._environ.get("REQUEST_METHOD"), METHOD_GET)  # type: ignore[arg-type]

    @property
    def path(self) -> str:
        """Path of the URL, decoded; `HTTPException` 400 if it is not UTF-8."""
        path: str = self._environ.get("PATH_INFO") or ""
        return path if path.isascii() else decode_path(path)

    @property
    def uri(self) -> str:
        """The old name of `path`."""
        return self.path

    @property
    def query(self) -> str:
        """Query string as it was sent."""
        query: str = self._environ.get("QUERY_STRING", "")
        return query.strip()

    @property
    def full_path(self) -> str:
        """Path with the query string, if there is one."""
        query = self.query
        return f"{self.path}?{query}" if query else self.path

    # -- server

    server_scheme: from_environ[str | None] = from_environ(
        "wsgi.url_scheme", None, "http or https, between the server and its client."
    )
    scheme: from_environ[str | None] = from_environ(
        "wsgi.url_scheme", None, "The same as `server_scheme`."
    )
    server_hostname: from_environ[str | None] = from_environ(
        "SERVER_NAME", None, "Name of the server."
    )
    server_protocol: from_environ[str | None] = from_environ(
        "SERVER_PROTOCOL", None, "Version of HTTP, such as HTTP/1.1."
    )
    protocol: from_environ[str | None] = from_environ(
        "SERVER_PROTOCOL", None, "The same as `server_protocol`."
    )

    @property
    def server_port(self) -> int:
        """Port the server listens on; the scheme's if the server does not say."""
        try:
            return int(self._environ["SERVER_PORT"])
        except (KeyError, TypeError, ValueError):
            return self._scheme_port

    @property
    def port(self) -> int:
        """The same as `server_port`."""
        return self.server_port

    @property
    def server_software(self) -> str:
        """Name of the server; uWSGI does not tell its own."""
        software: str = self._environ.get("SERVER_SOFTWARE", "Unknown")
        if software == "Unknown" and "uwsgi.version" in self._environ:
            return "uWsgi"
        return software

    @property
    def server_admin(self) -> str:
        """Mail address of whom to tell of errors."""
        admin: str | None = self._environ.get("SERVER_ADMIN")
        return admin or f"webmaster@{self.hostname}"

    # -- client

    remote_host: from_environ[str] = from_environ(
        "REMOTE_HOST", "", "Name of the peer, where the server looked it up."
    )
    remote_addr: from_environ[str | None] = from_environ(
        "REMOTE_ADDR", None, "Address of the peer, as the server saw it."
    )
    referer: from_environ[str | None] = from_environ(
        "HTTP_REFERER", None, "URL the browser came from, or None."
    )
    user_agent: from_environ[str | None] = from_environ(
        "HTTP_USER_AGENT", None, "What the client says it is, or None."
    )

    # -- host and proxies

    @property
    def _scheme_port(self) -> int:
        return 443 if self._environ.get("wsgi.url_scheme") == "https" else 80

    @lazy
    def _host(self) -> tuple[str, int]:
        """Host and port of the Host header, else of the server."""
        value = self._environ.get("HTTP_HOST")
        host = self.app._hosts.get(value) or (
            parse_host(value.strip(" \t")) if value else None
        )
        if host is None:
            name = self._environ.get("SERVER_NAME") or ""
            if ":" in name and "[" not in name:
                name = f"[{name}]"  # an address, as the server is bound to it
            return name, self.server_port
        return host[0], host[1] or self._scheme_port

    @property
    def hostname(self) -> str:
        """Name of the host the client asked for, without the port."""
        return self._host[0]

    @property
    def host_port(self) -> int:
        """Port the client asked for; the scheme's own if it named none."""
        return self._host[1]

    @property
    def _proxy_is_trusted(self) -> bool:
        proxies = self.app.trusted_proxies
        return proxies is None or self._environ.get("REMOTE_ADDR") in proxies

    def _forwarded_header(self, name: str) -> str | None:
        """Return a header of a proxy, if it may be believed."""
        value: str | None = self._environ.get(name)
        return value if value and self._proxy_is_trusted else None

    @lazy
    def _forwarded(self) -> dict[str, str]:
        """The Forwarded header (RFC 7239), if it was said which proxies to trust."""
        value = self._environ.get("HTTP_FORWARDED")
        if not value or self.app.trusted_proxies is None:
            return {}
        return parse_forwarded(value) if self._proxy_is_trusted else {}

    @property
    def forwarded_for(self) -> str | None:
        """X-Forwarded-For as it was sent, or ``for`` of Forwarded."""
        value = self._forwarded_header("HTTP_X_FORWARDED_FOR")
        return value or self._forwarded.get("for")

    @property
    def forwarded_proto(self) -> str | None:
        """X-Forwarded-Proto as it was sent, or ``proto`` of Forwarded."""
        value = self._forwarded_header("HTTP_X_FORWARDED_PROTO")
        return value or self._forwarded.get("proto")

    @lazy
    def _forwarded_host(self) -> tuple[str, int | None] | None:
        value = self._forwarded_header("HTTP_X_FORWARDED_HOST")
        value = value or self._forwarded.get("host")
        return parse_forwarded_host(value) if value else None

    @property
    def forwarded_host(self) -> str | None:
        """Host that the proxy was asked for, without the port; None if malformed."""
        return self._forwarded_host[0] if self._forwarded_host else None

    @property
    def forwarded_port(self) -> int | None:
        """Port that the proxy was asked for, else that of its scheme, else None."""
        if self._forwarded_host and self._forwarded_host[1]:
            return self._forwarded_host[1]
        proto = self.forwarded_proto
        return _DEFAULT_PORTS.get(parse_forwarded_proto(proto) or "") if proto else None

    def construct_url(self, uri: str) -> str:
        """Return the URL of *uri* as the client sees this server.

        Absolute URLs come back unchanged.
        """
        if _is_absolute(uri):
            return uri
        scheme = parse_forwarded_proto(self.forwarded_proto or "")
        if scheme is None:
            scheme = "https" if self.scheme == "https" else "http"
        host = self.forwarded_host or self.hostname
        port = self.forwarded_port or self.host_port
        if port != _DEFAULT_PORTS[scheme]:
            host = f"{host}:{port}"
        if uri and uri[0] not in "/?#":
            # SECURITY: ".evil.example" or "@evil.example" would be another host.
            uri = "/" + uri
        return f"{scheme}://{host}{uri}"

    # -- times

    @lazy
    def start_time(self) -> float:
        """When the request came, in seconds since the epoch."""
        started = self._environ.get("REQUEST_STARTTIME")
        return time() if started is None else started

    @lazy
    def end_time(self) -> float:
        """When this attribute was read first, in seconds since the epoch."""
        return time()

    # -- helpers

    @deprecated("use Application.get_options")
    def get_options(self) -> dict[str, str]:
        """Return the ``app_*`` variables.

        .. deprecated:: 2.2
           Use `Application.get_options`.
        """
        return options_of(self.poor_environ)

    def error_log(self, message: object, *_: object) -> None:
        """Log a message as an error."""
        log.error("%s", message)

    log_error = error_log


def decode_path(path: str) -> str:
    """Return the text of a PATH_INFO, which is UTF-8 in the shape of latin-1.

    :raises HTTPException: 400 if it is not UTF-8
    """
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeError:
        log.warning("PATH_INFO is not UTF-8: %r", path)
        raise HTTPException(
            HTTP_BAD_REQUEST, error="Invalid PATH_INFO encoding"
        ) from None


def content_length_of(environ: dict[str, Any]) -> int:
    """Return the announced size of a body, -1 if there is none.

    :raises HTTPException: 400 if it is no number
    """
    text = environ.get("CONTENT_LENGTH") or environ.get("HTTP_CONTENT_LENGTH")
    if not text:
        return -1
    if type(text) is str:
        # PERF: most forms are short; a look-up instead of int(), 1,300 instructions.
        size = _SIZES.get(text)
        if size is not None:
            return size
        if text.isdigit() and text.isascii() and len(text) < 19:
            return int(text)  # PERF: nearly always; 400 of 5,200 instructions
    # RFC 9110, 8.6:  Content-Length = 1*DIGIT
    digits = str(text).strip(" \t")
    if not digits:
        return -1
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise HTTPException(HTTP_BAD_REQUEST, error="Invalid Content-Length")
    return int(digits)


def _is_absolute(uri: str) -> bool:
    """Return True for a URL with a scheme (RFC 3986, 3.1)."""
    scheme, separator, _ = uri.partition("://")
    return bool(separator) and scheme.replace("+", "").isalnum()


class Request(SimpleRequest):
    """One HTTP request. Everything is read from it when it is asked for.

    :raises ConnectionError: if the server gave no path
    """

    #: For the application: who is logged in.
    user: Any = None
    #: For the application: what an API description made of the request.
    api: Any = None
    #: For the application: a database connection, or the like.
    db: Any = None

    _path_args: dict[str, Any] | None = None
    #: What the router found; `path_args` is made of it when it is read.
    _endpoint: Endpoint | None = None
    _values: Any = ()
    _match: Any = None
    _opened: Body | None = None
    _form: Any = None
    _args: Any = None

    def __init__(self, environ: dict[str, Any], app: Application):
        # PERF: repeats the two lines of SimpleRequest; super() is 0.1 us.
        self._environ = environ
        self.app = app
        # PERF: `in` and [] are a third of get().
        if "PATH_INFO" not in environ or environ["PATH_INFO"] is None:
            raise ConnectionError(NO_PATH)

    # -- headers

    @lazy
    def headers(self) -> Headers:
        """Headers of the request, by any spelling of their names."""
        pairs = {}
        for key, value in self._environ.items():
            if key.startswith("HTTP_"):
                pairs[key[5:].replace("_", "-").title()] = value
        for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if self._environ.get(key):
                pairs[key.replace("_", "-").title()] = self._environ[key]
        return Headers.wrap(list(pairs.items()), strict=False)

    @lazy
    def headers_in(self) -> Headers:
        """The name of `headers` in mod_python."""
        return self.headers

    @lazy
    def _content_type(self) -> tuple[str, dict[str, str]]:
        """Media type in lower case, and its parameters."""
        environ = self._environ
        line = environ.get("CONTENT_TYPE") or environ.get("HTTP_CONTENT_TYPE") or ""
        if line in _PLAIN_TYPES:
            return line, {}
        if ";" not in line:
            return line.strip().lower(), {}
        # PERF: as clients send files: 13,000 -> 3,000 instructions.
        media_type, _, boundary = line.partition("; boundary=")
        if media_type == "multipart/form-data" and boundary.replace("-", "").isalnum():
            return media_type, {"boundary": boundary}
        media_type, params = parse_header(line)
        return media_type.lower(), params

    @property
    def mime_type(self) -> str:
        """Media type of the body, without parameters."""
        return self._content_type[0]

    @property
    def charset(self) -> str:
        """Charset of the body; utf-8 if it is not named."""
        return self._content_type[1].get("charset", "utf-8")

    @lazy
    def content_length(self) -> int:
        """Announced size of the body in bytes, -1 if it was not announced.

        :raises HTTPException: 400 if it is no number
        """
        return content_length_of(self._environ)

    @lazy
    def accept(self) -> tuple[tuple[str, float], ...]:
        """Media types the client takes, with their quality."""
        return self._negotiated("HTTP_ACCEPT")

    @lazy
    def accept_charset(self) -> tuple[tuple[str, float], ...]:
        """Charsets the client takes, with their quality."""
        return self._negotiated("HTTP_ACCEPT_CHARSET")

    @lazy
    def accept_encoding(self) -> tuple[tuple[str, float], ...]:
        """Content codings the client takes, with their quality."""
        return self._negotiated("HTTP_ACCEPT_ENCODING")

    @lazy
    def accept_language(self) -> tuple[tuple[str, float], ...]:
        """Languages the client takes, with their quality."""
        return self._negotiated("HTTP_ACCEPT_LANGUAGE")

    def _negotiated(self, key: str) -> tuple[tuple[str, float], ...]:
        value = self._environ.get(key)
        return tuple(parse_negotiation(value)) if value else ()

    def _accepts(self, media_type: str) -> bool:
        return any(value == media_type for value, _ in self.accept)

    @property
    def accept_html(self) -> bool:
        """True if text/html is named in Accept."""
        return self._accepts("text/html")

    @property
    def accept_xhtml(self) -> bool:
        """True if text/xhtml is named in Accept."""
        return self._accepts("text/xhtml")

    @property
    def accept_json(self) -> bool:
        """True if application/json is named in Accept."""
        return self._accepts("application/json")

    @lazy
    def _authorization(self) -> dict[str, str]:
        return parse_authorization(self._environ.get("HTTP_AUTHORIZATION") or "")

    @property
    def authorization(self) -> dict[str, str]:
        """Parameters of Authorization; `type` is the scheme, capitalized."""
        return self._authorization.copy()

    @property
    def is_xhr(self) -> bool:
        """True if a script says that it asks (X-Requested-With)."""
        return bool(self._environ.get("HTTP_X_REQUESTED_WITH") == "XMLHttpRequest")

    # -- routing

    @property
    def path_args(self) -> dict[str, Any]:
        """Values of the groups in the rule, by name; can be set once."""
        if self._path_args is None:
            endpoint = self._endpoint
            self._path_args = (
                endpoint.arguments(self._values, self._match) if endpoint else {}
            )
        return self._path_args.copy()

    @path_args.setter
    def path_args(self, value: dict[str, Any]) -> None:
        if self._path_args is None and self._endpoint is None:
            self._path_args = value

    @lazy  # COMPAT: PoorWSGI 2.8 has no such name, so applications may set theirs
    def groups(self) -> dict[str, Any]:
        """The older name of `path_args`."""
        return self.path_args

    # -- query and cookies

    @property
    def args(self) -> Any:
        """Arguments of the query string; an EmptyForm if auto_args is off.

        :raises HTTPException: 400 if it is malformed and strict_parsing is on,
            or has more than max_args
        """
        args = self._args
        if args is None:
            args = self._args = self._parsed_args()
        return args

    @args.setter
    def args(self, value: Any) -> None:
        if isinstance(self.args, EmptyForm):
            self._args = value

    def _parsed_args(self) -> Args | EmptyForm:
        is_on, max_args, keep_blank_values, strict_parsing = _args_options(self.app)
        if not is_on:
            return EmptyForm()
        query: str = self._environ.get("QUERY_STRING", "").strip()
        if max_args is not None and query.count("&") >= max_args:
            log.warning("More arguments than max_args (%d)", max_args)
            raise HTTPException(HTTP_BAD_REQUEST, error="Too many arguments")
        args = _new_args(Args)
        try:
            args.update(parse_query(query, keep_blank_values, strict_parsing))
        except ValueError as err:
            raise HTTPException(HTTP_BAD_REQUEST, error=err) from err
        return args

    cookies = lazy_cookies()

    # -- body

    @property
    def is_body_request(self) -> bool:
        """True if a body was announced by its length."""
        return self.content_length > 0

    @property
    def is_chunked(self) -> bool:
        """True if the body comes in chunks (RFC 9112, 7.1)."""
        coding: str = self._environ.get("HTTP_TRANSFER_ENCODING") or ""
        return coding.split(",")[-1].strip(" \t").lower() == "chunked"

    @property
    def is_chunked_request(self) -> bool:
        """The old name of `is_chunked`.

        .. deprecated:: 2.6
           Use `is_chunked`.
        """
        warn(
            "Call to deprecated is_chunked_request, use is_chunked",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.is_chunked

    @property
    def _body(self) -> Body:
        """The owner of the input stream."""
        body = self._opened
        if body is None:
            environ = self._environ
            charset = "utf-8"
            # PERF: no lazy attribute for a type that says it all, 2,900 instructions.
            media_type = environ.get("CONTENT_TYPE")
            if not media_type or media_type not in _PLAIN_TYPES:
                media_type, parameters = self._content_type
                charset = parameters.get("charset", charset)
            body = self._opened = Body(
                environ,
                self.app,  # pyright: ignore[reportArgumentType]  # reads no options
                self.content_length,
                media_type,
                charset,
            )
        return body

    @property
    def form(self) -> Any:
        """Fields of a form; an EmptyForm if the body is none.

        :raises HTTPException: 400, 408 or 413 if it can not be parsed
        """
        if self._form is None:
            form = None
            if self._environ.get("REQUEST_METHOD") not in _BODILESS:
                try:
                    form = self._body.form()
                except BodyError as err:
                    raise HTTPException(err.status_code, error=err) from err
            self._form = EmptyForm() if form is None else form
        return self._form

    @form.setter
    def form(self, value: Any) -> None:
        if self._form is None or isinstance(self._form, EmptyForm):
            self._form = value

    @property
    def json(self) -> Any:
        """Value of a JSON body; an EmptyForm if the body is none.

        :raises HTTPException: 400, 408 or 413 if it can not be parsed
        """
        return self._json

    @lazy
    def _json(self) -> Any:
        if self._environ.get("REQUEST_METHOD") in _BODILESS:
            return EmptyForm()
        try:
            value = self._body.json()
        except BodyError as err:
            raise HTTPException(err.status_code, error=err) from err
        return EmptyForm() if value is NOT_JSON else json_value(value)

    @property
    def data(self) -> bytes | None:
        """The whole body where it is in memory, else None.

        It is up to `data_size` bytes and `auto_data` is on.

        :raises HTTPException: 400, 408 or 413 if it can not be read
        """
        with _answered():
            return self._body.data

    @property
    def input(self) -> Any:
        """The body as a file, which never reads past its end."""
        with _answered():
            return self._body.input

    def read(self, length: int = -1) -> bytes:
        """Return up to *length* bytes of the body, the rest if negative.

        :raises HTTPException: 400, 408 or 413 if it can not be read
        """
        with _answered():
            return self._body.read(length)

    def read_chunk(self) -> bytes:
        """Return the next chunk of a chunked body, empty after the last one.

        :raises ValueError: if the chunk is malformed (RFC 9112, 7.1)
        """
        return self._body.read_chunk()

    def parts(self) -> Iterator[BodyPart]:
        """Yield the parts of a multipart body as they arrive.

        :raises HTTPException: 400, 408 or 413 if it can not be read
        """
        with _answered():
            yield from self._body.parts()

    def json_lines(self) -> Iterator[Any]:
        """Yield the value of each line of an NDJSON body as it arrives.

        No line may be longer than `max_json_size`.

        :raises HTTPException: 400, 408 or 413 if it can not be read

        .. versionadded:: 3.0
        """
        with _answered():
            yield from self._body.json_lines()

    def json_sequence(self) -> Iterator[Any]:
        """Yield the values of a JSON text sequence (RFC 7464) as they arrive.

        :raises HTTPException: 400, 408 or 413 if it can not be read

        .. versionadded:: 3.0
        """
        with _answered():
            yield from self._body.json_sequence()

    # -- what the walk asks before any hook runs

    def check_head(self) -> None:
        """Refuse what request line and headers show to be wrong.

        :raises HTTPException: 400, 413 or 431
        """
        environ = self._environ
        if environ.get("CONTENT_LENGTH") or "HTTP_CONTENT_LENGTH" in environ:
            # PERF: as the lazy attribute does, by 1,500 instructions less.
            length = content_length_of(environ)
            self.__dict__["content_length"] = length
            if length >= 0 and environ.get("HTTP_TRANSFER_ENCODING"):
                # RFC 9112, 6.3: the way to smuggle a request past a proxy.
                raise HTTPException(
                    HTTP_BAD_REQUEST, error="Content-Length with Transfer-Encoding"
                )
            # PERF: an option is a descriptor; this is the value below it.
            limit = self.app._max_body_size  # type: ignore[attr-defined]
            if limit is not None and length > limit:
                log.warning("Body of %d bytes is over max_body_size", length)
                raise HTTPException(413, error="The body is too large")
        cookie = environ.get("HTTP_COOKIE")
        if not cookie:
            return
        limit = self.app._max_cookie_size  # type: ignore[attr-defined]
        if limit is not None and len(cookie) > limit:
            log.warning("Cookie of %d bytes is over max_cookie_size", len(cookie))
            raise HTTPException(
                HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                error="The Cookie header is too large",
            )


class _answered:  # noqa: N801 - reads as a block
    """Turns errors of the body to the HTTP answers they ask for.

    PERF: a class, since contextlib's generators cost 0.5 us more.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, BodyError):
            raise HTTPException(error.status_code, error=error) from error


# -- what forms and JSON look like -----------------------------------------


class EmptyForm(dict[str, Any], FieldStorageInterface):
    """A form without fields: what there is when nothing was parsed."""

    def getvalue(self, key: str, default: Any = None, func: Any = None) -> Any:
        """Return *default*."""
        return default

    def getfirst(
        self, key: str, default: Any = None, func: Any = None, fce: Any = None
    ) -> Any:
        """Return *default*."""
        _warn_fce(fce)
        return default

    def getlist(
        self, key: str, default: Any = None, func: Any = None, fce: Any = None
    ) -> Any:
        """Return *default*, or an empty list."""
        _warn_fce(fce)
        return default or []


class Args(dict[str, Any], FieldStorageInterface):
    """Arguments of a query string; a value is a str, or a list if repeated.

    :raises ValueError: for a malformed query, if *strict_parsing*
    """

    def __init__(self, req: Any, keep_blank_values: int = 0, strict_parsing: int = 0):
        query = req.query
        if query:
            self.update(parse_query(query, keep_blank_values, strict_parsing))


#: PERF: `Request.args` fills them itself, 2,000 of 25,000 instructions.
_new_args: Callable[[type[Args]], Args] = Args.__new__


class JsonDict(dict[str, Any], FieldStorageInterface):
    """A JSON object with the methods of a form."""

    def getvalue(self, key: str, default: Any = None, func: Any = None) -> Any:
        """Return the value as it is, a list as a whole."""
        if key not in self:
            return default
        return func(self[key]) if func else self[key]


class JsonList(list[Any]):
    """A JSON array with the methods of a form; keys are ignored."""

    def getvalue(self, key: Any = None, default: Any = None, func: Any = None) -> Any:
        """Return the first item."""
        return self.getfirst(key, default, func)

    def getfirst(
        self, key: Any = None, default: Any = None, func: Any = None, fce: Any = None
    ) -> Any:
        """Return the first item."""
        func = _warn_fce(fce) or func
        if not self:
            return default
        return func(self[0]) if func else self[0]

    def getlist(
        self, key: Any = None, default: Any = None, func: Any = None, fce: Any = None
    ) -> Any:
        """Return all items."""
        func = _warn_fce(fce) or func
        if not self:
            return default or []
        return [func(item) for item in self] if func else list(self)


def _warn_fce(fce: Any) -> Any:
    """Return *fce*, the old spelling of *func*, with a warning if it is used."""
    if fce:
        warn(
            "Using deprecated fce argument, use func", DeprecationWarning, stacklevel=3
        )
    return fce


def json_value(value: Any) -> Any:
    """Return objects and arrays as the types of `Request.json`."""
    if type(value) is dict:
        return JsonDict(value)
    if type(value) is list:
        return JsonList(value)
    return value


def parse_json_request(raw: bytes, charset: str = "utf-8") -> Any:
    """Return the value of a JSON text.

    :raises HTTPException: 400 with the exception as `error`
    """
    try:
        return json_value(loads_json(raw, charset))
    except Exception as err:
        log.error("Invalid JSON request: %r", err)
        raise HTTPException(HTTP_BAD_REQUEST, error=err) from err


@deprecated("use FieldStorageParser")
def FieldStorage(  # noqa: N802 - the name of the API
    req: Request,
    headers: object = None,
    keep_blank_values: int = 0,
    strict_parsing: int = 0,
    encoding: str = "utf-8",
    errors: str = "replace",
    max_num_fields: int | None = None,
    separator: str = "&",
    file_callback: Callable[[str], Any] | None = None,
) -> _FieldStorage:
    """Return the form in the body of a request.

    .. deprecated:: 2.6
       Use `poorwsgi.fieldstorage.FieldStorageParser`.
    """
    return FieldStorageParser(
        req.input,
        req.headers,
        keep_blank_values=keep_blank_values,
        strict_parsing=strict_parsing,
        encoding=encoding,
        errors=errors,
        max_num_fields=max_num_fields,
        separator=separator,
        file_callback=file_callback,
    ).parse()


def __getattr__(name: str) -> Any:
    """Make the regular expressions that PoorWSGI 2.8 had here, on first use.

    COMPAT: nothing of ours uses them.
    """
    patterns = {
        "RE_HTTPURLPATTERN": r"https?://",
        "RE_AUTHORIZATION": r'(\w+\*?)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)',
    }
    if name not in patterns:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import re

    globals()[name] = value = re.compile(patterns[name])
    return value
