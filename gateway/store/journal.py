"""The journal's hash chain: each line of a complaint seals the one before it.

``hash`` is sha256 (hex) over ``prev`` and the canonical JSON of the line, in which ``body`` is replaced by
the sha256 of its own canonical JSON. So a body can be erased (:func:`erased`) and the chain still verifies.
Canonical JSON: UTF-8, keys sorted, no spaces, times in ISO 8601 with ``+00:00``. Pure functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import msgspec

from gateway.store.base import JournalLine
from normalizer.record import ComplaintRecord

#: The one key of a body that was erased; its value is the sha256 of what stood there.
ERASED = "erased_sha256"

#: The key of a body under which the sha256 of the record's revisions stand that came with the line, by their number.
REVISIONS = "revision_sha256"


def canonical(value: Any) -> bytes:
    """Canonical JSON of plain values, structs and times."""
    return msgspec.json.encode(value, order="sorted")


def body_hash(body: Mapping[str, Any]) -> str:
    """sha256 of a body, also of one that was erased."""
    if set(body) == {ERASED}:
        return str(body[ERASED])
    return hashlib.sha256(canonical(body)).hexdigest()


def with_revision(lines: Sequence[JournalLine], record: ComplaintRecord, digest: str) -> tuple[JournalLine, ...]:
    """The lines of a revision, the last of its case with the revision's sha256; a line of its own where there is none."""
    own = [n for n, line in enumerate(lines) if line.number == record.number]
    if not own:
        made = JournalLine(number=record.number, what="revised", at=record.updated_at, by="system")
        return (*lines, with_digests(made, {record.revision: digest}))
    return tuple(
        with_digests(line, {record.revision: digest}) if n == own[-1] else line for n, line in enumerate(lines)
    )


def with_digests(line: JournalLine, digests: Mapping[int, str]) -> JournalLine:
    """The line with the sha256 of revisions."""
    named = {str(revision): digest for revision, digest in digests.items()}
    return msgspec.structs.replace(line, body={**line.body, REVISIONS: named})


def verify_revisions(lines: Sequence[JournalLine], digests: Mapping[int, str]) -> Iterator[str]:
    """What is wrong with a case's revisions, whose stored bytes have these sha256, by its (whole) journal.

    Revisions from before their hashes were written down are not known here. An erasure rewrites all revisions and says their
    new hashes; a body may be empty only before one.
    """
    known: dict[int, str] = {}
    last_erasure = max((line.n for line in lines if line.what == "erased"), default=0)
    for line in lines:
        if set(line.body) == {ERASED} and line.n > last_erasure:
            yield f"line {line.n} was emptied without an erasure"
        told = line.body.get(REVISIONS, {})
        known = {**({} if line.what == "erased" else known), **{int(revision): told[revision] for revision in told}}
    for revision, digest in known.items():
        if revision not in digests:
            yield f"revision {revision} is missing"
        elif digests[revision] != digest:
            yield f"revision {revision} was changed"
    for revision in sorted(digests):
        if known and revision > min(known) and revision not in known:
            yield f"revision {revision} stands in no line"


def erased(body: Mapping[str, Any]) -> dict[str, str]:
    """What stays of a body: its hash."""
    return {ERASED: body_hash(body)}


def seal(line: JournalLine, n: int, prev: str) -> JournalLine:
    """The line as number ``n`` (from 1) of its complaint after the line with hash ``prev`` ("" for the first)."""
    placed = msgspec.structs.replace(line, n=n, prev=prev)
    return msgspec.structs.replace(placed, hash=_hash(placed))


def verify(lines: Sequence[JournalLine]) -> str:
    """ "" when the lines of one complaint are whole, in order and untouched; else what is wrong with the first bad one."""
    prev = ""
    for n, line in enumerate(lines, start=1):
        if line.n != n:
            return f"line {n} is missing or out of place (found line {line.n})"
        if line.number != lines[0].number:
            return f"line {n} belongs to {line.number}"
        if line.prev != prev:
            return f"line {n} does not follow the line before it"
        if line.hash != _hash(line):
            return f"line {n} was changed"
        prev = line.hash
    return ""


def _hash(line: JournalLine) -> str:
    facts = {
        "number": line.number,
        "n": line.n,
        "what": line.what,
        "at": line.at.astimezone(UTC).isoformat(),
        "by": line.by,
        "body": body_hash(line.body),
    }
    return hashlib.sha256(line.prev.encode() + canonical(facts)).hexdigest()
