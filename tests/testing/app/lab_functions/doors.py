from lab_schema import Picture

from joelclaw import ActionCtx, Id, MutationCtx, Request, Response, StoredFile, anyone, http_action, mutation


@http_action("POST", "/echo")
async def echo(ctx: ActionCtx, request: Request) -> Response:
    identity = ctx.auth.identity
    who = None if identity is None else identity.subject
    return Response.json({"who": who, "sent": await request.json(), "by": request.headers.get("x-by")}, status=201)


@mutation(allow=anyone)
def upload_url(ctx: MutationCtx) -> str:
    return ctx.storage.generate_upload_url()


@mutation(allow=anyone)
def keep(ctx: MutationCtx, file: Id[StoredFile]) -> str | None:
    ctx.db.insert(Picture(file=file))
    return ctx.storage.get_url(file)
