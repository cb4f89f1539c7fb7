"""
The manifest: what an app declares, as data.

An isolate loads the user's files and tells the manifest; the gateway, the code generator,
the router and the command line work from it and never import user code.
"""

from typing import Literal, TypeAlias

import msgspec

from joelclaw.functions.retries import RetrySpec
from joelclaw.schema.problems import Place, Problem
from joelclaw.schema.specs import IndexSpec, TableSpec
from joelclaw.schema.validators import ObjectType, Validator
from joelclaw.values.durations import duration_text

__all__ = [
    "Allow",
    "Anyone",
    "CronSpec",
    "FunctionKind",
    "FunctionSpec",
    "HasRole",
    "IndexSpec",
    "Internal",
    "Manifest",
    "OwnRule",
    "Place",
    "Problem",
    "RetrySpec",
    "RouteSpec",
    "SignedIn",
    "TableSpec",
]

FunctionKind: TypeAlias = Literal["query", "mutation", "action"]


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

    retry: RetrySpec | None = None
    """Of actions: how often and when a job that runs it is tried again."""

    doc: str = ""
    place: Place


class RouteSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that an HTTP action answers."""

    method: str
    path: str
    is_prefix: bool = False
    """Answers every path that begins with `path`, which ends with a slash; otherwise only `path`."""

    python_path: str
    place: Place

    @property
    def name(self) -> str:
        """What it is called in logs and errors: `GET /profile/*`."""
        return f"{self.method} {self.path}{'*' if self.is_prefix else ''}"


class CronSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A function that runs by the clock: at the times of a calendar, or at an interval."""

    name: str
    function: str
    """Its path on the wire."""

    args: str = "{}"
    """Wire JSON of the argument object."""

    calendar: str = ""
    """Five fields; empty: an interval."""

    tz: str = ""
    every_ms: float = 0.0
    catch_up: bool = False
    """Runs that were missed are made up for by one."""

    place: Place

    @property
    def schedule(self) -> str:
        """When it runs, in words, all of it: two crons with the same words run at the same times."""
        return f"{self.calendar} {self.tz}" if self.calendar else f"every {duration_text(self.every_ms)}"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that an app declares, in a stable order."""

    tables: tuple[TableSpec, ...] = ()
    functions: tuple[FunctionSpec, ...] = ()
    crons: tuple[CronSpec, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    wire_names: Literal["camel", "as_written"] = "camel"

    def find_function(self, path: str) -> FunctionSpec | None:
        return next((function for function in self.functions if function.path == path), None)
