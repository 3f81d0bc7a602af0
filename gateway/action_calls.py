"""Actions that a customer has confirmed, carried out by the outbox; what becomes of them comes back as an inbox row.

Nothing is lost and nothing is done twice: the row is committed with the decision, the system is asked with the same
idempotency key until it answers, and the answer is committed before the row is closed. A crash in between asks once
more, and the bot hears only the first answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from bot.decision import ActionCall, ActionResult, ActionStatus
from channels.base import ChannelError, Inbound, Refused, Retry, Sender, Tools, Unauthorized, Unknown
from gateway import wake
from gateway.context import Gateway
from gateway.store.base import Conversation, NewSend, NotFound, Send, SendResult, Work
from gateway.systems import System
from normalizer.mask import mask

#: Before the kind of destination of an outbox row.
DESTINATION = "action:"
#: Seconds before the next attempt, by attempts so far; the system's ``give_up_after`` ends it.
LADDER = (1.0, 2.0, 5.0, 10.0, 20.0)
#: Before the error of a row that a system may have carried out without our hearing of it.
_DOUBT = "may have been done; "

_ENCODE = msgspec.json.Encoder().encode
_RESULT = msgspec.json.Decoder(ActionResult)


def request(work: Work, number: str, call: ActionCall, at: datetime) -> NewSend:
    """The outbox row of an action. Its key is the action's own: the same action again is the same row."""
    conversation = work.conversation
    data = {
        "action": call.name,
        "number": number,
        "channel": f"{conversation.channel}/{conversation.account}",
        "customer": conversation.sender,
        "values": call.values,
        "approved_by": call.by,
    }
    return NewSend(
        key=f"action/{conversation.id}/{call.key}",
        destination=f"{DESTINATION}{call.system}",
        lane=f"action/{conversation.id}",
        conversation=conversation.id,
        number=number,
        kind="action",
        body=_ENCODE({"id": call.key, "type": "action.requested", "timestamp": at, "data": data}),
    )


def result_of(message: Inbound) -> ActionResult:
    """What an inbox row of the kind ``action`` says."""
    return _RESULT.decode(message.text)


class ActionCalls:
    """Carries the outbox's actions to the systems."""

    def __init__(self, gateway: Gateway, tools: Tools) -> None:
        self._gateway, self._tools = gateway, tools

    async def attempt(self, send: Send) -> SendResult:
        """One attempt; its result, or that it waits. Whatever ends it has told the conversation first."""
        key = send.key.rpartition("/")[2]
        system = self._gateway.systems.get(send.destination.removeprefix(DESTINATION))
        try:
            if system is None:
                raise Unauthorized(f"{send.destination} is not configured (any more)")
            done = await system.act(send.body, f"{send.conversation}-{key}", self._gateway.clock(), self._tools)
        except ChannelError as err:
            return await self._failed(send, key, err, system)
        result = ActionResult(key=key, status=done.status, values=_covered(done.values), detail=mask(done.detail))
        await report(self._gateway, send.conversation, result)
        return SendResult(id=send.id, state="sent", error=done.detail)

    async def _failed(self, send: Send, key: str, err: ChannelError, system: System | None) -> SendResult:
        now = self._gateway.clock()
        doubt = isinstance(err, Unknown) or send.interrupted or send.error.startswith(_DOUBT)
        said = f"{_DOUBT if doubt else ''}{type(err).__name__}: {err}".rstrip(": ")
        again = now + timedelta(seconds=_wait(err, send.tries))
        if _may_wait(system, err) and again < send.created_at + _patience(system):
            return SendResult(id=send.id, state="waiting", next_at=again, error=said)
        status: ActionStatus = "unknown" if doubt else "failed"
        await report(self._gateway, send.conversation, ActionResult(key=key, status=status, detail=said))
        return SendResult(id=send.id, state="unknown" if status == "unknown" else "dead", error=said)


def _wait(err: ChannelError, tries: int) -> float:
    asked = err.after if isinstance(err, Retry) else None
    return LADDER[min(tries, len(LADDER)) - 1] if asked is None else asked


def _may_wait(system: System | None, err: ChannelError) -> bool:
    return system is not None and not isinstance(err, (Unauthorized, Refused))


def _patience(system: System | None) -> timedelta:
    return timedelta(seconds=system.settings.give_up_after if system else 0)


def _covered(values: object) -> dict[str, str]:
    assert isinstance(values, dict)
    return {name: mask(value) for name, value in values.items()}


async def report(gateway: Gateway, conversation: str, result: ActionResult) -> None:
    """Write what became of an action as an inbox row of its conversation; of an erased one nothing is written."""
    try:
        home = await gateway.store.conversation(conversation)
    except NotFound:
        return
    if not home.thread:
        return
    now = gateway.clock()
    await gateway.store.append([_inbound(home, result, now)], received_at=now)
    gateway.wake.signal(wake.INBOX)


def _inbound(home: Conversation, result: ActionResult, at: datetime) -> Inbound:
    stage = "decision" if result.status in ("approved", "declined") else "result"
    return Inbound(
        channel=home.channel,
        account=home.account,
        external_id=f"action/{home.id}/{result.key}/{stage}",
        thread=home.thread,
        sender=Sender(id=home.sender, name=home.sender_name),
        at=at,
        kind="action",
        text=_ENCODE(result).decode(),
    )
