"""Instructions of a request, counted by valgrind: `make bench-instructions`.

    python tests/bench/instructions.py [--frameworks ours raw] [--only static ...]

A number that a busy machine does not change: the difference between a long and
a short run, divided by the requests between them. One process counts all rows of
a framework; it calls getppid() between runs, where callgrind writes down what
was counted and starts anew.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

from scenarios import BY_NAME, SCENARIOS, file_content  # noqa: E402 - beside this
from worker import Worker, call_often  # noqa: E402

#: Requests before anything is counted, in the short run and in the long one.
WARM, SHORT, LONG = 20, 10, 40


def run_rows(framework, names):
    """Run the rows; to be watched by callgrind."""
    worker = Worker(framework)
    names = [name for name in names if worker.has(name)]
    for name in names:
        assert worker.check(name) is None, worker.check(name)
    run_blocks(
        {
            name: (worker.application(name), worker.environ(name), BY_NAME[name].body)
            for name in names
        }
    )


def run_blocks(rows):
    """Run rows of application, environ and body, with marks between them."""
    print(json.dumps(list(rows)))
    for row in rows.values():
        call_often(*row, WARM)
        for count in (SHORT, LONG):
            os.getppid()  # ends what does not count
            call_often(*row, count)
            os.getppid()


def count_rows(framework, names, python=sys.executable):
    """Return {name: instructions of a request}."""
    path = str(ROOT) if framework == "ours" else ""
    return count_blocks([python, "-P", __file__, "--run", framework, *names], path)


def count_blocks(command, path):
    """Let callgrind watch a command that calls `run_blocks`; return its counts."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file.bin").write_bytes(file_content())
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environ |= {"PYTHONHASHSEED": "0", "BENCH_FILES": folder, "PYTHONPATH": path}
        valgrind = [
            *("valgrind", "--tool=callgrind", "--dump-before=getppid"),
            *(f"--callgrind-out-file={folder}/out", "--quiet"),
        ]
        done = subprocess.run(
            [*valgrind, *command],
            env=environ,
            check=True,
            timeout=600,
            stdout=subprocess.PIPE,
        )
        names = json.loads(done.stdout.splitlines()[0])
        # out.1 is all before the first call, out.2 the first short run ...
        counts = [
            int(re.search(r"^(?:totals|summary): (\d+)", file.read_text(), re.M)[1])
            for file in sorted(
                Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:])
            )
        ]
    assert len(counts) == 4 * len(names), "getppid() was not seen by valgrind"
    return {
        name: (counts[4 * i + 3] - counts[4 * i + 1]) // (LONG - SHORT)
        for i, name in enumerate(names)
    }


def main():
    """Count, print a table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--frameworks", nargs="*", default=["raw", "ours"])
    parser.add_argument("--only", nargs="*", metavar="SCENARIO")
    parser.add_argument("--peers", default=sys.executable, help="their Python")
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts")
    args = parser.parse_args()
    if args.run:
        return run_rows(args.run[0], args.run[1:])
    names = args.only or [s.name for s in SCENARIOS if s.short or "file" in s.name]
    result = {
        framework: count_rows(framework, names, args.peers)
        for framework in args.frameworks
    }
    print("instructions per request\n")
    print("| scenario |" + "".join(f" {f} |" for f in result))
    print("| --- |" + " --: |" * len(result))
    for name in names:
        cells = [str(row.get(name, "-")) for row in result.values()]
        print(f"| {BY_NAME[name].title} | {' | '.join(cells)} |")
    args.out.mkdir(exist_ok=True)
    (args.out / "instructions.json").write_text(json.dumps(result, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
