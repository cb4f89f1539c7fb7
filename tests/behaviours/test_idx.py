"""Indexes: ranges, order, absent values, and what a range is woken by."""

import pytest

from joelclaw.engine.read_index import disturbs
from tests.behaviours.lab import Lab


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """Tags `a` and `b`, three numbers each, created out of order; one thing with null, two without a tag."""
    lab.write(
        """
        for n in (2.0, 3.0, 1.0):
            for tag in ("b", "a"):
                ctx.db.insert(Thing(tag=tag, n=n))
        ctx.db.insert(Thing(tag=None, n=7.0))
        ctx.db.insert(Thing(n=8.0))
        ctx.db.insert(Thing(n=9.0))
        """
    )
    return lab


def names(lab: Lab, rows: str) -> str:
    """What a query gives, as one word: tag and number of each, `-` for null and `.` for absent."""
    found: str = lab.read(
        f"""
        def name(thing):
            return "." if thing.tag is UNSET else thing.tag or "-"
        return " ".join(f"{{name(thing)}}{{thing.n:.0f}}" for thing in {rows})
        """
    )
    return found


def test_idx_01_an_index_ends_with_creation_time_and_id(lab: Lab) -> None:
    """IDX-1: behind its fields an index goes on with the creation time, which may be asked for like a field."""
    times = lab.write("return [ctx.db.get(ctx.db.insert(Thing(tag='a'))).creation_time for _ in range(3)]")
    assert (
        lab.read(
            f"""
        rows = ctx.db.query(Thing.by_tag, tag="a", creation_time=gt({times[0]!r}))
        return [thing.creation_time for thing in rows]
        """
        )
        == times[1:]
    )


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("tag='a'", "a1 a2 a3"),
        ("tag='a', n=2.0", "a2"),
        ("tag='a', n=gt(1.0)", "a2 a3"),
        ("tag='a', n=gte(2.0)", "a2 a3"),
        ("tag='a', n=lt(2.0)", "a1"),
        ("tag='a', n=lte(2.0)", "a1 a2"),
        ("tag='a', n=between(1.0, 2.0)", "a1 a2"),
        ("tag=gt('a')", "b1 b2 b3"),
    ],
)
def test_idx_02_equality_then_one_range(filled: Lab, bounds: str, expected: str) -> None:
    """IDX-2: leading fields are fixed, and the next one may be bounded."""
    assert names(filled, f"ctx.db.query(Thing.by_tag_n, {bounds})") == expected


def test_idx_03_keywords_come_in_any_order(filled: Lab) -> None:
    """IDX-3: which bound is written first says nothing."""
    assert names(filled, "ctx.db.query(Thing.by_tag_n, n=gt(1.0), tag='a')") == "a2 a3"


def test_idx_04_fields_in_order(filled: Lab) -> None:
    """IDX-4: a field cannot be left out before another."""
    assert ("Tried to query index Thing.by_tag_n but the query didn't use the index fields in order") in filled.refuse(
        "ctx.db.query(Thing.by_tag_n, n=1.0)", "read"
    )


def test_idx_05_fields_of_the_index_only(filled: Lab) -> None:
    """IDX-5: a field that the index does not have is refused by name."""
    assert "Thing.by_tag_n has no field 'm'" in filled.refuse("ctx.db.query(Thing.by_tag_n, m=1.0)", "read")


def test_idx_07_one_bounded_field(filled: Lab) -> None:
    """IDX-7: two fields cannot both be bounded, nor can one be given behind a bounded one."""
    for n in ("gt(1.0)", "1.0"):
        assert "Upper and lower bounds can only be applied to a single index field" in filled.refuse(
            f"ctx.db.query(Thing.by_tag_n, tag=gt('a'), n={n})", "read"
        )


def test_idx_08_contradictions_are_empty(filled: Lab) -> None:
    """IDX-8: bounds that nothing can meet are no error."""
    assert names(filled, "ctx.db.query(Thing.by_tag, tag=between('b', 'a'))") == ""


def test_idx_09_absent_and_null_are_found_apart(filled: Lab) -> None:
    """IDX-9: UNSET finds documents without the field, None those that hold null."""
    assert names(filled, "ctx.db.query(Thing.by_tag, tag=UNSET)") == ".8 .9"
    assert names(filled, "ctx.db.query(Thing.by_tag, tag=None)") == "-7"


def test_idx_10_bounds_and_absent(filled: Lab) -> None:
    """IDX-10: `gt(UNSET)` leaves absent out and null in; `lt` and `lte` begin with absent."""
    assert names(filled, "ctx.db.query(Thing.by_tag_n, tag=gt(UNSET))") == "-7 a1 a2 a3 b1 b2 b3"
    assert names(filled, "ctx.db.query(Thing.by_tag_n, tag=lt('a'))") == ".8 .9 -7"
    assert names(filled, "ctx.db.query(Thing.by_tag_n, tag=lte(None))") == ".8 .9 -7"


def test_idx_11_12_absent_comes_first_and_desc_turns_everything(filled: Lab) -> None:
    """IDX-11, IDX-12: absent, null, then the rest; `desc` reverses all fields of the index."""
    expected = ".8 .9 -7 a1 a2 a3 b1 b2 b3"
    assert names(filled, "ctx.db.query(Thing.by_tag_n)") == expected
    assert names(filled, "ctx.db.query(Thing.by_tag_n).order('desc')") == " ".join(reversed(expected.split()))


def test_idx_13_equal_keys_come_in_creation_order(filled: Lab) -> None:
    """IDX-13: documents with equal fields are in the order of creation; descending, the newest comes first."""
    assert names(filled, "ctx.db.query(Thing.by_tag, tag='a')") == "a2 a3 a1"
    assert names(filled, "ctx.db.query(Thing.by_tag, tag='a').order('desc')") == "a1 a3 a2"


def test_idx_14_15_only_indexes_that_are_declared(filled: Lab) -> None:
    """IDX-14, IDX-15: an index is an attribute of its class: another name is an error, at load already."""
    assert "no attribute 'by_nothing'" in filled.refuse("ctx.db.query(Thing.by_nothing)", "read")
    assert "query(Thing) takes no bounds" in filled.refuse("ctx.db.query(Thing, creation_time=gt(0.0))", "read")


def test_idx_19_a_path_that_ends_early_is_absent(lab: Lab) -> None:
    """IDX-19: an index goes through nested objects; where one is missing the value counts as absent."""
    lab.write("ctx.db.insert(Thing(n=1.0))\nctx.db.insert(Thing(n=2.0, place=Place(x=5.0)))")
    assert lab.read("return [thing.n for thing in ctx.db.query(Thing.by_x, place_x=5.0)]") == [2]
    assert lab.read("return [thing.n for thing in ctx.db.query(Thing.by_x, place_x=UNSET)]") == [1]
    assert lab.read("return [thing.n for thing in ctx.db.query(Thing.by_x)]") == [1, 2]


@pytest.mark.parametrize(
    ("write", "woken"),
    [
        ("ctx.db.insert(Thing(tag='a', n=2.5))", True),
        ("ctx.db.delete(ctx.db.query(Thing.by_tag_n, tag='a', n=3.0).first())", True),
        ("ctx.db.patch(ctx.db.query(Thing.by_tag_n, tag='b', n=3.0).first(), tag='a')", True),
        ("ctx.db.insert(Thing(tag='a', n=1.5))", False),
        ("ctx.db.insert(Thing(tag='b', n=3.0))", False),
        ("ctx.db.patch(ctx.db.query(Thing.by_tag_n, tag='a', n=1.0).first(), value='changed')", False),
        ("ctx.db.insert(Room(name='x'))", False),
    ],
)
def test_idx_20_a_range_is_woken_by_its_own_documents(filled: Lab, write: str, woken: bool) -> None:
    """IDX-20: a query over a range is run again for writes inside that range, and for no others of its table."""
    reads = filled.run("read", "ctx.db.query(Thing.by_tag_n, tag='a', n=gte(2.0)).collect()").reads
    filled.write(write)
    commit = filled.deployment.last_commit
    assert commit is not None
    assert any(disturbs(key, read) for key in commit.keys for read in reads) == woken
