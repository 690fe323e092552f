"""A guard against requests that another site makes a browser send.

Knows what a browser says about where a request comes from: Fetch metadata and
Origin. For browsers that say neither there is a token in the form.
"""

from __future__ import annotations

import secrets
from logging import getLogger
from typing import TYPE_CHECKING, Any

from poorwsgi.response import HTTPException
from poorwsgi.session import check_token, get_token
from poorwsgi.state import HTTP_FORBIDDEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

log = getLogger("poorwsgi")

#: RFC 9110, 9.2.1: they change nothing, so there is nothing to forge.
SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class CsrfGuard:
    """Refuses requests that change something and come from another origin (403).

    It is a pair of hooks, which it adds to *app*. Requests of trusted origins,
    such as ``https://partner.example``, are let in; so are those to handlers
    marked by `exempt`.

    .. code:: python

        guard = CsrfGuard(app)

        @app.route("/form")
        def form(req):
            return PAGE.format(token=guard.token(req))  # in a hidden field
    """

    def __init__(
        self,
        app: Any = None,
        trusted_origins: Iterable[str] = (),
        cookie: str = "csrf",
        field: str = "csrf_token",
        header: str = "X-CSRF-Token",
    ) -> None:
        if isinstance(trusted_origins, str):
            trusted_origins = (trusted_origins,)
        self.trusted_origins = frozenset(map(_checked_origin, trusted_origins))
        self.cookie = cookie
        self.field = field
        self.header = header
        self._exempt: set[Any] = set()
        if app is not None:
            app.add_before_response(self.check)
            app.add_after_response(self.set_cookie)

    def exempt(self, handler: F) -> F:
        """Let requests from anywhere reach *handler*, such as a webhook."""
        self._exempt.add(handler)
        return handler

    def check(self, req: Any) -> None:
        """Raise `HTTPException` with 403 for a request that may be forged."""
        if req.method in SAFE_METHODS or req.uri_handler in self._exempt:
            return
        if not self._is_ours(req):
            raise HTTPException(HTTP_FORBIDDEN, error=_refusal(req))

    def token(self, req: Any) -> str:
        """Return the token to put into a form for browsers that are old.

        It belongs to a cookie of its own, which the answer sets if needed.
        """
        secret = self._cookie_of(req)
        if not secret:
            secret = secrets.token_urlsafe(32)
            req.csrf_cookie = secret
        return get_token(req.secret_key, f"csrf {secret}")

    def set_cookie(self, req: Any, response: Any) -> Any:
        """Add the cookie of a token that was made for this answer."""
        secret = getattr(req, "csrf_cookie", "")
        if secret:
            secure = "https" in (req.scheme, req.forwarded_proto)
            response.set_cookie(self.cookie, secret, secure=secure)
        return response

    def _is_ours(self, req: Any) -> bool:
        environ = req.environ
        origin = (environ.get("HTTP_ORIGIN") or "").lower()
        if origin in self.trusted_origins:
            return True
        # https://www.w3.org/TR/fetch-metadata/: "none" is the user's own doing.
        # A sibling domain ("same-site") is not us.
        site = environ.get("HTTP_SEC_FETCH_SITE")
        if site:
            return site in ("same-origin", "none")
        if origin:
            return bool(origin == req.construct_url("").lower())
        if not (environ.get("HTTP_COOKIE") or environ.get("HTTP_AUTHORIZATION")):
            # Nothing that a browser adds by itself: there is nobody to abuse.
            return True
        return self._has_token(req)

    def _has_token(self, req: Any) -> bool:
        secret = self._cookie_of(req)
        if not secret or not req.secret_key:
            return False
        token = req.headers.get(self.header) or req.form.getfirst(self.field, "")
        return check_token(token, req.secret_key, f"csrf {secret}")

    def _cookie_of(self, req: Any) -> str:
        made = getattr(req, "csrf_cookie", "")
        if made or not req.cookies or self.cookie not in req.cookies:
            return str(made)
        return str(req.cookies[self.cookie].value)


def _refusal(req: Any) -> str:
    """Log why a request is refused, and return what the client is told."""
    site = req.environ.get("HTTP_SEC_FETCH_SITE")
    origin = req.environ.get("HTTP_ORIGIN")
    log.info(
        "Request refused: Sec-Fetch-Site is %.100r, Origin %.100r, and this site %r",
        site,
        origin,
        req.construct_url(""),
    )
    if site or origin:
        return "The request comes from another site."
    return (
        "The request does not say that it comes from this site: Sec-Fetch-Site, "
        "Origin, or the token of a form is missing."
    )


def _checked_origin(origin: str) -> str:
    scheme, mark, host = origin.lower().partition("://")
    if scheme not in ("http", "https") or not mark or not host or "/" in host:
        raise ValueError(f"{origin!r} is no origin such as https://example.org")
    return origin.lower()
