"""OpenAPI documents as data: loaded, their references followed, made alike.

Documents of 3.0 and 3.1 come out with schemas of one dialect (2020-12), so that
one validator serves both. Nothing here knows of requests, and nothing is loaded
over the network: a document is one file, or one dictionary.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    Document = dict[str, Any]

__all__ = ["Schemas20", "load_document", "resolved"]


def load_document(source: str | os.PathLike[str] | Mapping[str, Any]) -> Document:
    """Return a document from a dictionary, or a file of JSON or YAML.

    :raises ValueError: it is no OpenAPI 3 document
    """
    if not isinstance(source, (str, os.PathLike)):
        document: Any = source
    else:
        with open(source, encoding="utf-8") as file:
            text = file.read()
        is_yaml = os.fspath(source).lower().endswith((".yaml", ".yml"))
        document = _from_yaml(text) if is_yaml else _from_json(text)
    document = _plain(document)
    if not isinstance(document, dict) or not isinstance(
        document.get("paths", {}), dict
    ):
        raise ValueError("this is no OpenAPI document")
    if not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("only OpenAPI 3 is known, and the document does not say it is")
    return document


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as err:
        raise ValueError(f"this is no JSON: {err}") from err


def _from_yaml(text: str) -> Any:
    try:
        import yaml  # only who has YAML needs it
    except ImportError as err:
        raise ImportError("YAML needs: pip install 'poorwsgi[openapi]'") from err

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        """Reads what JSON has as well (OpenAPI, 4.2): no dates, `no` is a text."""

    Loader.yaml_implicit_resolvers = {
        letter: [
            (tag, _YAML_TYPES.get(tag, regex))
            for tag, regex in pairs
            if tag != "tag:yaml.org,2002:timestamp"
        ]
        for letter, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return Loader(text).get_single_data()
    except yaml.YAMLError as err:
        raise ValueError(f"this is no YAML: {err}") from err


_YAML_TYPES = {
    "tag:yaml.org,2002:bool": re.compile(r"(?i:true|false)\Z"),
    "tag:yaml.org,2002:int": re.compile(r"-?(?:0|[1-9][0-9]*)\Z"),
}


def _plain(value: Any) -> Any:
    """Return a value of YAML or Python as JSON has it, names as texts: 200 is "200"."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


#: What stands in a path as it is, with letters and digits (RFC 3986, 3.3).
SAFE = "/:@!$&'()*+,;=-._~"


def quoted(text: str) -> str:
    """Return a text of a rule as it stands in a path of a document.

    >>> quoted("/{name}?")
    '/%7Bname%7D%3F'
    """
    return quote(text, safe=SAFE)


def pointed(document: Document, reference: str) -> Any:
    """Return what a reference within the document points to.

    :raises ValueError: it leads elsewhere, or to nothing
    """
    if not reference.startswith("#/"):
        raise ValueError(f"the reference {reference!r} leads out of the document")
    node: Any = document
    for step in unquote(reference[2:]).split("/"):
        step = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(step)] if isinstance(node, list) else node[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ValueError(f"the reference {reference!r} leads to nothing") from None
    return node


def components_of(document: Document, kind: str) -> Document:
    """Return the components of a kind, {} if there are none."""
    found: Document = (document.get("components") or {}).get(kind) or {}
    return found


def resolved(document: Document, node: Any) -> Any:
    """Return a node, or what its reference leads to.

    :raises ValueError: it leads in a circle, out of the document, or to nothing
    """
    for _ in range(20):
        if not isinstance(node, dict) or "$ref" not in node:
            return node
        node = pointed(document, node["$ref"])
    raise ValueError(f"the reference {node['$ref']!r} leads in a circle")


PREFIX = "#/components/schemas/"


class Schemas20:
    """The schemas of a document in the dialect 2020-12, for one direction.

    :param is_request: what is `readOnly` is not required in a request, what is
        `writeOnly` not in a response
    """

    def __init__(self, document: Document, is_request: bool):
        self._document = document
        self._is_old = str(document["openapi"]).startswith("3.0")
        self._not_sent = "readOnly" if is_request else "writeOnly"
        self._moved: dict[str, str] = {}
        self.components: Document = {}
        for name, one in components_of(document, "schemas").items():
            self.components[name] = self.made(one)

    def whole(self, schema: Any) -> Any:
        """Return a schema that can be compiled alone: with all it refers to."""
        made = self.made(schema)
        if isinstance(made, bool) or "$ref" not in json.dumps(made):
            return made
        return {**made, "components": {"schemas": self.components}}

    def made(self, schema: Any) -> Any:
        """Return a schema with what is special to OpenAPI put in general words."""
        if not isinstance(schema, dict):
            return schema
        reference = schema.get("$ref")
        if reference is not None:
            if not reference.startswith(PREFIX):
                reference = self._component(reference)
            if self._is_old:  # where siblings of a reference do not count
                return {"$ref": reference}
            schema = {**schema, "$ref": reference}
        made = {name: self._keyword(name, value) for name, value in schema.items()}
        if self._is_old:
            _modernise(made)
        self._leave_out(made)
        return _with_limits(made)

    def _component(self, reference: str) -> str:
        """Return a reference to a component made of what stands elsewhere.

        It may refer to itself, so it can not be put in place of the reference.
        """
        if reference not in self._moved:
            known = components_of(self._document, "schemas")
            name = f"moved{len(self._moved)}"
            while name in known:
                name += "_"
            self._moved[reference] = name
            self.components[name] = self.made(pointed(self._document, reference))
        return PREFIX + self._moved[reference]

    def _keyword(self, name: str, value: Any) -> Any:
        if name in _MAPS and isinstance(value, dict):
            return {key: self.made(one) for key, one in value.items()}
        if name in _LISTS and isinstance(value, list):
            return [self.made(one) for one in value]
        return self.made(value) if name in _SINGLE else value

    def _leave_out(self, made: Document) -> None:
        """Require no member that is not sent in this direction."""
        required, properties = made.get("required"), made.get("properties", {})
        if isinstance(required, list):
            made["required"] = [
                name
                for name in required
                if not resolved(self._document, properties.get(name, {})).get(
                    self._not_sent
                )
            ]


_MAPS = {"properties", "patternProperties", "$defs", "dependentSchemas"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SINGLE = {
    *("items", "additionalProperties", "not", "if", "then", "else", "contains"),
    *("propertyNames", "unevaluatedItems", "unevaluatedProperties"),
}
_INT_LIMITS = {"int32": 2**31, "int64": 2**63}


def _modernise(schema: Document) -> None:
    """Replace what OpenAPI 3.0 says in words of its own."""
    for name in ("Minimum", "Maximum"):
        exclusive = schema.get("exclusive" + name)
        if isinstance(exclusive, bool):
            del schema["exclusive" + name]
            if exclusive and name.lower() in schema:
                schema["exclusive" + name] = schema.pop(name.lower())
    if schema.pop("nullable", False) and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    schema.pop("example", None)


def _with_limits(schema: Document) -> Document:
    """Return a schema with the limits that a format of integers means."""
    limit = _INT_LIMITS.get(schema.get("format", ""))
    if limit is None:
        return schema
    bounds = {"minimum": -limit, "maximum": limit - 1}
    return {**schema, "allOf": [*schema.get("allOf", []), bounds]}
