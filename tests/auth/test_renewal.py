"""Renewing a session when nothing can be written: nobody is signed out, and clients try again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth import sign_in
from joelclaw.auth.sign_in import REFRESH_TRIES
from joelclaw.engine.asker import ANONYMOUS
from joelclaw.engine.built_ins import Origin
from joelclaw.functions.calls import TRY_AGAIN, Failure, Outcome
from joelclaw.functions.sign_in import SignIn
from joelclaw.http.protocol import HANG_UP
from joelclaw.values import wire
from tests.auth.mailing import SITE, People
from tests.functions.deployment import deploy
from tests.http.test_api import World
from tests.sync.transport import idle


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[People]:
    monkeypatch.setattr(sign_in, "REFRESH_PAUSE_S", 0.0)
    app = deploy(tmp_path, {"nothing.py": ""}, sign_in=SignIn(issuer=SITE))
    made = People(app)
    yield made
    made.close()
    app.close()


def renew(people: People, tokens: dict[str, str]) -> Outcome:
    arguments = wire.encode({"refreshToken": tokens["refreshToken"]})
    return people.run(people.service.sign_in(arguments, ANONYMOUS, Origin()))


def refuse(people: People, times: int) -> None:
    people.system.refused, people.system.refuses = 0, times


def test_a_full_disk_signs_nobody_out(people: People) -> None:
    """T5: the answer says nothing of the session, nothing has changed, and the token is good when there is room."""
    tokens = people.call("password", flow="signUp", email="ann@example.com", password="correct horse")["tokens"]
    before = people.rows("_auth_sessions", "_auth_refresh_tokens")

    refuse(people, REFRESH_TRIES)
    outcome = renew(people, tokens)

    assert outcome.failure is not None
    assert (outcome.failure.code, outcome.failure.data) == (TRY_AGAIN, None)
    assert people.rows("_auth_sessions", "_auth_refresh_tokens") == before
    assert people.ended == []
    refuse(people, 0)
    renewed = wire.decode(renew(people, tokens).value)["tokens"]
    assert people.asker(renewed["token"]).session == people.asker(tokens["token"]).session


def test_a_disk_that_was_full_for_a_moment_is_not_noticed(people: People) -> None:
    """The renewal is tried again before anybody hears of it."""
    tokens = people.call("password", flow="signUp", email="ann@example.com", password="correct horse")["tokens"]

    refuse(people, REFRESH_TRIES - 1)

    assert renew(people, tokens).failure is None


def test_what_says_nothing_is_not_answered() -> None:
    """T5: over HTTP the server hangs up, without a byte: that alone has the shipped client try again."""

    async def scene() -> None:
        world, hung_up = World(), asyncio.Event()
        sent: list[Any] = []
        body = b'{"path":"a:run","args":{}}'
        incoming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            await hung_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/action",
            "raw_path": b"/api/action",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "client": ("127.0.0.1", 1),
            "state": {HANG_UP: hung_up.set},
        }
        asking = asyncio.create_task(world.app(scope, receive, send))
        await idle()
        world.engine.actions[0].answer.set_result(Outcome(failure=Failure(message="no room", code=TRY_AGAIN)))
        await asking

        assert hung_up.is_set()
        assert sent == []

        asking = asyncio.create_task(world.post("/api/action", {"path": "a:run", "args": {}}))
        await idle()
        world.engine.actions[1].answer.set_result(Outcome(failure=Failure(message="no room", code=TRY_AGAIN)))
        reply = await asking
        assert (reply.status, reply.json["code"]) == (503, "TryAgain"), "where nobody can hang up"

    asyncio.run(scene())
