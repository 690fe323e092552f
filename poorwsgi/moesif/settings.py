"""Options of the middleware: names, defaults per adapter, checks.

``read_settings`` turns the dictionary of a user into a ``Settings`` or raises,
once, when the middleware is built. Nothing after that looks at the dictionary.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

log = logging.getLogger("poorwsgi.moesif")

Flavour = Literal["wsgi", "asgi", "django"]
#: What a user hands in; Any, since each adapter passes its own arguments.
Callback = Callable[..., Any]

DEFAULT_BASE_URI = "https://api.moesif.net"
#: Longest copy of one body that is kept for an event.
DEFAULT_BODY_LIMIT = 2 * 1024 * 1024
#: Most bytes (estimated) that may wait in the queue of one process.
DEFAULT_QUEUE_BYTES = 128 * 1024 * 1024

#: Texts that are understood where a bool is wanted.
FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("", "0", "false", "no", "off"), False),
}

BATCH_SIZES: dict[Flavour, int] = {"wsgi": 100, "asgi": 25, "django": 25}
QUEUE_SIZES: dict[Flavour, int] = {
    "wsgi": 10_000,
    "asgi": 1_000_000,
    "django": 1_000_000,
}
BATCH_TIMEOUTS: dict[Flavour, float] = {"wsgi": 2, "asgi": 1, "django": 2}


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the user wants to be asked about each event of one direction."""

    skip: Callback | None = None
    identify_user: Callback | None = None
    identify_company: Callback | None = None
    get_metadata: Callback | None = None
    get_session_token: Callback | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked options; the names are those of the options in lower case."""

    application_id: str
    incoming: Callbacks = field(default_factory=Callbacks)
    outgoing: Callbacks = field(default_factory=Callbacks)
    mask_event_model: Callback | None = None
    log_body: bool = True
    log_body_outgoing: bool = True
    debug: bool = False
    batch_size: int = 100
    event_queue_size: int = 10_000
    event_queue_bytes: int = DEFAULT_QUEUE_BYTES
    event_batch_timeout: float = 2
    event_worker_count: int = 2
    authorization_header_names: tuple[str, ...] = ("authorization",)
    authorization_user_id_field: str = "sub"
    base_uri: str = DEFAULT_BASE_URI
    capture_outgoing_requests: bool = False
    request_header_masks: frozenset[str] = frozenset()
    response_header_masks: frozenset[str] = frozenset()
    request_body_masks: frozenset[str] = frozenset()
    response_body_masks: frozenset[str] = frozenset()
    api_version: str | None = None
    disable_transaction_id: bool = False
    body_size_limit: int = DEFAULT_BODY_LIMIT


class Reader:
    """Reads options from a mapping, checks them, remembers every name."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self.names: set[str] = set()

    def value(self, *names: str) -> object:
        """Return the first of names that is set and not None."""
        self.names.update(names)
        values = (self._given.get(name) for name in names)
        return next((value for value in values if value is not None), None)

    def callback(self, name: str) -> Callback | None:
        value = self.value(name)
        if value is not None and not callable(value):
            raise TypeError(f"moesif option {name} must be callable, not {value!r}")
        return value

    def flag(self, default: bool, *names: str) -> bool:
        value = self.value(*names)
        if isinstance(value, str):  # "false" of an environment must not be true
            if value.strip().lower() not in FLAGS:
                raise ValueError(f"moesif option {names[0]} must be a bool: {value!r}")
            return FLAGS[value.strip().lower()]
        return default if value is None else bool(value)

    def number(self, name: str, default: float) -> float:
        value = self.value(name)
        if value is None:
            return default
        try:
            number = float(value)  # type: ignore[arg-type]  # refused below
        except (TypeError, ValueError):
            number = -1
        if not 0 <= number < float("inf"):
            raise ValueError(f"moesif option {name} must be a number, not {value!r}")
        return number

    def count(self, name: str, default: int) -> int:
        number = self.number(name, default)
        if number < 1 or number != int(number):
            raise ValueError(f"moesif option {name} must be a whole number above 0")
        return int(number)

    def text(self, default: str | None, *names: str) -> str | None:
        value = self.value(*names)
        if value is None:
            return default
        if not isinstance(value, str):
            raise TypeError(f"moesif option {names[0]} must be str, not {value!r}")
        return value.strip() or default

    def words(self, name: str) -> frozenset[str]:
        value = self.value(name)
        if value is None:
            return frozenset()
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise TypeError(f"moesif option {name} must be a list of str")
        return frozenset(str(word) for word in value)


def read_settings(
    given: object, flavour: Flavour = "wsgi", *, outgoing: bool = False
) -> Settings:
    """Check the options of a user.

    :raises TypeError: the settings are no dictionary, an option has a wrong type
    :raises ValueError: APPLICATION_ID is missing, an option has a wrong value
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"moesif settings must be a dict with APPLICATION_ID, not {given!r}"
        )
    options = Reader(given)
    settings = build_settings(options, flavour, force_outgoing=outgoing)
    for name in sorted(set(map(str, given)) - options.names):
        log.warning("moesif option %s is not known", name)
    return settings


def build_settings(
    options: Reader, flavour: Flavour, *, force_outgoing: bool = False
) -> Settings:
    """Read all options; this is the one list of their names and defaults."""
    return Settings(
        application_id=application_id(options),
        incoming=read_callbacks(options, "", flavour),
        outgoing=read_callbacks(options, "_OUTGOING", flavour),
        mask_event_model=options.callback("MASK_EVENT_MODEL"),
        log_body=options.flag(True, "LOG_BODY"),
        log_body_outgoing=options.flag(True, "LOG_BODY_OUTGOING"),
        debug=options.flag(False, "DEBUG") | options.flag(False, "LOCAL_DEBUG"),
        batch_size=options.count("BATCH_SIZE", BATCH_SIZES[flavour]),
        event_queue_size=options.count("EVENT_QUEUE_SIZE", QUEUE_SIZES[flavour]),
        event_queue_bytes=options.count("EVENT_QUEUE_BYTES", DEFAULT_QUEUE_BYTES),
        event_batch_timeout=options.number(
            "EVENT_BATCH_TIMEOUT", BATCH_TIMEOUTS[flavour]
        ),
        event_worker_count=options.count("EVENT_WORKER_COUNT", 2),
        authorization_header_names=header_names(options),
        authorization_user_id_field=options.text("sub", "AUTHORIZATION_USER_ID_FIELD")
        or "sub",
        base_uri=base_uri(options.text(None, "BASE_URI", "LOCAL_MOESIF_BASEURL")),
        capture_outgoing_requests=options.flag(False, "CAPTURE_OUTGOING_REQUESTS")
        or force_outgoing,
        request_header_masks=lower(options.words("REQUEST_HEADER_MASKS")),
        response_header_masks=lower(options.words("RESPONSE_HEADER_MASKS")),
        request_body_masks=options.words("REQUEST_BODY_MASKS"),
        response_body_masks=options.words("RESPONSE_BODY_MASKS"),
        api_version=options.text(None, "API_VERSION"),
        disable_transaction_id=options.flag(False, "DISABLED_TRANSACTION_ID")
        | options.flag(False, "DISABLE_TRANSACTION_ID"),
        body_size_limit=options.count("BODY_SIZE_LIMIT", DEFAULT_BODY_LIMIT),
    )


def option_names() -> set[str]:
    """Return the names of all options, for tests and documentation."""
    options = Reader({"APPLICATION_ID": "x"})
    build_settings(options, "wsgi")
    return options.names


def application_id(options: Reader) -> str:
    value = options.value("APPLICATION_ID")
    if not isinstance(value, str) or not value.strip():
        raise ValueError(
            "moesif settings need APPLICATION_ID, a text that is not empty"
        )
    if not value.isascii() or not value.isprintable():
        raise ValueError("moesif option APPLICATION_ID goes into a header: ASCII only")
    return value.strip()


def read_callbacks(options: Reader, suffix: str, flavour: Flavour) -> Callbacks:
    identify_user = options.callback("IDENTIFY_USER" + suffix)
    identify_company = options.callback("IDENTIFY_COMPANY" + suffix)
    if flavour == "wsgi" and not suffix:
        identify_user = with_three_arguments(identify_user)
        identify_company = with_three_arguments(identify_company)
    return Callbacks(
        skip=options.callback("SKIP" + suffix),
        identify_user=identify_user,
        identify_company=identify_company,
        get_metadata=options.callback("GET_METADATA" + suffix),
        get_session_token=options.callback("GET_SESSION_TOKEN" + suffix),
    )


def with_three_arguments(callback: Callback | None) -> Callback | None:
    """Let an identify function leave out its third parameter."""
    if callback is None:
        return None
    function = callback  # bound once more: mypy forgets the check in a closure
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        return lambda app, environ, _headers: function(app, environ)
    except ValueError:  # a builtin without a signature
        pass
    return function


def header_names(options: Reader) -> tuple[str, ...]:
    text = options.text("authorization", "AUTHORIZATION_HEADER_NAME") or ""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    return names or ("authorization",)


def lower(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word.lower() for word in words)


def base_uri(text: str | None) -> str:
    """Return the address of the collector with a scheme and no slash at the end."""
    if text is None:
        return DEFAULT_BASE_URI
    if "://" not in text:
        text = "https://" + text
    return text.rstrip("/")
