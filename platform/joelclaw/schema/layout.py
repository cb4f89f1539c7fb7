"""
The layout: the numbers that a database gave to tables and indexes, and keys under them.

Classes and specs know names; a database keeps numbers, because a renamed or rebuilt index is
another one. Whoever opens the database hands its layout in, and everything that computes keys
or ranges is handed it.
"""

from typing import NamedTuple, TypeAlias

import msgspec


class IndexKey(NamedTuple):
    """Where a document stands in one index."""

    index: int  # type: ignore[assignment]  # A tuple has a method of this name, which nobody misses here.
    key: bytes
    borders: tuple[int, ...]
    """Lengths of the key's prefixes that end at a field: 0, after the first field, ... , the whole key."""


class SearchEntry(NamedTuple):
    """What a document is in one search index; there is none for a document without terms."""

    index: int  # type: ignore[assignment]
    created_at: float
    terms: tuple[tuple[str, int], ...]
    """Each with how often it occurs; every one once."""

    filters: tuple[bytes, ...]
    """The keys of the filter fields."""


class VectorEntry(NamedTuple):
    """What a document is in one vector index."""

    index: int  # type: ignore[assignment]
    vector: bytes
    """Of length 1, as little-endian 32-bit floats."""

    filters: tuple[bytes, ...]


DocumentKey: TypeAlias = IndexKey | SearchEntry | VectorEntry
"""What a document is in one index of any kind."""


class IndexLayout(msgspec.Struct, frozen=True, kw_only=True):
    """An index as the store keeps it. Its number is never used again for another definition."""

    number: int
    name: str
    unique: bool = False
    definition: str = ""
    """What it was built from; a changed definition is a new index."""


class TableLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A table as the store keeps it."""

    number: int
    """The table number inside its documents' ids."""

    name: str
    by_id: IndexLayout
    by_creation_time: IndexLayout
    indexes: tuple[IndexLayout, ...] = ()
    finders: tuple[IndexLayout, ...] = ()
    """Search and vector indexes: those that have entries instead of keys."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """All tables of a deployment."""

    tables: tuple[TableLayout, ...] = ()
    retired: tuple[TableLayout, ...] = ()
    """Tables that left the schema. Their documents and numbers are kept, their own indexes are not."""

    secret: bytes = b""
    """Random bytes that this database has for itself. Cursors are sealed with them, and outlive restarts."""
