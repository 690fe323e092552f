"""Upload of files by a form, with a progress bar for the person who uploads.

Small fields and files are in memory, large files in temporary files, so the
form is read as if all were small. Run it by ``python examples/upload.py``, or
give ``examples/upload.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i -F note=hello -F file=@README.rst http://127.0.0.1:8080/
    curl -i -F note=hello http://127.0.0.1:8080/
    curl -i -F file=@README.rst http://127.0.0.1:8080/files
    curl -i http://127.0.0.1:8080/files
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from poorwsgi import Application, abort, redirect, state

if TYPE_CHECKING:
    from poorwsgi.request import Request

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Upload</title>
<h1>Upload</h1>
<form method="post" enctype="multipart/form-data">
  <p><label>Note: <input name="note"></label>
  <p><label>Files: <input type="file" name="file" multiple required></label>
  <p><button>Send</button> <progress value="0" max="1" hidden></progress>
</form>
<p role="status"></p>
<script>
  const form = document.querySelector("form");
  const bar = document.querySelector("progress");
  form.onsubmit = (event) => {
    event.preventDefault();
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / total; };
    request.onload = () => {
      document.querySelector("[role=status]").textContent = request.responseText;
    };
    bar.hidden = false;
    request.open("POST", form.action);
    request.send(new FormData(form));
  };
</script>
"""

application = Application("upload")
# Removed when the process ends; a real application has a place of its own.
folder = tempfile.TemporaryDirectory(prefix="poorwsgi-upload-")
#: Name under which a file is stored, to the name its owner gave it.
names: dict[str, str] = {}


def uploaded(req: Request) -> list[Any]:
    """Return the fields that are files; an empty form has no list."""
    return [field for field in req.form.list if field.filename] if req.form else []


@application.route("/")
def page(_: Request) -> str:
    """Return the page with the form."""
    return PAGE


@application.route("/", method=state.METHOD_POST)
def store(req: Request) -> dict[str, Any]:
    """Store the files, under names that nobody else can choose."""
    files = uploaded(req)
    if not files:
        abort(state.HTTP_BAD_REQUEST, error="There is no file in the form")
    stored = []
    for field in files:
        name = uuid4().hex
        path = Path(folder.name, name)
        with path.open("xb") as target:
            shutil.copyfileobj(field.file, target, 1 << 20)
        # The client's name is kept, and never used to open a file.
        names[name] = field.filename
        stored.append({"name": field.filename, "size": path.stat().st_size})
    return {"note": req.form.getvalue("note"), "stored": stored}


@application.route("/files")
def listing(_: Request) -> list[str]:
    """Return the names of all files."""
    return list(names.values())


@application.route("/files", method=state.METHOD_POST)
def store_and_show(req: Request) -> None:
    """Store as above, and send the browser to the list (no script needed)."""
    store(req)
    redirect("/files", state.HTTP_SEE_OTHER)


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
