"""The decision table: each row, their order, both modes."""

import pytest
from fake_perimeterx import UUID, fields, risk_answer, v3

from poorwsgi.perimeterx.verifier import ROWS, STATIC_SUFFIXES, Outcome

from .perimeterx_site import make_environ

HIGH = "score=100"
GOOD = f"_px3={v3()}"
BAD = f"_px3={v3(fields(s=100, a='b'))}"


def only(fake):
    """Return the only activity."""
    fake.wait_for(lambda: fake.activities)
    (activity,) = fake.activities
    return activity


def is_silent(site, fake):
    """Tell whether nothing at all was sent for a request."""
    site.px.close()
    return not fake.risk_calls and not fake.activities


# -- rows 1 to 5: nothing recorded -------------------------------------------


def test_row_1_a_disabled_module_is_not_there(site, fake):
    one = site(module_enabled=False, whitelist_routes=["/x"])
    environ = make_environ(
        "/abcd1234/init.js", HTTP_COOKIE=BAD, HTTP_X_PX_AUTHORIZATION="1"
    )
    before = dict(environ)

    def start_response(status, headers, exc_info=None):
        return None

    got = []
    one.px._application = lambda *args: got.append(args) or [b"x"]
    assert one.px(environ, start_response) == [b"x"]
    assert got == [(environ, start_response)]
    assert got[0][0] is environ
    assert environ == before
    one.px.close()
    assert fake.calls == []


@pytest.mark.parametrize("value", [True, 1, "yes"])
def test_row_1_a_request_can_be_taken_out(site, fake, value):
    one = site()
    environ = make_environ("/abcd1234/init.js", QUERY_STRING=HIGH)
    assert one.raw(environ | {"px_disable_request": value}).body == b"the site"
    assert is_silent(one, fake)


def test_row_1_a_false_key_takes_nothing_out(site):
    environ = make_environ(QUERY_STRING=HIGH, px_disable_request=False)
    assert site().raw(environ).status == 403


@pytest.mark.parametrize(
    "path", ["/abcd1234/init.js", "/abcd1234/xhr/a", "/abcd1234/captcha/c.js"]
)
def test_row_2_a_first_party_address_is_answered_here(site, fake, path):
    one = site(whitelist_routes=["/"], sensitive_routes=["/"])
    assert b"_pxLoaded" in one.get(path).body
    assert one.runs == []
    assert is_silent(one, fake)


@pytest.mark.parametrize("suffix", STATIC_SUFFIXES)
def test_row_3_static_files_are_not_scored(site, fake, suffix):
    one = site()
    assert one.get(f"/a{suffix}", QUERY_STRING=HIGH).status == 200
    assert one.get(f"/b{suffix}", REQUEST_METHOD="HEAD").status == 200
    assert is_silent(one, fake)


def test_row_3_has_all_static_suffixes():
    assert len(STATIC_SUFFIXES) == 37
    assert len(set(STATIC_SUFFIXES)) == 37


NOT_STATIC = [
    ("/login.css", {"REQUEST_METHOD": "POST"}),
    ("/login.css", {"REQUEST_METHOD": "PUT"}),
    ("/login/file.css", {}),
    ("/shop/../login/file.css", {}),
    ("/login/../file.css", {}),
    ("/a.css/", {}),
    ("/a.css/x", {}),
    ("/a.CSS", {}),
    ("/a.cssx", {}),
    ("/css", {}),
    ("/a", {"QUERY_STRING": "x.css&score=100"}),
]


@pytest.mark.parametrize(("path", "environ"), NOT_STATIC)
def test_row_3_is_for_reading_static_files_only(site, path, environ):
    one = site(sensitive_routes=["/login/"])
    environ.setdefault("QUERY_STRING", HIGH)
    assert one.get(path, **environ).status == 403


PREFIXES = [
    # prefix, path, matches
    ("/free", "/free", True),
    ("/free", "/free/x", True),
    ("/free", "/freedom", True),
    ("/free/", "/free", False),
    ("/free", "/Free", False),
    ("/free", "/x/free", False),
    ("/free", "/x/../free", True),
    ("/free", "//free", True),
    ("/free", "/free/../login", False),
    ("/free", "/free/..", False),
    ("/free", "/./free", True),
    ("/ú", "/\xc3\xba", True),
]


@pytest.mark.parametrize(("prefix", "path", "matches"), PREFIXES)
def test_row_4_whitelisted_prefixes_are_not_scored(site, prefix, path, matches):
    one = site(whitelist_routes=["/other", prefix], sensitive_routes=["/free"])
    status = one.get(path, QUERY_STRING=HIGH).status
    assert status == (200 if matches else 403)


def test_row_4_sends_nothing(site, fake):
    one = site(whitelist_routes=["/free"])
    one.get("/free", HTTP_COOKIE=BAD)
    assert is_silent(one, fake)


# uWSGI, gunicorn and others hand `/login/%2e%2e/free` on as `/login/../free`,
# and a route of an application that has no end, `^login`, takes that.
DOTS = [
    ("/login/../free", {}),
    ("/login/../free/x", {"REQUEST_METHOD": "POST"}),
    ("//login//..//free", {}),
    ("/login/./../free", {}),
    ("login/../free", {}),
    ("/lo\xffgin/../free", {}),
]


@pytest.mark.parametrize("option", ["sensitive_routes", "enforced_specific_routes"])
@pytest.mark.parametrize(("path", "environ"), DOTS)
def test_dot_segments_lead_around_no_guarded_route(site, option, path, environ):
    one = site(whitelist_routes=["/free"], **{option: ["/login"]})
    environ = make_environ(path, QUERY_STRING=HIGH, **environ)
    assert one.raw(environ).status == 403
    assert one.runs == []


@pytest.mark.parametrize("path", ["/login/../shop", "/shop/../login"])
def test_dot_segments_do_not_make_a_route_less_sensitive(site, fake, path):
    site(sensitive_routes=["/login"]).get(path, HTTP_COOKIE=GOOD)
    (call,) = fake.risk_calls
    assert call.json["additional"]["s2s_call_reason"] == "sensitive_route"


def test_a_whitelisted_route_may_be_below_a_sensitive_one(site, fake):
    one = site(whitelist_routes=["/login/help"], sensitive_routes=["/login"])
    for path in ("/login/help", "/login/help/../help", "/x/../login/help"):
        assert one.get(path, QUERY_STRING=HIGH).status == 200
    assert is_silent(one, fake)


ENFORCED = [(*case[:2], case[2] or "/free/.." in case[1]) for case in PREFIXES]


@pytest.mark.parametrize(("prefix", "path", "matches"), ENFORCED)
def test_row_5_only_enforced_prefixes_are_scored(site, prefix, path, matches):
    one = site(enforced_specific_routes=[prefix])
    status = one.get(path, QUERY_STRING=HIGH).status
    assert status == (403 if matches else 200)


def test_row_5_sends_nothing(site, fake):
    one = site(enforced_specific_routes=["/shop"])
    one.get("/", HTTP_COOKIE=BAD)
    assert is_silent(one, fake)


# -- rows 6 to 11: by cookie or by call --------------------------------------

CHALLENGE = {"body": "<p>prove it</p>"}

VERDICTS = [
    # row, cookie, answer, status, activity, reason
    (6, GOOD, None, 200, "page_requested", "cookie"),
    (7, BAD, None, 403, "block", "cookie_high_score"),
    (8, "", risk_answer(99), 200, "page_requested", "s2s"),
    (8, "", risk_answer(0, "j"), 200, "page_requested", "s2s"),
    (8, "", risk_answer(0, "r"), 200, "page_requested", "s2s"),
    (9, "", risk_answer(100, "j", action_data=CHALLENGE), 403, "block", "challenge"),
    (10, "", risk_answer(100, "r"), 429, "block", "exceeded_rate_limit"),
    (11, "", risk_answer(100), 403, "block", "s2s_high_score"),
    (11, "", risk_answer(100, "b"), 403, "block", "s2s_high_score"),
    (11, "", risk_answer(100, "?"), 403, "block", "s2s_high_score"),
    (11, "", risk_answer(100, "j"), 403, "block", "s2s_high_score"),
    (11, "", risk_answer(100, "j", action_data={}), 403, "block", "s2s_high_score"),
    (
        11,
        "",
        risk_answer(100, "c", action_data=CHALLENGE),
        403,
        "block",
        "s2s_high_score",
    ),
]


@pytest.mark.parametrize(
    ("row", "cookie", "answer", "status", "kind", "reason"), VERDICTS
)
def test_verdict(site, fake, row, cookie, answer, status, kind, reason):
    fake.answer = answer or risk_answer(0)
    one = site()
    assert one.get(HTTP_COOKIE=cookie).status == status
    assert len(one.runs) == (1 if status == 200 else 0)
    assert len(fake.risk_calls) == (0 if row in (6, 7) else 1)
    details = only(fake)["details"]
    assert only(fake)["type"] == kind
    key = "pass_reason" if kind == "page_requested" else "block_reason"
    assert details[key] == reason


@pytest.mark.parametrize(
    ("row", "cookie", "answer", "status", "kind", "reason"), VERDICTS
)
def test_verdict_in_monitor_mode(site, fake, row, cookie, answer, status, kind, reason):
    """The same is reported, and the application answers."""
    fake.answer = answer or risk_answer(0)
    one = site(module_mode="monitor")
    assert one.get(HTTP_COOKIE=cookie).body == b"the site"
    assert len(one.runs) == 1
    activity = only(fake)
    assert activity["type"] == kind
    if kind == "block":
        assert activity["details"]["simulated_block"] is True
        assert activity["details"]["block_reason"] == reason


def test_a_real_block_is_not_simulated(site, fake):
    site().get(HTTP_COOKIE=BAD)
    assert only(fake)["details"]["simulated_block"] is False


def test_every_row_has_a_case():
    rows = {row for row, *_ in VERDICTS} | {1, 2, 3, 4, 5, 12, 13}
    assert rows == {row.number for row in ROWS}
    assert [row.number for row in ROWS] == sorted(rows)


@pytest.mark.parametrize("row", [row for row in ROWS if row.outcome is Outcome.BLOCK])
def test_block_rows_have_a_reason(row):
    assert row.reason


BYPASS = [
    ("X-Px-Block", "1", 403),
    ("x_px_block", "1", 403),
    ("X-Px-Block", "true", 200),
    ("X-Px-Block", " 1", 200),
    ("X-Px-Block", "", 200),
    ("X-Other", "1", 200),
    ("", "1", 200),
]


@pytest.mark.parametrize(("name", "value", "status"), BYPASS)
def test_a_header_makes_monitor_mode_block(site, fake, name, value, status):
    one = site(module_mode="monitor", bypass_monitor_header=name)
    assert one.get(HTTP_COOKIE=BAD, HTTP_X_PX_BLOCK=value).status == status
    assert only(fake)["details"]["simulated_block"] is (status == 200)


def test_a_content_type_can_be_the_header(site):
    one = site(module_mode="monitor", bypass_monitor_header="content-type")
    assert one.get(HTTP_COOKIE=BAD, CONTENT_TYPE="1").status == 403


@pytest.mark.parametrize(("score", "status"), [(69, 200), (70, 403), (70.5, 403)])
def test_the_blocking_score_is_the_smallest_that_blocks(site, fake, score, status):
    fake.answer = risk_answer(score)
    assert site(blocking_score=70).get().status == status


# -- rows 12 and 13: the call fails ------------------------------------------


def raw(status=b"200 OK", body=b"", headers=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status,
        len(body),
        headers,
        body,
    )


FAILURES = [
    ("drop", b""),
    ("cut", b""),
    ("redirect", b""),
    ("raw", b""),
    ("raw", b"\r\n\r\n"),
    ("raw", b"garbage\r\n\r\n"),
    ("raw", raw(b"500 Oops", b'{"score": 100}')),
    ("raw", raw(b"404 No", b'{"score": 100}')),
    ("raw", raw(b"201 Made", b'{"score": 100}')),
    ("raw", raw(b"103 Hints", b'{"score": 100}')),
    ("raw", raw(b"301 Moved", b'{"score": 100}', b"Location: /\r\n")),
    ("raw", raw(b"204 Empty")),
    ("raw", raw(body=b"")),
    ("raw", raw(body=b"<html>")),
    ("raw", raw(body=b"\xff\xfe")),
    ("raw", raw(body=b"[100]")),
    ("raw", raw(body=b"null")),
    ("raw", raw(body=b"100")),
    ("raw", raw(body=b"{}")),
    ("raw", raw(body=b'{"score": "100"}')),
    ("raw", raw(body=b'{"score": true}')),
    ("raw", raw(body=b'{"score": null}')),
    ("raw", raw(body=b'{"score": NaN}')),
    ("raw", raw(body=b'{"score": 1e999}')),
    ("raw", raw(body=b'{"score": 100, "status": 1}')),
    ("raw", raw(body=b'{"score": 100, "status": -1}')),
    ("raw", raw(body=b'{"score": 100, "status": "0"}')),
    ("raw", raw(body=b'{"score": 100, "status": false}')),
    ("raw", raw(body=b'{"score": 100, "status": null}')),
    ("raw", raw(body=b'{"score": 100, "x": ' + b"[" * 5000)),
    ("raw", raw(body=b'{"score": 100}' + b" " * (1 << 20))),
    ("raw", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}"),
    ("raw", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    ("raw", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
    ("raw", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000),
    ("raw", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}"),
]


@pytest.mark.parametrize(("mode", "sent"), FAILURES)
def test_row_13_a_failed_call_lets_the_request_pass(site, fake, mode, sent):
    fake.answer = risk_answer(100)
    one = site()
    fake.wait_for(lambda: fake.telemetry)
    fake.mode, fake.raw = mode, sent
    assert one.get().body == b"the site"
    assert len(one.runs) == 1
    assert fake.on("/stolen") == []
    fake.mode = "good"
    activity = only(fake)
    assert activity["type"] == "page_requested"
    assert activity["details"]["pass_reason"] == "s2s_error"
    assert activity["details"]["risk_rtt"] > 0


def test_row_13_a_dead_service_lets_the_request_pass(site, fake):
    one = site(px_backend_url="http://127.0.0.1:1")
    assert one.get().body == b"the site"
    assert len(one.runs) == 1


@pytest.mark.parametrize("mode", ["slow", "drip"])
def test_row_12_a_late_answer_lets_the_request_pass(site, fake, mode):
    fake.answer = risk_answer(100)
    one = site(api_timeout=200)
    fake.wait_for(lambda: fake.telemetry)
    fake.mode, fake.delay = mode, 0.05 if mode == "drip" else 5
    assert one.get().body == b"the site"
    assert len(one.runs) == 1
    fake.mode = "good"
    details = only(fake)["details"]
    assert details["pass_reason"] == "s2s_timeout"
    assert details["risk_rtt"] >= 0.2


@pytest.mark.parametrize(
    "answer",
    [
        {"score": 0},
        {"score": 0, "status": 0},
        {"score": 0, "status": 0.0},
        {"score": -5.5, "uuid": None, "action": None, "action_data": []},
        {"score": 0, "pxhd": 7, "data_enrichment": [1]},
    ],
)
def test_an_answer_needs_no_more_than_a_score(site, fake, answer):
    fake.answer = answer
    assert site().get().status == 200
    assert only(fake)["details"]["pass_reason"] == "s2s"


# -- row 14: an error of ours ------------------------------------------------


def test_row_14_an_error_of_ours_lets_the_request_pass(site, monkeypatch, caplog):
    def broken(inquiry):
        raise RuntimeError("a bug")

    monkeypatch.setattr("poorwsgi.perimeterx.decide", broken)
    one = site()
    with caplog.at_level("ERROR", "poorwsgi.perimeterx"):
        for _ in range(5):
            assert one.get().body == b"the site"
    assert len(one.runs) == 5
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_block_stays_one_when_reporting_fails(site, monkeypatch):
    def broken(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr("poorwsgi.perimeterx.block_activity", broken)
    assert site().get(HTTP_COOKIE=BAD).status == 403


# -- a call follows though the cookie could be read --------------------------


def test_a_call_knows_more_than_the_cookie(site, fake):
    """The answer's score, id and action replace those of the cookie."""
    fake.answer = risk_answer(100, "b")
    one = site(sensitive_routes=["/login"])
    one.get("/login", HTTP_COOKIE=GOOD)
    details = only(fake)["details"]
    assert details["block_score"] == 100
    assert details["block_uuid"] == UUID
    assert details["block_action"] == "b"
    assert details["px_cookie"]["s"] == 10
