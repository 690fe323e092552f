"""The same small application in four frameworks answers the same."""

import importlib.util
import json
from pathlib import Path

import pytest

from poorwsgi.testing import TestClient

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "moving"
FRAMEWORKS = ["poorwsgi", "flask", "bottle", "falcon"]


@pytest.fixture
def client(request):
    framework = request.param
    pytest.importorskip(framework)
    path = EXAMPLES / f"{framework}_app.py"
    spec = importlib.util.spec_from_file_location(f"moving_{framework}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield TestClient(module.application, validate=framework != "bottle")
    if framework == "poorwsgi":
        module.application.release()


@pytest.mark.parametrize("client", FRAMEWORKS, indirect=True)
def test_the_side_by_side_programs_answer_the_same(client):
    """Redirect, parameter, hook, JSON in and out, URL of a route, error page."""
    index = client.get("/")
    assert index.status_code in (302, 303)  # Bottle takes 303 for HTTP/1.1
    assert index.headers["Location"].removeprefix("http://localhost") == "/note/1"
    shown = client.get("/note/1", headers={"X-User": "ada"})
    assert json.loads(shown.data) == {"text": "first", "for": "ada"}
    added = client.post("/note", json={"text": "Hi"})
    assert (added.status_code, json.loads(added.data)) == (201, {"id": 2})
    assert added.headers["Location"] == "/note/2"
    assert json.loads(client.get("/note/2").data) == {"text": "Hi", "for": "nobody"}
    missing = client.get("/note/9")
    assert missing.status_code == 404
    assert json.loads(missing.data) == {"missing": "/note/9"}
    assert client.get("/note/x").status_code == 404
    assert client.delete("/note/1").status_code == 405


def test_each_program_is_short():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60
