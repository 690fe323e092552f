"""HTTP Digest: RFC 7616, replay, password files and their tool."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application, digest
from poorwsgi.digest import (
    PasswordMap,
    ReplayWindow,
    authenticate,
    check_credentials,
    check_digest,
    check_response,
    hexdigest,
    main,
)
from poorwsgi.headers import parse_authorization
from poorwsgi.response import HTTPException, Response
from poorwsgi.session import get_nonce, get_token
from poorwsgi.testing import TestClient

REALM = "User Zone"
AGENT = "test-client/1"
HASHES = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}
ALGORITHMS = [name + end for name in HASHES for end in ("", "-sess")]


def kd(algorithm, *fields):
    text = ":".join(fields)
    return HASHES[algorithm.removesuffix("-sess")](text.encode()).hexdigest()


def parse_challenge(header):
    scheme, _, rest = header.partition(" ")
    assert scheme == "Digest"
    pairs = re.findall(r'([a-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^,\s]+))', rest)
    return {
        name: re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in pairs
    }


class Browser:
    """Answers challenges as RFC 7616, section 3.4, says."""

    def __init__(self, app, username="joe", password="secret", cnonce="0a4f113b"):
        self.http = TestClient(app, headers={"User-Agent": AGENT})
        self.username, self.password, self.cnonce = username, password, cnonce
        self.challenge = {}
        self.count = 0

    def get(self, path, **changes):
        """Log in if needed, then ask with credentials; None removes a field."""
        if not self.challenge:
            self.take(self.http.get(path))
        return self.http.get(path, headers=self.header(path, **changes))

    def take(self, response):
        assert response.status_code == 401
        self.challenge = parse_challenge(response.headers["WWW-Authenticate"])
        self.count = 0
        return self.challenge

    def header(self, target, method="GET", **changes):
        self.count += 1
        fields = {
            "username": self.username,
            "realm": self.challenge["realm"],
            "nonce": self.challenge["nonce"],
            "uri": target,
            "algorithm": self.challenge["algorithm"],
            "opaque": self.challenge["opaque"],
            "cnonce": self.cnonce,
            "nc": f"{self.count:08x}",
            "qop": self.challenge.get("qop"),
        }
        fields.update(
            {key: changes.pop(key) for key in changes.copy() if key in fields}
        )
        fields["response"] = self.response(method, fields)
        fields.update(changes)
        text = ", ".join(
            f'{key}="{value}"' for key, value in fields.items() if value is not None
        )
        return {"Authorization": "Digest " + text}

    def response(self, method, fields):
        algorithm = self.challenge["algorithm"]
        text = {key: value or "" for key, value in fields.items()}
        ha1 = kd(algorithm, self.username, self.challenge["realm"], self.password)
        if algorithm.endswith("-sess"):
            ha1 = kd(algorithm, ha1, text["nonce"], text["cnonce"])
        ha2 = kd(algorithm, method, text["uri"])
        if not text["qop"]:
            return kd(algorithm, ha1, text["nonce"], ha2)
        rest = (text["nc"], text["cnonce"], text["qop"], ha2)
        return kd(algorithm, ha1, text["nonce"], *rest)


def make_app(request_or_name, algorithm="MD5-sess", users=None):
    app = Application(f"digest {os.urandom(8).hex()} {request_or_name}")
    app.secret_key = "a secret key"
    app.auth_type = "Digest"
    app.auth_algorithm = algorithm
    app.auth_map = PasswordMap()
    users = users or {"joe": "secret", "řehoř 🦊": "tajné"}
    for name, password in users.items():
        stored = hexdigest(name, REALM, password, app.auth_hash)
        app.auth_map.set(REALM, name, stored)

    @app.route("/")
    @app.route("/a b/<name>")
    @check_digest(REALM)
    def private(req, name="nobody"):
        return f"{req.user} {name}"

    @app.route("/joe")
    @check_digest(REALM, "joe")
    def only_joe(req):
        return "for joe"

    return app


@pytest.fixture
def app(request):
    return make_app(request.node.name)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_700_000_100.0

    monkeypatch.setattr(time, "time", lambda: Clock.now)
    return Clock


class TestWorkedExamples:
    """RFC 7616, section 3.9."""

    NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    MD5 = "8ca523f5e9506fed4657c9700eebdbec"
    SHA_256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    RIGHT = pytest.mark.parametrize(
        ("algorithm", "right"), [("MD5", MD5), ("SHA-256", SHA_256)]
    )

    def request(self, algorithm, response):
        realm = "http-auth@example.org"
        header = f"""Digest username="Mufasa",
            realm="{realm}",
            uri="/dir/index.html",
            algorithm={algorithm},
            nonce="{self.NONCE}",
            nc=00000001,
            cnonce="{self.CNONCE}",
            qop=auth,
            response="{response}",
            opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""""
        app = make_app(algorithm, algorithm)
        stored = hexdigest("Mufasa", realm, "Circle of Life", app.auth_hash)
        req = SimpleNamespace(
            app=app, method="GET", authorization=parse_authorization(header)
        )
        return req, stored

    @RIGHT
    def test_response(self, algorithm, right):
        req, stored = self.request(algorithm, right)
        assert check_response(req, stored)
        assert not check_response(req, stored[::-1])
        req.method = "POST"
        assert not check_response(req, stored)

    @RIGHT
    def test_any_changed_character_is_refused(self, algorithm, right):
        for index in range(len(right)):
            changed = right[:index] + "x" + right[index + 1 :]
            req, stored = self.request(algorithm, changed)
            assert not check_response(req, stored)

    def test_userhash_is_found(self):
        """Section 3.9.2, as corrected by erratum 4897."""
        hashed = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        app = make_app("userhash", "SHA-512-256", {"Jäsøn Doe": "Secret, or not?"})
        app.auth_userhash = True
        app.auth_map["api@example.org"] = app.auth_map.pop(REALM)
        scheme = digest._scheme(app, {"algorithm": "SHA-512-256"})
        fields = {"username": hashed, "userhash": "true"}
        assert digest._user(app, scheme, "api@example.org", fields) == "Jäsøn Doe"


class TestLogin:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    @pytest.mark.parametrize("qop", ["auth", "", None])
    def test_right_password_is_let_in(self, algorithm, qop):
        app = make_app(algorithm, algorithm)
        app.auth_qop = qop
        browser = Browser(app)
        assert browser.get("/").text == "joe nobody"
        assert browser.get("/a%20b/x%C3%A9").text == "joe xé"

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_wrong_password_is_not(self, algorithm):
        browser = Browser(make_app(algorithm, algorithm), password="guess")
        response = browser.get("/")
        assert response.status_code == 401
        assert "stale" not in browser.take(response)

    def test_challenge(self, app):
        one, two = (TestClient(app).get("/") for _ in range(2))
        assert one.status_code == 401
        challenge = parse_challenge(one.headers["WWW-Authenticate"])
        assert challenge["realm"] == REALM
        assert challenge["qop"] == "auth"
        assert challenge["algorithm"] == "MD5-sess"
        assert challenge["opaque"] == hashlib.sha256(b"localhost").hexdigest()
        assert (
            challenge["nonce"]
            != parse_challenge(two.headers["WWW-Authenticate"])["nonce"]
        )

    @pytest.mark.parametrize(
        "header", ["", "Basic dXNlcjpwYXNz", "Digest", "Negotiate", "Digest ,,,=;"]
    )
    def test_without_credentials_401(self, app, header):
        client = TestClient(app, headers={"Authorization": header} if header else {})
        assert client.get("/").status_code == 401

    def test_user_outside_ascii(self, app):
        browser = Browser(app, "řehoř 🦊", "tajné")
        browser.take(browser.http.get("/"))
        header = browser.header("/")
        assert browser.http.get("/", headers=header).text == "řehoř 🦊 nobody"
        header = browser.header("/")
        extended = "username*=UTF-8''" + quote("řehoř 🦊")
        header["Authorization"] = header["Authorization"].replace(
            'username="řehoř 🦊"', extended
        )
        assert browser.http.get("/", headers=header).text == "řehoř 🦊 nobody"

    def test_quotes_in_names(self):
        app = make_app("quotes", users={'a "b" \\c': "secret"})
        browser = Browser(app, 'a "b" \\c')
        browser.take(browser.http.get("/"))
        header = browser.header("/")["Authorization"]
        header = header.replace('a "b" \\c', 'a \\"b\\" \\\\c')
        response = browser.http.get("/", headers={"Authorization": header})
        assert response.text == 'a "b" \\c nobody'

    def test_only_the_named_user(self, app):
        app.auth_map.set(REALM, "eve", hexdigest("eve", REALM, "secret"))
        assert Browser(app).get("/joe").text == "for joe"
        assert Browser(app, "eve").get("/joe").status_code == 401
        assert Browser(app, "eve").get("/").status_code == 200

    def test_users_belong_to_their_realm(self, app):
        @app.route("/other")
        @check_digest("Other Zone")
        def other(req):
            return "other"

        assert Browser(app).get("/other").status_code == 401
        app.auth_map.set("Other Zone", "joe", hexdigest("joe", "Other Zone", "secret"))
        assert Browser(app).get("/other").text == "other"

    def test_password_changed_at_run_time(self, app):
        app.auth_map.set(REALM, "joe", hexdigest("joe", REALM, "new"))
        assert Browser(app).get("/").status_code == 401
        assert Browser(app, password="new").get("/").status_code == 200

    def test_group_guarded_by_a_hook(self, app):
        group = app.group("/admin")

        @group.before_response()
        def guard(req):
            authenticate(req, REALM)

        @group.route("/<number:int>")
        def admin(req, number):
            return f"{req.user} {number}"

        assert TestClient(app).get("/admin/5").status_code == 401
        assert Browser(app).get("/admin/5").text == "joe 5"

    def test_decorated_handler_keeps_its_name(self):
        @check_digest(REALM)
        def handler(req):
            """Doc."""

        assert (handler.__name__, handler.__doc__) == ("handler", "Doc.")


class TestFields:
    """Missing or malformed fields, and those of another challenge: 401."""

    @pytest.mark.parametrize(
        "name",
        ["username", "realm", "nonce", "uri", "algorithm", "opaque", "nc", "qop"],
    )
    @pytest.mark.parametrize("value", [None, "", "x", "é", "\\", "00000000", "\x80"])
    def test_each_field_counts(self, app, name, value):
        assert Browser(app).get("/", **{name: value}).status_code == 401

    @pytest.mark.parametrize(
        "nc",
        [
            "1",
            "0000000g",
            "+0000001",
            "0x000001",
            "000000001",
            " 0000001",
            "\u0660" * 7 + "1",
        ],
    )
    def test_count_is_eight_hex_digits_above_zero(self, app, nc):
        assert Browser(app).get("/", nc=nc).status_code == 401

    @pytest.mark.parametrize("field", ["response", "cnonce"])
    @pytest.mark.parametrize("value", ["", "x", "é"])
    def test_fields_that_the_hash_covers(self, app, field, value):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        header = browser.header("/")["Authorization"]
        for text in (
            re.sub(f'{field}="[^"]+"', f'{field}="{value}"', header),
            re.sub(f', {field}="[^"]+"', "", header),
        ):
            assert text != header
            response = browser.http.get("/", headers={"Authorization": text})
            assert response.status_code == 401

    @pytest.mark.parametrize("cnonce", ["\x01", "a\tb", "\x7f"])
    def test_cnonce_that_no_header_can_have(self, app, cnonce):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        environ = browser.http.environ("GET", "/")
        header = browser.header("/", cnonce=cnonce)
        environ["HTTP_AUTHORIZATION"] = header["Authorization"]
        with pytest.raises(HTTPException) as caught:
            authenticate(app.request_class(environ, app), REALM, mutual=True)
        assert caught.value.args == (401, {"realm": REALM})

    def test_auth_int_is_not_offered(self, app):
        assert Browser(app).get("/", qop="auth-int").status_code == 401

    def test_algorithm_must_be_ours(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        browser.challenge["algorithm"] = "MD5"
        assert browser.get("/").status_code == 401

    def test_missing_algorithm_means_md5(self):
        browser = Browser(make_app("default", "MD5"))
        browser.take(browser.http.get("/"))
        header = browser.header("/")["Authorization"].replace('algorithm="MD5", ', "")
        assert "algorithm" not in header
        assert (
            browser.http.get("/", headers={"Authorization": header}).status_code == 200
        )

    def test_browser_is_part_of_the_nonce(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        header = {**browser.header("/"), "User-Agent": "another"}
        assert "stale" in browser.take(browser.http.get("/", headers=header))

    @settings(max_examples=100, deadline=None)
    @given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80))
    def test_any_header_gives_401(self, text):
        for header in (text, f"Digest {text}", f'Digest nonce="{text}", uri={text}'):
            client = TestClient(_SHARED_APP, headers={"Authorization": header})
            assert client.get("/").status_code == 401


_SHARED_APP = make_app("fuzz")


class TestTarget:
    @pytest.mark.parametrize(
        ("path", "uri"),
        [
            ("/a b/x", "/a%20b/x"),
            ("/a b/x", "/a b/x"),
            ("/a b/é", "/a%20b/%C3%A9"),
            ("/a b/é", "/a%20b/%c3%a9"),
            ("/a b/🦊", "/a%20b/🦊"),
            ("/a b/Ã©?Ã©=Ã©", "/a%20b/Ã©?Ã©=Ã©"),
            ("/a b/x?é=é", "/a%20b/x?é=%c3%a9"),
            ("/a b/x?y=1&z=%26%20+", "/a%20b/x?y=1&z=%26%20+"),
            ("/a b/x?y=é", "/a%20b/x?y=%C3%A9"),
            ("/a b/a%3Fb", "/a%20b/a%3Fb"),
            ("/?", "/"),
            ("/", "http://localhost/"),
            ("/", "HTTP://LOCALHOST:80"),
            ("/?a=1", "http://localhost/?a=1"),
        ],
    )
    def test_same_target(self, app, path, uri):
        browser = Browser(app)
        browser.take(browser.http.get(path))
        response = browser.http.get(path, headers=browser.header(uri))
        assert response.status_code == 200

    @pytest.mark.parametrize(
        ("path", "uri"),
        [
            ("/", "//"),
            ("/", "/evil/"),
            ("/", "/x"),
            ("/", "/?a"),
            ("/?a=1", "/"),
            ("/?a=1&b=2", "/?a=1%26b=2"),
            ("/?a=1&b=2", "/?b=2&a=1"),
            ("/a b/x", "/evil/a b/x"),
            ("/a b/x", "/A b/x"),
            ("/", "http://evil.example/"),
            ("/", "http://[/"),
            ("/", "ftp://localhost/"),
            ("/", "*"),
            ("/", ""),
        ],
    )
    def test_another_target(self, app, path, uri):
        browser = Browser(app)
        browser.take(browser.http.get(path))
        response = browser.http.get(path, headers=browser.header(uri))
        assert response.status_code == 401

    def test_method_counts(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        header = browser.header("/", method="POST")
        assert browser.http.get("/", headers=header).status_code == 401

    def ask(self, app, uri, environ, path="/"):
        browser = Browser(app)
        browser.take(browser.http.get(path))
        return browser.http.get(
            path, headers=browser.header(uri), environ=environ
        ).status_code

    def test_behind_script_name(self, app):
        environ = {"SCRIPT_NAME": "/app"}
        assert self.ask(app, "/app/", environ) == 200
        utf8 = {"SCRIPT_NAME": "/\xc3\xa9"}
        assert self.ask(app, "/%C3%A9/", utf8) == self.ask(app, "/é/", utf8) == 200
        assert self.ask(app, "/", environ) == 200
        assert self.ask(app, "/ap/", environ) == 401

    @pytest.mark.parametrize(
        ("trusted", "status"), [(None, 200), (("10.0.0.1",), 200), ((), 401)]
    )
    def test_behind_a_prefix_stripping_proxy(self, app, trusted, status):
        app.trusted_proxies = trusted
        environ = {
            "HTTP_X_FORWARDED_PREFIX": "/app/, /other",
            "REMOTE_ADDR": "10.0.0.1",
        }
        assert self.ask(app, "/app/", environ) == status
        assert self.ask(app, "/other/", environ) == 401

    def test_request_that_has_only_a_full_path(self):
        req = SimpleNamespace(full_path="/a?b=1", path=None, query=None, environ=None)
        assert digest.is_target("/a?b=1", req)
        assert not digest.is_target("/x/a?b=1", req)


class TestReplay:
    def ask(self, browser, **changes):
        return browser.http.get("/", headers=browser.header("/", **changes))

    @pytest.fixture
    def browser(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        return browser

    def test_same_credentials_are_let_in_once(self, browser):
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        again = browser.http.get("/", headers=header)
        assert browser.take(again)["stale"] == "true"

    def test_counts_may_come_out_of_order(self, browser):
        order = [5, 3, 1, 2, 4, 70, 69, 7, 134, 71]
        assert [self.ask(browser, nc=f"{n:08x}").status_code for n in order] == [
            200
        ] * 10
        for count in (1, 5, 70, 71, 134):
            assert self.ask(browser, nc=f"{count:08x}").status_code == 401

    def test_count_behind_the_window_is_refused(self, browser):
        assert self.ask(browser, nc="00000064").status_code == 200
        assert self.ask(browser, nc="00000024").status_code == 401
        assert self.ask(browser, nc="00000025").status_code == 200

    def test_other_cnonce_has_its_own_counts(self, browser):
        assert self.ask(browser, nc="00000001").status_code == 200
        assert self.ask(browser, nc="00000001", cnonce="another").status_code == 200

    def test_wrong_password_uses_nothing_up(self, browser):
        browser.password = "guess"
        assert self.ask(browser, nc="00000001").status_code == 401
        browser.password = "secret"
        assert self.ask(browser, nc="00000001").status_code == 200

    def test_without_qop_the_same_response_is_let_in_once(self, app, browser):
        app.auth_qop = None
        browser.take(browser.http.get("/"))
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        assert browser.take(browser.http.get("/", headers=header))["stale"]

    def test_nonce_of_get_token_works_and_is_checked(self, app, browser):
        browser.challenge["nonce"] = get_token(app.secret_key, AGENT, app.auth_timeout)
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        assert browser.http.get("/", headers=header).status_code == 401

    def test_pure_checks_note_nothing(self, app, browser):
        environ = browser.http.environ("GET", "/", headers=browser.header("/"))
        req = app.request_class(environ, app)
        assert all(check_credentials(req, REALM) for _ in range(3))
        authenticate(req, REALM)
        assert check_credentials(req, REALM)
        with pytest.raises(HTTPException) as caught:
            authenticate(app.request_class(environ, app), REALM)
        assert caught.value.args == (401, {"realm": REALM, "stale": True})

    def test_one_request_may_be_checked_twice(self, app):
        @app.route("/both")
        @check_digest(REALM)
        @check_digest(REALM, "joe")
        def both(req):
            return req.user

        app.add_before_response(lambda req: authenticate(req, REALM))
        browser = Browser(app)
        browser.take(browser.http.get("/both"))
        header = browser.header("/both")
        assert browser.http.get("/both", headers=header).text == "joe"
        assert browser.http.get("/both", headers=header).status_code == 401

    def test_applications_have_their_own_memory(self, browser):
        other = make_app("other")
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        client = TestClient(other, headers={"User-Agent": AGENT})
        assert client.get("/", headers=header).status_code == 200

    def test_threads_let_one_in(self, app, browser):
        header = browser.header("/")
        environ = browser.http.environ("GET", "/", headers=header)
        barrier, outcomes = threading.Barrier(8), []

        def ask():
            req = app.request_class(dict(environ), app)
            barrier.wait()
            try:
                authenticate(req, REALM)
            except HTTPException:
                outcomes.append(401)
            else:
                outcomes.append(200)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [200] + [401] * 7

    def test_expired_nonce_is_stale(self, clock, browser):
        clock.now += 601
        assert browser.take(self.ask(browser))["stale"] == "true"

    def test_key_rotation(self, app, browser):
        app.secret_key = ["new key", "a secret key"]
        assert self.ask(browser).status_code == 200
        app.secret_key = ["new key"]
        assert browser.take(self.ask(browser))["stale"] == "true"


class TestWindow:
    def nonces(self, count, step=1):
        for number in range(count):
            yield f"01{1000 + number // step:010x}{number:032x}" + "0" * 32

    def test_memory_is_bounded(self):
        window = ReplayWindow()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for nonce in self.nonces(5 * window.LIMIT):
            assert window.let_in(nonce, "joe 1", 1)
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        assert peak <= 1_000_000
        assert len(window._states) <= window.LIMIT

    def test_nothing_forgotten_is_let_in_again(self, monkeypatch):
        monkeypatch.setattr(ReplayWindow, "LIMIT", 16)
        window = ReplayWindow()
        nonces = list(self.nonces(100, step=4))
        let_in = [nonce for nonce in nonces if window.let_in(nonce, "joe", 1)]
        assert len(let_in) > 50
        assert not any(window.let_in(nonce, "joe", 1) for nonce in let_in)

    def test_nonces_without_a_time_are_forgotten_by_their_first_use(self, monkeypatch):
        monkeypatch.setattr(ReplayWindow, "LIMIT", 4)
        window = ReplayWindow()
        for number in range(4):
            monkeypatch.setattr(time, "time", lambda number=number: 1000.0 + number)
            assert window.let_in("token", f"joe {number}", 1)
        assert window.let_in("token", "joe 4", 1)
        assert not window.let_in("token", "joe 3", 1)
        assert window.let_in("token", "joe 5", 1)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.integers(1, 200), max_size=60))
    def test_model(self, counts):
        """Let in: not seen, and less than 64 behind the highest."""
        window, seen = ReplayWindow(), set()
        for count in counts:
            expected = count not in seen and count > max(seen, default=0) - 64
            assert window.let_in("nonce", "joe", count) is expected
            if expected:
                seen.add(count)


class TestHostsWithNamesOfTheirOwn:
    """As uWSGI has them when it speaks HTTP: SERVER_NAME is the machine's."""

    def ask(self, app, header, name="host2"):
        environ = TestClient(app).environ("GET", "/", headers=header)
        environ.update(SERVER_NAME=name, HTTP_USER_AGENT=AGENT)
        authenticate(app.request_class(environ, app), REALM)

    @pytest.fixture
    def browser(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        return browser

    def test_one_takes_what_another_asked_for(self, app, clock, browser):
        self.ask(app, browser.header("/"))
        clock.now += 301
        info = browser.http.get("/", headers=browser.header("/")).headers
        nonce = re.search(r'nextnonce="(\w+)"', info["Authentication-Info"])[1]
        browser.challenge["nonce"] = nonce
        self.ask(app, browser.header("/"), "host3")

    @pytest.mark.parametrize(
        "opaque", ["", "x", "é", None, hashlib.sha256(b"host4").hexdigest()]
    )
    def test_opaque_of_another_challenge_is_refused(self, app, browser, opaque):
        with pytest.raises(HTTPException):
            self.ask(app, browser.header("/", opaque=opaque))

    def test_nonce_of_get_token_holds_on_one_host(self, app, browser):
        browser.challenge["nonce"] = get_token(app.secret_key, AGENT, app.auth_timeout)
        with pytest.raises(HTTPException):
            self.ask(app, browser.header("/"))
        self.ask(app, browser.header("/"), "localhost")


class FakeStore:
    def __init__(self):
        self.keys = {}

    def add(self, key, value, life):
        if key in self.keys:
            return False
        self.keys[key] = life
        return True


class Broken:
    asked = 0

    def add(self, *args):
        self.asked += 1
        raise OSError("store is away")


class TestSharedStore:
    def test_processes_let_one_in(self):
        store = FakeStore()
        apps = [make_app("one"), make_app("two")]
        for app in apps:
            app.auth_store = store
        browser = Browser(apps[0])
        browser.take(browser.http.get("/"))
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        other = TestClient(apps[1], headers={"User-Agent": AGENT})
        assert other.get("/", headers=header).status_code == 401
        (life,) = store.keys.values()
        assert life == 600

    def test_nonces_without_end_are_kept_long(self, app):
        app.auth_store = FakeStore()
        app.auth_timeout = None
        assert Browser(app).get("/").status_code == 200
        assert min(app.auth_store.keys.values()) > 86400

    def test_own_window_holds_while_the_store_is_away(self, app, caplog):
        app.auth_store = Broken()
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        assert browser.http.get("/", headers=header).status_code == 401
        assert caplog.text.count("Store of HTTP Digest failed") == 1

    def test_own_window_knows_what_the_store_let_in(self, app):
        app.auth_store = FakeStore()
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        header = browser.header("/")
        assert browser.http.get("/", headers=header).status_code == 200
        app.auth_store = Broken()
        assert browser.http.get("/", headers=header).status_code == 401

    def test_store_that_failed_is_asked_again_later(self, app, clock):
        app.auth_store = Broken()
        browser = Browser(app)
        assert browser.get("/").status_code == 200
        assert browser.get("/").status_code == 200
        assert app.auth_store.asked == 1
        clock.now += 6
        assert browser.get("/").status_code == 200
        assert app.auth_store.asked == 2


class TestInfo:
    def test_next_nonce_in_the_second_half_of_life(self, app, clock):
        browser = Browser(app)
        assert "Authentication-Info" not in browser.get("/").headers
        clock.now += 301
        info = browser.get("/").headers["Authentication-Info"]
        browser.challenge["nonce"] = re.fullmatch(r'nextnonce="(\w+)"', info)[1]
        clock.now += 400
        assert browser.get("/").status_code == 200

    def test_no_next_nonce_without_a_timeout(self, app, clock):
        app.auth_timeout = None
        browser = Browser(app)
        browser.get("/")
        clock.now += 1e6
        assert "Authentication-Info" not in browser.get("/").headers

    @pytest.mark.parametrize("algorithm", ["MD5-sess", "SHA-256"])
    def test_mutual(self, algorithm):
        app = make_app(algorithm, algorithm)

        @app.route("/mutual")
        @check_digest(REALM, mutual=True)
        def mutual(req):
            return Response("proved")

        browser = Browser(app, cnonce='quo"te')
        browser.take(browser.http.get("/mutual"))
        header = browser.header("/mutual")["Authorization"]
        header = header.replace('quo"te', 'quo\\"te')
        response = browser.http.get("/mutual", headers={"Authorization": header})
        info = parse_challenge(f"Digest {response.headers['Authentication-Info']}")
        fields = {"nonce": browser.challenge["nonce"], "uri": "/mutual", **info}
        assert info["rspauth"] == browser.response("", fields)
        assert (info["cnonce"], info["nc"]) == ('quo"te', "00000001")


class TestUserHash:
    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256-sess"])
    def test_hash_instead_of_the_name(self, algorithm):
        app = make_app(algorithm, algorithm)
        hashed = kd(algorithm, "joe", REALM)
        changes = {"username": hashed, "userhash": "true"}
        assert Browser(app).get("/", **changes).status_code == 401
        app.auth_userhash = True
        assert Browser(app).get("/", **changes).text == "joe nobody"
        changes["username"] = kd(algorithm, "eve", REALM)
        assert Browser(app).get("/", **changes).status_code == 401
        app.auth_map.set(REALM, "eve", kd(algorithm, "eve", REALM, "secret"))
        assert Browser(app, "eve").get("/", **changes).text == "eve nobody"


class TestSeveralAlgorithms:
    @pytest.fixture
    def app(self, app):
        app.auth_maps = {
            name: {REALM: {"joe": kd(name, "joe", REALM, "secret")}}
            for name in ("SHA-512-256", "SHA-256-sess", "MD5")
        }
        return app

    def test_each_has_a_challenge(self, app):
        headers = TestClient(app).get("/").headers.get_all("WWW-Authenticate")
        challenges = [parse_challenge(header) for header in headers]
        names = [challenge["algorithm"] for challenge in challenges]
        assert names == ["SHA-512-256", "SHA-256-sess", "MD5"]
        assert len({challenge["nonce"] for challenge in challenges}) == 3

    def test_client_chooses(self, app):
        headers = TestClient(app, headers={"User-Agent": AGENT}).get("/").headers
        for header in headers.get_all("WWW-Authenticate"):
            browser = Browser(app)
            browser.challenge = parse_challenge(header)
            assert browser.get("/").text == "joe nobody"
            browser.password = "guess"
            assert browser.get("/").status_code == 401

    def test_what_was_not_offered_is_refused(self, app):
        browser = Browser(app)
        browser.take(browser.http.get("/"))
        browser.challenge["algorithm"] = "SHA-256"
        assert browser.get("/").status_code == 401
        req = SimpleNamespace(app=app, authorization={"algorithm": "SHA-256"})
        assert not check_response(req, "0" * 64)


class TestPasswordMap:
    def test_written_is_loaded(self, tmp_path):
        passwords = PasswordMap(tmp_path / "users")
        passwords.set("Zone", "joe", "digest")
        passwords.set("Zone", "řehoř", "digest 2")
        passwords.set("Other", "joe", "digest 3")
        passwords.write()
        other = PasswordMap(tmp_path / "users")
        other.load()
        assert other == passwords
        assert other["Other"]["joe"] == "digest 3"

    def test_file_is_private_and_replaced_at_once(self, tmp_path):
        path = tmp_path / "users"
        path.write_text("old")
        path.chmod(0o644)
        passwords = PasswordMap(path)
        passwords.set("Zone", "joe", "digest")
        with path.open() as reader:
            passwords.write()
            assert reader.read() == "old"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == "joe:Zone:digest\n"
        assert os.listdir(tmp_path) == ["users"]

    def test_link_stays_a_link(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "users")
        PasswordMap(tmp_path / "link").write()
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "users").read_text() == ""

    def test_failed_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "users"
        path.write_text("old")

        def fail(*args):
            raise OSError("disk full")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="disk full"):
            PasswordMap(path).write()
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["users"]

    def test_blank_lines_and_comments_are_skipped(self, tmp_path):
        path = tmp_path / "users"
        path.write_text("\n# comment\njoe:Zone:digest\n   \n")
        passwords = PasswordMap(path)
        passwords.load()
        assert passwords == {"Zone": {"joe": "digest"}}

    @pytest.mark.parametrize("line", ["joe", "joe:Zone", "a:b:c:d", ":Zone:x", "a:b:"])
    def test_bad_line_is_named(self, tmp_path, line):
        path = tmp_path / "users"
        path.write_text(f"joe:Zone:digest\n{line}\n")
        with pytest.raises(ValueError, match=r"users:2: not user:realm:digest"):
            PasswordMap(path).load()

    @pytest.mark.parametrize(
        "name", ["", "a:b", "a\nb", "a\rb", "a\x85b", "\0", "#a", " a"]
    )
    def test_name_cannot_add_a_line(self, tmp_path, name):
        passwords = PasswordMap(tmp_path / "users")
        with pytest.raises(ValueError, match="colon or line break"):
            passwords.set("Zone", name, "digest")
        with pytest.raises(ValueError, match="colon or line break"):
            passwords.set(name, "joe", "digest")
        passwords["Zone"][name] = "digest"
        with pytest.raises(ValueError, match="colon or line break"):
            passwords.write()
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("call", ["load", "write"])
    def test_pathname_is_needed(self, call):
        with pytest.raises(RuntimeError, match=r"No pathname was set\."):
            getattr(PasswordMap(), call)()

    def test_find_verify_delete(self):
        passwords = PasswordMap()
        passwords.set("Zone", "joe", "digest")
        assert passwords.find("Zone", "joe") == "digest"
        assert passwords.find("Zone", "eve") is None
        assert passwords.find("Other", "joe") is None
        assert passwords.verify("Zone", "joe", "digest")
        assert not passwords.verify("Zone", "joe", "digesu")
        assert not passwords.verify("Zone", "eve", "digest")
        assert not passwords.verify("Zone", "eve", "")
        assert passwords.delete("Zone", "joe")
        assert not passwords.delete("Zone", "joe")
        assert not passwords.delete("Other", "joe")
        assert "Other" not in passwords


class TestTool:
    @pytest.fixture
    def passwords(self, tmp_path):
        path = tmp_path / "users"
        path.write_text(f"joe:Zone:{hexdigest('joe', 'Zone', 'secret')}\n")
        return path

    @pytest.fixture
    def typed(self, monkeypatch):
        """What is typed at the prompts, in order."""
        answers = []
        monkeypatch.setattr(digest, "getpass", lambda prompt: answers.pop(0))
        return answers

    def test_create_truncates(self, passwords, typed, capsys):
        typed += ["new", "new"]
        assert main(["-c", str(passwords), "Zone", "eve"]) == 0
        assert "Adding user `eve` in realm `Zone`." in capsys.readouterr().out
        stored = hexdigest("eve", "Zone", "new")
        assert passwords.read_text() == f"eve:Zone:{stored}\n"

    @pytest.mark.parametrize(
        ("flag", "algorithm"),
        [("-m", "MD5"), ("-s", "SHA-256"), ("--sha512-256", "SHA-512-256")],
    )
    def test_change(self, passwords, typed, capsys, flag, algorithm):
        typed += ["new", "new"]
        assert main([flag, str(passwords), "Zone", "joe"]) == 0
        assert "Changing password for user `joe`" in capsys.readouterr().out
        assert (
            passwords.read_text() == f"joe:Zone:{kd(algorithm, 'joe', 'Zone', 'new')}\n"
        )
        typed += ["new", "old"]
        assert main(["-v", flag, str(passwords), "Zone", "joe"]) == 0
        assert main(["-v", flag, str(passwords), "Zone", "joe"]) == 2
        assert capsys.readouterr().out == "Valid user.\nInvalid user.\n"

    def test_print_only(self, typed, capsys):
        typed += ["looser", "looser"]
        assert main(["-n", "User Zone", "user"]) == 0
        line = "user:User Zone:99f490dffe2c74a7f13d0cf9b61098a5\n"
        assert capsys.readouterr().out == line

    def test_delete(self, passwords, capsys):
        assert main(["-D", str(passwords), "Zone", "eve"]) == 0
        assert main(["-D", str(passwords), "Zone", "joe"]) == 0
        out = capsys.readouterr().out
        assert out == "User `eve` not found.\nUser `joe` was be deleted.\n"
        assert passwords.read_text() == ""

    @pytest.mark.parametrize("options", [["-n"], ["FILE"]])
    def test_passwords_that_differ(self, passwords, typed, capsys, options):
        typed += ["new", "other"]
        before = passwords.read_text()
        options = [str(passwords) if name == "FILE" else name for name in options]
        assert main([*options, "Zone", "joe"]) == 1
        assert "They don't match, sorry." in capsys.readouterr().out
        assert passwords.read_text() == before

    @pytest.mark.parametrize(
        "argv",
        [
            ["Zone", "joe"],
            ["missing", "Zone", "joe"],
            ["-v", "missing", "Zone", "joe"],
            ["-c", "-D", "missing", "Zone", "joe"],
            ["-m", "-s", "-n", "Zone", "joe"],
            ["Zone"],
        ],
    )
    def test_wrong_use_is_exit_2(self, argv, capsys, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as caught:
            main(argv)
        assert caught.value.code == 2
        assert "usage:" in capsys.readouterr().err

    @pytest.mark.parametrize("options", [["-n"], ["FILE"]])
    def test_bad_name_is_a_message(self, passwords, typed, capsys, options):
        typed += ["new", "new"]
        options = [str(passwords) if name == "FILE" else name for name in options]
        with pytest.raises(SystemExit):
            main([*options, "Zone", "a:b"])
        assert "colon or line break" in capsys.readouterr().err

    def test_version(self):
        command = [sys.executable, "-m", "poorwsgi.digest", "--version"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert re.fullmatch(r"PoorWSGI poorwsgi\.digest \S+\.\n", out)


def test_nonce_of_the_page_is_a_checked_nonce(app):
    challenge = TestClient(app, headers={"User-Agent": AGENT}).get("/").headers
    nonce = parse_challenge(challenge["WWW-Authenticate"])["nonce"]
    assert len(nonce) == len(get_nonce("x", AGENT))
