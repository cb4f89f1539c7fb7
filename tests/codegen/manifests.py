"""
Manifests to generate from: one that holds everything, and a strategy for any.

`python -m tests.codegen.manifests` renews the golden files after a change that was meant.
"""

import keyword
import string
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from joelclaw.codegen import generate, write
from joelclaw.functions.manifest import (
    Allow,
    Anyone,
    FunctionKind,
    FunctionSpec,
    HasRole,
    IndexSpec,
    Internal,
    Manifest,
    OwnRule,
    Place,
    SignedIn,
    TableSpec,
)
from joelclaw.schema.specs import SearchIndexSpec, VectorIndexSpec
from joelclaw.schema.validators import (
    AnyType,
    ArrayType,
    BigintType,
    BooleanType,
    BytesType,
    FieldSpec,
    IdType,
    LiteralType,
    NullType,
    NumberType,
    ObjectType,
    RecordType,
    StringType,
    UnionType,
    Validator,
)

GOLDEN = Path(__file__).parent / "site" / "convex" / "_generated"
"""The golden files are the generated folder of the site that is compiled against them."""

NULL, BOOLEAN, NUMBER, WHOLE, BIGINT = NullType(), BooleanType(), NumberType(), NumberType(whole=True), BigintType()
STRING, BYTES, ANY = StringType(), BytesType(), AnyType()


def field(name: str, validator: Validator, **flags: Any) -> FieldSpec:
    return FieldSpec(name=name, python_name=name, validator=validator, **flags)


def obj(*fields: FieldSpec) -> ObjectType:
    return ObjectType(fields)


def union(*members: Validator) -> UnionType:
    return UnionType(members)


def one_of(*values: str | int | bool) -> UnionType:
    return UnionType(tuple(map(LiteralType, values)))


def function(path: str, kind: FunctionKind, *args: FieldSpec, allow: Allow | None = None, **rest: Any) -> FunctionSpec:
    return FunctionSpec(
        path=path,
        python_path=path.replace("/", ".").replace(":", "."),
        kind=kind,
        allow=allow or Anyone(),
        args=ObjectType(args),
        place=Place("app_functions/some.py", 1),
        **rest,
    )


def table(
    name: str, *fields: FieldSpec, indexes: tuple[IndexSpec, ...] = (), doc: str = "", **finders: Any
) -> TableSpec:
    return TableSpec(
        name=name,
        python_name=name.title(),
        document=ObjectType(fields),
        indexes=indexes,
        doc=doc,
        place=Place("schema.py", 1),
        **finders,
    )


def index(name: str, *fields: str) -> IndexSpec:
    return IndexSpec(name=name, python_name=name, fields=fields)


def document(spec: TableSpec) -> ObjectType:
    """A document of this table as the result of a function."""
    return obj(field("_id", IdType(spec.name)), field("_creationTime", NUMBER), *spec.document.fields)


ANCHOR = obj(field("paragraph", STRING), field("quote", STRING, doc="The words that were marked."))

COMMENTS = table(
    "comments",
    field("article", STRING, doc="The slug of the article."),
    field("anchor", ANCHOR),
    field("author", IdType("users")),
    field("body", STRING),
    field("replyTo", union(IdType("comments"), NULL), optional=True),
    field("resolved", BOOLEAN, optional=True),
    field("editedAt", NUMBER, optional=True, absent=True),
    field("embedding", ArrayType(NUMBER), optional=True, absent=True),
    indexes=(index("byAuthor", "author"), index("byArticle", "article", "anchor.paragraph")),
    doc="What readers write\n\nbeside an article.",
    search_indexes=(
        SearchIndexSpec(
            name="searchBody",
            python_name="search_body",
            search_field="body",
            filter_fields=("article", "anchor.paragraph"),
        ),
    ),
    vector_indexes=(
        VectorIndexSpec(name="byEmbedding", python_name="by_embedding", vector_field="embedding", dimensions=384),
    ),
)
USERS = table("users", field("name", STRING), field("githubId", WHOLE), indexes=(index("byGithub", "githubId"),))

PAGE_OPTIONS = field(
    "paginationOpts",
    obj(
        field("numItems", WHOLE),
        field("cursor", union(STRING, NULL)),
        field("endCursor", union(STRING, NULL), optional=True, absent=True),
        field("maximumRowsRead", WHOLE, optional=True, absent=True),
        field("maximumBytesRead", WHOLE, optional=True, absent=True),
        field("id", NUMBER, optional=True, absent=True),
    ),
)


def page_of(element: Validator) -> ObjectType:
    return obj(
        field("page", ArrayType(element)),
        field("isDone", BOOLEAN),
        field("continueCursor", STRING),
        field("splitCursor", union(STRING, NULL), optional=True),
        field("pageStatus", union(*one_of("SplitRecommended", "SplitRequired").members, NULL), optional=True),
    )


EVERY_TYPE = obj(
    field("any", ANY),
    field("array", ArrayType(ArrayType(NUMBER))),
    field("bigint", BIGINT),
    field("boolean", BOOLEAN),
    field("bytes", BYTES),
    field("content-type", STRING),
    field("defaulted", STRING, optional=True),
    field("either", union(NUMBER, STRING, WHOLE)),
    field("empty", obj()),
    field("file", IdType("_storage")),
    field("float", NUMBER),
    field("id", union(IdType("users"), IdType("comments"))),
    field("int", WHOLE),
    field("literals", one_of("a\"b'\n", 1, -2, True)),
    field("maybe", STRING, optional=True, absent=True),
    field("null", NULL),
    field("nullable", union(BIGINT, NULL)),
    field("object", obj(field("deep", obj(field("deeper", ArrayType(union(obj(field("x", NUMBER)), NULL))))))),
    field("record", RecordType(STRING, ArrayType(NUMBER))),
    field("recordById", RecordType(IdType("users"), BOOLEAN)),
    field("recordByLiteral", RecordType(one_of("up", "down"), NUMBER)),
    field("string", STRING),
)


def everything() -> Manifest:
    """Every type on both sides, every kind of function and rule, every form of path."""
    return Manifest(
        tables=(USERS, COMMENTS, table("kinds", *EVERY_TYPE.fields), table("_jobs", field("name", STRING))),
        functions=(
            function("zoo:every", "mutation", *EVERY_TYPE.fields, returns=EVERY_TYPE, allow=SignedIn()),
            function(
                "comments:forArticle",
                "query",
                field("article", STRING),
                field("limit", WHOLE, optional=True),
                returns=ArrayType(document(COMMENTS)),
                doc="Comments on one article, oldest first.",
            ),
            function(
                "comments:add",
                "mutation",
                field("article", STRING),
                field("anchor", ANCHOR),
                field("body", STRING),
                returns=IdType("comments"),
                allow=SignedIn(),
                doc="""Comment on an article.

                Ends no comment of ours: */ export const broken = "/*";
                """,
            ),
            function(
                "comments:resolve",
                "mutation",
                field("id", IdType("comments"), doc="Of the caller's own."),
                returns=NULL,
                allow=OwnRule("author"),
            ),
            function("comments:forgetResolved", "mutation", returns=WHOLE, allow=Internal()),
            function("comments:find", "query", field("id", STRING), returns=union(document(COMMENTS), NULL)),
            function("comments:restore", "mutation", field("comment", document(COMMENTS)), returns=NULL),
            function("chat:history", "query", field("room", STRING), PAGE_OPTIONS, returns=page_of(document(COMMENTS))),
            function("chat:latest", "query", PAGE_OPTIONS, returns=page_of(STRING)),
            function("chat:default", "query", returns=ArrayType(STRING)),
            function("ops:stats", "query", returns=NUMBER, doc="A function beside a module of its name."),
            function(
                "ops/stats:byDay", "query", field("days", WHOLE, optional=True), returns=RecordType(STRING, WHOLE)
            ),
            function("ops/deep/er:sweep", "action", field("dryRun", BOOLEAN), returns=NULL, allow=HasRole("owner")),
            function("ops/deep/er:secret", "action", returns=NULL, allow=Internal()),
            function("loose:untyped", "query", field("x", ANY)),
            function("loose:anything", "mutation", any_args=True, returns=NULL),
            function("loose:more", "mutation", field("known", STRING), any_args=True, returns=NULL),
            function("not an:identifier-path", "query", returns=NULL),
            function("_system/cli/tables:default", "query", returns=ANY),
        ),
    )


TABLE_NAMES = ("comments", "users", "_storage", "delete")
_RESERVED = [*keyword.kwlist, "new", "get", "set", "readonly", "static", "constructor", "__proto__", "default", "_id"]

_identifiers = st.one_of(st.sampled_from(_RESERVED), st.text(string.ascii_letters + string.digits + "_", min_size=1))
_field_names = st.one_of(_identifiers, st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
_stored_names = _field_names.filter(lambda name: not name.startswith("_"))
_steps = _identifiers.filter(lambda name: not name.startswith("_"))
_docs = st.one_of(
    st.just(""), st.text(st.characters(exclude_categories=["Cs"])), st.text(st.sampled_from("*/ \n\r\u2028@{}`\\"))
)
_table_ids = st.sampled_from(TABLE_NAMES).map(IdType)
_literals = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.booleans(), st.integers(-(2**53), 2**53))


def _fields(
    values: st.SearchStrategy[Validator], names: st.SearchStrategy[str] = _field_names
) -> st.SearchStrategy[tuple[FieldSpec, ...]]:
    spec = st.builds(
        FieldSpec,
        name=names,
        python_name=st.just("x"),
        validator=values,
        optional=st.booleans(),
        absent=st.booleans(),
        doc=_docs,
    )
    return st.lists(spec, max_size=4, unique_by=lambda field: field.name).map(tuple)


def _containers(values: st.SearchStrategy[Validator]) -> st.SearchStrategy[Validator]:
    text_literals = st.text(st.characters(exclude_categories=["Cs"])).map(LiteralType)
    simple_keys = st.one_of(st.just(STRING), _table_ids, text_literals)
    keys = simple_keys | st.lists(simple_keys, min_size=2, max_size=3).map(lambda members: union(*members))
    members = st.lists(values, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        values.map(ArrayType),
        st.builds(RecordType, keys, values),
        members.map(UnionType),
        _fields(values).map(ObjectType),
    )


def validators() -> st.SearchStrategy[Validator]:
    plain = st.sampled_from([NULL, BOOLEAN, NUMBER, WHOLE, BIGINT, STRING, BYTES, ANY])
    leaves = st.one_of(plain, _literals.map(LiteralType), _table_ids)
    return cast(st.SearchStrategy[Validator], st.recursive(leaves, _containers, max_leaves=8))


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Any manifest whose ids are of tables that exist."""
    values = validators()
    indexes = st.lists(st.builds(index, _steps, _stored_names), max_size=3, unique_by=lambda spec: spec.name).map(tuple)
    tables = [
        table(name, *draw(_fields(values, _stored_names)), indexes=draw(indexes), doc=draw(_docs))
        for name in TABLE_NAMES
        if name[0] != "_"
    ]
    paths = draw(st.lists(st.tuples(st.lists(_steps, min_size=1, max_size=3), _steps), max_size=5))
    functions = {
        path: function(
            path,
            draw(st.sampled_from(["query", "mutation", "action"])),
            *draw(_fields(values)),
            allow=Anyone() if draw(st.booleans()) else Internal(),
            any_args=draw(st.booleans()),
            returns=draw(st.none() | values | st.sampled_from([document(spec) for spec in tables])),
            doc=draw(_docs),
        )
        for path in ("/".join(module) + ":" + name for module, name in paths)
    }
    return Manifest(tables=tuple(tables), functions=tuple(functions.values()))


if __name__ == "__main__":
    write(generate(everything()), GOLDEN)
