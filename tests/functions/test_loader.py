"""Loading: paths, names, and every problem of an app at once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from joelclaw.errors import AppRefused
from joelclaw.functions.loader import LoadedApp, load_app
from joelclaw.functions.manifest import Anyone, HasRole, Internal, OwnRule, Problem, SignedIn
from tests.functions.deployment import write_app

SCHEMA = """
    from joelclaw import Id, Object, Table, index, search_index, vector_index

    class Comment(Table):
        __table__ = "comments"
        article: str
        body: str
        likes: int = 0
        parent: Id["Comment"] | None = None
        vector: list[float] | None = None
        by_article = index("article", "likes")
        by_body = index("body", unique=True)
        search_body = search_index("body", filter=["article"])
        by_vector = vector_index("vector", dimensions=3)
"""
HEAD = "from joelclaw import *\nfrom schema import Comment\n"


def load(root: Path, files: dict[str, str], **options: Any) -> LoadedApp:
    return load_app(write_app(root, files), **options)


def paths(app: LoadedApp) -> list[str]:
    return [spec.path for spec in app.manifest.functions if not spec.path.startswith("_")]


def problems(root: Path, files: dict[str, str], **options: Any) -> list[Problem]:
    with pytest.raises(AppRefused) as refused:
        load(root, files, **options)
    return list(refused.value.problems)


def told(root: Path, body: str) -> list[str]:
    """What is wrong with one file of functions, as it is shown."""
    return [str(problem) for problem in problems(root, {"schema.py": SCHEMA, "comments.py": HEAD + body})]


# -- paths and names


def test_files_folders_and_names_become_wire_paths(tmp_path: Path) -> None:
    """Folders and modules are a path, everything is camelCase, overrides win, helpers expose nothing (FN-17)."""
    f = "from joelclaw import query, QueryCtx\n"
    app = load(
        tmp_path,
        {
            "chat_rooms.py": f + "@query\ndef for_user(ctx: QueryCtx) -> None: ...\n",
            "app_functions/ops/daily_stats.py": f + "@query\ndef by_day(ctx: QueryCtx) -> None: ...\n",
            "named.py": f + "@query(name='default')\ndef f(ctx: QueryCtx) -> None: ...\n",
            "_helper.py": f + "@query\ndef hidden(ctx: QueryCtx) -> None: ...\n",
            "app_functions/_private/x.py": f + "@query\ndef hidden(ctx: QueryCtx) -> None: ...\n",
            "app_functions/__init__.py": f + "@query\ndef hidden(ctx: QueryCtx) -> None: ...\n",
        },
    )
    assert paths(app) == ["chatRooms:forUser", "named:default", "ops/dailyStats:byDay"]
    by_day = app.manifest.find_function("ops/dailyStats:byDay")
    assert by_day is not None
    assert by_day.python_path == "ops.daily_stats.by_day"


def test_names_can_stay_as_written(tmp_path: Path) -> None:
    """`as_written` leaves names alone, but for the options of a page, which clients know by one name."""
    app = load(
        tmp_path,
        {
            "schema.py": "from joelclaw import Table\nclass T(Table):\n    __table__ = 't'\n    long_name: int\n",
            "chat_rooms.py": """
                from joelclaw import *
                from schema import T
                @query
                def for_user(ctx: QueryCtx, user_name: str, pagination_opts: PageOptions) -> Page[T]:
                    return ctx.db.query(T).paginate(pagination_opts)
            """,
        },
        wire_names="as_written",
    )
    [spec] = [spec for spec in app.manifest.functions if not spec.path.startswith("_")]
    assert spec.path == "chat_rooms:for_user"
    assert [field.name for field in spec.args.fields] == ["user_name", "paginationOpts"]
    assert "long_name" in str(spec.returns)
    assert "continueCursor" in str(spec.returns)
    assert app.manifest.find_function("_system/adminKeys:create") is not None


def test_an_argument_can_have_another_name_on_the_wire(tmp_path: Path) -> None:
    """`Arg` names what Python has no word for; a trailing underscore goes by itself."""
    app = load(
        tmp_path,
        {
            "mail.py": """
                from typing import Annotated
                from joelclaw import *
                @query
                def sent(ctx: QueryCtx, sender: Annotated[str, Arg("from")], class_: int = 3) -> None: ...
            """
        },
    )
    spec = app.manifest.find_function("mail:sent")
    assert spec is not None
    assert [(f.name, f.python_name, f.optional) for f in spec.args.fields] == [
        ("from", "sender", False),
        ("class", "class_", True),
    ]


def test_allow_is_data_or_a_rule(tmp_path: Path) -> None:
    """The four kinds of permission, and none."""
    app = load(
        tmp_path,
        {
            "f.py": """
                from joelclaw import *
                def mine(ctx: QueryCtx, x: int) -> bool: ...
                @query
                def a(ctx: QueryCtx) -> None: ...
                @query(allow=anyone)
                def b(ctx: QueryCtx) -> None: ...
                @mutation(allow=signed_in)
                def c(ctx: MutationCtx) -> None: ...
                @action(allow=role("owner"))
                async def d(ctx: ActionCtx) -> None: ...
                @query(allow=mine)
                def e(ctx: QueryCtx, x: int) -> None: ...
            """
        },
    )
    allows = [spec.allow for spec in app.manifest.functions if spec.path.startswith("f:")]
    assert allows == [Internal(), Anyone(), SignedIn(), HasRole("owner"), OwnRule("mine")]


def test_the_manifest_is_the_same_every_time_and_survives_encoding(tmp_path: Path) -> None:
    """Functions by path, tables by name; places relative to the root."""
    files = {
        "schema.py": SCHEMA,
        "b.py": HEAD + "@query\ndef z(ctx: QueryCtx) -> list[Comment]: ...\n@query\ndef a(ctx: QueryCtx) -> int:\n    "
        '"""Doc."""\n    return 1\n',
        "a.py": HEAD + "@query\ndef f(ctx: QueryCtx) -> None: ...\n",
    }
    manifest = load(tmp_path, files).manifest
    assert load(tmp_path, files).manifest == manifest
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=type(manifest)) == manifest
    spec = manifest.find_function("b:a")
    assert spec is not None
    assert (str(spec.place), spec.doc) == ("app_functions/b.py:6", "Doc.")
    names = [table.name for table in manifest.tables]
    assert names == sorted(names)
    assert [name for name in names if not name.startswith("_")] == ["comments"]
    assert [str(table.place) for table in manifest.tables if table.name == "comments"] == ["schema.py:4"]


def test_an_imported_function_belongs_to_the_file_that_defines_it(tmp_path: Path) -> None:
    """Importing a function, or giving it a second name, does not make a second one."""
    files = {
        "a.py": "from joelclaw import *\n@query\ndef f(ctx: QueryCtx) -> int: return 1\ng = f\n",
        "b.py": "from app_functions.a import f\n",
    }
    assert paths(load(tmp_path, files)) == ["a:f"]


def test_files_may_import_each_other_in_circles(tmp_path: Path) -> None:
    """Importing the module works in any order."""
    files = {
        "a.py": "from joelclaw import *\nfrom app_functions import b\n@query\ndef f(ctx: QueryCtx) -> int: ...\n",
        "b.py": "from joelclaw import *\nfrom app_functions import a\nN = 1\n@query\ndef g(ctx: QueryCtx) -> int:\n"
        "    return a.f(ctx)\n",
    }
    assert paths(load(tmp_path, files)) == ["a:f", "b:g"]


def test_files_shadow_nothing(tmp_path: Path) -> None:
    """`http.py` and `queue.py` are files of functions, and the standard modules are still there."""
    body = "from joelclaw import *\nimport {0} as standard\n@query\ndef f(ctx: QueryCtx) -> str: return str(standard)\n"
    app = load(tmp_path, {"http.py": body.format("http.client"), "queue.py": body.format("queue")})
    assert paths(app) == ["http:f", "queue:f"]
    import queue

    assert hasattr(queue, "SimpleQueue")


def test_a_file_and_a_folder_may_share_a_name(tmp_path: Path) -> None:
    """`ops.py` beside `ops/`: both are found."""
    f = "from joelclaw import *\n@query\ndef f(ctx: QueryCtx) -> None: ...\n"
    assert paths(load(tmp_path, {"ops.py": f, "app_functions/ops/stats.py": f})) == ["ops/stats:f", "ops:f"]


def test_the_folder_and_the_schema_can_be_elsewhere(tmp_path: Path) -> None:
    """Paths are the modules' names, as type checkers have it."""
    app = load(
        tmp_path,
        {
            "backend/functions/a.py": "from joelclaw import *\nfrom backend.tables import T\n"
            "@query\ndef f(ctx: QueryCtx) -> list[T]: ...\n",
            "backend/tables.py": "from joelclaw import Table\nclass T(Table):\n    __table__ = 't'\n    x: int\n",
        },
        functions="backend/functions",
        schema="backend/tables.py",
    )
    assert paths(app) == ["a:f"]


def test_other_files_of_the_project_can_be_imported(tmp_path: Path) -> None:
    """What lies beside the functions is found, after what is installed."""
    files = {"lib/words.py": "WORD = 'x'\n", "a.py": "from lib.words import WORD\n"}
    assert paths(load(tmp_path, files)) == []


def test_two_saves_within_a_second_both_count(tmp_path: Path) -> None:
    """The second save has the size and the second of the first, and a bytecode cache that Python would believe."""
    text = "from joelclaw import *\nimport words\n@query\ndef f{0}(ctx: QueryCtx) -> None: ...\nwords.check({0})\n"
    words = "def check(n):\n    assert n == {0}\n"
    write_app(tmp_path, {"a.py": text.format(1), "x/words.py": ""})
    for number in (1, 2):
        write_app(tmp_path, {"a.py": text.format(number)})
        (tmp_path / "words.py").write_text(words.format(number))
        for file in (tmp_path / "app_functions/a.py", tmp_path / "words.py"):
            os.utime(file, (1_700_000_000, 1_700_000_000))
            if number == 1:
                subprocess.run([sys.executable, "-m", "py_compile", str(file)], check=True)
        assert paths(load_app(tmp_path)) == [f"a:f{number}"]


def test_loading_leaves_no_bytecode(tmp_path: Path) -> None:
    """Not one `__pycache__` in the user's folders."""
    load(tmp_path, {"schema.py": SCHEMA, "a.py": HEAD})
    assert list(tmp_path.rglob("__pycache__")) == []


def test_an_empty_folder_is_an_app(tmp_path: Path) -> None:
    """No schema, no functions: the platform's own are there."""
    app = load(tmp_path, {})
    assert paths(app) == []
    assert {"_admin_keys", "_env", "_scheduled_functions", "_storage"} <= set(app.tables)
    assert all(name.startswith("_") for name in app.tables)


# -- problems


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Broken files, broken tables and broken functions do not hide each other; sorted by place."""
    found = problems(
        tmp_path,
        {
            "schema.py": "from joelclaw import Table, index\nclass T(Table):\n    __table__ = 't'\n    x: set[int]\n"
            "    y: int\n    by_z = index('z')\n",
            "a.py": "from joelclaw import *\n@query\nasync def f(ctx: QueryCtx, x, y: set[int]) -> object: ...\n",
            "b.py": "def broken(:\n",
            "c.py": "import nothing_of_this_name\n",
            "d.py": "from schema import T\n1 / 0\n",
        },
    )
    assert [str(problem.place) for problem in found] == [
        "app_functions/a.py:3",
        "app_functions/a.py:3",
        "app_functions/a.py:3",
        "app_functions/a.py:3",
        "app_functions/b.py:1",
        "app_functions/c.py:1",
        "app_functions/d.py:2",
        "schema.py:4",
        "schema.py:6",
    ]


def test_reasons_name_files_from_the_root(tmp_path: Path) -> None:
    """Also where a reason points at a second place."""
    table = "    __table__ = 't'\n    x: int\n"
    [problem] = problems(
        tmp_path, {"schema.py": f"from joelclaw import *\nclass A(Table):\n{table}class B(Table):\n{table}"}
    )
    assert problem.reason == "'t' is the table A already (schema.py:2)"


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """A wrong [app] functions is one sentence."""
    with pytest.raises(AppRefused, match="there is no such folder"):
        load_app(tmp_path, "nowhere")


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    """File, line, and Python's own words."""
    [text] = told(tmp_path, "x = 1\ny = = 2\n")
    assert text == "app_functions/comments.py:4: app_functions.comments: is no Python: invalid syntax"


def test_an_import_error_is_told_where_the_user_caused_it(tmp_path: Path) -> None:
    """Once, at the deepest line of the user's own files, also if several files run into it."""
    found = problems(
        tmp_path,
        {
            "_deep.py": "import json\n\ndef parse():\n    return json.loads('{')\n",
            "a.py": "from app_functions import _deep\nX = _deep.parse()\n",
            "b.py": "from app_functions.a import X\n",
        },
    )
    [problem] = found
    assert str(problem.place) == "app_functions/_deep.py:4"
    assert "JSONDecodeError" in problem.reason


def test_a_circular_import_of_names_says_what_to_write(tmp_path: Path) -> None:
    """The advice names the form that works."""
    found = problems(
        tmp_path,
        {"a.py": "from app_functions.b import y\nx = 1\n", "b.py": "from app_functions.a import x\ny = 1\n"},
    )
    assert {problem.advice for problem in found} == {
        "files that need each other import modules, not names: from app_functions import chat"
    }


def test_an_import_without_its_package_says_what_to_write(tmp_path: Path) -> None:
    """`import chat` beside `chat.py` is a common slip."""
    [problem] = problems(tmp_path, {"a.py": "import chat_room\n", "chat_room.py": ""})
    assert problem.advice == "files of functions are one package: from app_functions import chat_room"


def test_a_missing_schema_says_what_to_make(tmp_path: Path) -> None:
    """Not that something has to be installed."""
    [problem] = problems(tmp_path, {"a.py": "from schema import T\n"})
    assert problem.advice == "make schema.py, or name another file in joelclaw.toml: [app] schema"


def test_exiting_while_imported_is_a_problem(tmp_path: Path) -> None:
    """`sys.exit()` at the top of a file fails the load, not the process."""
    [problem] = problems(tmp_path, {"a.py": "import sys\nsys.exit(3)\n"})
    assert str(problem.place) == "app_functions/a.py:2"


def test_a_file_that_cannot_be_imported_by_name(tmp_path: Path) -> None:
    """`my-file.py` is no module."""
    [problem] = problems(tmp_path, {"my-file.py": ""})
    assert str(problem) == (
        "app_functions/my-file.py:1: my-file: is no name that Python can import; name it with letters, digits and '_'"
    )


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are told, not raised."""
    write_app(tmp_path, {})
    (tmp_path / "app_functions" / "a.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(AppRefused) as refused:
        load_app(tmp_path)
    [problem] = refused.value.problems
    assert problem.place.file == "app_functions/a.py"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "@query\nasync def f(ctx: QueryCtx) -> None: ...\n",
            [
                (
                    "4: comments.f: is an `async def`, and inside a query's transaction there is nothing to wait for; "
                    "write def f(...), or use an @action for what waits"
                )
            ],
        ),
        (
            "@action\ndef f(ctx: ActionCtx) -> None: ...\n",
            ["4: comments.f: is no `async def`, and an action waits for others; write async def f(...)"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx) -> list[int]:\n    yield 1\n",
            ["4: comments.f: is a generator, and its caller gets one result; return a list"],
        ),
        ("@query\ndef f() -> None: ...\n", ["4: comments.f: takes no context; write def f(ctx: QueryCtx, ...)"]),
        (
            "@query\ndef f(ctx: MutationCtx) -> None: ...\n",
            ["4: comments.f, parameter 'ctx': a query is handed another context; write ctx: QueryCtx"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, a) -> None: ...\n",
            ["4: comments.f, parameter 'a': has no type; write a: str, or whatever it is"],
        ),
        (
            "@query\ndef f(\n    ctx: QueryCtx,\n    a: int = 'x',\n) -> None: ...\n",
            ["6: comments.f, parameter 'a': its default 'x' does not fit its type; change one of them"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, *args: int) -> None: ...\n",
            ["4: comments.f, parameter 'args': arguments have names on the wire; write args: list[X]"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, a: int, /) -> None: ...\n",
            ["4: comments.f, parameter 'a': arguments have names on the wire; put it behind the `/`"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, /, **rest: int) -> None: ...\n",
            ["4: comments.f, parameter 'rest': takes arguments as they come; write **rest: Any"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, **rest: 'Any') -> None: ...\n",
            [
                (
                    "4: comments.f, parameter 'rest': takes any argument, and one called 'ctx' would meet the context; "
                    "write (ctx, /, **rest: Any)"
                )
            ],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, when: 'datetime') -> None: ...\n",
            ["4: comments.f, parameter 'when': datetime is not defined; import it where the hint stands"],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, a_b: int, aB: int) -> None: ...\n",
            [
                (
                    "4: comments.f, parameter 'aB': is 'aB' on the wire, and so is 'a_b'; "
                    'rename one of them, or name it with Annotated[X, Arg("name")]'
                )
            ],
        ),
        (
            "@query\ndef f(ctx: QueryCtx, page: PageOptions) -> None: ...\n",
            [
                (
                    "4: comments.f, parameter 'page': clients find the options of a page under one name only; "
                    "call it pagination_opts"
                )
            ],
        ),
        (
            "@query\ndef a_b(ctx: QueryCtx) -> None: ...\n@query\ndef aB(ctx: QueryCtx) -> None: ...\n",
            [
                (
                    "6: comments.aB: is 'comments:aB' on the wire, and so is comments.a_b "
                    "(app_functions/comments.py:4); "
                    "rename one of them, or name it with @query(name=...)"
                )
            ],
        ),
        (
            "@query(name='a-b')\ndef f(ctx: QueryCtx) -> None: ...\n",
            [
                (
                    "4: comments.f: is 'a-b' on the wire, which must be a letter or '_', then letters, digits and '_'; "
                    "choose another name"
                )
            ],
        ),
        (
            "@query(name='')\ndef f(ctx: QueryCtx) -> None: ...\n",
            ["4: comments.f: is '' on the wire, which is empty; choose another name"],
        ),
        (
            "@query(name=5)\ndef f(ctx: QueryCtx) -> None: ...\n",
            ["4: comments.f: is 5 on the wire, which is no text; choose another name"],
        ),
        (
            "@query(allow='everybody')\ndef f(ctx: QueryCtx) -> None: ...\n",
            [
                (
                    "4: comments.f: allow='everybody' is no rule; write allow=anyone, signed_in, role(...), "
                    "or a function of ctx and any of the arguments"
                )
            ],
        ),
        (
            (
                "def own(ctx: QueryCtx, user: str) -> bool: ...\n@query(allow=own)\n"
                "def f(ctx: QueryCtx, id: int) -> None: ...\n"
            ),
            ["5: comments.f: its rule own asks for 'user', which is no argument of it; it has id"],
        ),
        (
            "async def own(ctx: QueryCtx) -> bool: ...\n@query(allow=own)\ndef f(ctx: QueryCtx) -> None: ...\n",
            ["5: comments.f: its rule own is an `async def`; write def own(...): a rule runs in a transaction"],
        ),
        (
            "def own(ctx: QueryCtx) -> bool:\n    yield True\n@query(allow=own)\ndef f(ctx: QueryCtx) -> None: ...\n",
            ["6: comments.f: its rule own is a generator; return True or False"],
        ),
        (
            (
                "def own(ctx: QueryCtx, a: int, /, *rest: int) -> bool: ...\n"
                "@query(allow=own)\ndef f(ctx: QueryCtx, a: int) -> None: ...\n"
            ),
            [
                "5: comments.f: its rule own takes '*rest: int'; let it take arguments of the function by name",
                "5: comments.f: its rule own takes 'a: int'; let it take arguments of the function by name",
            ],
        ),
        (
            "@query(allow=role)\ndef f(ctx: QueryCtx) -> None: ...\n",
            ['4: comments.f: allow=role does not say which; write allow=role("owner")'],
        ),
        (
            "@query\nclass F: ...\n",
            ["4: comments.F: is no plain function; decorate the `def` itself with @query"],
        ),
    ],
)
def test_a_wrong_function_is_told_with_its_line(tmp_path: Path, body: str, expected: list[str]) -> None:
    """Place, name, reason, and what to write instead."""
    found = [text.removeprefix("app_functions/comments.py:") for text in told(tmp_path, body)]
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_modules_that_meet_on_the_wire(tmp_path: Path) -> None:
    """`chat_room.py` and `chatRoom.py` would answer to one path."""
    f = "from joelclaw import *\n@query\ndef f(ctx: QueryCtx) -> None: ...\n"
    [problem] = problems(tmp_path, {"chat_room.py": f, "chatRoom.py": f})
    assert "is 'chatRoom:f' on the wire, and so is chatRoom.f (app_functions/chatRoom.py:3)" in problem.reason


# -- keywords


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "ctx.db.query(Comment.by_article, artcle='x')",
            "Comment.by_article has no field 'artcle'; did you mean 'article'?",
        ),
        (
            "ctx.db.query(Comment.by_article, likes=1).first()",
            (
                "Comment.by_article has 'article' before 'likes', and only 'likes' is given; "
                "give 'article' a value, or declare another index"
            ),
        ),
        ("ctx.db.query(Comment, article='x')", "query(Comment) takes no bounds, and 'article' is one; name an index"),
        ("ctx.db.query(Comment.by_artcle)", "Comment has no index 'by_artcle'; did you mean 'by_article'?"),
        ("ctx.db.find(Comment.by_body, bdy='x')", "Comment.by_body has no field 'bdy'; did you mean 'body'?"),
        (
            "ctx.db.search(Comment.search_body, 'x', artcle='x')",
            "Comment.search_body has no filter field 'artcle'; did you mean 'article'?",
        ),
        (
            "ctx.vector_search(Comment.by_vector, [1.0], likes=1, limit=3)",
            "Comment.by_vector has no filter field 'likes'; name it in the index: filter=[...]",
        ),
        (
            "ctx.db.search(Comment.by_body, 'x')",
            "Comment.by_body is no search index; declare one in the table: search_index(...)",
        ),
        ("ctx.db.search(Comment.search_bdy, 'x')", "Comment has no index 'search_bdy'; did you mean 'search_body'?"),
        (
            "[ctx.db.patch(c, bdy='x') for c in ctx.db.search(Comment.search_body, 'x').take(3)]",
            "Comment has no field 'bdy'",
        ),
        ("ctx.db.find(Comment.by_body)", "Comment.by_body has the field 'body', and it is not given; write body=..."),
        (
            "ctx.db.find(Comment.by_article, article='x', likes=1)",
            (
                "Comment.by_article is not unique, and find() gives the only one; "
                "write query(Comment.by_article, ...).first(), or declare it with unique=True"
            ),
        ),
        ("ctx.db.patch(id, bdy='x')", "Comment has no field 'bdy'; did you mean 'body'?"),
        ("ctx.db.patch(ctx.db.require(id), bdy='x')", "Comment has no field 'bdy'; did you mean 'body'?"),
        ("doc = ctx.db.get(id)\n    ctx.db.patch(doc, bdy='x')", "Comment has no field 'bdy'; did you mean 'body'?"),
        (
            (
                "for c in ctx.db.query(Comment.by_article, article='x').order('desc').take(3):\n        "
                "ctx.db.patch(c.id, bdy='x')"
            ),
            "Comment has no field 'bdy'; did you mean 'body'?",
        ),
        (
            "c = ctx.db.query(Comment).first()\n    ctx.db.patch(c.parent, bdy='x')",
            "Comment has no field 'bdy'; did you mean 'body'?",
        ),
        ("[ctx.db.patch(c, bdy='x') for c in ctx.db.query(Comment)]", "Comment has no field 'bdy'"),
        ("new = ctx.db.insert(Comment(article='', body=''))\n    ctx.db.patch(new, bdy='x')", "Comment has no field"),
    ],
)
def test_a_misspelt_keyword_is_told(tmp_path: Path, line: str, expected: str) -> None:
    """What no type checker sees: keywords of query, find and patch, with the field that was meant."""
    body = f"@mutation\ndef f(ctx: MutationCtx, id: Id[Comment]) -> None:\n    {line}\n"
    [text] = told(tmp_path, body)
    number = 5 + line.count("\n")
    assert text.startswith(f"app_functions/comments.py:{number}: {expected}")


def test_keywords_are_checked_in_helpers_and_undecorated_functions(tmp_path: Path) -> None:
    """Also in files that expose nothing."""
    found = problems(
        tmp_path,
        {
            "schema.py": SCHEMA,
            "_helper.py": HEAD + "def f(db: Reader) -> None:\n    db.query(Comment.by_article, nope=1)\n",
        },
    )
    assert [str(problem.place) for problem in found] == ["app_functions/_helper.py:4"]


@pytest.mark.parametrize(
    "body",
    [
        "ctx.db.query(Comment.by_article, article='x', likes=gt(1))",
        "ctx.db.query(Comment.by_article, article='x', likes=1, creation_time=gt(5))",
        "ctx.db.query(Comment.by_article, **{'article': 'x'})",
        "ctx.db.patch(id, body='x', likes=2)",
        "doc = ctx.db.get(id)\n    doc = object()\n    ctx.db.patch(doc, other='x')",
        "Comment = other\n    ctx.db.query(Comment.by_article, anything=1)",
        "other.db.patch(other, anything=1)",
        "for id in other:\n        ctx.db.patch(id, anything=1)",
        "def inner(id):\n        ctx.db.patch(id, anything=1)",
    ],
)
def test_the_keyword_check_is_silent_where_it_is_not_sure(tmp_path: Path, body: str) -> None:
    """Right keywords pass, and so does whatever it cannot follow: names bound twice, shadowed, or unknown."""
    files = {
        "schema.py": SCHEMA,
        "comments.py": HEAD + f"def f(ctx: MutationCtx, id: Id[Comment], other) -> None:\n    {body}\n",
    }
    load(tmp_path, files)
