"""`joelclaw codegen`: write the app's TypeScript types once."""

from pathlib import Path

import rich_click as click

from joelclaw.cli.project import declaration_without_secrets, load_manifest, project_option
from joelclaw.cli.terminal import answer, tell
from joelclaw.errors import CommandFailed


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path))
@project_option
def codegen(folders: tuple[Path, ...], project: Path) -> None:
    """
    Write TypeScript types for the app's clients.

    FOLDERS are those of `[codegen] typescript` by default. The files that changed are printed;
    those that are up to date stay untouched.
    """
    # Imported late: it pulls in the whole generator, which `--help` does not need.
    from joelclaw.codegen import generate, write

    config = declaration_without_secrets(project)
    targets = folders or config.typescript_folders
    if not targets:
        raise CommandFailed(
            "there is no folder to write to; name one, or declare it in joelclaw.toml: "
            '[codegen] typescript = ["site/convex/_generated"]'
        )
    files = generate(load_manifest(config))
    try:
        written = [path for target in targets for path in write(files, target)]
    except OSError as exc:
        raise CommandFailed(f"{exc.filename} cannot be written: {exc.strerror}") from exc
    for path in written:
        answer(str(path))
    if not written:
        tell("All types are up to date.")
