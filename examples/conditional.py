"""Conditional requests by hand: ETag and If-Modified-Since around a response.

Files of a document root answer them by themselves. Run it by
``python examples/conditional.py``, or give ``examples/conditional.py:application``
to any WSGI server::

    curl -i http://127.0.0.1:8080/page
    curl -i http://127.0.0.1:8080/page -H 'If-None-Match: W/"f5be8eb6"'
    curl -i http://127.0.0.1:8080/file
    curl -i http://127.0.0.1:8080/file \\
        -H 'If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT'
    curl -i http://127.0.0.1:8080/file -H 'If-Modified-Since: yesterday'
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from poorwsgi import Application
from poorwsgi.headers import http_to_time, time_to_http
from poorwsgi.response import (
    BaseResponse,
    FileResponse,
    HTTPException,
    NotModifiedResponse,
    Response,
)

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("conditional")

PAGE = "<!DOCTYPE html><title>Page</title><p>Ask me twice."


def etag_of(data: bytes) -> str:
    """Return a validator: weak, since a proxy may compress what it stands for."""
    return f'W/"{sha256(data).hexdigest()[:8]}"'


def opaque(tag: str) -> str:
    """Return a tag for the weak comparison of RFC 9110, 8.8.3.2."""
    return tag.strip().removeprefix("W/")


@application.get("/page")
def page(req: Request) -> BaseResponse:
    """Send the page, unless the client has this version of it."""
    etag = etag_of(PAGE.encode())
    known = req.headers.get("If-None-Match", "")
    if known == "*" or opaque(etag) in map(opaque, known.split(",")):
        raise HTTPException(NotModifiedResponse(etag=etag))
    return Response(PAGE, headers={"ETag": etag, "Cache-Control": "no-cache"})


@application.get("/file")
def file(req: Request) -> BaseResponse:
    """Send this file, unless it is not newer than what the client has."""
    changed = int(Path(__file__).stat().st_mtime)
    since = req.headers.get("If-Modified-Since")
    try:
        if since and changed <= http_to_time(since):
            return NotModifiedResponse({"Last-Modified": time_to_http(changed)})
    except ValueError:
        pass  # RFC 9110, 13.1.3: what is no date is ignored
    headers = {"Last-Modified": time_to_http(changed)}
    return FileResponse(__file__, "text/plain; charset=utf-8", headers)


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
