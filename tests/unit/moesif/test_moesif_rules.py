"""Sampling and governance: the tables, and what every framework makes of them."""

from __future__ import annotations

import json
import logging

import pytest

from poorwsgi.moesif import rules
from poorwsgi.moesif.rules import build_policy, decide, sample_rate, weight_of


def fields(**values):
    names = {name.replace("__", "."): value for name, value in values.items()}
    return names.get


def condition(path, value):
    return {"conditions": [{"path": path, "value": value}]}


# Sampling

SAMPLING = {
    "sample_rate": 50,
    "user_sample_rate": {"alice": 20},
    "company_sample_rate": {"acme": 10},
    "regex_config": [
        {**condition("request.route", "/health"), "sample_rate": 0},
        {
            "conditions": [
                {"path": "request.verb", "value": "POST"},
                {"path": "response.status", "value": "^5"},
            ],
            "sample_rate": 70,
        },
        {**condition("request.ip_address", "^10\\."), "sample_rate": 1},
        {**condition("request.route", "("), "sample_rate": 1},
        {"conditions": [], "sample_rate": 2},
        {**condition("request.verb", "GET"), "sample_rate": "many"},
    ],
}

RATES = [
    # verb  route       status  ip          user     company  rate
    ("GET", "/health", 200, None, "alice", "acme", 0),
    ("POST", "/x", 503, None, "alice", "acme", 70),
    ("POST", "/x", 200, None, "alice", "acme", 20),
    ("GET", "/x", 503, None, None, "acme", 10),
    ("GET", "/x", 200, "10.1.1.1", "alice", None, 1),
    ("GET", "/x", 200, "192.0.2.1", None, None, 50),
    ("GET", "/x", 200, None, "bob", "other", 50),
]


@pytest.mark.parametrize(
    ("verb", "route", "status", "ip", "user", "company", "rate"), RATES
)
def test_first_rate_that_applies(verb, route, status, ip, user, company, rate):
    policy = build_policy(SAMPLING, None)
    field = fields(
        request__verb=verb,
        request__route=route,
        request__ip_address=ip,
        response__status=status,
    )
    assert sample_rate(policy, field, user, company) == rate


@pytest.mark.parametrize(
    ("rate", "weight"), [(100, 1), (50, 2), (30, 3), (0.5, 200), (0, 1), (250, 1)]
)
def test_weight(rate, weight):
    assert weight_of(rate) == weight


@pytest.mark.parametrize("config", [None, [], "x", 7, {}, {"sample_rate": "x"}])
@pytest.mark.parametrize("given", [None, {}, "x", [None, 1, "x", {}, {"_id": 1}]])
def test_garbage_means_everything_and_no_rules(config, given):
    policy = build_policy(config, given)
    assert policy.rules == ()
    assert not policy.samples


@pytest.mark.parametrize("rate", [0, 40, 100])
def test_sampling_in_every_framework(site, rate, monkeypatch):
    """An event is kept if the draw is below the rate, and bears its weight."""
    one = site()
    one.learn({"sample_rate": rate})
    draws = iter([0.0, 0.399, 0.4, 0.999])
    monkeypatch.setattr(one.middleware.recorder, "_draw", lambda: next(draws))
    for _ in range(4):
        assert one.request("GET", "/text").status == 201
    kept = {0: 0, 40: 2, 100: 4}[rate]
    assert {event["weight"] for event in one.events(kept)} <= {weight_of(rate)}


def test_sampling_by_user_and_route_in_every_framework(site):
    one = site(IDENTIFY_COMPANY=lambda *args: "acme")
    one.learn(
        {
            "user_sample_rate": {"noisy": 0},
            "regex_config": [
                {**condition("request.route", "^/.*json"), "sample_rate": 0}
            ],
        }
    )
    one.request("GET", "/json")
    one.request("GET", "/text", {"Authorization": "noisy"})
    one.request("GET", "/text", {"Authorization": "calm"})
    assert one.event()["user_id"] == "calm"


# Governance


def rule(**changes):
    return {
        "_id": "r1",
        "type": "regex",
        "block": True,
        "applied_to": "matching",
        "applied_to_unidentified": False,
        "regex_config": [condition("request.route", "/text")],
        "response": {"status": 403, "headers": {"X-Rule": "r1"}, "body": {"no": 1}},
        **changes,
    }


def test_a_blocking_rule_answers_for_the_application(site):
    one = site()
    one.learn(rules=[rule()])
    reply = one.request("GET", "/text")
    assert reply.status == 403
    assert json.loads(reply.body) == {"no": 1}
    assert reply["Content-Type"] == "application/json"
    assert reply["X-Rule"] == "r1"
    assert reply["X-Moesif-Transaction-Id"]
    event = one.event()
    assert event["blocked_by"] == "r1"
    assert event["response"]["status"] == 403
    assert event["response"]["body"] == {"no": 1}


def test_a_rule_that_does_not_match_changes_nothing(site):
    one = site()
    one.learn(rules=[rule()])
    reply = one.request("GET", "/json")
    assert reply.status == 200
    assert "x-rule" not in reply.names()
    assert "blocked_by" not in one.event()


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_rule_gives_no_body_to_an_answer_without_content(site, status):
    """A body there would be read as the beginning of the next response."""
    headers = {"X-Rule": "r1", "Content-Language": "en"}
    answer = {"status": status, "headers": headers, "body": {"a": 1}}
    one = site()
    one.learn(rules=[rule(response=answer)])
    reply = one.request("POST", "/text")
    assert (reply.status, reply.body, reply["X-Rule"]) == (status, b"", "r1")
    if status == 205:
        assert reply["Content-Length"] == "0"
    else:
        assert not [name for name in reply.names() if name.startswith("content-")]
    assert "body" not in one.event()["response"]


def test_a_rule_that_does_not_block_adds_its_headers(site):
    one = site()
    one.learn(rules=[rule(block=False)])
    reply = one.request("GET", "/text")
    assert (reply.status, reply.body) == (201, b"created")
    assert reply["X-Rule"] == "r1"
    event = one.event()
    assert "blocked_by" not in event
    assert "r1" in event["response"]["headers"].values()


def test_a_blocked_head_request_has_no_body(site):
    one = site()
    one.learn(rules=[rule()])
    reply = one.request("HEAD", "/text")
    assert reply.status == 403
    assert "body" not in one.event()["response"]


def test_a_rule_reads_the_body_and_leaves_it_to_the_application(site):
    one = site()
    entry = condition("request.body.operationName", "^Drop")
    one.learn(rules=[rule(regex_config=[entry])])
    body = b'{"operationName": "DropAll"}'
    assert one.request("POST", "/echo", body=body).status == 403
    body = b'{"operationName": "Read"}'
    assert one.request("POST", "/echo", body=body).body == body
    assert one.request("POST", "/echo", body=b"no json").body == b"no json"
    bodies = [event["request"]["body"] for event in one.events(3)]
    assert bodies[:2] == [{"operationName": "DropAll"}, {"operationName": "Read"}]


def test_variables_and_cohorts_in_every_framework(site):
    cohort = {
        "user_rules": {"alice": [{"rules": "r2", "values": {"plan": "free plan"}}]},
        "company_rules": {"acme": [{"rules": "r3", "values": {}}]},
    }
    answer = {
        "status": 429,
        "headers": {"X-Plan": "{{plan}}", "X-None": "{{none}}"},
        "body": {"text": ["over {{plan}}"], "count": 1},
    }
    one = site(IDENTIFY_COMPANY=lambda *args: "acme")
    one.learn(
        cohort,
        [
            rule(_id="r2", type="user", response=answer, regex_config=None),
            rule(_id="r3", type="company", block=False, regex_config=None),
        ],
    )
    reply = one.request("GET", "/text", {"Authorization": "alice"})
    assert reply.status == 429
    assert reply["X-Plan"] == "free plan"
    assert reply["X-None"] == "UNKNOWN"
    assert reply["X-Rule"] == "r1"
    assert json.loads(reply.body) == {"text": ["over free plan"], "count": 1}
    assert one.request("GET", "/text", {"Authorization": "bob"}).status == 201
    assert [e.get("blocked_by") for e in one.events(2)] == ["r2", None]


KNOWN = {"user_rules": {"alice": [{"rules": "u", "values": {}}]}}

COHORTS = [
    # applied_to      unidentified  user     applies
    ("matching", False, "alice", True),
    ("matching", False, "bob", False),
    ("matching", False, None, False),
    ("matching", True, None, True),
    ("matching", True, "bob", False),
    ("not_matching", False, "alice", False),
    ("not_matching", False, "bob", True),
    ("not_matching", False, None, False),
    ("not_matching", True, None, True),
]


@pytest.mark.parametrize(("applied", "unidentified", "user", "applies"), COHORTS)
@pytest.mark.parametrize("matches", [True, False])
@pytest.mark.parametrize("kind", ["user", "company"])
def test_to_whom_a_rule_applies(kind, applied, unidentified, user, applies, matches):
    given = rule(
        _id="u",
        type=kind,
        applied_to=applied,
        applied_to_unidentified=unidentified,
    )
    config = {kind + "_rules": KNOWN["user_rules"]}
    policy = build_policy(config, [given])
    field = fields(request__route="/text" if matches else "/other")
    who = {"user": (user, None), "company": (None, user)}[kind]
    verdict = decide(policy, field, *who)
    assert (verdict.block is not None) is (applies and matches)
    assert bool(verdict.headers) is (applies and matches)


CONDITIONS = [
    # regex_config                                             applies
    (None, True),
    ([], True),
    ([condition("request.verb", "POST")], True),
    ([condition("request.verb", "OS")], True),
    ([condition("request.verb", "^GET")], False),
    ([condition("request.verb", "GET"), condition("request.verb", "POST")], True),
    ([{"conditions": [*condition("request.verb", "POST")["conditions"],
                      *condition("request.route", "nowhere")["conditions"]]}], False),
    ([condition("request.ip", r"^192\.")], True),
    ([condition("request.ip_address", r"^192\.")], True),
    ([condition("request.route", "^http://api")], True),
    ([condition("request.headers.X-KEY", "^k$")], True),
    ([condition("request.headers.x-none", ".*")], False),
    ([condition("request.body.name", "^ann$")], True),
    ([condition("request.body.flag", "^true$")], True),
    ([condition("request.body.none", ".*")], False),
    ([condition("request.unknown", ".*")], False),
]  # fmt: skip


@pytest.mark.parametrize(("given", "applies"), CONDITIONS)
def test_conditions(site, given, applies):
    one = site()
    one.learn(rules=[rule(regex_config=given)])
    body = b'{"name": "ann", "flag": true}'
    reply = one.request("POST", "/echo", {"X-Key": "k"}, body)
    assert reply.status == (403 if applies else 200)


BROKEN = [
    rule(_id=None),
    rule(type="odd"),
    rule(regex_config=[condition("request.verb", "(")]),
    rule(regex_config=[{"conditions": [{"path": "request.verb"}]}]),
    rule(regex_config="GET"),
    rule(response=None),
    rule(response={"status": "403"}),
    rule(response={"status": 99}),
]


@pytest.mark.parametrize("given", BROKEN)
def test_a_broken_rule_is_skipped_with_a_log_line(given, caplog):
    with caplog.at_level(logging.WARNING, "poorwsgi.moesif"):
        assert build_policy({}, [given]).rules == ()
    assert "governance rule" in caplog.text


def test_unknown_rules_of_a_cohort_are_skipped():
    config = {"user_rules": {"a": [{"rules": "gone"}, "x", None], "b": "x"}}
    policy = build_policy(config, [rule(type="user")])
    assert policy.user_rules["a"].values == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Bad": "a\r\nSet-Cookie: b=1"},
        {"X-Bad": "{{line}}"},
        {"X-Bad": "snow\u2603"},
        {"X Bad": "a"},
        {"X-Bad\r\n": "a"},
        {"Content-Length": "3"},
        {"Transfer-Encoding": "chunked"},
    ],
)
def test_headers_that_would_break_the_response_are_skipped(headers):
    """Header injection: a rule, or a value put into it, cannot split a response."""
    config = {"user_rules": {"a": [{"rules": "r1", "values": {"line": "x\ny: z"}}]}}
    given = rule(type="user", response={"status": 403, "headers": headers})
    policy = build_policy(config, [given])
    assert decide(policy, fields(request__route="/text"), "a", None).headers == []


def test_a_later_rule_wins():
    field = fields(request__route="/text")
    policy = build_policy(
        {"user_rules": {"a": [{"rules": "u", "values": {}}]}},
        [
            rule(_id="u", type="user", response={"status": 401, "headers": {"X": "u"}}),
            rule(_id="1", response={"status": 402, "headers": {"x": "1", "Y": "1"}}),
            rule(_id="2", response={"status": 403, "headers": {"X": "2"}}),
        ],
    )
    verdict = decide(policy, field, "a", None)
    assert verdict.block == rules.Block("u", 401, None)
    assert verdict.headers == [("X", "u"), ("Y", "1")]
    verdict = decide(policy, field, None, None)
    assert verdict.block == rules.Block("2", 403, None)


def test_identify_is_asked_before_the_application_as_well(make_site):
    """Then there is no response yet: {} for WSGI, None elsewhere."""
    from moesif_worlds import Django, Plain, PlainASGI

    for kind in (Plain, PlainASGI, Django):
        seen = []
        one = make_site(
            kind, IDENTIFY_USER=lambda *args, seen=seen: seen.append(args[-1])
        )
        one.learn(rules=[rule(_id="u", type="user", applied_to_unidentified=True)])
        assert one.request("GET", "/text").status == 403
        assert seen[0] == ({} if kind is Plain else None)
        assert len(seen) == 2
        assert seen[1] is not None
