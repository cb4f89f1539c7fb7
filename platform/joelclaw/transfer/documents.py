"""
Documents as files have them: each with the line that it stands in, as JSON that clients know.

An export writes numbers so that their text tells their type: `3` is an Int64, `3.0` a number.
Hand-made files do not, there the schema decides: `3` in a field of type Int64 is one, anywhere
else it is a number. The same goes for bytes, which a hand-made file has as a base64 string, and in CSV
for everything: a cell is what its column's type says.

All is lazy, and one document is in memory at a time.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, NoReturn

import msgspec

from joelclaw.errors import ImportRefused
from joelclaw.schema.kinds import (
    BoolKind,
    BytesKind,
    IdKind,
    Int64Kind,
    Kind,
    ListKind,
    LiteralKind,
    NullKind,
    NumberKind,
    ObjectKind,
    RecordKind,
    StringKind,
    UnionKind,
)
from joelclaw.values.int64 import INT64_MAX, INT64_MIN
from joelclaw.values.special import encode_int64

LINE_BYTES_MAX: Final = 32 * 2**20
"""A document has a megabyte; its text may be longer, but not without end."""

CHUNK: Final = 2**20
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

_decode = msgspec.json.Decoder().decode
_white = " \t\r\n"

Found = tuple[int, dict[str, Any]]
"""A line's number, and the document in it, as parsed JSON."""


def json_lines(stream: IO[bytes], place: str) -> Iterator[Found]:
    """Documents of a file with one in each line; empty lines are passed over."""
    buffered = _without_mark(stream, place)
    number = 0
    while line := buffered.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            raise ImportRefused(f"{place}, line {number}", f"this line is longer than {LINE_BYTES_MAX:,} bytes")
        if line.isspace():
            continue
        try:
            document = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImportRefused(f"{place}, line {number}", f"this is no JSON: {error}") from None
        yield number, _object(document, place, number)


def json_array(stream: IO[bytes], place: str) -> Iterator[Found]:
    """Documents of a file that is one JSON array of them."""
    return _ArrayReader(_text(stream, place), place).documents()


class _ArrayReader:
    """Takes one element after another off a text that is never whole in memory."""

    def __init__(self, text: IO[str], place: str) -> None:
        self._text = text
        self._place = place
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self._decoder = json.JSONDecoder(parse_constant=self._refuse_constant)

    def documents(self) -> Iterator[Found]:
        if self._next() != "[":
            self._refuse("a JSON array was expected: [{...}, {...}]. For one document per line choose JSON lines")
        self._at += 1
        if self._next() == "]":
            self._at += 1
        else:
            while True:
                self._next()
                line = self._line
                yield line, _object(self._element(), self._place, line)
                separator = self._next()
                self._at += 1
                if separator == "]":
                    break
                if separator != ",":
                    self._refuse("after a document comes ',' or ']'")
        if self._next():
            self._refuse("there is more after the end of the array")

    def _next(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                character = self._buffer[self._at]
                if character not in _white:
                    return character
                self._line += character == "\n"
                self._at += 1
            if not self._more():
                return ""

    def _element(self) -> Any:
        while True:
            try:
                value, end = self._decoder.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > LINE_BYTES_MAX or not self._more():
                    self._refuse(f"this is no JSON: {error.msg}")
            except RecursionError:
                self._refuse("this nests too deep")
            else:
                self._line += self._buffer.count("\n", self._at, end)
                self._at = end
                return value

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            # As much again as there is: a long document is not parsed from its start for every chunk.
            chunk = self._text.read(max(CHUNK, len(self._buffer) - self._at))
        except UnicodeDecodeError:
            self._refuse("this is no UTF-8")
        self._ended = not chunk
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)

    def _refuse(self, reason: str) -> NoReturn:
        raise ImportRefused(f"{self._place}, line {self._line}", reason)

    def _refuse_constant(self, name: str) -> NoReturn:
        self._refuse(f"JSON has no {name}")


def csv_rows(stream: IO[bytes], place: str) -> Iterator[Found]:
    """Documents of a CSV file whose first line names the fields. All values are text still."""
    csv.field_size_limit(LINE_BYTES_MAX)
    reader = csv.reader(_text(stream, place), strict=True)
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if names is None:
                names = [name.strip() for name in cells]
                twice = next((name for name in names if names.count(name) > 1), None)
                if twice is not None or "" in names:
                    raise ImportRefused(f"{place}, line 1", f"column {twice!r} is there twice, or has no name")
            elif cells:
                if len(cells) != len(names):
                    reason = f"this row has {len(cells)} cells, and the first line names {len(names)} columns"
                    raise ImportRefused(f"{place}, line {line}", reason)
                yield line, dict(zip(names, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ImportRefused(f"{place}, line {line}", f"this is no CSV: {error}") from None
    except UnicodeDecodeError:
        raise ImportRefused(f"{place}, line {line}", "this is no UTF-8; save it as UTF-8") from None


def _text(stream: IO[bytes], place: str) -> IO[str]:
    return io.TextIOWrapper(_without_mark(stream, place), "utf-8", newline="")


def _without_mark(stream: IO[bytes], place: str) -> io.BufferedReader:
    buffered: io.BufferedReader = io.BufferedReader(stream, CHUNK)  # type: ignore[arg-type]  # Typeshed asks for more.
    if buffered.peek(3)[:3].startswith(_BOMS):
        raise ImportRefused(
            f"{place}, line 1", "the file begins with a byte order mark (BOM); save it as UTF-8 without one"
        )
    return buffered


def _object(value: Any, place: str, line: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ImportRefused(
            f"{place}, line {line}", f"a document is an object {{...}}, and this is {json.dumps(value)[:60]}"
        )
    return value


# -- into the JSON of clients


def from_export(value: Any) -> Any:
    """What an export wrote, where an integer literal is an Int64."""
    kind = type(value)
    if kind is int:
        return _int64(value)
    if kind is dict:
        return {name: from_export(item) for name, item in value.items()}
    if kind is list:
        return [from_export(item) for item in value]
    return value


def guided_by(kind: Kind) -> Callable[[Any], Any]:
    """What a person wrote, read as the schema's types say."""
    return lambda value: _guided(value, kind)


def _guided(value: Any, kind: Kind) -> Any:
    match kind:
        case Int64Kind():
            return _int64_of(value)
        case BytesKind():
            return {"$bytes": value} if isinstance(value, str) else value
        case ListKind() if isinstance(value, list):
            return [_guided(item, kind.element) for item in value]
        case RecordKind() if isinstance(value, dict):
            return {name: _guided(item, kind.item) for name, item in value.items()}
        case ObjectKind() if isinstance(value, dict):
            kinds = {field.name: field.kind for field in kind.fields}
            return {name: _guided(item, kinds[name]) if name in kinds else item for name, item in value.items()}
        case UnionKind():
            return _guided_in_union(value, kind)
    return value


def _guided_in_union(value: Any, kind: UnionKind) -> Any:
    """The first member that could be meant: none changes what another would take as it is."""
    wanted: tuple[type[Kind], ...]
    if isinstance(value, str):
        wanted = (StringKind, IdKind, LiteralKind, Int64Kind, BytesKind)
    elif isinstance(value, int) and not isinstance(value, bool):
        wanted = (NumberKind, LiteralKind, Int64Kind)
    elif isinstance(value, list):
        wanted = (ListKind,)
    elif isinstance(value, dict):
        wanted = (ObjectKind, RecordKind)
    else:
        return value
    for sort in wanted:
        for member in kind.members:
            if isinstance(member, sort):
                return _guided(value, member)
    return value


def _int64_of(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            return value
    return _int64(value) if type(value) is int else value


def _int64(value: int) -> Any:
    # Too large for one: left as a number, for the schema to refuse with its own words.
    return encode_int64(value) if INT64_MIN <= value <= INT64_MAX else value


def cells_of(kind: ObjectKind) -> Callable[[dict[str, str]], dict[str, Any]]:
    """A row of a CSV file, read as the columns' types say. An empty cell is null, or absent, where that may be."""
    fields = {field.name: field for field in kind.fields}

    def read(row: dict[str, str]) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for name, text in row.items():
            field = fields.get(name)
            if field is None:
                if text or not name.startswith("_"):
                    document[name] = text
            elif text or _takes_empty_text(field.kind):
                document[name] = _cell(text, field.kind)
            elif _has(field.kind, NullKind):
                document[name] = None
        return document

    return read


def _takes_empty_text(kind: Kind) -> bool:
    return isinstance(kind, StringKind)


def _has(kind: Kind, sought: type[Kind]) -> bool:
    return isinstance(kind, sought) or (
        isinstance(kind, UnionKind) and any(_has(each, sought) for each in kind.members)
    )


def _cell(text: str, kind: Kind) -> Any:
    """What a cell says: text if that may be, otherwise what it looks like."""
    if _has(kind, StringKind) or _has(kind, IdKind):
        return text
    if _has(kind, BoolKind) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _has(kind, NumberKind):
        try:
            return float(text)
        except ValueError:
            return text
    if _has(kind, Int64Kind) or _has(kind, BytesKind):
        return _guided(text, kind)
    try:
        return _guided(_decode(text), kind)
    except (msgspec.DecodeError, RecursionError):
        return text  # A literal's, perhaps; otherwise for the schema to refuse.
