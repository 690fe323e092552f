"""The shape of the house: who may import whom, and how far a request walks."""

import ast
import sys
from pathlib import Path

import pytest

import poorwsgi
from poorwsgi import Application
from poorwsgi.testing import TestClient

PACKAGE = Path(poorwsgi.__file__).parent

#: The core from the bottom up: a module imports from lower layers only, those
#: of the lowest from its left as well. Whatever isn't named is outside: it may
#: import the core and its neighbours, and the core imports none of it.
LAYERS = [
    [
        *("state", "signature", "headers", "cookies", "config", "render", "jsonstream"),
        *("urlencoded", "multipart", "longpath", "blocks"),
    ],
    ["routing", "response", "fieldstorage", "session"],
    ["body", "results"],
    ["request", "static"],
    ["registry"],
    ["wsgi"],
]
CORE = [name for layer in LAYERS for name in layer]
#: Doors from the core to what is outside, each in one named function.
DOORS = {
    ("wsgi", "tracing"),
    ("wsgi", "checks"),
    ("results", "debug_page"),
    ("wsgi", "openapi"),
}


def is_type_checking(node):
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def running_nodes(node):
    """Yield all nodes below but those under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if not is_type_checking(child):
            yield child
            yield from running_nodes(child)


def imports_of(path):
    """Return our modules that a file imports, also inside of functions."""
    found = set()
    for node in running_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            names = [base]
            if base == "poorwsgi":
                names = [f"poorwsgi.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {n.split(".")[1] for n in names if n.startswith("poorwsgi.")}
    return found


def graph():
    """Return {top-level module or sub-package: what it imports of ours}."""
    edges = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        edges.setdefault(name, set()).update(imports_of(path) - {name})
    return edges


GRAPH = graph()


def may_import(name):
    """Return what a module may import, by the map."""
    if name not in CORE:
        return set(GRAPH)
    height = next(i for i, layer in enumerate(LAYERS) if name in layer)
    allowed = {lower for layer in LAYERS[:height] for lower in layer}
    if height == 0:
        allowed |= set(LAYERS[0][: LAYERS[0].index(name)])
    return allowed | {door for opener, door in DOORS if opener == name}


@pytest.mark.parametrize("name", CORE)
def test_every_module_of_the_map_exists(name):
    """A module that is gone leaves the map as well."""
    assert name in GRAPH


@pytest.mark.parametrize("name", sorted(GRAPH))
def test_imports_point_downwards(name):
    """Also those in functions; so there are no circles in the core."""
    if name == "__init__":
        assert GRAPH[name] == set()  # a table of names, resolved on first use
    else:
        assert GRAPH[name] <= may_import(name)


def test_there_are_no_circles_outside_either():
    """Taking away what imports nothing that is left ends with nothing left."""
    left = {name: set(imports) for name, imports in GRAPH.items()}
    for opener, door in DOORS:
        left[opener].discard(door)
    while free := {name for name, imports in left.items() if not imports & set(left)}:
        left = {name: left[name] for name in left if name not in free}
    assert left == {}


def walk(app, path, **options):
    """Return (file, function) of each call of ours for one GET."""
    client = TestClient(app, validate=False)
    environ = client.environ("GET", path, **options)
    calls = []

    def note(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(PACKAGE)):
            calls.append((Path(file).name, frame.f_code.co_qualname))

    app(dict(environ), lambda *_: None)  # what is done once, is done
    sys.setprofile(note)
    try:
        body = app(environ, lambda *_: None)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
    finally:
        sys.setprofile(None)
    return calls


@pytest.fixture
def app(request):
    application = Application(request.node.nodeid)

    @application.route("/")
    def hello(req):
        return "Hello, World!"

    @application.route("/item/<id:int>")
    def item(req, number):
        return str(number)

    return application


def test_a_static_get_is_fourteen_calls_in_three_files(app):
    """The budget of the hot path; PoorWSGI 2.8.1 needs 89 calls in 4 files."""
    calls = walk(app, "/")
    assert len(calls) <= 14, calls
    assert len({file for file, _ in calls}) <= 3, calls


def test_a_browser_pays_no_more(app):
    """Headers that nobody reads cost nothing, a cookie one check."""
    headers = {
        "Accept": "text/html,*/*;q=0.8",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": "Mozilla/5.0",
        "Referer": "http://localhost/",
    }
    assert len(walk(app, "/", headers=headers)) <= 14
    with_cookie = walk(app, "/", headers={**headers, "Cookie": "a=1"})
    assert len(with_cookie) <= 18, with_cookie


def test_a_parameter_adds_the_router_only(app):
    """One file more, a few calls more."""
    static, regular = walk(app, "/"), walk(app, "/item/42")
    assert {file for file, _ in regular} - {f for f, _ in static} <= {"routing.py"}
    assert len(regular) <= len(static) + 8, regular
