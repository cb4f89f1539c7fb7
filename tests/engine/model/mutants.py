"""
Wrong reactors: each breaks one rule. The model checker has to catch every one, or it proves nothing.

A mutant replaces one method, or a few; what it is called says what is wrong with it.
"""

# ruff: noqa: ARG005, SLF001  # They stand in the place of private methods, whose arguments they take.

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from joelclaw.engine.reactor import Plan, Reactor, Response, Round, Shot
from joelclaw.engine.results import Cache, Entry, Node, QueryKey
from joelclaw.engine.subscribers import Subscriber, Subscription
from joelclaw.functions.calls import INFINITY, Outcome
from joelclaw.store.protocol import IndexKey
from tests.engine.model.clients import Mutation
from tests.engine.model.world import World

Mutant = dict[tuple[type, str], Callable[..., Any]]

_keep, _begin, _emit = Reactor._keep, Reactor._begin, Reactor._emit
publish, outcome, start_round = Reactor.publish, Reactor.outcome, Reactor.start_round


def find_whatever_its_age(entry: Entry, identity_key: str, ts: int, now: float) -> Node | None:
    return _find(entry, identity_key, lambda node: ts < node.until and node.ran_at <= now < node.expires)


def find_whatever_the_time(entry: Entry, identity_key: str, ts: int, now: float) -> Node | None:
    return _find(entry, identity_key, lambda node: node.since <= ts < node.until)


def find_what_is_not_expired(entry: Entry, identity_key: str, ts: int, now: float) -> Node | None:
    return _find(entry, identity_key, lambda node: node.since <= ts and node.ran_at <= now < node.expires)


def find_for_earlier_moments(entry: Entry, identity_key: str, ts: int, now: float) -> Node | None:
    return _find(entry, identity_key, lambda node: node.since <= ts < node.until and now < node.expires)


def _find(entry: Entry, identity_key: str, valid: Callable[[Node], bool]) -> Node | None:
    nodes = entry.shared, entry.personal.get(identity_key)
    return next((node for node in nodes if node is not None and valid(node)), None)


def find_nothing(entry: Entry, identity_key: str, ts: int, now: float) -> Node | None:
    return entry.personal.get(identity_key) if entry.personal and ts < 0 else None


def publish_marking_first(self: Reactor, ts: int, keys: Sequence[IndexKey], responses: Sequence[Response] = ()) -> None:
    publish(self, ts, keys)
    self.respond(responses)


def queue_call_by_call(self: Reactor, responses: Sequence[Response]) -> dict[Subscriber, None]:
    for subscriber, message, ts in responses:
        if subscriber.alive:
            subscriber.outbound.response(message)
            subscriber.owed_ts = max(subscriber.owed_ts or 0, ts or 0)
            self.mark(subscriber)
    return {}


def recover_without_keys(self: World, batch: list[Mutation]) -> None:
    lost = [record for record in self.outbox if record.ts > self.reactor.published]
    for record in lost:
        self.publish(record._replace(keys=[]))
    if not lost:
        self.lane[:0] = batch


def keep_for_everybody(self: Reactor, key: QueryKey, _audience: str | None, *rest: Any) -> None:
    _keep(self, key, None, *rest)


def outcome_shared(self: Reactor, round: Round, ran: Outcome) -> None:
    outcome(self, round, msgspec.structs.replace(ran, personal=False))


def keep_of_any_code(
    self: Reactor, key: QueryKey, audience: str | None, result: Any, ran: Outcome, shot: Shot, ts: int, now: float
) -> None:
    _keep(self, key, audience, result, ran, Shot(self.code, shot.floor), ts, now)


def keep_without_successor(
    self: Reactor, key: QueryKey, audience: str | None, result: Any, ran: Outcome, *rest: Any
) -> None:
    _keep(self, key, audience, result, msgspec.structs.replace(ran, journal=None), *rest)


def keep_until_touched(
    self: Reactor, key: QueryKey, audience: str | None, result: Any, ran: Outcome, *rest: Any
) -> None:
    _keep(self, key, audience, result, msgspec.structs.replace(ran, expires=INFINITY), *rest)


def begin_forgetting(self: Reactor, round: Round) -> None:
    _begin(self, round)
    for plan in round.plans:
        plan.subscriber.removed -= plan.removed


def emit_at_newest(self: Reactor, plan: Plan, _ts: int) -> None:
    _emit(self, plan, self.published)


def emit_with_new_versions(self: Reactor, plan: Plan, ts: int) -> None:
    plan.versions = (plan.subscriber.query_set, plan.subscriber.identity_no)
    _emit(self, plan, ts)


def emit_without_telling(self: Reactor, plan: Plan, ts: int) -> None:
    plan.subscriber.told.clear()
    _emit(self, plan, ts)


def emit_what_changed_only(self: Reactor, plan: Plan, ts: int) -> None:
    if any(plan.subscriber.told.get(i) != result.digest for i, result in plan.results.items()):
        _emit(self, plan, ts)


def settle_and_rest(self: Reactor, round: Round, plan: Plan) -> None:
    if plan.subscriber.round is round:
        plan.subscriber.round = None
        assert round.ts is not None
        _emit(self, plan, round.ts)
        self.consider(plan.subscriber)


def pin_without_a_node(self: Reactor, subscription: Subscription, journal: str) -> None:
    if subscription.journal != journal and subscription.entry is not None:
        key = subscription.entry.key
        self._leave(subscription)
        subscription.journal = journal
        self._join(subscription, key._replace(journal=journal))


def pin_nothing(self: Reactor, subscription: Subscription, journal: str) -> None:
    return None


def deploy_with_the_old_cache(self: Reactor, code: int) -> None:
    self.code = code
    for subscriber in self.subscribers:
        self.mark(subscriber)


def finished_for_good(self: Reactor, round: Round) -> None:
    self.rounds.remove(round)
    self._shots.discard(round)
    self._trim_log()


def keep_without_waking(self: Reactor, *args: Any) -> None:
    mark, self.mark = self.mark, lambda subscriber: None  # type: ignore[method-assign]
    try:
        _keep(self, *args)
    finally:
        self.mark = mark  # type: ignore[method-assign]


def retire_in_the_index_only(self: Reactor, node: Node, ts: int) -> None:
    self._reads.remove(node.reads, node)
    node.until = ts


def start_the_newest(self: Reactor, reader: Any) -> bool:
    self.waiting.rotate(1)
    return start_round(self, reader)


def first_calls_for_each(self: Reactor, round: Round, entry: Entry, needs: Any) -> list[Any]:
    return [self._call(round, entry, needs, identity_key) for identity_key in list(needs.by_identity)[:1] * 2]


def unsubscribe_and_keep(self: Cache, entry: Entry, identity_key: str, subscription: Subscription) -> None:
    group = entry.subscriptions.get(identity_key, {})
    group.pop(subscription, None)


def when_published_at_once(self: Reactor, ts: int, then: Callable[[], None]) -> None:
    published, self.published = self.published, max(self.published, ts)
    then()
    self.published = published


def end_shot_without_trimming(self: Reactor, shot: Shot) -> None:
    return None


MUTANTS: dict[str, Mutant] = {
    "does not wait for the snapshot's commit record": {
        (Reactor, "may_begin"): lambda self, round: round.ts is not None,
    },
    "uses results newer than the snapshot": {(Entry, "find"): find_whatever_its_age},
    "uses results that a commit has met": {(Entry, "find"): find_what_is_not_expired},
    "ignores the time of day": {(Entry, "find"): find_whatever_the_time},
    "finds nothing in the cache": {(Entry, "find"): find_nothing},
    "forgets commits that came while a call ran": {(Reactor, "first_touch"): lambda self, since, reads: INFINITY},
    "labels with the newest commit": {(Reactor, "_emit"): emit_at_newest},
    "labels with the newest versions": {(Reactor, "_emit"): emit_with_new_versions},
    "acknowledges only what changed": {(Reactor, "_emit"): emit_what_changed_only},
    "lets any transition cover a response": {(Reactor, "covers"): lambda self, ts, owed_ts: True},
    "answers a batch call by call": {(Reactor, "_queue"): queue_call_by_call},
    "marks before it queues the responses": {(Reactor, "publish"): publish_marking_first},
    "recovers outcomes without their keys": {(World, "recover"): recover_without_keys},
    "forgets a dead reader's subscribers": {(Reactor, "finished"): finished_for_good},
    "consumes removals before they are sent": {(Reactor, "_begin"): begin_forgetting},
    "rests after a round, whatever came meanwhile": {(Reactor, "_settle"): settle_and_rest},
    "serves the last in line first": {(Reactor, "start_round"): start_the_newest},
    "runs a call twice in a round": {(Reactor, "_first_calls"): first_calls_for_each},
    "shares a personal result": {(Reactor, "_keep"): keep_for_everybody},
    "shares a personal result within a round": {(Reactor, "outcome"): outcome_shared},
    "does not run the others when a shared guess was personal": {
        (Reactor, "_run_for_the_others"): lambda self, round, entry, needs: None,
    },
    "keeps what old code answered": {(Reactor, "_keep"): keep_of_any_code},
    "keeps the cache over a deploy": {(Reactor, "deploy"): deploy_with_the_old_cache},
    "drops the journal's pin": {(Reactor, "_pin"): pin_nothing},
    "pins to a page that nothing keeps current": {(Reactor, "_pin"): pin_without_a_node},
    "keeps a page under its first key only": {(Reactor, "_keep"): keep_without_successor},
    "lets no result expire": {(Reactor, "_keep"): keep_until_touched},
    "does not tell of a result that displaces another": {(Reactor, "_keep"): keep_without_waking},
    "answers from commits that nobody knows of": {(Reactor, "when_published"): when_published_at_once},
    "does not wake when a result expires": {(Reactor, "clock_moved"): lambda self: self._expiries.clear()},
    "forgets to trim the log": {(Reactor, "_trim_log"): lambda self: None},
    "never lets a shot go": {(Reactor, "end_shot"): end_shot_without_trimming},
    "keeps results that no longer hold": {(Reactor, "_retire"): retire_in_the_index_only},
    "keeps entries that nobody wants": {(Cache, "unsubscribe"): unsubscribe_and_keep},
    "forgets to lighten the cache": {(Reactor, "_lighten"): lambda self: None},
    "drops results that are wanted": {(Entry, "wanted"): lambda self, audience: False},
}
