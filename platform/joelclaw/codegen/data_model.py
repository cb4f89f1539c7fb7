"""
`dataModel.d.ts`: the tables as types, `Doc<"comments">` and `Id<"comments">`.

The shape of `DataModel` is the client package's `GenericDataModel`, so that its helpers, and
libraries that are generic over a data model, accept ours. Documents are as read: a field
with a default is always there.

The platform's own tables, whose names begin with `_`, are not part of an app's data model;
ids of them have a type all the same.
"""

import json
from collections.abc import Iterable, Iterator

from joelclaw.codegen.typescript import HEADER, Types, braces, comment, fingerprint, key
from joelclaw.functions.manifest import IndexSpec, Manifest, TableSpec
from joelclaw.schema.specs import SearchIndexSpec, VectorIndexSpec
from joelclaw.schema.validators import FieldSpec, IdType, NumberType, ObjectType, UnionType, Validator

_TEMPLATE = """\
import type {{ DocumentByName, TableNamesInDataModel }} from "convex/server";
import type {{ GenericId }} from "convex/values";

/** The tables: their documents as read, the paths to their fields, their indexes. */
export type DataModel = {model};

/** The name of a table. */
export type TableNames = TableNamesInDataModel<DataModel>;

/** A document of a table, with its `_id` and `_creationTime`. */
export type Doc<TableName extends TableNames> = DocumentByName<DataModel, TableName>;

/**
 * The id of a document. At run time a string, in types bound to its table; names with a
 * leading underscore are the platform's own tables.
 */
export type Id<TableName extends TableNames | `_${{string}}`> = GenericId<TableName>;
"""


def data_model_types(manifest: Manifest) -> str:
    model = braces(_table(table) for table in app_tables(manifest))
    return HEADER + "\n" + _TEMPLATE.format(model=model)


def app_tables(manifest: Manifest) -> list[TableSpec]:
    """The app's own tables, by name."""
    own = (table for table in manifest.tables if not table.name.startswith("_"))
    return sorted(own, key=lambda table: table.name)


def document_names(manifest: Manifest) -> dict[bytes, str]:
    """Tables by the fingerprint of their documents, so that results can name a document."""
    return {fingerprint(_document(table)): table.name for table in app_tables(manifest)}


def _document(table: TableSpec) -> tuple[FieldSpec, ...]:
    return (
        FieldSpec(name="_id", python_name="id", validator=IdType(table.name)),
        FieldSpec(name="_creationTime", python_name="creation_time", validator=NumberType()),
        *table.document.fields,
    )


def _table(table: TableSpec) -> str:
    document = _document(table)
    info = [
        f"document: {Types('reads').object(document)}",
        # One a line: nobody reads forty paths on one.
        "fieldPaths:" + "".join(f"\n  | {json.dumps(path)}" for path in dict.fromkeys(field_paths(document))),
        f"indexes: {_indexes(table.indexes)}",
        f"searchIndexes: {_search_indexes(table.search_indexes)}",
        f"vectorIndexes: {_vector_indexes(table.vector_indexes)}",
    ]
    return f"{comment(table.doc)}{key(table.name)}: {braces(info)}"


def _indexes(indexes: Iterable[IndexSpec]) -> str:
    fields: dict[str, tuple[str, ...]] = {"by_id": ("_id",), "by_creation_time": ("_creationTime",)}
    own = sorted((index for index in indexes if index.name[:1] != "_"), key=lambda index: index.name)
    fields |= {index.name: (*index.fields, "_creationTime") for index in own}
    return braces(f"{key(name)}: [{', '.join(map(json.dumps, paths))}]" for name, paths in fields.items())


def _search_indexes(indexes: Iterable[SearchIndexSpec]) -> str:
    return braces(
        f"{key(index.name)}: "
        + braces([f"searchField: {json.dumps(index.search_field)}", _filters(index.filter_fields)])
        for index in sorted(indexes, key=lambda index: index.name)
    )


def _vector_indexes(indexes: Iterable[VectorIndexSpec]) -> str:
    return braces(
        f"{key(index.name)}: "
        + braces(
            [
                f"vectorField: {json.dumps(index.vector_field)}",
                f"dimensions: {index.dimensions}",
                _filters(index.filter_fields),
            ]
        )
        for index in sorted(indexes, key=lambda index: index.name)
    )


def _filters(fields: Iterable[str]) -> str:
    return f"filterFields: {' | '.join(map(json.dumps, fields)) or 'never'}"


def field_paths(fields: Iterable[FieldSpec]) -> Iterator[str]:
    """Dotted paths to all fields, those of nested objects included; inside records nothing has a name."""
    for field in fields:
        yield field.name
        for inner in _objects(field.validator):
            yield from (f"{field.name}.{path}" for path in field_paths(inner.fields))


def _objects(validator: Validator) -> Iterator[ObjectType]:
    members = validator.members if isinstance(validator, UnionType) else (validator,)
    return (member for member in members if isinstance(member, ObjectType))
