"""State that processes and hosts share, and sessions kept in it.

A store is a small dictionary of texts that expire. It knows nothing of what is
in them; `StoreSession` keeps sessions there, `digest` the answers that were
used. Redis needs its package: ``pip install 'poorwsgi[redis]'``.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from copy import deepcopy
from hashlib import sha256
from importlib import import_module
from logging import getLogger
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, Protocol

from poorwsgi.session import Session, SessionError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from poorwsgi.cookies import SameSite

log = getLogger("poorwsgi")


class Store(Protocol):
    """What a store does; each call is atomic among all who share it.

    *life* is in seconds. Keys are ASCII, at most 100 characters long.
    """

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        ...

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        ...

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""


class StoreError(RuntimeError):
    """A store cannot do what it should, such as being full."""


# --- one process --------------------------------------------------------------


class MemoryStore:
    """A store for one process, for tests and development.

    When it is full, what expires first is dropped.
    """

    def __init__(self, max_items: int = 10_000) -> None:
        self.max_items = max_items
        self._items: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""
        expires, value = self._items.get(key, (0, None))
        return value if expires > time.time() else None

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        with self._lock:
            if self.get(key) is not None:
                return False
            if len(self._items) >= self.max_items:
                self._drop()
            self._items[key] = (time.time() + life, value)
            return True

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        with self._lock:
            if self.get(key) != old:
                return False
            self._items[key] = (time.time() + life, new)
            return True

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        with self._lock:
            self._items.pop(key, None)

    def _drop(self) -> None:
        """Drop a tenth, so that it need not be done for each addition."""
        by_end = sorted(self._items, key=lambda key: self._items[key])
        for key in by_end[: self.max_items // 10 + 1]:
            del self._items[key]


# --- processes of one host ----------------------------------------------------


_FILE_NAME = re.compile(r"[0-9a-f]{64}")


class FileStore:
    """A store in a directory, one file for each key, only for its owner to read.

    Readers take no lock: a file is replaced at once. Call `purge` now and then;
    `add` does it every hour.
    """

    PURGE_EVERY = 3600

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = os.path.realpath(directory)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self._purged = time.time()

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""
        return _read_live(self._path(key))

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        if time.time() > self._purged + self.PURGE_EVERY:
            self.purge()
        with self._locked():
            if self.get(key) is not None:
                return False
            self._write(key, value, life)
            return True

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        with self._locked():
            if self.get(key) != old:
                return False
            self._write(key, new, life)
            return True

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        with self._locked(), suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def purge(self) -> None:
        """Remove the files of all that has expired."""
        self._purged = time.time()
        for name in os.listdir(self.directory):
            if not _FILE_NAME.fullmatch(name):
                continue
            path = os.path.join(self.directory, name)
            with self._locked(), suppress(FileNotFoundError):
                if _read_live(path) is None:
                    os.unlink(path)

    def _path(self, key: str) -> str:
        # SECURITY: a hash is a name without slashes, and shows no session id.
        return os.path.join(self.directory, sha256(key.encode()).hexdigest())

    def _write(self, key: str, value: str, life: float) -> None:
        # mkstemp: readable and writable for its owner only.
        descriptor, temporary = mkstemp(dir=self.directory, prefix=".new-")
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(_with_end(value, life))
            os.replace(temporary, self._path(key))
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    @contextmanager
    def _locked(self) -> Generator[None]:
        # A lock belongs to the open file, so it holds among threads too.
        lock = os.open(
            os.path.join(self.directory, ".lock"), os.O_CREAT | os.O_RDWR, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _with_end(value: str, life: float) -> str:
    return f"{time.time() + life:.3f}\n{value}"


def _live(text: str) -> str | None:
    """Return the value of what `_with_end` made, None if it has expired."""
    end, _, value = text.partition("\n")
    return value if float(end) > time.time() else None


def _read_live(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return _live(file.read())
    except FileNotFoundError:
        return None
    except ValueError:
        # After a loss of power a file may be empty: it is as good as expired.
        log.warning("Session file %r is damaged", path)
        return None


class SQLiteStore:
    """A store in a SQLite database, only for its owner to read."""

    PURGE_EVERY = 600

    def __init__(self, path: str | os.PathLike[str], timeout: float = 5.0) -> None:
        self.path = os.path.realpath(path)
        self.timeout = timeout
        self._local = threading.local()
        self._purged = 0.0
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._run("PRAGMA journal_mode=WAL")
        self._run(
            "CREATE TABLE IF NOT EXISTS store (key TEXT PRIMARY KEY,"
            " value TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID"
        )
        self._run("CREATE INDEX IF NOT EXISTS store_expires ON store (expires)")

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""
        row = self._run(
            "SELECT value FROM store WHERE key = ? AND expires > ?", key, time.time()
        ).fetchone()
        return row[0] if row else None

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        now = time.time()
        if now > self._purged + self.PURGE_EVERY:
            self.purge()
        done = self._run(
            "INSERT INTO store (key, value, expires) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value,"
            " expires = excluded.expires WHERE store.expires <= ?",
            *(key, value, now + life, now),
        )
        return done.rowcount == 1

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        now = time.time()
        done = self._run(
            "UPDATE store SET value = ?, expires = ?"
            " WHERE key = ? AND value = ? AND expires > ?",
            *(new, now + life, key, old, now),
        )
        return done.rowcount == 1

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        self._run("DELETE FROM store WHERE key = ?", key)

    def purge(self) -> None:
        """Remove all that has expired; `add` does it every ten minutes."""
        self._purged = time.time()
        self._run("DELETE FROM store WHERE expires <= ?", self._purged)

    def _run(self, statement: str, *values: str | float) -> sqlite3.Cursor:
        # A connection may be used neither by another thread nor after a fork.
        owner = getattr(self._local, "owner", None)
        if owner != os.getpid():
            self._local.connection = sqlite3.connect(
                self.path, timeout=self.timeout, isolation_level=None
            )
            self._local.owner = os.getpid()
        connection: sqlite3.Connection = self._local.connection
        return connection.execute(statement, values)


class UwsgiStore:
    """A store in a cache of uWSGI, shared by its processes.

    The cache is set up by uWSGI: ``--cache2 name=poorwsgi,items=10000``, with
    ``purge_lru=1`` if it may forget when it is full.
    """

    def __init__(self, cache: str = "poorwsgi", lock: int = 0) -> None:
        try:
            self._uwsgi: Any = import_module("uwsgi")  # uWSGI brings it along
        except ImportError as err:
            raise ImportError("UwsgiStore works only under uWSGI") from err
        self._cache = cache
        self._lock = lock

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""
        text = self._uwsgi.cache_get(key, self._cache)
        return None if text is None else _live(text.decode())

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        with self._locked():
            if self.get(key) is not None:
                return False
            self._write(key, value, life)
            return True

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        with self._locked():
            if self.get(key) != old:
                return False
            self._write(key, new, life)
            return True

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        with self._locked():
            self._uwsgi.cache_del(key, self._cache)

    def _write(self, key: str, value: str, life: float) -> None:
        text = _with_end(value, life).encode()
        # uWSGI counts in whole seconds; the exact end is in the text.
        if not self._uwsgi.cache_update(key, text, int(life) + 1, self._cache):
            raise StoreError(f"uWSGI cache {self._cache!r} is full or does not exist")

    @contextmanager
    def _locked(self) -> Generator[None]:
        # The cache has no compare-and-set of its own.
        self._uwsgi.lock(self._lock)
        try:
            yield
        finally:
            self._uwsgi.unlock(self._lock)


# --- hosts --------------------------------------------------------------------

_REPLACE = """
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1
"""


class RedisStore:
    """A store in Redis, shared by processes and hosts.

    *redis* is a URL or a client of your own. Set a time-out there, and let
    Redis evict by TTL (``maxmemory-policy volatile-ttl``).
    """

    def __init__(self, redis: Any, prefix: str = "poorwsgi:") -> None:
        if isinstance(redis, str):
            redis = _connect(redis)
        self._redis = redis
        self._prefix = prefix
        self._replace = redis.register_script(_REPLACE)

    def get(self, key: str) -> str | None:
        """Return the text of *key*, None if it is missing or has expired."""
        value = self._redis.get(self._prefix + key)
        return value.decode() if isinstance(value, bytes) else value

    def add(self, key: str, value: str, life: float) -> bool:
        """Set *key* if it is missing; return whether it was."""
        name = self._prefix + key
        return bool(self._redis.set(name, value, nx=True, px=_milliseconds(life)))

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        """Set *key* to *new* if it is *old*; return whether it was."""
        values = [old, new, _milliseconds(life)]
        return bool(self._replace(keys=[self._prefix + key], args=values))

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        self._redis.delete(self._prefix + key)


def _connect(url: str) -> Any:
    try:
        from redis import Redis
    except ImportError as err:
        raise ImportError("RedisStore needs: pip install 'poorwsgi[redis]'") from err
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def _milliseconds(life: float) -> int:
    return max(1, int(life * 1000))


# --- sessions kept in a store -------------------------------------------------


class SessionConflictError(SessionError):
    """Another request has changed the same key of the session meanwhile."""


_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_MISSING = object()
_TRIES = 20


class StoreSession(Session):
    """A dictionary kept in a store; the cookie holds a random id only.

    Two requests that change different keys of `data` both succeed; if both
    change the same key, the second gets `SessionConflictError` and may use
    `update`. Call `rotate` when somebody logs in. *life* says for how many
    seconds an unused session is kept, unless *max_age* or *expires* does.

    >>> session = StoreSession(MemoryStore(), max_age=3600)
    >>> session.data["user"] = "joe"
    >>> name, value = session.header()[0]
    """

    data: dict[str, Any]
    _loaded: dict[str, Any]

    def __init__(
        self,
        store: Store,
        expires: int = 0,
        max_age: int | None = None,
        domain: str = "",
        path: str | None = "/",
        secure: bool = False,
        same_site: SameSite = "Lax",
        sid: str = "SESSID",
        life: int = 86400,
    ) -> None:
        super().__init__(expires, max_age, domain, path, secure, same_site, sid)
        self.data = {}
        self._shared = store
        self._life = (max_age if max_age is not None else expires) or life
        # False: the browser has the cookie already, or shall keep what it has.
        self._must_send = False
        self._forget()

    def load(self, cookies: Any = None) -> None:
        """Read `data` of the session that the cookie names.

        An id that the store does not know is no session: it is never taken
        over, so nobody can choose the id of somebody else.

        :raises SessionError: the store holds something else under this id.
        """
        session_id = self._find(cookies)
        if not _ID.fullmatch(session_id):
            return
        text = self._shared.get(_key(session_id))
        if text is not None:
            self.data = _data_of(text)
            self._id = session_id
            self._remember(text)

    def write(self) -> str:
        """Keep `data` and return the id, an empty text if there is nothing to keep.

        :raises SessionConflictError: see above.
        """
        if self._destroyed or not (self._id or self.data):
            return self._store("")
        if not self._id:
            self._create()
        elif not self._save():
            # Ended by another request: what is gone stays gone.
            self._forget()
            self._destroyed = True
            return self._store("")
        return self._store(self._id)

    def header(self, headers: Any = None) -> list[tuple[str, str]]:
        """Write, and return the Set-Cookie header; none if the cookie is not new.

        Another request may have logged in and changed the id meanwhile: its
        cookie must not be replaced by that of a request which was slower.
        """
        self.write()
        return super().header(headers) if self._must_send else []

    def rotate(self) -> None:
        """Give the session a new id; the old one is void at once.

        Call it when somebody logs in, so that an id somebody else may have
        planted or seen before is worth nothing.
        """
        if self._id:
            self._shared.delete(_key(self._id))
            self._forget()

    def update(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Apply *change* to the data as it is in the store now, and keep it.

        For counters and the like: *change* runs again if another request was
        faster.

        :raises SessionConflictError: others were faster too many times.
        """
        for _ in range(_TRIES):
            before, text = deepcopy(self.data), self._text
            change(self.data)
            try:
                self.write()
            except SessionConflictError:
                # What was changed before *change* is kept as well.
                self.data = before
                self._remember(text)
                self._follow()
                continue
            return
        raise SessionConflictError(f"no success in {_TRIES} tries")

    def destroy(self) -> None:
        """Remove the session from the store, and the cookie from the browser."""
        if self._id:
            self._shared.delete(_key(self._id))
            self._forget()
        self._must_send = True
        super().destroy()

    def _create(self) -> None:
        session_id = secrets.token_urlsafe(32)
        text = _text_of(self.data)
        if not self._shared.add(_key(session_id), text, self._life):
            raise StoreError("the store refused a new session")
        self._id = session_id
        self._must_send = True
        self._remember(text)

    def _save(self) -> bool:
        """Write what changed onto what is stored; return False if it is gone."""
        if self.data == self._loaded and not self._is_old():
            return True
        for _ in range(_TRIES):
            text = _text_of(self.data)
            if self._shared.replace(_key(self._id), self._text, text, self._life):
                self._must_send = True
                self._remember(text)
                return True
            if not self._follow():
                return False
        raise SessionConflictError(f"no success in {_TRIES} tries")

    def _follow(self) -> bool:
        """Put our changes onto what is stored now; return False if it is gone."""
        stored = self._shared.get(_key(self._id))
        if stored is None:
            return False
        self._merge(_data_of(stored))
        self._remember(stored)
        return True

    def _is_old(self) -> bool:
        # Unchanged sessions are written once in a tenth of their life, so that
        # those in use do not expire and reading stays cheap.
        written: int = json.loads(self._text)["t"]
        return time.time() > written + self._life / 10

    def _merge(self, theirs: dict[str, Any]) -> None:
        """Put our changes onto *theirs*, key by key."""
        merged = dict(theirs)
        for key in self._loaded.keys() | self.data.keys():
            was, ours = self._loaded.get(key, _MISSING), self.data.get(key, _MISSING)
            if ours == was:
                continue
            if theirs.get(key, _MISSING) != was:
                # Also if both set the same value: it may be a count.
                raise SessionConflictError(f"{key!r} was changed by another request")
            if ours is _MISSING:
                del merged[key]
            else:
                merged[key] = ours
        self.data = merged

    def _remember(self, text: str) -> None:
        """Note what the store holds."""
        self._text = text
        self._loaded = _data_of(text)

    def _forget(self) -> None:
        self._id = self._text = ""
        self._loaded = {}


def _key(session_id: str) -> str:
    # SECURITY: who reads the store learns no id that a browser could send.
    return f"session-{sha256(session_id.encode()).hexdigest()}"


def _text_of(data: dict[str, Any]) -> str:
    # The random part makes each version another text, as `replace` needs it.
    content = {"v": secrets.token_hex(8), "t": int(time.time()), "d": data}
    return json.dumps(content, separators=(",", ":"))


def _data_of(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)["d"]
    except (ValueError, KeyError, TypeError):
        data = None
    if not isinstance(data, dict):
        raise SessionError("Bad session data.")
    return data
