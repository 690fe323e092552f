"""Take the pictures of our own pages that the guide shows: `make pictures`.

They are taken where the site is built and not kept in the repository; without
them the guide builds just as well. Each is small, all together are below
`MOST` bytes.
"""

import base64
import os
import runpy
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from selenium import webdriver

from poorwsgi.profiling import profile
from poorwsgi.testing import LiveServer, TestClient

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "doc" / "_pictures"
MOST = 200_000
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update --disable-sync
--disable-dev-shm-usage --hide-scrollbars"""


class Picture(NamedTuple):
    """A page in a window of a size."""

    name: str
    where: str
    width: int
    height: int
    scheme: str = "light"


PICTURES = [
    Picture("debug-info", "{showcase}/debug-info", 1000, 460),
    Picture("debug-info-phone", "{showcase}/debug-info", 390, 560, "dark"),
    Picture("error", "{showcase}/error/crash", 1000, 460),
    Picture("listing", "{showcase}/assets/", 700, 320, "dark"),
    Picture("flame", "{flame}", 1000, 320),
    Picture("challenge", "{shop}/?score=100", 390, 480),
]


def main() -> int:
    """Take all of them; the status is 1 if they are larger than they may be."""
    FOLDER.mkdir(exist_ok=True)
    with ExitStack() as stack:
        places = open_places(stack)
        driver = open_browser(stack)
        for picture in PICTURES:
            take(driver, picture, places)
    size = sum((FOLDER / f"{one.name}.png").stat().st_size for one in PICTURES)
    print(f"{len(PICTURES)} pictures, {size} bytes, in {FOLDER}")
    return size > MOST


def open_places(stack: ExitStack) -> dict[str, str]:
    """Start what is to be seen; return the addresses."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    run = [sys.executable, "-m", "poorwsgi", "run"]
    showcase = [*run, str(ROOT / "examples" / "showcase.py"), "--port", "{port}"]
    env = {"PYTHONPATH": str(ROOT), "app_data": str(folder)}
    flame = folder / "flame.svg"
    flame.write_text(flame_graph())
    return {
        "showcase": stack.enter_context(LiveServer(showcase, cwd=ROOT, env=env)).url,
        "shop": stack.enter_context(LiveServer(shop(), cwd=ROOT, env=env)).url,
        "flame": flame.as_uri(),
    }


def shop() -> list[str]:
    """Return the command of a shop whose visitors must show that they are human."""
    fake = [sys.executable, str(ROOT / "tests" / "fake_perimeterx.py")]
    program = ROOT / "examples" / "perimeterx" / "poorwsgi.py"
    return ["env", "PORT={port}", *fake, str(program)]


def flame_graph() -> str:
    """Return the graph of a hundred requests to the smallest example."""
    example = runpy.run_path(str(ROOT / "examples" / "simple.py"))
    client = TestClient(example["application"], validate=False)

    def hundred_requests() -> None:
        for _ in range(100):
            client.get("/hello/Ada")

    hundred_requests()  # what is imported at the first one is no part of it
    graph = profile(hundred_requests).flame_graph("A hundred requests")
    example["application"].release()
    return graph


def open_browser(stack: ExitStack) -> webdriver.Chrome:
    """Start a headless Chromium."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    profile_folder = stack.enter_context(
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    )
    options.add_argument(f"--user-data-dir={profile_folder}")
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    stack.callback(driver.quit)
    return driver


def take(driver: webdriver.Chrome, picture: Picture, places: dict[str, str]) -> None:
    """Open the page and keep what is seen of it."""
    metrics = {"width": picture.width, "height": picture.height}
    more = {"deviceScaleFactor": 1, "mobile": picture.width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics | more)
    scheme = {"name": "prefers-color-scheme", "value": picture.scheme}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(picture.where.format(**places))
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    (FOLDER / f"{picture.name}.png").write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    sys.exit(main())
