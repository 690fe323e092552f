"""What the service is told: risk calls, activities, telemetry; _pxhd."""

import json
import signal
import threading
import time
from email.utils import parsedate_to_datetime

import pytest
from fake_perimeterx import (
    APP_ID,
    COOKIE_UUID,
    KEY,
    TOKEN,
    UUID,
    VID,
    fields,
    risk_answer,
    v1,
    v3,
)

from poorwsgi.perimeterx import MODULE_VERSION
from poorwsgi.perimeterx.activities import MAX_WAITING, Sender
from poorwsgi.perimeterx.config import OPTIONS, Config
from poorwsgi.perimeterx.risk import legal_pxhd
from poorwsgi.perimeterx.transport import MAX_IDLE

from .perimeterx_site import AGENT, make_environ

MOBILE = v3(agent="")
EXPIRED = fields(t=1500000000000)


def risk_call(site, fake, path="/", options=None, **environ):
    """Return the body of the call that a request leads to."""
    site(**(options or {})).get(path, **environ)
    (call,) = fake.risk_calls
    return call.json


def test_a_call_is_an_authorized_post_of_json(site, fake):
    risk_call(site, fake)
    (call,) = fake.risk_calls
    assert (call.method, call.path) == ("POST", "/api/v3/risk")
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.headers["Content-Type"] == "application/json"


def test_a_call_describes_the_request(site, fake):
    told = risk_call(
        site,
        fake,
        "/login",
        QUERY_STRING="x=1",
        HTTP_COOKIE="lang=cs",
        HTTP_ACCEPT="text/html",
    )
    assert told["request"] == {
        "ip": "203.0.113.9",
        "url": "http://shop.example/login?x=1",
        "headers": [
            {"name": "Host", "value": "shop.example"},
            {"name": "User-Agent", "value": AGENT},
            {"name": "Accept", "value": "text/html"},
        ],
    }
    assert told["additional"] == {
        "s2s_call_reason": "no_cookie",
        "http_method": "GET",
        "http_version": "1.1",
        "module_version": MODULE_VERSION,
        "risk_mode": "active_blocking",
        "cookie_origin": "cookie",
        "request_cookie_names": ["lang"],
    }
    assert told.keys() == {"request", "additional"}


def test_the_risk_mode_is_the_module_mode(site, fake):
    told = risk_call(site, fake, options={"module_mode": "monitor"})
    assert told["additional"]["risk_mode"] == "monitor"


ORIGINAL = {
    "HTTP_X_PX_AUTHORIZATION": "2",
    "HTTP_X_PX_ORIGINAL_TOKEN": f"3:{MOBILE}",
}

REASONS = [
    ({}, "no_cookie"),
    ({"HTTP_COOKIE": "_px3=junk"}, "cookie_decryption_failed"),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "cookie_expired"),
    ({"HTTP_COOKIE": f"_px3={v3(agent='x')}"}, "cookie_validation_failed"),
    ({"HTTP_COOKIE": f"_px3={v3()}", "path": "/login"}, "sensitive_route"),
    ({"HTTP_X_PX_AUTHORIZATION": "3"}, "mobile_error_3"),
]


@pytest.mark.parametrize(("environ", "reason"), REASONS)
def test_a_call_tells_its_reason(site, fake, environ, reason):
    told = risk_call(site, fake, options={"sensitive_routes": ["/login"]}, **environ)
    assert told["additional"]["s2s_call_reason"] == reason


PRESENT = [
    # environ, field ("a." in additional), value; ... for absent
    ({}, "vid", ...),
    ({}, "a.enforcer_vid_source", ...),
    ({"HTTP_COOKIE": f"_pxvid={VID}"}, "vid", VID),
    ({"HTTP_COOKIE": f"_pxvid={VID}"}, "a.enforcer_vid_source", "vid_cookie"),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "vid", VID),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "a.enforcer_vid_source", "risk_cookie"),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "uuid", COOKIE_UUID),
    ({"HTTP_COOKIE": "_px3=junk"}, "uuid", ...),
    ({"HTTP_COOKIE": "_px3=junk"}, "a.px_cookie_hmac", ...),
    ({"HTTP_COOKIE": f"_px3=ab:{v3(EXPIRED)[65:]}"}, "a.px_cookie_hmac", "ab"),
    ({"HTTP_COOKIE": f"_px={v1(h='cd')}"}, "a.px_cookie_hmac", "cd"),
    ({}, "pxhd", ...),
    ({"HTTP_COOKIE": "_pxhd=opaque"}, "pxhd", "opaque"),
    ({}, "a.request_cookie_names", ...),
    ({"HTTP_COOKIE": "a=1; b=2"}, "a.request_cookie_names", ["a", "b"]),
    ({"HTTP_COOKIE": "a=1", **ORIGINAL}, "a.request_cookie_names", ...),
    ({}, "a.px_cookie", ...),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "a.px_cookie", EXPIRED),
    ({"HTTP_COOKIE": f"_px3={v3(agent='x')}"}, "a.px_cookie", fields()),
    ({"HTTP_COOKIE": f"_px3={v3()}", "path": "/login"}, "a.px_cookie", ...),
    ({"HTTP_COOKIE": "_px3=junk"}, "a.px_cookie", ...),
    ({"HTTP_COOKIE": "_px3=junk"}, "a.px_cookie_raw", "_px3=junk"),
    ({"HTTP_X_PX_AUTHORIZATION": "1:junk"}, "a.px_cookie_raw", "1=junk"),
    ({"HTTP_COOKIE": f"_px3={v3(EXPIRED)}"}, "a.px_cookie_raw", ...),
    ({}, "a.original_token", ...),
    (ORIGINAL, "a.original_token", f"3:{MOBILE}"),
    (ORIGINAL, "a.original_uuid", COOKIE_UUID),
    (ORIGINAL, "a.decoded_original_token", fields()),
    (ORIGINAL, "a.original_token_error", ...),
    (ORIGINAL, "a.cookie_origin", "header"),
    (ORIGINAL, "vid", VID),
    (ORIGINAL, "a.enforcer_vid_source", "risk_cookie"),
    (
        ORIGINAL | {"HTTP_X_PX_ORIGINAL_TOKEN": "junk"},
        "a.original_token_error",
        "decryption_failed",
    ),
    ({}, "a.custom_param1", ...),
    ({}, "a.custom_param2", "two"),
    ({}, "a.custom_param11", ...),
]


@pytest.mark.parametrize(("environ", "field", "value"), PRESENT)
def test_a_field_is_there_when_it_is_known(site, fake, environ, field, value):
    options = {
        "sensitive_routes": ["/login"],
        "enrich_custom_parameters": lambda params: (
            params | {"custom_param2": "two", "custom_param11": "eleven"}
        ),
    }
    told = risk_call(site, fake, options=options, **environ)
    if field.startswith("a."):
        told, field = told["additional"], field[2:]
    if value is ...:
        assert field not in told
    else:
        assert told[field] == value


def test_nothing_sensitive_is_told(site, fake):
    one = site(sensitive_headers=["cookie", "x-key"])
    one.get(HTTP_COOKIE="session=abc", HTTP_X_KEY="secret-key")
    one.px.close()
    for call in fake.calls:
        text = call.body.decode()
        assert "abc" not in text.replace(APP_ID, "").replace(APP_ID.lower(), "")
        assert "secret-key" not in text


def test_strange_bytes_break_nothing(site, fake):
    environ = {
        "HTTP_USER_AGENT": "\xff\x00\x7f\ud800",
        "HTTP_COOKIE": "\xe9=\xff; _pxhd=\xc3\xa9",
        "QUERY_STRING": "\xff",
        "REQUEST_METHOD": "GÉT",
        "HTTP_HOST": "\xff",
    }
    one = site()
    assert one.raw(make_environ("/\xff\xc3\xba", **environ)).status == 200
    told = fake.risk_calls[0].json
    assert told["request"]["url"].endswith("/%FF%C3%BA?%FF")
    assert told["pxhd"] == "é"


# -- the answer --------------------------------------------------------------


def seen_context(site, fake, **environ):
    """Return the context after the verdict."""
    seen = []
    one = site(custom_request_handler=lambda ctx, *_: seen.append(ctx))
    reply = one.get(**environ)
    return seen[0], reply


def test_data_enrichment_of_an_answer_is_trusted(site, fake):
    fake.answer = risk_answer(data_enrichment={"cgp": 2})
    ctx, _ = seen_context(site, fake, HTTP_COOKIE="_pxde=x:e30=")
    assert ctx.pxde == {"cgp": 2}
    assert ctx.pxde_verified is True


def test_without_data_enrichment_the_cookie_s_stays(site, fake):
    ctx, _ = seen_context(site, fake, HTTP_COOKIE="_pxde=x:e30=")
    assert ctx.pxde == {}
    assert ctx.pxde_verified is False


PXHD = [
    # in the answer, cookie of the request, set
    (..., "", None),
    (None, "", None),
    ("", "", None),
    ("opaque", "", "opaque"),
    ("opaque", "opaque", None),
    ("opaque", "old", "opaque"),
    ("a" * 1024, "", "a" * 1024),
    ("a" * 1025, "", None),
    ("!#$%&'()*+-./:<=>?@[]^_`{|}~", "", "!#$%&'()*+-./:<=>?@[]^_`{|}~"),
    ("a b", "", None),
    ("a\r\nSet-Cookie: x=y", "", None),
    ("a;b", "", None),
    ("a,b", "", None),
    ('a"b', "", None),
    ("a\\b", "", None),
    ("a\x7f", "", None),
    ("é", "", None),
    (7, "", None),
    (["a"], "", None),
]


@pytest.mark.parametrize(("answered", "sent", "expected"), PXHD)
@pytest.mark.parametrize("score", [0, 100])
def test_pxhd_is_set_if_it_is_a_cookie_value(
    site, fake, answered, sent, expected, score
):
    """On the application's answer as on a block."""
    more = {} if answered is ... else {"pxhd": answered}
    fake.answer = risk_answer(score, **more)
    reply = site().get(HTTP_COOKIE=f"_pxhd={sent}" if sent else "")
    cookies = [value for name, value in reply.pairs if name == "Set-Cookie"]
    assert len(cookies) == (expected is not None)
    if expected is not None:
        start, _, date = cookies[0].partition("; Path=/; Expires=")
        assert start == f"_pxhd={expected}"
        days = (parsedate_to_datetime(date).timestamp() - time.time()) / 86400
        assert 364 < days < 366


def test_pxhd_is_set_on_a_custom_answer(site, fake):
    fake.answer = risk_answer(0, pxhd="opaque")
    one = site(custom_request_handler=lambda *_: ("hi", [], 200))
    assert one.raw(make_environ()).headers["set-cookie"].startswith("_pxhd=opaque;")


def test_the_application_s_header_list_is_not_changed(site, fake):
    fake.answer = risk_answer(0, pxhd="opaque")
    own = [("Content-Type", "text/plain")]

    def application(environ, start_response):
        start_response("200 OK", own)
        return [b"x"]

    reply = site(application).get()
    assert "set-cookie" in reply.headers
    assert own == [("Content-Type", "text/plain")]


def test_start_response_goes_through_unchanged(site):
    seen = []

    def application(environ, start_response):
        seen.append(start_response)
        start_response("200 OK", [])
        return []

    one = site(application)

    def start_response(status, headers, exc_info=None):
        return None

    list(one.px(make_environ(), start_response))
    assert seen == [start_response]


def test_exc_info_may_be_named(site, fake):
    fake.answer = risk_answer(0, pxhd="opaque")
    got = []

    def application(environ, start_response):
        start_response("200 OK", [], exc_info=None)
        return []

    def start_response(status, headers, exc_info="unset"):
        got.append(exc_info)

    site(application).px(make_environ(), start_response)
    assert got == [None]


def test_exc_info_passes_through_a_wrapped_start_response(site, fake):
    fake.answer = risk_answer(0, pxhd="opaque")
    got = []

    def application(environ, start_response):
        start_response("200 OK", [])
        start_response("500 Oops", [], ("a", "b", "c"))
        return []

    def start_response(*args):
        got.append(args)

    one = site(application)
    one.px(make_environ(), start_response)
    assert [len(args) for args in got] == [2, 3]
    assert got[1][2] == ("a", "b", "c")


def test_pxhd_rules_do_not_depend_on_a_request():
    assert legal_pxhd("x" * 10) == "x" * 10


# -- activities --------------------------------------------------------------


def activity_of(site, fake, path="/", **environ):
    options = {"enrich_custom_parameters": lambda p: p | {"custom_param3": "three"}}
    site(**options).get(path, **environ)
    fake.wait_for(lambda: fake.activities)
    (activity,) = fake.activities
    return activity


def test_a_page_activity(site, fake):
    cookie = f"_px3={v3()}; _pxhd=opaque"
    activity = activity_of(site, fake, "/a", QUERY_STRING="b", HTTP_COOKIE=cookie)
    assert abs(activity.pop("timestamp") - time.time() * 1000) < 60_000
    assert activity == {
        "type": "page_requested",
        "headers": {"Host": "shop.example", "User-Agent": AGENT},
        "socket_ip": "203.0.113.9",
        "px_app_id": APP_ID,
        "url": "http://shop.example/a?b",
        "vid": VID,
        "uuid": COOKIE_UUID,
        "pxhd": "opaque",
        "details": {
            "client_uuid": COOKIE_UUID,
            "pass_reason": "cookie",
            "http_method": "GET",
            "http_version": "1.1",
            "module_version": MODULE_VERSION,
            "risk_mode": "active_blocking",
            "risk_rtt": 0,
            "px_cookie": fields(),
            "custom_param3": "three",
        },
    }


def test_a_block_activity(site, fake):
    fake.answer = risk_answer(100, "b")
    activity = activity_of(site, fake)
    details = activity["details"]
    assert 0 < details.pop("risk_rtt") < 1
    assert activity["type"] == "block"
    assert details == {
        "block_score": 100,
        "block_uuid": UUID,
        "block_reason": "s2s_high_score",
        "block_action": "b",
        "cookie_origin": "cookie",
        "simulated_block": False,
        "http_method": "GET",
        "http_version": "1.1",
        "module_version": MODULE_VERSION,
        "risk_mode": "active_blocking",
        "custom_param3": "three",
    }


def test_activities_are_authorized(site, fake):
    activity_of(site, fake)
    (call,) = fake.on("/api/v1/collector/s2s")
    assert call.method == "POST"
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert call.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("cookie", [f"_px3={v3()}", f"_px3={v3(fields(s=100))}", ""])
def test_no_activity_is_sent_when_they_are_off(site, fake, cookie):
    one = site(send_page_activities=False)
    one.get(HTTP_COOKIE=cookie)
    one.px.close()
    assert fake.activities == []


def batches(fake):
    return [len(call.json) for call in fake.on("/api/v1/collector/s2s")]


def test_a_full_batch_goes_out_at_once(site, fake, monkeypatch):
    monkeypatch.setattr("poorwsgi.perimeterx.activities.LINGER", 3600)
    one = site(max_buffer_len=3)
    for _ in range(6):
        one.get(HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: len(fake.activities) == 6)
    assert batches(fake) == [3, 3]


def test_a_lonely_activity_goes_out_after_a_second(site, fake):
    one = site(max_buffer_len=30)
    one.get(HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: fake.activities)
    assert batches(fake) == [1]


def test_close_sends_what_waits(site, fake, monkeypatch):
    monkeypatch.setattr("poorwsgi.perimeterx.activities.LINGER", 3600)
    one = site(max_buffer_len=30)
    for _ in range(5):
        one.get(HTTP_COOKIE=f"_px3={v3()}")
    one.px.close()
    assert batches(fake) == [5]
    one.px.close()
    assert one.get(HTTP_COOKIE=f"_px3={v3()}").status == 200
    one.px.close()
    assert batches(fake) == [5]


def test_close_stops_the_sender(site):
    one = site()
    thread = one.px._worker().sender._thread
    assert thread.is_alive()
    one.px.close()
    assert not thread.is_alive()


def test_the_sender_takes_no_signal(site, monkeypatch):
    """uWSGI runs the exit functions in the thread that gets the signal."""
    seen = []
    run = Sender._run

    def look(self, tell):
        seen.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        run(self, tell)

    monkeypatch.setattr(Sender, "_run", look)
    site().px.close()
    assert {signal.SIGINT, signal.SIGTERM} <= seen[0]


@pytest.mark.parametrize("mode", ["slow", "drip", "drop"])
def test_close_is_bounded(site, fake, mode):
    """Whatever the collector does, and however much waits."""
    one = site(max_buffer_len=1, api_timeout=60_000)
    fake.wait_for(lambda: fake.telemetry)
    fake.mode = mode
    for _ in range(20):
        one.get(HTTP_COOKIE=f"_px3={v3()}")
    started = time.monotonic()
    one.px.close(0.3)
    assert time.monotonic() - started < 30


def full_sender(fake, quiet):
    class Upstream:
        def exchange(self, *_):
            time.sleep(3600)

    sender = Sender(Config(fake.options()), Upstream(), quiet)
    sender._ensure_thread = lambda: None
    return sender


class Said(list):
    def say(self, level, cause, text, error=None):
        self.append((cause, text))


def test_the_queue_is_bounded_and_drops_the_oldest(fake):
    said = Said()
    sender = full_sender(fake, said)
    for number in range(MAX_WAITING + 25):
        sender.put({"n": number})
    assert len(sender._waiting) == MAX_WAITING == 1000
    assert sender._waiting[0][1] == {"n": 25}
    assert sender.dropped == 25
    assert {cause for cause, _ in said} == {"queue full"}


def test_a_failed_batch_is_dropped_and_the_next_one_goes(site, fake):
    one = site()
    fake.wait_for(lambda: fake.telemetry)
    fake.mode, fake.raw = "raw", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    one.get(HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: fake.on("/api/v1/collector/s2s"))
    fake.mode = "good"
    one.get("/second", HTTP_COOKIE=f"_px3={v3()}")
    fake.wait_for(lambda: len(fake.on("/api/v1/collector/s2s")) == 2)
    assert [a["url"] for a in fake.on("/api/v1/collector/s2s")[1].json] == [
        "http://shop.example/second"
    ]


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")


def test_what_json_cannot_hold_is_not_reported(site, fake):
    def handler(ctx, config):
        if ctx.uri == "/circle":
            ctx.decoded_cookie["x"] = ctx.decoded_cookie
        elif ctx.uri == "/unprintable":
            ctx.vid = Unprintable()
        elif ctx.uri == "/infinite":
            ctx.score = ctx.risk_rtt = float("inf")
        else:
            ctx.vid = {1, 2}

    one = site(additional_activity_handler=handler)
    for path in ("/circle", "/unprintable", "/infinite", "/good"):
        assert one.get(path, HTTP_COOKIE=f"_px3={v3()}").status == 200
    one.px.close()
    assert [a["url"] for a in fake.activities] == ["http://shop.example/good"]


def test_a_request_does_not_wait_for_the_collector(site, fake):
    one = site(max_buffer_len=1, api_timeout=60_000)
    fake.wait_for(lambda: fake.telemetry)
    fake.mode, fake.delay = "slow", 60
    for _ in range(5):
        assert one.get(HTTP_COOKIE=f"_px3={v3()}").status == 200
    one.px.close(0.1)


# -- telemetry ---------------------------------------------------------------


def test_telemetry_tells_the_options_without_the_secrets(site, fake):
    one = site(
        get_user_ip=lambda environ: "1.2.3.4",
        whitelist_routes=["/x"],
        first_party=False,
    )
    (call,) = fake.wait_for(lambda: fake.telemetry)
    told = call.json
    assert call.headers["Authorization"] == f"Bearer {TOKEN}"
    assert told["type"] == "enforcer_telemetry"
    assert told["px_app_id"] == APP_ID
    assert abs(told["timestamp"] - time.time() * 1000) < 60_000
    details = told["details"]
    assert details["update_reason"] == "initial_config"
    assert details["module_version"] == MODULE_VERSION
    assert details["node_name"]
    assert details["os_name"]
    configs = details["enforcer_configs"]
    assert configs.keys() == {
        option.name.upper()
        for option in OPTIONS
        if option.name not in ("cookie_key", "auth_token")
    }
    assert configs["GET_USER_IP"] is True
    assert configs["WHITELIST_ROUTES"] == ["/x"]
    assert configs["FIRST_PARTY_ENABLED"] is False
    text = json.dumps(told)
    assert KEY not in text
    assert TOKEN not in text
    one.px.close()


def test_telemetry_is_sent_once(site, fake):
    one = site()
    for _ in range(3):
        one.get()
    one.px.close()
    assert len(fake.telemetry) == 1


def test_each_object_sends_its_own(site, fake):
    site()
    site()
    fake.wait_for(lambda: len(fake.telemetry) == 2)


def test_construction_does_not_wait_for_the_service(site, fake):
    fake.mode, fake.delay = "slow", 60
    started = time.monotonic()
    site(api_timeout=30_000).px.close(0.1)
    assert time.monotonic() - started < 25


# -- two objects, one process ------------------------------------------------


def test_two_objects_never_mix(site, fake):
    one = site(app_id="PXfirst", auth_token="first-token")
    two = site(app_id="PXsecond", auth_token="second-token")
    for _ in range(5):
        one.get("/one")
        two.get("/two")
    one.px.close()
    two.px.close()
    for call in fake.calls:
        path = b"/one" if "first" in call.headers["Authorization"] else b"/two"
        other = b"/two" if path == b"/one" else b"/one"
        assert other not in call.body
    for activity in fake.activities:
        own = "PXfirst" if activity["url"].endswith("/one") else "PXsecond"
        assert activity["px_app_id"] == own
    assert len(fake.activities) == 10


# -- connections -------------------------------------------------------------


def test_calls_share_a_connection(site, fake):
    one = site(send_page_activities=False)
    fake.wait_for(lambda: fake.telemetry)
    for _ in range(10):
        one.get()
    assert len(fake.risk_calls) == 10
    assert fake.connections <= 2


def test_the_pool_keeps_eight_idle_connections(site, fake):
    one = site(send_page_activities=False, api_timeout=60_000)
    fake.wait_for(lambda: fake.telemetry)
    fake.gate.clear()
    threads = [threading.Thread(target=one.get) for _ in range(20)]
    for thread in threads:
        thread.start()
    # Twenty calls at the same time: none waits for another one.
    fake.wait_for(lambda: len(fake.risk_calls) == 20)
    fake.gate.set()
    for thread in threads:
        thread.join()
    assert len(one.runs) == 20
    assert len(one.px._worker().api._idle) == MAX_IDLE == 8
