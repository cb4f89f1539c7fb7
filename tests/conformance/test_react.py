"""
React's hooks in Chromium, against a real server.

Items are those of the wire protocol's checklist. What a scene of the page has shown is a list
with an entry for each commit to the document: what never was in it, nobody has seen.
"""

from collections.abc import Callable
from typing import Any

from tests.conformance.conftest import Open
from tests.conformance.deployment import Deployment, Server
from tests.conformance.proxy import Proxy

Through = Callable[[Deployment], Proxy]


def numbered(*numbers: int) -> list[str]:
    return [str(number) for number in numbers]


def send_numbers(deployment: Deployment, room: str, numbers: range) -> None:
    """Put numbered messages into a room, one commit each."""
    for number in numbers:
        deployment.mutation("messages:send", room=room, body=str(number))


def test_item_1_a_page_sees_what_others_write(deployment: Deployment, scene: Open, room: str) -> None:
    """The list is there, and grows when another client writes."""
    page = scene("Feed", deployment.url, room)
    page.until_showing("it.length === 0")
    deployment.mutation("messages:send", room=room, body="one")
    page.until_showing("it.length === 1")
    assert page.text("p") == ["one"]
    assert page.act("relay", {"room": room, "body": "two"}) == {"value": 2}
    page.until_showing("it.length === 2")


def test_item_3_a_mutation_returns_without_queries(deployment: Deployment, scene: Open, room: str) -> None:
    """`await` of a mutation returns on a page that watches nothing."""
    page = scene("Silent", deployment.url, room)
    assert "value" in page.act("send", "one")
    assert "value" in page.act("send", "two")
    assert deployment.bodies(room) == ["one", "two"]


def test_item_4_optimistic_until_real(deployment: Deployment, scene: Open, room: str) -> None:
    """
    An optimistic row is replaced by the real one in one step, also while others write.

    Between the first time that a row is shown and the end it is never missing, never there
    twice, and never optimistic again. When the promise resolves, the client has the real row.
    """
    page = scene("Feed", deployment.url, room)
    page.until_showing("it.length === 0")
    bodies = [f"mine {number}" for number in range(20)]
    for body in bodies:
        deployment.mutation("messages:send", room=room, body="theirs")
        assert {"body": body, "real": True} in page.act("send", body)["value"]
    page.until_showing(f"it.length === {2 * len(bodies)} && it.every(({{ real }}) => real)")

    shown = page.shown
    for body in bodies:
        states = [[row["real"] for row in rows if row["body"] == body] for rows in shown if rows is not None]
        seen = states[next(place for place, rows in enumerate(states) if rows) :]
        assert all(len(rows) == 1 for rows in seen), seen
        assert seen == sorted(seen), "real, then optimistic again"
        assert seen[0] == [False]
        assert seen[-1] == [True]


def test_item_4_optimistic_until_refused(deployment: Deployment, scene: Open, room: str) -> None:
    """An optimistic row of a mutation that fails is taken back, and its promise rejects with the data."""
    page = scene("Feed", deployment.url, room)
    page.until_showing("it.length === 0")
    answer = page.act("fail", {"room": room, "data": {"code": "busy"}})
    assert answer["error"]["data"] == {"code": "busy"}
    page.until_showing("it.length === 0")
    assert [{"body": "optimistic", "real": False}] in page.shown


def test_item_5_an_error_reaches_the_boundary(deployment: Deployment, scene: Open) -> None:
    """A failing query is thrown into React as a `ConvexError` with its data."""
    page = scene("Failing", deployment.url, "busy")
    page.until_shown("it.data.code === 'busy'")
    assert page.shown[-1]["name"] == "ConvexError"


def test_item_8_reconnect_keeps_page_borders(deployment: Deployment, scene: Open, through: Through, room: str) -> None:
    """Pages that grew keep their ends over a reconnect: no row is lost between them, none is there twice."""
    proxy = through(deployment)
    send_numbers(deployment, room, range(10))
    page = scene("Pages", proxy.url, room)
    page.until_showing("it.bodies.length === 3")
    page.act("loadMore", 3)
    page.until_showing("it.bodies.length === 6")
    send_numbers(deployment, room, range(10, 12))
    page.until_showing("it.bodies.length === 8")

    proxy.cut()
    page.until("!connected()")
    page.until("connected()")
    send_numbers(deployment, room, range(12, 13))
    page.until_showing("it.bodies.length === 9")
    assert page.shown[-1]["bodies"] == numbered(*range(12, 3, -1))
    assert_without_gaps(page.shown)


def test_item_11_insert_in_front_while_offline(
    deployment: Deployment, scene: Open, through: Through, room: str
) -> None:
    """What was inserted in front of loaded pages while the client was away is there then, and nothing else moved."""
    proxy = through(deployment)
    send_numbers(deployment, room, range(10))
    page = scene("Pages", proxy.url, room)
    page.until_showing("it.bodies.length === 3")
    page.act("loadMore", 3)
    page.until_showing("it.bodies.length === 6")

    proxy.go_offline()
    page.until("!connected()")
    send_numbers(deployment, room, range(10, 13))
    proxy.go_online()
    page.until_showing("it.bodies.length === 9")
    assert page.shown[-1] == {"status": "CanLoadMore", "bodies": numbered(*range(12, 3, -1))}
    assert_without_gaps(page.shown)


def test_pages_split_under_write_load(deployment: Deployment, scene: Open, room: str) -> None:
    """
    A page that outgrows twice its size is split while rows keep coming, and no frame shows it.

    Every frame has consecutive numbers, the newest first; loading more goes on to the oldest.
    """
    send_numbers(deployment, room, range(20))
    page = scene("Pages", deployment.url, room)
    page.until_showing("it.bodies.length === 3")
    for number in range(20, 60):
        deployment.mutation("messages:send", room=room, body=str(number))
        if number % 10 == 0:
            page.start("loadMore", 3)
    page.until_showing("it.bodies[0] === '59' && it.status === 'CanLoadMore'")
    while page.shown[-1]["status"] != "Exhausted":
        page.start("loadMore", 100)
        page.until_showing("it.status === 'Exhausted' || it.status === 'CanLoadMore'")

    assert page.shown[-1]["bodies"] == numbered(*range(59, -1, -1))
    assert_without_gaps(page.shown)
    assert page.sockets["ranges"] > 0, "no page was split"
    assert page.sockets["opened"] == 1


def assert_without_gaps(shown: list[dict[str, Any]]) -> None:
    """Each thing shown is a run of numbers, falling by one."""
    for it in shown:
        numbers = [int(body) for body in it["bodies"]]
        assert numbers == list(range(numbers[0], numbers[0] - len(numbers), -1)) if numbers else True, numbers


def test_item_13_queries_agree_in_every_frame(deployment: Deployment, scene: Open, room: str) -> None:
    """A list and its tally never disagree in one frame, while rows come and go, some several at once."""
    page = scene("Twice", deployment.url, room)
    page.until_showing("it.messages === 0")
    for number in range(40):
        deployment.mutation("messages:send", room=room, body="x" * number)
        if number % 3 == 0:
            deployment.mutation("messages:sendMany", room=room, bodies=["y", "zz"])
            # A page that was slow would show the last frame only.
            page.until_showing(f"it.messages === {len(deployment.bodies(room))}")
        if number % 10 == 9:
            deployment.mutation("messages:clear", room=room)
    deployment.mutation("messages:send", room=room, body="the end")
    page.until_showing("it.characters === 7")

    frames = [it for it in page.shown if it is not None]
    assert len(frames) > 10
    for it in frames:
        assert it["tally"] == {"messages": it["messages"], "characters": it["characters"]}


def test_item_16_restart_with_open_tabs(own_deployment: Deployment, scene: Open, room: str) -> None:
    """Two tabs that were open over a crash go on: they show what is new, and what they send arrives once."""
    tabs = [scene("Feed", own_deployment.url, room) for _ in range(2)]
    for tab in tabs:
        tab.until_showing("it.length === 0")
    assert "value" in tabs[0].act("send", "before")

    own_deployment.restart(Server.kill)
    own_deployment.mutation("messages:send", room=room, body="meanwhile")
    for tab in tabs:
        tab.until_showing("it.length === 2")
    assert "value" in tabs[1].act("send", "after")
    for tab in tabs:
        tab.until_showing("it.length === 3")
    assert own_deployment.bodies(room) == ["before", "meanwhile", "after"]


def test_item_19_another_origin(deployment: Deployment, scene: Open, room: str) -> None:
    """A page of another origin calls over HTTP: its preflight is answered, and so are its errors."""
    page = scene("Silent", deployment.url, room)
    assert "value" in page.act("http", "mutation", "messages:send", {"room": room, "body": "one"})
    assert page.act("http", "query", "messages:tally", {"room": room})["value"]["messages"] == 1
    assert page.act("http", "action", "messages:relay", {"room": room, "body": "two"}) == {"value": 2}
    error = page.act("http", "query", "failing:asked", {"data": {"code": "busy"}})["error"]
    assert error["data"] == {"code": "busy"}
    assert deployment.bodies(room) == ["one", "two"]
