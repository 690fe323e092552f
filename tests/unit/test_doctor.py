"""The probes of a deployment, against a good server and against bad ones."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from poorwsgi import Application
from poorwsgi.__main__ import main
from poorwsgi.devserver import DevelopmentServer, listen
from poorwsgi.doctor import PROBES, Site, examine


@contextmanager
def good_server(tmp_path):
    app = Application("doctor_of_test")
    (tmp_path / "file.txt").write_text("0123456789")
    app.document_root = str(tmp_path)
    with DevelopmentServer(listen("127.0.0.1", 0), app) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)
            app.release()


@contextmanager
def bad_server(answer):
    """Answer each connection by what a function makes of the request."""
    listener = listen("127.0.0.1", 0)
    listener.settimeout(0.05)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(0.5)
                try:
                    connection.sendall(answer(connection.recv(65536)))
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(65536)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        ended.set()
        thread.join(10)
        listener.close()


def verdicts(url):
    return {one.probe: one for one in examine(Site(url, 1.0))}


def test_a_good_server_passes(tmp_path):
    """All probes, with a file of the document root."""
    with good_server(tmp_path) as url:
        found = verdicts(f"{url}/file.txt")
    assert {name: one.verdict for name, one in found.items()} == {
        **{p.__name__[6:].replace("_", " "): "ok" for p in PROBES},
        "answer": "ok",
    }
    assert found["ranges"].seen == "206, bytes 0-0/10"


def plain(request, body=b"hello", status=b"200 OK", headers=b""):
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 %b\r\n%b%b\r\n%b" % (status, length, headers, body)


@pytest.mark.parametrize(
    ("probe", "answer", "verdict", "advice"),
    [
        (
            "head",
            lambda data: plain(data, headers=b"Connection: close\r\n"),
            "fail",
            "body with HEAD",
        ),
        ("keep alive", plain, "warn", "http-keepalive"),
        (
            "ranges",
            lambda data: plain(
                data, status=b"206 Partial" if b"Range" in data else b"200 OK"
            ),
            "fail",
            "gzip off",
        ),
        (
            "chunked",
            lambda data: plain(
                data, status=b"500 X" if b"chunked" in data else b"200 O"
            ),
            "fail",
            "http-chunked-input",
        ),
        (
            "large headers",
            lambda data: b"" if len(data) > 4096 else plain(data),
            "fail",
            "buffer-size = 32768",
        ),
        (
            "head",
            lambda data: plain(
                data, b"" if data[:4] == b"HEAD" else b"hello", b"200 O"
            ),
            "warn",
            "compression",
        ),
        (
            "head",
            lambda data: (
                plain(data, b"", b"405 No") if data[:4] == b"HEAD" else plain(data)
            ),
            "warn",
            "GET handlers answer HEAD",
        ),
        (
            "ranges",
            lambda data: (
                b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\nh"
                if b"Range" in data
                else plain(data)
            ),
            "fail",
            "gzip off",
        ),
        (
            "chunked",
            lambda data: plain(
                data, status=b"411 X" if b"chunked" in data else b"200 O"
            ),
            "warn",
            "http-chunked-input",
        ),
        (
            "large headers",
            lambda data: plain(data, status=b"431 X" if len(data) > 9999 else b"200 O"),
            "warn",
            "large_client_header_buffers",
        ),
        ("framing", plain, "warn", "smuggled"),
        ("host", plain, "warn", "RFC 9112, 3.2"),
        (
            "debug",
            lambda data: plain(data, headers=b"Content-Type: application/json\r\n"),
            "warn",
            "app.debug = False",
        ),
    ],
)
def test_what_is_wrong_has_an_advice(probe, answer, verdict, advice):
    """The setting that mends it is named."""
    with bad_server(answer) as url:
        found = verdicts(url)[probe]
    assert found.verdict == verdict, found
    assert advice in found.advice


def test_a_body_cut_short_is_seen():
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
    with bad_server(lambda data: cut) as url:
        found = verdicts(url)
    assert (found["answer"].verdict, found["file wrapper"].verdict) == ("fail", "fail")


def test_nobody_there(capsys):
    """One line, what to look at, and status 1."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    assert main(["doctor", f"http://127.0.0.1:{port}/"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("fail  answer         no answer from http://127.0.0.1")
    assert "--http-socket" in out


def test_results_for_programs(tmp_path, capsys):
    with good_server(tmp_path) as url:
        assert main(["doctor", "--json", f"{url}/file.txt"]) == 0
    assert {one["verdict"] for one in json.loads(capsys.readouterr().out)} == {"ok"}


@pytest.mark.parametrize("url", ["nonsense", "ftp://x/", "http://"])
def test_what_is_no_url(url, capsys):
    assert main(["doctor", url]) == 2
    assert "is no URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [
        (b"3\r\nabc\r\n0\r\n\r\n", True),
        (b"3\r\nabc\r\n", False),
        (b"x\r\nabc\r\n", False),
    ],
)
def test_chunked_answers_are_read_to_their_end(body, is_whole):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with bad_server(lambda data: head + body) as url:
        reply = Site(url, 1.0).ask()
    assert reply.is_whole is is_whole
    assert reply.body == (b"abc" if body[:1] == b"3" else b"")


def test_interim_answers_are_skipped():
    early = b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n"
    with bad_server(lambda data: early + plain(data)) as url:
        assert Site(url, 1.0).ask().status == 200


def test_a_server_that_fails_after_clients_left():
    """The last probe asks once more."""
    seen = []

    def answer(data):
        seen.append(data)
        is_broken = any(b"Content-Length: 99" in one for one in seen)
        return plain(data, status=b"503 Busy" if is_broken else b"200 OK")

    with bad_server(answer) as url:
        found = verdicts(url)["disconnect"]
    assert (found.verdict, found.seen) == ("fail", "503 after clients that left")
    assert "socket-timeout" in found.advice


@pytest.mark.parametrize("line", ["HTTP/1.1 abc def", "HTTP/1.1", "HTTP/1.1 \xb2"])
def test_a_status_that_is_no_number_is_no_answer(line):
    with bad_server(lambda request: f"{line}\r\n\r\n".encode("latin-1")) as url:
        (found,) = verdicts(url).values()
    assert (found.probe, found.verdict) == ("answer", "fail")
    assert f"{line!r} is no status line of HTTP" in found.seen


def test_a_server_that_says_nothing_is_no_server():
    """A timeout and an empty answer are failures of their probe."""
    with bad_server(lambda data: b"") as url:
        (found,) = examine(Site(url, 0.5))
    assert (found.probe, found.verdict) == ("answer", "fail")
    with bad_server(lambda data: b"" if b"POST" in data else plain(data)) as url:
        found = verdicts(url)
    assert found["chunked"].seen.startswith("no answer: ")
    assert "http-chunked-input" in found["chunked"].advice
