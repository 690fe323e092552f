"""Build wheel and sdist twice; both times the same bytes must come out.

python tests/packaging/reproduce.py dist

Times in the archives are SOURCE_DATE_EPOCH, by default that of the last commit,
so that anybody can build what was published and compare.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def source_date() -> str:
    """Return the time that all files get, in seconds since the epoch."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    command = ["git", "log", "-1", "--format=%ct"]
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    # Out of a tree without git: the first second that a zip file can hold.
    return told.stdout.strip() or "315532800"


def normalise(sdist: Path, when: int) -> None:
    """Write an sdist anew without what differs from machine to machine.

    setuptools leaves the times, owners and order of the files as it finds them,
    and gzip notes when it ran.
    """
    packed = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=packed, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            content = old.extractfile(member) if member.isfile() else None
            member.mtime = when
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, content)
    sdist.write_bytes(gzip.compress(packed.getvalue(), mtime=when))


def build(folder: Path, env: dict[str, str]) -> dict[str, str]:
    """Build both into a folder and return their hashes."""
    for litter in ("build", "poorwsgi.egg-info"):
        # Left by the build before, it would be taken for a source.
        shutil.rmtree(ROOT / litter, ignore_errors=True)
    command = [sys.executable, "-m", "build", "-o", str(folder), str(ROOT)]
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    (sdist,) = folder.glob("*.tar.gz")
    normalise(sdist, int(env["SOURCE_DATE_EPOCH"]))
    return {
        path.name: sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


def main(dist: str) -> None:
    """Build into *dist*, and once more beside it."""
    env = {**os.environ, "SOURCE_DATE_EPOCH": source_date()}
    first = build(Path(dist), env)
    with tempfile.TemporaryDirectory() as folder:
        second = build(Path(folder), env)
    if first != second:
        raise SystemExit(f"two builds differ:\n{first}\n{second}")
    for name, digest in first.items():
        print(f"{digest}  {name}")
    print(f"built twice, equal, with SOURCE_DATE_EPOCH={env['SOURCE_DATE_EPOCH']}")


if __name__ == "__main__":
    main(sys.argv[1])
