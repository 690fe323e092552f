"""The commands of the README: `make run` and `poorwsgi run --server`."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from client import ask
from servers import find_program

from poorwsgi.testing import LiveServer, free_port

ROOT = Path(__file__).parent.parent.parent
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"


def need(name):
    """Skip, or in CI fail, without a program."""
    if find_program(name) is None:
        message = f"not installed: {name}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)


def start_make_run(port):
    """Start it as in a terminal: a group of its own that hears Ctrl-C."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.Popen(
        ["make", "run", f"PORT={port}", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs us in the background has switched SIGINT off.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def read_line(process, seconds):
    """Return the next line of a process, or fail after so many seconds."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    assert ready, "nothing was printed"
    return process.stdout.readline()


@pytest.mark.timeout(300)
def test_make_run_serves_the_showcase_until_ctrl_c():
    """One line with both addresses, then answers, then a clean end."""
    need("uwsgi")
    port = free_port()
    process = start_make_run(port)
    try:
        line = read_line(process, 240)
        while " is open" not in line:
            assert line, "ended before it served"
            line = read_line(process, 240)  # what make installs, if anything
        assert f"http://127.0.0.1:{port}/ is open" in line
        assert f"http://127.0.0.1:{port}/debug-info" in line
        assert ask(("127.0.0.1", port), "GET", "/").status == 200
        page = ask(("127.0.0.1", port), "GET", "/debug-info")
        assert page.status == 200
        assert "Route" in page.text
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)
        with pytest.raises(ConnectionRefusedError):
            ask(("127.0.0.1", port), "GET", "/")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        process.stdout.close()


def test_make_run_says_why_it_cannot_serve():
    """A port in use is named, and the exit status tells."""
    need("uwsgi")
    with LiveServer(
        [sys.executable, "-m", "http.server", "-b", "{host}", "{port}"]
    ) as s:
        process = start_make_run(s.port)
        output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "Address already in use" in output


@pytest.mark.parametrize("name", ["uwsgi", "gunicorn", "waitress", "granian"])
def test_run_starts_a_real_server(name):
    """--server prints the command line that it becomes."""
    program = {"waitress": "waitress-serve"}.get(name, name)
    need(program)
    command = [sys.executable, "-m", "poorwsgi", "run", "--server", name]
    app = str(ROOT / "examples" / "showcase.py")
    with LiveServer([*command, "--port", "{port}", app], cwd=ROOT) as server:
        answer = ask((server.host, server.port), "GET", "/")
        assert answer.status == 200
        end = time.monotonic() + 10
        while not re.search(rf"^{program} ", server.log, re.M):
            assert time.monotonic() < end, server.log
            time.sleep(0.05)
