"""Multipart bodies (RFC 2046, RFC 7578), decoded without reading them.

Bytes go in by receive(), events come out: a `Part` when one begins, bytes for
its content, `END` when it is over. Who reads the socket and who stores the
file is decided elsewhere (fieldstorage, body). Limits on parts, their headers
and nesting are enforced here, since only here it is known what is counted.
"""

from __future__ import annotations

from re import ASCII, DOTALL, IGNORECASE, compile
from typing import TYPE_CHECKING

from poorwsgi.state import (
    HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
    BodyError,
    BodyTooLargeError,
)
from poorwsgi.urlencoded import text_codec, unquote_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeVar

    F = TypeVar("F")

MAX_PREAMBLE = 65536
MAX_NESTING = 2
#: Blanks allowed between a boundary and its line end.
MAX_PADDING = 256

_BOUNDARY = compile(rb"[ -~]{0,200}[!-~]")
_PADDED_END = compile(rb"[ \t]{0,%d}\r\n" % MAX_PADDING)
_PADDING = compile(rb"[ \t]*\r?")
# PERF: what browsers and most clients send, in one match. No backslash and no
# percent sign, so nothing is left to be undone.
_PLAIN_HEADERS = compile(
    r'content-disposition: form-data; name="([^"\\%\x00-\x1f]*)"'
    r'(?:; filename="([^"\\%\x00-\x1f]*)")?'
    r"(?:\r\ncontent-type: ([a-z0-9.+/-]+))?",
    IGNORECASE | ASCII,
).fullmatch
# The same in the bytes of a short body, from the end of a delimiter on; a text is
# taken along. Not _charset_, nor parts of parts (types that begin with m), which
# change how the others are read; not a text that may be a delimiter already.
_PLAIN_PART = compile(
    rb'\r\nContent-Disposition: form-data; name="(?!_charset_")([^"\\%\x00-\x1f]*)"'
    rb"(?:\r\n\r\n(?!--)([^\r]{0,500})"
    rb'|; filename="([^"\\%\x00-\x1f]*)"'
    rb"\r\nContent-Type: ([A-LN-Za-ln-z][A-Za-z0-9.+/-]*)\r\n\r\n)"
).match
_TOKEN = compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Possessive, so a quote that is never closed is not looked for twice.
_PARAMETER = compile(
    r';[ \t]*([^\s=;"]+)[ \t]*=[ \t]*(?:"((?:[^"\\]++|\\.)*+)"|([^;]*))', DOTALL
)
_QUOTED_PAIR = compile(r'\\(["\\])')
_EXTENDED = compile(r"([\w-]+)'[\w-]*'(.*)", ASCII | DOTALL)
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)))


class End:
    """The type of `END`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "END"


#: The event after the last bytes of a part.
END: Final = End()


def valid_boundary(data: str | bytes) -> bool:
    """Tell whether *data* may be a boundary: 1-201 printable ASCII, no end blank."""
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    return _BOUNDARY.fullmatch(data) is not None


def safe_filename(name: str) -> str:
    r"""Return the last path component of *name*, safe to be used in a directory.

    Without control characters, at most 1024 bytes, never ``.`` or ``..``; what
    has nothing left is ``upload``. An empty name stays empty.

    >>> safe_filename(r"C:\temp\..\me.png"), safe_filename("../.."), safe_filename("")
    ('me.png', 'upload', '')
    """
    if not name:
        return ""
    if "/" in name or "\\" in name:
        name = name.replace("\\", "/").rpartition("/")[2]
    if not name.isprintable():
        name = name.translate(_CONTROLS)
    if len(name) > 256 and len(name.encode("utf-8", "replace")) > 1024:
        name = name.encode("utf-8", "replace")[:1024].decode("utf-8", "ignore")
    return name if name.strip(" .") else "upload"


class Part:
    """What the headers of one part say."""

    __slots__ = (
        "_headers",
        "_text",
        "content_type",
        "disposition",
        "disposition_options",
        "filename",
        "is_multipart",
        "name",
        "type_options",
    )

    _headers: dict[str, str] | None

    def __init__(self, text: str):
        """Parse the header lines *text*, without the blank line behind them."""
        self._text = text
        self._headers = None
        plain = _PLAIN_HEADERS(text)
        if plain is None:
            self._parse()
            return
        name, client_name, content_type = plain.groups()
        self.disposition = "form-data"
        self.name: str | None = name
        self.type_options: dict[str, str] = {}
        self.is_multipart = False
        if client_name is None:
            self.filename: str | None = None
            self.disposition_options = {"name": name}
        else:
            self.filename = safe_filename(client_name)
            self.disposition_options = {"name": name, "filename": client_name}
        if content_type is None:
            self.content_type = "text/plain"
        else:
            self.content_type = content_type.lower()
            self._find_nesting()

    def __repr__(self) -> str:
        return f"<Part name={self.name!r} filename={self.filename!r}>"

    @property
    def headers(self) -> dict[str, str]:
        """Header name in lower case to value; the first one if it repeats."""
        if self._headers is None:
            self._headers = parse_part_headers(self._text)
        return self._headers

    def _parse(self) -> None:
        headers = self.headers
        line = headers.get("content-disposition", "")
        self.disposition, self.disposition_options = parse_options(line)
        self.name = self.disposition_options.get("name")
        filename = self.disposition_options.get("filename")
        self.filename = None if filename is None else safe_filename(filename)
        line = headers.get("content-type", "text/plain")
        self.content_type, self.type_options = parse_options(line)
        self._find_nesting()

    def _find_nesting(self) -> None:
        # A file that somebody uploads may be multipart itself (.mhtml, .eml).
        self.is_multipart = not self.filename and self.content_type.startswith(
            "multipart/"
        )


def parse_part_headers(text: str) -> dict[str, str]:
    """Return the header lines of a part by lower-case name."""
    headers: dict[str, str] = {}
    # RFC 5322, 2.2.3: a line that begins with a blank goes on with the last one.
    unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ")
    for line in unfolded.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise BodyError(f"bad header in a part: {line[:40]!r}")
        headers.setdefault(name.lower(), value.strip(" \t"))
    return headers


def parse_options(line: str) -> tuple[str, dict[str, str]]:
    """Split a Content-Disposition or Content-Type as it comes in a form.

    >>> parse_options('form-data; name="a"; filename="x%22y.txt"')
    ('form-data', {'name': 'a', 'filename': 'x"y.txt'})
    """
    main, semicolon, rest = line.partition(";")
    options: dict[str, str] = {}
    extended: dict[str, str] = {}
    for key, quoted, plain in _PARAMETER.findall(semicolon + rest):
        name = key.lower()
        value = _unquote(quoted or plain.strip(" \t"))
        if name[-1] == "*":
            extended.setdefault(name[:-1], value)
        else:
            options.setdefault(name, value)
    for name, value in extended.items():
        # RFC 7578, 4.2 forbids filename*, some clients send it alone; where
        # both are there, the plain one is what everybody else sees.
        if name not in options:
            options[name] = _decode_extended(value)
    return main.strip(" \t").lower(), options


def _unquote(value: str) -> str:
    r"""Undo the escapes of clients: \" and \\ (curl), %22 %0D %0A (browsers)."""
    if "\\" in value:
        value = _QUOTED_PAIR.sub(r"\1", value)
    if "%" in value:
        # HTML, 4.10.22.8: these three are escaped in names, the percent sign
        # itself is not, so no other escape may be undone.
        value = value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
    return value


def _decode_extended(value: str) -> str:
    """Return the text of an extended value (RFC 8187), or it as it is."""
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return value
    raw = unquote_bytes(match[2].encode("utf-8", "replace"))
    return raw.decode(text_codec(match[1]), "replace")


def _headers_too_large(limit: int) -> BodyError:
    error = BodyError(f"headers of a part exceed max_part_header_size = {limit}")
    error.status_code = HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE
    return error


def read_plain_parts(
    raw: bytes,
    boundary: bytes,
    max_header_size: int | None,
    make_file: Callable[[str, bytes, bytes, bytes, int, int], F],
) -> list[tuple[str, str | F]] | None:
    """Return names and contents of a whole body, if each part is an ordinary one.

    *make_file* is called with the name, file name and type of a file, and with
    the edges of its content in *raw*.

    PERF: instead of a decoder, for forms that come in one block. What it returns
    is what the decoder finds; None says nothing but that the decoder is needed.

    :raises UnicodeDecodeError: a text is not UTF-8; the same.
    """
    opening = b"--" + boundary
    delimiter = b"\r\n" + opening
    size = len(delimiter)
    # Of other boundaries, valid ones included, the decoder takes care.
    is_plain = size < 75 and boundary.replace(b"-", b"").isalnum()
    if not is_plain or raw[: size - 2] != opening:
        return None
    longest = len(raw) if max_header_size is None else max_header_size
    parts: list[tuple[str, str | F]] = []
    after = size - 2
    last = len(raw) - 6  # behind the last delimiter are two dashes and a line end
    while after < last and (head := _PLAIN_PART(raw, after)):
        raw_name, text, filename, content_type = head.groups()
        name = raw_name.decode()
        end = head.end()
        if end - after > longest:
            return None
        if text is None:
            start, end = end, raw.find(delimiter, end - 2)
            if end < start:
                return None
            parts.append(
                (name, make_file(name, filename, content_type, raw, start, end))
            )
        else:
            if not raw.startswith(delimiter, end):  # longer, or with a CR
                start, end = end - len(text), raw.find(delimiter, end)
                if end < 0:
                    return None
                text = raw[start:end]
            parts.append((name, text.decode()))
        after = end + size
    return parts if parts and raw.startswith(b"--", after) else None


Event = Part | bytes | End

# What the decoder waits for.
_START, _PREAMBLE, _HEADERS, _DATA, _EPILOGUE = range(5)


class MultipartDecoder:
    """Turns the bytes of one multipart body into events.

    >>> decoder = MultipartDecoder(b"x")
    >>> head = b'--x\\r\\nContent-Disposition: form-data; name="a"\\r\\n\\r\\n'
    >>> decoder.receive(head + b"text\\r\\n--x--")
    [<Part name='a' filename=None>, b'text', END]
    >>> decoder.close()

    The time is linear in the bytes for any cutting of the input, and what is
    held back between two calls is a few hundred bytes, or the headers of a
    part. Parts of parts come between the `Part` with *is_multipart* and its
    `END`. A limit of None is no limit.
    """

    def __init__(
        self,
        boundary: bytes | str,
        *,
        max_parts: int | None = 1000,
        max_header_size: int | None = 8192,
        encoding: str = "utf-8",
        errors: str = "replace",
    ):
        if isinstance(boundary, str):
            boundary = boundary.encode("utf-8", "replace")
        if not valid_boundary(boundary):
            raise BodyError(f"Invalid boundary in multipart form: {boundary[:210]!r}")
        self.done = False
        self.encoding = encoding
        self._delimiter = b"\r\n--" + boundary
        self._has_few_bytes = len(set(self._delimiter)) < 18
        self._errors = errors
        self._max_parts = max_parts
        self._max_header_size = max_header_size
        self._count = [0]  # shared with the decoders of nested parts
        self._depth = 1
        self._inner: MultipartDecoder | None = None
        self._state = _START
        self._held = b""  # the end of the last input, not yet understood
        self._scanned = 0  # how much of it holds no end of headers
        self._skipped = 0  # size of the preamble
        self._lead = 0  # bytes before the content that may begin a delimiter
        self._found: list[int] = []  # delimiters in the input, the first one last
        self._cut = 0  # results of _find_delimiter
        self._after = 0
        self._next = _HEADERS

    def receive(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the body and return what they tell."""
        events: list[Event] = []
        delimiter = self._delimiter
        buf = chunk if chunk.__class__ is bytes else bytes(chunk)
        position = 0
        if self._held:
            buf = self._held + buf
        elif self._state == _DATA:
            # PERF: without a CR there is no delimiter, nor the beginning of one.
            if b"\r" not in buf and not self._lead and self._inner is None:
                return [buf] if buf else events
        elif self._state == _START:
            # The first delimiter may stand at the very start, without a CRLF.
            opening = delimiter[2:] + b"\r\n"
            if buf.startswith(opening):
                position, self._state = len(opening), _HEADERS
            else:
                buf, self._state = b"\r\n" + buf, _PREAMBLE
        found = buf.rfind(delimiter) if self._has_few_bytes else buf.find(delimiter)
        if found < 0 and self._is_all_data(buf):
            self._held = b""
            return [buf]
        self._found = delimiters = self._find_all(buf, found)
        while position >= 0:
            if self._state == _DATA:
                position = self._read_data(buf, position, events)
            elif self._state == _HEADERS:
                if delimiters and not self._scanned:
                    position = self._read_whole_parts(buf, position, events)
                if self._state == _HEADERS:
                    position = self._read_headers(buf, position, events)
            elif self._state == _PREAMBLE:
                position = self._read_preamble(buf, position)
            else:
                self._held, position = b"", -1
        return events

    def _is_all_data(self, buf: bytes) -> bool:
        """Tell whether *buf*, which has no delimiter, has no beginning of one.

        PERF: as most blocks of a large file. 8 MB in blocks of 64 KiB, together
        with `CachedInput.blocks`: 2.9 -> 2.0 ms.
        """
        if self._state != _DATA or self._lead or self._inner is not None:
            return False
        return self._find_beginning(buf, 0) < 0

    def _find_all(self, buf: bytes, found: int) -> list[int]:
        """Return where the delimiter stands in *buf*, the last place first.

        *found* is the place that was found first: the last one if the delimiter
        has few different bytes.

        PERF: rfind() is twice as fast as find() for those (Firefox, curl), and
        slower for others (Chrome, Safari).
        """
        delimiter = self._delimiter
        places: list[int] = []
        if self._has_few_bytes:
            while found >= 0:
                places.append(found)
                found = buf.rfind(delimiter, 0, found)
            return places
        while found >= 0:
            places.append(found)
            found = buf.find(delimiter, found + len(delimiter))
        places.reverse()
        return places

    def close(self) -> None:
        """Tell that there is no more input.

        :raises BodyError: the closing boundary never came.
        """
        if not self.done:
            raise BodyError("multipart body ends before its closing boundary")

    # Each of these takes up the input at a position, and returns the position
    # from which the next state goes on. It is -1 if more input is needed; what
    # is not yet understood is in _held then.

    def _read_preamble(self, buf: bytes, start: int) -> int:
        found = self._find_delimiter(buf, start)
        self._skipped += (self._cut if found < 0 else found) - start
        if self._skipped > MAX_PREAMBLE:
            raise BodyError("no boundary in the first 64 KiB of the multipart body")
        if found < 0:
            return self._hold(buf, self._cut)
        self._state = self._next
        return self._after

    def _read_whole_parts(self, buf: bytes, start: int, events: list[Event]) -> int:
        """Take up ordinary parts that are in the buffer from end to end.

        PERF: it does what the other states do, for parts without anything
        special; whatever it leaves is for them.
        """
        delimiters = self._found
        size = len(self._delimiter)
        limit = self._max_header_size
        while delimiters and not buf.startswith(b"\r\n", start):
            found = delimiters[-1]
            end = buf.find(b"\r\n\r\n", start, found)
            following = buf[found + size : found + size + 2]
            if end < 0 or (following != b"\r\n" and following != b"--"):
                break
            if limit is not None and end - start > limit:
                break
            part = Part(buf[start:end].decode(self.encoding, self._errors))
            if part.is_multipart or self._count[0] == self._max_parts:
                break
            self._count[0] += 1
            delimiters.pop()
            events.append(part)
            if found > end + 4:
                events.append(buf[end + 4 : found])
            events.append(END)
            start = found + size + 2
            if following == b"--":
                self._state = _EPILOGUE
                self.done = True
                break
        return start

    def _read_headers(self, buf: bytes, start: int, events: list[Event]) -> int:
        end = buf.find(b"\r\n\r\n", start + self._scanned)
        content = end + 2
        if buf.startswith(b"\r\n", start):
            end, content = start, start  # no header at all
        limit = self._max_header_size
        # Without an end, the last three bytes may be the beginning of it.
        size = (end if end >= 0 else len(buf) - 3) - start
        if limit is not None and size > limit:
            raise _headers_too_large(limit)
        if end < 0:
            self._scanned = max(0, size)
            return self._hold(buf, start)
        self._scanned = 0
        part = Part(buf[start:end].decode(self.encoding, self._errors))
        self._count[0] += 1
        if self._max_parts is not None and self._count[0] > self._max_parts:
            raise BodyTooLargeError(
                f"multipart body has more than max_form_parts = {self._max_parts}"
            )
        events.append(part)
        if part.is_multipart:
            self._inner = self._make_inner(part)
        # The CRLF of the blank line is that of the delimiter if the part has
        # no content at all (RFC 2046, 5.1.1: the body of a part is optional).
        self._state, self._lead = _DATA, 2
        return content

    def _make_inner(self, part: Part) -> MultipartDecoder:
        if self._depth >= MAX_NESTING:
            raise BodyError("multipart body is nested too deeply")
        inner = MultipartDecoder(
            part.type_options.get("boundary", ""),
            max_parts=self._max_parts,
            max_header_size=self._max_header_size,
            encoding=self.encoding,
            errors=self._errors,
        )
        inner._count = self._count
        inner._depth = self._depth + 1
        return inner

    def _read_data(self, buf: bytes, start: int, events: list[Event]) -> int:
        found = self._find_delimiter(buf, start)
        end = self._cut if found < 0 else found
        if end > start:
            begin = start + self._lead
            self._lead = 0
            if end > begin:
                data = buf[begin:end]
                if self._inner is None:
                    events.append(data)
                else:
                    events += self._inner.receive(data)
        if found < 0:
            return self._hold(buf, end)
        if self._inner is not None:
            self._inner.close()
            self._inner = None
        events.append(END)
        self._state = self._next
        return self._after

    def _find_delimiter(self, buf: bytes, start: int) -> int:
        """Return where the next delimiter begins.

        _next and _after say what comes behind it. If there is none, -1 is
        returned, and _cut is where one may begin that is not complete yet.
        """
        delimiter = self._delimiter
        while self._found:
            found = self._found.pop()
            if found < start:  # inside of headers
                continue
            after = found + len(delimiter)
            following = buf[after : after + 2]
            if following == b"\r\n":
                self._next, self._after = _HEADERS, after + 2
                return found
            if following == b"--":
                self._next, self._after = _EPILOGUE, after + 2
                self.done = True
                return found
            # Blanks may follow (RFC 2046, 5.1.1). Anything else makes it a
            # longer word, which is content: the boundary of somebody else.
            padded = _PADDED_END.match(buf, after)
            if padded:
                self._next, self._after = _HEADERS, padded.end()
                return found
            if following == b"-" or (
                len(buf) - after <= MAX_PADDING and _PADDING.fullmatch(buf, after)
            ):
                self._cut = found
                return -1
        beginning = self._find_beginning(buf, start)
        self._cut = len(buf) if beginning < 0 else beginning
        return -1

    def _find_beginning(self, buf: bytes, start: int) -> int:
        """Return where a delimiter begins that the end of *buf* cuts, or -1."""
        delimiter = self._delimiter
        # Only the last CR can begin a delimiter, as it has no other inside.
        last = buf.rfind(b"\r", max(start, len(buf) - len(delimiter) + 1))
        return last if last >= 0 and delimiter.startswith(buf[last:]) else -1

    def _hold(self, buf: bytes, start: int) -> int:
        self._held = buf[start:]
        return -1
