"""Typed responses, and what a handler's return value becomes.

A response knows its status, headers and body, and how to tell them to a WSGI
server, once. It knows nothing of requests: what depends on one (HEAD, the
server's file wrapper, errors) is decided in wsgi.

`BaseResponse` knows the wire; each class below it differs in one thing.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from io import BytesIO, TextIOBase
from json import dumps as _json_dumps
from json import encoder as _json_encoder
from types import GeneratorType
from typing import TYPE_CHECKING, Any, NoReturn
from warnings import warn

from poorwsgi.blocks import (
    BegunBlocks,
    FileBody,
    close_body,
    closing_blocks,
    cut_blocks,
    encoded_blocks,
    is_closed,
    position_and_size,
    seekable,
    started,
)
from poorwsgi.headers import (
    COMMON_NAMES,
    Headers,
    check_header,
    datetime_to_http,
    time_to_http,
)
from poorwsgi.state import (
    DECLINED,
    HTTP_FOUND,
    HTTP_MOVED_PERMANENTLY,
    HTTP_NO_CONTENT,
    HTTP_NOT_MODIFIED,
    HTTP_OK,
    HTTP_PARTIAL_CONTENT,
    HTTP_RANGE_NOT_SATISFIABLE,
    HTTP_RESET_CONTENT,
    REASONS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from typing import BinaryIO, TypeAlias, Unpack
    from wsgiref.types import StartResponse

    from poorwsgi.cookies import CookieAttributes

    HeaderPairs: TypeAlias = (
        list[tuple[str, str]] | tuple[tuple[str, str], ...] | set[tuple[str, str]]
    )
    HeadersLike: TypeAlias = Headers | HeaderPairs | dict[str, str] | None
    Range: TypeAlias = tuple[int | None, int | None]
    Answer: TypeAlias = tuple[str, list[tuple[str, str]], bytes]

log = logging.getLogger("poorwsgi")


HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
POWERED_BY: tuple[str, str] = ("X-Powered-By", "Poor WSGI for Python")
CONTENT_TYPE_HTML = ("Content-Type", HTML)
CONTENT_TYPE_JSON = ("Content-Type", JSON)

STATUS_LINES = {code: f"{code} {reason}" for code, reason in REASONS.items()}

#: Header fields that describe a body, which a 304 does not have.
NOT_MODIFIED_DENY = {
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-MD5",
    "Content-Range",
    "Content-Type",
}
#: A 304 should have at least one of these, RFC 9110 section 15.4.5.
NOT_MODIFIED_ONE_OF_REQUIRED = {"Content-Location", "Date", "ETag", "Vary"}

_NOT_MODIFIED_DENY = {name.lower() for name in NOT_MODIFIED_DENY}
_NOT_MODIFIED_REQUIRED = {name.lower() for name in NOT_MODIFIED_ONE_OF_REQUIRED}
_NO_CONTENT_DENY = {"content-type", "content-length"}
_BODILESS = frozenset((HTTP_NO_CONTENT, HTTP_RESET_CONTENT, HTTP_NOT_MODIFIED))
#: Names that a list without a table may hold, see `is_plain_header`.
_PLAIN_NAMES = COMMON_NAMES - {"Content-Type", "Content-Length"}


class ArgumentError(TypeError, AssertionError):
    """A response was made of something unusable.

    COMPAT: also an AssertionError, which is what PoorWSGI 2.8 raised.
    """


class ResponseError(RuntimeError):
    """A handler returned something no response can be made of.

    Notes of the exception say what, and which handler of which rule.
    """

    def blame(self, kind: str, fun: object, rule: str | None = None) -> None:
        """Note whose value it was, once."""
        if self._is_blamed:
            return
        self._is_blamed = True
        # Only needed where something is wrong.
        from poorwsgi.signature import name_of, where

        of_rule = f" of the rule {rule!r}" if rule else ""
        self.add_note(f"It came from the {kind} {name_of(fun)!r}{where(fun)}{of_rule}")

    _is_blamed = False


class IBytesIO(BytesIO):
    """A BytesIO that iterates over blocks of 1 kB, not over lines."""

    def read_kilo(self) -> bytes:
        """Return up to 1024 bytes."""
        return self.read(1024)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read_kilo, b"")


# -- JSON ------------------------------------------------------------------


def json_default(value: object) -> object:
    """Return what JSON can say of a dataclass; other objects are a TypeError."""
    if not hasattr(type(value), "__dataclass_fields__"):
        raise TypeError(
            f"Object of type {type(value).__name__} is not JSON serializable"
        )
    # Loaded already by whoever made the class. That table has ClassVar and InitVar
    # as well, which are no fields.
    from dataclasses import fields

    return {field.name: getattr(value, field.name) for field in fields(value)}  # type: ignore[arg-type]


def _make_json_encoder() -> Callable[[Any, int], Iterable[str]] | None:
    """Return the C encoder of the standard library, set up once."""
    make = getattr(_json_encoder, "c_make_encoder", None)
    text = getattr(_json_encoder, "encode_basestring_ascii", None)
    if make is None or text is None:
        return None
    try:
        encode: Callable[[Any, int], Iterable[str]] = make(
            None, json_default, text, None, ": ", ", ", False, False, True
        )
        return encode if "".join(encode([{"a": 1}], 0)) == '[{"a": 1}]' else None
    except TypeError:  # a Python whose encoder is made another way
        return None


_encode = _make_json_encoder()


def encode_json(value: object) -> bytes:
    """Return *value* as JSON in ASCII; dataclasses are objects.

    PERF: json.dumps() sets up its encoder anew in each call, 1.0 of its 2.0 us
    for a small dict. Without the marker table that finds circles, an encoder
    has no state and all threads can share it; a circle is a RecursionError.
    """
    if _encode is None:
        return _json_dumps(value, default=json_default).encode()
    return "".join(_encode(value, 0)).encode()


# -- the wire --------------------------------------------------------------


def header_pairs(headers: HeadersLike) -> list[tuple[str, str]] | Headers:
    """Return what a response keeps: the default list, or checked headers.

    A `Headers` object is kept by reference; a pair of two strings alone is one
    header.
    """
    if headers is None:
        return [POWERED_BY]
    if isinstance(headers, Headers):
        return headers
    if isinstance(headers, tuple) and len(headers) == 2 and _is_header(headers):
        headers = [headers]  # type: ignore[list-item]
    return Headers(headers)


def _is_header(pair: tuple[object, ...]) -> bool:
    return isinstance(pair[0], str) and isinstance(pair[1], str)


#: Values of Content-Type that were checked, a bounded number of them.
_GOOD_TYPES = {HTML, JSON}


def check_type(content_type: str) -> str:
    """Return a Content-Type as WSGI has it; ValueError for what must not be one.

    PERF: an application has few of them; 400 instructions, not 1,700.
    """
    if content_type in _GOOD_TYPES:
        return content_type
    if not (isinstance(content_type, str) and content_type.isascii()):
        content_type = Headers.iso88591(content_type)
    check_header("Content-Type", content_type)
    if len(_GOOD_TYPES) < 256 and content_type.isascii():
        _GOOD_TYPES.add(content_type)
    return content_type


def is_plain_header(name: str, value: str) -> bool:
    """Return whether a list without a table may hold a header; errors are raised.

    It holds neither Content-Type nor Content-Length, and nothing to be encoded.
    """
    if type(name) is not str or not name.isascii() or name[:1] in "Cc":
        return False
    check_header(name, value)
    return True


def content_type_with(charset: str | None, media_type: str) -> str:
    """Return a Content-Type; without parameter where there is no charset."""
    return f"{media_type}; charset={charset}" if charset else media_type


def _cookie_field(*args: Any) -> tuple[str, str]:
    # PERF: puts the real one in its own place, since an import statement that
    # finds the module loaded costs twice as much as rendering a cookie.
    global _cookie_field
    from poorwsgi.cookies import (  # http.cookies
        cookie_field as _cookie_field,  # pyright: ignore[reportAssignmentType]
    )

    return _cookie_field(*args)


def share_keys(kind: Any, *names: str) -> None:
    """Let a class know early which attributes its instances will have.

    PERF: instances need no dictionary of their own as long as their attributes
    were set in one of the first thirty. Without this a request with hooks takes
    29,400 instructions, not 23,900, in an application that had others before.
    """
    if kind.__new__ is object.__new__ and not hasattr(kind, "__del__"):
        first: Any = object.__new__(kind)
        for name in names:
            if not hasattr(type(getattr(kind, name, None)), "__set__"):
                object.__setattr__(first, name, None)


class BaseResponse:
    """Status, headers and ranges of every response; the body is empty.

    :param content_type: used if `headers` has no Content-Type
    :param headers: anything `Headers` takes; a `Headers` object is used by
        reference; None stands for the default header, ``()`` for none
    """

    _ranges: tuple[Range, ...] = ()
    _units = "bytes"
    #: First and last byte to send, decided when the headers are.
    _slice: tuple[int, int] | None = None
    _used = False
    #: True if the answer is made by no code but that of `Response`.
    _is_plain = False
    #: Set when the server has been given the headers: what fails later is its.
    _told = False
    #: Set before the call when nobody will read the body.
    _head = False
    _content_length = 0
    _status_code: int = HTTP_OK

    def __init__(
        self,
        content_type: str = "",
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        if not isinstance(content_type, str):
            raise ArgumentError(f"content_type must be str, not {content_type!r}")
        if content_type not in _GOOD_TYPES:
            check_type(content_type)
        self.content_type = content_type
        #: A plain list, as long as nobody has read `headers`, holds neither
        #: Content-Type nor Content-Length, and belongs to this response alone.
        self._headers = header_pairs(headers)
        if status_code != HTTP_OK or type(status_code) is not int:
            self.status_code = status_code

    # -- status and headers

    @property
    def status_code(self) -> int:
        """HTTP status; setting one that is none raises ValueError."""
        return self._status_code

    @status_code.setter
    def status_code(self, value: int) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ArgumentError(f"status_code must be int, not {value!r}")
        if value not in REASONS:
            raise ValueError(f"Bad response status {value}")
        if self._ranges and value not in (HTTP_OK, HTTP_PARTIAL_CONTENT):
            log.warning("Status %d can not be partial, ranges are dropped", value)
            self._ranges = ()
            del self.headers["Accept-Ranges"]
        self._status_code = int(value)

    @property
    def reason(self) -> str:
        """Reason phrase of the status."""
        return REASONS[self._status_code]

    @property
    def headers(self) -> Headers:
        """Headers of the response, which may change until it is sent."""
        headers = self._headers
        if type(headers) is list:
            headers = self._headers = Headers.wrap(headers)
        return headers  # type: ignore[return-value]

    @headers.setter
    def headers(self, value: Headers | HeaderPairs | dict[str, str]) -> None:
        self._headers = value if isinstance(value, Headers) else Headers(value)

    def add_header(self, name: str, value: Any = None, **kwargs: str | None) -> None:
        """Append a header; keywords are its parameters. See `Headers.add_header`."""
        pairs = self._headers
        # PERF: no table of headers; 2,300 instructions for well known names, not 7,500.
        if (
            not kwargs
            and type(pairs) is list
            and type(value) is str
            and value.isascii()
            and (
                (name in _PLAIN_NAMES and value.isprintable())
                or is_plain_header(name, value)
            )
        ):
            pairs.append((name, value))
        else:
            self.headers.add_header(name, value, **kwargs)

    def set_cookie(
        self, name: str, value: str = "", **attributes: Unpack[CookieAttributes]
    ) -> None:
        """Add a cookie: for the whole site, HttpOnly and SameSite=Lax by default.

        Attributes are those of `poorwsgi.cookies.render_cookie`.

        .. versionadded:: 3.0

        :raises ValueError: a browser would refuse the cookie, or read another one.
        :raises TypeError: *value* is no text.
        """
        field = _cookie_field(name, value, attributes)
        if type(self._headers) is list:
            self._headers.append(field)  # PERF: checked already
        else:
            self.add_header(*field)

    def delete_cookie(self, name: str, **attributes: Unpack[CookieAttributes]) -> None:
        """Make the browser forget a cookie, set with the same *attributes*.

        .. versionadded:: 3.0
        """
        attributes |= {"max_age": 0, "expires": -86400}
        self.set_cookie(name, **attributes)

    # -- body

    @property
    def content_length(self) -> int:
        """Size of the body in bytes; 0 if it has none or nobody knows."""
        return self._content_length

    @property
    def data(self) -> bytes:
        """The body, where it is at hand."""
        return b""

    def _size(self) -> int | None:
        """Return the size of the whole body, None if nobody knows."""
        if self._content_length:
            return self._content_length
        is_empty = type(self).__end_of_response__ is BaseResponse.__end_of_response__
        return 0 if is_empty else None

    # -- ranges

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Ranges asked for, as pairs of the first and last position."""
        return self._ranges

    def make_partial(
        self, ranges: Iterable[Range] | Range | None = None, units: str = "bytes"
    ) -> None:
        """Let the response be cut to the first of *ranges* when it is sent.

        ``(None, n)`` are the last n bytes, ``(n, None)`` all from n on. Without
        ranges it is only announced that there could be some. A range outside of
        the body is answered 416 (RFC 9110, section 14).
        """
        if self._status_code != HTTP_OK:
            log.warning("Only a response of status 200 can be made partial")
            return
        self.headers["Accept-Ranges"] = units
        self._units = units
        self._ranges = usable_ranges(ranges)

    def make_range(
        self, ranges: Iterable[Range] | Range, units: str = "bytes", full: Any = "*"
    ) -> None:
        """Say with Content-Range which part of the whole this body is.

        The body is not cut: it is the part already. *full* is the size of the
        whole in *units*.
        """
        if self._status_code != HTTP_PARTIAL_CONTENT:
            log.warning("Only a response of status 206 can have a Content-Range")
            return
        complete = []
        for start, end in as_pairs(ranges):
            if start is None or end is None:
                log.warning("Only a full range can be sent, not (%s, %s)", start, end)
            elif end < start:
                log.warning("Inconsistent range (%s, %s)", start, end)
            else:
                complete.append((start, end))
        if len(complete) > 1:
            log.warning("Only one range can be sent, the first is")
        if complete:
            self._ranges = tuple(complete)
            self._units = units
            start, end = complete[0]
            self.headers["Content-Range"] = f"{units} {start}-{end}/{full}"

    def _cut(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Turn status and headers to those of the first range, or raise 416."""
        if self._units != "bytes":
            log.warning("Ranges of %r are not known, all is sent", self._units)
            return pairs
        size = self._size()
        span = span_of(self._ranges[0], size) if size else None
        if span is None:
            raise HTTPException(range_not_satisfiable(size, pairs))
        self._slice = span
        self._status_code = HTTP_PARTIAL_CONTENT
        pairs = without(pairs, ("accept-ranges", "content-length", "content-range"))
        start, end = span
        pairs.append(("Content-Range", f"bytes {start}-{end}/{size}"))
        pairs.append(("Content-Length", str(end - start + 1)))
        return pairs

    # -- sending

    def _complete(self) -> list[tuple[str, str]]:
        """Return the header list for the server, always a new one.

        What the user gave is left as it is, since it may be shared by responses;
        `headers` shows the completed list from now on.
        """
        headers = self._headers
        pairs = list(headers if type(headers) is list else headers._pairs)  # type: ignore[union-attr]
        status = self._status_code
        if status == HTTP_NOT_MODIFIED:
            pairs = not_modified_pairs(pairs)
        elif status == HTTP_NO_CONTENT or status < HTTP_OK:
            pairs = without(pairs, _NO_CONTENT_DENY)
        elif status == HTTP_RESET_CONTENT:
            # RFC 9110, 15.3.6: no content either, but its length has to be there.
            pairs = without(pairs, ("content-length",))
            self._add_content(pairs, 0)
        elif self._ranges and status == HTTP_OK:
            pairs = self._cut(pairs)
            self._add_content(pairs, None if self._slice else self._size())
        else:
            self._add_content(pairs, self._size())
        self._headers = Headers.wrap(pairs)
        return pairs.copy()

    def _add_content(self, pairs: list[tuple[str, str]], size: int | None) -> None:
        """Add Content-Type unless it is there, and the true Content-Length.

        A length that contradicts the body would break the connection, so it is
        replaced; only an answer to HEAD may announce a body that it lacks.
        """
        has_type = False
        at = []
        for i, (name, _) in enumerate(pairs):
            name = name.lower()
            if name == "content-type":
                has_type = True
            elif name == "content-length":
                at.append(i)
        if not has_type and self.content_type:
            content_type = self.content_type
            if content_type not in _GOOD_TYPES:
                # The attribute may have been set after it was checked.
                content_type = check_type(content_type)
            pairs.append(("Content-Type", content_type))
        if size is None:
            return
        if not at:
            pairs.append(("Content-Length", str(size)))
        elif not (self._head and size == 0):
            pairs[at[0]] = (pairs[at[0]][0], str(size))
            for i in reversed(at[1:]):
                del pairs[i]

    def __start_response__(self, start_response: StartResponse) -> None:
        """Finish the headers and hand them to the server."""
        pairs = self._complete()
        self._told = True
        start_response(STATUS_LINES[self._status_code], pairs)

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the body, an iterable that the server closes."""
        return ()

    def __call__(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer: call *start_response* and return the body; works once."""
        if self._used:
            raise RuntimeError("Response can be used only once!")
        self._used = True
        try:
            self.__start_response__(start_response)
        except BaseException:
            # Nobody will get the body, so nobody else can close it.
            close_body(self.__end_of_response__())
            raise
        body = self.__end_of_response__()
        status = self._status_code
        if status in _BODILESS or status < HTTP_OK:
            close_body(body)
            return ()
        return body


# -- helpers of the wire, each on plain values


def without(
    pairs: list[tuple[str, str]], names: Iterable[str]
) -> list[tuple[str, str]]:
    """Return the pairs whose lower-case name is not in *names*."""
    return [pair for pair in pairs if pair[0].lower() not in names]


def not_modified_pairs(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers a 304 may have, with a WARNING for the others."""
    names = {name.lower() for name, _ in pairs}
    denied = names & _NOT_MODIFIED_DENY
    if denied:
        log.warning(
            "304 has no body, its representation headers are dropped: %s",
            ", ".join(sorted(denied)),
        )
        pairs = without(pairs, denied)
    if not names & _NOT_MODIFIED_REQUIRED:
        log.warning(
            "Missing any required header of 304: %s",
            ", ".join(sorted(NOT_MODIFIED_ONE_OF_REQUIRED)),
        )
    return pairs


def as_pairs(ranges: Iterable[Range] | Range) -> list[Range]:
    """Return ranges as a list of pairs; one bare pair is a list of one.

    A set has no order: ``{None, n}`` are the last n, ``{a, b}`` is from the
    smaller to the larger.
    """
    items: list[Any] = list(ranges)
    if len(items) == 2 and all(i is None or isinstance(i, int) for i in items):
        if isinstance(ranges, (set, frozenset)):
            items.sort(key=lambda item: -1 if item is None else item)
        return [(items[0], items[1])]
    if len(items) == 1 and isinstance(items[0], int):  # {100, 100} is {100}
        return [(items[0], items[0])]
    return items


def usable_ranges(ranges: Iterable[Range] | Range | None) -> tuple[Range, ...]:
    """Return the ranges that make sense, each once, in their order."""
    usable: dict[Range, None] = {}
    for start, end in as_pairs(ranges or ()):
        if (start is None and end is None) or (
            start is not None and end is not None and end < start
        ):
            log.warning("Range (%s, %s) makes no sense, it is dropped", start, end)
        else:
            usable[start, end] = None
    return tuple(usable)


def span_of(wanted: Range, size: int) -> tuple[int, int] | None:
    """Return first and last byte of a range in *size* bytes, or None.

    RFC 9110, 14.1.2: a suffix longer than the body means the whole of it, and
    a last position behind the end means the end.
    """
    start, end = wanted
    if start is None:
        if not end or end < 0:
            return None
        return max(0, size - end), size - 1
    if start < 0 or start >= size:
        return None
    if end is None or end >= size:
        end = size - 1
    return start, end


def range_not_satisfiable(
    size: int | None, pairs: list[tuple[str, str]]
) -> BaseResponse:
    """Return the 416 answer; it names the size (RFC 9110, 15.5.17)."""
    headers = [pair for pair in pairs if pair[0].lower() == "accept-ranges"]
    headers.append(("Content-Range", f"bytes */{size or 0}"))
    return Response(
        b"Requested range is not satisfiable.\n",
        "text/plain; charset=utf-8",
        headers,
        HTTP_RANGE_NOT_SATISFIABLE,
    )


# -- bodies in memory ------------------------------------------------------

#: What a class that is sent the short way has left alone.
_SEAMS = ("__call__", "__start_response__", "_complete", "_add_content", "_size")


def has_seams_of(cls: type, base: type, *more: str) -> bool:
    """Return True if a subclass overrides nothing of how its base is sent."""
    return all(getattr(cls, name) is getattr(base, name) for name in (*_SEAMS, *more))


#: PERF: headers of short bodies, ready; 0.1 us for each answer.
LENGTHS = [("Content-Length", str(size)) for size in range(1024)]


def as_body(data: object) -> bytes:
    """Return text as UTF-8, and what is like bytes as bytes."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    raise ArgumentError(f"data must be str or bytes, not {type(data)}")


class Response(BaseResponse):
    """A body in memory, text (as UTF-8) or bytes."""

    _data: bytes | bytearray
    _is_plain = True
    content_type = HTML

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._is_plain = has_seams_of(cls, Response, "__end_of_response__", "_answer")

    def __init__(
        self,
        data: str | bytes | bytearray | memoryview = b"",
        content_type: str = HTML,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        if type(data) is str:
            self._data = data.encode()
        else:
            self._data = data if type(data) is bytes else as_body(data)
        if content_type is HTML and headers is None and status_code is HTTP_OK:
            # PERF: the rest is what the class has; 3,100 instructions, not 5,600.
            self._headers = [POWERED_BY]
        else:
            super().__init__(content_type, headers, status_code)

    @property
    def content_length(self) -> int:
        """Size of the body in bytes."""
        return len(self._data)

    @property
    def data(self) -> bytes:
        """The whole body."""
        return bytes(self._data)

    def write(self, data: str | bytes) -> int:
        """Append to the body; return the number of bytes added."""
        if isinstance(data, str):
            data = data.encode()
        if not isinstance(self._data, bytearray):
            # Many small writes (json.dump) would be quadratic on bytes.
            self._data = bytearray(self._data)
        self._data += data
        return len(data)

    def _size(self) -> int | None:
        return len(self._data)

    def _answer(self) -> Answer | None:
        """Return status, headers and body as a call would send them, once.

        None if that takes the long way: a range, or a status without a body.

        PERF: four methods and a file object less; 8,000 instructions of a request,
        not 21,700.
        """
        headers, status = self._headers, self._status_code
        if self._used:
            return None
        if status != HTTP_OK and (status < HTTP_OK or status in _BODILESS):
            return None
        data = self._data
        body = data if type(data) is bytes else bytes(data)
        size = len(body)
        if type(headers) is list:
            # A range would have made a table of them.
            self._used = True
            if self.content_type is HTML:
                headers.append(CONTENT_TYPE_HTML)
            elif self.content_type:
                headers.append(("Content-Type", check_type(self.content_type)))
            headers.append(
                LENGTHS[size] if size < 1024 else ("Content-Length", str(size))
            )
            return STATUS_LINES[status], headers, body
        if self._ranges:
            return None
        self._used = True
        pairs = headers._pairs.copy()  # type: ignore[union-attr]
        self._add_content(pairs, size)
        self._headers = Headers.wrap(pairs)
        return STATUS_LINES[status], pairs, body

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the body, or the range of it, as a file in memory."""
        if self._slice is None:
            return IBytesIO(self._data)
        start, end = self._slice
        return IBytesIO(self._data[start : end + 1])


class PartialResponse(Response):
    """A part of a whole, status 206; say which with `make_range`."""

    def __init__(
        self,
        data: str | bytes = b"",
        content_type: str = HTML,
        headers: HeadersLike = None,
    ):
        super().__init__(data, content_type, headers, HTTP_PARTIAL_CONTENT)

    def make_partial(
        self, ranges: Iterable[Range] | Range | None = None, units: str = "bytes"
    ) -> None:
        """Do nothing but warn: this is a part already."""
        log.warning("PartialResponse is partial already, use make_range")


class JSONResponse(Response):
    """A JSON body of one value or of keyword arguments.

    :param encoder_kwargs: keyword arguments for `json.dumps`
    :raises RuntimeError: if both a value and keywords are given
    """

    def __init__(
        self,
        data_: Any = None,
        charset: str | None = "utf-8",
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
        encoder_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        if kwargs:
            if data_ is not None:
                raise RuntimeError("Only one of data and kwargs is allowed.")
            data_ = kwargs
        super().__init__(
            _dumps_with(data_, encoder_kwargs),
            content_type_with(charset, "application/json"),
            headers,
            status_code,
        )


def _dumps_with(value: object, encoder_kwargs: dict[str, Any] | None) -> str | bytes:
    if not encoder_kwargs:
        return encode_json(value)
    if "cls" not in encoder_kwargs:
        encoder_kwargs = {"default": json_default, **encoder_kwargs}
    return _json_dumps(value, **encoder_kwargs)


class TextResponse(Response):
    """A text/plain body."""

    def __init__(
        self,
        text: str | bytes,
        charset: str | None = "utf-8",
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        super().__init__(
            text, content_type_with(charset, "text/plain"), headers, status_code
        )


# -- files -----------------------------------------------------------------


class FileObjResponse(BaseResponse):
    """The content of an open binary file from its current position on.

    The file is closed when the answer was sent, or could not be.
    """

    def __init__(
        self,
        file_obj: BinaryIO,
        content_type: str | None = None,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        if isinstance(file_obj, TextIOBase) or not hasattr(file_obj, "read"):
            raise ArgumentError("file_obj must be a binary file")
        readable = getattr(file_obj, "readable", None)
        if readable is not None and not readable():
            raise ArgumentError("file_obj must be readable")
        super().__init__(
            content_type or "application/octet-stream", headers, status_code
        )
        self._file = file_obj
        self._start, size = position_and_size(file_obj)
        if size is None:
            log.debug("Size of %r is not known", file_obj)
            self._left = None
        else:
            self._left = max(0, size - self._start)
        self._content_length = self._left or 0

    @property
    def data(self) -> bytes:
        """Content from the start position; empty if the file can not seek."""
        if is_closed(self._file):
            log.warning("File of the response is closed")
            return b""
        if not seekable(self._file):
            log.info("File of the response can not seek")
            return b""
        here = self._file.tell()
        self._file.seek(self._start)
        content = self._file.read()
        self._file.seek(here)
        return content

    def _size(self) -> int | None:
        return self._left

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the rest of the file, or the range of it."""
        if is_closed(self._file):
            log.error("File of the response is closed, nothing is sent")
            return IBytesIO()
        if self._slice is None:
            whole = self._start == 0 and self._left is not None
            if seekable(self._file):
                self._file.seek(self._start)
            return FileBody(self._file, self._left, whole)
        # A file of known size, the only one that can be cut, can be positioned.
        start, end = self._slice
        self._file.seek(self._start + start)
        return FileBody(self._file, end - start + 1)


class FileResponse(FileObjResponse):
    """A file by its path, with Last-Modified and ready for ranges.

    :raises OSError: if the file can not be opened or is no regular file
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        content_type: str | None = None,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        # Opening a FIFO would wait for its writer.
        if not os.access(path, os.R_OK) or not os.path.isfile(path):
            raise OSError(f"Could not stat file for reading: {os.fspath(path)!r}")
        if content_type is None:
            # mimetypes reads the system's tables: 7 ms, once a file is served.
            from mimetypes import guess_type

            content_type = guess_type(os.fspath(path))[0]
        # The server reads in large blocks; a buffer would only copy them.
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the server
        try:
            super().__init__(file, content_type, headers, status_code)
            if status_code == HTTP_OK:
                self.make_partial()
            if "Last-Modified" not in self.headers:
                stat = os.fstat(file.fileno())
                changed = max(stat.st_mtime, stat.st_ctime)
                self.headers["Last-Modified"] = time_to_http(changed)
        except BaseException:
            file.close()
            raise


# -- streams ---------------------------------------------------------------


class GeneratorResponse(BaseResponse):
    """A body made block by block while it is sent.

    :param generator: iterable of bytes; its ``close`` is called once, at the
        end or when the client has gone
    :param content_length: size in bytes of all blocks, if it is known
    """

    def __init__(
        self,
        generator: Iterable[bytes],
        content_type: str = HTML,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
        content_length: int = 0,
    ):
        if type(generator) is GeneratorType and headers is None:
            # PERF: 3,700 instructions, not 5,800.
            if content_type not in _GOOD_TYPES:
                check_type(content_type)
            self.content_type = content_type
            self._headers = [POWERED_BY]
            if status_code is not HTTP_OK:
                self.status_code = status_code
        else:
            super().__init__(content_type, headers, status_code)
            if not hasattr(generator, "__iter__"):
                raise ArgumentError(f"generator must be iterable, not {generator!r}")
        self._generator = generator
        if content_length:
            self._content_length = content_length

    #: True if a subclass has left alone how it is sent.
    _is_short = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._is_short = has_seams_of(cls, GeneratorResponse)

    def __call__(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer: call *start_response* and return the blocks; works once.

        PERF: where nobody has looked at the headers, three methods less; 3,000
        instructions, not 9,000.
        """
        headers, status = self._headers, self._status_code
        if (
            not self._is_short
            or type(headers) is not list
            or self._used
            or self._ranges
            or status < HTTP_OK
            or status in _BODILESS
        ):
            return super().__call__(start_response)
        self._used = True
        try:
            if self.content_type:
                headers.append(("Content-Type", check_type(self.content_type)))
            if self._content_length:
                headers.append(("Content-Length", str(self._content_length)))
            self._told = True
            start_response(STATUS_LINES[status], headers.copy())
        except BaseException:
            # Nobody will get the body, so nobody else can close it.
            close_body(self.__end_of_response__())
            raise
        return self.__end_of_response__()

    def begin(self) -> None:
        """Make the first block, while an error of it can still be answered."""
        self._generator = BegunBlocks.begin(self._generator)

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the blocks, or the range of them, as a generator."""
        if self._slice is not None:
            return started(cut_blocks(self._generator, *self._slice))
        if type(self._generator) in (GeneratorType, BegunBlocks):
            return self._generator
        return started(closing_blocks(self._generator))


class StrGeneratorResponse(GeneratorResponse):
    """A body of text made piece by piece, sent as UTF-8."""

    def __init__(
        self,
        generator: Iterable[str],
        content_type: str = HTML,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        super().__init__(
            started(encoded_blocks(generator)), content_type, headers, status_code
        )


class JSONGeneratorResponse(StrGeneratorResponse):
    """A JSON object of the keyword arguments, encoded while it is sent.

    Iterators and generators among the values become arrays.
    """

    def __init__(
        self,
        charset: str | None = "utf-8",
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
        **kwargs: Any,
    ):
        super().__init__(
            json_pieces(kwargs),
            content_type_with(charset, "application/json"),
            headers,
            status_code,
        )


def json_pieces(value: object) -> Iterable[str]:
    """Return *value* as JSON in pieces, iterators as arrays."""
    # Only streams of JSON need it.
    from poorwsgi.jsonstream import JsonPieces

    return JsonPieces(value, json_default)


# -- answers without a body ------------------------------------------------


class NoContentResponse(BaseResponse):
    """An answer without a body, and without headers unless some are given."""

    def __init__(self, headers: HeadersLike = None, status_code: int = HTTP_NO_CONTENT):
        super().__init__("", () if headers is None else headers, status_code)

    def _size(self) -> int | None:
        return 0


class EmptyResponse(NoContentResponse):
    """The old name of `NoContentResponse`.

    .. deprecated:: 2.7
       Use `NoContentResponse`.
    """

    def __init__(self, status_code: int = HTTP_NO_CONTENT):
        warn(
            "Call to deprecated EmptyResponse, use NoContentResponse",
            DeprecationWarning,
            stacklevel=2,
        )
        super().__init__(None, status_code)


class Declined(NoContentResponse):
    """No answer at all: *start_response* is not called.

    For handlers that have spoken to the client themselves (WebSockets).
    """

    def __init__(self, status_code: int = HTTP_OK):
        super().__init__(None, status_code)

    @property
    def headers(self) -> Headers:
        """Headers that go nowhere, new ones each time."""
        return Headers()

    @headers.setter
    def headers(self, value: object) -> None:
        log.warning("Declined has no headers")

    def add_header(self, name: str, value: Any = None, **kwargs: str | None) -> None:
        """Do nothing but warn."""
        log.warning("Declined has no headers")

    def __call__(self, start_response: StartResponse) -> Iterable[bytes]:
        """Return an empty body."""
        return ()


class RedirectResponse(Response):
    """An answer that sends the client to *location*.

    A location that starts with more than one slash would lead to another host;
    it is cut to one. Blanks around it and tabs are dropped, as browsers do, and
    characters outside of ASCII are percent-encoded.
    """

    def __init__(
        self,
        location: str,
        status_code: int | bool = HTTP_FOUND,
        message: str | bytes = b"",
        headers: HeadersLike = None,
        permanent: bool = False,
    ):
        if status_code is True or permanent:
            log.warning("permanent is deprecated, use status_code=301")
            status_code = HTTP_MOVED_PERMANENTLY
        super().__init__(message, "text/plain", headers, status_code)
        self.headers["Location"] = safe_location(location)


def safe_location(location: str) -> str:
    """Return a Location in ASCII that names another host only if it says so."""
    # SECURITY: browsers read "//host" and "/\\host" as a URL of that host, and
    # take no notice of tabs and of blanks at the ends.
    location = location.replace("\t", "").strip(" ")
    if location[:1] in ("/", "\\") and location[1:2] in ("/", "\\"):
        location = "/" + location.lstrip("/\\")
    if location.isascii():
        return location
    from urllib.parse import quote

    return quote(location, safe="!#$%&'()*+,/:;=?@[]~")


class NotModifiedResponse(NoContentResponse):
    """304: what the client has is current.

    :param date: an HTTP date, seconds since the epoch, or a datetime
    """

    def __init__(
        self,
        headers: HeadersLike = None,
        etag: str | None = None,
        content_location: str | None = None,
        date: str | int | datetime | None = None,
        vary: str | None = None,
    ):
        super().__init__(headers, HTTP_NOT_MODIFIED)
        if date is not None and not isinstance(date, str):
            if isinstance(date, (int, float)):
                date = time_to_http(date)
            else:
                date = datetime_to_http(date)
        for name, value in (
            ("ETag", etag),
            ("Content-Location", content_location),
            ("Date", date),
            ("Vary", vary),
        ):
            if value:
                self.headers[name] = value


# -- exceptions and helpers ------------------------------------------------


class HTTPException(Exception):  # noqa: N818 - the name of the API
    """Stops a handler: *arg* is a status, or the response itself.

    With a status, the state handler of that status is called with *kwargs*.
    """

    def __init__(self, arg: int | BaseResponse, **kwargs: Any):
        if isinstance(arg, bool) or not isinstance(arg, (int, BaseResponse)):
            raise ArgumentError(f"HTTPException takes int or BaseResponse, not {arg!r}")
        super().__init__(arg, kwargs)

    @property
    def response(self) -> BaseResponse | None:
        """The response it carries, if any."""
        arg = self.args[0]
        return arg if isinstance(arg, BaseResponse) else None

    @property
    def status_code(self) -> int:
        """Its status, or that of its response."""
        arg = self.args[0]
        return arg.status_code if isinstance(arg, BaseResponse) else int(arg)

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments for the state handler."""
        kwargs: dict[str, Any] = self.args[1]
        return kwargs

    def make_response(self) -> BaseResponse | None:
        """Return the response where no state handler is needed for it."""
        arg = self.args[0]
        if isinstance(arg, BaseResponse):
            return arg
        if arg == DECLINED:
            return Declined()
        if arg == HTTP_OK:
            # COMPAT: the status of 2.8.1's empty answer to 200 is 204.
            return _empty_response()
        if arg == HTTP_NO_CONTENT:
            return NoContentResponse()
        return None


def _empty_response() -> EmptyResponse:
    response = EmptyResponse.__new__(EmptyResponse)  # without its warning
    NoContentResponse.__init__(response)
    return response


def abort(arg: int | BaseResponse, **kwargs: Any) -> NoReturn:
    """Raise `HTTPException`."""
    raise HTTPException(arg, **kwargs)


def redirect(
    location: str,
    status_code: int | bool = HTTP_FOUND,
    message: str | bytes = b"",
    headers: HeadersLike = None,
    permanent: bool = False,
    text: str | None = None,
) -> NoReturn:
    """Raise the `HTTPException` of a `RedirectResponse`."""
    if text is not None:  # COMPAT: the spelling of the older documentation
        message = text
    raise HTTPException(
        RedirectResponse(location, status_code, message, headers, permanent)
    )


def make_response(
    data: Any,
    content_type: str = HTML,
    headers: HeadersLike = None,
    status_code: int = HTTP_OK,
) -> BaseResponse:
    """Return the response for *data*, the way handlers' values are turned to one.

    :raises ResponseError: if no response can be made of it
    """
    try:
        return _response_of(data, content_type, headers, status_code)
    except ResponseError:
        raise
    except Exception as err:
        raise unusable(data, err) from err


def unusable(data: object, err: Exception | None = None) -> ResponseError:
    """Return what is raised for *data*; whoever answers the error logs it."""
    error = ResponseError(
        "Returned data must by: <bytes|str|dict|list|iterable[bytes]>, <str>, "
        "<Headers|None>, <int>"
    )
    reason = f": {err!s:.200}" if err else ""
    if callable(data):
        reason = ", which is a function: does a decorator lack its parentheses?"
    error.add_note(f"No response can be made of {data!r:.200}{reason}")
    return error


def _response_of(
    data: Any, content_type: str, headers: HeadersLike, status_code: int
) -> BaseResponse:
    if type(data) is GeneratorType:
        return GeneratorResponse(data, content_type, headers, status_code)
    if isinstance(data, (str, bytes, bytearray, memoryview)):
        return Response(data, content_type, headers, status_code)
    if data is None:
        if status_code == HTTP_OK:
            status_code = HTTP_NO_CONTENT
        return NoContentResponse(headers, status_code)
    if is_json_value(data):
        return JSONResponse(data, headers=headers, status_code=status_code)
    return GeneratorResponse(iter_checked(data), content_type, headers, status_code)


def is_json_value(data: object) -> bool:
    """Return True for what is sent as JSON: dict, dataclass, list but of bytes."""
    if isinstance(data, list):
        return not data or not isinstance(data[0], bytes)
    return isinstance(data, dict) or hasattr(type(data), "__dataclass_fields__")


def iter_checked(data: Any) -> Any:
    """Return *data* if it is iterable, else raise TypeError."""
    if isinstance(data, (BaseResponse, type)):
        raise TypeError(f"{data!r} is no body")
    if not hasattr(data, "__iter__"):
        iter(data)  # the old protocol, or TypeError
        return iter(data)
    return data


#: PERF: `Response` without a frame for its __init__.
_new_response = partial(object.__new__, Response)
share_keys(Response, *("_data", "_headers", "content_type", "_status_code"))
share_keys(Response, *("_used", "_told", "_head", "_ranges", "_slice"))


def text_response(value: str) -> Response:
    """Return what `to_response` does for a text."""
    try:
        data = value.encode()
    except UnicodeError as err:
        raise unusable(value, err) from err
    response: Response = _new_response()
    response.content_type = HTML
    response._status_code = HTTP_OK
    response._used = False
    response._data = data
    response._headers = [POWERED_BY]
    return response


def to_response(value: Any) -> BaseResponse:
    """Return the response for what a handler returned.

    A tuple is ``(data[, content_type[, headers[, status]]])`` or
    ``(data, status[, headers])``.
    """
    if isinstance(value, BaseResponse):
        return value
    if type(value) is str:
        return text_response(value)
    if not isinstance(value, tuple):
        return make_response(value)
    if (
        len(value) == 2
        and type(value[0]) is GeneratorType
        and type(value[1]) is str
        and value[1] in _GOOD_TYPES
    ):
        # PERF: make_response() finds nothing wrong with it, 2,600 instructions.
        return GeneratorResponse(value[0], value[1])
    if len(value) > 1 and isinstance(value[1], int):
        return _from_status_tuple(*value)
    try:
        return make_response(*value)
    except TypeError as err:
        raise ResponseError(
            f"A handler returned {len(value)} values; at most data, content type, "
            "headers and status are possible"
        ) from err


def _from_status_tuple(
    data: Any, status_code: int, headers: HeadersLike = None, *rest: Any
) -> BaseResponse:
    if rest:
        raise ResponseError("After data, status and headers nothing can follow")
    return make_response(data, HTML, headers, status_code)


# -- the short way ---------------------------------------------------------


def text_answer(value: str, _: object = None) -> Answer:
    """Return status, headers and body of a text, as `Response` would send them.

    PERF: what most handlers return needs no response object, which costs more
    than the rest of a request: 1.1 instead of 2.6 us for a static route.
    """
    try:
        body = value.encode()
    except UnicodeError as err:
        raise unusable(value, err) from err
    size = len(body)
    length = LENGTHS[size] if size < 1024 else ("Content-Length", str(size))
    return "200 OK", [POWERED_BY, CONTENT_TYPE_HTML, length], body


def bytes_answer(value: bytes, _: object = None) -> Answer:
    """Return status, headers and body of bytes."""
    size = len(value)
    length = LENGTHS[size] if size < 1024 else ("Content-Length", str(size))
    return "200 OK", [POWERED_BY, CONTENT_TYPE_HTML, length], value


def json_answer(value: object, _: object = None) -> Answer:
    """Return status, headers and body of a value sent as JSON."""
    try:
        body = encode_json(value)
    except Exception as err:
        raise unusable(value, err) from err
    size = len(body)
    length = LENGTHS[size] if size < 1024 else ("Content-Length", str(size))
    return "200 OK", [POWERED_BY, CONTENT_TYPE_JSON, length], body


def response_answer(value: Response, _: object = None) -> Answer:
    """Return status, headers and body of a response in memory.

    :raises HTTPException: with the response, if it is to be sent the long way

    PERF: 2,300 of 20,500 instructions that `to_response` and `send_response` take.
    """
    answer = value._answer()
    if answer is None:
        raise HTTPException(value)
    return answer


class NotFound:
    """What the walk hands on for a plain 404; no handler ever sees it."""


NOT_FOUND = NotFound()

#: Type of a handler's value to the function of it and the request that answers
#: without a response.
ANSWERS: dict[type, Callable[[Any, Any], Answer]] = {
    str: text_answer,
    bytes: bytes_answer,
    dict: json_answer,
    Response: response_answer,
    TextResponse: response_answer,
    JSONResponse: response_answer,
}

if TYPE_CHECKING:
    JSON_GENERATOR: bool  # made by __getattr__

__all__ = [
    "JSON_GENERATOR",
    "NOT_MODIFIED_DENY",
    "NOT_MODIFIED_ONE_OF_REQUIRED",
    "BaseResponse",
    "Declined",
    "EmptyResponse",
    "FileObjResponse",
    "FileResponse",
    "GeneratorResponse",
    "HTTPException",
    "IBytesIO",
    "JSONGeneratorResponse",
    "JSONResponse",
    "NoContentResponse",
    "NotModifiedResponse",
    "PartialResponse",
    "RedirectResponse",
    "Response",
    "ResponseError",
    "StrGeneratorResponse",
    "TextResponse",
    "abort",
    "make_response",
    "redirect",
]


def __getattr__(name: str) -> Any:
    """Find out on first use whether simplejson is there (JSON_GENERATOR)."""
    if name != "JSON_GENERATOR":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import simplejson
    except ImportError:
        return False
    return simplejson is not None
