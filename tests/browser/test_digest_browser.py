"""HTTP Digest in headless Chromium, against uWSGI with two processes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from poorwsgi.testing import LiveServer

webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"


def program(name):
    """Return the path of a program, or skip; in CI it must be there."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        message = f"not installed: {name}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    return path


@pytest.fixture(scope="module", params=["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
def server(request):
    """The example of Digest; its processes share uWSGI's cache."""
    options = "--master --processes 2 --threads 4 --die-on-term --need-app"
    options += " --cache2 name=poorwsgi,items=1000"
    app = str(ROOT / "examples" / "http_digest.py")
    command = [program("uwsgi"), "--http-socket", "{address}", "--wsgi-file", app]
    env = {"app_algorithm": request.param, "PYTHONPATH": str(ROOT)}
    with LiveServer([*command, *options.split()], cwd=ROOT, env=env) as running:
        yield running


@pytest.fixture
def driver(tmp_path):
    """A headless Chromium that knows no password yet."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    service = webdriver.ChromeService(program("chromedriver"))
    chromium = webdriver.Chrome(options=options, service=service)
    chromium.set_page_load_timeout(30)
    yield chromium
    chromium.quit()


def text(driver):
    return driver.find_element(By.TAG_NAME, "body").text.strip()


def test_log_in_and_stay_in(server, driver):
    """Chromium logs in once and counts on, also for what it asks at once."""
    driver.get(f"http://user:looser@{server.address}/user")
    assert text(driver) == "Hello user!"
    driver.get(f"{server.url}/")
    driver.find_element(By.LINK_TEXT, "User Zone").click()
    assert text(driver) == "Hello user!"
    driver.get(f"{server.url}/user/{'%C5%99 🦊'}?a=b%26c&d=%C3%A9")
    assert text(driver) == "Hello user! ř 🦊"
    statuses = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "Promise.all([...Array(20).keys()].map(n => fetch(`/user/${n}?n=${n}`)"
        "  .then(answer => answer.status))).then(done);"
    )
    assert statuses == [200] * 20
    assert "Traceback" not in server.log


def test_wrong_password_is_not_let_in(server, driver):
    driver.get(f"http://user:wrong@{server.address}/user")
    # The prompt that comes then stays closed, and the page empty.
    assert "Hello" not in driver.page_source
    asked = [line for line in server.log.splitlines() if "GET /user =>" in line]
    assert "(HTTP/1.1 401)" in asked[-1]
