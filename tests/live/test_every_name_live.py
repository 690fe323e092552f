"""The application of every public name answers the same under real uWSGI."""

import os
import sys
from pathlib import Path

import pytest
from client import ask
from servers import find_program

from poorwsgi.testing import LiveServer, TestClient

COMPAT = Path(__file__).parent.parent / "compat"
sys.path.append(str(COMPAT))

from every_name import CASES, application  # noqa: E402 - needs the path above

REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"


@pytest.fixture(scope="module")
def server():
    """One uWSGI with four threads."""
    program = find_program("uwsgi")
    if program is None:
        message = "not installed: uwsgi"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    path = str(COMPAT / "every_name.py")
    options = "--master --need-app --die-on-term --threads 4 --worker-reload-mercy 3"
    command = [program, "--http-socket", "{address}", "--wsgi-file", path]
    with LiveServer([*command, *options.split()]) as running:
        yield running


def asked(server, method, path, options):
    """Make the request that TestClient would make, by a socket."""
    environ = TestClient(application).environ(method, path, **options)
    headers = {
        key[5:].replace("_", "-").title(): value
        for key, value in environ.items()
        if key.startswith("HTTP_") and key != "HTTP_HOST"
    }
    body = environ["wsgi.input"].read() or None
    if body:
        headers["Content-Type"] = environ.get("CONTENT_TYPE", "")
    return ask((server.host, server.port), method, path, body, headers)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "body"),
    CASES,
    ids=[f"{method} {path}" for method, path, *_ in CASES],
)
def test_application_answers_under_uwsgi(server, method, path, options, status, body):
    answer = asked(server, method, path, options)
    assert answer.status == status, server.log
    assert answer.headers["X-After"] == "database"
    if isinstance(body, dict):
        assert {key: answer.json[key] for key in body} == body
    elif isinstance(body, list):
        assert answer.json == body
    elif body is not None:
        assert answer.text == body
