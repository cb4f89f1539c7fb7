"""System calls: the gateway calls the platform's own functions, and watches them by subscription."""

from pathlib import Path

import pytest

from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import SystemCallFailed
from tests.engine.engines import App, play, within_patience


def test_a_watch_tells_what_is_and_what_it_becomes(tmp_path: Path) -> None:
    """A watched query gives its result at once, and the next one when a commit changes it; nothing is polled."""

    async def scene(app: App) -> None:
        system = SystemCalls(app.engine)
        watch = system.watch("_system/adminKeys:list")
        assert await within_patience("the first result", watch.changed()) == []
        await system.tell("_system/adminKeys:create", hash="h", name="laptop")
        [key] = await within_patience("the change", watch.changed())
        assert key["name"] == "laptop"
        watch.close()

    play(scene, tmp_path)


def test_a_watch_goes_on_over_a_deploy(tmp_path: Path) -> None:
    """New code does not end a watch: what changes after it is told."""

    async def scene(app: App) -> None:
        system = SystemCalls(app.engine)
        watch = system.watch("_system/adminKeys:list")
        assert await within_patience("the first result", watch.changed()) == []
        await app.deploy()
        await system.tell("_system/adminKeys:create", hash="h", name="laptop")
        assert len(await within_patience("the change", watch.changed())) == 1
        watch.close()

    play(scene, tmp_path)


def test_a_failing_system_call_says_so(tmp_path: Path) -> None:
    """A system function that refuses raises for its caller, with the sentence."""

    async def scene(app: App) -> None:
        with pytest.raises(SystemCallFailed, match="missing the required field `hash`"):
            await SystemCalls(app.engine).tell("_system/adminKeys:create", name="laptop")

    play(scene, tmp_path)
