"""
Files over HTTP: a real engine, a real server, real sockets, and bytes in a folder.

The app's functions ask for URLs and delete; what they are given is what is posted to and fetched.
"""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.clock import MovableClock
from joelclaw.config import load_config
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.files.disk import READ_BYTES, WRITE_BYTES, DiskFiles
from joelclaw.http.api import Api
from joelclaw.http.app import App as HttpApp
from joelclaw.http.requests import Cors
from joelclaw.http.storage import StorageRoutes
from joelclaw.scheduler import sweeping
from joelclaw.scheduler.sweeping import SPARED_MS, FileSweeper
from joelclaw.server.ports import listen
from joelclaw.server.uvicorn_server import ApiServer, uvicorn_config
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording
from tests.engine.engines import App, Viewer, value_of, within_patience
from tests.files.test_disk import powerless, room_for
from tests.functions.deployment import write_app

HOUR_MS = 3_600_000.0

FILES = {
    "schema.py": """
        from joelclaw import Table

        class Note(Table):
            __table__ = "notes"
            text: str
    """,
    "__init__.py": "",
    "files.py": """
        from typing import Any
        from joelclaw import *
        from schema import Note

        @mutation(allow=anyone)
        def upload_url(ctx: MutationCtx) -> str:
            return ctx.storage.generate_upload_url()

        @query(allow=anyone)
        def url(ctx: QueryCtx, file: Any) -> str | None:
            return ctx.storage.get_url(file)

        @query(allow=anyone)
        def metadata(ctx: QueryCtx, file: Id[StoredFile]) -> FileMetadata | None:
            return ctx.storage.get_metadata(file)

        @query(allow=anyone)
        def document(ctx: QueryCtx, file: Id[StoredFile]) -> StoredFile | None:
            return ctx.db.get(file)

        @query(allow=anyone)
        def hidden(ctx: QueryCtx) -> int:
            from joelclaw.system.files import FileKey
            return ctx.db.query(FileKey).count()

        @mutation(allow=anyone)
        def delete(ctx: MutationCtx, file: Any) -> None:
            ctx.storage.delete(file)

        @mutation(allow=anyone)
        def delete_and_fail(ctx: MutationCtx, file: Id[StoredFile]) -> None:
            ctx.storage.delete(file)
            raise AppError("no")

        @mutation(allow=anyone)
        def note(ctx: MutationCtx) -> Id[Note]:
            return ctx.db.insert(Note(text="a"))
    """,
    "errands.py": """
        from collections.abc import AsyncIterator
        from pathlib import Path
        from joelclaw import *

        async def numbers(count: int) -> AsyncIterator[bytes]:
            for number in range(count):
                yield b"%7d\\n" % number

        @action(allow=anyone)
        async def store(
            ctx: ActionCtx, text: str, sha256: str | None = None, kind: str = "text/plain"
        ) -> Id[StoredFile]:
            return await ctx.storage.store(text.encode(), content_type=kind, sha256=sha256)

        @action(allow=anyone)
        async def store_pieces(ctx: ActionCtx, count: int) -> Id[StoredFile]:
            return await ctx.storage.store(numbers(count))

        @action(allow=anyone)
        async def store_path(ctx: ActionCtx, file: str) -> Id[StoredFile]:
            return await ctx.storage.store(Path(file))

        @action(allow=anyone)
        async def store_text(ctx: ActionCtx, text: str) -> Id[StoredFile]:
            return await ctx.storage.store(text)  # type: ignore[arg-type]

        @action(allow=anyone)
        async def read(ctx: ActionCtx, file: Id[StoredFile]) -> str | None:
            blob = await ctx.storage.get(file)
            return None if blob is None else await blob.text()

        @action(allow=anyone)
        async def middle(ctx: ActionCtx, file: Id[StoredFile], start: int, end: int) -> str:
            blob = await ctx.storage.get(file)
            assert blob is not None
            return b"".join([piece async for piece in blob.pieces(start, end)]).decode()

        @action(allow=anyone)
        async def copy(ctx: ActionCtx, file: Id[StoredFile]) -> Id[StoredFile]:
            blob = await ctx.storage.get(file)
            assert blob is not None
            return await ctx.storage.store(blob)

        @action(allow=anyone)
        async def rest(ctx: ActionCtx, file: Id[StoredFile]) -> list[str | float | None]:
            upload = await ctx.storage.generate_upload_url()
            url, metadata = await ctx.storage.get_url(file), await ctx.storage.get_metadata(file)
            await ctx.storage.delete(file)
            return [upload, url, metadata and metadata.size, await ctx.storage.get_url(file)]
    """,
}


class World:
    """A server on a free port, and a client of it."""

    def __init__(self, app: App, root: Path) -> None:
        self.app = app
        self.clock = MovableClock(app.engine.clock.now_ms())
        self.system = SystemCalls(app.engine)
        self.files = DiskFiles(app.files)
        self.sweeper = FileSweeper(self.system, self.files, self.clock, app.engine.secret, lambda: self.bytes_must_stay)
        self.bytes_must_stay = False
        self.bytes_max: int | None = None
        authenticator = Authenticator(AdminKeys(_no_key))
        wording = Wording(development=True, report=lambda *_: None)
        sockets = Sockets(app.engine, authenticator, wording)
        routes = StorageRoutes(
            self.system,
            self.files,
            self.clock,
            secret=lambda: app.engine.secret,
            bytes_max=lambda: self.bytes_max,
        )
        api = Api(app.engine, authenticator, wording, sockets, name="trial", version="1", cors=Cors(), storage=routes)
        (root / "joelclaw.toml").write_text("[server]\napi_port = 0\n")
        self.listener = listen(load_config(root, {}), "api_port", 0)
        self.port: int = self.listener.getsockname()[1]
        self.server = ApiServer(uvicorn_config(HttpApp(api)), sockets)
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}")

    async def upload(self, data: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
        """Post bytes to a new upload URL."""
        return await self.post(await self.app.mutate("files:uploadUrl"), data, **headers)

    async def post(self, url: str, data: bytes | AsyncIterator[bytes], **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await within_patience("an upload", self.http.post(url, content=data, headers=named))

    async def store(self, data: bytes, content_type: str = "text/plain") -> str:
        """The id of a new file."""
        response = await self.upload(data, content_type=content_type)
        assert response.status_code == 200, response.text
        id: str = response.json()["storageId"]
        return id

    async def get(self, id_or_url: str, method: str = "GET", **headers: str) -> httpx.Response:
        """Fetch a file by its id, or by an URL."""
        url = id_or_url if "/" in id_or_url else await self.app.query("files:url", file=id_or_url)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await within_patience("a file", self.http.request(method, url, headers=named))

    def kept(self) -> list[str]:
        """Names of everything in the folder."""
        return sorted(path.name for path in self.app.files.glob("*/*/*") if path.is_file())

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Let sockets and threads go on until something is so."""

        async def wait() -> None:
            while not holds():
                await asyncio.sleep(0.001)

        await within_patience(what, wait())


async def _no_key(_: str) -> None:
    return None


def play(scene: Callable[[World], Awaitable[None]], folder: Path, *, sweeping: bool = True) -> None:
    """Run a scene, with the sweeper at work or not."""
    (folder / "app").mkdir()
    write_app(folder / "app", FILES)

    async def run() -> None:
        app = App(folder)
        try:
            await app.deploy()
            world = World(app, folder)
            serving = asyncio.create_task(world.server.serve(sockets=[world.listener]))
            sweeper = asyncio.create_task(world.sweeper.run()) if sweeping else None
            try:
                await scene(world)
            finally:
                if sweeper is not None:
                    sweeper.cancel()
                await world.http.aclose()
                world.server.should_exit = True
                await serving
        finally:
            await within_patience("the end of the engine", app.engine.close())

    asyncio.run(run())


def digest(data: bytes) -> str:
    return base64.b64encode(sha256(data).digest()).decode()


# -- uploading


def test_a_file_goes_round(tmp_path: Path) -> None:
    """STO-1, STO-2, STO-3, STO-4: a URL to post to, an id for it, and the file at its own URL as it came."""

    async def scene(world: World) -> None:
        url = await world.app.mutate("files:uploadUrl")
        assert url.startswith("/api/storage/upload?token=")  # Nobody said where this deployment is reached.
        first, second = [await world.post(url, b"hello", content_type="text/x-greeting; charset=utf-8") for _ in "12"]
        assert (first.status_code, list(first.json())) == (200, ["storageId"])
        assert first.json() != second.json()
        served = await world.get(first.json()["storageId"])
        assert (served.status_code, served.content) == (200, b"hello")
        assert served.headers["content-type"] == "text/x-greeting; charset=utf-8"
        assert served.headers["content-length"] == "5"
        assert served.headers["cache-control"] == "private, max-age=2592000"
        assert served.headers["accept-ranges"] == "bytes"
        assert served.headers["digest"] == f"sha-256={digest(b'hello')}"
        assert served.headers["x-content-type-options"] == "nosniff"

    play(scene, tmp_path)


def test_no_type_is_no_type(tmp_path: Path) -> None:
    """STO-3: a file that came without a content type is served without one."""

    async def scene(world: World) -> None:
        response = await world.upload(b"?")
        id = response.json()["storageId"]
        assert "content-type" not in (await world.get(id)).headers
        assert "contentType" not in await world.app.query("files:document", file=id)

    play(scene, tmp_path)


def test_empty_files(tmp_path: Path) -> None:
    """STO-5, STO-8: uploaded, served, asked for a range of, and stored by an action: all of it works."""

    async def scene(world: World) -> None:
        id = (await world.upload(b"")).json()["storageId"]
        for headers in ({}, {"range": "bytes=0-99"}, {"range": "bytes=-5"}):
            served = await world.get(id, **headers)
            assert (served.status_code, served.content, served.headers["content-length"]) == (200, b"", "0")
        stored = value_of(await world.app.act("errands:store", text=""))
        assert value_of(await world.app.act("errands:read", file=stored)) == ""

    play(scene, tmp_path)


def test_documents_and_metadata(tmp_path: Path) -> None:
    """STO-11, STO-12: the document has base64, the metadata hexadecimal; the key's table looks empty to apps."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello", "text/plain")
        document = await world.app.query("files:document", file=id)
        assert document.pop("_creationTime") > 0
        assert document == {"_id": id, "sha256": digest(b"hello"), "size": 5.0, "contentType": "text/plain"}
        assert await world.app.query("files:metadata", file=id) == {
            "storageId": id,
            "sha256": sha256(b"hello").hexdigest(),
            "size": 5.0,
            "contentType": "text/plain",
        }
        assert await world.app.query("files:hidden") == 0
        await world.app.mutate("files:delete", file=id)
        assert await world.app.query("files:metadata", file=id) is None

    play(scene, tmp_path)


def test_digests_are_checked(tmp_path: Path) -> None:
    """STO-6: a wrong digest is 400 and nothing is stored; one that cannot be checked is not ignored."""

    async def scene(world: World) -> None:
        right = await world.upload(b"hello", digest=f"sha-256={digest(b'hello')}")
        assert right.status_code == 200
        kept = world.kept()
        wrong = await world.upload(b"hello", digest=f"sha-256={digest(b'other')}")
        assert (wrong.status_code, wrong.json()["code"]) == (400, "Sha256Mismatch")
        for header in ("md5=XUFAKrxLKna5cZ2REBfFkg==", "sha-256=short", "sha-256=***", "nonsense"):
            bad = await world.upload(b"hello", digest=header)
            assert (bad.status_code, bad.json()["code"]) == (400, "BadHeader")
        long = await world.upload(b"hello", content_type="x" * 2_000)
        assert (long.status_code, long.json()["code"]) == (400, "BadHeader")
        assert world.kept() == kept

    play(scene, tmp_path)


def test_tokens_end(tmp_path: Path) -> None:
    """STO-7: a bad token is 401, and so is one whose hour is over; in that hour it may be used again."""

    async def scene(world: World) -> None:
        url = await world.app.mutate("files:uploadUrl")
        for token in ("", "nonsense", "Ä", url[-40:], url.partition("=")[2][:-2] + "AA"):
            bad = await world.post(f"/api/storage/upload?token={token}", b"hello")
            assert (bad.status_code, bad.json()["code"]) == (401, "StorageTokenInvalid"), token
        assert (await world.post("/api/storage/upload", b"hello")).status_code == 401
        world.clock.set_ms(world.clock.now_ms() + HOUR_MS - 60_000)
        assert (await world.post(url, b"hello")).status_code == 200
        world.clock.set_ms(world.clock.now_ms() + 120_000)
        late = await world.post(url, b"hello")
        assert (late.status_code, late.json()["code"]) == (401, "StorageTokenExpired")

    play(scene, tmp_path)


def test_uploads_have_a_limit_if_one_is_declared(tmp_path: Path) -> None:
    """Kept to the byte, whether the size is told at the start or found out; nothing of it stays."""

    async def scene(world: World) -> None:
        world.bytes_max = 1_000
        assert (await world.upload(b"x" * 1_000)).status_code == 200
        kept = world.kept()

        async def unannounced() -> AsyncIterator[bytes]:
            yield b"x" * 600
            yield b"x" * 600

        for data in (b"x" * 1_001, unannounced()):
            refused = await world.upload(data)
            assert (refused.status_code, refused.json()["code"]) == (413, "FileTooLarge")
            assert "1,000 bytes; send less, or raise limits.upload_bytes" in refused.json()["message"]
        assert world.kept() == kept

    play(scene, tmp_path)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """507 and a sentence, nothing is left, and once there is room the next one succeeds."""

    async def scene(world: World) -> None:
        url = await world.app.mutate("files:uploadUrl")
        with room_for(WRITE_BYTES):
            full = await world.post(url, b"x" * (WRITE_BYTES * 3))
        assert (full.status_code, full.json()["code"]) == (507, "StorageFull")
        assert world.kept() == []
        assert (await world.post(url, b"x" * (WRITE_BYTES * 3))).status_code == 200

    play(scene, tmp_path)


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    """500 and a sentence without the folder's name, which is for the log."""

    async def scene(world: World) -> None:
        url = await world.app.mutate("files:uploadUrl")
        assert await world.files.claim("somebody")
        world.app.files.chmod(0o555)
        with powerless():
            refused = await world.post(url, b"hello")
        assert (refused.status_code, refused.json()["code"]) == (500, "StorageFailed")
        assert str(tmp_path) not in refused.text
        world.app.files.chmod(0o755)
        assert world.kept() == []

    play(scene, tmp_path, sweeping=False)


def test_a_client_that_goes_away(tmp_path: Path) -> None:
    """In the middle of an upload: nothing of it is left, and the server goes on."""

    async def scene(world: World) -> None:
        url = await world.app.mutate("files:uploadUrl")
        _, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" % url.encode())
        writer.write(b"x" * (3 * WRITE_BYTES))
        await world.until("the beginning of a file", lambda: len(world.kept()) == 1)
        writer.close()
        await world.until("nothing of it", lambda: world.kept() == [])
        assert (await world.upload(b"hello")).status_code == 200

    play(scene, tmp_path)


# -- serving


RANGES = [
    ("bytes=0-99", 206, 0, 100),
    ("bytes=900-", 206, 900, 1000),
    ("bytes=-10", 206, 990, 1000),
    ("bytes=-5000", 206, 0, 1000),
    ("bytes=999-5000", 206, 999, 1000),
    ("bytes=0-0", 206, 0, 1),
    ("bytes=0-" + "9" * 5_000, 206, 0, 1000),
    ("bytes=-" + "9" * 5_000, 206, 0, 1000),
    ("bytes=1000-", 416, 0, 0),
    (f"bytes={'9' * 5_000}-", 416, 0, 0),
    ("bytes=-0", 416, 0, 0),
    ("bytes=0-1,5-6", 416, 0, 0),
    ("bytes=5-2", 200, 0, 1000),
    ("bytes=-", 200, 0, 1000),
    ("lines=1-2", 200, 0, 1000),
    ("bytes=a-b", 200, 0, 1000),
]


def test_ranges(tmp_path: Path) -> None:
    """STO-8: one range is 206 with its place; one outside, and several, are 416; other words are not understood."""

    async def scene(world: World) -> None:
        data = os.urandom(1000)
        id = await world.store(data)
        for header, status, start, end in RANGES:
            served = await world.get(id, range=header)
            assert served.status_code == status, header
            if status == 416:
                assert served.headers["content-range"] == "bytes */1000"
                continue
            assert served.content == data[start:end]
            expected = f"bytes {start}-{end - 1}/1000" if status == 206 else None
            assert served.headers.get("content-range") == expected
            assert ("digest" in served.headers) == (status == 200)

    play(scene, tmp_path)


def test_conditions(tmp_path: Path) -> None:
    """The digest is a strong entity tag: who has the file is told so, and a range is of the same file or all of it."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        tag = (await world.get(id)).headers["etag"]
        assert tag == f'"{digest(b"hello")}"'
        for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            unchanged = await world.get(id, if_none_match=header)
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == tag
        assert (await world.get(id, if_none_match='"other"')).status_code == 200
        assert (await world.get(id, if_range=tag, range="bytes=1-2")).content == b"el"
        assert (await world.get(id, if_range='"other"', range="bytes=1-2")).content == b"hello"

    play(scene, tmp_path)


def test_head_has_no_body(tmp_path: Path) -> None:
    """The headers of GET, and nothing more; a range is for GET alone."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        got, head = await world.get(id), await world.get(id, "HEAD", range="bytes=1-2")
        assert (head.status_code, head.content) == (200, b"")
        assert {**head.headers, "date": ""} == {**got.headers, "date": ""}

    play(scene, tmp_path)


def test_what_is_not_there(tmp_path: Path) -> None:
    """404 and 400 in the form that clients read, 405 for other methods; pages may read them."""

    async def scene(world: World) -> None:
        unknown = await world.get(f"/api/storage/{uuid4()}", origin="http://page.test")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "FileNotFound")
        assert unknown.headers["access-control-allow-origin"] == "http://page.test"
        for name in ("nonsense", "", "..%2f..%2fetc%2fpasswd", await world.store(b"by its id")):
            junk = await world.get(f"/api/storage/{name}")
            assert (junk.status_code, junk.json()["code"]) in ((400, "InvalidStoragePath"), (400, "NotSupported"))
        assert (await world.get("/api/storage/upload")).status_code == 405
        assert (await world.get(f"/api/storage/{uuid4()}", "DELETE")).status_code == 405

    play(scene, tmp_path)


def test_pages_may_upload_and_fetch(tmp_path: Path) -> None:
    """Preflights are answered, and answers carry the page's origin."""

    async def scene(world: World) -> None:
        origin = "http://page.test"
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,digest"}
        url = await world.app.mutate("files:uploadUrl")
        preflight = await world.http.options(url, headers={"origin": origin, **asked})
        assert preflight.headers["access-control-allow-headers"] == "content-type,digest"
        uploaded = await world.post(url, b"hello", origin=origin)
        assert uploaded.headers["access-control-allow-origin"] == origin
        served = await world.get(uploaded.json()["storageId"], origin=origin)
        assert served.headers["access-control-allow-origin"] == origin

    play(scene, tmp_path)


SANDBOXED = [
    "text/html",
    "image/svg+xml; charset=utf-8",
    "IMAGE/SVG+XML",
    "text/xml",
    "",
    "video/mp4, text/html",
    "image/png; a=b, text/html",
]
LEFT_ALONE = ["image/png", "video/mp4", "application/pdf"]


def test_what_could_run_is_put_into_a_sandbox(tmp_path: Path) -> None:
    """
    A page that somebody uploads runs no script in the name of our origin; pictures and films need no sandbox.

    Of several types in one header browsers take the last.
    """

    async def scene(world: World) -> None:
        for content_type in [*SANDBOXED, *LEFT_ALONE]:
            served = await world.get(await world.store(b"<script>", content_type))
            policy = served.headers.get("content-security-policy")
            assert policy == ("sandbox" if content_type in SANDBOXED else None), content_type

    play(scene, tmp_path)


def test_a_large_file_comes_whole(tmp_path: Path) -> None:
    """In many pieces, through the server's buffers; and a reader that leaves in the middle harms nobody."""

    async def scene(world: World) -> None:
        data = os.urandom(READ_BYTES * 20 + 3)
        id = await world.store(data, "application/octet-stream")
        assert (await world.get(id)).content == data
        async with world.http.stream("GET", await world.app.query("files:url", file=id)) as response:
            async for _ in response.aiter_raw():
                break
        assert (await world.get(id, range="bytes=7-")).content == data[7:]

    play(scene, tmp_path)


def test_lost_bytes_are_not_served(tmp_path: Path) -> None:
    """A file whose bytes somebody removed is 404; one that somebody cut ends early, and the client knows."""

    async def scene(world: World) -> None:
        lost, cut = await world.store(b"hello"), await world.store(b"x" * READ_BYTES * 2)
        urls = {id: await world.app.query("files:url", file=id) for id in (lost, cut)}
        paths = {id: next(world.app.files.glob(f"*/*/{url.rpartition('/')[2]}")) for id, url in urls.items()}
        paths[lost].unlink()
        os.truncate(paths[cut], READ_BYTES)
        assert (await world.get(lost)).json()["code"] == "FileNotFound"
        with pytest.raises(httpx.RemoteProtocolError):
            await world.get(cut)

    play(scene, tmp_path)


# -- deleting


def test_deleting(tmp_path: Path) -> None:
    """STO-9, STO-18: a file that nobody refers to is served until it is deleted; then it is gone, bytes and all."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        url = await world.app.query("files:url", file=id)
        assert (await world.get(url)).status_code == 200
        assert await world.app.mutate("files:delete", file=id) is None
        assert await world.app.query("files:url", file=id) is None
        gone = await world.get(url)
        assert (gone.status_code, gone.json()["code"]) == (404, "FileNotFound")
        await world.until("the bytes are gone, too", lambda: world.kept() == [])
        again = await world.app.mutation("files:delete", file=id)
        assert again.failure is not None
        assert again.failure.message == f"Uncaught StoredFileNotFound: storage id {id} not found"

    play(scene, tmp_path)


def test_bytes_stay_while_somebody_needs_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of deleted files, and those without a record, stay while a backup or import may need them, then go."""
    monkeypatch.setattr(sweeping, "RETRY_S", 0.0)

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        [kept] = world.kept()
        world.bytes_must_stay = True
        await world.app.mutate("files:delete", file=id)
        stray = DiskFiles(world.app.files).begin()
        await stray.write(b"stray")
        await stray.finish()
        await stray.commit()
        world.clock.set_ms(time.time() * 1000 + SPARED_MS + 1_000)
        assert await world.sweeper.sweep() == 0
        assert world.kept() == sorted([kept, stray.key])
        assert await world.system.ask("_system/files:removals") != []

        world.bytes_must_stay = False
        sweeper = asyncio.create_task(world.sweeper.run())
        await world.until("their removal", lambda: not world.kept())
        sweeper.cancel()

    play(scene, tmp_path, sweeping=False)


def test_a_failed_delete_deletes_nothing(tmp_path: Path) -> None:
    """STO-10: a transaction that deletes a file and throws keeps it, with its bytes."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        assert (await world.app.mutation("files:deleteAndFail", file=id)).failure is not None
        assert await world.system.ask("_system/files:removals") == []
        assert (await world.get(id)).content == b"hello"

    play(scene, tmp_path)


def test_who_shows_a_file_is_told(tmp_path: Path) -> None:
    """STO-15, STO-19: a subscribed query that used its URL is run again when the file is deleted."""

    async def scene(world: World) -> None:
        id = await world.store(b"hello")
        url = await world.app.query("files:url", file=id)
        viewer = Viewer(world.app)
        viewer.subscribe(("files:url", {"file": id}))
        await viewer.sees(url)
        await world.app.mutate("files:delete", file=id)
        await viewer.sees(None)

    play(scene, tmp_path)


def test_junk_ids(tmp_path: Path) -> None:
    """STO-16, STO-17: other text, and ids of other tables, are refused by name of the method."""

    async def scene(world: World) -> None:
        note = await world.app.mutate("files:note")
        for junk in ("junk", "", note, None):
            refused = await world.app.mutation("files:delete", file=junk)
            assert refused.failure is not None
            beginning = "Uncaught StorageIdRefused: Invalid argument `storage_id` for `ctx.storage.delete`: "
            assert refused.failure.message == f"{beginning}Invalid storage ID: {junk!r}"

    play(scene, tmp_path)


# -- actions


def test_actions_store_and_read(tmp_path: Path) -> None:
    """STO-14: bytes, pieces, a path and another file; whole or a part; and all that mutations can do."""

    async def scene(world: World) -> None:
        act = world.app.act
        id = value_of(await act("errands:store", text="hello"))
        served = await world.get(id)
        assert (served.content, served.headers["content-type"]) == (b"hello", "text/plain")
        copy = value_of(await act("errands:copy", file=id))
        assert copy != id
        assert (await world.get(copy)).headers["content-type"] == "text/plain"
        pieces = value_of(await act("errands:storePieces", count=200_000))
        assert len((await world.get(pieces)).content) == 1_600_000
        assert value_of(await act("errands:middle", file=pieces, start=800_000, end=800_008)) == " 100000\n"
        (tmp_path / "note").write_text("from a file")
        path = value_of(await act("errands:storePath", file=str(tmp_path / "note")))
        assert value_of(await act("errands:read", file=path)) == "from a file"
        upload, url, size, after = value_of(await act("errands:rest", file=path))
        assert (await world.post(upload, b"x")).status_code == 200
        assert url.startswith("/api/storage/")
        assert size == 11
        assert after is None
        assert value_of(await act("errands:read", file=path)) is None

    play(scene, tmp_path)


def test_actions_are_told_what_is_wrong(tmp_path: Path) -> None:
    """
    STO-6: a wrong digest or type, a path that is not there, text instead of bytes: an error, and nothing stored.

    A type is a header when the file is served, so it is one line, and not a long one.
    """

    async def scene(world: World) -> None:
        for path, arguments, message in (
            ("errands:store", {"text": "a", "sha256": digest(b"b")}, "DigestMismatch: The SHA-256 of the bytes is"),
            ("errands:store", {"text": "a", "sha256": "?"}, "is no SHA-256; give the base64 of its 32 bytes"),
            ("errands:store", {"text": "a", "kind": "text/plain\r\nSet-Cookie: a=1"}, "is no content type"),
            ("errands:store", {"text": "a", "kind": "text/\u20ac"}, "is no content type"),
            ("errands:store", {"text": "a", "kind": "a" * 1_025}, "is no content type"),
            ("errands:storePath", {"file": str(tmp_path / "none")}, "FileNotFoundError"),
            ("errands:storeText", {"text": "a"}, "takes bytes, a pathlib.Path or an asynchronous iterable of bytes"),
        ):
            outcome = await world.app.act(path, **arguments)
            assert outcome.failure is not None
            assert message in outcome.failure.message
        assert world.kept() == []

    play(scene, tmp_path)


# -- sweeping


def test_what_has_no_record_is_swept(tmp_path: Path) -> None:
    """Bytes and parts that an interrupted upload left are never served, and go when they are an hour old."""

    async def scene(world: World) -> None:
        known = await world.store(b"known")
        orphan, part = str(uuid4()), f".{uuid4()}.part"
        for name in (orphan, part):
            key = name.lstrip(".")
            path = world.app.files / key[:2] / key[2:4] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"left over")
        assert (await world.get(f"/api/storage/{orphan}")).status_code == 404
        assert await world.sweeper.sweep() == 0  # They are young: a record may be on its way.
        world.clock.set_ms(time.time() * 1000 + SPARED_MS + 1_000)
        assert await world.sweeper.sweep() == 2
        assert len(world.kept()) == 1
        assert (await world.get(known)).content == b"known"

    play(scene, tmp_path, sweeping=False)


def test_other_peoples_files_are_not_swept(tmp_path: Path) -> None:
    """A folder that another database used first keeps all that lies in it."""

    async def scene(world: World) -> None:
        assert await world.files.claim("somebody else")
        path = world.app.files / "aa" / "bb" / "aabb"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"theirs")
        world.clock.set_ms(time.time() * 1000 + SPARED_MS + 1_000)
        assert await world.sweeper.sweep() == 0
        assert path.exists()

    play(scene, tmp_path, sweeping=False)
