"""
A server that is stopped or killed in the middle of its work, with the official Node client and plain requests at it.

What was acknowledged is there, once; what clients of the npm package had asked for comes to its end without anybody
asking again; and a stop answers every request that it has received.
"""

import threading
import urllib.error
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from tests.conformance.conftest import Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment, Server
from tests.conformance.remote import Remote

WINDOW = 8
"""Mutations that one client has not heard of yet."""

WARM = 30
"""Acknowledgements that each load has seen before the server ends, and again after it is back."""


class Load(threading.Thread):
    """Asks for mutations until told to stop. `acknowledged` are the bodies that it was told of."""

    def __init__(self, name: str, room: str) -> None:
        super().__init__(daemon=True)
        self.name = name
        self.room = room
        self.sent: list[str] = []
        self.acknowledged: list[str] = []
        self.failure: BaseException | None = None
        self.enough = False
        self._news = threading.Condition()

    def wait_for(self, count: int) -> None:
        """Until so many more were acknowledged."""
        with self._news:
            goal = len(self.acknowledged) + count
            ended = self._news.wait_for(lambda: self.failure or len(self.acknowledged) >= goal, PATIENCE_S)
        assert self.failure is None, self.failure
        assert ended, f"{self.name} is stuck after {len(self.acknowledged)}"

    def finish(self) -> None:
        self.enough = True
        self.join(PATIENCE_S)
        assert not self.is_alive(), f"{self.name} is stuck"
        assert self.failure is None, self.failure

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            with self._news:
                self.failure = error
                self._news.notify_all()

    def work(self) -> None:
        raise NotImplementedError

    def body(self) -> str:
        self.sent.append(f"{self.name}-{len(self.sent)}")
        return self.sent[-1]

    def acknowledge(self, body: str) -> None:
        with self._news:
            self.acknowledged.append(body)
            self._news.notify_all()


class Clicking(Load):
    """An npm client with several mutations on their way. None may fail, whatever the server does."""

    def __init__(self, name: str, room: str, client: Remote) -> None:
        super().__init__(name, room)
        self.client = client

    def work(self) -> None:
        waiting: deque[tuple[str, Future[Any]]] = deque()
        while waiting or not self.enough:
            while len(waiting) < WINDOW and not self.enough:
                body = self.body()
                args = {"room": self.room, "body": body}
                waiting.append((body, self.client.start("mutation", path="messages:send", args=args)))
            body, answer = waiting.popleft()
            answer.result(PATIENCE_S)
            self.acknowledge(body)


class Requesting(Load):
    """Plain requests, each on a connection of its own, and none repeated."""

    def __init__(self, name: str, room: str, deployment: Deployment) -> None:
        super().__init__(name, room)
        self.deployment = deployment

    def work(self) -> None:
        while not self.enough:
            body = self.body()
            try:
                self.deployment.mutation("messages:send", room=self.room, body=body)
            except (urllib.error.URLError, ConnectionError):
                continue  # Nobody listened, or not any more.
            self.acknowledge(body)


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_a_restart_under_load_loses_nothing(
    own_deployment: Deployment, node: Start, room: str, end: Callable[[Server], None]
) -> None:
    """All that was acknowledged is there once; npm clients come back by themselves, and all that they asked for ran."""
    clients = [node(own_deployment.url) for _ in range(2)]
    for client in clients:
        client.subscribe("tally", "messages:tally", room=room)
    clicking = [Clicking(f"node{number}", room, client) for number, client in enumerate(clients)]
    requesting = [Requesting(f"http{number}", room, own_deployment) for number in range(2)]
    for load in [*clicking, *requesting]:
        load.start()
    for load in [*clicking, *requesting]:
        load.wait_for(WARM)

    own_deployment.restart(end)

    for load in [*clicking, *requesting]:
        load.wait_for(WARM)
    for load in [*clicking, *requesting]:
        load.finish()
    stored = Counter(own_deployment.bodies(room))
    assert [body for body, count in stored.items() if count > 1] == []
    for load in clicking:
        assert load.acknowledged == load.sent
        assert [body for body in load.sent if body not in stored] == []
    for load in requesting:
        assert [body for body in load.acknowledged if body not in stored] == []
        if end is Server.stop:
            # Who was cut off has changed nothing: what was received was answered.
            assert {body for body in stored if body.startswith(load.name)} == set(load.acknowledged)
    for client in clients:
        client.wait_for("tally", lambda tally: tally["messages"] == stored.total())
