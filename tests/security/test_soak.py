"""Threads, growth, descriptors: a short run of what `make soak` does for long."""

import importlib
import logging
import pkgutil
import sys

import pytest
from soak.mixed import KINDS, ask, measure, run_threads, soaked_application

import poorwsgi


@pytest.fixture(autouse=True)
def silence():
    """Keep pytest from keeping the records of refused requests."""
    logger = logging.getLogger("poorwsgi")
    logger.disabled = True
    yield
    logger.disabled = False


def test_sixteen_threads_get_their_own_answers_while_routes_change():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with soaked_application() as app:
            assert run_threads(app, 16, 5 * len(KINDS)) > 0
    finally:
        sys.setswitchinterval(interval)


def test_requests_leave_neither_memory_nor_descriptors():
    """Memory exhaustion by paths, hosts, queries, keys: nothing is kept of them.

    What may be kept, such as good hosts and used Digest answers, is bounded;
    those kinds of requests fill their tables before the count begins.
    """
    with soaked_application() as app:
        for n in range(1500):
            app._hosts[f"h{n}.test"] = (f"h{n}.test", None)
        for n in range(100 * len(KINDS)):
            ask(app, n)
        blocks, _, files = measure(app, 10_000, 200 * len(KINDS))
    assert files == 0
    # One digest of fourteen requests is noted, in some six blocks.
    assert blocks < 0.6


def state_of(module):
    """Return the size of what a module holds under its names."""
    return {
        name: len(value)
        for name, value in vars(module).items()
        if isinstance(value, dict | list | set) and not name.startswith("__")
    }


def test_no_module_keeps_anything_of_a_request():
    names = [
        info.name
        for info in pkgutil.iter_modules(poorwsgi.__path__, "poorwsgi.")
        if info.name in sys.modules
    ]
    modules = [importlib.import_module(name) for name in names]
    with soaked_application() as app:
        for n in range(3 * len(KINDS)):
            ask(app, n)
        before = {module.__name__: state_of(module) for module in modules}
        for n in range(50_000, 50_000 + 10 * len(KINDS)):
            ask(app, n)
        after = {module.__name__: state_of(module) for module in modules}
    assert after == before
