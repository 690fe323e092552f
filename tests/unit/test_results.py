"""Answers of the framework itself: errors, the directory index, debug-info."""

from __future__ import annotations

import doctest
import functools
import json
import logging
import os
import re
from html.parser import HTMLParser
from unittest.mock import MagicMock

import pytest

from poorwsgi import Application, results, state
from poorwsgi.headers import http_to_time, parse_header
from poorwsgi.response import HTTPException, NotModifiedResponse
from poorwsgi.results import (
    default_states,
    directory_index,
    handler_name,
    handlers_view,
    hbytes,
    human_methods_,
    json_type,
    not_found,
    status_page,
    unauthorized,
)
from poorwsgi.testing import TestClient

EVIL = "<script>alert('x\"&')</script>"


def page_of(tag):
    """Return the text of a page, and check that it is well-formed HTML."""

    class Parser(HTMLParser):
        void = ("meta", "link", "br", "input")

        def __init__(self):
            super().__init__()
            self.open, self.texts = [], []

        def handle_starttag(self, tag, attrs):
            if tag not in self.void:
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_data(self, data):
            if self.open and self.open[-1] not in ("style", "script"):
                self.texts.append(data)

    parser = Parser()
    parser.feed(tag if isinstance(tag, str) else tag.decode())
    parser.close()
    assert parser.open == []
    return " ".join(" ".join(parser.texts).split())


@pytest.fixture
def app(request):
    app = Application(request.node.nodeid)
    yield app
    app.release()


@pytest.fixture
def client(app):
    return TestClient(app, raise_errors=False)


@pytest.fixture
def req():
    req = MagicMock(method="GET", uri="/x", path="/x", server_admin="a@b", debug=False)
    req.app.auth_type = None
    return req


def test_doctests():
    """What the docstrings show is what happens."""
    assert doctest.testmod(results).failed == 0


# -- statuses ----------------------------------------------------------------

ERRORS = [code for code in state.REASONS if code >= 400]


@pytest.mark.parametrize("code", ERRORS)
def test_every_error_status_has_a_page(client, app, code):
    """abort(code) answers with code, whatever code of state it is."""

    @app.route("/")
    def handler(req):
        raise HTTPException(code)

    answer = client.get("/")
    assert answer.status_code == code
    text = page_of(answer.data)
    assert f"{code} - " in text
    assert "GET /" in text
    assert "webmaster: webmaster@localhost" in text


@pytest.mark.parametrize("code", [99, 100, 101, 102, 419, 600, 999, -5])
def test_numbers_that_are_no_final_status_are_501(req, code):
    """The page names the number; an interim status would hang the client."""
    answer = status_page(req, code)
    assert answer.status_code == 501
    assert f"Status {code} is not implemented" in page_of(answer.data)


@pytest.mark.parametrize("code", [201, 203, 300, 305, 307])
def test_other_statuses_have_a_plain_page(req, code):
    """A status that is no error is answered as it is."""
    answer = status_page(req, code)
    assert answer.status_code == code
    assert f"{code} - {state.REASONS[code]}" in page_of(answer.data)


def test_default_states_cover_all_methods():
    """Each page answers each method, under a name that tells which it is."""
    for table in default_states.values():
        assert sum(table) == state.METHOD_ALL
    assert default_states[413][state.METHOD_PUT].__name__ == "request_entity_too_large"
    assert default_states[404][state.METHOD_GET] is not_found


@pytest.mark.parametrize("code", [code for code in ERRORS if code != 500])
def test_xss_everything_is_escaped(req, code):
    """Path, method, error text and admin come from outside."""
    req.method = req.uri = req.path = req.server_admin = EVIL
    page = default_states[code][state.METHOD_GET](req, error=EVIL).data.decode()
    assert EVIL not in page
    assert "<script" not in page
    assert page_of(page).count(EVIL) == 4


def test_not_found_page_is_the_page_of_404(req):
    """The short way gives the same bytes as the template."""
    for uri in ("/", "/a&b", "/\u017e", EVIL):
        req.uri = uri
        template = results.render(
            "error.html",
            title="404 - Page Not Found",
            text=results.TEXTS[404],
            method="GET",
            uri=uri,
            details=(),
            server_admin="a@b",
        )
        assert not_found(req).data == template.encode()


def test_bad_request_of_an_unreadable_path(client):
    """400 is answered although the path cannot be shown."""
    answer = client.get("/", environ={"PATH_INFO": "/\xff"})
    assert answer.status_code == 400
    assert "Invalid PATH_INFO encoding" in page_of(answer.data)


def test_not_modified_echoes_validators():
    """304 with what the request names, and the date."""
    req = MagicMock()
    req.headers = {"ETag": '"e"', "Content-Location": "/c"}
    answer = results.not_modified(req)
    assert isinstance(answer, NotModifiedResponse)
    assert answer.headers["ETag"] == '"e"'
    assert answer.headers["Content-Location"] == "/c"
    assert http_to_time(answer.headers["Date"])


def test_not_modified_leaves_out_what_no_header_can_have():
    req = MagicMock()
    req.headers = {"ETag": '"\x01"', "Content-Location": "/c\x7f"}
    answer = results.not_modified(req)
    assert "ETag" not in answer.headers
    assert "Content-Location" not in answer.headers


# -- HTML or JSON ------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", ""),
        ("*/*", ""),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", ""),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json;q=0.5, text/html", ""),
        ("application/json, text/html", "application/json"),
        ("text/html, application/json", ""),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/json;q=0", ""),
        ("application/json;q=0.1, */*", ""),
        ("application/problem+json", "application/problem+json"),
        (
            "application/json;q=0.5, application/problem+json",
            "application/problem+json",
        ),
        ("application/json; charset=utf-8", "application/json"),
        ("text/x-json", ""),
        ("," * 9 + "json", ""),
    ],
)
def test_json_type(accept, expected):
    """JSON for who names it before HTML; a person's browser gets a page."""
    assert json_type(accept) == expected


def test_json_errors(client, app):
    """Status, title and detail, no HTML escapes."""

    @app.route("/bad")
    def bad(req):
        raise HTTPException(400, error="<b>")

    headers = {"Accept": "application/json"}
    answer = client.get("/bad", headers=headers)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {"title": "Bad Request", "status": 400, "detail": "<b>"}
    assert client.get("/nothing", headers=headers).json["status"] == 404
    app.problem_json = True
    answer = client.get("/bad", headers=headers)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == "about:blank"


# -- 401 ---------------------------------------------------------------------


@pytest.fixture
def digest(req):
    req.app.auth_type = "Digest"
    req.app.auth_algorithm = "SHA-256"
    req.app.auth_qop = "auth"
    req.app.auth_timeout = 300
    req.secret_key, req.user_agent, req.server_hostname = "secret", "agent", "host"
    return req


def test_digest_challenge(digest):
    """All fields of RFC 7616; each challenge has its own nonce."""
    first, second = (
        unauthorized(digest, realm="Zone").headers["WWW-Authenticate"] for _ in range(2)
    )
    assert re.fullmatch(
        'Digest realm="Zone",qop="auth",algorithm="SHA-256",nonce="[0-9a-f]+",'
        'opaque="[0-9a-f]{64}"',
        first,
    )
    assert first != second
    assert (
        unauthorized(digest, "Zone", stale=True)
        .headers["WWW-Authenticate"]
        .endswith(",stale=true")
    )
    digest.app.auth_qop = ""
    assert "qop" not in unauthorized(digest, "Zone").headers["WWW-Authenticate"]


def test_realm_is_needed_and_quoted(digest, req):
    """No realm is a mistake of the program; quotes in one do not end it."""
    with pytest.raises(RuntimeError, match="realm"):
        unauthorized(digest)
    challenge = unauthorized(digest, realm='a",nonce="x').headers["WWW-Authenticate"]
    assert challenge.startswith(r'Digest realm="a\",nonce=\"x",qop')
    with pytest.raises(ValueError, match="Control"):
        unauthorized(digest, realm="a\r\nSet-Cookie: x=1")
    req.app.auth_type = None
    assert "WWW-Authenticate" not in unauthorized(req).headers


# -- 500 ---------------------------------------------------------------------


@pytest.fixture
def crashing(app):
    @app.route("/crash/<what>")
    def crash(req, what):
        inner_secret = what
        raise KeyError(f"<{inner_secret}>")

    return app


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_server_error_tells_nothing_but_its_id(client, crashing, caplog, accept):
    """Page and log carry the same id; the traceback is in the log only."""
    with caplog.at_level(logging.ERROR, "poorwsgi"):
        answer = client.get("/crash/x%0Ay", headers={"Accept": accept})
    assert answer.status_code == 500
    for inside in ("Traceback", "KeyError", "test_results", "inner_secret"):
        assert inside not in answer.text
    error_id = re.search(
        r"\b[0-9a-f]{8}\b", re.sub("(?s)<style.*/style>", "", answer.text)
    )
    record = next(r for r in caplog.records if hasattr(r, "error_id"))
    assert record.error_id == error_id[0]
    assert record.rule == "/crash/<what>"
    assert "\\n" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert "KeyError" in caplog.text


def test_server_error_in_debug(client, crashing):
    """The developer sees the rule, the handler and the escaped traceback."""
    crashing.debug = True
    answer = client.get("/crash/x")
    text = page_of(answer.data)
    assert "Exception Traceback" in text
    assert "KeyError: '<x>'" in text
    assert "/crash/<what>" in text
    assert f"{__name__}.crash(req, what)" in text
    answer = client.get("/crash/x", headers={"Accept": "application/json"})
    assert "KeyError: '<x>'" in answer.json["traceback"]


class Callable:
    def __call__(self, req):
        raise NotImplementedError

    def method(self, req, one):
        raise NotImplementedError


class Hostile(Callable):
    __code__ = None
    __name__ = ""
    __module__ = None


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (None, "-"),
        (page_of, f"{__name__}.page_of(tag)"),
        (Callable(), f"{__name__}.Callable(...)"),
        (Callable().method, f"{__name__}.method(self, req, one)"),
        (functools.partial(functools.partial(page_of)), f"{__name__}.page_of(tag)"),
        (len, "builtins.len(...)"),
        (MagicMock(), "unittest.mock.MagicMock(...)"),
        (Hostile(), "?.Hostile(...)"),
    ],
)
def test_any_callable_can_be_described(handler, expected):
    """Objects without a name or code do not break the page of 500."""
    assert handler_name(handler) == expected


# -- small things ------------------------------------------------------------


@pytest.mark.parametrize(
    ("nbytes", "expected"),
    [
        (0, (0, "")),
        (512, (512, "")),
        (1000, (1000, "")),
        (1024, (1.0, "k")),
        (1024**2, (1.0, "M")),
        (1024**3 * 5, (5.0, "G")),
        (1024**4, (1.0, "T")),
        (1024**5, (1.0, "P")),
        (1024**6 * 3, (3072.0, "P")),
    ],
)
def test_hbytes(nbytes, expected):
    """Divided by 1024 as long as it is above 1000."""
    assert hbytes(nbytes) == expected


def test_human_methods():
    """Names in the order of their bits."""
    assert human_methods_(state.METHOD_ALL) == "ALL"
    assert human_methods_(state.METHOD_POST | state.METHOD_HEAD) == "HEAD | POST"
    assert human_methods_(0) == ""


def test_handlers_view():
    """One row for each handler of a key, with all of its methods."""
    table = {"/b": {1: len, 2: len, 4: min}, "/a": {2: max}}
    rows = [("/a", 2, max), ("/b", 3, len), ("/b", 4, min)]
    assert handlers_view(table) == rows
    assert handlers_view(table, sort=False) == [rows[1], rows[2], rows[0]]


# -- directory index ---------------------------------------------------------


@pytest.fixture
def site(app, tmp_path):
    root = tmp_path / "www"
    (root / "dir").mkdir(parents=True)
    (root / "b.html").write_text("b" * 2048)
    (root / "a.txt").write_text("a")
    (root / "dir" / EVIL.replace("/", "")).write_text("x")
    (root / "javascript:alert(1)").write_text("x")
    (root / "#?%41").write_text("x")
    for hidden in (".env", "backup.txt~"):
        (root / hidden).write_text("x")
    (root / "broken").symlink_to("nothing")
    (root / "outside").symlink_to("/etc/hostname")
    (root / "inside").symlink_to("a.txt")
    os.mkfifo(root / "fifo")
    with open(os.path.join(os.fsencode(root), b"\xff"), "wb"):
        pass
    app.document_root, app.document_index = str(root), True
    return root


def links_of(page):
    return re.findall('href="([^"]*)"', page.partition("<tbody>")[2])


def test_listing(client, site):
    """Sorted; without what is hidden, broken, special, outside or unreachable."""
    answer = client.get("/")
    assert links_of(answer.text) == [
        "%23%3F%2541",
        "a.txt",
        "b.html",
        "dir/",
        "inside",
        "javascript%3Aalert%281%29",
    ]
    text = page_of(answer.data)
    assert "Index of /" in text
    assert "2.0 kB" in text
    assert "text/plain" in text
    assert "application/octet-stream" in text
    assert "poorwsgi.testing" not in text
    assert http_to_time(answer.headers["Last-Modified"]) == int(site.stat().st_mtime)


def test_links_of_a_listing_lead_to_the_files(client, site):
    """Stored XSS: names are escaped, and quoted so that none is a URL."""
    for link in links_of(client.get("/").text):
        assert client.get(f"/{link}").status_code == 200
    answer = client.get("/dir/")
    assert links_of(answer.text)[0] == "../"
    assert "<script" not in answer.text
    assert EVIL.replace("/", "") in page_of(answer.data)
    assert client.get(f"/dir/{links_of(answer.text)[1]}").status_code == 200


def test_listing_in_debug_names_the_server(client, app, site):
    """The server software is shown to developers only."""
    app.debug = True
    assert "poorwsgi.testing" in client.get("/").text


@pytest.mark.parametrize("end", ["", "/", "x"])
def test_no_way_up_from_the_root(req, tmp_path, end):
    """The root is known by its real path, and by the path less one character."""
    path = f"{tmp_path}/"
    req.uri, req.document_root = "/", {"": path, "/": path[:-1], "x": "/other"}[end]
    page, content_type, header = directory_index(req, path)
    assert ("../" in page) is (end == "x")
    assert parse_header(content_type)[0] == "text/html"
    assert header[0] == "Last-Modified"


def test_listing_of_what_is_no_directory(req, tmp_path, caplog):
    """An ERROR record and 500."""
    with pytest.raises(HTTPException) as err:
        directory_index(req, str(tmp_path / "nothing"))
    assert err.value.status_code == 500
    assert "no directory" in caplog.text


def test_unreadable_entries_are_left_out(req, tmp_path, monkeypatch):
    """Nobody is shown what he cannot get."""
    (tmp_path / "file.txt").write_text("x")
    req.document_root = "/other"
    assert "file.txt" in directory_index(req, str(tmp_path))[0]
    monkeypatch.setattr("poorwsgi.results.os.access", lambda *args: False)
    assert "file.txt" not in directory_index(req, str(tmp_path))[0]


# -- debug-info --------------------------------------------------------------


def test_debug_info(client, app):
    """All tables, in their order, with what the application registered."""
    app.debug, app.secret_key = True, "top-secret-value"
    app.set_route("/static", page_of)
    app.set_route("/rule/<x:int>", Callable().method, state.METHOD_POST)
    app.set_default(functools.partial(page_of))
    app.set_http_state(404, links_of)
    app.set_http_state(410, links_of, state.METHOD_PUT)
    app.set_error_handler(KeyError, page_of)
    app.add_before_response(lambda req: None)
    app.add_after_response(lambda req, res: res)
    text = page_of(client.get("/debug-info?a=1").data)
    places = [
        text.rindex(f" {title} ")
        for title in (
            "Route Table",
            "Http State Handlers",
            "Exception Handlers",
            "Before and After Handlers",
            "Filters",
            "Request Headers",
            "Poor Request Variables",
            "Application Variables",
            "Request Environ",
        )
    ]
    assert places == sorted(places)
    for shown in (
        "/static",
        "/rule/<x:int>",
        f"{__name__}.links_of(page) HEAD | GET | POST",
        "poorwsgi.results.gone(req, error) HEAD | GET | POST",
        "KeyError",
        "<lambda>(req, res)",
        ":uuid",
        "QUERY_STRING a=1",
        "Secret Key *****",
    ):
        assert shown in text
    assert "top-secret-value" not in text
    assert links_of not in default_states[404].values()


def test_debug_info_only_in_debug(client, app):
    """Without debug there is no such page."""
    assert client.get("/debug-info").status_code == 404


def test_debug_info_shows_no_secret_of_a_request(client, app):
    """Headers and environ are masked in both tables."""
    app.debug = True
    secrets = {
        "Cookie": "SESSID=hidden-value-1",
        "Authorization": "Bearer hidden-value-2",
        "X-Api-Key": "hidden-value-3",
        "Referer": "http://u:hidden-value-4@host/",
    }
    environ = {"poor_SecretKey": "hidden-value-5"}
    answer = client.get("/debug-info", headers=secrets, environ=environ)
    assert answer.status_code == 200
    assert "hidden-value" not in answer.text


def test_debug_info_escapes(client, app):
    """Header names, values and options come from outside."""
    app.debug = True
    headers = {"X-Evil": EVIL}
    environ = {"app_evil": EVIL, f"HTTP_{EVIL}": "x"}
    answer = client.get("/debug-info", headers=headers, environ=environ)
    assert answer.text.count("<script") == 1  # ours
    assert page_of(answer.data).count(EVIL) >= 3


def test_json_page_is_json():
    """The body of an error for JSON clients can be read by any parser."""
    req = MagicMock()
    req._environ = {"HTTP_ACCEPT": "application/json"}
    answer = status_page(req, 418, "\u2028<")
    assert json.loads(answer.data)["detail"] == "\u2028<"
