"""
Auth, as functions see it: who asks, and which user of the app that is.

An identity is what a token proved. A user is a document of the app's own table; which one is
found by a unique index:

- on `token_identifier`, the issuer and subject in one text, which every identity has; or
- on `<provider>_id` (`github_id`, say), if the sign-in was with that provider: its claims name
  the provider and the account (`provider: "github"`, and `githubId`, or the subject itself).

Looking at the identity makes a result personal: it is never shared with somebody else.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from joelclaw.errors import Misuse, NotSignedIn, UserNotFound
from joelclaw.functions.calls import Identity
from joelclaw.functions.rules import is_among
from joelclaw.schema.tables import Table
from joelclaw.values.names import camel

if TYPE_CHECKING:
    from joelclaw.functions.db import Reader
    from joelclaw.functions.run import Run

D = TypeVar("D", bound=Table)

TOKEN_IDENTIFIER = "token_identifier"  # noqa: S105 (a field's name)


class Auth:
    """Who asks, in queries and mutations."""

    __slots__ = ("_db", "_run")

    def __init__(self, run: "Run", db: "Reader") -> None:
        self._run = run
        self._db = db

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
        identity = self.identity
        if identity is None:
            raise NotSignedIn
        opened = self._run.app.open_table(table)
        by_field = {index.fields[0]: index for index in opened.indexes if index.unique and len(index.fields) == 1}
        if not any(field == TOKEN_IDENTIFIER or field.endswith("_id") for field in by_field):
            raise Misuse(
                f"{table.__name__} has no index to find users by; declare the field `token_identifier: str` and "
                f'`by_token = index("token_identifier", unique=True)`, or the same for `github_id`'
            )
        for field, index in by_field.items():
            value = account(identity, field)
            user = None if value is None else self._db.find_by(opened, index, field, value)
            if user is not None:
                return user
        raise UserNotFound(opened.name)

    def has_role(self, name: str, /) -> bool:
        """Does whoever asks have this role in `joelclaw.toml`?"""
        return is_among(self.identity, self._run.hooks.roles.get(name, ()))


def account(identity: Identity, field: str) -> Any:
    """What a user document's `field` holds for this identity; None if the identity does not say."""
    if field == TOKEN_IDENTIFIER:
        return identity.token_identifier
    if not field.endswith("_id"):
        return None
    claimed = identity.claims.get(camel(field), identity.claims.get(field))
    if claimed is None and identity.claims.get("provider") == field.removesuffix("_id"):
        return identity.subject
    return claimed
