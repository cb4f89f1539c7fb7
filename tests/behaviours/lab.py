"""
A lab: one database, and functions whose bodies stand in the test.

    lab.write('return ctx.db.insert(Thing(value=1))')
    assert lab.read("return ctx.db.query(Thing).count()") == 1

`write` is a mutation, `read` a query; both run through everything that a call of a client
runs through behind the protocols: argument and result checks, transactions, the real store.
The body is compiled in the function, so the database outlives it and nothing is loaded anew.
"""

import textwrap
from typing import Any

import pytest

from joelclaw.functions.calls import Failure, Outcome
from tests.functions.deployment import CallError, Deployment, value_of

SCHEMA = """
    from typing import Annotated, Any, Literal
    from joelclaw import *

    class Room(Table):
        __table__ = "rooms"
        name: str
        topic: str | UnsetType = UNSET

    class Place(Object):
        x: float
        label: str | UnsetType = UNSET

    class Thing(Table):
        __table__ = "things"
        value: Any | UnsetType = UNSET
        n: float = 0.0
        tag: str | None | UnsetType = UNSET
        place: Place | UnsetType = UNSET
        room: Id[Room] | UnsetType = UNSET
        by_value = index("value")
        by_tag = index("tag")
        by_tag_n = index("tag", "n")
        by_x = index("place.x")
"""

FUNCTIONS = """
    import math
    import textwrap
    from typing import Any
    from joelclaw import *
    from schema import *

    def run(ctx: Any, body: str) -> Any:
        names = dict(globals())
        exec("def body(ctx):\\n" + textwrap.indent(body, "    "), names)
        return names["body"](ctx)

    @query
    def read(ctx: QueryCtx, body: str) -> Any:
        return run(ctx, body)

    @mutation
    def write(ctx: MutationCtx, body: str) -> Any:
        return run(ctx, body)
"""


class Lab:
    """See the module's text."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment

    def write(self, body: str) -> Any:
        return value_of(self.run("write", body))

    def read(self, body: str) -> Any:
        return value_of(self.run("read", body))

    def refuse(self, body: str, kind: str = "write") -> str:
        """The message of a function that has to fail."""
        return self.failure(body, kind).message

    def failure(self, body: str, kind: str = "write") -> Failure:
        with pytest.raises(CallError) as caught:
            value_of(self.run(kind, body))
        return caught.value.failure

    def run(self, kind: str, body: str) -> Outcome:
        arguments = {"body": textwrap.dedent(body)}
        if kind == "read":
            return self.deployment.run_query("lab:read", arguments)
        return self.deployment.run_mutation("lab:write", arguments)
