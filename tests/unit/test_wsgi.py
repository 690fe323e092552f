"""The walk of a request: who is asked, in which order, and what errors become."""

import gc
import io
import json
import sys
import threading
from contextlib import suppress
from functools import partial, wraps
from http import HTTPStatus
from pathlib import Path

import pytest

from poorwsgi import Application, abort, redirect, state, wsgi
from poorwsgi.request import Request, SimpleRequest
from poorwsgi.response import (
    Declined,
    FileObjResponse,
    FileResponse,
    GeneratorResponse,
    HTTPException,
    NoContentResponse,
    NotModifiedResponse,
    Response,
    ResponseError,
)
from poorwsgi.results import default_states
from poorwsgi.routing import RouteGroup
from poorwsgi.state import (
    METHOD_ALL,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_POST,
    METHOD_PUT,
    BodyError,
    BodyTimeoutError,
    BodyTooLargeError,
)
from poorwsgi.testing import TestClient

TEN = b"0123456789"


def raising(error):
    """Return a handler that raises *error*."""

    def handler(*_, **__):
        raise error

    return handler


def call(app, **environ):
    """Call an application without any check; return status, headers, body."""
    seen = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", **environ}
    body = app(environ, lambda status, headers: seen.append((status, headers)))
    data = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return (*seen[0], data) if seen else (None, None, data)


# -- the name --------------------------------------------------------------


def test_a_living_name_is_taken():
    app = Application("taken")
    with pytest.raises(
        RuntimeError, match=r"^Application with name taken exist yet\.$"
    ):
        Application("taken")
    assert app.name == "taken"
    assert repr(app) == "taken - callable Application class instance"
    with pytest.raises(AttributeError):
        app.name = "other"
    app.release()


def test_a_released_name_is_free_and_release_may_be_repeated():
    first = Application("released")
    first.release()
    second = Application("released")
    first.release()  # it is not its name any more
    with pytest.raises(RuntimeError):
        Application("released")
    second.release()


def test_the_name_of_a_collected_application_is_free():
    app = Application("collected")
    app.set_route("/", lambda req, of=app: of.name)
    group = app.group("/g")
    group.set_route("/", lambda req, of=app: of.name)
    assert call(app)[2] == b"collected"
    del app, group
    gc.collect()
    Application("collected").release()


def test_the_default_name():
    app = Application()
    assert app.name == "__main__"
    app.release()


def test_an_application_takes_attributes_of_its_own(app):
    app.openapi_spec = {"a": 1}
    assert app.openapi_spec == {"a": 1}


# -- one request -----------------------------------------------------------


@pytest.mark.parametrize("name", ["hosts", "send", "check", "group", "options", "get"])
def test_names_that_came_after_2_8_may_be_taken_by_an_application(app, name):
    """A subclass, or who sets attributes, can not know them."""
    app.set_route("/", lambda req: req.hostname)
    app.set_route("/<x>", lambda req, x: Response(x))
    setattr(app, name, "mine")
    assert call(app, HTTP_HOST="a.example") == (
        "200 OK",
        [
            ("X-Powered-By", "Poor WSGI for Python"),
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", "9"),
        ],
        b"a.example",
    )
    assert call(app, PATH_INFO="/x", REQUEST_METHOD="HEAD")[0] == "200 OK"
    assert call(app, PATH_INFO="/x", REQUEST_METHOD="PUT")[0][:3] == "405"
    assert call(app, PATH_INFO="/x/y")[0][:3] == "404"
    assert getattr(app, name) == "mine"


def test_the_start_of_a_request_is_noted(app):
    app.set_route("/", lambda req: str(type(req.start_time)))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REQUEST_STARTTIME": "old"}
    app(environ, lambda *_: None)
    assert isinstance(environ["REQUEST_STARTTIME"], float)


def test_the_class_of_requests_can_be_replaced(client, app):
    class Own(Request):
        @property
        def shout(self):
            return self.path.upper()

    app.request_class = Own
    app.set_route("/x", lambda req: req.shout)
    assert client.get("/x").text == "/X"


def test_a_request_of_no_length_is_still_the_request(client, app):
    class Sized(Request):
        def __len__(self):
            return 0

    app.request_class = Sized
    app.set_route("/", raising(AppError()))
    app.set_error_handler(AppError, lambda req, err: type(req).__name__)
    assert client.get("/").text == "Sized"


@pytest.mark.parametrize("path", ["/STATIC", "/Žluť", "/R/5"])
def test_a_class_of_requests_may_have_a_path_of_its_own(client, app, path):
    class Folded(Request):
        @property
        def path(self):
            return super().path.lower()

    app.request_class = Folded
    for rule in ("/static", "/žluť", "/r/<x:int>"):
        app.set_route(rule, lambda req, *args: req.uri_rule)
    assert client.get(path).text.startswith(path.lower()[:3])
    assert client.put(path).status_code == 405
    assert client.get("/NONE").status_code == 404


@pytest.mark.parametrize(
    ("value", "content_type", "body"),
    [
        ("ž", "text/html; charset=utf-8", "ž".encode()),
        (b"b", "text/html; charset=utf-8", b"b"),
        ({"a": 1}, "application/json; charset=utf-8", b'{"a": 1}'),
        ([1], "application/json; charset=utf-8", b"[1]"),
        ("", "text/html; charset=utf-8", b""),
    ],
)
@pytest.mark.parametrize("with_hook", [False, True])
def test_values_are_answered_alike_with_and_without_hooks(
    app, client, value, content_type, body, with_hook
):
    """The short way for plain values sends what the long way does."""
    if with_hook:
        app.add_after_response(lambda req, response: response)
    app.set_route("/", lambda req: value)
    answer = client.get("/")
    assert (answer.status, answer.data) == ("200 OK", body)
    assert dict(answer.headers.items()) == {
        "X-Powered-By": "Poor WSGI for Python",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    }


UNUSABLE = [{"a": object()}, "\ud800", 12345, (), ("x", "y", None, 200, 5), {1j: 1}]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", UNUSABLE)
def test_a_value_that_can_not_be_used_is_a_500(app, client, value, method):
    """It is the fault of the handler, no exception for an error handler."""
    seen = []
    app.set_error_handler(Exception, lambda req, err: seen.append(err) or "handled")
    app.set_route("/", lambda req: value)
    answer = client.request(method, "/")
    assert answer.status_code == 500
    assert seen == []


def test_an_unusable_value_is_handed_to_the_500_handler(app, client):
    app.set_route("/", lambda req: 12345)
    app.set_http_state(500, lambda req: "own 500")
    assert client.get("/").text == "own 500"
    app.set_http_state(500, lambda req: 12345)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "500" in answer.text


def test_declined_answers_nothing(app, client):
    app.set_route("/", lambda req: Declined())
    app.set_route("/abort", raising(HTTPException(state.DECLINED)))
    assert client.get("/").declined
    assert client.get("/abort").declined


# -- which handler ---------------------------------------------------------


def facts(req, *_):
    """Answer with what the request knows of its route."""
    handler = req.uri_handler
    return f"{req.uri_rule} {getattr(handler, '__name__', None)}"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/static", "/static facts"),
        ("GET", "/r/5", "/r/<x:int> facts"),
        ("GET", "/re/x", "/re/.* facts"),
        ("GET", "/else", "/* facts"),
        ("GET", "/page.txt", "a file"),
        ("GET", "/debug-info", "/debug-info facts"),
    ],
)
def test_rule_and_handler_are_known_to_before_hooks(
    app, client, tmp_path, method, path, expected
):
    (tmp_path / "page.txt").write_text("a file")
    app.document_root = str(tmp_path)
    app.debug = True
    for rule in ("/static", "/r/<x:int>", "/debug-info"):
        app.set_route(rule, facts)
    app.set_regular_route("/re/.*", facts)
    app.set_default(facts)
    seen = []
    app.add_before_response(lambda req: seen.append((req.uri_rule, req.uri_handler)))
    assert client.request(method, path).text == expected
    if expected == "a file":
        assert seen == [("/*", None)]
    else:
        assert seen == [(expected.split()[0], facts)]


def test_a_route_goes_before_a_file_a_file_before_the_default(app, client, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("file " + name)
    app.document_root = str(tmp_path)
    app.set_route("/a", lambda req: "route")
    app.set_default(lambda req: "default")
    texts = [client.get(path).text for path in ("/a", "/b", "/c")]
    assert texts == ["route", "file b", "default"]
    app.set_default(lambda req: "default", METHOD_POST)
    assert client.post("/b").text == "default"


def test_debug_info_is_there_in_debug_mode_only(app, client):
    assert client.get("/debug-info").status_code == 404
    app.debug = True
    assert "Route Table" in client.get("/debug-info").text
    assert client.post("/debug-info").status_code == 200
    app.set_route("/debug-info", lambda req: "mine")
    assert client.get("/debug-info").text == "mine"


def test_debug_info_is_not_hidden_by_a_document_root(app, client, tmp_path):
    app.debug = True
    app.document_root = str(tmp_path)
    assert "Route Table" in client.get("/debug-info").text


# -- methods ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("text", "4"),
        (TEN, "10"),
        ({"a": 1}, "8"),
        ("", "0"),
        (None, None),
        ([TEN], None),
    ],
)
@pytest.mark.parametrize("path", ["/x", "/r/1"])
def test_head_is_get_without_its_body(app, client, path, value, length):
    for rule in ("/x", "/r/<n:int>"):
        app.set_route(rule, lambda req, *_: value, METHOD_GET)
    get, head = client.get(path), client.head(path)
    assert head.data == b""
    assert head.status == get.status
    assert head.headers.items() == get.headers.items()
    assert head.headers.get("Content-Length") == length


def test_head_of_a_file(app, client, tmp_path):
    (tmp_path / "f").write_bytes(TEN)
    app.set_route("/", lambda req: FileResponse(tmp_path / "f"))
    head = client.head("/")
    assert (head.headers["Content-Length"], head.data) == ("10", b"")


def test_a_head_handler_may_say_how_long_the_body_would_be(app, client):
    app.head("/")(lambda req: Response(b"", headers={"Content-Length": "99"}))
    assert client.head("/").headers["Content-Length"] == "99"


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/s", "GET, HEAD"),
        ("/m", "DELETE, GET, HEAD"),
        ("/r/1", "GET, HEAD, POST"),
        ("/p", "POST"),
    ],
)
def test_a_missing_method_is_405_and_names_the_others(app, client, path, allow):
    app.set_route("/s", facts)
    app.set_route("/m", facts, METHOD_GET | state.METHOD_DELETE)
    app.set_route("/r/<x:int>", facts)
    app.set_route("/r/<x:re:.*>", facts, "POST")
    app.set_route("/p", facts, "POST")
    answer = client.put(path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow


def test_a_405_handler_of_the_application_gets_its_allow_too(app, client):
    app.set_route("/", facts)
    app.set_http_state(405, lambda req: ("own", "text/plain", None, 405), METHOD_ALL)
    answer = client.put("/")
    assert (answer.text, answer.headers["Allow"]) == ("own", "GET, HEAD")


def test_an_allow_of_the_application_is_kept(app, client):
    app.set_http_state(
        405, lambda req: ("own", "text/plain", {"Allow": "BREW"}, 405), METHOD_ALL
    )
    app.set_route("/", facts)
    assert client.put("/").headers["Allow"] == "BREW"


@pytest.mark.parametrize("path", ["/s", "/r/1"])
def test_options_is_answered_with_the_methods_there_are(app, client, path):
    app.set_route("/s", facts, METHOD_GET | METHOD_POST)
    app.set_route("/r/<x>", facts, METHOD_GET | METHOD_POST)
    answer = client.options(path)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert client.options("/none").status_code == 404


def test_an_options_handler_of_the_rule_is_first(app, client):
    app.options("/s")(lambda req: "rule")
    app.get("/s")(facts)
    app.get("/t")(facts)
    app.set_default(lambda req: "default", METHOD_OPTIONS)
    paths = ["/s", "/t", "/none"]
    assert [client.options(path).text for path in paths] == [
        "rule",
        "default",
        "default",
    ]


def test_a_default_handler_wins_over_the_405_of_a_regular_rule_only(app, client):
    app.set_route("/s", facts)
    app.set_route("/r/<x>", facts)
    app.set_default(lambda req: "default", METHOD_PUT)
    assert client.put("/s").status_code == 405
    assert client.put("/r/1").text == "default"
    assert client.put("/none").text == "default"


@pytest.mark.parametrize("path", ["/s", "/r/1", "/none"])
@pytest.mark.parametrize("method", ["FOO", "get", "PROPFIND"])
def test_an_unknown_method_is_501_and_runs_no_handler(app, client, path, method):
    ran = []
    for rule in ("/s", "/r/<x>"):
        app.set_route(rule, lambda *args: ran.append(args), METHOD_ALL)
    app.set_default(lambda *args: ran.append(args), METHOD_ALL)
    assert client.request(method, path).status_code == 501
    assert ran == []


# -- before-hooks ----------------------------------------------------------


@pytest.fixture
def everything(app, tmp_path):
    """An application in which each branch of the walk can be reached."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "dir").mkdir()
    app.document_root = str(tmp_path)
    app.document_index = True
    app.debug = True
    app.set_route("/static", facts)
    app.set_route("/r/<x:int>", facts)
    app.set_default(facts, METHOD_POST)
    app.set_route("/crash", raising(ValueError("x")))
    app.set_route("/abort", raising(HTTPException(410)))
    app.set_route("/unusable", lambda req: 5)
    return app


BRANCHES = [
    ("GET", "/static", 200),
    ("HEAD", "/static", 200),
    ("PUT", "/static", 405),
    ("OPTIONS", "/static", 204),
    ("FOO", "/static", 501),
    ("GET", "/r/1", 200),
    ("HEAD", "/r/1", 200),
    ("PUT", "/r/1", 405),
    ("OPTIONS", "/r/1", 204),
    ("GET", "/r/x", 404),
    ("GET", "/file", 200),
    ("HEAD", "/file", 200),
    ("GET", "/file/", 404),
    ("GET", "/dir/", 200),
    ("GET", "/dir", 301),
    ("GET", "/../x", 404),
    ("GET", "/debug-info", 200),
    ("POST", "/none", 200),
    ("GET", "/none", 404),
    ("DELETE", "/none", 404),
    ("FOO", "/none", 501),
    ("GET", "/crash", 500),
    ("GET", "/abort", 410),
    ("GET", "/unusable", 500),
]


@pytest.mark.parametrize(("method", "path", "status"), BRANCHES)
def test_hooks_can_read_a_rule_in_every_branch(everything, method, path, status):
    rules = []
    everything.add_before_response(lambda req: rules.append(req.uri_rule[:1]))
    assert TestClient(everything).request(method, path).status_code == status
    assert rules == ["/"]


@pytest.mark.parametrize(("method", "path", "status"), BRANCHES)
def test_every_hook_runs_once_in_every_branch(everything, method, path, status):
    seen = []
    everything.add_before_response(lambda req: seen.append("before 1"))
    everything.add_before_response(lambda req: seen.append("before 2"))
    everything.add_after_response(
        lambda req, res: seen.append(f"after 1 {res.status_code}") or res
    )
    everything.add_after_response(
        lambda req, res: seen.append(f"after 2 {res.status_code}") or res
    )
    answer = TestClient(everything).request(method, path)
    assert answer.status_code in (status, 308 if status == 301 else status)
    code = answer.status_code
    assert seen == ["before 1", "before 2", f"after 1 {code}", f"after 2 {code}"]


@pytest.mark.parametrize(("method", "path", "status"), BRANCHES)
def test_a_before_hook_that_aborts_replaces_every_outcome(
    everything, method, path, status
):
    seen = []
    everything.add_before_response(
        raising(HTTPException(Response("no", status_code=403)))
    )
    everything.add_before_response(seen.append)
    assert TestClient(everything).request(method, path).status_code == 403
    assert seen == []


def test_the_result_of_a_before_hook_is_ignored(app, client):
    app.add_before_response(lambda req: "ignored")
    app.set_route("/", lambda req: "ok")
    assert client.get("/").text == "ok"


@pytest.mark.parametrize("name", ["before", "after"])
def test_hooks_are_listed_once_and_removed_from_their_own_list(app, name):
    def hook(*args):
        return args[-1]

    add = getattr(app, f"add_{name}_response")
    pop = getattr(app, f"pop_{name}_response")
    add(hook)
    with pytest.raises(ValueError, match="is in list yet"):
        add(hook)
    assert getattr(app, name) == (hook,)
    other = {"before": "after", "after": "before"}[name]
    assert getattr(app, other) == ()
    pop(hook)
    assert getattr(app, name) == ()
    with pytest.raises(ValueError, match="is not in list"):
        pop(hook)
    assert getattr(app, f"{name}_response")()(hook) is hook
    assert getattr(app, name) == (hook,)


@pytest.mark.parametrize("name", ["before", "after"])
def test_hooks_of_requests_are_deprecated_spellings(app, name):
    def hook(*args):
        return args[-1]

    with pytest.warns(DeprecationWarning, match=f"{name}_request"):
        getattr(app, f"{name}_request")()(hook)
    with pytest.warns(DeprecationWarning, match=f"pop_{name}_request"):
        getattr(app, f"pop_{name}_request")(hook)
    with pytest.warns(DeprecationWarning, match=f"add_{name}_request") as warned:
        getattr(app, f"add_{name}_request")(hook)
    assert warned[0].filename == __file__
    assert getattr(app, name) == (hook,)


# -- after-hooks -----------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("text", 200, b"text"),
        ({"a": 1}, 200, b'{"a": 1}'),
        (None, 204, b""),
        (("x", 418), 418, b"x"),
        (Response("y", status_code=201), 201, b"y"),
    ],
)
def test_an_after_hook_may_return_what_handlers_do(app, client, value, status, body):
    app.set_route("/", lambda req: "handler")
    app.add_after_response(lambda req, response: value)
    answer = client.get("/")
    assert (answer.status_code, answer.data) == (status, body)


def test_after_hooks_see_a_declined_response(app, client):
    seen = []
    app.set_route("/", lambda req: Declined())
    app.add_after_response(lambda req, res: seen.append(type(res)) or res)
    assert client.get("/").declined
    assert seen == [Declined]


def test_an_abort_in_an_after_hook_counts_and_later_hooks_run(app, client):
    app.set_route("/", lambda req: "handler")
    app.set_http_state(403, lambda req: ("own 403", 403))
    app.add_after_response(raising(HTTPException(403)))
    app.add_after_response(lambda req, res: (res.data + b" + later", res.status_code))
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (403, "own 403 + later")


def test_a_crash_in_an_after_hook_is_handled_and_later_hooks_run(app, client):
    seen = []
    app.set_route("/", lambda req: "handler")
    app.set_error_handler(KeyError, lambda req, err: (f"caught {err}", 503))
    app.add_after_response(raising(KeyError("k")))
    app.add_after_response(lambda req, res: seen.append(res.status_code) or res)
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (503, "caught 'k'")
    assert seen == [503]
    app.pop_error_handler(KeyError, METHOD_GET)
    assert client.get("/").status_code == 500
    assert seen == [503, 500]


def test_after_hooks_get_a_simple_request_if_there_was_none_better(app):
    seen = []
    app.add_before_response(lambda req: seen.append("before"))
    app.add_after_response(lambda req, res: seen.append(type(req)) or res)
    status, _, _ = call(app, PATH_INFO=None)
    assert status == "400 Bad Request"
    assert seen == [SimpleRequest]


# -- the ladder of states --------------------------------------------------


def own(code):
    """Return a state handler that tells its status."""

    def handler(req):
        return f"own {code}", code

    return handler


def test_a_state_handler_answers_its_status(app, client):
    assert app.http_state(404)(own(404)) is not None
    app.http_state(HTTPStatus.GONE)(own(410))
    app.set_route("/gone", raising(HTTPException(HTTPStatus.GONE)))
    assert client.get("/none").text == "own 404"
    assert client.get("/gone").text == "own 410"


def test_a_state_handler_counts_for_head_get_and_post(app, client):
    app.set_http_state(404, own(404))
    assert client.get("/none").text == client.post("/none").text == "own 404"
    assert "own 404" not in client.put("/none").text
    assert client.put("/none").status_code == 404
    assert client.head("/none").headers["Content-Length"] == "7"


def test_a_state_handler_gets_the_keywords_of_the_exception(app, client):
    app.set_route("/", raising(HTTPException(401, realm="r", extra=1)))
    app.set_http_state(401, lambda req, **kwargs: kwargs)
    assert client.get("/").json == {"realm": "r", "extra": 1}


class Callable:
    """A handler that is an object."""

    def __call__(self, req, error=None, *, realm="-"):
        return f"{error} {realm}"


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (lambda req: "none", "none"),
        (lambda req, *_: f"none {_}", "none ()"),
        (lambda req, error: error, "e"),
        (lambda req, realm="x": realm, "r"),
        (lambda req, *, error: error, "e"),
        (lambda req, **kw: " ".join(sorted(kw)), "error extra realm"),
        (lambda req, unknown="u": unknown, "u"),
        (Callable(), "e r"),
        (partial(lambda a, req, error: a + error, "a"), "ae"),
    ],
)
def test_a_state_handler_gets_only_keywords_that_it_takes(app, client, handler, text):
    app.set_route("/", raising(HTTPException(404, error="e", realm="r", extra="x")))
    app.set_http_state(404, handler)
    assert client.get("/").text == text


def wrapped(handler, around):
    """Return *around* as decorators return it: it seems to be the handler."""
    return wraps(handler)(around)


def with_error(req, error):
    return f"{error}"


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (wrapped(with_error, lambda req: "alone"), "alone"),
        (wrapped(with_error, lambda req, realm: realm), "r"),
        (wrapped(with_error, lambda req, **kw: with_error(req, **kw)), "e"),
        (wrapped(lambda req: 0, lambda *args, **kw: f"{len(args)} {kw}"), "1 {}"),
    ],
)
def test_a_decorated_state_handler_gets_what_both_take(app, client, handler, text):
    app.set_route("/", raising(HTTPException(404, error="e", realm="r")))
    app.set_http_state(404, handler)
    assert client.get("/").text == text


def test_a_state_handler_that_does_not_tell_its_parameters_gets_all(app, client):
    class Odd:
        __signature__ = "none of your business"

        def __call__(self, req, **kwargs):
            return " ".join(sorted(kwargs))

    app.set_route("/", raising(HTTPException(404, error="e", extra="x")))
    app.set_http_state(404, Odd())
    assert client.get("/").text == "error extra"


def test_a_page_of_ours_that_can_not_be_made_is_a_500(app, client):
    """A challenge needs a realm."""
    app.secret_key = "secret"
    app.auth_type = "Digest"
    app.set_route("/", raising(HTTPException(401)))
    answer = client.get("/")
    assert answer.status_code == 500
    assert "realm" in str(answer.error)


def test_the_handler_of_an_error_is_known_before_it_runs(app, client):
    app.set_http_state(404, lambda req: req.error_handler.__name__)
    assert client.get("/none").text == "<lambda>"


def test_a_crash_in_a_state_handler_goes_to_the_own_500_handler(app, client):
    app.set_http_state(404, raising(ValueError("x")))
    assert client.get("/none").status_code == 500
    app.set_http_state(500, own(500))
    assert client.get("/none").text == "own 500"
    app.set_http_state(500, raising(ValueError("y")))
    answer = client.get("/none")
    assert answer.status_code == 500
    assert answer.log


def test_a_500_handler_that_crashes_is_called_once(app, client):
    calls = []
    app.set_route("/", raising(ValueError("x")))
    app.set_http_state(500, lambda req: calls.append(1) or 1 / 0)
    assert client.get("/").status_code == 500
    assert calls == [1]


def test_a_status_raised_in_a_state_handler_is_handled_once(app, client):
    app.set_http_state(404, raising(HTTPException(410)))
    app.set_http_state(410, raising(HTTPException(404)))
    assert client.get("/none").status_code == 404
    app.set_http_state(410, own(410))
    assert client.get("/none").text == "own 410"
    app.set_http_state(404, raising(HTTPException(404)))
    assert client.get("/none").status_code == 404


def test_a_response_raised_in_a_state_handler_is_the_answer(app, client):
    app.set_http_state(404, raising(HTTPException(Response("other", status_code=402))))
    assert client.get("/none").status_code == 402


FINAL = [code for code in state.REASONS if code >= 201 and code not in (204, 304)]


@pytest.mark.parametrize("code", FINAL)
def test_every_status_without_handler_has_a_page_of_its_own(app, client, code):
    app.set_route("/", raising(HTTPException(code)))
    assert client.get("/").status_code == code


@pytest.mark.parametrize("code", [299, 600, 999])
def test_a_number_that_is_no_status_is_501(app, client, code):
    app.set_route("/", raising(HTTPException(code)))
    assert client.get("/").status_code == 501


@pytest.mark.parametrize(
    ("code", "status"), [(200, 204), (204, 204), (HTTPStatus.NO_CONTENT, 204)]
)
def test_a_good_status_raised_is_an_empty_answer(app, client, code, status):
    app.set_route("/", raising(HTTPException(code)))
    answer = client.get("/")
    assert (answer.status_code, answer.data) == (status, b"")


def test_a_304_may_be_raised_with_its_validators(app, client):
    app.set_route("/", raising(HTTPException(NotModifiedResponse(etag='"1"'))))
    answer = client.get("/")
    assert (answer.status_code, answer.headers["ETag"]) == (304, '"1"')


def test_a_redirect_from_anywhere(app, client):
    app.set_route("/", lambda req: redirect("/x", 303))
    assert client.get("/").location == "/x"
    app.add_before_response(lambda req: redirect("/login"))
    assert client.get("/").location == "/login"


def test_abort_in_a_before_hook_uses_the_state_handler(app, client):
    app.set_http_state(410, own(410))
    app.add_before_response(lambda req: abort(410))
    assert client.get("/").text == "own 410"


def test_state_handlers_are_removed_without_a_trace(app):
    app.set_http_state(404, own(404), METHOD_GET | METHOD_POST)
    handler = app.states[404][METHOD_GET]
    assert app.pop_http_state(404, METHOD_GET) is handler
    assert app.states == {404: {METHOD_POST: handler}}
    with pytest.raises(KeyError):
        app.pop_http_state(404, METHOD_GET)
    app.pop_http_state(404, METHOD_POST)
    assert app.states == {}
    with pytest.raises(KeyError):
        app.pop_http_state(404, METHOD_GET)


def test_state_handlers_of_one_application_are_not_those_of_another(app, client):
    before = {code: dict(table) for code, table in default_states.items()}
    app.set_http_state(404, own(404))
    app.debug = True
    assert client.get("/debug-info").status_code == 200
    assert default_states == before


# -- the ladder of errors --------------------------------------------------


class AppError(Exception):
    """The base of an application's errors."""


class SubError(AppError):
    """One of them."""


def test_the_first_handler_that_fits_the_error_and_the_method_is_called(app, client):
    app.set_error_handler(SubError, lambda req, err: "put", METHOD_PUT)
    app.set_error_handler(AppError, lambda req, err: f"base {err}")
    app.set_error_handler(Exception, lambda req, err: "too late")
    app.set_route("/", raising(SubError("x")), METHOD_ALL)
    assert client.get("/").text == "base x"
    assert client.put("/").text == "put"
    assert client.delete("/").status_code == 500


def test_error_handlers_count_for_head_get_and_post(app, client):
    assert app.error_handler(AppError)(own(503)) is not None
    app.error_handler(AppError)(lambda req, err: "own")
    app.set_route("/", raising(AppError()), METHOD_ALL)
    assert client.get("/").text == client.post("/").text == "own"
    assert client.put("/").status_code == 500


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("text", 200, b"text"),
        ("", 200, b""),
        (("text", 400), 400, b"text"),
        (("text", "text/plain", None, 400), 400, b"text"),
        ({"error": 1}, 200, b'{"error": 1}'),
        ({}, 200, b"{}"),
        (None, 204, b""),
    ],
)
def test_an_error_handler_may_return_what_handlers_do(app, client, value, status, body):
    app.set_error_handler(AppError, lambda req, err: value)
    app.set_route("/", raising(AppError()))
    answer = client.get("/")
    assert (answer.status_code, answer.data) == (status, body)


@pytest.mark.parametrize("value", [5, (), {"a": object()}])
def test_an_unusable_value_of_an_error_handler_is_a_500(app, client, value):
    app.set_error_handler(AppError, lambda req, err: value)
    app.set_route("/", raising(AppError()))
    assert client.get("/").status_code == 500


def test_an_error_handler_may_raise_a_status_or_a_response(app, client):
    app.set_route("/", raising(ValueError("x")))
    app.set_http_state(400, lambda req, error: (f"own {error}", 400))
    app.set_error_handler(ValueError, raising(HTTPException(400, error="bad")))
    assert client.get("/").text == "own bad"
    app.set_error_handler(
        ValueError, raising(HTTPException(Response("r", status_code=402)))
    )
    assert client.get("/").status_code == 402


def test_an_error_handler_that_crashes_is_a_500(app, client):
    app.set_error_handler(Exception, raising(ValueError("again")))
    app.set_route("/", raising(AppError()))
    answer = client.get("/")
    assert answer.status_code == 500
    assert answer.log


def test_an_http_exception_never_reaches_the_error_handlers(app, client):
    app.set_error_handler(Exception, lambda req, err: "wrong")
    app.set_route("/", raising(HTTPException(410)))
    assert client.get("/").status_code == 410


@pytest.mark.parametrize("where", ["handler", "before", "after", "converter"])
def test_errors_are_handled_wherever_they_are_raised(app, client, where):
    app.set_error_handler(AppError, lambda req, err: ("handled", 409))
    handler = raising(SubError()) if where == "handler" else (lambda req, *_: "ok")
    app.set_route("/", handler)
    if where == "before":
        app.add_before_response(raising(SubError()))
    if where == "after":
        app.add_after_response(raising(SubError()))
    if where == "converter":
        app.set_filter("x", ".*", raising(ValueError()))
        app.set_route("/c/<x:x>", handler)
        assert client.get("/c/1").status_code == 404
        return
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (409, "handled")


class Told(Application):
    """An application with methods of its own where the walk has named ones."""

    def state_from_table(self, req, status_code, **kwargs):
        if status_code == 410:
            raise AppError("of a method")
        return f"own {status_code} {sorted(kwargs)}", status_code

    def error_from_table(self, req, error):
        if isinstance(error, KeyError):
            return 1 / 0
        return ("own error", 409) if isinstance(error, AppError) else None

    def handler_from_default(self, req):
        return f"own default {req.path}"


@pytest.fixture
def told(request):
    return Told(request.node.nodeid + "told")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (HTTPException(404), 404, "own 404 []"),
        (HTTPException(403, why="x"), 403, "own 403 ['why']"),
        (AppError("x"), 409, "own error"),
        (ValueError("x"), 500, "own 500 []"),
        (BodyError("x"), 400, "own 400 ['error']"),
        (ResponseError("x"), 500, "own 500 []"),
        (HTTPException(410), 500, "error id"),
        (KeyError("x"), 500, "error id"),
    ],
)
def test_named_methods_of_a_subclass_are_asked_for_every_error(
    told, error, status, text
):
    told.set_route("/", raising(error))
    answer = TestClient(told).get("/")
    assert answer.status_code == status
    assert text in answer.text


def test_a_default_of_a_subclass_answers_where_nothing_else_does(told):
    """It has the signature of PoorWSGI 2.8: the request alone."""
    told.set_route("/s", facts)
    told.set_route("/r/<x>", facts)
    client = TestClient(told)
    assert client.get("/none").text == "own default /none"
    answer = client.put("/s")
    assert (answer.text, answer.headers["Allow"]) == ("own 405 []", "GET, HEAD")
    told.set_default(facts, METHOD_PUT)
    assert client.put("/r/1").text == "own default /r/1"


def test_an_error_without_handler_is_a_500_and_logged(app, client):
    error = AppError("secret text")
    app.set_route("/", raising(error))
    answer = client.get("/")
    assert answer.status_code == 500
    assert answer.error is error
    assert "secret text" not in answer.text
    assert "Traceback" not in answer.text
    app.debug = True
    assert "secret text" in client.get("/").text


def test_an_own_500_handler_does_not_swallow_the_log(app, client):
    error = AppError("x")
    app.set_route("/", raising(error))
    app.set_http_state(500, own(500))
    answer = client.get("/")
    assert answer.text == "own 500"
    assert answer.error is error


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "handler", [Callable(), partial(raising(AppError("x")), 1), raising(AppError("x"))]
)
def test_the_500_page_describes_any_callable(app, client, handler, debug):
    app.debug = debug
    app.set_route("/", handler)
    app.add_before_response(raising(AppError("x")))
    assert client.get("/").status_code == 500
    assert client.get("/none").status_code == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConnectionError("upstream refused"), 500),
        (ConnectionResetError(), 500),
        (TimeoutError(), 500),
        (BodyError("bad"), 400),
        (BodyTooLargeError("big"), 413),
        (BodyTimeoutError("late"), 408),
        (ResponseError("x"), 500),
        (RecursionError(), 500),
        (AssertionError(), 500),
    ],
)
def test_errors_become_an_answer_with_a_legal_end(app, client, error, status):
    app.set_route("/", raising(error))
    assert client.get("/").status_code == status


def test_a_connection_error_is_handed_to_its_handler_first(app, client):
    app.set_error_handler(ConnectionError, lambda req, err: ("upstream", 502))
    app.set_route("/", raising(ConnectionRefusedError("x")))
    assert client.get("/").status_code == 502


def test_a_connection_error_without_handler_is_a_warning(app, client):
    app.set_route("/", raising(ConnectionRefusedError("x")))
    levels = [record.levelname for record in client.get("/").log]
    assert "WARNING" in levels


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("where", ["handler", "before", "after", "state", "error"])
def test_what_is_no_exception_goes_through(app, error, where):
    app.set_route("/", raising(AppError()) if where == "error" else lambda req: "x")
    if where == "handler":
        app.set_route("/", raising(error()))
    elif where == "before":
        app.add_before_response(raising(error()))
    elif where == "after":
        app.add_after_response(raising(error()))
    elif where == "state":
        app.set_http_state(404, raising(error()))
    else:
        app.set_error_handler(AppError, raising(error()))
    with pytest.raises(error):
        call(app, PATH_INFO="/none" if where == "state" else "/")


@pytest.mark.parametrize("path", [None, ...])
def test_a_missing_path_is_400(app, path):
    seen = []
    app.add_before_response(seen.append)
    app.set_http_state(400, lambda req, error: (str(error), 400))
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path}
    if path is ...:
        del environ["PATH_INFO"]
    started = []
    body = app(environ, lambda status, headers: started.append(status))
    assert started == ["400 Bad Request"]
    assert b"PATH_INFO" in b"".join(body)
    assert seen == []


def test_a_path_that_is_not_utf8_has_a_400_page(app):
    app.set_route("/", facts)
    status, _, body = call(app, PATH_INFO="/\xff")
    assert status == "400 Bad Request"
    assert b"Invalid PATH_INFO encoding" in body


def test_if_even_the_last_page_fails_the_error_is_the_servers(app, monkeypatch):
    def broken(self):
        raise UnicodeDecodeError("utf-8", b"", 0, 1, "x")

    monkeypatch.setattr(Request, "path", property(broken))
    monkeypatch.setattr(SimpleRequest, "path", property(broken))
    with pytest.raises(UnicodeDecodeError):
        call(app)


def test_error_handlers_are_removed_without_a_trace(app):
    handler = own(500)
    app.set_error_handler(AppError, handler, METHOD_GET | METHOD_POST)
    assert app.errors == {AppError: {METHOD_GET: handler, METHOD_POST: handler}}
    assert app.pop_error_handler(AppError, METHOD_GET) is handler
    assert app.errors == {AppError: {METHOD_POST: handler}}
    app.pop_error_handler(AppError, METHOD_POST)
    assert app.errors == {}
    with pytest.raises(KeyError):
        app.pop_error_handler(AppError, METHOD_POST)


# -- default handlers ------------------------------------------------------


def test_default_handlers_by_method(app, client):
    assert app.default()(facts) is facts
    app.set_default(own(202), METHOD_POST)
    assert client.get("/none").text == "/* facts"
    assert client.post("/none").status_code == 202
    assert client.put("/none").status_code == 404
    assert app.pop_default(METHOD_GET) is facts
    assert app.pop_default(METHOD_HEAD) is facts
    assert list(app.defaults) == [METHOD_POST]
    with pytest.raises(KeyError):
        app.pop_default(METHOD_GET)
    assert client.get("/none").status_code == 404


@pytest.mark.parametrize("view", ["defaults", "states", "errors"])
def test_tables_are_copies(app, client, view):
    app.set_default(own(202))
    app.set_http_state(404, own(404), METHOD_ALL)
    app.set_error_handler(AppError, own(500))
    for table in getattr(app, view).values():
        if isinstance(table, dict):
            table.clear()
    getattr(app, view).clear()
    assert getattr(app, view)
    assert client.get("/none").status_code == 202
    assert client.put("/none").text == "own 404"


def test_tables_may_be_changed_by_threads_at_once(app):
    def change(number):
        for i in range(100):
            app.set_http_state(404, facts, 1 << number)
            app.set_error_handler(AppError, facts, 1 << number)
            app.set_default(facts, 1 << number)
            app.set_filter(f"f{number}x{i}", "x")
            app.add_before_response((number, i))

    filters = len(app.filters)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=change, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(app.states[404]) == sum(app.errors[AppError]) == sum(app.defaults) == 15
    assert len(app.filters) == filters + 400
    assert len(app.before) == 400


# -- groups ----------------------------------------------------------------


def test_error_handlers_of_a_group_are_asked_before_the_applications(app, client):
    outer, group = app.group("/o"), app.group("/g")
    app.set_error_handler(AppError, lambda req, err: "app")
    group.error_handler(SubError)(lambda req, err: req.error_handler and "group")
    group.set_route("/sub", raising(SubError()))
    group.set_route("/base", raising(AppError()))
    outer.set_route("/sub", raising(SubError()))
    texts = [client.get(path).text for path in ("/g/sub", "/g/base", "/o/sub")]
    assert texts == ["group", "app", "app"]


def test_inner_groups_handle_errors_first(app, client):
    outer = app.group("/o")
    inner = type(outer)("/i")
    outer.add_group(inner)
    outer.error_handler(AppError)(lambda req, err: "outer")
    inner.error_handler(SubError)(lambda req, err: "inner")
    inner.set_route("/sub", raising(SubError()))
    inner.set_route("/base", raising(AppError()))
    assert client.get("/o/i/sub").text == "inner"
    assert client.get("/o/i/base").text == "outer"


def test_after_hooks_of_a_group_see_its_errors(app, client):
    group = app.group("/g")
    group.after_response()(
        lambda req, res: (f"seen {res.status_code}", res.status_code)
    )
    group.set_route("/abort", raising(HTTPException(410)))
    group.set_route("/crash", raising(AppError()))
    assert client.get("/g/abort").text == "seen 410"
    assert client.get("/g/crash").text == "seen 500"


def test_a_before_hook_of_a_group_may_abort(app, client):
    group = app.group("/g")
    group.before_response()(lambda req: abort(403))
    group.set_route("/x", facts)
    app.set_http_state(403, own(403))
    assert client.get("/g/x").text == "own 403"


def test_a_group_error_handler_that_fails_leaves_it_to_the_application(app, client):
    group = app.group("/g")
    group.error_handler(AppError)(raising(KeyError("k")))
    group.set_route("/x", raising(AppError()))
    assert client.get("/g/x").status_code == 500
    app.set_error_handler(KeyError, lambda req, err: "app")
    assert client.get("/g/x").text == "app"


def test_an_after_hook_of_a_group_that_fails_is_handled(app, client):
    group = app.group("/g")
    group.after_response()(raising(AppError()))
    group.set_route("/x", facts)
    app.set_error_handler(AppError, lambda req, err: "app")
    assert client.get("/g/x").text == "app"


def test_a_crash_in_an_after_hook_of_a_group_does_not_stop_those_behind_it(app, client):
    outer = app.group("/o")
    inner = type(outer)("/i")
    outer.add_group(inner)
    seen = []
    inner.after_response()(raising(SubError()))
    inner.after_response()(lambda req, res: seen.append("inner") or res)
    inner.error_handler(SubError)(lambda req, err: ("inner error", 409))
    outer.after_response()(lambda req, res: seen.append("outer") or res)
    inner.set_route("/x", facts)
    answer = client.get("/o/i/x")
    assert (answer.status_code, answer.text) == (409, "inner error")
    assert seen == ["inner", "outer"]


def test_a_crash_in_an_after_hook_is_no_matter_of_inner_groups(app, client):
    outer = app.group("/o")
    inner = type(outer)("/i")
    outer.add_group(inner)
    outer.after_response()(raising(SubError()))
    inner.error_handler(SubError)(lambda req, err: "inner")
    outer.error_handler(SubError)(lambda req, err: "outer")
    inner.set_route("/x", facts)
    assert client.get("/o/i/x").text == "outer"


def test_an_unusable_value_of_a_group_hook_is_blamed_on_the_hook(app, client, caplog):
    group = app.group("/g")
    group.after_response()(lambda req, res: 5)
    group.set_route("/x", facts)
    assert client.get("/g/x").status_code == 500
    assert "It came from the after-hook" in caplog.text


def test_a_declined_answer_passes_a_group(app, client):
    group = app.group("/g")
    group.before_response()(lambda req: None)
    group.set_route("/x", lambda req: Declined())
    assert client.get("/g/x").declined


# -- mounts ----------------------------------------------------------------


def show_paths(environ, start_response):
    """Answer with method, SCRIPT_NAME and PATH_INFO; 405 to DELETE."""
    body = json.dumps(
        [environ["REQUEST_METHOD"], environ["SCRIPT_NAME"], environ["PATH_INFO"]]
    ).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if environ["REQUEST_METHOD"] == "DELETE":
        start_response("405 No", [*headers, ("Allow", "GET")])
    else:
        start_response("200 OK", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


@pytest.mark.parametrize(
    ("prefix", "path", "script_name", "path_info"),
    [
        ("/m", "/m", "/m", ""),
        ("/m", "/m/", "/m", "/"),
        ("/m/", "/m/a/b", "/m", "/a/b"),
        ("/m", "/m//a", "/m", "//a"),
        ("/a.b", "/a.b/c", "/a.b", "/c"),
        ("/ž", "/ž/č", "/\xc5\xbe", "/\xc4\x8d"),
        ("/", "/x/y", "", "/x/y"),
        ("", "/x/y", "", "/x/y"),
    ],
)
def test_a_mounted_application_stands_at_its_prefix(
    app, client, prefix, path, script_name, path_info
):
    app.mount(prefix, show_paths)
    assert client.get(path).json == ["GET", script_name, path_info]
    answer = client.get(path, environ={"SCRIPT_NAME": "/root"})
    assert answer.json == ["GET", "/root" + script_name, path_info]


@pytest.mark.parametrize("path", ["/mx", "/x/m", "/aXb/c"])
def test_other_paths_are_not_mounted(app, client, path):
    app.mount("/m", show_paths)
    app.mount("/a.b", show_paths)
    assert client.get(path).status_code == 404


def test_a_mounted_application_answers_every_method_itself(app, client):
    app.mount("/m", show_paths)
    for method in ("GET", "POST", "PUT", "OPTIONS", "PATCH"):
        assert client.request(method, "/m/x").json == [method, "/m", "/x"]
    answer = client.delete("/m/x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert client.head("/m/x").data == b""


def test_rules_registered_before_a_mount_go_first(app, client):
    app.set_route("/m/own/<x>", lambda req, x: "own")
    app.mount("/m", show_paths)
    app.set_route("/m/static", lambda req: "static")
    assert client.get("/m/own/1").text == "own"
    assert client.get("/m/static").text == "static"
    assert client.put("/m/static").json == ["PUT", "/m", "/static"]


def test_an_application_mounted_in_another_answers_by_its_own_rules(app, client):
    inner = Application("inner of " + app.name)
    inner.set_route("/<x:int>", lambda req, x: f"{x} {req.path} {req.app.name[:5]}")
    inner.set_http_state(404, lambda req: ("inner 404", 404))
    app.mount("/m", inner)
    assert client.get("/m/5").text == "5 /5 inner"
    assert client.get("/m/x").text == "inner 404"
    answer = client.put("/m/5")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    inner.release()


def test_hooks_run_around_a_mount_and_may_add_headers(app, client):
    seen = []
    app.mount("/m", show_paths)
    app.add_before_response(lambda req: seen.append(req.uri_rule))

    @app.after_response()
    def add(req, response):
        response.add_header("X-After", "1")
        return response

    answer = client.get("/m/x")
    assert answer.headers["X-After"] == "1"
    assert answer.json == ["GET", "/m", "/x"]
    assert seen == ["/m/*"]
    app.add_before_response(lambda req: abort(403))
    assert client.get("/m/x").status_code == 403


def test_the_body_of_a_mounted_application_is_closed_once(app, client):
    class Body:
        closed = 0

        def __iter__(self):
            return iter([b"x"])

        def close(self):
            self.closed += 1

    bodies = []

    def inner(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        bodies.append(Body())
        return bodies[-1]

    app.mount("/m", inner)
    assert client.get("/m").data == b"x"
    client.validate = False  # a sloppy HEAD: the validator would refuse it
    assert client.head("/m").data == b""
    assert [body.closed for body in bodies] == [1, 1]


def test_head_of_a_mounted_generator_starts_it(app, client):
    """It calls start_response when its first block is asked for."""
    ended = []

    def inner(environ, start_response):
        start_response("203 Yes", [("Content-Type", "text/plain"), ("X-In", "1")])
        try:
            yield b"never sent"
        finally:
            ended.append(environ["PATH_INFO"])

    app.mount("/m", inner)
    client.validate = False  # a sloppy HEAD: the validator would refuse it
    answer = client.head("/m/x")
    assert (answer.status, answer.data) == ("203 Yes", b"")
    assert answer.headers["X-In"] == "1"
    assert ended == ["/x"]


def test_head_of_a_mounted_generator_that_fails_is_a_500(app, client):
    class Body:
        closed = 0

        def __iter__(self):
            raise AppError("first block")

        def close(self):
            self.closed += 1

    body = Body()
    app.mount("/m", lambda environ, start_response: body)
    assert client.head("/m").status_code == 500
    assert body.closed == 1


def test_an_error_before_the_start_of_a_mounted_application_is_ours(app, client):
    app.mount("/m", raising(AppError("x")))
    app.set_error_handler(AppError, lambda req, err: ("handled", 502))
    assert client.get("/m").status_code == 502


def test_an_error_after_its_start_is_the_servers(app):
    def inner(environ, start_response):
        start_response("200 OK", [])
        raise AppError("late")

    app.mount("/m", inner)
    with pytest.raises(AppError):
        call(app, PATH_INFO="/m")


def test_a_prefix_starts_with_a_slash(app):
    with pytest.raises(ValueError, match="slash"):
        app.mount("m", show_paths)


# -- sending ---------------------------------------------------------------


def wrapper(seen):
    """Return a wsgi.file_wrapper that notes what it is given."""

    class Wrapper:
        def __init__(self, file, size=8192):
            self.file, self.size = file, size
            seen.append(self)

        def __iter__(self):
            return iter(lambda: self.file.read(self.size), b"")

        def close(self):
            self.file.close()

    return Wrapper


@pytest.mark.parametrize(
    ("ranges", "body", "uwsgi", "wrapped"),
    [
        ([], TEN, False, True),
        ([], TEN, True, True),
        ([(2, 4)], b"234", False, True),
        ([(2, 4)], b"234", True, False),
    ],
)
def test_files_go_through_the_file_wrapper_of_the_server(
    app, tmp_path, ranges, body, uwsgi, wrapped
):
    """uWSGI would send the whole file, so a range never goes that way there."""
    (tmp_path / "f").write_bytes(TEN)

    def handler(req):
        response = FileResponse(tmp_path / "f")
        response.make_partial(ranges)
        return response

    app.set_route("/", handler)
    seen = []
    environ = {"wsgi.file_wrapper": wrapper(seen)}
    if uwsgi:
        environ["uwsgi.version"] = b"2.0"
    status, headers, data = call(app, **environ)
    assert data == body
    assert status == ("206 Partial Content" if ranges else "200 OK")
    assert dict(headers)["Content-Length"] == str(len(body))
    assert bool(seen) is wrapped


def test_only_a_whole_file_shows_its_descriptor(app, tmp_path):
    """Servers hand the descriptor to the kernel, which knows of no ranges."""
    (tmp_path / "f").write_bytes(TEN)
    seen = []
    for ranges in ([], [(2, 4)]):
        response = FileResponse(tmp_path / "f")
        response.make_partial(ranges)
        app.set_route("/", lambda req, response=response: response)
        call(app, **{"wsgi.file_wrapper": wrapper(seen)})
    assert [hasattr(each.file, "fileno") for each in seen] == [True, False]


def test_a_file_says_where_it_stands(app, tmp_path):
    """mod_wsgi asks for it beside the descriptor, and fails without an answer."""
    (tmp_path / "f").write_bytes(TEN)
    asked = []

    def look(body, size):
        asked.append((body.fileno() > 2, body.tell()))
        return iter(lambda: body.read(size), b"")

    app.set_route("/", lambda req: FileResponse(tmp_path / "f"))
    assert call(app, **{"wsgi.file_wrapper": look})[2] == TEN
    assert asked == [(True, 0)]


def test_other_bodies_do_not_go_through_the_file_wrapper(app):
    seen = []
    app.set_route("/", lambda req: "text")
    app.set_route("/g", lambda req: iter([TEN]))
    for path in ("/", "/g"):
        call(app, PATH_INFO=path, **{"wsgi.file_wrapper": wrapper(seen)})
    assert seen == []


@pytest.mark.parametrize("ranges", [[(50, None)], [(None, 0)]])
def test_a_range_that_can_not_be_is_answered_416(app, client, ranges):
    def handler(req):
        response = Response(TEN)
        response.make_partial(ranges)
        return response

    app.set_route("/", handler)
    answer = client.get("/")
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */10"
    assert client.head("/").status_code == 416


def test_a_response_returned_twice_is_logged_and_a_500(app, client):
    constant = Response("once")
    app.set_route("/", lambda req: constant)
    assert client.get("/").text == "once"
    answer = client.get("/")
    assert answer.status_code == 500
    (record,) = answer.log
    assert "was returned twice" in str(record.exc_info[1])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("ranges", [[], [(2, 4)], [(99, None)]])
def test_what_a_handler_opened_is_closed_once(app, client, method, status, ranges):
    class File(io.BytesIO):
        count = 0

        def close(self):
            self.count += 1
            super().close()

    class Blocks:
        count = 0

        def __iter__(self):
            return iter([TEN])

        def close(self):
            self.count += 1

    file, blocks = File(TEN), Blocks()

    def respond(response):
        response.headers["ETag"] = '"1"'
        response.make_partial(ranges)
        if status != 200:
            response.status_code = status
        return response

    app.set_route("/f", lambda req: respond(FileObjResponse(file)), METHOD_GET)
    app.set_route(
        "/b", lambda req: respond(GeneratorResponse(blocks, content_length=10)), "GET"
    )
    client.request(method, "/f")
    client.request(method, "/b")
    assert (file.count, blocks.count) == (1, 1)


def test_a_client_that_goes_early_closes_the_stream(app, client):
    seen = []

    def blocks():
        try:
            yield b"1"
            yield b"2"
        finally:
            seen.append("closed")

    app.set_route("/", lambda req: blocks())
    with client.get("/", stream=True) as answer:
        assert next(iter(answer)) == b"1"
    assert seen == ["closed"]


def test_an_error_while_streaming_reaches_the_server(app, client):
    def blocks():
        yield b"1"
        raise AppError("cut")

    app.set_route("/", lambda req: blocks())
    with pytest.raises(AppError, match="cut"):
        client.get("/")


def test_an_error_of_start_response_is_the_servers(app):
    app.set_route("/", lambda req: Response("x"))
    app.set_route("/text", lambda req: "x")
    for path in ("/", "/text"):
        with pytest.raises(OSError, match="gone"):
            app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, raising(OSError("gone")))


# -- JSON of the application -----------------------------------------------


def own_dumps(value):
    return "own:" + json.dumps(value)


@pytest.mark.parametrize(
    ("value", "status", "headers"),
    [
        ({"a": 1}, 200, {}),
        ([1, 2], 200, {}),
        (({"a": 1}, 201), 201, {}),
        (({"a": 1}, "application/json", {"X-A": "1"}), 200, {"X-A": "1"}),
        (([], "", ("X-A", "1"), 202), 202, {"X-A": "1"}),
        (({"a": 1}, 202, {"X-A": "1"}), 202, {"X-A": "1"}),
    ],
)
def test_json_dumps_of_the_application_encodes_answers(
    app, client, value, status, headers
):
    app.json_dumps = own_dumps
    app.set_route("/", lambda req: value)
    answer = client.get("/")
    data = value[0] if isinstance(value, tuple) else value
    assert answer.text == own_dumps(data)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert dict(answer.headers.items()).items() >= headers.items()
    app.json_dumps = None
    assert client.get("/").json == data


def test_json_dumps_leaves_other_values_alone(app, client):
    app.json_dumps = own_dumps
    app.set_route("/", lambda req: "text")
    app.set_route("/b", lambda req: [b"bytes"])
    app.set_route("/n", lambda req: None)
    assert client.get("/").text == "text"
    assert client.get("/b").data == b"bytes"
    assert client.get("/n").status_code == 204


def test_json_dumps_that_fails_is_a_500(app, client):
    app.json_dumps = raising(TypeError("x"))
    app.set_route("/", lambda req: {})
    assert client.get("/").status_code == 500


def test_json_loads_of_the_application_decodes_bodies(app, client):
    app.json_loads = lambda raw: {"own": raw.decode()}
    app.set_route("/", lambda req: req.json, METHOD_POST)
    assert client.post("/", json=[1]).json == {"own": "[1]"}


# -- profiling -------------------------------------------------------------


@pytest.fixture
def profile(monkeypatch):
    """A double of cProfile.runctx; its list of file names."""
    names = []

    def runctx(statement, globals_, locals_, filename=None):
        names.append(filename)
        exec(statement, globals_, locals_)

    runctx.names = names
    monkeypatch.setattr(wsgi, "time", lambda: 5.5)
    return runctx


def test_each_request_is_profiled_to_a_file_of_its_own(app, client, profile):
    app.set_route("/a/b", facts)
    app.set_profile(profile, "/tmp/log")
    app.set_profile(profile, "log")  # a second time changes the name, no more
    assert client.get("/a/b").text == "/a/b facts"
    assert profile.names == ["log_GET_a_b.5.5.profile"]
    app.del_profile()
    assert client.get("/a/b").text == "/a/b facts"
    assert len(profile.names) == 1


def test_profiling_may_be_switched_off_before_it_was_on(app, client):
    app.set_route("/", facts)
    app.del_profile()
    assert client.get("/").status_code == 200


def test_errors_pass_the_profiler(app, client, profile):
    app.set_route("/", raising(AppError()))
    app.set_profile(profile, "log")
    assert client.get("/").status_code == 500


def test_an_exit_passes_the_profiler_that_swallows_it(app, profile):
    """cProfile.runctx ends SystemExit quietly."""

    def runctx(*args, **kwargs):
        with suppress(SystemExit):
            profile(*args, **kwargs)

    app.set_route("/", raising(SystemExit(3)))
    app.set_profile(runctx, "log")
    with pytest.raises(SystemExit):
        call(app)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/" + "x" * 500, "/a\0b", "/ž"])
def test_names_of_profiles_are_safe_and_bounded(app, profile, path):
    app.set_profile(profile, "dir/log")
    call(app, PATH_INFO=path.encode().decode("latin-1"))
    (name,) = profile.names
    assert Path(name).parent == Path("dir")
    assert len(name) < 150
    assert name.isascii()
    assert name.isprintable()


def test_the_original_walk_can_be_called_by_name(app, profile):
    app.set_route("/", lambda req: "x")
    app.set_profile(profile, "log")
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    assert list(app.__original_request__(dict(environ), lambda *_: None)) == [b"x"]
    assert profile.names == []
    assert list(app.__profile_request__(dict(environ), lambda *_: None)) == [b"x"]
    assert len(profile.names) == 1


# -- the rest --------------------------------------------------------------


def test_options_are_variables_of_the_process(monkeypatch):
    monkeypatch.setenv("app_Name", " joe ")
    monkeypatch.setenv("APP_LEVEL", "5")
    monkeypatch.setenv("myapp_x", "1")
    options = Application.get_options()
    assert (options["name"], options["level"]) == ("joe", "5")
    assert "x" not in options


def test_digest_algorithms_are_in_the_module():
    assert {"MD5", "MD5-sess", "SHA-256", "SHA-256-sess"} <= set(
        wsgi.AUTH_DIGEST_ALGORITHMS
    )
    with pytest.raises(AttributeError):
        wsgi.NO_SUCH_NAME  # noqa: B018


def test_a_response_is_answered_by_no_content(app, client):
    app.set_route("/", lambda req: NoContentResponse({"X-A": "1"}))
    answer = client.get("/")
    assert (answer.status_code, dict(answer.headers.items())) == (204, {"X-A": "1"})


def test_threads_get_their_own_answers(app):
    app.set_route(
        "/<x:int>", lambda req, x: f"{x} {req.args['q']} {req.path_args['x']}"
    )
    wrong = []

    def ask(number):
        for i in range(100):
            n = number * 1000 + i
            body = call(app, PATH_INFO=f"/{n}", QUERY_STRING=f"q={n}")[2]
            if body.decode() != f"{n} {n} {n}":
                wrong.append((n, body))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- wrong use that shows at once


def test_an_error_handler_of_a_status_is_refused(app):
    """It would only fail while another error is handled."""
    with pytest.raises(TypeError, match="http_state takes a status"):
        app.set_error_handler(404, print)
    with pytest.raises(TypeError, match="http_state takes a status"):
        RouteGroup("/x").error_handler(404)
    assert app.errors == {}


@pytest.mark.parametrize("value", [KeyError, "not found", None])
def test_a_state_handler_of_no_status_is_refused(app, value):
    """The message says where exceptions go."""
    with pytest.raises((TypeError, ValueError), match="error_handler takes a type"):
        app.set_http_state(value, print)
    assert app.states == {}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("default", "with parentheses"),
        ("http_state", "takes a status such as 404, not <function"),
        ("error_handler", "takes a type of exceptions, not <function"),
    ],
)
def test_other_decorators_without_parentheses_are_refused(app, name, message):
    """Nothing would have been registered, without a word."""
    with pytest.raises(TypeError, match=message):

        @getattr(app, name)
        def handler(req):
            return ""


def test_a_route_decorator_without_parentheses_is_refused(app):
    """The handler would be lost without a word."""
    with pytest.raises(TypeError, match="a route needs a rule"):

        @app.get
        def handler(req):
            return ""


@pytest.mark.parametrize(
    ("rule", "warned"),
    [("hello", True), ("<name>", True), ("/hello", False), ("*", False)],
)
def test_a_rule_without_a_slash_is_warned_of(app, caplog, rule, warned):
    """No path can match it."""
    app.set_route(rule, lambda req, *args: "")
    assert ("starts with a slash" in caplog.text) is warned


def test_an_unknown_filter_names_the_known_ones(app):
    """So that nobody has to look them up."""
    with pytest.raises(RuntimeError, match=r"':integer' in '/<.*>'; there are .*:int"):
        app.set_route("/<id:integer>", lambda req, id: "")


@pytest.mark.parametrize("environ", [{"HTTP_HOST": ""}, {"HTTP_HOST": None}, {}])
def test_an_empty_host_is_none(app, environ):
    """HTTP/1.0 has no Host; some servers hand over an empty one then."""
    app.set_route("/", lambda req: req.hostname)
    answers = []
    base = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "here"}
    body = app({**base, **environ}, lambda *answer: answers.append(answer))
    assert answers[0][0] == "200 OK"
    assert b"".join(body) == b"here"
