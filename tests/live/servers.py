"""The servers of the live tests: how each is started, and what it can't do."""

import re
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from poorwsgi.testing import LiveServer

HERE = Path(__file__).parent
APP = HERE / "app.py"
#: What doc/servers.rst shows is what runs here.
CONFIGURATIONS = HERE.parent.parent / "examples" / "servers"


class Server(NamedTuple):
    """One configuration of a server."""

    name: str
    command: tuple[str, ...]
    #: What this server does otherwise, and no application can mend: a key of
    #: LIMITS. doc/servers.rst tells users.
    limits: tuple[str, ...] = ()
    #: The configuration of nginx in front, if there is one.
    nginx: str = ""
    #: The configuration of the server itself, if it is a file to be filled in.
    config: str = ""


LIMITS = {
    "chunk-size": "takes a chunk size that is no number for the last chunk",
    "bad-chunks": "takes a broken chunked body for its end",
    "two-lengths": "lets Content-Length beside Transfer-Encoding pass",
    "cut-body": "answers 500 by itself to a body that breaks off",
    "cut-stream": "ends an answer that broke off like a whole one",
    "close-ends": "ends a stream without a length by closing, and drops text in it",
    "head-chunks": "sends the last chunk after the headers of a HEAD",
    "no-host": "shows a missing Host as an empty one",
}


def _uwsgi(*arguments):
    return (
        *("uwsgi", "--wsgi-file", str(APP), "--master", "--need-app"),
        *("--die-on-term", "--worker-reload-mercy", "3", *arguments),
    )


INI = str(CONFIGURATIONS / "uwsgi.ini")
GUNICORN = str(CONFIGURATIONS / "gunicorn.conf.py")

SERVERS = [
    Server("uwsgi", _uwsgi("--http-socket", "{address}"), ("chunk-size", "close-ends")),
    Server(
        "uwsgi-2x4",
        _uwsgi("--ini", INI, "--http-socket", "{address}"),
        ("chunk-size", "close-ends"),
    ),
    Server(
        "uwsgi-router",
        _uwsgi("--http", "{address}", "--http-chunked-input", "--processes", "2"),
        ("chunk-size", "close-ends"),
    ),
    Server(
        "uwsgi-nginx",
        _uwsgi("--ini", INI, "--socket", "{address}"),
        ("cut-stream",),
        nginx="nginx.conf",
    ),
    Server(
        "gunicorn-sync",
        ("gunicorn", "--bind", "{address}", "--workers", "2", "app:application"),
    ),
    Server(
        "gunicorn-gthread",
        ("gunicorn", "--config", GUNICORN, "--bind", "{address}", "app:application"),
    ),
    Server(
        "gunicorn-nginx",
        ("gunicorn", "--config", GUNICORN, "--bind", "{address}", "app:application"),
        nginx="nginx-proxy.conf",
    ),
    Server(
        "waitress",
        ("waitress-serve", "--listen", "{address}", "app:application"),
        ("head-chunks",),
    ),
    Server(
        "waitress-nginx",
        (
            *("waitress-serve", "--no-clear-untrusted-proxy-headers"),
            *("--listen", "{address}", "app:application"),
        ),
        nginx="nginx-proxy.conf",
    ),
    Server(
        "granian",
        (
            *("granian", "--interface", "wsgi", "--host", "{host}", "--port", "{port}"),
            *("--blocking-threads", "4", "app:application"),
        ),
        ("chunk-size", "bad-chunks", "two-lengths", "cut-stream", "no-host"),
    ),
    Server(
        "granian-nginx",
        (
            *("granian", "--interface", "wsgi", "--host", "{host}", "--port", "{port}"),
            *("--blocking-threads", "4", "app:application"),
        ),
        ("cut-stream",),
        nginx="nginx-proxy.conf",
    ),
    Server(
        "mod_wsgi",
        ("apache2", "-DFOREGROUND", "-d", "{folder}", "-f", "{folder}/mod_wsgi.conf"),
        ("cut-body", "cut-stream"),
        config="mod_wsgi.conf",
    ),
    Server(
        "wsgiref",
        (sys.executable, "-m", "poorwsgi", "run", str(APP), "--port", "{port}"),
    ),
]


def find_program(name):
    """Return the path of a program of this environment or of the system."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def missing_programs(server):
    """Return the programs that this configuration wants and nobody has."""
    wanted = [server.command[0], *(["nginx"] if server.nginx else [])]
    missing = [name for name in wanted if find_program(name) is None]
    if server.config:
        text = (CONFIGURATIONS / server.config).read_text()
        modules = re.findall(r"^LoadModule \S+ (\S+)$", text, re.M)
        missing += [path for path in modules if not Path(path).exists()]
    return missing


class Running:
    """A server of the table while it runs, with nginx in front if it wants."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        program = find_program(server.command[0])
        env = {
            "LIVE_FOLDER": str(folder),
            "PYTHONPATH": f"{HERE.parent.parent}:{HERE}",
            "PYTHONUNBUFFERED": "1",
        }
        command = [word.replace("{folder}", str(folder)) for word in server.command]
        command[0] = program
        if server.config:
            env |= self._readable_copies()
        inner = LiveServer(command, cwd=HERE, env=env)
        if server.config:
            self._write_config(server.config, inner.address)
        self._servers = [inner]
        if server.nginx:
            self._servers.append(self._nginx(self._servers[0].address))

    def _readable_copies(self):
        """Copy what Apache serves, as another user, who can't read everything."""
        ignored = shutil.ignore_patterns("__pycache__")
        package = HERE.parent.parent / "poorwsgi"
        shutil.copytree(package, self.folder / "lib" / "poorwsgi", ignore=ignored)
        shutil.copy(APP, self.folder)
        return {"SITE": str(self.folder), "PYTHONPATH": str(self.folder / "lib")}

    def _write_config(self, name, address):
        """Write the configuration that we recommend, with another address."""
        text = (CONFIGURATIONS / name).read_text()
        (self.folder / name).write_text(text.replace("127.0.0.1:8000", address))

    def _nginx(self, upstream):
        """Return nginx with the configuration that we recommend."""
        config = self.folder / "nginx.conf"
        # One process, of this user: the folder of the test is ours alone.
        alone = ["-g", "master_process off;"]
        command = [find_program("nginx"), *alone, "-p", str(self.folder)]
        command += ["-c", str(config)]
        server = LiveServer(command)
        text = (CONFIGURATIONS / self.server.nginx).read_text()
        text = text.replace("127.0.0.1:9000", upstream)
        config.write_text(text.replace("127.0.0.1:8000", server.address))
        return server

    def __repr__(self):
        return f"<{self.server.name} at {self.address}>"

    @property
    def address(self):
        """Return (host, port) of the outermost server."""
        return self._servers[-1].host, self._servers[-1].port

    @property
    def log(self):
        """Return what all of it has logged."""
        return "\n".join(server.log for server in self._servers)

    def start(self):
        """Start in order, the application first."""
        for server in self._servers:
            server.start()

    def stop(self):
        """Stop all, the outermost first."""
        for server in reversed(self._servers):
            server.stop()
