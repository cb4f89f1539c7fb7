"""`joelclaw.values.paths`: one name for one function."""

import pytest

from joelclaw.errors import BadPath
from joelclaw.values.paths import normalise


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("messages:list", "messages:list"),
        ("messages.js:list", "messages:list"),
        ("messages.py:list", "messages:list"),
        ("messages", "messages:default"),
        ("messages.js", "messages:default"),
        ("messages:default", "messages:default"),
        ("messages.js:default", "messages:default"),
        ("ops/stats.js:byDay", "ops/stats:byDay"),
        ("_system/cli/tables", "_system/cli/tables:default"),
        ("_system/cli/queryImport:list", "_system/cli/queryImport:list"),
        ("js:list", "js:list"),
        ("a:b:c", "a:b:c"),
    ],
)
def test_spellings(path: str, canonical: str) -> None:
    """All spellings that clients send become one, which stays itself (FN-3)."""
    assert normalise(path) == canonical
    assert normalise(canonical) == canonical


@pytest.mark.parametrize(
    "path", ["", ":", ":list", "messages:", "/messages:list", "ops//stats:a", "ops/:a", "/", ".js:list", "ops/.js:a"]
)
def test_refuses_empty_parts(path: str) -> None:
    """A path with an empty module, folder or function names nothing."""
    with pytest.raises(BadPath, match="is not a function path"):
        normalise(path)


@pytest.mark.parametrize("path", ["api.messages.list", "messages.rb:list", "../messages:list", "messages.js.js:list"])
def test_refuses_dots_that_begin_no_extension(path: str) -> None:
    """A dotted module is a mistake, most often a JavaScript reference written as a string."""
    with pytest.raises(BadPath, match="write it as 'folder/module:function'"):
        normalise(path)
