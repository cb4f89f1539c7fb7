"""
Export and import: an app's documents and files as files that people and other programs read.

Both run in a process of their own (`__main__.py`), so that neither the gateway's loop nor the
writer reads a million lines, and both stream: memory does not follow the size of the data.

    archive.py     the ZIP of clients, read with suspicion and written
    documents.py   documents in ZIPs, JSON lines, JSON arrays and CSV, line by line
    exporting.py   one snapshot, written to a file
    importing.py   a file, checked and staged, then taken in by one transaction
    worker.py      the gateway's end of such a process
    transfers.py   which exports and imports there are, and what may be asked of them

An import ends as a deploy does: isolates that know the new tables take over, and every query that
somebody watches is run again.
"""
