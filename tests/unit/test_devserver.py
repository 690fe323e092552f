"""The development server on the wire: framing, closing, and what fails."""

import io
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from poorwsgi import Application
from poorwsgi.devserver import (
    Body,
    ChunkedBody,
    DevelopmentServer,
    FramingError,
    Handler,
    listen,
)
from poorwsgi.response import Declined, FileObjResponse, GeneratorResponse


@contextmanager
def serving(application):
    """Serve in a thread for the length of a block; gives the address."""
    with DevelopmentServer(listen("127.0.0.1", 0), application) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join(10)


@pytest.fixture(scope="module")
def address():
    app = Application("devserver_of_test")

    @app.route("/")
    def hello(req):
        return "hello"

    @app.post("/echo")
    def echo(req):
        return req.read(-1)

    @app.post("/chunks")
    def chunks(req):
        return b"|".join(iter(req.read_chunk, b""))

    @app.post("/ignore")
    def ignore(req):
        return "ignored"

    @app.route("/stream")
    def stream(req):
        return GeneratorResponse(iter((b"one", b"", b"two")), content_type="text/plain")

    @app.route("/text")
    def text(req):
        yield "text"

    @app.route("/file")
    def file(req):
        return FileObjResponse(open(__file__, "rb"))

    @app.route("/seen")
    @app.route("/seen/<rest>")
    def seen(req, *_):
        names = ("PATH_INFO", "QUERY_STRING", "HTTP_X_A", "HTTP_COOKIE", "REMOTE_ADDR")
        return {name: req.environ.get(name) for name in names}

    @app.route("/declined")
    def declined(req):
        return Declined()

    @app.route("/none")
    def none(req):
        return None

    def application(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/raise":
            raise ValueError("on purpose")
        if path in ("/short", "/long", "/broken"):
            start_response("200 OK", [("Content-Length", "10")])
            return (
                broken()
                if path == "/broken"
                else [b"1" * (5 if path == "/short" else 15)]
            )
        if path == "/silent":
            return [b"too early"]
        return app(environ, start_response)

    def broken():
        yield b"1234"
        raise ValueError("on purpose")

    with serving(application) as where:
        yield where
    app.release()


def talk(address, data, end=True):
    """Send bytes, and return all that comes until the server closes."""
    with socket.create_connection(address, 10) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def get(path, *lines, method="GET", version="1.1", body=b""):
    head = "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""])
    return head.encode() + body


# -- requests


def test_a_connection_serves_many_requests(address):
    """In turn, also when they come all at once."""
    answer = talk(address, get("/") + get("/stream") + get("/", "Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(b"\r\nConnection: keep-alive\r\n") == 2
    assert answer.endswith(b"\r\n\r\nhello")


def test_http_1_0_closes_unless_asked(address):
    assert b"Connection: close" in talk(address, get("/", version="1.0"), end=False)
    both = get("/", "Connection: keep-alive", version="1.0")
    assert talk(address, both * 2).count(b"\r\nConnection: keep-alive\r\n") == 2


@pytest.mark.parametrize(
    ("path", "variables"),
    [
        ("/seen", {"PATH_INFO": "/seen", "QUERY_STRING": ""}),
        ("http://x/seen?a=%20", {"PATH_INFO": "/seen", "QUERY_STRING": "a=%20"}),
        ("/s%65en?", {"PATH_INFO": "/seen"}),
        # As curl sends it; the bytes of à are C3 A0, and A0 is no blank here.
        ("/seen?à=ž", {"QUERY_STRING": "%C3%A0=%C5%BE"}),
        ("/seen/à", {"PATH_INFO": "/seen/\\u00c3\\u00a0"}),
    ],
)
def test_the_target_becomes_path_and_query(address, path, variables):
    answer = talk(address, get(path))
    for name, value in variables.items():
        assert f'"{name}": "{value}"'.encode() in answer


def test_headers_become_variables(address):
    """Repeated ones are joined; one with an underscore is another's name."""
    lines = ("X-A: 1", "X-A: 2", "X_A: 3", "Cookie: a=1", "Cookie: b=2")
    answer = talk(address, get("/seen", *lines))
    assert b'"HTTP_X_A": "1,2"' in answer
    assert b'"HTTP_COOKIE": "a=1; b=2"' in answer


def test_a_body_ends_where_it_says(address):
    """What follows is the next request, whether the body was read or not."""
    for path in ("/echo", "/ignore"):
        first = get(path, "Content-Length: 5", method="POST", body=b"12345")
        answer = talk(address, first + get("/"))
        assert answer.count(b"200 OK") == 2
        assert answer.endswith(b"hello")


def test_a_large_body_nobody_wants_closes_the_connection(address):
    body = b"x" * (1 << 19)
    first = get("/ignore", f"Content-Length: {len(body)}", method="POST", body=body)
    with socket.create_connection(address, 10) as connection:
        connection.sendall(first[:200000])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_chunks_arrive_without_their_coding(address):
    """By read_chunk, and whole; and the next request is found behind them."""
    coded = b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    for path, expected in (("/chunks", b"abc"), ("/echo", b"abcde")):
        first = get(path, "Transfer-Encoding: chunked", method="POST", body=coded)
        answer = talk(address, first + get("/"))
        assert expected in answer
        assert answer.endswith(b"hello")


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5, 6",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 99999999999999999999",),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: \x0bchunked",),
        ("Content-Length: 5\x0b",),
        ("Content-Length: \xa05",),
        # The library reads no further than to a line that is no field.
        ("nothing", "Content-Length: 5"),
        ("X-A : 1", "Content-Length: 5"),
        ("X-\xe9: 1", "Content-Length: 5"),
        ("X-A: 1", " folded", "Content-Length: 5"),
        (" folded", "Content-Length: 5"),
        # For the library a bare CR ends a line as well.
        ("X-A: 1\rContent-Length: 5",),
        ("X-A: \0", "Content-Length: 5"),
    ],
)
def test_unclear_framing_is_refused(address, lines):
    """Request smuggling: nothing behind such a request is looked at."""
    answer = talk(
        address, get("/echo", *lines, method="POST", body=b"hello") + get("/")
    )
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_chunks_of_http_1_0_are_refused(address):
    """RFC 9112, 6.1: whoever forwarded it may not have known of the coding."""
    lines = ("Transfer-Encoding: chunked", "Connection: keep-alive")
    request = get("/echo", *lines, method="POST", version="1.0", body=b"0\r\n\r\n")
    answer = talk(address, request + get("/"))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "coded",
    [
        b"x\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nab",
        b"3\nabc\n0\n\n",
        b"3\r\nabc\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nno field\r\n\r\n",
    ],
)
@pytest.mark.parametrize("path", ["/echo", "/ignore"])
def test_broken_chunks_are_400_and_the_end(address, coded, path):
    """Nobody knows where a request behind them would begin."""
    request = get(path, "Transfer-Encoding: chunked", method="POST", body=coded)
    answer = talk(address, request + get("/"))
    status = b"400" if path == "/echo" else b"200"
    assert answer.startswith(b"HTTP/1.1 %b " % status)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"x" * 70000, b"414"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"GET http://[x/ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /a\x0b HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"\x16\x03\x01 a b\n", b"400"),  # the first bytes of TLS
    ],
)
def test_what_is_no_request(address, data, status):
    assert status in talk(address, data)[:200]


# -- answers


def test_a_stream_is_chunked(address):
    """Empty blocks would end it, so they are not sent."""
    answer = talk(address, get("/stream"))
    assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    assert answer.endswith(b"\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    old = talk(address, get("/stream", version="1.0"))
    assert old.endswith(b"\r\n\r\nonetwo")


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("GET", "/none")])
def test_some_answers_have_no_body(address, method, path):
    answer = talk(address, get(path, method=method) + get("/stream"))
    first, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in first
    assert rest.startswith(b"HTTP/1.1 200 OK")


def test_a_file_is_sent_whole(address):
    with open(__file__, "rb") as file:
        assert talk(address, get("/file")).endswith(file.read())


def test_nothing_is_answered_where_the_application_declines(address):
    assert talk(address, get("/declined")) == b""


@pytest.mark.parametrize("path", ["/raise", "/silent"])
def test_an_error_is_500_and_a_traceback(address, capfd, path):
    answer = talk(address, get(path))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\nInternal Server Error\n")
    assert "Traceback" in capfd.readouterr().err


def test_text_that_a_generator_gives_is_an_error_that_says_what_to_do(address, capfd):
    """Before the answer begins, so the client sees it as well."""
    assert talk(address, get("/text")).startswith(b"HTTP/1.1 500 ")
    said = capfd.readouterr().err
    assert "has to be bytes, not 'text'; StrGeneratorResponse takes text" in said


@pytest.mark.parametrize("path", ["/short", "/broken"])
def test_a_body_cut_short_never_looks_whole(address, capfd, path):
    """The connection closes before the length that was promised."""
    answer = talk(address, get(path) + get("/"))
    assert answer.count(b"HTTP/1.1") == 1
    assert len(answer.partition(b"\r\n\r\n")[2]) < 10


def test_a_body_too_long_is_cut_at_its_length(address):
    answer = talk(address, get("/long", "Connection: close"))
    assert len(answer.partition(b"\r\n\r\n")[2]) <= 10


def test_a_client_that_leaves_leaves_no_trace(address, capfd):
    """The server goes on, and its log has no traceback."""
    with socket.create_connection(address, 10) as connection:
        connection.sendall(get("/file"))
    time.sleep(0.05)
    assert talk(address, get("/", "Connection: close")).endswith(b"hello")
    assert "Traceback" not in capfd.readouterr().err


def test_a_connection_is_closed_whole_where_the_client_has_gone():
    """What reads from the socket is closed as well, else it stays open."""

    class Gone(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    handler = Handler.__new__(Handler)
    handler.wfile, handler.rfile = Gone(), io.BytesIO()
    handler.finish()
    assert handler.rfile.closed


def test_threads_serve_at_the_same_time(address):
    """An open connection is in nobody's way."""
    with socket.create_connection(address, 10) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        assert talk(address, get("/", "Connection: close")).endswith(b"hello")
        slow.sendall(b"Connection: close\r\n\r\n")
        assert b"hello" in b"".join(iter(lambda: slow.recv(65536), b""))


def test_variables_for_applications_come_from_the_process(monkeypatch):
    """And no others: HTTP_PROXY of the process is no header."""
    monkeypatch.setenv("poor_Debug", "on")
    monkeypatch.setenv("app_x", "1")
    monkeypatch.setenv("HTTP_PROXY", "evil")
    with DevelopmentServer(listen("127.0.0.1", 0), None) as server:
        environ = server.base_environ
    assert (environ["poor_Debug"], environ["app_x"]) == ("on", "1")
    assert "HTTP_PROXY" not in environ


# -- bodies


@pytest.mark.parametrize("read", ["read", "read1", "readline"])
def test_a_body_gives_no_byte_of_what_follows(read, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345678NEXT")
    with path.open("rb") as file:
        body = Body(file, 8)
        method = getattr(body, read)
        assert method(3) + method(-1) == b"12345678"
        assert (method(5), body.is_done, file.read()) == (b"", True, b"NEXT")


def test_lines_of_a_chunked_body(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"4\r\na\nbc\r\n2\r\nd\n\r\n0\r\n\r\nNEXT")
    with path.open("rb") as file:
        body = ChunkedBody(file)
        assert list(iter(body.readline, b"")) == [b"a\n", b"bcd\n"]
        assert (body.is_done, file.read()) == (True, b"NEXT")


def test_trailers_have_an_end(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0\r\n" + b"X: y\r\n" * 1000)
    with path.open("rb") as file, pytest.raises(FramingError, match="too many"):
        ChunkedBody(file).read()


def test_a_port_in_use_is_an_error():
    with listen("127.0.0.1", 0) as one, pytest.raises(OSError, match="in use"):
        listen(*one.getsockname())
