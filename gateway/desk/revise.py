"""The record's next revision after a person's act. Pure: the caller brings the time."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

import msgspec

from normalizer import doubts
from normalizer.mask import mask
from normalizer.record import (
    BY_AGENT,
    ComplaintRecord,
    Difficulty,
    Disposition,
    Evidence,
    Found,
    Kind,
    Link,
    Sentiment,
    Status,
    Urgency,
)

#: The fields a person may correct.
Correctable = Literal["kind", "category", "urgency", "difficulty", "sentiment"]

ENDED: frozenset[Status] = frozenset(("resolved", "closed", "withdrawn"))

_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": get_args(Kind),
    "urgency": get_args(Urgency),
    "difficulty": get_args(Difficulty),
    "sentiment": get_args(Sentiment),
}
_SECTION = {"kind": "what", "category": "what", "urgency": "gravity", "difficulty": "gravity", "sentiment": "gravity"}


class NotAllowed(ValueError):
    """The value does not belong to the field, or the case's state does not allow the change."""


def choices(field: Correctable) -> tuple[str, ...]:
    """The values a field may have; empty for free ones."""
    return _CHOICES.get(field, ())


def closing_status(disposition: Disposition) -> Status:
    """What a case is after it ended this way: only a case that got its answer counts as resolved."""
    if disposition == "withdrawn":
        return "withdrawn"
    return "resolved" if disposition in ("answered", "solved") else "closed"


def closed(record: ComplaintRecord, *, disposition: Disposition, outcome: str, at: datetime) -> ComplaintRecord:
    """The revision that ends a case. Raises :class:`NotAllowed` for a case that has ended or no disposition."""
    if record.standing.status in ENDED:
        raise NotAllowed("the case has ended already")
    if not disposition or disposition not in get_args(Disposition):
        raise NotAllowed("a case closes with a disposition")
    status = closing_status(disposition)
    return _standing(record, at, status=status, disposition=disposition, outcome=outcome)


def reopened(record: ComplaintRecord, *, at: datetime) -> ComplaintRecord:
    """The revision that opens an ended case again. Raises :class:`NotAllowed` when it is open."""
    if record.standing.status not in ENDED:
        raise NotAllowed("the case is open")
    return _standing(record, at, status="waiting_agent", disposition="", outcome="", owner="")


def owned(record: ComplaintRecord, owner: str, *, status: Status, at: datetime) -> ComplaintRecord:
    """The revision that names a new owner: an agent's id, ``bot``, or empty while it waits for a person."""
    return _standing(record, at, owner=owner, status=status)


def unlinked(record: ComplaintRecord, link: Link, *, at: datetime) -> ComplaintRecord:
    """The revision in which a person has taken a link away. Raises :class:`NotAllowed` where there is none."""
    standing = record.standing
    if not (standing.repeat_of if link == "repeat" else standing.incident):
        raise NotAllowed(f"there is no {link} to take away")
    gone: dict[str, Any] = {"incident": "", "incident_because": ()}
    if link == "repeat":
        gone = {"repeat_of": "", "repeats": 0, "repeat_because": ()}
    return _standing(record, at, **gone, unlinked=(*standing.unlinked, link))


def corrected(record: ComplaintRecord, field: Correctable, value: str, *, at: datetime) -> ComplaintRecord:
    """The revision in which a person has set a field. Raises :class:`NotAllowed` for a value it cannot have."""
    allowed = choices(field)
    if not value or len(value) > 200 or (allowed and value not in allowed):
        raise NotAllowed(f"{field} cannot be {value!r}")
    found: Found[Any] = Found(value=value, evidence=(Evidence(message="", rule=BY_AGENT),))
    section = _SECTION[field]
    changed = msgspec.structs.replace(getattr(record, section), **{field: found})
    return _next(record, at, **{section: changed})


def told(record: ComplaintRecord, doubt: str, value: str, *, at: datetime) -> ComplaintRecord:
    """The revision in which a person has said what a doubtful number was; an empty ``value``: none.

    ``doubt`` is the number as it was heard. Raises :class:`NotAllowed` where there is no such doubt.
    """
    found = next((one for one in record.what.doubts if one.value == doubt), None)
    if found is None:
        raise NotAllowed("this number is not in doubt (any more)")
    if len(value) > 200 or any(not char.isprintable() for char in value):
        raise NotAllowed(f"a number cannot be {value!r}")
    if mask(value) != value:
        raise NotAllowed("card and identity numbers are not kept in a record")
    return msgspec.structs.replace(
        doubts.by_agent(record, found, value.strip()), revision=record.revision + 1, updated_at=at
    )


def _standing(record: ComplaintRecord, at: datetime, **changes: Any) -> ComplaintRecord:
    return _next(record, at, standing=msgspec.structs.replace(record.standing, **changes))


def _next(record: ComplaintRecord, at: datetime, **fields: Any) -> ComplaintRecord:
    return msgspec.structs.replace(record, revision=record.revision + 1, updated_at=at, **fields)
