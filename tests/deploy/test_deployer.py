"""`joelclaw.deploy`: what is saved is checked and served, or told; on a real engine with real isolates."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from joelclaw.deploy import deployer
from joelclaw.engine import isolate_process
from joelclaw.engine.engine import Engine
from tests.deploy.workshop import NOTES, SCHEMA, Live, Workshop, lay_out, save, until, word, workshop
from tests.engine.engines import until_there, within_patience

TOO_LONG_S = 600
"""For an import: a number that nobody else waits for."""

Scene = Callable[[Workshop], Awaitable[None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    lay_out(root)
    return root


@pytest.fixture
def play(root: Path) -> Callable[[Scene], None]:
    """Plays a scene in a workshop on `root`; the first deploy has been told when it begins."""

    def play(scene: Scene) -> None:
        async def run() -> None:
            async with workshop(root) as shop:
                assert (await shop.live()).first
                await scene(shop)
                shop.assert_nothing_more_told()

        asyncio.run(run())

    return play


# -- code


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("def f(:\n", "app_functions/b.py:1: app_functions.b: is no Python: invalid syntax"),
        ("\nimport nowhere\n", "app_functions/b.py:2: app_functions.b: cannot be imported: ModuleNotFoundError: "),
        ("def f():\n    raise KeyError('x')\nf()\n", "app_functions/b.py:2: app_functions.b: cannot be imported: KeyE"),
        (word("x").replace("-> str", "-> set[str]"), "app_functions/b.py:5: b.word, result: set[str] has no wire form"),
        ("import sys\nsys.exit(3)\n", "app_functions/b.py:2: app_functions.b: cannot be imported: SystemExit: 3"),
        ("import os\n\nos.abort()\n", "app_functions/b.py:3: app_functions.b: ended the process that imported it"),
        ("import os\nos._exit(4)\n", "the new process ended with exit code 4 while it imported the app"),
        (
            "import ctypes\nctypes.string_at(0)\n",
            "app_functions/b.py:2: app_functions.b: ended the process that imported it: Segmentation fault",
        ),
    ],
)
def test_broken_code_is_told_once_and_the_old_serves(
    play: Callable[[Scene], None], root: Path, broken: str, told: str
) -> None:
    """File, line and reason; saved again, it is not told again; mended, that is told."""

    async def scene(shop: Workshop) -> None:
        assert (await shop.saved_and_refused("app_functions/b.py", broken)).startswith(told)
        assert await shop.mutate("notes:add", text="still here")
        assert await shop.query("notes:texts") == ["still here"]
        shop.save("app_functions/b.py", broken)
        assert "b:word" in (await shop.saved_and_live("app_functions/b.py", word("mended"))).functions
        assert await shop.query("b:word") == "mended"

    save(root, "app_functions/b.py", word("first"))
    play(scene)


def test_the_way_back_is_told(play: Callable[[Scene], None]) -> None:
    """A mistake that is taken back leaves what serves, and that is said."""

    async def scene(shop: Workshop) -> None:
        release = shop.engine.release
        await shop.saved_and_refused("app_functions/notes.py", "def (")
        await shop.saved_and_live("app_functions/notes.py", NOTES)
        assert shop.engine.release is release

    play(scene)


def test_an_endless_import_gives_way_to_the_next_save(play: Callable[[Scene], None], root: Path) -> None:
    """Nobody waits for code that has been replaced; its processes end."""

    async def scene(shop: Workshop) -> None:
        shop.save("app_functions/b.py", f"open({str(root / 'began')!r}, 'w')\nwhile True: pass\n")
        await until_there(root / "began")
        await shop.saved_and_live("app_functions/b.py", word("free"))
        assert await shop.query("b:word") == "free"

    play(scene)


async def until_begun(root: Path, processes: int) -> list[int]:
    """Wait until so many processes have told by a file that they are importing; their ids."""

    def pids() -> list[int]:
        return [int(path.suffix[1:]) for path in root.glob("began.*")]

    async def wait() -> None:
        while len(pids()) < processes:
            await asyncio.sleep(0.005)

    await within_patience(f"{processes} processes that import", wait())
    return pids()


def test_an_endless_import_is_ended_and_told_with_its_line(
    play: Callable[[Scene], None], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time it is stopped, and asked where it was; meanwhile it is said that it takes long."""
    timeout = asyncio.timeout
    deadlines: list[asyncio.Timeout] = []

    def deadline(delay: float | None) -> asyncio.Timeout:
        """That of an import is over when the test says so."""
        made = timeout(delay)
        if delay == TOO_LONG_S:
            deadlines.append(made)
        return made

    async def scene(shop: Workshop) -> None:
        monkeypatch.setattr(isolate_process, "LOAD_TIMEOUT_S", TOO_LONG_S)
        monkeypatch.setattr(deployer, "SLOW_LOAD_S", 0.0)
        monkeypatch.setattr(asyncio, "timeout", deadline)
        began = f"import os; open({str(root)!r} + f'/began.{{os.getpid()}}', 'w')"
        shop.save("app_functions/b.py", f"def wait():\n    {began}\n    while True:\n        pass\nwait()\n")
        await within_patience("the telling", shop.notebook.told_slow.wait())
        await until_begun(root, 3)
        for one in deadlines:
            one.reschedule(asyncio.get_running_loop().time())
        assert await shop.refused() in {
            f"app_functions/b.py:{line}: app_functions.b: was not imported within {TOO_LONG_S} s" for line in (2, 3, 4)
        }
        assert await shop.query("notes:texts") == []

    play(scene)


def test_two_saves_within_one_second_both_take_effect(play: Callable[[Scene], None]) -> None:
    """Also when size and time of the file say nothing."""

    async def scene(shop: Workshop) -> None:
        for text in ("one", "two", "six", "one"):
            shop.save("app_functions/b.py", word(text))
            os.utime(shop.root / "app_functions" / "b.py", (1_700_000_000, 1_700_000_000))
            await shop.live()
            assert await shop.query("b:word") == text

    play(scene)


@pytest.mark.parametrize("moment", ["before it is seen", "while it is imported", "while it is installed"])
def test_a_save_while_another_is_taken_over_is_taken_too(play: Callable[[Scene], None], moment: str) -> None:
    """Whatever the moment, what was saved last is what serves in the end."""

    async def scene(shop: Workshop) -> None:
        facts = {
            "before it is seen": lambda: True,
            "while it is imported": lambda: shop.deployer._loading,  # noqa: SLF001
            "while it is installed": shop.engine._deploying.locked,  # noqa: SLF001
        }
        for number in range(5):
            shop.save("app_functions/b.py", word(f"{number}"))
            await within_patience(moment, until(facts[moment]))
        while "b:word" not in (await shop.live()).functions or await shop.query("b:word") != "4":
            pass

    play(scene)


def test_files_and_folders_come_go_and_change_names(play: Callable[[Scene], None]) -> None:
    """Each step is live by itself, in folders that were made or moved meanwhile as well."""

    async def scene(shop: Workshop) -> None:
        async def until_live(*paths: str) -> None:
            # A folder and the files in it may be seen as several changes.
            while (await shop.live()).functions != {"notes:texts", "notes:add", "notes:forget", *paths}:
                pass

        folder = shop.root / "app_functions"
        shop.save("app_functions/ops/deep/b.py", word("b"))
        await until_live("ops/deep/b:word")
        shop.save("app_functions/ops/deep/c.py", word("c"))
        await until_live("ops/deep/b:word", "ops/deep/c:word")
        (folder / "ops").rename(folder / "jobs")
        await until_live("jobs/deep/b:word", "jobs/deep/c:word")
        shop.save("app_functions/jobs/deep/c.py", word("changed"))
        await until_live("jobs/deep/b:word", "jobs/deep/c:word")
        assert await shop.query("jobs/deep/c:word") == "changed"
        (folder / "jobs" / "deep" / "b.py").rename(folder / "b.py")
        await until_live("b:word", "jobs/deep/c:word")
        shutil.rmtree(folder / "jobs")
        await until_live("b:word")

    play(scene)


def test_the_folder_of_functions_may_go_and_come_back(play: Callable[[Scene], None]) -> None:
    """Without it nothing is taken over, least of all an app without functions."""

    async def scene(shop: Workshop) -> None:
        (shop.root / "app_functions").rename(shop.root / "elsewhere")
        assert "there is no such folder" in await shop.refused()
        assert await shop.query("notes:texts") == []
        (shop.root / "elsewhere").rename(shop.root / "app_functions")
        await shop.live()
        await shop.saved_and_live("app_functions/b.py", word("followed"))

    play(scene)


def test_the_schema_may_go_and_come_back(play: Callable[[Scene], None]) -> None:
    """Documents stay where they are."""

    async def scene(shop: Workshop) -> None:
        await shop.mutate("notes:add", text="kept")
        (shop.root / "schema.py").unlink()
        assert "No module named 'schema'; make schema.py" in await shop.refused()
        await shop.saved_and_live("schema.py", SCHEMA)
        assert await shop.query("notes:texts") == ["kept"]

    play(scene)


def test_many_files_at_once_are_one_app(play: Callable[[Scene], None]) -> None:
    """A checkout of files that need each other ends with all of them live, and nothing of the way is told as wrong."""

    async def scene(shop: Workshop) -> None:
        for number in range(40, 0, -1):
            shop.save(f"app_functions/m{number}.py", f"from app_functions import m{number - 1}\n" + word(f"{number}"))
        shop.save("app_functions/m0.py", word("0"))
        while len((await shop.live()).functions) < 44:
            pass
        assert await shop.query("m40:word") == "40"

    play(scene)


def test_what_functions_import_from_beside_them_is_followed(play: Callable[[Scene], None]) -> None:
    """A package of the project's own is found, its changes are live, and so is one that was missing."""

    async def scene(shop: Workshop) -> None:
        text = word("").replace("return ''", "return text.SAID").replace("from", "from lib import text\nfrom", 1)
        assert "No module named 'lib'" in await shop.saved_and_refused("app_functions/b.py", text)
        shop.save("lib/text.py", "SAID = 'one'\n")
        while not isinstance(await shop.told(), Live):
            pass  # The folder may be seen before the file in it.
        assert await shop.query("b:word") == "one"
        await shop.saved_and_live("lib/text.py", "SAID = 'two'\n")
        assert await shop.query("b:word") == "two"
        problem = await shop.saved_and_refused("lib/text.py", "SAID = nothing\n")
        assert problem.startswith("lib/text.py:1: lib.text: cannot be imported: NameError")
        await shop.saved_and_live("lib/text.py", "SAID = 'three'\n")

    play(scene)


def test_what_is_not_the_app_wakes_nobody(play: Callable[[Scene], None]) -> None:
    """Editors' files, the database and its folder, packages of the site, and a save that changes nothing."""

    async def scene(shop: Workshop) -> None:
        release = shop.engine.release
        for name in ("app_functions/.b.py.swp", "app_functions/4913", "data/x.txt", "site/a.ts", "notes.txt"):
            shop.save(name, "x")
        await shop.mutate("notes:add", text="the database is written")
        shop.save("app_functions/notes.py", NOTES)
        (shop.root / "app_functions" / "notes.py").touch()
        assert shop.engine.release is release
        # What comes after is told next, so nothing of the above was.
        await shop.saved_and_live("app_functions/b.py", word("b"))
        assert shop.engine.release is not release
        assert shop.engine.release.number == 2  # type: ignore[union-attr]

    play(scene)


def test_a_process_that_dies_after_broken_saves_is_replaced_from_what_serves(play: Callable[[Scene], None]) -> None:
    """The code that serves is there however often something else was tried."""

    async def scene(shop: Workshop) -> None:
        await shop.saved_and_live("app_functions/b.py", KILLER)
        for number in range(6):
            await shop.saved_and_refused("app_functions/c.py", f"raise ValueError({number})\n")
        assert (await shop.outcome("b:die")).failure is not None
        assert await shop.mutate("notes:add", text="after")
        (shop.root / "app_functions" / "c.py").unlink()
        await shop.live()

    play(scene)


KILLER = """
import os
from joelclaw import MutationCtx, anyone, mutation

@mutation(allow=anyone)
def die(ctx: MutationCtx) -> None:
    os.abort()
"""


# -- documents


def test_a_schema_that_documents_violate_is_refused_until_they_are_mended(play: Callable[[Scene], None]) -> None:
    """The problem names document and field; the old code serves, so that it can mend them; a save tries again."""

    async def scene(shop: Workshop) -> None:
        await shop.mutate("notes:add", text="7")
        id = await shop.mutate("notes:add", text="not a colour")
        strict = SCHEMA.replace("text: str", 'text: Literal["7"]').replace(
            "from", "from typing import Literal\nfrom", 1
        )
        problem = await shop.saved_and_refused("schema.py", strict)
        assert problem.startswith("schema.py:5: Note: ")
        assert f"document {id} in table 'notes' does not match this schema" in problem
        assert "text" in problem.partition("schema: ")[2], problem
        assert await shop.query("notes:texts") == ["7", "not a colour"]
        await shop.mutate("notes:forget", text="not a colour")
        await shop.saved_and_live("schema.py", strict)
        assert await shop.query("notes:texts") == ["7"]
        assert (await shop.outcome("notes:add", text="8")).failure is not None

    play(scene)


def test_a_field_that_documents_have_under_its_old_name_is_refused(play: Callable[[Scene], None]) -> None:
    """A changed wire name is a change of what is stored."""

    async def scene(shop: Workshop) -> None:
        id = await shop.mutate("notes:add", text="old")
        renamed = SCHEMA.replace("text: str", 'text: str = field(name="words")').replace("import", "import field,", 1)
        problem = await shop.saved_and_refused("schema.py", renamed)
        assert f"document {id} in table 'notes'" in problem
        assert "text" in problem or "words" in problem
        await shop.mutate("notes:forget", text="old")
        await shop.saved_and_live("schema.py", renamed)
        await shop.mutate("notes:add", text="new")
        assert await shop.query("notes:texts") == ["new"]

    play(scene)


def test_indexes_are_filled_changed_and_dropped(play: Callable[[Scene], None]) -> None:
    """A new index holds the documents that were there; one that goes leaves nothing; it may come back."""

    async def scene(shop: Workshop) -> None:
        for text in ("b", "a"):
            await shop.mutate("notes:add", text=text)
        with_place = SCHEMA.replace("text: str", "text: str\n    place: int = 5")
        indexed = with_place + '    by_place = index("place", "text")\n'
        await shop.saved_and_live("schema.py", indexed)
        await shop.saved_and_live("app_functions/places.py", PLACES)
        assert await shop.query("places:at", place=5) == ["a", "b"]

        # Documents without the field have the new default, so their keys are others.
        await shop.saved_and_live("schema.py", indexed.replace("= 5", "= 6"))
        assert await shop.query("places:at", place=5) == []
        assert await shop.query("places:at", place=6) == ["a", "b"]

        (shop.root / "app_functions" / "places.py").unlink()
        await shop.live()
        await shop.saved_and_live("schema.py", SCHEMA)
        assert relations(shop.root) == {"notes", "notes.by_creation_time", "notes.byText", "notes.documents"}

    play(scene)


PLACES = """
from joelclaw import QueryCtx, anyone, query
from schema import Note

@query(allow=anyone)
def at(ctx: QueryCtx, place: int) -> list[str]:
    return [note.text for note in ctx.db.query(Note.by_place, place=place)]
"""


def relations(root: Path) -> set[str]:
    """Tables and views of the app in the database file."""
    import sqlite3

    with sqlite3.connect(root / "data" / "joelclaw.db") as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")}
    database.close()
    return {name for name in names if name.startswith("notes")}


def test_a_unique_index_over_duplicates_is_refused(play: Callable[[Scene], None]) -> None:
    """It names both documents; without one of them it is taken, and holds from then on."""

    async def scene(shop: Workshop) -> None:
        ids = [await shop.mutate("notes:add", text="twice") for _ in range(2)]
        unique = SCHEMA.replace('index("text")', 'index("text", unique=True)')
        problem = await shop.saved_and_refused("schema.py", unique)
        assert all(id in problem for id in ids)
        assert problem.startswith("schema.py:")
        assert await shop.query("notes:texts") == ["twice", "twice"]
        await shop.mutate("notes:forget", text="twice")
        await shop.saved_and_live("schema.py", unique)
        await shop.mutate("notes:add", text="once")
        refused = await shop.outcome("notes:add", text="once")
        assert refused.failure is not None
        assert refused.failure.code == "duplicate_key"

    play(scene)


def test_a_table_that_comes_back_has_its_documents(play: Callable[[Scene], None]) -> None:
    """And its indexes hold what was written before it went."""

    async def scene(shop: Workshop) -> None:
        await shop.mutate("notes:add", text="kept")
        (shop.root / "app_functions" / "notes.py").unlink()
        await shop.live()
        await shop.saved_and_live("schema.py", "")
        shop.save("schema.py", SCHEMA)
        await shop.live()
        await shop.saved_and_live("app_functions/notes.py", NOTES)
        assert await shop.query("notes:texts") == ["kept"]
        await shop.mutate("notes:add", text="new")
        assert await shop.query("notes:texts") == ["kept", "new"]

    play(scene)


# -- the declaration


def test_the_declaration_is_followed(play: Callable[[Scene], None], root: Path) -> None:
    """Environment, roles, limits and the folder of types take effect; what only a start applies is said, once."""

    async def scene(shop: Workshop) -> None:
        (declared,) = ((root / "joelclaw.toml").read_text(),)
        shop.save("app_functions/b.py", TOWN)
        await shop.live()
        await shop.saved_and_live("joelclaw.toml", f'{declared}[env]\nTOWN = "Zürich"\n')
        assert await shop.query("b:town") == "Zürich"

        await shop.saved_and_live("joelclaw.toml", f'{declared}[auth.roles]\nowner = ["github:ann"]\n')
        assert shop.engine.roles == {"owner": ["github:ann"]}

        await shop.saved_and_live("joelclaw.toml", "[limits]\nreaders = 2\nisolate_memory_mb = 300\ncache_mb = 0\n")
        assert len(shop.engine._readers.readers) == 2  # noqa: SLF001
        assert shop.engine.reactor.cache.bytes_max == 0

        live = await shop.saved_and_live("joelclaw.toml", f'{declared}[codegen]\ntypescript = ["types"]\n')
        assert {"api.d.ts", "dataModel.d.ts"} <= set(live.written)
        assert "town" in (root / "types" / "api.d.ts").read_text()

        shop.save("joelclaw.toml", f'{declared}[server]\napi_port = 4000\n[store]\nurl = "sqlite:///x.db"\n')
        assert await shop.said() == "restart: [server], [store]"
        await shop.live()
        shop.save("joelclaw.toml", f'{declared}[server]\napi_port = 4000\n[store]\nurl = "sqlite:///x.db"\n# Hm.\n')
        await shop.saved_and_live("app_functions/c.py", word("c"))
        assert not (root / "x.db").exists()

    play(scene)


def test_crons_of_the_declaration_are_followed(play: Callable[[Scene], None], root: Path) -> None:
    """A section is a cron of what serves; one that is wrong is told with its line, and what served serves on."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        line = declared.count("\n") + 1
        shop.save("app_functions/b.py", CLEANING)
        await shop.live()
        nightly = f'{declared}[crons.nightly]\nfunction = "b.clean"\ncron = "0 4 * * *"\nargs = {{ days = 3 }}\n'
        await shop.saved_and_live("joelclaw.toml", nightly)
        [cron] = shop.engine.manifest.crons
        assert (cron.name, cron.function, cron.args) == ("nightly", "b:clean", '{"days":3}')

        told = await shop.saved_and_refused("joelclaw.toml", nightly.replace("clean", "cleen"))
        assert told.startswith(f"joelclaw.toml:{line}: crons.nightly: there is no function 'b.cleen'; did you mean")
        assert shop.engine.manifest.crons == (cron,)
        await shop.saved_and_live("joelclaw.toml", declared)
        assert shop.engine.manifest.crons == ()

    play(scene)


def test_issuers_of_the_declaration_are_followed(play: Callable[[Scene], None], root: Path) -> None:
    """Their tokens count from the deploy on; one that is wrong leaves those that served."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        line = declared.count("\n") + 1
        assert shop.deployer.issuers == ()
        entry = f'{declared}[[auth.issuers]]\ndomain = "a.example.com"\napplication_id = "app"\n'
        await shop.saved_and_live("joelclaw.toml", entry)
        [issuer] = shop.deployer.issuers
        assert issuer.name == "https://a.example.com"

        told = await shop.saved_and_refused("joelclaw.toml", entry.replace("a.example.com", "a"))
        assert told.startswith(f"joelclaw.toml:{line + 1}: [[auth.issuers]]: domain is no address")
        assert shop.deployer.issuers == (issuer,)
        await shop.saved_and_live("joelclaw.toml", declared)
        assert shop.deployer.issuers == ()

    play(scene)


CLEANING = """
from joelclaw import MutationCtx, mutation

@mutation
def clean(ctx: MutationCtx, days: int) -> None: ...
"""


def test_an_app_that_is_too_large_is_refused(play: Callable[[Scene], None], root: Path) -> None:
    """Exactly as many bytes as allowed serve; one more is refused with the largest file, and what served serves on."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        size_bytes = sum(file.stat().st_size for file in [root / "schema.py", *(root / "app_functions").iterdir()])
        await shop.saved_and_live("joelclaw.toml", f"{declared}code_bytes = {size_bytes + 1_000}\n")
        await shop.saved_and_live("app_functions/b.py", word("b").ljust(1_000))
        assert await shop.saved_and_refused("app_functions/b.py", word("c").ljust(1_001)) == (
            f"app_functions/b.py:1: the app's files have {size_bytes + 1_001:,} bytes, and may have at most "
            f"{size_bytes + 1_000:,}; this is the largest, with 1,001; "
            "keep data out of the folder of functions, or raise limits.code_bytes in joelclaw.toml"
        )
        assert await shop.query("b:word") == "b"

    play(scene)


TOWN = """
from joelclaw import QueryCtx, anyone, query

@query(allow=anyone)
def town(ctx: QueryCtx) -> str:
    return ctx.env.get("TOWN", "")
"""


def test_a_broken_declaration_is_told_once_and_holds_nothing_back(play: Callable[[Scene], None], root: Path) -> None:
    """The line is told; code that is saved meanwhile is taken over under the old declaration."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        assert (await shop.saved_and_refused("joelclaw.toml", f"{declared}x = [\n")).startswith("joelclaw.toml:")
        shop.save("joelclaw.toml", f"{declared}x = [\n")
        await shop.saved_and_live("app_functions/b.py", word("b"))
        assert "did you mean [server]?" in await shop.saved_and_refused("joelclaw.toml", f"{declared}[sever]\n")
        await shop.saved_and_live("joelclaw.toml", declared)

    play(scene)


def test_another_folder_of_functions_is_followed(play: Callable[[Scene], None]) -> None:
    """The declaration may move the app; the old folder concerns nobody then."""

    async def scene(shop: Workshop) -> None:
        shop.save("backend/functions/b.py", word("b"))
        shop.save("backend/tables.py", SCHEMA)
        declared = '[app]\nfunctions = "backend/functions"\nschema = "backend/tables.py"\n'
        assert (await shop.saved_and_live("joelclaw.toml", declared)).functions == {"b:word"}
        shop.save("app_functions/notes.py", "broken(")
        await shop.saved_and_live("backend/functions/b.py", word("changed"))
        assert await shop.query("b:word") == "changed"
        await shop.saved_and_refused("backend/tables.py", "broken(")
        await shop.saved_and_live("backend/tables.py", SCHEMA)

    play(scene)


# -- the disk


def test_types_that_cannot_be_written_are_told_and_the_app_serves(root: Path, play: Callable[[Scene], None]) -> None:
    """A file stands where the folder should be; when it is gone the next save writes them."""

    async def scene(shop: Workshop) -> None:
        (root / "types").write_text("in the way")
        declared = '[codegen]\ntypescript = ["types"]\n'
        shop.save("joelclaw.toml", declared)
        assert (await shop.said()).startswith(f"types: {root / 'types'}: ")
        await shop.live()
        (root / "types").unlink()
        live = await shop.saved_and_live("app_functions/b.py", word("b"))
        assert {"api.d.ts", "dataModel.d.ts"} <= set(live.written)

    play(scene)


def test_a_disk_that_takes_no_bundle_is_told_and_the_old_serves(root: Path, play: Callable[[Scene], None]) -> None:
    """A full or read-only disk is a sentence with the file."""

    async def scene(shop: Workshop) -> None:
        bundles = shop.deployer.config.bundles
        bundles.rename(root / "aside")
        bundles.write_text("in the way")
        assert (await shop.saved_and_refused("app_functions/b.py", word("b"))).startswith(str(bundles))
        assert await shop.query("notes:texts") == []
        bundles.unlink()
        (root / "aside").rename(bundles)
        await shop.saved_and_live("app_functions/b.py", word("c"))

    play(scene)


@pytest.mark.parametrize("name", ["my app", "Zürich 日本 🌱", "link"])
def test_any_folder_will_do(tmp_path: Path, name: str) -> None:
    """Spaces, other scripts, and a link to the folder; problems name files from the project all the same."""

    async def scene() -> None:
        root = tmp_path / name
        if name == "link":
            lay_out(tmp_path / "real")
            root.symlink_to(tmp_path / "real")
        else:
            lay_out(root)
        async with workshop(root) as shop:
            await shop.live()
            assert await shop.mutate("notes:add", text="here")
            save(root, "app_functions/b.py", word("b"))
            await shop.live()
            save(root, "app_functions/b.py", "import os\nos.abort()\n")
            assert (await shop.refused()).startswith("app_functions/b.py:2: ")

    asyncio.run(scene())


# -- stopping


def test_stopping_while_something_is_imported_leaves_nothing(root: Path) -> None:
    """The import is given up, its processes end, and a new life begins where this one ended."""
    pids: list[int] = []

    async def scene() -> None:
        async with workshop(root) as shop:
            await shop.live()
            await shop.mutate("notes:add", text="kept")
            shop.save(
                "app_functions/b.py",
                f"import os\nopen({str(root)!r} + f'/began.{{os.getpid()}}', 'w')\nwhile True: pass\n",
            )
            pids[:] = await until_begun(root, 3)

    asyncio.run(scene())
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

    async def again() -> None:
        (root / "app_functions" / "b.py").unlink()
        async with workshop(root) as shop:
            await shop.live()
            assert await shop.query("notes:texts") == ["kept"]

    asyncio.run(again())


def test_a_writer_of_the_old_code_does_not_fit_the_database_after_the_new(root: Path) -> None:
    """One that was being replaced while a deploy took place finds that, and begins with the new code."""

    async def scene() -> None:
        async with workshop(root) as shop:
            await shop.live()
            engine: Engine = shop.engine
            async with asyncio.timeout(60):
                async with engine._preparing:  # noqa: SLF001
                    replacing = asyncio.create_task(engine._spawn_writer())  # noqa: SLF001
                    shop.save("schema.py", SCHEMA + '    by_text_again = index("text")\n')
                    shop.save("app_functions/b.py", word("b"))
                    await until(lambda: len(engine._preparing._waiters or ()) == 2)  # type: ignore[attr-defined]  # noqa: SLF001
                await shop.live()
                writer, _ = await replacing
            await writer.close()
            # Had the old code fitted it, the new writer's layout would be out of date.
            assert await shop.mutate("notes:add", text="fits")

    asyncio.run(scene())


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Every isolate that a test started has ended with it."""
    yield
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        left = [pid for pid in children.read_text().split() if b"joelclaw.isolate" in _command(pid)]
        assert left == []


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_the_platforms_own_variables_cannot_be_declared(play: Callable[[Scene], None], root: Path) -> None:
    """`[env]` with a built-in name is refused with its line, and what served, serves."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        lines = declared.count("\n") + 2
        refused = await shop.saved_and_refused(
            "joelclaw.toml", f'{declared}[env]\nCONVEX_SITE_URL = "https://example.com"\n'
        )
        assert refused.startswith(f"joelclaw.toml:{lines}: env.CONVEX_SITE_URL is the platform's own")
        await shop.mutate("notes:add", text="served")
        await shop.saved_and_live("joelclaw.toml", declared + "# Without.\n")

    play(scene)


def test_where_runs_are_logged_waits_for_a_start(play: Callable[[Scene], None], root: Path) -> None:
    """Settings of the log, of backups and of how people sign in take effect at the next start, which is said."""

    async def scene(shop: Workshop) -> None:
        declared = (root / "joelclaw.toml").read_text()
        shop.save("joelclaw.toml", f"{declared}[logs]\nkeep_days = 1\n")
        assert await shop.said() == "restart: [logs]"
        shop.save("joelclaw.toml", f'{declared}[logs]\nkeep_days = 1\n[backup]\ncron = "0 4 * * *"\n')
        assert await shop.said() == "restart: [backup]"
        shop.save("joelclaw.toml", f"{declared}[auth]\njwt_ttl = '2h'\n")
        assert await shop.said() == "restart: [auth]"

    play(scene)
