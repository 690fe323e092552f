"""Values for type hints: from JSON, from texts, and back to JSON.

A parser is made once for a hint, and takes a value, the place it stands at and
the list of problems; what it refuses it adds there, so that a client hears of
all mistakes at once. The rules are those of the schemas that `schema` makes of
the same hints: what a schema allows is taken, what it forbids is refused.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import abc
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args, get_origin
from uuid import UUID

from poorwsgi.schema import (
    MAPPINGS,
    MISSING,
    SEQUENCES,
    SETS,
    constraints_of,
    fields_of,
    found_in,
    is_alias,
    is_enum,
    is_object,
    is_pydantic,
    is_struct,
    is_typed_dict,
    members_of,
    unwrapped,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias, TypeVar

    Choices: TypeAlias = list[tuple[Any, Any]]
    Parser: TypeAlias = Callable[[Any, str, "Problems"], Any]
    Encoder: TypeAlias = Callable[[Any], Any]
    #: What was made for types that may contain themselves, by the type.
    Known: TypeAlias = dict[Any, Any]
    M = TypeVar("M")


class Problem(NamedTuple):
    """What is wrong at a place of a value; the place is a JSON pointer."""

    place: str
    message: str


#: More would help nobody, and could be a multiple of what the client has sent.
MAX_PROBLEMS = 100


class Problems(list[Problem]):
    """The problems of a value, and within a union what others made of its parts.

    SECURITY: each member of a union looks at all that is below; without a memory
    time would double with each level, and a thousand bytes take for ever.
    """

    def __init__(self, memory: dict[tuple[int, int], Any] | None = None):
        super().__init__()
        self.memory = memory


# -- texts -------------------------------------------------------------------------

_INTEGER = re.compile(r"-?[0-9]{1,300}").fullmatch
_NUMBER = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?([eE][-+]?[0-9]{1,3})?").fullmatch
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch
# RFC 3339, 5.6; fromisoformat takes much more.
_DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,30})?"
    r"([Zz]|[-+][0-9]{2}:[0-9]{2})"
).fullmatch
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def _text_int(text: str) -> int:
    if _INTEGER(text) is None:
        raise ValueError("is no integer")
    return int(text)


def _text_float(text: str) -> float:
    if _NUMBER(text) is None:
        raise ValueError("is no number")
    number = float(text)
    if math.isinf(number):
        raise ValueError("is too large")
    return number


def _text_bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("is neither true nor false")
    return text == "true"


def _text_date(text: str) -> date:
    if _DATE(text) is None:
        raise ValueError("is no date such as 2024-02-29")
    return date.fromisoformat(text)


def _text_datetime(text: str) -> datetime:
    if _DATE_TIME(text) is None:
        raise ValueError("is no time such as 2024-02-29T12:30:00Z")
    return datetime.fromisoformat(text.upper())


def _text_uuid(text: str) -> UUID:
    if _UUID(text) is None:
        raise ValueError("is no UUID")
    return UUID(text)


#: What a text is in JSON as well.
TEXTS: dict[Any, Callable[[str], Any]] = {
    date: _text_date,
    datetime: _text_datetime,
    UUID: _text_uuid,
}
#: What a text is in a query, a form, a header or a cookie.
SCALARS: dict[Any, Callable[[str], Any]] = {
    **TEXTS,
    str: str,
    Any: str,
    int: _text_int,
    float: _text_float,
    bool: _text_bool,
}


def choices_of(hint: Any) -> Choices | None:
    """Return what Literal and Enum allow: pairs of the values in JSON and Python."""
    if is_enum(hint):
        return [(to_json(one), one) for one in hint]
    if get_origin(hint) is Literal:
        return [(to_json(one), one) for one in get_args(hint)]
    return None


def _choose(choices: Choices, value: Any) -> Any:
    for known, chosen in choices:
        # True is 1, but neither is meant by the other.
        if known == value and isinstance(known, bool) is isinstance(value, bool):
            return chosen
    raise ValueError(f"is none of {', '.join(repr(known) for known, _ in choices)}")


def text_parser(hint: Any) -> Parser:
    """Return the parser of a list of texts, as queries and forms have them.

    :raises TypeError: no text can be made to that
    """
    hint, notes = unwrapped(hint)
    check = checker(notes)
    inner = _list_item(hint)
    if inner is not None:
        kind = get_origin(hint) or hint
        item = text_parser(inner)
        make: Any = kind if kind in (set, frozenset, tuple) else list
        return partial(_parse_texts, item, make, check)
    return partial(_parse_one_text, _scalar(hint), check)


def _list_item(hint: Any) -> Any:
    """Return the hint of the items of a list, None if it is no list."""
    members = [one for one in members_of(hint) if one is not type(None)]
    if len(members) == 1:
        hint = unwrapped(members[0])[0]
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind in SEQUENCES or kind in SETS or (kind is tuple and args[-1:] == (...,)):
        return args[0] if args else str
    return None


def _parse_texts(
    item: Parser,
    make: Any,
    check: Parser,
    texts: list[str],
    place: str,
    problems: Problems,
) -> Any:
    values = []
    for i, text in enumerate(texts):
        values.append(item([text], f"{place}/{i}", problems))
        if len(problems) >= MAX_PROBLEMS:
            break
    return check(make(values), place, problems)


def _parse_one_text(
    scalar: Callable[[str], Any],
    check: Parser,
    texts: list[str],
    place: str,
    problems: Problems,
) -> Any:
    if len(texts) != 1:
        return refuse("is given more than once", place, problems)
    try:
        value = scalar(texts[0])
    except ValueError as err:
        return refuse(str(err), place, problems)
    return check(value, place, problems)


def _scalar(hint: Any) -> Callable[[str], Any]:
    """Return what makes a value of one text, or raises ValueError."""
    hint, notes = unwrapped(hint)
    if notes:
        return partial(_checked_scalar, _scalar(hint), checker(notes))
    members = members_of(hint)
    if members:
        scalars = [_scalar(one) for one in members if one is not type(None)]
        # A text is anything, so it is asked last.
        scalars.sort(key=lambda one: one is str)
        return scalars[0] if len(scalars) == 1 else partial(_first_scalar, scalars)
    choices = choices_of(hint)
    if choices is not None:
        return partial(_choose, [(_as_text(known), one) for known, one in choices])
    if hint in SCALARS:
        return SCALARS[hint]
    raise TypeError(f"no text can be made to {hint!r}; annotate it with Body()")


def _checked_scalar(scalar: Callable[[str], Any], check: Parser, text: str) -> Any:
    problems = Problems()
    value = check(scalar(text), "", problems)
    if problems:
        raise ValueError(problems[0].message)
    return value


def _first_scalar(scalars: list[Callable[[str], Any]], text: str) -> Any:
    messages = []
    for scalar in scalars:
        try:
            return scalar(text)
        except ValueError as err:
            messages.append(str(err))
    raise ValueError(", ".join(messages))


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- constraints -------------------------------------------------------------------

#: SECURITY: to Python a line feed may follow it, to JSON Schema nothing may.
_LAST_DOLLAR = re.compile(r"(?<!\\)\$\Z")
#: Each constraint, what has to be true of value and bound, and what to say else.
CHECKS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "ge": (lambda value, bound: value >= bound, "is less than {}"),
    "gt": (lambda value, bound: value > bound, "is not greater than {}"),
    "le": (lambda value, bound: value <= bound, "is greater than {}"),
    "lt": (lambda value, bound: value < bound, "is not less than {}"),
    "multiple_of": (
        # As decimal numbers: to floats 1 is no multiple of 0.1.
        lambda value, bound: Fraction(str(value)) % Fraction(str(bound)) == 0,
        "is no multiple of {}",
    ),
    "min_length": (lambda value, bound: len(value) >= bound, "is shorter than {}"),
    "max_length": (lambda value, bound: len(value) <= bound, "is longer than {}"),
    "pattern": (
        lambda value, bound: (
            re.search(_LAST_DOLLAR.sub(r"\\Z", bound), value) is not None
        ),
        "does not match {}",
    ),
}


def refuse(message: str, place: str, problems: Problems) -> None:
    """Note a problem."""
    problems.append(Problem(place, message))


def _no_check(value: Any, place: str, problems: Problems) -> Any:
    return value


def checker(notes: list[Any]) -> Parser:
    """Return what checks a value against the constraints of Annotated."""
    found = constraints_of(notes)
    if not found:
        return _no_check
    return partial(_check, [(*CHECKS[name], bound) for name, bound in found.items()])


def _check(
    checks: list[tuple[Callable[[Any, Any], bool], str, Any]],
    value: Any,
    place: str,
    problems: Problems,
) -> Any:
    if value is not None:
        for is_right, message, bound in checks:
            if not is_right(value, bound):
                refuse(message.format(bound), place, problems)
    return value


# -- JSON values -------------------------------------------------------------------


def shared(known: Known, hint: Any, make: Callable[[Any, Known], M]) -> M:
    """Return what was made for a type before, so that no more is made than types."""
    try:
        made: M | None = known.get(hint)
    except TypeError:  # no hash
        return make(hint, known)
    if made is None:
        made = known[hint] = make(hint, known)
    return made


def value_parser(hint: Any, known: Known | None = None) -> Parser:
    """Return the parser of a JSON value."""
    known = {} if known is None else known
    hint, notes = unwrapped(hint)
    check = checker(notes)
    if check is not _no_check:
        return partial(_then, value_parser(hint, known), check)
    if plain := found_in(PLAIN, hint):
        return plain
    if text := found_in(TEXTS, hint):
        return partial(_parse_text, text)
    if members := members_of(hint):
        return _union_parser(members, known)
    choices = choices_of(hint)
    if choices is not None:
        return partial(_parse_choice, choices)
    if is_alias(hint):
        return shared(known, hint, AliasParser)
    if is_pydantic(hint):
        return partial(_parse_pydantic, hint)
    if is_struct(hint):
        return partial(_parse_struct, hint)
    if is_object(hint):
        return shared(known, hint, ObjectParser)
    return _container_parser(hint, known)


def _then(first: Parser, second: Parser, value: Any, place: str, problems: Any) -> Any:
    before = len(problems)
    value = first(value, place, problems)
    return value if len(problems) > before else second(value, place, problems)


def _parse_null(value: Any, place: str, problems: Problems) -> Any:
    return None if value is None else refuse("is not null", place, problems)


def _parse_bool(value: Any, place: str, problems: Problems) -> Any:
    if not isinstance(value, bool):
        return refuse("is no boolean", place, problems)
    return value


def _parse_int(value: Any, place: str, problems: Problems) -> Any:
    # To JSON Schema 1.0 is an integer.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        return refuse("is no integer", place, problems)
    return value


def _parse_float(value: Any, place: str, problems: Problems) -> Any:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return refuse("is no number", place, problems)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isinf(number):  # also of a text such as 1e999
        return refuse("is too large", place, problems)
    return number


def _parse_str(value: Any, place: str, problems: Problems) -> Any:
    return value if isinstance(value, str) else refuse("is no text", place, problems)


def _parse_text(
    make: Callable[[str], Any], value: Any, place: str, problems: Problems
) -> Any:
    if not isinstance(value, str):
        return refuse("is no text", place, problems)
    try:
        return make(value)
    except ValueError as err:
        return refuse(str(err), place, problems)


PLAIN: dict[Any, Parser] = {
    Any: _no_check,
    object: _no_check,
    None: _parse_null,
    type(None): _parse_null,
    bool: _parse_bool,
    int: _parse_int,
    float: _parse_float,
    str: _parse_str,
}


def _parse_choice(choices: Choices, value: Any, place: str, problems: Problems) -> Any:
    try:
        return _choose(choices, value)
    except ValueError as err:
        return refuse(str(err), place, problems)


def _union_parser(members: tuple[Any, ...], known: Known) -> Parser:
    parsers = [value_parser(one, known) for one in members if one is not type(None)]
    return partial(_parse_union, parsers, type(None) in members)


def _parse_union(
    parsers: list[Parser], is_optional: bool, value: Any, place: str, problems: Problems
) -> Any:
    if value is None and is_optional:
        return None
    if len(parsers) == 1:
        return parsers[0](value, place, problems)
    memory, key = problems.memory, (id(parsers), id(value))
    if memory is None or not isinstance(value, (dict, list)):
        parsed = _first_right(parsers, value, place, memory or {})
    elif key in memory:
        parsed = memory[key]
    else:
        parsed = memory[key] = _first_right(parsers, value, place, memory)
    if parsed is _NONE:
        return refuse("is nothing that is allowed here", place, problems)
    return parsed


_NONE = object()


def _first_right(
    parsers: list[Parser], value: Any, place: str, memory: dict[tuple[int, int], Any]
) -> Any:
    """Return what the first parser makes of a value that finds no problem."""
    for parse in parsers:
        found = Problems(memory)
        parsed = parse(value, place, found)
        if not found:
            return parsed
    return _NONE


def _container_parser(hint: Any, known: Known) -> Parser:
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is tuple and args and args[-1] is not ...:
        return partial(_parse_tuple, [value_parser(one, known) for one in args])
    if kind is tuple or kind in SEQUENCES or kind in SETS:
        make: Any = kind if kind in (tuple, set, frozenset) else list
        item = value_parser(args[0], known) if args else _no_check
        return partial(_parse_items, item, set if kind is abc.Set else make)
    if kind in MAPPINGS:
        name, value = args if len(args) == 2 else (str, Any)
        return partial(_parse_mapping, _scalar(name), value_parser(value, known))
    raise TypeError(f"no JSON value can be made to {hint!r}")


def _parse_tuple(
    parsers: list[Parser], value: Any, place: str, problems: Problems
) -> Any:
    if not isinstance(value, list):
        return refuse("is no array", place, problems)
    if len(value) != len(parsers):
        return refuse(f"has not {len(parsers)} items", place, problems)
    pairs = enumerate(zip(parsers, value, strict=True))
    return tuple(parse(one, f"{place}/{i}", problems) for i, (parse, one) in pairs)


def _parse_items(
    item: Parser, make: Any, value: Any, place: str, problems: Problems
) -> Any:
    if not isinstance(value, list):
        return refuse("is no array", place, problems)
    before = len(problems)
    items = []
    for i, one in enumerate(value):
        items.append(item(one, f"{place}/{i}", problems))
        if len(problems) >= MAX_PROBLEMS:
            break
    if len(problems) > before:
        return None
    try:
        made = make(items)
    except TypeError:  # no hash, for a set
        return refuse("has items that no set can hold", place, problems)
    if make in (set, frozenset) and len(made) < len(items):
        return refuse("has an item twice", place, problems)
    return made


def _parse_mapping(
    name: Callable[[str], Any],
    item: Parser,
    value: Any,
    place: str,
    problems: Problems,
) -> Any:
    if not isinstance(value, dict):
        return refuse("is no object", place, problems)
    found = {}
    for text, one in value.items():
        inner = _below(place, text)
        try:
            found[name(text)] = item(one, inner, problems)
        except ValueError as err:
            refuse(f"has a name that {err}", inner, problems)
        if len(problems) >= MAX_PROBLEMS:
            break
    return found


def _below(place: str, name: str) -> str:
    return f"{place}/{_escaped(name)}"


def _escaped(name: str) -> str:
    """Return a name as a step of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


class AliasParser:
    """The parser of an alias that contains itself, made on first use."""

    def __init__(self, alias: Any, known: Known):
        self._alias = alias
        self._known = known
        self._parse: Parser | None = None

    def __call__(self, value: Any, place: str, problems: Problems) -> Any:
        if self._parse is None:
            self._parse = value_parser(value_of(self._alias), self._known)
        return self._parse(value, place, problems)


class ObjectParser:
    """The parser of a dataclass or a TypedDict; names it lacks are ignored."""

    def __init__(self, hint: Any, known: Known):
        self.make = hint
        self._hint = hint
        self._known = known
        # Made on first use, since a type may contain itself.
        self._fields: list[tuple[str, Parser, bool]] | None = None

    def __call__(self, value: Any, place: str, problems: Problems) -> Any:
        if not isinstance(value, dict):
            return refuse("is no object", place, problems)
        before, values = len(problems), {}
        for name, parse, is_required in self._fields or self.prepare():
            if name in value:
                values[name] = parse(value[name], _below(place, name), problems)
            elif is_required:
                refuse("is missing", _below(place, name), problems)
        if len(problems) > before:
            return None
        try:
            return self.make(**values)
        except ValueError as err:  # what __post_init__ checks
            return refuse(str(err), place, problems)

    def prepare(self) -> list[tuple[str, Parser, bool]]:
        """Make the parsers of the members.

        :raises TypeError: there is none for one of them
        """
        fields = []
        for field in fields_of(self._hint):
            if field.is_read_only:
                continue
            try:
                parse = value_parser(field.hint, self._known)
            except TypeError as err:
                raise TypeError(f"member {field.name!r}: {err}") from err
            fields.append((field.name, parse, field.default is MISSING))
        self._fields = fields
        return fields


def _parse_pydantic(model: Any, value: Any, place: str, problems: Problems) -> Any:
    try:
        return model.model_validate(value)
    except ValueError as err:
        for found in err.errors():  # type: ignore[attr-defined]  # of pydantic
            steps = "".join(f"/{_escaped(str(step))}" for step in found["loc"])
            refuse(found["msg"], place + steps, problems)
        return None


def _parse_struct(struct: Any, value: Any, place: str, problems: Problems) -> Any:
    import msgspec  # the struct has loaded it already

    try:
        return msgspec.convert(value, struct)
    except msgspec.ValidationError as err:
        return refuse(str(err), place, problems)


# -- back to JSON ------------------------------------------------------------------


def encoder(hint: Any, known: Known | None = None) -> Encoder:
    """Return what makes a JSON value of a result, as its annotation says.

    Of an object only those members are shown that the annotation has: a
    subclass with more of them does not leak.
    """
    known = {} if known is None else known
    hint = unwrapped(hint)[0]
    if members := members_of(hint):
        return partial(_encode_union, [(one, encoder(one, known)) for one in members])
    if is_pydantic(hint):
        return partial(_encode_pydantic, hint)
    if is_object(hint) and not is_struct(hint):
        return shared(known, hint, ObjectEncoder)
    kind, args = get_origin(hint) or hint, get_args(hint)
    if args and (kind in SEQUENCES or kind in SETS or args[-1:] == (...,)):
        return partial(_encode_items, encoder(args[0], known))
    if len(args) == 2 and kind in MAPPINGS:
        return partial(_encode_mapping, encoder(args[1], known))
    return to_json


def _encode_items(item: Encoder, values: Iterable[Any]) -> list[Any]:
    return [item(value) for value in values]


def _encode_mapping(item: Encoder, values: dict[Any, Any]) -> dict[str, Any]:
    return {str(to_json(name)): item(value) for name, value in values.items()}


def _encode_union(members: list[tuple[Any, Encoder]], value: Any) -> Any:
    for hint, encode in members:
        kind = get_origin(unwrapped(hint)[0]) or unwrapped(hint)[0]
        if is_typed_dict(kind):
            kind = dict
        if isinstance(kind, type) and isinstance(value, kind):
            return encode(value)
    return to_json(value)


def _encode_pydantic(model: Any, value: Any) -> Any:
    # By the class of the annotation, not by that of the value.
    return model.__pydantic_serializer__.to_python(value, mode="json", by_alias=True)


class ObjectEncoder:
    """Shows the members of a dataclass or a TypedDict that its hint names."""

    def __init__(self, hint: Any, known: Known):
        self._hint = hint
        self._known = known
        self._fields: list[tuple[str, Encoder]] | None = None

    def __call__(self, value: Any) -> Any:
        if self._fields is None:
            fields = fields_of(self._hint)
            self._fields = [
                (one.name, encoder(one.hint, self._known))
                for one in fields
                if not one.is_write_only
            ]
        if isinstance(value, dict):
            return {n: encode(value[n]) for n, encode in self._fields if n in value}
        return {n: encode(getattr(value, n)) for n, encode in self._fields}


def to_json(value: Any) -> Any:
    """Return a value of any known type as JSON has it."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, (date, UUID)):
        return str(value) if isinstance(value, UUID) else value.isoformat()
    if isinstance(value, abc.Mapping):
        return {str(to_json(name)): to_json(one) for name, one in value.items()}
    if is_pydantic(type(value)):
        return value.model_dump(mode="json", by_alias=True)
    if is_struct(type(value)):
        import msgspec  # the struct has loaded it already

        return msgspec.to_builtins(value)
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, (list, tuple, abc.Set, abc.Iterator)):
        return [to_json(one) for one in value]
    return value
