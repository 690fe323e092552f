"""PoorWSGI: a micro framework for WSGI.

>>> from poorwsgi import Application
>>> app = Application("hello")
>>> @app.route("/")
... def hello(req):
...     return "Hello, World!"
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from poorwsgi.response import abort as abort
    from poorwsgi.response import make_response as make_response
    from poorwsgi.response import redirect as redirect
    from poorwsgi.wsgi import Application as Application

__all__ = ["Application", "abort", "make_response", "redirect"]

#: Public name to the module that holds it; None for a submodule itself.
_EXPORTS: dict[str, str | None] = {
    "Application": "wsgi",
    "abort": "response",
    "make_response": "response",
    "redirect": "response",
    "config": None,
    "fieldstorage": None,
    "headers": None,
    "request": None,
    "response": None,
    "results": None,
    "routing": None,
    "session": None,
    "state": None,
    "wsgi": None,
}


def __getattr__(name: str) -> object:
    """Import what is asked for, the first time it is asked for (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _EXPORTS[name]
    value: object
    if module is None:
        value = import_module(f"{__name__}.{name}")
    else:
        value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
