"""`_system/cli/exports`: what `export` watches."""

from typing import Any

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.system.exports import Export


@query
def get_latest(ctx: QueryCtx) -> Any:
    """The newest export, None if there has never been one."""
    found = ctx.db.query(Export).order("desc").first()
    if found is None:
        return None
    told: dict[str, Any] = {
        "_id": found.id,
        "_creationTime": found.creation_time,
        "state": found.state,
        "requestor": "snapshotExport",
        "format": found.format,
        "include_storage": found.include_storage,
        "rows_written": found.rows_written,
        "rows_total": found.rows_total,
    }
    if found.state != "requested":
        told["start_ts"] = found.start_ts
    if found.state == "completed":
        told |= {"complete_ts": found.complete_ts, "zip_object_key": found.id, "size": found.size}
    if found.state == "failed":
        told["error_message"] = found.message
    return told
