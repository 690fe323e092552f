"""The user's handlers, called so that none of them can change a verdict.

A handler that raises, or returns what it must not, is logged and counts as
absent: a block stays a block, a pass stays a pass.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from poorwsgi.perimeterx.answer import Answer, custom_answer
from poorwsgi.perimeterx.context import as_text, header, is_address, trusted_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from wsgiref.types import WSGIEnvironment

    from poorwsgi.perimeterx.config import Config
    from poorwsgi.perimeterx.context import Context
    from poorwsgi.perimeterx.quiet import QuietLog

CUSTOM_PARAMETERS = tuple(f"custom_param{number}" for number in range(1, 11))


class Handlers:
    """The handlers of one configuration."""

    def __init__(self, config: Config, quiet: Callable[[], QuietLog]) -> None:
        self._config = config
        self._quiet = quiet

    def client_address(self, environ: WSGIEnvironment) -> str:
        """Return the visitor's address: trusted header, handler, peer."""
        if address := trusted_address(environ, self._config):
            return address
        handler = self._config.get_user_ip
        if handler is not None:
            try:
                address = str(handler(environ))
                if is_address(address):
                    return address
            except Exception as err:
                self._complain("get_user_ip", err)
        return as_text(header(environ, "REMOTE_ADDR"))

    def custom_parameters(self) -> dict[str, Any]:
        """Return the parameters that the site wants reported."""
        handler = self._config.enrich_custom_parameters
        if handler is None:
            return {}
        try:
            given = handler(dict.fromkeys(CUSTOM_PARAMETERS, ""))
            taken = {
                name: given[name]
                for name in CUSTOM_PARAMETERS
                if given.get(name) not in (None, "")
            }
            # What JSON cannot hold must not spoil the call: an error now.
            json.dumps(taken, allow_nan=False, default=str)
            return taken
        except Exception as err:
            self._complain("enrich_custom_parameters", err)
            return {}

    def before_activity(self, ctx: Context) -> None:
        """Let the site change what is reported."""
        handler = self._config.additional_activity_handler
        if handler is None:
            return
        try:
            handler(ctx, self._config)
        except Exception as err:
            self._complain("additional_activity_handler", err)

    def custom_answer(self, ctx: Context, environ: WSGIEnvironment) -> Answer | None:
        """Return the site's own answer, if it wants one."""
        handler = self._config.custom_request_handler
        if handler is None:
            return None
        try:
            return custom_answer(handler(ctx, self._config, environ))
        except Exception as err:
            self._complain("custom_request_handler", err)
            return None

    def _complain(self, name: str, error: Exception) -> None:
        self._quiet().say(logging.ERROR, name, f"{name} counts as absent", error)
