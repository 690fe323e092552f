"""What the three middlewares have in common: one of each part, put together.

An adapter is a ``Service`` that knows how its world shows a request. Building
one starts no thread and opens no connection.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable

from poorwsgi.moesif import core
from poorwsgi.moesif.client import Api, APIException, Client
from poorwsgi.moesif.core import Recorder
from poorwsgi.moesif.sender import CLOSE_TIMEOUT, CONFIG_TAG, Limits, Sender
from poorwsgi.moesif.settings import Callback, Flavour, Settings

log = logging.getLogger("poorwsgi.moesif")

USER_KEYS = ("user_id",)
COMPANY_KEYS = ("company_id",)
SUBSCRIPTION_KEYS = ("subscription_id", "company_id", "status")


class Service:
    """Recorder, queue, sender and client of one middleware."""

    def __init__(
        self,
        settings: Settings,
        flavour: Flavour,
        *,
        native_user: Callback | None = None,
        native_session: Callback | None = None,
    ) -> None:
        self.settings = settings
        self._client = Client(settings.application_id, settings.base_uri)
        self._api = Api(self._client)
        limits = Limits(
            settings.batch_size,
            settings.event_queue_size,
            settings.event_queue_bytes,
            settings.event_batch_timeout,
            settings.event_worker_count,
        )
        self.sender = Sender(self._client, limits, self._refresh)
        self.recorder = Recorder(
            settings,
            self.sender,
            str.lower if flavour == "asgi" else str.title,
            forms=flavour == "asgi",
            native_user=native_user,
            native_session=native_session,
        )
        self._config: object = None
        self._rules: object = None
        self._undo: Callable[[], None] | None = None
        if settings.capture_outgoing_requests:
            self._capture_outgoing()

    def _capture_outgoing(self) -> None:
        from poorwsgi.moesif import outgoing  # needs requests, only if wanted

        self._undo = outgoing.patch(self.recorder, self.sender, self.settings)

    def _refresh(self, *, config: bool = True, rules: bool = True) -> str | None:
        """Fetch configuration and rules, in the background; return the tag."""
        tag = None
        if config:
            self._config, headers = self._client.get_json("/v1/config")
            tag = headers.get(CONFIG_TAG)
        if rules:
            try:
                self._rules = self._api.get_governance_rules()
            except APIException as error:
                log.warning("moesif: %s; rules stay as they were", error)
        self.recorder.policy = core.policy_of(self._config, self._rules)
        if self.settings.debug:
            log.debug("moesif: configuration is read")
        return tag

    # Delivery

    def flush(self, timeout: float | None = None) -> bool:
        """Send what is queued now; tell whether all of it went in time."""
        return self.sender.flush(timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT) -> bool:
        """Send what is queued, for at most timeout seconds; undo every patch."""
        if self._undo is not None:
            self._undo()
            self._undo = None
        return self.sender.close(timeout)

    # Users, companies, subscriptions

    def update_user(self, user: object) -> None:
        """Create or update a user, given as a dict or a JSON object."""
        self._update(self._api.update_user, user, USER_KEYS)

    def update_users_batch(self, users: Iterable[object]) -> None:
        """Create or update users. One that is not complete refuses all."""
        self._update_all(self._api.update_users_batch, users, USER_KEYS)

    def update_company(self, company: object) -> None:
        """Create or update a company, given as a dict or a JSON object."""
        self._update(self._api.update_company, company, COMPANY_KEYS)

    def update_companies_batch(self, companies: Iterable[object]) -> None:
        """Create or update companies. One that is not complete refuses all."""
        self._update_all(self._api.update_companies_batch, companies, COMPANY_KEYS)

    def update_subscription(self, subscription: object) -> None:
        """Create or update a subscription, given as a dict or a JSON object."""
        self._update(self._api.update_subscription, subscription, SUBSCRIPTION_KEYS)

    def update_subscriptions_batch(self, subscriptions: Iterable[object]) -> None:
        """Create or update subscriptions. One that is not complete refuses all."""
        self._update_all(
            self._api.update_subscriptions_batch, subscriptions, SUBSCRIPTION_KEYS
        )

    def _update(
        self, call: Callable[[object], None], given: object, keys: tuple[str, ...]
    ) -> None:
        record = read_record(given, keys)
        if record is not None:
            self._call(call, record)

    def _update_all(
        self,
        call: Callable[[list[object]], None],
        given: Iterable[object],
        keys: tuple[str, ...],
    ) -> None:
        members = read_members(given)
        records = [read_record(member, keys) for member in members]
        if not records:
            log.warning("moesif: nothing to update")
        elif None not in records:
            self._call(call, list(records))

    def _call(self, call: Callable[[list[object]], None] | Callable[[object], None],
              payload: object) -> None:  # fmt: skip
        try:
            call(payload)  # type: ignore[arg-type]  # a list where one is wanted
        except APIException as error:
            refused = (
                error.response_code is not None and 401 <= error.response_code <= 403
            )
            log.log(logging.ERROR if refused else logging.WARNING, "moesif: %s", error)
        except (TypeError, ValueError, RecursionError) as error:
            log.warning("moesif: JSON cannot hold this update: %s", error)


def read_members(given: object) -> list[object]:
    """Return the members of a batch; a JSON array of them is understood too."""
    if isinstance(given, str | bytes):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = None
    return list(given) if isinstance(given, list | tuple) else []


def read_record(given: object, keys: tuple[str, ...]) -> dict[str, object] | None:
    """Return a record that has all keys; None, with a log line, otherwise."""
    if isinstance(given, str | bytes):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            given = None
    if not isinstance(given, dict) or not given:
        log.warning(
            "moesif: an update must be a dict or a JSON object; nothing is sent"
        )
        return None
    missing = [key for key in keys if given.get(key) in (None, "")]
    if missing:
        log.warning("moesif: an update lacks %s; nothing is sent", ", ".join(missing))
        return None
    return given
