"""
What the database says was deployed last, read before anything serves.

A server that starts has no process yet that could be asked, and which code those will load is the question.
So this looks into the file itself, as a reader.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple, TypeVar

from joelclaw.deploy.parcel import Parcel, unpack
from joelclaw.errors import CommandFailed, DeployRefused, StoreUnreadable
from joelclaw.store.protocol import Layout, Snapshot
from joelclaw.store.sqlite import open_sqlite, sqlite_path
from joelclaw.system.deployments import CodePart, Contents, Version
from joelclaw.values import wire
from joelclaw.values.keys import after, string_key

R = TypeVar("R")

_BYTES_MAX: Final = 10**12
"""It was measured when it came; the limit may have become less."""


class Stored(NamedTuple):
    """A version as it was written down."""

    version: dict[str, Any]
    """A document of `_deployments`."""

    packed: bytes
    """Its code; empty, if that is not kept."""

    contents: dict[str, str] = {}  # noqa: RUF012 (never changed)
    """What was in it, to compare with."""

    def parcel(self) -> Parcel:
        """
        Its code.

        Raises:
            CommandFailed: It is not there, or not what was kept.
        """
        number = int(self.version["number"])
        try:
            if self.packed and (parcel := unpack(self.packed, _BYTES_MAX)).digest == self.version["digest"]:
                return parcel
        except DeployRefused:
            pass
        raise CommandFailed(
            f"version {number} was deployed last, and its code is not in the database; "
            f"`joelclaw serve --files` serves the project's own files instead"
        )


def newest_stored(store_url: str) -> Stored | None:
    """
    The version that served last; None: nothing was deployed yet.

    Of a file that is no database, or not one yet, the writer tells, or makes it one.
    """
    return _looked_up(store_url, _newest)


def deployed_digests(store_url: str) -> set[str]:
    """What names the code of each version that is remembered, whether the code is kept or not."""

    def digests(snapshot: Snapshot, layout: Layout) -> set[str]:
        return {row["digest"] for row in _rows(snapshot, layout, Version.__table__, "byNumber")}

    return _looked_up(store_url, digests) or set()


def _looked_up(store_url: str, look: Callable[[Snapshot, Layout], R | None]) -> R | None:
    path = sqlite_path(store_url)
    if path is None or not os.path.exists(path):
        return None
    try:
        with closing(open_sqlite(store_url, read_only=True)) as store:
            layout = store.layout()
            with store.read() as snapshot:
                return look(snapshot, layout)
    except StoreUnreadable:
        return None


def _newest(snapshot: Snapshot, layout: Layout) -> Stored | None:
    version = next(_rows(snapshot, layout, Version.__table__, "byNumber", reverse=True), None)
    if version is None:
        return None
    named = string_key(version["digest"])
    parts = _rows(snapshot, layout, CodePart.__table__, "byDigest", prefix=named)
    contents: dict[str, Any] = next(
        _rows(snapshot, layout, Contents.__table__, "byDigest", prefix=named), {"contents": {}}
    )
    return Stored(version, b"".join(part["data"] for part in parts), contents["contents"])


def _rows(
    snapshot: Snapshot, layout: Layout, table: str, index: str, *, prefix: bytes = b"", reverse: bool = False
) -> Iterator[dict[str, Any]]:
    """Documents of a system table in the order of an index, one at a time; none, if there is no such table yet."""
    found = next((one for one in layout.tables if one.name == table), None)
    if found is None:
        return
    wanted = next(one for one in found.indexes if one.name == index)
    start, end = prefix, after(prefix) if prefix else None
    while rows := snapshot.scan(found, wanted, start, end, reverse=reverse, limit=1):
        [(key, raw)] = rows
        row: Any = wire.decode(raw)
        yield row
        start, end = (start, key) if reverse else (key + b"\0", end)
