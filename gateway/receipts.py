"""The receipt after a call: it goes out by another channel, and what is answered to it corrects the same record.

The row ``receipt:<channel>/<account>`` is written with the call's record, so none is forgotten and none made twice. Only
what the telephone system told of the caller is used as an address: a number that was said may be anybody's.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.decision import Asked, Company, Context, State, Turn
from bot.skills import calls
from channels.base import BeginsThreads, Channel, Outbound, RecordsCalls, Sender, Withheld
from gateway import spoken, wake
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.status_link import status_url
from gateway.store.base import Joined, NewSend, NotFound, Send, SendResult, Work, conversation_id
from normalizer.record import ComplaintRecord, Found

DESTINATION = "receipt:"
#: Evidence of what the channel itself knows of the sender begins so.
_TOLD = "sender."


def request(work: Work, record: ComplaintRecord | None, channels: Mapping[tuple[str, str], Channel]) -> list[NewSend]:
    """The row for a call that was heard, once for each case; none where no account is to carry it."""
    if record is None or not any(item.recordings for item in work.items):
        return []
    conversation = work.conversation
    channel = channels.get((conversation.channel, conversation.account))
    if not isinstance(channel, RecordsCalls) or not channel.receipt_by:
        return []
    if not any(spoken.transcripts(item) for item in work.items):
        return []
    return [
        NewSend(
            key=f"receipt/{record.number}",
            destination=f"{DESTINATION}{conversation.channel}/{conversation.account}",
            lane=f"receipt/{conversation.id}",
            conversation=conversation.id,
            number=record.number,
            kind="receipt",
            body=b"{}",
        )
    ]


class Receipts:
    """Turns such a row into the message that the customer gets."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def attempt(self, send: Send) -> SendResult:
        """Queue the receipt in the conversation that it begins.

        Raises:
            Withheld: no account of ``receipt_by`` has a way to this caller.
            ChannelError: the channel could not begin; what to do next.
        """
        record = await self._gateway.store.record(send.number)
        name, channel, thread = await self._road(send, record)
        _, account = name
        other = conversation_id(channel.name, account, thread)
        out = self._receipt(record, send.key, name, thread)
        rows = to_customer(out, self._gateway.channels, conversation=other, number=record.number)
        sender = _sender(record)
        joined = Joined(channel=channel.name, account=account, thread=thread, sender=sender.id, sender_name=sender.name)
        try:
            await self._gateway.store.join(record.number, joined, rows, at=self._gateway.clock())
        except NotFound as err:
            raise Withheld("the person's data was erased") from err
        self._gateway.wake.signal(wake.OUTBOX)
        return SendResult(id=send.id, state="sent")

    async def _road(self, send: Send, record: ComplaintRecord) -> tuple[tuple[str, str], Channel, str]:
        source, _, account = send.destination.removeprefix(DESTINATION).partition("/")
        calls_channel = self._gateway.channels.get((source, account))
        roads: tuple[str, ...] = calls_channel.receipt_by if isinstance(calls_channel, RecordsCalls) else ()
        sender = _sender(record)
        for wanted in roads:
            kind, _, name = wanted.partition("/")
            channel = self._gateway.channels.get((kind, name))
            if isinstance(channel, BeginsThreads) and (thread := await channel.begin(sender, send.key)):
                assert isinstance(channel, Channel)
                return (kind, name), channel, thread
        raise Withheld("no channel of `receipt_by` has a way to this caller")

    def _receipt(self, record: ComplaintRecord, key: str, to: tuple[str, str], thread: str) -> Outbound:
        settings, language = self._gateway.config.company, record.arrival.language
        company = Company(
            name=settings.name,
            bot_name=settings.bot_name,
            default_language=settings.default_language,
            timezone=settings.timezone,
        )
        asked = Asked(
            turn=Turn(key=key, text="", at=self._gateway.clock()),
            state=State(language=language.value if language else ""),
            record=record,
            context=Context(
                company=company,
                number=record.number,
                status=record.standing.status,
                status_url=status_url(self._gateway, record.number),
                respond_by=record.standing.deadlines.first_response_by,
            ),
        )
        reply = calls.receipt(asked, self._gateway.knowledge)
        return Outbound(
            key=f"{key}/{'/'.join(to)}",
            channel=to[0],
            account=to[1],
            thread=thread,
            text=reply.text,
            kind="receipt",
            author=settings.bot_name,
            subject=calls.subject(asked, self._gateway.knowledge),
            language=reply.language,
        )


def _sender(record: ComplaintRecord) -> Sender:
    """The caller as the telephone system told them."""
    identity = record.who.identities[0].split("/", 2)[-1] if record.who.identities else ""
    return Sender(
        id=identity,
        name=_told(record.who.names),
        phone=_told(record.who.phones),
        email=_told(record.who.emails),
    )


def _told(found: tuple[Found[str], ...]) -> str:
    return next((one.value for one in found if any(e.rule.startswith(_TOLD) for e in one.evidence)), "")
