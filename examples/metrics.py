"""Metrics by an after-hook: how many answers, how fast, as Prometheus reads it.

Each process counts for itself, so run one process with threads, or let
Prometheus ask each. Run it by ``python examples/metrics.py``, or give
``examples/metrics.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/slow/20
    curl -i http://127.0.0.1:8080/nothing
    curl -i http://127.0.0.1:8080/metrics
"""

from __future__ import annotations

from collections import Counter, defaultdict
from threading import Lock
from time import sleep, time
from typing import TYPE_CHECKING, NamedTuple

from poorwsgi import Application
from poorwsgi.response import BaseResponse, TextResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("metrics")


class Labels(NamedTuple):
    """What is counted apart: few values, so never the path itself."""

    method: str
    rule: str
    status: int

    def __str__(self) -> str:
        rule = self.rule.replace("\\", r"\\").replace('"', r"\"")
        return f'method="{self.method}",rule="{rule}",status="{self.status}"'


lock = Lock()
answers: Counter[Labels] = Counter()
seconds: defaultdict[Labels, float] = defaultdict(float)


@application.after_response()
def measure(req: Request, response: BaseResponse) -> BaseResponse:
    """Count the answer and the time up to here; errors and 404 as well."""
    known = req.method if req.method in ("GET", "HEAD", "POST") else "other"
    labels = Labels(known, req.uri_rule or "none", response.status_code)
    with lock:
        answers[labels] += 1
        seconds[labels] += time() - req.start_time
    return response


@application.get("/")
def index(req: Request) -> str:
    """Return a page to be counted."""
    return '<!DOCTYPE html><title>Metrics</title><a href="/metrics">Metrics</a>'


@application.get("/slow/<milliseconds:int>")
def slow(req: Request, milliseconds: int) -> str:
    """Take some time, a second at most."""
    sleep(max(0, min(milliseconds, 1000)) / 1000)
    return "Done."


@application.get("/metrics")
def metrics(req: Request) -> TextResponse:
    """Return the counters in the text format of Prometheus."""
    with lock:
        rows = [(labels, answers[labels], seconds[labels]) for labels in answers]
    lines = ["# TYPE answers_total counter"]
    lines += [f"answers_total{{{labels}}} {count}" for labels, count, _ in rows]
    lines += ["# TYPE answer_seconds_total counter"]
    lines += [
        f"answer_seconds_total{{{labels}}} {sum_:.6f}" for labels, _, sum_ in rows
    ]
    return TextResponse("\n".join(lines) + "\n")


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
