"""
The statements that read and write documents and indexes of a SQLite file, made once per index.

An index row points at its document by row number: one step down one tree of small keys, where
the document's id would cost two (measured: 48 against 72 microseconds for 50 documents). `by_id`
is no table of its own, the documents' unique `_id` serves as one.

The order of `CROSS JOIN` is the order of the loops: SQLite has nothing to plan, and needs no
statistics to plan it.
"""

import msgspec


class IndexStatements(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one index. Ranges take `(start, end)`, those to the end of the index `(start,)`."""

    table: str
    index: str
    unique: bool
    forward: str
    """Keys and documents of a range; takes the limit as its last parameter, -1 for none."""

    forward_to_end: str
    backward: str
    backward_to_end: str
    count: str
    count_to_end: str
    holder: str = ""
    """The id of a document in a range."""

    insert: str = ""
    """Takes key and row number. Empty for `by_id`, which has no rows of its own."""

    delete: str = ""
    """Takes the key."""


class DocumentStatements(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with the documents of one table."""

    get: str
    row: str
    """The row number of an id."""

    insert: str
    update: str
    """Takes document and row number."""

    delete: str


def index_statements(*, table: str, index: str, documents: str, relation: str, unique: bool) -> IndexStatements:
    """`documents` and `relation` are the tables of the documents and of the index; the same one for `by_id`."""
    by_id = relation == documents
    key = "_id" if by_id else "i.key"
    source = quoted(documents) if by_id else f"{quoted(relation)} AS i"
    joined = source if by_id else f"{source} CROSS JOIN {quoted(documents)} AS d ON d.row = i.row"
    document = "doc" if by_id else "d.doc"
    # A BLOB is never equal to a TEXT, so keys of `by_id` are compared as what they are.
    bound = "CAST(? AS TEXT)" if by_id else "?"
    in_range = f"WHERE {key} >= {bound} AND {key} < {bound}"
    to_end = f"WHERE {key} >= {bound}"

    def scan(where: str, order: str) -> str:
        return f"SELECT {key}, {document} FROM {joined} {where} ORDER BY {key}{order} LIMIT ?"

    return IndexStatements(
        table=table,
        index=index,
        unique=unique,
        forward=scan(in_range, ""),
        forward_to_end=scan(to_end, ""),
        backward=scan(in_range, " DESC"),
        backward_to_end=scan(to_end, " DESC"),
        count=f"SELECT count(*) FROM {source} {in_range}",
        count_to_end=f"SELECT count(*) FROM {source} {to_end}",
        holder="" if by_id else f"SELECT d._id FROM {joined} {in_range} LIMIT 1",
        insert="" if by_id else f"INSERT INTO {quoted(relation)} (key, row) VALUES (?, ?)",
        delete="" if by_id else f"DELETE FROM {quoted(relation)} WHERE key = ?",
    )


def document_statements(documents: str) -> DocumentStatements:
    name = quoted(documents)
    return DocumentStatements(
        get=f"SELECT doc FROM {name} WHERE _id = ?",
        row=f"SELECT row FROM {name} WHERE _id = ?",
        # Bound as bytes, kept as text: people and SQLite's JSON functions read it.
        insert=f"INSERT INTO {name} (_id, doc) VALUES (?, CAST(? AS TEXT))",
        update=f"UPDATE {name} SET doc = CAST(? AS TEXT) WHERE row = ?",
        delete=f"DELETE FROM {name} WHERE _id = ?",
    )


def quoted(name: str) -> str:
    """A name inside a statement."""
    return '"' + name.replace('"', '""') + '"'


def quoted_text(text: str) -> str:
    """A text inside a statement, where no parameter may stand."""
    return "'" + text.replace("'", "''") + "'"
