"""
Exporting: one snapshot, written to a file.

It shows the database as of one commit, however long it takes; meanwhile the write-ahead log keeps what is
newer. The file gets its name when it is whole.
"""

import asyncio
import csv
import io
import mimetypes
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any, Final

import msgspec

from joelclaw.errors import BytesMissing, ExportRefused, LayoutChanged
from joelclaw.files.opening import open_files
from joelclaw.functions.app import LoadedApp
from joelclaw.schema.hints import object_kind
from joelclaw.schema.layout import Layout, TableLayout
from joelclaw.store.protocol import Snapshot
from joelclaw.store.sqlite import open_sqlite
from joelclaw.system.files import FileKey
from joelclaw.system.tables import StoredFile
from joelclaw.transfer.archive import DOCUMENTS, SCHEMA, STORAGE, TABLES, UNIFORM
from joelclaw.transfer.jobs import Done, ExportJob, Progress, Report
from joelclaw.values import wire

SLICE_FIRST: Final = 64
SLICE_MAX: Final = 1_024
SLICE_BYTES: Final = 2 * 2**20
"""What a slice should not exceed, going by the one before: large documents are read few at a time."""

REPORT_S: Final = 0.25

README: Final = """\
# A snapshot of a joelclaw deployment

One folder for each table, with a document in each line of `documents.jsonl`. Integers (`3`) are 64-bit
integers, numbers have a point or an exponent (`3.0`). Files, if they were asked for, are in `_storage`.

`joelclaw import <this file>` brings it into a deployment whose `schema.py` has these tables.
"""


class Exporter:
    """One export."""

    def __init__(self, job: ExportJob, app: LoadedApp, report: Callable[[Report], None]) -> None:
        self._job = job
        self._app = app
        self._report = report
        self._rows = 0
        self._total = 0
        self._told_at = 0.0
        self._snapshot: Snapshot

    def run(self) -> Done:
        """
        Write the file.

        Raises:
            ExportRefused: There is no such table, a file's bytes are gone, or it cannot be written.
        """
        part = f"{self._job.file}.part"
        store = open_sqlite(self._job.load.store_url, self._job.load.durability, read_only=True)
        try:
            layout = store.layout()
            self._app.adopt(layout)
            with store.read() as self._snapshot, open(part, "wb") as file:
                self._write(layout, file)
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
                ts = self._snapshot.timestamp
            os.replace(part, self._job.file)
        except LayoutChanged as error:
            raise ExportRefused("a deploy changed the tables while they were read; export again") from error
        except OSError as error:
            reason = f"{self._job.file} cannot be written: {error.strerror or error}"
            raise ExportRefused(f"{reason}; see to the room and permissions there, and export again") from error
        finally:
            with suppress(FileNotFoundError):
                os.remove(part)
            store.close()
        return Done(rows=self._rows, ts=ts, size=size)

    def _write(self, layout: Layout, file: IO[bytes]) -> None:
        tables = self._tables(layout)
        self._total = sum(self._snapshot.count(table, table.by_creation_time, b"", None) for table in tables)
        self._tell(now=True)
        match self._job.format:
            case "zip":
                self._write_zip(tables, layout, file)
            case "jsonl":
                for raw in self._documents(tables[0]):
                    file.write(raw + b"\n")
            case "json":
                self._write_array(tables[0], file)
            case "csv":
                self._write_csv(tables[0], file)

    def _tables(self, layout: Layout) -> list[TableLayout]:
        own = [table for table in layout.tables if not table.name.startswith("_")]
        if self._job.table is None:
            return own
        found = [table for table in own if table.name == self._job.table]
        if not found:
            names = ", ".join(table.name for table in own) or "none"
            raise ExportRefused(f"there is no table {self._job.table!r}; the app's tables are: {names}")
        return found

    def _documents(self, table: TableLayout) -> Iterator[bytes]:
        """The stored text of each document, in the order of creation."""
        start, limit = b"", SLICE_FIRST
        while found := self._snapshot.scan(table, table.by_creation_time, start, None, limit=limit):
            for _, raw in found:
                yield raw
                self._rows += 1
                self._tell()
            start = found[-1][0] + b"\0"
            size = sum(len(raw) for _, raw in found)
            limit = max(1, min(SLICE_MAX, 2 * limit, limit * SLICE_BYTES // max(1, size)))

    def _tell(self, *, now: bool = False) -> None:
        if now or (self._rows % 256 == 0 and time.monotonic() - self._told_at > REPORT_S):
            self._told_at = time.monotonic()
            self._report(Progress(rows=self._rows, of=self._total, start_ts=self._snapshot.timestamp))

    # -- one table

    def _write_array(self, table: TableLayout, file: IO[bytes]) -> None:
        separator = b"[\n"
        for raw in self._documents(table):
            file.write(separator + raw)
            separator = b",\n"
        file.write(b"\n]\n" if separator == b",\n" else b"[]\n")

    def _write_csv(self, table: TableLayout, file: IO[bytes]) -> None:
        names = [field.name for field in object_kind(self._app.tables[table.name].cls).fields]
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=False)
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        for raw in self._documents(table):
            document = wire.decode(raw)
            assert isinstance(document, dict)
            writer.writerow({name: _cell(value) for name, value in document.items()})
        text.flush()
        text.detach()

    # -- all of them

    def _write_zip(self, tables: list[TableLayout], layout: Layout, file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
            archive.writestr("README.md", README)
            stored = [table for table in layout.tables if table.name == STORAGE and self._job.include_storage]
            lines = [
                msgspec.json.encode({"name": table.name, "id": table.number}) + b"\n" for table in (*tables, *stored)
            ]
            archive.writestr(f"{TABLES}/{DOCUMENTS}", b"".join(lines))
            for table in tables:
                with archive.open(f"{table.name}/{DOCUMENTS}", "w", force_zip64=True) as entry:
                    for raw in self._documents(table):
                        entry.write(wire.export_json(wire.decode(raw)) + b"\n")
                archive.writestr(f"{table.name}/{SCHEMA}", UNIFORM + b"\n")
            if stored:
                self._write_files(archive, layout, stored[0])

    def _write_files(self, archive: zipfile.ZipFile, layout: Layout, table: TableLayout) -> None:
        keys = {found.name: found for found in layout.tables}[FileKey.__table__]
        with archive.open(f"{STORAGE}/{DOCUMENTS}", "w", force_zip64=True) as entry:
            for file, key in self._stored(table, keys):
                document = {
                    "_id": file.id,
                    "_creationTime": file.creation_time,
                    "sha256": file.sha256,
                    "size": file.size,
                    "contentType": _content_type(file),
                    "internalId": key,
                }
                entry.write(wire.export_json(document) + b"\n")
        archive.writestr(f"{STORAGE}/{SCHEMA}", UNIFORM + b"\n")
        asyncio.run(self._write_bytes(archive, table, keys))

    async def _write_bytes(self, archive: zipfile.ZipFile, table: TableLayout, keys: TableLayout) -> None:
        files = open_files(self._job.load.files_url, self._job.load.files_credentials)
        for file, key in self._stored(table, keys):
            extension = mimetypes.guess_extension((_content_type(file) or "").partition(";")[0].strip()) or ""
            # What is in files is mostly packed already.
            entry = zipfile.ZipInfo(f"{STORAGE}/{file.id}{extension}", date_time=time.gmtime()[:6])
            try:
                with archive.open(entry, "w", force_zip64=True) as out:
                    reading = await files.read(key, 0, int(file.size))
                    try:
                        async for piece in reading:
                            out.write(piece)
                            self._tell()
                    finally:
                        await reading.aclose()
            except BytesMissing as error:
                raise ExportRefused(
                    f"the bytes of file {file.id} are gone: {error}; delete it, or export without files"
                ) from error

    def _stored(self, table: TableLayout, keys: TableLayout) -> Iterator[tuple[StoredFile, str]]:
        """Files and the keys of their bytes."""
        info, key_info = self._app.tables[STORAGE], self._app.tables[FileKey.__table__]
        for raw in self._documents(table):
            self._rows -= 1  # Told of are documents of tables.
            file = info.decode(raw)
            bounds = key_info.bounds("by_file", {"file": file.id}, None, keys)
            found = self._snapshot.scan(keys, bounds.index, bounds.start, bounds.end, limit=1)
            if found:
                yield file, key_info.decode(found[0][1]).key


def _content_type(file: StoredFile) -> str | None:
    return file.content_type if isinstance(file.content_type, str) else None


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return wire.clean_json(value).decode().strip('"')
