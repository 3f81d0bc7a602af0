"""Who is who: identities, the proofs between them, and the codes that are to prove more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

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
from gateway.store.postgres import flow, outbox, records
from gateway.store.postgres.database import Connection, changed
from gateway.store.postgres.text import all_kept, back, kept
from gateway.store.proofs import CODES, PROOF, SHOWN, Reach, ways

#: First half of the advisory locks of who types a code and of where it is sent.
CODE_LOCK = 25532773


def _back(row: Iterable[Any]) -> list[Any]:
    """The columns with the strings as they were given."""
    return [back(value) if isinstance(value, str) else value for value in row]


def _proof(row: Iterable[Any]) -> Proof:
    return proofs.proof(_back(row))


# --- what hangs together --------------------------------------------------------------------------------


async def reached(c: Connection, nodes: Iterable[str]) -> dict[str, tuple[Proof, ...]]:
    """All that hangs together with ``nodes``, each with the proofs that lead there; the nearest first."""
    reach = Reach(nodes)
    while reach.edge:
        ties = await c.fetch(
            f"SELECT {PROOF} FROM proof WHERE (one = ANY($1::text[]) OR other = ANY($1::text[]))"  # noqa: S608 - our own columns
            " AND undone_at IS NULL ORDER BY n",
            all_kept(reach.edge),
        )
        reach.add(map(_proof, ties))
    return reach.found


async def contact(c: Connection, id: str) -> Contact:
    row = await c.fetchrow(
        "SELECT c.n, i.identity FROM conversation c LEFT JOIN identity i ON i.conv = c.n WHERE c.id = $1", id
    )
    conv, own = rows.found(row, "such conversation")
    if own is None:
        return Contact(identity="")
    found = await reached(c, [back(own)])
    others = await c.fetch(
        f"SELECT {rows.CONVERSATION}, i.identity FROM identity i JOIN conversation c ON c.n = i.conv"  # noqa: S608
        " WHERE i.identity = ANY($1::text[]) AND c.n <> $2 ORDER BY c.last_at DESC, c.n DESC LIMIT $3",
        all_kept(found),
        conv,
        SHOWN,
    )
    told = list(map(_back, others))
    return Contact(
        identity=back(own),
        addresses=tuple((node, because) for node, because in found.items() if is_address(node)),
        aliases=tuple(Alias(conversation=rows.conversation(r), because=found[r[15]]) for r in told),
    )


async def conversations_of(c: Connection, node: str) -> tuple[Conversation, ...]:
    found = await c.fetch(
        f"SELECT {rows.CONVERSATION} FROM identity i JOIN conversation c ON c.n = i.conv"  # noqa: S608
        " WHERE i.identity = ANY(ARRAY(SELECT $1::text UNION SELECT one FROM proof WHERE other = $1 AND undone_at IS NULL))"
        " ORDER BY c.last_at DESC, c.n DESC LIMIT $2",
        kept(node),
        SHOWN,
    )
    return tuple(rows.conversation(_back(r)) for r in found)


async def returning(c: Connection, work: Mapping[int, Sequence[WorkItem]]) -> set[int]:
    """Of whom there is a case elsewhere, by what these messages and earlier ones prove: the convs of ``work``."""
    if not work:
        return set()
    nodes = {
        conv: {identity(i.message) for i in items} | {address for i in items for address, _ in proven(i.message)}
        for conv, items in work.items()
    }
    # Most people are new here: nothing hangs together with them, and nobody else has their identity.
    known = await c.fetch(
        "SELECT w.conv FROM unnest($1::bigint[], $2::text[]) w (conv, node)"
        " WHERE EXISTS (SELECT 1 FROM identity i WHERE i.identity = w.node AND i.conv <> w.conv)"
        " OR EXISTS (SELECT 1 FROM proof p WHERE p.one = w.node) OR EXISTS (SELECT 1 FROM proof p WHERE p.other = w.node)",
        [conv for conv, each in nodes.items() for _ in each],
        all_kept(node for each in nodes.values() for node in each),
    )
    return {conv for conv in {row[0] for row in known} if await _has_case_elsewhere(c, conv, nodes[conv])}


async def _has_case_elsewhere(c: Connection, conv: int, nodes: Iterable[str]) -> bool:
    found = await c.fetchrow(
        "SELECT 1 FROM identity i JOIN conversation c ON c.n = i.conv"
        " WHERE i.identity = ANY($1::text[]) AND c.n <> $2 AND c.record IS NOT NULL LIMIT 1",
        all_kept(await reached(c, nodes)),
        conv,
    )
    return found is not None


async def asked_case(c: Connection, number: str, nodes: Sequence[str]) -> AskedCase | None:
    """The case, whether it is theirs, and what could prove it."""
    row = await c.fetchrow(
        "SELECT r.n, r.conv, r.status FROM record r JOIN conversation c ON c.n = r.conv"
        " WHERE r.number = $1 AND c.erased_at IS NULL",
        kept(number),
    )
    if row is None:
        return None
    record, conv, status = row
    # The case may go on in a conversation that was joined to it, but it belongs to who opened it.
    own = await c.fetch(
        "SELECT i.identity FROM conversation c JOIN identity i ON i.conv = c.n WHERE c.n = $2 OR c.record = $1"
        " ORDER BY c.n <> $2, c.n",
        record,
        conv,
    )
    theirs = await reached(c, (back(r[0]) for r in own))
    known = any(node in theirs for node in nodes)
    return AskedCase(number=number, status=status, known=known, proofs=ways(theirs))


# --- what the flow writes -------------------------------------------------------------------------------


async def settle(c: Connection, outcomes: Sequence[tuple[int, Outcome]], at: int) -> None:
    """What conversations' turns have shown of who writes there, each with its conv."""
    if identities := [(conv, kept(outcome.identity)) for conv, outcome in outcomes if outcome.identity]:
        await c.execute(
            "INSERT INTO identity (conv, identity) SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING",
            *zip(*identities, strict=True),
        )
    await _prove(c, [proof for _, outcome in outcomes for proof in outcome.proofs])
    for conv, outcome in outcomes:
        if outcome.blocked is not None:
            await _set_blocked(c, conv, outcome.blocked, at)
        for code, send in outcome.codes:
            is_one_too_many = await _is_too_many(c, code)
            await _put(c, conv, code, address="" if is_one_too_many else code.address)
            if send is not None and code.address and not is_one_too_many:
                await outbox.add(c, conv, send, None, at)


async def _set_blocked(c: Connection, conv: int, is_blocked: bool, at: int) -> None:
    if is_blocked:
        await c.execute("INSERT INTO blocked (conv, at) VALUES ($1, $2) ON CONFLICT DO NOTHING", conv, at)
    else:
        await c.execute("DELETE FROM blocked WHERE conv = $1", conv)


async def is_blocked(c: Connection, id: str) -> bool:
    found = await c.fetchrow("SELECT 1 FROM blocked b JOIN conversation c ON c.n = b.conv WHERE c.id = $1", id)
    return found is not None


async def settle_code(c: Connection, code: Code) -> None:
    """What became of the code that is to be typed in a conversation. Raises Stale before anything is written."""
    done = await changed(
        c,
        "UPDATE code SET tries = $1, state = $2 WHERE id = $3 AND state = 'open'",
        code.tries,
        code.state,
        code.id,
    )
    if not done:
        raise Stale("another code has been sent meanwhile")


async def _prove(c: Connection, proofs: Sequence[NewProof]) -> None:
    """A person's word that it is not the same one stands against what platforms say, not against a new code."""
    new = [(kept(p.one), kept(p.other), p.how, rows.micros(p.at), kept(p.by)) for p in proofs if p.one != p.other]
    if new:
        await c.execute(
            "INSERT INTO proof (one, other, how, at, by) SELECT p.*"
            " FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) p (one, other, how, at, by)"
            " WHERE how = 'code' OR NOT EXISTS (SELECT 1 FROM proof s WHERE s.one = p.one AND s.other = p.other)"
            " ON CONFLICT DO NOTHING",
            # In one order, so that two that write the same ones do not wait for each other.
            *zip(*sorted(new), strict=True),
        )


# --- codes ----------------------------------------------------------------------------------------------


async def _is_too_many(c: Connection, code: NewCode) -> bool:
    # Whoever else counts them waits until this one is written.
    await c.execute(
        f"SELECT pg_advisory_xact_lock({CODE_LOCK}, k) FROM (SELECT DISTINCT hashtext(t) AS k FROM unnest($1::text[]) t"  # noqa: S608
        " ORDER BY k) keys",
        all_kept(filter(None, (code.identity, code.address))),
    )
    since = rows.micros(code.at - timedelta(hours=1))
    most: int = await c.fetchval(
        "SELECT greatest((SELECT count(*) FROM code WHERE identity = $1 AND at > $3),"
        " (SELECT count(*) FROM code WHERE address = $2 AND address <> '' AND at > $3))",
        kept(code.identity),
        kept(code.address),
        since,
    )
    return most >= CODES_PER_HOUR


async def _put(c: Connection, conv: int, code: NewCode, address: str) -> None:
    await c.execute("UPDATE code SET state = 'over' WHERE conv = $1 AND state = 'open'", conv)
    await c.execute(
        "INSERT INTO code (id, conv, identity, address, about, language, by, at, expires_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        code.id,
        conv,
        kept(code.identity),
        kept(address),
        kept(code.about),
        kept(code.language),
        kept(code.by),
        rows.micros(code.at),
        rows.micros(code.expires_at),
    )


async def put_code(
    c: Connection, code: NewCode, sends: Sequence[NewSend], journal: JournalLine | None, at: int
) -> None:
    """A code that a person has sent. The same id again is the same code."""
    conv, _, _ = await flow.checked(c, code.conversation, None)
    if await c.fetchval("SELECT 1 FROM code WHERE id = $1", code.id):
        return
    if await _is_too_many(c, code):
        raise Conflict(f"{CODES_PER_HOUR} codes in an hour are the most")
    await _put(c, conv, code, code.address)
    await flow.queue(c, conv, sends, 0, at)
    if journal is not None:
        await records.write_journal(c, [journal])


async def code(c: Connection, id: str) -> Code:
    row = await c.fetchrow(f"{CODES} WHERE k.id = $1", kept(id))
    return proofs.code(_back(rows.found(row, "such code")))


async def open_codes(c: Connection, convs: Sequence[int]) -> dict[str, Code]:
    """The codes that are to be typed in conversations, by their ids."""
    found = await c.fetch(f"{CODES} WHERE k.conv = ANY($1::bigint[]) AND k.state = 'open' ORDER BY k.n", convs)
    return {code.conversation: code for code in (proofs.code(_back(row)) for row in found)}


# --- undoing and erasing --------------------------------------------------------------------------------


async def undo(c: Connection, n: int, *, at: datetime, by: str, journal: JournalLine | None) -> Proof:
    row = await c.fetchrow(
        f"UPDATE proof SET undone_at = $1, undone_by = $2 WHERE n = $3 AND undone_at IS NULL RETURNING {PROOF}",  # noqa: S608
        rows.micros(at),
        kept(by),
        n,
    )
    proof = _proof(rows.found(row, f"proof {n} that stands"))
    if journal is not None:
        await records.write_journal(c, [journal])
    return proof


async def erase(c: Connection, conv: int) -> int:
    """The person's identity with all it proved, and the codes that were typed here or sent to one of its addresses."""
    own = await c.fetchval("SELECT identity FROM identity WHERE conv = $1", conv)
    done = await changed(c, "DELETE FROM code WHERE conv = $1", conv)
    done += await changed(c, "DELETE FROM blocked WHERE conv = $1", conv)
    if own is None:
        return done
    ties = await c.fetch("DELETE FROM proof WHERE one = $1 OR other = $1 RETURNING other", own)
    done += await changed(
        c,
        "DELETE FROM code WHERE identity = $1 OR address = ANY($2::text[])",
        own,
        [own, *(tie["other"] for tie in ties)],
    )
    done += await changed(c, "DELETE FROM identity WHERE conv = $1", conv)
    return done + len(ties)
