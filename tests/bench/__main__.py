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
from math import exp, log
from pathlib import Path
from statistics import mean, median

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from scenarios import SCENARIOS  # noqa: E402 - beside this file
from worker import FRAMEWORKS  # noqa: E402

IMPORT_PROBE = """
import sys
from resource import RUSAGE_SELF, getrusage
from time import process_time
before, begin = len(sys.modules), process_time()
import {modules}
spent = process_time() - begin
print(spent * 1000, len(sys.modules) - before, getrusage(RUSAGE_SELF).ru_maxrss / 1024)
"""


def environment(framework):
    """Return the process environment: only ours sees the checkout."""
    # Without PYTHONPATH, and without what keeps Python from storing bytecode:
    # the peers have theirs from pip.
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    env["PYTHONHASHSEED"] = "0"
    env["PYTHONWARNINGS"] = "ignore"
    if framework == "ours":
        env["PYTHONPATH"] = str(ROOT)
    return env


class Framework:
    """A worker process, and what it measured."""

    def __init__(self, name, python):
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
            env=environment(name),
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

    def check(self, scenario):
        """Take part in a row, if the answer is right.

        A wrong answer ends the bench: its time would mean nothing.
        """
        if not self.ask("has", scenario.name):
            return False
        problem = self.ask("check", scenario.name)
        if problem:
            raise SystemExit(f"{self.name} answers {scenario.name}: {problem}")
        self.samples[scenario.name] = []
        return True

    def calibrate(self, scenario, seconds):
        """Return how many calls take about so many seconds of CPU."""
        count = 100
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


def run(frameworks, scenarios, rounds, seconds):
    """Check, then measure round after round, taking turns."""
    plan = []
    for scenario in scenarios:
        able = [framework for framework in frameworks if framework.check(scenario)]
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
    """Return the results as Markdown: times, ratios, imports."""
    names = [framework.name for framework in frameworks]
    by_name = dict(zip(names, frameworks, strict=True))
    times = [
        [scenario.title, *(shown(f.time_of(scenario)) for f in frameworks)]
        for scenario in scenarios
    ]
    parts = ["CPU µs per request", table(["scenario", *names], times)]
    ours = by_name.get("ours")
    if ours:
        parts += ["Ours / theirs", ratio_table(ours, frameworks, scenarios)]
    imports = [
        [title, *(shown(f.import_of()[index], 1) for f in frameworks)]
        for index, title in enumerate(
            ("import, CPU ms", "modules loaded", "memory, MB")
        )
    ]
    parts += ["Import", table(["", *names], imports)]
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    return "\n\n".join([f"# Bench\n\n{where}; medians.", *parts]) + "\n"


def ratio_table(ours, frameworks, scenarios):
    """Return our time over that of each other, with the aims in brackets."""
    others = [framework for framework in frameworks if framework is not ours]
    rows, columns = [], {framework.name: [] for framework in others}
    for scenario in scenarios:
        row = [scenario.title]
        for other in others:
            value = ratio(ours.time_of(scenario), other.time_of(scenario))
            goal = dict(scenario.goals).get(other.name)
            if value:
                columns[other.name].append(value)
            row.append(shown(value) + (f" (≤ {goal})" if goal else ""))
        rows.append(row)
    means = [exp(mean(map(log, v))) if v else None for v in columns.values()]
    rows.append(["geometric mean", *map(shown, means)])
    return table(["scenario", *columns], rows)


def as_json(frameworks, scenarios):
    """Return all medians and samples for programs."""
    return {
        "python": platform.python_version(),
        "microseconds": {
            s.name: {f.name: f.time_of(s) for f in frameworks} for s in scenarios
        },
        "samples": {f.name: f.samples for f in frameworks},
        "import": {
            f.name: dict(zip(("ms", "modules", "mb"), f.import_of(), strict=True))
            for f in frameworks
        },
    }


def parse_arguments():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--peers", type=os.path.abspath, default=sys.executable, help="their Python"
    )
    parser.add_argument("--quick", action="store_true", help="under a minute, rougher")
    parser.add_argument("--only", nargs="*", metavar="SCENARIO", help="rows to run")
    parser.add_argument("--frameworks", nargs="*", metavar="NAME", default=FRAMEWORKS)
    parser.add_argument("--rounds", type=int, help="samples of each")
    parser.add_argument("--seconds", type=float, help="CPU time of a sample")
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts")
    return parser.parse_args()


def main():
    """Run the bench and write its results."""
    args = parse_arguments()
    rounds = args.rounds or (7 if args.quick else 31)
    seconds = args.seconds or (0.02 if args.quick else 0.05)
    scenarios = [s for s in SCENARIOS if not args.only or s.name in args.only]
    with ExitStack() as stack:
        frameworks = [
            stack.enter_context(Framework(name, args.peers)) for name in args.frameworks
        ]
        run(frameworks, scenarios, rounds, seconds)
    for number in range(4 if args.quick else 10):
        for framework in frameworks:
            framework.measure_import(keep=number > 0)
    text = report(frameworks, scenarios)
    args.out.mkdir(exist_ok=True)
    (args.out / "bench.md").write_text(text)
    result = json.dumps(as_json(frameworks, scenarios), indent=1)
    (args.out / "bench.json").write_text(result + "\n")
    print(text)


if __name__ == "__main__":
    main()
