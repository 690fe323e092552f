"""Bot enforcement for any WSGI application, by a bot-detection service.

    from poorwsgi.perimeterx import PerimeterX

    application = PerimeterX(application, px_config)

Needs: pip install 'poorwsgi[perimeterx]'. The decision is one table, in
`verifier`; whatever the service does, a request gets its answer in time.
"""

from __future__ import annotations

import atexit
import logging
import os
from email.utils import formatdate
from time import time
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod, finalize

from poorwsgi.background import begin_exit, call_at_end_of_child
from poorwsgi.perimeterx import risk
from poorwsgi.perimeterx.activities import block_activity, page_activity
from poorwsgi.perimeterx.blocking import block_answer
from poorwsgi.perimeterx.config import ACTIVE_BLOCKING, Config, OptionError
from poorwsgi.perimeterx.context import header, wants_json
from poorwsgi.perimeterx.evaluation import evaluate
from poorwsgi.perimeterx.firstparty import FirstParty
from poorwsgi.perimeterx.handlers import Handlers
from poorwsgi.perimeterx.risk import MODULE_VERSION, RiskError
from poorwsgi.perimeterx.transport import DeadlineError, TransportError
from poorwsgi.perimeterx.verifier import CallState, Inquiry, Outcome, Row, decide
from poorwsgi.perimeterx.worker import Worker, context_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from ssl import SSLContext
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from poorwsgi.perimeterx.answer import Answer
    from poorwsgi.perimeterx.context import Context
    from poorwsgi.perimeterx.quiet import QuietLog

__all__ = ["MODULE_VERSION", "OptionError", "PerimeterX"]

log = logging.getLogger("poorwsgi.perimeterx")
log.addHandler(logging.NullHandler())

ONE_YEAR = 365 * 24 * 3600


class PerimeterX:
    """WSGI middleware that lets the service decide who is a bot.

    :param application: any WSGI callable
    :param px_config: the options, a mapping; it is copied
    :raises ValueError: for options that cannot work; wrong types are a
        TypeError as well

    .. versionadded:: 3.0
    """

    def __init__(
        self, application: WSGIApplication, px_config: Mapping[str, Any] | None
    ) -> None:
        self.config = Config(px_config)
        self._application = application
        if self.config.debug_mode:
            log.setLevel(logging.DEBUG)
        self._first_party = FirstParty(self.config)
        self._handlers = Handlers(self.config, self._quiet)
        #: One worker by process id; see _worker.
        self._workers: dict[int, Worker] = {}
        self._context: SSLContext | None = None
        if self.config.module_enabled:
            self._start()

    def _start(self) -> None:
        self._context = context_for(self.config)
        self._at_exit = ExitCall(WeakMethod(self.close))
        atexit.register(self._at_exit)
        self._worker().sender.start()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        answer, pxhd = None, None
        try:
            answer, pxhd = self._judge(environ)
        except Exception as err:  # row 14: whatever it is, the site works
            text = "the request goes to the application: an error of ours"
            self._quiet().say(logging.ERROR, f"judge {type(err)}", text, err)
        if pxhd is not None:
            start_response = with_pxhd(start_response, pxhd)
        if answer is not None:
            return answer.send(environ, start_response)
        return self._application(environ, start_response)

    def close(self, timeout: float = 2.0) -> None:
        """Send the activities that wait, within some seconds, and stop.

        Called at process exit; calling it again does nothing. Requests are
        still answered afterwards, their activities are not sent.
        """
        if not self.config.module_enabled:
            return
        if worker := self._workers.get(os.getpid()):
            worker.close(timeout)
        atexit.unregister(self._at_exit)

    def _judge(self, environ: WSGIEnvironment) -> tuple[Answer | None, str | None]:
        """Return our answer, None for the application's, and a new _pxhd."""
        inquiry = self._inquiry(environ)
        row = decide(inquiry)
        if row.outcome is Outcome.UNTOUCHED:
            return None, None
        if row.outcome is Outcome.FIRST_PARTY:
            return self._first_party_answer(inquiry), None
        ctx = inquiry.ctx
        answer = self._verdict(ctx, row, environ)
        # Handlers may change the context; what the visitor gets is settled.
        pxhd = ctx.new_pxhd
        self._report(ctx, row, simulated=answer is None)
        if row.outcome is not Outcome.FAIL_OPEN:
            answer = self._handlers.custom_answer(ctx, environ) or answer
        return answer, pxhd

    def _inquiry(self, environ: WSGIEnvironment) -> Inquiry:
        return Inquiry(
            environ,
            self.config,
            find_address=self._first_party.find,
            find_ip=self._handlers.client_address,
            examine=self._examine,
            ask=self._ask,
        )

    def _verdict(
        self, ctx: Context, row: Row, environ: WSGIEnvironment
    ) -> Answer | None:
        """Note the reason; return the block answer if one is to be given."""
        log.debug("row %d: %s %r", row.number, row.reason, ctx)
        if row.outcome is not Outcome.BLOCK:
            ctx.pass_reason = row.reason
            return None
        ctx.block_reason = row.reason
        if not self._is_enforced(environ):
            return None
        return block_answer(ctx, self.config, wants_json(environ))

    def _is_enforced(self, environ: WSGIEnvironment) -> bool:
        """Tell whether blocks are real: by mode, or for this request."""
        config = self.config
        if config.module_mode == ACTIVE_BLOCKING:
            return True
        key = config.bypass_key
        return key is not None and header(environ, key) == "1"

    def _examine(self, ctx: Context) -> str:
        return evaluate(ctx, self.config, self._worker().cache)

    def _ask(self, ctx: Context) -> CallState:
        """Call the risk API and tell how that went."""
        ctx.custom_params = self._handlers.custom_parameters()
        worker = self._worker()
        try:
            risk.remember(ctx, risk.ask(ctx, self.config, worker.api))
        except DeadlineError:
            text = f"risk API: no answer within {self.config.api_timeout} ms"
            worker.quiet.say(logging.WARNING, "risk timeout", text)
            return CallState.LATE
        except (TransportError, RiskError) as err:
            worker.quiet.say(logging.WARNING, "risk error", f"risk API: {err}")
            return CallState.FAILED
        return CallState.ANSWERED

    def _report(self, ctx: Context, row: Row, simulated: bool) -> None:
        """Queue the activity; nothing that happens here changes the answer."""
        try:
            if row.outcome is not Outcome.FAIL_OPEN:
                self._handlers.before_activity(ctx)
            sender = self._worker().sender
            if sender.telemetry_due:
                sender.start()
            if not self.config.send_page_activities:
                return
            if ctx.custom_params is None:
                ctx.custom_params = self._handlers.custom_parameters()
            if row.outcome is Outcome.BLOCK:
                item = block_activity(ctx, self.config, simulated)
            else:
                item = page_activity(ctx, self.config)
            sender.put(item)
        except Exception as err:
            self._quiet().say(logging.ERROR, "report", "reporting failed", err)

    def _first_party_answer(self, inquiry: Inquiry) -> Answer | None:
        address, environ = inquiry.address, inquiry.environ
        if address is None:
            return None
        worker = self._worker()
        ip = self._handlers.client_address(environ)
        upstream = worker.first_party[address.kind]
        return self._first_party.answer(environ, address, ip, upstream, worker.quiet)

    def _quiet(self) -> QuietLog:
        return self._worker().quiet

    def _worker(self) -> Worker:
        """Return what this process owns; a forked one gets its own.

        Not by os.register_at_fork(): servers that fork in C (uWSGI) do not
        run its hooks. setdefault() is atomic, so of several first threads
        one wins, without a lock that a fork could have copied while held.
        """
        pid = os.getpid()
        worker = self._workers.get(pid)
        if worker is None:
            inherited = list(self._workers.items())
            fresh = Worker(self.config, self._context)
            for _, old in inherited:
                fresh.sender.telemetry_due &= old.sender.telemetry_due
            worker = self._workers.setdefault(pid, fresh)
            if worker is fresh:
                self._take_over(fresh, inherited)
        return worker

    def _take_over(self, worker: Worker, inherited: list[tuple[int, Worker]]) -> None:
        """Begin as the worker of this process, the parent's put away."""
        # Whoever lets go of this object needs no close(): the thread sends
        # what waits and ends.
        finalize(self, worker.sender.retire).atexit = False
        call_at_end_of_child(self._at_exit)
        for pid, old in inherited:
            self._workers.pop(pid, None)
            old.drop_inherited()


class ExitCall:
    """Closes a middleware at process exit, if it is still there."""

    def __init__(self, close: WeakMethod[Callable[[], None]]) -> None:
        self._close = close

    def __call__(self) -> None:
        begin_exit()
        close = self._close()
        if close is not None:
            close()


def with_pxhd(start_response: StartResponse, value: str) -> StartResponse:
    """Return a start_response that also sets the cookie of the service."""
    expires = formatdate(time() + ONE_YEAR, usegmt=True)
    cookie = ("Set-Cookie", f"_pxhd={value}; Path=/; Expires={expires}")

    def start_with_pxhd(
        status: str, headers: list[tuple[str, str]], *more: Any, **named: Any
    ) -> Any:
        return start_response(status, [*headers, cookie], *more, **named)

    return start_with_pxhd
