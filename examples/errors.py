"""Errors: by status, by exception, and what happens if their handlers fail.

Run it by ``python examples/errors.py``, or give
``examples/errors.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/nothing
    curl -i http://127.0.0.1:8080/forbidden
    curl -i http://127.0.0.1:8080/forbidden -H 'Accept: application/json'
    curl -i http://127.0.0.1:8080/gone
    curl -i http://127.0.0.1:8080/item/9
    curl -i http://127.0.0.1:8080/square/x
    curl -i http://127.0.0.1:8080/crash
    curl -i http://127.0.0.1:8080/teapot
    curl -i http://127.0.0.1:8080/etag
    curl -i http://127.0.0.1:8080/old
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from poorwsgi import Application, abort, redirect, state
from poorwsgi.response import HTTPException, NotModifiedResponse, TextResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("errors")


@application.http_state(state.HTTP_NOT_FOUND)
def not_found(req: Request, error: str = "there is no such page") -> tuple[str, int]:
    """Answer 404; `error` is what was given to abort()."""
    return f"Not found: {escape(str(error))}.\n", 404


@application.http_state(state.HTTP_INTERNAL_SERVER_ERROR)
def server_error(req: Request) -> TextResponse:
    """Answer whatever fails; the traceback is in the log already."""
    return TextResponse("Sorry, it is our fault.\n", status_code=500)


@application.http_state(state.HTTP_I_AM_A_TEAPOT)
def teapot(req: Request) -> str:
    """Fail in a state handler: 500 answers then."""
    raise RuntimeError("the teapot is broken")


@application.error_handler(ValueError, state.METHOD_ALL)
def value_error(req: Request, error: ValueError) -> None:
    """Turn an exception, and those derived from it, to a status."""
    raise HTTPException(state.HTTP_BAD_REQUEST, error=error)


class NoItemError(LookupError):
    """Raised somewhere deep, where nobody knows of HTTP."""


@application.error_handler(NoItemError)
def no_item(req: Request, error: NoItemError) -> tuple[str, str, tuple[()], int]:
    """Answer an exception of the application with a value."""
    return f"No item {error}.\n", "text/plain", (), 404


@application.get("/forbidden")
def forbidden(req: Request) -> None:
    """End by a status without handler: the framework's page, HTML or JSON."""
    raise HTTPException(state.HTTP_FORBIDDEN)


@application.get("/gone")
def gone(req: Request) -> None:
    """Do the same by the function; the error stands on the page."""
    abort(state.HTTP_GONE, error="It was eaten")


@application.get("/item/<item:int>")
def item(req: Request, item: int) -> str:
    """Raise an error of the application."""
    raise NoItemError(item)


@application.get("/square/<text>")
def square(req: Request, text: str) -> dict[str, int]:
    """Raise a ValueError if the text is no number."""
    return {"square": int(text) ** 2}


@application.get("/crash")
def crash(req: Request) -> str:
    """Fail as programs do."""
    return ["no such item"][1]


@application.get("/teapot")
def make_tea(req: Request) -> None:
    """End by a status whose handler fails."""
    abort(state.HTTP_I_AM_A_TEAPOT)


@application.get("/etag")
def not_modified(req: Request) -> None:
    """Raise a response, the other use of HTTPException."""
    raise HTTPException(NotModifiedResponse(etag='W/"42"'))


@application.get("/old")
def old(req: Request) -> None:
    """Raise a redirect."""
    redirect("/item/9", permanent=True)


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
