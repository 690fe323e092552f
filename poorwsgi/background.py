"""Threads that work beside requests, and what they can do at the exit."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from importlib import import_module

#: Windows has no masks, and no server that forks and signals its workers.
_set_mask = getattr(signal, "pthread_sigmask", None)


def start_without_signals(thread: threading.Thread) -> None:
    """Start a thread that the process gets no signal in.

    uWSGI ends a worker from a signal handler that runs Python's exit functions.
    In a thread of ours those wait for what the same thread was about to do, and
    if it had the interpreter just then, the worker crashes.

    :raises RuntimeError: when the interpreter starts no threads any more.
    """
    if _set_mask is None:
        thread.start()
        return
    # A new thread inherits the mask of the one that starts it.
    mask = _set_mask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()
    finally:
        _set_mask(signal.SIG_SETMASK, mask)


_leaving = threading.Event()


def begin_exit() -> None:
    """Note that the exit functions of Python run; each of ours calls it."""
    _leaving.set()


def call_at_end_of_child(function: Callable[[], object]) -> None:
    """Have function called when this process ends, if multiprocessing made it.

    A process that it forked skips Python's exit functions.
    """
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        util = import_module("multiprocessing.util")
        util.Finalize(None, function, exitpriority=100)


def can_begin_tls() -> bool:
    """Tell whether a TLS connection may be opened.

    uWSGI runs Python's exit functions after OpenSSL has cleaned up: connections
    that are open work on, a new one crashes the worker.
    """
    return not (_leaving.is_set() and "uwsgi" in sys.modules)
