"""
Environment variables of a test, set as `joelclaw env set` does: what read one is run again.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from joelclaw.functions.environment import ALL_VALUES, overlaid

UPDATE: Final = "_system/env:update"


class Variables(MutableMapping[str, str]):
    """What functions see as `ctx.env`: what the test sets, over what `joelclaw.toml` declares in plain text."""

    def __init__(self, declared: Mapping[str, str], query: Callable[..., Any], mutation: Callable[..., Any]) -> None:
        self._declared = declared
        self._query = query
        self._mutation = mutation

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._change(name, value)

    def __delitem__(self, name: str) -> None:
        """Remove one that the test has set; one that is declared shows again."""
        if name not in self._set():
            raise KeyError(name)
        self._change(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        return overlaid(self._declared, self._set())

    def _set(self) -> dict[str, str]:
        return {variable["name"]: variable["value"] for variable in self._query(ALL_VALUES)}

    def _change(self, name: str, value: str | None) -> None:
        refusal = self._mutation(UPDATE, changes=[{"name": name, "value": value}])
        if refusal is not None:
            raise ValueError(refusal["message"])
