"""Random values, for properties: of every type, and small enough to collide and to shrink."""

import math
import struct

from hypothesis import strategies as st

from joelclaw.values.int64 import INT64_MAX, INT64_MIN, Int64
from joelclaw.values.wire import Value

NEGATIVE_NAN: float = struct.unpack(">d", bytes.fromhex("fff8000000000000"))[0]

floats = st.floats() | st.sampled_from([0.0, -0.0, math.nan, NEGATIVE_NAN, math.inf, -math.inf, 2.0**53, 1e300, 5e-324])
int64s = st.integers(INT64_MIN, INT64_MAX).map(Int64)
texts = st.text() | st.text("a\0\xff\ue000\U0001f600", max_size=4)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=4).filter(lambda name: name[:1] != "$")
scalars: st.SearchStrategy[Value] = st.none() | st.booleans() | floats | int64s | texts | st.binary(max_size=9)


def _containers(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    return st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4)


values: st.SearchStrategy[Value] = st.recursive(scalars, _containers, max_leaves=12)
