"""What tests of the site share."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "site"


@pytest.fixture(scope="session")
def site_modules() -> Path:
    """The installed packages of `site/package.json`."""
    subprocess.run([ROOT / "scripts" / "setup", "site"], check=True)
    return SITE / "node_modules"
