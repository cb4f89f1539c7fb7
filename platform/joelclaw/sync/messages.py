"""
Messages of the sync protocol: what clients send, decoded; what they are sent, as text.

Clients are not ours and move on by themselves: fields that we do not use are not even named
here. Arguments stay raw, for the function's own types decode them. An unknown message type
is an error, as is anything that does not decode.

To clients, JSON of results is spliced in undecoded. Everything about a query's result but
the query's number is one text, written once and kept on the result (`update_text`), so a
thousand subscribers cost a thousand concatenations.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from joelclaw.engine.subscribers import Version
from joelclaw.errors import ProtocolViolated
from joelclaw.functions.calls import Outcome
from joelclaw.sync.wording import json_text
from joelclaw.values.timestamps import encode_ts
from joelclaw.values.wire import json_problem, replace_half_pairs

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Arguments: TypeAlias = Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=1)]
"""Always one element, the argument object."""


class FromClient(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    """A message, or a part of one."""


class Connect(FromClient, frozen=True, kw_only=True, tag="Connect"):
    """Usually the first message; clients that were told to expect a sign-in leave it out."""

    session_id: UUID
    """Lasts over reconnects of one client object; together with a request id it names a mutation for ever."""

    max_observed_timestamp: str | None = None
    client_ts: float | None = None
    """The client's clock, in milliseconds."""


class Add(FromClient, frozen=True, kw_only=True, tag="Add"):
    """Subscribe to a query."""

    query_id: U32
    udf_path: str
    args: Arguments
    journal: str | None = None
    component_path: str | None = None


class Remove(FromClient, frozen=True, kw_only=True, tag="Remove"):
    """Drop a subscription."""

    query_id: U32


class ModifyQuerySet(FromClient, frozen=True, kw_only=True, tag="ModifyQuerySet"):
    """Answered by the next transition, even if it changes nothing."""

    base_version: U32
    new_version: U32
    modifications: list[Add | Remove]


class Mutation(FromClient, frozen=True, kw_only=True, tag="Mutation"):
    request_id: U32
    udf_path: str
    args: Arguments
    component_path: str | None = None


class Action(FromClient, frozen=True, kw_only=True, tag="Action"):
    request_id: U32
    udf_path: str
    args: Arguments
    component_path: str | None = None


class Authenticate(FromClient, frozen=True, kw_only=True, tag="Authenticate"):
    """Another identity from here on. Confirmed by a transition with a higher identity version, and only by that."""

    base_version: U32
    token_type: Literal["User", "Admin", "None"]
    value: str = ""
    impersonating: dict[str, Any] | None = None
    acting_as: dict[str, Any] | None = None
    acting_as_snake: dict[str, Any] | None = msgspec.field(default=None, name="acting_as")

    @property
    def attributes(self) -> dict[str, Any] | None:
        """Whom an administrator wants to act as, under whichever of its three names."""
        return self.impersonating or self.acting_as or self.acting_as_snake


class Event(FromClient, frozen=True, kw_only=True, tag="Event"):
    """Diagnostics of the client; of no use to us."""


ClientMessage: TypeAlias = Connect | ModifyQuerySet | Mutation | Action | Authenticate | Event

_decode = msgspec.json.Decoder(ClientMessage).decode


def decode_message(text: str | bytes) -> ClientMessage:
    """
    Raises:
        ProtocolViolated: It is none.
    """
    try:
        return _decode(text)  # type: ignore[no-any-return]
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        message = _with_half_pairs(text)
        if message is None:
            raise ProtocolViolated(f"Received a message that cannot be read: {json_problem(text, error)}") from None
        return message


def _with_half_pairs(text: str | bytes) -> ClientMessage | None:
    """
    A message that cannot be read for the halves of surrogate pairs alone that are in its arguments; else None.

    They stay there, for whoever reads arguments to refuse: one call fails. What is fatal stops JavaScript's
    client until its page is loaded again, and a text that was cut in an emoji is not worth that.
    """
    try:
        text = text.decode() if isinstance(text, bytes) else text
        mark = next((mark for mark in _MARKS if mark not in text), None)
        marked = text if mark is None else replace_half_pairs(text, mark)
        if mark is None or marked == text:
            return None
        message: ClientMessage = _decode(marked)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if isinstance(message, ModifyQuerySet):
        return replace(message, modifications=[_unmarked(each, mark) for each in message.modifications])
    return _unmarked(message, mark)


_MARKS: Final = tuple(f"\\ufd{low:x}" for low in range(0xD0, 0xF0))
"""Escapes of characters that are none (Unicode, section 23.7): few texts have one, and none has all."""

_Marked = TypeVar("_Marked", bound=FromClient)


def _unmarked(message: _Marked, mark: str) -> _Marked:
    if not isinstance(message, Add | Mutation | Action):
        return message
    [args] = message.args
    return replace(message, args=[msgspec.Raw(bytes(args).replace(mark.encode(), b"\\ud800"))])


# -- to clients

PING = '{"type":"Ping"}'


@lru_cache(maxsize=64)
def ts_text(ts: int) -> str:
    """A timestamp as clients know it. Few are in use at a time, in very many messages."""
    return encode_ts(ts)


def version_text(version: Version) -> str:
    query_set, identity, ts = version
    return f'{{"querySet":{query_set},"identity":{identity},"ts":"{ts_text(ts)}"}}'


def updated_text(outcome_value: bytes, log_lines: str, journal: str | None) -> str:
    """A query's value, as the end of a modification: what follows `{"queryId":7`."""
    journal_text = "null" if journal is None else json_text(journal)
    return f',"type":"QueryUpdated","value":{outcome_value.decode()},"logLines":{log_lines},"journal":{journal_text}}}'


def failed_text(message: str, error_data: str, log_lines: str, journal: str | None) -> str:
    """A query's failure, as the end of a modification: what follows `{"queryId":7`."""
    journal_text = "null" if journal is None else json_text(journal)
    return (
        f',"type":"QueryFailed","errorMessage":{json_text(message)},"logLines":{log_lines},'
        f'"journal":{journal_text}{error_data}}}'
    )


def transition_text(
    start: Version, end: Version, modifications: Iterable[str], clock_skew_ms: int | None, server_ts: int
) -> str:
    """The clock fields are integers: a fraction sends some clients into a loop of reconnects."""
    return (
        f'{{"type":"Transition","startVersion":{version_text(start)},"endVersion":{version_text(end)},'
        f'"modifications":[{",".join(modifications)}],'
        f'"clientClockSkew":{"null" if clock_skew_ms is None else clock_skew_ms},"serverTs":{server_ts}}}'
    )


def response_text(kind: str, request_id: int, outcome: Outcome, log_lines: str) -> str:
    """A call that returned. Mutations carry their commit timestamp, actions have none."""
    ts = f'"ts":"{ts_text(outcome.commit_ts)}",' if kind == "MutationResponse" else ""
    return (
        f'{{"type":"{kind}","requestId":{request_id},"success":true,"result":{outcome.value.decode()},{ts}'
        f'"logLines":{log_lines}}}'
    )


def failure_text(kind: str, request_id: int, message: str, error_data: str, log_lines: str) -> str:
    """A call that failed."""
    ts = '"ts":null,' if kind == "MutationResponse" else ""
    return (
        f'{{"type":"{kind}","requestId":{request_id},"success":false,"result":{json_text(message)},{ts}'
        f'"logLines":{log_lines}{error_data}}}'
    )


def auth_error_text(message: str, base_version: int, *, update_attempted: bool) -> str:
    """The identity was refused, or is over. `base_version` is that of the last transition sent."""
    return (
        f'{{"type":"AuthError","error":{json_text(message)},"baseVersion":{base_version},'
        f'"authUpdateAttempted":{"true" if update_attempted else "false"}}}'
    )


def fatal_error_text(message: str) -> str:
    """Stops a client for good."""
    return f'{{"type":"FatalError","error":{json_text(message)}}}'
