"""What an agent sees and does of who a customer is: conversations that are proven to be the same person's, codes, undoing."""

from __future__ import annotations

import msgspec

from bot.decision import Company
from bot.skills import proof
from channels.base import ChannelError, Outbound
from gateway import codes, wake
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.desk.actions import DeskError
from gateway.store import identity
from gateway.store.base import (
    CODES_PER_HOUR,
    Agent,
    Alias,
    Conflict,
    Contact,
    Conversation,
    JournalLine,
    NewCode,
    NewSend,
    NotFound,
    Proof,
)
from normalizer.record import ComplaintRecord


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The contact as the desk shows it. ``addresses`` are those of the case that are not proven: a code can be sent there."""

    proven: tuple[tuple[str, tuple[Proof, ...]], ...] = ()
    aliases: tuple[Alias, ...] = ()
    addresses: tuple[str, ...] = ()


async def shown(gateway: Gateway, id: str) -> Shown:
    """Who writes in a conversation, as far as proven. Raises :class:`NotFound`."""
    conversation = await gateway.store.conversation(id)
    contact = await gateway.store.contact(id)
    record = await _record(gateway, conversation)
    known = {address for address, _ in contact.addresses}
    others = () if record is None or not contact.identity else _addresses(record)
    return Shown(
        proven=contact.addresses,
        aliases=contact.aliases,
        addresses=tuple(address for address in others if address not in known),
    )


async def send_code(gateway: Gateway, agent: Agent, id: str, *, key: str, address: str) -> None:
    """Send a code to an address of the case, and ask for it in the conversation. The same ``key`` again is the same code.

    Raises :class:`DeskError` for an address that is none of the case's or that no channel reaches, and for too many codes.
    """
    conversation = await gateway.store.conversation(id)
    contact, record = await gateway.store.contact(id), await _record(gateway, conversation)
    if record is None or address not in _addresses(record) or not contact.identity:
        raise DeskError("value", "This address is none of the case's.")
    found = record.arrival.language
    language = found.value if found else gateway.config.company.default_language
    now = gateway.clock()
    code, row = codes.request(
        f"desk/{id}/{key}",
        conversation,
        contact.identity,
        address,
        about="",
        language=language,
        by=agent.id,
        now=now,
    )
    await _check_way(gateway, code)
    asked = _asked(gateway, conversation, f"code/{code.id}/asked", language)
    line = JournalLine(number=conversation.number, what="asked_proof", at=now, by=agent.id, body={"to": address})
    try:
        await gateway.store.put_code(code, [row, *asked], line)
    except Conflict:
        most = f"{CODES_PER_HOUR} codes in an hour are the most; wait, or ask the customer something only they know."
        raise DeskError("too_many", most) from None
    _look_again(gateway, id)


async def _check_way(gateway: Gateway, code: NewCode) -> None:
    """Told now and not when nothing has come: Raises :class:`DeskError`."""
    try:
        way = await codes.way_to(gateway, code)
    except ChannelError:
        return  # the outbox tries it again
    if way is None:
        raise DeskError("no_way", "No channel of yours reaches this address.")


def _asked(gateway: Gateway, conversation: Conversation, key: str, language: str) -> tuple[NewSend, ...]:
    settings = gateway.config.company
    company = Company(name=settings.name, default_language=settings.default_language)
    out = Outbound(
        key=key,
        channel=conversation.channel,
        account=conversation.account,
        thread=conversation.thread,
        text=proof.Words(gateway.knowledge, company, language).asked(),
        kind="status",
        author=settings.bot_name,
        language=language,
    )
    return to_customer(out, gateway.channels, conversation=conversation.id, number=conversation.number)


async def undo(gateway: Gateway, agent: Agent, id: str, n: int) -> None:
    """Say that two are not the same person: the proof falls, and what hung by it. Any agent may; the journal says who."""
    contact = await gateway.store.contact(id)
    tie = next((each for each in _proofs(contact) if each.n == n), None)
    if tie is None:
        raise DeskError("state", "There is no such proof (any more).")
    conversation = await gateway.store.conversation(id)
    now = gateway.clock()
    body = {"how": tie.how, "one": tie.one, "other": tie.other}
    line = JournalLine(number=conversation.number, what="unproven", at=now, by=agent.id, body=body)
    try:
        await gateway.store.undo_proof(n, at=now, by=agent.id, journal=line if conversation.number else None)
    except NotFound:
        raise DeskError("state", "There is no such proof (any more).") from None
    _look_again(gateway, id, *(alias.conversation.id for alias in contact.aliases))


def _proofs(contact: Contact) -> list[Proof]:
    ways = [*(because for _, because in contact.addresses), *(alias.because for alias in contact.aliases)]
    return [each for because in ways for each in because]


def _addresses(record: ComplaintRecord) -> tuple[str, ...]:
    """Those that the customer or their channel has told, proven or not."""
    found = [
        *(identity.email(e.value) for e in record.who.emails),
        *(identity.phone(p.value) for p in record.who.phones),
    ]
    return tuple(dict.fromkeys(filter(None, found)))


async def _record(gateway: Gateway, conversation: Conversation) -> ComplaintRecord | None:
    try:
        return await gateway.store.record(conversation.number) if conversation.number else None
    except NotFound:
        return None


def _look_again(gateway: Gateway, *conversations: str) -> None:
    for channel in (wake.OUTBOX, wake.DESK, *map(wake.conversation, conversations)):
        gateway.wake.signal(channel)
