"""
Small questions of administrators' tools: is this key right, where is the deployment, run this for me.
"""

from typing import Final

import msgspec

from joelclaw.auth.authenticator import Authenticator
from joelclaw.errors import RequestRefused
from joelclaw.http.requests import Answer, Request, require_admin

_FULL_RIGHTS: Final = b'{"success":true,"allowedOps":[],"isReadOnly":false}'
"""An empty list of operations is all of them."""

_READ_RIGHTS: Final = b'{"success":true,"allowedOps":[],"isReadOnly":true}'


class AdministrationRoutes:
    """The routes."""

    def __init__(self, authenticator: Authenticator, *, api_origin: str, site_origin: str) -> None:
        self._authenticator = authenticator
        self._origins = msgspec.json.encode({"convexCloudUrl": api_origin, "convexSiteUrl": site_origin})

    async def check_key(self, request: Request) -> Answer:
        """`GET /api/check_admin_key`: what the key that is sent may do."""
        asker = await require_admin(self._authenticator, request, read_only=True)
        return Answer(_READ_RIGHTS if asker.read_only else _FULL_RIGHTS)

    async def canonical_urls(self, request: Request) -> Answer:
        """`GET /api/v1/get_canonical_urls`: where clients and HTTP actions are."""
        await require_admin(self._authenticator, request, read_only=True)
        return Answer(self._origins)

    async def run_inline(self, request: Request) -> Answer:
        """`POST /api/run_test_function`: JavaScript to run on the spot. There is nothing here that could."""
        await request.body()
        await require_admin(self._authenticator, request)
        raise RequestRefused(
            400,
            "NotSupported",
            "Functions of this deployment are Python: it runs no JavaScript. Write a query in app_functions/ and run "
            "that by its name, or look at documents with `npx convex data`",
        )
