"""`joelclaw.schema.pagination`: pages as clients ask for them and expect them."""

from typing import Any

import pytest

from joelclaw.errors import ValueRefused
from joelclaw.schema.hints import Scope
from joelclaw.schema.pagination import Page, PageOptions
from joelclaw.schema.shapes import Shape, shape_of

SCOPE = Scope(__name__, globals())
OPTIONS: Shape = shape_of(PageOptions, SCOPE)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"numItems":3,"cursor":null}',
        b'{"numItems":3,"cursor":null,"id":1}',
        b'{"numItems":3.0,"cursor":"x","endCursor":"y","id":1.0}',
        b'{"numItems":3,"cursor":"x","endCursor":null,"maximumRowsRead":10,"maximumBytesRead":1000}',
    ],
)
def test_options_of_every_client_are_taken(raw: bytes) -> None:
    """Hooks send an id, splits an end, servers their limits; whole numbers come as 3 or 3.0."""
    options = OPTIONS.decode(raw)

    assert options.num_items == 3
    assert type(options.num_items) is int


@pytest.mark.parametrize("raw", [b"{}", b'{"numItems":"3","cursor":null}', b'{"numItems":1.5,"cursor":null}'])
def test_other_options_are_refused(raw: bytes) -> None:
    """A page needs a size and a place to begin."""
    with pytest.raises(ValueRefused):
        OPTIONS.decode(raw)


def test_a_page_is_a_result_that_clients_know() -> None:
    """All five fields are always there, and the contents are checked as their type says."""
    page: Page[int] = Page(page=[1, 2], is_done=False, continue_cursor="c")

    assert shape_of(Page[int], SCOPE).encode(page) == (
        b'{"page":[1,2],"isDone":false,"continueCursor":"c","splitCursor":null,"pageStatus":null}'
    )
    with pytest.raises(ValueRefused, match=r"Path: \.page\[0\]"):
        shape_of(Page[str], SCOPE).encode(page)


def test_a_page_can_be_mapped() -> None:
    """The contents change, and everything else stays."""
    page: Page[Any] = Page(
        page=[1], is_done=True, continue_cursor="c", split_cursor="s", page_status="SplitRecommended"
    )

    assert page.map(str) == Page(
        page=["1"], is_done=True, continue_cursor="c", split_cursor="s", page_status="SplitRecommended"
    )
