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


class JobAttempt(Object):
    """One run of an action that may be tried again."""

    started_at: float
    ended_at: float
    error: str | UnsetType = UNSET
    """Why it failed; absent if it did not."""


class ScheduledJob(Table):
    """A function that is to run later, or has run."""

    __table__ = "_scheduled_functions"
    name: str
    """Path of the function."""

    args: list[Any]
    """One argument object."""

    scheduled_time: float
    """When it is to run, or was; of a job that is tried again, the next time."""

    state: JobState
    completed_time: float | UnsetType = UNSET
    attempts: list[JobAttempt] | UnsetType = UNSET
    """Of an action with `retry=`: every run so far, oldest first."""
