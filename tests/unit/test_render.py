"""Templates: holes that escape, includes, and blocks that repeat."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poorwsgi import render as module
from poorwsgi.render import (
    HTML_ESCAPE_TABLE,
    Html,
    Template,
    as_html,
    html_escape,
    read_template,
    render,
)


@given(st.text())
def test_escaping_comes_back(text):
    """Unescaped it is the same text; none of the five characters is left."""
    escaped = html_escape(text)
    assert not set(escaped) & set("<>\"'")
    for char, entity in reversed(HTML_ESCAPE_TABLE.items()):
        escaped = escaped.replace(entity, char)
    assert escaped == text


def test_escaping_exactly():
    """The five entities, the apostrophe by its name."""
    assert html_escape("<a href=\"x\">'&'") == (
        "&lt;a href=&quot;x&quot;&gt;&apos;&amp;&apos;"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<b>", "&lt;b&gt;"),
        (Html("<b>"), "<b>"),
        (12, "12"),
        (None, "None"),
        (ValueError("<b>"), "&lt;b&gt;"),
    ],
)
def test_only_html_is_not_escaped(value, expected):
    """Text, and the text of any other object, is escaped."""
    assert as_html(value) == expected


TEMPLATE = """a {{one}} b
  <!-- each rows -->
  <li>{{name}} {{name}}</li>
  <!-- end -->
c {{one}}
<!-- each more -->
{{x}}
<!-- end -->
"""


def test_template():
    """Holes are filled, blocks repeated in order, for no row left out."""
    template = Template(TEMPLATE)
    rows = [{"name": "<"}, {"name": Html("<")}]
    assert template.fill({"one": "1", "rows": rows, "more": ()}) == (
        "a 1 b\n  <li>&lt; &lt;</li>\n  <li>< <</li>\nc 1\n"
    )
    assert template.fill({"one": "", "rows": (), "more": [{"x": 2}]}) == (
        "a  b\nc \n2\n"
    )


def test_values_are_no_templates():
    """Template injection: what is filled in is not looked at again."""
    template = Template("{{a}} {{b}}")
    assert template.fill({"a": "{{b}}", "b": "2"}) == "{{b}} 2"


def test_a_missing_value_is_an_error():
    """A hole cannot stay open."""
    with pytest.raises(KeyError, match="one"):
        Template("{{one}}").fill({})


OWN_SCRIPTS = {
    "debug_info.html": ['<script nonce="{{nonce}}">'],
    "openapi.html": ['<script src="{{base}}openapi.js"'],
}


@pytest.mark.parametrize(
    "name", [name for name in os.listdir(module.FOLDER) if name.endswith(".html")]
)
def test_templates_of_ours_stand_alone(name):
    """No page fetches anything: no other origin, all included.

    Only the pages for developers have a script: ours, of the same origin.
    """
    text = read_template(name)
    for allowed in OWN_SCRIPTS.get(name, []):
        text = text.replace(allowed, "", 1)
    assert "{{>" not in text
    for fetched in ("http:", "https:", "//", "<script", "@import", "url("):
        assert fetched not in text


def test_render_reads_a_file_once():
    """The second page comes without a look at the file system."""
    values = {
        "title": "<t>",
        "text": "t",
        "method": "GET",
        "uri": "/",
        "details": [{"detail": "d"}],
        "server_admin": "a",
    }
    page = render("error.html", **values)
    folder, module.FOLDER = module.FOLDER, "/nowhere"
    try:
        assert render("error.html", **values) == page
    finally:
        module.FOLDER = folder
    assert isinstance(page, Html)
    assert "<title>&lt;t&gt;</title>" in page
