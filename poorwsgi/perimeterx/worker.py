"""What one process owns: connections, queue, cache, memory of the log.

Nothing of it may be used after a fork: a connection would carry two
conversations, a lock could be held by a thread that is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from poorwsgi.perimeterx.activities import Sender
from poorwsgi.perimeterx.evaluation import CookieCache
from poorwsgi.perimeterx.firstparty import CAPTCHA, CLIENT, XHR
from poorwsgi.perimeterx.quiet import QuietLog
from poorwsgi.perimeterx.transport import Upstream, make_context

if TYPE_CHECKING:
    from ssl import SSLContext

    from poorwsgi.perimeterx.config import Config


class Worker:
    """The mutable half of a PerimeterX object, one for each process."""

    def __init__(self, config: Config, context: SSLContext | None) -> None:
        self.quiet = QuietLog()
        self.cache = CookieCache()
        self.api = Upstream(config.api_base, context)
        self.first_party = {
            CLIENT: Upstream(config.client_base, context),
            CAPTCHA: Upstream(config.captcha_base, context),
            XHR: Upstream(config.collector_base, context),
        }
        self.sender = Sender(config, self.api, self.quiet)

    def close(self, timeout: float) -> None:
        """Send what waits, stop the sender, close idle connections."""
        self.sender.close(timeout)
        for upstream in (self.api, *self.first_party.values()):
            upstream.close()

    def drop_inherited(self) -> None:
        """Close the copies of a parent's connections after a fork."""
        for upstream in (self.api, *self.first_party.values()):
            upstream.drop_inherited()


def context_for(config: Config) -> SSLContext | None:
    """Return the TLS context for the servers that the options name."""
    return make_context(
        (
            config.api_base,
            config.client_base,
            config.captcha_base,
            config.collector_base,
        )
    )
