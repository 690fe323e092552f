"""The site's own handlers: what they get, change, and cannot change."""

import pytest
from fake_perimeterx import UUID, fields, risk_answer, v3

from .perimeterx_site import make_environ

GOOD = f"_px3={v3()}"
BAD = f"_px3={v3(fields(s=100))}"


class BodyWithClose(list):
    closed = 0

    def close(self):
        self.closed += 1


ANSWERS = [
    # result, status line, headers, body
    (
        (b"no", [("X-A", "1"), ("X-A", "2")], "418 Teapot"),
        "418 Teapot",
        [("X-A", "1"), ("X-A", "2")],
        b"no",
    ),
    (("n\xe9", {"X-A": "1"}, 418), "418 I'm a teapot", [("X-A", "1")], b"n\xc3\xa9"),
    (([b"a", b"b"], [], 200), "200 OK", [], b"ab"),
    ((bytearray(b"a"), [], 200), "200 OK", [], b"a"),
    ((iter([b"a"]), [], "302 Found"), "302 Found", [], b"a"),
    (("", [("Location", "/x")], 302), "302 Found", [("Location", "/x")], b""),
    (("x", [], "200"), "200 ", [], b"x"),
    (("x", [], 599), "599", [], b"x"),
]


@pytest.mark.parametrize("mode", ["monitor", "active_blocking"])
@pytest.mark.parametrize("cookie", [GOOD, BAD])
@pytest.mark.parametrize(("result", "status", "headers", "body"), ANSWERS)
def test_a_custom_answer_is_the_answer(
    site, mode, cookie, result, status, headers, body
):
    if not isinstance(result[0], str | bytes | bytearray | list):
        result = ([b"a"], *result[1:])
    one = site(module_mode=mode, custom_request_handler=lambda *_: result)
    reply = one.raw(make_environ(HTTP_COOKIE=cookie))
    assert reply.status_line.startswith(status)
    assert reply.pairs == headers
    assert reply.body == body
    assert one.runs == []


def test_a_custom_body_is_closed(site):
    body = BodyWithClose([b"x"])
    one = site(custom_request_handler=lambda *_: (body, [], 200))
    assert one.raw(make_environ()).body == b"x"
    assert one.raw(make_environ(REQUEST_METHOD="HEAD")).body == b""
    assert body.closed == 2


NO_ANSWER = [
    None,
    (None, [], 200),
    (None, None, None),
]
WRONG = [
    17,
    "body",
    ("body", []),
    ("body", [], 200, 1),
    (5, [], 200),
    ("body", [], "Teapot"),
    ("body", [], "99 Low"),
    ("body", [], 99),
    ("body", [], True),
    ("body", [], None),
    ("body", [], "200 OK\r\nX: y"),
    ("body", [("X", "a\r\nY: b")], 200),
    ("body", [("X Y", "a")], 200),
    ("body", [("X", 1)], 200),
    ("body", 5, 200),
    ("body", ["X"], 200),
    (["text"], [], 200),
    ((b"a", None), [], 200),
    ({"error": "an object"}, [], 403),
]


@pytest.mark.parametrize("result", NO_ANSWER + WRONG)
def test_without_a_proper_answer_the_verdict_holds(site, result):
    one = site(custom_request_handler=lambda *_: result)
    assert one.get(HTTP_COOKIE=GOOD).body == b"the site"
    assert one.get(HTTP_COOKIE=BAD).status == 403
    assert len(one.runs) == 1


def test_a_wrong_answer_is_logged_once(site, caplog):
    one = site(custom_request_handler=lambda *_: 17)
    with caplog.at_level("WARNING", "poorwsgi.perimeterx"):
        for _ in range(5):
            one.get(HTTP_COOKIE=GOOD)
    (record,) = caplog.records
    assert "custom_request_handler" in record.getMessage()


def raising(*_):
    raise RuntimeError("a handler's bug")


NAMES = [
    "custom_request_handler",
    "additional_activity_handler",
    "enrich_custom_parameters",
    "get_user_ip",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_handler_that_raises_counts_as_absent(site, fake, name, caplog):
    """A block stays a block, a pass stays a pass; reported both."""
    fake.answer = risk_answer(100)
    one = site(sensitive_routes=["/login"], **{name: raising})
    with caplog.at_level("ERROR", "poorwsgi.perimeterx"):
        assert one.get(HTTP_COOKIE=GOOD).status == 200
        assert one.get(HTTP_COOKIE=BAD).status == 403
        assert one.get("/login", HTTP_COOKIE=GOOD).status == 403
    assert len(one.runs) == 1
    fake.wait_for(lambda: len(fake.activities) == 3)
    assert [a["type"] for a in fake.activities] == ["page_requested", "block", "block"]
    (record,) = caplog.records
    assert name in record.getMessage()
    assert record.exc_info[0] is RuntimeError


def test_the_custom_handler_gets_context_config_and_environ(site):
    seen = []
    one = site(custom_request_handler=lambda *args: seen.append(args))
    environ = make_environ("/a", HTTP_COOKIE=BAD)
    one.raw(environ)
    ((ctx, config, got),) = seen
    assert got is environ
    assert (ctx.score, ctx.block_reason) == (100, "cookie_high_score")
    assert config.blocking_score == 100
    assert config is one.px.config


def test_after_a_call_the_context_knows_the_answer(site, fake):
    fake.answer = risk_answer(100, "b", data_enrichment={"x": 1})
    seen = []
    site(custom_request_handler=lambda ctx, *_: seen.append(ctx)).get()
    (ctx,) = seen
    assert (ctx.score, ctx.uuid, ctx.block_action) == (100, UUID, "b")
    assert ctx.s2s_call_reason == "no_cookie"
    assert ctx.risk_rtt > 0
    assert ctx.pxde == {"x": 1}


@pytest.mark.parametrize("mode", ["drop", "slow"])
def test_after_a_failed_call_handlers_are_not_called(site, fake, mode):
    seen = []
    one = site(
        api_timeout=200,
        custom_request_handler=lambda *args: seen.append(args),
        additional_activity_handler=lambda *args: seen.append(args),
    )
    fake.wait_for(lambda: fake.telemetry)
    fake.mode = mode
    assert one.get().body == b"the site"
    assert seen == []


@pytest.mark.parametrize(
    "environ",
    [
        {"path": "/a.css"},
        {"path": "/free"},
        {"path": "/abcd1234/init.js"},
    ],
)
def test_handlers_are_not_called_for_what_is_not_recorded(site, environ):
    seen = []
    one = site(
        whitelist_routes=["/free"],
        custom_request_handler=lambda *args: seen.append(args),
        additional_activity_handler=lambda *args: seen.append(args),
        enrich_custom_parameters=lambda *args: seen.append(args),
    )
    one.get(**environ)
    assert seen == []


def test_the_activity_handler_changes_what_is_reported_only(site, fake):
    fake.answer = risk_answer(100, "c", pxhd="opaque")

    def handler(ctx, config):
        ctx.score = 0
        ctx.uuid = "changed"
        ctx.vid = "changed"
        ctx.block_action = "r"
        ctx.is_mobile = True
        ctx.action_body = "changed"
        ctx.new_pxhd = "changed"
        ctx.custom_params["custom_param9"] = "added"
        return "ignored"

    one = site(additional_activity_handler=handler)
    reply = one.get()
    assert reply.status == 403
    assert UUID in reply.text
    assert "changed" not in reply.text
    assert reply.headers["set-cookie"].startswith("_pxhd=opaque;")
    (activity,) = fake.wait_for(lambda: fake.activities)
    assert activity["uuid"] == "changed"
    assert activity["details"]["block_score"] == 0
    assert activity["details"]["block_action"] == "r"
    assert activity["details"]["custom_param9"] == "added"


@pytest.mark.parametrize("cookie", [GOOD, BAD, ""])
@pytest.mark.parametrize("activities", [True, False])
def test_the_activity_handler_sees_every_verdict(site, cookie, activities):
    seen = []
    one = site(
        additional_activity_handler=lambda ctx, config: seen.append(ctx),
        send_page_activities=activities,
    )
    one.get(HTTP_COOKIE=cookie)
    assert len(seen) == 1


PARAMETERS = [
    (lambda p: p, {}),
    (lambda p: p | {"custom_param1": "a"}, {"custom_param1": "a"}),
    (lambda p: {"custom_param10": 10}, {"custom_param10": 10}),
    (lambda p: {"custom_param1": "", "custom_param2": None}, {}),
    (lambda p: {"custom_param0": "x", "custom_param11": "x", "ip": "x"}, {}),
    (lambda p: {"custom_param1": 0}, {"custom_param1": 0}),
    (lambda p: None, {}),
    (lambda p: 17, {}),
    (lambda p: {"custom_param1": float("nan")}, {}),
    (lambda p: {"custom_param1": {(): 1}}, {}),
    (lambda p: {"custom_param1": p.__class__}, {"custom_param1": "<class 'dict'>"}),
    (lambda p: [("custom_param1", "a")], {}),
]


@pytest.mark.parametrize(("handler", "expected"), PARAMETERS)
def test_only_ten_parameters_are_taken(site, fake, handler, expected):
    site(enrich_custom_parameters=handler).get()
    told = fake.risk_calls[0].json["additional"]
    assert {k: v for k, v in told.items() if k.startswith("custom")} == expected
    assert told["http_method"] == "GET"
    (activity,) = fake.wait_for(lambda: fake.activities)
    details = activity["details"]
    assert {k: v for k, v in details.items() if k.startswith("custom")} == expected


def test_parameters_are_asked_for_once_and_start_empty(site):
    seen = []

    def handler(params):
        seen.append(dict(params))
        return params

    site(enrich_custom_parameters=handler).get()
    assert seen == [{f"custom_param{number}": "" for number in range(1, 11)}]


def test_the_address_of_the_handler_is_told(site, fake):
    site(get_user_ip=lambda environ: "198.51.100.7").get()
    assert fake.risk_calls[0].json["request"]["ip"] == "198.51.100.7"
