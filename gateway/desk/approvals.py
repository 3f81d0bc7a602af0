"""A person's word on an action: it comes back to the bot as an inbox row, and the first word counts."""

from __future__ import annotations

from bot.decision import ActionResult
from gateway.action_calls import report
from gateway.context import Gateway
from gateway.desk.actions import DeskError
from gateway.store.base import Agent, Entry

#: How far back an open request is looked for, in lines.
_LOOK_BACK = 200


async def decide(gateway: Gateway, agent: Agent, id: str, key: str, *, approve: bool) -> None:
    """Agree to an action or not. Any agent may; the journal says who.

    Raises:
        NotFound: there is no such conversation.
        DeskError: nobody asks for this (any more), or somebody has decided already.
    """
    conversation = await gateway.store.conversation(id)
    entries = await gateway.store.timeline(id, after=max(0, conversation.last_seq - _LOOK_BACK))
    said = [status for entry in entries for status in _status(entry, key)]
    if said != ["asked"]:
        raise DeskError("state", "This is decided already." if said else "Nobody asks for this.")
    result = ActionResult(key=key, status="approved" if approve else "declined", by=agent.name)
    await report(gateway, id, result)


def _status(entry: Entry, key: str) -> list[str]:
    """What a line says of the action, if it does."""
    name, _, status = entry.choice.partition(" ")
    return [status] if entry.notice in ("approval", "action") and name == key else []
