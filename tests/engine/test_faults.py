"""Deaths and hangs on real processes: only who is guilty fails, and nothing is lost or done twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from joelclaw.functions.calls import Outcome
from tests.engine.engines import App, Viewer, kill, play, within_patience

HANGS_S = 1.5
"""What takes so long is ended by the engine. Others have to answer sooner, also on a machine that is busy."""


def died(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.code == "isolate_died"


# -- readers


def test_a_query_that_aborts_fails_alone(tmp_path: Path) -> None:
    """Those that waited with it are answered; it fails, and quickly until it has rested."""

    async def scene(app: App) -> None:
        await app.mutate("notes:add", room="bad", text="abort")
        answers = await asyncio.gather(
            app.answer("notes:count", room="bad"),
            app.answer("faults:abort", room="bad"),
            app.answer("notes:count", room="good"),
            app.answer("faults:abort", room="good"),
        )
        assert [answer.failure is None for answer in answers] == [True, False, True, True]
        assert died(answers[1])
        pid = await app.query("faults:pid")
        assert died(await app.answer("faults:abort", room="bad"))
        assert await app.query("faults:hoard", megabytes=0) == pid, "it was run again, and has cost another process"

    play(scene, tmp_path)


def test_a_subscription_that_aborts_fails_alone(tmp_path: Path) -> None:
    """The subscriber is told so, together with its other queries; other subscribers do not notice."""

    async def scene(app: App) -> None:
        sick, healthy = Viewer(app), Viewer(app)
        sick.subscribe(("notes:count", {"room": "bad"}), ("faults:abort", {"room": "bad"}))
        healthy.subscribe(("notes:count", {"room": "bad"}), ("faults:abort", {"room": "good"}))
        await sick.sees(0, 0)
        await app.mutate("notes:add", room="bad", text="abort")
        await sick.sees(1, "isolate_died")
        await healthy.sees(1, 0)
        await app.mutate("notes:add", room="bad", text="more")
        await sick.sees(2, "isolate_died")

    play(scene, tmp_path)


def test_a_query_that_hangs_in_c_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No interrupt reaches it, so its process is killed; queries that wait for the reader are answered."""
    monkeypatch.setattr("joelclaw.engine.engine.KILL_GRACE_S", 0.0)

    async def scene(app: App) -> None:
        app.engine.limit(replace(app.engine.limits, transaction_wall_s=HANGS_S))
        hanging, other = await asyncio.gather(app.answer("faults:hang"), app.answer("notes:count", room="a"))
        assert died(hanging)
        assert other.value == b"0"

    play(scene, tmp_path)


def test_readers_that_are_killed_are_replaced(tmp_path: Path) -> None:
    """Whoever waits for a reader gets its answer, whenever the reader is killed."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:count", {"room": "a"}))
        for number in range(5):
            await viewer.sees(number)
            pid = int((await app.answer("faults:hoard", megabytes=0)).value)
            write = asyncio.create_task(app.mutate("notes:add", room="a", text=str(number)))
            kill(pid)
            await write
            assert await app.query("notes:count", room="a") == number + 1

    play(scene, tmp_path)


def test_a_reader_that_has_grown_is_replaced(tmp_path: Path) -> None:
    """Above its memory it makes way for another, between batches: nobody sees an error."""

    async def scene(app: App) -> None:
        large = await app.query("faults:hoard", megabytes=100)
        assert await app.query("faults:pid") != large

    play(scene, tmp_path, memory_bytes=90_000_000)


# -- the writer


def test_a_mutation_that_aborts_fails_alone(tmp_path: Path) -> None:
    """It writes nothing; the others of its batch are committed, each once."""

    async def scene(app: App) -> None:
        outcomes = await asyncio.gather(
            *(app.mutation("notes:increment", name="n") for _ in range(5)),
            app.mutation("faults:abortMutation", room="a"),
            *(app.mutation("notes:increment", name="n") for _ in range(5)),
        )
        assert [died(outcome) for outcome in outcomes] == [False] * 5 + [True] + [False] * 5
        assert await app.query("notes:counter", name="n") == 10
        assert await app.query("notes:texts", room="a") == []

    play(scene, tmp_path)


def test_a_writer_that_dies_after_commit_has_committed(tmp_path: Path) -> None:
    """The commit's reply is found in the database: all are answered, subscribers see it, and nothing runs again."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:counter", {"name": "n"}))
        await viewer.sees(0)
        viewer.mutate("notes:increment", name="n")
        outcomes = await asyncio.gather(
            *(app.mutation("notes:increment", name="n") for _ in range(5)),
            app.mutation("notes:refuse", room="a"),
            app.mutation("faults:dieAfterCommit", room="a"),
            app.mutation("notes:increment", name="n"),
        )
        assert [outcome.failure is None for outcome in outcomes] == [True] * 5 + [False, True, True]
        assert await app.query("notes:texts", room="a") == ["left by the dead"]
        await viewer.sees(7)
        assert viewer.settled
        assert await app.mutate("notes:increment", name="n") == 8

    play(scene, tmp_path)


def test_a_writer_that_dies_before_commit_has_not(tmp_path: Path) -> None:
    """All of the batch run again one by one; only who is guilty fails, and writes nothing."""

    async def scene(app: App) -> None:
        outcomes = await asyncio.gather(
            *(app.mutation("notes:increment", name="n") for _ in range(5)),
            app.mutation("faults:dieBeforeCommit", room="a"),
            app.mutation("notes:increment", name="n"),
        )
        assert [died(outcome) for outcome in outcomes] == [False] * 5 + [True, False]
        assert await app.query("notes:counter", name="n") == 6
        assert await app.query("notes:texts", room="a") == []

    play(scene, tmp_path)


def test_a_mutation_that_hangs_in_c_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process is killed, the write lock free again, the others done."""
    monkeypatch.setattr("joelclaw.engine.engine.KILL_GRACE_S", 0.0)

    async def scene(app: App) -> None:
        app.engine.limit(replace(app.engine.limits, transaction_wall_s=HANGS_S))
        hanging, other = await asyncio.gather(
            app.mutation("faults:hangMutation", room="a"), app.mutation("notes:increment", name="n")
        )
        assert died(hanging)
        assert other.value == b"1"
        assert await app.query("notes:texts", room="a") == []

    play(scene, tmp_path)


def test_a_writer_that_has_grown_is_replaced(tmp_path: Path) -> None:
    """Above its memory it makes way for another; its answer stands."""

    async def scene(app: App) -> None:
        large = await app.mutate("faults:hoardInWriter", megabytes=100)
        assert await app.mutate("faults:writerPid") != large

    play(scene, tmp_path, memory_bytes=90_000_000)


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_killed_under_load_loses_and_repeats_nothing(tmp_path: Path, seed: int) -> None:
    """Whether before, in or after COMMIT: every mutation is acknowledged, in order, and done once."""
    rnd = random.Random(seed)

    async def scene(app: App) -> None:
        viewers = [Viewer(app) for _ in range(4)]
        for number, viewer in enumerate(viewers):
            viewer.subscribe(("notes:texts", {"room": str(number)}), ("notes:counter", {"name": "n"}))
        pid = await app.mutate("faults:writerPid")
        sent = [0] * 4
        for _ in range(6):
            for number, viewer in enumerate(viewers):
                for _ in range(25):
                    text = f"{sent[number]:04}"
                    sent[number] += 1
                    viewer.mutate("notes:add", room=str(number), text=text, call_id=f"{number}-{text}")
                    # Without a call id, too: the gateway knows by itself what was committed.
                    viewer.mutate("notes:increment", name="n")
            enough = rnd.randrange(1, 2 * sent[0])
            await viewers[0].answered(enough)
            kill(pid)
            pid = await app.mutate("faults:writerPid")
        for number, viewer in enumerate(viewers):
            texts = [f"{n:04}" for n in range(sent[number])]
            await viewer.sees(texts, sum(sent))
            answered = [name for name, _ in viewer.responses if name != "notes:increment"]
            assert answered == [f"{number}-{text}" for text in texts], f"seed {seed}"
            failed = [outcome for _, outcome in viewer.responses if outcome.failure is not None]
            assert not failed, f"seed {seed}: innocent mutations failed"
            assert viewer.settled

    play(scene, tmp_path)


def test_the_log_is_emptied_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers pause for a checkpoint, and nobody's call is lost. Only an emptied log's file grows smaller."""
    monkeypatch.setattr("joelclaw.engine.engine.WRITE_AHEAD_LOG_BYTES_MAX", 200_000)

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:count", {"room": "a"}))
        text, sizes = "x" * 2_000, []
        for batch in range(30):
            adds = (app.mutate("notes:add", room="a", text=f"{batch}-{n}-{text}") for n in range(20))
            reads = (app.query("notes:count", room=f"{n}") for n in range(5))
            await asyncio.gather(*adds, *reads)
            sizes.append(app.database.with_name("data.db-wal").stat().st_size)
        await viewer.sees(600)
        assert any(after < before for before, after in pairwise(sizes)), sizes

    play(scene, tmp_path, readers=2)


# -- the actor


def test_a_dead_actor_takes_its_actions_with_it(tmp_path: Path) -> None:
    """They fail and are not run again; what they wrote stays, and the next action finds another process."""

    async def scene(app: App) -> None:
        waiting = asyncio.create_task(app.act("faults:waitForFile", file=str(tmp_path / "never")))
        aborted = await app.act("faults:addAndAbort", room="a")
        assert died(aborted)
        assert died(await within_patience("the other's failure", waiting))
        assert await app.query("notes:texts", room="a") == ["before"]
        assert (await app.act("faults:addAndCount", room="a")).value == b"2"

    play(scene, tmp_path)


# -- the gateway


GATEWAY = """
import asyncio, sys
from pathlib import Path
from tests.engine.engines import App, encoded
from joelclaw.engine.asker import ANONYMOUS

async def main():
    app = App(Path(sys.argv[1]))
    await app.deploy()
    async def write(number):
        for n in range(10_000):
            text = f"{number}-{n}"
            args = encoded({"room": "a", "text": text})
            outcome = await app.engine.mutate("notes:add", args, ANONYMOUS, call_id=text)
            assert outcome.failure is None, outcome
            print(text, outcome.commit_ts, flush=True)
    await asyncio.gather(*(write(number) for number in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(2))
def test_a_gateway_killed_under_load_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """A new one on the same database has all that was answered; who asks again gets the first answer."""
    rnd = random.Random(seed)
    command = [sys.executable, "-c", GATEWAY, str(tmp_path)]
    gateway = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert gateway.stdout is not None
    enough = rnd.randrange(50, 300)
    acknowledged = dict(gateway.stdout.readline().split() for _ in range(enough))
    os.kill(gateway.pid, signal.SIGKILL)
    acknowledged |= dict(line.split() for line in gateway.stdout if line.endswith("\n"))
    gateway.wait()
    print(f"seed {seed}: {len(acknowledged)} acknowledged")

    async def scene(app: App) -> None:
        texts = await app.query("notes:texts", room="a")
        assert len(texts) == len(set(texts)), "something ran twice"
        assert set(acknowledged) <= set(texts), "something acknowledged is lost"
        assert app.engine.published_ts >= max(map(int, acknowledged.values()))
        for text in rnd.sample(texts, 20):
            outcome = await app.mutation("notes:add", room="a", text=text, call_id=text)
            assert outcome.commit_ts == int(acknowledged.get(text, outcome.commit_ts))
        assert sorted(await app.query("notes:texts", room="a")) == sorted(texts)

    play(scene, tmp_path)
