"""JSON in and out: objects, streams, chunked bodies, broken ones.

Run it by ``python examples/simple_json.py``, or give
``examples/simple_json.py:application`` to any WSGI server::

    curl -i http://127.0.0.1:8080/now
    curl -i http://127.0.0.1:8080/numbers
    curl -i --json '{"name": "Ada"}' http://127.0.0.1:8080/echo
    curl -i --json '"just a text"' http://127.0.0.1:8080/echo
    curl -i --json '{"broken"' http://127.0.0.1:8080/echo
    curl -i --json '[1, 2]' -H 'Transfer-Encoding: chunked' http://127.0.0.1:8080/chunked
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from poorwsgi import Application, abort
from poorwsgi.request import parse_json_request
from poorwsgi.response import JSONGeneratorResponse, JSONResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("simple_json")


@application.route("/now")
def now(req: Request) -> dict[str, str]:
    """Return a dict: it is sent as JSON. So are lists and dataclasses."""
    return {"now": datetime.now(UTC).isoformat()}


@application.route("/numbers")
def numbers(req: Request) -> JSONGeneratorResponse:
    """Send a list that is made while it is sent."""
    return JSONGeneratorResponse(squares=(number**2 for number in range(10)))


@application.post("/echo")
def echo(req: Request) -> JSONResponse:
    """Return the JSON that came: any value, not only an object.

    Reading `req.json` of a broken body ends in 400 by itself.
    """
    return JSONResponse({"got": req.json}, headers={"Cache-Control": "no-store"})


@application.post("/chunked")
def chunked(req: Request) -> dict[str, Any]:
    """Read a body without a length, chunk by chunk."""
    if not req.is_chunked:
        abort(411, error="Send it chunked")
    chunks = list(iter(req.read_chunk, b""))
    return {"chunks": len(chunks), "got": parse_json_request(b"".join(chunks))}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
