"""A small complete answer: what the middleware says by itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.state import REASONS

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Headers = list[tuple[str, str]]

NO_STORE = ("Cache-Control", "no-store")

_STATUS = re.compile(r"[1-5][0-9]{2} [\x20-\x7e\xa0-\xff]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Answer(NamedTuple):
    """Status line, headers and body, checked, ready to be sent."""

    status: str
    headers: Headers
    body: Iterable[bytes]

    def send(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer the request; HEAD gets the same headers and no body."""
        start_response(self.status, self.headers)
        if environ.get("REQUEST_METHOD") != "HEAD":
            return self.body
        close = getattr(self.body, "close", None)
        if close is not None:
            close()
        return []


def whole(status: int, body: bytes, *headers: tuple[str, str]) -> Answer:
    """Return an answer of a known length."""
    length = ("Content-Length", str(len(body)))
    return Answer(status_line(status), [*headers, length], [body])


def status_line(status: object) -> str:
    """Return the status line for 418, '418' or '418 Teapot'."""
    if isinstance(status, int) and not isinstance(status, bool):
        status = f"{int(status)} {REASONS.get(status, 'Status')}"
    if not isinstance(status, str):
        raise TypeError(f"a status is a text or a number, not {status!r}")
    line = status if " " in status else f"{status} "
    if not _STATUS.fullmatch(line):
        raise ValueError(f"no status line: {status!r}")
    return line


def is_header(name: object, value: object) -> bool:
    """Tell whether a pair can be sent without harm to its neighbours."""
    return (
        isinstance(name, str)
        and isinstance(value, str)
        and _TOKEN.fullmatch(name) is not None
        and _VALUE.fullmatch(value) is not None
    )


def checked_headers(headers: Any) -> Headers:
    """Return a list of pairs from pairs or a mapping."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    checked = [(name, value) for name, value in pairs]
    for name, value in checked:
        if not is_header(name, value):
            raise ValueError(f"no header: {name!r}")
    return checked


def body_parts(body: Any) -> Iterable[bytes]:
    """Return what a handler gave as the iterable that WSGI wants."""
    if isinstance(body, str):
        return [body.encode("utf-8")]
    if isinstance(body, bytes | bytearray | memoryview):
        return [bytes(body)]
    # A TypeError now, while the verdict can still be given.
    iter(body)
    if isinstance(body, Collection) and not all(
        isinstance(part, bytes) for part in body
    ):
        raise TypeError("a body has parts that are no bytes")
    return body  # type: ignore[no-any-return]


def custom_answer(result: Any) -> Answer | None:
    """Return the answer that custom_request_handler asks for, if any."""
    if result is None:
        return None
    body, headers, status = result
    if body is None:
        return None
    return Answer(status_line(status), checked_headers(headers), body_parts(body))
