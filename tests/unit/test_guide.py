"""The guide is complete: whatever can be looked up has an entry."""

import argparse
import importlib
import inspect
import pkgutil
import re
from configparser import ConfigParser
from pathlib import Path

import pytest
import test_walk

import poorwsgi
from poorwsgi import Application
from poorwsgi.__main__ import make_parser
from poorwsgi.config import Option
from poorwsgi.request import Request

ROOT = Path(__file__).parent.parent.parent
DOC = ROOT / "doc"
PACKAGE = ROOT / "poorwsgi"
INDEX = (DOC / "index.rst").read_text()
CHANGELOG = (ROOT / "CHANGELOG.rst").read_text()


def page(name):
    return (DOC / f"{name}.rst").read_text()


def table_rows(text):
    """Return the cells of each row of all list-tables, blanks made one."""
    rows = re.split(r"^ +\* - ", text, flags=re.M)[1:]
    return [
        [" ".join(c.split()) for c in re.split(r"^ +- ", r, flags=re.M)] for r in rows
    ]


# -- options -------------------------------------------------------------------

OPTIONS = {
    name: option
    for cls in reversed(Application.__mro__)
    for name, option in vars(cls).items()
    if isinstance(option, Option)
}
OPTION_ROWS = {
    match[1]: cells
    for cells in table_rows(page("options"))
    if (match := re.search(r"``(\w+)``", cells[0]))
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_has_a_row_with_its_default(name):
    """Name, anchor, default, since which version, and what it does."""
    first, _, default, since, text = OPTION_ROWS[name]
    assert f"_option-{name.replace('_', '-')}:" in first
    value = OPTIONS[name].default
    if isinstance(value, type):
        value = value.__name__
    assert default.strip("`").replace(",", "").strip('"') == str(value)
    assert since in ("2.8.1", "3.0")
    said = " ".join(OPTIONS[name].__doc__.split("\n\n")[0].split()).replace("`", "")
    assert text.replace("`", "").startswith(said)


def test_no_row_is_about_an_option_that_is_gone():
    """What is no `Option` is a plain attribute of each application."""
    app = Application("guide")
    assert [
        name for name in OPTION_ROWS if name not in ("Name",) and not hasattr(app, name)
    ] == []


@pytest.mark.parametrize(
    "option", ["debug", "document_root", "document_index", "secret_key"]
)
def test_an_option_names_its_variable(option):
    """That of the environment, which goes before it."""
    name = "poor_" + "".join(word.capitalize() for word in option.split("_"))
    assert f"``{name}``" in OPTION_ROWS[option][-1]


# -- variables, commands, extras -----------------------------------------------


def variables():
    """Return the variables of the environment that the package names."""
    name = re.compile(
        r'"((?:poor_[A-Z]|poor\.[A-Z]|POORWSGI_|NO_COLOR|SERVER_ADMIN)\w*)"'
    )
    files = [path.read_text() for path in PACKAGE.glob("*.py")]
    return sorted({found for text in files for found in name.findall(text)})


@pytest.mark.parametrize("name", variables())
def test_a_variable_of_the_environment_has_an_entry(name):
    """In the table, or in the paragraph below it."""
    below = page("options").partition(".. _environment-variables:")[2]
    assert f"``{name}``" in below


def commands():
    """Yield (command, option) for all that the command line takes."""
    for action in make_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, parser in action.choices.items():
                yield name, f"poorwsgi {name}"
                for option in parser._actions:
                    yield from (
                        (name, o) for o in option.option_strings if o[:2] == "--"
                    )


@pytest.mark.parametrize(("command", "text"), list(commands()))
def test_a_command_and_its_options_have_an_entry(command, text):
    """On the page of the command line, or on the one that it leads to."""
    pages = re.sub(r"\s+", " ", page("cli") + page("profiling"))
    assert text in pages


def extras():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return list(setup["options.extras_require"])


@pytest.mark.parametrize("name", extras())
def test_an_extra_has_an_entry(name):
    """With what it installs, or in the line about those for developers."""
    assert f"``{name}``" in page("extras") or f"``{name}``" in page("extras").lower()


# -- public names --------------------------------------------------------------

MODULES = [
    f"poorwsgi.{info.name}"
    for info in pkgutil.iter_modules(poorwsgi.__path__)
    if not info.name.startswith("_")
]


def public_objects(module):
    """Yield (name, object) of the functions, classes and methods of a module."""
    for name, value in vars(module).items():
        ours = getattr(value, "__module__", None) == module.__name__
        if name.startswith("_") or not ours:
            continue
        if name not in getattr(module, "__all__", vars(module)):
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            for member, inner in vars(value).items():
                inner = getattr(inner, "__func__", inner)
                if not member.startswith("_") and inspect.isfunction(inner):
                    yield f"{name}.{member}", getattr(value, member)


@pytest.mark.parametrize("name", MODULES)
def test_public_names_are_in_the_reference(name):
    """`make docs` fails if one has no entry; here each has a text to stand there."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"its extra is not installed: {error}")
    missing = [n for n, value in public_objects(module) if not inspect.getdoc(value)]
    assert missing == []


def test_attributes_of_a_request_have_an_entry():
    """Each one, and none that is gone."""
    names = {
        name
        for cls in Request.__mro__
        for name, value in vars(cls).items()
        if not name.startswith("_") and not inspect.isfunction(value)
    }
    rows = {cells[0].strip("`") for cells in table_rows(page("request-attributes"))}
    assert rows == names | {"app"}


# -- the map -------------------------------------------------------------------


def test_the_page_of_the_architecture_has_the_layers_of_the_code():
    """Those that the test of the layers holds."""
    table = re.search(
        r"^Layer  Modules\n=+  =+\n(.+?)^=+  =+$", page("architecture"), re.M | re.S
    )
    shown = re.split(r"^\d +", table[1], flags=re.M)[1:]
    told = [re.findall(r"\w+", layer) for layer in shown]
    assert [set(layer) for layer in told] == [set(x) for x in test_walk.LAYERS]


def test_the_map_has_every_module():
    """And no other."""
    listed = set(re.findall(r"^``(\w+)``  ", page("architecture"), re.M))
    assert listed == set(test_walk.GRAPH) - {"__init__", "__main__"}


# -- moving --------------------------------------------------------------------


def behaviours():
    found = re.findall(r"^- (\*\*Behaviour:\*\*.*\n(?:  .*\n)*)", CHANGELOG, re.M)
    return [" ".join(text.split()) for text in found]


@pytest.mark.parametrize("line", behaviours())
def test_each_change_of_behaviour_stands_on_the_page_about_moving(line):
    """With all the names that the changelog gives."""
    text = re.sub(r"\s+", " ", page("moving"))
    assert [name for name in re.findall(r"``(.+?)``", line) if name not in text] == []


# -- finding things ------------------------------------------------------------

QUESTIONS = [
    ("How do I start?", "tutorial", "Two pages"),
    ("How do I get a parameter out of the path?", "routing", "Filters"),
    ("How do I read the query?", "forms", "A number that may be wrong"),
    ("How do I read a form?", "forms", "A form that is shown again"),
    ("How do I read JSON?", "forms", "JSON"),
    ("How do I take an upload?", "uploads", "Uploads"),
    ("How do I return JSON, a status, a header?", "responses", "Responses"),
    ("How do I redirect?", "stopping", "Stopping a handler"),
    ("How do I make my own page of 404?", "errors", "Errors"),
    (
        "How do I do something before each request?",
        "hooks",
        "Hooks and filters of output",
    ),
    ("What is a blueprint here?", "routing", "Groups of routes"),
    (
        "May I keep all routes in one table?",
        "routing",
        "Decorators, groups or one table",
    ),
    ("How do I build a URL?", "routing", "Names"),
    ("How do I keep a user logged in?", "sessions", "A dictionary in a cookie"),
    ("How do I check a password?", "auth", "Basic"),
    ("How do I stop forged requests?", "auth", "Forged requests"),
    ("How do I serve static files?", "static", "Files and directories"),
    ("How do I test my application?", "testing", "Testing an application"),
    ("How do I deploy it behind nginx?", "deployment", "uWSGI behind nginx"),
    ("What is `app.config` here?", "options", "Options and variables"),
    ("What is `g` here?", "variables", "On the request"),
    ("How do I stream?", "streaming", "Streaming"),
    ("How do I see the routes and debug?", "debug-info", "The page /debug-info"),
    ("How do I read and set a cookie?", "sessions", "Other cookies"),
    ("How do I use WebSockets?", "websockets", "WebSockets"),
    ("Why is it slow here?", "profiling", "One request by a click"),
    ("Which limits are there?", "limits", "Limits"),
    ("What is `flask run` here?", "newcomers", "Tools"),
    ("What is Flask's X called here?", "newcomers", "From Flask, Bottle and Falcon"),
]


def entries():
    """Return the pages that the start page links."""
    return set(re.findall(r"^   ([a-z][\w-]+)$", INDEX, re.M))


@pytest.mark.parametrize(("question", "name", "title"), QUESTIONS)
def test_an_everyday_question_is_two_clicks_away(question, name, title):
    """To the page and its heading, or to the page of questions and from there."""
    assert {name, "questions"} <= entries()
    assert title in re.findall(r"^(.+)\n[=~-]{3,}$", page(name), re.M)
    text = re.sub(r"\s+", " ", page("questions"))
    asked = question.replace("`", "")
    assert f":ref:`{asked} <{name}:{title}>`" in text


def test_every_page_is_linked_from_the_start_page():
    """And whatever is linked is there."""
    pages = {path.stem for path in DOC.glob("*.rst")}
    assert entries() == pages - {"index"}


# -- blocks --------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DOC.glob("*.rst")), ids=lambda path: path.stem)
def test_a_file_that_a_page_includes_is_there(path):
    """With the lines that the page starts and ends at."""
    blocks = re.findall(
        r"literalinclude:: (\S+)\n((?:   :.*\n)*)", path.read_text(), re.M
    )
    for name, options in blocks:
        text = (DOC / name).read_text()
        for mark in re.findall(r":(?:start|end)-\w+: (.+)", options):
            assert mark in text, (name, mark)


@pytest.mark.parametrize("path", sorted(DOC.glob("*.rst")), ids=lambda path: path.stem)
def test_a_block_of_python_at_least_compiles(path):
    """Programs are included from examples or are doctests; these are fragments."""
    text = path.read_text()
    for block in re.findall(r"code-block:: python\n((?:   .*\n|\n)+)", text):
        compile(inspect.cleandoc(block), str(path), "exec")


# -- versions ------------------------------------------------------------------

CONSTRAINTS = dict(
    re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M)
)


def version_rows(name):
    """Return {what: versions} of the table of versions of a page."""
    text = page(name).partition("\nVersions that the tests ran\n")[2]
    table = re.search(r"^What +Versions\n=+ +=+\n(.+?)^=+ +=+$", text, re.M | re.S)
    return dict(re.split(r"  +", row, maxsplit=1) for row in table[1].splitlines())


VERSIONS_OF = {
    "moesif": "urllib3 Flask Bottle Pyramid Starlette FastAPI Django requests",
    "perimeterx": "cryptography Flask Django",
}


@pytest.mark.parametrize("name", VERSIONS_OF)
def test_the_table_of_versions_is_what_the_tests_install(name):
    """What `make` installs stands in constraints.txt."""
    shown = version_rows(name)
    pythons = shown.pop("Python").split(", ")
    packages = VERSIONS_OF[name].split()
    assert shown == {package: CONSTRAINTS[package.lower()] for package in packages}
    oldest = re.search(r"python_requires = >=(\S+)", (ROOT / "setup.cfg").read_text())
    assert pythons[0] == oldest[1]
