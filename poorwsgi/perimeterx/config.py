"""Options of the middleware: names, defaults, checks.

All options stand in one table. A Config is made once, from a copy of the
user's mapping, and is read-only afterwards; its repr shows no secret. What
derives from the app id (host names, paths) is computed here too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("poorwsgi.perimeterx")

MONITOR = "monitor"
ACTIVE_BLOCKING = "active_blocking"

#: Options that are never shown: not in a repr, not in telemetry.
SECRETS = frozenset({"cookie_key", "auth_token"})

_APP_ID = re.compile(r"[A-Za-z0-9_-]{3,}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[\x21-\x7e]+")


class OptionError(ValueError):
    """An option has a value that the middleware cannot work with."""


class OptionTypeError(OptionError, TypeError):
    """An option has a value of the wrong type."""


def app_id(name: str, value: Any) -> str:
    # SECURITY: becomes part of host names and paths, so nothing else may.
    if not isinstance(value, str) or not _APP_ID.fullmatch(value):
        raise OptionError(
            f"{name} must be 3 or more ASCII letters, digits, '_' or '-' "
            "(the application id of the service's console)"
        )
    return value


def secret(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{name} is required: a text that is not empty")
    return value


def bearer(name: str, value: Any) -> str:
    # SECURITY: it is written into a header.
    if not _VISIBLE.fullmatch(secret(name, value)):
        raise OptionError(f"{name} must be visible ASCII characters")
    return str(value)


def flag(name: str, value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    raise OptionTypeError(f"{name} must be True or False, not {value!r}")


def mode(name: str, value: Any) -> str:
    if value not in (MONITOR, ACTIVE_BLOCKING):
        raise OptionError(f"{name} must be {MONITOR!r} or {ACTIVE_BLOCKING!r}")
    return str(value)


def score(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionTypeError(f"{name} must be a whole number, not {value!r}")
    if not 0 <= value <= 100:
        raise OptionError(f"{name} must be from 0 to 100, not {value!r}")
    return value


def milliseconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionTypeError(f"{name} must be a number of milliseconds")
    if not 0 < value < 3_600_000:
        raise OptionError(f"{name} must be above 0 ms and below an hour")
    return value


def batch_size(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionTypeError(f"{name} must be a whole number, not {value!r}")
    return max(1, value)


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise OptionTypeError(f"{name} must be a text, not {value!r}")
    return value


def names(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise OptionTypeError(f"{name} must be a list of texts, not {value!r}")
    found = tuple(value)
    if not all(isinstance(item, str) for item in found):
        raise OptionTypeError(f"{name} must be a list of texts, not {value!r}")
    return found


def prefixes(name: str, value: Any) -> tuple[str, ...]:
    found = names(name, value)
    # SECURITY: "".split(",") gives [""], which would match every path.
    if "" in found:
        raise OptionError(f"{name}: an empty prefix matches everything; say '/'")
    return found


def header_name(name: str, value: Any) -> str:
    if text(name, value) and not _TOKEN.fullmatch(value):
        raise OptionError(f"{name} must be the name of a header, not {value!r}")
    return str(value)


def base_url(name: str, value: Any) -> str:
    """Check `scheme://host[:port]`; a path becomes a prefix of our paths."""
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise OptionError(f"{name} must be an http(s) URL, not {value!r}")
    try:
        parts = urlsplit(value)
        host = parts.hostname if parts.port != 0 else None
    except ValueError as err:
        raise OptionError(f"{name} is no URL: {err}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise OptionError(f"{name} must be an http(s) URL, not {value!r}")
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise OptionError(f"{name} must be scheme://host[:port] without more")
    return value.rstrip("/")


def handler(name: str, value: Any) -> Callable[..., Any]:
    if not callable(value):
        raise OptionTypeError(f"{name} must be callable, not {value!r}")
    return value  # type: ignore[no-any-return]


class Option(NamedTuple):
    """One option: its name, how it is checked, and its default."""

    name: str
    check: Callable[[str, Any], Any]
    default: Any = None


OPTIONS = (
    Option("app_id", app_id),
    Option("cookie_key", secret),
    Option("auth_token", bearer),
    Option("module_enabled", flag, True),
    Option("module_mode", mode, MONITOR),
    Option("blocking_score", score, 100),
    Option("send_page_activities", flag, True),
    Option("debug_mode", flag, False),
    Option("sensitive_routes", prefixes, ()),
    Option("whitelist_routes", prefixes, ()),
    Option("enforced_specific_routes", prefixes, ()),
    Option("sensitive_headers", names, ("cookie", "cookies")),
    Option("ip_headers", names, ()),
    Option("first_party_enabled", flag, True),
    Option("first_party_xhr_enabled", flag, True),
    Option("custom_request_handler", handler),
    Option("additional_activity_handler", handler),
    Option("enrich_custom_parameters", handler),
    Option("get_user_ip", handler),
    Option("api_timeout", milliseconds, 1000),
    Option("max_buffer_len", batch_size, 30),
    Option("encryption_enabled", flag, True),
    Option("custom_logo", text, ""),
    Option("css_ref", text, ""),
    Option("js_ref", text, ""),
    Option("bypass_monitor_header", header_name, ""),
    Option("px_backend_url", base_url),
    Option("collector_url", base_url),
    Option("client_url", base_url),
    Option("captcha_url", base_url),
)
REQUIRED = ("app_id", "cookie_key", "auth_token")

#: The public package documents first_party_enabled and reads first_party.
ALIASES = {"first_party": "first_party_enabled"}


class Config:
    """The options by name, checked, and what follows from the app id."""

    app_id: str
    cookie_key: str
    auth_token: str
    module_enabled: bool
    module_mode: str
    blocking_score: int
    send_page_activities: bool
    debug_mode: bool
    sensitive_routes: tuple[str, ...]
    whitelist_routes: tuple[str, ...]
    enforced_specific_routes: tuple[str, ...]
    sensitive_headers: tuple[str, ...]
    ip_headers: tuple[str, ...]
    first_party_enabled: bool
    first_party_xhr_enabled: bool
    custom_request_handler: Callable[..., Any] | None
    additional_activity_handler: Callable[..., Any] | None
    enrich_custom_parameters: Callable[..., Any] | None
    get_user_ip: Callable[..., Any] | None
    api_timeout: float
    max_buffer_len: int
    encryption_enabled: bool
    custom_logo: str
    css_ref: str
    js_ref: str
    bypass_monitor_header: str
    px_backend_url: str | None
    collector_url: str | None
    client_url: str | None
    captcha_url: str | None

    #: The key as the cookie functions want it.
    key: bytes
    #: Sensitive header names, lower case, with dashes; and as environ keys.
    hidden_headers: frozenset[str]
    hidden_keys: frozenset[str]
    #: Environ names of the headers in ip_headers, in order.
    ip_keys: tuple[str, ...]
    #: Environ name of bypass_monitor_header, or None.
    bypass_key: str | None

    def __init__(self, px_config: Mapping[str, Any] | None) -> None:
        given = with_real_names(px_config)
        for option in OPTIONS:
            self.__dict__[option.name] = checked(option, given)
        self.__dict__.update(
            key=self.cookie_key.encode("utf-8", "surrogatepass"),
            hidden_headers=frozenset(map(plain_name, self.sensitive_headers)),
            hidden_keys=frozenset(map(environ_key, self.sensitive_headers)),
            ip_keys=tuple(map(environ_key, self.ip_headers)),
            bypass_key=environ_key(self.bypass_monitor_header) or None,
        )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"options are read-only: {name}")

    def __repr__(self) -> str:
        shown = (
            f"{option.name}={'***' if option.name in SECRETS else repr(value)}"
            for option in OPTIONS
            if (value := getattr(self, option.name)) != option.default
        )
        return f"Config({', '.join(shown)})"

    @property
    def short_id(self) -> str:
        """The app id without its first two characters."""
        return self.app_id[2:]

    @property
    def collector_host(self) -> str:
        """Host of the collector, as printed in answers."""
        return f"collector-{self.app_id.lower()}.perimeterx.net"

    @property
    def api_base(self) -> str:
        """Where calls, activities and telemetry go."""
        host = f"sapi-{self.app_id.lower()}.perimeterx.net"
        return self.px_backend_url or f"https://{host}"

    @property
    def collector_base(self) -> str:
        """Upstream of the first-party XHR address."""
        own = self.collector_url or self.px_backend_url
        return own or f"https://{self.collector_host}"

    @property
    def client_base(self) -> str:
        """Upstream of the first-party client script."""
        return self.client_url or "https://client.perimeterx.net"

    @property
    def captcha_base(self) -> str:
        """Upstream of the first-party captcha script."""
        return self.captcha_url or "https://captcha.px-cdn.net"

    @property
    def timeout(self) -> float:
        """Seconds that one exchange with the service may take."""
        return self.api_timeout / 1000


def with_real_names(px_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a copy with aliases resolved; warn about what is unknown."""
    if px_config is None:
        raise OptionError("px_config is required: a mapping of options")
    if not isinstance(px_config, Mapping):
        raise OptionTypeError(f"px_config must be a mapping, not {type(px_config)}")
    given = dict(px_config)
    for alias, name in ALIASES.items():
        if alias in given:
            given.setdefault(name, given[alias])
            del given[alias]
    known = {option.name for option in OPTIONS}
    if unknown := sorted(map(repr, given.keys() - known)):
        log.warning("unknown options are ignored: %s", ", ".join(unknown))
    return given


def checked(option: Option, given: dict[str, Any]) -> Any:
    """Return the value of an option; None means that it was not given."""
    value = given.get(option.name)
    if value is None and option.name not in REQUIRED:
        return option.default
    return option.check(option.name, value)


def plain_name(header: str) -> str:
    """Return a header name as names are compared: `X_Key` is `x-key`."""
    return header.strip().lower().replace("_", "-")


def environ_key(header: str) -> str:
    """Return the environ key of a header, '' for no header."""
    key = header.strip().upper().replace("-", "_")
    if not key or key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        return key
    return f"HTTP_{key}"
