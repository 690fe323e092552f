"""What is recorded of an exchange: one table of cases, every framework."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime

import pytest
from moesif_worlds import LARGE, OopsError


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def header(headers: dict[str, str], name: str) -> str | None:
    found = {key.lower(): value for key, value in headers.items()}
    return found.get(name.lower())


RESPONSES = [
    # path       status  body                                 encoding
    ("/text", 201, b64(b"created"), "base64"),
    ("/json", 200, {"ok": True, "card": {"number": "4111"}}, "json"),
    ("/empty", 204, None, None),
    ("/zipped", 200, b64(b'{"zipped": true}'), "base64"),
    ("/large", 200, None, None),
]


@pytest.mark.parametrize(("path", "status", "body", "encoding"), RESPONSES)
def test_response_is_recorded(site, path, status, body, encoding):
    """Status and body are in the event; no bytes, no body."""
    one = site(BODY_SIZE_LIMIT=LARGE)
    reply = one.request("GET", path)
    assert reply.status == status
    response = one.event()["response"]
    assert response["status"] == status
    assert response.get("body") == body
    assert response.get("transfer_encoding") == encoding


REQUESTS = [
    # body                         recorded                          encoding
    (b'{"x": [1, null]}', {"x": [1, None]}, "json"),
    (b"[1]", [1], "json"),
    (b' {"x": 1}', b64(b' {"x": 1}'), "base64"),
    (b"42", b64(b"42"), "base64"),
    (b'{"x": NaN}', b64(b'{"x": NaN}'), "base64"),
    (b"{broken", b64(b"{broken"), "base64"),
    (b"\xff\xfe", b64(b"\xff\xfe"), "base64"),
    (b"x" * LARGE, b64(b"x" * LARGE), "base64"),
    (b"x" * (LARGE + 1), None, None),
]


@pytest.mark.parametrize("path", ["/echo", "/unread"])
@pytest.mark.parametrize(("body", "recorded", "encoding"), REQUESTS)
def test_request_body_is_recorded_and_reaches_the_application(
    site, path, body, recorded, encoding
):
    """Whether the application reads it or not, it is whole and in the event."""
    one = site(BODY_SIZE_LIMIT=LARGE)
    reply = one.request("POST", path, {"Content-Type": "text/x-test"}, body)
    assert reply.body == (body if path == "/echo" else b"done")
    request = one.event()["request"]
    assert request.get("body") == recorded
    assert request.get("transfer_encoding") == encoding


def test_a_body_of_a_megabyte_is_recorded_whole(site):
    one = site()
    body = b'["' + b"x" * (1024 * 1024 - 4) + b'"]'
    assert one.request("POST", "/echo", body=body).body == body
    event = one.event()
    assert event["request"]["body"] == event["response"]["body"] == json.loads(body)


def test_request_line_is_recorded(site):
    one = site()
    one.request("POST", "/text?a=1&b=%20x", {"X-Api-Key": "k"}, b"x")
    request = one.event()["request"]
    path = one.set_path("/text")
    assert request["verb"] == "POST"
    assert request["uri"] == f"http://api.example.test{path}?a=1&b=%20x"
    assert header(request["headers"], "X-Api-Key") == "k"
    assert header(request["headers"], "Host") == "api.example.test"
    assert header(request["headers"], "Content-Length") == "1"
    assert request["ip_address"] == "192.0.2.1"


def test_path_is_percent_encoded(site):
    """Non-ASCII goes as UTF-8; the application may well say 404."""
    one = site()
    one.request("GET", "/p%C3%A1th%20x")
    path = one.set_path("/p%C3%A1th%20x")
    assert one.event()["request"]["uri"] == f"http://api.example.test{path}"


def test_event_has_the_common_keys(site):
    one = site(API_VERSION="1.2.3")
    one.request("GET", "/text")
    event = one.event()
    assert event["direction"] == "Incoming"
    assert event["weight"] == 1
    assert event["request"]["api_version"] == "1.2.3"
    assert "user_id" not in event
    assert "blocked_by" not in event


def test_times_are_utc_without_zone(site):
    one = site()
    before = datetime.now(UTC).replace(tzinfo=None)
    one.request("GET", "/text")
    after = datetime.now(UTC).replace(tzinfo=None)
    event = one.event()
    times = [event["request"]["time"], event["response"]["time"]]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}", t) for t in times)
    first, last = map(datetime.fromisoformat, times)
    assert before.replace(microsecond=before.microsecond // 1000 * 1000) <= first
    assert first <= last <= after


def test_transaction_id_is_taken_over(site):
    one = site()
    reply = one.request("GET", "/text", {"X-Moesif-Transaction-Id": "given-id"})
    event = one.event()
    assert event["transaction_id"] == "given-id"
    assert reply["X-Moesif-Transaction-Id"] == "given-id"
    for part in ("request", "response"):
        assert header(event[part]["headers"], "X-Moesif-Transaction-Id") == "given-id"


@pytest.mark.parametrize("given", [None, "", " ", "x" * 500])
def test_transaction_id_is_made(site, given):
    one = site()
    headers = {} if given is None else {"X-Moesif-Transaction-Id": given}
    reply = one.request("GET", "/text", headers)
    made = one.event()["transaction_id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-.{17}", made)
    assert reply["X-Moesif-Transaction-Id"] == made
    assert reply.names() >= {"x-moesif-transaction-id"}


@pytest.mark.parametrize("name", ["DISABLED_TRANSACTION_ID", "DISABLE_TRANSACTION_ID"])
def test_transaction_header_can_be_switched_off(site, name):
    one = site(**{name: True})
    reply = one.request("GET", "/text")
    event = one.event()
    assert "x-moesif-transaction-id" not in reply.names()
    for part in ("request", "response"):
        assert header(event[part]["headers"], "X-Moesif-Transaction-Id") is None


def test_cookies_that_occur_again_are_all_recorded(site):
    one = site()
    reply = one.request("GET", "/cookies")
    assert [name.lower() for name, _ in reply.pairs].count("set-cookie") == 2
    recorded = header(one.event()["response"]["headers"], "Set-Cookie")
    assert "a=1" in recorded
    assert "b=2" in recorded


def test_a_stream_is_passed_on_as_it_comes(site):
    one = site()
    reply = one.request("GET", "/stream")
    assert [chunk for chunk in reply.chunks if chunk] == [b"one", b"two", b"three"]
    response = one.event()["response"]
    # Logging a stream is optional in Django; there it goes without body.
    expected = None if one.flavour == "django" else b64(b"onetwothree")
    assert response.get("body") == expected


def test_head_has_no_response_body(site):
    one = site()
    one.request("HEAD", "/text")
    assert "body" not in one.event()["response"]


def test_an_exception_is_recorded_and_stays_the_same(site):
    """Frameworks that answer themselves do so; others raise, to the server."""
    one = site()
    if one.world.raises:
        with pytest.raises(OopsError, match="on purpose"):
            one.request("GET", "/fail")
    else:
        assert one.request("GET", "/fail").status == 500
    assert one.event()["response"]["status"] == 500


def test_log_body_off_records_no_body(site):
    one = site(LOG_BODY=False)
    assert one.request("POST", "/echo", body=b'{"x": 1}').body == b'{"x": 1}'
    event = one.event()
    for part in ("request", "response"):
        assert "body" not in event[part]
        assert "transfer_encoding" not in event[part]


ADDRESSES = [
    # headers                                                 address
    ({"X-Client-Ip": "198.51.100.1"}, "198.51.100.1"),
    ({"X-Forwarded-For": "unknown, 198.51.100.2:80, 10.0.0.1"}, "198.51.100.2"),
    ({"Cf-Connecting-Ip": "2001:db8::1"}, "2001:db8::1"),
    ({"True-Client-Ip": "198.51.100.3"}, "198.51.100.3"),
    ({"X-Real-Ip": "198.51.100.4"}, "198.51.100.4"),
    ({"X-Cluster-Client-Ip": "198.51.100.5"}, "198.51.100.5"),
    ({"X-Forwarded": "198.51.100.6"}, "198.51.100.6"),
    ({"Forwarded-For": "198.51.100.7"}, "198.51.100.7"),
    ({"Forwarded": "198.51.100.8"}, "198.51.100.8"),
    ({"Forwarded": "for=198.51.100.8"}, "192.0.2.1"),
    ({"X-Client-Ip": "nonsense", "X-Real-Ip": "198.51.100.9"}, "198.51.100.9"),
    ({}, "192.0.2.1"),
]


@pytest.mark.parametrize(("headers", "address"), ADDRESSES)
def test_client_address(site, headers, address):
    one = site()
    one.request("GET", "/text", headers)
    assert one.event()["request"]["ip_address"] == address


def test_no_peer_is_no_error(site):
    one = site()
    assert one.request("GET", "/text", peer=None).status == 201
    assert "ip_address" not in one.event()["request"]
