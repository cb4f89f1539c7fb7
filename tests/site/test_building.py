"""Builds of the site that tests share: old ones do not pile up, and nobody loses one that they look at."""

import os
from pathlib import Path

import pytest

from tests.site.building import forget_old, hold


@pytest.fixture
def builds(tmp_path: Path) -> Path:
    """Four builds, the last of which was used last, and what a killed one left."""
    for age, name in enumerate(("tmpkilled", "first", "second", "third", "fourth")):
        (tmp_path / name / "_next").mkdir(parents=True)
        os.utime(tmp_path / name, (age, age))
    (tmp_path / "lock").touch()
    return tmp_path


def names(builds: Path) -> list[str]:
    return sorted(path.name for path in builds.iterdir())


def test_the_two_that_were_used_last_are_kept(builds: Path) -> None:
    """The others go, with what a killed build left; the lock stays."""
    forget_old(builds)
    assert names(builds) == ["fourth", "lock", "third"]


def test_what_somebody_looks_at_is_kept(builds: Path) -> None:
    """However old it is, until they are done with it."""
    held = hold(builds / "first")
    os.utime(builds / "first", (0, 0))
    forget_old(builds)
    assert names(builds) == ["first", "fourth", "lock", "third"]

    os.close(held)
    forget_old(builds)
    assert names(builds) == ["fourth", "lock", "third"]


def test_use_makes_a_build_new(builds: Path) -> None:
    """An old build that is asked for again stays, though two are younger."""
    os.close(hold(builds / "first"))
    forget_old(builds)
    assert names(builds) == ["first", "fourth", "lock"]
