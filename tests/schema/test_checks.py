"""`joelclaw.schema.checks`: everything that is wrong with a schema, at once."""

import importlib.util
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joelclaw.schema.checks import check_classes
from joelclaw.schema.naming import choose_wire_names
from joelclaw.schema.problems import Problem
from joelclaw.schema.structs import recording
from joelclaw.schema.tables import table_info
from tests.schema.strategies import id_of

HEADER = """\
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from msgspec import UNSET, Meta, UnsetType, field
from joelclaw.schema.indexes import index
from joelclaw.schema.marks import Id
from joelclaw.schema.structs import Object
from joelclaw.schema.tables import Table
"""
HEADER_LINES = HEADER.count("\n")


class Schema:
    """A schema file, loaded the way the loader does it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, body: str) -> tuple[list[Any], list[Problem]]:
        self._path.write_text(HEADER + textwrap.dedent(body).lstrip("\n"))
        spec = importlib.util.spec_from_file_location("schema_under_test", self._path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["schema_under_test"] = module
        with recording() as classes:
            spec.loader.exec_module(module)
        return check_classes(classes)

    def problems(self, body: str) -> list[str]:
        """Each problem as `line: name: reason; advice`, lines counted from where the body begins."""
        _, problems = self.load(body)
        assert all(problem.place.file == str(self._path) for problem in problems)
        return [
            str(problem).replace(f"{problem.place}", str(problem.place.line - HEADER_LINES), 1) for problem in problems
        ]


@pytest.fixture
def schema(tmp_path: Path) -> Iterator[Schema]:
    yield Schema(tmp_path / "schema.py")
    choose_wire_names("camel")
    sys.modules.pop("schema_under_test", None)


GOOD = """
    class User(Table):
        \"\"\"Who is here.\"\"\"

        __table__ = "users"
        name: str
        \"\"\"As they
        want to be called.\"\"\"
        github_id: int
        seen_at: Annotated[float | UnsetType, Meta(description="Last time.")] = UNSET
        by_github = index("github_id", unique=True)

    class Anchor(Object):
        paragraph: str
        quote_text: str | None = None

    class Comment(Table):
        __table__ = "comments"
        anchor: Anchor
        author: "Id[User]"
        reply_to: Id["Comment"] | None = None
        shade: Literal["light", "dark"] = "light"
        by_anchor = index("anchor.paragraph", "shade")
"""


def test_a_right_schema_has_no_problems(schema: Schema) -> None:
    """Its tables are found in order, with wire names, texts, places and indexes."""
    tables, problems = schema.load(GOOD)
    assert problems == []

    user, comment = (table_info(table).spec for table in tables)

    assert (user.name, user.python_name, user.doc, user.place.line) == ("users", "User", "Who is here.", 8)
    assert [(field.name, field.optional, field.absent, field.doc) for field in user.document.fields] == [
        ("name", False, False, "As they want to be called."),
        ("githubId", False, False, ""),
        ("seenAt", True, True, "Last time."),
    ]
    [by_github] = user.indexes
    assert (by_github.name, by_github.python_name, by_github.fields) == ("byGithub", "by_github", ("githubId",))
    assert by_github.unique
    [by_anchor] = comment.indexes
    assert by_anchor.fields == ("anchor.paragraph", "shade")
    assert by_anchor.defaults == '{"shade":"light"}'


def test_names_may_stay_as_written(schema: Schema) -> None:
    """With `wire_names = "as_written"` the wire has Python's names, but for the platform's own shapes."""
    choose_wire_names("as_written")

    tables, problems = schema.load(GOOD)

    assert problems == []
    comment = table_info(tables[1])
    assert [index.name for index in comment.spec.indexes] == ["by_anchor"]
    anchor = sys.modules["schema_under_test"].Anchor(paragraph="p")
    document = tables[1](anchor=anchor, author=id_of("users"))
    document.creation_time = 1.0
    raw = comment.encode(document)
    assert b'"reply_to":null' in raw
    assert b'"quote_text":null' in raw
    assert b'"_creationTime":1.0' in raw


def test_every_problem_is_reported_at_its_own_line(schema: Schema) -> None:
    """One load finds all that is wrong, whatever else is wrong before it; nothing is said twice."""
    assert schema.problems("""
        class Anchor(Object):
            quote: str
            when: datetime

        class User(Table):
            __table__ = "users"
            id: str
            nick_name: str
            nickName: str
            tags: list[str] = ["a"]

        class Comment(Table):
            __table__ = "comments"
            anchor: Anchor
            author: Id["Usr"]
            resolved: bool = "no"
            likes = 0
            by_likes = index("like")
            by_anchor = index("anchor.quotes")
            by_when = index("anchor.when")
    """) == [
        (
            "3: Anchor.when: datetime has no wire form; "
            "use float, for milliseconds since the epoch, as ctx.now() gives them"
        ),
        (
            "9: User.nickName: is 'nickName' on the wire, and so is 'nick_name'; "
            "rename one of them, or name it with field(name=...)"
        ),
        (
            "10: User.tags: its default is a list, which all instances would share; "
            "write field(default_factory=lambda: ['a'])"
        ),
        "15: Comment.author: Usr is not defined; import it where the hint stands",
        "16: Comment.resolved: its default 'no' does not fit its type; change one of them",
        "17: Comment.likes: has no type, and so is no field; write likes: int = 0",
        "18: Comment.by_likes: there is no field 'like'; there is anchor, author, resolved",
        "19: Comment.by_anchor: 'anchor' has no field 'quotes'; did you mean 'quote'?",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("id: str", "T.id: is a field that every document has already; choose another name"),
        ("creation_time: float", "T.creation_time: is a field that every document has already; choose another name"),
        ("_x: str", "T._x: is '_x' on the wire, which starts with '_', which is only allowed for system fields like"),
        ('x: str = field(name="a b")', "T.x: is 'a b' on the wire, which must be a letter or '_', then letters"),
        ('x: str = index("a")', "T.x: is a field and an index; give them different names"),
        ("x: str | UnsetType", "T.x: can be absent, but UNSET is not its default; write X | UnsetType = UNSET"),
        ("x: str = UNSET", "T.x: UNSET is its default, but it cannot be absent; write X | UnsetType = UNSET"),
        ("by_x = index()", 'T.by_x: has no fields; write index("field", ...)'),
        ('by_x = index("a", "a")', "T.by_x: has the field 'a' twice; leave one out"),
        ('by_x = index("a", "_id")', "T.by_x: has '_id', which every index ends with already; leave it out"),
        ('by_x = index("creation_time")', "T.by_x: has 'creation_time', which every index ends with already"),
        ('by_x = index("a.b")', "T.by_x: 'a' has no field 'b'; only objects have fields"),
        ('by_x = index("o.a", "o_a"); o_a: int', "T.by_x: has 'o.a' and 'o_a', which are one keyword in queries"),
        ('by_id = index("a")', "T.by_id: is an index that every table has already; choose another name"),
        ('by_creation_time = index("a")', "T.by_creation_time: is an index that every table has already"),
        ('_by_a = index("a")', "T._by_a: starts with '_', which is reserved for system indexes"),
        ('by_a = index("a"); byA = index("a")', "T.byA: is 'byA' on the wire, and so is 'by_a'; rename one of them"),
        (f"by_x = index({', '.join(f'{chr(34)}o.a{n}{chr(34)}' for n in range(17))})", "T.by_x: has 17 fields"),
        ('__table__ = "a-b"', "T.__table__: 'a-b' must be a letter or '_'"),
        ('__table__ = "_users"', "T.__table__: '_users' starts with '_', which is reserved for system tables"),
        ("__table__ = None", 'T: has no name in the database; write __table__ = "ts"'),
    ],
)
def test_what_a_table_must_not_say(schema: Schema, line: str, problem: str) -> None:
    """Each rule about names, fields and indexes has its sentence (SCM-1, IDX-18)."""
    body = f"""
        class O(Object):
            a: str
            {"; ".join(f"a{n}: int = 0" for n in range(17))}
        class T(Table):
            __table__ = "ts"
            a: str
            o: O
            {line}
    """

    problems = schema.problems(body)

    assert len(problems) == 1
    # What concerns the class itself is reported where it begins.
    assert problems[0].startswith((f"8: {problem}", f"4: {problem}"))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("class O(Object):\n    by_x = index('a')", "2: O.by_x: is an index, and only tables have some"),
        ("class O(Object, rename='kebab'):\n    x: int", "1: O: has no option 'rename'"),
        ("class T(Table):\n    x: int", '1: T: has no name in the database; write __table__ = "ts"'),
        (
            "class A(Table):\n    __table__ = 'x'\nclass B(Table):\n    __table__ = 'x'",
            "4: B.__table__: 'x' is the table A already",
        ),
        ("class T(Table):\n    __table__ = 't'\n    x: " + "list[" * 16 + "int" + "]" * 16, "1: T: nests 17 deep"),
        (
            "class T(Table):\n    __table__ = 't'\n    a: int\n"
            + "\n".join(f"    by_{n} = index('a')" for n in range(65)),
            "1: T: has 65 indexes, and a table has at most 64",
        ),
        ("T = TypeVar('T')\nclass O(Object, Generic[T]):\n    x: T\n    y: set[T]", "4: O.y: set[~T] has no wire form"),
    ],
)
def test_what_classes_must_not_say(schema: Schema, body: str, problem: str) -> None:
    """Rules about classes as a whole (IDX-18)."""
    problems = schema.problems(body)

    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_what_tables_share_is_no_table(schema: Schema) -> None:
    """A class without `__table__` that tables derive from gives them its fields and indexes."""
    tables, problems = schema.load("""
        class Owned(Table):
            owner: str
            by_owner = index("owner")
        class Note(Owned):
            __table__ = "notes"
            text: str
    """)

    assert problems == []
    [note] = tables
    info = table_info(note)
    assert [field.name for field in info.spec.document.fields] == ["owner", "text"]
    assert [index.name for index in info.spec.indexes] == ["byOwner"]
    assert note.by_owner.table is note


def test_a_class_that_cannot_be_made_stands_in_for_itself(schema: Schema) -> None:
    """Whoever names a broken class is not blamed for it."""
    assert schema.problems("""
        class Broken(Table):
            __table__ = "broken"
            items: list[int] = [1]
            def items_left(self) -> int:
                return len(super().__repr__())
        class Fine(Table):
            __table__ = "fine"
            other: Id[Broken]
    """) == [
        (
            "3: Broken.items: its default is a list, which all instances would share; "
            "write field(default_factory=lambda: [1])"
        ),
    ]


def test_a_class_that_cannot_be_made_hides_nothing_else_of_itself(schema: Schema) -> None:
    """Its hints are read all the same, and an index on a field that is there in the source is not blamed."""
    assert schema.problems("""
        class Point(Object):
            x: int
        class Broken(Table):
            __table__ = "broken"
            at: Point = Point(x=1)
            tags: set[str]
            seen: float | UnsetType = UNSET
            by_seen = index("seen", "tag")
    """) == [
        (
            "5: Broken.at: its default is a Point, which all instances would share; "
            "write field(default_factory=lambda: Point(x=1))"
        ),
        "6: Broken.tags: set[str] has no wire form; use a list: list[X]",
        "8: Broken.by_seen: there is no field 'tag'; did you mean 'tags'?",
    ]


def test_a_table_is_not_frozen(schema: Schema) -> None:
    """A document gets its id when it is inserted; a nested object may be frozen."""
    assert schema.problems("""
        class Point(Object, frozen=True):
            x: int
        class Note(Table, frozen=True):
            __table__ = "notes"
            at: Point = Point(x=1)
    """) == ["3: Note: is frozen, and a document gets an id and is changed; leave frozen=True out"]
