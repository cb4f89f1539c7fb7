"""`joelclaw serve`: serve the project in production."""

from pathlib import Path

import rich_click as click

from joelclaw.cli.host import TerminalHost
from joelclaw.cli.project import declaration, project_option


@click.command()
@click.option("--files", is_flag=True, help="Begin with the project's files, whatever was deployed since.")
@project_option
def serve(files: bool, project: Path) -> None:
    """
    Serve the project for the world: the version that was deployed last, or its files if they are newer.

    Files are read once, clients are told no details of failures, and the admin key that is
    made at the first start is shown only then.
    """
    config = declaration(project)
    # Imported late: the whole server hangs on it.
    from joelclaw import server

    server.run(config, development=False, host=TerminalHost(config, development=False), own_files=files)
