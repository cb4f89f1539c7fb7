"""`_system/cli/convexUrl`: where clients reach this deployment, for `function-spec` and `network-test`."""

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query


@query
def cloud_url(ctx: QueryCtx) -> str:
    """The origin of the client API."""
    return ctx.db.run.app.places.api_origin
