# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Responses: what they are made of, and what can be read from them."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import assert_type

from poorwsgi import Application
from poorwsgi.headers import ContentRange, Headers
from poorwsgi.request import Request
from poorwsgi.response import (
    BaseResponse,
    Declined,
    EmptyResponse,
    FileObjResponse,
    FileResponse,
    GeneratorResponse,
    HTTPException,
    JSONGeneratorResponse,
    JSONResponse,
    NoContentResponse,
    NotModifiedResponse,
    PartialResponse,
    RedirectResponse,
    Response,
    StrGeneratorResponse,
    TextResponse,
)
from poorwsgi.state import HTTP_CREATED
from poorwsgi.streaming import EventStreamResponse, NDJSONResponse, ServerEvent

app = Application("uses_responses")


def blocks() -> Iterator[bytes]:
    yield b"block"


def texts() -> Iterator[str]:
    yield "text"


def events() -> Iterator[ServerEvent | str]:
    yield ServerEvent({"n": 1}, event="count", id=1, retry=100)


# Each one is a BaseResponse, so one function can return any of them.
responses: list[BaseResponse] = [
    Response("text", "text/plain", {"X-A": "1"}, HTTP_CREATED),
    Response(b"bytes", headers=[("X-A", "1")]),
    Response(headers=Headers({"X-A": "1"})),
    PartialResponse("text"),
    JSONResponse({"a": 1}),
    JSONResponse(a=1, b=None, status_code=201),
    TextResponse("text", headers=(("X-A", "1"),)),
    FileResponse("/etc/hostname"),
    FileResponse(Path("/etc/hostname"), "text/plain"),
    FileObjResponse(BytesIO(b"bytes")),
    GeneratorResponse(blocks(), content_length=5),
    StrGeneratorResponse(texts()),
    JSONGeneratorResponse(items=iter([1, 2])),
    NDJSONResponse({"n": n} for n in range(3)),
    EventStreamResponse(events()),
    NoContentResponse(),
    EmptyResponse(),
    Declined(),
    RedirectResponse("/", 303),
    NotModifiedResponse(etag='"1"'),
]

Response(1)  # type: ignore[arg-type]
Response("text", status_code="200")  # type: ignore[arg-type]
GeneratorResponse(texts())  # type: ignore[arg-type]
Response("", headers={"X-A": 1})  # type: ignore[dict-item]


@app.route("/")
def root(req: Request) -> Response:
    response = TextResponse("text")
    response.status_code = HTTP_CREATED
    response.headers = {"X-A": "1"}
    response.headers["X-B"] = "2"
    response.add_header("Content-Disposition", "attachment", filename="a.txt")
    response.set_cookie("a", "1", max_age=60, secure=True, same_site="Strict")
    response.delete_cookie("a", path="/")
    response.make_partial([(0, 10)])
    assert_type(response.reason, str)
    assert_type(response.headers, Headers)
    assert_type(response.content_length, int)
    assert_type(response.data, bytes)
    assert_type(response.write("more"), int)
    response.set_cookie("a", "1", samesite="Lax")  # type: ignore[call-arg]
    return response


def after(req: Request, response: BaseResponse) -> None:
    """What an after-hook gets."""
    assert_type(response.status_code, int)
    assert_type(response.headers.get("Content-Type"), str | None)


def failure(error: HTTPException) -> None:
    assert_type(error.response, BaseResponse | None)
    assert_type(error.status_code, int)
    assert_type(error.make_response(), BaseResponse | None)


assert_type(str(ContentRange(0, 10, 100)), str)
