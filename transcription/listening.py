"""One call being heard while it runs: sound goes in piece by piece, what was said comes out.

It goes through the same cuts and ears as a recording (:mod:`transcription.hearing`), so that the words are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from transcription.base import Segment, SpeechError
from transcription.engine import Engine
from transcription.hearing import Voice, spoken_language
from transcription.live_messages import Begin, Heard, Sound
from transcription.stretches import Samples, Stretches

#: Samples a second that a call may come with.
MIN_RATE, MAX_RATE = 8_000, 48_000
#: Seconds of words after which the language of a call is settled.
TRY_SECONDS = 1.0


class Listening:
    """A call, in one of ``languages``. Raises :class:`SpeechError` or :class:`ModelError` where it cannot be heard."""

    def __init__(self, begin: Begin, languages: Sequence[str], engine_of: Callable[[str], Engine]) -> None:
        if not MIN_RATE <= begin.rate <= MAX_RATE or not 1 <= len(begin.speakers) <= 2:
            raise SpeechError(f"{begin.rate} Hz on {len(begin.speakers)} channels; a call has {MIN_RATE} to {MAX_RATE}")
        self._call = begin.call
        self._tried = [_Language(tag, engine_of(tag), begin) for tag in languages]

    def hear(self, sound: Sound) -> Heard:
        """Take the next piece."""
        for one in self._tried:
            one.hear(sound.samples)
            if sound.pause or sound.last:
                one.pause(last=sound.last)
        self._settle(at_once=sound.last)
        best = self._tried[0]
        segments = tuple(best.taken()) if len(self._tried) == 1 else ()
        return Heard(
            call=self._call,
            segments=segments,
            partial=best.partial(),
            language=spoken_language(segments, best.tag),
            model=best.engine.name,
        )

    def _settle(self, *, at_once: bool) -> None:
        """Keep the language that is understood best, once enough was said; until then nothing is given out."""
        if len(self._tried) == 1:
            return
        # Ears that are in the middle of an utterance have not said yet how sure they are.
        if not at_once and max(one.seconds() for one in self._tried) >= TRY_SECONDS:
            for one in self._tried:
                one.pause(last=False)
            at_once = True
        self._tried.sort(key=lambda one: -one.score())
        if at_once:
            del self._tried[1:]


class _Language:
    """The ears of one language: one for each channel."""

    def __init__(self, tag: str, engine: Engine, begin: Begin) -> None:
        self.tag, self.engine = tag, engine
        self._resample = Resample(len(begin.speakers), begin.rate, engine.rate)
        self._voices = [
            Voice(speaker, engine.listen(begin.phrases), Stretches(engine.rate), engine.rate)
            for speaker in begin.speakers
        ]
        self._segments: list[Segment] = []

    def hear(self, samples: bytes) -> None:
        for piece in self._resample.take(samples):
            for voice, sound in zip(self._voices, piece, strict=True):
                for start, stretch in voice.stretches.add(sound):
                    self._segments += voice.take(start, stretch)

    def pause(self, *, last: bool) -> None:
        for voice in self._voices:
            if last:
                for start, stretch in voice.stretches.end():
                    self._segments += voice.take(start, stretch)
            self._segments += voice.segment(voice.ear.pause())

    def partial(self) -> tuple[str, ...]:
        return tuple(voice.ear.partial() for voice in self._voices)

    def taken(self) -> list[Segment]:
        """The utterances that have ended since the last look."""
        segments, self._segments = sorted(self._segments, key=lambda one: (one.start, one.end)), []
        return segments

    def seconds(self) -> float:
        return sum(word.end - word.start for one in self._segments for word in one.words)

    def score(self) -> float:
        """As :func:`transcription.hearing.choose` weighs it."""
        words = [word for one in self._segments for word in one.words]
        return sum((word.end - word.start) * word.confidence**2 for word in words)


class Resample:
    """Interleaved 16-bit samples at one rate → channels × samples at another, across the borders of pieces."""

    def __init__(self, channels: int, rate: int, to: int) -> None:
        self._channels, self._rate = channels, rate
        self._rest = b""
        self._layout = "stereo" if channels == 2 else "mono"
        self._resampler = None if rate == to else AudioResampler(format="s16p", layout=self._layout, rate=to)

    def take(self, samples: bytes) -> Sequence[Samples]:
        """What there is of it at the new rate. Half a sample waits for its other half."""
        whole = self._rest + samples
        cut = len(whole) - len(whole) % (2 * self._channels)
        whole, self._rest = whole[:cut], whole[cut:]
        if not whole:
            return ()
        sound = np.frombuffer(whole, np.int16)
        if self._resampler is None:
            return (np.ascontiguousarray(sound.reshape(-1, self._channels).T),)
        frame = AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout=self._layout)
        frame.sample_rate = self._rate
        return [piece.to_ndarray().astype(np.int16, copy=False) for piece in self._resampler.resample(frame)]
