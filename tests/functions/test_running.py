"""Running: arguments, results, rules, errors, read sets, time, nesting."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from joelclaw.errors import FunctionTimedOut
from joelclaw.functions.calls import INFINITY, Failure, Outcome, Range
from joelclaw.values import wire
from joelclaw.values.int64 import Int64
from tests.functions.deployment import CallError, Deployment, person, value_of

SCHEMA = """
    from joelclaw import *

    class User(Table):
        __table__ = "users"
        name: str
        token_identifier: str
        by_token = index("token_identifier", unique=True)

    class Member(Table):
        __table__ = "members"
        github_id: int
        by_github = index("github_id", unique=True)

    class Note(Table):
        __table__ = "notes"
        owner: str
        n: int = 0
        by_owner = index("owner", "n")
"""
HEAD = "from typing import Any\nfrom joelclaw import *\nfrom schema import *\n"


@pytest.fixture
def app(deployment: Callable[..., Deployment]) -> Callable[[str], Deployment]:
    """A deployment of one file of functions, `f.py`."""

    def make(body: str) -> Deployment:
        lines = body.splitlines()
        indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        return deployment({"schema.py": SCHEMA, "f.py": HEAD + "\n".join(line[indent:] for line in lines)})

    return make


def failure_of(outcome: Outcome) -> Failure:
    assert outcome.failure is not None
    return outcome.failure


# -- arguments and results


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "ArgumentValidationError: Object is missing the required field `id`."),
        (
            {"id": 1.0, "x": 2.0},
            "ArgumentValidationError: Object contains extra field `x` that is not in the validator.",
        ),
        ({"id": "a"}, 'ArgumentValidationError: Value does not match validator.\nPath: .id\nValue: "a"'),
        ({"id": 1.5}, "ArgumentValidationError: The number is not whole"),
        ({"id": 1.0, "note": "junk"}, "ArgumentValidationError: "),
    ],
)
def test_arguments_are_checked(app: Callable[[str], Deployment], arguments: dict[str, Any], message: str) -> None:
    """The function does not start; the words are public and have no frames (FN-4, FN-5)."""
    f = app("@query\ndef f(ctx: QueryCtx, id: int, note: Id[Note] | None = None) -> int:\n    return id\n")
    failure = failure_of(f.run_query("f:f", arguments))
    assert failure.message.startswith(message)
    assert (failure.public, failure.code, failure.frames) == (True, "arguments_refused", "")
    assert f.query("f:f", id=1.0) == 1


def test_an_id_of_another_table_is_refused(app: Callable[[str], Deployment]) -> None:
    """Naming both tables (FN-7)."""
    f = app(
        """
        @mutation
        def add(ctx: MutationCtx) -> Id[Note]:
            return ctx.db.insert(Note(owner="x"))
        @query
        def f(ctx: QueryCtx, id: Id[User]) -> None: ...
        """
    )
    id = f.mutate("f:add")
    with pytest.raises(CallError, match=f'Found ID "{id}" from table `notes`, which does not match the table name'):
        f.query("f:f", id=id)


def test_arguments_as_they_come(app: Callable[[str], Deployment]) -> None:
    """`**kwargs: Any` takes every wire value under its name on the wire (FN-8)."""
    f = app("@query\ndef f(ctx: QueryCtx, /, **rest: Any) -> Any:\n    return rest\n")
    rest = {"aB": 1.0, "ctx": [True, None], "big": Int64(5)}
    assert wire.decode(f.run_query("f:f", rest).value) == rest


def test_defaults_are_fresh_for_each_call(app: Callable[[str], Deployment]) -> None:
    """A mutable default that one call changes is not the next one's."""
    f = app("@query\ndef f(ctx: QueryCtx, *, xs: list[int] = []) -> list[int]:\n    xs.append(1)\n    return xs\n")
    assert [f.query("f:f"), f.query("f:f")] == [[1.0], [1.0]]


@pytest.mark.parametrize("value", ["'x'", "[1, 'x']", "None", "{1}", "[float('nan')]", "object()"])
def test_results_are_checked(app: Callable[[str], Deployment], value: str) -> None:
    """A wrong one fails the call, and a mutation writes nothing (FN-9, FN-10)."""
    f = app(
        f"""
        @mutation
        def f(ctx: MutationCtx) -> list[int]:
            ctx.db.insert(Note(owner="x"))
            result: Any = {value}
            return result
        @query
        def count(ctx: QueryCtx) -> int:
            return ctx.db.query(Note).count()
        """
    )
    failure = failure_of(f.run_mutation("f:f"))
    assert failure.message.startswith("ReturnsValidationError: ")
    assert failure.message.endswith("(the result of f:f)")
    assert f.query("f:count") == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("pass", [0, 1, 2]),
        ("notes.reverse()", [2, 1, 0]),
        ("notes[1].n = 7", [0, 7, 2]),
        ("notes = notes[:2]", [0, 1]),
        ("notes = notes + notes[:1]", [0, 1, 2, 0]),
        ("notes = tuple(notes)", [0, 1, 2]),
        ("list(ctx.db.query(Note.by_owner, owner='bob').collect())", [0, 1, 2]),
    ],
)
def test_documents_are_returned_as_they_are_now(
    app: Callable[[str], Deployment], change: str, expected: list[int]
) -> None:
    """What was read is returned with what the function made of it, whether that is nothing or something."""
    f = app(
        f"""
        @mutation
        def add(ctx: MutationCtx, owner: str, n: int) -> None:
            ctx.db.insert(Note(owner=owner, n=n))

        @query
        def f(ctx: QueryCtx) -> list[Note]:
            notes: Any = ctx.db.query(Note.by_owner, owner="ann").collect()
            {change}
            return notes
        """
    )
    for n in range(3):
        f.mutate("f:add", owner="ann", n=n)
    f.mutate("f:add", owner="bob", n=9)
    assert [note["n"] for note in f.query("f:f")] == expected


@pytest.mark.parametrize(
    "change",
    [
        "notes[1].n = 'x'",
        "notes[1] = Twin(id=notes[1].id, creation_time=notes[1].creation_time, owner='ann', n=1)",
        "notes[1] = None",
    ],
)
def test_documents_that_were_spoiled_are_refused(app: Callable[[str], Deployment], change: str) -> None:
    """A document of a result that is none any more is refused, even if its text is that of the stored one."""
    f = app(
        f"""
        class Twin(Object):
            id: str = field(name="_id")
            creation_time: float = field(name="_creationTime")
            owner: str
            n: int

        @mutation
        def add(ctx: MutationCtx, owner: str, n: int) -> None:
            ctx.db.insert(Note(owner=owner, n=n))

        @query
        def f(ctx: QueryCtx) -> list[Note]:
            notes: Any = ctx.db.query(Note.by_owner, owner="ann").collect()
            {change}
            return notes
        """
    )
    for n in range(3):
        f.mutate("f:add", owner="ann", n=n)
    assert failure_of(f.run_query("f:f", {})).message.endswith("(the result of f:f)")


def test_without_an_annotation_any_wire_value_is_a_result(app: Callable[[str], Deployment]) -> None:
    """And nothing else."""
    f = app("@query\ndef f(ctx: QueryCtx, x: Any):\n    return {'x': x} if x is not None else {1}\n")
    assert f.query("f:f", x=Int64(3)) == {"x": Int64(3)}
    with pytest.raises(CallError, match="ReturnsValidationError"):
        f.query("f:f", x=None)


def test_classes_of_one_name_in_two_files_stay_apart(deployment: Callable[..., Deployment]) -> None:
    """Also as the argument of a generic class, where they have the same fields."""
    body = """
        from joelclaw import *
        class Item(Object):
            x: int
        @query
        def f(ctx: QueryCtx) -> Page[Item]:
            return Page(page=[Item(x=1)], is_done=True, continue_cursor="")
    """
    f = deployment({"a.py": body, "b.py": body})
    assert f.query("a:f") == f.query("b:f")


def test_too_large_arguments_and_results_are_refused(app: Callable[[str], Deployment]) -> None:
    """16 MiB, by the clients' way of counting (LIM-6)."""
    f = app("@query\ndef f(ctx: QueryCtx, text: str, times: int) -> str:\n    return text * times\n")
    assert len(f.query("f:f", text="x" * 1_000_000, times=16.0)) == 16_000_000
    with pytest.raises(CallError, match=r"Function f.f return value is too large \(actual: 16.21 MiB, limit: 16 MiB\)"):
        f.query("f:f", text="x" * 1_000_000, times=17.0)
    with pytest.raises(CallError, match=r"Arguments for f.f are too large \(actual: 16.21 MiB, limit: 16 MiB\)"):
        f.query("f:f", text="x" * 17_000_000, times=1.0)


# -- who may call


def test_unknown_and_wrong_kind(app: Callable[[str], Deployment]) -> None:
    """In the clients' words (FN-1, FN-2)."""
    f = app("@query\ndef f(ctx: QueryCtx) -> None: ...\n")
    assert failure_of(f.run_query("f:g")).message == (
        "Could not find public function for 'f:g'. Did you forget to run `joelclaw dev`?"
    )
    assert failure_of(f.run_query("f:g", privileged=True)).message.startswith("Could not find function for 'f:g'.")
    assert failure_of(f.run_mutation("f:f")).message == (
        "Trying to execute f:f as Mutation, but it is defined as Query."
    )


RULES = """
    def owner(ctx: QueryCtx, note: Id[Note]) -> bool:
        return ctx.db.require(note).owner == ctx.auth.require_user(User).name

    @query(allow=owner)
    def read(ctx: QueryCtx, verbose: bool, note: Id[Note]) -> str:
        return ctx.db.require(note).owner

    @mutation(allow=owner)
    def rename(ctx: MutationCtx, note: Id[Note], owner: str) -> None:
        ctx.db.patch(note, owner=owner)

    @mutation
    def set_up(ctx: MutationCtx, name: str) -> Id[Note]:
        ctx.db.insert(User(name=name, token_identifier="https://issuer|" + name))
        return ctx.db.insert(Note(owner=name))

    @query
    def indirect(ctx: QueryCtx, note: Id[Note]) -> str:
        return ctx.run_query(read, True, note=note)

    def broken(ctx: QueryCtx) -> bool:
        raise ValueError("in the rule")

    @query(allow=broken)
    def behind_broken(ctx: QueryCtx) -> None: ...

    @query(allow=lambda ctx: role("owner")(ctx) or (signed_in(ctx) and not anyone(ctx)))
    def for_owners(ctx: QueryCtx) -> bool:
        return True
"""


def test_an_own_rule_decides(app: Callable[[str], Deployment]) -> None:
    """It sees the arguments by name. A refusal, for whatever reason, reads like a function that does not exist."""
    f = app(RULES)
    note = f.mutate("f:setUp", name="ann")
    f.mutate("f:setUp", name="bob")
    arguments = {"verbose": True, "note": note}
    assert value_of(f.run_query("f:read", arguments, identity=person("ann"))) == "ann"
    refused = [
        f.run_query("f:read", arguments, identity=person("bob")),
        f.run_query("f:read", arguments, identity=person("nobody")),
        f.run_query("f:read", arguments),
    ]
    expected = "Could not find public function for 'f:read'. Did you forget to run `joelclaw dev`?"
    assert [(failure_of(one).message, failure_of(one).frames) for one in refused] == [(expected, "")] * 3
    assert failure_of(f.run_mutation("f:rename", {"note": note, "owner": "eve"}, identity=person("bob"))).code == (
        "function_not_found"
    )


@pytest.mark.parametrize(
    "arguments", [{}, {"verbose": 1}, {"verbose": True, "note": "junk"}, {"verbose": True, "x": 1}]
)
def test_a_stranger_learns_no_types_of_what_has_a_rule(
    app: Callable[[str], Deployment], arguments: dict[str, Any]
) -> None:
    """Arguments that do not fit cannot be shown to a rule, so nobody is let in: there is no such function, either."""
    f = app(RULES)
    refused = [failure_of(f.run_query("f:read", arguments)), failure_of(f.run_mutation("f:rename", arguments))]
    assert [(one.message, one.code, one.frames) for one in refused] == [
        (
            f"Could not find public function for '{path}'. Did you forget to run `joelclaw dev`?",
            "function_not_found",
            "",
        )
        for path in ("f:read", "f:rename")
    ]
    told = f.run_query("f:read", arguments, privileged=True)
    assert failure_of(told).code == "arguments_refused"


def test_a_rule_reads_in_the_functions_own_read_set(app: Callable[[str], Deployment]) -> None:
    """A right that is taken away, or given, reaches the subscription; the result is personal."""
    f = app(RULES)
    note = f.mutate("f:setUp", name="ann")
    for name in ("ann", "bob"):
        outcome = f.run_query("f:read", {"verbose": True, "note": note}, identity=person(name))
        assert outcome.personal
        by_id = next(table.by_id.number for table in f.layout.tables if table.name == "notes")
        assert Range(by_id, note.encode()) in outcome.reads


def test_administrators_and_other_functions_pass_rules(app: Callable[[str], Deployment]) -> None:
    """A rule is for callers from outside."""
    f = app(RULES)
    note = f.mutate("f:setUp", name="ann")
    assert value_of(f.run_query("f:read", {"verbose": True, "note": note}, privileged=True)) == "ann"
    assert f.query("f:indirect", note=note) == "ann"


def test_an_error_in_a_rule_is_an_error(app: Callable[[str], Deployment]) -> None:
    """Not a refusal: its author has to hear of it."""
    failure = failure_of(app(RULES).run_query("f:behindBroken"))
    assert failure.message == "Uncaught ValueError: in the rule"
    assert "broken" in failure.frames


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("None", "Could not find public function for 'f:f'"),
        ("''", "Could not find public function for 'f:f'"),
        ("'yes'", "Uncaught Misuse: the rule rule answers str, and a rule answers True or False"),
        ("1", "Uncaught Misuse: the rule rule answers int"),
        ("(True for _ in [1])", "Uncaught Misuse: the rule rule answers generator"),
        ("role('owner')", "Uncaught Misuse: the rule rule answers RoleRule"),
    ],
)
def test_only_true_is_a_yes(app: Callable[[str], Deployment], answer: str, message: str) -> None:
    """A rule that forgets to ask another one lets nobody in, and its author hears of it."""
    f = app(
        f"""
        def rule(ctx: QueryCtx) -> Any:
            return {answer}
        @query(allow=rule)
        def f(ctx: QueryCtx) -> int:
            return 1
        """
    )
    assert failure_of(f.run_query("f:f")).message.startswith(message)


def test_rules_can_ask_for_roles(app: Callable[[str], Deployment]) -> None:
    """`role`, `signed_in` and `anyone` are functions of a context."""
    f = app(RULES)
    assert value_of(f.run_query("f:forOwners", identity=person("ann"))) is True
    assert failure_of(f.run_query("f:forOwners", identity=person("bob"))).code == "function_not_found"
    assert failure_of(f.run_query("f:forOwners", identity=person("bob", role="owner"))).code == "function_not_found"


def test_require_user(app: Callable[[str], Deployment]) -> None:
    """By token identifier, or by the account at a provider; the errors say which is missing (AUTH-2: nobody)."""
    f = app(
        """
        @query
        def me(ctx: QueryCtx) -> str:
            return ctx.auth.require_user(User).name
        @query
        def member(ctx: QueryCtx) -> int:
            return ctx.auth.require_user(Member).github_id
        @query
        def wrong(ctx: QueryCtx) -> None:
            ctx.auth.require_user(Note)
        @query
        def who(ctx: QueryCtx) -> Any:
            identity = ctx.auth.identity
            return identity and [identity.issuer, identity.subject, identity.token_identifier, identity.claims]
        @mutation
        def add(ctx: MutationCtx) -> None:
            ctx.db.insert(User(name="Ann", token_identifier="https://issuer|ann"))
            ctx.db.insert(Member(github_id=7))
        """
    )
    f.mutate("f:add")
    assert value_of(f.run_query("f:me", identity=person("ann"))) == "Ann"
    assert value_of(f.run_query("f:member", identity=person("7", provider="github"))) == 7
    assert value_of(f.run_query("f:member", identity=person("x", githubId=7.0))) == 7
    assert failure_of(f.run_query("f:member", identity=person("7"))).code == "user_not_found"
    assert failure_of(f.run_query("f:me", identity=person("bob"))).code == "user_not_found"
    assert failure_of(f.run_query("f:me")).code == "not_signed_in"
    assert "token_identifier" in failure_of(f.run_query("f:wrong", identity=person("ann"))).message
    who = f.run_query("f:who", identity=person("ann", name="Ann"))
    assert value_of(who) == ["https://issuer", "ann", "https://issuer|ann", {"name": "Ann"}]
    assert who.personal
    assert f.query("f:who") is None


# -- errors


@pytest.mark.parametrize(
    ("statement", "message", "data"),
    [
        ("raise AppError('no')", "Uncaught ConvexError: no", "no"),
        ("raise AppError(None)", "Uncaught ConvexError: null", None),
        (
            "raise AppError({'message': 'hi', 'code': Int64(123), 'n': 2.0})",
            'Uncaught ConvexError: {"message":"hi","code":"123n","n":2}',
            {"message": "hi", "code": Int64(123), "n": 2.0},
        ),
        ("raise FooError(['a'])", 'Uncaught FooError: ["a"]', ["a"]),
        (
            "raise AppError(MappingProxyType({'a': UNSET, 'b': (1, 2)}))",
            'Uncaught ConvexError: {"b":[1,2]}',
            {"b": [1, 2]},
        ),
        ("raise BareError('x')", "Uncaught BareError: null", None),
    ],
)
def test_app_errors_carry_their_data(app: Callable[[str], Deployment], statement: str, message: str, data: Any) -> None:
    """Text as it is, objects as JSON; a subclass keeps its name; always public (ERR-4, ERR-5, ERR-6)."""
    f = app(
        f"""
        from types import MappingProxyType
        class FooError(AppError): ...
        class BareError(AppError):
            def __init__(self, text: str) -> None: ...
        @query
        def f(ctx: QueryCtx) -> None:
            {statement}
        """
    )
    failure = failure_of(f.run_query("f:f"))
    assert (failure.message, failure.public, failure.code) == (message, True, "app_error")
    assert failure.data is not None
    assert wire.decode(failure.data) == data


def test_other_errors_have_no_data(app: Callable[[str], Deployment]) -> None:
    """Their message is not public; their frames are those of the user's files, innermost first (ERR-7)."""
    f = app(
        """
        import json
        def helper(text: str) -> Any:
            return json.loads(text)
        @query
        def f(ctx: QueryCtx) -> None:
            helper("{")
        """
    )
    failure = failure_of(f.run_query("f:f"))
    assert failure.message.startswith("Uncaught JSONDecodeError: Expecting property name")
    assert (failure.data, failure.public, failure.code) == (None, False, "internal")
    assert failure.frames == "    at helper (app_functions/f.py:7)\n    at f (app_functions/f.py:10)"


def test_an_error_of_the_apps_cannot_call_itself_public(app: Callable[[str], Deployment]) -> None:
    """An attribute that is ours on our errors is nothing on others'."""
    f = app(
        """
        class Loud(Exception):
            public = True
        @query
        def f(ctx: QueryCtx) -> None:
            raise Loud("a secret")
        """
    )
    assert not failure_of(f.run_query("f:f")).public


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import sys; sys.exit(3)", "Uncaught SystemExit: 3"),
        ("raise KeyboardInterrupt", "Uncaught KeyboardInterrupt: "),
        ("f(ctx)", "Uncaught RecursionError: "),
        ("raise AppError({1})", "Uncaught ConvexError: its data is no wire value"),
        ("raise Unspeakable", "Uncaught Unspeakable: (its text cannot be shown)"),
        ("raise Exiting", "Uncaught Exiting: (its text cannot be shown)"),
        ("raise Obliging('x')", "Uncaught Obliging: x"),
        ("raise Nameless", "Uncaught exception that cannot be shown: ValueError"),
        ("raise ValueError('\\ud800')", "Uncaught ValueError: \\ud800"),
        ("return '\\ud800'", "ReturnsValidationError: "),
        ("raise BaseException('x' * 100_000)", "Uncaught BaseException: xxx"),
    ],
)
def test_nothing_is_raised_from_a_run(app: Callable[[str], Deployment], statement: str, message: str) -> None:
    """Whatever a function does ends in its outcome, in bounded words, and the guard is down again."""
    f = app(
        f"""
        class Unspeakable(Exception):
            def __str__(self) -> str:
                raise ValueError
        class Exiting(Exception):
            def __str__(self) -> str:
                raise SystemExit
        class Obliging(Exception):
            def __getattr__(self, name: str) -> Any:
                return self
        class Unnamed(type):
            __name__ = property(lambda cls: int("x"))
        class Nameless(Exception, metaclass=Unnamed): ...
        @query
        def f(ctx: QueryCtx) -> Any:
            {statement}
        """
    )
    outcome = f.run_query("f:f")
    failure = failure_of(outcome)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=Outcome) == outcome
    assert failure.message.startswith(message)
    assert len(failure.message) <= 65_536
    assert len(failure.frames.splitlines()) <= 50
    assert not f.hooks.armed


def test_an_interrupted_run_fails_even_if_it_went_on(app: Callable[[str], Deployment]) -> None:
    """The isolate's word counts."""
    f = app("@query\ndef f(ctx: QueryCtx) -> int:\n    return 1\n")
    f.hooks.interruption = FunctionTimedOut(1.0, "transaction_time_s")
    outcome = f.run_query("f:f")
    assert failure_of(outcome).message == (
        "Function execution timed out (maximum duration: 1s). "
        "Consider doing less at a time, or raise limits.transaction_time_s in joelclaw.toml."
    )
    assert outcome.value == b"null"


def test_app_code_runs_armed_and_nothing_else_does(app: Callable[[str], Deployment]) -> None:
    """The guard looks while the function runs, its rule included."""
    f = app(
        """
        seen: list[bool] = []
        def rule(ctx: QueryCtx) -> bool:
            seen.append(ctx.db.run.hooks.armed)
            return True
        @query(allow=rule)
        def f(ctx: QueryCtx) -> list[bool]:
            return [*seen, ctx.db.run.hooks.armed]
        """
    )
    assert f.query("f:f") == [True, True]
    assert not f.hooks.armed


# -- read sets


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ctx.db.query(Note.by_owner, owner='a').collect()", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='a').take(9)", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='a').count()", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='none').first()", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='a').first()", ("part", None, 1)),
        ("ctx.db.query(Note.by_owner, owner='a').take(2)", ("part", None, 2)),
        ("ctx.db.query(Note.by_owner, owner='a').order('desc').take(2)", ("part", 2, None)),
        ("next(iter(ctx.db.query(Note.by_owner, owner='a')))", ("part", None, 1)),
        ("[n for n in ctx.db.query(Note.by_owner, owner='a')]", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='a').filter(lambda n: n.n == 2).first()", ("part", None, 2)),
        ("ctx.db.query(Note.by_owner, owner='a').filter(lambda n: n.n == 9).first()", ("whole", None, None)),
        ("ctx.db.query(Note.by_owner, owner='a').unique()", None),
    ],
)
def test_a_read_set_ends_with_the_last_key_taken(
    app: Callable[[str], Deployment], expression: str, expected: tuple[str, int | None, int | None] | None
) -> None:
    """What was looked at, not what was fetched; an empty range is read, too."""
    f = app(
        f"""
        @mutation
        def fill(ctx: MutationCtx) -> None:
            for n in (1, 2, 3):
                ctx.db.insert(Note(owner="a", n=n))
        @query
        def f(ctx: QueryCtx) -> None:
            {expression}
        @query
        def keys(ctx: QueryCtx) -> list[str]:
            table = ctx.db.run.app.open_table(Note)
            return [table.info.keys(note, table.layout)[2].key.hex() for note in ctx.db.query(Note.by_owner)]
        """
    )
    f.mutate("f:fill")
    keys = [bytes.fromhex(key) for key in f.query("f:keys")]
    [read] = f.run_query("f:f").reads
    if expected is None:
        assert (read.start, read.end) == (None, keys[1] + b"\0")
        return
    how, start, end = expected
    assert read.prefix in (b"\x10a\0", b"\x10none\0")
    assert (how == "whole") == (read.start is None and read.end is None)
    assert read.start == (None if start is None else keys[start - 1])
    assert read.end == (None if end is None else keys[end - 1] + b"\0")


def test_a_read_set_names_each_range_once(app: Callable[[str], Deployment]) -> None:
    """However often it was read; `take(0)` reads nothing; a failed query has read, too."""
    f = app(
        """
        @query
        def f(ctx: QueryCtx) -> None:
            for _ in range(3):
                ctx.db.query(Note.by_owner, owner="a").first()
                ctx.db.query(Note.by_owner, owner="b").take(0)
            raise ValueError
        """
    )
    outcome = f.run_query("f:f")
    assert failure_of(outcome).message == "Uncaught ValueError: "
    assert [read.prefix for read in outcome.reads] == [b"\x10a\0"]


# -- time


def test_comparing_with_now_makes_a_result_expire(app: Callable[[str], Deployment]) -> None:
    """At the nearest moment in the future at which an answer changes."""
    f = app(
        """
        @query
        def f(ctx: QueryCtx, at: float) -> list[bool]:
            return [ctx.before(at), ctx.after(at), ctx.within(at - 5_000, "15s"), ctx.before(at - 1e9)]
        """
    )
    now = f.hooks.clock()
    outcome = f.run_query("f:f", {"at": now + 1_000})
    assert value_of(outcome) == [True, False, True, False]
    assert (outcome.timed, outcome.expires) == (True, now + 1_000)
    at_the_moment = f.run_query("f:f", {"at": now + 1_000}, now=now + 1_000)
    assert value_of(at_the_moment) == [False, True, True, False]
    assert at_the_moment.expires == now + 11_000
    for moment in (now + 11_000, now + 20_000):
        late = f.run_query("f:f", {"at": now + 1_000}, now=moment)
        assert value_of(late) == [False, True, False, False]
        assert late.expires == INFINITY


def test_now_stands_still_and_does_not_expire(app: Callable[[str], Deployment]) -> None:
    """A result that used it is valid from then on; one that did not look at the time, always."""
    f = app(
        """
        @query
        def f(ctx: QueryCtx) -> float:
            return ctx.now()
        @query
        def g(ctx: QueryCtx) -> int:
            return 1
        """
    )
    outcome = f.run_query("f:f", now=123.5)
    assert (value_of(outcome), outcome.timed, outcome.expires) == (123.5, True, INFINITY)
    assert not f.run_query("f:g").timed


def test_a_duration_needs_a_unit(app: Callable[[str], Deployment]) -> None:
    """A bare number is an error that says what to write."""
    f = app("@query\ndef f(ctx: QueryCtx) -> bool:\n    d: Any = 15\n    return ctx.within(0.0, d)\n")
    assert "write '30s'" in failure_of(f.run_query("f:f")).message


def test_randomness_and_environment(app: Callable[[str], Deployment]) -> None:
    """Randomness differs from call to call; the environment is what was declared (TXN-12)."""
    f = app(
        """
        @query
        def f(ctx: QueryCtx) -> list[float]:
            return [ctx.random.random(), ctx.random.random()]
        @query
        def env(ctx: QueryCtx) -> list[str | None]:
            env: Any = ctx.env
            try:
                env["GREETING"] = "changed"
            except TypeError:
                return [ctx.env["GREETING"], ctx.env.get("NOTHING")]
            return ["could be written"]
        """
    )
    one, two = f.query("f:f"), f.query("f:f")
    assert len({*one, *two}) == 4
    assert f.query("f:env") == ["hello", None]


# -- nested calls

NESTED = """
    class Wrong(Exception): ...

    @query
    def count(ctx: QueryCtx, owner: str = "a") -> int:
        return ctx.db.query(Note.by_owner, owner=owner).count()

    @mutation
    def add(ctx: MutationCtx, n: int, fail: bool = False) -> Id[Note]:
        id = ctx.db.insert(Note(owner="a", n=n))
        if fail:
            raise Wrong("after the insert")
        return id

    @mutation
    def caught(ctx: MutationCtx) -> list[int]:
        ctx.run_mutation(add, 1)
        before = ctx.db.run.documents_written
        try:
            ctx.run_mutation(add, n=2, fail=True)
        except Wrong:
            pass
        after = ctx.db.run.documents_written
        id = ctx.run_mutation(add, 3)
        ctx.db.patch(id, n=4)
        return [note.n for note in ctx.db.query(Note)] + [ctx.run_query(count), after - before]

    @mutation
    def thrown(ctx: MutationCtx) -> None:
        ctx.run_mutation(add, 1)
        raise Wrong("all gone")

    @query
    def deep(ctx: QueryCtx, depth: int) -> int:
        return depth if depth == 0 else ctx.run_query(deep, depth - 1)

    @query
    def wrong_argument(ctx: QueryCtx) -> int:
        owner: Any = 5
        return ctx.run_query(count, owner)

    @query
    def too_many(ctx: QueryCtx) -> int:
        f: Any = count
        return ctx.run_query(f, "a", "b")

    @query
    def unknown(ctx: QueryCtx) -> int:
        f: Any = len
        return ctx.run_query(f)

    @query
    def wrong_kind(ctx: QueryCtx) -> int:
        f: Any = add
        return ctx.run_query(f)

    @query
    def refuse(ctx: QueryCtx, depth: int) -> None:
        if depth:
            ctx.run_query(refuse, depth - 1)
        raise AppError({"code": 1})

    @query
    def catches(ctx: QueryCtx) -> Any:
        try:
            ctx.run_query(refuse, 0)
        except AppError as error:
            return error.data

    @query
    def copies(ctx: QueryCtx) -> list[int]:
        xs = [1]
        ctx.run_query(changes, xs)
        return xs

    @query
    def changes(ctx: QueryCtx, xs: list[int]) -> None:
        xs.append(2)

    @query
    def identity(ctx: QueryCtx) -> str | None:
        return ctx.run_query(subject)

    @query
    def subject(ctx: QueryCtx) -> str | None:
        return ctx.auth.identity and ctx.auth.identity.subject
"""


def test_a_nested_mutation_undoes_only_itself(app: Callable[[str], Deployment]) -> None:
    """Its failure can be caught; its writes vanish and do not count; the parent sees the others."""
    assert app(NESTED).mutate("f:caught") == [1, 4, 2, 0]


def test_a_parents_failure_undoes_its_children(app: Callable[[str], Deployment]) -> None:
    """All or nothing."""
    f = app(NESTED)
    assert failure_of(f.run_mutation("f:thrown")).message == "Uncaught Wrong: all gone"
    assert f.query("f:count") == 0


def test_nesting_ends_somewhere(app: Callable[[str], Deployment]) -> None:
    """Eight calls deep (FN-12)."""
    f = app(NESTED)
    assert f.query("f:deep", depth=8.0) == 0
    with pytest.raises(CallError, match=r"Query call depth limit exceeded .* Do you have an infinite loop in your app"):
        f.query("f:deep", depth=9.0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("f:wrongArgument", "Uncaught ArgumentValidationError: Value does not match validator.\nPath: .owner"),
        ("f:tooMany", "Uncaught ArgumentValidationError: f:count takes 1 arguments, and 2 are given"),
        ("f:unknown", "Uncaught Misuse: ctx.run_query takes a function of the app"),
        ("f:wrongKind", "Uncaught WrongKind: Trying to execute f:add as Query, but it is defined as Mutation."),
    ],
)
def test_wrong_nested_calls(app: Callable[[str], Deployment], path: str, message: str) -> None:
    """A nested call is checked as one from outside."""
    assert failure_of(app(NESTED).run_query(path)).message.startswith(message)


def test_app_errors_pass_through_nested_calls(app: Callable[[str], Deployment]) -> None:
    """Data survives; each level adds itself to the message and its frames; caught, it has its data (ERR-8, ERR-9)."""
    f = app(NESTED)
    failure = failure_of(f.run_query("f:refuse", {"depth": 2.0}))
    assert failure.message == "Uncaught ConvexError: " * 3 + '{"code":1}'
    assert failure.frames.count("at refuse") == 3
    assert f.query("f:catches") == {"code": 1.0}


def test_nested_calls_get_copies_and_the_identity(app: Callable[[str], Deployment]) -> None:
    """What one does to its arguments is its own affair; who asks stays the same (AUTH-3)."""
    f = app(NESTED)
    assert f.query("f:copies") == [1]
    assert value_of(f.run_query("f:identity", identity=person("ann"))) == "ann"


def test_calling_a_function_is_plain_python(app: Callable[[str], Deployment]) -> None:
    """With a context, in the same transaction, without a check."""
    f = app(
        """
        @query
        def one(ctx: QueryCtx, x: int) -> Any:
            return [x]
        @query
        def two(ctx: QueryCtx) -> Any:
            x: Any = "unchecked"
            return [one(ctx, x), one.kind, one.__name__]
        """
    )
    assert f.query("f:two") == [["unchecked"], "query", "one"]


def test_reads_in_a_mutation_are_not_recorded(app: Callable[[str], Deployment]) -> None:
    """They are the database's business."""
    assert app(NESTED).run_mutation("f:caught").reads == []


def test_a_query_has_nothing_to_write_with(app: Callable[[str], Deployment]) -> None:
    """Its `ctx.db` has no insert."""
    f = app("@query\ndef f(ctx: QueryCtx) -> None:\n    db: Any = ctx.db\n    db.insert(Note(owner='x'))\n")
    assert failure_of(f.run_query("f:f")).message.startswith("Uncaught AttributeError")


def test_a_commit_tells_the_keys_of_what_was_written(app: Callable[[str], Deployment]) -> None:
    """Old and new, in every index; what reads them is woken."""
    f = app(NESTED)
    id = f.mutate("f:add", n=1.0)
    assert f.last_commit is not None
    assert next(key.key for key in f.last_commit.keys) == id.encode()
    assert len(f.last_commit.keys) == 3
