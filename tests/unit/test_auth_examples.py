"""The examples of sessions and authentication do what their first lines say."""

from __future__ import annotations

import gc
import hashlib
import re
import runpy
from pathlib import Path

import pytest

from poorwsgi.testing import TestClient

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
FILE = ("a.txt", b"\xff")


@pytest.fixture
def client(monkeypatch, tmp_path):
    """Run an example, with options in the environment, and return its client."""

    def start(name, **options):
        gc.collect()  # an application gives its name back when it is gone
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        monkeypatch.setattr("poorwsgi.auth._COST", (2, 8, 1))
        for key, value in options.items():
            monkeypatch.setenv(f"app_{key}", value)
        return TestClient(runpy.run_path(str(EXAMPLES / name))["application"])

    return start


def test_session(client):
    client = client("session.py")
    assert client.get("/").text == "Your theme is light.\n"
    chosen = client.get("/theme/dark", follow_redirects=True)
    assert chosen.text == "Your theme is dark.\n"
    assert client.get("/theme/pink").status_code == 404
    client.cookies.set("theme", "pink")
    assert client.get("/").text == "Your theme is light.\n"
    client.get("/theme/dark")
    assert client.get("/forget", follow_redirects=True).text == "Your theme is light.\n"


class TestPoorSession:
    @pytest.fixture
    def client(self, client):
        return client("poor_session.py")

    def log_in(self, client, password="secret"):
        return client.post(
            "/login", data={"user": "joe", "password": password}, follow_redirects=True
        )

    def test_log_in_and_out(self, client):
        refused = client.get("/private")
        assert refused.location == "/login?message=Please+log+in."
        assert refused.text == "Please log in."
        assert "Hello joe!" in self.log_in(client).text
        assert "Hello joe!" in client.get("/private").text
        out = client.get("/logout", follow_redirects=True)
        assert "Good bye!" in out.text
        assert client.get("/private").status_code == 302

    @pytest.mark.parametrize("password", ["wrong", ""])
    def test_wrong_password(self, client, password):
        assert "That was not right." in self.log_in(client, password).text
        data = {"user": "nobody", "password": password}
        assert client.post("/login", data=data).location.startswith("/login?")

    def test_password_sent_as_a_file(self, client):
        answer = client.post("/login", data={"user": "joe"}, files={"password": FILE})
        assert answer.location.startswith("/login?")

    def test_changed_cookie(self, client):
        self.log_in(client)
        client.cookies.set("SESSID", client.cookies["SESSID"][:-1] + "!")
        page = client.get("/private", follow_redirects=True)
        assert "Your session has ended." in page.text

    def test_message_is_escaped(self, client):
        assert "<script>" not in client.get("/login?message=<script>").text

    def test_front_page(self, client):
        assert "/private" in client.get("/").text


def test_aes_session(client):
    client = client("aes_session.py", secrets="new old")
    assert client.get("/").text == "Visit number 1.\n"
    assert client.get("/").text == "Visit number 2.\n"
    forged = client.get("/", headers={"Cookie": "SESSID=2.forged"})
    assert forged.text == "Bad session data. Starting anew.\nVisit number 1.\n"


@pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256"])
def test_http_digest(client, algorithm):
    client = client("http_digest.py", algorithm=algorithm)
    assert "/user" in client.get("/").text

    def log_in(path, method="GET", password="looser", **options):
        header = client.get("/user").headers["WWW-Authenticate"]
        fields = dict(re.findall(r'(\w+)="([^"]*)"', header))
        hash_of = hashlib.md5 if algorithm.startswith("MD5") else hashlib.sha256

        def digest(*parts):
            return hash_of(":".join(parts).encode()).hexdigest()

        ha1 = digest("user", "User Zone", password)
        if algorithm.endswith("-sess"):
            ha1 = digest(ha1, fields["nonce"], "c")
        ha2 = digest(method, path)
        fields["response"] = digest(ha1, fields["nonce"], "00000001", "c", "auth", ha2)
        fields |= {"uri": path, "username": "user", "cnonce": "c", "nc": "00000001"}
        text = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        headers = {"Authorization": f"Digest {text}"}
        return client.request(method, path, headers=headers, **options)

    assert log_in("/user").text == "Hello user! \n"
    assert log_in("/user/a%20b?c=d").text == "Hello user! a b\n"
    assert log_in("/only-user").text == "You are user.\n"
    assert log_in("/user", password="wrong").status_code == 401
    changed = log_in("/password", "POST", data={"password": "new"})
    assert changed.text == "Changed.\n"
    assert log_in("/user", password="looser").status_code == 401
    assert log_in("/user", password="new").status_code == 200


def test_basic_auth(client):
    client = client("basic_auth.py")
    assert client.get("/private").status_code == 401
    right = {"Authorization": "Basic am9lOnNlY3JldA=="}
    assert client.get("/private", headers=right).text == "Hello joe, this is index.\n"
    page = client.get("/private/page", headers=right)
    assert page.text == "Hello joe, this is page.\n"


def test_basic_auth_with_a_file(client, tmp_path):
    (tmp_path / "users").write_text("")
    client = client("basic_auth.py", users=str(tmp_path / "users"))
    wrong = {"Authorization": "Basic am9lOnNlY3JldA=="}
    assert client.get("/private", headers=wrong).status_code == 401


def test_bearer(client):
    client = client("bearer.py", token="example-token")
    assert client.get("/api/me").status_code == 401
    right = {"Authorization": "Bearer example-token"}
    me = client.get("/api/me", headers=right)
    assert me.json == {"name": "joe", "scopes": ["read"]}
    weak = client.get("/api/admin", headers=right)
    assert weak.status_code == 403
    assert 'scope="admin"' in weak.headers["WWW-Authenticate"]
    wrong = {"Authorization": "Bearer other"}
    assert client.get("/api/admin", headers=wrong).status_code == 401


def test_bearer_prints_a_new_token(client, capsys):
    client = client("bearer.py")
    token = capsys.readouterr().out.split()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/me", headers=headers).status_code == 200


def test_csrf(client):
    client = client("csrf.py")
    text = {"text": "hello"}
    evil = {"Origin": "https://evil.example"}
    assert client.post("/", data=text).text == "Received 'hello'.\n"
    assert client.post("/", data=text, headers=evil).status_code == 403
    assert client.post("/hook", data=text, headers=evil).text == "Thank you.\n"
    token = re.search(r'value="(\w+)"', client.get("/").text)[1]
    assert client.post("/", data=text).status_code == 403
    assert client.post("/", data={**text, "csrf_token": token}).status_code == 200


def test_redis_session_in_files(client):
    client = client("redis_session.py")
    assert client.get("/").json == {}
    client.post("/basket", data={"item": "book"})
    before = client.cookies["SESSID"]
    client.post("/basket", data={"item": "pen"})
    assert client.cookies["SESSID"] == before
    logged_in = client.post("/login", data={"user": "joe"})
    assert logged_in.json == {"basket": ["book", "pen"], "user": "joe"}
    assert client.cookies["SESSID"] != before
    assert client.post("/logout").json == {"bye": True}
    assert client.get("/").json == {}
    assert client.post("/basket", files={"item": FILE}).status_code == 200
    assert client.post("/login", files={"user": FILE}).status_code == 200
