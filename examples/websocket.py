"""A WebSocket that sends back what it gets.

Run it by ``make run EXAMPLE=examples/websocket.py``: uWSGI has calls for it, if it
was built with SSL (``uwsgi --cflags`` shows ``-DUWSGI_SSL``; Debian: libssl-dev).
Its router wants ``--http 127.0.0.1:8080 --http-websockets``. Elsewhere
(``python examples/websocket.py``, ``gunicorn --threads 8``) wsproto speaks over the
socket: ``pip install 'poorwsgi[websocket]'``. An open WebSocket keeps its thread.
nginx in front::

    location /ws {
        proxy_pass http://127.0.0.1:8080;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
    }

    curl -i http://127.0.0.1:8080/
    curl -i http://127.0.0.1:8080/ws
    curl -i http://127.0.0.1:8080/ws -H 'Upgrade: websocket' -H 'Origin: http://a.b'
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poorwsgi import Application, abort, state
from poorwsgi.response import BaseResponse, Declined, NoContentResponse

try:
    import uwsgi  # there is one only inside of uWSGI
except ImportError:
    from wsproto import ConnectionType, WSConnection
    from wsproto import events as ws
    from wsproto.connection import ConnectionState
    from wsproto.utilities import RemoteProtocolError

    uwsgi = None

if TYPE_CHECKING:
    from poorwsgi.request import Request

application = Application("websocket")

PAGE = """<!DOCTYPE html><title>WebSocket</title><input id=text> <pre id=log></pre>
<script>
const socket = new WebSocket(location.href.replace("http", "ws") + "ws");
socket.onmessage = (event) => log.append(event.data + "\\n");
text.onchange = () => socket.send(text.value);
</script>"""


@application.get("/")
def index(req: Request) -> str:
    """Return a page that opens the WebSocket."""
    return PAGE


@application.get("/ws")
def echo(req: Request) -> BaseResponse:
    """Talk until the client closes."""
    if req.headers.get("Upgrade", "").lower() != "websocket":
        abort(state.HTTP_BAD_REQUEST, error="This is a WebSocket")
    # Browsers let any page open a WebSocket to any host, with its cookies.
    origin = req.headers.get("Origin")
    if origin and urlsplit(origin).netloc != req.headers.get("Host"):
        abort(state.HTTP_FORBIDDEN)
    if uwsgi:
        talk_by_uwsgi()
        return Declined()
    talk_by_wsproto(req)
    # These servers fail at no answer at all. This one finds the socket shut.
    return NoContentResponse()


def talk_by_uwsgi() -> None:
    """Send back each message, as text; uWSGI does not tell texts from bytes."""
    try:
        uwsgi.websocket_handshake()
    except OSError as error:
        abort(state.HTTP_BAD_REQUEST, error=error)
    while True:
        try:
            message = uwsgi.websocket_recv()
        except OSError:  # closed, or gone
            return
        uwsgi.websocket_send(message)


def socket_of(environ: dict[str, Any]) -> socket.socket:
    """Return the connection to the client: gunicorn gives it, wsgiref has it."""
    connection: socket.socket | None = environ.get("gunicorn.socket")
    return connection or environ["wsgi.input"].raw._sock


def talk_by_wsproto(req: Request) -> None:
    """Send back each message."""
    connection = WSConnection(ConnectionType.SERVER)
    headers = [(name.encode(), text.encode()) for name, text in req.headers.items()]
    try:
        connection.initiate_upgrade_connection(headers, req.path)
    except RemoteProtocolError as error:
        abort(state.HTTP_BAD_REQUEST, error=error)
    client = socket_of(req.environ)
    with suppress(OSError):  # the client is gone
        client.sendall(answers(connection))
        while connection.state is ConnectionState.OPEN:
            connection.receive_data(client.recv(65536) or None)
            client.sendall(answers(connection))
        client.shutdown(socket.SHUT_RDWR)


def answers(connection: WSConnection) -> bytes:
    """Return what is to be sent for what has come."""
    data = b""
    for event in connection.events():
        if isinstance(event, ws.Request):
            data += connection.send(ws.AcceptConnection())
        elif isinstance(event, ws.Message):
            data += connection.send(event)
        elif isinstance(event, ws.Ping) or (
            isinstance(event, ws.CloseConnection)
            and connection.state is not ConnectionState.CLOSED  # not merely gone
        ):
            data += connection.send(event.response())
    return data


if __name__ == "__main__":
    from poorwsgi.__main__ import serve

    serve(application, "127.0.0.1", 8080)
