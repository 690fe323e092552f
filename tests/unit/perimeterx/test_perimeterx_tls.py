"""Exchanges over TLS: certificates, keep-alive, the deadline within records."""

import ssl

import pytest
from certificates import make_certificate
from fake_perimeterx import FakePerimeterX

from poorwsgi.perimeterx.transport import (
    Call,
    Deadline,
    DeadlineError,
    TransportError,
    Upstream,
    make_context,
)

GET = Call("GET", "/x", [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Return a file with a key and a certificate for localhost."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def fake(certificate):
    service = FakePerimeterX()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = service._server
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with service:
        yield service


@pytest.fixture
def upstream(fake, certificate):
    context = ssl.create_default_context(cafile=certificate)
    one = Upstream(f"https://localhost:{fake.port}", context)
    yield one
    one.close()


def test_a_connection_is_reused_over_tls(fake, upstream):
    for _ in range(5):
        assert upstream.exchange(GET, Deadline(10), 1000).status == 200
    assert fake.connections <= 2


def test_large_bodies_pass_both_ways(fake, upstream):
    fake.upstream_body = b"y" * 300_000
    reply = upstream.exchange(
        Call("POST", "/x", [], b"x" * 300_000), Deadline(20), 1 << 20
    )
    assert reply.body == fake.upstream_body
    assert fake.calls[0].body == b"x" * 300_000


@pytest.mark.parametrize(("mode", "delay"), [("slow", 30), ("drip", 0.05)])
def test_the_deadline_holds_over_tls(fake, upstream, mode, delay):
    fake.mode, fake.delay = mode, delay
    fake.upstream_body = b"x" * 10_000
    with pytest.raises(DeadlineError):
        upstream.exchange(GET, Deadline(0.5), 20_000)


def test_a_connection_closed_while_idle_is_replaced_over_tls(fake, upstream):
    for _ in range(3):
        assert upstream.exchange(GET, Deadline(10), 1000).status == 200
        fake.drop_connections()
    assert len(fake.calls) == 3


def test_an_unknown_certificate_is_refused(fake):
    url = f"https://localhost:{fake.port}"
    upstream = Upstream(url, make_context([url]))
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        upstream.exchange(GET, Deadline(10), 1000)
    assert fake.calls == []


def test_a_certificate_for_another_host_is_refused(fake, certificate):
    context = ssl.create_default_context(cafile=certificate)
    upstream = Upstream(f"https://127.0.0.1:{fake.port}", context)
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        upstream.exchange(GET, Deadline(10), 1000)


def test_no_context_is_made_when_nothing_needs_it():
    assert make_context(["http://a", "http://b"]) is None
    context = make_context(["http://a", "https://b"])
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_scheme_in_capitals_is_no_plain_text(fake):
    """The authorization token would be readable on its way."""
    url = f"HTTPS://localhost:{fake.port}"
    upstream = Upstream(url, make_context([url]))
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        upstream.exchange(GET, Deadline(10), 1000)
