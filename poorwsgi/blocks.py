"""Bodies that are sent in blocks: of a file, of a generator, a range of either.

Each is closed once by whoever sends it, and closes what it reads from. They
know nothing of responses and their headers.
"""

from __future__ import annotations

import os
from io import BufferedIOBase, BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

#: Size of the blocks that files are read in, in bytes.
BLOCK_SIZE = 65536


def close_body(body: object) -> None:
    """Call close() of what a response returned, where it has one."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


# -- files -----------------------------------------------------------------


class FileBody:
    """At most *count* bytes of a file from where it stands, in blocks.

    It has `fileno` only if all of the file is meant: servers hand that number
    to the kernel, which knows of no ranges.
    """

    def __init__(self, file: BinaryIO, count: int | None, whole: bool = False):
        self._file = file
        self._left = count
        if whole and hasattr(file, "fileno"):
            self.fileno = file.fileno

    def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes, all that are left if negative."""
        left = self._left
        if left is None:
            return self._file.read(size)
        if size < 0 or size > left:
            size = left
        data = self._file.read(size) if size else b""
        if size and not data:
            # A body that just ended would look whole on some servers, and on a
            # kept connection the next answer would fill it up.
            raise OSError(f"{left} bytes of a file are missing, it became shorter")
        self._left = left - len(data)
        return data

    def tell(self) -> int:
        """Return where the file stands; mod_wsgi asks whoever has `fileno`."""
        return self._file.tell()

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(BLOCK_SIZE):
            yield data

    def close(self) -> None:
        """Close the file."""
        close_body(self._file)


def is_closed(file: BinaryIO) -> bool:
    """Return True if a file-like object says that it is closed."""
    return bool(getattr(file, "closed", False))


def seekable(file: BinaryIO) -> bool:
    """Return True if a file-like object can be positioned."""
    probe = getattr(file, "seekable", None)
    return probe() if probe is not None else hasattr(file, "seek")


def is_compressed(file: BinaryIO) -> bool:
    """Return True for files of gzip, bz2 and lzma, whose descriptor lies.

    It knows the size of what is packed. All other buffered files have a `raw`.
    """
    return (
        isinstance(file, BufferedIOBase)
        and not isinstance(file, BytesIO)
        and not hasattr(file, "raw")
    )


def position_and_size(file: BinaryIO) -> tuple[int, int | None]:
    """Return where a file stands and its size in bytes, None if unknown."""
    if not seekable(file):
        return 0, None
    here = file.tell()
    if is_compressed(file):
        return here, None
    if isinstance(file, BytesIO):
        return here, file.getbuffer().nbytes
    try:
        size = os.fstat(file.fileno()).st_size
    except (AttributeError, OSError):  # no real file below it
        size = file.seek(0, os.SEEK_END)
        file.seek(here)
        return here, size
    if size == 0 and file.read(1):  # files of /proc say that they are empty
        file.seek(here)
        return here, None
    return here, size


# -- iterables -------------------------------------------------------------


def started(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Run a generator of this module up to its first yield, an empty one.

    close() of a generator that never ran runs none of its ``finally``; then
    nobody would close what the user gave (HEAD, a client that is gone).
    """
    next(blocks)
    return blocks


def closing_blocks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the blocks; close where they come from at the end."""
    try:
        yield b""
        # `yield from` would close it a second time.
        for block in blocks:
            yield block if type(block) is bytes else block_of(block)
    finally:
        close_body(blocks)


def block_of(value: Any) -> bytes:
    """Return a block that is nearly bytes as bytes; TypeError for what is not.

    PEP 3333 wants bytes, but uWSGI drops everything else without a word.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    hint = "; StrGeneratorResponse takes text" if isinstance(value, str) else ""
    raise TypeError(f"a block of the body has to be bytes, not {value!r:.80}{hint}")


def encoded_blocks(pieces: Iterable[str]) -> Iterator[bytes]:
    """Yield pieces of text as UTF-8."""
    try:
        yield b""
        for piece in pieces:
            yield piece.encode()
    finally:
        close_body(pieces)


def cut_blocks(blocks: Iterable[bytes], start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes from *start* to *end* (inclusive) of the blocks."""
    try:
        yield b""
        position = 0
        for block in blocks:
            if type(block) is not bytes:
                block = block_of(block)
            first = max(start - position, 0)
            last = end + 1 - position
            position += len(block)
            if first < len(block):
                yield block[first:last]
            if position > end:
                break
    finally:
        close_body(blocks)


_NO_BLOCK: Any = object()


class BegunBlocks(chain[bytes]):
    """Blocks of which the first is there already; the others come as ever.

    PERF: a generator around another one doubles the time of each block.
    """

    source: Iterable[bytes]

    @classmethod
    def begin(cls, source: Iterable[bytes]) -> BegunBlocks:
        """Take the first block; if that fails nobody else will close the rest."""
        try:
            blocks = iter(source)
            first = next(blocks, _NO_BLOCK)
            if type(first) is not bytes and first is not _NO_BLOCK:
                first = block_of(first)
        except BaseException:
            close_body(source)
            raise
        begun = cls(() if first is _NO_BLOCK else (first,), blocks)
        begun.source = source
        return begun

    def close(self) -> None:
        """Close where the blocks come from."""
        close_body(self.source)
