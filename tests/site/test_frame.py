"""What all pages of the site have in common: who is here, the way around, themes, what stays while nobody answers."""

import gzip
import re

import httpx
import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.deployment import Server
from tests.site.conftest import Visit
from tests.site.deployments import SiteDeployment
from tests.site.pages import Visitor
from tests.site.serving import ServedSite

ARTICLE = "/articles/what-a-page-knows/"
OFFLINE = "[role=status]"
AWAY = """
{
  // As while a server restarts, for one more time than the client bears by itself.
  const reach = globalThis.fetch;
  globalThis.renewals = 0;
  globalThis.fetch = async (...request) => {
    if (!String(request[0]).endsWith("/api/action")) return reach(...request);
    globalThis.renewals += 1;
    if (globalThis.renewals < 4) throw new TypeError("Failed to fetch");
    return reach(...request);
  };
}
"""
PAGES = ("/", ARTICLE, "/chat/", "/network/", "/stats/", "/invite/", "/dashboard/", "/moderation/")


# -- without a backend, without scripts


def test_articles_are_read_while_the_backend_is_down(visitor: Visit) -> None:
    """Text, notes and the list of articles are there without it; that nothing is live is said, without alarm."""
    page = visitor("ann")
    page.follow("What a page knows")
    page.reads("A query is an ordinary function.", "main")
    page.reads("The distinction matters most", "[role=note]")
    page.reads("The live parts of this page cannot be reached just now", OFFLINE)


def test_pages_are_there_before_any_script(served: ServedSite) -> None:
    """Each page is a file with its heading, the way around and one main part; an article's is its whole text."""
    for path in PAGES:
        html = httpx.get(f"{served.origin}{path}").text
        assert html.count("<main") == html.count("<h1") == html.count("<nav") == 1, path
        assert 'lang="en"' in html
    assert "A query is an ordinary function." in httpx.get(f"{served.origin}{ARTICLE}").text


def test_pages_are_read_without_scripts(visitor: Visit) -> None:
    """Text and notes are there, on a phone, too; it is said what will not come, and nothing offers itself in vain."""
    page = visitor("ann", ARTICLE, scripts=False, width=390, height=844)
    [shown] = page.text("body")
    assert "A query is an ordinary function." in shown
    assert "the live parts of this page need JavaScript" in shown
    assert "Theme" not in shown
    page.choose("checkbox", "Note")
    assert "The distinction matters most" in page.text("[role=note]")[0]
    page.visit("/stats/")
    assert "Loading" not in page.text("main")[0]


def test_an_article_is_light(served: ServedSite) -> None:
    """What an article needs, compressed: scripts that are no more than its frameworks, and two fonts."""
    html = (served.files / ARTICLE.strip("/") / "index.html").read_text("utf-8")
    scripts = set(re.findall(r'<script src="(/_next/[^"]+)"(?![^>]*noModule)', html))
    fonts = [file.stat().st_size for file in served.files.rglob("*latin-wght-*.woff2")]
    assert 5 < len(scripts) < 20
    assert sum(len(gzip.compress((served.files / path[1:]).read_bytes())) for path in scripts) < 200_000
    assert len(fonts) == 2
    assert sum(fonts) < 150_000


def test_what_is_not_there_is_said_in_the_frame(visitor: Visit) -> None:
    """An address that leads nowhere gives a page that leads on."""
    page = visitor("ann", "/articles/no-such-thing/")
    page.reads("There is nothing here", "h1")
    page.follow("All articles")
    page.reads("Articles", "h1")


# -- who is here


def test_a_reader_comes_from_github_and_leaves(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Who signs in comes back to the page they were on, named; a reload keeps them; signing out ends it."""
    page = visitor("ann", ARTICLE)
    page.sign_in(github, "ann", "Ann Arbor")
    assert page.path == ARTICLE
    page.reload()
    page.reads("Ann Arbor", "header")
    page.no_longer_reads("Dashboard", "header")

    page.sign_out("Ann Arbor")
    page.reload()
    page.reads("Sign in", "header")


def test_a_guest_comes_in_and_stays_with_github(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """A guest gives a name and no more; with GitHub they are a reader, and the same user as before."""
    page = visitor("gus")
    page.come_in("  Gus   Grissom ")
    page.reads("Gus Grissom", "header")
    [user] = users(deployment)
    assert (user["name"], user["isAnonymous"]) == ("Gus Grissom", True)

    page.stay_with_github(github, "gus", "Gus of GitHub")

    assert [(one["_id"], one["login"], one["isAnonymous"]) for one in users(deployment)] == [
        (user["_id"], "gus", False)
    ]


def test_the_owner_finds_what_is_theirs(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Pages of the owner are in the owner's navigation alone; who opens one is told whose it is."""
    page = visitor("joel")
    page.no_longer_reads("Dashboard", "nav")
    page.sign_in_as_owner(github)
    page.follow("Moderation")
    page.reads("Moderation", "h1")


def test_who_changes_their_mind_at_github_is_told(
    deployment: SiteDeployment, github: FakeGithub, visitor: Visit
) -> None:
    """They are back on their page, not signed in, with a reason; the address does not keep it."""
    page = visitor("ann", ARTICLE)
    github.switch(authorize="deny")
    try:
        page.click("Sign in")
        page.click("Sign in with GitHub")
        page.reads("because you have changed your mind", OFFLINE)
    finally:
        github.switch(authorize="approve")
    assert page.path == ARTICLE
    page.click("I see")
    page.no_longer_reads("changed your mind")


def test_two_tabs_are_one_visitor(deployment: SiteDeployment, visitor: Visit) -> None:
    """Who comes in, is renamed, and leaves in one tab does so in the other, too."""
    first = visitor("gus")
    second = visitor("gus's second tab", ARTICLE, beside=first.name)
    first.come_in("Gus")
    second.reads("Gus", "header")

    first.rename("Gus", "Augustus")
    second.reads("Augustus", "header")

    second.sign_out("Augustus")
    first.reads("Sign in", "header")


@pytest.mark.parametrize("name", ["", "   "])
def test_a_guest_without_a_name_stays_outside(deployment: SiteDeployment, visitor: Visit, name: str) -> None:
    """The button waits until there is one."""
    page = visitor("nobody")
    page.click("Sign in")
    page.fill("Your name", name)
    assert page.evaluate("document.querySelector('dialog[open] [type=submit]').disabled") is True


# -- by keyboard, in the dark


def test_all_of_it_is_done_by_keyboard(deployment: SiteDeployment, visitor: Visit) -> None:
    """The first stop leads past the navigation; signing in is a dialog that keeps the focus and gives it back."""
    page = visitor("gus")
    page.until("document.querySelector('header button') !== null")
    page.press("Tab")
    assert focused(page) == "Skip to the text"
    page.press("Enter")
    page.until("document.activeElement.id === 'main'")

    page.reload()
    page.until("document.querySelector('header button') !== null")
    tab_to(page, "Sign in")
    page.press("Enter")
    page.until("document.querySelector('dialog[open]') !== null")
    page.press("Escape")
    page.until("document.querySelector('dialog[open]') === null")
    assert focused(page) == "Sign in"

    page.press("Enter")
    tab_to_label(page, "Your name")
    page.type("Gus")
    page.press("Enter")
    page.reads("Gus", "header")


def test_a_note_opens_by_keyboard_on_a_phone(visitor: Visit) -> None:
    """Where there is no margin, the number in the text opens the note below its line, and closes it."""
    page = visitor("ann", ARTICLE, width=390, height=844)
    shown = "getComputedStyle(document.querySelector('[role=note]')).display"
    assert page.evaluate(shown) == "none"
    page.evaluate("document.querySelector('[aria-label^=Note]').focus()")
    page.press("Space")
    page.until(f"{shown} === 'block'")
    page.press("Space")
    page.until(f"{shown} === 'none'")


def test_the_theme_is_the_systems_or_ones_own(visitor: Visit) -> None:
    """The system's until somebody chooses, in the page that is open and after a reload; there is a way back."""
    page = visitor("ann", "/", scheme="dark")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(paper)

    page.click("Theme: as the system")
    page.until(f"{paper} !== {dark!r}")
    light = page.evaluate(paper)
    page.reload()
    page.reads("Theme: light", "footer")
    assert page.evaluate(paper) == light

    page.click("Theme: light")
    page.until(f"{paper} === {dark!r}")
    page.click("Theme: dark")
    page.reads("Theme: as the system", "footer")
    assert page.evaluate(paper) == dark


# -- when nobody answers


def test_a_restart_under_open_pages_loses_nothing(deployment: SiteDeployment, visitor: Visit) -> None:
    """The page says that it is cut off, keeps what it shows, sends what was asked meanwhile, and says no more of it."""
    page = visitor("gus")
    page.come_in("Gus")
    deployment.server.stop()
    page.reads("The connection was lost", OFFLINE)
    page.reads("Gus", "header")

    page.start_renaming("Gus", "Augustus")
    deployment.start()

    page.reads("Augustus", "header")
    page.no_longer_reads("The connection was lost", OFFLINE)
    assert [user["name"] for user in users(deployment)] == ["Augustus"]


def test_a_crash_under_open_pages_loses_nothing(deployment: SiteDeployment, visitor: Visit) -> None:
    """As after a restart: the page and who is on it are there when a server is."""
    page = visitor("gus")
    page.come_in("Gus")
    deployment.restart(Server.kill)
    page.rename("Gus", "Augustus")
    page.reload()
    page.reads("Augustus", "header")


def test_a_renewal_that_fails_for_a_while_is_asked_for_again(
    deployment: SiteDeployment, served: ServedSite, visitor: Visit
) -> None:
    """The shipped client asks twice; the site goes on until there is an answer, and whoever is here stays so."""
    page = visitor("gus")
    page.come_in("Gus")
    served.deployment_js += AWAY.encode()
    page.reload()
    served.point_to(deployment.url)
    page.reads("Gus", "header")
    page.until("globalThis.renewals === 4")
    page.rename("Gus", "Augustus")
    page.no_longer_reads("The connection was lost", OFFLINE)


def test_a_page_without_network_says_so(deployment: SiteDeployment, visitor: Visit) -> None:
    """A page that was open keeps what it shows and goes on when it is back."""
    page = visitor("gus", ARTICLE)
    page.come_in("Gus")
    page.unplug()
    deployment.server.stop()
    page.reads("The connection was lost", OFFLINE)
    page.reads("A query is an ordinary function.", "main")
    deployment.start()
    page.plug_in()
    page.no_longer_reads("The connection was lost", OFFLINE)
    page.reads("Gus", "header")


# -- how it looks


def test_pages_are_accessible(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """What rules can find (WCAG 2.2 AA) they do not: on no page, on neither device, in neither theme, for nobody."""
    page = visitor("joel")
    for path in (*PAGES, "/nowhere/"):
        page.visit(path)
        page.reads("Sign in", "header")
        page.is_accessible()
    page.click("Sign in")
    page.until("document.querySelector('dialog[open]') !== null")
    page.is_accessible()
    page.press("Escape")

    page.sign_in_as_owner(github)
    for path in ("/chat/", "/network/", "/dashboard/", "/moderation/"):
        page.visit(path)
        page.reads("Dashboard", "header")
        page.is_accessible()
    page.click("Signed in as")
    page.until("document.querySelector('dialog[open]') !== null")
    page.is_accessible()


def test_pages_are_pictured(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Nothing is wider than its window; pictures of the frame are left in tests/artifacts."""
    page = visitor("ann")
    page.reads("Sign in", "header")
    page.take_pictures("articles")
    page.visit("/articles/writing-in-the-margin/")
    page.reads("Sign in", "header")
    page.take_pictures("article")
    page.sign_in(github, "ann", "Ann Arbor")
    page.click("Signed in as")
    page.take_pictures("account")
    page.press("Escape")
    for path in PAGES:
        page.visit(path)
        for device in ("phone", "desktop"):
            page.resize(device)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} on a {device}"


# -- what the tests need


def users(deployment: SiteDeployment) -> list[dict[str, object]]:
    """All users, as an administrator sees them."""
    found: list[dict[str, object]] = deployment.ask(
        "_system/cli/tableData", table="users", order="asc", paginationOpts={"numItems": 100, "cursor": None}
    )["page"]
    return found


def focused(page: Visitor) -> str:
    return str(page.evaluate("document.activeElement.innerText"))


def tab_to(page: Visitor, words: str) -> None:
    """Press Tab until something with these words has the focus."""
    for _ in range(30):
        if focused(page) == words:
            return
        page.press("Tab")
    pytest.fail(f"no number of tabs leads to {words!r}")


def tab_to_label(page: Visitor, label: str) -> None:
    for _ in range(30):
        if page.evaluate("document.activeElement.labels?.[0]?.innerText ?? ''") == label:
            return
        page.press("Tab")
    pytest.fail(f"no number of tabs leads to {label!r}")
