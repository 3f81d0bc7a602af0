"""What channels remember: facts by key, for all accounts of a channel."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from channels.base import Memo
from gateway.store import rows


def remember(connection: sqlite3.Connection, channel: str, memos: Sequence[Memo]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO memo (channel, key, value, about) VALUES (?, ?, ?, ?)",
        [(channel, memo.key, memo.value, memo.about) for memo in memos],
    )


def recall(connection: sqlite3.Connection, channel: str, keys: Sequence[str]) -> Mapping[str, str]:
    cut = {key for key in keys if "\x00" in key}  # json_each ends a text there
    found = connection.execute(
        "SELECT key, value FROM memo WHERE channel = ? AND key IN (SELECT value FROM json_each(?))",
        (channel, rows.encode([key for key in keys if key not in cut]).decode()),
    ).fetchall()
    for key in cut:
        found += connection.execute(
            "SELECT key, value FROM memo WHERE channel = ? AND key = ?", (channel, key)
        ).fetchall()
    return dict(found)


def erase(connection: sqlite3.Connection, conv: int) -> int:
    """What says something of the conversation's person goes; that a message was seen stays known."""
    return connection.execute(
        "DELETE FROM memo WHERE about <> '' AND (channel, about) ="
        " (SELECT channel, account || '/' || thread FROM conversation WHERE n = ?)",
        (conv,),
    ).rowcount
