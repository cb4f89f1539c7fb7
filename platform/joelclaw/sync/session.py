"""
A session's connection as a pure object: messages in, effects and frames out.

No I/O, no clock of its own, nothing awaited. The socket around it feeds `receive`, carries
out the effects that come back, and takes frames from `outbox` for as long as it can send.

What holds:

- versions begin at zero with each connection; a message that builds on another version than
  ours is fatal, because neither side could ever find out what the other has;
- a socket's mutations are handed over in the order they came in, and are told apart from
  repeated ones by the session's id, if the client has told it;
- nothing is received while a token is being verified: what was sent after `Authenticate` is
  meant as the new user;
- an identity ends with its token, at the next thing that would be done for it.

Elsewhere: `engine/reactor.py` decides when which transition is due; `messages.py` and
`wording.py` write frames; `socket.py` has the sockets, tasks and timers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from joelclaw.clock import Clock
from joelclaw.engine.access import COMPONENTS
from joelclaw.engine.asker import ANONYMOUS, Asker
from joelclaw.engine.reactor import Reactor, Response
from joelclaw.engine.results import Result
from joelclaw.engine.subscribers import UNSENT_TRANSITIONS_MAX, Subscriber, Transition
from joelclaw.errors import BadPath, BadTimestamp, BadValue, ProtocolViolated
from joelclaw.functions.calls import Failure, Outcome
from joelclaw.functions.manifest import FunctionKind
from joelclaw.sync.messages import (
    PING,
    Action,
    Add,
    Authenticate,
    Connect,
    ModifyQuerySet,
    Mutation,
    auth_error_text,
    decode_message,
    failed_text,
    failure_text,
    fatal_error_text,
    response_text,
    transition_text,
    updated_text,
)
from joelclaw.sync.wording import Wording, failure_fields, log_lines_text, random_request_id, request_id_of
from joelclaw.values.paths import normalise
from joelclaw.values.timestamps import decode_ts
from joelclaw.values.wire import canonical

MUTATIONS_MAX = 1_000
"""Of one connection, received and not yet answered."""

ACTIONS_MAX = 1_000
"""Of one connection, running."""

RESPONSE_CHARACTERS_SOFT_MAX = 1024 * 1024
"""With more in unsent responses, nothing is received: who does not read may not ask either."""

RESPONSE_CHARACTERS_MAX = 64 * 1024 * 1024
"""With more, the connection is closed; mutations that it sends again are answered from their records."""

INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
SERVICE_RESTART = 1012


class SessionEngine(Protocol):
    """What a session needs of the engine."""

    @property
    def reactor(self) -> Reactor: ...

    @property
    def clock(self) -> Clock: ...

    def refusal(self, path: str, kind: FunctionKind | None, asker: Asker) -> Failure | None: ...


# -- effects


class Verify(NamedTuple):
    """Find out who this is, then call `verified` or `refused`, and receive nothing before."""

    message: Authenticate


class Mutate(NamedTuple):
    """Queue a mutation. `respond` makes the response's frame, in the step that publishes the commit."""

    path: str
    args: bytes
    asker: Asker
    request_id: str
    call_id: str
    respond: Callable[[Outcome], object]


class Act(NamedTuple):
    """Run an action beside everything else, to its end even if the socket is gone; then call `respond`."""

    path: str
    args: bytes
    asker: Asker
    request_id: str
    respond: Callable[[Outcome], None]


Effect: TypeAlias = Verify | Mutate | Act


class Close(NamedTuple):
    """How the connection ends. Clients read their delay before a reconnect from the reason."""

    code: int
    reason: str = ""


GOODBYE = Close(1000)
INTERNAL = Close(INTERNAL_ERROR, "InternalServerError")
TOO_MANY_MUTATIONS = Close(TRY_AGAIN_LATER, "TooManyConcurrentMutations")
TOO_MANY_REQUESTS = Close(TRY_AGAIN_LATER, "TooManyConcurrentRequests")
RESTARTING = Close(SERVICE_RESTART)
UNVERIFIABLE = Close(TRY_AGAIN_LATER, "TooManyConcurrentRequests: the issuer of the token cannot be asked now")
"""The first word makes clients wait longer before they come back; the rest is for people."""

AHEAD_OF_US = Close(INTERNAL_ERROR, "InternalServerError: Client has observed a timestamp ahead of the newest commit")


class Session:
    """
    One connection, from its first message to its last. The reactor reaches it as its `Outbound`.

    Frames and the wish to close may come at any time; `wake` tells that there are some.
    """

    def __init__(self, engine: SessionEngine, wording: Wording, *, wake: Callable[[], None]) -> None:
        self.outbox: list[str | Transition] = []
        self.closing: Close | None = None
        """Set once: no message is received any more, and the socket closes when the outbox is empty."""

        self.asker = ANONYMOUS
        self.subscriber = Subscriber(self)
        self._engine = engine
        self._reactor = engine.reactor
        self._wording = wording
        self._wake = wake
        self._session_id: str | None = None
        self._clock_skew_ms: int | None = None
        self._verifying = False
        self._mutations = 0
        self._actions = 0
        self._leaving = False
        self._transitions = 0
        self._told_identity = 0
        """Identity version of the last transition that went into the outbox."""
        self._response_characters = 0
        self._reactor.attach(self.subscriber)

    # -- messages

    def receive(self, text: str | bytes) -> Sequence[Effect]:
        """Take one message; what is to be done because of it."""
        assert not self._verifying, "a message before the answer to Verify"
        if self.closing is not None or self._leaving:
            return ()
        try:
            return self._receive(text)
        except ProtocolViolated as error:
            self._say(fatal_error_text(str(error)))
            self.close(GOODBYE)
            return ()

    def _receive(self, text: str | bytes) -> Sequence[Effect]:
        match decode_message(text):
            case ModifyQuerySet() as message:
                self._modify_query_set(message)
            case Mutation() as message:
                return self._mutate(message)
            case Action() as message:
                return self._act(message)
            case Authenticate() as message:
                return self._authenticate(message)
            case Connect() as message:
                self._connect(message)
        return ()

    def _connect(self, message: Connect) -> None:
        self._session_id = str(message.session_id)
        if message.client_ts is not None:
            self._clock_skew_ms = round(message.client_ts - self._engine.clock.now_ms())
        if message.max_observed_timestamp is None:
            return
        try:
            observed = decode_ts(message.max_observed_timestamp)
        except BadTimestamp as error:
            raise ProtocolViolated(str(error)) from None
        if observed > self._reactor.published:
            # A database older than the client, restored from a backup for example. Any answer
            # would show it the past, and leave its finished mutations waiting for a future.
            self.close(AHEAD_OF_US)

    def _modify_query_set(self, message: ModifyQuerySet) -> None:
        self._check_base(message.base_version, self.subscriber.query_set, "query set")
        if message.new_version <= message.base_version:
            raise ProtocolViolated(
                f"The new query set version {message.new_version} is not above {message.base_version}"
            )
        for modification in message.modifications:
            known = modification.query_id in self.subscriber.queries
            if isinstance(modification, Add):
                if known:
                    raise ProtocolViolated(f"Query {modification.query_id} was added twice")
                path = _path(modification.udf_path, modification.component_path)
                args = _canonical(bytes(modification.args[0]))
                self._reactor.subscribe(self.subscriber, modification.query_id, path, args, modification.journal)
            else:
                if not known:
                    raise ProtocolViolated(f"Query {modification.query_id} was removed and is not there")
                self._reactor.unsubscribe(self.subscriber, modification.query_id)
        self._reactor.modified(self.subscriber, message.new_version)

    def _check_base(self, base: int, ours: int, what: str) -> None:
        if base != ours:
            raise ProtocolViolated(
                f"BaseVersionMismatch: the {what} is at version {ours}, the message builds on {base}"
            )

    # -- identity

    def _authenticate(self, message: Authenticate) -> Sequence[Effect]:
        self._check_base(message.base_version, self.subscriber.identity_no, "identity")
        self._verifying = True
        if message.token_type == "None":
            self.verified(ANONYMOUS)
            return ()
        return (Verify(message),)

    def verified(self, asker: Asker) -> None:
        """The token is good. Confirmed by the next transition, even if nothing else changes."""
        assert self._verifying, "nobody asked"
        self._verifying = False
        if self.closing is not None:
            return
        self.asker = asker
        self._reactor.identify(
            self.subscriber, asker.identity, asker.key, privileged=asker.admin, read_only=asker.read_only
        )

    def refused(self, reason: str) -> None:
        """
        The token is not good. The socket closes too, since the client counts a version that we do not.
        """
        assert self._verifying, "nobody asked"
        self._verifying = False
        self._end_identity(reason, update_attempted=True)

    def postponed(self) -> None:
        """
        Nobody can tell now whether the token is good.

        The client is to come back with it, not to be told that it is signed out: `AuthError` would have it ask for
        another token, and after a few believe that it has none.
        """
        assert self._verifying, "nobody asked"
        self._verifying = False
        self.close(UNVERIFIABLE)

    def _expired(self) -> bool:
        """Whether the identity is over; then the client is told so, and nothing is done for it any more."""
        if self.closing is None and self._engine.clock.now_ms() >= self.asker.expires_at:
            self._end_identity("Convex token identity expired", update_attempted=False)
        return self.closing is not None

    def end_login(self, session: str, reason: str) -> None:
        """
        The login session of whoever is here has ended: the client is to find out who it is now.

        It asks for a new token, which it has already if somebody else has signed in meanwhile. Not while the
        server leaves: then nobody would renew it.
        """
        if self.asker.tether == session and not self._leaving:
            self._end_identity(reason, update_attempted=False)

    def _end_identity(self, reason: str, *, update_attempted: bool) -> None:
        if self.closing is None:
            self._say(auth_error_text(reason, self._told_identity, update_attempted=update_attempted))
            self.close(GOODBYE)

    # -- calls

    def _mutate(self, message: Mutation) -> Sequence[Effect]:
        if self._expired():
            return ()
        if self._mutations >= MUTATIONS_MAX:
            self.close(TOO_MANY_MUTATIONS)
            return ()
        call = self._call(message)
        refusal = self._engine.refusal(call.path, "mutation", self.asker)
        if refusal is not None:
            text = self._response("MutationResponse", message.request_id, call, Outcome(failure=refusal))
            self._reactor.respond([Response(self.subscriber, text, None)])
            return ()
        self._mutations += 1

        def respond(outcome: Outcome) -> str:
            self._mutations -= 1
            return self._response("MutationResponse", message.request_id, call, outcome)

        return (Mutate(call.path, bytes(message.args[0]), call.asker, call.request_id, call.call_id, respond),)

    def _act(self, message: Action) -> Sequence[Effect]:
        if self._expired():
            return ()
        if self._actions >= ACTIONS_MAX:
            self.close(TOO_MANY_REQUESTS)
            return ()
        call = self._call(message)
        refusal = self._engine.refusal(call.path, "action", self.asker)
        if refusal is not None:
            self.response(self._response("ActionResponse", message.request_id, call, Outcome(failure=refusal)))
            return ()
        self._actions += 1

        def respond(outcome: Outcome) -> None:
            self._actions -= 1
            self.response(self._response("ActionResponse", message.request_id, call, outcome))

        return (Act(call.path, bytes(message.args[0]), call.asker, call.request_id, respond),)

    def _call(self, message: Mutation | Action) -> "_CallFacts":
        path = _path(message.udf_path, message.component_path)
        if self._session_id is None:
            return _CallFacts(path, self.asker, random_request_id(), "")
        request_id = request_id_of(self._session_id, message.request_id)
        return _CallFacts(path, self.asker, request_id, f"{self._session_id}|{message.request_id}")

    def _response(self, kind: str, request: int, call: "_CallFacts", outcome: Outcome) -> str:
        tell_all = self._wording.tells_all(call.asker)
        log_lines = log_lines_text(outcome.log_lines, tell_all=tell_all)
        failure = outcome.failure
        if failure is None:
            return response_text(kind, request, outcome, log_lines)
        message = self._wording.message(failure, call.path, call.request_id, tell_all=tell_all)
        return failure_text(kind, request, message, failure_fields(failure), log_lines)

    # -- the reactor's outbound

    @property
    def unsent_transitions(self) -> int:
        """A connection that ends has room for no more."""
        return self._transitions if self.closing is None else UNSENT_TRANSITIONS_MAX

    def transition(self, transition: Transition) -> None:
        if self._expired():
            return
        self._transitions += 1
        self._told_identity = transition.end.identity
        self._say(transition)
        self._leave_if_settled()

    def response(self, response: object) -> None:
        assert isinstance(response, str)
        if self.closing is not None:
            return
        self._response_characters += len(response)
        self._say(response)
        if self._response_characters > RESPONSE_CHARACTERS_MAX:
            self.outbox.clear()
            self.close(TOO_MANY_REQUESTS)

    def _say(self, frame: "str | Transition") -> None:
        self.outbox.append(frame)
        self._wake()

    # -- the socket's side

    @property
    def congested(self) -> bool:
        """Nothing should be received before more is sent."""
        return self._response_characters > RESPONSE_CHARACTERS_SOFT_MAX

    def text_of(self, frame: "str | Transition") -> str:
        """A frame of the outbox, as it is sent now."""
        if isinstance(frame, str):
            return frame
        modifications = [
            f'{{"queryId":{query_id}{self._update(query_id, result)}' for query_id, result in frame.updates
        ]
        modifications += [f'{{"type":"QueryRemoved","queryId":{query_id}}}' for query_id in sorted(frame.removed)]
        clock = self._engine.clock
        return transition_text(frame.start, frame.end, modifications, self._clock_skew_ms, clock.now_ns())

    def _update(self, query_id: int, result: Result) -> str:
        tell_all = self._wording.tells_all(self.asker)
        if tell_all != self._wording.development:
            return self._write_update(query_id, result, tell_all=tell_all)  # An administrator: not for sharing.
        if result.text is None:
            result.text = self._write_update(query_id, result, tell_all=tell_all)
        return result.text

    def _write_update(self, query_id: int, result: Result, *, tell_all: bool) -> str:
        log_lines = log_lines_text(result.log_lines, tell_all=tell_all)
        failure = result.failure
        if failure is None:
            return updated_text(result.value, log_lines, result.journal)
        subscription = self.subscriber.queries.get(query_id)
        path = "" if subscription is None else subscription.path
        # A shared failure has one id for all who are told of it.
        message = self._wording.message(failure, path, result.request_id, tell_all=tell_all)
        return failed_text(message, failure_fields(failure), log_lines, result.journal)

    def sent(self, frame: "str | Transition") -> None:
        """The socket has taken this frame, and may take more: see whether something newer is due."""
        if isinstance(frame, str):
            self._response_characters = max(0, self._response_characters - len(frame))
            return
        self._transitions -= 1
        self._reactor.consider(self.subscriber)

    def ping(self) -> None:
        """Nothing was sent for a while: say that we are there. Proxies and clients hang up on silence."""
        if not self.outbox and self.closing is None:
            self._say(PING)

    def leave(self) -> None:
        """
        The server shuts down: take no message any more, answer those there are, then close.

        A mutation counts as answered with the transition after its response: some clients
        send it again otherwise, under a new session, and it would run twice.
        """
        self._leaving = True
        self._leave_if_settled()

    def _leave_if_settled(self) -> None:
        if self._leaving and not self._mutations and self.subscriber.owed_ts is None:
            self.close(RESTARTING)

    def close(self, how: Close) -> None:
        """End the connection after what is in the outbox. Only the first wish counts."""
        if self.closing is None:
            self.closing = how
            self._wake()

    def lost(self) -> None:
        """The socket is gone. Calls that run go on; nobody hears of them."""
        self.close(GOODBYE)
        self.outbox.clear()
        if self.subscriber.alive:
            self._reactor.detach(self.subscriber)


class _CallFacts(NamedTuple):
    path: str
    asker: Asker
    request_id: str
    call_id: str


def _path(udf_path: str, component_path: str | None) -> str:
    """The function that is meant. What is no path names no function either, and is answered like one."""
    if component_path:
        return f"{COMPONENTS}{component_path}/{udf_path}"
    try:
        return normalise(udf_path)
    except BadPath:
        return udf_path


def _canonical(args: bytes) -> bytes:
    try:
        return canonical(args)
    except BadValue:
        return args  # The function's own types will say what is wrong.
