"""`make pictures` takes all pictures of the guide, in 200 kB."""

import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("selenium")
pytestmark = pytest.mark.browser

REQUIRED = os.environ.get("POORWSGI_REQUIRE_SERVERS") == "1"


def test_pictures_are_taken_and_small(monkeypatch, tmp_path, capsys):
    """Each is a PNG; what they show, the other tests of this folder look at."""
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.fail(f"{missing}") if REQUIRED else pytest.skip(f"{missing}")
    monkeypatch.setattr(sys, "path", [str(Path(__file__).parents[1]), *sys.path])
    import pictures

    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    assert pictures.main() == 0
    taken = list(tmp_path.iterdir())
    assert {path.stem for path in taken} == {one.name for one in pictures.PICTURES}
    for path in taken:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 3_000
