"""HTTP Basic (RFC 7617) and Bearer (RFC 6750) authentication.

Knows the two schemes and the password file of Basic, whose passwords are hashed
by scrypt. Digest has a module of its own. Both schemes send a secret that can
be read on the way, so they belong behind TLS.
"""

from __future__ import annotations

import os
import re
import sys
import time
from argparse import ArgumentParser
from base64 import b64decode, b64encode
from functools import wraps
from getpass import getpass
from hashlib import blake2b, scrypt
from hmac import compare_digest
from logging import getLogger
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.digest import checked_name, write_private
from poorwsgi.headers import quote
from poorwsgi.response import HTTPException
from poorwsgi.results import status_page
from poorwsgi.state import HTTP_BAD_REQUEST, HTTP_FORBIDDEN, HTTP_UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

log = getLogger("poorwsgi")

# --- passwords ------------------------------------------------------------------

# OWASP, Password Storage Cheat Sheet: N=2^15, r=8, p=3 takes 32 MiB.
_COST = (2**15, 8, 3)
_SALT_SIZE = 16
_MAX_MEMORY = 256 * 1024 * 1024
#: Longer passwords are refused before anything is computed from them.
MAX_PASSWORD_SIZE = 1024


class _Hash(NamedTuple):
    """A hashed password as the file has it: ``$scrypt$n=…,r=…,p=…$salt$hash``."""

    n: int
    r: int
    p: int
    salt: bytes
    hash: bytes

    def __str__(self) -> str:
        salt, digest = (b64encode(part).decode() for part in (self.salt, self.hash))
        return f"$scrypt$n={self.n},r={self.r},p={self.p}${salt}${digest}"

    @classmethod
    def parse(cls, text: str) -> _Hash:
        try:
            _, kind, costs, salt, digest = text.split("$")
            names, values = zip(
                *(cost.split("=") for cost in costs.split(",")), strict=True
            )
            n, r, p = map(int, values)
            if kind != "scrypt" or names != ("n", "r", "p"):
                raise ValueError(kind)
            # RFC 7914, 2: N is a power of 2, and larger than 1.
            if n < 2 or n & (n - 1) or min(r, p) < 1:
                raise ValueError(costs)
            # The file decides what a login costs: within reason.
            if 128 * r * (n + p + 2) > _MAX_MEMORY or 128 * n * r * p > 4 * _MAX_MEMORY:
                raise ValueError(costs)
            return cls(
                *(n, r, p),
                b64decode(salt, validate=True),
                b64decode(digest, validate=True),
            )
        except ValueError:
            raise ValueError("not a password hashed by scrypt") from None

    def fits(self, password: str) -> bool:
        return compare_digest(self.hash, self._derive(password))

    def _derive(self, password: str) -> bytes:
        return _scrypt(password, self.salt, self.n, self.r, self.p)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    return scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


def hash_password(password: str) -> str:
    """Return *password* hashed by scrypt with a new salt.

    >>> check_password("secret", hash_password("secret"))
    True
    """
    salt = os.urandom(_SALT_SIZE)
    return str(_Hash(*_COST, salt, _scrypt(password, salt, *_COST)))


def check_password(password: str, hashed: str) -> bool:
    """Return whether *hashed* was made from *password*, in constant time.

    :raises ValueError: *hashed* is not what `hash_password` returns.
    """
    return _Hash.parse(hashed).fits(password)


class PasswordFile:
    """Users of Basic authentication: one ``user:$scrypt$…`` a line, in UTF-8.

    The file is read again when it changes. A password that was right is known
    for *remember* seconds, because scrypt is slow on purpose and browsers send
    the password with each request; memory holds a keyed hash of it only.
    """

    MAX_REMEMBERED = 1024

    def __init__(
        self, pathname: str | os.PathLike[str], remember: float = 300.0
    ) -> None:
        self.pathname = os.fspath(pathname)
        self.remember = remember
        self._users: dict[str, _Hash] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._remembered: dict[bytes, float] = {}
        self._key = b""
        self._lock = Lock()
        # SECURITY: an unknown user costs what a known one does.
        self._nobody = _Hash(*_COST, os.urandom(_SALT_SIZE), os.urandom(32))

    def set(self, username: str, password: str) -> None:
        """Add a user, or change the password of one, and write the file.

        :raises ValueError: the name would break the file's format.
        """
        checked_name("user name", username)
        if len(password) > MAX_PASSWORD_SIZE:
            raise ValueError(f"a password has at most {MAX_PASSWORD_SIZE} characters")
        users = dict(self._load_if_there())
        users[username] = _Hash.parse(hash_password(password))
        self._write(users)

    def delete(self, username: str) -> bool:
        """Remove a user and write the file; return whether there was one."""
        users = dict(self._load_if_there())
        if users.pop(username, None) is None:
            return False
        self._write(users)
        return True

    def verify(self, username: str, password: str) -> bool:
        """Return whether *password* is that of the user."""
        if len(password) > MAX_PASSWORD_SIZE:
            return False
        users = self._load()
        stored = users.get(username, self._nobody)
        proof = self._proof(username, password, stored)
        if self._remembered.get(proof, 0) > time.monotonic():
            return True
        good = stored.fits(password) and stored is not self._nobody
        if good:
            self._remember(proof)
        return good

    def _proof(self, username: str, password: str, stored: _Hash) -> bytes:
        # The key is drawn in the process that uses it, not before a fork.
        self._key = self._key or os.urandom(32)
        fields = repr((username, password, stored)).encode()
        return blake2b(fields, key=self._key, digest_size=32).digest()

    def _remember(self, proof: bytes) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._remembered) >= self.MAX_REMEMBERED:
                self._remembered = {}
            self._remembered[proof] = now + self.remember

    def _load_if_there(self) -> dict[str, _Hash]:
        try:
            return self._load()
        except FileNotFoundError:
            return {}

    def _load(self) -> dict[str, _Hash]:
        status = os.stat(self.pathname)
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            # Another thread may do the same; both assign the same table.
            self._users = self._read()
            self._stamp = stamp
        return self._users

    def _read(self) -> dict[str, _Hash]:
        users = {}
        with open(self.pathname, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                username, _, hashed = line.partition(":")
                try:
                    users[checked_name("user name", username)] = _Hash.parse(hashed)
                except ValueError as err:
                    raise ValueError(f"{self.pathname}:{number}: {err}") from None
        return users

    def _write(self, users: dict[str, _Hash]) -> None:
        lines = [f"{name}:{hashed}\n" for name, hashed in users.items()]
        write_private(self.pathname, "".join(lines))
        self._stamp = None


# --- Basic ------------------------------------------------------------------------


def check_basic(
    realm: str, verify: Callable[[str, str], bool] | PasswordFile
) -> Callable[[F], F]:
    """Return a decorator that lets in those whose name and password are right.

    *verify* is a `PasswordFile`, or is called with both and returns whether they
    are. The handler finds the name in ``req.user``; anybody else gets 401.

    .. code:: python

        @app.route("/admin/<name>")
        @check_basic("Admin Zone", PasswordFile("users.scrypt"))
        def admin(req, name):
            return f"Hello {req.user}"
    """
    check = verify.verify if isinstance(verify, PasswordFile) else verify
    if not callable(check):
        kind = type(verify).__name__  # its repr could hold passwords
        raise TypeError(f"verify is a PasswordFile or a function, not {kind}")
    challenge = f'Basic realm={quote(realm)}, charset="UTF-8"'

    def decorate(fun: F) -> F:
        @wraps(fun)
        def checked(req: Any, *args: Any, **kwargs: Any) -> Any:
            credentials = basic_credentials(req)
            if credentials is None or not check(*credentials):
                raise _refusal(req, HTTP_UNAUTHORIZED, challenge)
            req.user = credentials[0]
            return fun(req, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def basic_credentials(req: Any) -> tuple[str, str] | None:
    """Return user name and password of a request, None if it has none."""
    token = _token(req, "basic")
    if token is None:
        return None
    try:
        # RFC 7617, 2.1: UTF-8, as the challenge says.
        text = b64decode(token, validate=True).decode("utf-8")
    except ValueError:
        return None
    username, colon, password = text.partition(":")
    # RFC 7617, 2: neither may contain control characters.
    return None if not colon or _CONTROL.search(text) else (username, password)


def _token(req: Any, scheme: str) -> str | None:
    """Return what follows the scheme in Authorization, None if it is another."""
    name, _, rest = (req.environ.get("HTTP_AUTHORIZATION") or "").strip().partition(" ")
    return rest.strip() if name.lower() == scheme else None


def _refusal(req: Any, status: int, challenge: str) -> HTTPException:
    """Return the answer with the challenge, on the application's page if it has one."""
    # Lazy: the application that calls handlers has loaded it long before.
    from poorwsgi.wsgi import to_response

    if req.method_number in req.app.states.get(status, {}):
        response = to_response(req.app.state_from_table(req, status))
    else:
        response = status_page(req, status)
    response.add_header("WWW-Authenticate", challenge)
    return HTTPException(response)


# --- Bearer -----------------------------------------------------------------------


class TokenError(Exception):
    """Raised by a verifier to say what is wrong with a token.

    *scope* names the scope that is missing; then the answer is 403.
    """

    def __init__(self, description: str = "", scope: str = "") -> None:
        super().__init__(description)
        self.description = description
        self.scope = scope


def check_bearer(
    verify: Callable[[str], Any], realm: str = "", scope: str = ""
) -> Callable[[F], F]:
    """Return a decorator that lets in those whose token *verify* knows.

    *verify* gets the token and returns who it belongs to, which the handler
    finds in ``req.user``; None refuses it. It may raise `TokenError` to tell the
    client why. *scope* tells clients what to ask for.

    .. code:: python

        @app.route("/api/<name>")
        @check_bearer(tokens.get)
        def api(req, name):
            return {"user": req.user}
    """
    base = [
        f"{name}={quote(text)}"
        for name, text in (("realm", realm), ("scope", scope))
        if text
    ]

    def decorate(fun: F) -> F:
        @wraps(fun)
        def checked(req: Any, *args: Any, **kwargs: Any) -> Any:
            token = _token(req, "bearer")
            if token is None:
                # RFC 6750, 3.1: no error code when no token was sent.
                raise _refusal(req, HTTP_UNAUTHORIZED, _bearer(base))
            req.user = _verified(req, token, verify, base)
            return fun(req, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate


def _verified(
    req: Any, token: str, verify: Callable[[str], Any], base: list[str]
) -> Any:
    """Return whom the token belongs to, or raise what RFC 6750, 3.1 asks for."""
    if not _is_token68(token):
        raise _refusal(req, HTTP_BAD_REQUEST, _bearer(base, "invalid_request"))
    try:
        user = verify(token)
    except TokenError as err:
        text = _UNFIT_FOR_DESCRIPTION.sub("?", err.description.replace('"', "'"))
        more = [f'error_description="{text}"'] if text else []
        if not err.scope:
            challenge = _bearer(base, "invalid_token", more)
            raise _refusal(req, HTTP_UNAUTHORIZED, challenge) from None
        base = [field for field in base if not field.startswith("scope=")]
        more.append(f"scope={quote(err.scope)}")
        challenge = _bearer(base, "insufficient_scope", more)
        raise _refusal(req, HTTP_FORBIDDEN, challenge) from None
    if user is None or user is False:
        raise _refusal(req, HTTP_UNAUTHORIZED, _bearer(base, "invalid_token"))
    return user


# RFC 6750, 3: the description may have no others. It is often the message of an
# exception, which may hold anything.
_UNFIT_FOR_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")


def _is_token68(token: str) -> bool:
    # RFC 6750, 2.1:  b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / ... ) *"="
    body = token.rstrip("=")
    return body.isascii() and body.translate(_TOKEN_EXTRA).isalnum()


_TOKEN_EXTRA = dict.fromkeys(map(ord, "-._~+/"), "a")


def _bearer(base: list[str], error: str = "", more: Sequence[str] = ()) -> str:
    errors = [f'error="{error}"'] if error else []
    fields = ", ".join([*base, *errors, *more])
    return f"Bearer {fields}" if fields else "Bearer"


# --- python -m poorwsgi.auth --------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Add, change or delete (-D) a user of a password file; return exit status."""
    parser = ArgumentParser(
        prog="poorwsgi.auth",
        description="Manage users in a password file of Basic authentication.",
    )
    parser.add_argument(
        "-D", action="store_true", dest="delete", help="delete the user"
    )
    parser.add_argument("passwordfile")
    parser.add_argument("username")
    args = parser.parse_args(argv)
    passwords = PasswordFile(args.passwordfile)
    try:
        if args.delete:
            return 0 if passwords.delete(args.username) else 1
        password = getpass("New password: ")
        if password != getpass("Re-type new password: "):
            sys.stderr.write("They don't match, sorry.\n")
            return 1
        passwords.set(args.username, password)
    except (OSError, ValueError, EOFError) as err:
        parser.error(str(err) or "the password is missing")
    return 0


if __name__ == "__main__":
    sys.exit(main())
