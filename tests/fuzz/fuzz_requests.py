"""Mutated requests, one input after the other: `make fuzz`, shortly in `make test`.

A good request gets one input changed: cut, joined, repeated, salted with what is
special to its grammar. The answer must be one below 500 (or 501, for a method),
whole, in time, and without an error that reaches the server.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from fuzz.world import (
    KEY,
    REALM,
    CheckError,
    call,
    environ_of,
    make_application,
    quiet,
    unique,
)

from poorwsgi.aes_session import AESSession
from poorwsgi.csrf import CsrfGuard
from poorwsgi.digest import hexdigest
from poorwsgi.session import PoorSession, get_nonce

UUID_TEXT = str(UUID(int=0x1234))
NONCE = get_nonce(KEY, "agent", 86400)
OPAQUE = hashlib.sha256(b"localhost").hexdigest()


def digest_header(uri: str = "/digest") -> str:
    """Return good credentials of joe."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    stored = hexdigest("joe", REALM, "pass", hashlib.md5)
    first = md5(f"{stored}:{NONCE}:c")
    response = md5(f"{first}:{NONCE}:00000001:c:auth:{md5(f'GET:{uri}')}")
    return (
        f'Digest username="joe", realm="{REALM}", nonce="{NONCE}", uri="{uri}", '
        f'algorithm=MD5-sess, response="{response}", opaque="{OPAQUE}", qop=auth, '
        'nc=00000001, cnonce="c"'
    )


def session_cookies() -> bytes:
    """Return a Cookie header with a session of each kind."""
    pairs = ["PLAIN=id"]
    for kind, sid in ((PoorSession, "SESSID"), (AESSession, "AES")):
        session = kind(KEY, sid=sid)
        session.data["user"] = "joe" * 40
        pairs.append(f"{sid}={session.write()}")
    return "; ".join(pairs).encode()


BASIC = b"Basic " + base64.b64encode(b"joe:pass")
IMF = b"Sun, 06 Nov 1994 08:49:37 GMT"
PATHS = [
    b"/read", b"/int/-12", b"/float/1.5", b"/word/a_1", b"/hex/0fF", b"/re/abc12",
    b"/uuid/" + UUID_TEXT.encode(), b"/name/a b", b"/int/3/x", b"/a.txt", b"/sub/",
    b"/sub/b.txt", b"/debug-info", "/name/žluť😀".encode(), b"/",
]  # fmt: skip
PATH_SALT = [
    b"/", b"//", b"..", b"/../", b"/./", b"\\", b"\0", b"\n", b"\r\n", b"%2e", b"%00",
    b"<script>", b"'", b'"', b"&", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"~", b":",
    b"9" * 5000, b"a" * 9000, "ž٣😀".encode(), b"-", b"+", b"_", b".", b"1e9", b"?",
    b"#", b";", b"{0}", b"%s", b"../" * 50, b"/." * 300,
]  # fmt: skip
HEADER_SALT = [
    b",", b";", b"=", b'"', b"\\", b" ", b"\t", b"\xff", b"\x01", b"\x7f", b"\x85",
    b"q=", b"q=nan", b"q=1e9", b"*", b"W/", b"-", b"0-", b"-0", b"9" * 30, b"9" * 5000,
    b'"' * 50, b"\\" * 300, b"," * 300, b";" * 300, b" " * 3000, b"a=b;" * 300,
    b"bytes=", b"0-0,", b"[", b"]", b":", b"@", b"/", b"//", b"%", b"'", b"<b>", b"%s",
    "ž😀".encode(), b"\xed\xa0\x80", b"\xc5", b"utf-8''%ff", b"*=", b"==", b"GMT",
    b"1994", b"99999", b"-1", b"0x10", b"1_0", "٣".encode(), b"__class__", b"\r\n",
]  # fmt: skip


class Input(NamedTuple):
    """One input of a request: what it is made of, and where it stands."""

    seeds: list[bytes]
    salt: list[bytes]
    #: Keys of the environ; one of them is set.
    keys: tuple[str, ...]
    #: Paths that read it.
    paths: tuple[str, ...] = ("/read",)
    method: str = "GET"
    body: bytes = b""
    more: Mapping[str, str] = MappingProxyType({})


INPUTS = {
    "path": Input(PATHS, PATH_SALT, ("PATH_INFO",)),
    "filters": Input(PATHS[1:8], [*PATH_SALT, b"0", b"g", b"-" * 9], ("PATH_INFO",)),
    "script name": Input(
        [b"", b"/app"], PATH_SALT, ("SCRIPT_NAME",), ("/sub", "/read")
    ),
    "query": Input(
        [b"a=1&b=%C5%BE+%26&a=2&c&=d", b"x=" + b"y" * 100],
        [*PATH_SALT, *HEADER_SALT, b"&", b"=", b"%zz", b"&" * 2000, b"a=1&" * 2000],
        ("QUERY_STRING",),
        ("/read", "/debug-info", "/digest"),
    ),
    "method": Input(
        [b"GET", b"POST", b"HEAD", b"OPTIONS", b"PATCH"],
        [b"get", b"X", b" ", b"<b>", b"\xff", b"0", b"TRACE", b"A" * 3000],
        ("REQUEST_METHOD",),
        ("/read", "/nowhere", "/int/1", "/a.txt"),
    ),
    "cookies": Input(
        [b'a=1; b="x y"; c=\xc5\xbe; $Path=/; d', b"a=1;a=2,b=3"],
        [*HEADER_SALT, b"\\012", b"\\377", b'"\\', b"; " * 999, b"a=1; " * 900],
        ("HTTP_COOKIE",),
    ),
    "session": Input(
        [session_cookies() for _ in range(3)],
        [b".", b"=", b"A", b"a", b"-", b"_", b"/", b"+", b"\xff", b'"', b"A" * 5000],
        ("HTTP_COOKIE",),
        ("/session",),
    ),
    "host": Input(
        [b"localhost", b"a.b:8080", b"[::1]:1", b"127.0.0.1"],
        HEADER_SALT,
        ("HTTP_HOST",),
        ("/read", "/nowhere", "/sub"),
    ),
    "authorization": Input(
        [digest_header().encode(), BASIC, b"Bearer abc", b"Negotiate YII="],
        [*HEADER_SALT, b"nc=", b"username*=", b"userhash=true", b"qop=auth-int"],
        ("HTTP_AUTHORIZATION",),
        ("/digest", "/basic", "/bearer", "/read"),
        more={"HTTP_USER_AGENT": "agent"},
    ),
    "range": Input(
        [b"bytes=0-1", b"bytes=5-", b"bytes=-5", b"bytes=0-0,2-3, -1", b"lines=1-2"],
        HEADER_SALT,
        ("HTTP_RANGE",),
        ("/range", "/stream", "/a.txt", "/empty.txt"),
    ),
    "accept": Input(
        [b"text/html;level=1;q=0.5, */*;q=0.1", b"cs, en;q=0.7", b"application/json"],
        HEADER_SALT,
        (
            *("HTTP_ACCEPT", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE"),
            "HTTP_ACCEPT_CHARSET",
        ),
        ("/read", "/nowhere", "/a.txt"),
    ),
    "forwarded": Input(
        [b'for="[::1]:1";proto=https;host=a.b, for=x', b"https", b"a.b:80, c", b"/p"],
        HEADER_SALT,
        (
            *("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST"),
            *("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PREFIX"),
        ),
        ("/read", "/digest", "/sub"),
        more={"HTTP_AUTHORIZATION": digest_header("/p/digest")},
    ),
    "conditions": Input(
        [IMF, b'"a", W/"b", *', b"*", b"Sunday, 06-Nov-94 08:49:37 GMT"],
        HEADER_SALT,
        (
            *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE"),
            *("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"),
        ),
        ("/a.txt", "/read"),
        more={"HTTP_RANGE": "bytes=0-3"},
    ),
    "framing": Input(
        [b"5", b"0", b"chunked", b"gzip, chunked"],
        HEADER_SALT,
        ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"),
        ("/body", "/read"),
        method="POST",
        body=b"a=b&c",
        more={"CONTENT_TYPE": "application/x-www-form-urlencoded"},
    ),
    "content type": Input(
        [
            b"multipart/form-data; boundary=x",
            b'application/json; charset="utf-16"',
            b"application/x-www-form-urlencoded; charset=latin-1",
        ],
        [*HEADER_SALT, b"charset=", b"idna", b"zlib", b"utf-7", b"boundary=", b"hex"],
        ("CONTENT_TYPE",),
        ("/body",),
        method="POST",
        body=b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
    ),
    "headers": Input(
        [b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01", b"http://localhost", b"x"],
        HEADER_SALT,
        (
            *("HTTP_TRACEPARENT", "HTTP_X_REQUEST_ID", "HTTP_ORIGIN", "HTTP_REFERER"),
            *("HTTP_USER_AGENT", "HTTP_X_CSRF_TOKEN", "HTTP_X_REQUESTED_WITH"),
            *("HTTP_SEC_FETCH_SITE", "HTTP_UPGRADE", "HTTP_EXPECT", "HTTP_X_ANY"),
        ),
        ("/read", "/nowhere", "/debug-info", "/digest"),
    ),
}


def mutate(rng: random.Random, seed: bytes, salt: list[bytes]) -> bytes:
    """Return bytes that differ from *seed* in a few places."""
    text = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        place = rng.randrange(len(text) + 1)
        end = min(len(text), place + rng.choice((1, 2, 5, 40)))
        action = rng.randrange(6)
        if action == 0:
            del text[place:end]
        elif action == 1:
            text[place:place] = rng.choice(salt)
        elif action == 2:
            text[place:end] = rng.randbytes(end - place)
        elif action == 3:
            text[place:place] = text[place:end] * rng.choice((1, 2, 50))
        elif action == 4:
            text[place:end] = rng.choice(salt)
        elif place < len(text):
            text[place] ^= 1 << rng.randrange(8)
    return bytes(text)


class Target:
    """Applications in each mode, and a folder for them to serve."""

    def __init__(self, folder: Path):
        (folder / "sub").mkdir()
        (folder / "a.txt").write_bytes(bytes(range(256)))
        (folder / "empty.txt").write_bytes(b"")
        (folder / "sub" / "b.txt").write_text("b")
        (folder.parent / "outside.txt").write_text("secret outside")
        self.plain = make_application(unique("fuzz"), folder)
        watched = make_application(unique("fuzz watched"), folder)
        watched.access_log = True
        watched.problem_json = True
        watched.trusted_proxies = ("127.0.0.1",)
        strict = make_application(unique("fuzz strict"))
        strict.strict_parsing = 1
        strict.keep_blank_values = 1
        strict.max_args = 50
        CsrfGuard(strict)
        debug = make_application(unique("fuzz debug"), folder)
        debug.debug = True
        self.applications = [self.plain, self.plain, watched, strict, debug]

    def environ(self, rng: random.Random, name: str) -> tuple[dict[str, Any], bytes]:
        """Return a request with one input mutated, and that input."""
        what = INPUTS[name]
        text = mutate(rng, rng.choice(what.seeds), what.salt)
        return self.with_input(rng, what, text), text

    def with_input(
        self, rng: random.Random, what: Input, text: bytes
    ) -> dict[str, Any]:
        """Return a request with one input that is *text*."""
        environ = environ_of(what.method, rng.choice(what.paths), **what.more)
        environ["wsgi.input"] = BytesIO(what.body)
        if what.body:
            environ["CONTENT_LENGTH"] = str(len(what.body))
        environ[rng.choice(what.keys)] = text.decode("latin-1")
        if rng.random() < 0.1:
            environ["REQUEST_METHOD"] = rng.choice(("HEAD", "POST", "OPTIONS", "PUT"))
        return environ

    def run(self, rng: random.Random, name: str) -> None:
        """Send one request; CheckError if the answer is not right."""
        environ, text = self.environ(rng, name)
        self.send(rng, name, environ, text)

    def send(
        self, rng: random.Random, name: str, environ: dict[str, Any], text: bytes
    ) -> None:
        """Send one request and check its answer."""
        app = rng.choice(self.applications)
        try:
            reply = call(app, environ)
        except Exception as error:
            where = f"{app.name.rpartition(' ')[0]}: {environ['PATH_INFO'][:80]!r}"
            raise CheckError(f"{error!r}: {name} at {where}: {text[:300]!r}") from error
        if b"secret outside" in reply.body:
            raise CheckError(f"a file outside of the root: {text!r}")


def run(seed: int, count: int, names: Callable[[], Iterator[str]] | None = None) -> int:
    """Send *count* mutations of each input."""
    quiet()
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        target = Target(root)
        for name in names() if names else INPUTS:
            for _ in range(count):
                target.run(rng, name)
    return count


def main() -> None:
    """Run for a while, or one seed again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=1000, help="of each input")
    parser.add_argument("--seed", type=int, default=None, help="a run to repeat")
    parser.add_argument("--input", choices=INPUTS, default=None)
    options = parser.parse_args()
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    names = (lambda: iter([options.input])) if options.input else None
    end = time.monotonic() + options.seconds
    total = 0
    while total == 0 or (options.seed is None and time.monotonic() < end):
        try:
            total += run(seed, options.count, names)
        except CheckError as found:
            raise SystemExit(
                f"--seed={seed} --count={options.count}: {found}"
            ) from found
        seed += 1
    print(f"{total} mutations of each of {len(INPUTS)} inputs, last seed {seed - 1}")


if __name__ == "__main__":
    main()
