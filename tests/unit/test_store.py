"""Stores, and sessions kept in them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from store_contract import StoreContract, cookie_of, loaded

from poorwsgi.cookies import parse_cookies
from poorwsgi.session import SessionError
from poorwsgi.store import (
    FileStore,
    MemoryStore,
    RedisStore,
    SessionConflictError,
    SQLiteStore,
    StoreError,
    StoreSession,
    UwsgiStore,
)


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self):
        return MemoryStore()

    def test_size_is_bounded(self):
        store = MemoryStore(max_items=100)
        for number in range(1000):
            assert store.add(f"key{number}", "x", 60 + number)
        assert len(store._items) <= 100
        assert store.get("key999") == "x"
        assert store.get("key0") is None


class TestFiles(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return FileStore(tmp_path / "sessions")

    def test_files_are_private(self, store):
        store.add("key/../../x", "secret", 60)
        assert stat.S_IMODE(os.stat(store.directory).st_mode) == 0o700
        for name in os.listdir(store.directory):
            mode = os.stat(os.path.join(store.directory, name)).st_mode
            assert stat.S_IMODE(mode) == 0o600

    def test_purge_removes_what_has_expired(self, store):
        store.add("old", "x", 0.01)
        store.add("new", "x", 60)
        with open(os.path.join(store.directory, "notes.txt"), "w") as file:
            file.write("not ours")
        time.sleep(0.02)
        store.purge()
        assert len(os.listdir(store.directory)) == 3  # new, the lock, notes.txt
        assert store.get("new") == "x"

    def test_add_purges_now_and_then(self, store):
        store.add("old", "x", 0.01)
        time.sleep(0.02)
        store._purged -= store.PURGE_EVERY + 1
        store.add("new", "x", 60)
        assert len(os.listdir(store.directory)) == 2

    @pytest.mark.parametrize("content", [b"", b"x\ny", b"\xff\n"])
    def test_damaged_file_counts_as_missing(self, store, content, caplog):
        store.add("key", "x", 60)
        path = store._path("key")
        with open(path, "wb") as file:
            file.write(content)
        assert store.get("key") is None
        assert "is damaged" in caplog.text
        store.purge()
        assert not os.path.exists(path)
        assert store.add("key", "y", 60)

    def test_failed_write_leaves_no_file(self, store, monkeypatch):
        def full(*args):
            raise OSError("no space left")

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space"):
            store.add("key", "x", 60)
        assert os.listdir(store.directory) == [".lock"]

    def test_purge_bears_files_that_vanish(self, store, monkeypatch):
        monkeypatch.setattr(os, "listdir", lambda path: ["0" * 64])
        store.purge()


PROCESS = """
import sys
from poorwsgi.store import FileStore, SQLiteStore
store = {"file": FileStore, "sqlite": SQLiteStore}[sys.argv[1]](sys.argv[2])
print(sum(store.add(f"key{number}", "x", 60) for number in range(50)))
"""


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_processes_add_once(kind, tmp_path):
    command = [sys.executable, "-c", PROCESS, kind, str(tmp_path / "store")]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert sum(int(process.communicate()[0]) for process in running) == 50


class TestSQLite(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return SQLiteStore(tmp_path / "sessions.db")

    def test_database_is_private(self, store):
        assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o600

    def test_purge_removes_what_has_expired(self, store):
        store.add("old", "x", 0.01)
        store.add("new", "x", 60)
        time.sleep(0.02)
        store.purge()
        assert store._run("SELECT count(*) FROM store").fetchone() == (1,)


class FakeUwsgi:
    """The calls of uWSGI that the store uses, as its documentation has them."""

    def __init__(self):
        self.items = {}
        self.full = False
        self.locked = 0

    def lock(self, number):
        while self.locked:
            time.sleep(0.001)
        self.locked += 1

    def unlock(self, number):
        self.locked -= 1

    def cache_get(self, key, cache):
        return self.items.get((cache, key))

    def cache_update(self, key, value, expires, cache):
        assert isinstance(expires, int)
        if self.full:
            return None
        self.items[cache, key] = value
        return True

    def cache_del(self, key, cache):
        return self.items.pop((cache, key), None)


class TestUwsgi(StoreContract):
    @pytest.fixture
    def uwsgi(self, monkeypatch):
        fake = FakeUwsgi()
        monkeypatch.setitem(sys.modules, "uwsgi", fake)
        return fake

    @pytest.fixture
    def store(self, uwsgi):
        return UwsgiStore()

    test_threads_add_once = None  # the lock above holds for one thread only
    test_update_loses_no_count = None

    def test_full_cache_is_an_error(self, store, uwsgi):
        uwsgi.full = True
        with pytest.raises(StoreError, match="is full"):
            store.add("key", "x", 60)
        assert uwsgi.locked == 0

    def test_elsewhere_it_says_so(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "uwsgi", None)
        with pytest.raises(ImportError, match="only under uWSGI"):
            UwsgiStore()


def test_redis_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ImportError, match=r"poorwsgi\[redis\]"):
        RedisStore("redis://localhost")


def test_redis_client_may_decode_by_itself():
    client = SimpleNamespace(get=str.upper, register_script=len)
    assert RedisStore(client, "x:").get("key") == "X:KEY"


class TestSession:
    @pytest.fixture
    def store(self):
        return MemoryStore()

    def test_nothing_to_keep_sets_no_cookie(self, store):
        session = StoreSession(store)
        assert session.write() == ""
        assert session.header() == []
        assert store._items == {}

    def test_emptied_session_is_kept(self, store):
        session = StoreSession(store)
        session.data = {"x": 1}
        session = loaded(store, cookie_of(session))
        session.data = {}
        assert loaded(store, cookie_of(session)).data == {}

    def test_cookie_holds_a_random_id_only(self, store):
        session = StoreSession(store, secure=True)
        session.data = {"user": "joe"}
        ((_, header),) = session.header()
        assert header.endswith("; HttpOnly; Path=/; SameSite=Lax; Secure")
        assert len(session.write()) == 43
        (key,) = store._items
        assert session.write() not in key

    @pytest.mark.parametrize("raw", ["", "x", "A" * 43, "é" * 43, "../" * 20])
    def test_unknown_id_is_not_taken_over(self, store, raw):
        cookies = parse_cookies(f"SESSID={raw}")
        session = loaded(store, cookies)
        session.data["user"] = "joe"
        assert session.write() != raw
        assert loaded(store, cookies).data == {}

    def test_cookies_may_be_missing(self, store):
        assert loaded(store, None).data == {}

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"d":1}', "null"])
    def test_foreign_data_is_an_error(self, store, text):
        session = StoreSession(store)
        session.data = {"x": 1}
        cookies = cookie_of(session)
        (key,) = store._items
        store._items[key] = (store._items[key][0], text)
        with pytest.raises(SessionError):
            loaded(store, cookies)

    @pytest.mark.parametrize(
        ("kwargs", "life"),
        [
            ({}, 86400),
            ({"life": 60}, 60),
            ({"max_age": 10, "life": 60}, 10),
            ({"expires": 20}, 20),
        ],
    )
    def test_life_in_the_store(self, store, kwargs, life):
        session = StoreSession(store, **kwargs)
        session.data = {"x": 1}
        session.write()
        ((expires, _),) = store._items.values()
        assert expires == pytest.approx(time.time() + life, abs=5)

    def test_unchanged_session_is_written_now_and_then(self, store, monkeypatch):
        session = StoreSession(store, life=100)
        session.data = {"x": 1}
        cookies = cookie_of(session)
        before = dict(store._items)
        loaded(store, cookies, life=100).write()
        assert store._items == before
        later = time.time() + 20
        monkeypatch.setattr(time, "time", lambda: later)
        loaded(store, cookies, life=100).write()
        ((expires, _),) = store._items.values()
        assert expires == later + 100

    def test_rotating_a_new_session_does_nothing(self, store):
        session = StoreSession(store)
        session.rotate()
        session.destroy()
        assert session.header()[0][1].startswith("SESSID=; expires=")

    def test_cookie_of_a_login_is_not_replaced_by_a_slower_request(self, store):
        session = StoreSession(store)
        session.data = {"basket": ["book"]}
        cookies = cookie_of(session)
        reader, writer = loaded(store, cookies), loaded(store, cookies)
        session.rotate()
        assert cookie_of(session)["SESSID"].value != cookies["SESSID"].value
        writer.data["basket"] = []
        assert reader.header() == writer.header() == []
        assert loaded(store, cookie_of(session)).data == {"basket": ["book"]}

    def test_changed_session_sends_its_cookie_again(self, store):
        session = StoreSession(store, max_age=60)
        session.data = {"x": 1}
        cookies = cookie_of(session)
        session = loaded(store, cookies, max_age=60)
        assert session.header() == []
        session.data["x"] = 2
        assert cookie_of(session) == cookies

    def test_change_before_an_update_may_conflict(self, store):
        session = StoreSession(store)
        session.data = {"x": 0, "y": 0}
        mine = loaded(store, cookie_of(session))
        session.update(lambda data: data.update(x=1, y=1))
        mine.data["x"] = 2
        with pytest.raises(SessionConflictError, match="x"):
            mine.update(lambda data: data.update(y=2))
        assert loaded(store, cookie_of(session)).data == {"x": 1, "y": 1}

    def test_removed_key_conflicts_with_a_change(self, store):
        session = StoreSession(store)
        session.data = {"x": 1}
        cookies = cookie_of(session)
        one, two = loaded(store, cookies), loaded(store, cookies)
        del one.data["x"]
        two.data["x"] = 2
        one.write()
        with pytest.raises(SessionConflictError):
            two.write()

    def test_store_that_always_changes(self, store, monkeypatch):
        session = StoreSession(store)
        session.data = {"x": 1}
        session.write()
        monkeypatch.setattr(store, "replace", lambda *args: False)
        session.data["x"] = 2
        with pytest.raises(SessionConflictError, match="no success"):
            session.write()
        with pytest.raises(SessionConflictError, match="no success"):
            session.update(lambda data: data.update(x=3))

    def test_store_that_takes_nothing(self, store, monkeypatch):
        monkeypatch.setattr(store, "add", lambda *args: False)
        session = StoreSession(store)
        session.data = {"x": 1}
        with pytest.raises(StoreError):
            session.write()

    def test_update_of_an_ended_session(self, store):
        session = StoreSession(store)
        session.data = {"x": 1}
        loaded(store, cookie_of(session)).destroy()
        session.update(lambda data: data.update(x=2))
        assert store._items == {}
