"""
Watching: being woken by a change of files.

Folders are watched one by one, not the project with all below it: that holds node_modules and
.venv, thousands of folders that take a second to watch, and the database, which is written
all the time.

A watch is set once and wakes once. Who is woken looks at the files anew and sets the next
watch first, on the folders that are there then; so folders may come and go, and nothing that
is saved meanwhile is missed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from watchfiles import awatch

from joelclaw.errors import CommandFailed

SETTLE_MS = 30
"""An editor that saves several files, or one in several steps, is taken at its last word."""

SETTLE_MS_MAX = 120


class Watch:
    """A watch that is set."""

    def __init__(self, change: "asyncio.Task[set[Path]]") -> None:
        self._change = change

    async def changed(self) -> set[Path]:
        """
        Wait for the first change; its paths, those that came quickly after it included.

        Raises:
            CommandFailed: The system does not let us watch these folders.
        """
        return await asyncio.shield(self._change)


@asynccontextmanager
async def watching(folders: Iterable[Path], concerns: Callable[[Path], bool]) -> AsyncIterator[Watch]:
    """Watch these folders, each by itself, for changes of paths that concern us."""
    over = asyncio.Event()
    change = asyncio.create_task(_first_change(folders, concerns, over))
    # One step of it, and the watch is set.
    await asyncio.sleep(0)
    try:
        yield Watch(change)
    finally:
        over.set()
        await asyncio.wait([change])
        change.exception()  # Whoever waited has it; nobody else has to know.


async def _first_change(folders: Iterable[Path], concerns: Callable[[Path], bool], over: asyncio.Event) -> set[Path]:
    changes = awatch(
        *folders,
        watch_filter=lambda _, path: concerns(Path(path)),
        step=SETTLE_MS,
        debounce=SETTLE_MS_MAX,
        stop_event=over,
        recursive=False,
    )
    try:
        return {Path(path) for _, path in await anext(changes, set())}
    except FileNotFoundError:  # A folder went away before it could be watched.
        return set()
    except (OSError, RuntimeError) as error:
        reason = f"the app's files cannot be watched: {error}; raise the system's limit of watches"
        raise CommandFailed(reason) from error
    finally:
        await changes.aclose()
