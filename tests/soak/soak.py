"""Soak: `make soak`. Many requests in this process, then faults under uWSGI.

In process: 200,000 mixed requests without growth, 16 threads of 5,000 while
routes change. Under uWSGI: workers killed and reloaded while clients ask, a full
disk, no descriptors left, a clock that jumps, clients that stall, reset and lie.
What is lost, hung, wrong or grown ends the run with a message.
"""

from __future__ import annotations

import argparse
import http.client
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from urllib.request import parse_http_list, parse_keqv_list

from fuzz.world import quiet
from soak.mixed import KINDS, ask, measure, run_threads, soaked_application

from poorwsgi.testing import LiveServer

HERE = Path(__file__).parent
#: Bytes that a request may add; digests that were used are noted, up to 1 MB.
MAX_GROWTH = 10


def tell(text: str) -> None:
    """Say what was done, and after how long."""
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


START = time.monotonic()


class SoakError(SystemExit):
    """Something was lost, hung, wrong or has grown."""


def expect(condition: object, text: str) -> None:
    """End the run if a promise does not hold."""
    if not condition:
        raise SoakError(f"FAILED: {text}")


# -- in process ----------------------------------------------------------------


def in_process(count: int) -> None:
    """Send mixed requests and hold the growth against the limit."""
    with soaked_application() as app:
        # Hosts and used Digest answers are kept up to a bound: reach it first.
        warm = 40_000
        for n in range(warm):
            ask(app, n)
        blocks, size, files = measure(app, warm, count)
        tell(f"{count} requests: {size:.1f} bytes, {blocks:.2f} blocks each")
        # Memory comes in blocks of 1 MB: fewer requests say nothing by themselves.
        limit = MAX_GROWTH * max(1, 200_000 / count)
        expect(size < limit, f"each request adds {size:.1f} bytes")
        expect(files == 0, f"{files} descriptors are left")


def in_threads(threads: int, count: int) -> None:
    """Let threads ask at once, while routes change."""
    with soaked_application() as app:
        changes = run_threads(app, threads, count)
    tell(f"{threads} threads x {count} requests, {changes} changes of the routes")


# -- served ----------------------------------------------------------------------


class Clients:
    """Threads that ask all the time and check each answer."""

    def __init__(self, address: tuple[str, int], count: int = 6):
        self.address = address
        self.right = 0
        #: Connections that broke or were refused, as a killed worker does.
        self.broken = 0
        self.wrong: list[str] = []
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(n,)) for n in range(count)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(30)
        expect(not any(t.is_alive() for t in self._threads), "a client hangs")

    def _run(self, number: int) -> None:
        n = number * 1_000_000
        while not self._end.is_set():
            n += 1
            try:
                answer = get(self.address, f"/echo/{n}?q=x{n}")
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.broken += 1
                time.sleep(0.02)
                continue
            with self._lock:
                if answer == (200, f"{n} x{n}".encode()):
                    self.right += 1
                else:
                    self.wrong.append(f"{n}: {answer}")


def get(
    address: tuple[str, int],
    path: str,
    method: str = "GET",
    body: bytes = b"",
    kind: str = "text/plain",
) -> tuple[int, bytes]:
    """Ask once on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=15)
    try:
        connection.request(method, path, body or None, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def form_with(content: bytes) -> bytes:
    """Return a multipart form with one file."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    return head + content + b"\r\n--x--\r\n"


MULTIPART = "multipart/form-data; boundary=x"


def server(folder: Path, *arguments: str, files: int | None = None) -> LiveServer:
    """Return uWSGI with the application, perhaps with few descriptors."""
    program = str(Path(sys.executable).parent / "uwsgi")
    command = [program, "--http-socket", "{address}", "--need-app", "--die-on-term"]
    command += [
        "--wsgi-file",
        str(HERE / "served_app.py"),
        "--master",
        "--listen",
        "100",
    ]
    command += ["--socket-timeout", "4", "--worker-reload-mercy", "4", *arguments]
    if files:
        limit = f'ulimit -n {files} && exec "$@"'
        command = ["/bin/bash", "-c", limit, "soak", *command]
    env = {
        "LIVE_FOLDER": str(folder),
        "LIVE_DISK": str(folder / "disk"),
        "PYTHONPATH": f"{HERE.parent.parent}:{HERE.parent}",
    }
    return LiveServer(command, cwd=HERE, env=env)


def workers_killed(folder: Path, seconds: float) -> None:
    """Kill a worker, reload all, again and again, while clients ask."""
    with server(folder, "--processes", "3", "--threads", "2") as running:
        address = (running.host, running.port)
        kills = reloads = 0
        with Clients(address) as clients:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                with suppress(OSError, http.client.HTTPException, ValueError):
                    worker = int(get(address, "/pid")[1])
                    if worker != running.pid:
                        os.kill(worker, signal.SIGKILL)
                        kills += 1
                time.sleep(0.5)
                if kills % 4 == 3:
                    os.kill(running.pid, signal.SIGHUP)
                    reloads += 1
                    time.sleep(1.5)
        status = get(address, "/echo/1?q=a")
    expect(not clients.wrong, f"wrong answers: {clients.wrong[:3]}")
    expect(status == (200, b"1 a"), "the server does not answer after kills")
    expect(clients.right > 100, f"only {clients.right} answers")
    # A request is lost with the worker that has it, and no other: each kill may
    # cost what its threads have at hand.
    lost = clients.broken
    tell(
        f"{kills} kills, {reloads} reloads: {clients.right} right answers, {lost} lost"
    )
    expect(lost <= 10 * (kills + 12 * reloads), f"{lost} requests were lost")


def full_disk(folder: Path) -> None:
    """Upload more than a disk of 1 MB holds; needs root for the mount."""
    disk = folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if (
        os.geteuid()
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        tell("full disk: skipped, a tmpfs needs root")
        return
    try:
        with server(folder) as running:
            address = (running.host, running.port)
            for size, status in ((1000, 200), (3_000_000, 500), (1000, 200)):
                body = form_with(b"x" * size)
                with suppress(ConnectionError):
                    got = get(address, "/small/disk", "POST", body, MULTIPART)[0]
                    expect(got == status, f"{size} bytes on a disk of 1 MB: {got}")
            log = running.log
            expect(get(address, "/echo/1?q=a")[0] == 200, "no answer after a full disk")
        expect(log.count("No space left") >= 1, "a full disk is not in the log")
        ids = re.findall(r"error id (\w+)", log)
        expect(len(ids) == len(set(ids)) == 1, f"error ids: {ids}")
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    tell("full disk: 500 with an error id, once, and served on")


def few_descriptors(folder: Path) -> None:
    """Use all descriptors up; the next request must be answered again."""
    with server(folder, "--processes", "1", files=64) as running:
        address = (running.host, running.port)
        before = get(address, "/files")[1]
        for _ in range(20):
            expect(get(address, "/open/500")[0] == 500, "500 files of 64")
            sum_of(address, b"y" * 200_000)
        after = get(address, "/files")[1]
        expect(before == after, f"descriptors: {before!r} before, {after!r} after")
    tell("descriptors used up 20 times: none is left open")


def sum_of(address: tuple[str, int], content: bytes) -> None:
    """Upload a file and compare its sum."""
    status, body = get(address, "/sum", "POST", form_with(content), MULTIPART)
    expect(status == 200, f"upload: {status} {body[:200]!r}")
    expect(sha256(content).hexdigest().encode() in body, "another sum")


# -- clocks


class Visitor:
    """A client that keeps its cookie and its challenge, as browsers do."""

    def __init__(self, address: tuple[str, int]):
        self.address = address
        self.cookie = ""
        self.challenge: dict[str, str] = {}
        self.count = 0

    def ask(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """Return an answer, read to its end."""
        connection = http.client.HTTPConnection(*self.address, timeout=15)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.text = answer.read().decode()  # type: ignore[attr-defined]
            return answer
        finally:
            connection.close()

    def session(self) -> str:
        """Return who the session knew; keep the new cookie."""
        answer = self.ask("/session", Cookie=self.cookie)
        expect(answer.status == 200, f"session: {answer.status}")
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return str(answer.text)  # type: ignore[attr-defined]

    def log_in(self) -> int:
        """Answer the challenge that is known; return the status, keep a new one."""
        headers = {"Authorization": self._credentials()} if self.challenge else {}
        answer = self.ask("/digest", **headers)
        if answer.status == 401:
            _, _, fields = answer.headers["WWW-Authenticate"].partition(" ")
            self.challenge = parse_keqv_list(parse_http_list(fields))
            self.count = 0
        return answer.status

    def _credentials(self) -> str:
        self.count += 1
        known, count = self.challenge, f"{self.count:08x}"

        def digest(*texts: str) -> str:
            return sha256(":".join(texts).encode()).hexdigest()

        secret = digest("joe", known["realm"], "pass")
        last = digest("GET", "/digest")
        response = digest(secret, known["nonce"], count, "c", "auth", last)
        quoted = f'realm="{known["realm"]}", nonce="{known["nonce"]}", uri="/digest"'
        return (
            f'Digest username="joe", {quoted}, algorithm=SHA-256, qop=auth, '
            f'nc={count}, cnonce="c", opaque="{known["opaque"]}", '
            f'response="{response}"'
        )


def clock_jumps(folder: Path) -> None:
    """Set the clock forth and back: sessions and nonces end, nobody is locked out."""
    year = 365 * 86400
    with server(folder, "--processes", "1", "--threads", "2") as running:
        visitor = Visitor((running.host, running.port))
        expect(visitor.session() == "nobody", "a session before the first")
        expect(visitor.session() == "joe", "no session after the first")
        expect(visitor.log_in() == 401, "no challenge")
        expect(visitor.log_in() == 200, "no login")
        before = 0
        for jump in (year, -year, 0, 50 * year, 0, -40 * year, 0):
            visitor.ask(f"/jump/{jump}")
            known = visitor.session()
            wanted = ["nobody"] if jump > before else ["joe", "nobody"]
            expect(known in wanted, f"a session of {known!r} from {before} at {jump}")
            before = jump
            expect(visitor.session() == "joe", f"no new session at {jump}")
            status = visitor.log_in()
            expect(status in (200, 401), f"login at {jump}: {status}")
            expect(status == 200 or visitor.log_in() == 200, f"locked out at {jump}")
            expect(status == 401 or jump < year, "a nonce of last year was let in")
        log = running.log
    expect("failed, error id" not in log, "an error of ours after a jump")
    tell("the clock jumped 7 times by years: expired, logged in again, no error")


FORM = (
    b"POST /small/disk HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
)
LIES = [
    b"GET /echo/1?q=a HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET /echo/1?q=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    FORM + b"Content-Length: 9\r\n\r\nab",
    FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /..%2f..%2fetc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"a=b; " * 500 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200),
    b"GET / HTTP/9.9\r\n\r\n",
    b"\r\n" * 50,
]


def bad_clients(folder: Path, count: int) -> None:
    """Stall, reset and lie, many at once, and ask ordinary questions between."""
    with server(folder, "--processes", "1", "--threads", "4") as running:
        address = (running.host, running.port)
        files = get(address, "/files")[1]
        with ExitStack() as stalled, Clients(address, 3) as clients:
            for n in range(count):
                connection = socket.create_connection(address, timeout=15)
                if n % 50 == 0:  # stalls in its body, until the server is tired of it
                    connection.sendall(
                        b"POST /sum HTTP/1.1\r\nHost: localhost\r\n"
                        b"Content-Type: multipart/form-data; boundary=x\r\n"
                        b"Content-Length: 5000\r\n\r\n--x\r\n"
                    )
                    stalled.enter_context(connection)
                    continue
                with connection, suppress(OSError):
                    if n % 3 == 0:  # resets in the middle of a stream
                        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
                        connection.recv(1000)
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, linger
                        )
                    else:
                        lie = LIES[n % len(LIES)]
                        connection.sendall(lie)
                        connection.shutdown(socket.SHUT_WR)
                        answer = connection.recv(1000)
                        expect(
                            b" 500 " not in answer[:20],
                            f"500 for {LIES[n % len(LIES)]!r}",
                        )
            time.sleep(1)
        expect(not clients.wrong, f"wrong answers: {clients.wrong[:3]}")
        expect(clients.broken == 0, f"{clients.broken} ordinary requests were lost")
        expect(settled(address, files), "descriptors are left of bad clients")
        status, body = get(address, "/crash")
        expect(status == 500 and b"inside" not in body, "the page of a crash")
        log = running.log
    expect(log.count("of the application") >= 1, "a crash is not in the log")
    expect(len(re.findall("failed, error id", log)) == 1, "errors that are not ours")
    tell(f"{count} bad clients, {clients.right} right answers beside them")


def settled(address: tuple[str, int], files: bytes) -> bool:
    """Return whether the descriptors go back to what they were."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if get(address, "/files")[1] == files:
            return True
        time.sleep(0.3)
    return False


def main() -> None:
    """Run all of it, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=20, help="of killing workers")
    parser.add_argument("--only", choices=["process", "served"])
    options = parser.parse_args()
    quiet()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if options.only != "served":
        in_process(options.count)
        in_threads(16, max(options.count // 40, len(KINDS)))
    if options.only != "process":
        with tempfile.TemporaryDirectory() as folder:
            workers_killed(Path(folder), options.seconds)
            full_disk(Path(folder))
            few_descriptors(Path(folder))
            clock_jumps(Path(folder))
            bad_clients(Path(folder), 600)
    tell("nothing lost, nothing hung, nothing left")


if __name__ == "__main__":
    main()
