"""
Messages between the gateway and its isolates.

Each is one msgpack value behind a four-byte big-endian length, on a socket pair. Arguments
and results travel as wire JSON inside them and are not decoded on the way: the gateway
splices a result's bytes into the client's frame.

Lanes differ in what they speak: a writer takes `Batch`, a reader `Batch`, `OpenRound`,
`RunCalls` and `CloseRound`, an actor `RunAction` and `Answer`. Everybody takes `Load` first.
"""

from typing import Literal, TypeAlias

import msgspec

from joelclaw.functions.calls import Call, Outcome
from joelclaw.functions.manifest import Manifest, Problem
from joelclaw.store.protocol import IndexKey, Layout

Role: TypeAlias = Literal["writer", "reader", "actor"]


# -- gateway to isolate


class Load(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    """First message: which code and which database. Answered by `Loaded` or `LoadFailed`."""

    role: Role
    root: str
    functions: str
    schema: str
    wire_names: Literal["camel", "as_written"]
    store_url: str
    durability: Literal["full", "normal"]
    env: dict[str, str]
    limits: dict[str, float]
    development: bool
    roles: dict[str, list[str]] = {}
    api_origin: str = ""
    """Where clients reach the deployment: `http://127.0.0.1:3210`. Empty: nobody said."""

    site_origin: str = ""
    """Where its HTTP actions are."""

    files_url: str = ""
    """Where bytes of stored files are kept: `file:///...` (absolute) or `s3://...`."""


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag="prepare"):
    """To the writer: make the database fit the loaded schema, or say why it cannot. Answered by `Prepared`."""


class Adopt(msgspec.Struct, frozen=True, kw_only=True, tag="adopt"):
    """To readers and actors: the database's layout for the loaded schema. No answer."""

    layout: Layout


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag="batch"):
    """
    Run these one after another: mutations in one transaction, queries on one snapshot.

    Answered by `BatchDone`, whose outcomes may be fewer than the calls: the rest did not start
    within the budget.
    """

    batch: int
    calls: list[Call]
    published_ts: int = 0
    """Replies up to here have reached their callers and need not be kept."""


class OpenRound(msgspec.Struct, frozen=True, kw_only=True, tag="open_round"):
    """To a reader: open a snapshot and keep it. Answered by `RoundOpened`."""

    round: int


class RunCalls(msgspec.Struct, frozen=True, kw_only=True, tag="run_calls"):
    """To a reader: run these on the open snapshot. Answered by one `CallDone` each, in order."""

    round: int
    calls: list[Call]


class CloseRound(msgspec.Struct, frozen=True, kw_only=True, tag="close_round"):
    """To a reader: let the snapshot go. Answered by `RoundClosed`."""

    round: int


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag="checkpoint"):
    """To the writer, while no reader holds a snapshot: empty the write-ahead log. Answered by `Checkpointed`."""


class RunAction(msgspec.Struct, frozen=True, kw_only=True, tag="run_action"):
    """To an actor: start this action beside the others. Answered by `ActionDone`, some time."""

    run: int
    call: Call


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """To an actor: the outcome of something it asked for."""

    ask: int
    outcome: Outcome


# -- isolate to gateway


class Loaded(msgspec.Struct, frozen=True, kw_only=True, tag="loaded"):
    """The app is loaded and was found right."""

    manifest: Manifest


class LoadFailed(msgspec.Struct, frozen=True, kw_only=True, tag="load_failed"):
    """The app is wrong, or the data do not fit its schema; every problem there is."""

    problems: list[Problem]


class UnsentReply(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a commit left in the database for a gateway that may not have heard of it."""

    batch: int
    ts: int
    keys: list[IndexKey]
    outcomes: list[Outcome]


class Prepared(msgspec.Struct, frozen=True, kw_only=True, tag="prepared"):
    """The database fits."""

    layout: Layout
    ts: int
    """The newest commit; no reply of an older one is unsent, except those in `unsent`."""

    unsent: list[UnsentReply] = []


class BatchDone(msgspec.Struct, frozen=True, kw_only=True, tag="batch_done"):
    """A batch came to its end."""

    batch: int
    ts: int
    """Readers: the snapshot's. The writer: the commit's; 0, if there was nothing to commit."""

    outcomes: list[Outcome]
    keys: list[IndexKey] = []
    memory_bytes: int = 0
    log_bytes: int = 0
    """Size of the write-ahead log."""


class RoundOpened(msgspec.Struct, frozen=True, kw_only=True, tag="round_opened"):
    round: int
    ts: int


class CallDone(msgspec.Struct, frozen=True, kw_only=True, tag="call_done"):
    """The next call of the round came to its end."""

    round: int
    outcome: Outcome


class RoundClosed(msgspec.Struct, frozen=True, kw_only=True, tag="round_closed"):
    round: int
    memory_bytes: int = 0


class Checkpointed(msgspec.Struct, frozen=True, kw_only=True, tag="checkpointed"):
    log_bytes: int


class ActionDone(msgspec.Struct, frozen=True, kw_only=True, tag="action_done"):
    run: int
    outcome: Outcome


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """An action calls a function; the gateway routes it like any other call."""

    ask: int
    run: int
    kind: Literal["query", "mutation", "action"]
    call: Call


ToIsolate: TypeAlias = (
    Load | Prepare | Adopt | Batch | OpenRound | RunCalls | CloseRound | Checkpoint | RunAction | Answer
)
FromIsolate: TypeAlias = (
    Loaded | LoadFailed | Prepared | BatchDone | RoundOpened | CallDone | RoundClosed | Checkpointed | ActionDone | Ask
)
