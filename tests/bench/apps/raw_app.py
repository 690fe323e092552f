"""No framework: the same work by hand, the floor."""

import hmac
import json
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from email.utils import formatdate
from functools import partial
from hashlib import sha256
from itertools import islice
from urllib.parse import unquote_plus

from scenarios import CHUNK, CHUNKS, GREETING, rows

IMPORTS = "re"
USER = re.compile(r"/user/([^/]+)/(\d+)")
HTML = ("Content-Type", "text/html; charset=utf-8")
JSON = ("Content-Type", "application/json; charset=utf-8")
KEY = b"a secret key of some length"
ROOT = os.environ.get("BENCH_FILES", "")
BLOCK = 65536


def answer(start_response, status, text, *headers):
    body = text.encode()
    start_response(status, [HTML, ("Content-Length", str(len(body))), *headers])
    return [body]


def answer_json(start_response, value):
    body = json.dumps(value).encode()
    start_response("200 OK", [JSON, ("Content-Length", str(len(body)))])
    return [body]


def pairs_of(text):
    """Return the fields of a query string or form."""
    fields = {}
    for field in text.split("&"):
        name, _, value = field.partition("=")
        fields[unquote_plus(name)] = unquote_plus(value)
    return fields


def read(environ):
    return environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))


# -- handlers -----------------------------------------------------------------


def hello(environ, start_response):
    return answer(start_response, "200 OK", "Hello, World!")


def user(environ, start_response, name, number):
    return answer(start_response, "200 OK", f"{name} {int(number)}")


def json_value(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        return answer_json(start_response, json.loads(read(environ)))
    return answer_json(start_response, GREETING)


def query(environ, start_response):
    args = pairs_of(environ["QUERY_STRING"])
    text = " ".join(
        (args["q"], args["page"], args["sort"], args["order"], args["limit"])
    )
    return answer(start_response, "200 OK", text)


def form(environ, start_response):
    fields = pairs_of(read(environ).decode())
    text = f"{fields['name']} {fields['email']} {fields['phone']}"
    return answer(start_response, "200 OK", text)


NAME = re.compile(rb'; name="([^"]*)"')


def upload(environ, start_response):
    boundary = environ["CONTENT_TYPE"].partition("boundary=")[2].encode()
    body = read(environ)
    fields = {}
    line = b"\r\n--" + boundary
    start = len(line)
    while (end := body.find(line, start)) > 0:
        head = body.index(b"\r\n\r\n", start)
        name = NAME.search(body, start, head)[1].decode()
        fields[name] = body[head + 4 : end]
        start = end + len(line) + 2
    text = " ".join(fields[name].decode() for name in ("title", "year", "lang"))
    return answer(start_response, "200 OK", f"{text} {len(fields['file'])}")


def cookies_of(environ):
    pairs = (pair.partition("=") for pair in environ["HTTP_COOKIE"].split("; "))
    return {name: value for name, _, value in pairs}


def cookies(environ, start_response):
    jar = cookies_of(environ)
    visits = int(jar["visit"]) + 1
    cookie = ("Set-Cookie", f"visit={visits}; HttpOnly; Path=/; SameSite=Lax")
    return answer(start_response, "200 OK", jar["lang"], cookie)


def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (CHUNK for _ in range(CHUNKS))


def json_rows(environ, start_response):
    start_response("200 OK", [JSON])
    return row_blocks()


def row_blocks():
    encode = json.JSONEncoder().encode
    items = rows()
    separator = '{"rows": ['
    while batch := list(islice(items, 128)):
        yield (separator + encode(batch)[1:-1]).encode()
        separator = ", "
    yield b"]}"


def tag_of(text):
    return hmac.digest(KEY, text, sha256)


def session(environ, start_response):
    data = {"user": "joe", "visits": 0}
    if "HTTP_COOKIE" in environ:
        text, _, tag = cookies_of(environ)["SESSID"].encode().partition(b".")
        if hmac.compare_digest(urlsafe_b64decode(tag), tag_of(text)):
            data = json.loads(urlsafe_b64decode(text))
    data["visits"] += 1
    text = urlsafe_b64encode(json.dumps(data).encode())
    value = (text + b"." + urlsafe_b64encode(tag_of(text))).decode()
    cookie = ("Set-Cookie", f"SESSID={value}; HttpOnly; Path=/")
    return answer(start_response, "200 OK", f"{data['visits']} {data['user']}", cookie)


class Blocks:
    """So many bytes of a file."""

    def __init__(self, file, count):
        self.file, self.count = file, count
        self.close = file.close

    def __iter__(self):
        while self.count:
            block = self.file.read(min(BLOCK, self.count))
            self.count -= len(block)
            yield block


RANGE = re.compile(r"bytes=(\d+)-(\d+)")


def file(environ, start_response):
    path = ROOT + "/file.bin"
    stat = os.stat(path)
    etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
    if environ.get("HTTP_IF_NONE_MATCH") == etag:
        start_response("304 Not Modified", [("ETag", etag)])
        return []
    start, count, status = 0, stat.st_size, "200 OK"
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Accept-Ranges", "bytes"),
        ("ETag", etag),
        ("Last-Modified", formatdate(stat.st_mtime, usegmt=True)),
    ]
    source = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by the server
    match = RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    if match:
        status = "206 Partial Content"
        start, end = int(match[1]), int(match[2])
        source.seek(start)
        headers.append(("Content-Range", f"bytes {start}-{end}/{count}"))
        count = end - start + 1
    headers.append(("Content-Length", str(count)))
    start_response(status, headers)
    if match is None:
        return environ["wsgi.file_wrapper"](source, BLOCK)
    return Blocks(source, count)


# -- the application ----------------------------------------------------------

STATIC = {
    "/": hello,
    "/json": json_value,
    "/query": query,
    "/form": form,
    "/upload": upload,
    "/cookies": cookies,
    "/stream": stream,
    "/rows": json_rows,
    "/session": session,
    "/session-plain": session,
    "/file.bin": file,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    handler = STATIC.get(path)
    if handler is not None:
        return handler(environ, start_response)
    match = USER.fullmatch(path)
    if match is not None:
        return user(environ, start_response, *match.groups())
    return answer(start_response, "404 Not Found", "<h1>Not Found</h1>")


def before_1(environ):
    environ["user"] = "joe"


def before_2(environ):
    environ["language"] = "en"


def after_1(environ, headers):
    headers.append(("X-Frame-Options", "DENY"))


def after_2(environ, headers):
    pass


def hooked(environ, start_response):
    if environ["PATH_INFO"] != "/":
        return answer(start_response, "404 Not Found", "<h1>Not Found</h1>")
    before_1(environ)
    before_2(environ)
    body = f"Hello, {environ['user']}!".encode()
    headers = [HTML, ("Content-Length", str(len(body)))]
    after_1(environ, headers)
    after_2(environ, headers)
    start_response("200 OK", headers)
    return [body]


REST = re.compile(r"/([^/]+)/(\d+)")


def routes(count):
    """Return an application of so many routes: a dict by the first segment."""
    table = {f"r{number}": user for number in range(count)}

    def routed(environ, start_response):
        path = environ["PATH_INFO"]
        end = path.find("/", 1)
        handler = table.get(path[1:end])
        match = REST.fullmatch(path, end)
        if handler is None or match is None:
            return answer(start_response, "404 Not Found", "<h1>Not Found</h1>")
        return handler(environ, start_response, *match.groups())

    return routed


PLAIN = [
    "static",
    "params",
    "json",
    "json-echo",
    "query",
    "form",
    "multipart",
    "404",
    "cookies",
    "stream",
    "json-stream",
    "session",
    "session-plain",
    "file",
    "file-304",
    "file-206",
]
APPLICATIONS = {**dict.fromkeys(PLAIN, application), "hooks": hooked}
FACTORIES = {f"routes-{n}": partial(routes, n) for n in (10, 1000, 10_000)}
