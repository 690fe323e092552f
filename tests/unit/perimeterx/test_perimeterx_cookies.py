"""Risk cookies: vectors, envelope, and what each of them leads to."""

import base64
import hashlib
import json
import re

import pytest
from fake_perimeterx import COOKIE_UUID, KEY, VID, envelope, fields, sign, v1, v3

from poorwsgi.perimeterx import cookies
from poorwsgi.perimeterx.config import Config
from poorwsgi.perimeterx.context import Context, rule_path
from poorwsgi.perimeterx.evaluation import CookieCache, evaluate

from .perimeterx_site import AGENT, make_environ
from .perimeterx_vectors import AES_IV, AES_KEY, PXDE, VECTORS
from .perimeterx_vectors import KEY as VECTOR_KEY

OPTIONS = {"app_id": "PXvec00001", "cookie_key": KEY, "auth_token": "t"}


def examine(cookie="", cache=None, options=None, path="/", **environ):
    """Return what evidence says, and the context."""
    config = Config(OPTIONS | (options or {}))
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    environ = make_environ(path, **environ)
    ctx = Context(environ, config, rule_path(environ))
    ctx.ip = environ["REMOTE_ADDR"]
    cache = CookieCache() if cache is None else cache
    return evaluate(ctx, config, cache), ctx


def vector(name, **environ):
    where, value = VECTORS[name]
    if where == "X-PX-AUTHORIZATION":
        environ["HTTP_X_PX_AUTHORIZATION"] = value
        return examine(options={"cookie_key": VECTOR_KEY}, **environ)
    return examine(f"{where}={value}", options={"cookie_key": VECTOR_KEY}, **environ)


VECTOR_CASES = [
    ("V1", "203.0.113.9", "cookie"),
    ("V2", "203.0.113.9", "cookie_high_score"),
    ("V3", "203.0.113.9", "cookie_expired"),
    ("V4", "203.0.113.9", "cookie_validation_failed"),
    ("V5", "203.0.113.9", "cookie_decryption_failed"),
    ("V6", "203.0.113.9", "cookie"),
    ("V7", "203.0.113.9", "cookie"),
    ("V8", "203.0.113.9", "cookie"),
    ("V8", "203.0.113.10", "cookie_validation_failed"),
    ("V9", "203.0.113.9", "cookie_decryption_failed"),
]


@pytest.mark.parametrize(("name", "ip", "expected"), VECTOR_CASES)
def test_vector(name, ip, expected):
    assert vector(name, REMOTE_ADDR=ip)[0] == expected


def test_every_vector_has_a_case():
    assert {case[0] for case in VECTOR_CASES} == VECTORS.keys()


def test_vector_two_blocks_with_its_own_action():
    assert vector("V2")[1].block_action == "b"


def test_vector_six_comes_in_a_header():
    ctx = vector("V6")[1]
    assert ctx.cookie_origin == "header"
    assert ctx.is_mobile


def test_the_key_derivation_gives_the_vector_key(monkeypatch):
    derived = []

    def spy(*args):
        derived.append(hashlib.pbkdf2_hmac(*args))
        return derived[-1]

    monkeypatch.setattr(cookies, "pbkdf2_hmac", spy)
    vector("V1")
    assert derived[0][:32].hex() == AES_KEY
    assert derived[0][32:].hex() == AES_IV


# -- the envelope ------------------------------------------------------------

GOOD = v3()
HMAC, SALT, ROUNDS, DATA = GOOD.split(":")

BROKEN = [
    "",
    ":",
    ":::",
    "x",
    DATA,
    f"{ROUNDS}:{DATA}",
    f"{HMAC}:{SALT}:{ROUNDS}:{DATA}:x",
    f"{HMAC}:{SALT}::{DATA}",
    f"{HMAC}:{SALT}:0:{DATA}",
    f"{HMAC}:{SALT}:-1:{DATA}",
    f"{HMAC}:{SALT}:+1:{DATA}",
    f"{HMAC}:{SALT}:1_0:{DATA}",
    f"{HMAC}:{SALT}: 10:{DATA}",
    f"{HMAC}:{SALT}:10001:{DATA}",
    f"{HMAC}:{SALT}:001000:{DATA}",
    f"{HMAC}:{SALT}:1000.0:{DATA}",
    f"{HMAC}:{SALT}:\u0661\u0662:{DATA}",
    f"{HMAC}:{SALT}:{ROUNDS}:",
    f"{HMAC}:{SALT}:{ROUNDS}:AAAA",
    f"{HMAC}:{SALT}:{ROUNDS}:{DATA[:-4]}",
    f"{HMAC}:{SALT}:{ROUNDS}:{DATA[:-1]}",
    f"{HMAC}:{SALT}:{ROUNDS}:{DATA[:20]} {DATA[20:]}",
    f"{HMAC}:{SALT}:{ROUNDS}:-_{DATA[2:]}",
    f"{HMAC}:!{SALT}:{ROUNDS}:{DATA}",
    f"{HMAC}:{SALT}:{int(ROUNDS) + 1}:{DATA}",
    v3(key="another key"),
    v3(b""),
    v3(b"[]"),
    v3(b"7"),
    v3(b"null"),
    v3(b"{"),
    v3(b"\xff\xfe{"),
    v3(json.dumps(fields()).encode("utf-16")),
    v3(b"[" * 1500),
    v3(b'{"t":NaN,"v":"","u":"","s":1,"a":"c"}'),
    v3(b'{"t":1e999,"v":"","u":"","s":1,"a":"c"}'),
    v3(b'{"t":1,"v":"","u":"","s":Infinity,"a":"c"}'),
    v3(b'{"t":1,"v":"","u":"","s":%s,"a":"c"}' % (b"9" * 2000)) + "A" * 4096,
    "\xe9\xff:\xe9:1:\xe9",
]


@pytest.mark.parametrize("value", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_cookie_leads_to_a_call(value):
    found, ctx = examine(f"_px3={value}")
    assert found == "cookie_decryption_failed"
    assert ctx.px_cookie_raw == f"_px3={value}"[: 5 + 4096]
    assert ctx.score is None


def test_the_good_one_passes():
    assert examine(f"_px3={GOOD}")[0] == "cookie"


@pytest.mark.parametrize("rounds", [1, 9999, 10000])
def test_iterations_up_to_ten_thousand_are_taken(rounds):
    assert examine(f"_px3={v3(rounds=rounds)}")[0] == "cookie"


def padded(last, length=16):
    """Return a version 3 cookie whose plain text ends in a given byte."""
    plain = json.dumps(fields()).encode()
    room = 16 - (len(plain) + 1) % 16
    body = envelope(plain, KEY)
    salt, rounds, _ = body.split(":")
    derived = hashlib.pbkdf2_hmac(
        "sha256", KEY.encode(), base64.b64decode(salt), int(rounds), 48
    )
    encryptor = cookies.Cipher(
        cookies.AES(derived[:32]), cookies.CBC(derived[32:])
    ).encryptor()
    data = encryptor.update(plain + b" " * room + bytes([last]))
    body = f"{salt}:{rounds}:{base64.b64encode(data).decode()}"
    return f"{sign(KEY, (body + AGENT).encode())}:{body}"


@pytest.mark.parametrize(
    ("last", "found"), [(0, False), (1, True), (17, False), (255, False)]
)
def test_the_last_byte_tells_the_padding(last, found):
    expected = "cookie" if found else "cookie_decryption_failed"
    assert examine(f"_px3={padded(last)}")[0] == expected


def test_a_version_three_cookie_without_signature_has_an_empty_one():
    found, ctx = examine(f"_px3={SALT}:{ROUNDS}:{DATA}")
    assert found == "cookie_validation_failed"
    assert ctx.cookie_hmac == ""


@pytest.mark.parametrize("length", [4096, 4097])
def test_a_value_longer_than_4096_bytes_is_not_decoded(length, monkeypatch):
    value = ("A" * 5000)[: length - 5] + ":A:1:"
    derived = []
    monkeypatch.setattr(cookies, "pbkdf2_hmac", lambda *a: derived.append(a))
    found, ctx = examine(f"_px3={value}")
    assert found == "cookie_decryption_failed"
    assert len(ctx.px_cookie_raw) == len("_px3=") + 4096
    assert not derived


# -- fields ------------------------------------------------------------------

FIELDS = [
    ({"t": ...}, False),
    ({"u": ...}, False),
    ({"s": ...}, False),
    ({"a": ...}, False),
    ({"v": ...}, True),
    ({"v": None}, True),
    ({"v": 7}, False),
    ({"u": 7}, False),
    ({"u": None}, False),
    ({"a": 1}, False),
    ({"s": "10"}, False),
    ({"s": None}, False),
    ({"s": True}, False),
    ({"s": [10]}, False),
    ({"s": {"a": 1, "b": 2}}, False),
    ({"s": 10.5}, True),
    ({"s": -1}, True),
    ({"t": "4102444800000"}, False),
    ({"t": True}, False),
    ({"t": None}, False),
    ({"t": 4102444800000.5}, True),
    ({"x": [[[]]]}, True),
    ({"x": json.loads("[" * 9 + "]" * 9)}, False),
    ({"x": json.loads('{"a":' * 9 + "1" + "}" * 9)}, False),
]


@pytest.mark.parametrize(("changes", "good"), FIELDS)
def test_fields_of_version_three_have_their_types(changes, good):
    found, _ = examine(f"_px3={v3(fields(**changes))}")
    assert found == ("cookie" if good else "cookie_decryption_failed")


V1_FIELDS = [
    ({"s": 10}, False),
    ({"s": {"b": 10}}, False),
    ({"s": {"a": 0}}, False),
    ({"s": {"a": 0, "b": "10"}}, False),
    ({"s": {"a": True, "b": 10}}, False),
    ({"s": {"a": 1, "b": True}}, False),
    ({"h": 7}, False),
    ({"t": "1"}, False),
    ({"u": 1}, False),
]


@pytest.mark.parametrize(("changes", "good"), V1_FIELDS)
def test_fields_of_version_one_have_their_types(changes, good):
    values = fields(s={"a": 0, "b": 10}, a=..., h="") | changes
    found, _ = examine(f"_px={envelope(json.dumps(values).encode(), KEY)}")
    assert found == ("cookie" if good else "cookie_decryption_failed")


def test_an_unknown_action_is_a_captcha():
    found, ctx = examine(f"_px3={v3(fields(a='x', s=100))}")
    assert found == "cookie_high_score"
    assert ctx.block_action == "c"


@pytest.mark.parametrize("version", [1, 3])
def test_the_context_knows_what_the_cookie_says(version):
    cookie = f"_px3={v3()}" if version == 3 else f"_px={v1()}"
    _, ctx = examine(cookie)
    assert (ctx.score, ctx.uuid, ctx.vid) == (10, COOKIE_UUID, VID)
    assert ctx.vid_source == "risk_cookie"
    assert ctx.decoded_cookie["u"] == COOKIE_UUID
    assert ctx.block_action == "c"
    assert re.fullmatch("[0-9a-f]{64}", ctx.cookie_hmac)


# -- the order of the checks -------------------------------------------------

PAST = 1500000000000
OTHER = "Other/1.0"

ORDER = [
    # cookie, path, found
    ("", "/", "no_cookie"),
    ("lang=cs", "/", "no_cookie"),
    ("_px3=junk", "/", "cookie_decryption_failed"),
    (f"_px3={v3(fields(s=100))}", "/", "cookie_high_score"),
    (f"_px3={v3(fields(s=100, t=PAST))}", "/", "cookie_high_score"),
    (f"_px3={v3(fields(s=100), agent=OTHER)}", "/", "cookie_high_score"),
    (f"_px3={v3(fields(s=100))}", "/login", "cookie_high_score"),
    (f"_px3={v3(fields(t=PAST))}", "/", "cookie_expired"),
    (f"_px3={v3(fields(t=PAST), agent=OTHER)}", "/login", "cookie_expired"),
    (f"_px3={v3(agent=OTHER)}", "/", "cookie_validation_failed"),
    (f"_px3={v3(agent=OTHER)}", "/login", "cookie_validation_failed"),
    (f"_px3={v3()}", "/login", "sensitive_route"),
    (f"_px3={v3()}", "/", "cookie"),
    (f"_px={v1()}", "/", "cookie"),
    (f"_px={v1(ip='203.0.113.9')}", "/", "cookie"),
    (f"_px={v1(ip='203.0.113.8')}", "/", "cookie_validation_failed"),
    (f"_px={v1(agent=OTHER)}", "/", "cookie_validation_failed"),
    (f"_px={v1(s={'a': 0, 'b': 100})}", "/", "cookie_high_score"),
    (f"_px={v1(s={'a': 100, 'b': 0})}", "/", "cookie"),
    (f"_px={v1(t=PAST)}", "/", "cookie_expired"),
    (f"_px={v1()}; _px3={v3()}", "/", "cookie"),
    (f"_px={v1()}; _px3=junk", "/", "cookie_decryption_failed"),
    (f"_px3=junk; _px={v1()}", "/", "cookie_decryption_failed"),
]


@pytest.mark.parametrize(("cookie", "path", "found"), ORDER)
def test_the_first_condition_decides(cookie, path, found):
    options = {"sensitive_routes": ["/login"]}
    assert examine(cookie, options=options, path=path)[0] == found


@pytest.mark.parametrize(("score", "high"), [(69, False), (70, True), (70.5, True)])
def test_high_starts_at_the_blocking_score(score, high):
    found, _ = examine(f"_px3={v3(fields(s=score))}", options={"blocking_score": 70})
    assert found == ("cookie_high_score" if high else "cookie")


def test_the_signature_covers_the_user_agent_as_bytes():
    agent = "M\xfcller \x01 \xff"
    assert examine(f"_px3={v3(agent=agent)}", HTTP_USER_AGENT=agent)[0] == "cookie"


def test_signatures_are_compared_in_constant_time(monkeypatch):
    compared = []

    def spy(left, right):
        compared.append((left, right))
        return left == right

    monkeypatch.setattr(cookies.hmac, "compare_digest", spy)
    examine(f"_px3={v3()}; _pxde={PXDE}")
    assert len(compared) == 2
    assert all(type(side) is bytes for pair in compared for side in pair)


# -- without encryption ------------------------------------------------------


def plain(values, agent=AGENT):
    text = base64.b64encode(json.dumps(values).encode()).decode()
    return f"{sign(KEY, (text + agent).encode())}:{text}"


PLAIN = [
    (f"_px3={plain(fields())}", "cookie"),
    (f"_px3={plain(fields(), OTHER)}", "cookie_validation_failed"),
    (f"_px3={plain(fields()).partition(':')[2]}", "cookie_validation_failed"),
    (f"_px3={plain(fields(s=100))}", "cookie_high_score"),
    (f"_px3={plain(fields(s='100'))}", "cookie_decryption_failed"),
    (f"_px3=x:{plain(fields())}", "cookie_decryption_failed"),
    (f"_px3={v3()}", "cookie_decryption_failed"),
    ("_px3=!!!!", "cookie_decryption_failed"),
    ("_px3=", "cookie_decryption_failed"),
]


@pytest.mark.parametrize(("cookie", "found"), PLAIN)
def test_cookies_need_not_be_encrypted(cookie, found, monkeypatch):
    monkeypatch.setattr(cookies, "pbkdf2_hmac", None)
    assert examine(cookie, options={"encryption_enabled": False})[0] == found


def test_version_one_need_not_be_encrypted_either():
    values = fields(s={"a": 0, "b": 10}, a=...)
    text = f"{values['t']}010{values['u']}{values['v']}{AGENT}"
    values["h"] = sign(KEY, text.encode())
    cookie = base64.b64encode(json.dumps(values).encode()).decode()
    found, _ = examine(f"_px={cookie}", options={"encryption_enabled": False})
    assert found == "cookie"


# -- data enrichment ---------------------------------------------------------

BAD_PXDE = f"{'0' * 64}:{PXDE.partition(':')[2]}"

ENRICHMENT = [
    ("", None, False),
    (f"_pxde={PXDE}", {"f_type": "w"}, True),
    (f"_pxde={BAD_PXDE}", {"f_type": "w"}, False),
    ("_pxde=", None, False),
    ("_pxde=x:y", None, False),
    ("_pxde=:e30=", {}, False),
    (f"_pxde=:{'A' * 5000}", None, False),
    (f"_pxde=:{base64.b64encode(b'[' * 2000).decode()}", None, False),
]


@pytest.mark.parametrize(("cookie", "value", "verified"), ENRICHMENT)
def test_data_enrichment_is_read_and_checked(cookie, value, verified):
    found, ctx = examine(cookie, options={"cookie_key": VECTOR_KEY})
    assert found == "no_cookie"
    assert (ctx.pxde, ctx.pxde_verified) == (value, verified)


# -- mobile tokens -----------------------------------------------------------

MOBILE = v3(agent="")

TOKENS = [
    # X-PX-AUTHORIZATION, found
    (f"3:{MOBILE}", "cookie"),
    (MOBILE, "cookie"),
    (f"1:{v1(agent='')}", "cookie"),
    (f"3:{v3()}", "cookie_validation_failed"),
    (f"3:{v3(fields(s=100), agent='')}", "cookie_high_score"),
    (f"3:{v3(fields(t=PAST), agent='')}", "cookie_expired"),
    ("3:junk", "cookie_decryption_failed"),
    ("1:junk", "cookie_decryption_failed"),
    ("junk", "cookie_decryption_failed"),
    ("", "cookie_decryption_failed"),
    ("3:", "cookie_decryption_failed"),
    (f"2:{MOBILE}", "cookie_decryption_failed"),
    ("1", "mobile_error_1"),
    ("2", "mobile_error_2"),
    ("3", "mobile_error_3"),
    ("3:1", "mobile_error_1"),
    ("1:2", "mobile_error_2"),
    ("42", "mobile_error_42"),
    ("\u0661", "cookie_decryption_failed"),
    ("1" * 4097, "cookie_decryption_failed"),
]


@pytest.mark.parametrize(("token", "found"), TOKENS)
def test_a_mobile_token_is_read_like_a_cookie(token, found):
    assert examine(HTTP_X_PX_AUTHORIZATION=token)[0] == found


@pytest.mark.parametrize(
    ("token", "raw"),
    [("3:junk", "3=junk"), ("junk", "3=junk"), ("1:junk", "1=junk")],
)
def test_a_broken_token_is_reported_with_its_version(token, raw):
    assert examine(HTTP_X_PX_AUTHORIZATION=token)[1].px_cookie_raw == raw


def test_the_context_has_the_token_by_its_version():
    ctx = examine(HTTP_X_PX_AUTHORIZATION="1:junk")[1]
    assert ctx.px_cookies == {"1": "junk"}


def test_cookies_of_a_mobile_request_are_not_read():
    cookie = f"_px3={v3()}; _pxvid={VID}; _pxhd=x; _pxde={PXDE}"
    found, ctx = examine(cookie, HTTP_X_PX_AUTHORIZATION="1")
    assert found == "mobile_error_1"
    assert ctx.request_cookie_names == []
    assert (ctx.vid, ctx.pxhd, ctx.pxde) == ("", "", None)


ORIGINAL = [
    # X-PX-ORIGINAL-TOKEN, error, uuid
    (f"3:{MOBILE}", None, COOKIE_UUID),
    (f"1:{v1(agent='')}", None, COOKIE_UUID),
    (f"3:{v3()}", "validation_failed", COOKIE_UUID),
    (f"3:{v3(fields(t=PAST, s=100), agent='')}", None, COOKIE_UUID),
    (MOBILE, "decryption_failed", None),
    ("3:junk", "decryption_failed", None),
    ("3:1", "decryption_failed", None),
    ("", "decryption_failed", None),
]


@pytest.mark.parametrize(("token", "error", "uuid"), ORIGINAL)
def test_the_original_token_is_reported_and_decides_nothing(token, error, uuid):
    found, ctx = examine(HTTP_X_PX_AUTHORIZATION="2", HTTP_X_PX_ORIGINAL_TOKEN=token)
    assert found == "mobile_error_2"
    assert ctx.original_token_error == error
    assert ctx.original_uuid == uuid
    assert ctx.vid == (VID if uuid else "")
    assert (ctx.decoded_original_token is not None) == bool(uuid)
    assert ctx.score is None


def test_an_original_token_without_an_error_code_is_not_looked_at():
    _, ctx = examine(
        HTTP_X_PX_AUTHORIZATION=f"3:{MOBILE}", HTTP_X_PX_ORIGINAL_TOKEN="junk"
    )
    assert ctx.reported_token is None
    assert ctx.original_token_error is None


# -- the cache of verified cookies -------------------------------------------


@pytest.fixture
def derivations(monkeypatch):
    """Count the key derivations."""
    seen = []

    def spy(*args):
        seen.append(args[3])
        return hashlib.pbkdf2_hmac(*args)

    monkeypatch.setattr(cookies, "pbkdf2_hmac", spy)
    return seen


def test_a_visitor_pays_once(derivations):
    cache = CookieCache()
    cookie = f"_px3={v3()}"
    assert [examine(cookie, cache)[0] for _ in range(3)] == ["cookie"] * 3
    assert derivations == [1000]


CHANGES = [
    ({"HTTP_USER_AGENT": OTHER}, "cookie_validation_failed"),
    ({"path": "/login"}, "sensitive_route"),
    ({"options": {"blocking_score": 5}}, "cookie_high_score"),
]


@pytest.mark.parametrize(("change", "found"), CHANGES)
def test_a_known_cookie_is_judged_anew(change, found):
    cache = CookieCache()
    cookie = f"_px3={v3()}"
    assert examine(cookie, cache)[0] == "cookie"
    options = {"sensitive_routes": ["/login"]} | change.pop("options", {})
    assert examine(cookie, cache, options, **change)[0] == found


def test_a_known_version_one_cookie_belongs_to_its_address():
    cache = CookieCache()
    cookie = f"_px={v1(ip='203.0.113.9')}"
    assert examine(cookie, cache)[0] == "cookie"
    found, _ = examine(cookie, cache, REMOTE_ADDR="203.0.113.8")
    assert found == "cookie_validation_failed"


def test_a_known_cookie_expires(monkeypatch):
    cache = CookieCache()
    cookie = f"_px3={v3()}"
    examine(cookie, cache)
    monkeypatch.setattr("poorwsgi.perimeterx.evaluation.time", lambda: 5e9)
    assert examine(cookie, cache)[0] == "cookie_expired"
    assert len(cache) == 0


@pytest.mark.parametrize(
    "cookie",
    [
        f"_px3={v3(agent=OTHER)}",
        f"_px3={v3(fields(t=PAST))}",
        f"_px3={v3(fields(s=100))}",
        "_px3=junk",
    ],
)
def test_only_what_the_service_signed_is_kept(cookie):
    cache = CookieCache()
    examine(cookie, cache)
    assert len(cache) == 0


def test_the_cache_is_bounded_and_keeps_what_is_used(derivations):
    cache = CookieCache(size=2)
    first, second, third = (f"_px3={v3()}" for _ in range(3))
    for cookie in (first, second, first, third, first):
        examine(cookie, cache)
    assert len(cache) == 2
    assert len(derivations) == 3
    examine(second, cache)
    assert len(derivations) == 4


def test_slots_are_not_predictable():
    """Two objects put one cookie into different slots."""
    evidence = cookies_evidence()
    assert CookieCache().key(evidence, "") != CookieCache().key(evidence, "")


def cookies_evidence():
    from poorwsgi.perimeterx.evaluation import Evidence

    return Evidence("_px3", 3, v3(), AGENT.encode())


def test_what_a_handler_changes_is_not_kept():
    cache = CookieCache()
    cookie = f"_px3={v3(fields(x={'deep': [1]}))}"
    for _ in range(2):
        _, ctx = examine(cookie, cache)
        assert ctx.decoded_cookie["s"] == 10
        assert ctx.decoded_cookie["x"] == {"deep": [1]}
        ctx.decoded_cookie["s"] = 99
        ctx.decoded_cookie["x"]["deep"].append(2)
