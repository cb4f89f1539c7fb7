"""
Environment variables that are set at run time: `joelclaw env set`, the dashboard.

Functions see them over what `[env]` of `joelclaw.toml` declares, in `ctx.env`. They are documents,
so a query that reads one is run again when it changes, and backups have them: who holds a
backup holds them.

Changes are checked here, all of them before the first is made, so that every door refuses
alike. No sentence repeats a value.
"""

import re
from typing import Final

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.environment import BUILT_IN
from joelclaw.limits import setting
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table

NAME_LENGTH_MAX: Final = 256
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Variable(Table):
    """One environment variable."""

    __table__ = "_env"
    name: str
    value: str
    by_name = index("name", unique=True)


class Change(Object):
    """What becomes of one variable. Without a value it is removed."""

    name: str
    value: str | None = None


class Refusal(Object):
    """Why changes are not made, as the client API tells it."""

    code: str
    message: str


class NameAndValue(Object):
    name: str
    value: str


@query(name="list")
def list_all(ctx: QueryCtx) -> list[Variable]:
    """All variables that are set, by name."""
    return ctx.db.query(Variable.by_name).collect()


@query
def values(ctx: QueryCtx) -> list[NameAndValue]:
    """The same as actions get them."""
    return [NameAndValue(name=variable.name, value=variable.value) for variable in ctx.db.query(Variable.by_name)]


@query
def value(ctx: QueryCtx, name: str) -> str | None:
    """The value of one variable, None if it is not set."""
    variable = ctx.db.find(Variable.by_name, name=name)
    return None if variable is None else variable.value


@mutation
def update(ctx: MutationCtx, changes: list[Change], replace: bool = False) -> Refusal | None:
    """
    Make all changes, or none and say why. With `replace` a variable that no change names is removed.

    Removing one that is not set is no mistake.
    """
    known = {variable.name: variable for variable in ctx.db.query(Variable.by_name)}
    refusal = _refusal(ctx, changes, set() if replace else set(known))
    if refusal is not None:
        return refusal
    values = {change.name: change.value for change in changes}
    if replace:
        values = dict.fromkeys(known) | values
    for name, value in values.items():
        variable = known.get(name)
        if variable is None:
            if value is not None:
                ctx.db.insert(Variable(name=name, value=value))
        elif value is None:
            ctx.db.delete(variable)
        elif value != variable.value:
            ctx.db.patch(variable, value=value)
    return None


def _refusal(ctx: MutationCtx, changes: list[Change], names: set[str]) -> Refusal | None:
    """What is wrong with the changes to these variables, the first thing of it."""
    limits = ctx.db.run.app.limits
    seen: set[str] = set()
    for change in changes:
        if problem := _problem(change.name):
            return problem
        if change.name in seen:
            return _refused(
                "EnvVarNameNotUnique", f'Environment variable with name "{change.name}" is there twice; keep one'
            )
        seen.add(change.name)
        size = len((change.value or "").encode("utf-8", "backslashreplace"))
        if size > limits.env_value_bytes:
            return _refused(
                "EnvVarValueTooLarge",
                f'The value of "{change.name}" has {size} bytes and may have {limits.env_value_bytes}; '
                f"keep it in a file, or {setting('env_value_bytes')}",
            )
        names = names - {change.name} if change.value is None else names | {change.name}
    if len(names) > limits.env_variables:
        return _refused(
            "EnvVarLimitReached",
            f"There would be {len(names)} environment variables, and there may be {limits.env_variables}; "
            f"remove some, or {setting('env_variables')}",
        )
    return None


def _problem(name: str) -> Refusal | None:
    if name in BUILT_IN:
        return _refused("EnvVarNameForbidden", f'"{name}" is the platform\'s own and cannot be changed')
    if _NAME.fullmatch(name) is None:
        return _refused(
            "InvalidEnvVarName",
            f"{name[:80]!r} is no name of an environment variable; use letters, digits and '_', no digit first",
        )
    if len(name) > NAME_LENGTH_MAX:
        return _refused(
            "InvalidEnvVarName", f'The name "{name[:40]}..." has {len(name)} characters and may have {NAME_LENGTH_MAX}'
        )
    return None


def _refused(code: str, message: str) -> Refusal:
    return Refusal(code=code, message=message)
