"""The commands that the documentation shows: each is run, or known to others."""

import configparser
import cProfile
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import poorwsgi.__main__
from poorwsgi import auth, digest

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
DOC = ROOT / "doc"
#: These make the environment of the reader.
SHELL = {"python -m venv .venv", ". .venv/bin/activate", "pip install 'poorwsgi>=3'"}
SHELL |= {"systemctl cat site"}


def commands():
    """Yield (page, command, what it prints) for each that stands behind a $."""
    for path in sorted(DOC.glob("*.rst")):
        blocks = re.findall(
            r"code-block:: console\n\n((?: +.*\n|\n)+)", path.read_text(), re.M
        )
        for block in blocks:
            for part in re.split(r"^ +\$ ", block, flags=re.M)[1:]:
                command, _, output = part.partition("\n")
                command = re.sub(r"\s+#.*", "", command).strip()
                if command not in SHELL:
                    yield path.stem, command, output


FOUND = list(commands())
UNNAMED = "Application(str(object()))"


def of_program(*names):
    return [
        pytest.param(command, output, id=f"{page}: {command}")
        for page, command, output in FOUND
        if re.sub(r"^\w+=\S+ ", "", re.sub(r"^\w+=\S+ ", "", command)).startswith(names)
    ]


POORWSGI = ("poorwsgi ", "python -m poorwsgi ")
TOOLS = ("python -m poorwsgi.auth", "python -m poorwsgi.digest")
SERVERS = ("uwsgi ", "gunicorn ", "waitress-serve ", "granian ", "apache2 ")


def words_of(command):
    words = shlex.split(command)
    return words[3:] if words[0] == "python" else words[1:]


def test_every_command_is_of_a_known_kind():
    """Else no test below has run it."""
    kinds = (*POORWSGI, *TOOLS, *SERVERS, "make ", "pip install ", "pytest ", "curl ")
    kinds += ("python tests/", "python examples/", "python -c ", "export ")
    unknown = [
        command
        for _, command, _ in FOUND
        if not re.sub(r"^(\w+=\S+ )+", "", command).startswith(kinds)
    ]
    assert unknown == []


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with the files that the commands name."""
    for name, source in (
        ("app.py", "simple.py"),
        ("hello.py", "tutorial/hello.py"),
        ("guestbook.py", "tutorial/guestbook.py"),
        ("examples/simple.py", "simple.py"),
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        # A name of its own: other tests load the same example.
        text = (EXAMPLES / source).read_text()
        path.write_text(re.sub(r'Application\("\w+"\)', UNNAMED, text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(poorwsgi.__main__, "run", lambda args: 0, raising=False)
    profile = cProfile.Profile()
    profile.runcall(sorted, [2, 1])
    profile.dump_stats(tmp_path / "start.profile")
    return tmp_path


@pytest.mark.parametrize(("command", "output"), of_program(*POORWSGI))
def test_a_command_of_ours_is_run(folder, capsys, command, output):
    """`run` is only read here; tests/live/test_run.py serves. Others print."""
    words = words_of(command.replace("/tmp/", f"{folder}/"))
    if words[0] == "run":
        args = poorwsgi.__main__.make_parser().parse_args(words)
        assert (folder / args.application).exists()
        return
    assert poorwsgi.__main__.main(words) == 0
    printed = capsys.readouterr().out
    if output.strip():
        told = [line.split() for line in output.strip().splitlines()]
        assert told == [line.split() for line in printed.strip().splitlines()]


@pytest.mark.parametrize(("command", "output"), of_program(*TOOLS))
def test_a_tool_for_passwords_is_run(folder, monkeypatch, capsys, command, output):
    """On a file that has the user already, unless it is to be made."""
    module = auth if ".auth" in command else digest
    monkeypatch.setattr("getpass.getpass", lambda prompt="": "secret")
    monkeypatch.setattr(module, "getpass", lambda prompt="": "secret", raising=False)
    words = words_of(command)
    if module is auth:
        auth.PasswordFile("users.scrypt").set("joe", "secret")
    else:
        assert digest.main(["-c", "users.digest", "User Zone", "joe"]) == 0
    assert module.main(words) == 0


@pytest.mark.parametrize(("command", "output"), of_program("python -c "))
def test_a_line_of_python_is_run(folder, capsys, command, output):
    line = shlex.split(command.replace("/tmp/", f"{folder}/"))[2]
    exec(compile(line, command, "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize(("command", "output"), of_program("make "))
def test_a_target_is_there(command, output):
    """Each is run by CI or by a test of its own."""
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


@pytest.mark.parametrize(("command", "output"), of_program("pip install "))
def test_what_is_installed_has_an_extra(command, output):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = re.search(r"poorwsgi\[(.+)\]", command)
    wanted = named[1].split(",") if named else []
    assert set(wanted) <= set(setup["options.extras_require"])


@pytest.mark.parametrize(("command", "output"), of_program(*SERVERS))
def test_a_server_is_one_of_those_that_run_live(command, output):
    """With the same file of configuration, if it has one."""
    words = shlex.split(command)
    words = words[next(i for i, word in enumerate(words) if "=" not in word) :]
    live = (ROOT / "tests" / "live" / "servers.py").read_text()
    assert f'"{words[0]}"' in live
    for word in words:
        if word.endswith((".ini", ".conf", ".conf.py")):
            assert f'"{Path(word).name}"' in live


@pytest.mark.parametrize(
    ("command", "output"), of_program("python tests/", "python examples/")
)
def test_a_program_of_the_checkout_is_there(command, output):
    for word in shlex.split(command)[1:]:
        assert not word.endswith(".py") or (ROOT / word).is_file()


def test_the_fixtures_of_pytest_do_what_the_page_says():
    """In a process of its own; without other plugins, which take seconds to load."""
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p"]
    words += ["poorwsgi.pytest_plugin"]
    done = subprocess.run(
        [sys.executable, *words, "examples/pytest"],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout
