"""What the walk does a fast way agrees with the plain way of the same thing."""

import re
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application
from poorwsgi.request import Request
from poorwsgi.response import (
    HTTPException,
    JSONResponse,
    Response,
    abort,
    make_response,
    text_answer,
    to_response,
)
from poorwsgi.results import default_states
from poorwsgi.state import METHOD_GET
from poorwsgi.testing import TestClient


@pytest.fixture
def app(request):
    return Application(request.node.nodeid)


def answer(app, path="/", method="GET", walk=Application.__call__, **environ):
    """Return status, headers and body of one call, as the server gets them."""
    environ = {**TestClient(app).environ(method, path), **environ}
    started = []
    body = walk(app, environ, lambda *args: started.append(args))
    return *started[0], b"".join(body)


# -- the request ---------------------------------------------------------------


def state_of(req):
    return {name: value for name, value in vars(req).items() if name[:4] != "_uri"}


def test_a_request_of_the_walk_is_one_that_was_called_for(app):
    """Of the same class, with the same attributes."""
    seen = []
    app.set_route("/", lambda req: seen.append(req) or "x")
    answer(app)
    plain = Request(seen[0]._environ, app)
    assert type(seen[0]) is Request
    assert state_of(seen[0]) == state_of(plain)


class Initialised(Request):
    def __init__(self, environ, app):
        super().__init__(environ, app)
        self.made_by = "__init__"


class New(Request):
    def __new__(cls, *_):
        req = super().__new__(cls)
        req.made_by = "__new__"
        return req


class Meta(type):
    def __call__(cls, *args):
        req = super().__call__(*args)
        req.made_by = "__call__"
        return req


class Called(Request, metaclass=Meta):
    pass


@pytest.mark.parametrize(
    ("kind", "maker"),
    [(Initialised, "__init__"), (New, "__new__"), (Called, "__call__")],
)
def test_a_class_of_requests_that_makes_its_own_is_called(app, kind, maker):
    """Also when it is set after the first request."""
    app.set_route("/", lambda req: getattr(req, "made_by", "nobody"))
    assert answer(app)[2] == b"nobody"
    app.request_class = kind
    assert answer(app)[2] == maker.encode()
    app.request_class = type("Plain", (Request,), {})
    assert answer(app)[2] == b"nobody"


# -- routes ----------------------------------------------------------------------


def plain_find(router, path, method):
    """Return what `Router.find` does: by each regular expression, one by one."""
    for route in router.regular_routes():
        match = route.match(path)
        endpoint = route.by_name.get(method)
        if match is not None and endpoint is not None:
            try:
                return endpoint, list(endpoint.values(match))
            except ValueError:
                pass  # a value that the converter refuses: the next one
    return None, None


LITERALS = ["user", "a.b", "", "1", "\u017e"]
GROUPS = ["<a>", "<a:int>", "<a:word>", "<a:float>", "<a:hex>", "<a:path>", "x<a>"]
TEXTS = [
    *LITERALS,
    *("42", "-1", "-", "--1", "-0007", "1.5", "ab_1", "_", "a b", "a-b", "xy", "x"),
    *(
        "42\n",
        "\n",
        "user\n",
        " 1",
        "+1",
        "1_0",
        "\u00b2",
        "\u0663",
        "-\u0663",
        "\u2167",
    ),
    *("\u017elu\u0165", "a\u0301", "\U0001d7d9", "9" * 5000),
]


@st.composite
def segmented_rules(draw):
    segments = draw(
        st.lists(st.sampled_from(LITERALS + GROUPS), min_size=1, max_size=4)
    )
    names = iter("abcd")
    rule = "/" + "/".join(text.replace("<a", f"<{next(names)}") for text in segments)
    return rule if "<" in rule else rule + "/<z>"


def path_like(rule, texts):
    """Return a path that nearly fits a rule: texts for its groups."""
    return re.sub("<[^>]*>", lambda _: texts.pop(), rule)


odd_texts = st.lists(st.sampled_from(TEXTS), min_size=5, max_size=5)
odd_paths = odd_texts.map("/".join).map("/".__add__)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(segmented_rules(), min_size=1, max_size=6, unique=True),
    st.lists(odd_texts, max_size=5),
    st.lists(st.one_of(odd_paths, st.sampled_from(["", "*", "user/1"])), max_size=3),
)
def test_a_route_is_found_as_by_its_regular_expression(rules, odd, asked):
    """The same endpoint with the same values, whatever the digits and line ends."""
    app = Application(f"routes-{threading.get_ident()}")
    asked += [path_like(rule, texts[:]) for rule in rules for texts in odd]
    try:
        for number, rule in enumerate(rules):
            app.set_route(rule, lambda req, *args: "x", "POST" if number % 3 else "GET")
        for path in asked:
            for method in ("GET", "POST"):
                endpoint, values, match = app._router.find(path, method)
                plain, expected = plain_find(app._router, path, method)
                assert endpoint is plain
                if plain is not None:
                    assert list(values) == expected
                    names = endpoint.arguments(values, match)
                    assert list(names.values()) == expected
    finally:
        app.release()


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_handler_gets_so_many_arguments(app, count):
    """Also the numbers of arguments that are written out."""
    rule = "".join(f"/<a{n}:int>" for n in range(count)) or "/"
    app.set_route(rule, lambda req, *args: repr((args, req.path_args)))
    args = tuple(range(count))
    expected = repr((args, {f"a{n}": n for n in args}))
    assert answer(app, "".join(f"/{n}" for n in args) or "/")[2].decode() == expected


# -- texts ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1022, 1023, 1024, 5000])
@pytest.mark.parametrize("letter", ["x", "ž"])
def test_a_text_is_answered_as_text_answer_does(app, size, letter):
    """Short and long, ASCII or not."""
    app.set_route("/", lambda req: letter * size)
    assert answer(app) == text_answer(letter * size)


def test_a_text_that_is_no_utf_8_is_an_error(app, caplog):
    """It is no UnicodeError of the handler, as `text_answer` tells."""
    app.set_error_handler(UnicodeError, lambda req, err: "mine")
    app.set_route("/", lambda req: "\ud800")
    assert answer(app)[0] == "500 Internal Server Error"


# -- hooks and responses ---------------------------------------------------------


def plain_request(app, env, start_response):
    """Walk a request step by step, as it is told in the documentation."""
    req = Request(env, app)
    try:
        app.check_head(req)
        value = app.handler_from_table(req)
        response = app.to_response(value)
    except Exception as err:
        response = app.response_for_error(req, err)
    return app.send_response(req, app.apply_after(req, response), start_response)


def partial(text):
    response = Response(text)
    response.make_partial([(1, 2)])
    return response


def with_type(content_type):
    response = Response("text")
    response.content_type = content_type
    return response


def fail(*_):
    raise ValueError("nobody expects it")


VALUES = {
    "text": lambda: "text",
    "long": lambda: "\u017e" * 2000,
    "no UTF-8": lambda: "\ud800",
    "bytes": lambda: b"bytes",
    "dict": lambda: {"a": 1},
    "None": lambda: None,
    "tuple": lambda: ("text", 201),
    "number": lambda: 7,
    "response": lambda: Response("text"),
    "headers": lambda: Response("text", headers={"X-One": "1"}),
    "204": lambda: Response("text", status_code=204),
    "404": lambda: Response("text", status_code=404),
    "JSON": lambda: JSONResponse(a=1),
    "partial": lambda: partial("text"),
    "no type": lambda: with_type(""),
    "evil type": lambda: with_type("text/plain\r\nX: 1"),
    "error": fail,
    "abort": lambda: abort(403),
}


def renamed(req, response):
    response.add_header("X-Two", "2")
    response.status_code = 202
    return response


HOOKS = {
    "none": [],
    "same": [lambda req, response: response],
    "header": [renamed],
    "table": [renamed, lambda req, response: response.headers and response],
    "text": [lambda req, response: "mine", renamed],
    "nothing": [lambda req, response: None],
    "unusable": [lambda req, response: 7, renamed],
    "error": [fail, renamed],
    "cookie": [lambda req, response: response.set_cookie("a", "b") or response],
}


@pytest.mark.parametrize("hooks", HOOKS)
@pytest.mark.parametrize("name", VALUES)
def test_the_walk_answers_as_its_steps_do(app, name, hooks):
    """Whatever handlers and hooks return, for GET and for HEAD."""
    app.set_route("/", lambda req: VALUES[name]())
    for hook in HOOKS[hooks]:
        app.add_after_response(hook)
    for method in ("GET", "HEAD", "POST"):
        walked = answer(app, method=method)
        plain = answer(app, method=method, walk=plain_request)
        # The page of 500 has a random id.
        ids = re.compile(rb"[0-9a-f]{8}\b")
        assert walked[:2] == plain[:2]
        assert ids.sub(b"", walked[2]) == ids.sub(b"", plain[2])


@pytest.mark.parametrize("value", ["", "text", "\u017elu\u0165", "x" * 3000])
def test_the_response_of_a_text_is_that_of_a_call(app, value):
    """Made without a call of the class, it has and answers the same."""
    fast, plain = to_response(value), Response(value)
    assert type(fast) is Response
    for name in ("data", "content_type", "status_code", "ranges", "content_length"):
        assert getattr(fast, name) == getattr(plain, name)
    assert fast._answer() == plain._answer()
    assert list(fast.headers) == list(plain.headers)
    assert fast._answer() is plain._answer() is None


class Seams(Application):
    """An application with a word in when hooks are run."""

    def handler_from_before(self, req):
        super().handler_from_before(req)
        req.seen.append("all")

    def apply_after(self, req, response):
        req.seen.append("answered")
        return super().apply_after(req, response)


def test_methods_that_run_hooks_may_be_replaced(request):
    """In a subclass and in an instance, before and after hooks are added."""
    app = Seams(request.node.nodeid)
    seen = []

    def before(req):
        req.seen = seen
        seen.append("before")

    def after(req, response):
        seen.append("after")
        return response

    app.add_before_response(before)
    app.add_after_response(after)
    app.set_route("/", lambda req: "x")
    app.set_route("/<a>", lambda req, a: "x")
    for path in ("/", "/a"):
        seen.clear()
        assert answer(app, path)[2] == b"x"
        assert seen == ["before", "all", "answered", "after"]


def test_an_attribute_of_a_request_may_be_a_property(app):
    """No setter of it is called before there is a request."""

    class Mine(Request):
        @property
        def user(self):
            return "joe"

        @user.setter
        def user(self, value):
            raise AssertionError

    app.request_class = Mine
    app.set_route("/", lambda req: req.user)
    assert answer(app)[2] == b"joe"


# -- the page of 404 -------------------------------------------------------------

PATHS = ["/none", "/", "/a&b", "/\"<script>'", "/ž".encode().decode("latin-1"), "*", ""]
ENVIRONS = [
    {},
    {"HTTP_HOST": "a.example:81"},
    {"HTTP_HOST": ""},
    {"SERVER_ADMIN": "me&you@example.org"},
    {"HTTP_ACCEPT": "application/json"},
    {"HTTP_ACCEPT": "Application/Json"},
    {"HTTP_ACCEPT": "application/json;q=0.1, text/html"},
    {"poor_DocumentRoot": "/nowhere"},
    {"REQUEST_METHOD": "POST"},
    {"REQUEST_METHOD": "HEAD"},
    {"REQUEST_METHOD": "OPTIONS"},
    {"REQUEST_METHOD": "BREW"},
]


class Asked(Application):
    """An application that is asked what a 404 is."""

    def state_from_table(self, req, status_code, **kwargs):
        return super().state_from_table(req, status_code, **kwargs)


@pytest.fixture
def asked(request):
    return Asked(request.node.nodeid + "asked")


@pytest.mark.parametrize("environ", ENVIRONS, ids=str)
@pytest.mark.parametrize("path", PATHS)
def test_a_404_that_nobody_has_a_word_in_is_the_one_of_all(app, asked, path, environ):
    """The first, which loads the page, and the next ones, of the same host or not."""
    for host in ("localhost", "localhost", "other.example"):
        environ = {"HTTP_HOST": host, **environ, "PATH_INFO": path}
        assert answer(app, **environ) == answer(asked, **environ)
    assert app._is_plain_404
    assert not asked._is_plain_404


def test_a_hook_may_be_added_while_a_404_is_answered(app):
    """It may see the answer or not, but there is one."""
    answer(app, "/none")
    seen = []
    find = app._router.find

    def find_slowly(path, method):
        if not app.after:
            app.handler_from_rest = handler_from_rest
        return find(path, method)

    def handler_from_rest(*args):
        value = Application.handler_from_rest(app, *args)
        app.add_after_response(lambda req, res: seen.append(res.status_code) or res)
        return value

    app._router.find = find_slowly
    status, _, body = answer(app, "/none")
    assert (status, seen) == ("404 Not Found", [404])
    assert b"/none" in body


def test_ends_of_pages_are_remembered_for_so_many_hosts(app):
    """A client can not fill the memory with hosts."""
    app._page_ends = {str(n): b"" for n in range(999)}
    for n in range(3):
        assert answer(app, HTTP_HOST=f"h{n}.example")[0] == "404 Not Found"
    assert len(app._page_ends) == 1000


def word_of(app, **environ):
    """Return the body of a 404 after one that took the short way."""
    return answer(app, "/none", **environ)[2]


def changes(monkeypatch, tmp_path):
    """Yield what may change between two requests, and how to undo it."""
    (tmp_path / "none").write_text("mine")

    def mine(req, *_):
        return "mine"

    def hook(req, res):
        return "mine"

    def abort(req):
        raise HTTPException(make_response("mine"))

    def page(req, error=None):
        return make_response("mine")

    yield lambda a: a.set_default(mine), lambda a: a.pop_default(METHOD_GET)
    yield (
        lambda a: a.set_http_state(404, mine),
        lambda a: a.pop_http_state(404, METHOD_GET),
    )
    yield lambda a: a.add_after_response(hook), lambda a: a.pop_after_response(hook)
    yield lambda a: a.add_before_response(abort), lambda a: a.pop_before_response(abort)
    yield (
        lambda a: setattr(a, "document_root", str(tmp_path)),
        lambda a: setattr(a, "document_root", ""),
    )
    yield (
        lambda a: a.set_route("/none", mine, METHOD_GET),
        lambda a: a.pop_route("/none", METHOD_GET),
    )
    yield (
        lambda a: monkeypatch.setenv("poor_DocumentRoot", str(tmp_path)),
        lambda a: monkeypatch.delenv("poor_DocumentRoot"),
    )
    yield (
        lambda a: monkeypatch.setitem(default_states[404], METHOD_GET, page),
        lambda a: monkeypatch.undo(),
    )
    yield (
        lambda a: monkeypatch.setitem(default_states, 404, {METHOD_GET: page}),
        lambda a: monkeypatch.undo(),
    )


def test_what_changes_between_two_requests_has_a_word_in_a_404(
    app, monkeypatch, tmp_path
):
    """Handlers, hooks, options, variables of the process, the table of all pages."""
    environ = {"uwsgi.version": b"2"}  # variables of the process count there
    plain = word_of(app, **environ)
    assert b"Page Not Found" in plain
    for change, undo in changes(monkeypatch, tmp_path):
        change(app)
        assert word_of(app, **environ) == b"mine"
        undo(app)
        assert word_of(app, **environ) == plain


def test_options_may_be_set_before_an_application_is_made(request, tmp_path):
    """In __init__ of a subclass; they count from the first request."""
    (tmp_path / "none").write_text("mine")

    class Early(Application):
        def __init__(self, name):
            self.document_root = str(tmp_path)
            super().__init__(name)

    app = Early(request.node.nodeid)
    assert answer(app, "/other")[0] == "404 Not Found"
    assert word_of(app) == b"mine"


def test_a_request_that_says_who_its_admin_is(app):
    """The page shows what a subclass of Request tells."""

    class Mine(Request):
        server_admin = "me"

    plain = word_of(app)
    app.request_class = Mine
    assert b"webmaster: me<" in word_of(app)
    app.request_class = Request
    assert word_of(app) == plain
