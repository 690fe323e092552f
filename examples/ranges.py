"""Answers in parts: bytes of a text, a file or a stream, and units of one's own.

Files of a document root have ranges by themselves; handlers decide for theirs.
Run it by ``python examples/ranges.py``, or give
``examples/ranges.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/text
    curl -i -r 0-4 http://127.0.0.1:8080/text
    curl -i -r -100 http://127.0.0.1:8080/file
    curl -i -r 5- http://127.0.0.1:8080/stream
    curl -i -r 100- http://127.0.0.1:8080/text
    curl -i -r 0-1 http://127.0.0.1:8080/empty
    curl -i -H 'Range: unicodes=6-9' http://127.0.0.1:8080/unicodes
    curl -i -H 'Range: unicodes=90-' http://127.0.0.1:8080/unicodes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poorwsgi import Application, abort
from poorwsgi.headers import parse_range
from poorwsgi.response import (
    BaseResponse,
    FileResponse,
    GeneratorResponse,
    PartialResponse,
    Response,
    TextResponse,
)

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("ranges")

TEXT = "Hello, Wörld! 🌍"


def ranged(req: Request, response: BaseResponse) -> BaseResponse:
    """Cut a response to what the client has asked for, if it has.

    `make_partial` alone tells that it could; what is no range is ignored, and
    one behind the end is 416.
    """
    response.make_partial(parse_range(req.headers.get("Range", "")).get("bytes"))
    return response


@application.get("/text")
def text(req: Request) -> BaseResponse:
    """Send some text."""
    return ranged(req, TextResponse(TEXT))


@application.get("/file")
def file(req: Request) -> BaseResponse:
    """Send this file."""
    return ranged(req, FileResponse(__file__, "text/plain; charset=utf-8"))


@application.get("/stream")
def stream(req: Request) -> BaseResponse:
    """Send a generator; ranges need its length."""
    blocks = (b"%d\n" % number for number in range(10))
    return ranged(req, GeneratorResponse(blocks, "text/plain", content_length=20))


@application.get("/empty")
def empty(req: Request) -> BaseResponse:
    """Send nothing, of which there is no part: 416."""
    return ranged(req, TextResponse(""))


@application.get("/unicodes")
def unicodes(req: Request) -> BaseResponse:
    """Send letters by their number: a unit that only we know."""
    ranges = parse_range(req.headers.get("Range", "")).get("unicodes")
    if not ranges:
        return TextResponse(TEXT, headers={"Accept-Ranges": "unicodes"})
    start, end = ranges[0]
    if start is None:
        start, end = max(0, len(TEXT) - (end or 0)), None
    end = len(TEXT) - 1 if end is None else min(end, len(TEXT) - 1)
    if start > end:
        content_range = {"Content-Range": f"unicodes */{len(TEXT)}"}
        abort(Response("No such letters.\n", "text/plain", content_range, 416))
    part = PartialResponse(TEXT[start : end + 1], "text/plain; charset=utf-8")
    part.make_range({(start, end)}, "unicodes", len(TEXT))
    return part


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
