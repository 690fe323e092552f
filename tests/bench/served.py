"""CPU time of a server process per request: `make bench-served`.

Each framework is served by a uWSGI of one process on a free port of the loopback;
wrk asks them in turns for the static route. Requests per second would show how
busy the machine is; the CPU time of the server process, divided by the requests
it answered, shows what they cost.
"""

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import median
from urllib.request import urlopen

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from worker import FRAMEWORKS  # noqa: E402 - beside this file

GOALS = {"falcon": 0.88, "wheezy": 0.92, "raw": 1.08}


def free_port():
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A uWSGI with one framework, and what its requests cost."""

    def __init__(self, name, peers):
        self.name = name
        self.samples = []
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        paths = [HERE, HERE / "apps"] + ([ROOT] if name == "ours" else [])
        environ["PYTHONPATH"] = ":".join(map(str, paths))
        command = [
            *(Path(sys.executable).parent / "uwsgi", "--virtualenv", peers),
            *("--http11-socket", f"127.0.0.1:{port}", "--need-app"),
            *("--wsgi-file", HERE / "apps" / f"{FRAMEWORKS[name]}_app.py"),
            *("--processes", "1", "--disable-logging", "--die-on-term"),
        ]
        self.process = subprocess.Popen(
            list(map(str, command)), env=environ, cwd=HERE, stderr=subprocess.DEVNULL
        )

    def __enter__(self):
        for _ in range(100):
            with suppress(OSError), urlopen(self.url, timeout=20) as answer:
                if answer.read() == b"Hello, World!":
                    return self
            time.sleep(0.1)
        self.__exit__()
        raise SystemExit(f"{self.name} did not start")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def cpu(self):
        """Return the CPU seconds of the server so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2]
        user, system = map(int, fields.split()[11:13])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def measure(self, seconds):
        """Let wrk ask for some seconds; keep microseconds of a request."""
        before = self.cpu()
        wrk = ["wrk", "-t1", "-c1", f"-d{seconds}s", self.url]
        text = subprocess.run(wrk, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in text or "Socket errors" in text:
            raise SystemExit(f"{self.name}: {text}")
        count = int(re.search(r"(\d+) requests in", text)[1])
        self.samples.append((self.cpu() - before) / count * 1e6)


def main():
    """Serve all, ask in turns, print and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=os.path.abspath, default=sys.prefix)
    parser.add_argument("--frameworks", nargs="*", default=list(FRAMEWORKS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts")
    args = parser.parse_args()
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(name, args.peers)) for name in args.frameworks
        ]
        for number in range(4 if args.quick else 10):
            for server in servers[:: 1 if number % 2 else -1]:
                server.measure(1 if args.quick else 2)
    times = {server.name: median(server.samples[1:]) for server in servers}
    lines = ["| served | CPU µs per request | ours / theirs |", "| --- | --: | --: |"]
    for name, value in times.items():
        ratio = f"{times['ours'] / value:.2f}" if "ours" in times else "-"
        goal = f" (≤ {GOALS[name]})" if name in GOALS else ""
        lines.append(f"| {name} | {value:.1f} | {ratio}{goal} |")
    text = "\n".join(lines) + "\n"
    print(text)
    args.out.mkdir(exist_ok=True)
    (args.out / "served.md").write_text(text)
    (args.out / "served.json").write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()
