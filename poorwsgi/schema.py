"""JSON schemas (2020-12, the dialect of OpenAPI 3.1) from type hints.

`Schemas.of` makes the schema of a hint; types with a name of their own become
components that are referred to. What a hint means is taken apart by the small
functions below, which `typed` uses as well. pydantic models and msgspec structs
describe themselves, so neither package is imported here unless one is met.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
import typing
from collections import abc
from contextlib import suppress
from datetime import date, datetime
from enum import Enum
from typing import Any, Literal, NewType, Union, get_args, get_origin
from uuid import UUID

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    Schema = dict[str, Any]

V = typing.TypeVar("V")

__all__ = ["Schemas"]

PREFIX = "#/components/schemas/"

#: Builtins and what stands for a text in JSON.
SIMPLE: dict[Any, dict[str, Any]] = {
    Any: {},
    object: {},
    None: {"type": "null"},
    type(None): {"type": "null"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bytes: {"type": "string", "format": "binary"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    UUID: {"type": "string", "format": "uuid"},
    list: {"type": "array", "items": {}},
    tuple: {"type": "array", "items": {}},
    set: {"type": "array", "items": {}, "uniqueItems": True},
    dict: {"type": "object"},
}
SEQUENCES = (list, abc.Sequence, abc.Iterable, abc.Iterator, abc.Generator)
SETS = (set, frozenset, abc.Set)
MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)

#: Names of constraints, as `annotated_types` and pydantic spell them too, to the
#: keywords for numbers and texts; `ITEMS` has those that differ for arrays.
CONSTRAINTS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
ITEMS = {"min_length": "minItems", "max_length": "maxItems"}
KEYWORDS = {key: name for table in (CONSTRAINTS, ITEMS) for name, key in table.items()}


class Field(typing.NamedTuple):
    """A member of an object: hint, and default (`MISSING` if it is required).

    What a dataclass sets by itself (``init=False``) is only read by clients; what
    it does not keep (``InitVar``) is only written by them.
    """

    name: str
    hint: Any
    default: Any
    is_read_only: bool = False
    is_write_only: bool = False


MISSING: Any = dataclasses.MISSING
#: What a TypedDict says of its members; ReadOnly is of Python 3.13.
REQUIREMENTS = {
    getattr(typing, name, None): is_required
    for name, is_required in (
        ("Required", True),
        ("NotRequired", False),
        ("ReadOnly", None),
    )
}
REQUIREMENTS.pop(None, None)


# -- what a hint is ----------------------------------------------------------------


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the type hints of a function or class, those that resolve."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # names that only a type checker sees, mostly `Request`
        owners = reversed(getattr(thing, "__mro__", (thing,)))
        return {n: one for owner in owners for n, one in _hints_one_by_one(owner)}


def _hints_one_by_one(thing: Any) -> Iterator[tuple[str, Any]]:
    names = getattr(thing, "__globals__", None)
    if names is None:
        names = vars(sys.modules.get(getattr(thing, "__module__", ""), object))
    # `class Box[T]` knows names that its module does not: T, and its own where it
    # stands in a function.
    inner = {one.__name__: one for one in getattr(thing, "__type_params__", ())}
    if isinstance(thing, type):
        inner[thing.__name__] = thing
    for name, hint in getattr(thing, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: hint})
        with suppress(Exception):
            yield from typing.get_type_hints(alone, names, inner, True).items()


def unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Return a hint without Annotated, NewType and aliases, and the metadata."""
    notes: list[Any] = []
    while True:
        if get_origin(hint) is typing.Annotated:
            notes = [*hint.__metadata__, *notes]
            hint = hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif is_alias(hint) and not is_recursive(hint):
            hint = value_of(hint)
        elif get_origin(hint) in REQUIREMENTS:
            hint = get_args(hint)[0]
        else:
            return hint, notes


def is_alias(hint: Any) -> bool:
    """Return True for ``type X = ...`` of Python 3.12, and for ``X[int]`` of one."""
    return type(get_origin(hint) or hint).__name__ == "TypeAliasType"


def value_of(alias: Any) -> Any:
    """Return what an alias stands for."""
    kind = get_origin(alias) or alias
    given = dict(zip(kind.__type_params__, get_args(alias), strict=False))
    return filled(kind.__value__, given)


def is_recursive(alias: Any) -> bool:
    """Return True for an alias that stands in what it stands for."""
    wanted = get_origin(alias) or alias
    seen, hints = set(), [wanted.__value__]
    while hints:
        hint = hints.pop()
        kind = get_origin(hint) or hint
        if is_alias(kind) and kind not in seen:
            seen.add(kind)
            hints.append(kind.__value__)
        hints += get_args(hint)
    return wanted in seen


def found_in(table: dict[Any, V], hint: Any) -> V | None:
    """Look a hint up; what is Annotated by a dictionary has no hash."""
    try:
        return table.get(hint)
    except TypeError:
        return None


def constraints_of(notes: list[Any]) -> dict[str, Any]:
    """Return the constraints in the metadata of Annotated."""
    found: dict[str, Any] = {}
    for note in notes:
        if isinstance(note, dict):
            found |= {KEYWORDS[key]: note[key] for key in note if key in KEYWORDS}
            continue
        for name in CONSTRAINTS:
            value = getattr(note, name, None)
            if value is not None and not callable(value):
                found[name] = value
    return found


def members_of(hint: Any) -> tuple[Any, ...]:
    """Return the members of a union, () if it is none."""
    if get_origin(hint) in (Union, types.UnionType):
        return get_args(hint)
    return ()


def is_pydantic(hint: Any) -> bool:
    """Return True for a pydantic model."""
    return isinstance(hint, type) and hasattr(hint, "model_json_schema")


def is_struct(hint: Any) -> bool:
    """Return True for a msgspec struct."""
    return isinstance(hint, type) and hasattr(hint, "__struct_fields__")


def is_enum(hint: Any) -> typing.TypeGuard[type[Enum]]:
    """Return True for an Enum class."""
    return isinstance(hint, type) and issubclass(hint, Enum)


def is_object(hint: Any) -> bool:
    """Return True for a type with members of known names."""
    hint = get_origin(hint) or hint
    if not isinstance(hint, type):
        return False
    is_ours = dataclasses.is_dataclass(hint) or is_typed_dict(hint)
    return is_ours or is_pydantic(hint) or is_struct(hint)


def is_typed_dict(hint: Any) -> bool:
    """Return True for a TypedDict, also for one of typing_extensions."""
    return isinstance(hint, type) and hasattr(hint, "__required_keys__")


def fields_of(hint: Any) -> Iterator[Field]:
    """Yield the members of a dataclass or a TypedDict, of ``Page[int]`` as well."""
    kind = get_origin(hint) or hint
    hints = _filled_hints(kind, get_args(hint))
    if not dataclasses.is_dataclass(kind):
        for name, one in hints.items():
            is_required = _is_required(kind, name, one)
            yield Field(name, one, MISSING if is_required else None)
        return
    kept = {field.name for field in dataclasses.fields(kind)}
    for field in kind.__dataclass_fields__.values():
        one = hints.get(field.name, Any)
        is_passed_on = isinstance(one, dataclasses.InitVar)
        if field.name not in kept and not is_passed_on:
            continue  # ClassVar
        default: Any = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory
        one = one.type if isinstance(one, dataclasses.InitVar) else one
        yield Field(field.name, one, default, not field.init, is_passed_on)


def _filled_hints(kind: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    """Return the hints of a class, with what is given for its type variables."""
    given = _given(kind, args)
    hints = hints_of(kind)
    if not any(given.values()):
        return hints
    if is_typed_dict(kind):  # it does not know which base a member comes from
        merged = {name: one for table in given.values() for name, one in table.items()}
        return {name: filled(hint, merged) for name, hint in hints.items()}
    tables = {
        name: given[owner]
        for owner in reversed(kind.__mro__)
        for name in getattr(owner, "__annotations__", ())
        if owner in given
    }
    return {name: filled(hint, tables.get(name, {})) for name, hint in hints.items()}


def _given(kind: Any, args: tuple[Any, ...]) -> dict[Any, dict[Any, Any]]:
    """Return what a class, and each of its bases, has for its type variables.

    The T of one is not the T of the other.
    """
    given = dict(zip(getattr(kind, "__parameters__", ()), args, strict=False))
    table: dict[Any, dict[Any, Any]] = {}
    for base in vars(kind).get("__orig_bases__", kind.__bases__):
        inner = tuple(filled(one, given) for one in get_args(base))
        if isinstance(get_origin(base) or base, type):  # TypedDict is none
            table |= _given(get_origin(base) or base, inner)
    return {**table, kind: given}


def _is_required(kind: Any, name: str, hint: Any) -> bool:
    # Where annotations are texts, the class itself knows of no Required.
    is_required: bool = name in kind.__required_keys__
    while get_origin(hint) in (*REQUIREMENTS, typing.Annotated):
        said = REQUIREMENTS.get(get_origin(hint))
        if said is not None:
            return said
        hint = get_args(hint)[0]
    return is_required


def filled(hint: Any, given: dict[Any, Any]) -> Any:
    """Return a hint with what is given for its type variables."""
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, hint)
    wanted = getattr(hint, "__parameters__", ())
    if not wanted or isinstance(hint, type):
        return hint
    return hint[tuple(given.get(one, one) for one in wanted)]


# -- schemas -----------------------------------------------------------------------


class Schemas:
    """Makes schemas; `components` collects those of types with a name.

    >>> schemas = Schemas()
    >>> schemas.of(list[int] | None)
    {'anyOf': [{'type': 'array', 'items': {'type': 'integer'}}, {'type': 'null'}]}
    """

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._names: dict[Any, str] = {}

    def of(self, hint: Any) -> Schema:
        """Return the schema of a type hint; {} if nothing is known of it."""
        hint, notes = unwrapped(hint)
        schema = self._of_bare(hint)
        if notes:
            schema = annotated(schema, notes)
        return schema

    def component(self, name: str, schema: Schema) -> Schema:
        """Return a reference to a schema, which becomes a component."""
        return self._adopted({"$ref": PREFIX + name}, {name: schema})

    def _of_bare(self, hint: Any) -> Schema:
        if (simple := found_in(SIMPLE, hint)) is not None:
            return dict(simple)
        if members := members_of(hint):
            return self._of_union(members)
        origin, args = get_origin(hint), get_args(hint)
        if origin is Literal:
            return enum_schema([getattr(one, "value", one) for one in args])
        if is_enum(hint):
            return self._named(hint, lambda: enum_schema([one.value for one in hint]))
        if is_alias(hint):
            return self._named(hint, lambda: self.of(value_of(hint)))
        if is_pydantic(hint):
            return self._of_pydantic(hint)
        if is_struct(hint):
            return self._of_struct(hint)
        if is_object(hint):
            return self._named(hint, lambda: self._of_object(hint))
        return self._of_container(origin or hint, args)

    def _of_union(self, members: tuple[Any, ...]) -> Schema:
        schemas = [self.of(member) for member in members]
        if {} in schemas:
            return {}
        if len(schemas) == 2 and {"type": "null"} in schemas:
            schemas.sort(key=lambda one: one == {"type": "null"})
            if schemas[0].keys() == {"type"}:
                return {"type": [schemas[0]["type"], "null"]}
        return {"anyOf": schemas}

    def _of_container(self, kind: Any, args: tuple[Any, ...]) -> Schema:
        if kind is tuple and not args:
            return {"type": "array", "maxItems": 0}
        if kind is tuple and args[-1:] != (...,):
            size = {"minItems": len(args), "maxItems": len(args)}
            return {"type": "array", "prefixItems": list(map(self.of, args)), **size}
        if kind is tuple or kind in SEQUENCES:
            return {"type": "array", "items": self.of(args[0]) if args else {}}
        if kind in SETS:
            items = self.of(args[0]) if args else {}
            return {"type": "array", "items": items, "uniqueItems": True}
        if kind in MAPPINGS:
            return self._of_mapping(*args) if len(args) == 2 else {"type": "object"}
        return {}

    def _of_mapping(self, name: Any, value: Any) -> Schema:
        names, values = name_schema(name), self.of(value)
        return {
            "type": "object",
            **({"propertyNames": names} if names else {}),
            **({"additionalProperties": values} if values else {}),
        }

    def _of_object(self, hint: Any) -> Schema:
        fields = list(fields_of(hint))
        properties = {field.name: self._of_field(field) for field in fields}
        required = [
            field.name
            for field in fields
            if field.default is MISSING and not field.is_read_only
        ]
        title = title_of(hint)
        schema: Schema = {"title": title, "type": "object", "properties": properties}
        if required:
            schema["required"] = required
        kind = get_origin(hint) or hint
        doc = kind.__doc__ or ""
        if doc and not doc.startswith(f"{kind.__name__}("):  # that of dataclass itself
            schema["description"] = " ".join(doc.split())
        return schema

    def _of_field(self, field: Field) -> Schema:
        schema = self.of(field.hint)
        if is_plain(field.default) and not is_enum(type(field.default)):
            schema["default"] = field.default
        if field.is_write_only:
            schema["writeOnly"] = True
        return {**schema, "readOnly": True} if field.is_read_only else schema

    def _named(self, hint: Any, make: Callable[[], Schema]) -> Schema:
        """Return a reference to the component of a type, made on first use."""
        if hint not in self._names:
            name = component_name(title_of(hint), self.components)
            self._names[hint] = name
            self.components[name] = {}  # a type may contain itself
            self.components[name] = make()
        return {"$ref": PREFIX + self._names[hint]}

    def _of_pydantic(self, hint: Any) -> Schema:
        if hint in self._names:
            return {"$ref": PREFIX + self._names[hint]}
        schema: Schema = hint.model_json_schema(ref_template=PREFIX + "{model}")
        found = schema.pop("$defs", {})
        if "$ref" not in schema:  # it does not contain itself
            name = component_name(title_of(hint), found)
            found = {name: schema, **found}
            schema = {"$ref": PREFIX + name}
        made = self._adopted(schema, found)
        self._names[hint] = made["$ref"].removeprefix(PREFIX)
        return made

    def _of_struct(self, hint: Any) -> Schema:
        import msgspec  # the struct has loaded it already

        (schema,), components = msgspec.json.schema_components(
            [hint], ref_template=PREFIX + "{name}"
        )
        return self._adopted(dict(schema), components)

    def _adopted(self, schema: Schema, found: dict[str, Schema]) -> Schema:
        """Add components that others have made; return what refers to them.

        What has the name of another component gets a new one.
        """
        names = {name: self._name_for(name, found[name]) for name in found}
        for name, component in found.items():
            self.components[names[name]] = renamed(component, names)
        made: Schema = renamed(schema, names)
        return made

    def _name_for(self, name: str, component: Schema) -> str:
        known = {
            other
            for other, one in self.components.items()
            if one != renamed(component, {name: other})
        }
        return component_name(name, known)


def title_of(hint: Any) -> str:
    """Return the name of a type, with what is given for its type variables.

    >>> title_of(dict[str, int])
    'dict[str, int]'
    """
    args = ", ".join(map(title_of, get_args(hint)))
    name: str = getattr(get_origin(hint) or hint, "__name__", None) or str(hint)
    return f"{name}[{args}]" if args else name


def component_name(title: str, known: Container[str]) -> str:
    """Return a name that a component may have, one that is not known yet.

    >>> component_name("Page[int]", {"Page_int"}), component_name("Ž", {})
    ('Page_int2', 'Type')
    """
    name = re.sub(r"[^a-zA-Z0-9._-]+", "_", title).strip("_") or "Type"
    number, free = 1, name
    while free in known:
        number += 1
        free = f"{name}{number}"
    return free


def renamed(schema: Any, names: dict[str, str]) -> Any:
    """Return a schema that refers to components by other names."""
    if isinstance(schema, dict):
        return {key: renamed(one, names) for key, one in schema.items()}
    if isinstance(schema, list):
        return [renamed(one, names) for one in schema]
    if isinstance(schema, str) and schema.startswith(PREFIX):
        name = schema.removeprefix(PREFIX)
        return PREFIX + names.get(name, name)
    return schema


def is_plain(value: Any) -> bool:
    """Return True for a value that stands in JSON as it is."""
    if isinstance(value, float):
        return math.isfinite(value)  # there is no Infinity
    return isinstance(value, (str, int))


def name_schema(hint: Any) -> Schema:
    """Return the schema of the names in an object, {} if any will do.

    >>> name_schema(Literal["a", 1])
    {'enum': ['a', '1']}
    """
    hint = unwrapped(hint)[0]
    if hint is int:
        return {"pattern": "^-?[0-9]+$"}
    values = [one.value for one in hint] if is_enum(hint) else get_args(hint)
    if is_enum(hint) or get_origin(hint) is Literal:
        return {"enum": [str(getattr(one, "value", one)) for one in values]}
    return {}


def enum_schema(values: list[Any]) -> Schema:
    """Return the schema of some values, with their type if it is one."""
    kinds = {type(value) for value in values}
    schema: Schema = {"enum": values}
    if len(kinds) == 1 and (kind := kinds.pop()) in SIMPLE:
        schema = {**SIMPLE[kind], **schema}
    return schema


def annotated(schema: Schema, notes: list[Any]) -> Schema:
    """Return a schema with what the metadata of Annotated adds."""
    added: Schema = {}
    kinds = [one.get("type") for one in (schema, *schema.get("anyOf", ()))]
    names = {**CONSTRAINTS, **ITEMS} if "array" in kinds else CONSTRAINTS
    for name, value in constraints_of(notes).items():
        added[names[name]] = value
    for note in notes:
        if isinstance(note, dict):
            added |= note
        elif isinstance(text := getattr(note, "description", None), str) and text:
            added["description"] = text
    if not added:
        return schema
    if "anyOf" in schema and added.keys() - {"description"}:
        kinds = schema["anyOf"]
        is_null = [one == {"type": "null"} for one in kinds]
        others = [
            one if null else {**one, **added}
            for one, null in zip(kinds, is_null, strict=True)
        ]
        return {"anyOf": others}
    return {**schema, **added}
