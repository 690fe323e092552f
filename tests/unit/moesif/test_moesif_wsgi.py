"""What PEP 3333 asks of a middleware, and what servers and applications do."""

from __future__ import annotations

import io
import tempfile

import pytest
from moesif_worlds import Plain, call_wsgi, make_environ

from poorwsgi.moesif import MoesifMiddleware
from poorwsgi.moesif.body import BodyCopy
from poorwsgi.moesif.wsgi import CopiedInput, see


@pytest.fixture
def wrap(make_site):
    """Return a function that puts the middleware around an application."""

    def make(application, **options):
        one = make_site(Plain, **options)
        one.middleware._app = application
        return one

    return make


def test_settings_are_the_second_argument():
    with pytest.raises(TypeError):
        MoesifMiddleware(lambda *args: [])
    with pytest.raises(ValueError, match="APPLICATION_ID"):
        MoesifMiddleware(lambda *args: [], {})


def test_the_header_list_of_the_application_is_left_alone(wrap):
    """A shared list must not grow with every request."""
    headers = [("Content-Type", "text/plain")]

    def application(environ, start_response):
        start_response("200 OK", headers)
        return [b"x"]

    one = wrap(application)
    for _ in range(3):
        one.request("GET", "/")
    assert headers == [("Content-Type", "text/plain")]


def test_chunks_pass_one_by_one_and_nothing_is_read_ahead(wrap):
    passed = []

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        for chunk in (b"a", b"", b"b"):
            passed.append(chunk)
            yield chunk

    one = wrap(application)
    iterable = one.middleware(make_environ("GET", "/"), lambda *args: None)
    assert passed == []
    iterator = iter(iterable)
    assert next(iterator) == b"a"
    assert passed == [b"a"]
    assert list(iterator) == [b"", b"b"]
    iterable.close()
    assert one.event()["response"]["body"] == "YWI="


class Body:
    """An iterable that counts how often it is closed."""

    def __init__(self, chunks, error=None):
        self.chunks, self.closed, self.error = chunks, 0, error

    def __iter__(self):
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self):
        self.closed += 1


def ok(body):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body

    return application


def test_close_is_called_exactly_once(wrap):
    body = Body([b"x"])
    one = wrap(ok(body))
    one.request("GET", "/")
    assert body.closed == 1
    one.event()


def test_a_client_that_goes_away_ends_the_exchange(wrap):
    body = Body([b"one", b"two"])
    one = wrap(ok(body))
    iterable = one.middleware(make_environ("GET", "/"), lambda *args: None)
    assert next(iter(iterable)) == b"one"
    iterable.close()
    iterable.close()
    assert body.closed == 1
    response = one.event()["response"]
    assert (response["status"], response["body"]) == (200, "b25l")


def test_an_error_in_the_middle_of_a_stream(wrap):
    error = RuntimeError("on purpose")
    body = Body([b"one"], error)
    one = wrap(ok(body))
    iterable = one.middleware(make_environ("GET", "/"), lambda *args: None)
    with pytest.raises(RuntimeError) as caught:
        list(iterable)
    iterable.close()
    assert caught.value is error
    assert body.closed == 1
    response = one.event()["response"]
    assert response["status"] == 500
    assert "body" not in response


def test_an_error_of_close_passes(wrap):
    class Closing(Body):
        def close(self):
            super().close()
            raise OSError("on purpose")

    one = wrap(ok(Closing([b"x"])))
    with pytest.raises(OSError, match="on purpose"):
        one.request("GET", "/")
    assert one.event()["response"]["status"] == 200


def test_write_is_recorded(wrap):
    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a")
        return iter([b"b"])

    one = wrap(application)
    assert one.request("GET", "/").body == b"ab"
    assert one.event()["response"]["body"] == "YWI="


def test_exc_info_replaces_the_status(wrap):
    import sys

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ValueError
        except ValueError:
            start_response("503 X", [("Content-Type", "text/html")], sys.exc_info())
        return [b"sorry"]

    one = wrap(application)
    assert one.request("GET", "/").status == 503
    response = one.event()["response"]
    assert response["status"] == 503
    assert response["headers"]["Content-Type"] == "text/html"


def test_a_list_stays_a_list(wrap):
    """Servers take its length for a Content-Length."""
    chunks = [b"x"]
    one = wrap(ok(chunks))
    assert one.middleware(make_environ("GET", "/"), lambda *args: None) is chunks
    one.event()


def test_an_application_without_start_response(wrap):
    one = wrap(lambda environ, start_response: iter(()))
    iterable = one.middleware(make_environ("GET", "/"), lambda *args: None)
    assert list(iterable) == []
    assert one.event()["response"]["status"] == 500


def test_a_file_wrapper_reads_blocks(wrap):
    """The server's own one would be iterated by lines."""

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"a\nb\nc\n"), 1024)

    one = wrap(application)
    environ = make_environ("GET", "/")
    environ["wsgi.file_wrapper"] = iter
    assert call_wsgi(one.middleware, environ).chunks == [b"a\nb\nc\n"]
    one.event()


BODY = b"first\nsecond\nthird"

READS = {
    "all": lambda stream: stream.read(),
    "none": lambda stream: stream.read(None) if stream else b"",
    "minus": lambda stream: stream.read(-1),
    "length": lambda stream: stream.read(len(BODY)),
    "small": lambda stream: b"".join(iter(lambda: stream.read(3), b"")),
    "lines": lambda stream: b"".join(stream),
    "readline": lambda stream: b"".join(iter(stream.readline, b"")),
    "short lines": lambda stream: b"".join(iter(lambda: stream.readline(4), b"")),
    "readlines": lambda stream: b"".join(stream.readlines()),
    "hint": lambda stream: b"".join(stream.readlines(3) + stream.readlines()),
    "mixed": lambda stream: stream.read(2) + stream.readline() + stream.read(),
}


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_input_reads_as_before(read, ahead, length):
    copy = BodyCopy(1000)
    stream = CopiedInput(io.BytesIO(BODY), copy, len(BODY) if length else None)
    if ahead:
        stream.read_ahead()
        assert copy.data() == (BODY if length else b"")
    assert read(stream) == BODY
    assert copy.data() == BODY
    buffer = bytearray(5)
    assert stream.readinto(buffer) == 0


def test_readinto_is_copied():
    copy, buffer = BodyCopy(1000), bytearray(5)
    stream = CopiedInput(io.BytesIO(BODY), copy, None)
    assert stream.readinto(buffer) == 5
    assert bytes(buffer) == copy.data() == b"first"


def test_no_read_goes_past_the_copy():
    stream = CopiedInput(io.BytesIO(BODY), BodyCopy(10), None)
    assert stream.closed is False
    for name in ("read1", "getvalue", "seek"):
        assert not hasattr(stream, name)


class Broken(io.BytesIO):
    def read(self, *args):
        raise OSError("client is gone")


def test_an_error_of_the_input_reaches_the_application(wrap):
    def application(environ, start_response):
        with pytest.raises(OSError, match="gone"):
            environ["wsgi.input"].read(5)
        start_response("400 X", [("Content-Type", "text/plain")])
        return [b""]

    one = wrap(application)
    one.learn(rules=[{
        "_id": "r", "type": "regex", "block": True, "response": {"status": 403},
        "regex_config": [{"conditions": [{"path": "request.body.x", "value": "1"}]}],
    }])  # fmt: skip
    environ = make_environ("POST", "/", CONTENT_LENGTH="5")
    environ["wsgi.input"] = Broken()
    assert call_wsgi(one.middleware, environ, valid=False).status == 400
    assert "body" not in one.event()["request"]


def test_an_error_while_reading_the_rest_is_nobodys_business(wrap):
    one = wrap(ok([b"x"]))
    environ = make_environ("POST", "/", CONTENT_LENGTH="5")
    environ["wsgi.input"] = Broken()
    assert call_wsgi(one.middleware, environ).status == 200
    assert "body" not in one.event()["request"]


def test_a_client_that_waits_for_continue_is_not_read(wrap):
    """Nobody has asked it to send its body."""
    stream = Broken()
    one = wrap(ok([b"x"]))
    environ = make_environ("POST", "/", {"Expect": "100-continue"}, CONTENT_LENGTH="5")
    environ["wsgi.input"] = stream
    assert call_wsgi(one.middleware, environ).status == 200
    one.event()


LENGTHS = ["abc", "-1", "", " 5", "\u0665", "1e3"]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_strange_content_length_is_no_error(wrap, length):
    def application(environ, start_response):
        data = environ["wsgi.input"].read(3)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [data]

    one = wrap(application)
    environ = make_environ("POST", "/", body=b"xyz", CONTENT_LENGTH=length)
    assert call_wsgi(one.middleware, environ, valid=False).body == b"xyz"
    assert one.event()["request"]["body"] == "eHl6"


URIS = [
    # changes to the environ                                  uri
    ({}, "http://api.example.test/x"),
    ({"SCRIPT_NAME": "/mount"}, "http://api.example.test/mount/x"),
    ({"PATH_INFO": "/p\xc3\xa1 th"}, "http://api.example.test/p%C3%A1%20th"),
    ({"PATH_INFO": "/\xff"}, "http://api.example.test/%FF"),
    ({"PATH_INFO": "/a%b"}, "http://api.example.test/a%25b"),
    ({"PATH_INFO": ""}, "http://api.example.test"),
    ({"PATH_INFO": "*"}, "http://api.example.test/*"),
    ({"PATH_INFO": "http://h/x"}, "http://api.example.test/http://h/x"),
    ({"PATH_INFO": None, "SCRIPT_NAME": None}, "http://api.example.test"),
    ({"QUERY_STRING": "a=%20&b"}, "http://api.example.test/x?a=%20&b"),
    ({"wsgi.url_scheme": "https"}, "https://api.example.test/x"),
    ({"HTTP_HOST": "h:8080"}, "http://h:8080/x"),
    ({"HTTP_HOST": None}, "http://127.0.0.1/x"),
    ({"HTTP_HOST": None, "SERVER_PORT": "81"}, "http://127.0.0.1:81/x"),
]


@pytest.mark.parametrize(("changes", "uri"), URIS)
def test_uri(changes, uri):
    environ = {**make_environ("GET", "/x"), **changes}
    environ = {key: value for key, value in environ.items() if value is not None}
    assert see(environ).uri == uri


def test_what_the_application_does_to_its_environ_is_not_recorded(wrap):
    """Dispatchers move the path; callbacks see what they did, events do not."""
    seen = []

    def application(environ, start_response):
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = "/moved", ""
        environ["HTTP_X_ADDED"] = "x"
        return ok([b"x"])(environ, start_response)

    one = wrap(application, SKIP=lambda app, environ: seen.append(environ["PATH_INFO"]))
    one.request("GET", "/x")
    request = one.event()["request"]
    assert request["uri"] == "http://api.example.test/x"
    assert "X-Added" not in request["headers"]
    assert seen == [""]


class Socket(io.RawIOBase):
    """An input that waits for the client."""

    def __init__(self, data=b""):
        self.data = data

    def read(self, size=-1):
        assert self.data, "the client is waited for"
        data, self.data = self.data, b""
        return data


@pytest.mark.parametrize("answer", [list, iter], ids=["list", "stream"])
@pytest.mark.parametrize(
    ("method", "status"),
    [("POST", "302 Found"), ("PUT", "401 No"), ("POST", "500 Oops"), ("GET", "200 OK")],
)
def test_nobody_waits_for_a_body_that_is_not_wanted(wrap, method, status, answer):
    """Slow body: a client that sends nothing more would hold a worker."""

    def application(environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])
        return answer([b"no"])

    one = wrap(application)
    environ = make_environ(method, "/", CONTENT_LENGTH="5")
    environ["wsgi.input"] = Socket()
    assert call_wsgi(one.middleware, environ, valid=False).body == b"no"
    assert "body" not in one.event()["request"]


def make_file():
    with tempfile.TemporaryFile() as file:
        file.write(b"[1]")
        file.seek(0)
        yield file


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda: [Socket(b"[1]")], "200 OK"),
        (lambda: [io.BytesIO(b"[1]")], "401 Unauthorized"),
        (make_file, "401 Unauthorized"),
    ],
    ids=["accepted", "in memory", "in a file"],
)
@pytest.mark.parametrize("valid", [False, True], ids=["", "under the validator"])
def test_the_rest_of_a_body_is_recorded(wrap, make, status, valid):
    """Where the request was accepted, or nobody has to be waited for."""

    def application(environ, start_response):
        start_response(status, [("Content-Type", "text/plain")])
        return [b"x"]

    one = wrap(application)
    for stream in make():
        environ = make_environ("POST", "/", CONTENT_LENGTH="3")
        environ["wsgi.input"] = stream
        call_wsgi(one.middleware, environ, valid=valid)
    assert one.event()["request"]["body"] == [1]


@pytest.mark.parametrize("odd", [None, "text", 5])
def test_what_is_no_bytes_is_left_to_the_server(wrap, odd):
    """Servers do not agree about it: uWSGI passes over it."""
    one = wrap(lambda environ, start: iter([b"a", odd, b"b"]))
    iterable = one.middleware(make_environ("GET", "/"), lambda *given: None)
    assert list(iterable) == [b"a", odd, b"b"]


def test_odd_values_of_the_environ_fail_nothing(wrap, caplog):
    one = wrap(ok([b"x"]))
    environ = make_environ("GET", "/")
    environ["HTTP_X_ODD"] = object()
    environ["SCRIPT_NAME"] = None
    assert call_wsgi(one.middleware, environ, valid=False).status == 200


def test_an_application_that_sets_the_transaction_id_itself(wrap):
    def application(environ, start_response):
        text = ("Content-Type", "text/plain")
        start_response("200 OK", [text, ("X-Moesif-Transaction-Id", "mine")])
        return []

    one = wrap(application)
    reply = one.request("GET", "/", {"X-Moesif-Transaction-Id": "given"})
    assert [value for _, value in reply.pairs] == ["text/plain", "mine"]


def test_two_middlewares_do_not_meet(make_site, collector):
    first = make_site(Plain, IDENTIFY_USER=lambda *args: "first")
    second = make_site(Plain, IDENTIFY_USER=lambda *args: "second", APPLICATION_ID="2")
    first.request("GET", "/text")
    second.request("GET", "/text")
    assert first.middleware.flush(5)
    assert second.middleware.flush(5)
    names = {
        call.headers["x-moesif-application-id"]: call.payload[0]["user_id"]
        for call in collector.posts()
    }
    assert names == {"app-id": "first", "2": "second"}


def test_the_copied_input_can_not_seek():
    """Django 6.1 asks before it reads a form."""
    stream = CopiedInput(io.BytesIO(BODY), BodyCopy(10), None)
    assert stream.seekable() is False
