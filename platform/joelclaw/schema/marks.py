"""
Marks: what a hint says beyond its Python type.

`Id[Comment]` is text that names a comment: for a type checker a class of its own, at run time
`Annotated[str, IdMark(Comment)]`, so that msgspec and everybody else see a `str`. Whether an
id is one, and of which table, is not a matter of its letters alone: two patterns cannot stand
in one union. It is checked in a second pass (`id_checks.py`).

`Arg("from")` names an argument that Python has no word for.
"""

from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from joelclaw.schema.tables import Table

D_co = TypeVar("D_co", bound="Table", covariant=True)


class IdMark(msgspec.Struct, frozen=True):
    """Marks text as an id of `target`: a table, a union of tables, or the name of either."""

    target: Any

    def __hash__(self) -> int:
        return hash((IdMark, self.target))


if TYPE_CHECKING:

    class Id(str, Generic[D_co]):
        """The id of a document: `Id[Comment]`, `Id["Comment"]`, or of several tables, `Id[Room | User]`."""

else:

    class Id:
        """The id of a document: `Id[Comment]`, `Id["Comment"]`, or of several tables, `Id[Room | User]`."""

        def __class_getitem__(cls, target):
            return Annotated[str, IdMark(target)]


class Arg(msgspec.Struct, frozen=True):
    """Another name on the wire for one argument: `sender: Annotated[str, Arg("from")]`."""

    name: str
