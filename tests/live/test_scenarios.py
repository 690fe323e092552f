"""What a client sees is the same whichever server is between."""

import json
import re
import threading
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

import pytest
from client import ask
from conftest import DATA

JSON = {"Content-Type": "application/json"}
NOTHING = MappingProxyType({})
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Case(NamedTuple):
    """A request and what must come back; a header of None must be absent."""

    method: str
    target: str
    status: int
    body: object = None
    headers: Mapping = NOTHING
    send: Mapping = NOTHING
    data: object = None


CASES = [
    Case("GET", "/", 200, b"Hello, World!", {"Content-Length": "13"}),
    Case("HEAD", "/", 200, b"", {"Content-Length": "13", "X-After": "hooked"}),
    Case("OPTIONS", "/", 204, b"", {"Allow": "GET, HEAD, OPTIONS"}),
    Case("PUT", "/", 405, ..., {"Allow": "GET, HEAD", "X-After": "hooked"}),
    Case("BREW", "/", 501),
    Case("GET", "/nowhere", 404, ..., {"X-After": "hooked"}),
    Case("HEAD", "/nowhere", 404, b""),
    Case("GET", "/item/42", 200, {"id": 42, "method": "GET"}),
    Case("GET", "/item/-1", 200, {"id": -1, "method": "GET"}),
    Case("DELETE", "/item/42", 200, {"id": 42, "method": "DELETE"}),
    Case("POST", "/item/42", 405, ..., {"Allow": "DELETE, GET, HEAD"}),
    Case("GET", "/item/x", 404),
    Case("GET", "/item/1%0A", 404),
    Case(
        "GET",
        "/path/" + quote("žluť a") + "/b%20c?x=%C5%BE&y",
        200,
        {
            "name": "žluť a",
            "rest": "b c",
            "path": "/path/žluť a/b c",
            "query": "x=%C5%BE&y",
        },
    ),
    Case("GET", "/%FF", 400),
    Case(
        "GET",
        "/args?a=1&b=x+y&a=%C5%BE&b=",
        200,
        {"a": ["1", "ž"], "b": ["x y"], "missing": []},
    ),
    Case(
        "POST",
        "/form",
        200,
        {"fields": {"a": ["1", "2"], "b": ["ž +"]}, "files": {}},
        send=FORM,
        data="a=1&a=2&b=%C5%BE+%2B",
    ),
    Case("POST", "/json", 200, {"got": {"a": ["ž"]}}, send=JSON, data='{"a": ["ž"]}'),
    Case("PUT", "/json", 200, {"got": [1, 2]}, send=JSON, data="[1, 2]"),
    Case("POST", "/json", 400, send=JSON, data='{"a": '),
    Case("PUT", "/upload", 200, {"size": 0, "sha256": sha256().hexdigest()}, data=""),
    Case("POST", "/unread", 200, b"not looked at", data=b"x" * 10_000),
    Case("GET", "/nothing", 204, b"", {"Content-Type": None}),
    Case("POST", "/created", 201, b"made", {"Location": "/item/1"}, data=""),
    Case("GET", "/away", 302, ..., {"Location": "/item/7"}),
    Case("GET", "/gone", 410),
    Case("GET", "/conflict", 409, b"no seat", {"Content-Type": "text/plain"}),
    Case("GET", "/file", 200, DATA, {"Accept-Ranges": "bytes"}),
    Case("HEAD", "/file", 200, b"", {"Content-Length": str(len(DATA))}),
    Case(
        "GET",
        "/download",
        206,
        DATA[10:20],
        {"Content-Range": f"bytes 10-19/{len(DATA)}", "Content-Length": "10"},
        send={"Range": "bytes=10-19"},
    ),
    Case("GET", "/download", 206, DATA[-100:], send={"Range": "bytes=-100"}),
    Case(
        "GET",
        "/download",
        416,
        ...,
        {"Content-Range": f"bytes */{len(DATA)}"},
        send={"Range": "bytes=9999999-"},
    ),
    Case("GET", "/data.bin", 200, DATA, {"Content-Length": str(len(DATA))}),
    Case("GET", "/data.bin", 206, DATA[:1], send={"Range": "bytes=0-0"}),
    Case(
        "GET",
        "/data.bin",
        416,
        ...,
        {"Content-Range": f"bytes */{len(DATA)}"},
        send={"Range": "bytes=9999999-"},
    ),
    Case("GET", "/page.html", 200, "<p>žluť</p>".encode()),
    Case("GET", "/sub/inner.txt", 200, b"inner"),
    Case("GET", "/.hidden", 404),
    Case("GET", "/%2e%2e/secret.txt", 404),
    Case("GET", "/sub/..%2f..%2fsecret.txt", 404),
    Case("GET", "/data.bin/", 404),
    Case("GET", "/sub/", 200, ...),
    Case("PUT", "/data.bin", 404, data=b"x"),
]

#: Answers that servers and proxies give by themselves, and rightly so.
INSTEAD = {
    "/%2e%2e/secret.txt": {400, 403, 404},
    "/sub/..%2f..%2fsecret.txt": {400, 403, 404},
    "/link.txt": {403, 404},
}


def name_of(case):
    extra = next(iter(case.send.values()), "")
    return f"{case.method} {case.target} {extra}".strip()


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_request_is_answered(address, case):
    """Status, headers and body of one ordinary request."""
    data = case.data.encode() if isinstance(case.data, str) else case.data
    answer = ask(address, case.method, case.target, data, case.send)
    allowed = INSTEAD.get(case.target, {case.status})
    assert answer.status in allowed, answer
    for name, value in case.headers.items():
        assert answer.headers[name] == value, answer
    if isinstance(case.body, bytes):
        assert answer.body == case.body
    elif isinstance(case.body, dict):
        assert answer.json == case.body


def test_a_link_out_of_the_root_is_not_followed(address):
    """The document root is a jail."""
    answer = ask(address, "GET", "/link.txt")
    assert answer.status in (403, 404)
    assert b"secret" not in answer.body


def test_crash_shows_no_internals(address):
    """The client gets a page; what happened is in the log."""
    answer = ask(address, "GET", "/crash")
    assert answer.status == 500
    assert b"inside" not in answer.body
    assert b"LookupError" not in answer.body
    assert b"Traceback" not in answer.body


def test_error_pages_are_json_for_json_clients(address):
    """Accept decides what kind of page it is."""
    answer = ask(address, "GET", "/nowhere", headers={"Accept": "application/json"})
    assert answer.status == 404
    assert answer.headers.get_content_type() == "application/json"
    assert isinstance(answer.json, dict)


def test_multipart_upload_arrives_whole(address):
    """Fields, and a file with every byte and line ends in it."""
    content = DATA + b"\r\n--edge\r\n"
    body = (
        b'--x123\r\nContent-Disposition: form-data; name="n"\r\n\r\n\xc5\xbe\r\n'
        b'--x123\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
        + content
        + b"\r\n--x123--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x123"}
    answer = ask(address, "POST", "/form", body, headers)
    assert answer.status == 200, answer
    assert answer.json == {
        "fields": {"n": ["ž"]},
        "files": {"f": ["a.bin", len(content)]},
    }


def test_large_upload_is_read_in_blocks(address):
    """3 MB by req.read(n), in step with Content-Length."""
    body = DATA * 24
    answer = ask(address, "PUT", "/upload", body)
    assert answer.status == 200, answer
    assert answer.json == {"size": len(body), "sha256": sha256(body).hexdigest()}


def test_chunked_upload_is_read(address):
    """Whether the server takes the framing off or leaves it to us."""
    blocks = [b"one ", b"two " * 5000, b"three"]
    answer = ask(address, "POST", "/chunked", iter(blocks), chunked=True)
    assert answer.status == 200, answer
    assert answer.body == b"".join(blocks)


def test_stream_is_whole_and_closed(server, address):
    """Every block in order, and close() called once."""
    answer = ask(address, "GET", "/stream/whole/300")
    assert answer.status == 200
    assert answer.body == b"".join(b"%06d\n" % number * 100 for number in range(300))
    assert closed_names(server).count("whole") == 1


def test_stream_is_closed_for_head_as_well(server, address):
    """HEAD runs the handler, sends nothing and closes the generator."""
    answer = ask(address, "HEAD", "/stream/head/300")
    assert (answer.status, answer.body) == (200, b"")
    assert closed_names(server).count("head") == 1


def closed_names(server):
    path = server.folder / "closed"
    return path.read_text().split() if path.exists() else []


@pytest.mark.parametrize("target", ["/file", "/data.bin"])
def test_what_the_client_has_is_not_sent_again(address, target):
    """A served file has validators that make a 304 of the next request."""
    first = ask(address, "GET", target)
    modified = first.headers["Last-Modified"]
    assert modified
    if target == "/file":  # made by the handler, which doesn't look at conditions
        return
    second = ask(address, "GET", target, headers={"If-Modified-Since": modified})
    assert (second.status, second.body) == (304, b"")
    assert second.headers["Content-Type"] is None
    third = ask(
        address, "GET", target, headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (third.status, third.body) == (304, b"")


def test_several_ranges_come_as_parts(address):
    """A file of the document root answers them in one body."""
    answer = ask(address, "GET", "/data.bin", headers={"Range": "bytes=0-3,-4"})
    assert answer.status == 206
    kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.body.split(b"--" + boundary.strip('"').encode())
    assert parts[1].endswith(b"\r\n\r\n" + DATA[:4] + b"\r\n")
    assert parts[2].endswith(b"\r\n\r\n" + DATA[-4:] + b"\r\n")
    assert int(answer.headers["Content-Length"]) == len(answer.body)


def test_directory_is_listed(address):
    """Names of the folder, not of what is hidden."""
    text = ask(address, "GET", "/sub/").text
    assert "inner.txt" in text
    root = ask(address, "GET", "/sub/..").status
    assert root in (200, 301, 302, 400, 403, 404)


def test_cookies_go_both_ways(address):
    """Two Set-Cookie headers stay two, and a Cookie header is read."""
    answer = ask(address, "GET", "/cookies", headers={"Cookie": "b=1; a=2; =bad"})
    assert answer.headers.get_all("Set-Cookie") == ["one=1; Path=/", "two=2; Path=/"]
    assert answer.text == "['a', 'b']"


def test_headers_of_the_request_are_seen(address):
    """Names in their usual spelling, values as sent."""
    sent = {"X-Custom": "value, with: signs", "Accept-Language": "cs;q=0.8"}
    seen = ask(address, "GET", "/headers", headers=sent).json
    assert seen["X-Custom"] == sent["X-Custom"]
    assert seen["Accept-Language"] == sent["Accept-Language"]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", seen["Host"])


def test_a_proxy_tells_who_asks_and_how(server, address):
    """What a client claims in these names is replaced by the truth."""
    names = ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"]
    names += ["X-Forwarded-Prefix", "Forwarded"]
    claimed = dict.fromkeys(names, "claimed")
    seen = ask(address, "GET", "/headers", headers=claimed).json
    told = {name: seen[name] for name in names if name in seen}
    if server.server.nginx == "nginx-proxy.conf":
        host = seen["Host"]
        assert told == dict(zip(names, ["127.0.0.1", "http", host], strict=False))
    elif server.server.nginx:  # uWSGI's protocol has parameters for it
        assert told == {}
    else:
        assert set(told.values()) <= {"claimed"}


def test_environ_is_that_of_a_server(address):
    """What every server promises in PEP 3333."""
    environ = ask(address, "GET", "/environ?q=1").json
    assert environ["REQUEST_METHOD"] == "GET"
    assert environ["PATH_INFO"] == "/environ"
    assert environ["QUERY_STRING"] == "q=1"
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["SERVER_PROTOCOL"].startswith("HTTP/1.")


def test_concurrent_requests_are_not_mixed_up(address):
    """Eight clients at a time, each gets its own words back, 80 requests."""
    wrong = []

    def client(number):
        for turn in range(10):
            word = f"w{number}x{turn}"
            answer = ask(address, "GET", f"/slow/{word}?n={turn}")
            if answer.text != f"{word} {word} {turn}":
                wrong.append((word, answer))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_json_answer_is_plain_json(address):
    """Content-Type and length fit what a JSON client expects."""
    answer = ask(address, "GET", "/item/5")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert json.loads(answer.body) == {"id": 5, "method": "GET"}
