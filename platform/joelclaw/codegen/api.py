"""
`api.d.ts` and `api.js`: references to the functions, with the types of a call.

`api.ops.stats.byDay` is the function `ops/stats:byDay`. What clients may call, if they are
allowed to, stands under `api`; internal functions under `internal`, where a client's hooks
refuse them. Arguments are typed for one who writes, results for one who reads.

At run time a reference is only its path, so `api.js` is the same for every app: the client
package's `anyApi`, an object that answers to any path.
"""

from collections.abc import Iterable

import msgspec

from joelclaw.codegen.data_model import document_names
from joelclaw.codegen.typescript import HEADER, Types, braces, comment, generic, key
from joelclaw.functions.manifest import FunctionSpec, Internal, Manifest

API_SCRIPT = f"""\
{HEADER}
import {{ anyApi }} from "convex/server";

export const api = anyApi;
export const internal = anyApi;
"""

_TEMPLATE = """\
import type {{ FunctionReference }} from "convex/server";
import type {{ Doc, Id }} from "./dataModel.js";

/** What clients may call, as far as they are allowed to. */
export declare const api: {public};

/** What only other functions, the command line and the dashboard may call. */
export declare const internal: {internal};
"""


class _Node(msgspec.Struct):
    """A place in the tree. It can be both: `ops:stats` is a function beside the module `ops/stats`."""

    function: FunctionSpec | None = None
    children: dict[str, "_Node"] = msgspec.field(default_factory=dict)


def api_types(manifest: Manifest) -> str:
    own = [function for function in manifest.functions if not function.path.startswith("_")]
    internal = [function for function in own if isinstance(function.allow, Internal)]
    public = [function for function in own if not isinstance(function.allow, Internal)]
    results = Types("reads", document_names(manifest))
    return (
        HEADER
        + "\n"
        + _TEMPLATE.format(public=_branch(_tree(public), results), internal=_branch(_tree(internal), results))
    )


def _tree(functions: Iterable[FunctionSpec]) -> _Node:
    root = _Node()
    for function in functions:
        node = root
        for step in function.path.replace(":", "/").split("/"):
            node = node.children.setdefault(step, _Node())
        node.function = function
    return root


def _branch(node: _Node, results: Types) -> str:
    return braces(_member(name, child, results) for name, child in sorted(node.children.items()))


def _member(name: str, node: _Node, results: Types) -> str:
    kinds = []
    if node.function is not None:
        kinds.append(_reference(node.function, results))
    if node.children:
        kinds.append(_branch(node, results))
    doc = node.function.doc if node.function is not None else ""
    return f"{comment(doc)}{key(name)}: {' & '.join(kinds)}"


def _reference(function: FunctionSpec, results: Types) -> str:
    visibility = "internal" if isinstance(function.allow, Internal) else "public"
    arguments = [
        f'"{function.kind}"',
        f'"{visibility}"',
        Types("writes").object(function.args.fields, open_ended=function.any_args),
        "any" if function.returns is None else results.of(function.returns),
    ]
    return generic("FunctionReference", arguments)
