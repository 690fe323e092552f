"""The command line: ``python -m poorwsgi COMMAND``.

Each sub-command is a function that adds its parser, listed in COMMANDS; what
it runs is set as ``call`` and gets the parsed arguments. Exit status: 0 done,
1 failed or found problems, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shlex
import shutil
import socket
import sys
import traceback
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from poorwsgi.state import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from wsgiref.types import WSGIApplication

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Where an application is looked for in a module that is named alone.
DEFAULT_NAMES = ("application", "app")


class UsageError(Exception):
    """The command line asks for something that isn't there (status 2)."""


class LoadError(Exception):
    """The program of the user failed while it was imported (status 1)."""


class Target(NamedTuple):
    """An application as named on the command line.

    Either ``module:attribute`` or ``path/to/file.py:attribute``; the attribute
    may be left out, and may be the call of a factory, ``create_app()``.
    """

    folder: Path
    module: str
    file: Path | None
    attribute: str
    is_factory: bool

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read the argument; nothing is imported.

        :raises UsageError: the file doesn't exist, or it is no such argument.
        """
        name, _, attribute = text.partition(":")
        is_factory = attribute.endswith("()")
        attribute = attribute.removesuffix("()")
        if attribute and not attribute.replace(".", "_").isidentifier():
            raise UsageError(f"{text!r}: {attribute!r} is no name of an attribute")
        if not name.endswith(".py"):
            if not name.replace(".", "_").isidentifier():
                raise UsageError(f"{text!r} is neither module:attribute nor file.py")
            return cls(Path.cwd(), name, None, attribute, is_factory)
        file = Path(name).resolve()
        if not file.is_file():
            raise UsageError(f"no such file: {name}")
        return cls(file.parent, file.stem, file, attribute, is_factory)

    def load(self) -> WSGIApplication:
        """Import the module and return the application.

        :raises LoadError: the import or the factory failed.
        :raises UsageError: the module has no such application.
        """
        # As `python file.py` and `python -m module` do.
        sys.path.insert(0, str(self.folder))
        try:
            module = self._import()
            value = _find_attribute(module, self.attribute)
            application = value() if self.is_factory else value
        except UsageError:
            raise
        except Exception as error:
            raise LoadError(_describe(error)) from error
        if not callable(application):
            raise UsageError(
                f"{self} is a {type(application).__name__}, no application"
            )
        return application  # type: ignore[no-any-return]

    def __str__(self) -> str:
        call = "()" if self.is_factory else ""
        return f"{self.module}:{self.attribute or DEFAULT_NAMES[0]}{call}"

    def _import(self) -> ModuleType:
        if self.file is None:
            return importlib.import_module(self.module)
        # A file called like a module that is loaded already gets another name.
        name = self.module if self.module not in sys.modules else f"{self.module}_file"
        spec = importlib.util.spec_from_file_location(name, self.file)
        if spec is None or spec.loader is None:
            raise UsageError(f"{self.file} can't be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module


def _find_attribute(module: ModuleType, attribute: str) -> Any:
    """Return the named attribute of a module, or the first default one."""
    names = (attribute,) if attribute else DEFAULT_NAMES
    for name in names:
        value: Any = module
        for step in name.split("."):
            value = getattr(value, step, None)
        if value is not None:
            return value
    wanted = " nor ".join(map(repr, names))
    raise UsageError(f"{module.__name__} has no {wanted}; name it: MODULE:ATTRIBUTE")


def _describe(error: BaseException) -> str:
    """Say what happened and where, in one line."""
    where = ""
    if isinstance(error, SyntaxError):
        where = f" ({error.filename}:{error.lineno})"
        return f"SyntaxError: {error.msg}{where}"
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        where = f" ({frames[-1].filename}:{frames[-1].lineno})"
    return f"{type(error).__name__}: {error}{where}"


# -- run ----------------------------------------------------------------------


class DevelopmentServer(ThreadingMixIn, WSGIServer):
    """wsgiref with a thread for each connection."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[WSGIRequestHandler]
    ) -> None:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        self.address_family = family
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(application: WSGIApplication, host: str, port: int) -> None:
    """Serve until Ctrl-C with the development server."""
    with DevelopmentServer((host, port), WSGIRequestHandler) as server:
        server.set_app(application)
        url = _url(host, server.server_port)
        debug = f", debug page: {url}/debug-info" if _is_debug(application) else ""
        print(f"{url}/ is open{debug} (Ctrl-C stops)", flush=True)
        print(
            "This server is for development. For real use: --server, doc/servers.rst",
            file=sys.stderr,
        )
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)


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
    application = target.load()
    try:
        serve(application, args.host, args.port)
    except OSError as error:
        raise LoadError(f"{_url(args.host, args.port)}: {error.strerror}") from error
    return 0


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
    parser.add_argument("--port", type=int, default=8080, help="default: %(default)s")
    parser.add_argument(
        "--server",
        choices=["wsgiref", *sorted(SERVERS)],
        default="wsgiref",
        help="default: %(default)s, the development server",
    )
    parser.set_defaults(call=run)


# -- the parser ---------------------------------------------------------------

#: Functions that add a sub-command each; a new one gets a line here.
COMMANDS: tuple[Callable[[Subparsers], None], ...] = (add_run,)


def add_application(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names an application; read it by Target.parse."""
    parser.add_argument(
        "application",
        metavar="APPLICATION",
        help="module:attribute, module:factory(), or path/to/file.py[:attribute]",
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser with all sub-commands."""
    parser = argparse.ArgumentParser(
        prog="poorwsgi", description="Serve and inspect WSGI applications."
    )
    parser.add_argument(
        "--version", action="version", version=f"poorwsgi {__version__}"
    )
    parser.add_argument(
        "--traceback", action="store_true", help="show where an error came from"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in COMMANDS:
        add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    args = make_parser().parse_args(arguments)
    try:
        return int(args.call(args))
    except (LoadError, UsageError) as error:
        if args.traceback:
            traceback.print_exception(error.__cause__ or error)
        print(f"poorwsgi: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1


if __name__ == "__main__":
    sys.exit(main())
