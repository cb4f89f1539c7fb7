"""
A network in between that can be cut, held and mended.

It passes bytes on and understands none of them, so that it cannot make anything right that a
server gets wrong. Two threads for each connection, one a direction.
"""

import socket
import threading
from urllib.parse import urlsplit

from tests.conformance.deadline import PATIENCE_S

CHUNK_BYTES = 1 << 16


class Proxy:
    """Listens on a port of its own, and passes what comes on to a deployment."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "", address.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._answers_pass = threading.Event()
        self._answers_pass.set()
        self._online = True
        self.opened = 0
        """Connections that came, those that were refused not counted."""
        self.refused = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_answers(self) -> None:
        """Keep what the server says from arriving; what clients say passes."""
        self._answers_pass.clear()

    def pass_answers(self) -> None:
        self._answers_pass.set()

    def cut(self) -> None:
        """Break every connection. What was held back is lost; new connections are whole."""
        with self._changed:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _hang_up(end)
        self._answers_pass.set()

    def go_offline(self) -> None:
        """Cut, and refuse what comes."""
        self._online = False
        self.cut()

    def go_online(self) -> None:
        self._online = True

    def wait_for(self, *, opened: int) -> None:
        """Wait until that many connections have come, since the beginning."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.opened >= opened, PATIENCE_S), f"only {self.opened} came"

    def wait_until_refused(self) -> None:
        """Wait until somebody tried in vain."""
        with self._changed:
            before = self.refused
            assert self._changed.wait_for(lambda: self.refused > before, PATIENCE_S), "nobody tried"

    def opens_more_within(self, seconds: float) -> bool:
        """Wait for another connection to come, for so long at most; whether one came."""
        with self._changed:
            before = self.opened
            return self._changed.wait_for(lambda: self.opened > before, seconds)

    def close(self) -> None:
        _hang_up(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._online:
                _hang_up(client)
                with self._changed:
                    self.refused += 1
                    self._changed.notify_all()
                continue
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _hang_up(client)
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._pairs.append((client, server))
                self.opened += 1
                self._changed.notify_all()
            threading.Thread(target=self._pass_on, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, self._answers_pass), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, gate: threading.Event | None) -> None:
        try:
            while chunk := source.recv(CHUNK_BYTES):
                if gate is not None:
                    gate.wait()
                sink.sendall(chunk)
        except OSError:
            pass
        _hang_up(source)
        _hang_up(sink)


def _hang_up(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
