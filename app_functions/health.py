"""
Health: how the parts of the system are, as they tell it themselves, and whether our sources answer.

Whatever runs somewhere reports here every now and then, and says for how long that counts. When a component stops
reporting, it turns silent by itself at that moment: nobody has to notice, and nobody writes.

Reports come from machines that have an admin key, as the `convex` Python package uses it:

    client = ConvexClient("https://api.example.com")
    client.set_admin_auth(key)
    client.mutation("health:report", {"component": "gateway", "state": "up", "detail": "12 sessions"})

Elsewhere: `_sources.py` has how a source's tries are remembered.
"""

from datetime import timedelta
from typing import Annotated, Final, Literal, get_args

from app_functions._people import OWNER
from joelclaw import Meta, MutationCtx, Object, QueryCtx, mutation, query, role
from schema import Component, ComponentName, ComponentState, Sentence, Source, SourceName

COMPONENTS_MAX: Final = 200
DAY_S: Final = 86_400.0

SETTINGS: Final[dict[SourceName, str]] = {"slog": "SLOG_PATH", "inngest": "INNGEST_URL", "redis": "REDIS_URL"}
"""The variable that says where a source is; without it the source is not configured."""

QUIET_FOR: Final = timedelta(minutes=12)
"""A source of which nothing is known for so long is asked by nobody any more."""

QUIET_SOONER: Final[dict[SourceName, timedelta]] = {"redis": timedelta(minutes=3)}
"""Those that are listened to all the time."""


class ComponentSeen(Object):
    """A component, as the owner sees it. `silent`: it has not reported in time."""

    name: str
    state: Literal["up", "degraded", "down", "silent"]
    detail: str
    reported_at: float


class SourceSeen(Object):
    """A source, as the owner sees it. `silent`: nobody has asked it for minutes."""

    name: SourceName
    state: Literal["not configured", "waiting", "up", "down", "silent"]
    setting: str
    """The variable that configures it."""

    problem: str | None = None
    down_since: float | None = None
    good_at: float | None = None
    """When it answered last, to a minute."""


@query(allow=role(OWNER))
def components(ctx: QueryCtx) -> list[ComponentSeen]:
    """All components that ever reported, by name."""
    found = ctx.db.query(Component.by_name).take(COMPONENTS_MAX)
    return [
        ComponentSeen(
            name=one.name,
            state=one.state if ctx.within(one.reported_at, timedelta(seconds=one.fresh_for_s)) else "silent",
            detail=one.detail,
            reported_at=one.reported_at,
        )
        for one in found
    ]


@query(allow=role(OWNER))
def sources(ctx: QueryCtx) -> list[SourceSeen]:
    """All sources, whether configured or not."""
    return [_seen(ctx, name) for name in get_args(SourceName)]


@mutation
def report(
    ctx: MutationCtx,
    component: ComponentName,
    state: ComponentState,
    detail: Sentence = "",
    fresh_for_s: Annotated[float, Meta(ge=1, le=DAY_S)] = 90.0,
) -> None:
    """How a component is, which counts for so many seconds."""
    known = ctx.db.find(Component.by_name, name=component)
    now = ctx.now()
    if known is None:
        ctx.db.insert(Component(name=component, state=state, detail=detail, reported_at=now, fresh_for_s=fresh_for_s))
    else:
        ctx.db.patch(known, state=state, detail=detail, reported_at=now, fresh_for_s=fresh_for_s)


@mutation(allow=role(OWNER))
def forget(ctx: MutationCtx, component: str) -> None:
    """Take a component off the list that is gone for good. If it is not, its next report brings it back."""
    known = ctx.db.find(Component.by_name, name=component)
    if known is not None:
        ctx.db.delete(known)


def _seen(ctx: QueryCtx, name: SourceName) -> SourceSeen:
    setting = SETTINGS[name]
    if not ctx.env.get(setting, ""):
        return SourceSeen(name=name, state="not configured", setting=setting)
    source = ctx.db.find(Source.by_name, name=name)
    if source is None:
        return SourceSeen(name=name, state="waiting", setting=setting)
    seen = SourceSeen(
        name=name,
        state="up",
        setting=setting,
        problem=source.problem,
        down_since=source.down_since,
        good_at=source.good_at,
    )
    if source.problem is not None:
        seen.state = "down"
    elif source.good_at is not None and not ctx.within(source.good_at, QUIET_SOONER.get(name, QUIET_FOR)):
        seen.state = "silent"
    return seen
