"""Departures: what the gateway knows of login sessions that have ended."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any

from joelclaw.auth.departures import ENDED_AFTER, NOTED_MS, PRUNED_FROM, TAIL, Departures
from joelclaw.auth.keyring import Keyring
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.clock import MovableClock

PATIENCE_S = 60.0
PAGE = 100


class Table:
    """The table of what has ended, and a watch of its end; as the system's, with smaller pages."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.rows: list[dict[str, Any]] = []
        self.pages = 0
        self.results: asyncio.Queue[list[dict[str, Any]]] = asyncio.Queue()

    def end(self, *sessions: str) -> None:
        until = self._clock.now_ms() + 1_000.0
        self.rows += [{"session": session, "until": until} for session in sessions]

    def show(self) -> None:
        """The watch has a result."""
        self.results.put_nowait(self.rows[: -TAIL - 1 : -1])

    # -- as the gateway asks

    def watch(self, path: str) -> "Table":  # noqa: ARG002
        return self

    async def changed(self) -> list[dict[str, Any]]:
        return await self.results.get()

    def close(self) -> None: ...

    async def ask(self, path: str, session: str | None) -> list[dict[str, Any]]:
        assert path == ENDED_AFTER
        self.pages += 1
        rows = sorted(self.rows, key=lambda row: str(row["session"]))
        return [row for row in rows if session is None or row["session"] > session][:PAGE]


class World:
    def __init__(self) -> None:
        self.clock = MovableClock()
        self.table = Table(self.clock)
        self.tokens = OwnTokens(Keyring(b"k" * 32, [], self.clock), self.clock, issuer="https://site.test", ttl_ms=1.0)
        self.told: list[tuple[set[str], Any]] = []
        self.news = asyncio.Event()
        self.departures = Departures(self.table, self.tokens, self.clock, self._tell)  # type: ignore[arg-type]

    def _tell(self, sessions: Collection[str], socket: Any) -> None:
        self.told.append((set(sessions), socket))
        self.news.set()

    async def until_known(self, session: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while session not in self.tokens.ended:
                self.news.clear()
                await self.news.wait()


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World()
        world.table.end("before")
        await world.departures.begin()
        running = asyncio.create_task(world.departures.run())
        await scene(world)
        running.cancel()

    asyncio.run(run())


def test_what_has_ended_before_is_known_at_the_start() -> None:
    """H8: nobody is let in with a token of a session that an earlier life of the server has seen end."""

    async def scene(world: World) -> None:
        assert set(world.tokens.ended) == {"before"}

    play(scene)


def test_what_ends_through_the_gateway_is_known_at_once_and_told_once() -> None:
    """J10: noted, it is refused in the same step; seen in the table afterwards, nobody is told again."""

    async def scene(world: World) -> None:
        world.told.clear()
        world.departures.note(["one"], "socket")
        assert "one" in world.tokens.ended
        world.table.end("one", "two")
        world.table.show()
        await world.until_known("two")

        assert world.told == [({"one"}, "socket"), ({"two"}, None)]
        assert world.tokens.ended["one"] < world.clock.now_ms() + NOTED_MS

    play(scene)


def test_a_burst_that_is_longer_than_the_tail_is_known_whole() -> None:
    """However many end in one step, none is missed: where the tail may not be all, the table is read."""

    async def scene(world: World) -> None:
        sessions = [f"{number:06}" for number in range(3 * TAIL)]
        world.table.end(*sessions)
        world.table.show()
        for session in sessions:
            await world.until_known(session)

        pages = world.table.pages
        world.table.end("one more")
        world.table.show()
        await world.until_known("one more")
        assert world.table.pages == pages

    play(scene)


def test_what_is_over_is_forgotten() -> None:
    """Memory holds what tokens may be around of, and little more."""

    async def scene(world: World) -> None:
        for round in range(10):
            world.departures.note([f"{round}-{number}" for number in range(PRUNED_FROM // 2)])
            world.clock.advance(timedelta(milliseconds=NOTED_MS + 1))

        assert len(world.tokens.ended) <= 2 * PRUNED_FROM

    play(scene)
