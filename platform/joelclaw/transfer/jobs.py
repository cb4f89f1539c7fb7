"""What a process for exports and imports is told, and what it reports: JSON, a line each."""

from typing import Final, TypeAlias

import msgspec

from joelclaw.isolate.messages import Load
from joelclaw.system.exports import Format as ExportFormat
from joelclaw.system.imports import Format as ImportFormat
from joelclaw.system.imports import Mode

GO: Final = b"go\n"
"""Told to an import that reported `Staged` or `Ready`: go on."""


class ImportJob(msgspec.Struct, frozen=True, kw_only=True, tag="import"):
    """Read a file, check it, and bring it in when told to."""

    load: Load
    """The code that serves: its schema is what documents are checked against."""

    id: str
    """Of the document that tells of it."""

    file: str
    staging: str
    """Where to put a staging file."""

    format: ImportFormat
    mode: Mode
    table: str | None


class ExportJob(msgspec.Struct, frozen=True, kw_only=True, tag="export"):
    """Write what the database has to a file."""

    load: Load
    file: str
    format: ExportFormat
    table: str | None
    include_storage: bool


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far it is: rows so far, and bytes of the file read, or rows in all."""

    rows: int
    of: int
    message: str = ""
    start_ts: int = 0


class Staged(msgspec.Struct, frozen=True, kw_only=True, tag="staged"):
    """An import can be brought in."""

    rows: int
    message: str
    needs_consent: bool
    checkpoints: list[str]


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """An import has stored its files, and needs the database for itself."""


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """It is done: committed, or on the disk."""

    rows: int
    ts: int
    size: int = 0


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag="refused"):
    """It cannot be done, and nothing was changed."""

    reason: str


Job: TypeAlias = ImportJob | ExportJob
Report: TypeAlias = Progress | Staged | Ready | Done | Refused
