"""
Hooks: what a run needs from the process around it.

`running.py` knows no processes, signals or clocks. The isolate hands in one of these; a test
hands in a clock that stands still. `arm` and `disarm` stand right around the app's own code,
so that the guard against effects and the time limit look exactly while that runs.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from joelclaw.errors import Interrupted


class Hooks(Protocol):
    """One for the whole life of a process; queries and mutations use it one after another."""

    @property
    def env(self) -> Mapping[str, str]:
        """What functions see as `ctx.env`."""
        ...

    @property
    def roles(self) -> Mapping[str, Sequence[str]]:
        """Who has which role, as `[auth.roles]` declares it."""
        ...

    def clock(self) -> float:
        """Milliseconds since the epoch."""
        ...

    def random_bytes(self, count: int) -> bytes: ...

    def arm(self) -> None:
        """The app's code begins."""
        ...

    def disarm(self) -> None:
        """The app's code ended."""
        ...

    def violation(self) -> Interrupted | None:
        """What was raised into this run, whether or not the app let it through."""
        ...
