"""The event as the collector knows it, and its way to JSON.

Attributes carry the names of the JSON keys. A fresh event still holds raw body
copies and plain clock times; ``settle`` turns them into what is sent. That work
is left to the sender's thread unless a mask wants to see the event before.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from poorwsgi.moesif.body import RawBody

log = logging.getLogger("poorwsgi.moesif")

#: Values nested deeper than this are left out of what JSON cannot hold at once.
MAX_DEPTH = 50

Headers = dict[str, str]


def timestamp(seconds: float) -> str:
    """Return UTC time with milliseconds and no zone suffix."""
    whole = int(seconds)
    return f"{whole_second(whole)}.{int((seconds - whole) * 1000):03d}"


# PERF: many events share a second, and each has two times.
@lru_cache(maxsize=16)
def whole_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")[:-6]


class Model:
    """Base of the three classes: plain attributes, absent ones are left out."""

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds: everything that is not None."""
        # PERF: the attributes are the keys, and are in a dictionary already.
        return {key: value for key, value in vars(self).items() if value is not None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.as_dict())}>"


class _Message(Model):
    """What a request and a response have in common."""

    time: Any  # a float until settled
    headers: dict[str, str] | None
    body: Any
    transfer_encoding: str | None

    def settle(self) -> None:
        if isinstance(self.time, float):
            self.time = timestamp(self.time)
        if isinstance(self.body, RawBody):
            self.body, self.transfer_encoding = self.body.encode()

    def remove_body(self) -> None:
        self.body = self.transfer_encoding = None


class EventRequestModel(_Message):
    """The request of an event."""

    def __init__(
        self,
        time: Any = None,
        uri: str | None = None,
        verb: str | None = None,
        headers: Headers | None = None,
        api_version: str | None = None,
        ip_address: str | None = None,
        body: Any = None,
        transfer_encoding: str | None = None,
    ) -> None:
        self.time = time
        self.uri = uri
        self.verb = verb
        self.headers = headers
        self.api_version = api_version
        self.ip_address = ip_address
        self.body = body
        self.transfer_encoding = transfer_encoding


class EventResponseModel(_Message):
    """The response of an event."""

    def __init__(
        self,
        time: Any = None,
        status: int | None = None,
        headers: Headers | None = None,
        body: Any = None,
        ip_address: str | None = None,
        transfer_encoding: str | None = None,
    ) -> None:
        self.time = time
        self.status = status
        self.headers = headers
        self.body = body
        self.ip_address = ip_address
        self.transfer_encoding = transfer_encoding


class EventModel(Model):
    """One exchange. ``MASK_EVENT_MODEL`` gets it, may change it, returns it."""

    def __init__(
        self,
        request: EventRequestModel | None = None,
        response: EventResponseModel | None = None,
        session_token: str | None = None,
        tags: Any = None,
        user_id: str | None = None,
        company_id: str | None = None,
        metadata: Any = None,
        direction: str | None = None,
        weight: int | None = None,
        blocked_by: str | None = None,
        transaction_id: str | None = None,
    ) -> None:
        self.request = request
        self.response = response
        self.session_token = session_token
        self.tags = tags
        self.user_id = user_id
        self.company_id = company_id
        self.metadata = metadata
        self.direction = direction
        self.weight = weight
        self.blocked_by = blocked_by
        self.transaction_id = transaction_id

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON holds: everything that is not None."""
        values = super().as_dict()
        for name in ("request", "response"):
            message = values.get(name)
            if isinstance(message, _Message):
                values[name] = message.as_dict()
        return values

    def settle(self) -> None:
        """Turn body copies and clock times into what is sent. May be repeated."""
        if isinstance(self.request, _Message):
            self.request.settle()
        if isinstance(self.response, _Message):
            self.response.settle()

    def remove_bodies(self) -> None:
        """Take both bodies out."""
        for message in (self.request, self.response):
            if isinstance(message, _Message):
                message.remove_body()


def encode_events(events: list[EventModel]) -> bytes | None:
    """Return a JSON array of events; None if JSON cannot hold one of them.

    PERF: one call of the encoder for all of a batch.
    """
    for event in events:
        event.settle()
    try:
        return dump([event.as_dict() for event in events])
    except (TypeError, ValueError, RecursionError):
        return None


def encode_event(event: EventModel) -> bytes:
    """Return the JSON of an event; what JSON cannot hold is left out."""
    event.settle()
    try:
        return dump(event.as_dict())
    except (TypeError, ValueError):
        log.warning("moesif: JSON cannot hold a value of an event; it is left out")
    except RecursionError:
        log.warning("moesif: a body is nested too deep; event goes without bodies")
        event.remove_bodies()
    return dump(jsonable(event.as_dict()))


# PERF: one encoder made once; json.dumps with options builds one each time.
# What is circular ends as a RecursionError, which costs the good ones nothing.
_encode = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False
).encode


def dump(value: object) -> bytes:
    return _encode(value).encode("ascii")


_LOST: Any = object()


def jsonable(value: object, depth: int = 0) -> Any:
    """Return a copy of value without the parts that JSON cannot hold."""
    if depth > MAX_DEPTH:
        return _LOST
    if isinstance(value, dict):
        pairs = ((key, jsonable(item, depth + 1)) for key, item in value.items())
        return {
            str(key): item
            for key, item in pairs
            if item is not _LOST and isinstance(key, str | int | float)
        }
    if isinstance(value, list | tuple):
        items = [jsonable(item, depth + 1) for item in value]
        return [item for item in items if item is not _LOST]
    if isinstance(value, datetime | date):
        return value.isoformat()
    try:
        dump(value)
    except (TypeError, ValueError, RecursionError):
        return _LOST
    return value


def copy_metadata(value: object) -> dict[str, Any] | None:
    """Return a copy that belongs to the event alone, None for what is no dict."""
    if value is None:
        return None
    if not isinstance(value, dict):
        log.warning("moesif: metadata must be a dict; %s is left out", type(value))
        return None
    try:
        copy: dict[str, Any] = json.loads(dump(value))
    except (TypeError, ValueError, RecursionError):
        log.warning("moesif: JSON cannot hold a value of metadata; it is left out")
        copy = jsonable(value)
    return copy
