"""
Signatures: what a decorated function takes, gives, and whom it answers.

Read once, when the app is loaded. Everything that is wrong with a function is noted, with the
line where it stands, and reading goes on: the author sees all of it at once.
"""

import ast
import inspect
from collections.abc import Callable, Sequence
from inspect import Parameter
from types import FunctionType
from typing import Any, Final, TypeGuard

from msgspec import NODEFAULT

from joelclaw.errors import HintRefused
from joelclaw.functions.app import LoadedFunction, Rule
from joelclaw.functions.contexts import ActionCtx, MutationCtx, QueryCtx
from joelclaw.functions.decorators import Function
from joelclaw.functions.manifest import (
    Allow,
    Anyone,
    FunctionSpec,
    HasRole,
    Internal,
    OwnRule,
    Place,
    Problem,
    SignedIn,
)
from joelclaw.functions.retries import Retry, RetrySpec, retry_spec
from joelclaw.functions.rules import RoleRule, anyone, role, signed_in
from joelclaw.limits import Limits
from joelclaw.schema.hints import Scope
from joelclaw.schema.kinds import Field, ObjectKind, TableNumbers
from joelclaw.schema.naming import Naming
from joelclaw.schema.pagination import PageOptions
from joelclaw.schema.shapes import ArgumentsShape, Shape, argument_of, shape_of
from joelclaw.schema.source import statements
from joelclaw.schema.validators import ObjectType
from joelclaw.values.names import camel

PAGINATION: Final = "pagination_opts"
"""What an argument of pages is called, on the wire in camelCase always: clients' hooks insist."""

_CONTEXTS: Final[dict[str, tuple[type, ...]]] = {
    "query": (QueryCtx,),
    "mutation": (MutationCtx, QueryCtx),
    "action": (ActionCtx,),
}


class Source:
    """Where things stand in a file."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        self._definitions = [node for node in statements(tree) if isinstance(node, kinds)]

    def place_of(self, fn: Callable[..., Any], parameter: str | None = None) -> Place:
        """The line of a function's `def`, or of one of its parameters."""
        first = fn.__code__.co_firstlineno if isinstance(fn, FunctionType) else 1
        # The first line is a decorator's; the `def` is the nearest of this name below.
        name = getattr(fn, "__name__", "")
        below = [node for node in self._definitions if node.name == name and node.lineno >= first]
        node = min(below, key=lambda node: node.lineno, default=None)
        if node is None or parameter is None:
            return Place(self.file, first if node is None else node.lineno)
        lines = [argument.lineno for argument in ast.walk(node) if _is_parameter(argument, parameter)]
        return Place(self.file, lines[0] if lines else node.lineno)


def _is_parameter(node: ast.AST, name: str) -> TypeGuard[ast.arg]:
    return isinstance(node, ast.arg) and node.arg == name


class SignatureReader:
    """Reads one function; `problems` grows with whatever is wrong."""

    def __init__(
        self,
        function: Function,
        *,
        path: str,
        python_path: str,
        scope: Scope,
        source: Source,
        naming: Naming,
        numbers: TableNumbers,
        limits: Limits,
    ) -> None:
        self.problems: list[Problem] = []
        self._function = function
        self._path = path
        self._python_path = python_path
        self._scope = scope
        self._source = source
        self._naming = naming
        self._numbers = numbers
        self._limits = limits
        self._fields: list[Field] = []
        self._any_args = False

    def read(self) -> LoadedFunction | None:
        """The function, ready to run; None if there are problems."""
        fn = self._function.fn
        if not isinstance(fn, FunctionType):
            self._report("is no plain function", f"decorate the `def` itself with @{self._function.kind}")
            return None
        self._check_kind(fn)
        parameters = list(inspect.signature(fn).parameters.values())
        self._check_context(parameters[:1])
        for parameter in parameters[1:]:
            self._read_parameter(parameter)
        if self._any_args and self._fields:
            self._report("has both named parameters and **kwargs", "name all arguments, or take all as they come")
        result = self._result(fn)
        allow, rule = self._allow()
        retry = self._retry()
        if self.problems or result is None:
            return None
        arguments = self._arguments()
        args = arguments.validator if isinstance(arguments, ArgumentsShape) else ObjectType(())
        spec = FunctionSpec(
            path=self._path,
            python_path=self._python_path,
            kind=self._function.kind,
            allow=allow,
            args=args,
            any_args=self._any_args,
            returns=None if _lacks_result(fn) else result.validator,
            retry=retry,
            doc=inspect.getdoc(fn) or "",
            place=self._source.place_of(fn),
        )
        return LoadedFunction(spec, fn, arguments, result, rule, self._limits)

    # -- the function itself

    def _check_kind(self, fn: FunctionType) -> None:
        kind = self._function.kind
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            self._report("is a generator, and its caller gets one result", "return a list")
        elif kind == "action" and not inspect.iscoroutinefunction(fn):
            self._report("is no `async def`, and an action waits for others", f"write async def {fn.__name__}(...)")
        elif kind != "action" and inspect.iscoroutinefunction(fn):
            self._report(
                f"is an `async def`, and inside a {kind}'s transaction there is nothing to wait for",
                f"write def {fn.__name__}(...), or use an @action for what waits",
            )

    def _check_context(self, first: Sequence[Parameter]) -> None:
        contexts = _CONTEXTS[self._function.kind]
        wanted = f"write def {self._function.fn.__name__}(ctx: {contexts[0].__name__}, ...)"
        if not first or first[0].kind not in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            self._report("takes no context", wanted)
            return
        if first[0].annotation is Parameter.empty:
            return
        try:
            hint = self._scope.evaluate(first[0].annotation)
        except HintRefused as error:
            self._report_parameter(first[0].name, error.reason, error.advice)
            return
        if hint not in contexts:
            article = "an" if self._function.kind == "action" else "a"
            reason = f"{article} {self._function.kind} is handed another context"
            self._report_parameter(first[0].name, reason, f"write ctx: {contexts[0].__name__}")

    def _retry(self) -> RetrySpec | None:
        retry = self._function.retry
        if retry is None:
            return None
        if not isinstance(retry, Retry):
            self._report(f"has retry={retry!r:.80}", 'write retry=Retry(attempts=3, backoff="1s")')
            return None
        try:
            return retry_spec(retry)
        except ValueError as error:
            self._report(f"cannot be tried again: {error}", 'write retry=Retry(attempts=3, backoff="1s")')
            return None

    # -- parameters

    def _read_parameter(self, parameter: Parameter) -> None:
        name = parameter.name
        if parameter.kind is Parameter.VAR_KEYWORD:
            self._read_any_args(parameter)
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            self._report_parameter(name, "arguments have names on the wire", f"write {name}: list[X]")
        elif parameter.kind is Parameter.POSITIONAL_ONLY:
            self._report_parameter(name, "arguments have names on the wire", "put it behind the `/`")
        elif parameter.annotation is Parameter.empty:
            self._report_parameter(name, "has no type", f"write {name}: str, or whatever it is")
        else:
            self._read_argument(parameter)

    def _read_any_args(self, parameter: Parameter) -> None:
        self._any_args = True
        if parameter.annotation not in (Any, "Any"):
            self._report_parameter(parameter.name, "takes arguments as they come", f"write **{parameter.name}: Any")
        first = next(iter(inspect.signature(self._function.fn).parameters.values()))
        if first.kind is Parameter.POSITIONAL_OR_KEYWORD:
            reason = f"takes any argument, and one called {first.name!r} would meet the context"
            self._report_parameter(parameter.name, reason, f"write ({first.name}, /, **{parameter.name}: Any)")

    def _read_argument(self, parameter: Parameter) -> None:
        default = NODEFAULT if parameter.default is Parameter.empty else parameter.default
        naming = camel if parameter.name == PAGINATION else self._naming
        try:
            field = argument_of(parameter.name, parameter.annotation, self._scope, naming, default)
        except HintRefused as error:
            self._report_parameter(parameter.name, error.reason, error.advice)
            return
        other = next((known for known in self._fields if known.name == field.name), None)
        if other is not None:
            self._report_parameter(
                parameter.name,
                f"is {field.name!r} on the wire, and so is {other.python_name!r}",
                'rename one of them, or name it with Annotated[X, Arg("name")]',
            )
        elif isinstance(field.kind, ObjectKind) and field.kind.cls is PageOptions and field.name != camel(PAGINATION):
            self._report_parameter(
                parameter.name, "clients find the options of a page under one name only", f"call it {PAGINATION}"
            )
        self._fields.append(field)

    def _arguments(self) -> ArgumentsShape | Shape:
        if self._any_args:
            return shape_of(dict[str, Any], self._scope, self._numbers)
        return ArgumentsShape(self._fields, self._numbers)

    # -- result and rule

    def _result(self, fn: FunctionType) -> Shape | None:
        hint = Any if _lacks_result(fn) else fn.__annotations__["return"]
        try:
            return shape_of(hint, self._scope, self._numbers)
        except HintRefused as error:
            self._add(self._source.place_of(fn), f"{self._python_path}, result", error.reason, error.advice)
            return None

    def _allow(self) -> tuple[Allow, Rule | None]:
        rule: Any = self._function.allow
        if rule is None:
            return Internal(), None
        if rule is anyone:
            return Anyone(), None
        if rule is signed_in:
            return SignedIn(), None
        if isinstance(rule, RoleRule):
            return HasRole(rule.name), None
        return OwnRule(getattr(rule, "__name__", type(rule).__name__)), self._own_rule(rule)

    def _own_rule(self, rule: Any) -> Rule | None:
        advice = "write allow=anyone, signed_in, role(...), or a function of ctx and any of the arguments"
        if isinstance(rule, Function) or not callable(rule):
            self._report(f"allow={rule!r:.80} is no rule", advice)
            return None
        name = getattr(rule, "__name__", type(rule).__name__)
        if rule is role:
            self._report("allow=role does not say which", 'write allow=role("owner")')
            return None
        if inspect.iscoroutinefunction(rule):
            self._report(f"its rule {name} is an `async def`", f"write def {name}(...): a rule runs in a transaction")
            return None
        if inspect.isgeneratorfunction(rule):
            self._report(f"its rule {name} is a generator", "return True or False")
            return None
        parameters = list(inspect.signature(rule).parameters.values())
        if not parameters:
            self._report(f"its rule {name} takes no context", f"write def {name}(ctx: QueryCtx, ...) -> bool")
            return None
        known = {field.python_name for field in self._fields}
        asked = [parameter for parameter in parameters[1:] if parameter.name in known]
        for parameter in parameters[1:]:
            if parameter.kind not in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
                self._report(
                    f"its rule {name} takes {str(parameter)!r}", "let it take arguments of the function by name"
                )
            elif parameter.name not in known and parameter.default is Parameter.empty:
                self._report(
                    f"its rule {name} asks for {parameter.name!r}, which is no argument of it",
                    f"it has {', '.join(sorted(known)) or 'none'}",
                )
        return Rule(rule, [parameter.name for parameter in asked])

    # -- problems

    def _report(self, reason: str, advice: str) -> None:
        self._add(self._source.place_of(self._function.fn), self._python_path, reason, advice)

    def _report_parameter(self, name: str, reason: str, advice: str) -> None:
        place = self._source.place_of(self._function.fn, name)
        self._add(place, f"{self._python_path}, parameter {name!r}", reason, advice)

    def _add(self, place: Place, name: str, reason: str, advice: str) -> None:
        self.problems.append(Problem(place=place, name=name, reason=reason, advice=advice))


def _lacks_result(fn: FunctionType) -> bool:
    return "return" not in fn.__annotations__
