"""Erasing a person: words, names, addresses and files' names go; counts, times and categories stay.

What was quarantined belongs to no conversation and is dropped by hand. The server keeps the old rows on its disk until
VACUUM has passed (:mod:`gateway.store.postgres.keeping` sees to it), and its archived log and backups keep them as long as
they are kept themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import rows, stripped
from gateway.store.base import JournalLine
from gateway.store.journal import canonical, erased, with_digests
from gateway.store.postgres import contacts, files, flow, memory, outbox, recordings, records
from gateway.store.postgres.database import Connection, changed


async def erase(c: Connection, id: str, *, at: datetime, by: str) -> int:
    """How many rows changed. What waits to be sent to the person is put aside, what waits to be read is closed."""
    conv, _, _ = await flow.checked(c, id, None)
    numbers = [row["number"] for row in await c.fetch("SELECT number FROM record WHERE conv = $1 ORDER BY n", conv)]
    await _outbox(c, conv)
    done = await _bodies(c, "inbox", "id", conv, rows.inbound, stripped.inbound)
    done += await _bodies(c, "timeline", "seq", conv, rows.entry, stripped.entry)
    await c.execute("DELETE FROM raw r USING inbox i WHERE i.conv = $1 AND r.inbox = i.id", conv)
    await c.execute(
        "UPDATE inbox SET error = '', state = 'done', state_at = CASE state WHEN 'done' THEN state_at ELSE $2 END"
        " WHERE conv = $1",
        conv,
        rows.micros(at),
    )
    done += await changed(c, "UPDATE trace SET body = '' WHERE conv = $1", conv)
    done += await changed(c, "UPDATE record SET summary = '', contacts = '', numbers = '' WHERE conv = $1", conv)
    done += await changed(c, "DELETE FROM blob_use WHERE conv = $1", conv)
    done += await recordings.erase(c, conv) + await files.erase(c, conv)
    done += await memory.erase(c, conv) + await contacts.erase(c, conv)
    for number in numbers:
        done += await _revisions(c, number) + await _journal(c, number)
        line = JournalLine(number=number, what="erased", at=at, by=by)
        await records.write_journal(c, [with_digests(line, await records.revision_digests(c, number))])
    done += await changed(
        c,
        # Nobody waits any more, and no agent could answer.
        "UPDATE conversation SET thread = '', sender = '', sender_name = '', sender_email = '', sender_phone = '',"
        " last_text = '', state = '', erased_at = $2, owner = 'bot', fence = fence + 1, lease_until = NULL,"
        " waiting_since = NULL, unanswered = 0,"
        " status = CASE WHEN status IN ('resolved', 'closed', 'withdrawn') THEN status ELSE 'closed' END WHERE n = $1",
        conv,
        rows.micros(at),
    )
    return done


async def _outbox(c: Connection, conv: int) -> None:
    waiting = await c.fetch(
        "SELECT id, lane FROM outbox WHERE conv = $1 AND state NOT IN ('sent', 'superseded') ORDER BY id", conv
    )
    for row in waiting:
        await outbox.end(c, row["id"], row["lane"], "superseded", "the person's data was erased")
    await c.execute(
        "UPDATE outbox SET body = $2, error = CASE WHEN id = ANY($3::bigint[]) THEN error ELSE '' END WHERE conv = $1",
        conv,
        b"{}",
        [row["id"] for row in waiting],
    )


async def _bodies(
    c: Connection, table: str, key: str, conv: int, read: Callable[[bytes], Any], strip: Callable[[Any], Any]
) -> int:
    found = await c.fetch(f"SELECT {key}, body FROM {table} WHERE conv = $1 ORDER BY {key} FOR UPDATE", conv)  # noqa: S608
    await c.execute(
        f"UPDATE {table} t SET body = u.body FROM unnest($2::bigint[], $3::bytea[]) u (key, body)"  # noqa: S608
        f" WHERE t.conv = $1 AND t.{key} = u.key",
        conv,
        [row[key] for row in found],
        [rows.encode(strip(read(row["body"]))) for row in found],
    )
    return len(found)


async def _revisions(c: Connection, number: str) -> int:
    """All revisions are stripped, and one more is added: who read the record before cannot write it back as the next."""
    found = await c.fetch(
        "SELECT revision, body FROM record_revision WHERE number = $1 ORDER BY revision FOR UPDATE", number
    )
    last, body = found[-1]
    await c.execute(
        "UPDATE record_revision r SET body = u.body FROM unnest($2::bigint[], $3::bytea[]) u (revision, body)"
        " WHERE r.number = $1 AND r.revision = u.revision",
        number,
        [row["revision"] for row in found],
        [rows.encode(stripped.record(rows.record(row["body"]))) for row in found],
    )
    await c.execute(
        "INSERT INTO record_revision (number, revision, body) VALUES ($1, $2, $3)",
        number,
        last + 1,
        rows.encode(msgspec.structs.replace(stripped.record(rows.record(body)), revision=last + 1)),
    )
    await c.execute("UPDATE record SET revision = $2 WHERE number = $1", number, last + 1)
    return len(found)


async def _journal(c: Connection, number: str) -> int:
    lines = await records.journal(c, number)
    await c.execute(
        "UPDATE journal j SET body = u.body FROM unnest($2::bigint[], $3::bytea[]) u (n, body)"
        " WHERE j.number = $1 AND j.n = u.n",
        number,
        [line.n for line in lines],
        [canonical(erased(line.body)) for line in lines],
    )
    return len(lines)
