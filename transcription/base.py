"""What hearing a recording gives: text with who said what and when."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

#: A word heard with less confidence is not relied on: it is shown as :data:`UNHEARD`, and never becomes a fact.
SURE = 0.6
#: Stands where something was said and not understood.
UNHEARD = "…"


class SpeechError(Exception):
    """A recording could not be heard; the subclasses say whose fault it is."""


class AudioError(SpeechError):
    """The file is no recording that can be heard: why, in words for a person. Trying again brings the same."""


class ModelError(SpeechError):
    """A speech model is missing or broken: which, and what to do. The recording is not to blame and waits."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word as heard. ``start`` and ``end`` in seconds, ``confidence`` from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech by one speaker (``customer``, ``agent`` or empty when unknown).

    ``text`` is for reading: words that were not heard well are marked in it, ``words`` has them all.
    """

    speaker: str
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in text. ``recording`` is the sha256 of the audio file, ``duration`` in seconds.

    ``missing`` says why the end is not there, for a file that is cut off or damaged.
    """

    recording: str
    language: str
    model: str
    duration: float
    segments: tuple[Segment, ...]
    missing: str = ""


def readable(words: Iterable[Word]) -> str:
    """Words as a line to read: Chinese without spaces, what was not heard well as one :data:`UNHEARD`."""
    line = ""
    for word in words:
        text = word.text if word.confidence >= SURE else UNHEARD
        if text == UNHEARD and line.endswith(UNHEARD):
            continue
        line += text if not line or (_han(line[-1]) and _han(text[0])) else f" {text}"
    return line


def said_by(transcript: Transcript, *speakers: str) -> str:
    """What these speakers said, one line a segment."""
    return "\n".join(s.text for s in transcript.segments if s.speaker in speakers and s.text.strip(f"{UNHEARD} "))


def _han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"
