"""Chat in real browsers: two and three of them in one room, over lost answers and restarts."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.auth.fake_github import FakeGithub
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Server
from tests.conformance.proxy import Proxy
from tests.site.conftest import Visit
from tests.site.deployments import SiteDeployment
from tests.site.pages import Visitor
from tests.site.serving import ServedSite

WRITE = "Message to Lobby"
LOG = "[role=log]"
UNREAD = "[aria-label=Rooms]"
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
"""A PNG of one black pixel."""


class Lobby:
    """A room of the owner's, and people who come into it by its links."""

    def __init__(self, deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> None:
        self.deployment = deployment
        self._github = github
        self._visitor = visitor
        self.joel = visitor("joel", "/chat/")
        self.joel.sign_in_as_owner(github)
        self.joel.click("Open a room")
        self.joel.fill("Title", "Lobby")
        self.joel.click("Open it")
        self.joel.reads("Nothing was said here yet.", LOG)
        self.joel.settles()

    def link(self, *, whom: str = "Gus", people: int = 1) -> str:
        """The path of a new invitation, made by the owner."""
        self.joel.click("Invite")
        self.joel.fill("For whom", whom)
        self.joel.fill("People", str(people))
        self.joel.click("Make a link")
        self.joel.until("document.querySelector('dialog input[readonly]') !== null")
        link: str = self.joel.evaluate("document.querySelector('dialog input[readonly]').value")
        self.joel.press("Escape")
        return "/invite/" + link.partition("/invite/")[2]

    def guest(self, name: str) -> Visitor:
        """Somebody who followed a link and gave a name."""
        page = self._visitor(name.lower(), self.link(whom=name))
        page.reads("invites you to talk in Lobby", "main")
        page.come_in(name)
        page.click(f"Come in as {name}")
        page.reads("Lobby", "h2")
        page.settles()
        return page

    def call(self, page: Visitor, kind: str, path: str, **args: Any) -> Any:
        """Call a function as whoever has this page, past the page."""
        token = page.evaluate("Object.entries(localStorage).find(([key]) => key.startsWith('__convexAuthJWT'))[1]")
        body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.deployment.url}/api/{kind}", body, headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["value"]

    @property
    def room(self) -> str:
        [room] = self.call(self.joel, "query", "chat:rooms")
        id: str = room["id"]
        return id

    def add(self, module: str, source: str) -> None:
        """Have the deployment offer functions that only a test needs."""
        (self.deployment.project / "app_functions" / f"{module}.py").write_text(source)
        self.deployment.restart(Server.stop)


class Tunnel:
    """A lobby whose guest is connected through a network that fails, and whose owner is not."""

    def __init__(self, lobby: Lobby, proxy: Proxy, served: ServedSite) -> None:
        self.lobby = lobby
        self.proxy = proxy
        served.point_to(proxy.url)
        self.gus = lobby.guest("Gus")


@pytest.fixture
def lobby(deployment: SiteDeployment, github: FakeGithub, visitor: Visit) -> Lobby:
    return Lobby(deployment, github, visitor)


@pytest.fixture
def tunnel(deployment: SiteDeployment, github: FakeGithub, served: ServedSite, visitor: Visit) -> Iterator[Tunnel]:
    deployment.set_variable("CHAT_HERE_MS", "3000")
    lobby = Lobby(deployment, github, visitor)
    proxy = Proxy(deployment.url)
    yield Tunnel(lobby, proxy, served)
    proxy.close()


def say(page: Visitor, text: str) -> None:
    """Write something and press Enter."""
    page.write(WRITE, text)


def numbers(page: Visitor) -> list[int]:
    """The numbers of the messages that a page shows, from top to bottom."""
    found: list[int] = page.evaluate("[...document.querySelectorAll('[data-seq]')].map((it) => Number(it.dataset.seq))")
    return found


def shows_nothing_unsent(page: Visitor) -> None:
    page.until("document.querySelector('[data-pending]') === null")


# -- coming in


def test_a_guest_is_invited_and_two_browsers_talk(lobby: Lobby) -> None:
    """The owner makes a link, a guest follows it and is in; what either says is there for both, once, named."""
    gus = lobby.guest("Gus")
    gus.reads("2 members", "summary")
    say(gus, "Hello, Joel")
    lobby.joel.reads("Hello, Joel", LOG)
    say(lobby.joel, "Hello, Gus\nsee https://joelclaw.com/chat.")
    gus.reads("Hello, Gus", LOG)
    for page in (gus, lobby.joel):
        shows_nothing_unsent(page)
        assert numbers(page) == [1, 2]
    assert gus.evaluate("document.querySelector('[role=log] a').href") == "https://joelclaw.com/chat"


def test_an_invitation_is_used_up_revoked_or_broken(lobby: Lobby, visitor: Visit) -> None:
    """Whoever follows such a link is told why it does not let them in; an open page is told at once."""
    used = lobby.link()
    gus = visitor("gus", used)
    gus.come_in("Gus")
    gus.click("Come in as Gus")
    gus.reads("Lobby", "h2")
    late = visitor("late", used)
    late.reads("has been used up. Ask Joel Hooks", "main")

    revoked = visitor("revoked", lobby.link(whom="Eve"))
    revoked.reads("invites you to talk in Lobby", "main")
    lobby.joel.click("Invite")
    lobby.joel.click("Revoke the invitation for Eve")
    revoked.reads("This invitation was taken back.", "main")
    revoked.no_longer_reads("Lobby", "main")

    broken = visitor("broken", "/invite/#nothing")
    broken.reads("There is no such invitation.", "main")
    broken.visit("/chat/")
    broken.reads("Rooms are for those who were invited", "main")


def test_an_invitation_expires_on_an_open_page(lobby: Lobby, visitor: Visit) -> None:
    """By itself, at its moment; nobody writes anything."""
    eve = visitor("eve", lobby.link())
    eve.reads("invites you to talk in Lobby", "main")
    lobby.add("hour", SHORTEN)
    lobby.deployment.tell("hour:shorten", ms=3_000)
    eve.reads("This invitation has expired. Ask Joel Hooks for another one.", "main")


def test_a_reader_comes_over_github_and_back(lobby: Lobby, github: FakeGithub, visitor: Visit) -> None:
    """The way over GitHub loses the fragment of the address; the invitation is not lost."""
    ann = visitor("ann", lobby.link())
    ann.reads("invites you to talk in Lobby", "main")
    ann.sign_in(github, "ann", "Ann Arbor")
    ann.click("Come in as Ann Arbor")
    ann.reads("Lobby", "h2")


SHORTEN = """
from joelclaw import MutationCtx, mutation
from schema import Invitation

@mutation
def shorten(ctx: MutationCtx, ms: float) -> None:
    for invitation in ctx.db.query(Invitation):
        ctx.db.patch(invitation, good_until=ctx.now() + ms)
"""


# -- what is said


def test_both_write_while_the_server_dies(lobby: Lobby) -> None:
    """Killed in the middle and started again, nothing is lost, said twice, or out of order, in either browser."""
    gus = lobby.guest("Gus")
    for number in range(12):
        say(gus, f"gus {number}")
        say(lobby.joel, f"joel {number}")
        if number == 5:
            lobby.deployment.restart(Server.kill)
    for page in (gus, lobby.joel):
        page.counts("[data-seq]", 24)
        shows_nothing_unsent(page)
        assert numbers(page) == list(range(1, 25))
        said = page.text("[data-seq]")
        for name in ("gus", "joel"):
            order = [number for text in said for number in range(12) if f"{name} {number}" in text.splitlines()]
            assert order == list(range(12))


def test_what_was_sent_when_the_answer_was_lost_is_said_once(tunnel: Tunnel) -> None:
    """A message arrives, its answer does not, and the page is loaded anew: it sends again, and it is there once."""
    gus, lobby, proxy = tunnel.gus, tunnel.lobby, tunnel.proxy
    proxy.hold_answers()
    say(gus, "Did you get this")
    lobby.joel.reads("Did you get this", LOG)
    gus.reads("Sending", LOG)
    gus.reload()
    proxy.cut()

    gus.reads("Did you get this", "[data-seq]")
    shows_nothing_unsent(gus)
    assert numbers(gus) == numbers(lobby.joel) == [1]


def test_what_is_written_offline_is_sent_later(tunnel: Tunnel) -> None:
    """What is sent without a connection waits, and says so; what is only written stays, over a reload, too."""
    gus, lobby, proxy = tunnel.gus, tunnel.lobby, tunnel.proxy
    proxy.go_offline()
    proxy.wait_until_refused()
    say(gus, "From a tunnel")
    gus.reads("Sent when the connection is back", LOG)
    gus.fill(WRITE, "half a thou")
    proxy.go_online()

    lobby.joel.reads("From a tunnel", LOG)
    shows_nothing_unsent(gus)
    gus.reload()
    gus.until(f"document.querySelector('[aria-label=\"{WRITE}\"]')?.value === 'half a thou'")


def test_what_is_refused_can_be_sent_again(lobby: Lobby) -> None:
    """A message that did not get through says why, keeps its words, and is tried again or given up."""
    gus = lobby.guest("Gus")
    room = lobby.room
    gus.unplug()
    say(gus, "First")
    say(gus, "Second")
    lobby.call(lobby.joel, "mutation", "chat:closeRoom", room=room)
    gus.plug_in()
    gus.reads("Not sent. This room is closed. Nothing more is said here.", LOG)
    gus.counts("[data-pending=failed]", 2)
    gus.click("Discard")
    gus.counts("[data-pending=failed]", 1)
    lobby.call(lobby.joel, "mutation", "chat:closeRoom", room=room, closed=False)
    gus.until(f"document.querySelector('[aria-label=\"{WRITE}\"]') !== null")
    gus.click("Try again")
    lobby.joel.reads("Second", LOG)
    lobby.joel.no_longer_reads("First", LOG)


def test_what_is_too_long_is_not_cut(lobby: Lobby) -> None:
    """A long paste stays as it is, with how much has to go; until then it is not sent, by key nor button."""
    page = lobby.joel
    page.fill(WRITE, "word " * 1_700)
    page.reads("499 characters too long", "form")
    page.press("Enter")
    page.until("document.querySelector('form button[type=submit]').disabled")
    assert page.evaluate("document.querySelector('form textarea').value.length") == 8_500
    page.fill(WRITE, "word " * 1_600)
    page.no_longer_reads("too long", "form")
    page.click("Send")
    page.reads("word", "[data-seq]")
    assert numbers(page) == [1]
    shows_nothing_unsent(page)


def test_messages_are_edited_and_removed(lobby: Lobby) -> None:
    """The arrow up edits what one said last, Escape leaves it; what is removed leaves a place."""
    gus = lobby.guest("Gus")
    say(gus, "Helo")
    lobby.joel.reads("Helo", LOG)
    gus.focus(WRITE)
    gus.press("ArrowUp")
    gus.reads("Escape leaves it as it is", "form")
    gus.press("Escape")
    gus.press("ArrowUp")
    gus.write("Change your message", "Hello")
    lobby.joel.reads("Hello (edited)", LOG)

    gus.click("Remove")
    gus.click("Remove for good")
    lobby.joel.reads("A message that was removed.", LOG)
    assert numbers(gus) == [1]


def test_enter_sends_and_shift_enter_breaks_a_line(lobby: Lobby) -> None:
    """As everywhere."""
    lobby.joel.focus(WRITE)
    lobby.joel.type("one")
    lobby.joel.press("Shift+Enter")
    lobby.joel.type("two")
    lobby.joel.press("Enter")
    lobby.joel.reads("one\ntwo", "[data-seq]")


# -- history


def test_a_long_history_stays_where_it_is(lobby: Lobby) -> None:
    """At the end it stays at the end; above, what is read does not move while older and newer messages come."""
    gus = lobby.guest("Gus")
    lobby.add("years", SAY_MANY)
    lobby.deployment.tell("years:sayMany", number=130)
    gus.visit("/chat/?room=lobby")
    gus.reads("line 129", LOG)
    gus.until(AT_END)
    say(lobby.joel, "newest")
    gus.reads("newest", LOG)
    gus.until(AT_END)

    gus.evaluate(f"(() => {{ const log = document.querySelector('{LOG}'); log.scrollTop = 100; }})()")
    gus.until("document.querySelectorAll('[data-seq]').length > 60")
    before = gus.evaluate(TOP_ROW)
    say(lobby.joel, "one more")
    gus.reads("1 new message", "button")
    after = gus.evaluate(f"(({PLACE_OF})({json.dumps(before['row'])}))")
    assert abs(after - before["top"]) < 2

    gus.click("1 new message")
    gus.until(AT_END)
    gus.no_longer_reads("1 new message", "button")
    for _ in range(3):
        gus.evaluate(f"(() => {{ document.querySelector('{LOG}').scrollTop = 0; }})()")
    gus.until(
        f"(document.querySelector('{LOG}').scrollTop = 0, document.querySelectorAll('[data-seq]').length === 132)"
    )
    assert numbers(gus) == list(range(1, 133))


SAY_MANY = """
from joelclaw import MutationCtx, mutation
from schema import Message, Room

@mutation
def say_many(ctx: MutationCtx, number: int) -> None:
    room = ctx.db.query(Room).first()
    for place in range(number):
        key, body = f"key-of-{place:03}", f"line {place}"
        ctx.db.insert(Message(room=room.id, seq=place + 1, author=room.opened_by, key=key, body=body))
"""

AT_END = (
    "(() => { const log = document.querySelector('[role=log]');"
    " return log.scrollHeight - log.scrollTop - log.clientHeight < 2 })()"
)
TOP_ROW = (
    "(() => { const log = document.querySelector('[role=log]');"
    " const row = [...log.querySelectorAll('[data-row]')].find((it) => it.offsetTop + it.offsetHeight > log.scrollTop);"
    " return { row: row.dataset.row, top: row.offsetTop - log.scrollTop } })()"
)
PLACE_OF = (
    "(name) => { const log = document.querySelector('[role=log]');"
    " const row = [...log.querySelectorAll('[data-row]')].find((it) => it.dataset.row === name);"
    " return row.offsetTop - log.scrollTop }"
)


def test_unread_is_counted_and_read(lobby: Lobby) -> None:
    """In a room that is not open messages are counted; opening it shows where they begin, and then they are read."""
    gus = lobby.guest("Gus")
    lobby.joel.click("Open a room")
    lobby.joel.fill("Title", "Office")
    lobby.joel.click("Open it")
    lobby.joel.reads("Office", "h2")
    for text in ("one", "two", "three"):
        say(gus, text)
    lobby.joel.until("document.querySelector('[aria-label=Rooms]').textContent.includes('3 unread')")
    lobby.joel.follow("Lobby")
    lobby.joel.reads("three", LOG)
    lobby.joel.until("document.querySelector('[data-row=new] + [data-row] [data-seq]')?.dataset.seq === '1'")
    lobby.joel.no_longer_reads("unread", UNREAD)


# -- who is here


def test_typing_and_presence_end_by_themselves(tunnel: Tunnel) -> None:
    """Who types is shown for seconds after the last key; who loses the connection is soon not here, and comes back."""
    gus, lobby, proxy = tunnel.gus, tunnel.lobby, tunnel.proxy
    lobby.joel.reads("2 members, 2 here", "summary")
    gus.focus(WRITE)
    gus.type("I am")
    lobby.joel.reads("Gus is typing")
    lobby.joel.no_longer_reads("Gus is typing")

    proxy.go_offline()
    lobby.joel.reads("2 members, 1 here", "summary")
    proxy.go_online()
    lobby.joel.reads("2 members, 2 here", "summary")


def test_who_closes_one_of_two_tabs_is_here(lobby: Lobby, visitor: Visit) -> None:
    """Two tabs are one person, who is here until the last of them is closed."""
    gus = lobby.guest("Gus")
    second = visitor("gus's second tab", "/chat/?room=lobby", beside=gus.name)
    second.reads("2 members, 2 here", "summary")
    gus.visit("/stats/")
    say(second, "I am still here")
    lobby.joel.reads("I am still here", LOG)
    lobby.joel.reads("2 members, 2 here", "summary")
    second.visit("/stats/")
    lobby.joel.reads("2 members, 1 here", "summary")


def test_three_are_here_and_one_is_put_out(lobby: Lobby) -> None:
    """Whoever is put out sees the room no more, at once and after a reload; the others go on."""
    gus, eve = lobby.guest("Gus"), lobby.guest("Eve")
    for page in (lobby.joel, gus, eve):
        page.reads("3 members, 3 here", "summary")
    lobby.joel.click("Put out Eve")
    eve.reads("You do not belong to this room, or not any more.", "main")
    eve.reload()
    eve.reads("You do not belong to this room, or not any more.", "main")
    say(gus, "Among us")
    lobby.joel.reads("Among us", LOG)
    lobby.joel.reads("2 members, 2 here", "summary")
    eve.visit("/chat/")
    eve.reads("You belong to no room yet.", "main")


def test_who_leaves_is_asked_and_gone(lobby: Lobby) -> None:
    """A member leaves by themselves."""
    gus = lobby.guest("Gus")
    gus.click("Leave")
    gus.click("Leave the room")
    gus.reads("You do not belong to this room", "main")
    lobby.joel.reads("1 member, 1 here", "summary")


def test_a_room_is_renamed_and_closed(lobby: Lobby) -> None:
    """Everybody in it sees that at once."""
    gus = lobby.guest("Gus")
    lobby.joel.click("Settings")
    lobby.joel.fill("Title", "Parlour")
    lobby.joel.click("Rename")
    gus.reads("Parlour", "h2")
    lobby.joel.click("Settings")
    lobby.joel.click("Close the room")
    gus.reads("This room is closed.", "main")


# -- files


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "pixel.png"
    path.write_bytes(PICTURE)
    return path


def test_a_picture_is_sent_and_seen(lobby: Lobby, picture: Path, tmp_path: Path) -> None:
    """It is shown before it is sent, and then to others; removing the message removes it for good."""
    gus = lobby.guest("Gus")
    gus.attach("Attach", picture)
    gus.reads("pixel.png", "[aria-label='Files to send']")
    gus.until("!document.querySelector('form button[type=submit]').disabled")
    gus.click("Send")
    lobby.joel.until("document.querySelector('[data-seq] img')?.naturalWidth === 1")
    url = lobby.joel.evaluate("document.querySelector('[data-seq] img').src")
    gus.until("document.querySelector('[data-seq] img') !== null")

    lobby.joel.click("Remove")
    lobby.joel.click("Remove for good")
    gus.reads("A message that was removed.", LOG)
    gus.until(f"fetch({json.dumps(url)}, {{ cache: 'no-store' }}).then((answer) => answer.status === 404)")


def test_files_are_dropped_and_pasted(lobby: Lobby) -> None:
    """Onto the room, and into the text; what nobody should open is refused before it is sent."""
    page = lobby.joel
    page.evaluate(_GIVE.format(type="drop", event="DragEvent", member="dataTransfer", name="a.txt", kind="text/plain"))
    page.reads("a.txt", "[aria-label='Files to send']")
    page.evaluate(
        _GIVE.format(type="paste", event="ClipboardEvent", member="clipboardData", name="b.txt", kind="text/plain")
    )
    page.reads("b.txt", "[aria-label='Files to send']")
    page.evaluate(_GIVE.format(type="drop", event="DragEvent", member="dataTransfer", name="c.html", kind="text/html"))
    page.reads("c.html is no picture, sound, film, text, PDF or ZIP.", "form")
    page.click("Take back b.txt")
    page.until("!document.querySelector('form button[type=submit]').disabled")
    page.click("Send")
    page.reads("a.txt, 5 B", "[data-seq]")
    page.no_longer_reads("b.txt")


_GIVE = """(() => {{
  const given = new DataTransfer();
  given.items.add(new File(["words"], "{name}", {{ type: "{kind}" }}));
  const place = document.querySelector("form textarea");
  place.dispatchEvent(new {event}("{type}", {{ bubbles: true, cancelable: true, {member}: given }}));
}})()"""


# -- how it looks


def test_it_looks_well_and_is_read_by_everybody(lobby: Lobby) -> None:
    """Rules of accessibility hold in a room and where somebody is invited to it; pictures are kept to look at."""
    gus = lobby.guest("Gus")
    say(lobby.joel, "Good morning. The new collector has been running since last night.")
    say(gus, "I saw it. Nothing vanished that should not have.")
    say(gus, "Except the old pod, which was the point.")
    say(lobby.joel, "Then we keep it.\nMore at https://joelclaw.com/network/")
    gus.reads("Then we keep it.", LOG)
    shows_nothing_unsent(lobby.joel)
    lobby.joel.take_pictures("chat-room")
    lobby.joel.is_accessible()
    lobby.joel.resize("desktop")
    lobby.joel.click("Invite")
    lobby.joel.reads("Make a link", "dialog")
    lobby.joel.take_pictures("chat-invite")
    lobby.joel.is_accessible()


def test_an_invitation_looks_well(lobby: Lobby, visitor: Visit) -> None:
    """Whoever follows a link, or comes without one, finds a page that everybody can read."""
    eve = visitor("eve", lobby.link())
    eve.reads("invites you to talk in Lobby", "main")
    eve.take_pictures("chat-invited")
    eve.is_accessible()
    eve.visit("/chat/")
    eve.reads("Rooms are for those who were invited", "main")
    eve.take_pictures("chat-signed-out")
    eve.is_accessible()
