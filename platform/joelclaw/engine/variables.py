"""
Environment variables set at run time, as actions are handed them when they start.

They are the result of a system query, answered from the cache: a variable that was set is there for
every action that starts after the commit, and as long as none is set nothing is asked for.
"""

from typing import Protocol

import msgspec
import structlog

from joelclaw.engine.asker import ADMIN, Asker
from joelclaw.engine.results import Result
from joelclaw.functions.environment import ALL_VALUES

NO_ARGUMENTS = b"{}"

log = structlog.get_logger("joelclaw.engine")


class AnsweringEngine(Protocol):
    def recall(self, path: str, args: bytes, asker: Asker) -> Result | None: ...

    async def query(self, path: str, args: bytes, asker: Asker, *, request_id: str = "") -> tuple[Result, int]: ...


class _Variable(msgspec.Struct):
    name: str
    value: str


_decode = msgspec.json.Decoder(list[_Variable]).decode


class Variables:
    """What is set now. Values are handed on encoded, as equal bytes are equal variables."""

    def __init__(self, engine: AnsweringEngine) -> None:
        self._engine = engine
        self._newest = b"[]"

    def recall(self) -> bytes | None:
        """What is set, if it is in memory."""
        result = self._engine.recall(ALL_VALUES, NO_ARGUMENTS, ADMIN)
        return None if result is None or result.failure is not None else result.value

    async def ask(self) -> bytes:
        """What is set. If nobody can tell now, what was set when it was last asked for."""
        result, _ = await self._engine.query(ALL_VALUES, NO_ARGUMENTS, ADMIN)
        if result.failure is None:
            self._newest = result.value
        else:
            log.error("environment variables cannot be read", message=result.failure.message)
        return self._newest


def decoded(encoded: bytes) -> dict[str, str]:
    """Values by name."""
    return {variable.name: variable.value for variable in _decode(encoded)}
