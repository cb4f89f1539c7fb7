"""Backups by the clock: due, made by a process of their own, written down, drilled, retried, and told."""

import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from joelclaw.backup import opening
from joelclaw.backup.archive import find_name
from joelclaw.backup.making import Backups
from joelclaw.backup.working import work_folder
from joelclaw.cli.checks import check_backups
from joelclaw.config import Config, load_config
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import ConfigRefused
from joelclaw.files.staying import must_stay
from joelclaw.isolate.messages import Load
from joelclaw.scheduler.backups import DECLARE, RETRY_MS, BackupService
from joelclaw.system.backups import DRILL_RETRY_MS
from tests.backup.test_backups import APP, House, left_over
from tests.backup.test_backups import house as house
from tests.cli.conftest import Result, Run
from tests.cli.conftest import joelclaw as joelclaw
from tests.engine.engines import App, play, within_patience
from tests.http.site_server import SiteServer, served
from tests.scheduler.fixtures import at_work, write

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DRILL_RETRY = timedelta(milliseconds=DRILL_RETRY_MS)
DAY = timedelta(days=1)
START = datetime(2026, 11, 24, 3, tzinfo=UTC)
DECLARED = '[store]\nurl = "sqlite:///data/joelclaw.db"\n[backup]\ncron = "0 4 * * *"\n'
KEY = "backups|0123456789abcdef0123456789abcdef"


class Night:
    """A deployment with backups at four, its service, and a clock that is moved. What is due is worked off by hand."""

    def __init__(self, house: House, declared: str = DECLARED) -> None:
        self.house = house
        self.clock = house.app.hooks.time
        self.clock.set_ms(START.timestamp() * 1000)
        self.serve(declared)

    def serve(self, declared: str) -> None:
        """A server starts, with this declaration."""
        (self.house.root / "joelclaw.toml").write_text(declared)
        self.service = BackupService(self, self.clock, self.config)  # type: ignore[arg-type]
        asyncio.run(self._start())

    async def _start(self) -> None:
        await self.service.declare()
        await self.service.write_down_notes()

    @property
    def config(self) -> Config:
        return load_config(self.house.root, {})

    # What the service needs of SystemCalls.

    async def ask(self, path: str, **arguments: Any) -> Any:
        return self.house.app.query(path, **arguments)

    async def tell(self, path: str, **arguments: Any) -> Any:
        return self.house.app.mutate(path, **arguments)

    # What there is to see.

    def look(self, name: str) -> Any:
        return self.house.app.query(f"_system/backups:{name}")

    def work_off(self) -> None:
        asyncio.run(self.service.work_off(self.look("due")))

    def next_at(self) -> datetime:
        return datetime.fromtimestamp(self.look("plan")["attemptAt"] / 1000, UTC)

    def kept(self) -> list[str]:
        return [one.name for one in Backups(self.config).kept()]


@pytest.fixture
def night(house: House) -> Night:
    return Night(house)


def break_places(house: House) -> None:
    """The folder of backups is a file."""
    (house.root / "data" / "backups").write_text("in the way")


def mend_places(house: House) -> None:
    (house.root / "data" / "backups").unlink()


def test_a_backup_is_made_when_it_is_due(night: Night) -> None:
    """Nothing before its time; then one backup, written down with its contents, and the next is tomorrow's."""
    night.work_off()
    assert night.look("list") == []

    night.clock.advance(HOUR)
    night.work_off()

    [run] = night.look("list")
    assert [run["name"]] == night.kept()
    assert (run["outcome"], run["files"], run["error"]) == ("success", 1, "")
    assert run["size"] == night.house.archive(run["name"]).stat().st_size
    assert run["documents"] >= 2
    assert run["destinations"] == [one.place for one in Backups(night.config).kept()]
    assert night.next_at() == datetime(2026, 11, 25, 4, tzinfo=UTC)
    assert night.look("health") == {"ok": True, "problem": ""}


def test_a_due_backup_is_made_once(night: Night) -> None:
    """A subscription that tells an old state again has no second backup made."""
    night.clock.advance(HOUR)
    due = night.look("due")
    asyncio.run(night.service.work_off(due))
    asyncio.run(night.service.work_off(due))

    assert len(night.look("list")) == 1


def test_a_failed_backup_is_told_and_tried_again(night: Night) -> None:
    """Failing makes health say why, and another attempt due soon; the one that succeeds ends both."""
    break_places(night.house)
    night.clock.advance(HOUR)
    night.work_off()

    [run] = night.look("list")
    assert run["outcome"] == "failed"
    assert "backups" in run["error"]
    assert night.look("health") == {
        "ok": False,
        "problem": f"the last backup failed at 2026-11-24 04:00 UTC: {run['error']}",
    }
    assert night.next_at() == START + HOUR + timedelta(milliseconds=RETRY_MS)

    mend_places(night.house)
    night.clock.advance(timedelta(milliseconds=RETRY_MS))
    night.work_off()
    assert [run["outcome"] for run in night.look("list")] == ["success", "failed"]
    assert night.look("health")["ok"]
    assert night.next_at() == datetime(2026, 11, 25, 4, tzinfo=UTC)


def test_a_backup_that_nobody_makes_is_overdue(night: Night) -> None:
    """Two hours after its time health says so; a restart does not forget it, and makes it."""
    night.clock.advance(HOUR + timedelta(minutes=119))
    assert night.look("health")["ok"]
    night.clock.advance(timedelta(minutes=1))
    assert night.look("health") == {
        "ok": False,
        "problem": "a backup was due at 2026-11-24 04:00 UTC, and there is none yet",
    }

    night.serve(DECLARED)
    night.work_off()
    assert len(night.kept()) == 1
    assert night.look("health")["ok"]


def test_a_drill_follows_weekly(night: Night) -> None:
    """The first backup is drilled, those of the next days are not, the one after a week is."""
    night.clock.advance(HOUR)
    drills = []
    for _ in range(8):
        night.work_off()
        drills.append(len(night.look("drills")))
        night.clock.advance(DAY)

    assert drills == [1, 1, 1, 1, 1, 1, 1, 2]
    [newest, _] = night.look("drills")
    assert (newest["outcome"], newest["name"]) == ("success", night.look("list")[0]["name"])
    assert newest["files"] == 1


@pytest.mark.parametrize(("drill", "count"), [("always", 2), ("never", 0)])
def test_how_often_is_declared(night: Night, drill: str, count: int) -> None:
    """`drill` says whether every backup is drilled, or none."""
    night.serve(DECLARED + f'drill = "{drill}"\n')
    night.clock.advance(HOUR)
    night.work_off()
    night.clock.advance(DAY)
    night.work_off()

    assert len(night.look("drills")) == count


def test_a_failed_drill_is_told(night: Night) -> None:
    """A drill that found a backup damaged is in health until one succeeds, and the next backup is drilled."""
    night.clock.advance(HOUR)
    night.work_off()
    path = night.house.archive(night.kept()[0])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    night.clock.advance(MINUTE)
    asyncio.run(night.service.drill())

    health = night.look("health")
    assert not health["ok"]
    assert health["problem"].startswith("the last drill failed at 2026-11-24 04:01 UTC: ")

    night.clock.advance(HOUR - MINUTE)
    night.work_off()
    assert not night.look("health")["ok"]

    path.write_bytes(whole)
    night.clock.advance(MINUTE)
    night.work_off()
    assert night.look("health")["ok"]
    assert [drill["outcome"] for drill in night.look("drills")] == ["success", "failed", "success"]
    assert len(night.look("list")) == 1
    assert night.look("due") is None


def app_of(house: House) -> Load:
    """The app that serves, as a server knows it."""
    return Load(
        role="writer",
        root=str(house.root / "app"),
        functions="app_functions",
        schema="schema.py",
        wire_names="camel",
        store_url="",
        durability="full",
        env={"SECRET": "of the app"},
        development=False,
    )


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("SELECT 1", ""),
        ("UPDATE \"notes.documents\" SET doc = json_set(doc, '$.text', 5)", "text"),
        ("UPDATE \"notes.byText.{index}\" SET key = X'00' || key", "where its index byText should have it"),
        ('UPDATE "notes.searchText" SET length = 9', "the index searchText of notes has something else of"),
    ],
)
def test_a_drill_looks_at_documents_as_the_app_would(night: Night, damage: str, words: str) -> None:
    """A field that does not fit the schema, or a document that its index has elsewhere, is a failed drill."""
    with closing(sqlite3.connect(night.config.database)) as connection, connection:
        relations = [name for (name,) in connection.execute('SELECT relation FROM "joelclaw.indexes"')]
        [by_text] = [name for name in relations if name.startswith("notes.byText")]
        connection.execute(damage.replace("notes.byText.{index}", by_text))
    night.clock.advance(HOUR)
    asyncio.run(night.service.drill())  # There is none yet.
    night.work_off()
    night.service = BackupService(night, night.clock, night.config, lambda: app_of(night.house))  # type: ignore[arg-type]
    night.clock.advance(HOUR)
    asyncio.run(night.service.drill())

    drill = night.look("drills")[0]
    assert drill["outcome"] == ("failed" if words else "success"), drill["error"]
    assert words in drill["error"]
    assert (drill["sampled"], drill["checkedWith"]) == ([], "" if words else "the app that serves")


def test_an_app_that_does_not_load_fails_a_drill(night: Night) -> None:
    """What could not be checked is not called sound."""
    (night.house.root / "app" / "schema.py").write_text("1 +")
    night.clock.advance(HOUR)
    night.work_off()
    night.service = BackupService(night, night.clock, night.config, lambda: app_of(night.house))  # type: ignore[arg-type]
    night.clock.advance(HOUR)
    asyncio.run(night.service.drill())

    assert "the app does not load" in night.look("drills")[0]["error"]


def test_large_tables_are_sampled_and_that_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest and the newest documents are looked at; the history names the tables."""
    monkeypatch.setattr(opening, "DOCUMENTS_MAX", 2)
    monkeypatch.setattr(opening, "DOCUMENTS_AT_ONCE", 1)
    for number in range(4):
        house.store_file(str(number).encode())
    house.settle()
    made = house.backups().make(START)

    assert house.backups().prove(made.name).sampled == ["_storage", "_storage_keys"]


def test_no_drill_is_tried_again_where_none_is_wanted(night: Night) -> None:
    """With `drill = "never"` one that was made by hand, and failed, is not repeated."""
    night.serve(DECLARED + 'drill = "never"\n')
    asyncio.run(night.service.drill())
    [failed] = night.look("drills")
    assert "there is no backup" in failed["error"]
    night.clock.advance(DRILL_RETRY)
    assert night.look("due")["backupAt"] is not None
    night.work_off()
    night.work_off()

    assert len(night.look("drills")) == 1


def by_hand(night: Night, joelclaw: Run, *arguments: str) -> Result:
    """A command, at the time that the clock shows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("joelclaw.clock.SystemClock.now_ms", lambda _: night.clock.now_ms())
        return joelclaw("backup", *arguments, "--project", str(night.house.root))


def test_what_is_made_by_hand_while_nobody_serves_is_in_the_history(night: Night, joelclaw: Run) -> None:
    """The next start finds it, and it is in the place of the backup that was due; the drill counts as well."""
    declared = DECLARED.replace("[backup]", "[server]\napi_port = 1\n[backup]")
    night.serve(declared)
    night.clock.advance(HOUR * 4)
    assert not night.look("health")["ok"]
    made = by_hand(night, joelclaw, "now")
    night.clock.advance(MINUTE)
    assert by_hand(night, joelclaw, "drill").code == 0
    assert not night.look("health")["ok"]

    night.serve(declared)
    [run], [drill] = night.look("list"), night.look("drills")
    assert (run["outcome"], run["byHand"], run["name"]) == ("success", True, made.out.strip())
    assert run["size"] == night.house.archive(run["name"]).stat().st_size
    assert (drill["outcome"], drill["name"]) == ("success", run["name"])
    assert night.look("health") == {"ok": True, "problem": ""}
    assert night.next_at() == datetime(2026, 11, 25, 4, tzinfo=UTC)
    assert left_over(night.house) == []

    night.serve(declared)
    assert len(night.look("list")) == 1


def test_a_failure_by_hand_is_told_and_the_next_success_ends_it(night: Night, joelclaw: Run) -> None:
    """Health has the reason; a backup by hand that succeeds clears it, and one to come still comes in its time."""
    declared = DECLARED.replace("[backup]", "[server]\napi_port = 1\n[backup]")
    break_places(night.house)
    assert by_hand(night, joelclaw, "now").code == 1
    night.serve(declared)
    [run] = night.look("list")
    assert night.look("health") == {
        "ok": False,
        "problem": f"the last backup failed at 2026-11-24 03:00 UTC: {run['error']}",
    }

    mend_places(night.house)
    night.clock.advance(MINUTE)
    assert by_hand(night, joelclaw, "now").code == 0
    night.serve(declared)
    assert night.look("health")["ok"]
    assert night.next_at() == datetime(2026, 11, 24, 4, tzinfo=UTC)


@pytest.mark.parametrize("content", [b"", b"{", b'{"work": "dance"}'])
def test_a_note_that_cannot_be_read_keeps_nobody_from_serving(night: Night, content: bytes) -> None:
    """It is passed over, and what is due is made."""
    folder = work_folder(night.config.database)
    folder.mkdir()
    (folder / "attempt-1-1.json").write_bytes(content)
    night.serve(DECLARED)
    night.clock.advance(HOUR)
    night.work_off()

    assert [run["outcome"] for run in night.look("list")] == ["success"]


def test_a_running_server_is_told_of_what_is_made_by_hand(tmp_path: Path, joelclaw: Run) -> None:
    """At once, by the command, and no note stays."""
    write(tmp_path, APP)
    declared = f'admin_key = "{KEY}"'
    with served(tmp_path, server=declared) as site, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOELCLAW_ADMIN_KEY", KEY)
        config = load_config(tmp_path / "app", {})
        port = site.api_url.rpartition(":")[2]
        patch.setattr("joelclaw.cli.project._own_url", lambda _: f"http://127.0.0.1:{port}")
        made = joelclaw("backup", "now", "--project", str(tmp_path / "app"))
        assert made.code == 0, made.err
        [run] = call(site, "query", "_system/backups:list")
        assert (run["name"], run["byHand"]) == (made.out.strip(), True)
        assert not list(work_folder(config.database).glob("attempt-*"))


def test_another_schedule_has_another_time(night: Night) -> None:
    """A restart keeps the next time; a calendar that changed has its own; none at all is well and has no plan."""
    night.serve(DECLARED)
    assert night.next_at() == datetime(2026, 11, 24, 4, tzinfo=UTC)
    night.serve(DECLARED.replace("0 4", "0 5"))
    assert night.next_at() == datetime(2026, 11, 24, 5, tzinfo=UTC)
    night.serve('[store]\nurl = "sqlite:///data/joelclaw.db"\n')
    assert night.look("plan") is None
    night.clock.advance(30 * DAY)
    assert night.look("due") is None
    assert night.look("health") is None


async def until_read(pipe: Path, night: Night, task: "asyncio.Task[None]") -> int:
    """Our end of a pipe, which can be opened once an attempt has opened the other. It may also be over before."""
    while True:
        assert not task.done(), f"the attempt is over, and has read nothing: {night.look('list')}"
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # Nobody reads yet.
                raise
        await asyncio.sleep(0.005)


def test_shutting_down_ends_the_process(night: Night, tmp_path: Path) -> None:
    """A backup in the middle is ended with the service: its process is gone, nothing is kept or left, and it is due."""
    key = night.house.received.key
    stored = tmp_path / "data" / "files" / key[:2] / key[2:4] / key
    stored.unlink()
    os.mkfifo(stored)  # Whoever reads this file waits, as long as somebody may still write to it.
    night.clock.advance(HOUR)

    async def scene() -> None:
        task = asyncio.create_task(night.service.work_off(night.look("due")))
        opened = await within_patience("a reader of the stored file", until_read(stored, night, task))
        assert must_stay(night.config.database)
        task.cancel()
        os.close(opened)  # What waits for bytes in a thread hears no signal; it is to end by itself now.
        await within_patience("the end of the attempt", asyncio.wait([task]))
        assert not must_stay(night.config.database)
        assert task.cancelled()

    asyncio.run(scene())
    assert left_over(night.house) == []
    assert night.kept() == []
    assert night.look("due") is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('cron = "0 4 * *"', "backup.cron: '0 4 * *' has 4 fields"),
        ('cron = "@daily"', 'write "0 0 * * *"'),
        ('cron = "0 4 31 2 *"', "never comes"),
        ("cron = 4", "backup.cron is a calendar"),
        ('drill = "daily"', 'backup.drill is "weekly", "always" or "never"'),
    ],
)
def test_a_bad_declaration_is_refused(house: House, line: str, words: str) -> None:
    """What cannot be is refused with its line."""
    (house.root / "joelclaw.toml").write_text(f"[backup]\n{line}\n")
    with pytest.raises(ConfigRefused) as caught:
        Backups(load_config(house.root, {}))

    assert str(caught.value).startswith("joelclaw.toml:2: ")
    assert words in str(caught.value)


def test_a_running_deployment_is_backed_up_by_itself(tmp_path: Path) -> None:
    """With real isolates: the subscription tells that one is due, and a live query shows what came of it."""
    declared = '[store]\nurl = "sqlite:///data.db"\n[files]\nurl = "file:///files"\n[backup]\ncron = "0 4 * * *"\n'
    (tmp_path / "joelclaw.toml").write_text(declared)
    config = load_config(tmp_path, {})

    async def scene(app: App) -> None:
        system = SystemCalls(app.engine)
        await system.tell(DECLARE, schedule="0 4 * * * UTC", at=0.0)
        attempts, drills = system.watch("_system/backups:list"), system.watch("_system/backups:drills")
        assert await attempts.changed() == await drills.changed() == []
        async with at_work(BackupService(system, app.engine.clock, config)):
            [made] = await within_patience("a backup", attempts.changed())
            [drill] = await within_patience("a drill", drills.changed())
        assert (made["outcome"], drill["outcome"]) == ("success", "success")
        assert [one.name for one in Backups(config).kept()] == [made["name"]] == [drill["name"]]
        attempts.close()
        drills.close()

    play(scene, tmp_path)


def test_a_restored_deployment_is_served(tmp_path: Path) -> None:
    """Documents and stored files of a backup that was made of a running server are answered by another."""
    for folder in ("first", "second"):
        write(tmp_path / folder, APP | SERVED)
    with served(tmp_path / "first", server=f'admin_key = "{KEY}"') as site:
        call(site, "mutation", "notes:add", text="kept")
        upload = site.client.post(call(site, "mutation", "files:upload"), content=b"bytes of a file")
        stored = upload.json()["storageId"]
        backups = Backups(load_config(tmp_path / "first" / "app", {}))
        made = backups.make(START)
        call(site, "mutation", "notes:add", text="too late")
    assert backups.prove(made.name).files == 1
    backups.restore_to(made.name, tmp_path / "second" / "app" / "data")

    with served(tmp_path / "second", server=f'admin_key = "{KEY}"') as site:
        assert call(site, "query", "notes:texts") == ["kept"]
        assert site.client.get(call(site, "query", "files:url", id=stored)).content == b"bytes of a file"
        call(site, "mutation", "notes:add", text="new")
        assert call(site, "query", "notes:texts") == ["kept", "new"]


def findings(house: House, at: datetime) -> list[str]:
    """What the doctor says of backups."""
    config = load_config(house.root, {})
    return [f"{each.level}: {each.said}" for each in check_backups(config, at.timestamp() * 1000)]


def test_the_doctor_looks_at_backups(night: Night) -> None:
    """No backup yet, one in time, one that should be there by now, a drill, and a drill that failed."""
    house = night.house
    place = house.root / "data" / "backups"
    assert findings(house, START) == [
        f"warning: {place} can be written, and has no backup",
        "warning: no backup was ever drilled",
    ]
    night.clock.advance(HOUR)
    night.work_off()
    house.settle()
    kept = find_name(night.kept()[0])
    assert kept is not None
    newest = f"the newest backup in {place} is of {kept.at:%Y-%m-%d %H:%M} UTC"
    drilled = "ok: the last drill succeeded at 2026-11-24 04:00 UTC"
    # Names of backups are by the clock of the wall.
    due = kept.at.replace(hour=4, minute=0, second=0)
    due += DAY if due <= kept.at else timedelta()
    assert findings(house, kept.at) == [f"ok: {newest}", drilled]
    assert findings(house, due + HOUR) == [f"ok: {newest}", drilled]
    late = f"problem: {newest}, and one was due at {due:%Y-%m-%d %H:%M} UTC"
    assert findings(house, due + 3 * HOUR) == [late, drilled]

    house.archive(night.kept()[0]).write_bytes(b"")
    night.clock.advance(HOUR)
    asyncio.run(night.service.drill())
    house.settle()
    assert findings(house, kept.at)[1].startswith("problem: the last drill failed at 2026-11-24 05:00 UTC: ")


def test_the_doctor_tells_of_places_that_cannot_be_used(house: House) -> None:
    """A place that is no folder is a problem, also a calendar that is none; without backups there is advice."""
    break_places(house)
    declared = house.root / "joelclaw.toml"
    declared.write_text(DECLARED)
    [said, _] = findings(house, START)
    assert said.startswith(f"problem: backups in {house.root}/data/backups cannot be read or written: File exists")
    declared.write_text(DECLARED.replace("0 4", "0 99"))
    [said] = findings(house, START)
    assert said.startswith("problem: joelclaw.toml:4: backup.cron")
    declared.write_text(DECLARED[: DECLARED.index("[backup]")])
    assert findings(house, START) == ["warning: nobody makes backups by the clock"]


SERVED = {
    "app_functions/files.py": """
from joelclaw import MutationCtx, QueryCtx, anyone, mutation, query

@mutation(allow=anyone)
def upload(ctx: MutationCtx) -> str:
    return ctx.storage.generate_upload_url()

@query(allow=anyone)
def url(ctx: QueryCtx, id: str) -> str | None:
    return ctx.storage.get_url(id)
""",
}


def call(site: SiteServer, kind: str, path: str, **arguments: Any) -> Any:
    """What a function of a served app answers, to its administrator."""
    answered = site.client.post(
        f"{site.api_url}/api/{kind}",
        json={"path": path, "args": arguments, "format": "json"},
        headers={"Authorization": f"Convex {KEY}"},
    ).json()
    assert answered["status"] == "success", answered
    return answered["value"]
