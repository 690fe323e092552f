# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Digest, Basic, Bearer, and the guard against forged requests."""

from typing import assert_type

from poorwsgi import Application
from poorwsgi.auth import (
    PasswordFile,
    TokenError,
    check_basic,
    check_bearer,
    check_password,
    hash_password,
)
from poorwsgi.csrf import CsrfGuard
from poorwsgi.digest import PasswordMap, check_digest, hexdigest
from poorwsgi.request import Request
from poorwsgi.response import Response, TextResponse

app = Application("uses_authentication")
app.secret_key = "key"
app.auth_type = "Digest"
app.auth_map = PasswordMap("users.digest")


@app.route("/digest/<id:int>")
@check_digest("realm", "user")
def by_digest(req: Request, id: int) -> str:
    return str(id)


@app.route("/basic")
@check_basic("realm", PasswordFile("users"))
def by_basic(req: Request) -> Response:
    return TextResponse("text")


@app.route("/other")
@check_basic("realm", lambda user, password: user == password)
def by_function(req: Request) -> Response:
    return TextResponse("text")


def verify(token: str) -> dict[str, str] | None:
    if not token:
        raise TokenError("expired")
    return {"sub": "user"}


@app.route("/bearer")
@check_bearer(verify, scope="read")
def by_bearer(req: Request) -> list[int]:
    return [1]


guard = CsrfGuard(app, trusted_origins=["https://example.org"])


@app.post("/hook")
@guard.exempt
def hook(req: Request) -> str:
    return guard.token(req)


def calls(req: Request) -> None:
    """A guarded handler has the type of the handler."""
    assert_type(by_digest(req, id=1), str)
    assert_type(by_basic(req), Response)
    assert_type(by_function(req), Response)
    assert_type(by_bearer(req), list[int])
    assert_type(hook(req), str)
    by_digest(req)  # type: ignore[call-arg]


passwords = PasswordMap()
passwords.set("realm", "user", hexdigest("user", "realm", "password"))
assert_type(passwords.find("realm", "user"), str | None)
assert_type(passwords.delete("realm", "user"), bool)
assert_type(hexdigest("user", "realm", "password"), str)
assert_type(hash_password("password"), str)
assert_type(check_password("password", "hash"), bool)
