"""
Finding by content: what a document is in a search index or a vector index, and who must hear of it.

A document's *entry* holds what the store needs to find it: its terms with their counts, or its
vector, and the keys of its filter fields. Entries stand among a document's index keys and are
written and removed with them.

A commit tells of an entry in *keys* like those of any other index, so that whoever keeps live
results knows nothing of texts and vectors:

    scope                 all documents of a vector index, or those with one value of one filter field
    scope term 00         those of a search index with this term

and a search reads ranges of such keys: one per whole word, and from the prefix to its end for
what is still being typed. Each term is told once for all documents and once for every filter field,
so a search within one article does not hear of comments on the others. A text with very many terms
is told with one key that every search of the index has read.

An entry that is replaced by an equal one is not told: a change to another field of a document
does not move it in any result. Whoever shows the document has read it by its id.
"""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias

from joelclaw.errors import DocumentRefused, Misuse
from joelclaw.limits import setting
from joelclaw.schema.keys import FieldPlan, could_be, defaults_text
from joelclaw.schema.kinds import Kind, ListKind, NullKind, NumberKind, StringKind, UnionKind
from joelclaw.schema.layout import IndexKey, SearchEntry, VectorEntry
from joelclaw.schema.search import AnyOf
from joelclaw.schema.specs import SearchIndexSpec, VectorIndexSpec
from joelclaw.schema.text import did_you_mean, validator_text
from joelclaw.values.keys import after
from joelclaw.values.terms import Question, count_terms

TOLD_KEYS_MAX: Final = 4_096
"""Keys that a commit tells of one text; of one with more terms, it tells that there was one."""

_EVERYTHING: Final = b"\0"
_LONG_TEXTS: Final = b"\xff"
_END_OF_TERM: Final = b"\0"


_index_key: Callable[[tuple[int, bytes, tuple[int, int]]], IndexKey] = partial(tuple.__new__, IndexKey)
"""A text has hundreds of them; the class's own constructor is Python, and takes three times as long."""


class Reading(NamedTuple):
    """Keys that a search has looked at: all with this prefix, or those of them in `[start, end)`."""

    prefix: bytes
    start: bytes | None = None
    end: bytes | None = None


class Conditions(NamedTuple):
    """What filter fields have to be: of each group, one (number of the field, key) holds."""

    groups: tuple[tuple[tuple[int, bytes], ...], ...] = ()

    def scopes(self) -> list[bytes]:
        """The narrowest scopes, taken together, that hold all documents for which the conditions are true."""
        if not self.groups:
            return [_EVERYTHING]
        return [_scope(field, key) for field, key in min(self.groups, key=len)]


class Finder:
    """What search and vector indexes have in common: one field that they are about, and filter fields."""

    conditions_limit: ClassVar[str]
    """The limit of a search's conditions, by its name in `Limits`."""

    def __init__(self, owner: str, python_name: str, name: str, field: FieldPlan, filters: Sequence[FieldPlan]) -> None:
        self.python_name = python_name
        self.name = name
        self.field = field
        self.filters = tuple(filters)
        self.subject = f"{owner}.{python_name}"
        self._numbers = {plan.keyword: number for number, plan in enumerate(self.filters)}

    def filter_keys(self, document: Any) -> tuple[bytes, ...]:
        return tuple([plan.document_key(plan.find(document)) for plan in self.filters])

    def conditions(self, equal: Mapping[str, object], either: AnyOf | None, maximum: int) -> Conditions:
        """
        The keywords of a search as conditions.

        Raises:
            Misuse: A field is unknown, its value of another type, or there are more than the maximum.
        """
        groups = [self._group(keyword, value) for keyword, value in equal.items()]
        if either is not None:
            if either.values or not either.named:
                raise Misuse(f"{self.subject}: here any_of takes fields by name: any_of(a=..., b=...)")
            groups.append(tuple(chain.from_iterable(self._group(*item) for item in either.named.items())))
        actual = sum(map(len, groups))
        if actual > maximum:
            raise Misuse(
                f"Search query against {self.subject} has too many filter conditions. Max: {maximum} Actual: {actual}. "
                f"Use fewer, or {setting(self.conditions_limit)}."
            )
        return Conditions(tuple(groups))

    def _group(self, keyword: str, value: object) -> tuple[tuple[int, bytes], ...]:
        number = self._numbers.get(keyword)
        if number is None:
            known = list(self._numbers)
            raise Misuse(
                f"Search query against {self.subject} contains an equality filter on {keyword!r} but that field "
                f"isn't indexed for filtering in `filter`; {did_you_mean(keyword, known) if known else 'it has none'}"
            )
        plan = self.filters[number]
        values = value.values if isinstance(value, AnyOf) else (value,)
        for one in values:
            if not could_be(plan.kind, one):
                raise Misuse(
                    f"{self.subject}: {plan.python_path!r} is compared with {type(one).__name__} {one!r:.80}, "
                    f"but holds {validator_text(plan.kind.validator)}"
                )
        return tuple((number, plan.key(one)) for one in values)

    def _filter_paths(self) -> tuple[str, ...]:
        return tuple(plan.wire_path for plan in self.filters)


class SearchFinder(Finder):
    """A search index, ready to make entries."""

    conditions_limit = "search_filters"

    _last: tuple[str, tuple[tuple[str, int], ...]] = ("", ())
    """A text and its terms. A document that is changed is read twice, before and after, mostly with the same text."""

    @property
    def spec(self) -> SearchIndexSpec:
        return SearchIndexSpec(
            name=self.name,
            python_name=self.python_name,
            search_field=self.field.wire_path,
            filter_fields=self._filter_paths(),
            defaults=defaults_text((self.field, *self.filters)),
        )

    def entry(self, document: Any, number: int) -> SearchEntry | None:
        text = self.field.find(document)
        terms = self._terms(text) if isinstance(text, str) else ()
        if not terms:
            return None
        return SearchEntry(number, document.creation_time, terms, self.filter_keys(document))

    def _terms(self, text: str) -> tuple[tuple[str, int], ...]:
        if text != self._last[0]:
            self._last = text, tuple(count_terms(text).items())
        return self._last[1]


class VectorFinder(Finder):
    """A vector index, ready to make entries."""

    conditions_limit = "vector_filters"

    def __init__(
        self,
        owner: str,
        python_name: str,
        name: str,
        field: FieldPlan,
        filters: Sequence[FieldPlan],
        dimensions: int,
    ) -> None:
        super().__init__(owner, python_name, name, field, filters)
        self.dimensions = dimensions

    @property
    def spec(self) -> VectorIndexSpec:
        return VectorIndexSpec(
            name=self.name,
            python_name=self.python_name,
            vector_field=self.field.wire_path,
            dimensions=self.dimensions,
            filter_fields=self._filter_paths(),
            defaults=defaults_text((self.field, *self.filters)),
        )

    def entry(self, document: Any, number: int) -> VectorEntry | None:
        """
        Raises:
            DocumentRefused: The vector has another number of dimensions, or no direction.
        """
        vector = self.field.find(document)
        if not isinstance(vector, (list, tuple)):
            return None
        problem = self.problem(vector)
        if problem is not None:
            shown = f"{len(vector)} numbers"
            table = type(document).__table__
            path = f".{self.field.wire_path}"
            raise DocumentRefused(table, path, f"{problem}.", shown, validator_text(self.field.kind.validator))
        return VectorEntry(number, unit_vector(vector), self.filter_keys(document))

    def problem(self, vector: Sequence[float]) -> str | None:
        """What keeps this vector from being compared with those of the index."""
        if len(vector) != self.dimensions:
            return f"Expected a vector with dimensions {self.dimensions}, received {len(vector)}"
        length = math.hypot(*vector)
        if length == 0 or not math.isfinite(length):
            what = "is all zeros" if length == 0 else "has numbers that are not finite"
            return f"The vector {what}, and so has no direction; leave the field out where there is no vector"
        return None


AnyFinder: TypeAlias = SearchFinder | VectorFinder


def unit_vector(vector: Sequence[float]) -> bytes:
    """The direction of a vector: scaled to the length 1, as little-endian 32-bit floats."""
    length = math.hypot(*vector)
    return struct.pack(f"<{len(vector)}f", *[x / length for x in vector])


# -- what a field may be


def is_text(kind: Kind) -> bool:
    """A field of this kind can be searched: it is text, or absent, or null."""
    return any(isinstance(member, StringKind) for member in _members(kind)) and all(
        isinstance(member, (StringKind, NullKind)) for member in _members(kind)
    )


def is_vector(kind: Kind) -> bool:
    """A field of this kind holds vectors: it is `list[float]`, or absent, or null."""
    lists = [member for member in _members(kind) if isinstance(member, ListKind)]
    return (
        len(lists) == 1
        and isinstance(lists[0].element, NumberKind)
        and not lists[0].element.whole
        and all(member in lists or isinstance(member, NullKind) for member in _members(kind))
    )


def _members(kind: Kind) -> tuple[Kind, ...]:
    return kind.members if isinstance(kind, UnionKind) else (kind,)


# -- what is told, and what is read


def told_keys(entry: SearchEntry | VectorEntry) -> list[IndexKey]:
    """The keys with which a commit tells of an entry."""
    scopes = [_EVERYTHING, *(_scope(number, key) for number, key in enumerate(entry.filters))]
    if isinstance(entry, VectorEntry):
        return [IndexKey(entry.index, scope, (len(scope),)) for scope in scopes]
    if len(scopes) * len(entry.terms) > TOLD_KEYS_MAX:
        return [IndexKey(entry.index, _LONG_TEXTS, (len(_LONG_TEXTS),))]
    endings = [term.encode() + _END_OF_TERM for term, _ in entry.terms]
    index = entry.index
    told = []
    for scope in scopes:
        length = len(scope)
        told += [_index_key((index, scope + ending, (length, length + len(ending)))) for ending in endings]
    return told


def readings_of_search(question: Question, conditions: Conditions) -> list[Reading]:
    """What a search has looked at, whatever it found."""
    readings = [Reading(_LONG_TEXTS)]
    for scope in conditions.scopes():
        readings += [Reading(scope + word.encode() + _END_OF_TERM) for word in question.words]
        if question.prefix is not None:
            start = scope + question.prefix.encode()
            readings.append(Reading(scope, start, after(start)))
    return readings


def readings_of_vectors(conditions: Conditions) -> list[Reading]:
    """What a vector search has looked at, whatever it found."""
    return [Reading(scope) for scope in conditions.scopes()]


def _scope(field: int, key: bytes) -> bytes:
    return bytes((field + 1,)) + key
