"""`joelclaw functions` and `joelclaw codegen`: what an app declares, without a server."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

FUNCTIONS = '''
from joelclaw import Id, MutationCtx, QueryCtx, anyone, mutation, query, role, signed_in
from schema import Note

print("imported")

def mine(ctx: QueryCtx, id: Id[Note]) -> bool:
    return True

@query(allow=anyone)
def for_room(ctx: QueryCtx, room: str, limit: int = 5) -> list[Note]:
    """Notes of a room."""
    return []

@query(allow=signed_in)
def secret(ctx: QueryCtx) -> None: ...

@mutation(allow=role("owner"))
def purge(ctx: MutationCtx) -> None: ...

@mutation(allow=mine)
def drop(ctx: MutationCtx, id: Id[Note]) -> None: ...

@mutation
def tidy(ctx: MutationCtx) -> None: ...
'''


@pytest.fixture
def app(project: Path) -> Path:
    """An app whose declaration names a variable that is not set: looking at it needs no secrets."""
    (project / "joelclaw.toml").write_text('[env]\nKEY = { from = "NO_SUCH_VARIABLE_IS_SET" }\n')
    (project / "schema.py").write_text(
        'from joelclaw import Table\n\nclass Note(Table):\n    __table__ = "notes"\n    room: str\n'
    )
    (project / "app_functions").mkdir()
    (project / "app_functions" / "__init__.py").touch()
    (project / "app_functions" / "notes.py").write_text(FUNCTIONS)
    return project


@pytest.mark.usefixtures("app")
def test_functions_are_listed(joelclaw: Run) -> None:
    """The table tells each function's wire path, kind, who may call it, and its arguments."""
    result = joelclaw("functions")

    rows = [[cell for cell in line.split("  ") if cell.strip()] for line in result.out.splitlines()]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows if row and ":" in row[0]}
    assert result.code == 0
    assert cells == {
        "notes:forRoom": ["query", "anyone", "room, limit?"],
        "notes:secret": ["query", "signed in"],
        "notes:purge": ["mutation", "role owner"],
        "notes:drop": ["mutation", "rule mine", "id"],
        "notes:tidy": ["mutation", "internal"],
    }


def test_http_actions_are_listed_by_their_routes(app: Path, joelclaw: Run) -> None:
    """Behind the functions, with the function that answers."""
    (app / "app_functions" / "web.py").write_text(
        "from joelclaw import *\n"
        '@http_action("POST", "/hook")\n@http_action("GET", prefix="/a/")\n'
        "async def answer(ctx: ActionCtx, request: Request) -> Response: return Response()\n"
    )
    lines = [line.split() for line in joelclaw("functions").out.splitlines()]
    told = ["HTTP", "action", "anyone", "a", "request,", "for", "web.answer"]
    assert [line for line in lines if "HTTP" in line] == [["GET", "/a/*", *told], ["POST", "/hook", *told]]


@pytest.mark.usefixtures("app")
def test_json_is_all_of_standard_output(joelclaw: Run) -> None:
    """What the app prints on import does not mix with the answer, which holds types and places."""
    result = joelclaw("functions", "--json")

    (spec,) = (spec for spec in json.loads(result.out) if spec["path"] == "notes:forRoom")
    assert (spec["kind"], spec["allow"], spec["doc"]) == ("query", "anyone", "Notes of a room.")
    assert spec["place"].startswith("app_functions/notes.py:")
    assert [(field["name"], field["optional"]) for field in spec["args"]["fields"]] == [
        ("room", False),
        ("limit", True),
    ]


@pytest.mark.parametrize("command", [["functions"], ["codegen", "types"]])
def test_problems_are_told_all_at_once(joelclaw: Run, app: Path, command: list[str]) -> None:
    """A broken app is told with a line for each problem, and the command exits with 1."""
    (app / "app_functions" / "first.py").write_text("def broken(:\n")
    (app / "app_functions" / "second.py").write_text("import nothing_of_this_name\n")
    result = joelclaw(*command)

    assert (result.code, result.out) == (1, "")
    assert "\napp_functions/first.py:1: " in f"\n{result.err}"
    assert "\napp_functions/second.py:1: " in result.err
    assert result.err.endswith("2 problems in the app\n")
    assert not (app / "types").exists()


@pytest.mark.parametrize("command", [["functions"], ["codegen", "types"]])
def test_a_folder_without_functions_is_told(joelclaw: Run, project: Path, command: list[str]) -> None:
    """Where there is no project, that is said, and what to do."""
    result = joelclaw(*command)

    assert (result.code, result.out) == (1, "")
    assert "app_functions" in result.err
    assert list(project.iterdir()) == []


class TestCodegen:
    def test_declared_folders_are_written(self, joelclaw: Run, app: Path) -> None:
        """Files that changed are printed; a second run changes nothing and prints nothing."""
        (app / "joelclaw.toml").write_text('[codegen]\ntypescript = ["site/types"]\n')
        first = joelclaw("codegen")
        second = joelclaw("codegen")

        names = ["api.d.ts", "api.js", "dataModel.d.ts"]
        assert sorted(first.out.split()) == [str(app / "site" / "types" / name) for name in names]
        assert "forRoom" in (app / "site" / "types" / "api.d.ts").read_text()
        assert (second.code, second.out) == (0, "")
        assert second.err.endswith("All types are up to date.\n")

    def test_a_folder_can_be_named(self, joelclaw: Run, app: Path) -> None:
        """Folders of the command line stand in for the declared ones."""
        assert joelclaw("codegen", "here").code == 0
        assert (app / "here" / "api.js").is_file()

    @pytest.mark.usefixtures("app")
    def test_without_a_folder_it_says_where_to_declare_one(self, joelclaw: Run) -> None:
        """Nothing to write to: a sentence with the setting."""
        result = joelclaw("codegen")

        assert (result.code, result.out) == (1, "")
        assert 'typescript = ["site/convex/_generated"]' in result.err

    def test_a_folder_that_cannot_be_written_is_told(self, joelclaw: Run, app: Path) -> None:
        """A file where a folder is declared is named, and stays."""
        (app / "here").write_text("mine")
        (app / "joelclaw.toml").write_text('[codegen]\ntypescript = ["here"]\n')
        result = joelclaw("codegen")

        assert (result.code, result.out) == (1, "")
        assert f"error: {app / 'here'} cannot be written: File exists\n" in result.err
        assert (app / "here").read_text() == "mine"
