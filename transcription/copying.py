"""A copy of a recording to listen to, in which some seconds cannot be heard: a process for one copy.

The copy is an mp3, the one form that every browser plays and can seek in. The seconds are replaced before they are encoded,
so nothing of them is in the file. One line of standard input says what to do, one line of output what became of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
from av.audio.frame import AudioFrame

from transcription.audio import Recording, Samples
from transcription.base import AudioError
from transcription.job import Copied, Copy

#: Samples a second: all that a telephone carries, and more than a voice needs.
RATE = 16_000
#: Bits a second by number of channels.
BIT_RATES = {1: 32_000, 2: 48_000}
#: What is heard in place of a number: its frequency in Hz, and its height (a quarter of full scale is not to startle anybody).
TONE_HZ, TONE_HEIGHT = 1_000, 8_000


def write(copy: Copy) -> float:
    """Write the copy; its length in seconds. Raises :class:`AudioError`."""
    source = Recording(Path(copy.path), rate=RATE, limits=copy.limits)
    with source as recording, av.open(copy.out, mode="w", format="mp3") as out:
        layout = "stereo" if recording.channels == 2 else "mono"
        stream: Any = out.add_stream("libmp3lame", rate=RATE, layout=layout)
        stream.bit_rate = BIT_RATES[recording.channels]
        at = 0
        for piece in recording:
            frame = AudioFrame.from_ndarray(beeped(piece, at, copy.beeps), format="s16p", layout=layout)
            frame.sample_rate, frame.pts = RATE, at
            out.mux(stream.encode(frame))
            at += piece.shape[1]
        out.mux(stream.encode(None))
    return recording.seconds


def beeped(piece: Samples, at: int, beeps: Iterable[tuple[float, float]]) -> Samples:
    """Samples that begin at sample ``at``, with a tone on all channels from second to second."""
    end = at + piece.shape[1]
    for start, stop in beeps:
        first, last = max(at, int(start * RATE)), min(end, int(stop * RATE))
        if first < last:
            piece = piece.copy()
            piece[:, first - at : last - at] = _tone(first, last)
    return np.ascontiguousarray(piece)


def _tone(first: int, last: int) -> Samples:
    turns = np.arange(first, last) * (TONE_HZ / RATE)
    tone: Samples = (np.sin(2 * np.pi * turns) * TONE_HEIGHT).astype(np.int16)
    return tone


def main() -> None:
    """Make one copy, or say why not."""
    copy = msgspec.json.decode(sys.stdin.buffer.readline(), type=Copy)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no core files with customers' voices in them
    if copy.memory:
        with contextlib.suppress(ValueError, OSError):  # macOS does not know this limit
            resource.setrlimit(resource.RLIMIT_AS, (copy.memory, copy.memory))
    os.nice(10)
    try:
        done = Copied(seconds=write(copy))
    except AudioError as err:
        done = Copied(bad=str(err))
    except (av.FFmpegError, OSError) as err:
        done = Copied(bad=str(err), no_room=getattr(err, "errno", 0) in (errno.ENOSPC, errno.EDQUOT))
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")


if __name__ == "__main__":
    main()
