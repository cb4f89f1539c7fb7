"""
The reader: queries, each batch or round of them on one snapshot.

A batch is for callers who want one answer; its snapshot is closed when it is over. A round
keeps its snapshot between messages, so that the gateway can first publish every commit that
the snapshot contains and then ask for exactly the results that are missing. There is one
snapshot at a time: a reader has one connection to the database.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from joelclaw.functions.calls import Call, Outcome
from joelclaw.functions.loader import LoadedApp
from joelclaw.functions.running import run_query
from joelclaw.isolate.hooks import ProcessHooks
from joelclaw.isolate.memory import MemoryGauge
from joelclaw.isolate.messages import (
    Adopt,
    Batch,
    BatchDone,
    CallDone,
    CloseRound,
    FromIsolate,
    Load,
    OpenRound,
    RoundClosed,
    RoundOpened,
    RunCalls,
    ToIsolate,
)
from joelclaw.store.protocol import Snapshot
from joelclaw.store.sqlite import SqliteStore, open_sqlite

BATCH_BUDGET_S: Final = 0.025
"""A batch starts no further call after this long; the first of it waits no longer for the last."""


class Reader:
    """Runs queries as messages ask for them. Answers go to `send`, each as soon as there is one."""

    def __init__(self, load: Load, app: LoadedApp, hooks: ProcessHooks, send: Callable[[FromIsolate], None]) -> None:
        self._load = load
        self._app = app
        self._hooks = hooks
        self._send = send
        self._memory = MemoryGauge()
        self._store: SqliteStore | None = None
        self._snapshot: Snapshot | None = None

    def take(self, message: ToIsolate) -> None:
        """Do what a message asks for."""
        match message:
            case RunCalls() as run_calls:
                self._run_calls(run_calls)
            case OpenRound(round=number):
                snapshot = self._open()
                self._send(RoundOpened(round=number, ts=snapshot.timestamp))
            case CloseRound(round=number):
                self._close()
                self._send(RoundClosed(round=number, memory_bytes=self._memory.resident_bytes()))
            case Batch() as batch:
                self._run_batch(batch)
            case Adopt(layout=layout):
                self._store = open_sqlite(self._load.store_url, self._load.durability, read_only=True)
                self._store.interruptible(self._hooks.timer.expired)
                self._app.adopt(layout)
            case _:
                raise TypeError(f"a reader was sent {type(message).__name__}")

    def close(self) -> None:
        """Let go of the database."""
        self._memory.close()
        self._close()
        if self._store is not None:
            self._store.close()

    def _open(self) -> Snapshot:
        assert self._store is not None, "the layout comes first"
        assert self._snapshot is None, "one snapshot at a time"
        self._snapshot = self._store.read()
        return self._snapshot

    def _close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot = None

    def _run_batch(self, batch: Batch) -> None:
        snapshot = self._open()
        over_at = time.monotonic() + BATCH_BUDGET_S
        outcomes = []
        with self._hooks.batch():
            for call in batch.calls:
                outcomes.append(self._run(snapshot, call))
                if time.monotonic() > over_at:
                    break
        ts = snapshot.timestamp
        self._close()
        memory_bytes = self._memory.resident_bytes()
        self._send(BatchDone(batch=batch.batch, ts=ts, outcomes=outcomes, memory_bytes=memory_bytes))

    def _run_calls(self, message: RunCalls) -> None:
        snapshot = self._snapshot
        assert snapshot is not None, "open a round first"
        with self._hooks.batch():
            for call in message.calls:
                self._send(CallDone(round=message.round, outcome=self._run(snapshot, call)))

    def _run(self, snapshot: Snapshot, call: Call) -> Outcome:
        return self._hooks.run(partial(run_query, self._app, snapshot, call, self._hooks))
