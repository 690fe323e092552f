"""TestClient and LiveServer, tried on plain WSGI functions."""

import doctest
import io
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from poorwsgi.testing import CookieJar, LiveServer, TestClient, free_port


def echo(environ, start_response):
    """Answer with what came in, as JSON."""
    length = int(environ.get("CONTENT_LENGTH") or -1)
    seen = {k: v for k, v in environ.items() if isinstance(v, str)}
    seen["body"] = environ["wsgi.input"].read(length).decode("latin-1")
    body = json.dumps(seen).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def answers(status="200 OK", headers=(("Content-Type", "text/plain"),), body=()):
    """Return an application that always answers the same."""

    def application(environ, start_response):
        start_response(status, list(headers))
        return list(body)

    return application


@pytest.fixture
def client():
    return TestClient(echo)


@pytest.mark.parametrize(
    ("path", "query", "path_info", "query_string"),
    [
        ("/", "", "/", ""),
        ("", "", "/", ""),
        ("/a b", "", "/a b", ""),
        ("/a%20b", "", "/a b", ""),
        ("/ž", "", "/\xc5\xbe", ""),
        ("//x/y", "", "//x/y", ""),
        ("/p?x=1", "", "/p", "x=1"),
        ("/p", {"a": "1 2", "b": ["3", "4"]}, "/p", "a=1+2&b=3&b=4"),
        ("/p?x=1", [("y", "2")], "/p", "x=1&y=2"),
        ("/p", "raw=%00&", "/p", "raw=%00&"),
        ("/p?q=ž", "", "/p", "q=%C5%BE"),
        ("http://localhost/abs?x=1", "", "/abs", "x=1"),
    ],
)
def test_path_and_query_reach_the_environ(client, path, query, path_info, query_string):
    """The path is decoded to one character a byte, the query stays encoded."""
    environ = client.get(path, query=query).json
    assert environ["PATH_INFO"] == path_info
    assert environ["QUERY_STRING"] == query_string


@pytest.mark.parametrize(
    "method", ["get", "head", "post", "put", "patch", "delete", "options"]
)
def test_each_method_has_a_function(client, method):
    """A method of the client makes the request method of that name."""
    response = getattr(client, method)("/x")
    assert response.environ["REQUEST_METHOD"] == method.upper()
    assert response.status == "200 OK"
    assert (response.data == b"") == (method == "head")


@pytest.mark.filterwarnings("error")
def test_unknown_method_is_sent_without_a_warning(client):
    """A method that the validator doesn't know is no warning of the test."""
    assert client.request("BREW", "/").json["REQUEST_METHOD"] == "BREW"


def test_host_scheme_and_port_follow_the_base_url():
    """The application sees the host that base_url names."""
    environ = TestClient(echo, "https://example.org:8443").get("/").json
    assert environ["HTTP_HOST"] == "example.org:8443"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("example.org", "8443")
    assert TestClient(echo, "https://a").environ("GET", "/")["SERVER_PORT"] == "443"
    assert TestClient(echo, "https://a").environ("GET", "/")["wsgi.url_scheme"] == (
        "https"
    )


def test_headers_of_the_client_give_way_to_those_of_the_request():
    """Names ignore case; a repeated one is joined; text is UTF-8 on the wire."""
    client = TestClient(echo, headers={"X-One": "1", "X-Two": "2"})
    headers = [("x-two", "ž"), ("Accept", "a"), ("accept", "b"), ("Cookie", "c=1")]
    environ = client.get("/", headers=headers).json
    assert environ["HTTP_X_ONE"] == "1"
    assert environ["HTTP_X_TWO"] == "\xc5\xbe"
    assert environ["HTTP_ACCEPT"] == "a, b"
    assert environ["HTTP_COOKIE"] == "c=1"


def test_environ_has_the_last_word():
    """Keys given as environ replace what was built, None takes one away."""
    client = TestClient(echo, environ={"REMOTE_ADDR": "10.0.0.1", "X": "client"})
    environ = client.get("/", environ={"X": "request", "HTTP_HOST": None}).json
    assert (environ["REMOTE_ADDR"], environ["X"]) == ("10.0.0.1", "request")
    assert "HTTP_HOST" not in environ


@pytest.mark.parametrize(
    ("options", "content_type", "body"),
    [
        ({"json": {"a": [1]}}, "application/json", b'{"a": [1]}'),
        ({"json": None}, "application/json", b"null"),
        (
            {"data": {"a": "1 ", "b": ["x", "y"]}},
            "application/x-www-form-urlencoded",
            b"a=1+&b=x&b=y",
        ),
        ({"body": b"\x00\xff"}, None, b"\x00\xff"),
        ({"body": "text ž"}, None, b"text \xc5\xbe"),
        ({"body": iter([b"a", b"bc"])}, None, b"abc"),
        ({}, None, b""),
    ],
)
def test_body_comes_with_its_length_and_type(client, options, content_type, body):
    """Each kind of body arrives whole and is described by the headers."""
    environ = client.post("/", **options).json
    assert environ["body"].encode("latin-1") == body
    assert environ["CONTENT_LENGTH"] == str(len(body))
    assert environ.get("CONTENT_TYPE") == content_type


def test_content_type_of_the_request_wins(client):
    """A body of JSON may be called something else."""
    headers = {"Content-Type": "application/merge-patch+json"}
    environ = client.patch("/", json={}, headers=headers).json
    assert environ["CONTENT_TYPE"] == "application/merge-patch+json"


def test_multipart_has_fields_and_files(client, tmp_path):
    """Fields come first, then files with name and type, each part on its own."""
    (tmp_path / "page.html").write_bytes(b"<p>\r\n--x")
    with (tmp_path / "page.html").open("rb") as page:
        files = {
            "page": page,
            "raw": b"\x00",
            "pair": [('a"b.txt', "one"), ("c.bin", b"two", "x/y")],
        }
        environ = client.post("/", data={"n": "1"}, files=files).json
    kind, _, boundary = environ["CONTENT_TYPE"].partition("; boundary=")
    assert kind == "multipart/form-data"
    body = environ["body"].encode("latin-1")
    assert int(environ["CONTENT_LENGTH"]) == len(body)
    edge = b"--" + boundary.encode()
    start, *parts, end = body.split(edge)
    assert (start, end) == (b"", b"--\r\n")
    disposition = b"\r\nContent-Disposition: form-data; name="
    assert parts == [
        disposition + b'"n"\r\n\r\n1\r\n',
        disposition + b'"page"; filename="page.html"\r\nContent-Type: text/html'
        b"\r\n\r\n<p>\r\n--x\r\n",
        disposition + b'"raw"; filename="raw"\r\nContent-Type: application/octet-stream'
        b"\r\n\r\n\x00\r\n",
        disposition + b'"pair"; filename="a%22b.txt"\r\nContent-Type: text/plain'
        b"\r\n\r\none\r\n",
        disposition + b'"pair"; filename="c.bin"\r\nContent-Type: x/y\r\n\r\ntwo\r\n',
    ]


@pytest.mark.parametrize(
    ("chunked", "body"),
    [(True, "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), ("decoded", "abc")],
)
def test_chunked_body_has_no_length(client, chunked, body):
    """Servers hand a chunked body over as it is, or decoded and terminated."""
    environ = client.post("/", body=[b"a", b"", b"bc"], chunked=chunked).json
    assert environ["body"] == body
    assert environ["HTTP_TRANSFER_ENCODING"] == "chunked"
    assert "CONTENT_LENGTH" not in environ


def test_a_file_as_body_is_the_input_itself(client):
    """So a test may bring an input that is slow, short or broken."""
    source = io.BytesIO(b"12345")
    headers = {"Content-Length": "3"}
    environ = client.environ("POST", "/", body=source, headers=headers)
    assert environ["wsgi.input"] is source
    assert client.post("/", body=source, headers=headers).json["body"] == "123"


def test_answer_is_read_in_every_way():
    """Status, headers without regard to case, body as bytes, text, blocks."""
    headers = [
        ("Content-Type", "text/plain; charset=iso-8859-2"),
        ("X-A", "1"),
        ("X-A", "2"),
    ]
    response = TestClient(answers("404 Not Here", headers, [b"\xbe", b"luty"])).get("/")
    assert (response.status_code, response.reason) == (404, "Not Here")
    assert response.headers["x-a"] == "1"
    assert response.headers.get_all("X-a") == ["1", "2"]
    assert response.headers.items()[1:] == [("X-A", "1"), ("X-A", "2")]
    assert response.data == b"\xbeluty"
    assert response.text == "žluty"
    assert list(response) == [b"\xbe", b"luty"]
    assert list(response) == [b"\xbe", b"luty"]


def test_repr_tells_what_a_failed_assertion_needs():
    """Request, status, headers, start of the body, log and error are shown."""

    def application(environ, start_response):
        try:
            raise ValueError("boom")
        except ValueError:
            logging.getLogger("poorwsgi").exception("handler failed")
        return answers("500 Oops", body=[b"sorry"])(environ, start_response)

    text = repr(TestClient(application).put("/x"))
    assert text.startswith("<PUT /x -> 500 Oops")
    assert "Content-Type: text/plain" in text
    assert "body: 5 bytes b'sorry'" in text
    assert "log: ERROR handler failed" in text
    assert "error: ValueError('boom') in application (" in text


def test_an_answer_that_is_no_json_is_shown():
    with pytest.raises(ValueError, match="Expecting value") as raised:
        TestClient(answers("500 Oops", body=[b"sorry"])).get("/x").json  # noqa: B018
    assert "<GET /x -> 500 Oops" in raised.value.__notes__[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"params": {"a": 1}}, "params: the options are query, headers, json, data"),
        ({"data": b"raw"}, "data is the fields of a form"),
    ],
)
def test_what_would_be_ignored_is_a_mistake(client, options, message):
    """The names of other clients are not ours."""
    with pytest.raises(TypeError, match=message):
        client.post("/", **options)


def test_error_that_was_logged_is_kept_with_the_answer():
    """The application answered, so nothing is raised; the test can still look."""

    def application(environ, start_response):
        error = ValueError("boom")
        logging.getLogger("poorwsgi").error("failed", exc_info=error)
        return answers("500 Oops")(environ, start_response)

    before = list(logging.getLogger("poorwsgi").handlers)
    response = TestClient(application).get("/")
    assert isinstance(response.error, ValueError)
    assert [record.message for record in response.log] == ["failed"]
    assert logging.getLogger("poorwsgi").handlers == before


def broken(environ, start_response):
    raise LookupError("lost")


def test_error_that_left_the_application_is_raised():
    """It would have reached the server, so the test must see it."""
    with pytest.raises(LookupError, match="lost"):
        TestClient(broken).get("/")


def test_error_that_left_the_application_can_be_answered():
    """As a server does it: a bare 500."""
    response = TestClient(broken, raise_errors=False).get("/")
    assert response.status == "500 Internal Server Error"
    assert response.data == b"Internal Server Error"
    assert isinstance(response.error, LookupError)


def test_error_in_the_middle_of_a_body_closes_the_iterable():
    """The iterable is closed also when it fails."""
    body = Body([b"a", OSError("cut")])
    with pytest.raises(OSError, match="cut"):
        TestClient(with_body(body)).get("/")
    assert body.closed == 1


class Body:
    """An iterable that counts how often it is closed."""

    def __init__(self, blocks):
        self.blocks = iter(blocks)
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        if isinstance(block, Exception):
            raise block
        return block

    def close(self):
        self.closed += 1


def with_body(body):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body

    return application


def test_body_is_closed_once():
    """As PEP 3333 wants of the server."""
    body = Body([b"a", b"b"])
    response = TestClient(with_body(body)).get("/")
    response.close()
    assert (response.data, body.closed) == (b"ab", 1)


def test_stream_leaves_the_body_for_the_test_to_read():
    """Only the first block is asked for, close() may come at any time."""
    body = Body(iter(lambda: b"x", b""))
    with TestClient(with_body(body)).get("/", stream=True) as response:
        assert response.status_code == 200
        blocks = iter(response)
        assert [next(blocks) for _ in range(3)] == [b"x", b"x", b"x"]
        assert body.closed == 0
    assert body.closed == 1
    assert response.data == b"xxx"


def test_application_may_write():
    """The write() of start_response comes before the iterable."""

    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one ")
        return [b"two"]

    assert TestClient(application).get("/").data == b"one two"


def test_application_may_change_its_mind_until_the_first_block():
    """start_response a second time needs exc_info, and replaces the status."""

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ValueError
        except ValueError:
            headers = [("Content-Type", "text/html")]
            start_response("500 Oops", headers, sys.exc_info())
        return [b"x"]

    assert TestClient(application).get("/").status_code == 500


def no_start(environ, start_response):
    return iter(())


def no_start_but_body(environ, start_response):
    return [b"x"]


TYPE = ("Content-Type", "text/plain")


@pytest.mark.parametrize(
    "application",
    [
        no_start,
        no_start_but_body,
        answers("20 OK"),
        answers(headers=[]),
        answers(headers=[("Content-Length", "0")], body=[b"x"]),
        answers(headers=[("Content-Length", "0"), ("X-Bad", "a\nb")]),
        answers(headers=[TYPE, ("X-Bad", "a\nb")]),
        answers(body=["text"]),
        answers("204 No Content"),
        answers("204 No Content", headers=[], body=[b"x"]),
        answers("304 Not Modified", headers=[], body=[b"x"]),
        answers(headers=[TYPE, ("Content-Length", "5")], body=[b"x"]),
    ],
)
def test_what_breaks_the_standard_is_an_assertion_error(application):
    """Each call is validated, whatever raise_errors says."""
    with pytest.raises(AssertionError):
        TestClient(application, raise_errors=False).get("/")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PROPFIND"])
@pytest.mark.parametrize("status", ["202 Accepted", "404 Not Found"])
def test_an_empty_answer_needs_no_type(method, status):
    """The validator of the standard library is more than the standards here."""
    application = answers(status, headers=[("Content-Length", "0")])
    response = TestClient(application).request(method, "/")
    assert response.status == status
    assert response.headers.items() == [("Content-Length", "0")]


def test_validation_can_be_switched_off():
    """Hostile environs of a test are no fault of the application."""
    client = TestClient(echo, validate=False)
    assert client.get("/", environ={"PATH_INFO": "no-slash"}).status_code == 200
    with pytest.raises(AssertionError):
        TestClient(echo).get("/", environ={"PATH_INFO": "no-slash"})


def test_declined_is_no_broken_application():
    """An empty tuple without start_response says: somebody else answered."""
    response = TestClient(lambda environ, start_response: ()).get("/")
    assert response.declined
    assert (response.status_code, response.data) == (0, b"")
    assert not TestClient(answers()).get("/").declined


def redirecting(environ, start_response):
    """/303 and the like redirect to /, which echoes; /loop to itself."""
    where = environ["PATH_INFO"].strip("/")
    if not where:
        return echo(environ, start_response)
    target = {"loop": "/loop", "far": "http://far.example/", "dir/a": "../?n=1"}
    status = where if where.isdigit() else "302"
    headers = [TYPE, ("Location", target.get(where, "/")), ("Set-Cookie", "seen=1")]
    start_response(f"{status} Moved", headers)
    return []


@pytest.mark.parametrize(
    ("method", "status", "then"),
    [
        ("POST", "301", "GET"),
        ("POST", "302", "GET"),
        ("POST", "303", "GET"),
        ("PUT", "302", "PUT"),
        ("PUT", "303", "GET"),
        ("HEAD", "303", "HEAD"),
        ("POST", "307", "POST"),
        ("POST", "308", "POST"),
    ],
)
def test_redirects_are_followed_on_request(method, status, then):
    """Method and body of the next request are those of RFC 9110, 15.4."""
    client = TestClient(redirecting)
    first = client.request(method, "/" + status, json=[1])
    assert (first.status_code, first.location) == (int(status), "/")
    last = client.request(method, "/" + status, json=[1], follow_redirects=True)
    assert [response.status_code for response in last.history] == [int(status)]
    assert last.environ["REQUEST_METHOD"] == then
    assert last.environ["HTTP_COOKIE"] == "seen=1"
    if then in ("POST", "PUT"):
        assert last.json["body"] == "[1]"
    elif then == "GET":
        assert "CONTENT_LENGTH" not in last.json


def test_relative_redirect_starts_from_the_path():
    """Location is resolved as a browser does it; the query isn't kept."""
    response = TestClient(redirecting).get("/dir/a?x=1", follow_redirects=True)
    assert response.environ["QUERY_STRING"] == "n=1"


def test_the_fragment_of_a_redirect_is_for_browsers():
    headers = [TYPE, ("Location", "/x?a=1#top")]
    client = TestClient(answers("302 Moved", headers))
    with pytest.raises(RuntimeError, match=r"x\?a=1$"):
        client.get("/", follow_redirects=True)


def test_redirect_to_another_host_is_left_to_the_test():
    """There is no application to ask."""
    response = TestClient(redirecting).get("/far", follow_redirects=True)
    assert (response.status_code, response.history) == (302, [])


def test_endless_redirect_ends():
    """It is an error of the application, so it is said."""
    with pytest.raises(RuntimeError, match="more than 20 redirects"):
        TestClient(redirecting).get("/loop", follow_redirects=True)


PAST = "Sat, 01 Jan 2000 00:00:00 GMT"
FUTURE = "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("line", "path", "kept"),
    [
        ("a=1", "/", {"a": "1"}),
        ('a="1 2"; HttpOnly; Partitioned', "/", {"a": '"1 2"'}),
        ("a=b=c", "/", {"a": "b=c"}),
        ("a=1; Path=/x", "/", {}),
        ("a=1; Path=/x", "/x/y", {"a": "1"}),
        ("a=1; Path=/x", "/xy", {}),
        ("a=1; Secure", "/", {}),
        (f"a=1; expires={FUTURE}", "/", {"a": "1"}),
        (f"old=1; Expires={PAST}", "/", {}),
        ("old=1; Max-Age=0", "/", {}),
        (f"a=1; Max-Age=5; Expires={PAST}", "/", {"a": "1"}),
        ("a=1; Max-Age=soon; Expires=never; Path=here", "/", {"a": "1"}),
        (f"old=1; Max-Age=soon; Expires={PAST}", "/", {}),
    ],
)
def test_cookies_are_kept_and_sent_back(line, path, kept):
    """Path, Secure, Max-Age and Expires decide, as in a browser."""
    jar = CookieJar()
    jar.set("old", "x")
    jar.store(line, "/")
    pairs = [pair.split("=", 1) for pair in jar.header(path, False).split("; ") if pair]
    assert dict(pairs) == kept | ({} if line.startswith("old") else {"old": "x"})


def test_cookie_jar_can_be_looked_into():
    """A test reads, sets and clears cookies, and looks at their attributes."""
    headers = [TYPE, ("Set-Cookie", "sid=abc; Path=/in; SameSite=Lax; HttpOnly")]
    client = TestClient(answers(headers=headers))
    client.get("/in/deep")
    assert client.cookies["sid"] == "abc"
    assert client.cookies.attributes("sid")["samesite"] == "Lax"
    assert "HttpOnly" in client.cookies.attributes("sid")
    assert repr(client.cookies) == "<CookieJar sid='abc'>"
    client.cookies.set("mine", "1")
    assert client.cookies.header("/in", False) == "sid=abc; mine=1"
    client.cookies.clear()
    assert "sid" not in client.cookies
    with pytest.raises(KeyError):
        client.cookies["sid"]


def test_cookie_with_another_path_is_another_cookie():
    """Removing it needs the path that it was set with."""
    jar = CookieJar()
    jar.store("a=deep; Path=/x", "/")
    jar.store("a=top; Path=/", "/")
    assert jar.header("/x/y", False) == "a=deep; a=top"
    jar.store("a=; Max-Age=0; Path=/", "/")
    assert jar.header("/x/y", False) == "a=deep"


SERVER = """
import sys
from wsgiref.simple_server import make_server
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"alive"]
print("port", sys.argv[1], flush=True)
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""


def test_live_server_answers_and_ends():
    """It is up when the block begins and gone after it; its log stays."""
    with LiveServer([sys.executable, "-c", SERVER, "{port}"]) as server:
        with urlopen(server.url, timeout=10) as answer:
            assert answer.read() == b"alive"
        pid = server.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert f"port {server.port}" in server.log


def test_live_server_that_fails_shows_its_log():
    """The reason is in the message, not in a file somewhere."""
    program = "import sys; sys.exit('no such configuration')"
    with pytest.raises(RuntimeError, match="no such configuration"):
        LiveServer([sys.executable, "-c", program]).start()


STUBBORN = """
import signal, socket, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
here, test = int(sys.argv[1]), sys.argv[2]
held = f"import socket; socket.create_connection(('127.0.0.1', {test})).recv(1)"
child = subprocess.Popen([sys.executable, "-c", held])
listener = socket.create_server(("127.0.0.1", here))
child.wait()
"""


def test_live_server_that_will_not_end_is_killed_with_its_children():
    """After the time limit nothing that it started is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        port = str(listener.getsockname()[1])
        server = LiveServer([sys.executable, "-c", STUBBORN, "{port}", port])
        server.start()
        of_child, _ = listener.accept()
        with of_child:
            of_child.settimeout(20)
            server.timeout = 0.2
            assert server.stop() == -signal.SIGKILL
            assert of_child.recv(1) == b""


def test_free_port_can_be_bound():
    """Two calls give ports above the reserved ones."""
    assert free_port() > 1023


def test_the_page_about_testing_is_true():
    """Its examples run as they stand there."""
    page = Path(__file__).parent.parent.parent / "doc" / "testing.rst"
    assert doctest.testfile(str(page), module_relative=False).failed == 0
