"""
Crons on a clock that is moved: from deploys and due times to jobs and their history.

The driver does with the agenda what the service does; `tests/scheduler/test_crons.py` has the
service itself, with real isolates.
"""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from joelclaw.clock import MovableClock
from joelclaw.functions.loader import load_app
from joelclaw.scheduler.calendars import calendar_times
from joelclaw.scheduler.crons import Due, decide
from joelclaw.system.crons import RUNS_KEPT
from tests.functions.deployment import CallError, Deployment, write_app

Deploy = Callable[..., Deployment]

APP = """
    from joelclaw import *

    @cron(every="1m")
    @mutation
    def tick(ctx: MutationCtx, text: str = "tick") -> None: ...
"""


class Crons:
    """What keeps the crons of a deployment going, step by step."""

    def __init__(self, app: Deployment) -> None:
        self.app = app
        self.work_off()

    @property
    def now(self) -> float:
        return self.app.hooks.clock()

    def agenda(self) -> Any:
        return self.app.query("_system/crons:agenda")

    def work_off(self) -> None:
        """Do what there is to do, until there is nothing more."""
        while any((agenda := self.agenda()).values()):
            first = [
                {
                    "name": one["name"],
                    "schedule": one["schedule"],
                    "at": next(calendar_times(one["calendar"], one["tz"], self.now)) if one["calendar"] else self.now,
                }
                for one in agenda["unplanned"]
            ]
            if first or agenda["gone"]:
                self.app.mutate("_system/crons:plan", first=first)
            for due in msgspec.convert(agenda["due"], list[Due]):
                self.start(due)

    def start(self, due: Due) -> Any:
        run_for, skipped, next_at = decide(due, self.now)
        return self.app.mutate(
            "_system/crons:start", name=due.name, dueAt=due.due_at, runFor=run_for, skipped=skipped, nextAt=next_at
        )

    def pass_time(self, **duration: float) -> None:
        self.app.hooks.time.advance(timedelta(**duration))
        self.work_off()

    def deploy(self, folder: Path, text: str) -> None:
        """Other code, on the same database."""
        app = self.app
        app.app = load_app(write_app(folder, {"notes.py": text}))
        app.app.expect(app.layout)
        app.layout = app.store.prepare([info.spec for info in app.app.tables.values()], app._examine)  # noqa: SLF001
        app.app.adopt(app.layout)
        self.work_off()

    def end(self, error: str | None = None) -> None:
        """Every job that waits comes to its end."""
        for run in self.history(outcome="running"):
            if error is None:
                self.app.mutate("_system/jobs:run", id=run["job"])
            else:
                self.app.mutate("_system/jobs:end", id=run["job"], error=error, code="internal")

    def listed(self) -> Any:
        return self.app.query("_system/crons:list")

    def history(self, **fields: Any) -> list[dict[str, Any]]:
        """Oldest first; only documents with these fields."""
        runs = reversed(self.app.query("_system/crons:history", limit=1_000))
        return [run for run in runs if fields.items() <= run.items()]

    def outcomes(self) -> list[Any]:
        return [run.get("skipped") or run["outcome"] for run in self.history()]

    def jobs(self) -> int:
        return len({run["job"] for run in self.history() if "job" in run})


@pytest.fixture
def crons(deployment: Deploy) -> Crons:
    return Crons(deployment({"notes.py": APP}))


# -- deploys


def test_an_interval_runs_at_the_deploy_and_then_every_so_often(crons: Crons) -> None:
    """The first run is at once, the others a minute apart, however long a run takes (SCH-23)."""
    begin = crons.now
    crons.end()
    crons.pass_time(seconds=59)
    assert crons.jobs() == 1
    crons.pass_time(seconds=1)
    crons.pass_time(seconds=7)
    crons.end()
    crons.pass_time(seconds=53)

    assert [run["dueAt"] - begin for run in crons.history()] == [0, 60_000, 120_000]


def test_a_calendar_waits_for_its_time(deployment: Deploy) -> None:
    """A deploy does not run it; its next time does. It is told to whoever waits, not polled for."""
    crons = Crons(deployment({"notes.py": APP.replace('every="1m"', '"0 4 * * *", tz="America/Los_Angeles"')}))
    assert crons.history() == []
    [listed] = crons.listed()

    # 2023-11-14 22:13:20 UTC is 14:13:20 there.
    assert listed["nextAt"] - crons.now == timedelta(hours=13, minutes=46, seconds=40) / timedelta(milliseconds=1)
    assert crons.app.run_query("_system/crons:agenda").expires == listed["nextAt"]
    crons.pass_time(hours=13, minutes=46, seconds=40)
    assert [run["dueAt"] for run in crons.history()] == [crons.now]


def test_a_deploy_that_changes_nothing_about_a_cron_runs_nothing(crons: Crons, tmp_path: Path) -> None:
    """Hot reload keeps the next time: no run is repeated and none is lost."""
    crons.end()
    crons.pass_time(seconds=30)
    before = crons.listed()
    crons.deploy(tmp_path, APP + "\n    # another line\n")

    assert crons.agenda() == {"unplanned": [], "gone": [], "due": []}
    assert crons.listed() == before
    assert crons.jobs() == 1


def test_changed_arguments_keep_name_and_next_time(crons: Crons, tmp_path: Path) -> None:
    """A cron may call another function with other arguments at the times it had (SCH-25)."""
    crons.end()
    crons.pass_time(seconds=30)
    [before] = crons.listed()
    text = APP.replace('every="1m"', 'every="1m", name="notes.tick"').replace("def tick", "def tock")
    crons.deploy(tmp_path, text)
    [after] = crons.listed()

    assert (after["name"], after["nextAt"]) == ("notes.tick", before["nextAt"])
    assert after["function"] == "notes:tock"
    assert crons.jobs() == 1


def test_a_changed_schedule_begins_anew(crons: Crons, tmp_path: Path) -> None:
    """Other times are counted from the deploy, under the same name and with its history (SCH-25)."""
    crons.end()
    crons.pass_time(seconds=30)
    crons.deploy(tmp_path, APP.replace('every="1m"', '"0 0 * * *"'))
    [listed] = crons.listed()

    assert listed["schedule"] == "0 0 * * * UTC"
    assert listed["nextAt"] == next(calendar_times("0 0 * * *", "UTC", crons.now))
    assert listed["last"]["outcome"] == "success"
    crons.deploy(tmp_path, APP.replace("1m", "2m"))
    assert crons.jobs() == 2


def test_a_removed_cron_stops(crons: Crons, tmp_path: Path) -> None:
    """It is run no more; a run that has begun comes to its end, and its history can be read (SCH-25)."""
    crons.deploy(tmp_path, APP.replace('    @cron(every="1m")\n', ""))
    assert crons.listed() == []
    crons.end()
    crons.pass_time(hours=1)

    assert crons.outcomes() == ["success"]


def test_a_cron_that_comes_back_does_not_overlap_its_last_run(crons: Crons, tmp_path: Path) -> None:
    """A deploy removes it in the middle of a run and another brings it back: it waits for the end of that run."""
    crons.deploy(tmp_path, APP.replace('    @cron(every="1m")\n', ""))
    crons.deploy(tmp_path, APP)
    assert crons.jobs() == 1
    assert crons.listed()[0]["running"] is True

    crons.end()
    crons.pass_time(minutes=1)
    assert crons.outcomes() == ["success", 1, "running"]


def test_the_list_tells_what_runs_when(crons: Crons) -> None:
    """Name, schedule, function, arguments, the next time and the last run (SCH-27)."""
    [listed] = crons.listed()

    assert listed["running"] is True
    assert listed.pop("last")["outcome"] == "running"
    assert listed == {
        "name": "notes.tick",
        "schedule": "every 1m",
        "function": "notes:tick",
        "args": "{}",
        "nextAt": crons.now + 60_000,
        "running": True,
    }


# -- runs


def test_the_history_has_outcome_and_duration(crons: Crons) -> None:
    """Each run is a document: when it was due, began and ended, how it ended, with the error."""
    begin = crons.now
    crons.pass_time(seconds=3)
    crons.end()
    crons.pass_time(seconds=57)
    crons.end("no such room")
    first, second = crons.history()
    for one in (first, second):
        for name in ("_id", "_creationTime", "job"):
            assert one.pop(name)

    assert first == {
        "cron": "notes.tick",
        "outcome": "success",
        "dueAt": begin,
        "skipped": 0,
        "byHand": False,
        "startedAt": begin,
        "finishedAt": begin + 3_000,
        "durationMs": 3_000,
    }
    assert (second["outcome"], second["error"], second["durationMs"]) == ("failed", "no such room", 0)


def test_a_job_that_is_canceled_ends_the_run(crons: Crons) -> None:
    """Whoever cancels a cron's job stops that run, not the cron."""
    crons.app.mutate("_system/jobs:cancel", id=crons.history()[0]["job"])
    crons.pass_time(minutes=1)

    assert crons.outcomes() == ["canceled", "running"]


def test_a_cron_never_overlaps_itself(crons: Crons) -> None:
    """Runs that fall due while one is not over are skipped, and noted with their number (SCH-26)."""
    crons.pass_time(minutes=3, seconds=30)
    assert crons.agenda()["due"] == []
    assert crons.jobs() == 1

    crons.end()
    crons.work_off()
    assert crons.outcomes() == ["success", 3]
    crons.pass_time(seconds=30)
    assert crons.outcomes() == ["success", 3, "running"]


def test_runs_that_were_missed_are_skipped(crons: Crons) -> None:
    """Nobody serves for ten minutes: what fell due then is noted with its number, and the ticks go on (SCH-26)."""
    crons.end()
    begin = crons.now
    crons.app.hooks.time.advance(timedelta(minutes=10, seconds=30))
    crons.work_off()
    [_, skipped, run] = crons.history()

    # The tick of half a minute ago is not missed: a restart takes a moment.
    assert (skipped["outcome"], skipped["skipped"], skipped["dueAt"] - begin) == ("skipped", 9, 60_000)
    assert run["dueAt"] - begin == 600_000
    assert crons.listed()[0]["nextAt"] - begin == 660_000


@pytest.mark.parametrize(("catch_up", "outcomes"), [("False", [7]), ("True", [6, "running"])])
def test_a_nightly_cron_after_a_week(deployment: Deploy, catch_up: str, outcomes: list[Any]) -> None:
    """Missed nights are skipped, or made up for by one run at the next start."""
    crons = Crons(deployment({"notes.py": APP.replace('every="1m"', f'"0 4 * * *", catch_up={catch_up}')}))
    crons.app.hooks.time.advance(timedelta(days=7))
    crons.work_off()

    assert crons.outcomes() == outcomes
    assert crons.listed()[0]["nextAt"] > crons.now


def test_what_was_decided_too_late_does_nothing(crons: Crons) -> None:
    """A start that is asked for twice, or was decided before a deploy, starts nothing."""
    crons.end()
    crons.app.hooks.time.advance(timedelta(minutes=1))
    [due] = msgspec.convert(crons.agenda()["due"], list[Due])
    assert crons.start(due) is not None
    assert crons.start(due) is None
    crons.end()
    assert crons.start(due) is None

    assert crons.outcomes() == ["success", "success"]


def test_the_history_is_bounded(crons: Crons) -> None:
    """Of each cron the newest runs are kept."""
    for _ in range(RUNS_KEPT + 5):
        crons.end()
        crons.pass_time(minutes=1)

    history = crons.history()
    assert len(history) == RUNS_KEPT
    assert history[-1]["outcome"] == "running"


def test_apps_do_not_see_the_tables(deployment: Deploy) -> None:
    """The tables of crons are private: they are no part of what an app can read by id."""
    reading = "\n    @query\n    def peek(ctx: QueryCtx, id: str) -> bool:\n        return ctx.db.get(id) is None\n"
    crons = Crons(deployment({"notes.py": APP + reading}))

    assert crons.app.query("notes:peek", id=crons.history()[0]["_id"]) is True


# -- by hand


def test_a_cron_is_run_by_hand(deployment: Deploy) -> None:
    """It runs now, in its history as such, and is due when it was."""
    crons = Crons(deployment({"notes.py": APP.replace('every="1m"', '"0 4 * * *"')}))
    next_at = crons.listed()[0]["nextAt"]
    job = crons.app.mutate("_system/crons:run", name="notes.tick")
    crons.end()

    [run] = crons.history()
    assert (run["job"], run["byHand"], run["outcome"]) == (job, True, "success")
    assert crons.listed()[0]["nextAt"] == next_at


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("notes.tick", "notes.tick is running, and a cron never overlaps itself; wait until it has ended"),
        ("notes.tock", "there is no cron 'notes.tock'; there are: notes.tick"),
    ],
)
def test_what_cannot_be_run_by_hand(crons: Crons, name: str, sentence: str) -> None:
    """A cron that runs, and one that there is not; nothing is written."""
    with pytest.raises(CallError) as refused:
        crons.app.mutate("_system/crons:run", name=name)

    assert refused.value.failure.data == msgspec.json.encode(sentence)
    assert crons.jobs() == 1


def test_a_clock_stands_at_what_the_tests_say() -> None:
    """The calendar tests above rely on this moment."""
    assert MovableClock().now_ms() == 1_700_000_000_000
