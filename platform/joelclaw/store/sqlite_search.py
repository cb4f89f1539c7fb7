"""
Search indexes in a SQLite file: three relations for each.

    comments.searchBody          a row for each document with terms: how many, when created, filter fields
    comments.searchBody.words    FTS5, which keeps the terms and no text
    comments.searchBody.terms    the same terms as rows, for counting them (fts5vocab)

FTS5 stores terms compactly and writes them in batches: measured on 20,000 texts of 80 words, 93
microseconds and 7 KB of log a text, where a table of (term, row, count) takes 1,013 and 168. It
gets exactly our terms: its tokenizer `ascii` divides at blanks and leaves everything else alone.

The ranking is BM25 and our own, for FTS5's counts documents that a search has not looked at. Here
the collection is what matches the search, filters included: how rare a term is and how long a
text usually is are taken from there. So a result depends on nothing but documents that it tells of, and
changes only when one of these does; and nobody learns from a score what others have written.

A score is the share of what the terms together count for, in billionths. As a share it stays much the
same while documents come and go, and as a whole number it is equal where it should be: so a cursor
can hold one. Of two documents with the same score the newer comes first, and of two that an import made
at one moment the one that came later.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any, Final

from joelclaw.errors import StoreUnreadable
from joelclaw.schema.finding import Conditions
from joelclaw.schema.layout import SearchEntry
from joelclaw.store.protocol import Match, Rank
from joelclaw.store.sqlite_driver import Driver
from joelclaw.store.sqlite_statements import quoted, quoted_text
from joelclaw.values.terms import Question

_SATURATION: Final = 1.2
_LENGTH_SHARE: Final = 0.75
"""BM25's k1 and b: how soon a repeated term stops to count, and how much a long text is held against it."""

_BILLION: Final = 1_000_000_000
_AFTER_EVERY_CHARACTER: Final = "\U0010ffff"
_MARK: Final = "joelclaw_mark"
_RARITY: Final = "joelclaw_rarity"
"""SQLite has logarithms only if somebody asked for them when it was built."""


class SearchTables:
    """The relations of one search index."""

    def __init__(self, relation: str, documents: str, filters: int) -> None:
        self._relation = relation
        self._documents = documents
        self._filters = filters
        name, words = quoted(relation), quoted(f"{relation}.words")
        columns = "".join(f", f{number}" for number in range(filters))
        self._insert = f"INSERT INTO {name} (row, length, created{columns}) VALUES (?, ?, ?{', ?' * filters})"
        self._insert_words = f"INSERT INTO {words} (rowid, text) VALUES (?, ?)"
        self._delete = f"DELETE FROM {name} WHERE row = ?"
        # FTS5 keeps no text, so it has to be told what it forgets.
        self._delete_words = f"INSERT INTO {words} ({words}, rowid, text) VALUES ('delete', ?, ?)"
        self._find = f"SELECT length, created{columns} FROM {name} WHERE row = ?"

    def create(self, driver: Driver) -> None:
        """
        Raises:
            StoreUnreadable: This SQLite has no FTS5.
        """
        if not driver.rows("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'"):
            raise StoreUnreadable(
                driver.path,
                "needs SQLite with FTS5 for its search indexes, and this Python's has none; "
                "use another build of Python, or leave search_index out of the schema",
            )
        columns = "".join(f", f{number} BLOB NOT NULL" for number in range(self._filters))
        words, terms = f"{self._relation}.words", f"{self._relation}.terms"
        driver.change(
            f"""
            CREATE TABLE {quoted(self._relation)} (
                row INTEGER PRIMARY KEY, length INTEGER NOT NULL, created REAL NOT NULL{columns}
            )
            """
        )
        driver.change(
            f"CREATE VIRTUAL TABLE {quoted(words)} USING fts5(text, content='', columnsize=0, tokenize='ascii')"
        )
        driver.change(f"CREATE VIRTUAL TABLE {quoted(terms)} USING fts5vocab({quoted_text(words)}, 'instance')")

    def drop(self, driver: Driver) -> None:
        for name in (f"{self._relation}.terms", f"{self._relation}.words", self._relation):
            driver.change(f"DROP TABLE {quoted(name)}")

    def add(self, driver: Driver, row: int, entry: SearchEntry) -> None:
        length = sum(count for _, count in entry.terms)
        driver.change(self._insert, (row, length, entry.created_at, *entry.filters))
        driver.change(self._insert_words, (row, _text(entry.terms)))

    def remove(self, driver: Driver, row: int, entry: SearchEntry) -> None:
        driver.change(self._delete, (row,))
        driver.change(self._delete_words, (row, _text(entry.terms)))

    def find(self, driver: Driver, row: int) -> list[tuple[Any, ...]]:
        """What is kept of a document beside its terms, or nothing: length, creation time, keys of the filter fields."""
        return driver.rows(self._find, (row,))

    def sum_of_marks(self, driver: Driver, mark: Callable[[str, int], int]) -> int:
        """The sum of what is made of each term's row, for each time that it occurs there."""
        driver.define(_MARK, 2, mark)
        [(total,)] = driver.rows(
            f"SELECT coalesce(sum({_MARK}(term, doc)), 0) FROM {quoted(f'{self._relation}.terms')}"
        )
        return int(total)

    def check(self, driver: Driver) -> None:
        """
        Have FTS5 look at its own structures.

        Raises:
            StoreFailed: They are damaged.
        """
        words = quoted(f"{self._relation}.words")
        driver.change(f"INSERT INTO {words} ({words}) VALUES ('integrity-check')")

    def search(
        self,
        driver: Driver,
        question: Question,
        conditions: Conditions,
        after: Rank | None,
        up_to: Rank | None,
        limit: int,
    ) -> list[Match]:
        """See `Snapshot.search`."""
        parameters = _parameters(question, conditions)
        if parameters is None:
            return []
        for place in (after, up_to):
            if place is not None:
                parameters += place
        driver.define(_RARITY, 2, _rarity)
        sql = _ranking(
            self._relation, self._documents, _shape(question, conditions), after is not None, up_to is not None
        )
        rows = driver.rows(sql, (*parameters, limit))
        return [Match(id.decode(), Rank(score, created_at, row)) for id, score, created_at, row in rows]

    def count(self, driver: Driver, question: Question, conditions: Conditions) -> int:
        """See `Snapshot.count_matches`."""
        parameters = _parameters(question, conditions)
        if parameters is None:
            return 0
        [(number,)] = driver.rows(_counting(self._relation, _shape(question, conditions)), parameters)
        return int(number)


def _text(terms: Iterable[tuple[str, int]]) -> str:
    return " ".join(chain.from_iterable(repeat(term, count) for term, count in terms))


def _rarity(documents: int, with_term: int) -> float:
    """What a term counts for: the inverse document frequency of BM25, in the form that is never negative."""
    return math.log(1 + (documents - with_term + 0.5) / (with_term + 0.5))


def _parameters(question: Question, conditions: Conditions) -> tuple[Any, ...] | None:
    """What the statements below take first; None if nothing can match."""
    if not question.words and question.prefix is None:
        return None
    prefix = () if question.prefix is None else (question.prefix, question.prefix + _AFTER_EVERY_CHARACTER)
    return (*question.words, *prefix, *(key for group in conditions.groups for _, key in group))


_Shape = tuple[int, bool, tuple[tuple[int, ...], ...]]
"""What of a search its statement depends on: words, is there a prefix, fields of each group of conditions."""


def _shape(question: Question, conditions: Conditions) -> _Shape:
    groups = tuple(tuple(number for number, _ in group) for group in conditions.groups)
    return len(question.words), question.prefix is not None, groups


def conditions_sql(groups: Sequence[Sequence[int]], table: str) -> str:
    """Conditions on filter columns, to follow a WHERE clause; takes the keys, group by group."""
    return "".join(f" AND ({' OR '.join(f'{table}.f{number} = ?' for number in group) or 'FALSE'})" for group in groups)


def _matching(relation: str, shape: _Shape) -> str:
    """Rows (row, term, times, length, created): which documents match, with which terms, and how often."""
    words, has_prefix, groups = shape
    terms = quoted(f"{relation}.terms")
    occurrences = [
        f"SELECT doc AS row, {number} AS term, count(*) AS times FROM {terms} WHERE term {bound} GROUP BY doc"
        for number, bound in enumerate(["= ?"] * words + [">= ? AND term < ?"] * has_prefix)
    ]
    return f"""
        SELECT o.row, o.term, o.times, d.length, d.created
        FROM ({" UNION ALL ".join(occurrences)}) AS o CROSS JOIN {quoted(relation)} AS d ON d.row = o.row
        WHERE TRUE{conditions_sql(groups, "d")}
    """


@lru_cache(maxsize=512)
def _counting(relation: str, shape: _Shape) -> str:
    return f"SELECT count(DISTINCT row) FROM ({_matching(relation, shape)})"


@lru_cache(maxsize=512)
def _ranking(relation: str, documents: str, shape: _Shape, has_start: bool, has_end: bool) -> str:
    within = " AND (score, created, row) < (?, ?, ?)" * has_start + " AND (score, created, row) >= (?, ?, ?)" * has_end
    k1, b = _SATURATION, _LENGTH_SHARE
    return f"""
        WITH matching AS MATERIALIZED ({_matching(relation, shape)}),
        collection AS MATERIALIZED (
            SELECT count(*) AS documents, avg(length) AS length FROM (SELECT length FROM matching GROUP BY row)
        ),
        weights AS MATERIALIZED (
            SELECT term, {_RARITY}((SELECT documents FROM collection), count(*)) AS weight FROM matching GROUP BY term
        ),
        ranked AS MATERIALIZED (
            SELECT m.row, m.created, CAST({_BILLION} * sum(
                w.weight * m.times * {k1 + 1} / (m.times + {k1} * ({1 - b} + {b} * m.length / c.length))
            ) / (SELECT sum(weight) FROM weights) AS INTEGER) AS score
            FROM collection AS c CROSS JOIN matching AS m CROSS JOIN weights AS w ON w.term = m.term
            GROUP BY m.row
        )
        SELECT d._id, r.score, r.created, r.row
        FROM (
            SELECT * FROM ranked WHERE TRUE{within} ORDER BY score DESC, created DESC, row DESC LIMIT ?
        ) AS r CROSS JOIN {quoted(documents)} AS d ON d.row = r.row
        ORDER BY r.score DESC, r.created DESC, r.row DESC
    """
