"""The guard against requests that other sites make a browser send."""

from __future__ import annotations

import os

import pytest

from poorwsgi import Application
from poorwsgi.csrf import CsrfGuard
from poorwsgi.state import METHOD_ALL
from poorwsgi.testing import TestClient

COOKIE = {"Cookie": "SESSID=1"}


@pytest.fixture
def app():
    app = Application(f"csrf {os.urandom(8).hex()}")
    app.secret_key = "a secret key"
    guard = app.guard = CsrfGuard(app, ["https://Partner.example"])

    @app.route("/", METHOD_ALL)
    def index(req):
        return "done" if req.method != "GET" else guard.token(req)

    @app.route("/hook", METHOD_ALL)
    @guard.exempt
    def hook(req):
        return "done"

    return app


@pytest.fixture
def client(app):
    return TestClient(app, "https://shop.example", headers=COOKIE)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "nonsense"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://shop.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://partner.example"}, 200),
        ({"Origin": "https://shop.example"}, 200),
        ({"Origin": "HTTPS://Shop.Example"}, 200),
        ({"Origin": "https://partner.example"}, 200),
        ({"Origin": "http://shop.example"}, 403),
        ({"Origin": "https://shop.example:8443"}, 403),
        ({"Origin": "https://shop.example.evil"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_unsafe_request(client, method, headers, status):
    assert client.request(method, "/", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("headers", "told", "logged"),
    [
        ({}, "does not say that it comes from this site", "Origin None, and this site"),
        ({"Origin": "http://a.b"}, "from another site", "'http://a.b', and this site"),
        ({"Sec-Fetch-Site": "cross-site"}, "from another site", "is 'cross-site', "),
    ],
)
def test_a_refusal_says_what_was_missing(client, caplog, headers, told, logged):
    """Curl with a cookie comes from no other site; behind a proxy two names differ."""
    caplog.set_level("INFO", "poorwsgi")
    assert told in client.post("/", headers=headers).text
    assert logged in caplog.text
    assert "this site 'https://shop.example'" in caplog.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_request_may_come_from_anywhere(client, method):
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert client.request(method, "/", headers=headers).status_code == 200


def test_exempt_handler_may_be_called_from_anywhere(client):
    assert client.post("/hook", headers={"Origin": "null"}).text == "done"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 200), ({"Cookie": "a=1"}, 403), ({"Authorization": "Basic eDp5"}, 403)],
)
def test_program_without_credentials_of_a_browser(app, headers, status):
    assert TestClient(app).post("/", headers=headers).status_code == status


def test_port_is_part_of_the_origin(app):
    client = TestClient(app, "http://localhost:8080", headers=COOKIE)
    assert client.post("/", headers={"Origin": "http://localhost:8080"}).text == "done"
    assert client.post("/", headers={"Origin": "http://localhost"}).status_code == 403


class TestToken:
    """Browsers that send neither Fetch metadata nor Origin."""

    @pytest.fixture
    def client(self, app):
        return TestClient(app)

    def test_form_field(self, client):
        token = client.get("/").text
        assert client.post("/", data={"csrf_token": token}).text == "done"
        assert client.post("/", data={"csrf_token": "x"}).status_code == 403
        assert client.post("/", data={"other": token}).status_code == 403

    def test_header(self, client):
        token = client.get("/").text
        assert client.post("/", headers={"X-CSRF-Token": token}).text == "done"

    def test_cookie_is_set_once(self, client):
        first = client.get("/")
        assert first.headers["Set-Cookie"].endswith("; HttpOnly; Path=/; SameSite=Lax")
        again = client.get("/")
        assert "Set-Cookie" not in again.headers
        assert again.text == first.text

    def test_cookie_is_secure_over_https(self, app):
        response = TestClient(app, "https://shop.example").get("/")
        assert response.headers["Set-Cookie"].endswith("; Secure")

    def test_token_of_another_cookie_is_refused(self, app, client):
        token = TestClient(app).get("/").text
        client.get("/")
        assert client.post("/", data={"csrf_token": token}).status_code == 403

    def test_keys_rotate(self, app, client):
        token = client.get("/").text
        app.secret_key = ["new", "a secret key"]
        assert client.post("/", data={"csrf_token": token}).text == "done"
        app.secret_key = ["new"]
        assert client.post("/", data={"csrf_token": token}).status_code == 403

    def test_without_a_key_no_token_is_right(self, app, client):
        app.secret_key = None
        headers = {"Cookie": "csrf=x", "X-CSRF-Token": "x"}
        assert client.post("/", headers=headers).status_code == 403

    def test_two_tokens_of_one_answer_are_the_same(self, app):
        @app.route("/two")
        def two(req):
            return f"{app.guard.token(req) == app.guard.token(req)}"

        assert TestClient(app).get("/two").text == "True"


def test_without_an_application_its_hooks_are_yours(app):
    guard = CsrfGuard(trusted_origins="https://one.example")
    assert guard.trusted_origins == {"https://one.example"}


@pytest.mark.parametrize(
    "origin", ["example.org", "https://", "ftp://x", "https://x/", "https://x/y", "*"]
)
def test_trusted_origin_must_be_one(origin):
    with pytest.raises(ValueError, match="is no origin"):
        CsrfGuard(trusted_origins=[origin])
