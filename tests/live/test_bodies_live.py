"""Request bodies under uWSGI: sizes, limits, slow and broken clients.

By raw sockets where it matters what a client gets to see.
"""

import json
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from client import connect, read_all
from servers import find_program

from poorwsgi.testing import LiveServer

HERE = Path(__file__).parent
GIB = 1 << 30
BLOCK = bytes(1 << 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bodies")


@pytest.fixture(scope="module", params=["http-socket", "router"])
def uwsgi(request, folder):
    """One process, so that its memory and files can be asked for."""
    program = find_program("uwsgi")
    if program is None:
        if os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1":
            pytest.fail("not installed: uwsgi")
        pytest.skip("not installed: uwsgi")
    command = [program, "--wsgi-file", str(HERE / "bodies_app.py"), "--need-app"]
    command += ["--master", "--die-on-term", "--socket-timeout", "2"]
    if request.param == "router":
        command += ["--http", "{address}", "--http-chunked-input"]
        command += ["--socket", "127.0.0.1:0", "--http-timeout", "60"]
    else:
        command += ["--http-socket", "{address}"]
    env = {"LIVE_FOLDER": str(folder), "PYTHONPATH": f"{HERE.parent.parent}:{HERE}"}
    with LiveServer(command, cwd=HERE, env=env) as server:
        server.kind = request.param
        yield server


@contextmanager
def request(server, path, headers=(), method="POST"):
    """Send the head of a request; the body is the business of the test."""
    with connect((server.host, server.port)) as connection:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


class NoAnswerError(AssertionError):
    """The server closed without a word."""


def answer(connection):
    """Return (status, body) of what comes until the server closes."""
    head, _, body = read_all(connection).partition(b"\r\n\r\n")
    if not head:
        raise NoAnswerError
    assert head.startswith(b"HTTP/1."), (head, body)
    return int(head.split()[1]), body


def post(server, path, content_type, body, length=None):
    length = len(body) if length is None else length
    headers = {"Content-Type": content_type, "Content-Length": length}
    with request(server, path, headers) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before the end
            connection.sendall(body)
        return answer(connection)


def get_process(server):
    with request(server, "/process", method="GET") as connection:
        return json.loads(answer(connection)[1])


MULTIPART = "multipart/form-data; boundary=x"


def head_of(name, filename):
    line = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--x\r\n{line}\r\n\r\n".encode()


def part(name, content):
    line = f'--x\r\nContent-Disposition: form-data; name="{name}"'
    return line.encode() + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize("path", ["/form", "/parts"])
@pytest.mark.parametrize("size", [0, 1, GIB], ids=["empty", "1 byte", "1 GiB"])
def test_an_upload_needs_little_memory(uwsgi, path, size):
    """A name with quotes and emoji arrives intact, of a path its last part."""
    idle = get_process(uwsgi)
    head, tail = head_of("f", "dir/a%22b 😀.bin"), b"\r\n--x--\r\n"
    headers = {"Content-Type": MULTIPART}
    headers["Content-Length"] = len(head) + size + len(tail)
    with request(uwsgi, path, headers) as connection:
        connection.sendall(head)
        for _ in range(size // len(BLOCK)):
            connection.sendall(BLOCK)
        connection.sendall(BLOCK[: size % len(BLOCK)] + tail)
        status, body = answer(connection)
    assert (status, json.loads(body)) == (200, {'a"b 😀.bin': size})
    after = get_process(uwsgi)
    assert after["files"] == idle["files"]
    assert after["peak"] - idle["peak"] < 40 * 1024


@pytest.mark.parametrize("path", ["/form", "/parts"])
def test_a_client_that_goes_away_mid_upload_leaves_nothing(uwsgi, path):
    files = get_process(uwsgi)["files"]
    for _ in range(3):
        headers = {"Content-Type": MULTIPART, "Content-Length": 50_000_000}
        with request(uwsgi, path, headers) as connection:
            connection.sendall(head_of("f", "x") + BLOCK)
    # The answer to this one tells that the ones before it are over.
    assert wait_for(lambda: get_process(uwsgi)["files"] == files)


def wait_for(condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


FORM = "application/x-www-form-urlencoded"
LIMITS = [
    # path, type, body, status, setting
    ("/form", FORM, b"a=" + b"x" * 3000, 413, "max_form_memory_size"),
    ("/form", FORM, b"&".join([b"a=1"] * 11), 413, "max_form_fields"),
    ("/form", MULTIPART, part("a", b"x" * 4000), 413, "max_form_memory_size"),
    ("/form", MULTIPART, part("a", b"1") * 6, 413, "max_form_parts"),
    ("/form", MULTIPART, part("a" * 600, b"1"), 431, "max_part_header_size"),
    ("/form", MULTIPART, b"x" * 70_000, 400, "64 KiB"),
    ("/parts", MULTIPART, part("a", b"1") * 6, 413, "max_form_parts"),
    ("/json", "application/json", b'"' + b"x" * 1000 + b'"', 413, "max_json_size"),
    ("/json", "application/json", b"[" * 6 + b"]" * 6, 400, "json_max_depth"),
    ("/json", "application/json", b"[NaN]", 400, "NaN"),
    ("/data", "text/plain", b"x" * 400_000, 413, "max_body_size"),
    ("/data", "text/plain", b"x" * 20_000_000, 413, "max_body_size"),
]


@pytest.mark.parametrize(("path", "content_type", "body", "status", "name"), LIMITS)
def test_each_limit_answers_its_status_and_is_named_in_the_log(
    uwsgi, path, content_type, body, status, name
):
    if content_type == MULTIPART:
        body += b"--x--\r\n"
    before = len(uwsgi.log)
    try:
        got, page = post(uwsgi, f"/small{path}", content_type, body)
    except NoAnswerError:
        # The router still sends the body to a worker that has answered and gone;
        # it happens with what is more than sockets buffer, seldom below megabytes.
        assert uwsgi.kind == "router"
        assert len(body) > 300_000
    else:
        assert got == status
        assert b"Traceback" not in page
    assert wait_for(lambda: name in uwsgi.log[before:], 5), uwsgi.log[before:]
    # And the next one is served as if nothing had been.
    assert post(uwsgi, "/small/form", FORM, b"a=1") == (200, b'{"a": "1"}')


def test_a_body_that_ends_early_is_400_at_once(uwsgi):
    if uwsgi.kind == "router":
        pytest.skip("the router waits for the rest, then closes")
    for path, content_type in (("/form", FORM), ("/json", "application/json")):
        headers = {"Content-Type": content_type, "Content-Length": 100}
        with request(uwsgi, path, headers) as connection:
            connection.sendall(b"a=1")
            connection.shutdown(1)
            assert answer(connection)[0] in (400, 408)


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/form", FORM, b"a=1"),
        ("/json", "application/json", b"["),
        ("/form", MULTIPART, head_of("f", "x") + b"y" * 200_000),
        ("/parts", MULTIPART, head_of("f", "x") + b"y" * 200_000),
        ("/data", "text/plain", b"x" * 200_000),
    ],
)
def test_a_client_that_sends_nothing_any_more_is_408(uwsgi, path, content_type, body):
    headers = {"Content-Type": content_type, "Content-Length": 1_000_000}
    since = time.monotonic()
    with request(uwsgi, path, headers) as connection:
        connection.sendall(body)
        assert answer(connection)[0] in (400, 408)
    assert time.monotonic() - since < 15


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


CHUNKED = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}


def test_chunks_are_read_by_the_call_of_uwsgi(uwsgi):
    body = chunked(*(b"%d" % number for number in range(5)))
    with request(uwsgi, "/chunks", CHUNKED) as connection:
        connection.sendall(body)
        assert answer(connection) == (200, b'{"sizes": [1, 1, 1, 1, 1]}')
    with request(uwsgi, "/data", CHUNKED) as connection:
        connection.sendall(chunked(b"x" * 5000, b"y" * 70_000))
        assert answer(connection) == (200, b"75000")


def test_chunks_that_stop_are_refused(uwsgi):
    with request(uwsgi, "/chunks", CHUNKED) as connection:
        connection.sendall(b"5\r\nhel")
        assert answer(connection)[0] in (400, 408)


def test_parts_of_a_chunked_upload(uwsgi):
    body = head_of("f", "x.bin") + b"y" * 100_000 + b"\r\n--x--\r\n"
    headers = {**CHUNKED, "Content-Type": MULTIPART}
    with request(uwsgi, "/parts", headers) as connection:
        connection.sendall(
            chunked(*(body[n : n + 999] for n in range(0, 100_100, 999)))
        )
        assert answer(connection) == (200, b'{"x.bin": 100000}')


def test_a_listener_that_has_gone_is_noticed(uwsgi, folder):
    gone = folder / "gone"
    gone.unlink(missing_ok=True)
    with request(uwsgi, "/events", method="GET") as connection:
        assert b"text/event-stream" in connection.recv(4096)
    assert wait_for(gone.exists)
