"""The page of the showcase in headless Chromium: console, uploads, widths."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from poorwsgi.testing import LiveServer

webdriver = pytest.importorskip("selenium.webdriver")

from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
ARTIFACTS = ROOT / "artifacts"
REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"
NAMES = ['we"ird.txt', "emoji 😀 žluť.txt", "a & <b>'.txt", "100%.txt"]


@pytest.fixture(scope="module")
def server():
    """The showcase under uWSGI, or under the development server without it."""
    uwsgi = Path(sys.executable).with_name("uwsgi")
    showcase = str(ROOT / "examples/showcase.py")
    command = [sys.executable, "-m", "poorwsgi", "run", showcase, "--port", "{port}"]
    if uwsgi.exists():
        command = [str(uwsgi), "--http-socket", "{address}", "--wsgi-file", showcase]
        command += ["--master", "--processes", "2", "--threads", "4", "--die-on-term"]
    with LiveServer(command, cwd=ROOT) as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A headless Chromium that logs its console and saves downloads."""
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    if None in programs.values():
        message = f"not installed: {[n for n, path in programs.items() if not path]}"
        pytest.fail(message) if REQUIRED else pytest.skip(message)
    folder = tmp_path_factory.mktemp("chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = programs["chromium"]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={folder / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    prefs = {"download.default_directory": str(folder / "saved")}
    options.add_experimental_option("prefs", prefs)
    service = webdriver.ChromeService(programs["chromedriver"])
    chromium = webdriver.Chrome(options=options, service=service)
    chromium.saved = folder / "saved"
    yield chromium
    chromium.quit()


@pytest.fixture
def page(driver, server):
    """The page, open and with its lists loaded."""
    driver.get(server.url + "/")
    driver.get_log("browser")  # what came before is not of this test
    driver.get(server.url + "/")
    wait(driver, lambda: js(driver, "return document.readyState") == "complete")
    wait(driver, lambda: not shown(driver, "#note-empty") or texts(driver) == [])
    return driver


def wait(driver, is_true, seconds=20):
    """Wait until a function of no arguments gives something true."""
    return WebDriverWait(driver, seconds, 0.05).until(lambda _: is_true())


def js(driver, script, *arguments):
    return driver.execute_script(script, *arguments)


def shown(driver, selector):
    return driver.find_element(By.CSS_SELECTOR, selector).is_displayed()


def texts(driver, selector="#note-list .name"):
    """Return what the elements say, in one look: lists are replaced whole."""
    script = "return [...document.querySelectorAll(arguments[0])]"
    return js(driver, script + ".map((one) => one.textContent)", selector)


def console(driver):
    """Return the errors of the console: scripts, styles, blocked content."""
    return [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE"]


def emulate(driver, width, height, scheme):
    """Give the page a size, and let its user prefer light or dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1}
    size["mobile"] = width < 500
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def upload(driver, *paths):
    """Choose files, press the button, and wait for the end."""
    field = driver.find_element(By.ID, "file-input")
    field.send_keys("\n".join(map(str, paths)))
    driver.find_element(By.CSS_SELECTOR, "#file-form button").click()
    return wait(driver, lambda: "".join(texts(driver, "#file-status")), 60)


def files(driver):
    """Return what the server has, as (name, size)."""
    script = "return fetch('/files').then((answer) => answer.text())"
    return [(one["name"], one["size"]) for one in json.loads(js(driver, script))]


# -- the page


def test_the_page_opens_without_a_console_message(page):
    assert page.title == "poorwsgi showcase"
    assert console(page) == []


def test_nothing_is_loaded_from_elsewhere(page, server):
    script = "return performance.getEntriesByType('resource').map((one) => one.name)"
    loaded = js(page, script)
    assert len(loaded) >= 4
    assert [url for url in loaded if not url.startswith(server.url)] == []


def test_the_links_of_the_page_and_debug_info_open(page, server):
    """Status by status as the link says; none goes astray."""
    script = """
        const links = [...document.querySelectorAll("a[data-try='']")];
        return Promise.all(links.map(async (link) =>
          [link.textContent, (await fetch(link.href)).status]));
    """
    page.set_script_timeout(30)
    for text, status in js(page, script):
        expected = int(text[:3]) if text[:3].isdigit() else 200
        assert status == (404 if text == "no such date" else expected), text
    page.get(server.url + "/debug-info")
    assert "Route Table" in page.page_source


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("<value:int>", "200", '"value": "-42"'),
        ("/stream/20", "200", "line 20"),
        ("the same, 28 bytes", "206", "A request came in from afar,"),
        ("OPTIONS /api/notes", "204", "allow: GET, HEAD, OPTIONS, POST"),
        ("400, broken JSON", "400", ""),
        ("501, unknown method", "501", ""),
    ],
)
def test_a_link_shows_its_answer_in_place(page, text, status, body):
    js(page, "document.documentElement.style.scrollBehavior = 'auto'")
    link = next(
        one
        for one in page.find_elements(By.CSS_SELECTOR, "a[data-try]")
        if one.text == text
    )
    link.click()
    wait(page, lambda: f"→ {status}" in "".join(texts(page, "output .status")))
    wait(page, lambda: body in "".join(texts(page, "output pre")))


def test_an_error_page_is_shown_with_its_style(page):
    """The frame gets the page without a word from the policy of ours."""
    page.find_element(By.LINK_TEXT, "500, a crash").click()
    frame = wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "output iframe"))[0]
    js(page, "arguments[0].scrollIntoView()", frame)
    blocked = [message for message in console(page) if "Security Policy" in message]
    assert blocked == []


# -- notes


def test_a_note_is_made_ticked_and_deleted(page):
    text = "Buy <b>milk</b> 🥛"
    page.find_element(By.ID, "note-text").send_keys("x")
    js(page, "document.getElementById('note-text').value = arguments[0]", text)
    page.find_element(By.CSS_SELECTOR, "#note-form button").click()
    wait(page, lambda: text in texts(page))
    page.find_element(By.CSS_SELECTOR, "#note-list input").click()
    wait(page, lambda: texts(page, "#note-list .done") == [text])
    page.find_element(By.CSS_SELECTOR, "#note-list button").click()
    wait(page, lambda: text not in texts(page))


# -- files


@pytest.mark.parametrize("size", [0, 1])
def test_small_files_arrive(page, tmp_path, size):
    path = tmp_path / f"{size}.bin"
    path.write_bytes(b"x" * size)
    assert upload(page, path) == f"Uploaded: {path.name}"
    assert files(page)[0] == (path.name, size)


def test_a_large_file_arrives_with_progress(page, tmp_path):
    """What the person saw: the bar was there, and never went back."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(120_000_000)
    script = """
        window.seen = [];
        const text = document.getElementById("progress-text");
        new MutationObserver(() => {
          if (!text.parentElement.hidden) window.seen.push(parseInt(text.textContent));
        }).observe(text, {childList: true});
    """
    js(page, script)
    assert upload(page, path) == "Uploaded: large.bin"
    assert files(page)[0] == ("large.bin", 120_000_000)
    seen = js(page, "return window.seen")
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 100
    assert any(0 < percent < 100 for percent in seen)
    assert not shown(page, "#progress")
    assert console(page) == []


def test_names_stay_as_they_are(page, tmp_path):
    """Up, in the list, and down again."""
    paths = [tmp_path / name for name in NAMES]
    for path in paths:
        path.write_text(path.name, encoding="utf-8")
    assert upload(page, *paths) == f"Uploaded: {', '.join(NAMES)}"
    wait(page, lambda: set(NAMES) <= set(texts(page, "#file-list .name")))
    for name in NAMES[:2]:
        page.find_element(By.LINK_TEXT, name).click()
        # Chromium itself writes _ for what some file systems refuse.
        saved = page.saved / name.replace('"', "_")
        wait(page, saved.exists)
        assert saved.read_text(encoding="utf-8") == name


def test_a_refused_upload_says_so(page, server):
    """The server stays usable, and so does the page."""
    script = """
        document.getElementById("file-input").required = false;
        document.querySelector("#file-form button").click();
    """
    js(page, script)
    text = wait(page, lambda: "".join(texts(page, "#file-status")))
    assert text == "Not uploaded: 400 Bad Request"


# -- how it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desktop", 1280), ("phone", 390)])
def test_the_page_fits_and_can_be_read(page, name, width, scheme):
    """No sideways scrolling; texts stand out from their ground (WCAG AA)."""
    emulate(page, width, 900, scheme)
    page.find_element(By.LINK_TEXT, "<value:int>").click()
    page.find_element(By.LINK_TEXT, "500, a crash").click()
    wait(page, lambda: len(texts(page, "output .headers")) == 2)
    wait(page, lambda: page.find_elements(By.CSS_SELECTOR, "output iframe"))
    height = js(page, "return document.documentElement.scrollHeight")
    emulate(page, width, height, scheme)
    ARTIFACTS.mkdir(exist_ok=True)
    page.save_screenshot(str(ARTIFACTS / f"showcase-{name}-{scheme}.png"))
    assert js(page, "return document.documentElement.scrollWidth") <= width
    assert [text for text, ratio in js(page, CONTRASTS) if ratio < 4.5] == []
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# Ratio of luminances of each text and its ground, WCAG 2.2, 1.4.3.
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
const visible = [...document.querySelectorAll("body *")].filter((one) =>
  one.checkVisibility() && !one.matches(":disabled") &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
return visible.map((one) => {
  const pair = [light(numbers(getComputedStyle(one).color)), light(ground(one))];
  return [one.textContent, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
});
"""
