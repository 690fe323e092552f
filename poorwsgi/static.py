"""Files below the document root: found, guarded, compared, and cut to ranges.

`find` says what a path means before any hook has run; nothing is opened by it.
The target it returns makes the answer afterwards. How bytes get to the server
is known by response, what a listing looks like by results.
"""

from __future__ import annotations

import errno
import os
import re
from functools import lru_cache
from io import FileIO
from stat import S_ISDIR, S_ISLNK, S_ISREG
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from poorwsgi.blocks import BLOCK_SIZE, FileBody
from poorwsgi.headers import (
    check_header,
    http_to_time,
    is_strong_match,
    is_weak_match,
    parse_etags,
    parse_range,
    time_to_http,
)
from poorwsgi.response import (
    POWERED_BY,
    FileResponse,
    HTTPException,
    NotModifiedResponse,
    RedirectResponse,
    span_of,
    to_response,
)
from poorwsgi.results import directory_index
from poorwsgi.state import (
    HTTP_FORBIDDEN,
    HTTP_MOVED_PERMANENTLY,
    HTTP_NOT_FOUND,
    HTTP_NOT_MODIFIED,
    HTTP_OK,
    HTTP_PARTIAL_CONTENT,
    HTTP_PRECONDITION_FAILED,
    HTTP_RANGE_NOT_SATISFIABLE,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poorwsgi.response import BaseResponse

    Span = tuple[int, int]
    Lookup = Callable[[str], str | None]

#: What fails for want of descriptors or memory, or of a good disk, is still there.
_SERVER_ERRORS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO))
# SECURITY: what was a file a moment ago may have become a FIFO or a link.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


# -- which file --------------------------------------------------------------


def find(req: Any) -> Target | None:
    """Return what the path of a request means below its document root.

    None: there is nothing, or nothing that may be known of.
    """
    path = req.path
    if path[:1] != "/" or "\0" in path:
        return None
    app = req.app
    if "//" in path or "/." in path:
        path = normalised(path, app.serve_hidden)
        if path is None:
            return None
    root = req.document_root
    if type(root) is not str or root[:1] != "/":
        root = os.path.join(app.started_in, root)
    try:
        found = _locate(root, path, app)
    except PermissionError:
        return Target(req)
    except (OSError, UnicodeEncodeError):
        # Not there, not a directory on the way, too long, a circle of links.
        return None
    if found is None:
        return None
    full, stat = found
    if S_ISREG(stat.st_mode):
        return None if path[-1] == "/" else FileTarget(req, full, stat)
    if not S_ISDIR(stat.st_mode) or not req.document_index:
        return Target(req)
    is_open = os.access(full, os.R_OK | os.X_OK)
    return IndexTarget(req, full, path) if is_open else Target(req)


def normalised(path: str, hidden: bool = False) -> str | None:
    """Return a path without empty, `.` and `..` segments.

    None if it leads out of the root, or to a hidden name although *hidden* is
    off. `.well-known` is not hidden (RFC 8615).

    >>> normalised("//a/./b/../c/")
    '/a/c/'
    """
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not kept:
                return None
            kept.pop()
        elif part not in ("", "."):
            if part[0] == "." and part != ".well-known" and not hidden:
                return None
            kept.append(part)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return f"/{'/'.join(kept)}{end}"


def _locate(root: str, path: str, app: Any) -> tuple[str, os.stat_result] | None:
    """Return the full name and the stat of a normalised path; OSError if absent.

    SECURITY: without a link on the way, a path below the root stays there.
    With one, its real path has to lie there too. PERF: one lstat for each
    segment is all that it costs; realpath would take ten times as long.
    """
    root = root.rstrip("/")
    full = root + path
    if app._follow_symlinks:  # PERF: the value below the option
        return full, os.stat(full)
    end = path.find("/", 1)
    while end > 0:
        stat = os.lstat(root + path[:end])
        if S_ISLNK(stat.st_mode):
            return _behind_link(root, full, app)
        end = path.find("/", end + 1)
    if path[-1] != "/" or path == "/":
        stat = os.lstat(full)
        if S_ISLNK(stat.st_mode):
            return _behind_link(root, full, app)
    return full, stat  # pyright: ignore[reportPossiblyUnboundVariable]


def _behind_link(root: str, full: str, app: Any) -> tuple[str, os.stat_result] | None:
    """Return the same for a path with a link; PermissionError if it leads out."""
    real = os.path.realpath(full, strict=True)
    real_root = os.path.realpath(root or "/").rstrip("/")
    if real != (real_root or "/") and not real.startswith(f"{real_root}/"):
        raise PermissionError
    if normalised(real[len(real_root) :] or "/", app.serve_hidden) is None:
        return None
    return real, os.lstat(real)


# -- conditions --------------------------------------------------------------

_CONDITIONS = frozenset(
    (
        "HTTP_IF_MATCH",
        "HTTP_IF_NONE_MATCH",
        "HTTP_IF_MODIFIED_SINCE",
        "HTTP_IF_UNMODIFIED_SINCE",
    )
)


def failed_precondition(header: Lookup, etag: str, changed: int) -> int:
    """Return 304 or 412 if a condition of the request says so, else 0.

    The order is that of RFC 9110, section 13.2.2, for GET and HEAD. *header*
    gives a variable of the environment, *changed* is the time of the content.
    """
    if_match = header("HTTP_IF_MATCH")
    if if_match is not None:
        etags = parse_etags(if_match)
        if etags != ("*",) and not is_strong_match(etag, etags):
            return HTTP_PRECONDITION_FAILED
    else:
        limit = _date(header("HTTP_IF_UNMODIFIED_SINCE"))
        if limit is not None and changed > limit:
            return HTTP_PRECONDITION_FAILED
    if_none_match = header("HTTP_IF_NONE_MATCH")
    if if_none_match is not None:
        etags = parse_etags(if_none_match)
        is_current = etags == ("*",) or is_weak_match(etag, etags)
        return HTTP_NOT_MODIFIED if is_current else 0
    known = _date(header("HTTP_IF_MODIFIED_SINCE"))
    return HTTP_NOT_MODIFIED if known is not None and changed <= known else 0


def _date(value: str | None) -> int | None:
    """Return the time of a date; a condition that is no date is ignored."""
    if not value:
        return None
    try:
        return http_to_time(value)
    except ValueError:
        return None


def wanted_spans(
    header: Lookup, etag: str, changed: int, size: int
) -> list[Span] | None:
    """Return first and last byte of each range asked for; None for the whole.

    The list is empty if no range can be satisfied. The whole is due as well if
    If-Range names another content, if the header is malformed, and if ranges
    overlap so that they are longer than the file.
    """
    value = header("HTTP_RANGE")
    if not value or not _is_same(header("HTTP_IF_RANGE"), etag, changed):
        return None
    match = _PLAIN_RANGE.fullmatch(value)
    if match:
        # PERF: two numbers, as players and download managers send them.
        first, last = int(match[1]), int(match[2])
        if first <= last:
            return [(first, min(last, size - 1))] if first < size else []
    ranges = parse_range(value).get("bytes")
    if not ranges or any(
        first is not None and last is not None and first > last
        for first, last in ranges
    ):
        return None
    spans = [span for pair in ranges if size and (span := span_of(pair, size))]
    if len(spans) > 1 and sum(last - first + 1 for first, last in spans) > size:
        return None
    return spans


_PLAIN_RANGE = re.compile("bytes=([0-9]{1,18})-([0-9]{1,18})")


def _is_same(if_range: str | None, etag: str, changed: int) -> bool:
    """Return True if there is no If-Range, or it names this very content.

    RFC 9110, 13.1.5: entity tags compare strongly, a date has to be the same
    and old enough to be sure that the content did not change again in it.
    """
    if if_range is None:
        return True
    if '"' in if_range:
        return is_strong_match(etag, (if_range.strip(),))
    return _date(if_range) == changed and changed < int(time())


# -- answers -----------------------------------------------------------------


class Target:
    """Something that exists but is not given out: 403."""

    #: What `Request.uri_handler` shows while hooks run.
    uri_handler: Callable[..., Any] | None = None

    def __init__(self, req: Any):
        self.req = req

    def respond(self) -> Any:
        """Return the value of a handler, or raise HTTPException."""
        raise HTTPException(HTTP_FORBIDDEN)


class IndexTarget(Target):
    """A directory, to be listed."""

    uri_handler = staticmethod(directory_index)

    def __init__(self, req: Any, full: str, path: str):
        self.req = req
        self.full = full
        self.path = path

    def respond(self) -> Any:
        """Return the listing, or send the client to the path with a slash."""
        if self.path[-1] == "/":
            return directory_index(self.req, self.full)
        return RedirectResponse(self._location(), HTTP_MOVED_PERMANENTLY)

    def _location(self) -> str:
        environ = self.req._environ
        script = environ.get("SCRIPT_NAME", "").encode("latin-1", "replace")
        # SECURITY: one slash at the start, "//host" would be another server.
        location = "/" + quote(script + self.path.encode()).lstrip("/") + "/"
        query = environ.get("QUERY_STRING", "").encode("latin-1", "replace")
        if query:
            location += "?" + quote(query, safe="!$%&'()*+,/:;=?@[]~")
        return location


class FileTarget(Target):
    """A regular file."""

    def __init__(self, req: Any, full: str, stat: os.stat_result):
        self.req = req
        self.full = full
        self.stat = stat

    def respond(self) -> BaseResponse:
        """Return the file, a part of it, or 304; else raise HTTPException."""
        environ = self.req._environ
        if not environ.keys().isdisjoint(_CONDITIONS):
            unchanged = self._unchanged(environ.get)
            if unchanged is not None:
                return unchanged
        file = self._open()
        try:
            return self._answer(environ.get, file)
        except BaseException:
            file.close()
            raise

    def _unchanged(self, header: Lookup) -> BaseResponse | None:
        """Return 304 or raise 412 if a condition says so, else return None."""
        etag = etag_of(self.stat)
        if (
            header("HTTP_IF_NONE_MATCH") == etag
            and header("HTTP_IF_MATCH") is None
            and header("HTTP_IF_UNMODIFIED_SINCE") is None
        ):
            # PERF: what browsers send; the outcome of the ladder below.
            return UnchangedResponse(etag)
        status = failed_precondition(header, etag, changed_at(self.stat))
        if not status:
            return None
        if status == HTTP_PRECONDITION_FAILED:
            raise HTTPException(status)
        if not os.access(self.full, os.R_OK):
            raise HTTPException(HTTP_FORBIDDEN)
        return UnchangedResponse(etag)

    def _open(self) -> FileIO:
        """Open the file; 403 and 404 for what has happened to it meanwhile."""
        flags = _OPEN_FLAGS
        if not self.req.app._follow_symlinks:
            flags |= os.O_NOFOLLOW
        try:
            return FileIO(os.open(self.full, flags))
        except PermissionError as err:
            raise HTTPException(HTTP_FORBIDDEN) from err
        except OSError as err:
            if err.errno in _SERVER_ERRORS:
                raise
            raise HTTPException(HTTP_NOT_FOUND) from err

    def _answer(self, header: Lookup, file: FileIO) -> BaseResponse:
        """Return the answer made of the open file, whatever its path is now."""
        stat = os.fstat(file.fileno())
        if not S_ISREG(stat.st_mode):
            raise HTTPException(HTTP_FORBIDDEN)
        etag, changed = etag_of(stat), changed_at(stat)
        media_type = content_type_of(self.full)
        pairs = [
            POWERED_BY,
            ("Accept-Ranges", "bytes"),
            ("Last-Modified", _date_of(changed)),
            ("ETag", etag),
        ]
        # RFC 9110, 14.2: Range has a meaning for GET only.
        spans = None
        if header("HTTP_RANGE") and header("REQUEST_METHOD") == "GET":
            spans = wanted_spans(header, etag, changed, stat.st_size)
        if spans is None:
            return StaticResponse(file, media_type, stat.st_size, pairs)
        if not spans:
            raise HTTPException(self._unsatisfied(stat.st_size))
        if len(spans) > 1:
            return MultipartResponse(file, media_type, stat.st_size, pairs, spans)
        return StaticResponse(file, media_type, stat.st_size, pairs, spans[0])

    def _unsatisfied(self, size: int) -> BaseResponse:
        """Return the application's answer of 416, which names the size."""
        app = self.req.app
        response = to_response(
            app.state_from_table(self.req, HTTP_RANGE_NOT_SATISFIABLE)
        )
        response.headers.setdefault("Content-Range", f"bytes */{size}")
        return response


def etag_of(stat: os.stat_result) -> str:
    """Return the entity tag of a file: when it changed last, and its size."""
    return f'"{max(stat.st_mtime_ns, stat.st_ctime_ns):x}-{stat.st_size:x}"'


def changed_at(stat: os.stat_result) -> int:
    """Return the time the content of a file changed, in whole seconds.

    That is the later of mtime and ctime: tools set the first to the past when
    they copy. It never lies in the future (RFC 9110, 8.8.2.1).
    """
    return int(min(max(stat.st_mtime, stat.st_ctime), time()))


# PERF: the files that are asked for most keep theirs; 13,700 instructions, 1,200
# when it is known.
_date_of = lru_cache(maxsize=256)(time_to_http)


def content_type_of(path: str) -> str:
    """Return the media type that the name of a file suggests."""
    _, _, ending = path.rpartition(".")
    return _content_type("" if "/" in ending else ending)


# Bounded, and only endings of files that exist get here.
@lru_cache(maxsize=256)
def _content_type(ending: str) -> str:
    # mimetypes reads the system's tables: 7 ms, once a file is served.
    from mimetypes import guess_type

    media_type, encoding = guess_type(f"name.{ending}")
    if encoding:
        # A .tar.gz is no tar archive unless Content-Encoding says how to get it.
        return _COMPRESSED.get(encoding, "application/octet-stream")
    return media_type or "application/octet-stream"


_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
}


class UnchangedResponse(NotModifiedResponse):
    """304 for a file; there is nothing to complete unless a hook adds to it."""

    def __init__(self, etag: str):
        self.content_type = ""
        self._headers = [POWERED_BY, ("ETag", etag)]
        self._status_code = HTTP_NOT_MODIFIED

    def _complete(self) -> list[tuple[str, str]]:
        headers = self._headers
        return headers if type(headers) is list else super()._complete()


class ExactBody(FileBody):
    """A part of a file that has to have the length it was announced with."""

    _left: int

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes; OSError if the file has become shorter."""
        left = self._left
        if size < 0 or size > left:
            size = left
        if not size:
            return b""
        data = self._file.read(size)
        if not data:
            # A body that just ended would look whole on some servers, and on a
            # kept connection the next answer would fill it up.
            raise OSError(f"{left} bytes of a served file are missing")
        self._left = left - len(data)
        return data


_SENT = frozenset((HTTP_OK, HTTP_PARTIAL_CONTENT))


class StaticResponse(FileResponse):
    """A `FileResponse` made of what is known already: a file, or a span of it."""

    def __init__(
        self,
        file: FileIO,
        content_type: str,
        size: int,
        pairs: list[tuple[str, str]],
        span: Span | None = None,
    ):
        # PERF: FileResponse would look at the file system three times more.
        self.content_type = content_type
        self._headers = pairs
        self._file = file
        self._whole = span is None
        self._status_code = HTTP_OK if span is None else HTTP_PARTIAL_CONTENT
        start, end = span or (0, size - 1)
        self._start = start
        self._left = self._content_length = end - start + 1
        if span is not None:
            pairs.append(("Content-Range", f"bytes {start}-{end}/{size}"))

    @property
    def data(self) -> bytes:
        """The bytes that are sent."""
        return super().data[: self._left]

    def _complete(self) -> list[tuple[str, str]]:
        pairs = self._headers
        if type(pairs) is not list or self._ranges or self._status_code not in _SENT:
            return super()._complete()  # a hook has changed something
        # PERF: no search for what is not there; half of 20,000 instructions.
        check_header("Content-Type", self.content_type)
        pairs.append(("Content-Type", self.content_type))
        pairs.append(("Content-Length", str(self._left)))
        return pairs.copy()

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the file or the span of it, as many bytes as announced."""
        file = self._file
        if file.closed:
            return super().__end_of_response__()
        if self._slice is not None:  # a hook has called make_partial()
            start, end = self._slice
            file.seek(start)
            return ExactBody(file, end - start + 1)
        if self._start:
            file.seek(self._start)
        # A server that gets the descriptor sends all of the file, even what was
        # appended after its size was announced.
        whole = self._whole and os.fstat(file.fileno()).st_size == self._left
        return ExactBody(file, self._left, whole)


class MultipartResponse(StaticResponse):
    """Several ranges of a file: multipart/byteranges (RFC 9110, 14.6)."""

    def __init__(
        self,
        file: FileIO,
        content_type: str,
        size: int,
        pairs: list[tuple[str, str]],
        spans: list[Span],
    ):
        boundary = os.urandom(16).hex()
        multipart = f"multipart/byteranges; boundary={boundary}"
        super().__init__(file, multipart, size, pairs)
        self._status_code = HTTP_PARTIAL_CONTENT
        self._parts = [
            (
                f"\r\n--{boundary}\r\nContent-Type: {content_type}\r\n"
                f"Content-Range: bytes {start}-{end}/{size}\r\n\r\n".encode(),
                start,
                end - start + 1,
            )
            for start, end in spans
        ]
        self._closing = f"\r\n--{boundary}--\r\n".encode()
        length = sum(len(head) + count for head, _, count in self._parts)
        self._left = self._content_length = length + len(self._closing)

    def __end_of_response__(self) -> Iterable[bytes]:
        """Return the parts, read while they are sent."""
        return PartsBody(self._file, self._parts, self._closing)


class PartsBody:
    """Iterator over parts of a file and what stands between them."""

    def __init__(self, file: Any, parts: list[tuple[bytes, int, int]], closing: bytes):
        self._file = file
        self._parts = parts
        self._closing = closing

    def __iter__(self) -> Iterator[bytes]:
        for head, start, count in self._parts:
            yield head
            self._file.seek(start)
            body = ExactBody(self._file, count)
            while data := body.read(BLOCK_SIZE):
                yield data
        yield self._closing

    def close(self) -> None:
        """Close the file."""
        self._file.close()
