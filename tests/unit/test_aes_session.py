"""Sessions sealed by AES-256-GCM, and those of PoorWSGI 2.8 read."""

from __future__ import annotations

import sys
import time
from http.cookies import SimpleCookie

import pytest

from poorwsgi.aes_session import AESSession
from poorwsgi.cookies import parse_cookies, quote_value
from poorwsgi.session import SessionError

SECRET = "secret key"
DATA = {"user": "joe", "é": ["ř", None, 1.5]}
# Written by AESSession("secret key") of PoorWSGI 2.8.1.
OLD = (
    "naosI3_f4yORbt-DDCAFp8Ad9a5ES9d2imMQ8zIEFMtp_--_0m7JcTDbiD6Vug==."
    "VedMhnJNG98kg2ucxSJw76sYg2aCDbBxgay9QAn5-f4="
)
OLD_DATA = {"a": 1, "user": "joe é"}


def cookie_of(raw):
    return SimpleCookie({"SESSID": raw})


def written(secret=SECRET, **kwargs):
    session = AESSession(secret, **kwargs)
    session.data = DATA
    return session.write()


def loaded(raw, secret=SECRET, **kwargs):
    session = AESSession(secret, **kwargs)
    session.load(cookie_of(raw))
    return session.data


def is_refused(raw, secret=SECRET, **kwargs):
    session = AESSession(secret, **kwargs)
    session.data = {"was": "here"}
    with pytest.raises(SessionError):
        session.load(cookie_of(raw))
    return session.data == {"was": "here"}


def test_data_comes_back_through_the_header():
    session = AESSession(SECRET, max_age=60)
    session.data = DATA
    ((_, header),) = session.header()
    assert header.endswith("; HttpOnly; Max-Age=60; Path=/")
    other = AESSession(SECRET, max_age=60)
    other.load(parse_cookies(header.partition(";")[0]))
    assert other.data == DATA
    assert other.issued == pytest.approx(time.time(), abs=60)


def test_value_has_a_version_and_needs_no_quotes():
    raw = written()
    assert raw.startswith("2.")
    assert quote_value(raw) == raw


def test_1000_writes_give_1000_cookies():
    assert len({written() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("raw", [written(), OLD])
def test_flipping_any_character_is_refused(raw):
    for index, char in enumerate(raw):
        for other in "A", "B", ".", "=", "é", " ":
            if other != char:
                assert is_refused(raw[:index] + other + raw[index + 1 :])


@pytest.mark.parametrize("raw", [written(), OLD])
def test_cutting_or_adding_is_refused(raw):
    for index in range(1, len(raw)):
        assert is_refused(raw[:index])
        assert is_refused(raw[index:])
    for more in ("=", "A", ".", "é", "\n", " ", "AAAA"):
        assert is_refused(raw + more)
        assert is_refused(more + raw)


@pytest.mark.parametrize("size", range(4))
def test_padding_is_no_second_spelling(size):
    session = AESSession(SECRET)
    session.data = {"user": "x" * size}
    for padding in "=", "==", "===":
        assert is_refused(session.write() + padding)


def test_mixing_two_cookies_is_refused():
    one, two = written(), written()
    assert is_refused(one[:40] + two[40:])


def test_cookie_of_another_name_is_refused():
    assert is_refused(written(sid="OTHER"))


@pytest.mark.parametrize("raw", ["x", "2.", "2.A", ".", "2.AAAA", "2." + "A" * 70_000])
def test_nonsense_is_refused(raw):
    assert is_refused(raw)


def test_first_key_seals_and_all_open():
    assert loaded(written("old"), ["new", b"old"]) == DATA
    assert loaded(written(["new", "old"]), ("new",)) == DATA
    assert is_refused(written(["new", "old"]), "old")


@pytest.mark.parametrize("secret", ["", b"", None, []])
def test_empty_key_is_refused_before_all_else(secret):
    with pytest.raises(SessionError, match="Empty secret_key"):
        AESSession(secret, same_site=True)


def test_age_is_kept_by_load_too(monkeypatch):
    raw = written()
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    assert loaded(raw) == DATA
    assert loaded(raw, max_age=100) == DATA
    assert is_refused(raw, max_age=60)


class TestOldCookies:
    def test_are_read(self):
        session = AESSession(["new", SECRET])
        session.load(cookie_of(OLD))
        assert session.data == OLD_DATA
        assert session.issued is None

    def test_can_be_switched_off(self, monkeypatch):
        monkeypatch.setattr(AESSession, "read_old", False)
        assert is_refused(OLD)

    def test_of_another_key_are_refused(self):
        assert is_refused(OLD, "other")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "poorwsgi.aes_session")
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ImportError, match=r"poorwsgi\[crypto\]"):
        import poorwsgi.aes_session  # noqa: F401
