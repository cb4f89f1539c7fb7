"""What changes by itself, in real browsers: counters, calls, the network map."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import convex

from tests.auth.fake_github import FakeGithub
from tests.conformance.deployment import ADMIN_KEY
from tests.site.conftest import Visit
from tests.site.deployments import SiteDeployment
from tests.site.live import bring_a_past, bring_machines
from tests.site.pages import Visitor

MACHINES, REPORTS, TICKS = 4, 25, 7

TOTAL = "section[aria-labelledby=counter-tokens] data"
SEEN = f"""
globalThis.seen = [];
new MutationObserver(() => seen.push(Number(document.querySelector({TOTAL!r})?.value)))
  .observe(document.querySelector("main"), {{ subtree: true, childList: true, characterData: true }});
"""


# -- counters


def test_counters_tick_under_load(deployment: SiteDeployment, visitor: Visit) -> None:
    """While machines report at once, an open page counts up and never down, and ends at exactly what they reported."""
    page = visitor("ann", "/stats/")
    page.until(f"document.querySelector({TOTAL!r})?.value === '0'")
    page.evaluate(f"{SEEN};0")
    with ThreadPoolExecutor(MACHINES) as machines:
        for _ in machines.map(lambda machine: report(deployment, machine), range(MACHINES)):
            pass
    page.until(f"document.querySelector({TOTAL!r}).value === '{MACHINES * REPORTS * TICKS}'")
    seen = page.evaluate("seen")
    assert seen == sorted(seen)


def test_history_is_a_plot_and_a_table(deployment: SiteDeployment, visitor: Visit) -> None:
    """Each counter has a plot with a name and a table with every value; another span is another plot."""
    count(deployment, "tokens", 12_000)
    page = visitor("ann", "/stats/")
    page.counts("main [role=img]", 3)
    page.until("document.querySelectorAll('main tbody tr').length === 180")
    page.is_accessible()

    page.evaluate("document.querySelectorAll('[name=span]')[1].click()")
    page.until("document.querySelectorAll('main tbody tr').length === 72")
    page.reads("By hour", "summary")


def report(deployment: SiteDeployment, machine: int) -> None:
    for number in range(REPORTS):
        count(deployment, "tokens", TICKS, key=f"{machine} {number}")


def count(deployment: SiteDeployment, counter: str, ticks: int, key: str | None = None) -> None:
    deployment.tell("stats:add", increments=[{"counter": counter, "ticks": ticks}], key=key)


# -- calls


def test_a_call_is_on_the_page_as_long_as_it_is_heard_of(deployment: SiteDeployment, visitor: Visit) -> None:
    """
    The `convex` package of Python says so, the React client shows it; it leaves after the last heartbeat by itself.

    Nothing is written for that: the call's document is as the last heartbeat left it.
    """
    page = visitor("ann", "/stats/")
    page.reads("Nobody is on a call.", "main")

    with recorder(deployment, "ringing"):
        page.reads("A call with Ann", "main")
        page.reads("ringing", "main")
    with recorder(deployment, "talking"):
        page.reads("talking", "main")
        page.is_accessible()

    [last] = calls(deployment)
    page.reads("Nobody is on a call.", "main")
    assert calls(deployment) == [last]
    assert deployment.query("calls:live") == []


@contextmanager
def recorder(deployment: SiteDeployment, state: str) -> Iterator[None]:
    """A voice tracker, which sends a heartbeat every second."""
    client = convex.ConvexClient(deployment.url)
    client.set_admin_auth(ADMIN_KEY)
    call: dict[str, Any] = {"key": "call-1", "title": "A call with Ann", "state": state}
    hung_up = Event()

    def beat() -> None:
        client.mutation("calls:heartbeat", call)
        while not hung_up.wait(1.0):
            client.mutation("calls:heartbeat", call)

    with ThreadPoolExecutor(1) as tracker:
        beating = tracker.submit(beat)
        try:
            yield
        finally:
            hung_up.set()
            beating.result()


def calls(deployment: SiteDeployment) -> list[dict[str, object]]:
    """All that is kept of calls, over or not."""
    found: list[dict[str, object]] = deployment.ask(
        "_system/cli/tableData",
        table="call_sessions",
        order="asc",
        paginationOpts={"numItems": 100, "cursor": None},
    )["page"]
    return found


# -- the network map


def test_the_map_changes_with_a_set(deployment: SiteDeployment, visitor: Visit) -> None:
    """What is new appears on an open page, what vanished leaves it, and what stays stands where it stood."""
    replace(deployment, *CLUSTER)
    page = visitor("ann", "/network/")
    page.counts("main svg [role=img]", 3)
    before = places(page)

    replace(deployment, *CLUSTER[:2])
    page.counts("main svg [role=img]", 2)
    after = places(page)
    assert after.items() <= before.items()


def test_a_failed_collector_blanks_nothing(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """The owner reads why it fails; the machines that it saw last are still on the map."""
    replace(deployment, *CLUSTER)
    page = visitor("joel", "/network/")
    page.sign_in_as_owner(github)
    page.reads("default/web-7f9c", "main")
    deployment.tell("network:failed", collector="cluster", error="The API server does not answer.")
    page.reads("The API server does not answer.", "main")
    page.counts("main svg [role=img]", 3)


def test_real_names_are_the_owners(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """The owner reads them; a stranger does not, and their socket was not told them either."""
    replace(deployment, *CLUSTER)
    ann, joel = visitor("ann", "/network/"), visitor("joel", "/network/")
    joel.sign_in_as_owner(github)
    joel.reads("default/web-7f9c", "main")
    joel.reads("v1.33", "main")

    ann.counts("main svg [role=img]", 3)
    ann.reads("The names are invented.", "main")
    told = json.dumps(deployment.query("network:publicMap"))
    shown = ann.evaluate("document.documentElement.outerHTML")
    for real in ("web-7f9c", "db-0", "panda", "v1.33"):
        assert real not in told
        assert real not in shown


def test_the_map_is_walked_by_keyboard(deployment: SiteDeployment, visitor: Visit) -> None:
    """Each machine is a stop with everything about it for a name; on a phone a list says the same."""
    replace(deployment, *CLUSTER)
    page = visitor("ann", "/network/")
    page.counts("main svg [role=img]", 3)
    page.is_accessible()
    page.resize("desktop")
    page.evaluate("document.querySelector('main svg [role=img]').focus()")
    assert ", node, ready" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.press("Tab")
    assert ", pod, " in page.evaluate("document.activeElement.getAttribute('aria-label')")

    page.resize("phone")
    assert page.evaluate("getComputedStyle(document.querySelector('main figure')).display") == "none"
    page.counts("main tbody tr", 3)


CLUSTER: list[dict[str, Any]] = [
    {"key": "node/panda", "kind": "node", "name": "panda", "detail": "v1.33"},
    {"key": "pod/web", "kind": "pod", "name": "default/web-7f9c", "runsOn": "node/panda"},
    {"key": "pod/db", "kind": "pod", "name": "default/db-0", "state": "waiting", "runsOn": "node/panda"},
]


def replace(deployment: SiteDeployment, *items: dict[str, Any]) -> None:
    deployment.tell("network:replace", collector="cluster", items=items)


def places(page: Visitor) -> dict[str, str]:
    """Where each machine stands, by the beginning of its name."""
    found: dict[str, str] = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('main svg [role=img]')]"
        ".map((it) => [it.querySelector('text').textContent, it.getAttribute('transform')]))"
    )
    return found


# -- how it looks


def test_stats_are_pictured(deployment: SiteDeployment, visitor: Visit, tmp_path: Path) -> None:
    """On a phone and a desk, in both themes; nothing is wider than its window."""
    bring_a_past(deployment, tmp_path)
    page = visitor("ann", "/stats/")
    page.until("[...document.querySelectorAll('main svg')].filter((it) => it.querySelector('rect')).length === 3")
    page.take_pictures("stats")
    fits(page)


def test_the_map_is_pictured(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """As a stranger and as the owner sees it, on a phone and a desk, in both themes."""
    bring_machines(deployment)
    page = visitor("joel", "/network/")
    page.counts("main tbody tr", 17)
    page.take_pictures("network")
    fits(page)
    page.sign_in_as_owner(github)
    page.reads("panda", "main")
    page.take_pictures("network-owner")
    fits(page)


def fits(page: Visitor) -> None:
    for device in ("phone", "desktop"):
        page.resize(device)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{page.path} on a {device}"
