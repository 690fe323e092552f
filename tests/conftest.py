"""What tests of all kinds use: an application of their own, and its client."""

import pytest

from poorwsgi import Application
from poorwsgi.testing import TestClient


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
