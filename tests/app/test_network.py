"""The network map: sets that are replaced as a whole, names that strangers are told, what is old or silent."""

import json
from typing import Any

import pytest

from app_functions import network
from app_functions._names import BIRDS, QUALITIES, invented_name
from app_functions.network import Item, Map
from joelclaw import AppError
from joelclaw.testing import Backend, CallRefused
from tests.app.people import guest, owner, reader

CLUSTER = [
    Item(key="node/panda", kind="node", name="panda", detail="v1.33"),
    Item(key="pod/web", kind="pod", name="default/web-7f9c", runs_on="node/panda"),
    Item(key="pod/db", kind="pod", name="default/db-0", state="waiting", runs_on="node/panda"),
]


def replace(backend: Backend, *items: Item, collector: str = "cluster") -> int:
    return backend.internal.mutation(network.replace, collector=collector, items=list(items))


def failed(backend: Backend, error: str = "nobody answers", collector: str = "cluster") -> None:
    backend.internal.mutation(network.failed, collector=collector, error=error)


def names(shown: Map) -> list[str]:
    return [machine.name for machine in shown.machines]


def documents(backend: Backend, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = backend.as_admin().query(
        "_system/cli/tableData", table=table, order="asc", paginationOpts={"numItems": 1_000, "cursor": None}
    )["page"]
    return found


# -- sets


def test_what_vanished_vanishes(backend: Backend) -> None:
    """A set is replaced at once: no page ever shows a part of the new one beside a part of the old."""
    page = owner(backend).subscribe(network.real_map)
    replace(backend, *CLUSTER)
    replace(backend, CLUSTER[0], Item(key="pod/new", kind="pod", name="default/new-1", runs_on="node/panda"))
    assert [names(shown) for shown in page.history] == [
        [],
        ["panda", "default/db-0", "default/web-7f9c"],
        ["panda", "default/new-1"],
    ]


def test_what_has_not_changed_is_not_written(backend: Backend) -> None:
    """Documents that say the same stay as they are, and a page is not told of a look that saw nothing new."""
    assert replace(backend, *CLUSTER) == 3
    before = documents(backend, "machines")
    page = backend.subscribe(network.public_map)
    backend.clock.advance("30s")
    assert replace(backend, *CLUSTER) == 0
    assert documents(backend, "machines") == before
    assert not page.changed()

    worse = Item(key="pod/web", kind="pod", name="default/web-7f9c", state="failed", runs_on="node/panda")
    assert replace(backend, CLUSTER[0], worse, CLUSTER[2]) == 1
    assert page.changed()


def test_collectors_have_sets_of_their_own(backend: Backend) -> None:
    """One that sees nothing any more, or fails, takes nothing away from another; keys may be the same."""
    replace(backend, *CLUSTER)
    replace(backend, Item(key="node/panda", kind="node", name="panda at home"), collector="home")
    replace(backend, collector="home")
    assert len(names(backend.query(network.public_map))) == 3


def test_a_key_stands_there_once(backend: Backend) -> None:
    """A set with a key twice is refused as a whole, and the one before stays."""
    replace(backend, *CLUSTER)
    with pytest.raises(AppError) as caught:
        replace(backend, CLUSTER[0], CLUSTER[0])
    assert caught.value.data["code"] == "repeated_key"
    assert len(names(backend.query(network.public_map))) == 3


def test_links_lead_to_what_is_on_the_map(backend: Backend) -> None:
    """What runs on something that is not there runs on nothing that could be drawn."""
    replace(backend, CLUSTER[0], CLUSTER[1], Item(key="pod/lost", kind="pod", name="lost", runs_on="node/gone"))
    shown = {machine.name: machine for machine in owner(backend).query(network.real_map).machines}
    assert shown["default/web-7f9c"].runs_on == shown["panda"].id
    assert shown["lost"].runs_on is None


# -- failure and time


def test_a_failed_collector_blanks_nothing(backend: Backend) -> None:
    """What it saw last stays; it is marked as old by itself when the time comes, and as fresh at the next look."""
    replace(backend, *CLUSTER)
    seen_at = backend.clock.now()
    page = owner(backend).subscribe(network.real_map)
    failed(backend)
    assert (page.value.sources[0].error, page.value.sources[0].old) == ("nobody answers", False)
    backend.clock.advance("2m")
    assert names(page.value) == ["panda", "default/db-0", "default/web-7f9c"]
    assert {machine.old for machine in page.value.machines} == {True}
    assert page.value.sources[0].seen_at == seen_at

    replace(backend, *CLUSTER)
    assert {machine.old for machine in page.value.machines} == {False}
    assert [(source.error, source.seen_at) for source in page.value.sources] == [(None, None)]


def test_a_collector_that_says_nothing_is_old_too(backend: Backend) -> None:
    """Nobody has to say that it is gone."""
    replace(backend, *CLUSTER)
    page = backend.subscribe(network.public_map)
    backend.clock.advance("1m59s")
    assert not page.value.sources[0].old
    backend.clock.advance("1s")
    assert page.value.sources[0].old


def test_a_collector_that_never_saw_anything(backend: Backend) -> None:
    """It has failed from the beginning: it is there, and old."""
    failed(backend, "x" * 1_000)
    [source] = owner(backend).query(network.real_map).sources
    assert (source.old, source.seen_at, source.error) == (True, None, "x" * 500)


def test_a_daemon_is_silent_by_time(backend: Backend) -> None:
    """Until it is heard of, and when it was not for 45 seconds, with no other write."""
    replace(backend, Item(key="daemon/gateway", kind="daemon", name="gateway"), collector="daemons")
    page = backend.subscribe(network.public_map)
    backend.internal.mutation(network.heartbeat, keys=["daemon/gateway"])
    backend.clock.advance("44s")
    replace(backend, Item(key="daemon/gateway", kind="daemon", name="gateway"), collector="daemons")
    backend.clock.advance("1s")
    assert [shown.machines[0].state for shown in page.history] == ["silent", "ready", "silent"]


def test_a_heartbeat_of_nobody_is_forgotten(backend: Backend) -> None:
    """Heartbeats of what is on no map do not stay for ever."""
    backend.internal.mutation(network.heartbeat, keys=["daemon/unknown"])
    backend.clock.advance("25h")
    assert documents(backend, "heartbeats") == []


# -- names


def test_strangers_are_told_nothing_real(backend: Backend) -> None:
    """Of names, keys, details, errors and collectors nothing is in what anybody but the owner is answered."""
    replace(backend, *CLUSTER)
    failed(backend, "https://10.0.0.1 is down")
    for caller in (backend, reader(backend), guest(backend)):
        told = json.dumps(caller.query("network:publicMap"))
        assert not any(real in told for real in ("panda", "web", "db-0", "v1.33", "10.0.0.1", "cluster", "default"))
        with pytest.raises(CallRefused):
            caller.query(network.real_map)


def test_both_maps_are_of_the_same_machines(backend: Backend) -> None:
    """A machine has one id, so it stands at one place on both; on the public one that is its name."""
    replace(backend, *CLUSTER)
    public, real = backend.query(network.public_map), owner(backend).query(network.real_map)
    assert {machine.id for machine in public.machines} == {machine.id for machine in real.machines}
    assert [machine.id for machine in public.machines] == names(public)


def test_a_machine_that_comes_back_is_called_the_same(backend: Backend) -> None:
    """Names are stable over replacements, and over absence."""
    replace(backend, *CLUSTER)
    before = names(backend.query(network.public_map))
    replace(backend)
    replace(backend, *CLUSTER)
    assert names(backend.query(network.public_map)) == before


def test_names_cannot_be_tried(backend: Backend) -> None:
    """Whoever knows a real name does not find the invented one: it is made with a secret, and with another, another."""
    made = {invented_name(f"secret {number}", "cluster node/panda", ()) for number in range(50)}
    assert len(made) > 25
    replace(backend, *CLUSTER)
    [kept] = documents(backend, "name_secrets")
    assert len(kept["secret"]) == 32


def test_no_two_machines_have_one_name() -> None:
    """When all names are given, there are more, with numbers."""
    names = {f"{quality} {bird}" for quality in QUALITIES for bird in BIRDS}
    assert len(names) == len(QUALITIES) * len(BIRDS)
    name = invented_name("secret", "key", names)
    assert name.removesuffix(" 2") in names
    assert name not in names


def test_nobody_outside_draws_the_map(backend: Backend) -> None:
    """Collectors are the platform's own: not even the owner replaces a set."""
    for caller in (backend, reader(backend), owner(backend)):
        with pytest.raises(CallRefused):
            caller.mutation(network.replace, collector="cluster", items=[])
        with pytest.raises(CallRefused):
            caller.mutation(network.failed, collector="cluster", error="x")
        with pytest.raises(CallRefused):
            caller.mutation(network.heartbeat, keys=[])
