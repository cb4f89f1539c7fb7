"""The tables of the app that the isolates' tests run."""

from joelclaw import Table, index


class Note(Table):
    __table__ = "notes"
    text: str
    by_text = index("text")
