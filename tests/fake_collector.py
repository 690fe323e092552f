"""A collector on 127.0.0.1 that speaks the Moesif protocol, for tests.

It records what it gets, and can be slow, silent, broken or refusing; it hands
out a configuration and governance rules. `python tests/fake_collector.py 9001`
runs it and prints each event that arrives.
"""

from __future__ import annotations

import gzip
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

EVENT_PATHS = ("/v1/events", "/v1/events/batch")


class Call(NamedTuple):
    """One request to the collector."""

    method: str
    path: str
    headers: dict[str, str]
    payload: Any
    size: int


class FakeCollector:
    """Records calls; its attributes say how it answers.

    >>> with FakeCollector() as collector:
    ...     settings = {"APPLICATION_ID": "id", "BASE_URI": collector.url}
    """

    def __init__(
        self, port: int = 0, prefix: str = "", certificate: Path | None = None
    ) -> None:
        self.arrived = threading.Condition()
        self.prefix = prefix
        self.silent = threading.Event()
        self.released = threading.Event()
        self.reset()
        self._server = Server(("127.0.0.1", port), make_handler(self))
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket,
                server_side=True,
                do_handshake_on_connect=False,  # the thread of the client does it
            )
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.daemon = True

    def reset(self) -> None:
        """Forget what came, and be a good collector again."""
        self.calls: list[Call] = []
        #: Seconds before every answer.
        self.delay = 0.0
        #: Statuses of the next event posts, then `status`.
        self.next_statuses: list[int] = []
        self.status = 201
        #: Status of the configuration calls.
        self.config_status = 200
        self.config: Any = {}
        self.rules: Any = []
        self.config_tag: str | None = None
        self.rules_tag: str | None = None
        #: Bytes that are sent instead of any HTTP answer.
        self.garbage: bytes | None = None
        #: Set for a collector that accepts and never answers.
        self.silent.clear()
        self.released.clear()
        self.on_event: Any = None
        self.on_update: Any = None

    @property
    def url(self) -> str:
        return (
            f"{self.scheme}://127.0.0.1:{self._server.server_address[1]}{self.prefix}"
        )

    def __enter__(self) -> FakeCollector:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    # What it got

    def record(self, call: Call) -> None:
        with self.arrived:
            self.calls.append(call)
            self.arrived.notify_all()

    def posts(self, *paths: str) -> list[Call]:
        with self.arrived:
            return [call for call in self.calls if call.path in (paths or EVENT_PATHS)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events accepted, in the order of arrival."""
        events: list[dict[str, Any]] = []
        for call in self.posts():
            events += call.payload if isinstance(call.payload, list) else [call.payload]
        return events

    def wait(self, ready: Any, timeout: float = 15) -> bool:
        """Wait until ready(self) is true."""
        until = time.monotonic() + timeout
        with self.arrived:
            while not ready(self):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self.arrived.wait(left)
            return True

    def wait_for_events(self, count: int, timeout: float = 15) -> list[dict[str, Any]]:
        assert self.wait(lambda me: len(me.events) >= count, timeout), (
            f"{len(self.events)} of {count} events arrived"
        )
        return self.events


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


def make_handler(collector: FakeCollector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.removeprefix(collector.prefix)
            if path == "/count":
                self._answer(200, len(collector.events), {})
                return
            answers = {
                "/v1/config": (collector.config, collector.config_tag),
                "/v1/rules": (collector.rules, collector.rules_tag),
                "/health/probe": ({"status": True, "region": "test"}, None),
            }
            known = path in answers
            self._note(path, None, 0)
            answer, tag = answers.get(path, ({}, None))
            headers = {"X-Moesif-Config-ETag": tag} if tag else {}
            self._answer(collector.config_status if known else 404, answer, headers)

        def do_POST(self) -> None:
            path = self.path.removeprefix(collector.prefix)
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            size = len(data)
            if self.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            is_event = path in EVENT_PATHS
            status = collector.status
            if is_event and collector.next_statuses:
                status = collector.next_statuses.pop(0)
            headers = {}
            if collector.config_tag:
                headers["X-Moesif-Config-ETag"] = collector.config_tag
            if collector.rules_tag:
                headers["X-Moesif-Rules-Tag"] = collector.rules_tag
            payload = json.loads(data)
            if status < 300 or not is_event:
                self._note(path, payload, size)
            else:
                self._note("refused:" + path, payload, size)
            self._answer(status, {}, headers)
            if status < 300:
                for one in payload if isinstance(payload, list) else [payload]:
                    if is_event and collector.on_event:
                        collector.on_event(one)
                    elif collector.on_update:
                        collector.on_update(path, one)

        def _note(self, path: str, payload: object, size: int) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.record(Call(self.command, path, headers, payload, size))

        def _answer(self, status: int, body: object, headers: dict[str, str]) -> None:
            if collector.silent.is_set():
                collector.released.wait(30)
                self.close_connection = True
                return
            if collector.delay:
                time.sleep(collector.delay)
            if collector.garbage is not None:
                self.wfile.write(collector.garbage)
                self.close_connection = True
                return
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


def show(event: dict[str, Any]) -> None:
    request, response = event["request"], event["response"]
    print(
        event.get("direction", ""),
        request["verb"],
        request["uri"],
        response["status"],
        "user:",
        event.get("user_id"),
        "company:",
        event.get("company_id"),
        "body:",
        json.dumps(response.get("body")),
        flush=True,
    )


def show_update(path: str, record: dict[str, Any]) -> None:
    print(path, json.dumps(record), flush=True)


def run_beside(program: str, port: str) -> None:
    """Run an example with a collector of its own until it is interrupted."""
    collector = FakeCollector()
    collector.on_event = show
    with collector, suppress(KeyboardInterrupt):
        environ = {**os.environ, "COLLECTOR": collector.url, "PORT": port}
        print(f"events of {program} are shown here; ctrl-C ends it", flush=True)
        subprocess.run([sys.executable, program], env=environ, check=False)


def main() -> None:
    if sys.argv[1:2] == ["--beside"]:
        run_beside(sys.argv[2], sys.argv[3])
        return
    collector = FakeCollector(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    if "--quiet" not in sys.argv:
        collector.on_event = show
        collector.on_update = show_update
    with collector:
        print(f"collector listens on {collector.url}", flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
