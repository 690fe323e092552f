"""The page /debug-info: its tools, its twin in JSON, and who may ask."""

import base64
import html
import json
import logging
import marshal
import re

import pytest

from poorwsgi import Application
from poorwsgi.debug_page import foreign, unsure_host
from poorwsgi.response import Declined, GeneratorResponse
from poorwsgi.testing import TestClient


@pytest.fixture
def app(request):
    app = Application(request.node.nodeid)
    app.debug = True

    @app.route("/item/<id:int>")
    def item(req, number):
        return {"id": number, "cookie": req.cookies["a"].value if req.cookies else ""}

    @app.post("/form")
    def form(req):
        return {"json": req.json, "header": req.headers.get("X-One")}

    @app.route("/crash")
    def crash(req):
        raise KeyError("<crash>")

    return app


@pytest.fixture
def client(app):
    return TestClient(app)


def tool(client, **wanted):
    return client.post("/debug-info", json=wanted)


# -- who may ask


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_the_same_origin_is_answered(client, method, headers, status):
    """Reading as well as doing; other pages get 403 and nothing of the inside."""
    body = {"json": {"do": "run", "url": "/item/1"}} if method == "POST" else {}
    answer = client.request(method, "/debug-info", headers=headers, **body)
    assert answer.status_code == status
    if status == 403:
        assert "Route Table" not in answer.text


def test_there_is_nothing_without_debug(client, app):
    app.debug = False
    assert client.get("/debug-info?format=json").status_code == 404
    assert tool(client, do="run", url="/item/1").status_code == 404


@pytest.mark.parametrize(
    ("host", "allowed", "is_sure"),
    [
        ("localhost:8080", None, True),
        ("127.0.0.1", None, True),
        ("[::1]:80", None, True),
        ("web", None, True),
        ("dev.local", None, True),
        ("rebound.evil.com", None, False),
        ("dev.example.com", ("dev.example.com",), True),
    ],
)
def test_tools_do_not_trust_any_name_of_this_machine(host, allowed, is_sure):
    """DNS rebinding makes a public name the same origin as the loopback."""
    assert (unsure_host({"HTTP_HOST": host}, allowed) == "") is is_sure
    assert foreign({"HTTP_HOST": host, "HTTP_ORIGIN": f"http://{host}"}) == ""


def test_a_host_that_is_not_sure_runs_nothing(app):
    client = TestClient(app, "http://rebound.evil.com")
    answer = tool(client, do="run", url="/item/1")
    assert answer.status_code == 403
    assert "allowed_hosts = ('rebound.evil.com',)" in answer.json["error"]


def test_a_form_of_another_page_is_no_tool(client):
    """Only application/json is, which no form can send."""
    answer = client.post("/debug-info", body='{"do": "run"}', headers={
        "Content-Type": "text/plain"})  # fmt: skip
    assert "Route Table" in answer.text


def test_the_page_may_not_be_framed_or_kept(client):
    headers = client.get("/debug-info").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_script_has_a_nonce_of_its_own(client):
    """Nothing else runs, and nothing comes from elsewhere."""
    first, second = client.get("/debug-info").text, client.get("/debug-info").text
    nonces = [re.findall(r"nonce-([\w-]+)'", text)[0] for text in (first, second)]
    assert nonces[0] != nonces[1]
    assert f'<script nonce="{nonces[0]}">' in first
    assert "default-src 'none'" in first
    assert not re.search(r'(?:src|href)="(?!#|\?|data:)', first)


@pytest.mark.parametrize(
    "text", ["http://[", "[::1", "/]", "/[x", "/\u017e?\U0001f600"]
)
def test_urls_that_are_none_do_no_harm(client, text):
    """Neither as an origin nor in the tools."""
    query = {"match": text, "format": "json", "method": text}
    assert client.get("/debug-info", query=query).status_code == 200
    origin = {"Origin": text}
    assert client.get("/debug-info", query=query, headers=origin).status_code == 403
    for method, headers in (("GET", f"X-A: {text}"), ("\u017e", "")):
        answer = tool(client, do="run", url=text, method=method, headers=headers)
        assert answer.status_code in (200, 400)


@pytest.mark.parametrize("field", ["url", "headers", "body"])
def test_half_a_surrogate_pair_is_refused(client, field):
    wanted = {"url": "/", field: {"headers": "A: \ud800"}.get(field, "/\ud800")}
    assert tool(client, do="run", **wanted).status_code == 400


# -- the page and its twin


def test_the_twin_has_what_the_page_has(client, app):
    """Routes, findings, requests, loggers, and masks as there."""
    app.secret_key = "super-secret-key"
    app.set_route("/wrong/<a>", lambda req: "")
    client.get("/item/1")
    answer = client.get("/debug-info?format=json", headers={"X-A": "super-secret-key"})
    data = answer.json
    rules = [route["rule"] for route in data["application"]["routes"]]
    assert "/item/<id:int>" in rules
    assert [finding["code"] for finding in data["findings"]] == ["handler-signature"]
    assert [one["path"] for one in data["requests"]] == ["/item/1"]
    assert {"root", "poorwsgi"} <= {one["name"] for one in data["loggers"]}
    assert ["X-A", "*****"] in data["headers"]
    assert "super-secret-key" not in answer.text
    page = html.unescape(client.get("/debug-info").text)
    for shown in (*rules, data["findings"][0]["message"], "/item/1"):
        assert shown in page


@pytest.mark.parametrize("view", ["", "?format=json"])
def test_the_key_of_the_application_is_not_among_the_last_requests(client, app, view):
    app.secret_key = "super-secret-key"

    @app.route("/tell")
    def tell(req):
        raise ValueError(f"The key is {app.secret_key}")

    client.get("/tell", query="a=super-secret-key")
    text = client.get("/debug-info" + view).text
    assert "The key is *****" in text
    assert "super-secret-key" not in text


def test_which_route_it_is_also_without_script(client):
    """The same address gives the page with the answer in it, and JSON."""
    page = html.unescape(client.get("/debug-info?match=/item/x&method=GET").text)
    assert "'x' does not fit <id:int>, which takes -?\\d+" in page
    data = client.get("/debug-info?format=json&match=/item/7").json
    assert data["outcome"] == "route /item/<id:int>"
    assert data["arguments"] == [{"name": "id", "value": "7"}]
    assert data["handler"]["name"] == "item"


def test_what_clients_send_is_escaped(client):
    evil = "<script>alert(1)</script>"
    client.get(f"/{evil}?{evil}")
    page = client.get("/debug-info", query={"match": f"/{evil}", "method": evil}).text
    assert page.count("<script") == 1
    assert "alert(1)" in page


# -- the request builder


def test_a_request_is_run_and_shown(client):
    """Status, headers, body, the rule, and the time of each phase."""
    answer = tool(client, do="run", method="GET", url="/item/42?x=1").json
    assert (answer["status"], answer["rule"]) == ("200 OK", "/item/<id:int>")
    assert json.loads(answer["body"]) == {"id": 42, "cookie": ""}
    assert ["Content-Length", "24"] in answer["headers"]
    assert answer["phases"]["handler"] > 0
    assert answer["whole"] is True


def test_a_request_has_headers_a_body_and_the_cookies_of_who_asks(client):
    client.cookies.set("a", "b")
    wanted = {"method": "POST", "url": "/form", "body": '{"x": 1}'}
    wanted["headers"] = "Content-Type: application/json\nX-One: 1\n"
    answer = tool(client, do="run", **wanted).json
    assert json.loads(answer["body"]) == {"json": {"x": 1}, "header": "1"}
    answer = tool(client, do="run", url="/item/1").json
    assert json.loads(answer["body"])["cookie"] == "b"


def test_an_error_is_shown_with_its_id(client, app):
    answer = tool(client, do="run", url="/crash").json
    assert answer["status"] == "500 Internal Server Error"
    assert "KeyError" in answer["error"]
    assert answer["error_id"] in answer["body"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"url": "item"}, "starts with a slash"),
        ({"url": "http://other/"}, "starts with a slash"),
        ({"url": "//other/x"}, "starts with a slash"),
        ({"url": "/", "method": "G T"}, "starts with a slash"),
        ({"url": "/debug-info"}, "does not run itself"),
        ({"url": "/", "headers": "nonsense"}, "write Name: value"),
        ({"url": "/", "headers": "a b: c"}, "write Name: value"),
    ],
)
def test_what_is_no_request_is_refused(client, wanted, message):
    answer = tool(client, do="run", **wanted)
    assert answer.status_code == 400
    assert message in answer.json["error"]


@pytest.mark.parametrize("wanted", [{}, {"do": "eval"}, {"do": ["run"]}])
def test_there_are_no_other_tools(client, wanted):
    """No code of a client is run."""
    assert client.post("/debug-info", json=wanted).status_code == 400
    assert client.post("/debug-info", json=["run"]).status_code == 400


def test_odd_answers_are_shown_too(client, app):
    """No end, no text, no answer at all."""

    def endless(req):
        while True:
            yield b"x" * 65536

    app.set_route("/endless", lambda req: GeneratorResponse(endless(req)))
    app.set_route("/bytes", lambda req: (b"\0\1\2", "image/png"))
    app.set_route("/declined", lambda req: Declined())
    answer = tool(client, do="run", url="/endless").json
    assert (answer["whole"], answer["size"]) == (False, 1 << 20)
    assert tool(client, do="run", url="/bytes").json["body"] == "(3 bytes, image/png)"
    assert tool(client, do="run", url="/declined").json["status"].startswith("no answ")


def test_a_request_of_the_builder_is_among_the_last(client):
    tool(client, do="run", url="/item/3")
    paths = [one["path"] for one in client.get("/debug-info?format=json").json[
        "requests"]]  # fmt: skip
    assert paths == ["/item/3"]


def test_it_works_where_nothing_is_parsed_by_itself(client, app):
    """The switches of the application are not for the page."""
    app.auto_args = app.auto_json = app.auto_form = app.auto_data = False
    assert client.get("/debug-info?format=json&match=/item/7").json["status"] == 0
    assert tool(client, do="run", url="/item/7").json["status"] == "200 OK"
    headers = {"Content-Type": "application/json"}
    answer = client.post("/debug-info", body="{", headers=headers)
    assert answer.status_code == 400


# -- the profiler


def test_a_profile_is_a_flame_graph_and_two_files(client):
    answer = tool(client, do="profile", url="/item/5").json
    profile = answer["profile"]
    assert answer["status"] == "200 OK"
    assert profile["svg"].startswith("<svg xmlns=")
    assert "test_debug_page.item" in profile["svg"]
    # To list the request is no part of it, and yet it is listed.
    assert "tracing.row_of" not in profile["svg"]
    twin = client.get("/debug-info?format=json").json
    assert [one["path"] for one in twin["requests"]] == ["/item/5"]
    frames = profile["speedscope"]["shared"]["frames"]
    assert "test_debug_page.item" in {frame["name"] for frame in frames}
    stats = marshal.loads(base64.b64decode(profile["pstats"]))
    assert any(name == "item" for _, _, name in stats)
    assert profile["table"][0]["total"] >= profile["table"][1]["total"]


def test_another_profiler_is_named(client, monkeypatch):
    """Since Python 3.12 there can be one only."""

    class Busy:
        def enable(self):
            raise ValueError("Another profiling tool is already active")

    monkeypatch.setattr("cProfile.Profile", Busy)
    answer = tool(client, do="profile", url="/item/5")
    assert answer.status_code == 400
    assert "already active" in answer.json["error"]


# -- loggers


def test_the_level_of_a_logger_is_set(client):
    logger = logging.getLogger("test_debug_page")
    tool(client, do="level", logger="test_debug_page", level="ERROR")
    assert logger.level == logging.ERROR
    tool(client, do="level", logger="test_debug_page", level="")
    assert logger.level == logging.NOTSET


@pytest.mark.parametrize(
    "wanted", [{"logger": "no.such", "level": "INFO"}, {"logger": "root", "level": "X"}]
)
def test_no_logger_is_made(client, wanted):
    answer = tool(client, do="level", **wanted)
    assert answer.status_code == 400
    assert "no.such" not in logging.root.manager.loggerDict


# -- where debug comes from


def test_debug_by_a_variable_of_the_server(request):
    """The first look at the page starts the list of requests."""
    app = Application(request.node.nodeid)
    app.set_route("/", lambda req: "x")
    client = TestClient(app, environ={"poor_Debug": "on"})
    assert "Route Table" in client.get("/debug-info").text
    answer = tool(client, do="run", url="/").json
    assert answer["phases"]["handler"] > 0
    client.get("/nothing")
    found = client.get("/debug-info?format=json").json
    assert [one["path"] for one in found["requests"]] == ["/nothing", "/"]
    app.debug = False
    assert app._watch is None


def test_debug_on_a_public_address_warns_at_start(request, monkeypatch, caplog):
    """Once, where debug is switched on."""
    monkeypatch.setattr("sys.argv", ["gunicorn", "--bind", "0.0.0.0:8000"])
    app = Application(request.node.nodeid)
    with pytest.warns(RuntimeWarning, match="debug is on and the server listens") as w:
        app.debug = True
    assert w[0].filename == __file__
    assert "0.0.0.0:8000" in caplog.text
