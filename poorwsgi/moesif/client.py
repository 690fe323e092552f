"""HTTP to the collector: one pool, time-outs, gzip, and errors that say why.

urllib3 is imported at the first request, so that building a middleware costs
nothing and works where the extra is missing until something is sent. Under uWSGI
it is imported at once: a worker that is told to end in the middle of an import of
hashlib or ssl crashes, since OpenSSL has cleaned up by then.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from poorwsgi.background import can_begin_tls
from poorwsgi.moesif.settings import base_uri as clean_base_uri
from poorwsgi.state import __version__

if TYPE_CHECKING:
    from types import ModuleType

    from urllib3 import BaseHTTPResponse, HTTPSConnectionPool, PoolManager, Timeout

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 10.0
#: Level of gzip. PERF: level 6 takes twice the time and saves a tenth.
GZIP_LEVEL = 3
#: Longest answer that is read; configurations are some kilobytes.
MAX_ANSWER = 8 * 1024 * 1024
CONTENT_TYPE = "application/json; charset=utf-8"
USER_AGENT = f"poorwsgi-moesif/{__version__}"


class APIException(Exception):  # noqa: N818  the name the public client has
    """The collector refused a request, or could not be reached.

    ``response_code`` is the HTTP status, None for a failure of the network.
    """

    def __init__(self, reason: str, response_code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.response_code = response_code


class Answer(NamedTuple):
    """What the collector said; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Speaks to one collector on behalf of one application."""

    def __init__(self, application_id: str, base_uri: str | None = None) -> None:
        self.base_uri = clean_base_uri(base_uri)
        self._headers = {
            "X-Moesif-Application-Id": application_id,
            "User-Agent": USER_AGENT,
            "Accept": "application/json",
        }
        self._pool: PoolManager | None = None
        self._pid = 0
        if "uwsgi" in sys.modules:
            with suppress(ImportError):  # said when something is sent
                import_urllib3()

    def can_connect(self) -> bool:
        """Tell whether more connections than are open could be opened."""
        return can_begin_tls() or not self.base_uri.startswith("https:")

    def forget(self) -> None:
        """Drop the connections: they belong to another process."""
        self._pool = None

    def get_json(self, path: str) -> tuple[Any, dict[str, str]]:
        """Return the parsed answer and its headers.

        :raises APIException: no answer, a refusal, or an answer that is no JSON
        """
        answer = self.request("GET", path)
        try:
            return json.loads(answer.body), answer.headers
        except (ValueError, RecursionError) as error:
            raise APIException(f"{path}: the answer is not JSON") from error

    def post(
        self,
        path: str,
        data: bytes,
        *,
        zipped: bool = False,
        limit: float | None = None,
    ) -> Answer:
        """Post JSON; limit is the most seconds to wait, below the usual ones.

        :raises APIException: no answer or a refusal
        """
        headers = {"Content-Type": CONTENT_TYPE}
        if zipped:
            headers["Content-Encoding"] = "gzip"
            data = gzip.compress(data, GZIP_LEVEL)
        return self.request("POST", path, data, headers, limit)

    def request(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> Answer:
        """Send one request and return the answer, if it is a success (200..208)."""
        response = self._send(method, path, data, headers or {}, limit)
        if not 200 <= response.status <= 208:
            raise APIException(
                f"{method} {path}: the collector answered {response.status}",
                response.status,
            )
        return response

    def _send(
        self,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        limit: float | None,
    ) -> Answer:
        urllib3 = import_urllib3()
        try:
            with self._connections().request(
                method,
                self.base_uri + path,
                body=data,
                headers={**self._headers, **headers},
                timeout=time_limit(limit),
                retries=False,  # repeating is the sender's business
                redirect=False,
                preload_content=False,
            ) as response:
                headers = {n.lower(): value for n, value in response.headers.items()}
                return Answer(response.status, headers, read_body(method, response))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise APIException(f"{method} {path}: {error}") from error

    def _connections(self) -> PoolManager:
        if self._pool is None or self._pid != os.getpid():
            self._pool = make_pool(self.base_uri)
            self._pid = os.getpid()
        return self._pool


#: Held while modules are imported, and by a fork: a child could make nothing of
#: a module that a thread of its parent was in the middle of.
_importing = threading.Lock()


class _Loaded:
    """Modules that sending needs, imported at the first request."""

    urllib3: ModuleType | None = None


def import_urllib3() -> ModuleType:
    """Return urllib3, and have the rest of what it takes imported as well."""
    if _Loaded.urllib3 is None:
        with _importing:
            try:
                import urllib3
            except ImportError as error:
                message = "moesif needs: pip install 'poorwsgi[moesif]'"
                raise ImportError(message) from error
            for name in ("encodings.idna", "urllib.request"):
                import_module(name)
            _Loaded.urllib3 = urllib3
    return _Loaded.urllib3


def _release_in_child() -> None:
    global _importing
    _importing = threading.Lock()


os.register_at_fork(
    before=lambda: _importing.acquire(),
    after_in_parent=lambda: _importing.release(),
    after_in_child=_release_in_child,
)


def make_pool(base_uri: str) -> PoolManager:
    """Make a pool; proxies are those of the environment, as curl reads it."""
    urllib3 = import_urllib3()
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(base_uri)
    host = parts.hostname or ""
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not is_local(host) and not proxy_bypass(host):
        pool: PoolManager = urllib3.ProxyManager(proxy, maxsize=4)
    else:
        pool = urllib3.PoolManager(maxsize=4)
    classes = pool.pool_classes_by_scheme
    pool.pool_classes_by_scheme = {**classes, "https": careful_pool_class()}
    return pool


def careful_pool_class() -> type[HTTPSConnectionPool]:
    """Return the class of pools that open no TLS connection if it would crash."""
    import_urllib3()
    from urllib3 import HTTPSConnectionPool
    from urllib3.connection import HTTPSConnection

    class Connection(HTTPSConnection):
        def connect(self) -> None:
            if not can_begin_tls():
                raise OSError("no connection was open when the worker ended")
            super().connect()

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection  # pyright: ignore[reportAssignmentType]

    return Pool


def is_local(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def time_limit(limit: float | None) -> Timeout:
    urllib3 = import_urllib3()
    limit = READ_TIMEOUT if limit is None else max(limit, 0.05)
    timeout: Timeout = urllib3.Timeout(
        connect=min(limit, CONNECT_TIMEOUT), read=min(limit, READ_TIMEOUT)
    )
    return timeout


def read_body(method: str, response: BaseHTTPResponse) -> bytes:
    """Return the body of an answer; of the one to a post nobody wants any.

    So a post that was taken is not repeated because of what comes after the head.
    """
    if method == "GET":
        return whole_body(response)
    with suppress(import_urllib3().exceptions.HTTPError, OSError, APIException):
        whole_body(response, decode=False)  # for the connection to be used again
    return b""


def whole_body(response: BaseHTTPResponse, *, decode: bool = True) -> bytes:
    body = response.read(MAX_ANSWER + 1, decode_content=decode)
    if len(body) > MAX_ANSWER:
        raise APIException("the collector's answer is too long")
    return body


def to_json(value: object) -> bytes:
    """Return JSON of what a user hands in; dates are written as ISO 8601.

    :raises ValueError: not-a-number, an infinite number, or what holds itself
    :raises TypeError: something else that JSON cannot hold
    :raises RecursionError: what is nested too deep
    """
    return json.dumps(value, default=write_date, allow_nan=False).encode("ascii")


def write_date(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"JSON cannot hold {type(value).__name__}")


# The public client


class MoesifAPIClient:
    """Client of the collector's API; the calls are methods of ``api``.

    >>> MoesifAPIClient("my application id").api
    <poorwsgi.moesif.client.Api object at ...>
    """

    def __init__(self, application_id: str, base_uri: str | None = None) -> None:
        if not application_id or not isinstance(application_id, str):
            raise ValueError("MoesifAPIClient needs an application id")
        self.api = Api(Client(application_id, base_uri))


class Api:
    """Calls of the API. Each raises ``APIException`` on failure."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create_event(self, event: object) -> dict[str, str]:
        """Send one event, return the headers of the answer."""
        return self._post("/v1/events", plain(event), zipped=True)

    def create_events_batch(self, events: Sequence[object]) -> dict[str, str]:
        """Send events, return the headers of the answer."""
        return self._post(
            "/v1/events/batch", [plain(event) for event in events], zipped=True
        )

    def get_app_config(self) -> Any:
        """Return the configuration: sampling and cohorts."""
        return self._client.get_json("/v1/config")[0]

    def get_governance_rules(self) -> Any:
        """Return the list of governance rules."""
        return self._client.get_json("/v1/rules")[0]

    def get_health_probe(self) -> Any:
        """Return what the collector says about itself."""
        return self._client.get_json("/health/probe")[0]

    def update_user(self, user: object) -> None:
        """Create or update a user."""
        self._post("/v1/users", plain(user))

    def update_users_batch(self, users: Sequence[object]) -> None:
        """Create or update users."""
        self._post("/v1/users/batch", [plain(user) for user in users])

    def update_company(self, company: object) -> None:
        """Create or update a company."""
        self._post("/v1/companies", plain(company))

    def update_companies_batch(self, companies: Sequence[object]) -> None:
        """Create or update companies."""
        self._post("/v1/companies/batch", [plain(company) for company in companies])

    def update_subscription(self, subscription: object) -> None:
        """Create or update a subscription."""
        self._post("/v1/subscriptions", plain(subscription))

    def update_subscriptions_batch(self, subscriptions: Sequence[object]) -> None:
        """Create or update subscriptions."""
        self._post("/v1/subscriptions/batch", [plain(item) for item in subscriptions])

    def _post(
        self, path: str, payload: object, *, zipped: bool = False
    ) -> dict[str, str]:
        return self._client.post(path, to_json(payload), zipped=zipped).headers


def plain(value: object) -> object:
    """Return what JSON takes: the dictionary of a model, or value itself."""
    as_dict = getattr(value, "as_dict", None)
    settle = getattr(value, "settle", None)
    if settle is not None:
        settle()
    return value if as_dict is None else as_dict()
