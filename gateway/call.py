"""One call while it runs: its sound goes to the disk, what is said to the desk and into the record."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from channels import _phone_live as live
from channels.base import Inbound
from gateway import wake
from gateway.call_file import CallFile
from gateway.context import Gateway
from gateway.covering import covered
from gateway.intake import accept
from gateway.store.base import StoreError, conversation_id
from transcription.base import Segment, Transcript, Word, said_by
from transcription.following import Following

if TYPE_CHECKING:
    from gateway.call_hints import CallHints

log = logging.getLogger(__name__)

#: Seconds of sound that are heard at a time, where nobody asks for less.
STEP = 0.2
#: Less sound than this (seconds) is not worth a turn of the engine.
LEAST = 0.1
#: At hang-up so many seconds may still be unheard; where it is more, the recording is heard like any other.
BEHIND = 30.0
#: The record is brought up to date after so many seconds, and so large a part of the call, with new words in them: a call of
#: an hour has some twenty versions.
AGAIN_SECONDS, AGAIN_SHARE = 10.0, 0.25
#: Utterances that the desk is told again with each change: a number read out with pauses is joined over them.
TAIL = 5
#: Utterances that desks on other nodes are shown, and how often, in seconds.
SHOWN_ELSEWHERE, SHOWN_EVERY = 20, 0.5


class Turn(NamedTuple):
    """What came of the sound up to a mark: utterances that ended, and what is understood so far of the one that runs."""

    segments: Sequence[Segment]
    partial: str


@dataclass
class _Mark:
    end: int
    pause: bool
    last: bool
    turn: asyncio.Future[Turn]


class RunningCall:
    """A call. ``first`` is the message that its first words become; ``most`` is how many bytes of sound it may have.

    ``hints`` tell the desks on other nodes, where something carries them.
    """

    def __init__(
        self,
        gateway: Gateway,
        first: Inbound,
        file: CallFile,
        following: Following,
        *,
        most: int,
        hints: CallHints | None = None,
    ) -> None:
        self.first, self.file = first, file
        self.conversation = conversation_id(first.channel, first.account, first.thread)
        self._gateway, self._following, self._most, self._hints = gateway, following, most, hints
        self._marks: deque[_Mark] = deque()
        self._over = self._abandoned = False
        self._more, self._news = asyncio.Event(), asyncio.Event()
        self._opened, self._versions, self._told_at, self._shown_at = False, 0, 0.0, 0.0
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._tell())]

    # --- what comes in

    @property
    def full(self) -> bool:
        """Whether it takes no more sound: it is as long as a call may be, or the process ends."""
        return self._abandoned or self.file.size >= self._most

    @property
    def deaf(self) -> bool:
        """Whether it is not heard while it runs."""
        return bool(self._following.deaf)

    def add(self, samples: bytes) -> None:
        """Take sound. Raises OSError when it cannot be kept: then the call is over."""
        self.file.write(samples)
        self._more.set()

    def mark(self, *, pause: bool = False, last: bool = False) -> asyncio.Future[Turn]:
        """What comes of the sound so far. ``pause`` ends the utterance that runs, ``last`` the call. Raises OSError."""
        self.file.write(b"", now=True)
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._marks.append(_Mark(self.file.size, pause, last, turn))
        self._more.set()
        return turn

    async def finish(self) -> Transcript | None:
        """The call is over: hear the rest, complete the file. The transcript, if all of it was heard. Raises OSError."""
        following = self._following
        if self._abandoned:
            return None
        try:
            self.file.write(b"", now=True)
        except OSError as err:
            log.error("call %s: its last sound could not be kept: %s", self.first.external_id, err.strerror)
        if self.file.seconds - following.seconds > BEHIND:
            following.stop("there is too much to catch up with")
        self._over = True
        self._more.set()
        self._news.set()
        faults = await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._abandoned:
            return None
        for fault in faults:
            if fault is not None:  # the call is kept whatever fell over
                log.error("call %s: something fell over", self.first.external_id, exc_info=fault)
        whole = following.seconds > 0 and not following.deaf
        following.close()
        await asyncio.to_thread(self.file.close)
        return following.transcript("") if whole else None

    async def abandon(self) -> None:
        """The process ends: what is on the disk is found at the next start. Raises OSError."""
        self._abandoned = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for mark in self._marks:
            mark.turn.cancel()
        self._following.close()
        self.file.leave()

    # --- what is heard

    async def _listen(self) -> None:
        """Hear the file as it grows: up to each mark, else a step at a time, and at the end what is left."""
        while True:
            if self._marks:
                mark = self._marks[0]
                turn = await self._up_to(mark)
                self._marks.popleft()
                if not mark.turn.done():
                    mark.turn.set_result(turn)
                if mark.last:
                    return
            elif self._over:
                await self._hear(self.file.size, last=True)
                return
            elif self.file.seconds - self._following.seconds >= STEP and not self._following.deaf:
                await self._hear(self.file.size)
            else:
                await self._more.wait()
                self._more.clear()

    async def _up_to(self, mark: _Mark) -> Turn:
        worth = mark.end / self.file.second - self._following.seconds >= LEAST
        fresh: Sequence[Segment] = ()
        if worth or mark.pause or mark.last:
            fresh = await self._hear(mark.end, pause=mark.pause, last=mark.last)
        return Turn(fresh, " ".join(filter(None, self._following.partial)))

    async def _hear(self, end: int, *, pause: bool = False, last: bool = False) -> Sequence[Segment]:
        following = self._following
        try:
            fresh = await following.up_to(end, pause=pause, last=last)
        except Exception:  # a fault of ours must not end the call: it is heard from its recording
            log.exception("call %s: hearing fell over", self.first.external_id)
            following.stop("hearing fell over")
            fresh = []
        if fresh or any(following.partial):
            self._news.set()
        self._gateway.wake.signal(wake.call(self.conversation), self._for_elsewhere())
        return fresh

    def _for_elsewhere(self) -> wake.Hint | None:
        """What desks on other nodes are to show, at most twice a second: the call itself is on this node alone."""
        now = asyncio.get_running_loop().time()
        if self._hints is None or now - self._shown_at < SHOWN_EVERY:
            return None
        self._shown_at = now
        return self._hints.hint(self.conversation, self.shown(len(self._following.segments) - SHOWN_ELSEWHERE))

    def shown(self, known: int = 0) -> dict[str, Any]:
        """The call as the desk shows it. Who has ``known`` utterances of it already is told only those from second ``since`` on.

        ``running`` is what is understood so far of an utterance that has not ended.
        """
        following, now = self._following, self._following.seconds
        since = min((one.start for one in following.segments[known - TAIL :]), default=0.0) if known > TAIL else 0.0
        segments = [one for one in following.segments if one.start >= since]
        running = zip(following.speakers, following.partial, strict=False)
        segments += [_running(speaker, text, now) for speaker, text in running if text]
        lines = covered(_transcript(segments)).segments
        return {
            "since": since,
            "lines": [
                {"speaker": one.speaker, "start": one.start, "text": one.text, "running": one.end >= now}
                for one in lines
            ],
            "known": len(following.segments),
            "deaf": self.deaf,
        }

    # --- what is written

    async def _tell(self) -> None:
        """Keep the record up to date until the call is over; what fails is tried again with the next words."""
        while not self._over:
            await self._news.wait()
            self._news.clear()
            try:
                await self._told()
            except StoreError as err:
                log.warning("call %s: the record waits: %s", self.first.external_id, err)

    async def _told(self) -> None:
        if self._over or not self.file.path.exists():
            return  # its recording says it all; or its person is erased
        if not self._opened:
            await self._accept(self.first)
            self._opened = True
            self._gateway.wake.signal(wake.DESK)
        seconds = self._following.seconds
        again = max(AGAIN_SECONDS, AGAIN_SHARE * seconds)
        if not self._following.segments or (self._versions and seconds - self._told_at < again):
            return
        text = self._said()
        if text and len(text) < self._gateway.config.limits.text:
            self._versions += 1
            await self._accept(live.said(self.first, self._versions, text, self._gateway.clock()))
            self._told_at = seconds

    async def _accept(self, message: Inbound) -> None:
        await accept(self._gateway, [message], received_at=self._gateway.clock())

    def _said(self) -> str:
        return said_by(covered(self._following.transcript("")), "customer", "")


def _running(speaker: str, text: str, now: float) -> Segment:
    words = tuple(Word(text=word, start=now, end=now, confidence=1.0) for word in text.split())
    return Segment(speaker=speaker, start=now, end=now, text=text, words=words)


def _transcript(segments: Sequence[Segment]) -> Transcript:
    return Transcript(recording="", language="", model="", duration=0.0, segments=tuple(segments))
