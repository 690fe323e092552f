"""What the documentation shows is what happens."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

DOC = Path(__file__).parent.parent.parent / "doc"
PAGES = [page for page in sorted(DOC.glob("*.rst")) if ">>> " in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_give_what_it_says(page):
    assert doctest.testfile(str(page), module_relative=False).failed == 0


@pytest.mark.parametrize("name", ["poorwsgi", "poorwsgi.routing", "poorwsgi.response"])
def test_examples_of_a_module_give_what_it_says(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["routing", "requests", "responses"])
def test_programs_that_a_page_includes_exist(name):
    text = (DOC / f"{name}.rst").read_text()
    for path in re.findall(r"literalinclude:: (\S+)", text):
        assert (DOC / path).is_file()
