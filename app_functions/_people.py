"""Who writes: somebody who signed in, or a guest with a name."""

from joelclaw import AppError, Id, MutationCtx
from schema import User


def author(ctx: MutationCtx, guest_name: str | None) -> tuple[Id[User] | None, str]:
    """The user and the name to sign with; a guest has to give one."""
    if ctx.auth.identity is not None:
        user = ctx.auth.require_user(User)
        return user.id, user.name
    name = (guest_name or "").strip()
    if not name:
        raise AppError({"code": "name_needed", "message": "Say who you are: sign in, or give a name."})
    return None, name
