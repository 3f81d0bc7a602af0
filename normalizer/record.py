"""The one complaint record: what a complaint is, whatever channel it came by.

Every extracted field is a :class:`Found`: a value with the evidence for it. The record is versioned: the
store keeps every revision, and delivers each as an event to the ticket systems.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")

# `gc=False`: these hold values and tuples and can form no cycle, so the collector need not visit them.

#: Version of the record's shape, in every delivered event; a change of meaning raises it.
SCHEMA_VERSION = 1
#: The evidence's rule of a value that a person has set by hand; no rule of ours overrules it.
BY_AGENT = "agent"


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where a value was said and what found it.

    Text: ``message`` is the inbound message's key, ``start`` and ``end`` are character offsets into its text
    as the customer wrote it. Speech: ``message`` is the recording's sha256, ``from_second`` and ``to_second``
    say when. ``rule`` names the rule or lexicon entry, ``confidence`` runs from 0 to 1.
    """

    message: str
    rule: str
    start: int = 0
    end: int = 0
    quote: str = ""
    from_second: float | None = None
    to_second: float | None = None
    confidence: float = 1.0


class Found(msgspec.Struct, Generic[T], frozen=True, kw_only=True, gc=False):
    """A value and why we believe it."""

    value: T
    evidence: tuple[Evidence, ...]

    @property
    def confidence(self) -> float:
        """The best confidence of its evidence; 0 without any."""
        return max((e.confidence for e in self.evidence), default=0.0)


Kind = Literal[
    "complaint", "enquiry", "request", "suggestion", "praise", "chaser", "withdrawal", "spam", "machine", "other"
]
Demand = Literal[
    "refund",
    "replacement",
    "repair",
    "apology",
    "compensation",
    "explanation",
    "information",
    "cancellation",
    "delivery",
    "correction",
    "invoice",
    "callback",
    "human",
]
Sentiment = Literal["positive", "neutral", "negative", "very_negative"]
Emotion = Literal["", "anger", "sadness", "worry", "disappointment", "sarcasm", "joy"]
Urgency = Literal["urgent", "normal", "low"]
Difficulty = Literal["simple", "medium", "complex"]
Risk = Literal[
    "injury", "fire", "legal", "regulator", "media", "self_harm", "vulnerable", "fraud", "privacy", "violence"
]
CustomerClass = Literal["new", "returning", "vip"]
Status = Literal["new", "waiting_bot", "waiting_agent", "waiting_customer", "resolved", "closed", "withdrawn"]
Link = Literal["repeat", "incident"]
Disposition = Literal["", "answered", "solved", "not_solved", "abandoned", "duplicate", "not_a_complaint", "withdrawn"]


class Money(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An amount as a decimal string ("199.00") with its ISO 4217 code ("" when not said)."""

    amount: str
    currency: str


class Moment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A date or time that was said: ISO 8601, ``2026-11-20`` or ``2026-11-20T15:00``; resolved against the message's time."""

    iso: str


class Complainant(msgspec.Struct, frozen=True, kw_only=True):
    """Who complains. ``identities`` are ``channel/account/sender id``; the rest is found in the text or told by the channel."""

    identities: tuple[str, ...] = ()
    names: tuple[Found[str], ...] = ()
    phones: tuple[Found[str], ...] = ()
    emails: tuple[Found[str], ...] = ()
    customer_class: CustomerClass = "new"
    on_behalf_of: Found[str] | None = None


class What(msgspec.Struct, frozen=True, kw_only=True):
    """What it is about."""

    kind: Found[Kind] | None = None
    category: Found[str] | None = None
    """``category`` or ``category/sub-category`` of the tree in ``normalizer/data/categories.yaml``."""
    demands: tuple[Found[Demand], ...] = ()
    summary: str = ""
    products: tuple[Found[str], ...] = ()
    order_numbers: tuple[Found[str], ...] = ()
    tracking_numbers: tuple[Found[str], ...] = ()
    amounts: tuple[Found[Money], ...] = ()
    dates: tuple[Found[Moment], ...] = ()
    places: tuple[Found[str], ...] = ()
    people: tuple[Found[str], ...] = ()
    urls: tuple[Found[str], ...] = ()
    doubts: tuple[Found[str], ...] = ()
    """Numbers that were said and not heard well: to be asked about (:mod:`normalizer.doubts`)."""


class Gravity(msgspec.Struct, frozen=True, kw_only=True):
    """How grave it is, each with its reasons as evidence."""

    sentiment: Found[Sentiment] | None = None
    emotion: Found[Emotion] | None = None
    urgency: Found[Urgency] | None = None
    difficulty: Found[Difficulty] | None = None
    risks: tuple[Found[Risk], ...] = ()


class EvidenceFile(msgspec.Struct, frozen=True, kw_only=True):
    """An attachment as evidence: sha256, sniffed type, size in bytes, and the message it came with.

    ``heard`` says for a recording whether its words are part of the record; while it is ``waiting`` or has ``failed``,
    ``trouble`` says why.
    """

    digest: str
    name: str
    type: str
    size: int
    message: str
    heard: Literal["", "waiting", "heard", "failed"] = ""
    trouble: str = ""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """How it came. Times are UTC: the provider's, ours at receipt, ours at processing; ``occurred_at`` is the customer's."""

    channel: str
    account: str
    conversation: str
    thread: str
    origin: str = ""
    language: Found[str] | None = None
    provider_at: datetime
    received_at: datetime
    processed_at: datetime
    occurred_at: datetime | None = None
    attachments: tuple[EvidenceFile, ...] = ()
    messages: tuple[str, ...] = ()
    """Keys of the inbound messages that the record was made from, oldest first."""
    edits: dict[str, str] = {}
    """Keys of edits and deletions, each with the key of the message that it changes."""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised, UTC: to acknowledge, to give a first answer, to resolve."""

    acknowledge_by: datetime | None = None
    first_response_by: datetime | None = None
    resolve_by: datetime | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands. ``owner`` is ``bot``, an agent's id, or empty while it waits for a person."""

    status: Status = "new"
    owner: str = "bot"
    skills: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()
    repeat_of: str = ""
    """Number of the first case of the same person in the same matter; ``repeats`` counts how often it came before."""
    repeats: int = 0
    repeat_because: tuple[str, ...] = ()
    incident: str = ""
    """Id of a matter that many people tell of at the same time."""
    incident_because: tuple[str, ...] = ()
    unlinked: tuple[Link, ...] = ()
    """Links that a person has taken away: they are not made again."""
    chasers: int = 0
    disposition: Disposition = ""
    outcome: str = ""
    satisfaction: int | None = None
    """1 to 5, as the customer said it."""
    opted_out: bool = False
    """The customer wants no automatic messages: neither answers nor surveys."""
    ticket: str = ""
    """Reference in the downstream system."""
    handoff_reason: str = ""


class ComplaintRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One complaint, as far as we know it. ``number`` is empty until the gateway has opened it; ``revision`` counts from 1."""

    number: str = ""
    revision: int = 0
    schema: int = SCHEMA_VERSION
    who: Complainant = Complainant()
    what: What = What()
    gravity: Gravity = Gravity()
    arrival: Arrival
    standing: Standing = Standing()
    opened_at: datetime
    updated_at: datetime
