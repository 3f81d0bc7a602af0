"""What became of a message to a customer: that it is sent, what its platform tells of it afterwards, and who has to know.

A platform that gives our key back in its statuses settles what nobody knew: a send whose answer was lost is found to have gone
out. And it may fail afterwards what it has taken.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from channels.base import Inbound, Outbound, Receipt
from gateway import wake
from gateway.context import Gateway
from gateway.store.base import BOT, NOBODY, Entry, JournalLine, NotFound, Send, SendResult, Stale

_OUTBOUND = msgspec.json.Decoder(Outbound)


def sent(send: Send, receipt: Receipt, now: datetime) -> SendResult:
    """The row is sent: what the customer sees of it, and the line of the journal."""
    out = _OUTBOUND.decode(send.body)
    return SendResult(
        id=send.id,
        state="sent",
        external_ids=receipt.external_ids,
        entry=_entry(out, receipt, now),
        left_the_house=not receipt.written,
        journal=_journal(send, out, now),
    )


def _entry(out: Outbound, receipt: Receipt, now: datetime) -> Entry:
    return Entry(
        seq=0,
        kind="outbound",
        at=now,
        key=out.key,
        text=out.text,
        author="agent" if out.kind == "human" else BOT,
        author_name=out.author,
        attachments=out.attachments,
        buttons=tuple((button.label, button.value) for button in out.buttons),
        language=out.language,
        external_id=receipt.external_ids[0] if receipt.external_ids else "",
    )


def _journal(send: Send, out: Outbound, now: datetime) -> tuple[JournalLine, ...]:
    if not send.number:
        return ()
    body = {"key": send.key, "kind": out.kind}
    return (JournalLine(number=send.number, what="replied", at=now, by=out.author, body=body),)


async def told(gateway: Gateway, status: Inbound, conversation: str) -> None:
    """Settle the row that a status is about; doing it again changes nothing. Raises :class:`StoreUnavailable`."""
    send = await _meant(gateway, status, conversation)
    if send is None or (send.state == "sent" and status.delivery != "failed"):
        return
    result = _result(send, status, gateway.clock())
    if not await gateway.store.settle_late(result):
        return
    if send.state != "sending":  # else the attempt is still under way and counts itself
        gateway.metrics.sends.labels(send.destination, result.state).inc()
    if result.state == "dead":
        await to_a_person(gateway, send)
    for channel in (wake.conversation(send.conversation), wake.OUTBOX, wake.DESK):
        gateway.wake.signal(channel)


async def _meant(gateway: Gateway, status: Inbound, conversation: str) -> Send | None:
    """The row that a status is about. An echo without our key is known by its words, which the customer has seen at any rate."""
    destination = f"channel:{status.channel}/{status.account}"
    found = await gateway.store.find_send(
        destination, key=status.delivered_key, conversation=conversation, external_id=status.refers_to
    )
    if found is not None or status.machine != "echo" or not status.text.strip():
        return found
    for send in await gateway.store.pending(conversation):
        if send.destination == destination and send.tries and _words(send) == status.text.split():
            return send
    return None


def _words(send: Send) -> list[str]:
    return _OUTBOUND.decode(send.body).text.split()


def _result(send: Send, status: Inbound, now: datetime) -> SendResult:
    receipt = Receipt(external_ids=(status.refers_to,))
    if status.delivery != "failed":
        return sent(send, receipt, now)
    error = f"Refused: {status.text or 'the platform could not deliver it'}"
    return SendResult(id=send.id, state="dead", error=error, external_ids=receipt.external_ids)


async def to_a_person(gateway: Gateway, send: Send) -> None:
    """A message that could not be said needs somebody who finds another way."""
    conversation = await gateway.store.conversation(send.conversation)
    if conversation.owner != BOT:
        return
    now = gateway.clock()
    notice = Entry(seq=0, kind="notice", at=now, notice="failed", author="system", visible=False)
    try:
        await gateway.store.release(conversation.id, conversation.fence, NOBODY, "waiting_agent", at=now, notice=notice)
    except (Stale, NotFound):
        return  # somebody has it already
    gateway.metrics.handed_off.labels("failure").inc()
