"""
Opening a place for bytes by its URL; each kind of place is imported when it is needed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from joelclaw.files.protocol import FileStore

FILE: Final = "file"
S3: Final = "s3"


def open_files(url: str, credentials: Mapping[str, str]) -> FileStore:
    """The place at `file:///absolute/folder` or `s3://bucket/prefix?endpoint=...`. Nothing is touched yet."""
    parts = urlsplit(url)
    if parts.scheme == S3:
        from joelclaw.files.s3 import S3Files

        return S3Files(url, credentials)
    assert parts.scheme == FILE, url
    from joelclaw.files.disk import DiskFiles

    return DiskFiles(Path(url.removeprefix("file://")))
