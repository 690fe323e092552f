"""Check a wheel and an sdist: their content, and an import in a clean place.

python tests/packaging/check_build.py dist
"""

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
#: Modules that any installation can import, whatever it lacks.
CORE = [
    *("state", "headers", "cookies", "config", "render", "multipart"),
    *("routing", "response", "fieldstorage", "session"),
    *("body", "request", "static", "results", "wsgi", "urlencoded", "jsonstream"),
    *("testing", "__main__"),
]
AT_THE_TOP = [
    *("LICENSE", "README.rst", "CHANGELOG.rst", "SECURITY.rst", "CONTRIBUTING.rst"),
    *("MANIFEST.in", "Makefile", "setup.cfg", "pyproject.toml"),
]

#: Runs isolated, so that the checkout can't help: no cwd, no user site.
IMPORT_ALL = """
import importlib, sys, sysconfig
known = set(sys.modules)  # what Python itself loads from an environment
for name in sys.argv[1:]:
    importlib.import_module("poorwsgi." + name)
own = sys.modules["poorwsgi"].__path__[0]
places = sysconfig.get_paths()
standard = (places["stdlib"], places["platstdlib"])
strangers = [
    name
    for name, module in sorted(sys.modules.items())
    if name not in known
    and (path := getattr(module, "__file__", None))
    and not path.startswith(own)
    and ("site-packages" in path or not path.startswith(standard))
]
assert "site-packages" in own, own
assert not strangers, f"third-party modules got loaded: {strangers}"
print(f"{len(sys.argv) - 1} modules imported, nothing foreign loaded")
"""


def package_files():
    """Return what git knows of the package, as paths from the root."""
    command = ["git", "ls-files", "poorwsgi"]
    listed = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        return set(listed.stdout.split())
    found = (ROOT / "poorwsgi").rglob("*")
    return {
        str(path.relative_to(ROOT))
        for path in found
        if path.is_file() and path.suffix != ".pyc"
    }


def check_wheel(wheel):
    """The wheel has the whole package and its licence, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    missing = package_files() - names
    assert not missing, f"{wheel.name} lacks {sorted(missing)}"
    strangers = names - metadata - package_files()
    assert not strangers, f"{wheel.name} has {sorted(strangers)}"
    assert any(name.endswith("/LICENSE") for name in metadata), "no LICENSE"
    assert any(name.endswith("/entry_points.txt") for name in metadata)


def check_sdist(sdist):
    """The sdist has what is needed to build, test and read."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = package_files() | set(AT_THE_TOP)
    assert wanted <= names, f"{sdist.name} lacks {sorted(wanted - names)}"
    assert any(name.startswith("tests/unit/") for name in names)
    litter = [n for n in names if n.endswith(".pyc") or n.startswith("doc/_build")]
    assert not litter, litter


def check_import(wheel):
    """Installed alone, the core imports and loads the standard library only."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = Path(folder, "bin", "python")
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-index", wheel.resolve()], check=True, cwd=folder)
        command = [python, "-I", "-c", IMPORT_ALL, *CORE]
        subprocess.run(command, check=True, cwd=folder)
        command = [Path(folder, "bin", "poorwsgi"), "--help"]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)


def main(dist):
    """Check what one build left in a folder."""
    (wheel,) = Path(dist).glob("*.whl")
    (sdist,) = Path(dist).glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)
    check_import(wheel)
    print(f"{wheel.name} and {sdist.name} are good")


if __name__ == "__main__":
    main(sys.argv[1])
