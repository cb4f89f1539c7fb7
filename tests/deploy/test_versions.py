"""Versions inside a server: what is asked at the worst moment, and how much is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from joelclaw.config import load_config
from joelclaw.deploy.deployer import Deployer, engine_limits
from joelclaw.deploy.parcel import parcel_of
from joelclaw.deploy.requirements import read_lock
from joelclaw.deploy.sources import read_sources
from joelclaw.deploy.versions import Origin, Versions
from joelclaw.engine.engine import Engine
from joelclaw.engine.release import Release
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import AppRefused, DeployRefused, IsolateDied
from tests.deploy.workshop import Notebook, lay_out, save, word

DECLARED = "[limits]\nreaders = 1\n[deploy]\nkeep = 2\n"


class Shop:
    """A server's versions, without its sockets."""

    def __init__(self, root: Path) -> None:
        self.root = root
        config = load_config(root, {})
        self.engine = Engine(engine_limits(config))
        self.system = SystemCalls(self.engine)
        self.versions = Versions(self.engine, Deployer(self.engine, config, Notebook()))

    async def deploy(self, text: str, **origin: Any) -> int:
        """Deploy the project with another word in it; the version's number."""
        save(self.root, "app_functions/b.py", word(text))
        config = load_config(self.root, None)
        parcel = parcel_of(config, read_sources(config), read_lock(config))
        return (await self.versions.deploy(parcel.pack(), Origin(**origin), "ci")).number

    async def word(self) -> Any:
        return await self.system.ask("b:word")


@asynccontextmanager
async def open_shop(root: Path) -> AsyncIterator[Shop]:
    if not (root / "schema.py").exists():
        lay_out(root)
        save(root, "joelclaw.toml", DECLARED)
        save(root, "app_functions/b.py", word("files"))
    shop = Shop(root)
    try:
        await shop.versions.start()
        yield shop
    finally:
        await shop.engine.close()


def test_code_is_kept_of_the_last_versions_only(tmp_path: Path) -> None:
    """Older code goes, and its version stays in the list; a rollback to it says why it cannot be."""

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            for number in (2, 3, 4):
                assert await shop.deploy(f"{number}") == number
            listed = await shop.versions.listed(10)
            assert [(one["number"], one["kept"]) for one in listed] == [(4, True), (3, True), (2, False), (1, False)]
            with pytest.raises(DeployRefused, match=r"The code of version 2 is not kept any more; deploy\.keep"):
                await shop.versions.roll_back(2, Origin(), "")
            assert await shop.word() == "4"
            assert (await shop.versions.roll_back(None, Origin(), "")).restores == 3
            assert await shop.word() == "3"

    asyncio.run(scene())


def test_a_refused_deploy_leaves_no_code(tmp_path: Path) -> None:
    """What was kept before the documents were looked at goes again."""

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            await shop.system.tell("notes:add", text="x")
            schema = (tmp_path / "schema.py").read_text()
            save(tmp_path, "schema.py", f"{schema}    stars: int\n")
            with pytest.raises(AppRefused, match="does not match this schema"):
                await shop.deploy("new")
            save(tmp_path, "schema.py", schema)
            assert await shop.system.tell("_system/deployments:forget", keep=2) is False
            assert (await shop.word(), len(await shop.versions.listed(10))) == ("files", 1)

    asyncio.run(scene())


def test_a_writer_that_dies_at_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had committed and could not say so: the version is written down, so its code serves, here as after a start."""
    prepare = Release.prepare
    deaths = []

    async def prepare_and_die(release: Release, writer: Any, record: Any = None, *, trial: bool = False) -> Any:
        prepared = await prepare(release, writer, record, trial=trial)
        if record is not None and not deaths:
            deaths.append(writer.pid)
            writer.kill()
            raise IsolateDied("writer", "ended while it prepared the database")
        return prepared

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            monkeypatch.setattr(Release, "prepare", prepare_and_die)
            assert await shop.deploy("new", author="Ada") == 2
            assert len(deaths) == 1
            assert (await shop.word(), (await shop.versions.newest())["author"]) == ("new", "Ada")
            await shop.system.tell("notes:add", text="written by the new code")
        async with open_shop(tmp_path) as shop:
            assert (await shop.word(), len(await shop.versions.listed(10))) == ("new", 2)

    # The files beside the server are those that were deployed, as after a deploy from the server's own folder.
    asyncio.run(scene())


def test_a_writer_that_dies_before_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was written down: the deploy has failed, and what served goes on."""
    prepare = Release.prepare

    async def die(release: Release, writer: Any, record: Any = None, *, trial: bool = False) -> Any:
        if record is not None:
            writer.kill()
        return await prepare(release, writer, record, trial=trial)

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            monkeypatch.setattr(Release, "prepare", die)
            with pytest.raises(IsolateDied):
                await shop.deploy("new")
            monkeypatch.setattr(Release, "prepare", prepare)
            assert (await shop.word(), len(await shop.versions.listed(10))) == ("files", 1)
            await shop.system.tell("notes:add", text="written by the old code")
            assert await shop.deploy("newer") == 2
            assert await shop.word() == "newer"

    asyncio.run(scene())


def test_one_rollback_after_another_goes_further_back(tmp_path: Path) -> None:
    """And after a new deploy on top of a rollback, back is to what served before that deploy, not to what was left."""

    async def scene() -> None:
        save(tmp_path, "schema.py", "")
        save(tmp_path, "app_functions/b.py", word("1"))
        save(tmp_path, "joelclaw.toml", "[limits]\nreaders = 1\n")
        async with open_shop(tmp_path) as shop:
            for number in (2, 3):
                await shop.deploy(f"{number}")

            async def back() -> int:
                return (await shop.versions.roll_back(None, Origin(), "")).restores

            assert [await back(), await back()] == [2, 1]
            with pytest.raises(DeployRefused, match="no version before the one that serves"):
                await back()
            assert (await shop.versions.roll_back(2, Origin(), "")).restores == 2
            assert await shop.deploy("7") == 7
            assert (await back(), await shop.word()) == (2, "2")

    asyncio.run(scene())


def test_a_variable_may_be_set_at_run_time(tmp_path: Path) -> None:
    """What comes from an environment that lacks it is no problem if `joelclaw env set` has set it."""

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            save(tmp_path, "joelclaw.toml", '[env]\nKEY = { from = "NOWHERE_SET" }\nPLAIN = "deployed"\n')
            with pytest.raises(AppRefused, match="NOWHERE_SET, which is not set where the server runs"):
                await shop.deploy("new")
            await shop.system.tell("_system/env:update", changes=[{"name": "KEY", "value": "v"}], replace=False)
            await shop.deploy("new")
            release = shop.engine.release
            assert release is not None
            assert (release.load.env["PLAIN"], "KEY" in release.load.env) == ("deployed", False)
        save(tmp_path, "joelclaw.toml", DECLARED)
        async with open_shop(tmp_path) as shop:
            assert (await shop.word(), (await shop.versions.newest())["number"]) == ("new", 2)

    asyncio.run(scene())


def test_an_optional_variable_may_be_missing(tmp_path: Path) -> None:
    """What an app says it does without keeps it from no deploy, and functions do not see it."""

    async def scene() -> None:
        async with open_shop(tmp_path) as shop:
            save(tmp_path, "joelclaw.toml", '[env]\nKEY = { from = "NOWHERE_SET", optional = true }\nPLAIN = "a"\n')
            await shop.deploy("new")
            release = shop.engine.release
            assert release is not None
            assert (release.load.env["PLAIN"], "KEY" in release.load.env) == ("a", False)

    asyncio.run(scene())


TIDY = """
from joelclaw import MutationCtx, anyone, mutation

@mutation(allow=anyone)
def tidy(ctx: MutationCtx) -> None:
    return None
"""


def test_crons_come_with_the_code(tmp_path: Path) -> None:
    """Those that were deployed hold, also after a restart, instead of those in the server's own joelclaw.toml."""

    def declare(name: str) -> None:
        save(tmp_path, "joelclaw.toml", f'{DECLARED}\n[crons.{name}]\nfunction = "c.tidy"\ncron = "0 4 * * *"\n')

    def crons(shop: Shop) -> list[str]:
        return [cron.name for cron in shop.engine.manifest.crons]

    async def scene() -> None:
        save(tmp_path, "app_functions/c.py", TIDY)
        async with open_shop(tmp_path) as shop:
            assert crons(shop) == []
            declare("deployed")
            await shop.deploy("new")
            assert crons(shop) == ["deployed"]
        # Beside the server stands what stood there, with crons of its own.
        save(tmp_path, "app_functions/b.py", word("files"))
        declare("servers")
        async with open_shop(tmp_path) as shop:
            assert (await shop.word(), crons(shop)) == ("new", ["deployed"])

    asyncio.run(scene())
