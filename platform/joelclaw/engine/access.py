"""
Access: may this asker call that function, as far as data can tell?

What a function's `allow=` says as data is checked here, before and without running anything,
so that public results stay shared. A rule of the app's own runs with the function, in its
transaction. All refusals that could tell a stranger what exists use the words for what does
not.
"""

from typing import Final

from joelclaw.engine.asker import Asker
from joelclaw.engine.roles import Roles, holds
from joelclaw.functions.calls import Failure
from joelclaw.functions.manifest import Allow, Anyone, FunctionKind, FunctionSpec, HasRole, Internal, OwnRule, SignedIn

SECRET: Final = ("_system/env:", "_system/cli/queryEnvironmentVariables:", "_system/auth/")
"""Where queries are that answer with what opens other doors."""

COMPONENTS: Final = "_components/"
"""What paths of components begin with here. No app has such: a module whose name begins with `_` exposes nothing."""

_COMMAND_LINE: Final = ("_system/cli/", "_system/frontend/")
"""What the official command line and dashboard ask. They are shipped with these names, which are no secret."""

_DENIED: Final = "You do not have permission to perform this operation"
"""The command line shows what follows these words; of any other failure of a watched query it dies without an end."""

_A = {"query": "Query", "mutation": "Mutation", "action": "Action"}


def refusal(
    spec: FunctionSpec | None,
    path: str,
    kind: FunctionKind | None,
    asker: Asker,
    roles: Roles,
    *,
    internal: bool = False,
    own_issuer: str = "",
) -> Failure | None:
    """
    Why this call is refused, or None.

    `kind` None accepts every kind. With `internal` the caller is known to be the platform's
    own surface for administrators: everything exists, and a missing function is named as such.
    """
    wrong_kind = spec is not None and kind is not None and spec.kind != kind
    if spec is None or not (asker.admin or allows(spec.allow, asker, roles, own_issuer, hidden=wrong_kind)):
        return Failure(message=_not_found(path, asker, internal), code="function_not_found", public=True)
    if asker.read_only and (spec.kind != "query" or path.startswith(SECRET)):
        return Failure(
            message=f"The admin key is read-only: it may look, but not run {path}. Use one with the scope 'full'.",
            code="read_only_key",
            public=True,
        )
    if kind is not None and wrong_kind:
        return Failure(
            message=f"Trying to execute {path} as {_A[kind]}, but it is defined as {_A[spec.kind]}.",
            code="wrong_kind",
            public=True,
        )
    return None


def _not_found(path: str, asker: Asker, internal: bool) -> str:
    if path.startswith(COMPONENTS):
        return f"{_DENIED} in a component: there are none here; leave the component out"
    if not asker.admin and path.startswith(_COMMAND_LINE):
        return f"{_DENIED}: {path} is for administrators; check the admin key"
    what = "function" if internal else "public function"
    return f"Could not find {what} for '{path}'. Did you forget to run `joelclaw dev`?"


def allows(allow: Allow, asker: Asker, roles: Roles, own_issuer: str = "", *, hidden: bool = False) -> bool:
    """Whether the call may go on. `hidden`: it will not be run, so an own rule will not be asked: nobody is let in."""
    match allow:
        case Anyone():
            return True
        case OwnRule():
            return not hidden
        case SignedIn():
            return asker.identity is not None
        case HasRole(role):
            return holds(role, asker, roles, own_issuer)
        case Internal():
            return False
