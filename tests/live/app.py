"""The application that the real servers serve in these tests.

Made of the public interface only. LIVE_FOLDER names a folder of the test: its
`root` is the document root, `closed` collects the names of bodies that were
closed, one a line.
"""

import logging
import os
from hashlib import sha256
from pathlib import Path

from poorwsgi import Application, abort, redirect, state
from poorwsgi.response import FileResponse, GeneratorResponse, Response

logging.basicConfig()

FOLDER = Path(os.environ["LIVE_FOLDER"])

application = Application("live")
application.document_root = str(FOLDER / "root")
application.document_index = True


@application.before_response()
def before(req):
    req.user = "hooked"


@application.after_response()
def after(req, response):
    response.add_header("X-After", str(req.user))
    return response


@application.route("/")
def hello(req):
    return "Hello, World!"


@application.route("/item/<id:int>")
@application.route("/item/<id:int>", method=state.METHOD_DELETE)
def item(req, number):
    return {"id": number, "method": req.method}


@application.route("/path/<name>/<rest:re:.+>")
def path(req, name, rest):
    return {"name": name, "rest": rest, "path": req.path, "query": req.query}


@application.route("/args")
def args(req):
    names = ("a", "b", "missing")
    return {name: req.args.getlist(name) for name in names}


@application.route("/form", method=state.METHOD_POST)
def form(req):
    files = {
        name: [req.form[name].filename, len(req.form[name].value)]
        for name in req.form
        if getattr(req.form[name], "filename", None)
    }
    fields = {n: req.form.getlist(n) for n in req.form if n not in files}
    return {"fields": fields, "files": files}


@application.route("/json", method=state.METHOD_POST | state.METHOD_PUT)
def json(req):
    return {"got": req.json}


@application.route("/upload", method=state.METHOD_PUT)
def upload(req):
    digest, size = sha256(), 0
    while size < req.content_length:
        block = req.read(min(65536, req.content_length - size))
        if not block:
            break
        digest.update(block)
        size += len(block)
    return {"size": size, "sha256": digest.hexdigest()}


@application.route("/unread", method=state.METHOD_POST)
def unread(req):
    """Answer without a look at the body."""
    return "not looked at"


@application.route("/chunked", method=state.METHOD_POST)
def chunked(req):
    """Read a body without a length in the way this server offers."""
    if req.environ.get("wsgi.input_terminated") or req.content_length >= 0:
        blocks = [req.input.read()]
    else:
        blocks = list(iter(req.read_chunk, b""))
    return b"".join(blocks), "application/octet-stream"


class Counted:
    """A body that writes down when it is closed."""

    def __init__(self, name, blocks):
        self.name = name
        self.blocks = iter(blocks)

    def __iter__(self):
        return self.blocks

    def close(self):
        with (FOLDER / "closed").open("a") as file:
            file.write(self.name + "\n")


@application.route("/stream/<name>/<count:int>")
def stream(req, name, count):
    blocks = (b"%06d\n" % number * 100 for number in range(count))
    return GeneratorResponse(Counted(name, blocks), "text/plain")


@application.route("/large/<name>")
def large(req, name):
    """10 MB: more than sockets hold, in blocks as one would send them."""
    blocks = (b"%07d\n" % number * 8192 for number in range(160))
    return GeneratorResponse(Counted(name, blocks), "text/plain")


@application.route("/broken-stream")
def broken_stream(req):
    def blocks():
        yield b"start" * 1000
        raise RuntimeError("in the middle")

    return GeneratorResponse(blocks(), "text/plain")


@application.route("/text-stream/<number:int>")
def text_stream(req, number):
    """A mistake: a block of text, first or behind others that are right."""
    blocks = [b"start" * 1000] * number + ["text"]
    return (block for block in blocks)


@application.route("/broken-at-once")
def broken_at_once(req):
    def blocks():
        raise LookupError("before the first block")
        yield b"never"

    return blocks()


def shrinking():
    """Return a file that is much shorter when it is sent than when it is looked at."""
    path = FOLDER / "shrinking"
    path.write_bytes(b"x" * 1_000_000)
    return path


@application.route("/short-file")
def short_file(req):
    response = FileResponse(str(shrinking()), "text/plain")
    os.truncate(FOLDER / "shrinking", 100_000)
    return response


@application.route("/short-part")
def short_part(req):
    """The same by our own reader, not by the kernel's sendfile."""
    response = FileResponse(str(shrinking()), "text/plain")
    response.make_partial([(10, 899_999)])
    os.truncate(FOLDER / "shrinking", 100_000)
    return response


def mounted(environ, start_response):
    """A WSGI application of another kind, such as one for WebDAV."""
    start_response("207 Multi-Status", [("Content-Length", "0")])
    return []


application.mount("/dav", mounted)


@application.route("/file")
def file(req):
    return FileResponse(str(FOLDER / "root" / "data.bin"))


@application.route("/download")
def download(req):
    response = FileResponse(str(FOLDER / "root" / "data.bin"), "application/x-test")
    response.add_header("Content-Disposition", "attachment", filename="ž.bin")
    response.make_partial(req_ranges(req))
    return response


def req_ranges(req):
    from poorwsgi.headers import parse_range

    return parse_range(req.headers.get("Range", "")).get("bytes", ())


@application.route("/nothing")
def nothing(req):
    return None


@application.route("/created", method=state.METHOD_POST)
def created(req):
    return "made", "text/plain", [("Location", "/item/1")], state.HTTP_CREATED


@application.route("/away")
def away(req):
    redirect("/item/7")


@application.route("/gone")
def gone(req):
    abort(state.HTTP_GONE)


@application.route("/crash")
def crash(req):
    raise LookupError("the inside of the application")


@application.error_handler(KeyError)
def key_error(req, error):
    return f"no {error.args[0]}", "text/plain", (), 409


@application.route("/conflict")
def conflict(req):
    raise KeyError("seat")


@application.route("/cookies")
def cookies(req):
    response = Response(str(sorted((req.cookies or {}).keys())), "text/plain")
    response.add_header("Set-Cookie", "one=1; Path=/")
    response.add_header("Set-Cookie", "two=2; Path=/")
    return response


@application.route("/headers")
def headers(req):
    return dict(req.headers.items())


@application.route("/own-url")
def own_url(req):
    return req.construct_url("/own-url")


@application.route("/environ")
def environ(req):
    return {k: v for k, v in req.environ.items() if isinstance(v, (str, int, bool))}


@application.route("/slow/<word>")
def slow(req, word):
    """Give other threads a chance to mix something up."""
    from time import sleep

    sleep(0.005)
    return f"{word} {req.path_args['word']} {req.args.getfirst('n')}"
