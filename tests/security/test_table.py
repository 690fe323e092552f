"""The table of promises names tests that exist, and has no empty cell."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "doc" / "security.rst").read_text()
NAMES = re.findall(r"\| ``([\w/.]+\.py)(?:::(\w+))?``", PAGE)
ROWS = re.findall(r"   \* - (.*)\n     - (.*)\n", PAGE)


def test_each_promise_has_a_test():
    promises = [row for row in ROWS if row[0] != "Promise"]
    assert len(promises) > 60
    assert all(promise.strip() and "``" in tests for promise, tests in promises)


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMES)))
def test_the_tests_that_are_named_exist(path, name):
    tree = ast.parse((TESTS / path).read_text())
    functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    assert (name in functions) if name else functions
