"""Files below the document root: which are given out, and how much of them."""

from __future__ import annotations

import doctest
import errno
import os
from email import message_from_bytes
from itertools import product
from pathlib import Path
from time import time
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application, static
from poorwsgi.headers import http_to_time, time_to_http
from poorwsgi.response import FileResponse, HTTPException
from poorwsgi.results import directory_index
from poorwsgi.static import (
    content_type_of,
    etag_of,
    failed_precondition,
    find,
    normalised,
    wanted_spans,
)
from poorwsgi.testing import TestClient

BODY = bytes(range(256)) * 40
OLD = 784111777
OLD_TEXT = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.fixture
def root(tmp_path):
    """A document root beside things that must not be reached."""
    root = tmp_path / "www"
    for name, content in {
        "www/a.txt": b"0123456789",
        "www/big.bin": BODY,
        "www/empty.txt": b"",
        "www/sub/b.html": b"<p>b</p>",
        "www/.git/config": b"hidden",
        "www/.env": b"hidden",
        "www/sub/.env": b"hidden",
        "www/.well-known/security.txt": b"contact",
        "www/with blank/\u017elu\u0165 #1.txt": b"name",
        "www-x/secret.txt": b"secret",
        "secret.txt": b"secret",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


@pytest.fixture
def app(root, request):
    app = Application(request.node.nodeid)
    app.document_root = str(root)
    yield app
    app.release()


@pytest.fixture
def client(app):
    return TestClient(app)


def raw_get(client, path, **environ):
    """Send a path as it is: clients take `..` out, attackers do not."""
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    return client.get("/", environ=environ)


def test_doctests():
    """What the docstrings show is what happens."""
    assert doctest.testmod(static).failed == 0


# -- which file --------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/a.txt", b"0123456789"),
        ("/sub/b.html", b"<p>b</p>"),
        ("//a.txt", b"0123456789"),
        ("/sub/../a.txt", b"0123456789"),
        ("/./sub/./b.html", b"<p>b</p>"),
        ("/with blank/\u017elu\u0165 #1.txt", b"name"),
        ("/.well-known/security.txt", b"contact"),
        ("/empty.txt", b""),
    ],
)
def test_files_are_served(client, path, content):
    """A path is normalised once; .well-known is no hidden name."""
    answer = raw_get(client, path)
    assert (answer.status_code, answer.data) == (200, content)
    assert answer.headers["Content-Length"] == str(len(content))


ESCAPES = [
    "/../secret.txt", "/../www-x/secret.txt", "/sub/../../secret.txt", "/..",
    "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/sub/%2e%2e/%2e%2e/secret.txt",
    "//../secret.txt", "/./../secret.txt", "/a.txt/../../secret.txt",
    "/.git/config", "/.env", "/sub/.env", "/.git", "/.git/", "/x/../.env",
    "/.git/../a.txt", "/.well-known/../.env", "//.env", "/..\\secret.txt",
    "/a.txt/", "/a.txt/.", "/a.txt/x", "/nothing", "/nothing/", "/sub/nothing",
    "/" + "a" * 300, "/" + "a/" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_traversal_hidden_names_and_what_is_not_there_are_404(client, path):
    """Nothing above the root, nothing hidden, no file with a slash behind it."""
    answer = raw_get(client, path)
    assert answer.status_code == 404
    assert b"secret" not in answer.data.replace(b"secret.txt", b"")


@pytest.mark.parametrize(
    "path", ["-x/secret.txt", "a.txt", "", "/a.txt\0", "/\0", "/sub\0/../a.txt"]
)
def test_paths_without_slash_or_with_nul_find_nothing(app, root, path):
    """The sibling whose name starts like the root's is not below it."""

    class Req:
        document_root = str(root)

    req = Req()
    req.app, req.path = app, path
    assert find(req) is None


@pytest.mark.parametrize("target", ["file", "directory", "chain", "sibling"])
def test_links_out_of_the_root_are_403(client, app, root, tmp_path, target):
    """Symlink escape: refused, unless follow_symlinks is on."""
    path = "/link"
    if target == "file":
        (root / "link").symlink_to(tmp_path / "secret.txt")
    elif target == "directory":
        (root / "link").symlink_to(tmp_path)
        path = "/link/secret.txt"
    elif target == "chain":
        (root / "sub/second").symlink_to(tmp_path / "secret.txt")
        (root / "link").symlink_to(root / "sub/second")
    else:
        (root / "link").symlink_to(tmp_path / "www-x")
        path = "/link/secret.txt"
    assert client.get(path).status_code == 403
    app.follow_symlinks = True
    assert client.get(path).data == b"secret"


def test_links_inside_the_root_work(client, root, tmp_path):
    """A link that stays is followed; so is a root that is a link itself."""
    (root / "link.txt").symlink_to("a.txt")
    (root / "dir").symlink_to(root / "sub")
    (root / "git").symlink_to(".git")
    (root / "loop").symlink_to("loop")
    (root / "broken").symlink_to("nothing")
    assert client.get("/link.txt").data == b"0123456789"
    assert client.get("/dir/b.html").data == b"<p>b</p>"
    for hidden in ("/git/config", "/loop", "/broken"):
        assert client.get(hidden).status_code == 404


def test_a_root_that_is_a_link(client, app, root, tmp_path):
    """Deployments that switch a link to the new release are served at once."""
    current = tmp_path / "current"
    current.symlink_to(root)
    app.document_root = f"{current}/"
    (root / "link.txt").symlink_to("a.txt")
    assert client.get("/a.txt").status_code == 200
    assert client.get("/link.txt").status_code == 200
    current.unlink()
    current.symlink_to(tmp_path / "www-x")
    assert client.get("/a.txt").status_code == 404
    assert client.get("/secret.txt").data == b"secret"


def test_hidden_names_can_be_switched_on(client, app):
    """serve_hidden gives out names with a dot, in the listing as well."""
    app.serve_hidden = app.document_index = True
    assert client.get("/.env").data == b"hidden"
    assert ".git/" in client.get("/").text


def test_fifo_is_not_opened(client, root):
    """A FIFO, on which open() would wait for a writer, is 403 at once."""
    os.mkfifo(root / "fifo")
    assert client.get("/fifo").status_code == 403


def test_fifo_that_took_the_place_of_a_file_is_not_waited_for(client, app, root):
    """What changes between the look and open() is noticed on the descriptor."""

    @app.before_response()
    def swap(req):
        (root / "a.txt").unlink()
        os.mkfifo(root / "a.txt")

    assert client.get("/a.txt").status_code == 403


def test_file_that_vanishes_or_becomes_a_link_is_404(client, app, root, tmp_path):
    """Hooks run between find and open; so may other processes."""

    @app.before_response()
    def swap(req):
        (root / req.path[1:]).unlink()
        if req.path == "/a.txt":
            (root / "a.txt").symlink_to(tmp_path / "secret.txt")

    assert client.get("/a.txt").status_code == 404
    assert client.get("/big.bin").status_code == 404


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_403(client, root):
    """What exists but may not be read is 403, with a condition as well."""
    (root / "a.txt").chmod(0)
    assert client.get("/a.txt").status_code == 403
    headers = {"If-None-Match": "*"}
    assert client.get("/a.txt", headers=headers).status_code == 403


def test_unreadable_files_are_403_even_for_root(client, monkeypatch):
    """The same with the system calls refused by hand."""

    def refuse(*args, **kwargs):
        raise PermissionError

    headers = {"If-None-Match": "*"}
    monkeypatch.setattr(static.os, "access", lambda *args: False)
    assert client.get("/a.txt", headers=headers).status_code == 403
    monkeypatch.setattr(static.os, "open", refuse)
    assert client.get("/a.txt").status_code == 403
    monkeypatch.setattr(static.os, "lstat", refuse)
    assert client.get("/a.txt").status_code == 403


def test_a_file_is_not_gone_because_descriptors_are(client, monkeypatch):
    """404 would be remembered by caches, and nobody would look for the cause."""

    def refuse(*args, **kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(static.os, "open", refuse)
    assert client.get("/a.txt").status_code == 500


@given(st.lists(st.sampled_from(["a", "..", ".", "", "b", ".x"]), max_size=8))
def test_normalised_as_a_slow_model_sees_it(parts):
    """os.path.normpath, told apart from paths that leave the root."""
    path = "/" + "/".join(parts)
    depth, hidden = 0, False
    for part in parts:
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        hidden |= part == ".x"
        if depth < 0:
            break
    answer = normalised(path)
    if hidden or depth < 0:
        assert answer is None
    else:
        assert answer.rstrip("/") == os.path.normpath(path).lstrip("/").join(
            ["/", ""]
        ).rstrip("/")
        assert "//" not in answer


# -- directories and hooks ---------------------------------------------------


def test_directories(client, app):
    """403 without document_index; with it a listing, or the way to the slash."""
    assert client.get("/sub/").status_code == 403
    assert client.get("/sub").status_code == 403
    app.document_index = True
    assert client.get("/sub/").status_code == 200
    answer = client.get("/sub?a=1&b=%20")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/sub/?a=1&b=%20"


@pytest.mark.parametrize("path", ["//sub", "///sub", "/./sub", "/x/..//sub"])
def test_redirect_never_names_another_host(client, app, path):
    """Open redirect: a Location with two slashes would be a host."""
    app.document_index = True
    assert raw_get(client, path).headers["Location"] == "/sub/"


def test_redirect_knows_where_the_application_is_mounted(client, app, root):
    """SCRIPT_NAME is part of the location, all of it quoted."""
    app.document_index = True
    (root / "\\x\u017e ").mkdir()
    environ = {"SCRIPT_NAME": "/\xc5\xbeapp"}
    answer = client.get("/%5Cx%C5%BE%20", environ=environ)
    assert answer.headers["Location"] == "/%C5%BEapp/%5Cx%C5%BE%20/"


def test_what_hooks_see(client, app):
    """Hooks run once, before the file is opened, and see what is served."""
    seen = []

    @app.before_response()
    def before(req):
        seen.append((req.uri_rule, req.uri_handler))

    @app.after_response()
    def after(req, response):
        seen.append(type(response).__mro__.__contains__(FileResponse))
        response.add_header("X-After", "1")
        return response

    app.document_index = True
    assert client.get("/a.txt").headers["X-After"] == "1"
    client.get("/sub/")
    assert seen == [("/*", None), True, ("/*", directory_index), False]


def test_routes_go_before_files_and_other_methods_do_not_reach_them(client, app):
    """Files answer GET and HEAD only, and what no route has taken."""
    app.set_route("/a.txt", lambda req: "route")
    assert client.get("/a.txt").text == "route"
    assert client.post("/big.bin").status_code in (404, 405)


# -- whole files -------------------------------------------------------------


def test_headers_of_a_file(client, root):
    """Type, length, validators, and that ranges are possible."""
    os.utime(root / "a.txt", (OLD, OLD))
    answer = client.get("/a.txt")
    stat = os.stat(root / "a.txt")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.headers["Accept-Ranges"] == "bytes"
    # The later of mtime and ctime: utime cannot move ctime to the past.
    assert http_to_time(answer.headers["Last-Modified"]) == int(stat.st_ctime)
    assert answer.headers["ETag"] == etag_of(stat)


def test_validators_change_with_the_content(root):
    """Another size or another time makes another entity tag."""
    first = etag_of(os.stat(root / "a.txt"))
    (root / "a.txt").write_bytes(b"01234567890")
    second = etag_of(os.stat(root / "a.txt"))
    os.utime(root / "a.txt", ns=(0, 0))
    third = etag_of(os.stat(root / "a.txt"))
    assert len({first, second, third}) == 3


def test_last_modified_never_lies_in_the_future(client, root):
    """RFC 9110, 8.8.2.1; a file of the year 3000 has no date that confuses."""
    os.utime(root / "a.txt", (32503680000, 32503680000))
    changed = http_to_time(client.get("/a.txt").headers["Last-Modified"])
    assert changed <= time()


def test_head_has_the_headers_of_get(client):
    """The same status and headers, no body, ranges ignored (RFC 9110, 14.2)."""
    get, head = client.get("/a.txt"), client.head("/a.txt")
    assert head.data == b""
    assert head.headers.items() == get.headers.items()
    head = client.head("/a.txt", headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, "10")


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.html", "text/html"),
        ("a.css", "text/css"),
        ("a.tar.gz", "application/gzip"),
        ("a.svgz", "application/gzip"),
        ("a.Z", "application/octet-stream"),
        ("a", "application/octet-stream"),
        (".well-known/x", "application/octet-stream"),
    ],
)
def test_content_types(name, media_type):
    """Guessed by the ending; what is compressed is of the compressed type."""
    assert content_type_of(f"/x.d/{name}") == media_type


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-3999,5000-5999"}])
def test_a_file_that_shrinks_while_it_is_sent_is_an_error(client, app, root, headers):
    """A cut body never looks whole: the server gets the error."""

    @app.after_response()
    def shrink(req, response):
        os.truncate(root / "big.bin", 100)
        return response

    environ = {"wsgi.file_wrapper": None}
    with pytest.raises(OSError, match="missing"):
        client.get("/big.bin", headers=headers, environ=environ)


def test_a_file_that_grows_is_sent_as_it_was_announced(client, app, root):
    """Log files: exactly Content-Length bytes, not what came later."""
    bodies = []

    @app.after_response()
    def grow(req, response):
        with open(root / "a.txt", "ab") as file:
            file.write(b"more")
        return response

    def wrapper(body, size):
        bodies.append(hasattr(body, "fileno"))
        return body

    for environ in ({"wsgi.file_wrapper": None}, {"wsgi.file_wrapper": wrapper}):
        before = (root / "a.txt").read_bytes()
        answer = client.get("/a.txt", environ=environ)
        assert answer.data == before
        assert answer.headers["Content-Length"] == str(len(before))
    assert bodies == [False]


def test_descriptors_are_closed(client, app, root):
    """Whole, part, parts, HEAD, 304, 416, a crash: none leaves a file open."""
    etag = client.get("/big.bin").headers["ETag"]
    before = len(os.listdir("/proc/self/fd"))
    for headers in (
        {},
        {"Range": "bytes=1-2"},
        {"Range": "bytes=1-2,4-5"},
        {"Range": "bytes=99999-"},
        {"If-None-Match": etag},
        {"If-Match": '"x"'},
    ):
        client.get("/big.bin", headers=headers)
        client.head("/big.bin", headers=headers)
    assert len(os.listdir("/proc/self/fd")) == before


# -- conditions --------------------------------------------------------------

ETAG = '"e"'
OTHER = '"x"'
NEWER, OLDER = time_to_http(OLD + 1), time_to_http(OLD - 1)
MATCHES = [None, "*", ETAG, f"{OTHER}, {ETAG}", OTHER, f"W/{ETAG}", "junk", ""]
DATES = [None, OLD_TEXT, NEWER, OLDER, "junk"]


def slow_precondition(if_match, if_unmodified, if_none_match, if_modified) -> int:
    """RFC 9110, 13.2.2, word by word, for this ETAG and OLD."""
    if if_match is not None:
        if if_match != "*" and ETAG not in if_match.replace(f"W/{ETAG}", "").split(
            ", "
        ):
            return 412
    elif if_unmodified == OLDER:
        return 412
    if if_none_match is not None:
        return 304 if if_none_match == "*" or ETAG in if_none_match else 0
    return 304 if if_modified in (OLD_TEXT, NEWER) else 0


@pytest.mark.parametrize("if_none_match", MATCHES)
@pytest.mark.parametrize("if_match", MATCHES)
def test_every_combination_of_conditions(if_match, if_none_match):
    """The order of the RFC, for all 1,600 combinations."""
    for if_unmodified, if_modified in product(DATES, DATES):
        environ = {
            "HTTP_IF_MATCH": if_match,
            "HTTP_IF_UNMODIFIED_SINCE": if_unmodified,
            "HTTP_IF_NONE_MATCH": if_none_match,
            "HTTP_IF_MODIFIED_SINCE": if_modified,
        }
        conditions = (if_match, if_unmodified, if_none_match, if_modified)
        answer = failed_precondition(environ.get, ETAG, OLD)
        assert answer == slow_precondition(*conditions), conditions


def test_not_modified(client):
    """304 keeps the entity tag and has neither body nor its headers."""
    whole = client.get("/a.txt")
    for headers in (
        {"If-None-Match": whole.headers["ETag"]},
        {"If-None-Match": f"W/{whole.headers['ETag']}"},
        {"If-Modified-Since": whole.headers["Last-Modified"]},
        {"If-None-Match": "*", "Range": "bytes=0-1"},
    ):
        answer = client.get("/a.txt", headers=headers)
        assert (answer.status_code, answer.data) == (304, b"")
        assert answer.headers["ETag"] == whole.headers["ETag"]
        assert "Content-Length" not in answer.headers
        assert "Content-Type" not in answer.headers
        assert client.head("/a.txt", headers=headers).status_code == 304


def test_precondition_failed_is_a_state_the_application_can_answer(client, app):
    """412 comes from the state handler."""
    assert client.get("/a.txt", headers={"If-Match": OTHER}).status_code == 412
    app.set_http_state(412, lambda req: ("mine", 412))
    assert client.get("/a.txt", headers={"If-Match": OTHER}).text == "mine"


# -- ranges ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=0-9", [(0, 9)]),
        ("bytes=9-9", [(9, 9)]),
        ("bytes=9-", [(9, 9)]),
        ("bytes=5-99999999999999999999999", [(5, 9)]),
        ("bytes=-1", [(9, 9)]),
        ("bytes=-10", [(0, 9)]),
        ("bytes=-99999999999999999999999", [(0, 9)]),
        ("BYTES = 1-2 , 4-5", [(1, 2), (4, 5)]),
        ("bytes=4-5,1-2", [(4, 5), (1, 2)]),
        ("bytes=1-2,20-30", [(1, 2)]),
        ("bytes=10-", []),
        ("bytes=10-12", []),
        ("bytes=-0", []),
        ("bytes=99999999999999999999999-", []),
        ("bytes=20-30,40-50", []),
        ("bytes=5-4", None),
        ("bytes=1-2,5-4", None),
        ("bytes=0-9,0-9", None),
        ("bytes=a-b", None),
        ("bytes=", None),
        ("bytes", None),
        ("lines=1-2", None),
        ("bytes=" + ",".join(["0-0"] * 101), None),
        ("", None),
    ],
)
def test_spans(value, spans):
    """Exact bytes, or all of them, or none that can be satisfied."""
    assert wanted_spans({"HTTP_RANGE": value}.get, ETAG, OLD, 10) == spans


@pytest.mark.parametrize("value", ["bytes=0-0", "bytes=0-", "bytes=-1", "bytes=0-,1-"])
def test_no_range_of_an_empty_file_can_be_satisfied(client, value):
    """416, and the size that the client should have known."""
    answer = client.get("/empty.txt", headers={"Range": value})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */0"


@pytest.mark.parametrize(
    ("if_range", "is_partial"),
    [
        (None, True),
        (ETAG, True),
        (f" {ETAG} ", True),
        (f"W/{ETAG}", False),
        (OTHER, False),
        (OLD_TEXT, True),
        (NEWER, False),
        (OLDER, False),
        ("junk", False),
        ("", False),
    ],
)
def test_if_range(if_range, is_partial):
    """A range is cut only from the content that the client has the rest of."""
    environ = {"HTTP_RANGE": "bytes=0-0", "HTTP_IF_RANGE": if_range}
    spans = wanted_spans(environ.get, ETAG, OLD, 10)
    assert spans == ([(0, 0)] if is_partial else None)


def test_a_date_of_this_second_is_no_strong_validator():
    """RFC 9110, 8.8.2.2: the file may change again before the second ends."""
    now = int(time()) + 1
    environ = {"HTTP_RANGE": "bytes=0-0", "HTTP_IF_RANGE": time_to_http(now)}
    assert wanted_spans(environ.get, ETAG, now, 10) is None


def test_one_range(client):
    """206 with the bytes and where they stand."""
    answer = client.get("/a.txt", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, answer.data) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"
    assert answer.headers["Content-Length"] == "3"
    assert answer.headers["Content-Type"] == "text/plain"


def test_unsatisfied_range_is_a_state_the_application_can_answer(client, app):
    """416 from the application's handler still names the size."""
    headers = {"Range": "bytes=10-"}
    answer = client.get("/a.txt", headers=headers)
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"
    app.set_http_state(416, lambda req: ("mine", 416))
    answer = client.get("/a.txt", headers=headers)
    assert (answer.text, answer.headers["Content-Range"]) == ("mine", "bytes */10")


def parts_of(answer):
    """Return (Content-Range, Content-Type, body) of each part, by email."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = message_from_bytes(head + answer.data)
    assert not message.defects
    return [
        (
            part["Content-Range"],
            part.get_content_type(),
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]


def test_several_ranges(client):
    """multipart/byteranges in the order asked for, of the length announced."""
    headers = {"Range": "bytes=8-,0-0,-3"}
    answer = client.get("/a.txt", headers=headers)
    assert answer.status_code == 206
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert "Content-Range" not in answer.headers
    assert parts_of(answer) == [
        ("bytes 8-9/10", "text/plain", b"89"),
        ("bytes 0-0/10", "text/plain", b"0"),
        ("bytes 7-9/10", "text/plain", b"789"),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 11000), st.integers(0, 900)), min_size=1, max_size=8
    )
)
def test_ranges_of_any_kind_are_slices(tmp_path_factory, pairs):
    """What comes is what slicing gives, or everything, or 416."""
    root = tmp_path_factory.getbasetemp() / "slices"
    root.mkdir(exist_ok=True)
    (root / "big.bin").write_bytes(BODY)
    app = Application(f"slices {time()}")
    app.document_root = str(root)
    value = ",".join(f"{start}-{start + length}" for start, length in pairs)
    answer = TestClient(app).get("/big.bin", headers={"Range": f"bytes={value}"})
    app.release()
    expected = [BODY[s : s + n + 1] for s, n in pairs if s < len(BODY)]
    if not expected:
        assert answer.status_code == 416
    elif answer.status_code == 200:
        assert len(b"".join(expected)) > len(BODY)
        assert answer.data == BODY
    elif len(expected) == 1:
        assert answer.data == expected[0]
    else:
        boundary = answer.headers["Content-Type"].partition("=")[2].encode()
        blocks = answer.data.split(b"\r\n--" + boundary)
        assert [block.partition(b"\r\n\r\n")[2] for block in blocks[1:-1]] == expected


def test_large_ranges_are_streamed(client, root):
    """Memory: no block of the body is larger than what files are read in."""
    with open(root / "huge.bin", "wb") as file:
        file.truncate(3_000_000)
    for value in ("bytes=1-2999998", "bytes=0-999999,1000000-2999999"):
        environ = {"wsgi.file_wrapper": None}
        answer = client.get("/huge.bin", headers={"Range": value}, environ=environ)
        assert answer.status_code == 206
        assert max(len(block) for block in answer) <= 65536


def test_target_that_is_not_given_out():
    """A plain target is 403."""
    with pytest.raises(HTTPException) as err:
        static.Target(None).respond()
    assert err.value.status_code == 403


@pytest.mark.parametrize(
    ("value", "expected"), [(None, b"0123456789"), ("bytes=2-4", b"234")]
)
def test_hooks_can_read_the_content(client, app, value, expected):
    """`data` of the response is what will be sent, and it is sent all the same."""
    seen = []

    @app.after_response()
    def read(req, response):
        seen.append(response.data)
        return response

    headers = {"Range": value} if value else {}
    assert client.get("/a.txt", headers=headers).data == expected
    assert seen == [expected]


def test_hooks_can_make_a_file_partial(client, app):
    """make_partial works on what the document root serves as well."""

    @app.after_response()
    def cut(req, response):
        response.make_partial([(3, 4)])
        return response

    answer = client.get("/a.txt")
    assert (answer.status_code, answer.data) == (206, b"34")
    assert answer.headers["Content-Range"] == "bytes 3-4/10"


def test_a_hook_that_closes_the_file_leaves_an_empty_body(app, root):
    """The server gets no error of a closed file; the log tells."""

    class Req:
        document_root, path, method = str(root), "/a.txt", "GET"

    req = Req()
    req.app, req._environ = app, {"REQUEST_METHOD": "GET"}
    response = find(req).respond()
    response._file.close()
    body = response(lambda status, headers: None)
    assert b"".join(body) == b""


def test_conditions_that_hold_change_nothing(client):
    """If-Match with the right entity tag gives the file."""
    etag = client.get("/a.txt").headers["ETag"]
    answer = client.get("/a.txt", headers={"If-Match": etag})
    assert (answer.status_code, answer.data) == (200, b"0123456789")


@pytest.mark.parametrize("way", ["set", "path", "class", "environ"])
def test_a_relative_root_stays_where_it_was(app, root, monkeypatch, way):
    """A server that changes its directory later served files of another one."""
    monkeypatch.chdir(root.parent)
    (root / "link").symlink_to("a.txt")

    class Site(Application):
        document_root = Path(root.name) if way == "class" else ""

    site = Site(f"relative root {way}")
    site.document_index = True
    environ = {"poor_DocumentRoot": root.name} if way == "environ" else {}
    if way in ("set", "path"):
        site.document_root = root.name if way == "set" else Path(root.name)
        assert site.document_root == root.name
    client = TestClient(site)
    monkeypatch.chdir("/")
    assert client.get("/a.txt", environ=environ).data == b"0123456789"
    listing = client.get("/", environ=environ).text
    assert "link" in listing
    assert 'href="..' not in listing


def test_a_root_may_be_a_path(app, client, root):
    app.document_root = Path(root)
    assert client.get("/a.txt").data == b"0123456789"
    assert app.document_root == str(root)
