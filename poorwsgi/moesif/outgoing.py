"""Outgoing calls made with requests, recorded as events.

``requests.Session.send`` is replaced once per process and put back when the
last listener has left. The replacement calls the original one first; nothing
that happens afterwards can change its result.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from poorwsgi.moesif.body import BodyRules, RawBody
from poorwsgi.moesif.core import Recorder, Steps, answer_to, as_id, fold, run, without
from poorwsgi.moesif.identity import new_id
from poorwsgi.moesif.model import EventModel, EventRequestModel, EventResponseModel
from poorwsgi.moesif.settings import Settings, read_settings

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

    from poorwsgi.moesif.sender import Sender

log = logging.getLogger("poorwsgi.moesif")

#: Calls that carry one of these go to a collector.
COLLECTOR_HEADERS = ("X-Moesif-Application-Id", "X-Moesif-SDK")

Send = Callable[..., Any]


class Listener:
    """Makes events of calls for one recorder."""

    def __init__(self, recorder: Recorder, sender: Sender, settings: Settings) -> None:
        self._recorder = recorder
        self._sender = sender
        self._settings = settings
        self._collector = authority(settings.base_uri)
        self._request_rules = BodyRules(
            settings.body_size_limit, settings.request_body_masks, any_json=True
        )
        self._response_rules = BodyRules(
            settings.body_size_limit, settings.response_body_masks, any_json=True
        )

    def hear(
        self,
        request: PreparedRequest,
        response: Response,
        times: tuple[float, float],
        streamed: bool,
    ) -> None:
        """Queue an event of a call that has come to its end."""
        if self._is_for_collector(request):
            return
        self._sender.wake()
        if self._sender.is_full():
            self._sender.put(None, 0)
            return
        run(self._record(request, response, times, streamed))

    def _is_for_collector(self, request: PreparedRequest) -> bool:
        if any(name in request.headers for name in COLLECTOR_HEADERS):
            return True
        name, port = authority(request.url or "")
        return (
            (name, port) == self._collector
            or name == "moesif.net"
            or name.endswith(".moesif.net")
        )

    def _record(
        self,
        request: PreparedRequest,
        response: Response,
        times: tuple[float, float],
        streamed: bool,
    ) -> Steps[None]:
        ask = self._settings.outgoing
        pair = (request, response)
        if (yield from answer_to(ask.skip, pair)):
            return
        sent, received = self._bodies(request, response, streamed)
        event = self._event(request, response, times)
        if event.request is not None and sent:
            event.request.body = raw(sent, request.headers, self._request_rules)
        if event.response is not None and received:
            event.response.body = raw(received, {}, self._response_rules)
        event.user_id = as_id((yield from answer_to(ask.identify_user, pair)))
        event.company_id = as_id((yield from answer_to(ask.identify_company, pair)))
        yield from self._recorder.describe(event, ask, pair)
        yield from self._recorder.submit(event, len(sent) + len(received))

    def _event(
        self,
        request: PreparedRequest,
        response: Response,
        times: tuple[float, float],
    ) -> EventModel:
        settings = self._settings
        return EventModel(
            EventRequestModel(
                times[0],
                without_userinfo(request.url or ""),
                request.method,
                headers_of(request.headers, settings.request_header_masks),
                settings.api_version,
            ),
            EventResponseModel(
                times[1],
                response.status_code,
                headers_of(response.headers, settings.response_header_masks),
            ),
            direction="Outgoing",
            transaction_id=new_id(),
        )

    def _bodies(
        self, request: PreparedRequest, response: Response, streamed: bool
    ) -> tuple[bytes, bytes]:
        """Return what is at hand of both bodies; nothing is read for it."""
        if not self._settings.log_body_outgoing:
            return b"", b""
        sent = request.body
        if isinstance(sent, str):
            sent = sent.encode("utf-8", "replace")
        received = b"" if streamed else response.content
        limit = self._settings.body_size_limit
        return (
            sent if isinstance(sent, bytes) and len(sent) <= limit else b"",
            received if received and len(received) <= limit else b"",
        )


def raw(data: bytes, headers: Mapping[str, Any], rules: BodyRules) -> RawBody:
    encoding = headers.get("Content-Encoding") or ""
    return RawBody(data, "", text(encoding), rules)


def headers_of(given: Mapping[str, Any], masks: frozenset[str]) -> dict[str, str]:
    pairs = [(text(name), text(value)) for name, value in given.items()]
    return without(fold(pairs, str), masks)


def text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def authority(url: str) -> tuple[str, int]:
    """Return host and port of a URL; an unreadable one has neither."""
    try:
        parts = urlsplit(url)
        port = parts.port or (80 if parts.scheme == "http" else 443)
        return (parts.hostname or "", port)
    except ValueError:
        return ("", 0)


def without_userinfo(url: str) -> str:
    """Return a URL without user name and password."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


# The patch


class Patch:
    """The one replacement of ``Session.send`` in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._listeners: tuple[Listener, ...] = ()
        self._original: Send | None = None

    def add(self, listener: Listener) -> Callable[[], None]:
        """Let listener hear all calls; returns a function that ends this."""
        import requests

        with self._lock:
            self._listeners = (*self._listeners, listener)
            if self._original is None:
                self._original = requests.Session.send
                requests.Session.send = self._replacement(  # type: ignore[method-assign]
                    requests.Session.send
                )
        return lambda: self.remove(listener)

    def remove(self, listener: Listener) -> None:
        import requests

        with self._lock:
            others = tuple(item for item in self._listeners if item is not listener)
            self._listeners = others
            ours = getattr(requests.Session.send, "_poorwsgi_moesif", False)
            # Somebody who has replaced it after us keeps our function alive;
            # without listeners it only passes calls on.
            if not others and self._original is not None and ours:
                requests.Session.send = self._original  # type: ignore[method-assign]
                self._original = None

    def _replacement(self, original: Send) -> Send:
        def send(session: Session, request: PreparedRequest, **options: Any) -> Any:
            inside = self._sessions()
            if not self._listeners or id(session) in inside:
                # A redirect is followed by the same session: one call, one event.
                return original(session, request, **options)
            inside.add(id(session))
            began = time.time()
            try:
                response = original(session, request, **options)
            finally:
                inside.discard(id(session))
            streamed = options.get("stream", getattr(session, "stream", False))
            self._tell(request, response, (began, time.time()), bool(streamed))
            return response

        send._poorwsgi_moesif = True  # type: ignore[attr-defined]
        return send

    def _sessions(self) -> set[int]:
        """Return the sessions that are sending in this thread."""
        inside: set[int] | None = getattr(self._local, "inside", None)
        if inside is None:
            inside = self._local.inside = set()
        return inside

    def _tell(
        self,
        request: PreparedRequest,
        response: Response,
        times: tuple[float, float],
        streamed: bool,
    ) -> None:
        for listener in self._listeners:
            try:
                listener.hear(request, response, times, streamed)
            except Exception:
                log.warning("moesif: an outgoing call is not recorded", exc_info=True)


_patch = Patch()


def patch(recorder: Recorder, sender: Sender, settings: Settings) -> Callable[[], None]:
    """Record the calls of requests; returns the function that undoes it.

    :raises ImportError: requests is not installed
    """
    try:
        # Found out here, used by the patch.
        import requests  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ImportError(
            "moesif option CAPTURE_OUTGOING_REQUESTS needs: pip install requests"
        ) from error
    return _patch.add(Listener(recorder, sender, settings))


class OutgoingCapture:
    """What ``capture_outgoing`` returns: a context that can be flushed."""

    def __init__(self, settings: Settings) -> None:
        from poorwsgi.moesif.service import Service

        self._service = Service(settings, "wsgi")

    def flush(self, timeout: float | None = None) -> bool:
        """Send what is queued now; tell whether all of it went in time."""
        return self._service.flush(timeout)

    def close(self) -> bool:
        """Undo the patch, send what is queued, for at most five seconds."""
        return self._service.close()

    def __enter__(self) -> OutgoingCapture:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def capture_outgoing(settings: Mapping[str, object]) -> OutgoingCapture:
    """Record the calls of requests in a program without any middleware.

    :raises ValueError: APPLICATION_ID is missing
    :raises ImportError: requests is not installed
    """
    return OutgoingCapture(read_settings(settings, "wsgi", outgoing=True))
