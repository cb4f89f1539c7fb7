"""
Int64: the integer type of the wire that is not a number.

Clients know two kinds of whole numbers: a `number` (float64) and a `bigint` (int64). They
are different values: 1 and 1n are different index keys, and JavaScript refuses to add them.
Python's `int` stands for a `number` that happens to be whole; an `Int64` is a bigint.

It is a class and not an annotation, so that a value knows what it is wherever it turns up
(inside `Any`, in a dict), and arithmetic stays in it, so that `counter + 1` is not suddenly
another type on the wire. What leaves it: true division, powers and bit operations, and
anything with a float.
"""

from operator import index
from typing import Self, SupportsIndex

from joelclaw.errors import Int64Overflow

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1


class Int64(int):
    """
    A signed 64-bit integer; hashes, compares and prints like the `int` it is.

    Raises:
        Int64Overflow: The number, or the result of an operation, needs more than 64 bits.
    """

    __slots__ = ()

    def __new__(cls, value: SupportsIndex | str = 0, /) -> Self:
        # `index` refuses floats: silently dropping a fraction is how counters go wrong.
        number = int(value) if isinstance(value, str) else index(value)
        if not INT64_MIN <= number <= INT64_MAX:
            raise Int64Overflow(number)
        return super().__new__(cls, number)

    def __repr__(self) -> str:
        return f"Int64({int.__repr__(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)

    # An operand that is no int answers NotImplemented in `int` itself, and has to go on doing so.

    def __add__(self, other: int, /) -> "Int64":
        return _kept(int.__add__(self, other))

    def __radd__(self, other: int, /) -> "Int64":
        return _kept(int.__radd__(self, other))

    def __sub__(self, other: int, /) -> "Int64":
        return _kept(int.__sub__(self, other))

    def __rsub__(self, other: int, /) -> "Int64":
        return _kept(int.__rsub__(self, other))

    def __mul__(self, other: int, /) -> "Int64":
        return _kept(int.__mul__(self, other))

    def __rmul__(self, other: int, /) -> "Int64":
        return _kept(int.__rmul__(self, other))

    def __floordiv__(self, other: int, /) -> "Int64":
        return _kept(int.__floordiv__(self, other))

    def __rfloordiv__(self, other: int, /) -> "Int64":
        return _kept(int.__rfloordiv__(self, other))

    def __mod__(self, other: int, /) -> "Int64":
        return _kept(int.__mod__(self, other))

    def __rmod__(self, other: int, /) -> "Int64":
        return _kept(int.__rmod__(self, other))

    def __neg__(self) -> "Int64":
        return Int64(int.__neg__(self))

    def __pos__(self) -> "Int64":
        return self

    def __abs__(self) -> "Int64":
        return Int64(int.__abs__(self))


def _kept(result: int) -> Int64:
    return NotImplemented if result is NotImplemented else Int64(result)
