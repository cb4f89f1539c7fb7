"""
Backups: one file that holds a whole deployment, and the proof that it can be restored.

    snapshot.py      a consistent copy of the database, taken while it is written to; its checks
    archive.py       the copy and the files it refers to, as one file; reading it with suspicion
    destinations.py  where backups are kept: folders and buckets
    keep.py          which of them may go
    restoring.py     a backup in the place of a database, by renames
    declaring.py     what `[backup]` may say
    making.py        making, verifying and drilling: the parts put together
    __main__.py      the process that the server has a backup made by

All of it is synchronous and made for a process of its own. It only reads the live database, so
it needs no server, and none has to stop.
"""
