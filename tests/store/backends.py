"""The databases that the suite runs on. A backend is anything that opens stores."""

from pathlib import Path
from typing import Any

from joelclaw.store.sqlite import SqliteStore, open_sqlite


class Backend:
    """One database under one URL; closes what it opened."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._stores: list[SqliteStore] = []

    def open(self, **options: Any) -> SqliteStore:
        # Durability is not what these tests can see: no power is cut here, processes are killed.
        store = open_sqlite(self.url, "none", **options)
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()


def file_backend(folder: Path) -> Backend:
    """A file, which other connections and other processes may open as well."""
    return Backend(f"sqlite:///{folder / 'data' / 'joelclaw.db'}")


def memory_backend(_folder: Path) -> Backend:
    """Each store that is opened is a database of its own."""
    return Backend("sqlite://")


BACKENDS = {"sqlite-file": file_backend, "sqlite-memory": memory_backend}
