"""
What the official command line asks when it pushes: `npx convex codegen`, `dev`, `deploy`, `run --push`.

Functions here are Python, deployed by `joelclaw dev` and `joelclaw deploy`, so a push changes
nothing. It is answered with a description of what is here, from which that command writes types.
TypeScript functions would be sent and never run; they are refused, which is why a push is
unpacked at all.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.codegen.push import NO_CHANGE, push_analysis
from joelclaw.errors import RequestRefused
from joelclaw.functions.manifest import Manifest
from joelclaw.http.requests import Answer, Request, require_admin
from joelclaw.limits import MIB

UNPACKED_BYTES_MAX: Final = 64 * MIB
"""Of one push. A small body can be unpacked to any size."""

NAMED_MAX: Final = 3
"""So many refused modules are named."""

CLIENT_VERSION: Final = "1.48.0"
"""What the command line is told to be the version of the server, of those it knows."""

_NO_CHANGE_AT_ALL: Final = {
    "authDiff": {"added": [], "removed": []},
    "definitionDiffs": {},
    "componentDiffs": {
        "": {
            "diffType": {"type": "modify"},
            "moduleDiff": {"added": [], "removed": []},
            "udfConfigDiff": None,
            "cronDiff": {"added": [], "updated": [], "deleted": []},
            "indexDiff": {"added_indexes": [], "removed_indexes": []},
            "schemaDiff": None,
        }
    },
}


class _Module(msgspec.Struct):
    path: str = "?"


class _App(msgspec.Struct, rename="camel"):
    """What of a push could have been meant to run here. A definition is always sent, and is no sign of anything."""

    changed_modules: list[_Module] = []
    unchanged_module_hashes: list[_Module] = []


class _Component(msgspec.Struct, rename="camel"):
    definition_path: str = "?"


class _Push(msgspec.Struct, rename="camel"):
    app_definition: _App
    component_definitions: list[_Component] = []


class PushRoutes:
    """The routes."""

    def __init__(self, manifest: Callable[[], Manifest], authenticator: Authenticator) -> None:
        self._manifest = manifest
        self._authenticator = authenticator

    async def config_hashes(self, request: Request) -> Answer:
        """`POST /api/get_config_hashes`: which modules are here already. None is: all are sent, and seen."""
        await self._read(request)
        config = {"functions": "convex/"}
        return _json({"config": config, "moduleHashes": [], "udfServerVersion": CLIENT_VERSION, "nodeVersion": None})

    async def evaluate(self, request: Request) -> Answer:
        """`POST /api/deploy2/evaluate_push`: what a push would do to tables."""
        _check(unpacked(request, await self._read(request)))
        return _json({"schemaChange": NO_CHANGE})

    async def start(self, request: Request) -> Answer:
        """`POST /api/deploy2/start_push`: what is here."""
        _check(unpacked(request, await self._read(request)))
        return _json(push_analysis(self._manifest(), CLIENT_VERSION))

    async def wait_for_schema(self, request: Request) -> Answer:
        """`POST /api/deploy2/wait_for_schema`: tables are as they were, and that at once."""
        await self._read(request)
        return _json({"type": "complete"})

    async def finish(self, request: Request) -> Answer:
        """`POST /api/deploy2/finish_push`: what has changed."""
        await self._read(request)
        return _json(_NO_CHANGE_AT_ALL)

    async def completed(self, request: Request) -> Answer:
        """`POST /api/deploy2/report_push_completed`: how long all of it took, which nobody here asks."""
        await self._read(request)
        return _json({})

    async def _read(self, request: Request) -> bytes:
        """All of the body, also of who may not send it: an answer in the middle of one is taken for a broken line."""
        body = await request.body()
        await require_admin(self._authenticator, request)
        return body


def unpacked(request: Request, body: bytes) -> bytes:
    """
    The body as it was before it was packed for the way.

    Raises:
        RequestRefused: It is packed in another way than it says, or grows beyond all measure.
    """
    if request.content_encoding in (b"", b"identity"):
        return body
    if request.content_encoding != b"br":
        raise RequestRefused(400, "BadContentEncoding", "Expected a body that is plain or packed with Brotli (br)")
    import brotli  # type: ignore[import-untyped]  # Here: few servers ever see a push.

    unpacker = brotli.Decompressor()
    try:
        text: bytes = unpacker.process(body, output_buffer_limit=UNPACKED_BYTES_MAX + 1)
        while len(text) <= UNPACKED_BYTES_MAX and not unpacker.is_finished():
            more = unpacker.process(b"", output_buffer_limit=UNPACKED_BYTES_MAX + 1)
            if not more:
                raise RequestRefused(400, "BadRequest", "The body ends in the middle; send it again")
            text += more
    except brotli.error:
        raise RequestRefused(400, "BadRequest", "The body is not packed as it says; send it again") from None
    if len(text) > UNPACKED_BYTES_MAX:
        raise RequestRefused(
            413,
            "RequestTooLarge",
            f"The push is larger than {UNPACKED_BYTES_MAX // MIB} MiB; functions here are Python",
        )
    return text


def _check(body: bytes) -> None:
    """
    Raises:
        RequestRefused: There is something in the push that would never run.
    """
    try:
        push = msgspec.json.decode(body, type=_Push)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise RequestRefused(400, "BadJsonBody", "Expected what the official command line sends to push") from None
    vain = list(_vain(push))
    if vain:
        named = ", ".join(vain[:NAMED_MAX]) + (f" and {len(vain) - NAMED_MAX} more" if len(vain) > NAMED_MAX else "")
        raise RequestRefused(
            400,
            "NotSupported",
            f"Functions of this deployment are Python: {named} would never run here. Write it in app_functions/ and "
            f"remove it from convex/, which holds an empty schema.ts and what is generated",
        )


def _vain(push: _Push) -> Iterator[str]:
    app = push.app_definition
    for module in (*app.changed_modules, *app.unchanged_module_hashes):
        yield module.path
    for component in push.component_definitions:
        yield component.definition_path


def _json(value: object) -> Answer:
    return Answer(msgspec.json.encode(value))
