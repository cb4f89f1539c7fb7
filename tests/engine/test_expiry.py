"""Results that depend on the time of day, with real isolates and the real clock."""

import asyncio
from pathlib import Path

from joelclaw.engine.engine import Engine
from joelclaw.engine.subscribers import Subscriber, Transition
from joelclaw.isolate.messages import Load
from tests.engine.engines import within_patience

FUNCTIONS = """
from joelclaw import QueryCtx, anyone, query

@query(allow=anyone)
def waits(ctx: QueryCtx, until: float) -> bool:
    return ctx.before(until)
"""


class Collector:
    """An outbound that is always drained, and tells when something has come."""

    unsent_transitions = 0

    def __init__(self) -> None:
        self.values: asyncio.Queue[bytes] = asyncio.Queue()

    def transition(self, transition: Transition) -> None:
        for _, result in transition.updates:
            self.values.put_nowait(result.value)

    def response(self, response: object) -> None:
        raise AssertionError(f"nobody asked for {response}")


def test_a_subscriber_of_a_result_that_expires_is_told_without_any_other_event(tmp_path: Path) -> None:
    """`ctx.before(t)` turns false at t for somebody who only subscribes: no write, no other query wakes the reactor."""
    (tmp_path / "app_functions").mkdir()
    (tmp_path / "app_functions" / "times.py").write_text(FUNCTIONS)
    (tmp_path / "schema.py").write_text("")

    async def scenario(until_ms: float) -> list[bytes]:
        engine = Engine()
        try:
            await engine.deploy(_load(tmp_path))
            collector = Collector()
            subscriber = Subscriber(collector)
            engine.reactor.attach(subscriber)
            until = engine.clock.now_ms() + until_ms
            engine.reactor.subscribe(subscriber, 0, "times:waits", f'{{"until":{until}}}'.encode(), None)
            engine.reactor.modified(subscriber, 1)
            first = await within_patience("the first result", collector.values.get())
            if first == b"false":
                return [first]
            return [first, await within_patience("the second result", collector.values.get())]
        finally:
            await engine.close()

    seen = asyncio.run(scenario(400))
    if seen == [b"false"]:  # The machine has stood still for so long.
        seen = asyncio.run(scenario(20_000))
    assert seen == [b"true", b"false"]


def _load(root: Path) -> Load:
    return Load(
        role="writer",
        root=str(root),
        functions="app_functions",
        schema="schema.py",
        wire_names="camel",
        store_url=f"sqlite:///{root}/data.db",
        durability="normal",
        env={},
        development=True,
    )
