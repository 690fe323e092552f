"""schemathesis, with all its checks, against documents of ours under uWSGI."""

import subprocess
from pathlib import Path

import pytest
from conftest import REQUIRED
from servers import find_program

from poorwsgi.testing import LiveServer

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
UWSGI = find_program("uwsgi")
SCHEMATHESIS = find_program("schemathesis")
TOKEN = "a-token-of-the-tests"

needs_programs = pytest.mark.skipif(
    not (UWSGI and SCHEMATHESIS) and not REQUIRED,
    reason="not installed: uwsgi or schemathesis",
)


def server_of(example, folder):
    """Return one process: the examples keep what they have in memory."""
    command = [UWSGI, "--http-socket", "{address}", "--wsgi-file", example]
    command += ["--master", "--threads", "4", "--need-app", "--die-on-term"]
    # With its 4096 bytes uWSGI loses a long QUERY_STRING, and goes on without.
    command += ["--buffer-size", "65535"]
    env = {"app_data": str(folder), "app_token": TOKEN, "PYTHONPATH": str(ROOT)}
    return LiveServer(command, cwd=ROOT / "examples", env=env)


@needs_programs
@pytest.mark.parametrize(
    ("example", "arguments"),
    [
        ("openapi_plugin.py", ["-H", f"Authorization: Bearer {TOKEN}"]),
        # A line takes it a tenth of a second, on purpose.
        ("showcase.py", ["--exclude-path-regex", "^/stream/"]),
    ],
)
def test_schemathesis_finds_nothing(example, arguments, tmp_path):
    with server_of(example, tmp_path) as server:
        done = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", ROOT / "tests/live/schemathesis.toml"),
                *("run", f"{server.url}/docs/openapi.json", "--checks", "all"),
                *("--max-examples", "10", "--generation-deterministic"),
                *("--no-color", *arguments),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        log = server.log
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert "No issues found" in done.stdout
    assert "Traceback" not in log
