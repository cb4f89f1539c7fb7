"""`joelclaw.sync.session`: messages in, effects and frames out. No socket, no process."""

import hashlib
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from joelclaw.engine.asker import ADMIN, ANONYMOUS, Asker, asker_of
from joelclaw.engine.reactor import Response
from joelclaw.engine.subscribers import UNSENT_TRANSITIONS_MAX
from joelclaw.errors import BadValue
from joelclaw.functions.calls import Call, Identity, Outcome, Range
from joelclaw.sync.session import (
    ACTIONS_MAX,
    MUTATIONS_MAX,
    RESPONSE_CHARACTERS_MAX,
    RESPONSE_CHARACTERS_SOFT_MAX,
    Act,
    Close,
    Mutate,
    Verify,
)
from joelclaw.values.timestamps import decode_ts, encode_ts
from joelclaw.values.wire import decode
from tests.sync.client import SESSION_ID, ZERO, Client
from tests.sync.stand_in import T0, StandInEngine, boom, fails, value


@pytest.fixture
def engine() -> StandInEngine:
    engine = StandInEngine()
    engine.answer("q:list", value("[1]"))
    engine.answer("q:other", value('"other"', index=2))
    engine.declare("mutation", "m:send", "m:default")
    engine.declare("action", "a:run")
    return engine


@pytest.fixture
def client(engine: StandInEngine) -> Client:
    client = Client(engine)
    client.connect()
    return client


def user(subject: str = "ann", *, expires_at: float = float("inf"), **claims: Any) -> Asker:
    identity = Identity(
        issuer="https://a.test", subject=subject, token_identifier=f"https://a.test|{subject}", claims=claims
    )
    return asker_of(identity, expires_at=expires_at)


def types(messages: list[dict[str, Any]]) -> list[str]:
    return [message["type"] for message in messages]


def subscribed(engine: StandInEngine, *paths: str, development: bool = True) -> Client:
    """A client that has seen the first results of these queries, numbered from 0."""
    client = Client(engine, development=development)
    client.connect()
    adds: list[dict[str, Any]] = [
        {"type": "Add", "queryId": n, "udfPath": path, "args": [{}]} for n, path in enumerate(paths)
    ]
    client.modify(*adds)
    client.settle()
    return client


# -- opening


def test_a_first_transition_begins_at_zero(client: Client) -> None:
    """Pitfall 2: every connection starts from version zero, in all three parts (SYNC-1)."""
    client.subscribe(0, "q:list")
    [transition] = client.settle()
    assert transition["startVersion"] == ZERO
    assert transition["endVersion"] == {"querySet": 1, "identity": 0, "ts": encode_ts(T0)}


def test_a_transition_has_the_form_that_clients_read(client: Client) -> None:
    """All fields, log lines and journal included; the clock fields are integers (pitfalls 11, 12, 18)."""
    client.engine.answer("q:list", value("[1]", log_lines=["[LOG] 'listing'"]))
    client.subscribe(7, "q:list")
    [transition] = client.settle()
    assert transition["modifications"] == [
        {"type": "QueryUpdated", "queryId": 7, "value": [1], "logLines": ["[LOG] 'listing'"], "journal": None}
    ]
    assert transition["clientClockSkew"] == 0
    assert transition["serverTs"] == client.engine.clock.now_ns()
    assert type(transition["serverTs"]) is int


@pytest.mark.parametrize("client_ts", [0, 1_700_000_000_123, 1_699_999_999_999.75])
def test_pitfall_12_clock_fields_are_integers(engine: StandInEngine, client_ts: float) -> None:
    """Whatever clock the client has, ours are integers: a fraction makes the Python client reconnect in a loop."""
    client = Client(engine)
    client.send(type="Connect", sessionId=SESSION_ID, clientTs=client_ts)
    client.modify()
    [transition] = client.settle()
    assert type(transition["clientClockSkew"]) is int
    assert transition["clientClockSkew"] == round(client_ts - engine.clock.now_ms())


def test_pitfall_27_connect_is_optional(engine: StandInEngine) -> None:
    """A client that expects a sign-in leaves Connect out; it gets everything but exactly-once mutations."""
    client = Client(engine)
    client.authenticate(0)
    client.session.verified(user())
    client.subscribe(0, "q:list")
    [mutation] = client.mutate(0)
    assert isinstance(mutation, Mutate)
    assert mutation.call_id == ""
    assert len(mutation.request_id) == 16
    engine.commit(b'"m0"')
    messages = client.settle()
    assert types(messages)[-2:] == ["MutationResponse", "Transition"]
    assert messages[-1]["clientClockSkew"] is None
    assert messages[-1]["endVersion"] == {"querySet": 1, "identity": 1, "ts": encode_ts(T0 + 1_000)}


def test_fields_and_events_that_we_do_not_know_are_ignored(client: Client) -> None:
    """Clients move on without us; nothing that they add breaks a connection."""
    client.send(type="Event", eventType="Unheard", event={"a": [1]})
    client.modify({"type": "Add", "queryId": 0, "udfPath": "q:list", "args": [{}], "novelty": {"x": 1}})
    assert types(client.settle()) == ["Transition"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "[]",
        '{"type":"Unheard"}',
        '{"type":"Mutation","requestId":-1,"udfPath":"m:send","args":[{}]}',
        '{"type":"Mutation","requestId":0,"udfPath":"m:send","args":[]}',
        '{"type":"Mutation","requestId":0,"udfPath":"m:send","args":[{},{}]}',
        '{"type":"Authenticate","baseVersion":0,"tokenType":"Root","value":"x"}',
        '{"type":"Connect","sessionId":"not a uuid"}',
        '{"type":"Connect","sessionId":"' + SESSION_ID + '","maxObservedTimestamp":"AAAA"}',
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":0,"modifications":[]}',
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Remove","queryId":5}]}',
    ],
)
def test_what_must_not_be_sent_again_is_fatal(engine: StandInEngine, message: str) -> None:
    """A message that no client sends twice ends the client with a sentence, then the socket."""
    client = Client(engine)
    assert client.session.receive(message) == ()
    [fatal] = client.take()
    assert fatal["type"] == "FatalError"
    assert fatal["error"]
    assert client.session.closing == Close(1000)
    assert engine.queued == []


def test_half_a_character_stays_in_its_arguments(client: Client) -> None:
    """A text that was cut in an emoji is refused where arguments are read; what came with it is untouched."""
    half, asked = r'{"text":"\ud83d"}', list[bytes]()
    client.engine.answer("q:list", lambda call: asked.append(call.args) or Outcome(value=b"null"))
    adds = ",".join(
        f'{{"type":"Add","queryId":{id},"udfPath":"q:list","args":[{args}]}}' for id, args in enumerate((half, "{}"))
    )
    client.session.receive(f'{{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{adds}]}}')
    client.settle()
    [mutation] = client.session.receive(f'{{"type":"Mutation","requestId":0,"udfPath":"m:send","args":[{half}]}}')
    [action] = client.session.receive(f'{{"type":"Action","requestId":1,"udfPath":"a:run","args":[{half}]}}')

    assert isinstance(mutation, Mutate)
    assert isinstance(action, Act)
    assert sorted(asked)[1] == b"{}"
    for args in (sorted(asked)[0], mutation.args, action.args):
        with pytest.raises(BadValue, match="half a surrogate pair"):
            decode(args)
    assert client.session.closing is None


@pytest.mark.parametrize(
    "message",
    [
        r'{"type":"\ud800"}',
        r'{"type":"Mutation","requestId":-1,"udfPath":"m:send","args":["\ud800"]}',
        r'{"type":"Mutation","requestId":0,"udfPath":"m:send","args":["\ud800"}',
    ],
)
def test_half_a_character_excuses_nothing_else(client: Client, message: str) -> None:
    """A message that would not be one with a whole character is fatal, as ever."""
    client.session.receive(message)
    assert types(client.take()) == ["FatalError"]


def test_a_query_is_not_added_twice(client: Client) -> None:
    """Two queries of one number could not be told apart."""
    client.subscribe(0, "q:list")
    client.subscribe(0, "q:other")
    assert types(client.settle())[-1] == "FatalError"


@pytest.mark.parametrize("base", [0, 2])
def test_a_query_set_on_another_base_is_fatal(client: Client, base: int) -> None:
    """Neither side could ever find out what the other has."""
    client.modify()
    client.take()
    client.send(type="ModifyQuerySet", baseVersion=base, newVersion=base + 1, modifications=[])
    [fatal] = client.take()
    assert fatal["type"] == "FatalError"
    assert "BaseVersionMismatch" in fatal["error"]


def test_a_client_from_our_future_is_sent_away(engine: StandInEngine) -> None:
    """
    Pitfall 10: a client that has seen a later commit than ours is closed with a retry, and shown nothing older
    (SYNC-10).
    """
    client = Client(engine)
    client.connect(maxObservedTimestamp=encode_ts(T0 + 1))
    client.send(type="ModifyQuerySet", baseVersion=0, newVersion=1, modifications=[])
    assert client.take() == []
    assert client.session.closing is not None
    assert client.session.closing.code == 1011
    assert client.session.closing.reason.startswith("InternalServerError: Client has observed a timestamp")
    assert len(client.session.closing.reason) <= 123


def test_a_client_that_has_seen_our_newest_commit_is_welcome(engine: StandInEngine) -> None:
    """The usual reconnect."""
    client = Client(engine)
    client.connect(maxObservedTimestamp=encode_ts(T0))
    client.subscribe(0, "q:list")
    assert types(client.settle()) == ["Transition"]


# -- query sets


def test_pitfall_4_an_empty_modification_is_acknowledged(client: Client) -> None:
    """ModifyQuerySet without modifications still moves the version, in the next transition (SYNC-2)."""
    client.modify()
    [transition] = client.settle()
    assert transition["modifications"] == []
    assert transition["endVersion"]["querySet"] == 1


def test_pitfall_6_one_commit_is_one_transition(engine: StandInEngine) -> None:
    """Two queries that one commit changes come together, by ascending number (SYNC-4)."""
    answer = ["1"]
    engine.answer("q:a", lambda _: Outcome(value=answer[0].encode(), reads=[Range(1, b"")]))
    engine.answer("q:b", lambda _: Outcome(value=b"[" + answer[0].encode() + b"]", reads=[Range(1, b"")]))
    client = subscribed(engine, "q:b", "q:a")
    answer[0] = "2"
    ts = engine.commit(touched=1)
    [transition] = client.settle()
    assert [(m["queryId"], m["value"]) for m in transition["modifications"]] == [(0, [2]), (1, 2)]
    assert decode_ts(transition["endVersion"]["ts"]) == ts


def test_pitfall_8_a_query_whose_result_is_known_is_answered_all_the_same(engine: StandInEngine) -> None:
    """A second subscription to the same query gets its value, though nothing has run or changed."""
    client = subscribed(engine, "q:list")
    client.subscribe(1, "q:list")
    [transition] = client.settle()
    assert [(m["type"], m["queryId"]) for m in transition["modifications"]] == [("QueryUpdated", 1)]
    assert engine.runs == ["q:list"]


def test_pitfall_9_only_removed_queries_are_told_to_be_removed(engine: StandInEngine) -> None:
    """The other query of the set is not mentioned."""
    client = subscribed(engine, "q:list", "q:other")
    client.unsubscribe(0)
    [transition] = client.settle()
    assert transition["modifications"] == [{"type": "QueryRemoved", "queryId": 0}]


def test_added_and_removed_at_once_is_removed(client: Client) -> None:
    """A query that comes and goes in one message is answered with QueryRemoved alone (SYNC-3)."""
    client.modify({"type": "Add", "queryId": 0, "udfPath": "q:list", "args": [{}]}, {"type": "Remove", "queryId": 0})
    [transition] = client.settle()
    assert transition["modifications"] == [{"type": "QueryRemoved", "queryId": 0}]


def test_an_unchanged_result_is_not_sent_again(engine: StandInEngine) -> None:
    """A commit in the read set that changes nothing wakes the query and not the client (SYNC-7)."""
    client = subscribed(engine, "q:list")
    engine.commit(touched=1)
    assert client.settle() == []
    assert engine.runs == ["q:list", "q:list"]


def test_an_unchanged_failure_is_not_sent_again(engine: StandInEngine) -> None:
    """A query that fails again with the same error is not news either (SYNC-7)."""
    client = subscribed(engine, "q:list")
    engine.answer("q:list", fails(boom()))
    engine.commit(touched=1)
    [transition] = client.settle()
    assert [one["type"] for one in transition["modifications"]] == ["QueryFailed"]
    engine.commit(touched=1)
    assert client.settle() == []
    assert engine.runs == ["q:list"] * 3


def test_pitfall_58_all_spellings_of_a_path_are_one_query(engine: StandInEngine) -> None:
    """`messages.js:list` after a reconnect is the query that `messages:list` was before."""
    client = subscribed(engine, "q:list", "q.js:list")
    assert client.session.subscriber.queries[0].entry is client.session.subscriber.queries[1].entry
    assert engine.runs == ["q:list"]
    [mutation] = client.mutate(0, "m")
    assert isinstance(mutation, Mutate)
    assert mutation.path == "m:default"


def test_equal_arguments_are_one_query_however_they_are_written(client: Client) -> None:
    """Python writes 3.0 where JavaScript writes 3, and keys come in any order."""
    client.session.receive(
        '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":['
        '{"type":"Add","queryId":0,"udfPath":"q:list","args":[{"a":3,"b":"x"}]},'
        '{"type":"Add","queryId":1,"udfPath":"q:list","args":[{"b": "x", "a": 3.0}]}]}'
    )
    client.settle()
    assert client.engine.runs == ["q:list"]


@pytest.mark.parametrize("path", ["no:such", "::", "", "a..b:c", "q:list:"])
def test_an_unknown_query_fails_as_a_query(client: Client, path: str) -> None:
    """A path that names nothing is a failed query; the socket and its other queries live on."""
    client.subscribe(0, path)
    client.subscribe(1, "q:list")
    messages = client.settle()
    modifications = {m["queryId"]: m for message in messages for m in message["modifications"]}
    assert modifications[0]["type"] == "QueryFailed"
    assert "Could not find public function" in modifications[0]["errorMessage"]
    assert modifications[1]["type"] == "QueryUpdated"
    assert client.session.closing is None


def test_a_component_is_something_that_we_do_not_have(client: Client) -> None:
    """A function of a component is not found, rather than answered by ours of the same name."""
    client.subscribe(0, "q:list", componentPath="billing")
    client.subscribe(1, "q:list", componentPath="")
    modifications = [m for message in client.settle() for m in message["modifications"]]
    assert {m["queryId"]: m["type"] for m in modifications} == {0: "QueryFailed", 1: "QueryUpdated"}


def test_pitfall_62_a_journal_comes_back_with_the_query(engine: StandInEngine) -> None:
    """The journal in an Add reaches the run, and the one that a run leaves reaches the client (SYNC-14)."""
    journals: list[str | None] = []

    def page(call: Any) -> Outcome:
        journals.append(call.journal)
        return Outcome(value=b"[]", reads=[Range(1, b"")], journal='{"end":3}')

    engine.answer("q:page", page)
    client = Client(engine)
    client.connect()
    client.subscribe(0, "q:page", journal='{"end":3}')
    [transition] = client.settle()
    assert journals == ['{"end":3}']
    assert transition["modifications"][0]["journal"] == '{"end":3}'


def test_pitfall_61_a_page_that_was_shown_keeps_its_end(engine: StandInEngine) -> None:
    """The next run of a page is given the journal of the one before (SYNC-14)."""
    journals: list[str | None] = []

    def page(call: Any) -> Outcome:
        journals.append(call.journal)
        return Outcome(value=b"[%d]" % len(journals), reads=[Range(1, b"")], journal="pinned")

    engine.answer("q:page", page)
    client = subscribed(engine, "q:page")
    engine.commit(touched=1)
    client.settle()
    assert journals == [None, "pinned"]


# -- failures of queries


def test_a_failed_query_recovers(engine: StandInEngine) -> None:
    """QueryFailed, then QueryUpdated when its data change (SYNC-8)."""
    engine.answer("q:list", fails(boom()))
    client = subscribed(engine, "q:list")
    engine.answer("q:list", value("[2]"))
    engine.commit(touched=1)
    [transition] = client.settle()
    assert transition["modifications"][0]["type"] == "QueryUpdated"


def test_pitfall_17_only_app_errors_carry_data(engine: StandInEngine) -> None:
    """`errorData` is absent for ordinary errors, and there for an AppError, null included (ERR-7)."""
    engine.answer("q:plain", fails(boom()))
    engine.answer("q:data", fails(boom("Uncaught AppError: null", data=b"null")))
    client = Client(engine)
    client.subscribe(0, "q:plain")
    client.subscribe(1, "q:data")
    modifications = {m["queryId"]: m for message in client.settle() for m in message["modifications"]}
    assert "errorData" not in modifications[0]
    assert modifications[1]["errorData"] is None


def test_a_failure_in_development_tells_all(engine: StandInEngine) -> None:
    """Request id, message, traceback and log lines (ERR-1)."""
    engine.answer("q:list", lambda _: Outcome(failure=boom(), log_lines=["[LOG] 1"], reads=[Range(1, b"")]))
    client = Client(engine)
    client.subscribe(0, "q:list")
    [transition] = client.settle()
    [failed] = transition["modifications"]
    first, *rest = failed["errorMessage"].split("\n")
    assert first.startswith("[Request ID: ")
    assert first.endswith("] Server Error")
    assert rest == ["Uncaught ValueError: boom", "    at f (app.py:1)"]
    assert failed["logLines"] == ["[LOG] 1"]


def test_production_keeps_details_to_itself(engine: StandInEngine) -> None:
    """Only the first line goes out and no log lines; the report has everything, under the id that was told."""
    engine.answer("q:list", lambda _: Outcome(failure=boom(), log_lines=["[LOG] 1"], reads=[Range(1, b"")]))
    client = Client(engine, development=False)
    client.subscribe(0, "q:list")
    [transition] = client.settle()
    [failed] = transition["modifications"]
    [(request_id, path, failure)] = client.reported
    assert failed["errorMessage"] == f"[Request ID: {request_id}] Server Error"
    assert failed["logLines"] == []
    assert (path, failure.message) == ("q:list", "Uncaught ValueError: boom")


def test_production_tells_what_was_meant_for_the_caller(engine: StandInEngine) -> None:
    """Refused arguments keep their sentence, without the traceback; application errors keep their data."""
    engine.answer("q:args", fails(boom("ArgumentValidationError: no", public=True)))
    engine.answer("q:data", fails(boom("Uncaught AppError: secret", data=b'{"code":7}')))
    client = Client(engine, development=False)
    client.subscribe(0, "q:args")
    client.subscribe(1, "q:data")
    modifications = {m["queryId"]: m for message in client.settle() for m in message["modifications"]}
    assert modifications[0]["errorMessage"].split("\n")[1:] == ["ArgumentValidationError: no"]
    assert "\n" not in modifications[1]["errorMessage"]
    assert modifications[1]["errorData"] == {"code": 7}


def test_production_tells_administrators_all(engine: StandInEngine) -> None:
    """An administrator sees the details, and what was written for him is not what others are sent."""
    engine.answer("q:list", value("1", log_lines=["[LOG] secret"]))
    admin = Client(engine, development=False)
    admin.authenticate(0, "key", "Admin")
    admin.session.verified(ADMIN)
    other = Client(engine, development=False)
    for client in (admin, other):
        client.subscribe(0, "q:list")
    logs = [message["modifications"][0]["logLines"] for c in (admin, other) for message in c.settle()[-1:]]
    assert logs == [["[LOG] secret"], []]


def test_a_result_is_written_once_for_all(engine: StandInEngine) -> None:
    """Clients of one result share the text of it, under their own query numbers."""
    clients = [Client(engine) for _ in range(3)]
    for number, client in enumerate(clients):
        client.subscribe(number, "q:list")
    engine.read()
    [result] = {transition.updates[0][1] for client in clients for transition in client.session.outbox}  # type: ignore[union-attr]
    numbers = [client.take()[0]["modifications"][0]["queryId"] for client in clients]
    assert numbers == [0, 1, 2]
    assert result.text is not None


def test_text_that_is_half_a_character_is_told_all_the_same(engine: StandInEngine) -> None:
    """Pitfall 3: a message that cannot be encoded would be lost, and the client frozen with it."""
    engine.answer("q:list", lambda _: Outcome(failure=boom("Uncaught E: \ud800"), log_lines=["[LOG] \udfff"]))
    client = Client(engine)
    client.subscribe(0, "q:list")
    [transition] = client.settle()
    [failed] = transition["modifications"]
    assert "Uncaught E: ?" in failed["errorMessage"]
    assert failed["logLines"] == ["[LOG] ?"]


# -- mutations


def test_pitfall_14_the_response_precedes_the_transition_that_shows_it(engine: StandInEngine) -> None:
    """Response first, then a transition at or past its commit with the changed result (SYNC-5)."""
    client = subscribed(engine, "q:list")
    client.mutate(0)
    engine.answer("q:list", value("[1,2]"))
    ts = engine.commit(b'"m0"', touched=1, log_lines=["[INFO] 'sent'"])
    response, transition = client.settle()
    assert response == {
        "type": "MutationResponse",
        "requestId": 0,
        "success": True,
        "result": "m0",
        "ts": encode_ts(ts),
        "logLines": ["[INFO] 'sent'"],
    }
    assert decode_ts(transition["endVersion"]["ts"]) >= ts
    assert transition["modifications"][0]["value"] == [1, 2]


def test_pitfall_15_a_mutation_without_effect_is_followed_by_a_transition(client: Client) -> None:
    """A page without queries still gets one, or `await mutation()` would never return (SYNC-5)."""
    client.mutate(0)
    ts = client.engine.commit()
    response, transition = client.settle()
    assert response["type"] == "MutationResponse"
    assert transition["modifications"] == []
    assert decode_ts(transition["endVersion"]["ts"]) >= ts


def test_pitfall_16_a_failed_mutation_is_followed_by_a_transition(client: Client) -> None:
    """The Python client waits for one when the error carries data."""
    client.mutate(3)
    client.engine.fail(boom("Uncaught AppError: nope", data=b'{"code":7}'))
    response, transition = client.settle()
    assert (response["success"], response["ts"], response["errorData"]) == (False, None, {"code": 7})
    assert response["logLines"] == []
    assert transition["type"] == "Transition"


def test_a_plain_failure_of_a_mutation_has_no_data(client: Client) -> None:
    """Pitfall 17, for responses; and pitfall 18: log lines are there."""
    client.mutate(3)
    client.engine.fail(boom())
    response = client.settle()[0]
    assert "errorData" not in response
    assert response["logLines"] == []
    assert response["result"].endswith("Server Error\nUncaught ValueError: boom\n    at f (app.py:1)")


def test_an_unknown_mutation_is_refused_and_followed_by_a_transition(client: Client) -> None:
    """It is not queued; the answer and a transition come at once."""
    client.mutate(0, "no:such")
    response, transition = client.settle()
    assert "Could not find public function for 'no:such'" in response["result"]
    assert transition["type"] == "Transition"
    assert client.engine.queued == []


def test_pitfall_19_mutations_are_queued_in_their_order(client: Client) -> None:
    """And answered in it (TXN-13)."""
    for request_id in range(3):
        client.mutate(request_id)
    for _ in range(3):
        client.engine.commit()
    responses = [m for m in client.settle() if m["type"] == "MutationResponse"]
    assert [r["requestId"] for r in responses] == [0, 1, 2]


def test_pitfall_20_a_repeated_mutation_has_the_same_call_id(engine: StandInEngine) -> None:
    """Session and request name a mutation over reconnects; another session's are others (SYNC-9)."""
    first, second = Client(engine), Client(engine)
    for client in (first, second):
        client.connect()
        client.mutate(5)
    third = Client(engine)
    third.send(type="Connect", sessionId="49a46060-9a8c-4105-9a8e-2c810f771819")
    third.mutate(5)
    ids = [queued.call.call_id for queued in engine.queued]
    assert ids[0] == ids[1] == f"{SESSION_ID}|5"
    assert ids[2] != ids[0]


def test_request_ids_are_made_of_session_and_request(client: Client) -> None:
    """The first 16 digits of SHA-256 of `<session>|<request>`: what a user quotes can be found."""
    client.mutate(1)
    client.engine.fail(boom())
    expected = hashlib.sha256(f"{SESSION_ID}|1".encode()).hexdigest()[:16]
    assert client.settle()[0]["result"].startswith(f"[Request ID: {expected}] Server Error\n")
    assert client.reported[0][:2] == (expected, "m:send")


def test_pitfall_22_23_a_recorded_answer_keeps_its_timestamp_and_is_followed_by_a_transition(
    client: Client,
) -> None:
    """A mutation that was found in the records answers its original commit, and a transition follows."""
    client.mutate(1)
    queued = client.engine.queued.pop()
    recorded = Outcome(value=b'"m1"', commit_ts=T0 - 5)
    client.engine.reactor.respond([Response(queued.subscriber, queued.call.respond(recorded), T0 - 5)])
    response, transition = client.settle()
    assert response["ts"] == encode_ts(T0 - 5)
    assert decode_ts(transition["endVersion"]["ts"]) >= T0 - 5


def test_pitfall_26_a_mutation_outlives_its_socket(client: Client) -> None:
    """It stays queued and its outcome is taken; nobody is told (SYNC-11)."""
    client.mutate(0)
    client.session.lost()
    assert len(client.engine.queued) == 1
    client.engine.commit()
    assert client.take() == []


def test_too_many_mutations_close_with_a_reason_to_slow_down(client: Client) -> None:
    """Pitfall 32: the reason tells clients how long to wait; what was queued before stays queued."""
    for request_id in range(MUTATIONS_MAX):
        client.mutate(request_id)
    assert client.session.closing is None
    client.mutate(MUTATIONS_MAX)
    assert client.session.closing == Close(1013, "TooManyConcurrentMutations")
    assert len(client.engine.queued) == MUTATIONS_MAX


def test_answered_mutations_make_room(client: Client) -> None:
    """The limit is on those that are not answered yet."""
    for request_id in range(MUTATIONS_MAX + 1):
        client.mutate(request_id)
        client.engine.commit()
    assert client.session.closing is None


# -- actions


def test_an_action_is_answered_without_a_transition(client: Client) -> None:
    """ActionResponse has no ts, and settles the call by itself."""
    act = client.act(1)
    act.respond(Outcome(value=b'{"x":1}', log_lines=["[LOG] 'acting'"]))
    [response] = client.settle()
    assert response == {
        "type": "ActionResponse",
        "requestId": 1,
        "success": True,
        "result": {"x": 1},
        "logLines": ["[LOG] 'acting'"],
    }


def test_actions_are_concurrent_and_answered_as_they_end(client: Client) -> None:
    """The second may end first; neither waits for mutations."""
    client.mutate(0)
    first, second = client.act(1), client.act(2)
    second.respond(Outcome())
    first.respond(Outcome(failure=boom("Uncaught AppError: bad", data=b'"bad"')))
    responses = client.settle()
    assert [(r["requestId"], r["success"]) for r in responses] == [(2, True), (1, False)]
    assert responses[1]["errorData"] == "bad"
    assert "ts" not in responses[1]


def test_an_unknown_action_is_refused(client: Client) -> None:
    """A mutation called as an action is refused by kind."""
    assert client.send(type="Action", requestId=0, udfPath="m:send", args=[{}]) == []
    [response] = client.settle()
    assert "Trying to execute m:send as action" in response["result"]


def test_too_many_actions_close(client: Client) -> None:
    """The thousand that run go on."""
    running = [client.act(request_id) for request_id in range(ACTIONS_MAX)]
    client.send(type="Action", requestId=ACTIONS_MAX, udfPath="a:run", args=[{}])
    assert client.session.closing == Close(1013, "TooManyConcurrentRequests")
    running[0].respond(Outcome())


def test_pitfall_25_an_action_of_a_lost_socket_answers_nobody(engine: StandInEngine) -> None:
    """Its response goes nowhere, least of all to the session's next socket (SYNC-11)."""
    first = Client(engine)
    first.connect()
    act = first.act(1)
    first.session.lost()
    second = Client(engine)
    second.connect()
    act.respond(Outcome())
    assert first.take() == second.take() == []


# -- identity


def test_pitfall_5_authenticate_is_acknowledged_without_any_query(client: Client) -> None:
    """A transition with a higher identity version, though nothing else has changed."""
    effect = client.authenticate(0, "eyJ")
    assert isinstance(effect, Verify)
    assert effect.message.value == "eyJ"
    assert client.settle() == []
    client.session.verified(user())
    [transition] = client.settle()
    assert transition["endVersion"]["identity"] == 1
    assert transition["modifications"] == []


def test_signing_out_is_acknowledged_at_once(client: Client) -> None:
    """tokenType None needs no verification."""
    client.authenticate(0)
    client.session.verified(user())
    assert client.send(type="Authenticate", baseVersion=1, tokenType="None") == []
    transitions = client.settle()
    assert transitions[-1]["endVersion"]["identity"] == 2
    assert client.session.asker is ANONYMOUS


def test_pitfall_39_nothing_is_received_while_a_token_is_verified(client: Client) -> None:
    """A mutation behind Authenticate is the new user's; one that were received before would not be."""
    client.authenticate(0)
    with pytest.raises(AssertionError):
        client.mutate(0)
    client.session.verified(user("ann"))
    [mutation] = client.mutate(0)
    assert isinstance(mutation, Mutate)
    assert mutation.asker.identity is not None
    assert mutation.asker.identity.subject == "ann"


def test_pitfall_37_38_a_refused_token_is_told_with_its_base_and_closes(client: Client) -> None:
    """AuthError names the identity version of the last transition sent; then the socket closes."""
    client.authenticate(0)
    client.session.verified(user())
    client.settle()
    client.authenticate(1)
    client.session.refused("Could not verify token")
    assert client.take() == [
        {"type": "AuthError", "error": "Could not verify token", "baseVersion": 1, "authUpdateAttempted": True}
    ]
    assert client.session.closing == Close(1000)


def test_authenticate_on_another_base_is_fatal(client: Client) -> None:
    """Nothing is verified."""
    assert client.send(type="Authenticate", baseVersion=1, tokenType="User", value="x") == []
    assert types(client.take()) == ["FatalError"]


def test_pitfall_40_a_refreshed_token_runs_nothing(engine: StandInEngine) -> None:
    """Two tokens of one user are one identity: confirmed with an empty transition, no query runs."""
    engine.answer("q:me", value('"ann"', personal=True))
    client = Client(engine)
    client.authenticate(0)
    client.session.verified(user(expires_at=engine.clock.now_ms() + 60_000))
    client.subscribe(0, "q:me")
    client.settle()
    runs = list(engine.runs)
    client.authenticate(1)
    client.session.verified(user(expires_at=engine.clock.now_ms() + 120_000))
    [transition] = client.settle()
    assert transition["endVersion"]["identity"] == 2
    assert transition["modifications"] == []
    assert engine.runs == runs


def test_pitfall_42_results_are_not_shared_across_identities(engine: StandInEngine) -> None:
    """A query that looked at the identity answers each user with his own (SYNC-17)."""
    engine.answer(
        "q:me",
        lambda call: Outcome(
            value=f'"{call.identity.subject if call.identity else ""}"'.encode(), personal=True, reads=[Range(1, b"")]
        ),
    )
    told = {}
    for name in ("ann", "bob"):
        client = Client(engine)
        client.authenticate(0)
        client.session.verified(user(name))
        client.subscribe(0, "q:me")
        told[name] = [m["value"] for message in client.settle() for m in message["modifications"]]
    assert told == {"ann": ["ann"], "bob": ["bob"]}


def test_an_identity_change_reruns_only_what_looked_at_it(engine: StandInEngine) -> None:
    """AUTH-19 (SYNC-17)."""
    engine.answer("q:me", value("0", personal=True))
    client = subscribed(engine, "q:list", "q:me")
    engine.runs.clear()
    client.authenticate(0)
    client.session.verified(user())
    client.settle()
    assert engine.runs == ["q:me"]


def test_a_renewed_token_runs_nothing_again(engine: StandInEngine) -> None:
    """T2 (AUTH-17): an equal identity is confirmed by a transition that changes its version alone."""
    engine.answer("q:me", value("0", personal=True))
    client = subscribed(engine, "q:list", "q:me")
    client.authenticate(0)
    client.session.verified(user(expires_at=engine.clock.now_ms() + 60_000))
    client.settle()
    engine.runs.clear()

    client.authenticate(1)
    client.session.verified(user(expires_at=engine.clock.now_ms() + 110_000))

    [confirmed] = client.settle()
    assert confirmed["type"] == "Transition"
    assert confirmed["endVersion"]["identity"] == 2
    assert confirmed["modifications"] == []
    assert engine.runs == []


@pytest.mark.parametrize("doing", ["mutation", "action", "rerun"])
def test_an_identity_ends_with_its_token(engine: StandInEngine, doing: str) -> None:
    """After `exp` the next call or rerun is answered with AuthError, not attempted, and closes the socket."""
    client = Client(engine)
    client.connect()
    client.subscribe(0, "q:list")
    client.authenticate(0)
    client.session.verified(user(expires_at=engine.clock.now_ms() + 60_000))
    client.settle()
    engine.clock.advance(timedelta(seconds=60))
    assert client.settle() == []
    if doing == "rerun":
        engine.answer("q:list", value("[9]"))
        engine.commit(touched=1)
    else:
        client.send(type=doing.title(), requestId=0, udfPath="m:send", args=[{}])
    [error] = client.settle()
    assert error == {
        "type": "AuthError",
        "error": "Convex token identity expired",
        "baseVersion": 1,
        "authUpdateAttempted": False,
    }
    assert client.session.closing == Close(1000)
    assert engine.queued == []


def test_an_identity_that_is_renewed_in_time_goes_on(engine: StandInEngine) -> None:
    """The new token's end counts."""
    client = Client(engine)
    now = engine.clock.now_ms()
    client.authenticate(0)
    client.session.verified(user(expires_at=now + 60_000))
    client.authenticate(1)
    client.session.verified(user(expires_at=now + 120_000))
    engine.clock.advance(timedelta(seconds=90))
    client.mutate(0)
    assert len(engine.queued) == 1


def test_an_administrator_acts_as_somebody_under_any_of_three_names(client: Client) -> None:
    """`impersonating`, `actingAs`, `acting_as`."""
    for name in ("impersonating", "actingAs", "acting_as"):
        [effect] = client.send(
            type="Authenticate", baseVersion=0, tokenType="Admin", value="k|s", **{name: {"name": "Ännchen"}}
        )
        assert isinstance(effect, Verify)
        assert effect.message.attributes == {"name": "Ännchen"}
        client = Client(client.engine)


# -- flow


def test_pitfall_34_a_socket_that_does_not_read_costs_two_transitions(engine: StandInEngine) -> None:
    """However many commits there are, two transitions wait; when it drains it gets the newest state only."""
    number = [0]
    engine.answer("q:n", lambda _: Outcome(value=b"%d" % number[0], reads=[Range(1, b"")]))
    client = subscribed(engine, "q:n")
    for _ in range(50):
        number[0] += 1
        engine.commit(touched=1)
        engine.read()
    assert len(client.session.outbox) == UNSENT_TRANSITIONS_MAX
    told = [m["value"] for message in client.settle() for m in message["modifications"]]
    assert told[-1] == 50
    assert len(told) == UNSENT_TRANSITIONS_MAX + 1


def test_responses_are_counted_until_they_are_sent(client: Client) -> None:
    """Who does not take responses may not ask for more."""
    act = client.act(0)
    act.respond(Outcome(value=b'"' + b"x" * RESPONSE_CHARACTERS_SOFT_MAX + b'"'))
    assert client.session.congested
    client.take()
    assert not client.session.congested


def test_unsent_responses_are_bounded(client: Client) -> None:
    """Far beyond, the connection is closed and what it did not take is dropped."""
    acts = [client.act(number) for number in range(5)]
    for act in acts:
        act.respond(Outcome(value=b'"' + b"x" * (RESPONSE_CHARACTERS_MAX // 4) + b'"'))
    assert client.session.closing == Close(1013, "TooManyConcurrentRequests")
    assert client.take() == []


def test_pitfall_28_a_ping_is_said_into_silence_only(client: Client) -> None:
    """A frame that waits is a sign of life by itself (SYNC-13)."""
    client.session.ping()
    assert client.take() == [{"type": "Ping"}]
    client.modify()
    client.session.ping()
    assert types(client.take()) == ["Transition"]


def test_frames_and_closing_wake_the_socket(client: Client) -> None:
    """Whatever puts something to do before the socket tells it."""
    before = client.wakes
    client.modify()
    assert client.wakes == before + 1
    client.session.close(Close(1000))
    assert client.wakes == before + 2


# -- leaving


def test_leaving_answers_what_was_received_then_closes(client: Client) -> None:
    """At shutdown a queued mutation gets its response and its transition; then the socket closes with 1012."""
    client.mutate(0)
    client.session.leave()
    assert client.session.closing is None
    client.engine.commit()
    assert types(client.take()) == ["MutationResponse", "Transition"]
    assert client.session.closing == Close(1012)


def test_leaving_takes_nothing_any_more(client: Client) -> None:
    """What comes after is left to the next server; it was not answered, so clients send it again."""
    client.mutate(0)
    client.session.leave()
    client.mutate(1)
    assert len(client.engine.queued) == 1


def test_an_idle_connection_leaves_at_once(client: Client) -> None:
    """Nothing is owed."""
    client.session.leave()
    assert client.session.closing == Close(1012)


def test_a_lost_connection_is_forgotten(engine: StandInEngine) -> None:
    """The reactor wakes nobody for it, and no query runs."""
    client = subscribed(engine, "q:list")
    client.session.lost()
    engine.runs.clear()
    engine.commit(touched=1)
    engine.read()
    assert engine.runs == []
    assert not engine.reactor.subscribers
    assert client.take() == []


# -- all of it, at random


def test_pitfall_1_versions_fit_and_every_call_is_answered() -> None:
    """
    Random sessions: every transition begins where the last one ended, time never goes back,
    every mutation is answered once with a transition at or past it behind, and what each
    query was told last is what it answers at the end. The seed is printed.
    """
    for _ in range(20):
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        _play_at_random(random.Random(seed))


def counter(state: list[int], number: int) -> Callable[[Call], Outcome]:
    """A query that answers what a counter shows and has read its index."""
    return lambda _: Outcome(value=b"%d" % state[number], reads=[Range(number, b"")])


def _play_at_random(rng: random.Random) -> None:
    engine = StandInEngine()
    state = [0, 0]
    for number in range(2):
        engine.answer(f"q:{number}", counter(state, number))
    engine.declare("mutation", "m:send")
    client = Client(engine)
    client.connect()
    heard: list[dict[str, Any]] = []
    subscribed: dict[int, int] = {}
    identity = asked = 0
    for step in range(150):
        match rng.choice(["subscribe", "unsubscribe", "mutate", "commit", "commit", "read", "take", "identify"]):
            case "subscribe":
                subscribed[step] = rng.randrange(2)
                client.subscribe(step, f"q:{subscribed[step]}")
            case "unsubscribe" if subscribed:
                query_id = rng.choice(list(subscribed))
                del subscribed[query_id]
                client.unsubscribe(query_id)
            case "mutate":
                client.mutate(asked)
                asked += 1
            case "commit":
                index = rng.choice([None, 0, 1])
                if client.engine.queued and rng.random() < 0.2:
                    engine.fail(boom())  # What failed has changed nothing.
                    continue
                if index is not None:
                    state[index] += 1
                engine.commit(touched=index)
            case "read":
                engine.read()
            case "take":
                heard += client.take(rng.randrange(3))
            case "identify":
                client.authenticate(identity)
                client.session.verified(user(rng.choice(["ann", "bob"])))
                identity += 1
    while engine.queued:
        engine.commit()
    for _ in range(3):
        heard += client.settle()

    told: dict[int, int] = {}
    unshown: dict[int, int] = {}
    answered: list[int] = []
    for message in heard:
        if message["type"] == "MutationResponse":
            answered.append(message["requestId"])
            unshown[message["requestId"]] = decode_ts(message["ts"]) if message["success"] else 0
            continue
        shown = decode_ts(message["endVersion"]["ts"])
        unshown = {request: ts for request, ts in unshown.items() if ts > shown}
        for modification in message["modifications"]:
            if modification["type"] == "QueryUpdated":
                told[modification["queryId"]] = modification["value"]
            else:
                told.pop(modification["queryId"], None)
    assert sorted(answered) == list(range(asked))
    assert unshown == {}
    assert told == {query_id: state[number] for query_id, number in subscribed.items()}
    assert client.version["identity"] == identity
    assert client.session.closing is None
