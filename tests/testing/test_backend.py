"""`joelclaw.testing`: calls, callers, live results, time, and all that a test can look at."""

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

from joelclaw import AppError
from joelclaw.errors import BadDuration, Misuse
from joelclaw.testing import Backend, CallFailed, CallRefused, Project, backend

# -- calls


def test_functions_are_called_as_they_are_written(lab: Backend, notes: ModuleType) -> None:
    """Arguments go by position or name, defaults apply, and a result is what the function returned."""
    id = lab.mutation(notes.add, "hello")

    assert lab.query(notes.texts) == lab.query(notes.texts, room="a") == ["hello"]
    [note] = lab.query(notes.documents)
    assert (type(note).__name__, note.id, note.text) == ("Note", id, "hello")


def test_functions_are_called_by_path(lab: Backend) -> None:
    """As a client names them, with names on the wire, and values of the wire come back."""
    id = lab.mutation("notes:add", text="hello", room="b")

    assert lab.query("notes:texts", room="b") == ["hello"]
    [document] = lab.query("notes:documents", room="b")
    assert document == {"_id": id, "_creationTime": document["_creationTime"], "room": "b", "text": "hello"}


def test_an_action_runs_to_its_end(lab: Backend, notes: ModuleType) -> None:
    """With what it called: its mutation is committed, and its query saw that."""
    assert lab.action(notes.fetch, "it") == "fetched it"
    assert lab.query(notes.texts) == ["fetched it"]


def test_an_app_error_keeps_its_data(lab: Backend, notes: ModuleType) -> None:
    """It is raised as it was raised, and the mutation is undone."""
    with pytest.raises(AppError) as caught:
        lab.mutation(notes.refuse, code="no")

    assert caught.value.data == {"code": "no"}
    assert lab.query(notes.texts) == []


def test_another_exception_tells_where_it_was_raised(lab: Backend, notes: ModuleType) -> None:
    """Message and code are the failure's; the app's lines are noted on the exception, as pytest shows them."""
    with pytest.raises(CallFailed, match="Uncaught ValueError: a stone") as caught:
        lab.mutation(notes.stumble)

    assert caught.value.failure_code == "internal"
    assert "stumble (lab_functions/notes.py:" in "".join(caught.value.__notes__)


def test_wrong_arguments_fail_the_call(lab: Backend, notes: ModuleType) -> None:
    """In Python and by path alike: what is wrong is said, and nothing ran."""
    with pytest.raises(CallFailed, match="text") as in_python:
        lab.mutation(notes.add, 7)
    with pytest.raises(CallFailed, match="text") as by_path:
        lab.mutation("notes:add", text=7)

    assert in_python.value.failure_code == by_path.value.failure_code == "arguments_refused"


def test_a_function_of_another_kind_or_app_is_refused(lab: Backend, notes: ModuleType) -> None:
    """A mutation is no query, and what is not of the app cannot be called."""
    with pytest.raises(CallFailed, match="defined as Mutation"):
        lab.query("notes:add", text="hello")
    with pytest.raises(Misuse):
        lab.query(lambda _: None)  # type: ignore[call-overload]


# -- callers


def test_internal_functions_are_not_there_from_outside(lab: Backend, notes: ModuleType) -> None:
    """Nobody calls one, signed in or not; the platform itself and an administrator do."""
    for caller in (lab, lab.as_user("ann")):
        with pytest.raises(CallRefused, match="Could not find public function"):
            caller.mutation(notes.clear, room="a")
    assert lab.internal.mutation(notes.clear, room="a") == 0
    assert lab.as_admin().mutation(notes.clear, room="a") == 0


def test_a_function_that_is_nowhere_is_refused(lab: Backend) -> None:
    """As for a client, that reads like one that may not be called."""
    with pytest.raises(CallRefused):
        lab.query("notes:nothing")


def test_users_have_claims(lab: Backend, notes: ModuleType) -> None:
    """Somebody signed in is who the test says; an administrator can act as somebody."""
    with pytest.raises(CallRefused):
        lab.query(notes.name)

    assert lab.as_user("ann", name="Ann").query(notes.name) == "Ann"
    assert lab.as_user("ann", issuer="https://other.test").query(notes.name) is None
    assert lab.as_admin("bob", name="Bob").query(notes.name) == "Bob"


def test_roles_are_given_or_declared(lab: Backend, notes: ModuleType) -> None:
    """A test gives a role to a user; whom joelclaw.toml names has it anyway; nobody else does."""
    for caller in (lab, lab.as_user("ann"), lab.as_user("ann", role="owner")):
        with pytest.raises(CallRefused):
            caller.query(notes.owners_secret)

    assert lab.as_user("bob", roles=["owner"]).query(notes.owners_secret) == "swordfish"
    assert lab.as_user("github:joel").query(notes.owners_secret) == "swordfish"


def test_a_role_lasts_as_long_as_the_test(project: Project, notes: ModuleType) -> None:
    """What one backend gives, another knows nothing of."""
    with Backend(project) as first:
        first.as_user("ann", roles=["owner"]).query(notes.owners_secret)
    with Backend(project) as second, pytest.raises(CallRefused):
        second.as_user("ann").query(notes.owners_secret)


# -- live results


def test_somebody_signs_in_as_for_real(lab: Backend, notes: ModuleType) -> None:
    """`sign_in` opens a login session of a user who is made at the first time, and of the same one at the second."""
    phone, desk = lab.sign_in("12", name="Ann"), lab.sign_in("12", name="Ann")

    assert phone.token_identifier == desk.token_identifier != lab.sign_in("13").token_identifier
    assert phone.query(notes.devices) == ["github", "github"]
    assert phone.query(notes.name) == "Ann"
    assert phone.mutation(notes.leave_others) == 1
    assert phone.query(notes.devices) == ["github"]
    joel = lab.sign_in("14", claims={"login": "Joel"})
    assert joel.query(notes.owners_secret) == "swordfish"
    with pytest.raises(CallRefused):
        lab.as_user("x", provider="github", githubId="14", login="joel").query(notes.owners_secret)


def test_a_subscription_follows_what_it_read(lab: Backend, notes: ModuleType) -> None:
    """Each write that concerns it is shown when the call has returned; one that does not runs nothing."""
    live = lab.subscribe(notes.texts)
    assert (live.value, live.changed(), live.ran) == ([], False, 1)

    lab.mutation(notes.add, "one")
    assert (live.value, live.changed(), live.changed(), live.ran) == (["one"], True, False, 2)

    lab.mutation(notes.add, "elsewhere", room="b")
    assert (live.changed(), live.ran) == (False, 2)
    assert live.history == [[], ["one"]]


def test_equal_subscriptions_share_a_run(lab: Backend, notes: ModuleType) -> None:
    """However many look at a result, the query runs once a change."""
    lives = [lab.subscribe("notes:texts", room="a") for _ in range(10)]
    lab.mutation(notes.add, "one")

    assert [live.value for live in lives] == [["one"]] * 10
    assert lives[0].ran == 2


def test_a_closed_subscription_shows_nothing_new(lab: Backend, notes: ModuleType) -> None:
    """Its last value stays."""
    live = lab.subscribe(notes.texts)
    live.close()
    lab.mutation(notes.add, "one")

    assert (live.value, live.ran) == ([], 1)


def test_a_subscription_that_is_refused_says_so(lab: Backend, notes: ModuleType) -> None:
    """Whoever may not see a result is told when it is looked at."""
    live = lab.subscribe(notes.owners_secret)
    with pytest.raises(CallRefused):
        _ = live.value


# -- time


def test_the_clock_stands_still(lab: Backend) -> None:
    """No time passes unless the test says so."""
    began = lab.clock.now()
    lab.mutation("notes:add", text="hello")
    assert lab.clock.now() == began

    lab.clock.advance("1h30m")
    lab.clock.advance(timedelta(seconds=1))
    assert lab.clock.now() == began + 5_401_000


def test_the_clock_goes_forward_only(lab: Backend) -> None:
    """An instant that is over, one without a zone, and what is no duration are refused."""
    with pytest.raises(ValueError, match="is over"):
        lab.clock.advance_to(lab.clock.now() - 1)
    with pytest.raises(ValueError, match="time zone"):
        lab.clock.advance_to(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the mistake
    with pytest.raises(BadDuration):
        lab.clock.advance("5 minutes")

    lab.clock.advance_to(datetime(2023, 11, 15, tzinfo=UTC))
    assert lab.clock.now() == 1_700_006_400_000.0


def test_a_result_expires_at_its_moment(lab: Backend, notes: ModuleType) -> None:
    """A query that compared an instant with now is shown again when the answer changes, and not before."""
    live = lab.subscribe(notes.is_late, at=lab.clock.now() + 60_000)
    lab.clock.advance("59s")
    assert (live.value, live.ran) == (False, 1)

    lab.clock.advance("1s")
    assert (live.value, live.ran) == (True, 2)


def test_a_job_runs_when_it_is_due(lab: Backend, notes: ModuleType) -> None:
    """Not before, exactly once, and a live query shows what it did."""
    live = lab.subscribe(notes.texts)
    lab.mutation(notes.add_later, text="later", delay="1m")
    lab.clock.advance("59.9s")
    assert live.value == []

    lab.clock.advance("1h")
    assert live.history == [[], ["later"]]
    [note] = lab.query(notes.documents)
    assert note.creation_time == pytest.approx(lab.clock.now() - 3_599_900, abs=1)


def test_a_job_without_delay_has_run_when_the_call_returns(lab: Backend, notes: ModuleType) -> None:
    """What is due happens before the test goes on."""
    lab.mutation(notes.add_later, text="at once", delay="0s")

    assert lab.query(notes.texts) == ["at once"]


def test_an_action_that_was_scheduled_has_ended(lab: Backend, notes: ModuleType) -> None:
    """The clock stops at its moment until the action is over, threads of it included."""
    lab.mutation(notes.fetch_later, text="it")
    lab.clock.advance("1m")

    assert lab.query(notes.texts) == ["fetched it"]


def test_jobs_run_in_the_order_of_time(lab: Backend, notes: ModuleType) -> None:
    """However far the clock is moved at once."""
    for delay in ("3h", "1m", "20h"):
        lab.mutation(notes.add_later, text=delay, delay=delay)
    lab.clock.advance("1d")

    assert lab.query(notes.texts) == ["1m", "3h", "20h"]


def test_a_day_of_crons_runs_in_order(lab: Backend, notes: ModuleType) -> None:
    """One run when the deployment begins, then one each time, at its time."""
    lab.clock.advance("1d")
    times = [float(text) for text in lab.query(notes.texts, room="ticks")]

    assert len(times) == 49
    assert {round(after - before) for before, after in pairwise(times)} == {1_800_000}


def test_documents_expire(lab: Backend, notes: ModuleType) -> None:
    """They are removed when their instant comes, and live queries are told."""
    lab.mutation(notes.type_something, who="Ann", until=lab.clock.now() + 5_000)
    live = lab.subscribe(notes.typing)
    assert live.value == ["Ann"]

    lab.clock.advance("5s")
    assert live.value == []


def test_what_never_settles_is_told(lab: Backend, notes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that schedules itself without delay does not hang the test."""
    monkeypatch.setattr(backend, "TURNS_MAX", 500)
    with pytest.raises(CallFailed, match="schedule itself") as caught:
        lab.mutation(notes.add_for_ever)

    assert caught.value.failure_code == "never_settles"


# -- the surroundings


def test_variables_are_declared_and_set(lab: Backend, notes: ModuleType) -> None:
    """A test sets what functions see, over what joelclaw.toml says in plain text; live queries are told."""
    live = lab.subscribe(notes.town)
    assert live.value == "Bern"
    assert lab.query(notes.variable, name="SECRET") is None, "the process environment plays no part"

    lab.env["TOWN"] = "Zürich"
    assert live.value == lab.env["TOWN"] == lab.action(notes.variable_of_action, name="TOWN") == "Zürich"
    del lab.env["TOWN"]
    assert live.value == "Bern"


def test_a_variable_that_cannot_be_is_refused(lab: Backend) -> None:
    """As `joelclaw env set` refuses it."""
    with pytest.raises(ValueError, match="CONVEX_SITE_URL"):
        lab.env["CONVEX_SITE_URL"] = "elsewhere"
    with pytest.raises(KeyError):
        del lab.env["NOTHING"]


def test_log_lines_are_kept(lab: Backend, notes: ModuleType) -> None:
    """Whatever a function prints or logs, in order, with level and path; a cached result logs nothing again."""
    lab.query(notes.chatty)
    lab.query(notes.chatty)

    assert [(line.path, line.kind, line.level) for line in lab.logs] == [
        ("notes:chatty", "query", level) for level in ("LOG", "INFO", "ERROR", "WARN", "WARN")
    ]
    texts = [line.text for line in lab.logs]
    assert texts[:4] == ["printed", "said this", "went wrong", "structured number=1"]
    assert "beware" in texts[4]


def test_what_the_test_prints_is_its_own(lab: Backend, notes: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Only functions are listened to."""
    print("before")
    lab.query(notes.chatty)
    print("after")

    assert capsys.readouterr().out == "before\nafter\n"


@pytest.mark.parametrize("how", ["network", "process", "file"])
def test_effects_in_transactions_are_refused(lab: Backend, notes: ModuleType, how: str, tmp_path: Path) -> None:
    """Also in tests, and though the function swallows the exception; the test itself may do what it likes."""
    file = tmp_path / "written"
    with pytest.raises(CallFailed) as caught:
        lab.mutation(notes.reach_out, how=str(file) if how == "file" else how)

    assert caught.value.failure_code == "effect_refused"
    assert not file.exists()
    socket.socket().close()
    file.touch()


def test_requests_reach_http_actions(lab: Backend) -> None:
    """Status, headers and body are the action's; who is signed in says so with a token."""
    answer = lab.fetch("POST", "/echo", json={"n": 1}, headers={"X-By": "test"})

    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.json() == {"who": None, "sent": {"n": 1}, "by": "test"}
    assert lab.as_user("ann").fetch("POST", "/echo", json=[]).json()["who"] == "ann"
    assert lab.fetch("GET", "/nowhere").status == 404


def test_files_are_uploaded_and_served(lab: Backend) -> None:
    """With the URLs that functions give."""
    uploaded = lab.fetch("POST", lab.mutation("doors:uploadUrl"), body=b"ink", headers={"Content-Type": "image/png"})
    url = lab.mutation("doors:keep", file=uploaded.json()["storageId"])
    served = lab.fetch("GET", url)

    assert (served.status, served.body, served.headers["content-type"]) == (200, b"ink", "image/png")


def test_a_request_elsewhere_is_refused(lab: Backend) -> None:
    """A test's backend is not the internet."""
    with pytest.raises(ValueError, match="is not this backend"):
        lab.fetch("GET", "https://example.com/")


# -- backends


def test_the_same_seed_gives_the_same(project: Project) -> None:
    """Ids, random numbers, and times; another seed gives others."""

    def play(seed: int) -> object:
        with Backend(project, seed=seed) as backend:
            backend.clock.advance("1h")
            return [backend.mutation("notes:draw") for _ in range(3)], backend.query("notes:documents")

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_backends_are_apart(project: Project) -> None:
    """Each has its own documents, clock and log, also side by side."""
    with Backend(project) as first, Backend(project) as second:
        first.mutation("notes:add", text="one")
        first.clock.advance("1h")

        assert first.query("notes:texts") == ["one"]
        assert second.query("notes:texts") == []
        assert first.clock.now() - second.clock.now() == 3_600_000


def test_a_test_with_an_event_loop_is_told_what_to_do(lab: Backend) -> None:
    """A backend waits for its own loop, which cannot run inside of another one."""

    async def asks() -> None:
        with pytest.raises(Misuse, match="write the test as `def`"):
            lab.query("notes:texts")

    asyncio.run(asks())
    assert lab.query("notes:texts") == []


def test_nothing_is_left_of_a_backend(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are gone, and it answers no more."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Backend(project) as backend:
        backend.mutation("notes:add", text="one")
        assert list(tmp_path.iterdir())
    backend.close()

    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Misuse, match="closed"):
        backend.query("notes:texts")


def test_another_app_may_have_been_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of functions without `__init__.py`, loaded before, keeps nobody from loading a project."""
    spec = ModuleSpec("other_functions", None, is_package=True)
    monkeypatch.setitem(sys.modules, "other_functions", module_from_spec(spec))
    (tmp_path / "joelclaw.toml").write_text('[app]\nfunctions = "other_functions"\n')
    (tmp_path / "other_functions").mkdir()
    (tmp_path / "other_functions" / "rooms.py").write_text(
        "from joelclaw import QueryCtx, query\n\n@query\ndef two(ctx: QueryCtx) -> int: return 2\n"
    )
    with Backend(tmp_path) as backend:
        assert backend.internal.query("rooms:two") == 2
