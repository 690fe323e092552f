"""Cookies in and out: the Cookie header parsed, Set-Cookie values rendered.

Knows the syntax of RFC 6265 and nothing of requests, responses or sessions.
Both directions are linear in the length of the text.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache, wraps
from http.cookies import CookieError, Morsel, SimpleCookie
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from poorwsgi.headers import datetime_to_http, time_to_http

if TYPE_CHECKING:
    from collections.abc import Callable
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

# One pair after each semicolon; what does not fit is skipped up to the next one. The
# repetitions are possessive, so nothing is tried twice and the search is linear.
# A quote does not hide a semicolon: browsers send none inside a value, and a
# reader that believed otherwise could be made to swallow the next cookie.
_PAIR = re.compile(
    r";[ \t]*+([!#%&'*+\-.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*+)"
    r"[ \t]*+=[ \t]*+([^;\x00-\x1f\x7f]*+)[ \t]*+(?=;|\Z)"
)
_NAME = re.compile(r"[!#%&'*+\-.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]*")
_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))")
_get: Callable[..., Any] = dict.get
_set = dict.__setitem__
_update = dict.update
_NO_ATTRIBUTES: dict[str, str] = dict(Morsel())
#: True if a morsel keeps its state as in all Pythons so far.
_KEEPS_STATE = {"_key", "_value", "_coded_value"} <= vars(Morsel()).keys()


class RequestMorsel(Morsel):  # type: ignore[type-arg]
    """A `Morsel` of a request.

    PERF: with slots instead of a dictionary, and no Python code in the property:
    480 instructions for the value, not 940.
    """

    __slots__ = ("_coded_value", "_key", "_value")

    _key: str
    _value: str
    _coded_value: str
    value = property(  # pyright: ignore[reportIncompatibleMethodOverride]
        attrgetter("_value"), doc="The value, decoded."
    )

    def copy(self) -> Morsel[str]:
        """Return a copy as `http.cookies` has it."""
        other: Morsel[str] = Morsel()
        other.__setstate__(self.__getstate__())  # type: ignore[attr-defined]
        _update(other, self)
        return other


class UnreadMorsel(RequestMorsel):
    """A morsel without its attributes, which come in no Cookie header.

    Whoever wants them gets the class above, see `_completes`.

    PERF: nearly everybody wants the value only; 1,200 instructions, not 4,300.
    """

    __slots__ = ()
    __init__ = dict.__init__  # pyright: ignore[reportAssignmentType]

    def _complete(self) -> None:
        self.__class__ = RequestMorsel  # type: ignore[assignment]
        _update(self, _NO_ATTRIBUTES)


class RequestCookies(SimpleCookie):
    """Cookies of a request, a `SimpleCookie`."""

    # Those of the class below, which has to have the same layout.
    __slots__ = ("_coded", "_text")

    def value_of(self, key: str) -> str:
        """Return the value of a cookie, or an empty text."""
        morsel = self.get(key)
        return morsel.value if morsel is not None else ""

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the morsel of *key*; set it to *default* if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def copy(self) -> RequestCookies:
        """Return a copy that shares the morsels."""
        other = RequestCookies()
        _update(other, self)
        return other


class UnreadCookies(RequestCookies):
    """Cookies that are looked for in the header, one by one.

    Whoever wants more than look-ups gets the class above, see `_completes`.

    PERF: a handler seldom asks for more than one or two. To find one takes 3,600
    instructions; to find all of three, and make a dictionary of them, 13,800.
    """

    __slots__ = ()
    __init__ = dict.__init__  # pyright: ignore[reportAssignmentType]

    #: The header with a semicolon in front, so that one stands before each pair.
    _text: str
    #: All pairs as they were sent, if it took that to find one.
    _coded: dict[str, str] | None

    def __getitem__(self, key: str) -> Morsel[str]:
        morsel: Morsel[str] | None = _get(self, key)
        if morsel is None:
            coded = self._find(key)
            if coded is None:
                raise KeyError(key)
            if _KEEPS_STATE and coded.isascii() and '"' not in coded:
                # PERF: _morsel() written out; 800 of 47,700 instructions for two.
                morsel = plain = UnreadMorsel()
                plain._key = key
                plain._value = plain._coded_value = coded
            else:
                morsel = _morsel(key, coded)
            _set(self, key, morsel)
        return morsel

    def get(self, key: str, default: Any = None) -> Any:
        """Return the morsel of *key*, or *default*."""
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return _get(self, key) is not None or self._find(key) is not None

    def value_of(self, key: str) -> str:
        """Return the value of a cookie, or an empty text; makes no morsel."""
        morsel = _get(self, key)
        if morsel is not None:
            return morsel.value  # type: ignore[no-any-return]
        return _decode(self._find(key) or "")

    def _find(self, key: Any) -> str | None:
        """Return the value of the last cookie of a name as it was sent, or None."""
        if self._coded is None:
            mark = _MARKS.get(key) or _mark(key)
            if mark is None:
                return None
            _, found, tail = self._text.rpartition(mark)
            if found and key not in tail:
                coded, _, _ = tail.partition(";")
                if coded.isprintable():
                    return coded.strip(" ")
            elif key not in self._text:
                return None
            # It is written in an odd way, or the same word stands behind it.
            self._coded = _pairs(self._text)
        return self._coded.get(key)

    def _complete(self) -> None:
        """Make a morsel of each pair, in order."""
        pairs = _pairs(self._text) if self._coded is None else self._coded
        made = {name: _get(self, name) or _morsel(name, pairs[name]) for name in pairs}
        del self._coded, self._text
        self.__class__ = RequestCookies  # type: ignore[assignment]
        self.clear()
        _update(self, made)


def _completes(base: type, name: str) -> Any:
    """Return a method that completes its arguments before it does what it does."""

    wrapped = getattr(base, name)

    @wraps(wrapped)
    def complete_first(*args: Any, **kwargs: Any) -> Any:
        for item in args:
            if isinstance(item, UnreadCookies | UnreadMorsel):
                item._complete()
        return getattr(args[0], name)(*args[1:], **kwargs)

    # Not the text of the standard library: it is no reStructuredText.
    complete_first.__doc__ = f"Do as `{name}` of `http.cookies` does, completed."
    return complete_first


#: Methods of every object that look into it.
_OF_OBJECTS = {
    *("__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__ne__", "__repr__"),
    *("__reduce__", "__reduce_ex__", "__sizeof__", "__str__"),
}
# All methods but those that a class has itself. dict() and ** ask only those
# dictionaries for keys and items that have an __iter__ of their own.
for _base, _kind in ((RequestMorsel, UnreadMorsel), (RequestCookies, UnreadCookies)):
    for _method in _OF_OBJECTS.union(dir(_base)).difference(
        {"__class_getitem__", "fromkeys", *dir(object)} - _OF_OBJECTS, vars(_kind)
    ):
        if callable(getattr(_base, _method)):
            setattr(_kind, _method, _completes(_base, _method))


def parse_cookies(header: str) -> RequestCookies:
    """Return the cookies in a Cookie header; a pair that is none is skipped.

    Of equal names the last counts, as in `http.cookies`.
    """
    cookies: UnreadCookies = UnreadCookies()
    cookies._text = "; " + header
    cookies._coded = None
    return cookies


def _pairs(text: str) -> dict[str, str]:
    """Return the coded values of all cookies, by name."""
    # The pattern has taken the other blanks off.
    return {name: coded.rstrip(" ") for name, coded in _PAIR.findall(text)}


#: Names that were asked for, to the start of their pairs.
_MARKS: dict[Any, str] = {}


def _mark(name: Any) -> str | None:
    """Return the start of the pairs of a name, None if it is no name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    mark = f"; {name}="
    if len(_MARKS) < 256:  # names come from the application, but who knows
        _MARKS[name] = mark
    return mark


def _morsel(name: str, coded: str) -> Morsel[str]:
    morsel: RequestMorsel = UnreadMorsel()
    if _KEEPS_STATE and coded.isascii() and '"' not in coded:
        # PERF: what __setstate__() does; 2,700 instructions less.
        morsel._key = name
        morsel._value = morsel._coded_value = coded
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
    :raises TypeError: *value* is no text.
    """
    attributes = static_attributes(
        name, max_age, domain, path, secure, http_only, same_site, partitioned
    )
    if expires is not None:
        attributes = f"; expires={cookie_date(expires)}{attributes}"
    return f"{name}={quote_value(value)}{attributes}"


def cookie_field(
    name: str, value: str, attributes: CookieAttributes
) -> tuple[str, str]:
    """Return the Set-Cookie header of `render_cookie`.

    PERF: a word needs no quotes, and attributes are looked up by those that were
    given; 2,600 instructions, not 4,800.
    """
    if "expires" in attributes:
        return "Set-Cookie", render_cookie(name, value, **attributes)
    if type(value) is not str or not (value.isalnum() and value.isascii()):
        value = quote_value(value)
    return "Set-Cookie", f"{name}={value}{_given_attributes(name, **attributes)}"


@lru_cache(maxsize=64)
def _given_attributes(name: str, **attributes: Any) -> str:
    _, _, rendered = render_cookie(name, "", **attributes).partition("=")
    return rendered


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
    if type(value) is not str and not isinstance(value, str):
        raise TypeError(f"a cookie value has to be str, not {value!r:.80}")
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
