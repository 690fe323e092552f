"""What a request did, and how long each phase took, for those who want to know.

`observe` puts a `Watch` in front of the walk of an application: attributes of the
instance that hide methods of its class. It is there while the page /debug-info
or the access log is on; without it the walk is exactly the one in wsgi.

Each request makes a `Trace`, which its sinks get when the body was sent. The
`Recorder` is the sink of /debug-info: it keeps the last requests in memory that
all processes share which a server has forked off this one.
"""

from __future__ import annotations

import json
import logging
import mmap
import os
import re
import warnings
from threading import Lock
from time import perf_counter, time
from typing import TYPE_CHECKING, Any
from zlib import crc32

from poorwsgi.blocks import close_body
from poorwsgi.logs import RequestFilter, current, write_access
from poorwsgi.signature import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias
    from wsgiref.types import StartResponse

    from poorwsgi.wsgi import Application

    Sink: TypeAlias = Callable[["Trace"], None]

log = logging.getLogger("poorwsgi")

#: Phases of a request, in their order; the sum is all of its time.
PHASES = ("request", "routing", "before", "handler", "after", "response", "body")

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:/=+@-]{1,128}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def request_id(environ: dict[str, Any]) -> str:
    """Return the id of a request: its client's, else a random one.

    That is X-Request-ID, or the trace id of traceparent (W3C Trace Context). A
    value with other characters than ids have is not believed.
    """
    given = environ.get("HTTP_X_REQUEST_ID", "")
    if _REQUEST_ID.match(given):
        return str(given)
    parent = _TRACEPARENT.match(environ.get("HTTP_TRACEPARENT", ""))
    return parent[1] if parent else os.urandom(8).hex()


class Trace:
    """One request: what it was, what was answered, and when each phase ended."""

    def __init__(self, environ: dict[str, Any]):
        self.environ = environ
        self.request_id = request_id(environ)
        self.time = time()
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.size = 0
        self.rule = ""
        self.handler: Any = None
        self.error: BaseException | None = None
        #: Id that the page of 500 and the log record show.
        self.error_id = ""
        self.is_file = False
        #: The sinks hear of it later, by another call of `Watch.end`.
        self.is_held = False
        self.start = perf_counter()
        self.marks: dict[str, float] = {}
        self.spent = {"before": 0.0, "after": 0.0}

    def mark(self, name: str) -> None:
        """Note that something happens now, for the first time."""
        self.marks.setdefault(name, perf_counter())

    @property
    def duration(self) -> float:
        """Seconds from the first to the last mark."""
        return max(self.marks.values(), default=self.start) - self.start

    @property
    def phases(self) -> dict[str, float]:
        """Milliseconds of each phase."""
        at, end = self.marks, self.start + self.duration
        table = at.get("table", end)
        routed = at.get("routed", at.get("handled", end))
        handled = at.get("handled", end)
        sent = at.get("sent", end)
        before, after = self.spent["before"], self.spent["after"]
        seconds = {
            "request": table - self.start,
            "routing": routed - table,
            "before": before,
            "handler": handled - routed - before,
            "after": after,
            "response": sent - handled - after,
            "body": end - sent,
        }
        return {name: round(max(seconds[name], 0) * 1000, 3) for name in PHASES}


# -- the watch -----------------------------------------------------------------


class Watch:
    """Takes the time of each phase of the walk, and tells the sinks of it."""

    def __init__(self, app: Application):
        self.app = app
        self.sinks: dict[str, Sink] = {}
        self._kinds: dict[type, type] = {}

    def seams(self) -> dict[str, Any]:
        """Return what hides methods of the class, as attributes of the instance."""
        return {
            "handler_from_table": self.handler_from_table,
            "handler_from_before": self.handler_from_before,
            "apply_after": self.apply_after,
            "response_for_error": self.response_for_error,
        }

    def request(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Walk one request, and tell the sinks when it has ended."""
        return self.walk(Trace(environ), environ, start_response)

    def walk(
        self, trace: Trace, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """Walk one request with a trace of its own."""
        wrapper = environ.get("wsgi.file_wrapper")

        def start(status: str, headers: list[tuple[str, str]], *info: Any) -> Any:
            trace.status, trace.headers = int(status[:3]), headers
            return start_response(status, headers, *info)

        def file_wrapper(*args: Any) -> Any:
            trace.is_file = True
            return wrapper(*args)  # type: ignore[misc]  # it is there then

        if wrapper is not None:
            environ["wsgi.file_wrapper"] = file_wrapper
        token = current.set(trace)
        try:
            body = type(self.app).__request__(self.app, environ, start)
        except BaseException as err:
            trace.error = err
            self.end(trace)
            raise
        finally:
            current.reset(token)
            if wrapper is not None:
                environ["wsgi.file_wrapper"] = wrapper
        trace.mark("sent")
        return self._counted(trace, body)

    def _counted(self, trace: Trace, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return a body that tells of its end."""
        if trace.is_file:
            # The server knows what its wrapper gave; any other object is slower.
            trace.size = _length(trace.headers)
            self.end(trace)
            return body
        if isinstance(body, (tuple, list)):
            trace.size = sum(map(len, body))
            self.end(trace)
            return body
        return TracedBody(body, trace, self.end)

    def end(self, trace: Trace) -> None:
        """Tell the sinks; one that fails must not fail the request."""
        trace.mark("closed")
        if trace.is_held:
            return
        for sink in tuple(self.sinks.values()):
            try:
                sink(trace)
            except Exception:
                log.debug("A sink of traces failed", exc_info=True)

    # -- what hides methods of the application

    def handler_from_table(self, req: Any) -> Any:
        """Take the time of routing, hooks and handler."""
        trace = current.get()
        cls, original = type(self.app), type(req)
        if trace is None:
            return cls.handler_from_table(self.app, req)
        trace.mark("table")
        # Routing ends when the rule is noted: the class that hears of it is
        # left at once, so that no hook and no handler ever sees it.
        req.__class__ = self._noting(original)
        try:
            return cls.handler_from_table(self.app, req)
        finally:
            req.__class__ = original
            trace.mark("handled")
            trace.rule = req._uri_rule or ""
            trace.handler = req._uri_handler

    def _noting(self, kind: type) -> type:
        """Return a subclass of a class of requests that hears of the rule."""
        if kind not in self._kinds:

            def note(req: Any, rule: str) -> None:
                trace = current.get()
                if trace is not None:
                    trace.mark("routed")
                req.__class__ = kind
                req._uri_rule = rule

            def read(req: Any) -> str | None:
                rule: str | None = req.__dict__.get("_uri_rule")
                return rule

            names = {"__slots__": (), "_uri_rule": property(read, note)}
            try:
                self._kinds[kind] = type(kind.__name__, (kind,), names)
            except Exception:  # a class that refuses to be inherited
                self._kinds[kind] = kind
        return self._kinds[kind]

    def handler_from_before(self, req: Any) -> None:
        """Take the time of the before-hooks."""
        trace = current.get()
        if trace is not None:
            trace.mark("routed")
        with self._spending("before", trace):
            type(self.app).handler_from_before(self.app, req)

    def apply_after(self, req: Any, response: Any) -> Any:
        """Take the time of the after-hooks."""
        with self._spending("after", current.get()):
            return type(self.app).apply_after(self.app, req, response)

    def response_for_error(self, req: Any, error: Exception) -> Any:
        """Note what was raised."""
        trace = current.get()
        if trace is not None:
            trace.error = error
        return type(self.app).response_for_error(self.app, req, error)

    def _spending(self, phase: str, trace: Trace | None) -> _Spending:
        return _Spending(phase, trace)


class _Spending:
    """Adds the time of a block to a phase."""

    def __init__(self, phase: str, trace: Trace | None):
        self.phase, self.trace, self.start = phase, trace, 0.0

    def __enter__(self) -> None:
        self.start = perf_counter()

    def __exit__(self, *_: object) -> None:
        if self.trace is not None:
            self.trace.spent[self.phase] += perf_counter() - self.start


class TracedBody:
    """A body that is counted while it is sent."""

    def __init__(self, body: Iterable[bytes], trace: Trace, end: Sink):
        self._body, self._trace, self._end = body, trace, end
        self._blocks: Iterator[bytes] | None = None
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        token = current.set(self._trace)
        try:
            if self._blocks is None:
                self._blocks = iter(self._body)
            block = next(self._blocks)
        except StopIteration:
            raise
        except BaseException as err:
            self._trace.error = err
            raise
        finally:
            current.reset(token)
        self._trace.size += len(block)
        return block

    def close(self) -> None:
        """Close the body of the application, once, and end the trace."""
        if self._closed:
            return
        self._closed = True
        try:
            close_body(self._body)
        finally:
            self._end(self._trace)


def _length(headers: Iterable[tuple[str, str]]) -> int:
    for name, value in headers:
        if name.lower() == "content-length" and value.isdigit():
            return int(value)
    return 0


def observe(app: Any, debug: bool = False) -> None:
    """Put a watch in front of the walk, or take it away, as options say.

    :param debug: debug is on by a variable of the server
    """
    sinks: dict[str, Sink] = {}
    watch = app._watch
    if app.debug or debug:
        known = watch.sinks.get("recorder") if watch is not None else None
        sinks["recorder"] = known or Recorder()
        if known is None:
            _warn_if_public(app)
    if app.access_log:
        sinks["access"] = write_access
    if sinks:
        watch = watch or Watch(app)
        watch.sinks = sinks
        _put(app, watch)
        _join_records()
    elif watch is not None:
        _remove(app, watch)


def _warn_if_public(app: Any) -> None:
    """Warn of debug where others can see it, at the line that switches it on."""
    # Debugging loads it anyway, with the first look at the page.
    from poorwsgi.checks import public_debug

    for finding in public_debug(app):
        log.warning("%s", finding.message)
        warnings.warn(finding.message, RuntimeWarning, stacklevel=6)


def _put(app: Any, watch: Watch) -> None:
    app._watch = watch
    app.__dict__.update(watch.seams())
    app._refresh()
    # The profiler stands in front of the watch, see __original_request__.
    app.__dict__.setdefault("__request__", watch.request)


def _remove(app: Any, watch: Watch) -> None:
    app._watch = None
    for name in watch.seams():
        app.__dict__.pop(name, None)
    app._refresh()
    if app.__dict__.get("__request__") == watch.request:
        del app.__dict__["__request__"]


def _join_records() -> None:
    """Give the records of our loggers the id of their request."""
    if not any(isinstance(one, RequestFilter) for one in log.filters):
        log.addFilter(RequestFilter())


# -- the last requests ---------------------------------------------------------


class Recorder:
    """Keeps the last requests, of all processes that are forked off this one.

    A ring of slots in shared memory. Two processes may write the same slot at
    the same moment; the check sum shows, and that request is not listed.
    """

    SLOTS = 64
    SIZE = 4096

    def __init__(self) -> None:
        self._lock = Lock()
        self._memory = mmap.mmap(-1, 8 + self.SLOTS * self.SIZE)

    def __call__(self, trace: Trace) -> None:
        """Keep what is known of a request; /debug-info itself is not."""
        path = trace.environ.get("PATH_INFO", "")
        if path == "/debug-info" and trace.rule == "/debug-info":
            return
        data = json.dumps(row_of(trace)).encode()
        if len(data) <= self.SIZE - 8:
            self._write(data)

    def _write(self, data: bytes) -> None:
        with self._lock:
            number = int.from_bytes(self._memory[:8], "little")
            self._memory[:8] = (number + 1).to_bytes(8, "little")
            start = 8 + number % self.SLOTS * self.SIZE
            head = len(data).to_bytes(4, "little") + crc32(data).to_bytes(4, "little")
            self._memory[start : start + 8 + len(data)] = head + data

    def requests(self) -> list[dict[str, Any]]:
        """Return what is known of the last requests, the newest first."""
        rows = [row for slot in range(self.SLOTS) if (row := self._read(slot))]
        return sorted(rows, key=lambda row: -row["time"])

    def _read(self, slot: int) -> dict[str, Any] | None:
        start = 8 + slot * self.SIZE
        size = int.from_bytes(self._memory[start : start + 4], "little")
        check = int.from_bytes(self._memory[start + 4 : start + 8], "little")
        data = self._memory[start + 8 : start + 8 + min(size, self.SIZE - 8)]
        if not size or crc32(data) != check:
            return None
        row: dict[str, Any] = json.loads(data)
        return row


def row_of(trace: Trace) -> dict[str, Any]:
    """Return a trace as values for JSON, without secrets and not too long."""
    # Masking needs more than the walk does: loaded by the first request.
    from poorwsgi.inspector import masked

    environ = trace.environ
    query = masked("query", environ.get("QUERY_STRING", ""))
    return {
        "request_id": trace.request_id,
        "time": trace.time,
        "pid": os.getpid(),
        "method": str(environ.get("REQUEST_METHOD", ""))[:20],
        "path": _decoded(environ.get("PATH_INFO", ""))[:500],
        "query": query[:500],
        "status": trace.status,
        "size": trace.size,
        "rule": trace.rule[:200],
        "handler": name_of(trace.handler)[:100] if trace.handler else "",
        "error": masked("error", repr(trace.error))[:300] if trace.error else "",
        "error_id": trace.error_id,
        "milliseconds": round(trace.duration * 1000, 3),
        "phases": trace.phases,
    }


def _decoded(path: str) -> str:
    return path.encode("latin-1", "replace").decode("utf-8", "replace")
