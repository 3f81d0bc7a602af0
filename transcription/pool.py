"""Workers that hear, watched: restarted when they fall, ended when they hang, and never the gateway's trouble.

A recording whose worker dies gets a second one. When that dies too the recording is to blame (:class:`Poisoned`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import msgspec

from transcription import process
from transcription.base import AudioError, ModelError, SpeechError, Transcript
from transcription.job import DEFAULT_LIMITS, Job, Limits, News, Start

#: How often a recording is tried when its worker dies.
TRIES = 2
#: Longest line of a worker: the transcript of a day's recording.
MAX_LINE = 256 * 1024 * 1024

_NEWS = msgspec.json.Decoder(News)


class Poisoned(AudioError):
    """Every worker that heard this recording died or hung: it is set aside for a person."""


class _Died(Exception):
    """A worker is gone: how it ended."""


class Pool:
    """``models`` is a model folder by language. All work waits its turn: no more recordings are open than workers.

    ``memory`` bytes a worker may use; ``silence`` seconds without a sign of life and ``longest`` seconds for one recording,
    after which its worker is ended.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        workers: int | None = None,
        memory: int = 0,
        silence: float = 120.0,
        longest: float = 4 * 3600.0,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        folders = {language: str(path) for language, path in models.items()}
        self.languages = tuple(folders)
        self.size = workers or os.cpu_count() or 1
        self._start = Start(models=folders, memory=memory, limits=limits)
        self._silence, self._longest = silence, longest
        self._turns = asyncio.Semaphore(self.size)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    async def transcribe(self, job: Job, *, tell: Callable[[float], None] = lambda _: None) -> Transcript:
        """Hear one recording; waits until a worker is free. Cancelling it ends the worker.

        ``tell`` is given the seconds of sound that were heard so far.

        Raises:
            AudioError: the file is no recording that can be heard (:class:`Poisoned`: it kills workers).
            ModelError: there is no model, or it is broken.
            SpeechError: the pool is closed.
        """
        if not self._start.models:
            raise ModelError("there is no speech model; `allears models` shows how to get one")
        async with self._turns:
            how = ""
            for _ in range(TRIES):
                try:
                    return await self._heard(job, tell)
                except _Died as err:
                    how = str(err)
            raise Poisoned(f"{how} ({TRIES} times)")

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        await asyncio.gather(*(worker.end() for worker in tuple(self._all)))
        self._idle.clear()
        self._all.clear()

    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        return tuple(worker.pid for worker in self._all)

    async def _heard(self, job: Job, tell: Callable[[float], None]) -> Transcript:
        async with self._lent() as worker:
            async with asyncio.timeout(self._longest):
                news = await worker.work(job, tell, self._silence)
        if news.bad_model:
            raise ModelError(news.bad_model)
        if news.bad_audio:
            raise AudioError(news.bad_audio)
        assert news.transcript is not None
        return news.transcript

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[_Worker]:
        """A worker; back to the others when all went well, ended when anything else happened."""
        if self._closed:
            raise SpeechError("the pool is closed")
        worker = self._idle.pop() if self._idle else _Worker()
        try:
            if worker not in self._all:
                self._all.add(worker)
                await worker.start(self._start, self._silence)
            yield worker
        except TimeoutError as err:
            await self._drop(worker)
            raise _Died("it took too long") from err
        except BaseException:
            await self._drop(worker)
            raise
        if self._closed:
            await self._drop(worker)
        else:
            self._idle.append(worker)

    async def _drop(self, worker: _Worker) -> None:
        self._all.discard(worker)
        # A cancelled task must still see its worker end, or a process stays.
        await asyncio.shield(worker.end())


class _Worker:
    """One process."""

    def __init__(self) -> None:
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self, start: Start, silence: float) -> None:
        """Start the process. Raises :class:`_Died`."""
        self._process = await process.start("transcription.worker", MAX_LINE)
        await self._send(start)
        await self._next(silence)

    async def work(self, job: Job, tell: Callable[[float], None], silence: float) -> News:
        """The last news about a job. Raises :class:`_Died` or TimeoutError."""
        await self._send(job)
        while True:
            news = await self._next(silence)
            if news.transcript is not None or news.bad_audio or news.bad_model:
                return news
            tell(news.heard)

    async def end(self) -> None:
        """Kill it: it has nothing that could be lost."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _send(self, message: Start | Job) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            await self._process.stdin.drain()
        except ConnectionError as err:
            raise _Died(await process.how_it_ended(self._process)) from err

    async def _next(self, silence: float) -> News:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(silence):
            line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise _Died(await process.how_it_ended(self._process))
        return _NEWS.decode(line)
