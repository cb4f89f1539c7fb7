"""`joelclaw.system.admin_keys`: keys as they are kept."""

from pathlib import Path

import pytest

from tests.functions.deployment import Deployment, deploy, value_of

CREATE = "_system/adminKeys:create"


@pytest.fixture
def app(tmp_path: Path) -> Deployment:
    return deploy(tmp_path, {})


def test_a_name_is_one_keys(app: Deployment) -> None:
    """Whoever revokes by name revokes the one that is meant; a revoked key's name is free again."""
    first = app.mutate(CREATE, name="ci", hash="h1")

    assert first is not None
    assert app.mutate(CREATE, name="ci", hash="h2") is None
    assert app.query("_system/adminKeys:find", hash="h2") is None
    assert app.mutate("_system/adminKeys:revokeNamed", name="ci") is True
    assert app.mutate("_system/adminKeys:revokeNamed", name="ci") is False
    assert app.mutate(CREATE, name="ci", hash="h3") is not None


def test_a_revoked_key_opens_nothing_and_is_remembered(app: Deployment) -> None:
    """It is not listed and not found, but who has to tell its sockets hears of it; made again, it is another key."""
    app.mutate(CREATE, name="ci", hash="h1")
    app.mutate("_system/adminKeys:revokeNamed", name="ci")

    assert app.query("_system/adminKeys:find", hash="h1") is None
    assert app.query("_system/adminKeys:list") == []
    assert app.query("_system/adminKeys:revoked") == ["h1"]


def test_a_key_says_what_it_opens(app: Deployment) -> None:
    """Scope and end come back as they were given; its use is noted with the time."""
    app.mutate(CREATE, name="look", hash="h1", scope="read_only", expiresAt=5.0)
    app.mutate("_system/adminKeys:used", hash="h1")

    key = app.query("_system/adminKeys:find", hash="h1")

    assert (key["scope"], key["expiresAt"]) == ("read_only", 5.0)
    assert key["lastUsedAt"] == app.hooks.time.now_ms()


def test_a_scope_is_one_that_there_is(app: Deployment) -> None:
    """Anything else is refused, and nothing is kept."""
    outcome = app.run_mutation(CREATE, {"name": "x", "hash": "h", "scope": "everything"}, privileged=True)

    with pytest.raises(Exception, match="scope"):
        value_of(outcome)
    assert app.query("_system/adminKeys:list") == []
