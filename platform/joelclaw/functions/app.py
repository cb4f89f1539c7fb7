"""
A loaded app: its functions and tables, ready to run.

Made once per process by `loader.py`. `adopt` pairs its tables with the numbers that a
database gave them; from then on calls can run.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec import UNSET

from joelclaw.errors import (
    ArgumentsRefused,
    FunctionNotFound,
    LayoutChanged,
    Misuse,
    PlatformError,
    ResultRefused,
    ValueRefused,
    WrongKind,
)
from joelclaw.functions.calls import SYSTEM_PREFIX, Call
from joelclaw.functions.manifest import FunctionKind, FunctionSpec, Manifest
from joelclaw.functions.sign_in import SignIn
from joelclaw.functions.storage import Places
from joelclaw.limits import MIB, WARNING_SHARE, Limits, setting
from joelclaw.schema.finding import Finder, SearchFinder
from joelclaw.schema.indexes import Index
from joelclaw.schema.layout import Layout, TableLayout
from joelclaw.schema.search import SearchIndex, VectorIndex
from joelclaw.schema.shapes import ArgumentsShape, Shape, Stored
from joelclaw.schema.tables import IndexInfo, Table, TableInfo
from joelclaw.values.limits import raw_is_small, value_size

if TYPE_CHECKING:
    from joelclaw.functions.decorators import Function
    from joelclaw.functions.http_actions import Handler

D = TypeVar("D", bound=Table)
F = TypeVar("F", bound=Finder)

PUBLIC_SYSTEM_TABLES: Final = frozenset({"_storage", "_scheduled_functions"})
"""Those that an app may read; the others look empty to it."""

FIND_USER: Final = "_system/users:find"
RULE_ALLOWS: Final = "_system/rules:allows"
NEAREST: Final = "_system/search:nearest"
"""Queries that an action's process asks, which has no database."""


_log = logging.getLogger("joelclaw.functions")


class OpenTable:
    """A table of the app, paired with its numbers in the database."""

    __slots__ = (
        "by_id",
        "decode",
        "decode_many",
        "encode",
        "field_names",
        "info",
        "is_private",
        "is_system",
        "layout",
        "name",
        "number",
    )

    def __init__(self, info: TableInfo[Any], layout: TableLayout) -> None:
        self.info = info
        self.layout = layout
        self.name = info.name
        self.number = layout.number
        self.by_id = layout.by_id.number
        self.decode = info.decode
        self.decode_many = info.decode_many
        self.encode = info.encode
        self.field_names: list[str] = list(info.cls.__struct_fields__)
        self.is_system = info.name.startswith("_")
        self.is_private = self.is_system and info.name not in PUBLIC_SYSTEM_TABLES

    def copy(self, document: Any) -> Any:
        """Another instance with the same fields; what is inside them is shared."""
        return document.__copy__()


class Rule:
    """An app's own predicate, and which arguments of the function it asks for."""

    __slots__ = ("arguments", "predicate")

    def __init__(self, predicate: Callable[..., bool], arguments: Sequence[str]) -> None:
        self.predicate = predicate
        self.arguments = tuple(arguments)

    def allows(self, ctx: Any, keywords: Mapping[str, Any]) -> bool:
        """
        Raises:
            Misuse: It answers yes without saying so: a generator, a coroutine, a rule that was to be asked.
        """
        answer: object = self.predicate(ctx, **{name: keywords[name] for name in self.arguments})
        if answer and answer is not True:
            name = getattr(self.predicate, "__name__", type(self.predicate).__name__)
            raise Misuse(f"the rule {name} answers {type(answer).__name__}, and a rule answers True or False")
        return answer is True


class LoadedFunction:
    """A function of the app with its codecs."""

    __slots__ = ("_arguments", "_limits", "_names", "_result", "invoked", "kind", "path", "rule", "spec")

    def __init__(
        self,
        spec: FunctionSpec,
        invoked: Callable[..., Any],
        arguments: ArgumentsShape | Shape,
        result: Shape,
        rule: Rule | None,
        limits: Limits,
    ) -> None:
        self.spec = spec
        self.path = spec.path
        self.kind = spec.kind
        self.invoked = invoked
        self.rule = rule
        self._arguments = arguments
        self._result = result
        self._limits = limits
        self._names = [field.python_name for field in spec.args.fields]

    def invoke(self, ctx: Any, keywords: Mapping[str, Any]) -> Any:
        return self.invoked(ctx, **keywords)

    def decode_arguments(self, raw: bytes) -> dict[str, Any]:
        """
        The keywords for `invoke`, checked, defaults filled in.

        Raises:
            ArgumentsRefused: One is missing, unknown or wrong; says which and why.
        """
        try:
            keywords: dict[str, Any] = self._arguments.decode(raw)
        except ValueRefused as error:
            raise ArgumentsRefused(str(error)) from None
        if not raw_is_small(raw, int(self._limits.arguments_bytes * WARNING_SHARE)):
            self._check_arguments_size(keywords)
        return keywords

    def refusal_of(self, error: ArgumentsRefused, call: Call) -> PlatformError:
        """What the caller hears of arguments that do not fit: whom a rule may refuse learns no types."""
        if self.rule is None or call.privileged:
            return error
        _log.warning("%s. A rule that cannot be asked lets nobody in: the caller hears of no such function.", error)
        return FunctionNotFound(self.path)

    def encode_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
        """
        The argument object of a call that is written in Python.

        Raises:
            ArgumentsRefused: One is missing, unknown or wrong.
        """
        if len(args) > len(self._names):
            raise ArgumentsRefused(f"{self.path} takes {len(self._names)} arguments, and {len(args)} are given")
        keywords = dict(zip(self._names, args, strict=False))
        twice = next((name for name in keywords if name in kwargs), None)
        if twice is not None:
            raise ArgumentsRefused(f"{self.path}: {twice!r} is given twice")
        try:
            return self._arguments.encode({**keywords, **kwargs})
        except ValueRefused as error:
            raise ArgumentsRefused(str(error)) from None

    def copy_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a nested call, checked, and as it would have got them from outside."""
        return self.decode_arguments(self.encode_arguments(args, kwargs))

    def encode_result(self, value: Any, fetched: Stored | None = None) -> bytes:
        """
        The wire JSON of a result, which may be just the documents that were fetched.

        Raises:
            ResultRefused: It does not fit the function's annotation.
        """
        try:
            raw = self._result.encode(None if value is UNSET else value, fetched)
        except ValueRefused as error:
            raise ResultRefused(self.path, str(error)) from None
        if not raw_is_small(raw, int(self._limits.result_bytes * WARNING_SHARE)):
            self._check_result_size(value)
        return raw

    def decode_result(self, raw: bytes) -> Any:
        """A result that `encode_result` made, in another process perhaps."""
        return self._result.decode_trusted(raw)

    def _check_arguments_size(self, keywords: Mapping[str, Any]) -> None:
        size_bytes, limit = value_size(keywords), self._limits.arguments_bytes
        if size_bytes > limit:
            raise ArgumentsRefused(
                f"Arguments for {self.spec.python_path} are too large {_figures(size_bytes, limit)}; "
                f"send less at a time, or {setting('arguments_bytes')}"
            )
        if size_bytes > limit * WARNING_SHARE:
            _log.warning("Large arguments for %s %s", self.spec.python_path, _figures(size_bytes, limit))

    def _check_result_size(self, value: Any) -> None:
        size_bytes, limit = value_size(value), self._limits.result_bytes
        if size_bytes > limit:
            raise ResultRefused(
                self.path,
                f"Function {self.spec.python_path} return value is too large {_figures(size_bytes, limit)}; "
                f"return less at a time, or {setting('result_bytes')}",
            )
        if size_bytes > limit * WARNING_SHARE:
            _log.warning("Large return value of %s %s", self.spec.python_path, _figures(size_bytes, limit))


def _figures(size_bytes: int, limit_bytes: int) -> str:
    if limit_bytes < MIB:
        return f"(actual: {size_bytes} bytes, limit: {limit_bytes} bytes)"
    return f"(actual: {_mebibytes(size_bytes)}, limit: {_mebibytes(limit_bytes)})"


def _mebibytes(size_bytes: int) -> str:
    """`16.21 MiB`, `16 MiB`."""
    return f"{size_bytes / MIB:.2f}".removesuffix(".00") + " MiB"


class LoadedApp:
    """Everything of an app that calls need."""

    def __init__(
        self,
        root: str,
        manifest: Manifest,
        functions: Mapping["Function", LoadedFunction],
        tables: Sequence[TableInfo[Any]],
        numbers: dict[str, int],
        limits: Limits,
        *,
        handlers: "Mapping[str, Handler] | None" = None,
    ) -> None:
        self.limits = limits
        self.root = root
        """The folder that the user's files are in."""

        self.manifest = manifest
        self.functions = {function.path: function for function in functions.values()}
        self.tables = {table.name: table for table in tables}
        self.handlers = dict(handlers or {})
        """What answers HTTP requests, by the route's name: `GET /profile/*`."""

        self.secret = b""
        """What cursors are sealed with; the database keeps it."""

        self.places = Places()
        """Where the deployment is reached and keeps files; its process says so."""

        self.sign_in: SignIn | None = None
        """How people sign in; None: nobody can."""

        self.sign_in_hook: LoadedFunction | None = None
        """The app's mutation that makes the document of whoever signs in for the first time."""

        self.user_table: OpenTable | None = None
        """The app's table of users, if people sign in and it has one: who is deleted there is signed out."""

        self.by_number: dict[int, OpenTable] = {}
        self._numbers = numbers
        self._by_decorated = dict(functions)
        self._by_class: dict[type, OpenTable] = {}

    def expect(self, layout: Layout) -> None:
        """
        Know the tables that a database has already, before it is made to fit and adopted.

        Its documents are checked against the schema in between, and the ids in them name tables
        by number. A table that is new has no ids anywhere.
        """
        self._numbers.update({table.name: table.number for table in (*layout.retired, *layout.tables)})

    def adopt(self, layout: Layout) -> None:
        """Work with this database from now on."""
        layouts = {table.name: table for table in layout.tables}
        if not self.tables.keys() <= layouts.keys():
            raise LayoutChanged
        opened = [OpenTable(info, layouts[name]) for name, info in self.tables.items()]
        self.secret = layout.secret
        self.by_number = {table.number: table for table in opened}
        self._by_class = {table.info.cls: table for table in opened}
        users = "" if self.sign_in is None else self.sign_in.user_table
        self.user_table = next((table for table in opened if table.name == users), None)
        # The shapes hold this very mapping: from now on ids of other tables are refused.
        self._numbers.clear()
        self._numbers.update({table.name: table.number for table in opened})

    # -- functions

    def function_at(self, call: Call, kind: FunctionKind) -> LoadedFunction:
        """
        The function that a call names.

        Raises:
            FunctionNotFound: There is none.
            WrongKind: It is of another kind.
        """
        function = self.functions.get(call.path)
        if function is None:
            raise FunctionNotFound(call.path, call.privileged)
        if function.kind != kind:
            raise WrongKind(call.path, kind, function.kind)
        return function

    def schedulable(self, decorated: "Function") -> LoadedFunction:
        """What a decorated function was loaded as, for a job."""
        function = self._by_decorated.get(decorated)
        if function is None or function.path.startswith(SYSTEM_PREFIX):
            raise Misuse(
                f"Attempted to schedule {decorated!r:.120}, which is no function of the app; give the function itself, "
                f"decorated with @mutation or @action, from a file whose name does not begin with '_'"
            )
        if function.kind == "query":
            raise Misuse(
                f"Attempted to schedule {function.spec.python_path}, which is a query; "
                f"nobody would see its result: schedule a mutation or an action"
            )
        return function

    def function_of(self, decorated: "Function", kind: FunctionKind, *, for_system: bool = False) -> LoadedFunction:
        """What a decorated function was loaded as, for a call from another one. The system's are the system's own."""
        function = self._by_decorated.get(decorated)
        if function is None or (function.path.startswith(SYSTEM_PREFIX) and not for_system):
            raise Misuse(
                f"ctx.run_{kind} takes a function of the app, and {decorated!r:.120} is none; "
                f"decorate it with @{kind}, in a file whose name does not begin with '_'"
            )
        if function.kind != kind:
            raise WrongKind(function.path, kind, function.kind)
        return function

    # -- tables

    def open_table(self, cls: type[Any]) -> OpenTable:
        """The table of a class."""
        table = self._by_class.get(cls)
        if table is None:
            raise Misuse(f"{cls!r:.120} is no table of this app; declare it in the schema")
        return table

    def open_finder(self, index: object, kind: type[F]) -> tuple[OpenTable, F]:
        """The table of a search or vector index, and what makes the entries of the index."""
        if isinstance(index, (SearchIndex, VectorIndex)):
            table = self.open_table(index.table)
            finder = table.info.finders[index.name]
            if isinstance(finder, kind):
                return table, finder
        noun, declared = ("search", "search_index") if kind is SearchFinder else ("vector", "vector_index")
        raise Misuse(f"{index!r:.120} is no {noun} index; declare one in the table: {declared}(...)")

    def open_index(self, index: Index[Any]) -> tuple[OpenTable, IndexInfo]:
        """The table of an index, and the index."""
        table = self.open_table(index.table)
        return table, table.info.indexes[index.name]
