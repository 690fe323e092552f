"""Queue, threads, repetition, fork and exit of the sender."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from moesif_worlds import Plain, make_environ, plain_wsgi

from poorwsgi.moesif import MoesifMiddleware, sender
from poorwsgi.moesif.client import Answer, APIException
from poorwsgi.moesif.sender import MAX_BATCH_BYTES, Limits, Sender, split

ROOT = Path(__file__).parents[3]


class Post:
    """A client that collects what is posted; errors come first."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.batches = []
        self.tries = 0
        self.headers = {}
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def post(self, path, data, *, zipped=False, limit=None):
        assert path == "/v1/events/batch"
        assert zipped
        self.tries += 1
        self.entered.set()
        self.gate.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(data)
        return Answer(201, self.headers, b"")

    def forget(self):
        pass

    def can_connect(self):
        return True

    def counts(self):
        return [data.count(b"{") for data in self.batches]


@pytest.fixture
def make_sender():
    made = []

    def make(client, refresh=None, **limits):
        limits = {"batch_timeout": 3600, **limits}
        made.append(Sender(client, Limits(**limits), refresh))
        return made[-1]

    yield make
    for one in made:
        one.close(0)


def put(one, count=1, size=10):
    return [one.put(b'{"n": %d}' % number, size) for number in range(count)]


def wait_until(ready, timeout=10):
    until = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_no_thread_before_the_first_event(make_site):
    before = set(threading.enumerate())
    one = make_site(Plain)
    assert set(threading.enumerate()) <= before
    one.request("GET", "/text")
    started = set(threading.enumerate()) - before
    assert "moesif-sender" in {thread.name for thread in started}
    assert all(thread.daemon for thread in started)


def test_no_thread_takes_the_signal_that_ends_the_process(make_sender):
    """uWSGI runs the exit functions in the thread that does."""
    seen = []

    def look(**which):
        seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    class Looking(Post):
        def post(self, *args, **options):
            look()
            return super().post(*args, **options)

    one = make_sender(Looking(), look, batch_size=1)
    one.wake()
    put(one, 1)
    wait_until(lambda: len(seen) == 2)
    assert all({signal.SIGINT, signal.SIGTERM} <= mask for mask in seen)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_threads_that_come_first_after_a_fork_lose_nothing(make_sender):
    """uWSGI does not call the fork hooks: the threads find out by themselves."""
    count = 8
    one = make_sender(Post())
    renewed = []
    forget = one.forget
    all_saw = threading.Barrier(count)

    class Pid(int):
        """The id of the parent, which all threads see before one goes on."""

        def __ne__(self, other):
            me = threading.current_thread()
            if me.name == "put":
                me.name = "put, which saw the fork"
                all_saw.wait(10)
            return True

        __hash__ = int.__hash__

    def slow_forget():
        renewed.append(threading.get_ident())
        time.sleep(0.01)
        forget()

    one.forget, one._pid = slow_forget, Pid(1)
    putters = [
        threading.Thread(target=put, args=(one, 1), name="put") for _ in range(count)
    ]
    for thread in putters:
        thread.start()
    for thread in putters:
        thread.join(10)
    assert len(renewed) == 1
    assert len(one._queue) == count


def test_one_open_connection_is_shared_at_exit(make_sender):
    """Where no other can be opened, a batch waits for the one before."""
    at_once = []

    class Shared(Post):
        def can_connect(self):
            return False

        def post(self, *args, **options):
            at_once.append(one._in_flight)
            time.sleep(0.01)
            return super().post(*args, **options)

    client = Shared()
    one = make_sender(client, batch_size=10, workers=2)
    put(one, 9)
    with one._lock:  # the threads see the rest and the end at the same moment
        one._deadline = time.monotonic() + 20
        one._queue.extend([one._queue[0]] * 20)
        one._arrived.notify_all()
    assert one.close(20)
    assert client.counts() == [10, 10, 9]
    assert at_once == [10, 10, 9]
    assert not any(thread.join(10) for thread in one._threads)
    assert not any(thread.is_alive() for thread in one._threads)


def test_a_batch_leaves_when_it_is_full(make_sender):
    client = Post()
    one = make_sender(client, batch_size=3)
    put(one, 7)
    wait_until(lambda: len(client.batches) == 2)
    assert client.counts() == [3, 3]
    assert one.flush(5)
    assert client.counts() == [3, 3, 1]
    assert (one.sent, one.dropped) == (7, 0)


def test_a_batch_leaves_when_its_oldest_event_is_old(make_sender):
    client = Post()
    one = make_sender(client, batch_timeout=0.05)
    put(one, 2)
    wait_until(lambda: client.batches)
    assert client.counts() == [2]


def test_a_full_queue_drops_at_once_and_counts(make_sender, caplog):
    """The request does not wait, whatever the collector does."""
    client = Post()
    client.gate.clear()
    one = make_sender(client, batch_size=2, queue_size=5, workers=1)
    assert put(one, 2) == [True, True]
    assert client.entered.wait(5)
    assert put(one, 7) == [True] * 5 + [False] * 2
    assert one.is_full()
    assert one.dropped == 2
    assert "no room" in caplog.text
    client.gate.set()
    assert one.flush(5)
    assert sum(client.counts()) == one.sent == 7
    assert not one.is_full()


def test_the_queue_is_bounded_in_bytes_too(make_sender):
    client = Post()
    client.gate.clear()
    one = make_sender(client, batch_size=100, queue_bytes=1000)
    kept = put(one, 20, size=300)
    assert kept == [True] * 4 + [False] * 16


@pytest.mark.parametrize(
    "error", [APIException("network"), APIException("", 429), APIException("", 503)]
)
def test_a_failed_post_is_repeated(make_sender, error, monkeypatch):
    monkeypatch.setattr(sender, "DELAYS", (0.01, 0.01))
    client = Post(error, error)
    one = make_sender(client)
    put(one, 3)
    assert one.flush(5)
    assert client.tries == 3
    assert client.counts() == [3]
    assert (one.sent, one.dropped) == (3, 0)


def test_the_first_repetition_comes_within_three_seconds():
    assert sender.DELAYS[0] * 1.2 < 3
    assert list(sender.DELAYS) == sorted(sender.DELAYS)


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 9\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\nnonsense",
        b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nplain",
    ],
)
def test_a_post_that_was_taken_is_not_repeated(make_site, collector, rest):
    """Whatever follows the head: the events are there already."""
    collector.garbage = b"HTTP/1.1 201 Created\r\n" + rest
    one = make_site(Plain)
    one.request("GET", "/text")
    one.events(1)
    assert one.middleware.sender.sent == 1


def test_after_the_last_try_the_batch_is_dropped_and_counted(
    make_sender, monkeypatch, caplog
):
    monkeypatch.setattr(sender, "DELAYS", (0.01,))
    client = Post(*[APIException("down", 500)] * 4)
    one = make_sender(client)
    put(one, 3)
    assert one.flush(5)
    put(one, 1)
    assert one.flush(5)
    assert client.tries == 4
    assert (one.sent, one.dropped) == (0, 4)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("status", "level"), [(400, "WARNING"), (401, "ERROR")])
def test_a_refused_post_is_not_repeated(make_sender, status, level, caplog):
    client = Post(APIException("refused", status))
    one = make_sender(client)
    put(one, 3)
    assert one.flush(5)
    assert client.tries == 1
    assert one.dropped == 3
    assert [record.levelname for record in caplog.records] == [level]
    put(one, 1)
    assert one.flush(5)
    assert one.sent == 1


def test_an_error_nobody_expects_does_not_end_the_worker(make_sender, caplog):
    client = Post(KeyError("odd"))
    one = make_sender(client, workers=1)
    put(one, 1)
    assert one.flush(5)
    put(one, 2)
    assert one.flush(5)
    assert (one.sent, one.dropped) == (2, 1)


def test_900_events_leave_within_six_seconds_by_default(collector):
    """A queue is drained back to back, not one batch a tick."""
    settings = {"APPLICATION_ID": "id", "BASE_URI": collector.url}
    middleware = MoesifMiddleware(plain_wsgi, settings)
    for _ in range(900):
        list(middleware(make_environ("GET", "/"), lambda *args: None))
    began = time.monotonic()
    assert middleware.flush(6)
    assert time.monotonic() - began < 6
    assert len(collector.events) == 900
    assert max(len(call.payload) for call in collector.posts()) <= 100
    middleware.close(0)


def test_a_long_batch_is_split():
    small, large = b"x" * 1000, b"y" * (MAX_BATCH_BYTES + 1)
    batches = split([small] * 300 + [large] + [small])
    assert sum(map(len, batches)) == 302
    assert [large] in batches
    for batch in batches:
        assert (
            len(batch) == 1 or sum(map(len, batch)) + len(batch) + 1 <= MAX_BATCH_BYTES
        )
    assert split([]) == []


def test_flush_gives_up_in_time(make_sender):
    client = Post()
    client.gate.clear()
    one = make_sender(client)
    put(one, 1)
    assert one.flush(0.05) is False
    client.gate.set()
    assert one.flush(5) is True


def test_after_close_events_are_dropped(make_sender):
    client = Post()
    one = make_sender(client)
    put(one, 2)
    assert one.close(5)
    assert put(one, 1) == [False]
    assert (one.sent, one.dropped) == (2, 1)
    assert one.close(5)
    wait_until(lambda: not any(thread.is_alive() for thread in one._threads))


def test_close_gives_up_in_time(make_sender):
    client = Post()
    client.gate.clear()
    one = make_sender(client, batch_size=1, workers=1)
    put(one, 3)
    assert client.entered.wait(5)
    began = time.monotonic()
    assert one.close(0.1) is False
    assert time.monotonic() - began < 3
    client.gate.set()


def test_close_sends_where_no_thread_can_start(make_sender, monkeypatch):
    """So it is late in the life of an interpreter."""

    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    client = Post()
    one = make_sender(client)
    assert put(one, 3) == [True] * 3
    assert one.close(5)
    assert client.counts() == [3]


# Configuration


def test_configuration_is_read_at_the_first_request_and_when_tags_change(make_site):
    """And only what the tag of a post says has changed."""
    one = make_site(Plain)
    collector, sender = one.collector, one.middleware.sender

    def looks():
        paths = [call.path for call in collector.calls if call.method == "GET"]
        return paths.count("/v1/config"), paths.count("/v1/rules")

    def settle(*expected):
        wait_until(lambda: looks() == expected)
        wait_until(lambda: not sender._refreshing.is_alive())

    collector.config_tag = "t1"
    for _ in range(3):
        one.request("GET", "/text")
    settle(1, 1)
    one.events(3)
    settle(1, 1)  # the post brought the tag that the configuration had
    collector.config_tag, collector.config = "t2", {"sample_rate": 50}
    one.middleware.recorder._draw = lambda: 0.4
    one.request("GET", "/text")
    one.events(4)
    settle(2, 1)
    assert one.middleware.recorder.policy.sample_rate == 50
    collector.rules_tag = "r1"
    one.request("GET", "/text")
    one.events(5)
    settle(2, 2)
    assert one.middleware.recorder.policy.sample_rate == 50
    one.request("GET", "/text")
    one.events(6)
    settle(2, 2)


def test_configuration_is_read_again_after_a_minute(make_sender):
    looks = []
    one = make_sender(Post(), lambda **what: looks.append(what))
    one.wake()
    one.wake()
    wait_until(lambda: looks and not one._refreshing.is_alive())
    one.wake()
    assert len(looks) == 1
    assert 50 < one._next_refresh - time.monotonic() <= sender.REFRESH_INTERVAL
    one._next_refresh = time.monotonic()
    one.wake()
    wait_until(lambda: len(looks) == 2)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_without_configuration_everything_is_sampled(make_site, status):
    one = make_site(Plain)
    one.collector.config_status = status
    for _ in range(5):
        assert one.request("GET", "/text").status == 201
    one.events(5)


def test_a_silent_configuration_holds_up_no_event(make_sender):
    """It is read in a thread of its own."""
    gate = threading.Event()
    client = Post()
    one = make_sender(client, lambda **what: gate.wait(20) and None, workers=1)
    one.wake()
    put(one, 1)
    assert one.flush(5)
    assert one.sent == 1
    gate.set()


# Trouble with the collector: the application does not notice


def no_collector(collector):
    return {"BASE_URI": "http://127.0.0.1:9"}


def silent(collector):
    collector.silent.set()


def slow(collector):
    collector.delay = 0.2


def garbage(collector):
    collector.garbage = b"\x00\xff nonsense\r\n\r\n"


def refusing(status):
    def trouble(collector):
        collector.status = collector.config_status = status

    return trouble


def odd_address(collector):
    return {"BASE_URI": "http://[::nonsense"}


TROUBLES = {
    "refused": no_collector,
    "silent": silent,
    "slow": slow,
    "garbage": garbage,
    "401": refusing(401),
    "429": refusing(429),
    "500": refusing(500),
    "odd": odd_address,
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_a_bad_collector_fails_and_delays_no_request(site, collector, trouble):
    """A request would have to wait for the collector to be slower than this."""
    one = site(**(trouble(collector) or {}), EVENT_QUEUE_SIZE=10)
    began = time.monotonic()
    for _ in range(30):
        assert one.request("POST", "/echo", body=b"x").body == b"x"
    assert time.monotonic() - began < 5
    collector.released.set()


def test_a_mended_collector_gets_the_events(make_site):
    """Three posts fail; nothing is lost."""
    one = make_site(Plain)
    one.collector.next_statuses = [500, 429]
    one.request("GET", "/text")
    began = time.monotonic()
    one.event()
    assert time.monotonic() - began < 5


# Processes


def run(program, collector, **options):
    """Run a program that has `middleware` and `ask()`; return its result."""
    head = f"""
        import os, signal, sys, threading, time
        sys.path.insert(0, {str(ROOT)!r})
        from wsgiref.util import setup_testing_defaults
        from poorwsgi.moesif import MoesifMiddleware

        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"x"]

        middleware = MoesifMiddleware(app, {{
            "APPLICATION_ID": "id", "BASE_URI": {collector.url!r}, **{options!r}
        }})

        def ask(path):
            environ = {{"PATH_INFO": path}}
            setup_testing_defaults(environ)
            list(middleware(environ, lambda *args: None))
    """
    code = textwrap.dedent(head) + textwrap.dedent(program)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def paths(collector):
    return sorted(
        event["request"]["uri"].rpartition("/")[2] for event in collector.events
    )


def test_events_are_sent_at_exit(collector):
    done = run("for n in range(7): ask(f'/{n}')", collector)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert paths(collector) == list("0123456")


def test_events_are_sent_at_exit_by_an_exception(collector):
    done = run("ask('/1'); raise SystemExit(3)", collector)
    assert done.returncode == 3
    assert paths(collector) == ["1"]


def test_exit_takes_no_longer_than_about_five_seconds(collector):
    collector.silent.set()
    began = time.monotonic()
    done = run("for n in range(300): ask(f'/{n}')", collector, BATCH_SIZE=10)
    assert done.returncode == 0
    assert time.monotonic() - began < 12


SHORT = "from poorwsgi.moesif import sender; sender.CLOSE_TIMEOUT = 1\n"


@pytest.mark.parametrize("trouble", [slow, garbage, refusing(500)])
def test_exit_is_bounded_whatever_the_collector_does(collector, trouble):
    trouble(collector)
    began = time.monotonic()
    done = run(SHORT + "for n in range(300): ask(f'/{n}')", collector, BATCH_SIZE=10)
    assert done.returncode == 0
    assert time.monotonic() - began < 8


FORKS = {
    "before the first event": """
        pid = os.fork()
        ask("/child" if pid == 0 else "/parent")
        if pid == 0:
            middleware.flush(10)
            os._exit(0)
        os.waitpid(pid, 0)
    """,
    "after the first event": """
        ask("/parent")
        middleware.flush(10)
        pid = os.fork()
        if pid == 0:
            ask("/child")
            middleware.flush(10)
            os._exit(0)
        os.waitpid(pid, 0)
    """,
    "with a full queue": """
        ask("/parent")
        pid = os.fork()
        if pid == 0:
            ask("/child")
            middleware.flush(10)
            os._exit(0)
        os.waitpid(pid, 0)
    """,
    "with the lock held": """
        ask("/parent")
        middleware.sender._lock.acquire()
        pid = os.fork()
        if pid == 0:
            ask("/child")
            middleware.flush(10)
            os._exit(0)
        middleware.sender._lock.release()
        os.waitpid(pid, 0)
    """,
    "by a server that calls no fork hooks": """
        from poorwsgi.moesif import sender
        ask("/parent")
        sender._senders.clear()  # so the hook finds nobody
        pid = os.fork()
        if pid == 0:
            ask("/child")
            middleware.flush(10)
            os._exit(0)
        os.waitpid(pid, 0)
        middleware.flush(10)
    """,
    "child leaves by itself": """
        ask("/parent")
        pid = os.fork()
        if pid == 0:
            ask("/child")
        else:
            os.waitpid(pid, 0)
    """,
}


def test_events_are_sent_at_the_end_of_a_child_of_multiprocessing(collector):
    """It was forked, and skips Python's exit functions."""
    program = """
        from multiprocessing import get_context
        ask("/parent")
        child = get_context("fork").Process(target=ask, args=("/child",))
        child.start()
        child.join()
    """
    done = run(program, collector)
    assert done.returncode == 0, done.stderr
    paths = [event["request"]["uri"] for event in collector.events]
    assert sorted(paths) == ["http://127.0.0.1/child", "http://127.0.0.1/parent"]


@pytest.mark.parametrize("program", FORKS.values(), ids=FORKS)
def test_fork(collector, program):
    """Parent and child send what is theirs, once."""
    done = run(program, collector)
    assert done.returncode == 0, done.stderr
    assert paths(collector) == ["child", "parent"]


def test_two_senders_share_the_time_at_exit(collector):
    collector.silent.set()
    began = time.monotonic()
    done = run(
        SHORT
        + """
settings = {"APPLICATION_ID": "x", "BASE_URI": middleware.settings.base_uri}
others = [MoesifMiddleware(app, settings) for _ in range(4)]
for middleware in [middleware, *others]:
    ask("/1")
""",
        collector,
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 12


def test_import_and_construction_open_nothing(collector):
    """No thread, no connection, no framework, no urllib3."""
    done = run(
        """
        assert threading.active_count() == 1
        heavy = {"urllib3", "requests", "django", "starlette", "asyncio"}
        print(sorted(heavy & set(sys.modules)))
        """,
        collector,
    )
    assert done.stdout == "[]\n", done.stderr
    assert collector.calls == []


def test_without_threads_in_uwsgi_none_is_started(make_sender, monkeypatch, caplog):
    """Events wait for the exit, and one warning says so."""

    class UWSGI:
        opt = {"http-socket": b"127.0.0.1:1"}  # noqa: RUF012  a stand-in

    monkeypatch.setitem(sys.modules, "uwsgi", UWSGI)
    sender._warned.clear()
    before = threading.active_count()
    client = Post()
    one = make_sender(client, lambda **what: None)
    one.wake()
    assert put(one, 150) == [True] * 150
    assert threading.active_count() == before
    assert client.batches == []
    assert one.flush(5)
    assert client.counts() == [100, 50]
    put(one, 1)
    assert one.close(5)
    assert one.sent == 151
    assert [record.getMessage() for record in caplog.records] == [
        "moesif: uWSGI runs without threads; start it with enable-threads"
    ]
    sender._warned.clear()


@pytest.mark.parametrize("name", ["enable-threads", "threads"])
def test_threads_in_uwsgi_are_fine(monkeypatch, caplog, name):
    class UWSGI:
        opt = {name: True}  # noqa: RUF012  a stand-in

    monkeypatch.setitem(sys.modules, "uwsgi", UWSGI)
    assert not sender.threads_are_off()
    assert caplog.records == []


def test_debug_messages_go_through_the_library_logger(make_site, caplog):
    root = list(logging.getLogger().handlers)
    one = make_site(Plain, DEBUG=True)
    with caplog.at_level(logging.DEBUG):
        one.request("GET", "/text")
        one.event()
    debug = [record for record in caplog.records if "is queued" in record.getMessage()]
    assert [record.name for record in debug] == ["poorwsgi.moesif"]
    assert logging.getLogger().handlers == root


def test_many_threads_put_each_event_once(make_sender):
    client = Post()
    one = make_sender(client, batch_size=7, batch_timeout=0.01)
    threads = [threading.Thread(target=put, args=(one, 500)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.flush(20)
    assert sum(client.counts()) == one.sent == 4000


def test_an_interrupt_ends_the_process(collector):
    """SIGINT while the collector is silent: the exit is still bounded."""
    collector.silent.set()
    program = SHORT + "ask('/1')\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)"
    done = run(program, collector)
    assert done.returncode in (1, -signal.SIGINT)
    assert os.name == "posix"
