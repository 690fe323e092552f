"""The README tells the truth: its program runs, its commands and files exist."""

import re
from pathlib import Path

import pytest

from poorwsgi.testing import TestClient

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.rst").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))


def block(kind):
    """Return the first block of code of a kind."""
    match = re.search(rf"^\.\. code-block:: {kind}\n\n((?: .*\n|\n)+)", README, re.M)
    return re.sub(r"^ {4}", "", match[1], flags=re.M)


def test_the_first_program_runs():
    """Ten lines of code and a little air, answered as they read."""
    names = {"__name__": "readme"}
    exec(compile(block("python"), "README.rst", "exec"), names)
    client = TestClient(names["application"])
    answer = client.get("/hello/Joe", headers={"User-Agent": "test"})
    assert answer.json == {"hello": "Joe", "agent": "test"}
    missing = client.get("/none")
    assert (missing.status_code, missing.text) == (404, "Nothing at /none.")
    assert len([line for line in block("python").splitlines() if line]) <= 11


def commands():
    """Return what is typed after each prompt."""
    return re.findall(r"^ +\$ (.+)$", README, re.M)


def test_the_first_two_commands_are_run_and_test():
    """One that serves, one that tests."""
    assert commands()[:2] == ["make run", "make test"]


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z-]+)", README))))
def test_make_targets_exist(target):
    """Each one that is named; `make run` and `make test` run elsewhere."""
    assert target in TARGETS


LINKS = re.findall(r"<([\w./-]+\.rst|LICENSE)>`_|^\.\. _.+: (\S+)$", README, re.M)


@pytest.mark.parametrize("path", [one or other for one, other in LINKS])
def test_links_lead_somewhere(path):
    """Links are paths in the repository, no network is needed."""
    assert (ROOT / path).is_file()


def test_every_target_is_described_in_the_help():
    """`make` alone lists them all, files and internal aliases aside."""
    described = set(re.findall(r"^([a-z][a-z0-9-]*):.*## ", MAKEFILE, re.M))
    assert TARGETS - described <= {"build-check"}


def test_the_targets_of_the_project_are_there():
    """What people and CI rely on."""
    wanted = """help venv run test live browser lint format types docs bench
    coverage build clean system check test-pythons"""
    assert set(wanted.split()) <= TARGETS


def test_targets_are_phony():
    """A file called `test` must not stop `make test`."""
    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.M)).split())
    assert phony >= TARGETS


def test_ci_has_no_command_of_its_own():
    """It calls make, nothing else."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    run = [line for line in lines if line and not line.startswith(("#", "set", "cd"))]
    assert run == ["export POORWSGI_REQUIRE_SERVERS=1", "make system", "make check"]
