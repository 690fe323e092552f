"""A form that other sites cannot make a browser send.

The guard looks at what browsers tell (Sec-Fetch-Site, Origin) and has a token
for those that tell nothing. Programs without cookies are let in: there is
nobody whose rights they could abuse.

Run it::

    python examples/csrf.py               # or: uwsgi --wsgi-file examples/csrf.py

    curl -i -d text=hello http://127.0.0.1:8080/
    curl -i -d text=hello -H "Origin: https://evil.example" http://127.0.0.1:8080/
    curl -i -d text=hello -H "Origin: https://evil.example" http://127.0.0.1:8080/hook
"""

from __future__ import annotations

from html import escape
from secrets import token_hex
from typing import TYPE_CHECKING

from poorwsgi import Application, state
from poorwsgi.csrf import CsrfGuard
from poorwsgi.response import Response, TextResponse

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("csrf")
application.secret_key = application.get_options().get("secret") or token_hex()
guard = CsrfGuard(application, trusted_origins=["https://partner.example"])

FORM = """<!doctype html><title>Say something</title>
<form method="post">
<input type="hidden" name="csrf_token" value="{token}">
<label>Text <input name="text"></label> <button>Send</button>
</form>"""


@application.route("/")
def form(req: Request) -> str:
    """Show the form, with the token."""
    return FORM.format(token=escape(guard.token(req)))


@application.route("/", state.METHOD_POST)
def receive(req: Request) -> Response:
    """Take what the form sends."""
    return TextResponse(f"Received {req.form.getfirst('text', '')!r}.\n")


@application.route("/hook", state.METHOD_POST)
@guard.exempt
def hook(req: Request) -> Response:
    """Take what a service sends, which signs its requests in another way."""
    return TextResponse("Thank you.\n")


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
