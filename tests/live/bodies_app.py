"""The application of test_bodies_live: readers of bodies, with and without limits."""

import logging
import os
from pathlib import Path

from poorwsgi import Application, state
from poorwsgi.response import GeneratorResponse
from poorwsgi.streaming import EventStreamResponse

logging.basicConfig(format="%(levelname)s %(message)s")

FOLDER = Path(os.environ["LIVE_FOLDER"])

wide = Application("wide")
wide.min_body_rate = None
small = Application("small")
small.max_body_size = 300_000
small.max_form_memory_size = 3000
small.max_form_fields = 10
small.max_form_parts = 5
small.max_part_header_size = 500
small.max_json_size = 1000
small.json_max_depth = 5


def application(environ, start_response):
    """Choose by the path: everything below /small has limits."""
    app = small if environ["PATH_INFO"].startswith("/small/") else wide
    return app(environ, start_response)


def both(rule, method=state.METHOD_POST):
    def decorate(handler):
        wide.set_route(rule, handler, method)
        small.set_route(f"/small{rule}", handler, method)
        return handler

    return decorate


@wide.route("/process")
def process(req):
    """Tell the peak of memory in KiB, and the open files."""
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {"peak": int(peak.split()[1]), "files": len(os.listdir("/proc/self/fd"))}


@both("/form")
def form(req):
    found = {}
    for field in req.form.list if req.form else ():
        if field.filename:
            found[field.filename] = field.file.seek(0, 2)
        else:
            found[field.name] = field.value
    return found


@both("/json")
def json(req):
    return {"got": req.json}


@both("/parts")
def parts(req):
    return {part.filename or part.name: sum(map(len, part)) for part in req.parts()}


@both("/data")
def data(req):
    return str(len(req.read()))


@both("/chunks")
def chunks(req):
    return {"sizes": [len(chunk) for chunk in iter(req.read_chunk, b"")]}


@wide.route("/events")
def events(req):
    """Events for ever; a file tells when nobody listens any more."""

    class Source:
        def get(self, timeout):
            import time
            from queue import Empty

            time.sleep(timeout)
            raise Empty

        def close(self):
            (FOLDER / "gone").touch()

    return EventStreamResponse(Source(), heartbeat=0.1)


@wide.route("/text")
def text(req):
    return GeneratorResponse((b"x" * 1000 for _ in range(3)), "text/plain")
