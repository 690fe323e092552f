"""The page of a document in headless Chromium: read, search, send a request."""

import base64
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

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts"
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
TOKEN = "a-token-of-the-tests"
#: The contrast of all texts with the ground behind them (WCAG 2, 1.4.3).
CONTRAST = """
function light(color) {
  const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(node) {
  for (let one = node; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    if (!/rgba\\(.*, 0\\)/.test(color)) return color;
  }
  return "rgb(255, 255, 255)";
}
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
  const pair = [light(getComputedStyle(node).color), light(ground(node))].sort();
  const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  if (ratio < 4.5) found.push([node.textContent.slice(0, 40), ratio]);
}
return found;
"""


@pytest.fixture(scope="module")
def server():
    """The example with the plugin, under uWSGI where it is installed."""
    uwsgi = Path(sys.executable).with_name("uwsgi")
    example = str(ROOT / "examples/openapi_plugin.py")
    command = [sys.executable, "-m", "poorwsgi", "run", example, "--port", "{port}"]
    if uwsgi.exists():
        command = [str(uwsgi), "--http-socket", "{address}", "--wsgi-file", example]
        command += ["--master", "--threads", "4", "--die-on-term"]
    with LiveServer(command, cwd=ROOT, env={"app_token": TOKEN}) as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A headless Chromium that logs its console."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        message = f"not installed: {[n for n, path in programs.items() if not path]}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    # No name is found: what would ask the network shows up as an error.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(programs["chromedriver"])
    chromium = webdriver.Chrome(options=options, service=service)
    yield chromium
    chromium.quit()


@pytest.fixture
def page(driver, server):
    """The page with its document, in a browser window of a desktop."""
    emulate(driver, 1280, 900, "light")
    driver.get(server.url + "/docs")
    driver.get_log("browser")  # what came before is not of this test
    driver.get(server.url + "/docs")
    wait(driver, lambda: status(driver) == "3 operations")
    return driver


def wait(driver, is_true, seconds=20):
    return WebDriverWait(driver, seconds, 0.05).until(lambda _: is_true())


def find(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector)


def status(driver):
    return find(driver, "#status").text


def console(driver):
    """Return what the console shows: errors, warnings, blocked content."""
    return [entry["message"] for entry in driver.get_log("browser")]


def emulate(driver, width, height, scheme):
    size = {"width": width, "height": height, "deviceScaleFactor": 1}
    size["mobile"] = width < 500
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def opened(driver, method):
    """Open the operation of a method; return its card."""
    card = find(driver, f".operation.{method}")
    if not card.get_attribute("open"):
        card.find_element(By.TAG_NAME, "summary").click()
    wait(driver, lambda: card.find_elements(By.TAG_NAME, "form"))
    return card


def sent(driver, card):
    """Send the form; return status line, headers and body of the answer."""
    card.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    wait(driver, lambda: card.find_elements(By.CSS_SELECTOR, ".answer .body"))
    return [
        card.find_element(By.CSS_SELECTOR, f".answer {name}").text
        for name in (".code", ".headers", ".body")
    ]


def test_the_page_opens_without_a_message_and_without_others(page, server):
    assert page.title == "Notes"
    script = "return performance.getEntriesByType('resource').map((one) => one.name)"
    loaded = page.execute_script(script)
    assert len(loaded) >= 3
    assert [url for url in loaded if not url.startswith(server.url)] == []
    assert console(page) == []


def test_an_operation_is_opened_and_a_request_sent(page):
    cards = page.find_elements(By.CSS_SELECTOR, ".operation.get")
    cards[0].find_element(By.TAG_NAME, "summary").click()
    wait(page, lambda: cards[0].find_elements(By.TAG_NAME, "form"))
    assert "How many" in cards[0].text
    Select(cards[0].find_element(By.TAG_NAME, "select")).select_by_value("open")
    code, headers, body = sent(page, cards[0])
    assert code == "200 OK"
    assert "content-type: application/json" in headers
    assert "Read the documentation" in body
    assert console(page) == []


def test_a_body_is_prepared_and_credentials_are_sent(page):
    card = opened(page, "post")
    area = card.find_element(By.TAG_NAME, "textarea")
    assert '"state": "open"' in area.get_attribute("value")
    assert sent(page, card)[0].startswith("401")
    find(page, "#login summary").click()
    find(page, "#schemes input").send_keys(TOKEN)
    area.clear()
    area.send_keys('{"text": "<b>Buy</b> 🥛"}'.replace("🥛", "milk"))
    wait(page, lambda: sent(page, card)[0].startswith("201"))
    assert '"text": "<b>Buy</b> milk"' in sent(page, card)[2]


def test_search_hides_what_does_not_match(page):
    field = find(page, "#search")
    field.send_keys("post list")
    wait(page, lambda: status(page) == "1 operation")
    shown = [
        o for o in page.find_elements(By.CSS_SELECTOR, ".operation") if o.is_displayed()
    ]
    assert ["/notes" in one.text for one in shown] == [True]
    field.send_keys(" nothing")
    wait(page, lambda: status(page) == "0 operations")


def test_it_is_used_by_the_keyboard_alone(page):
    page.execute_script("document.activeElement.blur()")
    body = find(page, "body")
    for _ in range(12):
        body.send_keys(Keys.TAB)
        active = page.switch_to.active_element
        if active.tag_name == "summary" and "GET" in active.text:
            break
    active.send_keys(Keys.ENTER)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, ".operation[open] form"))
    style = "return getComputedStyle(document.activeElement).outlineStyle"
    assert page.execute_script(style) == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_nothing_is_cut_and_all_is_readable(page, width, height, scheme):
    emulate(page, width, height, scheme)
    find(page, "#login summary").click()
    card = opened(page, "post")
    sent(page, card)
    for schema in page.find_elements(By.CSS_SELECTOR, ".schema > summary"):
        schema.click()
    script = "return [document.documentElement.scrollWidth, innerWidth]"
    content, window = page.execute_script(script)
    assert content <= window
    assert page.execute_script(CONTRAST) == []
    ARTIFACTS.mkdir(exist_ok=True)
    page.execute_script("scrollTo(0, 0)")
    shot = {"captureBeyondViewport": True, "format": "png"}
    data = page.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
    path = ARTIFACTS / f"openapi-{width}-{scheme}.png"
    path.write_bytes(base64.b64decode(data))
    assert path.stat().st_size > 10_000
