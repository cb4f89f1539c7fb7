"""Full-text search: who is found, in which order, and what a search looks at."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from joelclaw.engine.read_index import ReadIndex
from joelclaw.limits import Limits
from tests.behaviours.lab import FUNCTIONS, Lab
from tests.functions.deployment import Deployment

SCHEMA = """
    from joelclaw import *

    class Place(Object):
        room: str

    class Note(Table):
        __table__ = "notes"
        text: str | UnsetType = UNSET
        topic: str | None | UnsetType = UNSET
        author: str = "ann"
        place: Place | UnsetType = UNSET
        seen: bool = False
        search_text = search_index("text", filter=["topic", "author", "place.room"])
"""

PAGES = """
    from joelclaw import *
    from schema import Note

    @query
    def found(ctx: QueryCtx, text: str, pagination_opts: PageOptions) -> Page[Note]:
        return ctx.db.search(Note.search_text, text).paginate(pagination_opts)
"""


@pytest.fixture
def lab(deployment: Callable[..., Deployment]) -> Lab:
    return Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS, "pages.py": PAGES}))


def add(lab: Lab, *texts: str, **fields: Any) -> None:
    extra = "".join(f", {name}={value!r}" for name, value in fields.items())
    for text in texts:
        lab.write(f"ctx.db.insert(Note(text={text!r}{extra}))")


def find(lab: Lab, text: str, filters: str = "") -> list[str]:
    found: list[str] = lab.read(f"return [note.text for note in ctx.db.search(Note.search_text, {text!r}, {filters})]")
    return found


def is_disturbed(lab: Lab, search: str, write: str) -> bool:
    """Does the commit of `write` wake who has `search` on the screen?"""
    reads = lab.run("read", f"return ctx.db.search({search}).collect()").reads
    lab.write(write)
    commit = lab.deployment.last_commit
    assert commit is not None
    index: ReadIndex[str] = ReadIndex()
    index.add(reads, "search")
    return index.stab(commit.keys) == {"search"}


def test_srch_01_any_term_matches_and_more_of_them_rank_higher(lab: Lab) -> None:
    """SRCH-1: a document with any of the terms is found, with more of them it comes first."""
    add(lab, "red balloon", "red balloon over the city", "blue city", "green field")
    assert find(lab, "city balloon red ") == ["red balloon over the city", "red balloon", "blue city"]
    assert find(lab, "purple") == []


def test_srch_01_a_rare_term_counts_for_more_than_a_common_one(lab: Lab) -> None:
    """SRCH-1: what nearly all documents say tells little about them."""
    add(lab, *["the cat"] * 5, "the reactor", "a reactor")
    assert find(lab, "the reactor")[:2] == ["the reactor", "a reactor"]


def test_srch_02_case_does_not_matter(lab: Lab) -> None:
    """SRCH-2: neither in the text nor in the question."""
    add(lab, "Reactive BACKEND")
    assert find(lab, "reactive") == find(lab, "BackEnd") == ["Reactive BACKEND"]


def test_srch_03_only_the_last_term_is_a_prefix(lab: Lab) -> None:
    """SRCH-3: the last term matches by prefix, those before it whole words only."""
    add(lab, "convex", "shape")
    assert find(lab, "con") == ["convex"]
    assert find(lab, "con shape") == ["shape"]


def test_srch_04_a_typo_finds_nothing(lab: Lab) -> None:
    """SRCH-4: one changed letter is another word."""
    add(lab, "reactor")
    assert find(lab, "reacter") == []


def test_srch_05_spaces_and_unknown_terms_do_no_harm(lab: Lab) -> None:
    """SRCH-5: leading, trailing and repeated spaces are ignored, so is a term that nobody has written."""
    add(lab, "big reactor")
    assert find(lab, "   big    reactor  ") == find(lab, "zeppelin reactor") == ["big reactor"]


def test_srch_06_of_equals_the_newest_comes_first(lab: Lab) -> None:
    """SRCH-6: documents with the same score are in descending order of creation."""
    for topic in ("1", "2", "3"):
        add(lab, "same text", topic=topic)
    assert lab.read('return [note.topic for note in ctx.db.search(Note.search_text, "text")]') == ["3", "2", "1"]


def test_srch_07_repetition_and_brevity_raise_the_score(lab: Lab) -> None:
    """SRCH-7: four, three, two, one times the word come in that order; of equals in that, the shorter first."""
    add(lab, "a b c d", "a a c d", "a a a d", "a a a a")
    assert find(lab, "a ") == ["a a a a", "a a a d", "a a c d", "a b c d"]
    add(lab, "rare and then many more words", "rare word")
    assert find(lab, "rare") == ["rare word", "rare and then many more words"]


def test_srch_09_mutations_search_what_they_wrote(lab: Lab) -> None:
    """SRCH-9: a search in a mutation sees the inserts, changes and deletes before it, and an undone write no more."""
    add(lab, "old words")
    body = """
        found = lambda: sorted(note.text for note in ctx.db.search(Note.search_text, "words"))
        seen = [found()]
        id = ctx.db.insert(Note(text="new words"))
        seen.append(found())
        ctx.db.patch(id, text="other things")
        seen.append(found())
        ctx.db.patch(id, text="words again")
        seen.append(found())
        ctx.db.delete(id)
        seen.append(found())
        return seen
    """
    assert lab.write(body) == [
        ["old words"],
        ["new words", "old words"],
        ["old words"],
        ["old words", "words again"],
        ["old words"],
    ]
    assert lab.refuse('ctx.db.insert(Note(text="lost words"))\nraise ValueError("no")')
    assert find(lab, "words") == ["old words"]


def test_srch_10_filters_are_equalities_and_all_hold(lab: Lab) -> None:
    """SRCH-10: several filters are all true of what is found; where none is, there is nothing."""
    add(lab, "word one", topic="a", author="ann")
    add(lab, "word two", topic="a", author="bob")
    add(lab, "word three", topic="b", author="bob")
    assert find(lab, "word", 'topic="a"') == ["word two", "word one"]
    assert find(lab, "word", 'topic="a", author="bob"') == ["word two"]
    assert find(lab, "word", 'topic="c"') == []
    assert find(lab, "word", 'author=any_of("bob", "cid")') == ["word three", "word two"]


def test_srch_11_absent_and_null_are_two_things(lab: Lab) -> None:
    """SRCH-11: UNSET finds documents without the field, None those where it is null."""
    add(lab, "word absent")
    add(lab, "word null", topic=None)
    add(lab, "word a", topic="a")
    assert find(lab, "word", "topic=UNSET") == ["word absent"]
    assert find(lab, "word", "topic=None") == ["word null"]


def test_srch_12_filters_on_a_nested_path(lab: Lab) -> None:
    """SRCH-12: a dot in a field's path is an underscore in the keyword; a missing object counts as absent."""
    lab.write('ctx.db.insert(Note(text="word here", place=Place(room="attic")))')
    add(lab, "word nowhere")
    assert find(lab, "word", 'place_room="attic"') == ["word here"]
    assert find(lab, "word", "place_room=UNSET") == ["word nowhere"]


def test_srch_13_the_17th_term_is_ignored(lab: Lab) -> None:
    """SRCH-13: sixteen terms are looked for, each to its 32nd character; what is beyond is no error."""
    add(lab, "seventeenth", "w15", "x" * 40)
    many = " ".join(f"w{number}" for number in range(16))
    assert find(lab, f"{many} seventeenth") == ["w15"]
    assert find(lab, "x" * 32 + "yyy ") == ["x" * 40]


def test_srch_13_at_most_eight_filters(lab: Lab) -> None:
    """SRCH-13: nine conditions are too many, and the message says how many there are; eight are not."""
    values = [f"t{number}" for number in range(9)]
    assert find(lab, "word", f"topic=any_of(*{values[:8]})") == []
    message = lab.refuse(f'ctx.db.search(Note.search_text, "word", topic=any_of(*{values}))', "read")
    assert "Search query against Note.search_text has too many filter conditions. Max: 8 Actual: 9" in message


def test_srch_14_without_a_text_there_is_no_search(lab: Lab) -> None:
    """SRCH-14: what is no text is refused, and the message says how to search."""
    message = lab.refuse("ctx.db.search(Note.search_text, None)", "read")
    assert "does not contain any search filters. You must include a search filter like" in message


def test_srch_15_a_filter_has_to_be_declared(lab: Lab) -> None:
    """SRCH-15: a filter on another field is refused, and so is a value that the field cannot have."""
    message = lab.refuse('ctx.db.search(Note.search_text, "word", seen=True)', "read")
    assert "contains an equality filter on 'seen' but that field isn't indexed for filtering in `filter`" in message
    message = lab.refuse('ctx.db.search(Note.search_text, "word", author=7)', "read")
    assert "'author' is compared with int 7, but holds" in message


def test_srch_16_a_search_looks_at_1024_documents(lab: Lab) -> None:
    """SRCH-16: the 1,025th document is refused, with advice; fewer may be taken, counted and paged through."""
    lab.write('for number in range(1024): ctx.db.insert(Note(text="many"))')
    assert lab.read('return len(ctx.db.search(Note.search_text, "many").collect())') == 1024
    add(lab, "many")
    message = lab.refuse('ctx.db.search(Note.search_text, "many").collect()', "read")
    assert "Search query scanned too many documents (fetched 1024). Use a smaller limit, paginate the query" in message
    assert lab.refuse('ctx.db.search(Note.search_text, "many").filter(lambda note: note.seen).first()', "read")
    assert lab.read('return len(ctx.db.search(Note.search_text, "many").take(1024))') == 1024
    assert lab.read('return ctx.db.search(Note.search_text, "many").count()') == 1025
    assert [len(page["page"]) for page in pages(lab, "many", 500)] == [500, 500, 25]


def test_srch_17_all_ways_of_taking_rows_work(lab: Lab) -> None:
    """SRCH-17: take, first, collect, unique, count, filter and iteration."""
    add(lab, "word word", "word and more", "another")
    read = lab.read
    search = 'ctx.db.search(Note.search_text, "word")'
    assert read(f"return [note.text for note in {search}.take(1)]") == ["word word"]
    assert read(f"return {search}.take(0)") == []
    assert read(f"return {search}.first().text") == "word word"
    assert read(f"return [note.text for note in {search}.collect()]") == ["word word", "word and more"]
    assert read(f"return {search}.count()") == 2
    more = f'{search}.filter(lambda note: "more" in note.text)'
    assert read(f"return {more}.unique().text") == "word and more"
    assert read(f"return [note.text for note in {more}.take(5)]") == ["word and more"]
    assert read(f"return {more}.count()") == 1
    assert "unique() query returned more than one result" in lab.refuse(f"{search}.unique()", "read")


def pages(lab: Lab, text: str, size: int) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while not found or not found[-1]["isDone"]:
        options = {"numItems": float(size), "cursor": cursor}
        found.append(lab.deployment.query("pages:found", text=text, paginationOpts=options))
        cursor = found[-1]["continueCursor"]
    return found


def test_srch_17_pag_23_pages_of_a_search(lab: Lab) -> None:
    """SRCH-17, PAG-23: pages follow each other by rank, without gaps; a last page that is full is not done."""
    add(lab, "word", "word word", "word word word", "word b", "word c d")
    whole = find(lab, "word")
    found = pages(lab, "word", 2)
    assert [note["text"] for page in found for note in page["page"]] == whole
    assert [len(page["page"]) for page in found] == [2, 2, 1]
    found = pages(lab, "word", 5)
    assert [(len(page["page"]), page["isDone"]) for page in found] == [(5, False), (0, True)]


def test_qry_04_a_search_has_its_own_order(lab: Lab) -> None:
    """QRY-4: ordering a search is refused with the client's words."""
    message = lab.refuse('ctx.db.search(Note.search_text, "word").order("desc")', "read")
    assert "Search queries must always be in relevance order. Can not set order manually." in message


SEARCHED = "Note.search_text, 'self hos'"


@pytest.mark.parametrize(
    ("write", "disturbed"),
    [
        ('ctx.db.insert(Note(text="my self"))', True),
        ('ctx.db.insert(Note(text="good hosting"))', True),
        ('ctx.db.insert(Note(text="selfish horse"))', False),
        ('ctx.db.insert(Note(text="nothing of it"))', False),
        ('ctx.db.insert(Note(author="self"))', False),
        ("ctx.db.patch(ctx.db.query(Note).first(), seen=True)", True),
        ('ctx.db.patch(ctx.db.query(Note).order("desc").first(), seen=True)', False),
        ('ctx.db.patch(ctx.db.query(Note).order("desc").first(), text="hosts")', True),
        ("ctx.db.delete(ctx.db.query(Note).first())", True),
    ],
)
def test_srch_18_a_search_hears_of_its_terms_only(lab: Lab, write: str, disturbed: bool) -> None:
    """SRCH-18: a document with a whole term, or with the last one's prefix, re-runs the search; no other does."""
    add(lab, "self hosted", "something else")
    assert is_disturbed(lab, SEARCHED, write) is disturbed


@pytest.mark.parametrize(("author", "disturbed"), [("ann", True), ("bob", False)])
def test_srch_18_a_filtered_search_hears_of_what_passes_the_filter(lab: Lab, author: str, disturbed: bool) -> None:
    """SRCH-18: within one author's notes, nobody hears of the same word in another's."""
    write = f'ctx.db.insert(Note(text="hosting", author="{author}"))'
    assert is_disturbed(lab, f'{SEARCHED}, author="ann"', write) is disturbed


def test_srch_18_a_very_long_text_is_told_as_one(lab: Lab) -> None:
    """SRCH-18: a text with thousands of different words wakes every search of the index, with a short commit record."""
    write = 'ctx.db.insert(Note(text=" ".join(f"w{number}" for number in range(5000))))'
    assert is_disturbed(lab, SEARCHED, write)
    assert lab.deployment.last_commit is not None
    assert len(lab.deployment.last_commit.keys) < 10
    assert len(find(lab, "w4711")) == 1


def test_srch_20_an_empty_question_finds_nothing(lab: Lab) -> None:
    """SRCH-20: no text, or none that has a term, is no error and finds nothing."""
    add(lab, "word")
    assert find(lab, "") == find(lab, "  ") == find(lab, "?!") == []
    assert lab.read('return ctx.db.search(Note.search_text, "").count()') == 0
    assert pages(lab, "", 3)[0]["page"] == []


def test_srch_21_existing_documents_are_found(deployment: Callable[..., Deployment], lab: Lab) -> None:
    """SRCH-21, IDX-17: an index that is added later covers the documents from before."""
    add(lab, "written before", topic="a")
    store = lab.deployment.store
    app = lab.deployment.app
    specs = [info.spec for info in app.tables.values()]
    without = [replace(spec, search_indexes=()) for spec in specs]
    store.prepare(without, lab.deployment._examine)  # noqa: SLF001
    layout = store.prepare(specs, lab.deployment._examine)  # noqa: SLF001
    app.adopt(layout)
    assert find(lab, "before", 'topic="a"') == ["written before"]


def test_srch_22_what_is_gone_is_not_found(lab: Lab) -> None:
    """SRCH-22: a document that was deleted, changed or lost its text leaves the results at once."""
    add(lab, "word one", "word two", "word three")
    lab.write('ctx.db.delete(ctx.db.search(Note.search_text, "one").first())')
    lab.write('ctx.db.patch(ctx.db.search(Note.search_text, "two").first(), text="other")')
    lab.write('ctx.db.patch(ctx.db.search(Note.search_text, "three").first(), text=UNSET)')
    assert find(lab, "word") == []
    assert find(lab, "other") == ["other"]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Die Straße", "STRASSE"),
        ("cafe\u0301 au lait", "café"),
        ("Привет, мир", "привет"),
        ("हिन्दी में लिखा", "हिन्दी"),
        ("東京都に住む", "京都"),
        ("한국어 검색", "한국"),
        ("ＷＩＤＥ text", "wide"),
        ("naïve 42nd", "42nd"),
    ],
)
def test_words_of_every_script_are_found(lab: Lab, text: str, question: str) -> None:
    """Any script can be searched, however its characters are composed; Chinese and Japanese inside of a run, too."""
    add(lab, text, "something else")
    assert find(lab, question) == [text]


def test_accents_count(lab: Lab) -> None:
    """A word without its accents is another word."""
    add(lab, "café")
    assert find(lab, "cafe") == []


def test_a_question_is_never_an_expression(lab: Lab) -> None:
    """Whatever stands in a question, also what SQLite would take for syntax, is text."""
    add(lab, "near and or not")
    for question in (
        '"near',
        "near AND",
        "NOT near",
        "text:near",
        "near*",
        "near'; DROP TABLE notes; --",
        "^near",
        "{",
    ):
        assert find(lab, question) == ([] if question == "{" else ["near and or not"]), question


def test_limits_are_declared(deployment: Callable[..., Deployment]) -> None:
    """SRCH-13, SRCH-16: `[limits]` says how many terms, filters and documents a search may have."""
    limits = Limits(search_terms=2, search_filters=1, search_results=3)
    lab = Lab(deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS, "pages.py": PAGES}, limits=limits))
    add(lab, "one", "two", "three", "one two", topic="a")
    assert find(lab, "one two three", 'topic="a"') == ["one two", "two", "one"]
    message = lab.refuse('ctx.db.search(Note.search_text, "one", topic="a", author="ann")', "read")
    assert "too many filter conditions. Max: 1 Actual: 2. Use fewer, or raise limits.search_filters" in message
    message = lab.refuse('ctx.db.search(Note.search_text, "one t").collect()', "read")
    assert "(fetched 3)" in message
    assert "raise limits.search_results in joelclaw.toml" in message
    found = pages(lab, "one t", 10)
    assert [len(page["page"]) for page in found] == [3, 1]
    assert found[0]["pageStatus"] == "SplitRequired"
