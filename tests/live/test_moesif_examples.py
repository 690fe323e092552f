"""The examples run as they stand, and the collector gets their events."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from fake_collector import FakeCollector

from poorwsgi.testing import LiveServer, free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "moesif"
ASGI_DJANGO = EXAMPLES / "django" / "asgi.py"
SERVERS = [*sorted(EXAMPLES.glob("*/*app.py")), ASGI_DJANGO]


@pytest.fixture
def collector():
    with FakeCollector() as running:
        yield running


def names():
    return [str(path.relative_to(EXAMPLES)) for path in SERVERS]


def curl(url, line):
    """Do what a line of the docstring does."""
    found = re.search(r"--json '(.*)'", line)
    headers = {"X-User": "ann"} if "-u " in line else {}
    if found:
        headers["Content-Type"] = "application/json"
    path = line.rpartition(":8080")[2]
    data = found[1].encode() if found else None
    with urlopen(Request(url + path, data, headers), timeout=10) as answer:
        return answer.status, answer.read()


def test_there_is_an_example_for_each_framework():
    wanted = {"poorwsgi", "flask", "bottle", "pyramid", "fastapi", "django"}
    wanted.add("starlette")
    assert {path.parent.name for path in SERVERS} == wanted
    assert EXAMPLES.joinpath("outgoing.py").exists()
    for path in [*SERVERS, EXAMPLES / "outgoing.py"]:
        assert len(path.read_text().splitlines()) <= 120


@pytest.mark.parametrize("path", SERVERS, ids=names())
def test_example(path, collector):
    """Its three curl lines work, its callbacks are asked, its card is masked."""
    lines = [line for line in path.read_text().splitlines() if " curl " in line]
    assert len(lines) == 3
    env = {"COLLECTOR": collector.url, "PYTHONPATH": str(ROOT)}
    port = free_port()
    env["PORT"] = str(port)
    server = LiveServer([sys.executable, str(path)], env=env)
    server.port = port
    with server:
        answers = [curl(server.url, line) for line in lines]
        assert [status for status, _ in answers] == [200, 200, 200]
        assert json.loads(answers[1][1])["card"] == "4111"
        events = collector.wait_for_events(2)
    assert len(events) == 2
    listing, order = sorted(events, key=lambda event: event["request"]["verb"])
    assert listing["user_id"] == "ann"
    assert listing["metadata"]["datacenter"] == "west"
    assert order["company_id"] == "acme"
    assert order["request"]["body"] == {"item": "tea", "card": "****"}
    assert order["response"]["body"]["card"] == "****"
    assert "4111" not in json.dumps(events)


def test_no_event_is_lost_when_uvicorn_is_told_to_end(collector):
    """It dies of the signal it got, and Django has no lifespan."""
    env = {"COLLECTOR": collector.url, "PYTHONPATH": str(ROOT)}
    port = free_port()
    env["PORT"] = str(port)
    server = LiveServer([sys.executable, str(ASGI_DJANGO)], env=env)
    server.port = port
    with server:
        assert curl(server.url, "curl http://127.0.0.1:8080/orders")[0] == 200
    assert len(collector.wait_for_events(1)) == 1, server.log


def test_outgoing_example(collector):
    with_query = f"http://127.0.0.1:{free_port()}/"
    done = subprocess.run(
        [sys.executable, EXAMPLES / "outgoing.py"],
        env={**os.environ, "COLLECTOR": collector.url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
    with LiveServer(command, cwd=EXAMPLES) as server:
        done = subprocess.run(
            [sys.executable, EXAMPLES / "outgoing.py", server.url + "/", with_query],
            env={**os.environ, "COLLECTOR": collector.url, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.stdout == f"{server.url}/ 200\n"
    assert "ConnectionError" in done.stderr
    (event,) = collector.events
    assert event["direction"] == "Outgoing"
    assert event["user_id"] == "ann"
    assert event["company_id"] == "acme"
    assert event["metadata"]["seconds"] > 0
    assert event["session_token"].startswith("job-")
    assert "Authorization" not in event["request"]["headers"]


def test_make_run_moesif_shows_events():
    """The command behind the target, with a port of its own."""
    port = free_port()
    program = [sys.executable, "-u", ROOT / "tests" / "fake_collector.py", "--beside"]
    program += [EXAMPLES / "poorwsgi" / "app.py", str(port)]
    with subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        process_group=0,
    ) as process:
        shown = process.stdout.readline()
        assert "events of" in shown
        url = process.stdout.readline().strip()
        urlopen(url, timeout=10).close()
        shown = process.stdout.readline()
        assert shown.startswith(f"Incoming GET {url} 200")
        os.killpg(process.pid, 2)
        process.wait(20)
