"""
The tables of joelclaw.com: who writes, comments, chat, calls that are on, what is counted, and what Inngest reports.
"""

from typing import Annotated, Final, Literal

from joelclaw import UNSET, Id, Meta, Object, StoredFile, Table, UnsetType, field, index

# -- people

NAME_CHARACTERS: Final = 80

Name = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS)]
FileName = Annotated[str, Meta(min_length=1, max_length=200)]


class User(Table):
    """Somebody who signed in: with GitHub, or as a guest, under a name of their own choice."""

    __table__ = "users"
    name: Name
    image: str | None = None
    login: str | None = None
    """What GitHub calls them. It may change there, and pass to somebody else; `github_id` does not."""

    github_id: int | UnsetType = UNSET
    """Absent of guests: the index would take `None` for an id that only one of them may have."""

    is_anonymous: bool = False
    by_github = index("github_id", unique=True)


# -- comments

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,100}$")]
Around = Annotated[str, Meta(max_length=64)]


class Anchor(Object):
    """
    The words of an article that a comment hangs on, with what it takes to find them after the article was edited.

    They are a text quote and a text position as the W3C's Web Annotation Data Model has them.
    """

    paragraph: Annotated[str, Meta(min_length=1, max_length=200)]
    """Its name, which stays as long as it begins as it did."""

    quote: Annotated[str, Meta(max_length=2_000)] = ""
    """Empty: the whole paragraph."""

    prefix: Around = ""
    suffix: Around = ""
    """What stands around the quote, to tell two of the same words apart."""

    start: Annotated[int, Meta(ge=0)] = 0
    """Where in the paragraph the quote begins, in UTF-16 units, as browsers count."""

    position: Annotated[int, Meta(ge=0)] = 0
    """Which paragraph of the article it was, counted from 0."""


CommentState = Literal["draft", "held", "published", "hidden", "deleted"]


class Comment(Table):
    """
    A note in the margin of an article, or an answer to one.

    `draft` is its author's alone, `held` waits for the owner, `hidden` was moderated away. `deleted` has lost its
    words, and stays for the answers to it.
    """

    __table__ = "comments"
    article: Slug
    anchor: Anchor
    author: Id[User]
    key: Annotated[str, Meta(min_length=8, max_length=64)]
    """Chosen by whoever writes: the same again is the same comment."""

    body: Annotated[str, Meta(max_length=4_000)]
    root: Id["Comment"] | None = None
    """What an answer belongs to. An answer to an answer belongs to the same."""

    state: CommentState
    said_at: float
    """When it was written, or, of a draft, submitted."""

    edited_at: float | None = None
    resolved: bool = False
    by_article = index("article", "state")
    by_author = index("author", "article", "state")
    by_key = index("author", "key", unique=True)
    by_root = index("root")
    by_state = index("state")


class CommentCount(Table):
    """How many comments of an article are published: counted as they come and go, so that nobody has to look."""

    __table__ = "comment_counts"
    article: Slug
    published: int
    by_article = index("article", unique=True)


# -- chat


class Room(Table):
    """
    A place to talk, for those who belong to it.

    What changes with every message is not here: whoever reads a room's title should not be woken by what is said in it.
    """

    __table__ = "rooms"
    slug: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
    title: Name
    opened_by: Id[User]
    closed_at: float | None = None
    by_slug = index("slug", unique=True)


class Member(Table):
    """Somebody belongs to a room, or did: `removed_at` is when they were put out."""

    __table__ = "members"
    room: Id[Room]
    user: Id[User]
    removed_at: float | None = None
    by_room = index("room", "user", unique=True)
    by_user = index("user")


class ReadMark(Table):
    """How far a member has read. Not kept with the member, who is looked up by everything that is asked in a room."""

    __table__ = "read_marks"
    room: Id[Room]
    user: Id[User]
    seq: int
    by_room = index("room", "user", unique=True)


class Attachment(Object):
    """A file that came with a message."""

    file: Id[StoredFile]
    name: FileName
    content_type: str
    size: float


class Message(Table):
    """
    Something said in a room.

    `seq` counts from 1 without a gap. One that is removed keeps its number and loses everything else.
    """

    __table__ = "messages"
    room: Id[Room]
    seq: int
    author: Id[User]
    key: Annotated[str, Meta(min_length=8, max_length=64)]
    """Chosen by whoever sends: the same again is the same message."""

    body: Annotated[str, Meta(max_length=8_000)]
    attachments: Annotated[list[Attachment], Meta(max_length=8)] = field(default_factory=list)
    edited_at: float | None = None
    removed: bool = False
    by_room = index("room", "seq", unique=True)
    by_key = index("room", "author", "key", unique=True)


class SentFile(Table):
    """A file belongs to a message: to one, so that removing that may delete it."""

    __table__ = "sent_files"
    file: Id[StoredFile]
    message: Id[Message]
    by_file = index("file", unique=True)


class FileSweep(Table):
    """Files stored until then were looked at: what belonged to no message is gone. There is one of these."""

    __table__ = "file_sweeps"
    until: float


class Invitation(Table, expires_at="forget_at"):
    """Whoever has the token may become a member. Of the token itself only a digest is kept."""

    __table__ = "invitations"
    room: Id[Room]
    token_digest: str
    note: Annotated[str, Meta(max_length=200)] = ""
    by: Id[User]
    good_until: float
    uses_left: Annotated[int, Meta(ge=0, le=100)]
    revoked: bool = False
    forget_at: float
    """Later than `good_until`, so that who comes too late is told so."""

    by_token = index("token_digest", unique=True)
    by_room = index("room")


PageKey = Annotated[str, Meta(min_length=8, max_length=64)]
"""Chosen by a page that is open: it tells the pages of one user apart."""


class Presence(Table, expires_at="until"):
    """A page of somebody's has a room open."""

    __table__ = "presence"
    room: Id[Room]
    user: Id[User]
    page: PageKey
    until: float
    by_room = index("room", "user", "page", unique=True)


class Typing(Table, expires_at="until"):
    """Somebody is writing a message. Not kept with presence: it changes far more often."""

    __table__ = "typing"
    room: Id[Room]
    user: Id[User]
    until: float
    by_room = index("room", "user", unique=True)


class CallSession(Table):
    """A voice call that is on, as long as its heartbeat is fresh."""

    __table__ = "call_sessions"
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    title: Name
    state: Literal["ringing", "talking", "on_hold"] = "ringing"
    started_at: float
    heartbeat_at: float
    by_key = index("key", unique=True)
    by_heartbeat = index("heartbeat_at")


# -- health and logs

ComponentState = Literal["up", "degraded", "down"]
SourceName = Literal["slog", "inngest", "redis"]
ComponentName = Annotated[str, Meta(min_length=1, max_length=80)]
Sentence = Annotated[str, Meta(max_length=400)]


class Component(Table):
    """A part of the system that reports how it is. What it reported counts for `fresh_for_s` seconds."""

    __table__ = "components"
    name: ComponentName
    state: ComponentState
    detail: Sentence = ""
    reported_at: float
    fresh_for_s: float
    by_name = index("name", unique=True)


class Source(Table):
    """A place outside from which we fetch, and how the last tries went."""

    __table__ = "sources"
    name: SourceName
    good_at: float | None = None
    """When a try went well last; to a minute, so that going well costs few writes."""

    problem: Sentence | None = None
    down_since: float | None = None
    by_name = index("name", unique=True)


LogLevel = Literal["debug", "info", "warn", "error"]


class NewLine(Object):
    """What a line of the log says."""

    at: float
    level: LogLevel
    component: ComponentName
    text: Annotated[str, Meta(max_length=2_000)]
    details: Annotated[str, Meta(max_length=4_000)] = ""
    """The rest of the line, as JSON."""


class LogLine(Table, expires_at="forget_at"):
    """A line of the log, in the order in which the file has them."""

    __table__ = "log_lines"
    line: NewLine
    forget_at: float
    by_component = index("line.component")
    by_level = index("line.level")
    by_component_and_level = index("line.component", "line.level")


class LogPlace(Table):
    """How far the log was read; changed in the transaction that keeps the lines. There is one for each path."""

    __table__ = "log_places"
    path: str
    inode: str
    offset: int
    sign: str
    inside_line: bool
    by_path = index("path", unique=True)


# -- pipeline

InngestId = Annotated[str, Meta(min_length=1, max_length=100)]
FunctionLabel = Annotated[str, Meta(min_length=1, max_length=200)]
RunState = Literal["running", "completed", "failed", "cancelled"]


class NewEvent(Object):
    """What Inngest says about an event. Of what came with it only this is kept."""

    event_id: InngestId
    """Inngest's own, not the one that its sender may give it."""

    name: FunctionLabel
    received_at: float
    about_run: InngestId | None = None
    """The run that it reports, if Inngest sent it itself when a function had ended."""

    function_name: FunctionLabel | None = None


class NewRun(Object):
    """What Inngest says about a run of a function."""

    run_id: InngestId
    function_id: InngestId
    state: RunState
    started_at: float
    ended_at: float | None = None
    problem: Sentence = ""


class PipelineEvent(Table, expires_at="forget_at"):
    """An event that Inngest received."""

    __table__ = "pipeline_events"
    event: NewEvent
    is_report: bool
    """Sent by Inngest itself when a function had ended."""

    forget_at: float
    by_event_id = index("event.event_id", unique=True)
    by_received_at = index("is_report", "event.received_at")
    by_about_run = index("event.about_run")


class PipelineRun(Table, expires_at="forget_at"):
    """A run of a function, as it was when Inngest was asked last."""

    __table__ = "pipeline_runs"
    event_id: InngestId
    run: NewRun
    forget_at: float
    by_run_id = index("run.run_id", unique=True)
    by_event_id = index("event_id")
    by_function = index("run.function_id", "run.started_at")


class PipelineFunction(Table, expires_at="forget_at"):
    """A function that has run lately. Its name is known when Inngest has reported the end of a run."""

    __table__ = "pipeline_functions"
    function_id: InngestId
    name: FunctionLabel | None = None
    forget_at: float
    by_function_id = index("function_id", unique=True)


class PipelineQuestion(Table, expires_at="forget_at"):
    """When to ask next what runs an event has. Not kept with the event: pages are not to be woken by it."""

    __table__ = "pipeline_questions"
    event_id: InngestId
    received_at: float
    ask_at: float
    forget_at: float
    by_ask_at = index("ask_at")
    by_event_id = index("event_id", unique=True)


class PipelinePlace(Table):
    """How far events were fetched: all until `after`, and on the way back to it all from `cursor` on."""

    __table__ = "pipeline_places"
    url: str
    after: float
    cursor: str | None = None
    newest: float
    """The newest on this way; where it ends, `after` moves here."""

    quiet_until: float = 0.0
    """Inngest has asked to be left alone until then."""

    by_url = index("url", unique=True)


# -- bridges: what Redis has

KeyName = Annotated[str, Meta(min_length=1, max_length=200)]
Label = Annotated[str, Meta(max_length=200)]


class QueueState(Object):
    """How much waits in a queue. `problem`: what in Redis could not be understood, here and below."""

    name: KeyName
    depth: Annotated[int, Meta(ge=0)] = 0
    oldest_at: float | None = None
    """When what has waited longest was put in, if that says so."""

    problem: Sentence | None = None


class RegistrationState(Object):
    """A session that is registered with the gateway."""

    name: KeyName
    title: Label = ""
    host: Label = ""
    state: Label = ""
    started_at: float | None = None
    until: float | None = None
    """When its key ends, unless it is prolonged."""

    problem: Sentence | None = None


class LoopState(Object):
    """How far an agent's loop is."""

    name: KeyName
    title: Label = ""
    state: Literal["running", "waiting", "done", "failed", "unknown"] = "unknown"
    iteration: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None = None
    detail: Sentence = ""
    started_at: float | None = None
    updated_at: float | None = None
    until: float | None = None
    problem: Sentence | None = None


class Queue(Table):
    """A queue, as Redis had it last."""

    __table__ = "queues"
    seen: QueueState
    by_name = index("seen.name", unique=True)


class Registration(Table):
    """A registered session, as Redis had it last."""

    __table__ = "registrations"
    seen: RegistrationState
    by_name = index("seen.name", unique=True)


class Loop(Table):
    """An agent's loop, as Redis had it last."""

    __table__ = "loops"
    seen: LoopState
    by_name = index("seen.name", unique=True)


class RedisLease(Table):
    """Who may write what Redis has: the run of the listener that took this number. There is one of these."""

    __table__ = "redis_leases"
    number: int
    alive_at: float


# -- stats

CounterName = Literal["functions", "tokens", "transcription"]

TICKS_MAX: Final = 1_000_000_000


class Increment(Object):
    """So many ticks of a counter. What a tick is, says `app_functions/stats.py`."""

    counter: CounterName
    ticks: Annotated[int, Meta(ge=1, le=TICKS_MAX)]


class Counter(Table):
    """All that a counter has counted, and that pages were told of."""

    __table__ = "counters"
    name: CounterName
    ticks: int
    by_name = index("name", unique=True)


class Uncounted(Table):
    """
    What was counted in a minute, and pages were not told of yet.

    Pages read the other three tables only, so an increment does not wake them.
    """

    __table__ = "uncounted"
    name: CounterName
    minute: float
    ticks: int
    by_minute = index("name", "minute", unique=True)


class CountedMinute(Table, expires_at="forget_at"):
    """What was counted in the minute that began then."""

    __table__ = "counted_minutes"
    name: CounterName
    began_at: float
    ticks: int
    forget_at: float
    by_time = index("name", "began_at", unique=True)


class CountedHour(Table, expires_at="forget_at"):
    """The same of an hour; it is kept longer."""

    __table__ = "counted_hours"
    name: CounterName
    began_at: float
    ticks: int
    forget_at: float
    by_time = index("name", "began_at", unique=True)


class CountedKey(Table, expires_at="forget_at"):
    """Increments with this key were counted."""

    __table__ = "counted_keys"
    key: Annotated[str, Meta(min_length=1, max_length=100)]
    forget_at: float
    by_key = index("key", unique=True)


# -- network

CollectorName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")]
MachineKey = Annotated[str, Meta(min_length=1, max_length=300)]


class Machine(Table):
    """A node, pod or daemon, as its collector saw it last. What a collector sees is replaced as a whole."""

    __table__ = "machines"
    collector: CollectorName
    key: MachineKey
    kind: Literal["node", "pod", "daemon"]
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    """As its owner knows it. Strangers are shown `public_name`."""

    public_name: str
    state: Literal["ready", "waiting", "failed"]
    detail: Annotated[str, Meta(max_length=300)] = ""
    runs_on: MachineKey | None = None
    by_collector = index("collector", "key", unique=True)
    by_public_name = index("public_name", unique=True)


class Heartbeat(Table, expires_at="forget_at"):
    """When a daemon was heard of. Not kept with the machine: that is written only when it changes."""

    __table__ = "heartbeats"
    key: MachineKey
    at: float
    forget_at: float
    by_key = index("key", unique=True)


class Collector(Table):
    """Who looks at machines: when it saw them last, and why it does not see them now."""

    __table__ = "collectors"
    name: CollectorName
    seen_at: float | None = None
    error: Annotated[str, Meta(max_length=500)] | None = None
    by_name = index("name", unique=True)


class NameSecret(Table):
    """What invented names are made with, so that nobody can try real ones. There is one of these."""

    __table__ = "name_secrets"
    secret: str


class Delivery(Table, expires_at="forget_at"):
    """A webhook's delivery. Its id is kept for longer than one can be repeated, so that each counts once."""

    __table__ = "deliveries"
    delivery_id: Annotated[str, Meta(min_length=1, max_length=200)]
    event: Annotated[str, Meta(min_length=1, max_length=200)]
    body: str
    forget_at: float
    by_delivery_id = index("delivery_id", unique=True)
