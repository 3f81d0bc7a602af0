"""What the bot decides about one turn, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from normalizer.record import ComplaintRecord, Disposition

ReplyKind = Literal["receipt", "answer", "question", "status", "survey"]
HandoffReason = Literal[
    "request",
    "anger",
    "risk",
    "urgency",
    "doubt",
    "misses",
    "failure",
    "not_helped",
    "complaint",
    "entry",
    "call",
    "approval",
    "action",
    "callback",
]
#: What became of an action: a person's word on it, or the company's system's. ``unknown``: it may have been done.
ActionStatus = Literal["approved", "declined", "done", "refused", "failed", "unknown"]


class ActionCall(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be done in one of the company's systems.

    ``key`` is its idempotency key inside the conversation: the same key again is the same action. With ``approval`` a
    person has to agree first. ``summary`` says in a line what it is, for that person.
    """

    key: str
    name: str
    system: str
    values: dict[str, str]
    entry: str
    approval: bool = False
    by: str = ""
    """Who agreed to it."""
    summary: str = ""


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the action ``key``. ``values`` is what the system gave back, ``by`` the person who decided."""

    key: str
    status: ActionStatus
    values: dict[str, str] = {}
    detail: str = ""
    by: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One customer utterance. ``key`` is the inbound message's idempotency key, ``at`` the provider's time (UTC)."""

    key: str
    text: str
    at: datetime
    choice: str = ""
    language: str = ""
    attachments: int = 0
    edited: bool = False
    """The customer changed an earlier message: note it, do not answer as if it were new."""
    result: ActionResult | None = None
    """Nobody has said anything: this has become of an action."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """A quick reply the customer may press: what it shows and the value that comes back as ``Turn.choice``."""

    label: str
    value: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot says, not yet addressed. ``entry`` names the knowledge entry or skill it comes from."""

    text: str
    kind: ReplyKind = "answer"
    language: str = ""
    options: tuple[Option, ...] = ()
    entry: str = ""


class Handoff(msgspec.Struct, frozen=True, kw_only=True):
    """To a person, with what they need: why, a summary in a line or two, the skills wanted."""

    reason: HandoffReason
    summary: str
    skills: tuple[str, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The summary as (name, values), so that a page can say it in its reader's language."""


#: Between the names of rules in one step.
PARTED_BY = ", "


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the trace: which rule was asked, what it said, and why."""

    rule: str
    """Several rules that all passed stand in one step, parted by :data:`PARTED_BY`."""
    verdict: str
    detail: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot remembers of a conversation between turns. It is stored with each turn's results."""

    language: str = ""
    greeted: bool = False
    receipt_for: str = ""
    """The record number the customer has got a receipt for."""
    entry: str = ""
    """The entry being talked about."""
    slots: dict[str, str] = {}
    asking: str = ""
    """The slot, or built-in question (``helped``, ``which``, ``survey``), that the next utterance answers."""
    asked: int = 0
    """How often it was asked."""
    offered: tuple[str, ...] = ()
    """Entries offered as "did you mean"."""
    choices: tuple[str, ...] = ()
    """Values of the last buttons in their order: where a platform shows them as numbers, "2" means the second."""
    misses: int = 0
    turns: int = 0
    handed_off: bool = False
    opted_out: bool = False
    action: ActionCall | None = None
    """What the customer is asked to confirm, a person to approve, or a system to do."""
    acted: dict[str, str] = {}
    """Key → what became of it: nothing is done twice."""

    @property
    def anew(self) -> State:
        """For the next case of the same person: what they have told of themselves stays, and what was done for them."""
        return State(language=self.language, opted_out=self.opted_out, acted=self.acted)


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """What the bot may say of the company: name, first-answer promise, where the customer follows the case."""

    name: str | dict[str, str] = "Allears"
    """One name, or one for each language."""
    bot_name: str = "Allears"
    languages: tuple[str, ...] = ("en", "zh-Hans", "zh-Hant")
    default_language: str = "en"
    timezone: str = "UTC"

    def called(self, language: str) -> str:
        """The company's name in a language, the nearest one, or its own."""
        if isinstance(self.name, str):
            return self.name
        near = [name for other, name in self.name.items() if other[:2] == language[:2]]
        own = self.name.get(self.default_language) or next(iter(self.name.values()), "")
        return self.name.get(language) or next(iter(near), own)


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """A case of another conversation that was asked for by its number. ``known``: it is proven to be this customer's.

    Where it is not, nothing else is filled in, and nobody says whether there is such a case.
    """

    number: str
    known: bool = False
    status: str = ""
    status_url: str = ""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway tells the bot of the world at this turn; the bot itself has no clock.

    ``number`` and ``status_url`` belong to the record; ``respond_by`` is the promised first answer (UTC, from the
    business calendar); ``open_now`` whether people are at work at the turn's time.
    """

    company: Company = Company()
    number: str = ""
    status_url: str = ""
    respond_by: datetime | None = None
    open_now: bool = True
    owner: str = "bot"
    """Who has the conversation: ``bot``, an agent's id, or empty while it waits for a person."""
    status: str = "new"
    open_spans: tuple[tuple[datetime, datetime], ...] = ()
    """When people are at work in the days to come (UTC), for appointments; empty: not known."""
    elsewhere: Elsewhere | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a turn. Applying it twice is applying it once: nothing in it depends on a clock or chance."""

    state: State
    replies: tuple[Reply, ...] = ()
    handoff: Handoff | None = None
    disposition: Disposition = ""
    """Set when the matter ends with this turn (solved, withdrawn, …)."""
    reopen: bool = False
    satisfaction: int | None = None
    action: ActionCall | None = None
    """To be carried out, or with ``approval`` to be put before a person."""
    prove: str = ""
    """The number of a case that the customer is to prove theirs by a one-time code."""
    entry: str = ""
    confidence: float = 0.0
    trace: tuple[Step, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision is made from: :func:`bot.decide.decide` is a pure function of it and the knowledge."""

    turn: Turn
    state: State
    record: ComplaintRecord
    context: Context = Context()
