"""Who is who: identities, the proofs between them, and the codes that are to prove more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gateway.store import proofs, rows
from gateway.store.base import (
    CODES_PER_HOUR,
    Alias,
    AskedCase,
    Code,
    Conflict,
    Contact,
    Conversation,
    JournalLine,
    NewCode,
    NewProof,
    NewSend,
    Outcome,
    Proof,
    Stale,
    WorkItem,
)
from gateway.store.identity import identity, is_address, proven
from gateway.store.proofs import CODES, PROOF, SHOWN, Reach, proof, ways
from gateway.store.sqlite import flow, outbox, records

# --- what hangs together --------------------------------------------------------------------------------


def reached(connection: sqlite3.Connection, nodes: Iterable[str]) -> dict[str, tuple[Proof, ...]]:
    """All that hangs together with ``nodes``, each with the proofs that lead there; the nearest first."""
    reach = Reach(nodes)
    while reach.edge:
        ties = connection.execute(
            f"WITH edge AS (SELECT value FROM json_each(?)) SELECT {PROOF} FROM proof"  # noqa: S608 - our own columns
            " WHERE (one IN edge OR other IN edge) AND undone_at IS NULL ORDER BY n",
            (_names(reach.edge),),
        )
        reach.add(map(proof, ties.fetchall()))
    return reach.found


def _names(nodes: Iterable[str]) -> str:
    return rows.encode(list(nodes)).decode()


def contact(connection: sqlite3.Connection, id: str) -> Contact:
    row = connection.execute(
        "SELECT c.n, i.identity FROM conversation c LEFT JOIN identity i ON i.conv = c.n WHERE c.id = ?", (id,)
    ).fetchone()
    conv, own = rows.found(row, "such conversation")
    if own is None:
        return Contact(identity="")
    found = reached(connection, [own])
    others = connection.execute(
        f"SELECT {rows.CONVERSATION}, i.identity FROM identity i JOIN conversation c ON c.n = i.conv"  # noqa: S608
        " WHERE i.identity IN (SELECT value FROM json_each(?)) AND c.n <> ? ORDER BY c.last_at DESC LIMIT ?",
        (_names(found), conv, SHOWN),
    ).fetchall()
    return Contact(
        identity=own,
        addresses=tuple((node, because) for node, because in found.items() if is_address(node)),
        aliases=tuple(Alias(conversation=rows.conversation(r), because=found[r[15]]) for r in others),
    )


def conversations_of(connection: sqlite3.Connection, node: str) -> tuple[Conversation, ...]:
    found = connection.execute(
        f"SELECT {rows.CONVERSATION} FROM identity i JOIN conversation c ON c.n = i.conv"  # noqa: S608
        " WHERE i.identity = ?1 OR i.identity IN (SELECT one FROM proof WHERE other = ?1 AND undone_at IS NULL)"
        " ORDER BY c.last_at DESC LIMIT ?2",
        (node, SHOWN),
    ).fetchall()
    return tuple(map(rows.conversation, found))


def returning(connection: sqlite3.Connection, conv: int, items: Sequence[WorkItem]) -> bool:
    """Whether who writes here has a case elsewhere, by what these messages and earlier ones prove."""
    nodes = {identity(item.message) for item in items} | {a for item in items for a, _ in proven(item.message)}
    found = connection.execute(
        "SELECT 1 FROM identity i JOIN conversation c ON c.n = i.conv"
        " WHERE i.identity IN (SELECT value FROM json_each(?)) AND c.n <> ? AND c.record IS NOT NULL LIMIT 1",
        (_names(reached(connection, nodes)), conv),
    ).fetchone()
    return found is not None


def asked_case(connection: sqlite3.Connection, number: str, nodes: Sequence[str]) -> AskedCase | None:
    """The case, whether it is theirs, and what could prove it."""
    row = connection.execute(
        "SELECT r.n, r.conv, r.status FROM record r JOIN conversation c ON c.n = r.conv"
        " WHERE r.number = ? AND c.erased_at IS NULL",
        (number,),
    ).fetchone()
    if row is None:
        return None
    record, conv, status = row
    # The case may go on in a conversation that was joined to it, but it belongs to who opened it.
    own = [r[0] for r in connection.execute("SELECT identity FROM identity WHERE conv = ?", (conv,)).fetchall()]
    own += _joined(connection, record, conv)
    theirs = reached(connection, own)
    known = any(node in theirs for node in nodes)
    return AskedCase(number=number, status=status, known=known, proofs=ways(theirs))


def _joined(connection: sqlite3.Connection, record: int, conv: int) -> list[str]:
    found = connection.execute(
        "SELECT i.identity FROM conversation c JOIN identity i ON i.conv = c.n WHERE c.record = ? AND c.n <> ?",
        (record, conv),
    ).fetchall()
    return [r[0] for r in found]


# --- what the flow writes -------------------------------------------------------------------------------


def settle(connection: sqlite3.Connection, conv: int, outcome: Outcome, at: int) -> None:
    """What a conversation's turns have shown of who writes there. Raises Stale before anything is written."""
    if outcome.code is not None:
        _settle_code(connection, outcome.code)
    if outcome.identity:
        connection.execute("INSERT OR IGNORE INTO identity (conv, identity) VALUES (?, ?)", (conv, outcome.identity))
    if outcome.blocked is not None:
        _set_blocked(connection, conv, outcome.blocked, at)
    for new in outcome.proofs:
        _prove(connection, new)
    for asked, send in outcome.codes:
        is_one_too_many = _is_too_many(connection, asked)
        _put(connection, conv, asked, address="" if is_one_too_many else asked.address)
        if send is not None and asked.address and not is_one_too_many:
            outbox.add(connection, conv, send, None, at)


def _set_blocked(connection: sqlite3.Connection, conv: int, is_blocked: bool, at: int) -> None:
    if is_blocked:
        connection.execute("INSERT OR IGNORE INTO blocked (conv, at) VALUES (?, ?)", (conv, at))
    else:
        connection.execute("DELETE FROM blocked WHERE conv = ?", (conv,))


def is_blocked(connection: sqlite3.Connection, id: str) -> bool:
    found = connection.execute(
        "SELECT 1 FROM blocked b JOIN conversation c ON c.n = b.conv WHERE c.id = ?", (id,)
    ).fetchone()
    return found is not None


def _settle_code(connection: sqlite3.Connection, code: Code) -> None:
    done = connection.execute(
        "UPDATE code SET tries = ?, state = ? WHERE id = ? AND state = 'open'", (code.tries, code.state, code.id)
    )
    if not done.rowcount:
        raise Stale("another code has been sent meanwhile")


def _prove(connection: sqlite3.Connection, proof: NewProof) -> None:
    """A person's word that it is not the same one stands against what platforms say, not against a new code."""
    if proof.one == proof.other:
        return
    connection.execute(
        "INSERT OR IGNORE INTO proof (one, other, how, at, by) SELECT ?1, ?2, ?3, ?4, ?5"
        " WHERE ?3 = 'code' OR NOT EXISTS (SELECT 1 FROM proof WHERE one = ?1 AND other = ?2)",
        (proof.one, proof.other, proof.how, rows.micros(proof.at), proof.by),
    )


# --- codes ----------------------------------------------------------------------------------------------


def _is_too_many(connection: sqlite3.Connection, code: NewCode) -> bool:
    since = rows.micros(code.at - timedelta(hours=1))
    (typed,) = connection.execute(
        "SELECT count(*) FROM code WHERE identity = ? AND at > ?", (code.identity, since)
    ).fetchone()
    (sent,) = connection.execute(
        "SELECT count(*) FROM code WHERE address = ? AND address <> '' AND at > ?", (code.address, since)
    ).fetchone()
    return bool(max(typed, sent) >= CODES_PER_HOUR)


def _put(connection: sqlite3.Connection, conv: int, code: NewCode, address: str) -> None:
    connection.execute("UPDATE code SET state = 'over' WHERE conv = ? AND state = 'open'", (conv,))
    connection.execute(
        "INSERT OR IGNORE INTO code (id, conv, identity, address, about, language, by, at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            code.id,
            conv,
            code.identity,
            address,
            code.about,
            code.language,
            code.by,
            rows.micros(code.at),
            rows.micros(code.expires_at),
        ),
    )


def put_code(
    connection: sqlite3.Connection, code: NewCode, sends: Sequence[NewSend], journal: JournalLine | None, at: int
) -> None:
    """A code that a person has sent. The same id again is the same code."""
    conv, _, _ = flow.checked(connection, code.conversation, None)
    if connection.execute("SELECT 1 FROM code WHERE id = ?", (code.id,)).fetchone():
        return
    if _is_too_many(connection, code):
        raise Conflict(f"{CODES_PER_HOUR} codes in an hour are the most")
    _put(connection, conv, code, code.address)
    flow.queue(connection, conv, sends, 0, at)
    if journal is not None:
        records.write_journal(connection, [journal])


def code(connection: sqlite3.Connection, id: str) -> Code:
    return proofs.code(rows.found(connection.execute(f"{CODES} WHERE k.id = ?", (id,)).fetchone(), "such code"))


def open_code(connection: sqlite3.Connection, conv: int) -> Code | None:
    """The code that is to be typed in a conversation."""
    row = connection.execute(f"{CODES} WHERE k.conv = ? AND k.state = 'open' ORDER BY k.n DESC", (conv,)).fetchone()
    return None if row is None else proofs.code(row)


# --- undoing and erasing --------------------------------------------------------------------------------


def undo(connection: sqlite3.Connection, n: int, *, at: datetime, by: str, journal: JournalLine | None) -> Proof:
    row = connection.execute(
        f"UPDATE proof SET undone_at = ?, undone_by = ? WHERE n = ? AND undone_at IS NULL RETURNING {PROOF}",  # noqa: S608
        (rows.micros(at), by, n),
    ).fetchall()
    undone = proof(rows.found(row[0] if row else None, f"proof {n} that stands"))
    if journal is not None:
        records.write_journal(connection, [journal])
    return undone


def erase(connection: sqlite3.Connection, conv: int) -> int:
    """The person's identity with all it proved, and the codes that were typed here or sent to one of its addresses."""
    row = connection.execute("SELECT identity FROM identity WHERE conv = ?", (conv,)).fetchone()
    changed = connection.execute("DELETE FROM code WHERE conv = ?", (conv,)).rowcount
    changed += connection.execute("DELETE FROM blocked WHERE conv = ?", (conv,)).rowcount
    if row is None:
        return changed
    (own,) = row
    ties = connection.execute("DELETE FROM proof WHERE one = ?1 OR other = ?1 RETURNING other", (own,)).fetchall()
    gone = [own, *(t[0] for t in ties)]
    changed += connection.execute(
        "DELETE FROM code WHERE identity = ? OR address IN (SELECT value FROM json_each(?))", (own, _names(gone))
    ).rowcount
    changed += connection.execute("DELETE FROM identity WHERE conv = ?", (conv,)).rowcount
    return changed + len(ties)
