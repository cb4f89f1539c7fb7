"""
The benchmarks: ours beside the limit, in one run, interleaved.

    python -m bench            every row
    python -m bench cached     one row

The *limit* (`limit/`) is a hand-written server that does nothing but the work: what is left
when a backend has no functions, no isolation and no read sets. Rows are ratios of medians of
alternating runs, because machines are noisy and shared; absolute figures are beside them for
orientation.
"""
