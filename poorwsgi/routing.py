"""From rules to routes, and from a path to a route.

Knows rules, filters, methods, groups of rules and how a URL is built from a
rule. Knows nothing of requests or responses: who calls the handler, and what
happens when there is none, is decided in wsgi.
"""

from __future__ import annotations

import re
from operator import attrgetter, itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from poorwsgi.state import METHOD_ALL, METHOD_GET, METHOD_HEAD, methods, sorted_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias, TypeVar

    Converter: TypeAlias = Callable[[str], Any]
    #: Returns a match of the path, or None.
    Matcher: TypeAlias = Callable[[str], Any]
    Filter: TypeAlias = tuple[str | None, Converter]
    Converters: TypeAlias = Sequence[tuple[str, Converter]]
    Methods: TypeAlias = int | str | Iterable[str | int]
    Handler: TypeAlias = Callable[..., Any]
    F = TypeVar("F", bound=Callable[..., Any])
    #: What routes have in common: where their literal segments stand. A function
    #: that takes those from a split path, and the routes to be found by them.
    Shape: TypeAlias = tuple[Callable[[Sequence[Any]], Any], dict[Any, list["Route"]]]
    #: Takes rule, handler, method mask, name, and the groups from outside in.
    Sink: TypeAlias = Callable[
        [str, Handler, int, str | None, tuple["RouteGroup", ...]], None
    ]

#: A group of a rule: ``<name>``, ``<name:filter>`` or ``<name:re:regex>``.
re_filter = re.compile(r"<(\w+)(?::(re:[^>]+|[^>]*))?>", re.U)
#: The same with spaces where none may be.
re_invalid_filter = re.compile(
    r"<\s[^>]*>|<[^>]*\s>|<\w+\s+:[^>]*>|<\w+:\s[^>]*>|<\w+:\w+\s+:[^>]*>", re.U
)
_re_choice = re.compile(r"any\((.*)\)", re.I)
#: Text of a rule outside of groups that is meant as a regular expression.
_re_regex_text = re.compile(r"[\\()\[\]{}*+?|^$]")


#: Regular expressions that need not be asked, see `Endpoint.pick_segments`.
ANY = r"[^/]+"
INT = r"-?\d+"
WORD = r"\w+"


def _uuid(text: str) -> Any:
    # Most applications have no UUID in a rule: 7 ms of import saved.
    from uuid import UUID

    return UUID(text)


def default_filters() -> dict[str, Filter]:
    """Return the filters every application starts with."""
    return {
        ":int": (INT, int),
        ":float": (r"-?\d+(\.\d+)?", float),
        ":word": (r"\w+", str),
        ":hex": (r"[0-9a-fA-F]+", str),
        ":uuid": (
            r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}"
            r"-[0-9a-fA-F]{12}",
            _uuid,
        ),
        ":path": (r".+", str),
        ":re:": (None, str),
        "none": (ANY, str),
    }


# -- methods ---------------------------------------------------------------


def method_mask(method: Methods) -> int:
    """Return the bits of methods given as bits, a name, or several of them.

    :raises ValueError: for a method that does not exist, or none at all
    """
    if isinstance(method, int):
        mask = int(method)
        if not 0 < mask <= METHOD_ALL:
            raise ValueError(f"{method!r} is no mask of methods")
        return mask
    names = (method,) if isinstance(method, str) else tuple(method)
    mask = 0
    for name in names:
        if isinstance(name, int):
            mask |= method_mask(name)
        elif name.upper() in methods:
            mask |= methods[name.upper()]
        else:
            known = ", ".join(methods)
            raise ValueError(f"Unknown method {name!r}; there are {known}")
    if not mask:
        raise ValueError("A route needs at least one method")
    return mask


def bits_of(mask: int) -> Iterator[int]:
    """Yield the single bits of a method mask."""
    for _, bit in sorted_methods:
        if mask & bit:
            yield bit


def method_names(mask: int) -> list[str]:
    """Return the names in a mask, sorted; GET implies HEAD."""
    if mask & METHOD_GET:
        mask |= METHOD_HEAD
    return sorted(name for name, bit in sorted_methods if mask & bit)


def spread(table: dict[Any, dict[int, Any]], key: Any, mask: int, value: Any) -> None:
    """Set *value* for each method of *mask* under *key*, by a new inner table."""
    table[key] = {**table.get(key, {}), **dict.fromkeys(bits_of(mask), value)}


def take(table: dict[Any, dict[int, Any]], key: Any, method: int) -> Any:
    """Remove and return what stands under *key* for one method.

    :raises KeyError: if there is nothing
    """
    inner = dict(table[key])
    value = inner.pop(method)
    if inner:
        table[key] = inner
    else:
        del table[key]
    return value


# -- rules -----------------------------------------------------------------


class RuleError(re.error, ValueError):
    """A rule that can not be matched.

    COMPAT: PoorWSGI 2.8 let the `re.error` out that a second group of one name is.
    """


class Part(NamedTuple):
    """One group of a rule; *text* is the literal before it."""

    text: str
    name: str
    regex: str
    converter: Converter


class Rule:
    """A rule taken apart: literals, groups, and the regular expression of both.

    :raises ValueError: for spaces in a group, or two groups of one name; the
        latter is a `re.error` as well
    :raises RuntimeError: for a filter that is not defined
    """

    def __init__(self, text: str, filters: dict[str, Filter]):
        if re_invalid_filter.search(text):
            raise ValueError(
                f"Invalid route definition '{text}': Route filter definitions must "
                "not contain spaces. Use '<name:filter>' format without any spaces. "
                "Examples: '<id:int>', '<name:word>', '<value:float>'"
            )
        self.text = text
        self.parts: list[Part] = []
        position = 0
        for match in re_filter.finditer(text):
            regex, converter = _resolve(match, filters)
            if any(part.name == match[1] for part in self.parts):
                raise RuleError(
                    f"Invalid route definition {text!r}: two groups named {match[1]!r}"
                )
            literal = text[position : match.start()]
            self.parts.append(Part(literal, match[1], regex, converter))
            position = match.end()
        self.tail = text[position:]

    @property
    def literals(self) -> list[str]:
        """Texts outside of the groups, in order."""
        return [*(part.text for part in self.parts), self.tail]

    @property
    def has_regex_text(self) -> bool:
        """True if literals are regular expressions.

        COMPAT: in PoorWSGI 2.8 the text outside of groups was never escaped, and
        rules rely on it. A rule is escaped unless one of ``\\()[]{}*+?|^$`` stands
        there, so the dot of ``/f.js/<name>`` is a dot.
        """
        return any(map(_re_regex_text.search, self.literals))

    @property
    def regex(self) -> str:
        """The regular expression of the whole path."""
        keep = self.has_regex_text
        pieces = []
        for text, name, regex, converter in self.parts:
            if re_flags(converter):
                regex = f"(?a:{regex})"
            pieces.append(text if keep else _escape(text))
            pieces.append(f"(?P<{name}>{regex})")
        pieces.append(self.tail if keep else _escape(self.tail))
        return "".join(pieces) + "$"

    def build(self, args: dict[str, Any]) -> str:
        """Return the path for values of the groups, percent-encoded.

        Arguments that the rule does not name become the query string.

        :raises ValueError: if a value is missing, its filter refuses it, or text of
            the rule is a regular expression
        """
        # Loaded by the first URL that is built.
        from urllib.parse import quote, urlencode

        if self.parts and self.has_regex_text:
            raise ValueError(
                f"url_for {self.text!r}: its text is a regular expression, which "
                "many paths match; write the URL by hand"
            )
        rest = dict(args)
        pieces = []
        for text, name, regex, converter in self.parts:
            if name not in rest:
                raise ValueError(f"url_for {self.text!r} needs a value for {name!r}")
            value = str(rest.pop(name))
            if not re.fullmatch(regex, value, re_flags(converter)):
                raise ValueError(
                    f"url_for {self.text!r}: {value!r} does not fit {name!r} ({regex})"
                )
            pieces.append(quote(text) + quote(value))
        path = "".join(pieces) + quote(self.tail)
        if path[:2] == "//":
            # SECURITY: two slashes in front would name another host.
            path = "/%2F" + path[2:]
        return f"{path}?{urlencode(rest, doseq=True)}" if rest else path


def re_flags(converter: Converter) -> int:
    """Return the flags for a group: numbers have ASCII digits only."""
    return re.A if converter is int or converter is float else 0


def _escape(text: str) -> str:
    return text.replace(".", r"\.")


def _resolve(group: re.Match[str], filters: dict[str, Filter]) -> tuple[str, Converter]:
    """Return regex and converter of the filter named in a group."""
    name: str | None = group[2]
    if not name:
        regex, converter = filters["none"]
        return regex or "[^/]+", converter
    if name[:3].lower() == "re:":
        return name[3:], filters[":re:"][1]
    choice = _re_choice.fullmatch(name)
    if choice:
        words = [word.strip() for word in choice[1].split(",")]
        return "|".join(map(re.escape, words)), str
    wanted = ":" + name
    # As it was written comes first: an "Int" of the application is not our "int".
    for same in (str, str.lower):
        for key, (regex_or_none, converter) in filters.items():
            if same(key) == same(wanted) and regex_or_none is not None:
                return regex_or_none, converter
    raise _undefined(group, name, filters)


def _undefined(
    group: re.Match[str], name: str, filters: dict[str, Filter]
) -> RuntimeError:
    """Return the error for a filter that is not there."""
    known = sorted([":any(a,b)", *(key for key in filters if key[0] == ":")])
    hint = f"there are {', '.join(known)}"
    # Flask and Werkzeug have it the other way round.
    if ":" + group[1].lower() in filters or group[1] in ("string", "any"):
        kind = "" if group[1] == "string" else f":{group[1]}"
        hint = f"the name comes first: <{name}{kind}>"
    return RuntimeError(
        f"Undefined route group filter ':{name.lower()}' in {group.string!r}; {hint}"
    )


# -- routes ----------------------------------------------------------------


def is_int(part: Part) -> bool:
    """Return True for a group with the filter ``:int``."""
    return part.converter is int and part.regex == INT


def kind_of(part: Part) -> type | str | None:
    """Return what a group is: None for any text, int, str for a word, else ""."""
    if is_int(part):
        return int
    if part.converter is str and part.regex == ANY:
        return None
    return str if part.converter is str and part.regex == WORD else ""


def negative_int(text: str) -> int:
    """Return the integer of a minus sign and ASCII digits, else ValueError."""
    if text[:1] == "-" and text[1:].isdigit() and text.isascii():
        return int(text)
    raise ValueError(f"{text!r} is no integer")


#: Not that of `math`, which is a file to load: 0.3 ms.
INFINITY = float("inf")


def finite_float(text: str) -> float:
    """Return the number of a text; ValueError if its digits are too many for one."""
    value = float(text)
    if value in (INFINITY, -INFINITY) and any(map(str.isdigit, text)):
        raise ValueError(f"{text!r} is too large")
    return value


def is_word(text: str) -> bool:
    r"""Return whether a text is what ``\\w+`` matches: letters, digits and "_"."""
    return text.isalnum() or text.replace("_", "a").isalnum()


class Endpoint:
    """What one rule does for one or more methods.

    `handler` is the user's callable, `call` what is called for it: the same,
    or the handler within the hooks of its groups.
    """

    __slots__ = (
        "call",
        "converters",
        "converting",
        "handler",
        "indices",
        "picks",
        "rule",
    )

    def __init__(
        self,
        rule: str,
        handler: Handler,
        call: Handler | None = None,
        converters: Converters = (),
    ):
        self.rule = rule
        self.handler = handler
        self.call = handler if call is None else call
        self.converters = tuple(converters)
        # str would make a string of a string, for 0.1 us
        self.converting = [
            (i, finite_float if convert is float else convert)
            for i, (_, convert) in enumerate(self.converters)
            if convert is not str
        ]
        #: Numbers of the rule's groups, None if they are all there are.
        self.indices: tuple[int, ...] | None = None
        #: Where the values are in a split path, and what each is, see `pick_segments`;
        #: None if it takes the regular expression.
        self.picks: tuple[tuple[int, type | None], ...] | None = None

    def bind(self, pattern: re.Pattern[str]) -> Endpoint:
        """Note where the groups are, as filters may have groups of their own."""
        names = [name for name, _ in self.converters]
        indices = tuple(pattern.groupindex[name] for name in names)
        if names and indices != tuple(range(1, pattern.groups + 1)):
            self.indices = indices
        return self

    def pick_segments(self, rule: Rule) -> None:
        """Take the values from the split path where groups are whole segments.

        Each is any text (None), an integer (int) or a word (str).

        PERF: for these the regular expression would only repeat what splitting
        did: 2,900 of 25,000 instructions for two of them.
        """
        kinds = [kind_of(part) for part in rule.parts]
        if "" in kinds or rule.has_regex_text:
            return
        segments = [re_filter.sub(r"<\1>", text) for text in rule.text.split("/")]
        groups = [f"<{part.name}>" for part in rule.parts]
        if all(group in segments for group in groups):
            places = [segments.index(group) for group in groups]
            self.picks = tuple(zip(places, kinds, strict=True))  # type: ignore[arg-type]

    def values(self, match: re.Match[str]) -> Sequence[Any]:
        """Return the arguments of the handler, converted."""
        if self.indices is None:
            values = [*match.groups()]
        else:
            values = [match[i] for i in self.indices]
        for i, convert in self.converting:
            if values[i] is not None:  # a group that took no part
                values[i] = convert(values[i])
        return values

    def fits(self, match: re.Match[str]) -> bool:
        """Return True if no converter refuses its value."""
        try:
            self.values(match)
        except Exception:
            return False
        return True

    def arguments(self, values: Sequence[Any], match: re.Match[str]) -> dict[str, Any]:
        """Return the names with their values."""
        if self.converters:
            return dict(zip((name for name, _ in self.converters), values, strict=True))
        return match.groupdict()


class Route:
    """One regular expression with its endpoints by method."""

    __slots__ = (
        "any_method",
        "by_name",
        "match",
        "order",
        "pattern",
        "rule",
        "table",
    )

    def __init__(self, pattern: re.Pattern[str], rule: Rule | None, order: int):
        self.pattern = pattern
        self.rule = rule
        self.order = order
        # A rule means the whole path; a regex of the user what it says.
        self.match: Matcher = (
            pattern.match if rule is None else matcher_of(rule, pattern)
        )
        self.table: dict[int, Endpoint] = {}
        self.by_name: dict[str, Endpoint] = {}
        self.any_method: Endpoint | None = None

    def update(self, table: dict[int, Endpoint]) -> None:
        """Replace the endpoints."""
        self.table = table
        names = by_name(table)
        if self.any_method is not None:
            names[ANY_METHOD] = self.any_method
        self.by_name = names

    def allowed(self, match: re.Match[str]) -> int:
        """Return the bits of the methods whose converters take these values."""
        return sum(bit for bit, endpoint in self.table.items() if endpoint.fits(match))


#: SECURITY: where groups can share text, a regular expression may take the square
#: of a path's length, the cube, and so on: only shorter ones are given to it.
SHORT_PATH = 128
#: The longest path by the number of such groups, if `longpath` does not know them.
LONGEST_PATHS = {2: 4096, 3: 512}


def matcher_of(rule: Rule, pattern: re.Pattern[str]) -> Matcher:
    """Return a function that matches paths of any length in bearable time."""
    fullmatch = pattern.fullmatch
    if not shared_groups(rule):
        return fullmatch
    longest = longest_path(rule)
    if longest:
        return lambda path: fullmatch(path) if len(path) <= longest else None

    def match(path: str) -> Any:
        if len(path) <= SHORT_PATH:
            return fullmatch(path)
        from poorwsgi.longpath import match as match_long

        return match_long(pattern, rule.parts, rule.tail, path)

    return match


def longest_path(rule: Rule) -> int | None:
    """Return the length of the longest path that a rule matches, None if any does."""
    from poorwsgi.longpath import is_known

    shared = shared_groups(rule)
    if not shared or (not rule.has_regex_text and all(map(is_known, rule.parts))):
        return None
    return LONGEST_PATHS.get(shared, SHORT_PATH)


def shared_groups(rule: Rule) -> int:
    """Return how many groups of a rule can share text with others, 0 for none.

    A group ends for sure where the text behind it has a character that it can
    not take.
    """
    endless = [part for part in rule.parts if _ENDLESS.search(part.regex)]
    in_text = 0
    if rule.has_regex_text:
        in_text = sum(bool(_ENDLESS.search(text)) for text in rule.literals)
    if len(endless) + in_text < 2:
        return 0
    shared = sum(
        part in endless and not is_cut(part.regex, behind.text)
        for part, behind in zip(rule.parts, rule.parts[1:], strict=False)
    )
    return shared + in_text + 1 if shared or in_text else 0


#: A repetition without an upper end.
_ENDLESS = re.compile(r"[*+]|\{\d*,\}")


def is_cut(regex: str, text: str) -> bool:
    """Return True if a group surely ends where *text* begins behind it."""
    if _re_regex_text.search(text):
        return False
    if "/" in text and not may_cross(regex):
        return True
    # Few rules have several groups in one segment, or groups that take slashes.
    from poorwsgi.longpath import may_take

    return not all(may_take(regex, char) for char in text)


def wire_path(path: str) -> str:
    """Return a path the way PATH_INFO has it: UTF-8 in the shape of latin-1."""
    return path if path.isascii() else path.encode().decode("latin-1")


def by_name(table: dict[int, Endpoint]) -> dict[str, Endpoint]:
    """Return the endpoints by method name; GET answers HEAD as well."""
    names = {name: table[bit] for name, bit in sorted_methods if bit in table}
    if METHOD_GET in table:
        names.setdefault("HEAD", table[METHOD_GET])
    return names


#: Stands for each method that `state.methods` does not have.
ANY_METHOD = "*"
#: What `Router.find` returns where nothing matches, whatever the method.
MISS: tuple[None, int, None] = (None, 0, None)


class Router:
    """All rules of an application.

    `static` is the look-up itself: PATH_INFO, as servers give it, to endpoints
    by method name. Who serves requests keeps its bound ``get``; its entries are
    replaced, never changed in place, so a running thread sees the old or the new.
    """

    def __init__(self) -> None:
        self.static: dict[str, dict[str, Endpoint]] = {}
        self._static_tables: dict[str, dict[int, Endpoint]] = {}
        self._regular: dict[re.Pattern[str], Route] = {}
        self._index: RouteIndex | None = None
        self._lock = Lock()
        self._order = 0
        self._names: dict[str, Rule] = {}
        #: Rules by text of each handler, in the order they were set.
        self._rules: dict[int, tuple[Handler, dict[str, Rule]]] = {}

    # -- static

    def add_static(self, path: str, mask: int, endpoint: Endpoint) -> None:
        """Add an endpoint for exactly this path."""
        with self._lock:
            spread(self._static_tables, path, mask, endpoint)
            self.static[wire_path(path)] = by_name(self._static_tables[path])

    def pop_static(self, path: str, method: int) -> Endpoint:
        """Remove and return the endpoint of one method."""
        with self._lock:
            endpoint: Endpoint = take(self._static_tables, path, method)
            table = self._static_tables.get(path)
            if table:
                self.static[wire_path(path)] = by_name(table)
            else:
                del self.static[wire_path(path)]
            self._forget(endpoint, table or {})
        return endpoint

    def static_tables(self) -> dict[str, dict[int, Endpoint]]:
        """Return a copy of the endpoints by path and method bit."""
        with self._lock:
            return {path: dict(table) for path, table in self._static_tables.items()}

    def table_of(self, rule: Rule) -> dict[int, Endpoint]:
        """Return the endpoints that a rule has so far, by method bit."""
        if not rule.parts:
            return self._static_tables.get(rule.text, {})
        route = self._regular.get(re.compile(rule.regex, re.U))
        return {} if route is None else route.table

    # -- regular

    def add_regular(
        self,
        pattern: re.Pattern[str],
        mask: int,
        endpoint: Endpoint,
        rule: Rule | None = None,
        any_method: bool = False,
    ) -> None:
        """Add an endpoint for paths that match.

        :param any_method: let `find` give it for `ANY_METHOD`, too
        """
        endpoint.bind(pattern)
        if rule is not None:
            endpoint.pick_segments(rule)
        with self._lock:
            route = self._regular.get(pattern)
            if route is None:
                self._order += 1
                route = self._regular[pattern] = Route(pattern, rule, self._order)
            route.any_method = endpoint if any_method else route.any_method
            route.update({**route.table, **dict.fromkeys(bits_of(mask), endpoint)})
            self._index = None

    def pop_regular(self, pattern: re.Pattern[str], method: int) -> Endpoint:
        """Remove and return the endpoint of one method."""
        with self._lock:
            route = self._regular[pattern]
            table = dict(route.table)
            endpoint = table.pop(method)
            if table:
                route.update(table)
            else:
                del self._regular[pattern]
            self._index = None
            if route.rule is not None:
                self._forget(endpoint, table)
        return endpoint

    def regular_routes(self) -> list[Route]:
        """Return the routes in the order they are tried."""
        return list(self._regular.values())

    def is_regular(self, pattern: re.Pattern[str]) -> bool:
        """Return True if this expression has a route."""
        return pattern in self._regular

    def find(self, path: str, method: str) -> tuple[Endpoint | None, Any, Any]:
        """Return the first route that matches, in registration order.

        That is its endpoint, the arguments of the handler, and the match. On a
        miss the methods that would have matched come back instead, so that the
        caller can tell 405 from 404 without searching twice.
        """
        index = self._index
        if index is None:
            index = self._new_index()
        segments = path.split("/")
        sized = index.sized.get(len(segments))
        if sized is not None and not segments[0]:
            heads, rest = sized
            routes = heads.get(segments[1], rest)
            if routes is None:
                routes = index.candidates(segments)
        elif index.has_others or sized is not None:
            routes = index.candidates(segments)
        else:
            return MISS
        allowed = 0
        for route in routes:
            endpoint = route.by_name.get(method)
            try:
                if endpoint is not None and endpoint.picks is not None:
                    # PERF: written out, a call is 400 of 25,000 instructions.
                    values: Any = []
                    for place, kind in endpoint.picks:
                        text = segments[place]
                        if kind is None:
                            if not text:
                                break
                            values.append(text)
                        elif kind is int:
                            if text.isdigit() and text.isascii():
                                values.append(int(text))
                            else:
                                values.append(negative_int(text))
                        elif is_word(text):
                            values.append(text)
                        else:
                            break
                    else:
                        return endpoint, values, None
                    continue
                match = route.match(path)
                if match is None:
                    continue
                if endpoint is not None:
                    return endpoint, endpoint.values(match), match
                allowed |= route.allowed(match)
            except Exception as err:
                # A value that the converter refuses is a path that does not exist.
                if hasattr(err, "status_code"):
                    raise
        return None, allowed, None

    def allowed(self, path: str) -> int:
        """Return the bits of all methods that have a rule for *path*."""
        index = self._index or self._new_index()
        mask = sum(self._static_tables.get(path, ()))
        for route in index.candidates(path.split("/")):
            match = route.match(path)
            if match is not None:
                mask |= route.allowed(match)
        return mask

    def _new_index(self) -> RouteIndex:
        """Index the routes of this moment; a change waits until it is done."""
        with self._lock:
            self._index = RouteIndex(self._regular.values())
            return self._index

    # -- names

    def remember(self, rule: Rule, handler: Handler, name: str | None) -> None:
        """Let `rule_of` find a rule by its name and by its handler."""
        if name is not None:
            known = self._names.get(name)
            if known is not None and known.text != rule.text:
                raise ValueError(
                    f"Route name {name!r} is {known.text!r} already, "
                    f"it can not be {rule.text!r}"
                )
            self._names[name] = rule
        _, rules = self._rules.setdefault(id(handler), (handler, {}))
        rules.setdefault(rule.text, rule)

    def _forget(self, removed: Endpoint, table: dict[int, Endpoint]) -> None:
        """Let `rule_of` find a rule no more of which nothing is left in *table*."""
        text = removed.rule
        left = [endpoint for endpoint in table.values() if endpoint.rule == text]
        if not left:
            named = self._names.items()
            self._names = {name: rule for name, rule in named if rule.text != text}
        if all(endpoint.handler is not removed.handler for endpoint in left):
            handler = removed.handler
            _, rules = self._rules.get(id(handler), (handler, {}))
            rules.pop(text, None)
            if not rules:
                self._rules.pop(id(handler), None)

    def rule_of(self, target: str | Handler) -> Rule:
        """Return the rule with this name, or the first one of this handler.

        :raises LookupError: if there is none
        """
        if isinstance(target, str):
            if target in self._names:
                return self._names[target]
            for handler, rules in self._rules.values():
                if getattr(handler, "__name__", None) == target:
                    return next(iter(rules.values()))
        elif id(target) in self._rules:
            return next(iter(self._rules[id(target)][1].values()))
        else:
            for handler, rules in self._rules.values():
                if handler == target:  # a method is bound anew each time
                    return next(iter(rules.values()))
        raise LookupError(f"No route has the name or handler {target!r}")


# -- the index -------------------------------------------------------------


class RouteIndex:
    """Names the routes that may match a path, in registration order.

    It may name a route that does not match; it never leaves out one that does.
    The regular expression has the last word, so this can stay simple: routes of
    a fixed number of segments are kept by that number and their literal ones,
    all others by the literal segments they start with.
    """

    def __init__(self, routes: Iterable[Route]):
        self._opened: dict[int, Shape] = {}
        closed: dict[int, dict[tuple[int, ...], Shape]] = {}
        for route in routes:
            segments = fixed_segments(route)
            if segments is None:
                prefix = literal_prefix(route)
                add_to_shape(
                    self._opened, len(prefix), range(len(prefix)), prefix, route
                )
            else:
                literal = tuple(
                    i for i, text in enumerate(segments) if text is not None
                )
                shapes = closed.setdefault(len(segments), {})
                add_to_shape(shapes, literal, literal, segments, route)
        self._shapes = {
            count: [*shapes.values(), *self._open_for(count)]
            for count, shapes in closed.items()
        }
        #: Routes of each number of segments, by the first segment, and those of
        #: all other first segments. None instead of routes: ask `candidates`.
        #: PERF: 1,700 of 25,000 instructions less than it takes.
        self.sized = {
            count: self._by_head(count, shapes)
            for count, shapes in closed.items()
            if count > 1
        }
        #: Whether a number of segments that is not in `sized` has routes.
        self.has_others = bool(self._opened) or 1 in closed

    def _by_head(
        self, count: int, closed: dict[tuple[int, ...], Shape]
    ) -> tuple[dict[str, Sequence[Route] | None], Sequence[Route] | None]:
        """Return the routes by the first segment, and those of all others."""
        shapes = [(places, table) for places, (_, table) in closed.items()]
        shapes += [
            (tuple(range(size)), table)
            for size, (_, table) in self._opened.items()
            if size <= count
        ]
        heads: dict[str, Sequence[Route] | None] = {}
        rest: Sequence[Route] | None = ()
        for places, table in shapes:
            if places == (0,):
                rest = merged(rest or (), table.get("", ()))
        for places, table in shapes:
            if places == (0, 1):
                for (before, head), routes in table.items():
                    if not before:
                        heads[head] = merged(heads.get(head) or rest or (), routes)
        for places, table in shapes:
            if places[:2] != (0, 1) and places != (0,):
                return {}, None
            if len(places) > 2:
                heads.update(dict.fromkeys(key[1] for key in table))
        return heads, rest

    def _open_for(self, count: int) -> list[Shape]:
        """Return the shapes of routes without a fixed number of segments."""
        return [shape for size, shape in self._opened.items() if size <= count]

    def candidates(self, segments: Sequence[str]) -> Sequence[Route]:
        """Return the routes that may match a split path."""
        shapes = self._shapes.get(len(segments))
        if shapes is None:
            if not self._opened:
                return ()
            shapes = self._open_for(len(segments))
        hits: Sequence[Route] = ()
        for literals, routes in shapes:
            found = routes.get(literals(segments))
            if found is not None:
                hits = merged(hits, found) if hits else found
        return hits


def add_to_shape(
    shapes: dict[Any, Shape],
    key: Any,
    positions: Iterable[int],
    segments: Sequence[str | None],
    route: Route,
) -> None:
    """Add a route to the shape under *key*, made if it is the first of it."""
    if key not in shapes:
        # PERF: a plain tuple, a named one takes twice the time to unpack.
        shapes[key] = (_getter(tuple(positions)), {})
    literals, routes = shapes[key]
    routes.setdefault(literals(segments), []).append(route)


def merged(one: Sequence[Route], other: Sequence[Route]) -> list[Route]:
    """Return routes of two shapes in registration order."""
    return sorted([*one, *other], key=attrgetter("order"))


def _getter(positions: tuple[int, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return a function from a split path to its segments at *positions*."""
    if not positions:
        return lambda segments: None
    return itemgetter(*positions)


def fixed_segments(route: Route) -> list[str | None] | None:
    """Return the segments of a route, None for one with a group in it.

    None instead of a list: their number is not known, since the rule has text
    that is a regular expression, or a filter that may match a slash.
    """
    rule = route.rule
    if rule is None or rule.has_regex_text:
        return None
    if any(may_cross(part.regex) for part in rule.parts):
        return None
    marked = "".join(part.text + "\0" for part in rule.parts) + rule.tail
    return [None if "\0" in segment else segment for segment in marked.split("/")]


def literal_prefix(route: Route) -> list[str]:
    """Return the whole segments that each path of a route starts with."""
    if route.rule is not None and not route.rule.has_regex_text:
        text = route.rule.literals[0]
    else:
        text = route.pattern.pattern
        if "|" in text or route.pattern.flags & (re.I | re.X):
            return []
        # A character before one of these quantifiers may be absent.
        text = re.split(r".?[*?{]|[\\()\[\]}+^$.]", text, maxsplit=1)[0]
    return text.split("/")[:-1]


def may_cross(regex: str) -> bool:
    """Return True if a regular expression may match a slash.

    Each class and escape is asked for itself; what is not understood may.
    """
    i = 0
    while i < len(regex):
        char = regex[i]
        if char in "/.":
            return True
        end = i + 1
        if char == "\\":
            end = i + 2
            if regex[i + 1 : end] in "xuUN01234567" or regex[i + 1 : end] == "/":
                return True
        elif char == "[":
            end = _class_end(regex, i)
        if char in "\\[" and _matches_slash(regex[i:end]):
            return True
        i = end
    return False


def _class_end(regex: str, start: int) -> int:
    """Return the position behind the character class that begins at *start*."""
    i = start + 1
    if regex[i : i + 1] == "^":
        i += 1
    if regex[i : i + 1] == "]":  # a bracket that comes first is a literal one
        i += 1
    while i < len(regex) and regex[i] != "]":
        i += 2 if regex[i] == "\\" else 1
    return i + 1


def _matches_slash(atom: str) -> bool:
    try:
        return re.match(atom, "/") is not None
    except re.error:
        return True


# -- groups ----------------------------------------------------------------


class Registrar:
    """Decorators that set routes; who inherits brings `set_route`."""

    def set_route(
        self,
        uri: str,
        fun: Handler,
        method: Methods = METHOD_HEAD | METHOD_GET,
        name: str | None = None,
    ) -> None:
        """Set a handler for a rule."""
        raise NotImplementedError

    def route(
        self,
        uri: str,
        method: Methods = METHOD_HEAD | METHOD_GET,
        *,
        methods: Methods | None = None,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Return a decorator that sets a handler for a rule.

        :param method: method bits, a name, or an iterable of them; `methods` is
            the same
        :param name: name for `url_for`
        :raises TypeError: if it is used without its parentheses
        """
        if not isinstance(uri, str):
            raise TypeError(f"a route needs a rule, such as '/path', not {uri!r}")

        def decorate(fun: F) -> F:
            self.set_route(uri, fun, method if methods is None else methods, name)
            return fun

        return decorate

    def get(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for GET (and HEAD)."""
        return self.route(uri, "GET", name=name)

    def post(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for POST."""
        return self.route(uri, "POST", name=name)

    def put(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for PUT."""
        return self.route(uri, "PUT", name=name)

    def patch(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for PATCH."""
        return self.route(uri, "PATCH", name=name)

    def delete(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for DELETE."""
        return self.route(uri, "DELETE", name=name)

    def options(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for OPTIONS."""
        return self.route(uri, "OPTIONS", name=name)

    def head(self, uri: str, *, name: str | None = None) -> Callable[[F], F]:
        """Set a handler for HEAD alone; GET handlers answer HEAD by themselves."""
        return self.route(uri, "HEAD", name=name)


class RouteGroup(Registrar):
    """Routes below one prefix, with hooks and error handlers of their own.

    >>> from poorwsgi import Application
    >>> from poorwsgi.routing import RouteGroup
    >>> api = RouteGroup("/api")
    >>> @api.get("/items/<id:int>", name="item")
    ... def item(req, id):
    ...     return {"id": id}
    >>> app = Application("group-doc")
    >>> app.add_group(api)
    >>> app.url_for("item", id=3)
    '/api/items/3'

    Hooks of the group run inside of those of the application: after its
    before-hooks, before its after-hooks. Error handlers of the group are asked
    first. A group can hold groups.
    """

    def __init__(self, prefix: str = "", name: str | None = None):
        if prefix and not prefix.startswith("/"):
            raise ValueError(f"A prefix starts with a slash: {prefix!r}")
        self.prefix = prefix.rstrip("/")
        self.name = name
        self.before: list[Callable[..., Any]] = []
        self.after: list[Callable[..., Any]] = []
        self.errors: dict[type[Exception], Handler] = {}
        self._rules: list[tuple[str, Handler, int, str | None]] = []
        self._groups: list[RouteGroup] = []
        self._sinks: list[Sink] = []

    def set_route(
        self,
        uri: str,
        fun: Handler,
        method: Methods = METHOD_HEAD | METHOD_GET,
        name: str | None = None,
    ) -> None:
        """Set a handler for a rule below the prefix."""
        rule = (self.prefix + uri, fun, method_mask(method), name)
        self._rules.append(rule)
        for sink in self._sinks:
            sink(*rule, (self,))

    def add_group(self, group: RouteGroup) -> None:
        """Put another group below the prefix of this one."""
        self._groups.append(group)
        for sink in self._sinks:
            group.connect(self._below(sink))

    def connect(self, sink: Sink) -> None:
        """Hand all rules to *sink*: those of today, and those to come."""
        self._sinks.append(sink)
        for rule in self._rules:
            sink(*rule, (self,))
        for group in self._groups:
            group.connect(self._below(sink))

    def _below(self, sink: Sink) -> Sink:
        """Return a sink for a group within this one."""
        return lambda uri, fun, mask, name, groups: sink(
            self.prefix + uri, fun, mask, name, (self, *groups)
        )

    def before_response(self) -> Callable[[F], F]:
        """Return a decorator for ``hook(req)``, run before the group's handlers."""
        return _appender(self.before)

    def after_response(self) -> Callable[[F], F]:
        """Return a decorator for ``hook(req, response) -> response``."""
        return _appender(self.after)

    def error_handler(self, error: type[Exception]) -> Callable[[F], F]:
        """Return a decorator for ``handler(req, error)`` of an exception type."""
        check_error_type(error)

        def decorate(fun: F) -> F:
            self.errors[error] = fun
            return fun

        return decorate


def check_error_type(error: Any) -> None:
    """Raise TypeError for what is no type of exceptions."""
    if not (isinstance(error, type) and issubclass(error, BaseException)):
        raise TypeError(
            f"error_handler takes a type of exceptions, not {error!r}; "
            "http_state takes a status"
        )


def _appender(hooks: list[Callable[..., Any]]) -> Callable[[F], F]:
    def decorate(fun: F) -> F:
        if fun in hooks:
            raise ValueError(f"{fun} is in list yet")
        hooks.append(fun)
        return fun

    return decorate
