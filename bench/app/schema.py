"""The tables of the benchmarks."""

from joelclaw import Table, index


class Message(Table):
    __table__ = "messages"
    channel: str
    body: str
    author: str
    by_channel = index("channel")


class Account(Table):
    __table__ = "accounts"
    number: int
    balance: int
    transfers: int = 0
    by_number = index("number", unique=True)
