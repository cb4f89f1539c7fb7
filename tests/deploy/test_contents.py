"""What is told of the difference between two versions."""

from pathlib import Path

from joelclaw.config import load_config
from joelclaw.deploy.contents import Contents, changes, contents_of
from joelclaw.deploy.parcel import parcel_of
from joelclaw.deploy.requirements import read_lock
from joelclaw.deploy.sources import read_sources
from joelclaw.functions.crons import cron_declarations
from joelclaw.functions.loader import load_app
from tests.deploy.workshop import NOTES, SCHEMA, save

CRON = '[crons.tidy]\nfunction = "notes.forget"\ncron = "0 4 * * *"\nargs = { text = "old" }\n'


def contents(root: Path) -> Contents:
    config = load_config(root, None)
    app = load_app(root, crons=cron_declarations(config))
    return contents_of(app.manifest, parcel_of(config, read_sources(config), read_lock(config)))


def told(old: Contents, new: Contents) -> list[str]:
    return [f"{one.change} {one.kind} {one.name}" for one in changes(old, new)]


def test_everything_that_has_a_name_is_compared(tmp_path: Path) -> None:
    """Functions, tables, indexes, crons, roles, variables and files that came, went or changed are told by name."""
    save(tmp_path, "schema.py", SCHEMA)
    save(tmp_path, "app_functions/notes.py", NOTES)
    save(tmp_path, "joelclaw.toml", '[env]\nGONE = "1"\n[auth.roles]\nowner = ["a"]\n')
    old = contents(tmp_path)
    save(
        tmp_path,
        "schema.py",
        SCHEMA.replace('by_text = index("text")', 'stars: int = 0\n    by_stars = index("stars")'),
    )
    save(
        tmp_path,
        "app_functions/notes.py",
        NOTES.replace("Note.by_text)]", "Note.by_stars)]")
        .replace("ctx.db.query(Note.by_text, text=text)", "ctx.db.query(Note).filter(lambda n: n.text == text)")
        .replace("def add(", "def insert("),
    )
    save(tmp_path, "joelclaw.toml", f'[env]\nNEW = "1"\n[auth.roles]\nowner = ["b"]\n{CRON}')

    assert told(old, contents(tmp_path)) == [
        "removed function notes:add",
        "changed function notes:forget",
        "added function notes:insert",
        "changed function notes:texts",
        "changed table notes",
        "added index notes.byStars",
        "removed index notes.byText",
        "added cron tidy",
        "changed role owner",
        "removed env GONE",
        "added env NEW",
        "changed file app_functions/notes.py",
        "changed file schema.py",
    ]


def test_what_only_moved_has_not_changed(tmp_path: Path) -> None:
    """A comment and blank lines above a function change the file and no function."""
    save(tmp_path, "schema.py", SCHEMA)
    save(tmp_path, "app_functions/notes.py", NOTES)
    old = contents(tmp_path)
    save(tmp_path, "app_functions/notes.py", f"# A comment.\n\n\n{NOTES}")

    assert told(old, contents(tmp_path)) == ["changed file app_functions/notes.py"]
    assert told(old, old) == []
