"""An API for programs that bring a bearer token (RFC 6750).

The verifier is any callable that gets the token and returns whose it is. This
one keeps hashes of tokens, so that who reads them cannot use them; another
could check the signature of a JWT.

Run it. `app_token` is the token of the user joe, made anew and printed if not
given; the calls below are for ``app_token=example-token``::

    app_token=example-token python examples/bearer.py
    uwsgi --wsgi-file examples/bearer.py --http-socket 127.0.0.1:8080

    curl -i http://127.0.0.1:8080/api/me
    curl -i -H "Authorization: Bearer example-token" http://127.0.0.1:8080/api/me
    curl -i -H "Authorization: Bearer example-token" http://127.0.0.1:8080/api/admin
"""

from __future__ import annotations

from hashlib import sha256
from secrets import token_urlsafe
from typing import TYPE_CHECKING, NamedTuple

from poorwsgi import Application
from poorwsgi.auth import TokenError, check_bearer

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("bearer")


class User(NamedTuple):
    """Who a token belongs to, and what it is good for."""

    name: str
    scopes: frozenset[str]


def new_token() -> str:
    """Return a token that nobody can guess, and show it once."""
    token = token_urlsafe(32)
    print(f"the token of joe is {token}")
    return token


def fingerprint(token: str) -> str:
    """Return what is stored of a token."""
    return sha256(token.encode()).hexdigest()


example_token = application.get_options().get("token") or new_token()
TOKENS = {fingerprint(example_token): User("joe", frozenset(["read"]))}


def reader(token: str) -> User | None:
    """Return the user of a token, None for an unknown one."""
    return TOKENS.get(fingerprint(token))


def admin(token: str) -> User | None:
    """Return the user of a token that may do all."""
    user = reader(token)
    if user and "admin" not in user.scopes:
        raise TokenError("This token may only read.", scope="admin")
    return user


@application.route("/api/me")
@check_bearer(reader, "example API")
def me(req: Request) -> dict[str, object]:
    """Tell who asks."""
    return {"name": req.user.name, "scopes": sorted(req.user.scopes)}


@application.route("/api/admin")
@check_bearer(admin, "example API")
def administration(req: Request) -> dict[str, object]:
    """Tell how many tokens there are."""
    return {"tokens": len(TOKENS)}


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
