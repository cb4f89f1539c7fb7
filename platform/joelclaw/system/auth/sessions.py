"""
Login sessions: how long somebody stays signed in, and on which device.

A sign-in opens one; a token names it, and holds no longer than it. Short tokens are renewed by
refresh tokens, each good for one renewal. Here a refresh token is only its id: what a client
holds carries a MAC over it, which the gateway makes and checks, so whoever reads these rows
cannot make one.

    presented               becomes
    unknown, or the session is over     nothing, and nothing changes
    unused                              used; its child
    used a moment ago                   the same child for everybody, or whatever that one has become
    used, and the child is not          the answer was lost: the child is withdrawn, another one
    used, and so is the child           somebody has a copy: the session ends
    withdrawn                           as well: who lost the answer has it after all, or somebody else does

"A moment" is `[auth] reuse_window`: tabs, and servers that render pages, refresh at once.

What has ended is kept as long as tokens of it may be around (`EndedSession`): the gateway watches
these, refuses the tokens and tells the sockets that carry them. Everything else goes by itself
when its time is over.

Elsewhere: `accounts.py` decides who somebody is, `joelclaw/auth/sign_in.py` has the protocol,
`auth/own_tokens.py` the tokens.
"""

from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.errors import Misuse
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.rows import Scan
from joelclaw.functions.sign_in import STAND_IN, LoginSession, counts
from joelclaw.schema.bounds import gt
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.auth import users
from joelclaw.system.auth.accounts import Account, Profile, claims_of, resolve
from joelclaw.values import wire

REMEMBERED_MS: Final = 60_000.0
"""How much longer than its tokens an ended session is remembered: clocks differ, and tokens have leeway."""

LISTED_MAX: Final = 1_000
TAIL: Final = 256
PAGE: Final = 4_000
USERS_PAGE: Final = 200
"""Their documents are read, and may be large."""

CLAIMS_BYTES_MAX: Final = 2_000
"""With signature and base64 they make a token that a cookie holds."""

RESERVED_CLAIMS: Final = frozenset({"sub", "iss", "aud", "iat", "exp", "nbf", "jti"})
DESCENDANTS_MAX: Final = 1_000
"""Renewals within one window. Nobody has so many tabs."""


class OpenSession(Table, expires_at="expires_at"):
    """Somebody is signed in, on one device."""

    __table__ = "_auth_sessions"
    user: str
    account: Id[Account]
    ends_at: float
    """However often it is renewed."""

    expires_at: float
    """Without another renewal, and never after `ends_at`."""

    tokens_until: float
    """The last of its tokens ends here."""

    renewed_at: float
    by_user = index("user")


class RefreshToken(Table, expires_at="expires_at"):
    """One link of a session's chain of renewals."""

    __table__ = "_auth_refresh_tokens"
    token: str
    """Its id, random. What a client holds has a MAC beside it."""

    session: Id[OpenSession]
    expires_at: float
    used_at: float | UnsetType = UNSET
    child: str | UnsetType = UNSET
    """The id of the one that it was renewed into."""

    withdrawn: bool = False
    by_token = index("token", unique=True)
    by_session = index("session")


class EndedSession(Table, expires_at="until"):
    """A login session that has ended while tokens of it may still be around."""

    __table__ = "_auth_ended_sessions"
    session: str
    until: float
    by_session = index("session", unique=True)


class Ended(Object):
    """As the gateway knows of one."""

    session: str
    until: float


class Grant(Object):
    """Somebody is signed in: what the gateway makes a token and a refresh token of."""

    session: str
    user: str
    claims: dict[str, Any]
    expires_at: float
    """When the session is over unless it is renewed, and so no token of it holds longer."""

    refresh: str
    """The id of the refresh token that is the client's from here on."""

    development: bool = False
    """A page of ours has answered for the provider: its tokens are not for production."""

    ended: list[str] = []  # noqa: RUF012 (each gets its own)
    """Sessions that this has ended."""


class Renewal(Object):
    """What came of a refresh token."""

    kind: Literal["granted", "shared", "lost_answer", "dead", "theft"]
    grant: Grant | None = None
    ended: list[str] = []  # noqa: RUF012 (each gets its own)


# -- opening and ending


def open_session(ctx: MutationCtx, account: Account, *, replacing: str | None, refresh: str) -> Grant:
    """
    Sign the user of an account in.

    `replacing` is the login session of whoever asks, which ends; `refresh` the id of the first refresh token.

    Raises:
        Misuse: The account was made up in development, and does not count where this is.
    """
    sign_in, now = users.declared(ctx), ctx.now()
    if not counts(account.provider, sign_in):
        raise Misuse(f"an account at {account.provider} is one of development alone, and is let in nowhere else")
    ended = [] if replacing is None else end_session(ctx, replacing)
    session = OpenSession(
        user=account.user,
        account=account.id,
        ends_at=now + sign_in.session_total_ms,
        expires_at=now + min(sign_in.session_total_ms, sign_in.session_idle_ms),
        tokens_until=now + sign_in.jwt_ttl_ms,
        renewed_at=now,
    )
    ctx.db.insert(session)
    ctx.db.insert(RefreshToken(token=refresh, session=session.id, expires_at=session.expires_at))
    return _grant(session, account, refresh, ended)


def end_session(ctx: MutationCtx, session: str) -> list[str]:
    """End a login session, if there is one of this id; those that have ended by this."""
    id = ctx.db.parse_id(OpenSession, session)
    found = None if id is None else ctx.db.get(id)
    if found is None:
        return []
    sign_in = ctx.db.run.app.sign_in
    late_ms = REMEMBERED_MS + (0.0 if sign_in is None else sign_in.reuse_window_ms)
    for token in ctx.db.query(RefreshToken.by_session, session=found.id):
        ctx.db.delete(token)
    ctx.db.delete(found)
    ctx.db.insert(EndedSession(session=found.id, until=found.tokens_until + late_ms))
    return [found.id]


def end_sessions_of(ctx: MutationCtx, user: str, *, besides: str | None = None) -> list[str]:
    """End all login sessions of a user, but one perhaps; those that have ended by this."""
    sessions = ctx.db.query(OpenSession.by_user, user=user).collect()
    return [id for session in sessions if session.id != besides for id in end_session(ctx, session.id)]


def user_of(ctx: QueryCtx, session: str | None) -> str | None:
    """Whose login session this is; None if it is over, or there was none."""
    found = find_session(ctx, session)
    return None if found is None else found.user


def find_session(ctx: QueryCtx, session: str | None) -> OpenSession | None:
    """The login session with this id, if it goes on."""
    id = None if session is None else ctx.db.parse_id(OpenSession, session)
    found = None if id is None else ctx.db.get(id)
    return None if found is None or ctx.after(found.expires_at) else found


# -- what the gateway asks


@mutation
def sign_in(ctx: MutationCtx, profile: Profile, replacing: str | None, refresh: str) -> Grant:
    """Sign in whomever a method has verified, where that is all there is to decide."""
    account = resolve(ctx, profile, initiating_user=user_of(ctx, replacing))
    return open_session(ctx, account, replacing=replacing, refresh=refresh)


@mutation
def sign_out(ctx: MutationCtx, session: str) -> list[str]:
    """End a login session; those that have ended by this."""
    return end_session(ctx, session)


@mutation
def refresh(ctx: MutationCtx, token: str, session: str, child: str) -> Renewal:
    """
    Renew a login session by one of its refresh tokens, whose MAC was checked.

    `child` is the id of the next one, random. Who comes second within the window gets the first one's.
    """
    found, now = find_session(ctx, session), ctx.now()
    presented = ctx.db.find(RefreshToken.by_token, token=token)
    if found is None or presented is None or presented.session != found.id or presented.expires_at <= now:
        return Renewal(kind="dead")
    account = ctx.db.get(found.account)
    if account is None or not counts(account.provider, users.declared(ctx)) or users.find(ctx, found.user) is None:
        return Renewal(kind="dead", ended=end_session(ctx, found.id))
    if presented.withdrawn:
        return Renewal(kind="theft", ended=end_session(ctx, found.id))
    if presented.used_at is UNSET:
        _renew(ctx, found, presented, child)
        return Renewal(kind="granted", grant=_grant(found, account, child))
    if now - presented.used_at <= users.declared(ctx).reuse_window_ms:
        newest = _newest(ctx, presented)
        return Renewal(kind="shared", grant=_grant(found, account, newest.token))
    successor = _child(ctx, presented)
    if successor is None or successor.used_at is not UNSET:
        return Renewal(kind="theft", ended=end_session(ctx, found.id))
    ctx.db.patch(successor, withdrawn=True)
    _renew(ctx, found, presented, child)
    return Renewal(kind="lost_answer", grant=_grant(found, account, child))


@query
def ended(ctx: QueryCtx) -> list[Ended]:
    """The sessions that have ended last, newest first; the tail of the table, so that its length costs nothing."""
    return [_ended(row) for row in ctx.db.query(EndedSession).order("desc").take(TAIL)]


@query
def ended_after(ctx: QueryCtx, session: str | None) -> list[Ended]:
    """A page of those that have ended while tokens of them may be around, by id: the first, or what comes after."""
    rows = ctx.db.query(EndedSession.by_session) if session is None else _behind(ctx, session)
    return [_ended(row) for row in rows.take(PAGE)]


def _behind(ctx: QueryCtx, session: str) -> Scan[EndedSession]:
    return ctx.db.query(EndedSession.by_session, session=gt(session))


def _ended(row: EndedSession) -> Ended:
    return Ended(session=row.session, until=row.until)


class Gone(Object):
    """Users without a document, of a page of sessions."""

    users: list[str]
    last: str | None
    """Where the next page begins; None: this was the last."""


@query
def gone(ctx: QueryCtx, after: str | None) -> Gone:
    """Who is signed in, and has no document any more: an import has replaced it. A page, by user."""
    rows = ctx.db.query(OpenSession.by_user) if after is None else ctx.db.query(OpenSession.by_user, user=gt(after))
    page = list(dict.fromkeys(row.user for row in rows.take(USERS_PAGE)))
    missing = [user for user in page if users.find(ctx, user) is None]
    return Gone(users=missing, last=page[-1] if page else None)


# -- for people


@query(name="list")
def list_sessions(ctx: QueryCtx, user: str | None = None) -> list[LoginSession]:
    """Login sessions that go on, of one user or of all, newest first."""
    rows = ctx.db.query(OpenSession) if user is None else ctx.db.query(OpenSession.by_user, user=user)
    going_on = [row for row in rows.order("desc").take(LISTED_MAX) if not ctx.after(row.expires_at)]
    return [_info(row, ctx.db.get(row.account)) for row in going_on]


@mutation
def end(ctx: MutationCtx, session: str) -> bool:
    """End a login session; False if it was over already."""
    return bool(end_session(ctx, session))


@mutation
def end_all(ctx: MutationCtx, user: str, besides: str | None = None) -> int:
    """End all login sessions of a user, but one perhaps; how many."""
    return len(end_sessions_of(ctx, user, besides=besides))


def _info(session: OpenSession, account: Account | None) -> LoginSession:
    return LoginSession(
        id=session.id,
        user=session.user,
        provider="" if account is None else account.provider,
        created_at=session.creation_time,
        renewed_at=session.renewed_at,
        expires_at=session.expires_at,
    )


def _grant(session: OpenSession, account: Account, refresh: str, ended: list[str] | None = None) -> Grant:
    return Grant(
        session=session.id,
        user=session.user,
        claims=_checked(claims_of(account)),
        expires_at=session.expires_at,
        refresh=refresh,
        development=account.provider.startswith(STAND_IN),
        ended=ended or [],
    )


def _checked(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims that a token can carry. Here, so that nothing is left of a sign-in that ends in none."""
    reserved = sorted(RESERVED_CLAIMS & claims.keys())
    if reserved:
        raise Misuse(f"a token's {reserved[0]!r} is the platform's to say; leave that claim out")
    sizes = {name: len(wire.encode(value)) + len(name) for name, value in claims.items()}
    if sum(sizes.values()) > CLAIMS_BYTES_MAX:
        largest = ", ".join(sorted(sizes, key=lambda name: -sizes[name])[:3])
        raise Misuse(
            f"the claims of a token have {sum(sizes.values())} bytes, and a cookie has room for {CLAIMS_BYTES_MAX}; "
            f"make them smaller, beginning with {largest}"
        )
    return claims


def _renew(ctx: MutationCtx, session: OpenSession, used: RefreshToken, child: str) -> None:
    sign_in, now = users.declared(ctx), ctx.now()
    session.expires_at = min(session.ends_at, now + sign_in.session_idle_ms)
    session.tokens_until = max(session.tokens_until, now + sign_in.jwt_ttl_ms)
    session.renewed_at = now
    ctx.db.save(session)
    ctx.db.patch(used, used_at=now, child=child)
    ctx.db.insert(RefreshToken(token=child, session=session.id, expires_at=session.expires_at))


def _child(ctx: QueryCtx, token: RefreshToken) -> RefreshToken | None:
    return None if token.child is UNSET else ctx.db.find(RefreshToken.by_token, token=token.child)


def _newest(ctx: QueryCtx, token: RefreshToken) -> RefreshToken:
    """The descendant that is not used yet."""
    for _ in range(DESCENDANTS_MAX):
        successor = _child(ctx, token)
        if successor is None:
            break
        token = successor
    return token
