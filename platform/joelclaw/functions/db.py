"""
The database, as functions see it: `ctx.db`.

A query has a `Reader`, a mutation a `Writer`, which is a `Reader` of its own writes too.
Every document that is read is a new object: changing one changes nothing until it is saved.

An app reads the public system tables and writes none; the private ones look empty to it. The
platform's own functions (`system/`) use the same classes and see everything.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar, overload

from msgspec import UNSET

from joelclaw.errors import BadId, DocumentNotFound, Misuse
from joelclaw.functions.app import OpenTable
from joelclaw.functions.calls import SYSTEM_PREFIX, Range
from joelclaw.functions.rows import Rows, Scan, range_of
from joelclaw.functions.run import Run
from joelclaw.functions.search import search_rows
from joelclaw.functions.vectors import Hit, look_up, lookup_of
from joelclaw.schema.finding import VectorFinder
from joelclaw.schema.hints import SYSTEM_FIELDS
from joelclaw.schema.indexes import Index
from joelclaw.schema.kinds import table_number_of
from joelclaw.schema.marks import Id
from joelclaw.schema.search import AnyOf, SearchIndex, VectorIndex
from joelclaw.schema.tables import IndexInfo, Table
from joelclaw.schema.text import did_you_mean
from joelclaw.values.ids import RANDOM_BYTES, encode_id, new_internal

D = TypeVar("D", bound=Table)

FORGET_USER: Final = "_system/auth/forgetting:forgetUser"

DAY_MS: Final = 86_400_000.0
_READ_ONLY: Final = "System tables (prefixed with `_`) are read-only."
_ACTIONS: Final = {"delete": "Delete on", "patch": "Update on", "replace": "Replace on", "save": "Update on"}
"""How an error calls what a method does to a document that is not there."""


class Reader:
    """One snapshot of the database. It never changes while a function runs, but for a mutation's own writes."""

    __slots__ = ("_paginated", "is_system", "path", "run")

    def __init__(self, run: Run, path: str) -> None:
        self.run = run
        self.path = path
        self.is_system = path.startswith(SYSTEM_PREFIX)
        self._paginated = False

    # -- by id

    def get(self, id: Id[D], /) -> D | None:
        """The document, or None."""
        table = self._find_table(id, "get")
        document: D | None = None if table is None else self._get(table, id)
        return document

    def require(self, id: Id[D], /) -> D:
        """
        The document.

        Raises:
            DocumentNotFound: There is none.
        """
        document = self.get(id)
        if document is None:
            raise DocumentNotFound("Get of", id)
        return document

    def get_many(self, ids: Iterable[Id[D]], /) -> list[D | None]:
        """The documents of these ids, each in its place, None where there is none."""
        return [self.get(id) for id in ids]

    def parse_id(self, table: type[D], text: str, /) -> Id[D] | None:
        """The text as an id, if it is one of this table; whether there is such a document is another question."""
        opened = self.run.app.open_table(table)
        if not isinstance(text, str):
            raise Misuse(f"Invalid argument `text` for `db.parse_id`: {text!r:.80} is no text")
        return text if table_number_of(text) == opened.number and self.sees(opened) else None  # type: ignore[return-value]

    # -- by index

    def find(self, index: Index[D], /, **equal: object) -> D | None:
        """The one document of a unique index with these values, or None."""
        table, info = self.run.app.open_index(index)
        if not info.unique:
            raise Misuse(f"{index} is not unique; use query({index}, ...).first(), or declare it with unique=True")
        missing = [plan.keyword for plan in info.fields if plan.keyword not in equal]
        if missing:
            raise Misuse(f"find({index}): there is no value for {missing[0]!r}; give all fields of the index")
        values, bound = table.info.split_keywords(index.name, equal)
        if bound is not None:
            raise Misuse(f"find({index}) takes values only; use query({index}, ...) for a range")
        document: D | None = self._find(table, index.name, values)
        return document

    @overload
    def query(self, table: type[D], /) -> Scan[D]: ...
    @overload
    def query(self, index: Index[D], /, **bounds: object) -> Scan[D]: ...
    def query(self, source: type[D] | Index[D], /, **bounds: object) -> Scan[D]:
        """
        Documents of a table in order of creation, or of an index in its order.

        Leading fields of the index may be given a value each, the next one a bound: `gt`,
        `gte`, `lt`, `lte`, `between`. A dot in a field's path is an underscore here.
        """
        if isinstance(source, Index):
            table, _ = self.run.app.open_index(source)
            name = source.name
            equal, last = table.info.split_keywords(name, bounds)
        elif bounds:
            raise Misuse(f"query({source.__name__}) takes no bounds; name an index: query({source.__name__}.by_x, ...)")
        else:
            table, name, equal, last = self.run.app.open_table(source), None, {}, None
        return Scan(self, table, table.info.bounds(name, equal, last, table.layout) if self.sees(table) else None)

    # -- by content

    def search(self, index: SearchIndex[D], text: str, /, **equal: object) -> Rows[D]:
        """
        Documents with any of the words in `text`, best first; the last word may be unfinished.

        Filter fields of the index may be given a value each. A dot in a field's path is an underscore here.
        """
        return search_rows(self, index, text, equal)

    def vector_search(
        self,
        index: VectorIndex[D],
        vector: Sequence[float],
        either: AnyOf | None = None,
        /,
        *,
        limit: int | None = None,
        **equal: object,
    ) -> list[Hit[D]]:
        """
        The documents whose vectors are nearest, nearest first: their ids, with the cosine of the angle as `score`.

        They are ten, unless `limit` is given. Filter fields of the index may be given a value each, or
        `any_of` several; the third argument is `any_of` over different fields.
        """
        table, finder = self.run.app.open_finder(index, VectorFinder)
        lookup = lookup_of(finder, vector, either, limit, equal, self.run.limits)
        return look_up(self.run, table, index.name, lookup) if self.sees(table) else []

    # -- for the platform

    def find_by(self, table: OpenTable, index: IndexInfo, value: object) -> Any:
        """The document with this value in a unique index of one field, or None."""
        return self._find(table, index.python_name, {index.fields[0].keyword: value})

    def begin_page(self) -> None:
        """A function paginates once: its journal has room for one end."""
        if self._paginated:
            raise Misuse(
                "This query or mutation function ran multiple paginated queries. "
                "Only a single paginated query in each function is supported; call another function for the second."
            )
        self._paginated = True

    def sees(self, table: OpenTable) -> bool:
        """May the function look into this table?"""
        return self.is_system or not table.is_private

    def _find_table(self, id: object, method: str) -> OpenTable | None:
        """The table of an id; None if there is none that may be seen."""
        if not isinstance(id, str):
            raise Misuse(f"Invalid argument `id` for `db.{method}`: {id!r:.80} is no document id")
        number = table_number_of(id)
        if number is None:
            raise BadId(id)
        table = self.run.app.by_number.get(number)
        return table if table is not None and self.sees(table) else None

    def _get(self, table: OpenTable, id: str) -> Any:
        run = self.run
        run.note_range(Range(table.by_id, id.encode()))
        raw = run.snapshot.get(table.layout, id)
        if raw is None:
            return None
        run.count_read(1, len(raw))
        return table.decode(raw)

    def _find(self, table: OpenTable, index: str, values: dict[str, Any]) -> Any:
        # A unique index leaves out documents in which a field is absent.
        if not self.sees(table) or any(value is UNSET for value in values.values()):
            return None
        run = self.run
        bounds = table.info.bounds(index, values, None, table.layout)
        run.note_range(range_of(bounds))
        rows = run.snapshot.scan(table.layout, bounds.index, bounds.start, bounds.end, limit=1)
        if not rows:
            return None
        raw = rows[0][1]
        run.count_read(1, len(raw))
        return table.decode(raw)


class Writer(Reader):
    """A snapshot of the database, and changes to it that are committed all together or not at all."""

    __slots__ = ()

    def insert(self, document: D, /) -> Id[D]:
        """
        Add a document; its id, which `document.id` is from now on.

        Raises:
            DuplicateKey: A unique index has its key already. Nothing was written.
            DocumentRefused: A field does not have its type, or breaks its `Meta`. Nothing was written.
        """
        table = self._writable(self.run.app.open_table(type(document)))
        if _is_inserted(document):
            raise Misuse(f"Provided document ID {document.id}: it is in the database already; use save, or replace")
        if getattr(document, "creation_time", UNSET) is not UNSET:
            raise Misuse("Provided creation time: the platform sets it; leave it out")
        run = self.run
        assert run.txn is not None
        assert run.changes is not None
        internal = new_internal(run.hooks.random_bytes(RANDOM_BYTES), int(run.now_ms // DAY_MS))
        created_at = run.txn.next_creation_time(run.now_ms)
        _set_system_fields(document, encode_id(table.number, internal), created_at)
        try:
            raw = table.encode(document)
            run.count_write(len(raw))
            keys = table.info.keys(document, table.layout)
            run.txn.insert(table.layout, document.id, raw, keys)
        except BaseException:
            _set_system_fields(document, UNSET, UNSET)
            raise
        run.changes.add(document.id, (), keys)
        return document.id

    def save(self, document: D, /) -> D:
        """
        Write a document back after its fields were changed.

        All of it: what another function of this transaction has changed since it was read is
        overwritten. `patch` writes single fields.
        """
        if not _is_inserted(document):
            raise Misuse(f"save: this {type(document).__name__} is not in the database yet; insert it")
        table, stored = self._stored(document.id, "save", type(document))
        self._write(table, stored, document)
        return document

    def patch(self, target: Id[D] | D, /, **fields: object) -> D:
        """
        Change single fields; the document as it is now. `UNSET` removes an optional field.

        A nested object is replaced whole. A document that is handed in gets the same fields.
        """
        id, cls = _identified(target, "patch")
        table, stored = self._stored(id, "patch", cls)
        known = table.field_names
        for name, value in fields.items():
            if name not in known:
                raise Misuse(f"{table.info.cls.__name__} has no field {name!r}; {did_you_mean(name, known)}")
            if name in SYSTEM_FIELDS:
                self._check_unchanged(name, value, getattr(stored, name), id)
        document: D = table.copy(stored)
        for name, value in fields.items():
            setattr(document, name, value)
        self._write(table, stored, document)
        if isinstance(target, Table):
            for name, value in fields.items():
                setattr(target, name, value)
        return document

    def replace(self, id: Id[D], document: D, /) -> D:
        """Put a new document in the place of one; it gets the id and creation time of the old one."""
        table, stored = self._stored(id, "replace", type(document))
        for name in SYSTEM_FIELDS:
            if getattr(document, name) is not UNSET:
                self._check_unchanged(name, getattr(document, name), getattr(stored, name), id)
        before = document.id, document.creation_time
        _set_system_fields(document, stored.id, stored.creation_time)
        try:
            self._write(table, stored, document)
        except BaseException:
            _set_system_fields(document, *before)
            raise
        return document

    def delete(self, target: Id[Table] | Table, /) -> None:
        """
        Remove a document.

        Raises:
            DocumentNotFound: There is none.
        """
        id, cls = _identified(target, "delete")
        table, stored = self._stored(id, "delete", cls)
        run = self.run
        assert run.txn is not None
        assert run.changes is not None
        run.count_write(0)
        keys = table.info.keys(stored, table.layout)
        run.txn.delete(table.layout, id, keys)
        run.changes.add(id, keys, ())
        if table is run.app.user_table:
            self._forget_user(id)

    def _forget_user(self, id: str) -> None:
        # Late: contexts are made of what is here.
        from joelclaw.functions import nested
        from joelclaw.functions.contexts import MutationCtx

        run = self.run
        with run.for_platform():
            nested.call_system(run, MutationCtx(run, FORGET_USER), FORGET_USER, user=id)

    # -- how a document is replaced

    def _writable(self, table: OpenTable) -> OpenTable:
        if table.is_system and not self.is_system:
            raise Misuse(_READ_ONLY)
        return table

    def _stored(self, id: str, method: str, cls: type[Table] | None) -> tuple[OpenTable, Any]:
        """The table, and the document as the database has it now."""
        table = self._find_table(id, method)
        if table is None:
            raise Misuse(f'Table for ID "{id}" not found')
        self._writable(table)
        if cls is not None and cls is not table.info.cls:
            raise Misuse(
                f"Invalid argument `id` for `db.{method}`: expected to be an Id[{cls.__name__}], "
                f"got Id[{table.info.cls.__name__}] instead."
            )
        stored = self._get(table, id)
        if stored is None:
            raise DocumentNotFound(_ACTIONS[method], id)
        return table, stored

    def _write(self, table: OpenTable, stored: Any, document: Any) -> None:
        run = self.run
        assert run.txn is not None
        assert run.changes is not None
        self._check_unchanged("creation_time", document.creation_time, stored.creation_time, stored.id)
        raw = table.encode(document)
        run.count_write(len(raw))
        old, new = table.info.keys(stored, table.layout), table.info.keys(document, table.layout)
        run.txn.replace(table.layout, stored.id, raw, old, new)
        run.changes.add(stored.id, old, new)

    def _check_unchanged(self, field: str, given: object, stored: object, id: str) -> None:
        if given == stored:
            return
        if field == "id":
            raise Misuse(f"The id {given!r:.80} does not match the document ID {id}; an id cannot be changed")
        raise Misuse(f"{given!r:.80} doesn't match '_creationTime' field of {id}; it cannot be changed")


def _identified(target: object, action: str) -> tuple[str, type[Table] | None]:
    """The id of what is to be changed, and its class if a document was handed in."""
    if not isinstance(target, Table):
        return target, None  # type: ignore[return-value]  # `_find_table` refuses what is no text.
    if not _is_inserted(target):
        raise Misuse(f"{action}: this {type(target).__name__} is not in the database")
    return target.id, type(target)


def _is_inserted(document: Any) -> bool:
    return document.id is not UNSET


def _set_system_fields(document: Any, id: object, creation_time: object) -> None:
    # For type checkers they are read-only properties: an app must not set them.
    document.id = id
    document.creation_time = creation_time
