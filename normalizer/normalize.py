"""An inbound message becomes part of a complaint record: the normalizer's one door."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from channels.base import Inbound
from normalizer import doubts, merge
from normalizer.entities.dates import local_time
from normalizer.findings import Findings, find
from normalizer.record import Arrival, Complainant, ComplaintRecord, Evidence, EvidenceFile, Found, Standing, What
from normalizer.rules import Rules
from normalizer.source import Source, readable, spoken
from transcription.base import Transcript

#: Message keys and files remembered in one record; a longer conversation is one for people.
MAX_MESSAGES = 2_000
MAX_FILES = 200

#: Longest name taken over from a platform, in characters.
MAX_NAME = 200


def normalize(
    message: Inbound,
    *,
    key: str,
    rules: Rules,
    received_at: datetime,
    processed_at: datetime,
    conversation: str,
    so_far: ComplaintRecord | None = None,
    transcript: Transcript | None = None,
    country: str = "CN",
    timezone: str = "UTC",
    replaces: str = "",
) -> ComplaintRecord:
    """The record with this message in it.

    Pure and idempotent: a message whose ``key`` the record has already changes nothing. ``replaces`` is the key of
    the message that an ``edit`` or ``delete`` changes (without it, ``channel/account/refers_to``): its evidence, and that
    of earlier edits of it, is taken out. A value that a person has set stays. Number, revision and standing come from ``so_far``; only the count of chasers moves. Text beyond
    :data:`normalizer.text.MAX_TEXT` characters is not read. ``timezone`` is an IANA name for "yesterday", ``country``
    an ISO 3166 code for numbers and money that name none.
    """
    record = so_far or _opened(message, received_at, processed_at, conversation)
    if key in record.arrival.messages and transcript is None:
        return record
    if message.kind in ("edit", "delete"):
        root = replaces or f"{message.channel}/{message.account}/{message.refers_to}"
        record = _edited(_taken_out(record, _versions(record, root)), key, root)
    elif transcript is not None:
        record = _taken_out(record, {key, transcript.recording})
    record = _arrived(record, message, key, processed_at)
    if message.kind in ("status", "event", "delete"):
        return record
    if message.machine:
        return _quiet(record, message, key)
    for source in _sources(message, key, rules, transcript):
        record = _read(record, source, message, rules, country=country, timezone=timezone)
    record = doubts.settled(record, key)
    if transcript is not None:
        spoken_in, at = message.language or transcript.language, local_time(message.at, timezone)
        new = doubts.in_doubt(transcript, rules, country=country, at=at, language=spoken_in)
        record = doubts.noted(record, new)
    return _with_sender(record, message, key)


def _opened(message: Inbound, received_at: datetime, processed_at: datetime, conversation: str) -> ComplaintRecord:
    return ComplaintRecord(
        arrival=Arrival(
            channel=message.channel,
            account=message.account,
            conversation=conversation,
            thread=message.thread,
            origin=message.origin,
            provider_at=message.at,
            received_at=received_at,
            processed_at=processed_at,
        ),
        opened_at=received_at,
        updated_at=processed_at,
    )


def _arrived(record: ComplaintRecord, message: Inbound, key: str, processed_at: datetime) -> ComplaintRecord:
    """The message's own facts: that it came, its files, who sent it, when it happened."""
    arrival = record.arrival
    files = tuple(
        EvidenceFile(digest=a.digest, name=readable(a.name), type=a.type, size=a.size, message=key)
        for a in message.attachments
        if a.digest and not any(f.digest == a.digest for f in arrival.attachments)
    )
    messages = arrival.messages if key in arrival.messages else (*arrival.messages, key)
    identity = f"{message.channel}/{message.account}/{message.sender.id}"
    known = record.who.identities
    return msgspec.structs.replace(
        record,
        arrival=msgspec.structs.replace(
            arrival,
            messages=messages[-MAX_MESSAGES:],
            attachments=(*arrival.attachments, *files)[:MAX_FILES],
            occurred_at=message.occurred_at or arrival.occurred_at,
        ),
        who=msgspec.structs.replace(record.who, identities=known if identity in known else (*known, identity)[:20]),
        updated_at=processed_at,
    )


def _quiet(record: ComplaintRecord, message: Inbound, key: str) -> ComplaintRecord:
    """Machine mail is noted and says nothing about the matter; alone it makes a quiet record."""
    if record.what.kind is not None:
        return record
    machine: Found[Any] = Found(value="machine", evidence=(Evidence(message=key, rule=f"machine.{message.machine}"),))
    return msgspec.structs.replace(record, what=msgspec.structs.replace(record.what, kind=machine))


def _sources(message: Inbound, key: str, rules: Rules, transcript: Transcript | None) -> list[Source]:
    sources = []
    if message.subject.strip():
        sources.append(Source(message.subject, key, rules, is_subject=True))
    if message.text.strip() or not (sources or transcript):
        sources.append(Source(message.text, key, rules))
    if transcript is not None:
        sources.append(spoken(transcript, rules))
    return sources


def _read(
    record: ComplaintRecord, source: Source, message: Inbound, rules: Rules, *, country: str, timezone: str
) -> ComplaintRecord:
    before = Findings(who=record.who, what=record.what, gravity=record.gravity, language=record.arrival.language)
    new = find(
        source,
        rules,
        country=country,
        at=local_time(message.at, timezone),
        language=message.language,
        prior=record.arrival.language.value if record.arrival.language else "",
        opened=record.what.kind is not None and record.what.kind.value != "other" and len(record.arrival.messages) > 1,
    )
    after = merge.apply(before, new)
    chased = new.what.kind is not None and new.what.kind.value == "chaser"
    return msgspec.structs.replace(
        record,
        who=after.who,
        what=after.what,
        gravity=after.gravity,
        arrival=msgspec.structs.replace(record.arrival, language=after.language),
        standing=_chased(record.standing) if chased and not source.is_subject else record.standing,
    )


def _chased(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, chasers=standing.chasers + 1)


def _with_sender(record: ComplaintRecord, message: Inbound, key: str) -> ComplaintRecord:
    """What the channel knows of the sender; a verified address is surer than a claimed one."""
    sender = message.sender
    sure = 0.99 if sender.verified else 0.8
    told = {"names": sender.name.strip()[:MAX_NAME], "phones": sender.phone, "emails": sender.email.lower()}
    fields: dict[str, Any] = {
        field: _told(value, key, f"sender.{field}", sure) for field, value in told.items() if value
    }
    new = Complainant(**fields)
    who = record.who
    joined: dict[str, Any] = {name: merge.join(getattr(who, name), getattr(new, name)) for name in told}
    if message.on_behalf_of:
        joined["on_behalf_of"] = _told(message.on_behalf_of[:MAX_NAME], key, "sender.on_behalf_of", sure)[0]
    return msgspec.structs.replace(record, who=msgspec.structs.replace(who, **joined))


def _told(value: str, key: str, rule: str, confidence: float) -> tuple[Found[str], ...]:
    return (Found(value=readable(value), evidence=(Evidence(message=key, rule=rule, confidence=confidence),)),)


def _versions(record: ComplaintRecord, root: str) -> set[str]:
    """The keys of a message, of others that came under its id, and of its earlier edits."""
    came = {key for key in record.arrival.messages if key.startswith(root + "#")}
    return {root} | came | {edit for edit, changed in record.arrival.edits.items() if changed == root}


def _edited(record: ComplaintRecord, key: str, root: str) -> ComplaintRecord:
    if len(record.arrival.edits) >= MAX_MESSAGES:
        return record
    arrival = msgspec.structs.replace(record.arrival, edits={**record.arrival.edits, key: root})
    return msgspec.structs.replace(record, arrival=arrival)


def _taken_out(record: ComplaintRecord, messages: Collection[str]) -> ComplaintRecord:
    """The record as far as other messages say it. Files stay: evidence is kept."""
    what: What = merge.without(record.what, messages)
    if what.kind is None or what.kind.value == "other":
        what = msgspec.structs.replace(what, summary="")
    language = record.arrival.language
    if language is not None and all(e.message in messages for e in language.evidence):
        language = None
    return msgspec.structs.replace(
        record,
        what=what,
        who=merge.without(record.who, messages),
        gravity=merge.without(record.gravity, messages),
        arrival=msgspec.structs.replace(record.arrival, language=language),
    )
