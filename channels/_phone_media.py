"""Twilio's Media Streams: what their frames say, and two tracks as one sound.

https://www.twilio.com/docs/voice/media-streams/websocket-messages: JSON frames ``connected``, ``start``, ``media`` (µ-law,
8000 samples a second, base64), ``dtmf``, ``mark`` and ``stop``.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from channels import _phone_mulaw as mulaw
from channels.base import BadPayload

RATE = 8000
#: Samples that a track may be behind the other before silence is put in its place.
LAG = RATE
#: A hole in a track of fewer samples is the network's unrest and not a hole; a longer one than the second is a lie.
UNREST, LONGEST_HOLE = RATE // 10, 60 * RATE

Line = Annotated[str, Meta(max_length=200)]


class Format(msgspec.Struct, frozen=True):
    encoding: Line = "audio/x-mulaw"
    sampleRate: int = RATE  # noqa: N815 - the platform's name


class Started(msgspec.Struct, frozen=True):
    """The stream begins. ``tracks`` are ``inbound`` (who called) and ``outbound``."""

    callSid: Line  # noqa: N815
    accountSid: Line = ""  # noqa: N815
    tracks: tuple[Line, ...] = ("inbound",)
    customParameters: dict[str, Any] = {}  # noqa: N815
    mediaFormat: Format = Format()  # noqa: N815


class Media(msgspec.Struct, frozen=True):
    """A piece of one track; ``timestamp`` in milliseconds since the stream began."""

    payload: str
    track: Line = "inbound"
    timestamp: str | int = ""


class Frame(msgspec.Struct, frozen=True):
    event: Line
    start: Started | None = None
    media: Media | None = None


_DECODE = msgspec.json.Decoder(Frame)


def read(text: str) -> Frame:
    """A frame. Raises :class:`BadPayload`."""
    try:
        frame: Frame = _DECODE.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as err:
        raise BadPayload("not a frame of a media stream") from err
    if frame.start is not None and frame.start.mediaFormat != Format():
        raise BadPayload("a stream that is not µ-law at 8000 samples a second")
    return frame


class Mixer:
    """Tracks side by side. Pieces go in as they come; sound that all tracks have comes out, interleaved."""

    def __init__(self, tracks: tuple[str, ...]) -> None:
        self._waiting = {track: bytearray() for track in tracks}
        self._at = dict.fromkeys(tracks, 0)

    def add(self, media: Media) -> bytes:
        """Take a piece. Raises :class:`BadPayload`."""
        if media.track not in self._waiting:
            return b""
        try:
            sound = mulaw.samples(base64.b64decode(media.payload, validate=True))
        except (binascii.Error, ValueError) as err:
            raise BadPayload("a payload that is not base64") from err
        self._put(media.track, bytes(2 * self._hole(media)))
        self._put(media.track, sound)
        ahead = max(self._at.values()) - LAG
        for track, at in self._at.items():
            self._put(track, bytes(2 * max(0, ahead - at)))
        return self._ready(min(len(waiting) for waiting in self._waiting.values()))

    def rest(self) -> bytes:
        """What is left at the end, with silence where a track is shorter."""
        longest = max(len(waiting) for waiting in self._waiting.values())
        for waiting in self._waiting.values():
            waiting.extend(bytes(longest - len(waiting)))
        return self._ready(longest)

    def _put(self, track: str, sound: bytes) -> None:
        self._waiting[track] += sound
        self._at[track] += len(sound) // 2

    def _hole(self, media: Media) -> int:
        """Samples that are missing before this piece."""
        stamp = str(media.timestamp)
        if not stamp.isdecimal() or len(stamp) > 12:
            return 0
        missing = int(stamp) * RATE // 1000 - self._at[media.track]
        return missing if UNREST < missing <= LONGEST_HOLE else 0

    def _ready(self, size: int) -> bytes:
        parts = [bytes(waiting[:size]) for waiting in self._waiting.values()]
        for waiting in self._waiting.values():
            del waiting[:size]
        if len(parts) == 1:
            return parts[0]
        out = bytearray(2 * size)
        for n, part in enumerate(parts):
            out[2 * n :: 4], out[2 * n + 1 :: 4] = part[0::2], part[1::2]
        return bytes(out)
