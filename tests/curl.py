"""Calls of curl as documentation shows them, read and made without curl."""

import argparse
import http.client
import re
import shlex
from pathlib import Path
from typing import NamedTuple

BOUNDARY = "a-boundary-of-the-tests"
FORM = "application/x-www-form-urlencoded"


class Request(NamedTuple):
    """What a call of curl sends."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes | None
    chunked: bool


def _parser():
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    for flag in ("-i", "-I"):
        parser.add_argument(flag, action="store_true")
    for option in ("-X", "-r", "-o", "--json"):
        parser.add_argument(option)
    for option in ("-H", "-d", "-F"):
        parser.add_argument(option, action="append", default=[])
    parser.add_argument("url")
    return parser


def calls_in(text):
    """Return the words behind `curl` of each indented call in a text."""
    text = text.replace("\\\n", " ")
    return [shlex.split(line)[1:] for line in re.findall(r"^ +(curl .*)$", text, re.M)]


def _part(field):
    name, _, value = field.partition("=")
    head, data = f'form-data; name="{name}"', value.encode()
    if value.startswith("@"):
        path = Path(value[1:])
        head, data = f'{head}; filename="{path.name}"', path.read_bytes()
    return f"--{BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + data


def _body_of(args):
    """Return the body and the headers that belong to it."""
    if args.json is not None:
        kind = "application/json"
        return args.json.encode(), {"Content-Type": kind, "Accept": kind}
    if args.d:
        return "&".join(args.d).encode(), {"Content-Type": FORM}
    if args.F:
        parts = [*map(_part, args.F), f"--{BOUNDARY}--\r\n".encode()]
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return b"\r\n".join(parts), {"Content-Type": kind}
    return None, {}


def request_of(words):
    """Return what curl would send; the host and the port do not matter."""
    args = _parser().parse_args(words)
    body, headers = _body_of(args)
    headers = {"Accept": "*/*", **headers, **(dict(h.split(": ", 1) for h in args.H))}
    if args.r:
        headers["Range"] = f"bytes={args.r}"
    chunked = headers.pop("Transfer-Encoding", "") == "chunked"
    method = args.X or ("HEAD" if args.I else "GET" if body is None else "POST")
    target = re.sub(r"^http://127\.0\.0\.1:\d+", "", args.url)
    assert target.startswith("/"), words
    return Request(method, target, headers, body, chunked)


def call_client(client, words):
    """Make a call by a TestClient; return the status and what curl -i shows."""
    method, target, headers, body, chunked = request_of(words)
    options = {} if body is None else {"body": body, "chunked": chunked}
    answer = client.request(method, target, headers=headers, **options)
    return answer.status_code, _shown(answer.headers, answer.data)


def call_server(address, words):
    """Make a call over a connection; return the same."""
    method, target, headers, body, chunked = request_of(words)
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        if chunked:
            body = iter([body])
        connection.request(method, target, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, _shown(answer.headers, answer.read())
    finally:
        connection.close()


def _shown(headers, body):
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\n".join([*lines, "", body.decode("utf-8", "replace")])
