"""A database of the test app and imports into it, in this process: no server, no other process."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from joelclaw.functions.app import LoadedApp
from joelclaw.functions.loader import load_app
from joelclaw.isolate.messages import Load
from joelclaw.schema.layout import DocumentKey, TableLayout
from joelclaw.store.sqlite import SqliteStore, open_sqlite
from joelclaw.system.imports import Import
from joelclaw.transfer.exporting import Exporter
from joelclaw.transfer.importing import Importer
from joelclaw.transfer.jobs import ExportJob, ImportJob, Report, Staged
from joelclaw.values import wire
from joelclaw.values.ids import encode_id

APP = Path(__file__).parent / "app"


def id_of(number: int, place: int) -> str:
    """An id of the table with this number."""
    return encode_id(number, place.to_bytes(16, "big"))


class Place:
    """A deployment's database and folder of files."""

    def __init__(self, folder: Path, app: Path = APP) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.load = Load(
            role="writer",
            root=str(app),
            functions="app_functions",
            schema="schema.py",
            wire_names="camel",
            store_url=f"sqlite:///{folder}/data.db",
            durability="none",
            env={},
            development=False,
            files_url=f"file://{folder}/files",
        )
        self.app = self._app()
        self.prepare()
        self.reports: list[Report] = []

    def _app(self) -> LoadedApp:
        return load_app(self.load.root)

    @contextmanager
    def store(self) -> Iterator[SqliteStore]:
        store = open_sqlite(self.load.store_url, "none")
        try:
            yield store
        finally:
            store.close()

    def prepare(self, numbers: Mapping[str, int] = {}) -> None:
        """Make it fit the schema."""

        def examine(layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
            table = self.app.tables[layout.name]
            return [table.keys(table.check(raw), layout) for raw in raws]

        with self.store() as store:
            self.app.expect(store.layout())
            layout = store.prepare([table.spec for table in self.app.tables.values()], examine, numbers)
        self.app.adopt(layout)
        self.tables = {table.name: table for table in layout.tables}

    def put(self, table: str, document: dict[str, Any]) -> str:
        """Insert a document, as JSON of clients; its id."""
        with self.store() as store, store.write() as txn:
            info, layout = self.app.tables[table], self.tables[table]
            place = txn.count(layout, layout.by_creation_time, b"", None) + 1
            system = {"_id": id_of(layout.number, place), "_creationTime": 1000.0 + place}
            checked = info.check(json.dumps(system | document).encode())
            txn.insert(layout, checked.id, info.encode(checked), info.keys(checked, layout))
            from joelclaw.clock import SystemClock

            txn.commit(b"", store.next_timestamp(SystemClock()))
        return str(checked.id)

    def documents(self, table: str) -> list[dict[str, Any]]:
        """What stands in a table, in order of creation."""
        with self.store() as store, store.read() as snapshot:
            layout = next(each for each in store.layout().tables if each.name == table)
            return [json.loads(raw) for _, raw in snapshot.scan(layout, layout.by_creation_time, b"", None)]

    def values(self, table: str) -> list[Any]:
        """The same as values."""
        return [wire.decode(json.dumps(document)) for document in self.documents(table)]

    # -- imports and exports

    def stage(self, file: Path, *, mode: str = "requireEmpty", table: str | None = None) -> tuple[Importer, Staged]:
        """Begin an import that somebody has agreed to."""
        formats = {".zip": "zip", ".jsonl": "jsonLines", ".json": "jsonArray", ".csv": "csv"}
        kind: Any = formats[file.suffix]
        id = self.put(
            Import.__table__,
            {"state": "in_progress", "format": kind, "mode": mode, "tableName": table},
        )
        job = ImportJob(
            load=self.load,
            id=id,
            file=str(file),
            staging=str(self.folder / "staging.db"),
            format=kind,
            mode=mode,  # type: ignore[arg-type]
            table=table,
        )
        importer = Importer(job, self._app(), self.reports.append)
        try:
            return importer, importer.stage()
        except BaseException:
            importer.close()
            raise

    def bring_in(self, file: Path, *, mode: str = "requireEmpty", table: str | None = None) -> int:
        """Import a file; how many documents came."""
        importer, _ = self.stage(file, mode=mode, table=table)
        try:
            importer.keep_files()
            rows = importer.take_in().rows
        finally:
            importer.close()
        self.prepare()
        return rows

    def export(self, kind: str = "zip", *, table: str | None = None, include_storage: bool = False) -> Path:
        """Write what is there to a file."""
        file = self.folder / f"export.{kind}"
        job = ExportJob(load=self.load, file=str(file), format=kind, table=table, include_storage=include_storage)  # type: ignore[arg-type]
        Exporter(job, self._app(), self.reports.append).run()
        return file


def archive(path: Path, entries: Mapping[str, str | bytes]) -> Path:
    """A ZIP of these entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return path
