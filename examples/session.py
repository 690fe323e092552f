"""A plain cookie that the browser keeps: the theme that a visitor has chosen.

`Session` neither hides nor protects its value, so it is for what the visitor
may see and change: a theme, a language, or a token that protects itself (a JWT,
the id of a session kept elsewhere). For a dictionary see poor_session.py.

Run it::

    python examples/session.py            # or: uwsgi --wsgi-file examples/session.py

    curl -i http://127.0.0.1:8080/
    curl -iL -c cookies.txt http://127.0.0.1:8080/theme/dark
    curl -i -b cookies.txt http://127.0.0.1:8080/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poorwsgi import Application, abort
from poorwsgi.response import RedirectResponse, Response, TextResponse
from poorwsgi.session import Session

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("session")

THEMES = ("light", "dark")
YEAR = 365 * 86400


def theme_cookie() -> Session:
    """Return a new cookie with the settings that all handlers share."""
    return Session(sid="theme", max_age=YEAR, same_site="Lax")


@application.route("/")
def index(req: Request) -> Response:
    """Say which theme was chosen; never trust what a browser keeps."""
    cookie = theme_cookie()
    cookie.load(req.cookies)
    theme = cookie.data if cookie.data in THEMES else THEMES[0]
    return TextResponse(f"Your theme is {theme}.\n")


@application.route("/theme/<name:word>")
def choose(req: Request, name: str) -> Response:
    """Keep the choice and go back."""
    if name not in THEMES:
        abort(404)
    cookie = theme_cookie()
    cookie.data = name
    response = RedirectResponse("/", message=f"{name} it is.")
    cookie.header(response)
    return response


@application.route("/forget")
def forget(req: Request) -> Response:
    """Make the browser forget the choice."""
    cookie = theme_cookie()
    cookie.destroy()
    response = RedirectResponse("/")
    cookie.header(response)
    return response


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
