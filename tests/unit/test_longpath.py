"""Long paths are matched without trying, and give what trying would have given."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poorwsgi import Application, longpath, routing
from poorwsgi.routing import Rule, default_filters
from poorwsgi.testing import TestClient

GROUPS = [
    *("", ":path", ":int", ":float", ":word", ":hex"),
    *(":re:[^/]+", ":re:.*", ":re:[ab]+", ":re:[-1]*", r":re:\d+", r":re:[^\]]+"),
]
TEXTS = ["", "", "/", "-", "a", ".", "--", "/a/", "1"]


@st.composite
def rules(draw):
    """Return a rule of up to four groups that share characters."""
    count = draw(st.integers(1, 4))
    pieces = [
        f"{draw(st.sampled_from(TEXTS))}<g{number}{draw(st.sampled_from(GROUPS))}>"
        for number in range(count)
    ]
    return "/" + "".join(pieces) + draw(st.sampled_from(TEXTS))


def by_trying(rule, path):
    """Return what the regular expression finds."""
    return re.compile(rule.regex, re.U).fullmatch(path)


def at_once(rule, path):
    return longpath.match(re.compile(rule.regex, re.U), rule.parts, rule.tail, path)


@settings(max_examples=500, deadline=None)
@given(rules(), st.text("/-a1.b\n²", max_size=9))
def test_groups_hold_what_a_regular_expression_would_give_them(text, path):
    rule = Rule(text, default_filters())
    wanted, got = by_trying(rule, "/" + path), at_once(rule, "/" + path)
    assert (got is None) == (wanted is None)
    if wanted is not None:
        assert got.groupdict() == wanted.groupdict()


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/<a:path>/<b:path>/<c:path>", "/a/b/c/d/"),
        ("/<a:path>/blob/<b>/<c:path>", "/x/blob/y/blob/z/w"),
        ("/<a:float><b:float>", "/1.51.5"),
        ("/<a:float>.<b:float>", "/-1.5.2.5"),
        ("/<a:int>-<b:int>", "/-1--2"),
        ("/<a:word>_<b:word>", "/ž_ž_"),
        ("/<a><b><c>", "/abc"),
        ("/<a:re:.*>/<b:re:.*>", "//"),
    ],
)
def test_examples_of_what_groups_hold(rule, path):
    rule = Rule(rule, default_filters())
    found = at_once(rule, path)
    assert found.groupdict() == by_trying(rule, path).groupdict()
    assert found.groups() == tuple(found.groupdict().values())


@pytest.mark.parametrize("length", [10, 200, 5000])
def test_a_long_path_reaches_its_handler_with_its_values(app, length):
    """Converters, 405 and path_args work as they do for short ones."""
    first = "/".join("a" * (length // 2)) or "a"

    @app.route("/<repo:path>/blob/<number:float>/<file:path>")
    def show(req, repo, number, file):
        return [repo, number, file, req.path_args["file"]]

    client = TestClient(app)
    answer = client.get(f"/{first}/blob/1.5/{first}")
    assert answer.json == [first, 1.5, first, first]
    assert client.post(f"/{first}/blob/1.5/{first}").status_code == 405
    assert client.get(f"/{first}/blob/x/{first}").status_code == 404


ALONE = [
    *(
        "/<a>/<b>",
        "/<a:int>/<b:word>.html",
        "/<a:path>",
        "/<a:path>/end",
        "/<a:int>x<b>",
    ),
    *("/<a:word>-<b:word>", "/<a:path>/<b:uuid>", "/<a:re:(x/?)+>", "/x?/<a>/<b:path>"),
]
SHARED = {
    "/<a>-<b>": 2,
    "/<a><b>": 2,
    "/<a:path>/<b:path>": 2,
    "/<a:path>/<b:int>/<c>": 2,
    "/<a:path>/<b:path>/<c:path>": 3,
    "/<a:int>-<b:int>": 2,
    "/(.*)/<a>": 2,
    "/<a:path>(/x)*/<b>": 3,
}


@pytest.mark.parametrize("rule", ALONE)
def test_separators_say_where_groups_end(rule):
    assert routing.shared_groups(Rule(rule, default_filters())) == 0


@pytest.mark.parametrize("rule", SHARED)
def test_groups_that_can_share_text_are_counted(rule):
    assert routing.shared_groups(Rule(rule, default_filters())) == SHARED[rule]


@pytest.mark.parametrize(
    ("rule", "longest"),
    [
        ("/<a:re:(x|y)+><b:re:(x|/)+>", 4096),
        ("/<a:path>/<b:re:(x|/)+>/<c:path>", 512),
        ("/<a:path>/<b:re:(x|/)+>/<c:path>/<d:path>", 128),
    ],
)
def test_groups_that_are_not_understood_end_with_a_length(app, client, rule, longest):
    """Their time is a power of the length, so there is a longest path for each."""
    app.set_route(rule, lambda req, *values: "found")
    end = "/x" * (rule.count("<") - 1)
    path = "/" + "x" * (longest - len(end) - 1) + end
    assert client.get(path).text == "found"
    assert client.get("/x" + path[1:]).status_code == 404


def test_a_rule_with_separators_takes_a_path_of_any_length():
    app = Application("any length")
    app.set_route("/<a>/<b:re:(x|y)+>/<c:path>", lambda req, *values: "found")
    path = "/" + "a" * 9000 + "/" + "xy" * 9000 + "/" + "c/" * 9000
    assert TestClient(app).get(path).text == "found"
