"""Calls on real isolates: order, snapshots, and that what was written once is written once."""

import asyncio
from pathlib import Path

from joelclaw.engine.asker import asker_of
from joelclaw.functions.calls import Identity
from tests.engine.engines import App, Viewer, play, within_patience


def user(name: str) -> Identity:
    return Identity(issuer="https://issuer", subject=name, token_identifier=f"https://issuer|{name}", claims={})


def test_who_reads_after_his_write_sees_it(tmp_path: Path) -> None:
    """Whether answered by a reader or from memory: the write is in it."""

    async def scene(app: App) -> None:
        for number in range(20):
            await app.mutate("notes:add", room="a", text=f"{number:02}")
            assert await app.query("notes:count", room="a") == number + 1
            assert await app.query("notes:count", room="a") == number + 1

    play(scene, tmp_path)


def test_equal_answers_come_from_memory(tmp_path: Path) -> None:
    """A query that no commit touched is not run again, and one for a single person is for nobody else."""

    async def scene(app: App) -> None:
        reads = app.engine.reactor.recall
        await app.query("notes:mine", room="a", asker=asker_of(user("ann")))
        ann = reads(app.engine._key("notes:mine", b'{"room":"a"}', asker_of(user("ann"))), asker_of(user("ann")).key)  # noqa: SLF001
        assert ann is not None
        assert await app.query("notes:mine", room="a", asker=asker_of(user("ben"))) == ["ben", "0"]
        await app.mutate("notes:add", room="b", text="elsewhere")
        again, _ = await app.engine.query("notes:mine", b'{"room":"a"}', asker_of(user("ann")))
        assert again is ann

    play(scene, tmp_path)


def test_mutations_of_one_connection_run_in_order(tmp_path: Path) -> None:
    """However they are batched, among those of others."""

    async def scene(app: App) -> None:
        viewers = [Viewer(app) for _ in range(3)]
        for number in range(60):
            for name, viewer in zip("abc", viewers, strict=True):
                viewer.mutate("notes:add", room=name, text=f"{number:03}", call_id=f"{name}{number}")
        for name, viewer in zip("abc", viewers, strict=True):
            await viewer.until("all responses", lambda viewer: len(viewer.responses) == 60 and viewer.settled)
            assert [answered for answered, _ in viewer.responses] == [f"{name}{number}" for number in range(60)]
            commits = [outcome.commit_ts for _, outcome in viewer.responses]
            assert commits == sorted(commits)

    play(scene, tmp_path)


def test_mutations_that_wait_together_share_commits(tmp_path: Path) -> None:
    """A hundred at once need few commits; each has its own outcome."""

    async def scene(app: App) -> None:
        increments = [app.mutation("notes:increment", name="n") for _ in range(100)]
        outcomes = await asyncio.gather(*increments)
        assert sorted(int(outcome.value) for outcome in outcomes) == list(range(1, 101))
        assert len({outcome.commit_ts for outcome in outcomes}) < 100

    play(scene, tmp_path)


def test_a_failed_mutation_leaves_nothing(tmp_path: Path) -> None:
    """Its neighbours in the batch stay."""

    async def scene(app: App) -> None:
        before, refused, after = await asyncio.gather(
            app.mutation("notes:add", room="a", text="before"),
            app.mutation("notes:refuse", room="a"),
            app.mutation("notes:add", room="a", text="later"),
        )
        assert (before.failure, after.failure) == (None, None)
        assert refused.failure is not None
        assert await app.query("notes:texts", room="a") == ["before", "later"]

    play(scene, tmp_path)


def test_a_call_id_runs_once(tmp_path: Path) -> None:
    """Asked again, together or later, it answers the first outcome and commit."""

    async def scene(app: App) -> None:
        first, at_once = await asyncio.gather(
            *(app.mutation("notes:increment", name="n", call_id="once") for _ in range(2))
        )
        later = await app.mutation("notes:increment", name="n", call_id="once")
        assert {(outcome.value, outcome.commit_ts) for outcome in (first, at_once, later)} == {(b"1", first.commit_ts)}
        assert await app.query("notes:counter", name="n") == 1

    play(scene, tmp_path)


def test_a_call_id_outlives_the_engine(tmp_path: Path) -> None:
    """Another engine on the same database finds the record, and timestamps go on."""

    async def increment(app: App) -> tuple[bytes, int, int]:
        outcome = await app.mutation("notes:increment", name="n", call_id="once")
        return outcome.value, outcome.commit_ts, app.engine.published_ts

    first, again = play(increment, tmp_path), play(increment, tmp_path)
    assert again[:2] == first[:2] == (b"1", first[1])
    assert again[2] >= first[2]


def test_a_view_is_one_snapshot(tmp_path: Path) -> None:
    """Two queries that are written to together are never seen apart."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:count", {"room": "a"}), ("notes:count", {"room": "b"}))
        await viewer.sees(0, 0)
        for number in range(40):
            viewer.mutate("notes:addToBoth", left="a", right="b", text=str(number))
        await viewer.sees(40, 40)
        assert all(values[0] == values[1] for _, values in viewer.history)

    play(scene, tmp_path, readers=2)


def test_equal_queries_of_many_run_once(tmp_path: Path) -> None:
    """A commit that concerns a hundred subscribers of one query costs one run."""

    async def scene(app: App) -> None:
        viewers = [Viewer(app) for _ in range(100)]
        for viewer in viewers:
            viewer.subscribe(("notes:texts", {"room": "a"}))
        for viewer in viewers:
            await viewer.sees([])
        kept = app.engine.reactor.cache
        await app.mutate("notes:add", room="a", text="hello")
        for viewer in viewers:
            await viewer.sees(["hello"])
        assert len({id(viewer.subscriber.queries[0].entry) for viewer in viewers}) == 1
        assert len(kept) == 1

    play(scene, tmp_path)


def test_an_answer_is_not_lost_with_who_asked_first(tmp_path: Path) -> None:
    """Equal queries that wait together run once; whoever gives up does not take the answer from the others."""

    async def scene(app: App) -> None:
        busy = asyncio.create_task(app.query("notes:version"))
        await asyncio.sleep(0)
        first = asyncio.create_task(app.query("notes:count", room="a"))
        second = asyncio.create_task(app.query("notes:count", room="a"))
        await asyncio.sleep(0)
        first.cancel()
        assert await within_patience("the second answer", second) == 0
        assert await busy == 1

    play(scene, tmp_path)


def test_actions_call_functions(tmp_path: Path) -> None:
    """What an action wrote is there for its own queries, at once."""

    async def scene(app: App) -> None:
        counts = await asyncio.gather(*(app.act("faults:addAndCount", room=f"r{n}") for n in range(10)))
        assert [outcome.value for outcome in counts] == [b"1"] * 10

    play(scene, tmp_path)
