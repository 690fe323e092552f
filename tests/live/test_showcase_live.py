"""The showcase and the other examples under a real uWSGI, and as a program."""

import ast
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from client import ask, connect
from conftest import REQUIRED
from curl import call_server, calls_in
from expected_calls import EXPECTED
from servers import find_program
from wsproto import ConnectionType
from wsproto import events as ws
from wsproto.connection import Connection

from poorwsgi.testing import LiveServer, free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
JSON = {"Content-Type": "application/json"}
UWSGI = find_program("uwsgi")
PROCESSES = {"1": (), "2x4": ("--processes", "2", "--threads", "4")}

needs_uwsgi = pytest.mark.skipif(
    UWSGI is None and not REQUIRED, reason="not installed: uwsgi"
)


def uwsgi(example, *arguments, **env):
    """Return a server of an example, as `make run` starts it."""
    path = ROOT / "examples" / example
    command = [UWSGI or "uwsgi", "--http-socket", "{address}", "--wsgi-file", str(path)]
    command += ["--pythonpath", str(path.parent), "--master", "--need-app"]
    command += ["--die-on-term", "--worker-reload-mercy", "3", *arguments]
    return LiveServer(command, cwd=ROOT, env=env)


@pytest.fixture(scope="module", params=PROCESSES)
def showcase(request):
    """The showcase with nothing in it; the tests of a module share it."""
    with uwsgi("showcase.py", *PROCESSES[request.param]) as server:
        yield server.host, server.port


def promised():
    """Return the rows of the README: curl's words, the status, what is in it."""
    rows = re.findall(
        r"^``(.+)`` {2,}(\d{3})(.*)$", (ROOT / "README.rst").read_text(), re.M
    )
    assert len(rows) >= 20
    return [
        (shlex.split(words), int(status), re.findall("``(.+?)``", rest))
        for words, status, rest in rows
    ]


# -- the showcase ---------------------------------------------------------------


@needs_uwsgi
def test_every_route_answers_as_the_readme_says(showcase, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words, status, texts in promised():
        got, text = call_server(showcase, words)
        assert got == status, (words, text)
        for expected in texts:
            assert expected in text, (words, expected)


@needs_uwsgi
def test_processes_and_threads_share_the_notes(showcase):
    """Made, changed and deleted at the same time, none is lost or doubled."""

    def make(number):
        body = f'{{"text": "note {number}"}}'
        url = ask(showcase, "POST", "/api/notes", body, JSON).headers["Location"]
        ask(showcase, "PATCH", url, '{"done": true}', JSON)
        if number % 2:
            assert ask(showcase, "DELETE", url).status == 204
        return url

    with ThreadPoolExecutor(8) as pool:
        urls = list(pool.map(make, range(40)))
    assert len(set(urls)) == 40
    notes = ask(showcase, "GET", "/api/notes").json
    assert {(note["text"], note["done"]) for note in notes} == {
        (f"note {number}", True) for number in range(0, 40, 2)
    }


@needs_uwsgi
def test_a_file_uploaded_to_one_process_is_sent_by_any(showcase, tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(3_000_000))
    url = call_server(showcase, ["-i", "-F", f"file=@{path}", "/files"])[1]
    url = re.search(r'"url": "(.+?)"', url)[1]
    for _ in range(6):
        assert ask(showcase, "GET", url).body == path.read_bytes()
    assert ask(showcase, "HEAD", url).headers["Content-Length"] == "3000000"
    part = ask(showcase, "GET", url, headers={"Range": "bytes=2999990-"})
    assert (part.status, part.body) == (206, path.read_bytes()[-10:])


@needs_uwsgi
def test_a_stream_arrives_line_by_line(showcase):
    with connect(showcase) as connection:
        connection.sendall(b"GET /stream/20 HTTP/1.1\r\nHost: x\r\n\r\n")
        data = b""
        while b"line 1\n" not in data:
            data += connection.recv(65536)
        assert b"line 20\n" not in data
        while b"line 20\n" not in data:
            data += connection.recv(65536)
    assert data.endswith(b"\nline 19\nline 20\n")


@needs_uwsgi
def test_a_client_that_leaves_during_an_upload_leaves_nothing(showcase):
    before = ask(showcase, "GET", "/files").json
    with connect(showcase) as connection:
        connection.sendall(
            b"POST /files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\ncut'
        )
        connection.shutdown(socket.SHUT_WR)
        connection.recv(65536)
    assert ask(showcase, "GET", "/files").json == before


@needs_uwsgi
def test_the_data_goes_with_the_server(tmp_path):
    """Also if a worker is killed before; as long as one lives, it stays."""
    with uwsgi("showcase.py", "--processes", "2", TMPDIR=str(tmp_path)) as server:
        address = server.host, server.port
        ask(address, "POST", "/api/notes", '{"text": "x"}', JSON)
        (folder,) = tmp_path.glob("showcase-*")
        worker = re.search(r"spawned uWSGI worker 1 \(pid: (\d+)", server.log)
        os.kill(int(worker[1]), signal.SIGKILL)
        assert len(ask(address, "GET", "/api/notes").json) == 1
        assert folder.exists()
    end = time.monotonic() + 20
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()


# -- the commands that people type ----------------------------------------------


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_development_server_prints_one_line_and_stops_on_ctrl_c():
    port = free_port()
    command = [sys.executable, "-m", "poorwsgi", "run", "examples/showcase.py"]
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs us in the background has switched SIGINT off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        line = process.stdout.readline()
        assert ask(("127.0.0.1", port), "GET", "/debug-info").status == 200
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    url = f"http://127.0.0.1:{port}/"
    assert line.startswith(f"{url} is open, debug page: {url}debug-info ")
    assert (rest, process.returncode) == ("", 0)
    assert "Traceback" not in errors
    assert not is_open(port)


# -- the other examples ----------------------------------------------------------


@needs_uwsgi
@pytest.mark.parametrize("name", [name for name in EXPECTED if name != "showcase.py"])
def test_an_example_answers_its_calls_under_uwsgi(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    source = (ROOT / "examples" / name).read_text(encoding="utf-8")
    calls = calls_in(ast.get_docstring(ast.parse(source), clean=False))
    with uwsgi(name) as server:
        for words, (status, *texts) in zip(calls, EXPECTED[name], strict=True):
            got, text = call_server((server.host, server.port), words)
            assert got == status, (words, text)
            for expected in texts:
                assert expected in text, (words, expected)


@needs_uwsgi
def test_options_come_from_the_ini_of_uwsgi(tmp_path):
    """The file as it is, but for the port."""
    text = (ROOT / "examples/app_options.ini").read_text()
    text = text.replace("127.0.0.1:8080", "{address}")
    text = text.replace("%d", str(ROOT / "examples") + "/")
    ini = tmp_path / "app_options.ini"
    server = LiveServer([UWSGI or "uwsgi", str(ini)])
    ini.write_text(text.replace("{address}", server.address))
    with server:
        address = server.host, server.port
        options = ask(address, "GET", "/options").json
        assert options == {"greeting": "Ahoj", "name": "uWSGI"}
        assert "Ahoj, uWSGI!" in ask(address, "GET", "/").text


# Key and answer of RFC 6455, 1.3.
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def has_websockets():
    """Whether this uWSGI was built with SSL, which its WebSockets need."""
    if UWSGI is None:
        return False
    flags = subprocess.run([UWSGI, "--cflags"], capture_output=True, text=True)
    return "-DUWSGI_SSL" in flags.stdout


@pytest.mark.skipif(not has_websockets(), reason="this uWSGI has no WebSockets")
@pytest.mark.parametrize(
    "arguments", [(), ("--http", "{address}", "--http-websockets")]
)
def test_a_websocket_echoes_under_uwsgi(arguments):
    server = uwsgi("websocket.py", "--threads", "4", *arguments)
    if arguments:
        del server.command[1:3]  # the router listens instead of --http-socket
    with server, connect((server.host, server.port)) as connection:
        connection.sendall(UPGRADE)
        head, _, frames = connection.recv(65536).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert ACCEPTED in head
        peer, got = Connection(ConnectionType.CLIENT), []
        peer.receive_data(frames)
        for text in ("first", "žluť 😀"):
            connection.sendall(peer.send(ws.TextMessage(text)))
            while not got or not isinstance(got[-1], ws.TextMessage):
                peer.receive_data(connection.recv(65536))
                got.extend(peer.events())
            assert got.pop().data == text
        connection.sendall(peer.send(ws.CloseConnection(1000)))
        while data := connection.recv(65536):
            peer.receive_data(data)
        assert any(isinstance(event, ws.CloseConnection) for event in peer.events())


@pytest.mark.skipif(not has_websockets(), reason="this uWSGI has no WebSockets")
def test_a_broken_handshake_is_400_under_uwsgi():
    with uwsgi("websocket.py") as server:
        address = server.host, server.port
        answer = ask(address, "GET", "/ws", headers={"Upgrade": "websocket"})
        assert answer.status == 400
