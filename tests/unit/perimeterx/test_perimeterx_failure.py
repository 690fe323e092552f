"""Deadlines, dropped connections, the application's rights, logging."""

import io
import logging
import socket
import threading
import time

import pytest
from fake_perimeterx import KEY, TOKEN, fields, risk_answer, v3

from poorwsgi.perimeterx.quiet import QuietLog
from poorwsgi.perimeterx.transport import (
    Call,
    Deadline,
    DeadlineError,
    TransportError,
    Upstream,
)

from .perimeterx_site import call, make_environ

GOOD = f"_px3={v3()}"
GET = Call("GET", "/x", [])


@pytest.fixture
def upstream(fake):
    one = Upstream(fake.url, None)
    yield one
    one.close()


# -- the deadline ------------------------------------------------------------


@pytest.mark.parametrize(("mode", "delay"), [("slow", 30), ("drip", 0.05)])
def test_the_deadline_covers_the_whole_exchange(fake, upstream, mode, delay):
    """A read timeout would start anew with each byte that drips in."""
    fake.mode, fake.delay = mode, delay
    fake.upstream_body = b"x" * 10_000
    with pytest.raises(DeadlineError):
        upstream.exchange(GET, Deadline(0.3), 20_000)
    assert upstream._idle == []


def test_a_server_that_never_reads_is_late():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        upstream = Upstream(f"http://127.0.0.1:{port}", None)
        big = Call("POST", "/x", [], b"x" * (32 << 20))
        with pytest.raises(DeadlineError):
            upstream.exchange(big, Deadline(0.3), 10)


def test_a_server_that_does_not_accept_is_late_or_refuses():
    """A full backlog drops connection attempts without a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(DeadlineError):
                Upstream(f"http://127.0.0.1:{port}", None).exchange(
                    GET, Deadline(0.2), 10
                )
        finally:
            for filler in fillers:
                filler.close()


def test_a_handshake_that_does_not_come_is_late():
    import ssl

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        upstream = Upstream(f"https://localhost:{port}", ssl.create_default_context())
        with pytest.raises(DeadlineError):
            upstream.exchange(GET, Deadline(0.3), 10)


def test_a_garbled_handshake_fails(fake):
    import ssl

    base = f"https://127.0.0.1:{fake.port}"
    upstream = Upstream(base, ssl.create_default_context())
    with pytest.raises(TransportError):
        upstream.exchange(GET, Deadline(5), 10)


def test_time_that_is_up_is_up():
    with pytest.raises(DeadlineError):
        Deadline(0).left()
    assert 0 < Deadline(5).left() <= 5


def test_a_dead_address_leaves_time_for_the_next_one(fake, monkeypatch):
    """The service has several addresses; the first may be gone."""
    good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", fake.port))
    dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [dead, good])
    upstream = Upstream("http://service.example", None)
    assert upstream.exchange(GET, Deadline(5), 1000).status == 200
    upstream.close()


def test_a_name_that_does_not_resolve_fails(monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TransportError):
        Upstream("http://service.example", None).exchange(GET, Deadline(5), 10)


@pytest.mark.parametrize(
    "bad",
    [
        Call("GET", "x", []),
        Call("GET", "/a b", []),
        Call("GET", "/a\r\nX: y", []),
        Call("GET X", "/", []),
        Call("get", "/", []),
        Call("GET", "/", [("A B", "x")]),
        Call("GET", "/", [("A", "x\r\nB: y")]),
        Call("GET", "/", [("A", "\u0123")]),
        Call("GET", "/é", []),
    ],
)
def test_nothing_breaks_out_of_a_request(fake, upstream, bad):
    with pytest.raises(TransportError):
        upstream.exchange(bad, Deadline(5), 10)
    assert fake.calls == []


# -- keep-alive --------------------------------------------------------------


def test_a_connection_is_reused(fake, upstream):
    for _ in range(5):
        upstream.exchange(GET, Deadline(5), 1000)
    assert fake.connections == 1


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_server_may_close_after_each_answer(fake, upstream, keep_alive):
    fake.keep_alive = keep_alive
    for _ in range(3):
        upstream.exchange(GET, Deadline(5), 1000)
    assert fake.connections == (1 if keep_alive else 3)


def test_a_connection_closed_while_idle_is_replaced(fake, upstream):
    for _ in range(3):
        upstream.exchange(GET, Deadline(5), 1000)
        fake.drop_connections()
        time.sleep(0.05)
    assert len(fake.calls) == 3


def test_a_connection_that_is_closed_at_use_is_replaced_once(fake, upstream):
    """The server's closing and our request cross on the way."""
    upstream.exchange(GET, Deadline(5), 1000)
    fake.mode = "drop"
    with pytest.raises(TransportError):
        upstream.exchange(GET, Deadline(5), 1000)
    assert len(fake.calls) == 3
    assert fake.connections == 2


@pytest.mark.parametrize("mode", ["drop", "cut", "slow"])
def test_nothing_else_is_retried(fake, upstream, mode):
    fake.mode = mode
    with pytest.raises((TransportError, DeadlineError)):
        upstream.exchange(GET, Deadline(0.3), 1000)
    assert len(fake.calls) == 1


def test_a_cut_answer_on_a_reused_connection_is_not_retried(fake, upstream):
    upstream.exchange(GET, Deadline(5), 1000)
    fake.mode = "cut"
    with pytest.raises(TransportError):
        upstream.exchange(GET, Deadline(5), 1000)
    assert len(fake.calls) == 2


def test_a_connection_with_bytes_nobody_asked_for_is_dropped(fake, upstream):
    fake.mode = "raw"
    fake.raw = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    upstream.exchange(GET, Deadline(5), 10)
    (line,) = upstream._idle
    fake.wait_for(lambda: not line.is_usable())
    fake.mode = "good"
    assert upstream.exchange(GET, Deadline(5), 1000).status == 200
    assert fake.connections == 2


def test_an_old_idle_connection_is_not_trusted(fake, upstream):
    upstream.exchange(GET, Deadline(5), 1000)
    upstream._idle[0].idle_since -= 31
    upstream.exchange(GET, Deadline(5), 1000)
    assert fake.connections == 2


def test_an_answer_that_is_too_large_is_refused(fake, upstream):
    fake.upstream_body = b"x" * 101
    with pytest.raises(TransportError, match="too large"):
        upstream.exchange(GET, Deadline(5), 100)
    assert upstream._idle == []
    fake.upstream_body = b"x" * 100
    assert upstream.exchange(GET, Deadline(5), 100).body == b"x" * 100


def test_an_answer_to_head_has_no_body(fake, upstream):
    fake.upstream_body = b"x" * 100
    reply = upstream.exchange(Call("HEAD", "/x", []), Deadline(5), 10)
    assert reply.body == b""
    upstream.exchange(GET, Deadline(5), 1000)
    assert fake.connections == 1


def test_a_base_url_may_have_a_path(fake):
    upstream = Upstream(f"{fake.url}/prefix/", None)
    upstream.exchange(GET, Deadline(5), 1000)
    upstream.close()
    assert fake.calls[0].path == "/prefix/x"


# -- the application ---------------------------------------------------------


class AppError(Exception):
    pass


def failing(environ, start_response):
    environ["runs"].append(1)
    raise AppError("the application's own")


def failing_late(environ, start_response):
    environ["runs"].append(1)
    start_response("200 OK", [])
    raise AppError("the application's own")


def failing_start(environ, start_response):
    environ["runs"].append(1)
    start_response("bad", "worse", "worst", "too many")


@pytest.mark.parametrize(
    ("application", "error"),
    [(failing, AppError), (failing_late, AppError), (failing_start, TypeError)],
)
@pytest.mark.parametrize("cookie", [GOOD, ""])
@pytest.mark.parametrize("pxhd", [None, "opaque"])
def test_an_error_of_the_application_is_its_own(
    site, fake, application, error, cookie, pxhd, caplog
):
    """Not caught, not logged by us, not retried: a POST happens once."""
    fake.answer = risk_answer(0, pxhd=pxhd)
    environ = make_environ(REQUEST_METHOD="POST", HTTP_COOKIE=cookie, runs=[])
    one = site(application)
    with (
        caplog.at_level("WARNING", "poorwsgi.perimeterx"),
        pytest.raises(error),
    ):
        call(one.px, environ)
    assert environ["runs"] == [1]
    assert caplog.records == []


class FileLike(io.BytesIO):
    pass


def test_the_iterable_is_returned_as_it_is(site):
    body = FileLike(b"x")

    def application(environ, start_response):
        start_response("200 OK", [])
        return body

    def start_response(status, headers, exc_info=None):
        return None

    one = site(application)
    assert one.px(make_environ(HTTP_COOKIE=GOOD), start_response) is body
    assert not body.closed


def test_the_body_is_left_to_the_application(site, body):
    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["wsgi.input"].read(7)]

    environ = make_environ("/login", **body(b"payload"))
    assert call(site(application).px, environ).body == b"payload"


def test_many_threads_share_an_object(site, fake):
    one = site(api_timeout=20_000, send_page_activities=False)
    seen = []

    def visit(number):
        score = 100 if number % 2 else 0
        reply = one.get(f"/{number}", QUERY_STRING=f"score={score}")
        seen.append((number, reply.status))

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(n, 403 if n % 2 else 200) for n in range(40)]
    assert len(one.runs) == 20


# -- logging -----------------------------------------------------------------


def test_a_cause_is_logged_once_a_minute(site, fake, caplog):
    fake.wait_for(lambda: True)
    one = site(send_page_activities=False)
    fake.wait_for(lambda: fake.telemetry)
    fake.mode = "drop"
    with caplog.at_level("WARNING", "poorwsgi.perimeterx"):
        for _ in range(10):
            one.get()
    (record,) = caplog.records
    assert record.levelname == "WARNING"


def test_a_minute_later_it_is_logged_again_with_a_count(monkeypatch, caplog):
    now = [1000.0]
    monkeypatch.setattr("poorwsgi.perimeterx.quiet.monotonic", lambda: now[0])
    quiet = QuietLog()
    with caplog.at_level("WARNING", "poorwsgi.perimeterx"):
        for _ in range(5):
            quiet.say(logging.WARNING, "cause", "it failed")
        quiet.say(logging.WARNING, "another", "it failed too")
        now[0] += 60
        quiet.say(logging.WARNING, "cause", "it failed")
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "it failed",
        "it failed too",
        "it failed (4 more since the last record)",
    ]


def test_causes_are_bounded():
    quiet = QuietLog()
    for number in range(1000):
        quiet.say(logging.DEBUG, f"cause {number}", "x")
    assert len(quiet._heard) <= 100


def test_no_secret_and_no_cookie_is_ever_logged(site, fake, caplog):
    secret_cookie = v3(fields(u="decrypted-secret"))
    with caplog.at_level("DEBUG", "poorwsgi.perimeterx"):
        for mode in ("good", "drop", "raw"):
            one = site(sensitive_routes=["/login"], module_mode="monitor")
            fake.mode = mode
            for cookie in (f"_px3={secret_cookie}", "_px3=raw-secret", ""):
                one.get("/login", HTTP_COOKIE=f"{cookie}; _pxhd=hd-secret")
                one.get(
                    HTTP_X_PX_AUTHORIZATION="3:token-secret",
                    HTTP_USER_AGENT="agent\r\nforged line",
                )
            one.get("/abcd1234/xhr/a", HTTP_COOKIE="a=cookie-secret")
            one.px.close()
    assert caplog.records
    for record in caplog.records:
        text = record.getMessage() + str(record.exc_text or "")
        assert "secret" not in text
        assert KEY not in text
        assert TOKEN not in text
        assert secret_cookie not in text
        assert "\nforged" not in text


def test_nothing_is_printed(site, fake, capfd):
    one = site()
    one.get()
    fake.mode = "drop"
    one.get()
    one.px.close()
    assert capfd.readouterr() == ("", "")
