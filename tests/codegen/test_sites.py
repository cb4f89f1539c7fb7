"""Sites against the generated types: compiled by TypeScript, run by Node, with the shipped client."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from joelclaw.codegen import generate, write
from joelclaw.functions.manifest import FunctionSpec, Internal, Manifest
from tests.codegen.compiler import NODE_MODULES, Diagnostic, diagnostics
from tests.codegen.manifests import everything, manifests

SITE = Path(__file__).parent / "site"
MARK = "// expect error"
RANDOM_MANIFESTS = 100


@pytest.fixture(scope="module", params=["bundler", "nodenext"])
def found(request: pytest.FixtureRequest) -> list[Diagnostic]:
    """What the compiler says of the site, imports resolved as bundlers do, and as Node does."""
    module = {"bundler": "esnext", "nodenext": "nodenext"}[request.param]
    return diagnostics(SITE, "--module", module, "--moduleResolution", request.param)


def test_right_use_compiles(found: list[Diagnostic]) -> None:
    """A site that uses the types as meant, and the types themselves, pass `tsc --strict` without a word."""
    assert [error for error in found if error.file != "wrong.tsx"] == []


def test_wrong_use_fails_at_each_marked_line(found: list[Diagnostic]) -> None:
    """Every wrong use is an error on its own line, and no other line has one."""
    lines = (SITE / "wrong.tsx").read_text().splitlines()
    expected = {number for number, line in enumerate(lines, 1) if MARK in line}

    assert len(expected) > 40
    assert {error.line for error in found if error.file == "wrong.tsx"} == expected


def test_references_name_their_functions_at_run_time() -> None:
    """A reference from `api.js` is, for the client that sends it, the path of its function."""
    paths = [function.path for function in everything().functions]
    script = """
        import { getFunctionName } from "convex/server";
        import { api, internal } from "./convex/_generated/api.js";
        const paths = JSON.parse(process.argv[1]);
        const follow = (root, path) => path.split(/[/:]/).reduce((node, step) => node[step], root);
        const names = (root) => paths.map((path) => getFunctionName(follow(root, path)));
        console.log(JSON.stringify([names(api), names(internal)]));
    """
    command = ["node", "--input-type=module", "--eval", script, json.dumps(paths)]
    done = subprocess.run(command, cwd=SITE, capture_output=True, text=True, timeout=300, check=True)

    as_sent = [path.removesuffix(":default") for path in paths]
    assert json.loads(done.stdout) == [as_sent, as_sent]


def test_any_manifest_compiles(tmp_path: Path) -> None:
    """Whatever an app declares, its types compile, and every function and field of it has one."""
    shutil.copy(SITE / "tsconfig.json", tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    chosen = random.randrange(2**32)
    print(f"seed {chosen}")
    for number, manifest in enumerate(examples(RANDOM_MANIFESTS, chosen)):
        folder = tmp_path / f"app{number}"
        write(generate(manifest) | {"uses.ts": uses(manifest)}, folder)

    found = diagnostics(tmp_path)

    assert found == [], f"{found[0].text}, in {tmp_path}"


def examples(count: int, chosen_seed: int) -> list[Manifest]:
    drawn: list[Manifest] = []

    # One compiler run for all of them; shrinking would need one for each.
    @seed(chosen_seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(manifests())
    def draw(manifest: Manifest) -> None:
        drawn.append(manifest)

    draw()
    return drawn


def uses(manifest: Manifest) -> str:
    """A module that names every function and every field."""
    references = [_reference(function) for function in manifest.functions]
    fields = [
        f"Doc<{json.dumps(table.name)}>[{json.dumps(field.name)}]"
        for table in manifest.tables
        for field in table.document.fields
    ]
    return f"""\
import type {{ FunctionReference, GenericDataModel }} from "convex/server";
import type {{ api, internal }} from "./api.js";
import type {{ DataModel, Doc }} from "./dataModel.js";

type Is<A extends B, B> = A;
export type Model = Is<DataModel, GenericDataModel>;
export type Fields = [{", ".join(fields)}];
export type References = [{", ".join(references)}];
"""


def _reference(function: FunctionSpec) -> str:
    root, visibility = ("internal", "internal") if isinstance(function.allow, Internal) else ("api", "public")
    steps = "".join(f"[{json.dumps(step)}]" for step in function.path.replace(":", "/").split("/"))
    return f'Is<(typeof {root}){steps}, FunctionReference<"{function.kind}", "{visibility}", any, any>>'
