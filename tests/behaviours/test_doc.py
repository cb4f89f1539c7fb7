"""Writing documents: what is stored, what stays, and what is refused."""

from datetime import timedelta

import pytest

from tests.behaviours.lab import Lab

UNKNOWN_TABLE = "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"
"""An id of table 1017, which no app here has."""


def test_doc_02_creation_times(lab: Lab) -> None:
    """DOC-2: milliseconds as a float, of the transaction's moment, and strictly increasing within it."""
    before = lab.deployment.hooks.clock()
    times = lab.write("return [ctx.db.get(ctx.db.insert(Room(name='x'))).creation_time for _ in range(5)]")
    lab.deployment.hooks.time.advance(timedelta(seconds=1))
    assert times == sorted(set(times))
    assert all(isinstance(time, float) for time in times)
    assert before <= times[0]
    assert times[-1] <= lab.deployment.hooks.clock()


def test_doc_05_patch_merges_at_the_top_only(lab: Lab) -> None:
    """DOC-5: a nested object is overwritten whole; other fields stay."""
    assert lab.write(
        """
        id = ctx.db.insert(Thing(n=1.0, place=Place(x=1.0, label="here")))
        ctx.db.patch(id, place=Place(x=2.0))
        thing = ctx.db.get(id)
        return [thing.n, thing.place.x, thing.place.label is UNSET]
        """
    ) == [1, 2, True]


def test_doc_06_patch_with_unset_removes(lab: Lab) -> None:
    """DOC-6: a field that is patched to UNSET is gone; other fields stay."""
    id = lab.write("return ctx.db.insert(Thing(n=1.0, tag='a'))")
    lab.write(f"ctx.db.patch({id!r}, tag=UNSET)")
    stored = lab.read(f"return ctx.db.get({id!r})")
    assert "tag" not in stored
    assert stored["n"] == 1


def test_doc_10_replace_drops_all_other_fields(lab: Lab) -> None:
    """DOC-10: `replace` keeps id and creation time and nothing else."""
    old = lab.write("return ctx.db.get(ctx.db.insert(Thing(n=1.0, tag='a', value='v')))")
    lab.write(f"ctx.db.replace({old['_id']!r}, Thing(n=2.0))")
    new = lab.read(f"return ctx.db.get({old['_id']!r})")
    assert new == {"_id": old["_id"], "_creationTime": old["_creationTime"], "n": 2}


def test_doc_12_13_a_deleted_document_is_gone_at_once(lab: Lab) -> None:
    """DOC-12, DOC-13: in the same transaction `get` and `first` find nothing, nor does a later one."""
    id = lab.write(
        """
        id = ctx.db.insert(Room(name="x"))
        ctx.db.delete(id)
        assert ctx.db.get(id) is None
        assert ctx.db.query(Room).first() is None
        return id
        """
    )
    assert lab.read(f"return ctx.db.get({id!r})") is None


def test_doc_13_an_id_that_was_never_given(lab: Lab) -> None:
    """DOC-13: a well-formed id of a table finds nothing if no document has it."""
    id = lab.write("return ctx.db.insert(Room(name='x'))")
    lab.write(f"ctx.db.delete({id!r})\nctx.db.insert(Room(name='y'))")
    assert lab.read(f"return ctx.db.get({id!r})") is None


def test_doc_15_an_id_of_no_table(lab: Lab) -> None:
    """DOC-15: an id whose table does not exist is read as None; writing through it is refused."""
    assert lab.read(f"return ctx.db.get({UNKNOWN_TABLE!r})") is None
    for body in ("patch(id, n=1.0)", "delete(id)", "replace(id, Thing())"):
        message = lab.refuse(f"id = {UNKNOWN_TABLE!r}\nctx.db.{body}")
        assert f'Table for ID "{UNKNOWN_TABLE}" not found' in message


def test_doc_16_a_document_of_another_table(lab: Lab) -> None:
    """DOC-16: a class that is not the id's table is refused, naming the method and both."""
    assert ("Invalid argument `id` for `db.replace`: expected to be an Id[Thing], got Id[Room] instead.") in lab.refuse(
        "ctx.db.replace(ctx.db.insert(Room(name='x')), Thing())"
    )


@pytest.mark.parametrize(
    ("body", "method"),
    [
        ("patch(5, n=1.0)", "patch"),
        ("delete(None)", "delete"),
        ("replace(5, Room(name='x'))", "replace"),
        ("get(5)", "get"),
    ],
)
def test_doc_14_what_is_no_id_is_told_with_the_method(lab: Lab, body: str, method: str) -> None:
    """DOC-14: a value that is no text is refused under the name of the method that was called."""
    assert f"Invalid argument `id` for `db.{method}`" in lab.refuse(f"ctx.db.{body}")


def test_doc_18_a_transaction_reads_its_own_writes(lab: Lab) -> None:
    """DOC-18: scans, ranges and counts see inserts, patches and deletes that are not committed yet."""
    assert lab.write(
        """
        a, b, c = (ctx.db.insert(Thing(tag="t", n=n)) for n in (1.0, 2.0, 3.0))
        ctx.db.patch(a, n=5.0)
        ctx.db.delete(b)
        walked = [thing.n for thing in ctx.db.query(Thing)]
        ranged = [thing.n for thing in ctx.db.query(Thing.by_tag_n, tag="t", n=gt(2.0))]
        return [walked, ranged, ctx.db.query(Thing).count()]
        """
    ) == [[5, 3], [3, 5], 2]


def test_doc_19_the_last_state_stays(lab: Lab) -> None:
    """DOC-19: a document that is inserted and then changed in one transaction is committed as it was left."""
    lab.write(
        """
        patched, replaced, deleted = (ctx.db.insert(Thing(tag="first", n=n)) for n in (1.0, 2.0, 3.0))
        ctx.db.patch(patched, tag="patched")
        ctx.db.replace(replaced, Thing(tag="replaced"))
        ctx.db.delete(deleted)
        """
    )
    assert lab.read("return [[thing.tag, thing.n] for thing in ctx.db.query(Thing)]") == [
        ["patched", 1],
        ["replaced", 0],
    ]
    assert lab.read("return ctx.db.query(Thing.by_tag, tag='first').count()") == 0


def test_doc_20_a_mutation_that_raises_leaves_nothing(lab: Lab) -> None:
    """DOC-20: neither what it inserted nor what it changed."""
    id = lab.write("return ctx.db.insert(Room(name='before'))")
    lab.refuse(f"ctx.db.insert(Thing())\nctx.db.patch({id!r}, name='after')\nraise ValueError('no')")
    assert lab.read(f"return [ctx.db.query(Thing).count(), ctx.db.get({id!r}).name]") == [0, "before"]


@pytest.mark.parametrize("method", ["insert", "patch", "replace", "delete", "save"])
def test_doc_23_a_query_cannot_write(lab: Lab, method: str) -> None:
    """DOC-23: its database has no writing methods; calling one raises and changes nothing."""
    id = lab.write("return ctx.db.insert(Room(name='x'))")
    assert f"has no attribute '{method}'" in lab.refuse(f"ctx.db.{method}({id!r})", "read")
    assert lab.read("return [room.name for room in ctx.db.query(Room)]") == ["x"]


def test_doc_24_insertion_order(lab: Lab) -> None:
    """DOC-24: documents of one transaction are scanned in the order in which they were inserted."""
    lab.write("for n in range(50):\n    ctx.db.insert(Room(name=str(n)))")
    assert lab.read("return [room.name for room in ctx.db.query(Room)]") == [str(n) for n in range(50)]
