"""
Stored files: where their bytes are, and how they get there.

Bytes only. Each file's are kept under a random key and never change; which keys are files, of
what type and size, the database knows (`system/files.py`), and only what it knows is served.
So bytes are safe first and recorded then, and whatever has no record after a while is swept:
a crash in between loses nothing that anybody was told of.

Nothing here knows the database, HTTP or an app. `protocol.py` says what a place for bytes can
do and imports no event loop; `disk.py` and `s3.py` are the places; `opening.py` picks one by its
URL; `receiving.py` takes bytes in; `upload_tokens.py` says who may upload.
"""
