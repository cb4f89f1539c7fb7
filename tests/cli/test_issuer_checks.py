"""What `joelclaw doctor` says of other issuers: each check shown its failure, against an issuer on loopback."""

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from joelclaw.auth.issuers import Issuer
from joelclaw.cli.issuer_checks import Answer, check_issuers, over_the_network
from joelclaw.config import load_config
from joelclaw.errors import ProviderFailed
from tests.auth.fake_issuer import FakeIssuer, data_url, fake_issuer, key_set, signing_key

NOW_MS = 1_764_000_000_000.0
DECLARED = '[[auth.issuers]]\ndomain = "https://a.example.com"\napplication_id = "app"\n'
OTHER = "OIDC(domain=https://a.example.com, app_id=other)"


def well(issuer: Issuer) -> Answer:
    return Answer(2, formatdate(NOW_MS / 1_000, usegmt=True))


def said(root: Path, text: str, ask: object = well) -> list[tuple[str, str]]:
    (root / "joelclaw.toml").write_text(text)
    found = check_issuers(load_config(root, {}), lambda: NOW_MS, ask)  # type: ignore[arg-type]
    return [(finding.level, finding.said) for finding in found]


def test_an_issuer_that_is_well(tmp_path: Path) -> None:
    """How many keys it has for what its tokens are signed with."""
    assert said(tmp_path, DECLARED) == [
        ("ok", "OIDC(domain=https://a.example.com, app_id=app) has 2 keys for RS256 or EdDSA")
    ]


def test_what_is_declared_wrong_or_unwisely(tmp_path: Path) -> None:
    """An entry that is refused at start is refused here; one without an application is advised against, http, too."""
    assert said(tmp_path, "[[auth.issuers]]\n") == [
        (
            "problem",
            "joelclaw.toml:1: [[auth.issuers]]: domain is missing: who makes the tokens, like https://issuer.example.com",
        )
    ]
    levels = [level for level, _ in said(tmp_path, '[[auth.issuers]]\ndomain = "http://a.example.com"\n')]
    assert levels == ["warning", "warning", "ok"]


def test_an_issuer_that_is_down(tmp_path: Path) -> None:
    """The others are asked all the same."""

    def ask(issuer: Issuer) -> Answer:
        if issuer.application_id == "app":
            raise ProviderFailed("https://a.example.com", "answered with status 500")
        return Answer(0)

    assert said(tmp_path, DECLARED + DECLARED.replace('"app"', '"other"'), ask) == [
        ("problem", "https://a.example.com answered with status 500"),
        (
            "problem",
            f"{OTHER} has no key for RS256 or EdDSA: all of its tokens are refused",
        ),
    ]


@pytest.mark.parametrize(
    ("offset_s", "found"),
    [(0, []), (5, []), (-5, []), (6, ["6 s behind that of"]), (-3600, ["3600 s ahead of that of"])],
)
def test_clocks_that_differ(tmp_path: Path, offset_s: int, found: list[str]) -> None:
    """Beyond what tokens are forgiven; a date that is none says nothing."""
    dated = Answer(1, formatdate(NOW_MS / 1_000 + offset_s, usegmt=True))
    problems = [text for level, text in said(tmp_path, DECLARED, lambda _: dated) if level == "problem"]

    assert len(problems) == len(found)
    assert all(part in text for part, text in zip(found, problems, strict=True))
    assert len(said(tmp_path, DECLARED, lambda _: Answer(1, "yesterday"))) == 1


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeIssuer]:
    with fake_issuer() as issuer:
        yield issuer


def test_an_issuer_is_really_asked(fake: FakeIssuer) -> None:
    """Its keys are counted by what they are for, and its clock is read."""
    fake.keys = [signing_key(), signing_key("RS256", 2), signing_key("ES256")]
    issuer = Issuer(
        kind="oidc",
        name=fake.name,
        application_id="app",
        algorithms=("RS256", "EdDSA"),
        jwks=None,
        private_network=True,
    )

    answer = over_the_network(issuer)

    assert answer.keys == 2
    assert answer.date is not None
    fake.switch(discovery="500")
    with pytest.raises(ProviderFailed, match="status 500"):
        over_the_network(issuer)


def test_keys_that_are_declared_have_no_clock() -> None:
    """Nobody is asked."""
    issuer = Issuer(
        kind="custom_jwt",
        name="https://a.example.com",
        application_id=None,
        algorithms=("ES256",),
        jwks=data_url(key_set(signing_key(), signing_key("ES256"))),
    )

    assert over_the_network(issuer) == Answer(1)
