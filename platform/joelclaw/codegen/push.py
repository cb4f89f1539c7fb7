"""
The manifest as the official command line wants a push to be answered.

`npx convex codegen`, `dev` and `deploy` send what stands in a site's `convex/` folder and write
types from the server's analysis of it. Ours describes the Python functions, so a site gets exact
types from that command alone; what was sent plays no part in it.

Elsewhere: `http/pushes.py` has the routes, and refuses code that would be sent in vain.
"""

import json
from typing import Any

from joelclaw.codegen.data_model import app_tables
from joelclaw.functions.manifest import FunctionSpec, Internal, Manifest, TableSpec
from joelclaw.schema.specs import IndexSpec
from joelclaw.schema.text import validator_json

NO_CHANGE: dict[str, Any] = {"allocatedComponentIds": {}, "schemaIds": {}, "indexDiffs": {}}
"""What a push does to tables and indexes: nothing."""


def push_analysis(manifest: Manifest, server_version: str) -> dict[str, Any]:
    """The answer to `start_push`."""
    return {
        "environmentVariables": {},
        "externalDepsId": None,
        "componentDefinitionPackages": {},
        "appAuth": [],
        "analysis": {"": _app(manifest, server_version)},
        "app": {
            "definitionPath": "",
            "componentPath": "",
            "args": {},
            "childComponents": {},
            "httpRoutes": {"httpModuleRoutes": None, "mounts": []},
            "exports": {},
        },
        "schemaChange": NO_CHANGE,
    }


def _app(manifest: Manifest, server_version: str) -> dict[str, Any]:
    return {
        "definition": {
            "path": "",
            "definitionType": {"type": "app"},
            "childComponents": [],
            "httpMounts": {},
            "exports": {"type": "branch", "branch": []},
            "envVars": [],
        },
        "schema": {"tables": [_table(table) for table in app_tables(manifest)], "schemaValidation": True},
        "functions": _modules(manifest),
        "udfConfig": {
            "serverVersion": server_version,
            "importPhaseRngSeed": None,
            "importPhaseUnixTimestamp": None,
        },
    }


def _modules(manifest: Manifest) -> dict[str, Any]:
    functions: dict[str, list[dict[str, Any]]] = {}
    for function in manifest.functions:
        module, _, name = function.path.partition(":")
        if not module.startswith("_"):
            functions.setdefault(f"{module}.js", []).append(_function(name, function))
    return {
        module: {"functions": described, "httpRoutes": None, "cronSpecs": None, "sourceMapped": None}
        for module, described in functions.items()
    }


def _function(name: str, function: FunctionSpec) -> dict[str, Any]:
    returns = function.returns
    return {
        "name": name,
        "pos": None,
        "udfType": function.kind.capitalize(),
        "visibility": {"kind": "internal" if isinstance(function.allow, Internal) else "public"},
        # Text that holds JSON; null is an argument object, or a result, of any shape.
        "args": None if function.any_args else json.dumps(validator_json(function.args)),
        "returns": None if returns is None else json.dumps(validator_json(returns, "reads")),
    }


def _table(table: TableSpec) -> dict[str, Any]:
    return {
        "tableName": table.name,
        "indexes": [_index(index) for index in table.indexes if not index.name.startswith("_")],
        "searchIndexes": [
            {
                "indexDescriptor": index.name,
                "searchField": index.search_field,
                "filterFields": list(index.filter_fields),
            }
            for index in table.search_indexes
        ],
        "vectorIndexes": [
            {
                "indexDescriptor": index.name,
                "vectorField": index.vector_field,
                "dimensions": index.dimensions,
                "filterFields": list(index.filter_fields),
            }
            for index in table.vector_indexes
        ],
        "documentType": validator_json(table.document, "reads"),
    }


def _index(index: IndexSpec) -> dict[str, Any]:
    return {"indexDescriptor": index.name, "fields": [*index.fields, "_creationTime"]}
