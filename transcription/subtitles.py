"""A transcript as a file to read or to play along: SubRip, WebVTT, plain text."""

from __future__ import annotations

from collections.abc import Iterator

from transcription.base import Segment, Transcript, Word, readable

#: A subtitle is at most so long: two lines of a screen, and as long as one reads.
MAX_CHARACTERS, MAX_SECONDS = 84, 7.0


def srt(transcript: Transcript) -> str:
    """SubRip: numbered blocks with ``00:00:01,000 --> 00:00:02,000``."""
    blocks = (
        f"{n}\n{_time(start, ',')} --> {_time(end, ',')}\n{_named(speaker, text)}\n"
        for n, (speaker, start, end, text) in enumerate(_cues(transcript), 1)
    )
    return "\n".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/), speakers as voice tags."""
    blocks = ["WEBVTT\n"]
    for speaker, start, end, text in _cues(transcript):
        voice = f"<v {speaker}>" if speaker else ""
        blocks.append(f"{_time(start, '.')} --> {_time(end, '.')}\n{voice}{_escaped(text)}\n")
    return "\n".join(blocks)


def txt(transcript: Transcript) -> str:
    """One line a segment."""
    return "".join(f"{_named(segment.speaker, segment.text)}\n" for segment in transcript.segments)


def _cues(transcript: Transcript) -> Iterator[tuple[str, float, float, str]]:
    """(speaker, start, end, text) of pieces that fit a screen."""
    for segment in transcript.segments:
        for words in _fitting(segment):
            yield segment.speaker, words[0].start, words[-1].end, readable(words)


def _fitting(segment: Segment) -> Iterator[list[Word]]:
    whole = Word(text=segment.text, start=segment.start, end=segment.end, confidence=1.0)
    piece: list[Word] = []
    for word in segment.words or (whole,):
        longer = sum(len(one.text) + 1 for one in piece) + len(word.text) > MAX_CHARACTERS
        if piece and (longer or word.end - piece[0].start > MAX_SECONDS):
            yield piece
            piece = []
        piece.append(word)
    if piece:
        yield piece


def _named(speaker: str, text: str) -> str:
    return f"{speaker}: {text}" if speaker else text


def _time(seconds: float, point: str) -> str:
    millis = round(seconds * 1000)
    return f"{millis // 3_600_000:02}:{millis // 60_000 % 60:02}:{millis // 1000 % 60:02}{point}{millis % 1000:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
