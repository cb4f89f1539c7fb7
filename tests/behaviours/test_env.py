"""Environment variables: declared, set at run time, and read by every kind of function."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joelclaw.engine.system_calls import SystemCalls
from joelclaw.limits import Limits
from tests.engine.engines import App, Viewer, play
from tests.functions.deployment import Deployment

FILES = {
    "f.py": """
        from joelclaw import *

        @query(allow=anyone)
        def get(ctx: QueryCtx, name: str) -> str | None:
            return ctx.env.get(name)

        @query(allow=anyone)
        def everything(ctx: QueryCtx) -> list[str]:
            return sorted(f"{name}={value}" for name, value in ctx.env.items())

        @query(allow=anyone)
        def dice(ctx: QueryCtx) -> float:
            ctx.env.get("A")
            return ctx.random.random()

        @query(allow=anyone)
        def no_look(ctx: QueryCtx) -> float:
            return ctx.random.random()

        @query(allow=anyone)
        def shown(ctx: QueryCtx) -> str:
            return repr(ctx.env)

        @query(allow=anyone)
        def often(ctx: QueryCtx) -> int:
            return sum(ctx.env["GREETING"] == "hello" for _ in range(10_000))

        @mutation(allow=anyone)
        def get_in_mutation(ctx: MutationCtx, name: str) -> str | None:
            return ctx.env.get(name)

        @action(allow=anyone)
        async def get_in_action(ctx: ActionCtx, name: str) -> str | None:
            return ctx.env.get(name)
    """
}
UPDATE = "_system/env:update"


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Deployment:
    return deployment(FILES)


def update(app: Deployment, /, **values: str | None) -> Any:
    return change(app, values)


def change(app: Deployment, values: dict[str, str | None], *, replace: bool = False) -> Any:
    changes = [{"name": name, "value": value} for name, value in values.items()]
    return app.mutate(UPDATE, changes=changes, replace=replace)


def test_what_is_set_stands_before_what_is_declared(app: Deployment) -> None:
    """A variable has its declared value, until one is set; when that is removed, the declared one holds again."""
    assert app.query("f:get", name="GREETING") == "hello"
    assert update(app, GREETING="hi", B="b") is None
    assert app.query("f:get", name="GREETING") == "hi"
    assert app.query("f:everything") == ["B=b", "GREETING=hi"]
    update(app, GREETING=None)
    assert app.query("f:get", name="GREETING") == "hello"


def test_what_no_change_names_is_removed_when_all_are_replaced(app: Deployment) -> None:
    """`replace` leaves exactly the variables that it names."""
    update(app, A="1", B="2")
    assert change(app, {"B": "3", "C": "4"}, replace=True) is None
    assert [(variable["name"], variable["value"]) for variable in app.query("_system/env:list")] == [
        ("B", "3"),
        ("C", "4"),
    ]


def test_the_official_command_line_finds_what_it_asks_for(app: Deployment) -> None:
    """`env list` and `env get` ask system queries of their own names, and read these fields."""
    update(app, A="1")
    [listed] = app.query("_system/cli/queryEnvironmentVariables:default")
    assert listed.keys() == {"_id", "_creationTime", "name", "value"}
    assert app.query("_system/cli/queryEnvironmentVariables:get", name="A") == {"name": "A", "value": "1"}
    assert app.query("_system/cli/queryEnvironmentVariables:get", name="B") is None


def test_values_do_not_show_by_accident(app: Deployment) -> None:
    """Printing the environment prints no value."""
    update(app, SECRET="hunter2")
    assert "hunter2" not in app.query("f:shown")


def test_a_variable_that_is_read_often_counts_once(app: Deployment) -> None:
    """A loop over one variable does not use up the reads of a query."""
    assert app.query("f:often") == 10_000


@pytest.mark.parametrize("name", ["CONVEX_CLOUD_URL", "CONVEX_SITE_URL"])
def test_lim_12_the_platforms_own_are_refused(app: Deployment, name: str) -> None:
    """LIM-12: built-in names can be neither set nor removed, and nothing else of the changes is made."""
    for value in ("https://example.com", None):
        refusal = change(app, {"A": "1", name: value})
        assert refusal["code"] == "EnvVarNameForbidden"
    assert app.query("_system/env:list") == []


def test_lim_12_a_name_is_there_once(app: Deployment) -> None:
    """LIM-12: a name that is there twice among the changes is `EnvVarNameNotUnique`."""
    changes = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    assert app.mutate(UPDATE, changes=changes)["code"] == "EnvVarNameNotUnique"
    assert app.query("_system/env:list") == []


def test_lim_12_there_are_only_so_many(deployment: Callable[..., Deployment]) -> None:
    """LIM-12: one variable more than allowed is refused with the others; replacing and removing make room."""
    app = deployment(FILES, limits=Limits(env_variables=2))
    assert update(app, A="1", B="2") is None
    refusal = update(app, A="3", C="4")
    assert refusal["code"] == "EnvVarLimitReached"
    assert "limits.env_variables" in refusal["message"]
    assert app.query("f:get", name="A") == "1"
    assert update(app, A=None, C="4") is None
    assert change(app, {"D": "5", "E": "6"}, replace=True) is None


def test_lim_12_a_value_has_a_size(deployment: Callable[..., Deployment]) -> None:
    """LIM-12: a value fits up to its last byte of UTF-8; the refusal of a larger one does not repeat it."""
    app = deployment(FILES, limits=Limits(env_value_bytes=8))
    assert update(app, A="\u00fc" * 4) is None
    refusal = update(app, A="\u00fc" * 4 + "z")
    assert refusal["code"] == "EnvVarValueTooLarge"
    assert "\u00fc" not in refusal["message"]


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "\u00c4", "A" * 257, "A\n"])
def test_what_is_no_name_is_refused(app: Deployment, name: str) -> None:
    """A name is letters, digits and '_', and no longer than 256 characters."""
    assert change(app, {name: "1"})["code"] == "InvalidEnvVarName"
    assert change(app, {"A" * 256: "1"}) is None


# -- a whole engine


async def served(app: App) -> SystemCalls:
    (app.root / "app_functions" / "f.py").write_text("\n".join(line[8:] for line in FILES["f.py"].splitlines()))
    await app.deploy()
    return SystemCalls(app.engine)


async def set_variables(system: SystemCalls, **values: str | None) -> None:
    changes = [{"name": name, "value": value} for name, value in values.items()]
    assert await system.tell(UPDATE, changes=changes) is None


def test_env_01_the_next_call_sees_it(tmp_path: Path) -> None:
    """ENV-1: unset is null; what is set, changed and removed is seen by the next query, mutation and action."""

    async def scene(app: App) -> None:
        system = await served(app)
        for value in (None, "one", "two", None):
            await set_variables(system, A=value)
            assert await app.query("f:get", name="A") == value
            assert await app.mutate("f:getInMutation", name="A") == value
            outcome = await app.act("f:getInAction", name="A")
            assert outcome.value == (b"null" if value is None else f'"{value}"'.encode())

    play(scene, tmp_path)


def test_an_action_of_new_code_sees_what_was_set(tmp_path: Path) -> None:
    """What is set holds over a deploy: it is no part of the code."""

    async def scene(app: App) -> None:
        await set_variables(await served(app), A="one")
        await app.deploy()
        assert (await app.act("f:getInAction", name="A")).value == b'"one"'

    play(scene, tmp_path)


def test_env_02_what_read_it_is_run_again(tmp_path: Path) -> None:
    """ENV-2: cached and live queries that looked at a variable are run again when it changes, and only they."""

    async def scene(app: App) -> None:
        system = await served(app)
        viewer = Viewer(app)
        viewer.subscribe(("f:get", {"name": "A"}))
        await viewer.sees(None)
        first, unrelated = await app.query("f:dice"), await app.query("f:noLook")
        assert await app.query("f:dice") == first, "it is not cached"

        await set_variables(system, B="1")
        assert await app.query("f:dice") == first
        await set_variables(system, A="1")
        await viewer.sees("1")
        assert await app.query("f:dice") != first
        assert await app.query("f:noLook") == unrelated
        assert len(viewer.history) == 2
        viewer.leave()

    play(scene, tmp_path)
