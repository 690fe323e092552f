"""Handlers of the pages; which path leads to which, the table knows."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from poorwsgi import abort, state

if TYPE_CHECKING:
    from poorwsgi.request import Request

MESSAGES = {1: "Welcome"}


class TooSlowError(Exception):
    """The machine behind a page needs too long."""


def index(req: Request) -> str:
    """Return the first page."""
    return "<!DOCTYPE html><title>Table</title><h1>Put together in a table</h1>"


def user(req: Request, name: str) -> str:
    """Return the page of a user."""
    return f"<!DOCTYPE html><title>User</title><h1>{escape(name)}</h1>"


def messages(req: Request) -> dict[int, str]:
    """Return the messages; a form adds one. Each process has its own."""
    if req.method == "POST":
        text = str(req.form.getfirst("text", "")).strip()
        if not text:
            abort(state.HTTP_BAD_REQUEST, error="There is no text")
        MESSAGES[max(MESSAGES, default=0) + 1] = text
    return MESSAGES


def delete_message(req: Request, message: int) -> None:
    """Delete a message."""
    if MESSAGES.pop(message, None) is None:
        abort(state.HTTP_NOT_FOUND)


def plus(req: Request, a: int, b: int) -> dict[str, int]:
    """Return a sum."""
    return {"sum": a + b}


def fail(req: Request) -> None:
    """Raise what the table has a handler for."""
    raise TooSlowError("The machine")
