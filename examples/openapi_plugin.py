"""An API that describes itself: a document from its code, checks by it, a page.

The document is made of the routes, `OpenAPIPlugin` checks requests and answers by
it, and /docs shows it and sends requests. `examples/openapi3.py` does the checks
by hand, with a document that stands in a file.

Install the extra and run it. `app_token` is the token of who may change notes::

    pip install 'poorwsgi[openapi-fast]'
    app_token=example-token python examples/openapi_plugin.py
    uwsgi --wsgi-file examples/openapi_plugin.py --http-socket 127.0.0.1:8080

    curl -i 'http://127.0.0.1:8080/notes?limit=2&state=open'
    curl -i 'http://127.0.0.1:8080/notes?limit=many'
    curl -i http://127.0.0.1:8080/notes/1
    curl -i -H "Authorization: Bearer example-token" --json '{"text": "Buy milk"}' http://127.0.0.1:8080/notes
    curl -i -H "Authorization: Bearer example-token" --json '{"text": ""}' http://127.0.0.1:8080/notes
    curl -i --json '{"text": "Buy milk"}' http://127.0.0.1:8080/notes
    curl -i http://127.0.0.1:8080/docs/openapi.json
    python -m poorwsgi openapi examples/openapi_plugin.py
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Literal

from poorwsgi import Application, abort, state
from poorwsgi.openapi import OpenAPIPlugin, operation
from poorwsgi.typed import Query, typed

if TYPE_CHECKING:
    from poorwsgi.request import Request

TOKEN = Application.get_options().get("token") or token_urlsafe(32)

application = Application("openapi_plugin")
application.openapi_base = {
    "info": {"title": "Notes", "version": "1.0.0", "description": "A list to try."},
    "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
}
application.set_filter("key", "[0-9]{1,9}", int)


@dataclass
class NewNote:
    """What a client sends."""

    text: Annotated[str, {"minLength": 1, "maxLength": 200}]
    state: Literal["open", "done"] = "open"


@dataclass
class Note(NewNote):
    """What is stored of it."""

    id: int = 0
    changed: datetime = datetime(2024, 2, 29, tzinfo=timezone.utc)  # noqa: UP017


NOTES = {1: Note("Read the documentation", id=1)}


def found(note_id: int) -> Note:
    """Return a note, or answer 404."""
    return NOTES.get(note_id) or abort(state.HTTP_NOT_FOUND)


@application.get("/notes")
@operation(tags=["notes"])
@typed
def list_notes(
    req: Request,
    limit: Annotated[int, Query(ge=1, le=100, description="How many")] = 10,
    state: Literal["open", "done"] | None = None,
) -> list[Note]:
    """Return the notes."""
    notes = [note for note in NOTES.values() if state in (None, note.state)]
    return notes[:limit]


@application.get("/notes/<id:key>")
@operation(tags=["notes"])
@typed
def read_note(req: Request, note_id: int) -> Note:
    """Return a note."""
    return found(note_id)


@application.post("/notes")
@operation(tags=["notes"], security=[{"bearer": []}])
@typed(status=state.HTTP_CREATED)
def make_note(req: Request, note: NewNote) -> Note:
    """Make a note.

    The list keeps the newest hundred.
    """
    made = Note(**asdict(note), id=max(NOTES) + 1)
    if len(NOTES) >= 100:
        del NOTES[min(NOTES)]
    return NOTES.setdefault(made.id, made)


application.openapi_ui("/docs")
OpenAPIPlugin(
    application,
    application.openapi(),
    security={
        "bearer": lambda req, token: compare_digest(token.encode(), TOKEN.encode())
    },
)

if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    print(f"the token is {TOKEN}, the page http://127.0.0.1:8080/docs")
    serve(application, "127.0.0.1", 8080)
