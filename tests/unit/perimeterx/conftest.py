"""Fixtures of all tests of the middleware."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fake_perimeterx import FakePerimeterX

from .perimeterx_site import Site


@pytest.fixture
def fake():
    with FakePerimeterX() as service:
        yield service


@pytest.fixture
def site(fake):
    """Return a factory of sites that use the fake service."""
    made: list[Site] = []

    def make(application: Any = None, **options: Any) -> Site:
        options.setdefault("module_mode", "active_blocking")
        options.setdefault("max_buffer_len", 1)  # sent at once
        options.setdefault("api_timeout", 20_000)  # on a busy machine, too
        made.append(Site(fake.options(**options), application))
        return made[-1]

    yield make
    for one in made:
        one.px.close()


@pytest.fixture
def body():
    """Return the environ entries of a request body."""

    def make(content: bytes) -> dict[str, Any]:
        return {
            "REQUEST_METHOD": "POST",
            "CONTENT_LENGTH": str(len(content)),
            "wsgi.input": io.BytesIO(content),
        }

    return make
