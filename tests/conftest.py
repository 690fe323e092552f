"""What tests of all kinds use: an application of their own, and its client."""

import signal
from http.cookies import Morsel

import pytest
from hypothesis import HealthCheck, settings

from poorwsgi import Application
from poorwsgi.cookies import parse_cookies
from poorwsgi.testing import TestClient

# What a shell runs in the background ignores SIGINT, and so would the servers
# that tests end by it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in each run, however busy the machine: what is red today was
# red yesterday. --hypothesis-profile=default draws new ones, and so does `make fuzz`.
settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


@pytest.fixture
def app(request):
    """A fresh application; its name is free again after the test."""
    application = Application(request.node.nodeid)
    yield application
    application.release()


@pytest.fixture
def client(app):
    """A client of `app` that runs the PEP 3333 validator on every call."""
    return TestClient(app)


@pytest.fixture
def own_morsels(monkeypatch):
    """Take back attributes that Falcon adds to all morsels when it is imported."""
    known = {name: Morsel._reserved[name] for name in parse_cookies("a=1")["a"]}
    monkeypatch.setattr(Morsel, "_reserved", known)
