"""
Accounts: what sign-in methods have verified about people, and whose it is.

A user may have several: one at GitHub, one with a password. Which user an account belongs to is
decided once, when it is seen for the first time:

- an account that is known has its user already;
- if a method that is trusted says that it has verified an address, and exactly one user has an
  account with that very address, verified by a method that is trusted too, it is that user's;
- otherwise it is somebody new, unless the app's mutation says whose it is.

So an address that nobody has verified links nothing, in neither direction: who registers with
somebody else's gets a user of his own, and keeps it when the owner comes.
"""

import unicodedata
from typing import Any, Final, Literal

from msgspec import UNSET, UnsetType

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.sign_in import declared_id
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.auth import users

ACCOUNTS_OF_ADDRESS_MAX: Final = 100
"""Accounts that are looked at for one address. With more, it is nobody's in particular."""


class Profile(Object):
    """What a sign-in method has verified about somebody."""

    provider: str
    """The method's id: "github", "password", "anonymous"; "dev:github", where a page of ours has answered."""

    account_id: str
    """Who it is there, for ever."""

    kind: Literal["oauth", "email", "credentials", "anonymous"]
    name: str | None = None
    email: str | None = None
    email_verified: bool = False
    image: str | None = None
    trusted: bool = False
    """May its verified address say that two accounts are one user's?"""

    claims: dict[str, Any] = {}  # noqa: RUF012 (each gets its own)
    """More for the token, like `{"login": "joelhooks"}`."""


class Account(Table):
    """Somebody, as one sign-in method knows them."""

    __table__ = "_auth_accounts"
    user: str
    """The id of a user's document."""

    provider: str
    account_id: str
    kind: Literal["oauth", "email", "credentials", "anonymous"]
    name: str | None = None
    email: str | None = None
    """As it was written; compared in the form of `folded`."""

    email_verified: bool = False
    linking_address: str | UnsetType = UNSET
    """The address, folded, if it was verified by a method that is trusted."""

    image: str | None = None
    claims: dict[str, Any] = {}  # noqa: RUF012 (each document gets its own)
    by_account = index("provider", "account_id", unique=True)
    by_user = index("user")
    by_linking_address = index("linking_address")


def folded(address: str) -> str:
    """The form in which addresses are compared: `Case@X.com` is `case@x.com`."""
    return unicodedata.normalize("NFKC", address).strip().lower()


def resolve(ctx: MutationCtx, profile: Profile, *, initiating_user: str | None = None) -> Account:
    """
    Whose this is: the account, made at its first sign-in and brought up to date at each.

    `initiating_user` is who was signed in when it began, and still is; only the app's mutation may do something
    with that.

    Raises:
        AppError: The app's mutation refuses them.
    """
    account = ctx.db.find(Account.by_account, provider=profile.provider, account_id=profile.account_id)
    if account is not None and users.find(ctx, account.user) is not None:
        _update(account, profile)
        return ctx.db.save(account)
    user = _linked_user(ctx, profile)
    if user is not None:
        users.fill_empty(ctx, user, profile)
    else:
        user = users.arrive(ctx, profile, initiating_user)
    if account is None:
        account = Account(user=user, provider=profile.provider, account_id=profile.account_id, kind=profile.kind)
        _update(account, profile)
        ctx.db.insert(account)
        return account
    # Its user was deleted: whoever comes back is new.
    account.user = user
    _update(account, profile)
    return ctx.db.save(account)


def find_account(ctx: QueryCtx, provider: str, account_id: str) -> Account | None:
    """The account with this id at this method."""
    return ctx.db.find(Account.by_account, provider=provider, account_id=account_id)


def claims_of(account: Account) -> dict[str, Any]:
    """What a token says of somebody beside who they are. The names are those of OpenID Connect, where it has them."""
    provider = declared_id(account.provider)
    claims = {
        "provider": provider,
        "name": account.name,
        "picture": account.image,
        "email": account.email,
        "email_verified": account.email_verified if account.email is not None else None,
    }
    if account.kind == "oauth":
        # Of other methods the id is an address perhaps, which nobody need have verified.
        claims[f"{provider}Id"] = account.account_id
    return {**account.claims, **{name: value for name, value in claims.items() if value is not None}}


def _linked_user(ctx: QueryCtx, profile: Profile) -> str | None:
    address = _linking_address(profile)
    if address is UNSET:
        return None
    accounts = ctx.db.query(Account.by_linking_address, linking_address=address).take(ACCOUNTS_OF_ADDRESS_MAX + 1)
    found = {account.user for account in accounts}
    found = {user for user in found if users.find(ctx, user) is not None}
    return found.pop() if len(found) == 1 and len(accounts) <= ACCOUNTS_OF_ADDRESS_MAX else None


def _linking_address(profile: Profile) -> str | UnsetType:
    return folded(profile.email) if profile.trusted and profile.email_verified and profile.email else UNSET


def _update(account: Account, profile: Profile) -> None:
    account.name, account.image, account.claims = profile.name, profile.image, profile.claims
    account.email, account.email_verified = profile.email, profile.email_verified
    account.linking_address = _linking_address(profile)
