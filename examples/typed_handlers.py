"""Handlers that get what they need: query, form, JSON body and headers, checked.

Run it by ``python examples/typed_handlers.py``, or give
``examples/typed_handlers.py:application`` to any WSGI server::

    curl -i 'http://127.0.0.1:8080/books?subject=art&year=1987&year=2001'
    curl -i 'http://127.0.0.1:8080/books?subject=war&limit=0'
    curl -i --json '{"title": "On Looking", "published": "1987-05-01"}' http://127.0.0.1:8080/books
    curl -i --json '{"title": "", "pages": "many"}' http://127.0.0.1:8080/books
    curl -i --json '{"title": ' http://127.0.0.1:8080/books
    curl -i -d stars=5 -d 'text=Good' http://127.0.0.1:8080/books/1/reviews
    curl -i -H 'X-Request-Id: 6f1c1d2e-8f4e-4f0a-9b59-3d7f0b8f2a11' http://127.0.0.1:8080/echo
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from poorwsgi import Application, abort, state
from poorwsgi.typed import Form, Header, Query, typed

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("typed_handlers")
application.problem_json = True  # errors as application/problem+json, RFC 9457


class Subject(Enum):
    """What a book is about."""

    ART = "art"
    SCIENCE = "science"


@dataclass
class NewBook:
    """What a client sends."""

    title: Annotated[str, {"minLength": 1}]
    pages: int | None = None
    published: date | None = None
    subject: Subject = Subject.ART


@dataclass
class Book(NewBook):
    """What is kept of it."""

    number: int = 0


BOOKS = {1: Book("Ways to Draw", 160, date(2001, 3, 4), number=1)}


@application.get("/books")
@typed
def list_books(
    req: Request,
    subject: Subject | None = None,
    year: list[int] | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[Book]:
    """Return books; ?year=1987&year=2001 asks for several years."""
    found = [
        book
        for book in BOOKS.values()
        if subject in (None, book.subject)
        and (not year or (book.published and book.published.year in year))
    ]
    return found[:limit]


@application.post("/books")
@typed(status=state.HTTP_CREATED)
def add_book(req: Request, book: NewBook) -> Book:
    """Keep a book; of more than a hundred the newest."""
    made = Book(**vars(book), number=max(BOOKS) + 1)
    if len(BOOKS) >= 100:
        del BOOKS[min(BOOKS)]
    return BOOKS.setdefault(made.number, made)


@application.post("/books/<number:int>/reviews")
@typed
def review(
    req: Request,
    number: int,
    stars: Annotated[int, Form(ge=1, le=5)],
    text: Annotated[str, Form(max_length=500)] = "",
) -> dict[str, str | int]:
    """Take a review from a form; the number comes from the path."""
    book = BOOKS.get(number) or abort(state.HTTP_NOT_FOUND)
    return {"book": book.title, "stars": stars, "text": text}


@application.get("/echo")
@typed
def echo(
    req: Request, x_request_id: Annotated[UUID | None, Header()] = None
) -> dict[str, UUID | None]:
    """Return the header X-Request-Id."""
    return {"id": x_request_id}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
