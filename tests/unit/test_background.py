"""Threads beside requests: no signals in them, and what is left at the exit."""

import signal
import subprocess
import sys
import threading

import pytest

from poorwsgi import background
from poorwsgi.background import start_without_signals


def mask():
    return signal.pthread_sigmask(signal.SIG_BLOCK, [])


def run():
    """Return the mask of a thread that was started, and whether it was."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(mask()))
    start_without_signals(thread)
    thread.join(10)
    return seen


def test_the_thread_takes_no_signal_and_others_do_as_before():
    before = mask()
    (seen,) = run()
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM} <= seen
    assert mask() == before


def test_the_mask_is_taken_back_when_no_thread_can_start(monkeypatch):
    before = mask()
    thread = threading.Thread(target=mask)

    def refuse():
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(thread, "start", refuse)
    with pytest.raises(RuntimeError):
        start_without_signals(thread)
    assert mask() == before


def test_a_system_without_masks_starts_threads_as_well(monkeypatch):
    monkeypatch.setattr(background, "_set_mask", None)
    assert run() == [mask()]


@pytest.mark.parametrize(("server", "expected"), [("uwsgi", "False"), ("", "True")])
def test_no_tls_is_begun_when_a_worker_of_uwsgi_ends(server, expected):
    program = f"""
import sys
from types import ModuleType
from poorwsgi.background import begin_exit, can_begin_tls
if {server!r}:
    sys.modules[{server!r}] = ModuleType({server!r})
assert can_begin_tls()
begin_exit()
print(can_begin_tls())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [expected], done.stderr
