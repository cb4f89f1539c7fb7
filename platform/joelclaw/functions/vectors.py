"""
Vector search, as functions see it: the nearest documents of a vector index.

A query or mutation searches on its own snapshot, and is run again when a vector that it could have
found is written. An action asks for the same in a query of its own.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from joelclaw.errors import Misuse
from joelclaw.functions.run import Run
from joelclaw.functions.search import note_readings
from joelclaw.limits import Limits, setting
from joelclaw.schema.finding import Conditions, VectorFinder, readings_of_vectors, unit_vector
from joelclaw.schema.marks import Id
from joelclaw.schema.search import AnyOf
from joelclaw.schema.tables import Table

if TYPE_CHECKING:
    from joelclaw.functions.app import OpenTable

D = TypeVar("D", bound=Table)

DEFAULT_LIMIT: Final = 10
_ARITHMETIC: Final = "joelclaw.store.nearest"


class Hit(NamedTuple, Generic[D]):
    """A document that a vector search has found."""

    id: Id[D]
    score: float
    """The cosine of the angle: 1 for the same direction, 0 for a right angle, -1 for the opposite."""


class Lookup(NamedTuple):
    """A vector search, checked and ready."""

    vector: bytes
    conditions: Conditions
    limit: int


def lookup_of(
    finder: VectorFinder,
    vector: Sequence[float],
    either: AnyOf | None,
    limit: int | None,
    equal: Mapping[str, object],
    limits: Limits,
) -> Lookup:
    """
    What a search is to find.

    Raises:
        Misuse: The vector has not the index's dimensions, the limit is out of bounds, or a filter is not one of the
            index.
    """
    numbers = [] if isinstance(vector, (str, bytes)) else list(vector)
    if not numbers:
        raise Misuse(f"`vector` must be a non-empty Array: {finder.subject} is searched with a list of numbers")
    if not all(isinstance(number, (int, float)) for number in numbers):
        raise Misuse(f"`vector` has something in it that is no number: {finder.subject} is searched with list[float]")
    problem = finder.problem(numbers)
    if problem is not None:
        raise Misuse(f"{finder.subject}: {problem}")
    if limit is None:
        limit = min(DEFAULT_LIMIT, limits.vector_results)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= limits.vector_results:
        raise Misuse(
            f"`limit` must be a whole number from 1 to {limits.vector_results}, not {limit!r:.40}; "
            f"for more, {setting('vector_results')}"
        )
    if either is not None and not isinstance(either, AnyOf):
        raise Misuse(f"{finder.subject}: the third argument is any_of(field=..., other=...), not {either!r:.80}")
    return Lookup(unit_vector(numbers), finder.conditions(equal, either, limits.vector_filters), limit)


def look_up(run: Run, table: "OpenTable", index: str, lookup: Lookup) -> list[Hit[Any]]:
    """Search on the snapshot of a run; the index by its name in Python."""
    layout = table.info.finder_layout(index, table.layout)
    note_readings(run, layout, readings_of_vectors(lookup.conditions))
    _load_arithmetic(run)
    found = run.snapshot.nearest(layout, lookup.vector, lookup.conditions, limit=lookup.limit)
    return [Hit(id, score) for id, score in found]  # type: ignore[arg-type]  # An id is text at run time.


def _load_arithmetic(run: Run) -> None:
    """Load NumPy on nobody's time: an import that is interrupted in the middle leaves half a module behind."""
    if _ARITHMETIC not in sys.modules:
        run.hooks.disarm()
        try:
            __import__(_ARITHMETIC)
        finally:
            run.hooks.arm()
