"""Fixtures and reports for pytest; active where poorwsgi is installed.

Name the application in the settings of pytest, or give a fixture of that name::

    [pytest]
    wsgi_app = package.module:application

    def test_hello(wsgi_client):
        assert wsgi_client.get("/").status_code == 200

A test that fails shows the answers that it got from the application. The client
itself needs no pytest, see `poorwsgi.testing`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

try:
    import pytest
except ImportError as err:
    raise ImportError("poorwsgi.pytest_plugin needs: pip install pytest") from err

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from poorwsgi.testing import ClientResponse, LiveServer, TestClient

#: A failing test shows so many answers, the last ones.
MAX_ANSWERS = 5
_ANSWERS = pytest.StashKey[list["ClientResponse"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting and the option that name the application."""
    text = "WSGI application of the fixtures: module:attribute or path/to/file.py"
    parser.addini("wsgi_app", text, default="")
    group = parser.getgroup("poorwsgi")
    group.addoption("--wsgi-app", metavar="APPLICATION", help=text)


def _name(config: pytest.Config) -> str:
    name: str = config.getoption("--wsgi-app") or config.getini("wsgi_app")
    if not name:
        pytest.fail("name the application: wsgi_app = module:attribute", pytrace=False)
    return name


@pytest.fixture(scope="session")
def wsgi_app(request: pytest.FixtureRequest) -> Any:
    """Return the application that the settings name."""
    # Loaded by those who use it: each run of pytest would pay for it.
    from poorwsgi.target import LoadError, UsageError, load_application

    try:
        return load_application(_name(request.config))
    except (LoadError, UsageError) as err:
        pytest.fail(str(err), pytrace=False)


@pytest.fixture
def wsgi_client(wsgi_app: Any) -> TestClient:
    """Return a client of the application, without cookies and not logged in."""
    from poorwsgi.testing import TestClient

    return TestClient(wsgi_app)


@pytest.fixture(scope="session")
def wsgi_server(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    """Serve the application that the settings name, in a process of its own."""
    from poorwsgi.testing import LiveServer

    command = [sys.executable, "-m", "poorwsgi", "run", _name(request.config)]
    with LiveServer([*command, "--port", "{port}"]) as server:
        yield server


# -- answers in reports --------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Collect the answers that a test gets."""
    testing = sys.modules.get("poorwsgi.testing")
    if testing is None:  # nobody has a client
        return (yield)
    answers: list[ClientResponse] = []
    item.stash[_ANSWERS] = answers
    testing.TestClient.listeners.append(answers.append)
    try:
        return (yield)
    finally:
        testing.TestClient.listeners.remove(answers.append)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last answers of a test that failed."""
    report = yield
    if report.when != "call" or _ANSWERS not in item.stash:
        return report
    answers = item.stash[_ANSWERS]
    # Kept, they would keep each application alive until the run ends.
    del item.stash[_ANSWERS]
    if report.failed and answers:
        text = "\n".join(map(repr, answers[-MAX_ANSWERS:]))
        report.sections.append(("Answers of the application", text))
    return report
