"""
Invitations: a link whose holder may become a member of a room, until it expires, is used up, or is revoked.

The token in the link is made by the owner's page, which hands it over here once and shows it once. Kept is
its SHA-256 alone, so a copy of the database lets nobody in. It is no *result* of a mutation on purpose:
results are kept for some days, so that a client whose connection broke can ask again; arguments are not. And
whoever asks again with the same token has made one invitation, not two.

Whether an invitation is good depends on what time it is, and is asked in a way that an open page hears:
it turns by itself.
"""

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

from app_functions._membership import is_member, let_in
from app_functions._people import OWNER, who
from app_functions.chat import GONE
from joelclaw import (
    AppError,
    Id,
    Meta,
    MutationCtx,
    Object,
    QueryCtx,
    RateLimit,
    anyone,
    mutation,
    query,
    role,
    signed_in,
)
from schema import Invitation, Member, Room, User

ACCEPTED: Final = RateLimit("invitations accepted", rate=30, per="1h")

OPEN_MAX: Final = 100
"""Invitations that a room has at once, those that are over and not forgotten yet included."""

DAY_MS: Final = 24 * 3_600_000.0
REMEMBERED_MS: Final = 30 * DAY_MS

ValidFor: TypeAlias = Literal["1h", "1d", "7d", "30d"]
VALID_MS: Final[dict[ValidFor, float]] = {"1h": DAY_MS / 24, "1d": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}

Token = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{32,64}$")]
"""At least 192 random bits in base64url: nobody guesses one, so nobody has to count guesses."""

State: TypeAlias = Literal["good", "expired", "used_up", "revoked", "room_closed", "unknown"]

REFUSALS: Final[dict[State, str]] = {
    "expired": "This invitation has expired. Ask for another one.",
    "used_up": "This invitation has been used up. Ask for another one.",
    "revoked": "This invitation was taken back.",
    "room_closed": "The room was closed meanwhile.",
    "unknown": "There is no such invitation. Perhaps a part of the link is missing.",
}


class Invited(Object):
    """What an invitation says to whoever holds its link."""

    state: State
    room_title: str | None = None
    invited_by: str | None = None
    good_until: float | None = None


class InvitationListed(Object):
    """An invitation, as the owner sees it."""

    id: Id[Invitation]
    note: str
    state: State
    good_until: float
    uses_left: int


@mutation(allow=role(OWNER))
def create(
    ctx: MutationCtx,
    room: Id[Room],
    token: Token,
    valid_for: ValidFor = "7d",
    uses: Annotated[int, Meta(ge=1, le=100)] = 1,
    note: str = "",
) -> Id[Invitation]:
    """Invite whoever gets to know the token."""
    digest = _digest(token)
    known = ctx.db.find(Invitation.by_token, token_digest=digest)
    if known is not None:
        return known.id
    if ctx.db.query(Invitation.by_room, room=room).count() >= OPEN_MAX:
        raise AppError({"code": "too_many", "message": f"This room has {OPEN_MAX} invitations. Revoke some first."})
    ctx.db.require(room)
    good_until = ctx.now() + VALID_MS[valid_for]
    return ctx.db.insert(
        Invitation(
            room=room,
            token_digest=digest,
            note=note.strip(),
            by=who(ctx).id,
            good_until=good_until,
            uses_left=uses,
            forget_at=good_until + REMEMBERED_MS,
        )
    )


@query(allow=anyone)
def look(ctx: QueryCtx, token: str) -> Invited:
    """What an invitation is good for; an open page is told when it is over."""
    invitation = ctx.db.find(Invitation.by_token, token_digest=_digest(token))
    state = _state(ctx, invitation)
    if invitation is None or state == "revoked":
        return Invited(state=state)
    room, inviter = ctx.db.get(invitation.room), ctx.db.get(invitation.by)
    return Invited(
        state=state,
        room_title=None if room is None else room.title,
        invited_by=GONE if inviter is None else inviter.name,
        good_until=invitation.good_until,
    )


@mutation(allow=signed_in)
def accept(ctx: MutationCtx, token: str) -> Id[Room]:
    """Become a member; who is one already uses nothing up."""
    user = who(ctx).id
    invitation = ctx.db.find(Invitation.by_token, token_digest=_digest(token))
    if invitation is not None and is_member(ctx, invitation.room, user):
        return invitation.room
    state = _state(ctx, invitation)
    if invitation is None or state != "good":
        raise AppError({"code": state, "message": REFUSALS[state]})
    if _was_put_out_since(ctx, invitation, user):
        raise AppError({"code": "put_out", "message": "You were put out of this room. Ask for a new invitation."})
    ACCEPTED.take(ctx, user)
    let_in(ctx, invitation.room, user)
    ctx.db.patch(invitation, uses_left=invitation.uses_left - 1)
    return invitation.room


@query(allow=role(OWNER))
def of_room(ctx: QueryCtx, room: Id[Room]) -> list[InvitationListed]:
    """The invitations to a room, the newest first; what is over is listed for some weeks."""
    return [
        InvitationListed(
            id=one.id,
            note=one.note,
            state=_state(ctx, one),
            good_until=one.good_until,
            uses_left=one.uses_left,
        )
        for one in ctx.db.query(Invitation.by_room, room=room).order("desc").take(OPEN_MAX)
    ]


@mutation(allow=role(OWNER))
def revoke(ctx: MutationCtx, id: Id[Invitation]) -> None:
    """Take an invitation back. Who came in with it stays."""
    ctx.db.patch(id, revoked=True)


def _digest(token: str) -> str:
    # Random enough that nobody could try all of them: a salt or a slow digest would add nothing.
    return hashlib.sha256(token.encode()).hexdigest()


def _state(ctx: QueryCtx, invitation: Invitation | None) -> State:
    if invitation is None:
        return "unknown"
    if invitation.revoked:
        return "revoked"
    if not ctx.before(invitation.good_until):
        return "expired"
    if invitation.uses_left == 0:
        return "used_up"
    room = ctx.db.get(invitation.room)
    return "good" if room is not None and room.closed_at is None else "room_closed"


def _was_put_out_since(ctx: QueryCtx, invitation: Invitation, user: Id[User]) -> bool:
    """The link that somebody came in with does not let them in again after they were put out."""
    found = ctx.db.find(Member.by_room, room=invitation.room, user=user)
    return found is not None and found.removed_at is not None and found.removed_at >= invitation.creation_time
