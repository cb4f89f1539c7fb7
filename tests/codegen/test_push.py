"""Pushes of the official command line: the analysis that it writes types from."""

import json
from collections.abc import Callable
from typing import Any

from joelclaw.codegen.push import push_analysis
from tests.codegen.manifests import everything
from tests.functions.conftest import deployment
from tests.functions.deployment import Deployment

__all__ = ["deployment"]

SCHEMA = """
    from joelclaw import Table, index, search_index, vector_index

    class Place(Table, expires_at="until"):
        __table__ = "places"
        name: str
        kind: str = "town"
        near: list[float]
        until: float
        by_kind = index("kind", "name")
        search_name = search_index("name", filter=["kind"])
        by_near = vector_index("near", dimensions=2, filter=["kind"])
"""

FUNCTIONS = """
    from typing import Any

    from joelclaw import *

    @query
    def any_at_all(ctx: QueryCtx, /, **arguments: Any) -> Any:
        return None

    @mutation(allow=anyone)
    def add(ctx: MutationCtx, n: int = 1) -> None:
        pass
"""


def test_tables_and_functions_are_told_in_full(deployment: Callable[..., Deployment]) -> None:
    """Tables have their indexes of every kind, without those that the platform adds; functions their validators."""
    app = deployment({"schema.py": SCHEMA, "ops.py": FUNCTIONS}).app

    analysis = push_analysis(app.manifest, "1.48.0")["analysis"][""]

    (table,) = analysis["schema"]["tables"]
    assert table["tableName"] == "places"
    assert table["indexes"] == [{"indexDescriptor": "byKind", "fields": ["kind", "name", "_creationTime"]}]
    assert table["searchIndexes"] == [
        {"indexDescriptor": "searchName", "searchField": "name", "filterFields": ["kind"]}
    ]
    assert table["vectorIndexes"] == [
        {"indexDescriptor": "byNear", "vectorField": "near", "dimensions": 2, "filterFields": ["kind"]}
    ]
    assert table["documentType"]["value"]["kind"] == {"fieldType": {"type": "string"}, "optional": False}
    assert list(analysis["functions"]) == ["ops.js"]
    assert [
        (one["name"], one["udfType"], one["visibility"]["kind"]) for one in analysis["functions"]["ops.js"]["functions"]
    ] == [
        ("add", "Mutation", "public"),
        ("anyAtAll", "Query", "internal"),
    ]
    add, any_at_all = analysis["functions"]["ops.js"]["functions"]
    assert json.loads(add["args"])["value"] == {"n": {"fieldType": {"type": "number"}, "optional": True}}
    assert json.loads(add["returns"]) == {"type": "null"}
    assert (any_at_all["args"], json.loads(any_at_all["returns"] or "null")) in [(None, None), (None, {"type": "any"})]


def test_whatever_an_app_declares_can_be_told() -> None:
    """The analysis of a manifest that has everything is JSON, and no system table or function is in it."""
    analysis: Any = json.loads(json.dumps(push_analysis(everything(), "1.48.0")))["analysis"][""]

    assert analysis["functions"]
    assert not [name for name in analysis["functions"] if name.startswith("_")]
    assert not [table for table in analysis["schema"]["tables"] if table["tableName"].startswith("_")]
