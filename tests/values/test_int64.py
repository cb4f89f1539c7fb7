"""`joelclaw.values.int64`: an integer that stays what it is."""

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.errors import BadValue, Int64Overflow
from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64


@pytest.mark.parametrize(
    "result",
    [
        Int64(5) + 1,
        1 + Int64(5),
        Int64(5) - 1,
        9 - Int64(5),
        Int64(5) * 2,
        2 * Int64(5),
        -Int64(5),
        +Int64(5),
        abs(Int64(-5)),
        Int64(7) // 2,
        7 // Int64(2),
        Int64(7) % 4,
        7 % Int64(4),
        Int64(5) + Int64(1),
        Int64(5) + True,
    ],
)
def test_arithmetic_with_ints_stays_an_int64(result: int) -> None:
    """Whole-number arithmetic does not turn a bigint into a number."""
    assert type(result) is Int64


def test_arithmetic_with_floats_is_pythons_own() -> None:
    """With a float, the result is the float that Python computes."""
    assert (Int64(5) + 0.5, 0.5 - Int64(5), Int64(5) * 0.5, Int64(5) / 2) == (5.5, -4.5, 2.5, 2.5)


@given(st.integers(INT64_MIN, INT64_MAX), st.integers(INT64_MIN, INT64_MAX))
def test_arithmetic_agrees_with_int_or_overflows(a: int, b: int) -> None:
    """Sums, differences and products are those of `int` while they fit, and refused when they do not."""
    results: list[tuple[int, Callable[[], Int64]]] = [
        (a + b, lambda: Int64(a) + b),
        (a - b, lambda: Int64(a) - b),
        (a * b, lambda: Int64(a) * b),
    ]
    for expected, compute in results:
        if INT64_MIN <= expected <= INT64_MAX:
            assert compute() == expected
        else:
            with pytest.raises(Int64Overflow):
                compute()


@pytest.mark.parametrize("value", [INT64_MAX + 1, INT64_MIN - 1, 10**4000])
def test_refuses_more_than_64_bits(value: int) -> None:
    """A number outside 64 bits is refused by name, as a bad value and as an overflow."""
    with pytest.raises(Int64Overflow, match="does not fit into a signed 64-bit integer") as caught:
        Int64(value)

    assert caught.value.value == value
    assert isinstance(caught.value, BadValue)
    assert isinstance(caught.value, OverflowError)
    assert len(str(caught.value)) < 200


def test_negating_the_smallest_overflows() -> None:
    """There is no positive twin of the smallest int64."""
    with pytest.raises(Int64Overflow):
        -Int64(INT64_MIN)


def test_refuses_fractions() -> None:
    """A float is no integer, whole or not: the caller says how to round."""
    with pytest.raises(TypeError):
        Int64(5.0)  # type: ignore[arg-type]


def test_is_an_int_to_everyone_else() -> None:
    """It hashes, compares, formats and parses like the int it is."""
    assert {5: "five"}[Int64(5)] == "five"
    assert Int64(5) == 5 == Int64("5")
    assert f"{Int64(5)} {Int64(5):03d} {Int64(5)!s}" == "5 005 5"
    assert [10, 20][Int64(1)] == 20


def test_tells_what_it_is_and_survives_pickling() -> None:
    """Its repr is its constructor, and a copy in another process is still an Int64."""
    assert repr(Int64(-5)) == "Int64(-5)"
    copy = pickle.loads(pickle.dumps(Int64(INT64_MIN)))
    assert type(copy) is Int64
    assert copy == INT64_MIN
