from joelclaw import Id, StoredFile, Table, index


class Note(Table):
    __table__ = "notes"
    room: str
    text: str
    by_room = index("room")


class Typing(Table, expires_at="until"):
    __table__ = "typing"
    who: str
    until: float


class Picture(Table):
    __table__ = "pictures"
    file: Id[StoredFile]
