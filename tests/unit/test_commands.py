"""Commands that look at an application, by what they print and their status."""

import cProfile
import json
import subprocess
import sys

import pytest

from poorwsgi import __main__ as cli
from poorwsgi import commands
from poorwsgi.__main__ import main

PROGRAM = '''
from poorwsgi import Application

application = Application(str(object()))


@application.route("/user/<id:int>")
def user(req, number):
    """Show a user."""
    return str(number)


@application.post("/user")
def add(req):
    return "added"
'''
WRONG = """

@application.route("/wrong/<name>")
def wrong(req):
    return ""
"""


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch):
    """Leave no module and no path behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


@pytest.fixture
def program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "app_of_test.py"
    path.write_text(PROGRAM)
    return path


# -- routes


def test_routes_are_listed(program, capsys):
    """One line each, plain where stdout is no terminal."""
    assert main(["routes", "app_of_test.py"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "METHODS   RULE            HANDLER  SOURCE             NAME",
        "POST      /user           add      app_of_test.py:13",
        "HEAD|GET  /user/<id:int>  user     app_of_test.py:7",
    ]


def test_routes_for_programs(program, capsys):
    assert main(["routes", "app_of_test", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["rule"], row["handler"]["line"]) for row in rows] == [
        ("/user", 13),
        ("/user/<id:int>", 7),
    ]


def test_an_application_of_others_has_no_routes(program, capsys):
    """It is said, without a traceback."""
    program.write_text("def application(environ, start_response): ...")
    assert main(["routes", "app_of_test"]) == 2
    assert "not a poorwsgi Application" in capsys.readouterr().err


# -- match


@pytest.mark.parametrize(
    ("method", "url", "status", "text"),
    [
        (
            "GET",
            "/user/7",
            0,
            "route /user/<id:int>\nhandler user (app_of_test.py:7), ",
        ),
        ("GET", "/user/x", 1, "'x' does not fit <id:int>, which takes -?\\d+"),
        ("GET", "/user", 1, "GET /user: 405, the path has POST"),
        ("GET", "/none", 1, "GET /none: 404, no route has this path"),
    ],
)
def test_match_says_which_route_and_why(program, capsys, method, url, status, text):
    assert main(["match", "app_of_test", method, url]) == status
    assert text in capsys.readouterr().out
    assert main(["match", "app_of_test", method, url, "--json"]) == status
    assert json.loads(capsys.readouterr().out)["path"] == url


# -- check


def test_check_is_quiet_about_what_is_right(program, capsys):
    assert main(["check", "app_of_test"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "Nothing wrong was found.\n")


def test_check_names_place_and_fix(program, capsys):
    """As compilers do, so that editors can jump there."""
    program.write_text(PROGRAM + WRONG)
    assert main(["check", "app_of_test"]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"{program}:18: error: route '/wrong/<name>'")
    assert "add a parameter 'name'\n    [handler-signature]" in out
    assert main(["check", "--json", "app_of_test"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["code"], found["line"]) == ("handler-signature", 18)


def test_warnings_may_pass(program, capsys):
    program.write_text(PROGRAM + "\napplication.document_root = 'www'\n")
    assert main(["check", "app_of_test"]) == 1
    assert main(["check", "--errors", "app_of_test"]) == 0
    captured = capsys.readouterr()
    assert "relative-root" in captured.out
    assert captured.err.endswith("0 errors, 1 warning\n")


# -- profile


@pytest.fixture
def dump(tmp_path):
    path = tmp_path / "x.profile"
    cProfile.runctx("sorted(range(1000), key=str)", {}, {}, str(path))
    return path


def test_a_stored_profile_is_a_table(dump, capsys):
    assert main(["profile", str(dump), "--lines", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("x.profile: ")
    assert lines[1].split() == ["MS", "OWN", "MS", "CALLS", "FUNCTION", "SOURCE"]
    assert len(lines) == 5
    assert main(["profile", str(dump)]) == 0
    assert "builtins.sorted" in capsys.readouterr().out


def test_and_a_flame_graph_and_a_file_for_speedscope(dump, tmp_path, capsys):
    svg, speedscope = tmp_path / "x.svg", tmp_path / "x.json"
    arguments = ["profile", str(dump), "--svg", str(svg), "--json"]
    assert main([*arguments, "--speedscope", str(speedscope)]) == 0
    assert svg.read_text().startswith("<svg ")
    assert json.loads(speedscope.read_text())["profiles"][0]["type"] == "sampled"
    assert json.loads(capsys.readouterr().out)[0]["calls"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["profile", "x.profile", "--lines", "-3"],
        ["doctor", "http://127.0.0.1:1/", "--timeout", "-1"],
        ["doctor", "http://127.0.0.1:1/", "--timeout", "nan"],
    ],
)
def test_numbers_that_mean_nothing_are_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "give a number of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nonsense", "is no file of cProfile"),
        (None, "No such file"),
        (b"", "is no fi"),
    ],
)
def test_what_is_no_profile(tmp_path, capsys, content, message):
    path = tmp_path / "y.profile"
    if content is not None:
        path.write_bytes(content)
    assert main(["profile", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_file_that_can_not_be_written(dump, capsys):
    assert main(["profile", str(dump), "--svg", "/no/such/folder/x.svg"]) == 1
    assert "/no/such/folder/x.svg: No such file" in capsys.readouterr().err


# -- all of them


@pytest.mark.parametrize(("no_color", "is_styled"), [("", True), ("1", False)])
def test_color_is_for_terminals(monkeypatch, no_color, is_styled):
    """And for those that have not said that they want none."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    assert commands.styled("x", "red") == ("\033[31mx\033[0m" if is_styled else "x")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert commands.styled("x", "red") == "x"


def test_other_modules_add_commands(monkeypatch, capsys):
    """One that is not installed, or has none, adds nothing."""

    class Module:
        @staticmethod
        def add_command(subparsers):
            parser = subparsers.add_parser("extra")
            parser.set_defaults(call=lambda args: 7)

    monkeypatch.setattr(cli, "OPTIONAL", ("poorwsgi.not_there", "json", "sys"))
    real = cli.import_module
    modules = {"json": Module, "sys": sys}
    monkeypatch.setattr(cli, "import_module", lambda name: modules[name] or real(name))
    assert main(["extra"]) == 7


def test_a_reader_that_leaves_is_no_error(program):
    """As in: poorwsgi routes app | head -1."""
    program.write_text(PROGRAM + "\nfor n in range(5000):\n"
                       "    application.set_route(f'/route/{n}', add)\n")  # fmt: skip
    command = f"{sys.executable} -m poorwsgi routes app_of_test.py | head -1"
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("METHODS")
