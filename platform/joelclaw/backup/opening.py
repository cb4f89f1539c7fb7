"""
Opening a restored database as a server does when it starts: what only its app can tell of it.

`snapshot.py` checks what can be checked without an app. Here the app's own tables are prepared and
read: each document has to fit the schema, and has to stand in each index under the key that is
computed from it. Since an index has no more rows than documents, that makes it exact. What search and
vector indexes have of it is compared, too.

Of a large table the oldest and the newest documents are looked at; who asks is told of which. The words
of its search indexes are then not compared, for they can only be all at once.

Without an app only the platform's own tables are read in this way.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from joelclaw.errors import AppRefused, BackupDamaged, BackupFailed, DocumentRefused, StoreFailed, StoreUnreadable
from joelclaw.functions.app import LoadedApp
from joelclaw.isolate.messages import Load
from joelclaw.schema.layout import DocumentKey, IndexKey, TableLayout
from joelclaw.schema.tables import TableInfo
from joelclaw.store.protocol import Examine, Snapshot
from joelclaw.store.sqlite import open_sqlite
from joelclaw.store.sqlite_comparing import EntryComparison

DOCUMENTS_AT_ONCE: Final = 128

DOCUMENTS_MAX: Final = 200_000
"""Of a table with more, half as many of the oldest and of the newest are looked at: some ten seconds of work."""


class App(NamedTuple):
    """The app that documents are looked at with."""

    load: Load | None
    """None: there is none."""

    told: str
    """Which it is, for people; empty: none."""


FindApp: TypeAlias = Callable[[Path, Path], App]
"""Told of a restored database, and a folder for files that are needed meanwhile."""


def no_app(_database: Path, _folder: Path) -> App:
    return App(None, "")


def open_as_a_server(database: Path, name: str, load: Load | None, folder: Path) -> list[str]:
    """
    Open a restored database to write to it, and look at its documents; which tables were sampled.

    It may be changed by this. `folder` is for files that are needed meanwhile.

    Raises:
        BackupDamaged: A server with this app could not serve it.
        BackupFailed: The app does not load.
    """
    app = _app(load, folder)
    try:
        with closing(open_sqlite(f"sqlite:///{database}")) as store:
            layout = store.prepare([table.spec for table in app.tables.values()], _examine(app))
            app.adopt(layout)
            with store.read() as snapshot:
                sampled = []
                for table in layout.tables:
                    comparison = EntryComparison(store, snapshot, table)
                    if _look_at(snapshot, table, app.tables[table.name], comparison, name):
                        sampled.append(table.name)
                return sampled
    except (StoreUnreadable, StoreFailed, DocumentRefused) as error:
        raise BackupDamaged(name, f"a server cannot open its database: {error}") from error


def _app(load: Load | None, folder: Path) -> LoadedApp:
    # Late: only proving takes it.
    from joelclaw.functions.loader import load_app

    if load is None:
        for part in ("app_functions/__init__.py", "schema.py"):
            (folder / part).parent.mkdir(exist_ok=True)
            (folder / part).touch()
        return load_app(folder)
    try:
        return load_app(load.root, load.functions, load.schema, load.wire_names, load.limits, load.crons, load.sign_in)
    except AppRefused as error:
        raise BackupFailed(f"the app does not load, so that its documents cannot be checked: {error}") from error


def _examine(app: LoadedApp) -> Examine:
    def examine(layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
        table = app.tables[layout.name]
        return [table.keys(table.check(raw), layout) for raw in raws]

    return examine


def _look_at(
    snapshot: Snapshot, table: TableLayout, info: TableInfo[Any], comparison: EntryComparison, name: str
) -> bool:
    """Check documents of a table; whether not all."""
    count = snapshot.count(table, table.by_creation_time, b"", None)
    looked = _documents(snapshot, table, count)
    if count > DOCUMENTS_MAX:
        half = DOCUMENTS_MAX // 2
        looked = chain(_documents(snapshot, table, half), _documents(snapshot, table, half, newest=True))
    indexes = {index.number: index for index in table.indexes}
    for raw in looked:
        document = info.check(raw)
        keys = info.keys(document, table)
        for key in keys:
            index = indexes.get(key.index)
            if index is None or not isinstance(key, IndexKey):
                continue
            if snapshot.scan(table, index, key.key, key.key + b"\0", limit=1) != [(key.key, raw)]:
                reason = f"a document of {table.name} is not where its index {index.name} should have it: {raw[:120]!r}"
                raise BackupDamaged(name, reason)
        if table.finders and (reason := comparison.compare(document.id, keys)):
            raise BackupDamaged(name, reason)
    if reason := comparison.end(all_told=count <= DOCUMENTS_MAX):
        raise BackupDamaged(name, reason)
    return count > DOCUMENTS_MAX


def _documents(snapshot: Snapshot, table: TableLayout, many: int, *, newest: bool = False) -> Iterator[bytes]:
    start: bytes = b""
    end: bytes | None = None
    while many > 0:
        found = snapshot.scan(
            table, table.by_creation_time, start, end, reverse=newest, limit=min(many, DOCUMENTS_AT_ONCE)
        )
        if not found:
            return
        yield from (raw for _, raw in found)
        many -= len(found)
        if newest:
            end = found[-1][0]
        else:
            start = found[-1][0] + b"\0"
