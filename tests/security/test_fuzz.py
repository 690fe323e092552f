"""A short run of what `make fuzz` does for long, and the crashes it found."""

import json
import logging

import pytest
from fuzz.fuzz_requests import INPUTS, run
from fuzz.world import call, environ_of
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application
from poorwsgi.testing import TestClient


@pytest.fixture(autouse=True)
def keep_level():
    """The fuzzers silence the log."""
    logger = logging.getLogger("poorwsgi")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.mark.parametrize("name", INPUTS)
def test_no_mutation_of_an_input_is_answered_by_an_error_of_ours(name):
    assert run(7, 120, lambda: iter([name])) == 120


HEADER = st.text(st.characters(max_codepoint=255), max_size=60)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted({key for one in INPUTS.values() for key in one.keys})),
    HEADER,
)
def test_any_text_in_any_variable_is_answered(key, text):
    """Hypothesis beside the mutations: text from nothing, shrunk if it fails."""
    app = Application(f"any {key} {text!r}")
    try:
        app.set_route("/", lambda req: str(req.headers) + str(req.args))
        app.set_default(lambda req: str(req.authorization))
        call(app, environ_of("GET", "/", **{key: text}))
    finally:
        app.release()


@pytest.mark.parametrize("origin", ["http://lo]alst", "http://[::1", "null", "//", "é"])
def test_origin_that_is_no_url_is_foreign_to_the_debug_page(app, client, origin):
    """Found by mutation: a ValueError of urlsplit was a 500."""
    app.debug = True
    answer = client.post("/debug-info", headers={"Origin": origin}, json={})
    assert answer.status_code in (403, 405)


@pytest.mark.parametrize("url", ["http://[", "//[x", "/\ud800", "http://]/"])
def test_url_that_is_none_is_a_message_of_the_request_builder(app, url):
    app.debug = True
    body = json.dumps({"do": "run", "url": url}).encode()
    answer = TestClient(app).post(
        "/debug-info", body=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
