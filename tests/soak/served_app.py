"""The application of the served soak: counts, uploads, streams, slow answers."""

import hashlib
import logging
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

# A clock that jumps at will; it has to be there before anybody takes it.
jump = 0.0
_real_time = time.time
time.time = lambda: _real_time() + jump

from poorwsgi import Application, state  # noqa: E402
from poorwsgi.digest import PasswordMap, check_digest, hexdigest  # noqa: E402
from poorwsgi.response import GeneratorResponse, Response  # noqa: E402
from poorwsgi.session import PoorSession, SessionError  # noqa: E402

logging.basicConfig(format="%(levelname)s %(message)s")
application = Application("soaked")
application.read_timeout = 2
application.document_root = os.environ["LIVE_FOLDER"]


@application.route("/pid")
def pid(req):
    return str(os.getpid()), "text/plain"


@application.route("/files")
def files(req):
    """Return how many descriptors there are, less those that wait for events.

    uWSGI makes one of these for each thread, when the thread has begun.
    """
    names = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of the listing itself
            names.append(os.readlink(f"/proc/self/fd/{number}"))
    count = sum(not name.startswith("anon_inode:[eventpoll]") for name in names)
    return str(count), "text/plain"


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


application.secret_key = "a secret that is long enough"
application.auth_type = "Digest"
application.auth_algorithm = "SHA-256"
application.auth_map = PasswordMap()
application.auth_map.set(
    "zone", "joe", hexdigest("joe", "zone", "pass", hashlib.sha256)
)


@application.route("/jump/<seconds:int>")
def set_clock(req, seconds):
    """Set the clock so many seconds before or behind the real one."""
    global jump
    jump = seconds
    return str(int(time.time())), "text/plain"


@application.route("/session")
def session(req):
    """Tell who was logged in, and log joe in."""
    own = PoorSession(application.secret_key, max_age=3600)
    with suppress(SessionError):
        own.load(req.cookies)
    response = Response(own.data.get("user", "nobody"), "text/plain")
    own.data["user"] = "joe"
    own.header(response)
    return response


@application.route("/digest")
@check_digest("zone")
def digest(req):
    return req.user, "text/plain"
