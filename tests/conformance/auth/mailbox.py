"""A mail server on loopback that takes everything: as much of RFC 5321 as the standard library's client says."""

import re
import threading
from email import message_from_bytes
from email.policy import default
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Final

from tests.conformance.deadline import PATIENCE_S

_ANSWERS: Final = {"DATA": b"354 go on", "QUIT": b"221 bye"}


class Mailbox:
    """What was sent, to all people."""

    def __init__(self) -> None:
        self._mails: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self._server = ThreadingTCPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, raw: bytes) -> None:
        """A mail has come."""
        message = message_from_bytes(raw, policy=default)
        with self._changed:
            self._mails.append((str(message["To"]), message.get_content().replace("\r\n", "\n")))
            self._changed.notify_all()

    def code_for(self, address: str) -> str:
        """Wait for a mail to an address, the newest if there are some; the code in it."""
        return str(re.findall(r"^    (\d{8})$", self._text_for(address), re.MULTILINE)[0])

    def link_for(self, address: str) -> str:
        """Wait for a mail to an address, the newest if there are some; the link in it."""
        return str(re.findall(r"^    (\S+://\S+)$", self._text_for(address), re.MULTILINE)[0])

    def _text_for(self, address: str) -> str:
        def found() -> str | None:
            return next((text for to, text in reversed(self._mails) if to == address), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, PATIENCE_S)
        text = found()
        assert text is not None, f"no mail came for {address}"
        return text


def _handler(mailbox: Mailbox) -> type[StreamRequestHandler]:
    class Conversation(StreamRequestHandler):
        def handle(self) -> None:
            self._say(b"220 mailbox")
            while line := self.rfile.readline():
                verb = line[:4].decode("ascii", "replace").upper()
                self._say(_ANSWERS.get(verb, b"250 mailbox"))
                if verb == "DATA":
                    mailbox.take(self._data())
                    self._say(b"250 taken")
                if verb == "QUIT":
                    return

        def _say(self, line: bytes) -> None:
            self.wfile.write(line + b"\r\n")

        def _data(self) -> bytes:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in (b".\r\n", b""):
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

    return Conversation
