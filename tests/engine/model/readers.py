"""
The model's readers: each a process that works when it likes and may die, and the lane's half that hears it late.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from joelclaw.engine.reactor import Round, Shot
from joelclaw.functions.calls import Call, Outcome
from tests.engine.model.clients import Client
from tests.engine.model.database import Query, identity_of, run

if TYPE_CHECKING:
    from tests.engine.model.world import World


class Single(NamedTuple):
    """A query that a client asked without subscribing."""

    client: Client
    query: Query
    identity: str | None
    floor: int

    def call(self) -> Call:
        return Call(path=self.query.path, args=self.query.args, identity=identity_of(self.identity))


class ModelReader:
    """A reader: the lane's half, which hears messages, and the process, which works through its inbox."""

    def __init__(self, world: "World", code: int) -> None:
        self.world = world
        self.code = code
        self.inbox: deque[Callable[[], None]] = deque()
        self.outbox: deque[Callable[[], None]] = deque()
        self.snapshot_ts: int | None = None
        self.round: Round | None = None
        self.asked = False
        self.shot: Shot | None = None
        self.singles: list[Single] = []
        self.singles_now = 0.0
        self.dead = False

    @property
    def busy(self) -> bool:
        return self.round is not None or self.shot is not None

    @property
    def opening(self) -> bool:
        return self.shot is not None or (self.round is not None and self.round.ts is None)

    # What the reactor asks for.

    def open(self, round: Round, /) -> None:
        self.round, self.asked = round, False
        self._tell(partial(self._open, round))

    def run(self, round: Round, calls: list[Call], /) -> None:
        assert round is self.round
        self.world.check_distinct(round)
        if not self.asked:  # Later calls are second runs, for those who cannot share the first.
            self.world.check_needed(round, calls)
        self.asked = True
        for call in calls:
            self._tell(partial(self._run, round, call))

    def close(self, round: Round, /) -> None:
        assert round is self.round
        self._tell(partial(self._close, round))

    def start_singles(self) -> None:
        world = self.world
        self.singles, world.singles = world.singles[:2], world.singles[2:]
        self.singles_now = world.now
        self.shot = world.reactor.begin_shot()
        self._tell(partial(self._run_singles, self.singles, self.singles_now))

    def _tell(self, message: Callable[[], None]) -> None:
        if not self.dead:
            self.inbox.append(message)

    # The process.

    def work(self) -> None:
        self.inbox.popleft()()

    def die(self) -> None:
        """What it said is still on its way; what it was told is lost."""
        self.dead, self.inbox, self.snapshot_ts = True, deque(), None
        self.outbox.append(self._hear_death)

    def _open(self, round: Round) -> None:
        self.snapshot_ts = self.world.open_snapshot(self.code)
        self.outbox.append(partial(self.world.reactor.opened, round, self.snapshot_ts))

    def _run(self, round: Round, call: Call) -> None:
        assert self.snapshot_ts is not None
        assert call.now == round.now
        outcome = run(call, self.code, self.world.states[self.snapshot_ts], call.now)
        self.outbox.append(partial(self._hear_outcome, round, call, outcome))

    def _close(self, _round: Round) -> None:
        self.snapshot_ts = None
        self.outbox.append(self._hear_close)

    def _run_singles(self, singles: list[Single], now: float) -> None:
        """A batch of single queries; perhaps the budget ends before the last."""
        ts = self.world.open_snapshot(self.code)
        done = singles[: self.world.random.randint(1, len(singles))]
        outcomes = [run(single.call(), self.code, self.world.states[ts], now) for single in done]
        self.outbox.append(partial(self._hear_singles, ts, outcomes))

    # The lane hears it.

    def hear(self) -> None:
        self.outbox.popleft()()

    def _hear_outcome(self, round: Round, call: Call, outcome: Outcome) -> None:
        self.world.note_run(round, call, outcome)
        self.world.reactor.outcome(round, outcome)

    def _hear_close(self) -> None:
        round, self.round = self.round, None
        assert round is not None
        assert not any(s.round is round for s in round.subscribers if s.alive), "I9 left without an answer"
        self.world.reactor.finished(round)
        self.world.dismiss_old_readers()

    def _hear_singles(self, ts: int, outcomes: list[Outcome]) -> None:
        world, shot, singles, now = self.world, self.shot, self.singles, self.singles_now
        assert shot is not None
        self.shot, self.singles = None, []
        world.singles[:0] = singles[len(outcomes) :]
        world.finish_singles(shot, ts, now, list(zip(singles, outcomes, strict=False)), self.code)
        world.dismiss_old_readers()

    def _hear_death(self) -> None:
        self.dead = False  # Another process takes its place.
        if self.round is not None:
            round, self.round = self.round, None
            self.world.reactor.finished(round)
        if self.shot is not None:
            shot, self.shot = self.shot, None
            self.world.singles[:0] = self.singles
            self.singles = []
            self.world.reactor.end_shot(shot)
        self.world.dismiss_old_readers()
