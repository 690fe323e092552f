"""What applications in the field rely on, one section for each habit."""

import hashlib
import io
import json
import re
from wsgiref.headers import Headers as ForeignHeaders

import pytest

from poorwsgi import Application, abort, redirect, results, state
from poorwsgi.digest import PasswordMap, check_credentials, hexdigest
from poorwsgi.fieldstorage import FieldStorageParser
from poorwsgi.headers import http_to_time, time_to_http
from poorwsgi.request import FieldStorage, Headers, Request
from poorwsgi.response import (
    EmptyResponse,
    FileResponse,
    GeneratorResponse,
    HTTPException,
    JSONResponse,
    NotModifiedResponse,
    Response,
)
from poorwsgi.session import check_token, get_token
from poorwsgi.testing import TestClient

TEN = b"0123456789"
FILE = {"files": {"file": ("a.txt", b"content", "text/plain")}}


class BaseError(Exception):
    """The base of an application's errors."""


class SubError(BaseError):
    """What is raised."""


# -- 1: one handler for a family of errors -----------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("where", ["handler", "decorator", "hook", "callback"])
def test_a_handler_of_the_base_catches_subclasses_everywhere(
    app, client, method, where
):
    def fail(*_):
        raise SubError(where)

    def decorated(fun):
        return lambda req: fail() or fun(req)

    def handler(req):
        if where == "handler":
            fail()
        return "ok" if req.form is None else req.form.getvalue("file") or "no form"

    @app.error_handler(BaseError, state.METHOD_ALL)
    def caught(req, error):
        return f"caught {error}", "text/plain", None, 418

    app.set_route(
        "/", decorated(handler) if where == "decorator" else handler, state.METHOD_ALL
    )
    if where == "hook":
        app.add_before_response(fail)
    if where == "callback":
        app.file_callback = fail
        if method == "GET":
            method = "POST"  # the body of a GET has no meaning
    answer = client.request(method, "/", **(FILE if where == "callback" else {}))
    assert (answer.status_code, answer.text) == (418, f"caught {where}")


# -- 2: JSON -----------------------------------------------------------------


def test_json_is_never_none_for_a_body_of_another_type(app, client):
    app.set_route("/", lambda req: {"got": req.json.get("key")}, "POST")
    assert client.post("/", data={"a": "1"}).json == {"got": None}


def test_a_json_list_is_a_list_and_broken_json_is_the_400_page(app, client):
    app.set_route(
        "/",
        lambda req: type(req.json).__name__ + str(isinstance(req.json, list)),
        "POST",
    )
    assert client.post("/", json=[1]).text == "JsonListTrue"
    answer = client.post(
        "/", body=b"{broken", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert "Bad Request" in answer.text


def test_a_json_response_without_data_sends_null(app, client):
    app.set_route("/", lambda req: JSONResponse(status_code=201))
    answer = client.get("/")
    assert (answer.status_code, answer.data) == (201, b"null")


# -- 3: Digest ---------------------------------------------------------------

REALM = "User Zone"


def digest_header(app, uri, **changes):
    """Return the Authorization of user `joe` with password `pass`."""
    nonce = get_token(app.secret_key, changes.pop("agent", "curl"), app.auth_timeout)
    fields = {
        "username": "joe",
        "realm": REALM,
        "nonce": nonce,
        "uri": uri,
        "algorithm": "MD5-sess",
        "opaque": hashlib.sha256(b"localhost").hexdigest(),
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "abc",
        **changes,
    }

    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    stored = hexdigest("joe", REALM, "pass")
    ha1 = md5(f"{stored}:{fields['nonce']}:{fields['cnonce']}")
    ha2 = md5(f"GET:{uri}")
    middle = f"{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:auth"
    fields["response"] = md5(f"{ha1}:{middle}:{ha2}")
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items())


@pytest.fixture
def guarded(app):
    """An application with a decorator of its own around the functions."""
    app.secret_key = "secret"
    app.auth_type = "Digest"
    app.auth_map = PasswordMap()
    app.auth_map.set(REALM, "joe", hexdigest("joe", REALM, "pass"))

    def own_check(fun):
        def checked(req):
            auth = req.authorization
            if auth["type"] != "Digest":
                raise HTTPException(state.HTTP_UNAUTHORIZED, realm=REALM)
            timeout = req.app.auth_timeout
            if not check_token(
                auth.get("nonce"), req.secret_key, req.user_agent, timeout=timeout
            ):
                raise HTTPException(state.HTTP_UNAUTHORIZED, realm=REALM, stale=True)
            if not check_credentials(req, REALM, None):
                raise HTTPException(state.HTTP_UNAUTHORIZED, realm=REALM)
            req.user = auth["username"]
            return fun(req)

        return checked

    app.set_route("/", own_check(lambda req: f"hello {req.user}"))
    return app


@pytest.mark.parametrize(
    ("changes", "status", "stale"),
    [
        ({}, 200, False),
        ({"opaque": ""}, 401, False),
        ({"realm": "Other"}, 401, False),
        ({"agent": "firefox"}, 401, True),
        ({"nonce": "0" * 64}, 401, True),
    ],
)
def test_digest_by_hand(guarded, changes, status, stale):
    """MD5-sess by default, a nonce bound to the User-Agent, opaque required."""
    headers = {
        "User-Agent": "curl",
        "Authorization": digest_header(guarded, "/", **changes),
    }
    answer = TestClient(guarded).get("/", headers=headers)
    assert answer.status_code == status
    challenge = answer.headers["WWW-Authenticate"] or ""
    assert ("stale=true" in challenge) is stale
    if status == 401:
        assert 'algorithm="MD5-sess"' in challenge
        assert f'realm="{REALM}"' in challenge


def test_a_request_without_credentials_is_challenged(guarded):
    answer = TestClient(guarded).get("/", headers={"User-Agent": "curl"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Digest ")


def test_behind_a_proxy_the_uri_may_have_the_prefix_it_cut_off(guarded):
    headers = {
        "User-Agent": "curl",
        "Authorization": digest_header(guarded, "/prefix/"),
        "X-Forwarded-Prefix": "/prefix",
    }
    client = TestClient(guarded)
    assert client.get("/", headers=headers).status_code == 200
    headers["X-Forwarded-Prefix"] = "/evil"
    assert client.get("/", headers=headers).status_code == 401


def test_a_password_map_is_cleared_and_set(guarded):
    guarded.auth_map.clear()
    headers = {"User-Agent": "curl", "Authorization": digest_header(guarded, "/")}
    assert TestClient(guarded).get("/", headers=headers).status_code == 401
    guarded.auth_map.set(REALM, "joe", hexdigest("joe", REALM, "pass"))
    assert TestClient(guarded).get("/", headers=headers).status_code == 200


# -- 4: Accept ---------------------------------------------------------------


def test_anything_is_neither_html_nor_json(app, client):
    app.set_route("/", lambda req: [req.accept_html, req.accept_json])
    assert client.get("/", headers={"Accept": "*/*"}).json == [False, False]


# -- 5: URLs behind a proxy --------------------------------------------------


def test_error_documents_are_built_with_the_outer_url(app, client):
    @app.http_state(404)
    def not_found(req):
        headers = {"Content-Location": req.construct_url(req.uri)}
        return "none", "text/plain", headers, 404

    headers = {"X-Forwarded-Host": "out.cz", "X-Forwarded-Proto": "https"}
    answer = client.get("/x", headers=headers)
    assert answer.headers["Content-Location"] == "https://out.cz/x"


# -- 6: rules ----------------------------------------------------------------


def test_rules_are_tried_in_their_order(app, client):
    @app.route("/files/<path:re:.+>/raw")
    def raw(req, path):
        return f"raw {path}"

    @app.route("/files/<path:re:.+(?!/raw)>")
    @app.route("/f/<path:re:.+>")
    def shown(req, path):
        return f"shown {path}"

    @app.route("/job/<job_id:int>")
    @app.route("/user/<user:word>/job/<job_id:int>")
    def job(req, *args):
        return [*args, list(req.path_args)]

    assert client.get("/files/a/b/raw").text == "raw a/b"
    assert client.get("/files/a/b").text == "shown a/b"
    assert client.get("/f/a/b").text == "shown a/b"
    assert client.get("/job/5").json == [5, ["job_id"]]
    assert client.get("/user/joe/job/5").json == ["joe", 5, ["user", "job_id"]]


# -- 7: states ---------------------------------------------------------------


def test_a_put_that_misses_gets_the_built_in_page(app, client):
    app.set_http_state(404, lambda req: ("own", 404))
    for method in ("GET", "HEAD", "POST"):
        answer = client.request(method, "/none")
        assert answer.headers["Content-Length"] == "3"
    assert "Page Not Found" in client.put("/none").text


# -- 8: forms by hand --------------------------------------------------------


class Storage(io.BytesIO):
    """An object of the application that an upload is written to."""

    kept = b""
    closed_times = 0

    def close(self):
        if not self.closed:
            self.kept = self.getvalue()
        self.closed_times += 1
        super().close()


def test_a_form_is_parsed_by_hand_into_objects_of_the_application(app, client):
    app.auto_form = False
    stored = {}

    def callback(filename):
        stored[filename] = Storage()
        return stored[filename]

    @app.route("/", "POST")
    def upload(req):
        form = FieldStorage(
            req, keep_blank_values=1, strict_parsing=1, file_callback=callback
        )
        assert form["file"].file is stored["a.txt"]
        return {
            "filename": form["file"].filename,
            "value": form["file"].value.decode(),
            "get": form.get("text"),
            "first": form.getfirst("text"),
            "in": ["text" in form, "none" in form],
        }

    with pytest.warns(DeprecationWarning, match="FieldStorage"):
        answer = client.post("/", data={"text": "ž"}, **FILE)
    assert answer.json == {
        "filename": "a.txt",
        "value": "content",
        "get": "ž",
        "first": "ž",
        "in": [True, False],
    }
    assert stored["a.txt"].kept == b"content"
    assert stored["a.txt"].closed


def test_a_parser_counts_the_bytes_it_read(app, client):
    app.auto_form = False

    @app.route("/", "POST")
    def upload(req):
        parser = FieldStorageParser(req.input, req.headers)
        form = parser.parse()
        return [parser.bytes_read, form.bytes_read, req.content_length]

    read, of_form, length = client.post("/", **FILE).json
    assert read == of_form == length


# -- 9: bodies ---------------------------------------------------------------


def test_a_put_body_is_read_in_step_with_its_length(app, client):
    app.auto_data = False

    @app.route("/", "PUT")
    def put(req):
        left = req.content_length
        sizes = []
        while left > 0:
            data = req.read(min(app.cached_size, left))
            if not data:
                break
            left -= len(data)
            sizes.append(len(data))
        return {"left": left, "sum": sum(sizes), "type": req.mime_type}

    answer = client.put(
        "/", body=b"x" * 200_000, headers={"Content-Type": "text/plain; charset=utf-8"}
    )
    assert answer.json == {"left": 0, "sum": 200_000, "type": "text/plain"}


def test_headers_are_handed_on_as_a_dict(app, client):
    app.set_route("/", lambda req: dict(req.headers))
    assert client.get("/", headers={"X-Own": "1"}).json["X-Own"] == "1"


# -- 10: answers of others ---------------------------------------------------


def test_a_response_of_another_client_is_passed_on(app, client):
    foreign = ForeignHeaders([("Content-Length", "10"), ("X-From", "there")])

    @app.route("/")
    def proxied(req):
        return GeneratorResponse(
            io.BytesIO(TEN), "application/octet-stream", foreign.items()
        )

    answer = client.get("/")
    assert answer.data == TEN
    assert dict(answer.headers.items()) == {
        "Content-Length": "10",
        "X-From": "there",
        "Content-Type": "application/octet-stream",
    }


def test_empty_response_is_204(app, client):
    app.set_route("/", lambda req: EmptyResponse())
    with pytest.warns(DeprecationWarning, match="EmptyResponse"):
        assert client.get("/").status_code == 204


def test_a_304_carries_its_validators(app, client):
    app.set_route("/", lambda req: NotModifiedResponse(etag='"1"', vary="Accept"))
    headers = client.get("/").headers
    assert (headers["ETag"], headers["Vary"]) == ('"1"', "Accept")


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (lambda: abort(410), 410),
        (lambda: redirect("/login"), 302),
        (lambda: abort(Response("no", status_code=403)), 403),
    ],
)
def test_before_hooks_stop_a_request(app, client, stop, status):
    app.set_route("/", lambda req: "handler")
    app.add_before_response(lambda req: stop())
    assert client.get("/").status_code == status


# -- 11: names ---------------------------------------------------------------


def test_names_that_applications_import():
    assert Headers.__name__ == "Headers"
    assert results.hbytes(2048) == (2.0, "k")
    assert state.METHOD_ALL == 511
    assert FieldStorage.__module__ == "poorwsgi.request"


def test_a_subclass_of_application_has_attributes_of_its_own():
    class Own(Application):
        """With a database, made before the base."""

        def __init__(self, name, database):
            self.database = database
            super().__init__(name)
            self.jobs = []

        def __call__(self, env, start_response):
            self.jobs.append(env["PATH_INFO"])
            return super().__call__(env, start_response)

    app = Own("own-subclass", "db")

    @app.route("/")
    def index(req: Request) -> str:
        return req.app.database

    assert TestClient(app).get("/").text == "db"
    assert app.jobs == ["/"]
    app.release()


# -- 12: files of the application --------------------------------------------


@pytest.fixture
def root(tmp_path):
    """A folder of templates and static files."""
    (tmp_path / "style.css").write_text("body {}")
    (tmp_path / "page.html").write_text("<p>{name}</p>")
    return tmp_path


def test_a_document_root_has_templates_and_static_files(app, client, root):
    app.document_root = str(root)

    @app.route("/hello")
    def hello(req):
        with open(f"{req.document_root}/page.html", encoding="utf-8") as file:
            return file.read().format(name="joe")

    assert client.get("/hello").text == "<p>joe</p>"
    assert client.get("/style.css").text == "body {}"
    assert client.get("/style.css").headers["Content-Type"].startswith("text/css")


def test_if_modified_since_by_hand_around_a_file_response(app, client, root):
    path = root / "style.css"

    @app.route("/style")
    def style(req):
        stat = path.stat()
        changed = int(max(stat.st_mtime, stat.st_ctime))
        etag = f'W/"{changed}"'
        if req.headers.get("If-None-Match") == etag:
            raise HTTPException(NotModifiedResponse(etag=etag))
        since = req.headers.get("If-Modified-Since")
        if since and changed <= http_to_time(since):
            return NotModifiedResponse(etag=etag, date=time_to_http())
        return FileResponse(path, headers={"ETag": etag})

    first = client.get("/style")
    assert first.text == "body {}"
    last_modified = first.headers["Last-Modified"]
    answer = client.get("/style", headers={"If-Modified-Since": last_modified})
    assert answer.status_code == 304
    assert re.fullmatch(r"\w{3}, .* GMT", answer.headers["Date"])
    answer = client.get("/style", headers={"If-None-Match": first.headers["ETag"]})
    assert (answer.status_code, answer.headers["ETag"]) == (304, first.headers["ETag"])


def test_the_whole_of_it_is_json_for_json_clients(app, client):
    """An error page follows Accept, so that scripts need not parse HTML."""
    answer = client.get("/none", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert json.loads(answer.data)
