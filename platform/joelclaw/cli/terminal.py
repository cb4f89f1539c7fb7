"""
What the user sees: answers on standard output, everything else on standard error.

Colour and width are rich's affair: in a pipe there is neither, and a row of a table is one line.
What others wrote (messages, paths, values) is never read as markup, and never wrapped: people copy
it. What functions say may have come from strangers, and does not command the terminal either.
"""

import re
import sys
from collections.abc import Iterable, Sequence

import rich_click as click
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from joelclaw.errors import AppRefused, PlatformError
from joelclaw.functions.manifest import Problem

PIPE_WIDTH = 10_000
"""Where nobody's window ends a line, a table is as wide as what is in it."""

out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, soft_wrap=True)

_COMMANDING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
"""Control characters but for line breaks and tabs: with escape sequences a log line could rewrite the others."""


def visible(text: str) -> str:
    """The text with its control characters written out."""
    return _COMMANDING.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def answer(text: str) -> None:
    """Print text that a program may read."""
    click.echo(text)


def tell(text: str) -> None:
    """Print a sentence about what is going on."""
    click.echo(text, err=True)


def tell_error(error: PlatformError) -> None:
    """Print why something was not done."""
    if isinstance(error, AppRefused):
        tell_problems(error.problems)
    else:
        err.print(Text.assemble(("error: ", "bold red"), visible(str(error))))


def tell_problems(problems: Sequence[Problem]) -> None:
    """Print what is wrong with an app, a line each, in the form that editors turn into links."""
    for problem in problems:
        advice = f"; {problem.advice}" if problem.advice else ""
        err.print(
            Text.assemble(
                (f"{problem.place}: ", "cyan"), (f"{problem.name}: ", "bold"), problem.reason, (advice, "green")
            )
        )
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    err.print(Text(f"{count} in the app", "bold red"))


def tell_panel(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print what is where: in a terminal as a panel, in a log as lines."""
    if not err.is_terminal:
        tell("\n".join([title, *(f"  {name}: {value}" for name, value in rows)]))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    for name, value in rows:
        grid.add_row(name, Text(value, overflow="fold"))
    err.print(Panel(grid, title=Text(title, "bold"), title_align="left", expand=False, border_style="cyan"))
