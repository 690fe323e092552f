"""What the documentation shows is what happens."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

DOC = Path(__file__).parent.parent.parent / "doc"
PAGES = [page for page in sorted(DOC.glob("*.rst")) if ">>> " in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_give_what_it_says(page, monkeypatch, tmp_path):
    """In a folder of its own, for those that write a file."""
    monkeypatch.chdir(tmp_path)
    assert doctest.testfile(str(page), module_relative=False).failed == 0


@pytest.mark.parametrize("name", ["poorwsgi", "poorwsgi.routing", "poorwsgi.response"])
def test_examples_of_a_module_give_what_it_says(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


# -- blocks --------------------------------------------------------------------

#: What a block may be, besides doctests and what is included from examples/:
#: commands, what they print, and what a program writes.
OUTPUT = {"console", "text", "json"}
ALL_PAGES = [*sorted(DOC.glob("*.rst"))]


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_block_is_run_included_or_output(page):
    """A program that nobody runs goes stale; a fragment says that it is one."""
    text = page.read_text()
    assert re.findall(r"^(?! *\.\. ).*::$", text, re.M) == [], "a block without a kind"
    for kind, block in re.findall(
        r"code-block:: (\w+)\n\n((?: +.*\n|\n)+)", text, re.M
    ):
        assert kind in OUTPUT or "not run by our tests" in block, (kind, block)
        assert ">>> " not in block


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_commands_stand_in_blocks_for_them(page):
    """So that the test of commands finds them."""
    text = page.read_text()
    outside = re.sub(r"code-block:: console\n\n(?: +.*\n|\n)+", "", text)
    assert re.findall(r"^ +\$ .*", outside, re.M) == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_what_a_page_includes_is_run(page):
    """It is an example, or a test itself."""
    for path in re.findall(r"literalinclude:: (\S+)", page.read_text()):
        assert (DOC / path).is_file()
        assert path.startswith(("../examples/", "../tests/"))


# -- pictures ------------------------------------------------------------------


def test_every_picture_is_shown_and_every_one_shown_is_taken():
    """With a text for those who don't see it, as where none were taken."""
    taken = re.findall(
        r'Picture\("([\w-]+)"', (DOC.parent / "tests" / "pictures.py").read_text()
    )
    text = "".join(page.read_text() for page in ALL_PAGES)
    shown = re.findall(r"^\.\. picture:: (\S+)\n   :alt: \S.+$", text, re.M)
    assert sorted(shown) == sorted(taken)


def test_no_picture_is_in_the_repository():
    """They are taken where the site is built."""
    ignored = (DOC.parent / ".gitignore").read_text().splitlines()
    assert "doc/_pictures/" in ignored
