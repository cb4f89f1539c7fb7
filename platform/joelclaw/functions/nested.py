"""
Nested calls: a function that calls another inside its own transaction.

`ctx.run_query(f, ...)` is a call as from outside: its arguments are checked and copied, its
result is checked. It shares the snapshot, the limits and the read set. A nested mutation is a
sub-transaction: when it fails, what it wrote is undone and does not count, and the caller may
catch the exception and go on.

Nobody's rule is asked: a rule says who may call from outside.
"""

from typing import TYPE_CHECKING, Any, Final

from joelclaw.errors import AppError
from joelclaw.functions.run import Run, too_deep

if TYPE_CHECKING:
    from joelclaw.functions.app import LoadedFunction
    from joelclaw.functions.contexts import QueryCtx

LEVELS: Final = "_joelclaw_levels"
"""Kept on an `AppError`: how many calls it went through, each of which adds itself to the message."""


def call(run: Run, function: "LoadedFunction", ctx: "QueryCtx", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a function inside another one; its result, checked."""
    if run.depth >= run.limits.call_depth:
        run.exceed(too_deep(function.kind, run.limits.call_depth))
    arguments = function.copy_arguments(args, kwargs)
    run.depth += 1
    try:
        result = function.invoke(ctx, arguments)
    except AppError as error:
        add_level(error)
        raise
    finally:
        run.depth -= 1
    function.encode_result(result)
    return result


def call_undoable(
    run: Run, function: "LoadedFunction", ctx: "QueryCtx", args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Like `call`, and undo what was written if it fails."""
    txn = run.txn
    changes = run.changes
    assert txn is not None, "only a mutation's context offers this"
    assert changes is not None
    done = run.documents_written, run.bytes_written, run.scheduled, run.scheduled_bytes
    mark = len(changes.entries)
    savepoint = txn.savepoint()
    try:
        result = call(run, function, ctx, args, kwargs)
    except BaseException:
        txn.rollback_to(savepoint)
        changes.undo_to(mark)
        run.documents_written, run.bytes_written, run.scheduled, run.scheduled_bytes = done
        raise
    txn.release(savepoint)
    return result


def call_system(run: Run, ctx: "QueryCtx", path: str, /, **keywords: Any) -> Any:
    """
    Run one of the platform's own functions as part of a run: what `ctx.scheduler` and its like are made of.

    By path, because the system is written with what is above it here. `ctx` is a system function's own.
    """
    return run.app.functions[path].invoke(ctx, keywords)


def add_level(error: AppError, levels: int = 1) -> None:
    """An app's error leaves a nested call, or comes back from as many as its message tells of."""
    setattr(error, LEVELS, levels_of(error) + levels)


def levels_of(error: AppError) -> int:
    """How many nested calls the error has left."""
    levels: int = getattr(error, LEVELS, 0)
    return levels
