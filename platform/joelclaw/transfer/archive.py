"""
The ZIP that clients' exports are: read with suspicion, and written in one pass.

    README.md
    _tables/documents.jsonl            {"name": "messages", "id": 10001}: names and numbers
    messages/documents.jsonl           a document per line
    messages/generated_schema.jsonl    "uniform": numbers tell their types by how they are written
    _storage/documents.jsonl           stored files, and
    _storage/<id>.<extension>          their bytes

Nothing is ever unpacked to a path that an archive names, so none can climb out; such names are
refused all the same, for whoever writes them means no good. What an archive says of its sizes
is looked at before anything is read, and no more is read than it says.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

import msgspec

from joelclaw.errors import ImportRefused

ENTRIES_MAX: Final = 500_000
"""The list of entries is all that is in memory at once."""

RATIO_MAX: Final = 250
"""Documents that repeat each other shrink to a hundredth; what shrinks more is made to fill disks."""

RATIO_SPARED_BYTES: Final = 16 * 2**20
"""Smaller entries may shrink as much as they like."""

NAME_LENGTH_MAX: Final = 1_024
TABLES: Final = "_tables"
STORAGE: Final = "_storage"
DOCUMENTS: Final = "documents.jsonl"
SCHEMA: Final = "generated_schema.jsonl"
UNIFORM: Final = b'"uniform"'

_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _TableLine(msgspec.Struct):
    name: str
    id: int


class Archive:
    """An archive that was looked over. Close it."""

    def __init__(self, path: str) -> None:
        """
        Raises:
            ImportRefused: It is damaged, hostile, or no export.
        """
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
            reason = f"this is no ZIP archive, or only a part of one ({error}); export, or upload, it again"
            raise ImportRefused("", reason) from error
        self.tables: dict[str, zipfile.ZipInfo] = {}
        """Documents, by table."""

        self.files: dict[str, zipfile.ZipInfo] = {}
        """Bytes of stored files, by id."""

        self._schemas: dict[str, zipfile.ZipInfo] = {}
        try:
            self._look_over()
            self.numbers = self._read_numbers()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._zip.close()

    @property
    def document_bytes(self) -> int:
        """How much text all documents are."""
        return sum(entry.file_size for entry in self.tables.values())

    def check_schema(self, table: str) -> None:
        """
        Raises:
            ImportRefused: The table is in a form of older servers, where a number does not tell its type.
        """
        entry = self._schemas.get(table)
        if entry is None:
            return
        with self.open(entry) as stream:
            line = stream.read(1_024).strip()
        if line != UNIFORM:
            raise ImportRefused(
                entry.filename,
                "this export is of an older server, which wrote down the shapes of documents instead of writing "
                "numbers by their type; export it again with a newer version, or import each table as JSON lines",
            )

    @contextmanager
    def open(self, entry: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
        """
        Read an entry.

        Raises:
            ImportRefused: It is damaged; also while it is read.
        """
        try:
            with self._zip.open(entry) as stream:
                yield stream
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            reason = f"this entry is damaged ({error}); export, or upload, the archive again"
            raise ImportRefused(entry.filename, reason) from error

    def _look_over(self) -> None:
        entries = self._zip.infolist()
        if len(entries) > ENTRIES_MAX:
            raise ImportRefused("", f"the archive has {len(entries):,} entries, and may have {ENTRIES_MAX:,}")
        seen: set[str] = set()
        for entry in entries:
            _check_entry(entry)
            if entry.filename in seen:
                raise ImportRefused(
                    entry.filename, "the archive has this entry twice; which one counts, nobody can tell"
                )
            seen.add(entry.filename)
            if not entry.is_dir():
                self._place(entry)
        if not self.tables and TABLES + "/" + DOCUMENTS not in seen:
            raise ImportRefused("", f"the archive has no tables: nothing in it is called <table>/{DOCUMENTS}")

    def _place(self, entry: zipfile.ZipInfo) -> None:
        folder, _, file = entry.filename.partition("/")
        if entry.filename == "README.md" or folder == TABLES:
            return
        if folder == "_components":
            if entry.file_size and not entry.filename.endswith(f"{TABLES}/{DOCUMENTS}"):
                raise ImportRefused(entry.filename, "components cannot be imported; export without them")
        elif file == DOCUMENTS:
            self.tables[folder] = entry
        elif file == SCHEMA:
            self._schemas[folder] = entry
        elif folder == STORAGE and file and "/" not in file:
            self.files[file.partition(".")[0]] = entry
        else:
            raise ImportRefused(
                entry.filename,
                f"this is no part of an export, which has <table>/{DOCUMENTS} at its top; "
                f"was a folder packed that holds one?",
            )

    def _read_numbers(self) -> dict[str, int]:
        name = f"{TABLES}/{DOCUMENTS}"
        if name not in self._zip.namelist():
            return {}
        numbers: dict[str, int] = {}
        with self.open(self._zip.getinfo(name)) as stream:
            for count, line in enumerate(stream, 1):
                try:
                    table = msgspec.json.decode(line, type=_TableLine)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise ImportRefused(
                        f"{name}, line {count}", f'expected {{"name": ..., "id": ...}}: {error}'
                    ) from None
                if numbers.setdefault(table.name, table.id) != table.id:
                    raise ImportRefused(f"{name}, line {count}", f"table {table.name!r} has two numbers")
        return numbers


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = name.split("/")
    if len(name) > NAME_LENGTH_MAX or "\0" in name:
        raise ImportRefused(name[:80], "this is no name of a file")
    if ".." in parts or name.startswith("/") or "\\" in name or parts[0].endswith(":"):
        raise ImportRefused(name, "this name leads out of the archive; whoever made it means no good")
    if entry.flag_bits & _ENCRYPTED:
        raise ImportRefused(name, "this entry is encrypted; pack the archive again without a password")
    if entry.compress_type not in _METHODS:
        raise ImportRefused(
            name, "this entry is packed by a method that exports do not use; pack it again as plain ZIP"
        )
    if entry.file_size > RATIO_SPARED_BYTES and entry.file_size > RATIO_MAX * max(1, entry.compress_size):
        raise ImportRefused(
            name,
            f"this entry would grow from {entry.compress_size:,} to {entry.file_size:,} bytes, more than "
            f"{RATIO_MAX} times; no documents shrink so. If it is honest, pack it again without compression",
        )
