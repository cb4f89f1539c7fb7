"""
Bounds: which part of an index a query walks, as bytes.

Leading fields may be fixed to a value each; the next one may be bounded. What that selects is
one range of keys, because a key begins with its fields' keys. A value ends where its key ends,
but the text "a" followed by a zero byte continues the bytes of "a": so the range of keys that
begin with a *value* ends at `values.keys.end_of`, not where the prefix does.

Absent is the smallest value: `lt` and `lte` begin with it, `gt(UNSET)` leaves it out.
"""

from typing import Any

import msgspec
from msgspec import UNSET

from joelclaw.schema.layout import IndexLayout
from joelclaw.values.keys import end_of


class Bound(msgspec.Struct, frozen=True):
    """Where a range of one field begins and ends; made by `gt`, `gte`, `lt`, `lte` and `between`."""

    lower: Any = UNSET
    upper: Any = UNSET
    has_lower: bool = False
    has_upper: bool = False
    lower_included: bool = True
    upper_included: bool = True


def gt(value: object, /) -> Bound:
    """Everything greater than the value; `gt(UNSET)` is everything present."""
    return Bound(lower=value, has_lower=True, lower_included=False)


def gte(value: object, /) -> Bound:
    """The value and everything greater."""
    return Bound(lower=value, has_lower=True)


def lt(value: object, /) -> Bound:
    """Everything less than the value, absent and null included."""
    return Bound(upper=value, has_upper=True, upper_included=False)


def lte(value: object, /) -> Bound:
    """The value and everything less, absent and null included."""
    return Bound(upper=value, has_upper=True)


def between(low: object, high: object, /) -> Bound:
    """Both values and everything between them."""
    return Bound(lower=low, upper=high, has_lower=True, has_upper=True)


class Bounds(msgspec.Struct, frozen=True):
    """A range of an index: keys in `[start, end)`, all of which begin with `prefix`. `end` None: to its end."""

    index: IndexLayout
    prefix: bytes
    """The fixed fields' keys."""

    start: bytes
    end: bytes | None


def bounds_of(index: IndexLayout, prefix: bytes, lower: bytes | None = None, upper: bytes | None = None) -> Bounds:
    """Keys that begin with the values of `prefix`, and then lie in `[lower, upper)`, both relative to it."""
    start = prefix if lower is None else prefix + lower
    end = end_of(prefix) if upper is None else prefix + upper
    # Bounds that contradict each other select nothing; a store need not hear of it.
    return Bounds(index, prefix, start, end if end is None else max(start, end))
