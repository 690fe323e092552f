"""The body of a request: who reads what, how much of it, and what is refused."""

import gc
import json
import logging
import weakref
from contextlib import suppress
from io import BytesIO
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poorwsgi import body as body_module
from poorwsgi.body import (
    MAX_CHUNK,
    NOT_JSON,
    Body,
    CachedInput,
    ChunkedInput,
    Pace,
    loads_json,
)
from poorwsgi.config import Settings
from poorwsgi.state import BodyError, BodyTimeoutError, BodyTooLargeError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=x"


class Options(Settings):
    """The options of an application, without one."""

    def _option_changed(self, name):
        pass


class Server:
    """A server's file: any bytes behind the body belong to somebody else.

    *step* is the largest number of bytes that one read returns.
    """

    def __init__(self, raw, step=None, behind=b"GET /next"):
        self.file = BytesIO(raw + behind)
        self.size = len(raw)
        self.step = step
        self.reads = 0

    def read(self, size):
        assert size >= 0, "a read to the end would wait for the next request"
        self.reads += 1
        return self.file.read(size if self.step is None else min(size, self.step))

    def readline(self, size):
        assert size >= 0
        return self.file.readline(size)

    def untouched(self):
        return self.file.tell() == 0

    def exact(self):
        return self.file.tell() <= self.size


def make(raw, content_type="", length=None, server=None, environ=(), **options):
    app = Options()
    for name, value in options.items():
        setattr(app, name, value)
    server = server or Server(raw)
    environ = {"wsgi.input": server, "CONTENT_TYPE": content_type, **dict(environ)}
    length = len(raw) if length is None else length
    body = Body(environ, app, length, content_type.split(";")[0])
    body.server = server
    return body


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked"}
TERMINATED = {**CHUNKED, "wsgi.input_terminated": True}


def chunks(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (*pieces, b""))


def multipart(**fields):
    pieces = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"'.encode()
        + (b'; filename="%s.bin"' % name.encode() if name > "m" else b"")
        + b"\r\n\r\n"
        + content
        + b"\r\n"
        for name, content in fields.items()
    ]
    return b"".join(pieces) + b"--x--\r\n"


# -- the order of two accesses ------------------------------------------------

ACCESS = {
    "read": lambda body: body.read(),
    "read2": lambda body: body.read(2),
    "input": lambda body: body.input.read(9999),
    "data": lambda body: body.data,
    "form": lambda body: form_values(body.form()),
    "json": lambda body: body.json(),
    "read_chunk": lambda body: body.read_chunk(),
}


def form_values(form):
    return None if form is None else {name: form.getvalue(name) for name in form}


def access(name, body):
    try:
        return ACCESS[name](body)
    except BodyError:
        return "400"


# (body, options) and what each reader returns if it comes first or second.
SHORT_FORM, SHORT_JSON = b"a=1&b=2", b"[1, 2]"
STREAMED = {"data_size": 3}


def table(raw, content_type, value, streamed):
    """What the second reader gets, for each pair of (first, second).

    In memory, only readers of bytes move on; parsers and data see it all. Of
    a stream the second one gets what the first has left.
    """
    parser = "form" if content_type == FORM else "json"
    nothing = {"form": None, "json": NOT_JSON}
    first = {
        "read": raw,
        "read2": raw[:2],
        "input": raw,
        "data": None if streamed else raw,
        "form": nothing["form"],
        "json": nothing["json"],
        "read_chunk": "400",  # nobody has made chunks of it
        parser: value,
    }
    consumed = {
        "read": len(raw),
        "read2": 2,
        "input": len(raw),
        # The line that is no chunk size is taken, but only from a stream.
        "read_chunk": len(raw),
    }
    if streamed:
        consumed[parser] = len(raw)
    for one, two in product(ACCESS, ACCESS):
        taken = consumed.get(one, 0)
        rest = raw[taken:]
        second = {
            "read": rest,
            "read2": rest[:2],
            "input": rest,
            "data": first["data"],
            "form": first["form"],
            "json": first["json"],
            "read_chunk": "400",
        }
        if streamed and taken and one != parser:
            second[parser] = nothing[parser]
        if streamed and one == "read_chunk":
            second = {**dict.fromkeys(ACCESS, "400"), **nothing, parser: "400"}
        yield one, two, first[one], second[two]


TABLES = [
    (*case, raw, content_type, streamed)
    for raw, content_type, value in [
        (SHORT_FORM, FORM, {"a": "1", "b": "2"}),
        (SHORT_JSON, JSON, [1, 2]),
    ]
    for streamed in (False, True)
    for case in table(raw, content_type, value, streamed)
]


@pytest.mark.parametrize(
    ("one", "two", "first", "second", "raw", "content_type", "streamed"), TABLES
)
def test_order_of_two_accesses(one, two, first, second, raw, content_type, streamed):
    body = make(raw, content_type, **(STREAMED if streamed else {}))
    assert access(one, body) == first
    assert access(two, body) == second
    assert body.server.exact()


def test_parsers_can_be_asked_again():
    for options in ({}, STREAMED):
        body = make(SHORT_FORM, FORM, **options)
        assert body.form() is body.form()
        body = make(SHORT_JSON, JSON, **options)
        assert body.json() is body.json()


def test_a_form_that_somebody_has_read_is_told_in_the_log(caplog):
    body = make(SHORT_FORM, FORM, data_size=3)
    body.read(1)
    assert body.form() is None
    assert "already read" in caplog.text


# -- reading ------------------------------------------------------------------


def test_a_short_body_is_read_by_one_call():
    for content_type, raw in ((FORM, SHORT_FORM), (JSON, SHORT_JSON)):
        body = make(raw, content_type)
        body.form()
        body.json()
        assert body.data == raw
        assert body.server.reads == 1
        assert body._file is None, "no file is made that nobody asked for"


@pytest.mark.parametrize("step", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, STREAMED])
def test_short_reads_are_not_an_end(step, options):
    """D37"""
    body = make(SHORT_FORM, FORM, server=Server(SHORT_FORM, step), **options)
    assert form_values(body.form()) == {"a": "1", "b": "2"}
    body = make(SHORT_FORM, FORM, server=Server(SHORT_FORM, step), **options)
    assert body.read() == SHORT_FORM
    assert body.server.exact()


@pytest.mark.parametrize("options", [{}, STREAMED])
def test_read_goes_on_and_never_past_the_body(options):
    """D36"""
    body = make(b"0123456789", **options)
    assert body.read(4) == b"0123"
    assert body.read(0) == b""
    assert body.read(100) == b"456789"
    assert body.read() == b""
    assert body.read(5) == b""
    assert body.server.exact()


@pytest.mark.parametrize("options", [{}, STREAMED])
def test_input_is_always_the_same_and_shares_its_place_with_read(options):
    body = make(b"0123456789", **options)
    assert body.read(2) == b"01"
    assert body.input.read(2) == b"23"
    assert body.read(2) == b"45"
    assert body.input is body.input
    assert body.input.read(100) == b"6789"


def test_data_rewinds():
    body = make(b"0123456789")
    body.read(3)
    assert body.data == b"0123456789"
    assert body.read() == b"0123456789"
    body.input.read(1)
    assert body.data == b"0123456789"
    assert body.input.read(100) == b"0123456789"


def test_input_is_the_servers_own_if_nothing_may_be_cached():
    body = make(b"0123456789", cached_size=0, data_size=3)
    assert body.input is body.server
    body = make(b"0123456789", cached_size=0)
    assert isinstance(body.input, BytesIO)


def test_a_file_in_memory_is_used_as_it_is():
    """Some servers have read the body already."""
    source = BytesIO(b"behind" * 0 + b"0123456789")
    body = make(b"0123456789", server=source, data_size=3)
    assert body.data == b"0123456789"
    assert body.input is source
    assert body.input.read() == b"0123456789"


@pytest.mark.parametrize("length", [-1, 0])
def test_without_a_body_nothing_is_read(length, caplog):
    body = make(b"", JSON, length=length)
    assert body.json() is NOT_JSON
    assert body.form() is None
    assert body.read() == b""
    assert "no body" in caplog.text
    assert body.input.read(10) == b""
    assert body.server.untouched()
    body = make(b"", JSON, length=length, environ={"wsgi.input": None})
    assert body.read() == b""


@pytest.mark.parametrize("content_type", [FORM, JSON, MULTIPART, "text/plain"])
@pytest.mark.parametrize("name", ["read", "data", "form", "json", "input"])
@pytest.mark.parametrize("options", [{}, STREAMED])
def test_a_body_that_ends_early_is_refused_by_every_reader(content_type, name, options):
    """Never passed on as if whole (D51), and nobody waits for what cannot come."""
    raw = b"[1234567" if content_type == JSON else b"a=1&b=23"
    server = Server(raw, behind=b"")
    body = make(raw, content_type, length=20, server=server, **options)
    nothing = {"form": None, "json": NOT_JSON, "data": None}
    expected = "400"
    if name in nothing and (
        (name == "data" and options)
        or (name == "form" and content_type in (JSON, "text/plain"))
        or (name == "json" and content_type != JSON)
    ):
        expected = nothing[name]
    assert access(name, body) == expected


class Failing:
    def __init__(self, error, raw=b""):
        self.error = error
        self.raw = raw

    def read(self, size):
        if self.raw:
            raw, self.raw = self.raw, b""
            return raw[:size]
        raise self.error


FAILURES = [
    (TimeoutError("timed out"), 408),
    (OSError("timeout during read(10) on wsgi.input"), 408),
    (OSError("error during read(10) on wsgi.input"), 400),
    (ConnectionResetError("peer"), 400),
    (EOFError("end"), 400),
    (LookupError("a class of the server's own"), 400),
]


@pytest.mark.parametrize(("error", "status"), FAILURES)
@pytest.mark.parametrize("options", [{}, STREAMED])
@pytest.mark.parametrize("raw", [b"", b"a=1"])
def test_an_input_that_raises_is_the_clients_fault(error, status, options, raw):
    body = make(raw, FORM, length=10, server=Failing(error, raw), **options)
    for _ in range(2):  # also if somebody asks again
        with pytest.raises(BodyError) as caught:
            body.form()
        assert caught.value.status_code == status
    assert isinstance(caught.value, TimeoutError) == (status == 408)


def test_a_refusal_is_logged_once(caplog):
    body = make(b"", FORM, length=10, server=Failing(OSError("gone")))
    for name in ("form", "read", "data", "input"):
        access(name, body)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# -- CachedInput --------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 0.0

        def sleep(self, seconds):
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(body_module, "monotonic", lambda: clock.now)
    monkeypatch.setattr(body_module, "sleep", clock.sleep)
    return clock


def test_cached_input_reads_blocks():
    cached = CachedInput(Server(b"0123456789"), 10, block_size=4)
    assert cached.block_size == 4
    assert cached.read() == b"0123"
    assert cached.read(3) == b"456"
    assert cached.read(None) == b"789"
    assert cached.read() == b""
    assert cached.bytes_read == 10


class Drip:
    """Gives one byte a read; from read *slow* on each of them takes a second."""

    def __init__(self, size, clock, slow):
        self.left, self.clock, self.slow = size, clock, slow
        self.reads = 0

    def read(self, size):
        self.reads += 1
        if self.reads >= self.slow:
            self.clock.now += 1
        self.left -= 1
        return b"x" if self.left >= 0 else b""


def test_single_bytes_are_gathered_and_not_asked_for_behind_the_end(clock):
    drip = Drip(500, clock, 10_000)
    cached = CachedInput(drip, -1)
    assert cached.read(1000) == b"x" * 500
    assert cached.bytes_read == 500
    assert drip.reads == 501, "nothing is read after the end"
    drip = Drip(500, clock, 10_000)
    assert CachedInput(drip, 300).read(1000) == b"x" * 300
    assert drip.reads == 300


@pytest.mark.parametrize("slow", [1, 200])
def test_a_client_that_becomes_slow_is_refused_soon(clock, slow):
    drip = Drip(100_000, clock, slow)
    cached = CachedInput(drip, 100_000, pace=Pace(10.0, 500))
    with pytest.raises(BodyTimeoutError):
        cached.read(100_000)
    assert drip.reads <= slow + 64 + 10
    if slow == 1:
        assert drip.reads == 11, "one that was always slow is looked at each time"


def test_gathered_blocks_have_to_be_bytes():
    blocks = [b"x" * 10, "text"]

    class File:
        def read(self, size):
            return blocks.pop(0)

    with pytest.raises(BodyError, match="bytes"):
        CachedInput(File(), 100).read(100)


LINES = b"one\r\n\r\nthree\rx\ny\r\nlast"


def test_gathered_bytes_are_no_more_than_asked_for():
    class Generous:
        reads = 0

        def read(self, size):
            self.reads += 1
            return b"x" if self.reads == 1 else b"x" * 200

    with pytest.raises(BodyError, match="more than it was asked for"):
        CachedInput(Generous(), 100).read(50)


@pytest.mark.parametrize("step", [1, 1000, 32_767, 32_768, 70_000, 400_000])
@pytest.mark.parametrize("size", [300_000, -1])
def test_small_pieces_are_put_together_and_large_ones_taken_as_they_come(step, size):
    raw = bytes(range(250)) * 1200
    server = Server(raw, step, behind=b"GET /next" if size >= 0 else b"")
    blocks = list(CachedInput(server, size).blocks(100_000, 32_768))
    assert b"".join(blocks) == raw
    pieces = {len(block) for block in blocks[:-1]}
    assert pieces == {min(step, 100_000) if step >= 32_768 else 100_000}


def test_what_was_looked_at_is_in_the_first_block():
    raw = b"x" * 300_000
    cached = CachedInput(Server(raw), len(raw), 1000)
    assert cached.has_more()
    assert [len(block) for block in cached.blocks(100_000, 500)] == [
        *(1000, 100_000, 100_000, 99_000)
    ]


@pytest.mark.parametrize("block_size", range(1, 24))
@pytest.mark.parametrize("step", [1, 100])
def test_lines_end_with_crlf_wherever_blocks_end(block_size, step):
    """D50"""
    cached = CachedInput(Server(LINES, step), len(LINES), block_size)
    assert [cached.readline(100) for _ in range(5)] == [
        b"one\r\n",
        b"\r\n",
        b"three\rx\ny\r\n",
        b"last",
        b"",
    ]
    cached = CachedInput(Server(LINES, step), len(LINES), block_size)
    lines = list(cached)
    assert b"".join(lines) == LINES
    assert all(len(line) <= block_size + 2 for line in lines)


def test_a_line_is_cut_at_the_size():
    cached = CachedInput(Server(LINES), len(LINES))
    assert cached.readline(2) == b"on"
    assert cached.readline(3) == b"e\r\n"
    assert cached.readline(0) == b""
    assert cached.readlines() == [b"\r\n", b"three\rx\ny\r\n", b"last"]
    cached = CachedInput(Server(LINES), len(LINES))
    assert cached.readlines(6) == [b"one\r\n", b"\r\n"]
    assert cached.readable()


def test_read_and_readline_go_together():
    cached = CachedInput(Server(LINES), len(LINES))
    assert cached.readline() == b"one\r\n"
    assert cached.read(3) == b"\r\nt"
    assert cached.readline() == b"hree\rx\ny\r\n"
    assert cached.read(100) == b"last"


def test_many_short_lines_cost_no_copies_of_the_buffer():
    raw = b"\r\n" * 20_000
    cached = CachedInput(Server(raw), len(raw), block_size=len(raw))
    cached.readline()
    buffer = cached._buffer
    cached.readline()
    assert cached._buffer is buffer


class Silent:
    """A file that does not block, and has nothing for *pauses* reads."""

    def __init__(self, raw, pauses):
        self.raw = raw
        self.pauses = pauses

    def read(self, size):
        if self.pauses > 0:
            self.pauses -= 1
            return None
        raw, self.raw = self.raw[:size], self.raw[size:]
        return raw


def test_nothing_new_for_read_timeout_is_a_timeout(clock):
    assert CachedInput(Silent(b"abc", 900), 3, timeout=10).read(3) == b"abc"
    with pytest.raises(TimeoutError, match="Timed out while receiving data"):
        CachedInput(Silent(b"abc", 1100), 3, timeout=10).read(3)
    assert CachedInput(Silent(b"abc", 9999), 3, timeout=None).read(3) == b"abc"


def test_an_end_is_not_waited_for(clock):
    with pytest.raises(BodyError) as caught:
        CachedInput(Server(b"ab", behind=b""), 5, timeout=10).read(5)
    assert not isinstance(caught.value, BodyTimeoutError)
    assert clock.now == 0
    with pytest.raises(TimeoutError):
        CachedInput(Server(b"", behind=b""), 5, timeout=0).read(5)


def test_a_body_may_take_its_size_by_min_body_rate(clock):
    class Dripping:
        def read(self, size):
            clock.now += 1
            return b"x"

    body = make(b"", FORM, 10_000, Dripping(), data_size=0, min_body_rate=10)
    with pytest.raises(BodyTimeoutError, match="min_body_rate = 10"):
        body.form()
    assert 10 < clock.now < 13
    body = make(b"", FORM, 50, Dripping(), data_size=0, min_body_rate=None)
    assert body.read() == b"x" * 50


def test_max_body_size(caplog):
    body = make(b"a=1234567", FORM, max_body_size=8)
    with pytest.raises(BodyTooLargeError, match="max_body_size = 8"):
        body.form()
    assert body.server.untouched()
    assert "max_body_size" in caplog.text
    terminated = Server(b"x" * 100_000, step=1000, behind=b"")
    body = make(b"", "", -1, terminated, TERMINATED, max_body_size=5000)
    with pytest.raises(BodyTooLargeError, match="max_body_size = 5000"):
        body.read()
    assert terminated.file.tell() == 6000, "reading stops at the limit"


# -- chunks -------------------------------------------------------------------


def test_chunks_one_by_one():
    raw = (
        b"5;name=x\r\nhello\r\n0003\r\nabc\r\nA \t;x\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
    )
    body = make(raw, "text/plain", -1, environ=CHUNKED)
    assert body.is_chunked
    got = [body.read_chunk() for _ in range(5)]
    assert got == [b"hello", b"abc", b"0123456789", b"", b""]
    assert body.server.exact()


@pytest.mark.parametrize("coding", ["Chunked", "gzip, chunked", " CHUNKED "])
def test_coding_ignores_case(coding):
    body = make(chunks(b"x"), "", -1, environ={"HTTP_TRANSFER_ENCODING": coding})
    assert body.is_chunked
    assert body.read_chunk() == b"x"


@pytest.mark.parametrize("coding", ["identity", "xchunked", "chunked, gzip"])
@pytest.mark.parametrize("name", ["read", "input", "data", "json", "read_chunk"])
def test_a_body_that_ends_nowhere_is_refused(coding, name):
    """RFC 9112, 6.3; a server that has found its end may pass the header on."""
    environ = {"HTTP_TRANSFER_ENCODING": coding}
    body = make(b"[1]", JSON, -1, environ=environ)
    assert access(name, body) == "400"
    assert body.server.untouched()
    environ["wsgi.input_terminated"] = True
    body = make(b"[1]", JSON, -1, Server(b"[1]", behind=b""), environ)
    assert access(name, body) in (b"[1]", [1], None)


@pytest.mark.parametrize("coding", ["", " "])
def test_an_empty_coding_is_none(coding):
    environ = {"HTTP_TRANSFER_ENCODING": coding}
    assert make(b"", JSON, -1, environ=environ).read() == b""


BAD_CHUNKS = [
    b"",
    b"x\r\n",
    b"-1\r\nabc\r\n",
    # What int() would take for a number; all the rest is right.
    b"+3\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"0X3\r\nabc\r\n0\r\n\r\n",
    b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
    "\u0663\r\nabc\r\n0\r\n\r\n".encode(),
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nab",
    b"3\r\nabcd\r\n",
    b"3\r\nabc\n\r\n",
    b"3 \r\nabc\r\n",
    b"\r\nabc\r\n",
    b";x\r\nabc\r\n",
    b"3;" + b"x" * 5000 + b"\r\nabc\r\n",
    b"1" * 17 + b"\r\n",
    b"0\r\n",
    b"0\r\nTrailer: x\r\n",
    b"0\r\n" + b"T: x\r\n" * 5000 + b"\r\n",
]


@pytest.mark.parametrize("raw", BAD_CHUNKS)
@pytest.mark.parametrize("name", ["read_chunk", "read", "input"])
def test_malformed_chunks_are_a_value_error(raw, name):
    """D38"""
    body = make(raw, "", -1, Server(raw, behind=b""), CHUNKED)
    with pytest.raises(ValueError, match=r"chunk|trailers") as caught:
        exhaust(ACCESS[name], body)
    assert caught.value.status_code == 400


def exhaust(function, *args):
    while function(*args):
        pass


def test_a_huge_chunk_comes_in_pieces():
    raw = chunks(b"x" * (MAX_CHUNK * 2 + 1))
    body = make(raw, "", -1, Server(raw, step=70_000), CHUNKED)
    sizes = [len(body.read_chunk()) for _ in range(4)]
    assert sizes == [MAX_CHUNK, MAX_CHUNK, 1, 0]


def test_other_readers_undo_the_coding_too():
    raw = chunks(b"hello ", b"world")
    body = make(raw, "text/plain", -1, environ=CHUNKED)
    assert body.read(3) == b"hel"
    assert body.read_chunk() == b"lo "
    assert body.input.read(100) == b"world"
    assert body.data is None
    assert body.server.exact()


def test_chunks_are_not_parsed_by_themselves():
    """The handler does, by `read_chunk` and `parse_json_request`."""
    body = make(chunks(b"[1]"), JSON, -1, environ=CHUNKED)
    assert body.json() is NOT_JSON
    assert body.form() is None
    assert body.read_chunk() == b"[1]"


def test_max_body_size_holds_for_chunks():
    raw = chunks(*[b"x" * 10] * 10)
    body = make(raw, "", -1, environ=CHUNKED, max_body_size=50)
    with pytest.raises(BodyTooLargeError):
        body.read()


@pytest.mark.parametrize("server", [Server, lambda raw, **_: BytesIO(raw)])
def test_chunks_without_the_header_are_read_inside_the_body(server):
    raw = chunks(b"hello")
    body = make(raw, "", server=server(raw))
    assert [body.read_chunk(), body.read_chunk()] == [b"hello", b""]


def test_decoded_chunks_are_parsed_to_the_end_of_the_input():
    for content_type, raw, read, expected in [
        (FORM, SHORT_FORM, lambda b: form_values(b.form()), {"a": "1", "b": "2"}),
        (JSON, SHORT_JSON, lambda b: b.json(), [1, 2]),
        (MULTIPART, multipart(a=b"1"), lambda b: form_values(b.form()), {"a": "1"}),
        ("", b"x" * 200_000, lambda b: b.read(), b"x" * 200_000),
    ]:
        body = make(raw, content_type, -1, Server(raw, behind=b""), TERMINATED)
        assert read(body) == expected


def test_decoded_chunks_by_read_chunk():
    raw = b"x" * 200_000
    body = make(raw, "", -1, Server(raw, behind=b""), TERMINATED)
    got = list(iter(body.read_chunk, b""))
    assert b"".join(got) == raw
    body = make(b"short", "", 5, environ=TERMINATED)
    assert [body.read_chunk(), body.read_chunk()] == [b"short", b""]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    ("content_type", "read"),
    [
        (JSON, lambda body: body.json()),
        (FORM, lambda body: body.form()),
        (MULTIPART, lambda body: body.form()),
        (MULTIPART, lambda body: list(body.parts())),
        ("", lambda body: body.read()),
        ("", lambda body: body.input.read(99_999)),
    ],
)
def test_memory_a_refused_body_is_freed_at_once(content_type, read, again):
    """A circle of body, error and frames would keep it until it is collected."""
    body = make(b"[1", content_type, 90_000)
    gc.disable()
    try:
        for _ in range(1 + again):
            with suppress(BodyError):
                read(body)
        server = weakref.ref(body.server)
        del body
        assert server() is None
    finally:
        gc.enable()


def test_a_refused_body_is_logged_once_and_refused_again(caplog):
    body = make(b"[1", JSON, 90_000)
    for _ in range(2):
        for one in ("json", "read", "input"):
            assert access(one, body) == "400"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("content_type", "name", "read"),
    [
        ("", "max_body_size", lambda body: body.read()),
        ("", "max_body_size", lambda body: body.data),
        (JSON, "max_json_size", lambda body: body.json()),
        (FORM, "max_form_memory_size", lambda body: body.form()),
    ],
)
def test_limits_hold_for_a_file_in_memory_without_a_length(content_type, name, read):
    """Decoded chunks that a server keeps in memory."""
    body = make(b"1" * 100, content_type, -1, BytesIO(b"1" * 100), TERMINATED)
    read(body)
    options = {name: 99}
    body = make(b"", content_type, -1, BytesIO(b"1" * 100), TERMINATED, **options)
    with pytest.raises(BodyTooLargeError, match=f"{name}.* 99"):
        read(body)


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_chunks_of_waitress_have_become_a_length(size):
    """It undoes the coding, takes the header away and sets Content-Length."""
    environ = {"wsgi.input_terminated": True}
    body = make(b"x" * size, environ=environ)
    assert sum(map(len, iter(body.read_chunk, b""))) == size


@pytest.mark.parametrize("content_type", [FORM, JSON, MULTIPART])
def test_an_input_that_ends_at_once_is_no_body(content_type):
    environ = {"wsgi.input_terminated": True}
    body = make(b"", content_type, -1, Server(b"", behind=b""), environ)
    assert body.form() is None
    assert body.json() is NOT_JSON


def test_chunks_of_uwsgi_come_from_its_own_call(monkeypatch):
    import sys
    from types import SimpleNamespace

    pieces = [b"hello ", b"world", b"", b""]
    asked = []

    def chunked_read(timeout):
        asked.append(timeout)
        return pieces.pop(0)

    module = SimpleNamespace(chunked_read=chunked_read)
    monkeypatch.setitem(sys.modules, "uwsgi", module)
    environ = {**CHUNKED, "uwsgi.version": b"2.0"}
    body = make(b"", "text/plain", -1, Server(b""), environ)
    assert [body.read_chunk() for _ in range(3)] == [b"hello ", b"world", b""]
    assert asked == [10, 10, 10]
    pieces[:] = [b"hello ", b"world", b""]
    body = make(b"", "text/plain", -1, Server(b""), environ)
    assert body.read(8) == b"hello wo"
    assert body.read() == b"rld"
    assert body.server.untouched()


@given(st.binary(max_size=300), st.lists(st.integers(1, 50), max_size=20))
def test_chunks_come_back_as_they_were_cut(raw, sizes):
    pieces = []
    rest = raw
    for size in sizes:
        if not rest:
            break
        pieces.append(rest[:size])
        rest = rest[size:]
    if rest:
        pieces.append(rest)
    source = ChunkedInput(BytesIO(chunks(*pieces)), Pace())
    assert list(iter(source.read_chunk, b"")) == pieces


@given(st.binary(max_size=60))
def test_no_bytes_make_a_chunk_reader_fail_otherwise(raw):
    source = ChunkedInput(BytesIO(raw), Pace())
    try:
        while source.read_chunk():
            pass
    except BodyError:
        pass


# -- forms --------------------------------------------------------------------


def test_multipart_forms_of_any_size():
    raw = multipart(a=b"1", upload=b"u" * 300_000)
    for options in ({}, STREAMED, {"data_size": 1_000_000}):
        body = make(raw, MULTIPART, **options)
        form = body.form()
        assert form.getvalue("a") == "1"
        assert form["upload"].filename == "upload.bin"
        assert form["upload"].value == b"u" * 300_000
        assert form.length == form.bytes_read == len(raw)
        body.close()
        assert form["upload"].file.closed


def test_media_type_ignores_case_and_may_come_by_a_header():
    raw = multipart(a=b"1")
    content_type = "MultiPart/Form-Data; Boundary=x"
    body = make(raw, content_type, environ={"CONTENT_TYPE": ""})
    body._environ["HTTP_CONTENT_TYPE"] = content_type
    assert body.form().getvalue("a") == "1"


SWITCHES = [
    (FORM, {"auto_form": False}, "form"),
    (JSON, {"auto_json": False}, "json"),
    ("text/plain", {}, "form"),
    ("text/plain", {}, "json"),
    (JSON, {}, "form"),
    (FORM, {}, "json"),
]


@pytest.mark.parametrize(("content_type", "options", "name"), SWITCHES)
def test_what_is_not_asked_for_is_not_parsed(content_type, options, name):
    body = make(b"1", content_type, data_size=0, **options)
    assert access(name, body) in (None, NOT_JSON)
    assert body.server.untouched()


def test_a_new_type_of_forms_can_be_added():
    app_types = Options().form_mime_types
    assert FORM in app_types
    body = make(multipart(a=b"1"), "multipart/mixed; boundary=x")
    assert body.form() is None
    body._app.form_mime_types.append("multipart/mixed")
    try:
        body = make(multipart(a=b"1"), "multipart/mixed; boundary=x")
        body._app.form_mime_types.append("multipart/mixed")
        assert body.form().getvalue("a") == "1"
    finally:
        while "multipart/mixed" in body._app.form_mime_types:
            body._app.form_mime_types.remove("multipart/mixed")


LIMITS = [
    # body, type, option, value, status
    (b"a=1&b=2&c=3", FORM, "max_form_fields", 2, 413),
    (b"a=12345", FORM, "max_form_memory_size", 6, 413),
    (multipart(a=b"x" * 50), MULTIPART, "max_form_memory_size", 49, 413),
    (multipart(a=b"1", b=b"2"), MULTIPART, "max_form_parts", 1, 413),
    (multipart(a=b"1"), MULTIPART, "max_part_header_size", 20, 431),
    (b'["' + b"x" * 50 + b'"]', JSON, "max_json_size", 49, 413),
    (b"[[[1]]]", JSON, "json_max_depth", 2, 400),
    (b"a=1", FORM, "max_body_size", 2, 413),
]


@pytest.mark.parametrize(("raw", "content_type", "option", "value", "status"), LIMITS)
@pytest.mark.parametrize("way", ["memory", "stream", "terminated"])
def test_each_limit_has_its_status_and_names_itself_in_the_log(
    raw, content_type, option, value, status, way, caplog
):
    options = {option: value}
    length, server, environ = len(raw), Server(raw), {}
    if way == "stream":
        options["data_size"] = 0
    if way == "terminated":
        length, server, environ = -1, Server(raw, behind=b""), TERMINATED
    body = make(raw, content_type, length, server, environ, **options)
    with pytest.raises(BodyError, match=option) as caught:
        body.json() if content_type == JSON else body.form()
    assert caught.value.status_code == status
    assert option in caplog.text
    # One byte, field or level more, and it is taken; None is no limit.
    for allowed in (10_000, None):
        server = Server(raw, behind=b"" if length < 0 else b"GET")
        body = make(
            raw, content_type, length, server, environ, **{**options, option: allowed}
        )
        assert (body.json() if content_type == JSON else body.form()) is not None


def test_a_large_announced_form_is_refused_unread():
    for content_type, option in (
        (FORM, "max_form_memory_size"),
        (JSON, "max_json_size"),
    ):
        body = make(b"", content_type, 10_000_000_000)
        with pytest.raises(BodyTooLargeError, match=option):
            body.json() if content_type == JSON else body.form()
        assert body.server.untouched()


# -- JSON ---------------------------------------------------------------------

TYPES = ["application/json", "Application/JSON", "application/problem+json"]
TYPES += ["application/vnd.api+json", "application/merge-patch+json"]


@pytest.mark.parametrize("content_type", TYPES)
def test_any_json_type_is_json(content_type):
    assert make(b'{"a": 1}', content_type).json() == {"a": 1}


GOOD = [
    (b"null", None),
    (b' "x" ', "x"),
    (b'{"a": 1, "a": 2}', {"a": 2}),
    (b"[1e400]", [float("inf")]),
    (b"1" * 4300, int("1" * 4300)),
    (b"\xef\xbb\xbf[1]", [1]),
    (b'"\xc5\xbe\\u017e"', "žž"),
    (b"[" * 200 + b"]" * 200, json.loads("[" * 200 + "]" * 200)),
    (b'"' + b"[{" * 500 + b'"', "[{" * 500),
    (b'["\\"[", "\\\\", "' + b"{" * 300 + b'"]', ['"[', "\\", "{" * 300]),
    (b"[" + b"[]," * 500 + b"{}]", [[]] * 500 + [{}]),
]


@pytest.mark.parametrize(("raw", "value"), GOOD)
def test_json_texts(raw, value):
    assert loads_json(raw) == value


BAD = [
    (b"", "Expecting value"),
    (b"NaN", "no NaN"),
    (b"[-Infinity]", "no -Infinity"),
    (b"[Infinity]", "no Infinity"),
    (b'"\xff"', "utf-8"),
    (b'"\xed\xa0\x80"', "utf-8"),
    (b"[1,]", "invalid JSON"),
    (b"{'a': 1}", "invalid JSON"),
    (b'"a\nb"', "invalid JSON"),
    (b"[1] 2", "invalid JSON"),
    (b"01", "invalid JSON"),
    ("[1]".encode("utf-16"), "invalid JSON"),
    (b"1" * 5000, "digits"),
    (b"[" * 201 + b"]" * 201, "json_max_depth = 200"),
    (b'{"a":' * 201 + b"1" + b"}" * 201, "json_max_depth"),
    (b'["]]]]",' * 300 + b"1" + b"]" * 300, "json_max_depth"),
    (b'["\\"]]",' * 300 + b"1" + b"]" * 300, "json_max_depth"),
    (b"[" * 100_000, "json_max_depth"),
]


@pytest.mark.parametrize(("raw", "message"), BAD)
def test_what_is_no_json_is_refused(raw, message):
    with pytest.raises(BodyError, match=message) as caught:
        loads_json(raw)
    assert caught.value.status_code == 400


def test_depth_without_a_limit_is_that_of_the_decoder():
    with pytest.raises(BodyError, match="nested too deeply"):
        loads_json(b"[" * 100_000, max_depth=None)


def test_charset_of_json():
    assert loads_json('"ž"'.encode("iso-8859-2"), "ISO-8859-2") == "ž"
    for charset in ("base64", "x-none", "idna"):
        with pytest.raises(BodyError, match="charset"):
            loads_json(b'"x"', charset)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just('"[{\\'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def depth(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(VALUES)
def test_depth_is_that_of_the_value(value):
    raw = json.dumps(value).encode()
    assert loads_json(raw, max_depth=depth(value)) == value
    if depth(value):
        with pytest.raises(BodyError, match="json_max_depth"):
            loads_json(raw, max_depth=depth(value) - 1)


def test_another_decoder_can_be_set():
    def decode(raw):
        if raw == b"!":
            raise RuntimeError("of its own class")
        return ("mine", raw)

    body = make(b"[1]", JSON, json_loads=decode)
    assert body.json() == ("mine", b"[1]")
    with pytest.raises(BodyError, match="of its own class"):
        make(b"!", JSON, json_loads=decode).json()
    with pytest.raises(BodyError, match="json_max_depth"):
        make(b"[" * 201, JSON, json_loads=decode).json()


def test_orjson_is_a_decoder():
    orjson = pytest.importorskip("orjson", reason="the extra `fast`")
    assert make(b'{"a": [1]}', JSON, json_loads=orjson.loads).json() == {"a": [1]}
    for raw in (b"[NaN]", b"[1", b'"\xff"', b"[" * 201 + b"]" * 201):
        with pytest.raises(BodyError, match="JSON"):
            make(raw, JSON, json_loads=orjson.loads).json()


def test_a_broken_json_can_still_be_read():
    body = make(b"[1", JSON)
    with pytest.raises(BodyError):
        body.json()
    assert body.data == b"[1"


# -- parts and lines ----------------------------------------------------------


@pytest.mark.parametrize("options", [{}, STREAMED])
@pytest.mark.parametrize("step", [1, 100_000])
def test_parts_arrive_one_by_one(options, step):
    raw = multipart(a=b"1", up=b"u" * 500, vp=b"v" * 500)
    body = make(raw, MULTIPART, server=Server(raw, step), **options)
    parts = body.parts()
    part = next(parts)
    assert (part.name, part.filename, part.content_type) == ("a", None, "text/plain")
    assert part.headers == {"content-disposition": 'form-data; name="a"'}
    assert part.read() == b"1"
    assert part.read() == b""
    part = next(parts)
    assert part.filename == "up.bin"
    assert part.read(3) == b"uuu"  # the rest is skipped by the next part
    part = next(parts)
    assert part.read(0) == b""
    assert part.read(100) + b"".join(part) == b"v" * 500
    assert next(parts, None) is None
    assert part.read(10) == b""


def test_parts_of_a_chunked_body_too():
    raw = multipart(a=b"1", up=b"u" * 500)
    body = make(b"", MULTIPART, -1, Server(chunks(raw[:50], raw[50:])), CHUNKED)
    assert [(part.name, part.read()) for part in body.parts()] == [
        ("a", b"1"),
        ("up", b"u" * 500),
    ]


def test_parts_need_no_memory_and_no_file():
    """A body of 64 MiB by blocks; the model of one larger than the disk."""

    class Endless:
        left = 64 * 1024 * 1024
        head = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
        block = b"x" * 65536
        tail = b"\r\n--x--"
        largest = 0

        def read(self, size):
            self.largest = max(self.largest, size)
            if self.head:
                head, self.head = self.head, b""
                return head
            if self.left:
                self.left -= len(self.block)
                return self.block
            tail, self.tail = self.tail, b""
            return tail

    source = Endless()
    part = next(make(b"", MULTIPART, -1, source, TERMINATED).parts())
    assert sum(map(len, part)) == 64 * 1024 * 1024
    assert source.largest <= body_module.BLOCK_SIZE


def test_parts_of_what_is_no_multipart_are_refused(caplog):
    with pytest.raises(BodyError, match="no multipart"):
        list(make(b"a=1", FORM).parts())
    with pytest.raises(BodyError, match="closing boundary"):
        list(make(b"--x\r\n\r\nab", MULTIPART).parts())
    assert "closing boundary" in caplog.text


def test_a_part_that_ends_early_is_refused_where_it_is_read(caplog):
    part = next(make(multipart(a=b"1")[:-5], MULTIPART).parts())
    with pytest.raises(BodyError, match="closing boundary"):
        part.read()
    assert "closing boundary" in caplog.text


def test_part_limits_hold_while_streaming():
    raw = multipart(a=b"1", b=b"2")
    with pytest.raises(BodyTooLargeError, match="max_form_parts"):
        list(make(raw, MULTIPART, max_form_parts=1).parts())


NDJSON = b'1\n{"a": [2]}\r\n\n  \n"x\\n"\nnull'


@pytest.mark.parametrize("step", [1, 3, 100])
def test_lines_of_json(step):
    body = make(
        NDJSON, "application/x-ndjson", server=Server(NDJSON, step), data_size=0
    )
    assert list(body.json_lines()) == [1, {"a": [2]}, "x\n", None]


def test_lines_of_json_arrive_one_by_one():
    raw = b"1\n2\n3\n"
    body = make(raw, "application/x-ndjson", server=Server(raw, 2), data_size=0)
    lines = body.json_lines()
    assert next(lines) == 1
    assert body.server.file.tell() == 2


SEQUENCE = b'\x1e1\n\x1e{"a": 2}\n\x1e\x1e[3]'


@pytest.mark.parametrize("step", [1, 100])
def test_sequence_of_json_texts(step):
    body = make(SEQUENCE, "", server=Server(SEQUENCE, step), data_size=0)
    assert list(body.json_sequence()) == [1, {"a": 2}, [3]]


BAD_RECORDS = [
    ("json_lines", b"1\n{\n3\n", [1], "invalid JSON"),
    ("json_lines", b"1\n" + b"[" * 300, [1], "json_max_depth"),
    ("json_sequence", b"\x1e1\n\x1e12", [1], "cut"),
    ("json_sequence", b"\x1e1\n\x1etrue", [1], "cut"),
]


@pytest.mark.parametrize(("name", "raw", "good", "message"), BAD_RECORDS)
def test_records_before_a_bad_one_are_there(name, raw, good, message, caplog):
    records = getattr(make(raw), name)()
    assert [next(records) for _ in good] == good
    with pytest.raises(BodyError, match=message):
        next(records)
    assert message in caplog.text


def test_a_line_is_not_longer_than_max_json_size():
    raw = b"[" + b" " * 1000 + b"]\n"
    server = Server(raw, step=10)
    body = make(raw, "", server=server, data_size=0, max_json_size=100)
    with pytest.raises(BodyTooLargeError, match="max_json_size"):
        list(body.json_lines())
    assert server.file.tell() <= 120
    many = b"[1]\n" * 1000
    body = make(many, "", data_size=0, max_json_size=100, server=Server(many, 50))
    assert len(list(body.json_lines())) == 1000


# -- the end ------------------------------------------------------------------


def test_after_close_there_is_nothing_more():
    body = make(b"0123456789")
    body.read(2)
    body.close()
    assert body.data is None
    assert body.form() is None
    body = make(multipart(a=b"1"), MULTIPART)
    body.close()
    assert body.form() is None


def test_a_body_frees_its_files_without_the_garbage_collector():
    import gc
    import weakref

    gc.disable()
    try:
        body = make(multipart(up=b"u" * 300_000), MULTIPART)
        file = body.form()["up"].file
        dead = weakref.ref(body)
        del body
        assert dead() is None
        assert file.closed
    finally:
        gc.enable()
