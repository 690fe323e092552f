"""Callbacks, user ids and masks: one table of cases, every framework."""

from __future__ import annotations

import base64
import json
import logging

import pytest
from moesif_worlds import ASGI_WORLDS, WORLDS, WSGI_WORLDS


def answering(value):
    """Return a callback, sync or async as the world likes it."""
    return lambda *args: value


def failing(*args):
    raise RuntimeError("callback on purpose")


CALLBACKS = [
    # option               answer           key of the event  value
    ("IDENTIFY_USER", "alice", "user_id", "alice"),
    ("IDENTIFY_USER", 42, "user_id", "42"),
    ("IDENTIFY_COMPANY", "acme", "company_id", "acme"),
    ("GET_METADATA", {"dc": "west"}, "metadata", {"dc": "west"}),
    ("GET_METADATA", {"a": 1, "b": object()}, "metadata", {"a": 1}),
    ("GET_METADATA", {"a": [1, {2}], "n": None}, "metadata", {"a": [1], "n": None}),
    ("GET_METADATA", "no dict", "metadata", None),
    ("GET_SESSION_TOKEN", "tok", "session_token", "tok"),
    ("IDENTIFY_USER", None, "user_id", None),
    ("IDENTIFY_USER", "", "user_id", None),
    ("IDENTIFY_COMPANY", None, "company_id", None),
    ("GET_SESSION_TOKEN", None, "session_token", None),
]


@pytest.mark.parametrize(("option", "answer", "key", "value"), CALLBACKS)
def test_callback_fills_the_event(site, option, answer, key, value):
    one = site(**{option: answering(answer)})
    assert one.request("GET", "/text").status == 201
    assert one.event().get(key) == value


@pytest.mark.parametrize(
    "option", ["SKIP", "IDENTIFY_USER", "IDENTIFY_COMPANY", "GET_METADATA"]
)
def test_a_raising_callback_costs_only_its_answer(site, option, caplog):
    """The request is served, the event goes, the log says what happened."""
    one = site(**{option: failing})
    with caplog.at_level(logging.DEBUG, "poorwsgi.moesif"):
        assert one.request("GET", "/text").status == 201
    event = one.event()
    assert not {"user_id", "company_id", "metadata"} & set(event)
    records = [r for r in caplog.records if "failing" in r.getMessage()]
    assert [r.levelname for r in records] == ["WARNING", "DEBUG"]
    assert records[1].exc_info


@pytest.mark.parametrize(
    ("answer", "count"), [(True, 0), ("yes", 0), (None, 1), (0, 1)]
)
def test_skip(site, answer, count):
    one = site(SKIP=answering(answer))
    assert one.request("GET", "/text").status == 201
    one.events(count)


def test_each_callback_is_called_once_per_event(site):
    calls = []
    names = ["SKIP", "IDENTIFY_USER", "IDENTIFY_COMPANY", "GET_METADATA"]
    names += ["GET_SESSION_TOKEN", "MASK_EVENT_MODEL"]

    def counting(name):
        def callback(first, *args):
            calls.append(name)
            return first if name == "MASK_EVENT_MODEL" else None

        return callback

    one = site(**{name: counting(name) for name in names})
    one.request("GET", "/text")
    one.event()
    assert sorted(calls) == sorted(names)


def test_wsgi_callbacks_get_application_and_environ(make_site):
    seen = {}

    def note(name):
        return lambda *args: seen.__setitem__(name, args)

    for kind in WSGI_WORLDS:
        one = make_site(kind, SKIP=note("skip"), IDENTIFY_USER=note("user"))
        one.request("GET", "/text", {"X-Api-Key": "k"})
        app, environ = seen["skip"]
        assert app is one.world.application
        assert environ["HTTP_X_API_KEY"] == "k"
        app, environ, headers = seen["user"]
        assert app is one.world.application
        assert {name.lower() for name in headers} >= {"content-type"}


def two_parameters(app, environ):
    return "two"


def three_parameters(app, environ, response_headers=None):
    return response_headers["Content-Type"]


def any_parameters(*args):
    return str(len(args))


class Callable:
    def __call__(self, app, environ):
        return "object"


@pytest.mark.parametrize(
    ("identify", "user"),
    [
        (two_parameters, "two"),
        (three_parameters, "text/plain"),
        (any_parameters, "3"),
        (Callable(), "object"),
    ],
)
def test_wsgi_identify_may_leave_out_the_response_headers(make_site, identify, user):
    one = make_site(WSGI_WORLDS[0], IDENTIFY_USER=identify)
    one.request("GET", "/text")
    assert one.event()["user_id"] == user


@pytest.mark.parametrize("kind", [kind for kind in WORLDS if kind not in WSGI_WORLDS])
def test_asgi_and_django_callbacks_get_request_and_response(make_site, kind):
    def company(request, response):
        return request.headers["X-Company"]

    def metadata(request, response):
        return {
            "method": request.method,
            "status": response.status_code,
            "type": response.headers["Content-Type"],
        }

    one = make_site(kind, IDENTIFY_COMPANY=company, GET_METADATA=metadata)
    one.request("POST", "/json", {"X-Company": "acme"}, b"x")
    event = one.event()
    assert event["company_id"] == "acme"
    assert event["metadata"]["method"] == "POST"
    assert event["metadata"]["status"] == 200
    assert "json" in event["metadata"]["type"]


class AsyncCallable:
    async def __call__(self, request, response):
        return "object"


async def async_answer(request, response):
    body = await request.body()
    return f"async {len(body)}"


@pytest.mark.parametrize("kind", ASGI_WORLDS)
def test_asgi_callbacks_may_be_coroutines(make_site, kind):
    """Also objects and partials; what is awaitable is awaited."""

    async def mask(event):
        event.response.body = {"masked": True}
        return event

    async def metadata(request, response):
        return {"state": list(request.state._state)}

    one = make_site(
        kind,
        IDENTIFY_USER=async_answer,
        IDENTIFY_COMPANY=AsyncCallable(),
        GET_METADATA=metadata,
        MASK_EVENT_MODEL=mask,
    )
    one.request("POST", "/echo", body=b"12345")
    event = one.event()
    assert event["user_id"] == "async 5"
    assert event["company_id"] == "object"
    assert event["response"]["body"] == {"masked": True}
    assert isinstance(event["metadata"]["state"], list)


@pytest.mark.parametrize("kind", ASGI_WORLDS)
def test_asgi_skip_may_be_a_coroutine(make_site, kind):
    async def skip(request, response):
        return response.status_code == 201

    one = make_site(kind, SKIP=skip)
    one.request("GET", "/text")
    one.request("GET", "/json")
    assert one.event()["response"]["status"] == 200


# User ids


def token(payload, alphabet=base64.urlsafe_b64encode):
    part = alphabet(json.dumps(payload).encode()).decode().rstrip("=")
    return f"e30.{part}.signature"


#: Its payload has both characters in which the two alphabets differ.
ODD = {"sub": "al\u00fc", "x": "???>>>~~~"}

USERS = [
    # header                                       user id
    (f"Bearer {token({'sub': 'alice'})}", "alice"),
    (f"bearer {token({'sub': 42})}", "42"),
    (f"Bearer {token(ODD)}", "al\u00fc"),
    (f"Bearer {token(ODD, base64.b64encode)}", "al\u00fc"),
    (f"Bearer {token({'SUB': 'alice'})}", "alice"),
    (f"Bearer {token({'name': 'alice'})}", None),
    ("Bearer a.b", None),
    ("Bearer !!.!!.!!", None),
    (f"Bearer {token(['sub'])}", None),
    (f"Bearer {token({'sub': 'alice'})}, Basic eDp5", "alice"),
    ("Basic " + base64.b64encode(b"bob:secret").decode(), "bob"),
    ("Basic " + base64.b64encode(b" bob :a:b").decode(), "bob"),
    ("Basic " + base64.b64encode(b":secret").decode(), None),
    ("Basic nonsense!", None),
    ("Basic", None),
    ("plain-key", "plain-key"),
    ("my Bearer key", "my Bearer key"),
    (token({"sub": "carol"}), "carol"),
    ("a.b", None),
]


@pytest.mark.parametrize(("value", "user"), USERS)
def test_user_id_comes_from_the_authorization_header(make_site, value, user):
    for kind in (WSGI_WORLDS[0], ASGI_WORLDS[0], WORLDS[-1], WORLDS[-2]):
        one = make_site(kind)
        one.collector.calls.clear()
        one.request("GET", "/text", {"Authorization": value})
        assert one.event().get("user_id") == user


def test_first_header_present_wins(site):
    one = site(
        AUTHORIZATION_HEADER_NAME="X-Token, x-other", AUTHORIZATION_USER_ID_FIELD="Mail"
    )
    one.request("GET", "/text", {"X-Other": "other", "Authorization": "none"})
    one.request("GET", "/text", {"X-Other": "o", "X-Token": token({"mail": "a@b"})})
    users = [event.get("user_id") for event in one.events(2)]
    assert users == ["other", "a@b"]


@pytest.mark.parametrize("identify", [answering(None), answering(""), failing])
def test_no_answer_of_identify_user_falls_back_to_the_header(site, identify):
    one = site(IDENTIFY_USER=identify)
    one.request("GET", "/text", {"Authorization": "key"})
    assert one.event()["user_id"] == "key"


# Masks


def test_mask_sees_the_complete_event(site):
    """Bodies are parsed, ids are set; what it changes is what is sent."""
    seen = {}

    def mask(event):
        seen.update(user=event.user_id, tid=event.transaction_id)
        seen.update(uri=event.request.uri, sent=event.request.body)
        seen.update(status=event.response.status, got=event.response.body)
        del event.request.body["password"]
        event.response.headers["X-Mask"] = "masked"
        event.response.body["card"]["number"] = "****"
        event.tags = ["masked"]
        return event

    one = site(MASK_EVENT_MODEL=mask, IDENTIFY_USER=answering("alice"))
    body = b'{"password": "x", "name": "y"}'
    reply = one.request("POST", "/json", body=body)
    event = one.event()
    assert reply.body == b'{"ok": true, "card": {"number": "4111"}}'
    assert reply["Content-Type"].startswith("application/json")
    assert event["request"]["body"] == {"name": "y"}
    assert event["response"]["body"]["card"] == {"number": "****"}
    assert event["response"]["headers"]["X-Mask"] == "masked"
    assert "x-mask" not in reply.names()
    assert event["tags"] == ["masked"]
    assert seen["user"] == "alice"
    assert seen["status"] == 200
    assert seen["tid"] == event["transaction_id"]


@pytest.mark.parametrize("mask", [failing, answering(None), answering("event")])
def test_a_broken_mask_removes_both_bodies(site, mask, caplog):
    one = site(MASK_EVENT_MODEL=mask)
    assert one.request("POST", "/echo", body=b'{"secret": 1}').status == 200
    event = one.event()
    assert b"secret" not in json.dumps(event).encode()
    for part in ("request", "response"):
        assert "body" not in event[part]
        assert "transfer_encoding" not in event[part]
    assert "ERROR" in [record.levelname for record in caplog.records]


def test_what_a_mask_makes_unfit_for_json_is_left_out(site):
    def mask(event):
        event.metadata = {"good": 1, "bad": {1, 2}}
        event.request.headers["X-Bad"] = object()
        return event

    one = site(MASK_EVENT_MODEL=mask)
    one.request("GET", "/text")
    event = one.event()
    assert event["metadata"] == {"good": 1}
    assert "X-Bad" not in event["request"]["headers"]


def test_masks_by_name(site):
    one = site(
        REQUEST_HEADER_MASKS=["AUTHORIZATION", "X-Secret"],
        RESPONSE_HEADER_MASKS=["content-type"],
        REQUEST_BODY_MASKS=["password"],
        RESPONSE_BODY_MASKS=["number"],
    )
    body = b'{"a": [{"password": 1, "Password": 2}], "password": {"b": 1}}'
    headers = {"Authorization": "key", "x-secret": "s", "X-Open": "o"}
    one.request("POST", "/json", headers, body)
    event = one.event()
    names = {name.lower() for name in event["request"]["headers"]}
    assert "x-open" in names
    assert not names & {"authorization", "x-secret"}
    assert "content-type" not in {n.lower() for n in event["response"]["headers"]}
    assert event["request"]["body"] == {"a": [{"Password": 2}]}
    assert event["response"]["body"] == {"ok": True, "card": {}}
    assert event["user_id"] == "key"


@pytest.mark.parametrize("body", [b' {"password": "s3"}', b'\n[{"password": "s3"}]'])
def test_a_blank_does_not_carry_a_masked_key_past_the_mask(site, body):
    one = site(REQUEST_BODY_MASKS=["password"])
    one.request("POST", "/unread", body=body)
    request = one.event()["request"]
    assert request["transfer_encoding"] == "base64"
    assert b"s3" not in base64.b64decode(request["body"])
