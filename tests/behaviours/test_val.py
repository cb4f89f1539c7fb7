"""Values in a database: they come back as they were, and what is no value is refused."""

from collections.abc import Callable
from typing import Any

import pytest

from joelclaw.values.wire import canonical, encode
from tests.behaviours.lab import FUNCTIONS, SCHEMA, Lab
from tests.functions.deployment import Deployment

VALUES = {
    "text": "'text'",
    "absent": "UNSET",
    "true": "True",
    "number": "35.0",
    "int64": "Int64(34)",
    "null": "None",
    "array": "['a', 1.0]",
    "array of int64": "[Int64(1), Int64(2)]",
    "object": "{'a': 'b'}",
    "object with int64": "{'a': Int64(5)}",
    "bytes": "bytes(8)",
    "infinity": "math.inf",
    "minus infinity": "-math.inf",
    "minus zero": "-0.0",
    "nan": "math.nan",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_val_06_every_value_survives_the_database(lab: Lab, value: str) -> None:
    """VAL-6: a value is the same after insert, patch and replace, is found by index and filter, and can be deleted."""
    expected = canonical(encode(lab.read(f"value = {value}\nreturn {{'value': value}}")))
    found = lab.write(
        f"""
        value = {value}
        id = ctx.db.insert(Thing(value=value, tag="inserted"))
        other = ctx.db.insert(Thing(value="another"))
        got = [ctx.db.get(id).value]
        got += [thing.value for thing in ctx.db.query(Thing.by_value, value=value)]
        same = lambda thing: repr(thing.value) == repr(value)
        got += [thing.value for thing in ctx.db.query(Thing).filter(same)]
        ctx.db.patch(id, value="patched")
        ctx.db.patch(id, value=value)
        got += [ctx.db.get(id).value]
        ctx.db.replace(id, Thing(value=value))
        got += [ctx.db.get(id).value]
        ctx.db.delete(id)
        left = [thing.id for thing in ctx.db.query(Thing.by_value, value=value)]
        return [[{{"value": one}} for one in got], left]
        """
    )
    values, left = found
    assert [canonical(encode(value)) for value in values] == [expected] * 5
    assert left == []


def test_val_07_how_deep_values_may_nest(deployment: Callable[..., Deployment]) -> None:
    """VAL-7: arguments and results may nest 64 deep, the argument object included, and documents 16."""
    app = deployment(
        {
            "schema.py": SCHEMA,
            "f.py": """
                from typing import Any
                from joelclaw import *
                from schema import Thing
                @query
                def echo(ctx: QueryCtx, value: Any) -> Any:
                    return value
                @query
                def nested(ctx: QueryCtx, depth: int) -> Any:
                    value: Any = None
                    for _ in range(depth):
                        value = [value]
                    return value
                @mutation
                def store(ctx: MutationCtx, value: Any) -> None:
                    ctx.db.insert(Thing(value=value))
            """,
        }
    )

    def nested(depth: int) -> bytes:
        return b'{"value":' + b"[" * depth + b"]" * depth + b"}"

    assert app.run_query("f:echo", nested(63)).failure is None
    assert app.run_query("f:nested", {"depth": 64.0}).failure is None
    assert app.run_mutation("f:store", nested(15)).failure is None
    for outcome, sentence in [
        (app.run_query("f:echo", nested(64)), "Value is too nested"),
        (app.run_query("f:nested", {"depth": 65.0}), "Value is too nested"),
        (app.run_mutation("f:store", nested(16)), "Document is too nested"),
    ]:
        assert outcome.failure is not None
        assert sentence in outcome.failure.message


def test_val_08_how_wide_values_may_be(lab: Lab) -> None:
    """VAL-8: an array holds 8,192 elements and an object 1,024 fields, in documents and results; not one more."""
    assert lab.write("ctx.db.insert(Thing(value=[0.0] * 8192))\nreturn len(ctx.db.query(Thing).first().value)") == 8192
    assert "Array length is too long" in lab.refuse("ctx.db.insert(Thing(value=[0.0] * 8193))")
    assert "Array length is too long" in lab.refuse("return [0.0] * 8193", "read")
    assert "Object has too many fields" in lab.refuse("ctx.db.insert(Thing(value={str(n): 0.0 for n in range(1025)}))")


def test_val_09_how_large_documents_may_be(lab: Lab) -> None:
    """VAL-9: a document holds at most 1 MiB, and a larger one changes nothing."""
    assert lab.write("ctx.db.insert(Thing(value='x' * 1_048_000))\nreturn ctx.db.query(Thing).count()") == 1
    assert "Value is too large" in lab.refuse("ctx.db.insert(Thing(value='x' * 1_048_576))")
    assert lab.read("return ctx.db.query(Thing).count()") == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("$a", "starts with '$', which is reserved"),
        ("ä", "may only hold printable ASCII characters"),
        ("a" * 1025, "is longer than 1024 characters"),
    ],
)
def test_val_10_names_of_fields_are_checked(lab: Lab, name: str, sentence: str) -> None:
    """VAL-10: field names are printable ASCII, 1,024 characters at most, and leave `$` to the wire."""
    assert sentence in lab.refuse(f"ctx.db.insert(Thing(value={{{name!r}: 1.0}}))")
    assert sentence in lab.refuse(f"return {{{name!r}: 1.0}}", "read")


def test_val_10_11_nested_names_are_free(lab: Lab) -> None:
    """VAL-10, VAL-11: inside a value the empty name and names that begin with `_` are fields like others."""
    assert lab.write("return ctx.db.get(ctx.db.insert(Thing(value={'': 1.0, '_x': 2.0}))).value") == {"": 1, "_x": 2}


def test_val_12_a_set_is_no_value(lab: Lab) -> None:
    """VAL-12: what clients have no word for is refused by its type, with what to use, stored or returned."""
    assert "set is not a value that clients know; use a list" in lab.refuse("ctx.db.insert(Thing(value={1, 2}))")
    assert "set is not a value that clients know; use a list" in lab.refuse("return {1, 2}", "read")


def test_val_13_absent_is_a_field_that_is_not_there(lab: Lab) -> None:
    """VAL-13: UNSET leaves a field out; in an array it is refused, and the message names the place."""
    assert lab.read("return {'a': UNSET, 'b': 1.0}") == {"b": 1}
    message = lab.refuse("return {'xs': [1.0, UNSET]}", "read")
    assert "UNSET has a meaning as the value of a field only" in message
    assert ".xs[1]" in message


@pytest.mark.parametrize("statement", ["pass", "return None", "return UNSET"])
def test_val_14_no_result_is_null(lab: Lab, statement: str) -> None:
    """VAL-14: a function that returns nothing answers null."""
    assert lab.run("read", statement).value == b"null"


def test_val_19_ids_outlive_a_restart(deployment: Callable[..., Deployment], tmp_path: Any) -> None:
    """VAL-19: an id is the same text after the database was closed and opened by another process's store."""
    from joelclaw.store.sqlite import open_sqlite

    app = deployment({"schema.py": SCHEMA, "lab.py": FUNCTIONS})
    url = f"sqlite:///{tmp_path}/kept.db"

    def restart() -> Lab:
        app.store.close()
        app.store = open_sqlite(url)
        app.layout = app.store.prepare([info.spec for info in app.app.tables.values()], lambda *_: [])
        app.app.adopt(app.layout)
        return Lab(app)

    id = restart().write("return ctx.db.insert(Thing(value='kept'))")
    assert restart().read(f"return [ctx.db.get({id!r}).value, ctx.db.query(Thing).first().id]") == ["kept", id]
