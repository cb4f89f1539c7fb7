"""
Cached results: what a query answered, for which snapshots and times it holds, and for whom.

A *node* is one result with its validity: snapshots in `[since, until)`, `until` being the
first commit that met its read set, and moments in `[ran_at, expires)`. An *entry* is one query
with its arguments; it has at most one node for everybody and one for each identity whose
run looked at the identity.

The cache holds its nodes up to a number of bytes. A node that somebody subscribes to is kept
whatever it weighs: without its read set its subscribers would hear of nothing. The others, *idle*
ones, are dropped when the cache is too heavy, the longest unused first.
"""

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from joelclaw.functions.calls import INFINITY, Failure, Outcome, Range

if TYPE_CHECKING:
    from joelclaw.engine.subscribers import Subscriber, Subscription

NODE_OVERHEAD_BYTES = 1_000
READ_OVERHEAD_BYTES = 300
"""What a node costs beside its JSON, and each range of its read set, roughly: objects, places in indexes."""

ISOLATE_DIED = "isolate_died"
"""The code of failures that cost a process."""

EVERYBODY = None
"""The audience of a result that did not look at the identity."""


REQUEST_ID_LENGTH = 16
"""Hexadecimal digits."""


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

    __slots__ = ("_digest", "_request_id", "failure", "journal", "log_lines", "text", "value")

    def __init__(self, outcome: Outcome, request_id: str = "") -> None:
        self._request_id = request_id
        self.value = outcome.value
        self.failure: Failure | None = outcome.failure
        self.log_lines = outcome.log_lines
        self.journal = outcome.journal
        self._digest = b""
        self.text: str | None = None
        """How the protocol wrote it, kept by the protocol for the next client."""

    @property
    def digest(self) -> bytes:
        """
        Equal digests: the same answer, log lines included. All that is kept of what a client was told.

        Made when it is first asked for: most answers of single queries are never compared.
        """
        if not self._digest:
            self._digest = self._make_digest()
        return self._digest

    @property
    def request_id(self) -> str:
        """
        Under which id the run is in the log: that of the request that it ran for, or one of its own.

        What many wait for runs once, so all are told one id.
        """
        return self._request_id or self.digest.hex()[:REQUEST_ID_LENGTH]

    @property
    def size_bytes(self) -> int:
        """What it weighs, `text` included even before it is there."""
        return 2 * (len(self.value) + sum(map(len, self.log_lines)))

    def _make_digest(self) -> bytes:
        state = blake2b(self.value, digest_size=16)
        if self.failure is not None:
            # All of it: what of it is told depends on who asks. A message may hold half a character.
            state.update(b"\0failure\0" + repr(self.failure).encode("utf-8", "backslashreplace"))
        for line in self.log_lines:
            state.update(b"\0" + line.encode("utf-8", "replace"))
        return state.digest()


class Node:
    """A result and when it holds."""

    __slots__ = ("audience", "entry", "expires", "number", "ran_at", "reads", "result", "since", "size_bytes", "until")

    def __init__(
        self, number: int, entry: "Entry", audience: str | None, result: Result, reads: tuple[Range, ...]
    ) -> None:
        self.number = number
        """Nodes are numbered in the order in which they were made."""
        self.entry = entry
        self.audience = audience
        self.result = result
        self.reads = reads
        self.size_bytes = result.size_bytes + NODE_OVERHEAD_BYTES + READ_OVERHEAD_BYTES * len(reads)
        self.since = 0
        self.until: float = INFINITY
        self.ran_at = 0.0
        self.expires = INFINITY

    @property
    def current(self) -> bool:
        """No commit met it yet. It is filed in the read index as long as it is, and in the cache."""
        return self.until == INFINITY

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
        self.subscriptions: dict[str, dict[Subscription, None]] = {}
        """By identity key, so that a personal result wakes its own subscribers only; in order, so that runs repeat."""

    def find(self, identity_key: str, ts: int, now: float) -> Node | None:
        """A node that holds for this identity, snapshot and moment."""
        node = self.shared
        if node is not None and node.since <= ts < node.until and node.ran_at <= now < node.expires:
            return node
        node = self.personal.get(identity_key) if self.personal else None
        return node if node is not None and node.valid(ts, now) else None

    def node(self, audience: str | None) -> Node | None:
        return self.shared if audience is EVERYBODY else self.personal.get(audience)

    def watchers(self, audience: str | None) -> "Iterator[Subscriber]":
        """Whose view shows this audience's result, or may come to."""
        groups = self.subscriptions.values() if audience is EVERYBODY else [self.subscriptions.get(audience, {})]
        return (subscription.subscriber for group in groups for subscription in group)

    def wanted(self, audience: str | None) -> bool:
        """Does anybody subscribe to what it answers for this audience?"""
        return bool(self.subscriptions) if audience is EVERYBODY else audience in self.subscriptions

    @property
    def unused(self) -> bool:
        """It holds nothing, and nobody subscribes."""
        return not (self.subscriptions or self.shared or self.personal)


class Cache:
    """All entries, and the bytes that their nodes weigh."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.size_bytes = 0
        self._entries: dict[QueryKey, Entry] = {}
        self._idle: OrderedDict[Node, None] = OrderedDict()
        """Nodes whose audience does not subscribe, the longest unused first."""

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: QueryKey) -> Entry | None:
        return self._entries.get(key)

    def entry(self, key: QueryKey) -> Entry:
        """The entry of a query, made if there is none: give it a node or a subscription."""
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = Entry(key)
        return entry

    def used(self, node: Node) -> None:
        """Somebody was answered with it: of the idle ones it is the last to be dropped."""
        if node in self._idle:
            self._idle.move_to_end(node)

    def put(self, node: Node) -> None:
        """Keep a node, in the place of the one that its entry has for the same audience."""
        entry = node.entry
        displaced = entry.node(node.audience)
        if displaced is not None:
            self._take_out(displaced)
        if node.audience is EVERYBODY:
            entry.shared = node
        else:
            entry.personal[node.audience] = node
        self.size_bytes += node.size_bytes
        if not entry.wanted(node.audience):
            self._idle[node] = None

    def drop(self, node: Node) -> None:
        """Forget a node, and its entry with the last."""
        self._take_out(node)
        if node.entry.unused:
            del self._entries[node.entry.key]

    def _take_out(self, node: Node) -> None:
        if node.audience is EVERYBODY:
            node.entry.shared = None
        else:
            del node.entry.personal[node.audience]
        self.size_bytes -= node.size_bytes
        self._idle.pop(node, None)

    def holds(self, node: Node) -> bool:
        return node.entry.node(node.audience) is node

    def subscribe(self, entry: Entry, identity_key: str, subscription: "Subscription") -> None:
        """From now on what it answers for this identity is wanted."""
        entry.subscriptions.setdefault(identity_key, {})[subscription] = None
        for node in entry.shared, entry.personal.get(identity_key):
            if node is not None:
                self._idle.pop(node, None)

    def unsubscribe(self, entry: Entry, identity_key: str, subscription: "Subscription") -> None:
        """What nobody wants any more becomes idle; what does not hold any more either is dropped."""
        group = entry.subscriptions.get(identity_key)
        if group is None or subscription not in group:
            return
        del group[subscription]
        if group:
            return
        del entry.subscriptions[identity_key]
        for node in entry.shared, entry.personal.get(identity_key):
            if node is None or entry.wanted(node.audience):
                continue
            if node.current:
                self._idle[node] = None
            else:
                self._take_out(node)
        if entry.unused and self._entries.get(entry.key) is entry:
            del self._entries[entry.key]

    def overweight(self) -> Node | None:
        """The node to drop next, as long as the cache is too heavy."""
        if self.size_bytes <= self.bytes_max or not self._idle:
            return None
        return next(iter(self._idle))

    def clear(self) -> None:
        """Forget everything, as after a deploy. Entries that somebody still holds live on unconnected."""
        self.size_bytes = 0
        self._entries, self._idle = {}, OrderedDict()
