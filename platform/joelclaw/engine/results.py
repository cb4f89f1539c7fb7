"""
Cached results: what a query answered, for which snapshots and times it holds, and for whom.

A *node* is one result with its validity: snapshots in `[since, until)`, `until` being the
first commit that met its read set, and moments in `[ran_at, expires)`. An *entry* is one query
with its arguments; it has at most one node for everybody and one for each identity whose
run looked at the identity.

The cache holds its nodes up to a number of bytes. Entries that somebody subscribes to are
kept whatever they weigh: without their read sets their subscribers would hear of nothing.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from joelclaw.functions.calls import INFINITY, Failure, Outcome, Range

if TYPE_CHECKING:
    from joelclaw.engine.subscribers import Subscription

NODE_OVERHEAD_BYTES = 1_000
"""What a node costs beside its JSON, roughly: objects, read set, places in indexes."""

EVERYBODY = None
"""The audience of a result that did not look at the identity."""


class QueryKey(NamedTuple):
    """One query as the cache sees it: equal keys have equal results on one snapshot, for one identity."""

    path: str
    args: bytes
    """Canonical wire JSON."""

    journal: str | None = None
    privileged: bool = False
    """Rules of the app were skipped, so the result is for those who may skip them."""


class Result:
    """What a run answered; never changes."""

    __slots__ = ("digest", "failure", "journal", "log_lines", "text", "value")

    def __init__(self, outcome: Outcome) -> None:
        self.value = outcome.value
        self.failure: Failure | None = outcome.failure
        self.log_lines = outcome.log_lines
        self.journal = outcome.journal
        self.digest = _digest(outcome)
        """Equal digests: the same answer, log lines included. All that is kept of what a client was told."""
        self.text: str | None = None
        """How the protocol wrote it, kept by the protocol for the next client."""

    @property
    def size_bytes(self) -> int:
        return len(self.value) + NODE_OVERHEAD_BYTES


def _digest(outcome: Outcome) -> bytes:
    state = blake2b(outcome.value, digest_size=16)
    failure = outcome.failure
    if failure is not None:
        state.update(b"\0failure\0" + failure.message.encode("utf-8", "replace") + b"\0" + (failure.data or b"-"))
    for line in outcome.log_lines:
        state.update(b"\0" + line.encode("utf-8", "replace"))
    return state.digest()


class Node:
    """A result and when it holds."""

    __slots__ = ("audience", "entry", "expires", "ran_at", "reads", "result", "since", "until")

    def __init__(self, entry: "Entry", audience: str | None, result: Result, reads: tuple[Range, ...]) -> None:
        self.entry = entry
        self.audience = audience
        self.result = result
        self.reads = reads
        self.since = 0
        self.until: float = INFINITY
        self.ran_at = 0.0
        self.expires = INFINITY

    def valid(self, ts: int, now: float) -> bool:
        return self.since <= ts < self.until and self.ran_at <= now < self.expires

    @property
    def timed(self) -> bool:
        return self.ran_at > 0 or self.expires < INFINITY


class Entry:
    """One query with its arguments: its results, and who wants to hear of new ones."""

    __slots__ = ("key", "personal", "shared", "subscriptions")

    def __init__(self, key: QueryKey) -> None:
        self.key = key
        self.shared: Node | None = None
        self.personal: dict[str, Node] = {}
        self.subscriptions: dict[str, set[Subscription]] = {}
        """By identity key, so that a personal result wakes its own subscribers only."""

    def find(self, identity_key: str, ts: int, now: float) -> Node | None:
        """A node that holds for this identity, snapshot and moment."""
        node = self.shared
        if node is not None and node.since <= ts < node.until and node.ran_at <= now < node.expires:
            return node
        node = self.personal.get(identity_key) if self.personal else None
        return node if node is not None and node.valid(ts, now) else None

    def node(self, audience: str | None) -> Node | None:
        return self.shared if audience is None else self.personal.get(audience)

    def nodes(self) -> list[Node]:
        return ([self.shared] if self.shared else []) + list(self.personal.values())


class Cache:
    """All entries, and the bytes that their nodes weigh."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.size_bytes = 0
        self._entries: dict[QueryKey, Entry] = {}
        self._idle: OrderedDict[Entry, None] = OrderedDict()
        """Entries nobody subscribes to, the longest unused first."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: QueryKey) -> Entry | None:
        entry = self._entries.get(key)
        if entry is not None and not entry.subscriptions:
            self._idle.move_to_end(entry)
        return entry

    def entry(self, key: QueryKey) -> Entry:
        """The entry of a query, made if there is none."""
        entry = self.find(key)
        if entry is None:
            entry = self._entries[key] = Entry(key)
            self._idle[entry] = None
        return entry

    def put(self, node: Node) -> Node | None:
        """Keep a node in its entry; returns the one that it displaces."""
        displaced = node.entry.node(node.audience)
        if displaced is not None:
            self.drop(displaced)
        if node.audience is None:
            node.entry.shared = node
        else:
            node.entry.personal[node.audience] = node
        self.size_bytes += node.result.size_bytes
        return displaced

    def drop(self, node: Node) -> None:
        if node.audience is None:
            node.entry.shared = None
        else:
            del node.entry.personal[node.audience]
        self.size_bytes -= node.result.size_bytes

    def holds(self, node: Node) -> bool:
        return node.entry.node(node.audience) is node

    def subscribed(self, entry: Entry) -> None:
        """Somebody subscribes to it now: it is not to be dropped."""
        self._idle.pop(entry, None)

    def unsubscribed(self, entry: Entry) -> None:
        """Nobody does any more."""
        if self._entries.get(entry.key) is not entry:
            return
        if entry.nodes():
            self._idle[entry] = None
        else:
            del self._entries[entry.key]

    def discard(self, entry: Entry) -> list[Node]:
        """Forget an idle entry; returns the nodes that went with it."""
        nodes = entry.nodes()
        for node in nodes:
            self.drop(node)
        self._idle.pop(entry, None)
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        return nodes

    def overweight(self) -> Entry | None:
        """The entry to discard next, as long as the cache is too heavy."""
        if self.size_bytes <= self.bytes_max or not self._idle:
            return None
        return next(iter(self._idle))

    def clear(self) -> None:
        """Forget everything, as after a deploy. Entries that somebody still holds live on unconnected."""
        self.size_bytes = 0
        self._entries, self._idle = {}, OrderedDict()
