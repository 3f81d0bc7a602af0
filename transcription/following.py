"""A call is heard from the file that it is kept in, as the file grows.

So nothing piles up in memory when hearing is slow, and when the process that hears dies, another one goes on at the end of
the last utterance: no word is lost or heard twice.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from transcription.base import Segment, SpeechError, Transcript, readable
from transcription.live import Live, LiveEar, Lost
from transcription.live_messages import Heard

#: Seconds of sound that are heard at a time when there is much to catch up with.
PIECE_SECONDS = 1.0
#: A call whose processes die so often at the same place is not heard any more while it runs.
TRIES = 3


class Following:
    """One call: ``rate`` samples a second behind the file's first ``skip`` bytes, a name in ``speakers`` for each channel.

    ``segments`` are the utterances so far, ``partial`` what is understood of those that run, by channel. ``deaf`` says why
    nothing (more) is heard; then every method returns nothing, and the file has to be heard when it is whole.
    """

    def __init__(
        self,
        live: Live,
        path: Path,
        *,
        skip: int,
        rate: int,
        speakers: tuple[str, ...],
        languages: Sequence[str] = (),
        phrases: Sequence[str] = (),
    ) -> None:
        self._live, self._skip, self._rate, self.speakers = live, skip, rate, speakers
        self._languages, self._phrases = tuple(languages), tuple(phrases)
        self._frame = 2 * len(speakers)
        self._file = path.open("rb")
        self._ear: LiveEar | None = None
        self._began = self._at = self._died_at = 0
        self._deaths = 0
        self.segments: list[Segment] = []
        self.partial: tuple[str, ...] = ()
        self.language = self.model = self.deaf = ""

    async def up_to(self, end: int, *, pause: bool = False, last: bool = False) -> list[Segment]:
        """Hear the file up to ``end`` (bytes of sound, from 0): the utterances that have ended. All of it must be there.

        ``pause`` ends the utterance that runs, ``last`` the call.
        """
        fresh: list[Segment] = []
        while not self.deaf:
            piece = min(end - self._at, int(PIECE_SECONDS * self._rate) * self._frame)
            done = self._at + piece >= end
            if not piece and not (pause or last):
                break
            fresh += await self._heard(piece, pause=pause and done, last=last and done)
            if done and self._at >= end:
                break
        return fresh

    @property
    def seconds(self) -> float:
        """How much of the call was heard."""
        return self._at / self._frame / self._rate

    def transcript(self, recording: str) -> Transcript:
        """What was heard."""
        return Transcript(
            recording=recording,
            language=self.language,
            model=self.model,
            duration=round(self.seconds, 2),
            segments=tuple(sorted(self.segments, key=lambda one: (one.start, one.end))),
        )

    def stop(self, why: str) -> None:
        """Hear no more of this call."""
        self.deaf, self.partial = why, ()

    def close(self) -> None:
        """Give the ear and the file back."""
        self._file.close()
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    async def _heard(self, piece: int, *, pause: bool, last: bool) -> list[Segment]:
        """Hear one piece. When the process dies the place moves back, and the caller goes on from there."""
        try:
            ear = self._ear or await self._opened()
            samples = await asyncio.to_thread(os.pread, self._file.fileno(), piece, self._skip + self._at)
            heard = await ear.hear(samples, pause=pause, last=last)
        except Lost as err:
            self._died(str(err))
            return []
        except SpeechError as err:
            self._give_up(str(err))
            return []
        self._at += piece
        return self._taken(heard)

    async def _opened(self) -> LiveEar:
        languages = (self.language,) if self.segments else self._languages
        self._ear = await self._live.listen(
            rate=self._rate, speakers=self.speakers, languages=languages, phrases=self._phrases
        )
        return self._ear

    def _taken(self, heard: Heard) -> list[Segment]:
        """The new utterances, at their times in the call; what was known before a process died is not new."""
        later = self._began / self._frame / self._rate
        placed = (_placed(one, later, self._heard_of(one.speaker)) for one in heard.segments)
        fresh = [one for one in placed if one is not None]
        self.partial = heard.partial
        if fresh or not self.segments:
            self.language, self.model = heard.language, heard.model
        self.segments += fresh
        return fresh

    def _heard_of(self, speaker: str) -> float:
        return max((one.end for one in self.segments if one.speaker == speaker), default=0.0)

    def _died(self, why: str) -> None:
        """Go back to where all speakers' last utterances had ended."""
        self._deaths = self._deaths + 1 if self._at <= self._died_at else 1
        if self._deaths >= TRIES:
            self._give_up(why)
            return
        self._died_at = max(self._died_at, self._at)
        if self._ear is not None:
            self._ear.close()
            self._ear = None
        back = min(self._heard_of(speaker) for speaker in self.speakers)
        self._began = self._at = int(back * self._rate) * self._frame

    def _give_up(self, why: str) -> None:
        self.stop(why)
        self.close()


def _placed(segment: Segment, later: float, known: float) -> Segment | None:
    """The utterance at its time in the call, without words that were known before second ``known``."""
    words = tuple(
        msgspec.structs.replace(word, start=round(word.start + later, 2), end=round(word.end + later, 2))
        for word in segment.words
        if (word.start + word.end) / 2 + later > known
    )
    if not words:
        return None
    start, end = words[0].start, words[-1].end
    return Segment(speaker=segment.speaker, start=start, end=end, text=readable(words), words=words)
