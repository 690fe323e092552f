"""HTTP Basic with a scrypt password file, and Bearer tokens."""

from __future__ import annotations

import base64
import os
import stat
import time

import pytest

from poorwsgi import Application, auth
from poorwsgi.auth import (
    PasswordFile,
    TokenError,
    check_basic,
    check_bearer,
    check_password,
    hash_password,
    main,
)
from poorwsgi.testing import TestClient


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Hash at the least cost; the real one is tested once."""
    monkeypatch.setattr(auth, "_COST", (2, 8, 1))


@pytest.fixture
def app(request):
    return Application(f"auth {os.urandom(8).hex()}")


def basic(username, password, scheme="Basic"):
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"{scheme} {token}"}


class TestPasswords:
    def test_real_cost(self, monkeypatch):
        monkeypatch.undo()
        hashed = hash_password("secret")
        assert hashed.startswith("$scrypt$n=32768,r=8,p=3$")
        assert check_password("secret", hashed)
        assert not check_password("Secret", hashed)

    def test_salt_is_new_each_time(self):
        assert hash_password("x") != hash_password("x")

    def test_what_was_hashed_at_another_cost_is_checked(self, monkeypatch):
        hashed = hash_password("ř \ud800")
        monkeypatch.setattr(auth, "_COST", (4, 8, 2))
        assert check_password("ř \ud800", hashed)

    @pytest.mark.parametrize(
        "hashed",
        [
            "",
            "secret",
            "$scrypt$n=2,r=8,p=1$AAAA",
            "$scrypt$n=2,r=8,p=x$AAAA$AAAA",
            "$scrypt$r=2,n=8,p=1$AAAA$AAAA",
            "$scrypt$n=2,r=8$AAAA$AAAA",
            "$scrypt$n=2,r=8,p=1$A-A_$AAAA",
            "$bcrypt$n=2,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=1073741824,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=262144,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=32768,r=8,p=33$AAAA$AAAA",
            "$scrypt$n=3,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=1,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=-2,r=8,p=1$AAAA$AAAA",
            "$scrypt$n=2,r=0,p=1$AAAA$AAAA",
            "$scrypt$n=2,r=8,p=0$AAAA$AAAA",
        ],
    )
    def test_what_is_no_hash_is_an_error(self, hashed):
        with pytest.raises(ValueError, match="not a password hashed by scrypt"):
            check_password("x", hashed)


class TestPasswordFile:
    @pytest.fixture
    def users(self, tmp_path):
        users = PasswordFile(tmp_path / "users")
        users.set("joe", "secret")
        users.set("řehoř", "tajné 👨‍🌾")
        return users

    def test_verify(self, users):
        assert users.verify("joe", "secret")
        assert users.verify("řehoř", "tajné 👨‍🌾")
        assert not users.verify("joe", "Secret")
        assert not users.verify("joe", "")
        assert not users.verify("eve", "secret")

    def test_file_is_private_and_has_no_password(self, users):
        assert stat.S_IMODE(os.stat(users.pathname).st_mode) == 0o600
        with open(users.pathname, encoding="utf-8") as file:
            text = file.read()
        assert text.startswith("joe:$scrypt$")
        assert "secret" not in text

    def test_changes_of_the_file_are_seen(self, users):
        assert users.verify("joe", "secret")
        other = PasswordFile(users.pathname)
        other.set("joe", "new")
        assert users.verify("joe", "new")
        assert not users.verify("joe", "secret")
        assert other.delete("joe")
        assert not other.delete("joe")
        assert not users.verify("joe", "new")

    def test_right_password_is_remembered_for_a_while(self, users, monkeypatch):
        derived = []
        derive = auth._scrypt
        monkeypatch.setattr(
            auth, "_scrypt", lambda *args: derived.append(args) or derive(*args)
        )
        for _ in range(3):
            assert users.verify("joe", "secret")
            assert not users.verify("joe", "guess")
        assert len(derived) == 1 + 3
        later = time.monotonic() + 301
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert users.verify("joe", "secret")
        assert len(derived) == 5
        assert b"secret" not in b"".join(users._remembered)

    def test_unknown_user_costs_what_a_known_one_does(self, users, monkeypatch):
        costs = []
        monkeypatch.setattr(
            auth, "_scrypt", lambda *args: costs.append(args[2:]) or b""
        )
        users.verify("joe", "guess")
        users.verify("eve", "guess")
        assert costs[0] == costs[1]

    def test_memory_is_bounded(self, users, monkeypatch):
        monkeypatch.setattr(users, "MAX_REMEMBERED", 2)
        for name in "abc":
            users.set(name, "x")
            assert users.verify(name, "x")
        assert len(users._remembered) == 1

    def test_huge_password_is_refused_unhashed(self, users, monkeypatch):
        monkeypatch.setattr(auth, "_scrypt", None)
        assert not users.verify("joe", "x" * 1025)
        with pytest.raises(ValueError, match="at most 1024"):
            users.set("joe", "x" * 1025)

    @pytest.mark.parametrize("name", ["", "a:b", "a\nb", "#a", " a"])
    def test_name_cannot_add_a_line(self, users, name):
        with pytest.raises(ValueError, match="user name"):
            users.set(name, "x")

    @pytest.mark.parametrize("line", ["joe", "joe:x", ":$scrypt$n=2,r=8,p=1$AAAA$AAAA"])
    def test_bad_line_is_named(self, tmp_path, line):
        (tmp_path / "users").write_text(f"\n# comment\n{line}\n")
        with pytest.raises(ValueError, match=r"users:3: "):
            PasswordFile(tmp_path / "users").verify("joe", "x")

    def test_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            PasswordFile(tmp_path / "users").verify("joe", "x")


class TestBasic:
    @pytest.fixture
    def client(self, app):
        @app.route("/private")
        @app.route("/private/<name>")
        @check_basic('The "Zone"', lambda user, password: password == f"{user} ok")
        def private(req, name="nobody"):
            return f"{req.user} {name}"

        return TestClient(app)

    @pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
    @pytest.mark.parametrize("user", ["joe", "", "řehoř 👨‍🌾"])
    def test_right_password(self, client, user, scheme):
        headers = basic(user, f"{user} ok", scheme)
        assert client.get("/private/x", headers=headers).text == f"{user} x"

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            basic("joe", "guess"),
            basic("jo\x00e", "jo\x00e ok"),
            basic("joe", "joe ok", "Bearer"),
            {"Authorization": "Basic"},
            {"Authorization": "Basic ?"},
            {"Authorization": "Basic am9l"},
            {"Authorization": "Basic /w=="},
            {"Authorization": "Basic am9lOmpvZSBvaw"},
            {"Authorization": "Basic é"},
        ],
    )
    def test_anything_else_is_401_with_a_challenge(self, client, headers):
        response = client.get("/private", headers=headers)
        assert response.status_code == 401
        assert (
            response.headers["WWW-Authenticate"]
            == 'Basic realm="The \\"Zone\\"", charset="UTF-8"'
        )
        assert "Unauthorized" in response.text

    def test_page_of_the_application_gets_the_challenge(self, app, client):
        @app.http_state(401)
        def login(req, **kwargs):
            return "please log in"

        response = client.get("/private")
        assert (response.status_code, response.text) == (200, "please log in")
        assert response.headers["WWW-Authenticate"].startswith("Basic ")

    def test_password_file(self, app, tmp_path):
        users = PasswordFile(tmp_path / "users")
        users.set("joe", "secret")

        @app.route("/file")
        @check_basic("Zone", users)
        def private(req):
            return req.user

        client = TestClient(app)
        assert client.get("/file", headers=basic("joe", "secret")).text == "joe"
        assert client.get("/file", headers=basic("joe", "x")).status_code == 401


class TestBearer:
    @pytest.fixture
    def client(self, app):
        def verify(token):
            if token == "expired":
                raise TokenError("The token has expired")
            if token == "odd":
                raise TokenError('No "key"\nat ř \\')
            if token == "weak":
                raise TokenError(scope="write")
            return {"abc.D-_~+/1==": "joe"}.get(token)

        @app.route("/api/<name>")
        @check_bearer(verify, "API", scope="read")
        def api(req, name):
            return f"{req.user} {name}"

        return TestClient(app)

    def ask(self, client, authorization):
        headers = {"Authorization": authorization} if authorization else {}
        return client.get("/api/x", headers=headers)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    def test_right_token(self, client, scheme):
        assert self.ask(client, f"{scheme} abc.D-_~+/1==").text == "joe x"

    @pytest.mark.parametrize(
        ("authorization", "status", "challenge"),
        [
            (None, 401, 'Bearer realm="API", scope="read"'),
            ("Basic abc", 401, 'Bearer realm="API", scope="read"'),
            (
                "Bearer x",
                401,
                'Bearer realm="API", scope="read", error="invalid_token"',
            ),
            (
                "Bearer expired",
                401,
                'Bearer realm="API", scope="read", error="invalid_token",'
                ' error_description="The token has expired"',
            ),
            (
                "Bearer odd",
                401,
                'Bearer realm="API", scope="read", error="invalid_token",'
                " error_description=\"No 'key'?at ? ?\"",
            ),
            (
                "Bearer weak",
                403,
                'Bearer realm="API", error="insufficient_scope", scope="write"',
            ),
            *(
                (text, 400, 'Bearer realm="API", scope="read", error="invalid_request"')
                for text in (
                    "Bearer",
                    "Bearer a b",
                    "Bearer é",
                    "Bearer =",
                    'Bearer "x"',
                )
            ),
        ],
    )
    def test_anything_else(self, client, authorization, status, challenge):
        response = self.ask(client, authorization)
        assert response.status_code == status
        assert response.headers["WWW-Authenticate"] == challenge

    def test_bare_challenge(self, app):
        @app.route("/bare")
        @check_bearer(lambda token: False)
        def bare(req):
            return "never"

        client = TestClient(app)
        assert client.get("/bare").headers["WWW-Authenticate"] == "Bearer"
        response = client.get("/bare", headers={"Authorization": "Bearer x"})
        assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


class TestTool:
    @pytest.fixture
    def typed(self, monkeypatch):
        answers = []
        monkeypatch.setattr(auth, "getpass", lambda prompt: answers.pop(0))
        return answers

    def test_add_change_delete(self, tmp_path, typed):
        path = str(tmp_path / "users")
        typed += ["one", "one", "two", "two"]
        assert main([path, "joe"]) == 0
        assert PasswordFile(path).verify("joe", "one")
        assert main([path, "joe"]) == 0
        assert PasswordFile(path).verify("joe", "two")
        assert main(["-D", path, "joe"]) == 0
        assert main(["-D", path, "joe"]) == 1

    def test_passwords_that_differ(self, tmp_path, typed, capsys):
        typed += ["one", "two"]
        assert main([str(tmp_path / "users"), "joe"]) == 1
        assert "don't match" in capsys.readouterr().err
        assert not (tmp_path / "users").exists()

    def test_mistakes_are_messages(self, tmp_path, typed, capsys):
        typed += ["one", "one"]
        with pytest.raises(SystemExit):
            main([str(tmp_path / "users"), "a:b"])
        assert "user name" in capsys.readouterr().err

    def test_no_password_is_a_message(self, tmp_path, monkeypatch, capsys):
        """The end of the input, as by Ctrl-D, is no traceback."""

        def end(prompt):
            raise EOFError

        monkeypatch.setattr(auth, "getpass", end)
        with pytest.raises(SystemExit):
            main([str(tmp_path / "users"), "joe"])
        assert "the password is missing" in capsys.readouterr().err


def test_what_can_not_verify_is_refused_at_once():
    """Not at the first log-in; the passwords in it are not shown."""
    with pytest.raises(TypeError, match=r"a PasswordFile or a function, not dict$"):
        check_basic("Zone", {"joe": "secret"})
