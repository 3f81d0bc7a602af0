"""The worker that hears: recordings that came with messages become transcripts, each once.

The rows say what waits. A recording that is here (``gateway/fetching.py``) is heard in the pool, then its
transcript is written in the transaction that opens its message for the flow. What cannot be heard for the file's own sake
is settled as failed; what is missing on our side (a model, the network) leaves it waiting, and its message goes on
without it after a while.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from pathlib import Path

from channels.base import ChannelError, RecordsCalls, Refused, Unauthorized
from gateway import heard_live, wake
from gateway.context import Gateway
from gateway.jobs import LOOK, done, in_hand
from gateway.store.base import NotFound, Recording, StoreError, StoreUnavailable, ToHear
from transcription.base import AudioError, ModelError, SpeechError, Transcript
from transcription.job import CALL, Job, Limits
from transcription.model_folder import in_use
from transcription.pool import Pool

log = logging.getLogger(__name__)

PART = "speech"
#: Looks for work at least this often, in seconds.
POLL = 5.0
#: A message is worked on without its recordings after so long; what is heard later is taken in then.
PATIENCE = timedelta(minutes=15)
#: After trouble of ours (no model, a broken one) it looks again so often, in seconds.
PAUSE = 30.0
#: A recording that our side cannot hear is given up after so many tries.
TRIES = 20


class Hearing:
    """The worker of the recordings."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._shelf = gateway, gateway.shelf
        self._running: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._paused_until: float = 0.0
        self._pool: Pool | None = None
        self._models: dict[str, Path] = {}

    async def run(self) -> None:
        """Work for ever; cancel to stop. A fault is logged, never fatal."""
        with self._gateway.wake.listen(wake.HEARING) as signals:
            try:
                while True:
                    self._gateway.metrics.beat("hearing")
                    try:
                        await self.step()
                    except StoreError as err:
                        log.warning("hearing: the store is not available: %s", err)
                    await signals.next(POLL)
            finally:
                await self._stop()

    async def step(self) -> None:
        """Start what can be started; returns at once. A finished recording signals for the next."""
        now = self._gateway.clock()
        await heard_live.settle(self._gateway)
        await self._let_go(now - PATIENCE)
        self._running = {place: task for place, task in self._running.items() if not task.done()}
        room = 2 * (self._pool.size if self._pool else 1) - len(self._running)
        if room <= 0:
            return
        waiting = await self._gateway.store.recordings_to_hear(LOOK * room, besides=tuple(self._running))
        if not waiting:
            return
        pool = await self._ready()
        if pool is None:
            await self._let_go(now)
            return
        store = self._gateway.store
        # By its bytes: the same recording need not be heard by two nodes, whoever sent it.
        for name, one in await in_hand(store, "hear", {one.recording.digest: one for one in waiting}, room):
            place = (one.recording.inbox_id, one.recording.place)
            self._running[place] = asyncio.create_task(done(store, name, self._one(one, pool)))

    async def idle(self) -> None:
        """Wait until nothing is being heard."""
        await asyncio.gather(*self._running.values())

    async def _settle_heard(self, one: Recording, transcript: Transcript) -> None:
        await self._gateway.store.settle_recording(one.inbox_id, one.place, "heard", transcript=transcript)
        self._gateway.wake.signal(wake.INBOX)
        self._gateway.wake.signal(wake.LISTENING)

    async def _let_go(self, before: datetime) -> None:
        if await self._gateway.store.defer_recordings(before):
            self._gateway.wake.signal(wake.INBOX)

    async def _ready(self) -> Pool | None:
        """The pool, made anew when other models are in use. None while nothing can be heard; health says why."""
        if asyncio.get_running_loop().time() < self._paused_until:
            return None
        models = await asyncio.to_thread(in_use, self._shelf)
        if not models:
            self._trouble(f"there is no speech model in {self._shelf}; `allears models` shows how to get one")
            return None
        if self._pool is None or models != self._models:
            await self._stop()
            self._models, self._pool = models, self._new_pool(models)
        return self._pool

    def _new_pool(self, models: dict[str, Path]) -> Pool:
        speech = self._gateway.config.speech
        limits = Limits(size=speech.max_file, seconds=speech.max_hours * 3600)
        return Pool(models, workers=speech.workers or None, memory=speech.memory_mb * 1024**2, limits=limits)

    def _trouble(self, why: str) -> None:
        self._gateway.metrics.stopped(PART, why)
        self._paused_until = asyncio.get_running_loop().time() + PAUSE

    async def _stop(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._running.clear()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    # one recording

    async def _one(self, one: ToHear, pool: Pool) -> None:
        """Hear it, whatever happens; the row says afterwards what became of it."""
        try:
            await self._heard(one, pool)
        except StoreUnavailable as err:
            log.warning("hearing: a recording waits, the store is not available: %s", err)
        except ModelError as err:
            log.error("hearing: %s", err)
            self._trouble(str(err))
        except (AudioError, Refused, Unauthorized, NotFound) as err:
            await self._settle_failed(one, str(err))
        except (SpeechError, ChannelError) as err:
            await self._later(one, str(err))
        except Exception as err:  # a fault of ours must neither lose the recording nor stop the others
            log.exception("hearing: recording %d/%d fell over", one.recording.inbox_id, one.recording.place)
            await self._later(one, type(err).__name__)
        finally:
            self._gateway.wake.signal(wake.HEARING)

    async def _heard(self, one: ToHear, pool: Pool) -> None:
        store, recording = self._gateway.store, one.recording
        transcript = await store.heard_before(recording.digest)
        if transcript is None:
            async with self._gateway.blobs.local(recording.digest) as path:
                transcript = await pool.transcribe(await self._job(one, path))
        self._gateway.metrics.running(PART)
        await self._settle_heard(recording, transcript)

    async def _job(self, one: ToHear, file: Path) -> Job:
        path, digest = str(file), one.recording.digest
        channel = self._gateway.channels.get((one.message.channel, one.message.account))
        languages = tuple(filter(None, [one.message.language or await self._language(one)]))
        if isinstance(channel, RecordsCalls):
            return Job(path=path, recording=digest, languages=languages, speakers=channel.speakers)
        # Both channels of a voice note are the one who sent it.
        return Job(path=path, recording=digest, languages=languages, speaker=CALL[0], speakers=(CALL[0], CALL[0]))

    async def _language(self, one: ToHear) -> str:
        """What the customer wrote in so far."""
        if not one.number:
            return ""
        known = (await self._gateway.store.record(one.number)).arrival.language
        return known.value if known is not None else ""

    async def _later(self, one: ToHear, why: str) -> None:
        """Not this time; after a number of times not at all."""
        if one.recording.tries + 1 >= TRIES:
            await self._settle_failed(one, why)
            return
        await self._gateway.store.recording_tried(one.recording.inbox_id, one.recording.place, why)
        await asyncio.sleep(min(PAUSE, 2.0**one.recording.tries))

    async def _settle_failed(self, one: ToHear, why: str) -> None:
        recording = one.recording
        log.warning("hearing: recording %d/%d failed: %s", recording.inbox_id, recording.place, why)
        await self._gateway.store.settle_recording(recording.inbox_id, recording.place, "failed", error=why)
        self._gateway.wake.signal(wake.INBOX)
