"""What the reloader watches, by polling and by the system's notices."""

import os
import sys
import threading
import time
from urllib.request import urlopen

import pytest

from poorwsgi import reloader
from poorwsgi.reloader import Watcher
from poorwsgi.testing import LiveServer

PROGRAM = """
from neighbour import TEXT
from poorwsgi import Application

application = Application("reload")


@application.route("/")
def hello(req):
    return TEXT
"""


#: What somebody may edit while these tests run.
OTHERS = ["*/poorwsgi/*.py", "*/tests/*.py", "*/site-packages/*"]


def change(path, text):
    """Write a file so that its time is another, whatever the clock's grain."""
    before = path.stat().st_mtime if path.exists() else time.time()
    path.write_text(text)
    os.utime(path, (before + 2, before + 2))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "watched.txt").write_text("1")
    (tmp_path / "other.txt").write_text("1")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.html").write_text("1")
    return tmp_path


def test_modules_that_are_imported_count():
    """Ours and the user's, none of the standard library."""
    wanted = Watcher().wanted()
    assert __file__ in wanted
    assert os.path.abspath(threading.__file__) not in wanted


def test_globs_count_and_excludes_never_do(folder):
    watcher = Watcher(["*.txt", "**/*.html"], ["other*", "*/sub/*"])
    named = {os.path.relpath(path) for path in watcher.wanted() if str(folder) in path}
    assert named == {"watched.txt"}


def test_a_change_is_noticed_once(folder):
    watcher = Watcher(["*.txt"], OTHERS)
    assert watcher.changed() == ""
    change(folder / "watched.txt", "2")
    assert watcher.changed() == str(folder / "watched.txt")
    assert watcher.changed() == ""


def test_new_and_removed_files_of_a_glob_are_changes(folder):
    watcher = Watcher(["*.txt"], OTHERS)
    (folder / "new.txt").write_text("")
    assert watcher.changed() == str(folder / "new.txt")
    (folder / "new.txt").unlink()
    assert watcher.changed() == str(folder / "new.txt")


def test_a_module_imported_later_is_no_change(folder, monkeypatch):
    watcher = Watcher(excludes=OTHERS)
    (folder / "late_of_test.py").write_text("")
    monkeypatch.syspath_prepend(str(folder))
    __import__("late_of_test")
    try:
        assert watcher.changed() == ""
        change(folder / "late_of_test.py", "x = 1")
        assert watcher.changed().endswith("late_of_test.py")
    finally:
        del sys.modules["late_of_test"]


@pytest.mark.parametrize("backend", ["_by_polling", "_by_system"])
def test_both_back_ends_heed_the_excludes(folder, backend):
    """A change of what is excluded wakes nobody; one of what counts does."""
    if backend == "_by_system":
        pytest.importorskip("watchfiles")
    watcher = Watcher(["*.txt"], ["other*", *OTHERS])
    found = []
    wait = getattr(reloader, backend)(watcher, 0.05)
    thread = threading.Thread(target=lambda: found.append(wait()), daemon=True)
    thread.start()
    time.sleep(0.3)
    change(folder / "other.txt", "2")
    time.sleep(0.5)
    assert found == []
    change(folder / "watched.txt", "2")
    thread.join(20)
    assert found == [str(folder / "watched.txt")]


def test_without_watchfiles_there_is_polling(monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert reloader._by_system(Watcher(), 1) is None


def read(server):
    with urlopen(server.url, timeout=20) as answer:
        return answer.read()


def wait_for(server, text):
    """Ask until the answer is as wanted; none may be refused meanwhile."""
    end = time.monotonic() + 30
    while read(server) != text:
        assert time.monotonic() < end, server.log
        time.sleep(0.05)


def test_a_changed_module_starts_the_program_again(folder):
    """Also one it imports; an error is waited out; no connection is refused."""
    (folder / "neighbour.py").write_text("TEXT = 'one'")
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "poorwsgi", "run", "--reload", "program.py"]
    with LiveServer([*command, "--port", "{port}"], cwd=folder) as server:
        wait_for(server, b"one")
        change(folder / "neighbour.py", "TEXT = 'two'")
        wait_for(server, b"two")
        change(folder / "neighbour.py", "TEXT = (")
        end = time.monotonic() + 30
        while "waiting for a change" not in server.log:
            assert time.monotonic() < end, server.log
            time.sleep(0.05)
        change(folder / "neighbour.py", "TEXT = 'four'")
        wait_for(server, b"four")
        pid = server.pid
    assert "SyntaxError" in server.log
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
