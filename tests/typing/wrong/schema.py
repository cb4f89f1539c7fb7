from joelclaw import Id, Object, Table, index


class Room(Table):
    __table__ = "rooms"
    name: str
    by_name = index("name", unique=True)


class Point(Object):
    x: int


class User(Table):
    __table__ = "users"
    name: str
    room: Id[Room]
    by_name = index("name")
