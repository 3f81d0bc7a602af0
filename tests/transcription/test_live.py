"""Calls heard while they run: the words of a recording, piece by piece, whatever happens to the processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from tests.transcription.make_speech import SAID
from tests.transcription.needs import SPEECH
from transcription.audio import Recording
from transcription.base import ModelError, Segment, SpeechError
from transcription.following import Following
from transcription.job import Job
from transcription.live import Full, Live, Lost
from transcription.pool import Pool
from transcription.tiny import MODEL

RATE = 8000


def sound(name: str, rate: int = RATE) -> bytes:
    """Interleaved samples of a recording."""
    with Recording(SPEECH / f"{name}.flac", rate=rate) as recording:
        return np.concatenate(list(recording), axis=1).T.tobytes()


def words(segments: list[Segment], speaker: str = "") -> str:
    return " ".join(word.text for one in segments if one.speaker == speaker for word in one.words)


@pytest.fixture
async def live() -> AsyncIterator[Live]:
    made = Live({"en": MODEL}, calls=30, workers=2)
    yield made
    await made.close()


def following(live: Live, path: Path, data: bytes, **more: object) -> Following:
    path.write_bytes(data)
    settings = {"skip": 0, "rate": RATE, "speakers": ("",), **more}
    return Following(live, path, **settings)  # type: ignore[arg-type]


async def test_words_come_while_sound_goes_in(live: Live) -> None:
    ear = await live.listen(rate=RATE, speakers=("",))
    data, partials = sound("en_number"), []
    for at in range(0, len(data), 3200):
        heard = await ear.hear(data[at : at + 3200])
        partials.append(heard.partial[0])
    last = await ear.hear(b"", last=True)
    ear.close()
    assert words(list(last.segments)) == SAID["en_number"]
    assert "my order number" in partials
    assert all(SAID["en_number"].startswith(one) or one == "" for one in partials[-3:])


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
async def test_other_rates_are_resampled(live: Live, rate: int) -> None:
    ear = await live.listen(rate=rate, speakers=("",))
    heard = await ear.hear(sound("en_broken", rate), last=True)
    assert words(list(heard.segments)) == SAID["en_broken"]


async def test_a_call_on_two_channels_is_heard_as_its_recording(live: Live, pool: Pool, tmp_path: Path) -> None:
    data = sound("call")
    call = following(live, tmp_path / "call", data, speakers=("customer", "agent"))
    for end in range(0, len(data), 8000):
        await call.up_to(end)
    await call.up_to(len(data), last=True)
    recorded = await pool.transcribe(Job(path=str(SPEECH / "call.flac"), recording="x"))
    assert call.transcript("x") == recorded
    call.close()


async def test_many_calls_share_few_processes(live: Live, tmp_path: Path) -> None:
    async def one(n: int, name: str) -> str:
        data = sound(name)
        call = following(live, tmp_path / f"{n}", data)
        for end in range(1600, len(data), 1600):
            await call.up_to(end)
        await call.up_to(len(data), last=True)
        call.close()
        return words(call.segments)

    names = [*SAID, *SAID]
    assert await asyncio.gather(*(one(n, name) for n, name in enumerate(names))) == [SAID[name] for name in names]
    assert len(live.pids()) == 2


async def test_the_language_is_found_out(models: dict[str, Path], tmp_path: Path) -> None:
    live = Live(models, calls=5, workers=1)
    for name, language in (("zh_quality", "zh"), ("en_broken", "en")):
        call = following(live, tmp_path / name, sound(name))
        await call.up_to(len(sound(name)), last=True)
        assert (call.language, words(call.segments)) == (language, SAID[name])
        call.close()
    await live.close()


async def test_a_grammar_holds(live: Live) -> None:
    ear = await live.listen(rate=RATE, speakers=("",), phrases=("refund",))
    heard = await ear.hear(sound("en_broken"), last=True)
    assert set(words(list(heard.segments)).split()) <= {"refund", "…"}


async def test_a_pause_ends_the_utterance(live: Live) -> None:
    ear, data = await live.listen(rate=RATE, speakers=("",)), sound("en_number")
    heard = await ear.hear(data[: len(data) // 2], pause=True)
    assert SAID["en_number"].startswith(words(list(heard.segments))[:8])
    assert heard.partial == ("",)
    more = await ear.hear(data[len(data) // 2 :], last=True)
    assert more.segments[0].start >= heard.segments[-1].end, "times go on"


async def test_a_killed_process_costs_no_word(live: Live, tmp_path: Path) -> None:
    data = sound("call")
    call = following(live, tmp_path / "call", data, speakers=("customer", "agent"))
    for n, end in enumerate(range(0, len(data), 8000)):
        if n and n % 15 == 0:
            for pid in live.pids():
                os.kill(pid, signal.SIGKILL)
        await call.up_to(end)
    await call.up_to(len(data), last=True)
    assert (
        words(call.segments, "customer")
        == "my order number is seven zero four two my package was damaged i want a refund"
    )
    assert words(call.segments, "agent") == "hello please help thank you"
    starts = [one.start for one in call.transcript("x").segments]
    assert starts == sorted(starts)
    call.close()


async def test_a_call_that_kills_its_processes_is_left_alone_and_the_others_go_on(live: Live, tmp_path: Path) -> None:
    poison = following(live, tmp_path / "poison", bytes(RATE * 20))
    stop = asyncio.Event()

    async def kill() -> None:
        while not stop.is_set():
            for pid in live.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSEGV)
            await asyncio.sleep(0.05)

    killing = asyncio.create_task(kill())
    await poison.up_to(RATE * 20)
    stop.set()
    await killing
    assert "SIGSEGV" in poison.deaf
    assert await poison.up_to(RATE * 20, last=True) == []
    call = following(live, tmp_path / "call", sound("en_late"))
    await call.up_to(len(sound("en_late")), last=True)
    assert words(call.segments) == SAID["en_late"]


async def test_a_process_that_hangs_is_ended(tmp_path: Path) -> None:
    live = Live({"en": MODEL}, calls=5, workers=1, silence=2.0)
    data = sound("en_number")
    call = following(live, tmp_path / "call", data)
    await call.up_to(16000)
    (hung,) = live.pids()
    os.kill(hung, signal.SIGSTOP)
    await call.up_to(len(data), last=True)
    assert words(call.segments) == SAID["en_number"]
    assert hung not in live.pids()
    call.close()
    await live.close()


async def test_no_more_calls_than_allowed(tmp_path: Path) -> None:
    live = Live({"en": MODEL}, calls=1)
    ear = await live.listen(rate=RATE, speakers=("",))
    with pytest.raises(Full):
        await live.listen(rate=RATE, speakers=("",))
    second = following(live, tmp_path / "call", sound("en_late"))
    await second.up_to(8000)
    assert second.deaf
    ear.close()
    third = await live.listen(rate=RATE, speakers=("",))
    assert words(list((await third.hear(sound("en_late"), last=True)).segments)) == SAID["en_late"]
    await live.close()


@pytest.mark.parametrize("rate", [0, -1, 7999, 10**9])
async def test_rates_that_would_hang_the_engine_are_refused(live: Live, rate: int) -> None:
    with pytest.raises(SpeechError, match="Hz"):
        await live.listen(rate=rate, speakers=("",))


async def test_broken_models_are_named_and_nothing_falls(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        await Live({}, calls=1).listen(rate=RATE, speakers=("",))
    live = Live({"en": tmp_path}, calls=1)
    with pytest.raises(SpeechError, match=str(tmp_path)):
        await live.listen(rate=RATE, speakers=("",))
    await live.close()


async def test_memory_is_limited() -> None:
    live = Live({"en": MODEL}, calls=1, workers=1, memory=64 * 1024**2)
    with pytest.raises(Lost):
        await live.listen(rate=RATE, speakers=("",))
    await live.close()


async def test_odd_bytes_and_noise_say_nothing(live: Live) -> None:
    ear = await live.listen(rate=RATE, speakers=("",))
    noise = np.random.default_rng(3).integers(-32768, 32767, RATE * 3, dtype=np.int16).tobytes()
    for piece in (b"", b"\x01", noise[:-1], noise):
        await ear.hear(piece)
    assert (await ear.hear(b"", last=True)).segments == ()
