"""Who may call what, as far as data can tell."""

import pytest

from joelclaw.engine.access import COMPONENTS, refusal
from joelclaw.engine.asker import ADMIN, ANONYMOUS, Asker

DENIED = "You do not have permission to perform this operation"
"""The official command line looks for these words, and ends in a crash where they are not."""


def told(path: str, asker: Asker) -> str:
    refused = refusal(None, path, "query", asker, {})
    assert refused is not None
    assert refused.public
    return refused.message


@pytest.mark.parametrize("path", ["_system/cli/tables:default", "_system/cli/no:such", "_system/frontend/no:such"])
def test_what_the_command_line_asks_needs_a_key(path: str) -> None:
    """Without an admin key its functions say so in its words, those that are not there as well."""
    assert told(path, ANONYMOUS) == f"{DENIED}: {path} is for administrators; check the admin key"


def test_there_are_no_components() -> None:
    """A function of a component says that there are none, in the command line's words."""
    assert told(f"{COMPONENTS}a/messages:listed", ADMIN) == (
        f"{DENIED} in a component: there are none here; leave the component out"
    )


@pytest.mark.parametrize("path", ["no:such", "_system/auth/keys:list", "_system/cli", "app_system/cli/tables:default"])
def test_other_names_do_not_exist(path: str) -> None:
    """Whatever else a stranger names reads like what is not there."""
    assert told(path, ANONYMOUS).startswith(f"Could not find public function for '{path}'")
