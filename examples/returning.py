"""Everything that a handler may return.

Run it by ``python examples/returning.py``, or give
``examples/returning.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/text
    curl -i http://127.0.0.1:8080/bytes
    curl -i http://127.0.0.1:8080/dict
    curl -i http://127.0.0.1:8080/list
    curl -i http://127.0.0.1:8080/empty-list
    curl -i http://127.0.0.1:8080/dataclass
    curl -i http://127.0.0.1:8080/none
    curl -i http://127.0.0.1:8080/generator
    curl -i http://127.0.0.1:8080/blocks
    curl -i http://127.0.0.1:8080/tuple
    curl -i http://127.0.0.1:8080/tuple-status
    curl -i http://127.0.0.1:8080/tuple-header
    curl -i http://127.0.0.1:8080/response
    curl -i http://127.0.0.1:8080/number
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from poorwsgi import Application
from poorwsgi.response import TextResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poorwsgi.request import Request

application = Application("returning")


@dataclass
class Point:
    """Sent as an object with its fields."""

    x: int
    y: int


def lines() -> Iterator[bytes]:
    """Yield bytes; they are sent as they come."""
    yield b"one\n"
    yield b"two\n"


# A tuple is (data, content type, headers, status) or (data, status, headers);
# what is left out has its default. Headers are a dict, pairs, or one bare pair.
VALUES: dict[str, Any] = {
    "text": "Text is HTML in UTF-8: žluť",
    "bytes": b"bytes are HTML as well",
    "dict": {"a dict": "is JSON"},
    "list": ["a list", "is JSON", 1],
    "empty-list": [],
    "dataclass": Point(1, 2),
    "none": None,  # 204 No Content
    "blocks": [b"a list of bytes ", b"is the body"],
    "tuple": ("plain", "text/plain", {"X-Answer": "42"}, 201),
    "tuple-status": ("Made.", 201, {"Location": "/text"}),
    "tuple-header": ("One pair.", "text/plain", ("X-Answer", "42")),
    "number": 42,  # nothing a response can be made of: 500, and a log record
}


@application.route("/<name>")
def value(req: Request, name: str) -> Any:
    """Return one of the values above, None (204) for any other name."""
    return VALUES.get(name)


@application.route("/generator")
def generator(req: Request) -> tuple[Iterator[bytes], str]:
    """Return an iterator: a new one each time, it can be sent only once."""
    return lines(), "text/plain"


@application.route("/response")
def response(req: Request) -> TextResponse:
    """Return a response, where there is more to say about it."""
    answer = TextResponse("A response is sent as it is.\n")
    answer.add_header("Cache-Control", "no-store")
    return answer


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
