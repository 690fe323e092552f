"""The pages of the guide: their tables are those of the code, their programs run."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from curl import call_client, calls_in

from poorwsgi.moesif.settings import DEFAULT_BODY_LIMIT, option_names, read_settings
from poorwsgi.testing import TestClient

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples" / "moesif"
OPTIONS = (ROOT / "doc" / "moesif-options.rst").read_text()
PAGE = (ROOT / "doc" / "moesif.rst").read_text()
FLAVOURS = ("wsgi", "asgi", "django")
#: Options whose value stands under another name.
ATTRIBUTES = {
    "LOCAL_DEBUG": "debug",
    "DISABLED_TRANSACTION_ID": "disable_transaction_id",
    "LOCAL_MOESIF_BASEURL": "base_uri",
    "AUTHORIZATION_HEADER_NAME": "authorization_header_names",
}
SIZES = {"2 MiB": DEFAULT_BODY_LIMIT, "128 MiB": 128 * 2**20}


def rows(heading):
    """Yield the cells of each row of the table below a heading."""
    text = OPTIONS.partition(f"\n{heading}\n")[2].partition("* - Option")[2]
    text = re.split(r"^\S", text, maxsplit=1, flags=re.M)[0]
    for row in re.split(r"^ +\* - ", text, flags=re.M)[1:]:
        cells = re.split(r"^ +- ", row, flags=re.M)
        yield [" ".join(cell.split()) for cell in cells]


VALUES = [*rows("What is recorded"), *rows("Delivery"), *rows("Outgoing calls")]
CALLBACKS = list(rows("Callbacks"))


def names_of(cells):
    return re.findall(r"``([A-Z_]+)``", cells[0])


def value_of(cell):
    """Return what a cell means as a default."""
    cell = cell.strip("`")
    if cell in SIZES:
        return SIZES[cell]
    known = {"True": True, "False": False, "None": None, "()": frozenset()}
    if cell in known:
        return known[cell]
    number = cell.replace(",", "")
    return int(number) if number.isdigit() else cell


def default_of(name, flavour):
    settings = read_settings({"APPLICATION_ID": "x"}, flavour)
    if name.endswith("_OUTGOING") and name != "LOG_BODY_OUTGOING":
        return getattr(settings.outgoing, name.removesuffix("_OUTGOING").lower())
    value = getattr(settings, ATTRIBUTES.get(name, name.lower()))
    return ",".join(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("cells", VALUES, ids=lambda cells: cells[0].split("``")[1])
def test_a_row_has_the_default_of_each_adapter(cells):
    """One cell for each adapter, the same for the names of one row."""
    assert len(cells) == 6, cells
    assert cells[1], "a type"
    if names_of(cells) == ["APPLICATION_ID"]:
        assert set(cells[2:5]) == {"required"}
        return
    for name in names_of(cells):
        told = [value_of(cell) for cell in cells[2:5]]
        assert told == [default_of(name, flavour) for flavour in FLAVOURS], name


@pytest.mark.parametrize("cells", CALLBACKS, ids=lambda cells: cells[0])
def test_a_callback_has_its_parameters_and_its_answer(cells):
    """For WSGI, for ASGI and Django, what it returns, and what it is for."""
    assert len(cells) == 5
    (name,) = names_of(cells)
    assert all("(" in cell for cell in cells[1:3])
    assert cells[3]
    settings = read_settings({"APPLICATION_ID": "x"})
    where = settings if name == "MASK_EVENT_MODEL" else settings.incoming
    assert getattr(where, name.lower()) is None


def test_every_option_has_one_row():
    """And no row is about an option that is gone."""
    found = [name for cells in [*VALUES, *CALLBACKS] for name in names_of(cells)]
    assert sorted(found) == sorted(option_names())


def test_the_event_of_the_page_is_what_is_sent(load, collector):
    """The same keys, at every depth; times and ids differ."""
    module = load("poorwsgi/app.py")
    client = TestClient(module.application)
    headers = {"X-User": "ann", "User-Agent": "curl/8"}
    client.post("/orders", json={"item": "tea", "card": "4111"}, headers=headers)
    assert module.application.flush(10)
    (event,) = collector.events
    block = re.search(r"code-block:: json\n\n((?:   .*\n|\n)+)", PAGE)[1]
    shown = json.loads(block)
    assert shapes(shown) == shapes(event)
    assert shown["request"]["body"] == event["request"]["body"]
    assert shown["response"]["body"] == event["response"]["body"]


def shapes(value):
    """Return keys and types of what JSON holds."""
    if isinstance(value, dict):
        names = {name for name in value if name not in ("Accept", "Accept-Encoding")}
        return {name: shapes(value[name]) for name in names}
    return type(value).__name__


@pytest.fixture
def load(monkeypatch, collector):
    """Load an example beside a collector."""
    monkeypatch.setenv("COLLECTOR", collector.url)
    loaded = []

    def load_file(name):
        spec = importlib.util.spec_from_file_location("moesif_doc", EXAMPLES / name)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        loaded.append(module)
        return module

    yield load_file
    for module in loaded:
        module.application.close()
        if hasattr(module, "app"):
            module.app.release()


def test_updates_by_middleware_and_by_client_arrive(load, collector, capsys):
    """Six calls each, nested metadata and campaigns as they were given."""
    module = load("updates.py")
    module.by_middleware()
    first = [(call.path, call.payload) for call in collector.calls]
    collector.calls.clear()
    module.by_client()
    assert [(call.path, call.payload) for call in collector.calls] == first
    assert [path for path, _ in first] == [
        f"/v1/{kind}{more}"
        for kind in ("users", "companies", "subscriptions")
        for more in ("", "/batch")
    ]
    assert first[0][1] == module.USER
    assert first[2][1]["metadata"]["address"]["city"] == "Brno"
    assert capsys.readouterr().out == ""


def test_users_come_from_tokens_and_from_the_application(load, collector):
    """In the order of the docstring; then the one who was verified."""
    module = load("poorwsgi/users.py")
    client = TestClient(module.application)
    for words in calls_in(module.__doc__):
        assert call_client(client, words)[0] == 200
    client.get("/account", headers={"X-Access-Token": "a.b.c"})
    assert module.application.flush(10)
    users = [event.get("user_id") for event in collector.events]
    assert users == [None, "ann@example", "bob@example", "carol@example"]
    assert "eyJ" not in json.dumps(collector.events)


def test_the_page_shows_every_example():
    """Each framework, updates, users and outgoing calls; and each file is there."""
    paths = re.findall(r"literalinclude:: (\S+)", PAGE)
    assert all((ROOT / "doc" / path).is_file() for path in paths)
    shown = {path.rpartition("moesif/")[2].partition("/")[0] for path in paths}
    assert shown == {path.name for path in EXAMPLES.iterdir() if path.name[0] != "_"}
