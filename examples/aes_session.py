"""The same dictionary in a cookie as PoorSession, sealed by AES-256-GCM.

For those whose rules ask for AES. Keys rotate: the first of the list seals, all
of them open, so a new key goes in front and the old one out a little later.

Run it (needs ``pip install 'poorwsgi[crypto]'``)::

    python examples/aes_session.py    # or: uwsgi --wsgi-file examples/aes_session.py

    curl -i -c cookies.txt http://127.0.0.1:8080/
    curl -i -c cookies.txt -b cookies.txt http://127.0.0.1:8080/
    curl -i -b "SESSID=2.forged" http://127.0.0.1:8080/
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING

from poorwsgi import Application
from poorwsgi.aes_session import AESSession
from poorwsgi.response import Response, TextResponse
from poorwsgi.session import SessionError

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("aes_session")
# app_secrets="new old"
secrets = application.get_options().get("secrets", "")
application.secret_key = secrets.split() or [token_hex()]


@application.route("/")
def index(req: Request) -> Response:
    """Count the visits in the cookie."""
    session = AESSession(req.secret_key, max_age=3600, same_site="Strict")
    note = ""
    try:
        session.load(req.cookies)
    except SessionError as err:
        note = f"{err} Starting anew.\n"
    session.data["visits"] = session.data.get("visits", 0) + 1
    response = TextResponse(f"{note}Visit number {session.data['visits']}.\n")
    session.header(response)
    return response


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
