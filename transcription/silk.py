"""WeChat's and QQ's voice notes: SILK, which FFmpeg does not read. The decoder is the extra ``silk``.

A note is a minute at most, so it is decoded as a whole, in the process that hears it.
"""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import IO

from transcription.base import AudioError

#: Tencent puts a byte before the SDK's own head.
HEADS = (b"#!SILK_V3", b"\x02#!SILK_V3")
#: A note of a minute has about 200 kB; ten times that is none.
MAX_SIZE = 2 * 1024 * 1024
#: Samples a second of what is decoded: enough for every model.
RATE = 16_000


def opened(path: Path) -> IO[bytes]:
    """The file, or for SILK what it holds as a wav. Raises :class:`AudioError`, which keeps the file."""
    file = path.open("rb")
    head = file.read(len(HEADS[1]))
    file.seek(0)
    if not head.startswith(HEADS):
        return file
    with file:
        data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise AudioError(f"a SILK recording of more than {MAX_SIZE} bytes")
    return io.BytesIO(_wav(_decoded(data)))


def _decoded(data: bytes) -> bytes:
    try:
        import pysilk  # type: ignore[import-untyped]
    except ImportError as err:
        raise AudioError("a SILK recording; it can be heard after `pip install allears[silk]`") from err
    out = io.BytesIO()
    try:
        pysilk.decode(io.BytesIO(data), out, RATE)
    except (pysilk.SilkError, ValueError, MemoryError) as err:
        raise AudioError(f"a damaged SILK recording ({type(err).__name__})") from err
    return out.getvalue()


def _wav(samples: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples)
    return out.getvalue()
