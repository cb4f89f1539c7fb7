"""What the documentation shows is true: its examples load, its links lead somewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(page: Path) -> dict[str, str]:
    """The Python examples that name their file on the first line: `# schema.py`."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return dict(blocks)


@pytest.mark.parametrize(
    ("page", "functions"),
    [
        (
            "README.md",
            [
                ("guestbook:newest", "query", "anyone", ["limit"]),
                ("guestbook:sign", "mutation", "anyone", ["name", "text"]),
            ],
        ),
        (
            "docs/functions.md",
            [
                ("comments:add", "mutation", "signed in", ["article", "anchor", "body"]),
                ("comments:forArticle", "query", "anyone", ["article", "limit"]),
                ("comments:resolve", "mutation", "rule author", ["id"]),
            ],
        ),
    ],
)
def test_the_examples_load(tmp_path: Path, page: str, functions: list[tuple[str, str, str, list[str]]]) -> None:
    """The files that a page shows make an app with the functions that it talks of, and pass mypy --strict."""
    (tmp_path / "app_functions").mkdir()
    (tmp_path / "app_functions" / "__init__.py").touch()
    for name, text in examples(ROOT / page).items():
        (tmp_path / name).write_text(text)

    listed = run_module("joelclaw.cli", "functions", "--json", cwd=tmp_path)
    run_module("mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "schema.py", "app_functions", cwd=tmp_path)

    found = [
        (spec["path"], spec["kind"], spec["allow"], [field["name"] for field in spec["args"]["fields"]])
        for spec in json.loads(listed)
    ]
    assert sorted(found) == functions


def run_module(*arguments: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of a page is a file of the repository."""
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []
