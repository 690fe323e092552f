"""HTTP Digest authentication (RFC 7616), and the tool for its password files.

Knows what a correct answer to a challenge is, and which answers were used up.
The challenge itself is in `results.unauthorized`, nonces are in `session`.
"""

from __future__ import annotations

import os
import re
import sys
import time
from argparse import ArgumentParser
from collections import defaultdict
from contextlib import suppress
from functools import wraps
from getpass import getpass
from hashlib import blake2b, md5, sha256
from hmac import compare_digest
from logging import getLogger
from tempfile import mkstemp
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from poorwsgi.config import digest_algorithms
from poorwsgi.headers import Headers, quote
from poorwsgi.response import HTTPException
from poorwsgi.session import (
    NONCE_LENGTH,
    NONCE_VERSION,
    check_token,
    get_nonce,
    nonce_goes_with,
    nonce_issued,
)
from poorwsgi.state import HTTP_UNAUTHORIZED, __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from poorwsgi.store import Store

    F = TypeVar("F", bound=Callable[..., Any])

log = getLogger("poorwsgi")

MD5_SIZE = 32


def hexdigest(
    username: str, realm: str, password: str, algorithm: Callable[[bytes], Any] = md5
) -> str:
    """Return what a password file stores: the hash of user:realm:password."""
    digest: str = algorithm(f"{username}:{realm}:{password}".encode()).hexdigest()
    return digest


# --- password files -----------------------------------------------------------


class PasswordMap(defaultdict[str, dict[str, str]]):
    """Digests of passwords: ``map[realm][username] = digest``.

    The file has the format of Apache's htdigest, one ``user:realm:digest`` a
    line, in UTF-8. Blank lines and lines that begin with # are skipped.
    """

    def __init__(self, pathname: str | os.PathLike[str] | None = None) -> None:
        super().__init__(dict)
        self.pathname = pathname

    def set(self, realm: str, username: str, digest: str) -> None:
        """Add a user, or change the digest of one.

        :raises ValueError: the name would break the file's format.
        """
        self[checked_name("realm", realm)][checked_name("user name", username)] = digest

    def find(self, realm: str, username: str) -> str | None:
        """Return the digest of a user, None if there is none."""
        return self.get(realm, {}).get(username)

    def delete(self, realm: str, username: str) -> bool:
        """Remove a user; return whether there was one."""
        return self.get(realm, {}).pop(username, None) is not None

    def verify(self, realm: str, username: str, digest: str) -> bool:
        """Return whether *digest* is that of the user, in constant time."""
        stored = self.find(realm, username)
        same = compare_digest((stored or "").encode(), digest.encode())
        return same and stored is not None

    def load(self) -> None:
        """Add what the file holds.

        :raises RuntimeError: there is no pathname.
        :raises ValueError: a line is wrong; the message names it.
        """
        pathname = self._need_pathname()
        with open(pathname, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = line.strip().split(":")
                if fields == [""] or line.startswith("#"):
                    continue
                if len(fields) != 3 or not all(fields):
                    raise ValueError(
                        f"{os.fspath(pathname)}:{number}: not user:realm:digest"
                    )
                username, realm, digest = fields
                self[realm][username] = digest

    def write(self) -> None:
        """Replace the file at once; only its owner may read it.

        :raises RuntimeError: there is no pathname.
        """
        lines = [
            f"{checked_name('user name', user)}:{checked_name('realm', realm)}:{digest}"
            for realm, users in self.items()
            for user, digest in users.items()
        ]
        write_private(self._need_pathname(), "".join(f"{line}\n" for line in lines))

    def _need_pathname(self) -> str | os.PathLike[str]:
        if not self.pathname:
            raise RuntimeError("No pathname was set.")
        return self.pathname


_UNFIT = re.compile(r"[:\x00-\x1f\x7f-\x9f\u2028\u2029]")


def checked_name(what: str, name: str) -> str:
    """Return *name* if it can stand in a password file.

    :raises ValueError: it would add a field or a line, or be read as another.
    """
    if not name or _UNFIT.search(name) or name.strip() != name or name[0] == "#":
        raise ValueError(
            f"{what} {name!r} is empty, begins with #, has blanks around it"
            " or a colon or line break in it"
        )
    return name


def write_private(pathname: str | os.PathLike[str], text: str) -> None:
    """Replace a file with *text*; readers see the old one or the new one."""
    target = os.path.realpath(pathname)
    # mkstemp makes it readable and writable for its owner only (0600).
    descriptor, temporary = mkstemp(dir=os.path.dirname(target), prefix=".passwd-")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


# --- is the answer to the challenge right? --------------------------------------


class _Scheme(NamedTuple):
    """How one algorithm is checked."""

    algorithm: str
    hash: Callable[[bytes], Any]
    users: Mapping[str, Mapping[str, str]]

    def digest(self, *fields: str) -> str:
        """Return KD() of RFC 7616: the hash of the fields joined by colons."""
        text = ":".join(fields).encode("utf-8", "surrogatepass")
        digest: str = self.hash(text).hexdigest()
        return digest


def _scheme(app: Any, authorization: Mapping[str, str]) -> _Scheme | None:
    """Return the scheme that the client chose, None if it was not offered."""
    # RFC 7616, 3.3: if the algorithm is not present, it is MD5.
    algorithm = authorization.get("algorithm", "MD5")
    maps = app.auth_maps
    if isinstance(maps, dict) and maps:
        if algorithm not in maps:
            return None
        return _Scheme(algorithm, digest_algorithms()[algorithm], maps[algorithm])
    if algorithm != app.auth_algorithm:
        return None
    return _Scheme(algorithm, app.auth_hash, app.auth_map)


def check_response(req: Any, password: str) -> bool:
    """Return whether the response in Authorization was made with *password*.

    *password* is the stored digest. Nothing else of the request is checked.
    """
    authorization = req.authorization
    scheme = _scheme(req.app, authorization)
    if scheme is None:
        return False
    expected = _response(scheme, authorization, req.method, password, req.app.auth_qop)
    given = str(authorization.get("response", ""))
    return expected is not None and compare_digest(
        expected.encode(), given.encode("utf-8", "surrogatepass")
    )


def _response(
    scheme: _Scheme,
    authorization: Mapping[str, str],
    method: str,
    password: str,
    qop: str | None,
) -> str | None:
    """Return the only right response (RFC 7616, 3.4.1), None if a field is missing."""
    try:
        nonce, uri = authorization["nonce"], authorization["uri"]
        ha1 = password
        if scheme.algorithm.endswith("-sess"):
            ha1 = scheme.digest(password, nonce, authorization["cnonce"])
        ha2 = scheme.digest(method, uri)
        if not qop:
            return scheme.digest(ha1, nonce, ha2)
        count, cnonce = authorization["nc"], authorization["cnonce"]
        return scheme.digest(ha1, nonce, count, cnonce, qop, ha2)
    except KeyError:
        return None


def check_credentials(req: Any, realm: str, username: str | None = None) -> bool:
    """Return whether Authorization holds for this request, *realm* and user.

    Nonce and replay are not looked at; `check_digest` does that.
    """
    authorization = req.authorization
    scheme = _scheme(req.app, authorization)
    if scheme is None or not _is_well_formed(req, authorization, realm):
        return False
    user = _user(req.app, scheme, realm, authorization)
    if username is not None and user != username:
        return False
    password = scheme.users.get(realm, {}).get(user or "")
    # SECURITY: an unknown user costs what a known one does.
    good = check_response(req, password or "0" * MD5_SIZE)
    return good and password is not None


def _is_well_formed(req: Any, authorization: Mapping[str, str], realm: str) -> bool:
    """Return whether the fields are those of our challenge, and of this request."""
    qop = req.app.auth_qop
    if qop and (authorization.get("qop") != qop or _count(authorization) is None):
        return False
    return (
        authorization.get("realm") == realm
        and _is_our_opaque(req, authorization)
        and not _CONTROL.search(authorization.get("cnonce", ""))
        and bool(authorization.get("response"))
        and is_target(authorization.get("uri", ""), req)
    )


def _is_our_opaque(req: Any, authorization: Mapping[str, str]) -> bool:
    """Return whether opaque is that of this host, or of the host that made the nonce.

    Hosts of one site have the same key, but each may have a name of its own.
    """
    opaque, nonce = authorization.get("opaque", ""), authorization.get("nonce", "")
    if opaque == sha256(str(req.server_hostname).encode()).hexdigest():
        return True
    return nonce_goes_with(nonce, opaque, req.secret_key)


# RFC 9110, 5.6.4: no quoted-string has them; cnonce is sent back in rspauth.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

# RFC 7616, 3.4:  nc-value = 8LHEX
_COUNT = re.compile(r"[0-9A-Fa-f]{8}")


def _count(authorization: Mapping[str, str]) -> int | None:
    """Return nc, None if it is not eight hexadecimal digits above zero."""
    text = authorization.get("nc", "")
    return (int(text, 16) or None) if _COUNT.fullmatch(text) else None


def _user(
    app: Any, scheme: _Scheme, realm: str, authorization: Mapping[str, str]
) -> str | None:
    """Return the name of the user, also of one who sent its hash only."""
    username = authorization.get("username")
    is_hashed = app.auth_userhash is True and authorization.get("userhash") == "true"
    if username is None or not is_hashed:
        return username
    # RFC 7616, 3.4.4: the hash of user:realm, with the algorithm's hash.
    names = scheme.users.get(realm, {}).keys()
    # PERF: strangers may ask, so the hashes are kept until a name is changed.
    indexes: dict[Any, tuple[set[str], dict[str, str]]]
    indexes = vars(app).setdefault("_digest_userhashes", {})
    known, index = indexes.get((realm, scheme.algorithm), (set(), {}))
    if known != names:
        known, index = set(names), {scheme.digest(name, realm): name for name in names}
        indexes[realm, scheme.algorithm] = known, index
    return index.get(username)


# --- is it an answer for this request? ------------------------------------------


def is_target(uri: str, req: Any) -> bool:
    """Return whether *uri* of Authorization names what the client asked for.

    Path and query are compared decoded, whole and exactly. What a proxy or the
    server has taken off the path may stand before it; so may our own origin.
    """
    target = _origin_form(uri, req)
    if target is None:
        return False
    path, query = _path_and_query(req)
    sent_path, _, sent_query = target.partition("?")
    # Authorization was read as UTF-8 already; what the environ has was not.
    if _query_fields(sent_query) != _query_fields(Headers.utf8(query)):
        return False
    sent_path = _decoded(sent_path)
    if sent_path == path:
        return True
    return any(sent_path == prefix + path for prefix in _prefixes(req))


def _origin_form(uri: str, req: Any) -> str | None:
    """Return *uri* without scheme and host, None if those are not ours."""
    if not uri.lower().startswith(("http://", "https://")):
        return uri
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return None
    ours = (req.hostname, req.server_hostname, req.forwarded_host)
    if host not in [name.strip("[]").lower() for name in ours if isinstance(name, str)]:
        return None
    return f"{parts.path or '/'}?{parts.query}"


def _path_and_query(req: Any) -> tuple[str, str]:
    path, query = req.path, req.query
    if not isinstance(path, str) or not isinstance(query, str):
        # COMPAT: code that checks credentials by itself may bring only this.
        path, _, query = req.full_path.partition("?")
    return path, query


def _query_fields(query: str) -> list[list[str]]:
    # Split before decoding, or %26 in a value would pass for a separator.
    return [list(map(_decoded, pair.split("=", 1))) for pair in query.split("&")]


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape") if "%" in text else text


def _prefixes(req: Any) -> Iterator[str]:
    """Yield what may stand before the path in the client's eyes."""
    environ = req.environ
    if not isinstance(environ, dict):
        return
    if environ.get("SCRIPT_NAME"):
        yield Headers.utf8(environ["SCRIPT_NAME"]).rstrip("/")
    forwarded = environ.get("HTTP_X_FORWARDED_PREFIX", "").partition(",")[0].strip()
    trusted = req.app.trusted_proxies
    if forwarded and (trusted is None or environ.get("REMOTE_ADDR") in trusted):
        yield _decoded(Headers.utf8(forwarded)).rstrip("/")


# --- was it used before? --------------------------------------------------------

_WINDOW = 64
_WINDOW_MASK = (1 << _WINDOW) - 1
_TOP_MASK = (1 << 32) - 1
_AGE = _WINDOW + 32
_NEVER = 30 * 86400
_STORE_PAUSE = 5


class ReplayWindow:
    """Remembers which nonce counts were let in, in bounded memory.

    Counts may arrive out of order, up to 64 behind the highest one. When the
    memory is full the older half is forgotten, and from then on a nonce that
    is as old and not known counts as used. It may refuse an answer that was
    not used, which costs the client a second challenge. It lets none in twice,
    but for nonces of `get_token`, which do not tell how old they are: those are
    let in again when they have been forgotten.
    """

    # PERF: an entry is two ints, a key of 64 bits and (age << 32 | count) << 64
    # | bits of the last 64 counts: 160 bytes, so 4096 of them stay under 1 MB.
    LIMIT = 4096

    def __init__(self) -> None:
        self._lock = Lock()
        self._states: dict[int, int] = {}
        self._forgotten = 0

    def let_in(self, nonce: str, client: str, count: int) -> bool:
        """Return True the first time, and note it."""
        key = int.from_bytes(_fingerprint(nonce, client)[:8], "big")
        issued = _issued(nonce)
        with self._lock:
            state = self._states.get(key)
            if state is None:
                if 0 < issued <= self._forgotten:
                    return False
                if len(self._states) >= self.LIMIT:
                    self._forget()
                state = (issued or int(time.time())) << _AGE
            after = _note(state, count)
            if after is None:
                return False
            self._states[key] = after
        return True

    def _forget(self) -> None:
        """Drop the half with the oldest nonces, and all as old as the last of it."""
        ages = sorted(state >> _AGE for state in self._states.values())
        self._forgotten = limit = ages[len(ages) // 2]
        self._states = {
            key: state for key, state in self._states.items() if state >> _AGE > limit
        }


def _note(state: int, count: int) -> int | None:
    """Return the state after *count*, None if it was seen or is too old."""
    age, top, seen = state >> _AGE, state >> _WINDOW & _TOP_MASK, state & _WINDOW_MASK
    if count > top:
        shift = min(count - top, _WINDOW)
        return (age << 32 | count) << _WINDOW | (seen << shift & _WINDOW_MASK) | 1
    behind = top - count
    if behind >= _WINDOW or seen >> behind & 1:
        return None
    return state | 1 << behind


def _issued(nonce: str) -> int:
    """Return when a nonce was made; 0 for one of `get_token`, which has no time."""
    if len(nonce) == NONCE_LENGTH and nonce.startswith(NONCE_VERSION):
        return nonce_issued(nonce)
    return 0


def _fingerprint(*fields: str | int) -> bytes:
    # repr is unambiguous, and escapes what cannot be encoded.
    return blake2b(repr(fields).encode(), digest_size=16).digest()


def _is_replay(req: Any, authorization: Mapping[str, str], user: str | None) -> bool:
    """Return whether these credentials were let in before; note them."""
    nonce = authorization.get("nonce", "")
    client, count = f"{user} {authorization.get('cnonce', '')}", _count(authorization)
    if not req.app.auth_qop or count is None:
        # RFC 2069 has no count: the same response is never taken twice.
        client, count = f"{user} {authorization.get('response', '')}", 1
    # Not app.auth_store: an application in a test may be a mock.
    state = vars(req.app)
    # setdefault is atomic: threads that come first together share one window.
    window = state.setdefault("_digest_replays", ReplayWindow())
    # Noted here in any case, for the time when the store is away.
    is_new = window.let_in(nonce, client, count)
    store = state.get("_auth_store")
    if store is not None and time.time() >= state.get("_digest_store_pause", 0):
        try:
            return not _add_to(store, req.app.auth_timeout, nonce, client, count)
        except Exception:
            # The window of this process still holds while the store is away;
            # nobody shall wait for it in each request meanwhile.
            state["_digest_store_pause"] = time.time() + _STORE_PAUSE
            log.exception("Store of HTTP Digest failed")
    return not is_new


def _add_to(
    store: Store, timeout: int | None, nonce: str, client: str, count: int
) -> bool:
    life = 2 * timeout if timeout else _NEVER
    key = _fingerprint(nonce, client, count).hex()
    return bool(store.add(f"digest-{key}", "", life))


# --- the decorator --------------------------------------------------------------


def check_digest(
    realm: str, username: str | None = None, mutual: bool = False
) -> Callable[[F], F]:
    """Return a decorator that lets in users of *realm*, or only *username*.

    The handler finds the name in ``req.user``. Anybody else gets 401; a nonce
    that expired or was used gets it with ``stale=True``, and browsers answer
    that without asking the user. With *mutual* each answer proves that the
    server knows the password too (rspauth).

    .. code:: python

        @app.route("/admin/<name>")
        @check_digest("Admin Zone")
        def admin(req, name):
            return f"Hello {req.user}"
    """

    def decorate(fun: F) -> F:
        @wraps(fun)
        def checked(req: Any, *args: Any, **kwargs: Any) -> Any:
            info = authenticate(req, realm, username, mutual)
            value = fun(req, *args, **kwargs)
            return _with_info(value, info) if info else value

        return checked  # type: ignore[return-value]

    return decorate


def authenticate(
    req: Any, realm: str, username: str | None = None, mutual: bool = False
) -> str:
    """Set ``req.user`` or raise `HTTPException` with 401.

    For hooks and decorators of your own; `check_digest` is made of it. Returns
    the value of Authentication-Info, often empty.
    """
    authorization = req.authorization
    if authorization.get("type") != "Digest":
        raise HTTPException(HTTP_UNAUTHORIZED, realm=realm)
    nonce, timeout = authorization.get("nonce"), req.app.auth_timeout
    if not check_token(nonce, req.secret_key, req.user_agent, timeout=timeout):
        log.info("Digest nonce is not ours or has expired")
        raise HTTPException(HTTP_UNAUTHORIZED, realm=realm, stale=True)
    if not check_credentials(req, realm, username):
        log.info("Digest credentials are not valid")
        raise HTTPException(HTTP_UNAUTHORIZED, realm=realm)
    scheme = _scheme(req.app, authorization)
    user = authorization.get("username")
    if scheme is not None:
        user = _user(req.app, scheme, realm, authorization)
    # A hook and a decorator may both ask about one request: it is no replay.
    if getattr(req, "_digest_let_in", None) is not True:
        if _is_replay(req, authorization, user):
            log.info("Digest credentials were used before")
            raise HTTPException(HTTP_UNAUTHORIZED, realm=realm, stale=True)
        req._digest_let_in = True
    req.user = user
    return _authentication_info(req, authorization, scheme, realm, mutual)


def _authentication_info(
    req: Any,
    authorization: Mapping[str, str],
    scheme: _Scheme | None,
    realm: str,
    mutual: bool,
) -> str:
    """Return the fields of RFC 7616, 3.5, that are of use now."""
    timeout, qop = req.app.auth_timeout, req.app.auth_qop
    fields = []
    issued = _issued(str(authorization.get("nonce", "")))
    if timeout and issued and time.time() >= issued + timeout:
        # The nonce is in the second half of its life: spare the client a 401.
        opaque = authorization.get("opaque", "")
        nonce = get_nonce(req.secret_key, req.user_agent, timeout, opaque)
        fields.append(f'nextnonce="{nonce}"')
    if mutual and qop and scheme is not None:
        password = scheme.users[realm][req.user]
        # A2 of the response has no method.
        proof = _response(scheme, authorization, "", password, qop)
        cnonce = quote(authorization["cnonce"])
        fields.append(f'qop={qop}, rspauth="{proof}", cnonce={cnonce}')
        fields.append(f"nc={authorization['nc']}")
    return ", ".join(fields)


def _with_info(value: Any, info: str) -> Any:
    # Lazy: the application that calls handlers has loaded it long before.
    from poorwsgi.wsgi import to_response

    response = to_response(value)
    response.add_header("Authentication-Info", info)
    return response


# --- python -m poorwsgi.digest --------------------------------------------------


def get_re_type() -> str | None:
    """Ask for a new password twice; return None if the two differ."""
    password = getpass("New password: ")
    if password != getpass("Re-type new password: "):
        print("They don't match, sorry.")
        return None
    return password


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="poorwsgi.digest",
        description="Manage users in a password file of HTTP Digest.",
    )
    add = parser.add_argument
    add("-c", action="store_true", dest="create", help="create a new file")
    add("-n", action="store_true", dest="show", help="print the line, touch no file")
    hashes = parser.add_mutually_exclusive_group()
    choose = hashes.add_argument
    for flags, name in (
        (("-m",), "MD5"),
        (("-s",), "SHA-256"),
        (("--sha512-256",), "SHA-512-256"),
    ):
        choose(
            *flags,
            action="store_const",
            const=name,
            default="MD5",
            dest="algorithm",
            help=f"use {name}" + (" (default)" if name == "MD5" else ""),
        )
    add("-D", action="store_true", dest="delete", help="delete the user")
    add("-v", action="store_true", dest="verify", help="verify the password")
    add(
        "--version",
        action="version",
        version=f"PoorWSGI {parser.prog} {__version__}.",
    )
    add("passwordfile", nargs="?", help="file with user:realm:digest lines")
    add("realm")
    add("username")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit status: 1 passwords differ, 2 not verified."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.passwordfile and not args.show:
        parser.error("a password file is needed, or -n")
    try:
        if args.show:
            return _show(args)
        return _change(args)
    except Exception as err:  # no traceback for a mistake of the user
        parser.error(str(err) or type(err).__name__)


def _show(args: Any) -> int:
    names = checked_name("user name", args.username), checked_name("realm", args.realm)
    password = get_re_type()
    if password is None:
        return 1
    print(":".join([*names, _digest_of(args, password)]))
    return 0


def _digest_of(args: Any, password: str) -> str:
    algorithm = digest_algorithms()[args.algorithm]
    return hexdigest(args.username, args.realm, password, algorithm)


def _change(args: Any) -> int:
    passwords = PasswordMap(args.passwordfile)
    if not args.create or args.delete or args.verify:
        passwords.load()
    if args.verify:
        return _verify(args, passwords)
    if args.delete:
        return _delete(args, passwords)
    return _set_password(args, passwords)


def _verify(args: Any, passwords: PasswordMap) -> int:
    digest = _digest_of(args, getpass("Password: "))
    if passwords.verify(args.realm, args.username, digest):
        print("Valid user.")
        return 0
    print("Invalid user.")
    return 2


def _delete(args: Any, passwords: PasswordMap) -> int:
    if not passwords.delete(args.realm, args.username):
        print(f"User `{args.username}` not found.")
        return 0
    passwords.write()
    print(f"User `{args.username}` was be deleted.")
    return 0


def _set_password(args: Any, passwords: PasswordMap) -> int:
    if passwords.find(args.realm, args.username) is None:
        print(f"Adding user `{args.username}` in realm `{args.realm}`.")
    else:
        print(f"Changing password for user `{args.username}` in `{args.realm}`.")
    password = get_re_type()
    if password is None:
        return 1
    passwords.set(args.realm, args.username, _digest_of(args, password))
    passwords.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
