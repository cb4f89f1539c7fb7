"""
Files: which bytes are files of the app, under which URL, and which bytes are to go.

Of a file an app sees its `StoredFile`; the key that its bytes are kept under, the secret half of
its URL, has a table of its own that apps cannot read. Both are written when the bytes are
safe, in one mutation, and deleted in the app's own transaction, which leaves a note for the
service that removes the bytes: if the transaction fails, the file was never touched.

Elsewhere: `functions/storage.py` is what apps call; `scheduler/sweeping.py` removes bytes;
`http/storage.py` takes and serves them; `joelclaw.files` keeps them.
"""

import base64

from msgspec import UNSET

from joelclaw.errors import StorageIdRefused, StoredFileNotFound
from joelclaw.files.upload_tokens import make_token
from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.functions.storage import FileMetadata
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
from joelclaw.system.tables import StoredFile
from joelclaw.values.ids import table_number_of

REMOVALS_AT_ONCE = 100

SERVING_PATH = "/api/storage/"
UPLOAD_PATH = "/api/storage/upload?token="


class FileKey(Table):
    """Under which key a file's bytes are kept: who knows it can read the file."""

    __table__ = "_storage_keys"
    file: Id[StoredFile]
    key: str
    by_file = index("file", unique=True)
    by_key = index("key", unique=True)


class RemovedFile(Table):
    """Bytes of a file that was deleted, until they are gone, too."""

    __table__ = "_storage_removals"
    key: str


class FileBytes(Object):
    """What is needed to read a file: its key, and what its bytes are."""

    key: str
    sha256: str
    size: float
    content_type: str | None


class Removal(Object):
    """Bytes to remove, and the note that says so."""

    id: Id[RemovedFile]
    key: str


# -- for the gateway and actions


@mutation
def record(ctx: MutationCtx, key: str, sha256: str, size: float, content_type: str | None = None) -> Id[StoredFile]:
    """The bytes at this key are safe, and a file from now on."""
    kind = UNSET if content_type is None else content_type
    file = ctx.db.insert(StoredFile(sha256=sha256, size=size, content_type=kind))
    ctx.db.insert(FileKey(file=file, key=key))
    return file


@query
def at_key(ctx: QueryCtx, key: str) -> FileBytes | None:
    """The file whose URL has this key."""
    found = ctx.db.find(FileKey.by_key, key=key)
    return None if found is None else _bytes_of(ctx, found)


@query
def of_id(ctx: QueryCtx, id: str) -> FileBytes | None:
    """The file with this id."""
    found = _find(ctx, id, "get")
    return None if found is None else _bytes_of(ctx, found)


# -- what `ctx.storage` is made of


@query
def url(ctx: QueryCtx, id: str) -> str | None:
    """Where a file is served; None if there is none."""
    found = _find(ctx, id, "get_url")
    return None if found is None else f"{ctx.db.run.app.places.api_origin}{SERVING_PATH}{found.key}"


@query
def metadata(ctx: QueryCtx, id: str) -> FileMetadata | None:
    """What is known of a file; None if there is none."""
    file = None if _find(ctx, id, "get_metadata") is None else ctx.db.get(_id(id))
    if file is None:
        return None
    return FileMetadata(
        storage_id=file.id,
        sha256=base64.b64decode(file.sha256).hex(),
        size=file.size,
        content_type=None if file.content_type is UNSET else file.content_type,
    )


@mutation
def generate_upload_url(ctx: MutationCtx) -> str:
    """Where a file may be posted for an hour."""
    app = ctx.db.run.app
    return f"{app.places.api_origin}{UPLOAD_PATH}{make_token(app.secret, ctx.now())}"


@mutation
def delete(ctx: MutationCtx, id: str) -> None:
    """Delete a file. Its bytes follow when this is committed."""
    found = _find(ctx, id, "delete")
    if found is None:
        raise StoredFileNotFound(id)
    ctx.db.delete(found)
    ctx.db.delete(found.file)
    ctx.db.insert(RemovedFile(key=found.key))


# -- for the service that removes bytes


@query
def removals(ctx: QueryCtx) -> list[Removal]:
    """Bytes to remove, those of files that were deleted first; some, if there are many."""
    notes = ctx.db.query(RemovedFile).take(REMOVALS_AT_ONCE)
    return [Removal(id=note.id, key=note.key) for note in notes]


@mutation
def removed(ctx: MutationCtx, ids: list[Id[RemovedFile]]) -> None:
    """These bytes are gone."""
    for id in ids:
        if ctx.db.get(id) is not None:
            ctx.db.delete(id)


@query
def unknown(ctx: QueryCtx, keys: list[str]) -> list[str]:
    """Which of these keys no file has."""
    return [key for key in keys if ctx.db.find(FileKey.by_key, key=key) is None]


def _find(ctx: QueryCtx, id: str, method: str) -> FileKey | None:
    """
    Raises:
        StorageIdRefused: This is no id of a stored file, existing or not.
    """
    number = ctx.db.run.app.open_table(StoredFile).number
    if not isinstance(id, str) or table_number_of(id) != number:
        raise StorageIdRefused(method, id)
    return ctx.db.find(FileKey.by_file, file=_id(id))


def _bytes_of(ctx: QueryCtx, found: FileKey) -> FileBytes:
    file = ctx.db.require(found.file)
    content_type = None if file.content_type is UNSET else file.content_type
    return FileBytes(key=found.key, sha256=file.sha256, size=file.size, content_type=content_type)


def _id(id: str) -> Id[StoredFile]:
    checked: Id[StoredFile] = id  # type: ignore[assignment]  # Its table was looked at.
    return checked
