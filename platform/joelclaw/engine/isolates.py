"""
Isolates, as the engine sees them: something that a role of user code runs in.

The lanes send messages and hear answers; where the code runs is not theirs to know. In a
deployment it is a process (`isolate_process.py`); whoever starts the engine may hand in
something else, as a harness for tests does that keeps all of it in its own process.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from joelclaw.functions.manifest import Manifest
from joelclaw.isolate.messages import FromIsolate, Load, Role, ToIsolate


class Isolate(Protocol):
    """Runs one role of one release. Its owner, a lane, sets `on_message` and `on_death`."""

    role: Role
    on_message: Callable[[FromIsolate], None]
    on_death: Callable[[], None]
    alive: bool

    @property
    def pid(self) -> int:
        """The process it is, or is in."""
        ...

    async def load(self, load: Load) -> Manifest:
        """
        Load the app; the first message to it.

        Raises:
            AppRefused: Its files are wrong; every problem is listed.
            IsolateDied: Importing them ended the isolate.
        """
        ...

    def send(self, *messages: ToIsolate) -> None:
        """Hand messages over, in order. To a dead isolate nothing is sent: its owner hears of the death."""
        ...

    def kill(self) -> None:
        """End it now, whatever it does; `on_death` follows."""
        ...

    async def close(self) -> None:
        """End it in good order. Its owner does not hear of this."""
        ...


StartIsolate: TypeAlias = Callable[[Role], Awaitable[Isolate]]
"""Where isolates come from: one that waits for `load`."""
