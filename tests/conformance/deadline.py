"""
How long to wait for what has to come.

Nothing in these tests waits for time to pass: they wait for events, and only what is broken
takes this long.
"""

PATIENCE_S = 120.0
