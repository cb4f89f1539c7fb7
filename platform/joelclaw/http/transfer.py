"""
Exports and imports over HTTP, for administrators: what the command lines' `export` and `import` ask for.

    POST /api/export/request/zip?includeStorage=false      begin one; then watch `_system/cli/exports:getLatest`
    GET  /api/export/zip/<start_ts>                        the file
    POST /api/import/start_upload, upload_part, finish_upload
    POST /api/perform_import, /api/cancel_import           after watching `_system/cli/queryImport`

Ours beside those of clients: `/api/export/request/table?table=...&format=jsonl|json|csv` for one table.

Elsewhere: `transfer/` does the work.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, Literal
from urllib.parse import parse_qs

import msgspec
import structlog

from joelclaw.auth.authenticator import Authenticator
from joelclaw.errors import ImportRefused, RequestRefused
from joelclaw.http.requests import Answer, Header, Request, require_admin
from joelclaw.transfer.transfers import Exported, Transfers

PREFIX: Final = "/api/export/zip/"
PIECE_BYTES: Final = 256 * 1024
BINARY: Final[Header] = (b"content-type", b"application/octet-stream")

log = structlog.get_logger("joelclaw.http")


class _What(msgspec.Struct, rename="camel"):
    mode: Literal["requireEmpty", "append", "replace", "replaceAll"]
    format: Literal["zip", "jsonLines", "jsonArray", "csv"]
    table_name: str | None = None
    component_path: str | None = None


class _Finish(msgspec.Struct, rename="camel", kw_only=True):
    what: _What = msgspec.field(name="import")
    upload_token: str
    part_tokens: list[str]


class _ImportId(msgspec.Struct, rename="camel"):
    import_id: str


class TransferRoutes:
    """The routes."""

    def __init__(self, transfers: Transfers, authenticator: Authenticator) -> None:
        self._transfers = transfers
        self._authenticator = authenticator

    # -- exports

    async def request_zip(self, request: Request) -> Answer:
        """`POST /api/export/request/zip`: begin to write all tables."""
        await require_admin(self._authenticator, request)
        include = _parameters(request).get("includeStorage", "false")
        return await self._request_export("zip", None, include_storage=include == "true")

    async def request_table(self, request: Request) -> Answer:
        """`POST /api/export/request/table`: begin to write one table."""
        await require_admin(self._authenticator, request)
        parameters = _parameters(request)
        kind, table = parameters.get("format", "jsonl"), parameters.get("table")
        if kind not in ("jsonl", "json", "csv") or not table:
            raise RequestRefused(400, "BadRequest", "One table is exported by its name, as jsonl, json or csv")
        return await self._request_export(kind, table, include_storage=False)

    async def _request_export(self, kind: str, table: str | None, *, include_storage: bool) -> Answer:
        if not await self._transfers.export(kind, table=table, include_storage=include_storage):
            raise RequestRefused(
                400, "ExportInProgress", "An export is requested or running already; wait until it has ended"
            )
        return Answer(b"null")

    async def fetch(self, request: Request) -> Answer:
        """`GET /api/export/zip/<start_ts>`: the file of the newest export."""
        await require_admin(self._authenticator, request)
        text = request.path.removeprefix(PREFIX)
        found = await self._transfers.find_export(int(text)) if text.isdecimal() and len(text) < 20 else None
        if found is None:
            raise RequestRefused(404, "ExportNotFound", f"There is no export {text[:40]}; only the newest one is kept")
        headers = (
            (b"content-length", b"%d" % found.size),
            (b"content-disposition", b"attachment; filename=" + found.name.encode("ascii", "replace")),
        )
        return Answer(b"", content_type=BINARY, headers=headers, pieces=_pieces_of(found))

    # -- imports

    async def start_upload(self, request: Request) -> Answer:
        """`POST /api/import/start_upload`."""
        await require_admin(self._authenticator, request)
        try:
            return _json({"uploadToken": await self._transfers.start_upload()})
        except OSError as error:
            raise _not_kept(error) from error

    async def upload_part(self, request: Request) -> Answer:
        """`POST /api/import/upload_part`: one piece of the file, its body."""
        await require_admin(self._authenticator, request)
        parameters = _parameters(request)
        number = parameters.get("partNumber", "")
        if not (number.isdecimal() and len(number) < 10):
            raise RequestRefused(400, "BadRequest", "partNumber is a whole number from 1")
        data = await request.body()
        try:
            return _json(await self._transfers.add_part(parameters.get("uploadToken", ""), int(number), data))
        except ImportRefused as error:
            raise RequestRefused(400, "ImportRefused", str(error)) from error
        except OSError as error:
            raise _not_kept(error) from error

    async def finish_upload(self, request: Request) -> Answer:
        """`POST /api/import/finish_upload`: all parts are there; read them."""
        body = await self._body(request, _Finish)
        what = body.what
        if what.component_path:
            raise RequestRefused(400, "ImportRefused", "This deployment has no components; leave out componentPath")
        if (what.format == "zip") == (what.table_name is not None):
            sentence = "A ZIP names its tables itself; any other file is for one table, which tableName says"
            raise RequestRefused(400, "ImportRefused", sentence)
        try:
            id = await self._transfers.finish_upload(
                body.upload_token, body.part_tokens, format=what.format, mode=what.mode, table=what.table_name
            )
        except ImportRefused as error:
            raise RequestRefused(400, "ImportRefused", str(error)) from error
        except OSError as error:
            raise _not_kept(error) from error
        return _json({"importId": id})

    async def perform(self, request: Request) -> Answer:
        """`POST /api/perform_import`: bring in an import that waits for it."""
        body = await self._body(request, _ImportId)
        try:
            await self._transfers.perform(body.import_id)
        except ImportRefused as error:
            raise RequestRefused(400, "ImportNotFound", str(error)) from error
        return Answer(b"null")

    async def cancel(self, request: Request) -> Answer:
        """`POST /api/cancel_import`: end one."""
        body = await self._body(request, _ImportId)
        try:
            await self._transfers.cancel(body.import_id)
        except ImportRefused as error:
            raise RequestRefused(400, "ImportNotFound", str(error)) from error
        return Answer(b"null")

    async def _body(self, request: Request, kind: type[Any]) -> Any:
        await require_admin(self._authenticator, request)
        request.check_json()
        try:
            return msgspec.json.decode(await request.body(), type=kind)
        except msgspec.DecodeError as error:
            raise RequestRefused(400, "BadJsonBody", f"{request.path}: {error}") from None


def _parameters(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.query_string.decode("latin-1")).items()}


def _json(value: object) -> Answer:
    return Answer(msgspec.json.encode(value))


def _not_kept(error: OSError) -> RequestRefused:
    log.error("an upload cannot be kept", reason=str(error))
    reason = error.strerror or "it cannot be written"
    return RequestRefused(507, "ImportNotStored", f"The upload cannot be kept: {reason}. Make room, and try again")


async def _pieces_of(found: Exported) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(open, found.path, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece
