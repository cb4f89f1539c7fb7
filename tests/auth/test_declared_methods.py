"""What joelclaw.toml says of passwords, codes and links, and of the mails that they need."""

import re
from pathlib import Path
from typing import Any

import pytest

from joelclaw.auth.codes import EmailCode
from joelclaw.auth.destinations import Destinations
from joelclaw.auth.keyring import Keyring
from joelclaw.auth.links import MagicLink
from joelclaw.auth.methods import Toolbox, open_methods
from joelclaw.auth.own_tokens import OwnTokens
from joelclaw.auth.passwords import Password
from joelclaw.clock import MovableClock
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused
from tests.auth.journey import APP, SITE

PAGE = Path(__file__).parents[2] / "docs" / "passwords-and-mail.md"
MAIL = '[auth.mail]\nurl = "smtp://127.0.0.1"\nfrom = "no-reply@example.com"\n'


def opened(folder: Path, text: str, *, development: bool = False) -> dict[str, Any]:
    """The methods that a file declares."""
    (folder / "joelclaw.toml").write_text(text)
    environ = {"SMTP_URL": "smtps://user:password@mail.example.com"}
    clock = MovableClock()
    nobody: Any = None
    toolbox = Toolbox(
        config=load_config(folder, environ),
        environ=environ,
        system=nobody,
        tokens=OwnTokens(Keyring(b"k" * 32, [], clock), clock, issuer=SITE, ttl_ms=1_000.0),
        clock=clock,
        site_origin=SITE,
        destination=Destinations([APP], development=False),
        development=development,
    )
    return dict(open_methods(toolbox))


def test_the_declarations_of_the_page_are_right(tmp_path: Path) -> None:
    """Each file that docs/passwords-and-mail.md shows opens, with what it leaves to another one."""
    first, second = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    methods = opened(tmp_path, first)
    assert {id: type(method) for id, method in methods.items()} == {
        "password": Password,
        "email-otp": EmailCode,
        "magic-link": MagicLink,
    }
    named = opened(tmp_path, second + MAIL)
    assert isinstance(named["invitation"], MagicLink)
    assert named["invitation"].id == "invitation"


@pytest.mark.parametrize(
    ("providers", "needs"),
    [
        ('["password"]', False),
        ('["email-otp"]', True),
        ('["magic-link"]', True),
        ('["password"]\n[auth.sign_in.password]\nverify = "email-otp"', True),
        ('["password"]\n[auth.sign_in.password]\nreset = "email-otp"', True),
    ],
)
def test_who_sends_mails_needs_a_server_in_production(tmp_path: Path, providers: str, needs: bool) -> None:
    """It is refused when the server starts; development shows them, and a password alone needs none."""
    text = f"[auth]\nproviders = {providers}\n"
    assert opened(tmp_path, text, development=True)
    if not needs:
        assert opened(tmp_path, text)
        return
    with pytest.raises(ConfigRefused, match=r"no server is declared that takes them; write \[auth.mail\]"):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('[auth.sign_in.password]\nverify = "magic-link"\n', r"joelclaw.toml:4: .*'magic-link', which mails no codes"),
        ('[auth.sign_in.password]\nreset = "sms"\n', r"joelclaw.toml:4: .*'sms', which mails no codes"),
        ('[auth.sign_in.password]\nverfy = "email-otp"\n', r"joelclaw.toml:4: .*did you mean 'verify'"),
        ("[auth.sign_in.email-otp]\ndigits = 4\n", r"joelclaw.toml:4: .*from 6 to 12; it says 4"),
        ('[auth.sign_in.email-otp]\nttl = "soon"\n', r'joelclaw.toml:4: .*like "15m"; it says "soon"'),
        ("[auth.sign_in.magic-link]\nttl = 24\n", r'joelclaw.toml:4: .*like "24h"; it says 24'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, table: str, said: str) -> None:
    """And with what is meant, where that can be told."""
    text = f'[auth]\nproviders = ["password", "email-otp", "magic-link"]\n{table}{MAIL}'
    with pytest.raises(ConfigRefused, match=said):
        opened(tmp_path, text)


def test_another_method_of_codes_may_be_named(tmp_path: Path) -> None:
    """By its id, whose settings are its own, and which nobody signs in with by itself."""
    text = (
        '[auth]\nproviders = ["password"]\n[auth.sign_in.password]\nverify = "slow"\n'
        '[auth.sign_in.slow]\ntype = "email-otp"\nttl = "2h"\ndigits = 6\n'
    )
    methods = opened(tmp_path, text + MAIL)
    assert list(methods) == ["password"]
