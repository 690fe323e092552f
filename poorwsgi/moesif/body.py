"""Copies of bodies: how much is kept, and what becomes of it in an event.

A body is copied while it passes, up to a limit, and turned into JSON or base64
only when the event is written. Nothing here reads a stream.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from poorwsgi.multipart import MultipartDecoder, Part, parse_options
from poorwsgi.state import BodyError

#: A body and its transfer_encoding; None and None for no body.
Encoded = tuple[Any, str | None]

NOTHING: Encoded = (None, None)


@dataclass(frozen=True, slots=True)
class BodyRules:
    """How bodies of one direction are written."""

    limit: int
    masks: frozenset[str] = frozenset()
    #: multipart/form-data becomes an object of its fields (ASGI).
    forms: bool = False
    #: Any valid JSON counts, not only an object or a list (outgoing calls).
    any_json: bool = False


class BodyCopy:
    """Bytes that pass by, kept up to a limit; one byte more and none are kept."""

    __slots__ = ("_chunks", "_limit", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[bytes] = []
        self.size = 0

    def keep(self, chunk: bytes) -> None:
        if type(chunk) is not bytes:
            chunk = bytes_of(chunk)
        self.size += len(chunk)
        if self.size <= self._limit:
            self._chunks.append(chunk)
        elif self._chunks:
            self._chunks = []

    @property
    def room(self) -> int:
        """How many more bytes would be kept."""
        return self._limit - self.size

    @property
    def kept(self) -> int:
        """How many bytes are kept."""
        return self.size if self.size <= self._limit else 0

    def data(self) -> bytes:
        """Return the whole body; nothing if it is larger than the limit."""
        if len(self._chunks) == 1:
            return self._chunks[0]
        return b"".join(self._chunks)


def bytes_of(chunk: object) -> bytes:
    """Return the bytes of a view, whose owner may fill it again.

    What is no bytes at all is for the server to complain about: some pass over it.
    """
    try:
        return bytes(memoryview(chunk))  # type: ignore[arg-type]  # found out here
    except TypeError:
        return b""


class RawBody(NamedTuple):
    """A copied body waiting to be written."""

    data: bytes
    content_type: str
    content_encoding: str
    rules: BodyRules

    def encode(self) -> Encoded:
        """Return the value for the event and its transfer encoding."""
        if not self.data:
            return NOTHING
        if self.content_encoding and "gzip" in self.content_encoding.lower():
            return encode_gzip(self.data, self.rules)
        if self.rules.forms and is_form(self.content_type):
            fields = form_fields(self.data, self.content_type)
            if fields is not None:
                return without_keys(fields, self.rules.masks), "json"
        return encode_plain(self.data, self.rules)


def encode_plain(data: bytes, rules: BodyRules) -> Encoded:
    if rules.any_json or data[:1] in (b"{", b"["):
        try:
            value = parse_json(data)
            return without_keys(value, rules.masks) if rules.masks else value, "json"
        except (ValueError, RecursionError):
            pass
    return encode_base64(data, rules), "base64"


def encode_gzip(data: bytes, rules: BodyRules) -> Encoded:
    try:
        data = gunzip(data, rules.limit)
    except (zlib.error, EOFError):
        return encode_base64(data, rules), "base64"
    if not data or len(data) > rules.limit:
        return NOTHING
    return encode_base64(data, rules), "base64"


def encode_base64(data: bytes, rules: BodyRules) -> str:
    if rules.masks:
        data = mask_hidden_json(data, rules.masks)
    return b64encode(data).decode("ascii")


def mask_hidden_json(data: bytes, masks: frozenset[str]) -> bytes:
    """Mask JSON that goes as base64.

    SECURITY: a zipped body, or a blank before the brace, must not carry a
    masked key past the mask.
    """
    if data.lstrip()[:1] not in (b"{", b"["):
        return data
    try:
        value = parse_json(data)
        return json.dumps(without_keys(value, masks)).encode("ascii")
    except (ValueError, RecursionError):
        return data


def parse_json(data: bytes) -> Any:
    """Parse JSON as RFC 8259 has it: no NaN, no Infinity.

    :raises ValueError: no UTF-8, no JSON, or a number beyond Python's limits
    """
    text = data.decode("utf-8").strip(" \t\n\r")  # RFC 8259, 2
    value, end = _read(text)
    if end != len(text):
        raise ValueError("something follows the JSON value")
    return value


def refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# PERF: one decoder made once; json.loads with options builds one each time. Its
# decode() looks for blanks by regular expressions, a quarter of a short body.
_read = json.JSONDecoder(parse_constant=refuse).raw_decode


def without_keys(value: Any, masks: frozenset[str]) -> Any:
    """Return value with the masked keys removed at any depth."""
    if not masks:
        return value
    if isinstance(value, dict):
        return {
            key: without_keys(item, masks)
            for key, item in value.items()
            if key not in masks
        }
    if isinstance(value, list):
        return [without_keys(item, masks) for item in value]
    return value


def gunzip(data: bytes, limit: int) -> bytes:
    """Unzip all members, stopping soon after limit.

    SECURITY: a zip bomb costs at most limit + 1 bytes.

    :raises zlib.error: the data is not gzip
    :raises EOFError: the data ends too early
    """
    parts: list[bytes] = []
    size = 0
    while data:
        unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
        part = unzip.decompress(data, limit + 1 - size)
        parts.append(part)
        size += len(part)
        if size > limit:
            break
        if not unzip.eof:
            raise EOFError("gzip data ends too early")
        data = unzip.unused_data
    return b"".join(parts)


def is_form(content_type: str) -> bool:
    return content_type.lstrip()[:19].lower() == "multipart/form-data"


def form_fields(data: bytes, content_type: str) -> dict[str, Any] | None:
    """Return the text fields and file names of a form; None if it is broken.

    A name that occurs again makes a list.
    """
    fields: dict[str, Any] = {}
    try:
        boundary = parse_options(content_type)[1].get("boundary", "")
        decoder = MultipartDecoder(boundary)
        collect(decoder.receive(data), fields)
        decoder.close()
    except BodyError:
        return None
    return fields


def collect(events: list[Any], fields: dict[str, Any]) -> None:
    part: Part | None = None
    text: list[bytes] = []
    for event in events:
        if isinstance(event, Part):
            part, text = event, []
        elif isinstance(event, bytes):
            text.append(event)
        elif part is not None and part.name is not None:
            value = part.filename
            if value is None:
                value = b"".join(text).decode("utf-8", "replace")
            add_field(fields, part.name, value)
            part = None


def add_field(fields: dict[str, Any], name: str, value: str) -> None:
    if name not in fields:
        fields[name] = value
    elif isinstance(fields[name], list):
        fields[name].append(value)
    else:
        fields[name] = [fields[name], value]
