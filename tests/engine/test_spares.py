"""`joelclaw.engine.spares`: processes that wait for the next deploy."""

import asyncio
from collections.abc import Awaitable, Callable

from joelclaw.engine.isolate_process import IsolateProcess
from joelclaw.engine.isolates import Isolate
from joelclaw.engine.spares import Spares
from tests.engine.engines import within_patience


def play(scene: Callable[[Spares], Awaitable[None]], number: int) -> None:
    async def run() -> None:
        spares = Spares(number, IsolateProcess.spawn)
        try:
            await scene(spares)
        finally:
            await spares.close()
        assert len(spares) == 0

    asyncio.run(run())


async def filled(spares: Spares, number: int) -> None:
    spares.refill()
    filling = spares._filling  # noqa: SLF001 - nobody else waits for it
    assert filling is not None
    await within_patience("spares", filling)
    assert len(spares) == number


async def killed(isolate: Isolate) -> None:
    died = asyncio.Event()
    isolate.on_death = died.set
    isolate.kill()
    await within_patience("the end of a process", died.wait())


def test_what_waits_is_taken_and_replaced() -> None:
    """A spare is handed out for the role that is asked for, and the next refill starts another process."""

    async def scene(spares: Spares) -> None:
        await filled(spares, 1)
        first = await spares.take("writer")
        assert len(spares) == 0
        assert (first.role, first.alive) == ("writer", True)
        await filled(spares, 1)
        second = await spares.take("actor")
        assert second.role == "actor"
        assert second.pid != first.pid
        await asyncio.gather(first.close(), second.close())

    play(scene, 1)


def test_a_dead_spare_is_not_handed_out() -> None:
    """A process that died while it waited is passed over for one that lives."""

    async def scene(spares: Spares) -> None:
        await filled(spares, 2)
        dead = await spares.take("reader")
        alive = await spares.take("reader")
        spares._waiting = [alive, dead]  # noqa: SLF001 - as if nobody had taken them
        await killed(dead)
        taken = await spares.take("reader")
        assert taken is alive
        await taken.close()

    play(scene, 2)


def test_without_spares_a_process_is_started() -> None:
    """Where nothing waits, and nothing shall, whoever asks gets a new process."""

    async def scene(spares: Spares) -> None:
        spares.refill()
        isolate = await spares.take("reader")
        assert isolate.alive
        await isolate.close()

    play(scene, 0)


def test_spares_are_held_for_a_time_only() -> None:
    """Where none wait as a rule, they do for a while after they were asked for; then they end, and none is started."""

    async def scene(spares: Spares) -> None:
        spares.hold(2, for_s=3_600.0)
        filling = spares._filling  # noqa: SLF001 - nobody else waits for it
        assert filling is not None
        await within_patience("spares", filling)
        assert len(spares) == 2
        spares.hold(2, for_s=0.0)
        while spares._closing is None:  # noqa: SLF001 - the loop turns until the time is over
            await asyncio.sleep(0)
        await within_patience("the end of spares", spares._closing)  # noqa: SLF001
        assert len(spares) == 0
        spares.refill()
        assert len(spares) == 0

    play(scene, 0)
