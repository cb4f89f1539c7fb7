"""
Calls and outcomes: what it takes to run a function, and what a run leaves.

Plain data, shared by the code that runs functions and by everybody who asks for a run.
Arguments and results are wire JSON, still encoded: only the function's own types decode them.
"""

from typing import Any, Final

import msgspec

INFINITY = float("inf")

SYSTEM_PREFIX = "_system/"
"""Paths of the platform's own functions begin with it."""


class Range(msgspec.Struct, frozen=True, array_like=True):
    """
    Part of an index that a run looked at.

    All of it begins with `prefix`, which ends at a field border: the equality part of the
    bounds. `start` and `end` None: every key with that prefix. Otherwise `[start, end)`,
    whole keys or prefixes of them, `prefix` included.
    """

    index: int
    prefix: bytes
    start: bytes | None = None
    end: bytes | None = None


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """A verified user as functions see one. Compared by content, never by token."""

    issuer: str
    subject: str
    token_identifier: str
    claims: dict[str, Any]


class Call(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One run of a function."""

    path: str
    """Normalised wire path of a function that exists and that the caller may name."""

    args: bytes
    """Wire JSON of the argument object."""

    identity: Identity | None = None
    privileged: bool = False
    """An administrator asks, or the platform itself: rules of the app are not consulted."""

    request_id: str = ""
    now: float = 0.0
    """Milliseconds since the epoch; what `ctx.now()` answers. 0: the isolate's own clock."""

    call_id: str = ""
    """Set for mutations that must not run twice: the record is looked up and left under this name."""

    journal: str | None = None
    depth: int = 0
    """How many actions have called each other up to this call."""

    job: str | None = None
    """The scheduled job that this call runs, or that the action works for that made it."""


TRY_AGAIN: Final = "try_again"
"""
The code of a failure that says nothing about the call. Over HTTP it is answered by hanging up: clients that
renew a session try again then, and after any answer they do not.
"""


class Failure(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """Why a run failed, split so that a production deployment can keep the details to itself."""

    message: str
    """What comes after the request id line: `Uncaught ValueError: no such room`."""

    frames: str = ""
    """The traceback, a line each: `    at send (app_functions/chat.py:12)`. Empty for refusals."""

    data: bytes | None = None
    """Wire JSON of an `AppError`'s data; None when it is none."""

    code: str = "internal"
    public: bool = False
    """May `message` reach clients of a production deployment? Refused arguments may, a ValueError may not."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a run left."""

    value: bytes = b"null"
    """Wire JSON of the result; meaningless when `failure` is set."""

    failure: Failure | None = None
    log_lines: list[str] = []
    reads: list[Range] = []
    expires: float = INFINITY
    """The moment, in milliseconds, from which the result may be wrong."""

    timed: bool = False
    """Looked at the time of day at all: not valid for earlier moments than its own."""

    personal: bool = False
    """Looked at the identity: not to be shared with others."""

    journal: str | None = None
    commit_ts: int = 0
    """Mutations: the commit this became durable with; for a repeated call, the original one."""

    ran_for_ms: float = 0.0
