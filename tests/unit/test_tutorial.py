"""Each step of the tutorial is a program that does what its page says."""

import importlib.util
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from curl import call_client, calls_in

from poorwsgi.auth import PasswordFile
from poorwsgi.testing import TestClient

ROOT = Path(__file__).parent.parent.parent
STEPS = ROOT / "examples" / "tutorial"
PAGE = (ROOT / "doc" / "tutorial.rst").read_text()


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Load a step in an empty folder, with a user in its password file."""
    monkeypatch.chdir(tmp_path)
    PasswordFile("users.scrypt").set("ada", "secret")
    loaded = []

    def load_step(name):
        spec = importlib.util.spec_from_file_location("step", STEPS / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded.append(module.application)
        return module

    yield load_step
    for application in loaded:
        application.release()


CALLS = {
    "hello.py": [(200, "Guestbook"), (200, "Hello, Ada!"), (404, "")],
    "form.py": [(200, "<form"), (303, ""), (400, "Write something.")],
    "database.py": [(200, "<form"), (303, ""), (200, '["Hi"]')],
    "guestbook.py": [(200, "Log in"), (303, ""), (200, "password")],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_curl_calls_of_a_step_answer_as_the_page_says(load, name):
    module = load(name)
    client = TestClient(module.application)
    calls = calls_in(module.__doc__)
    for words, (status, expected) in zip(calls, CALLS[name], strict=True):
        got, text = call_client(client, words)
        assert got == status, (words, text)
        assert expected in text


def test_what_is_written_is_escaped_and_kept(load):
    """The database holds the text as it came, the page does not run it."""
    client = TestClient(load("database.py").application)
    client.post("/", data={"text": "<script>"})
    assert "<li>&lt;script&gt;</li>" in client.get("/").text
    with sqlite3.connect("guestbook.db") as database:
        rows = database.execute("SELECT text FROM entry").fetchall()
    assert rows == [("<script>",)]


def test_the_tests_of_the_tutorial_pass():
    """As its reader runs them, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", STEPS]
    done = subprocess.run(
        [*command, "-c", "/dev/null", f"--rootdir={STEPS}"],
        cwd=STEPS,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


def test_the_page_shows_every_file():
    """So no step is left out, and nothing is shown that does not run."""
    shown = set(re.findall(r"literalinclude:: \.\./examples/tutorial/(\S+)", PAGE))
    assert shown == {path.name for path in STEPS.iterdir() if path.is_file()}
