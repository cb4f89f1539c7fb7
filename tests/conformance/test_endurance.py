"""
Long silence, many subscriptions, readers that sleep: items 14, 17 and 23 of the wire protocol's checklist.
"""

import subprocess
from collections.abc import Callable

import pytest

from tests.conformance.conftest import Start
from tests.conformance.deployment import Deployment
from tests.conformance.proxy import Proxy

SILENCE_S = 65.0
"""The npm client gives a connection up after 60 s without a message, the Python client after 30 s without a frame."""

SUBSCRIPTIONS = 10_000
CLIENTS = 4


@pytest.mark.slow
def test_item_14_silence(
    deployment: Deployment, node: Start, python: Start, through: Callable[[Deployment], Proxy], room: str
) -> None:
    """
    Over a minute in which nothing happens, neither client gives its connection up.

    The one test that waits for time to pass: the clients' own timers are what is tested. It
    ends early when it fails, because what it waits for is a second connection.
    """
    proxy = through(deployment)
    clients = [node(proxy.url), python(proxy.url)]
    for client in clients:
        client.subscribe("list", "messages:listed", room=room)
        client.wait_for("list", lambda value: value == [])
    assert proxy.opened == len(clients)

    assert not proxy.opens_more_within(SILENCE_S)
    deployment.mutation("messages:send", room=room, body="still there?")
    for client in clients:
        client.wait_for("list", lambda value: len(value) == 1)
    assert proxy.opened == len(clients)


def test_item_17_ten_thousand_idle_subscriptions(own_deployment: Deployment, node: Start) -> None:
    """One write runs the one query that it touches, of ten thousand that are subscribed to, and tells its client."""
    clients = [node(own_deployment.url) for _ in range(CLIENTS)]
    for number, client in enumerate(clients):
        names = [f"counter {name}" for name in range(number, SUBSCRIPTIONS, CLIENTS)]
        all_args = [{"group": "all", "name": name} for name in names]
        client.do("subscribe_all", name="results", path="runs:watched", all_args=all_args)
    for client in clients:
        client.wait_for("results", lambda count: count == SUBSCRIPTIONS // CLIENTS)
    before = own_deployment.query("runs:soFar", group="all", nonce="before")
    assert before == SUBSCRIPTIONS

    own_deployment.mutation("counters:step", name="counter 4321")
    clients[4321 % CLIENTS].wait_for("results", lambda count: count == SUBSCRIPTIONS // CLIENTS + 1)
    for client in clients:
        client.mutation("values:measure", text="")  # Whatever was on its way has arrived.
    assert own_deployment.query("runs:soFar", group="all", nonce="after") == before + 1
    told = [len(client.events("results")) for client in clients]
    assert told == [2 if number == 4321 % CLIENTS else 1 for number in range(CLIENTS)]


WRITES = 300
RESULT_CHARACTERS = 500_000
GROWTH_BYTES_MAX = 64 * 2**20
"""A few results of every kind of buffer, where all of them would take 150 MB."""


def test_item_23_a_sleeping_reader(own_deployment: Deployment, node: Start, room: str) -> None:
    """
    A client that stops reading costs the server a few results of memory, however much is written meanwhile.

    When it wakes, it is told what is so by then, and not all that was so in between.
    """
    sleeper, reader = node(own_deployment.url), node(own_deployment.url)
    for client in (sleeper, reader):
        client.subscribe("newest", "messages:newest", room=room)
        client.wait_for("newest", lambda value: value is None)
    sleeper.sleep()
    write_large_ones(own_deployment, room, 0, 30)
    before = resident_bytes(own_deployment.server.pid)
    write_large_ones(own_deployment, room, 30, WRITES)
    grown = resident_bytes(own_deployment.server.pid) - before

    assert grown < GROWTH_BYTES_MAX
    sleeper.wake()
    sleeper.wait_for("newest", lambda value: value is not None and value.startswith(f"{WRITES - 1:06}"))
    assert len(sleeper.events("newest")) < WRITES / 3
    assert sleeper.do("state")["connectionCount"] == 1
    reader.wait_for("newest", lambda value: value is not None and value.startswith(f"{WRITES - 1:06}"))


def write_large_ones(deployment: Deployment, room: str, first: int, end: int) -> None:
    for number in range(first, end):
        deployment.mutation("messages:send", room=room, body=f"{number:06}".ljust(RESULT_CHARACTERS, "x"))


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in use."""
    answer = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(answer.stdout) * 1024
