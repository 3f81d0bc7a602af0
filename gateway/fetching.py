"""The worker that fetches: files that platforms name by a link or an id are kept here, once their message is.

The rows say what waits, from the message's own transaction on; the text never waits for its files. A file that comes
after its message was worked on is added to the record as a revision of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import msgspec

from channels.base import Call, ChannelError, FetchesFiles, RecordsCalls, Refused, Retry, Unauthorized
from gateway import wake
from gateway.context import Gateway
from gateway.events import event_sends, events_between
from gateway.jobs import LOOK, done, in_hand
from gateway.spoken import SPEECH
from gateway.store.base import Conflict, JournalLine, NewSend, NotFound, StoreError, StoreUnavailable, ToFetch
from gateway.tools import GatewayTools
from normalizer.record import ComplaintRecord, EvidenceFile
from normalizer.source import readable

log = logging.getLogger(__name__)

#: Looks for work at least this often, in seconds.
POLL = 5.0
#: What is due and was not begun is in another node's hand: so many seconds until it is looked at again.
AGAIN = 1.0
#: Files at once.
PARALLEL = 4
#: Seconds before the next try, a day in all: platforms keep their files for hours or days.
LADDER = (2.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0)
#: A record changed under our hands is read again so often.
_TRIES = 5


class Fetching:
    """The worker of the files behind links."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._store = gateway, gateway.store
        self._tools = GatewayTools(gateway.egress, gateway.blobs, gateway.clock)
        self._running: dict[tuple[int, int], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work for ever; cancel to stop. What was under way is fetched again at the next start."""
        try:
            with self._gateway.wake.listen(wake.FILES) as signals:
                while True:
                    self._gateway.metrics.beat("fetching")
                    try:
                        await self.step()
                        pause = await self._pause()
                    except StoreError as err:
                        log.warning("fetching: the store is not available: %s", err)
                        pause = POLL
                    await signals.next(pause)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def step(self) -> None:
        """Start what can be started, and add what came late to its records."""
        self._running = {place: task for place, task in self._running.items() if not task.done()}
        room = PARALLEL - len(self._running)
        if room > 0:
            due = await self._store.files_to_fetch(LOOK * room, self._gateway.clock(), besides=tuple(self._running))
            for name, one in await in_hand(self._store, "fetch", {f"{d.inbox_id}/{d.place}": d for d in due}, room):
                self._running[one.inbox_id, one.place] = asyncio.create_task(done(self._store, name, self._one(one)))
        for one in await self._store.files_to_file(PARALLEL):
            await self._file(one)

    async def idle(self) -> None:
        """Wait until nothing is being fetched."""
        await asyncio.gather(*self._running.values())

    async def _pause(self) -> float:
        due = await self._store.next_fetch_at()
        if due is None or len(self._running) >= PARALLEL:
            return POLL
        return min(POLL, max(AGAIN, (due - self._gateway.clock()).total_seconds()))

    # one file

    async def _one(self, one: ToFetch) -> None:
        """Fetch it, whatever happens; the row says afterwards what became of it."""
        try:
            await self._fetched(one)
        except StoreUnavailable as err:
            log.warning("fetching: a file waits, the store is not available: %s", err)
        except Refused as err:
            await self._gone(one, "refused", str(err))
        except Unauthorized as err:
            self._gateway.metrics.stopped(_part(one), str(err))
            await self._later(one, f"Unauthorized: {err}")
        except ChannelError as err:
            await self._later(one, f"{type(err).__name__}: {err}", err.after if isinstance(err, Retry) else None)
        except Exception as err:  # a fault of ours must neither lose the file nor stop the others
            log.exception("fetching: file %d/%d fell over", one.inbox_id, one.place)
            await self._later(one, type(err).__name__)
        finally:
            self._gateway.wake.signal(wake.FILES)

    async def _fetched(self, one: ToFetch) -> None:
        file, limit = one.file, self._limit(one)
        call = await self._call(one)
        pieces = self._gateway.egress.download(call.url, limit, headers=call.headers)
        kept = await self._gateway.blobs.put(pieces, name=file.name or "file", type=file.type, limit=limit)
        if kept.state != "kept":
            raise Refused(kept.reason)
        await self._store.file_fetched(one.inbox_id, one.place, kept)
        self._gateway.metrics.running(_part(one))
        self._tell(one)

    async def _call(self, one: ToFetch) -> Call:
        where = (one.message.channel, one.message.account)
        channel = self._gateway.channels.get(where)
        if channel is None:
            raise Retry(f"{'/'.join(where)} is not configured (any more)")
        if isinstance(channel, FetchesFiles):
            return await channel.fetching(one.file, self._tools)
        return Call(method="GET", url=one.file.url)

    def _limit(self, one: ToFetch) -> int:
        """The largest file we take. Recordings may be longer than what a stranger may send."""
        config = self._gateway.config
        channel = self._gateway.channels.get((one.message.channel, one.message.account))
        if isinstance(channel, RecordsCalls) or one.file.type.startswith(SPEECH):
            return max(config.limits.file, config.speech.max_file)
        return config.limits.file

    async def _later(self, one: ToFetch, why: str, after: float | None = None) -> None:
        if one.tries >= len(LADDER):
            await self._gone(one, "failed", why)
            return
        wait = timedelta(seconds=max(LADDER[one.tries], after or 0.0))
        await self._store.file_tried(one.inbox_id, one.place, why, self._gateway.clock() + wait)

    async def _gone(self, one: ToFetch, state: str, why: str) -> None:
        log.warning("fetching: file %d/%d does not come: %s", one.inbox_id, one.place, why)
        await self._store.file_given_up(one.inbox_id, one.place, "refused" if state == "refused" else "failed", why)
        self._tell(one)

    def _tell(self, one: ToFetch) -> None:
        self._gateway.wake.signal(wake.INBOX)
        self._gateway.wake.signal(wake.HEARING)
        self._gateway.wake.signal(wake.conversation(one.conversation))
        self._gateway.wake.signal(wake.DESK)

    # the record

    async def _file(self, one: ToFetch) -> None:
        """Add a late file to the record of its conversation, if it has one that does not know it."""
        number = (await self._store.conversation(one.conversation)).number
        for _ in range(_TRIES):
            try:
                before = await self._store.record(number) if number else None
            except NotFound:
                before = None
            if before is None or any(file.digest == one.file.digest for file in before.arrival.attachments):
                break
            after = self._with_file(before, one)
            line = JournalLine(
                number=number, what="file_came", at=after.updated_at, by="system", body={"digest": one.file.digest}
            )
            try:
                await self._store.amend(
                    one.conversation, None, after, status="", sends=self._events(before, after), journal=(line,)
                )
                self._gateway.wake.signal(wake.OUTBOX)
                break
            except Conflict:
                continue
        await self._store.file_filed(one.inbox_id, one.place)
        self._tell(one)

    def _events(self, before: ComplaintRecord, after: ComplaintRecord) -> Sequence[NewSend]:
        return event_sends(events_between(before, after, source=self._gateway.config.public_url), self._gateway.sinks)

    def _with_file(self, record: ComplaintRecord, one: ToFetch) -> ComplaintRecord:
        message, file = one.message, one.file
        key = f"{message.channel}/{message.account}/{message.external_id}"
        known = EvidenceFile(digest=file.digest, name=readable(file.name), type=file.type, size=file.size, message=key)
        arrival = msgspec.structs.replace(record.arrival, attachments=(*record.arrival.attachments, known))
        return msgspec.structs.replace(
            record, arrival=arrival, revision=record.revision + 1, updated_at=self._gateway.clock()
        )


def _part(one: ToFetch) -> str:
    return f"files:{one.message.channel}/{one.message.account}"
