"""
A release: one version of the app's code, and how to start isolates on it.

Isolates load a release from its own folder, never from the developer's: a process that has to
be replaced an hour later must run the code that its neighbours run, whatever was saved since.
"""

import asyncio
from dataclasses import dataclass, field

import msgspec

from joelclaw.engine.isolates import Isolate, StartIsolate
from joelclaw.errors import AppRefused, IsolateDied
from joelclaw.functions.calls import Call
from joelclaw.functions.manifest import FunctionSpec, Manifest
from joelclaw.isolate.messages import Adopt, FromIsolate, Load, LoadFailed, Prepare, Prepared, Role
from joelclaw.store.protocol import Layout

PREPARE_TIMEOUT_S = 3_600.0
"""Checking every document and filling indexes takes as long as there are documents."""


@dataclass
class Release:
    """Code that loaded, and after `prepare` the database layout that fits it."""

    load: Load
    """What each isolate is told; the role is filled in."""

    number: int
    start: StartIsolate
    manifest: Manifest = field(default_factory=Manifest)
    layout: Layout | None = None
    functions: dict[str, FunctionSpec] = field(default_factory=dict)

    async def spawn(self, role: Role) -> Isolate:
        """
        Start an isolate of this release; it knows the layout if the release does.

        Raises:
            AppRefused: The code does not load.
            IsolateDied: The process ended before it was ready.
        """
        isolate = await self.start(role)
        try:
            manifest = await isolate.load(msgspec.structs.replace(self.load, role=role))
        except BaseException:
            isolate.kill()  # It may be in a loop, and has nothing to finish.
            await isolate.close()
            raise
        if not self.functions:
            self.manifest = manifest
            self.functions = {spec.path: spec for spec in manifest.functions}
        if role != "writer":
            self.adopt(isolate)
        return isolate

    def adopt(self, isolate: Isolate) -> None:
        """Tell a reader or an actor the layout, as soon as the release has one."""
        if self.layout is not None:
            isolate.send(Adopt(layout=self.layout))

    async def prepare(self, writer: Isolate, record: Call | None = None, *, trial: bool = False) -> Prepared:
        """
        Have a writer make the database fit: new indexes filled, documents checked.

        With `record`, a mutation of the platform is done in the same transaction; with `trial`, nothing is done.

        Raises:
            AppRefused: Documents do not fit the schema; nothing was changed.
            IsolateDied: The process ended meanwhile; nothing was changed.
        """
        prepared: asyncio.Future[FromIsolate] = asyncio.get_running_loop().create_future()

        def hear(message: FromIsolate) -> None:
            if not prepared.done():
                prepared.set_result(message)

        def died() -> None:
            if not prepared.done():
                prepared.set_exception(IsolateDied("writer", "ended while it prepared the database"))

        writer.on_message, writer.on_death = hear, died
        writer.send(Prepare(record=record, trial=trial))
        if not writer.alive:
            died()
        async with asyncio.timeout(PREPARE_TIMEOUT_S):
            answer = await prepared
        if isinstance(answer, LoadFailed):
            raise AppRefused(answer.problems)
        assert isinstance(answer, Prepared)
        self.layout = answer.layout
        return answer
