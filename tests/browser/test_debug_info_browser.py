"""The page /debug-info of the showcase under uWSGI, in headless Chromium."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from poorwsgi.testing import LiveServer

webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
ARTIFACTS = ROOT / "artifacts"
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def program(name):
    """Return the path of a program, or skip; in CI it must be there."""
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    if path is None:
        message = f"not installed: {name}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    return path


@pytest.fixture(scope="module")
def server():
    """The showcase with two processes that share the list of requests."""
    showcase = str(ROOT / "examples/showcase.py")
    command = [program("uwsgi"), "--http-socket", "{address}", "--wsgi-file", showcase]
    command += ["--master", "--processes", "2", "--threads", "4", "--die-on-term"]
    with LiveServer(command, cwd=ROOT) as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A headless Chromium that logs its console and saves downloads."""
    folder = tmp_path_factory.mktemp("chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium")
    for argument in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    prefs = {"download.default_directory": str(folder / "saved")}
    options.add_experimental_option("prefs", prefs)
    service = webdriver.ChromeService(program("chromedriver"))
    chromium = webdriver.Chrome(options=options, service=service)
    chromium.set_page_load_timeout(60)
    chromium.saved = folder / "saved"
    yield chromium
    chromium.quit()


@pytest.fixture
def page(driver, server):
    """The page, freshly open, with nothing in the console."""
    driver.get(server.url + "/debug-info")
    driver.get_log("browser")
    driver.get(server.url + "/debug-info")
    yield driver
    assert [e for e in driver.get_log("browser") if e["level"] == "SEVERE"] == []
    script = "return performance.getEntriesByType('resource').map((one) => one.name)"
    loaded = js(driver, script)
    assert [url for url in loaded if not url.startswith((server.url, "data:"))] == []


def js(driver, script, *arguments):
    return driver.execute_script(script, *arguments)


def wait(driver, is_true, seconds=30):
    """Wait until a function of no arguments gives something true."""
    return WebDriverWait(driver, seconds, 0.05).until(lambda _: is_true())


def find(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def result(driver):
    return find(driver, "#result").text


def fill(driver, method, url):
    Select(find(driver, "#method")).select_by_visible_text(method)
    field = find(driver, "#url")
    field.clear()
    field.send_keys(url)


# -- the tools


@pytest.mark.parametrize(
    ("method", "url", "texts"),
    [
        (
            "GET",
            "/filter/int/-42",
            ["route /filter/int/<value:int>", "value = -42", "matches"],
        ),
        ("GET", "/filter/int/x", ["which takes -?\\d+"]),
        ("DELETE", "/query", ["405, the path has GET, HEAD"]),
        ("GET", "/filter/path/ž 1", ["value = 'ž 1'"]),
    ],
)
def test_a_url_is_matched(page, method, url, texts):
    """Which route it is, and why it is none of the others."""
    fill(page, method, url)
    find(page, "#match").click()
    for text in texts:
        wait(page, lambda text=text: text in result(page))


def test_a_request_is_sent(page):
    """Status, phases, headers and body; and it is among the last ones."""
    fill(page, "POST", "/api/notes")
    find(page, "summary").click()
    find(page, "#headers").send_keys("Content-Type: application/json")
    find(page, "#body").send_keys('{"text": "by the builder"}')
    find(page, "#run").click()
    wait(page, lambda: "201 Created" in result(page))
    assert "by the builder" in find(page, "#answer-body").text
    assert "Location: /api/notes/" in result(page)
    for phase in ("routing", "before", "handler", "after", "response"):
        assert phase in find(page, "#result .phases").text
    wait(page, lambda: "POST /api/notes" in find(page, "#requests").text)


def test_an_error_is_shown_with_its_id(page):
    fill(page, "GET", "/error/crash")
    find(page, "#run").click()
    wait(page, lambda: "500 Internal Server Error" in result(page))
    assert "error id" in find(page, "#result .error").text


def test_what_is_refused_is_said(page):
    """The console stays clean but for the 400 that the server gives."""
    fill(page, "GET", "/debug-info")
    find(page, "#run").click()
    wait(page, lambda: "does not run itself" in result(page))
    page.get_log("browser")


def test_a_profile_is_recorded_and_its_flame_graph_opened(page, server):
    """In the page, and as files for other programs."""
    fill(page, "GET", "/filter/date/2026-11-22")
    find(page, "#profile").click()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#flame svg .frame"))
    names = js(
        page,
        "return [...document.querySelectorAll('#flame svg .frame title')]"
        ".map((one) => one.textContent)",
    )
    assert any("filtered" in name for name in names)
    links = page.find_elements(By.CSS_SELECTOR, "a.download")
    for link in links:
        link.click()
    files = [page.saved / link.get_attribute("download") for link in links]
    for path in files:
        wait(page, path.exists)
    assert files[0].read_text().startswith("<svg ")
    assert json.loads(files[1].read_text())["exporter"] == "poorwsgi"
    assert files[2].read_bytes()
    flame = page.current_window_handle
    page.switch_to.new_window("tab")
    page.get(files[0].as_uri())
    assert page.find_elements(By.CSS_SELECTOR, "g.frame")
    page.close()
    page.switch_to.window(flame)


def test_requests_of_all_processes_are_listed(page, server):
    """And each fills the form again."""
    script = """
        const urls = [...Array(12).keys()].map((n) => `/query?n=${n}`);
        return Promise.all(urls.map((url) => fetch(url).then((a) => a.status)));
    """
    assert set(js(page, script)) == {200}
    page.get(server.url + "/debug-info")
    text = find(page, "#requests").text
    assert all(f"/query?n={n}" in text for n in range(12))
    page.find_element(By.LINK_TEXT, "GET /query?n=7").click()
    assert find(page, "#url").get_attribute("value") == "/query?n=7"


def test_a_level_is_set(page):
    level = find(page, "select.level[data-logger='poorwsgi']")
    Select(level).select_by_visible_text("DEBUG")
    wait(page, lambda: "poorwsgi: DEBUG" in find(page, "#level-status").text)


def test_another_site_gets_nothing(driver, server):
    """Neither by a link, nor in a frame, nor by a script."""
    with LiveServer(
        [sys.executable, "-m", "http.server", "-b", "{host}", "{port}"], cwd=ROOT
    ) as other:
        driver.get(other.url.replace("127.0.0.1", "localhost") + "/README.rst")
        script = """
            const done = arguments[arguments.length - 1];
            fetch(arguments[0], {mode: "no-cors"})
              .then((a) => done(a.type), (error) => done("refused"));
        """
        url = server.url + "/debug-info?format=json"
        assert driver.execute_async_script(script, url) in ("refused", "opaque")
        js(driver, "location.href = arguments[0]", server.url + "/debug-info")
        wait(driver, lambda: "403" in driver.title)
        assert "Route Table" not in driver.page_source
    driver.get_log("browser")


# -- for everybody


def test_it_is_usable_by_keyboard(page):
    """The first key leads past the menu, and the form is sent by Enter."""
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.switch_to.active_element.get_attribute("class") == "skip"
    fill(page, "GET", "/old")
    find(page, "#url").send_keys(Keys.ENTER)
    wait(page, lambda: "route /old" in result(page))
    script = """
        return [...document.querySelectorAll("input, select, textarea")]
          .filter((one) => !one.labels.length && !one.getAttribute("aria-label"))
          .map((one) => one.outerHTML);
    """
    assert js(page, script) == []
    assert js(page, "return document.querySelector('#result').ariaLive") == "polite"
    assert js(page, "return document.querySelectorAll('h1').length") == 1


def test_it_works_without_script(driver, server):
    """The form asks the server, which answers by the page."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(server.url + "/debug-info")
        field = find(driver, "#url")
        field.clear()
        field.send_keys("/filter/int/7")
        find(driver, "#match").click()
        wait(driver, lambda: "match=%2Ffilter" in driver.current_url)
        # The element may still be that of the page before.
        wait(driver, lambda: "route /filter/int/&lt;value" in driver.page_source)
        assert not find(driver, "#run").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def emulate(driver, width, height, scheme):
    size = {"width": width, "height": height, "deviceScaleFactor": 1}
    size["mobile"] = width < 500
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desktop", 1280), ("phone", 390)])
def test_it_fits_and_can_be_read(page, name, width, scheme):
    """No sideways scrolling; texts stand out from their ground (WCAG AA)."""
    emulate(page, width, 900, scheme)
    fill(page, "GET", "/stream/2")
    find(page, "#profile").click()
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "#flame svg .frame"))
    height = js(page, "return document.documentElement.scrollHeight")
    emulate(page, width, min(height, 12000), scheme)
    ARTIFACTS.mkdir(exist_ok=True)
    page.save_screenshot(str(ARTIFACTS / f"debug-info-{name}-{scheme}.png"))
    assert js(page, "return document.documentElement.scrollWidth") <= width
    assert [one for one in js(page, CONTRASTS) if one[1] < 4.5] == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Ratio of luminances of each text and its ground, WCAG 2.2, 1.4.3. In the SVG the
# ground of a text is the box before it, or the white of the whole.
CONTRASTS = """
const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) =>
  0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (node) => {
  for (; node; node = node.parentElement) {
    const color = numbers(getComputedStyle(node).backgroundColor);
    if (color.length === 3 || color[3] > 0) return color;
  }
  return [255, 255, 255];
};
const ratio = (one, other) => {
  const pair = [light(one), light(other)];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
};
const visible = [...document.querySelectorAll("body *")].filter((one) =>
  one.checkVisibility() && !one.matches(":disabled, script, svg *, svg, option") &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
const inPage = visible.map((one) =>
  [one.textContent, ratio(numbers(getComputedStyle(one).color), ground(one))]);
const inGraph = [...document.querySelectorAll("svg text")].map((one) => {
  const box = one.previousElementSibling;
  const fill = (node) => numbers(getComputedStyle(node).fill);
  return [one.textContent, ratio(fill(one), fill(box))];
});
return [...inPage, ...inGraph];
"""
