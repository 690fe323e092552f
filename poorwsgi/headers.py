"""HTTP header fields: the table `Headers`, and values parsed and rendered.

Everything here turns text into plain data or back. Nobody is asked for a
request or an application. Each parser is linear in the length of its input:
the regular expressions are anchored or possessive, so none can backtrack.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from logging import getLogger
from time import gmtime, time
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import TypeVar

    T = TypeVar("T")

log = getLogger("poorwsgi")

#: COMPAT: the strftime format of 2.8.1. Not used here, %a, %b and %X follow
#: the locale.
HEADER_DATETIME_FORMAT = "%a, %d %b %Y %X GMT"

HeadersList = (
    list[tuple[str, str]]
    | tuple[tuple[str, str], ...]
    | set[tuple[str, str]]
    | dict[str, str]
)
RangeList = list[tuple[int | None, int | None]]

RE_BYTES_RANGE = re.compile(r"([0-9]*)-([0-9]*)")

#: More ranges than this in one header are an attack, not a download manager.
MAX_RANGES = 100

# RFC 9110, 5.6.2. Field names are tokens.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# PEP 3333 lets no control character through, HTAB included.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINE_BREAK = re.compile(r"[\r\n\x00]")

# PERF: names found here need no look at their characters.
COMMON_NAMES = frozenset(
    (
        "Accept-Ranges",
        "Access-Control-Allow-Origin",
        "Allow",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-Length",
        "Content-Location",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Expires",
        "Last-Modified",
        "Link",
        "Location",
        "Referrer-Policy",
        "Retry-After",
        "Set-Cookie",
        "Strict-Transport-Security",
        "Vary",
        "WWW-Authenticate",
        "X-Content-Type-Options",
        "X-Frame-Options",
        "X-Powered-By",
    )
)

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NAMES = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MONTHS = tuple(_MONTH_NAMES.split("|"))
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}


def check_header(name: str, value: str) -> None:
    """Refuse what must not stand in a header: TypeError or ValueError.

    SECURITY: servers write names and values out as they are. A line break in
    one of them would be the start of the next header.
    """
    if name.__class__ is not str and not isinstance(name, str):
        raise TypeError(f"Header name/value must be of type str (got {name!r})")
    if value.__class__ is not str and not isinstance(value, str):
        raise TypeError(f"Header name/value must be of type str (got {value!r})")
    if name not in COMMON_NAMES and not _TOKEN.fullmatch(name):
        raise ValueError(f"Header name {name!r} is not a token")
    # PERF: isprintable() sees most values off without the regex.
    if not value.isprintable() and _CONTROL.search(value):
        raise ValueError(f"Control character in value {value!r} of header {name}")


# -- parameters and lists ----------------------------------------------------

# A piece ends at the separator unless that stands in a quoted string. An
# opened quote that is never closed takes the rest.
_PIECE = r'(?:[^"%s]++|"(?:[^"\\]++|\\.)*+(?:"|\\?\Z))*+'
_SEMICOLON_PIECE = re.compile(_PIECE % ";", re.S)
_COMMA_PIECE = re.compile(_PIECE % ",", re.S)
_QUOTED_PAIR = re.compile(r'\\(["\\])')


def _pieces(text: str, separator: str) -> list[str]:
    """Split *text*, but not inside quoted strings."""
    if '"' not in text:
        return text.split(separator)
    piece = _COMMA_PIECE if separator == "," else _SEMICOLON_PIECE
    pieces, position = [], 0
    while True:
        match = piece.match(text, position)
        end = match.end() if match else len(text)  # it always matches
        pieces.append(text[position:end])
        if end >= len(text):
            return pieces
        position = end + 1


def _unquote(value: str) -> str:
    """Return *value* without its quotes, if it has both.

    COMPAT: only an escaped quote and an escaped backslash are unescaped.
    Browsers once sent `filename="C:\\dir\\file"` with bare backslashes.
    """
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    value = value[1:-1]
    return _QUOTED_PAIR.sub(r"\1", value) if "\\" in value else value


def quote(value: str) -> str:
    r"""Return *value* as a quoted string.

    >>> print(quote('a "b"'))
    "a \"b\""
    """
    if '"' in value or "\\" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{value}"'


def parse_header(line: str) -> tuple[str, dict[str, str]]:
    """Return the main value of a header and its parameters.

    >>> parse_header('text/html; charset="utf-8"')
    ('text/html', {'charset': 'utf-8'})
    """
    if ";" not in line:
        return line.strip(), {}
    first, *rest = _pieces(line, ";")
    params = {}
    for piece in rest:
        name, equals, value = piece.partition("=")
        if equals:
            params[name.strip().lower()] = _unquote(value.strip())
    return first.strip(), params


def parse_negotiation(value: str) -> list[tuple[str, float]]:
    """Return the members of an Accept-like header with their qualities.

    >>> parse_negotiation("text/html;level=2; Q=0.5, */*")
    [('text/html;level=2', 0.5), ('*/*', 1.0)]
    """
    members = []
    for piece in _pieces(value, ","):
        member, quality = piece.strip(), 1.0
        if ";" in member:
            member, quality = _split_quality(member)
        if member:
            members.append((member, quality))
    return members


def _split_quality(member: str) -> tuple[str, float]:
    """Cut the q parameter, and what stands after it, from *member*."""
    first, *params = _pieces(member, ";")
    kept = [first.rstrip()]
    for param in params:
        name, _, text = param.partition("=")
        if name.strip().lower() == "q":
            return ";".join(kept), _quality(text.strip())
        kept.append(param.rstrip())
    return ";".join(kept), 1.0


def _quality(text: str) -> float:
    """Return the number, 1.0 for what is none or lies outside 0 to 1."""
    # float() would take "nan", "1e-3" and "1_0" as well.
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        return 1.0
    quality = float(text[:16])
    return quality if 0 <= quality <= 1 else 1.0


def render_negotiation(
    negotation: Iterable[tuple[str] | tuple[str, float | str]],
) -> str:
    """Return the text of an Accept-like header.

    >>> render_negotiation([("gzip", 1.0), ("*", 0)])
    'gzip;q=1.0, *;q=0'
    """
    return ", ".join(
        f"{item[0]};q={item[1]}" if len(item) > 1 else item[0] for item in negotation
    )


def parse_range(value: str) -> dict[str, RangeList]:
    """Return the unit of a Range header and its (first, last) pairs.

    A pair has None where the number is missing: (None, 5) are the last five.
    One piece that is no range makes the whole list empty, so do more than
    `MAX_RANGES` of them: a header that is not understood is to be ignored.
    Empty pieces are none (RFC 9110, 5.6.1.2).
    """
    unit, equals, ranges = value.partition("=")
    if not equals:
        log.error("Invalid Range header %r", value[:200])
        return {}
    unit = unit.strip().lower()
    if ranges.count(",") >= MAX_RANGES:
        return {unit: []}
    pairs: RangeList = []
    for piece in ranges.split(","):
        match = RE_BYTES_RANGE.fullmatch(piece.strip() or "-")
        if match is None:
            return {unit: []}
        first, last = match.groups()
        if first or last:
            pairs.append((_position(first), _position(last)))
    return {unit: pairs}


def _position(digits: str) -> int | None:
    """Return the number; what has too many digits is past every end."""
    if not digits:
        return None
    if len(digits) > 18:
        # int() refuses texts of more than 4300 digits.
        digits = digits.lstrip("0")[:19] or "0"
    return min(int(digits), 10**18)


class ContentRange:
    """A Content-Range value; without *start* the range is unsatisfied.

    >>> str(ContentRange(1, 2, 10))
    'bytes 1-2/10'
    >>> str(ContentRange(None, None, 10))
    'bytes */10'
    """

    def __init__(
        self,
        start: int | None = 0,
        end: int | None = 0,
        full: int | str = "*",
        units: str = "bytes",
    ):
        self.start = start
        self.end = end
        self.full = full
        self.units = units

    def __str__(self) -> str:
        if self.start is None:
            return f"{self.units} */{self.full}"
        return f"{self.units} {self.start}-{self.end}/{self.full}"

    def __repr__(self) -> str:
        return f"ContentRange({self.start}, {self.end}, {self.full!r}, {self.units!r})"


# -- entity tags -------------------------------------------------------------

# RFC 9110, 8.8.3:  entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
_ETAG = re.compile(r'(?:W/)?"[^"\x00-\x20\x7f]*+"')


def parse_etags(value: str) -> tuple[str, ...]:
    """Return the entity tags of If-Match or If-None-Match as they are written.

    >>> parse_etags('W/"a", "b,c"')
    ('W/"a"', '"b,c"')

    `*` gives ("*",). What is no entity tag is left out.
    """
    value = value.strip()
    return ("*",) if value == "*" else tuple(_ETAG.findall(value))


def is_strong_match(etag: str, others: Iterable[str]) -> bool:
    """Return True if *etag* is strong and one of *others* (RFC 9110, 8.8.3.2)."""
    return not etag.startswith("W/") and etag in others


def is_weak_match(etag: str, others: Iterable[str]) -> bool:
    """Return True if *etag* is one of *others*, weak or not."""
    etag = etag.removeprefix("W/")
    return any(etag == other.removeprefix("W/") for other in others)


# -- hosts and proxies -------------------------------------------------------

# RFC 9112, 3.2, and RFC 3986, 3.2.2. Wider than DNS by the underscore and the
# final dot, which container set-ups have; narrower than reg-name, whose
# percent-encoding and sub-delims have no business in a URL that we build.
_HOST = re.compile(
    r"([0-9A-Za-z_-]++(?:\.[0-9A-Za-z_-]++)*+\.?+|\[[0-9A-Fa-f:.]++\])"
    r"(?::([0-9]{1,5}))?"
)
_IPV4 = re.compile(
    r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}"
)
_MAX_HOST = 255 + len(":65535")


def parse_host(value: str) -> tuple[str, int | None] | None:
    """Return the host and the port of a Host header, None if it is neither.

    An IPv6 address keeps its brackets, as it stands in a URL; a missing port
    is None.

    >>> parse_host("[::1]:8080")
    ('[::1]', 8080)
    """
    if len(value) > _MAX_HOST:
        return None
    match = _HOST.fullmatch(value)
    if match is None:
        return None
    host, digits = match.groups()
    if host[0] == "[" and not _is_ipv6(host[1:-1]):
        return None
    if digits is None:
        return host, None
    port = int(digits)
    return (host, port) if 0 < port < 65536 else None


def _is_ipv6(text: str) -> bool:
    """Return True if hexadecimal digits, colons and dots are an address."""
    head, double, tail = text.partition("::")
    if "::" in tail or tail.startswith(":"):
        return False
    groups = [part for side in (head, tail) if side for part in side.split(":")]
    if groups and "." in groups[-1]:
        if text.endswith("::") or not _IPV4.fullmatch(groups.pop()):
            return False
        groups += ["0", "0"]
    if not all(0 < len(group) < 5 and "." not in group for group in groups):
        return False
    return len(groups) < 8 if double else len(groups) == 8


def first_element(value: str) -> str:
    """Return the first element of a comma list, the one nearest to the client."""
    return value.partition(",")[0].strip()


def parse_forwarded_proto(value: str) -> str | None:
    """Return http or https from X-Forwarded-Proto, None for anything else."""
    proto = first_element(value).lower()
    return proto if proto in ("http", "https") else None


def parse_forwarded_host(value: str) -> tuple[str, int | None] | None:
    """Return host and port from X-Forwarded-Host, None if they are malformed."""
    return parse_host(first_element(value))


def parse_forwarded(value: str) -> dict[str, str]:
    """Return the parameters of the first element of a Forwarded header.

    Of RFC 7239 the names for, by, host and proto are kept; host and proto only
    if they are valid.

    >>> parse_forwarded('for="[::1]:4711";proto=HTTPS;host="a b", for=10.0.0.1')
    {'for': '[::1]:4711', 'proto': 'https'}
    """
    params = {}
    for pair in _pieces(_pieces(value, ",")[0], ";"):
        name, equals, text = pair.strip().partition("=")
        if equals:
            params[name.lower()] = _unquote(text)
    if "proto" in params:
        params["proto"] = params["proto"].lower()
    return {
        name: text
        for name, text in params.items()
        if name in ("for", "by")
        or (name == "proto" and text in ("http", "https"))
        or (name == "host" and parse_host(text))
    }


# -- authorization -----------------------------------------------------------

# RFC 9110, 11.2:  token68 = 1*( ALPHA / DIGIT / "-" / "." / ... / "/" ) *"="
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]++=*+")
# Pairs may stand in lines of their own, and the comma may be missing.
_AUTH_PARAM = re.compile(
    r"""[\s,]*+ ([^\s,="]++) \s*+
    (?: (=) \s*+ (?: "((?:[^"\\]++|\\.)*+)" | ([^\s,"]*+) ) )?+""",
    re.X | re.S,
)
_ANY_QUOTED_PAIR = re.compile(r"\\(.)", re.S)


def parse_authorization(value: str) -> dict[str, str]:
    """Return the scheme of an Authorization header as `type`, and its parameters.

    Names are lower case, values lose their quotes, `username*` is decoded and
    stands as `username`. Credentials that are one token have no parameters.
    """
    scheme, _, rest = value.strip().partition(" ")
    rest = rest.strip()
    params: dict[str, str] = {}
    if rest and not _TOKEN68.fullmatch(rest):
        params = _auth_params(rest)
    params["type"] = scheme.capitalize()
    return params


def _auth_params(text: str) -> dict[str, str]:
    params: dict[str, str] = {}
    position = 0
    while match := _AUTH_PARAM.match(text, position):
        position = match.end()
        name, equals, quoted, bare = match.groups()
        if quoted is not None:
            bare = _ANY_QUOTED_PAIR.sub(r"\1", quoted) if "\\" in quoted else quoted
        if equals:
            params.setdefault(name.lower(), Headers.utf8(bare))
    if "username*" in params:
        username = _decode_extended(params.pop("username*"))
        if username is not None:
            params["username"] = username
    return params


def _decode_extended(value: str) -> str | None:
    """Return the text of an RFC 8187 value, None if it is not UTF-8."""
    # Lazy: only Digest with a user outside ASCII comes here.
    from urllib.parse import unquote_to_bytes

    charset, _, rest = value.partition("'")
    _, apostrophe, encoded = rest.partition("'")
    if not apostrophe or charset.lower() != "utf-8":
        return None
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        return None


# -- dates -------------------------------------------------------------------

_IMF_DATE = re.compile(
    rf"(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({_MONTH_NAMES}) ([0-9]{{4}})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
# RFC 9110, 5.6.7: a recipient MUST accept the two obsolete formats as well.
_RFC850_DATE = re.compile(
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, ([0-9]{{2}})-({_MONTH_NAMES})"
    r"-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_ASCTIME_DATE = re.compile(
    rf"(?:{'|'.join(_DAYS)}) ({_MONTH_NAMES}) ([ 0-9][0-9])"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})"
)
_MONTH_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def time_to_http(value: float | None = None) -> str:
    """Return the HTTP date of a time stamp, of now by default.

    >>> time_to_http(0)
    'Thu, 01 Jan 1970 00:00:00 GMT'
    """
    year, month, day, hour, minute, second, weekday, _, _ = gmtime(value)
    # PERF: % is faster here than an f-string with six format specifications.
    return "%s, %02d %s %04d %02d:%02d:%02d GMT" % (  # noqa: UP031
        _DAYS[weekday],
        day,
        _MONTHS[month - 1],
        year,
        hour,
        minute,
        second,
    )


def datetime_to_http(value: datetime) -> str:
    """Return the HTTP date; a *value* without a time zone is taken as UTC."""
    year, month, day, hour, minute, second, weekday, _, _ = value.utctimetuple()
    return (
        f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04}"
        f" {hour:02}:{minute:02}:{second:02} GMT"
    )


def http_to_time(value: str) -> int:
    """Return the time stamp of an HTTP date; ValueError if it is none."""
    year, month, day, hour, minute, second = _date_fields(value)
    # Days since 1970 in the proleptic Gregorian calendar, counted from March
    # so that the leap day comes last. calendar.timegm would import datetime
    # and locale.
    shifted = year - (month < 3)
    days = (
        365 * shifted
        + shifted // 4
        - shifted // 100
        + shifted // 400
        + (153 * ((month + 9) % 12) + 2) // 5
        + day
        - 719469
    )
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def http_to_datetime(value: str) -> datetime:
    """Return the aware datetime of an HTTP date; ValueError if it is none."""
    # Lazy: the framework itself compares time stamps.
    from datetime import UTC, datetime, timedelta

    seconds = http_to_time(value)
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:  # the leap second at the end of the year 9999
        raise ValueError("HTTP date with a number out of range") from None


def _date_fields(value: str) -> tuple[int, int, int, int, int, int]:
    """Return year to second of a date in one of the three formats."""
    if match := _IMF_DATE.fullmatch(value):
        day, month_name, year, *clock = match.groups()
    elif match := _RFC850_DATE.fullmatch(value):
        day, month_name, year, *clock = match.groups()
        year = _full_year(int(year))
    elif match := _ASCTIME_DATE.fullmatch(value):
        month_name, day, *clock, year = match.groups()
    else:
        raise ValueError(f"{value[:60]!r} is not an HTTP date")
    month = _MONTH_NUMBERS[month_name]
    fields = (int(year), month, int(day), *map(int, clock))
    _check_fields(*fields)
    return fields  # type: ignore[return-value]


def _check_fields(
    year: int, month: int, day: int, hour: int, minute: int, second: int
) -> None:
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 28 if month == 2 and not leap else _MONTH_LENGTHS[month - 1]
    # A leap second is a legal :60.
    if not (year and 0 < day <= longest and hour < 24 and minute < 60 and second < 61):
        raise ValueError("HTTP date with a number out of range")


def _full_year(short: int) -> int:
    """Return the year of two digits.

    RFC 9110, 5.6.7: one that seems more than 50 years ahead lies in the past.
    """
    this_year = gmtime(time()).tm_year
    year = this_year - this_year % 100 + short
    return year - 100 if year > this_year + 50 else year


# -- the table ---------------------------------------------------------------


class Headers(Mapping[str, str]):
    """Header fields: names ignore case, order and duplicates are kept.

    *strict* turns names and values into the byte-preserving latin-1 text that
    WSGI asks of a response. Headers of a request are not strict.

    COMPAT: iteration gives (name, value) pairs, not names as a mapping does.
    """

    __slots__ = ("_pairs", "strict")

    _pairs: list[tuple[str, str]]

    def __init__(
        self, headers: HeadersList | Headers | None = None, strict: bool = True
    ):
        self.strict = strict
        self._pairs = pairs = []
        if headers is None:
            return
        if isinstance(headers, Headers):
            pairs += headers._pairs
            return
        if isinstance(headers, dict):
            items: Iterable[tuple[str, str]] = headers.items()
        elif isinstance(headers, list | tuple | set):
            items = headers
        else:
            raise TypeError(
                "headers must be list, tuple, set or dict "
                f"(got {type(headers).__name__})"
            )
        for item in items:
            if not isinstance(item, tuple | list) or len(item) != 2:
                raise ValueError(f"headers must be (name, value) pairs (got {item!r})")
            pairs.append(self._field(item[0], item[1]))

    @classmethod
    def wrap(cls, pairs: list[tuple[str, str]], strict: bool = True) -> Headers:
        """Return the table over *pairs* itself, unchecked; changes show there."""
        self = cls.__new__(cls)
        self.strict = strict
        self._pairs = pairs
        return self

    def _field(self, name: str, value: str) -> tuple[str, str]:
        """Return the pair to store, or refuse it."""
        if self.strict:
            if not (isinstance(name, str) and name.isascii()):
                name = Headers.iso88591(name)
            if not (isinstance(value, str) and value.isascii()):
                value = Headers.iso88591(value)
            check_header(name, value)
        elif isinstance(value, str) and _LINE_BREAK.search(f"{name}{value}"):
            raise ValueError(f"Control character in header {name!r}: {value!r}")
        return name, value

    # reading

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[tuple[str, str]]:  # type: ignore[override]
        return iter(self._pairs)

    def __getitem__(self, name: str) -> str:
        lower = name.lower()
        for key, value in self._pairs:
            if key.lower() == lower:
                return value
        raise KeyError(f"{name!r} is not registered")

    def __contains__(self, name: object) -> bool:
        lower = str(name).lower()
        return any(key.lower() == lower for key, _ in self._pairs)

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: str) -> str: ...
    @overload
    def get(self, name: str, default: T) -> str | T: ...

    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of *name*, or *default*."""
        lower = name.lower()
        for key, value in self._pairs:
            if key.lower() == lower:
                return value
        return default

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return all values of *name* in order."""
        lower = name.lower()
        return tuple(value for key, value in self._pairs if key.lower() == lower)

    def names(self) -> tuple[str, ...]:
        """Return the names in order, as often as they are set."""
        return tuple(name for name, _ in self._pairs)

    def keys(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the same as `names`."""
        return self.names()

    def values(self) -> tuple[str, ...]:  # type: ignore[override]
        """Return the values in order."""
        return tuple(value for _, value in self._pairs)

    def items(self) -> tuple[tuple[str, str], ...]:  # type: ignore[override]
        """Return the (name, value) pairs in order."""
        return tuple(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({self._pairs!r})"

    # writing

    def __setitem__(self, name: str, value: str) -> None:
        field = self._field(name, value)
        del self[name]
        self._pairs.append(field)

    def __delitem__(self, name: str) -> None:
        lower = name.lower()
        # In place: a response may share the list.
        self._pairs[:] = [pair for pair in self._pairs if pair[0].lower() != lower]

    def setdefault(self, name: str, value: str) -> str:
        """Return the value of *name*, which is *value* if there was none."""
        current = self.get(name)
        if current is not None:
            return current
        self._pairs.append(self._field(name, value))
        return value

    def add(self, name: str, value: str) -> None:
        """Append a header that may stand once: KeyError if it is there.

        Set-Cookie may stand as often as there are cookies.
        """
        if name.lower() != "set-cookie" and name in self:
            raise KeyError(f"Key {name} exist.")
        self._pairs.append(self._field(name, value))

    def add_header(
        self,
        name: str,
        value: str | Sequence[tuple[str] | tuple[str, float | str]] | None = None,
        **kwargs: str | None,
    ) -> None:
        """Append a header; keyword arguments become its parameters.

        A list of tuples is rendered by `render_negotiation`, a parameter None
        is a bare flag, and an underscore in its name stands for a dash.

        >>> headers = Headers()
        >>> headers.add_header("Cache-Control", "no-cache", no_store=None)
        >>> headers["Cache-Control"]
        'no-cache; no-store'
        """
        if not kwargs and isinstance(value, str):
            self._pairs.append(self._field(name, value))
            return
        if isinstance(value, list | tuple):
            value = render_negotiation(value)
        parts: list[Any] = [] if value is None else [value]
        parts += [_parameter(key, text) for key, text in kwargs.items()]
        if not parts:
            raise ValueError("Header value must be set.")
        text = parts[0] if len(parts) == 1 else "; ".join(parts)
        self._pairs.append(self._field(name, text))

    # text

    @staticmethod
    def iso88591(value: str) -> str:
        """Return *value* as the latin-1 text that stands for its UTF-8 bytes."""
        if not isinstance(value, str):
            raise TypeError(f"Header name/value must be of type str (got {value!r})")
        if value.isascii():
            return value
        try:
            return value.encode("utf-8").decode("iso-8859-1")
        except UnicodeEncodeError as err:
            raise ValueError(
                f"Header name/value must be iso-8859-1 encoded (got {value!r})"
            ) from err

    @staticmethod
    def utf8(value: str) -> str:
        """Return the text whose UTF-8 bytes *value* stands for, else *value*."""
        if value.isascii():
            return value
        try:
            return value.encode("iso-8859-1").decode("utf-8")
        except UnicodeError:
            return value


def _parameter(name: str, value: str | None) -> str:
    """Return one parameter of a header, `_` in its name turned into `-`."""
    name = name.replace("_", "-")
    if value is None:
        return name
    if not isinstance(value, str):
        raise TypeError(f"Header parameter must be of type str (got {value!r})")
    if name == "filename" and not value.isascii():
        return _extended_filename(value)
    return f"{name}={quote(value)}"


def _extended_filename(value: str) -> str:
    """Return a file name outside of ASCII twice, for old clients and for all others.

    RFC 6266, 4.3: `filename*` wins where it is understood; the plain one is what
    is left of the name in ASCII.
    """
    # Loaded by the first name that needs it.
    from unicodedata import normalize
    from urllib.parse import quote as percent

    plain = normalize("NFKD", value).encode("ascii", "ignore").decode()
    return f"filename={quote(plain)}; filename*=UTF-8''{percent(value, safe='')}"
