"""The block page in headless Chromium: scripts there, failing, switched off."""

import base64
import os
import runpy
import shutil
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from fake_perimeterx import UUID, FakePerimeterX, risk_answer

from poorwsgi.perimeterx import PerimeterX

webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
FLAGS = """
--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --host-resolver-rules=MAP*~NOTFOUND,EXCLUDE127.0.0.1
"""
SIZES = {"desktop": (1280, 800, False), "phone": (360, 640, True)}


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    return [b"<!DOCTYPE html><title>Shop</title><h1>Welcome</h1>"]


@pytest.fixture
def fake():
    with FakePerimeterX() as service:
        service.answer = risk_answer(100)
        yield service


@pytest.fixture
def serve(fake):
    """Return a function that serves a guarded site and gives its address."""
    running = []

    def start(**options):
        options = fake.options(
            module_mode="active_blocking", api_timeout=20_000, **options
        )
        px = PerimeterX(site, options)
        server = make_server("127.0.0.1", 0, px, Server, Quiet)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((px, server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for px, server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
        px.close()


def chromium(folder, javascript=True):
    """Start a headless Chromium that resolves no name."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        message = f"not installed: {[n for n, path in programs.items() if not path]}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for flag in FLAGS.split():
        flag = flag.replace("MAP*", "MAP * ").replace(",EXCLUDE", ", EXCLUDE ")
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={folder}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not javascript:
        prefs = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", prefs)
    service = webdriver.ChromeService(programs["chromedriver"])
    return webdriver.Chrome(options=options, service=service)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    driver = chromium(tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(shared):
    # Not delete_all_cookies(), which is for the current page's host only.
    shared.execute_cdp_cmd("Network.clearBrowserCookies", {})
    resize(shared, "desktop", "light")
    yield shared
    shared.get("about:blank")


@pytest.fixture
def scriptless(tmp_path):
    driver = chromium(tmp_path / "profile", javascript=False)
    yield driver
    driver.quit()


def resize(driver, name, scheme):
    width, height, mobile = SIZES[name]
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile},
    )
    feature = {"name": "prefers-color-scheme", "value": scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def wait(driver, is_true):
    return WebDriverWait(driver, 20, 0.05).until(lambda _: is_true())


def shown(driver, css):
    return [
        element
        for element in driver.find_elements(By.CSS_SELECTOR, css)
        if element.is_displayed()
    ]


def text_of(driver):
    return driver.find_element(By.TAG_NAME, "main").text


def keep(driver, name):
    """Keep a screenshot as an artifact, the whole page."""
    ARTIFACTS.mkdir(exist_ok=True)
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"captureBeyondViewport": True}
    )
    path = ARTIFACTS / f"perimeterx-{name}.png"
    path.write_bytes(base64.b64decode(shot["data"]))


def loaded(driver):
    """Return what the page loaded; the icon is the browser's own idea."""
    found = driver.execute_script(
        "return performance.getEntriesByType('resource').map(one => one.name)"
    )
    return [address for address in found if not address.endswith("/favicon.ico")]


def complaints(driver):
    """Return the console's messages, but for the status of the page itself."""
    messages = [entry["message"] for entry in driver.get_log("browser")]
    return [text for text in messages if "status of 403" not in text]


CONTRAST = """
function parse(color) { return color.match(/[0-9.]+/g).map(Number); }
function light(color) {
  const [r, g, b] = parse(color).slice(0, 3).map(one => one / 255).map(
    one => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(element) {
  for (; element; element = element.parentElement) {
    const color = getComputedStyle(element).backgroundColor;
    if ((parse(color)[3] ?? 1) > 0) { return color; }
  }
  return "rgb(255, 255, 255)";
}
return [...document.querySelectorAll("h1, p, code")]
  .filter(one => one.offsetParent)
  .map(one => {
    const pair = [light(getComputedStyle(one).color), light(ground(one))].sort();
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  });
"""


def check_layout(driver):
    """Nothing is cut, all text has enough contrast and a readable size."""
    width, inner = driver.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert width <= inner
    assert min(driver.execute_script(CONTRAST)) >= 4.5
    sizes = driver.execute_script(
        "return [...document.querySelectorAll('h1, p, code')]"
        ".map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_a_visitor_solves_the_challenge(browser, serve, size, scheme):
    """The script draws it; its cookie lets the visitor in."""
    url = serve()
    resize(browser, size, scheme)
    browser.get(url)
    (button,) = wait(browser, lambda: shown(browser, "#px-captcha button"))
    assert UUID in text_of(browser)
    assert not shown(browser, ".note")
    check_layout(browser)
    keep(browser, f"challenge-{size}-{scheme}")
    assert all(address.startswith(url) for address in loaded(browser))
    assert browser.execute_script(
        "return [_pxAppId, _pxVid, _pxUuid, _pxHostUrl, _pxCustomLogo,"
        " _pxJsClientSrc, _pxFirstPartyEnabled]"
    ) == [
        "PXabcd1234",
        "",
        UUID,
        "/abcd1234/xhr",
        "",
        "/abcd1234/init.js",
        True,
    ]
    assert complaints(browser) == []
    button.click()
    wait(browser, lambda: browser.title == "Shop")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_failing_scripts_leave_a_readable_page(browser, serve, size, scheme):
    """Neither the script nor its substitute can be had."""
    url = serve(first_party_enabled=False)
    resize(browser, size, scheme)
    browser.get(url)
    (note,) = wait(browser, lambda: shown(browser, "#px-failed"))
    assert "could not be" in note.text
    assert UUID in text_of(browser)
    check_layout(browser)
    keep(browser, f"failing-{size}-{scheme}")
    sources = browser.execute_script(
        "return [...document.scripts].map(one => one.src).filter(one => one)"
    )
    hosts = [source.split("/")[2] for source in sources]
    assert hosts == ["captcha.px-cdn.net", "captcha.px-cloud.net"]


def test_a_script_draws_the_challenge_itself(browser, fake, monkeypatch):
    """The front end of the guide: a dialog, and the order is sent again."""
    path = Path(__file__).parents[2] / "examples" / "perimeterx" / "front_end.py"
    monkeypatch.setenv("PX_SERVICE_URL", fake.url)
    monkeypatch.setenv("PX_API_TIMEOUT", "20000")
    example = runpy.run_path(str(path))
    application = example["application"]
    server = make_server("127.0.0.1", 0, application, Server, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        browser.get(f"http://127.0.0.1:{server.server_port}/?score=100")
        browser.find_element(By.ID, "order").click()
        (button,) = wait(browser, lambda: shown(browser, "#px-captcha button"))
        keep(browser, "front-end")
        button.click()
        said = browser.find_element(By.ID, "said")
        wait(browser, lambda: said.text == '{"taken":"tea"}')
        assert not shown(browser, "#challenge")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        application.close()
        example["app"].release()


def test_a_challenge_that_draws_nothing_is_noticed(browser, serve):
    """An upstream that fails is an empty script, which is no error.

    The visitor's browser may still reach the substitute.
    """
    url = serve(captcha_url="http://127.0.0.1:1")
    browser.get(url)
    assert not shown(browser, "#px-failed")
    wait(browser, lambda: shown(browser, "#px-failed"))
    first, second = browser.execute_script(
        "return [...document.scripts].map(one => one.src).filter(one => one)"
    )
    assert first.startswith(url)
    assert second.startswith("http://captcha.px-cloud.net/PXabcd1234/captcha.js?")
    # A challenge that comes late after all takes the note away.
    browser.execute_script(
        "document.getElementById('px-captcha').append(document.createElement('hr'))"
    )
    assert not shown(browser, "#px-failed")


@pytest.mark.parametrize("size", SIZES)
def test_without_javascript_the_page_says_what_to_do(scriptless, serve, size):
    resize(scriptless, size, "light")
    scriptless.get(serve())
    assert shown(scriptless, "noscript .note")
    assert not shown(scriptless, "#px-failed")
    text = text_of(scriptless)
    assert "needs JavaScript" in text
    assert UUID in text
    keep(scriptless, f"noscript-{size}")


@pytest.mark.parametrize("size", SIZES)
def test_the_rate_limit_page(browser, serve, fake, size):
    fake.answer = risk_answer(100, "r")
    resize(browser, size, "light")
    url = serve()
    browser.get(url)
    assert "Too many requests" in text_of(browser)
    assert UUID in text_of(browser)
    check_layout(browser)
    keep(browser, f"ratelimit-{size}")
    assert loaded(browser) == []


def test_hostile_values_stay_text(browser, serve, fake):
    hostile = "</script><img src=x onerror=window.hacked=1>\"'\u2028&amp;"
    fake.answer = risk_answer(100, uuid=hostile)
    browser.get(serve(custom_logo=hostile, css_ref=hostile, js_ref=hostile))
    wait(browser, lambda: shown(browser, "#px-captcha button"))
    assert browser.execute_script("return [_pxUuid, _pxCustomLogo]") == [hostile] * 2
    assert browser.execute_script("return window.hacked") is None
    shown_reference = browser.find_element(By.TAG_NAME, "code")
    assert shown_reference.get_property("textContent") == hostile
    check_layout(browser)


def test_the_site_s_own_style_and_script_are_loaded(browser, serve):
    browser.get(
        serve(
            css_ref="data:text/css,h1{letter-spacing:7px}",
            js_ref="data:text/javascript,window.own=1",
        )
    )
    wait(browser, lambda: browser.execute_script("return window.own") == 1)
    heading = browser.find_element(By.TAG_NAME, "h1")
    assert heading.value_of_css_property("letter-spacing") == "7px"


def test_the_page_can_be_used_by_keyboard(browser, serve):
    browser.get(serve())
    wait(browser, lambda: shown(browser, "#px-captcha button"))
    browser.switch_to.active_element.send_keys("\ue004")
    assert browser.switch_to.active_element.get_attribute("id") == "px-button"
    browser.switch_to.active_element.send_keys("\ue007")
    wait(browser, lambda: browser.title == "Shop")
