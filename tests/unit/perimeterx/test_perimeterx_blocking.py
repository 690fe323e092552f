"""Answers to blocked requests: page, JSON, mobile; escaping."""

import base64
import html
import json
import re
from html.parser import HTMLParser

import pytest
from fake_perimeterx import APP_ID, UUID, VID, fields, risk_answer, v3

from poorwsgi.perimeterx.blocking import MOBILE_ACTIONS, js_string

QUERY = f"captcha.js?a=c&u={UUID}&v={VID}&m=0"
WITH_VID = {"HTTP_COOKIE": f"_pxvid={VID}"}
MOBILE = {"HTTP_X_PX_AUTHORIZATION": "1"}
JSON = {"HTTP_ACCEPT": "application/json"}

FIRST_PARTY = {
    "appId": APP_ID,
    "jsClientSrc": "/abcd1234/init.js",
    "firstPartyEnabled": "true",
    "vid": VID,
    "uuid": UUID,
    "hostUrl": "/abcd1234/xhr",
    "blockScript": f"/abcd1234/captcha/{QUERY}",
    "altBlockScript": f"//captcha.px-cloud.net/{APP_ID}/{QUERY}",
    "customLogo": "/logo.png",
    "cssRef": "/own.css",
    "jsRef": "/own.js",
}
THIRD_PARTY = FIRST_PARTY | {
    "jsClientSrc": f"//client.perimeterx.net/{APP_ID}/main.min.js",
    "firstPartyEnabled": "false",
    "hostUrl": "collector-pxabcd1234.perimeterx.net",
    "blockScript": f"//captcha.px-cdn.net/{APP_ID}/{QUERY}",
}
LOOKS = {"custom_logo": "/logo.png", "css_ref": "/own.css", "js_ref": "/own.js"}


class Page(HTMLParser):
    """What a browser finds in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.loaded: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._in.append(tag)
        if tag == "script":
            if "src" in attributes:
                self.loaded.append(attributes["src"])
            else:
                self.scripts.append("")
        elif tag == "link":
            self.styles.append(attributes["href"])
        else:
            assert "src" not in attributes
            assert "href" not in attributes

    def handle_endtag(self, tag):
        self._in.pop()

    def handle_data(self, data):
        if self._in and self._in[-1] == "script":
            self.scripts[-1] += data
        elif "style" not in self._in:
            self.text += data

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self._in.pop()

    @property
    def literals(self) -> list[str]:
        """All string literals of the script, decoded, in order."""
        found = re.findall(r'"(?:[^"\\]|\\.)*"', self.scripts[0])
        return [json.loads(literal) for literal in found]

    def variable(self, name: str):
        (value,) = re.findall(
            rf"window\.{name} = (.*?);$", self.scripts[0], re.MULTILINE
        )
        return json.loads(value)


def void_safe(text: str) -> str:
    """Close the void elements, which Page counts on."""
    return re.sub(r"<(meta|link)\b([^>]*)>", r"<\1\2/>", text)


def page_of(reply) -> Page:
    return Page(void_safe(reply.text))


@pytest.fixture
def blocked(site, fake):
    """Return a function that sends a request which is blocked."""

    def send(answer=None, options=None, **environ):
        fake.answer = answer or risk_answer(100)
        return site(**(options or {})).get(**environ)

    return send


# -- status and headers ------------------------------------------------------

STATUSES = [
    ("c", {}, 403, "text/html; charset=utf-8"),
    ("b", {}, 403, "text/html; charset=utf-8"),
    ("j", {}, 403, "text/html; charset=utf-8"),
    ("r", {}, 429, "text/html; charset=utf-8"),
    ("c", JSON, 403, "application/json"),
    ("b", JSON, 403, "application/json"),
    ("r", JSON, 429, "text/html; charset=utf-8"),
    ("c", MOBILE, 403, "application/json"),
    ("r", MOBILE, 429, "application/json"),
    ("c", MOBILE | JSON, 403, "application/json"),
]


@pytest.mark.parametrize(("action", "environ", "status", "kind"), STATUSES)
def test_status_and_headers(blocked, action, environ, status, kind):
    reply = blocked(risk_answer(100, action), **environ)
    reasons = {403: "403 Forbidden", 429: "429 Too Many Requests"}
    assert reply.status_line == reasons[status]
    assert reply.headers == {
        "content-type": kind,
        "cache-control": "no-store",
        "content-length": str(len(reply.body)),
    }


@pytest.mark.parametrize("environ", [{}, JSON, MOBILE])
def test_head_has_the_headers_and_no_body(blocked, environ):
    full = blocked(**environ)
    head = blocked(REQUEST_METHOD="HEAD", **environ)
    assert (head.status_line, head.headers) == (full.status_line, full.headers)
    assert head.body == b""


def test_a_cookie_s_action_decides_too(site):
    cookie = f"_px3={v3(fields(s=100, a='r'))}"
    assert site().get(HTTP_COOKIE=cookie).status == 429


# -- JSON --------------------------------------------------------------------

JSON_VALUES = [
    ({}, FIRST_PARTY),
    ({"first_party_enabled": False}, THIRD_PARTY),
    ({"client_url": None, "px_backend_url": None}, FIRST_PARTY),
]


@pytest.mark.parametrize(("options", "values"), JSON_VALUES[:2])
def test_scripts_get_the_values(blocked, options, values):
    reply = blocked(options=LOOKS | options, **JSON, **WITH_VID)
    assert reply.status == 403
    assert json.loads(reply.body) == values


def test_values_that_are_not_there_are_empty(blocked):
    values = json.loads(blocked(**JSON).body)
    assert {values[key] for key in ("vid", "customLogo", "cssRef", "jsRef")} == {""}


@pytest.mark.parametrize(
    ("environ", "is_json"),
    [
        ({"HTTP_ACCEPT": "application/json; q=0.9"}, True),
        ({"HTTP_ACCEPT": "text/html, APPLICATION/JSON"}, True),
        ({"CONTENT_TYPE": "application/json; charset=utf-8"}, True),
        ({"HTTP_ACCEPT": "*/*"}, False),
        ({"HTTP_ACCEPT": "text/json"}, False),
        ({}, False),
    ],
)
def test_json_is_for_who_asks_for_it(blocked, environ, is_json):
    kind = blocked(**environ).headers["content-type"]
    assert kind.startswith("application/json") is is_json


def test_parameters_are_percent_encoded(blocked):
    values = json.loads(blocked(risk_answer(100, uuid='"</&\u20ac x'), **JSON).body)
    assert "?a=c&u=%22%3C%2F%26%E2%82%AC%20x&v=&m=0" in values["blockScript"]


# -- the page ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "values"), [({}, FIRST_PARTY), ({"first_party": False}, THIRD_PARTY)]
)
def test_the_page_sets_what_the_challenge_needs(blocked, options, values):
    page = page_of(blocked(options=LOOKS | options, **WITH_VID))
    assert page.variable("_pxVid") == values["vid"]
    assert page.variable("_pxUuid") == values["uuid"]
    assert page.variable("_pxAppId") == values["appId"]
    assert page.variable("_pxHostUrl") == values["hostUrl"]
    assert page.variable("_pxCustomLogo") == values["customLogo"]
    assert page.variable("_pxJsClientSrc") == values["jsClientSrc"]
    assert page.variable("_pxFirstPartyEnabled") is (
        values["firstPartyEnabled"] == "true"
    )
    literals = page.literals
    primary = literals.index(values["blockScript"])
    assert primary < literals.index(values["altBlockScript"])
    assert page.loaded == [values["jsRef"]]
    assert page.styles == [values["cssRef"]]


def test_the_page_loads_nothing_else(blocked):
    page = page_of(blocked())
    assert page.loaded == []
    assert page.styles == []
    assert len(page.scripts) == 1


def test_the_page_shows_the_reference_without_scripts(blocked):
    text = blocked().text
    without = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert UUID in without
    assert "<noscript>" in without


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\u2028\u2029",
    "\"'`\\",
    "&quot;&#x3c;",
    "\x00\r\n\t",
    "\ud800",
    "]]>",
    "$uuid ${uuid} $$ %s {0}",
    "\u20ac",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_stay_values(blocked, text):
    """From the service, the cookie and the options alike."""
    options = dict.fromkeys(LOOKS, text)
    reply = blocked(risk_answer(100, uuid=text), options=options)
    page = page_of(reply)
    assert page.variable("_pxUuid") == text
    assert page.variable("_pxCustomLogo") == text
    assert len(page.scripts) == 1
    assert "<script>alert" not in reply.text
    for character in "<>&\u2028\u2029":
        assert character not in page.scripts[0].replace("&&", "")
    if text != "\ud800" and "\x00" not in text:
        assert page.loaded == [text]
        assert page.styles == [text]
        assert html.escape(text) in reply.text


@pytest.mark.parametrize("vid", ['"></script><script>alert(1)//', "x" * 36])
def test_a_visitor_id_of_a_cookie_is_a_uuid_or_nothing(blocked, vid):
    assert page_of(blocked(HTTP_COOKIE=f"_pxvid={vid}")).variable("_pxVid") == ""


@pytest.mark.parametrize("text", HOSTILE)
def test_a_signed_visitor_id_is_escaped_as_well(site, text):
    cookie = v3(fields(s=100, v=text, u=text))
    page = page_of(site().get(HTTP_COOKIE=f"_px3={cookie}"))
    assert page.variable("_pxVid") == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_script_literal_is_read_back(text):
    literal = js_string(text)
    assert json.loads(literal) == text
    assert literal.isascii()
    assert not set("<>&") & set(literal)


# -- rate limit, challenge ---------------------------------------------------


def test_the_rate_limit_page_is_short(blocked):
    page = page_of(blocked(risk_answer(100, "r")))
    assert page.scripts == page.loaded == []
    assert "Too many requests" in page.text
    assert UUID in page.text


@pytest.mark.parametrize("environ", [{}, JSON])
def test_a_challenge_is_verbatim(blocked, environ):
    body = "<html>\u20ac<script>prove()</script></html>"
    answer = risk_answer(100, "j", action_data={"body": body})
    reply = blocked(answer, **environ)
    assert reply.status == 403
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.body == body.encode()


@pytest.mark.parametrize("data", [None, {}, {"body": ""}, {"body": 7}, "x", []])
def test_a_challenge_without_a_body_is_a_captcha(blocked, data):
    answer = risk_answer(100, "j", action_data=data)
    assert "a=j" in page_of(blocked(answer)).literals[-1]
    assert json.loads(blocked(answer, **JSON).body)["uuid"] == UUID


# -- mobile ------------------------------------------------------------------


@pytest.mark.parametrize(("action", "name"), MOBILE_ACTIONS.items())
def test_mobile_gets_json(blocked, action, name):
    reply = blocked(risk_answer(100, action), **MOBILE, **JSON)
    values = json.loads(reply.body)
    assert values.keys() == {
        "action",
        "uuid",
        "vid",
        "appId",
        "page",
        "collectorURL",
    }
    assert values["action"] == name
    assert (values["uuid"], values["vid"]) == (UUID, "")
    assert values["appId"] == APP_ID
    assert values["collectorURL"] == "https://collector-pxabcd1234.perimeterx.net"
    page = base64.b64decode(values["page"]).decode()
    assert page.startswith("<!DOCTYPE html>")
    assert UUID in page


def test_the_mobile_page_is_third_party(blocked):
    values = json.loads(blocked(**MOBILE).body)
    page = Page(void_safe(base64.b64decode(values["page"]).decode()))
    source = f"//captcha.px-cdn.net/{APP_ID}/captcha.js?a=c&u={UUID}&v=&m=1"
    assert source in page.literals
    assert page.variable("_pxHostUrl") == "collector-pxabcd1234.perimeterx.net"


def test_a_mobile_challenge_brings_its_page(blocked):
    answer = risk_answer(100, "j", action_data={"body": "<p>prove it</p>"})
    values = json.loads(blocked(answer, **MOBILE).body)
    assert values["action"] == "challenge"
    assert base64.b64decode(values["page"]) == b"<p>prove it</p>"


def test_base_urls_do_not_change_what_is_printed(blocked):
    """Printed addresses always follow from the app id."""
    text = blocked(options={"first_party": False}).text
    text += blocked(**MOBILE).text
    assert "127.0.0.1" not in text
