"""Runs the contract of stores inside of uWSGI and answers how it went."""

import traceback

from store_contract import StoreContract

from poorwsgi.store import UwsgiStore

VALUES = ["", "x", "ř\r\n\0🦊", "x" * 30_000]


def application(environ, start_response):
    """Answer one line for each behaviour."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    lines = []
    for name in sorted(vars(StoreContract)):
        if name.startswith("test_"):
            calls = VALUES if name == "test_value_comes_back" else [None]
            lines.extend(f"{name}: {outcome(name, value)}\n" for value in calls)
    return ["".join(lines).encode()]


def outcome(name, value):
    """Call one method of the contract with an empty cache."""
    store = UwsgiStore()
    store._uwsgi.cache_clear("poorwsgi")
    try:
        getattr(StoreContract(), name)(store, *([] if value is None else [value]))
    except Exception:
        return traceback.format_exc().replace("\n", " | ")
    return "ok"
