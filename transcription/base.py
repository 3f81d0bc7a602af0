"""What hearing a recording gives: text with who said what and when."""

from __future__ import annotations

import msgspec


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """One word as heard. ``start`` and ``end`` in seconds, ``confidence`` from 0 to 1."""

    text: str
    start: float
    end: float
    confidence: float


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of speech by one speaker (``customer``, ``agent`` or empty when unknown)."""

    speaker: str
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """A recording in text. ``recording`` is the sha256 of the audio file, ``duration`` in seconds."""

    recording: str
    language: str
    model: str
    duration: float
    segments: tuple[Segment, ...]
