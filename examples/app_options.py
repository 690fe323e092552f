"""Options of the application from outside: variables that start with ``app_``.

Run it by ``uwsgi examples/app_options.ini``, which sets them, or by
``app_greeting=Ahoj python examples/app_options.py``::

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/options
    curl -i http://127.0.0.1:8080/nothing
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from poorwsgi import Application

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("app_options")

# They are the same for the life of the process: read them once.
OPTIONS = {"greeting": "Hello", "name": "World", **application.get_options()}


@application.get("/")
def index(req: Request) -> str:
    """Greet as the options say."""
    greeting, name = escape(OPTIONS["greeting"]), escape(OPTIONS["name"])
    return f"<!DOCTYPE html><title>Options</title><h1>{greeting}, {name}!</h1>"


@application.get("/options")
def options(req: Request) -> dict[str, str]:
    """List the options. Do not put a secret in one if you do this."""
    return OPTIONS


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
