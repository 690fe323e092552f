"""The same hostile requests to us and to others: `make bench-security`.

Each framework runs in a process of its own. An empty cell is an answer as it
should be; anything else says what happened. With --write the table goes into
doc/security-compared.rst. Ends with 1 if we fail anywhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent / "security"
sys.path.insert(0, str(HERE))

from attacks import ATTACKS  # noqa: E402

ROOT = HERE.parent.parent.parent
PAGE = ROOT / "doc" / "security-compared.rst"
PEERS = ["PoorWSGI 2.8.1", "Flask", "Bottle", "Falcon"]


def make_folder(folder):
    """Make a folder that is served, beside what must not be."""
    root = Path(folder, "root")
    root.mkdir()
    (root / "a.txt").write_text("0123456789")
    (root / ".env").write_text("SECRET")
    Path(folder, "secret.txt").write_text("SECRET")
    Path(folder, "root-x").mkdir()
    Path(folder, "root-x", "secret.txt").write_text("SECRET")
    (root / "link.txt").symlink_to(Path(folder, "secret.txt"))
    return str(root)


def verdicts(python, name, root):
    """Run one framework through all attacks."""
    command = [python, str(HERE / "worker.py"), name, root]
    env = {
        "PYTHONPATH": str(ROOT) if name == "poorwsgi" else "",
        "PATH": "/usr/bin:/bin",
    }
    out = subprocess.run(
        command, env=env, capture_output=True, text=True, check=True, timeout=300
    )
    return json.loads(out.stdout)


def table(columns):
    """Return a list-table of attacks and verdicts."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    rows = [["Input", *columns]]
    rows += [
        [attack.name, *(column[n] for column in columns.values())]
        for n, attack in enumerate(ATTACKS)
    ]
    rows.append(["**fails**", *(str(sum(map(bool, c))) for c in columns.values())])
    for row in rows:
        lines += [f"   {'*' if n == 0 else ' '} - {cell}" for n, cell in enumerate(row)]
    return "\n".join(line.rstrip() for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable, help="Python of the others")
    parser.add_argument("--write", action="store_true", help="write the page")
    options = parser.parse_args()
    columns = {}
    with tempfile.TemporaryDirectory() as folder:
        root = make_folder(folder)
        columns["poorwsgi"] = verdicts(sys.executable, "poorwsgi", root)
        for name in PEERS:
            columns[name] = verdicts(options.peers, name, root)
    text = table(columns)
    print(text)
    if options.write:
        head, mark, _ = PAGE.read_text().partition(".. the table\n")
        PAGE.write_text(f"{head}{mark}\n{text}\n")
    if any(columns["poorwsgi"]):
        raise SystemExit(f"poorwsgi {version('poorwsgi')} fails")


if __name__ == "__main__":
    main()
