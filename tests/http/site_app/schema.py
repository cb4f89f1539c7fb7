from joelclaw import Table


class Note(Table):
    __table__ = "notes"
    text: str
