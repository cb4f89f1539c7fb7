"""Errors: what clients are told, and what a function that catches one finds in it."""

from collections.abc import Callable

import pytest

from joelclaw.values.int64 import Int64
from tests.functions.deployment import CallError, Deployment

FILES = {
    "f.py": """
        from typing import Any
        from joelclaw import *

        class Refused(AppError): ...

        @mutation
        def refuses(ctx: MutationCtx) -> None:
            raise Refused({"code": Int64(5), "at": [1.0, None]})

        @query
        def refuses_to_tell(ctx: QueryCtx) -> None:
            raise Refused({"code": Int64(5), "at": [1.0, None]})

        @query
        def catches_in_a_query(ctx: QueryCtx) -> Any:
            try:
                ctx.run_query(refuses_to_tell)
            except AppError as error:
                return [type(error).__name__, error.data]

        @mutation
        def catches_in_a_mutation(ctx: MutationCtx) -> Any:
            try:
                ctx.run_mutation(refuses)
            except AppError as error:
                return [type(error).__name__, error.data]

        @query
        def fails_at_first(ctx: QueryCtx) -> int:
            state.append(1)
            return 1 // (len(state) - 1)

        state: list[int] = []
    """
}


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


@pytest.mark.parametrize("call", ["query", "mutation"])
def test_err_09_a_caught_error_has_its_data(app: Deployment, call: str) -> None:
    """ERR-9: in a transaction what was raised in a nested call is caught as itself, with its data, types included."""
    run = app.query if call == "query" else app.mutate
    name, data = run(f"f:catchesInA{call.capitalize()}")
    assert (name, data) == ("Refused", {"code": 5, "at": [1.0, None]})
    assert type(data["code"]) is Int64


def test_err_13_an_error_is_not_kept(app: Deployment) -> None:
    """ERR-13: a query that failed is run anew, and may succeed."""
    with pytest.raises(CallError, match="ZeroDivisionError"):
        app.query("f:failsAtFirst")
    assert app.query("f:failsAtFirst") == 1
