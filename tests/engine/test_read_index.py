"""The read index: it finds what a walk over all ranges would find, and keeps nothing of what left."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.engine.read_index import BLOCK_RANGES_MAX, ReadIndex, WrittenKeys, distinct, disturbs
from joelclaw.functions.calls import Range
from joelclaw.store.protocol import IndexKey

FIELDS = st.sampled_from([b"a\0", b"b\0", b"ab\0", b"\0", b"\xfe\0"])


def written(index: int, *fields: bytes) -> IndexKey:
    """A key of these fields, with a border behind each."""
    key, borders = b"", [0]
    for field in fields:
        key += field
        borders.append(len(key))
    return IndexKey(index, key, tuple(borders))


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    index, prefix = draw(st.integers(1, 2)), b"".join(draw(st.lists(FIELDS, max_size=2)))
    if draw(st.booleans()):
        return Range(index=index, prefix=prefix)
    borders = st.lists(st.sampled_from(b"\0ab\xfe"), max_size=3).map(bytes)
    start, end = sorted([prefix + draw(borders), prefix + draw(borders)])
    return Range(
        index=index,
        prefix=prefix,
        start=draw(st.sampled_from([None, start])),
        end=draw(st.sampled_from([None, end])),
    )


KEYS = st.lists(FIELDS, min_size=1, max_size=4).flatmap(
    lambda fields: st.integers(1, 2).map(lambda index: written(index, *fields))
)


@given(st.lists(st.lists(ranges(), max_size=4), max_size=12), st.lists(KEYS, max_size=6), st.data())
def test_stab_agrees_with_a_walk(filed: list[list[Range]], keys: list[IndexKey], data: st.DataObject) -> None:
    """Whatever is filed and taken out, a commit finds exactly the holders whose ranges it disturbs."""
    index: ReadIndex[int] = ReadIndex()
    live = {holder: distinct(reads) for holder, reads in enumerate(filed)}
    for holder, reads in live.items():
        index.add(reads, holder)
    for holder in data.draw(st.lists(st.sampled_from(sorted(live)), unique=True) if live else st.just([])):
        index.remove(live.pop(holder), holder)
        assert set(index.stab(keys)) == {h for h, reads in live.items() if disturbed(keys, reads)}
    assert set(index.stab(keys)) == {h for h, reads in live.items() if disturbed(keys, reads)}


@given(st.lists(ranges(), max_size=4), st.lists(KEYS, max_size=6))
def test_written_keys_agree_with_a_walk(reads: list[Range], keys: list[IndexKey]) -> None:
    """A commit's keys, sorted for looking up, disturb what they disturb one by one."""
    assert WrittenKeys(keys).disturb(reads) == disturbed(keys, reads)


def disturbed(keys: list[IndexKey], reads: "tuple[Range, ...] | list[Range]") -> bool:
    return any(disturbs(key, read) for key in keys for read in reads)


@pytest.mark.parametrize("seed", range(8))
def test_many_ranges_in_one_bucket(seed: int) -> None:
    """Enough ranges to cut and empty blocks, added and removed at random: still what a walk finds."""
    rnd = random.Random(seed)
    index: ReadIndex[int] = ReadIndex()
    live: dict[int, tuple[Range, ...]] = {}
    growing = True
    for step in range(6 * BLOCK_RANGES_MAX):
        growing = growing if 0 < len(live) < 3 * BLOCK_RANGES_MAX else not live
        if rnd.random() < (0.9 if growing else 0.1):
            start, end = sorted(rnd.randbytes(2) for _ in range(2))
            live[step] = (Range(index=1, prefix=b"c", start=b"c" + start, end=b"c" + end),)
            index.add(live[step], step)
        elif live:
            holder = rnd.choice(list(live))
            index.remove(live.pop(holder), holder)
        if step % 16 == 0:
            key = IndexKey(1, b"c" + rnd.randbytes(3), (0, 1, 4))
            assert set(index.stab([key])) == {h for h, reads in live.items() if disturbed([key], reads)}, f"seed {seed}"
    for holder, reads in live.items():
        index.remove(reads, holder)
    assert not index


@given(st.lists(st.lists(ranges(), max_size=4), max_size=12), st.randoms(use_true_random=False))
def test_nothing_is_kept_of_what_left(filed: list[list[Range]], rnd: random.Random) -> None:
    """When all holders are gone the index is as empty as a new one, whatever the order in which they left."""
    index: ReadIndex[int] = ReadIndex()
    live = [(distinct(reads), holder) for holder, reads in enumerate(filed)]
    for reads, holder in live:
        index.add(reads, holder)
    rnd.shuffle(live)
    for reads, holder in live:
        index.remove(reads, holder)
    assert not index
    assert not index.stab([written(1, b"a\0", b"b\0")])


def test_equal_ranges_of_many_holders() -> None:
    """Holders of one and the same range are told apart: each leaves alone."""
    index: ReadIndex[int] = ReadIndex()
    read = (Range(index=1, prefix=b"a", start=b"ab", end=b"ad"),)
    for holder in range(2 * BLOCK_RANGES_MAX):
        index.add(read, holder)
    index.remove(read, 7)
    found = Counter(index.stab([IndexKey(1, b"ac", (0, 1, 2))]))
    assert found == Counter(holder for holder in range(2 * BLOCK_RANGES_MAX) if holder != 7)


def test_a_value_that_begins_another() -> None:
    """The key of "a" begins that of "ab": a range over all of "a" is not disturbed by "ab"."""
    index: ReadIndex[str] = ReadIndex()
    index.add((Range(index=1, prefix=b"a\0"),), "all of a")
    assert not index.stab([IndexKey(1, b"a\0\xffb\0", (0, 5))])
    assert index.stab([IndexKey(1, b"a\0x\0", (0, 2, 4))]) == {"all of a"}


def test_the_last_key_of_a_prefix() -> None:
    """A range that is open at its end holds every key of its prefix."""
    read = Range(index=1, prefix=b"c", start=b"ca", end=None)
    index: ReadIndex[str] = ReadIndex()
    index.add((read,), "the rest")
    assert index.stab([IndexKey(1, b"c\xfe\xfe", (0, 1, 3))]) == {"the rest"}
    assert not index.stab([IndexKey(1, b"d", (0, 1))])


def test_an_open_range_that_begins_at_the_key_is_found() -> None:
    """The newest document of a table, read from its end, wakes its reader when it is changed itself."""
    index: ReadIndex[str] = ReadIndex()
    key = b"\x05newest"
    index.add([Range(7, b"", key, None)], "newest first")

    assert index.stab([IndexKey(7, key, (0, len(key)))]) == {"newest first"}
