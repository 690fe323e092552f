"""The command line: what it takes for an application, and how it fails."""

import os
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from poorwsgi import __main__ as cli
from poorwsgi.__main__ import SERVERS, LoadError, Target, UsageError, main
from poorwsgi.testing import LiveServer, TestClient

PROGRAM = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]

class Holder:
    inner = staticmethod(application)

def create_app():
    return application

text = "no application"
"""


@pytest.fixture(autouse=True)
def _clean_imports(monkeypatch):
    """Leave no module and no path behind."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Return a file with applications, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "program_of_test.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize(
    "argument",
    [
        "program_of_test",
        "program_of_test:application",
        "program_of_test:Holder.inner",
        "program_of_test:create_app()",
        "program_of_test.py",
        "./program_of_test.py:application",
        "program_of_test.py:create_app()",
    ],
)
def test_application_can_be_named_in_each_way(program, argument):
    """Module or file, attribute or factory, or nothing for the default names."""
    application = Target.parse(argument).load()
    assert TestClient(application).get("/x").data == b"/x"


def test_a_file_may_import_its_neighbour(program):
    """Its folder is on the path, as with python file.py."""
    (program.parent / "neighbour_of_test.py").write_text("answer = 42")
    program.write_text("from neighbour_of_test import answer\n" + PROGRAM)
    assert callable(Target.parse(str(program)).load())


def test_a_file_named_like_a_loaded_module_does_not_replace_it(program):
    """json.py of the user leaves the json of everyone else alone."""
    loaded = sys.modules["json"] if "json" in sys.modules else __import__("json")
    (program.parent / "json.py").write_text(PROGRAM)
    assert callable(Target.parse("json.py").load())
    assert sys.modules["json"] is loaded


def test_a_file_keeps_its_name_for_the_modules_that_import_it(program):
    """One in the current directory, which is on the path, as `python -m` has it."""
    program.write_text("application = dict\nimport neighbour_of_test")
    neighbour = "import program_of_test as one\none.application = lambda *_: []"
    (program.parent / "neighbour_of_test.py").write_text(neighbour)
    sys.path.insert(0, "")
    application = Target.parse("program_of_test.py").load()
    assert application(None, None) == []
    assert sys.modules["program_of_test"].application is application
    assert Target.parse("program_of_test.py").load() is application


def test_second_default_name_is_app(program):
    """application comes first, then app."""
    program.write_text(PROGRAM.replace("application", "app"))
    assert callable(Target.parse("program_of_test.py").load())


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("nowhere.py", "no such file: nowhere.py"),
        ("program_of_test.py:nothing", "has no 'nothing'"),
        ("program_of_test.py:text", "is no application but of type 'str'"),
        ("program_of_test.py:a b", "no name of an attribute"),
        ("not a module", "neither module:attribute nor file.py"),
        ("..", "neither module:attribute nor file.py"),
        ("program_of_test.py:a..b", "no name of an attribute"),
    ],
)
def test_wrong_usage_ends_with_status_2(program, capsys, argument, message):
    """One line on stderr, no traceback."""
    assert main(["run", argument, "--port=0"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("poorwsgi: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (:", "SyntaxError: "),
        ("import nothing_like_that", "ModuleNotFoundError: "),
        ("import sys; sys.exit(5)", "the program ends itself, sys.exit(5)"),
        (
            "import poorwsgi as p; a = p.Application('two'); p.Application('two')",
            "RuntimeError: Application with name two exist yet.",
        ),
    ],
)
def test_program_that_fails_ends_with_status_1(program, capsys, text, message):
    """The line names the error and its place; --traceback shows the rest."""
    program.write_text(text)
    assert main(["run", "program_of_test.py", "--port=0"]) == 1
    shown = capsys.readouterr().err
    assert message in shown
    assert "program_of_test.py:1)" in shown
    assert "Traceback" not in shown
    assert main(["--traceback", "run", "program_of_test.py", "--port=0"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert main(["run", "program_of_test.py", "--port=0", "--traceback"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_control_c_ends_without_a_traceback(program, capsys):
    program.write_text("raise KeyboardInterrupt")
    assert main(["routes", "program_of_test.py"]) == 130
    assert capsys.readouterr().err == "\n"


def test_module_that_is_missing_is_named_alone(capsys):
    """The import machinery is no place that a user could look at."""
    assert main(["routes", "no_such_module_anywhere:app"]) == 1
    expected = (
        "poorwsgi: ModuleNotFoundError: No module named 'no_such_module_anywhere'\n"
    )
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("port", ["65536", "-1", "x", "8.5"])
def test_port_that_is_none_is_refused(program, capsys, port):
    """A socket would take the rest of a division by 65536."""
    with pytest.raises(SystemExit) as ended:
        main(["run", "program_of_test.py", f"--port={port}"])
    assert ended.value.code == 2
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err


def test_factory_that_fails_is_the_programs_fault(program):
    """As if the import had failed."""
    program.write_text("def make():\n    raise OSError('no database')\n")
    with pytest.raises(LoadError, match=r"OSError: no database .*:2\)"):
        Target.parse("program_of_test:make()").load()


def test_module_that_lacks_an_application_names_what_to_do(program):
    """The names that were tried are in the message."""
    program.write_text("")
    with pytest.raises(UsageError, match="no 'application' nor 'app'; name it"):
        Target.parse("program_of_test").load()


@pytest.mark.parametrize("arguments", [[], ["sing"], ["run"], ["run", "x", "--port=y"]])
def test_wrong_arguments_end_with_status_2(arguments, capsys):
    """argparse shows the usage."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: poorwsgi" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("server", "argument", "command"),
    [
        (
            "uwsgi",
            "program_of_test:app",
            "uwsgi --http-socket h:1 --module program_of_test --callable app"
            " --master --enable-threads --need-app --die-on-term",
        ),
        ("gunicorn", "program_of_test.py", "gunicorn --bind h:1 {}:application"),
        ("gunicorn", "program_of_test:f()", "gunicorn --bind h:1 {}:f()"),
        ("waitress", "program_of_test:f()", "waitress-serve --listen h:1 --call {}:f"),
        (
            "granian",
            "program_of_test:f()",
            "granian --interface wsgi --host h --port 1 --factory {}:f",
        ),
    ],
)
def test_real_server_gets_the_target_its_own_way(program, server, argument, command):
    """Each server names an application differently."""
    made = SERVERS[server](Target.parse(argument), "h", 1)
    assert " ".join(made) == command.format("program_of_test")


def test_development_server_serves_and_says_so(program):
    """It prints where it listens, and that it is for development."""
    command = [
        sys.executable,
        "-m",
        "poorwsgi",
        "run",
        str(program),
        "--port",
        "{port}",
    ]
    with (
        LiveServer(command) as server,
        urlopen(server.url + "/live", timeout=10) as answer,
    ):
        assert answer.read() == b"/live"
    assert f"{server.url}/ is open (Ctrl-C stops)" in server.log
    assert "for development" in server.log


CRASHING = """
from poorwsgi import Application

application = Application("crashing")
{configure}

@application.get("/live/<id:int>")
def live(req):
    return "too few parameters"
"""


@pytest.mark.parametrize(
    ("configure", "times"),
    [
        ("", 1),
        ("import logging; logging.basicConfig()", 1),
        ("import logging; logging.basicConfig(level=logging.CRITICAL)", 0),
    ],
)
def test_development_server_shows_what_failed(program, configure, times):
    """Once, on stderr, where the application has not configured logging itself."""
    program.write_text(CRASHING.format(configure=configure))
    command = f"{sys.executable} -m poorwsgi run {program.name} --port {{port}}"
    with (
        LiveServer(command.split()) as server,
        pytest.raises(HTTPError, match="500"),
    ):
        urlopen(server.url + "/live/7", timeout=10)
    assert server.log.count("TypeError: live() takes 1 positional argument") == times
    assert server.log.count("add a parameter 'id'") == times


def test_port_in_use_is_said_in_a_line(program):
    """No traceback for a port that somebody else has."""
    command = [
        sys.executable,
        "-m",
        "poorwsgi",
        "run",
        str(program),
        "--port",
        "{port}",
    ]
    with LiveServer(command) as server:
        second = subprocess.run(
            [
                sys.executable,
                "-m",
                "poorwsgi",
                "run",
                program,
                "--port",
                str(server.port),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert second.returncode == 1
    assert "Address already in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_file_called_like_an_installed_module_is_loaded(tmp_path, monkeypatch):
    """Its own import of that module would come back to itself otherwise."""
    from poorwsgi.target import Target

    file = tmp_path / "json.py"
    file.write_text("def application(environ, start_response): return [b'mine']\n")
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    application = Target.parse("json.py").load()
    assert application({}, None) == [b"mine"]
    assert sys.modules["json"].__file__ != str(file)


def test_debug_beyond_the_loopback_is_warned_of(monkeypatch, capsys):
    """On stderr, where the address is printed."""

    class Debugging:
        debug = True

    cli._announce(Debugging(), "0.0.0.0", 8080)
    captured = capsys.readouterr()
    assert "debug page: http://0.0.0.0:8080/debug-info" in captured.out
    assert "WARNING: debug is on and the server listens at 0.0.0.0" in captured.err
    cli._announce(Debugging(), "::1", 8080)
    captured = capsys.readouterr()
    assert captured.out.startswith("http://[::1]:8080/ is open")
    assert "WARNING" not in captured.err


def test_a_real_server_is_executed_with_its_command_line(program, monkeypatch, capsys):
    """Printed first, so that it can be taken over into a configuration."""
    executed = []
    monkeypatch.setattr(os, "execv", lambda *call: executed.append(call))
    monkeypatch.setattr(cli.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PYTHONPATH", "before")
    target = Target.parse("program_of_test.py")
    cli._become_server("gunicorn", target, "::1", 80)
    command = ["gunicorn", "--bind", "[::1]:80", "program_of_test:application"]
    assert executed == [("/bin/gunicorn", command)]
    assert (
        capsys.readouterr().err
        == " ".join(command).replace("[::1]:80", "'[::1]:80'") + "\n"
    )
    assert os.environ["PYTHONPATH"] == f"{program.parent}{os.pathsep}before"


def test_a_real_server_that_can_not_be_had(program, monkeypatch):
    monkeypatch.setattr(cli.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UsageError, match="granian isn't installed: pip install gran"):
        cli._become_server("granian", Target.parse("program_of_test.py"), "h", 1)
    with pytest.raises(UsageError, match="takes no factory"):
        cli._become_server("uwsgi", Target.parse("program_of_test:f()"), "h", 1)


def test_files_of_an_error_are_those_it_came_through(program):
    """They are watched until one of them is mended."""
    program.write_text("def (:")
    with pytest.raises(LoadError) as caught:
        Target.parse("program_of_test.py").load()
    assert str(program) in cli.files_of(caught.value.__cause__)
    assert cli.files_of(None) == []
