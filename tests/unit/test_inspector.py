"""An application as plain data, which route is whose, and what is masked."""

import dataclasses
import doctest
import functools
import importlib
import json
import logging
import sys
from types import SimpleNamespace

import pytest

from poorwsgi import Application, state
from poorwsgi.config import Settings
from poorwsgi.inspector import (
    Mask,
    as_data,
    explain,
    inspect_application,
    loggers,
    masked,
    options_of,
    server_facts,
)
from poorwsgi.routing import RouteGroup


@pytest.fixture
def app(request):
    return Application(request.node.nodeid)


@pytest.mark.parametrize(
    "name", ["checks", "inspector", "logs", "profiling", "testing"]
)
def test_examples_of_a_module_give_what_it_says(name):
    assert doctest.testmod(importlib.import_module(f"poorwsgi.{name}")).failed == 0


def handler(req, *values):
    """Say what it does.

    And more.
    """
    return ""


def line_of(fun):
    return fun.__code__.co_firstlineno


# -- the data


def test_routes_are_told_with_handler_place_and_hooks(app):
    """Static ones by path, then those that are tried in turn, in that order."""

    def before(req):
        return None

    app.set_route("/static", handler)
    app.set_route("/<a>/<b:int>", handler, state.METHOD_ALL, "pair")
    app.set_regular_route("/r[0-9]+", handler)
    group = app.group("/api")
    group.before_response()(before)
    group.get("/item/<id:int>")(functools.partial(handler))
    app.mount("/inner", Application(f"{app.name} inner"))
    routes = inspect_application(app).routes
    assert [(route.rule, route.kind, route.order) for route in routes] == [
        ("/static", "static", 0),
        ("/<a>/<b:int>", "rule", 1),
        ("/r[0-9]+", "regex", 2),
        ("/api/item/<id:int>", "rule", 3),
        ("/inner/*", "mount", 4),
    ]
    static, pair, _, item, inner = routes
    assert static.methods == ("HEAD", "GET")
    assert (static.handler.file, static.handler.line) == (
        sys.modules[__name__].__file__.removeprefix(f"{__import__('os').getcwd()}/"),
        line_of(handler),
    )
    assert static.handler.doc == "Say what it does.\n\nAnd more."
    assert static.handler.title == f"{__name__}.handler(req)"
    assert (pair.name, pair.methods) == ("pair", ("ALL",))
    assert pair.regex == "/(?P<a>[^/]+)/(?P<b>(?a:-?\\d+))$"
    assert item.groups == ("/api",)
    assert [(h.kind, h.handler.name, h.group) for h in item.hooks] == [
        ("before", "before", "/api")
    ]
    assert inner.mount == f"{app.name} inner"


def test_the_hooks_of_a_route_are_in_the_order_they_run(app):
    """Those of the application are outside, of groups from outside in."""

    def named(name):
        def hook(req, response=None):
            return response

        hook.__name__ = name
        return hook

    app.add_before_response(named("b0"))
    app.add_after_response(named("a0"))
    outer, inner = app.group("/out"), RouteGroup("/in")
    for number, group in enumerate((outer, inner), 1):
        group.before_response()(named(f"b{number}"))
        group.after_response()(named(f"a{number}"))
    inner.get("/x")(handler)
    outer.add_group(inner)
    (route,) = inspect_application(app).routes
    names = [hook.handler.name for hook in route.hooks]
    assert names == ["b0", "b1", "b2", "a2", "a1", "a0"]


def test_everything_else_is_told_too(app):
    app.set_default(handler)
    app.set_http_state(418, handler)
    app.set_error_handler(KeyError, handler)
    app.add_before_response(handler)
    app.add_after_response(handler)
    app.set_filter("two", "[a-z]{2}")
    info = inspect_application(app)
    assert (info.name, info.debug, info.environ) == (app.name, False, ())
    assert info.defaults[0].methods == ("HEAD", "GET")
    own = [one for one in info.states if not one.is_default]
    assert [(one.key, one.handler.name) for one in own] == [("418", "handler")]
    assert "404" in {one.key for one in info.states if one.is_default}
    assert [one.key for one in info.errors] == ["KeyError"]
    assert [hook.kind for hook in info.hooks] == ["before", "after"]
    assert (":two", "[a-z]{2}", "str") in [
        dataclasses.astuple(one) for one in info.filters
    ]


def test_it_is_frozen_and_json(app):
    """Nobody changes it by mistake, and every view can send it."""
    app.set_route("/<a>", handler)
    info = inspect_application(app, {"wsgi.input": object(), "X": "1"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        info.name = "other"
    data = json.loads(json.dumps(as_data(info)))
    assert data["routes"][0]["handler"]["title"] == f"{__name__}.handler(req)"


def test_options_have_a_source(app, monkeypatch):
    """Default, property, or the variable of the server that has the last word."""
    app.data_size = 10
    app.debug = True
    options = {
        one.name: one for one in inspect_application(app, {"poor_Debug": "off"}).options
    }
    assert set(options) == set(options_of(Application)) > set(options_of(Settings))
    assert (options["data_size"].value, options["data_size"].source) == (
        "10",
        "property",
    )
    assert options["auto_form"].source == "default"
    assert (options["debug"].value, options["debug"].source) == ("off", "poor_Debug")
    assert options["read_timeout"].doc.startswith("Seconds without")
    monkeypatch.setenv("poor_DocumentRoot", "/srv")
    options = {one.name: one for one in inspect_application(app).options}
    assert options["document_root"].source == "poor_DocumentRoot"


def test_app_variables_come_from_where_the_application_reads_them(app, monkeypatch):
    monkeypatch.setenv("app_one", "1")
    monkeypatch.setenv("APP_PASSWORD", "x")
    found = {v.name: v.value for v in inspect_application(app, {"app_two": "2"})
             .app_variables}  # fmt: skip
    assert (found["app_one"], found["APP_PASSWORD"], found["app_two"]) == (
        "1",
        "*****",
        "2",
    )


# -- masks


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("poor_SecretKey", "s", "*****"),
        ("HTTP_AUTHORIZATION", "Basic eDp5", "*****"),
        ("Cookie", "SESSID=1", "*****"),
        ("HTTP_X_API_KEY", "1", "*****"),
        ("app_db_password", "1", "*****"),
        ("HTTP_X_CSRF_TOKEN", "1", "*****"),
        ("DATABASE_URL", "pg://user:pw@host/db", "pg://user:*****@host/db"),
        ("QUERY_STRING", "a=1&api_key=2&b=3", "a=1&api_key=*****&b=3"),
        ("X-Any", "Bearer abc.def", "Bearer *****"),
        ("note", "eyJhbGciOi.eyJzdWIi.sig", "*****"),
        ("file", "-----BEGIN RSA PRIVATE KEY-----\nMII", "*****"),
        ("note", "AKIAIOSFODNN7EXAMPLE here", "***** here"),
        ("auth_type", "Digest", "Digest"),
        ("HTTP_HOST", "a:80", "a:80"),
        ("X", "y" * 5000, "y" * 2000),
        ("N", 5, "5"),
    ],
)
def test_secrets_are_masked(name, value, expected):
    """By name, and by what they look like wherever they stand."""
    assert masked(name, value) == expected


def test_the_secrets_of_an_application_are_masked_everywhere(app):
    """Its key, all of a list of keys, as text or bytes."""
    app.secret_key = ["first-key", b"zweiter\xffkey"]
    environ = {
        "X": "a first-key b",
        "Y": repr(b"zweiter\xffkey"),
        "poor_Z": "third-key",
    }
    environ["poor_SecretKey"] = "third-key"
    text = json.dumps(as_data(inspect_application(app, environ)))
    for secret in ("first-key", "zweiter", "third-key"):
        assert secret not in text


def test_a_short_secret_does_not_tear_words_apart():
    assert Mask(["abc"])("x", "abcde") == "abcde"


def test_masking_survives_objects_of_others():
    """An object in the environ whose text cannot be made breaks nothing."""

    class Broken:
        def __str__(self):
            raise OSError("broken")

    assert masked("x", Broken()) == "<Broken: OSError>"


# -- which route is it?


@pytest.fixture
def routes(app):
    app.set_route("/", handler)
    app.set_route("/item", handler, "POST")
    app.set_route("/item/<id:int>", handler)
    app.set_route("/item/<name:word>", handler)
    app.set_route("/item/<id:int>/edit", handler, "GET")
    app.set_filter("even", r"\d+", lambda text: 1 // (1 - int(text) % 2))
    app.set_route("/even/<n:even>", handler)
    app.set_regular_route("/re(gex)?", handler)
    return app


@pytest.mark.parametrize(
    ("method", "url", "outcome", "status"),
    [
        ("GET", "/", "route /", 0),
        ("HEAD", "/item/5", "route /item/<id:int>", 0),
        ("get", "/item/5?x=1", "route /item/<id:int>", 0),
        ("GET", "/item/x", "route /item/<name:word>", 0),
        ("GET", "http://any/item/%C3%A9", "route /item/<name:word>", 0),
        ("GET", "/item", "405, the path has POST", 405),
        ("DELETE", "/item/5", "405, the path has GET, HEAD", 405),
        ("OPTIONS", "/item", "204 with Allow: POST", 204),
        ("GET", "/nothing", "404, no route has this path", 404),
        ("GET", "/even/3", "404, no route has this path", 404),
        ("PURGE", "/", "PURGE is no method of HTTP that is known: 501", 501),
    ],
)
def test_what_comes_of_a_request(routes, method, url, outcome, status):
    found = explain(routes, method, url)
    assert (found.outcome, found.status) == (outcome, status)
    assert sum(one.matches for one in found.routes) == outcome.startswith("route")


@pytest.mark.parametrize(
    ("method", "url", "rule", "reason"),
    [
        ("GET", "/x", "/", "segment 1 is 'x', not ''"),
        ("GET", "/item/5", "/item", "the path goes on with '/5'"),
        ("GET", "/item", "/item", "the path fits, but GET is not among POST"),
        ("GET", "/item/5", "/item/<id:int>", "matches"),
        (
            "GET",
            "/item/5",
            "/item/<name:word>",
            "would match, but '/item/<id:int>' comes first",
        ),
        (
            "GET",
            "/item/x",
            "/item/<id:int>",
            "'x' does not fit <id:int>, which takes -?\\d+",
        ),
        ("GET", "/item/5/x", "/item/<id:int>", "the path goes on with '/x'"),
        (
            "GET",
            "/item/5/x",
            "/item/<id:int>/edit",
            "'/x' does not start with '/edit'",
        ),
        (
            "GET",
            "/item/5",
            "/item/<id:int>/edit",
            "the path ends where the rule goes on with '/edit'",
        ),
        (
            "GET",
            "/even/3",
            "/even/<n:even>",
            "<lambda>() refuses '3': integer division or modulo by zero",
        ),
        ("GET", "/x", "/re(gex)?", "the path does not fit /re(gex)?"),
    ],
)
def test_why_a_route_does_not_answer(routes, method, url, rule, reason):
    reasons = {one.rule: one.reason for one in explain(routes, method, url).routes}
    assert reasons[rule] == reason


def test_the_values_of_a_match_are_shown(routes):
    found = explain(routes, "GET", "/item/5")
    assert [(one.name, one.value) for one in found.arguments] == [("id", "5")]
    assert found.handler.name == "handler"


def test_what_is_left_to_other_steps(routes, tmp_path):
    routes.set_default(handler, "PUT")
    assert explain(routes, "PUT", "/x").outcome == "default handler handler"
    assert explain(routes, "PUT", "/x").handler.name == "handler"
    routes.debug = True
    assert explain(routes, "GET", "/debug-info").status == 200
    routes.document_root = str(tmp_path)
    assert explain(routes, "GET", "/x").outcome.startswith("a file below")


def test_it_says_what_the_application_does(routes, app):
    """The explanation is compared with real answers."""
    from poorwsgi.testing import TestClient

    client = TestClient(app)
    for path in ("/", "/item", "/item/5", "/item/x", "/item/5/edit", "/even/2", "/no"):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            answer = client.request(method, path)
            found = explain(app, method, path)
            if found.status:
                assert answer.status_code == found.status, (method, path)
            else:
                assert answer.status_code in (200, 204), (method, path)


# -- server and loggers


def test_the_server_is_told(app):
    facts = dict(server_facts({"wsgi.multithread": True, "SERVER_SOFTWARE": "x/1"}))
    assert facts["server software"] == "x/1"
    assert facts["multithread"] is True


def test_workers_caches_and_locks_of_uwsgi(monkeypatch):
    """As the module uwsgi tells them, bytes and all."""
    worker = {"id": 1, "pid": 7, "requests": 5, "exceptions": 0, "avg_rt": 1500}
    uwsgi = SimpleNamespace(
        version=b"2.0",
        opt={"cache2": [b"name=pages,items=10"], "locks": b"1", "processes": b"2"},
        workers=lambda: ({**worker, "status": b"idle"},),
        masterpid=lambda: 6,
        total_requests=lambda: 5,
        cache_keys=lambda name: ["a", "b"] if name == "pages" else None,
        is_locked=lambda number: number == 1,
    )
    monkeypatch.setitem(sys.modules, "uwsgi", uwsgi)
    facts = dict(server_facts({"uwsgi.version": b"2.0"}))
    assert facts["server software"] == "uWSGI"
    assert facts["uWSGI worker 1"] == (
        "idle, pid 7, 5 requests, 0 exceptions, 1.5 ms on average"
    )
    assert facts["uWSGI cache pages"] == "2 keys"
    assert (facts["uWSGI lock 0"], facts["uWSGI lock 1"]) == ("free", "held")
    assert facts["uWSGI option processes"] == "2"


def test_loggers_have_a_level_of_their_own_and_one_in_effect():
    logging.getLogger("inspector.test").setLevel(logging.ERROR)
    found = {one.name: one for one in loggers()}
    assert found["inspector.test"].level == "ERROR"
    assert found["root"].effective
