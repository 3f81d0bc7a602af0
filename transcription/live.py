"""Calls heard while they run, in watched processes: one process hears many calls and loads each model once.

A process that dies or hangs is ended, and what it was hearing raises :class:`Lost`; whoever has the sound opens an ear anew
(:mod:`transcription.following` does, from the file that a call is kept in).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from transcription import process
from transcription.base import ModelError, SpeechError
from transcription.live_messages import LENGTH, MAX_MESSAGE, Begin, Drop, Heard, Open, Sound, decode_heard, packed

#: Calls that one process hears before another process is started, while there are cores.
CALLS_EACH = 4
#: Seconds that a process may take for one piece of sound.
SILENCE = 30.0
#: Seconds without a call after which a process ends: a large model holds gigabytes.
IDLE = 300.0


class Lost(SpeechError):
    """The process that heard a call is gone: how it ended."""


class Full(SpeechError):
    """As many calls are heard as may be."""


class Live:
    """The processes. ``models`` is a model folder by language, ``calls`` how many may be heard at once.

    ``memory`` bytes a process may use, ``silence`` seconds for one piece of sound.
    """

    def __init__(
        self,
        models: Mapping[str, Path],
        *,
        calls: int,
        workers: int | None = None,
        memory: int = 0,
        silence: float = SILENCE,
    ) -> None:
        self.models = dict(models)
        self._open = Open(models={language: str(path) for language, path in models.items()}, memory=memory)
        self._calls, self._most, self._silence = calls, workers or os.cpu_count() or 1, silence
        self._workers: list[_Worker] = []
        self._ids = itertools.count(1)
        self._count = 0
        self._closed = False

    async def listen(
        self, *, rate: int, speakers: tuple[str, ...], languages: Sequence[str] = (), phrases: Sequence[str] = ()
    ) -> LiveEar:
        """An ear for a call: ``rate`` samples a second, a name for each channel. Close it in any case.

        Raises:
            Full: too many calls are heard already.
            Lost: its process died at once.
            ModelError: there is no model.
            SpeechError: the call cannot be heard, or all was closed.
        """
        if not self.models:
            raise ModelError("there is no speech model; `allears models` shows how to get one")
        if self._closed:
            raise SpeechError("nothing is heard any more")
        if self._count >= self._calls:
            raise Full(f"{self._calls} calls are heard at once; this one is heard when it is over")
        self._count += 1
        worker = self._worker()
        ear = LiveEar(self, worker, next(self._ids), self._silence)
        begin = Begin(
            call=ear.id,
            rate=rate,
            speakers=speakers,
            languages=tuple(languages),
            phrases=tuple(phrases),
        )
        try:
            await ear.ask(begin)
        except BaseException:
            ear.close()
            raise
        return ear

    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers that run."""
        return tuple(worker.pid for worker in self._workers if worker.pid)

    async def close(self) -> None:
        """End all processes."""
        self._closed = True
        workers, self._workers = self._workers, []
        await asyncio.gather(*(worker.end() for worker in workers))

    def _worker(self) -> _Worker:
        """The one with the fewest calls, or a new one while all have enough to do and there are cores."""
        self._workers = [worker for worker in self._workers if not worker.over]
        least = min(self._workers, key=lambda worker: worker.calls, default=None)
        if least is None or (least.calls >= CALLS_EACH and len(self._workers) < self._most):
            least = _Worker(self._open)
            self._workers.append(least)
        least.calls += 1
        return least

    def given_back(self, worker: _Worker) -> None:
        """A call is over. The process goes with its last call, after a while."""
        self._count -= 1
        worker.calls -= 1
        if not worker.calls:
            asyncio.get_running_loop().call_later(IDLE, self._retire, worker, worker.served)

    def _retire(self, worker: _Worker, served: int) -> None:
        if worker.served == served and worker in self._workers:
            self._workers.remove(worker)
            worker.kill()


class LiveEar:
    """One call being heard. Pieces go in one after the other: wait for each answer before the next."""

    def __init__(self, live: Live, worker: _Worker, id: int, silence: float) -> None:
        self.id = id
        self._live, self._worker, self._silence = live, worker, silence
        self._open = True

    async def hear(self, samples: bytes, *, pause: bool = False, last: bool = False) -> Heard:
        """Hear the next samples (16 bits, channels interleaved). ``pause`` ends the utterance that runs, ``last`` the call.

        Raises:
            Lost: the process is gone. SpeechError: this call cannot be heard.
        """
        return await self.ask(Sound(call=self.id, samples=samples, pause=pause, last=last))

    async def ask(self, message: Begin | Sound) -> Heard:
        """Send a message and wait for its answer. Raises as :meth:`hear`."""
        try:
            async with asyncio.timeout(self._silence):
                heard = await self._worker.ask(self.id, message)
        except TimeoutError as err:
            self._worker.kill()
            raise Lost("the process that heard it took too long") from err
        if heard.bad:
            raise SpeechError(heard.bad)
        return heard

    def close(self) -> None:
        """Give the place back."""
        if self._open:
            self._open = False
            self._worker.forget(self.id)
            self._live.given_back(self._worker)


class _Worker:
    """One process. It is started by its first call; ``over`` once it is gone."""

    def __init__(self, open: Open) -> None:
        self.calls, self.served, self.over = 0, 0, False
        self._first = open
        self._process: Process | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[int, asyncio.Future[Heard]] = {}
        self._reader: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def ask(self, call: int, message: Begin | Sound) -> Heard:
        """The answer to a call's message. Raises :class:`Lost`."""
        await self._start()
        self.served += 1
        answer: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
        self._waiting[call] = answer
        try:
            await self._send(message)
            return await answer
        finally:
            self._waiting.pop(call, None)

    def forget(self, call: int) -> None:
        """The call is over, whether or not it was heard to its end."""
        if self._process is not None and self._process.stdin is not None and not self.over:
            with contextlib.suppress(ConnectionError):
                self._process.stdin.write(packed(Drop(call=call)))

    def kill(self) -> None:
        """It has nothing that could be lost."""
        self.over = True
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        self.kill()
        if self._reader is not None:
            await self._reader

    async def _start(self) -> None:
        async with self._starting:
            if self.over:
                raise Lost("the process that heard it is gone")
            if self._process is None:
                self._process = await process.start("transcription.live_worker", MAX_MESSAGE)
                self._waiting[0] = ready = asyncio.get_running_loop().create_future()
                self._reader = asyncio.create_task(self._read(self._process))
                await self._send(self._first)
                await ready

    async def _send(self, message: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(packed(message))
            await self._process.stdin.drain()
        except ConnectionError as err:
            self.over = True
            raise Lost(await process.how_it_ended(self._process)) from err

    async def _read(self, running: Process) -> None:
        """Hand the answers to those who wait for them, until the process is gone."""
        assert running.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = LENGTH.unpack(await running.stdout.readexactly(LENGTH.size))
                heard = decode_heard(await running.stdout.readexactly(length))
                waiting = self._waiting.get(heard.call)
                if waiting is not None and not waiting.done():
                    waiting.set_result(heard)
        self.over = True
        how = await process.how_it_ended(running)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(Lost(how))
