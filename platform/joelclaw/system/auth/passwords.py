"""
Passwords: their hashes, and what happens to them.

Where addresses are verified, nothing is written for a new account but the code that its address is to send
back, with the hash in its row. So who registers somebody else's address gets nothing, and takes
nothing from them. Where they are not, an account is there at once, its address proves nothing, and
it is never joined with another.

Whose sign-up a code comes back for, it does not say. If two passwords have waited for one address, neither
counts: the owner is signed in, and chooses another one as who has forgotten theirs.

Answers do not tell whether an account exists, where that can be avoided: the same budgets are spent,
and the caller does the same work, for one that does not.

Elsewhere: `joelclaw/auth/passwords.py` hashes and compares; here hashes are only exchanged.
"""

import re
from typing import Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.errors import Misuse
from joelclaw.functions.contexts import MutationCtx
from joelclaw.functions.decorators import mutation
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.auth import budgets, users
from joelclaw.system.auth.accounts import Account, Profile, find_account, folded, resolve
from joelclaw.system.auth.codes import (
    INVALID,
    Code,
    Guess,
    Opening,
    Redemption,
    drop_code,
    issue,
    take_code,
)
from joelclaw.system.auth.sessions import Grant, end_sessions_of, open_session, user_of

_HASH: Final = re.compile(r"\$argon2id\$\S+|[0-9a-f]{32}:[0-9a-f]{128}")


class Password(Table):
    """Somebody's password, by its hash."""

    __table__ = "_auth_passwords"
    provider: str
    address: str
    """Folded."""

    email: str
    """As it was written."""

    hash: str
    verified: bool
    """Somebody who reads this address's mail has said so."""

    by_address = index("provider", "address", unique=True)


class Check(Object):
    """A password may be compared with this hash; or with none, and it is wrong; or not at all for a while."""

    hash: str | None = None
    retry_after_s: float | None = None


class NewCode(Object):
    """A code for an address, and the rules of its mail."""

    hash: str
    password_mark: str | UnsetType = UNSET
    """See `Code`."""

    ttl_ms: float
    network: str
    """Who asks for it."""

    mails_per_hour: int


class Entry(Object):
    """
    What came of a sign-up or a sign-in.

    "mailed": a code is on its way, unless `limit` says why not. "taken": the address has an account, whose owner is
    told by mail where mails are sent, with the same limits. "changed": the password is another one by now.
    """

    kind: Literal["granted", "mailed", "taken", "changed", "limited"]
    grant: Grant | None = None
    limit: budgets.MailLimit | None = None
    retry_after_s: float | None = None


@mutation
def sign_up(
    ctx: MutationCtx,
    provider: str,
    address: str,
    email: str,
    hash: str,
    network: str,
    code: NewCode | None,
    opening: Opening,
) -> Entry:
    """An account is wanted. Without `code` addresses are not verified."""
    failures = budgets.FAILURES.check(ctx, network)
    if not failures.ok:
        return Entry(kind="limited", retry_after_s=budgets.wait_s(ctx, failures))
    found = _find(ctx, provider, address)
    if code is not None and (found is None or not found.verified):
        return _mail_code(ctx, provider, address, email, code, password=hash)
    if found is not None or find_account(ctx, provider, address) is not None:
        limit = None if code is None else budgets.spend_mail(ctx, address, network, code.mails_per_hour)
        budgets.FAILURES.try_take(ctx, network)
        return Entry(kind="taken", limit=limit)
    arrival = budgets.ARRIVALS.try_take(ctx, network)
    if not arrival.ok:
        return Entry(kind="limited", retry_after_s=budgets.wait_s(ctx, arrival))
    password = Password(provider=provider, address=address, email=email, hash=hash, verified=False)
    ctx.db.insert(password)
    return Entry(kind="granted", grant=_open(ctx, password, opening))


@mutation
def begin_check(ctx: MutationCtx, provider: str, address: str, network: str) -> Check:
    """Somebody says they know this account's password. That costs a guess, whether it exists or not."""
    failures = budgets.FAILURES.check(ctx, network)
    if not failures.ok:
        return Check(retry_after_s=budgets.wait_s(ctx, failures))
    paid = budgets.PASSWORDS.try_take(ctx, _budget(provider, address))
    if not paid.ok:
        return Check(retry_after_s=budgets.wait_s(ctx, paid))
    found = _find(ctx, provider, address)
    return Check(hash=None if found is None else found.hash)


@mutation
def was_wrong(ctx: MutationCtx, network: str) -> None:
    """The password was not the right one."""
    budgets.FAILURES.try_take(ctx, network)


@mutation
def sign_in(
    ctx: MutationCtx,
    provider: str,
    address: str,
    hash: str,
    new_hash: str | None,
    code: NewCode | None,
    opening: Opening,
) -> Entry:
    """The password fits `hash`; `new_hash` is a better one of it. With `code` the address has to be verified."""
    found = _find(ctx, provider, address)
    if found is None or found.hash != hash:
        return Entry(kind="changed")
    budgets.PASSWORDS.reset(ctx, _budget(provider, address))
    if new_hash is not None:
        found.hash = new_hash
        ctx.db.save(found)
    if code is not None and not found.verified:
        return _mail_code(ctx, provider, address, found.email, code, password=UNSET)
    return Entry(kind="granted", grant=_open(ctx, found, opening))


@mutation
def verify(ctx: MutationCtx, provider: str, address: str, guess: Guess, opening: Opening) -> Redemption:
    """The code that was mailed to a new account's address has come back."""
    code = take_code(ctx, provider, "verify", address, guess)
    if isinstance(code, Redemption):
        return code
    found, ended = _find(ctx, provider, address), list[str]()
    if code.contested:
        return _open_without_password(ctx, found, code, opening)
    if code.password is UNSET:
        if found is None:
            return INVALID
        found.verified = True
        ctx.db.save(found)
    elif found is None:
        found = Password(provider=provider, address=address, email=code.email, hash=code.password, verified=True)
        ctx.db.insert(found)
    elif found.verified:
        return INVALID
    else:
        # Whoever has registered this address before has never shown that it is theirs.
        ended = _forget_account(ctx, provider, address)
        found.email, found.hash, found.verified = code.email, code.password, True
        ctx.db.save(found)
    budgets.PASSWORDS.reset(ctx, _budget(provider, address))
    grant = _open(ctx, found, opening)
    grant.ended += ended
    return Redemption(kind="granted", grant=grant)


@mutation
def begin_reset(ctx: MutationCtx, provider: str, address: str, code: NewCode) -> Entry | None:
    """A password was forgotten; None: there is none, and nobody is to hear of it."""
    found, account = _find(ctx, provider, address), find_account(ctx, provider, address)
    if found is None and account is None:
        return None
    email = found.email if found is not None else account.email if account is not None else None
    return _mail_code(ctx, provider, address, email or address, code, purpose="reset")


@mutation
def reset(ctx: MutationCtx, provider: str, address: str, guess: Guess, new_hash: str, opening: Opening) -> Redemption:
    """The code for a forgotten password has come back. All other login sessions of the user end."""
    code = take_code(ctx, provider, "reset", address, guess)
    if isinstance(code, Redemption):
        return code
    found = _find(ctx, provider, address)
    if found is None and find_account(ctx, provider, address) is None:
        return INVALID
    if found is None:
        found = Password(provider=provider, address=address, email=code.email, hash=new_hash, verified=True)
        ctx.db.insert(found)
    else:
        found.hash, found.verified = new_hash, True
        ctx.db.save(found)
    drop_code(ctx, provider, "verify", address)
    budgets.PASSWORDS.reset(ctx, _budget(provider, address))
    grant = _open(ctx, found, opening)
    grant.ended += end_sessions_of(ctx, grant.user, besides=grant.session)
    return Redemption(kind="granted", grant=grant)


@mutation
def adopt(
    ctx: MutationCtx, email: str, hash: str, user: str, verified: bool = False, provider: str = "password"
) -> bool:
    """
    Bring in a password from elsewhere, for a user's document that is here already; False if its address has one.

    For administrators. `hash` is argon2's, or `salt:key` of Convex Auth's scrypt.
    """
    address = folded(email)
    if not 3 <= len(address) <= 254 or "@" not in address:
        raise Misuse(f"{email!r:.80} is no address; write one like ann@example.com")
    if _HASH.fullmatch(hash) is None:
        raise Misuse("what was given is no hash; it begins with $argon2id$, or is the scrypt salt:key of Convex Auth")
    table = users.user_table(ctx)
    if type(users.find(ctx, user)) is not table.info.cls:
        raise Misuse(f"{user!r:.80} is no document of {table.name}; import the users first")
    if _find(ctx, provider, address) is not None or find_account(ctx, provider, address) is not None:
        return False
    email = email.strip()
    ctx.db.insert(Password(provider=provider, address=address, email=email, hash=hash, verified=verified))
    ctx.db.insert(
        Account(
            user=user,
            provider=provider,
            account_id=address,
            kind="credentials",
            email=email,
            email_verified=verified,
            linking_address=address if verified else UNSET,
        )
    )
    return True


def forget(ctx: MutationCtx, provider: str, address: str) -> None:
    """Delete a password, if there is one of this account."""
    found = _find(ctx, provider, address)
    if found is not None:
        ctx.db.delete(found)


def _mail_code(
    ctx: MutationCtx,
    provider: str,
    address: str,
    email: str,
    new: NewCode,
    *,
    purpose: Literal["verify", "reset"] = "verify",
    password: str | UnsetType = UNSET,
) -> Entry:
    code = Code(
        provider=provider,
        purpose=purpose,
        address=address,
        email=email,
        hash=new.hash,
        expires_at=ctx.now() + new.ttl_ms,
        password=password,
        password_mark=new.password_mark,
    )
    return Entry(kind="mailed", limit=issue(ctx, code, new.network, new.mails_per_hour).limit)


def _open_without_password(ctx: MutationCtx, found: Password | None, code: Code, opening: Opening) -> Redemption:
    """Sign the owner of an address in, for which two passwords have waited: neither is kept."""
    if found is not None and found.verified:
        return INVALID
    ended = []
    if found is not None:
        ended = _forget_account(ctx, code.provider, code.address)
        ctx.db.delete(found)
    nobodys = Password(provider=code.provider, address=code.address, email=code.email, hash="", verified=True)
    grant = _open(ctx, nobodys, opening)
    grant.ended += ended
    return Redemption(kind="granted", grant=grant)


def _open(ctx: MutationCtx, password: Password, opening: Opening) -> Grant:
    account = resolve(ctx, _profile(password), initiating_user=user_of(ctx, opening.replacing))
    return open_session(ctx, account, replacing=opening.replacing, refresh=opening.refresh)


def _profile(password: Password) -> Profile:
    return Profile(
        provider=password.provider,
        account_id=password.address,
        kind="credentials",
        email=password.email,
        email_verified=password.verified,
        trusted=password.verified,
    )


def _forget_account(ctx: MutationCtx, provider: str, address: str) -> list[str]:
    """Part an account from its user, who stays; the login sessions that have ended by this."""
    account = find_account(ctx, provider, address)
    if account is None:
        return []
    ctx.db.delete(account)
    return end_sessions_of(ctx, account.user)


def _find(ctx: MutationCtx, provider: str, address: str) -> Password | None:
    return ctx.db.find(Password.by_address, provider=provider, address=address)


def _budget(provider: str, address: str) -> str:
    return f"{provider}|{address}"
