"""
Specs: what a table declares, as data.

The schema's part of the manifest (`functions/manifest.py`): enough to write types, to fill an
index and to tell two schemas apart, without the classes themselves.
"""

import msgspec

from joelclaw.schema.problems import Place
from joelclaw.schema.validators import ObjectType


class IndexSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An index of a table. Every one ends implicitly with creation time, then id."""

    name: str
    """As on the wire (`byArticle`); the table's own are `by_id` and `by_creation_time`."""

    python_name: str
    fields: tuple[str, ...]
    """Dotted wire paths."""

    unique: bool = False
    defaults: str = ""
    """The defaults of its fields, as text: a changed default changes what the index holds."""


class SearchIndexSpec(msgspec.Struct, frozen=True, kw_only=True, tag="search"):
    """A full-text index of a table."""

    name: str
    python_name: str
    search_field: str
    """Dotted wire path, like those of the filter fields."""

    filter_fields: tuple[str, ...] = ()
    defaults: str = ""


class VectorIndexSpec(msgspec.Struct, frozen=True, kw_only=True, tag="vector"):
    """An index of a table that finds the nearest vectors."""

    name: str
    python_name: str
    vector_field: str
    dimensions: int
    filter_fields: tuple[str, ...] = ()
    defaults: str = ""


class TableSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A table: its documents' fields without the system fields, and its indexes."""

    name: str
    python_name: str
    document: ObjectType
    indexes: tuple[IndexSpec, ...] = ()
    """With those that the platform keeps for itself, whose names begin with `_`."""

    search_indexes: tuple[SearchIndexSpec, ...] = ()
    vector_indexes: tuple[VectorIndexSpec, ...] = ()

    expires_at: str | None = None
    """Wire name of the field that says when a document is removed."""

    doc: str = ""
    place: Place
