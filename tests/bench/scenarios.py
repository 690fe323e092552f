"""What is measured: one row a scenario, the same for each framework.

To add a row: a Scenario here, and in each file of apps/ an entry of the same
name in APPLICATIONS, or in FACTORIES if the application is costly to make (a
framework that lacks it is left out of that row).

All applications do the same work, each in the way its own documentation shows;
`raw` does it by hand.
"""

import json
import random
from collections.abc import Callable
from typing import NamedTuple
from wsgiref.util import FileWrapper


class Scenario(NamedTuple):
    """A request, what must come back, and what our ratios shall not exceed."""

    name: str
    title: str
    #: Over the environ of ENVIRON.
    environ: dict
    status: int
    #: Expected body: bytes as they are, a function of it, other values as JSON,
    #: None for any.
    expected: object
    #: Body of the request.
    body: bytes = b""
    #: Aims: our time / that of the named one.
    goals: tuple = ()
    #: True if the row counts for the geometric mean.
    short: bool = True
    #: True if peers need long to get ready, so that a quick run does without them.
    slow: bool = False
    #: A header that must come back.
    header: str = ""
    #: Makes more of the environ from the headers of a first answer.
    prime: Callable | None = None

    def accepts(self, status, headers, body):
        """Tell whether an answer is the right one."""
        names = {name.lower() for name, _ in headers}
        if status != self.status or (self.header and self.header not in names):
            return False
        if self.expected is None or isinstance(self.expected, bytes):
            return self.expected is None or body == self.expected
        if callable(self.expected):
            return self.expected(body)
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
    "wsgi.file_wrapper": FileWrapper,
    "uwsgi.version": b"2.0.31",
    "uwsgi.core": 0,
    "uwsgi.node": b"node",
}

# -- what the applications answer with ----------------------------------------

GREETING = {"message": "Hello, World!", "id": 42, "tags": ["a", "b"]}

ORDER = {
    "id": 1029,
    "customer": {"name": "Jane Doe", "email": "jane@example.com", "vip": True},
    "items": [
        {"sku": f"A-{n:04}", "title": f"item number {n}", "price": 9.5 + n, "count": n}
        for n in range(12)
    ],
    "note": "leave it at the door, please",
}

FORM = (
    b"name=Jane+Doe&email=jane%40example.com&street=Main+street+1&city=Springfield"
    b"&zip=12345&country=US&phone=%2B1+555+0100&size=42&colour=blue&terms=on"
)

FILE_SIZE = 1 << 20
ROWS = 100_000
ROW_KEYS = ("id", "name", "price")
CHUNK = b"x" * 100
CHUNKS = 1000

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
UPLOAD_SIZE = 65536


def file_content():
    """Return the content of the file that is served."""
    return random.Random(1).randbytes(FILE_SIZE)


def upload():
    """Return a multipart body: three fields and a file."""
    content = random.Random(2).randbytes(UPLOAD_SIZE)
    parts = [
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
        for name, value in (("title", "a book"), ("year", "2026"), ("lang", "en"))
    ]
    parts.append(
        b'Content-Disposition: form-data; name="file"; filename="x.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content
    )
    line = b"--" + BOUNDARY.encode()
    return (
        b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
    )


def rows():
    """Yield the rows of the JSON stream, a new dict each."""
    for number in range(ROWS):
        yield {"id": number, "name": "a row", "price": 9.5}


def is_rows(body):
    """Tell whether a body is the JSON stream."""
    value = json.loads(body)
    return value == {"rows": list(rows())}


# -- what a client sends after a first answer ---------------------------------


def conditional(headers):
    """Return what a browser asks with that has the file already."""
    have = {name.lower(): value for name, value in headers}
    environ = {"HTTP_IF_MODIFIED_SINCE": have["last-modified"]}
    if "etag" in have:
        environ["HTTP_IF_NONE_MATCH"] = have["etag"]
    return environ


def with_cookie(headers):
    """Return the cookies that were set."""
    pairs = [v.partition(";")[0] for n, v in headers if n.lower() == "set-cookie"]
    return {"HTTP_COOKIE": "; ".join(pairs)}


def at(path, query="", **more):
    """Return what differs for a path."""
    uri = f"{path}?{query}" if query else path
    return {"PATH_INFO": path, "REQUEST_URI": uri, "QUERY_STRING": query, **more}


def post(path, content_type):
    """Return what differs for a body."""
    return at(path, REQUEST_METHOD="POST", CONTENT_TYPE=content_type)


QUERY = "q=blue+shoes&page=2&sort=price&order=asc&limit=20"
COOKIES = "theme=dark; lang=en-US; visit=1029"

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
        at("/user/joe/42"),
        200,
        b"joe 42",
        goals=(("falcon", 0.62), ("wheezy", 0.82), ("raw", 2.0)),
    ),
    Scenario(
        "json",
        "JSON out",
        at("/json"),
        200,
        GREETING,
        goals=(("falcon", 0.42), ("wheezy", 0.60), ("raw", 1.2)),
    ),
    Scenario(
        "json-echo",
        "JSON in and out, 1 kB",
        post("/json", "application/json"),
        200,
        ORDER,
        json.dumps(ORDER).encode(),
        goals=(("falcon", 0.82), ("wheezy", 0.94), ("raw", 1.05)),
    ),
    Scenario(
        "query",
        "5 query arguments",
        at("/query", QUERY),
        200,
        b"blue shoes 2 price asc 20",
        goals=(("falcon", 0.92), ("wheezy", 0.58), ("raw", 1.2)),
    ),
    Scenario(
        "form",
        "urlencoded form, 10 fields",
        post("/form", "application/x-www-form-urlencoded"),
        200,
        b"Jane Doe jane@example.com +1 555 0100",
        FORM,
        goals=(("falcon", 0.98), ("wheezy", 0.36), ("raw", 0.6)),
    ),
    Scenario(
        "multipart",
        "multipart, 3 fields + 64 KiB",
        post("/upload", f"multipart/form-data; boundary={BOUNDARY}"),
        200,
        f"a book 2026 en {UPLOAD_SIZE}".encode(),
        upload(),
        goals=(("falcon", 0.30), ("others", 0.21), ("raw", 1.6)),
    ),
    Scenario(
        "404",
        "404",
        at("/not/here"),
        404,
        None,
        goals=(("falcon", 0.08), ("wheezy", 0.85), ("raw", 4.0)),
    ),
    Scenario(
        "cookies",
        "cookies in and out",
        at("/cookies", HTTP_COOKIE=COOKIES),
        200,
        b"en-US",
        goals=(("falcon", 0.33), ("wheezy", 0.92), ("raw", 2.5)),
        header="set-cookie",
    ),
    Scenario(
        "hooks",
        "2 before + 2 after hooks",
        {},
        200,
        b"Hello, joe!",
        goals=(("falcon", 0.58), ("wheezy", 0.95), ("raw", 3.1)),
        header="x-frame-options",
    ),
    Scenario(
        "routes-1000",
        "last of 1,000 dynamic routes",
        at("/r999/joe/42"),
        200,
        b"joe 42",
        goals=(("falcon", 0.18), ("others", 0.27), ("raw", 2.7)),
    ),
    Scenario(
        "routes-10000",
        "last of 10,000",
        at("/r9999/joe/42"),
        200,
        b"joe 42",
        goals=(("raw", 2.9),),
        short=False,
        slow=True,
    ),
    Scenario(
        "routes-10",
        "last of 10",
        at("/r9/joe/42"),
        200,
        b"joe 42",
        short=False,
    ),
    Scenario(
        "file",
        "1 MB file, 200",
        at("/file.bin"),
        200,
        lambda body: body == file_content(),
        goals=(("falcon", 0.72), ("raw", 1.15)),
        short=False,
    ),
    Scenario(
        "file-304",
        "1 MB file, 304",
        at("/file.bin"),
        304,
        b"",
        goals=(("falcon", 0.40), ("raw", 3.5)),
        short=False,
        prime=conditional,
    ),
    Scenario(
        "file-206",
        "1 MB file, 206 of 64 KiB",
        at("/file.bin", HTTP_RANGE="bytes=1000-66535"),
        206,
        lambda body: body == file_content()[1000:66536],
        goals=(("falcon", 0.55), ("raw", 1.5)),
        short=False,
        header="content-range",
    ),
    Scenario(
        "session",
        "session cookie round trip",
        at("/session"),
        200,
        b"2 joe",
        goals=(("falcon", 0.88), ("raw", 3.9)),
        short=False,
        header="set-cookie",
        prime=with_cookie,
    ),
    Scenario(
        "session-plain",
        "the same, compress=None",
        at("/session-plain"),
        200,
        b"2 joe",
        goals=(("falcon", 0.45), ("wheezy", 0.70), ("raw", 2.0)),
        short=False,
        header="set-cookie",
        prime=with_cookie,
    ),
    Scenario(
        "stream",
        "stream of 1,000 chunks",
        at("/stream"),
        200,
        CHUNK * CHUNKS,
        goals=(("falcon", 0.97), ("raw", 1.05)),
        short=False,
    ),
    Scenario(
        "json-stream",
        "JSON stream, 100k rows",
        at("/rows"),
        200,
        is_rows,
        goals=(("falcon", 0.45), ("raw", 1.10)),
        short=False,
    ),
]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
