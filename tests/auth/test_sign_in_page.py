"""What docs/sign-in-with-github.md shows is true: its app, its declarations, its tables."""

import re
from pathlib import Path

import msgspec
import pytest

from joelclaw.auth.oauth.settings import GithubSettings, Oauth2Settings, OidcSettings, Settings, read_settings
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused
from joelclaw.functions.calls import Identity
from tests.auth.conftest import Start
from tests.auth.fake_github import FakeGithub
from tests.auth.journey import SITE, github_settings
from tests.functions.deployment import value_of
from tests.test_docs import examples

PAGE = Path(__file__).parent.parent.parent / "docs" / "sign-in-with-github.md"


def declarations() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_example_has_a_document_for_whoever_signs_in(start: Start, github: FakeGithub) -> None:
    """The app of the page: the first sign-in makes the document, the second finds it, and the query gives it."""
    files = {name.removeprefix("app_functions/"): text for name, text in examples(PAGE).items()}
    journey = start({"github": github_settings(github)}, files=files)

    user = journey.sign_in().grant.user
    assert journey.sign_in().grant.user == user

    [row] = journey.table("users")
    assert (row["_id"], row["name"], row["githubId"]) == (user, "Mona Lisa", 1001)
    identity = Identity(SITE, f"{user}|session", f"{SITE}|{user}|session", {})
    assert value_of(journey.app.run_query("profile:mine", {}, identity=identity))["_id"] == user
    assert journey.methods["github"].callback_url == f"{SITE}/api/auth/callback/github"


@pytest.mark.parametrize("text", declarations())
def test_every_declaration_of_the_page_is_read(tmp_path: Path, text: str) -> None:
    """With client id and secret from the environment, as the page says."""
    (tmp_path / "joelclaw.toml").write_text(text)
    config = load_config(tmp_path, {})
    environ = {
        f"AUTH_{id.upper()}_{what}": "x" for id in ("github", "google", "work", "forum") for what in ("ID", "SECRET")
    }

    for id in {*config.auth.providers, *config.auth.sign_in}:
        assert read_settings(config, environ, id).client_secret == "x"


@pytest.mark.parametrize(
    ("heading", "struct"),
    [
        ("| setting of `[auth.sign_in.github]`", GithubSettings),
        ('| setting, `type = "oidc"`', OidcSettings),
        ('| setting, `type = "oauth2"`', Oauth2Settings),
    ],
)
def test_every_setting_has_a_row(heading: str, struct: type[Settings]) -> None:
    """No more and no fewer than there are, and each default as it is."""
    table = PAGE.read_text("utf-8").partition(heading)[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    documented = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}

    assert documented.keys() == {field.name for field in msgspec.structs.fields(struct)}
    for field in msgspec.structs.fields(struct):
        if isinstance(field.default, str | bool) and field.default != "":
            assert msgspec.json.encode(field.default).decode() in documented[field.name]


def test_an_unknown_setting_is_refused_with_its_line(tmp_path: Path) -> None:
    """And with the name that was meant; a secret is never shown."""
    environ = {"AUTH_GITHUB_ID": "x", "AUTH_GITHUB_SECRET": "x"}
    for line, said in (
        (
            'base_ur = "https://g.example"',
            "joelclaw.toml:3: auth.sign_in.github has no 'base_ur'; did you mean 'base_url'?",
        ),
        ('base_url = "github.example"', "joelclaw.toml:3: auth.sign_in.github.base_url is an address, like"),
        ("client_secret = 7", "joelclaw.toml:3: auth.sign_in.github.client_secret is the secret that the provider"),
        ('issuer = "https://x"', "joelclaw.toml:3: auth.sign_in.github has no 'issuer'"),
    ):
        (tmp_path / "joelclaw.toml").write_text(f"[auth]\n[auth.sign_in.github]\n{line}\n")
        with pytest.raises(ConfigRefused) as caught:
            read_settings(load_config(tmp_path, {}), environ, "github")
        assert str(caught.value).startswith(said)
        assert "7" not in str(caught.value)
