"""
Inngest: what its functions report to us, over a webhook.

A report is signed as Standard Webhooks say: HMAC-SHA256 over id, time and the raw body, with a
secret that both sides know. The signature proves the sender, the time bounds how long a copy of it
is worth anything, and the id, which is unique in the table, makes each one count once: whoever
repeats it, the sender after a lost answer or somebody who listened, changes nothing.
"""

import base64
import binascii
import hashlib
import hmac
import json
import logging
from typing import Any

from joelclaw import ActionCtx, MutationCtx, QueryCtx, Request, Response, http_action, mutation, query, role
from schema import Delivery

TOLERANCE_S = 5 * 60
"""By how much a report's time may differ from ours."""

KEPT_MS = 30 * 24 * 60 * 60 * 1000.0
BODY_BYTES_MAX = 200_000

log = logging.getLogger("inngest")


@query(allow=role("owner"))
def recent(ctx: QueryCtx, limit: int = 50) -> list[Delivery]:
    """The newest reports first."""
    return ctx.db.query(Delivery).order("desc").take(limit)


@mutation
def receive(ctx: MutationCtx, delivery_id: str, event: str, body: str) -> bool:
    """Keep a report; False if it is there already."""
    if ctx.db.find(Delivery.by_delivery_id, delivery_id=delivery_id) is not None:
        return False
    ctx.db.insert(Delivery(delivery_id=delivery_id, event=event, body=body, forget_at=ctx.now() + KEPT_MS))
    return True


@http_action("POST", "/inngest/webhook")
async def webhook(ctx: ActionCtx, request: Request) -> Response:
    """Take a report. What is not signed, or not now, is refused before anything of it is believed."""
    secret = ctx.env.get("INNGEST_WEBHOOK_SECRET", "")
    key = _key(secret)
    if key is None:
        log.error("INNGEST_WEBHOOK_SECRET is not set, or is not 'whsec_' and base64: no report can be verified")
        return Response("webhooks are not configured", status=503)
    body = await request.body()
    problem = _problem(request, body, key, ctx.now() / 1000)
    if problem is not None:
        log.warning("a report was refused: %s", problem)
        return Response(problem, status=401)
    event = _event(body)
    if event is None:
        return Response("the body is no report", status=400)
    is_new = await ctx.run_mutation(receive, request.headers["webhook-id"], event, body.decode("utf-8"))
    return Response.json({"received": True, "repeated": not is_new})


def _key(secret: str) -> bytes | None:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _problem(request: Request, body: bytes, key: bytes, now_s: float) -> str | None:
    """Why this is no report of ours; None if it is one."""
    delivery_id = request.headers.get("webhook-id", "")
    sent_at = request.headers.get("webhook-timestamp", "")
    if not delivery_id or len(delivery_id) > 200 or not (sent_at.isascii() and sent_at.isdecimal()):
        return "webhook-id and webhook-timestamp are missing"
    if len(sent_at) > 12 or abs(now_s - int(sent_at)) > TOLERANCE_S:
        return "the report is too old, or of the future"
    signed = b".".join([delivery_id.encode(), sent_at.encode(), body])
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    # Several while secrets are being changed: `v1,<base64> v1,<base64>`.
    for signature in request.headers.get("webhook-signature", "").split():
        version, _, given = signature.partition(",")
        # Compared in constant time: how long it takes must not tell how much of it is right.
        if version == "v1" and hmac.compare_digest(given.encode(), expected):
            return None
    return "the signature is not ours"


def _event(body: bytes) -> str | None:
    """The name of the event that is reported; None if the body is no report."""
    if len(body) > BODY_BYTES_MAX:
        return None
    try:
        report: Any = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    name = report.get("name") if isinstance(report, dict) else None
    return name if isinstance(name, str) and 0 < len(name) <= 200 else None
