"""A small but real application: notes, files, and one route of every kind.

Run it::

    make run                                      # uWSGI, 2 processes, 4 threads
    python examples/showcase.py                   # the development server
    python -m poorwsgi run examples/showcase.py   # the same

    curl -i http://127.0.0.1:8080/filter/int/42
    curl -i --json '{"text": "Buy milk"}' http://127.0.0.1:8080/api/notes
    curl -i -F file=@README.rst http://127.0.0.1:8080/files

Notes and files are kept in a temporary folder that all processes of a server
share and that goes when it stops. Name one to keep it, or for a server whose
workers each import the program: ``app_data=/var/tmp/showcase``.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from secrets import token_hex
from time import sleep, time
from typing import TYPE_CHECKING, Annotated, Any, Required, TypedDict
from urllib.parse import quote

from poorwsgi import Application, abort, redirect, state
from poorwsgi.headers import parse_range
from poorwsgi.openapi import operation
from poorwsgi.request import JsonDict
from poorwsgi.request import Request as BaseRequest
from poorwsgi.response import (
    BaseResponse,
    FileResponse,
    HTTPException,
    RedirectResponse,
    TextResponse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().with_name("showcase_files")
TEXT = "text/plain; charset=utf-8"
# The frames that show error pages have their style inside.
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
MAX_TEXT, MAX_LINES = 500, 100


class Request(BaseRequest):
    """A request with an id; any other attribute may be set on it as well."""

    request_id = "-"


logging.basicConfig()  # warnings and errors to stderr: the log of the server
application = Application("showcase")
application.request_class = Request
application.debug = True  # tracebacks on error pages, and /debug-info
application.document_root = str(PAGE)  # index.html, its style and script
application.document_index = True
application.max_body_size = 1 << 30


# -- data: a folder with a database and the uploaded files -------------------


def make_folder() -> Path:
    """Return the folder of all data; one that is not named goes with the server."""
    folder = application.get_options().get("data")
    if not folder:
        folder = tempfile.mkdtemp(prefix="showcase-")
        remove_with_server(folder)
    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(folder)


def remove_with_server(folder: str) -> None:
    """Let a small process remove a folder when the last of ours has ended.

    An atexit function would not do: uWSGI runs it in each worker that ends, and
    never in its master. The pipe stays open until all are gone, killed or not.
    """
    read, _ = os.pipe()
    watcher = subprocess.Popen(
        ["/bin/sh", "-c", 'cat; rm -rf "$0"', folder],
        stdin=read,
        start_new_session=True,  # Ctrl-C is not for it
    )
    watcher.returncode = 0  # nobody waits for it
    os.close(read)


FOLDER = make_folder()


def connect() -> sqlite3.Connection:
    """Open the database; each statement is a transaction of its own.

    Processes and threads share the file, never a connection: SQLite waits
    while another one writes.
    """
    return sqlite3.connect(FOLDER / "data.sqlite", timeout=20, isolation_level=None)


with closing(connect()) as first:
    first.executescript(
        """
        PRAGMA journal_mode = WAL;
        CREATE TABLE IF NOT EXISTS note (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            text TEXT NOT NULL, done INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS file (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL, size INTEGER NOT NULL, stored TEXT NOT NULL);
        """
    )


# -- hooks: of the application, and of the two groups that need the database -


@application.before_response()
def start_request(req: Request) -> None:
    """Give the request an id that the answer carries as well."""
    req.request_id = token_hex(8)


@application.after_response()
def finish_request(req: Request, response: BaseResponse) -> BaseResponse:
    """Say how long it took; errors, files and 404 come by here as well."""
    response.add_header("X-Request-Id", getattr(req, "request_id", "-"))
    response.add_header("X-Content-Type-Options", "nosniff")
    milliseconds = (time() - req.start_time) * 1000
    response.add_header("Server-Timing", f"app;dur={milliseconds:.2f}")
    return response


def open_database(req: Request) -> None:
    """Open the database as `req.db`."""
    req.db = connect()


def close_database(req: Request, response: BaseResponse) -> BaseResponse:
    """Close it, whatever the answer is."""
    if req.db is not None:
        req.db.close()
    return response


# What SQLite takes as a key; a longer number is a path that nobody knows, 404.
application.set_filter("key", "[0-9]{1,18}", int)

api = application.group("/api")
files = application.group("/files")
for group in (api, files):
    group.before_response()(open_database)
    group.after_response()(close_database)


# -- the page, and what comes in by path, query and form ---------------------


@application.get("/")
def index(req: Request) -> FileResponse:
    """Return the page that links everything."""
    response = FileResponse(PAGE / "index.html", "text/html; charset=utf-8")
    response.add_header("Content-Security-Policy", POLICY)
    return response


@application.get("/hello/<name>")
def hello(req: Request, name: str) -> str:
    """Greet in HTML. What comes from outside is escaped by who writes HTML."""
    return f"<!DOCTYPE html><title>Hello</title><h1>Hello, {escape(name)}!</h1>"


application.set_filter("date", r"\d{4}-[01]\d-[0-3]\d", date.fromisoformat)


@application.get("/filter/none/<value>")
@application.get("/filter/int/<value:int>")
@application.get("/filter/float/<value:float>")
@application.get("/filter/word/<value:word>")
@application.get("/filter/hex/<value:hex>")
@application.get("/filter/uuid/<value:uuid>")
@application.get("/filter/re/<value:re:[a-z]{3}-[0-9]+>")
@application.get("/filter/any/<value:any(red,green,blue)>")
@application.get("/filter/path/<value:path>")
@application.get("/filter/date/<value:date>")
def filtered(req: Request, value: Any) -> dict[str, str]:
    """Tell which rule has matched and what its filter made of the path."""
    return {
        "rule": req.uri_rule or "",
        "value": str(value),
        "type": type(value).__name__,
    }


@application.get("/query")
def echo_query(req: Request) -> dict[str, Any]:
    """Return the arguments of the query string."""
    return {"args": {name: req.args.getlist(name) for name in req.args}}


@application.post("/form")
def echo_form(req: Request) -> dict[str, Any]:
    """Return the fields of a form, urlencoded or multipart."""
    return {"form": {name: req.form.getlist(name) for name in req.form}}


@application.get("/stream/<lines:int>")
def stream(req: Request, lines: int) -> tuple[Iterator[bytes], str]:
    """Send some lines, a tenth of a second between two."""

    def generate() -> Iterator[bytes]:
        for number in range(1, min(lines, MAX_LINES) + 1):
            if number > 1:
                sleep(0.1)
            yield f"line {number}\n".encode()

    return generate(), TEXT


# -- notes: create, read, update, delete -------------------------------------


Text = Annotated[str, {"minLength": 1, "maxLength": MAX_TEXT, "pattern": r"\S"}]


class Change(TypedDict, total=False):
    """What a client sends of a note."""

    text: Text | None
    done: bool | None


class NewNote(Change):
    """The same with a text."""

    text: Required[Text]  # type: ignore[misc]  # narrower on purpose


@dataclass
class Note:
    """A note, as JSON and as a row."""

    id: int
    text: str
    done: bool


def as_note(row: tuple[int, str, int] | None) -> Note:
    """Return the note in a row; no row is 404."""
    if row is None:
        abort(state.HTTP_NOT_FOUND, error="There is no such note")
    return Note(row[0], row[1], bool(row[2]))


def checked(req: Request, whole: bool) -> tuple[str | None, bool | None]:
    """Return text and done of a JSON object, None for what it leaves out."""
    if not isinstance(req.json, JsonDict):
        abort(state.HTTP_BAD_REQUEST, error="A note is a JSON object")
    text, done = req.json.get("text"), req.json.get("done")
    if (text is not None or whole) and not isinstance(text, str):
        abort(state.HTTP_BAD_REQUEST, error="'text' has to be a string")
    if text is not None and not 0 < len(text.strip()) <= MAX_TEXT:
        abort(state.HTTP_BAD_REQUEST, error=f"'text' has 1 to {MAX_TEXT} letters")
    if text is not None and any("\ud800" <= letter <= "\udfff" for letter in text):
        abort(state.HTTP_BAD_REQUEST, error="'text' has half a surrogate pair")
    if done is not None and not isinstance(done, bool):
        abort(state.HTTP_BAD_REQUEST, error="'done' has to be true or false")
    return text, done


@api.get("/notes")
def list_notes(req: Request) -> list[Note]:
    """Return the newest notes."""
    rows = req.db.execute("SELECT id, text, done FROM note ORDER BY id DESC LIMIT 100")
    return [as_note(row) for row in rows]


@api.post("/notes")
@operation(request_body=NewNote, status=state.HTTP_CREATED)
def create_note(req: Request) -> tuple[Note, int, dict[str, str]]:
    """Make a note of a JSON object, and say where it is."""
    text, done = checked(req, whole=True)
    row = req.db.execute(
        "INSERT INTO note (text, done) VALUES (?, ?) RETURNING id, text, done",
        (text, bool(done)),
    ).fetchone()
    location = application.url_for("note", id=row[0])
    return as_note(row), state.HTTP_CREATED, {"Location": location}


@api.get("/notes/<id:key>", name="note")
def read_note(req: Request, note_id: int) -> Note:
    """Return one note."""
    return as_note(
        req.db.execute(
            "SELECT id, text, done FROM note WHERE id = ?", (note_id,)
        ).fetchone()
    )


@api.put("/notes/<id:key>")
@operation(request_body=NewNote)
def replace_note(req: Request, note_id: int) -> Note:
    """Replace a note."""
    text, done = checked(req, whole=True)
    return update(req.db, note_id, text, bool(done))


@api.patch("/notes/<id:key>")
@operation(request_body=Change)
def change_note(req: Request, note_id: int) -> Note:
    """Change what is named of a note."""
    return update(req.db, note_id, *checked(req, whole=False))


def update(
    db: sqlite3.Connection, note_id: int, text: str | None, done: bool | None
) -> Note:
    """Set what is not None, in one statement."""
    return as_note(
        db.execute(
            "UPDATE note SET text = coalesce(?, text), done = coalesce(?, done) "
            "WHERE id = ? RETURNING id, text, done",
            (text, done, note_id),
        ).fetchone()
    )


@api.delete("/notes/<id:key>")
def delete_note(req: Request, note_id: int) -> None:
    """Delete a note; None is 204 No Content."""
    if not req.db.execute("DELETE FROM note WHERE id = ?", (note_id,)).rowcount:
        abort(state.HTTP_NOT_FOUND, error="There is no such note")


# -- files: uploaded as a stream, downloaded also in ranges ------------------

FORM = {
    "required": ["file"],
    "properties": {"file": {"type": "string", "format": "binary"}},
}
UPLOAD = {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}


@dataclass
class File:
    """An uploaded file, as JSON."""

    id: int
    name: str
    size: int
    url: str


def as_file(row: tuple[int, str, int]) -> File:
    """Return the file in a row."""
    return File(*row, application.url_for("file", id=row[0], name=row[1]))


def save(db: sqlite3.Connection, part: Any) -> File:
    """Write a part to a file while it arrives, then enter it in the table.

    The name on the disk is ours, so the client's can not lead anywhere.
    """
    stored, size = token_hex(16), 0
    path = FOLDER / stored
    try:
        with path.open("xb") as file:
            for block in part:
                size += file.write(block)
        row = db.execute(
            "INSERT INTO file (name, size, stored) VALUES (?, ?, ?) "
            "RETURNING id, name, size",
            (part.filename, size, stored),
        ).fetchone()
    except BaseException:  # also when the client is gone
        path.unlink(missing_ok=True)
        raise
    return as_file(row)


@files.get("")
def list_files(req: Request) -> list[File]:
    """Return the newest files."""
    rows = req.db.execute("SELECT id, name, size FROM file ORDER BY id DESC LIMIT 100")
    return [as_file(row) for row in rows]


@files.post("")
@operation(request_body=UPLOAD, status=state.HTTP_CREATED)
def upload(req: Request) -> tuple[list[File], int]:
    """Store all files of a form; a browser without script goes back to the page."""
    saved = [save(req.db, part) for part in req.parts() if part.filename]
    if not saved:
        abort(state.HTTP_BAD_REQUEST, error="There is no file in the form")
    if req.accept_html:
        redirect("/#files", state.HTTP_SEE_OTHER)
    return saved, state.HTTP_CREATED


@files.get("/<id:key>/<name>", name="file")
def download(req: Request, file_id: int, _: str) -> FileResponse:
    """Send a file to be saved, never to be shown: it may be anybody's HTML."""
    row = req.db.execute(
        "SELECT name, stored FROM file WHERE id = ?", (file_id,)
    ).fetchone()
    if row is None:
        abort(state.HTTP_NOT_FOUND, error="There is no such file")
    response = FileResponse(FOLDER / row[1], "application/octet-stream")
    # RFC 6266, 4.3: quotes and emoji of the name arrive as they are.
    name = quote(row[0], safe="")
    response.add_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
    ranges = parse_range(req.headers.get("Range", "")).get("bytes")
    if ranges:
        response.make_partial(ranges)
    return response


@files.delete("/<id:key>/<name>")
def delete_file(req: Request, file_id: int, _: str) -> None:
    """Delete a file."""
    row = req.db.execute(
        "DELETE FROM file WHERE id = ? RETURNING stored", (file_id,)
    ).fetchone()
    if row is None:
        abort(state.HTTP_NOT_FOUND, error="There is no such file")
    (FOLDER / row[0]).unlink(missing_ok=True)


# -- errors, one of each kind ------------------------------------------------


class OutOfCoffeeError(Exception):
    """An error of the application, with a handler of its own."""


@application.error_handler(OutOfCoffeeError)
def out_of_coffee(
    req: Request, error: Exception
) -> tuple[str, str, dict[str, str], int]:
    """Answer an exception, wherever it was raised."""
    return f"Out of coffee: {error}\n", TEXT, {"Retry-After": "60"}, 503


@application.http_state(state.HTTP_I_AM_A_TEAPOT)
def teapot(req: Request) -> tuple[str, str, tuple[()], int]:
    """Answer a status, instead of the page of the framework."""
    return "I'm a teapot, by the application's own handler.\n", TEXT, (), 418


@application.get("/error/<code:any(400,401,403,404,409,410,413,418,429,451,500,503)>")
@operation(hidden=True)
def error_status(req: Request, code: str) -> None:
    """End with a status: its handler answers, or the page of the framework."""
    abort(int(code))


@application.get("/error/crash")
@operation(hidden=True)
def error_crash(req: Request) -> float:
    """Fail; the page has a traceback because debug is on."""
    return 1 / (req.start_time * 0)


@application.get("/error/handled")
@operation(hidden=True)
def error_handled(req: Request) -> None:
    """Raise what an exception handler answers."""
    raise OutOfCoffeeError("the machine is empty")


@application.get("/error/response")
@operation(hidden=True)
def error_response(req: Request) -> None:
    """Raise a response, from however deep."""
    raise HTTPException(TextResponse("Pay first.\n", status_code=402))


@application.get("/error/value")
@operation(hidden=True)
def error_value(req: Request) -> Any:
    """Return what no response can be made of."""
    return 42


@application.get("/old")
def moved(req: Request) -> RedirectResponse:
    """Send the client to the page."""
    return RedirectResponse("/", state.HTTP_MOVED_PERMANENTLY)


application.openapi_ui("/docs")  # the routes, to read and to try

if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
