"""Things to do when an answer is over: sent, refused, or the client gone.

The server closes what it was given, exactly once. A generator finds that in its
``finally``; a file is closed by its response; a response of your own may do
anything. Run it by ``python examples/response_closed.py``, or give
``examples/response_closed.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/generator
    curl -i -I http://127.0.0.1:8080/generator
    curl -i http://127.0.0.1:8080/file
    curl -i http://127.0.0.1:8080/after
    curl -i http://127.0.0.1:8080/log
"""

from __future__ import annotations

from contextlib import suppress
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from poorwsgi import Application
from poorwsgi.response import FileObjResponse, GeneratorResponse, TextResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poorwsgi.request import Request

application = Application("response_closed")

# What has happened, newest last; each process has its own.
events: list[str] = []


def rows() -> Iterator[bytes]:
    """Yield rows of something that has to be closed."""
    events.append("generator opened")
    try:
        for number in range(5):
            yield b"row %d\n" % number
    finally:
        events.append("generator closed")


@application.get("/generator")
def generator(req: Request) -> GeneratorResponse:
    """Send a generator; one that never ran (HEAD) has nothing to close."""
    return GeneratorResponse(rows(), "text/plain")


@application.get("/file")
def file(req: Request) -> FileObjResponse:
    """Send an open file, here one without a name: closing it removes it."""
    temporary = TemporaryFile()  # noqa: SIM115 - the response closes it
    temporary.write(b"here and gone\n")
    temporary.seek(0)
    return FileObjResponse(temporary, "text/plain")


class ClosingBody:
    """A body that calls a function when the server has done with it."""

    def __init__(self, body: Iterable[bytes], on_close: Callable[[], None]):
        self._body = body
        self._on_close = on_close

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        """Close what is inside, then call the function."""
        with suppress(AttributeError):
            self._body.close()  # type: ignore[attr-defined]
        self._on_close()


class TextResponseWithEnd(TextResponse):
    """A text, and a function that is called after it was sent."""

    def __init__(self, text: str, on_close: Callable[[], None]):
        super().__init__(text)
        self._on_close = on_close

    def __end_of_response__(self) -> Any:
        return ClosingBody(super().__end_of_response__(), self._on_close)


@application.get("/after")
def after(req: Request) -> TextResponse:
    """Answer at once, work afterwards; the worker is busy until then."""
    return TextResponseWithEnd("Accepted.\n", lambda: events.append("work done"))


@application.get("/log")
def log(req: Request) -> list[str]:
    """Return the last events."""
    return events[-20:]


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
