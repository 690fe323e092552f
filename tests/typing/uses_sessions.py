# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Sessions, stores and tokens."""

import bz2
import os
import zlib
from http.cookies import SimpleCookie
from typing import Any, assert_type

from poorwsgi import Application
from poorwsgi.aes_session import AESSession
from poorwsgi.headers import Headers
from poorwsgi.request import Request
from poorwsgi.response import Response, TextResponse
from poorwsgi.session import (
    NoCompress,
    PoorSession,
    Session,
    SessionError,
    check_token,
    get_token,
)
from poorwsgi.store import (
    FileStore,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    Store,
    StoreSession,
    UwsgiStore,
)

app = Application("uses_sessions")
app.secret_key = "key"
app.secret_key = os.environ["KEYS"].split(":")


@app.route("/")
def root(req: Request) -> Response:
    session = PoorSession(app.secret_key, max_age=3600, secure=True, same_site="Lax")
    try:
        session.load(req.cookies)
    except SessionError:
        session.destroy()
    assert_type(session.data, dict[str, Any])
    session.data["n"] = 1
    assert_type(session.write(), str)
    assert_type(session.cookie, SimpleCookie)
    response = TextResponse("text")
    assert_type(session.header(response), list[tuple[str, str]])
    session.header(Headers())
    session.header()
    return response


PoorSession("key", compress=bz2)
PoorSession(b"key", compress=zlib)
PoorSession(["new", b"old"], compress=NoCompress)
PoorSession("key", compress=None)
PoorSession("key", same_site="lax")  # type: ignore[arg-type]
assert_type(AESSession("key").data, dict[str, Any])


class Counter(Session):
    """A session with data of another type."""

    data: int

    def load(self, cookies: SimpleCookie | None = None) -> None:
        super().load(cookies)

    def write(self) -> str:
        return str(self.data)


assert_type(Counter(sid="COUNT").data, int)


class OwnStore:
    """What has these four methods is a store."""

    def get(self, key: str) -> str | None:
        return None

    def add(self, key: str, value: str, life: float) -> bool:
        return True

    def replace(self, key: str, old: str, new: str, life: float) -> bool:
        return True

    def delete(self, key: str) -> None: ...


stores: list[Store] = [
    MemoryStore(),
    FileStore("sessions"),
    SQLiteStore("sessions.db"),
    UwsgiStore(),
    RedisStore(None),
    OwnStore(),
]
session = StoreSession(stores[0], same_site="Strict")
assert_type(session.data, dict[str, Any])
StoreSession(object())  # type: ignore[arg-type]


def count(data: dict[str, Any]) -> None:
    data["n"] = data.get("n", 0) + 1


session.update(count)
app.auth_store = stores[0]

keys = [b"new", b"old"]
AESSession(keys)
PoorSession(keys)
get_token(("new", b"old"), "client")
token = get_token("secret", "client", timeout=300)
assert_type(token, str)
assert_type(check_token(token, "secret", "client", 300), bool)
