"""Mutated request bodies: `make fuzz`, or a short run in the unit tests.

Good bodies are cut, joined, repeated and salted with what is special to their
grammar; the application must answer each with a status below 500, in time, and
with every file closed. A failing body is written down, to become a test.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import random
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from poorwsgi import Application, state
from poorwsgi.request import Request

FOLDER = Path(__file__).parent / "found"
SLOW = 1.5

MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="a%22b\\\\c.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--\r\n"
    b"--x\r\nContent-Disposition: form-data; name=n; filename*=UTF-8''%e2%82%ac\r\n"
    b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\ninner\r\n--i--\r\n"
    b'--x\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nutf-8\r\n'
    b"--x--\r\n"
)
#: Nothing but ordinary parts, which need no decoder.
PLAIN_MULTIPART = (
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n'
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="c.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\xff\r\n--\r\n"
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n--x--\r\n'
)
SEEDS = [
    ("multipart/form-data; boundary=x", MULTIPART),
    ("multipart/form-data; boundary=x", PLAIN_MULTIPART),
    ("application/x-www-form-urlencoded", b"a=1&b=%C5%BE+%26&a=2&c&=d&e="),
    ("application/json", b'{"a": [1, -2.5e3, "\\u017e\\n", null, true], "b": {}}'),
    ("application/x-ndjson", b'{"a": 1}\n[2]\n"x"\n'),
    ("application/json-seq", b'\x1e{"a": 1}\n\x1e[2]\n'),
    ("chunked", b"5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n"),
]
SALT = [
    b"\r\n", b"\r", b"\n", b"--x", b"--x--", b"\r\n--x\r\n", b"\r\n--i--", b"\0", b"%",
    b"%2", b"%zz", b"%26", b"&", b"=", b"&&", b'"', b"\\", b"\\u", b"[", b"{", b"]]",
    b"NaN", b"1e999", b"-", b"\x1e", b"\xff", b"\xc5", "ž😀".encode(), b";",
    b"boundary=", b"filename=", b"Content-Type: multipart/mixed; boundary=\r\n",
    b"0\r\n", b"-1\r\n",
    b"ffffffffffffffff\r\n", b"9" * 5000, b"[" * 300, b"a" * 9000, b"\r\n" * 500,
]  # fmt: skip
READERS = ("form", "json", "data", "parts", "lines", "sequence", "chunks", "input")


def mutate(rng: random.Random, seed: bytes) -> bytes:
    """Return a body that differs from *seed* in a few places."""
    body = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(body) + 1)
        end = min(len(body), place + rng.choice((1, 2, 5, 40)))
        action = rng.randrange(5)
        if action == 0:
            del body[place:end]
        elif action == 1:
            body[place:place] = rng.choice(SALT)
        elif action == 2:
            body[place:end] = rng.randbytes(end - place)
        elif action == 3:
            body[place:place] = body[place:end] * rng.choice((1, 2, 50))
        else:
            body[place:end] = rng.choice(SALT)
    return bytes(body)


class Slices:
    """An input that gives the body in pieces, and nothing behind it."""

    def __init__(self, body: bytes, rng: random.Random):
        self._file = BytesIO(body)
        self._step = rng.choice((1, 3, 100, 1 << 20))

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._step) if size >= 0 else self._step)

    def readline(self, size: int = -1) -> bytes:
        return self._file.readline(size)


class Files:
    """The file callback, which remembers what is open."""

    def __init__(self) -> None:
        self.open: set[int] = set()

    def __call__(self, filename: str) -> BytesIO:
        assert filename
        assert not set(filename) & set("/\\\0\r\n"), filename
        files = self

        class File(BytesIO):
            def close(self) -> None:
                files.open.discard(id(self))
                super().close()

        file = File()
        self.open.add(id(file))
        return file


def read_body(req: Request, reader: str) -> None:
    """Read the body in one of all ways."""
    if reader == "parts":
        for part in req.parts():
            part.read(5)
    elif reader == "lines":
        list(req.json_lines())
    elif reader == "sequence":
        list(req.json_sequence())
    elif reader == "chunks":
        while req.read_chunk():
            pass
    elif reader == "input":
        while req.input.readline():
            pass
    else:
        value = getattr(req, reader)
        if reader == "form" and value:
            [value.getlist(name) for name in value if name is not None]


class Target:
    """An application and what it has to keep."""

    def __init__(self, name: str):
        self.files = Files()
        self.application = Application(name)
        self.application.set_route("/", self.handle, state.METHOD_POST)
        self.reader = ""

    def handle(self, req: Request) -> str:
        read_body(req, self.reader)
        return "ok"

    def run(self, rng: random.Random) -> tuple[str, bytes]:
        """Send one mutated body; AssertionError if the answer is not right."""
        content_type, seed = rng.choice(SEEDS)
        return self.send(rng, content_type, mutate(rng, seed))

    def send(
        self, rng: random.Random, content_type: str, body: bytes
    ) -> tuple[str, bytes]:
        """Send a body, read in one of all ways."""
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.input": Slices(body, rng),
            "CONTENT_TYPE": content_type,
            "CONTENT_LENGTH": str(max(0, len(body) + rng.choice((0, 0, 0, -1, 5)))),
        }
        self.reader = rng.choice(READERS)
        if content_type == "chunked":
            del environ["CONTENT_LENGTH"]
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        elif rng.random() < 0.2:
            del environ["CONTENT_LENGTH"]
            environ["wsgi.input_terminated"] = True
            environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        self.application.file_callback = self.files if rng.random() < 0.5 else None
        self.application.data_size = rng.choice((10, 65365))
        label = f"{content_type} by {self.reader}"
        self.check(environ, label, body)
        return label, body

    def check(self, environ: dict[str, object], label: str, body: bytes) -> None:
        started: list[str] = []
        since = time.perf_counter()
        try:
            answer = self.application(
                environ, lambda status, *_: started.append(status)
            )
            b"".join(answer)
            getattr(answer, "close", lambda: None)()
        except Exception as error:
            raise FoundError(label, body, repr(error)) from error
        if started[0] >= "5":
            raise FoundError(label, body, started[0])
        if time.perf_counter() - since > SLOW:
            raise FoundError(label, body, "slow")
        if self.files.open:
            raise FoundError(label, body, "a file stays open")


class FoundError(AssertionError):
    """A body that is not answered as it should be."""

    def __init__(self, label: str, body: bytes, what: str):
        super().__init__(f"{what}: {label}: {body[:200]!r}")
        self.body = body


def run(seed: int, count: int) -> Iterator[str]:
    """Send *count* bodies made from a seed; yield what each was."""
    logging.getLogger("poorwsgi").setLevel(logging.CRITICAL)
    target = Target(f"fuzz {seed} {os.getpid()}")
    rng = random.Random(seed)
    for _ in range(count):
        yield target.run(rng)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="a run to repeat")
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    end = time.monotonic() + options.seconds
    total = 0
    while time.monotonic() < end:
        try:
            total += sum(1 for _ in run(seed, 2000))
        except FoundError as found:
            FOLDER.mkdir(exist_ok=True)
            name = FOLDER / hashlib.sha256(found.body).hexdigest()[:16]
            name.write_bytes(found.body)
            raise SystemExit(f"--seed={seed}: {found}\nwritten to {name}") from found
        seed += 1
    print(f"{total} bodies, the last seed was {seed - 1}")


if __name__ == "__main__":
    main()
