"""Sessions in cookies, and tokens."""

from __future__ import annotations

import base64
import bz2
import doctest
import gzip
import json
import os
import time
import zlib
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import auth, session, store
from poorwsgi.cookies import parse_cookies, quote_value
from poorwsgi.session import (
    KEYSTREAM_SIZE,
    MAX_DATA_SIZE,
    DictSession,
    NoCompress,
    PoorSession,
    Session,
    SessionError,
    _cookie_keys,
    _make_json_encoder,
    check_token,
    decrypt,
    encrypt,
    get_nonce,
    get_token,
    hidden,
    key_list,
    nonce_goes_with,
    nonce_issued,
)

SECRET = "a secret"
CLIENT = "Mozilla/5.0"


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until a test moves it."""

    class Clock:
        now = 1_700_000_100.5

    monkeypatch.setattr(time, "time", lambda: Clock.now)
    return Clock


class TestTokens:
    def test_token_is_64_hex_digits_and_deterministic(self):
        token = get_token(SECRET, CLIENT)
        assert len(token) == 64
        assert int(token, 16)
        assert token == get_token(SECRET, CLIENT)
        assert check_token(token, SECRET, CLIENT)

    @pytest.mark.parametrize(
        ("secret", "client"),
        [
            ("other", CLIENT),
            (SECRET, "curl"),
            (SECRET, None),
            (SECRET, ""),
            (SECRET + CLIENT, ""),
            (SECRET[:-1], SECRET[-1] + CLIENT),
        ],
    )
    @pytest.mark.parametrize("make", [get_token, get_nonce])
    @pytest.mark.parametrize("timeout", [None, 0, 300])
    def test_token_holds_for_its_secret_and_client_only(
        self, make, secret, client, timeout
    ):
        token = make(SECRET, CLIENT, timeout)
        assert check_token(token, SECRET, CLIENT, timeout)
        assert not check_token(token, secret, client, timeout)

    @pytest.mark.parametrize(("client", "other"), [(None, "None"), (None, "")])
    def test_missing_client_is_no_text(self, client, other):
        assert get_token(SECRET, client) != get_token(SECRET, other)

    @pytest.mark.parametrize("make", [get_token, get_nonce])
    def test_bytes_and_text_are_the_same_key(self, make):
        assert check_token(make(b"a secret", CLIENT), SECRET, CLIENT)

    @pytest.mark.parametrize("make", [get_token, get_nonce])
    @pytest.mark.parametrize(
        ("after", "holds"), [(0, True), (299, True), (300, None), (601, False)]
    )
    @pytest.mark.parametrize("start", [0, 1, 150.7, 299.9])
    def test_life_is_one_to_two_timeouts(self, clock, make, after, holds, start):
        clock.now += start
        token = make(SECRET, CLIENT, 300)
        clock.now += after
        good = check_token(token, SECRET, CLIENT, 300)
        assert holds is None or good is holds

    def test_named_end(self, clock):
        end = int(clock.now // 300 * 300) + 300
        token = get_token(SECRET, CLIENT, 300, end)
        assert check_token(token, SECRET, CLIENT, 300)
        assert token != get_token(SECRET, CLIENT, 300)

    @pytest.mark.parametrize("make", [get_token, get_nonce])
    def test_timeout_is_part_of_the_token(self, make):
        assert not check_token(make(SECRET, CLIENT, 300), SECRET, CLIENT)
        assert not check_token(make(SECRET, CLIENT), SECRET, CLIENT, 300)

    def test_each_nonce_is_different(self):
        assert len({get_nonce(SECRET, CLIENT, 300) for _ in range(1000)}) == 1000

    def test_nonce_without_timeout_never_expires(self, clock):
        nonce = get_nonce(SECRET, CLIENT)
        clock.now += 1e8
        assert check_token(nonce, SECRET, CLIENT)
        assert check_token(nonce, SECRET, CLIENT, 0)

    def test_nonce_tells_when_it_was_made(self, clock):
        assert nonce_issued(get_nonce(SECRET, CLIENT)) == int(clock.now)

    def test_nonce_goes_with_its_opaque_only(self):
        nonce = get_nonce(["old", SECRET], CLIENT, 300, "opaque")
        assert check_token(nonce, "old", CLIENT, 300)
        assert nonce_goes_with(nonce, "opaque", [SECRET, "old"])
        assert not nonce_goes_with(nonce, "opaque", SECRET)
        assert not nonce_goes_with(nonce, "opaquE", "old")
        assert not nonce_goes_with("0" * 64, "opaque", "old")
        assert not nonce_goes_with("é" * len(nonce), "opaque", "old")
        assert not nonce_goes_with(get_nonce("old", CLIENT), "", "old")

    @pytest.mark.parametrize("make", [get_token, get_nonce])
    def test_any_changed_character_is_refused(self, make):
        token = make(SECRET, CLIENT, 300)
        for index, char in enumerate(token):
            other = "0" if char != "0" else "f"
            changed = token[:index] + other + token[index + 1 :]
            assert not check_token(changed, SECRET, CLIENT, 300)
            assert not check_token(token[:index], SECRET, CLIENT, 300)

    @pytest.mark.parametrize(
        "token", ["", "x", "é" * 64, "z" * 76, "\ud800" * 76, None, b"0" * 64, 5]
    )
    def test_nonsense_is_refused(self, token):
        assert check_token(token, SECRET, CLIENT) is False

    @pytest.mark.parametrize("make", [get_token, get_nonce])
    def test_first_key_signs_and_all_verify(self, make):
        old = make("old", CLIENT, 300)
        new = make(["new", "old"], CLIENT, 300)
        assert check_token(old, ["new", "old"], CLIENT, 300)
        assert check_token(new, "new", CLIENT, 300)
        assert not check_token(new, "old", CLIENT, 300)
        assert not check_token(old, ("new",), CLIENT, 300)

    @pytest.mark.parametrize("secret", [None, "", b"", [], ["good", ""], ()])
    @pytest.mark.parametrize(
        "call", [get_token, get_nonce, lambda *args: check_token("0" * 64, *args)]
    )
    def test_empty_key_is_refused(self, secret, call):
        with pytest.raises(SessionError):
            call(secret, CLIENT)

    def test_key_of_another_type_is_named(self):
        with pytest.raises(TypeError, match="secret key must be"):
            key_list(5)


def cookie_of(session):
    """Return what the browser sends back, as the request parses it."""
    ((name, value),) = session.header()
    assert name == "Set-Cookie"
    return parse_cookies(value.partition(";")[0])


def attributes_of(session):
    return session.header()[0][1].split("; ")[1:]


class TestSession:
    def test_value_comes_back(self):
        session = Session()
        session.data = "id 42; é"
        other = Session()
        other.load(cookie_of(session))
        assert other.data == "id 42; é"

    @pytest.mark.parametrize(
        "cookies", [None, (), "SESSID=1", {}, {"SESSID": "1"}, SimpleCookie("x=1")]
    )
    def test_no_cookie_leaves_data(self, cookies):
        session = Session()
        session.data = "x"
        session.load(cookies)
        assert session.data == "x"

    def test_load_without_argument_does_nothing(self):
        session = Session()
        session.load()
        assert session.data == ""

    @pytest.mark.parametrize("data", ["42", "a;b", "ř 🦊", "Ã"])
    def test_cookie_of_the_standard_library_is_read(self, data):
        session = Session(sid="ID")
        session.data = data
        ((_, header),) = session.header()
        session.data = ""
        session.load(SimpleCookie(header))
        assert session.data == data

    def test_cookie_that_2_8_escaped_is_read(self):
        session = Session()
        session.load(SimpleCookie(r'SESSID="\351"'))
        assert session.data == "é"

    @pytest.mark.parametrize(
        ("kwargs", "attributes"),
        [
            ({}, ["HttpOnly", "Path=/"]),
            ({"path": None}, ["HttpOnly"]),
            ({"max_age": 10}, ["HttpOnly", "Max-Age=10", "Path=/"]),
            (
                {"domain": "example.org", "secure": True, "same_site": "None"},
                ["Domain=example.org", "HttpOnly", "Path=/", "SameSite=None", "Secure"],
            ),
        ],
    )
    def test_attributes(self, kwargs, attributes):
        assert attributes_of(Session(**kwargs)) == attributes
        # A cookie that was touched is rendered by http.cookies: the same text.
        touched = Session(**kwargs)
        assert touched.cookie["SESSID"].value == ""
        assert attributes_of(touched) == attributes

    def test_expires_is_seconds_from_now(self, clock):
        clock.now = 784111777
        attributes = attributes_of(Session(expires=60))
        assert "expires=Sun, 06 Nov 1994 08:50:37 GMT" in attributes

    @pytest.mark.parametrize("domain", ["", "example.org"])
    @pytest.mark.parametrize("destroyed", [False, True])
    def test_expires_stands_where_http_cookies_has_it(self, domain, destroyed):
        plain, touched = (Session(60, 10, domain, secure=True) for _ in range(2))
        assert touched.cookie["SESSID"].value == ""
        if destroyed:
            plain.destroy()
            touched.destroy()
        names = [text.partition("=")[0] for text in attributes_of(plain)]
        assert names == [text.partition("=")[0] for text in attributes_of(touched)]

    @pytest.mark.parametrize("same_site", [True, None, "", "none", "Other"])
    def test_same_site_must_be_known(self, same_site):
        with pytest.raises(ValueError, match="is not valid"):
            Session(same_site=same_site)

    def test_same_site_none_requires_secure(self):
        with pytest.raises(ValueError, match="same_site='None' requires secure=True"):
            Session(same_site="None")

    @pytest.mark.parametrize(
        "kwargs", [{"sid": "a b"}, {"path": "/;x"}, {"domain": "x\n"}]
    )
    def test_attributes_cannot_add_others(self, kwargs):
        with pytest.raises(ValueError, match=r"token|forbidden"):
            Session(**kwargs)

    def test_header_is_added(self):
        class Headers:
            added = ()

            def add_header(self, name, value):
                self.added += ((name, value),)

        headers = Headers()
        assert Session().header(headers) == list(headers.added)
        assert len(headers.added) == 1

    @pytest.mark.parametrize("touched", [False, True])
    @pytest.mark.parametrize(
        ("kwargs", "wanted", "unwanted"),
        [
            ({}, ["HttpOnly"], ["Max-Age=-1"]),
            ({"expires": 60}, ["HttpOnly"], ["Max-Age=-1"]),
            ({"max_age": 10, "secure": True}, ["Max-Age=-1", "Secure"], ["Max-Age=10"]),
        ],
    )
    def test_destroy_is_not_undone_by_header(self, touched, kwargs, wanted, unwanted):
        session = Session(**kwargs)
        session.data = "42"
        if touched:
            session.write()
            assert session.cookie["SESSID"].value == "42"
        session.destroy()
        session.write()
        header = session.header()[0][1]
        assert header.split(";")[0] in ("SESSID=", 'SESSID=""')
        attributes = header.split("; ")
        assert "expires=Thu, 01 Jan 1970 00:00:00 GMT" in attributes
        assert not set(wanted) - set(attributes)
        assert not set(unwanted) & set(attributes)
        assert session.data == "42"

    def test_subclass_adds_attributes(self):
        class Partitioned(Session):
            def _apply_cookie_attrs(self):
                super()._apply_cookie_attrs()
                self.cookie[self._sid]["comment"] = "x"

        assert "Comment=x" in attributes_of(Partitioned())

    def test_subclass_writes_its_own_cookie(self):
        class Upper(Session):
            def write(self):
                self.cookie[self._sid] = self.data.upper()
                self._apply_cookie_attrs()
                return self.data.upper()

        session = Upper(max_age=5)
        session.data = "abc"
        expected = "SESSID=ABC; HttpOnly; Max-Age=5; Path=/"
        assert session.header() == [("Set-Cookie", expected)]

    @pytest.mark.parametrize(("size", "warned"), [(4000, False), (4093, True)])
    def test_oversize_cookie_is_logged(self, caplog, size, warned):
        session = Session()
        session.data = "x" * size
        session.write()
        assert bool(caplog.records) is warned
        assert "xxx" not in caplog.text

    def test_control_characters_never_reach_the_header(self):
        session = Session()
        session.data = "x\r\nSet-Cookie: y=1"
        with pytest.raises(ValueError, match="control character"):
            session.header()


DATA = {"user": "joe", "id": 42, "é": ["ř", None, 1.5, {"\ud800": True}]}


def make_poor(**kwargs):
    return PoorSession(SECRET, **kwargs)


def sealed(session, data=DATA):
    session.data = data
    return cookie_of(session)


def opened(session, cookies):
    session.load(cookies)
    return session.data


def refused(session, cookies):
    """The cookie is refused, and the data stays what it was."""
    session.data = {"was": "here"}
    with pytest.raises(SessionError):
        session.load(cookies)
    return session.data == {"was": "here"}


class TestPoorSession:
    @pytest.mark.parametrize("compress", [None, NoCompress, bz2, zlib, gzip])
    @pytest.mark.parametrize("size", [0, 1, 5000])
    def test_data_comes_back(self, compress, size):
        data = {**DATA, "more": "x" * size}
        cookies = sealed(make_poor(compress=compress), data)
        assert opened(make_poor(compress=compress), cookies) == data

    def test_long_data_is_compressed(self):
        data = {"x": "long " * 500}
        assert len(sealed(make_poor(), data).value_of("SESSID")) < 300
        assert len(sealed(make_poor(compress=None), data).value_of("SESSID")) > 2500

    def test_what_compression_would_enlarge_is_stored(self):
        data = {"x": os.urandom(600).hex()}
        cookies = sealed(make_poor(), {"x": data["x"][:600]})
        assert opened(make_poor(), cookies) == {"x": data["x"][:600]}

    def test_data_compressed_by_another_module_is_refused(self):
        cookies = sealed(make_poor(compress=zlib), {"x": "long " * 500})
        for compress in (None, bz2, gzip):
            assert refused(make_poor(compress=compress), cookies)

    @pytest.mark.parametrize("compress", [bz2, zlib, gzip])
    def test_decompression_is_bounded(self, compress):
        """Our own bombs are the only ones that can come, and they are refused."""
        cookies = sealed(make_poor(compress=compress), {"x": "x" * MAX_DATA_SIZE})
        assert refused(make_poor(compress=compress), cookies)

    def test_1000_writes_give_1000_cookies(self):
        session = make_poor()
        session.data = DATA
        written = {session.write() for _ in range(1000)}
        assert len(written) == 1000
        # No key stream twice: the bodies have no byte column in common either.
        assert len({raw[30:60] for raw in written}) == 1000

    def test_value_has_one_dot_and_needs_no_quotes(self):
        raw = make_poor().write()
        assert raw.count(".") == 1
        assert quote_value(raw) == raw
        assert SimpleCookie(f"SESSID={raw}")["SESSID"].value == raw

    def test_nothing_readable_in_the_value(self):
        raw = sealed(make_poor(), {"user": "joe"}).value_of("SESSID")
        body = raw.partition(".")[0]
        assert b"joe" not in base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))

    def test_flipping_any_character_is_refused(self):
        raw = sealed(make_poor()).value_of("SESSID")
        for index, char in enumerate(raw):
            for other in "A", "B", ".", "=", "é", " ", '"':
                if other != char:
                    changed = raw[:index] + other + raw[index + 1 :]
                    assert refused(make_poor(), {"SESSID": morsel(changed)})

    def test_cutting_or_adding_is_refused(self):
        raw = sealed(make_poor()).value_of("SESSID")
        for index in range(1, len(raw)):
            assert refused(make_poor(), {"SESSID": morsel(raw[:index])})
            assert refused(make_poor(), {"SESSID": morsel(raw[index:])})
        for more in ("=", "A", ".", "é", "\n", " "):
            assert refused(make_poor(), {"SESSID": morsel(raw + more)})
            assert refused(make_poor(), {"SESSID": morsel(more + raw)})

    def test_mixing_two_cookies_is_refused(self):
        one, two = (
            sealed(make_poor(), {"n": n}).value_of("SESSID").split(".") for n in (1, 2)
        )
        assert refused(make_poor(), {"SESSID": morsel(f"{one[0]}.{two[1]}")})
        half = len(one[0]) // 2
        mixed = f"{one[0][:half]}{two[0][half:]}.{one[1]}"
        assert refused(make_poor(), {"SESSID": morsel(mixed)})

    def test_cookie_of_another_name_is_refused(self):
        raw = sealed(make_poor(sid="OTHER")).value_of("OTHER")
        assert refused(make_poor(), {"SESSID": morsel(raw)})

    @pytest.mark.parametrize(
        "raw", ["x", ".", "..", "a.b", "A" * 70_000, "\ud800.x", "é.é", "\0"]
    )
    def test_nonsense_is_refused(self, raw):
        assert refused(make_poor(), {"SESSID": morsel(raw)})

    @settings(max_examples=200, deadline=None)
    @given(st.text())
    def test_any_text_is_refused(self, raw):
        if raw:
            assert refused(make_poor(), {"SESSID": morsel(raw)})

    def test_empty_value_is_no_session(self):
        session = make_poor()
        session.data = {"x": 1}
        session.load(SimpleCookie('SESSID=""'))
        assert session.data == {"x": 1}

    def test_destroyed_session_cannot_be_read_again(self):
        session = make_poor()
        session.data = DATA
        session.destroy()
        assert opened(make_poor(), cookie_of(session)) == {}

    def test_list_is_no_session(self):
        with pytest.raises(SessionError, match="not dictionary"):
            make_poor().load(sealed(make_poor(), [1]))

    def test_another_version_is_refused(self, monkeypatch):
        monkeypatch.setattr("poorwsgi.session._COOKIE_VERSION", b"\x09")
        cookies = sealed(make_poor())
        monkeypatch.undo()
        assert refused(make_poor(), cookies)

    def test_first_key_seals_and_all_open(self):
        old = sealed(PoorSession("old"))
        new = sealed(PoorSession(["new", b"old"]))
        assert opened(PoorSession(["new", "old"]), old) == DATA
        assert opened(PoorSession(("new",)), new) == DATA
        assert refused(PoorSession("old"), new)
        assert refused(PoorSession(["new"]), old)

    @pytest.mark.parametrize("secret", ["", b"", None, [], ["x", ""]])
    def test_empty_key_is_refused(self, secret):
        with pytest.raises(
            SessionError, match=r"poor_SecretKey is not set! .* app\.secret_key"
        ):
            PoorSession(secret)

    def test_keys_are_derived_once(self):
        assert PoorSession("one key")._keys is PoorSession("one key")._keys
        assert PoorSession(["a", "b"])._keys is PoorSession(("a", "b"))._keys
        for number in range(100):
            PoorSession(f"key {number}")
        assert _cookie_keys.cache_info().currsize <= 32

    def test_long_keys_count_whole(self):
        cookies = sealed(PoorSession("k" * 200))
        assert refused(PoorSession("k" * 199), cookies)

    @pytest.mark.parametrize(
        ("kwargs", "after", "good"),
        [
            ({"max_age": 60}, 59, True),
            ({"max_age": 60}, 60, False),
            ({"expires": 60}, 59, True),
            ({"expires": 60}, 61, False),
            ({"expires": 60, "max_age": 600}, 61, True),
            ({"max_age": 0}, 0, False),
            ({}, 1e9, True),
        ],
    )
    def test_age_is_kept_by_load_too(self, clock, kwargs, after, good):
        cookies = sealed(make_poor(**kwargs))
        clock.now += after
        if good:
            session = make_poor(**kwargs)
            assert opened(session, cookies) == DATA
            assert session.issued == pytest.approx(clock.now - after)
        else:
            assert refused(make_poor(**kwargs), cookies)

    def test_request_instead_of_a_key_is_loaded_at_once(self, caplog):
        class Request:
            secret_key = SECRET
            cookies = sealed(make_poor())

        assert PoorSession(Request()).data == DATA
        assert "obsolete" in caplog.text
        Request.secret_key = None
        with pytest.raises(SessionError):
            PoorSession(Request)

    def test_no_secret_in_repr_of_errors(self):
        with pytest.raises(SessionError) as caught:
            make_poor().load(SimpleCookie("SESSID=a.b"))
        assert str(caught.value) == "Bad session data."

    @pytest.mark.parametrize("python_only", [False, True])
    def test_json_is_written_the_same_way_without_the_c_encoder(
        self, monkeypatch, python_only
    ):
        if python_only:
            monkeypatch.setattr(json.encoder, "c_make_encoder", None)
        encode = _make_json_encoder()
        assert encode(DATA) == json.dumps(
            DATA, separators=(",", ":"), ensure_ascii=False
        )
        with pytest.raises(TypeError, match="not JSON serializable"):
            encode({"x": object()})

    def test_circle_is_an_error(self):
        session = make_poor()
        session.data["self"] = session.data
        with pytest.raises(RecursionError):
            session.write()

    def test_compressor_of_the_user(self):
        class Broken:
            @staticmethod
            def compress(data, level):
                return data[:level]

            @staticmethod
            def decompress(data):
                raise OSError(data[:0])

        cookies = sealed(make_poor(compress=Broken), {"x": "x" * 1000})
        assert refused(make_poor(compress=Broken), cookies)

    def test_base_class_does_not_say_how(self):
        with pytest.raises(NotImplementedError):
            DictSession().write()
        with pytest.raises(NotImplementedError):
            DictSession().load(SimpleCookie("SESSID=x"))


def morsel(value):
    """A morsel with any value, as a careless parser could make it."""

    class Bare:
        pass

    Bare.value = value
    return Bare


class TestBuildingBlocks:
    """What 2.8.1 built its cookie from keeps working for those who call it."""

    def test_hidden_is_its_own_inverse(self):
        assert hidden(hidden("text é", b"key"), b"key") == "text é".encode()
        assert hidden(b"\x00\x01", b"\x01\x02\x03") == b"\x01\x03"

    def test_decrypt_undoes_encrypt(self):
        table = bytearray(reversed(range(256)))
        assert encrypt(b"\x00\xff", table) == b"\xff\x00"
        assert decrypt(encrypt(b"some text", table), table) == b"some text"

    def test_names(self):
        assert KEYSTREAM_SIZE == 1024
        assert NoCompress.compress(b"x", 9) == NoCompress.decompress(b"x") == b"x"


def test_doctests():
    page = Path(__file__).parent.parent.parent / "doc" / "sessions.rst"
    assert doctest.testfile(str(page), module_relative=False).failed == 0
    for module in (session, auth, store):
        result = doctest.testmod(module)
        assert (result.attempted > 0, result.failed) == (True, 0)
