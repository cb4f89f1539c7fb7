"""
Chat: rooms, who belongs to them, and what is said there.

Messages of a room are numbered without a gap. A number is never given twice, because the next one is found
by looking at the last in the transaction that takes it; it stays when its message is removed. So the newest
number and how far somebody has read say how much is unread, at the same cost in a room of any age.

Whoever sends chooses a key, and sends again with the same key when they cannot know whether it arrived.

Elsewhere: `invitations.py` has who may come in, `presence.py` who is here and who types.
"""

from typing import Annotated, Final

from app_functions._membership import (
    author,
    author_or_owner,
    forget_traces,
    last_message,
    last_seq,
    let_in,
    mark,
    member,
    members_of,
)
from app_functions._people import OWNER, who
from joelclaw import (
    AppError,
    FileMetadata,
    Id,
    Meta,
    MutationCtx,
    Object,
    Page,
    PageOptions,
    QueryCtx,
    RateLimit,
    StoredFile,
    cron,
    mutation,
    query,
    role,
    signed_in,
)
from schema import Attachment, FileName, FileSweep, Member, Message, ReadMark, Room, SentFile, Typing, User

MESSAGES: Final = RateLimit("chat messages", rate=60, per="1m", burst=40)
EDITS: Final = RateLimit("chat edits", rate=30, per="1m")
UPLOADS: Final = RateLimit("chat uploads", rate=60, per="10m", burst=24)

ATTACHMENTS_MAX: Final = 8
ATTACHMENT_BYTES_MAX: Final = 10 * 1024 * 1024
ATTACHMENT_KINDS: Final = ("image/", "audio/", "video/", "text/plain", "application/pdf", "application/zip")

PREVIEW_CHARACTERS: Final = 80

UNSENT_KEPT_MS: Final = 2 * 3_600_000.0
"""An upload may take as long as its URL is good for, and be sent a while later."""

GONE: Final = "Somebody who left"


class RoomSeen(Object):
    """A room, as one of its members sees it."""

    id: Id[Room]
    slug: str
    title: str
    closed: bool
    last_seq: int
    """The number of the newest message; 0: nothing was said yet."""

    read_seq: int
    unread: int
    last_at: float
    """When something was said last, or the room was opened."""

    last_said: str
    """How the newest message begins."""


class Person(Object):
    """A user, as others see them."""

    id: Id[User]
    name: str
    image: str | None = None


class RoomMember(Object):
    """A member of a room."""

    person: Person
    opened_it: bool
    since: float


class AttachmentShown(Object):
    """A file that came with a message; without a URL it is gone."""

    name: str
    content_type: str
    size: float
    url: str | None


class Said(Object):
    """A message, as members see it."""

    id: Id[Message]
    seq: int
    author: Person
    key: str
    body: str
    attachments: list[AttachmentShown]
    at: float
    edited_at: float | None
    removed: bool


class Upload(Object):
    """
    A file to send: what the upload answered, and what it is called.

    Who uploaded it is not kept. Only they were told its id, of 112 random bits, and nobody else is: what is served has
    an address of its own, and a file that was sent cannot be sent again.
    """

    file: Id[StoredFile]
    name: FileName


# -- rooms


@query(allow=signed_in)
def rooms(ctx: QueryCtx) -> list[RoomSeen]:
    """The rooms of whoever asks, with what is unread; where something was said last comes first."""
    user = who(ctx).id
    mine = [found for found in ctx.db.query(Member.by_user, user=user) if found.removed_at is None]
    seen = [_seen(ctx, room, user) for room in ctx.db.get_many(found.room for found in mine) if room is not None]
    return sorted(seen, key=lambda room: room.last_at, reverse=True)


@mutation(allow=role(OWNER))
def open_room(ctx: MutationCtx, slug: str, title: str) -> Id[Room]:
    """The room of this name, made if there is none. Whoever opens it belongs to it."""
    user = who(ctx).id
    room = ctx.db.find(Room.by_slug, slug=slug)
    id = room.id if room is not None else ctx.db.insert(Room(slug=slug, title=title.strip(), opened_by=user))
    let_in(ctx, id, user)
    return id


@mutation(allow=role(OWNER))
def rename(ctx: MutationCtx, room: Id[Room], title: str) -> None:
    """Give a room another title."""
    ctx.db.patch(room, title=title.strip())


@mutation(allow=role(OWNER))
def close_room(ctx: MutationCtx, room: Id[Room], closed: bool = True) -> None:
    """Have nothing more said in a room, which can still be read; or have it go on."""
    ctx.db.patch(room, closed_at=ctx.now() if closed else None)


@query(allow=member)
def members(ctx: QueryCtx, room: Id[Room]) -> list[RoomMember]:
    """Who belongs to a room, whoever came first at the top."""
    opened_by = ctx.db.require(room).opened_by
    found = sorted(members_of(ctx, room), key=lambda one: one.creation_time)
    people = people_of(ctx, [one.user for one in found])
    return [
        RoomMember(person=people[one.user], opened_it=one.user == opened_by, since=one.creation_time) for one in found
    ]


@mutation(allow=role(OWNER))
def remove_member(ctx: MutationCtx, room: Id[Room], user: Id[User]) -> None:
    """Put somebody out. What they said stays; pages that they have open are refused at once."""
    if user == who(ctx).id:
        raise AppError({"code": "own_room", "message": "This is your room. Close it instead."})
    found = ctx.db.find(Member.by_room, room=room, user=user)
    if found is not None and found.removed_at is None:
        ctx.db.patch(found, removed_at=ctx.now())
        forget_traces(ctx, room, user)


@mutation(allow=member)
def leave(ctx: MutationCtx, room: Id[Room]) -> None:
    """Belong to a room no longer."""
    user = who(ctx).id
    if ctx.db.require(room).opened_by == user:
        raise AppError({"code": "own_room", "message": "This is your room. Close it instead."})
    found = ctx.db.find(Member.by_room, room=room, user=user)
    if found is not None:
        ctx.db.delete(found)
        forget_traces(ctx, room, user)


# -- messages


@query(allow=member)
def history(ctx: QueryCtx, room: Id[Room], pagination_opts: PageOptions) -> Page[Said]:
    """What was said in a room, the newest first, a page at a time."""
    page = ctx.db.query(Message.by_room, room=room).order("desc").paginate(pagination_opts)
    people = people_of(ctx, [message.author for message in page.page])
    return page.map(lambda message: _said(ctx, message, people[message.author]))


@mutation(allow=member)
def send(
    ctx: MutationCtx,
    room: Id[Room],
    body: str,
    key: str,
    attachments: Annotated[list[Upload], Meta(max_length=ATTACHMENTS_MAX)] | None = None,
) -> int:
    """Say something; the number of the message. What was sent with this key already is not said again."""
    user = who(ctx).id
    sent = ctx.db.find(Message.by_key, room=room, author=user, key=key)
    if sent is not None:
        return sent.seq
    if ctx.db.require(room).closed_at is not None:
        raise AppError({"code": "room_closed", "message": "This room is closed. Nothing more is said here."})
    if not body.strip() and not attachments:
        raise AppError({"code": "nothing_said", "message": "Write something, or attach a file."})
    MESSAGES.take(ctx, user)
    seq = last_seq(ctx, room) + 1
    message = Message(room=room, seq=seq, author=user, key=key, body=body.strip())
    ctx.db.insert(message)
    message.attachments = [_attach(ctx, message.id, upload) for upload in attachments or []]
    ctx.db.save(message)
    mark(ctx, room, user, seq)
    typing = ctx.db.find(Typing.by_room, room=room, user=user)
    if typing is not None:
        ctx.db.delete(typing)
    return seq


@mutation(allow=author)
def edit(ctx: MutationCtx, id: Id[Message], body: str) -> None:
    """Change the words of a message."""
    message = ctx.db.require(id)
    if message.removed:
        raise AppError({"code": "removed", "message": "This message was removed."})
    if not body.strip() and not message.attachments:
        raise AppError({"code": "nothing_said", "message": "Write something, or remove the message."})
    if ctx.db.require(message.room).closed_at is not None:
        raise AppError({"code": "room_closed", "message": "This room is closed. Nothing in it is changed."})
    EDITS.take(ctx, message.author)
    ctx.db.patch(message, body=body.strip(), edited_at=ctx.now())


@mutation(allow=author_or_owner)
def remove(ctx: MutationCtx, id: Id[Message]) -> None:
    """Take back a message with its files. Its number stays, so that nobody wonders what is missing."""
    message = ctx.db.require(id)
    for attachment in message.attachments:
        sent = ctx.db.find(SentFile.by_file, file=attachment.file)
        if sent is not None:
            ctx.db.delete(sent)
        if ctx.storage.get_metadata(attachment.file) is not None:
            ctx.storage.delete(attachment.file)
    ctx.db.patch(message, body="", attachments=[], edited_at=None, removed=True)


@mutation(allow=member)
def mark_read(ctx: MutationCtx, room: Id[Room], seq: int) -> None:
    """Everything up to this number was read. A mark only moves on, and not beyond what was said."""
    mark(ctx, room, who(ctx).id, min(seq, last_seq(ctx, room)))


# -- files


@mutation(allow=member)
def upload_url(ctx: MutationCtx, room: Id[Room]) -> str:
    """Where a member may post a file to send, within an hour."""
    if ctx.db.require(room).closed_at is not None:
        raise AppError({"code": "room_closed", "message": "This room is closed. Nothing more is said here."})
    UPLOADS.take(ctx, who(ctx).id)
    return ctx.storage.generate_upload_url()


@cron(every="1h")
@mutation
def sweep_unsent(ctx: MutationCtx) -> int:
    """
    Delete files that were uploaded and never sent; how many.

    Each run looks at what was stored since the run before it, so its cost does not grow with what is kept.
    This app stores files for messages only.
    """
    sweep = ctx.db.query(FileSweep).first() or FileSweep(until=0)
    until = ctx.now() - UNSENT_KEPT_MS
    unsent: list[Id[StoredFile]] = []
    for file in ctx.db.query(StoredFile).order("desc"):
        if file.creation_time <= sweep.until:
            break
        if file.creation_time <= until and ctx.db.find(SentFile.by_file, file=file.id) is None:
            unsent.append(file.id)
    for id in unsent:
        ctx.storage.delete(id)
    if sweep.until == 0:
        ctx.db.insert(FileSweep(until=until))
    else:
        ctx.db.patch(sweep, until=until)
    return len(unsent)


# -- helpers


def people_of(ctx: QueryCtx, users: list[Id[User]]) -> dict[Id[User], Person]:
    """Everybody among these, once."""
    ids = list(dict.fromkeys(users))
    return {
        id: Person(id=id, name=GONE) if user is None else Person(id=id, name=user.name, image=user.image)
        for id, user in zip(ids, ctx.db.get_many(ids), strict=True)
    }


def _seen(ctx: QueryCtx, room: Room, user: Id[User]) -> RoomSeen:
    last = last_message(ctx, room.id)
    read = ctx.db.find(ReadMark.by_room, room=room.id, user=user)
    newest = 0 if last is None else last.seq
    read_seq = 0 if read is None else read.seq
    return RoomSeen(
        id=room.id,
        slug=room.slug,
        title=room.title,
        closed=room.closed_at is not None,
        last_seq=newest,
        read_seq=read_seq,
        unread=newest - read_seq,
        last_at=room.creation_time if last is None else last.creation_time,
        last_said="" if last is None else _preview(last),
    )


def _preview(message: Message) -> str:
    if message.removed:
        return "removed"
    if message.body:
        return " ".join(message.body[: 4 * PREVIEW_CHARACTERS].split())[:PREVIEW_CHARACTERS]
    return ", ".join(attachment.name for attachment in message.attachments)[:PREVIEW_CHARACTERS]


def _said(ctx: QueryCtx, message: Message, author: Person) -> Said:
    return Said(
        id=message.id,
        seq=message.seq,
        author=author,
        key=message.key,
        body=message.body,
        attachments=[
            AttachmentShown(name=it.name, content_type=it.content_type, size=it.size, url=ctx.storage.get_url(it.file))
            for it in message.attachments
        ],
        at=message.creation_time,
        edited_at=message.edited_at,
        removed=message.removed,
    )


def _attach(ctx: MutationCtx, message: Id[Message], upload: Upload) -> Attachment:
    """
    Make an upload part of a message.

    Raises:
        AppError: It is gone, was sent before, is too large, or of a kind that nobody should have to open.
    """
    stored = ctx.storage.get_metadata(upload.file)
    if stored is None or ctx.db.find(SentFile.by_file, file=upload.file) is not None:
        raise AppError({"code": "upload_gone", "message": f"{upload.name} has to be uploaded again."})
    if stored.size > ATTACHMENT_BYTES_MAX:
        megabytes = ATTACHMENT_BYTES_MAX // 2**20
        raise AppError({"code": "too_large", "message": f"{upload.name} is larger than {megabytes} MB."})
    if not _is_welcome(stored):
        raise AppError(
            {"code": "wrong_kind", "message": f"{upload.name} is no picture, sound, film, text, PDF or ZIP."}
        )
    ctx.db.insert(SentFile(file=upload.file, message=message))
    return Attachment(file=upload.file, name=upload.name, content_type=stored.content_type or "", size=stored.size)


def _is_welcome(stored: FileMetadata) -> bool:
    kind = (stored.content_type or "").lower()
    # A drawing that may hold scripts is no picture.
    return kind.startswith(ATTACHMENT_KINDS) and not kind.startswith("image/svg")
