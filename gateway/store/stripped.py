"""What stays of a message, a line and a record when their person is erased: counts, times and categories. The same in every store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from channels.base import Attachment, Inbound, Sender
from gateway.store.base import Entry
from normalizer.record import Complainant, ComplaintRecord, Found, What

_replace = msgspec.structs.replace


def _files(files: Iterable[Attachment]) -> tuple[Attachment, ...]:
    return tuple(Attachment(type=f.type, size=f.size, state="refused", reason="erased") for f in files)


def inbound(m: Inbound) -> Inbound:
    """The row keeps its kind, times and external id: a platform's repeat must still be known as one."""
    return Inbound(
        channel=m.channel,
        account=m.account,
        external_id=m.external_id,
        thread="",
        sender=Sender(id=""),
        at=m.at,
        kind=m.kind,
        machine=m.machine,
        attachments=_files(m.attachments),
        language=m.language,
        origin=m.origin,
    )


def entry(e: Entry) -> Entry:
    return _replace(
        e, text="", author_name="", attachments=_files(e.attachments), buttons=(), choice="", placeholder=""
    )


def record(r: ComplaintRecord) -> ComplaintRecord:
    return _replace(
        r,
        who=Complainant(customer_class=r.who.customer_class),
        what=What(kind=_bare(r.what.kind), category=_bare(r.what.category), demands=_all_bare(r.what.demands)),
        gravity=_replace(
            r.gravity,
            sentiment=_bare(r.gravity.sentiment),
            emotion=_bare(r.gravity.emotion),
            urgency=_bare(r.gravity.urgency),
            difficulty=_bare(r.gravity.difficulty),
            risks=_all_bare(r.gravity.risks),
        ),
        arrival=_replace(
            r.arrival,
            thread="",
            language=_bare(r.arrival.language),
            attachments=tuple(_replace(f, name="", digest="") for f in r.arrival.attachments),
        ),
        standing=_replace(r.standing, outcome="", repeat_because=()),
    )


def _bare(found: Found[Any] | None) -> Any:
    """The value with its rule and confidence, without the customer's words."""
    if found is None:
        return None
    return _replace(found, evidence=tuple(_replace(e, quote="") for e in found.evidence))


def _all_bare(found: Iterable[Found[Any]]) -> Any:
    return tuple(_bare(f) for f in found)
