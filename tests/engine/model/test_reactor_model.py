"""The reactor under the model checker, and the model checker under wrong reactors."""

import pytest

from tests.engine.model.mutants import MUTANTS
from tests.engine.model.world import World

SCHEDULES_PER_BLOCK = 250
BLOCKS = 16
MUTANT_SCHEDULES_MAX = 1_000
"""Every mutant is caught much earlier; a checker that needs more has become too weak."""


def fault(seed: int) -> str | None:
    """What was wrong with one schedule."""
    try:
        World(seed).play()
    except (AssertionError, LookupError) as error:
        return f"seed {seed}: {error!r}"
    return None


@pytest.mark.parametrize("block", range(BLOCKS))
def test_all_invariants_hold(block: int) -> None:
    """Whatever comes in whatever order: what clients see is consistent, and nothing is left behind."""
    first = block * SCHEDULES_PER_BLOCK
    for seed in range(first, first + SCHEDULES_PER_BLOCK):
        assert (found := fault(seed)) is None, found


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_reactor_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break one rule of the reactor, and some schedule shows it."""
    for (owner, attribute), wrong in MUTANTS[name].items():
        monkeypatch.setattr(owner, attribute, wrong)
    assert any(fault(seed) for seed in range(MUTANT_SCHEDULES_MAX)), f"the checker is too weak: it {name}"


def test_a_schedule_repeats() -> None:
    """A seed is all it takes to see a fault again: the same one leads to the same messages."""
    assert history(7) == history(7)


def history(seed: int) -> list[str]:
    world, steps = World(seed), []
    for _ in range(300):
        world.step(world.rest_events() + world.load_events())
        steps.append(repr([[client.version, sorted(client.view)] for client in world.clients]))
    return steps
