"""
Environment variables, as queries and mutations see them: `ctx.env`.

Two layers: what was set at run time, documents of a system table, over what `joelclaw.toml`
declares. A look at a variable is a read like any other: it goes into the run's read set, so
that a cached result falls when the variable is set, changed or removed. A function that looks
at none pays nothing.

Elsewhere: `system/env.py` keeps the table; actions are handed both layers when they start.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

API_ORIGIN: Final = "CONVEX_CLOUD_URL"
SITE_ORIGIN: Final = "CONVEX_SITE_URL"
BUILT_IN: Final = frozenset({API_ORIGIN, SITE_ORIGIN})
"""The deployment's own addresses; nobody sets them."""

FIND_VALUE: Final = "_system/env:value"
ALL_VALUES: Final = "_system/env:values"


class Environment(Mapping[str, str]):
    """The environment as one transaction sees it. Each variable is read when it is first asked for, and once."""

    __slots__ = ("_all", "_call_system", "_declared", "_read")

    def __init__(self, declared: Mapping[str, str], call_system: Callable[..., Any]) -> None:
        self._declared = declared
        self._call_system = call_system
        self._read: dict[str, str | None] = {}
        self._all: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        if self._all is not None:
            return self._all[name]
        if name not in self._read:
            self._read[name] = self._find(name)
        value = self._read[name]
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._everything())

    def __len__(self) -> int:
        return len(self._everything())

    def __repr__(self) -> str:
        # Values are secrets as often as not, and a repr ends up in logs.
        return "<the environment: values by name>"

    def _find(self, name: str) -> str | None:
        # Built-in ones are not in the table, and whatever is no text is no name.
        if name in BUILT_IN or not isinstance(name, str):
            return self._declared.get(name)
        value: str | None = self._call_system(FIND_VALUE, name=name)
        return self._declared.get(name) if value is None else value

    def _everything(self) -> dict[str, str]:
        if self._all is None:
            self._all = overlaid(
                self._declared, {variable.name: variable.value for variable in self._call_system(ALL_VALUES)}
            )
        return self._all


def overlaid(declared: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """What is declared, under what was set at run time."""
    return {**declared, **values}
