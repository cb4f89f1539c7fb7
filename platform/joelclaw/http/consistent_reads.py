"""
Consistent reads: the timestamps that `query_ts` gave out, and how long they hold.

A client asks once for a timestamp and names it in all its later queries. We keep no old
versions, so such a query is answered at the newest snapshot, which holds everything that the
promised one held. A timestamp holds as long as nothing was committed since, and otherwise for
the 30 seconds that clients are promised, counted from when it was last given out. Its own
distance from the newest commit would say nothing: on a quiet deployment the newest commit is
hours old when it is given out, and outdated a moment later.
"""

from collections import OrderedDict

from joelclaw.errors import BadTimestamp, RequestRefused
from joelclaw.values.timestamps import decode_ts

WINDOW_MS = 30_000.0
GIVEN_OUT_MAX = 4_096


class ConsistentReads:
    """Which timestamps may still be asked for."""

    def __init__(self) -> None:
        self._given_out: OrderedDict[int, float] = OrderedDict()
        """When each was last given out, the longest ago first."""

    def give_out(self, published_ts: int, now_ms: float) -> int:
        """The newest commit's timestamp, which may be asked for from now on."""
        self._given_out[published_ts] = now_ms
        self._given_out.move_to_end(published_ts)
        if len(self._given_out) > GIVEN_OUT_MAX:
            self._given_out.popitem(last=False)
        return published_ts

    def check(self, text: str | None, published_ts: int, now_ms: float) -> None:
        """
        Raises:
            RequestRefused: No query can be answered at this timestamp (any more).
        """
        if text is None:
            raise RequestRefused(400, "BadTimestamp", "'ts' is missing; ask /api/query_ts for one")
        try:
            ts = decode_ts(text)
        except BadTimestamp as error:
            raise RequestRefused(400, "BadTimestamp", str(error)) from None
        if ts > published_ts:
            raise RequestRefused(400, "BadTimestamp", "The timestamp is ahead of the newest commit")
        given_out_at = self._given_out.get(ts)
        if ts != published_ts and (given_out_at is None or now_ms - given_out_at > WINDOW_MS):
            raise RequestRefused(400, "SnapshotTooOld", "The timestamp is more than 30 s old; ask for a new one")
