"""Uploads that go to a storage of the application, without a temporary file.

The factory is called once for each file, with the last component of the name
that the client gave, and refuses a file that exists. At / it is the application's
`file_callback`; /by-hand does the same for one request only. Run it by
``python examples/file_callback.py``, or give
``examples/file_callback.py:application`` to any WSGI server::

    curl -i -F file=@README.rst http://127.0.0.1:8080/
    curl -i -F file=@README.rst http://127.0.0.1:8080/
    curl -i -F file=@LICENSE http://127.0.0.1:8080/by-hand
    curl -i -F file=@LICENSE http://127.0.0.1:8080/by-hand
    curl -i -F file=@CHANGELOG.rst -F file=@README.rst http://127.0.0.1:8080/
"""

from __future__ import annotations

import os
import tempfile
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poorwsgi import Application, state
from poorwsgi.fieldstorage import FieldStorageParser

if TYPE_CHECKING:
    from poorwsgi.request import Request


class Storage:
    """A folder; called with a name, it opens a new file in it."""

    def __init__(self) -> None:
        # Removed when the process ends; a real one has a place of its own.
        self.folder = tempfile.TemporaryDirectory(prefix="poorwsgi-callback-")

    def __call__(self, filename: str) -> FileIO:
        """Return a new file; FileExistsError if there is one already."""
        return FileIO(Path(self.folder.name, filename), "x+")

    def names(self) -> list[str]:
        """Return the names of all files."""
        return sorted(os.listdir(self.folder.name))


storage = Storage()

application = Application("file_callback")
application.auto_form = False


@application.before_response()
def parse(req: Request) -> None:
    """Read the form of every request but those of /by-hand.

    With `auto_form` on, ``application.file_callback = storage`` is all.
    """
    if req.uri_rule != "/by-hand" and req.is_body_request:
        req.form = parsed(req)


def parsed(req: Request) -> Any:
    """Return the form of a request; the limits are those of the application."""
    return FieldStorageParser(
        req.input, req.headers, file_callback=storage, limits=application
    ).parse()


@application.error_handler(FileExistsError, state.METHOD_ALL)
def exists(_: Request, error: FileExistsError) -> tuple[Any, ...]:
    """Answer a file that is there already."""
    name = os.path.basename(error.filename)
    return {"error": f"{name} is there already"}, "", None, state.HTTP_CONFLICT


@application.route("/", method=state.METHOD_POST)
def upload(_: Request) -> dict[str, list[str]]:
    """Tell what is stored; the file is there before this is called."""
    return {"stored": storage.names()}


@application.route("/by-hand", method=state.METHOD_POST)
def upload_by_hand(req: Request) -> dict[str, list[str]]:
    """Read the form here."""
    with parsed(req) as form:
        if not any(field.filename for field in form.list):
            return {"stored": []}
    return {"stored": storage.names()}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
