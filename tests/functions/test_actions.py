"""Actions: what they call, what comes back, and how it fails."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.values import wire
from tests.functions.deployment import Deployment, person, value_of

FILES = {
    "schema.py": """
        from joelclaw import *
        class User(Table):
            __table__ = "users"
            token_identifier: str
            name: str
            by_token = index("token_identifier", unique=True)
    """,
    "f.py": """
        from typing import Any
        from joelclaw import *
        from schema import User

        class FooError(AppError): ...

        @mutation
        def add(ctx: MutationCtx, name: str) -> User:
            user = User(name=name, token_identifier="https://issuer|" + name)
            ctx.db.insert(user)
            return user

        @query
        def names(ctx: QueryCtx) -> list[str]:
            return [user.name for user in ctx.db.query(User)]

        @query
        def subject(ctx: QueryCtx) -> str | None:
            return ctx.auth.identity and ctx.auth.identity.subject

        @mutation
        def refuse(ctx: MutationCtx, plain: bool = False) -> None:
            ctx.db.insert(User(name="undone", token_identifier="x"))
            if plain:
                raise ValueError("secret")
            raise FooError({"code": 7.0})

        @action
        async def work(ctx: ActionCtx, name: str) -> list[str]:
            user = await ctx.run_mutation(add, name)
            assert isinstance(user, User)
            return [user.name, *await ctx.run_query(names), ctx.env["GREETING"], str(ctx.now() > 0)]

        @action
        async def outer(ctx: ActionCtx) -> list[str]:
            return await ctx.run_action(work, name="ann")

        @action
        async def fails(ctx: ActionCtx, plain: bool = False) -> None:
            await ctx.run_mutation(refuse, plain)

        @action
        async def fails_deeper(ctx: ActionCtx) -> None:
            await ctx.run_action(fails)

        @action
        async def catches(ctx: ActionCtx) -> Any:
            try:
                await ctx.run_mutation(refuse)
            except AppError as error:
                return error.data

        @action
        async def who(ctx: ActionCtx) -> list[str | None]:
            user = await ctx.auth.require_user(User)
            return [user.name, await ctx.run_query(subject), ctx.auth.identity and ctx.auth.identity.subject]

        @action
        async def endless(ctx: ActionCtx) -> None:
            await ctx.run_action(endless)

        @action
        async def wrong(ctx: ActionCtx) -> int:
            result: Any = "x"
            return result

        @action
        async def wrong_argument(ctx: ActionCtx) -> None:
            name: Any = 5
            await ctx.run_mutation(add, name)

        @action
        async def exits(ctx: ActionCtx) -> None:
            raise SystemExit(1)

        def is_known(ctx: QueryCtx, name: str) -> bool:
            return ctx.db.query(User).filter(lambda user: user.name == name).first() is not None

        @action(allow=is_known)
        async def guarded(ctx: ActionCtx, name: str) -> str:
            return name
    """,
}


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


def run(app: Deployment, path: str, arguments: dict[str, Any] | None = None, **options: Any) -> Outcome:
    return asyncio.run(app.run_action(path, arguments, **options))


def failure(outcome: Outcome) -> Failure:
    assert outcome.failure is not None
    return outcome.failure


def test_an_action_calls_functions_of_all_kinds(app: Deployment) -> None:
    """Each mutation is committed when it returns; results are of their types; actions nest (FN-13)."""
    expected = ["ann", "ann", "hello", "True"]
    assert value_of(run(app, "f:outer")) == expected
    assert app.query("f:names") == ["ann"]


def test_app_errors_come_back_with_data(app: Deployment) -> None:
    """Caught they have it; uncaught it reaches the client, with each level's words and frames (ERR-8, ERR-9)."""
    assert value_of(run(app, "f:catches")) == {"code": 7.0}
    one = failure(run(app, "f:fails"))
    assert one.message == 'Uncaught ConvexError: Uncaught FooError: {"code":7}'
    two = failure(run(app, "f:failsDeeper"))
    assert two.message == 'Uncaught ConvexError: Uncaught ConvexError: Uncaught FooError: {"code":7}'
    assert two.data is not None
    assert wire.decode(two.data) == {"code": 7.0}
    assert [line.split()[1] for line in two.frames.splitlines()] == ["refuse", "fails", "fails_deeper"]
    assert app.query("f:names") == []


def test_other_failures_come_back_as_call_failed(app: Deployment) -> None:
    """Without data, not public."""
    one = failure(run(app, "f:fails", {"plain": True}))
    assert one.message == "Uncaught CallFailed: Uncaught ValueError: secret"
    assert (one.data, one.public, one.code) == (None, False, "call_failed")


def test_the_identity_goes_along(app: Deployment) -> None:
    """AUTH-3: into nested calls; and `require_user` finds the app's own document."""
    app.mutate("f:add", name="ann")
    assert value_of(run(app, "f:who", identity=person("ann"))) == ["ann", "ann", "ann"]
    assert failure(run(app, "f:who", identity=person("bob"))).code == "user_not_found"
    assert failure(run(app, "f:who")).code == "not_signed_in"


def test_actions_that_call_each_other_for_ever_end(app: Deployment) -> None:
    """Eight levels deep, in words (FN-12)."""
    assert "call depth limit exceeded" in failure(run(app, "f:endless")).message


def test_what_goes_wrong_in_an_action_is_its_outcome(app: Deployment) -> None:
    """Arguments, results and exits are told like those of other functions."""
    assert failure(run(app, "f:work")).message.startswith("ArgumentValidationError: ")
    assert failure(run(app, "f:wrong")).message.startswith("ReturnsValidationError: ")
    assert failure(run(app, "f:wrongArgument")).message.startswith("Uncaught ArgumentValidationError: ")
    assert failure(run(app, "f:exits")).message == "Uncaught SystemExit: 1"
    assert failure(run(app, "f:names")).code == "wrong_kind"
    assert failure(run(app, "f:nothing")).code == "function_not_found"


def test_an_own_rule_of_an_action_is_asked_in_a_query(app: Deployment) -> None:
    """It reads the database; a refusal reads like a function that does not exist; administrators pass."""
    app.mutate("f:add", name="ann")
    assert value_of(run(app, "f:guarded", {"name": "ann"})) == "ann"
    refused = failure(run(app, "f:guarded", {"name": "eve"}))
    assert refused.message == "Could not find public function for 'f:guarded'. Did you forget to run `joelclaw dev`?"
    assert value_of(run(app, "f:guarded", {"name": "eve"}, privileged=True)) == "eve"
    for arguments in ({}, {"name": 1}, {"name": "ann", "more": 1}):
        assert failure(run(app, "f:guarded", arguments)) == refused
        assert failure(run(app, "f:guarded", arguments, privileged=True)).code == "arguments_refused"


def test_being_cancelled_is_raised(app: Deployment) -> None:
    """Who cancels an action answers for it."""

    async def never(_kind: str, _call: Call) -> Outcome:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def cancelled() -> None:
        app.answer = never  # type: ignore[method-assign,assignment]
        task = asyncio.create_task(app.run_action("f:work", {"name": "ann"}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
