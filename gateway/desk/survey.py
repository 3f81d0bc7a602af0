"""Asks the customer afterwards: the invitation goes out with the closing of the case."""

from __future__ import annotations

from bot.decision import Asked, Company, Context, State, Turn
from bot.skills import survey
from channels.base import Button, Outbound
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.store.base import Conversation, NewSend
from normalizer.record import ComplaintRecord, Disposition

#: After these there is something to be satisfied with; a duplicate or no complaint at all is not asked about.
ASKED_AFTER: frozenset[Disposition] = frozenset({"solved", "not_solved", "answered"})


def asks_afterwards(disposition: Disposition) -> bool:
    """Whether the customer of a case that ended so is asked."""
    return disposition in ASKED_AFTER


def invitation(
    gateway: Gateway, conversation: Conversation, record: ComplaintRecord, *, key: str
) -> tuple[NewSend, ...]:
    """The outbox rows of the question, in the customer's language. ``key`` is the closing's own."""
    settings, language = gateway.config.company, record.arrival.language
    company = Company(name=settings.name, bot_name=settings.bot_name, default_language=settings.default_language)
    asked = Asked(
        turn=Turn(key=key, text="", at=gateway.clock()),
        state=State(language=language.value if language else "", greeted=True),
        record=record,
        context=Context(company=company, number=record.number, status="closed"),
    )
    reply = survey.invite(asked, gateway.knowledge).replies[0]
    out = Outbound(
        key=f"desk/{conversation.id}/{key}/survey",
        channel=conversation.channel,
        account=conversation.account,
        thread=conversation.thread,
        text=reply.text,
        kind="survey",
        author=settings.bot_name,
        language=reply.language,
        buttons=tuple(Button(label=option.label, value=option.value) for option in reply.options),
    )
    return to_customer(out, gateway.channels, conversation=conversation.id, number=record.number)
