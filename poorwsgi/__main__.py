"""The command line: ``python -m poorwsgi COMMAND``, or ``poorwsgi COMMAND``.

Here are the parser and ``run``; what looks at an application stands in `commands`.
Each sub-command is a function that adds its parser, listed in COMMANDS; what it
runs is set as ``call`` and gets the parsed arguments. Exit status: 0 done, 1
failed or found problems, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import signal
import socket
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poorwsgi import commands, reloader
from poorwsgi.checks import is_public
from poorwsgi.devserver import DevelopmentServer, listen
from poorwsgi.logs import show_unheard
from poorwsgi.state import __version__
from poorwsgi.target import (
    DEFAULT_NAMES,
    LoadError,
    Target,
    UsageError,
    add_application,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from wsgiref.types import WSGIApplication

    from poorwsgi.target import Subparsers

__all__ = ["LoadError", "Target", "UsageError", "main", "serve"]


# -- run ----------------------------------------------------------------------


def _port(text: str) -> int:
    """Read a port; 0 lets the system choose one."""
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: WSGIApplication, host: str, port: int) -> None:
    """Serve until Ctrl-C with the development server.

    Warnings and errors are written to stderr, unless logging is configured.

    :raises OSError: the address can not be had
    """
    show_unheard()
    _serve_on(listen(host, port), application)


def _serve_on(listener: socket.socket, application: WSGIApplication) -> None:
    with DevelopmentServer(listener, application) as server:
        _announce(application, *listener.getsockname()[:2])
        try:
            server.serve_forever(0.1)
        except KeyboardInterrupt:
            print(file=sys.stderr)


def _announce(application: WSGIApplication, host: str, port: int) -> None:
    """Say where the server listens, and what is dangerous about it."""
    url = _url(host, port)
    debug = f", debug page: {url}/debug-info" if _is_debug(application) else ""
    print(f"{url}/ is open{debug} (Ctrl-C stops)", flush=True)
    print(
        "This server is for development. For real use: --server, doc/servers.rst",
        file=sys.stderr,
    )
    if debug and is_public(f"[{host}]" if ":" in host else host):
        print(
            f"WARNING: debug is on and the server listens at {host}, so anybody sees "
            "tracebacks and /debug-info; set debug to False, or use --host 127.0.0.1",
            file=sys.stderr,
            flush=True,
        )


def _is_debug(application: Any) -> bool:
    return bool(getattr(application, "debug", False))


def _uwsgi(target: Target, host: str, port: int) -> list[str]:
    module = ["--module", target.module]
    if target.file is not None:
        module = ["--wsgi-file", str(target.file)]
    callable_name = target.attribute or DEFAULT_NAMES[0]
    command = ["uwsgi", "--http-socket", f"{host}:{port}", *module]
    options = ["--master", "--enable-threads", "--need-app", "--die-on-term"]
    return [*command, "--callable", callable_name, *options]


def _gunicorn(target: Target, host: str, port: int) -> list[str]:
    return ["gunicorn", "--bind", f"{host}:{port}", str(target)]


def _waitress(target: Target, host: str, port: int) -> list[str]:
    call = ["--call"] if target.is_factory else []
    name = str(target).removesuffix("()")
    return ["waitress-serve", "--listen", f"{host}:{port}", *call, name]


def _granian(target: Target, host: str, port: int) -> list[str]:
    factory = ["--factory"] if target.is_factory else []
    address = ["--host", host, "--port", str(port)]
    name = str(target).removesuffix("()")
    return ["granian", "--interface", "wsgi", *address, *factory, name]


#: Name of a real server to the command line that serves a target.
SERVERS: dict[str, Callable[[Target, str, int], list[str]]] = {
    "gunicorn": _gunicorn,
    "granian": _granian,
    "uwsgi": _uwsgi,
    "waitress": _waitress,
}


def _become_server(name: str, target: Target, host: str, port: int) -> None:
    """Replace this process by a real server; return only by an error."""
    if name == "uwsgi" and target.is_factory:
        raise UsageError("uwsgi takes no factory: assign its result to a variable")
    if ":" in host:
        host = f"[{host}]"
    command = SERVERS[name](target, host, port)
    beside = Path(sys.executable).with_name(command[0])
    program = str(beside) if beside.exists() else shutil.which(command[0])
    if program is None:
        raise UsageError(f"{command[0]} isn't installed: pip install {name}")
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(target.folder), path)))
    print(shlex.join(command), file=sys.stderr, flush=True)
    os.execv(program, command)  # noqa: S606 - no shell, the table above


def run(args: argparse.Namespace) -> int:
    """Serve an application."""
    target = Target.parse(args.application)
    if args.server != "wsgiref":
        _become_server(args.server, target, args.host, args.port)
    show_unheard()  # what is wrong with a route is told when it is loaded
    number = reloader.is_inner()
    if number is not None:
        return _run_inner(args, target, socket.socket(fileno=number))
    try:
        listener = listen(args.host, args.port)
    except OSError as error:
        raise LoadError(f"{_url(args.host, args.port)}: {error.strerror}") from error
    if args.reload:
        words = [sys.executable, "-m", "poorwsgi", *args.words]
        return reloader.run_outer(listener, words)
    with listener:
        _serve_on(listener, target.load())
    return 0


def _run_inner(
    args: argparse.Namespace, target: Target, listener: socket.socket
) -> int:
    """Serve, and end when a file has changed; a program that fails is waited for."""
    files = [str(target.file)] if target.file else []
    globs, excludes = args.reload_include, args.reload_exclude
    try:
        application = target.load()
    except LoadError as error:
        print(f"poorwsgi: {error}; waiting for a change", file=sys.stderr, flush=True)
        files += files_of(error.__cause__)
        watcher = reloader.Watcher(globs, excludes, files)
        reloader.watch(watcher).join()
        return 1  # not reached: the watcher ends the process
    reloader.watch(reloader.Watcher(globs, excludes, files))
    _serve_on(listener, application)
    return 0


def files_of(error: BaseException | None) -> list[str]:
    """Return the files that an error has come through."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    files = [frame.filename for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        files.append(error.filename)
    return [file for file in files if os.path.isfile(file)]


def add_run(commands: Subparsers) -> None:
    """Add ``run``."""
    parser = commands.add_parser(
        "run",
        help="serve an application, for development",
        description="Serve an application. The server built in is for development: "
        "one process, a thread for each connection. --server starts a real one.",
    )
    add_application(parser)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument("--port", type=_port, default=8080, help="default: %(default)s")
    parser.add_argument(
        "--server",
        choices=["wsgiref", *sorted(SERVERS)],
        default="wsgiref",
        help="default: %(default)s, the development server; others are executed, "
        "and their command line is printed",
    )
    parser.add_argument(
        "--reload", action="store_true", help="start again when a file has changed"
    )
    parser.add_argument(
        "--reload-include",
        metavar="GLOB",
        action="append",
        default=[],
        help="files to watch beside the imported modules, such as 'www/**/*.html'",
    )
    parser.add_argument(
        "--reload-exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="files that never count, such as '*/generated/*'",
    )
    parser.set_defaults(call=run)


# -- the parser ---------------------------------------------------------------

#: Functions that add a sub-command each; a new one gets a line here.
COMMANDS: tuple[Callable[[Subparsers], None], ...] = (add_run, *commands.COMMANDS)
#: Modules that may be left out of an installation; where one is there, its
#: function ``add_command(commands)`` adds a sub-command.
OPTIONAL = ("poorwsgi.openapi",)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="poorwsgi", description="Serve and inspect WSGI applications."
    )
    parser.add_argument(
        "--version", action="version", version=f"poorwsgi {__version__}"
    )
    _add_traceback(parser, default=False)
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", required=True
    )
    for add in (*COMMANDS, *_optional()):
        add(subparsers)
    for command in subparsers.choices.values():
        # Behind the command, where one adds it to the line that has failed.
        _add_traceback(command, default=argparse.SUPPRESS)
    return parser


def _add_traceback(parser: argparse.ArgumentParser, default: Any) -> None:
    text = "show where an error came from"
    parser.add_argument("--traceback", action="store_true", default=default, help=text)


def _optional() -> list[Callable[[Subparsers], None]]:
    """Return what modules add that are installed."""
    found: list[Callable[[Subparsers], None]] = []
    for name in OPTIONAL:
        if importlib.util.find_spec(name) is not None:
            add: Any = getattr(import_module(name), "add_command", None)
            if add is not None:
                found.append(add)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = make_parser().parse_args(words)
    args.words = words
    try:
        return int(args.call(args))
    except (LoadError, UsageError) as error:
        if args.traceback:
            traceback.print_exception(error.__cause__ or error)
        print(f"poorwsgi: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 128 + signal.SIGINT  # as a shell has it
    except BrokenPipeError:  # poorwsgi routes ... | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
