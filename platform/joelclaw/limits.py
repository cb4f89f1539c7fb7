"""
Limits: what an app may use up, and how much of it by default.

One struct serves as the section `[limits]` of `joelclaw.toml` and travels as it is to the
processes that run functions, so a limit has one name wherever it is declared, enforced or
told about. The defaults are those that apps of this ecosystem are written for.

A field is named after what is counted, with the unit at its end. `setting` gives the words
with which an error says where more is to be had.

Not here, because they are part of a format and no setting could move them: how deep a value
nests, how long an array and how wide an object is, how large any value may be at all
(`values/limits.py`; clients refuse more, and an export has to fit every other deployment),
and what names look like (`values/names.py`).
"""

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

KIB: Final = 2**10
MIB: Final = 2**20

_COUNT_MAX: Final = 10**12

Count: TypeAlias = Annotated[int, Meta(ge=1, le=_COUNT_MAX)]
Bytes: TypeAlias = Annotated[int, Meta(ge=1, le=_COUNT_MAX)]
ValueBytes: TypeAlias = Annotated[int, Meta(ge=1, le=32 * MIB)]
ShortTime: TypeAlias = Annotated[float, Meta(gt=0, le=3600)]
LongTime: TypeAlias = Annotated[float, Meta(gt=0, le=86_400)]
Memory: TypeAlias = Annotated[int, Meta(le=1_048_576)]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the app may use up."""

    # -- one query or mutation, with all that is nested in it

    transaction_time_s: Annotated[
        ShortTime, Meta(description="the seconds that one query or mutation may compute, up to 3600")
    ] = 1.0
    transaction_wall_s: Annotated[
        ShortTime, Meta(description="the seconds that one query or mutation may last, up to 3600")
    ] = 5.0
    documents_read: Annotated[
        Count, Meta(description="how many documents one query or mutation may read, a whole number from 1")
    ] = 32_000
    bytes_read: Annotated[
        Bytes, Meta(description="how many bytes of documents one query or mutation may read, a whole number from 1")
    ] = 16 * MIB
    ranges_read: Annotated[
        Count, Meta(description="how many reads one query or mutation may make, a whole number from 1")
    ] = 4_096
    documents_written: Annotated[
        Count, Meta(description="how many documents one mutation may write, a whole number from 1")
    ] = 16_000
    bytes_written: Annotated[
        Bytes, Meta(description="how many bytes of documents one mutation may write, a whole number from 1")
    ] = 16 * MIB
    scheduled_per_mutation: Annotated[
        Count, Meta(description="how many functions one mutation may schedule, a whole number from 1")
    ] = 1_000
    scheduled_args_bytes: Annotated[
        Bytes,
        Meta(description="the bytes of the arguments of all functions that one mutation schedules, a whole number"),
    ] = 16 * MIB
    scheduled_call_bytes: Annotated[
        Bytes, Meta(description="the bytes of the arguments of one scheduled function, a whole number from 1")
    ] = 4 * MIB
    search_terms: Annotated[Count, Meta(description="how many words of a search count, a whole number from 1")] = 16
    search_filters: Annotated[
        Count, Meta(description="how many filters one search may have, a whole number from 1")
    ] = 8
    search_results: Annotated[
        Count, Meta(description="how many documents one search may look at, a whole number from 1")
    ] = 1_024
    vector_filters: Annotated[
        Count, Meta(description="how many filters one vector search may have, a whole number from 1")
    ] = 64
    vector_results: Annotated[
        Count, Meta(description="how many documents one vector search may find, a whole number from 1")
    ] = 256

    # -- one call of any kind

    arguments_bytes: Annotated[
        ValueBytes, Meta(description="the bytes of the arguments of one call, a whole number from 1 to 33554432")
    ] = 16 * MIB
    result_bytes: Annotated[
        ValueBytes, Meta(description="the bytes of the result of one call, a whole number from 1 to 33554432")
    ] = 16 * MIB
    call_depth: Annotated[
        Count, Meta(description="how deep calls may be nested in each other, a whole number from 1")
    ] = 8
    log_lines: Annotated[Count, Meta(description="how many lines one call may log, a whole number from 1")] = 256
    log_line_bytes: Annotated[
        Annotated[int, Meta(ge=16, le=_COUNT_MAX)],
        Meta(description="the bytes after which a log line is cut, a whole number from 16"),
    ] = 32 * KIB

    # -- actions

    actions: Annotated[Count, Meta(description="how many actions run at once, a whole number from 1")] = 1_000
    actions_waiting: Annotated[
        Count, Meta(description="how many actions may wait for others to end, a whole number from 1")
    ] = 10_000
    action_time_s: Annotated[LongTime, Meta(description="the seconds that one action may last, up to 86400")] = 600.0
    action_blocks_s: Annotated[
        ShortTime, Meta(description="the seconds for which one action may keep all others waiting, up to 3600")
    ] = 30.0
    action_blocks_told_s: Annotated[
        ShortTime, Meta(description="the seconds after which the log tells that an action blocks others, up to 3600")
    ] = 0.2
    action_drain_s: Annotated[
        Annotated[float, Meta(ge=0, le=3600)],
        Meta(description="the seconds that running actions are left with when the server stops, up to 3600"),
    ] = 5.0
    action_operations: Annotated[
        Count, Meta(description="how many calls one action may have under way at once, a whole number from 1")
    ] = 1_000
    http_body_bytes: Annotated[
        Bytes, Meta(description="the bytes of a request to an HTTP action, and of its response, a whole number from 1")
    ] = 20 * MIB

    upload_bytes: Annotated[Bytes | None, Meta(description="the bytes of one uploaded file, a whole number from 1")] = (
        None
    )

    # -- what an app consists of

    document_bytes: Annotated[
        Annotated[int, Meta(ge=64, le=16 * MIB)],
        Meta(description="the bytes of one document, a whole number from 64 to 16777216"),
    ] = MIB
    tables: Annotated[Count, Meta(description="how many tables an app may have, a whole number from 1")] = 10_000
    indexes_per_table: Annotated[
        Count, Meta(description="how many indexes a table may have, a whole number from 1")
    ] = 64
    search_indexes_per_table: Annotated[
        Count, Meta(description="how many search indexes a table may have, a whole number from 1")
    ] = 4
    vector_indexes_per_table: Annotated[
        Count, Meta(description="how many vector indexes a table may have, a whole number from 1")
    ] = 4
    fields_per_index: Annotated[Count, Meta(description="how many fields an index may have, a whole number from 1")] = (
        16
    )
    code_bytes: Annotated[Bytes, Meta(description="the bytes of an app's files, a whole number from 1")] = 32 * MIB
    env_variables: Annotated[
        Count, Meta(description="how many environment variables there may be, a whole number from 1")
    ] = 1_000
    env_value_bytes: Annotated[
        Bytes, Meta(description="the bytes of the value of an environment variable, a whole number from 1")
    ] = 8 * KIB
    scheduled_outstanding: Annotated[
        Count, Meta(description="how many scheduled functions may wait for their time, a whole number from 1")
    ] = 1_000_000

    # -- the machine

    isolate_memory_mb: Annotated[
        Annotated[Memory, Meta(ge=64)],
        Meta(description="the memory of one process that runs functions, at least 64 MB"),
    ] = 512
    connections: Annotated[
        Count, Meta(description="how many clients may be connected at once, a whole number from 1")
    ] = 10_000
    cache_mb: Annotated[Annotated[Memory, Meta(ge=0)], Meta(description="the memory for results of queries, in MB")] = (
        64
    )
    readers: Annotated[
        Annotated[int, Meta(ge=1, le=256)] | None,
        Meta(description="how many processes run queries, a whole number from 1 to 256"),
    ] = None


DEFAULT_LIMITS: Final = Limits()
"""What holds where nobody says otherwise, and for the platform's own functions whatever anybody says."""


WARNING_SHARE: Final = 0.75
"""Of a limit; who has used more of it is warned in the log."""


def setting(name: str) -> str:
    """Where a limit is raised, for the end of an error's sentence."""
    return f"raise limits.{name} in joelclaw.toml"
