"""
The project a command works on: its declaration, and its app as far as one can know it
without a server.

User code is imported by an isolate, as always: whatever it does on import, it does not do to
the command line.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from joelclaw.cli.client import Client
from joelclaw.config import Config, load_config
from joelclaw.errors import NoAdminKey
from joelclaw.functions.crons import cron_declarations
from joelclaw.functions.manifest import Manifest

if TYPE_CHECKING:
    from joelclaw.isolate.messages import Load

ADMIN_KEY_VARIABLE = "JOELCLAW_ADMIN_KEY"

F = TypeVar("F", bound=Callable[..., Any])


def project_option(command: F) -> F:
    """`--project FOLDER`, handed to the command as `project`."""
    return click.option(
        "--project",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        default=Path(),
        help="The project's folder; the current one by default.",
    )(command)


def url_option(command: F) -> F:
    """`--url URL`, handed to the command as `url`; None: the project's own."""
    return click.option(
        "--url", metavar="URL", envvar="JOELCLAW_URL", help="The deployment; the project's own by default."
    )(command)


def declaration(project: Path) -> Config:
    """
    The declaration, for a command that runs the deployment.

    Raises:
        ConfigRefused: Something in it is wrong, or a variable that it names is not set.
    """
    return load_config(project, os.environ)


def declaration_without_secrets(project: Path) -> Config:
    """
    The declaration, for a command that needs none of the variables it may name.

    Raises:
        ConfigRefused: Something in it is wrong.
    """
    return load_config(project, None)


def client_of(
    config: Config, url: str | None, acting_as: dict[str, Any] | None = None, *, key: str | None = None
) -> Client:
    """
    An administrator's client of the running deployment: the one at `url`, or the project's own.

    `key` is what it shows instead of an admin key.

    Raises:
        NoAdminKey: There is none to call with.
        CommandFailed: `url` is no address.
    """
    return Client(url or _own_url(config), key or _admin_key(config), acting_as)


def load_manifest(config: Config) -> Manifest:
    """
    What the app declares. No database is opened and no server is needed.

    Raises:
        AppRefused: It does not load; every problem is listed.
        IsolateDied: Importing it ended the process.
    """
    return asyncio.run(_load_manifest(config))


async def _load_manifest(config: Config) -> Manifest:
    # Imported late: quick help needs none of it.
    import structlog

    from joelclaw.engine.isolate_process import IsolateProcess

    # What the app prints while it is imported is no answer of ours; it is passed on as it comes.
    structlog.configure(
        processors=[lambda _logger, _method, event: str(event["event"])],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # An actor's, because it is the one that opens no database.
    isolate = await IsolateProcess.spawn("actor")
    try:
        return await isolate.load(load_of(config))
    finally:
        await isolate.close()


def load_of(config: Config) -> "Load":
    """What an isolate is told to load the app as it stands in its files. Nobody signs in."""
    from joelclaw.isolate.messages import Load

    return Load(
        role="actor",
        root=str(config.root),
        functions=config.app.functions,
        schema=config.app.schema,
        wire_names=config.app.wire_names,
        store_url=config.store_url,
        durability=config.store.durability,
        env=config.env,
        crons=cron_declarations(config),
        limits=config.limits,
        development=True,
    )


def _own_url(config: Config) -> str:
    # An address to listen on is not always one to call.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(config.server.host, config.server.host)
    return f"http://{host}:{config.server.api_port}"


def _admin_key(config: Config) -> str:
    if key := os.environ.get(ADMIN_KEY_VARIABLE) or config.server.admin_key:
        return key
    try:
        return config.admin_key_file.read_text("utf-8").strip()
    except OSError as exc:
        raise NoAdminKey(
            f"there is no admin key to call with; set {ADMIN_KEY_VARIABLE}, "
            f"or run this where `joelclaw dev` keeps its data"
        ) from exc
