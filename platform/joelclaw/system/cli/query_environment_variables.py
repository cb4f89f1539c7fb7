"""`_system/cli/queryEnvironmentVariables`: what `env list` and `env get` ask for."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.system.env import NameAndValue, Variable


@query(name="default")
def list_all(ctx: QueryCtx) -> list[Variable]:
    """All variables that are set, by name."""
    return ctx.db.query(Variable.by_name).collect()


@query
def get(ctx: QueryCtx, name: str) -> NameAndValue | None:
    """One variable, None if it is not set."""
    variable = ctx.db.find(Variable.by_name, name=name)
    return None if variable is None else NameAndValue(name=variable.name, value=variable.value)
