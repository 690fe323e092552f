"""What is sent to each framework, and what the answer must not be.

Nothing here is an opinion about taste: an answer fails if it is 5xx or an
error for the server, if it takes a broken input for a whole one, shows another
file, or takes seconds.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
JSON = "application/json"
PART = b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\nv\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'


class Attack(NamedTuple):
    """One request; *refused*: 2xx is wrong, *limit*: bytes the answer may have."""

    name: str
    path: str = "/"
    method: str = "GET"
    body: bytes = b""
    refused: bool = False
    contains: bytes = b""
    without: bytes = b""
    more: Mapping[str, Any] = MappingProxyType({})


def post(name: str, path: str, kind: str, body: bytes, **options: Any) -> Attack:
    """Return an attack by a body."""
    more = {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}
    more.update(options.pop("more", {}))
    return Attack(name, path, "POST", body, more=more, **options)


ATTACKS = [
    Attack("control: text", contains=b"Hello"),
    Attack("control: number", "/item/7", contains=b"7"),
    Attack("control: three words", "/a-b-c.html", contains=b"a b c"),
    Attack("control: file", "{files}/a.txt", contains=b"0123456789"),
    Attack("control: cookie", "/cookie", contains=b"yes",
           more={"HTTP_COOKIE": "a=b; good=yes"}),
    post("control: form", "/form", FORM, b"a=b&c=d", contains=b"2"),
    post("control: JSON", "/json", JSON, b'{"a": 17}', contains=b"17"),
    post("control: upload", "/form", MULTIPART, FILE + b"x\r\n--x--\r\n",
         contains=b"1"),
    Attack("path that is not UTF-8", "/\xff\xfe"),
    Attack("NUL in the path", "/files/a\0b", refused=True),
    Attack("number of 5000 digits", "/item/" + "9" * 5000),
    Attack("line break behind a number", "/item/1\n", refused=True),
    Attack("digits of another script", "/item/Ù£", refused=True),
    Attack("path of 2000 dashes (ReDoS)", "/" + "-" * 2000, refused=True),
    Attack("unknown method", method="BREW", refused=True),
    Attack("Host that is none", refused=True, more={"HTTP_HOST": "a b/<x>"}),
    Attack("Host with a port that is none", more={"HTTP_HOST": "a:x"}, refused=True),
    Attack(
        "bad pair beside a good cookie",
        "/cookie",
        contains=b"yes",
        more={"HTTP_COOKIE": 'b(a)d=1; @; good=yes; "x'},
    ),
    Attack("redirect to //evil.test", "/go", more={"QUERY_STRING": "to=//evil.test"}),
    Attack(
        "line break in a redirect",
        "/go",
        more={"QUERY_STRING": "to=/%0d%0aX-Evil:%20yes"},
    ),
    Attack("Authorization of garbage", "/login",
           more={"HTTP_AUTHORIZATION": 'X a="b'}),
    Attack("Basic that is no base64", "/login",
           more={"HTTP_AUTHORIZATION": "Basic é="}),
    Attack("10,000 ranges", "{files}/a.txt",
           more={"HTTP_RANGE": "bytes=" + "0-1," * 10**4}),
    Attack("range behind the end", "{files}/a.txt", more={"HTTP_RANGE": "bytes=999-"}),
    Attack("range of garbage", "{files}/a.txt", more={"HTTP_RANGE": "bytes=z--9"}),
    Attack(
        "date of garbage",
        "{files}/a.txt",
        contains=b"0123456789",
        more={"HTTP_IF_MODIFIED_SINCE": "Foo, 99 Bar 0000"},
    ),
    Attack("dots out of the folder", "{files}/../secret.txt", without=b"SECRET"),
    Attack("name beside the folder", "-x/secret.txt", without=b"SECRET"),
    Attack("link out of the folder", "{files}/link.txt", without=b"SECRET"),
    Attack("hidden file", "{files}/.env", without=b"SECRET"),
    Attack("HEAD", method="HEAD"),
    post("length that is no number", "/form", FORM, b"a=b", refused=True,
         more={"CONTENT_LENGTH": "abc"}),
    post("length with a sign", "/form", FORM, b"a=b", refused=True,
         more={"CONTENT_LENGTH": "-5"}),
    post("length of digits and underscores", "/form", FORM, b"a=b" * 9, refused=True,
         more={"CONTENT_LENGTH": "1_0"}),
    post("length and chunked at once", "/form", FORM, b"a=b", refused=True,
         more={"HTTP_TRANSFER_ENCODING": "chunked"}),
    post("form that ends early", "/form", FORM, b"a=b", refused=True,
         more={"CONTENT_LENGTH": "900"}),
    post("JSON that ends early", "/json", JSON, b'{"a": 1}', refused=True,
         more={"CONTENT_LENGTH": "900"}),
    post("upload that ends early", "/form", MULTIPART, FILE + b"x" * 99, refused=True,
         more={"CONTENT_LENGTH": "90000"}),
    post("upload without its last boundary", "/form", MULTIPART, FILE + b"x\r\n",
         refused=True),
    post("multipart without a boundary", "/form", "multipart/form-data", b"--x--\r\n",
         refused=True),
    post("part headers without an end", "/form", MULTIPART,
         b"--x\r\nA: " + b"b" * 10**5, refused=True),
    post("20,000 parts", "/form", MULTIPART,
         b"".join(PART % n for n in range(20000)) + b"--x--\r\n", refused=True),
    post("100,000 fields", "/form", FORM, b"&".join(b"%d=v" % n for n in range(10**5)),
         refused=True),
    post("field of 20 MB", "/form", FORM, b"a=" + b"b" * 20_000_000, refused=True),
    post("JSON with NaN", "/json", JSON, b'{"a": NaN}', refused=True),
    post("JSON that is not UTF-8", "/json", JSON, b'{"a": "\xff"}', refused=True),
    post("JSON nested 100,000 deep", "/json", JSON, b"[" * 10**5 + b"]" * 10**5,
         refused=True),
    post("JSON number of 5000 digits", "/json", JSON, b'{"a": ' + b"9" * 5000 + b"}",
         refused=True),
    post("JSON with half a surrogate pair", "/json", JSON, b'{"a": "\\ud800"}'),
    post("unknown charset", "/form", f"{FORM}; charset=x-y", b"a=b"),
]  # fmt: skip


def environ_of(attack: Attack, files: str) -> dict[str, Any]:
    """Return the environment of an attack; *files* is where files are served."""
    return {
        "REQUEST_METHOD": attack.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": attack.path.replace("{files}", files),
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(attack.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **attack.more,
    }
