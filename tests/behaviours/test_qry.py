"""Reading: order, filters, and the ways to take documents."""

import pytest

from tests.behaviours.lab import Lab


@pytest.fixture
def filled(lab: Lab) -> Lab:
    """Three things, of which one has a tag, one null for it, and one none."""
    lab.write(
        """
        ctx.db.insert(Thing(n=3.0, tag="a", place=Place(x=1.0)))
        ctx.db.insert(Thing(n=1.0, tag=None, place=Place(x=2.0)))
        ctx.db.insert(Thing(n=2.0))
        """
    )
    return lab


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ctx.db.query(Thing)", [3, 1, 2]),
        ("ctx.db.query(Thing).order('asc')", [3, 1, 2]),
        ("ctx.db.query(Thing).order('desc')", [2, 1, 3]),
    ],
)
def test_qry_01_scans_are_in_creation_order(filled: Lab, expression: str, expected: list[int]) -> None:
    """QRY-1: a table is walked in the order of creation; `desc` reverses that."""
    assert filled.read(f"return [thing.n for thing in {expression}]") == expected


@pytest.mark.parametrize(
    "rows",
    [
        "ctx.db.query(Thing).order('desc').filter(lambda thing: thing.n > 1)",
        "ctx.db.query(Thing).filter(lambda thing: thing.n > 1).order('desc')",
    ],
)
def test_qry_02_filter_and_order_commute(filled: Lab, rows: str) -> None:
    """QRY-2: either may be said first, and `take` counts matches."""
    assert filled.read(f"return [thing.n for thing in {rows}.take(2)]") == [2, 3]


def test_qry_03_one_order(filled: Lab) -> None:
    """QRY-3: a second `order` is refused."""
    assert "Queries may only specify order at most once" in filled.refuse(
        "ctx.db.query(Thing).order('desc').order('desc')", "read"
    )


def test_qry_05_a_query_can_be_used_again(filled: Lab) -> None:
    """QRY-5: rows describe a query and read anew each time, also when one was built from another."""
    assert filled.read(
        """
        things = ctx.db.query(Thing)
        newest = things.order("desc")
        return [things.first().n, newest.first().n, things.count(), things.first().n]
        """
    ) == [3, 2, 3, 3]


@pytest.mark.parametrize("n", ["-1", "1.5", "'1'", "None", "True"])
def test_qry_07_take_wants_a_count(filled: Lab, n: str) -> None:
    """QRY-7: `take` refuses whatever is not a whole number of documents."""
    assert "is a whole number, 0 or more" in filled.refuse(f"ctx.db.query(Thing).take({n})", "read")


def test_qry_07_take_nothing(filled: Lab) -> None:
    """QRY-7: `take(0)` is an empty list."""
    assert filled.read("return ctx.db.query(Thing).take(0)") == []


def test_qry_08_09_none_of_none(lab: Lab) -> None:
    """QRY-8, QRY-9: `first` and `unique` answer None where there is nothing."""
    assert lab.read("return [ctx.db.query(Thing).first(), ctx.db.query(Thing).unique()]") == [None, None]


def test_qry_09_unique_names_two(filled: Lab) -> None:
    """QRY-9: `unique` gives the only document, and of several it names the first two."""
    assert filled.read("return ctx.db.query(Thing.by_tag, tag='a').unique().n") == 3
    ids = filled.read("return [thing.id for thing in ctx.db.query(Thing).take(2)]")
    assert filled.refuse("ctx.db.query(Thing).unique()", "read").endswith(
        f"unique() query returned more than one result from table things:\n[{ids[0]}, {ids[1]}, ...]"
    )


def test_qry_10_a_table_without_documents_is_empty(lab: Lab) -> None:
    """QRY-10: a declared table that nobody has written to reads as empty, by any index."""
    assert lab.read("return [ctx.db.query(Thing).collect(), ctx.db.query(Thing.by_tag, tag='a').collect()]") == [[], []]


def test_qry_11_count_includes_pending_writes(filled: Lab) -> None:
    """QRY-11: `count` sees what the transaction has written so far, over a table and over a range."""
    assert filled.write(
        """
        ctx.db.insert(Thing(tag="a"))
        ctx.db.delete(ctx.db.query(Thing).first())
        return [ctx.db.query(Thing).count(), ctx.db.query(Thing.by_tag, tag="a").count()]
        """
    ) == [3, 1]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("thing.n == 1", [1]),
        ("thing.n != 1", [3, 2]),
        ("thing.n < 2", [1]),
        ("thing.n >= 2 and thing.n % 2 == 0", [2]),
        ("not (thing.n > 1) or -thing.n == -3", [3, 1]),
        ("(thing.n + 1) * 2 - thing.n / 2 == 6.5", [3]),
        ("thing.place is not UNSET and thing.place.x == 2", [1]),
    ],
)
def test_qry_12_filters_are_python(filled: Lab, condition: str, expected: list[int]) -> None:
    """QRY-12: comparing, combining, arithmetic and nested fields are Python's own."""
    assert filled.read(f"return [thing.n for thing in ctx.db.query(Thing).filter(lambda thing: {condition})]") == (
        expected
    )


def test_qry_13_absent_and_null_are_two_things(filled: Lab) -> None:
    """QRY-13: a filter for UNSET matches absent fields only, one for None null only."""
    assert filled.read(
        """
        absent = ctx.db.query(Thing).filter(lambda thing: thing.tag is UNSET)
        null = ctx.db.query(Thing).filter(lambda thing: thing.tag is None)
        return [[thing.n for thing in rows] for rows in (absent, null)]
        """
    ) == [[2], [1]]


def test_qry_14_constant_filters(filled: Lab) -> None:
    """QRY-14: a filter that always says yes passes all, one that never does passes none."""
    assert filled.read("return [ctx.db.query(Thing).filter(lambda _: yes).count() for yes in (True, False)]") == [3, 0]


def test_qry_15_many_documents_come_in_their_places(filled: Lab) -> None:
    """QRY-15: `get_many` answers in the order of the ids, with None for what is not there."""
    assert (
        filled.write(
            """
        ids = [thing.id for thing in ctx.db.query(Thing)]
        ctx.db.delete(ids[1])
        return [thing and thing.n for thing in ctx.db.get_many(reversed(ids * 6))]
        """
        )
        == [2, None, 3] * 6
    )


def test_qry_16_text_becomes_an_id_of_its_table_only(filled: Lab) -> None:
    """QRY-16: `parse_id` gives an id of this table back, and None for junk and for other tables' ids."""
    assert filled.write(
        """
        thing, room = ctx.db.query(Thing).first().id, ctx.db.insert(Room(name="x"))
        return [ctx.db.parse_id(Thing, text) == thing for text in (thing, room, "junk", "")]
        """
    ) == [True, False, False, False]


def test_qry_17_system_tables_are_read_like_others(lab: Lab) -> None:
    """QRY-17: the public system tables are classes that `ctx.db` reads and does not write."""
    assert lab.read("return [ctx.db.query(ScheduledJob).collect(), ctx.db.query(StoredFile).first()]") == [[], None]
    assert "System tables (prefixed with `_`) are read-only." in lab.refuse(
        "ctx.db.insert(StoredFile(sha256='', size=1.0))"
    )


def test_qry_19_iteration_reads_what_is_taken(lab: Lab) -> None:
    """QRY-19: iterating gives what `collect` gives; whoever stops early has read only what was taken."""
    lab.write("for n in range(40):\n    ctx.db.insert(Thing(n=float(n)))")
    assert lab.read(
        """
        run = ctx.db.run
        for thing in ctx.db.query(Thing):
            if thing.n == 19:
                break
        taken = run.documents_read
        same = [thing.n for thing in ctx.db.query(Thing)] == [thing.n for thing in ctx.db.query(Thing).collect()]
        return [taken, same]
        """
    ) == [20, True]


def test_qry_20_reads_are_copies(filled: Lab) -> None:
    """QRY-20: changing a document that was read changes no later read, nested objects included."""
    assert filled.read(
        """
        thing = ctx.db.query(Thing).first()
        thing.n, thing.place.x = 9.0, 9.0
        again = ctx.db.query(Thing).first()
        return [again.n, again.place.x]
        """
    ) == [3, 1]
