"""
A database that keeps every version, and the queries on it: what isolates would do, as pure functions.

Five points hold a number each, two channels hold rows at positions. The queries differ in
what makes results hard to keep: read sets that depend on the data, the identity looked at
always or only for some data, the time of day, pages that have to end where they ended, failures.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from joelclaw.engine.results import Result
from joelclaw.functions.calls import INFINITY, Call, Failure, Identity, Outcome, Range
from joelclaw.store.protocol import IndexKey

POINTS = 5
CHANNELS = 2
POSITIONS = 12
PAGE_ROWS = 2
SECRET = "secret"
"""A path that nobody may call anonymously."""

REFUSED = Result(Outcome(failure=Failure(message="refused")))

PATHS = ("pair", "follow", "mine", "maybe", "before", "before", "page", "page", SECRET)

POINTS_INDEX, ROWS_INDEX = 1, 2


class Query(NamedTuple):
    """What a client subscribes to."""

    path: str
    args: bytes


class State(NamedTuple):
    """One version of the data."""

    points: tuple[int, ...] = (0,) * POINTS
    channels: tuple[tuple[int, ...], ...] = ((1, 4, 7, 10),) * CHANNELS

    def with_point(self, point: int, value: int) -> "State":
        points = list(self.points)
        points[point] = value
        return self._replace(points=tuple(points))

    def with_row_flipped(self, channel: int, position: int) -> "State":
        """Insert the row, or delete it if it is there."""
        channels = list(self.channels)
        channels[channel] = tuple(sorted(set(channels[channel]) ^ {position}))
        return self._replace(channels=tuple(channels))


def point_key(point: int) -> IndexKey:
    return IndexKey(POINTS_INDEX, bytes([point]), (0, 1))


def row_key(channel: int, position: int) -> IndexKey:
    return IndexKey(ROWS_INDEX, bytes([channel, position]), (0, 1, 2))


def identity_of(name: str | None) -> Identity | None:
    return None if name is None else Identity(issuer="i", subject=name, token_identifier=f"i|{name}", claims={})


def args_of(path: str, number: int) -> bytes:
    """Arguments of a query, out of a small number of possible ones."""
    if path == "page":
        return b"[%d,%d]" % (number % CHANNELS, 3 * (number // CHANNELS % 3))
    return b"[%d]" % (number % POINTS)


def run(call: Call, code: int, state: State, now: float) -> Outcome:
    """What an isolate answers, with everything that the reactor has to know of it."""
    path, points = call.path, state.points
    a, *rest = msgspec.json.decode(call.args)
    who = call.identity.subject if call.identity is not None else None
    if path == "pair":
        b = (a + 1) % POINTS
        return _outcome((code, points[a], points[b]), {a, b}, failing=(points[a] + points[b]) % 7 == 6)
    if path == "follow":
        b = points[a] % POINTS
        return _outcome((code, points[b]), {a, b})
    if path == "mine":
        return _outcome((code, who, points[a]), {a}, personal=True)
    if path == "maybe":
        looks = points[a] % 2 == 1
        return _outcome((code, points[a], who if looks else None), {a}, personal=looks)
    if path == "before":
        is_before = now < points[a]
        return _outcome((code, is_before), {a}, timed=True, expires=points[a] if is_before else INFINITY)
    if path == "page":
        return _page(code, state, a, rest[0], call.journal)
    assert path == SECRET, path
    assert who is not None, "a refused call was run"
    return _outcome((code, "secret", points[a]), {a})


def expectation(query: Query, identity: str | None, journal: str | None, code: int, state: State, now: float) -> Result:
    """What this query is to show for this identity."""
    if query.path == SECRET and identity is None:
        return REFUSED
    call = Call(path=query.path, args=query.args, identity=identity_of(identity), journal=journal)
    return Result(run(call, code, state, now))


def text_of(result: Result) -> str:
    """A value or a failure, to be compared."""
    return result.failure.message if result.failure is not None else result.value.decode()


def _outcome(
    value: object,
    points: Iterable[int],
    *,
    failing: bool = False,
    personal: bool = False,
    timed: bool = False,
    expires: float = INFINITY,
) -> Outcome:
    return Outcome(
        value=b"null" if failing else repr(value).encode(),
        failure=Failure(message=repr(value)) if failing else None,
        reads=[Range(index=POINTS_INDEX, prefix=bytes([point])) for point in sorted(points)],
        personal=personal,
        timed=timed,
        expires=expires,
    )


def _page(code: int, state: State, channel: int, start: int, journal: str | None) -> Outcome:
    """Rows from `start`: up to the journal's end, otherwise a few; the journal says where that was."""
    rows = state.channels[channel]
    rest = rows[bisect_left(rows, start) :]
    shown = rest[PAGE_ROWS - 1] + 1 if len(rest) >= PAGE_ROWS else POSITIONS
    end = shown if journal is None else int(journal)
    read = Range(
        index=ROWS_INDEX,
        prefix=bytes([channel]),
        start=bytes([channel, start]) if start else None,
        end=bytes([channel, end]) if end < POSITIONS else None,
    )
    value = repr((code, [row for row in rest if row < end])).encode()
    return Outcome(value=value, reads=[read], journal=str(end))
