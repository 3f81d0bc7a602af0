"""WeChat's voice notes: heard with the extra, refused with a word about it without."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.transcription import needs

needs.speech()

import av  # noqa: E402

from tests.transcription.needs import SPEECH  # noqa: E402
from transcription.audio import Recording  # noqa: E402
from transcription.base import AudioError  # noqa: E402
from transcription.engine import VoskEngine  # noqa: E402
from transcription.hearing import hear  # noqa: E402
from transcription.job import Job  # noqa: E402
from transcription.silk import MAX_SIZE  # noqa: E402
from transcription.tiny import MODEL  # noqa: E402


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A fixture as WeChat would send it."""
    pysilk = pytest.importorskip("pysilk", reason="the silk extra is not installed")
    with av.open(str(SPEECH / "en_broken.flac")) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        frames: Any = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    pcm = np.concatenate([frame.to_ndarray() for frame in frames], axis=1).tobytes()
    out = io.BytesIO()
    pysilk.encode(io.BytesIO(pcm), out, 16_000, 24_000)
    path = tmp_path / "note.silk"
    path.write_bytes(out.getvalue())
    return path


def test_a_note_is_heard(note: Path) -> None:
    assert note.read_bytes().startswith(b"\x02#!SILK_V3")
    heard = hear(Job(path=str(note)), VoskEngine(MODEL), "en")
    assert " ".join(w.text for s in heard.segments for w in s.words) == "the package is broken i want a refund"


def test_a_damaged_note_is_refused_or_read_as_far_as_it_goes(note: Path) -> None:
    data = note.read_bytes()
    for n, bad in enumerate((data[: len(data) // 2], data[:12], data[:10] + os.urandom(4000))):
        note.write_bytes(bad)
        try:
            with Recording(note, rate=8000) as recording:
                assert sum(piece.shape[1] for piece in recording) < 60 * 8000, n
        except AudioError:
            continue


def test_what_is_too_large_is_no_note(tmp_path: Path) -> None:
    path = tmp_path / "x.silk"
    path.write_bytes(b"\x02#!SILK_V3" + bytes(MAX_SIZE))
    with pytest.raises(AudioError, match="more than"):
        Recording(path, rate=8000)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "x.silk").write_bytes(b"\x02#!SILK_V3" + bytes(50))
    code = (
        "import sys\nsys.modules['pysilk'] = None\nfrom pathlib import Path\nfrom transcription.audio import Recording\n"
        "Recording(Path(sys.argv[1]), rate=8000)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.silk")]
    done = subprocess.run(command, cwd=SPEECH.parents[2], capture_output=True, text=True, check=False)
    assert "pip install allears[silk]" in done.stderr
