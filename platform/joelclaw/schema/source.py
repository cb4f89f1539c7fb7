"""
Sources: where in a file a class and its fields stand, and what is written below them.

Python forgets the line of a field and drops the text under it. Both are read from the file:
lines for messages, texts for the generated types. A class whose source cannot be read, for
one typed into a shell, has the line of its statement only.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from joelclaw.schema.problems import Place

_BODIES: Final = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements have other statements below them."""


def statements(tree: ast.Module) -> Iterator[ast.AST]:
    """
    All statements of a file, in no order. Expressions, which are most of it, are not looked at.

    Every isolate reads the platform's own files so: walking all of them took a fifth of its start.
    """
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        yield node
        for name in _BODIES:
            left += getattr(node, name, ())


class ClassSource:
    """What the file says about one class statement."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self._statement = _find_class(place.file, place.line, name)

    def place_of(self, name: str) -> Place:
        """Where the class last says `name: ...` or `name = ...`; the class statement itself when it says neither."""
        for statement in reversed(self._body()):
            if name in _targets(statement):
                return Place(self.place.file, statement.lineno)
        return self.place

    def docs(self) -> dict[str, str]:
        """The texts that stand right below fields, by field."""
        body = self._body()
        return {
            name: text
            for statement, below in pairwise(body)
            if isinstance(statement, ast.AnnAssign) and (text := _text(below)) is not None
            for name in _targets(statement)
        }

    def _body(self) -> list[ast.stmt]:
        return [] if self._statement is None else self._statement.body


def _targets(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(statement: ast.stmt) -> str | None:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return None
    text = statement.value.value
    return " ".join(text.split()) if isinstance(text, str) else None


def _find_class(file: str, line: int, name: str) -> ast.ClassDef | None:
    try:
        with open(file, "rb") as source:
            statements = _classes(source.read())
    except (OSError, SyntaxError, ValueError):
        return None
    # With decorators the statement begins above its `class`; which line Python tells has changed over time.
    near = [found for found in statements if found.name == name and found.lineno >= line]
    return min(near, key=lambda found: found.lineno, default=None)


@lru_cache(maxsize=64)
def _classes(source: bytes) -> tuple[ast.ClassDef, ...]:
    return tuple(node for node in statements(ast.parse(source)) if isinstance(node, ast.ClassDef))
