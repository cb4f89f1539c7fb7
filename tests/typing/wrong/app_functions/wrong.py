"""Each line that ends in `# wrong` must be flagged by both checkers, and no other."""
# ruff: noqa: B018, DTZ901, F841, RSE102 (wrong it is meant to be)

from datetime import datetime

from joelclaw import (
    ActionCtx,
    AppError,
    Id,
    Identity,
    MutationCtx,
    Page,
    PageOptions,
    QueryCtx,
    RateLimit,
    Request,
    Response,
    Retry,
    StoredFile,
    action,
    anyone,
    cron,
    http_action,
    mutation,
    query,
    role,
)
from schema import Point, Room, User


@query
def count(ctx: QueryCtx, name: str, limit: int = 3) -> int:
    return limit


@mutation
def rename(ctx: MutationCtx, id: Id[Room], name: str) -> Room:
    return ctx.db.patch(id, name=name)


@action
async def work(ctx: ActionCtx, name: str) -> str:
    return name


# -- what is declared


@query  # wrong
async def waits(ctx: QueryCtx) -> int:
    return 1


@query  # wrong
def gives_a_set(ctx: QueryCtx) -> set[int]:
    return set()


@query(allow=anyone)  # wrong
def gives_a_datetime(ctx: QueryCtx) -> datetime:
    return datetime.min


@query  # wrong
def writes(ctx: MutationCtx) -> int:
    return 1


@action  # wrong
def does_not_wait(ctx: ActionCtx) -> int:
    return 1


@mutation  # wrong
async def waits_too(ctx: MutationCtx) -> int:
    return 1


@query(allow="anyone")  # wrong
def allowed_by_text(ctx: QueryCtx) -> int:
    return 1


def number_rule(ctx: QueryCtx) -> str:
    return ""


@query(allow=number_rule)  # wrong
def allowed_by_number(ctx: QueryCtx) -> int:
    return 1


@query(allow=role)  # wrong
def allowed_by_a_maker(ctx: QueryCtx) -> int:
    return 1


@query(nme="x")  # wrong
def misspelt(ctx: QueryCtx) -> int:
    return 1


# -- documents


def documents(ctx: MutationCtx, room: Room, user: User, room_id: Id[Room], user_id: Id[User]) -> None:
    Room()  # wrong
    Room("x")  # wrong
    Room(name=1)  # wrong
    Room(nme="x")  # wrong
    Point(1)  # wrong
    Point(x="1")  # wrong
    User(name="x", room=user_id)  # wrong
    room.nme  # wrong
    room.name = 1  # wrong
    room.id = room_id  # wrong
    room.creation_time = 1.0  # wrong
    user.room = user_id  # wrong


# -- reading


def reads(ctx: QueryCtx, room_id: Id[Room], user_id: Id[User]) -> None:
    ctx.db.get("text")  # wrong
    a: User | None = ctx.db.get(room_id)  # wrong
    b: Room = ctx.db.get(room_id)  # wrong
    c: User = ctx.db.require(room_id)  # wrong
    ctx.db.require(room_id).nme  # wrong
    ctx.db.get(room_id).name  # wrong
    d: list[User] = ctx.db.query(Room).collect()  # wrong
    ctx.db.query(Room).order("down")  # wrong
    ctx.db.query(Room).order("asc").order("desc")  # wrong
    ctx.db.query(Room).take("3")  # wrong
    ctx.db.query(Room).take()  # wrong
    ctx.db.query(Room.by_nme)  # wrong
    ctx.db.query("rooms")  # wrong
    ctx.db.query(Point)  # wrong
    ctx.db.find(Room)  # wrong
    e: User | None = ctx.db.find(Room.by_name, name="x")  # wrong
    ctx.db.query(Room).filter(lambda room: room.nme)  # wrong
    ctx.db.query(Room).paginate(3)  # wrong
    f: Id[User] | None = ctx.db.parse_id(Room, "x")  # wrong
    ctx.db.insert(Room(name="x"))  # wrong
    ctx.db.delete(room_id)  # wrong


# -- writing


def writing(ctx: MutationCtx, room: Room, room_id: Id[Room]) -> None:
    a: Id[User] = ctx.db.insert(room)  # wrong
    ctx.db.insert(Point(x=1))  # wrong
    ctx.db.insert(room_id)  # wrong
    ctx.db.save(room_id)  # wrong
    b: User = ctx.db.patch(room_id, name="x")  # wrong
    ctx.db.replace(room_id, "text")  # wrong
    ctx.db.delete("text")  # wrong


# -- calls


def calls(ctx: MutationCtx, query_ctx: QueryCtx, room_id: Id[Room], user_id: Id[User]) -> None:
    ctx.run_query(count)  # wrong
    ctx.run_query(count, 1)  # wrong
    ctx.run_query(count, "x", limit="3")  # wrong
    ctx.run_query(count, "x", lmit=3)  # wrong
    a: str = ctx.run_query(count, "x")  # wrong
    ctx.run_query(rename, room_id, "x")  # wrong
    ctx.run_mutation(count, "x")  # wrong
    ctx.run_mutation(rename, user_id, "x")  # wrong
    query_ctx.run_mutation(rename, room_id, "x")  # wrong
    ctx.run_query("count", "x")  # wrong
    count(ctx)  # wrong
    rename(query_ctx, room_id, "x")  # wrong
    ctx.run_query(len, "x")  # wrong


async def acts(ctx: ActionCtx, room_id: Id[Room]) -> None:
    ctx.db  # wrong
    await ctx.run_mutation(rename, room_id)  # wrong
    a: int = await ctx.run_mutation(rename, room_id, "x")  # wrong
    await ctx.run_action(work, 1)  # wrong
    await ctx.run_action(count, "x")  # wrong


# -- scheduling


async def schedules(ctx: MutationCtx, action_ctx: ActionCtx, query_ctx: QueryCtx, room_id: Id[Room]) -> None:
    ctx.scheduler.run_after(5, rename, room_id, "x")  # wrong
    ctx.scheduler.run_after("5s", rename, room_id)  # wrong
    ctx.scheduler.run_after("5s", rename, room_id, nme="x")  # wrong
    ctx.scheduler.run_after("5s", count, "x")  # wrong
    ctx.scheduler.run_after("5s", "rename", room_id, "x")  # wrong
    ctx.scheduler.run_at("soon", rename, room_id, "x")  # wrong
    ctx.scheduler.cancel(room_id)  # wrong
    query_ctx.scheduler  # wrong
    await action_ctx.scheduler.run_after("5s", rename, "x", "x")  # wrong
    await action_ctx.scheduler.cancel(room_id)  # wrong
    Retry(3)  # wrong
    Retry(attempts="3")  # wrong


# -- finding


async def finds(ctx: QueryCtx, action_ctx: ActionCtx) -> None:
    ctx.db.search(Room.by_name, "x")  # wrong
    ctx.db.search(Room.search_name)  # wrong
    ctx.db.search(Room.search_name, 7)  # wrong
    ctx.db.search(Room.search_name, "x").order("desc")  # wrong
    a: list[User] = ctx.db.search(Room.search_name, "x").take(1)  # wrong
    ctx.db.vector_search(Room.search_name, [1.0])  # wrong
    ctx.db.vector_search(Room.by_vector, "x")  # wrong
    ctx.db.vector_search(Room.by_vector, [1.0], limit="3")  # wrong
    b: Id[User] = ctx.db.vector_search(Room.by_vector, [1.0])[0].id  # wrong
    ctx.db.vector_search(Room.by_vector, [1.0])[0].document  # wrong
    await action_ctx.vector_search(Room.by_name, [1.0])  # wrong


# -- HTTP actions


@http_action("GET", "/a")  # wrong
async def answers_text(ctx: ActionCtx, request: Request) -> str:
    return ""


@http_action("GET", "/a")  # wrong
async def takes_one(ctx: ActionCtx) -> Response:
    return Response()


http_action("HEAD", "/a")  # wrong
http_action("GET")  # wrong
http_action("GET", "/a", prefix="/a/")  # wrong
http_action(path="/a")  # wrong


async def answers(request: Request) -> None:
    request.headers["x"] = "y"  # wrong
    body: str = request.body()  # wrong
    Response({"a": 1})  # wrong
    Response(status="200")  # wrong
    Response("x", 200)  # wrong
    Response(headers={"X-A": 5})  # wrong


# -- crons


@cron(every="1h")  # wrong
@query
def cron_of_a_query(ctx: QueryCtx) -> None: ...


@cron("0 4 * * *")  # wrong
@mutation
def cron_with_an_argument(ctx: MutationCtx, days: int) -> None: ...


@cron(every="1h")  # wrong
@action
async def cron_of_an_action_with_an_argument(ctx: ActionCtx, days: int) -> None: ...


@cron(every=30)  # wrong
@mutation
def cron_of_a_number(ctx: MutationCtx) -> None: ...


@cron(every="1h", tz="UTC")  # wrong
@mutation
def cron_of_an_interval_in_a_zone(ctx: MutationCtx) -> None: ...


# -- files


def reading_files(ctx: QueryCtx, room: Id[Room], file: Id[StoredFile]) -> None:
    ctx.storage.get_url(room)  # wrong
    ctx.storage.delete(file)  # wrong
    a: str = ctx.storage.get_url(file)  # wrong


async def storing_files(ctx: ActionCtx, file: Id[StoredFile]) -> None:
    await ctx.storage.store("text")  # wrong
    blob = await ctx.storage.get(file)
    await blob.read()  # wrong


# -- rate limits


def limiting(ctx: QueryCtx, mutating: MutationCtx, action: ActionCtx, limit: RateLimit) -> None:
    RateLimit("posts", rate=1)  # wrong
    RateLimit("posts", 1, "1h")  # wrong
    RateLimit("posts", rate=1, per=60)  # wrong
    limit.take(ctx, "ann")  # wrong
    limit.reset(ctx)  # wrong
    limit.check(action, "ann")  # wrong
    limit.take(mutating, 7)  # wrong


# -- the rest


def rest(ctx: QueryCtx, page: Page[Room], options: PageOptions, identity: Identity) -> None:
    ctx.within(1.0, 15)  # wrong
    ctx.before("tomorrow")  # wrong
    ctx.env["X"] = "y"  # wrong
    ctx.auth.identity.subject  # wrong
    ctx.auth.require_user(Point)  # wrong
    a: Page[User] = page  # wrong
    b: Page[int] = page.map(lambda room: room.name)  # wrong
    options.num_itms  # wrong
    identity.subject = "x"  # wrong
    raise AppError()  # wrong
