"""What is measured: one row a scenario, the same for each framework.

To add a row: a Scenario here, and in each file of apps/ an entry of the same
name in APPLICATIONS (a framework that lacks it is left out of that row).
"""

import json
from typing import NamedTuple


class Scenario(NamedTuple):
    """A request, what must come back, and what our ratios shall not exceed."""

    name: str
    title: str
    #: Over the environ of ENVIRON.
    environ: dict
    status: int
    #: Expected body: bytes as they are, other values as JSON, None for any.
    expected: object
    #: Body of the request.
    body: bytes = b""
    #: Aims: our time / that of the named one.
    goals: tuple = ()

    @property
    def short(self):
        """True if the row counts for the geometric mean."""
        return True

    def accepts(self, status, body):
        """Tell whether an answer is the right one."""
        if status != self.status:
            return False
        if self.expected is None or isinstance(self.expected, bytes):
            return self.expected is None or body == self.expected
        return json.loads(body) == self.expected


#: What uWSGI hands over for a request of a browser, through its HTTP router.
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "REQUEST_URI": "/",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "SCRIPT_NAME": "",
    "SERVER_NAME": "www.example.org",
    "SERVER_PORT": "8080",
    "UWSGI_ROUTER": "http",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "41234",
    "CONTENT_TYPE": "",
    "CONTENT_LENGTH": "",
    "HTTP_HOST": "www.example.org:8080",
    "HTTP_CONNECTION": "keep-alive",
    "HTTP_CACHE_CONTROL": "max-age=0",
    "HTTP_UPGRADE_INSECURE_REQUESTS": "1",
    "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Browser/1.0",
    "HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate",
    "HTTP_ACCEPT_LANGUAGE": "en-US,en;q=0.5",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.run_once": False,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "uwsgi.version": b"2.0.31",
    "uwsgi.core": 0,
    "uwsgi.node": b"node",
}

SCENARIOS = [
    Scenario(
        "static",
        "static text",
        {},
        200,
        b"Hello, World!",
        goals=(("falcon", 0.40), ("wheezy", 0.62), ("raw", 3.1)),
    ),
    Scenario(
        "params",
        "two path params",
        {"PATH_INFO": "/user/joe/42", "REQUEST_URI": "/user/joe/42"},
        200,
        b"joe 42",
        goals=(("falcon", 0.62), ("wheezy", 0.82), ("raw", 2.0)),
    ),
    Scenario(
        "404",
        "404",
        {"PATH_INFO": "/not/here", "REQUEST_URI": "/not/here"},
        404,
        None,
        goals=(("falcon", 0.08), ("wheezy", 0.85), ("raw", 4.0)),
    ),
]
