"""The client: logins, streams in, answers of a failing test, the pytest plugin."""

import pytest

from poorwsgi import Application, state
from poorwsgi.digest import PasswordMap, check_digest, hexdigest
from poorwsgi.testing import Login, TestClient

pytest_plugins = "pytester"


@pytest.fixture
def app(request):
    return Application(request.node.nodeid)


# -- logins


@pytest.mark.parametrize(
    ("algorithm", "qop"),
    [
        ("MD5", "auth"),
        ("MD5", None),
        ("MD5-sess", "auth"),
        ("SHA-256", "auth"),
        ("SHA-256", None),
        ("SHA-256-sess", "auth"),
        ("SHA-512-256", "auth"),
    ],
)
def test_the_client_logs_in_by_digest(app, algorithm, qop):
    """It is asked once; then each request has an answer of its own."""
    app.secret_key = "a key of the test"
    app.auth_type = "Digest"
    app.auth_algorithm, app.auth_qop = algorithm, qop
    digest = hexdigest("me", "Zone", "pass", app.auth_hash)
    app.auth_map = PasswordMap()
    app.auth_map.set("Zone", "me", digest)

    @app.route("/in", state.METHOD_ALL)
    @check_digest("Zone")
    def inside(req):
        return f"hello {req.user}"

    client = TestClient(app)
    client.login("me", "pass")
    assert client.get("/in").text == "hello me"
    asked = client._login._challenge["nonce"]
    if qop:
        assert client.get("/in?a=%20b", query={"c": "é"}).text == "hello me"
        assert client.post("/in", data={"a": "b"}).text == "hello me"
        assert client._login._challenge["nonce"] == asked
    client.login("me", "wrong")
    assert client.get("/in").status_code == 401
    client.logout()
    assert client.get("/in").status_code == 401


def asks(*challenges):
    """Return an application that wants one of these, and shows what it gets."""

    def application(environ, start_response):
        given = environ.get("HTTP_AUTHORIZATION", "")
        headers = [("Content-Type", "text/plain")]
        if not given:
            headers += [("WWW-Authenticate", one) for one in challenges]
        start_response("200 OK" if given else "401 Unauthorized", headers)
        return [given.encode()]

    return application


def test_the_client_logs_in_by_basic():
    client = TestClient(asks('Basic realm="x", charset="UTF-8"'))
    client.login("mé", "p:w")
    assert client.get("/").text == "Basic bcOpOnA6dw=="
    assert client.get("/", headers={"Authorization": "own"}).text == "own"


def test_the_first_challenge_that_can_be_answered_is_taken():
    client = TestClient(
        asks("Negotiate", 'Digest realm="r", nonce="n", algorithm=SHA-3', "Basic")
    )
    client.login("a", "b")
    assert client.get("/").text.startswith("Basic ")
    client = TestClient(asks("Negotiate"))
    client.login("a", "b")
    assert client.get("/").status_code == 401


def test_the_example_of_the_rfc():
    """RFC 7616, 3.9.1: the response for SHA-256."""
    login = Login("Mufasa", "Circle of Life")
    login.learn(
        [
            'Digest realm="http-auth@example.org", qop="auth, auth-int", '
            'algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
        ]
    )
    import poorwsgi.testing as module

    real = module.secrets.token_hex
    module.secrets.token_hex = lambda size: (
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    try:
        header = login.authorization("GET", "/dir/index.html")
    finally:
        module.secrets.token_hex = real
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in header
    assert "nc=00000001" in header


# -- streams in


@pytest.mark.parametrize("chunked", [True, "decoded"])
def test_an_iterator_is_read_block_by_block(app, chunked):
    """The application has the first block before the second one is made."""
    seen = []

    def blocks():
        yield b"one"
        seen.append("made two")
        yield b"two"

    @app.post("/")
    def upload(req):
        block = req.read_chunk() if chunked is True else req.read(3)
        seen.append(block)
        return block + (req.read_chunk() if chunked is True else req.read(3))

    answer = TestClient(app, validate=False).post("/", body=blocks(), chunked=chunked)
    assert answer.data == b"onetwo"
    assert seen == [b"one", "made two"]


# -- what a failing test shows


def test_an_answer_that_is_expected_comes_back(app):
    client = TestClient(app)
    assert client.get("/none").expect(404, 410).status_code == 404
    with pytest.raises(AssertionError, match="expected 200, got\n<GET /none -> 404"):
        client.get("/none").expect(200)


PROGRAM = """
from poorwsgi import Application

application = Application("plugin_of_test")


@application.route("/")
def hello(req):
    return "hello from the program"
"""


@pytest.fixture
def project(pytester, monkeypatch):
    pytester.makepyfile(program=PROGRAM)
    pytester.makeini("[pytest]\nwsgi_app = program.py\n")
    # The plugin comes by its entry point, or for this run by its name.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    return lambda *args: pytester.runpytest_subprocess(
        "-p", "poorwsgi.pytest_plugin", *args
    )


def test_the_plugin_gives_clients_and_servers(pytester, project):
    """Of the application that the settings name."""
    pytester.makepyfile(
        """
        from urllib.request import urlopen

        def test_client(wsgi_client):
            assert wsgi_client.get("/").text == "hello from the program"

        def test_server(wsgi_server):
            with urlopen(wsgi_server.url) as answer:
                assert answer.read() == b"hello from the program"
        """
    )
    project().assert_outcomes(passed=2)


def test_a_failing_test_shows_its_answers(pytester, project):
    """Status, headers, and the start of the body."""
    pytester.makepyfile(
        """
        def test_client(wsgi_client):
            status = wsgi_client.get("/").status_code
            assert status == 404
        """
    )
    result = project()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*- Answers of the application -*", "<GET / -> 200 OK", "*hello from the pr*"]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--wsgi-app", "nowhere.py"], "*no such file: nowhere.py*"),
        (["-o", "wsgi_app="], "*name the application: wsgi_app = module:attribute*"),
    ],
)
def test_a_name_that_is_none_is_said(pytester, project, arguments, message):
    pytester.makepyfile("def test_client(wsgi_client): ...")
    result = project(*arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_tests_without_a_client_load_nothing(pytester, project):
    pytester.makepyfile(
        """
        import sys

        def test_nothing():
            assert "poorwsgi.testing" not in sys.modules
            assert "poorwsgi.wsgi" not in sys.modules
        """
    )
    project().assert_outcomes(passed=1)
