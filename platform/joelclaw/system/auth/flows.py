"""
Flows: sign-ins at somebody else's that have begun and are not over.

A flow is one row, from the button to the session. It holds hashes: of its own id, which is in the
address that the browser opens; of the client's verifier; of the state, while the browser is at
the provider; of the code, once it is back. None of them can be made of the row.

    begun     waits for a browser          15 minutes
    opened    waits for the provider       the same 15 minutes; opened anew, it has another state
    claimed   the provider is being asked  a state is good for one answer
    done      has a code                   2 minutes, one redemption, a few tries
    spent     redeemed                     remembered, so that a second redemption is noticed

What the provider said stays sealed in the row until the code is redeemed: only then is anybody made a user. A
flow that nobody finishes changes nothing else, and its row goes by itself.

Elsewhere: `auth/oauth/method.py` draws what is random, seals, and asks the provider.
"""

from typing import Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.rate_limits import PlatformLimit
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.auth import sessions
from joelclaw.system.auth.accounts import Profile, resolve
from joelclaw.system.auth.sessions import Grant

FLOW_MS: Final = 15 * 60_000.0
KEPT_MS: Final = 15 * 60_000.0
"""A flow that has expired is known for so long: who comes back late is led back to the app, and not to a dead end."""

CODE_MS: Final = 2 * 60_000.0
OPENED_MAX: Final = 10
"""Browsers fetch pages before they are wanted, and people press buttons twice."""

TRIES_MAX: Final = 10

STARTS: Final = PlatformLimit("sign-in flows", rate=1_200, per="15m", burst=300)
"""Of one network: generous, because a server that renders pages asks for many people."""


class Flow(Table, expires_at="expires_at"):
    """Somebody is on their way to a provider, or back."""

    __table__ = "_auth_flows"
    flow_hash: str
    verifier_hash: str
    provider: str
    destination: str
    """Where in the app the browser ends. Checked when the flow began, and the only one that counts."""

    session: str | None
    """The login session of who has begun it."""

    valid_until: float
    expires_at: float
    opened: int = 0
    state_hash: str | UnsetType = UNSET
    claimed: bool = False
    code_hash: str | UnsetType = UNSET
    profile: str | UnsetType = UNSET
    """Sealed."""

    spent: bool = False
    tries: int = 0
    by_flow = index("flow_hash", unique=True)
    by_verifier = index("verifier_hash", unique=True)
    by_state = index("state_hash", unique=True)
    by_code = index("code_hash", unique=True)


class Step(Object):
    """Whether a flow goes on, and where its browser belongs if it does not."""

    kind: Literal["on", "expired", "unknown"]
    flow: str = ""
    destination: str = ""


class Found(Object):
    """Whose a code is to redeem."""

    provider: str
    profile: str | None = None
    """Sealed; None: there is no such code, but the verifier is a flow's of this provider."""


class Redemption(Object):
    """What came of a code."""

    kind: Literal["granted", "refused", "spent"]
    grant: Grant | None = None


@mutation
def begin(
    ctx: MutationCtx,
    flow_hash: str,
    verifier_hash: str,
    provider: str,
    destination: str,
    session: str | None,
    network: str,
) -> float | None:
    """Somebody wants to sign in. Seconds to wait, if too many of that network have; then there is no flow."""
    allowance = STARTS.try_take(ctx, network)
    if allowance.retry_at is not None:
        return (allowance.retry_at - ctx.now()) / 1_000
    valid_until = ctx.now() + FLOW_MS
    ctx.db.insert(
        Flow(
            flow_hash=flow_hash,
            verifier_hash=verifier_hash,
            provider=provider,
            destination=destination,
            session=session,
            valid_until=valid_until,
            expires_at=valid_until + KEPT_MS,
        )
    )
    return None


@mutation(name="open")
def open_flow(ctx: MutationCtx, flow_hash: str, provider: str, state_hash: str) -> Step:
    """A browser leaves for the provider. An earlier one that left with the same flow has another state, and is lost."""
    flow = ctx.db.find(Flow.by_flow, flow_hash=flow_hash)
    if flow is None or flow.provider != provider:
        return Step(kind="unknown")
    if flow.claimed or flow.opened >= OPENED_MAX:
        return Step(kind="unknown", destination=flow.destination)
    if flow.valid_until <= ctx.now():
        return Step(kind="expired", destination=flow.destination)
    ctx.db.patch(flow, opened=flow.opened + 1, state_hash=state_hash)
    return Step(kind="on", destination=flow.destination)


@mutation
def claim(ctx: MutationCtx, state_hash: str, provider: str) -> Step:
    """A browser is back. Whoever claims first may ask the provider; nobody else ever finds this state again."""
    flow = ctx.db.find(Flow.by_state, state_hash=state_hash)
    if flow is None or flow.provider != provider:
        return Step(kind="unknown")
    if flow.valid_until <= ctx.now():
        ctx.db.delete(flow)
        return Step(kind="expired", destination=flow.destination)
    ctx.db.patch(flow, claimed=True, state_hash=UNSET)
    return Step(kind="on", flow=flow.id, destination=flow.destination)


@mutation
def finish(ctx: MutationCtx, flow: Id[Flow], code_hash: str, profile: str) -> bool:
    """The provider has said who it is: keep it, sealed, for whoever has the code. False: the flow is gone."""
    found = ctx.db.get(flow)
    if found is None:
        return False
    ctx.db.patch(found, code_hash=code_hash, profile=profile, expires_at=ctx.now() + CODE_MS)
    return True


@mutation
def abandon(ctx: MutationCtx, flow: Id[Flow]) -> None:
    """The provider has refused, or cannot be believed: the flow is over."""
    found = ctx.db.get(flow)
    if found is not None:
        ctx.db.delete(found)


@query
def find(ctx: QueryCtx, code_hash: str, verifier_hash: str) -> Found | None:
    """The flow that a code is of, otherwise the one that a verifier is of."""
    flow = ctx.db.find(Flow.by_code, code_hash=code_hash)
    if flow is not None:
        return Found(provider=flow.provider, profile=None if flow.profile is UNSET else flow.profile)
    flow = ctx.db.find(Flow.by_verifier, verifier_hash=verifier_hash)
    return None if flow is None else Found(provider=flow.provider)


@mutation
def redeem(
    ctx: MutationCtx,
    code_hash: str,
    verifier_hash: str,
    provider: str,
    profile: Profile | None,
    replacing: str | None,
    refresh: str,
) -> Redemption:
    """
    Sign in whoever has a flow's code and verifier; everything, or nothing but a try that counts.

    `profile` is what was sealed; `replacing` the login session of who asks, otherwise that of who has begun it ends.
    """
    flow = ctx.db.find(Flow.by_code, code_hash=code_hash)
    if flow is None:
        guessed = ctx.db.find(Flow.by_verifier, verifier_hash=verifier_hash)
        return _refused(ctx, guessed)
    if flow.provider != provider or flow.verifier_hash != verifier_hash:
        return _refused(ctx, flow)
    if flow.spent:
        return Redemption(kind="spent")
    if flow.expires_at <= ctx.now() or profile is None:
        return Redemption(kind="refused")
    # Only while the session goes on is whoever began it still who they were.
    account = resolve(ctx, profile, initiating_user=sessions.user_of(ctx, flow.session))
    grant = sessions.open_session(ctx, account, replacing=replacing or flow.session, refresh=refresh)
    ctx.db.patch(flow, spent=True, profile=UNSET)
    return Redemption(kind="granted", grant=grant)


def _refused(ctx: MutationCtx, flow: Flow | None) -> Redemption:
    """Whoever guesses may guess a few times; then the flow is over for everybody."""
    if flow is not None and not flow.spent:
        if flow.tries + 1 >= TRIES_MAX:
            ctx.db.delete(flow)
        else:
            ctx.db.patch(flow, tries=flow.tries + 1)
    return Redemption(kind="refused")
