"""
Pages: the argument and the result that clients' pagination speaks.

The names are the clients' own. They send more than they need answered (`id` tells two hooks
apart), and they insist on a cursor even when there is nothing left.
"""

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from msgspec import UNSET, UnsetType

from joelclaw.schema.structs import Object

T = TypeVar("T")
R = TypeVar("R")


class PageOptions(Object):
    """Which page is wanted. The parameter must be called `pagination_opts`: clients insist."""

    num_items: int
    """How many documents; ignored where an end is given."""

    cursor: str | None
    """Where the page begins; None is the start."""

    end_cursor: str | UnsetType | None = UNSET
    """Where it ends."""

    maximum_rows_read: int | UnsetType = UNSET
    maximum_bytes_read: int | UnsetType = UNSET

    id: float | UnsetType = UNSET
    """Number of the client's hook. It only makes two hooks' arguments differ."""


class Page(Object, Generic[T]):
    """One page of an ordered result."""

    page: list[T]
    is_done: bool
    """Nothing comes after this page."""

    continue_cursor: str
    """Where the next page begins; a cursor also when this is the last."""

    split_cursor: str | None = None
    """A place near the middle, for a page that grew too large."""

    page_status: Literal["SplitRecommended", "SplitRequired"] | None = None

    def map(self, fn: Callable[[T], R], /) -> "Page[R]":
        """The same page with other contents: `page.map(view_of)`."""
        return Page(
            page=[fn(item) for item in self.page],
            is_done=self.is_done,
            continue_cursor=self.continue_cursor,
            split_cursor=self.split_cursor,
            page_status=self.page_status,
        )
