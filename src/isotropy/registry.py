"""Registries that accept more: a thing by its name, by its place "module:Name", or from an installed package."""

import sys
from collections.abc import MutableMapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import TypeVar

from isotropy.errors import UserError

T = TypeVar("T")


def find(registry: MutableMapping[str, T], name: str, what: str) -> T | None:
    """Return what is registered under a name, or what a package or a module of the user's own offers; or None.

    Args:
        registry: name -> thing; what a package offers is added to it.
        name: a key, the name of an entry point of the group "isotropy.{what}s", or "module:Name", which is imported.
        what: what is looked for, as "method"; for messages and the group.

    Raises:
        UserError: a module or a package that names it but cannot be imported.

    Example:
        >>> find({}, "collections:OrderedDict", "method"), find({}, "unheard of", "method")
        (<class 'collections.OrderedDict'>, None)
    """
    if name in registry:
        return registry[name]
    # Packages are searched for names that nothing here has: it reads the metadata of all that is installed.
    for point in entry_points(group=f"isotropy.{what}s", name=name):
        try:
            registry[name] = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(f"{what} {name!r} of the package {point.value} cannot be imported: {error}") from error
        return registry[name]
    module, colon, attribute = name.partition(":")
    if not (colon and attribute and all(part.isidentifier() for part in module.split("."))):
        return None
    try:
        thing: T = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"{what} {name!r} cannot be imported: {error}") from error
    return thing


def refuse_unimported(name: str, what: str) -> None:
    """Raise UserError for a name "module:Name", read from a file, of a module that this process has not imported.

    Importing a module executes it, and the file may be a stranger's: only who reads it can say that this is wanted.

    Example:
        >>> refuse_unimported("simclr", "method")
        >>> refuse_unimported("collections:OrderedDict", "method")
    """
    module, colon, _ = name.partition(":")
    if colon and module not in sys.modules:
        raise UserError(
            f"{what} {name!r} is code of the module {module!r}, and reading a file executes nothing: import it before, "
            f"in Python or by: isotropy --import {module} COMMAND"
        )


def name_of(registry: MutableMapping[str, type[T]], kind: type[T], what: str) -> str:
    """Return the name that `find` gives a class back for: its key, or "module:Name".

    Raises:
        UserError: a class that was defined inside a function or class, which no other process could import.

    Example:
        >>> from collections import OrderedDict
        >>> name_of({}, OrderedDict, "method")
        'collections:OrderedDict'
    """
    for name, registered in registry.items():
        if registered is kind:
            return name
    if "." in kind.__qualname__:
        raise UserError(f"{what} {kind.__qualname__} cannot be imported by name: define it at the top of a module")
    return f"{kind.__module__}:{kind.__qualname__}"
