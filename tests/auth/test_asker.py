"""`joelclaw.engine.asker`, `joelclaw.engine.roles`: who asks, and what they may claim."""

from typing import Any

import pytest

from joelclaw.engine.asker import ADMIN, ANONYMOUS, Asker, asker_of, identity_of
from joelclaw.engine.roles import holds
from joelclaw.functions.calls import Identity

ROLES = {"owner": ["github:joelhooks", "https://a.test|ann", "email:joel@example.com"], "nobody": []}


def ann(**claims: Any) -> Identity:
    return Identity(issuer="https://a.test", subject="ann", token_identifier="https://a.test|ann", claims=claims)


def test_askers_are_equal_by_content() -> None:
    """Two tokens of one user have one key, however their claims were ordered; their ends are no part of it."""
    first = asker_of(ann(name="Ann", email="a@b"), expires_at=1)
    second = asker_of(ann(email="a@b", name="Ann"), expires_at=2)
    assert first.key == second.key != ""
    assert asker_of(ann(name="Bob")).key != first.key


def test_nobody_has_an_empty_key() -> None:
    """An administrator without a user is nobody, with rights."""
    assert Asker() == ANONYMOUS
    assert ADMIN.key == ANONYMOUS.key == ""
    assert ADMIN.admin


@pytest.mark.parametrize(
    "attributes",
    [
        {"tokenIdentifier": "https://a.test|ann"},
        {"issuer": "https://a.test", "subject": "ann"},
        {"issuer": "https://a.test", "subject": "ann", "tokenIdentifier": "https://a.test|ann"},
    ],
)
def test_an_identity_to_act_as_says_who_it_is(attributes: dict[str, str]) -> None:
    """By its identifier, or by issuer and subject; the rest are claims."""
    assert identity_of({**attributes, "name": "Ann"}) == ann(name="Ann")


@pytest.mark.parametrize("attributes", [{}, {"name": "Ann"}, {"issuer": "x"}, {"issuer": 1, "subject": "y"}])
def test_an_identity_to_act_as_is_refused_without(attributes: dict[str, Any]) -> None:
    """A sentence says what is missing."""
    with pytest.raises(ValueError, match="tokenIdentifier"):
        identity_of(attributes)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (ann(), True),
        (Identity(issuer="i", subject="github:joelhooks", token_identifier="i|github:joelhooks", claims={}), True),
        (Identity(issuer="i", subject="bob", token_identifier="i|bob", claims={}), False),
        (
            Identity(
                issuer="i",
                subject="j",
                token_identifier="i|j",
                claims={"email": "joel@example.com", "emailVerified": True},
            ),
            True,
        ),
        (
            Identity(issuer="i", subject="j", token_identifier="i|j", claims={"email": "joel@example.com"}),
            False,
        ),
        (None, False),
    ],
)
def test_roles_are_declared(identity: Identity | None, expected: bool) -> None:
    """By identifier, by subject, or by an address that is verified."""
    assert holds("owner", asker_of(identity), ROLES) is expected


def test_a_role_in_a_users_own_claims_does_not_count() -> None:
    """Only an administrator who acts as somebody may give them one."""
    identity = Identity(issuer="i", subject="eve", token_identifier="i|eve", claims={"role": "owner", "roles": ["x"]})
    assert not holds("owner", asker_of(identity), ROLES)
    assert holds("owner", asker_of(identity, admin=True), ROLES)
    assert holds("x", asker_of(identity, admin=True), ROLES)
    assert not holds("other", asker_of(identity, admin=True), ROLES)


def test_a_key_alone_has_no_role() -> None:
    """Nobody is signed in."""
    assert not holds("owner", ADMIN, ROLES)
