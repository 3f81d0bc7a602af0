"""A recording of any usual format as plain samples, a piece at a time; a hostile file cannot reach out of itself.

FFmpeg (in PyAV) reads playlists and session descriptions too: with its defaults an uploaded text file makes it read
local files and open sockets. So the demuxers and decoders are a list of ours, the file is handed over as an open file
without a name, and nothing else may be opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.codec.context import CodecContext

from transcription import silk
from transcription.base import AudioError
from transcription.job import DEFAULT_LIMITS, Limits

#: Containers that hold recordings. What is not here does not exist for FFmpeg.
FORMATS = "wav,w64,aiff,au,caf,mp3,ogg,flac,aac,amr,amrnb,amrwb,gsm,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,asf"
CODECS = (
    "pcm_s16le,pcm_s16be,pcm_u8,pcm_s8,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_mulaw,pcm_alaw,adpcm_ms,adpcm_ima_wav,adpcm_g722,adpcm_g726,g723_1,gsm,gsm_ms,mp3,mp3float,mp2,"
    "mp2float,aac,aac_latm,alac,flac,vorbis,opus,libopus,libvorbis,speex,libspeex,amrnb,amrwb,libopencore_amrnb,"
    "libopencore_amrwb,wmav1,wmav2"
)
#: Decoders to put in another's place: FFmpeg's own gives up at AMR's silence frames.
_BETTER = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}

MIN_RATE, MAX_RATE = 8_000, 48_000
#: Packets that may be damaged before the rest is given up.
MAX_BAD_PACKETS = 50
#: A file that holds so much less than it says (in seconds, and as a share) is cut off.
CUT_SECONDS, CUT_SHARE = 1.0, 0.98
#: Two channels that are the same for so many seconds are one.
LOOK_SECONDS = 30.0

#: Sound that is handed on at a time, in seconds: the engine spends a third less on it than on single frames.
PIECE_SECONDS = 0.5

#: Samples of all channels at the same time: channels × samples, 16 bits.
Samples = np.ndarray[Any, np.dtype[np.int16]]


class Recording:
    """An opened file: ``with Recording(path, rate=8000) as recording: for piece in recording: …``.

    ``rate`` is what the pieces are resampled to. ``channels`` is 1 or 2: two channels that say the same are one.
    After the last piece ``missing`` says why the end of the recording is not there (empty: it is whole), ``seconds`` how long
    it was.

    Raises:
        AudioError: it cannot be heard at all, or is beyond the limits; also while the pieces are read.
    """

    def __init__(self, path: Path, *, rate: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self._rate, self._limits = rate, limits
        self.missing, self.seconds, self._bad = "", 0.0, 0
        size = _size(path)
        if size > limits.size:
            raise AudioError(f"larger than {limits.size} bytes")
        self._file = silk.opened(path)
        try:
            self._container = _opened(self._file)
            self._start()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pieces.close()
        self._container.close()
        self._file.close()

    def __iter__(self) -> Iterator[Samples]:
        """Pieces of up to a few seconds, in order."""
        for piece in self._head:
            yield piece[: self.channels]
        for piece in self._pieces:
            yield piece[: self.channels]
        self._look_for_a_cut()

    def _start(self) -> None:
        streams = self._container.streams.audio
        if not streams:
            raise AudioError("there is no sound in this file")
        self._stream = streams[0]
        context = self._stream.codec_context
        if context is None:
            raise AudioError("its sound is coded in a way that is not read")
        layout = context.layout.name if context.layout else ""
        if context.rate and not MIN_RATE <= context.rate <= MAX_RATE:
            raise AudioError(f"{context.rate} Hz; a recording has {MIN_RATE} to {MAX_RATE}")
        if not 1 <= context.channels <= 2:
            raise AudioError(f"{context.channels} channels ({layout}); a call has one or two")
        self.format = self._container.format.name.split(",")[0]
        self.channels = context.channels
        self._decoder = _decoder(context)
        self._pieces = self._decoded()
        self._head = list(self._heads())

    def _heads(self) -> Iterator[Samples]:
        """The first pieces, read to see whether both channels are the same."""
        same, looked = self.channels == 2, 0
        for piece in self._pieces:
            yield piece
            looked += piece.shape[1]
            same = same and bool((piece[0] == piece[-1]).all())
            if not same or looked >= LOOK_SECONDS * self._rate:
                break
        if not looked:
            raise AudioError(self.missing or "there is no sound in this file")
        if same:
            self.channels = 1

    def _decoded(self) -> Generator[Samples, None, None]:
        """A codec's frames are a fiftieth of a second; FFmpeg joins them to pieces."""
        layout, size = "stereo" if self.channels == 2 else "mono", int(self._rate * PIECE_SECONDS)
        resampler = AudioResampler(format="s16p", layout=layout, rate=self._rate, frame_size=size)
        try:
            for frame in self._frames():
                if frame.layout.nb_channels != self.channels or not MIN_RATE <= frame.sample_rate <= MAX_RATE:
                    self.missing = "the sound changes its form in the middle"
                    break
                yield from self._counted(resampler.resample(frame))
            yield from self._counted(resampler.resample(None))
        except (av.FFmpegError, ValueError) as err:
            self.missing = self.missing or f"damaged at second {self.seconds:.0f} ({type(err).__name__})"

    def _counted(self, frames: list[AudioFrame]) -> Iterator[Samples]:
        for frame in frames:
            piece: Samples = frame.to_ndarray().astype(np.int16, copy=False)
            if not piece.size:
                continue
            self.seconds += piece.shape[1] / self._rate
            if self.seconds > self._limits.seconds:
                raise AudioError(f"longer than {self._limits.seconds:.0f} seconds")
            yield piece

    def _frames(self) -> Iterator[AudioFrame]:
        """Decoded frames; a damaged packet is left out, after many of them the file is given up."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError as err:
                self.missing = f"damaged at second {self.seconds:.0f} ({type(err).__name__})"
                packet = None
            if packet is None:
                return
            try:
                yield from self._decoder.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError as err:
                self._bad += 1
                self.missing = f"damaged at second {self.seconds:.0f} ({type(err).__name__})"
                if self._bad > MAX_BAD_PACKETS:
                    return

    def _look_for_a_cut(self) -> None:
        """Compare with what the file says of its length; a length beyond the limits is a writer that did not know it."""
        says = self._promised()
        if self.missing or says > self._limits.seconds or self.format in ("mp3", "aac", "amr", "gsm"):
            return  # these have no length in them: FFmpeg guesses it from the size
        if says - self.seconds > CUT_SECONDS and self.seconds < says * CUT_SHARE:
            self.missing = f"cut off: the file says {says:.0f} seconds and holds {self.seconds:.0f}"

    def _promised(self) -> float:
        """Seconds by what the file says of itself. For a wav FFmpeg believes its size; its header knows better."""
        if self.format != "wav":
            return float(self._container.duration or 0) / av.time_base
        size = self._file.seek(0, 2)
        self._file.seek(0)
        head = self._file.read(8)
        length = int.from_bytes(head[4:8], "little") + 8
        # 0 and numbers near 2³¹ and 2³² stand in the headers of writers that did not know the length.
        return self.seconds * length / size if 8 < length < 0x7FFF0000 else self.seconds


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as err:
        raise AudioError(f"the file cannot be read: {err.strerror}") from err
    if not size:
        raise AudioError("the file is empty")
    return size


def _opened(file: Any) -> Any:
    options = {"format_whitelist": FORMATS, "codec_whitelist": CODECS, "protocol_whitelist": "none"}
    try:
        container = av.open(file, mode="r", options=options, metadata_errors="replace")
    except (av.FFmpegError, ValueError, OSError) as err:
        raise AudioError(f"no recording in a format that is read ({type(err).__name__})") from err
    return container


def _decoder(context: Any) -> Any:
    better = _BETTER.get(context.name)
    if better is None or better not in av.codecs_available:
        return context
    with contextlib.suppress(av.FFmpegError):
        made: Any = CodecContext.create(better, "r")
        made.sample_rate, made.layout = context.sample_rate, context.layout.name
        return made
    return context
