"""Uploads that become imports: taken once, and never more at a time than there may be, however they are asked for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from joelclaw.errors import ImportRefused
from joelclaw.transfer.jobs import Job
from joelclaw.transfer.transfers import IMPORTS_MAX, Transfers
from joelclaw.transfer.worker import Worker
from tests.engine.engines import App, play, within_patience


@asynccontextmanager
async def at_work(app: App, folder: Path) -> AsyncIterator[Transfers]:
    transfers = Transfers(app.engine, folder / "transfers")
    running = asyncio.create_task(transfers.run())
    try:
        yield transfers
    finally:
        running.cancel()
        await within_patience("the end of the imports", transfers.close())


async def uploaded(transfers: Transfers) -> Callable[[], Awaitable[str]]:
    """A file is there; what makes it an import."""
    token = await within_patience("an upload", transfers.start_upload())
    part = await transfers.add_part(token, 1, b'{"room": "a", "text": "x"}\n')
    return lambda: transfers.finish_upload(token, [part], format="jsonLines", mode="append", table="notes")


async def all_at_once(asked: list[Callable[[], Awaitable[str]]]) -> tuple[list[str], list[BaseException]]:
    """The imports that began, and why others did not."""
    answers: list[Any] = await within_patience(
        "answers", asyncio.gather(*(ask() for ask in asked), return_exceptions=True)
    )
    return [one for one in answers if isinstance(one, str)], [one for one in answers if not isinstance(one, str)]


def test_imports_that_are_asked_for_at_once_are_counted(tmp_path: Path) -> None:
    """More than may wait begin in one moment: as many as may, do; another may when one is cancelled."""

    async def scene(app: App) -> None:
        async with at_work(app, tmp_path) as transfers:
            asked = [await uploaded(transfers) for _ in range(IMPORTS_MAX + 2)]
            begun, refused = await all_at_once(asked)
            assert (len(begun), len(refused)) == (IMPORTS_MAX, 2)
            assert [str(one) for one in refused] == ["4 imports wait or run; confirm or cancel one"] * 2
            await within_patience("the end of one", transfers.cancel(begun[0]))
            again, refused = await all_at_once([await uploaded(transfers)])
            assert (len(again), refused) == (1, [])

    play(scene, tmp_path)


def test_an_upload_becomes_one_import(tmp_path: Path) -> None:
    """Finished twice at once, it is an import once; the other is told that there is none any more."""

    async def scene(app: App) -> None:
        async with at_work(app, tmp_path) as transfers:
            finish = await uploaded(transfers)
            begun, [refused] = await all_at_once([finish, finish])
            assert len(begun) == 1
            assert isinstance(refused, ImportRefused)
            assert "there is no such upload" in str(refused)

    play(scene, tmp_path)


def test_an_import_without_a_process_has_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If none can be started that is told, nothing of the upload is left, and there is room for others."""

    async def refuse(_: Job) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    async def scene(app: App) -> None:
        async with at_work(app, tmp_path) as transfers:
            for _ in range(IMPORTS_MAX + 1):
                finish = await uploaded(transfers)
                with monkeypatch.context() as patch:
                    patch.setattr(Worker, "start", refuse)
                    begun, [error] = await all_at_once([finish])
                assert (begun, type(error)) == ([], BlockingIOError)
            assert list((tmp_path / "transfers").iterdir()) == []
            begun, _ = await all_at_once([await uploaded(transfers)])
            assert len(begun) == 1

    play(scene, tmp_path)
