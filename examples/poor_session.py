"""Log in, a private page, log out: a dictionary sealed in a cookie.

`PoorSession` is encrypted and authenticated, so the server needs no memory and
any number of processes with the same key can share the work. What it does not
do: forget a single session before it expires. For that see redis_session.py.

Run it, with a key of your own for more than one process (`python -c "import
secrets; print(secrets.token_hex())"`)::

    app_secret=… python examples/poor_session.py
    uwsgi --wsgi-file examples/poor_session.py --http-socket 127.0.0.1:8080

    curl -i http://127.0.0.1:8080/private
    curl -iL -c cookies.txt -d user=joe -d password=secret http://127.0.0.1:8080/login
    curl -i -b cookies.txt http://127.0.0.1:8080/private
"""

from __future__ import annotations

from functools import wraps
from html import escape
from secrets import compare_digest, token_hex
from typing import TYPE_CHECKING, Any

from poorwsgi import Application, redirect, state
from poorwsgi.response import RedirectResponse, Response
from poorwsgi.session import PoorSession, SessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from poorwsgi.request import Request

application = Application("poor_session")
application.secret_key = application.get_options().get("secret") or token_hex()

HOUR = 3600
USERS = {"joe": "secret"}  # see basic_auth.py for how to keep passwords
PAGE = "<!doctype html><title>Sessions</title><p>{message}</p>{body}"
FORM = """<form method="post"><p><label>User <input name="user"></label>
<label>Password <input name="password" type="password"></label>
<button>Log in</button>"""


def new_session(req: Request) -> PoorSession:
    """Return an empty session with the settings that all handlers share."""
    https = "https" in (req.scheme, req.forwarded_proto)  # of the proxy, if any
    return PoorSession(req.secret_key, max_age=HOUR, secure=https, same_site="Lax")


def login_required(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Let in who is logged in; send others to the log-in page, and tell why."""

    @wraps(handler)
    def guarded(req: Request, *args: Any) -> Any:
        session = new_session(req)
        try:
            session.load(req.cookies)
        except SessionError:
            redirect("/login?message=Your+session+has+ended.")
        if "user" not in session.data:
            redirect("/login?message=Please+log+in.", message=b"Please log in.")
        req.user = session.data["user"]
        response = Response(handler(req, *args))
        session.header(response)  # written again, so it lasts an hour from now
        return response

    return guarded


@application.route("/")
def index(req: Request) -> str:
    """Show what there is."""
    return PAGE.format(message="Hello!", body='<a href="/private">Private page</a>')


@application.route("/login")
def login_form(req: Request) -> str:
    """Ask for name and password."""
    message = escape(str(req.args.getfirst("message", "Who are you?")))
    return PAGE.format(message=message, body=FORM)


@application.route("/login", state.METHOD_POST)
def login(req: Request) -> Response:
    """Check name and password and start a session."""
    user = str(req.form.getfirst("user", ""))
    password = str(req.form.getfirst("password", ""))  # a file would be bytes
    stored = USERS.get(user, "")
    if not stored or not compare_digest(stored.encode(), password.encode()):
        redirect("/login?message=That+was+not+right.", state.HTTP_SEE_OTHER)
    session = new_session(req)
    session.data["user"] = user
    response = RedirectResponse("/private", state.HTTP_SEE_OTHER)
    session.header(response)
    return response


@application.route("/private")
@login_required
def private(req: Request) -> str:
    """Greet the user."""
    link = '<a href="/logout">Log out</a>'
    return PAGE.format(message=f"Hello {escape(req.user)}!", body=link)


@application.route("/logout")
def logout(req: Request) -> Response:
    """End the session: the browser gets an empty cookie that has expired."""
    session = new_session(req)
    session.destroy()
    response = RedirectResponse("/login?message=Good+bye!", message="Good bye!")
    session.header(response)
    return response


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
