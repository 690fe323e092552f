"""Budgets that keep what is fast fast: instructions and calls, never a time.

Run by `make budgets`. What is compared is a ratio, ours to `raw` in the same run,
with the one stored in baseline.json; whoever makes a row faster stores the new
one:  python tests/bench/test_budgets.py
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
ROWS = [
    *("static", "params", "json", "json-echo", "query", "form", "multipart", "404"),
    *("cookies", "hooks", "routes-1000", "file-304", "file-206", "session"),
]
#: A change below this is left to the next look at `make bench`.
SLACK = 1.08

sys.path.insert(0, str(HERE))
from growth import count_growth  # noqa: E402 - beside this file
from instructions import count_rows  # noqa: E402
from linear import count_instructions, worst_of  # noqa: E402

COUNT_CALLS = """
import json, sys
from worker import BY_NAME, Worker, call_often
worker = Worker("ours")
result = {}
for name in sys.argv[1:]:
    row = worker.application(name), worker.environ(name), BY_NAME[name].body
    call_often(*row, 3)
    count = 0
    def note(frame, event, argument):
        global count
        count += event == "call" and "poorwsgi" in frame.f_code.co_filename
    sys.setprofile(note)
    call_often(*row, 1)
    sys.setprofile(None)
    result[name] = count
print(json.dumps(result))
"""


def count_calls(folder):
    """Return {row: calls of our functions}."""
    (folder / "file.bin").write_bytes(b"content" * 10_000)
    paths = f"{HERE.parent.parent}:{HERE}"
    environ = {**os.environ, "PYTHONPATH": paths, "BENCH_FILES": str(folder)}
    command = [sys.executable, "-c", COUNT_CALLS, *ROWS]
    output = subprocess.run(command, env=environ, check=True, capture_output=True)
    return json.loads(output.stdout)


def ratios():
    """Return {row: our instructions over those of the bare function}."""
    ours, raw = count_rows("ours", ROWS), count_rows("raw", ROWS)
    return {name: round(ours[name] / raw[name], 3) for name in ROWS}


pytestmark = pytest.mark.budget
needs_valgrind = pytest.mark.skipif(
    not shutil.which("valgrind"), reason="needs valgrind"
)


@pytest.fixture(scope="module")
def baseline():
    return json.loads(BASELINE.read_text())


def test_no_row_needs_more_calls(baseline, tmp_path):
    """Of functions of ours; each is 0.05 us at least."""
    calls = count_calls(tmp_path)
    over = {
        name: (count, baseline["calls"][name])
        for name, count in calls.items()
        if count > baseline["calls"][name]
    }
    assert not over


@needs_valgrind
@pytest.mark.timeout(600)
def test_no_row_needs_more_instructions(baseline):
    """Compared with the bare function, so that the Python does not matter much."""
    over = {
        name: (ratio, baseline["ratios"][name])
        for name, ratio in ratios().items()
        if ratio > baseline["ratios"][name] * SLACK
    }
    assert not over


@needs_valgrind
@pytest.mark.timeout(600)
def test_cost_does_not_grow_faster_than_the_request():
    """Flat in the number of routes; linear in headers, cookies and arguments.

    To set 10,000 routes takes valgrind a minute: growth.py by itself has them.
    """
    growth = count_growth(most=1000)
    routes = growth.pop("routes")
    assert max(routes.values()) < 1.1 * min(routes.values())
    for kind, counts in growth.items():
        # The first one loads what none does not need, so it starts at ten.
        first = (counts[20] - counts[10]) / 10
        last = (counts[50] - counts[20]) / 30
        assert last < 1.25 * first, kind


@needs_valgrind
@pytest.mark.timeout(900)
def test_no_parser_grows_faster_than_its_text():
    """Sixteen times the text may cost 24 times the instructions, as promised.

    What is quadratic would cost up to 256 times as much.
    """
    found = count_instructions()
    assert len(found) > 30
    over = {
        name: (text, counts)
        for name, (text, counts) in worst_of(found).items()
        if counts[-1] > 24 * max(counts[0], 20_000)
    }
    assert not over


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        stored = {"calls": count_calls(Path(folder)), "ratios": ratios()}
    BASELINE.write_text(json.dumps(stored, indent=1) + "\n")
