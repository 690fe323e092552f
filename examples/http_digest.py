"""HTTP Digest: log in without sending the password, by RFC 7616.

The users stand in test.digest beside this file: `user` in the realm "User Zone"
with the password `looser`. Change them by the tool of the module::

    python -m poorwsgi.digest examples/test.digest "User Zone" somebody

Run it. Processes and hosts that serve one site need the same key (app_secret),
and a place to note which answers were used, or a captured one could be sent to
each of them once: uWSGI's cache for one host, Redis for several::

    python examples/http_digest.py
    uwsgi --wsgi-file examples/http_digest.py --http-socket 127.0.0.1:8080 \
        --processes 2 --threads 4 --cache2 name=poorwsgi,items=10000
    app_redis=redis://127.0.0.1/0 uwsgi …

    curl -i --digest -u user:looser http://127.0.0.1:8080/user
    curl -i --digest -u user:looser "http://127.0.0.1:8080/user/a%20b?c=d"
    curl -i --digest -u user:wrong http://127.0.0.1:8080/user
"""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from poorwsgi import Application, state
from poorwsgi.digest import PasswordMap, check_digest, hexdigest
from poorwsgi.response import Response, TextResponse
from poorwsgi.store import RedisStore, UwsgiStore

if TYPE_CHECKING:
    from poorwsgi.request import Request

REALM = "User Zone"

application = Application("http_digest")
options = application.get_options()  # variables app_secret, app_redis, …
application.secret_key = options.get("secret") or token_hex()
application.auth_type = "Digest"
application.auth_algorithm = options.get("algorithm", "MD5-sess")
application.auth_map = PasswordMap(Path(__file__).with_name("test.digest"))
application.auth_map.load()
if application.auth_algorithm != "MD5-sess":
    # The file holds MD5 digests; another algorithm needs its own.
    digest = hexdigest("user", REALM, "looser", application.auth_hash)
    application.auth_map.set(REALM, "user", digest)

if "redis" in options:
    application.auth_store = RedisStore(options["redis"])
else:
    try:
        application.auth_store = UwsgiStore("poorwsgi")
    except ImportError:  # one process: its own memory will do
        application.auth_store = None


@application.route("/")
def index(req: Request) -> str:
    """Show what there is, to anybody."""
    return '<!doctype html><title>Digest</title><p><a href="/user">User Zone</a></p>'


@application.route("/user")
@application.route("/user/<name:re:.+>")
@check_digest(REALM)
def user_zone(req: Request, name: str = "") -> Response:
    """Greet any user of the realm."""
    return TextResponse(f"Hello {req.user}! {name}\n")


@application.route("/only-user")
@check_digest(REALM, "user")
def only_user(req: Request) -> Response:
    """Greet this one user."""
    return TextResponse("You are user.\n")


@application.route("/password", state.METHOD_POST)
@check_digest(REALM)
def change_password(req: Request) -> Response:
    """Change the password of the user, until the next start."""
    password = req.form.getfirst("password", "")
    digest = hexdigest(req.user, REALM, password, application.auth_hash)
    application.auth_map.set(REALM, req.user, digest)
    return TextResponse("Changed.\n")


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
