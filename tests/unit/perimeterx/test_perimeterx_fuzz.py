"""Whatever a client sends: no exception, and at most one key derivation."""

import base64
import hashlib
import json
import threading

import pytest
from fake_perimeterx import KEY, envelope, fields, sign, v1, v3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from poorwsgi.perimeterx import PerimeterX, cookies
from poorwsgi.perimeterx.blocking import js_string
from poorwsgi.perimeterx.context import parse_cookies, rule_path
from poorwsgi.perimeterx.risk import RiskAnswer, RiskError, legal_pxhd, parse_answer
from poorwsgi.perimeterx.verifier import CallState

from .perimeterx_site import AGENT, call, make_environ

OPTIONS = {
    "app_id": "PXabcd1234",
    "cookie_key": KEY,
    "auth_token": "t",
    "module_mode": "active_blocking",
    "px_backend_url": "http://127.0.0.1:1",
    "client_url": "http://127.0.0.1:1",
    "captcha_url": "http://127.0.0.1:1",
    "sensitive_routes": ["/login"],
    "whitelist_routes": ["/free"],
    "ip_headers": ["X-Forwarded-For"],
    "bypass_monitor_header": "X-Bypass",
}

#: What WSGI servers give: latin-1. And what they never should: anything.
latin = st.text(st.characters(max_codepoint=255), max_size=60)
wild = st.one_of(latin, st.text(max_size=30))
GOOD, MOBILE, OLD = v3(), v3(agent=""), v1()
JUNK = "".join(chr(n) for n in range(256))


@st.composite
def mutated(draw, values=(GOOD, MOBILE, OLD)):
    """A good cookie with something cut, put in, or replaced."""
    value = draw(st.sampled_from(values))
    start = draw(st.integers(0, len(value)))
    end = draw(st.integers(start, min(len(value), start + 20)))
    return value[:start] + draw(wild) + value[end:]


@st.composite
def structured(draw):
    """Four parts, each of which may be nearly right."""
    base64ish = st.binary(max_size=64).map(lambda b: base64.b64encode(b).decode())
    rounds = st.one_of(
        st.integers(-1, 100_000).map(str), st.sampled_from(["1", "9999", "10000"])
    )
    parts = [draw(wild), draw(base64ish), draw(rounds), draw(base64ish)]
    return ":".join(parts[draw(st.integers(0, 2)) :])


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=True),
        st.text(max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=8,
)


@st.composite
def signed(draw):
    """A cookie that decrypts, and whose fields are anything."""
    values = fields()
    for name in draw(st.lists(st.sampled_from("tvusahx"), max_size=3)):
        values[name] = draw(json_values)
    return v3(json.dumps(values).encode(), rounds=1)


values = st.one_of(wild, mutated(), structured(), signed())


@pytest.fixture(scope="module")
def guarded():
    """A site whose risk API is out of reach, and a count of derivations."""
    derived: list[int] = []
    errors: list[BaseException] = []

    def spy(name, key, salt, rounds, size):
        derived.append(rounds)
        return hashlib.pbkdf2_hmac(name, key, salt, min(rounds, 10), size)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"the site"]

    patch = pytest.MonkeyPatch()
    patch.setattr(cookies, "pbkdf2_hmac", spy)
    px = PerimeterX(application, OPTIONS | {"send_page_activities": False})
    patch.setattr(px, "_ask", lambda ctx: CallState.FAILED)
    # The sender's thread may say that its telemetry was not taken.
    requests = threading.get_ident()

    def say(*args):
        if threading.get_ident() == requests:
            errors.append(args[-1])

    patch.setattr(px._quiet(), "say", say)
    yield px, derived, errors
    patch.undo()
    px.close()


def visit(guarded, environ):
    """Send a request; nothing may be logged, and little derived."""
    px, derived, errors = guarded
    derived.clear()
    errors.clear()
    reply = call(px, environ)
    assert reply.status in (200, 403, 429)
    assert errors == []
    assert len(derived) <= 1
    assert all(1 <= rounds <= 10_000 for rounds in derived)
    return reply


def headers_ok(reply):
    for name, value in reply.pairs:
        assert value.isprintable(), (name, value)


@given(values)
@settings(max_examples=300, deadline=None)
@example(GOOD)
@example(JUNK)
def test_any_cookie_value(guarded, value):
    visit(guarded, make_environ(HTTP_COOKIE=f"_px3={value}; _pxhd={value}"))
    visit(guarded, make_environ(HTTP_COOKIE=f"_px={value}; _pxde={value}"))


@given(values, st.one_of(st.none(), values))
@settings(max_examples=200, deadline=None)
@example("1", MOBILE)
@example("3:1", f"3:{MOBILE}")
@example(f"1:{OLD}", JUNK)
def test_any_token(guarded, token, original):
    environ = make_environ(HTTP_X_PX_AUTHORIZATION=token)
    if original is not None:
        environ["HTTP_X_PX_ORIGINAL_TOKEN"] = original
    visit(guarded, environ)
    environ["HTTP_X_PX_AUTHORIZATION"] = f"3:{token}"
    visit(guarded, environ)


HEADERS = (
    "HTTP_COOKIE",
    "HTTP_USER_AGENT",
    "HTTP_HOST",
    "HTTP_ACCEPT",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_BYPASS",
    "HTTP_CONNECTION",
    "HTTP_ACCEPT_ENCODING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "REMOTE_ADDR",
    "QUERY_STRING",
    "SERVER_PROTOCOL",
    "REQUEST_METHOD",
    "SCRIPT_NAME",
)


@given(st.dictionaries(st.sampled_from(HEADERS), wild, max_size=5), wild)
@settings(max_examples=300, deadline=None)
def test_any_header_and_path(guarded, headers, path):
    headers_ok(visit(guarded, make_environ(f"/{path}", **headers)))


@given(wild, wild, st.sampled_from(["xhr", "captcha", "init.js"]))
@settings(max_examples=200, deadline=None)
@example("//evil.example", "", "xhr")
@example("@evil.example/", "\r\nX: y", "xhr")
def test_any_first_party_path(guarded, rest, query, kind):
    """The upstream refuses connections; what counts is that nothing raises."""
    px, _, errors = guarded
    errors.clear()
    path = f"/abcd1234/{kind}/{rest}"
    environ = make_environ(path, QUERY_STRING=query)
    headers_ok(call(px, environ))
    assert not any(isinstance(error, Exception) for error in errors)


@given(
    st.text(st.sampled_from("/.ab"), max_size=30),
)
@settings(max_examples=300, deadline=None)
def test_the_path_of_the_rules_agrees_with_a_slow_model(path):
    kept: list[str] = []
    *most, last = path.split("/")
    for segment in [*most, last]:
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept = [*kept, segment]
    expected = "/" + "/".join(kept)
    if kept and last in ("", ".", ".."):
        expected += "/"
    assert rule_path({"PATH_INFO": path}) == expected
    assert rule_path({"PATH_INFO": expected}) == expected


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), latin)),
    st.lists(st.text(st.characters(exclude_characters=";="), max_size=10)),
)
@settings(max_examples=200, deadline=None)
def test_good_cookies_are_found_among_broken_pairs(pairs, broken):
    pairs = [(name, "".join(value.replace(";", "").split())) for name, value in pairs]
    pieces = [f"{name}={value}" for name, value in pairs]
    line = ";".join([*broken, *pieces, *broken])
    found = parse_cookies(line)
    for name, value in reversed(pairs):
        first = next(v for n, v in pairs if n == name)
        if len(first) > 1 and first[0] == first[-1] == '"':
            first = first[1:-1]
        assert found[name] == first, value


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_any_text_is_one_literal(text):
    literal = js_string(text)
    assert json.loads(literal) == text
    assert not set("<>&\u2028\u2029\n\r") & set(literal)


@given(st.one_of(json_values, st.text()))
@settings(max_examples=200, deadline=None)
def test_a_new_pxhd_is_always_a_cookie_value(value):
    legal = legal_pxhd(value)
    assert legal is None or (legal == value and 0 < len(legal) <= 1024)
    if legal:
        assert parse_cookies(f"_pxhd={legal}; x=y") == {"_pxhd": legal, "x": "y"}


@given(st.one_of(st.binary(), json_values.map(lambda v: json.dumps(v).encode())))
@settings(max_examples=200, deadline=None)
@example(b'{"score": 1, "action_data": {"body": 1}}')
def test_any_answer_is_one_or_an_error(data):
    try:
        answer = parse_answer(data)
    except RiskError:
        return
    assert isinstance(answer, RiskAnswer)
    assert answer.action in "cbjr"


@given(st.one_of(json_values, st.fixed_dictionaries({"t": json_values})))
@settings(max_examples=150, deadline=None)
def test_without_encryption_clients_write_the_json(value):
    """Unencrypted cookies are whatever a client likes."""
    text = base64.b64encode(json.dumps(value).encode()).decode()
    for version in (1, 3):
        try:
            risk = cookies.decode(version, f"{'0' * 64}:{text}", b"k", False)
        except ValueError:
            continue
        assert not cookies.is_signed(risk, b"k", b"", "")


def test_a_signature_holds_for_nothing_else():
    """Every single changed character of a cookie is noticed."""
    body = envelope(json.dumps(fields()).encode(), KEY, rounds=1)
    good = f"{sign(KEY, (body + AGENT).encode())}:{body}"
    agent = AGENT.encode()
    assert cookies.is_signed(
        cookies.decode(3, good, KEY.encode()), KEY.encode(), agent, ""
    )
    for position in range(len(good)):
        other = "A" if good[position] != "A" else "B"
        bad = good[:position] + other + good[position + 1 :]
        try:
            risk = cookies.decode(3, bad, KEY.encode())
        except ValueError:
            continue
        assert not cookies.is_signed(risk, KEY.encode(), agent, ""), position
