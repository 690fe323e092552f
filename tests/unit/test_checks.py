"""Wrong use of an application: each finding with its message, place and fix."""

import functools
import logging
import sys
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace

import pytest

from poorwsgi import Application, checks
from poorwsgi.checks import backtracks, check, is_public
from poorwsgi.digest import check_digest
from poorwsgi.signature import arity, call_fault, place_of, route_fault
from poorwsgi.typed import typed

HERE = __file__


@pytest.fixture
def app(request):
    return Application(request.node.nodeid)


@pytest.fixture(autouse=True)
def _own_command_line(monkeypatch):
    """What pytest was called with is no server."""
    monkeypatch.setattr(sys, "argv", ["app"])


def only(app, code):
    """Return the one finding there is; it names a line of this file."""
    (found,) = check(app, {})
    assert found.code == code
    assert found.fix
    if found.file:
        assert (found.file, found.line > 0) == (HERE, True)
        assert str(found).startswith(f"{HERE}:{found.line}: {found.level}: ")
    return found


def line_of(fun):
    return place_of(fun)[1]


def answer(req):
    return "x"


def other(req):
    return "y"


# -- routes and handlers


def test_a_sound_application_has_no_findings(app):
    """Nor has anything that the framework brings itself."""

    @app.before_response()
    def before(req):
        req.user = None

    @app.after_response()
    def after(req, response):
        return response

    @app.route("/user/<id:int>")
    def user(req, number, *, style="plain"):
        return str(number)

    app.set_route("/any/<a>/<b>", lambda req, *values: "")
    app.set_route("/partial/<a>", functools.partial(user, style="x"))
    app.set_http_state(404, lambda req, **kwargs: "none")
    app.set_error_handler(KeyError, lambda req, error: "key")
    app.set_default(answer)
    app.mount("/inner", lambda environ, start_response: [])
    group = app.group("/group")
    group.get("/<x>")(user)
    assert check(app, {}) == []


def test_a_handler_without_the_value_of_its_rule(app, caplog):
    """It is found, and it warns at once when it is registered."""
    app.set_route("/user/<id:int>", answer)
    found = only(app, "handler-signature")
    assert found.line == line_of(answer)
    assert found.message == (
        f"route '/user/<id:int>' ({HERE}:{line_of(answer)}) passes 1 path value but "
        "handler 'answer' takes none; add a parameter 'id'"
    )
    assert [r.getMessage() for r in caplog.records] == [found.message]
    assert caplog.records[0].levelno == logging.WARNING


def wants_the_unknown(req, value: "Unknown"):  # noqa: F821
    return "x"


def wants_a_number(req, value: Decimal):
    return "x"


@dataclass
class Price:
    amount: Decimal


def wants_a_price(req, price: Price):
    return "x"


@pytest.mark.parametrize(
    ("rule", "handler", "message"),
    [
        ("/a", wants_the_unknown, "'value': its annotation 'Unknown' is not known"),
        ("/a", wants_a_number, "parameter 'value': no text can be made to"),
        ("/a", wants_a_price, "parameter 'price': member 'amount': no JSON value"),
        ("/<a>", answer, "takes none; add a parameter 'a'"),
    ],
)
def test_a_typed_handler_that_can_not_be_filled(app, rule, handler, message):
    app.set_route(rule, typed(handler))
    found = only(app, "handler-signature")
    assert found.line == line_of(handler)
    assert message in found.message


@pytest.mark.parametrize(
    ("rule", "groups", "handler", "message"),
    [
        ("/a", [], lambda: "", "passes the request but handler '<lambda>' takes not"),
        ("/a", [], lambda: "", "takes nothing; add a parameter 'req'"),
        ("/a", [], lambda req, x: "", "wants 1; remove a parameter 'x', or add '<x>'"),
        ("/<a>/<b>", ["a", "b"], lambda req, a: "", "takes 1; add a parameter 'b'"),
        ("/<a>/<b>", ["a", "b"], lambda req: "", "none; add parameters 'a', 'b'"),
        ("/a", [], lambda req, *, x: "", "needs the keyword 'x'"),
        ("/a", [], "text", "has 'text' as handler, which can not be called"),
        ("/a", [], lambda req, *args, **kwargs: "", ""),
        ("/<a>", ["a"], lambda req, a, b=1: "", ""),
        ("/a", [], len, ""),
        ("/a", [], functools.partial(lambda one, req: "", 1), ""),
        ("/a", [], functools.partial(lambda req, one: "", one=1), ""),
    ],
)
def test_what_is_wrong_with_a_handler(rule, groups, handler, message):
    """Said in one line that ends with what to do."""
    fault = route_fault(rule, groups, handler)
    assert (message in fault) if message else fault == ""


@pytest.mark.parametrize(
    ("regex", "converters", "missing"),
    [
        ("/(a)/(?P<b>.)", (), "'group1', 'b'"),
        ("/(?P<a>a)/(?P<b>.)", [("b", str)], "'b'"),
        ("/(?:a)", (), ""),
    ],
)
def test_a_handler_of_a_regular_expression(app, caplog, regex, converters, missing):
    """It gets what has a converter, or without them all groups."""
    app.set_regular_route(regex, answer, converters=converters)
    if not missing:
        assert check(app, {}) == []
        return
    found = only(app, "handler-signature")
    assert found.message.endswith(f" {missing}")
    assert found.message in caplog.text


class Handlers:
    def method(self, req):
        return ""

    async def later(self, req):
        return ""

    def __call__(self, req, value):
        return ""

    def __init__(self, req=None):
        pass


@pytest.mark.parametrize(
    ("handler", "least", "most"),
    [
        (Handlers().method, 1, 1),
        (Handlers(), 2, 2),
        (Handlers, 0, 1),
        (Handlers.method, 2, 2),
    ],
)
def test_any_callable_is_counted(handler, least, most):
    """Methods, objects and classes as well as functions."""
    assert arity(handler)[:2] == (least, most)


def test_an_async_handler_is_refused_in_words(app):
    app.set_route("/later", Handlers().later)
    assert "is async, and nobody awaits it" in only(app, "handler-signature").message


@pytest.mark.parametrize(
    ("kind", "register", "message"),
    [
        ("state handler", "set_http_state", "write it as <lambda>(req)"),
        ("error handler", "set_error_handler", "write it as <lambda>(req, error)"),
    ],
)
def test_handlers_of_states_and_errors(app, caplog, kind, register, message):
    key = 404 if register == "set_http_state" else KeyError
    getattr(app, register)(key, lambda: "")
    found = only(app, "handler-signature")
    assert found.message.startswith(kind)
    assert message in found.message
    assert len(caplog.records) == 1


def test_a_default_handler_gets_the_request(app):
    app.set_default(lambda: "")
    assert "default handler" in only(app, "handler-signature").message


def test_a_second_handler_for_a_rule(app, caplog):
    """The first one is gone without a word in 2.8.1."""
    app.set_route("/twice", answer)
    app.set_route("/twice", answer)  # the same again is no mistake
    app.set_route("/twice", other, 4)  # nor is another method
    assert check(app, {}) == []
    app.set_route("/twice", other)
    found = only(app, "duplicate-route")
    assert found.message == (
        f"route '/twice' ({HERE}:{line_of(other)}) replaces handler 'answer' "
        f"({HERE}:{line_of(answer)}) for GET and HEAD; give one of them another rule "
        "or method, or pop_route() first"
    )
    assert found.message in caplog.text
    app.pop_route("/twice", 1)
    app.set_route("/<x>", lambda req, x: "1")
    app.set_route("/<x>", lambda req, x: "2")
    assert len(check(app, {})) == 2


@pytest.mark.parametrize(
    ("first", "second", "is_shadowed"),
    [
        ("/<name>", "/<id:int>", True),
        ("/x/<rest:path>", "/x/<a>/<b>", True),
        ("/x/<rest:re:.*>", "/x/<a>/edit", True),
        ("/<id:int>", "/<name>", False),
        ("/<a:word>", "/<b>", False),
        ("/x/<a>", "/y/<a>", False),
        ("/<a>/<b>", "/<a>", False),
        ("/<a:uuid>", "/<a:hex>", False),
    ],
)
def test_a_rule_that_nobody_reaches(app, first, second, is_shadowed):
    """All that it matches is taken by an earlier one."""

    def one(req, *values):
        return ""

    def two(req, *values):
        return ""

    app.set_route(first, one)
    app.set_route(second, two)
    if not is_shadowed:
        assert check(app, {}) == []
        return
    found = only(app, "shadowed-route")
    assert found.line == line_of(two)
    assert f"route {second!r} ({HERE}:{line_of(two)}) is never reached" in found.message
    assert f"{first!r} ({HERE}:{line_of(one)}) comes first" in found.message
    assert found.fix == "register the more special rule first"


def test_many_rules_are_not_all_compared(app, monkeypatch):
    """Or a page about 2,000 routes would take seconds."""
    compared = []
    monkeypatch.setattr(checks, "_taken_by", lambda route: compared.append(route))
    for number in range(50):
        app.set_route(f"/{number}/<x>/a", lambda req, x: "")
    assert check(app, {}) == []
    assert compared == []


def test_a_rule_for_another_method_is_not_in_the_way(app):
    app.set_route("/<name>", lambda req, name: "", 4)
    app.set_route("/<id:int>", lambda req, name: "")
    assert check(app, {}) == []


@pytest.mark.parametrize(
    ("regex", "fault"),
    [
        ("(a+)+", "is repeated"),
        ("(?:a*)*b", "is repeated"),
        (r"(\w+\s?)+", "is repeated"),
        ("([a-z]+)*", "is repeated"),
        ("(a|a)+", "branches that match the same"),
        ("(a|aa)+", "branches that match the same"),
        (r"(abx|a[bc]x)+y", "branches that match the same"),
        (r"\d+\d+", "beside each other"),
        (".*.*=", "beside each other"),
        ("a+", ""),
        (r"(\w+,)+", ""),
        (r"\w+(-\w+)*", ""),
        (r"(\d+\.)*\d+", ""),
        ("(a|b)+", ""),
        ("(a{1,3}){2}", ""),
        (r"[0-9]+-[0-9]+", ""),
        ("(?:x+y)+z", ""),
        ("(?:a+b*)+", "is repeated"),
        ("(?:[^/]+/?)+", "is repeated"),
        (r"(?:\D+|\S+)+", "branches that match the same"),
        ("a++a", ""),
        ("(?=a+)b", ""),
    ],
)
def test_regular_expressions_that_never_end(regex, fault):
    """And those that only look like it."""
    assert fault in backtracks(regex)
    assert bool(fault) == bool(backtracks(regex))


def test_a_rule_with_such_an_expression(app):
    app.set_route("/x/<a:re:(?:[a-z]+)+>", lambda req, a: "")
    found = only(app, "slow-regex")
    assert "a repetition is repeated" in found.message
    assert "take one repetition of a class" in found.fix


def test_a_rule_that_matches_no_long_path(app):
    """Its groups are not understood, and can take text from each other."""
    app.set_route("/<a:re:(x|a)+>-<b:re:(x|-)+>", lambda req, a, b: "")
    found = only(app, "long-path")
    assert "a path over 4096 characters is 404" in found.message
    assert "put something between the groups" in found.fix


@pytest.mark.parametrize(
    "rule",
    ["/<a>-<b>-<c>", "/<a><b>", "/<a:path>/<b:path>/<c:path>", "/<a:int><b:int>"],
)
def test_rules_whose_groups_are_understood_match_any_path(app, rule):
    app.set_route(rule, lambda req, *values: "")
    assert check(app, {}) == []


def test_our_own_filters_are_fast(app):
    for name in ("int", "float", "word", "hex", "uuid", "path"):
        app.set_route(f"/{name}/<value:{name}>/end", lambda req, value: "")
    assert check(app, {}) == []


# -- hooks


def test_an_after_hook_that_returns_nothing(app):
    """Each answer would be 204."""

    @app.after_response()
    def log_it(req, response):
        response.add_header("X", "1")

    found = only(app, "after-hook-returns")
    assert found.line == line_of(log_it)
    assert (
        f"after-hook 'log_it' ({HERE}:{line_of(log_it)}) returns not" in found.message
    )
    assert found.fix == "end it with: return response"


def test_after_hooks_that_return_or_never_end(app):
    """One return with a value is enough; who only raises returns nothing at all."""

    def sometimes(req, response):
        if req.path == "/":
            return response
        return None

    def never(req, response):
        raise KeyError

    app.add_after_response(sometimes)
    app.add_after_response(never)
    app.add_after_response(lambda req, response: response)
    assert check(app, {}) == []


@pytest.mark.parametrize("where", ["application", "group"])
def test_hooks_with_the_wrong_parameters(app, caplog, where):
    target = app
    if where == "group":
        target = app.group("/g")
        target.get("/x")(answer)
    target.after_response()(lambda response: response)
    found = only(app, "hook-signature")
    assert "gets 'req', 'response' but takes 1" in found.message
    assert bool(caplog.records) == (where == "application")


def test_a_before_hook_takes_the_request(app):
    app.add_before_response(lambda req, response: None)
    found = only(app, "hook-signature")
    assert "wants 2 values; write it as <lambda>(req)" in found.message
    assert call_fault("before-hook", "text", ("req",)) == (
        "before-hook 'text' can not be called"
    )


# -- settings


def test_digest_without_key_or_type(app):
    """Nobody could ever log in."""
    app.set_route("/admin", check_digest("Zone")(answer))
    found = only(app, "digest-setup")
    assert found.line == line_of(answer)
    assert 'app.auth_type = "Digest"' in found.fix
    app.secret_key = "0123456789abcdef"
    assert "secret_key =" not in only(app, "digest-setup").fix
    app.auth_type = "Digest"
    assert check(app, {}) == []


def test_a_relative_document_root(app, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app.document_root = "www"
    found = only(app, "relative-root")
    assert f"now '{tmp_path}/www'" in found.message
    app.document_root = str(tmp_path / "none")
    assert "is no directory" in only(app, "missing-root").message
    app.document_root = str(tmp_path)
    assert check(app, {}) == []


@pytest.mark.filterwarnings("ignore:debug is on")
@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (["gunicorn", "-b", "0.0.0.0:80", "app"], "0.0.0.0:80"),
        (["gunicorn", "--bind=[::]:80", "app"], "[::]:80"),
        (["waitress-serve", "--listen", "*:8080", "app"], "*:8080"),
        (["/usr/bin/waitress-serve", "app:application"], "0.0.0.0:8080"),
        (["granian", "--host", "192.168.1.5"], "192.168.1.5"),
        (["gunicorn", "-b", "127.0.0.1:80", "app"], ""),
        (["gunicorn", "--bind", "unix:/run/x.sock"], ""),
        (["app.py"], ""),
    ],
)
def test_debug_where_others_can_see_it(app, monkeypatch, arguments, address):
    """The command line of the server tells where it listens."""
    monkeypatch.setattr(sys, "argv", arguments)
    assert check(app, {}) == []
    app.debug = True
    if not address:
        assert check(app, {}) == []
        return
    found = only(app, "public-debug")
    assert f"listens at '{address}'" in found.message
    assert found.fix == "set debug to False, or listen at 127.0.0.1"


@pytest.mark.filterwarnings("ignore:debug is on")
def test_debug_under_uwsgi(app, monkeypatch):
    """Its options tell, as bytes."""

    options = {"http-socket": b":8080", "http": [b"127.0.0.1:1"]}
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))
    app.debug = True
    assert "':8080'" in only(app, "public-debug").message


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", False),
        ("127.9.9.9:1", False),
        ("[::1]:80", False),
        ("localhost:80", False),
        ("/run/x.sock", False),
        ("", True),
        (":80", True),
        ("10.0.0.1", True),
        ("example.org:80", True),
    ],
)
def test_addresses_of_others(address, expected):
    assert is_public(address) is expected


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("poor_debug", "write poor_Debug"),
        ("poor_DocumentRot", "write poor_DocumentRoot"),
        ("poor_AutoArgs", "remove it; known: poor_Debug, "),
    ],
)
def test_variables_that_nobody_reads(app, name, fix):
    (found,) = check(app, {name: "1", "poor_Debug": "on", "app_x": "1", "HOME": "/"})
    assert found.code == "unknown-variable"
    assert found.message.startswith(f"variable {name} is read by nobody; {fix}")


def test_errors_come_first(app):
    """Then by place."""
    app.document_root = "www"
    app.set_route("/x/<a>", answer)
    assert [found.level for found in app.check()] == ["error", "warning"]


def test_what_can_not_be_parsed_is_not_judged():
    """A check never fails itself."""
    assert backtracks("(") == ""
    assert checks.samples_of.__doc__
