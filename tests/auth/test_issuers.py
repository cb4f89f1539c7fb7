"""`joelclaw.auth.issuers`: whose tokens count, as it is declared, and what is wrong with a declaration."""

from pathlib import Path

import pytest

from joelclaw.auth.issuers import Issuer, advice_of, data_of, issuers_of
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused
from tests.auth.fake_issuer import data_url, key_set, signing_key

CUSTOM = (
    'type = "custom_jwt"\nissuer = "https://a.example.com"\njwks = "https://a.example.com/jwks"\nalgorithm = "RS256"\n'
)


def declared(tmp_path: Path, text: str, *, own: str | None = None, development: bool = False) -> tuple[Issuer, ...]:
    """The issuers of a declaration; each `---` begins one."""
    (tmp_path / "app_functions").mkdir(exist_ok=True)
    (tmp_path / "schema.py").touch()
    (tmp_path / "joelclaw.toml").write_text("".join(f"[[auth.issuers]]\n{one}" for one in text.split("---\n")))
    return issuers_of(load_config(tmp_path, {}), own=own, development=development)


def refusal(tmp_path: Path, text: str, *, own: str | None = None, development: bool = False) -> str:
    with pytest.raises(ConfigRefused) as caught:
        declared(tmp_path, text, own=own, development=development)
    return str(caught.value)


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("https://verb-noun-00.clerk.accounts.dev", "https://verb-noun-00.clerk.accounts.dev"),
        ("tenant.us.auth0.com", "https://tenant.us.auth0.com"),
        ("tenant.us.auth0.com/", "https://tenant.us.auth0.com"),
        ("https://kc.example.com:8443/realms/x/", "https://kc.example.com:8443/realms/x"),
        ("kc.example.com:8443/realms/x", "https://kc.example.com:8443/realms/x"),
    ],
)
def test_an_openid_issuer_is_known_by_its_domain(tmp_path: Path, domain: str, name: str) -> None:
    """With a scheme or without, with a slash at the end or without; discovery has one slash, always."""
    (issuer,) = declared(tmp_path, f'domain = "{domain}"\napplication_id = "convex"\n')

    assert (issuer.kind, issuer.name, issuer.application_id) == ("oidc", name, "convex")
    assert issuer.algorithms == ("RS256", "EdDSA")
    assert issuer.discovery == f"{name}/.well-known/openid-configuration"


def test_a_custom_issuer_says_everything_itself(tmp_path: Path) -> None:
    """Its name, its keys, its algorithm."""
    (issuer,) = declared(tmp_path, CUSTOM)

    assert str(issuer) == "CustomJWT(issuer=https://a.example.com, app_id=None)"
    assert (issuer.jwks, issuer.algorithms) == ("https://a.example.com/jwks", ("RS256",))


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        (
            "",
            1,
            "domain is missing: who makes the tokens, like https://issuer.example.com",
        ),
        (
            'domain = "auth0"\n',
            2,
            "domain is no address: 'auth0'; write it like https://example.com",
        ),
        (
            'domain = "user:pw@a.example.com"\n',
            2,
            ("domain is no address: 'user:pw@a.example.com'; write it like https://example.com"),
        ),
        (
            'domain = "ftp://a.example.com"\n',
            2,
            ("domain is no address: 'ftp://a.example.com'; write it like https://example.com"),
        ),
        (
            'domain = "https://[a"\n',
            2,
            "domain is no address: 'https://[a'; write it like https://example.com",
        ),
        (
            'application_id = "x"\ndomain = "http://a.example.com"\n',
            3,
            "domain is http, which anybody on the way can change; write https://",
        ),
        (
            'domain = "a.example.com"\njwks = "https://a.example.com/jwks"\n',
            3,
            'jwks is for type = "custom_jwt"; an OpenID issuer is known by its domain',
        ),
        (
            'domain = "a.example.com"\n---\ntype = "custom_jwt"\ndomain = "b.example.com"\n',
            5,
            'domain is for type = "oidc"; write issuer instead',
        ),
        (
            'type = "custom_jwt"\nissuer = "https://a.example.com"\n',
            1,
            "jwks is missing: the address of its keys, or the keys themselves as a data: URL",
        ),
        (
            'type = "custom_jwt"\nissuer = "https://a.example.com"\njwks = "https://a.example.com"\n',
            1,
            'algorithm is missing: "RS256" or "ES256"',
        ),
        (
            CUSTOM.replace("https://a.example.com/jwks", "http://a.example.com/jwks"),
            4,
            "jwks is http, which anybody on the way can change; write https://",
        ),
        (
            CUSTOM.replace("https://a.example.com/jwks", "data:application/json,{"),
            4,
            "Invalid JWKS response body: the data: URL is not valid JSON",
        ),
        (
            CUSTOM.replace("https://a.example.com/jwks", "data:"),
            4,
            "Invalid JWKS response body: the data: URL is not valid JSON",
        ),
        (
            CUSTOM.replace("https://a.example.com/jwks", "data:application/json;base64,!!"),
            4,
            "Invalid JWKS response body: the data: URL is not valid JSON",
        ),
        (
            CUSTOM.replace("https://a.example.com/jwks", "data:application/json,[]"),
            4,
            'Invalid JWKS response body: it is no object with "keys"',
        ),
        (
            'domain = "a.example.com"\n---\ndomain = "https://a.example.com/"\n',
            3,
            ("OIDC(domain=https://a.example.com, app_id=None) is declared twice; leave one of them out"),
        ),
    ],
)
def test_what_is_wrong_with_an_issuer_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    """AUTH-11: before the first token, a broken `data:` key set included."""
    assert refusal(tmp_path, text) == f"joelclaw.toml:{line}: [[auth.issuers]]: {sentence}"


def test_one_issuer_may_have_several_applications(tmp_path: Path) -> None:
    """Each with an entry."""
    entries = (
        'domain = "a.example.com"\napplication_id = "one"\n',
        'domain = "a.example.com"\napplication_id = "two"\n',
    )

    assert len(declared(tmp_path, "---\n".join(entries))) == 2


@pytest.mark.parametrize("domain", ["https://site.example.com", "site.example.com/"])
def test_our_own_issuer_is_nobody_elses(tmp_path: Path, domain: str) -> None:
    """Where the deployment signs people in itself, nobody else's tokens may have its name."""
    entry = f'domain = "{domain}"\napplication_id = "convex"\n'

    assert refusal(tmp_path, entry, own="https://site.example.com") == (
        "joelclaw.toml:1: [[auth.issuers]]: https://site.example.com is this deployment's own issuer; "
        "have the other one issue under an origin of its"
    )
    assert len(declared(tmp_path, entry)) == 1, "it signs nobody in"


def test_http_is_for_development(tmp_path: Path) -> None:
    """An issuer on this machine, say."""
    (issuer,) = declared(tmp_path, 'domain = "http://localhost:8080"\nprivate_network = true\n', development=True)

    assert (issuer.name, issuer.private_network) == ("http://localhost:8080", True)


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ('domain = "https://tenant.us.auth0.com"\n', True),
        ('domain = "https://tenant.us.auth0.com"\napplication_id = "x"\n', False),
        ('domain = "https://kc.example.com/realms/x"\n', True),
        (CUSTOM, True),
        (CUSTOM.replace('"https://a.example.com"', '"https://api.workos.com/user_management/client_1"'), False),
    ],
)
def test_an_issuer_of_many_apps_wants_an_application(tmp_path: Path, text: str, warned: bool) -> None:
    """Without one, any other customer's token would be taken; what has a path is a client's own, if it is custom."""
    advice = list(advice_of(declared(tmp_path, text)))

    assert bool(advice) is warned
    assert all("application_id" in sentence for sentence in advice)


def test_what_a_data_url_holds() -> None:
    """RFC 2397: base64, with or without its padding, or with per cents."""
    document = key_set(signing_key())
    url = data_url(document)

    assert data_of(url) == data_of(url.rstrip("="))
    assert data_of("data:,a%20b") == b"a b"
    with pytest.raises(ValueError, match="comma"):
        data_of("data:application/json;base64")
