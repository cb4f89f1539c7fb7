"""
Importing: a file, checked document by document and staged, then taken in by one transaction.

`stage` reads all of it and changes nothing: every document is checked against the schema that
serves, gets its index keys, and goes into a staging file. What is wrong is told with table and
line. `take_in` is what mutations wait for, and it either commits all or nothing; that the
import is completed is written in the same transaction.

Documents keep their ids, and ids say the number of their table: a table that is empty, or is to be emptied,
takes the number that the file's ids have. Those without get new ids. Whether what an id refers to exists
is not asked: imports come in parts.

A schema that changed since staging refuses the import: the documents were checked against another.
"""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final
from zipfile import ZipInfo

import msgspec
from msgspec import structs

from joelclaw.clock import SystemClock
from joelclaw.errors import (
    DigestMismatch,
    DocumentRefused,
    DuplicateId,
    DuplicateKey,
    FileStoreFailed,
    FileStoreFull,
    ImportRefused,
    LayoutChanged,
    OutcomeUnknown,
    PlatformError,
)
from joelclaw.files.opening import open_files
from joelclaw.files.receiving import receive
from joelclaw.files.staying import staying
from joelclaw.functions.app import LoadedApp
from joelclaw.isolate.messages import UnsentReply
from joelclaw.schema.hints import object_kind
from joelclaw.schema.layout import DocumentKey, Layout, TableLayout
from joelclaw.schema.tables import TableInfo
from joelclaw.schema.text import did_you_mean
from joelclaw.store.sqlite import SqliteStore, SqliteTransaction, open_sqlite
from joelclaw.store.sqlite_intake import Intake, StagedDocument, StagedTwice, Staging
from joelclaw.system.files import FileKey, RemovedFile
from joelclaw.system.imports import Import
from joelclaw.system.tables import StoredFile
from joelclaw.transfer.archive import STORAGE, Archive
from joelclaw.transfer.documents import Found, cells_of, csv_rows, from_export, guided_by, json_array, json_lines
from joelclaw.transfer.jobs import Done, ImportJob, Progress, Report, Staged
from joelclaw.values.ids import RANDOM_BYTES, encode_id, new_internal, table_number_of
from joelclaw.values.int64 import Int64

BATCH: Final = 500
"""Documents that are in memory together, if they are small."""

BATCH_BYTES: Final = 4 * 2**20
REPORT_S: Final = 0.25
PIECE_BYTES: Final = 256 * 1024
DAY_MS: Final = 86_400_000.0

_encode = msgspec.json.Encoder().encode


class _Target:
    """A table that documents are for."""

    def __init__(self, info: TableInfo[Any], layout: TableLayout, place: str, count: int) -> None:
        self.info = info
        self.name = info.name
        self.layout = layout
        self.place = place
        self.count = count
        """How many documents it has now."""

        self.emptied = False
        self.number: int | None = None
        """What the file's ids say, if they say anything."""

        self.rows = 0


class Importer:
    """One import: `stage`, then `take_in`; `close` in any case."""

    def __init__(self, job: ImportJob, app: LoadedApp, report: Callable[[Report], None]) -> None:
        self._job = job
        self._app = app
        self._report = report
        self._closing = ExitStack()
        self._clock = SystemClock()
        self._now_ms = self._clock.now_ms()
        self._day = int(self._now_ms // DAY_MS)
        self._created_at = self._now_ms
        self._targets: list[_Target] = []
        self._numbers: dict[str, int] = {}
        self._told_at = 0.0
        self._files: dict[str, StoredFile] = {}
        self._stored_keys: list[str] = []
        self._archive: Archive | None = None
        self._raw: IO[bytes] | None = None
        self._store: SqliteStore
        self._layout: Layout
        self._staging: Staging
        self._counts: dict[str, int] = {}

    def close(self) -> None:
        """Leave nothing behind."""
        try:
            if self._stored_keys:
                asyncio.run(self._forget_files())
        finally:
            self._closing.close()

    # -- staging

    def stage(self) -> Staged:
        """
        Read and check all of the file.

        Raises:
            ImportRefused: Something in it is wrong, with the place. Nothing was changed.
            StoreFull, StoreFailed: There is no room to stage it.
        """
        load = self._job.load
        self._store = open_sqlite(load.store_url, load.durability)
        self._closing.callback(self._store.close)
        with self._store.write() as txn:  # From here on, another layout is noticed.
            self._layout = self._store.layout()
            intake = Intake(txn.driver)
            self._counts = {table.name: intake.count(table) for table in (*self._layout.tables, *self._layout.retired)}
        self._app.expect(self._layout)
        sources = list(self._sources())
        self._choose_numbers()
        self._app.adopt(self._renumbered())
        self._staging = Staging(self._job.staging)
        self._closing.callback(self._remove_staging)
        self._closing.callback(self._staging.abandon)
        for target, documents in sources:
            self._stage_table(target, documents)
        if self._archive is not None:
            self._check_files(self._archive)
        return self._staged()

    def _remove_staging(self) -> None:
        with suppress(FileNotFoundError):
            os.remove(self._job.staging)

    def _sources(self) -> Iterator[tuple[_Target, Iterable[Found]]]:
        """Tables, and their documents in the JSON of clients; nothing but the beginning was read."""
        if self._job.format == "zip":
            yield from self._sources_of_archive()
            return
        name = self._job.table
        if not name:
            raise ImportRefused("", "a file that is no ZIP is for one table; say which, with --table")
        target = self._target(name, name)
        self._raw = self._closing.enter_context(open(self._job.file, "rb"))  # noqa: SIM115
        kind = object_kind(target.info.cls)
        match self._job.format:
            case "csv":
                documents = _each(csv_rows(self._raw, name), cells_of(kind))
            case "jsonArray":
                documents = _each(json_array(self._raw, name), guided_by(kind))
            case _:
                documents = _each(json_lines(self._raw, name), guided_by(kind))
        first = list(_take(documents, 1))
        for _, document in first:
            target.number = _number_in(document)
        yield target, chain(first, documents)

    def _sources_of_archive(self) -> Iterator[tuple[_Target, Iterable[Found]]]:
        archive = self._archive = Archive(self._job.file)
        self._closing.callback(archive.close)
        free = os.statvfs(os.path.dirname(self._job.staging))
        if archive.document_bytes > free.f_bavail * free.f_frsize:
            raise ImportRefused(
                "",
                f"the documents are {archive.document_bytes:,} bytes, and the disk of {self._job.staging} has "
                f"{free.f_bavail * free.f_frsize:,} free; make room",
            )
        if archive.files and STORAGE not in archive.tables:
            raise ImportRefused(STORAGE, f"there are files, but no {STORAGE}/documents.jsonl that tells of them")
        for name, entry in archive.tables.items():
            if name not in self._app.tables and not entry.file_size:
                continue
            archive.check_schema(name)
            target = self._target(name, entry.filename)
            target.number = archive.numbers.get(name)
            yield target, _each(_entry_lines(archive, entry), from_export)

    def _target(self, name: str, place: str) -> _Target:
        """
        Raises:
            ImportRefused: There is no such table, or it has documents and must not.
        """
        info = self._app.tables.get(name)
        own = [each for each in self._app.tables if not each.startswith("_")]
        if name.startswith("_") and name != STORAGE:
            raise ImportRefused(
                place, "tables whose names begin with '_' are the platform's own and cannot be imported"
            )
        if name == STORAGE and self._job.format != "zip":
            raise ImportRefused(place, "stored files come with their bytes: import them in a ZIP")
        if info is None:
            raise ImportRefused(
                place,
                f"there is no table {name!r} in the schema: declare it in {self._job.load.schema}, or "
                f"leave it out; {did_you_mean(name, own)}",
            )
        layout = next(table for table in self._layout.tables if table.name == name)
        target = _Target(info, layout, place, self._counts[name])
        target.emptied = self._job.mode in ("replace", "replaceAll")
        if self._job.mode == "requireEmpty" and target.count:
            raise ImportRefused(
                place,
                f"table {name!r} has {target.count:,} documents already; "
                f"choose --mode append to keep them, or --mode replace to delete them",
            )
        self._targets.append(target)
        return target

    # -- numbers of tables

    def _emptied(self) -> list[TableLayout]:
        """Tables that lose their documents."""
        if self._job.mode == "replaceAll" and self._job.format == "zip":
            names = {target.name for target in self._targets}
            return [table for table in self._layout.tables if not table.name.startswith("_") or table.name in names]
        return [target.layout for target in self._targets if target.emptied]

    def _choose_numbers(self) -> None:
        """Which tables take the number of the file's ids."""
        emptied = {table.name for table in self._emptied()}
        holders = {table.number: table for table in (*self._layout.tables, *self._layout.retired)}
        for target in self._targets:
            number = target.number
            if number is None or number == target.layout.number:
                continue
            if target.count and target.name not in emptied:
                raise ImportRefused(
                    target.place,
                    f"ids of {target.name!r} in this file are of a table with the number {number}, and here it has "
                    f"{target.layout.number} and documents; choose --mode replace, or leave out `_id`",
                )
            holder = holders.get(number)
            if holder is not None and self._counts[holder.name] and holder.name not in emptied:
                raise ImportRefused(
                    target.place,
                    f"ids of {target.name!r} in this file say table number {number}, which {holder.name!r} has here, "
                    f"with documents; import into an empty deployment, or choose --mode replace-all",
                )
            self._numbers[target.name] = number

    def _renumbered(self) -> Layout:
        """The layout as it will be. A table that makes room is nobody's meanwhile: it is empty."""
        taken = set(self._numbers.values())

        def number(table: TableLayout) -> int:
            asked = self._numbers.get(table.name)
            if asked is not None:
                return asked
            return -table.number if table.number in taken else table.number

        tables = tuple(structs.replace(table, number=number(table)) for table in self._layout.tables)
        return structs.replace(self._layout, tables=tables)

    # -- documents

    def _stage_table(self, target: _Target, documents: Iterable[Found]) -> None:
        table = target.layout
        number = self._numbers.get(target.name, table.number)
        self._staging.add_table(table)
        batch: list[StagedDocument] = []
        size = 0
        for line, document in documents:
            staged = self._checked(target, number, line, document)
            batch.append(staged)
            size += len(staged.document)
            if len(batch) >= BATCH or size > BATCH_BYTES:
                self._add(target, batch)
                batch, size = [], 0
        self._add(target, batch)
        twice = self._staging.finish(table)
        if twice is not None:
            raise _repeated(target, twice)

    def _add(self, target: _Target, batch: list[StagedDocument]) -> None:
        if batch:
            self._staging.add(target.layout, batch, target.rows + 1)
            target.rows += len(batch)
            self._tell(f"Reading {target.name}")

    def _checked(self, target: _Target, number: int, line: int, document: dict[str, Any]) -> StagedDocument:
        place = f"{target.place}, line {line}"
        id = document.get("_id")
        if id is None:
            document = self._with_system_fields(document, number)
        elif not isinstance(id, str) or table_number_of(id) != number:
            raise ImportRefused(place, _wrong_id(target.name, id, number))
        elif document.get("_creationTime") is None:
            document = document | {"_creationTime": self._next_creation_time()}
        if target.name == STORAGE:
            document.pop("internalId", None)
            if document.get("contentType", "") is None:
                del document["contentType"]
        try:
            checked = target.info.check(_encode(document))
            raw = target.info.encode(checked)
            keys = target.info.keys(checked, target.layout)
        except DocumentRefused as error:
            raise ImportRefused(place, _misfit(error)) from error
        if target.name == STORAGE:
            self._files[checked.id] = checked
        return StagedDocument(line, checked.id, raw, keys)

    def _with_system_fields(self, document: dict[str, Any], number: int) -> dict[str, Any]:
        created_at = document.get("_creationTime")
        return document | {
            "_id": encode_id(number, new_internal(os.urandom(RANDOM_BYTES), self._day)),
            "_creationTime": self._next_creation_time() if created_at is None else created_at,
        }

    def _next_creation_time(self) -> float:
        # A file's documents keep its order, and each has a time of its own.
        self._created_at += 0.001
        return self._created_at

    def _tell(self, message: str) -> None:
        if time.monotonic() - self._told_at > REPORT_S:
            self._told_at = time.monotonic()
            self._report(Progress(rows=self._rows, of=self._position(), message=message))

    @property
    def _rows(self) -> int:
        return sum(target.rows for target in self._targets)

    def _position(self) -> int:
        """How much of the file was read, as far as one can tell."""
        if self._raw is not None and not self._raw.closed:
            return self._raw.tell()
        if self._archive is not None and self._archive.document_bytes:
            done = [target.name for target in self._targets if target.rows]
            return sum(self._archive.tables[name].compress_size for name in done[:-1])
        return 0

    def _check_files(self, archive: Archive) -> None:
        """Documents of stored files and their bytes have to belong together."""
        for id, file in self._files.items():
            entry = archive.files.get(id)
            if entry is None:
                raise ImportRefused(f"{STORAGE}/{id}", "the archive lacks the bytes of this file")
            if entry.file_size != file.size:
                raise ImportRefused(
                    entry.filename, f"this file has {entry.file_size:,} bytes, and should have {file.size:,.0f}"
                )
        stray = next((entry for id, entry in archive.files.items() if id not in self._files), None)
        if stray is not None:
            raise ImportRefused(stray.filename, f"no line of {STORAGE}/documents.jsonl tells of this file")

    def _staged(self) -> Staged:
        lines = []
        deleted = 0
        emptied = {table.name for table in self._emptied()}
        for target in self._targets:
            gone = target.count if target.name in emptied else 0
            deleted += gone
            lines.append(f"{target.name}: {target.rows:,} documents come" + (f", {gone:,} are deleted" if gone else ""))
        others = [
            name for name in emptied if name not in {target.name for target in self._targets} and self._counts[name]
        ]
        for name in sorted(others):
            deleted += self._counts[name]
            lines.append(f"{name}: {self._counts[name]:,} are deleted")
        return Staged(
            rows=self._rows,
            message="\n".join(["This import changes:", *(f"  {line}" for line in lines)]),
            needs_consent=deleted > 0,
            checkpoints=lines,
        )

    # -- taking in

    def keep_files(self) -> None:
        """
        Keep the bytes of stored files. They have no record until `take_in`, so nobody is served them.

        Raises:
            ImportRefused: Bytes are not what they should be, or cannot be kept.
        """
        if self._files:
            # Until the end of the process: it takes these bytes in, or removes them.
            self._closing.enter_context(staying(Path(self._store.path)))
            asyncio.run(self._keep_files())
        self._staging.close()

    def take_in(self) -> Done:
        """
        Bring in what was staged: all of it, or nothing. While this runs nobody else can write.

        Raises:
            ImportRefused: The schema is another, or documents that came since are in the way.
            StoreFull, StoreFailed, OutcomeUnknown: The database could not take it.
        """
        try:
            done = self._switch()
        except OutcomeUnknown:
            self._stored_keys.clear()  # They may have a record; those without are swept.
            raise
        self._stored_keys.clear()
        return done

    def _switch(self) -> Done:
        try:
            with self._store.attached(self._job.staging), self._store.write() as txn:
                intake = Intake(txn.driver)
                self._check_empty(intake)
                for table in self._emptied():
                    if table.name == STORAGE:
                        self._remove_files(txn)
                    intake.empty(table)
                intake.renumber(self._numbers)
                rows = sum(intake.take(target.layout, self._examine) for target in self._targets)
                if self._stored_keys:
                    intake.take(self._table(FileKey), self._examine)
                txn.created_until(self._created_at)
                ts = self._store.next_timestamp(self._clock)
                self._complete(txn, rows, ts)
                reply = UnsentReply(batch=0, ts=ts, keys=txn.writes(), outcomes=[])
                txn.commit(msgspec.msgpack.encode(reply), ts)
        except LayoutChanged as error:
            raise ImportRefused("", "the schema changed while the file was read; import it again") from error
        except DuplicateId as error:
            raise ImportRefused(
                error.table, f"there is a document {error.id} already; choose --mode replace"
            ) from error
        except DuplicateKey as error:
            raise ImportRefused(error.table, str(error)) from error
        return Done(rows=rows, ts=ts)

    def _check_empty(self, intake: Intake) -> None:
        for target in self._targets if self._job.mode == "requireEmpty" else ():
            if intake.count(target.layout):
                raise ImportRefused(
                    target.place, f"table {target.name!r} has got documents meanwhile; nothing was imported"
                )

    def _examine(self, layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
        info = self._app.tables[layout.name]
        return [info.keys(info.decode(raw), layout) for raw in raws]

    def _table(self, cls: type[Any]) -> TableLayout:
        return next(table for table in self._layout.tables if table.name == cls.__table__)

    def _complete(self, txn: SqliteTransaction, rows: int, ts: int) -> None:
        """Write down that it is done, in the transaction that does it."""
        info, layout = self._app.tables[Import.__table__], self._table(Import)
        raw = txn.get(layout, self._job.id)
        if raw is None:
            raise ImportRefused("", "this import is not known any more")
        document = info.decode(raw)
        if document.state != "in_progress":
            raise ImportRefused("", "this import was cancelled")
        old = info.keys(document, layout)
        document.state, document.rows_written, document.completed_ts = "completed", float(rows), Int64(ts)
        document.message = ""
        txn.replace(layout, self._job.id, info.encode(document), old, info.keys(document, layout))

    # -- stored files

    async def _keep_files(self) -> None:
        """Store the bytes, and stage the keys that they are kept under."""
        assert self._archive is not None
        files = open_files(self._job.load.files_url, self._job.load.files_credentials)
        info, layout = self._app.tables[FileKey.__table__], self._table(FileKey)
        self._staging.add_table(layout)
        for row, (id, file) in enumerate(self._files.items(), 1):
            entry = self._archive.files[id]
            sha256 = base64.b64decode(file.sha256)
            with self._archive.open(entry) as stream:
                try:
                    received = await receive(files, _pieces(stream), sha256=sha256)
                except (DigestMismatch, FileStoreFull, FileStoreFailed) as error:
                    raise ImportRefused(entry.filename, str(error)) from error
            self._stored_keys.append(received.key)
            document = self._with_system_fields({"file": id, "key": received.key}, layout.number)
            checked = info.check(_encode(document))
            staged = StagedDocument(row, checked.id, info.encode(checked), info.keys(checked, layout))
            self._staging.add(layout, [staged], row)
            self._tell(f"Storing files, {row:,} of {len(self._files):,}")
        self._staging.finish(layout)

    async def _forget_files(self) -> None:
        """Best effort: what stays has no record, and is swept."""
        files = open_files(self._job.load.files_url, self._job.load.files_credentials)
        for key in self._stored_keys:
            with suppress(PlatformError):
                await files.remove(key)

    def _remove_files(self, txn: SqliteTransaction) -> None:
        """Leave a note for the bytes of each file that goes, as deleting it would."""
        info, layout = self._app.tables[FileKey.__table__], self._table(FileKey)
        notes, note_layout = self._app.tables[RemovedFile.__table__], self._table(RemovedFile)
        start = b""
        while found := txn.scan(layout, layout.by_creation_time, start, None, limit=BATCH):
            for _, raw in found:
                key = info.decode(raw)
                document = self._with_system_fields({"key": key.key}, note_layout.number)
                note = notes.check(_encode(document))
                txn.insert(note_layout, note.id, notes.encode(note), notes.keys(note, note_layout))
                txn.delete(layout, key.id, info.keys(key, layout))
            start = found[-1][0] + b"\0"


def _each(documents: Iterator[Found], read: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[Found]:
    return ((line, read(document)) for line, document in documents)


def _entry_lines(archive: Archive, entry: ZipInfo) -> Iterator[Found]:
    with archive.open(entry) as stream:
        yield from json_lines(stream, entry.filename)


def _take(documents: Iterator[Found], count: int) -> Iterator[Found]:
    for _ in range(count):
        found = next(documents, None)
        if found is not None:
            yield found


def _number_in(document: dict[str, Any]) -> int | None:
    id = document.get("_id")
    return table_number_of(id) if isinstance(id, str) else None


def _wrong_id(table: str, id: Any, number: int) -> str:
    found = table_number_of(id) if isinstance(id, str) else None
    if found is None:
        return f"`_id` is {str(id)[:60]!r}, which is no id; leave it out for a new one"
    return f"`_id` {id} is of a table with the number {found}, and {table!r} has {number}"


def _repeated(target: _Target, twice: StagedTwice) -> ImportRefused:
    place = f"{target.place}, line {twice.line}"
    if twice.index_name == "by_id":
        return ImportRefused(place, f"duplicate `_id` {twice.id}: line {twice.first_line} has it, too")
    return ImportRefused(
        place, f"the unique index {twice.index_name} has this document's key already, of line {twice.first_line}"
    )


def _misfit(error: DocumentRefused) -> str:
    where = error.path.removeprefix(".")
    if not where:
        return error.reason
    return f"field {where}: {error.reason} It is {error.value:.80}, expected is {error.validator:.120}"


async def _pieces(stream: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := stream.read(PIECE_BYTES):
        yield piece
