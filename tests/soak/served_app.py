"""The application of the served soak: counts, uploads, streams, slow answers."""

import hashlib
import logging
import os
from contextlib import ExitStack
from pathlib import Path

from poorwsgi import Application, state
from poorwsgi.response import GeneratorResponse

logging.basicConfig(format="%(levelname)s %(message)s")
application = Application("soaked")
application.read_timeout = 2
application.document_root = os.environ["LIVE_FOLDER"]


@application.route("/pid")
def pid(req):
    return str(os.getpid()), "text/plain"


@application.route("/files")
def files(req):
    return str(len(os.listdir("/proc/self/fd"))), "text/plain"


@application.route("/echo/<n:int>")
def echo(req, n):
    return f"{n} {req.args.getfirst('q')}", "text/plain"


@application.route("/sum", method=state.METHOD_POST)
def total(req):
    """Return name, size and sum of an uploaded file, from its temporary file."""
    file = req.form["file"].file
    digest, size = hashlib.sha256(), 0
    while block := file.read(65536):
        digest.update(block)
        size += len(block)
    return {"size": size, "sha256": digest.hexdigest()}


def to_disk(filename):
    """Write uploads to the small disk."""
    return Path(os.environ["LIVE_DISK"], "upload").open("w+b")


small = Application("small disk")
small.file_callback = to_disk


@small.route("/disk", method=state.METHOD_POST)
def disk(req):
    return str(len(req.form))


application.mount("/small", small)


@application.route("/open/<count:int>")
def many(req, count):
    """Open many files at once, as an application may do by mistake."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Path(os.devnull).open())
        return str(count)


@application.route("/stream")
def stream(req):
    return GeneratorResponse((b"x" * 65536 for _ in range(400)), "text/plain")


@application.route("/crash")
def crash(req):
    raise LookupError("the inside of the application")
