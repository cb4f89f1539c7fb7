"""`joelclaw.auth.authenticator`, `joelclaw.auth.admin_keys`: from what is presented to who asks."""

import asyncio
from base64 import b64encode, urlsafe_b64encode

import msgspec
import pytest

from joelclaw.auth.admin_keys import AdminKeys, Grant, generate_admin_key, hash_of, split_acting_as
from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.asker import ANONYMOUS, Asker, asker_of
from joelclaw.errors import AdminKeyRefused, TokenRefused
from joelclaw.functions.calls import Identity

DECLARED = "joelclaw|0123456789abcdef"
# Not made anew: parallel test runners have to find the same tests.
KEPT = "joelclaw|mJ4v0YkS2rTq8LxWcZ1bNdPf7HgEuA3oKiRs5tVwXyQ"
ANN = asker_of(Identity(issuer="i", subject="ann", token_identifier="i|ann", claims={}), expires_at=5.0)


class Users:
    async def verify(self, token: str) -> Asker:
        if token == "ann's":
            return ANN
        raise TokenRefused("InvalidAuthHeader", "Could not verify token")


async def known(hashed: str) -> Grant | None:
    return Grant(hashed) if hashed == hash_of(KEPT) else None


def ask(authorization: str | None, *, users: Users | None = None) -> Asker:
    return asyncio.run(Authenticator(AdminKeys(known, DECLARED), users).header(authorization))


def encoded(claims: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(claims)).decode().rstrip("=")


def test_without_a_header_nobody_asks() -> None:
    """Anonymous."""
    assert ask(None) is ANONYMOUS


def test_a_bearer_is_whom_the_verifier_says() -> None:
    """Whatever case the scheme is written in."""
    assert ask("Bearer ann's", users=Users()) == ANN
    assert ask("bearer  ann's ", users=Users()) == ANN
    with pytest.raises(TokenRefused):
        ask("Bearer eve's", users=Users())


@pytest.mark.parametrize("key", [DECLARED, KEPT, f"prod:{KEPT}", f"dev:{DECLARED}"])
def test_an_admin_key_opens(key: str) -> None:
    """The declared one and those in the table, with or without a type in front."""
    asker = ask(f"Convex {key}")
    assert (asker.admin, asker.read_only, asker.identity) == (True, False, None)
    assert asker.tether == hash_of(key)


@pytest.mark.parametrize("key", [DECLARED[:-1], DECLARED + "0", "joelclaw|", "|", "x", KEPT.upper(), hash_of(KEPT)])
def test_another_key_does_not(key: str) -> None:
    """Neither does the hash that is kept of one."""
    with pytest.raises(AdminKeyRefused):
        ask(f"Convex {key}")


@pytest.mark.parametrize("key", [DECLARED, f"prod:{KEPT}"])
def test_an_administrator_acts_as_somebody(key: str) -> None:
    """With the rights of the key and the identity that it names."""
    attributes = {"issuer": "i", "subject": "ann", "name": "Ännchen"}
    asker = ask(f"Convex {key}:{b64encode(msgspec.json.encode(attributes)).decode()}")
    assert asker.admin
    assert asker.identity == Identity(issuer="i", subject="ann", token_identifier="i|ann", claims={"name": "Ännchen"})


def test_whom_to_act_as_does_not_help_a_wrong_key() -> None:
    """The key is looked at first."""
    attributes = b64encode(b'{"issuer":"i","subject":"ann"}').decode()
    with pytest.raises(AdminKeyRefused, match="invalid for this instance"):
        ask(f"Convex joelclaw|wrong:{attributes}")


@pytest.mark.parametrize(
    ("credentials", "key", "rest"),
    [
        ("name|secret", "name|secret", None),
        ("name|secret:abc", "name|secret", "abc"),
        ("prod:name|secret", "prod:name|secret", None),
        ("prod:name|secret:abc", "prod:name|secret", "abc"),
        ("name|secret:a:b", "name|secret", "a:b"),
    ],
)
def test_where_a_key_ends(credentials: str, key: str, rest: str | None) -> None:
    """At the first colon that is not its type's."""
    assert split_acting_as(credentials) == (key, rest)


def test_generated_keys_have_the_form_that_clients_split() -> None:
    """Name, bar, a secret without a colon, and never the same twice."""
    keys = {generate_admin_key("joelclaw") for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        name, _, secret = key.partition("|")
        assert name == "joelclaw"
        assert len(secret) == 43
        assert ":" not in key


def test_a_deployment_without_providers_says_why_it_refuses() -> None:
    """The token's own issuer and audience are named: the commonest mistake is there (AUTH-6)."""
    with pytest.raises(TokenRefused, match=r"issuer='https://a.test', audience='app'") as caught:
        ask(f"Bearer {encoded({})}.{encoded({'iss': 'https://a.test', 'aud': 'app'})}.sig")
    assert caught.value.reason_code == "NoAuthProvider"


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c.d", "e30.ä.sig", "e30.W10.sig"])
def test_what_is_no_token_is_refused_as_such(token: str) -> None:
    """Three parts, the middle one an object of claims (AUTH-10)."""
    with pytest.raises(TokenRefused) as caught:
        ask(f"Bearer {token}")
    assert caught.value.reason_code == "InvalidAuthHeader"
