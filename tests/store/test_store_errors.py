"""The store's errors: sentences that end with what to do, and facts that travel between processes."""

import pickle

import pytest

from joelclaw.errors import (
    DuplicateId,
    DuplicateKey,
    IndexNotUnique,
    LayoutChanged,
    OutcomeUnknown,
    PlatformError,
    StatementInterrupted,
    StoreBusy,
    StoreFailed,
    StoreFull,
    StoreUnreadable,
    TableNumberTaken,
)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (DuplicateKey("users", "byGithub", "j57"), "patch that document, or choose another key"),
        (DuplicateId("users", "j57"), "insert without an id"),
        (IndexNotUnique("users", "byGithub", "j57", "j58"), "or drop unique=True"),
        (TableNumberTaken("users", 10_001, "rooms has it"), "rooms has it"),
        (LayoutChanged(), "must be replaced"),
        (StoreBusy("joelclaw.db", 5.0), "or try again"),
        (StoreFull("joelclaw.db"), "Free some space"),
        (StoreUnreadable("joelclaw.db", "is empty"), "joelclaw.db is empty"),
        (StoreFailed("joelclaw.db", "disk I/O error"), "the latest backup"),
        (OutcomeUnknown("joelclaw.db", "disk I/O error"), "after a restart"),
        (StatementInterrupted(), "over its time"),
    ],
)
def test_errors_survive_pickling_and_say_what_to_do(error: BaseException, advice: str) -> None:
    """An isolate raises it, the gateway answers it: facts and sentence come along."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
    assert advice in str(error)


def test_an_interrupted_statement_is_nothing_that_an_app_catches() -> None:
    """`except Exception` in a function must not swallow it."""
    assert not issubclass(StatementInterrupted, Exception)
    assert issubclass(DuplicateKey, PlatformError)
