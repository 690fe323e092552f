"""Which client knows which algorithm: the table of the guide, asked of each."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from poorwsgi.testing import LiveServer

httpx = pytest.importorskip("httpx")
requests = pytest.importorskip("requests")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "doc" / "digest.rst").read_text()
TABLE = re.search(r"^Algorithm +curl.*\n=[= ]+\n((?:\S.*\n)+?)=", PAGE, re.M)[1]
PAGE_HEAD = re.search(r"^Algorithm +curl.*$", PAGE, re.M)[0]
ROWS = [row.split() for row in TABLE.splitlines()]


def version_of_curl():
    """Return it, "" if there is none."""
    if not shutil.which("curl"):
        return ""
    done = subprocess.run(["curl", "--version"], capture_output=True, check=True)
    return done.stdout.split()[1].decode()


def ask_curl(url):
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "20"]
    words += ["--digest", "-u", "user:looser", url]
    done = subprocess.run(words, capture_output=True, timeout=60, check=False)
    return int(done.stdout)


def ask_requests(url):
    auth = requests.auth.HTTPDigestAuth("user", "looser")
    return requests.get(url, auth=auth, timeout=20).status_code


def ask_httpx(url):
    try:
        auth = httpx.DigestAuth("user", "looser")
        return httpx.get(url, auth=auth, timeout=20).status_code
    except KeyError:  # the name of the algorithm
        return "raises"


TOLD = {200: "yes", 401: "no"}


@pytest.mark.parametrize(
    ("algorithm", "curl", "by_requests", "by_httpx", "chromium"),
    ROWS,
    ids=[row[0] for row in ROWS],
)
def test_a_client_knows_what_the_table_says(
    algorithm, curl, by_requests, by_httpx, chromium
):
    """What Chromium knows, tests/browser/test_digest_browser.py has seen."""
    example = str(ROOT / "examples" / "http_digest.py")
    command = [sys.executable, "-m", "poorwsgi", "run", example, "--port", "{port}"]
    env = {"app_algorithm": algorithm, "PYTHONPATH": str(ROOT)}
    with LiveServer(command, cwd=ROOT, env=env) as server:
        url = server.url + "/user"
        if version_of_curl().startswith(re.search(r"curl (\S+)", PAGE_HEAD)[1]):
            assert TOLD[ask_curl(url)] == curl
        assert TOLD[ask_requests(url)] == by_requests
        answer = ask_httpx(url)
        assert TOLD.get(answer, answer) == by_httpx
