"""The app's health: components that report, and turn silent by themselves when they stop."""

from typing import Any

import pytest

from app_functions import health
from joelclaw.testing import Backend, CallFailed, CallRefused
from tests.app.people import guest, owner, reader


def report(backend: Backend, component: str = "gateway", state: Any = "up", **more: Any) -> None:
    backend.internal.mutation(health.report, component=component, state=state, **more)


def states(backend: Backend) -> dict[str, str]:
    return {one.name: one.state for one in owner(backend).query(health.components)}


def test_only_the_owner_sees_how_the_system_is(backend: Backend) -> None:
    """Nobody else sees components or sources or forgets one; reports need an admin key, also from the owner."""
    report(backend)
    for caller in (backend, guest(backend), reader(backend)):
        for call in (health.components, health.sources):
            with pytest.raises(CallRefused):
                caller.query(call)
        with pytest.raises(CallRefused):
            caller.mutation(health.forget, component="gateway")
    with pytest.raises(CallRefused):
        owner(backend).mutation(health.report, component="gateway", state="down")

    assert states(backend) == {"gateway": "up"}


def test_a_machine_reports_as_clients_do(backend: Backend) -> None:
    """By names on the wire, with an admin key, as the Python client sends it."""
    call = {"component": "gateway", "state": "degraded", "detail": "slow", "freshForS": 5.0}
    backend.as_admin().mutation("health:report", **call)

    [seen] = owner(backend).query(health.components)
    assert (seen.name, seen.state, seen.detail) == ("gateway", "degraded", "slow")


def test_a_component_turns_silent_by_itself(backend: Backend) -> None:
    """At the moment at which its last report does not count any more, on an open page, without a write."""
    report(backend, state="degraded", fresh_for_s=30)
    page = owner(backend).subscribe(health.components)

    backend.clock.advance("29.9s")
    assert [one.state for one in page.value] == ["degraded"]
    backend.clock.advance("0.1s")
    assert [one.state for one in page.value] == ["silent"]
    report(backend, fresh_for_s=30)
    assert [one.state for one in page.value] == ["up"]
    assert len(page.history) == 3


def test_who_goes_on_reporting_is_never_silent(backend: Backend) -> None:
    """Each report counts from when it came."""
    report(backend, fresh_for_s=30)
    page = owner(backend).subscribe(health.components)
    for _ in range(5):
        backend.clock.advance("29s")
        report(backend, fresh_for_s=30)

    assert {one.state for shown in page.history for one in shown} == {"up"}


def test_components_stand_by_name(backend: Backend) -> None:
    """Whoever reports again is the same; one that is forgotten comes back with its next report."""
    for name in ("redis", "agent", "redis"):
        report(backend, name)
    assert list(states(backend)) == ["agent", "redis"]

    owner(backend).mutation(health.forget, component="redis")
    owner(backend).mutation(health.forget, component="never was")
    assert list(states(backend)) == ["agent"]
    report(backend, "redis", "down")
    assert states(backend) == {"agent": "up", "redis": "down"}


@pytest.mark.parametrize(
    "wrong",
    [{"component": ""}, {"component": "x" * 81}, {"state": "fine"}, {"detail": "x" * 401}, {"freshForS": 0.0}],
)
def test_a_report_that_is_none_is_refused(backend: Backend, wrong: dict[str, Any]) -> None:
    """And changes nothing."""
    with pytest.raises(CallFailed):
        backend.as_admin().mutation("health:report", **{"component": "gateway", "state": "up"} | wrong)

    assert states(backend) == {}


# -- sources


def test_a_source_that_nobody_configured_says_so(backend: Backend) -> None:
    """With the variable that would; once it is set, the page waits for the first answer."""
    page = owner(backend).subscribe(health.sources)
    assert {one.state for one in page.value} == {"not configured"}
    assert ("slog", "SLOG_PATH") in [(one.name, one.setting) for one in page.value]

    backend.env["SLOG_PATH"] = "/var/log/slog.jsonl"
    assert [one.name for one in page.value if one.state == "waiting"] == ["slog"]
