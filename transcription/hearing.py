"""One recording through one engine: who said what, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from transcription.audio import Recording, Samples
from transcription.base import Segment, Transcript, Word, readable
from transcription.engine import Ear, Engine
from transcription.job import DEFAULT_LIMITS, Job, Limits
from transcription.stretches import Stretches

#: Speech that languages are tried on, in seconds.
TRY_SECONDS = 20.0
#: Seconds of sound between two signs of life.
TELL_EVERY = 5.0


@dataclass
class Voice:
    """One channel on its way: ``fed`` samples were heard, the next one stands at ``fed + gap`` in the recording."""

    speaker: str
    ear: Ear
    stretches: Stretches
    rate: int
    fed: int = 0
    gap: int = 0

    def take(self, start: int, samples: Samples) -> list[Segment]:
        done: list[Segment] = []
        if start != self.fed + self.gap:
            done += self.segment(self.ear.pause())
            self.gap = start - self.fed
        done += self.segment(self.ear.hear(samples.tobytes()) or ())
        self.fed += len(samples)
        return done

    def segment(self, words: tuple[Word, ...]) -> list[Segment]:
        if not words:
            return []
        later = self.gap / self.rate
        placed = tuple(
            msgspec.structs.replace(word, start=round(word.start + later, 2), end=round(word.end + later, 2))
            for word in words
        )
        start, end = placed[0].start, placed[-1].end
        return [Segment(speaker=self.speaker, start=start, end=end, text=readable(placed), words=placed)]


def hear(
    job: Job,
    engine: Engine,
    language: str,
    *,
    limits: Limits = DEFAULT_LIMITS,
    tell: Callable[[float], None] = lambda _: None,
) -> Transcript:
    """The transcript of a recording. ``tell`` is given the seconds that were heard, every few of them.

    Raises:
        AudioError: the file cannot be heard.
        ModelError: the model cannot be used.
    """
    segments: list[Segment] = []
    told = 0.0
    with Recording(Path(job.path), rate=engine.rate, limits=limits) as recording:
        speakers = job.speakers if recording.channels == 2 else (job.speaker,)
        voices = [
            Voice(speaker, engine.listen(job.phrases), Stretches(engine.rate), engine.rate) for speaker in speakers
        ]
        for piece in recording:
            for voice, samples in zip(voices, piece):
                for start, sound in voice.stretches.add(samples):
                    segments += voice.take(start, sound)
            if recording.seconds - told >= TELL_EVERY:
                told = recording.seconds
                tell(told)
        for voice in voices:
            for start, sound in voice.stretches.end():
                segments += voice.take(start, sound)
            segments += voice.segment(voice.ear.pause())
    tell(recording.seconds)
    return Transcript(
        recording=job.recording,
        language=spoken_language(segments, language),
        model=engine.name,
        duration=round(recording.seconds, 2),
        segments=tuple(sorted(segments, key=lambda segment: (segment.start, segment.end))),
        missing=recording.missing,
    )


def spoken_language(segments: Sequence[Segment], language: str) -> str:
    """A model may hear several languages; the script tells Chinese from the others."""
    letters = [char for segment in segments for char in segment.text if char.isalpha()]
    han = sum("\u3400" <= char <= "\u9fff" for char in letters)
    if han * 2 > len(letters):
        return language if language.split("-")[0] in ("zh", "ja", "yue") else "zh"
    return language


def choose(
    job: Job, languages: Sequence[str], engine_of: Callable[[str], Engine], *, limits: Limits = DEFAULT_LIMITS
) -> str:
    """The language that is understood best in the first seconds of speech; the first one where none is.

    Raises:
        AudioError, ModelError: as :func:`hear`.
    """
    if len(languages) == 1:
        return languages[0]
    scores = {language: _understood(job, engine_of(language), limits) for language in languages}
    return max(languages, key=lambda language: scores[language])


def _understood(job: Job, engine: Engine, limits: Limits) -> float:
    """Seconds of words weighed by how sure they are: a wrong language gives few words, unknown or doubtful ones."""
    words: list[Word] = []
    left = int(TRY_SECONDS * engine.rate)
    with Recording(Path(job.path), rate=engine.rate, limits=limits) as recording:
        ear, stretches = engine.listen(), Stretches(engine.rate)
        for piece in recording:
            for _, sound in stretches.add(_one_voice(piece)):
                words += ear.hear(sound[: max(0, left)].tobytes()) or ()
                left -= len(sound)
            if left <= 0:
                break
        words += ear.pause()
    return sum((word.end - word.start) * word.confidence**2 for word in words)


def _one_voice(piece: Samples) -> Samples:
    """The louder channel, so that two speakers are not heard at once."""
    loud = [int(np.abs(channel.astype(int)).sum()) for channel in piece]
    voice: Samples = piece[loud.index(max(loud))]
    return voice


def fitting(wanted: Sequence[str], there: Mapping[str, object]) -> list[str]:
    """The languages to try: of ``wanted`` those that there is a model for, else all. ``zh-Hans`` finds ``zh``."""
    found = [next((one for one in there if one.split("-")[0] == tag.split("-")[0].lower()), "") for tag in wanted]
    return list(dict.fromkeys(one for one in found if one)) or list(there)
