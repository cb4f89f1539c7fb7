"""
Subscribers: the live half of a connection, what it was sent, what it asks for, what it is owed.

Plain state that the reactor alone changes. The other half, messages and sockets, lives in
`sync/` and is reached through `Outbound`.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, Protocol

from joelclaw.engine.results import Entry, Result
from joelclaw.functions.calls import Identity

if TYPE_CHECKING:
    from joelclaw.engine.reactor import Round

UNSENT_TRANSITIONS_MAX = 2
"""Then a subscriber waits until its socket drains, and gets the newest state only."""


class Version(NamedTuple):
    """Where a client is: query set, identity, snapshot."""

    query_set: int
    identity: int
    ts: int


class Transition(NamedTuple):
    """From one consistent view to the next; `updates` by ascending query id."""

    start: Version
    end: Version
    updates: list[tuple[int, Result]]
    removed: Collection[int]


class Subscription:
    """One query of one client."""

    __slots__ = ("args", "entry", "journal", "path", "refusal", "subscriber")

    def __init__(self, subscriber: "Subscriber", path: str, args: bytes, journal: str | None) -> None:
        self.subscriber = subscriber
        self.path = path
        self.args = args
        self.journal = journal
        self.entry: Entry | None = None
        self.refusal: Result | None = None


class Outbound(Protocol):
    """Where a subscriber's messages go; the order of the calls is the order on the wire."""

    def transition(self, transition: Transition) -> None: ...

    def response(self, response: object) -> None: ...

    @property
    def unsent_transitions(self) -> int:
        """Transitions handed over and not yet taken by the socket."""
        ...


class Subscriber:
    """One connection: what it was sent, what it asks for, what it is owed."""

    __slots__ = (
        "alive",
        "dirty",
        "identity",
        "identity_key",
        "identity_no",
        "outbound",
        "owed_ts",
        "privileged",
        "queries",
        "query_set",
        "read_only",
        "removed",
        "round",
        "sent",
        "told",
        "waiting",
    )

    def __init__(self, outbound: Outbound) -> None:
        self.outbound = outbound
        self.sent = Version(0, 0, 0)
        self.query_set = 0
        self.identity_no = 0
        self.identity: Identity | None = None
        self.identity_key = ""
        self.privileged = False
        self.read_only = False
        """An administrator who may look and change nothing."""

        self.queries: dict[int, Subscription] = {}
        self.removed: set[int] = set()
        self.told: dict[int, bytes] = {}
        """Digest of what each query was last told."""
        self.owed_ts: int | None = None
        """The newest commit (0: a failure) whose response no transition covers yet."""
        self.dirty = False
        self.round: Round | None = None
        self.waiting = False
        self.alive = True

    def has_room(self) -> bool:
        return self.outbound.unsent_transitions < UNSENT_TRANSITIONS_MAX
