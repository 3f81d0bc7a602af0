"""The copy to listen to: what is to be covered is a tone and nothing else, the rest is as it was, at the same seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.transcription import needs

needs.speech()

import av  # noqa: E402

from tests.transcription.make_speech import write  # noqa: E402
from tests.transcription.needs import SPEECH  # noqa: E402
from transcription.copying import BIT_RATES, RATE, TONE_HZ, beeped  # noqa: E402
from transcription.job import Copied, Copy, Limits  # noqa: E402

ROOT = Path(__file__).parents[2]


def made(copy: Copy) -> Copied:
    """Through the process, as the gateway does it."""
    command = [sys.executable, "-m", "transcription.copying"]
    done = subprocess.run(command, input=msgspec.json.encode(copy) + b"\n", capture_output=True, cwd=ROOT, check=True)
    return msgspec.json.decode(done.stdout, type=Copied)


def sound(path: Path) -> Any:
    with av.open(str(path)) as container:
        frames: Any = container.decode(audio=0)
        return np.concatenate([frame.to_ndarray() for frame in frames], axis=1).astype(float)


def loudest(part: Any) -> float:
    """The frequency that is loudest in a stretch of sound."""
    heights = np.abs(np.fft.rfft(part))
    return float(np.fft.rfftfreq(len(part), 1 / RATE)[heights.argmax()])


def share_beside(part: Any) -> float:
    """How much of the energy is further than 100 Hz from the tone."""
    power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2
    beside = np.abs(np.fft.rfftfreq(len(part), 1 / RATE) - TONE_HZ) > 100
    return float(power[beside].sum() / power.sum())


def test_what_is_covered_is_a_tone_and_the_rest_is_as_it_was(tmp_path: Path) -> None:
    plain, covered = tmp_path / "plain.mp3", tmp_path / "covered.mp3"
    made(Copy(path=str(SPEECH / "call.flac"), out=str(plain)))
    done = made(Copy(path=str(SPEECH / "call.flac"), out=str(covered), beeps=((3.0, 4.5),)))
    before, after = sound(plain), sound(covered)
    assert before.shape == after.shape
    assert after.shape == (2, pytest.approx(done.seconds * RATE, abs=RATE / 10))
    inside = after[:, int(3.1 * RATE) : int(4.4 * RATE)]
    for channel in inside:
        assert loudest(channel) == pytest.approx(TONE_HZ, abs=5)
        assert share_beside(channel) < 1e-3
    early, late = slice(0, int(2.8 * RATE)), slice(int(4.7 * RATE), int(9 * RATE))
    for part in (early, late):
        assert np.corrcoef(before[0, part], after[0, part])[0, 1] > 0.98
    assert loudest(before[0, int(3.1 * RATE) : int(4.4 * RATE)]) != pytest.approx(TONE_HZ, abs=5)


def test_the_copy_is_small_and_keeps_its_times(tmp_path: Path) -> None:
    click = np.zeros(8000 * 20)
    click[8000 * 12 : 8000 * 12 + 800] = 20000 * np.sin(np.arange(800))
    write(tmp_path / "click.wav", click, codec="pcm_s16le")
    out = tmp_path / "copy.mp3"
    made(Copy(path=str(tmp_path / "click.wav"), out=str(out)))
    heard = np.abs(sound(out)[0])
    assert np.flatnonzero(heard > heard.max() / 2)[0] / RATE == pytest.approx(12.0, abs=0.06)
    assert out.stat().st_size < 1.2 * BIT_RATES[1] / 8 * 20


def test_beeps_reach_over_pieces() -> None:
    pieces = [np.zeros((1, RATE // 2), np.int16) for _ in range(4)]
    whole = np.concatenate([beeped(p, n * RATE // 2, [(0.4, 1.2), (1.9, 9.0)]) for n, p in enumerate(pieces)], axis=1)
    said = np.flatnonzero(np.abs(whole[0]) > 100) / RATE
    assert (said.min(), said.max()) == (pytest.approx(0.4, abs=0.01), pytest.approx(2.0, abs=0.01))
    assert not ((said > 1.201) & (said < 1.899)).any()
    assert not any(p.any() for p in pieces), "the sound that came in is not changed"


@pytest.mark.parametrize("data", [b"", b"garbage", b"#EXTM3U\nfile:///etc/passwd\n"])
def test_what_is_no_recording_has_no_copy(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(data)
    assert made(Copy(path=str(tmp_path / "x.wav"), out=str(tmp_path / "out.mp3"))).bad


def test_limits_hold_and_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = str(SPEECH / "call.flac")
    assert "longer" in made(Copy(path=path, out=str(tmp_path / "o.mp3"), limits=Limits(seconds=1.0))).bad
    assert made(Copy(path=path, out=str(tmp_path / "no" / "o.mp3"))).bad
    if Path("/dev/full").exists():
        (tmp_path / "full.mp3").symlink_to("/dev/full")
        assert made(Copy(path=path, out=str(tmp_path / "full.mp3"))).no_room
