"""Forks, process exit, life and death of objects, imports."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from pathlib import Path

import pytest
from fake_perimeterx import v3

from .perimeterx_site import Site

HERE = Path(__file__).parent


def run(script, *args, timeout=60):
    """Run a script in a process of its own; return what it prints."""
    paths = [str(HERE), str(HERE.parent.parent)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, args)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_child(function):
    """Run a function in a fork; return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_a_child_sends_its_own_activities_and_no_telemetry(site, fake):
    one = site(max_buffer_len=1)
    fake.wait_for(lambda: fake.telemetry)
    one.get("/parent", HTTP_COOKIE=f"_px3={v3()}")

    def child():
        one.get("/child", HTTP_COOKIE=f"_px3={v3()}")
        one.px.close()
        return True

    assert in_child(child) == 0
    one.px.close()
    fake.wait_for(lambda: len(fake.activities) == 2)
    urls = sorted(activity["url"] for activity in fake.activities)
    assert urls == ["http://shop.example/child", "http://shop.example/parent"]
    assert len(fake.telemetry) == 1


class FakeUwsgi:
    """What uWSGI's module says: 0 while it loads, then the worker's number."""

    worker = 0

    def worker_id(self):
        return self.worker


@pytest.mark.parametrize("activities", [True, False])
def test_a_uwsgi_master_starts_no_thread(site, fake, monkeypatch, activities):
    """Its worker does, with its first request, and sends the telemetry."""
    uwsgi = FakeUwsgi()
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    one = site(max_buffer_len=1, send_page_activities=activities)
    assert one.px._worker().sender._thread is None

    def child():
        uwsgi.worker = 1
        one.get()
        alive = one.px._worker().sender._thread.is_alive()
        one.px.close()
        return alive

    assert in_child(child) == 0
    assert in_child(child) == 0
    assert len(fake.telemetry) == 2
    assert len(fake.activities) == (2 if activities else 0)
    one.px.close()


def test_a_child_starts_with_an_empty_queue(site, fake, monkeypatch):
    monkeypatch.setattr("poorwsgi.perimeterx.activities.LINGER", 3600)
    one = site(max_buffer_len=100)
    one.get("/parent", HTTP_COOKIE=f"_px3={v3()}")

    def child():
        one.get("/child", HTTP_COOKIE=f"_px3={v3()}")
        return len(one.px._worker().sender._waiting) == 1

    assert in_child(child) == 0
    assert len(one.px._worker().sender._waiting) == 1


def test_a_child_uses_no_connection_of_its_parent(site, fake):
    one = site(send_page_activities=False)
    one.get()
    fake.wait_for(lambda: fake.telemetry)
    assert one.px._worker().api._idle
    before = fake.connections

    def child():
        return one.get().status == 200 and one.get().status == 200

    assert in_child(child) == 0
    assert fake.connections == before + 1
    one.get()
    assert fake.connections == before + 1


def test_locks_held_at_a_fork_do_not_hold_the_child(site, fake):
    one = site()
    worker = one.px._worker()
    locks = [
        worker.sender._lock,
        worker.cache._lock,
        worker.quiet._lock,
        worker.api._lock,
    ]
    for lock in locks:
        lock.acquire()
    try:

        def child():
            one.get()
            return one.get(HTTP_COOKIE=f"_px3={v3()}").status == 200

        assert in_child(child) == 0
    finally:
        for lock in locks:
            lock.release()


def test_first_threads_of_a_child_agree_on_one_worker(site):
    one = site()

    def child():
        found = []
        barrier = threading.Barrier(8)

        def look():
            barrier.wait()
            found.append(one.px._worker())

        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(set(map(id, found))) == 1 and len(one.px._workers) == 1

    assert in_child(child) == 0


def test_what_waits_is_sent_at_exit(fake):
    run(
        """
        import sys, json
        from perimeterx_site import Site
        from fake_perimeterx import v3
        site = Site(json.loads(sys.argv[1]))
        site.get(HTTP_COOKIE=f"_px3={v3()}")
        """,
        __import__("json").dumps(fake.options(max_buffer_len=100)),
    )
    assert len(fake.activities) == 1
    assert len(fake.telemetry) == 1


def test_what_waits_is_sent_at_the_end_of_a_child_of_multiprocessing(fake):
    """It was forked, and skips Python's exit functions."""
    run(
        """
        import sys, json
        from multiprocessing import get_context
        from perimeterx_site import Site
        from fake_perimeterx import v3
        site = Site(json.loads(sys.argv[1]))
        def visit():
            site.get(HTTP_COOKIE=f"_px3={v3()}")
        child = get_context("fork").Process(target=visit)
        child.start()
        child.join()
        """,
        __import__("json").dumps(fake.options(max_buffer_len=100)),
    )
    assert len(fake.activities) == 1


def test_exit_is_bounded_when_the_service_is_dead(fake):
    fake.mode, fake.delay = "slow", 60
    run(
        """
        import sys, json
        from perimeterx_site import Site
        from fake_perimeterx import v3
        site = Site(json.loads(sys.argv[1]))
        site.get(HTTP_COOKIE=f"_px3={v3()}")
        """,
        __import__("json").dumps(fake.options(api_timeout=600_000)),
        timeout=40,
    )


def test_an_object_that_nobody_holds_goes_away(fake):
    one = Site(fake.options())
    one.get(HTTP_COOKIE=f"_px3={v3()}")
    thread = one.px._worker().sender._thread
    gone = weakref.ref(one.px)
    del one
    gc.collect()
    assert gone() is None
    thread.join(10)
    assert not thread.is_alive()
    assert len(fake.activities) == 1


def test_the_core_needs_no_cryptography():
    out = run(
        """
        import sys
        import poorwsgi
        bad = [name for name in sys.modules if name.startswith("cryptography")]
        print(bad)
        """
    )
    assert out.strip() == "[]"


def test_a_missing_extra_is_named():
    out = run(
        """
        import sys
        sys.modules["cryptography"] = None
        try:
            import poorwsgi.perimeterx
        except ImportError as err:
            print(err)
        """
    )
    assert "pip install 'poorwsgi[perimeterx]'" in out


def test_only_the_cookie_module_imports_cryptography():
    package = HERE.parent.parent.parent / "poorwsgi" / "perimeterx"
    importing = [
        path.name
        for path in package.glob("*.py")
        if "from cryptography" in path.read_text()
    ]
    assert importing == ["cookies.py"]


def test_a_sender_survives_its_own_errors(site, fake, monkeypatch):
    one = site(max_buffer_len=1)
    fake.wait_for(lambda: fake.telemetry)
    sender = one.px._worker().sender
    exchange = sender._api.exchange

    def broken(*args):
        sender._api.exchange = exchange
        raise RuntimeError("a bug")

    sender._api.exchange = broken
    one.get(HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: sender._api.exchange is exchange)
    one.get("/second", HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: fake.activities)
    assert sender._thread.is_alive()
    time.sleep(0)
