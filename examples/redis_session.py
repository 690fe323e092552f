"""Sessions on the server, shared by processes and hosts through Redis.

The cookie holds a random id; what belongs to it is in Redis. So a session can
be ended at once and everywhere, may be large, and two requests at the same time
do not lose each other's changes.

Run it (needs ``pip install 'poorwsgi[redis]'`` and a Redis server; without
app_redis sessions are kept in files, for one host)::

    app_redis=redis://127.0.0.1/0 python examples/redis_session.py
    uwsgi --wsgi-file examples/redis_session.py --http-socket 127.0.0.1:8080

    curl -i -c cookies.txt -d item=book http://127.0.0.1:8080/basket
    curl -i -c cookies.txt -b cookies.txt -d user=joe http://127.0.0.1:8080/login
    curl -i -b cookies.txt http://127.0.0.1:8080/
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from poorwsgi import Application, state
from poorwsgi.response import JSONResponse, Response
from poorwsgi.store import FileStore, RedisStore, StoreSession

if TYPE_CHECKING:
    from typing import Any

    from poorwsgi.request import Request
    from poorwsgi.store import Store

application = Application("redis_session")

options = application.get_options()
store: Store
if "redis" in options:
    store = RedisStore(options["redis"])
else:
    store = FileStore(os.path.join(tempfile.gettempdir(), f"sessions-{os.getuid()}"))


def session_of(req: Request) -> StoreSession:
    """Return the session of the request, or an empty one."""
    https = "https" in (req.scheme, req.forwarded_proto)  # of the proxy, if any
    session = StoreSession(store, max_age=3600, secure=https)
    session.load(req.cookies)
    return session


def answer(session: StoreSession) -> Response:
    """Return what is in the session, and keep it."""
    response = JSONResponse(session.data)
    session.header(response)
    return response


@application.route("/")
def index(req: Request) -> Response:
    """Show the session."""
    return answer(session_of(req))


@application.route("/basket", state.METHOD_POST)
def put_into_basket(req: Request) -> Response:
    """Add an item; of two requests at the same time neither is lost."""
    item = str(req.form.getfirst("item", "nothing"))  # a file would be bytes

    def add(data: dict[str, Any]) -> None:
        data["basket"] = [*data.get("basket", []), item]

    session = session_of(req)
    session.update(add)
    return answer(session)


@application.route("/login", state.METHOD_POST)
def login(req: Request) -> Response:
    """Log in, and change the id that somebody else may have seen."""
    session = session_of(req)
    session.rotate()
    session.data["user"] = str(req.form.getfirst("user", "nobody"))
    return answer(session)


@application.route("/logout", state.METHOD_POST)
def logout(req: Request) -> Response:
    """End the session, here and on all other hosts."""
    session = session_of(req)
    session.destroy()
    response = JSONResponse({"bye": True})
    session.header(response)
    return response


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
