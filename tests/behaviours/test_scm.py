"""Schemas: what documents are held to, and how a schema may change under them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from joelclaw.errors import ValueRefused
from joelclaw.functions.loader import load_app
from joelclaw.functions.manifest import Manifest
from joelclaw.values.ids import encode_id
from tests.behaviours.lab import FUNCTIONS, Lab
from tests.functions.deployment import Deployment, write_app

STRICT = """
    from typing import Any, Literal
    from joelclaw import *

    class User(Table):
        __table__ = "users"
        name: str

    class Item(Object):
        label: str
        owner: Id[User] | UnsetType = UNSET

    class Box(Table):
        __table__ = "boxes"
        items: list[Item]
        kind: Literal["small", "large"] = "small"
        file: Id[StoredFile] | UnsetType = UNSET
        job: Id[ScheduledJob] | UnsetType = UNSET
"""


@pytest.fixture
def strict(deployment: Callable[..., Deployment]) -> Lab:
    return Lab(deployment({"schema.py": STRICT, "lab.py": FUNCTIONS}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("Box(items=[Item(label='a'), Item(label=5)])", "Path: .items[1].label"),
        ("Box(items=[Item(label='a', owner=box.id)])", "Path: .items[0].owner"),
        ("Box(items=[], kind='huge')", "Path: .kind"),
        ("Box(items='none')", "Path: .items"),
    ],
)
def test_scm_02_03_04_documents_are_checked_at_every_write(strict: Lab, body: str, reason: str) -> None:
    """SCM-2, SCM-3, SCM-4: elements, nested objects and ids are checked; a refusal says where, and changes nothing."""
    strict.write("ctx.db.insert(Box(items=[Item(label='a')]))")
    before = strict.read("return ctx.db.query(Box).collect()")
    for write in (
        "ctx.db.insert(wrong)",
        "ctx.db.replace(box.id, wrong)",
        "ctx.db.patch(box, items=wrong.items, kind=wrong.kind)",
    ):
        message = strict.refuse(f"box = ctx.db.query(Box).first()\nwrong = {body}\n{write}")
        assert (
            'Failed to insert or update a document in table "boxes" because it does not match the schema: '
        ) in message
        assert reason in message
    assert strict.read("return ctx.db.query(Box).collect()") == before


def test_scm_03_a_document_has_the_fields_of_its_class(strict: Lab) -> None:
    """SCM-3: a field that the class does not have cannot be given, set or patched."""
    assert "'size'" in strict.refuse("Box(items=[], size=1)")
    assert "'size'" in strict.refuse("box = Box(items=[])\nbox.size = 1")
    assert "Box has no field 'size'" in strict.refuse("ctx.db.patch(ctx.db.insert(Box(items=[])), size=1)")


def migrate(lab: Lab, root: Path, schema: str) -> Lab:
    """The same database under another schema, as a deploy would have it."""
    old = lab.deployment
    old.app = load_app(write_app(root, {"schema.py": schema, "lab.py": FUNCTIONS}))
    old.app.expect(old.layout)
    old.layout = old.store.prepare([info.spec for info in old.app.tables.values()], old._examine)  # noqa: SLF001
    old.app.adopt(old.layout)
    return lab


def test_scm_06_a_schema_that_documents_violate_is_refused(strict: Lab, tmp_path: Path) -> None:
    """SCM-6: the refusal names the field, and documents stay as they were."""
    strict.write("ctx.db.insert(Box(items=[], kind='large'))")
    with pytest.raises(ValueRefused) as refused:
        migrate(strict, tmp_path, STRICT.replace('Literal["small", "large"]', 'Literal["small"]'))
    assert refused.value.path == ".kind"
    kept = migrate(strict, tmp_path, STRICT)
    assert kept.read("return ctx.db.query(Box).first().kind") == "large"


def test_scm_07_a_schema_may_grow(strict: Lab, tmp_path: Path) -> None:
    """SCM-7: optional fields, wider unions, new tables and indexes go through with documents present."""
    strict.write("for kind in ('small', 'large'):\n    ctx.db.insert(Box(items=[], kind=kind))")
    grown = STRICT.replace('"large"]', '"large", "huge"]').replace(
        "job: ", "weight: float | UnsetType = UNSET\n        by_kind = index('kind')\n        job: "
    )
    grown += '\n    class Shelf(Table):\n        __table__ = "shelves"\n        box: Id[Box]\n'
    lab = migrate(strict, tmp_path, grown)
    assert lab.write(
        """
        ctx.db.insert(Box(items=[], kind="huge", weight=1.0))
        ctx.db.insert(Shelf(box=ctx.db.query(Box).first().id))
        return [[box.kind, box.weight is UNSET] for box in ctx.db.query(Box.by_kind)]
        """
    ) == [["huge", False], ["large", True], ["small", True]]


def test_scm_08_ids_of_system_tables_are_foreign_keys(strict: Lab) -> None:
    """SCM-8: a document may refer to a stored file or a job, and each field takes ids of its own table only."""
    numbers = {table.name: table.number for table in strict.deployment.layout.tables}
    file, job = (encode_id(numbers[name], bytes(16)) for name in ("_storage", "_scheduled_functions"))
    assert strict.write(f"return ctx.db.get(ctx.db.insert(Box(items=[], file={file!r}, job={job!r}))).file") == file
    assert "from table `_storage`" in strict.refuse(f"ctx.db.insert(Box(items=[], job={file!r}))")


def test_scm_09_every_type_survives_the_manifest(tmp_path: Path) -> None:
    """SCM-9: what a schema declares is the same after it was written down and read back, literals included."""
    import msgspec

    schema = """
        from typing import Annotated, Any, Literal
        from joelclaw import *
        class Part(Object):
            x: Int64
        class All(Table):
            __table__ = "all"
            a: None
            b: bool
            c: int
            d: Int64
            e: str
            f: bytes
            g: list[float]
            h: dict[str, Any]
            i: Part
            j: Id["All"]
            k: Literal["text", 0, 5, True, False]
            l: str | None | UnsetType = UNSET
            m: Annotated[str, Meta(max_length=3)] = "abc"
            by_all = index("e", "i.x", unique=True)
    """
    manifest = load_app(write_app(tmp_path, {"schema.py": schema})).manifest
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(manifest), type=Manifest)
    assert again == manifest
    [table] = [table for table in again.tables if table.name == "all"]
    assert [field.name for field in table.document.fields] == list("abcdefghijklm")
