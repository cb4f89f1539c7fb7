"""
The catalog of a SQLite file: what is in it, and how it comes to fit a schema.

A table `comments` of the app is, in the file, a table `comments.documents`, one table per
index (`comments.by_article`) and a view `comments` with a column per field, for people. Names
of apps are case-sensitive and SQLite's are not, so the second of two that differ in case only
is written with its number in front: `10002.Comments`.

The platform's own tables are `joelclaw.meta`, `.tables`, `.indexes`, `.calls` and `.replies`.
No app can have these names: a dot is no part of its own.

All of `fit` happens in the caller's transaction, data and definitions alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from joelclaw.errors import IndexNotUnique, StoreUnreadable, TableNumberTaken
from joelclaw.schema.layout import IndexKey, IndexLayout, Layout, TableLayout
from joelclaw.schema.specs import IndexSpec, SearchIndexSpec, TableSpec, VectorIndexSpec
from joelclaw.store.protocol import Examine
from joelclaw.store.sqlite_driver import Driver
from joelclaw.store.sqlite_search import SearchTables
from joelclaw.store.sqlite_statements import (
    DocumentStatements,
    IndexStatements,
    document_statements,
    index_statements,
    quoted,
    quoted_text,
)
from joelclaw.store.sqlite_vectors import VectorTable
from joelclaw.values.keys import end_of

APPLICATION_ID: Final = 0x6A6F656C
"""Written into the file's header: `joel`."""

FORMAT: Final = 1
"""The layout of the file, also in its header; another number is another layout."""

TABLE_NUMBER_MAX: Final = 2**32 - 1
SYSTEM_NUMBER_MAX: Final = 9_999
USER_NUMBER_MIN: Final = 10_001

EXAMINED_AT_ONCE: Final = 256
"""Documents that are handed to `examine` together."""

_TABLES: Final = (
    """
    CREATE TABLE "joelclaw.meta" (
        commit_ts INTEGER NOT NULL,
        creation_time REAL NOT NULL,
        layout_version INTEGER NOT NULL,
        last_system_number INTEGER NOT NULL,
        last_user_number INTEGER NOT NULL,
        last_index_number INTEGER NOT NULL,
        secret BLOB NOT NULL
    )
    """,
    f"""INSERT INTO "joelclaw.meta" VALUES (0, 0.0, 0, 0, {USER_NUMBER_MIN - 1}, 0, randomblob(32))""",
    """
    CREATE TABLE "joelclaw.tables" (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        relation TEXT NOT NULL,
        definition TEXT NOT NULL,
        active INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE "joelclaw.indexes" (
        number INTEGER PRIMARY KEY,
        table_number INTEGER NOT NULL,
        name TEXT NOT NULL,
        relation TEXT NOT NULL,
        is_unique INTEGER NOT NULL,
        definition TEXT NOT NULL,
        UNIQUE (table_number, name)
    )
    """,
    """
    CREATE TABLE "joelclaw.calls" (
        row INTEGER PRIMARY KEY,
        call_id TEXT NOT NULL UNIQUE,
        outcome BLOB NOT NULL,
        at REAL NOT NULL
    )
    """,
    """CREATE TABLE "joelclaw.replies" (ts INTEGER PRIMARY KEY, reply BLOB NOT NULL)""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)


class _SearchDefinition(msgspec.Struct, tag="search", frozen=True, kw_only=True):
    """What is written down of a search index."""

    field: str
    filters: tuple[str, ...]
    defaults: str


class _VectorDefinition(msgspec.Struct, tag="vector", frozen=True, kw_only=True):
    """What is written down of a vector index."""

    field: str
    dimensions: int
    filters: tuple[str, ...]
    defaults: str


_finder_definition: "msgspec.json.Decoder[_SearchDefinition | _VectorDefinition]" = msgspec.json.Decoder(
    _SearchDefinition | _VectorDefinition
)

_AnySpec: TypeAlias = IndexSpec | SearchIndexSpec | VectorIndexSpec


class _Index(msgspec.Struct, kw_only=True):
    """A row of `joelclaw.indexes`."""

    number: int
    table_number: int
    name: str
    relation: str
    is_unique: bool
    definition: str

    @property
    def is_finder(self) -> bool:
        """A search or vector index: its definition is an object, an ordered index's a list."""
        return self.definition.startswith("{")

    def layout(self) -> IndexLayout:
        return IndexLayout(number=self.number, name=self.name, unique=self.is_unique, definition=self.definition)


class _Table(msgspec.Struct, kw_only=True):
    """A row of `joelclaw.tables`, with its indexes by name."""

    number: int
    name: str
    relation: str
    definition: str
    active: bool
    indexes: dict[str, _Index] = {}

    def layout(self) -> TableLayout:
        return TableLayout(
            number=self.number,
            name=self.name,
            by_id=self.indexes["by_id"].layout(),
            by_creation_time=self.indexes["by_creation_time"].layout(),
            indexes=tuple(index.layout() for index in self.own_indexes() if not index.is_finder),
            finders=tuple(index.layout() for index in self.own_indexes() if index.is_finder),
        )

    def own_indexes(self) -> Iterator[_Index]:
        """Those that the schema names."""
        return (index for name, index in self.indexes.items() if name not in ("by_id", "by_creation_time"))


# -- the file


def make_ours(driver: Driver) -> None:
    """
    Write an empty file's tables; leave one that is ours as it is.

    Raises:
        StoreUnreadable: It is somebody else's, or of another version. Nothing was changed.
    """
    if _is_ours(driver):
        return
    driver.rows("PRAGMA journal_mode = WAL")
    driver.begin(write=True)
    try:
        if not _is_ours(driver):  # Another process was faster.
            for statement in _TABLES:
                driver.change(statement)
        driver.commit()
    finally:
        driver.rollback()


def require_ours(driver: Driver) -> None:
    """
    Raises:
        StoreUnreadable: The file is empty, somebody else's, or of another version.
    """
    if not _is_ours(driver):
        raise StoreUnreadable(driver.path, "is empty: no deployment has written to it yet")


def _is_ours(driver: Driver) -> bool:
    """Ours, or an empty file; anything else is refused."""
    [(application_id,)] = driver.rows("PRAGMA application_id")
    [(file_format,)] = driver.rows("PRAGMA user_version")
    if application_id == APPLICATION_ID:
        if file_format > FORMAT:
            reason = f"was written by a newer joelclaw (format {file_format}, this one has {FORMAT}); upgrade joelclaw"
            raise StoreUnreadable(driver.path, reason)
        if file_format < FORMAT:
            reason = (
                f"was written by an older joelclaw (format {file_format}, this one has {FORMAT}); "
                f"export it with that version and import it with this one"
            )
            raise StoreUnreadable(driver.path, reason)
        return True
    if application_id or file_format or driver.rows("SELECT 1 FROM sqlite_schema LIMIT 1"):
        reason = "is another program's database; name another file in [store] url"
        raise StoreUnreadable(driver.path, reason)
    return False


# -- reading the catalog


def read_layout(driver: Driver) -> Layout:
    tables = _read_tables(driver).values()
    [(secret,)] = driver.rows('SELECT secret FROM "joelclaw.meta"')
    return Layout(
        tables=tuple(table.layout() for table in tables if table.active),
        retired=tuple(table.layout() for table in tables if not table.active),
        secret=secret,
    )


def find_statements(driver: Driver, index_number: int) -> tuple[IndexStatements, DocumentStatements] | None:
    """The statements for an index and for its table's documents; None when there is no such index (any more)."""
    rows = driver.rows(
        """
        SELECT t.name, i.name, d.relation, i.relation, i.is_unique
        FROM "joelclaw.indexes" AS i
        JOIN "joelclaw.tables" AS t ON t.number = i.table_number
        JOIN "joelclaw.indexes" AS d ON d.table_number = i.table_number AND d.name = 'by_id'
        WHERE i.number = ?
        """,
        (index_number,),
    )
    if not rows:
        return None
    table, index, documents, relation, is_unique = rows[0]
    statements = index_statements(
        table=table.decode(),
        index=index.decode(),
        documents=documents.decode(),
        relation=relation.decode(),
        unique=bool(is_unique),
    )
    return statements, document_statements(documents.decode())


def find_finder(driver: Driver, index_number: int) -> SearchTables | VectorTable | None:
    """The relations of a search or vector index; None when there is no such index (any more)."""
    rows = driver.rows(
        """
        SELECT i.relation, d.relation, i.definition
        FROM "joelclaw.indexes" AS i
        JOIN "joelclaw.indexes" AS d ON d.table_number = i.table_number AND d.name = 'by_id'
        WHERE i.number = ?
        """,
        (index_number,),
    )
    if not rows:
        return None
    relation, documents, definition = rows[0]
    return _finder(relation.decode(), documents.decode(), definition.decode())


def _finder(relation: str, documents: str, definition: str) -> SearchTables | VectorTable:
    decoded = _finder_definition.decode(definition)
    kind = SearchTables if isinstance(decoded, _SearchDefinition) else VectorTable
    return kind(relation, documents, len(decoded.filters))


def _read_tables(driver: Driver) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    rows = driver.rows('SELECT number, name, relation, definition, active FROM "joelclaw.tables" ORDER BY number')
    for number, name, relation, definition, active in rows:
        tables[name.decode()] = _Table(
            number=number,
            name=name.decode(),
            relation=relation.decode(),
            definition=definition.decode(),
            active=bool(active),
        )
    by_number = {table.number: table for table in tables.values()}
    rows = driver.rows(
        """
        SELECT number, table_number, name, relation, is_unique, definition FROM "joelclaw.indexes" ORDER BY number
        """
    )
    for number, table_number, name, relation, is_unique, definition in rows:
        by_number[table_number].indexes[name.decode()] = _Index(
            number=number,
            table_number=table_number,
            name=name.decode(),
            relation=relation.decode(),
            is_unique=bool(is_unique),
            definition=definition.decode(),
        )
    return tables


# -- fitting a schema


class Fitting:
    """Makes a file fit a schema, inside a transaction that the caller undoes if anything raises."""

    def __init__(self, driver: Driver, examine: Examine, numbers: Mapping[str, int]) -> None:
        self._driver = driver
        self._examine = examine
        self._numbers = numbers

    def fit(self, specs: Sequence[TableSpec]) -> Layout:
        """All of it; the layout it ends with. Its version grows if anything about tables or indexes changed."""
        changes = self._driver.total_changes
        tables = _read_tables(self._driver)
        self._renumber(tables, {spec.name: self._numbers[spec.name] for spec in specs if spec.name in self._numbers})
        for spec in specs:
            table = tables.pop(spec.name, None)
            if table is None:
                self._add_table(spec)
            else:
                self._fit_table(table, spec)
        for table in tables.values():
            if table.active:
                self._retire(table)
        if self._driver.total_changes != changes:
            self._driver.change('UPDATE "joelclaw.meta" SET layout_version = layout_version + 1')
        return read_layout(self._driver)

    def renumber(self) -> None:
        """The numbers alone, for tables that are to get documents of elsewhere."""
        changes = self._driver.total_changes
        tables = _read_tables(self._driver)
        self._renumber(tables, {name: number for name, number in self._numbers.items() if name in tables})
        if self._driver.total_changes != changes:
            self._driver.change('UPDATE "joelclaw.meta" SET layout_version = layout_version + 1')

    # -- tables

    def _renumber(self, tables: Mapping[str, _Table], asked: Mapping[str, int]) -> None:
        """
        Give tables the numbers that were asked for; one that is in the way gets another.

        Only empty tables move. All that do are taken away first, so that two can change places.
        """
        names = {number: name for name, number in asked.items()}
        moving = [
            table
            for table in tables.values()
            if asked.get(table.name, table.number) != table.number or names.get(table.number, table.name) != table.name
        ]
        for table in moving:
            if self._driver.rows(f"SELECT 1 FROM {quoted(table.indexes['by_id'].relation)} LIMIT 1"):
                if table.name in asked:
                    reason = f"its documents' ids say {table.number}; empty the table first"
                    raise TableNumberTaken(table.name, asked[table.name], reason)
                raise TableNumberTaken(names[table.number], table.number, f"{table.name} has it, and documents")
            self._set_number(table, -table.number)
        for table in moving:
            if table.name in asked:
                self._set_number(table, self._asked_number(table.name, asked[table.name]))
            else:
                self._set_number(table, self._next_table_number(table.name))

    def _set_number(self, table: _Table, number: int) -> None:
        for catalog, column in (("joelclaw.tables", "number"), ("joelclaw.indexes", "table_number")):
            self._driver.change(f"UPDATE {quoted(catalog)} SET {column} = ? WHERE {column} = ?", (number, table.number))
        table.number = number

    def _add_table(self, spec: TableSpec) -> None:
        asked = self._numbers.get(spec.name)
        number = self._next_table_number(spec.name) if asked is None else self._asked_number(spec.name, asked)
        table = _Table(
            number=number,
            name=spec.name,
            relation=self._free_relation(spec.name, number),
            definition=_table_definition(spec),
            active=True,
        )
        self._driver.change(
            'INSERT INTO "joelclaw.tables" (number, name, relation, definition, active) VALUES (?, ?, ?, ?, 1)',
            (table.number, table.name, table.relation, table.definition),
        )
        documents = table.indexes["by_id"] = self._add_index(table, "by_id", "documents")
        self._driver.change(
            f"""
            CREATE TABLE {quoted(documents.relation)} (
                row INTEGER PRIMARY KEY,
                _id TEXT NOT NULL UNIQUE,
                _creationTime REAL AS (json_extract(doc, '$._creationTime')),
                doc TEXT NOT NULL
            )
            """
        )
        self._create_index_table(self._add_index(table, "by_creation_time", "by_creation_time"))
        for index in _index_specs(spec):
            table.indexes[index.name] = self._add_index(table, index.name, index.name, index)
            self._create_index(table, table.indexes[index.name])
        self._show(table, spec)

    def _fit_table(self, table: _Table, spec: TableSpec) -> None:
        added = self._fit_indexes(table, spec)
        definition = _table_definition(spec)
        if added or definition != table.definition:
            self._examine_documents(table, added)
        if definition != table.definition or not table.active:
            self._driver.change(
                'UPDATE "joelclaw.tables" SET definition = ?, active = 1 WHERE number = ?', (definition, table.number)
            )
        self._show(table, spec)

    def _retire(self, table: _Table) -> None:
        """Documents, number and view stay; an index that nobody maintains would be wrong when it comes back."""
        for index in table.own_indexes():
            self._drop_index(table, index)
        self._driver.change('UPDATE "joelclaw.tables" SET active = 0 WHERE number = ?', (table.number,))

    def _asked_number(self, name: str, number: int) -> int:
        system = name.startswith("_")
        low, high = (1, SYSTEM_NUMBER_MAX) if system else (USER_NUMBER_MIN, TABLE_NUMBER_MAX)
        if not low <= number <= high:
            raise TableNumberTaken(name, number, f"its kind of table has numbers from {low} to {high}")
        rows = self._driver.rows('SELECT name FROM "joelclaw.tables" WHERE number = ?', (number,))
        if rows:
            raise TableNumberTaken(name, number, f"{rows[0][0].decode()} has it")
        column = "last_system_number" if system else "last_user_number"
        # What was given out is never given out unasked again: ids of deleted documents may still say it.
        self._driver.change(f'UPDATE "joelclaw.meta" SET {column} = max({column}, ?)', (number,))
        return number

    def _next_table_number(self, name: str) -> int:
        system = name.startswith("_")
        number = self._next_number("last_system_number" if system else "last_user_number")
        if number > (SYSTEM_NUMBER_MAX if system else TABLE_NUMBER_MAX):
            raise TableNumberTaken(name, number, "all numbers of its kind have been given out")
        return number

    def _next_number(self, column: str) -> int:
        self._driver.change(f'UPDATE "joelclaw.meta" SET {column} = {column} + 1')
        [(number,)] = self._driver.rows(f'SELECT {column} FROM "joelclaw.meta"')
        return int(number)

    # -- indexes

    def _fit_indexes(self, table: _Table, spec: TableSpec) -> list[_Index]:
        """Drop what the schema does not name any more, create what is new to it, still empty."""
        wanted = {index.name: index for index in _index_specs(spec)}
        for index in list(table.own_indexes()):
            if index.name not in wanted or (index.definition, index.is_unique) != (
                _index_definition(wanted[index.name]),
                _is_unique(wanted[index.name]),
            ):
                self._drop_index(table, index)
                del table.indexes[index.name]
        added = []
        for name, index_spec in wanted.items():
            if name not in table.indexes:
                table.indexes[name] = self._add_index(table, name, name, index_spec)
                self._create_index(table, table.indexes[name])
                added.append(table.indexes[name])
        return added

    def _add_index(self, table: _Table, name: str, suffix: str, spec: _AnySpec | None = None) -> _Index:
        number = self._next_number("last_index_number")
        index = _Index(
            number=number,
            table_number=table.number,
            name=name,
            relation=self._free_relation(f"{table.relation}.{suffix}", number),
            is_unique=spec is not None and _is_unique(spec),
            definition="" if spec is None else _index_definition(spec),
        )
        self._driver.change(
            """
            INSERT INTO "joelclaw.indexes" (number, table_number, name, relation, is_unique, definition)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            (index.number, index.table_number, index.name, index.relation, index.is_unique, index.definition),
        )
        return index

    def _create_index(self, table: _Table, index: _Index) -> None:
        if index.is_finder:
            _finder(index.relation, table.indexes["by_id"].relation, index.definition).create(self._driver)
        else:
            self._create_index_table(index)

    def _create_index_table(self, index: _Index) -> None:
        self._driver.change(
            f"CREATE TABLE {quoted(index.relation)} (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID"
        )

    def _drop_index(self, table: _Table, index: _Index) -> None:
        if index.is_finder:
            _finder(index.relation, table.indexes["by_id"].relation, index.definition).drop(self._driver)
        else:
            self._driver.change(f"DROP TABLE {quoted(index.relation)}")
        self._driver.change('DELETE FROM "joelclaw.indexes" WHERE number = ?', (index.number,))

    # -- documents

    def _examine_documents(self, table: _Table, added: Sequence[_Index]) -> None:
        """Have every document looked at, and fill the indexes that were added."""
        documents = table.indexes["by_id"].relation
        fills = {
            index.number: index_statements(
                table=table.name,
                index=index.name,
                documents=documents,
                relation=index.relation,
                unique=index.is_unique,
            )
            for index in added
            if not index.is_finder
        }
        finders = {
            index.number: _finder(index.relation, documents, index.definition) for index in added if index.is_finder
        }
        layout = table.layout()
        for rows in self._slices(documents):
            found = self._examine(layout, [document for _, _, document in rows])
            for (row, id, _), keys in zip(rows, found, strict=True):
                for key in keys:
                    if isinstance(key, IndexKey):
                        if (fill := fills.get(key.index)) is not None:
                            self._fill(fill, key, row, id)
                    elif (finder := finders.get(key.index)) is not None:
                        finder.add(self._driver, row, key)  # type: ignore[arg-type]  # Its number says its kind.

    def _fill(self, fill: IndexStatements, key: IndexKey, row: int, id: bytes) -> None:
        if fill.unique:
            holders = self._driver.rows(fill.holder, unique_range(key))
            if holders:
                raise IndexNotUnique(fill.table, fill.index, holders[0][0].decode(), id.decode())
        self._driver.change(fill.insert, (key.key, row))

    def _slices(self, documents: str) -> Iterator[list[tuple[int, bytes, bytes]]]:
        """Row numbers, ids and documents of a table, as many as are examined at once."""
        sql = f"SELECT row, _id, doc FROM {quoted(documents)} WHERE row > ? ORDER BY row LIMIT {EXAMINED_AT_ONCE}"
        last = 0
        while rows := self._driver.rows(sql, (last,)):
            yield rows
            last = rows[-1][0]

    # -- names and views

    def _show(self, table: _Table, spec: TableSpec) -> None:
        """The view with a column per field; left alone if it is right, for a new one makes everybody compile anew."""
        columns = ["_id", "_creationTime"]
        for field in spec.document.fields:
            if not field.name.startswith("_"):
                path = quoted_text(f'$."{field.name}"')
                columns.append(f"json_extract(doc, {path}) AS {quoted(field.name)}")
        view = quoted(table.relation)
        sql = f"CREATE VIEW {view} AS SELECT {', '.join(columns)} FROM {quoted(table.indexes['by_id'].relation)}"
        shown = self._driver.rows("SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", (table.relation,))
        if shown != [(sql.encode(),)]:
            self._driver.change(f"DROP VIEW IF EXISTS {view}")
            self._driver.change(sql)

    def _free_relation(self, wanted: str, number: int) -> str:
        """A name that the file has not yet, in SQLite's eyes, for whom `Users` is `users`."""
        reserved = wanted.lower().startswith("sqlite_")
        taken = self._driver.rows("SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?)", (wanted,))
        return f"{number}.{wanted}" if reserved or taken else wanted


def unique_range(key: IndexKey) -> tuple[bytes, bytes]:
    """All keys that differ from this one in nothing but creation time and id."""
    fields = key.key[: key.borders[-3]]
    end = end_of(fields)
    assert end is not None, "an index has at least one field"
    return fields, end


def _table_definition(spec: TableSpec) -> str:
    return msgspec.json.encode(spec.document).decode()


def _index_specs(spec: TableSpec) -> tuple[_AnySpec, ...]:
    return (*spec.indexes, *spec.search_indexes, *spec.vector_indexes)


def _is_unique(spec: _AnySpec) -> bool:
    return isinstance(spec, IndexSpec) and spec.unique


def _index_definition(spec: _AnySpec) -> str:
    definition: object
    if isinstance(spec, SearchIndexSpec):
        definition = _SearchDefinition(field=spec.search_field, filters=spec.filter_fields, defaults=spec.defaults)
    elif isinstance(spec, VectorIndexSpec):
        definition = _VectorDefinition(
            field=spec.vector_field, dimensions=spec.dimensions, filters=spec.filter_fields, defaults=spec.defaults
        )
    else:
        definition = [spec.fields, spec.defaults]
    return msgspec.json.encode(definition).decode()
