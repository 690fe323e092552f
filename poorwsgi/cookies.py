"""Cookies in and out: the Cookie header parsed, Set-Cookie values rendered.

Knows the syntax of RFC 6265 and nothing of requests, responses or sessions.
Both directions are linear in the length of the text.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from poorwsgi.headers import datetime_to_http, time_to_http

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterator, ValuesView
    from datetime import datetime

#: What SameSite may be; False leaves the attribute out.
SameSite: TypeAlias = "Literal['Strict', 'Lax', 'None', False] | None"


class CookieAttributes(TypedDict, total=False):
    """What `render_cookie` takes beside name and value."""

    max_age: int | None
    expires: float | datetime | None
    domain: str | None
    path: str | None
    secure: bool
    http_only: bool
    same_site: SameSite
    partitioned: bool


# --- in -----------------------------------------------------------------------

# One pair per semicolon; what does not fit is skipped up to the next one. The
# repetitions are possessive, so nothing is tried twice and the search is linear.
# A quote does not hide a semicolon: browsers send none inside a value, and a
# reader that believed otherwise could be made to swallow the next cookie.
_PAIR = re.compile(
    r"(?:^|;)[ \t]*+([!#%&'*+\-.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*+)"
    r"[ \t]*+=[ \t]*+([^;\x00-\x1f\x7f]*+)[ \t]*+(?=;|\Z)"
)
_pairs = _PAIR.findall
_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")
_get: Callable[[dict[str, Any], str], Any] = dict.__getitem__
_update = dict.update
_new_morsel = Morsel.__new__
_NO_ATTRIBUTES: dict[str, str] = dict(Morsel())
#: True if a morsel keeps its state as in all Pythons so far.
_KEEPS_STATE = {"_key", "_value", "_coded_value"} <= vars(Morsel()).keys()


class RequestCookies(SimpleCookie):
    """Cookies of a request: a `SimpleCookie` whose morsels are made on look-up.

    PERF: a morsel costs more than parsing its pair, and a handler seldom reads
    more than one. Until then the dictionary holds the value as it was sent.
    """

    def __getitem__(self, key: str) -> Morsel[str]:
        value = _get(self, key)
        if type(value) is str:
            value = _morsel(key, value)
            dict.__setitem__(self, key, value)
        return value  # type: ignore[no-any-return]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the morsel of *key*, or *default*."""
        try:
            return self[key]
        except KeyError:
            return default

    def value_of(self, key: str) -> str:
        """Return the value of a cookie as `Morsel.value` has it, or an empty text."""
        value = dict.get(self, key, "")
        if isinstance(value, str):
            return _decode(value.rstrip(" "))
        return value.value

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the morsel of *key*; set it to *default* if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove *key* and return its morsel."""
        if key in self:
            self[key]  # makes the morsel
        return dict.pop(self, key, *default)

    def popitem(self) -> tuple[str, Morsel[str]]:
        """Remove and return the last pair."""
        key, value = dict.popitem(self)
        return key, _morsel(key, value) if isinstance(value, str) else value

    # dict() and ** read a plain subclass behind our back; one that has its own
    # __iter__ is asked for its keys and items.
    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def values(self) -> ValuesView[Morsel[str]]:  # type: ignore[override]
        """Return a view of the morsels."""
        return dict.values(self._made())

    def items(self) -> ItemsView[str, Morsel[str]]:  # type: ignore[override]
        """Return a view of names and morsels."""
        return dict.items(self._made())

    def copy(self) -> RequestCookies:
        """Return a copy that shares the morsels."""
        other = RequestCookies()
        dict.update(other, self._made())
        return other

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RequestCookies):
            other._made()
        return dict.__eq__(self._made(), other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def _made(self) -> RequestCookies:
        for key in dict.__iter__(self):
            self[key]
        return self


def parse_cookies(header: str) -> RequestCookies:
    """Return the cookies in a Cookie header; a pair that is none is skipped.

    Of equal names the last counts, as in `http.cookies`.
    """
    cookies = RequestCookies.__new__(RequestCookies)
    _update(cookies, _pairs(header))
    return cookies


def _morsel(name: str, coded: str) -> Morsel[str]:
    if coded[-1:] == " ":
        coded = coded.rstrip(" ")  # the pattern has taken the other blanks off
    # PERF: Morsel() and set() check name and attributes one by one; the name
    # matched the pattern above and attributes come in no Cookie header.
    morsel: Morsel[str] = _new_morsel(Morsel)
    _update(morsel, _NO_ATTRIBUTES)
    if _KEEPS_STATE and coded.isascii() and '"' not in coded:
        # PERF: what __setstate__() does; 6,000 instructions, not 8,700.
        morsel._key = name  # type: ignore[attr-defined]
        morsel._value = morsel._coded_value = coded  # type: ignore[attr-defined]
        return morsel
    state = {"key": name, "value": _decode(coded), "coded_value": coded}
    try:
        morsel.__setstate__(state)  # type: ignore[attr-defined]
    except CookieError:
        # Newer Pythons refuse control characters, which may stand escaped here.
        state["value"] = coded
        morsel.__setstate__(state)  # type: ignore[attr-defined]
    return morsel


def _decode(value: str) -> str:
    if value[:1] == '"' and value[-1:] == '"' and len(value) > 1:
        value = _ESCAPE.sub(_unescape, value[1:-1])
    return value if value.isascii() else _from_utf8(value)


def _unescape(match: re.Match[str]) -> str:
    octal, char = match.groups()
    return chr(int(octal, 8)) if octal else char


def _from_utf8(value: str) -> str:
    # WSGI hands header bytes over as latin-1 (PEP 3333).
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


# --- out ----------------------------------------------------------------------

_NAME = re.compile(r"[!#%&'*+\-.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*")
# RFC 6265, 4.1.1: cookie-octet
_PLAIN_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_MUST_ESCAPE = re.compile(rb"[^ !#-+\--:<-\[\]-~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ATTRIBUTE_VALUE = re.compile(r"[ -:<-~]*")
SAME_SITE = ("Strict", "Lax", "None")


def render_cookie(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    expires: float | datetime | None = None,
    domain: str | None = None,
    path: str | None = "/",
    secure: bool = False,
    http_only: bool = True,
    same_site: SameSite = "Lax",
    partitioned: bool = False,
) -> str:
    """Return the value of a Set-Cookie header.

    *max_age* is in seconds; *expires* is a moment or seconds from now. A value
    with other characters than cookies may have is quoted, so that
    `parse_cookies` gives it back; control characters are refused.

    :raises ValueError: a browser would refuse the cookie, or read another one.
    """
    attributes = static_attributes(
        name, max_age, domain, path, secure, http_only, same_site, partitioned
    )
    if expires is not None:
        attributes = f"; expires={cookie_date(expires)}{attributes}"
    return f"{name}={quote_value(value)}{attributes}"


# PERF: an application sets few different cookies, so what does not change with
# the moment is checked and rendered once. Names and attributes are its own.
@lru_cache(maxsize=64)
def static_attributes(
    name: str,
    max_age: int | None,
    domain: str | None,
    path: str | None,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    partitioned: bool,
) -> str:
    """Return what `render_attributes` does, after `check_cookie`."""
    check_cookie(
        name,
        domain=domain,
        path=path,
        secure=secure,
        same_site=same_site,
        partitioned=partitioned,
    )
    return render_attributes(
        max_age=max_age,
        domain=domain,
        path=path,
        secure=secure,
        http_only=http_only,
        same_site=same_site,
        partitioned=partitioned,
    )


def check_cookie(
    name: str,
    *,
    domain: str | None,
    path: str | None,
    secure: bool,
    same_site: SameSite,
    partitioned: bool = False,
) -> None:
    """Refuse a name or attributes that cannot work, with a ValueError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"cookie name {name!r} is not a token")
    for what, text in (("domain", domain), ("path", path)):
        if text is not None and not _ATTRIBUTE_VALUE.fullmatch(text):
            raise ValueError(f"cookie {what} {text!r} has a forbidden character")
    # True equals 1 and "" is false: name what is allowed, refuse the rest.
    if not (same_site is None or same_site is False or same_site in SAME_SITE):
        raise ValueError(
            f"same_site={same_site!r} is not valid, use one of {SAME_SITE}"
        )
    if same_site == "None" and not secure:
        raise ValueError("same_site='None' requires secure=True")
    if partitioned and not secure:
        raise ValueError("partitioned=True requires secure=True")
    _check_prefix(name.lower(), domain, path, secure)


def _check_prefix(
    name: str, domain: str | None, path: str | None, secure: bool
) -> None:
    # RFC 6265bis, 4.1.3; user agents compare the prefixes without case.
    if name.startswith(("__host-", "__secure-")) and not secure:
        raise ValueError(f"cookie {name!r} requires secure=True")
    if name.startswith("__host-") and (domain or path != "/"):
        raise ValueError(f"cookie {name!r} requires path='/' and no domain")


def render_attributes(
    *,
    max_age: int | None = None,
    expires: float | datetime | None = None,
    domain: str | None = None,
    path: str | None = "/",
    secure: bool = False,
    http_only: bool = True,
    same_site: SameSite = "Lax",
    partitioned: bool = False,
) -> str:
    """Return the attributes with a leading semicolon, in alphabetical order."""
    out = [""]
    if domain:
        out.append(f"Domain={domain}")
    if expires is not None:
        out.append(f"expires={cookie_date(expires)}")
    if http_only:
        out.append("HttpOnly")
    if max_age is not None:
        out.append(f"Max-Age={int(max_age)}")
    if partitioned:
        out.append("Partitioned")
    if path:
        out.append(f"Path={path}")
    if same_site:
        out.append(f"SameSite={same_site}")
    if secure:
        out.append("Secure")
    return "; ".join(out)


def quote_value(value: str) -> str:
    """Return *value* as it is if cookies allow that, else quoted.

    Quoting is that of `http.cookies` (octal escapes), over the UTF-8 bytes.
    """
    # PERF: words need no regular expression; 1,600 instructions, not 2,800.
    if (value.isalnum() and value.isascii()) or _PLAIN_VALUE.fullmatch(value):
        return value
    if _CONTROL.search(value):
        raise ValueError(f"cookie value {value!r:.80} has a control character")
    escaped = _MUST_ESCAPE.sub(
        lambda match: b"\\%03o" % match.group()[0], value.encode()
    )
    return f'"{escaped.decode()}"'


def cookie_date(when: float | datetime) -> str:
    """Return *when*, a moment or seconds from now, as an HTTP date in GMT."""
    if isinstance(when, int | float):
        return time_to_http(time.time() + when)
    return datetime_to_http(when)
