"""
Document ids: 31 to 37 letters that know their table.

    id = base32( varint(table number) ++ internal id, 16 bytes ++ checksum, 2 bytes )

Base32 is Crockford's alphabet in lower case, from the top bit down, without padding. The
varint has seven bits a byte, low group first. The checksum is Fletcher-16 with modulus 256
over all before it, low byte first. It is the clients' format, so exported data keep their
ids and dashboards their links, and an id's table is known without a look-up.

One id, one text: a decoder that also read capitals, spare bits or a padded varint would let
two keys name one document. `decode_id` is on the way of every id in every call, so it goes
through Python's own base 32, which is C.
"""

from itertools import accumulate

from joelclaw.errors import BadId

TABLE_NUMBER_MAX = 2**32 - 1
INTERNAL_BYTES = 16
RANDOM_BYTES = 14
"""Of an internal id, the first; the day makes up the rest."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PYTHON_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_CHECKSUM_BYTES = 2
_NOT_A_DIGIT = "!"

# int() takes signs, spaces, capitals and underscores; everything outside our alphabet becomes what it refuses.
_DIGIT_OF = dict(zip(_ALPHABET, _PYTHON_DIGITS, strict=True))
_TO_PYTHON_DIGITS = "".join([_DIGIT_OF.get(chr(code), _NOT_A_DIGIT) for code in range(256)]).encode("ascii")

_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def _shape(varint_bytes: int) -> tuple[int, int, int]:
    """For table numbers of so many bytes: letters in the id, bytes in it, spare bits in the last letter."""
    size = varint_bytes + INTERNAL_BYTES + _CHECKSUM_BYTES
    letters = -(-size * 8 // 5)
    return letters, size, letters * 5 - size * 8


_SIZE_BY_LENGTH = {letters: (size, spare) for letters, size, spare in map(_shape, range(1, 6))}


def encode_id(table_number: int, internal: bytes) -> str:
    """The id of a document: its table's number, 1 to 2**32 - 1, and 16 bytes of its own."""
    assert 1 <= table_number <= TABLE_NUMBER_MAX, table_number
    assert len(internal) == INTERNAL_BYTES, internal
    body = _varint(table_number) + internal
    letters, size, spare = _shape(len(body) - INTERNAL_BYTES)
    number = int.from_bytes(body + _checksum(body), "big") << spare
    # Two letters at a time; an odd count begins with a pair whose first letter is not ours.
    text = "".join([_PAIRS[number >> shift & 1023] for shift in range((letters - 1) // 2 * 10, -1, -10)])
    assert size == len(body) + _CHECKSUM_BYTES
    return text[-letters:]


def decode_id(text: str) -> tuple[int, bytes]:
    """
    Table number and internal id.

    Raises:
        BadId: `encode_id` makes no such text.
    """
    parts = _decode(text)
    if parts is None:
        raise BadId(text)
    return parts


def table_number_of(text: str) -> int | None:
    """The number of the table that an id belongs to; None for text that is no id, checksum included."""
    parts = _decode(text)
    return None if parts is None else parts[0]


def new_internal(random_bytes: bytes, day: int) -> bytes:
    """
    The internal id of a new document: 14 random bytes, then the day since the epoch.

    The day never makes two ids equal; it only says roughly when, to whoever reads ids.
    """
    assert len(random_bytes) == RANDOM_BYTES, random_bytes
    return random_bytes + (day & 0xFFFF).to_bytes(2, "big")


def _decode(text: str) -> tuple[int, bytes] | None:
    size_and_spare = _SIZE_BY_LENGTH.get(len(text))
    if size_and_spare is None:
        return None
    size, spare = size_and_spare
    try:
        number = int(text.encode("ascii").translate(_TO_PYTHON_DIGITS), 32)
    except ValueError:
        return None
    data = (number >> spare).to_bytes(size, "big")
    body = data[:-_CHECKSUM_BYTES]
    if number & ((1 << spare) - 1) or _checksum(body) != data[-_CHECKSUM_BYTES:]:
        return None
    table_number = _read_varint(body[:-INTERNAL_BYTES])
    return None if table_number is None else (table_number, body[-INTERNAL_BYTES:])


def _checksum(body: bytes) -> bytes:
    # The second sum of Fletcher's adds up the first one's running values.
    return bytes((sum(body) & 0xFF, sum(accumulate(body)) & 0xFF))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes) -> int | None:
    """The number that takes exactly these bytes, or None: it would take fewer, or it is no table's."""
    number = 0
    for place, byte in enumerate(data):
        number |= (byte & 0x7F) << 7 * place
    if not 1 <= number <= TABLE_NUMBER_MAX or _varint(number) != data:
        return None
    return number
