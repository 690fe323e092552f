"""Two clients: http.client for what is ordinary, a bare socket for the rest."""

import http.client
import json
import socket


class Answer:
    """What came back: status, headers, body."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def __repr__(self):
        return f"<{self.status} {self.headers.items()} {self.body[:200]!r}>"

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


def ask(address, method, target, body=None, headers=(), chunked=False):
    """Make one request on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.request(method, target, body, dict(headers), encode_chunked=chunked)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def connect(address):
    """Return a connected socket with a time limit."""
    return socket.create_connection(address, timeout=20)


def read_all(connection):
    """Read until the server closes, or resets, the connection."""
    blocks = []
    try:
        while block := connection.recv(65536):
            blocks.append(block)
    except ConnectionResetError:
        pass
    return b"".join(blocks)


def exchange(address, data, end=True):
    """Send bytes as they are and return all that comes back.

    :param end: say that nothing more will come. Some servers take that for a
        client that went away, so it is for requests that are broken anyway.
    """
    with connect(address) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def status_of(raw):
    """Return the status of the first answer in raw bytes, 0 if there is none."""
    if not raw.startswith(b"HTTP/1."):
        return 0
    return int(raw.split(None, 2)[1])
