"""A file sent as the body of a PUT, read in blocks.

Run it by ``python examples/put_file.py``, or give
``examples/put_file.py:application`` to any WSGI server::

    curl -i -X PUT -d 'the content' http://127.0.0.1:8080/files/note.txt
    curl -i -X PUT -d 'another one' http://127.0.0.1:8080/files/note.txt
    curl -i http://127.0.0.1:8080/files/note.txt
    curl -i -X DELETE http://127.0.0.1:8080/files/note.txt
    curl -i http://127.0.0.1:8080/files/note.txt
    curl -i -X PUT -d 'x' http://127.0.0.1:8080/files/..

curl sends a file by ``curl -T picture.png http://127.0.0.1:8080/files/``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poorwsgi import Application, abort, state
from poorwsgi.fieldstorage import safe_filename
from poorwsgi.response import FileResponse, NoContentResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

BLOCK = 1 << 16

application = Application("put_file")
# Removed when the process ends; a real application has a place of its own.
folder = tempfile.TemporaryDirectory(prefix="poorwsgi-put-")


def path_of(name: str) -> Path:
    """Return where a file is stored; a name that is no plain one is 404."""
    if safe_filename(name) != name:
        abort(state.HTTP_NOT_FOUND)
    return Path(folder.name, name)


@application.route("/files/<name>", method=state.METHOD_PUT)
def put(req: Request, name: str) -> Any:
    """Store the body: 201 if the file is new, 204 if it was there."""
    path = path_of(name)
    was_there = path.exists()
    # Beside the old one, so that nobody ever reads half of a file.
    with tempfile.NamedTemporaryFile(dir=folder.name, delete=False) as target:
        try:
            # read() never goes past the body, and refuses one that ends early.
            while block := req.read(BLOCK):
                target.write(block)
        except BaseException:
            os.unlink(target.name)
            raise
    Path(target.name).replace(path)
    if was_there:
        return NoContentResponse()
    return "Made.\n", "text/plain", {"Location": req.path}, state.HTTP_CREATED


@application.route("/files/<name>")
def get(_: Request, name: str) -> FileResponse:
    """Send the file."""
    try:
        return FileResponse(str(path_of(name)), "application/octet-stream")
    except OSError:
        abort(state.HTTP_NOT_FOUND)


@application.route("/files/<name>", method=state.METHOD_DELETE)
def delete(_: Request, name: str) -> NoContentResponse:
    """Remove the file."""
    path_of(name).unlink(missing_ok=True)
    return NoContentResponse()


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
