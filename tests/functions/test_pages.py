"""Pages: cursors, journals, budgets, splits, as clients' hooks rely on them."""

from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.functions.calls import Outcome
from joelclaw.values import wire
from tests.functions.deployment import CallError, Deployment, value_of

FILES = {
    "schema.py": """
        from joelclaw import *
        class Message(Table):
            __table__ = "messages"
            room: str
            n: int
            pad: str = ""
            by_room = index("room", "n")
    """,
    "chat.py": """
        from joelclaw import *
        from schema import Message

        @query
        def page(ctx: QueryCtx, pagination_opts: PageOptions, room: str = "a", desc: bool = False) -> Page[Message]:
            rows = ctx.db.query(Message.by_room, room=room)
            return rows.order("desc" if desc else "asc").paginate(pagination_opts)

        @query
        def other(ctx: QueryCtx, pagination_opts: PageOptions) -> Page[Message]:
            return ctx.db.query(Message.by_room, room="a").paginate(pagination_opts)

        @query
        def matching(ctx: QueryCtx, pagination_opts: PageOptions, ns: list[int]) -> Page[int]:
            page = ctx.db.query(Message.by_room, room="a").filter(lambda m: m.n in ns).paginate(pagination_opts)
            return page.map(lambda message: message.n)

        @query
        def twice(ctx: QueryCtx, pagination_opts: PageOptions) -> None:
            for _ in range(2):
                ctx.db.query(Message).paginate(pagination_opts)

        @query
        def two_nested(ctx: QueryCtx, pagination_opts: PageOptions) -> list[Page[Message]]:
            return [ctx.run_query(page, pagination_opts, room=room) for room in ("a", "b")]

        @mutation
        def fill(ctx: MutationCtx, ns: list[int], room: str = "a", pad: int = 0) -> None:
            for n in ns:
                ctx.db.insert(Message(room=room, n=n, pad="x" * pad))

        @mutation
        def remove(ctx: MutationCtx, n: int) -> None:
            for message in ctx.db.query(Message.by_room, room="a", n=n):
                ctx.db.delete(message)
    """,
}


@pytest.fixture
def chat(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


def options(num_items: int = 3, cursor: str | None = None, **more: Any) -> dict[str, Any]:
    return {"numItems": float(num_items), "cursor": cursor, "id": 1.0, **more}


def run(
    chat: Deployment, opts: dict[str, Any], path: str = "chat:page", journal: str | None = None, **args: Any
) -> Outcome:
    return chat.run_query(path, {"paginationOpts": opts, **args}, journal=journal)


def page(chat: Deployment, opts: dict[str, Any], path: str = "chat:page", **args: Any) -> Any:
    return value_of(run(chat, opts, path, **args))


def numbers(page: Any) -> list[int]:
    return [int(item["n"] if isinstance(item, dict) else item) for item in page["page"]]


def all_pages(chat: Deployment, opts: dict[str, Any], path: str = "chat:page", **args: Any) -> list[Any]:
    pages = [page(chat, opts, path, **args)]
    while not pages[-1]["isDone"]:
        pages.append(page(chat, {**opts, "cursor": pages[-1]["continueCursor"]}, path, **args))
    return pages


def test_pages_hold_everything_once_in_order(chat: Deployment) -> None:
    """A page that fills exactly is not the last: an empty one follows (PAG-1, PAG-3)."""
    chat.mutate("chat:fill", ns=[4, 2, 6, 1, 5, 3])
    for desc in (False, True):
        pages = all_pages(chat, options(3), desc=desc)
        assert [numbers(one) for one in pages] == ([[6, 5, 4], [3, 2, 1], []] if desc else [[1, 2, 3], [4, 5, 6], []])
        assert [one["isDone"] for one in pages] == [False, False, True]


def test_an_empty_table_is_one_page_with_a_usable_cursor(chat: Deployment) -> None:
    """Done at once; going on from there is empty and done, also when something has come (PAG-4, PAG-5)."""
    first = page(chat, options())
    assert (first["page"], first["isDone"], first["splitCursor"], first["pageStatus"]) == ([], True, None, None)
    chat.mutate("chat:fill", ns=[1])
    again = page(chat, options(cursor=first["continueCursor"]))
    assert (again["page"], again["isDone"]) == ([], True)


def test_the_document_at_the_cursor_may_go(chat: Deployment) -> None:
    """Nothing is skipped and nothing repeated (PAG-6)."""
    chat.mutate("chat:fill", ns=[1, 2, 3, 4])
    first = page(chat, options(2))
    chat.mutate("chat:remove", n=2)
    assert numbers(page(chat, options(2, first["continueCursor"]))) == [3, 4]


def test_an_end_cursor_bounds_the_page(chat: Deployment) -> None:
    """It overrules `numItems`, and is the page's own `continueCursor` (PAG-8)."""
    chat.mutate("chat:fill", ns=[1, 2, 3, 4])
    end = page(chat, options(3))["continueCursor"]
    bounded = page(chat, options(1, endCursor=end))
    assert numbers(bounded) == [1, 2, 3]
    assert (bounded["continueCursor"], bounded["isDone"]) == (end, False)
    done = all_pages(chat, options(9))[-1]["continueCursor"]
    assert page(chat, options(1, endCursor=done))["isDone"] is True


@pytest.mark.parametrize("desc", [False, True])
def test_a_journal_pins_the_end_of_a_page(chat: Deployment, desc: bool) -> None:
    """A delete shrinks the page, an insert inside grows it, an insert behind its end does not show (PAG-19)."""
    chat.mutate("chat:fill", ns=[10, 20, 30, 40, 50])
    first = run(chat, options(3), desc=desc)
    assert first.journal is not None
    chat.mutate("chat:fill", ns=[25, 35])
    again = run(chat, options(3), desc=desc, journal=first.journal)
    expected = [50, 40, 35, 30] if desc else [10, 20, 25, 30]
    assert numbers(value_of(again)) == expected
    assert again.journal == first.journal
    chat.mutate("chat:remove", n=30)
    assert numbers(value_of(run(chat, options(3), desc=desc, journal=first.journal))) == [
        n for n in expected if n != 30
    ]


def test_a_first_page_that_was_empty_holds_whatever_comes(chat: Deployment) -> None:
    """It ended behind everything, so it is subscribed to everything (PAG-21)."""
    first = run(chat, options(1))
    chat.mutate("chat:fill", ns=[1, 2])
    assert numbers(value_of(run(chat, options(1), journal=first.journal))) == [1, 2]


def test_a_journal_of_other_code_is_forgotten(chat: Deployment) -> None:
    """The page begins a new life instead of failing."""
    chat.mutate("chat:fill", ns=[1, 2, 3])
    journal = run(chat, options(1), "chat:other").journal
    assert numbers(value_of(run(chat, options(2), journal=journal))) == [1, 2]
    assert numbers(value_of(run(chat, options(2), journal="junk.and more"))) == [1, 2]


def test_the_read_set_ends_where_the_page_does(chat: Deployment) -> None:
    """Up to the last key of a full page; a pinned page up to its end; the last page to the end of its prefix."""
    chat.mutate("chat:fill", ns=[1, 2, 3])
    first = run(chat, options(2))
    [read] = first.reads
    assert read.start is None
    assert read.end is not None
    assert read.end.startswith(read.prefix)
    pinned = run(chat, options(2), journal=first.journal)
    assert pinned.reads == first.reads
    rest = run(chat, options(9, value_of(first)["continueCursor"]))
    assert (rest.reads[0].start, rest.reads[0].end) == (read.end, None)


# -- cursors


@pytest.mark.parametrize("cursor", ["", "junk", "ümlaut", "AAAA", "A" * 44])
def test_junk_is_no_cursor(chat: Deployment, cursor: str) -> None:
    """Clients know the error by its data and begin again (PAG-18)."""
    outcome = run(chat, options(3, cursor))
    assert outcome.failure is not None
    assert outcome.failure.message.startswith("InvalidCursor: Tried to run a query starting from a cursor, but")
    assert outcome.failure.data is not None
    assert wire.decode(outcome.failure.data) == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


def test_a_cursor_belongs_to_its_query(chat: Deployment) -> None:
    """Another function, other bounds, another direction: refused, as is a changed letter (PAG-18)."""
    chat.mutate("chat:fill", ns=[1, 2, 3])
    cursor = page(chat, options(1))["continueCursor"]
    assert numbers(page(chat, options(1, cursor))) == [2]
    changed = ("B" if cursor[5] != "B" else "C").join((cursor[:5], cursor[6:]))
    wrong: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (options(1, cursor), {"path": "chat:other"}),
        (options(1, cursor), {"room": "b"}),
        (options(1, cursor), {"desc": True}),
        (options(1, changed), {}),
        (options(1, endCursor=changed), {}),
    ]
    for opts, arguments in wrong:
        with pytest.raises(CallError, match="InvalidCursor"):
            page(chat, opts, **arguments)


def test_cursors_show_nothing(deployment: Callable[..., Deployment]) -> None:
    """The key in them cannot be read: no trace of the value, and another database seals it otherwise."""
    import base64

    one = deployment(FILES)
    one.mutate("chat:fill", ns=[1, 2], room="secret-room")
    cursor = page(one, options(1), room="secret-room")["continueCursor"]
    assert b"secret-room" not in base64.urlsafe_b64decode(cursor + "==")
    two = deployment(FILES)
    two.mutate("chat:fill", ns=[1, 2], room="secret-room")
    assert page(two, options(1), room="secret-room")["continueCursor"] != cursor


# -- budgets and splits


def test_rows_budget(chat: Deployment) -> None:
    """Reached: required. Just enough: recommended. Below: nothing (PAG-9, PAG-10, PAG-11)."""
    chat.mutate("chat:fill", ns=list(range(1, 6)))
    reached = page(chat, options(5, maximumRowsRead=3.0))
    assert (numbers(reached), reached["pageStatus"], reached["isDone"]) == ([1, 2, 3], "SplitRequired", False)
    assert reached["splitCursor"] is not None
    enough = page(chat, options(3, maximumRowsRead=3.0))
    assert (numbers(enough), enough["pageStatus"]) == ([1, 2, 3], "SplitRecommended")
    below = page(chat, options(3, maximumRowsRead=5.0))
    assert (numbers(below), below["pageStatus"]) == ([1, 2, 3], None)


def test_bytes_budget(chat: Deployment) -> None:
    """The same in bytes; one byte makes pages of one document, and an empty last one (PAG-12)."""
    chat.mutate("chat:fill", ns=list(range(1, 6)), pad=900)
    required = page(chat, options(3, maximumBytesRead=2_000.0))
    assert (numbers(required), required["pageStatus"]) == ([1, 2], "SplitRequired")
    recommended = page(chat, options(3, maximumBytesRead=3_500.0))
    assert (numbers(recommended), recommended["pageStatus"]) == ([1, 2, 3], "SplitRecommended")
    pages = all_pages(chat, options(3, maximumBytesRead=1.0))
    assert [numbers(one) for one in pages] == [[1], [2], [3], [4], [5], []]


def test_filtered_pages(chat: Deployment) -> None:
    """`numItems` counts matches, the budget counts rows: the sizes that existing suites expect (PAG-2, PAG-13)."""
    chat.mutate("chat:fill", ns=list(range(21)))
    ns = [1.0, 2.0, 4.0, 13.0, 14.0, 16.0, 17.0, 19.0, 20.0]
    by_rows = all_pages(chat, options(100, maximumRowsRead=4.0), "chat:matching", ns=ns)
    assert [len(one["page"]) for one in by_rows] == [2, 1, 0, 2, 3, 1]
    by_items = all_pages(chat, options(4), "chat:matching", ns=ns)
    assert [len(one["page"]) for one in by_items] == [4, 4, 1]


def test_halves_of_a_split_make_the_page(chat: Deployment) -> None:
    """From the cursor to the middle, and from there to the end: in order, once each (PAG-15, PAG-22)."""
    chat.mutate("chat:fill", ns=list(range(7)))
    whole = page(chat, options(7))
    left = page(chat, options(7, endCursor=whole["splitCursor"]))
    right = page(chat, options(7, whole["splitCursor"], endCursor=whole["continueCursor"]))
    assert numbers(left) + numbers(right) == numbers(whole)
    assert (len(left["page"]), len(right["page"])) == (3, 4)
    assert page(chat, options(2))["splitCursor"] is None


def test_a_pinned_page_that_outgrew_its_budget_says_so(chat: Deployment) -> None:
    """Its end stays, so that the halves cover what was cut off."""
    chat.mutate("chat:fill", ns=[10, 20, 30])
    end = page(chat, options(2))["continueCursor"]
    chat.mutate("chat:fill", ns=list(range(11, 19)))
    cut = page(chat, options(2, endCursor=end, maximumRowsRead=5.0))
    assert (len(cut["page"]), cut["pageStatus"], cut["continueCursor"]) == (5, "SplitRequired", end)
    left = page(chat, options(2, endCursor=cut["splitCursor"]))
    right = page(chat, options(2, cut["splitCursor"], endCursor=end))
    assert numbers(left) + numbers(right) == [10, *range(11, 19), 20]


@pytest.mark.parametrize(
    ("opts", "message"),
    [
        (options(0), "Must request at least 1 document while paginating"),
        (options(-1), "`options.numItems` must be a positive number. Received `-1`."),
        (options(40_000), "Requested too many items: 40000"),
        (options(1, maximumRowsRead=0.0), "`options.maximumRowsRead` must be greater than 0"),
        (options(1, maximumBytesRead=0.0), "`options.maximumBytesRead` must be greater than 0"),
    ],
)
def test_options_that_make_no_page(chat: Deployment, opts: dict[str, Any], message: str) -> None:
    """Each in the words that clients know (PAG-17)."""
    with pytest.raises(CallError) as caught:
        page(chat, opts)
    assert message in caught.value.failure.message


def test_one_page_in_each_function(chat: Deployment) -> None:
    """A second one is refused; nested functions have their own, each pinned (PAG-16)."""
    with pytest.raises(CallError, match="ran multiple paginated queries"):
        page(chat, options(), "chat:twice")
    chat.mutate("chat:fill", ns=[1, 2, 3])
    chat.mutate("chat:fill", ns=[1, 2, 3], room="b")
    first = run(chat, options(2), "chat:twoNested")
    chat.mutate("chat:fill", ns=[0], room="b")
    again = value_of(run(chat, options(2), "chat:twoNested", journal=first.journal))
    assert [numbers(one) for one in again] == [[1, 2], [0, 1, 2]]
