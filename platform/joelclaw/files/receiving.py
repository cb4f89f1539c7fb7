"""
Receiving a file: pieces in, kept bytes out, or nothing.

Whatever goes wrong on the way (the sender is gone, the digest is another, the disk is full, we
are told to stop), nothing is kept. What even that cannot clear away is swept later.
"""

import base64
from collections.abc import AsyncIterable
from typing import NamedTuple

from joelclaw.errors import DigestMismatch, FileTooLarge
from joelclaw.files.protocol import Digest, FileStore


class Received(NamedTuple):
    """Bytes that are safe and that nobody knows of yet: record them."""

    key: str
    digest: Digest


async def receive(
    files: FileStore, pieces: AsyncIterable[bytes], *, sha256: bytes | None = None, bytes_max: int | None = None
) -> Received:
    """
    Keep the bytes of a file. `sha256` is what they have to be, `bytes_max` how many at most.

    Raises:
        DigestMismatch, FileTooLarge, FileStoreFull, FileStoreFailed: Nothing was kept.
    """
    upload = files.begin()
    try:
        async for piece in pieces:
            await upload.write(piece)
            if bytes_max is not None and upload.size > bytes_max:
                raise FileTooLarge(bytes_max)
        digest = await upload.finish()
        if sha256 is not None and digest.sha256 != sha256:
            raise DigestMismatch(base64_text(sha256), base64_text(digest.sha256))
        await upload.commit()
    except BaseException:
        await upload.abort()
        raise
    return Received(upload.key, digest)


def base64_text(data: bytes) -> str:
    """Bytes as their base64, which is how digests of files are written."""
    return base64.b64encode(data).decode()
