"""
Deploys over HTTP: what `joelclaw deploy`, `deployments` and `rollback` ask for.

    POST /api/joelclaw/deploy          a parcel, and who sends it (msgpack)
    POST /api/joelclaw/rollback        {"number": 12}, or without it the version before
    GET  /api/joelclaw/deployments     the versions, newest first

A deploy key opens these and nothing else: it is no admin key anywhere. What is wrong with an app is
answered whole, as `problems` beside the sentence that every refusal has.

Elsewhere: `deploy/versions.py` does the work.
"""

from collections.abc import Awaitable
from typing import Annotated, Any, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Meta

from joelclaw.auth.admin_keys import hash_of
from joelclaw.auth.authenticator import Authenticator
from joelclaw.deploy.parcel import ENVELOPE_BYTES
from joelclaw.deploy.versions import Done, Origin, Versions
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import AdminKeyRefused, AppRefused, CommandFailed, DeployRefused, IsolateDied, RequestRefused
from joelclaw.http.requests import Answer, Request
from joelclaw.limits import MIB, setting
from joelclaw.schema.problems import Problem

FIND_KEY: Final = "_system/deployKeys:find"

SKIPPED_BYTES_MAX: Final = 1_024 * MIB
"""Whoever sends more than this is hung up on."""

LISTED_MAX: Final = 1_000
LISTED: Final = 20

_STATUS: Final = {"VersionConflict": 409, "BundleTooLarge": 413, "NotStored": 507, "UnknownVersion": 404}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks for a version, as far as that is for them to say."""

    author: Annotated[str, Meta(max_length=200)] = ""
    message: Annotated[str, Meta(max_length=2_000)] = ""
    git_commit: Annotated[str, Meta(max_length=64)] = ""
    git_dirty: bool = False
    based_on: int | None = None

    def origin(self, key: str) -> Origin:
        """As it is written down; nobody in particular is who has the key."""
        return Origin(
            author=self.author or key or "an administrator",
            message=self.message,
            git_commit=self.git_commit,
            git_dirty=self.git_dirty,
            based_on=self.based_on,
        )


class Push(Asked, frozen=True, kw_only=True):
    """A deploy, as it is sent."""

    parcel: bytes
    trial: bool = False


class Rollback(Asked, frozen=True, kw_only=True):
    """A rollback, as it is asked for."""

    number: int | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something was not done; `problems` are an app's."""

    code: str
    message: str
    problems: list[Problem] = []


class DeployRoutes:
    """The routes. Without versions, as in development, all of them say why there are none."""

    def __init__(self, versions: Versions | None, system: SystemCalls, authenticator: Authenticator) -> None:
        self._versions = versions
        self._system = system
        self._authenticator = authenticator

    async def deploy(self, request: Request) -> Answer:
        """`POST /api/joelclaw/deploy`."""
        versions = self._there()
        body = await _body(request, versions.code_bytes)
        key = await self._opened(request)
        try:
            push = msgspec.msgpack.decode(body, type=Push)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise RequestRefused(400, "BadBundle", "Expected what `joelclaw deploy` sends") from None
        return await _answered(versions.deploy(push.parcel, push.origin(key), key, trial=push.trial))

    async def roll_back(self, request: Request) -> Answer:
        """`POST /api/joelclaw/rollback`."""
        key = await self._opened(request)
        versions = self._there()
        request.check_json()
        try:
            asked = msgspec.json.decode(await request.body(), type=Rollback)
        except msgspec.DecodeError as error:
            raise RequestRefused(400, "BadJsonBody", f"{request.path}: {error}") from None
        return await _answered(versions.roll_back(asked.number, asked.origin(key), key))

    async def list(self, request: Request) -> Answer:
        """`GET /api/joelclaw/deployments?limit=20`."""
        await self._opened(request)
        [text] = parse_qs(request.query_string.decode("latin-1")).get("limit", [str(LISTED)])[-1:]
        if not (text.isdecimal() and 0 < int(text) <= LISTED_MAX):
            raise RequestRefused(400, "BadRequest", f"limit is a whole number from 1 to {LISTED_MAX}")
        listed: list[dict[str, Any]] = await self._there().listed(int(text))
        return Answer(msgspec.json.encode(listed))

    async def _opened(self, request: Request) -> str:
        """
        The name of the deploy key that is shown; empty for an admin key.

        Raises:
            RequestRefused: There is no key, or one that opens nothing here.
        """
        scheme, _, key = (request.authorization or b"").decode("latin-1").strip().partition(" ")
        if scheme.lower() == "convex" and key.strip():
            name: str | None = await self._system.ask(FIND_KEY, hash=hash_of(key.strip()))
            if name is not None:
                return name
        try:
            asker = await self._authenticator.header((request.authorization or b"").decode("latin-1") or None)
        except AdminKeyRefused:
            raise RequestRefused(403, "BadDeployKey", "This key does not deploy here; it may be revoked") from None
        if not asker.admin or asker.read_only:
            raise RequestRefused(403, "BadDeployKey", f"{request.path} is opened by a deploy key or an admin key")
        return ""

    def _there(self) -> Versions:
        if self._versions is None:
            sentence = "`joelclaw dev` serves the files of its project, and takes no deploys; `joelclaw serve` does"
            raise RequestRefused(400, "NotSupported", sentence)
        return self._versions


async def _body(request: Request, code_bytes: int) -> bytes:
    """
    All of the body, also of who may not send it, or sends too much: they have to hear the answer.

    Raises:
        RequestRefused: It is larger than any app may be here.
    """
    request.arguments_bytes_max = code_bytes + ENVELOPE_BYTES
    if request.content_length is None or int(request.content_length) <= request.arguments_bytes_max:
        return await request.body()
    await request.skip(SKIPPED_BYTES_MAX)
    sentence = f"An app has at most {code_bytes:,} bytes here; {setting('code_bytes')} of the server"
    raise RequestRefused(413, "BundleTooLarge", sentence)


async def _answered(done: Awaitable[Done]) -> Answer:
    try:
        return Answer(msgspec.json.encode(await done))
    except AppRefused as error:
        refusal = Refusal(code="AppRefused", message=str(error), problems=list(error.problems))
        return Answer(msgspec.json.encode(refusal), 400)
    except DeployRefused as error:
        status = _STATUS.get(error.reason_code, 400)
        return Answer(msgspec.json.encode(Refusal(code=error.reason_code, message=str(error))), status)
    except (CommandFailed, IsolateDied) as error:
        return Answer(msgspec.json.encode(Refusal(code="DeployFailed", message=str(error))), 400)
