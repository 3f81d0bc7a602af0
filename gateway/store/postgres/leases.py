"""Leases: which node does what only one may do, by rows of the store. A node has them as long as its session lives."""

from __future__ import annotations

from collections.abc import Collection

from gateway.store.base import Held, Stale
from gateway.store.postgres.database import Connection
from gateway.store.postgres.session import ALIVE

Lease = tuple[str, int]
#: No node has this number.
FREE = 0


async def take(c: Connection, name: str, node: int, *, steady: bool) -> int | None:
    """The fencing token where the node has the lease now; None where a living node has it.

    ``steady``: whether one may be found dead. After the server's restart all seem so that have not come back yet.
    """
    token: int | None = await c.fetchval(
        "INSERT INTO lease AS l (name, holder, fence) VALUES ($1, $2, 1) ON CONFLICT (name) DO UPDATE"  # noqa: S608
        " SET holder = excluded.holder, fence = l.fence + (l.holder <> excluded.holder)::int"
        f" WHERE l.holder = excluded.holder OR l.holder = {FREE} OR ($3 AND l.holder NOT IN ({ALIVE}))"
        " RETURNING fence",
        name,
        node,
        steady,
    )
    return token


async def free(c: Connection, name: str, node: int) -> None:
    """Give a lease back; what is still under way with its token is too late."""
    await c.execute("UPDATE lease SET holder = $3, fence = fence + 1 WHERE name = $1 AND holder = $2", name, node, FREE)


async def held(c: Connection, prefix: str, node: int) -> tuple[Held, ...]:
    """The leases with this beginning that living nodes have."""
    found = await c.fetch(
        f"SELECT name, holder FROM lease WHERE starts_with(name, $1) AND holder IN ({ALIVE}) ORDER BY name",  # noqa: S608
        prefix,
    )
    return tuple(Held(name=row["name"], node=row["holder"], mine=row["holder"] == node) for row in found)


async def check(c: Connection, shown: Collection[Lease]) -> None:
    """Nobody else can take these leases until the transaction ends. Raises Stale where somebody has."""
    if not shown:
        return
    names = [name for name, _ in shown]
    # In one order, so that two transactions with the same leases do not wait for each other.
    found = await c.fetch("SELECT name, fence FROM lease WHERE name = ANY($1::text[]) ORDER BY name FOR SHARE", names)
    tokens = {row["name"]: row["fence"] for row in found}
    for name, token in shown:
        if tokens.get(name) != token:
            raise Stale(f"another node has `{name}` by now")
