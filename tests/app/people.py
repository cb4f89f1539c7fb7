"""The people of this repository's app, signed in as for real."""

import zlib

from joelclaw.testing import Backend, Caller


def owner(backend: Backend) -> Caller:
    """Whose site it is."""
    return _from_github(backend, "Joel", "joelhooks")


def reader(backend: Backend, name: str = "Ann") -> Caller:
    """Somebody with an account at GitHub; the same name is the same person."""
    return _from_github(backend, name, name.lower())


def guest(backend: Backend, name: str = "Gus") -> Caller:
    """Somebody who gave a name and nothing else; the same name is the same guest."""
    return backend.sign_in(f"guest {name}", provider="anonymous", kind="anonymous", name=name)


def _from_github(backend: Backend, name: str, login: str) -> Caller:
    account = str(zlib.crc32(login.encode()))
    return backend.sign_in(account, provider="github", name=name, claims={"login": login})
