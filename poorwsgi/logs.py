"""Log records that say which request they belong to, and one for each request.

``app.access_log = True`` writes a record to the logger ``poorwsgi.access`` when
an answer was sent. While it, or `debug`, is on, the records of all loggers of
ours carry ``request_id``, ``method`` and ``rule``; for loggers of the application
put a `RequestFilter` on its handlers. Where records go, and how they look, is
decided by the application; `JSONFormatter` is there for one object a line, and
`show_unheard` for programs that serve an application which has not decided.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poorwsgi.tracing import Trace

__all__ = ["JSONFormatter", "RequestFilter", "access", "show_unheard"]

access = logging.getLogger("poorwsgi.access")

#: The request that runs here; None outside of any.
current: ContextVar[Trace | None] = ContextVar("poorwsgi_trace", default=None)

#: What every record has; what else stands in one came by ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class RequestFilter(logging.Filter):
    """Lets every record pass, with the id, method and rule of its request.

    Outside of a request they are a dash, so a format may name them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add what is known; a value that is there already stays."""
        trace = current.get()
        known = vars(record)
        known.setdefault("request_id", trace.request_id if trace else "-")
        known.setdefault(
            "method", trace.environ.get("REQUEST_METHOD") if trace else "-"
        )
        known.setdefault("rule", (trace.rule or "-") if trace else "-")
        if trace is not None and known.get("error_id"):
            # So that the access log joins in, and the list of /debug-info.
            trace.error_id = str(known["error_id"])
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and all ``extra``.

    >>> record = logging.makeLogRecord({"msg": "hello", "request_id": "7f"})
    >>> line = json.loads(JSONFormatter().format(record))
    >>> line["message"], line["request_id"]
    ('hello', '7f')
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        line.update({k: v for k, v in extra.items() if k not in line})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class UnheardHandler(logging.StreamHandler[Any]):
    """Writes to stderr what no other handler takes: warnings and errors.

    It looks at each record, so an application may configure logging whenever it
    likes and finds nothing twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.WARNING)
        self.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, if nobody else does."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(self._hears(handler) for handler in logger.handlers):
                return
            logger = logger.parent if logger.propagate else None
        super().emit(record)

    def _hears(self, handler: logging.Handler) -> bool:
        return handler is not self and not isinstance(handler, logging.NullHandler)


def show_unheard() -> None:
    """Let warnings and errors of ours be seen where nobody has configured logging.

    For programs that serve applications, not for libraries.
    """
    logger = logging.getLogger("poorwsgi")
    if not any(isinstance(handler, UnheardHandler) for handler in logger.handlers):
        logger.addHandler(UnheardHandler())


def write_access(trace: Trace) -> None:
    """Write the record of a request, if anybody listens."""
    if not access.isEnabledFor(logging.INFO):
        return
    environ = trace.environ
    fields = {
        "request_id": trace.request_id,
        "method": str(environ.get("REQUEST_METHOD", "-")),
        "rule": trace.rule or "-",
        "status": trace.status,
        "size": trace.size,
        "milliseconds": round(trace.duration * 1000, 3),
        "remote_addr": str(environ.get("REMOTE_ADDR", "-")),
        "error_id": trace.error_id,
    }
    # SECURITY: the rule, not the path: what a client sends forges no line and
    # no secret of a query gets into the log.
    access.info(
        "%.20r %s %s %s B %.1f ms %s",
        fields["method"],
        fields["rule"],
        fields["status"],
        fields["size"],
        fields["milliseconds"],
        fields["request_id"],
        extra=fields,
    )
