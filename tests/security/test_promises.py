"""Promises that hold for the whole application, each by its attack or fault.

What one module keeps by itself is tested with that module; `doc/security.rst`
lists which test keeps which promise.
"""

import gc
import json
import logging
import os
import re
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from fuzz.world import call, environ_of, make_application, unique
from soak.mixed import KINDS

from poorwsgi import Application, abort, state
from poorwsgi.response import GeneratorResponse, JSONResponse, Response
from poorwsgi.session import PoorSession
from poorwsgi.state import BodyError, BodyTimeoutError, BodyTooLargeError
from poorwsgi.testing import TestClient

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
EVIL = "<script>alert('1')</script>"


def post(body, content_type=FORM, path="/", **more):
    """Return an environment with a body."""
    environ = environ_of("POST", path, CONTENT_TYPE=content_type)
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return {**environ, **more}


def part(name, content=b"v", filename=None):
    more = f'; filename="{filename}"' if filename else ""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


# -- what is refused ----------------------------------------------------------


def test_errors_of_bodies_are_value_errors_with_a_status():
    assert issubclass(BodyError, ValueError)
    assert issubclass(BodyTimeoutError, TimeoutError)
    kinds = (BodyError, BodyTooLargeError, BodyTimeoutError)
    assert [kind.status_code for kind in kinds] == [400, 413, 408]
    assert all(issubclass(kind, BodyError) for kind in kinds)


REFUSED = {
    "host": (400, lambda: environ_of("GET", "/", HTTP_HOST=f"a{EVIL}")),
    "length": (400, lambda: post(b"a", CONTENT_LENGTH="1_0")),
    "smuggling": (400, lambda: post(b"a=b", HTTP_TRANSFER_ENCODING="chunked")),
    "path": (400, lambda: environ_of("GET", "/\xff")),
    "nul": (400, lambda: environ_of("GET", "/a\0b")),
    "cookie": (431, lambda: environ_of("GET", "/", HTTP_COOKIE="a=" + "b" * 16384)),
    "method": (501, lambda: environ_of("BREW", "/")),
    "no route": (404, lambda: environ_of("GET", f"/{EVIL}")),
    "wrong method": (405, lambda: environ_of("PATCH", "/")),
    "body too large": (413, lambda: post(b"x" * 3000)),
    "form too large": (413, lambda: post(b"a=" + b"b" * 2000)),
    "too many fields": (413, lambda: post(b"a=1&" * 60)),
    "json": (400, lambda: post(b'{"a": ' + EVIL.encode(), "application/json")),
    "json too deep": (400, lambda: post(b"[" * 9 + b"]" * 9, "application/json")),
    "boundary": (400, lambda: post(b"--x--", "multipart/form-data")),
    "cut": (400, lambda: post(b"a=b", CONTENT_LENGTH="9")),
    "part headers": (431, lambda: post(part("a" * 900) + b"--x--", MULTIPART)),
    "charset": (400, lambda: post(b"a=b", f"{FORM}; charset={EVIL}")),
}


def refusing_application():
    app = Application(unique("refusing"))
    app.max_body_size = 2500
    app.max_form_memory_size = 1000
    app.max_form_fields = 50
    app.max_part_header_size = 500
    app.json_max_depth = 5

    @app.route("/", method=state.METHOD_GET | state.METHOD_POST)
    def read(req):
        return f"{req.form} {req.json}"

    return app


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_has_its_page_and_shows_nothing_raw(name):
    """XSS, disclosure: no text of the client unescaped, no traceback."""
    status, environ = REFUSED[name]
    reply = call(refusing_application(), environ())
    assert reply.status == status
    assert b"<script>alert" not in reply.body
    assert b"Traceback" not in reply.body
    assert b'File "' not in reply.body


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_the_business_of_the_state_handler(name):
    status, environ = REFUSED[name]
    app = refusing_application()
    answer = ("own page", "text/plain", (), status)
    app.set_http_state(status, lambda req, **_: answer, state.METHOD_ALL)
    reply = call(app, environ())
    assert (reply.status, reply.body) == (status, b"own page")


def test_ordinary_use_stays_far_inside_of_all_limits(app):
    """500 fields, 500 parts, 3 KB of session, a cookie header of 16 KiB."""
    app.set_route("/", lambda req: str(len(req.form)), state.METHOD_POST)
    fields = b"&".join(b"n%d=v" % number for number in range(500))
    assert call(app, post(fields)).body == b"500"
    parts = b"".join(part(f"n{number}") for number in range(500)) + b"--x--\r\n"
    assert call(app, post(parts, MULTIPART)).body == b"500"
    session = PoorSession("key")
    session.data["text"] = os.urandom(1100).hex()
    app.set_route("/session", lambda req: req.cookies["SESSID"].value)
    environ = environ_of("GET", "/session", HTTP_COOKIE=f"SESSID={session.write()}")
    assert call(app, environ).status == 200
    environ = environ_of("GET", "/session", HTTP_COOKIE="SESSID=" + "v" * 16377)
    assert call(app, environ).status == 200


@pytest.mark.parametrize(
    "body",
    [b'"\\ud800"', b'["\\uDC00x"]', b'{"\\ud83d": 1}', b'"\\ud83d\\ud83d"'],
)
def test_half_of_a_surrogate_pair_is_no_json_text(app, body):
    """It is no character: the handler's answer, or its database, would fail."""
    app.set_route("/", lambda req: str(req.json), state.METHOD_POST)
    assert call(app, post(body, "application/json")).status == 400
    body = body.decode().encode("utf-16")
    assert call(app, post(body, "application/json; charset=utf-16")).status == 400


@pytest.mark.parametrize("body", [b'"\\ud83d\\ude00"', b'"\\\\ud800"', b'["\\uD7FF"]'])
def test_pairs_and_what_only_looks_like_one_are_json(app, body):
    app.set_route("/", lambda req: {"got": req.json}, state.METHOD_POST)
    reply = call(app, post(body, "application/json"))
    assert json.loads(reply.body)["got"] == json.loads(body)


def test_a_broken_chunk_that_nobody_catches_is_400(app):
    app.set_route("/", lambda req: req.read_chunk(), state.METHOD_POST)
    environ = post(b"zz\r\nx\r\n", "text/plain", HTTP_TRANSFER_ENCODING="chunked")
    del environ["CONTENT_LENGTH"]
    assert call(app, environ).status == 400


@pytest.mark.parametrize("kind", [FORM, "application/json", MULTIPART, "text/plain"])
def test_an_input_that_gives_more_than_it_is_asked_for_is_refused(app, kind):
    """What is behind the body is the next request; it was read without an end."""

    class Generous:
        left = 50

        def read(self, size=-1):
            self.left -= 1
            return b"a=b&" * 100 if self.left > 0 else b""

        readline = read

    def read(req):
        return f"{req.form} {req.json} {req.data}"

    app.set_route("/", read, state.METHOD_POST)
    more = {"wsgi.input": Generous(), "CONTENT_LENGTH": "5"}
    assert call(app, post(b"", kind, **more)).status == 400


@pytest.mark.parametrize(
    "behind", [b"", b"x" * 70_000, b"--x\r\n", part("evil"), b"\0\r\n\r\n--x--"]
)
def test_text_behind_the_closing_boundary_is_ignored(app, behind):
    app.set_route("/", lambda req: {"names": list(req.form)}, state.METHOD_POST)
    body = part("good") + b"--x--\r\n" + behind
    assert json.loads(call(app, post(body, MULTIPART)).body) == {"names": ["good"]}


@pytest.mark.parametrize(
    "header",
    [b"Content-Length: 1", b"Content-Length: 99999", b"Transfer-Encoding: chunked"],
)
def test_headers_of_a_part_do_not_steer_the_parser(app, header):
    """Smuggling: a part as long as it says would hide those behind it."""
    app.set_route("/", lambda req: req.form.getvalue("a") + req.form.getvalue("b"))
    app.set_route("/", app.routes["/"][state.METHOD_GET], state.METHOD_POST)
    head = b'--x\r\nContent-Disposition: form-data; name="a"\r\n'
    body = head + header + b"\r\n\r\n5\r\nabc\r\n" + part("b", b"!") + b"--x--\r\n"
    reply = call(app, post(body, MULTIPART))
    assert (reply.status, reply.body) == (200, b"5\r\nabc!")


@pytest.mark.parametrize("star", ["", "; filename*=UTF-8''%2e%2e%2fevil.py"])
def test_an_extended_file_name_never_replaces_the_plain_one(app, star):
    """Two readers, two names: what a proxy checked is not what is stored."""
    app.set_route("/", lambda req: req.form["f"].filename, state.METHOD_POST)
    head = f'--x\r\nContent-Disposition: form-data; name="f"; filename="a.txt"{star}'
    body = head.encode() + b"\r\n\r\nv\r\n--x--\r\n"
    assert call(app, post(body, MULTIPART)).body == b"a.txt"


def test_of_duplicate_names_in_json_the_last_wins(app):
    app.set_route("/", lambda req: req.json, state.METHOD_POST)
    reply = call(app, post(b'{"a": 1, "b": 2, "a": 3}', "application/json"))
    assert json.loads(reply.body) == {"a": 3, "b": 2}


# -- files, logins --------------------------------------------------------------


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_never_opened(app, tmp_path, device):
    """Denial of service: /dev/zero has no end, a terminal may wait for ever."""
    (tmp_path / "link").symlink_to(device)
    app.document_root = str(tmp_path)
    app.follow_symlinks = True
    assert call(app, environ_of("GET", "/link")).status in (403, 404)


def test_an_unknown_user_takes_the_steps_of_a_known_one(world):
    """Enumeration by time: calls are counted, since times say little."""

    def steps(user):
        environ = KINDS["digest"][0](7)
        header = environ["HTTP_AUTHORIZATION"].replace('"joe"', f'"{user}"')
        environ["HTTP_AUTHORIZATION"] = re.sub(
            'response="[0-9a-f]{4}', 'response="0000', header
        )
        counts = []
        gc.collect()
        gc.disable()  # what other tests left may run code when it goes away
        sys.setprofile(lambda frame, event, arg: counts.append(event))
        try:
            assert call(world, environ).status == 401
        finally:
            sys.setprofile(None)
            gc.enable()
        return counts.count("call"), counts.count("c_call")

    steps("joe")
    known, unknown = steps("joe"), steps("jim")
    assert abs(known[0] - unknown[0]) <= 1
    assert abs(known[1] - unknown[1]) <= 2


# -- descriptors, memory --------------------------------------------------------


@pytest.mark.parametrize("end", ["read", "refused", "unread", "error", "kept"])
def test_no_descriptor_of_an_upload_is_left(app, end):
    """Temporary files of a form, whatever becomes of it, without the collector."""

    @app.route("/", method=state.METHOD_POST)
    def upload(req):
        if end == "unread":
            return "unread"
        form = req.form
        if end == "error":
            raise LookupError("of the application")
        if end == "kept":
            form["f0"].file.read(1)
        return str(len(form))

    app.set_error_handler(LookupError, lambda req, error: "mended", state.METHOD_ALL)
    content = os.urandom(100_000)
    body = b"".join(part(f"f{n}", content, f"{n}.bin") for n in range(5))
    body += b"" if end == "refused" else b"--x--\r\n"
    call(app, post(body, MULTIPART))
    gc.disable()
    try:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            call(app, post(body, MULTIPART))
        assert len(os.listdir("/proc/self/fd")) == before
    finally:
        gc.enable()


def test_callback_files_are_closed_when_the_request_ends(app):
    files = []

    class File(BytesIO):
        def __init__(self, name):
            super().__init__()
            files.append(self)

    app.file_callback = File
    app.set_route("/", lambda req: str(len(req.form)), state.METHOD_POST)
    body = part("a", b"1", "a") + part("b", b"2", "b")
    call(app, post(body + b"--x--\r\n", MULTIPART))
    call(app, post(body, MULTIPART))  # refused
    assert len(files) == 4
    assert all(file.closed for file in files)


# -- answers ------------------------------------------------------------------

ASKED = [
    *("/read", "/int/1", "/int/x", "/name/a%20b", "/range", "/stream", "/session"),
    *("/digest", "/basic", "/bearer", "/a.txt", "/sub", "/sub/", "/empty.txt", "/none"),
    *("/debug-info", "/body"),
]


@pytest.fixture
def world(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    return make_application(unique("promises"), tmp_path)


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize(
    "more",
    [{}, {"HTTP_ACCEPT": "application/json"}, {"HTTP_IF_NONE_MATCH": "*"}],
)
def test_head_has_status_and_headers_of_get(world, path, more):
    """A HEAD with another length or body would shift the answers behind it."""

    def shape(reply):
        changing = ("date", "set-cookie", "www-authenticate")
        return reply.status, [p for p in reply.pairs if p[0].lower() not in changing]

    get = call(world, environ_of("GET", path, **more))
    head = call(world, environ_of("HEAD", path, **more))
    if path == "/read":  # the handler itself tells the method
        get.pairs, head.pairs = [], []
    assert shape(head) == shape(get)


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize(
    "make",
    [
        lambda status: ("body", "text/plain", (), status),
        lambda status: Response(b"body", status_code=status),
        lambda status: JSONResponse({"a": 1}, status_code=status),
        lambda status: GeneratorResponse(iter([b"body"]), status_code=status),
        lambda status: abort(Response(b"body", status_code=status)),
    ],
)
def test_204_and_304_have_neither_body_nor_type(app, status, make):
    """Response splitting: the client takes a body for the next answer."""
    app.set_route("/", lambda req: make(status))
    reply = call(app, environ_of("GET", "/"))
    assert (reply.status, reply.body) == (status, b"")
    assert "content-type" not in reply.headers
    assert "content-length" not in reply.headers


def test_close_is_called_once_however_the_answer_ends(app):
    """Once for a whole answer, HEAD, a range, an early end and an error."""
    closed = []

    class Body:
        def __init__(self, fails=False):
            self.fails = fails

        def __iter__(self):
            yield b"0123456789"
            if self.fails:
                raise RuntimeError("in the middle")
            yield b"0123456789"

        def close(self):
            closed.append(self)

    def stream(req):
        response = GeneratorResponse(Body(bool(req.query)), content_length=20)
        if "HTTP_RANGE" in req.environ:
            response.make_partial([(2, 12)])
        return response

    app.set_route("/", stream)
    client = TestClient(app)
    client.get("/")
    client.head("/")
    client.get("/", headers={"Range": "bytes=2-12"})
    with client.get("/", stream=True) as answer:
        next(iter(answer))
    with pytest.raises(RuntimeError):
        client.get("/?fails")
    assert len(closed) == len(set(map(id, closed))) == 5


INJECTED = ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\0b", "a\x1fb", "a\x7fb"]
WAYS = {
    "add_header": lambda text: Response().add_header("X-Any", text),
    "add_header name": lambda text: Response().add_header(text, "x"),
    "parameter": lambda text: Response().add_header("X-Any", "x", key=text),
    "filename": lambda text: Response().add_header(
        "Content-Disposition", "attachment", filename=text
    ),
    "headers=": lambda text: Response(headers={"X-Any": text}),
    "headers= pairs": lambda text: Response(headers=[("X-Any", text)]),
    "headers[]": lambda text: Response().headers.__setitem__("X-Any", text),
    "content_type": lambda text: call_with(lambda: ("x", f"text/{text}")),
    "cookie value": lambda text: Response().set_cookie("name", text),
    "cookie name": lambda text: Response().set_cookie(text, "x"),
    "cookie path": lambda text: Response().set_cookie("name", "x", path=text),
    "cookie domain": lambda text: Response().set_cookie("name", "x", domain=text),
}


def call_with(make):
    """Let a handler return a value; a ValueError if that is a 500."""
    app = Application(unique("value"))
    app.set_route("/", lambda req: make())
    started = []
    body = app(environ_of("GET", "/"), lambda *args: started.append(args))
    assert all("\r" not in v and "\n" not in v for _, v in started[0][1])
    if started[0][0].startswith("500"):
        raise ValueError(b"".join(body))


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("way", WAYS)
def test_header_injection_is_refused_at_once(way, text):
    with pytest.raises(ValueError):  # noqa: PT011 - which one is for the way
        WAYS[way](text)


ECHOES = {
    "path": {"PATH_INFO": f"/{EVIL}"},
    "method": {"REQUEST_METHOD": f"GET{EVIL}"},
    "server admin": {"SERVER_ADMIN": EVIL, "PATH_INFO": "/none"},
    "server name": {"SERVER_NAME": EVIL, "HTTP_HOST": "", "PATH_INFO": "/none"},
    "referer": {"HTTP_REFERER": EVIL, "PATH_INFO": "/crash"},
    "agent": {"HTTP_USER_AGENT": EVIL, "PATH_INFO": "/crash"},
    "query": {"QUERY_STRING": EVIL, "PATH_INFO": "/crash"},
    "script": {"SCRIPT_NAME": f"/{EVIL}", "PATH_INFO": "/sub"},
    "error text": {"PATH_INFO": "/abort", "QUERY_STRING": EVIL},
}


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("name", ECHOES)
def test_xss_pages_show_nothing_unescaped(tmp_path, name, debug):
    (tmp_path / "sub").mkdir()
    app = Application(unique("xss"))
    app.debug = debug
    app.document_root = str(tmp_path)
    app.set_route("/crash", lambda req: {}[req.query])
    app.set_route("/abort", lambda req: abort(400, error=req.query))
    started = []
    environ = environ_of("GET", "/none", **ECHOES[name])
    logging.getLogger("poorwsgi").disabled = True
    try:
        body = app(environ, lambda *args: started.append(args))
    finally:
        logging.getLogger("poorwsgi").disabled = False
    assert EVIL.encode() not in b"".join(body)
    location = dict(started[0][1]).get("Location", "")
    assert "<" not in location


@pytest.mark.parametrize(
    "uri",
    [
        "x",
        ".evil.example",
        "@evil.example",
        ":80@evil.example",
        "/x",
        "?x",
        "#x",
        "",
        "//x",
    ],
)
def test_open_redirect_no_uri_changes_the_host_of_a_url(app, uri):
    from urllib.parse import urlsplit

    app.set_route("/", lambda req: (req.construct_url(uri), "text/plain"))
    url = urlsplit(call(app, environ_of("GET", "/")).body.decode())
    assert (url.scheme, url.netloc) == ("http", "localhost")


# -- sessions, processes ----------------------------------------------------------

FORKED = """
import os, sys
sys.path[:0] = sys.argv[1:2]
from poorwsgi import Application
from poorwsgi.aes_session import AESSession
from poorwsgi.csrf import CsrfGuard
from poorwsgi.session import PoorSession, get_nonce
from poorwsgi.testing import TestClient
from poorwsgi.tracing import request_id
app = Application("fork")
app.secret_key = "key"
guard = CsrfGuard(app)
app.set_route("/", lambda req: guard.token(req).strip())
app.document_root = sys.argv[2]
def random_texts():
    client = TestClient(app)
    parts = client.get("/a", headers={"Range": "bytes=0-1,5-6"})
    made = [parts.headers["Content-Type"], client.get("/").text]
    made += [kind("key").write() for kind in (PoorSession, AESSession)]
    return [*made, get_nonce("key", "agent", 300), request_id({})]
random_texts()
for _ in range(2):
    if os.fork() == 0:
        os.write(1, ("\\n".join(random_texts()) + "\\n").encode())
        os._exit(0)
    os.wait()
"""


def test_nothing_random_is_fixed_before_a_fork(tmp_path):
    """Key stream reuse: prefork servers load the application once."""
    (tmp_path / "a").write_text("0" * 999)
    places = [str(Path(__file__).parent.parent.parent), str(tmp_path)]
    command = [sys.executable, "-c", FORKED, *places]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    texts = out.split("\n")[:-1]
    assert len(texts) == 12
    assert len(set(texts)) == 12, texts


@pytest.mark.parametrize("jump", [-(10**9), -3600, 3600, 10**9, 10**11])
def test_a_clock_that_jumps_is_no_error(monkeypatch, world, jump):
    """Sessions and nonces from the future or the past are refused, or let in."""
    made = {name: KINDS[name][0](7) for name in ("session", "digest")}
    now = time.time() + jump
    clock = SimpleNamespace(time=lambda: now)
    for module in ("session", "digest", "cookies"):
        monkeypatch.setattr(f"poorwsgi.{module}.time", clock)
    for environ in made.values():
        assert call(world, environ).status in (200, 401)
        assert call(world, environ).status in (200, 401)
