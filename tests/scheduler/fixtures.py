"""Apps of a few lines, served by real isolates, and services that run beside a scene."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from joelclaw.server.services import Service


def write(folder: Path, files: Mapping[str, str]) -> None:
    """The files of an app where `tests.engine.engines.App` looks for them."""
    for name, text in {"app_functions/__init__.py": "", "schema.py": "", **files}.items():
        path = folder / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


@asynccontextmanager
async def at_work(service: Service) -> AsyncIterator[None]:
    """A service runs, as the server runs it. A failure of it is the test's."""
    task = asyncio.create_task(service.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await service.close()
        if not task.cancelled():
            task.result()
