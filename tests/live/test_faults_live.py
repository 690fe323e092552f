"""Faults of the application, on every server: what a client gets is no whole answer."""

import http.client

import pytest
from client import ask, exchange, status_of


def is_alive(address):
    return ask(address, "GET", "/").body == b"Hello, World!"


def is_whole(address, path):
    """Return whether a client takes the answer for a good one, and what it got.

    A server may answer 500, cut the answer off, or close without an answer; it
    may not keep the client waiting.
    """
    try:
        answer = ask(address, "GET", path)
    except (http.client.IncompleteRead, http.client.BadStatusLine, ConnectionError):
        return False
    return answer.status < 400


@pytest.mark.parametrize("path", ["/text-stream/0", "/broken-at-once"])
def test_an_error_before_the_first_block_is_no_good_answer(server, address, path):
    """uWSGI and granian end a 200 there; uWSGI drops text without a word."""
    before = errors_in(server.log)
    assert not is_whole(address, path)
    assert errors_in(server.log) > before
    assert is_alive(address)


def errors_in(log):
    return sum(log.count(name) for name in ("TypeError", "AssertionError", "LookupErr"))


@pytest.mark.parametrize("number", [1, 20])
def test_text_behind_the_first_block_is_no_whole_answer(address, limit, number):
    limit("cut-stream")
    limit("close-ends")
    assert not is_whole(address, f"/text-stream/{number}")
    assert is_alive(address)


@pytest.mark.parametrize("path", ["/short-file", "/short-part"])
def test_a_file_that_becomes_shorter_is_no_whole_answer(address, path):
    """On a kept connection the client would wait for the rest, or take the next."""
    assert not is_whole(address, path)
    assert is_alive(address)


@pytest.mark.parametrize("method", ["PROPFIND", "MKCOL", "REPORT", "LOCK"])
def test_a_mounted_application_gets_every_method(address, method):
    assert ask(address, method, "/dav/a").status == 207
    assert ask(address, method, "/item/1").status == 501


@pytest.mark.parametrize("method", ["", " ", "GET/", "G\x01T", "GET\tX"])
def test_a_method_that_is_none_is_refused(address, method):
    head = f"{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    raw = exchange(address, head.encode(), end=False)
    assert status_of(raw) in (0, 400, 405, 501), raw[:200]
    assert is_alive(address)
