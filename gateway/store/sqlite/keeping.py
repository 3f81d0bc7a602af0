"""What is kept how long. A few rows at a time: whatever else waits to be written goes in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from gateway.store import months, rows
from gateway.store.base import Keep, Tidied
from gateway.store.sqlite import erase
from gateway.store.sqlite.readers import Readers
from gateway.store.sqlite.writer import Writer

#: Rows of one transaction, and conversations that are erased in one go.
BATCH = 200
ERASED_AT_ONCE = 100
#: A code is known so long after its time, for the messages that still name it.
CODES_KEPT = timedelta(days=30)

#: No open case, and nothing has happened since ?1.
_ENDED = (
    "c.erased_at IS NULL AND (c.record IS NULL OR c.status IN ('resolved', 'closed', 'withdrawn'))"
    " AND c.active_at < ?1 AND c.last_at < ?1"
    " AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.conv = c.n AND i.state = 'open')"
)


class Keeping:
    """It knows how far it came with the events, whose rows stay when they are emptied."""

    def __init__(self) -> None:
        self._emptied = 0

    async def tidy(self, writer: Writer, readers: Readers, now: datetime, keep: Keep) -> Tidied:
        """See :meth:`gateway.store.base.Store.tidy`."""
        return Tidied(
            events=await self._empty_events(writer, readers, _before(now, keep.raw_months)),
            traces=await _drop_traces(writer, readers, _before(now, keep.trace_months)),
            expired=await _expire(writer, now),
            erased=await _erase_old(writer, readers, now, _before(now, 12 * keep.years)),
        )

    async def _empty_events(self, writer: Writer, readers: Readers, before: int) -> int:
        emptied = 0
        while found := await readers.far(partial(_events, after=self._emptied, before=before)):
            ids = [id for id, is_there in found if is_there]
            await writer.do("tidy", partial(_run, sql="UPDATE inbox SET raw = x'' WHERE id IN", ids=ids))
            self._emptied = found[-1][0]
            emptied += len(ids)
        return emptied


def _before(now: datetime, kept: int) -> int:
    """The first moment that is kept; all of them where ``kept`` is 0."""
    return months.start(months.before(now, kept)) if kept else 0


def _events(connection: sqlite3.Connection, after: int, before: int) -> list[tuple[int, bool]]:
    """The next inbox rows, whether each still has its event. Rows come in the order of their times, or nearly so."""
    found = connection.execute(
        "SELECT id, length(raw) > 0, received_at FROM inbox WHERE id > ? ORDER BY id LIMIT ?", (after, BATCH)
    )
    return [(id, bool(is_there)) for id, is_there, at in found.fetchall() if at < before]


def _run(connection: sqlite3.Connection, sql: str, ids: Sequence[int]) -> int:
    done = connection.execute(f"{sql} (SELECT value FROM json_each(?))", (rows.encode(ids).decode(),))  # noqa: S608
    return done.rowcount


async def _drop_traces(writer: Writer, readers: Readers, before: int) -> int:
    dropped = 0
    while ids := await readers.far(partial(_traces, before=before)):
        dropped += await writer.do("tidy", partial(_run, sql="DELETE FROM trace WHERE id IN", ids=ids))
    return dropped


def _traces(connection: sqlite3.Connection, before: int) -> list[int]:
    found = connection.execute("SELECT id, at FROM trace ORDER BY id LIMIT ?", (BATCH,))
    return [id for id, at in found.fetchall() if at < before]


async def _expire(writer: Writer, now: datetime) -> int:
    gone = await _delete_old(writer, "once", "scope, key", rows.micros(now))
    gone += await _delete_old(writer, "desk_session", "token_hash", rows.micros(now))
    return gone + await _delete_old(writer, "code", "n", rows.micros(now - CODES_KEPT))


async def _delete_old(writer: Writer, table: str, key: str, before: int) -> int:
    sql = f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE expires_at < ? LIMIT ?)"  # noqa: S608
    gone = 0
    while done := await writer.do("tidy", lambda c: c.execute(sql, (before, BATCH)).rowcount):
        gone += done
    return gone


async def _erase_old(writer: Writer, readers: Readers, now: datetime, before: int) -> int:
    done = 0
    for id in await readers.far(partial(_ended, before=before)):
        done += await writer.do("erase", partial(_erase_one, id=id, before=before, now=now), long=True)
    if done:
        await writer.checkpoint()  # the erased words still stand in the log until it starts anew
    return done


def _ended(connection: sqlite3.Connection, before: int) -> list[str]:
    found = connection.execute(
        f"SELECT c.id FROM conversation c INDEXED BY conversation_ended WHERE {_ENDED} ORDER BY c.active_at LIMIT ?2",  # noqa: S608
        (before, ERASED_AT_ONCE),
    )
    return [id for (id,) in found.fetchall()]


def _erase_one(connection: sqlite3.Connection, id: str, before: int, now: datetime) -> bool:
    """Unless somebody has written meanwhile."""
    still = f"SELECT 1 FROM conversation c WHERE c.id = ?2 AND {_ENDED}"  # noqa: S608
    if connection.execute(still, (before, id)).fetchone() is None:
        return False
    erase.erase(connection, id, at=now, by="system")
    return True
