"""
The network map: nodes, pods and daemons, and what runs on what.

Collectors look at machines. Each one's set is replaced as a whole, in one transaction, so what vanished vanishes and
no page sees half a set; documents that say the same are not written. A collector that fails changes nothing but
its own document: what it saw last stays, and is marked as old when it has not been seen again for a while, by time.

There are two maps. That of strangers has invented names and nothing else of the machines, and is the same for
everybody, so it runs once for all; that of the owner has everything. A machine has the same id on both.

Daemons say themselves that they are alive. Their heartbeats are kept apart from the sets, which neither wake nor wait.

Elsewhere: `kubernetes.py` is a collector, `_names.py` invents names.
"""

from typing import Annotated, Final, Literal

from app_functions._names import invented_name
from app_functions._people import OWNER
from joelclaw import AppError, Meta, MutationCtx, Object, QueryCtx, anyone, mutation, query, role
from schema import Collector, CollectorName, Heartbeat, Machine, MachineKey, NameSecret

FRESH: Final = "2m"
"""A set that was not seen again for so long is old."""

ALIVE: Final = "45s"
"""A daemon that was not heard of for so long is silent."""

HEARTBEAT_KEPT_MS: Final = 24 * 3_600_000.0
MACHINES_MAX: Final = 1_000
"""Of one collector."""

HEARTBEATS_MAX: Final = 200

State = Literal["ready", "waiting", "failed", "silent"]


class Item(Object):
    """A machine, as a collector sees it. `runs_on` is the key of another of the same set."""

    key: MachineKey
    kind: Literal["node", "pod", "daemon"]
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    state: Literal["ready", "waiting", "failed"] = "ready"
    detail: Annotated[str, Meta(max_length=300)] = ""
    runs_on: MachineKey | None = None


class Shown(Object):
    """A machine on the map. `runs_on` is the id of another that is on it, too."""

    id: str
    name: str
    kind: Literal["node", "pod", "daemon"]
    state: State
    runs_on: str | None
    old: bool
    """Its collector has not seen it for a while: it may be otherwise by now."""

    detail: str = ""
    """For the owner."""


class Source(Object):
    """Where a part of the map comes from."""

    name: str
    old: bool
    seen_at: float | None
    """When it is old: as of when it is. Told of a fresh one, it would change the map at every look."""

    error: str | None = None
    """For the owner."""


class Map(Object):
    """Everything at one moment; nodes first, then by name."""

    machines: list[Shown]
    sources: list[Source]


# -- asking


@query(allow=anyone)
def public_map(ctx: QueryCtx) -> Map:
    """The map of strangers and readers."""
    return _map(ctx, real=False)


@query(allow=role(OWNER))
def real_map(ctx: QueryCtx) -> Map:
    """The owner's: real names, details, and why a collector fails."""
    return _map(ctx, real=True)


# -- collecting


@mutation
def replace(
    ctx: MutationCtx, collector: CollectorName, items: Annotated[list[Item], Meta(max_length=MACHINES_MAX)]
) -> int:
    """These are all machines that this collector sees; how many documents had to be written or deleted."""
    seen = {item.key: item for item in items}
    if len(seen) < len(items):
        raise AppError({"code": "repeated_key", "message": "A key stands there twice; each machine has its own."})
    known = {machine.key: machine for machine in ctx.db.query(Machine.by_collector, collector=collector)}
    gone = [machine for key, machine in known.items() if key not in seen]
    # First, so that their names are free.
    for machine in gone:
        ctx.db.delete(machine)
    changed = sum(_keep(ctx, collector, item, known.get(item.key)) for item in items)
    _tell(ctx, collector, seen_at=ctx.now(), error=None)
    return len(gone) + changed


@mutation
def failed(ctx: MutationCtx, collector: CollectorName, error: str) -> None:
    """This collector sees nothing just now. What it saw last stays."""
    known = ctx.db.find(Collector.by_name, name=collector)
    _tell(ctx, collector, seen_at=None if known is None else known.seen_at, error=error[:500])


@mutation
def heartbeat(ctx: MutationCtx, keys: Annotated[list[MachineKey], Meta(max_length=HEARTBEATS_MAX)]) -> None:
    """These daemons are alive."""
    now = ctx.now()
    for key in keys:
        heard = ctx.db.find(Heartbeat.by_key, key=key)
        if heard is None:
            ctx.db.insert(Heartbeat(key=key, at=now, forget_at=now + HEARTBEAT_KEPT_MS))
        else:
            ctx.db.patch(heard, at=now, forget_at=now + HEARTBEAT_KEPT_MS)


# -- helpers


def _map(ctx: QueryCtx, *, real: bool) -> Map:
    sources = [_source(ctx, collector, real=real) for collector in ctx.db.query(Collector.by_name)]
    old = {source.name for source in sources if source.old}
    machines = ctx.db.query(Machine.by_collector).collect()
    ids = {(machine.collector, machine.key): machine.public_name for machine in machines}
    shown = [
        Shown(
            id=machine.public_name,
            name=machine.name if real else machine.public_name,
            kind=machine.kind,
            state=_state(ctx, machine),
            runs_on=None if machine.runs_on is None else ids.get((machine.collector, machine.runs_on)),
            old=machine.collector in old,
            detail=machine.detail if real else "",
        )
        for machine in machines
    ]
    if not real:
        # What collectors are called says what there is.
        sources = [
            Source(name=f"source {number}", old=it.old, seen_at=it.seen_at) for number, it in enumerate(sources, 1)
        ]
    return Map(machines=sorted(shown, key=lambda it: (it.kind != "node", it.name)), sources=sources)


def _source(ctx: QueryCtx, collector: Collector, *, real: bool) -> Source:
    old = collector.seen_at is None or not ctx.within(collector.seen_at, FRESH)
    return Source(
        name=collector.name,
        old=old,
        seen_at=collector.seen_at if old else None,
        error=collector.error if real else None,
    )


def _state(ctx: QueryCtx, machine: Machine) -> State:
    if machine.kind == "daemon":
        heard = ctx.db.find(Heartbeat.by_key, key=machine.key)
        if heard is None or not ctx.within(heard.at, ALIVE):
            return "silent"
    return machine.state


def _keep(ctx: MutationCtx, collector: str, item: Item, known: Machine | None) -> bool:
    """Write a machine, unless it says the same already."""
    if known is None:
        name = invented_name(_secret(ctx), f"{collector} {item.key}", _Taken(ctx))
        ctx.db.insert(
            Machine(
                collector=collector,
                key=item.key,
                kind=item.kind,
                name=item.name,
                public_name=name,
                state=item.state,
                detail=item.detail,
                runs_on=item.runs_on,
            )
        )
        return True
    now = (item.kind, item.name, item.state, item.detail, item.runs_on)
    if now == (known.kind, known.name, known.state, known.detail, known.runs_on):
        return False
    ctx.db.patch(known, kind=item.kind, name=item.name, state=item.state, detail=item.detail, runs_on=item.runs_on)
    return True


class _Taken:
    """The public names that machines have."""

    def __init__(self, ctx: QueryCtx) -> None:
        self._ctx = ctx

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._ctx.db.find(Machine.by_public_name, public_name=name) is not None


def _secret(ctx: MutationCtx) -> str:
    kept = ctx.db.query(NameSecret).first()
    if kept is None:
        kept = NameSecret(secret=f"{ctx.random.getrandbits(128):032x}")
        ctx.db.insert(kept)
    return kept.secret


def _tell(ctx: MutationCtx, name: str, *, seen_at: float | None, error: str | None) -> None:
    known = ctx.db.find(Collector.by_name, name=name)
    if known is None:
        ctx.db.insert(Collector(name=name, seen_at=seen_at, error=error))
    else:
        ctx.db.patch(known, seen_at=seen_at, error=error)
