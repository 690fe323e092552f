"""Log records that repeat at most once a minute per cause."""

from __future__ import annotations

import logging
from threading import Lock
from time import monotonic

log = logging.getLogger("poorwsgi.perimeterx")

INTERVAL = 60.0
MAX_CAUSES = 100


class QuietLog:
    """Says each thing once a minute, and how often it was not said."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._heard: dict[str, tuple[float, int]] = {}

    def say(self, level: int, cause: str, text: str, error: object = None) -> None:
        """Log `text` unless this cause was logged within the last minute.

        :param error: an exception whose traceback belongs to the record
        """
        missed = self._count(cause)
        if missed is None:
            return
        if missed:
            text = f"{text} ({missed} more since the last record)"
        log.log(level, "%s", text, exc_info=error)  # type: ignore[arg-type]

    def _count(self, cause: str) -> int | None:
        """Return how many records were held back, None to hold back one."""
        now = monotonic()
        with self._lock:
            since, missed = self._heard.get(cause, (-INTERVAL, 0))
            if now - since < INTERVAL:
                self._heard[cause] = since, missed + 1
                return None
            if len(self._heard) >= MAX_CAUSES:
                self._heard.clear()
            self._heard[cause] = now, 0
            return missed
