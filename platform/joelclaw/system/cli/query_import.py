"""`_system/cli/queryImport`: what `import` watches."""

from typing import Any

from joelclaw.functions.contexts import QueryCtx
from joelclaw.functions.decorators import query
from joelclaw.system.imports import UNFINISHED, Import
from joelclaw.values.int64 import Int64


@query(name="default")
def of_id(ctx: QueryCtx, import_id: str) -> Any:
    """One import, None if there is none of this id."""
    id = ctx.db.parse_id(Import, import_id)
    found = None if id is None else ctx.db.get(id)
    return None if found is None else _told(found)


@query(name="list")
def unfinished(ctx: QueryCtx) -> list[Any]:
    """Imports that wait or run."""
    return [_told(found) for state in UNFINISHED for found in ctx.db.query(Import.by_state, state=state)]


def _told(found: Import) -> dict[str, Any]:
    return {
        "_id": found.id,
        "_creationTime": found.creation_time,
        "state": {"state": found.state} | _details(found),
        "format": found.format,
        "mode": found.mode,
        "tableName": found.table_name,
    }


def _details(found: Import) -> dict[str, Any]:
    """What belongs to the state."""
    measured: dict[str, Any] = {
        "rows_read": found.rows_read,
        "bytes_read": found.bytes_read,
        "bytes_total": found.bytes_total,
    }
    match found.state:
        case "waiting_for_confirmation":
            return {"message_to_confirm": found.message, "require_manual_confirmation": found.needs_consent}
        case "in_progress":
            return {"progress_message": found.message, "checkpoint_messages": found.checkpoints} | measured
        case "completed":
            return {"timestamp": found.completed_ts, "num_rows_written": Int64(int(found.rows_written))}
        case "failed":
            return {"error_message": found.message}
        case _:
            return measured
