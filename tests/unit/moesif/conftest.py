"""Fixtures of all tests of the middleware: a collector, and sites that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_collector import FakeCollector
from moesif_worlds import WORLDS


@pytest.fixture(scope="session")
def running_collector() -> Iterator[FakeCollector]:
    with FakeCollector() as running:
        yield running


@pytest.fixture
def collector(running_collector: FakeCollector) -> Iterator[FakeCollector]:
    running_collector.reset()
    yield running_collector
    running_collector.released.set()


class Site:
    """A world, its middleware and the collector they talk to."""

    def __init__(self, world: Any, collector: FakeCollector) -> None:
        self.world = world
        self.middleware = world.middleware
        self.flavour = world.flavour
        self.collector = collector
        self.request = world.request

    def events(self, count: int = 1) -> list[dict[str, Any]]:
        """Return all events; exactly count of them."""
        assert self.middleware.flush(10)
        assert len(self.collector.events) == count
        return self.collector.events

    def event(self) -> dict[str, Any]:
        return self.events()[0]

    def learn(self, config: Any = None, rules: Any = None) -> None:
        """Let the middleware know a configuration before the next request."""
        self.collector.config, self.collector.rules = config or {}, rules or []
        self.middleware._refresh()

    def set_path(self, path: str) -> str:
        return ("/async" + path) if getattr(self.world, "asynchronous", 0) else path


Make = Callable[..., Site]


@pytest.fixture
def make_site(collector: FakeCollector) -> Iterator[Callable[..., Site]]:
    """Return a factory of sites: world class and options."""
    made: list[Site] = []

    def make(kind: Any, **options: Any) -> Site:
        settings = {
            "APPLICATION_ID": "app-id",
            "BASE_URI": collector.url,
            # Only flush() sends, so that a test decides when.
            "EVENT_BATCH_TIMEOUT": 3600,
            **options,
        }
        made.append(Site(kind(settings), collector))
        return made[-1]

    yield make
    for site in made:
        getattr(site.world, "close", lambda: None)()
        site.middleware.close(0)


@pytest.fixture(params=WORLDS, ids=lambda kind: kind.__name__)
def site(request: pytest.FixtureRequest, make_site: Make) -> Callable[..., Site]:
    """Return a factory of sites of each world in turn."""
    return lambda **options: make_site(request.param, **options)
