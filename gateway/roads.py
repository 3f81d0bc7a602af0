"""What cannot be said where it was to be said goes another way: the reply window is over, or the customer has blocked us.

The row ``road:<channel>/<account>`` is written in the transaction that gives the message up, so none is forgotten. It ends with the
message queued in another conversation of the same contact and the first row put aside, in one transaction too, or with a person.
"""

from __future__ import annotations

import msgspec

from channels.base import PUBLIC, Blocked, ChannelError, Expired, Outbound, Withheld
from gateway import wake
from gateway.addressed import to_customer
from gateway.context import Gateway
from gateway.delivered import to_a_person
from gateway.store.base import (
    Instead,
    Joined,
    NewSend,
    NotFound,
    Send,
    SendResult,
    conversation_id,
)
from gateway.ways import Way, new_ways, open_ways

DESTINATION = "road:"
_MARK = "road/"
#: What went so many other ways without arriving is a person's business.
MOST = 2

_OUTBOUND = msgspec.json.Decoder(Outbound)


class _Body(msgspec.Struct, frozen=True):
    destination: str = ""
    key: str = ""
    why: str = ""


def request(send: Send, err: ChannelError) -> tuple[NewSend, ...]:
    """The row that looks for another way; none where the error is no matter of the way."""
    if not isinstance(err, (Expired, Blocked)) or send.kind == "survey" or not (send.number and send.conversation):
        return ()
    if send.key.count(_MARK) >= MOST:
        return ()
    why = "blocked" if isinstance(err, Blocked) else "expired"
    return (
        NewSend(
            key=f"{_MARK}{send.key}",
            destination=f"{DESTINATION}{send.destination.removeprefix('channel:')}",
            lane=f"{_MARK}{send.conversation}",
            conversation=send.conversation,
            number=send.number,
            kind=send.kind,
            body=msgspec.json.encode(_Body(send.destination, send.key, why)),
        ),
    )


class Roads:
    """Takes messages another way."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def attempt(self, send: Send) -> SendResult:
        """Queue the message where it can be said.

        Raises:
            Withheld: there is no other way, a person has been told. ChannelError: a channel could not begin.
        """
        body = msgspec.json.decode(send.body, type=_Body)
        given_up = await self._gateway.store.find_send(body.destination, key=body.key)
        if given_up is None or given_up.state != "dead":
            return SendResult(id=send.id, state="sent")  # done before a crash, or sent again by hand
        out = _OUTBOUND.decode(given_up.body)
        way = None if await self._is_overtaken(given_up) else await self._way(given_up, out)
        if way is None:
            await to_a_person(self._gateway, given_up)
            raise Withheld("no other way to this customer is known")
        try:
            await self._go(given_up, out, way, send.key, body.why)
        except NotFound as err:
            raise Withheld("the person's data was erased") from err
        for channel in (wake.OUTBOX, wake.DESK, wake.conversation(send.conversation)):
            self._gateway.wake.signal(channel)
        return SendResult(id=send.id, state="sent")

    async def _is_overtaken(self, send: Send) -> bool:
        """The bot says nothing any more where a person has taken over."""
        conversation = await self._gateway.store.conversation(send.conversation)
        return send.fence is not None and send.fence != conversation.fence

    async def _way(self, send: Send, out: Outbound) -> Way | None:
        if out.thread.startswith(PUBLIC):
            return None
        contact = await self._gateway.store.contact(send.conversation)
        here = (out.channel, out.account, out.thread)
        async for way in open_ways(self._gateway, [alias.conversation for alias in contact.aliases]):
            if way[:3] != here:
                return way
        addresses = [address for address, _ in contact.addresses]
        async for way in new_ways(self._gateway, addresses, f"{_MARK}{send.conversation}"):
            if way[:3] != here:
                return way
        return None

    async def _go(self, send: Send, out: Outbound, way: Way, key: str, why: str) -> None:
        other = way.conversation or conversation_id(way.channel, way.account, way.thread)
        there = msgspec.structs.replace(
            out, key=key + "/sent", channel=way.channel, account=way.account, thread=way.thread, reply_to=""
        )
        rows = to_customer(there, self._gateway.channels, conversation=other, number=send.number)
        joined = Joined(
            channel=way.channel,
            account=way.account,
            thread=way.thread,
            sender=way.sender.id,
            sender_name=way.sender.name,
            email=way.sender.email,
            phone=way.sender.phone,
        )
        await self._gateway.store.join(
            send.number, joined, rows, at=self._gateway.clock(), instead=Instead(send=send.id, why=why)
        )
