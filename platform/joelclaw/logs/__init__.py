"""
Logs: what the app's functions did, kept and shown.

One entry a run: a mutation, an action, an HTTP action, a query that failed or said something. What
a query answers quietly or from the cache leaves none: that is most of what a deployment does, and
writing it down would cost more than doing it.

Entries are numbered by the moment at which the run ended, in microseconds, so that one number is
time, order and cursor, over restarts too. They live in memory for a moment, where followers find
them, and in a SQLite file of their own, which is not part of the app's data: it may be deleted at
any time, losing nothing but the past.

`entries.py` says what an entry is, `file.py` keeps them, `recorder.py` takes them from the engine
and hands them to followers, `stream.py` is how clients see them.
"""
