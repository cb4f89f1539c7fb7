"""
What the doctor looks at of sign-in here: where it may end, whether browsers keep what it gives, who takes its mails.

Elsewhere: `provider_checks.py` asks those at whom people sign in, `issuer_checks.py` those whose tokens count.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from joelclaw.auth.declaring import sign_in_of
from joelclaw.auth.mail import SmtpMailer, open_mailer
from joelclaw.cli.checks import LOCAL, Finding
from joelclaw.config import Config
from joelclaw.errors import ConfigRefused, MailFailed

_WEB: Final = ("http", "https")

Probe: TypeAlias = Callable[[SmtpMailer], None]
"""Asks a mail server whether it would take a mail of ours. Raises `MailFailed`."""


def check_sign_in(config: Config, probe: Probe = SmtpMailer.probe) -> Iterator[Finding]:
    """Declarations, redirects, cookies and mail, for a deployment that signs people in."""
    try:
        sign_in_of(config, issuer="")
    except ConfigRefused as error:
        yield Finding("sign-in", "problem", str(error), "correct it, and ask again")
    yield from _check_redirects(config)
    yield from _check_cookies(config)
    if any(_mails(config, id) for id in config.auth.providers):
        yield _check_mail(config, probe)


def _check_redirects(config: Config) -> Iterator[Finding]:
    origins = [url for url in (*config.server.allowed_origins, *config.auth.redirects) if urlsplit(url).scheme in _WEB]
    if not origins:
        said = "no page is declared, and in production a sign-in ends nowhere else"
        advice = 'list your pages\' origins in server.allowed_origins, like ["https://example.com"]'
        yield Finding("redirects", "problem", said, advice)
    for url in config.auth.redirects:
        parts = urlsplit(url)
        if parts.scheme in _WEB and (parts.path.strip("/") or parts.query):
            said = f"auth.redirects has {url}, and a sign-in may end on any page of {parts.scheme}://{parts.netloc}"
            yield Finding("redirects", "warning", said, "write the origin alone: a path does not narrow it")
        elif parts.scheme not in _WEB and not parts.netloc and parts.path in ("", "/"):
            said = f"auth.redirects has {url}: any address with that scheme, and any app may claim a scheme"
            yield Finding("redirects", "warning", said, f"write where in the app it ends, like {parts.scheme}://auth")
    if origins:
        yield Finding("redirects", "ok", f"a sign-in that names no page ends on {origins[0].rstrip('/')}")


def _check_cookies(config: Config) -> Iterator[Finding]:
    """Sign-in here needs none. Frameworks that render pages keep tokens in cookies that browsers take on https only."""
    open_origins = [
        origin
        for origin in config.server.allowed_origins
        if urlsplit(origin).scheme == "http" and not _keeps_cookies(origin)
    ]
    for origin in open_origins:
        said = f"on {origin} browsers keep no cookies of Next.js' sign-in: they are for https, or localhost with a port"
        local = urlsplit(origin).hostname in LOCAL
        advice = (
            f"list it with its port, like {origin}:3000" if local else "serve it with TLS, and list it with https://"
        )
        yield Finding("cookies", "warning", said, advice)
    if config.server.allowed_origins and not open_origins:
        yield Finding("cookies", "ok", "each listed origin can keep the cookies of frameworks that render pages")


def _keeps_cookies(origin: str) -> bool:
    parts = urlsplit(origin)
    return parts.hostname in LOCAL and parts.port is not None


def _check_mail(config: Config, probe: Probe) -> Finding:
    if config.auth.mail.url is None:
        said = "no mail server is declared: mails appear in the terminal of `joelclaw dev`, and `serve` does not start"
        advice = 'write [auth.mail] with url = { from = "SMTP_URL" } and from = "Name <no-reply@example.com>"'
        return Finding("mail", "warning", said, advice)
    try:
        mailer = open_mailer(config, development=False)
        assert isinstance(mailer, SmtpMailer), "one is declared"
        probe(mailer)
    except ConfigRefused as error:
        return Finding("mail", "problem", str(error), "correct it, and ask again")
    except MailFailed as error:
        return Finding("mail", "problem", str(error), "correct auth.mail.url, or let this machine reach the server")
    return Finding("mail", "ok", f"{mailer.host} is reached, and lets us in")


def _mails(config: Config, id: str) -> bool:
    """Does this method send mails, as it is declared?"""
    table = config.auth.sign_in.get(id, {})
    kind = table.get("type", id)
    return kind in ("email-otp", "magic-link") or (kind == "password" and bool({"verify", "reset"} & table.keys()))
