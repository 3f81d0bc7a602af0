"""The worker that makes recordings fit to be listened to: what was heard gets a copy without identity and card numbers.

It comes after the transcript, so no customer waits for it. The original stays as it came. A copy is made in a process of its
own, which a hostile file may end; the rows say which recordings have none yet, so a crash costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from gateway import covering, wake
from gateway.context import Gateway
from gateway.intake import pieces_of
from gateway.jobs import LOOK, done, in_hand
from gateway.store.base import NO_COPY, NotFound, Recording, StoreError, StoreUnavailable
from transcription.job import Copied, Copy, Limits

log = logging.getLogger(__name__)

#: Looks for work at least this often, in seconds.
POLL = 30.0
#: Seconds that a copy may take: three hours of stereo take two minutes.
LONGEST = 3600.0
#: After a full disk it looks again so often, in seconds.
PAUSE = 30.0

_ROOT = Path(__file__).parents[1]


class Listening:
    """The worker of the copies."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Work for ever; cancel to stop."""
        with self._gateway.wake.listen(wake.LISTENING) as signals:
            while True:
                self._gateway.metrics.beat("listening")
                try:
                    busy = await self.step()
                except (StoreError, OSError) as err:
                    log.warning("listening: not this time: %s", err)
                    await asyncio.sleep(PAUSE)
                    continue
                if not busy:
                    await signals.next(POLL)

    async def step(self) -> int:
        """Make some copies side by side, one on each core; how many recordings were looked at.

        Raises:
            StoreError, OSError: the disk is full or the store away; what has no copy yet gets it later.
        """
        store, room = self._gateway.store, self._gateway.config.speech.workers or os.cpu_count() or 1
        waiting = await store.recordings_to_copy(LOOK * room)
        ours = await in_hand(store, "copy", {one.digest: one for one in waiting}, room)
        self._gateway.metrics.beat("listening", silence=2 * LONGEST)
        ended = await asyncio.gather(
            *(done(store, name, self._copy(one)) for name, one in ours), return_exceptions=True
        )
        if faults := [one for one in ended if isinstance(one, BaseException)]:
            raise faults[0]
        return len(ours)

    async def _copy(self, one: Recording) -> None:
        digest = NO_COPY
        try:
            digest = await self._made(one)
        except (_Failed, NotFound) as err:
            log.warning("listening: there is no copy of recording %d/%d: %s", one.inbox_id, one.place, err)
        conversations = await self._gateway.store.settle_copy(one.digest, digest)
        if not conversations and digest != NO_COPY and not await self._gateway.store.blob_in_use(digest):
            await self._gateway.blobs.remove(digest)  # erased meanwhile
        for conversation in conversations:
            self._gateway.wake.signal(wake.conversation(conversation))

    async def _made(self, one: Recording) -> str:
        """Make the copy and keep it; its digest."""
        assert one.transcript is not None
        speech = self._gateway.config.speech
        blobs = self._gateway.blobs
        with TemporaryDirectory(prefix="copy-", dir=self._gateway.data) as temporary:
            out = Path(temporary) / "copy.mp3"
            async with blobs.local(one.digest) as path:
                await _run(
                    Copy(
                        path=str(path),
                        out=str(out),
                        beeps=covering.spans(one.transcript),
                        memory=speech.memory_mb * 1024**2,
                        limits=Limits(size=speech.max_file, seconds=speech.max_hours * 3600),
                    )
                )
            kept = await blobs.put(pieces_of(out), name="copy.mp3", type="audio/mpeg", limit=speech.max_file)
        if kept.state != "kept":
            raise _Failed(kept.reason)
        return kept.digest


class _Failed(Exception):
    """There will be no copy: why."""


async def _run(copy: Copy) -> None:
    """Raises :class:`_Failed`; StoreUnavailable when there is no room."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "transcription.copying",
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd=_ROOT,
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", ""), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    try:
        async with asyncio.timeout(LONGEST):
            answer, _ = await process.communicate(msgspec.json.encode(copy) + b"\n")
    except TimeoutError as err:
        raise _Failed("it took too long") from err
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if not answer.endswith(b"\n"):
        raise _Failed(f"its process ended with status {process.returncode}")
    done = msgspec.json.decode(answer, type=Copied)
    if done.no_room:
        raise StoreUnavailable("there is no room for a copy")
    if done.bad:
        raise _Failed(done.bad)
