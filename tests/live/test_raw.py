"""What clients hide: bytes on the socket, broken framing, clients that leave."""

import re
import time

import pytest
from client import ask, connect, exchange, read_all, status_of

HEAD_END = b"\r\n\r\n"


def request(text, body=b""):
    """Return raw bytes of a request, one line of text a header line."""
    return text.strip().replace("\n", "\r\n").encode() + HEAD_END + body


def still_works(address):
    return ask(address, "GET", "/").body == b"Hello, World!"


@pytest.mark.parametrize(
    "target",
    ["/", "/item/3", "/file", "/data.bin", "/nowhere", "/crash", "/stream/raw/50"],
)
def test_head_sends_not_one_byte_of_body(address, target, limit):
    """After the empty line the connection ends."""
    if target.startswith("/stream"):
        limit("head-chunks")
    raw = exchange(
        address,
        request(f"HEAD {target} HTTP/1.1\nHost: localhost\nConnection: close"),
        end=False,
    )
    head, _, body = raw.partition(HEAD_END)
    assert status_of(raw) in (200, 404, 500)
    assert body == b"", head


@pytest.mark.parametrize("target", ["/nothing", "/data.bin"])
def test_answers_without_a_body_have_none(address, target):
    """204 and 304 end with the empty line."""
    validator = ask(address, "GET", "/data.bin").headers["Last-Modified"]
    raw = exchange(
        address,
        request(
            f"GET {target} HTTP/1.1\nHost: localhost\nConnection: close\n"
            f"If-Modified-Since: {validator}"
        ),
        end=False,
    )
    assert status_of(raw) in (204, 304)
    assert raw.partition(HEAD_END)[2] == b""


def test_old_protocol_is_answered(address, limit):
    """HTTP/1.0 without a Host, which only 1.1 asks for."""
    limit("no-host")
    raw = exchange(address, request("GET / HTTP/1.0"), end=False)
    assert status_of(raw) == 200
    assert raw.partition(HEAD_END)[2] == b"Hello, World!"


def test_http_1_0_gets_no_chunks(address):
    """A stream without a length ends with the connection."""
    text = "GET /stream/old/3 HTTP/1.0\nHost: localhost"
    raw = exchange(address, request(text), end=False)
    head, _, body = raw.partition(HEAD_END)
    assert b"chunked" not in head.lower()
    assert body == b"".join(b"%06d\n" % number * 100 for number in range(3))


def test_pipelined_requests_are_answered_in_order(address):
    """The second waits, or the connection ends; it is never part of the first."""
    one = "GET /item/1 HTTP/1.1\nHost: localhost"
    two = "GET /item/2 HTTP/1.1\nHost: localhost\nConnection: close"
    raw = exchange(address, request(one) + request(two), end=False)
    assert status_of(raw) == 200
    ids = re.findall(rb'"id": ?(\d)', raw)
    assert ids in ([b"1"], [b"1", b"2"])


def test_request_after_an_unread_body_is_a_new_one(address):
    """What the handler left unread isn't taken for the next request."""
    hidden = request("GET /item/666 HTTP/1.1\nHost: localhost")
    first = request(
        f"POST /unread HTTP/1.1\nHost: localhost\nContent-Length: {len(hidden)}",
        hidden,
    )
    second = request("GET /item/2 HTTP/1.1\nHost: localhost\nConnection: close")
    raw = exchange(address, first + second, end=False)
    assert b"not looked at" in raw
    assert b"666" not in raw


BAD_FRAMING = [
    "Content-Length: abc",
    "Content-Length: -5",
    "Content-Length: +5",
    "Content-Length: 5_0",
    "Content-Length: 0x5",
    "Content-Length: 5, 5",
    "Content-Length: 99999999999999999999999999",
    "Content-Length: 5\nTransfer-Encoding: chunked",
]


@pytest.mark.parametrize("framing", BAD_FRAMING)
def test_bad_framing_is_refused(address, framing, limit):
    """By the server or by us; it is never 200 and never a 5xx of ours."""
    if "chunked" in framing:
        limit("two-lengths")
    text = f"POST /json HTTP/1.1\nHost: localhost\nConnection: close\n{framing}"
    text += "\nContent-Type: application/json"
    raw = exchange(address, request(text, b"[1,2]"))
    assert status_of(raw) in (0, 400, 408, 411, 413, 501), raw
    assert still_works(address)


@pytest.mark.parametrize(
    "host", ["a b", "x/y", "[::1", "a:b", "host:99999", "a@b", "<script>"]
)
def test_bad_host_is_refused(address, host):
    """RFC 9112, 3.2: 400, before any hook or handler."""
    text = f"GET / HTTP/1.1\nHost: {host}\nConnection: close"
    raw = exchange(address, request(text), end=False)
    assert status_of(raw) in (0, 400), raw
    assert b"<script>" not in raw
    assert still_works(address)


def test_body_that_ends_early_is_not_taken_for_whole(address, limit):
    """The client promised 100 bytes, sent 5 and left."""
    limit("cut-body")
    text = "POST /json HTTP/1.1\nHost: localhost\nContent-Length: 100\n"
    text += "Content-Type: application/json\nConnection: close"
    raw = exchange(address, request(text, b"[1,2]"))
    assert status_of(raw) in (0, 400, 408), raw
    assert still_works(address)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"5\r\nhello\r\n", "bad-chunks"),
        (b"-1\r\nhello\r\n0\r\n\r\n", "bad-chunks"),
        (b"zz\r\nhello\r\n0\r\n\r\n", "chunk-size"),
    ],
)
def test_bad_chunks_are_not_taken_for_a_body(address, body, what, limit):
    """No end, a negative size, no size: refused by the server or by us."""
    limit(what)
    limit("cut-body")
    text = "POST /chunked HTTP/1.1\nHost: localhost\nConnection: close\n"
    text += "Transfer-Encoding: chunked"
    raw = exchange(address, request(text, body))
    assert status_of(raw) in (0, 400, 408), raw
    assert still_works(address)


def test_client_that_leaves_closes_the_generator(server, address):
    """A body nobody reads any more isn't produced to its end for ever."""
    with connect(address) as connection:
        text = "GET /large/left HTTP/1.1\nHost: localhost"
        connection.sendall(request(text))
        assert connection.recv(1000)
    path = server.folder / "closed"
    end = time.monotonic() + 20
    while not path.exists() or "left" not in path.read_text().split():
        assert time.monotonic() < end, "the generator was not closed"
        time.sleep(0.05)
    assert path.read_text().split().count("left") == 1
    assert still_works(address)


def test_client_that_sends_nothing_does_no_harm(address):
    """Connections that open and close, or send half a line."""
    for data in (b"", b"GET", b"GET / HTTP/1.1\r\nHost:"):
        with connect(address) as connection:
            connection.sendall(data)
    assert still_works(address)


def test_stream_that_breaks_never_looks_whole(address, limit):
    """An error after the first block: the client must be able to tell."""
    limit("cut-stream")
    text = "GET /broken-stream HTTP/1.1\nHost: localhost\nConnection: close"
    raw = exchange(address, request(text), end=False)
    head, _, body = raw.partition(HEAD_END)
    if b"chunked" in head.lower():
        assert not body.endswith(b"0\r\n\r\n"), "ended like a whole body"
    assert b"RuntimeError" not in raw
    assert b"Content-Length: 5000" not in head
    assert still_works(address)


def test_header_cannot_be_split_by_a_path(address):
    """CR and LF from a path never reach a header or a page raw."""
    text = "GET /nowhere%0d%0aX-Injected:%20yes HTTP/1.1\nHost: localhost"
    raw = exchange(address, request(text + "\nConnection: close"), end=False)
    assert b"\nX-Injected" not in raw.partition(HEAD_END)[0]


def test_answers_of_kept_connections_have_a_length(address):
    """Two requests on one connection, if the server keeps it."""
    with connect(address) as connection:
        connection.sendall(request("GET / HTTP/1.1\nHost: localhost"))
        first = connection.recv(65536)
        while not first.endswith(b"Hello, World!"):
            first += connection.recv(65536)
        connection.sendall(
            request("GET /item/9 HTTP/1.1\nHost: localhost\nConnection: close")
        )
        rest = read_all(connection)
    assert status_of(first) == 200
    assert rest == b"" or status_of(rest) == 200
