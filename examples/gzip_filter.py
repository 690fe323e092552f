"""A filter of answers: an after-hook that compresses texts.

Answers with a secret and something that a stranger can choose side by side
should not be compressed: their length tells the secret (BREACH). Run it by
``python examples/gzip_filter.py``, or give ``examples/gzip_filter.py:application``
to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i -H 'Accept-Encoding: gzip' -o /tmp/answer http://127.0.0.1:8080/
    curl -i -H 'Accept-Encoding: gzip;q=0' http://127.0.0.1:8080/
    curl -i -H 'Accept-Encoding: gzip' http://127.0.0.1:8080/short
    curl -i -H 'Accept-Encoding: gzip' -o /tmp/answer http://127.0.0.1:8080/nothing
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from poorwsgi import Application
from poorwsgi.response import BaseResponse, Response

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("gzip_filter")

MIN_SIZE = 500
TYPES = ("text/", "application/json", "application/javascript", "image/svg+xml")


def accepts_gzip(req: Request) -> bool:
    """Return whether the client takes gzip; its own entry beats the asterisk."""
    qualities = dict(req.accept_encoding)
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def compressible(response: BaseResponse) -> bool:
    """Return whether it is worth it: a whole text in memory, as it was made."""
    kind = response.headers.get("Content-Type", response.content_type)
    return (
        isinstance(response, Response)
        and response.status_code not in (206, 304)
        and not response.ranges
        and len(response.data) >= MIN_SIZE
        and kind.startswith(TYPES)
        and "Content-Encoding" not in response.headers
    )


@application.after_response()
def compress(req: Request, response: BaseResponse) -> BaseResponse:
    """Return the compressed answer, or the one that came in."""
    if not compressible(response):
        return response
    # Also those that stay as they are: a cache must not mix them up.
    response.add_header("Vary", "Accept-Encoding")
    if not accepts_gzip(req):
        return response
    headers = response.headers
    etag = headers.get("ETag", "")
    if etag and not etag.startswith("W/"):  # other bytes, the same meaning
        del headers["ETag"]
        headers.add_header("ETag", f"W/{etag}")
    headers.add_header("Content-Encoding", "gzip")
    data = gzip.compress(response.data, compresslevel=6, mtime=0)
    return Response(data, response.content_type, headers, response.status_code)


@application.get("/")
def index(req: Request) -> str:
    """Return a text worth compressing."""
    return "<!DOCTYPE html><title>Long</title>" + "<p>The same again." * 200


@application.get("/short")
def short(req: Request) -> str:
    """Return a text that would only grow."""
    return "Short."


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
