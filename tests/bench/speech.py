"""(h) Speech: the pool beside the bare engine on the same files, memory, and how long a caller's words take to the record.

The recordings are made of the fixtures; the model is the tiny one, whose engine is the same as that of the large ones and
so fast that what we add weighs most.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp.test_utils import TestClient, TestServer

from gateway import config
from gateway.app import application, assemble
from gateway.context import GATEWAY, Gateway
from tests.bench import process, score_speech
from tests.bench.rounds import Sizes
from transcription import model_folder
from transcription.job import Job
from transcription.pool import Pool
from transcription.tiny import MODEL

#: Minute-long calls that the time to the record is measured on.
CALLS = 12
TOKEN = "bench-token"
_CONFIG = f"""
secret = "bench-installation-secret-0123456789abcdef"
[channels.phone.main]
tokens = ["{hashlib.sha256(TOKEN.encode()).hexdigest()}"]
"""


@dataclass
class Speech:
    """Ratios are bare time by ours: 1 is as fast. Seconds from the last byte of a call to its record; bytes of memory."""

    by_clock: list[float] = field(default_factory=list)
    by_cpu: list[float] = field(default_factory=list)
    worker: int = 0
    """Resident memory of one worker after its first call, and what of it no other process shares."""
    worker_own: int = 0
    waits: list[float] = field(default_factory=list)
    hours: float = 0.0
    long_seconds: float = 0.0
    long_memory: list[int] = field(default_factory=list)
    """A worker's resident memory after each tenth of the long recording."""


def measure(folder: Path, sizes: Sizes, tell: Callable[[str], None]) -> Speech:
    """All of it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Speech(hours=sizes.hours)
    paths = score_speech._calls(folder, sizes.calls)
    cores = os.cpu_count() or 1
    for n in range(min(3, sizes.rounds)):
        tell(f"speech {n + 1}")
        before = score_speech._cpu()
        bare, between = score_speech._bare(MODEL, paths, cores), score_speech._cpu()
        pooled, after = asyncio.run(score_speech._pooled(MODEL, paths, cores)), score_speech._cpu()
        found.by_clock.append(bare / pooled)
        found.by_cpu.append((between - before) / (after - between))
    tell("speech, to the record")
    found.waits = asyncio.run(_to_the_record(folder, paths))
    tell(f"speech, {sizes.hours:g} hours")
    asyncio.run(_long(folder, sizes.hours, found))
    return found


def _own(pid: int) -> int:
    """Memory that a process shares with no other, in bytes."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    private = (line.split()[1] for line in rollup.splitlines() if line.startswith("Private_"))
    return sum(map(int, private)) * 1024


async def _to_the_record(folder: Path, paths: list[Path]) -> list[float]:
    """One call after the other through the running gateway; the first one, which loads the model, is not counted."""
    file = folder / "allears.toml"
    file.write_text(_CONFIG, "utf-8")
    loaded = config.load(file, env={})
    model_folder.use(loaded.path(loaded.config.speech.models), model_folder.TINY)
    waits = []
    async with TestClient(TestServer(application(assemble(loaded)))) as client:
        gateway = client.server.app[GATEWAY]  # type: ignore[attr-defined]
        for n, path in enumerate((paths * CALLS)[: CALLS + 1]):
            # A call is no other's: the same bytes would be heard once.
            data = path.read_bytes() + n.to_bytes(2, "little")
            waits.append(await _one_call(client, gateway, data, str(n)))
    return waits[1:]


async def _one_call(client: TestClient[Any, Any], gateway: Gateway, data: bytes, id: str) -> float:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    began = time.perf_counter()
    async with client.post("/v1/recordings", params={"call_id": id}, data=data, headers=headers) as answer:
        conversation = (await answer.json())["conversation"]
    async with asyncio.timeout(120):
        while True:
            if (await gateway.store.conversation(conversation)).number:
                break
            await asyncio.sleep(0.005)
    return time.perf_counter() - began


async def _long(folder: Path, hours: float, found: Speech) -> None:
    """Speech and silence in turns, a minute each, on both channels; the worker's memory on the way."""
    path = await asyncio.to_thread(_recorded, folder, hours)
    pool = Pool({"en": MODEL}, workers=1)
    await pool.transcribe(Job(path=str(score_speech.SPEECH / "en_late.flac")))
    (pid,) = pool.pids()
    found.worker, found.worker_own = process.resident(pid), _own(pid)
    step, told = hours * 360, 0.0

    def note(seconds: float) -> None:
        nonlocal told
        if seconds >= told + step:
            told += step
            found.long_memory.append(process.resident(pid))

    began = time.perf_counter()
    await pool.transcribe(Job(path=str(path)), tell=note)
    found.long_seconds = time.perf_counter() - began
    await pool.close()


def _recorded(folder: Path, hours: float) -> Path:
    with wave.open(str(score_speech._calls(folder, 1)[0])) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    speech = np.stack([sound, np.roll(sound, 8000)], axis=1).tobytes()
    silence = bytes(len(speech))
    with wave.open(str(folder / "long.wav"), "wb") as out:
        out.setparams((2, 2, 8000, 0, "NONE", ""))
        for n in range(max(2, int(hours * 60))):
            out.writeframes(silence if n % 2 else speech)
    return folder / "long.wav"
