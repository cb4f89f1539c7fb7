"""What all pages of the site have in common: who is here, the way around, themes, and what stays while nobody answers."""

from tests.auth.fake_github import FakeGithub
from tests.site.conftest import Visit
from tests.site.deployments import SiteDeployment


def test_articles_are_read_while_the_backend_is_down(visitor: Visit) -> None:
    """Text, notes and the list of articles are there without it; that nothing is live is said, without alarm."""
    page = visitor("ann")
    page.follow("What a page knows")
    page.reads("A query is an ordinary function.", "main")
    page.reads("The distinction matters most", "[role=note]")
    page.reads("The live parts of this page cannot be reached just now", "[role=status]")


def test_a_reader_comes_from_github_and_leaves(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Who signs in comes back to the page they were on, named; a reload keeps them; signing out ends it."""
    page = visitor("ann", "/articles/what-a-page-knows/")
    page.sign_in(github, "ann", "Ann Arbor")
    assert page.path == "/articles/what-a-page-knows/"
    page.reload()
    page.reads("Ann Arbor", "header")

    page.sign_out("Ann Arbor")
    page.reload()
    page.reads("Sign in", "header")
