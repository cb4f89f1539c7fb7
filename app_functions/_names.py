"""
Invented names: what strangers are told of machines, whose real names are nobody's business.

The same machine has the same name for as long as the deployment's secret is the same, also after it was gone. Where
two would have one name, the later has a number. Who knows a real name cannot find out which invented one it has: the
secret is not theirs.
"""

import hmac
from collections.abc import Container
from typing import Final


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


QUALITIES: Final = _words(
    "amber brisk calm clear copper dappled dusky early faint fallow fleet gentle gilded golden hazel hidden hollow "
    "humble idle keen kindly late light little lucid mellow merry mild misty mossy muted nimble northern pale patient "
    "plain proud quick quiet russet sandy scarlet shady silent silver sleepy slow small soft solemn southern spare "
    "speckled steady still stout sunny swift tawny tidy velvet warm wild young"
)
BIRDS: Final = _words(
    "avocet bittern blackbird bluetit brambling bullfinch bunting buzzard chaffinch chough coot crane crossbill "
    "curlew dipper dotterel dunlin dunnock eider falcon fieldfare finch gadwall gannet godwit goldcrest grebe "
    "greenfinch harrier heron hoopoe ibis jackdaw kestrel kingfisher kite knot lapwing lark linnet magpie merlin "
    "nightjar nuthatch osprey oriole ouzel petrel pipit plover pochard puffin quail redpoll redstart robin sandpiper "
    "siskin skylark snipe starling swallow"
)


def invented_name(secret: str, key: str, taken: Container[str]) -> str:
    """`quiet heron`, or `quiet heron 2` where that is somebody else."""
    drawn = int.from_bytes(hmac.digest(secret.encode(), key.encode(), "sha256")[:8], "big")
    quality, bird = QUALITIES[drawn % len(QUALITIES)], BIRDS[drawn // len(QUALITIES) % len(BIRDS)]
    name, number = f"{quality} {bird}", 1
    while name in taken:
        number += 1
        name = f"{quality} {bird} {number}"
    return name
