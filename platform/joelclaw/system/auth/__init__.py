"""
Sign-in: who somebody is, and for how long. The decisions, each one transaction.

    accounts.py    what sign-in methods have verified, and whose it is
    sessions.py    login sessions, refresh tokens, and what has ended
    keys.py        signing keys, sealed
    anonymous.py   the method that asks for nothing

Rows hold ids, hashes and what is sealed: nobody makes a token of them. Everything random comes
from the gateway, as an argument: a function that is run again draws other numbers, and what it
drew stands in nobody's log of calls.

Elsewhere: `joelclaw.auth` has the secrets, and asks.
"""
