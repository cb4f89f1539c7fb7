"""`joelclaw serve`: serve the project in production."""

from pathlib import Path

import rich_click as click

from joelclaw.cli.host import TerminalHost
from joelclaw.cli.project import declaration, project_option


@click.command()
@project_option
def serve(project: Path) -> None:
    """
    Serve the project as it stands, for the world.

    Files are read once, clients are told no details of failures, and the admin key that is
    made at the first start is shown only then.
    """
    config = declaration(project)
    # Imported late: the whole server hangs on it.
    from joelclaw import server

    server.run(config, development=False, host=TerminalHost(config, development=False))
