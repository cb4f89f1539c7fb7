"""Importing an app's files in a process that has modules of its own."""

import subprocess
import sys
from pathlib import Path

SCENE = """
import sys
from joelclaw.functions import importing

sys.path.insert(0, {root!r})
import suite  # A namespace package, as folders of tests are.

for _ in range(2):
    importing.install({root!r}, "app_functions", "schema.py")
    import lib.shared
    import suite.inside.late
    print("suite.inside.late" in sys.modules, lib.shared.__spec__.loader.__class__.__name__)

before = sys.modules["suite.inside.late"], sys.modules["lib.shared"]
importing.install({root!r}, "app_functions", "schema.py")
print(sys.modules.get("suite.inside.late") is before[0], "lib.shared" in sys.modules)
print("suite" in sys.modules, "lib" in sys.modules)
"""


def test_modules_of_a_projects_tests_are_not_forgotten_with_an_app(tmp_path: Path) -> None:
    """What is below packages that were there before stays when another app is loaded; what the app imported goes."""
    for file in ("suite/inside/late.py", "lib/shared.py", "app_functions/__init__.py", "schema.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    done = subprocess.run(
        [sys.executable, "-c", SCENE.format(root=str(tmp_path))], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["True FreshLoader", "True FreshLoader", "True False", "True False"], done.stderr
