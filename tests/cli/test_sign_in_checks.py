"""What `joelclaw doctor` says of sign-in here: each check shown its failure."""

from pathlib import Path

import pytest

from joelclaw.auth.mail import SmtpMailer
from joelclaw.cli.checks import Finding
from joelclaw.cli.sign_in_checks import check_sign_in
from joelclaw.config import load_config
from joelclaw.errors import MailFailed

SITE = '[server]\nallowed_origins = ["https://example.com"]\n'
MAIL = '[auth.mail]\nurl = "smtp://127.0.0.1:9"\nfrom = "A <a@example.com>"\n'


def lets_in(_: SmtpMailer) -> None:
    pass


def looked(root: Path, text: str, probe: object = lets_in) -> list[Finding]:
    (root / "joelclaw.toml").write_text(text)
    return list(check_sign_in(load_config(root, {}), probe))  # type: ignore[arg-type]


def told(findings: list[Finding], check: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.said) for finding in findings if finding.check == check]


def test_where_a_sign_in_ends_is_said(tmp_path: Path) -> None:
    """The first origin, for one that names no page; without any, nobody could sign in in production."""
    declared = f'{SITE}[auth]\nproviders = ["anonymous"]\n'
    assert told(looked(tmp_path, declared), "redirects") == [
        ("ok", "a sign-in that names no page ends on https://example.com")
    ]
    [finding] = [finding for finding in looked(tmp_path, "") if finding.check == "redirects"]
    assert (finding.level, finding.said) == (
        "problem",
        "no page is declared, and in production a sign-in ends nowhere else",
    )
    assert "server.allowed_origins" in finding.advice
    assert told(looked(tmp_path, ""), "cookies") == [], "where no page is, nothing is kept"


def test_a_method_that_there_is_not_is_told(tmp_path: Path) -> None:
    """As `joelclaw serve` would refuse it, with its line; and so is a time out of bounds."""
    for declared, said in (
        (
            'providers = ["anonymus"]',
            "joelclaw.toml:4: auth.providers names 'anonymus', which is no sign-in method; did",
        ),
        ('providers = ["anonymous"]\njwt_ttl = "1s"', "joelclaw.toml:5: auth.jwt_ttl"),
    ):
        [(level, found)] = told(looked(tmp_path, f"{SITE}[auth]\n{declared}\n"), "sign-in")
        assert level == "problem"
        assert found.startswith(said)
    assert told(looked(tmp_path, f'{SITE}[auth]\nproviders = ["anonymous"]\n'), "sign-in") == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.com/after", "a sign-in may end on any page of https://example.com"),
        ("exp://", "any app may claim a scheme"),
    ],
)
def test_a_redirect_that_is_wider_than_it_looks_is_told(tmp_path: Path, url: str, said: str) -> None:
    """An origin counts as a whole, and so does a scheme; what is exact is fine."""
    [finding, *_] = looked(tmp_path, f'{SITE}[auth]\nredirects = ["{url}"]\n')
    assert (finding.check, finding.level) == ("redirects", "warning")
    assert said in finding.said
    assert finding.advice
    [finding, *_] = looked(tmp_path, f'{SITE}[auth]\nredirects = ["myapp://auth"]\n')
    assert finding.level == "ok"


@pytest.mark.parametrize(
    ("origin", "level"),
    [
        ("https://example.com", "ok"),
        ("http://localhost:3000", "ok"),
        ("http://127.0.0.1:3000", "ok"),
        ("http://localhost", "warning"),
        ("http://example.com", "warning"),
    ],
)
def test_an_origin_that_keeps_no_cookies_is_told(tmp_path: Path, origin: str, level: str) -> None:
    """Those of Next.js are for https, or for this machine with a port."""
    findings = looked(tmp_path, f'[server]\nallowed_origins = ["{origin}"]\n')
    [(found, said)] = told(findings, "cookies")
    assert found == level
    assert level == "ok" or origin in said
    if origin == "http://localhost":
        [advice] = [finding.advice for finding in findings if finding.check == "cookies"]
        assert advice == "list it with its port, like http://localhost:3000"


def test_the_mail_server_is_asked(tmp_path: Path) -> None:
    """Where mails are sent; a server that is not there is a problem, none at all is one for production."""
    declared = f'{SITE}[auth]\nproviders = ["password"]\n'
    assert told(looked(tmp_path, declared), "mail") == []
    strict = declared + '[auth.sign_in.password]\nreset = "email-otp"\n'
    [(level, said)] = told(looked(tmp_path, strict), "mail")
    assert level == "warning"
    assert "`serve` does not start" in said
    assert told(looked(tmp_path, strict + MAIL), "mail") == [("ok", "127.0.0.1 is reached, and lets us in")]

    def refuses(_: SmtpMailer) -> None:
        raise MailFailed("127.0.0.1 would take no mail: 535 no")

    assert told(looked(tmp_path, strict + MAIL, refuses), "mail") == [
        ("problem", "127.0.0.1 would take no mail: 535 no")
    ]


def test_nobody_answers_at_the_mail_servers_address(tmp_path: Path) -> None:
    """Asked for real: nothing listens on that port of this machine."""
    declared = f'{SITE}[auth]\nproviders = ["email-otp"]\n{MAIL}'
    [(level, said)] = told(looked(tmp_path, declared, SmtpMailer.probe), "mail")
    assert level == "problem"
    assert said.startswith("127.0.0.1 would take no mail: ")
