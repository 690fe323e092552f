"""Run the unit tests on every Python >= 3.11 that this machine has.

Looks on the PATH and among the versions of pyenv. Each gets an environment of
its own, `.venv-3.12` and so on. Arguments are passed on to pytest.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
OLDEST, NEWEST = 11, 20
ASK = "import platform, sys; print(platform.python_version(), *sys.version_info[:2])"


def candidates():
    """Yield programs that may be a Python."""
    for minor in range(OLDEST, NEWEST):
        if found := shutil.which(f"python3.{minor}"):
            yield found
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob("versions/3.*/bin/python3")))


def interpreters():
    """Return {"3.12": program}, the first that answers for each version."""
    found = {}
    for program in [sys.executable, *candidates()]:
        answer = subprocess.run(
            [program, "-c", ASK], capture_output=True, text=True, check=False
        )
        # A shim of pyenv is there for versions that aren't switched on, too.
        if answer.returncode == 0:
            _, major, minor = answer.stdout.split()
            if int(minor) >= OLDEST:
                found.setdefault(f"{major}.{minor}", program)
    return found


def environment(version, program):
    """Make or refresh the environment of one version; return its Python."""
    if program == sys.executable:
        return sys.executable
    folder = ROOT / f".venv-{version}"
    python, stamp = folder / "bin/python", folder / ".ready"
    files = ("setup.cfg", "constraints.txt")
    newest = max((ROOT / name).stat().st_mtime for name in files)
    if not stamp.exists() or stamp.stat().st_mtime < newest:
        subprocess.run([program, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        pip += ["-c", ROOT / "constraints.txt"]
        subprocess.run([*pip, "-e", f"{ROOT}[test]"], check=True)
        stamp.touch()
    return str(python)


def main(arguments):
    """Run the tests on each version; return the number that failed."""
    results = {}
    for version, program in interpreters().items():
        print(f"== Python {version}: {program}", flush=True)
        command = [environment(version, program), "-m", "pytest", "-q"]
        command += ["-n", "auto", "--dist", "loadfile", *arguments]
        results[version] = subprocess.run(command, cwd=ROOT, check=False).returncode
    for version, status in results.items():
        print(f"Python {version}: {'failed' if status else 'passed'}")
    return sum(map(bool, results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
