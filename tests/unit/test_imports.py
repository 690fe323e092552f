"""What importing loads. Lists, never milliseconds: `make bench` shows those."""

import json
import logging
import pkgutil
import subprocess
import sys

import pytest

import poorwsgi

#: The standard library would load ssl, socket, and much else with these.
EXPENSIVE = {
    *("http.client", "http.cookies", "email", "dataclasses", "inspect", "tempfile"),
    *("mimetypes", "uuid", "asyncio", "argparse", "socket", "ssl", "wsgiref"),
    *("urllib.request", "hashlib", "sqlite3", "html", "unittest", "subprocess"),
}
#: Modules of ours that a request for a static route needs.
FOR_AN_APPLICATION = {
    *(
        "poorwsgi",
        "poorwsgi.state",
        "poorwsgi.blocks",
        "poorwsgi.headers",
        "poorwsgi.config",
    ),
    *("poorwsgi.routing", "poorwsgi.response", "poorwsgi.request"),
    *("poorwsgi.registry", "poorwsgi.wsgi"),
    # What forms are made of: Request names their classes.
    *("poorwsgi.body", "poorwsgi.fieldstorage", "poorwsgi.multipart"),
    *("poorwsgi.urlencoded", "poorwsgi.signature"),
}
FEATURES = sorted(
    info.name
    for info in pkgutil.walk_packages(poorwsgi.__path__, "poorwsgi.")
    if f"poorwsgi.{info.name.split('.')[1]}" not in FOR_AN_APPLICATION
)

#: Makes every package that isn't of the standard library look uninstalled.
NOTHING_INSTALLED = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "poorwsgi":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""

SERVE = """
from poorwsgi import Application
app = Application("fresh")
@app.route("/")
def hello(req):
    return "Hello, World!"
@app.route("/item/<id:int>")
def item(req, number):
    return {"id": number}
def get(path, method="GET"):
    seen = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": "localhost"}
    body = app(environ, lambda status, headers: seen.append(status))
    return seen[0], b"".join(body).decode()
"""


def python(program):
    """Run a program in a fresh, isolated interpreter; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(program, before=""):
    """Return the modules that a program loads, after what ran before it."""
    lines = [
        "import sys, json",
        before,
        "known = set(sys.modules)",
        program,
        "print(json.dumps(sorted(set(sys.modules) - known)))",
    ]
    return set(json.loads(python("\n".join(lines)).splitlines()[-1]))


def test_the_package_alone_loads_nothing_of_itself():
    """`import poorwsgi` is a table of names; they are imported on first use."""
    loaded = loaded_by("import poorwsgi")
    assert {name for name in loaded if name.startswith("poorwsgi")} == {"poorwsgi"}
    assert not loaded & EXPENSIVE


def test_an_application_loads_the_core_and_no_more():
    """Files, pages, sessions, digest and cookies are opened when needed."""
    loaded = loaded_by("from poorwsgi import Application")
    assert {n for n in loaded if n.startswith("poorwsgi")} <= FOR_AN_APPLICATION
    assert not loaded & EXPENSIVE
    assert {name.partition(".")[0] for name in loaded} <= (
        sys.stdlib_module_names | {"poorwsgi"}
    )


@pytest.mark.parametrize("path", ["/", "/item/42"])
def test_a_plain_request_loads_nothing(path):
    """Everything that it needs is there when the application is."""
    assert loaded_by(f"get({path!r})", before=SERVE) == set()


def test_the_core_works_without_any_package_installed():
    """No extra is needed for routes, JSON and error pages."""
    program = NOTHING_INSTALLED + SERVE + "print(get('/item/1'), get('/none')[0])"
    assert python(program) == """('200 OK', '{"id": 1}') 404 Not Found\n"""


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_imports_or_names_its_extra(name):
    """A missing package is a message with the command that installs it."""
    program = f"""{NOTHING_INSTALLED}
import importlib
try:
    importlib.import_module({name!r})
except ImportError as error:
    text = str(error)
    commands = ("pip install 'poorwsgi[", "pip install django", "pip install pytest")
    assert any(command in text for command in commands), text
"""
    python(program)


def test_public_names_are_there_on_first_use():
    """Functions, the class, and submodules as attributes, as in 2.8.1."""
    program = """
import poorwsgi
assert poorwsgi.Application.__module__ == "poorwsgi.wsgi"
assert poorwsgi.abort.__module__ == poorwsgi.redirect.__module__ == "poorwsgi.response"
assert poorwsgi.state.HTTP_OK == 200
assert poorwsgi.results.not_found
names = {}
exec("from poorwsgi import *", names)
print(sorted(name for name in names if name[0] != "_"))
"""
    assert python(program) == (
        "['Application', 'abort', 'make_response', 'redirect']\n"
    )


def test_an_unknown_name_is_an_attribute_error():
    """As of any module."""
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        poorwsgi.nonsense  # noqa: B018 - the access is the test


def test_the_package_leaves_logging_to_the_application():
    """No handler but a NullHandler, no level, nothing on stderr."""
    program = """
import logging
from poorwsgi import Application
logger = logging.getLogger("poorwsgi")
print([type(handler).__name__ for handler in logger.handlers], logger.level)
print(logging.getLogger().handlers)
"""
    assert python(program) == "['NullHandler'] 0\n[]\n"
    assert logging.getLogger("poorwsgi").propagate
