"""Requests of all kinds, each with the answer that is the only right one.

Number *n* goes into the request and has to come back in its answer, so that an
answer to another request, or half of one, is found at once.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from fuzz.world import KEY, REALM, Reply, call, environ_of, make_application, unique

from poorwsgi import Application, state
from poorwsgi.digest import hexdigest
from poorwsgi.session import PoorSession, get_nonce

Environ = dict[str, Any]
FILE = bytes(range(256)) * 40
OPAQUE = hashlib.sha256(b"localhost").hexdigest()
STORED = hexdigest("joe", REALM, "pass", hashlib.md5)


class WrongAnswerError(AssertionError):
    """An answer that is not the one to its request."""


@contextmanager
def soaked_application() -> Iterator[Application]:
    """Yield an application with a folder that it serves."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.bin").write_bytes(FILE)
        app = make_application(unique("soak"), Path(folder))

        @app.route("/note", method=state.METHOD_POST)
        def note(req: Any) -> Any:
            data = req.form if req.mime_type != "application/json" else req.json
            content = data.getvalue("file") or b""
            size = len(content) if isinstance(content, bytes) else -1
            return {"n": data.getvalue("n"), "size": size, "q": req.args.get("q")}

        try:
            yield app
        finally:
            app.release()


def _post(content_type: str, body: bytes, n: int) -> Environ:
    return {
        **environ_of("POST", "/note", QUERY_STRING=f"q={n}"),
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }


def _is_note(reply: Reply, n: int, size: int = 0) -> bool:
    got = json.loads(reply.body)
    return [str(got["n"]), got["size"], got["q"]] == [str(n), size, str(n)]


def _form(n: int) -> Environ:
    body = f"n={n}&other=%C5%BE".encode()
    return _post("application/x-www-form-urlencoded", body, n)


def _json(n: int) -> Environ:
    return _post("application/json", json.dumps({"n": n, "x": [n] * 20}).encode(), n)


def _size(n: int) -> int:
    """Return how large an upload is; some go to a temporary file."""
    return 50_000 if n % 32 == 0 else n % 5000


def _upload(n: int) -> Environ:
    head = '--x\r\nContent-Disposition: form-data; name="'
    body = f'{head}n"\r\n\r\n{n}\r\n{head}file"; filename="f"\r\n\r\n'.encode()
    body += b"\xff" * _size(n) + b"\r\n--x--\r\n"
    return _post("multipart/form-data; boundary=x", body, n)


def _cut(n: int) -> Environ:
    environ = _form(n)
    environ["CONTENT_LENGTH"] = "900"
    return environ


def _session(n: int) -> Environ:
    session = PoorSession(KEY)
    session.data["user"] = n
    return environ_of("GET", "/session", HTTP_COOKIE=f"SESSID={session.write()}")


def _digest(n: int) -> Environ:
    nonce, cnonce = get_nonce(KEY, "agent", 86400), f"c{n}"

    def md5(*fields: str) -> str:
        return hashlib.md5(":".join(fields).encode()).hexdigest()

    first, second = md5(STORED, nonce, cnonce), md5("GET", "/digest")
    response = md5(first, nonce, "00000001", cnonce, "auth", second)
    header = (
        f'Digest username="joe", realm="{REALM}", nonce="{nonce}", uri="/digest", '
        f'algorithm=MD5-sess, response="{response}", opaque="{OPAQUE}", qop=auth, '
        f'nc=00000001, cnonce="{cnonce}"'
    )
    more = {"HTTP_AUTHORIZATION": header, "HTTP_USER_AGENT": "agent"}
    return environ_of("GET", "/digest", **more)


def _range(n: int) -> Environ:
    first = n % 200
    return environ_of("GET", "/a.bin", HTTP_RANGE=f"bytes={first}-{first + n % 50}")


def _get(path: str, **more: str) -> Callable[[int], Environ]:
    def make(n: int) -> Environ:
        filled = {key: value.format(n) for key, value in more.items()}
        return environ_of("GET", path.format(n), **filled)

    return make


#: What is asked, and whether an answer is the right one.
KINDS: dict[str, tuple[Callable[[int], Environ], Callable[[Reply, int], bool]]] = {
    "number": (_get("/int/{}"), lambda r, n: r.body.startswith(f"{n} '' {{".encode())),
    "name": (_get("/name/a{}"), lambda r, n: r.body == f"a{n}".encode()),
    "form": (_form, _is_note),
    "json": (_json, _is_note),
    "upload": (_upload, lambda r, n: _is_note(r, n, _size(n))),
    "cut body": (_cut, lambda r, n: r.status == 400),
    "session": (
        _session,
        lambda r, n: r.body.startswith(f"{{'user': {n}}}\n".encode()),
    ),
    "digest": (_digest, lambda r, n: r.body == b"hello joe"),
    "range": (_range, lambda r, n: r.body == FILE[n % 200 : n % 200 + n % 50 + 1]),
    "nothing": (
        _get("/nowhere/{}"),
        lambda r, n: r.status == 404 and f"/nowhere/{n}".encode() in r.body,
    ),
    "host": (
        _get("/read", HTTP_HOST="h{}.test"),
        lambda r, n: json.loads(r.body)["url"] == f"http://h{n}.test/back",
    ),
    "query": (
        _get("/read", QUERY_STRING="a={0}&k{0}=v", HTTP_COOKIE="c={}; bad"),
        lambda r, n: (
            [json.loads(r.body)[name] for name in ("arg a", "cookie c")]
            == [f"['{n}']", str(n)]
        ),
    ),
    "method": (_get("/read", REQUEST_METHOD="BREW{}"), lambda r, n: r.status == 501),
    "etag": (
        _get("/a.bin", HTTP_IF_NONE_MATCH='"x{}"'),
        lambda r, n: r.body == FILE,
    ),
}
_NAMES = list(KINDS)


def ask(app: Application, n: int) -> None:
    """Send request number *n* and check its answer."""
    name = _NAMES[n % len(_NAMES)]
    make, is_right = KINDS[name]
    reply = call(app, make(n))
    if not is_right(reply, n):
        raise WrongAnswerError(f"{name} {n}: {reply.status} {reply.body[:200]!r}")


def resident() -> int:
    """Return the bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf(
        "SC_PAGESIZE"
    )


def measure(app: Application, first: int, count: int) -> tuple[float, float, int]:
    """Return what a request adds: blocks, bytes, and descriptors of all of them."""
    gc.collect()
    before = sys.getallocatedblocks(), resident(), len(os.listdir("/proc/self/fd"))
    for n in range(first, first + count):
        ask(app, n)
    gc.collect()
    after = sys.getallocatedblocks(), resident(), len(os.listdir("/proc/self/fd"))
    blocks, size, files = (b - a for a, b in zip(before, after, strict=True))
    return blocks / count, size / count, files


def run_threads(app: Application, threads: int, count: int) -> int:
    """Let threads send requests while routes come and go; return the changes."""
    errors: list[BaseException] = []
    done = threading.Event()
    changes = 0

    def change() -> None:
        nonlocal changes
        while not done.is_set():
            for rule in (f"/new/{changes % 7}", f"/new/<x:int>/{changes % 7}"):
                app.set_route(rule, lambda req, *values: "new")
                app.pop_route(rule, state.METHOD_GET)
                app.pop_route(rule, state.METHOD_HEAD)
            changes += 1
            done.wait(0.002)

    def send(number: int) -> None:
        try:
            for n in range(number * 1_000_000, number * 1_000_000 + count):
                ask(app, n)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=send, args=(n,)) for n in range(threads)]
    changer = threading.Thread(target=change)
    for thread in (*workers, changer):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    changer.join()
    if errors:
        raise errors[0]
    return changes
