"""Money: transfers between accounts, and the proof that none is made or lost."""

from joelclaw import AppError, MutationCtx, Object, QueryCtx, anyone, gte, mutation, query
from schema import Account


class Audit(Object):
    total: int
    transfers: int
    changed: int
    accounts: int
    next: int | None


@mutation(allow=anyone)
def transfer(ctx: MutationCtx, source: int, target: int, amount: int) -> None:
    """Move money: two reads, two writes."""
    giver = ctx.db.find(Account.by_number, number=source)
    taker = ctx.db.find(Account.by_number, number=target)
    if giver is None or taker is None:
        raise AppError("no such account")
    giver.balance -= amount
    giver.transfers += 1
    taker.balance += amount
    taker.transfers += 1
    ctx.db.save(giver)
    ctx.db.save(taker)


@mutation(allow=anyone)
def seed(ctx: MutationCtx, first: int, count: int) -> None:
    """Open accounts with a thousand each."""
    for number in range(first, first + count):
        ctx.db.insert(Account(number=number, balance=1_000))


@query(allow=anyone)
def audit(ctx: QueryCtx, first: int, limit: int = 10_000) -> Audit:
    """Add up a stretch of accounts; `next` is where the following one begins."""
    accounts = ctx.db.query(Account.by_number, number=gte(first)).take(limit)
    return Audit(
        total=sum(account.balance for account in accounts),
        transfers=sum(account.transfers for account in accounts),
        changed=sum(account.transfers > 0 for account in accounts),
        accounts=len(accounts),
        next=accounts[-1].number + 1 if len(accounts) == limit else None,
    )
