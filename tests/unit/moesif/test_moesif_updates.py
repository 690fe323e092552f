"""Users, companies, subscriptions and the client of the API."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

import pytest
from moesif_worlds import DJANGO_WORLDS, Django, Plain, PlainASGI

from poorwsgi.moesif import APIException, EventModel, EventRequestModel, MoesifAPIClient

USER = {"user_id": "u1", "company_id": "c1", "metadata": {"email": "a@b.test"}}
COMPANY = {"company_id": "c1", "company_domain": "acme.test"}
SUBSCRIPTION = {"subscription_id": "s1", "company_id": "c1", "status": "active"}

SINGLE = [
    ("update_user", "/v1/users", USER),
    ("update_company", "/v1/companies", COMPANY),
    ("update_subscription", "/v1/subscriptions", SUBSCRIPTION),
]
BATCH = [
    ("update_users_batch", "/v1/users/batch", USER),
    ("update_companies_batch", "/v1/companies/batch", COMPANY),
    ("update_subscriptions_batch", "/v1/subscriptions/batch", SUBSCRIPTION),
]


@pytest.fixture(params=[Plain, PlainASGI, *DJANGO_WORLDS], ids=lambda k: k.__name__)
def middleware(request, make_site):
    return make_site(request.param).middleware


@pytest.mark.parametrize("form", [dict, json.dumps, lambda r: json.dumps(r).encode()])
@pytest.mark.parametrize(("method", "path", "record"), SINGLE)
def test_update(middleware, collector, method, path, record, form):
    assert getattr(middleware, method)(form(record)) is None
    (call,) = collector.posts(path)
    assert call.payload == record
    assert call.headers["x-moesif-application-id"] == "app-id"
    assert call.headers["content-type"] == "application/json; charset=utf-8"
    assert "content-encoding" not in call.headers


@pytest.mark.parametrize(("method", "path", "record"), BATCH)
def test_update_batch(middleware, collector, method, path, record):
    assert getattr(middleware, method)([record, json.dumps(record)]) is None
    (call,) = collector.posts(path)
    assert call.payload == [record, record]


@pytest.mark.parametrize("given", [None, {}, "", "{", "[]", 7, {"metadata": {}}])
@pytest.mark.parametrize("method", [method for method, _, _ in SINGLE])
def test_incomplete_input_is_logged_and_not_sent(
    middleware, collector, method, given, caplog
):
    assert getattr(middleware, method)(given) is None
    assert "nothing is sent" in caplog.text
    assert not [call for call in collector.calls if call.method == "POST"]


@pytest.mark.parametrize(("method", "path", "record"), BATCH)
@pytest.mark.parametrize("spoil", [lambda r: [r, {}], lambda r: [], lambda r: None])
def test_one_incomplete_member_refuses_the_batch(
    middleware, collector, method, path, record, spoil, caplog
):
    assert getattr(middleware, method)(spoil(record)) is None
    assert caplog.records
    assert not collector.posts(path)


@pytest.mark.parametrize(
    ("status", "level"),
    [(401, "ERROR"), (403, "ERROR"), (400, "WARNING"), (500, "WARNING")],
)
def test_a_refusal_is_logged(middleware, collector, status, level, caplog):
    collector.status = status
    assert middleware.update_user(USER) is None
    assert [record.levelname for record in caplog.records] == [level]


def test_a_dead_collector_is_logged(make_site, caplog):
    one = make_site(Plain, BASE_URI="http://127.0.0.1:9")
    assert one.middleware.update_company(COMPANY) is None
    assert "WARNING" in [record.levelname for record in caplog.records]


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"deeper": value}
    return value


@pytest.mark.parametrize(
    "value", [object(), float("nan"), nested(100_000)], ids=["object", "nan", "deep"]
)
def test_what_json_cannot_hold_is_logged(middleware, collector, caplog, value):
    assert middleware.update_user({"user_id": "u", "metadata": value}) is None
    assert "JSON cannot hold" in caplog.text
    assert not collector.posts("/v1/users")


@pytest.mark.parametrize("method", ["update_user", "update_users_batch"])
def test_a_text_that_is_nested_too_deep_is_refused(middleware, method, caplog):
    assert getattr(middleware, method)("[" * 100_000) is None
    assert caplog.records


def test_dates_are_written_as_iso(middleware, collector):
    moment = datetime(2026, 3, 1, 10, tzinfo=UTC)
    middleware.update_user({"user_id": "u", "modified_time": moment})
    (call,) = collector.posts("/v1/users")
    assert call.payload["modified_time"] == "2026-03-01T10:00:00+00:00"


def test_django_without_get_response_is_for_updates_only(make_site, collector):
    from django.core.exceptions import ImproperlyConfigured

    from poorwsgi.moesif.django import MoesifMiddleware

    make_site(Django)
    middleware = MoesifMiddleware(None)
    middleware.update_user(USER)
    assert len(collector.posts("/v1/users")) == 1
    with pytest.raises(ImproperlyConfigured):
        middleware(None)


# The client


@pytest.fixture
def api(collector):
    return MoesifAPIClient("app-id", collector.url).api


@pytest.mark.parametrize(("method", "path", "record"), SINGLE)
def test_client_update(api, collector, method, path, record):
    getattr(api, method)(record)
    assert collector.posts(path)[0].payload == record


@pytest.mark.parametrize(("method", "path", "record"), BATCH)
def test_client_update_batch(api, collector, method, path, record):
    getattr(api, method)([record])
    assert collector.posts(path)[0].payload == [record]


def test_client_sends_events_and_returns_the_headers(api, collector):
    collector.config_tag = "tag-1"
    event = EventModel(EventRequestModel(verb="GET"), direction="Incoming")
    assert api.create_event(event)["x-moesif-config-etag"] == "tag-1"
    headers = api.create_events_batch([event, {"direction": "Outgoing"}])
    assert headers["x-moesif-config-etag"] == "tag-1"
    single, batch = collector.posts()
    assert single.path == "/v1/events"
    assert single.payload == {"request": {"verb": "GET"}, "direction": "Incoming"}
    assert batch.path == "/v1/events/batch"
    assert batch.payload == [single.payload, {"direction": "Outgoing"}]
    assert {call.headers["content-encoding"] for call in (single, batch)} == {"gzip"}


def test_client_reads_configuration_rules_and_probe(api, collector):
    collector.config, collector.rules = {"sample_rate": 5}, [{"_id": "1"}]
    assert api.get_app_config() == {"sample_rate": 5}
    assert api.get_governance_rules() == [{"_id": "1"}]
    assert api.get_health_probe() == {"status": True, "region": "test"}


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500, 209])
def test_client_raises_with_the_status(api, collector, status):
    collector.status = status
    with pytest.raises(APIException) as caught:
        api.update_user(USER)
    assert caught.value.response_code == status


def test_client_raises_for_the_network():
    api = MoesifAPIClient("id", "http://127.0.0.1:9").api
    with pytest.raises(APIException) as caught:
        api.get_app_config()
    assert caught.value.response_code is None


@pytest.mark.parametrize("garbage", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_client_raises_for_garbage(api, collector, garbage):
    collector.garbage = garbage
    with pytest.raises(APIException):
        api.get_app_config()


@pytest.mark.parametrize("bad", ["http://[", "nohost:port", "ftp://127.0.0.1", "://"])
def test_client_raises_for_a_broken_address(bad):
    with pytest.raises(APIException):
        MoesifAPIClient("id", bad).api.get_app_config()


def test_base_uri_keeps_its_prefix(collector, monkeypatch):
    monkeypatch.setattr(collector, "prefix", "/proxy/moesif")
    api = MoesifAPIClient("id", collector.url + "/").api
    api.update_user(USER)
    assert len(collector.posts("/v1/users")) == 1


def test_two_clients_do_not_meet(collector):
    first, second = (MoesifAPIClient(name, collector.url).api for name in ("a", "b"))
    first.update_user(USER)
    second.update_user(USER)
    first.update_user(USER)
    names = [call.headers["x-moesif-application-id"] for call in collector.calls]
    assert names == ["a", "b", "a"]


@pytest.mark.parametrize("application_id", ["", None])
def test_client_needs_an_application_id(application_id):
    with pytest.raises(ValueError, match="application id"):
        MoesifAPIClient(application_id)


def test_updates_log_through_the_library_logger(middleware, collector, caplog):
    with caplog.at_level(logging.DEBUG):
        middleware.update_user({})
    assert {record.name for record in caplog.records} == {"poorwsgi.moesif"}
