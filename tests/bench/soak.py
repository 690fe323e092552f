"""200,000 requests of all kinds, and whether the process grew: `make soak`."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent)]

from scenarios import BY_NAME, file_content  # noqa: E402 - beside this file
from worker import Worker, call_often  # noqa: E402

ROWS = [
    *("static", "params", "json", "json-echo", "query", "form", "multipart", "404"),
    *("cookies", "hooks", "file-304", "session", "routes-10"),
]
#: More than this, in MB, is a leak: 200,000 times 10 bytes.
LIMIT = 2.0


def resident():
    """Return the memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def main():
    """Ask, look at the memory now and then, and fail if it grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "file.bin").write_bytes(file_content())
        os.environ["BENCH_FILES"] = folder
        worker = Worker("ours")
        rows = [
            (worker.application(name), worker.environ(name), BY_NAME[name].body)
            for name in ROWS
        ]
        sizes = []
        for _ in range(11):
            for row in rows:
                call_often(*row, args.requests // 11 // len(rows))
            sizes.append(resident())
    grown = sizes[-1] - sizes[0]
    print("MB after each tenth:", *(f"{size:.1f}" for size in sizes[1:]))
    if grown > LIMIT:
        raise SystemExit(f"grown by {grown:.1f} MB, {LIMIT} are allowed")


if __name__ == "__main__":
    main()
