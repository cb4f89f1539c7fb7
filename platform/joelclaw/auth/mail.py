"""
Mail: a few lines to one person, handed to a server by SMTP, or shown in the terminal.

    smtp://user:password@host:587             encrypted (STARTTLS) if the server offers it
    smtp+starttls://user:password@host:587    encrypted, or not at all
    smtps://user:password@host:465            encrypted from the first byte

The standard library's client is used: it blocks, so a few threads of ours do nothing else. A
mail that was handed over is out of our hands; one that was not is the caller's to tell, and
is not tried again: whoever waits for a code asks for another one.

In development there may be no server. Then mails appear in the log, codes and all.
"""

import asyncio
import smtplib
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid, parseaddr
from threading import Thread
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import structlog
from msgspec import Struct

from joelclaw.config import Config
from joelclaw.errors import ConfigRefused, MailFailed

TIMEOUT_S: Final = 10.0
"""For each answer of the server."""

THREADS: Final = 4
WAITING_MAX: Final = 200
"""Mails under way. A server that hangs must not fill our memory."""

PORTS: Final = {"smtp": 587, "smtp+starttls": 587, "smtps": 465}

log = structlog.get_logger("joelclaw.mail")


class Mail(Struct, frozen=True, kw_only=True):
    """What somebody is told."""

    to: str
    """An address, checked."""

    subject: str
    text: str


class Mailer(Protocol):
    """What takes mails."""

    async def send(self, mail: Mail) -> None:
        """
        Hand a mail over.

        Raises:
            MailFailed: Nobody has taken it, or it is not known whether somebody has.
        """
        ...


class TerminalMailer:
    """Shows mails where the server was started. For development: it shows codes."""

    async def send(self, mail: Mail) -> None:
        # A warning, so that it is seen at any level that people choose.
        log.warning("mail", to=mail.to, subject=mail.subject, message=mail.text)


class SmtpMailer:
    """Hands mails to a server, each over a connection of its own."""

    def __init__(self, url: str, sender: str, *, tls: ssl.SSLContext | None = None) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._tls = tls
        self._turns = asyncio.Semaphore(THREADS)
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, mail: Mail) -> None:
        """
        Raises:
            MailFailed: The server cannot be reached, does not take it, or too many mails wait already.
        """
        if len(self._under_way) >= WAITING_MAX:
            raise MailFailed(f"{WAITING_MAX} mails wait for the mail server already")
        sending = asyncio.get_running_loop().create_task(self._send_in_turn(composed(mail, self._sender)))
        self._under_way.add(sending)
        sending.add_done_callback(self._over)
        # Not cancelled with its caller: the thread goes on anyway, and counts until it is over.
        await asyncio.shield(sending)

    @property
    def host(self) -> str:
        """Which server it is."""
        return self._url.hostname or ""

    def probe(self) -> None:
        """
        Connect as for a mail, and send none. It blocks.

        Raises:
            MailFailed: The server is not reached, or does not let us in.
        """
        try:
            with self._connected():
                pass
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(f"{self.host} would take no mail: {error}") from error

    def _over(self, sending: "asyncio.Task[None]") -> None:
        self._under_way.discard(sending)
        if not sending.cancelled():
            sending.exception()  # Its caller may be gone, and asyncio complains about what nobody has looked at.

    async def _send_in_turn(self, message: EmailMessage) -> None:
        async with self._turns:
            await _in_thread(self._send, message)

    def _send(self, message: EmailMessage) -> None:
        try:
            with self._connected() as server:
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise MailFailed(f"{self._url.hostname} did not take a mail: {error}") from error

    def _connected(self) -> smtplib.SMTP:
        url = self._url
        host, port = url.hostname or "", url.port or PORTS[url.scheme]
        tls = self._tls or ssl.create_default_context()
        if url.scheme == "smtps":
            return self._logged_in(smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=tls), encrypted=True)
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
        try:
            server.ehlo()
            encrypted = server.has_extn("starttls") or url.scheme == "smtp+starttls"
            if encrypted:
                server.starttls(context=tls)
                server.ehlo()
            return self._logged_in(server, encrypted=encrypted)
        except BaseException:
            server.close()
            raise

    def _logged_in(self, server: smtplib.SMTP, *, encrypted: bool) -> smtplib.SMTP:
        url = self._url
        try:
            if url.username is not None:
                if not encrypted and not _is_loopback(url):
                    raise smtplib.SMTPException("it does not encrypt, and a password is not sent in the open")
                server.login(unquote(url.username), unquote(url.password or ""))
        except BaseException:
            with suppress(OSError, smtplib.SMTPException):
                server.close()
            raise
        return server


async def _in_thread(function: Callable[[EmailMessage], None], message: EmailMessage) -> None:
    """
    Run it in a thread of its own, which no process waits for at its end.

    An executor's threads are waited for, with all that queues before them: a mail server that hangs would keep a
    server from stopping.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not done.done():
            done.set_result(None) if error is None else done.set_exception(error)

    def run() -> None:
        try:
            function(message)
        except BaseException as error:
            outcome: BaseException | None = error
        else:
            outcome = None
        with suppress(RuntimeError):  # The loop is closed: the process ends.
            loop.call_soon_threadsafe(settle, outcome)

    Thread(target=run, name="mail", daemon=True).start()
    await done


def composed(mail: Mail, sender: str) -> EmailMessage:
    """
    A mail as it travels. Headers are made by the standard library, which refuses what would begin another one.

    Raises:
        MailFailed: What it is made of fits into no mail.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = sender
        message["To"] = Address(addr_spec=mail.to)
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=_domain_of(sender))
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers to it.
        message.set_content(mail.text)
    except (ValueError, IndexError) as error:
        raise MailFailed(f"a mail cannot be written: {error}") from error
    return message


def open_mailer(config: Config, *, development: bool) -> Mailer:
    """
    What takes the mails of a deployment.

    Raises:
        ConfigRefused: Nothing is declared that could, and it is not development; or it is declared wrong.
    """
    declared = config.auth.mail
    if declared.url is None:
        if development:
            return TerminalMailer()
        raise ConfigRefused(
            config.source.path.name,
            config.source.line("auth", "mail") or config.source.line("auth", "providers"),
            "somebody is to be sent mails, and no server is declared that takes them; "
            'write [auth.mail] with url = { from = "SMTP_URL" } and from = "Name <no-reply@example.com>"',
        )
    _check_url(config, declared.url)
    if declared.from_ is None or not _is_sender(declared.from_):
        line = config.source.line("auth", "mail", "from") or config.source.line("auth", "mail")
        raise ConfigRefused(
            config.source.path.name,
            line,
            'auth.mail.from is whom mails are from, like "Example <no-reply@example.com>"',
        )
    return SmtpMailer(declared.url, declared.from_)


def _check_url(config: Config, url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in PORTS and parts.hostname and parts.port != 0 and parts.path in ("", "/")
    except ValueError:
        right = False
    if not right:
        raise ConfigRefused(
            config.source.path.name,
            config.source.line("auth", "mail", "url"),
            "auth.mail.url is a mail server, like smtps://user:password@mail.example.com "
            "(smtp:// and smtp+starttls:// there are, too)",
        )


def _is_sender(text: str) -> bool:
    address = parseaddr(text)[1]
    try:
        Address(addr_spec=address)
    except (ValueError, IndexError):
        return False
    return "@" in address and text.isprintable()


def _domain_of(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


def _is_loopback(url: SplitResult) -> bool:
    return url.hostname in ("localhost", "127.0.0.1", "::1")
