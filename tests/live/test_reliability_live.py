"""Attacks as bytes on the socket, on every server: never a 5xx, never a hang."""

import random
import re

import pytest
from client import ask, connect, exchange, read_all, status_of

HEAD = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def is_alive(address):
    return ask(address, "GET", "/").body == b"Hello, World!"


def statuses(raw):
    """Return the status of each answer on a connection."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", raw)]


TRAVERSALS = [
    *(
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/sub/../../secret.txt",
    ),
    *("//../secret.txt", "/./../secret.txt"),
    *("/%2e%2e%2fsecret.txt", "/sub/..%5c..%5c"),
    *("/link.txt", "/.hidden", "/sub/%2e%2e/%2e%2e/secret.txt", "-x/secret.txt"),
    *("http://localhost/../secret.txt", "/..%00/secret.txt", "/%252e%252e/secret.txt"),
]


@pytest.mark.parametrize("target", TRAVERSALS)
def test_traversal_shows_no_file_outside_of_the_root(address, target):
    raw = exchange(address, HEAD % target.encode() + b"\r\n", end=False)
    assert b"secret" not in raw.partition(b"\r\n\r\n")[2].replace(b"secret.txt", b"")
    assert status_of(raw) not in (200, 500)
    assert is_alive(address)


BROKEN = {
    "header name with a blank": b"Bad Name: x\r\n",
    "header without a name": b": x\r\n",
    "header without a colon": b"nothing\r\n",
    "folded header": b"X-A: 1\r\n 2\r\n",
    "two hosts": b"Host: other.test\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 5\r\n",
    "hidden coding": b"Content-Length: 3\r\nTransfer-Encoding : chunked\r\n",
    "unknown coding": b"Transfer-Encoding: cow\r\n",
    "NUL in a header": b"X-A: a\0b\r\n",
    "control character": b"X-A: a\x01b\r\n",
    "bytes that are no text": b"X-A: \xff\xfe\r\nCookie: a=\xff; b=\xfe\r\n",
    "cookie of 20 KB": b"Cookie: a=" + b"b" * 20000 + b"\r\n",
    "1000 headers": b"".join(b"X-%d: 1\r\n" % n for n in range(1000)),
    "100 ranges": b"Range: bytes=" + b"0-0," * 100 + b"1-1\r\n",
    "range that is none": b"Range: bytes=--1\r\n",
    "date that is none": b"If-Modified-Since: never\r\n",
    "garbage credentials": b'Authorization: Digest a="b, =,"\r\n',
    "forwarded garbage": b'Forwarded: for="[";host=a b\r\nX-Forwarded-Host: <x>\r\n',
    "upgrade": b"Upgrade: websocket\r\n",
    "expectation": b"Expect: 200-ok\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("target", [b"/", b"/data.bin", b"/nowhere", b"/headers"])
def test_broken_headers_are_never_an_error_of_ours(address, name, target):
    """Refused by the server, refused by us, or ignored; one answer at most."""
    raw = exchange(address, HEAD % target + BROKEN[name] + b"\r\n", end=False)
    assert all(status < 500 or status == 501 for status in statuses(raw)), raw[:300]
    assert len(statuses(raw)) <= 1 or statuses(raw)[0] == 100
    assert b"Traceback" not in raw
    assert is_alive(address)


@pytest.mark.parametrize("name", ["poor_SecretKey", "poor_DocumentRoot", "app_x"])
def test_a_header_is_no_variable(address, name):
    """Neither as it is written, nor as servers spell variables."""
    lines = f"{name}: /etc\r\n{name.replace('_', '-')}: /etc\r\n".encode()
    raw = exchange(address, HEAD % b"/environ" + lines + b"\r\n", end=False)
    assert status_of(raw) in (0, 200, 400), raw[:300]
    assert f'"{name}"'.encode() not in raw
    assert b'"/etc"' not in re.sub(rb'"HTTP_[^"]*": "[^"]*"', b"", raw)


def test_hidden_request_in_a_body_is_not_answered(address):
    """Request smuggling: a body that was refused is no request either."""
    hidden = b"GET /item/666 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = (
        b"POST /json HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(hidden)
    )
    last = HEAD % b"/item/2" + b"\r\n"
    raw = exchange(address, head + hidden + last, end=False)
    assert statuses(raw)[0] == 400, raw[:300]
    assert b"666" not in raw


def test_mutated_requests_are_never_an_error_of_ours(server, address, limit):
    """Seeded: bytes cut, doubled and changed anywhere in a request."""
    limit("cut-body")
    rng = random.Random(10)
    before = server.log.count("failed, error id")
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    good = (
        b"POST /form?a=b HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nAccept: text/html;q=0.5\r\n"
        b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    for _ in range(120):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 4))):
            place = rng.randrange(len(data))
            action = rng.randrange(3)
            if action == 0:
                del data[place : place + rng.randrange(1, 9)]
            elif action == 1:
                data[place:place] = data[place : place + 5] * rng.choice((1, 30))
            else:
                data[place] = rng.randrange(256)
        try:
            raw = exchange(address, bytes(data))
        except OSError:  # refused before it was read to its end
            continue
        found = statuses(raw.partition(b"\r\n\r\n")[0])
        assert all(one < 500 or one in (501, 505) for one in found), (data, raw[:300])
    assert is_alive(address)
    assert server.log.count("failed, error id") == before


def test_clients_that_reset_leave_the_server_working(address):
    """Forty uploads and downloads that end in the middle."""
    for number in range(40):
        with connect(address) as connection:
            if number % 2:
                connection.sendall(HEAD % b"/large/reset" + b"\r\n")
                connection.recv(100)
            else:
                connection.sendall(
                    b"PUT /upload HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Length: 100000\r\n\r\n" + b"x" * 5000
                )
    assert is_alive(address)
    with connect(address) as connection:
        connection.sendall(HEAD % b"/item/1" + b"\r\n")
        assert status_of(read_all(connection)) == 200
