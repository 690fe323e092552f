"""Uploads: CPU time of ours beside that of others, in one run.

    make bench-uploads [BENCH_ARGS=--quick]

Each peer takes a multipart body from the same kind of input, keeps the fields
and throws the files away (where it can: Bottle always stores them). Peers with
an application answer a whole request; the parsers are fed by a loop here. Ours
comes as all of these: `form` is req.form with a file_callback, `parts` is
req.parts(), `decoder` the MultipartDecoder alone.

The peers live in an environment of their own, so there are two processes; the
rows are run in turns (A B C C B A ...), and the table shows medians of CPU
time. Compare columns, not runs. `form/best` is ours over the best of the others,
though the parsers neither answer a request nor make texts of the fields;
`2.8.1/form` is how often ours is faster. `fails`: an error, or a wrong count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
CONTENT_TYPE = "multipart/form-data; boundary=" + BOUNDARY.decode()
BLOCK = 65536


# -- bodies -------------------------------------------------------------------


def field(name: str, content: bytes, filename: str = "") -> bytes:
    line = f'Content-Disposition: form-data; name="{name}"'
    if filename:
        line += f'; filename="{filename}"\r\nContent-Type: application/octet-stream'
    return b"--" + BOUNDARY + f"\r\n{line}\r\n\r\n".encode() + content + b"\r\n"


def binary(size: int) -> bytes:
    """Bytes that look like a compressed file, the same in each process."""
    import random

    return random.Random(1).randbytes(min(size, 1 << 20)) * (1 + (size >> 20))


def upload(content: bytes) -> bytes:
    three = b"".join(field(f"field{n}", b"some text %d" % n) for n in range(3))
    return three + field("file", content, "x.bin") + b"--" + BOUNDARY + b"--\r\n"


def csv(size: int) -> bytes:
    line = b"1029,Jane Doe,jane@example.com,2026-11-22,12.50\r\n"
    return line * (size // len(line))


def fields(count: int) -> bytes:
    many = b"".join(field(f"field{n}", b"value %d" % n) for n in range(count))
    return many + b"--" + BOUNDARY + b"--\r\n"


#: Name to (body, largest answer of one read or None, runs of one measurement).
ROWS: dict[str, tuple[Callable[[], bytes], int | None, int]] = {
    "form of 3 fields, 64 KiB": (lambda: upload(binary(65536)[:65536]), None, 50),
    "1000 fields": (lambda: fields(1000), None, 4),
    "8 MB file": (lambda: upload(binary(8 << 20)[: 8 << 20]), None, 4),
    "100 MB file": (lambda: upload(binary(100 << 20)[: 100 << 20]), None, 1),
    "100 MB of CSV": (lambda: upload(csv(100 << 20)), None, 1),
    "64 KiB by 1 byte": (lambda: upload(binary(65536)[:65536]), 1, 1),
    "1 MB by 64 bytes": (lambda: upload(binary(1 << 20)[: 1 << 20]), 64, 1),
    "8 MB by 4 KiB": (lambda: upload(binary(8 << 20)[: 8 << 20]), 4096, 2),
    "8 MB by 64 KiB": (lambda: upload(binary(8 << 20)[: 8 << 20]), 65536, 4),
    "8 MB by 1 MiB": (lambda: upload(binary(8 << 20)[: 8 << 20]), 1 << 20, 4),
}
QUICK = ("form of 3 fields, 64 KiB", "1000 fields", "8 MB file", "1 MB by 64 bytes")


class Input:
    """The input of a server; a read gives at most *step* bytes."""

    def __init__(self, body: bytes, step: int | None):
        self.body = body
        self.step = step or len(body)
        self.position = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            size = len(self.body)
        start = self.position
        block = self.body[start : start + min(size, self.step)]
        self.position = start + len(block)
        return block

    def readline(self, size: int = -1) -> bytes:
        start = self.position
        end = self.body.find(b"\n", start) + 1 or len(self.body)
        if size >= 0:
            end = min(end, start + size)
        self.position = end
        return self.body[start:end]


def environ(body: bytes, step: int | None) -> dict[str, object]:
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/upload",
        "QUERY_STRING": "",
        "CONTENT_TYPE": CONTENT_TYPE,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "bench",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": Input(body, step),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


class Sink:
    """A file that counts what is written, and keeps nothing."""

    def __init__(self, *_: object):
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return len(data)

    def seek(self, *_: int) -> int:
        return 0

    def read(self, *_: int) -> bytes:
        return b""

    def close(self) -> None:
        pass


# -- peers: each returns (number of fields, bytes of files) -------------------

Result = tuple[int, int]


def blocks(env: dict[str, object]) -> Iterator[bytes]:
    source = env["wsgi.input"]
    assert isinstance(source, Input)
    while block := source.read(BLOCK):
        yield block


def in_application(app: Callable[..., object], results: list[Result]):
    def run(env: dict[str, object]) -> Result:
        answer = app(env, lambda status, headers, exc_info=None: None)
        for _ in answer:
            pass
        if hasattr(answer, "close"):
            answer.close()
        return results.pop()

    return run


def make_poorwsgi(reader: str):
    """Ours and 2.8.1 alike: they have the same interface."""
    from poorwsgi import Application, state

    results: list[Result] = []
    app = Application(f"bench {reader}")

    @app.route("/upload", method=state.METHOD_POST)
    def form_handler(req):
        form = req.form
        results.append((len(form), form["file"].file.size if "file" in form else 0))
        return "ok"

    def parts_handler(req):
        count = size = 0
        for part in req.parts():
            if part.filename is None:
                part.read()
                count += 1
            else:
                for block in part:
                    size += len(block)
        results.append((count + bool(size), size))
        return "ok"

    app.file_callback = Sink
    if reader == "parts":
        app.set_route("/upload", parts_handler, state.METHOD_POST)
    return in_application(app, results)


def make_decoder():
    from poorwsgi.multipart import END, MultipartDecoder

    def run(env: dict[str, object]) -> Result:
        decoder = MultipartDecoder(BOUNDARY)
        values: list[bytes] = []
        count = size = 0
        filename = None
        for block in blocks(env):
            for event in decoder.receive(block):
                if event.__class__ is bytes:
                    if filename is None:
                        values.append(event)
                    else:
                        size += len(event)
                elif event is not END:
                    filename = event.filename
                    count += 1
        decoder.close()
        return count, size

    return run


def make_werkzeug():
    from werkzeug.wrappers import Request, Response

    results: list[Result] = []

    class SinkRequest(Request):
        max_form_parts = None

        def _get_file_stream(self, *args, **kwargs):
            return Sink()

    @SinkRequest.application
    def app(request):
        files = request.files
        size = files["file"].stream.size if files else 0
        results.append((len(request.form) + len(files), size))
        return Response("ok")

    return in_application(app, results)


def make_bottle():
    import bottle

    results: list[Result] = []
    app = bottle.Bottle()
    # It refuses files in memory that are as large as this together.
    bottle.BaseRequest.MEMFILE_MAX = 2 << 20

    @app.post("/upload")
    def handler():
        names = set(bottle.request.forms) | set(bottle.request.files)
        upload = bottle.request.files.get("file")
        size = upload.file.seek(0, 2) if upload else 0
        results.append((len(names), size))
        return "ok"

    return in_application(app, results)


def make_falcon():
    import falcon
    import falcon.media.multipart

    results: list[Result] = []
    options = falcon.media.multipart.MultipartParseOptions()
    options.max_body_part_count = 0
    handler = falcon.media.MultipartFormHandler(options)

    class Resource:
        def on_post(self, req, resp):
            count = size = 0
            for part in req.get_media():
                count += 1
                if part.filename is None:
                    part.get_data()
                else:
                    while block := part.stream.read(BLOCK):
                        size += len(block)
            results.append((count, size))
            resp.text = "ok"

    app = falcon.App()
    app.req_options.media_handlers[falcon.MEDIA_MULTIPART] = handler
    app.add_route("/upload", Resource())
    return in_application(app, results)


def make_multipart():
    from multipart import MultipartSegment, PushMultipartParser

    def run(env: dict[str, object]) -> Result:
        values: list[bytes] = []
        count = size = 0
        segment = None
        length = int(str(env["CONTENT_LENGTH"]))
        with PushMultipartParser(
            BOUNDARY, content_length=length, max_segment_count=10**6
        ) as parser:
            for block in blocks(env):
                for event in parser.parse(block):
                    if event.__class__ is MultipartSegment:
                        segment = event
                        count += 1
                    elif event:
                        if segment.filename is None:
                            values.append(event)
                        else:
                            size += len(event)
        return count, size

    return run


def make_python_multipart():
    from python_multipart.multipart import MultipartParser, parse_options_header

    class Form:
        def __init__(self):
            self.count = self.size = 0
            self.values: list[bytes] = []
            self.header: list[bytes] = []
            self.value: list[bytes] = []
            self.headers: dict[bytes, bytes] = {}
            self.is_file = False
            self.callbacks = {
                "on_part_begin": self.headers.clear,
                "on_header_field": lambda d, s, e: self.header.append(d[s:e]),
                "on_header_value": lambda d, s, e: self.value.append(d[s:e]),
                "on_header_end": self.header_end,
                "on_headers_finished": self.headers_finished,
                "on_part_data": self.data,
            }

        def header_end(self):
            name = b"".join(self.header).lower()
            self.headers[name] = b"".join(self.value)
            self.header.clear()
            self.value.clear()

        def headers_finished(self):
            line = self.headers.get(b"content-disposition")
            _, options = parse_options_header(line)
            self.is_file = b"filename" in options
            self.count += 1

        def data(self, data, start, end):
            if self.is_file:
                self.size += end - start
            else:
                self.values.append(data[start:end])

    def run(env: dict[str, object]) -> Result:
        form = Form()
        parser = MultipartParser(BOUNDARY, form.callbacks)
        for block in blocks(env):
            parser.write(block)
        parser.finalize()
        return form.count, form.size

    return run


OURS = {
    "form": lambda: make_poorwsgi("form"),
    "parts": lambda: make_poorwsgi("parts"),
    "decoder": make_decoder,
}
PEERS = {
    "2.8.1": lambda: make_poorwsgi("form"),
    "werkzeug": make_werkzeug,
    "bottle": make_bottle,
    "falcon": make_falcon,
    "multipart": make_multipart,
    "py-multipart": make_python_multipart,
}


# -- measuring ----------------------------------------------------------------


def serve() -> None:
    """Run what standard input names: [peer, row] a line; answer with seconds."""
    runners: dict[str, Callable[[dict[str, object]], Result]] = {}
    bodies: dict[str, bytes] = {}
    for line in sys.stdin:
        peer, row = json.loads(line)
        make_body, step, runs = ROWS[row]
        if row not in bodies:
            bodies.clear()
            bodies[row] = make_body()
        if peer not in runners:
            runners[peer] = {**PEERS, **OURS}[peer]()
        body = bodies[row]
        expected = (1000, 0)
        if row != "1000 fields":
            content = body.index(b"stream\r\n\r\n") + 10
            expected = (4, body.rindex(b"\r\n--") - content)
        since = time.process_time()
        try:
            for _ in range(runs):
                result = runners[peer](environ(body, step))
                assert result == expected, result
        except Exception:
            print("null", flush=True)
            continue
        seconds = (time.process_time() - since) / runs
        print(json.dumps(seconds), flush=True)


class Worker:
    """A process that runs the peers of one environment."""

    def __init__(self, python: str):
        # 2.8.1 logs a lot; it is shown if the process ends.
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - by close()
        self.process = subprocess.Popen(
            [python, "-P", __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def measure(self, peer: str, row: str) -> float | None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([peer, row]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            error = self.log.read()[-2000:]
            raise SystemExit(f"the process of {peer} has ended: {row}\n{error}")
        seconds: float | None = json.loads(line)
        return seconds

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)
        self.log.close()


def compare(row: str, peers_python: str, rounds: int) -> dict[str, float | None]:
    """Return the median CPU seconds of each peer; None if it failed."""
    workers = {
        **dict.fromkeys(OURS, Worker(sys.executable)),
        **dict.fromkeys(PEERS, Worker(peers_python)),
    }
    times: dict[str, list[float]] = {peer: [] for peer in workers}
    try:
        for turn in range(rounds + 1):
            # Every other turn backwards: nobody always follows the same one.
            for peer, worker in list(workers.items())[:: 1 if turn % 2 else -1]:
                seconds = worker.measure(peer, row)
                if turn and seconds is not None:  # the first one warms up
                    times[peer].append(seconds)
    finally:
        for worker in set(workers.values()):
            worker.close()
    return {
        p: statistics.median(found) if found else None for p, found in times.items()
    }


def ratios(found: dict[str, float | None]) -> str:
    """Return form over the best of the others, and 2.8.1 over form."""
    form, reference = found["form"], found["2.8.1"]
    best = min((s for peer in PEERS if (s := found[peer])), default=None)
    pairs = [(form, best), (reference, form)]
    return "".join(f"{a / b:13.2f}" if a and b else "-".rjust(13) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="python of the environment with the peers")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--row", action="append", choices=ROWS, help="only this row")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    names = [*OURS, *PEERS, "form/best", "2.8.1/form"]
    print("CPU ms".ljust(26) + "".join(name.rjust(13) for name in names))
    for row in options.row or (QUICK if options.quick else ROWS):
        found = compare(row, options.peers, 3 if options.quick else 7)
        cells = "".join(
            "fails".rjust(13) if seconds is None else f"{seconds * 1000:13.3f}"
            for seconds in found.values()
        )
        print(row.ljust(26) + cells + ratios(found), flush=True)


if __name__ == "__main__":
    main()
