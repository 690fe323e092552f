"""A bot-detection service to test with: risk API, collector, client, captcha.

One threaded server on 127.0.0.1 plays all four. Its `mode` says how badly it
behaves. As a program it serves beside an example:

    python tests/fake_perimeterx.py examples/perimeterx/poorwsgi.py

The risk API scores a request by its own query: /?score=100&action=c
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

APP_ID = "PXabcd1234"
KEY = "test-cookie-key"
TOKEN = "test-auth-token"
UUID = "33333333-0000-4000-8000-00000000000b"
VID = "0a1b2c3d-0000-4000-8000-00000000000a"
COOKIE_UUID = "0a1b2c3d-0000-4000-8000-00000000000b"
FAR_FUTURE = 4102444800000

MODES = (
    "good",
    "slow",  # answers after `delay` seconds
    "drip",  # one byte of the answer every `delay` seconds
    "drop",  # reads the request, closes
    "cut",  # half an answer, then closes
    "redirect",  # 302 to /stolen of this server
    "raw",  # sends `raw` as it is
)


class Call(NamedTuple):
    """A request that the service got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def envelope(plain: bytes, key: str, rounds: int = 1000, salt: bytes = b"") -> str:
    """Encrypt as the service does: SALT:ITERATIONS:DATA."""
    salt = salt or os.urandom(16)
    derived = hashlib.pbkdf2_hmac("sha256", key.encode(), salt, rounds, 48)
    padding = 16 - len(plain) % 16
    encryptor = Cipher(
        algorithms.AES(derived[:32]), modes.CBC(derived[32:])
    ).encryptor()
    data = encryptor.update(plain + bytes([padding]) * padding) + encryptor.finalize()
    return ":".join(
        (base64.b64encode(salt).decode(), str(rounds), base64.b64encode(data).decode())
    )


def fields(**changes: Any) -> dict[str, Any]:
    """Return the fields of a good version 3 cookie, changed; ... removes."""
    values = {
        "t": FAR_FUTURE,
        "v": VID,
        "u": COOKIE_UUID,
        "s": 10,
        "a": "c",
    } | changes
    return {name: value for name, value in values.items() if value is not ...}


def sign(key: str, text: bytes) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def v3(
    plain: dict[str, Any] | bytes | None = None,
    agent: str = "Vector/1.0",
    key: str = KEY,
    rounds: int = 1000,
) -> str:
    """Return the value of a signed `_px3` cookie."""
    if not isinstance(plain, bytes):
        plain = json.dumps(fields() if plain is None else plain).encode()
    body = envelope(plain, key, rounds)
    return f"{sign(key, body.encode() + agent.encode('latin-1'))}:{body}"


def v1(agent: str = "Vector/1.0", ip: str = "", key: str = KEY, **changes: Any) -> str:
    """Return the value of a signed `_px` cookie."""
    values = fields(s={"a": 0, "b": 10}, a=...) | changes
    scores = values["s"]
    text = f"{values['t']}{scores['a']}{scores['b']}{values['u']}{values['v']}"
    values.setdefault("h", sign(key, f"{text}{ip}{agent}".encode()))
    return envelope(json.dumps(values).encode(), key)


def risk_answer(score: float = 0, action: str = "c", **more: Any) -> dict[str, Any]:
    return {"status": 0, "uuid": UUID, "score": score, "action": action} | more


class FakePerimeterX:
    """The service; a context manager that ends all its threads."""

    def __init__(self, port: int = 0) -> None:
        self.mode = "good"
        self.delay = 5.0
        self.raw = b""
        self.answer: dict[str, Any] = risk_answer()
        self.keep_alive = True
        self.upstream_status = 200
        self.upstream_headers: list[tuple[str, str]] = []
        self.upstream_body: bytes | None = None
        self.calls: list[Call] = []
        self.connections = 0
        self.ending = threading.Event()
        #: While it is cleared, good answers wait.
        self.gate = threading.Event()
        self.gate.set()
        self._sockets: set[Any] = set()
        service = self

        class Handler(_Handler):
            fake = service

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Broken connections are what these tests are about."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.005,), daemon=True
        )

    def __enter__(self) -> FakePerimeterX:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """Close every open connection, as a server that was restarted."""
        for sock in list(self._sockets):
            with suppress(OSError):
                sock.shutdown(2)

    def options(self, **more: Any) -> dict[str, Any]:
        """Return px_config with all upstreams here."""
        return {
            "app_id": APP_ID,
            "cookie_key": KEY,
            "auth_token": TOKEN,
            "px_backend_url": self.url,
            "client_url": self.url,
            "captcha_url": self.url,
            "collector_url": self.url,
        } | more

    def on(self, path: str) -> list[Call]:
        """Return the calls to a path."""
        return [call for call in list(self.calls) if call.path == path]

    @property
    def risk_calls(self) -> list[Call]:
        return self.on("/api/v3/risk")

    @property
    def forwarded(self) -> list[Call]:
        """Return the calls that came through first-party addresses."""
        own = ("/api/v3/risk", "/api/v2/risk/telemetry", "/api/v1/collector/s2s")
        return [call for call in list(self.calls) if call.path not in own]

    @property
    def telemetry(self) -> list[Call]:
        return self.on("/api/v2/risk/telemetry")

    @property
    def activities(self) -> list[dict[str, Any]]:
        return [item for call in self.on("/api/v1/collector/s2s") for item in call.json]

    def wait_for(self, what: Any, seconds: float = 10.0) -> Any:
        """Wait until a callable gives something true, and return that."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := what():
                return found
            time.sleep(0.01)
        raise AssertionError("it did not happen")


class _Handler(BaseHTTPRequestHandler):
    fake: FakePerimeterX
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.fake.connections += 1
        self.fake._sockets.add(self.connection)

    def finish(self) -> None:
        self.fake._sockets.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = Call(self.command, self.path, dict(self.headers.items()), body)
        self.fake.calls.append(call)
        status, headers, content = self.reply(call)
        getattr(self, f"be_{self.fake.mode}")(self.message(status, headers, content))

    do_GET = do_POST = do_HEAD = do_PUT = do_OPTIONS = serve  # noqa: N815

    def reply(self, call: Call) -> tuple[int, list[tuple[str, str]], bytes]:
        fake, json_type = self.fake, [("Content-Type", "application/json")]
        if call.path == "/api/v3/risk":
            return 200, json_type, json.dumps(score_of(call, fake.answer)).encode()
        if call.path.startswith(("/api/v1/collector/s2s", "/api/v2/risk/telemetry")):
            return 200, json_type, b"{}"
        headers = [("Content-Type", "application/javascript"), *fake.upstream_headers]
        if fake.upstream_body is not None:
            return fake.upstream_status, headers, fake.upstream_body
        if "/captcha.js" in call.path:
            return fake.upstream_status, headers, captcha_script(call)
        return fake.upstream_status, headers, b"window._pxLoaded = true;"

    def message(
        self, status: int, headers: list[tuple[str, str]], content: bytes
    ) -> bytes:
        lines = [f"HTTP/1.1 {status} Fake"]
        lines += [f"{name}: {value}" for name, value in headers]
        if not self.fake.keep_alive:
            lines.append("Connection: close")
            self.close_connection = True
        if status != 204:
            lines.append(f"Content-Length: {len(content)}")
        if self.command == "HEAD":
            content = b""
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content

    def be_good(self, message: bytes) -> None:
        self.fake.gate.wait()
        self.wfile.write(message)

    def be_slow(self, message: bytes) -> None:
        self.fake.ending.wait(self.fake.delay)
        self.close_connection = True
        self.wfile.write(message)

    def be_drip(self, message: bytes) -> None:
        self.close_connection = True
        for position in range(len(message)):
            self.wfile.write(message[position : position + 1])
            if self.fake.ending.wait(self.fake.delay):
                return

    def be_drop(self, message: bytes) -> None:
        self.close_connection = True

    def be_cut(self, message: bytes) -> None:
        self.close_connection = True
        self.wfile.write(message[: len(message) - 5])

    def be_redirect(self, message: bytes) -> None:
        self.wfile.write(
            b"HTTP/1.1 302 Found\r\nLocation: %s/stolen\r\nContent-Length: 0\r\n\r\n"
            % self.fake.url.encode()
        )

    def be_raw(self, message: bytes) -> None:
        self.close_connection = True
        self.wfile.write(self.fake.raw)


def score_of(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer; a request that names its score gets that one."""
    url = call.json["request"]["url"] if call.body else ""
    wanted = parse_qs(urlsplit(url).query)
    if "score" in wanted:
        answer = answer | {"score": int(wanted["score"][0])}
    if "action" in wanted:
        answer = answer | {"action": wanted["action"][0]}
        if answer["action"] == "j":
            page = "<!DOCTYPE html><title>Challenge</title><p>A challenge page."
            answer = answer | {"action_data": {"body": page}}
    return answer


def captcha_script(call: Call) -> bytes:
    """Return a challenge: a button that gives the visitor a good cookie."""
    value = v3(agent=call.headers.get("User-Agent", ""))
    return f"""\
(function () {{
  var button = document.createElement("button");
  button.textContent = "I am human";
  button.id = "px-button";
  button.onclick = function () {{
    document.cookie = "_px3={value}; path=/";
    if (window._pxOnCaptchaSuccess) {{ window._pxOnCaptchaSuccess(true); }}
    else {{ location.reload(); }}
  }};
  document.getElementById("px-captcha").appendChild(button);
  window._pxCaptcha = true;
}}());
""".encode()


def main() -> int:
    """Serve beside a program until that one ends."""
    with FakePerimeterX() as fake:
        environ = os.environ | {
            "PX_SERVICE_URL": fake.url,
            "PX_APP_ID": APP_ID,
            "PX_COOKIE_KEY": KEY,
            "PX_AUTH_TOKEN": TOKEN,
            "PX_API_TIMEOUT": "20000",
        }
        print(f"service that plays PerimeterX: {fake.url}", flush=True)
        program = subprocess.Popen([sys.executable, *sys.argv[1:]], env=environ)

        def stop(*_: object) -> None:
            program.terminate()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        return program.wait()


if __name__ == "__main__":
    sys.exit(main())
