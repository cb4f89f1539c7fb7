"""`joelclaw new`: a project that starts."""

import re
from pathlib import Path

import rich_click as click

from joelclaw.cli.terminal import tell
from joelclaw.errors import CommandFailed

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

_FILES = {
    "joelclaw.toml": """\
[app]
name = "NAME"

# Every other setting has a default; one that you may want early writes types for a site:
# [codegen]
# typescript = ["site/convex/_generated"]
""",
    "schema.py": '''\
"""The tables. Each document is checked against its class at every write."""

from typing import Annotated

from joelclaw import Meta, Table, index


class Message(Table):
    __table__ = "messages"

    room: str
    author: str
    body: Annotated[str, Meta(min_length=1, max_length=2_000)]

    by_room = index("room")
''',
    "app_functions/__init__.py": "",
    "app_functions/messages.py": '''\
"""Messages in rooms. On the wire these are `messages:recent` and `messages:send`."""

from joelclaw import Id, MutationCtx, QueryCtx, anyone, mutation, query
from schema import Message


# A query only reads. Its subscribers get a new result whenever a write changes what it read.
# `allow` says who may call it from outside; without it only your own functions may.
@query(allow=anyone)
def recent(ctx: QueryCtx, room: str, limit: int = 50) -> list[Message]:
    """The newest messages of a room, newest first."""
    return ctx.db.query(Message.by_room, room=room).order("desc").take(limit)


# A mutation is a transaction: all of its writes happen, or, when it raises, none.
@mutation(allow=anyone)
def send(ctx: MutationCtx, room: str, author: str, body: str) -> Id[Message]:
    """Put a message into a room."""
    return ctx.db.insert(Message(room=room, author=author, body=body))
''',
    "tests/test_messages.py": '''\
"""Tests run on the real engine, each with a database of its own: pip install pytest, then pytest."""

from app_functions import messages
from joelclaw.testing import Backend


def test_a_message_appears_in_its_room(backend: Backend) -> None:
    lobby = backend.subscribe(messages.recent, room="lobby")
    backend.mutation(messages.send, room="lobby", author="me", body="hello")
    assert [message.body for message in lobby.value] == ["hello"]
''',
    ".gitignore": """\
__pycache__/
.venv/
.env
data/
""",
    "README.md": """\
# NAME

    joelclaw dev

serves the functions in `app_functions/` over the tables in `schema.py`, and follows every change
of these files. Beside it, in a second terminal:

    joelclaw functions
    joelclaw run messages:recent '{"room": "lobby"}' --watch
    joelclaw run messages:send '{"room": "lobby", "author": "me", "body": "hello"}'

The documents are in `data/`, in a plain SQLite database. Tests are in `tests/`:

    pip install pytest
    pytest
""",
}


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make a project: a folder NAME with a table, a query and a mutation that work."""
    name = folder.resolve().name
    if _NAME.fullmatch(name) is None:
        raise click.UsageError(f"'{name}' cannot name a project; use letters, digits, '-' and '_'")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise CommandFailed(f"{folder} is there already and not empty; choose another name, nothing was changed")
        for path, text in _FILES.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            # "x": a file that appeared meanwhile is somebody's work.
            with target.open("x", encoding="utf-8") as file:
                file.write(text.replace("NAME", name))
    except OSError as exc:
        raise CommandFailed(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    tell(f"Made {folder}. Start it:\n\n    cd {folder}\n    joelclaw dev")
