"""The smallest application: a page, a greeting, and a 404 of its own.

Run it by ``python examples/simple.py``, or give ``examples/simple.py:application``
to any WSGI server::

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/hello/World
    curl -i http://127.0.0.1:8080/nothing
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from poorwsgi import Application

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("simple")


@application.route("/")
def index(req: Request) -> str:
    """Return a page: a text is HTML, with status 200."""
    return '<!DOCTYPE html><title>Simple</title><a href="/hello/World">Say hello</a>'


@application.route("/hello/<name>")
def hello(req: Request, name: str) -> str:
    """Greet who stands in the path."""
    return f"<!DOCTYPE html><title>Hello</title><h1>Hello, {escape(name)}!</h1>"


@application.http_state(404)
def not_found(req: Request) -> tuple[str, int]:
    """Answer what nothing else does; an int is the status."""
    return f"There is no {escape(req.path)} here.", 404


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
