"""Copies of the app, and how long they are kept."""

from pathlib import Path

import pytest

from joelclaw.config import load_config
from joelclaw.deploy.bundle import SERVED_KEPT, Bundle, Bundles
from joelclaw.deploy.sources import read_sources


class Project:
    """A folder with one function file, whose content is what a save changes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "app_functions").mkdir()
        self.bundles = Bundles(root / "bundles")

    def save(self, text: str) -> Bundle:
        (self.root / "app_functions" / "a.py").write_text(text)
        return self.take()

    def take(self) -> Bundle:
        return self.bundles.take(read_sources(load_config(self.root, {})), self.root)

    def kept(self) -> set[str]:
        return {path.name for path in (self.root / "bundles").iterdir()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_same_files_are_the_same_bundle(project: Project) -> None:
    """What it holds is what was there when it was taken, whatever is saved later."""
    first = project.save("1")
    project.bundles.served(first)
    assert project.save("2") != first
    assert (first.root / "app_functions" / "a.py").read_text() == "1"
    assert project.save("1") == first


def test_the_bundle_that_serves_outlives_any_number_of_refused_ones(project: Project) -> None:
    """A process that has to be replaced an hour and twenty broken saves later finds its code."""
    serving = project.save("right")
    project.bundles.served(serving)
    for number in range(20):
        project.save(f"wrong {number}")
    assert serving.digest in project.kept()
    assert len(project.kept()) == 2


def test_a_few_that_served_are_kept(project: Project) -> None:
    """Long actions may still import from them; older ones go."""
    served = []
    for number in range(SERVED_KEPT + 2):
        served.append(project.save(f"{number}"))
        project.bundles.served(served[-1])
    assert project.kept() == {bundle.digest for bundle in served[-SERVED_KEPT:]}


def test_what_an_earlier_life_left_goes(tmp_path: Path) -> None:
    """A crash in the middle of a copy leaves nothing that could be taken for one."""
    (tmp_path / "bundles" / "0123.draft" / "app_functions").mkdir(parents=True)
    project = Project(tmp_path)
    assert not (tmp_path / "bundles").exists()
    bundle = project.save("1")
    assert project.kept() == {bundle.digest}


def test_an_empty_folder_is_copied_and_a_missing_one_is_not_made(project: Project) -> None:
    """No functions is an app; no folder of functions is a mistake, which the load has to see."""
    empty = project.take()
    assert (empty.root / "app_functions").is_dir()
    (project.root / "app_functions").rmdir()
    missing = project.take()
    assert missing.digest != empty.digest
    assert not (missing.root / "app_functions").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And what stands in the way stays."""
    (tmp_path / "bundles").write_text("not a folder")
    project = Project(tmp_path)
    with pytest.raises(OSError, match="bundles"):
        project.take()
    assert (tmp_path / "bundles").read_text() == "not a folder"
