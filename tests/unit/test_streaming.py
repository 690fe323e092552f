"""Lines of JSON and server-sent events."""

from dataclasses import dataclass
from queue import Queue, SimpleQueue

import pytest

from poorwsgi import Application
from poorwsgi.streaming import (
    END_OF_EVENTS,
    EventStreamResponse,
    NDJSONResponse,
    ServerEvent,
)
from poorwsgi.testing import TestClient


class Source:
    """An iterable that counts how often it was closed."""

    def __init__(self, *items):
        self.items = items
        self.closes = 0

    def __iter__(self):
        return iter(self.items)

    def close(self):
        self.closes += 1


def get(response, method="get"):
    app = Application(f"streaming {id(response)}")
    app.set_route("/", lambda req: response)
    return getattr(TestClient(app), method)("/")


@dataclass
class User:
    name: str


def test_lines_of_json():
    answer = get(NDJSONResponse(iter([{"a": 1}, [2], "ž\n", User("joe"), iter([3])])))
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.data == b'{"a": 1}\n[2]\n"\\u017e\\n"\n{"name": "joe"}\n[3]\n'


EVENTS = [
    (ServerEvent("text"), "data: text\n\n"),
    (ServerEvent("one\ntwo\r\nthree\rfour\u2028"), None),
    (ServerEvent({"a": 1}), 'data: {"a": 1}\n\n'),
    (ServerEvent(""), "data: \n\n"),
    (ServerEvent("x", event="saved"), "event: saved\ndata: x\n\n"),
    (ServerEvent("x", id=7), "id: 7\ndata: x\n\n"),
    (ServerEvent(retry=1000), "retry: 1000\n\n"),
    (ServerEvent(id=""), "id: \n\n"),
]


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_events(event, text):
    if text is None:
        text = "data: one\ndata: two\ndata: three\ndata: four\u2028\n\n"
    assert str(event) == text


@pytest.mark.parametrize("name", ["event", "id"])
@pytest.mark.parametrize("value", ["a\nb", "a\rdata: x", "a\0"])
def test_an_event_cannot_say_more_than_it_should(name, value):
    with pytest.raises(ValueError, match="not in one line"):
        ServerEvent("x", **{name: value})


def test_events_of_an_iterable_with_a_sign_of_life():
    source = Source("one", None, ServerEvent(2, id=2), {"three": 3})
    answer = get(EventStreamResponse(source))
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.text == (
        ':\n\ndata: one\n\n:\n\nid: 2\ndata: 2\n\ndata: {"three": 3}\n\n'
    )
    assert source.closes == 1


@pytest.mark.parametrize("kind", [Queue, SimpleQueue])
def test_a_silent_queue_gives_a_sign_of_life(kind):
    queue = kind()
    queue.put("one")
    body = iter(EventStreamResponse(queue, heartbeat=0.001)(lambda *_: None))
    got = [next(body) for _ in range(6)]
    assert [item for item in got if item] == [
        b":\n\n",
        b"data: one\n\n",
        *[b":\n\n"] * (len([item for item in got if item]) - 2),
    ]
    queue.put("two")
    queue.put(END_OF_EVENTS)
    assert b"data: two\n\n" in list(body)


def test_headers_of_the_application_win():
    answer = get(EventStreamResponse([], headers={"Cache-Control": "no-store"}))
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("kind", [EventStreamResponse, NDJSONResponse])
def test_the_source_is_closed_once_whatever_happens(kind):
    source = Source(1, 2, 3)
    get(kind(source))
    assert source.closes == 1
    source = Source(1, 2, 3)
    get(kind(source), "head")
    assert source.closes == 1
    source = Source(1, 2, 3)
    body = kind(source)(lambda *_: None)
    next(iter(body))
    body.close()  # the client has gone
    assert source.closes == 1


def test_lines_of_json_go_through_an_application():
    app = Application("streaming lines")

    @app.route("/lines", method=["POST"])
    def lines(req):
        return NDJSONResponse({"got": value} for value in req.json_lines())

    @app.route("/sequence", method=["POST"])
    def sequence(req):
        return list(req.json_sequence())

    client = TestClient(app)
    body = b'1\n{"a": 2}\n'
    assert client.post("/lines", body=body).data == b'{"got": 1}\n{"got": {"a": 2}}\n'
    assert client.post("/sequence", body=b"\x1e1\n\x1e[2]\n").json == [1, [2]]
    assert client.post("/sequence", body=b"\x1e{").status_code == 400
