"""
System functions of a deployment that is not served: for who has lost every key to it, say.

The code that is in the project is loaded as a server would load it, and the database is kept from servers
meanwhile.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joelclaw.config import Config
from joelclaw.deploy.deployer import Deployer, engine_limits
from joelclaw.deploy.lock import locked
from joelclaw.engine.engine import Engine
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import PlatformError
from joelclaw.functions.manifest import Manifest


def call_offline(config: Config, path: str, arguments: dict[str, Any]) -> Any:
    """
    The result of a system mutation or query. No server may have the database.

    Raises:
        CommandFailed: One has it.
        AppRefused: The app does not load.
        SystemCallFailed: The function failed, and changed nothing.
    """
    return asyncio.run(_call(config, path, arguments))


async def _call(config: Config, path: str, arguments: dict[str, Any]) -> Any:
    with locked(config.database):
        engine = Engine(engine_limits(config), development=False)
        try:
            await Deployer(engine, config, _Silent()).deploy(development=False)
            system = SystemCalls(engine)
            spec = engine.find(path)
            assert spec is not None, path
            ask = system.ask if spec.kind == "query" else system.tell
            return await ask(path, **arguments)
        finally:
            await engine.close()


class _Silent:
    """Nobody has asked for a deploy."""

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None: ...

    def refused(self, error: PlatformError) -> None: ...

    def slow(self, seconds: float) -> None: ...

    def types_not_written(self, reason: str) -> None: ...

    def restart_needed(self, settings: Sequence[str]) -> None: ...
