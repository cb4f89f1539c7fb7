"""
System tables that apps may read: stored files and scheduled jobs.

Clients know their fields (`ctx.db.get(file_id)`, `ctx.db.query(ScheduledJob)`), so names and
types are theirs.
"""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table


class StoredFile(Table):
    """A file that was stored; its bytes are kept elsewhere."""

    __table__ = "_storage"
    sha256: str
    """Of the bytes, in base64."""

    size: float
    """In bytes."""

    content_type: str | UnsetType = UNSET


class JobState(Object):
    """How far a scheduled job is."""

    kind: Literal["pending", "inProgress", "success", "failed", "canceled"]
    error: str | UnsetType = UNSET


class ScheduledJob(Table):
    """A function that is to run later, or has run."""

    __table__ = "_scheduled_functions"
    name: str
    """Path of the function."""

    args: list[Any]
    """One argument object."""

    scheduled_time: float
    state: JobState
    completed_time: float | UnsetType = UNSET
