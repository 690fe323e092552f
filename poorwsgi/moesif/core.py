"""One exchange from its first byte to a finished event. No I/O, no threads.

An adapter begins an ``Exchange``, notes what passes, and at the end runs the
steps of ``Recorder.conclude``. Steps are a generator that names the user's
callbacks one after the other: a synchronous adapter calls them, an asynchronous
one awaits them, and the order of things is written once.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote

from poorwsgi.moesif import rules
from poorwsgi.moesif.body import BodyCopy, BodyRules, RawBody, parse_json
from poorwsgi.moesif.identity import (
    ADDRESS_HEADERS,
    TRANSACTION_HEADER,
    client_address,
    transaction_id,
    user_from_headers,
)
from poorwsgi.moesif.model import (
    EventModel,
    EventRequestModel,
    EventResponseModel,
    copy_metadata,
    dump,
    encode_event,
)
from poorwsgi.moesif.rules import Policy, Verdict
from poorwsgi.moesif.settings import Callback, Callbacks, Settings

log = logging.getLogger("poorwsgi.moesif")

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]
#: A callback and its arguments; sent back is what it returned.
Question = tuple[Callback, tuple[Any, ...]]
Steps = Generator[Question, Any, T]
#: Looks up headers under the spelling of the adapter: "X-Real-Ip" or "x-real-ip".
Spelling = Callable[[str], str]

#: Characters of a path that need no percent-encoding (RFC 3986, 3.3).
PATH_SAFE = "/:@!$&'()*+,;="
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_.~/:@!$&'()*+,;=-]*)?")
#: Methods whose requests have a body only if they say so.
BODILESS = frozenset(("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"))
#: Answers that end with their head (RFC 9110, 6.4.1), whatever a rule says.
NO_CONTENT = frozenset((204, 304))
#: What an event weighs in the queue beside its bodies; measured, rounded up.
EVENT_BYTES = 3000


class Queue(Protocol):
    """Where finished events go."""

    def is_full(self) -> bool: ...

    def put(self, item: EventModel | bytes | None, size: int) -> bool: ...


class Seen(NamedTuple):
    """A request as the adapter saw it; header names in the adapter's spelling."""

    verb: str
    uri: str
    headers: dict[str, str]
    peer: str | None


class Exchange:
    """One request and its response, as far as they have been seen."""

    __slots__ = (
        "_seen",
        "blocked_by",
        "concluded",
        "failed",
        "request_body",
        "request_time",
        "response_body",
        "response_headers",
        "response_time",
        "see",
        "status",
        "transaction_id",
    )

    def __init__(self, see: Callable[[], Seen], transaction: str, limit: int) -> None:
        self.see = see
        self.transaction_id = transaction
        self.request_time = time.time()
        self.request_body = BodyCopy(limit)
        self.response_body = BodyCopy(limit)
        self.response_time = 0.0
        self.response_headers: Pairs = ()
        self.status = 0
        self.blocked_by: str | None = None
        self.failed = False
        self.concluded = False
        self._seen: Seen | None = None

    @property
    def seen(self) -> Seen:
        # PERF: put together at the end; an event that is dropped never needs it.
        if self._seen is None:
            self._seen = self.see()
        return self._seen

    def answer(self, status: int, headers: Pairs) -> None:
        """Note the first line of the response; only the first time counts."""
        if not self.response_time:
            self.response_time = time.time()
        self.status = status
        self.response_headers = headers

    def fail(self) -> None:
        """Note that the application raised: 500, no response body."""
        self.failed = True
        self.answer(500, self.response_headers)

    def may_wait(self, method: str | None) -> bool:
        """Tell whether the rest of the request's body may be waited for.

        SECURITY: who refuses a request, or never looks for a body, as of GET, does
        not wait for it, and is not made to: a client that sends it slowly would
        hold a worker.
        """
        return 200 <= self.status < 300 and method not in BODILESS

    def has_body(self) -> bool:
        """Tell whether the response may carry a body (RFC 9110, 6.4.1)."""
        return not self.failed and self.status not in NO_CONTENT


class Recorder:
    """Turns exchanges into events and gives them to a queue."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue,
        spell: Spelling = str.title,
        *,
        forms: bool = False,
        native_user: Callback | None = None,
        native_session: Callback | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.policy = rules.NO_POLICY
        self._queue = queue
        self._spell = spell
        self._native_user = native_user
        self._native_session = native_session
        self._draw = draw
        self._address_names = [spell(name) for name in ADDRESS_HEADERS]
        self._user_names = [spell(n) for n in settings.authorization_header_names]
        self._names = {
            name: spell(name) for name in ("content-type", "content-encoding")
        }
        self.transaction_name = spell(TRANSACTION_HEADER.lower())
        self._request_rules = BodyRules(
            settings.body_size_limit, settings.request_body_masks, forms
        )
        self._response_rules = BodyRules(
            settings.body_size_limit, settings.response_body_masks
        )
        #: Whether conclude() has anything to ask; else it needs no arguments.
        self.asks = bool(
            settings.incoming
            or settings.mask_event_model
            or native_user
            or native_session
        )

    def begin(self, see: Callable[[], Seen], given_transaction: str | None) -> Exchange:
        """Start an exchange; see is called at most once, when details are needed."""
        return Exchange(
            see, transaction_id(given_transaction), self.settings.body_size_limit
        )

    # Before the application

    def admit(self, exchange: Exchange, arguments: tuple[Any, ...]) -> Steps[Verdict]:
        """Ask the governance rules. Only worth calling if the policy has some."""
        try:
            return (yield from self._admit(exchange, arguments))
        except Exception:
            log.exception("moesif: governance rules failed; none is applied")
            return Verdict([], None)

    def _admit(self, exchange: Exchange, arguments: tuple[Any, ...]) -> Steps[Verdict]:
        ask = self.settings.incoming
        user = yield from self._user(exchange, ask, arguments, arguments)
        company = yield from answer_to(ask.identify_company, arguments)
        verdict = rules.decide(
            self.policy, RuleFields(exchange, self._spell), user, as_id(company)
        )
        if verdict.block is not None:
            exchange.blocked_by = verdict.block.rule_id
        return verdict

    # After the response

    def conclude(
        self,
        exchange: Exchange,
        arguments: tuple[Any, ...] = (),
        identify_arguments: tuple[Any, ...] | None = None,
    ) -> Steps[None]:
        """Make the event and queue it. The second time nothing happens."""
        if not self.asks:
            self.record(exchange)
        elif self._begins_to_conclude(exchange):
            try:
                asked = self._asked(exchange, arguments, identify_arguments)
                event = yield from asked
                if event is not None:
                    yield from self.submit(event, body_bytes(exchange))
            except Exception:
                # The request boundary: whatever is odd here, it was served.
                log.exception("moesif: an exchange could not be recorded")

    def record(self, exchange: Exchange) -> None:
        """Do what conclude() does where nobody has to be asked."""
        if not self._begins_to_conclude(exchange):
            return
        try:
            event = self._event(exchange)
            event.user_id = self._header_user(exchange)
            if self._is_sampled(event):
                self._put(event, body_bytes(exchange), event.transaction_id)
        except Exception:
            log.exception("moesif: an exchange could not be recorded")

    def _begins_to_conclude(self, exchange: Exchange) -> bool:
        if exchange.concluded:
            return False
        exchange.concluded = True
        if self._queue.is_full():
            self._queue.put(None, 0)  # counts it
            return False
        return True

    def _asked(
        self,
        exchange: Exchange,
        arguments: tuple[Any, ...],
        identify_arguments: tuple[Any, ...] | None,
    ) -> Steps[EventModel | None]:
        """Return the event with what the user's callbacks say, None to skip it."""
        ask = self.settings.incoming
        if (yield from answer_to(ask.skip, arguments)):
            return None
        identify = arguments if identify_arguments is None else identify_arguments
        event = self._event(exchange)
        event.user_id = yield from self._user(exchange, ask, arguments, identify)
        company = yield from answer_to(ask.identify_company, identify)
        event.company_id = as_id(company)
        yield from self.describe(event, ask, arguments, self._native_session)
        return event

    def _user(
        self,
        exchange: Exchange,
        ask: Callbacks,
        arguments: tuple[Any, ...],
        identify: tuple[Any, ...],
    ) -> Steps[str | None]:
        user = as_id((yield from answer_to(ask.identify_user, identify)))
        if user is None:
            user = as_id((yield from answer_to(self._native_user, arguments)))
        return user or self._header_user(exchange)

    def _header_user(self, exchange: Exchange) -> str | None:
        return user_from_headers(
            exchange.seen.headers,
            self._user_names,
            self.settings.authorization_user_id_field,
        )

    def describe(
        self,
        event: EventModel,
        ask: Callbacks,
        arguments: tuple[Any, ...],
        native_session: Callback | None = None,
    ) -> Steps[None]:
        """Ask for metadata and session token."""
        event.metadata = copy_metadata(
            (yield from answer_to(ask.get_metadata, arguments))
        )
        session = as_id((yield from answer_to(ask.get_session_token, arguments)))
        if session is None:
            session = as_id((yield from answer_to(native_session, arguments)))
        event.session_token = session

    def _event(self, exchange: Exchange) -> EventModel:
        settings = self.settings
        seen = exchange.seen
        sent = fold(exchange.response_headers, self._spell)
        request = EventRequestModel(
            exchange.request_time,
            seen.uri,
            seen.verb,
            seen.headers,
            settings.api_version,
            client_address(seen.headers, self._address_names, seen.peer),
        )
        response = EventResponseModel(exchange.response_time, exchange.status, sent)
        if settings.log_body:
            self._add_bodies(exchange, request, response)
        if not settings.disable_transaction_id:
            # A copy: rules and callbacks look at what was seen.
            request.headers = {
                **seen.headers,
                self.transaction_name: exchange.transaction_id,
            }
            sent[self.transaction_name] = exchange.transaction_id
        self._remove_headers(request, response)
        return EventModel(
            request,
            response,
            direction="Incoming",
            blocked_by=exchange.blocked_by,
            transaction_id=exchange.transaction_id,
        )

    def _add_bodies(
        self,
        exchange: Exchange,
        request: EventRequestModel,
        response: EventResponseModel,
    ) -> None:
        data = exchange.request_body.data()
        if data:
            request.body = self._raw(data, request.headers, self._request_rules)
        data = exchange.response_body.data()
        if data and request.verb != "HEAD" and exchange.has_body():
            response.body = self._raw(data, response.headers, self._response_rules)

    def _raw(
        self, data: bytes, headers: dict[str, str] | None, how: BodyRules
    ) -> RawBody:
        headers = headers or {}
        return RawBody(
            data,
            headers.get(self._names["content-type"], ""),
            headers.get(self._names["content-encoding"], ""),
            how,
        )

    def _remove_headers(
        self, request: EventRequestModel, response: EventResponseModel
    ) -> None:
        settings = self.settings
        if settings.request_header_masks and request.headers:
            request.headers = without(request.headers, settings.request_header_masks)
        if settings.response_header_masks and response.headers:
            response.headers = without(response.headers, settings.response_header_masks)

    # The last steps of events of both directions

    def submit(self, event: EventModel, size: int) -> Steps[None]:
        """Mask, sample and queue an event."""
        masks = self.settings.mask_event_model is not None
        if masks:
            event = yield from self._mask(event)
        if not self._is_sampled(event):
            return
        if masks:
            # What a mask has touched may share parts with the application.
            data = encode_event(event)
            self._put(data, len(data), event.transaction_id)
        else:
            self._put(event, size, event.transaction_id)

    def _put(self, item: EventModel | bytes, size: int, name: str | None) -> None:
        self._queue.put(item, size + EVENT_BYTES)
        if self.settings.debug:
            log.debug("moesif: event %s is queued", name)

    def _mask(self, event: EventModel) -> Steps[EventModel]:
        event.settle()
        try:
            masked = yield self.settings.mask_event_model or keep, (event,)
        except Exception:
            log.exception("moesif: MASK_EVENT_MODEL raised; event goes without bodies")
        else:
            if isinstance(masked, EventModel):
                return masked
            log.error("moesif: MASK_EVENT_MODEL gave no event; it goes without bodies")
        # SECURITY: what the mask wanted to hide is most likely in a body.
        event.remove_bodies()
        return event

    def _is_sampled(self, event: EventModel) -> bool:
        """Decide whether to keep an event, and note for how many it stands."""
        policy = self.policy
        if not policy.samples:
            event.weight = 1
            return True
        rate = rules.sample_rate(
            policy, EventFields(event), event.user_id, event.company_id
        )
        event.weight = rules.weight_of(rate)
        return self._draw() * 100 < rate


class RuleFields:
    """Fields of a request for the conditions of governance rules."""

    def __init__(self, exchange: Exchange, spell: Spelling) -> None:
        self._exchange = exchange
        self._spell = spell
        self._json: object = None

    def __call__(self, path: str) -> object:
        seen = self._exchange.seen
        if path == "request.verb":
            return seen.verb
        if path == "request.route":
            return seen.uri
        if path in ("request.ip", "request.ip_address"):
            names = [self._spell(name) for name in ADDRESS_HEADERS]
            return client_address(seen.headers, names, seen.peer)
        if path.startswith("request.headers."):
            return seen.headers.get(self._spell(path[16:].lower()))
        if path.startswith("request.body."):
            return self._body_key(path[13:])
        return None

    def _body_key(self, key: str) -> object:
        if self._json is None:
            data = self._exchange.request_body.data()
            try:
                self._json = parse_json(data) if data[:1] == b"{" else {}
            except (ValueError, RecursionError):
                self._json = {}
        value = self._json.get(key) if isinstance(self._json, dict) else None
        if isinstance(value, dict | list):
            return dump_text(value)
        return value


class EventFields:
    """Fields of an event for the conditions of sampling."""

    def __init__(self, event: EventModel) -> None:
        self._event = event

    def __call__(self, path: str) -> object:
        request, response = self._event.request, self._event.response
        if request is None or response is None:  # a mask can do that
            return None
        if path == "request.verb":
            return request.verb
        if path == "request.route":
            return path_of(request.uri or "")
        if path in ("request.ip", "request.ip_address"):
            return request.ip_address
        if path == "response.status":
            return response.status
        return None


# Drivers of steps


def run(steps: Steps[T]) -> T:
    """Run steps, calling each callback.

    An awaitable result is good if it needs no event loop to come to its end.
    """
    try:
        callback, arguments = next(steps)
        while True:
            try:
                answer = callback(*arguments)
                if isawaitable(answer):
                    answer = finish_at_once(answer)
            except Exception as error:
                callback, arguments = steps.throw(error)
            else:
                callback, arguments = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(steps: Steps[T]) -> T:
    """Run steps, awaiting what is awaitable."""
    try:
        callback, arguments = next(steps)
        while True:
            try:
                answer = callback(*arguments)
                if isawaitable(answer):
                    answer = await answer
            except Exception as error:
                callback, arguments = steps.throw(error)
            else:
                callback, arguments = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


def finish_at_once(awaitable: Any) -> Any:
    """Return the result of a coroutine that never waits.

    :raises RuntimeError: it waits for something, so it needs an event loop
    """
    coroutine: Coroutine[Any, Any, Any] = awaitable
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError(
        "this callback waits for something, but is called without a loop"
    )


def answer_to(callback: Callback | None, arguments: tuple[Any, ...]) -> Steps[Any]:
    """Ask one callback; None if there is none or if it raises."""
    if callback is None:
        return None
    try:
        return (yield callback, arguments)
    except Exception as error:
        name = getattr(callback, "__name__", type(callback).__name__)
        log.warning("moesif: callback %s raised %r", name, error)
        log.debug("moesif: callback %s", name, exc_info=True)
        return None


# Small parts


def keep(event: EventModel) -> EventModel:
    return event


def as_id(value: object) -> str | None:
    """Return an answer as text; what is falsy is no answer."""
    if not value:
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def fold(pairs: Pairs, spell: Spelling) -> dict[str, str]:
    """Make one string of headers that occur again."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = spell(name)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def without(headers: dict[str, str], masks: frozenset[str]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if name.lower() not in masks}


def body_bytes(exchange: Exchange) -> int:
    return exchange.request_body.kept + exchange.response_body.kept


def absolute_uri(scheme: str, host: str, path: str | bytes, query: str) -> str:
    """Put a URI together; path is percent-encoded here, query is raw."""
    # PERF: most paths are plain, and quote() takes four times the match.
    if isinstance(path, str) and _PLAIN_PATH.fullmatch(path):
        encoded = path
    else:
        encoded = quote(path, safe=PATH_SAFE)
        if encoded[:1] != "/":  # "OPTIONS *", or "GET http://host/" as to a proxy
            encoded = f"/{encoded}"
    return f"{scheme}://{host}{encoded}{'?' + query if query else ''}"


def host_and_port(scheme: str, name: str, port: object) -> str:
    """Return the host of a URI where the client sent none."""
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    usual = {"http": "80", "https": "443"}.get(scheme)
    return name if port is None or str(port) in ("", usual) else f"{name}:{port}"


def path_of(uri: str) -> str:
    """Return the path part of an absolute URI."""
    rest = uri.partition("://")[2].partition("?")[0]
    return "/" + rest.partition("/")[2]


def dump_text(value: object) -> str:
    try:
        return dump(value).decode("ascii")
    except (TypeError, ValueError, RecursionError):
        return ""


def block_body(verdict: Verdict) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body of the answer of a blocking rule."""
    block = verdict.block
    if block is None:
        raise ValueError("the verdict does not block")
    if block.status in NO_CONTENT:
        return block.status, without_content(verdict.headers), b""
    empty = block.body is None or block.status == 205  # RFC 9110, 15.3.6
    data = b"" if empty else dump_text(block.body).encode("ascii")
    headers = list(verdict.headers)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    headers.append(("Content-Length", str(len(data))))
    return block.status, headers, data


def without_content(headers: Pairs) -> list[tuple[str, str]]:
    """Return what may stand in the head of a response that has no content."""
    return [pair for pair in headers if not pair[0].lower().startswith("content-")]


def add_headers(given: Pairs, added: Pairs) -> list[tuple[str, str]]:
    """Return a new list: given, with what is added in place of equal names.

    Cookies are set in addition, as each of them is a value of its own.
    """
    names = {name.lower() for name, _ in added} - {"set-cookie"}
    return [pair for pair in given if pair[0].lower() not in names] + list(added)


def policy_of(config: object, governance: object) -> Policy:
    """Build a policy; garbage means: sample everything, no rules."""
    try:
        return rules.build_policy(config, governance)
    except Exception:
        log.exception("moesif: the collector's configuration cannot be read")
        return rules.NO_POLICY
