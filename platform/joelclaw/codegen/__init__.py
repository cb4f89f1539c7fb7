"""
TypeScript from the manifest: what a site imports from `convex/_generated/`.

A site that uses the `convex` package needs three files to have its calls typed: `api.d.ts`
and `api.js` for references to functions, `dataModel.d.ts` for documents and ids. They are
built on that package's public types alone, so any version of it that has them will do.

`generate` is pure: the same manifest gives the same bytes, in whatever order the loader
found tables and functions. `write` is the effect. Who calls them, and when, is the concern
of `deploy` and the command line.
"""

from joelclaw.codegen.api import API_SCRIPT, api_types
from joelclaw.codegen.data_model import data_model_types
from joelclaw.codegen.files import write
from joelclaw.functions.manifest import Manifest

__all__ = ["generate", "write"]


def generate(manifest: Manifest) -> dict[str, str]:
    """The text of each file by its name; first those that the others import."""
    return {
        "dataModel.d.ts": data_model_types(manifest),
        "api.js": API_SCRIPT,
        "api.d.ts": api_types(manifest),
    }
