"""
Keywords: what no type checker can see in `ctx.db.query(Comment.by_article, artcle=slug)`.

The keywords of `query`, `find` and `patch` are fields of the index or table in the first
argument. They are checked when the app is loaded, from the source: a misspelt one is reported
with its line instead of failing some call some day.

The check speaks only where it is sure. An index is named in the source. Whose document is
patched is followed through what is bound once in its function: parameters with a hint,
results of `ctx.db`, loops over them. Everything else is left to the run.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, Union, get_args, get_origin

from joelclaw.errors import HintRefused
from joelclaw.functions.manifest import Place, Problem
from joelclaw.schema.hints import SYSTEM_FIELDS, Scope
from joelclaw.schema.indexes import Index
from joelclaw.schema.kinds import CREATION_TIME
from joelclaw.schema.marks import IdMark
from joelclaw.schema.search import SearchIndex, VectorIndex
from joelclaw.schema.tables import Table, TableInfo
from joelclaw.schema.text import did_you_mean

_FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Doc(NamedTuple):
    """A document of this table, or None."""

    table: type


class DocId(NamedTuple):
    """An id of this table."""

    table: type


class Docs(NamedTuple):
    """Documents of this table, to be walked."""

    table: type


Known: TypeAlias = Doc | DocId | Docs
Bindings: TypeAlias = Mapping[str, Known | None]
"""Names bound in the functions around; None: bound, to we do not know what."""

_NOT_FOUND: Final = object()


class KeywordCheck:
    """One file."""

    def __init__(self, file: str, tree: ast.Module, scope: Scope, tables: Mapping[type, TableInfo[Any]]) -> None:
        self._file = file
        self._tree = tree
        self._scope = scope
        self._tables = tables
        self._by_name = {info.name: cls for cls, info in tables.items()}
        self._problems: list[Problem] = []

    def problems(self) -> list[Problem]:
        """All misspelt keywords, in order of line."""
        self._walk(self._tree, {})
        return self._problems

    # -- walking

    def _walk(self, node: ast.AST, bindings: Bindings) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            bindings = {**bindings, **self._bindings(node, bindings)}
        elif isinstance(node, ast.Call):
            self._check_call(node, bindings)
        for child in ast.iter_child_nodes(node):
            self._walk(child, bindings)

    def _bindings(self, function: _FunctionNode, outer: Bindings) -> dict[str, Known | None]:
        """What the names that a function binds stand for, as far as each is bound once."""
        arguments = function.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        counts = Counter(parameter.arg for parameter in parameters)
        counts.update(extra.arg for extra in (arguments.vararg, arguments.kwarg) if extra is not None)
        counts.update(_stored_names(function))
        found: dict[str, Known | None] = dict.fromkeys(counts)
        for parameter in parameters:
            if counts[parameter.arg] == 1 and parameter.annotation is not None:
                found[parameter.arg] = self._known_by_annotation(parameter.annotation)
        for name, value, is_element in _assignments(function):
            if counts[name] == 1:
                known = self._known(value, {**outer, **found})
                if is_element:
                    known = Doc(known.table) if isinstance(known, Docs) else None
                found[name] = known
        return found

    # -- what an expression is

    def _known(self, node: ast.expr, bindings: Bindings) -> Known | None:
        match node:
            case ast.Name(id=name):
                return bindings.get(name)
            case ast.NamedExpr(value=value):
                return self._known(value, bindings)
            case ast.Subscript(value=value, slice=index) if not isinstance(index, ast.Slice):
                known = self._known(value, bindings)
                return Doc(known.table) if isinstance(known, Docs) else None
            case ast.Attribute(value=value, attr=name):
                known = self._known(value, bindings)
                return self._known_field(known.table, name) if isinstance(known, Doc) else None
            case ast.Call():
                return self._known_result(node, bindings)
        return None

    def _known_field(self, table: type, name: str) -> Known | None:
        if name == "id":
            return DocId(table)
        declared = getattr(table, "__annotations__", {}).get(name)
        return None if declared is None else self._known_by_hint(declared)

    def _known_result(self, call: ast.Call, bindings: Bindings) -> Known | None:
        made = self._static(call.func, bindings)
        if isinstance(made, type) and issubclass(made, Table):
            return Doc(made)
        if not isinstance(call.func, ast.Attribute):
            return None
        method = call.func.attr
        if _is_database(call.func.value) and call.args:
            return self._known_of_database(method, call.args[0], bindings)
        receiver = self._known(call.func.value, bindings)
        if not isinstance(receiver, Docs):
            return None
        if method in ("first", "unique"):
            return Doc(receiver.table)
        return receiver if method in ("filter", "order", "take", "collect") else None

    def _known_of_database(self, method: str, argument: ast.expr, bindings: Bindings) -> Known | None:
        if method in ("query", "find", "search"):
            source = self._static(argument, bindings)
            table = source.table if isinstance(source, (Index, SearchIndex)) else source
            if not isinstance(table, type) or not issubclass(table, Table):
                return None
            return Doc(table) if method == "find" else Docs(table)
        known = self._known(argument, bindings)
        if method in ("get", "require", "patch") and isinstance(known, (Doc, DocId)):
            return Doc(known.table)
        if method == "save" and isinstance(known, Doc):
            return known
        return DocId(known.table) if method == "insert" and isinstance(known, Doc) else None

    def _known_by_annotation(self, annotation: ast.expr) -> Known | None:
        try:
            hint = eval(compile(ast.Expression(annotation), self._file, "eval"), self._scope.names)
        except Exception:  # It names what only a type checker imports; whoever needs it reports it.
            return None
        return self._known_by_hint(hint)

    def _known_by_hint(self, hint: Any) -> Known | None:
        try:
            hint = self._scope.evaluate(hint)
        except HintRefused:
            return None
        if get_origin(hint) is Annotated:
            mark = next((extra for extra in get_args(hint)[1:] if isinstance(extra, IdMark)), None)
            target = None if mark is None else self._evaluated(mark.target)
            return DocId(target) if isinstance(target, type) and issubclass(target, Table) else None
        if get_origin(hint) is list:
            known = self._known_by_hint(get_args(hint)[0])
            return Docs(known.table) if isinstance(known, Doc) else None
        if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
            members = [member for member in get_args(hint) if member is not type(None)]
            return self._known_by_hint(members[0]) if len(members) == 1 else None
        return Doc(hint) if isinstance(hint, type) and issubclass(hint, Table) else None

    def _evaluated(self, hint: Any) -> Any:
        try:
            return self._scope.evaluate(hint)
        except HintRefused:
            return None

    def _static(self, node: ast.expr, bindings: Bindings) -> Any:
        """What a name or a dotted name stands for in this module, unless a function binds it."""
        if isinstance(node, ast.Name) and node.id not in bindings:
            return self._scope.names.get(node.id, _NOT_FOUND)
        if isinstance(node, ast.Attribute):
            owner = self._static(node.value, bindings)
            return getattr(owner, node.attr, _NOT_FOUND) if owner is not _NOT_FOUND else _NOT_FOUND
        return _NOT_FOUND

    # -- checking

    def _check_call(self, call: ast.Call, bindings: Bindings) -> None:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("search", "vector_search") and call.args:
            self._check_finder(call, self._static(call.args[0], bindings), call.func.attr, bindings)
        if not isinstance(call.func, ast.Attribute) or not _is_database(call.func.value) or not call.args:
            return
        if call.func.attr in ("query", "find"):
            self._check_source(call, self._static(call.args[0], bindings), bindings)
        elif call.func.attr == "patch":
            known = self._known(call.args[0], bindings)
            if isinstance(known, (Doc, DocId)):
                self._check_patch(call, known.table)

    def _check_source(self, call: ast.Call, source: Any, bindings: Bindings) -> None:
        if isinstance(source, Index):
            self._check_index(call, source)
        elif isinstance(source, type) and issubclass(source, Table):
            for keyword in _names(call):
                subject = f"query({source.__name__})"
                self._report(
                    keyword, subject, f"{subject} takes no bounds, and {keyword.arg!r} is one", "name an index"
                )
        elif source is _NOT_FOUND:
            self._check_exists(call, bindings)

    def _check_exists(self, call: ast.Call, bindings: Bindings) -> None:
        """The first argument names nothing. If it is an attribute of a table, an index was meant."""
        if not isinstance(call.args[0], ast.Attribute):
            return
        owner, name = self._static(call.args[0].value, bindings), call.args[0].attr
        if isinstance(owner, type) and owner in self._tables:
            info = self._tables[owner]
            known = [index for index in (*info.indexes, *info.finders) if index[:1] != "_"]
            reason = f"{owner.__name__} has no index {name!r}"
            self._report(call.args[0], owner.__name__, reason, did_you_mean(name, known))

    def _check_index(self, call: ast.Call, index: Index[Any]) -> None:
        info = self._tables.get(index.table)
        if info is None or index.name not in info.indexes:
            return
        subject = repr(index)
        fields = [plan.keyword for plan in info.indexes[index.name].fields]
        known = fields if call.func.attr == "find" else [*fields, CREATION_TIME]  # type: ignore[attr-defined]
        given = _names(call)
        for keyword in given:
            if keyword.arg not in known:
                reason = f"{subject} has no field {keyword.arg!r}"
                self._report(keyword, subject, reason, did_you_mean(keyword.arg or "", fields))
        names = {keyword.arg for keyword in given}
        if len(given) < len(call.keywords) or not names <= set(known):
            return  # `**bounds`, or reported just now.
        if call.func.attr == "find":  # type: ignore[attr-defined]
            self._check_find(call, subject, fields, names, info.indexes[index.name].unique)
        else:
            missing = next((name for name in known if name not in names), None)
            late = next((name for name in known if name in names and missing in known[: known.index(name)]), None)
            if missing is not None and late is not None:
                reason = f"{subject} has {missing!r} before {late!r}, and only {late!r} is given"
                self._report(call, subject, reason, f"give {missing!r} a value, or declare another index")

    def _check_finder(self, call: ast.Call, index: Any, method: str, bindings: Bindings) -> None:
        """The filter fields of a search, with a database or, in actions, with the context alone."""
        expected = SearchIndex if method == "search" else VectorIndex
        if not isinstance(index, expected):
            if index is _NOT_FOUND:
                self._check_exists(call, bindings)
            if isinstance(index, (Index, SearchIndex, VectorIndex)):
                noun = "search" if method == "search" else "vector"
                reason = f"{index!r} is no {noun} index"
                self._report(call, repr(index), reason, f"declare one in the table: {noun}_index(...)")
            return
        info = self._tables.get(index.table)
        if info is None or index.name not in info.finders:
            return
        fields = [plan.keyword for plan in info.finders[index.name].filters]
        for keyword in _names(call):
            if keyword.arg not in fields and not (method == "vector_search" and keyword.arg == "limit"):
                reason = f"{index!r} has no filter field {keyword.arg!r}"
                advice = did_you_mean(keyword.arg or "", fields) if fields else "name it in the index: filter=[...]"
                self._report(keyword, repr(index), reason, advice)

    def _check_find(
        self, call: ast.Call, subject: str, fields: Sequence[str], names: set[str | None], is_unique: bool
    ) -> None:
        if not is_unique:
            advice = f"write query({subject}, ...).first(), or declare it with unique=True"
            self._report(call, subject, f"{subject} is not unique, and find() gives the only one", advice)
        for field in fields:
            if field not in names:
                self._report(
                    call, subject, f"{subject} has the field {field!r}, and it is not given", f"write {field}=..."
                )

    def _check_patch(self, call: ast.Call, table: Any) -> None:
        known = [name for name in table.__struct_fields__ if name not in SYSTEM_FIELDS]
        for keyword in _names(call):
            if keyword.arg not in known and keyword.arg not in SYSTEM_FIELDS:
                reason = f"{table.__name__} has no field {keyword.arg!r}"
                self._report(keyword, table.__name__, reason, did_you_mean(keyword.arg or "", known))

    def _report(self, node: ast.keyword | ast.expr, name: str, reason: str, advice: str) -> None:
        self._problems.append(Problem(place=Place(self._file, node.lineno), name=name, reason=reason, advice=advice))


def _is_database(node: ast.expr) -> bool:
    """`ctx.db`, or a `db` that was handed on."""
    return (isinstance(node, ast.Attribute) and node.attr == "db") or (isinstance(node, ast.Name) and node.id == "db")


def _names(call: ast.Call) -> list[ast.keyword]:
    return [keyword for keyword in call.keywords if keyword.arg is not None]


def _inside(function: _FunctionNode) -> Iterator[ast.AST]:
    """All of a function's body but what belongs to functions in it."""
    body = function.body if isinstance(function.body, list) else [function.body]
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting[:0] = ast.iter_child_nodes(node)


def _stored_names(function: _FunctionNode) -> Iterator[str]:
    """Names that a function binds, each as often as it does. `global` and `nonlocal` count as one, too."""
    for node in _inside(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from (name for name in names for _ in range(2))
            case ast.alias(name=name, asname=asname):
                yield asname or name.split(".")[0]


def _assignments(function: _FunctionNode) -> Iterator[tuple[str, ast.expr, bool]]:
    """Names, what they are bound to, and whether to its elements in turn, in order of the source."""
    for node in _inside(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value, False
            case ast.NamedExpr(target=ast.Name(id=name), value=value):
                yield name, value, False
            case (
                ast.For(target=ast.Name(id=name), iter=value) | ast.comprehension(target=ast.Name(id=name), iter=value)
            ):
                yield name, value, True
