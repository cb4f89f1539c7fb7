"""The app's voice calls: on as long as they are heard of."""

import pytest

from app_functions import calls
from joelclaw.testing import Backend, CallRefused


def beat(backend: Backend, key: str = "k", title: str = "A call") -> None:
    backend.internal.mutation(calls.heartbeat, key=key, title=title)


def live(backend: Backend) -> list[str]:
    return [call.key for call in backend.query(calls.live)]


def test_nobody_outside_makes_calls(backend: Backend) -> None:
    """Heartbeats, endings and cleaning are the recorder's: nobody else has these functions, signed in or not."""
    for caller in (backend, backend.as_user("ann")):
        with pytest.raises(CallRefused):
            caller.mutation(calls.heartbeat, key="k", title="A call")
        with pytest.raises(CallRefused):
            caller.mutation(calls.hang_up, key="k")
        with pytest.raises(CallRefused):
            caller.mutation(calls.forget_old)
    assert live(backend) == []


def test_a_call_is_on_for_fifteen_seconds(backend: Backend) -> None:
    """A card disappears by itself when its call was not heard of for so long, without anybody writing."""
    page = backend.subscribe(calls.live)
    beat(backend)
    assert [call.key for call in page.value] == ["k"]

    backend.clock.advance("14.9s")
    assert [call.key for call in page.value] == ["k"]
    backend.clock.advance("0.1s")
    assert page.value == []
    assert [len(shown) for shown in page.history] == [0, 1, 0]


def test_a_heartbeat_keeps_a_call_on(backend: Backend) -> None:
    """A call that is heard of every ten seconds never leaves the page."""
    beat(backend)
    page = backend.subscribe(calls.live)
    for _ in range(6):
        backend.clock.advance("10s")
        beat(backend)

    assert all(shown for shown in page.history)


def test_a_heartbeat_changes_the_call(backend: Backend) -> None:
    """It is the same call, with the newest title, begun when it began."""
    beat(backend)
    began = backend.query(calls.live)[0].started_at
    backend.clock.advance("5s")
    beat(backend, title="Another title")

    [call] = backend.query(calls.live)
    assert (call.title, call.started_at, call.heartbeat_at) == ("Another title", began, began + 5_000)


def test_the_call_heard_of_longest_ago_comes_first(backend: Backend) -> None:
    """The order is that of heartbeats."""
    for key in ("a", "b"):
        beat(backend, key)
        backend.clock.advance("1s")
    beat(backend, "a")

    assert live(backend) == ["b", "a"]


def test_hanging_up_ends_a_call(backend: Backend) -> None:
    """The call is gone at once; a second time is no error."""
    beat(backend)
    backend.internal.mutation(calls.hang_up, key="k")

    assert live(backend) == []
    backend.internal.mutation(calls.hang_up, key="k")


def test_old_calls_are_forgotten_after_a_day(backend: Backend) -> None:
    """What was heard of within the day stays; the rest goes, at most as much as is asked for."""
    for key in ("a", "b", "c"):
        beat(backend, key)
    backend.clock.advance("23h")
    beat(backend, "fresh")
    assert backend.internal.mutation(calls.forget_old) == 0

    backend.clock.advance("1h")
    assert backend.internal.mutation(calls.forget_old, limit=2) == 2
    assert backend.internal.mutation(calls.forget_old) == 1
    assert backend.internal.mutation(calls.forget_old) == 0


def test_old_calls_are_forgotten_every_night(backend: Backend) -> None:
    """A cron removes them by itself, at four in the morning where the site's owner lives."""
    beat(backend)
    backend.clock.advance("2d")

    assert backend.internal.mutation(calls.forget_old) == 0
