"""
Running: one call of a query or mutation, from encoded arguments to an outcome.

Nothing is raised from here, whatever the app does: an exception, `sys.exit()`, the time limit
and the guard all become a failure in the outcome. A run that was interrupted, or that hit a
limit, fails even if the app swallowed the exception.

The caller owns the transaction: it undoes what a failed mutation wrote.

Elsewhere: `actions.py` runs actions; the isolate's hooks collect log lines and keep the time.
"""

from time import perf_counter
from typing import Any, Final, Literal

from joelclaw.errors import ArgumentsRefused, DocumentNotFound, FunctionNotFound, NotSignedIn, UserNotFound
from joelclaw.functions.app import LoadedApp, LoadedFunction
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.failures import failure_of
from joelclaw.functions.hooks import Hooks
from joelclaw.functions.run import Run
from joelclaw.store.protocol import Snapshot, Transaction

_REFUSALS: Final = (NotSignedIn, UserNotFound, DocumentNotFound)
"""Raised by a rule, these are its answer no: which of them it was says something about what exists."""


def run_query(app: LoadedApp, snapshot: Snapshot, call: Call, hooks: Hooks) -> Outcome:
    """Run a query on a snapshot, or on a transaction with its writes."""
    return _run(app, Run(app, snapshot, None, call, hooks), "query")


def run_mutation(app: LoadedApp, txn: Transaction, call: Call, hooks: Hooks) -> Outcome:
    """Run a mutation in a transaction. If it fails, the caller undoes what it wrote."""
    return _run(app, Run(app, txn, txn, call, hooks), "mutation")


def _run(app: LoadedApp, run: Run, kind: Literal["query", "mutation"]) -> Outcome:
    hooks = run.hooks
    began_s = perf_counter()
    value, failure, in_app = b"null", None, False
    try:
        function = app.function_at(run.call, kind)
        try:
            keywords = function.decode_arguments(run.call.args)
        except ArgumentsRefused as error:
            raise function.refusal_of(error, run.call) from None
        ctx = QueryCtx(run, function.path) if kind == "query" else MutationCtx(run, function.path)
        in_app = True
        hooks.arm()
        if function.rule is not None and not run.call.privileged and not is_allowed(function, run, keywords):
            raise FunctionNotFound(function.path)  # A refusal reads like a function that does not exist.
        result = function.invoke(ctx, keywords)
        hooks.disarm()
        in_app = False
        value = function.encode_result(result, run.fetched)
    except BaseException as error:  # `sys.exit()` and the isolate's own exceptions, too.
        hooks.disarm()
        failure = failure_of(error, app.root, in_app=in_app and not isinstance(error, FunctionNotFound))
    failure = failure or _swallowed(run)
    run.warn_near_limits()
    outcome = Outcome(
        value=b"null" if failure else value,
        failure=failure,
        reads=run.read_set(),
        expires=run.expires,
        timed=run.timed,
        personal=run.personal,
        journal=".".join(run.journal_out) or None,
        ran_for_ms=(perf_counter() - began_s) * 1e3,
    )
    run.end()
    return outcome


def is_allowed(function: LoadedFunction, run: Run, keywords: dict[str, Any]) -> bool:
    """The answer of the function's own rule."""
    assert function.rule is not None
    try:
        return function.rule.allows(QueryCtx(run, function.path), keywords)
    except _REFUSALS:
        return False


def _swallowed(run: Run) -> Failure | None:
    """What should have ended the run, and did not because the app caught it."""
    error = run.hooks.violation() or run.fatal
    return None if error is None else failure_of(error, run.app.root, in_app=True)
