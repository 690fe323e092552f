"""API analytics under real uWSGI: prefork, lazy applications, threads, SIGTERM.

Every event arrives exactly once, counted by transaction id; whatever the
collector does, the application answers.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from certificates import make_certificate
from fake_collector import FakeCollector

from poorwsgi.testing import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
UWSGI = Path(sys.executable).with_name("uwsgi")
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"

CLIENTS = 16

APPLICATION = """
import logging
import os
import time

from poorwsgi import Application
from poorwsgi.moesif import MoesifMiddleware
from poorwsgi.response import GeneratorResponse, JSONResponse

logging.basicConfig(format="LOG %(process)d %(name)s %(message)s")
app = Application("live")


@app.route("/json/<number:int>", method=2 | 4)
def answer(req, number):
    return JSONResponse(number=number, body=req.read().decode())


@app.route("/fail")
def fail(req):
    raise RuntimeError("on purpose")


@app.route("/stream")
def stream(req):
    def chunks():
        for number in range(200):
            yield b"x" * 8192
            time.sleep(0.01)

    return GeneratorResponse(chunks(), "text/plain")


@app.route("/rss")
def rss(req):
    pages = open("/proc/self/statm").read().split()[1]
    counts = {"sent": application.sender.sent, "dropped": application.sender.dropped}
    size = int(pages) * os.sysconf("SC_PAGE_SIZE")
    return JSONResponse(pid=os.getpid(), rss=size, **counts)


app.auto_form = app.auto_json = app.auto_data = False
application = MoesifMiddleware(
    app,
    {
        "APPLICATION_ID": "live",
        "BASE_URI": os.environ["COLLECTOR"],
        "EVENT_QUEUE_SIZE": int(os.environ.get("QUEUE", "10000")),
        "SKIP": lambda app, environ: environ["PATH_INFO"] == "/rss",
    },
)
"""

BASE = ("--http-socket", "{address}", "--master", "--need-app", "--die-on-term")
BASE += ("--listen", "100", "--disable-logging", "--wsgi-file", "site.py")
BASE += ("--stats", "stats.sock")

#: Lets workers finish their requests on SIGTERM. Without it uWSGI ends a worker
#: that is busy at once, and runs none of Python's exit functions in it.
GRACEFUL = ("--ini", str(Path(__file__).parents[2] / "examples/moesif/uwsgi.ini"))

SERVERS = {
    "4x4": ("--processes", "4", "--threads", "4"),
    "4x4-lazy": ("--processes", "4", "--threads", "4", "--lazy-apps"),
    "4x4-graceful": ("--processes", "4", "--threads", "4", *GRACEFUL),
    "4-graceful": ("--processes", "4", "--enable-threads", *GRACEFUL),
    "4-enable-threads": ("--processes", "4", "--enable-threads"),
    "4-lazy": ("--processes", "4", "--enable-threads", "--lazy-apps"),
    "1x8": ("--threads", "8"),
    "hooks": ("--processes", "2", "--threads", "4", "--py-call-osafterfork"),
    "respawn": ("--processes", "2", "--threads", "2", "--max-requests", "50"),
}


@pytest.fixture
def serve(tmp_path):
    """Return a function that starts uWSGI with the application."""
    if not UWSGI.exists():
        if REQUIRED:
            pytest.fail("uwsgi is not installed")
        pytest.skip("uwsgi is not installed")
    (tmp_path / "site.py").write_text(APPLICATION)

    def start(collector_url, *options, **env):
        return LiveServer(
            [str(UWSGI), *BASE, *options],
            cwd=tmp_path,
            env={"COLLECTOR": collector_url, "PYTHONPATH": str(ROOT), **env},
            timeout=30,
        )

    return start


@pytest.fixture
def collector():
    with FakeCollector() as running:
        yield running


def ask(server, target, body=None):
    """Send one request; return status, transaction id and body."""
    connection = HTTPConnection(server.host, server.port, timeout=30)
    try:
        connection.request("POST" if body else "GET", target, body)
        response = connection.getresponse()
        data = response.read()
        return response.status, response.headers["X-Moesif-Transaction-Id"], data
    finally:
        connection.close()


def ask_many(server, count):
    """Send count requests from several clients; return their transaction ids."""

    def one(number):
        status, transaction, data = ask(
            server, f"/json/{number}", b'{"n": %d}' % number
        )
        assert status == 200, data
        return transaction

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(count)))


def ids(collector):
    return Counter(event["transaction_id"] for event in collector.events)


def wait_until_idle(folder):
    """Wait until no worker is in a request, as uWSGI itself counts."""
    until = time.monotonic() + 30
    while True:
        with socket.socket(socket.AF_UNIX) as stats:
            stats.settimeout(10)
            stats.connect(str(folder / "stats.sock"))
            report = json.loads(stats.makefile("rb").read())
        cores = [core for worker in report["workers"] for core in worker["cores"]]
        if not any(core["in_request"] for core in cores):
            return
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("name", SERVERS)
def test_every_event_arrives_exactly_once(serve, collector, tmp_path, name):
    """Requests, then SIGTERM at once, while the collector takes 200 ms."""
    collector.delay = 0.2
    count = 5000 if name in ("4x4", "4x4-lazy", "4x4-graceful") else 600
    with serve(collector.url, *SERVERS[name]) as server:
        sent = ask_many(server, count)
        if "graceful" not in name:
            wait_until_idle(tmp_path)
    arrived = ids(collector)
    assert len(set(sent)) == count
    assert set(sent) - set(arrived) == set(), server.log[-3000:]
    assert set(arrived) == set(sent)
    assert set(arrived.values()) == {1}
    bodies = [event["request"]["body"] for event in collector.events]
    assert sorted(body["n"] for body in bodies) == list(range(count))


def test_nothing_is_lost_on_the_way_to_a_collector_with_tls(serve, tmp_path):
    """uWSGI runs our exit functions after OpenSSL has cleaned up."""
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with FakeCollector(certificate=certificate) as collector:
        collector.delay = 0.05
        environ = {"SSL_CERT_FILE": str(certificate)}
        with serve(collector.url, *SERVERS["4x4"], **environ) as server:
            ask_many(server, 100)
            # From here on each worker has a connection.
            collector.wait_for_events(100)
            sent = ask_many(server, 600)
            wait_until_idle(tmp_path)
        arrived = ids(collector)
    assert set(sent) - set(arrived) == set(), server.log[-3000:]
    assert len(arrived) == 700
    assert set(arrived.values()) == {1}
    assert "Traceback" not in server.log


def test_without_threads_a_warning_says_so(serve, collector):
    """uWSGI lets no Python thread run then; the rest goes at exit."""
    with serve(collector.url, "--processes", "2", *GRACEFUL) as server:
        sent = ask_many(server, 50)
    assert "start it with enable-threads" in server.log
    assert set(ids(collector)) == set(sent)
    assert set(ids(collector).values()) == {1}


@pytest.mark.parametrize("trouble", ["dead", "silent", "failing"])
def test_a_bad_collector_is_not_noticed(serve, collector, trouble):
    """Every answer is right, memory stays within the queue, the exit is bounded."""
    url = "http://127.0.0.1:9" if trouble == "dead" else collector.url
    if trouble == "silent":
        collector.silent.set()
    collector.status = collector.config_status = 503
    with serve(url, *SERVERS["4x4"], QUEUE="200") as server:
        ask_many(server, 1000)
        before = memory(server)
        ask_many(server, 4000)
        after = memory(server)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 20
    collector.released.set()
    assert max(after.values()) - min(before.values()) < 8 * 1024 * 1024
    assert "Traceback" not in server.log


def memory(server):
    """Return the resident size of the workers that answer, by process."""
    sizes = {}
    for _ in range(40):
        report = json.loads(ask(server, "/rss")[2])
        sizes[report["pid"]] = report["rss"]
    return sizes


def test_errors_and_lost_clients_are_recorded(serve, collector):
    """A client that leaves in the middle of a stream costs nothing but the rest."""
    with serve(collector.url, *SERVERS["4x4"]) as server:
        assert ask(server, "/fail")[0] == 500
        client = socket.create_connection((server.host, server.port), 10)
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
        client.close()
        assert ask(server, "/json/1")[0] == 200
        collector.wait_for_events(3)
    uris = {event["request"]["uri"].rpartition("/")[2] for event in collector.events}
    assert uris == {"fail", "stream", "1"}
    statuses = {
        event["request"]["uri"].rpartition("/")[2]: event["response"]["status"]
        for event in collector.events
    }
    assert statuses == {"fail": 500, "stream": 200, "1": 200}


def test_a_slow_body_that_nobody_reads_delays_no_answer(serve, collector):
    """The answer comes although half of the body is still missing."""
    with serve(collector.url, *SERVERS["1x8"], "--socket-timeout", "2") as server:
        client = socket.create_connection((server.host, server.port), 10)
        client.sendall(
            b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 4")
        client.close()
        events = collector.wait_for_events(1)
    assert 400 <= events[0]["response"]["status"] < 500
