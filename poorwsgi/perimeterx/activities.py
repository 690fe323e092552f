"""Activities and telemetry: a bounded queue and the thread that empties it.

A request puts an activity into the queue and goes on; it never waits for the
collector. What cannot be sent is dropped.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from queue import Empty, SimpleQueue
from socket import gethostname
from threading import Lock, Thread, current_thread
from time import monotonic, time
from typing import TYPE_CHECKING, Any

from poorwsgi.background import start_without_signals
from poorwsgi.perimeterx.config import OPTIONS, SECRETS
from poorwsgi.perimeterx.risk import MODULE_VERSION, service_headers
from poorwsgi.perimeterx.transport import (
    Call,
    Deadline,
    DeadlineError,
    TransportError,
)

if TYPE_CHECKING:
    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.context import Context
    from poorwsgi.perimeterx.quiet import QuietLog
    from poorwsgi.perimeterx.transport import Upstream

ACTIVITIES_PATH = "/api/v1/collector/s2s"
TELEMETRY_PATH = "/api/v2/risk/telemetry"

MAX_WAITING = 1000
#: Seconds that the first activity of a batch waits for others.
LINGER = 1.0
MAX_REPLY = 1 << 20


def milliseconds() -> int:
    return int(time() * 1000)


def page_activity(ctx: Context, config: Config) -> dict[str, Any]:
    """Return the report of a request that passed."""
    return activity(
        "page_requested",
        ctx,
        config,
        {"client_uuid": ctx.uuid, "pass_reason": ctx.pass_reason},
    )


def block_activity(ctx: Context, config: Config, simulated: bool) -> dict[str, Any]:
    """Return the report of a block, or of one that monitor mode left out."""
    return activity(
        "block",
        ctx,
        config,
        {
            "block_score": ctx.score,
            "block_uuid": ctx.uuid,
            "block_reason": ctx.block_reason,
            "block_action": ctx.block_action,
            "cookie_origin": ctx.cookie_origin,
            "simulated_block": simulated,
        },
    )


def activity(
    kind: str, ctx: Context, config: Config, details: dict[str, Any]
) -> dict[str, Any]:
    details |= {
        "http_method": ctx.http_method,
        "http_version": ctx.http_version,
        "module_version": MODULE_VERSION,
        "risk_mode": config.module_mode,
        "risk_rtt": ctx.risk_rtt,
    }
    if ctx.decoded_cookie is not None:
        details["px_cookie"] = ctx.decoded_cookie
    details.update(ctx.custom_params or {})
    return {
        "type": kind,
        "headers": ctx.headers,
        "timestamp": milliseconds(),
        "socket_ip": ctx.ip,
        "px_app_id": config.app_id,
        "url": ctx.full_url,
        "vid": ctx.vid,
        "uuid": ctx.uuid,
        "pxhd": ctx.pxhd,
        "details": details,
    }


def telemetry(config: Config) -> dict[str, Any]:
    """Return the report of the configuration, without its secrets."""
    return {
        "type": "enforcer_telemetry",
        "timestamp": milliseconds(),
        "px_app_id": config.app_id,
        "details": {
            "enforcer_configs": shown_options(config),
            "node_name": gethostname(),
            "os_name": sys.platform,
            "update_reason": "initial_config",
            "module_version": MODULE_VERSION,
        },
    }


def shown_options(config: Config) -> dict[str, Any]:
    values = {
        option.name.upper(): getattr(config, option.name)
        for option in OPTIONS
        if option.name not in SECRETS
    }
    return {name: True if callable(v) else v for name, v in values.items()}


def as_json(value: Any) -> str | None:
    """Return an activity as JSON, None if a handler made that impossible."""
    try:
        return json.dumps(value, default=str, allow_nan=False)
    except Exception:  # whatever the str() of a handler's object raises
        return None


def is_uwsgi_master() -> bool:
    """Tell whether uWSGI loads the application here to fork it afterwards.

    It forks in C, without Python's preparations for a fork: with a second
    thread alive at that moment, requests of the workers hang.
    """
    worker_id = getattr(sys.modules.get("uwsgi"), "worker_id", None)
    return worker_id is not None and worker_id() == 0


class Sender:
    """The queue of one process, and its thread, started when needed."""

    def __init__(self, config: Config, api: Upstream, quiet: QuietLog) -> None:
        self._config = config
        self._api = api
        self._quiet = quiet
        self._lock = Lock()
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()
        # Rung when there may be something to do. A SimpleQueue can be rung
        # from anywhere, a finalizer included, without a lock of ours.
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._thread: Thread | None = None
        #: Whether the configuration is still to be told; the thread starts
        #: with that, and a fork of a process that has told it does not.
        self.telemetry_due = True
        self._closing: Deadline | None = None
        self.dropped = 0

    def start(self) -> None:
        """Start the thread, unless this process is there to be forked."""
        if is_uwsgi_master():
            return
        with self._lock:
            self._ensure_thread()

    def put(self, item: dict[str, Any]) -> None:
        """Queue an activity; the oldest makes room if there is none."""
        with self._lock:
            if self._closing is not None:
                return
            if overflow := len(self._waiting) >= MAX_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((monotonic(), item))
            count = len(self._waiting)
            self._ensure_thread()
        if count in (1, self._config.max_buffer_len):
            self._bell.put(None)
        if overflow:
            text = f"activities are dropped: {self.dropped} so far"
            self._quiet.say(logging.WARNING, "queue full", text)

    def _ensure_thread(self) -> None:
        if self._thread is not None:
            return
        tell, self.telemetry_due = self.telemetry_due, False
        thread = Thread(
            target=self._run, args=(tell,), name="perimeterx-sender", daemon=True
        )
        try:
            start_without_signals(thread)
        except RuntimeError:  # the interpreter ends; close() will send
            return
        self._thread = thread

    def _run(self, tell: bool) -> None:
        if tell:
            self._post(TELEMETRY_PATH, [telemetry(self._config)], "{}")
        while self._closing is None:
            self._ring_or(self._next_batch_in())
            if self._next_batch_in() == 0:
                self._send_batch()
        self._drain()

    def _ring_or(self, seconds: float | None) -> None:
        """Wait until the bell rings, or for some seconds."""
        if seconds == 0:
            return
        try:
            self._bell.get(timeout=seconds)
        except Empty:
            return

    def _next_batch_in(self) -> float | None:
        """Return the seconds until a batch is due; None for no hurry."""
        with self._lock:
            if not self._waiting:
                return None
            if len(self._waiting) >= self._config.max_buffer_len:
                return 0
            return max(0.0, self._waiting[0][0] + LINGER - monotonic())

    def _send_batch(self) -> bool:
        """Send what waits, up to a batch; tell whether there was any."""
        with self._lock:
            count = min(len(self._waiting), self._config.max_buffer_len)
            batch = [self._waiting.popleft()[1] for _ in range(count)]
        if batch:
            self._post(ACTIVITIES_PATH, batch, "[{}]")
        return bool(batch)

    def _post(self, path: str, reports: list[dict[str, Any]], form: str) -> None:
        """Post reports; a failure is noted and forgotten."""
        items = [text for text in map(as_json, reports) if text is not None]
        if len(items) < len(reports):
            text = "an activity that cannot be written as JSON is dropped"
            self._quiet.say(logging.WARNING, "no JSON", text)
        if not items:
            return
        body = form.replace("{}", ",".join(items))
        headers = service_headers(self._config)
        call = Call("POST", path, headers, body.encode("ascii"))
        try:
            reply = self._api.exchange(call, self._deadline(), MAX_REPLY)
        except (DeadlineError, TransportError) as err:
            self._complain(path, str(err))
        except Exception as err:
            # The thread outlives whatever happens to one batch.
            self._quiet.say(logging.ERROR, "sender", "sending failed", err)
        else:
            if not 200 <= reply.status < 300:
                self._complain(path, f"status {reply.status}")

    def _deadline(self) -> Deadline:
        seconds = self._config.timeout
        if self._closing is not None:
            seconds = min(seconds, self._closing.left())
        return Deadline(seconds)

    def _complain(self, path: str, why: str) -> None:
        self._quiet.say(logging.WARNING, path, f"{path} was not taken: {why}")

    def _drain(self) -> None:
        """Send all that waits, until it is sent or time is up."""
        try:
            while self._closing is not None and self._closing.left():
                if not self._send_batch():
                    return
        except DeadlineError:
            return

    def retire(self) -> None:
        """Ask the thread to end; may be called where no lock may be taken."""
        self._closing = self._closing or Deadline(2.0)
        self._bell.put(None)

    def close(self, timeout: float) -> None:
        """Send what waits and stop the thread, within some seconds."""
        with self._lock:
            if self._closing is not None:
                return
            self._closing = Deadline(timeout)
            thread = self._thread
        self._bell.put(None)
        if thread is None:
            self._drain()
        elif thread is not current_thread():
            thread.join(timeout)
