"""Workers that hear, and everything that can happen to them: the pool goes on, and says what it was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.make_speech import SAID, spoken, write
from tests.transcription.needs import SPEECH
from transcription.base import AudioError, ModelError, SpeechError, Transcript
from transcription.job import Job, Limits
from transcription.pool import Poisoned, Pool
from transcription.tiny import MODEL


def job(name: str) -> Job:
    return Job(path=str(SPEECH / f"{name}.flac"), recording=name)


def text(transcript: Transcript) -> str:
    return " ".join(word.text for segment in transcript.segments for word in segment.words)


def long_file(folder: Path, minutes: int) -> Path:
    """Speech without a pause, so that hearing takes a while."""
    import av

    with av.open(str(SPEECH / "en_broken.flac")) as container:
        sound = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]
    write(folder / "long.wav", np.tile(sound, 1 + minutes * 60 * 8000 // len(sound)), codec="pcm_s16le")
    return folder / "long.wav"


def runs(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")


async def alive(pool: Pool) -> None:
    assert text(await pool.transcribe(job("en_late"))) == "my order is late"


async def test_all_recordings_at_once(pool: Pool) -> None:
    heard = await asyncio.gather(*(pool.transcribe(job(name)) for name in SAID))
    assert [text(one) for one in heard] == list(SAID.values())
    assert len(pool.pids()) == 2, "no more processes than workers, and each works"


async def test_progress_is_told(pool: Pool, tmp_path: Path) -> None:
    told: list[float] = []
    heard = await pool.transcribe(Job(path=str(long_file(tmp_path, 1))), tell=told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == pytest.approx(heard.duration, abs=0.1)


async def test_a_worker_that_is_killed_in_the_middle_is_replaced(pool: Pool, tmp_path: Path) -> None:
    began = asyncio.Event()
    path = await asyncio.to_thread(long_file, tmp_path, 2)
    task = asyncio.create_task(pool.transcribe(Job(path=str(path)), tell=lambda _: began.set()))
    await began.wait()
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGKILL)
    heard = await task
    assert heard.duration > 100
    assert pid not in pool.pids()


async def test_a_recording_that_kills_every_worker_is_set_aside(pool: Pool, tmp_path: Path) -> None:
    path = await asyncio.to_thread(long_file, tmp_path, 2)

    def kill(_: float) -> None:
        for pid in pool.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSEGV)

    with pytest.raises(Poisoned, match="SIGSEGV"):
        await pool.transcribe(Job(path=str(path)), tell=kill)
    await alive(pool)


async def test_a_worker_that_hangs_is_ended_and_another_takes_over(tmp_path: Path) -> None:
    path = await asyncio.to_thread(long_file, tmp_path, 2)
    pool = Pool({"en": MODEL}, workers=1, silence=3.0)
    stopped: list[int] = []

    def stop(_: float) -> None:
        if not stopped:
            stopped.extend(pool.pids())
            os.kill(stopped[0], signal.SIGSTOP)

    heard = await pool.transcribe(Job(path=str(path)), tell=stop)
    assert heard.duration > 100
    assert not runs(stopped[0])
    await pool.close()


async def test_a_recording_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = await asyncio.to_thread(long_file, tmp_path, 20)
    pool = Pool({"en": MODEL}, workers=1, longest=1.0)
    try:
        with pytest.raises(Poisoned, match="too long"):
            await pool.transcribe(Job(path=str(path)))
    finally:
        await pool.close()


async def test_memory_is_limited() -> None:
    """What a worker may not have kills it, and nothing else."""
    pool = Pool({"en": MODEL}, workers=1, memory=64 * 1024**2)
    try:
        with pytest.raises(SpeechError):
            await pool.transcribe(job("en_late"))
    finally:
        await pool.close()


async def test_cancelling_ends_the_worker_and_frees_its_place(tmp_path: Path) -> None:
    path = await asyncio.to_thread(long_file, tmp_path, 20)
    pool = Pool({"en": MODEL}, workers=1)
    began = asyncio.Event()
    task = asyncio.create_task(pool.transcribe(Job(path=str(path)), tell=lambda _: began.set()))
    await began.wait()
    (pid,) = pool.pids()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not runs(pid)
    await alive(pool)
    await pool.close()


async def test_bad_files_cost_no_worker(pool: Pool, tmp_path: Path) -> None:
    await alive(pool)
    before = pool.pids()
    for n, data in enumerate((b"", b"garbage", b"RIFF" + os.urandom(100))):
        path = tmp_path / f"{n}.wav"
        path.write_bytes(data)
        with pytest.raises(AudioError):
            await pool.transcribe(Job(path=str(path)))
    with pytest.raises(AudioError):
        await pool.transcribe(Job(path=str(tmp_path / "gone.wav")))
    await alive(pool)
    assert set(before) <= set(pool.pids())


async def test_limits_reach_the_worker(tmp_path: Path) -> None:
    pool = Pool({"en": MODEL}, workers=1, limits=Limits(seconds=1.0))
    with pytest.raises(AudioError, match="longer"):
        await pool.transcribe(job("en_late"))
    await pool.close()


async def test_without_a_model_or_with_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="allears models"):
        await Pool({}).transcribe(job("en_late"))
    folder = shutil.copytree(MODEL, tmp_path / "m")
    (folder / "am" / "final.mdl").write_bytes(b"garbage")
    pool = Pool({"en": folder}, workers=1)
    with pytest.raises(ModelError):
        await pool.transcribe(job("en_late"))
    await pool.close()


async def test_weights_that_are_no_numbers_end_a_worker_at_most(tmp_path: Path) -> None:
    folder = shutil.copytree(MODEL, tmp_path / "m")
    data = bytearray((folder / "am" / "final.mdl").read_bytes())
    at = data.index(b"<BiasParams> FV ") + 16 + 5
    data[at : at + 400] = b"\x00\x00\xc0\x7f" * 100
    (folder / "am" / "final.mdl").write_bytes(data)
    pool = Pool({"en": folder}, workers=1)
    with contextlib.suppress(SpeechError):
        heard = await pool.transcribe(job("en_late"))
        assert text(heard) != "my order is late"
    await pool.close()


async def test_the_language_by_choice_and_by_trying(models: dict[str, Path]) -> None:
    pool = Pool(models, workers=1)
    try:
        for name in ("en_manager", "zh_number"):
            assert (await pool.transcribe(job(name))).language == name[:2]
        told = Job(path=str(SPEECH / "en_late.flac"), languages=("en-GB",))
        assert (await pool.transcribe(told)).model == "tiny-en"
    finally:
        await pool.close()


async def test_a_closed_pool_says_so_and_leaves_no_process(pool: Pool) -> None:
    await alive(pool)
    pids = pool.pids()
    await pool.close()
    assert not any(runs(pid) for pid in pids)
    with pytest.raises(SpeechError):
        await pool.transcribe(job("en_late"))


def test_workers_do_not_outlive_their_gateway(tmp_path: Path) -> None:
    code = (
        "import asyncio,os,sys\nfrom pathlib import Path\nfrom transcription.pool import Pool\n"
        "from transcription.job import Job\nfrom transcription.tiny import MODEL\n"
        "async def main():\n p=Pool({'en':MODEL},workers=1)\n await p.transcribe(Job(path=sys.argv[1]))\n"
        " print(p.pids()[0],flush=True)\n os.kill(os.getpid(),9)\nasyncio.run(main())"
    )
    command = [sys.executable, "-c", code, str(SPEECH / "en_late.flac")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, check=False)
    pid = int(done.stdout)
    for _ in range(100):
        if not runs(pid):
            return
        subprocess.run(["sleep", "0.05"], check=True)
    pytest.fail("the worker is still there")


async def test_a_quiet_recording_has_no_words(pool: Pool, tmp_path: Path) -> None:
    write(tmp_path / "quiet.wav", np.zeros(8000 * 5), codec="pcm_s16le")
    write(tmp_path / "hiss.wav", np.random.default_rng(1).standard_normal(8000 * 5) * 300, codec="pcm_s16le")
    for name in ("quiet.wav", "hiss.wav"):
        assert text(await pool.transcribe(Job(path=str(tmp_path / name)))) == ""


def test_the_recordings_can_be_made_anew() -> None:
    """The script that made ``speech/`` still makes the same, where the synthesizer is installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    sound = spoken(SAID["en_late"], "en-us+m4")
    assert 1.5 < len(sound) / 8000 < 3.0
