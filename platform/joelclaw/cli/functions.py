"""`joelclaw functions`: what the app offers, and to whom."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, assert_never

import msgspec
import rich_click as click
from rich import box
from rich.table import Table
from rich.text import Text

from joelclaw.cli.project import declaration_without_secrets, load_manifest, project_option
from joelclaw.cli.terminal import answer, out, tell
from joelclaw.functions.manifest import Allow, Anyone, FunctionSpec, HasRole, Internal, OwnRule, RouteSpec, SignedIn


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, types included.")
@project_option
def functions(as_json: bool, project: Path) -> None:
    """List the app's functions: their kind, who may call them, their arguments. HTTP actions by their routes."""
    manifest = load_manifest(declaration_without_secrets(project))
    specs = [spec for spec in manifest.functions if not spec.path.startswith("_system/")]
    if as_json:
        answer(msgspec.json.format(msgspec.json.encode([_described(spec) for spec in specs]), indent=2).decode())
    elif specs or manifest.routes:
        out.print(_table(specs, manifest.routes))
    else:
        tell("The app has no functions yet.")


def _table(specs: list[FunctionSpec], routes: Sequence[RouteSpec]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("function", overflow="fold")
    table.add_column("kind")
    table.add_column("who may call it", overflow="fold")
    table.add_column("arguments", overflow="fold")
    for spec in specs:
        table.add_row(Text(spec.path, "bold"), spec.kind, Text(_who(spec.allow)), Text(_arguments(spec)))
    for route in routes:
        table.add_row(
            Text(route.name, "bold"), "HTTP action", Text("anyone"), Text(f"a request, for {route.python_path}")
        )
    return table


def _who(allow: Allow) -> str:
    match allow:
        case Internal():
            return "internal"
        case Anyone():
            return "anyone"
        case SignedIn():
            return "signed in"
        case HasRole(role=role):
            return f"role {role}"
        case OwnRule(name=name):
            return f"rule {name}"
    assert_never(allow)


def _arguments(spec: FunctionSpec) -> str:
    if spec.any_args:
        return "any"
    return ", ".join(f"{field.name}?" if field.optional else field.name for field in spec.args.fields)


def _described(spec: FunctionSpec) -> dict[str, Any]:
    described: dict[str, Any] = msgspec.to_builtins(spec)
    return described | {"allow": _who(spec.allow), "place": str(spec.place)}
