"""Compare poorwsgi with other frameworks: `make bench`.

Each framework runs in a process of its own; one call at a time is timed, the
frameworks take turns within each round, and medians of CPU time are compared.
Trust the ratios, not the microseconds. Results go to artifacts/bench.md and
bench.json as well.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from datetime import date
from math import exp, log
from pathlib import Path
from statistics import mean, median

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from scenarios import SCENARIOS, file_content  # noqa: E402 - beside this file
from worker import FRAMEWORKS  # noqa: E402

IMPORT_PROBE = """
import os, sys
from time import process_time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20
grown, before, begin = resident(), len(sys.modules), process_time()
import {modules}
spent = process_time() - begin
print(spent * 1000, len(sys.modules) - before, resident() - grown)
"""
IMPORT_ROWS = {
    "import, CPU ms": (("falcon", 0.25), ("wheezy", 0.60)),
    "modules loaded": (),
    "memory grown, MB": (("falcon", 0.4), ("wheezy", 0.75)),
}


def environment(framework, files=""):
    """Return the process environment: only ours sees the checkout.

    :param files: folder of the file that is served
    """
    # Without PYTHONPATH, and without what keeps Python from storing bytecode:
    # the peers have theirs from pip.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env["PYTHONHASHSEED"] = "0"
    env["PYTHONWARNINGS"] = "ignore"
    if files:
        env["BENCH_FILES"] = files
    if framework == "ours":
        env["PYTHONPATH"] = str(ROOT)
    return env


class Framework:
    """A worker process, and what it measured."""

    def __init__(self, name, python, files):
        self.name = name
        self.python = python
        self.samples = {}
        self.imports = []
        # Some frameworks log each 404; it is shown if the worker fails.
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - by __exit__
        self._process = subprocess.Popen(
            [python, str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment(name, files),
            cwd=HERE,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()

    def ask(self, *command):
        """Let the worker do something and return its answer."""
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            self._log.seek(0)
            raise SystemExit(
                f"{self.name} ended:\n{self._log.read()[-2000:]}"
            ) from None

    def check(self, scenario, quick):
        """Take part in a row, if the answer is right.

        A wrong answer ends the bench: its time would mean nothing.
        """
        if not self.ask("has", scenario.name):
            return False
        if quick and scenario.slow and self.name not in ("raw", "ours"):
            return False
        problem = self.ask("check", scenario.name)
        if problem:
            raise SystemExit(f"{self.name} answers {scenario.name}: {problem}")
        self.samples[scenario.name] = []
        return True

    def calibrate(self, scenario, seconds):
        """Return how many calls take about so many seconds of CPU."""
        count = 1
        while (spent := self.ask("time", scenario.name, count)) < seconds / 4:
            count *= 4
        return max(1, int(count * seconds / spent))

    def measure(self, scenario, count):
        """Keep one sample, in microseconds a call."""
        spent = self.ask("time", scenario.name, count)
        self.samples[scenario.name].append(spent / count * 1e6)

    def measure_import(self, keep):
        """Import the framework in a fresh process; the first one may compile."""
        modules = import_line(self.name)
        probe = [self.python, "-c", IMPORT_PROBE.format(modules=modules)]
        answer = subprocess.run(
            probe,
            env=environment(self.name),
            cwd=HERE,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        if keep:
            self.imports.append([float(word) for word in answer.stdout.split()])

    def time_of(self, scenario):
        """Return the median of a row, None if it took no part."""
        samples = self.samples.get(scenario.name)
        return median(samples) if samples else None

    def import_of(self):
        """Return medians: milliseconds, modules, megabytes."""
        return [median(column) for column in zip(*self.imports, strict=True)]


def import_line(name):
    """Return what the file of a framework says it imports."""
    text = (HERE / "apps" / f"{FRAMEWORKS[name]}_app.py").read_text()
    return text.split('IMPORTS = "', 1)[1].split('"', 1)[0]


def run(frameworks, scenarios, rounds, seconds, quick=False):
    """Check, then measure round after round, taking turns."""
    plan = []
    for scenario in scenarios:
        able = [
            framework for framework in frameworks if framework.check(scenario, quick)
        ]
        plan += [(scenario, f, f.calibrate(scenario, seconds)) for f in able]
    for number in range(rounds):
        # Every other round backwards, so that nobody always follows the same one.
        for scenario, framework, count in plan[:: 1 if number % 2 else -1]:
            framework.measure(scenario, count)


def table(header, rows):
    """Return a Markdown table."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def shown(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def ratio(one, other):
    return one / other if one and other else None


def report(frameworks, scenarios):
    """Return the results as Markdown: times, ratios, routes."""
    names = [framework.name for framework in frameworks]
    times = [
        [scenario.title, *(shown(f.time_of(scenario)) for f in frameworks)]
        for scenario in scenarios
    ]
    parts = ["CPU µs per request", table(["scenario", *names], times)]
    ours = next((f for f in frameworks if f.name == "ours"), None)
    if ours:
        parts += ["Ours / theirs", ratio_table(ours, frameworks, scenarios)]
        by_name = {scenario.name: scenario for scenario in scenarios}
        if {"routes-10", "routes-10000"} <= by_name.keys():
            value = ratio(
                *(ours.time_of(by_name[n]) for n in ("routes-10000", "routes-10"))
            )
            parts.append(f"Ours, 10,000 routes / 10 routes: {shown(value)} (≤ 1.15)")
    return "\n\n".join(parts) + "\n"


def title():
    """Return the head of a report: what was measured where."""
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"# Bench\n\n{date.today()}, {where}; medians.\n\n"


def import_report(frameworks):
    """Return what imports cost as Markdown."""
    rows = []
    names = [framework.name for framework in frameworks]
    for index, (row, goals) in enumerate(IMPORT_ROWS.items()):
        values = {f.name: f.import_of()[index] for f in frameworks}
        rows.append([row, *(shown(value, 1) for value in values.values())])
        for other, goal in goals:
            if "ours" in values and other in values:
                value = shown(ratio(values["ours"], values[other]))
                rows[-1][0] += f"; ours / {other} {value} (≤ {goal})"
    return "Import\n\n" + table(["", *names], rows) + "\n"


def cell(value, goal):
    """Return a ratio; in brackets its aim, which is marked if it is missed."""
    if not value or not goal:
        return shown(value)
    return f"{value:.2f} ({'≤' if round(value, 2) <= goal else 'missed:'} {goal})"


def ratio_table(ours, frameworks, scenarios):
    """Return our time over that of each other, with the aims in brackets."""
    others = [framework for framework in frameworks if framework is not ours]
    peers = [framework for framework in others if framework.name != "raw"]
    rows, columns = [], {framework.name: [] for framework in others}
    for scenario in scenarios:
        row, goals = [scenario.title], dict(scenario.goals)
        for other in others:
            value = ratio(ours.time_of(scenario), other.time_of(scenario))
            if value and scenario.short:
                columns[other.name].append(value)
            row.append(cell(value, goals.get(other.name)))
        times = {p.name: t for p in peers if (t := p.time_of(scenario))}
        best = min(times.values(), default=None)
        row.append(cell(ratio(ours.time_of(scenario), best), 1.03))
        times.pop("falcon", None)
        best = min(times.values(), default=None)
        row.append(cell(ratio(ours.time_of(scenario), best), goals.get("others")))
        rows.append(row)
    means = [exp(mean(map(log, v))) if v else None for v in columns.values()]
    aims = {"raw": 2.0, "falcon": 0.38}
    rows.append(
        [
            "geometric mean of the short ones",
            *(cell(m, aims.get(n)) for m, n in zip(means, columns, strict=True)),
            *("", ""),
        ]
    )
    return table(["scenario", *columns, "best peer", "best but falcon"], rows)


def as_json(frameworks, scenarios):
    """Return all medians and samples for programs."""
    return {
        "date": str(date.today()),
        "python": platform.python_version(),
        "microseconds": {
            s.name: {f.name: f.time_of(s) for f in frameworks} for s in scenarios
        },
        "samples": {f.name: f.samples for f in frameworks},
        "import": {
            f.name: dict(zip(("ms", "modules", "mb"), f.import_of(), strict=True))
            for f in frameworks
            if f.imports
        },
    }


def parse_arguments():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--peers", type=os.path.abspath, default=sys.executable, help="their Python"
    )
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher")
    parser.add_argument("--only", nargs="*", metavar="SCENARIO", help="rows to run")
    parser.add_argument("--imports", action="store_true", help="imports only")
    parser.add_argument("--frameworks", nargs="*", metavar="NAME", default=FRAMEWORKS)
    parser.add_argument("--rounds", type=int, help="samples of each")
    parser.add_argument("--seconds", type=float, help="CPU time of a sample")
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts")
    return parser.parse_args()


def main():
    """Run the bench and write its results."""
    args = parse_arguments()
    rounds = args.rounds or (5 if args.quick else 31)
    seconds = args.seconds or (0.01 if args.quick else 0.05)
    chosen = [s for s in SCENARIOS if args.only is None or s.name in args.only]
    text = title()
    with ExitStack() as stack:
        files = stack.enter_context(tempfile.TemporaryDirectory())
        Path(files, "file.bin").write_bytes(file_content())
        frameworks = [
            stack.enter_context(Framework(name, args.peers, files))
            for name in args.frameworks
        ]
        if not args.imports:
            run(frameworks, chosen, rounds, seconds, args.quick)
            text += report(frameworks, chosen) + "\n"
    if args.imports or args.only is None:
        for number in range(4 if args.quick else 12):
            for framework in frameworks:
                framework.measure_import(keep=number > 0)
        text += import_report(frameworks)
    write(args.out, "import" if args.imports else "bench", text, frameworks, chosen)
    print(text)


def write(folder, name, text, frameworks, scenarios):
    """Keep the results for people and for programs."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(text)
    result = json.dumps(as_json(frameworks, scenarios), indent=1)
    (folder / f"{name}.json").write_text(result + "\n")


if __name__ == "__main__":
    main()
