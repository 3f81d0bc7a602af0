"""Gives conversations back to the queue when the agent who holds them has long done nothing."""

from __future__ import annotations

import asyncio
import logging

from gateway import wake
from gateway.context import Gateway
from gateway.desk import people, revise
from gateway.events import event_sends, events_between
from gateway.store.base import NOBODY, Conflict, Conversation, Entry, JournalLine, NotFound, Stale, StoreError

log = logging.getLogger(__name__)

#: How often (seconds) it looks; a lease counts in minutes.
EVERY = 15.0


class Leases:
    """The worker of the leases."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Look for ever; cancel to stop."""
        while True:
            try:
                await self.step()
            except StoreError as err:
                log.warning("leases: the store is not available: %s", err)
            await asyncio.sleep(EVERY)

    async def step(self) -> int:
        """End the leases that have run out; returns how many."""
        ended = await self._gateway.store.expire_leases(self._gateway.clock())
        for conversation in ended:
            await self._tell(conversation)
            self._gateway.wake.signal(wake.conversation(conversation.id))
        if ended:
            self._gateway.wake.signal(wake.OUTBOX)
            self._gateway.wake.signal(wake.DESK)
        return len(ended)

    async def _tell(self, conversation: Conversation) -> None:
        """The record, its journal and the customer learn that nobody has it now."""
        store, now = self._gateway.store, self._gateway.clock()
        try:
            before = await store.record(conversation.number)
        except NotFound:
            return
        former = before.standing.owner
        name = (await people.names(self._gateway)).get(former, "")
        if not name:
            return
        record = revise.owned(before, NOBODY, status=before.standing.status, at=now)
        events = events_between(before, record, source=self._gateway.config.public_url)
        line = JournalLine(number=record.number, what="lease_ended", at=now, by="system", body={"agent": former})
        try:
            await store.amend(
                conversation.id,
                conversation.fence,
                record,
                status=conversation.status,
                notices=(Entry(seq=0, kind="notice", at=now, notice="left", author=former, author_name=name),),
                sends=event_sends(events, self._gateway.sinks),
                journal=(line,),
            )
        except (Stale, Conflict):
            return  # somebody has it by now, or the customer wrote: the record follows that
