"""A client of one session, message by message: sends, takes what the outbox holds, and keeps its version."""

from typing import Any

import msgspec

from joelclaw.functions.calls import Failure
from joelclaw.sync.session import Act, Effect, Mutate, Session, Verify
from joelclaw.sync.wording import Wording
from joelclaw.values.timestamps import decode_ts
from tests.sync.stand_in import StandInEngine, parsed

SESSION_ID = "086d8492-021b-42b0-89ec-e79559a6e575"
ZERO = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}


class Client:
    """Checks of every transition that it begins where the last one ended, as real clients do."""

    def __init__(self, engine: StandInEngine, *, development: bool = True) -> None:
        self.engine = engine
        self.reported: list[tuple[str, str, Failure]] = []
        self.wakes = 0
        wording = Wording(development=development, report=lambda *report: self.reported.append(report))
        self.session = Session(engine, wording, wake=self._woken)
        self.version: dict[str, Any] = ZERO
        self._query_set = 0

    def _woken(self) -> None:
        self.wakes += 1

    # -- sending

    def send(self, **message: Any) -> list[Effect]:
        """Hand in a message; mutations are queued at once, other effects returned."""
        effects = self.session.receive(msgspec.json.encode(message).decode())
        for effect in effects:
            if isinstance(effect, Mutate):
                self.engine.mutate_for(self.session.subscriber, **effect._asdict())
        return list(effects)

    def connect(self, **fields: Any) -> None:
        self.send(
            type="Connect",
            sessionId=SESSION_ID,
            connectionCount=0,
            lastCloseReason="InitialConnect",
            clientTs=round(self.engine.clock.now_ms()),
            **fields,
        )

    def modify(self, *modifications: dict[str, Any]) -> None:
        base, self._query_set = self._query_set, self._query_set + 1
        self.send(type="ModifyQuerySet", baseVersion=base, newVersion=base + 1, modifications=list(modifications))

    def subscribe(self, query_id: int, path: str, args: dict[str, Any] | None = None, **fields: Any) -> None:
        self.modify({"type": "Add", "queryId": query_id, "udfPath": path, "args": [args or {}], **fields})

    def unsubscribe(self, query_id: int) -> None:
        self.modify({"type": "Remove", "queryId": query_id})

    def mutate(self, request_id: int, path: str = "m:send", args: dict[str, Any] | None = None) -> list[Effect]:
        return self.send(type="Mutation", requestId=request_id, udfPath=path, args=[args or {}])

    def act(self, request_id: int, path: str = "a:run", args: dict[str, Any] | None = None) -> Act:
        [effect] = self.send(type="Action", requestId=request_id, udfPath=path, args=[args or {}])
        assert isinstance(effect, Act)
        return effect

    def authenticate(self, base: int, value: str = "token", token_type: str = "User") -> Verify:
        [effect] = self.send(type="Authenticate", baseVersion=base, tokenType=token_type, value=value)
        assert isinstance(effect, Verify)
        return effect

    # -- receiving

    def take(self, limit: int = 1_000_000) -> list[dict[str, Any]]:
        """What a socket that reads has been sent by now."""
        messages: list[dict[str, Any]] = []
        while self.session.outbox and len(messages) < limit:
            frame = self.session.outbox.pop(0)
            message = parsed(self.session.text_of(frame))
            self.session.sent(frame)
            messages.append(message)
            if message["type"] == "Transition":
                assert message["startVersion"] == self.version, "a version that the client does not have"
                assert decode_ts(message["startVersion"]["ts"]) <= decode_ts(message["endVersion"]["ts"])
                self.version = message["endVersion"]
        return messages

    def settle(self) -> list[dict[str, Any]]:
        """Let the reader run what waits, then take everything."""
        messages = self.take()
        self.engine.read()
        return messages + self.take()
