from joelclaw import Table, index


class Note(Table):
    __table__ = "notes"
    room: str
    text: str
    by_room = index("room", "text")


class Counter(Table):
    __table__ = "counters"
    name: str
    value: int = 0
    by_name = index("name", unique=True)
