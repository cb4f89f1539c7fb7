"""
Contents: what a version declares and which files it has, and what the next one changes about that.

Everything that has a name gets a digest of its definition. So two versions are compared without loading
either, also when one of them served long ago. A function has changed if its signature, its rule or its own
source has; what it calls elsewhere is seen by the files.
"""

import ast
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, Literal

import msgspec

from joelclaw.deploy.parcel import Parcel
from joelclaw.functions.calls import SYSTEM_PREFIX
from joelclaw.functions.manifest import Manifest, Place
from joelclaw.schema.specs import IndexSpec, SearchIndexSpec, VectorIndexSpec

CHANGES_KEPT: Final = 200
"""So many changes are told one by one."""

_KINDS: Final = ("function", "table", "index", "cron", "route", "role", "env", "file")
_NOWHERE: Final = Place("", 0)

Contents = dict[str, str]
"""By kind and name, `function notes:add`: the digest of a definition."""


class Change(msgspec.Struct, frozen=True):
    """Something that one version has and the other has not, or not so."""

    change: Literal["added", "removed", "changed"]
    kind: str
    name: str


def contents_of(manifest: Manifest, parcel: Parcel) -> Contents:
    """All that is in a version."""
    return {f"{kind} {name}": _digest(definition) for kind, name, definition in _definitions(manifest, parcel)}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """What is different, by kind and name."""
    found = [
        *(_change("removed", key) for key in old.keys() - new.keys()),
        *(_change("added", key) for key in new.keys() - old.keys()),
        *(_change("changed", key) for key in old.keys() & new.keys() if old[key] != new[key]),
    ]
    return sorted(found, key=lambda one: (_KINDS.index(one.kind), one.name))


def _change(change: Literal["added", "removed", "changed"], key: str) -> Change:
    kind, _, name = key.partition(" ")
    return Change(change, kind, name)


def _definitions(manifest: Manifest, parcel: Parcel) -> Iterator[tuple[str, str, object]]:
    sources = _sources(parcel)
    for function in manifest.functions:
        if not function.path.startswith(SYSTEM_PREFIX):
            source = sources.get((function.place.file, function.place.line), "")
            yield "function", function.path, (_placeless(function), source)
    for table in manifest.tables:
        if table.name.startswith("_"):
            continue
        yield "table", table.name, (table.document, table.expires_at)
        indexes: list[IndexSpec | SearchIndexSpec | VectorIndexSpec] = [
            *table.indexes,
            *table.search_indexes,
            *table.vector_indexes,
        ]
        for one in indexes:
            if not one.name.startswith("_"):
                yield "index", f"{table.name}.{one.name}", one
    for cron in manifest.crons:
        yield "cron", cron.name, _placeless(cron)
    for route in manifest.routes:
        yield "route", route.name, sources.get((route.place.file, route.place.line), "")
    for role, entries in parcel.settings.roles.items():
        yield "role", role, entries
    for name, value in parcel.settings.env.items():
        yield "env", name, value
    for path, content in parcel.files.items():
        yield "file", path, content


def _placeless(spec: msgspec.Struct) -> msgspec.Struct:
    """A function that has only moved is the same."""
    return msgspec.structs.replace(spec, place=_NOWHERE)


def _sources(parcel: Parcel) -> dict[tuple[str, int], str]:
    """What stands below each `def`, by file and line, without its layout."""
    found = {}
    for path, content in parcel.files.items():
        if path.endswith(".py"):
            for node in ast.walk(ast.parse(content)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    found[path, node.lineno] = ast.dump(node)
    return found


def _digest(definition: object) -> str:
    return sha256(msgspec.msgpack.encode(definition, order="deterministic")).hexdigest()[:16]
