"""Cost of the analytics middleware, against the public one.

    python tests/bench/bench_moesif.py              cost per request, memory
    python tests/bench/bench_moesif.py --served     throughput under uWSGI

Cost: a JSON exchange is run through the bare application, through our
middleware and through the public ``moesifwsgi``, which is installed into an
environment of its own and run as it is. Each run is a process; runs take turns,
so that a noisy machine is noisy for all of them. What counts is processor time of
the whole process, senders included, until the last event has left; that of the bare
application is taken off.

Memory: 100,000 requests while nobody listens at the collector's address.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PEER = "moesifwsgi==1.10.5"

REQUEST = b'{"name": "Ann", "items": [1, 2, 3], "note": "a small order"}'
ANSWER = b'{"id": 42, "status": "created", "total": 17.5, "items": [1, 2, 3]}'
HEADERS = {
    "HTTP_HOST": "api.example.test",
    "HTTP_USER_AGENT": "bench/1.0 (X11; Linux x86_64)",
    "HTTP_ACCEPT": "application/json",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate",
    "HTTP_ACCEPT_LANGUAGE": "en;q=0.8",
    "HTTP_AUTHORIZATION": "Basic YW5uOnNlY3JldA==",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7",
    "HTTP_COOKIE": "session=0123456789abcdef",
}


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Read a JSON body and answer with another."""
    json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    start_response(
        "201 Created",
        [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))],
    )
    return [ANSWER]


def make_environ() -> dict[str, Any]:
    import io

    return {
        **HEADERS,
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "x=1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(REQUEST)),
        "REMOTE_ADDR": "192.0.2.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(REQUEST),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def call(app: Any) -> None:
    iterable = app(make_environ(), lambda *args: None)
    for _ in iterable:
        pass
    if hasattr(iterable, "close"):
        iterable.close()


# One run, in a process of its own


def run_child(which: str, url: str, count: int) -> None:
    """Send count requests; print processor time, latency and memory."""
    app = wrapped(which, url)
    for _ in range(200):
        call(app)
    settle(which, app, url, 200)
    before = resident()
    peak = before
    began, wall = time.process_time(), time.perf_counter()
    for number in range(count):
        call(app)
        if number % 5000 == 0:
            peak = max(peak, resident())
    latency = time.perf_counter() - wall
    settle(which, app, url, 200 + count)
    report = {
        "cpu": (time.process_time() - began) / count * 1e6,
        "wall": latency / count * 1e6,
        "grown": (max(peak, resident()) - before) / 2**20,
    }
    if which == "ours":
        report["dropped"] = app.sender.dropped
    print(json.dumps(report), flush=True)
    os._exit(0)  # the public one would wait for its collector


def wrapped(which: str, url: str) -> Any:
    settings = {"APPLICATION_ID": "bench", "BASE_URI": url}
    if which == "ours":
        sys.path.insert(0, str(ROOT))
        from poorwsgi.moesif import MoesifMiddleware

        return MoesifMiddleware(application, settings)
    if which == "public":
        from moesifwsgi import MoesifMiddleware as Public

        # Its documented defaults, with a queue that holds the run as well.
        return Public(application, {**settings, "LOCAL_MOESIF_BASEURL": url})
    return application


def settle(which: str, app: Any, url: str, expected: int) -> None:
    """Wait until the collector has every event."""
    if which == "bare" or url.endswith(":9"):
        return
    if which == "ours":
        app.flush(60)
        return
    from urllib.request import urlopen

    until = time.monotonic() + 60
    while time.monotonic() < until:
        with urlopen(f"{url}/count") as answer:
            if int(answer.read()) >= expected:
                return
        time.sleep(0.2)
    print("events are missing", file=sys.stderr)


def resident() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The parent


def peer_python(folder: Path) -> Path:
    """Return an interpreter that has the public package."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PEER],
        check=True,
    )
    return python


def measure(python: Path | str, which: str, url: str, count: int) -> dict[str, float]:
    done = subprocess.run(
        [python, __file__, "--child", which, "--url", url, "--count", str(count)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"{which} gave no figures:\n{done.stderr[-3000:]}")
    report: dict[str, float] = json.loads(lines[-1])
    return report


def compare(python: Path, rounds: int, count: int) -> None:
    figures: dict[str, list[dict[str, float]]] = {"bare": [], "ours": [], "public": []}
    for _ in range(rounds):
        for which, runs in figures.items():
            with CollectorProcess() as url:
                interpreter = python if which == "public" else sys.executable
                runs.append(measure(interpreter, which, url, count))
    print(f"cost per request, medians of {rounds} runs of {count}, microseconds")
    ratios = [
        (ours["cpu"] - bare["cpu"]) / (public["cpu"] - bare["cpu"])
        for bare, ours, public in zip(*figures.values(), strict=True)
    ]
    medians = {
        which: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for which, runs in figures.items()
    }
    bare = medians["bare"]
    for which in ("ours", "public"):
        cost = medians[which]["cpu"] - bare["cpu"]
        latency = medians[which]["wall"] - bare["wall"]
        print(f"  {which:7} cpu {cost:8.1f}   latency {latency:8.1f}")
    print(f"  ours / public: {statistics.median(ratios):.3f}")


class CollectorProcess:
    """The fake collector in a process of its own, so that its time does not count."""

    def __enter__(self) -> str:
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "fake_collector.py", "0", "--quiet"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        return self.process.stdout.readline().split()[-1]

    def __exit__(self, *error: object) -> None:
        self.process.terminate()
        self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def dead(count: int) -> None:
    report = measure(sys.executable, "ours", "http://127.0.0.1:9", count)
    bare = measure(sys.executable, "bare", "http://127.0.0.1:9", count)
    print(f"dead collector, {count} requests")
    print(f"  memory grown by {report['grown']:.1f} MiB, bare {bare['grown']:.1f} MiB")
    print(f"  dropped and counted: {report['dropped']}")
    print(f"  latency added: {report['wall'] - bare['wall']:.1f} microseconds")


# Throughput under uWSGI

SITE = """
import os, sys
sys.path[:0] = [{root!r}, {bench!r}]
from poorwsgi import Application
from poorwsgi.moesif import MoesifMiddleware
from poorwsgi.response import JSONResponse

app = Application("bench")

@app.route("/orders", method=4)
def orders(req):
    return JSONResponse(status_code=201, **req.json)

application = app
if os.environ["COLLECTOR"]:
    application = MoesifMiddleware(app, {{
        "APPLICATION_ID": "bench", "BASE_URI": os.environ["COLLECTOR"],
    }})
"""


def served(rounds: int, count: int) -> None:
    """Compare requests per second: no middleware, a good and a dead collector."""
    import tempfile

    from poorwsgi.testing import LiveServer

    rates: dict[str, list[float]] = {"none": [], "good": [], "dead": []}
    costs: dict[str, list[float]] = {"none": [], "good": [], "dead": []}
    command = [str(Path(sys.executable).with_name("uwsgi"))]
    command += ["--http-socket", "{address}", "--master", "--need-app", "--processes"]
    command += ["4", "--threads", "4", "--die-on-term", "--disable-logging"]
    command += ["--wsgi-file", "site.py", "--listen", "100"]
    with tempfile.TemporaryDirectory() as folder, CollectorProcess() as good:
        site = SITE.format(root=str(ROOT), bench=str(Path(__file__).parent))
        Path(folder, "site.py").write_text(site)
        urls = {"none": "", "good": good, "dead": "http://127.0.0.1:9"}
        for _ in range(rounds):
            for which, url in urls.items():
                with LiveServer(command, cwd=folder, env={"COLLECTOR": url}) as server:
                    load(server, count // 4)
                    began, before = time.perf_counter(), processor_time(server.pid)
                    load(server, count)
                    rates[which].append(count / (time.perf_counter() - began))
                    used = processor_time(server.pid) - before
                    costs[which].append(used / count * 1e6)
    print(f"requests per second under uWSGI 4 x 4, medians of {rounds} runs of {count}")
    for which, values in rates.items():
        ratio = statistics.median(values) / statistics.median(rates["none"])
        cost = statistics.median(costs[which])
        rate = statistics.median(values)
        print(
            f"  {which:5} {rate:8.0f}  {ratio:.3f}   {cost:6.1f} us of processor time"
        )
    ratio = statistics.median(rates["dead"]) / statistics.median(rates["good"])
    print(f"  dead / good: {ratio:.3f}")


def processor_time(master: int) -> float:
    """Return the processor time that the workers of a server have used so far."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    stats = [Path(f"/proc/{pid}/stat").read_text() for pid in children]
    ticks = [stat.rpartition(")")[2].split()[11:13] for stat in stats]
    used = sum(int(user) + int(system) for user, system in ticks)
    return used / os.sysconf("SC_CLK_TCK")


def load(server: Any, count: int) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from http.client import HTTPConnection

    def one(_: int) -> None:
        connection = HTTPConnection(server.host, server.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/orders?x=1", REQUEST, headers)
        connection.getresponse().read()
        connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", choices=["bare", "ours", "public"])
    parser.add_argument("--url")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--dead-count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--served", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peer", type=Path, default=ROOT / ".venv-moesif")
    options = parser.parse_args()
    if options.quick:
        options.count, options.rounds, options.dead_count = 2000, 1, 20_000
    if options.child:
        run_child(options.child, options.url, options.count)
    elif options.served:
        served(options.rounds, options.count)
    else:
        compare(peer_python(options.peer), options.rounds, options.count)
        dead(options.dead_count)


if __name__ == "__main__":
    main()
