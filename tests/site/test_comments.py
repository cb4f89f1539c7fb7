"""Comments in the margin, in real browsers: what one writes, others see beside the words that it is about."""

import json

from tests.auth.fake_github import FakeGithub
from tests.site.conftest import Visit
from tests.site.deployments import SiteDeployment
from tests.site.pages import Visitor

ARTICLE = "/articles/writing-in-the-margin/"
WORDS = "whoever borrowed it read both"
OTHER_WORDS = "it will be corrected"
MARGIN = "[aria-label=Comments]"
BELOW = "[data-comments]"

BESIDE = """
(() => {
  const [words] = CSS.highlights.get("comment");
  const note = document.querySelector("[data-slot]").getBoundingClientRect();
  const line = words.getBoundingClientRect();
  return words.toString() === WORDS && Math.abs(note.top - line.top) < 40 && note.left >= line.right;
})()
"""


def comment(page: Visitor, words: str, body: str, *, draft: bool = False) -> None:
    """Write about words of the article."""
    page.select(words)
    page.click("Comment")
    page.fill("Your comment", body)
    page.click("Keep as draft" if draft else "Comment")


def test_a_comment_is_seen_by_others_at_once(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """In the margin beside its words, which are marked; an answer joins it; what is deleted is gone for all."""
    ann, bob = visitor("ann", ARTICLE), visitor("bob", ARTICLE)
    ann.sign_in(github, "ann")
    comment(ann, WORDS, "And some wrote, too.")
    bob.reads("And some wrote, too.", MARGIN)
    bob.until(BESIDE.replace("WORDS", json.dumps(WORDS)))
    ann.click("Answer")
    ann.fill("Your answer", "As here.")
    ann.choose("button", "Answer")
    bob.reads("As here.", MARGIN)
    ann.reload()
    ann.reads("As here.", MARGIN)
    ann.is_accessible()
    ann.take_pictures("comments")


def test_drafts_are_submitted_together(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
    """Nobody else sees a draft; all of them come at once."""
    ann, bob = visitor("ann", ARTICLE), visitor("bob", ARTICLE)
    ann.sign_in(github, "ann")
    comment(ann, WORDS, "First thought.", draft=True)
    ann.reads("Submit 1 draft")
    comment(ann, OTHER_WORDS, "Second thought.", draft=True)
    ann.reads("Submit 2 drafts")
    bob.no_longer_reads("thought", MARGIN)
    ann.click("Submit 2 drafts")
    bob.reads("First thought.", MARGIN)
    bob.reads("Second thought.", MARGIN)
    ann.no_longer_reads("Submit")


def test_what_a_guest_writes_waits_for_the_owner(
    deployment: SiteDeployment, github: FakeGithub, visitor: Visit
) -> None:
    """The guest is told so; the owner approves it on a page of theirs, and everybody has it."""
    gus, bob, joel = visitor("gus", ARTICLE), visitor("bob", ARTICLE), visitor("joel", "/moderation/")
    gus.come_in("Gus")
    comment(gus, WORDS, "Is it so?")
    gus.reads("waits for the owner", MARGIN)
    bob.no_longer_reads("Is it so?")
    joel.sign_in_as_owner(github)
    joel.reads("Is it so?", "[aria-label=Held]")
    joel.click("Approve")
    joel.reads("Nothing waits.", "[aria-label=Held]")
    bob.reads("Is it so?", MARGIN)
    gus.no_longer_reads("waits for the owner", MARGIN)


def test_what_is_refused_keeps_its_text(deployment: SiteDeployment, visitor: Visit) -> None:
    """A guest who writes too often is told when to come back, and loses nothing."""
    gus = visitor("gus", ARTICLE)
    gus.come_in("Gus")
    for number in range(5):
        comment(gus, WORDS, f"Remark {number}")
        gus.reads(f"Remark {number}", MARGIN)
        gus.counts(f"{MARGIN} form", 0)
    comment(gus, OTHER_WORDS, "One too many")
    gus.reads("That was often.", "[role=alert]")
    assert gus.evaluate("document.querySelector('[aria-label=Comments] textarea').value") == "One too many"


def test_a_comment_is_written_by_keys_on_a_phone(
    deployment: SiteDeployment, github: FakeGithub, visitor: Visit
) -> None:
    """A paragraph that has the focus is commented on by "c"; without a margin, notes stand below their paragraphs."""
    ann = visitor("ann", ARTICLE)
    ann.sign_in(github, "ann")
    ann.resize("phone")
    ann.counts(f"{BELOW}", int(ann.evaluate("document.querySelectorAll('[data-article] [data-anchor]').length")))
    ann.evaluate("document.querySelector('[data-article] [data-anchor]').focus()")
    ann.press("c")
    ann.fill("Your comment", "By keys alone.")
    ann.click("Comment")
    ann.reads("By keys alone.", BELOW)
