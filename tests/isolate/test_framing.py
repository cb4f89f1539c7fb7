"""Framing: messages survive however a stream cuts them."""

import random

import pytest

from joelclaw.isolate.framing import MESSAGE_BYTES_MAX, Unframer, decode_message, framed
from joelclaw.isolate.messages import CloseRound, OpenRound, ToIsolate


def test_messages_arrive_whole_however_the_stream_is_cut() -> None:
    """Whatever pieces a stream arrives in, the same messages come out, in order."""
    messages: list[ToIsolate] = [OpenRound(round=1), CloseRound(round=2**40), OpenRound(round=3)]
    stream = b"".join(map(framed, messages))
    for seed in range(200):
        pick = random.Random(seed)
        cuts = sorted(pick.choices(range(len(stream) + 1), k=pick.randrange(8)))
        unframer = Unframer()
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        received = [decode_message(body) for piece in pieces for body in unframer.feed(piece)]
        assert received == messages, f"seed {seed}: cut at {cuts}"


def test_a_length_that_no_message_has_is_refused() -> None:
    """A stream that is out of step is refused at once, not awaited to its imagined end."""
    with pytest.raises(ValueError, match="at most"):
        list(Unframer().feed((MESSAGE_BYTES_MAX + 1).to_bytes(4, "big")))
