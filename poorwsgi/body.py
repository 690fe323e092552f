"""The body of a request: one owner of the input, and what is parsed from it.

Knows how to read from the server without a byte too many, how long to wait,
and which reader comes after which. It knows neither the request nor HTTP
errors: what goes wrong is a `BodyError`, and request.py makes a status of it.

The input is in one of these states:

untouched   nothing was read
in memory   a short body, read at once; every reader sees all of it
streaming   a `CachedInput` reads it; what one reader took, no other gets
closed      the request is over
"""

from __future__ import annotations

from functools import partial
from io import BytesIO
from itertools import accumulate
from json import JSONDecoder
from logging import getLogger
from operator import attrgetter
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from poorwsgi.fieldstorage import (
    FieldStorage,
    FieldStorageParser,
    parse_form,
    parse_multipart,
    parse_short_multipart,
    short_form,
)
from poorwsgi.multipart import END, MultipartDecoder, Part, parse_options
from poorwsgi.state import BodyError, BodyTimeoutError, BodyTooLargeError
from poorwsgi.urlencoded import text_codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Final, NoReturn, Protocol, TypeVar

    R = TypeVar("R")

    class Options(Protocol):
        """The options of an Application that are about bodies."""

        @property
        def auto_data(self) -> bool: ...
        @property
        def auto_form(self) -> bool: ...
        @property
        def auto_json(self) -> bool: ...
        @property
        def cached_size(self) -> int: ...
        @property
        def data_size(self) -> int: ...
        @property
        def file_callback(self) -> Callable[[str], Any] | None: ...
        @property
        def form_mime_types(self) -> list[str]: ...
        @property
        def json_loads(self) -> Callable[[bytes], Any] | None: ...
        @property
        def json_max_depth(self) -> int | None: ...
        @property
        def json_mime_types(self) -> list[str]: ...
        @property
        def keep_blank_values(self) -> int: ...
        @property
        def max_body_size(self) -> int | None: ...
        @property
        def max_form_fields(self) -> int | None: ...
        @property
        def max_form_memory_size(self) -> int | None: ...
        @property
        def max_form_parts(self) -> int | None: ...
        @property
        def max_json_size(self) -> int | None: ...
        @property
        def max_part_header_size(self) -> int | None: ...
        @property
        def min_body_rate(self) -> float | None: ...
        @property
        def read_timeout(self) -> float | None: ...
        @property
        def strict_parsing(self) -> int: ...


log = getLogger("poorwsgi")

# PERF: what a block costs by itself is 5 µs: 8 MB in blocks of 128 KiB are 2.43 ms,
# of 256 KiB 2.22 ms, and larger ones leave the cache of the processor.
BLOCK_SIZE = 262144
#: Pieces of this size are taken as they come.
LARGE_ENOUGH = 32768
MAX_CHUNK = 1048576
MAX_CHUNK_LINE = 4096
MAX_TRAILERS = 16384
_HEX_DIGITS = b"0123456789abcdefABCDEF"
_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


class _NotJson:
    __slots__ = ()

    def __repr__(self) -> str:
        return "NOT_JSON"

    def __bool__(self) -> bool:
        return False


#: What `Body.json` returns if the body is no JSON text.
NOT_JSON: Final = _NotJson()


# -- JSON ---------------------------------------------------------------------


def _refuse_constant(name: str) -> NoReturn:
    raise BodyError(f"JSON has no {name}")


# PERF: made once; its parse_constant is called for NaN and Infinity only. The
# decode() around it spends two regular expressions on blanks.
_scan_json: Callable[[str, int], tuple[Any, int]]
_scan_json = JSONDecoder(parse_constant=_refuse_constant).scan_once  # type: ignore[attr-defined]
_BLANKS = " \t\n\r"


def loads_json(raw: bytes, charset: str = "utf-8", max_depth: int | None = 200) -> Any:
    """Return the value of a JSON text (RFC 8259).

    :raises BodyError: it is malformed, too deep, or has NaN, Infinity, a
        number of too many digits, or bytes that are not text.
    """
    check_json_depth(raw, max_depth)
    try:
        text = raw.decode("utf-8" if charset == "utf-8" else text_codec(charset))
        # RFC 8259, 8.1: a parser may ignore a byte order mark.
        text = text.removeprefix("\ufeff").strip(_BLANKS)
        value, end = _scan_json(text, 0)
    except StopIteration as err:
        raise BodyError(f"invalid JSON: Expecting value at {err.value}") from None
    except RecursionError:
        raise BodyError("JSON is nested too deeply") from None
    except BodyError:
        raise
    except ValueError as err:  # malformed, bad UTF-8, too many digits
        raise BodyError(f"invalid JSON: {err}") from err
    if end != len(text):
        raise BodyError(f"invalid JSON: more than one value, at character {end}")
    if "\\ud" in text or "\\uD" in text:
        _check_surrogates(value)
    return value


def _check_surrogates(value: Any) -> None:
    r"""Refuse half of a surrogate pair, written as ``\ud800``.

    SECURITY: it is no character (RFC 8259, 8.2). No charset has it, so whoever
    sends it on, or stores it, would fail.
    """
    # Only texts with such an escape come here; emoji of some encoders are pairs.
    from json import dumps

    try:
        dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BodyError("JSON has half of a surrogate pair") from None
    except RecursionError:
        raise BodyError("JSON is nested too deeply") from None


def check_json_depth(raw: bytes, max_depth: int | None) -> None:
    """Refuse a JSON text whose brackets nest deeper than *max_depth*."""
    if max_depth is None or raw.count(b"[") + raw.count(b"{") <= max_depth:
        return  # PERF: nearly always; two counts of 1 kB are 0.1 µs
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(raw.split(b'"')[::2])
    steps = memoryview(outside.translate(_STEPS, _BRACKETS)).cast("b")
    if max(accumulate(steps), default=0) > max_depth:
        raise BodyError(f"JSON is nested deeper than json_max_depth = {max_depth}")


# -- the input ----------------------------------------------------------------


class Pace:
    """Counts what came of a body, and refuses what is too much or too slow."""

    def __init__(
        self,
        timeout: float | None = 10.0,
        min_rate: float | None = None,
        max_size: int | None = None,
    ):
        self.timeout = timeout
        self.min_rate = min_rate
        self.max_size = max_size
        self.received = 0
        self.started: float | None = None

    def start(self) -> None:
        """Start the clock, if it does not run yet."""
        if self.started is None:
            self.started = monotonic()

    def elapsed(self) -> float:
        """Return the seconds since the first read began."""
        return 0.0 if self.started is None else monotonic() - self.started

    def add(self, size: int) -> None:
        """Count *size* bytes that came.

        :raises BodyError: they are too many, or came too late.
        """
        self.received += size
        if self.max_size is not None and self.received > self.max_size:
            raise BodyTooLargeError(f"body exceeds max_body_size = {self.max_size}")
        if self.min_rate and self.timeout is not None and self.started is not None:
            allowed = self.timeout + self.received / self.min_rate
            if monotonic() - self.started > allowed:
                raise BodyTimeoutError(
                    f"body comes slower than min_body_rate = {self.min_rate}"
                )

    def room(self, size: int) -> int:
        """Return how many of *size* bytes may come, one more if it refuses them."""
        if self.max_size is None:
            return size
        return min(size, self.max_size + 1 - self.received)

    def is_over(self) -> bool:
        """Tell whether the time to wait for a byte has passed."""
        return self.timeout is not None and self.elapsed() >= self.timeout


def timed_out() -> BodyTimeoutError:
    """Return the error for a client that sends nothing any more."""
    return BodyTimeoutError("Timed out while receiving data (read_timeout)")


def call_input(method: Callable[[int], Any], size: int) -> Any:
    """Call a method of the server's input; its errors are those of the body."""
    try:
        return method(size)
    except BodyError:
        raise
    except Exception as err:
        raise input_error(err) from err


def input_error(err: Exception) -> BodyError:
    """Return the error of the body for one of the server's input."""
    if isinstance(err, OSError):
        # uWSGI tells a timeout only by its text.
        if isinstance(err, TimeoutError) or "timeout" in str(err):
            return timed_out()
        return BodyError(f"body cannot be read: {err}")
    # EOFError, or a class of the server's own: gunicorn has some for chunks.
    return BodyError(f"body cannot be read: {err!r}")


def _joined(blocks: list[bytes]) -> bytes:
    try:
        return b"".join(blocks)
    except TypeError as err:
        raise BodyError(f"input did not return bytes: {err}") from None


def _cut(raw: bytes) -> Iterator[bytes]:
    """Return the blocks of a body in memory."""
    return (raw[at : at + BLOCK_SIZE] for at in range(0, len(raw), BLOCK_SIZE))


class CachedInput:
    """Reads a body of *size* bytes from the server's file, block by block.

    Never asks for a byte behind the body. *size* -1 means a file that ends
    with the body. Waits *timeout* seconds for the next byte (None: for ever);
    a file that blocks in its own read() is waited for as long as that takes.
    """

    def __init__(
        self,
        file: Any,
        size: int,
        block_size: int = 32768,
        timeout: float | None = 10.0,
        *,
        pace: Pace | None = None,
    ):
        self.block_size = block_size
        self._file = file
        self._todo = size
        self._pace = pace or Pace(timeout)
        self._buffer = b""
        self._position = 0  # in the buffer

    @property
    def bytes_read(self) -> int:
        """Bytes taken from the server so far."""
        return self._pace.received

    def tell(self) -> int:
        """Return how many bytes were handed out."""
        return self._pace.received - len(self._buffer) + self._position

    def read(self, size: int | None = -1) -> bytes:
        """Return *size* bytes, less only at the end; one block if negative."""
        if size is None or size < 0:
            return self.read_some(self.block_size)
        block = self._take(size) if self._buffer else self._fetch(size)
        if len(block) == size or not block:
            return block
        return self._completed(block, size)

    def _completed(self, block: bytes, size: int) -> bytes:
        """Return a block with what comes behind it, *size* bytes in all."""
        gather = partial(self._gather, size - len(block))
        return _joined([block, *call_input(gather, len(block))])

    def blocks(self, size: int, least: int) -> Iterator[bytes]:
        """Yield the rest of the body in blocks of *size* bytes.

        What comes at once is not put together if it is *least* bytes or more.
        """
        while block := self._take(size) if self._buffer else self._fetch(size):
            yield block if len(block) >= least else self._completed(block, size)

    def read_some(self, size: int) -> bytes:
        """Return what comes first, at most *size* bytes; b"" at the end."""
        return self._take(size) if self._buffer else self._fetch(size)

    def read_all(self) -> bytes:
        """Return the rest of the body."""
        blocks = []
        while block := self.read(BLOCK_SIZE):
            blocks.append(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def readline(self, size: int | None = -1) -> bytes:
        """Return a line with its CRLF, or *size* bytes without one.

        A negative size is that of a block.
        """
        if size is None or size < 0:
            size = self.block_size
        seen = 0
        while True:
            start = self._position
            end = self._buffer.find(b"\r\n", start + seen, start + size)
            if end >= 0:
                return self._take(end + 2 - start)
            seen = len(self._buffer) - start
            if seen >= size:
                return self._take(size)
            block = self._fetch(self.block_size)
            if not block:
                return self._take(size)
            self._buffer = self._buffer[start:] + block
            self._position = 0
            seen = max(0, seen - 1)  # the last byte may be the CR

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Return the lines to the end, or until they make *hint* bytes."""
        lines = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def readable(self) -> bool:
        """Return True."""
        return True

    def has_more(self) -> bool:
        """Tell whether there is anything left, by reading it if need be."""
        if not self._buffer:
            self._buffer = self._fetch(self.block_size)
        return bool(self._buffer)

    def _take(self, size: int) -> bytes:
        start = self._position
        taken = self._buffer[start : start + size]
        self._position = start + len(taken)
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0
        return taken

    def _fetch(self, size: int) -> bytes:
        """Read once from the file; less than *size* bytes may come."""
        todo = self._todo
        if 0 <= todo < size:
            size = todo
        if size <= 0:
            return b""
        pace = self._pace
        if pace.started is None:
            pace.started = monotonic()
        try:  # as call_input()
            block: bytes = self._file.read(size)
        except BodyError:
            raise
        except Exception as err:
            raise input_error(err) from err
        if not block or block.__class__ is not bytes:
            block = self._checked(block, size)
        if len(block) > size:
            raise BodyError("input returned more than it was asked for")
        if todo > 0:
            self._todo = todo - len(block)
        pace.add(len(block))
        return block

    def _gather(self, missing: int, last: int) -> list[bytes]:
        """Read until nothing is missing, or to the end; *last* bytes came before.

        PERF: a server that gives a few bytes at a time is asked 64 times, before
        anything is counted. A form of 64 KiB by 1 byte: 47 -> 24.4 ms.
        """
        read, pace = self._file.read, self._pace
        blocks: list[bytes] = []
        block: Any = True
        if 0 <= self._todo < missing:
            missing = self._todo
        often, since = 1, monotonic()
        while missing > 0:
            came = []
            if block:
                reads = min(often, pace.room(missing) // (2 * last)) or 1
                ask = missing // reads
                for _ in range(reads):
                    block = read(ask)
                    if not block:
                        break
                    came.append(block)
            elif block := self._checked(block, missing):
                came.append(block)
            else:
                break
            blocks.append(_joined(came))
            size = len(blocks[-1])
            if size > missing:
                raise BodyError("input returned more than it was asked for")
            missing -= size
            if self._todo > 0:
                self._todo -= size
            pace.add(size)
            last = size // (len(came) or 1) or last
            # SECURITY: a slow client is looked at after each read.
            before, since = since, monotonic()
            often = 64 if since - before < 0.01 else 1
        return blocks

    def _checked(self, block: Any, size: int) -> bytes:
        """Deal with what a file may give instead of bytes: b"" at the end."""
        if block is None:  # a file that does not block
            block = self._wait(size)
        if not isinstance(block, bytes):
            raise BodyError(f"input returned {type(block).__name__} instead of bytes")
        if not block:
            self._end()
        return block

    def _wait(self, size: int) -> Any:
        """Try again for a while to read from a file that has nothing yet."""
        since = monotonic()
        timeout = self._pace.timeout
        while (block := call_input(self._file.read, size)) is None:
            if timeout is not None and monotonic() - since >= timeout:
                raise timed_out()
            sleep(0.01)
        return block

    def _end(self) -> None:
        if self._todo > 0:
            if self._pace.is_over():
                raise timed_out()
            raise BodyError(f"body ends {self._todo} bytes before its announced length")
        self._todo = 0


class ChunkedInput:
    """Undoes the chunked transfer coding (RFC 9112, 7.1) of the server's file."""

    def __init__(self, file: Any, pace: Pace):
        self._file = file
        self._pace = pace
        self._left = 0  # bytes of the current chunk still to come
        self._done = False

    def read(self, size: int) -> bytes:
        """Return at most *size* bytes of one chunk; b"" after the last."""
        if self._done:
            return b""
        self._pace.start()
        if not self._left:
            self._left = self._read_size()
            if not self._left:
                self._skip_trailers()
                self._done = True
                return b""
        block: bytes = call_input(self._file.read, min(size, self._left))
        if not block:
            raise BodyError("body ends inside a chunk")
        self._left -= len(block)
        if not self._left and self._line(2) != b"\r\n":
            raise BodyError("no line end after a chunk")
        self._pace.add(len(block))
        return block

    def read_chunk(self) -> bytes:
        """Return the next chunk (its first MiB, if it is larger)."""
        blocks = [self.read(MAX_CHUNK)]
        size = len(blocks[0])
        while self._left and size < MAX_CHUNK:
            blocks.append(self.read(MAX_CHUNK - size))
            size += len(blocks[-1])
        return b"".join(blocks)

    def _line(self, size: int = MAX_CHUNK_LINE) -> bytes:
        line: bytes = call_input(self._file.readline, size)
        return line

    def _read_size(self) -> int:
        line = self._line()
        digits, extension, _ = line.removesuffix(b"\r\n").partition(b";")
        if extension:
            digits = digits.rstrip(b" \t")
        # int() takes signs, blanks, underscores and "0x" as well.
        is_number = 0 < len(digits) <= 16 and not digits.strip(_HEX_DIGITS)
        if not is_number or not line.endswith(b"\r\n"):
            raise BodyError(f"bad chunk size: {line[:40]!r}")
        return int(digits, 16)

    def _skip_trailers(self) -> None:
        size = 0
        while (line := self._line()) != b"\r\n":
            size += len(line)
            if not line.endswith(b"\r\n") or size > MAX_TRAILERS:
                raise BodyError("bad trailers after the last chunk")


class UwsgiChunks:
    """The chunks of a body that uWSGI decodes by a call of its own."""

    def __init__(self, pace: Pace):
        import uwsgi  # there is one only inside of uWSGI

        self._chunked_read = uwsgi.chunked_read
        self._pace = pace
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return at most *size* bytes of one chunk; b"" after the last."""
        block = self._rest or self.read_chunk()
        self._rest = block[size:]
        return block[:size]

    def read_chunk(self) -> bytes:
        """Return the next chunk."""
        self._pace.start()
        timeout = self._pace.timeout
        chunk: bytes = call_input(self._chunked_read, int(timeout or 0))
        self._pace.add(len(chunk))
        return chunk


# -- the body -----------------------------------------------------------------


class BodyPart:
    """A part of a multipart body while it arrives; see `Body.parts`."""

    def __init__(self, part: Part, events: Iterator[Any]):
        self.name = part.name
        self.filename = part.filename
        self.content_type = part.content_type
        self.type_options = part.type_options
        self.disposition = part.disposition
        self.disposition_options = part.disposition_options
        self._part = part
        self._events = events
        self._rest = b""
        self._done = False

    def __repr__(self) -> str:
        return f"<BodyPart name={self.name!r} filename={self.filename!r}>"

    @property
    def headers(self) -> dict[str, str]:
        """Header name in lower case to value."""
        return self._part.headers

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in blocks as they come."""
        while block := self._next():
            yield block

    def read(self, size: int = -1) -> bytes:
        """Return *size* bytes of the content, less only at its end; all if -1."""
        if size < 0:
            return b"".join(self)
        blocks = []
        while size and (block := self._next()):
            blocks.append(block[:size])
            self._rest = block[size:]
            size -= len(blocks[-1])
        return b"".join(blocks)

    def skip(self) -> None:
        """Read over what is left."""
        for _ in self:
            pass

    def _next(self) -> bytes:
        if self._rest:
            block, self._rest = self._rest, b""
            return block
        if not self._done:
            event = next(self._events, END)
            if isinstance(event, bytes):
                return event
            self._done = True
        return b""


def _same_error(err: BodyError) -> BodyError:
    """Return an error as it was before it was raised.

    SECURITY: one that was raised leads to the frames it has passed, and those to
    the body. If the body kept it, that circle would keep the body, its input and
    what was read, until Python looks for circles.
    """
    for kind in (BodyTimeoutError, BodyTooLargeError):
        if isinstance(err, kind):
            return kind(str(err))
    same = BodyError(str(err))
    same.status_code = err.status_code
    return same


# States, see the top.
_UNTOUCHED, _MEMORY, _STREAM, _CLOSED = range(4)
_UNSET: Final[Any] = object()

# PERF: each option is a descriptor with a call of its own; these get the values
# below them, all at once.
_data_options = attrgetter("_auto_data", "_data_size")
_stream_options = attrgetter(
    "_cached_size", "_read_timeout", "_min_body_rate", "_max_body_size"
)
_json_options = attrgetter(
    "_auto_json", "_json_mime_types", "_max_json_size", "_json_max_depth", "_json_loads"
)
_multipart_options = attrgetter(
    "_file_callback",
    "_max_form_parts",
    "_max_part_header_size",
    "_max_form_memory_size",
)
_form_options = attrgetter(
    "_auto_form", "_form_mime_types", "_auto_json", "_json_mime_types"
)
_urlencoded_limits = attrgetter("_max_form_memory_size", "_max_form_fields")
_urlencoded_options = attrgetter("_keep_blank_values", "_strict_parsing")


class Body:
    """Owner of the input of one request. See the states at the top.

    *app* has the options; *content_length* is -1 if none was announced.
    """

    _raw = b""  # the body, if in memory
    _position = 0  # of read() in it, as long as there is no _file
    _file: Any = None  # the file over it
    _chunks: Any = None  # what is under the stream of a chunked body
    _taken = False  # the server's file was handed out
    _json: Any = _UNSET

    def __init__(
        self,
        environ: Mapping[str, Any],
        app: Options,
        content_length: int,
        mime_type: str,
        charset: str = "utf-8",
    ):
        self._environ = environ
        self._app = app
        self._size = content_length
        self._mime_type = mime_type.lower()
        self._charset = charset
        # PERF: nearly every body is asked for these, and what stands in the object
        # is found faster than what its class has; 400 of 79,000 instructions with
        # a form, 1,200 with JSON.
        self._state = _UNTOUCHED
        self._error: BodyError | None = None  # after it, the input is not usable
        self._stream: CachedInput | None = None
        self._form: FieldStorage | None = _UNSET

    # -- what it is -----------------------------------------------------------

    @property
    def is_chunked(self) -> bool:
        """Tell whether the body came in the chunked transfer coding."""
        codings: str | None = self._environ.get("HTTP_TRANSFER_ENCODING")
        if not codings:
            return False
        return codings.lower().rpartition(",")[2].strip(" \t") == "chunked"

    @property
    def is_json(self) -> bool:
        """Tell whether the media type is one of JSON."""
        mime_type = self._mime_type
        return mime_type in self._app.json_mime_types or mime_type.endswith("+json")

    @property
    def is_form(self) -> bool:
        """Tell whether the media type is one of forms."""
        return self._mime_type in self._app.form_mime_types

    def _is_terminated(self) -> bool:
        """Tell whether the server's file ends with the body by itself."""
        return bool(self._environ.get("wsgi.input_terminated"))

    def _is_coded(self) -> bool:
        """Tell whether the chunks are still there, which the server leaves to us."""
        if self._is_terminated():
            return False
        codings = self._environ["HTTP_TRANSFER_ENCODING"].strip(" \t")
        if codings and not self.is_chunked:
            # RFC 9112, 6.3: nobody can tell where such a body ends.
            raise BodyError(f"Transfer-Encoding does not end in chunked: {codings!r}")
        return self.is_chunked

    # -- opening --------------------------------------------------------------

    def _is_in_memory(self) -> bool:
        """Tell how the body is read, after looking at it for the first time."""
        if self._error is not None:
            raise _same_error(self._error)
        if self._state == _UNTOUCHED:
            self._open()
        return self._state == _MEMORY

    def _open(self) -> None:
        size = self._size
        file = self._environ.get("wsgi.input")
        max_body_size = self._app._max_body_size  # type: ignore[attr-defined]  # below its Option
        if max_body_size is not None and size > max_body_size:
            raise BodyTooLargeError(
                f"Content-Length {size} exceeds max_body_size = {max_body_size}"
            )
        if file is None:
            self._state = _MEMORY
        elif "HTTP_TRANSFER_ENCODING" in self._environ and self._is_coded():
            self._open_chunks(file)
        elif isinstance(file, BytesIO) or self._is_short():
            self._load(file)
        else:
            self._open_stream(file, size if size >= 0 or self._is_terminated() else 0)

    def _is_short(self) -> bool:
        """Tell whether a body is read into memory at once."""
        auto_data, data_size = _data_options(self._app)
        return bool(auto_data and 0 <= self._size <= data_size)

    def _load(self, file: Any) -> None:
        """Read a short body; nearly always by one call."""
        size = self._size
        try:
            raw = file.read(size) if size else b""
        except BodyError:
            raise
        except Exception as err:
            raise input_error(err) from err
        if size > 0 and (raw.__class__ is not bytes or len(raw) != size):
            raw = raw or b""
            if len(raw) > size:
                raise BodyError("input returned more than it was asked for")
            raw += CachedInput(file, size - len(raw), pace=self._pace()).read_all()
        elif size < 0:
            self._pace().add(len(raw))  # a file in memory, of any size
        self._raw = raw
        self._state = _MEMORY

    def _open_stream(self, file: Any, size: int) -> None:
        cached_size, *limits = _stream_options(self._app)
        pace = Pace(*limits)
        self._stream = CachedInput(file, size, cached_size or BLOCK_SIZE, pace=pace)
        self._state = _STREAM

    def _open_chunks(self, file: Any) -> None:
        if "uwsgi.version" in self._environ:
            self._chunks = UwsgiChunks(self._pace())
        else:
            self._chunks = ChunkedInput(file, self._pace())
        # The chunks are counted under it already.
        self._stream = CachedInput(self._chunks, -1, timeout=None)
        self._state = _STREAM

    def _pace(self) -> Pace:
        return Pace(*_stream_options(self._app)[1:])

    def _guarded(self, method: Callable[..., R], *args: Any) -> R:
        """Call a reader and log what it refuses."""
        try:
            return method(*args)
        except BodyError as err:
            self._note(err)
            raise

    def _note(self, err: BodyError) -> None:
        if self._error is None:
            log.warning("Request body refused: %s", str(err))
        if self._state != _MEMORY:
            self._error = _same_error(err)

    # -- reading --------------------------------------------------------------

    def read(self, length: int = -1) -> bytes:
        """Return the next *length* bytes of the body, or all that is left."""
        return self._guarded(self._read, length)

    def _read(self, length: int) -> bytes:
        if not self._is_in_memory():
            block = self._read_stream(length)
        elif self._file is not None:
            block = self._file.read(length)
        else:
            start = self._position
            end = start + length if length >= 0 else len(self._raw)
            block = self._raw[start:end]
            self._position += len(block)
        if not block and self._size <= 0 and not self._raw and length:
            log.error("read() of a request that has no body")
        return block

    def _read_stream(self, length: int) -> bytes:
        stream = self._stream
        if stream is None:
            return b""
        return stream.read_all() if length < 0 else stream.read(length)

    def read_chunk(self) -> bytes:
        """Return the next chunk of a chunked body; b"" after the last one.

        A chunk larger than 1 MiB comes in pieces. If the server has undone the
        coding, the pieces are those in which the body arrives.
        """
        return self._guarded(self._read_chunk)

    def _read_chunk(self) -> bytes:
        in_memory = self._is_in_memory()
        if self._chunks is None:
            # waitress undoes the coding and its header: the length is what is left.
            if self.is_chunked or self._is_terminated():
                return self._read_decoded(in_memory)
            # Chunks that nobody announced: looked for in the body only.
            self._chunks = ChunkedInput(self._open_input(), self._pace())
        elif self._stream is not None and self._stream._buffer:
            return self._stream.read_some(MAX_CHUNK)
        chunk: bytes = self._chunks.read_chunk()
        return chunk

    def _read_decoded(self, in_memory: bool) -> bytes:
        if in_memory or self._stream is None:
            return self._read(BLOCK_SIZE)
        return self._stream.read_some(BLOCK_SIZE)

    @property
    def input(self) -> Any:
        """File to read the body from: the same one each time."""
        return self._guarded(self._open_input)

    def _open_input(self) -> Any:
        if self._is_in_memory():
            if self._file is None:
                self._file = self._own_file() or BytesIO(self._raw)
                self._file.seek(self._position)
            return self._file
        if self._app.cached_size or self._chunks is not None or self._is_taken():
            return self._stream
        self._taken = True
        return self._environ["wsgi.input"]

    def _own_file(self) -> BytesIO | None:
        """Return the server's file, if it holds the body and no byte more."""
        file = self._environ.get("wsgi.input")
        is_all = isinstance(file, BytesIO) and file.seek(0, 2) == len(self._raw)
        return file if is_all else None

    def _is_taken(self) -> bool:
        """Tell whether some reader has taken bytes from the stream."""
        return self._taken or (self._stream is not None and self._stream.tell() > 0)

    @property
    def data(self) -> bytes | None:
        """The whole body if it is in memory, else None; rewinds `input`."""
        if not self._guarded(self._is_in_memory):
            return None
        if self._file is not None:
            self._file.seek(0)
        self._position = 0
        return self._raw

    # -- parsing --------------------------------------------------------------

    def form(self) -> FieldStorage | None:
        """Return the form, or None if the body is none."""
        if self._form is _UNSET:
            try:
                self._form = self._parse_form()
            except BodyError as err:
                self._note(err)
                raise
        return self._form

    def _parse_form(self) -> FieldStorage | None:
        auto_form, form_types, auto_json, json_types = _form_options(self._app)
        mime_type = self._mime_type
        if not auto_form or mime_type not in form_types:
            return None
        if auto_json and mime_type in json_types:
            return None
        if mime_type == "application/x-www-form-urlencoded":
            return self._parse_urlencoded()
        return self._parse_multipart() if self._has_content("form") else None

    def _parse_urlencoded(self) -> FieldStorage | None:
        max_size, max_fields = _urlencoded_limits(self._app)
        size = self._size
        # PERF: a body that announces its length and is read for the first time has
        # content, and is of that size if it is in memory; 2,500 instructions.
        if size > 0 and self._state == _UNTOUCHED and self._error is None:
            self._open()
        elif not self._has_content("form"):
            return None
        raw = self._raw
        if self._stream is not None or (max_size is not None and len(raw) > max_size):
            raw = self._read_whole(max_size, "max_form_memory_size")
        form = None
        charset = self._charset
        if charset == "utf-8":
            form = short_form(raw, max_fields)
        else:
            charset = text_codec(charset.lower())
        if form is None:
            keep, strict = _urlencoded_options(self._app)
            form = parse_form(raw, keep, strict, charset, "replace", max_fields)
        form.length = size
        return form

    def _is_parsed_as_json(self) -> bool:
        auto, types, *_ = _json_options(self._app)
        mime_type = self._mime_type
        return auto and (mime_type in types or mime_type.endswith("+json"))

    def _parse_multipart(self) -> FieldStorage:
        if not self._mime_type.startswith("multipart/"):
            return self._parse_any()
        boundary = self._boundary()
        callback, parts, header_size, memory = _multipart_options(self._app)
        raw = self._raw if self._stream is None else self._read_short()
        form = None
        if raw is not None and len(raw) <= BLOCK_SIZE:
            form = parse_short_multipart(
                raw, boundary, callback, parts, header_size, memory
            )
        if form is None:
            blocks = self._large_blocks() if raw is None else _cut(raw)
            form = parse_multipart(
                blocks, boundary, callback, parts, header_size, memory
            )
        form.type = self._mime_type
        form.type_options = {"boundary": boundary}
        form.length = self._size
        return form

    def _parse_any(self) -> FieldStorage:
        """Parse a type that the application has added to form_mime_types."""
        app = self._app
        form = FieldStorageParser(
            self._open_input(),
            {"content-type": self._content_type()},
            keep_blank_values=app.keep_blank_values,
            strict_parsing=app.strict_parsing,
            file_callback=app.file_callback,
            limits=app,
        ).parse()
        form.length = self._size
        return form

    def _boundary(self) -> str:
        line = self._environ.get("CONTENT_TYPE") or self._content_type()
        # PERF: as clients send it, with nothing to be undone: 6,500 -> 2,500
        # instructions.
        kind, _, boundary = line.partition("; boundary=")
        if kind == self._mime_type and boundary.replace("-", "").isalnum():
            return boundary
        return parse_options(line)[1].get("boundary", "")

    def _content_type(self) -> str:
        environ = self._environ
        line: str = environ.get("CONTENT_TYPE") or environ.get("HTTP_CONTENT_TYPE", "")
        return line

    def _has_content(self, reader: str) -> bool:
        """Tell whether there is a body to parse by itself.

        Not one whose end only `read_chunk` can find, and not one that the
        application is reading on its own.
        """
        is_new = self._state == _UNTOUCHED
        if self._is_in_memory():
            if self._size > 0:
                return True
            # Without a length it is one only if it ends by itself.
            environ = self._environ
            ends = self._is_terminated() or (
                environ.get("SERVER_PROTOCOL") == "HTTP/0.9"
            )
            return ends and bool(self._raw)
        if self._chunks is not None or self._stream is None:
            return False
        if not is_new and self._is_taken():
            log.warning("%s: the body was already read by the application", reader)
            return False
        return self._size > 0 or self._stream.has_more()

    def _read_whole(self, limit: int | None, name: str) -> bytes:
        """Return the whole body, if it is not larger than the limit *name*."""
        size = max(self._size, len(self._raw))
        if limit is not None and size > limit:
            raise BodyTooLargeError(f"body of {size} bytes, {name} is {limit}")
        if self._stream is None:
            return self._raw
        if limit is None:
            return self._stream.read_all()
        raw = self._stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLargeError(f"body exceeds {name} = {limit}")
        return raw

    def json(self) -> Any:
        """Return the value of a JSON body, or NOT_JSON if it is none."""
        if self._json is _UNSET:
            try:
                self._json = self._parse_json()
            except BodyError as err:
                self._note(err)
                raise
        return self._json

    def _parse_json(self) -> Any:
        if not self._is_parsed_as_json() or not self._has_content("json"):
            return NOT_JSON
        return self._loads(self._read_whole(self._app.max_json_size, "max_json_size"))

    def _loads(self, raw: bytes) -> Any:
        *_, max_depth, loads = _json_options(self._app)
        if loads is None:
            return loads_json(raw, self._charset, max_depth)
        check_json_depth(raw, max_depth)
        try:
            return loads(raw)
        except Exception as err:  # of whatever class the provider has
            raise BodyError(f"invalid JSON: {err}") from err

    # -- iterating ------------------------------------------------------------

    def _blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes."""
        if self._is_in_memory():
            yield from _cut(self._raw)
        elif self._stream is not None:
            while block := self._stream.read_some(BLOCK_SIZE):
                yield block

    def _read_short(self) -> bytes | None:
        """Return the body from the stream, if it is known to fit one block."""
        stream = self._stream
        if stream is None or self._chunks is not None:
            return None
        return stream.read(self._size) if 0 < self._size <= BLOCK_SIZE else None

    def _large_blocks(self) -> Iterator[bytes]:
        """Return the body from the stream, however the server cuts it.

        PERF: to put pieces together saves what a block costs by itself, but
        copies them: 8 MB in pieces of 4 KiB 5.4 -> 3.4 ms, of 64 KiB 1.9 -> 2.9.
        """
        stream = self._stream
        return stream.blocks(BLOCK_SIZE, LARGE_ENOUGH) if stream else iter(())

    def parts(self) -> Iterator[BodyPart]:
        """Yield the parts of a multipart body as they arrive.

        Nothing is stored; what was not read of a part is skipped when the next
        one is asked for. Nested parts come one by one as well.

        :raises BodyError: while iterating, also if the body is no multipart.
        """
        events = self._noted(self._events())
        for event in events:
            if isinstance(event, Part) and not event.is_multipart:
                part = BodyPart(event, events)
                yield part
                part.skip()

    def _events(self) -> Iterator[Any]:
        if not self._mime_type.startswith("multipart/"):
            raise BodyError(f"{self._mime_type[:40]!r} is no multipart body")
        decoder = MultipartDecoder(
            self._boundary(),
            max_parts=self._app.max_form_parts,
            max_header_size=self._app.max_part_header_size,
        )
        for block in self._blocks():
            yield from decoder.receive(block)
        decoder.close()

    def _noted(self, items: Iterator[Any]) -> Iterator[Any]:
        """Pass the items on and log what refuses the next one."""
        try:
            yield from items
        except BodyError as err:
            self._note(err)
            raise

    def json_lines(self) -> Iterator[Any]:
        """Yield the value of each line of an NDJSON body as it arrives."""
        return self._noted(self._json_records(b"\n"))

    def json_sequence(self) -> Iterator[Any]:
        """Yield the values of a JSON text sequence (RFC 7464) as they arrive."""
        return self._noted(self._json_records(b"\x1e"))

    def _json_records(self, separator: bytes) -> Iterator[Any]:
        for record in self._records(separator):
            # RFC 7464, 2.4: a number without a blank behind it may be cut.
            if separator == b"\x1e" and record[-1:] not in b']}"\n\r\t ':
                raise BodyError("JSON text of a sequence is cut")
            if record.strip(b" \t\r\n"):
                yield self._loads(record)

    def _records(self, separator: bytes) -> Iterator[bytes]:
        """Yield what is between separators, none longer than max_json_size."""
        limit = self._app.max_json_size
        pending: list[bytes] = []
        size = 0
        for block in self._blocks():
            *records, rest = block.split(separator)
            for record in records:
                pending.append(record)
                yield b"".join(pending)
                pending.clear()
                size = 0
            pending.append(rest)
            size += len(rest)
            if limit is not None and size > limit:
                raise BodyTooLargeError(f"a JSON text exceeds max_json_size = {limit}")
        yield b"".join(pending)

    def close(self) -> None:
        """Close the files of the form; nothing can be read any more."""
        form, self._form = self._form, None
        if isinstance(form, FieldStorage):
            form.close()
        self._state = _CLOSED
        self._raw, self._stream, self._file, self._chunks = b"", None, None, None
