"""The way of a message once it is accepted: normalize, decide, and commit everything that follows at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from bot.knowledge import Knowledge
from gateway import albums, codes, spoken, wake
from gateway.context import Gateway
from gateway.store.base import Batch, NotFound, Stale, StoreError, StoreUnavailable, Work
from gateway.tracing import Fact
from gateway.turns import Decided, Turns
from normalizer.rules import Rules

log = logging.getLogger(__name__)

#: Conversations taken at once; their results share one commit.
BATCH = 32
#: Looks for work at least this often, in seconds, whatever the signals say.
POLL = 5.0
#: A message that makes the rules fail so often is set aside for a person.
TRIES = 3
#: How long to wait when the store is away, in seconds.
STORE_PAUSE = 1.0


class Flow:
    """The worker of the inbox."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._made_for: tuple[Rules, Knowledge] | None = None
        self._turns: Turns | None = None

    async def run(self) -> None:
        """Work for ever; cancel to stop. A fault is logged, never fatal."""
        with self._gateway.wake.listen(wake.INBOX) as signals:
            while True:
                self._gateway.metrics.beat("flow")
                try:
                    busy = await self.step()
                except StoreUnavailable as err:
                    log.warning("flow: the store is not available: %s", err)
                    await asyncio.sleep(STORE_PAUSE)
                    continue
                except StoreError:
                    log.exception("flow: a step failed")
                    await asyncio.sleep(STORE_PAUSE)
                    continue
                if not busy:
                    await signals.next(POLL)

    async def step(self) -> bool:
        """Take one batch through; returns whether anything came of it."""
        batch = await self._gateway.store.claim_work(BATCH)
        try:
            return bool(batch.work) and await self._settle(batch, await self._decide(batch))
        finally:
            await batch.release()

    async def _decide(self, batch: Batch) -> list[Decided]:
        decided = []
        for claimed in batch.work:
            work = await self._heard_so_far(batch, self._whole(claimed))
            if not work.items:
                continue
            cases = await codes.asked_for(self._gateway, work)
            since = self._gateway.tracing.now()
            try:
                decided.append(self._rules_in_force().decide(work, self._gateway.clock(), cases))
            except Exception as err:  # a fault in the rules must not lose the message: any kind is kept and shown
                log.exception("flow: conversation %s could not be decided", work.conversation.id)
                decided += await self._failed(batch, work, err)
            else:
                self._traced(work, decided[-1], since)
            await asyncio.sleep(0)
        return decided

    def _traced(self, work: Work, decided: Decided, since: int) -> None:
        facts: dict[str, Fact] = {
            "conversation": work.conversation.id,
            "number": decided.outcome.record.number if decided.outcome.record else "",
            "answered": ", ".join(decided.answered),
            "handed_off": ", ".join(decided.handed_off),
        }
        self._gateway.tracing.record("decide", work.items[-1].key, since, facts)

    def _whole(self, work: Work) -> Work:
        """The messages up to the first album of which more may come; it is looked at again when it is whole."""
        items, left = albums.whole_until(work.items, self._gateway.clock())
        if left:
            again = left.total_seconds() + 0.01
            asyncio.get_running_loop().call_later(again, self._gateway.wake.signal, wake.INBOX)
        return msgspec.structs.replace(work, items=tuple(items))

    async def _heard_so_far(self, batch: Batch, work: Work) -> Work:
        """The messages up to the first with a recording to hear; that one waits, and what follows it waits for it."""
        channel = self._gateway.channels.get((work.conversation.channel, work.conversation.account))
        for n, item in enumerate(work.items):
            if places := spoken.unheard(item, channel):
                await batch.wait(work.conversation.id, item.inbox_id, places)
                self._gateway.wake.signal(wake.HEARING)
                return msgspec.structs.replace(work, items=work.items[:n])
        return work

    async def _failed(self, batch: Batch, work: Work, err: Exception) -> list[Decided]:
        """Note the failure at the head message; at the last try it is set aside and a person takes over."""
        head = work.items[0]
        give_up = head.tries + 1 >= TRIES
        await batch.fail(work.conversation.id, head.inbox_id, type(err).__name__, give_up=give_up)
        if not give_up:
            return []
        return [self._rules_in_force().surrender(work, self._gateway.clock())]

    async def _settle(self, batch: Batch, decided: Sequence[Decided]) -> bool:
        results = await batch.settle([one.outcome for one in decided])
        for one, error in zip(decided, results, strict=True):
            if error is None:
                self._committed(one)
            elif not isinstance(error, (Stale, NotFound)):
                # Stale: somebody took the conversation over meanwhile, it is decided again with the new owner.
                log.error("flow: conversation %s: %s", one.outcome.conversation, error)
        self._gateway.wake.signal(wake.OUTBOX)
        self._gateway.wake.signal(wake.FILES)  # the record is there now that late files are to be added to
        self._gateway.wake.signal(wake.DESK)
        # Where nothing could be committed, going round at once would only be refused again.
        return any(error is None for error in results)

    def _committed(self, decided: Decided) -> None:
        self._gateway.wake.signal(wake.conversation(decided.outcome.conversation))
        self._gateway.metrics.bot_answered.inc(len(decided.answered))
        for reason in decided.handed_off:
            self._gateway.metrics.handed_off.labels(reason).inc()

    def _rules_in_force(self) -> Turns:
        """The rules and knowledge may be swapped while running; one batch may see both, one turn never."""
        made_for = (self._gateway.rules, self._gateway.knowledge)
        if self._turns is None or self._made_for != made_for:
            self._made_for, self._turns = made_for, Turns(self._gateway)
        return self._turns
