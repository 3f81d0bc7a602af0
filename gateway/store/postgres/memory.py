"""What channels remember: facts by key, for all accounts of a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from channels.base import Memo
from gateway.store.names import short
from gateway.store.postgres.database import Connection, changed
from gateway.store.postgres.text import all_kept, back, kept


async def remember(c: Connection, channel: str, memos: Sequence[Memo]) -> None:
    # The last word on each key, in one order for all who write at once.
    latest = sorted({memo.key: memo for memo in memos}.values(), key=lambda memo: memo.key)
    await c.execute(
        "INSERT INTO memo (channel, key, value, about) SELECT $1::text, * FROM unnest($2::text[], $3::text[], $4::text[])"
        " ON CONFLICT (channel, key) DO UPDATE SET value = excluded.value, about = excluded.about",
        channel,
        all_kept(short(memo.key) for memo in latest),
        all_kept(memo.value for memo in latest),
        all_kept(memo.about for memo in latest),
    )


async def recall(c: Connection, channel: str, keys: Sequence[str]) -> Mapping[str, str]:
    asked = {kept(short(key)): key for key in keys}
    found = await c.fetch(
        "SELECT key, value FROM memo WHERE channel = $1 AND key = ANY($2::text[])", channel, list(asked)
    )
    return {asked[row["key"]]: back(row["value"]) for row in found}


async def erase(c: Connection, conv: int) -> int:
    """What says something of the conversation's person goes; that a message was seen stays known."""
    return await changed(
        c,
        "DELETE FROM memo WHERE about <> '' AND (channel, about) ="
        " (SELECT channel, account || '/' || thread FROM conversation WHERE n = $1)",
        conv,
    )
