"""
Messages between the gateway and its isolates.

Each is one msgpack value behind a four-byte big-endian length, on a socket pair. Arguments
and results travel as wire JSON inside them and are not decoded on the way: the gateway
splices a result's bytes into the client's frame.

Lanes differ in what they speak: a writer takes `Batch`, a reader `Batch`, `OpenRound`,
`RunCalls` and `CloseRound`, an actor `RunAction` and `Answer`. Everybody takes `Load` first.

An HTTP action is a run with two bodies: `RunHttp`, pieces and credit in both directions, and
`ActionDone` at the end, whatever became of it.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from joelclaw.functions.calls import Call, Outcome
from joelclaw.functions.crons import CronDeclaration
from joelclaw.functions.manifest import Manifest, Problem
from joelclaw.functions.sign_in import SignIn
from joelclaw.limits import DEFAULT_LIMITS, Limits
from joelclaw.store.protocol import IndexKey, Layout

Role: TypeAlias = Literal["writer", "reader", "actor"]

BodyEnd: TypeAlias = Literal["whole", "too_large", "gone"]
"""How a request's body ended: it is all there; it is larger than it may be; its client went away."""

WINDOW_BYTES: Final = 256 * 1024
"""By how much who sends a body may be ahead of who takes it."""

PIECE_BYTES: Final = 64 * 1024
"""The most that one message carries of a response's body."""


# -- gateway to isolate


class Load(msgspec.Struct, frozen=True, kw_only=True, tag="load"):
    """First message: which code and which database. Answered by `Loaded` or `LoadFailed`."""

    role: Role
    root: str
    functions: str
    schema: str
    wire_names: Literal["camel", "as_written"]
    store_url: str
    durability: Literal["full", "normal", "none"]
    """Tests alone have none: their databases end with them."""

    env: dict[str, str]
    development: bool
    limits: Limits = DEFAULT_LIMITS
    roles: dict[str, list[str]] = {}
    sign_in: SignIn | None = None
    crons: list[CronDeclaration] = []
    """Those of joelclaw.toml."""

    api_origin: str = ""
    """Where clients reach the deployment: `http://127.0.0.1:3210`. Empty: nobody said."""

    site_origin: str = ""
    """Where its HTTP actions are."""

    files_url: str = ""
    """Where bytes of stored files are kept: `file:///...` (absolute) or `s3://...`."""

    files_credentials: dict[str, str] = {}
    """What opens it, as declared; otherwise the process environment's does."""


class Prepare(msgspec.Struct, frozen=True, kw_only=True, tag="prepare"):
    """To the writer: make the database fit the loaded schema, or say why it cannot. Answered by `Prepared`."""

    record: Call | None = None
    """A mutation of the platform that runs in the same transaction: it is done if the schema is live, and only then."""

    trial: bool = False
    """Find out whether it would fit, and leave all as it is. The writer is good for nothing else afterwards."""


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


class SetVariables(msgspec.Struct, frozen=True, kw_only=True, tag="set_variables"):
    """To an actor: the environment variables set at run time, all of them, for actions that start from now on."""

    values: dict[str, str]


class RunAction(msgspec.Struct, frozen=True, kw_only=True, tag="run_action"):
    """To an actor: start this action beside the others. Answered by `ActionDone`, some time."""

    run: int
    call: Call


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a client sent, but for the body."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    client: str | None = None
    """Its address."""

    has_body: bool = False


class RunHttp(msgspec.Struct, frozen=True, kw_only=True, tag="run_http"):
    """
    To an actor: answer this request, beside the other actions.

    Answered by `ResponseStart` and `ResponsePiece`s, if it comes to that, and by `ActionDone` in the end.
    """

    run: int
    call: Call
    """Its path is the route's name, `GET /profile/*`."""

    request: HttpRequest
    token_refused: tuple[str, str] | None = None
    """Why nobody knows whose the request's token is: code and sentence. Told to who asks for the identity."""


class RequestPiece(msgspec.Struct, frozen=True, kw_only=True, tag="request_piece"):
    """To an actor: more of a request's body, or its end."""

    run: int
    data: bytes = b""
    end: BodyEnd | None = None


class ResponseCredit(msgspec.Struct, frozen=True, kw_only=True, tag="response_credit"):
    """To an actor: so many bytes of the response have gone to the client."""

    run: int
    size: int


class ClientLeft(msgspec.Struct, frozen=True, kw_only=True, tag="client_left"):
    """To an actor: nobody reads this run's response any more. The run goes on."""

    run: int


class CancelRuns(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_runs"):
    """To an actor: the server stops. Cancel all that runs; each is answered for when it has ended."""


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


class ResponseStart(msgspec.Struct, frozen=True, kw_only=True, tag="response_start"):
    """The head of an HTTP action's response."""

    run: int
    status: int
    headers: tuple[tuple[str, str], ...]


class ResponsePiece(msgspec.Struct, frozen=True, kw_only=True, tag="response_piece"):
    """More of a response's body, as far as there is credit."""

    run: int
    data: bytes


class RequestCredit(msgspec.Struct, frozen=True, kw_only=True, tag="request_credit"):
    """So many bytes of a request's body were taken by the action."""

    run: int
    size: int


class LoopHeld(msgspec.Struct, frozen=True, kw_only=True, tag="loop_held"):
    """An action kept the event loop from all the others. It is over."""

    path: str
    """Of the action's call."""

    place: str
    """Where it was meanwhile: `fetch (app_functions/feeds.py:12)`."""

    seconds: float


class ActionLogged(msgspec.Struct, frozen=True, kw_only=True, tag="action_logged"):
    """What an action that still runs has logged since the last of these. Its outcome holds all of it again."""

    run: int
    lines: list[str]


class Ask(msgspec.Struct, frozen=True, kw_only=True, tag="ask"):
    """An action calls a function; the gateway routes it like any other call."""

    ask: int
    run: int
    kind: Literal["query", "mutation", "action"]
    call: Call


ToIsolate: TypeAlias = (
    Load
    | Prepare
    | Adopt
    | Batch
    | OpenRound
    | RunCalls
    | CloseRound
    | Checkpoint
    | SetVariables
    | RunAction
    | Answer
    | RunHttp
    | RequestPiece
    | ResponseCredit
    | ClientLeft
    | CancelRuns
)
FromIsolate: TypeAlias = (
    Loaded
    | LoadFailed
    | Prepared
    | BatchDone
    | RoundOpened
    | CallDone
    | RoundClosed
    | Checkpointed
    | ActionDone
    | ActionLogged
    | Ask
    | ResponseStart
    | ResponsePiece
    | RequestCredit
    | LoopHeld
)
