"""
Auth, as functions see it: who asks, and which user of the app that is.

An identity is what a token proved. A user is a document of the app's own table; which one is
found by a unique index:

- on `token_identifier`, the issuer and subject in one text, which every identity has; or
- by its id, if the deployment itself has signed them in (`[auth] providers`): no index is needed; or
- on `<provider>_id` (`github_id`, say), if the sign-in was with that provider: its claims name
  the provider and the account (`provider: "github"`, and `githubId`, or the subject itself).

Looking at the identity makes a result personal: it is never shared with somebody else.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from joelclaw.errors import Misuse, NotSignedIn, TokenRefused, UserNotFound
from joelclaw.functions.calls import Identity
from joelclaw.functions.rules import is_among
from joelclaw.functions.sign_in import LoginSession
from joelclaw.schema.keys import could_be
from joelclaw.schema.kinds import Kind, NullKind, UnionKind
from joelclaw.schema.tables import Table
from joelclaw.values.names import camel

if TYPE_CHECKING:
    from joelclaw.functions.app import OpenTable
    from joelclaw.functions.db import Reader
    from joelclaw.functions.run import Run

D = TypeVar("D", bound=Table)

LIST_SESSIONS: Final = "_system/auth/sessions:list"
END_SESSION: Final = "_system/auth/sessions:end"
END_SESSIONS: Final = "_system/auth/sessions:endAll"

TOKEN_IDENTIFIER: Final = "token_identifier"
_PROVIDER_ID: Final = "_id"


class Auth:
    """Who asks, in queries and mutations."""

    __slots__ = ("_call_system", "_db", "_run")

    def __init__(self, run: "Run", db: "Reader", call_system: Callable[..., Any]) -> None:
        self._run = run
        self._db = db
        self._call_system = call_system

    @property
    def identity(self) -> Identity | None:
        """The verified identity of whoever asks, or None."""
        self._run.personal = True
        return self._run.call.identity

    def require_user(self, table: type[D], /) -> D:
        """
        The document of whoever asks. `table` has a unique index on `token_identifier`, or on `<provider>_id`.

        Raises:
            NotSignedIn: Nobody is signed in.
            UserNotFound: There is no document of theirs.
        """
        if self.identity is None:
            raise NotSignedIn
        user: D | None = self.find_user(self._run.app.open_table(table))
        if user is None:
            raise UserNotFound(table.__table__)
        return user

    def find_user(self, table: "OpenTable", /) -> Any:
        """The document of whoever asks in this table; None if nobody is signed in, or has none."""
        identity = self.identity
        if identity is not None and self._is_own(identity, table):
            return self._db.get(identity.subject.partition("|")[0])  # type: ignore[arg-type]
        candidates = [index for index in table.info.indexes.values() if index.unique and len(index.fields) == 1]
        candidates = [index for index in candidates if _may_identify(index.fields[0].python_path)]
        if not candidates:
            raise Misuse(
                f"{table.info.cls.__name__} has no index to find users by; declare the field `token_identifier: str` "
                f'and `by_token = index("token_identifier", unique=True)`, or the same for `github_id`'
            )
        for index in candidates:
            field = index.fields[0]
            value = None if identity is None else fitting(account(identity, field.python_path), field.kind)
            user = None if value is None else self._db.find_by(table, index, value)
            if user is not None:
                return user
        return None

    def _is_own(self, identity: Identity, table: "OpenTable") -> bool:
        """Has this deployment signed them in, as users of this table? Then the token says which document it is."""
        sign_in = self._run.app.sign_in
        return sign_in is not None and identity.issuer == sign_in.issuer and table.name == sign_in.user_table

    def has_role(self, name: str, /) -> bool:
        """Does whoever asks have this role in `joelclaw.toml`?"""
        sign_in = self._run.app.sign_in
        own_issuer = "" if sign_in is None else sign_in.issuer
        return is_among(self.identity, self._run.hooks.roles.get(name, ()), own_issuer)

    # -- login sessions

    @property
    def session(self) -> str | None:
        """The id of the login session that whoever asks is here with, if the deployment itself has signed them in."""
        own = self._own()
        return None if own is None else own[1]

    def sessions(self, of: str | None = None) -> list[LoginSession]:
        """
        Where a user is signed in, newest first: whoever asks, or the user with this id.

        Raises:
            NotSignedIn: Nobody says of whom, and this deployment has signed nobody in who asks.
        """
        found: list[LoginSession] = self._call_system(LIST_SESSIONS, user=self._user(of))
        return found

    def _user(self, of: str | None) -> str:
        own = self._own()
        if of is not None:
            return of
        if own is None:
            raise NotSignedIn
        return own[0]

    def _own(self) -> tuple[str, str] | None:
        """User and login session of whoever asks."""
        identity, sign_in = self.identity, self._run.app.sign_in
        if identity is None or sign_in is None or identity.issuer != sign_in.issuer:
            return None
        user, _, session = identity.subject.partition("|")
        return user, session


class WritableAuth(Auth):
    """Who asks, in mutations."""

    __slots__ = ()

    def end_session(self, session: str, /, of: str | None = None) -> bool:
        """
        Sign a user out on one device: whoever asks, or the user with this id.

        False, and nothing ends, if it is over already or somebody else's.
        """
        user = self._user(of)
        if all(known.id != session for known in self.sessions(user)):
            return False
        ended: bool = self._call_system(END_SESSION, session=session)
        return ended

    def end_sessions(self, of: str | None = None) -> int:
        """Sign whoever asks out on all other devices, or this user on all of theirs; how many there were."""
        besides = self.session if of is None else None
        ended: int = self._call_system(END_SESSIONS, user=self._user(of), besides=besides)
        return ended


class AsyncAuth:
    """Who asks, in actions."""

    __slots__ = ("_find_user", "_identity", "_token_refused")

    def __init__(
        self,
        identity: Identity | None,
        find_user: Callable[[type[Any]], Awaitable[Any]],
        token_refused: TokenRefused | None = None,
    ) -> None:
        self._identity = identity
        self._find_user = find_user
        self._token_refused = token_refused

    @property
    def identity(self) -> Identity | None:
        """
        The verified identity of whoever asks, or None.

        Raises:
            TokenRefused: In an HTTP action: the request has an `Authorization` that is nobody's.
        """
        if self._token_refused is not None:
            # A new one each time: raised twice, one and the same would grow a traceback.
            raise TokenRefused(self._token_refused.reason_code, self._token_refused.reason)
        return self._identity

    async def require_user(self, table: type[D], /) -> D:
        """As `Auth.require_user`, on a snapshot of its own."""
        if self.identity is None:
            raise NotSignedIn
        user: D | None = await self._find_user(table)
        if user is None:
            raise UserNotFound(table.__table__)
        return user


def account(identity: Identity, field: str) -> Any:
    """What a user document's `field` holds for this identity; None if the identity does not say."""
    if field == TOKEN_IDENTIFIER:
        return identity.token_identifier
    claimed = identity.claims.get(camel(field), identity.claims.get(field))
    if claimed is None and identity.claims.get("provider") == field.removesuffix(_PROVIDER_ID):
        return identity.subject
    return claimed


def _may_identify(field: str) -> bool:
    return field == TOKEN_IDENTIFIER or field.endswith(_PROVIDER_ID)


def fitting(value: Any, kind: Kind) -> Any:
    """An account's number, which tokens may carry as text and apps keep as a number, or the other way round."""
    # Null takes no value at all, and `could_be` says yes to it: a number or null would have to be text, too.
    members = [
        member
        for member in (kind.members if isinstance(kind, UnionKind) else (kind,))
        if not isinstance(member, NullKind)
    ]
    if any(could_be(member, value) for member in members):
        return value
    if (
        isinstance(value, str)
        and value.removeprefix("-").isdecimal()
        and any(could_be(member, 0) for member in members)
    ):
        return int(value)
    if isinstance(value, (int, float)) and any(could_be(member, "") for member in members):
        return str(int(value))
    return None
