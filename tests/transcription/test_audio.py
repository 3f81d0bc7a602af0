"""Recordings of every usual form are read; broken, mislabelled and hostile ones say why not, and reach nothing."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.transcription.make_speech import write
from tests.transcription.needs import SPEECH
from transcription.audio import Recording
from transcription.base import AudioError
from transcription.job import Limits

RATE = 8000


def tone(seconds: float = 2.0, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return np.asarray(8000 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate))


def heard(path: Path, **limits: float) -> tuple[int, float, str]:
    """Channels, seconds, and what is missing."""
    with Recording(path, rate=RATE, limits=Limits(**limits)) as recording:  # type: ignore[arg-type]
        samples = sum(piece.shape[1] for piece in recording)
        assert samples / RATE == pytest.approx(recording.seconds)
        return recording.channels, recording.seconds, recording.missing


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.wav", "pcm_s16le", 8000),
        ("a.wav", "pcm_s16le", 48000),
        ("a.wav", "pcm_u8", 11025),
        ("a.wav", "pcm_mulaw", 8000),
        ("a.wav", "pcm_alaw", 8000),
        ("a.wav", "adpcm_ima_wav", 8000),
        ("a.aiff", "pcm_s16be", 44100),
        ("a.mp3", "libmp3lame", 16000),
        ("a.m4a", "aac", 16000),
        ("a.ogg", "libopus", 48000),
        ("a.webm", "libopus", 48000),
        ("a.flac", "flac", 22050),
        ("a.amr", "libopencore_amrnb", 8000),
        ("a.mka", "libvorbis", 16000),
    ],
)
def test_formats(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build cannot write {codec}")
    path = tmp_path / name
    write(path, tone(rate=rate), rate=rate, codec=codec)
    channels, seconds, missing = heard(path)
    assert channels == 1
    assert seconds == pytest.approx(2.0, abs=0.2)
    assert missing == ""


def test_gsm_in_wav(tmp_path: Path) -> None:
    sox = (
        subprocess.run(
            [
                "sox",
                "-n",
                "-r",
                "8000",
                "-c",
                "1",
                "-e",
                "gsm-full-rate",
                str(tmp_path / "a.wav"),
                "synth",
                "2",
                "sine",
                "440",
            ],
            capture_output=True,
            check=False,
        )
        if _has("sox")
        else None
    )
    if sox is None or sox.returncode:
        pytest.skip("sox, which writes gsm, is not installed")
    assert heard(tmp_path / "a.wav")[1] == pytest.approx(2.0, abs=0.1)


def _has(program: str) -> bool:
    return any(os.access(Path(folder) / program, os.X_OK) for folder in os.environ["PATH"].split(os.pathsep))


def test_the_sides_of_a_call_stay_apart(tmp_path: Path) -> None:
    left, right = tone(hertz=300), tone(hertz=1000)
    write(tmp_path / "call.wav", np.stack([left, right]), codec="pcm_s16le")
    with Recording(tmp_path / "call.wav", rate=RATE) as recording:
        sound = np.concatenate(list(recording), axis=1)
    for channel, hertz in zip(sound, (300, 1000)):
        assert np.argmax(np.abs(np.fft.rfft(channel))) * RATE / len(channel) == pytest.approx(hertz, abs=2)


def test_two_channels_that_are_the_same_are_one(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.stack([tone(), tone()]), codec="pcm_s16le")
    assert heard(tmp_path / "a.wav")[0] == 1


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path / "a.mp3", tone(), codec="libmp3lame")
    os.rename(tmp_path / "a.mp3", tmp_path / "a.wav")
    assert heard(tmp_path / "a.wav")[1] == pytest.approx(2.0, abs=0.2)


def test_a_length_that_the_writer_did_not_know(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone(), codec="pcm_s16le")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    _, seconds, missing = heard(tmp_path / "a.wav")
    assert seconds == pytest.approx(2.0, abs=0.05)
    assert missing == ""


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.ogg", "libopus")])
def test_what_is_there_of_a_cut_file_is_read_and_the_rest_is_said_to_be_missing(
    tmp_path: Path, name: str, codec: str
) -> None:
    write(tmp_path / name, tone(20.0, 48000), rate=48000, codec=codec)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 3])
    _, seconds, missing = heard(tmp_path / name)
    assert 3.0 < seconds < 12.0
    assert missing or codec == "libopus"  # Ogg does not say how long it is meant to be


def test_a_cut_m4a_has_lost_its_table(tmp_path: Path) -> None:
    write(tmp_path / "a.m4a", tone(20.0), codec="aac")
    data = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError):
        heard(tmp_path / "a.m4a")


def _wav_header(channels: int = 1, rate: int = 8000, bits: int = 16, size: int = 1600) -> bytes:
    fmt = struct.pack(
        "<HHIIHH", 1, channels, rate, rate * channels * bits // 8 & 0xFFFFFFFF, channels * bits // 8 & 0xFFFF, bits
    )
    return (
        b"RIFF"
        + struct.pack("<I", 36 + size)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", size)
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"RIFF",
        os.urandom(10_000),
        b"\xff" * 10_000,
        b"<html><body>recording</body></html>",
        b"ID3" + bytes(2000),
        _wav_header(),
        _wav_header(rate=0) + bytes(1600),
        _wav_header(rate=1) + bytes(1600),
        _wav_header(rate=4_000_000_000) + bytes(1600),
        _wav_header(channels=0) + bytes(1600),
        _wav_header(channels=6) + bytes(1600),
        _wav_header(channels=65535) + bytes(1600),
        _wav_header(bits=0) + bytes(1600),
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(100),
        b"OggS" + os.urandom(3000),
        b"fLaC" + os.urandom(3000),
        b"#!AMR\n",
        b"\x1a\x45\xdf\xa3" + os.urandom(3000),
        b"\0\0\0\x18ftypM4A " + os.urandom(3000),
    ],
    ids=range(21),
)
def test_what_is_no_recording_says_so_and_nothing_breaks(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError) as caught:
        heard(path)
    assert str(caught.value)
    assert str(tmp_path) not in str(caught.value), "a customer's mail may show this: no paths of ours"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AudioError):
        heard(tmp_path / "gone.wav")


def test_limits(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", tone(5.0), codec="pcm_s16le")
    with pytest.raises(AudioError, match="longer"):
        heard(tmp_path / "a.wav", seconds=3.0)
    with pytest.raises(AudioError, match="larger"):
        heard(tmp_path / "a.wav", size=1000)


def _scripts(secret: Path, port: int) -> dict[str, str]:
    """Text files that FFmpeg follows with its defaults, each at a recording of ours or at a socket."""
    return {
        "ffconcat.wav": f"ffconcat version 1.0\nfile '{secret}'\n",
        "ffconcat-relative.wav": f"ffconcat version 1.0\nfile '{secret.name}'\n",
        "hls.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "hls-http.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/x.aac\n#EXT-X-ENDLIST\n",
        "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        'mediaPresentationDuration="PT8S"><Period><AdaptationSet contentType="audio"><Representation id="1" '
        f'bandwidth="1000" mimeType="audio/aac"><BaseURL>http://127.0.0.1:{port}/</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>",
        "sdp.wav": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "image.m3u8": f"#EXTM3U\nhttp://127.0.0.1:{port}/x\n",
    }


def test_a_script_reads_no_file_and_opens_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret.wav"
    write(secret, tone(), codec="pcm_s16le")
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for name, text in _scripts(secret, server.getsockname()[1]).items():
            (tmp_path / name).write_text(text)
            with pytest.raises(AudioError):
                heard(tmp_path / name)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_the_same_script_is_followed_by_ffmpegs_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test above guards against is real."""
    write(tmp_path / "secret.wav", tone(), codec="pcm_s16le")
    (tmp_path / "evil.wav").write_text("ffconcat version 1.0\nfile 'secret.wav'\n")
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "evil.wav").open("rb") as file:
        container: Any = av.open(file)
        assert sum(frame.samples for frame in container.decode(audio=0)) == 16000


def test_a_movie_that_names_another_file_reads_nothing_of_it(tmp_path: Path) -> None:
    """QuickTime may hold a reference (``dref``) in place of the sound."""
    write(tmp_path / "a.m4a", tone(), codec="aac")
    data = (tmp_path / "a.m4a").read_bytes()
    hostile = data.replace(b"url \0\0\0\x01", b"alis\0\0\0\0")
    assert hostile != data
    (tmp_path / "b.m4a").write_bytes(hostile)
    before = set(os.listdir("/proc/self/fd"))
    with contextlib.suppress(AudioError):
        heard(tmp_path / "b.m4a")
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_video_without_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as out:
        stream = out.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no sound"):
        heard(tmp_path / "v.mp4")


def test_an_hour_is_read_in_steady_memory(tmp_path: Path) -> None:
    """In a process of its own, whose largest size is compared with that for a minute."""
    sizes = []
    for minutes in (1, 60):
        path = tmp_path / f"{minutes}.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(8000)
            minute = np.random.default_rng(1).integers(-3000, 3000, 2 * 8000 * 60, np.int16).tobytes()
            for _ in range(minutes):
                out.writeframes(minute)
        code = (
            "import resource,sys;from pathlib import Path;from transcription.audio import Recording\n"
            "with Recording(Path(sys.argv[1]),rate=8000) as r:\n for _ in r: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, check=True)
        sizes.append(int(done.stdout))
    assert sizes[1] - sizes[0] < 20_000, f"{sizes} kB"


def test_the_fixtures_are_there() -> None:
    assert len(list(SPEECH.glob("*.flac"))) == 12
