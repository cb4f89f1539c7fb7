"""Mails: handed to a real server on loopback, encrypted where they have to be, or shown; and what is refused."""

import asyncio
import email
import email.policy
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from joelclaw.auth import mail as mailing
from joelclaw.auth.codes import Letters
from joelclaw.auth.mail import Mail, SmtpMailer, TerminalMailer, composed, open_mailer
from joelclaw.config import load_config
from joelclaw.errors import ConfigRefused, MailFailed
from tests.auth.certificates import self_signed
from tests.auth.mailing import log_of

SENDER = "Example <no-reply@example.com>"
HELLO = Mail(to="ann@example.com", subject="12345678 is your code for Bücher", text="Your code:\n\n    12345678\n")


class Server:
    """A mail server that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[tuple[Envelope, bool]] = []
        """And whether it came encrypted."""

        self.logins: list[tuple[bytes, bytes]] = []
        self.port = 0

    async def handle_RCPT(  # noqa: N802 (the library's name)
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 (the library's name)
        self, server: SMTP, _session: Any, envelope: Envelope
    ) -> str:
        assert server.transport is not None
        self.taken.append((envelope, server.transport.get_extra_info("sslcontext") is not None))
        return "250 OK"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        right = data.password == b"s3cret/word"
        return AuthResult(success=right, handled=right)  # Not handled: the library answers that it was wrong.

    def message(self) -> Any:
        """The only mail."""
        [(envelope, _)] = self.taken
        content = envelope.content
        assert isinstance(content, bytes)
        return email.message_from_bytes(content, policy=email.policy.default)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side, and that of a client who trusts it."""
    certificate = self_signed(tmp_path_factory.mktemp("tls"))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate.public, certificate.key)
    return serving, ssl.create_default_context(cafile=str(certificate.public))


def with_server(
    talk: Callable[[Server], Awaitable[Any]],
    *,
    starttls: ssl.SSLContext | None = None,
    smtps: ssl.SSLContext | None = None,
    auth: bool = False,
    host: str = "127.0.0.1",
) -> Server:
    """Talk to a server for a while."""
    server = Server()

    def speak() -> SMTP:
        options: dict[str, Any] = {"authenticator": server.authenticate} if auth else {}
        loop = asyncio.get_running_loop()
        return SMTP(server, loop=loop, tls_context=starttls, auth_require_tls=False, hostname="mail.test", **options)

    async def serve() -> None:
        listening = await asyncio.get_running_loop().create_server(speak, host, 0, ssl=smtps)
        server.port = listening.sockets[0].getsockname()[1]
        try:
            await talk(server)
        finally:
            listening.close()

    asyncio.run(asyncio.wait_for(serve(), 60))
    return server


def sending(scheme: str, *, trust: ssl.SSLContext | None = None, login: str = "", host: str = "127.0.0.1") -> Any:
    """Send a mail by this scheme."""

    async def send(server: Server) -> None:
        await SmtpMailer(f"{scheme}://{login}{host}:{server.port}", SENDER, tls=trust).send(HELLO)

    return send


def failing(talk: Callable[[Server], Awaitable[Any]], match: str) -> Callable[[Server], Awaitable[None]]:
    """Something that nobody takes."""

    async def fail(server: Server) -> None:
        with pytest.raises(MailFailed, match=match):
            await talk(server)

    return fail


def test_a_mail_arrives_as_it_was_written() -> None:
    """From, to, subject and text, in any script; nobody's holiday answers it."""
    server = with_server(sending("smtp"))
    [(envelope, encrypted)] = server.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@example.com", ["ann@example.com"])
    assert not encrypted
    message = server.message()
    assert message["From"] == SENDER
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == HELLO.subject
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.com>")
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content().replace("\r\n", "\n") == HELLO.text


def test_encryption_is_used_where_it_is_offered(tls: Any) -> None:
    """With smtp: and smtp+starttls: alike, and a certificate is checked."""
    serving, trusting = tls
    for scheme in ("smtp", "smtp+starttls"):
        server = with_server(sending(scheme, trust=trusting), starttls=serving)
        assert server.taken[0][1]
        server = with_server(failing(sending(scheme), "certificate verify failed"), starttls=serving)
        assert server.taken == []


def test_encryption_that_is_asked_for_is_had_or_nothing(tls: Any) -> None:
    """A server without STARTTLS gets no mail by smtp+starttls:; one without TLS none by smtps:."""
    _, trusting = tls
    assert with_server(failing(sending("smtp+starttls", trust=trusting), "STARTTLS")).taken == []
    assert with_server(failing(sending("smtps", trust=trusting), "did not take a mail")).taken == []


def test_encryption_from_the_first_byte(tls: Any) -> None:
    """smtps:, and a certificate is checked."""
    serving, trusting = tls
    assert with_server(sending("smtps", trust=trusting), smtps=serving).taken[0][1]
    assert with_server(failing(sending("smtps"), "certificate verify failed"), smtps=serving).taken == []


def test_a_name_and_a_password_are_those_of_the_address(tls: Any) -> None:
    """Percent signs undone; a wrong one is told."""
    serving, trusting = tls
    login = "no-reply%40example.com:s3cret%2Fword@"
    server = with_server(sending("smtp", trust=trusting, login=login), starttls=serving, auth=True)
    assert server.logins == [(b"no-reply@example.com", b"s3cret/word")]
    assert len(server.taken) == 1
    wrong = failing(sending("smtp", trust=trusting, login="no-reply:wrong@"), "did not take a mail: .*535")
    assert with_server(wrong, starttls=serving, auth=True).taken == []


def test_a_password_is_not_sent_in_the_open() -> None:
    """Only to this machine itself."""
    refused = failing(sending("smtp", login="a:s3cret%2Fword@", host="127.0.0.2"), "in the open")
    assert with_server(refused, auth=True, host="127.0.0.2").logins == []
    assert len(with_server(sending("smtp", login="a:s3cret%2Fword@"), auth=True).taken) == 1


def test_what_a_server_refuses_is_told() -> None:
    """With its own words, for the log."""

    async def send(server: Server) -> None:
        nobody = Mail(to="nobody@example.com", subject="x", text="x")
        await SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(nobody)

    assert with_server(failing(send, "no such user here")).taken == []


def test_a_server_that_is_not_there_is_told() -> None:
    """And names itself."""
    server = with_server(sending("smtp"))
    with pytest.raises(MailFailed, match=r"127\.0\.0\.1 did not take a mail"):
        asyncio.run(SmtpMailer(f"smtp://127.0.0.1:{server.port}", SENDER).send(HELLO))


def test_mails_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that says nothing keeps so many waiting, and not one more; who goes away makes no room."""
    monkeypatch.setattr(mailing, "WAITING_MAX", 3)

    async def talk() -> None:
        connections: list[asyncio.StreamWriter] = []
        connected = asyncio.Event()

        def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            connected.set()

        silent = await asyncio.start_server(accept, "127.0.0.1", 0)
        mailer = SmtpMailer(f"smtp://127.0.0.1:{silent.sockets[0].getsockname()[1]}", SENDER)
        waiting = [asyncio.ensure_future(mailer.send(HELLO)) for _ in range(3)]
        await connected.wait()
        waiting[0].cancel()
        await asyncio.sleep(0)
        with pytest.raises(MailFailed, match="3 mails wait"):
            await mailer.send(HELLO)
        silent.close()
        pending = set(waiting[1:])
        while pending:
            for connection in connections:
                connection.close()
            _, pending = await asyncio.wait(pending, timeout=0.01)
        assert all(isinstance(call.exception(), MailFailed) for call in waiting[1:])

    asyncio.run(asyncio.wait_for(talk(), 60))


ENDING = """
import asyncio, socket
from joelclaw.auth import mail

async def main() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    mailer = mail.SmtpMailer(f"smtp://127.0.0.1:{silent.getsockname()[1]}", "no-reply@example.com")
    hello = mail.Mail(to="ann@example.com", subject="x", text="x")
    calls = [asyncio.create_task(mailer.send(hello)) for _ in range(20)]
    await asyncio.get_running_loop().run_in_executor(None, silent.accept)
    for call in calls:
        call.cancel()

mail.TIMEOUT_S = 3_600.0
asyncio.run(main())
print("ended")
"""


def test_a_mail_server_that_hangs_keeps_no_process_from_ending() -> None:
    """Mails that are under way then are lost, and nothing else."""
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


@pytest.mark.parametrize(
    "mail",
    [
        Mail(to="ann@example.com\r\nBcc: all@example.com", subject="x", text="x"),
        Mail(to="ann@example.com", subject="x\r\nBcc: all@example.com", text="x"),
        Mail(to="ann@example.com", subject="x\nBcc: all@example.com", text="x"),
        Mail(to="ann@example.com, bob@example.com", subject="x", text="x"),
        Mail(to="", subject="x", text="x"),
    ],
)
def test_no_header_begins_another(mail: Mail) -> None:
    """P16: whatever reached a mail unchecked, it is refused rather than sent to somebody else."""
    with pytest.raises(MailFailed):
        composed(mail, SENDER)


def test_the_name_of_an_app_is_one_line_in_mails() -> None:
    """It is declared by who owns the deployment, and makes no second header all the same."""
    assert Letters(TerminalMailer(), "My\r\nBcc: app", 1).app == "My Bcc: app"
    assert Letters(TerminalMailer(), " ", 1).app == "joelclaw"


def test_in_development_mails_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server they are in the log, codes and all, at a level that is never hidden."""
    lines = log_of(mailing, monkeypatch)
    asyncio.run(TerminalMailer().send(HELLO))
    assert [(line["log_level"], line["to"], line["message"]) for line in lines] == [("warning", HELLO.to, HELLO.text)]


# -- as declared


def declared(tmp_path: Path, text: str, **environ: str) -> Any:
    (tmp_path / "joelclaw.toml").write_text(text)
    return load_config(tmp_path, environ)


def test_without_a_server_only_development_starts(tmp_path: Path) -> None:
    """In production the sentence says what to write, and where."""
    config = declared(tmp_path, '[auth]\nproviders = ["email-otp"]\n')
    assert isinstance(open_mailer(config, development=True), TerminalMailer)
    with pytest.raises(ConfigRefused, match=r"joelclaw.toml:2: .*write \[auth.mail\] with url"):
        open_mailer(config, development=False)


def test_a_declared_server_is_used_in_development_too(tmp_path: Path) -> None:
    """Its address may come from the environment."""
    text = '[auth.mail]\nurl = { from = "SMTP_URL" }\nfrom = "Example <no-reply@example.com>"\nper_hour = 5\n'
    config = declared(tmp_path, text, SMTP_URL="smtps://user:password@mail.example.com")
    assert config.auth.mail.per_hour == 5
    for development in (True, False):
        assert isinstance(open_mailer(config, development=development), SmtpMailer)


@pytest.mark.parametrize(
    ("url", "sender", "said"),
    [
        ("a:s3cret@mail.example.com", SENDER, "joelclaw.toml:2: auth.mail.url is a mail server"),
        ("http://a:s3cret@mail.example.com", SENDER, "joelclaw.toml:2: auth.mail.url is a mail server"),
        ("smtp://", SENDER, "joelclaw.toml:2: auth.mail.url is a mail server"),
        ("smtp://a:s3cret@mail.example.com:99999", SENDER, "joelclaw.toml:2: auth.mail.url is a mail server"),
        ("smtp://mail.example.com/path", SENDER, "joelclaw.toml:2: auth.mail.url is a mail server"),
        ("smtp://mail.example.com", "Example", "joelclaw.toml:3: auth.mail.from is whom"),
        ("smtp://mail.example.com", "a@example.com\\nBcc: b@example.com", "joelclaw.toml:3: auth.mail.from is whom"),
        ("smtp://mail.example.com", "a b@example.com", "joelclaw.toml:3: auth.mail.from is whom"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(tmp_path: Path, url: str, sender: str, said: str) -> None:
    """When the server starts, with file and line, and without the password that may be in it."""
    config = declared(tmp_path, f'[auth.mail]\nurl = "{url}"\nfrom = "{sender}"\n')
    with pytest.raises(ConfigRefused) as refused:
        open_mailer(config, development=False)
    assert str(refused.value).startswith(said)
    assert "s3cret" not in str(refused.value)


def test_a_server_without_a_sender_is_refused(tmp_path: Path) -> None:
    """Servers refuse mails from nobody, later."""
    config = declared(tmp_path, '[auth.mail]\nurl = "smtp://mail.example.com"\n')
    with pytest.raises(ConfigRefused, match=r"auth\.mail\.from is whom"):
        open_mailer(config, development=True)
