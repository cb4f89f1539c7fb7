"""
The tour: the site as its visitors see it, pictured for docs/tour.md.

    scripts/tour            makes all pictures anew, into docs/tour/
    scripts/tour chat       those of one scene

A scene is a function with what happens in it, on a real server and in a real browser. Scenes run in the order in which
they stand here, on one deployment: who has written in the first is there in the last.

    @scene
    def chat(tour: Tour) -> None:
        ann = tour.visitor("ann", "/chat/")
        ...
        tour.picture(ann, "chat")                           # docs/tour/chat.png
        tour.picture(ann, "chat-phone", device="phone")     # as tall as a phone
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.auth.certificates import self_signed
from tests.auth.fake_github import FakeGithub, fake_github
from tests.conformance.browser import chromium
from tests.conformance.remote import Remote
from tests.site.building import ROOT, build
from tests.site.deployments import SiteDeployment
from tests.site.pages import Visitor
from tests.site.serving import ServedSite, served_site

PICTURES = ROOT / "docs" / "tour"

SCENES: list[Callable[["Tour"], None]] = []


def scene(run: Callable[["Tour"], None]) -> Callable[["Tour"], None]:
    """Something to see, at its place in the order."""
    SCENES.append(run)
    return run


class Tour:
    """One deployment, one browser, and a folder for pictures."""

    def __init__(
        self, deployment: SiteDeployment, site: ServedSite, browser: Remote, github: FakeGithub, folder: Path
    ) -> None:
        self.deployment = deployment
        self.github = github
        self._site = site
        self._browser = browser
        self._folder = folder
        self._pages: dict[str, Visitor] = {}

    def visitor(self, name: str, path: str = "/") -> Visitor:
        """Somebody with a browser of their own, in the same one as in earlier scenes."""
        page = self._pages.get(name)
        if page is None:
            page = self._pages[name] = Visitor(self._browser, name, self._site.origin, path)
        else:
            page.visit(path)
        return page

    def picture(self, page: Visitor, name: str, *, device: str = "desktop", scheme: str = "light") -> None:
        """What is in the window, without what one would have to scroll to."""
        page.resize(device, scheme)
        page.evaluate("document.fonts.ready.then(() => null)")
        page.window_picture(self._folder / f"{name}.png")
        page.resize("desktop")

    def close(self) -> None:
        for page in self._pages.values():
            page.close()


@contextmanager
def tour(folder: Path) -> Iterator[Tour]:
    """Everything that scenes need, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="tour-"))
    certificate = self_signed(scratch)
    with fake_github(certificate) as github, served_site(build()) as site, chromium() as browser:
        deployment = SiteDeployment(scratch / "project", github, certificate, [site.origin])
        deployment.start()
        site.point_to(deployment.url)
        running = Tour(deployment, site, browser, github, folder)
        try:
            yield running
            running.close()
        finally:
            deployment.server.stop()
            shutil.rmtree(scratch)


def main(names: list[str]) -> int:
    known = {run.__name__: run for run in SCENES}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"there is no scene {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    with tour(PICTURES) as running:
        for name in names or known:
            print(f"tour: {name}", file=sys.stderr)
            known[name](running)
    return 0


# -- the frame


@scene
def articles(tour: Tour) -> None:
    """What a stranger sees first, on a desk and on a phone."""
    ann = tour.visitor("ann")
    ann.reads("Sign in", "header")
    tour.picture(ann, "articles")
    tour.picture(ann, "articles-phone", device="phone", scheme="dark")


@scene
def article(tour: Tour) -> None:
    """Text, and what is said aside."""
    ann = tour.visitor("ann", "/articles/what-a-page-knows/#a-query-is-an-ordinary-function")
    ann.reads("Sign in", "header")
    tour.picture(ann, "article")


@scene
def sign_in(tour: Tour) -> None:
    """Whoever wants to write says who they are."""
    gus = tour.visitor("gus", "/articles/writing-in-the-margin/")
    gus.click("Sign in")
    gus.fill("Your name", "Gus")
    tour.picture(gus, "sign-in")
    gus.click("Come in as a guest")
    gus.reads("Gus", "header")


@scene
def owner(tour: Tour) -> None:
    """What only the owner finds."""
    joel = tour.visitor("joel")
    joel.sign_in_as_owner(tour.github)
    tour.picture(joel, "owner")


@scene
def comments(tour: Tour) -> None:
    """A reader and the owner beside the words that they talk about."""
    page = "/articles/writing-in-the-margin/"
    cora, dan = tour.visitor("cora", page), tour.visitor("dan", page)
    for reader in (cora, dan):
        reader.sign_in(tour.github, reader.name)
    cora.select("whoever borrowed it read both")
    cora.click("Comment")
    cora.fill("Your comment", "And wrote an answer below it, if they were that kind of friend.")
    cora.click("Comment")
    dan.reads("that kind of friend", "[aria-label=Comments]")
    dan.click("Answer")
    dan.fill("Your answer", "In pencil, one hopes.")
    dan.choose("button", "Answer")
    cora.reads("In pencil", "[aria-label=Comments]")
    cora.select("breaks silently")
    cora.click("Comment")
    cora.fill("Your comment", "Like every number that nobody checks.")
    cora.click("Keep as draft")
    cora.reads("Submit 1 draft")
    tour.picture(cora, "comments")
    tour.picture(dan, "comments-phone", device="phone", scheme="dark")


@scene
def offline(tour: Tour) -> None:
    """A server that is away for a while."""
    gus = tour.visitor("gus", "/articles/backups-you-can-believe/")
    gus.reads("Gus", "header")
    tour.deployment.server.stop()
    gus.reads("The connection was lost", "[role=status]")
    tour.picture(gus, "offline")
    tour.deployment.start()
    gus.no_longer_reads("The connection was lost", "[role=status]")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
