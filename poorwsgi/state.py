"""Constants of the house: version, HTTP statuses, method bits, body errors.

Nothing here does anything. Every other module may import this one, and this
one imports none of them, so it is also the place for what two modules share
without knowing each other: the error classes of request bodies.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING
from warnings import warn

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__author__ = "the poorwsgi developers"
__date__ = "22 Nov 2026"
__version__ = "3.0.0.dev0"

DECLINED = 0

HTTP_CONTINUE = 100
HTTP_SWITCHING_PROTOCOLS = 101
HTTP_PROCESSING = 102
HTTP_OK = 200
HTTP_CREATED = 201
HTTP_ACCEPTED = 202
HTTP_NON_AUTHORITATIVE = 203
HTTP_NO_CONTENT = 204
HTTP_RESET_CONTENT = 205
HTTP_PARTIAL_CONTENT = 206
HTTP_MULTI_STATUS = 207
HTTP_ALREADY_REPORTED = 208
HTTP_IM_USED = 226
HTTP_MULTIPLE_CHOICES = 300
HTTP_MOVED_PERMANENTLY = 301
HTTP_MOVED_TEMPORARILY = 302
HTTP_FOUND = 302
HTTP_SEE_OTHER = 303
HTTP_NOT_MODIFIED = 304
HTTP_USE_PROXY = 305
HTTP_TEMPORARY_REDIRECT = 307
HTTP_PERMANENT_REDIRECT = 308
HTTP_BAD_REQUEST = 400
HTTP_UNAUTHORIZED = 401
HTTP_PAYMENT_REQUIRED = 402
HTTP_FORBIDDEN = 403
HTTP_NOT_FOUND = 404
HTTP_METHOD_NOT_ALLOWED = 405
HTTP_NOT_ACCEPTABLE = 406
HTTP_PROXY_AUTHENTICATION_REQUIRED = 407
HTTP_REQUEST_TIME_OUT = 408
HTTP_CONFLICT = 409
HTTP_GONE = 410
HTTP_LENGTH_REQUIRED = 411
HTTP_PRECONDITION_FAILED = 412
HTTP_REQUEST_ENTITY_TOO_LARGE = 413
HTTP_REQUEST_URI_TOO_LARGE = 414
HTTP_UNSUPPORTED_MEDIA_TYPE = 415
HTTP_RANGE_NOT_SATISFIABLE = 416
HTTP_EXPECTATION_FAILED = 417
HTTP_I_AM_A_TEAPOT = 418
HTTP_MISDIRECTED_REQUEST = 421
HTTP_UNPROCESSABLE_ENTITY = 422
HTTP_LOCKED = 423
HTTP_FAILED_DEPENDENCY = 424
HTTP_UPGRADE_REQUIRED = 426
HTTP_PRECONDITION_REQUIRED = 428
HTTP_TOO_MANY_REQUESTS = 429
HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE = 431
HTTP_CONNECTION_CLOSED_WITHOUT_RESPONSE = 444
HTTP_UNAVAILABLE_FOR_LEGAL_REASONS = 451
HTTP_CLIENT_CLOSED_REQUEST = 499
HTTP_INTERNAL_SERVER_ERROR = 500
HTTP_NOT_IMPLEMENTED = 501
HTTP_BAD_GATEWAY = 502
HTTP_SERVICE_UNAVAILABLE = 503
HTTP_GATEWAY_TIME_OUT = 504
HTTP_VERSION_NOT_SUPPORTED = 505
HTTP_VARIANT_ALSO_VARIES = 506
HTTP_INSUFFICIENT_STORAGE = 507
HTTP_LOOP_DETECTED = 508
HTTP_NOT_EXTENDED = 510
HTTP_NETWORK_AUTHENTICATION_REQUIRED = 511
HTTP_NETWORK_CONNECT_TIMEOUT_ERROR = 599

#: Reason phrase of each status above. `http.client.responses` would cost
#: 24 ms of import and lacks some of them.
REASONS: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    208: "Already Reported",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm a teapot",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    444: "Connection Closed Without Response",
    451: "Unavailable For Legal Reasons",
    499: "Client Closed Request",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
    599: "Network Connect Timeout Error",
}

METHOD_HEAD = 1
METHOD_GET = 2
METHOD_POST = 4
METHOD_PUT = 8
METHOD_DELETE = 16
METHOD_TRACE = 32
METHOD_OPTIONS = 64
METHOD_CONNECT = 128
METHOD_PATCH = 256

METHOD_GET_POST = METHOD_HEAD | METHOD_GET | METHOD_POST
METHOD_ALL = 511

#: Upper-case method name to its bit.
methods: dict[str, int] = {
    "HEAD": METHOD_HEAD,
    "GET": METHOD_GET,
    "POST": METHOD_POST,
    "PUT": METHOD_PUT,
    "DELETE": METHOD_DELETE,
    "TRACE": METHOD_TRACE,
    "OPTIONS": METHOD_OPTIONS,
    "CONNECT": METHOD_CONNECT,
    "PATCH": METHOD_PATCH,
}

sorted_methods: list[tuple[str, int]] = sorted(
    methods.items(), key=lambda item: item[1]
)


class BodyError(ValueError):
    """The body is not what its Content-Type or Content-Length says."""

    status_code = HTTP_BAD_REQUEST


class BodyTooLargeError(BodyError):
    """A limit set on the application was reached."""

    status_code = HTTP_REQUEST_ENTITY_TOO_LARGE


class BodyTimeoutError(BodyError, TimeoutError):
    """The client sent no byte, or too few of them, for too long."""

    status_code = HTTP_REQUEST_TIME_OUT


def deprecated(reason: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that warns with *reason* at each call of a function."""

    def decorate(fun: Callable[P, R]) -> Callable[P, R]:
        @wraps(fun)
        def warned(*args: P.args, **kwargs: P.kwargs) -> R:
            warn(
                f"Call to deprecated {fun.__name__} {reason}",
                DeprecationWarning,
                stacklevel=2,
            )
            return fun(*args, **kwargs)

        return warned

    return decorate
