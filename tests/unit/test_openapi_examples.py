"""The curl calls of the example with the plugin, whose token comes from outside."""

import importlib.util
import sys
from pathlib import Path

from curl import call_client, calls_in

from poorwsgi.testing import TestClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "openapi_plugin.py"
EXPECTED = [
    (200, '"text": "Read the documentation"'),
    (400, '"in": "query", "name": "limit"'),
    (200, '"id": 1'),
    (201, '{"text": "Buy milk", "state": "open", "id": 2'),
    (400, '"in": "body", "name": "/text"'),
    (401, 'WWW-Authenticate: Bearer realm="bearer"'),
    (200, '"openapi": "3.1.0"'),
]


def test_the_calls_answer_as_expected(monkeypatch):
    monkeypatch.setenv("app_token", "example-token")
    spec = importlib.util.spec_from_file_location("example_openapi_plugin", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    client = TestClient(module.application)
    try:
        for words, (status, text) in zip(
            calls_in(module.__doc__), EXPECTED, strict=True
        ):
            got, shown = call_client(client, words)
            assert got == status, (words, shown)
            assert text in shown
    finally:
        module.application.release()
    assert len(EXAMPLE.read_text().splitlines()) <= 120
