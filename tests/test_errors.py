"""`joelclaw.errors`: errors that hold facts and travel between processes."""

import pickle

import pytest

from joelclaw.errors import AppError, BadDuration, BadId, BadPath, BadTimestamp, BadValue, Int64Overflow, PlatformError


@pytest.mark.parametrize(
    "error",
    [
        BadValue(".a[3]", "no"),
        Int64Overflow(2**63),
        BadId("x"),
        BadPath("a:", "no"),
        BadTimestamp("x"),
        BadDuration(30, "no"),
        AppError({"code": 7}),
    ],
)
def test_errors_survive_pickling(error: Exception) -> None:
    """An isolate raises it, the gateway answers it: facts and sentence come along."""
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_an_apps_own_error_is_not_ours() -> None:
    """`except PlatformError` does not swallow what an app says to its client."""
    assert not issubclass(AppError, PlatformError)
    assert AppError("full").data == "full"


def test_errors_grow_paths_from_the_inside_out() -> None:
    """Each container on the way adds its step in front."""
    error = BadValue("", "no").inside("[3]").inside(".a")
    assert str(error) == ".a[3]: no"
    assert str(BadValue("", "no")) == "no"
