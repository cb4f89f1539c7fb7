"""`_system/cli/modules`: what can be called here, for `function-spec`, and for `run` when a name is wrong."""

from typing import Any

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.functions.manifest import FunctionSpec, Internal, RouteSpec
from joelclaw.schema.text import validator_json


@query
def api_spec(ctx: QueryCtx) -> list[Any]:
    """The app's functions by path, then its routes. A new deploy is a new run of every query, of this one, too."""
    manifest = ctx.db.run.app.manifest
    functions = [_function(function) for function in manifest.functions if not function.path.startswith("_")]
    return functions + [_route(route) for route in manifest.routes]


def _function(function: FunctionSpec) -> dict[str, Any]:
    module, _, name = function.path.partition(":")
    returns = function.returns
    return {
        "identifier": f"{module}.js:{name}",
        "functionType": function.kind.capitalize(),
        "visibility": {"kind": "internal" if isinstance(function.allow, Internal) else "public"},
        "args": {"type": "any"} if function.any_args else validator_json(function.args),
        "returns": {"type": "any"} if returns is None else validator_json(returns, "reads"),
    }


def _route(route: RouteSpec) -> dict[str, Any]:
    return {
        "functionType": "HttpAction",
        "method": route.method,
        "path": f"{route.path}*" if route.is_prefix else route.path,
    }
