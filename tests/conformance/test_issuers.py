"""Tokens of another issuer with the npm package: renewed in silence, and after they have ended."""

import time
from pathlib import Path

import pytest

from tests.auth.fake_issuer import data_url, key_set, signing_key, token
from tests.conformance.conftest import Start
from tests.conformance.deadline import PATIENCE_S
from tests.conformance.deployment import Deployment, copy_app
from tests.conformance.remote import Refused

ISSUER = "https://issuer.example.com"


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """One that takes the tokens of an issuer whose keys it is given."""
    project = copy_app(tmp_path / "project")
    with (project / "joelclaw.toml").open("a") as file:
        file.write(
            f'[[auth.issuers]]\ntype = "custom_jwt"\nissuer = "{ISSUER}"\nalgorithm = "ES256"\n'
            f'application_id = "app"\njwks = "{data_url(key_set(signing_key("ES256")))}"\n'
        )
    return Deployment(project)


def token_of(subject: str, *, ends_in_s: float, number: int = 0) -> str:
    """A token that is an hour old, for all that a client can tell of its age."""
    now = time.time()
    claims = {"iss": ISSUER, "sub": subject, "aud": "app", "jti": str(number)}
    return token(signing_key("ES256"), claims | {"iat": int(now - 3_600), "exp": now + ends_in_s})


def test_a_token_that_has_ended_is_renewed_by_the_client(deployment: Deployment, node: Start, room: str) -> None:
    """
    AUTH-18, J6: `AuthError` has the client fetch another token and come back; no call is lost, none runs as nobody.

    The tokens seem to hold for an hour by the client's reckoning, so it does not renew them in time.
    """
    deployment.start()
    try:
        client = node(deployment.url)
        # Valid for three seconds more, as five are forgiven; or not any more, if this machine is slow.
        soon_over = [token_of("ann", ends_in_s=-2, number=number) for number in range(2)]
        client.do("sign_in", tokens=[*soon_over, token_of("ann-again", ends_in_s=3_600)])
        names: list[str] = []
        over_at = time.monotonic() + PATIENCE_S
        while "ann-again" not in names:
            assert time.monotonic() < over_at, names
            names.append(client.mutation("identity:sign", room=room))
        posted = deployment.bodies(room)
    finally:
        deployment.server.stop()

    assert set(names) <= {"ann", "ann-again"}
    assert posted == names


def test_a_token_over_http(deployment: Deployment, node: Start) -> None:
    """AUTH-6, AUTH-12: identity, and the words of each refusal."""
    deployment.start()
    try:
        client = node(deployment.url)
        known = token_of("ann", ends_in_s=3_600)
        assert client.do("http", kind="query", path="identity:me", args={}, token=known) == "ann"
        for given, words in (
            (token_of("ann", ends_in_s=-60), "Token expired"),
            (token(signing_key("ES256"), {"iss": "https://else.test", "aud": "app"}), "No auth provider found"),
        ):
            with pytest.raises(Refused, match=words):
                client.do("http", kind="query", path="identity:me", args={}, token=given)
    finally:
        deployment.server.stop()
