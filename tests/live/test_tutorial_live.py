"""The last step of the tutorial: the guestbook under uWSGI."""

import shutil
import sys
import urllib.request
from pathlib import Path

import pytest

from poorwsgi.auth import PasswordFile
from poorwsgi.testing import LiveServer

STEPS = Path(__file__).parent.parent.parent / "examples" / "tutorial"
UWSGI = shutil.which("uwsgi", path=str(Path(sys.executable).parent)) or "uwsgi"


@pytest.mark.live
@pytest.mark.skipif(not shutil.which(UWSGI), reason="uWSGI is not installed")
def test_the_guestbook_runs_under_uwsgi(tmp_path):
    """With the configuration of the page, its entries in a file of its own."""
    PasswordFile(tmp_path / "users.scrypt").set("ada", "secret")
    env = {"app_secret": "a key for this test"}
    command = [UWSGI, "--ini", str(STEPS / "uwsgi.ini")]
    command += ["--http-socket", "127.0.0.1:{port}", "--virtualenv", sys.prefix]
    with (
        LiveServer(command, cwd=tmp_path, env=env) as server,
        urllib.request.urlopen(server.url + "/", timeout=20) as answer,
    ):
        assert "Log in" in answer.read().decode()
    assert (tmp_path / "guestbook.db").is_file()
