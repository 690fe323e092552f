"""An application as it is named on a command line, and how it is loaded."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types import ModuleType
    from wsgiref.types import WSGIApplication

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["LoadError", "Target", "UsageError", "load_application"]

#: Where an application is looked for in a module that is named alone.
DEFAULT_NAMES = ("application", "app")


class UsageError(Exception):
    """The command line asks for something that isn't there (status 2)."""


class LoadError(Exception):
    """The program of the user failed while it was imported (status 1)."""


class Target(NamedTuple):
    """An application as named on the command line.

    Either ``module:attribute`` or ``path/to/file.py:attribute``; the attribute
    may be left out, and may be the call of a factory, ``create_app()``.
    """

    folder: Path
    module: str
    file: Path | None
    attribute: str
    is_factory: bool

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read the argument; nothing is imported.

        :raises UsageError: the file doesn't exist, or it is no such argument.
        """
        name, _, attribute = text.partition(":")
        is_factory = attribute.endswith("()")
        attribute = attribute.removesuffix("()")
        if attribute and not _is_dotted(attribute):
            raise UsageError(f"{text!r}: {attribute!r} is no name of an attribute")
        if not name.endswith(".py"):
            if not _is_dotted(name):
                raise UsageError(f"{text!r} is neither module:attribute nor file.py")
            return cls(Path.cwd(), name, None, attribute, is_factory)
        file = Path(name).resolve()
        if not file.is_file():
            raise UsageError(f"no such file: {name}")
        return cls(file.parent, file.stem, file, attribute, is_factory)

    def load(self) -> WSGIApplication:
        """Import the module and return the application.

        :raises LoadError: the import or the factory failed.
        :raises UsageError: the module has no such application.
        """
        # A file called like an installed module must not be taken for it.
        name = self.module
        if self.file is not None and _is_other_module(name, self.file):
            name += "_file"
        # As `python file.py` and `python -m module` do.
        sys.path.insert(0, str(self.folder))
        try:
            module = self._import(name)
            value = _find_attribute(module, self.attribute)
            application = value() if self.is_factory else value
        except UsageError:
            raise
        except SystemExit as error:
            message = f"the program ends itself, sys.exit({error.code!r})"
            raise LoadError(message + _place(error)) from error
        except Exception as error:
            raise LoadError(_describe(error)) from error
        if not callable(application):
            kind = type(application).__name__
            raise UsageError(f"{self} is no application but of type {kind!r}")
        return application  # type: ignore[no-any-return]

    def __str__(self) -> str:
        call = "()" if self.is_factory else ""
        return f"{self.module}:{self.attribute or DEFAULT_NAMES[0]}{call}"

    def _import(self, name: str) -> ModuleType:
        # One of our program's own modules may have imported it; twice would make
        # two applications of one.
        if self.file is None or _stands_in(sys.modules.get(name), self.file):
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, self.file)
        if spec is None or spec.loader is None:
            raise UsageError(f"{self.file} can't be imported")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:  # as an import does
            del sys.modules[name]
            raise
        return module


def _is_dotted(name: str) -> bool:
    """Return True for ``package.module``."""
    return all(part.isidentifier() for part in name.split("."))


def _is_other_module(name: str, file: Path) -> bool:
    """Return True if an import of *name* finds something else than the file."""
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # __main__, which has no origin
        return True
    return spec is not None and not _is_file(spec.origin, file)


def _stands_in(module: ModuleType | None, file: Path) -> bool:
    return module is not None and _is_file(getattr(module, "__file__", None), file)


def _is_file(path: str | None, file: Path) -> bool:
    return path is not None and os.path.realpath(path) == str(file)


def _find_attribute(module: ModuleType, attribute: str) -> Any:
    """Return the named attribute of a module, or the first default one."""
    names = (attribute,) if attribute else DEFAULT_NAMES
    for name in names:
        value: Any = module
        for step in name.split("."):
            value = getattr(value, step, None)
        if value is not None:
            return value
    wanted = " nor ".join(map(repr, names))
    raise UsageError(f"{module.__name__} has no {wanted}; name it: MODULE:ATTRIBUTE")


def _describe(error: BaseException) -> str:
    """Say what happened and where, in one line."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({error.filename}:{error.lineno})"
    return f"{type(error).__name__}: {error}{_place(error)}"


#: Files that say nothing to the user: where every import begins, and our own.
_NO_PLACES = ("<frozen importlib", importlib.__file__, os.path.dirname(__file__))


def _place(error: BaseException) -> str:
    """Say in which line of the user an error was raised, "" in none."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if not one.filename.startswith(_NO_PLACES)]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def load_application(text: str) -> WSGIApplication:
    """Import what is named ``module:attribute`` or ``file.py``, and return it.

    :raises UsageError: there is no such application
    :raises LoadError: the import or the factory failed
    """
    return Target.parse(text).load()


def add_application(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names an application; read it by Target.parse."""
    parser.add_argument(
        "application",
        metavar="APPLICATION",
        help="module:attribute, module:factory(), or path/to/file.py[:attribute]",
    )
