"""Outgoing calls made with requests."""

from __future__ import annotations

import base64
import builtins
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from moesif_worlds import ASGI_WORLDS, Django, Plain, PlainASGI
from requests import get as imported_before

from poorwsgi.moesif import capture_outgoing

ORIGINAL = requests.Session.send


def b64(data):
    return base64.b64encode(data).decode()


class Service(BaseHTTPRequestHandler):
    """What the application calls."""

    protocol_version = "HTTP/1.1"
    pause = None

    def log_message(self, *args):
        pass

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) or b"none"
        status, kind = 200, "text/plain"
        if self.path == "/json":
            body, kind = b' {"a": 1}', "application/json"
        elif self.path == "/redirect":
            status = 302
        elif self.path == "/large":
            body = b"x" * 1001
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/json")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def do_PUT(self):
        self.do_GET()


@pytest.fixture(scope="module")
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def capture(collector):
    made = []

    def make(**options):
        settings = {"APPLICATION_ID": "out", "BASE_URI": collector.url}
        made.append(
            capture_outgoing({"EVENT_BATCH_TIMEOUT": 3600, **settings, **options})
        )
        return made[-1]

    yield make
    for one in made:
        one._service.close(0)
    assert requests.Session.send is ORIGINAL


def events(one, collector, count=1):
    assert one.flush(10)
    assert len(collector.events) == count
    return collector.events


def test_a_call_is_recorded(capture, collector, service):
    one = capture(API_VERSION="1.0")
    url = f"{service}/json?x=1"
    assert requests.post(url, json={"b": 2}, timeout=5).status_code == 200
    (event,) = events(one, collector)
    assert event["direction"] == "Outgoing"
    assert event["weight"] == 1
    assert len(event["transaction_id"]) == 36
    request, response = event["request"], event["response"]
    assert (request["verb"], request["uri"]) == ("POST", url)
    assert (request["body"], request["transfer_encoding"]) == ({"b": 2}, "json")
    assert request["api_version"] == "1.0"
    assert request["headers"]["Content-Type"] == "application/json"
    assert response["status"] == 200
    assert response["body"] == {"b": 2}
    assert "ip_address" not in request
    assert "X-Moesif-Transaction-Id" not in request["headers"]
    assert request["time"] <= response["time"]


BODIES = [
    # sent                recorded              encoding
    (None, None, None),
    ("text", b64(b"text"), "base64"),
    (b"\xff", b64(b"\xff"), "base64"),
    ('{"a": 1}', {"a": 1}, "json"),
    (b' ["a"]', ["a"], "json"),
    ("42", 42, "json"),
    ("NaN", b64(b"NaN"), "base64"),
    ("x" * 1001, None, None),
    (iter([b"a", b"b"]), None, None),
]


@pytest.mark.parametrize(("sent", "recorded", "encoding"), BODIES)
def test_bodies(capture, collector, service, sent, recorded, encoding):
    one = capture(BODY_SIZE_LIMIT=1000)
    if sent.__class__.__name__ == "list_iterator":
        prepared = requests.Request("PUT", service, data=b"ab").prepare()
        prepared.body = sent
        requests.Session().send(prepared, timeout=5)
    else:
        requests.put(service, data=sent, timeout=5)
    request = events(one, collector)[0]["request"]
    assert request.get("body") == recorded
    assert request.get("transfer_encoding") == encoding


@pytest.mark.parametrize(
    ("path", "body"), [("/json", {"a": 1}), ("/", b64(b"none")), ("/large", None)]
)
def test_response_bodies(capture, collector, service, path, body):
    one = capture(BODY_SIZE_LIMIT=1000)
    requests.get(service + path, timeout=5)
    assert events(one, collector)[0]["response"].get("body") == body


CALLS = {
    "function": lambda url: requests.get(url, timeout=5),
    "imported before": lambda url: imported_before(url, timeout=5),
    "session": lambda url: requests.Session().get(url, timeout=5),
    "prepared": lambda url: requests.Session().send(
        requests.Request("GET", url).prepare(), timeout=5
    ),
    "redirect": lambda url: requests.get(url.replace("json", "redirect"), timeout=5),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_each_way_to_call_is_one_event(capture, collector, service, call):
    one = capture()
    assert call(f"{service}/json").json() == {"a": 1}
    events(one, collector)


def test_callbacks_get_request_and_response(capture, collector, service):
    seen = []

    def note(answer):
        def callback(request, response):
            seen.append((request.method, response.status_code))
            return answer

        return callback

    one = capture(
        SKIP_OUTGOING=note(False),
        IDENTIFY_USER_OUTGOING=note("alice"),
        IDENTIFY_COMPANY_OUTGOING=note("acme"),
        GET_METADATA_OUTGOING=note({"m": 1}),
        GET_SESSION_TOKEN_OUTGOING=note("tok"),
        IDENTIFY_USER=note("not asked"),
    )
    requests.get(service, timeout=5, headers={"Authorization": "key"})
    (event,) = events(one, collector)
    assert seen == [("GET", 200)] * 5
    assert event["user_id"] == "alice"
    assert event["company_id"] == "acme"
    assert event["metadata"] == {"m": 1}
    assert event["session_token"] == "tok"


def test_there_is_no_fallback_for_the_user(capture, collector, service):
    one = capture()
    requests.get(service, timeout=5, headers={"Authorization": "key"})
    assert "user_id" not in events(one, collector)[0]


def test_skip(capture, collector, service):
    one = capture(SKIP_OUTGOING=lambda req, res: req.url.endswith("/json"))
    requests.get(f"{service}/json", timeout=5)
    requests.get(service, timeout=5)
    assert not events(one, collector)[0]["request"]["uri"].endswith("/json")


def failing(*args):
    raise RuntimeError("on purpose")


@pytest.mark.parametrize("name", ["SKIP", "IDENTIFY_USER", "GET_METADATA"])
def test_a_raising_callback_does_not_reach_the_call(capture, collector, service, name):
    one = capture(**{name + "_OUTGOING": failing})
    assert requests.get(service, timeout=5).status_code == 200
    events(one, collector)


def test_log_body_outgoing_off(capture, collector, service):
    one = capture(LOG_BODY_OUTGOING=False)
    requests.post(service, json={"a": 1}, timeout=5)
    (event,) = events(one, collector)
    assert "body" not in event["request"]
    assert "body" not in event["response"]


def test_masks_apply(capture, collector, service):
    def mask(event):
        assert event.direction == "Outgoing"
        event.response.body = "masked"
        return event

    one = capture(
        MASK_EVENT_MODEL=mask,
        REQUEST_HEADER_MASKS=["authorization"],
        REQUEST_BODY_MASKS=["password"],
    )
    body = {"password": "x", "a": 1}
    headers = {"Authorization": "key"}
    requests.post(service, json=body, headers=headers, timeout=5)
    (event,) = events(one, collector)
    assert event["response"]["body"] == "masked"
    assert event["request"]["body"] == {"a": 1}
    assert "Authorization" not in event["request"]["headers"]


def test_a_raising_mask_removes_both_bodies(capture, collector, service):
    one = capture(MASK_EVENT_MODEL=failing)
    requests.post(service, json={"a": 1}, timeout=5)
    (event,) = events(one, collector)
    assert "body" not in event["request"]
    assert "body" not in event["response"]


def test_an_async_mask_that_does_not_wait_is_fine(make_site, service):
    """An outgoing call has no event loop to wait in."""

    async def mask(event):
        event.tags = "masked"
        return event

    one = make_site(PlainASGI, MASK_EVENT_MODEL=mask, CAPTURE_OUTGOING_REQUESTS=True)
    requests.get(service, timeout=5)
    assert one.event()["tags"] == "masked"
    one.middleware.close()


def test_a_streamed_body_is_not_read(capture, collector, service):
    one = capture()
    with requests.get(f"{service}/json", stream=True, timeout=5) as response:
        assert response.raw.tell() == 0
        assert not response._content_consumed
        assert next(response.iter_content(3)) == b' {"'
    event = events(one, collector)[0]
    assert event["response"]["status"] == 200
    assert "body" not in event["response"]


def test_an_exception_passes_and_is_not_recorded(capture, collector, service):
    one = capture()
    with pytest.raises(requests.ConnectionError):
        requests.get("http://127.0.0.1:9/", timeout=5)
    events(one, collector, 0)


def test_calls_to_a_collector_are_not_recorded(capture, collector, service):
    one = capture()
    requests.get(f"{collector.url}/v1/config", timeout=5)
    for name in ("X-Moesif-Application-Id", "x-moesif-sdk"):
        requests.get(service, headers={name: "x"}, timeout=5)
    requests.get(service, timeout=5)
    events(one, collector)


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("https://api.moesif.net/x", True),
        ("https://MOESIF.net/x", True),
        ("https://notmoesif.net/x", False),
        ("https://api.moesif.net.example.test/", False),
        ("http://localhost:1234/", True),
        ("http://localhost:1235/", False),
        ("http://[broken", False),
    ],
)
def test_addresses_of_the_collector(url, known):
    from poorwsgi.moesif.outgoing import Listener
    from poorwsgi.moesif.settings import read_settings

    given = {"APPLICATION_ID": "x", "BASE_URI": "http://localhost:1234"}
    listener = Listener(None, None, read_settings(given))
    request = requests.PreparedRequest()
    request.headers, request.url = {}, url
    assert listener._is_for_collector(request) is known


def test_a_password_in_the_address_is_not_recorded(capture, collector, service):
    one = capture()
    requests.get(service.replace("://", "://user:secret@") + "/json", timeout=5)
    assert "secret" not in json.dumps(events(one, collector)[0]["request"]["uri"])


@pytest.mark.parametrize("status", [401, 500])
def test_a_refusing_collector_does_not_reach_the_call(
    capture, collector, service, status
):
    collector.status = collector.config_status = status
    capture()
    assert requests.get(service, timeout=5).status_code == 200


def test_a_dead_collector_delays_no_call(capture, service):
    capture(BASE_URI="http://127.0.0.1:9", EVENT_QUEUE_SIZE=5)
    began = time.monotonic()
    for _ in range(20):
        assert requests.get(service, timeout=5).status_code == 200
    assert time.monotonic() - began < 5


def test_the_patch_is_undone(capture, collector, service):
    first, second = capture(), capture()
    assert requests.Session.send is not ORIGINAL
    first.close()
    requests.get(service, timeout=5)
    events(second, collector)
    second.close()
    assert requests.Session.send is ORIGINAL
    second.close()


def test_a_context_closes_itself(collector, service):
    settings = {"APPLICATION_ID": "out", "BASE_URI": collector.url}
    with capture_outgoing(settings):
        requests.get(service, timeout=5)
    assert requests.Session.send is ORIGINAL
    assert len(collector.events) == 1


def test_capture_needs_an_application_id():
    with pytest.raises(ValueError, match="APPLICATION_ID"):
        capture_outgoing({})


@pytest.mark.parametrize("kind", [Plain, *ASGI_WORLDS[:1], Django])
def test_a_middleware_captures_too(make_site, service, kind):
    """One queue for both directions."""
    one = make_site(kind, CAPTURE_OUTGOING_REQUESTS=True, BATCH_SIZE=2)
    one.request("GET", "/text")
    requests.get(service, timeout=5)
    directions = {event["direction"] for event in one.events(2)}
    assert directions == {"Incoming", "Outgoing"}
    one.middleware.close()
    assert requests.Session.send is ORIGINAL


def test_without_requests_the_error_is_clear(make_site, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name == "requests":
            raise ImportError("no requests here")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match="pip install requests"):
        make_site(Plain, CAPTURE_OUTGOING_REQUESTS=True)
