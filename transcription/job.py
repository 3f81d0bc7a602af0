"""What goes between the gateway and the processes that hear. Imports no engine: the gateway loads none."""

from __future__ import annotations

import msgspec

from transcription.base import Transcript

#: Who speaks on the two channels of a call; dual recordings have the caller first.
CALL = ("customer", "agent")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one recording may be: ``size`` in bytes, ``seconds`` of sound."""

    size: int = 1024 * 1024 * 1024
    seconds: float = 6 * 3600.0


DEFAULT_LIMITS = Limits()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be heard. ``languages`` in the order of likelihood; empty: all there are models for.

    ``speaker`` says whose voice a recording with one channel holds (empty: nobody knows), ``speakers`` whose the two of a
    call are. ``phrases`` restricts what can be heard to these.
    """

    path: str
    recording: str = ""
    languages: tuple[str, ...] = ()
    speaker: str = ""
    speakers: tuple[str, str] = CALL
    phrases: tuple[str, ...] = ()


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """The first line to a process: model folders by language, and the ``memory`` it may use in bytes (0: no limit)."""

    models: dict[str, str]
    memory: int = 0
    limits: Limits = DEFAULT_LIMITS


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of output: how far it is (``heard``, in seconds), or how it ended."""

    heard: float = 0.0
    transcript: Transcript | None = None
    bad_audio: str = ""
    bad_model: str = ""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be copied from ``path`` to ``out``; ``beeps`` are the seconds (from, to) that nobody may hear."""

    path: str
    out: str
    beeps: tuple[tuple[float, float], ...] = ()
    memory: int = 0
    limits: Limits = DEFAULT_LIMITS


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """The copy's length in seconds, or why (``bad``) there is none; with ``no_room`` there may be one later."""

    seconds: float = 0.0
    bad: str = ""
    no_room: bool = False
