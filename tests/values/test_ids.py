"""`joelclaw.values.ids`: one text for one id."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joelclaw.errors import BadId
from joelclaw.values.ids import decode_id, encode_id, new_internal, table_number_of

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
POWERS_OF_251 = bytes(pow(251, exponent, 256) for exponent in range(1, 17))

VECTORS = [
    (1, bytes(16), "0400000000000000000000000000248"),
    (10001, bytes(range(16)), "j57000820c20a1g7104gm2rc1m70ynr8"),
    (10001, b"\xff" * 16, "j57fzzzzzzzzzzzzzzzzzzzzzzzzzkyr"),
    (2**32 - 1, b"\xff" * 16, "zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj"),
    (1017, POWERS_OF_251, "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"),
]

table_numbers = st.integers(1, 2**32 - 1) | st.sampled_from([2 ** (7 * n) + d for n in range(1, 5) for d in (-1, 0)])
internals = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(("table_number", "internal", "text"), VECTORS)
def test_vectors(table_number: int, internal: bytes, text: str) -> None:
    """Known ids are written and read as they are known (VAL-18)."""
    assert encode_id(table_number, internal) == text
    assert decode_id(text) == (table_number, internal)
    assert table_number_of(text) == table_number


@given(table_numbers, internals)
def test_round_trip(table_number: int, internal: bytes) -> None:
    """Every id comes back; ordinary table numbers make 32 letters, all make 31 to 37 (VAL-18)."""
    text = encode_id(table_number, internal)
    assert decode_id(text) == (table_number, internal)
    assert 31 <= len(text) <= 37
    assert len(text) == 32 or not 128 <= table_number < 2**14
    assert set(text) <= set(ALPHABET)


@pytest.mark.parametrize("text", [text for _, _, text in VECTORS])
def test_no_other_spelling_is_read(text: str) -> None:
    """Capitals, look-alike letters, signs, spaces, underscores and wrong lengths are refused (VAL-18)."""
    others = {
        text.upper(),
        text.capitalize(),
        text.replace("0", "o"),
        text.replace("0", "O"),
        text.replace("1", "l"),
        text.replace("1", "i"),
        f" {text[1:]}",
        f"{text[:-1]} ",
        f"+{text[1:]}",
        f"-{text[1:]}",
        f"{text[0]}_{text[2:]}",
        f"{text[:-1]}\n",
        f"{text[:-1]}é",
        f"{text[:-1]}\u0660",
        f"{text}0",
        f"0{text}",
        text[:-1],
        text[1:],
        text + text,
        "",
    } - {text}
    for other in others:
        assert table_number_of(other) is None, other
        with pytest.raises(BadId, match="Unable to decode ID"):
            decode_id(other)


def test_spare_bits_must_be_zero() -> None:
    """The last letter has bits to spare in some lengths; only zeros there are read."""
    text = "0400000000000000000000000000248"
    assert table_number_of(text) == 1
    for letter in "9abcdef":
        assert table_number_of(text[:-1] + letter) is None


def test_padded_table_numbers_are_refused() -> None:
    """Table 1 written in two bytes, table 0, and a number above 32 bits have right checksums and are no ids."""
    for varint in (b"\x81\x00", b"\x00", b"\x80\x80\x80\x80\x10", b"\x01\x01", b"\x81"):
        assert table_number_of(spell(varint + bytes(16))) is None
    assert table_number_of(spell(b"\x81\x01" + bytes(16))) == 129


def spell(body: bytes) -> str:
    """Any bytes as an id would spell them, checksum added; written apart from the code under test."""
    low = high = 0
    for byte in body:
        low = (low + byte) % 256
        high = (high + low) % 256
    data = body + bytes((low, high))
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(ALPHABET[int(bits[at : at + 5], 2)] for at in range(0, len(bits), 5))


@given(table_numbers, internals)
def test_spelling_agrees_with_a_slow_writer(table_number: int, internal: bytes) -> None:
    """The fast base 32 writes what a bit by bit one writes."""
    varint = bytearray()
    number = table_number
    while number > 127:
        varint.append(number % 128 + 128)
        number //= 128
    varint.append(number)
    assert encode_id(table_number, internal) == spell(bytes(varint) + internal)


def test_random_text_that_decodes_is_spelt_that_way() -> None:
    """Whatever decodes is exactly what its parts are written as: of thousands of damaged ids, none is a second name."""
    seed = 1017
    print(f"seed {seed}")
    rng = random.Random(seed)
    survivors = 0
    for _ in range(5_000):
        letters = list(encode_id(rng.choice([1, 200, 10001, 2**21, 2**32 - 1]), rng.randbytes(16)))
        for _ in range(rng.randrange(3)):
            letters[rng.randrange(len(letters))] = rng.choice(ALPHABET)
        text = "".join(letters)
        if table_number_of(text) is not None:
            survivors += 1
            assert encode_id(*decode_id(text)) == text
    assert survivors > 1_000


def test_errors_do_not_repeat_a_megabyte() -> None:
    """A huge text is refused by its beginning."""
    with pytest.raises(BadId) as caught:
        decode_id("x" * 1_000_000)
    assert len(str(caught.value)) < 300


def test_new_internal_ids_carry_the_day() -> None:
    """14 random bytes, then the day, big-endian, in 16 bits."""
    assert new_internal(bytes(range(14)), 20_000) == bytes(range(14)) + b"\x4e\x20"
    assert new_internal(bytes(14), 2**16 + 1) == bytes(14) + b"\x00\x01"
