"""
Users: the documents that accounts belong to.

They are the app's: documents of its table of users, which its schema describes as it likes. An
app that has no such table leaves them to the platform, which keeps the little that it knows.

Somebody who signs in for the first time gets a document. The app's own mutation makes it, if
`[auth] on_first_sign_in` names one; otherwise it is made of the fields that the table has among
those that sign-in knows. `functions/users.py` has checked at the deploy that this can be done.
"""

from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from joelclaw.errors import Misuse, ValueRefused
from joelclaw.functions import nested
from joelclaw.functions.app import LoadedFunction, OpenTable
from joelclaw.functions.auth import fitting
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.sign_in import (
    INITIATING_USER,
    NOBODY,
    PROFILE_FIELDS,
    TOKEN_IDENTIFIER,
    SignIn,
    declared_id,
    provider_field,
)
from joelclaw.schema.hints import SYSTEM_FIELDS, object_kind
from joelclaw.schema.kinds import Field, Kind, StringKind, UnionKind
from joelclaw.schema.tables import Table

if TYPE_CHECKING:
    from joelclaw.system.auth.accounts import Profile


class PlatformUser(Table):
    """Somebody, in a deployment whose app has no table of users."""

    __table__ = "_auth_users"
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    image: str | UnsetType = UNSET
    email_verification_time: float | UnsetType = UNSET
    is_anonymous: bool | UnsetType = UNSET


def declared(ctx: QueryCtx) -> SignIn:
    """How this deployment signs people in."""
    sign_in = ctx.db.run.app.sign_in
    if sign_in is None:
        raise Misuse("nobody can sign in to this deployment; declare how: [auth] providers, in joelclaw.toml")
    return sign_in


def find(ctx: QueryCtx, user: str) -> Any:
    """The document of this user, of whichever table, or None."""
    return ctx.db.get(user)  # type: ignore[arg-type]


def arrive(ctx: MutationCtx, profile: "Profile", initiating_user: str | None) -> str:
    """
    The user of somebody who signs in for the first time: made now, by the app's own mutation if it has one.

    Raises:
        AppError: The app's mutation refuses them.
        Misuse: It answers with what is no user.
    """
    hook = ctx.db.run.app.sign_in_hook
    if hook is not None:
        return _ask(ctx, hook, profile, initiating_user)
    table = user_table(ctx)
    known = _known_by_provider(ctx, table, profile)
    return known if known is not None else _insert(ctx, table, profile)


def fill_empty(ctx: MutationCtx, user: str, profile: "Profile") -> None:
    """Write what a user's document lacks. What stands in it is the app's, and the user's own word."""
    document, table = find(ctx, user), user_table(ctx)
    if ctx.db.run.app.sign_in_hook is not None or type(document) is not table.info.cls:
        return
    values = _values(table, profile)
    lacking = {name: value for name, value in values.items() if getattr(document, name) in (None, UNSET)}
    if lacking:
        ctx.db.patch(document, **lacking)


def user_table(ctx: QueryCtx) -> OpenTable:
    """Where users are kept: the app's table, or the platform's own."""
    app = ctx.db.run.app
    info = app.tables.get(declared(ctx).user_table)
    return app.open_table(PlatformUser if info is None else info.cls)


def _fields(table: OpenTable) -> dict[str, Field]:
    return {field.python_name: field for field in object_kind(table.info.cls).fields}


def _values(table: OpenTable, profile: "Profile") -> dict[str, Any]:
    """What sign-in can write into a user's document, by Python name: of the fields that the table has."""
    known: dict[str, Any] = {
        "name": profile.name,
        "email": profile.email,
        "image": profile.image,
        "avatar_url": profile.image,
        provider_field(profile.provider): profile.account_id,
    }
    fields = _fields(table)
    fitted = {name: _fitted(value, fields[name]) for name, value in known.items() if name in fields}
    if "is_anonymous" in fields and profile.kind == "anonymous":
        fitted["is_anonymous"] = True
    return {name: value for name, value in fitted.items() if value is not None}


def _fitted(value: Any, field: Field) -> Any:
    """
    What somebody is called elsewhere, as the app's field takes it; None, if it takes nothing of it.

    A name that is too long is cut. Anything else that was cut would be another address, or another picture.
    """
    value = fitting(value, field.kind)
    if value is None or _takes(field.kind, value):
        return value
    cut = _cut(value, field.kind) if field.python_name == "name" else None
    return cut if cut is not None and _takes(field.kind, cut) else None


def _takes(kind: Kind, value: Any) -> bool:
    try:
        kind.encode(value, "", None)
    except ValueRefused:
        return False
    return True


def _cut(value: Any, kind: Kind) -> str | None:
    members = kind.members if isinstance(kind, UnionKind) else (kind,)
    lengths = [member.limits.max_length for member in members if isinstance(member, StringKind)]
    longest = max((length for length in lengths if length is not None), default=None)
    return value[:longest].rstrip() if isinstance(value, str) and longest is not None else None


def _known_by_provider(ctx: MutationCtx, table: OpenTable, profile: "Profile") -> str | None:
    """A document that says by itself whose it is: `github_id`, with a unique index, from before there was sign-in."""
    if profile.kind != "oauth":
        return None
    name = provider_field(profile.provider)
    for index in table.info.indexes.values():
        if index.unique and [field.python_path for field in index.fields] == [name]:
            value = fitting(profile.account_id, index.fields[0].kind)
            document = None if value is None else ctx.db.find_by(table, index, value)
            if document is not None:
                return str(document.id)
    return None


def _insert(ctx: MutationCtx, table: OpenTable, profile: "Profile") -> str:
    issuer, fields, values = declared(ctx).issuer, _fields(table), _values(table, profile)
    if "email_verification_time" in fields and profile.email is not None and profile.email_verified:
        values["email_verification_time"] = ctx.now()
    if "name" in fields and not fields["name"].optional and "name" not in values:
        nobody = _fitted(NOBODY, fields["name"])  # Not the address: names are shown to everybody.
        values |= {} if nobody is None else {"name": nobody}
    if TOKEN_IDENTIFIER in fields:
        # Its own id is known only when it is there, and this is nobody else's.
        values[TOKEN_IDENTIFIER] = f"{issuer}|{profile.provider}|{profile.account_id}"
    _check_whole(table, fields, values, profile)
    document = table.info.cls(**values)
    id = ctx.db.insert(document)
    if TOKEN_IDENTIFIER in fields:
        ctx.db.patch(document, token_identifier=f"{issuer}|{id}")
    return str(id)


def _check_whole(table: OpenTable, fields: dict[str, Field], values: dict[str, Any], profile: "Profile") -> None:
    """What a document must have, and what was said of somebody could not be made to fit: the app has to decide."""
    for field in fields.values():
        if not field.optional and field.python_name not in values and field.python_name not in SYSTEM_FIELDS:
            cls = table.info.cls
            raise Misuse(
                f"somebody who comes by {profile.provider} cannot be given a document: nothing that it says of them "
                f"fits {cls.__name__}.{field.python_name}; let the field take more, give it a default, or name a "
                f"mutation that makes the document: [auth] on_first_sign_in"
            )


def _ask(ctx: MutationCtx, hook: LoadedFunction, profile: "Profile", initiating_user: str | None) -> str:
    told = {**{name: getattr(profile, name) for name in PROFILE_FIELDS}, INITIATING_USER: initiating_user}
    told["provider"] = declared_id(profile.provider)
    asked_for = {field.python_name for field in hook.spec.args.fields}
    keywords = {name: value for name, value in told.items() if name in asked_for}
    answer = nested.call_undoable(ctx.db.run, hook, MutationCtx(ctx.db.run, hook.path), (), keywords)
    table = user_table(ctx)
    if not isinstance(answer, str) or type(find(ctx, answer)) is not table.info.cls:
        raise Misuse(
            f"{hook.spec.python_path} answers {answer!r:.80}, which is no document of {table.name}; "
            f"[auth] on_first_sign_in names a mutation that returns the id of the user's document"
        )
    return answer
