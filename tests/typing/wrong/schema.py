from joelclaw import Id, Object, Table, index, search_index, vector_index


class Room(Table):
    __table__ = "rooms"
    name: str
    vector: list[float] | None = None
    by_name = index("name", unique=True)
    search_name = search_index("name")
    by_vector = vector_index("vector", dimensions=2)


class Point(Object):
    x: int


class User(Table):
    __table__ = "users"
    name: str
    room: Id[Room]
    by_name = index("name")
