"""From a rule to a route, and from a path to the first route that fits."""

import re
import threading
import uuid
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application, state
from poorwsgi.routing import Registrar, RouteGroup, method_mask, method_names
from poorwsgi.state import (
    METHOD_ALL,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_PATCH,
    METHOD_POST,
    METHOD_PUT,
)
from poorwsgi.testing import TestClient

UUID = "12345678-9ABC-def0-1234-56789abcdef0"


def show(req, *args):
    """Answer with all that routing found out."""
    assert list(req.path_args.values()) == list(args)
    return {"rule": req.uri_rule, "args": [repr(arg) for arg in args]}


def args_of(client, path):
    """Return the arguments as texts, or the status of the refusal."""
    answer = client.get(path)
    return answer.json["args"] if answer.status_code == 200 else answer.status_code


# -- filters ---------------------------------------------------------------

MATCHES = [
    # rule                    path              arguments of the handler
    ("/<x>", "/abc", ["'abc'"]),
    ("/<x>", "/a b", ["'a b'"]),
    ("/<x>", "/ž", ["'ž'"]),
    ("/<x>", "/", 404),
    ("/<x>", "/a/b", 404),
    ("/<x:int>", "/42", ["42"]),
    ("/<x:int>", "/-7", ["-7"]),
    ("/<x:int>", "/007", ["7"]),
    ("/<x:int>", "/+7", 404),
    ("/<x:int>", "/4.2", 404),
    ("/<x:int>", "/٤٢", 404),
    ("/<x:INT>", "/42", ["42"]),
    ("/<x:float>", "/1.5", ["1.5"]),
    ("/<x:float>", "/-1", ["-1.0"]),
    ("/<x:float>", "/1.", 404),
    ("/<x:float>", "/.5", 404),
    ("/<x:float>", "/1e3", 404),
    ("/<x:float>", "/٤.٢", 404),
    ("/<x:word>", "/a_1", ["'a_1'"]),
    ("/<x:word>", "/žluť", ["'žluť'"]),
    ("/<x:word>", "/a-b", 404),
    ("/<x:hex>", "/0aF", ["'0aF'"]),
    ("/<x:hex>", "/xyz", 404),
    ("/<x:uuid>", "/" + UUID, [repr(uuid.UUID(UUID))]),
    ("/<x:uuid>", "/" + UUID[:-1], 404),
    ("/<x:re:[a-z]+>", "/abc", ["'abc'"]),
    ("/<x:re:[a-z]+>", "/ABC", 404),
    ("/<x:re:\\D+>", "/ab", ["'ab'"]),
    ("/<x:re:\\D+>", "/12", 404),
    ("/<x:RE:\\D+>", "/ab", ["'ab'"]),
    ("/<x:re:.*>", "/a/b", ["'a/b'"]),
    ("/<x:re:.*>", "/", ["''"]),
    ("/<x:path>", "/a/b.txt", ["'a/b.txt'"]),
    ("/<x:path>", "/", 404),
    ("/f/<x:path>/raw", "/f/a/b/raw", ["'a/b'"]),
    ("/<x:any(cat,dog)>", "/cat", ["'cat'"]),
    ("/<x:any(cat,dog)>", "/cow", 404),
    ("/<x:any(cat,dog)>", "/catdog", 404),
    ("/<x:any(a.b,c)>", "/axb", 404),
    ("/<x:ANY(Cat)>", "/Cat", ["'Cat'"]),
    ("/<a:int>/<b:word>", "/1/x", ["1", "'x'"]),
    # a filter with groups of its own does not move the arguments behind it
    ("/<a:float>/<b:word>", "/3.14/x", ["3.14", "'x'"]),
    ("/<a:re:(x)(y)>-<b:int>", "/xy-1", ["'xy'", "1"]),
    ("/<a>-<b>", "/x-y-z", ["'x-y'", "'z'"]),
    ("/<a:word>.<b:word>", "/x.y", ["'x'", "'y'"]),
    # literal text is literal, unless it can only be meant as a regex
    ("/f.js/<x>", "/f.js/a", ["'a'"]),
    ("/f.js/<x>", "/fXjs/a", 404),
    ("/(?:a|b)/<x>", "/b/1", ["'1'"]),
    ("/files?/<x:int>", "/file/1", ["1"]),
    # a rule means the whole path
    ("/r/<i:int>", "/r/1", ["1"]),
    ("/r/<i:int>", "/r/1%0A", 404),
    ("/r/<i:int>", "/r/1/", 404),
    ("/r/<i:int>", "/x/r/1", 404),
    ("/r/<i:int>/e", "/r/1/e%0A", 404),
]


@pytest.mark.parametrize(("rule", "path", "expected"), MATCHES)
def test_rule_matches_path(app, client, rule, path, expected):
    app.set_route(rule, show)
    assert args_of(client, path) == expected


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "1" * 5000])
@pytest.mark.parametrize("rule", ["/<x:int>", "/<x:float>"])
def test_a_number_too_long_to_convert_is_a_path_that_does_not_exist(
    app, client, text, rule
):
    app.set_route(rule, show)
    assert client.get("/" + text).status_code == 404


def test_a_filter_may_take_infinity_by_its_name(app, client):
    app.set_filter("real", r"-?inf|\d+", float)
    app.set_route("/<x:real>", show)
    assert args_of(client, "/-inf") == ["-inf"]
    assert args_of(client, "/5") == ["5.0"]
    assert args_of(client, "/" + "9" * 400) == 404


def test_a_converter_that_fails_means_no_match_and_the_next_rule_is_tried(app, client):
    def fail(text):
        raise KeyError(text)

    app.set_filter("bad", r"\w+", fail)
    app.set_route("/<x:bad>", show)
    assert client.get("/abc").status_code == 404
    app.set_route("/<y:word>", show)
    assert client.get("/abc").json["rule"] == "/<y:word>"


def test_the_filters_are_these(app):
    filters = app.filters
    assert filters[":int"] == (r"-?\d+", int)
    assert filters[":float"] == (r"-?\d+(\.\d+)?", float)
    assert filters[":word"] == (r"\w+", str)
    assert filters[":hex"] == ("[0-9a-fA-F]+", str)
    assert re.fullmatch(filters[":uuid"][0], UUID)
    assert filters[":uuid"][1](UUID) == uuid.UUID(UUID)
    assert filters[":re:"] == (None, str)
    assert filters["none"] == ("[^/]+", str)


def test_the_table_of_filters_is_a_copy(app):
    app.filters[":int"] = ("x", str)
    assert app.filters[":int"] == (r"-?\d+", int)


@pytest.mark.parametrize("name", ["email", ":email", "Email"])
def test_own_filter_is_found_with_and_without_colon_and_in_any_case(app, client, name):
    app.set_filter(name, r"[\w.]+@[\w.]+", str.upper)
    app.set_route("/<who:eMail>", show)
    assert args_of(client, "/a.b@c.cz") == ["'A.B@C.CZ'"]
    assert args_of(client, "/a.b") == 404


def test_a_filter_changed_later_counts_for_later_rules_only(app, client):
    app.set_filter("x", "a+")
    app.set_route("/1/<x:x>", show)
    app.set_filter("x", "b+")
    app.set_route("/2/<x:x>", show)
    assert args_of(client, "/1/a") == ["'a'"]
    assert args_of(client, "/1/b") == 404
    assert args_of(client, "/2/b") == ["'b'"]


def test_a_filter_of_the_application_replaces_ours(app, client):
    app.set_filter("int", "[01]+", partial(int, base=2))
    app.set_route("/<x:int>", show)
    assert args_of(client, "/101") == ["5"]


def test_a_filter_that_differs_by_case_from_ours_is_found_as_it_is_written(app, client):
    app.set_filter("Word", "[a-z]+")
    app.set_route("/1/<x:Word>", show)
    app.set_route("/2/<x:word>", show)
    assert args_of(client, "/1/a1") == 404
    assert args_of(client, "/2/a1") == ["'a1'"]


def test_a_filter_whose_regex_is_none_is_refused_at_once(app):
    with pytest.raises(re.error):
        app.set_filter("bad", "(")
    assert ":bad" not in app.filters


# -- rules that can not be -------------------------------------------------


@pytest.mark.parametrize(
    "group",
    [
        "< id:int>",
        "<id:int >",
        "<id :int>",
        "<id: int>",
        "< id : int >",
        "<v: custom>",
        "<v:re:[a-z]+ >",
        "<\tid>",
        "<id >",
    ],
)
def test_spaces_in_a_group_are_a_mistake(app, group):
    with pytest.raises(ValueError, match=r"^Invalid route definition") as caught:
        app.set_route(f"/x/{group}", show)
    message = str(caught.value)
    assert f"'/x/{group}': Route filter definitions must not contain spaces" in message
    assert "'<id:int>', '<name:word>', '<value:float>'" in message
    assert app.regular_routes == app.routes == {}


def test_spaces_elsewhere_are_no_mistake(app, client):
    app.set_route("/a b/<v:re:[a-z]+>", show)
    assert args_of(client, "/a b/x") == ["'x'"]


def test_an_undefined_filter_is_named(app):
    with pytest.raises(RuntimeError, match="Undefined route group filter ':nope'"):
        app.set_route("/<x:nope>", show)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("/a/<x:nope>", "':nope' in '/a/<x:nope>'; there are :any(a,b), :float,"),
        ("/a/<int:id>", "':id' in '/a/<int:id>'; the name comes first: <id:int>"),
        ("/a/<string:x>", "':x' in '/a/<string:x>'; the name comes first: <x>"),
    ],
)
def test_an_undefined_filter_has_a_hint(app, rule, message):
    """Who comes from Flask writes the filter in front."""
    with pytest.raises(RuntimeError) as caught:
        app.set_route(rule, show)
    assert message in str(caught.value)


def test_a_rule_without_a_slash_is_warned_of_with_its_place(app, caplog):
    app.set_route("user", show)
    (record,) = caplog.records
    assert record.getMessage().startswith("route 'user' (")
    assert __file__ in record.getMessage()
    assert record.getMessage().endswith("; write '/user'")


def test_a_filter_that_can_not_work_is_told(app, caplog):
    with pytest.raises(ValueError, match=r"filter ':year': '\[0-9' is no regular"):
        app.set_filter("year", "[0-9")
    app.set_filter("year", "[0-9]+", "int")
    (record,) = caplog.records
    assert "filter ':year' has 'int' as converter" in record.getMessage()


@pytest.mark.parametrize("kind", [ValueError, re.error])
def test_two_groups_of_one_name_are_a_mistake(app, kind):
    """PoorWSGI 2.8 raised re.error, which is no ValueError."""
    with pytest.raises(kind, match="two groups named 'x'"):
        app.set_route("/<x>/<x>", show)
    with pytest.raises(kind, match="no regular expression"):
        app.set_route("/<x:re:[>", show)
    assert app.regular_routes == {}


# -- methods ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "mask"),
    [
        (METHOD_GET, 2),
        (METHOD_GET | METHOD_POST, 6),
        (METHOD_ALL, 511),
        ("GET", 2),
        ("post", 4),
        (["GET", "PUT"], 10),
        (("patch",), 256),
        ({"HEAD", METHOD_PUT}, 9),
        ((name for name in ["GET", "DELETE"]), 18),
    ],
)
def test_methods_are_given_as_bits_names_or_several(given, mask):
    assert method_mask(given) == mask


@pytest.mark.parametrize("given", ["FOO", ["GET", "X"], [], (), 0, -1, 512, [1024]])
def test_what_is_no_method_is_refused(given):
    with pytest.raises(ValueError, match=r"."):
        method_mask(given)


def test_names_of_a_mask_are_sorted_and_get_implies_head():
    assert method_names(METHOD_POST | METHOD_GET) == ["GET", "HEAD", "POST"]
    assert method_names(METHOD_POST) == ["POST"]


def served(app, path):
    """Return the methods that a path answers with 200."""
    client = TestClient(app)
    return {m for m in state.methods if client.request(m, path).status_code == 200}


@pytest.mark.parametrize("path", ["/x", "/r/1"])
@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, {"GET", "HEAD"}),
        ({"method": METHOD_POST}, {"POST"}),
        ({"method": "PUT"}, {"PUT"}),
        ({"methods": ["GET", "POST"]}, {"GET", "HEAD", "POST"}),
        ({"method": METHOD_HEAD}, {"HEAD"}),
        ({"method": METHOD_ALL}, set(state.methods)),
    ],
)
def test_a_route_answers_its_methods(app, path, given, names):
    app.route("/x", **given)(lambda req: "x")
    app.route("/r/<x:int>", **given)(lambda req, x: "x")
    assert served(app, path) == names


@pytest.mark.parametrize("name", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("rule", ["/x", "/x/<i:int>"])
def test_each_method_has_its_decorator(app, name, rule):
    handler = getattr(app, name)(rule)(show)
    assert handler is show
    expected = {name.upper()} | ({"HEAD"} if name == "get" else set())
    path = rule.replace("<i:int>", "1")
    assert served(app, path) == expected


def test_head_alone(app):
    app.head("/x")(lambda req: "x")
    assert served(app, "/x") == {"HEAD"}


def test_decorators_stack_and_return_the_handler(app, client):
    def handler(req):
        return req.uri_rule

    assert app.route("/a")(app.route("/b")(handler)) is handler
    assert [client.get("/a").text, client.get("/b").text] == ["/a", "/b"]


# -- tables ----------------------------------------------------------------


def one(req, *_):
    return "one"


def two(req, *_):
    return "two"


def test_set_route_again_replaces_the_handler_of_that_method(app, client):
    for rule in ("/x", "/r/<x>"):
        app.set_route(rule, one, METHOD_GET | METHOD_POST)
        app.set_route(rule, two, METHOD_POST)
    for path in ("/x", "/r/1"):
        assert client.get(path).text == "one"
        assert client.post(path).text == "two"
    assert app.routes == {"/x": {METHOD_GET: one, METHOD_POST: two}}
    ((regex, table),) = app.regular_routes.items()
    assert regex.match("/r/1")
    assert {bit: entry[0] for bit, entry in table.items()} == {2: one, 4: two}


def test_a_route_set_again_keeps_its_place(app, client):
    app.set_route("/<a>", one)
    app.set_route("/<b:word>", one)
    app.set_route("/<a>", two)
    assert client.get("/x").text == "two"


def test_regular_routes_tell_handler_converters_and_rule(app):
    app.set_route("/<a:int>/<b>", show)
    (table,) = app.regular_routes.values()
    handler, converters, rule = table[METHOD_GET]
    assert handler is show
    assert list(converters) == [("a", int), ("b", str)]
    assert rule == "/<a:int>/<b>"


@pytest.mark.parametrize("view", ["routes", "regular_routes"])
def test_tables_are_copies_down_to_the_inner_ones(app, client, view):
    app.set_route("/x", one)
    app.set_route("/r/<x>", one)
    for table in getattr(app, view).values():
        table.clear()
    getattr(app, view).clear()
    assert client.get("/x").text == client.get("/r/1").text == "one"


def test_pop_route_of_a_static_rule_gives_the_handler_back(app, client):
    app.set_route("/x", one, METHOD_GET | METHOD_POST)
    assert app.pop_route("/x", METHOD_GET) is one
    assert client.get("/x").status_code == 405
    assert app.is_route("/x")
    assert app.pop_route("/x", METHOD_POST) is one
    assert app.routes == {}
    assert not app.is_route("/x")
    assert client.get("/x").status_code == 404


def test_pop_route_of_a_path_with_letters_outside_of_ascii(app, client):
    app.set_route("/žluť", one, METHOD_GET | METHOD_POST)
    app.pop_route("/žluť", METHOD_GET)
    assert client.get("/žluť").status_code == 405
    assert client.post("/žluť").text == "one"
    app.pop_route("/žluť", METHOD_POST)
    assert client.get("/žluť").status_code == 404
    assert not app.is_route("/žluť")


def test_pop_route_of_a_rule_with_groups_gives_three_things_back(app, client):
    app.set_route("/<x:int>", one, METHOD_GET | METHOD_POST)
    handler, converters, rule = app.pop_route("/<x:int>", METHOD_GET)
    assert (handler, list(converters), rule) == (one, [("x", int)], "/<x:int>")
    assert client.get("/1").status_code == 405
    app.pop_route("/<x:int>", METHOD_POST)
    assert app.regular_routes == {}
    assert client.get("/1").status_code == 404


@pytest.mark.parametrize("rule", ["/x", "/<x:int>"])
def test_pop_route_of_what_is_not_there_is_a_key_error(app, rule):
    with pytest.raises(KeyError):
        app.pop_route(rule, METHOD_GET)
    app.set_route(rule, one, METHOD_GET)
    with pytest.raises(KeyError):
        app.pop_route(rule, METHOD_POST)
    assert app.is_route(rule)


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("/u/<id:int>", True),
        ("/u/<id:word>", False),
        ("/u/<name:int>", False),
        ("/u", False),
    ],
)
def test_is_route_compares_names_and_filters(app, asked, known):
    app.set_route("/u/<id:int>", one)
    assert app.is_route(asked) is known


# -- regular expressions as rules ------------------------------------------


def test_a_regular_route_is_a_prefix_match_without_an_end(app, client):
    app.set_regular_route("/p/[a-z]+", one)
    assert client.get("/p/abc").text == "one"
    assert client.get("/p/abc/and/more").text == "one"
    assert client.get("/x/p/abc").status_code == 404
    assert client.get("/p/1").status_code == 404


def test_regular_route_is_a_decorator_with_a_method(app, client):
    assert app.regular_route("/p/(.*)", "POST")(one) is one
    assert client.post("/p/1").text == "one"
    assert client.get("/p/1").status_code == 405


def test_without_converters_the_handler_gets_all_groups_as_they_are(app, client):
    @app.regular_route(r"/(?P<a>\d+)/(\w+)(?:/(x))?")
    def handler(req, *args):
        return {"args": args, "named": req.path_args, "rule": req.uri_rule}

    answer = client.get("/12/ab").json
    assert answer["args"] == ["12", "ab", None]
    assert answer["named"] == {"a": "12"}
    assert answer["rule"] == r"/(?P<a>\d+)/(\w+)(?:/(x))?"


def test_with_converters_the_handler_gets_those_groups(app, client):
    app.set_regular_route(
        r"/(?P<b>\w)(?P<a>\d+)", show, METHOD_GET, [("a", int), ("b", str)], "rule!"
    )
    assert client.get("/x12").json == {"rule": "rule!", "args": ["12", "'x'"]}


def test_regular_routes_are_asked_for_and_removed_by_their_text(app):
    app.set_regular_route("/x.*", one, METHOD_GET | METHOD_POST)
    assert app.is_regular_route("/x.*")
    assert not app.is_regular_route("/y.*")
    handler, converters, rule = app.pop_regular_route("/x.*", METHOD_GET)
    assert (handler, list(converters), rule) == (one, [], "/x.*")
    app.pop_regular_route("/x.*", METHOD_POST)
    assert not app.is_regular_route("/x.*")
    with pytest.raises(KeyError):
        app.pop_regular_route("/x.*", METHOD_GET)


# -- which of several ------------------------------------------------------


def test_the_first_rule_registered_wins(app, client):
    app.set_route("/job/<p:path>/raw", one)
    app.set_route("/job/<p:path>", two)
    assert client.get("/job/a/b/raw").text == "one"
    assert client.get("/job/a/b").text == "two"


def test_the_first_rule_with_both_path_and_method_wins(app, client):
    app.set_route("/<a:word>", one, METHOD_GET)
    app.set_route("/<b>", two, METHOD_GET | METHOD_PUT)
    assert client.get("/x").text == "one"
    assert client.put("/x").text == "two"


def test_a_static_rule_goes_before_all_others(app, client):
    app.set_route("/<a>", one)
    app.set_route("/x", two)
    assert client.get("/x").text == "two"


def test_a_static_rule_without_the_method_leaves_it_to_the_others(app, client):
    app.set_route("/x", one, METHOD_GET)
    app.set_route("/<a>", two, METHOD_POST)
    assert client.post("/x").text == "two"
    assert client.put("/x").headers["Allow"] == "GET, HEAD, POST"


# -- the index -------------------------------------------------------------

#: The same filters, written once more and without any of the package.
FILTERS = {
    "": "[^/]+",
    ":int": "-?[0-9]+",
    ":float": r"-?[0-9]+(\.[0-9]+)?",
    ":word": r"\w+",
    ":hex": "[0-9a-fA-F]+",
    ":path": ".+",
    ":any(a,b1)": "a|b1",
    ":re:a.b": "a.b",
    ":re:[^b]+": "[^b]+",
    ":re:[a/]*": "[a/]*",
    ":re:\\D": "\\D",
    ":re:[]a]+": "[]a]+",
    ":re:[^]b]": "[^]b]",
    ":re:\\x2fb|a": "\\x2fb|a",
    ":re:[\\/a]{2}": "[\\/a]{2}",
    ":re:[\\d-]+": "[\\d-]+",
    ":re:(?:a|1/a)": "(?:a|1/a)",
    ":re:(?!a)[ab1]+": "(?!a)[ab1]+",
}
LITERALS = ["/", "/a", "/b", "a", "1", "/a/b", ".", "-", "//", "/a?", "/(?:a|b/1)"]
REGEXES = [
    "/a",
    "/a/?b",
    "/a/b*",
    "/(a|b)/1",
    "/a|/b",
    "(?i)/A/b",
    "(?x) /a /b",
    "/a/{0,1}b",
    "/a/[^/]+$",
    ".*b",
    "",
    "/(?:a/)?b",
    r"\/a\/b",
    "/a/b{0}1",
]


@st.composite
def rules(draw):
    """Return (rule, its regex) of a rule with groups."""
    texts, regexes = [], []
    for i in range(draw(st.integers(1, 3))):
        literal = draw(st.sampled_from(LITERALS))
        kind = draw(st.sampled_from(list(FILTERS)))
        texts.append(f"{literal}<g{i}{kind}>")
        regexes.append((literal, FILTERS[kind]))
    tail = draw(st.sampled_from(["", "", "/", "/a", "b", "."]))
    literals = [literal for literal, _ in regexes] + [tail]
    if not re.search(r"[\\()\[\]{}*+?|^$]", "".join(literals)):
        regexes = [(re.escape(literal), regex) for literal, regex in regexes]
        tail = re.escape(tail)
    regex = "".join(f"{literal}({group})" for literal, group in regexes)
    rule = "".join(texts) + literals[-1]
    return rule, re.compile(f"(?:{regex}{tail})\\Z").match


regular = st.sampled_from(REGEXES).map(lambda text: (text, None))
paths = st.text("a1b/.-", max_size=7).map("/".__add__)
methods = st.sampled_from([METHOD_GET, METHOD_POST, METHOD_GET | METHOD_POST])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.one_of(rules(), rules(), regular), methods), max_size=12),
    st.lists(paths, min_size=1, max_size=12),
)
def test_the_index_changes_how_fast_a_route_is_found_never_which(table, asked):
    app = Application(f"index-{threading.get_ident()}")
    plain = []
    try:
        for number, ((text, match), mask) in enumerate(table):
            if match is None:
                app.set_regular_route(text, partial(int, number), mask)
                match = re.compile(text).match
            else:
                app.set_route(text, partial(int, number), mask)
            if text in [known for known, *_ in plain]:
                return  # set again: other tests say what that means
            plain.append((text, match, mask, number))
        for path in asked:
            for method, bit in (("GET", METHOD_GET), ("POST", METHOD_POST)):
                expected = next(
                    (
                        number
                        for _, match, mask, number in plain
                        if mask & bit and match(path)
                    ),
                    None,
                )
                found = app._router.find(path, method)[0]
                assert (found and found.handler()) == expected
            allowed = 0
            for _, match, mask, _ in plain:
                allowed |= mask if match(path) else 0
            assert app.allowed_methods(path) == allowed
    finally:
        app.release()


@pytest.mark.parametrize("count", [10, 1000])
def test_the_right_one_of_many_similar_rules_is_found(app, client, count):
    for i in range(count):
        app.set_route(f"/v{i}/<x:int>/detail", show)
        app.set_route(f"/v{i}/<x:word>", show)
    for i in (0, count // 2, count - 1):
        assert client.get(f"/v{i}/7/detail").json["rule"] == f"/v{i}/<x:int>/detail"
        assert client.get(f"/v{i}/7").json["rule"] == f"/v{i}/<x:word>"
    assert client.get(f"/v{count}/7").status_code == 404


def test_the_number_of_candidates_does_not_grow_with_the_rules(app):
    for i in range(1000):
        app.set_route(f"/v{i}/<x:int>", show)
    app._router.find("/v1/1", "GET")
    assert len(app._router._index.candidates(["", "v500", "1"])) == 1


# -- threads ---------------------------------------------------------------


def test_routes_may_change_while_others_are_matched(app):
    """A request sees the rules before a change or after it, nothing between."""
    app.set_route("/fix", one)
    app.set_route("/fix/<x:int>", one)
    errors = []
    done = threading.Event()

    def match():
        while not done.is_set():
            try:
                endpoint = app._router.find("/fix/1", "GET")[0]
                assert endpoint is not None
                assert endpoint.handler is one
                assert app._static("/fix")["GET"].handler is one
                assert "/fix" in app.routes
                assert len(app.regular_routes) >= 1
            except Exception as err:
                errors.append(err)
                return

    def change(number):
        for i in range(150):
            rules = (f"/{number}/{i}", f"/{number}/{i}/<x>", f"/fix/<y{number}:word>")
            for rule in rules:
                app.set_route(rule, two)
            for rule in rules:
                app.pop_route(rule, METHOD_GET)
                app.pop_route(rule, METHOD_HEAD)

    readers = [threading.Thread(target=match) for _ in range(2)]
    writers = [threading.Thread(target=change, args=(i,)) for i in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not errors
    assert list(app.routes) == ["/fix"]
    assert len(app.regular_routes) == 1


def test_two_threads_may_set_methods_of_the_same_rule(app):
    def change(method):
        for i in range(100):
            with suppress(KeyError):
                app.set_route(f"/{i}", one, method)
                app.set_route(f"/{i}/<x>", one, method)

    masks = [METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_PATCH]
    threads = [threading.Thread(target=change, args=(mask,)) for mask in masks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {sum(table) for table in app.routes.values()} == {sum(masks)}
    assert {sum(table) for table in app.regular_routes.values()} == {sum(masks)}


# -- names -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "args", "url"),
    [
        ("/", {}, "/"),
        ("/a b/ž", {}, "/a%20b/%C5%BE"),
        ("/u/<id:int>", {"id": 3}, "/u/3"),
        ("/u/<id:int>", {"id": "-3"}, "/u/-3"),
        ("/<a>/<b>", {"b": "x y", "a": "č"}, "/%C4%8D/x%20y"),
        ("/<p:path>", {"p": "a/b?c"}, "/a/b%3Fc"),
        ("/<x:any(cat,dog)>", {"x": "dog"}, "/dog"),
        ("/f.<ext:word>", {"ext": "js"}, "/f.js"),
        ("/u/<id:int>/e", {"id": 1, "q": "a b", "r": [1, 2]}, "/u/1/e?q=a+b&r=1&r=2"),
        ("/<u:uuid>", {"u": uuid.UUID(UUID)}, "/" + UUID.lower()),
    ],
)
def test_url_for_is_the_way_back_from_name_and_handler(app, client, rule, args, url):
    app.set_route(rule, show, name="here")
    assert app.url_for("here", **args) == url
    assert app.url_for(show, **args) == url
    assert app.url_for("show", **args) == url
    assert client.get(url).json["rule"] == rule


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "'id'"),
        ({"id": "x"}, "does not fit"),
        ({"id": "1\n"}, "does not fit"),
    ],
)
def test_url_for_refuses_what_would_not_lead_back(app, args, message):
    app.set_route("/u/<id:int>", one, name="user")
    with pytest.raises(ValueError, match=message):
        app.url_for("user", **args)


@pytest.mark.parametrize("rule", ["/u/<id:int>", "/u/<id:float>"])
def test_url_for_takes_ascii_digits_as_the_rule_does(app, rule):
    app.set_route(rule, one, name="user")
    with pytest.raises(ValueError, match="does not fit"):
        app.url_for("user", id="٤٢")


def test_url_for_can_not_know_the_text_that_a_regular_expression_stands_for(app):
    app.set_route("/(old|new)/<name>", one, name="either")
    with pytest.raises(ValueError, match="is a regular expression"):
        app.url_for("either", name="a")
    app.set_route("/(x)", one, name="literal")  # a rule without groups is no regex
    assert app.url_for("literal") == "/%28x%29"


@pytest.mark.parametrize("value", ["/evil.example", "/evil.example/a", "//x"])
def test_url_for_never_names_another_host(app, client, value):
    """A browser takes a Location or a link that starts with // for another host."""
    app.set_route("/<x:path>", show, name="any")
    url = app.url_for("any", x=value)
    assert not url.startswith("//")
    assert client.get(url).json["args"] == [repr(value)]


def test_url_for_finds_a_method_of_an_object(app):
    class Pages:
        def index(self, req):
            return "index"

    pages = Pages()
    app.set_route("/index", pages.index)
    assert app.url_for(pages.index) == "/index"


def test_a_route_that_was_removed_is_not_found_by_name_or_handler(app):
    app.set_route("/a", one, METHOD_GET | METHOD_POST, name="x")
    app.set_route("/b/<i:int>", one, METHOD_GET)
    app.pop_route("/a", METHOD_GET)
    assert app.url_for("x") == app.url_for(one) == "/a"  # POST is still there
    app.pop_route("/a", METHOD_POST)
    assert app.url_for(one, i=1) == "/b/1"
    with pytest.raises(LookupError):
        app.url_for("x")
    app.pop_route("/b/<i:int>", METHOD_GET)
    with pytest.raises(LookupError):
        app.url_for(one)
    app.set_route("/c", one, name="x")  # the name is free again
    assert app.url_for("x") == app.url_for(one) == "/c"


def test_url_for_a_handler_that_lost_its_method_leaves_the_rule_to_others(app):
    app.set_route("/a", one, METHOD_GET, name="x")
    app.set_route("/a", two, METHOD_POST)
    app.pop_route("/a", METHOD_GET)
    assert app.url_for("x") == app.url_for(two) == "/a"
    with pytest.raises(LookupError):
        app.url_for(one)


def test_url_for_refuses_a_slash_where_it_would_be_another_path(app):
    app.set_route("/u/<name>", one, name="user")
    with pytest.raises(ValueError, match="does not fit"):
        app.url_for("user", name="a/b")


@pytest.mark.parametrize("target", ["nobody", one])
def test_url_for_of_what_is_not_registered_is_a_lookup_error(app, target):
    with pytest.raises(LookupError):
        app.url_for(target)


def test_url_for_takes_the_name_of_a_handler(app):
    app.set_route("/a", one)
    app.set_route("/b", two)
    assert app.url_for("two") == "/b"


def test_a_registrar_by_itself_registers_nothing():
    with pytest.raises(NotImplementedError):
        Registrar().set_route("/", one)


def test_url_for_a_handler_of_several_rules_takes_the_first(app):
    app.set_route("/a", one)
    app.set_route("/b", one)
    assert app.url_for(one) == "/a"


def test_a_name_belongs_to_one_rule(app):
    app.set_route("/a", one, name="x")
    app.set_route("/a", two, METHOD_POST, name="x")
    with pytest.raises(ValueError, match="'x'"):
        app.set_route("/b", one, name="x")
    assert not app.is_route("/b")


# -- groups ----------------------------------------------------------------


def test_a_group_puts_its_prefix_before_its_rules(app, client):
    group = app.group("/api/")

    @group.get("/items", name="items")
    def items(req):
        return "items"

    group.post("/items/<id:int>", name="item")(show)
    assert client.get("/api/items").text == "items"
    assert client.post("/api/items/5").json == {
        "rule": "/api/items/<id:int>",
        "args": ["5"],
    }
    assert app.url_for("item", id=5) == "/api/items/5"
    assert app.url_for(items) == "/api/items"
    assert client.get("/api/items/5").headers["Allow"] == "POST"


def test_a_group_may_be_filled_before_and_after_it_is_added(app, client):
    group = RouteGroup("/g")
    group.set_route("/before", one)
    app.add_group(group)
    group.set_route("/after", two)
    assert client.get("/g/before").text == "one"
    assert client.get("/g/after").text == "two"


def test_a_prefix_may_have_groups(app, client):
    group = app.group("/user/<uid:int>")
    group.set_route("/post/<pid:word>", show)
    assert args_of(client, "/user/4/post/a") == ["4", "'a'"]


def test_a_group_in_two_applications_serves_both(app, client):
    group = RouteGroup("/g")
    group.set_route("/x", one)
    other = Application("other of " + app.name)
    app.add_group(group)
    other.add_group(group)
    assert client.get("/g/x").text == TestClient(other).get("/g/x").text == "one"
    other.release()


def test_groups_of_groups_add_their_prefixes_and_run_hooks_outside_in(app, client):
    seen = []
    outer, inner = RouteGroup("/outer"), RouteGroup("/inner")
    for name, where in (("app", app), ("outer", outer), ("inner", inner)):

        def before(req, name=name):
            seen.append(f"before {name}")

        def after(req, response, name=name):
            seen.append(f"after {name}")
            return response

        where.before_response()(before)
        where.after_response()(after)
    inner.set_route("/x/<i:int>", show)
    outer.add_group(inner)
    outer.set_route("/y", one)
    app.add_group(outer)
    late = RouteGroup("/late")
    late.set_route("/z", two)
    outer.add_group(late)
    assert args_of(client, "/outer/inner/x/1") == ["1"]
    names = ["app", "outer", "inner"]
    assert seen == [f"before {name}" for name in names] + [
        f"after {name}" for name in reversed(names)
    ]
    seen.clear()
    assert client.get("/outer/y").text == "one"
    assert seen == ["before app", "before outer", "after outer", "after app"]
    assert client.get("/outer/late/z").text == "two"


def test_hooks_of_a_group_run_for_its_routes_only(app, client):
    group = app.group("/g")
    group.before_response()(lambda req: state.DECLINED / 0)
    app.set_route("/g/outside", one)
    group.set_route("/x", one)
    assert client.get("/g/outside").text == "one"
    assert client.get("/g/missing").status_code == 404
    assert client.get("/g/x").status_code == 500


def test_a_hook_can_be_in_a_group_once(app):
    group = app.group("/g")
    group.before_response()(one)
    with pytest.raises(ValueError, match="is in list yet"):
        group.before_response()(one)


@pytest.mark.parametrize("prefix", ["api", "x/"])
def test_a_prefix_starts_with_a_slash(app, prefix):
    with pytest.raises(ValueError, match="slash"):
        app.group(prefix)
