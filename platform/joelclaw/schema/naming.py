"""
Wire names: how a Python name looks to clients.

Python stays snake_case, the wire is camelCase. `wire_names = "as_written"` turns that off for
a whole deployment. It is a setting of the process, because it acts where a class statement
runs and nobody can hand anything in: choose it before the app's files are imported.

The platform's own shapes (pages, system tables) are camelCase always: clients know them so.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

from joelclaw.values.names import camel

WireNames: TypeAlias = Literal["camel", "as_written"]
Naming: TypeAlias = Callable[[str], str]
"""From a name in Python to the one on the wire."""

_PLATFORM = "joelclaw"

_chosen: WireNames = "camel"


def choose_wire_names(wire_names: WireNames) -> None:
    """Decide for everything that is declared from now on in this process."""
    global _chosen
    _chosen = wire_names


def as_written(name: str) -> str:
    """Python's name itself."""
    return name


def naming_of(module: str) -> Naming:
    """How names declared in this module, by its dotted name, look on the wire."""
    of_platform = module == _PLATFORM or module.startswith(f"{_PLATFORM}.")
    return camel if of_platform or _chosen == "camel" else as_written
