"""
Random days of a deployment, on real processes: subscribers, writers, kills, deploys.

Whatever happens, in the end it is known what each commit wrote. So every view that anybody
saw can be held against what the database was at the view's timestamp.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from joelclaw.engine.asker import ANONYMOUS, Asker, asker_of
from joelclaw.functions.calls import Identity, Outcome
from tests.engine.engines import App, Viewer, kill, play, value_of, within_patience

STEPS = 300
ROOMS = ("a", "b", "c", "d")
QUERIES = ("notes:texts", "notes:count", "notes:mine")
ANN = asker_of(Identity(issuer="https://issuer", subject="ann", token_identifier="https://issuer|ann", claims={}))

KILLED = "isolate_died"
"""What a call answers whose process was killed twice: it counts as guilty. Nothing of it was written."""


class Note(NamedTuple):
    """What a mutation asked for; the rooms that its text was to stand in."""

    text: str
    rooms: tuple[str, ...]

    def mutation(self) -> tuple[str, dict[str, Any], str]:
        """Path, arguments, and call id."""
        match self.rooms:
            case (room,):
                return "notes:add", {"room": room, "text": self.text}, self.text
            case (left, right):
                return "notes:addToBoth", {"left": left, "right": right, "text": self.text}, self.text
            case _:
                return "notes:refuse", {"room": "a"}, self.text


class Seen(NamedTuple):
    """What somebody was answered, and as of when."""

    ts: int
    path: str
    room: str
    asker: Asker
    value: Any


class Day:
    """One random day: `live` it, then `judge` it."""

    def __init__(self, app: App, seed: int) -> None:
        self.app = app
        self.random = random.Random(seed)
        self.notes: dict[str, Note] = {}
        self.outcomes: dict[str, list[Outcome]] = {}
        self.seen: list[Seen] = []
        self.viewers = [Viewer(app, slow=n % 2 == 1) for n in range(4)]
        self.left: list[Viewer] = []
        self.calls: list[asyncio.Task[None]] = []
        self.deploying: asyncio.Task[None] | None = None

    # -- what happens

    async def live(self) -> None:
        steps: dict[Callable[[], None], int] = {
            self.send: 30,
            self.write: 25,
            self.ask: 25,
            self.drain: 15,
            self.subscribe: 8,
            self.arrive: 2,
            self.leave: 2,
            self.kill_reader: 2,
            self.kill_writer: 2,
            self.deploy: 1,
        }
        for _ in range(STEPS):
            [step] = self.random.choices(list(steps), list(steps.values()))
            step()
            if self.calls and self.random.random() < 0.3:  # Until something has come to its end.
                await within_patience("any answer", asyncio.wait(self.calls, return_when="FIRST_COMPLETED"))
                self.calls = [call for call in self.calls if not call.done() or call.result()]
        await within_patience("all answers", asyncio.gather(*self.calls))
        for viewer in self.viewers:
            viewer.slow = False
            viewer.drain()
            await viewer.answered(len(viewer.asked))
            await viewer.until("its mutations", lambda viewer: viewer.settled)
            for call_id, outcome in viewer.responses:
                self.outcomes.setdefault(call_id, []).append(outcome)
        for call_id in self.notes.keys() - self.outcomes.keys():  # Who asked for it has left.
            await self._write(self.notes[call_id])

    def any_note(self) -> Note:
        """A mutation that will leave a text of its own; sometimes one that was asked for before."""
        if self.notes and self.random.random() < 0.1:
            text = self.random.choice(list(self.notes))
        else:
            text = f"{len(self.notes):04}"
            rooms = self.random.sample(ROOMS, self.random.choice([0, 1, 1, 2]))
            self.notes[text] = Note(text, tuple(rooms))
        return self.notes[text]

    def send(self) -> None:
        """A mutation over a socket."""
        viewer = self.random.choice(self.viewers)
        path, args, call_id = self.any_note().mutation()
        viewer.mutate(path, call_id=call_id, **args)

    def write(self) -> None:
        """A mutation over HTTP."""
        self.start(self._write(self.any_note()))

    async def _write(self, note: Note) -> None:
        path, args, call_id = note.mutation()
        outcome = await self.app.mutation(path, call_id=call_id, **args)
        self.outcomes.setdefault(call_id, []).append(outcome)

    def ask(self) -> None:
        """A query over HTTP."""
        path, room = self.random.choice(QUERIES), self.random.choice(ROOMS)
        self.start(self._ask(path, room, self.random.choice([ANONYMOUS, ANN])))

    async def _ask(self, path: str, room: str, asker: Asker) -> None:
        floor = self.app.engine.published_ts
        answer = await self.app.answer(path, asker=asker, room=room)
        assert answer.commit_ts >= floor, "an answer older than what was known when it was asked for"
        self.seen.append(Seen(answer.commit_ts, path, room, asker, _value(answer)))

    def drain(self) -> None:
        self.random.choice(self.viewers).drain()

    def subscribe(self) -> None:
        viewer = self.random.choice(self.viewers)
        if len(viewer.queries) < 6:
            rooms = self.random.sample(ROOMS, 2)
            viewer.subscribe(*((self.random.choice(QUERIES), {"room": room}) for room in rooms))

    def arrive(self) -> None:
        self.viewers.append(Viewer(self.app, self.random.choice([ANONYMOUS, ANN])))

    def leave(self) -> None:
        if len(self.viewers) > 3:
            viewer = self.viewers.pop(self.random.randrange(len(self.viewers)))
            viewer.leave()
            self.left.append(viewer)

    def kill_reader(self) -> None:
        readers = self.app.engine._readers.readers  # noqa: SLF001
        if readers:
            kill(self.random.choice(readers).isolate.pid)

    def kill_writer(self) -> None:
        writer = self.app.engine._writer._writer  # noqa: SLF001
        if writer is not None:
            kill(writer.pid)

    def deploy(self) -> None:
        if self.deploying is None or self.deploying.done():
            self.deploying = self.start(self.app.deploy())

    def start(self, call: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(call)
        self.calls.append(task)
        return task

    # -- what must have come of it

    async def judge(self) -> None:
        commits = self.judge_mutations()
        for viewer in [*self.viewers, *self.left]:
            for version, values in viewer.history:
                for query_id, value in values.items():
                    path, args = viewer.queries[query_id]
                    self.seen.append(Seen(version.ts, path, args["room"], viewer.asker, value))
        for seen in self.seen:
            assert seen.value in (KILLED, expected(commits, seen)), f"not what the database was: {seen}"
        for room in ROOMS:
            now = Seen(self.app.engine.published_ts, "notes:texts", room, ANONYMOUS, None)
            assert await self.app.query("notes:texts", room=room) == expected(commits, now)
        for viewer in self.viewers:
            await viewer.until("the newest", lambda viewer: self.is_current(viewer, commits))
        killed = sum(seen.value == KILLED for seen in self.seen)
        assert killed < len(self.seen) / 4, "too little was seen to judge by"

    def is_current(self, viewer: Viewer, commits: list[tuple[int, Note]]) -> bool:
        now, values = self.app.engine.published_ts, viewer.values()
        queries = [Seen(now, path, args["room"], viewer.asker, None) for path, args in viewer.queries]
        return all(values.get(i) in (KILLED, expected(commits, query)) for i, query in enumerate(queries))

    def judge_mutations(self) -> list[tuple[int, Note]]:
        """What was committed when; asked for again, a mutation has to answer the same."""
        for viewer in self.viewers:
            assert [call_id for call_id, _ in viewer.responses] == viewer.asked, "out of order"
        commits: list[tuple[int, Note]] = []
        for call_id, outcomes in self.outcomes.items():
            note = self.notes[call_id]
            times = {outcome.commit_ts for outcome in outcomes if outcome.failure is None}
            codes = {outcome.failure.code for outcome in outcomes if outcome.failure is not None}
            assert len(times) <= 1, "two commits of one call"
            assert codes <= ({KILLED} if note.rooms else {KILLED, "app_error"}), codes
            commits += [(ts, note) for ts in times]
        return commits


def _value(outcome: Outcome) -> Any:
    return value_of(outcome) if outcome.failure is None else outcome.failure.code


def expected(commits: list[tuple[int, Note]], seen: Seen) -> Any:
    """What this query answers at that timestamp, by what is known to have been written."""
    texts = sorted(note.text for ts, note in commits if ts <= seen.ts and seen.room in note.rooms)
    if seen.path == "notes:texts":
        return texts
    if seen.path == "notes:count":
        return len(texts)
    return [seen.asker.identity.subject if seen.asker.identity else "nobody", str(len(texts))]


@pytest.mark.parametrize("seed", range(3))
def test_everything_seen_was_so(tmp_path: Path, seed: int) -> None:
    """Each view is one snapshot, each mutation happened once or never, and at rest all see the newest."""
    print(f"seed {seed}")

    async def scene(app: App) -> None:
        day = Day(app, seed)
        await day.live()
        await day.judge()

    play(scene, tmp_path, readers=1 + seed % 2)
