# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""Tests of an application."""

import logging
from io import BytesIO
from typing import Any, assert_type

from poorwsgi import Application
from poorwsgi.testing import ClientResponse, LiveServer, TestClient, free_port

app = Application("uses_testing")
client = TestClient(app, headers={"Accept": "text/html"}, raise_errors=False)

response = client.get("/", query={"page": 1}, headers=[("X-A", "1")])
assert_type(response, ClientResponse)
assert_type(response.status_code, int)
assert_type(response.status, str)
assert_type(response.data, bytes)
assert_type(response.text, str)
assert_type(response.json, Any)
assert_type(response.headers.get("X-A"), str | None)
assert_type(response.location, str | None)
assert_type(response.error, BaseException | None)
assert_type(response.log, list[logging.LogRecord])
assert_type(response.history, list[ClientResponse])
assert_type(response.expect(200, 304), ClientResponse)
assert_type(list(response), list[bytes])

for answer in (
    client.head("/"),
    client.post("/", json={"a": [1, None]}),
    client.post("/", data={"a": ["1", "2"]}, files={"f": ("a.txt", b"text")}),
    client.post("/", files=[("f", BytesIO(b"text"))], follow_redirects=True),
    client.put("/", body=b"bytes", chunked=True),
    client.patch("/", body=b"bytes", chunked="decoded"),
    client.delete("/", environ={"REMOTE_ADDR": None}),
    client.options("/"),
    client.request("PROPFIND", "/", stream=True),
):
    assert_type(answer, ClientResponse)

with client.get("/", stream=True) as answer:
    assert_type(answer, ClientResponse)

client.login("user", "password")
client.logout()
client.cookies.set("a", "1")
assert_type(client.cookies["a"], str)
assert_type(client.cookies.get("a"), str | None)
assert_type(client.environ("GET", "/"), dict[str, Any])

client.get("/", jsno={})  # type: ignore[call-arg]
client.get("/", headers=1)  # type: ignore[arg-type]

assert_type(free_port(), int)


def served() -> None:
    with LiveServer("examples/simple.py") as server:
        assert_type(server, LiveServer)
        assert_type(server.url, str)
