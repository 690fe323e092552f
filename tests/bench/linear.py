"""Instructions of each parser of client text, at three sizes: `python linear.py`.

A time says as much about a busy machine as about a parser; instructions don't. The
parsers and the hostile texts are those of tests/security/test_linear.py, where
there are more texts, and time is looked at.
"""

import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

SIZES = (1024, 4096, 16384)
#: Texts that have hurt parsers of all kinds; more are tried where time is measured.
UNITS = [
    *('"', "\\", ",", ";", "=", " ", "a", "/", "%41", "&"),
    *("a=b;", 'a="b', "/../", "é", "q=0.5,", "0-0,", "a=b&"),
    *("\r\n--x", "[1,", '{"a":'),
]
#: Rules whose groups can share the text of a path.
RULES = ["/<a>-<b>-<c>!", "/<a:path>/<b:path>/<c:path>!", "/<a:float>-<b:float>!"]


def rows():
    """Yield the name of each parser, its function and its texts."""
    sys.path.insert(0, str(ROOT / "tests"))
    from security.test_linear import PARSERS, text_of

    from poorwsgi import Application

    for name, parse in PARSERS.items():
        for unit in UNITS:
            yield name, unit, parse, [text_of(unit, size) for size in SIZES]
    app = Application("rules")
    for number, rule in enumerate(RULES):
        app.set_route(f"/{number}{rule}", lambda req, *values: "")
        for unit in ("-", "/", "1-", "a/", "."):
            texts = [f"/{number}/" + text_of(unit, size) for size in SIZES]
            find = app._router.find
            yield f"rule {rule}", unit, lambda path, find=find: find(path, "GET"), texts


def run():
    """Parse everything once, with a mark behind each text."""
    gc.disable()
    todo = list(rows())
    print(json.dumps([[name, unit] for name, unit, *_ in todo]))
    for _, _, parse, texts in todo:
        parse(texts[0])  # loads what is loaded by the first call
    os.getppid()
    for _, _, parse, texts in todo:
        for text in texts:
            parse(text)
            os.getppid()


def count_instructions():
    """Return {parser: {text: instructions at each size}}."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *("valgrind", "--tool=callgrind", "--dump-before=getppid", "--quiet"),
            f"--callgrind-out-file={folder}/out",
            *(sys.executable, "-P", __file__, "--run"),
        ]
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        environ |= {"PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, env=environ, check=True, timeout=900, stdout=subprocess.PIPE
        )
        names = json.loads(done.stdout.splitlines()[0])
        files = sorted(Path(folder).glob("out.*"), key=lambda p: int(p.suffix[1:]))
        counts = [total_of(file) for file in files]
    assert len(counts) >= 1 + len(SIZES) * len(names), "marks are missing"
    found = {}
    for number, (name, unit) in enumerate(names):
        first = 1 + number * len(SIZES)
        found.setdefault(name, {})[unit] = counts[first : first + len(SIZES)]
    return found


def total_of(file):
    """Return the instructions of one part; only the end of the file is read."""
    text = file.read_text()
    return int(re.search(r"^(?:totals|summary): (\d+)", text, re.M)[1])


def worst_of(found):
    """Return {parser: the text that grows most, and its instructions}."""
    return {
        name: max(texts.items(), key=lambda item: item[1][-1] / item[1][0])
        for name, texts in found.items()
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run()
    else:
        print(f"| parser | text that grows most |{' | '.join(map(str, SIZES))} |")
        for name, (unit, counts) in worst_of(count_instructions()).items():
            print(f"| {name} | {unit!r} | {' | '.join(map(str, counts))} |")
