"""The parts that know nothing of frameworks: settings, bodies, model, client."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import sys
import zlib

import pytest

from poorwsgi.moesif import EventModel, EventRequestModel, EventResponseModel
from poorwsgi.moesif.body import BodyCopy, BodyRules, RawBody, gunzip
from poorwsgi.moesif.core import absolute_uri, fold, host_and_port, path_of
from poorwsgi.moesif.identity import client_address, valid_address
from poorwsgi.moesif.model import encode_event, timestamp
from poorwsgi.moesif.settings import option_names, read_settings
from poorwsgi.moesif.wsgi import Names

# Settings


@pytest.mark.parametrize("given", [None, "id", [("APPLICATION_ID", "id")], 7])
def test_settings_must_be_a_dict(given):
    with pytest.raises(TypeError, match="must be a dict"):
        read_settings(given)


@pytest.mark.parametrize("value", [None, "", "  ", 7, "a\nb", "caf\u00e9"])
def test_application_id_is_required(value):
    with pytest.raises(ValueError, match="APPLICATION_ID"):
        read_settings({"APPLICATION_ID": value})


DEFAULTS = [
    # flavour   batch  queue      timeout
    ("wsgi", 100, 10_000, 2),
    ("asgi", 25, 1_000_000, 1),
    ("django", 25, 1_000_000, 2),
]


@pytest.mark.parametrize(("flavour", "batch", "queue", "timeout"), DEFAULTS)
def test_defaults(flavour, batch, queue, timeout):
    settings = read_settings({"APPLICATION_ID": "id"}, flavour)
    assert settings.batch_size == batch
    assert settings.event_queue_size == queue
    assert settings.event_batch_timeout == timeout
    assert settings.event_worker_count == 2
    assert settings.authorization_header_names == ("authorization",)
    assert settings.authorization_user_id_field == "sub"
    assert settings.base_uri == "https://api.moesif.net"
    assert settings.log_body
    assert settings.log_body_outgoing
    assert not settings.debug
    assert not settings.capture_outgoing_requests
    assert not settings.disable_transaction_id
    assert settings.api_version is None
    assert settings.body_size_limit == 2 * 1024 * 1024


ADDRESSES = [
    ({"BASE_URI": "http://localhost:9000/"}, "http://localhost:9000"),
    ({"BASE_URI": "https://p.test/a/b/"}, "https://p.test/a/b"),
    ({"BASE_URI": "proxy.test:8443"}, "https://proxy.test:8443"),
    ({"LOCAL_MOESIF_BASEURL": "http://old.test"}, "http://old.test"),
    ({"BASE_URI": "http://new", "LOCAL_MOESIF_BASEURL": "http://old"}, "http://new"),
    ({"BASE_URI": None}, "https://api.moesif.net"),
    ({"BASE_URI": ""}, "https://api.moesif.net"),
]


@pytest.mark.parametrize(("given", "address"), ADDRESSES)
def test_base_uri(given, address):
    assert read_settings({"APPLICATION_ID": "id", **given}).base_uri == address


@pytest.mark.parametrize("name", ["DEBUG", "LOCAL_DEBUG"])
def test_debug_has_two_names(name):
    assert read_settings({"APPLICATION_ID": "id", name: True}).debug


@pytest.mark.parametrize("value", [False, 0, "", "0", "false", "No", " off "])
def test_a_flag_may_be_a_text_of_the_environment(value):
    """A text that says no must not switch the recording of bodies on."""
    assert not read_settings({"APPLICATION_ID": "id", "LOG_BODY": value}).log_body


@pytest.mark.parametrize("value", [True, 1, "1", "true", "Yes", "on"])
def test_a_flag_that_is_on(value):
    assert read_settings({"APPLICATION_ID": "id", "DEBUG": value}).debug


WRONG = [
    ("SKIP", "callable", TypeError),
    ("MASK_EVENT_MODEL", 7, TypeError),
    ("IDENTIFY_USER_OUTGOING", {}, TypeError),
    ("BATCH_SIZE", 0, ValueError),
    ("BATCH_SIZE", "many", ValueError),
    ("EVENT_QUEUE_SIZE", -1, ValueError),
    ("EVENT_QUEUE_SIZE", 1.5, ValueError),
    ("EVENT_BATCH_TIMEOUT", "soon", ValueError),
    ("EVENT_BATCH_TIMEOUT", float("nan"), ValueError),
    ("EVENT_WORKER_COUNT", 0, ValueError),
    ("AUTHORIZATION_HEADER_NAME", 7, TypeError),
    ("BASE_URI", 7, TypeError),
    ("LOG_BODY", "never", ValueError),
    ("REQUEST_BODY_MASKS", "password", TypeError),
    ("RESPONSE_HEADER_MASKS", 7, TypeError),
]


@pytest.mark.parametrize(("name", "value", "error"), WRONG)
def test_a_wrong_option_is_named(name, value, error):
    with pytest.raises(error, match=name):
        read_settings({"APPLICATION_ID": "id", name: value})


def test_an_unknown_option_is_logged(caplog):
    read_settings({"APPLICATION_ID": "id", "BACTH_SIZE": 7})
    assert "BACTH_SIZE" in caplog.text


def test_numbers_may_be_text():
    """They come from the environment of a process as often as not."""
    settings = read_settings({"APPLICATION_ID": "id", "BATCH_SIZE": "7"})
    assert settings.batch_size == 7


def test_every_option_is_documented():
    from pathlib import Path

    page = Path(__file__).parents[3] / "doc" / "moesif-options.rst"
    text = page.read_text()
    assert [name for name in sorted(option_names()) if f"``{name}``" not in text] == []


# Bodies


def encode(data, content_type="", encoding="", **options):
    options.setdefault("limit", 1000)
    return RawBody(data, content_type, encoding, BodyRules(**options)).encode()


def b64(data):
    return base64.b64encode(data).decode()


BODIES = [
    (b"", (None, None)),
    (b'{"a": 1}', ({"a": 1}, "json")),
    (b"[]", ([], "json")),
    (b'{"a": Infinity}', (b64(b'{"a": Infinity}'), "base64")),
    (b'"text"', (b64(b'"text"'), "base64")),
    (b"\xef\xbb\xbf{}", (b64(b"\xef\xbb\xbf{}"), "base64")),
    (b'{"\xff": 1}', (b64(b'{"\xff": 1}'), "base64")),
    ("{\"a\": \"\u00fc\"}".encode(), ({"a": "\u00fc"}, "json")),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), BODIES)
def test_body(data, expected):
    assert encode(data) == expected


def test_a_body_nested_too_deep_is_no_json():
    data = b"[" * 400_000
    assert encode(data)[1] == "base64"


ZIPPED = gzip.compress(b'{"a": 1}', mtime=0)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ZIPPED, (b64(b'{"a": 1}'), "base64")),
        (ZIPPED * 2, (b64(b'{"a": 1}' * 2), "base64")),
        (ZIPPED[:-4], (b64(ZIPPED[:-4]), "base64")),
        (b"plain", (b64(b"plain"), "base64")),
        (gzip.compress(b"", mtime=0), (None, None)),
        (gzip.compress(b"x" * 1000, mtime=0), (b64(b"x" * 1000), "base64")),
        (gzip.compress(b"x" * 1001, mtime=0), (None, None)),
    ],
)
def test_zipped_body(data, expected):
    assert encode(data, encoding="x-GZip, br") == expected


def test_a_zip_bomb_is_not_unpacked():
    """What unpacks to 32 MiB costs no more than the limit."""
    zipper = zlib.compressobj(wbits=31)
    bomb = b"".join(zipper.compress(bytes(1 << 20)) for _ in range(32))
    bomb += zipper.flush()
    assert len(gunzip(bomb, 1000)) == 1001
    assert encode(bomb, encoding="gzip") == (None, None)


def test_a_masked_key_is_masked_when_zipped():
    data = gzip.compress(b'{"password": "x", "a": 1}')
    body, _ = encode(data, encoding="gzip", masks=frozenset(["password"]))
    assert json.loads(base64.b64decode(body)) == {"a": 1}


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\x00\x01\r\n--b--\r\n"
)


def test_a_form_becomes_an_object_in_asgi_only():
    kind = 'Multipart/Form-Data; boundary="b"'
    assert encode(FORM, kind, forms=True) == ({"a": ["1", "2"], "f": "x.bin"}, "json")
    assert encode(FORM, kind) == (b64(FORM), "base64")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (FORM[:-20], "multipart/form-data; boundary=b"),
        (FORM, "multipart/form-data"),
        (FORM, "multipart/form-data; boundary=other"),
        (b"x", "multipart/form-data; boundary=b"),
    ],
)
def test_a_broken_form_is_base64(data, kind):
    assert encode(data, kind, forms=True) == (b64(data), "base64")


@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_copy_is_kept_up_to_its_limit(size):
    for length in (0, 1, 9, 10, 11, 30):
        data = bytes(range(length))
        copy = BodyCopy(10)
        for start in range(0, length, size):
            copy.keep(data[start : start + size])
        assert copy.size == length
        assert copy.data() == (data if length <= 10 else b"")
        assert copy.kept == len(copy.data())


def test_a_copy_is_not_changed_by_the_owner_of_the_buffer():
    copy, buffer = BodyCopy(10), bytearray(b"abc")
    copy.keep(buffer)
    copy.keep(memoryview(buffer)[1:])
    buffer[:] = b"xyz"
    assert copy.data() == b"abcbc"


# The model


def test_absent_values_are_left_out():
    event = EventModel(EventRequestModel(verb="GET"), EventResponseModel(status=200))
    assert event.as_dict() == {"request": {"verb": "GET"}, "response": {"status": 200}}
    assert "request" in repr(event)


def test_models_have_the_names_of_the_json_keys():
    names = "request response session_token tags user_id company_id metadata direction"
    names += " weight blocked_by transaction_id"
    assert set(vars(EventModel())) == set(names.split())
    names = "time uri verb headers api_version ip_address body transfer_encoding"
    assert set(vars(EventRequestModel())) == set(names.split())
    names = "time status headers body ip_address transfer_encoding"
    assert set(vars(EventResponseModel())) == set(names.split())


def test_a_body_nested_deeper_than_json_can_write_is_removed(caplog):
    body = []
    for _ in range(sys.getrecursionlimit() * 50):
        body = [body]
    event = EventModel(EventRequestModel(verb="GET", body=body), direction="Incoming")
    with caplog.at_level(logging.WARNING, "poorwsgi.moesif"):
        event = json.loads(encode_event(event))
    assert event["direction"] == "Incoming"
    assert "body" not in event["request"]
    assert caplog.records


def test_timestamp():
    assert timestamp(1772360430.1234) == "2026-03-01T10:20:30.123"
    assert timestamp(0.0) == "1970-01-01T00:00:00.000"


def test_odd_floats_of_a_mask_are_left_out():
    event = EventModel(metadata={"a": float("nan"), "b": float("inf"), "c": [None, 1]})
    assert json.loads(encode_event(event)) == {"metadata": {"c": [None, 1]}}


# Addresses and URIs

VALID = [
    ("192.0.2.1", "192.0.2.1"),
    (" 192.0.2.1 ", "192.0.2.1"),
    ("192.0.2.1:80", "192.0.2.1"),
    ("[2001:db8::1]:80", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("2001:db8::1", "2001:db8::1"),
    ("192.0.2.256", None),
    ("unknown", None),
    ("", None),
    ("unix:", None),
    ("_hidden", None),
]


@pytest.mark.parametrize(("text", "address"), VALID)
def test_valid_address(text, address):
    assert valid_address(text) == address


def test_what_is_too_long_for_an_address_is_not_remembered():
    """Memory: a client may send another kilobyte with each request."""
    before = valid_address.cache_info().misses
    long = {"x-real-ip": "fe80::1%" + "a" * 1000}
    assert client_address(long, ["x-real-ip"], "192.0.2.1") == "192.0.2.1"
    assert valid_address.cache_info().misses <= before + 1  # that of the peer


def test_names_of_headers_are_remembered_within_limits():
    """Memory: clients make up names, and long ones."""
    names = Names()
    for number in range(1200):
        assert names[f"HTTP_X_{number}"] == f"X-{number}"
    assert len(names) == 1000
    names.clear()
    assert names["HTTP_" + "X" * 1000] == "X" + "x" * 999
    assert not names


def test_no_peer():
    assert client_address({}, (), None) is None
    assert client_address({}, (), "") is None
    assert client_address({}, (), "unix:/run/app.sock") is None


HOSTS = [
    (("http", "a.test", 80), "a.test"),
    (("http", "a.test", "8080"), "a.test:8080"),
    (("https", "a.test", 443), "a.test"),
    (("https", "a.test", 80), "a.test:80"),
    (("http", "::1", 8080), "[::1]:8080"),
    (("http", "/run/app.sock", None), "/run/app.sock"),
]


@pytest.mark.parametrize(("given", "host"), HOSTS)
def test_host_and_port(given, host):
    assert host_and_port(*given) == host


def test_uri_and_its_path():
    uri = absolute_uri("http", "h", "/m/p\u00e1th", "a=1?2")
    assert uri == "http://h/m/p%C3%A1th?a=1?2"
    assert path_of(uri) == "/m/p%C3%A1th"
    assert path_of("http://h") == "/"
    assert path_of("http://h?x=/a") == "/"


def test_headers_that_occur_again_are_joined():
    pairs = [("A", "1"), ("b", "2"), ("a", "3")]
    assert fold(pairs, str.title) == {"A": "1, 3", "B": "2"}
