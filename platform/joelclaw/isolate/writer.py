"""
The writer: mutations, one after another, committed in groups.

A batch is one transaction with a savepoint around each mutation: what fails is undone alone.
The commit's timestamp is taken before the first mutation runs, for each outcome names it, and
outcomes are recorded inside the transaction.

Exactly once rests on two things that are written with the data:

- the *record* of each successful mutation that has a call id, which answers a repetition with
  the first outcome. Failures leave none: nothing happened, so it may be tried again;
- the *reply*, the whole batch's outcomes and index keys, kept until the gateway says that it
  has published the commit. A writer or gateway that dies between COMMIT and reply loses
  neither answers nor invalidations: the next `Prepared` carries them.

A batch that wrote nothing, records included, commits nothing and has the timestamp 0. Its
successful mutations then name the newest commit: whoever has seen that has seen all that they
saw.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from joelclaw.errors import AppRefused, DocumentRefused, IndexNotUnique, OutcomeUnknown, PlatformError
from joelclaw.functions.calls import Call, Failure, Outcome
from joelclaw.functions.loader import LoadedApp
from joelclaw.functions.running import run_mutation
from joelclaw.isolate.hooks import ProcessHooks
from joelclaw.isolate.memory import MemoryGauge
from joelclaw.isolate.messages import (
    Batch,
    BatchDone,
    Checkpoint,
    Checkpointed,
    FromIsolate,
    Load,
    LoadFailed,
    Prepare,
    Prepared,
    ToIsolate,
    UnsentReply,
)
from joelclaw.schema.layout import DocumentKey, IndexKey, Layout, TableLayout
from joelclaw.schema.problems import Place, Problem
from joelclaw.schema.specs import TableSpec
from joelclaw.store.protocol import CALLS_KEPT_MS, Commit, Finish, Transaction
from joelclaw.store.sqlite import SqliteStore, open_sqlite
from joelclaw.system.tables import StoredFile
from joelclaw.values.timestamps import CommitTs

BATCH_BUDGET_S: Final = 0.025
"""A batch starts no further call after this long; the first of it waits no longer for the last."""

MISFITS_TOLD_MAX: Final = 5
"""Documents that a refusal names; who has mended them sees whether there are more."""

FILES: Final = 4_096
"""The number of the table of stored files. Those of other system tables follow the order in which they came to be."""

_record = msgspec.msgpack.Encoder()
_recorded: "msgspec.msgpack.Decoder[Outcome]" = msgspec.msgpack.Decoder(Outcome)
_unsent: "msgspec.msgpack.Decoder[UnsentReply]" = msgspec.msgpack.Decoder(UnsentReply)


class _Identified(msgspec.Struct):
    """Any document, as far as its id."""

    id: str = msgspec.field(name="_id")


class Writer:
    """Runs mutations as messages ask for them. Answers go to `send`."""

    def __init__(self, load: Load, app: LoadedApp, hooks: ProcessHooks, send: Callable[[FromIsolate], None]) -> None:
        self._load = load
        self._app = app
        self._hooks = hooks
        self._clock = hooks.wall_clock
        self._send = send
        self._memory = MemoryGauge()
        self._open_store: SqliteStore | None = None

    def take(self, message: ToIsolate) -> None:
        """Do what a message asks for."""
        match message:
            case Batch() as batch:
                self._send(self._run_batch(batch))
            case Prepare() as prepare:
                self._send(self._prepare(prepare))
            case Checkpoint():
                self._send(Checkpointed(log_bytes=self._store.checkpoint()))
            case _:
                raise TypeError(f"a writer was sent {type(message).__name__}")

    def close(self) -> None:
        """Let go of the database."""
        self._memory.close()
        if self._open_store is not None:
            self._open_store.close()

    @property
    def _store(self) -> SqliteStore:
        assert self._open_store is not None, "prepare the database first"
        return self._open_store

    # -- the schema

    def _prepare(self, asked: Prepare) -> Prepared | LoadFailed:
        try:
            if self._open_store is None:
                self._open_store = open_sqlite(self._load.store_url, self._load.durability)
                self._open_store.interruptible(self._hooks.timer.expired)
            known = self._store.layout()
            self._app.expect(known)
            layout = self._store.prepare(
                [table.spec for table in self._app.tables.values()],
                self._examine,
                _first_numbers(known),
                self._finish(asked),
            )
        except AppRefused as refused:
            return LoadFailed(problems=list(refused.problems))
        except PlatformError as error:
            return LoadFailed(problems=[self._problem(error)])
        self._app.adopt(layout)
        with self._store.read() as snapshot:
            ts = snapshot.timestamp
        unsent = [_unsent.decode(reply) for _, reply in self._store.replies_after(0)]
        return Prepared(layout=layout, ts=ts, unsent=unsent)

    def _finish(self, asked: Prepare) -> Finish | None:
        if asked.trial:
            return lambda _, txn: txn.rollback()
        record = asked.record
        return None if record is None else lambda layout, txn: self._keep_record(layout, txn, record)

    def _keep_record(self, layout: Layout, txn: Transaction, call: Call) -> None:
        """Run a mutation of the platform, and commit it with the schema."""
        self._app.adopt(layout)
        ts = self._store.next_timestamp(self._clock)
        with self._hooks.batch():
            outcome = self._run_once(txn, call, ts)
        if outcome.failure is not None:
            raise AppRefused([self._refusal(f"this version cannot be written down: {outcome.failure.message}")])
        # No batch was asked for it; whoever takes over after a death needs to hear of its keys all the same.
        txn.commit(_record.encode(UnsentReply(batch=0, ts=ts, keys=txn.writes(), outcomes=[])), ts)

    def _examine(self, layout: TableLayout, raws: list[bytes]) -> list[list[DocumentKey]]:
        """The keys of documents that exist already; refuses the schema if it has no room for them."""
        table = self._app.tables[layout.name]
        keys: list[list[DocumentKey]] = []
        problems: list[Problem] = []
        for raw in raws:
            try:
                keys.append(table.keys(table.check(raw), layout))
            except DocumentRefused as error:
                problems.append(_misfit(table.spec, raw, error))
        if problems:
            raise AppRefused(problems[:MISFITS_TOLD_MAX])
        return keys

    def _problem(self, error: PlatformError) -> Problem:
        """What the database has against the schema, as something wrong with the app's files."""
        if isinstance(error, IndexNotUnique):
            spec = self._app.tables[error.table].spec
            return Problem(place=spec.place, name=spec.python_name, reason=str(error))
        return self._refusal(str(error))

    def _refusal(self, reason: str) -> Problem:
        return Problem(place=Place(self._load.schema, 1), name="the database", reason=reason)

    # -- batches

    def _run_batch(self, batch: Batch) -> BatchDone:
        outcomes: list[Outcome] = []
        try:
            with self._store.write() as txn:
                commit = self._run_calls(txn, batch, outcomes)
        except OutcomeUnknown:
            # Only who looks into the database can tell: end, as if killed, and let the successor look.
            raise
        except PlatformError as error:
            # Nobody's writes are left, and if it did not even begin, it would not for the others either.
            return self._done(batch, 0, [_failed(error)] * (len(outcomes) or len(batch.calls)), [])
        return self._done(batch, commit.ts, outcomes, commit.keys)

    def _done(self, batch: Batch, ts: int, outcomes: list[Outcome], keys: list[IndexKey]) -> BatchDone:
        return BatchDone(
            batch=batch.batch,
            ts=ts,
            outcomes=outcomes,
            keys=keys,
            memory_bytes=self._memory.resident_bytes(),
            log_bytes=self._store.log_bytes(),
        )

    def _run_calls(self, txn: Transaction, batch: Batch, outcomes: list[Outcome]) -> Commit:
        """Run what the budget allows, and commit. `outcomes` grows call by call: who tells of a failure counts them."""
        over_at = time.monotonic() + BATCH_BUDGET_S
        ts = self._store.next_timestamp(self._clock)
        with self._hooks.batch():
            for call in batch.calls:
                outcomes.append(self._run_once(txn, call, ts))
                if time.monotonic() > over_at:
                    break
        if not txn.changed:
            outcomes[:] = [_at(outcome, txn.timestamp) if outcome.commit_ts == ts else outcome for outcome in outcomes]
            return Commit(ts=CommitTs(0), keys=[])
        txn.forget_replies(batch.published_ts)
        txn.forget_calls(self._clock.now_ms() - CALLS_KEPT_MS)
        reply = UnsentReply(batch=batch.batch, ts=ts, keys=txn.writes(), outcomes=outcomes)
        return txn.commit(_record.encode(reply), ts)

    def _run_once(self, txn: Transaction, call: Call, ts: CommitTs) -> Outcome:
        if call.call_id and (record := txn.find_call(call.call_id)) is not None:
            return _recorded.decode(record)
        savepoint = txn.savepoint()
        outcome = self._hooks.run(partial(run_mutation, self._app, txn, call, self._hooks))
        if outcome.failure is not None:
            txn.rollback_to(savepoint)
            return outcome
        if call.call_id:
            record = _record.encode(Outcome(value=outcome.value, commit_ts=ts))
            txn.record_call(call.call_id, record, self._clock.now_ms())
        txn.release(savepoint)
        return _at(outcome, ts)


def _first_numbers(known: Layout) -> dict[str, int]:
    """Numbers of tables that are the same in every deployment from the start, so that exported ids fit into all."""
    return {} if any(table.name == StoredFile.__table__ for table in known.tables) else {StoredFile.__table__: FILES}


def _misfit(spec: TableSpec, raw: bytes, error: DocumentRefused) -> Problem:
    id = msgspec.json.decode(raw, type=_Identified).id
    where = error.path.removeprefix(".")
    found = f" Field {where}: {error.value:.80} is stored, expected is {error.validator:.120}" if where else ""
    return Problem(
        place=spec.place,
        name=spec.python_name,
        reason=f"document {id} in table {spec.name!r} does not match this schema: {error.reason}{found}",
        advice="change the document, or allow what it has: a default, another type in a union, `X | UnsetType = UNSET`",
    )


def _at(outcome: Outcome, ts: CommitTs) -> Outcome:
    return msgspec.structs.replace(outcome, commit_ts=ts)


def _failed(error: PlatformError) -> Outcome:
    return Outcome(failure=Failure(message=str(error), code=error.code, public=error.public))
