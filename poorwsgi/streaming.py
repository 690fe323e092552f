"""Answers that go on: lines of JSON, and server-sent events.

Knows the two formats and when a sign of life is due. Both are ordinary
responses; who sends them, and that they are closed once, is known by response.

.. versionadded:: 3.0
"""

from __future__ import annotations

from queue import Empty
from typing import TYPE_CHECKING, Any

from poorwsgi.jsonstream import json_lines, make_encoder
from poorwsgi.response import GeneratorResponse, json_default
from poorwsgi.state import HTTP_OK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from poorwsgi.response import HeadersLike

__all__ = ["END_OF_EVENTS", "EventStreamResponse", "NDJSONResponse", "ServerEvent"]

#: Put into a queue of events, it ends the stream.
END_OF_EVENTS: Any = object()


class _Blocks:
    """Bytes made from a source while they are asked for.

    An object and no generator: a generator that never ran would not close its
    source, and that is what happens to the body of an answer to HEAD.
    """

    def __init__(self, source: Any, encode: Callable[[Any], Iterator[str]]):
        self._source = source
        self._encode = encode

    def __iter__(self) -> Iterator[bytes]:
        for text in self._encode(self._source):
            yield text.encode()

    def close(self) -> None:
        close = getattr(self._source, "close", None)
        if callable(close):
            close()


def _lines(values: Iterable[Any]) -> Iterator[str]:
    return json_lines(values, json_default)


class NDJSONResponse(GeneratorResponse):
    r"""Each value as a line of JSON, sent as soon as it is there.

    >>> response = NDJSONResponse({"n": n} for n in range(2))
    >>> b"".join(response(lambda status, headers: None))
    b'{"n": 0}\n{"n": 1}\n'
    """

    def __init__(
        self,
        values: Iterable[Any],
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
        content_type: str = "application/x-ndjson",
    ):
        super().__init__(_Blocks(values, _lines), content_type, headers, status_code)


class ServerEvent:
    r"""One message of an event stream; *data* that is no text becomes JSON.

    >>> str(ServerEvent({"id": 7}, event="saved", id="42"))
    'event: saved\nid: 42\ndata: {"id": 7}\n\n'
    """

    __slots__ = ("data", "event", "id", "retry")

    def __init__(
        self,
        data: Any = None,
        event: str | None = None,
        id: str | int | None = None,
        retry: int | None = None,
    ):
        """Set what the message says.

        :param id: what the browser sends as Last-Event-ID after a break
        :param retry: milliseconds after which the browser connects again
        :raises ValueError: a line end or NUL in *event* or *id*
        """
        for value in (event, id):
            if not _ONE_LINE.isdisjoint(str(value)):
                raise ValueError(f"not in one line: {value!r}")
        self.data = data
        self.event = event
        self.id = id
        self.retry = retry

    def __str__(self) -> str:
        lines = []
        if self.event is not None:
            lines.append(f"event: {self.event}\n")
        if self.id is not None:
            lines.append(f"id: {self.id}\n")
        if self.retry is not None:
            lines.append(f"retry: {int(self.retry)}\n")
        if self.data is not None:
            lines += [f"data: {line}\n" for line in self._data_lines()]
        return "".join(lines) + "\n"

    def _data_lines(self) -> list[str]:
        data = self.data
        text = data if isinstance(data, str) else make_encoder(json_default)(data)
        # Not splitlines(): to a browser only these three end a line.
        return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


_ONE_LINE = frozenset("\r\n\0")


class EventStreamResponse(GeneratorResponse):
    """Server-sent events (HTML, 9.2) from an iterable or from a queue.

    The source gives `ServerEvent` objects, or what such a one takes as data.
    Of a queue (anything with ``get(timeout=...)`` as in `queue`) each event is
    taken as it comes; if none comes for *heartbeat* seconds, a comment is
    sent, so that a client that has gone away is noticed and the source is
    closed. END_OF_EVENTS ends the stream. An iterable sends the comment by
    yielding None.
    """

    def __init__(
        self,
        events: Any,
        heartbeat: float = 15.0,
        headers: HeadersLike = None,
        status_code: int = HTTP_OK,
    ):
        def encode(source: Any) -> Iterator[str]:
            # Something at once: servers send the headers with the first bytes.
            yield ":\n\n"
            for event in _events(source, heartbeat):
                yield _event_text(event)

        super().__init__(
            _Blocks(events, encode), "text/event-stream", headers, status_code
        )
        for name, value in (
            ("Cache-Control", "no-cache"),
            ("X-Accel-Buffering", "no"),  # nginx would wait for a full buffer
        ):
            self.headers.setdefault(name, value)


def _events(source: Any, heartbeat: float) -> Iterator[Any]:
    if not hasattr(source, "get") or isinstance(source, dict):
        yield from source
        return
    while True:
        try:
            event = source.get(timeout=heartbeat)
        except Empty:
            event = None
        if event is END_OF_EVENTS:
            return
        yield event


def _event_text(event: Any) -> str:
    if event is None:
        return ":\n\n"
    return str(event if isinstance(event, ServerEvent) else ServerEvent(event))
