"""Fuzzing led by coverage: `make fuzz-guided`, by atheris, for as long as wanted.

What reaches lines that nothing reached before is kept and changed further, so it
finds what blind mutations do not. Inputs, applications and checks are those of
fuzz_requests.py and fuzz_bodies.py. What fails is written to `crash-...`, and run
again by naming that file; then it becomes a plain test.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["poorwsgi"]):
    from fuzz import fuzz_bodies, fuzz_requests

HERE = Path(__file__).parent
NAMES = list(fuzz_requests.INPUTS)


class Guided:
    """Makes a request of the bytes that atheris asks about."""

    def __init__(self, folder: Path):
        self.requests = fuzz_requests.Target(folder)
        self.bodies = fuzz_bodies.Target("guided")

    def one(self, data: bytes) -> None:
        """Send one request: the first byte says which, the rest is the input."""
        if len(data) < 3:
            return
        kind = data[0] % (len(NAMES) + len(fuzz_bodies.SEEDS))
        rng, text = random.Random(data[1]), data[2:]
        if kind < len(NAMES):
            self.request(rng, NAMES[kind], text)
        else:
            self.bodies.send(rng, fuzz_bodies.SEEDS[kind - len(NAMES)][0], text)

    def request(self, rng: random.Random, name: str, text: bytes) -> None:
        """Send a request with one input that is *text*."""
        what = fuzz_requests.INPUTS[name]
        self.requests.send(rng, name, self.requests.with_input(rng, what, text), text)


def write_corpus(folder: Path) -> None:
    """Write the good inputs that everything starts from."""
    for number, name in enumerate(NAMES):
        for nth, seed in enumerate(fuzz_requests.INPUTS[name].seeds):
            path = folder / f"{name.replace(' ', '-')}-{nth}"
            path.write_bytes(bytes([number, nth]) + seed)
    for number, (_, seed) in enumerate(fuzz_bodies.SEEDS, len(NAMES)):
        (folder / f"body-{number}").write_bytes(bytes([number, 0]) + seed)


def main() -> None:
    """Run for some seconds, or what is in one file again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("file", nargs="?", help="a failure to run again")
    options = parser.parse_args()
    logging.getLogger("poorwsgi").setLevel(logging.CRITICAL)
    found = HERE / "found"
    found.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root, corpus = Path(folder, "root"), Path(folder, "corpus")
        root.mkdir()
        corpus.mkdir()
        write_corpus(corpus)
        guided = Guided(root)
        arguments = [f"-artifact_prefix={found}/", "-timeout=10", "-max_len=4096"]
        if options.file:
            arguments.append(options.file)
        else:
            arguments += [f"-max_total_time={options.seconds}", str(corpus)]
        atheris.Setup([sys.argv[0], *arguments], guided.one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
