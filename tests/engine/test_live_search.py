"""Searches on real isolates: live over commits and deploys, in actions, and in a writer that dies."""

from pathlib import Path

import pytest

from joelclaw.errors import AppRefused
from tests.engine.engines import App, Viewer, play, value_of
from tests.functions.deployment import write_app

FILES = {
    "schema.py": """
        from joelclaw import Table, search_index, vector_index

        class Note(Table):
            __table__ = "notes"
            room: str
            text: str
            vector: list[float] | None = None
            search_text = search_index("text", filter=["room"])
            by_vector = vector_index("vector", dimensions=2, filter=["room"])
    """,
    "__init__.py": "",
    "notes.py": """
        from joelclaw import *
        from schema import Note

        @query(allow=anyone)
        def found(ctx: QueryCtx, room: str, text: str) -> list[str]:
            return [note.text for note in ctx.db.search(Note.search_text, text, room=room).take(5)]

        @query(allow=anyone)
        def found_dice(ctx: QueryCtx, text: str) -> float:
            ctx.db.search(Note.search_text, text).first()
            return ctx.random.random()

        @query(allow=anyone)
        def near(ctx: QueryCtx, room: str) -> list[str]:
            hits = ctx.db.vector_search(Note.by_vector, [1.0, 0.0], room=room, limit=2)
            return [ctx.db.require(hit.id).text for hit in hits]

        @mutation(allow=anyone)
        def add(ctx: MutationCtx, room: str, text: str, vector: list[float] | None = None) -> int:
            ctx.db.insert(Note(room=room, text=text, vector=vector))
            return ctx.db.search(Note.search_text, text, room=room).count()

        @mutation(allow=anyone)
        def edit(ctx: MutationCtx, old: str, new: str) -> None:
            note = ctx.db.search(Note.search_text, old).first()
            assert note is not None
            ctx.db.patch(note, text=new)

        @mutation(allow=anyone)
        def near_in_mutation(ctx: MutationCtx, room: str) -> int:
            return len(ctx.db.vector_search(Note.by_vector, [1.0, 0.0], room=room))

        @action(allow=anyone)
        async def near_in_action(ctx: ActionCtx, room: str) -> list[float]:
            hits = await ctx.vector_search(Note.by_vector, [3.0, 0.0], room=room)
            return [round(hit.score, 3) for hit in hits]
    """,
    "faults.py": """
        import os
        from joelclaw import *

        @mutation(allow=anyone)
        def writer_pid(ctx: MutationCtx) -> int:
            return os.getpid()
    """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    write_app(tmp_path / "app", FILES)
    return tmp_path


def test_a_live_search_follows_what_it_finds(folder: Path) -> None:
    """An insert, a change and a change of rank show; a search in another room, or for other words, is not run again."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:found", {"room": "a", "text": "self hos"}), ("notes:foundDice", {"text": "zebra"}))
        await viewer.until("a first view", lambda viewer: len(viewer.view) == 2)
        dice = viewer.values()[1]
        assert await app.mutate("notes:add", room="a", text="hosted") == 1
        await viewer.sees(["hosted"], dice)
        await app.mutate("notes:add", room="b", text="self hosted")
        await app.mutate("notes:add", room="a", text="self hosted")
        await viewer.sees(["self hosted", "hosted"], dice)
        await app.mutate("notes:edit", old="zebras hosted", new="something else")
        await app.mutate("notes:add", room="a", text="zebra")
        await viewer.until("another roll", lambda viewer: viewer.values()[1] != dice)

    play(scene, folder)


def test_vectors_in_queries_mutations_and_actions(folder: Path) -> None:
    """Nearest first, in every kind of function; a live query hears of a nearer one in its room."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        viewer.subscribe(("notes:near", {"room": "a"}))
        await viewer.sees([])
        await app.mutate("notes:add", room="a", text="far", vector=[0.0, 1.0])
        await app.mutate("notes:add", room="b", text="elsewhere", vector=[1.0, 0.0])
        await viewer.sees(["far"])
        await app.mutate("notes:add", room="a", text="near", vector=[1.0, 0.1])
        await viewer.sees(["near", "far"])
        assert await app.mutate("notes:nearInMutation", room="a") == 2
        assert value_of(await app.act("notes:nearInAction", room="a")) == [0.995, 0.0]
        refused = await app.mutation("notes:add", room="a", text="wrong", vector=[1.0, 2.0, 3.0])
        assert refused.failure is not None
        assert "Expected a vector with dimensions 2, received 3" in refused.failure.message

    play(scene, folder)


def test_a_deploy_adds_a_search_to_documents_that_are_there(folder: Path) -> None:
    """An index that a deploy redefines covers them, and live searches go on."""

    async def scene(app: App) -> None:
        viewer = Viewer(app)
        await app.mutate("notes:add", room="a", text="hosted")
        viewer.subscribe(("notes:found", {"room": "a", "text": "host"}))
        await viewer.sees(["hosted"])
        app.rewrite('filter=["room"])', 'filter=["room", "text"])', "schema.py")
        app.rewrite("room=room).take(5)", "room=room).take(6)")
        await app.deploy()
        await app.mutate("notes:add", room="a", text="host")
        await viewer.sees(["host", "hosted"])

    play(scene, folder)


def test_a_vector_that_does_not_fit_refuses_the_deploy(folder: Path) -> None:
    """With the document and what was expected; the old code goes on serving, with the old index."""

    async def scene(app: App) -> None:
        await app.mutate("notes:add", room="a", text="near", vector=[1.0, 0.1])
        app.rewrite("dimensions=2", "dimensions=3", "schema.py")
        with pytest.raises(AppRefused, match="Expected a vector with dimensions 3, received 2"):
            await app.deploy()
        assert await app.query("notes:near", room="a") == ["near"]

    play(scene, folder)


def test_a_killed_writer_leaves_no_half_of_an_entry(folder: Path) -> None:
    """Whatever was committed is found and counted once, whatever was not is not found."""

    async def scene(app: App) -> None:
        for number in range(3):
            await app.mutate("notes:add", room="a", text=f"word {number}")
            await app.kill_writer()
        assert await app.mutate("notes:add", room="a", text="word") == 4
        assert len(await app.query("notes:found", room="a", text="word")) == 4

    play(scene, folder)
