"""What goes between the gateway and the processes that hear calls while they run. Imports no engine.

Each message is msgpack behind its length (four bytes, big-endian). Every :class:`Begin` and :class:`Sound` is answered by one
:class:`Heard`, and a call has at most one of them on its way: nothing can pile up in between.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from transcription.base import Segment
from transcription.job import Limits

#: Longest message, in bytes: a piece of sound, or what was said in a long utterance.
MAX_MESSAGE = 16 * 1024 * 1024
LENGTH = struct.Struct(">I")


class Open(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first message to a process: model folders by language, and what it may use (:class:`transcription.job.Start`)."""

    models: dict[str, str]
    memory: int = 0
    limits: Limits = Limits()


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call begins. ``speakers`` has one name for each of its channels, ``rate`` is in samples a second.

    ``languages`` in the order of likelihood (empty: all there are models for); of several the one that is understood best
    is found out.
    """

    call: int
    rate: int
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    phrases: tuple[str, ...] = ()


class Sound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The next piece of a call: 16-bit samples, the channels interleaved. ``pause`` ends the utterance that runs after it,
    ``last`` the call."""

    call: int
    samples: bytes = b""
    pause: bool = False
    last: bool = False


class Drop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call is not to be heard any more. Not answered."""

    call: int


class Heard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a piece brought: utterances that have ended, and what is understood so far of those that run, by channel.

    Times are seconds since the call's first sample. ``bad`` says why this call cannot be heard.
    """

    call: int
    segments: tuple[Segment, ...] = ()
    partial: tuple[str, ...] = ()
    language: str = ""
    model: str = ""
    bad: str = ""


ToWorker = Begin | Sound | Drop
encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
decode_open = msgspec.msgpack.Decoder(Open).decode
decode_to_worker = msgspec.msgpack.Decoder(ToWorker).decode
decode_heard = msgspec.msgpack.Decoder(Heard).decode


def packed(message: object) -> bytes:
    """A message as it goes through the pipe."""
    body = encode(message)
    return LENGTH.pack(len(body)) + body
