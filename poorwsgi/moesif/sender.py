"""The queue of events and the threads that empty it.

A request puts an event and goes on; it never waits for anything but a lock that
is held for the length of an append. Threads start with the first event of a
process, so they start again in a child after a fork. No lock is held over I/O.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from poorwsgi.background import (
    begin_exit,
    call_at_end_of_child,
    start_without_signals,
)
from poorwsgi.moesif.client import Answer, APIException
from poorwsgi.moesif.model import EventModel, encode_event, encode_events

log = logging.getLogger("poorwsgi.moesif")

#: The public client documents this as the most for one batch.
MAX_BATCH_BYTES = 250_000
#: Seconds before each repetition of a failed post.
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
#: Longest time that leaving the process may take.
CLOSE_TIMEOUT = 5.0
#: Seconds between two looks at the configuration.
REFRESH_INTERVAL = 60.0
#: Seconds between two looks when one has failed.
REFRESH_RETRY = 10.0
#: Seconds between two log lines about the same trouble.
LOG_INTERVAL = 60.0

BATCH_PATH = "/v1/events/batch"
CONFIG_TAG = "x-moesif-config-etag"
TAGS = (CONFIG_TAG, "x-moesif-rules-tag")


class Poster(Protocol):
    """The part of the client that is used here."""

    def post(
        self, path: str, data: bytes, *, zipped: bool = ..., limit: float | None = ...
    ) -> Answer: ...

    def forget(self) -> None: ...

    def can_connect(self) -> bool: ...


class Refresh(Protocol):
    """Reads configuration and rules; returns the tag of the configuration."""

    def __call__(self, *, config: bool = ..., rules: bool = ...) -> str | None: ...


class Limits(NamedTuple):
    """How much waits, how long, and who carries it away."""

    batch_size: int = 100
    queue_size: int = 10_000
    queue_bytes: int = 128 * 1024 * 1024
    batch_timeout: float = 2
    workers: int = 2


class Waiting(NamedTuple):
    """An event in the queue."""

    since: float
    item: EventModel | bytes
    size: int


class Sender:
    """Sends what is put, in batches, from its own threads."""

    def __init__(
        self,
        client: Poster,
        limits: Limits,
        refresh: Refresh | None = None,
    ) -> None:
        self._client = client
        self._limits = limits
        self._refresh = refresh
        self.sent = 0
        self.dropped = 0
        self._renewals: dict[int, threading.Lock] = {}
        self.forget()
        _senders.add(self)

    def _forget(self) -> None:
        """Start as if nothing had happened yet: in a new process nothing has."""
        self._queue: deque[Waiting] = deque()
        self._bytes = 0
        self._in_flight = 0
        self._flushing = 0
        self._deadline: float | None = None  # set by close()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        # Workers and those who wait for them sleep apart: one must not be
        # woken in place of the other.
        self._arrived = threading.Condition(self._lock)
        self._carried = threading.Condition(self._lock)
        self._threads: list[threading.Thread] = []
        self._refreshing: threading.Thread | None = None
        self._next_refresh = 0.0
        self._tags: tuple[str | None, str | None] = (None, None)
        self._next_log: dict[str, float] = {}
        self.sent = 0
        self.dropped = 0

    def forget(self) -> None:
        """Forget queue, threads, connections and locks of the parent process."""
        self._forget()
        self._client.forget()
        self._pid = os.getpid()  # last: whoever reads it may use the rest

    def _renew(self) -> None:
        """Forget the parent once, however many threads come first in a child.

        uWSGI does not call Python's fork hooks unless told to.
        """
        pid = os.getpid()
        # One lock for each process: a copied one might be held forever.
        with self._renewals.setdefault(pid, threading.Lock()):
            if self._pid != pid:
                self.forget()

    # Called by requests

    def wake(self) -> None:
        """Note that a request has come: look for a configuration if it is time."""
        if self._pid != os.getpid():
            self._renew()
        if self._refresh is not None and time.monotonic() >= self._next_refresh:
            self._start_refresh()

    def is_full(self) -> bool:
        """Tell whether the next event would be dropped."""
        return (
            len(self._queue) >= self._limits.queue_size
            or self._bytes >= self._limits.queue_bytes
        ) and self._pid == os.getpid()

    def put(self, item: EventModel | bytes | None, size: int) -> bool:
        """Queue an event, or drop and count it at once if there is no room."""
        if self._pid != os.getpid():
            self._renew()
        with self._lock:
            if item is None or self._deadline is not None or self.is_full():
                self.dropped += 1
                kept = False
            else:
                self._queue.append(Waiting(time.monotonic(), item, size))
                self._bytes += size
                kept = True
                waiting = len(self._queue)
                if waiting == 1 or waiting % self._limits.batch_size == 0:
                    self._arrived.notify()
        if not kept:
            self._complain("drop", "moesif: events are dropped: no room in the queue")
        elif len(self._threads) < self._limits.workers:
            self._start_workers()
        return kept

    def _start_workers(self) -> None:
        if threads_are_off():
            return
        if not self._threads:
            call_at_end_of_child(_close_all)
        with self._lock:
            while len(self._threads) < self._limits.workers:
                thread = threading.Thread(
                    target=self._work, name="moesif-sender", daemon=True
                )
                # Noted before it runs, so that nobody starts it again.
                self._threads.append(thread)
                try:
                    start_without_signals(thread)
                except RuntimeError:  # the process is leaving; close() sends
                    self._threads.remove(thread)
                    return

    # The workers

    def _work(self) -> None:
        queue = self._queue
        while queue is self._queue:  # another one after a fork
            batch = self._take()
            if batch is None:
                return
            self._deliver(batch)

    def _take(self) -> list[Waiting] | None:
        """Wait for a batch; None when the sender closes and nothing is left."""
        with self._lock:
            while not self._is_due():
                if self._deadline is not None and not self._must_share():
                    return None
                self._arrived.wait(self._patience() or None)
            return self._pop_batch()

    def _is_due(self) -> bool:
        if not self._queue or self._must_share():
            return False
        return (
            len(self._queue) >= self._limits.batch_size
            or self._flushing > 0
            or self._deadline is not None
            or self._patience() == 0
        )

    def _must_share(self) -> bool:
        """Tell whether the one connection that may be open is taken."""
        return (
            self._deadline is not None
            and self._in_flight > 0
            and not self._client.can_connect()
        )

    def _patience(self) -> float | None:
        """Return how long the oldest event may still wait."""
        if not self._queue:
            return None
        age = time.monotonic() - self._queue[0].since
        return max(0.0, self._limits.batch_timeout - age)

    def _pop_batch(self) -> list[Waiting]:
        count = min(len(self._queue), self._limits.batch_size)
        batch = [self._queue.popleft() for _ in range(count)]
        self._bytes -= sum(waiting.size for waiting in batch)
        self._in_flight += count
        if self._queue:
            self._arrived.notify()  # another worker may take the next one
        return batch

    def _deliver(self, batch: list[Waiting]) -> None:
        sent = 0
        try:
            for data, count in write([waiting.item for waiting in batch]):
                if self._post(data):
                    sent += count
        except Exception:
            # Nobody is above a thread; it must live on for the next batch.
            log.exception("moesif: a batch could not be sent")
        with self._lock:
            self.sent += sent
            self.dropped += len(batch) - sent
            self._in_flight -= len(batch)
            self._carried.notify_all()
            if self._deadline is not None:
                self._arrived.notify_all()  # who waits for the connection

    def _post(self, data: bytes) -> bool:
        """Post one batch, again after each delay; tell whether it arrived."""
        for delay in (*DELAYS, None):
            limit = self._time_left()
            if limit is not None and limit <= 0:
                return False
            try:
                answer = self._client.post(BATCH_PATH, data, zipped=True, limit=limit)
            except APIException as error:
                if delay is None or not is_passing(error):
                    self._complain_about(error)
                    return False
                self._pause(delay * random.uniform(0.8, 1.2))  # noqa: S311  no secret
            else:
                self._compare_tags(answer.headers)
                return True
        return False

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; less when the process is leaving."""
        if self._closing.wait(seconds):
            time.sleep(0.2)

    def _time_left(self) -> float | None:
        deadline = self._deadline
        return None if deadline is None else deadline - time.monotonic()

    # Configuration

    def _compare_tags(self, headers: Mapping[str, str]) -> None:
        """Look at what a post says has changed, and only at that."""
        config, rules = (
            headers.get(tag) or known
            for tag, known in zip(TAGS, self._tags, strict=True)
        )
        known_config, known_rules = self._tags
        if (config, rules) != (known_config, known_rules):
            self._tags = (config, rules)
            self._start_refresh(config != known_config, rules != known_rules)

    def _start_refresh(self, config: bool = True, rules: bool = True) -> None:
        """Look for a configuration in a thread of its own, one at a time.

        A collector that is slow in telling it does not hold up the events.
        """
        if self._refresh is None or self._deadline is not None or threads_are_off():
            return
        with self._lock:
            if self._refreshing is not None and self._refreshing.is_alive():
                self._next_refresh = time.monotonic() + 1  # the next request will
                return
            self._next_refresh = time.monotonic() + REFRESH_INTERVAL
            self._refreshing = threading.Thread(
                target=self._run_refresh,
                args=(config, rules),
                name="moesif-config",
                daemon=True,
            )
        try:
            start_without_signals(self._refreshing)
        except RuntimeError:
            self._refreshing = None

    def _run_refresh(self, config: bool, rules: bool) -> None:
        try:
            if self._refresh is not None:
                tag = self._refresh(config=config, rules=rules)
                self._tags = (tag or self._tags[0], self._tags[1])
        except APIException as error:
            self._next_refresh = time.monotonic() + REFRESH_RETRY
            self._complain_about(error)
        except Exception:
            log.exception("moesif: the configuration could not be read")

    # Leaving

    def flush(self, timeout: float | None = None) -> bool:
        """Send what is queued now; tell whether all of it went in time."""
        if self._pid != os.getpid():
            self._renew()
        until = None if timeout is None else time.monotonic() + timeout
        if self._queue and not self._threads:
            self._start_workers()
        if not self._threads:
            self._empty_here()
        with self._lock:
            self._flushing += 1
            self._arrived.notify_all()
            try:
                return self._wait_until_empty(until)
            finally:
                self._flushing -= 1

    def _wait_until_empty(self, until: float | None) -> bool:
        while self._queue or self._in_flight:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._carried.wait(left)
        return True

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Send what is queued, for at most timeout seconds, and stop.

        What is put afterwards is dropped. Tells whether all of it went.
        """
        self.begin_close(time.monotonic() + timeout)
        return self.finish_close()

    def begin_close(self, deadline: float) -> None:
        """Take no more events and send the rest without patience."""
        if self._pid != os.getpid():
            self._renew()
        with self._lock:
            if self._deadline is None:
                self._deadline = deadline
            self._closing.set()
            self._arrived.notify_all()

    def finish_close(self) -> bool:
        """Wait for the rest until the deadline that was set."""
        if self._queue and not self._threads:
            self._empty_here()
        with self._lock:
            done = self._wait_until_empty(self._deadline)
            self.dropped += len(self._queue)
            self._queue.clear()
            self._bytes = 0
        return done

    def _empty_here(self) -> None:
        """Send from this thread: the interpreter starts none any more."""
        while self._queue:
            with self._lock:
                batch = self._pop_batch()
            self._deliver(batch)

    # Complaints

    def _complain_about(self, error: APIException) -> None:
        if error.response_code in (401, 402, 403):
            self._complain("refused", "moesif: %s; is APPLICATION_ID right?", error)
        else:
            self._complain("lost", "moesif: %s; events may be lost", error)

    def _complain(self, cause: str, text: str, *arguments: object) -> None:
        """Log, but not again and again."""
        now = time.monotonic()
        if now >= self._next_log.get(cause, 0.0):
            self._next_log[cause] = now + LOG_INTERVAL
            level = logging.ERROR if cause == "refused" else logging.WARNING
            log.log(level, text, *arguments)


def write(items: list[EventModel | bytes]) -> list[tuple[bytes, int]]:
    """Return JSON arrays, none too long, and how many events each one has."""
    events = [item for item in items if isinstance(item, EventModel)]
    if len(events) == len(items):
        data = encode_events(events)
        if data is not None and len(data) <= MAX_BATCH_BYTES:
            return [(data, len(events))]
    batches = split([encode(item) for item in items])
    return [(b"[" + b",".join(batch) + b"]", len(batch)) for batch in batches]


def encode(item: EventModel | bytes) -> bytes:
    return item if isinstance(item, bytes) else encode_event(item)


def split(events: list[bytes]) -> list[list[bytes]]:
    """Cut a batch where its JSON grows too long; a longer event goes alone."""
    batches: list[list[bytes]] = []
    size = MAX_BATCH_BYTES
    for event in events:
        size += len(event) + 1
        if size + 1 > MAX_BATCH_BYTES:
            batches.append([])
            size = len(event) + 1
        batches[-1].append(event)
    return batches


def is_passing(error: APIException) -> bool:
    """Tell whether the same post may succeed later."""
    status = error.response_code
    return status is None or status == 429 or status >= 500


# The process: fork and exit

#: All senders that are alive; nothing else about them is kept by the process.
_senders: weakref.WeakSet[Sender] = weakref.WeakSet()


def _forget_all() -> None:
    for sender in list(_senders):
        sender.forget()


def _close_all() -> None:
    """Close all at once: many take no longer than one."""
    begin_exit()
    senders = list(_senders)
    deadline = time.monotonic() + CLOSE_TIMEOUT
    for sender in senders:
        sender.begin_close(deadline)
    for sender in senders:
        sender.finish_close()


os.register_at_fork(after_in_child=_forget_all)
# Finalizers close the connections of urllib3 at the exit. All are registered with
# the first one, and exit functions run backwards: now, they come after _close_all.
weakref.finalize(_senders, bool)
atexit.register(_close_all)


_warned = threading.Event()


def threads_are_off() -> bool:
    """Tell, with one warning, whether uWSGI runs without Python threads.

    They would not run between requests, and have been seen to crash a worker
    at its exit. Without them events wait for close().
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    options: Mapping[str, object] = getattr(uwsgi, "opt", None) or {}
    if any(name in options for name in ("enable-threads", "threads", "gevent")):
        return False
    if not _warned.is_set():
        _warned.set()
        log.warning("moesif: uWSGI runs without threads; start it with enable-threads")
    return True
