"""
Deployments: which versions of the app there were, who put them there, and the code of the last ones.

A version is written down in the transaction that makes the database fit it (`record`), so that what
the list says and what serves cannot differ, whenever the power fails. Its code is in the database,
too: it comes with every backup, and documents come back with the code that understands them.

Code comes in parts, before anybody knows whether it will serve (`keep_part`). What no version that
is kept refers to goes again, a part at a time (`forget`): also what a server that was killed in the
middle of a deploy has left.

Elsewhere: `joelclaw.deploy.versions` decides what serves; what a bundle is says `joelclaw.deploy.parcel`.
"""

from typing import Any, Final, Literal, TypeAlias

from joelclaw.functions.contexts import MutationCtx, QueryCtx
from joelclaw.functions.decorators import mutation, query
from joelclaw.schema.bounds import gt, lt
from joelclaw.schema.indexes import index
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table

VERSIONS_LISTED: Final = 1_000
"""Older ones are forgotten."""

Kind: TypeAlias = Literal["files", "deploy", "rollback"]


class Change(Object):
    """Something that a version has and the one before had not, or the other way round."""

    change: Literal["added", "removed", "changed"]
    kind: str
    name: str


class Version(Table):
    """One state of the app that serves or has served."""

    __table__ = "_deployments"
    number: int
    kind: Kind
    """How it came: by `joelclaw deploy`, by a rollback, or with files that a server found when it started."""

    author: str
    message: str
    key: str
    """The name of the key that opened the door; empty for files, and for an administrator."""

    digest: str
    """Of its code and settings: the name that its parts are kept under."""

    found: str
    """The digest of the files that the server had beside it. Others, at a start, are newer than this version."""

    git_commit: str = ""
    git_dirty: bool = False
    restores: int = 0
    """The number of the version that a rollback went back to; 0: it is no rollback."""

    changes: list[Change]
    """From the version before; of very many, the first."""

    changes_more: int = 0
    by_number = index("number", unique=True)


class Contents(Table):
    """What a version declares and which files it has, each with a digest: that is how versions are compared."""

    __table__ = "_deployed_contents"
    digest: str
    contents: dict[str, str]
    by_digest = index("digest", unique=True)


class CodePart(Table):
    """A piece of a version's code, as it was sent."""

    __table__ = "_deployed_code"
    digest: str
    part: int
    data: bytes
    by_digest = index("digest", "part", unique=True)


@query
def latest(ctx: QueryCtx) -> Version | None:
    """The version that serves; None: nothing was deployed yet."""
    return ctx.db.query(Version.by_number).order("desc").first()


@query
def find(ctx: QueryCtx, number: int) -> Version | None:
    """The version of this number."""
    return ctx.db.find(Version.by_number, number=number)


@query(name="list")
def list_all(ctx: QueryCtx, limit: int = 20) -> list[dict[str, Any]]:
    """The newest versions, newest first, and whether their code is still here."""
    versions = ctx.db.query(Version.by_number).order("desc").take(limit)
    return [_told(ctx, version) for version in versions]


@query
def before(ctx: QueryCtx, number: int) -> Version | None:
    """What served before the code of this version was deployed. So one rollback after another goes further back."""
    version = ctx.db.find(Version.by_number, number=number)
    if version is None:
        return None
    for older in ctx.db.query(Version.by_number, number=lt(_original(ctx, version).number)).order("desc"):
        original = _original(ctx, older)
        if original.digest != version.digest:
            return original
    return None


@query
def contents_of(ctx: QueryCtx, digest: str) -> dict[str, str] | None:
    """What a version declares and which files it has; None: that is forgotten."""
    found = ctx.db.find(Contents.by_digest, digest=digest)
    return None if found is None else found.contents


@query
def code_part(ctx: QueryCtx, digest: str, part: int) -> bytes | None:
    """A piece of a version's code; None: there are no more."""
    found = ctx.db.find(CodePart.by_digest, digest=digest, part=part)
    return None if found is None else found.data


@mutation
def keep_part(ctx: MutationCtx, digest: str, part: int, data: bytes) -> None:
    """Keep a piece of the code of a version that is to be."""
    if ctx.db.find(CodePart.by_digest, digest=digest, part=part) is None:
        ctx.db.insert(CodePart(digest=digest, part=part, data=data))


@mutation
def record(
    ctx: MutationCtx,
    number: int,
    kind: Kind,
    author: str,
    message: str,
    key: str,
    digest: str,
    found: str,
    contents: dict[str, str],
    changes: list[Change],
    changes_more: int = 0,
    git_commit: str = "",
    git_dirty: bool = False,
    restores: int = 0,
) -> None:
    """This version serves from this transaction on."""
    ctx.db.insert(
        Version(
            number=number,
            kind=kind,
            author=author,
            message=message,
            key=key,
            digest=digest,
            found=found,
            git_commit=git_commit,
            git_dirty=git_dirty,
            restores=restores,
            changes=changes,
            changes_more=changes_more,
        )
    )
    if ctx.db.find(Contents.by_digest, digest=digest) is None:
        ctx.db.insert(Contents(digest=digest, contents=contents))
    for old in ctx.db.query(Version.by_number).take(2):
        if old.number <= number - VERSIONS_LISTED:
            ctx.db.delete(old)


@mutation
def find_files(ctx: MutationCtx, found: str) -> None:
    """The server has these files beside it now, and what serves is not older than they are."""
    newest = ctx.db.query(Version.by_number).order("desc").first()
    if newest is not None and newest.found != found:
        ctx.db.patch(newest, found=found)


@mutation
def forget(ctx: MutationCtx, keep: int) -> bool:
    """Let go of one piece of what none of the last `keep` versions refers to; False if there is none."""
    kept = {version.digest for version in ctx.db.query(Version.by_number).order("desc").take(keep)}
    for contents in ctx.db.query(Contents.by_digest):
        if contents.digest not in kept:
            ctx.db.delete(contents)
            return True
    digest = ""
    while (part := ctx.db.query(CodePart.by_digest, digest=gt(digest)).first()) is not None:
        if part.digest not in kept:
            ctx.db.delete(part)
            return True
        digest = part.digest
    return False


# -- inside


def _original(ctx: QueryCtx, version: Version) -> Version:
    """The version that a rollback went back to, however many there were; one that is no rollback is its own."""
    while version.restores and (older := ctx.db.find(Version.by_number, number=version.restores)) is not None:
        version = older
    return version


def _told(ctx: QueryCtx, version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        "kind": version.kind,
        "author": version.author,
        "message": version.message,
        "key": version.key,
        "at": version.creation_time,
        "gitCommit": version.git_commit,
        "gitDirty": version.git_dirty,
        "restores": version.restores,
        "digest": version.digest,
        "kept": ctx.db.find(CodePart.by_digest, digest=version.digest, part=0) is not None,
        "changesMore": version.changes_more,
        "changes": [{"change": one.change, "kind": one.kind, "name": one.name} for one in version.changes],
    }
