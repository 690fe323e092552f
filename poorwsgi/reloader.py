"""Start a program anew when one of its files has changed.

Two processes: the outer one holds the listening socket, so that no connection is
refused in between, and starts the inner one, which serves and watches. A program
that can not be imported is waited for: the inner process watches on what it has
seen so far, and ends when that changes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from fnmatch import fnmatch
from glob import glob
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

__all__ = ["RELOAD", "Watcher", "is_inner", "run_outer", "watch"]

#: Exit status of an inner process that is to be started again.
RELOAD = 3
_SOCKET = "POORWSGI_RUN_SOCKET"
_SECONDS = 0.4


def is_inner() -> int | None:
    """Return the number of the socket to serve on, None in the outer process."""
    number = os.environ.get(_SOCKET)
    return int(number) if number else None


def run_outer(listener: socket.socket, command: list[str]) -> int:
    """Run the inner process again and again; return the status of its last end."""
    listener.set_inheritable(True)
    number = listener.fileno()
    environ = {**os.environ, _SOCKET: str(number)}
    while True:
        inner = subprocess.Popen(  # noqa: S603 - the command we were started with
            command, env=environ, pass_fds=[number]
        )
        status = _wait(inner)
        if status != RELOAD:
            return status
        print("Changed, starting again", file=sys.stderr, flush=True)


def _wait(inner: subprocess.Popen[bytes]) -> int:
    """Wait for the end of the inner process; end it if we are to end."""

    def end(*_: object) -> None:
        inner.terminate()

    previous = signal.signal(signal.SIGTERM, end)
    try:
        while True:
            try:
                return abs(inner.wait())
            except KeyboardInterrupt:  # the inner one got it too
                continue
    finally:
        signal.signal(signal.SIGTERM, previous)


class Watcher:
    """Knows which files count, and notices when one of them changes.

    :param globs: files to watch beside the imported modules; ``**`` is recursive
    :param excludes: patterns of paths that never count, such as ``*/tmp/*``
    """

    def __init__(
        self,
        globs: Iterable[str] = (),
        excludes: Iterable[str] = (),
        files: Iterable[str] = (),
    ):
        self.globs = list(globs)
        self.excludes = list(excludes)
        self.files = {os.path.abspath(file) for file in files}
        self._seen = self.times()

    def wanted(self) -> set[str]:
        """Return the files that count now."""
        found = set(self.files)
        for module in list(sys.modules.values()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and not file.startswith(_OF_PYTHON):
                found.add(os.path.abspath(file))
        for pattern in self.globs:
            found |= {os.path.abspath(path) for path in glob(pattern, recursive=True)}
        return {path for path in found if not self.is_excluded(path)}

    def is_excluded(self, path: str) -> bool:
        """Return True for a path that never counts."""
        relative = os.path.relpath(path)
        return any(
            fnmatch(path, pattern) or fnmatch(relative, pattern)
            for pattern in self.excludes
        )

    def times(self) -> dict[str, float]:
        """Return when each file was changed."""
        times = {}
        for path in self.wanted():
            try:
                times[path] = os.stat(path).st_mtime
            except OSError:
                continue
        return times

    def changed(self) -> str:
        """Return a file that has changed since the last look, or ""."""
        old, self._seen = self._seen, self.times()
        for path, when in self._seen.items():
            # A module that was imported since then is no change.
            if old.get(path, when) != when:
                return path
        globbed = {
            os.path.abspath(p) for g in self.globs for p in glob(g, recursive=True)
        }
        news = (set(self._seen) - set(old)) & globbed
        gone = set(old) - set(self._seen)
        return next(iter(sorted(news | gone)), "")


#: The standard library does not change while one writes a program.
_OF_PYTHON = tuple(
    os.path.dirname(os.path.abspath(module.__file__ or "")) + os.sep
    for module in (os, sys.modules["importlib"])
    if getattr(module, "__file__", None)
)


def watch(watcher: Watcher, seconds: float = _SECONDS) -> threading.Thread:
    """End this process with `RELOAD` when a file has changed, from a thread."""

    def look() -> None:
        changes = _by_system(watcher, seconds) or _by_polling(watcher, seconds)
        print(f"{os.path.relpath(changes())} has changed", file=sys.stderr, flush=True)
        # exit() of a thread ends the thread alone.
        os._exit(RELOAD)

    thread = threading.Thread(target=look, name="reloader", daemon=True)
    thread.start()
    return thread


def _by_polling(watcher: Watcher, seconds: float) -> Callable[[], str]:
    """Return a function that waits for a change by looking at the times."""

    def wait() -> str:
        while not (path := watcher.changed()):
            time.sleep(seconds)
        return path

    return wait


def _by_system(watcher: Watcher, seconds: float) -> Callable[[], str] | None:
    """Return a function that is woken by the system, None without watchfiles.

    It is told of whole directories; which of their files count, and which are
    excluded, is for the watcher to say, as when polling.
    """
    try:
        watchfiles: Any = import_module("watchfiles")
    except ImportError:
        return None

    def wait() -> str:
        while True:
            folders = {os.path.dirname(path) for path in watcher.wanted()}
            folders = {folder for folder in folders if os.path.isdir(folder)}
            waiting = watchfiles.watch(
                *sorted(folders),
                recursive=False,
                rust_timeout=2000,
                yield_on_timeout=True,
            )
            next(waiting)
            path = watcher.changed()
            if path:
                return path

    return wait
