"""What bot enforcement costs a request: `python tests/bench/bench_perimeterx.py`.

The median over many requests of the middleware around an application that
does nothing, in one thread, beside the cost of the key derivation alone. CPU
time of that thread is taken, so a busy machine disturbs little; for the call
to the service, which a process of its own plays, also the time on the clock.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any
from wsgiref.util import setup_testing_defaults

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from fake_perimeterx import APP_ID, KEY, TOKEN, fields, v3  # noqa: E402

from poorwsgi.perimeterx import PerimeterX, cookies  # noqa: E402
from poorwsgi.perimeterx.evaluation import CookieCache  # noqa: E402

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36"

SERVICE = """
import sys
sys.path.insert(0, sys.argv[1])
from fake_perimeterx import FakePerimeterX
with FakePerimeterX() as fake:
    print(fake.url, flush=True)
    sys.stdin.read()
"""


class NoCache(CookieCache):
    """A cache that forgets, to see what a new visitor costs."""

    def put(self, key: bytes, risk: Any) -> None:
        """Keep nothing."""


def application(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"x"]


def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    return None


def environ(path: str = "/", cookie: str = "", **more: Any) -> dict[str, Any]:
    """Return what a browser's request looks like."""
    made = {
        "PATH_INFO": path,
        "HTTP_HOST": "shop.example",
        "HTTP_USER_AGENT": AGENT,
        "HTTP_ACCEPT": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
        "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate, br",
        "HTTP_CONNECTION": "keep-alive",
        "REMOTE_ADDR": "203.0.113.9",
    } | more
    if cookie:
        made["HTTP_COOKIE"] = f"lang=en; _px3={cookie}; theme=dark"
    setup_testing_defaults(made)
    return made


def measure(call: Any, count: int, clock: Any = time.thread_time_ns) -> float:
    """Return the median of the microseconds of one call."""
    for _ in range(max(3, count // 10)):
        call()
    times = []
    for _ in range(count):
        started = clock()
        call()
        times.append(clock() - started)
    return median(times) / 1000


def costs(url: str, count: int) -> dict[str, float]:
    """Return the microseconds of each kind of request."""
    options = {
        "app_id": APP_ID,
        "cookie_key": KEY,
        "auth_token": TOKEN,
        "module_mode": "active_blocking",
        "whitelist_routes": ["/health"],
        "px_backend_url": url,
        "client_url": url,
        "captcha_url": url,
    }
    px = PerimeterX(application, options)
    off = PerimeterX(application, options | {"module_enabled": False})
    good = environ(cookie=v3(agent=AGENT))
    high = environ(cookie=v3(fields(s=100), agent=AGENT))

    def visit(one: PerimeterX, what: dict[str, Any]) -> Any:
        return lambda: one(what, start_response)

    result = {
        "application alone": measure(lambda: application(good, start_response), count),
        "key derivation alone (1000 rounds)": measure(
            lambda: hashlib.pbkdf2_hmac("sha256", b"k", b"s" * 16, 1000, 48), count
        ),
        "module disabled": measure(visit(off, good), count),
        "bypassed: whitelisted": measure(visit(px, environ("/health")), count),
        "bypassed: static file": measure(visit(px, environ("/a.css")), count),
        "valid cookie, known visitor": measure(visit(px, good), count),
        "no cookie: risk call, keep-alive": measure(visit(px, environ()), count // 4),
        "no cookie, on the clock": measure(
            visit(px, environ()), count // 4, time.perf_counter_ns
        ),
        "high cookie: blocked": measure(visit(px, high), count),
    }
    px._worker().cache = NoCache()
    result["valid cookie, new visitor"] = measure(visit(px, good), count)
    result["... beside the key derivation"] = beside_derivation(visit(px, good), count)
    px.close(10)
    return result


def beside_derivation(call: Any, count: int) -> float:
    """Return the median of what one call costs without the derivation in it."""
    derive, spent = cookies.pbkdf2_hmac, []

    def timed(*args: Any) -> bytes:
        started = time.thread_time_ns()
        derived = derive(*args)
        spent.append(time.thread_time_ns() - started)
        return derived

    cookies.pbkdf2_hmac = timed
    try:
        times = []
        for _ in range(count):
            started = time.thread_time_ns()
            call()
            times.append(time.thread_time_ns() - started - spent[-1])
        assert len(spent) == count
        return median(times) / 1000
    finally:
        cookies.pbkdf2_hmac = derive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer requests")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(TESTS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        url = service.stdout.readline().strip()
        result = costs(url, 200 if arguments.quick else 2000)
        service.communicate("")
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    for name, microseconds in result.items():
        print(f"{microseconds:10.1f} µs  {name}")
    new, known = (result[f"valid cookie, {kind} visitor"] for kind in ("new", "known"))
    print(f"\na known visitor costs {known / new:.3f} of a new one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
