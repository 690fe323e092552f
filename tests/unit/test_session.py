"""Sessions in cookies, and tokens."""

from __future__ import annotations

import time

import pytest

from poorwsgi.session import (
    SessionError,
    check_token,
    get_nonce,
    get_token,
    key_list,
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
