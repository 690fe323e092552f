"""Sphinx: `make docs` builds without a network, and a warning is an error."""

import importlib
import pkgutil
import sys
from contextlib import suppress
from pathlib import Path
from types import FunctionType

from docutils.parsers.rst.directives.images import Figure
from sphinx.util.logging import getLogger

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import poorwsgi  # noqa: E402 - found by the line above
from poorwsgi import state  # noqa: E402
from poorwsgi.state import __version__  # noqa: E402

project = "poorwsgi"
author = copyright = "the poorwsgi developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.doctest",
]
# A heading is `page:heading`; the changelog has some more than once.
autosectionlabel_prefix_document = True
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["guide.css"]
exclude_patterns = ["_build"]
# Docstrings put code in single backticks.
default_role = "code"
highlight_language = "python3"

# Each public name has an entry.
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "undoc-members": True,
}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_preserve_defaults = True
nitpick_ignore_regex = [
    # Types of the standard library and of other packages aren't ours to link:
    # their inventories would need the network.
    ("py:.*", r"(?!poorwsgi\.).*"),
    # Type variables, and names with an underscore, have no entry.
    ("py:.*", r"poorwsgi\.[\w.]*\.(_\w+|[A-Z])"),
]


# Two modules may have a class of the same name; annotations that only type
# checkers resolve name it without the module.
suppress_warnings = ["autosectionlabel.*", "ref.python"]
nitpick_ignore = []


def undocumented_classes(module):
    """Yield the classes that a module keeps to itself, by leaving them out."""
    for name, value in vars(module).items():
        # Not isinstance: it would wake up lazy objects of other packages.
        is_class = issubclass(type(value), type)
        is_ours = is_class and value.__module__ == module.__name__
        if is_ours and name not in getattr(module, "__all__", vars(module)):
            yield "py:class", f"{module.__name__}.{name}"


def configure_django():
    """Give Django settings, or looking at modules for it fails."""
    with suppress(ImportError):
        importlib.import_module("django.conf").settings.configure()


def constants(module):
    """Return entries of the HTTP_* and METHOD_* numbers that a module defines.

    autodoc leaves out data without a comment; these say by their names what they are.
    """
    if module.__name__ != "poorwsgi.state":
        return ""
    lines = [
        f".. py:data:: {name}\n   :value: {value}\n"
        for name, value in vars(module).items()
        if name.startswith(("HTTP_", "METHOD_")) and isinstance(value, int)
    ]
    return "\n" + "\n".join(lines)


def write_reference():
    """Write a page for each public module that can be imported here.

    Made from what is there, so that a new module can't be forgotten. The pages
    are ignored by git.
    """
    folder = HERE / "_reference"
    folder.mkdir(exist_ok=True)
    pages = {}
    for info in pkgutil.walk_packages(poorwsgi.__path__, "poorwsgi."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        try:
            module = importlib.import_module(info.name)
        except ImportError as error:
            # A feature whose extra isn't installed here says so in one line.
            body = f"Not importable where this was built: {error}.\n"
        else:
            body = f".. automodule:: {info.name}\n" + constants(module)
            nitpick_ignore.extend(undocumented_classes(module))
        title = info.name
        pages[f"{info.name}.rst"] = f"{title}\n{'=' * len(title)}\n\n{body}"
    for old in {path.name for path in folder.iterdir()} - set(pages):
        (folder / old).unlink()
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


configure_django()
write_reference()


def public_names():
    """Yield the full name of all that the public modules define for others."""
    for info in pkgutil.walk_packages(poorwsgi.__path__, "poorwsgi."):
        module = sys.modules.get(info.name)
        if module is None or info.name.rpartition(".")[2].startswith("_"):
            continue
        for name, value in vars(module).items():
            defined = getattr(value, "__module__", None) == info.name
            shown = name in getattr(module, "__all__", [name])
            callable_ = isinstance(value, type | FunctionType)
            number = name.startswith(("HTTP_", "METHOD_")) and module is state
            is_ours = number or (defined and callable_)
            if is_ours and shown and not name.startswith("_"):
                yield f"{info.name}.{name}"


def check_reference(_, env):
    """Warn, and so fail, if a public name has no entry in the reference."""
    entries = env.domaindata["py"]["objects"]
    for name in public_names():
        if name not in entries:
            getLogger(__name__).warning("%s has no entry in the reference", name)


class Picture(Figure):
    """A picture taken by `make pictures`; without it the page does without."""

    def run(self):
        path = HERE / "_pictures" / f"{self.arguments[0]}.png"
        self.state.document.settings.env.note_dependency(str(path))
        if not path.exists():
            return []
        self.arguments[0] = f"/_pictures/{path.name}"
        return super().run()


def setup(app):
    """Let the check run when all pages are read."""
    app.add_directive("picture", Picture)
    app.connect("env-check-consistency", check_reference)
