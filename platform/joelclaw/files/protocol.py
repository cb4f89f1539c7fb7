"""
What a place for bytes of files can do.

A key is the random UUID of a file's URL, in lower case: who has it can read the file. Memory is
bounded whatever a file's size: bytes come and go in pieces, and a writer that is faster than
the place waits.

Importing this starts nothing: the isolates of queries and mutations do.
"""

from collections.abc import AsyncIterator
from typing import Final, NamedTuple, Protocol

KEYS_MAX: Final = 500
"""A listing comes in lists of at most so many."""


class Digest(NamedTuple):
    """What bytes are, without the bytes."""

    sha256: bytes
    size: int


class KeptBytes(NamedTuple):
    """Bytes that a place has, or a part that an interrupted upload left of some."""

    name: str
    """The key, or what a part is called."""

    modified_at: float
    """When they were last written, in milliseconds since the epoch."""


class Upload(Protocol):
    """Bytes on their way. They are kept from `commit` on; before, nobody can read them."""

    @property
    def key(self) -> str:
        """Under which they will be kept: new, and not to be guessed."""
        ...

    @property
    def size(self) -> int:
        """How many were written."""
        ...

    async def write(self, piece: bytes, /) -> None:
        """
        Take more of them.

        Raises:
            FileStoreFull: There is no room.
            FileStoreFailed: The place cannot be written.
        """
        ...

    async def finish(self) -> Digest:
        """That was all: what they are. Raises as `write` does."""
        ...

    async def commit(self) -> None:
        """Keep them, durably and whole. After `finish`. Raises as `write` does."""
        ...

    async def abort(self) -> None:
        """Keep nothing. At any moment before `commit` is done; raises nothing."""
        ...


class Reading(Protocol):
    """Bytes that are being read, in pieces. Close it, also after its end."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


class FileStore(Protocol):
    """One place. An implementation is right when it passes the suite in `tests/files/`."""

    @property
    def place(self) -> str:
        """What it is called in messages, without anything secret."""
        ...

    def begin(self) -> Upload:
        """Begin an upload. Nothing is touched before its first byte."""
        ...

    async def read(self, key: str, start: int, end: int) -> Reading:
        """
        Read bytes `[start, end)` of a file that has as many. Also the reading raises.

        Raises:
            BytesMissing: They are not there, or fewer.
            FileStoreFailed: The place cannot be read.
        """
        ...

    async def remove(self, name: str) -> None:
        """
        Remove bytes, by the name that `kept` gave or their key. It is no error if they are gone.

        Raises:
            FileStoreFailed: They cannot be removed.
        """
        ...

    def kept(self) -> AsyncIterator[list[KeptBytes]]:
        """All that there is, at most `KEYS_MAX` at a time. Raises FileStoreFailed."""
        ...

    async def claim(self, owner: str) -> bool:
        """
        Whether the place is this owner's; it is from now on, if it was nobody's.

        Raises:
            FileStoreFailed: The place cannot be written or read.
        """
        ...
