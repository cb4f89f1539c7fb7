"""
A project that is followed: its files, a real engine with real isolates, and what the developer is told.

Nothing here waits for time to pass: a test waits for what is told, with a deadline that only
something broken reaches.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from joelclaw.config import load_config
from joelclaw.deploy.deployer import Deployer, engine_limits
from joelclaw.engine.asker import ADMIN
from joelclaw.engine.engine import Engine
from joelclaw.errors import PlatformError
from joelclaw.functions.calls import Outcome
from joelclaw.functions.manifest import Manifest
from tests import saving

PATIENCE_S = 60.0

SCHEMA = """
from joelclaw import Table, index

class Note(Table):
    __table__ = "notes"
    text: str
    by_text = index("text")
"""

NOTES = """
from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query
from schema import Note

@query(allow=anyone)
def texts(ctx: QueryCtx) -> list[str]:
    return [note.text for note in ctx.db.query(Note.by_text)]

@mutation(allow=anyone)
def add(ctx: MutationCtx, text: str) -> str:
    return ctx.db.insert(Note(text=text))

@mutation(allow=anyone)
def forget(ctx: MutationCtx, text: str) -> None:
    for note in ctx.db.query(Note.by_text, text=text).collect():
        ctx.db.delete(note.id)
"""


def word(text: str) -> str:
    """A file of functions that says one word."""
    return f"""
from joelclaw import QueryCtx, anyone, query

@query(allow=anyone)
def word(ctx: QueryCtx) -> str:
    return {text!r}
"""


class Live(NamedTuple):
    """Told: this serves."""

    functions: frozenset[str]
    written: list[str]
    first: bool


class Refused(NamedTuple):
    """Told: this is wrong. What served, serves."""

    text: str


class Said(NamedTuple):
    """Told: something else."""

    text: str


Told = Live | Refused | Said


class Notebook:
    """A narrator that keeps what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Told] = asyncio.Queue()
        self.told_slow = asyncio.Event()
        """It was told that something takes long: on a busy machine, anything may."""

    def deployed(self, manifest: Manifest, *, took_ms: float, written: Sequence[Path], first: bool) -> None:
        assert took_ms >= 0
        functions = frozenset(spec.path for spec in manifest.functions if not spec.path.startswith("_system/"))
        self.told.put_nowait(Live(functions, [path.name for path in written], first))

    def refused(self, error: PlatformError) -> None:
        self.told.put_nowait(Refused(str(error)))

    def slow(self, seconds: float) -> None:  # noqa: ARG002
        self.told_slow.set()

    def types_not_written(self, reason: str) -> None:
        self.told.put_nowait(Said(f"types: {reason}"))

    def restart_needed(self, settings: Sequence[str]) -> None:
        self.told.put_nowait(Said(f"restart: {', '.join(settings)}"))


class Workshop:
    """One project at work."""

    def __init__(self, root: Path, engine: Engine, deployer: Deployer, notebook: Notebook) -> None:
        self.root = root
        self.engine = engine
        self.deployer = deployer
        self.notebook = notebook

    # -- files

    def save(self, name: str, text: str) -> None:
        """As an editor does that never leaves half a file: written beside, then renamed."""
        save(self.root, name, text)

    # -- what is told

    async def told(self) -> Told:
        async with asyncio.timeout(PATIENCE_S):
            return await self.notebook.told.get()

    async def live(self) -> Live:
        """The next that is told; it has to be this."""
        told = await self.told()
        assert isinstance(told, Live), told
        return told

    async def refused(self) -> str:
        told = await self.told()
        assert isinstance(told, Refused), told
        return told.text

    async def said(self) -> str:
        told = await self.told()
        assert isinstance(told, Said), told
        return told.text

    async def saved_and_live(self, name: str, text: str) -> Live:
        self.save(name, text)
        return await self.live()

    async def saved_and_refused(self, name: str, text: str) -> str:
        self.save(name, text)
        return await self.refused()

    def assert_nothing_more_told(self) -> None:
        assert self.notebook.told.empty(), self.notebook.told.get_nowait()

    # -- calls

    async def query(self, path: str, **args: Any) -> Any:
        result, _ = await self.engine.query(path, msgspec.json.encode(args), ADMIN)
        assert result.failure is None, result.failure
        return msgspec.json.decode(result.value)

    async def mutate(self, path: str, **args: Any) -> Any:
        outcome = await self.outcome(path, **args)
        assert outcome.failure is None, outcome.failure
        return msgspec.json.decode(outcome.value)

    async def outcome(self, path: str, **args: Any) -> Outcome:
        async with asyncio.timeout(PATIENCE_S):
            return await self.engine.mutate(path, msgspec.json.encode(args), ADMIN)


async def until(fact: Callable[[], object]) -> None:
    """Let the loop turn until something is so that nobody tells. Each turn looks: what passes is not missed."""
    while not fact():
        await asyncio.sleep(0)


def save(root: Path, name: str, text: str) -> None:
    saving.save(root / name, text)


def lay_out(root: Path) -> None:
    """The files of a small app, in a folder of its own."""
    save(root, "joelclaw.toml", "[limits]\nreaders = 1\n")
    save(root, "schema.py", SCHEMA)
    save(root, "app_functions/notes.py", NOTES)


@asynccontextmanager
async def workshop(root: Path) -> AsyncIterator[Workshop]:
    """Follow the project in this folder, as `joelclaw dev` does; it may be broken."""
    config = load_config(root, os.environ)
    engine = Engine(engine_limits(config), development=True)
    notebook = Notebook()
    deployer = Deployer(engine, config, notebook)
    following = asyncio.create_task(deployer.follow())
    try:
        yield Workshop(config.root, engine, deployer, notebook)
        assert not following.done(), following
    finally:
        following.cancel()
        await asyncio.wait([following])
        await engine.close()
