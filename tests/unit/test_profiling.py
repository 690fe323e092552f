"""Profiles: table, tree, flame graph, and files for other programs."""

import marshal
import pstats
import xml.etree.ElementTree as ElementTree
from cProfile import runctx

import pytest

from poorwsgi.profiling import Profile, name_of, profile

FILE = "/srv/shop/app.py"


def key(name, file=FILE, line=1):
    return (file, line, name)


def row(own, total, callers=None, calls=1):
    return (calls, calls, own, total, callers or {})


@pytest.fixture
def shared():
    """`work` takes 8 s, 6 of them for `slow` and 2 for `quick`, below `main`."""
    main, slow, quick, work = map(key, ("main", "slow", "quick", "work"))
    return Profile(
        {
            main: row(1.0, 10.0),
            slow: row(0.5, 6.5, {main: (1, 1, 0.5, 6.5)}),
            quick: row(0.5, 2.5, {main: (1, 1, 0.5, 2.5)}),
            work: row(
                8.0, 8.0, {slow: (3, 3, 6.0, 6.0), quick: (1, 1, 2.0, 2.0)}, calls=4
            ),
        }
    )


def tree(frames):
    return {f.name: (round(f.total, 3), tree(f.children)) for f in frames}


def test_time_is_shared_among_callers_as_they_called(shared):
    assert tree(shared.frames()) == {
        "app.main": (
            10.0,
            {
                "app.slow": (6.5, {"app.work": (6.0, {})}),
                "app.quick": (2.5, {"app.work": (2.0, {})}),
            },
        )
    }
    assert (shared.total, shared.calls) == (10.0, 7)


def test_the_table_starts_with_the_slowest(shared):
    rows = shared.table(2)
    assert [(r.name, r.total, r.calls) for r in rows] == [
        ("app.main", 10.0, 1),
        ("app.work", 8.0, 4),
    ]
    assert rows[0].place == f"{FILE}:1"


def test_a_function_below_itself_ends_the_tree():
    loop = key("loop")
    found = Profile({loop: row(1.0, 1.0, {loop: (5, 5, 1.0, 1.0)}, 6)})
    assert tree(found.frames()) == {"app.loop": (1.0, {})}


def test_the_flame_graph_is_xml_with_a_box_for_each_frame(shared):
    """Wide as its time; names are escaped, and shown in full on hover."""
    stats = {**shared.stats, key("<x> & y"): row(5.0, 5.0)}
    root = ElementTree.fromstring(Profile(stats).flame_graph("a < b"))
    space = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f"{space}g")
    widths = {
        box.find(f"{space}title").text.split("\n")[0]: float(
            box.find(f"{space}rect").get("width")
        )
        for box in boxes
    }
    assert widths["app.main"] == pytest.approx(800, abs=1)
    assert widths["app.slow"] == pytest.approx(520, abs=1)
    assert "app.<x> & y" in widths
    assert root.find(f"{space}title").text == "a < b"
    assert not root.findall(f".//{space}script")


def test_speedscope_has_the_stacks_with_their_own_time(shared):
    data = shared.speedscope("x")
    frames = [frame["name"] for frame in data["shared"]["frames"]]
    (only,) = data["profiles"]
    stacks = {
        tuple(frames[i] for i in sample): weight
        for sample, weight in zip(only["samples"], only["weights"], strict=True)
    }
    assert stacks[("app.main", "app.slow", "app.work")] == pytest.approx(6.0)
    assert only["endValue"] == pytest.approx(shared.total)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (("/a/b/mod.py", 3, "f"), "mod.f"),
        (("/a/pkg/__init__.py", 3, "f"), "pkg.f"),
        (("~", 0, "<built-in method builtins.len>"), "builtins.len"),
        (
            ("~", 0, "<method 'join' of 'str' objects>"),
            "method 'join' of 'str' objects",
        ),
        (("<string>", 1, "<module>"), "<string>.<module>"),
    ],
)
def test_functions_have_short_names(function, name):
    assert name_of(function) == name


def test_a_call_is_profiled_and_its_value_kept():
    def work(number):
        return sum(range(number))

    found = profile(work, 1000)
    assert found.value == sum(range(1000))
    assert any(name == "work" for _, _, name in found.stats)
    assert not any("_lsprof" in name for _, _, name in found.stats)


def test_what_is_raised_is_raised():
    """And the profiler is off again."""
    with pytest.raises(ZeroDivisionError):
        profile(lambda: 1 / 0)
    assert profile(len, "ab").value == 2


def test_files_of_cprofile_are_read_and_written(tmp_path):
    """As set_profile and the standard library write them."""
    path = tmp_path / "x.profile"
    runctx("sorted(range(99))", {}, {}, str(path))
    found = Profile.load(path)
    assert found.calls >= 1
    copy = tmp_path / "y.profile"
    copy.write_bytes(found.dump())
    assert pstats.Stats(str(copy)).stats == found.stats


@pytest.mark.parametrize("content", [b"", b"text", marshal.dumps([1])])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of cProfile"):
        Profile.load(path)


def test_nothing_takes_no_time():
    assert "<svg" in Profile({}).flame_graph("empty")
    assert Profile({}).frames() == []
