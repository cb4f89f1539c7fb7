"""`joelclaw dev`: serve the project and follow its files."""

from pathlib import Path

import rich_click as click

from joelclaw.cli.companion import Companion
from joelclaw.cli.host import TerminalHost
from joelclaw.cli.project import declaration, project_option
from joelclaw.config import Config


@click.command()
@click.option(
    "--start",
    metavar="COMMAND",
    help="Run this beside it as soon as it serves, a site's server say; whichever ends first ends the other.",
)
@project_option
def dev(start: str | None, project: Path) -> None:
    """Serve the project here, and take over every change of its files."""
    config = declaration(project)
    # Imported late: the whole server hangs on it.
    from joelclaw import server

    if start is None:
        server.run(config, development=True, host=TerminalHost(config, development=True))
        return
    companion = Companion(start)
    try:
        server.run(config, development=True, host=_HostOfTwo(config, companion))
    finally:
        companion.end()


class _HostOfTwo(TerminalHost):
    """The terminal of a server that has somebody beside it."""

    def __init__(self, config: Config, companion: Companion) -> None:
        super().__init__(config, development=True)
        self._companion = companion

    def serving(self, url: str, *, site_url: str, development: bool) -> None:
        super().serving(url, site_url=site_url, development=development)
        self._companion.start(url)
