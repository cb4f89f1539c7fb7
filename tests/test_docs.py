"""What the documentation shows is true: its examples load, its links lead somewhere."""

import asyncio
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from joelclaw.auth.declaring import sign_in_of
from joelclaw.auth.issuers import advice_of, issuers_of
from joelclaw.config import load_config
from joelclaw.files.receiving import receive
from joelclaw.functions.calls import Identity
from joelclaw.functions.crons import cron_declarations
from joelclaw.functions.loader import load_app
from joelclaw.functions.storage import Places
from tests.functions.deployment import CallError, deploy, person, value_of
from tests.http.site_server import served
from tests.transfer.places import Place

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(page: Path) -> dict[str, str]:
    """The Python examples that name their file on the first line: `# schema.py`."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return dict(blocks)


def described(project: Path) -> dict[str, tuple[str, str, list[str]]]:
    """The functions of a project that passes mypy --strict: kind, who may call, arguments."""
    run_module("mypy", "--strict", "--cache-dir", str(project / "cache"), "schema.py", "app_functions", cwd=project)
    listed = json.loads(run_module("joelclaw.cli", "functions", "--json", cwd=project))
    return {
        spec["path"]: (spec["kind"], spec["allow"], [field["name"] for field in spec["args"]["fields"]])
        for spec in listed
    }


def test_the_first_function_of_the_readme_is_one(tmp_path: Path) -> None:
    """What README.md adds to this repository's own app loads, and makes the functions that it calls."""
    shutil.copytree(ROOT / "app_functions", tmp_path / "app_functions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "schema.py", tmp_path)
    for name, text in examples(ROOT / "README.md").items():
        with (tmp_path / name).open("a") as file:
            file.write(f"\n\n{text}")

    functions = described(tmp_path)

    assert functions["guestbook:newest"] == ("query", "anyone", ["limit"])
    assert functions["guestbook:sign"] == ("mutation", "anyone", ["name", "text"])


def test_the_examples_of_the_pagination_page_run(tmp_path: Path) -> None:
    """What docs/pagination.md shows gives pages that meet, and an action that reads them all."""
    app = deploy(tmp_path, examples(ROOT / "docs" / "pagination.md"))
    try:
        for number in range(250):
            app.mutate("chat:send", room="a", body=str(number))
        options = {"numItems": 2.0, "cursor": None}
        first = app.query("chat:newest", room="a", paginationOpts=options)
        assert [message["body"] for message in first["page"]] == ["249", "248"]
        bodies = app.query("chat:bodies", room="a", paginationOpts=options)
        options["cursor"] = bodies["continueCursor"]
        assert app.query("chat:bodies", room="a", paginationOpts=options)["page"] == ["247", "246"]
        everything = value_of(asyncio.run(app.run_action("export:everything", {"room": "a"})))
        assert everything == [str(number) for number in reversed(range(250))]
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["export:everything"] == ("action", "internal", ["room"])


def test_the_examples_of_the_functions_page_load(tmp_path: Path) -> None:
    """The files that docs/functions.md shows make an app with the functions that it talks of."""
    (tmp_path / "app_functions").mkdir()
    (tmp_path / "app_functions" / "__init__.py").touch()
    for name, text in examples(ROOT / "docs" / "functions.md").items():
        (tmp_path / name).write_text(text)

    assert described(tmp_path) == {
        "comments:add": ("mutation", "signed in", ["article", "anchor", "body"]),
        "comments:forArticle": ("query", "anyone", ["article", "limit"]),
        "comments:resolve": ("mutation", "rule author", ["id"]),
    }


def test_the_examples_of_the_scheduling_page_load(tmp_path: Path) -> None:
    """The files that docs/scheduling.md shows make an app whose functions schedule each other."""
    (tmp_path / "app_functions").mkdir()
    (tmp_path / "app_functions" / "__init__.py").touch()
    for name, text in examples(ROOT / "docs" / "scheduling.md").items():
        (tmp_path / name).write_text(text)

    assert described(tmp_path) == {
        "drafts:announce": ("action", "internal", ["id"]),
        "drafts:keepPrivate": ("mutation", "signed in", ["id"]),
        "drafts:publish": ("mutation", "internal", ["id"]),
        "drafts:publishing": ("query", "signed in", ["id"]),
        "drafts:save": ("mutation", "signed in", ["author", "body", "publishIn"]),
    }


def test_the_examples_of_the_files_page_run(tmp_path: Path) -> None:
    """What docs/files.md shows keeps pictures, and nothing else, and works on files in actions."""
    app = deploy(tmp_path, examples(ROOT / "docs" / "files.md"))
    app.app.places = Places("https://api.example.com", f"file://{tmp_path / 'files'}")

    def stored(content: bytes, content_type: str) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        key, digest = asyncio.run(receive(app.app.places.files, pieces()))
        record = {"sha256": digest.sha256.hex(), "size": float(digest.size), "contentType": content_type}
        id: str = app.mutate("_system/files:record", key=key, **record)
        return id

    try:
        assert app.mutate("photos:generateUploadUrl").startswith("https://api.example.com/api/storage/upload?token=")
        text = stored(b"small", "text/plain")
        with pytest.raises(CallError, match="no_picture"):
            app.mutate("photos:add", title="?", file=text)
        photo = app.mutate("photos:add", title="The office", file=stored(b"...", "image/png"))
        [shown] = app.query("photos:album")
        assert shown["url"].startswith("https://api.example.com/api/storage/")
        app.mutate("photos:remove", id=photo)
        assert app.query("photos:album") == []
        capitals = value_of(asyncio.run(app.run_action("covers:shout", {"file": text})))
        assert value_of(asyncio.run(app.run_action("covers:checksum", {"file": capitals}))) == sum(b"SMALL")
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["photos:add"] == ("mutation", "anyone", ["title", "file"])


def test_the_reports_of_the_files_page_stream(tmp_path: Path) -> None:
    """What docs/files.md shows of HTTP actions stores what is posted and sends it back."""
    lay_out(tmp_path / "app", "files.md")
    with served(tmp_path) as site:
        assert site.get("/reports/latest").status_code == 404
        report = b"figures " * 100_000
        assert site.post("/reports", report, headers={"Content-Type": "text/plain"}).status_code == 201
        latest = site.get("/reports/latest")
        assert (latest.content, latest.headers["content-type"]) == (report, "text/plain")


def test_the_examples_of_the_search_page_run(tmp_path: Path) -> None:
    """What docs/search.md shows finds words and vectors, marks them, and passes mypy --strict."""
    files = examples(ROOT / "docs" / "search.md")
    app = deploy(tmp_path, files)
    try:
        near, far = [1.0, *[0.0] * 383], [0.0, 1.0, *[0.0] * 382]
        app.mutate("comments:add", article="a", author="ann", body="Reactive <b>backends</b>", embedding=near)
        id = app.mutate("comments:add", article="b", author="bob", body="A backend that reacts", embedding=near)
        app.mutate("comments:add", article="b", author="bob", body="Gardening", embedding=far)
        found = app.query("comments:search", text="reactive backends")
        assert [one["html"] for one in found] == ["<mark>Reactive</mark> &lt;b&gt;<mark>backends</mark>&lt;/b&gt;"]
        options = {"numItems": 5.0, "cursor": None}
        page = app.query("comments:searchArticle", article="b", text="back", paginationOpts=options)
        assert [comment["body"] for comment in page["page"]] == ["A backend that reacts"]
        assert app.query("comments:similar", id=id) == ["Reactive <b>backends</b>"]
        nearest = value_of(asyncio.run(app.run_action("comments:nearest", {"article": "b", "vector": near})))
        assert nearest == ["A backend that reacts", "Gardening"]
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["comments:search"] == ("query", "anyone", ["text"])


def test_the_examples_of_the_http_actions_page_answer(tmp_path: Path) -> None:
    """What docs/http-actions.md shows takes each signed order once, and streams them to pages of one origin."""
    project = lay_out(tmp_path / "app", "http-actions.md")
    order = b'{"id":"d1","item":"tea"}'
    signature = hmac.digest(b"s3cret", order, hashlib.sha256).hex()
    with served(tmp_path, env='ORDERS_SECRET = "s3cret"') as site:
        assert site.post("/orders", order, headers={"X-Signature": "forged"}).status_code == 401
        taken = [site.post("/orders", order, headers={"X-Signature": signature}) for _ in range(2)]
        assert [(answer.status_code, answer.json()["repeated"]) for answer in taken] == [(201, False), (200, True)]
        exported = site.get("/export/all")
        assert (exported.text, exported.headers["vary"]) == ('{"item": "tea"}\n', "Origin")
        assert site.client.options(f"{site.url}/export/all").headers["access-control-allow-headers"] == "Authorization"
    assert described(project)["shop:take"] == ("mutation", "internal", ["deliveryId", "item"])


def test_the_examples_of_the_actions_page_run(tmp_path: Path) -> None:
    """What docs/actions.md shows asks, computes in a thread, and keeps what it found."""
    files = examples(ROOT / "docs" / "actions.md")
    app = deploy(tmp_path, files)
    try:
        found = value_of(asyncio.run(app.run_action("weather:forecasts", {"places": ["here", "there"]})))
        assert [app.query("weather:known", place=place) for place in ("here", "there")] == found
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["weather:forecast"] == ("action", "signed in", ["place"])


def test_the_examples_of_the_environment_page_run(tmp_path: Path) -> None:
    """What docs/environment.md shows reads variables in every kind of function."""
    app = deploy(tmp_path, examples(ROOT / "docs" / "environment.md"))
    try:
        assert app.query("weather:unit") == "celsius"
        changes = {"UNIT": "kelvin", "PAUSED": "1", "STATION_URL": "https://stations.example.com"}
        app.mutate("_system/env:update", changes=[{"name": name, "value": text} for name, text in changes.items()])
        assert app.query("weather:unit") == "kelvin"
        app.mutate("weather:keep", city="Berlin", degrees=3.0)
        assert app.query("_system/env:value", name="PAUSED") == "1"
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["weather:station"] == ("action", "internal", [])


def test_the_examples_of_the_logs_page_run(tmp_path: Path) -> None:
    """What docs/logs.md shows refuses, warns and fails where the page says so."""
    files = examples(ROOT / "docs" / "logs.md")
    app = deploy(tmp_path, files)
    try:
        app.mutate("orders:place", item="tea", count=12)
        with pytest.raises(CallError, match="nothing_ordered"):
            app.mutate("orders:place", item="tea", count=0)
        failure = asyncio.run(app.run_action("orders:restock", {})).failure
        assert failure is not None
        assert failure.message == "Uncaught ConnectionError: nobody answers"
        assert failure.frames.startswith("    at restock (app_functions/orders.py:")
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["orders:place"] == ("mutation", "anyone", ["item", "count"])


def test_the_first_steps_of_the_page_on_sign_in_are_whole(tmp_path: Path) -> None:
    """What it has written in the place of what `joelclaw new` makes is an app; nothing more is to be removed."""
    run_module("joelclaw.cli", "new", "notes", cwd=tmp_path)
    project = tmp_path / "notes"
    page = (ROOT / "docs" / "auth.md").read_text("utf-8")
    assert "`schema.py` is replaced, and\n`app_functions/messages.py` and `tests` are deleted" in page
    (project / "app_functions" / "messages.py").unlink()
    shutil.rmtree(project / "tests")
    with (project / "joelclaw.toml").open("a") as file:
        file.write(page.partition("```toml\n")[2].partition("```")[0])
    for name, text in examples(ROOT / "docs" / "auth.md").items():
        (project / name).write_text(text)

    assert load_config(project, {}).auth.providers == ("github",)
    assert described(project) == {
        "notes:add": ("mutation", "signed in", ["text"]),
        "notes:mine": ("query", "signed in", []),
    }


def lay_out(project: Path, page: str) -> Path:
    """A project of a page's examples."""
    (project / "app_functions").mkdir(parents=True)
    (project / "app_functions" / "__init__.py").touch()
    for name, text in examples(ROOT / "docs" / page).items():
        (project / name).write_text(text)
    return project


def test_the_examples_of_the_crons_page_load(tmp_path: Path) -> None:
    """The files that docs/crons.md shows, joelclaw.toml included, make an app with four crons."""
    page = ROOT / "docs" / "crons.md"
    for name, text in {"app_functions/__init__.py": "", **examples(page)}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "joelclaw.toml").write_text(re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)[0])

    config = load_config(tmp_path, {})
    manifest = load_app(tmp_path, crons=cron_declarations(config)).manifest
    assert [(cron.name, cron.schedule, cron.args) for cron in manifest.crons] == [
        ("health.check", "every 30s", "{}"),
        ("health.forget_old", "0 4 * * * America/Los_Angeles", "{}"),
        ("nightly", "0 3 * * * Europe/Berlin", '{"component":"database","days":7}'),
        ("often", "every 5m", "{}"),
    ]
    assert described(tmp_path)["health:forgetOld"] == ("mutation", "internal", ["component", "days"])


def test_the_examples_of_the_time_page_run(tmp_path: Path) -> None:
    """What docs/time.md shows is right at the moment that it says, and refreshed at the next; documents go after it."""
    app = deploy(tmp_path, examples(ROOT / "docs" / "time.md"))
    try:
        now = app.hooks.clock()
        app.mutate("presence:keyPressed", room="a", who="ann")
        app.mutate("presence:offer", title="tea", beginsAt=now + 1_000, endsAt=now + 5_000)
        assert app.query("presence:typing", room="a") == ["ann"]
        assert app.run_query("presence:typing", {"room": "a"}).expires == now + 3_000
        assert app.run_query("presence:offers").expires == now + 1_000

        app.hooks.time.advance(timedelta(seconds=3))
        assert app.query("presence:typing", room="a") == []
        assert app.query("presence:offers") == ["tea"]
        assert app.run_query("presence:offers").expires == now + 5_000
        assert app.query("_system/expiry:due") == [{"table": "typing", "at": now + 3_000}]
    finally:
        app.close()
    (tmp_path / "app_functions" / "__init__.py").touch()
    assert described(tmp_path)["presence:keyPressed"] == ("mutation", "anyone", ["room", "who"])


def test_the_example_of_the_operating_page_is_measured(tmp_path: Path) -> None:
    """The metrics that docs/operating.md lists are those of the app that it shows, and no others but `process_`."""
    lay_out(tmp_path / "app", "operating.md")
    key = "docs|0123456789abcdef0123456789abcdef"
    with served(tmp_path, server=f'admin_key = "{key}"') as site:
        for page in ("/", ""):
            args = {"path": "visits:note", "args": {"page": page}}
            site.client.post(f"{site.api_url}/api/mutation", json=args)
        told = site.client.get(f"{site.api_url}/metrics", headers={"Authorization": f"Convex {key}"}).text
        health = site.client.get(f"{site.api_url}/health/ready").json()
    page_text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    rows = re.findall(r"^\| (`joelclaw_.*?) \|", page_text, re.MULTILINE)
    documented = {name.removesuffix("_total") for row in rows for name in re.findall(r"`(joelclaw_\w+)`", row)}
    measured = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (joelclaw_\w+)", told, re.MULTILINE)}
    assert documented - measured <= {"joelclaw_backups_healthy", "joelclaw_deployed_version"}
    assert measured - documented == set()
    assert 'joelclaw_function_runs_total{function="visits:note",kind="mutation",outcome="app_error"} 1.0' in told
    shown = json.loads(re.findall(r"^    (\{\"ready.*)$", page_text, re.MULTILINE)[0])
    assert shown["parts"].items() <= health["parts"].items()


def run_module(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page is a file of the repository."""
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_examples_of_the_rate_limits_page_run(tmp_path: Path) -> None:
    """What docs/rate-limits.md shows: three comments at once, a refusal that says when, and a form that knows."""
    files = examples(ROOT / "docs" / "rate-limits.md")
    arriving = "from joelclaw import *\nfrom schema import User\n@mutation\ndef arrive(ctx: MutationCtx) -> None:\n"
    arriving += "    ctx.db.insert(User(token_identifier=ctx.auth.identity.token_identifier))\n"
    app = deploy(tmp_path, {**files, "arriving.py": arriving})
    try:
        ann = {"identity": person("ann"), "privileged": True}
        value_of(app.run_mutation("arriving:arrive", **ann))
        comment = {"article": "first", "body": "Hello."}
        for _ in range(3):
            value_of(app.run_mutation("comments:add", comment, **ann))
        with pytest.raises(CallError, match=r'"retryAfterS":360'):
            value_of(app.run_mutation("comments:add", comment, **ann))
        allowance = value_of(app.run_query("comments:mayComment", **ann))
        assert allowance == {"ok": False, "left": 0.0, "retryAt": app.hooks.time.now_ms() + 360_000}
    finally:
        app.close()


def test_the_examples_of_the_sessions_page_run(tmp_path: Path) -> None:
    """What docs/sessions.md shows: a user made by the app's mutation, devices that are left, and declarations."""
    page = ROOT / "docs" / "sessions.md"
    texts = examples(page)
    files = {name: text for name, text in texts.items() if not name.startswith("tests/")}
    declared = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    for number, text in enumerate(declared):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "joelclaw.toml").write_text(text)
        load_config(tmp_path / str(number), {"JOELCLAW_AUTH_KEY": "k" * 32})
    sign_in = sign_in_of(load_config(tmp_path / "1", {}), "https://site.example.com")
    assert sign_in is not None
    app = deploy(tmp_path, files, sign_in=sign_in)
    try:
        profile = {"provider": "github", "accountId": "12", "kind": "oauth", "name": "Ann"}
        grants = [
            app.mutate("_system/auth/sessions:signIn", profile=profile, replacing=None, refresh=refresh)
            for refresh in ("first", "second")
        ]
        subject = f"{grants[0]['user']}|{grants[0]['session']}"
        ann = {"identity": Identity(sign_in.issuer, subject, f"{sign_in.issuer}|ann", {})}
        assert value_of(app.run_query("users:me", **ann))["name"] == "Ann"
        assert value_of(app.run_mutation("users:leaveAllOthers", **ann)) == 1
        assert [device["id"] for device in value_of(app.run_query("users:devices", **ann))] == [grants[0]["session"]]
        spam = {**profile, "accountId": "13", "claims": {"login": "spam"}}
        with pytest.raises(CallError, match="BANNED"):
            app.mutate("_system/auth/sessions:signIn", profile=spam, replacing=None, refresh="third")
    finally:
        app.close()
    project = tmp_path / "tested"
    project.mkdir()
    for name, text in texts.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (project / "joelclaw.toml").write_text(declared[1])
    run_module("pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=project)


def test_the_examples_of_the_other_issuers_page_run(tmp_path: Path) -> None:
    """What docs/other-issuers.md shows: a document for whoever arrives, once, and declarations that are right."""
    page = ROOT / "docs" / "other-issuers.md"
    app = deploy(tmp_path, examples(page))
    try:
        ann = {"identity": person("ann", name="Ann"), "privileged": True}
        first, again = (value_of(app.run_mutation("users:arrived", **ann)) for _ in range(2))
        assert first == again
        assert value_of(app.run_query("users:me", **ann)) == "Ann"
    finally:
        app.close()
    declared = re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    found = []
    for number, text in enumerate(declared):
        project = tmp_path / str(number)
        project.mkdir()
        (project / "joelclaw.toml").write_text(text)
        found += issuers_of(load_config(project, {}), own="https://site.example.com", development=False)
    assert len(found) == len(declared) + 1
    assert list(advice_of(found)) == []


def test_the_example_of_the_export_and_import_page_runs(tmp_path: Path) -> None:
    """The documents that docs/export-import.md shows come in, into the app that it shows."""
    page = ROOT / "docs" / "export-import.md"
    for name, text in examples(page).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "app_functions" / "__init__.py").touch()
    [lines] = re.findall(r"```json\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    (tmp_path / "notes.jsonl").write_text(lines)
    place = Place(tmp_path / "data", app=tmp_path)

    assert place.bring_in(tmp_path / "notes.jsonl", table="notes") == 2
    found = [(note["body"], note["stars"]) for note in place.values("notes")]
    assert found == [("Bees sleep", 3.0), ("Bears, too", 0.0)]
    assert described(tmp_path)["notes:listed"] == ("query", "anyone", [])
