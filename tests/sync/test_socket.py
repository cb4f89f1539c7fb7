"""`joelclaw.sync.socket`: tasks and timers around a session, on a scripted transport."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from joelclaw.auth.admin_keys import AdminKeys
from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.asker import Asker, asker_of
from joelclaw.errors import ProviderFailed, TokenRefused
from joelclaw.functions.calls import Identity, Outcome, Range
from joelclaw.sync import socket as socket_module
from joelclaw.sync.session import RESPONSE_CHARACTERS_SOFT_MAX
from joelclaw.sync.socket import Sockets
from joelclaw.sync.wording import Wording
from tests.sync.client import SESSION_ID
from tests.sync.stand_in import StandInEngine, value
from tests.sync.transport import Transport, idle

ADMIN_KEY = "joelclaw|0123456789abcdef"


class Users:
    """Verifies tokens when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: asyncio.Future[Asker] = asyncio.get_running_loop().create_future()

    async def verify(self, token: str) -> Asker:
        self.asked.append(token)
        return await self.answer


class World:
    """An engine, its sockets, and who connects to them."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once
        """Does the server offer to write frames without waiting?"""
        self.engine = StandInEngine()
        self.engine.answer("q:list", value("[1]"))
        self.engine.declare("mutation", "m:send")
        self.engine.declare("action", "a:run")
        self.users = Users()
        wording = Wording(development=True, report=lambda *_: None)
        authenticator = Authenticator(AdminKeys(_no_key, ADMIN_KEY), self.users)
        self.connections = 100
        self.sockets = Sockets(self.engine, authenticator, wording, connections_max=lambda: self.connections)
        self.served: list[asyncio.Task[None]] = []

    async def connect(self) -> Transport:
        transport = Transport()
        outlet = transport if self.at_once else None
        self.served.append(asyncio.create_task(self.sockets.serve(transport.receive, transport.send, outlet)))
        assert await transport.event() == {"type": "websocket.accept"}
        transport.say(type="Connect", sessionId=SESSION_ID)
        return transport

    async def ended(self) -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*self.served)
        assert len(self.sockets) == 0


async def _no_key(_: str) -> None:
    return None


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    """
    Run a scene, in a loop of its own; an exception in any task fails it.

    Twice: on a server that speaks plain ASGI, and on one that writes frames at once.
    """

    async def run(*, at_once: bool) -> None:
        failed: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
        await scene(World(at_once=at_once))
        assert failed == []

    asyncio.run(run(at_once=False))
    asyncio.run(run(at_once=True))


def add(query_id: int, path: str) -> dict[str, Any]:
    return {
        "type": "ModifyQuerySet",
        "baseVersion": query_id,
        "newVersion": query_id + 1,
        "modifications": [{"type": "Add", "queryId": query_id, "udfPath": path, "args": [{}]}],
    }


def mutation(request_id: int) -> dict[str, Any]:
    return {"type": "Mutation", "requestId": request_id, "udfPath": "m:send", "args": [{}]}


def action(request_id: int) -> dict[str, Any]:
    return {"type": "Action", "requestId": request_id, "udfPath": "a:run", "args": [{}]}


def test_a_connection_from_first_to_last_message() -> None:
    """Subscribe, mutate, see the change, hang up; nothing is left."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**add(0, "q:list"))
        await idle()
        world.engine.read()
        assert (await peer.message())["modifications"][0]["value"] == [1]
        peer.say(**mutation(0))
        await idle()
        world.engine.answer("q:list", value("[1,2]"))
        world.engine.commit(b'"m0"', touched=1)
        world.engine.read()
        assert (await peer.message())["result"] == "m0"
        assert (await peer.message())["modifications"][0]["value"] == [1, 2]
        peer.hang_up()
        await world.ended()
        assert not world.engine.reactor.subscribers

    play(scene)


def test_pitfall_39_messages_behind_a_token_wait_for_it() -> None:
    """A mutation sent right after Authenticate is not even received before the token is verified."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(type="Authenticate", baseVersion=0, tokenType="User", value="eyJ")
        peer.say(**mutation(0))
        await idle()
        assert world.users.asked == ["eyJ"]
        assert world.engine.queued == []
        ann = asker_of(Identity(issuer="i", subject="ann", token_identifier="i|ann", claims={}))
        world.users.answer.set_result(ann)
        await idle()
        [queued] = world.engine.queued
        assert queued.call.asker == ann
        peer.hang_up()
        await world.ended()

    play(scene)


def test_a_refused_token_closes_the_socket() -> None:
    """AuthError, then a close without a reason."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        world.users.answer.set_exception(TokenRefused("InvalidAuthHeader", "Could not verify token"))
        peer.say(type="Authenticate", baseVersion=0, tokenType="User", value="eyJ")
        assert (await peer.message())["type"] == "AuthError"
        assert await peer.event() == {"type": "websocket.close", "code": 1000, "reason": ""}
        await world.ended()

    play(scene)


def test_a_token_that_cannot_be_verified_now_is_not_refused() -> None:
    """Its issuer is down: the client is to come back with it, after a while, and hears of no error (O14)."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        world.users.answer.set_exception(ProviderFailed("https://a.test/jwks", "answered with status 500"))
        peer.say(type="Authenticate", baseVersion=0, tokenType="User", value="eyJ")
        closed = await peer.event()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1013)
        assert closed["reason"].startswith("TooManyConcurrentRequests")
        await world.ended()

    play(scene)


@pytest.mark.parametrize(("key", "answer"), [(ADMIN_KEY, "Transition"), ("joelclaw|wrong", "AuthError")])
def test_admin_keys_open_the_socket(key: str, answer: str) -> None:
    """A wrong one is refused with the words that clients know (AUTH-18)."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(type="Authenticate", baseVersion=0, tokenType="Admin", value=key)
        message = await peer.message()
        assert message["type"] == answer
        if answer == "AuthError":
            assert message["error"] == "The provided admin key was invalid for this instance"
        peer.hang_up()
        await world.ended()

    play(scene)


def test_an_action_outlives_its_socket() -> None:
    """Pitfall 26: the peer hangs up in the middle; the action is not cancelled."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**action(0))
        await idle()
        [running] = world.engine.actions
        peer.hang_up()
        await world.ended()
        assert not running.answer.cancelled()
        running.answer.set_result(Outcome())
        await idle()

    play(scene)


def test_an_action_that_cannot_be_run_closes_with_a_retry() -> None:
    """Our own fault: 1011 InternalServerError, not an answer that the app never gave."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**action(0))
        await idle()
        world.engine.actions[0].answer.set_exception(RuntimeError("no actor"))
        assert await peer.event() == {"type": "websocket.close", "code": 1011, "reason": "InternalServerError"}
        await world.ended()

    play(scene)


def test_a_frame_that_cannot_be_written_closes_with_a_retry() -> None:
    """Pitfall 1: the client's version would stay behind ours for ever; only a new connection cures that."""

    async def scene(world: World) -> None:
        world.engine.answer("q:list", lambda _: Outcome(value=b"\xff"))
        peer = await world.connect()
        peer.say(**add(0, "q:list"))
        await idle()
        world.engine.read()
        assert await peer.event() == {"type": "websocket.close", "code": 1011, "reason": "InternalServerError"}
        await world.ended()

    play(scene)


def test_a_stalled_peer_gets_the_newest_state_when_it_reads_again() -> None:
    """Pitfall 34: while it stalls two transitions wait and no more; then the last value comes."""

    async def scene(world: World) -> None:
        number = [0]
        world.engine.answer("q:list", lambda _: Outcome(value=b"%d" % number[0], reads=[Range(1, b"")]))
        peer = await world.connect()
        peer.say(**add(0, "q:list"))
        await idle()
        world.engine.read()
        await peer.message()
        peer.stall()
        for _ in range(30):
            number[0] += 1
            world.engine.commit(touched=1)
            world.engine.read()
            await idle()
        assert len(world.engine.runs) <= 4
        peer.resume()
        await idle()
        world.engine.read()
        values: list[int] = []
        while not peer.quiet or values[-1:] != [30]:
            values += [m["value"] for m in (await peer.message())["modifications"]]
        assert values[-1] == 30
        assert len(values) <= 3
        peer.hang_up()
        await world.ended()

    play(scene)


def test_a_peer_that_takes_no_answers_is_not_listened_to() -> None:
    """With a megabyte of responses unsent, its next message stays in the socket."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**action(0))
        await idle()
        peer.stall()
        world.engine.actions[0].answer.set_result(Outcome(value=b'"' + b"x" * RESPONSE_CHARACTERS_SOFT_MAX + b'"'))
        await idle()
        peer.say(**mutation(1))  # Already waited for when the answer came.
        peer.say(**mutation(2))
        await idle()
        assert len(world.engine.queued) == 1
        peer.resume()
        await idle()
        assert len(world.engine.queued) == 2
        peer.hang_up()
        await world.ended()

    play(scene)


def test_a_stalled_peer_that_dies_is_let_go() -> None:
    """Neither task waits for what will never be read."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**action(0))
        await idle()
        peer.stall()
        world.engine.actions[0].answer.set_result(Outcome(value=b'"' + b"x" * RESPONSE_CHARACTERS_SOFT_MAX + b'"'))
        await idle()
        peer.say(**mutation(1))
        await idle()
        peer.hang_up()
        await world.ended()

    play(scene)


def test_pitfall_28_silence_is_broken_by_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message, not a WebSocket ping: browsers hide those. Nothing is asked of the client (pitfall 29)."""
    monkeypatch.setattr(socket_module, "PING_AFTER_S", 0.0)

    async def scene(world: World) -> None:
        peer = await world.connect()
        assert await peer.message() == {"type": "Ping"}
        assert await peer.message() == {"type": "Ping"}
        peer.hang_up()
        await world.ended()

    play(scene)


def test_shutdown_answers_what_was_received() -> None:
    """Drain: the queued mutation gets response and transition, then 1012; an idle socket closes at once."""

    async def scene(world: World) -> None:
        busy, quiet = await world.connect(), await world.connect()
        busy.say(**mutation(0))
        await idle()
        draining = asyncio.create_task(world.sockets.drain())
        assert await quiet.event() == {"type": "websocket.close", "code": 1012, "reason": ""}
        assert busy.quiet
        world.engine.commit()
        assert (await busy.message())["type"] == "MutationResponse"
        assert (await busy.message())["type"] == "Transition"
        assert (await busy.event())["code"] == 1012
        await draining
        await world.ended()

    play(scene)


def test_shutdown_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not answered in time is left to its record: the client asks again."""
    monkeypatch.setattr(socket_module, "DRAIN_TIMEOUT_S", 0.0)

    async def scene(world: World) -> None:
        peer = await world.connect()
        peer.say(**mutation(0))
        await idle()
        await world.sockets.drain()
        assert await peer.event() == {"type": "websocket.close", "code": 1012, "reason": ""}
        await world.ended()

    play(scene)


def test_as_many_connect_as_allowed() -> None:
    """The next is told 503 and which setting raises it, before it is a connection; when one leaves, there is room."""

    async def scene(world: World) -> None:
        world.connections = 4
        with structlog.testing.capture_logs() as told:
            peers = [await world.connect() for _ in range(3)]
            assert told == []
            peers.append(await world.connect())
            late = Transport()
            await world.sockets.serve(late.receive, late.send)
        assert [(line["event"], line["open"], line["limit"]) for line in told] == [("many connections", 4, 4)]
        assert (await late.event())["status"] == 503
        assert (await late.event())["body"] == (
            b"Too many connections (limit: 4); raise limits.connections in joelclaw.toml"
        )
        peers.pop().hang_up()
        await idle()
        peers.append(await world.connect())
        for peer in peers:
            peer.hang_up()
        await world.ended()

    play(scene)


def test_nobody_connects_to_a_server_that_shuts_down() -> None:
    """503, as HTTP."""

    async def scene(world: World) -> None:
        await world.sockets.drain()
        peer = Transport()
        await world.sockets.serve(peer.receive, peer.send)
        assert (await peer.event())["status"] == 503

    play(scene)


# -- login sessions that end


def person(name: str, login: str) -> Asker:
    return asker_of(Identity("https://site.test", f"{name}|{login}", f"https://site.test|{name}", {}), session=login)


async def sign_in(world: World, peer: Transport, asker: Asker, base: int = 0) -> None:
    """Authenticate, and see it confirmed."""
    world.users.answer = asyncio.get_running_loop().create_future()
    world.users.answer.set_result(asker)
    peer.say(type="Authenticate", baseVersion=base, tokenType="User", value="token")
    await idle()
    world.engine.read()
    assert (await peer.message())["endVersion"]["identity"] == base + 1


def test_sockets_of_an_ended_login_session_are_told_at_once() -> None:
    """T4, S4, J10: all sockets that carry it get an AuthError of their version and close; no other is touched."""

    async def scene(world: World) -> None:
        ended, also, other, nobody = [await world.connect() for _ in range(4)]
        await sign_in(world, ended, person("ann", "phone"))
        await sign_in(world, also, person("ann", "phone"))
        await sign_in(world, other, person("ann", "desk"))

        world.sockets.end_logins(["phone", "unheard of"])

        for peer in (ended, also):
            message = await peer.message()
            assert (message["type"], message["baseVersion"], message["authUpdateAttempted"]) == ("AuthError", 1, False)
            assert (await peer.event())["type"] == "websocket.close"
            peer.hang_up()
        await idle()
        assert len(world.sockets) == 2
        other.hang_up()
        nobody.hang_up()
        await world.ended()

    play(scene)


def test_a_socket_that_has_ended_its_own_session_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """T3, S3: the one that signs in as somebody else is told after its client has kept the new tokens."""

    async def scene(world: World) -> None:
        later: list[Any] = []
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def note(delay: float, *call: Any) -> asyncio.TimerHandle:
            later.append((delay, call))
            return call_later(3_600.0, lambda: None)

        monkeypatch.setattr(loop, "call_later", note)
        peer = await world.connect()
        await sign_in(world, peer, person("ann", "first"))
        peer.say(**action(0))
        await idle()
        by = world.engine.actions[-1].origin.socket
        later.clear()

        world.sockets.end_logins(["first"], by)
        [(delay, (tell, *arguments))] = later

        assert delay == socket_module.OWN_DOING_S
        tell(*arguments)
        assert (await peer.message())["type"] == "AuthError"
        peer.hang_up()
        await world.ended()

    play(scene)


def test_who_is_somebody_else_by_then_is_not_told() -> None:
    """A client that has authenticated anew within the time is left alone."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        await sign_in(world, peer, person("ann", "first"))
        await sign_in(world, peer, person("bob", "second"), base=1)

        world.sockets.end_logins(["first"])
        await idle()

        assert len(world.sockets) == 1
        world.sockets.end_logins(["second"])
        assert (await peer.message())["baseVersion"] == 2
        peer.hang_up()
        await world.ended()

    play(scene)


def test_all_who_carry_a_token_of_ours_are_told_when_its_key_is_dropped() -> None:
    """J8: every socket with a login session is told; anonymous ones, and users of other issuers, are not."""

    async def scene(world: World) -> None:
        peers = [await world.connect() for _ in range(3)]
        await sign_in(world, peers[0], person("ann", "phone"))
        await sign_in(world, peers[1], asker_of(Identity("https://other.test", "eve", "https://other.test|eve", {})))

        world.sockets.end_all_logins("The key was dropped")

        assert (await peers[0].message())["error"] == "The key was dropped"
        for peer in peers:
            peer.hang_up()
        await world.ended()

    play(scene)


def test_a_server_that_leaves_tells_nobody() -> None:
    """T5: while it shuts down nobody would renew a token, so nobody is sent for one."""

    async def scene(world: World) -> None:
        peer = await world.connect()
        await sign_in(world, peer, person("ann", "phone"))
        peer.say(**mutation(0))
        await idle()
        draining = asyncio.create_task(world.sockets.drain())
        await idle()

        world.sockets.end_logins(["phone"])
        world.engine.commit(b'"m0"')
        world.engine.read()

        assert (await peer.message())["type"] == "MutationResponse"
        peer.hang_up()
        await draining
        await world.ended()

    play(scene)
