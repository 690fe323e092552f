"""HTML files with holes: read once, filled with text that gets escaped.

A template is a file in `templates/`. ``{{name}}`` is a hole, ``{{> file}}``
another file put in as it is, and what stands between ``<!-- each name -->``
and ``<!-- end -->`` is repeated for each dictionary of a list. There is no
more to it, and no other module of the core writes tags.
"""

from __future__ import annotations

import os.path
import re
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What has a meaning in HTML text and attributes, and how to write it.
HTML_ESCAPE_TABLE = {
    "&": "&amp;",
    '"': "&quot;",
    "'": "&apos;",
    ">": "&gt;",
    "<": "&lt;",
}

FOLDER = os.path.join(os.path.dirname(__file__), "templates")

_SPECIAL = re.compile("[&\"'><]")
_INCLUDE = re.compile(r"\{\{> ([\w.]+)\}\}")
_EACH = re.compile(r"[ \t]*<!-- each (\w+) -->\n(.*?)[ \t]*<!-- end -->\n", re.S)
_HOLE = re.compile(r"\{\{(\w+)\}\}")


class Html(str):
    """Text that is HTML already, so that it is not escaped."""

    __slots__ = ()


def html_escape(text: str) -> str:
    """Return *text* with everything escaped that HTML gives a meaning."""
    if _SPECIAL.search(text) is None:
        return text
    return (
        text.replace("&", "&amp;")
        .replace('"', "&quot;")
        .replace("'", "&apos;")
        .replace(">", "&gt;")
        .replace("<", "&lt;")
    )


def as_html(value: object) -> str:
    """Return the HTML of a value: escaped, unless it is `Html`."""
    if value.__class__ is Html:
        return value  # pyright: ignore[reportReturnType]
    return html_escape(value if isinstance(value, str) else str(value))


class Template:
    """Constant text and holes, in turn; see `pieces`."""

    def __init__(self, text: str):
        # re.split gives text, name, body, text, name, body, ..., text.
        first, *rest = _EACH.split(text)
        self.head = _HOLE.split(first)
        self.blocks = [
            (rest[i], Template(rest[i + 1]), _HOLE.split(rest[i + 2]))
            for i in range(0, len(rest), 3)
        ]

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with *values* in its holes; KeyError if one lacks."""
        parts = _filled(self.head, values)
        for name, block, tail in self.blocks:
            rows: Iterable[Mapping[str, Any]] = values[name]
            parts.extend(block.fill(row) for row in rows)
            parts += _filled(tail, values)
        return "".join(parts)


def _filled(pieces: list[str], values: Mapping[str, Any]) -> list[str]:
    """Return text, name, text, ... with the names replaced by their values."""
    filled = pieces.copy()
    for i in range(1, len(pieces), 2):
        filled[i] = as_html(values[pieces[i]])
    return filled


def read_template(name: str) -> str:
    """Return the text of a template with what it includes."""
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        text = file.read()
    return _INCLUDE.sub(lambda match: read_template(match[1]), text)


@cache
def template(name: str) -> Template:
    """Return a template of ours; its file is read once."""
    return Template(read_template(name))


def render(template_name: str, **values: Any) -> Html:
    """Return a template filled with *values*, escaped unless they are `Html`."""
    return Html(template(template_name).fill(values))
