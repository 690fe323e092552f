"""HTTP Digest in headless Chromium, against uWSGI on one host and on two."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import ExitStack
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


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """URL of a Redis that keeps nothing."""
    folder = str(tmp_path_factory.mktemp("redis"))
    command = [program("redis-server"), "--port", "{port}", "--bind", "127.0.0.1"]
    with LiveServer([*command, "--save", "", "--dir", folder]) as server:
        yield f"redis://{server.address}/0"


def start(stack, **env):
    """Start the example of Digest under uWSGI with two processes."""
    options = "--master --processes 2 --threads 4 --die-on-term --need-app"
    options += " --cache2 name=poorwsgi,items=1000"
    app = str(ROOT / "examples" / "http_digest.py")
    command = [program("uwsgi"), "--http-socket", "{address}", "--wsgi-file", app]
    env = {"app_secret": "one key on all hosts", "PYTHONPATH": str(ROOT), **env}
    return stack.enter_context(
        LiveServer([*command, *options.split()], cwd=ROOT, env=env)
    )


@pytest.fixture(scope="module", params=["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
def servers(request):
    """One host, whose processes share uWSGI's cache."""
    with ExitStack() as stack:
        yield [start(stack, app_algorithm=request.param)]


@pytest.fixture(scope="module")
def two_hosts(redis):
    """Two hosts that share Redis."""
    with ExitStack() as stack:
        env = {"app_redis": redis, "app_algorithm": "SHA-256"}
        yield [start(stack, **env), start(stack, **env)]


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


def log_in_and_stay_in(server, driver):
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


def test_one_host(servers, driver):
    log_in_and_stay_in(servers[0], driver)


def test_two_hosts(two_hosts, driver):
    for server in two_hosts:
        log_in_and_stay_in(server, driver)


def test_wrong_password_is_not_let_in(servers, driver):
    driver.get(f"http://user:wrong@{servers[0].address}/user")
    # The prompt that comes then stays closed, and the page empty.
    assert "Hello" not in driver.page_source
    asked = [line for line in servers[0].log.splitlines() if "GET /user =>" in line]
    assert "(HTTP/1.1 401)" in asked[-1]
