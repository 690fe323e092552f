"""The documentation page has every option, attribute, row and program."""

import doctest
import importlib
import re
from pathlib import Path

import pytest

from poorwsgi.perimeterx.config import OPTIONS
from poorwsgi.perimeterx.verifier import ROWS

from .test_perimeterx_context import ATTRIBUTES

PAGE = Path(__file__).parents[3] / "doc" / "perimeterx.rst"
TEXT = PAGE.read_text()


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented_with_its_default(option):
    entry = re.search(rf"^.*``{option.name}``.* \((.*)\)$", TEXT, re.MULTILINE)
    assert entry, option.name
    told = entry[1]
    default = option.default
    if isinstance(default, tuple):
        default = list(default)
    if option.name in ("app_id", "cookie_key", "auth_token"):
        assert "required" in told
    elif default is None:
        assert "default none" in told
    else:
        assert f"default ``{default!r}``".replace("'", '"') in told


@pytest.mark.parametrize("name", ATTRIBUTES.split())
def test_every_attribute_of_the_context_is_documented(name):
    assert f"``{name}``" in TEXT


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number))
def test_every_row_is_documented(row):
    (entry,) = re.findall(
        rf"^   \* - {row.number}\n(.*?)(?=^   \* - |^\S)",
        TEXT,
        re.MULTILINE | re.DOTALL,
    )
    assert f"``{row.reason}``" in entry if row.reason else "recorded" in entry


def test_included_programs_exist():
    paths = re.findall(r"literalinclude:: (\S+)", TEXT)
    folder = PAGE.parent.parent / "examples" / "perimeterx"
    shown = {path.rpartition("/")[2] for path in paths if "/perimeterx/" in path}
    assert shown == {path.name for path in folder.glob("*.py")}
    assert all((PAGE.parent / path).is_file() for path in paths)


@pytest.mark.parametrize("name", ["verifier", "blocking", "tokens"])
def test_examples_of_a_module_give_what_it_says(name):
    module = importlib.import_module(f"poorwsgi.perimeterx.{name}")
    result = doctest.testmod(module)
    assert result.attempted
    assert result.failed == 0
