"""
Framing: messages on a byte stream, each behind its length.

Four bytes, big-endian, then that many bytes of msgpack. `Link` is the blocking end of it that
readers and writers use. It works on the bare descriptor: the socket module would cost a
process that never opens a socket more than all of this.

Elsewhere: `messages.py` says what the messages are.
"""

import os
from collections.abc import Iterator
from typing import Final

import msgspec

from joelclaw.isolate.messages import FromIsolate, ToIsolate

LENGTH_BYTES: Final = 4
MESSAGE_BYTES_MAX: Final = 1 << 30
"""A batch holds at most some hundreds of calls, and a call at most 16 MiB; a longer one is garbage."""

READ_BYTES: Final = 1 << 16

encode_message = msgspec.msgpack.Encoder().encode
_to_isolate: "msgspec.msgpack.Decoder[ToIsolate]" = msgspec.msgpack.Decoder(ToIsolate)
decode_message = _to_isolate.decode


class GatewayGone(Exception):
    """The other end of the link is closed. There is nobody left to work for."""


def framed(message: FromIsolate | ToIsolate) -> bytes:
    """A message as it goes on the stream."""
    body = encode_message(message)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


class Unframer:
    """Cuts a stream into messages, however its bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """
        Take the next bytes of the stream; yields the messages that they complete.

        Raises:
            ValueError: A length that no message has. The stream is beyond repair.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= LENGTH_BYTES:
            body = start + LENGTH_BYTES
            length = int.from_bytes(buffer[start:body], "big")
            if length > MESSAGE_BYTES_MAX:
                raise ValueError(f"a message of {length} bytes; at most {MESSAGE_BYTES_MAX} are allowed")
            if len(buffer) - body < length:
                break
            start = body + length
            yield bytes(buffer[body:start])
        del buffer[:start]


class Link:
    """The isolate's end of the socket pair: one message after the other, blocking."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.idle = False
        """Waits for a message: nothing is lost by ending now."""

        self._unframer = Unframer()
        self._received: list[bytes] = []

    def receive(self) -> ToIsolate:
        """
        The next message.

        Raises:
            GatewayGone: The other end is closed.
        """
        while not self._received:
            self._received = [*self._unframer.feed(self._read())][::-1]
        return decode_message(self._received.pop())

    def send(self, message: FromIsolate) -> None:
        """
        Raises:
            GatewayGone: The other end is closed.
        """
        rest = memoryview(framed(message))
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except (BrokenPipeError, ConnectionResetError):
            raise GatewayGone from None

    def _read(self) -> bytes:
        self.idle = True
        try:
            data = os.read(self.fd, READ_BYTES)
        except ConnectionResetError:
            data = b""
        if not data:
            # Idle still: the lifeline, which sees the end at the same moment, has to give us time to leave.
            raise GatewayGone
        self.idle = False
        return data
