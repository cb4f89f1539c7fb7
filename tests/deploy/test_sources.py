"""Which files of a project are its app, and which changes concern it."""

import os
from pathlib import Path

import pytest

from joelclaw.config import Config, load_config
from joelclaw.deploy.sources import concerns, read_sources
from joelclaw.functions.importing import forget


@pytest.fixture(autouse=True)
def no_other_app() -> None:
    """An app that another test of this process has loaded may have modules of the same names."""
    forget()


def lay_out(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def found(root: Path) -> list[str]:
    return sorted(map(str, read_sources(load_config(root, {})).files))


def test_the_app_is_its_schema_its_functions_and_what_they_import_from_beside_them(tmp_path: Path) -> None:
    """Packages are taken whole and followed on; what nobody imports is left, as is what only looks imported."""
    lay_out(
        tmp_path,
        {
            "schema.py": "import shapes\n",
            "shapes.py": "",
            "app_functions/a.py": "def late():\n    from lib.text import upper\n",
            "app_functions/ops/b.py": "from . import c\nimport app_functions.a, schema\n",
            "app_functions/mail.html": "",
            "lib/text.py": "import deeper.still\n",
            "lib/words.txt": "",
            "deeper/still.py": "",
            "unused.py": "",
            "lonely/x.py": "",
            "site/index.html": "",
        },
    )
    assert found(tmp_path) == [
        "app_functions/a.py",
        "app_functions/mail.html",
        "app_functions/ops/b.py",
        "deeper/still.py",
        "lib/text.py",
        "lib/words.txt",
        "schema.py",
        "shapes.py",
    ]


def test_what_is_installed_is_not_the_app(tmp_path: Path) -> None:
    """Folders of the project that are named like the standard library, a package or the platform are not taken."""
    lay_out(
        tmp_path,
        {
            "app_functions/a.py": "import platform, msgspec, joelclaw\n",
            "platform/x.py": "",
            "msgspec/x.py": "",
            "joelclaw/x.py": "",
        },
    )
    assert found(tmp_path) == ["app_functions/a.py"]


def test_what_others_leave_in_the_folders_is_not_the_app(tmp_path: Path) -> None:
    """Editors' files, bytecode, virtual environments, and a database that was put among the functions."""
    (tmp_path / "joelclaw.toml").write_text('[store]\nurl = "sqlite:///app_functions/data.db"\n')
    lay_out(
        tmp_path,
        {
            f"app_functions/{name}": ""
            for name in (
                "a.py",
                ".a.py.swp",
                "a.py~",
                "#a.py#",
                "4913",
                "a.py.tmp",
                "__pycache__/a.cpython-311.pyc",
                "env/pyvenv.cfg",
                "env/lib/x.py",
                "node_modules/x/x.py",
                "data.db",
                "data.db-wal",
                "data.db-bundles/0/app_functions/a.py",
            )
        },
    )
    (tmp_path / "app_functions" / ".#a.py").symlink_to("nobody@nowhere")
    assert found(tmp_path) == ["app_functions/a.py"]


def test_files_that_do_not_parse_are_the_app_all_the_same(tmp_path: Path) -> None:
    """The load will tell what is wrong with them; the imports of the others are followed."""
    lay_out(tmp_path, {"app_functions/a.py": "def (:\n", "app_functions/b.py": "import lib\n", "lib.py": "\0"})
    assert found(tmp_path) == ["app_functions/a.py", "app_functions/b.py", "lib.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """And the rest is found."""
    lay_out(tmp_path, {"app_functions/a.py": "", "app_functions/b.py": ""})
    (tmp_path / "app_functions" / "a.py").chmod(0)
    sources = read_sources(load_config(tmp_path, {}))
    assert sources.unreadable is not None
    assert sources.unreadable.filename == str(tmp_path / "app_functions" / "a.py")
    assert list(sources.files) == [Path("app_functions/b.py")]


def test_the_folders_that_hold_the_app_are_known_also_before_it_is_there(tmp_path: Path) -> None:
    """Where a declared file will appear, and below its folders; neither the whole project nor what is gone."""
    (tmp_path / "joelclaw.toml").write_text('[app]\nfunctions = "src/functions"\nschema = "src/tables/schema.py"\n')
    source = {"src/x.txt": "", "node_modules/x/x.js": "", "data/joelclaw.db": ""}
    config = config_of_what_went_away(tmp_path)
    lay_out(tmp_path, source)
    assert read_sources(config).folders == {tmp_path, tmp_path / "src"}
    lay_out(tmp_path, {"src/functions/ops/a.py": "", "src/functions/__pycache__/a.pyc": ""})
    assert read_sources(config).folders == {
        tmp_path,
        tmp_path / "src",
        tmp_path / "src" / "functions",
        tmp_path / "src" / "functions" / "ops",
    }


@pytest.mark.parametrize(
    ("path", "does"),
    [
        ("joelclaw.toml", True),
        ("schema.py", True),
        ("app_functions", True),
        ("app_functions/a.py", True),
        ("app_functions/ops", True),
        ("lib", True),
        ("lib.py", True),
        ("lib/text.py", True),
        ("missing.py", True),
        ("other.py", False),
        ("README.md", False),
        ("data", False),
        ("data/joelclaw.db-wal", False),
        ("data/joelclaw.db-bundles/0/schema.py", False),
        ("app_functions/.a.py.swp", False),
        ("app_functions/__pycache__/a.pyc", False),
        ("site/convex/_generated/api.d.ts", False),
        (".", False),
        ("..", False),
    ],
)
def test_changes_that_concern_the_app(tmp_path: Path, path: str, does: bool) -> None:
    """The declaration, the app's files, and what would be imported if it appeared."""
    lay_out(tmp_path, {"app_functions/a.py": "import lib, missing", "lib/text.py": "", "schema.py": ""})
    config = load_config(tmp_path, {})
    assert concerns(config, read_sources(config).imported, Path(os.path.normpath(tmp_path / path))) is does


def config_of_what_went_away(root: Path) -> Config:
    """A declaration whose folders went away after it was read."""
    for made in ("src/functions", "src/tables"):
        (root / made).mkdir(parents=True)
    (root / "src/tables/schema.py").touch()
    config = load_config(root, {})
    (root / "src/tables/schema.py").unlink()
    for made in ("src/functions", "src/tables"):
        (root / made).rmdir()
    return config
