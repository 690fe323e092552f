"""JSON schemas (2020-12, the dialect of OpenAPI 3.1) from type hints.

`Schemas.of` makes the schema of a hint; types with a name of their own become
components that are referred to. What a hint means is taken apart by the small
functions below, which `typed` uses as well. pydantic models and msgspec structs
describe themselves, so neither package is imported here unless one is met.
"""

from __future__ import annotations

import dataclasses
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
    from collections.abc import Callable, Iterator

    Schema = dict[str, Any]

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
    """A member of an object: hint, and default (`MISSING` if it is required)."""

    name: str
    hint: Any
    default: Any


MISSING: Any = dataclasses.MISSING


# -- what a hint is ----------------------------------------------------------------


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the type hints of a function or class, those that resolve."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # names that only a type checker sees, mostly `Request`
        return dict(_hints_one_by_one(thing))


def _hints_one_by_one(thing: Any) -> Iterator[tuple[str, Any]]:
    names = getattr(thing, "__globals__", None)
    if names is None:
        names = vars(sys.modules.get(getattr(thing, "__module__", ""), object))
    for name, hint in getattr(thing, "__annotations__", {}).items():
        alone = types.SimpleNamespace(__annotations__={name: hint})
        with suppress(Exception):
            yield from typing.get_type_hints(alone, names, None, True).items()


def unwrapped(hint: Any) -> tuple[Any, list[Any]]:
    """Return a hint without Annotated, NewType and aliases, and the metadata."""
    notes: list[Any] = []
    while True:
        if get_origin(hint) is typing.Annotated:
            notes = [*hint.__metadata__, *notes]
            hint = hint.__origin__
        elif isinstance(hint, NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":  # `type X = ...` of Python 3.12
            hint = hint.__value__
        elif get_origin(hint) in (typing.Required, typing.NotRequired):
            hint = get_args(hint)[0]
        else:
            return hint, notes


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


def is_enum(hint: Any) -> bool:
    """Return True for an Enum class."""
    return isinstance(hint, type) and issubclass(hint, Enum)


def is_object(hint: Any) -> bool:
    """Return True for a type with members of known names."""
    hint = get_origin(hint) or hint
    if not isinstance(hint, type):
        return False
    is_ours = dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)
    return is_ours or is_pydantic(hint) or is_struct(hint)


def fields_of(hint: Any) -> Iterator[Field]:
    """Yield the members of a dataclass or a TypedDict."""
    hints = hints_of(hint)
    if not dataclasses.is_dataclass(hint):
        for name in hints:
            is_required = name in hint.__required_keys__
            yield Field(name, hints[name], MISSING if is_required else None)
        return
    for field in dataclasses.fields(hint):
        default: Any = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory
        yield Field(field.name, hints.get(field.name, Any), default)


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

    def _of_bare(self, hint: Any) -> Schema:
        if isinstance(hint, abc.Hashable) and hint in SIMPLE:
            return dict(SIMPLE[hint])
        if members := members_of(hint):
            return self._of_union(members)
        origin, args = get_origin(hint), get_args(hint)
        if origin is Literal:
            return enum_schema([getattr(one, "value", one) for one in args])
        if is_enum(hint):
            return self._named(hint, lambda: enum_schema([one.value for one in hint]))
        if is_pydantic(hint):
            return self._named(hint, lambda: self._of_pydantic(hint))
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
        if kind is tuple and args[-1:] != (...,):
            size = {"minItems": len(args), "maxItems": len(args)}
            return {"type": "array", "prefixItems": list(map(self.of, args)), **size}
        if kind is tuple or kind in SEQUENCES:
            return {"type": "array", "items": self.of(args[0]) if args else {}}
        if kind in SETS:
            items = self.of(args[0]) if args else {}
            return {"type": "array", "items": items, "uniqueItems": True}
        if kind in MAPPINGS:
            values = self.of(args[1]) if len(args) == 2 else {}
            return {"type": "object"} | (
                {"additionalProperties": values} if values else {}
            )
        return {}

    def _of_object(self, hint: Any) -> Schema:
        fields = list(fields_of(hint))
        properties = {field.name: self._of_field(field) for field in fields}
        required = [field.name for field in fields if field.default is MISSING]
        schema = {"title": hint.__name__, "type": "object", "properties": properties}
        if required:
            schema["required"] = required
        doc = hint.__doc__ or ""
        if doc and not doc.startswith(f"{hint.__name__}("):  # that of dataclass itself
            schema["description"] = " ".join(doc.split())
        return schema

    def _of_field(self, field: Field) -> Schema:
        schema = self.of(field.hint)
        if isinstance(field.default, (str, int, float)) and not is_enum(
            type(field.default)
        ):
            schema["default"] = field.default
        return schema

    def _named(self, hint: Any, make: Callable[[], Schema]) -> Schema:
        """Return a reference to the component of a type, made on first use."""
        if hint not in self._names:
            self._names[hint] = name = self._free_name(hint.__name__)
            self.components[name] = {}  # a type may contain itself
            self.components[name] = make()
        return {"$ref": PREFIX + self._names[hint]}

    def _free_name(self, name: str) -> str:
        number, free = 1, name
        while free in self.components:
            number += 1
            free = f"{name}{number}"
        return free

    def _of_pydantic(self, hint: Any) -> Schema:
        schema: Schema = hint.model_json_schema(ref_template=PREFIX + "{model}")
        for name, definition in schema.pop("$defs", {}).items():
            self.components.setdefault(name, definition)
        if "$ref" in schema:  # a model that contains itself
            return dict(self.components[schema["$ref"].removeprefix(PREFIX)])
        return schema

    def _of_struct(self, hint: Any) -> Schema:
        import msgspec  # the struct has loaded it already

        (schema,), components = msgspec.json.schema_components(
            [hint], ref_template=PREFIX + "{name}"
        )
        for name, component in components.items():
            self.components.setdefault(name, component)
        return dict(schema)


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
    names = {**CONSTRAINTS, **ITEMS} if schema.get("type") == "array" else CONSTRAINTS
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
