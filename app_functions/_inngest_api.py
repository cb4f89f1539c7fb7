"""
Inngest's HTTP API: the events that it received, and the runs of an event.

It is the REST API v1, `https://api.inngest.com` or a server of one's own, asked with its signing key as bearer token. A
list of events comes newest first; the next page begins behind the last event of the one before.

Whatever is no answer becomes one sentence (`CannotAsk`), and when to ask again if Inngest says so. An answer is bounded
in bytes and in time, however slowly it comes. Of a list whatever is not understood is left out, and logged: one strange
event is not to keep us from all others for ever.

Elsewhere: `inngest.py` decides what to ask, and keeps the answers.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from schema import NewEvent, NewRun, RunState

if TYPE_CHECKING:
    import httpx

PAGE: Final = 50
"""Events asked for at once: the most that every version of Inngest gives."""

ANSWER_TIMEOUT_S: Final = 15.0
BODY_BYTES_MAX: Final = 8 * 2**20
RUNS_MAX: Final = 100
"""Of one event."""

WAIT_MAX_S: Final = 600.0
"""We ask again after so long, whatever `Retry-After` says."""

NAME_CHARACTERS: Final = 200
PROBLEM_CHARACTERS: Final = 400

STATES: Final[dict[str, RunState]] = {
    "running": "running",
    "scheduled": "running",
    "queued": "running",
    "completed": "completed",
    "failed": "failed",
    "overflowed": "failed",
    "cancelled": "cancelled",
    "skipped": "cancelled",
}

T = TypeVar("T")

log = logging.getLogger("inngest")


class CannotAsk(Exception):
    """There is no answer, or it is none. Nothing was changed."""

    def __init__(self, problem: str, wait_s: float = 0.0) -> None:
        super().__init__(problem, wait_s)
        self.wait_s = wait_s
        """Inngest has asked not to be asked for so long."""

    def __str__(self) -> str:
        return str(self.args[0])


class _Answer(msgspec.Struct):
    data: list[msgspec.Raw] | None


class _Event(msgspec.Struct):
    internal_id: str
    name: str
    received_at: str
    data: Any = None


class _Run(msgspec.Struct):
    run_id: str
    function_id: str
    status: str
    run_started_at: str
    ended_at: str | None = None
    output: Any = None


class Api:
    """One Inngest, and as whom we ask it."""

    def __init__(self, client: "httpx.AsyncClient") -> None:
        self._client = client

    async def events(self, after: float, cursor: str | None) -> list[NewEvent]:
        """
        A page of the events received since an instant, the newest first.

        Raises:
            CannotAsk: There is no answer.
        """
        asked = {"limit": str(PAGE), "received_after": _iso(after), **({"cursor": cursor} if cursor else {})}
        answer = await self._answer("/v1/events", asked)
        return [_event(found) for found in _understood(answer, _Event)]

    async def runs(self, event_id: str) -> list[NewRun]:
        """
        All runs of an event so far; none if Inngest does not know it any more.

        Raises:
            CannotAsk: There is no answer.
        """
        answer = await self._answer(f"/v1/events/{event_id}/runs", {})
        return [_run(found) for found in _understood(answer, _Run)][:RUNS_MAX]

    async def _answer(self, path: str, asked: dict[str, str]) -> _Answer:
        import httpx  # Here: only the process that runs actions needs it.

        try:
            # httpx bounds each piece; a body that comes in drops is bounded here.
            async with asyncio.timeout(ANSWER_TIMEOUT_S), self._client.stream("GET", path, params=asked) as response:
                if response.status_code == 404:
                    return _Answer(data=None)
                if response.status_code != 200:
                    raise _refusal(response.status_code, response.headers.get("retry-after", ""))
                body = await _bounded(response)
        except (TimeoutError, httpx.TimeoutException):
            raise CannotAsk("Inngest does not answer in time.") from None
        except httpx.RemoteProtocolError:
            raise CannotAsk("Inngest's answer was cut off.") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CannotAsk(f"Inngest cannot be reached: {error or type(error).__name__}.") from None
        try:
            return msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise CannotAsk("What Inngest answers is no list.") from None


@contextlib.asynccontextmanager
async def opened(url: str, signing_key: str) -> AsyncIterator[Api]:
    """
    An Inngest to ask, until the block ends.

    Redirects are not followed: the key is for this address.
    """
    import httpx

    # It tells each request, six times a minute; what matters of them the source tells.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    headers = {"Authorization": f"Bearer {signing_key}"} if signing_key else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
        yield Api(client)


async def _bounded(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise CannotAsk(f"Inngest's answer is longer than {BODY_BYTES_MAX // 2**20} MiB.")
    return bytes(body)


def _refusal(status: int, retry_after: str) -> CannotAsk:
    if status == 401 or status == 403:
        return CannotAsk(f"Inngest does not take our signing key ({status}).")
    wait_s = _seconds(retry_after)
    if status == 429:
        return CannotAsk("Inngest asks us to ask less often (429).", wait_s)
    return CannotAsk(f"Inngest answers {status}.", wait_s)


def _seconds(retry_after: str) -> float:
    """RFC 9110, 10.2.3, in seconds; one that is a date is left to our own patience."""
    if not (retry_after.isascii() and retry_after.isdecimal()):
        return 0.0
    return min(float(retry_after[:9]), WAIT_MAX_S)


def _understood(answer: _Answer, kind: type[T]) -> list[T]:
    found = []
    for raw in answer.data or []:
        try:
            found.append(msgspec.json.decode(raw, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("Inngest lists something that is not understood: %s", error)
    if answer.data and not found:
        raise CannotAsk("Nothing of what Inngest lists is understood.")
    return found


def _event(found: _Event) -> NewEvent:
    data = found.data if isinstance(found.data, dict) else {}
    # `inngest/function.finished`, `.failed` and `.cancelled` are the only place that tells what a function is called.
    is_report = found.name.startswith("inngest/function.")
    return NewEvent(
        event_id=found.internal_id[:100],
        name=found.name[:NAME_CHARACTERS] or "?",
        received_at=_instant(found.received_at) or 0.0,
        about_run=_text(data.get("run_id"), 100) if is_report else None,
        function_name=_text(data.get("function_id"), NAME_CHARACTERS) if is_report else None,
    )


def _run(found: _Run) -> NewRun:
    # A state that is none of ours is one that has not ended: we ask again.
    state = STATES.get(found.status.lower(), "running")
    return NewRun(
        run_id=found.run_id[:100],
        function_id=found.function_id[:100],
        state=state,
        started_at=_instant(found.run_started_at) or 0.0,
        ended_at=None if state == "running" else _instant(found.ended_at),
        problem=_problem(found.output) if state == "failed" else "",
    )


def _problem(output: Any) -> str:
    """What a function that failed left: an error with its name and message, or anything."""
    if isinstance(output, dict) and isinstance(output.get("message"), str):
        return str(output["message"])[:PROBLEM_CHARACTERS]
    if output is None:
        return ""
    return (output if isinstance(output, str) else json.dumps(output))[:PROBLEM_CHARACTERS]


def _text(value: Any, characters: int) -> str | None:
    return value[:characters] if isinstance(value, str) and value else None


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(text: str | None) -> float | None:
    """RFC 3339, in milliseconds; None for none, which Go writes as the year 1."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.timestamp() * 1000 if at.year > 1 else None
    except (ValueError, OverflowError):
        return None
