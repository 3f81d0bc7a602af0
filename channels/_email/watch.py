"""One watcher of one mailbox: what is in it and not known yet is fetched, handed over, and only then moved.

Nothing is read from flags. Known is what has been committed: by place (mailbox, UIDVALIDITY, UID), by the bytes, by
Message-ID with content (:mod:`channels._email.facts`). A new UIDVALIDITY makes every place new; the bytes are known.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from channels._email.facts import Facts
from channels._email.imap import SLICE, Connection, Declined, Meta, Status, search_date
from channels._email.suspects import Suspects
from channels._email.taking import Raw, Taken, Taker
from channels.base import Delivery, Refused, Retry, Tools

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds of one IDLE: providers end it after ten minutes, some after five of silence.
IDLE_SECONDS = 280.0
#: Seconds between looks where the server has no IDLE.
POLL_SECONDS = 30.0
#: Seconds between looks at the whole mailbox in leave mode; in between only its end is looked at.
FULL_SECONDS = 3600.0
#: How many UIDs before the highest known one are looked at again: what becomes visible late.
LATE = 500
#: A batch that is committed at once: messages and bytes.
BATCH, BATCH_BYTES = 32, 8 * 1024 * 1024
#: Bytes fetched of a mail that is too large.
BEGINNING = 256 * 1024
KEYWORD = "$Intake"


class Folder(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a mailbox stands. Up to ``baseline`` lies what was there at the first connect, old unless the server got it
    at or after ``since`` (empty: all of it is old)."""

    validity: int
    baseline: int
    since: datetime | None = None
    high: int = 0


class Cursor(msgspec.Struct, kw_only=True):
    """The account's cursor: when it was first connected, and its folders."""

    started: datetime
    folders: dict[str, Folder] = {}


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a mailbox. ``target``: where mails are moved once they are safe; empty leaves them."""

    target: str = ""
    since: datetime | None = None
    max_mail: int = 36 * 1024 * 1024


class Watcher:
    """Watches one mailbox over one connection until that breaks."""

    def __init__(
        self,
        folder: str,
        rules: Rules,
        cursor: Cursor,
        known: Facts,
        taker: Taker,
        tools: Tools,
        suspects: Suspects,
    ) -> None:
        self._folder, self._rules, self._cursor = folder, rules, cursor
        self._facts, self._taker, self._tools = known, taker, tools
        self._trouble = ""
        self._keyword = False
        self._suspects = suspects
        self._held: list[str] = []

    async def deliveries(self, connect: Callable[[], Awaitable[Connection]]) -> AsyncGenerator[Delivery, None]:
        """For ever. Raises :class:`channels.base.Retry` when the connection breaks."""
        connection = await connect()
        try:
            try:
                status = await connection.select(self._folder)
            except Declined as err:
                raise Refused(f"the mailbox `{self._folder}` cannot be opened: {err}") from err
            if not status.next_uid:
                status = msgspec.structs.replace(status, next_uid=max(await connection.search("ALL"), default=0) + 1)
            self._adopt(status)
            yield Delivery(cursor=self._text(), trouble=self._trouble)  # from here on, what comes is new
            looked = -FULL_SECONDS
            while True:
                now = _time()
                full = bool(self._rules.target) or now - looked >= FULL_SECONDS
                looked = now if full else looked
                async for delivery in self._sweep(connection, full):
                    yield delivery
                soonest = self._suspects.next(self._held, _time())
                longest = IDLE_SECONDS if soonest is None else soonest
                await connection.wait(min(IDLE_SECONDS, longest), min(POLL_SECONDS, longest))
        finally:
            connection.drop()

    @property
    def _state(self) -> Folder:
        return self._cursor.folders[self._folder]

    def _adopt(self, status: Status) -> None:
        """At the first connect, and when the mailbox has been made anew."""
        self._keyword = status.keywords and not status.read_only
        if status.read_only and self._rules.target:
            self._trouble = f"the mailbox `{self._folder}` is read-only, mails cannot be moved"
        state = self._cursor.folders.get(self._folder)
        if state is not None and state.validity == status.validity:
            return
        # What came during an outage and a rebuild is not old; clocks may differ by an hour.
        since = self._cursor.started - timedelta(hours=1) if state is not None else self._rules.since
        self._cursor.folders[self._folder] = Folder(
            validity=status.validity, baseline=max(0, status.next_uid - 1), since=since
        )

    # --- what is there

    async def _sweep(self, connection: Connection, full: bool) -> AsyncGenerator[Delivery, None]:
        uids = [uid for uid in await connection.search(self._criteria(full)) if self._may_be_ours(uid)]
        known = await self._facts.recall(self._key(uid) for uid in uids)
        fresh = [uid for uid in uids if self._key(uid) not in known]
        left = [uid for uid in uids if known.get(self._key(uid)) == "stored"]
        if left and self._rules.target:
            await self._touch(connection, left)
        held = [uid for uid in fresh if self._suspects.waits(self._key(uid), _time())]
        for group in self._groups([uid for uid in fresh if uid not in held]):
            for metas in await self._asked(group, connection.metas):
                async for delivery in self._take(connection, metas):
                    yield delivery
        self._held = [self._key(uid) for uid in held]
        held += [uid for uid in fresh if uid not in held and self._suspects.breaks(self._key(uid))]
        waiting = len(held) + (len(left) if self._trouble else 0)
        trouble = self._trouble or (f"the server does not give {len(held)} mails" if held else "")
        yield Delivery(cursor=self._text(), waiting=waiting, trouble=trouble)

    def _groups(self, uids: list[int]) -> Iterator[list[int]]:
        """What is asked for together; suspects come last and alone."""
        calm = [uid for uid in uids if not self._suspects.breaks(self._key(uid))]
        for start in range(0, len(calm), SLICE):
            yield calm[start : start + SLICE]
        for uid in sorted(set(uids) - set(calm), key=lambda uid: self._suspects.breaks(self._key(uid))):
            yield [uid]

    def _criteria(self, full: bool) -> str:
        state = self._state
        if not full:
            return f"UID {max(state.high - LATE, 1)}:*"
        if state.since is None:
            return f"UID {state.baseline + 1}:*"
        day = search_date(state.since - timedelta(days=1))
        return f"OR UID {state.baseline + 1}:* SINCE {day}" if state.baseline else "ALL"

    def _may_be_ours(self, uid: int) -> bool:
        # `n:*` always names the last message, also one before n.
        return self._state.since is not None or uid > self._state.baseline

    def _is_old(self, meta: Meta) -> bool:
        state = self._state
        return meta.uid <= state.baseline and (state.since is None or meta.at < state.since)

    def _key(self, uid: int) -> str:
        return self._facts.seen(self._folder, self._state.validity, uid)

    # --- taking it

    async def _take(self, connection: Connection, metas: list[Meta]) -> AsyncGenerator[Delivery, None]:
        for batch in _batches(metas):
            taken, uids = Taken(), []
            for meta in batch:
                if self._is_old(meta):
                    taken.keep(self._key(meta.uid), "old")
            for meta, raw in await self._fetch(connection, [meta for meta in batch if not self._is_old(meta)]):
                await self._taker.take(raw, taken, now=self._tools.now())
                taken.keep(self._key(meta.uid), "stored")
                uids.append(meta.uid)
            self._state.high = max([self._state.high, *uids])
            yield Delivery(
                messages=tuple(taken.messages),
                cursor=self._text(),
                memos=tuple(taken.memos.values()),
                ack=lambda uids=uids: self._touch(connection, uids),  # type: ignore[misc]
            )

    async def _fetch(self, connection: Connection, metas: list[Meta]) -> list[tuple[Meta, Raw]]:
        """The mails, in one command but for those that are too large; what somebody moved away meanwhile is left out."""
        large = {meta.uid for meta in metas if meta.size > self._rules.max_mail}
        wanted = [meta.uid for meta in metas if meta.uid not in large]
        bodies: dict[int, bytes | None] = {}
        for found in await self._asked(wanted, connection.bodies) if wanted else ():
            bodies |= found
        self._suspects.cleared(map(self._key, bodies))
        for uid in large:
            bodies[uid] = await connection.beginning(uid, BEGINNING)
        pairs = ((meta, bodies.get(meta.uid)) for meta in metas)
        return [(meta, self._raw(meta, body, meta.uid in large)) for meta, body in pairs if body is not None]

    async def _asked(self, uids: list[int], ask: Callable[[list[int]], Awaitable[T]]) -> list[T]:
        """Together where that goes, else one by one; what breaks the connection is remembered for the next look."""
        try:
            return [await ask(uids)]
        except Declined as err:
            if len(uids) > 1:
                return [answer for uid in uids for answer in await self._asked([uid], ask)]
            log.warning("mailbox %s: the server does not give message %s: %s", self._folder, uids[0], err)
            self._suspects.broke(map(self._key, uids), _time())
            return []
        except Retry:
            self._suspects.broke(map(self._key, uids), _time())
            raise

    def _raw(self, meta: Meta, data: bytes, large: bool) -> Raw:
        where = f"{self._folder}/{self._state.validity}/{meta.uid}"
        at = meta.at if meta.at > datetime(1990, 1, 1, tzinfo=UTC) else self._tools.now()
        return Raw(data=data, at=at, where=where, whole=meta.size if large else 0)

    def _text(self) -> str:
        return msgspec.json.encode(self._cursor).decode()

    # --- after the commit

    async def _touch(self, connection: Connection, uids: list[int]) -> None:
        """Move what is safe, or mark it. What the server refuses stays where it is, is known, and is told."""
        if not uids:
            return
        if not self._rules.target:
            await self._mark(connection, uids)
            return
        try:
            await self._move(connection, uids)
        except Declined as err:
            self._trouble = f"mails cannot be moved to `{self._rules.target}`: {err}"
        else:
            self._trouble = ""

    async def _move(self, connection: Connection, uids: list[int]) -> None:
        try:
            await connection.move(uids, self._rules.target)
        except Declined as err:
            if "[TRYCREATE]" not in str(err):
                raise
            await connection.create(self._rules.target)
            await connection.move(uids, self._rules.target)

    async def _mark(self, connection: Connection, uids: list[int]) -> None:
        if self._keyword:
            try:
                await connection.flag(",".join(map(str, uids)), KEYWORD)
            except Declined:
                self._keyword = False  # a courtesy to people who look at the mailbox, nothing depends on it


def _batches(metas: list[Meta]) -> Iterator[list[Meta]]:
    batch: list[Meta] = []
    size = 0
    for meta in metas:
        if batch and (len(batch) >= BATCH or size + meta.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(meta)
        size += meta.size
    if batch:
        yield batch


def _time() -> float:
    return asyncio.get_running_loop().time()
