"""
The manifest: what an app declares, as data.

An isolate loads the user's files and tells the manifest; the gateway, the code generator,
the router and the command line work from it and never import user code.
"""

from typing import Literal, TypeAlias

import msgspec

from joelclaw.schema.validators import ObjectType, Validator

FunctionKind: TypeAlias = Literal["query", "mutation", "action"]


class Place(msgspec.Struct, frozen=True):
    """Where something stands in the user's files, for messages: `app_functions/comments.py:12`."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with an app: where, what, why, and what to write instead."""

    place: Place
    name: str
    """What it is about: `Comment.by_article`, `comments.add, parameter 'when'`."""

    reason: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.place}: {self.name}: {self.reason}{advice}"


class Internal(msgspec.Struct, frozen=True, tag="internal"):
    """Callable by other functions, the command line and the dashboard only."""


class Anyone(msgspec.Struct, frozen=True, tag="anyone"):
    """Callable by everybody."""


class SignedIn(msgspec.Struct, frozen=True, tag="signed_in"):
    """Callable by verified users."""


class HasRole(msgspec.Struct, frozen=True, tag="role"):
    """Callable by users with this role."""

    role: str


class OwnRule(msgspec.Struct, frozen=True, tag="rule"):
    """A predicate of the app decides; it runs inside the function's own transaction."""

    name: str


Allow: TypeAlias = Internal | Anyone | SignedIn | HasRole | OwnRule


class IndexSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An index of a table. Every one ends implicitly with creation time, then id."""

    name: str
    """As on the wire (`byArticle`); the table's own are `by_id` and `by_creation_time`."""

    python_name: str
    fields: tuple[str, ...]
    """Dotted wire paths."""

    unique: bool = False
    defaults: str = ""
    """The defaults of its fields, as text: a changed default changes what the index holds."""


class TableSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A table: its documents' fields without the system fields, and its indexes."""

    name: str
    python_name: str
    document: ObjectType
    indexes: tuple[IndexSpec, ...] = ()
    doc: str = ""
    place: Place


class FunctionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One function of the app."""

    path: str
    """As on the wire: `ops/stats:byDay`."""

    python_path: str
    """As its author names it: `ops.stats.by_day`."""

    kind: FunctionKind
    allow: Allow
    args: ObjectType
    any_args: bool = False
    """Takes arguments as they come (`**kwargs: Any`)."""

    returns: Validator | None = None
    """None: no annotation, any wire value."""

    doc: str = ""
    place: Place


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that an app declares, in a stable order."""

    tables: tuple[TableSpec, ...] = ()
    functions: tuple[FunctionSpec, ...] = ()
    wire_names: Literal["camel", "as_written"] = "camel"

    def find_function(self, path: str) -> FunctionSpec | None:
        return next((function for function in self.functions if function.path == path), None)
