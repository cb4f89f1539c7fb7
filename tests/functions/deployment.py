"""
A deployment in a folder of its own: files, a real store, and calls.

    app = deployment({"schema.py": "...", "chat.py": "..."})
    app.mutate("chat:send", body="hello")
    assert app.query("chat:list") == [...]

A file without a folder is a file of functions, except the schema. Time is a clock that is
moved; randomness is counted.
"""

import textwrap
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import Any

from joelclaw.clock import MovableClock
from joelclaw.errors import Interrupted
from joelclaw.functions.actions import run_action
from joelclaw.functions.calls import Call, Identity, Outcome
from joelclaw.functions.loader import LoadedApp, load_app
from joelclaw.functions.running import run_mutation, run_query
from joelclaw.schema.layout import DocumentKey, TableLayout
from joelclaw.store.protocol import Commit
from joelclaw.store.sqlite import open_sqlite
from joelclaw.values import wire


class TestHooks:
    """What surrounds a run, with nothing of the machine in it."""

    __test__ = False

    def __init__(self) -> None:
        self.env: Mapping[str, str] = {"GREETING": "hello"}
        self.roles: Mapping[str, list[str]] = {"owner": ["https://issuer|ann"]}
        self.time = MovableClock()
        self.armed = False
        self.interruption: Interrupted | None = None
        self._random = 0

    def clock(self) -> float:
        return self.time.now_ms()

    def random_bytes(self, count: int) -> bytes:
        self._random += 1
        return self._random.to_bytes(count, "big")

    def arm(self) -> None:
        self.armed = True

    def disarm(self) -> None:
        self.armed = False

    def violation(self) -> Interrupted | None:
        return self.interruption


class CallError(Exception):
    """A call failed; the outcome says why."""

    def __init__(self, outcome: Outcome) -> None:
        assert outcome.failure is not None
        super().__init__(outcome.failure.message)
        self.outcome = outcome
        self.failure = outcome.failure


class Deployment:
    """An app, loaded, on a store of its own."""

    def __init__(self, app: LoadedApp) -> None:
        self.app = app
        self.hooks = TestHooks()
        self.store = open_sqlite("sqlite://")
        self.layout = self.store.prepare([info.spec for info in app.tables.values()], self._examine)
        app.adopt(self.layout)
        self.last_commit: Commit | None = None

    def _examine(self, layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
        table = self.app.tables[layout.name]
        return [table.keys(table.check(raw), layout) for raw in raws]

    def close(self) -> None:
        self.store.close()

    # -- calls

    def query(self, path: str, /, **arguments: Any) -> Any:
        return value_of(self.run_query(path, arguments))

    def mutate(self, path: str, /, **arguments: Any) -> Any:
        return value_of(self.run_mutation(path, arguments))

    def run_query(self, path: str, arguments: dict[str, Any] | bytes | None = None, **options: Any) -> Outcome:
        with self.store.read() as snapshot:
            return run_query(self.app, snapshot, call(path, arguments, options), self.hooks)

    def run_mutation(self, path: str, arguments: dict[str, Any] | bytes | None = None, **options: Any) -> Outcome:
        """Run and commit, or roll back, as a writer does."""
        with self.store.write() as txn:
            savepoint = txn.savepoint()
            outcome = run_mutation(self.app, txn, call(path, arguments, options), self.hooks)
            if outcome.failure is not None:
                txn.rollback_to(savepoint)
                return outcome
            txn.release(savepoint)
            self.last_commit = txn.commit(b"", self.store.next_timestamp(self.hooks.time)) if txn.changed else None
        return outcome

    async def run_action(self, path: str, arguments: dict[str, Any] | None = None, **options: Any) -> Outcome:
        return await run_action(self.app, call(path, arguments, options), self.hooks, self.answer)

    def answer(self, kind: str, inner: Call) -> Awaitable[Outcome]:
        """What the gateway does with the calls of an action."""

        async def answered() -> Outcome:
            if kind == "action":
                return await run_action(self.app, inner, self.hooks, self.answer)
            run = self.run_query if kind == "query" else self.run_mutation
            options = {"identity": inner.identity, "privileged": inner.privileged, "depth": inner.depth}
            return run(inner.path, inner.args, **options)

        return answered()


def call(path: str, arguments: dict[str, Any] | bytes | None, options: dict[str, Any]) -> Call:
    args = arguments if isinstance(arguments, bytes) else wire.encode(arguments or {})
    return Call(path=path, args=args, **options)


def value_of(outcome: Outcome) -> Any:
    if outcome.failure is not None:
        raise CallError(outcome)
    return wire.decode(outcome.value)


def person(name: str, /, **claims: Any) -> Identity:
    return Identity("https://issuer", name, f"https://issuer|{name}", claims)


def write_app(root: Path, files: Mapping[str, str]) -> Path:
    (root / "app_functions").mkdir(exist_ok=True)
    for name, text in files.items():
        path = root / name if name == "schema.py" or "/" in name else root / "app_functions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return root


def deploy(root: Path, files: Mapping[str, str], **options: Any) -> Deployment:
    return Deployment(load_app(write_app(root, files), **options))
