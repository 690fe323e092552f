"""The examples that the guide includes: each curl call, and what is special."""

import importlib.util
import sys
from pathlib import Path

import pytest
from curl import call_client, calls_in
from fake_perimeterx import APP_ID, KEY, TOKEN, UUID

from poorwsgi.testing import TestClient

EXAMPLES = Path(__file__).parents[3] / "examples" / "perimeterx"
EXPECTED = {
    "own_page": [
        (200, '"s2s": 1'),
        (403, 'href="/assets/challenge.css"', 'src="/assets/challenge.js"'),
        (429, "Retry-After: 60", "You are faster than we are", UUID),
    ],
    "one_route": [
        (200, "Welcome, everybody"),
        (200, "Log in"),
        (403, "captcha.px-cdn.net"),
    ],
    "front_end": [
        (200, "async function send"),
        (200, '{"taken": "tea"}'),
        (403, '"blockScript": "/abcd1234/captcha/captcha.js?a=c'),
    ],
}


@pytest.fixture
def load(monkeypatch, fake):
    """Load an example as a server does, beside a service that plays the real one."""
    monkeypatch.setenv("PX_SERVICE_URL", fake.url)
    for name, value in (("APP_ID", APP_ID), ("COOKIE_KEY", KEY), ("AUTH_TOKEN", TOKEN)):
        monkeypatch.setenv(f"PX_{name}", value)
    monkeypatch.setenv("PX_API_TIMEOUT", "20000")
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = []

    def load_file(name):
        spec = importlib.util.spec_from_file_location(
            f"example_{name}", EXAMPLES / f"{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
        return module

    yield load_file
    for module in modules:
        for name in ("application", "app", "login"):
            for method in ("close", "release"):
                end = getattr(getattr(module, name, None), method, None)
                if end is not None:
                    end()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_curl_calls_of_an_example_answer_as_expected(load, name):
    module = load(name)
    client = TestClient(module.application)
    calls = calls_in(module.__doc__)
    for words, (status, *texts) in zip(calls, EXPECTED[name], strict=True):
        got, text = call_client(client, words)
        assert got == status, (words, text)
        for expected in texts:
            assert expected in text, (words, expected)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_of_the_guide_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= 120


def test_what_the_handlers_say_reaches_the_service(load, fake):
    """The parameter goes with the call; the page of ours is counted as a block."""
    module = load("own_page")
    client = TestClient(module.application)
    client.get("/?score=100&action=r")
    assert fake.risk_calls[0].json["additional"]["custom_param1"] == "spring-sale"
    assert module.COUNTED["exceeded_rate_limit"] == 1


def test_nothing_else_of_the_site_is_asked_about(load, fake):
    """Only what is mounted under the middleware is."""
    client = TestClient(load("one_route").application)
    client.get("/?score=100")
    assert fake.risk_calls == []
    client.get("/login")
    assert len(fake.risk_calls) == 1
