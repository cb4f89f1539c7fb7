"""
Environment variables over HTTP, for administrators: what the command line's `env` and the dashboard ask for.

No answer repeats a value that was sent, and none reaches the server's log.
"""

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.engine.system_calls import SystemCalls
from joelclaw.errors import RequestRefused
from joelclaw.functions.environment import ALL_VALUES
from joelclaw.http.requests import Answer, Request, require_admin

UPDATE = "_system/env:update"


class _Change(msgspec.Struct):
    name: str
    value: str | None = None


class _Changes(msgspec.Struct):
    changes: list[_Change]
    replace: bool = False
    """Ours: variables that no change names are removed."""


class EnvironmentRoutes:
    """The routes."""

    def __init__(self, system: SystemCalls, authenticator: Authenticator) -> None:
        self._system = system
        self._authenticator = authenticator

    async def update(self, request: Request) -> Answer:
        """`POST /api/update_environment_variables`: make all changes, or none."""
        await require_admin(self._authenticator, request)
        request.check_json()
        try:
            body = msgspec.json.decode(await request.body(), type=_Changes)
        except msgspec.DecodeError:
            sentence = 'Expected {"changes": [{"name": "NAME", "value": "text, or null to remove it"}]}'
            raise RequestRefused(400, "BadJsonBody", sentence) from None
        refusal = await self._system.tell(UPDATE, changes=msgspec.to_builtins(body.changes), replace=body.replace)
        if refusal is not None:
            raise RequestRefused(400, refusal["code"], refusal["message"])
        return Answer(b"")

    async def list(self, request: Request) -> Answer:
        """`GET /api/list_environment_variables`: what is set, by name."""
        await require_admin(self._authenticator, request)
        variables = await self._system.ask(ALL_VALUES)
        values = {variable["name"]: variable["value"] for variable in variables}
        return Answer(msgspec.json.encode({"environmentVariables": values}))
