"""Start each server of the table once, run every test of it, stop it."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from servers import LIMITS, SERVERS, Running, missing_programs

REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
DATA = bytes(range(256)) * 512


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def server(request, tmp_path_factory):
    """One running server; the tests of a module share it."""
    missing = missing_programs(request.param)
    if missing:
        message = f"not installed: {', '.join(missing)}"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    folder = make_folder(request, tmp_path_factory)
    running = Running(request.param, folder)
    running.start()
    yield running
    running.stop()


def make_folder(request, tmp_path_factory):
    """Make the folder of a server; Apache drops its rights, so it gets one in /tmp."""
    if not request.param.config:
        folder = tmp_path_factory.mktemp(request.param.name)
        make_root(folder / "root")
        return folder
    folder = Path(tempfile.mkdtemp(prefix=f"{request.param.name}-"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    make_root(folder / "root")
    for path in [folder, *(folder / "root").rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o777 if path.is_dir() else 0o644)
    (folder / "root").chmod(0o755)
    return folder


def make_root(root):
    """Make a document root with files that may and that may not be served."""
    (root / "sub").mkdir(parents=True)
    (root / "data.bin").write_bytes(DATA)
    (root / "page.html").write_text("<p>žluť</p>")
    (root / "sub" / "inner.txt").write_text("inner")
    (root / ".hidden").write_text("hidden")
    (root.parent / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(root.parent / "secret.txt")


@pytest.fixture
def address(server):
    """Where the server listens."""
    return server.address


@pytest.fixture
def limit(request, server):
    """Return a function: expect a failure if the server has this limit."""

    def expect(name):
        if name in server.server.limits:
            reason = f"{server.server.name} {LIMITS[name]}"
            request.applymarker(pytest.mark.xfail(reason=reason, strict=False))

    return expect


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.live)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """Show the log of the server with each failure."""
    outcome = yield
    report = outcome.get_result()
    running = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(running, Running):
        report.sections.append((f"log of {running!r}", running.log[-6000:]))
