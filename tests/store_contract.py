"""What every store keeps to; a test class inherits it and brings `store`."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from poorwsgi.cookies import parse_cookies
from poorwsgi.store import SessionConflictError, StoreSession


def cookie_of(session):
    ((_, value),) = session.header()
    return parse_cookies(value.partition(";")[0])


def loaded(store, cookies, **kwargs):
    session = StoreSession(store, **kwargs)
    session.load(cookies)
    return session


class StoreContract:
    LIFE = 60

    def test_missing_key(self, store):
        assert store.get("missing") is None
        assert not store.replace("missing", "", "x", self.LIFE)
        store.delete("missing")

    @pytest.mark.parametrize("value", ["", "x", "ř\r\n\0🦊", "x" * 30_000])
    def test_value_comes_back(self, store, value):
        assert store.add("key", value, self.LIFE)
        assert store.get("key") == value

    def test_key_is_added_once(self, store):
        assert store.add("key", "one", self.LIFE)
        assert not store.add("key", "two", self.LIFE)
        assert store.get("key") == "one"
        assert store.add("other", "two", self.LIFE)

    def test_replace_needs_the_old_value(self, store):
        store.add("key", "one", self.LIFE)
        assert not store.replace("key", "two", "three", self.LIFE)
        assert store.replace("key", "one", "two", self.LIFE)
        assert store.get("key") == "two"

    def test_deleted_key_is_missing(self, store):
        store.add("key", "one", self.LIFE)
        store.delete("key")
        assert store.get("key") is None
        assert not store.replace("key", "one", "two", self.LIFE)
        assert store.add("key", "three", self.LIFE)

    def test_expired_key_is_missing(self, store):
        store.add("key", "one", 0.05)
        store.add("later", "one", self.LIFE)
        store.replace("later", "one", "two", 0.05)
        time.sleep(0.1)
        assert store.get("key") is None
        assert store.get("later") is None
        assert not store.replace("key", "one", "two", self.LIFE)
        assert store.add("key", "three", self.LIFE)
        assert store.get("key") == "three"

    def test_threads_add_once(self, store):
        barrier, outcomes = threading.Barrier(8), []

        def add():
            barrier.wait()
            outcomes.extend(
                (number, store.add(f"key{number}", "x", self.LIFE))
                for number in range(20)
            )

        run_threads(add, 8)
        assert Counter(outcomes) == {
            **{(number, True): 1 for number in range(20)},
            **{(number, False): 7 for number in range(20)},
        }

    def test_session_survives(self, store):
        session = StoreSession(store)
        session.data = {"user": "řehoř", "list": [1, None, {"a": 1.5}]}
        cookies = cookie_of(session)
        assert loaded(store, cookies).data == session.data

    def test_changes_of_different_keys_are_both_kept(self, store):
        session = StoreSession(store)
        session.data = {"a": 1, "b": 1, "c": 1}
        cookies = cookie_of(session)
        one, two = loaded(store, cookies), loaded(store, cookies)
        one.data["a"] = 2
        del two.data["b"]
        two.data["d"] = 2
        one.write()
        two.write()
        expected = {"a": 2, "c": 1, "d": 2}
        assert two.data == loaded(store, cookies).data == expected

    def test_changes_of_one_key_conflict(self, store):
        session = StoreSession(store)
        session.data = {"count": 1}
        cookies = cookie_of(session)
        one, two = loaded(store, cookies), loaded(store, cookies)
        one.data["count"] += 1
        two.data["count"] += 1
        one.write()
        with pytest.raises(SessionConflictError, match="count"):
            two.write()
        assert loaded(store, cookies).data == {"count": 2}

    def test_update_loses_no_count(self, store):
        session = StoreSession(store)
        session.data = {"count": 0}
        cookies = cookie_of(session)

        def count():
            mine = loaded(store, cookies)
            for _ in range(5):
                mine.update(lambda data: data.update(count=data["count"] + 1))

        run_threads(count, 4)
        assert loaded(store, cookies).data == {"count": 20}

    def test_update_keeps_what_was_changed_before_it(self, store):
        session = StoreSession(store)
        session.data = {"count": 0, "theirs": [1]}
        mine = loaded(store, cookie_of(session))
        session.update(lambda data: data.update(count=1, theirs=[1, 2]))
        mine.data["user"] = "joe"
        mine.update(lambda data: data.update(count=data["count"] + 1))
        expected = {"count": 2, "theirs": [1, 2], "user": "joe"}
        assert mine.data == loaded(store, cookie_of(mine)).data == expected

    def test_rotated_id_is_void(self, store):
        session = StoreSession(store)
        session.data = {"cart": 1}
        old = cookie_of(session)
        session = loaded(store, old)
        session.rotate()
        session.data["user"] = "joe"
        new = cookie_of(session)
        assert new != old
        assert loaded(store, new).data == {"cart": 1, "user": "joe"}
        assert loaded(store, old).data == {}

    def test_destroyed_session_is_gone(self, store):
        session = StoreSession(store)
        session.data = {"user": "joe"}
        cookies = cookie_of(session)
        other = loaded(store, cookies)
        loaded(store, cookies).destroy()
        assert loaded(store, cookies).data == {}
        # A request that was under way does not bring it back.
        other.data["more"] = 1
        assert other.header() == other.header() == []
        assert loaded(store, cookies).data == {}


def run_threads(function, count):
    threads = [threading.Thread(target=function) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
