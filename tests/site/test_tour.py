"""The tour of docs/tour.md can be made anew, and shows what the page says it does."""

import re

from tests.site.building import ROOT
from tests.site.pages import ARTIFACTS
from tests.site.tour import PICTURES, SCENES, tour

PAGE = (ROOT / "docs" / "tour.md").read_text("utf-8")


def test_every_scene_can_be_played() -> None:
    """All scenes run after each other on one deployment; their pictures, those of the page, are left as artefacts."""
    folder = ARTIFACTS / "tour"
    for old in folder.glob("*.png"):
        old.unlink()
    with tour(folder) as running:
        for scene in SCENES:
            scene(running)

    assert {path.name for path in folder.glob("*.png")} == {path.name for path in PICTURES.glob("*.png")}


def test_every_picture_is_on_the_page() -> None:
    """No picture is made for nobody, and each has words for whoever does not see it."""
    shown = re.findall(r"!\[([^\]]+)\]\(tour/([\w-]+\.png)\)", PAGE)

    assert sorted(name for _, name in shown) == sorted(path.name for path in PICTURES.glob("*.png"))
    assert all(len(words) > 20 for words, _ in shown)


def test_pictures_are_small() -> None:
    """A clone is not made of pictures."""
    assert all(path.stat().st_size < 300_000 for path in PICTURES.glob("*.png"))
