"""Answers that belong to no page: states, errors, defaults, hooks."""

from __future__ import annotations

from itertools import count as numbers
from typing import TYPE_CHECKING

from poorwsgi import state
from poorwsgi.response import BaseResponse, NoContentResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

TEXT = "text/plain; charset=utf-8"
_numbers = numbers(1)


def count(req: Request) -> None:
    """Give each request a number."""
    req.user = next(_numbers)


def sign(req: Request, response: BaseResponse) -> BaseResponse:
    """Send the number with each answer."""
    response.add_header("X-Number", str(getattr(req, "user", 0)))
    return response


def options(req: Request) -> NoContentResponse:
    """Answer OPTIONS on any path."""
    return NoContentResponse({"Allow": "GET, HEAD, POST, DELETE, OPTIONS"})


def not_found(req: Request) -> tuple[str, str, tuple[()], int]:
    """Answer 404."""
    return f"{req.path} is not in the table.\n", TEXT, (), state.HTTP_NOT_FOUND


def too_slow(req: Request, error: Exception) -> tuple[str, str, tuple[()], int]:
    """Answer an error of the pages."""
    return f"{error} is too slow.\n", TEXT, (), state.HTTP_SERVICE_UNAVAILABLE
