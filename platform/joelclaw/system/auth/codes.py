"""
Codes that were mailed: what a sign-in, a new account or a forgotten password waits for.

One row for each method, purpose and address; asking again replaces the code in it. The row holds a
MAC of the code, over what it is for, made with a key that the database has not: nobody finds
a code of six digits by trying them on a copy. A code is good for its method, purpose and address
only, and a wrong guess leaves it as it was, up to a few.

Nobody is made an account, or a user, before a code has come back.

Elsewhere: `budgets.py` counts guesses and mails; `joelclaw/auth/codes.py` draws codes.
"""

from hmac import compare_digest
from typing import Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.decorators import mutation
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.auth import budgets
from joelclaw.system.auth.accounts import Profile, resolve
from joelclaw.system.auth.sessions import Grant, open_session, user_of

TRIES_MAX: Final = 5
"""Wrong guesses that a code survives, less one."""

Purpose = Literal["sign_in", "verify", "reset"]


class Code(Table, expires_at="expires_at"):
    """A code that is on its way to somebody."""

    __table__ = "_auth_codes"
    provider: str
    purpose: Purpose
    address: str
    """Folded."""

    email: str
    """As it was written."""

    hash: str
    expires_at: float
    tries: int = 0
    password: str | UnsetType = UNSET
    """Of an account that is made when the code comes back: the hash."""

    password_mark: str | UnsetType = UNSET
    """A MAC of that password: of the same one it is the same, which hashes are not."""

    contested: bool = False
    """Another password has waited for this address meanwhile: whoever sends the code back may have meant either."""

    by_target = index("provider", "purpose", "address", unique=True)
    by_hash = index("hash")


class Mailing(Object):
    """A code is kept; or it is not, because too many mails were sent, and the one before stays good."""

    limit: budgets.MailLimit | None = None


class Redemption(Object):
    """What came of a code."""

    kind: Literal["granted", "invalid", "limited"]
    grant: Grant | None = None
    retry_after_s: float | None = None


class Guess(Object):
    """Who guesses, and what."""

    hash: str
    network: str
    """Where it comes from."""


class Opening(Object):
    """What a login session is opened with."""

    replacing: str | None
    """The one of who asks, which ends."""

    refresh: str


INVALID: Final = Redemption(kind="invalid")


@mutation
def begin(
    ctx: MutationCtx,
    provider: str,
    address: str,
    email: str,
    hash: str,
    ttl_ms: float,
    network: str,
    mails_per_hour: int,
) -> Mailing:
    """Somebody wants to sign in with this address. Whether anybody has it already makes no difference."""
    return issue(
        ctx,
        Code(
            provider=provider,
            purpose="sign_in",
            address=address,
            email=email,
            hash=hash,
            expires_at=ctx.now() + ttl_ms,
        ),
        network,
        mails_per_hour,
    )


@mutation
def redeem(ctx: MutationCtx, provider: str, address: str, guess: Guess, opening: Opening) -> Redemption:
    """A code has come back, with the address that it was sent to."""
    found = take_code(ctx, provider, "sign_in", address, guess)
    return found if isinstance(found, Redemption) else _sign_in(ctx, found, opening)


@mutation
def redeem_link(ctx: MutationCtx, provider: str, hash: str, opening: Opening) -> Redemption:
    """
    A link was followed, whose code is too long to be guessed. It names nobody.
    """
    found = ctx.db.query(Code.by_hash, hash=hash).first()
    if found is None or found.provider != provider or found.purpose != "sign_in" or ctx.after(found.expires_at):
        return INVALID
    ctx.db.delete(found)
    return _sign_in(ctx, found, opening)


def issue(ctx: MutationCtx, code: Code, network: str, mails_per_hour: int) -> Mailing:
    """Keep a code instead of the one before, if a mail may go out."""
    limit = budgets.spend_mail(ctx, code.address, network, mails_per_hour)
    if limit is None:
        before = _find(ctx, code.provider, code.purpose, code.address)
        if before is not None:
            waits = not ctx.after(before.expires_at)
            code.contested = waits and (before.contested or before.password_mark != code.password_mark)
            ctx.db.delete(before)
        ctx.db.insert(code)
    return Mailing(limit=limit)


def take_code(ctx: MutationCtx, provider: str, purpose: Purpose, address: str, guess: Guess) -> Code | Redemption:
    """The code that was guessed, which is gone with that; or what to answer."""
    failures = budgets.FAILURES.check(ctx, guess.network)
    if not failures.ok:
        return Redemption(kind="limited", retry_after_s=budgets.wait_s(ctx, failures))
    paid = budgets.CODES.try_take(ctx, address)
    if not paid.ok:
        return Redemption(kind="limited", retry_after_s=budgets.wait_s(ctx, paid))
    found = _find(ctx, provider, purpose, address)
    if found is None or ctx.after(found.expires_at) or not compare_digest(found.hash, guess.hash):
        budgets.FAILURES.try_take(ctx, guess.network)
        if found is not None:
            _count_failure(ctx, found)
        return INVALID
    budgets.CODES.reset(ctx, address)
    ctx.db.delete(found)
    return found


def drop_code(ctx: MutationCtx, provider: str, purpose: Purpose, address: str) -> None:
    """Let a code that may be outstanding be good no more."""
    found = _find(ctx, provider, purpose, address)
    if found is not None:
        ctx.db.delete(found)


def _sign_in(ctx: MutationCtx, code: Code, opening: Opening) -> Redemption:
    profile = Profile(
        provider=code.provider,
        account_id=code.address,
        kind="email",
        email=code.email,
        email_verified=True,
        trusted=True,
    )
    account = resolve(ctx, profile, initiating_user=user_of(ctx, opening.replacing))
    return Redemption(
        kind="granted", grant=open_session(ctx, account, replacing=opening.replacing, refresh=opening.refresh)
    )


def _find(ctx: MutationCtx, provider: str, purpose: Purpose, address: str) -> Code | None:
    return ctx.db.find(Code.by_target, provider=provider, purpose=purpose, address=address)


def _count_failure(ctx: MutationCtx, code: Code) -> None:
    code.tries += 1
    if code.tries >= TRIES_MAX or ctx.after(code.expires_at):
        ctx.db.delete(code)
    else:
        ctx.db.save(code)
