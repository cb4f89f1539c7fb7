"""
Searches under random writes: what they find is what a plain reading of the texts finds, nobody who
would see another result sleeps through the commit, and pages always meet.
"""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.engine.read_index import disturbs
from joelclaw.values.terms import count_terms, read_question
from tests.functions.deployment import Deployment, value_of

SCHEMA = """
    from joelclaw import *

    class Note(Table):
        __table__ = "notes"
        text: str
        topic: str | None
        author: str
        seen: float = 0.0
        search_text = search_index("text", filter=["topic", "author"])
"""

FUNCTIONS = """
    from typing import Any
    from joelclaw import *
    from schema import Note

    @query
    def all(ctx: QueryCtx) -> list[Note]:
        return ctx.db.query(Note).collect()

    @query
    def search(ctx: QueryCtx, text: str, filters: dict[str, str | None], limit: int) -> list[Note]:
        return ctx.db.search(Note.search_text, text, **filters).take(limit)

    @query
    def count(ctx: QueryCtx, text: str, filters: dict[str, str | None]) -> int:
        return ctx.db.search(Note.search_text, text, **filters).count()

    @query
    def unseen(ctx: QueryCtx, text: str, filters: dict[str, str | None]) -> list[str]:
        found = ctx.db.search(Note.search_text, text, **filters)
        return [note.text for note in found.filter(lambda note: not note.seen)]

    @query
    def page(ctx: QueryCtx, text: str, pagination_opts: PageOptions) -> Page[Note]:
        return ctx.db.search(Note.search_text, text).paginate(pagination_opts)

    @mutation
    def add(ctx: MutationCtx, text: str, topic: str | None, author: str) -> Id[Note]:
        return ctx.db.insert(Note(text=text, topic=topic, author=author))

    @mutation
    def change(ctx: MutationCtx, id: Id[Note], fields: dict[str, str | None]) -> None:
        ctx.db.patch(id, **fields)

    @mutation
    def see(ctx: MutationCtx, id: Id[Note], seen: float) -> None:
        ctx.db.patch(id, seen=seen)

    @mutation
    def remove(ctx: MutationCtx, id: Id[Note]) -> None:
        ctx.db.delete(id)
"""

WORDS = ("a", "ab", "abc", "b", "ba", "c", "ca", "Ab", "é", "東京都")
TOPICS = ("x", "y", None)
AUTHORS = ("ann", "bob")


@pytest.fixture(params=range(4))
def dice(request: pytest.FixtureRequest) -> random.Random:
    print(f"seed {request.param}")
    return random.Random(request.param)


@pytest.fixture
def notes(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment({"schema.py": SCHEMA, "notes.py": FUNCTIONS})


def some_text(dice: random.Random, most: int = 6) -> str:
    return " ".join(dice.choices(WORDS, k=dice.randint(0, most)))


def some_search(dice: random.Random) -> tuple[str, dict[str, Any]]:
    path = dice.choice(("search", "search", "count", "unseen"))
    filters: dict[str, Any] = {}
    if dice.random() < 0.4:
        filters["topic"] = dice.choice(TOPICS)
    if dice.random() < 0.3:
        filters["author"] = dice.choice(AUTHORS)
    arguments: dict[str, Any] = {"text": some_text(dice, 3), "filters": filters}
    if path == "search":
        arguments["limit"] = dice.randint(1, 8)
    return f"notes:{path}", arguments


def write_something(notes: Deployment, dice: random.Random) -> None:
    ids = [note["_id"] for note in notes.query("notes:all")]
    action = dice.random()
    if action < 0.5 or not ids:
        notes.mutate("notes:add", text=some_text(dice), topic=dice.choice(TOPICS), author=dice.choice(AUTHORS))
    elif action < 0.65:
        notes.mutate("notes:change", id=dice.choice(ids), fields={"text": some_text(dice)})
    elif action < 0.75:
        notes.mutate("notes:change", id=dice.choice(ids), fields={"topic": dice.choice(TOPICS)})
    elif action < 0.85:
        notes.mutate("notes:see", id=dice.choice(ids), seen=dice.random())
    else:
        notes.mutate("notes:remove", id=dice.choice(ids))


def found_by_reading(documents: list[Any], text: str, filters: dict[str, Any]) -> list[Any]:
    """BM25 as it is written in books, over the documents that match."""
    question = read_question(text, 16)
    asked: list[Callable[[str], bool]] = [lambda term, word=word: term == word for word in question.words]  # type: ignore[misc]
    if question.prefix is not None:
        prefix = question.prefix
        asked.append(lambda term: term.startswith(prefix))
    matching = []
    for document in documents:
        terms = count_terms(document["text"])
        times = [sum(count for term, count in terms.items() if is_asked(term)) for is_asked in asked]
        if any(times) and all(document[field] == value for field, value in filters.items()):
            matching.append((document, times, sum(terms.values())))
    if not matching:
        return []
    usual = sum(length for _, _, length in matching) / len(matching)
    having = [sum(times[n] > 0 for _, times, _ in matching) for n in range(len(asked))]
    rarity = [math.log(1 + (len(matching) - n + 0.5) / (n + 0.5)) if n else 0.0 for n in having]

    def score(times: list[int], length: int) -> float:
        parts = (w * t * 2.2 / (t + 1.2 * (0.25 + 0.75 * length / usual)) for w, t in zip(rarity, times, strict=True))
        return round(sum(parts) / sum(rarity), 7)

    matching.sort(key=lambda one: (-score(one[1], one[2]), -one[0]["_creationTime"]))
    return [document for document, _, _ in matching]


def test_a_search_finds_what_reading_everything_finds(notes: Deployment, dice: random.Random) -> None:
    """Documents, their order and their number are those of BM25 computed from the texts, after any writes."""
    for _ in range(40):
        write_something(notes, dice)
        text, filters = some_text(dice, 3), some_search(dice)[1]["filters"]
        expected = found_by_reading(notes.query("notes:all"), text, filters)
        assert notes.query("notes:search", text=text, filters=filters, limit=100.0) == expected, (text, filters)
        assert notes.query("notes:count", text=text, filters=filters) == len(expected)


def test_nobody_sleeps_through_a_commit(notes: Deployment, dice: random.Random) -> None:
    """If a commit changes a search's result, one of its keys is in what the search has read."""
    for _ in range(10):
        write_something(notes, dice)
    searches = [some_search(dice) for _ in range(25)]
    asleep = awake = 0
    for _ in range(40):
        before = [notes.run_query(path, arguments) for path, arguments in searches]
        write_something(notes, dice)
        commit = notes.last_commit
        keys = commit.keys if commit is not None else []
        for outcome, (path, arguments) in zip(before, searches, strict=True):
            disturbed = any(disturbs(key, read) for key in keys for read in outcome.reads)
            if notes.run_query(path, arguments).value != outcome.value:
                assert disturbed, (path, arguments)
            asleep += not disturbed
            awake += disturbed
    assert asleep > awake / 2, "searches that hear of everything show nothing"


def test_pages_meet_whatever_is_written(notes: Deployment, dice: random.Random) -> None:
    """Pages that were shown, read again on one snapshot, are the whole result: in order, nothing lost or doubled."""
    for _ in range(25):
        write_something(notes, dice)
    journals: list[str | None] = []
    cursors: list[str | None] = [None]
    while len(cursors) < 5:
        outcome = notes.run_query(
            "notes:page", {"text": "a", "paginationOpts": {"numItems": 3.0, "cursor": cursors[-1]}}
        )
        journals.append(outcome.journal)
        cursors.append(value_of(outcome)["continueCursor"])
    for _ in range(25):
        write_something(notes, dice)
        shown: list[Any] = []
        for cursor, journal in zip(cursors, journals, strict=False):
            options = {"numItems": 3.0, "cursor": cursor}
            shown += value_of(notes.run_query("notes:page", {"text": "a", "paginationOpts": options}, journal=journal))[
                "page"
            ]
        rest = notes.query("notes:page", text="a", paginationOpts={"numItems": 500.0, "cursor": cursors[-1]})["page"]
        assert [*shown, *rest] == notes.query("notes:search", text="a", filters={}, limit=500.0)
